package access

import "fmt"

// Policy is what a site asks of every credential.
type Policy string

// The policies. The zero value is Open.
const (
	Open   Policy = "open"   // weak credentials open, and are shown as weak
	Secure Policy = "secure" // weak credentials are refused
)

// DoorPolicy is what the people of a site decided about one door. The zero value asks for nothing.
type DoorPolicy struct {
	Door string `json:"door"`
	// SecondFactor names the schedule during which one credential is not enough: a card and a code of the same person
	// open. Empty: one is always enough. While the time is not known, and when the schedule is gone, both are asked for.
	SecondFactor string   `json:"second_factor,omitempty"`
	Passback     Passback `json:"passback,omitempty"`
}

// Passback tells what becomes of somebody who is inside already and wants to come in again. Nobody is ever kept from leaving.
type Passback string

// The ways to treat it.
const (
	PassbackOff  Passback = ""     // nothing is asked
	PassbackSoft Passback = "soft" // the door opens and the journal says so
	PassbackHard Passback = "hard" // refused
)

// Check reports what is wrong with the policy, or nil. Whether its door and schedule exist is for the caller to know.
func (p DoorPolicy) Check() error {
	switch p.Passback {
	case PassbackOff, PassbackSoft, PassbackHard:
	default:
		return fmt.Errorf("cannot use anti-passback %q at door %q: write soft or hard, or leave it empty", string(p.Passback), p.Door)
	}
	if p.Door == "" {
		return fmt.Errorf("cannot use a door policy: it names no door")
	}
	return nil
}

// NeedsSecond reports whether one credential is not enough at this moment.
func (p DoorPolicy) NeedsSecond(q Question) bool {
	if p.SecondFactor == "" {
		return false
	}
	return !q.Trusted || !q.Timetable.Has(p.SecondFactor) || q.Timetable.Contains(p.SecondFactor, q.Now, q.Zone)
}
