// Package access decides who may open what, when, and why not.
//
// It is pure: the credential was looked up before, the time is an argument, and the answer is a value. It does not move a
// strike, count wrong tries or know what a license is; the panel's machine does.
package access

import (
	"slices"
	"time"
)

// Kind tells how a credential is shown to a reader.
type Kind string

// The kinds of credentials. Each is looked up by a keyed index of what was shown; the value itself is not stored.
const (
	Card Kind = "card" // the UID of an NFC card: clonable, and said to be so
	Code Kind = "code" // digits typed on a keypad
)

// Credential is what a person may open doors with. The zero value opens nothing: it has no ID.
type Credential struct {
	ID      string    `json:"id"`
	Person  string    `json:"person"` // id of the person; names live elsewhere, so that a person can be erased
	Kind    Kind      `json:"kind"`
	Doors   []string  `json:"doors,omitempty"` // empty: every door
	From    time.Time `json:"valid_from,omitzero"`
	Until   time.Time `json:"valid_until,omitzero"` // valid in [From, Until); zero: no bound
	Profile string    `json:"schedule,omitempty"`   // name of a weekly profile; empty: at any time
	Revoked bool      `json:"revoked,omitempty"`
}

// Dated reports whether the right depends on the date or the time of day, and so on a clock that can be trusted.
func (c Credential) Dated() bool {
	return !c.From.IsZero() || !c.Until.IsZero() || c.Profile != ""
}

// Why is the reason of a decision, as the journal and the messages upstream carry it.
type Why string

// The reasons. Granted decisions carry the kind of the credential instead.
const (
	Unknown         Why = "unknown"           // no such credential
	Revoked         Why = "revoked"           // it was withdrawn
	OtherDoor       Why = "other_door"        // it opens other doors
	NotYetValid     Why = "not_yet_valid"     // its first day has not come
	Expired         Why = "expired"           // its last day has passed
	OutsideSchedule Why = "outside_schedule"  // not at this time of the week
	ClockNotTrusted Why = "clock_not_trusted" // it is dated and the panel does not know the time
	NotLicensed     Why = "not_licensed"      // access control is not active on this panel
	Blocked         Why = "blocked"           // too many wrong tries
	Tampered        Why = "tampered"          // the tamper block is on
	CannotRecord    Why = "cannot_record"     // what may be used once could not be written down
	CannotLookUp    Why = "cannot_look_up"    // the store did not answer: nobody is guessed about
)

// Question is everything a decision depends on.
type Question struct {
	Door       string
	Credential Credential // zero: none was found
	Profile    Profile    // of the credential; ignored when it names none
	HasProfile bool       // false although the credential names one: refused, never "at any time"
	Now        time.Time
	Trusted    bool // the clock may be believed
	Zone       *time.Location
}

// Decide answers one question: granted, or refused with the reason. What is wrong with the credential itself comes before
// what is wrong with the moment, and an unknown clock refuses only what depends on it.
func Decide(q Question) (granted bool, why Why) {
	c := q.Credential
	switch {
	case c.ID == "":
		return false, Unknown
	case c.Revoked:
		return false, Revoked
	case len(c.Doors) > 0 && !slices.Contains(c.Doors, q.Door):
		return false, OtherDoor
	case c.Dated() && !q.Trusted:
		return false, ClockNotTrusted
	case !c.From.IsZero() && q.Now.Before(c.From):
		return false, NotYetValid
	case !c.Until.IsZero() && !q.Now.Before(c.Until):
		return false, Expired
	case c.Profile != "" && (!q.HasProfile || !q.Profile.Contains(q.Now, q.Zone)):
		return false, OutsideSchedule
	}
	return true, Why(c.Kind)
}
