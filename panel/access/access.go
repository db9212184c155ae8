// Package access decides who may open what, when, and why not.
//
// It is pure: the credential was looked up before, the time is an argument, and the answer is a value. It does not move a
// strike, count wrong tries or know what a license is; the panel's machine does.
package access

import "time"

// Kind tells how a credential is shown to a reader. A further kind of card, a number plate or a telephone is one more word
// here and one more strength in kindStrength; nothing else in this package asks what a kind is.
type Kind string

// The kinds of credentials. Cards and codes are looked up by a keyed index of what was shown; the value itself is not stored.
const (
	Card Kind = "card" // the UID of an NFC card: clonable, and said to be so
	Code Kind = "code" // digits typed on a keypad
	Pass Kind = "pass" // a guest's pass: signed, for a time and so many uses
)

// Strength tells what it takes to make a second one of a credential.
type Strength string

// The strengths.
const (
	Weak   Strength = "weak"   // copied in passing, without its holder's knowledge: a card known by its UID alone
	Normal Strength = "normal" // told or seen: a code
	Strong Strength = "strong" // proves a secret or a signature: a pass
)

// kindStrength is what a kind is worth by itself. A kind that is not known here is weak.
func kindStrength(k Kind) Strength {
	switch k {
	case Code:
		return Normal
	case Pass:
		return Strong
	}
	return Weak
}

// Credential is what a person may open doors with. The zero value opens nothing: it has no ID. Its own limits bind beside
// the rights of its holder.
type Credential struct {
	ID       string    `json:"id"`
	Person   string    `json:"person"` // id of the person; names live elsewhere, so that a person can be erased
	Kind     Kind      `json:"kind"`
	Strength Strength  `json:"strength,omitempty"` // empty: what its kind is worth by itself
	Doors    []string  `json:"doors,omitempty"`    // empty: every door
	From     time.Time `json:"valid_from,omitzero"`
	Until    time.Time `json:"valid_until,omitzero"` // valid in [From, Until); zero: no bound
	Profile  string    `json:"schedule,omitempty"`   // name of a weekly profile; empty: at any time
	// Uses is how often it opens, all doors together; 0: as often as one likes.
	Uses int `json:"uses,omitempty"`
	// MinutesFromFirstUse is for how long it opens, counted from the first time it did; 0: this sets no end.
	MinutesFromFirstUse int  `json:"minutes_from_first_use,omitempty"`
	Revoked             bool `json:"revoked,omitempty"`
}

// Dated reports whether the right depends on the date or the time of day, and so on a clock that can be trusted.
func (c Credential) Dated() bool {
	return !c.From.IsZero() || !c.Until.IsZero() || c.Profile != "" || c.MinutesFromFirstUse > 0
}

// Counted reports whether it opens only so often or so long: its use must be durable before a door opens.
func (c Credential) Counted() bool { return c.Uses > 0 || c.MinutesFromFirstUse > 0 }

// HowStrong is its strength: its own, or that of its kind.
func (c Credential) HowStrong() Strength {
	switch c.Strength {
	case Weak, Normal, Strong:
		return c.Strength
	}
	return kindStrength(c.Kind)
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
	NoRight         Why = "no_right"          // its holder has no right at any door
	TooWeak         Why = "too_weak"          // it can be copied, and the site asks for better
	UsedUp          Why = "used_up"           // it was used as often as it may be
	SecondFactor    Why = "second_factor"     // good, and not enough by itself at this time
	PassedBack      Why = "passback"          // its holder is inside already
	ForgedPass      Why = "forged_pass"       // a guest's pass that this panel has not signed
)

// Question is everything a decision depends on.
type Question struct {
	Door       string
	Credential Credential // zero: none was found
	Rights     []Right    // of its holder, individual and of every group; one of them must allow
	Timetable  Timetable
	Policy     Policy
	Used       Uses // of this credential until now
	Now        time.Time
	Trusted    bool // the clock may be believed
	Zone       *time.Location
}

// Uses is how a credential was used until now.
type Uses struct {
	Count int
	First time.Time // zero: never
}

// Decide answers one question: granted, or refused with the reason. What is wrong with the credential itself comes before
// what is wrong with its holder's rights, and that before what is wrong with the moment; an unknown clock refuses only what
// depends on it.
func Decide(q Question) (granted bool, why Why) {
	c := q.Credential
	switch {
	case c.ID == "":
		return false, Unknown
	case c.Revoked:
		return false, Revoked
	case q.Policy == Secure && c.HowStrong() == Weak:
		return false, TooWeak
	case c.Uses > 0 && q.Used.Count >= c.Uses:
		return false, UsedUp
	}
	own := Right{Doors: c.Doors, Profile: c.Profile, From: c.From, Until: c.Until}
	if why := q.fault(own); why != "" {
		return false, why
	}
	if c.MinutesFromFirstUse > 0 && !q.Trusted {
		return false, ClockNotTrusted
	}
	if c.MinutesFromFirstUse > 0 && !q.Used.First.IsZero() && !q.Now.Before(q.Used.First.Add(time.Duration(c.MinutesFromFirstUse)*time.Minute)) {
		return false, Expired
	}
	if why := q.rightsFault(); why != "" {
		return false, why
	}
	return true, Why(c.Kind)
}
