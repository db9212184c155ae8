package fleet

import "time"

// Window is a time in which one panel may be enrolled. The secret that the panel shows lies here only as the hash of what
// proves it (telemetry.Pairing.Proof), so that whoever reads the store cannot come in by it.
type Window struct {
	ID       string    `json:"id"`
	Site     string    `json:"site"`
	Name     string    `json:"name,omitempty"`     // of the panel that comes; empty: the name it brings
	Panel    string    `json:"panel,omitempty"`    // the only one that may come; empty: any that knows the secret
	Replaces string    `json:"replaces,omitempty"` // the panel whose place it takes
	By       string    `json:"by"`
	Opened   time.Time `json:"opened"`
	Until    time.Time `json:"until"`
	Proof    string    `json:"proof"`              // SHA-256 of the proof, 64 hexadecimal digits
	Wrong    int       `json:"wrong,omitempty"`    // proofs that fitted no window while this one was open
	Enrolled string    `json:"enrolled,omitempty"` // the panel that came
	Key      string    `json:"key,omitempty"`      // and its TLS key: the same panel may ask again when the answer was lost
	Closed   string    `json:"closed,omitempty"`   // why it is closed before its time, in words; empty: it is not
}

// Open reports whether a panel that was not enrolled by it yet may still come.
func (w Window) Open(now time.Time) bool {
	return w.Enrolled == "" && w.Closed == "" && now.Before(w.Until) && !now.Before(w.Opened)
}

// Certificate is one that the hub's authority made for a panel.
type Certificate struct {
	Serial  string    `json:"serial"` // hexadecimal digits, lower case
	Panel   string    `json:"panel"`
	Key     string    `json:"key"` // SHA-256 of its public key (SPKI), 64 hexadecimal digits
	PEM     string    `json:"pem"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Revoked time.Time `json:"revoked,omitzero"`
	Why     string    `json:"why,omitempty"` // why it was revoked, in words
}

// Enrolling is what enrollment decides on: read, changed and written back in one transaction. What it does not hold stays as it is.
type Enrolling struct {
	Windows      []Window         // all that are kept; what is left out is forgotten
	Panels       map[string]Panel // by id: of those that were asked for the ones that are known
	Certificates []Certificate    // of the panels that were asked for, oldest first
	Changes      []Change         // for the audit, written with the rest; empty at first
}
