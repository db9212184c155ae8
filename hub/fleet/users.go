package fleet

import "time"

// User may log in to the hub. What he may see and manage there are his assignments (hub/roles).
type User struct {
	Name string `json:"name"`
	Hash string `json:"hash"` // of the password, argon2id; never leaves the hub
	// Generation is raised when the password changes: sessions of another one are over.
	Generation int       `json:"generation"`
	Made       time.Time `json:"made"`
	// Invite is the SHA-256, in hexadecimal digits, of the code with which an account that was appointed gets its first password;
	// InviteUntil is when that is over. Both are gone once it has a password.
	Invite      string    `json:"invite,omitempty"`
	InviteUntil time.Time `json:"invite_until,omitzero"`
}

// Invited tells whether the account waits for its first password: nobody has ever been logged in with it.
func (u User) Invited() bool { return u.Hash == "" && u.Invite != "" }

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
	Group  string    `json:"group,omitempty"`  // of the license tree, where it was about one
	Detail string    `json:"detail,omitempty"` // a sentence for people, without secrets
	Before string    `json:"before,omitempty"` // what it was, where that can be said in short; without secrets
	After  string    `json:"after,omitempty"`  // what it is now
	Chain  string    `json:"chain"`            // of the audit up to this entry, hexadecimal; set by the store
}
