package ledger

import (
	"time"
)

// Type is which of the types of license a group stands on, best first (T-1, T-26).
type Type string

// The types.
const (
	Plus      Type = "plus"      // blocks by hand or from packages
	OnTrial   Type = "trial"     //
	Basic     Type = "basic"     // 2 SIP numbers and 2 applications for each panel registered below
	Free      Type = "free"      // restricted, no block, no panel
	Metered   Type = "metered"   // an unrestricted root: what is used is only counted (T-20)
	Inherited Type = "inherited" // not restricted: what the groups above have
)

// Place is one group on the way from the root to a node.
type Place struct {
	Group string `json:"group,omitempty"`
	User  string `json:"user,omitempty"`
	Name  string `json:"name"`
	Level string `json:"level,omitempty"` // its name
}

// Bind is one restricted group, or the user himself, that decides how much there is.
type Bind struct {
	Place
	Path     []Place   `json:"path,omitempty"` // from the root to it, itself included
	Limit    int       `json:"limit"`
	Used     int       `json:"used"`               // below it, with what is reserved for groups below when Reserved
	Room     int       `json:"room"`               // Limit less Used, never below 0
	Reserved bool      `json:"reserved,omitempty"` // it is the reserved mode of that group that binds
	Until    time.Time `json:"until,omitzero"`     // when its limit changes next
	Manager  string    `json:"manager,omitempty"`  // whom to ask: the group's, or the nearest above
	Hidden   bool      `json:"hidden,omitempty"`   // the asker may not see it: only Name ("your building"), Level and Manager are set
}

// Line is one resource or feature of a State (B-14 to B-17).
type Line struct {
	Name    string    `json:"name"` // of license.Features, or "panels"
	Title   string    `json:"title"`
	Counted bool      `json:"counted"`
	On      bool      `json:"on"`
	Until   time.Time `json:"until,omitzero"` // first instant at which it ends or its maximum falls; zero = no time limit
	Own     int       `json:"own"`            // of this group alone; Unlimited when it is not restricted
	Maximum int       `json:"maximum"`        // with the groups above
	Used    int       `json:"used"`
	Active  int       `json:"active"` // of Used, not suspended
	Over    int       `json:"over,omitempty"`
	// OwnLicense says that a license of the user's account gives the feature, and his groups do not (I-3).
	OwnLicense bool `json:"own_license,omitempty"`
	// Available is what can be taken into use now, never below 0. For applications it is bounded by the SIP numbers too.
	Available int    `json:"available"`
	Binds     []Bind `json:"binds,omitempty"` // whose room is Available, or who switch the feature off; topmost first
	// Text is what is to be said of it, such as "own 40, bounded by Company 30; blocked by Building 7: 50 of 50 used; 2 over".
	Text string `json:"text,omitempty"`

	bounds []Bind // whose limit is Maximum, when Own is more
}

// State is how a group or user stands at an instant.
type State struct {
	Path       []Place   `json:"path"` // from the root to the node; of a user in several groups, to the first of them
	At         time.Time `json:"at"`
	Type       Type      `json:"type"`
	Restricted bool      `json:"restricted"`
	Mode       Mode      `json:"mode,omitempty"`
	Blocks     []Block   `json:"blocks,omitempty"`
	Zone       string    `json:"zone"`
	Lines      []Line    `json:"lines"` // the resources in their order, then the features in that of license.Features
	Count      Counters  `json:"count"`
}

// Line finds a line by its name; an empty one when there is none.
func (s State) Line(name string) Line {
	for _, line := range s.Lines {
		if line.Name == name {
			return line
		}
	}
	return Line{Name: name}
}

// Asker is who looks.
type Asker struct {
	// Top is the highest group that he may see; "" with All = everything, "" without = a resident, who sees himself only.
	Top string
	All bool
}

// Row is one group of a usage report (T-21).
type Row struct {
	Path    []Place `json:"path"`
	Group   string  `json:"group"`
	Used    Amounts `json:"used"`
	Active  Amounts `json:"active"`
	Devices int     `json:"devices"`
	Users   int     `json:"users"`
	// Of the month, in the group's own zone: since when it is measured (zero = it is not), the most that was used at once and when, the
	// mean over the time that is measured, and what was used at its end, or now.
	Month    string    `json:"month"`
	Measured time.Time `json:"measured,omitzero"`
	Peak     Peaks     `json:"peak"`
	Average  Averages  `json:"average"`
	Final    Amounts   `json:"final"`
}

// Due is one reminder to send (B-6).
type Due struct {
	Group  string    `json:"group,omitempty"` // whose block it is; one of Group and User
	User   string    `json:"user,omitempty"`
	Root   string    `json:"root"`
	Block  string    `json:"block"`
	Name   string    `json:"name"` // of the group or user
	At     time.Time `json:"at"`   // when it was to be sent; the newest of those that were missed
	Until  time.Time `json:"until"`
	Zone   string    `json:"zone"`
	Days   int       `json:"days"` // calendar days left
	Counts Amounts   `json:"counts"`
	To     []string  `json:"to"` // sorted, each once; may be empty when nobody is set
	// Stops is how much of each resource will be suspended at that instant, and Stopping the uses, at most 20.
	Stops    Amounts  `json:"stops"`
	Stopping []string `json:"stopping,omitempty"`
	// Key is the same for the same reminder, so that an outbox never holds it twice.
	Key string `json:"key"`
}
