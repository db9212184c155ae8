package ledger

import "time"

// Reason is why a change is refused, for programs.
type Reason string

// The reasons.
const (
	LimitReached  Reason = "limit-reached" // use would pass a limit
	BelowUse      Reason = "below-use"     // a limit would be lowered below what is in use
	BeyondParent  Reason = "beyond-parent" // a count is above that of a group above
	WindowBeyond  Reason = "window-beyond" // a block is longer than those of a group above (T-17)
	NotGranted    Reason = "not-granted"   // a feature that a group above has not
	OnlyAbove     Reason = "only-above"    // it would give the group more, which needs the right above it (T-8, T-11)
	TooFewSIP     Reason = "too-few-sip"   // more applications than SIP numbers (B-10)
	ReservedFull  Reason = "reserved-full" // the limits below do not fit into a reserved group
	Unknown       Reason = "unknown"       // there is no such group, user, use, panel, package
	Taken         Reason = "taken"         // the id exists, the license is used elsewhere
	Invalid       Reason = "invalid"       // a field that makes no sense
	NotEmpty      Reason = "not-empty"     // something is still in the group
	OtherProject  Reason = "other-project" // nothing moves from one root to another (T-27)
	OnlyOnce      Reason = "only-once"     // a Trial that was had already
	TooOften      Reason = "too-often"     // forced releases: two a year, and not within the cool-down
	TooLate       Reason = "too-late"      // the days of undo are over
	Suspended     Reason = "suspended"     // a panel would be given what is suspended, or what another panel has not given back yet
	ArchivedGroup Reason = "archived"      // the group is archived
)

// Refusal says why a change is not made. Nothing has changed. It is an error; every error of Decide that is not one is the
// store's own.
type Refusal struct {
	Reason   Reason    `json:"reason"`
	Text     string    `json:"text"` // in plain words, for somebody who may see everything; see For
	Resource Resource  `json:"resource"`
	Feature  string    `json:"feature,omitempty"`
	Block    string    `json:"block,omitempty"`
	Asked    int       `json:"asked"`           // what was wanted
	Most     int       `json:"most"`            // what would be possible now
	At       time.Time `json:"at,omitzero"`     // the first instant at which it does not fit
	Binds    []Bind    `json:"binds,omitempty"` // who binds, topmost first
	Offer    *Offer    `json:"offer,omitempty"`
	// InTheWay are the uses that would have to be given back first when a limit is lowered below what is in use: those that an end
	// of the license would suspend, newest first, at most 20. None are named where very many are in use.
	InTheWay []string `json:"in_the_way,omitempty"`
}

// Offer is what would be accepted instead.
type Offer struct {
	Text   string  `json:"text"`             // "until 2027-01-01, as Building 7"
	Blocks []Block `json:"blocks,omitempty"` // the blocks, cut down to what fits; SaveLicenses.Clip saves them
	Count  int     `json:"count,omitempty"`
}

// Error is the refusal's text.
func (r *Refusal) Error() string { return r.Text }
