package ledger

import (
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// Bounds of what is stored, so that no decision grows without end.
const (
	MaxDepth        = 32 // groups from a root to the lowest one
	MaxBlocks       = 32 // in one group or of one user
	MaxGroupsOfUser = 16
	MaxUsesOfUser   = 256
	MaxName         = 128 // bytes
	MaxBatch        = 1_000
)

// Source says where a block comes from.
type Source string

// The sources.
const (
	ByHand      Source = "hand"    // handed out by whoever manages the group above
	FromPackage Source = "package" // a Plus package that was bought, signed; at a root only
	FromTrial   Source = "trial"   // the Trial of a partner's registration; at a root only
)

// Mode says how the limit of a restricted group is shared by what lies below it.
type Mode string

// The modes. Empty is Shared.
const (
	Shared   Mode = "shared"   // limits below may add up to more: use is what is bounded
	Reserved Mode = "reserved" // limits of the nearest restricted groups below, and use outside them, fit into the limit
)

// Every says how often a reminder is repeated until the end (B-6).
type Every string

// The repetitions.
const (
	Once         Every = "once"
	Daily        Every = "daily"
	Weekly       Every = "weekly"
	Every30Days  Every = "every_30_days"
	maxDaysAhead       = 3650
	defaultHour        = 8  // in the morning
	midnightHour       = 24 // stands for 0 in Reminder.Hour, which means the default
)

// Reminder tells people before a block ends (B-6, B-7, B-32, T-23).
type Reminder struct {
	Days  int       `json:"days,omitempty"`  // in advance, calendar days in the group's zone
	Date  time.Time `json:"date,omitzero"`   // instead of Days: the day of the first one
	Every Every     `json:"every,omitempty"` // empty = once
	Hour  int       `json:"hour,omitempty"`  // local hour of sending, 1 to 24; 0 = 8 in the morning; 24 = midnight at the day's beginning
	To    []string  `json:"to,omitempty"`    // addresses besides the administrator's
	Users bool      `json:"users,omitempty"` // also to the users whose own block it is
}

// Block is one license in a group or of a user (B-8, B-9, B-12).
type Block struct {
	ID       string    `json:"id"`               // unique in its group
	Counts   Amounts   `json:"counts"`           // what is not named is 0
	Features []string  `json:"features"`         // on/off names of license.Features that are on; sorted
	From     time.Time `json:"from,omitzero"`    // zero = always was
	Until    time.Time `json:"until,omitzero"`   // first instant without it; zero = no time limit
	Source   Source    `json:"source,omitempty"` // empty = by hand
	Package  string    `json:"package,omitempty"`
	Reminder *Reminder `json:"reminder,omitempty"` // nil = the group's
	Saved    time.Time `json:"saved,omitzero"`     // when its end or reminder was set; by Decide
	Next     time.Time `json:"next,omitzero"`      // when the next reminder is due; by Decide
}

// Limits are the license settings of a group or a user, saved as one (B-13).
type Limits struct {
	Restricted bool      `json:"restricted"` // off = bounded by the groups above alone
	Blocks     []Block   `json:"blocks,omitempty"`
	Mode       Mode      `json:"mode,omitempty"`
	Reminder   *Reminder `json:"reminder,omitempty"` // for blocks without one of their own
}

// Counters are kept in a group's record by Decide; nobody else writes them. "Below" includes the group itself.
type Counters struct {
	Used     Amounts `json:"used"`     // assigned below, each use once
	Active   Amounts `json:"active"`   // of these, what is not suspended
	Outside  Amounts `json:"outside"`  // used below, but not below a restricted group or user below
	Reserved Amounts `json:"reserved"` // limits of the nearest restricted groups and users below, at the mark
	Devices  int     `json:"devices,omitempty"`
	Groups   int     `json:"groups,omitempty"`  // below, without itself, archived ones not
	Users    int     `json:"users,omitempty"`   // memberships below
	Several  int     `json:"several,omitempty"` // memberships below of users who are in several groups
}

// Level is a kind of group: Company, Building, Units, Floors, Apartments, or what the company calls them (T-9).
type Level struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Group is a node of the tree. The root is a company; it has no parent.
type Group struct {
	ID     string `json:"id"` // drawn by the caller at random, 1 to 64 of a-z 0-9 -
	Parent string `json:"parent,omitempty"`
	Root   string `json:"root"` // the id of the root above; its own for a root; by Decide
	Name   string `json:"name"`
	Level  string `json:"level"`          // id of one of the root's Levels; lies below the parent's; levels may be left out
	Zone   string `json:"zone,omitempty"` // IANA name; empty = the parent's, UTC for a root
	Limits
	Administrators []string  `json:"administrators,omitempty"` // mail addresses that reminders go to; none = the nearest ancestor's
	Manager        string    `json:"manager,omitempty"`        // whom a resident is told to ask; empty = the nearest ancestor's
	Levels         []Level   `json:"levels,omitempty"`         // of a root, topmost first
	LevelUse       []int     `json:"level_use,omitempty"`      // of a root: how many groups each of Levels has; by Decide
	Archived       time.Time `json:"archived,omitzero"`
	Made           time.Time `json:"made,omitzero"`
	Count          Counters  `json:"count"`
	Month          Month     `json:"month,omitzero"` // what was used in the month that runs; by Decide
}

// IsRoot tells that the group is a company.
func (g Group) IsRoot() bool { return g.Parent == "" }

// User is the lowest node of the tree: limits of his own below those of his groups (B-21, B-22).
type User struct {
	ID     string   `json:"id"`
	Root   string   `json:"root"`
	Name   string   `json:"name,omitempty"`
	Mail   string   `json:"mail,omitempty"`
	Groups []string `json:"groups"` // at least one, all of one root; sorted; the strictest counts (B-33, R-14)
	Limits
	Own   []Block   `json:"own,omitempty"` // licenses of his account: features that he has whatever his groups have (I-3)
	Made  time.Time `json:"made,omitzero"`
	Count Counters  `json:"count"` // Used, Active and Outside of his own
}

// Use is something that somebody holds: a SIP number, an installed application with its SIP number, mobile keys, the buttons of a
// panel, a panel's right. It counts from Consume to Release, whether anything is registered at the moment or not.
type Use struct {
	ID       string    `json:"id"`
	Root     string    `json:"root"`
	Resource Resource  `json:"resource"`
	Count    int       `json:"count"`           // at least 1; more than one for keys and buttons
	Active   int       `json:"active"`          // how many of Count are not suspended; by Decide
	User     string    `json:"user,omitempty"`  // whose it is; else it belongs to a group
	Panel    string    `json:"panel,omitempty"` // the panel that holds buttons, or that counts itself
	Pool     string    `json:"pool,omitempty"`  // the license of which these are the panel's share; Allot alone changes them
	Label    string    `json:"label,omitempty"` // the number, the telephone
	Groups   []string  `json:"groups"`          // the user's, or the one group; sorted; by Decide for a user's
	Since    time.Time `json:"since"`
	Pinned   bool      `json:"pinned,omitempty"` // suspended last
}

// Needs is what the use takes of each resource: an application takes a SIP number too (B-10, R-23).
func (u Use) Needs() Amounts { return needs(u.Resource, u.Count) }

// Suspended is how many of Count do not work because a limit fell below what is in use.
func (u Use) Suspended() int { return u.Count - u.Active }

func needs(r Resource, count int) Amounts {
	a := r.Of(count)
	if r == Apps {
		a[SIPNumbers] = count
	}
	return a
}

// Device is a panel that is registered in a group: 2 SIP numbers and 2 applications of Basic (T-3).
type Device struct {
	ID         string    `json:"id"` // 26 characters, from the panel's key
	Root       string    `json:"root"`
	Group      string    `json:"group"`
	Registered time.Time `json:"registered"`
	Replaces   string    `json:"replaces,omitempty"`    // the dead panel in whose place it is
	ReplacedBy string    `json:"replaced_by,omitempty"` // set on the dead one, which is not registered any more
	// Forced are the forced releases at this place, also of the panels before, oldest first (two a year are free).
	Forced []time.Time `json:"forced,omitempty"`
}

// Gone tells that another panel is in its place.
func (d Device) Gone() bool { return d.ReplacedBy != "" }

// Ask is a replacement that was done too often at its place and waits for the distributor (story 4).
type Ask struct {
	Dead       string    `json:"dead"`
	Fresh      string    `json:"fresh"`
	Root       string    `json:"root"`
	By         string    `json:"by"` // who asked
	At         time.Time `json:"at"`
	Free       time.Time `json:"free"` // from when on nobody has to approve it
	Declined   time.Time `json:"declined,omitzero"`
	DeclinedBy string    `json:"declined_by,omitempty"`
}

// Package is a Plus package that was activated at a root. It stays there: no package moves to another project (T-27).
type Package struct {
	ID        string          `json:"id"` // license.TokenID as text
	Root      string          `json:"root"`
	Label     string          `json:"label,omitempty"`
	Grants    []license.Grant `json:"grants"`
	From      time.Time       `json:"from"`
	Until     time.Time       `json:"until,omitzero"`
	Activated time.Time       `json:"activated"`        // for the first time: its term and the days of undo are counted from there
	Undone    time.Time       `json:"undone,omitzero"`  // given back within the days of undo; may be activated again
	Revoked   time.Time       `json:"revoked,omitzero"` // by its issuer
	// Account marks a license of an account: it is User's, who stays its user for good some days after Assigned. Without one it waits.
	Account  bool      `json:"account,omitempty"`
	For      string    `json:"for,omitempty"` // the account that it was sold for: a user's id or mail address; empty = anybody's
	User     string    `json:"user,omitempty"`
	Assigned time.Time `json:"assigned,omitzero"` // to the first user
}

// Trial is the one Trial of a partner's registration (T-2, R-9).
type Trial struct {
	Registration string    `json:"registration"`
	Root         string    `json:"root"`
	From         time.Time `json:"from"`
	Until        time.Time `json:"until"`
}

// Claim is who holds a bearer license: the panel that activated it first.
type Claim struct {
	License string    `json:"license"`           // license.TokenID as text
	Panel   string    `json:"panel"`             // empty when it was given up
	Began   time.Time `json:"began"`             // as the panel's signed activation says
	Offline bool      `json:"offline,omitempty"` // made without the hub: another panel's earlier one may still come
	Settled time.Time `json:"settled,omitzero"`  // from then on no other offline claim is heard
	Lost    []string  `json:"lost,omitempty"`    // panels that claimed it too and do not have it, at most 16
}

// Mark is where the ledger stands.
type Mark struct {
	At     time.Time `json:"at"`     // the instant for which Active and Reserved are right
	Number uint64    `json:"number"` // of the newest entry; 0 = none
	Hash   string    `json:"hash"`   // of the newest entry
}

// EdgeKind says what happens at an edge.
type EdgeKind string

// The kinds of edges.
const (
	WindowEdge   EdgeKind = "window" // a block begins or ends; stays as long as the block
	ReminderEdge EdgeKind = "remind" // somebody is to be told; moves on when that is done
)

// Edge is an instant at which something of a node changes by itself. All four fields together are its key.
type Edge struct {
	Kind  EdgeKind  `json:"kind"`
	At    time.Time `json:"at"`
	Group string    `json:"group,omitempty"` // one of Group and User is set
	User  string    `json:"user,omitempty"`
	Block string    `json:"block,omitempty"` // of a reminder
}
