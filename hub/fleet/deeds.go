package fleet

import "time"

// Deed is a signed document about a license that the hub holds. Key is its place (license.Document).
type Deed struct {
	License string // the license's id, 32 hexadecimal digits
	Key     string
	Raw     []byte
}

// Use says what a hub does with a license that it knows.
type Use string

// The uses.
const (
	UsePool  Use = "pool"  // active on the hub, which gives shares of it to panels
	UseGrant Use = "grant" // handed whole to one panel, or to every panel of its site
	UseKept  Use = "kept"  // known, and waiting for whoever types its short code
)

// Holding is a license that was entered for a site's panels. It stays that site's (T-27).
type Holding struct {
	ID      string    `json:"id"` // the license's
	Site    string    `json:"site"`
	Use     Use       `json:"use"`
	Token   []byte    `json:"token"`             // as it was given, to be verified again
	Panel   string    `json:"panel,omitempty"`   // of a grant: the only panel; empty: every panel of the site
	Account string    `json:"account,omitempty"` // of a grant: for whom
	Added   time.Time `json:"added"`
	By      string    `json:"by"`
}

// Allotment is how much of a pool a panel is to have. How much it has follows from signed documents.
type Allotment struct {
	License string    `json:"license"`
	Feature string    `json:"feature"`
	Panel   string    `json:"panel"`
	Asked   int       `json:"asked"`
	By      string    `json:"by"`
	Since   time.Time `json:"since"`         // when it was asked
	Why     string    `json:"why,omitempty"` // what came of asking the panel to give back, in words
}

// Claim is a panel's word that it activated a license which is bound to nobody.
type Claim struct {
	License string    `json:"license"`
	Panel   string    `json:"panel"`
	Site    string    `json:"site"`
	Raw     []byte    `json:"raw"` // the activation's envelope
	Heard   time.Time `json:"heard"`
	Stays   bool      `json:"stays"`
	// Release is the envelope with which the panel gave the license up; empty while it has it. Another panel takes it over with that.
	Release []byte `json:"release,omitempty"`
}

// Fence holds pools back after a hub was restored from a backup: until every panel has told what it has from this hub, nobody knows
// what was given since.
type Fence struct {
	Since   time.Time         `json:"since"`
	Waiting []string          `json:"waiting"`       // panels that have not told yet
	Why     map[string]string `json:"why,omitempty"` // by panel: what of its word could not be used
	// Strangers are those that this hub certified and does not know, each with when it showed itself last.
	Strangers map[string]time.Time `json:"strangers,omitempty"`
}

// DeedChange is what is kept at once, durably, or not at all.
type DeedChange struct {
	Holding    *Holding
	Deeds      []Deed
	Allotments []Allotment
	Claims     []Claim
	Fence      *Fence // one that nobody is waited for in is lifted
	Note       Change // of the audit; not written when its What is empty
}

// Faults that are found in what panels tell about licenses.
const (
	FaultClaim    FaultKind = "claim"    // two panels claim one license
	FaultSetBack  FaultKind = "set_back" // a panel shows older numbers than it gave before: its store was set back or copied
	FaultUnusable FaultKind = "unusable" // what a panel says about licenses cannot be used; it was set aside
)
