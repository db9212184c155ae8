package access

import (
	"slices"
	"time"
)

// Right is a permission that a person has, or a group whose members have it. The zero value permits every door at any time.
type Right struct {
	Doors   []string  `json:"doors,omitempty"`    // empty: every door
	Profile string    `json:"schedule,omitempty"` // name of a weekly profile; empty: at any time
	From    time.Time `json:"valid_from,omitzero"`
	Until   time.Time `json:"valid_until,omitzero"` // in force in [From, Until); zero: no bound
}

// Unlimited reports whether it permits every door at any time.
func (r Right) Unlimited() bool {
	return len(r.Doors) == 0 && r.Profile == "" && r.From.IsZero() && r.Until.IsZero()
}

// fault says why a right does not permit this door at this moment, or nothing.
func (q Question) fault(r Right) Why {
	switch {
	case len(r.Doors) > 0 && !slices.Contains(r.Doors, q.Door):
		return OtherDoor
	case (r.Profile != "" || !r.From.IsZero() || !r.Until.IsZero()) && !q.Trusted:
		return ClockNotTrusted
	case !r.From.IsZero() && q.Now.Before(r.From):
		return NotYetValid
	case !r.Until.IsZero() && !q.Now.Before(r.Until):
		return Expired
	case r.Profile != "" && !q.Timetable.Contains(r.Profile, q.Now, q.Zone):
		return OutsideSchedule
	}
	return ""
}

// rightsFault says why none of the holder's rights permits this, or nothing. Rights add up: one that permits is enough. Of
// several that do not, the one that came closest gives the reason.
func (q Question) rightsFault() Why {
	closest := NoRight
	for _, r := range q.Rights {
		why := q.fault(r)
		if why == "" {
			return ""
		}
		if nearness(why) > nearness(closest) {
			closest = why
		}
	}
	return closest
}

// nearness orders the reasons by how little is missing.
func nearness(why Why) int {
	return slices.Index([]Why{NoRight, OtherDoor, Expired, NotYetValid, ClockNotTrusted, OutsideSchedule}, why)
}
