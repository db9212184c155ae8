package ledger

import (
	"iter"
	"time"
)

// Book is what decisions read: a transaction of the store that sees what was written before it, and nothing of what is written
// beside it. Errors are the store's own; a missing record is none. Every Seq is read to its end, or left earlier, before anything
// is written.
type Book interface {
	Tree
	People
	Uses
	Devices
	Papers
	Timetable
}

// Tree reads the groups.
type Tree interface {
	Group(id string) (Group, bool, error)
	// Children yields the groups right below one ("" = the roots), archived ones too, by id, those with an id above after.
	Children(parent, after string) iter.Seq2[Group, error]
	// Months yields the months of a group that have records of their own, newest first, those up to one such as "2026-11".
	Months(group, until string) iter.Seq2[Month, error]
}

// People reads the users.
type People interface {
	User(id string) (User, bool, error)
	// UsersIn yields the users who are in this very group, by id, those with an id above after.
	UsersIn(group, after string) iter.Seq2[User, error]
}

// Uses reads what is held.
type Uses interface {
	Use(id string) (Use, bool, error)
	// UsesIn yields the uses with this very group among their Groups, by id, those with an id above after.
	UsesIn(group, after string) iter.Seq2[Use, error]
	// UsesOf yields the uses of a user, by id.
	UsesOf(user string) iter.Seq2[Use, error]
}

// Devices reads the panels.
type Devices interface {
	Device(id string) (Device, bool, error)
	// DevicesIn yields the panels in this very group, by id, those with an id above after; replaced ones too.
	DevicesIn(group, after string) iter.Seq2[Device, error]
	// UsesOn yields the uses with this Panel, by id.
	UsesOn(panel string) iter.Seq2[Use, error]
	// Ask is the request to replace a dead panel.
	Ask(dead string) (Ask, bool, error)
	// Asks yields the requests of a company, by the id of the dead panel, those with an id above after.
	Asks(root, after string) iter.Seq2[Ask, error]
}

// Papers reads what was bought, tried and claimed.
type Papers interface {
	Package(id string) (Package, bool, error)
	// AccountPackages yields the licenses of accounts that were entered at a company, by id, those with an id above after.
	AccountPackages(root, after string) iter.Seq2[Package, error]
	Trial(registration string) (Trial, bool, error)
	Claim(license string) (Claim, bool, error)
}

// Timetable reads where the ledger stands and what comes next.
type Timetable interface {
	Mark() (Mark, error)
	// Edges yields those of a kind in (after, until], by time, then group, user and block. A zero after is the beginning, a zero
	// until the end.
	Edges(kind EdgeKind, after, until time.Time) iter.Seq2[Edge, error]
	// Zone is the time zone with an IANA name (time.LoadLocation); an error = there is none.
	Zone(name string) (*time.Location, error)
}

// Changes is what the store writes, in the transaction in which they were decided: all or nothing. A record with the same id is
// replaced. Every slice is in the order of the keys; no key is in Puts and Drops alike.
type Changes struct {
	Groups   []Group
	Users    []User
	Uses     []Use
	Devices  []Device
	Packages []Package
	Trials   []Trial
	Claims   []Claim
	Asks     []Ask
	Months   []Month // by Group and Month
	Edges    []Edge

	DropUsers   []string
	DropUses    []string
	DropDevices []string
	DropAsks    []string
	DropMonths  []Month // of which only Group and Month count
	DropEdges   []Edge

	Mark    Mark
	Entries []Entry // to append, in this order

	Reminders []Due    // to hand to the outbox, in this order
	Notices   []Notice // what whoever asked should read, although it was done
}

// Empty tells that there is nothing to write.
func (c Changes) Empty() bool {
	return len(c.Entries) == 0 && len(c.Groups)+len(c.Users)+len(c.Uses)+len(c.Edges)+len(c.DropEdges) == 0
}

// Notice says something about a change that was made: a date was clipped, somebody has to be told.
type Notice struct {
	Code string `json:"code"` // such as "clipped"
	Text string `json:"text"`
	// Panels are to be told: the owners of a license that was claimed twice.
	Panels []string `json:"panels,omitempty"`
}
