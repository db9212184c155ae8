package fleet

import "time"

// Role is what a user of the hub may do. Each role may do what the ones after it may.
type Role string

// The roles.
const (
	Administrator Role = "administrator" // everything
	Operator      Role = "operator"      // acknowledges, orders, sets maintenance
	Viewer        Role = "viewer"        // looks
)

// User may log in to the hub.
type User struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Sites are the ids of the sites that the user sees and works on; empty: all. An administrator's is empty.
	Sites []string `json:"sites,omitempty"`
	Hash  string   `json:"hash"` // of the password, argon2id; never leaves the hub
	// Generation is raised when the password changes: sessions of another one are over.
	Generation int       `json:"generation"`
	Made       time.Time `json:"made"`
}

// Session is a login of a user, or a token for a script. Its key is the SHA-256 of the token in hexadecimal digits.
type Session struct {
	User       string    `json:"user"`
	Generation int       `json:"generation"`
	Made       time.Time `json:"made"`
	Seen       time.Time `json:"seen"`
	// Label names a token for a script, which does not end when it is not used; empty for logins.
	Label string    `json:"label,omitempty"`
	Until time.Time `json:"until,omitzero"` // when it ends by itself; zero: a login ends when it is not used
}

// Change is one entry of the hub's audit: who changed what. Entries are chained and never change.
type Change struct {
	Number uint64    `json:"number"` // given by the store, from 1, without gaps
	At     time.Time `json:"at"`
	Who    string    `json:"who"`            // the user, "root" for the command line, "hub" for the hub itself
	Via    string    `json:"via"`            // web, api or cli
	From   string    `json:"from,omitempty"` // the IP address that asked
	What   string    `json:"what"`           // such as "site.changed"
	Object string    `json:"object,omitempty"`
	Site   string    `json:"site,omitempty"`
	Detail string    `json:"detail,omitempty"` // a sentence for people, without secrets
	Before string    `json:"before,omitempty"` // what it was, where that can be said in short; without secrets
	After  string    `json:"after,omitempty"`  // what it is now
	Chain  string    `json:"chain"`            // of the audit up to this entry, hexadecimal; set by the store
}
