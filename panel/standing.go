package panel

import (
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// Standing says why a door stands open without a pulse.
type Standing string

// The reasons, the strongest first.
const (
	ByFire     Standing = "fire"
	ByToggle   Standing = "toggle"
	BySchedule Standing = "schedule"
)

// hold is a door that stands open by a schedule.
type hold struct {
	on  bool
	day string // of the last card or code that opened, in the site's zone
}

// bySchedule is why a door stands open without anybody's grant.
const bySchedule access.Why = "schedule"

// standing is why the door is released for as long as that lasts; empty: it is not.
func (p *Panel) standing(d *door) Standing {
	switch {
	case p.fire && d.rules.Fire != FireIgnores:
		return ByFire
	case d.toggled > 0:
		return ByToggle
	case d.hold.on:
		return BySchedule
	}
	return ""
}

// stand releases a door for as long as what made it stand open lasts.
func (s *step) stand(i int) {
	d := &s.p.doors[i]
	d.on, d.everOn, d.warnAt, d.heldAt = true, true, 0, 0
	s.do(SetStrike{Door: d.rules.Name, On: true})
}

// unstand secures a door whose reason to stand open is over, unless there is another one or a pulse still runs.
func (s *step) unstand(i int) {
	d := &s.p.doors[i]
	switch {
	case s.p.standing(d) != "":
		return
	case d.until > 0:
		s.do(SetStrike{Door: d.rules.Name, On: true, For: d.until - s.now.Mono})
	default:
		s.secure(i)
	}
	s.watchHeld(i)
}

// toggle is a grant at a door that a grant opens and the next one locks.
func (s *step) toggle(w pending) {
	d := &s.p.doors[w.door]
	before := s.p.standing(d)
	if d.toggled > 0 {
		d.toggled = 0
		s.unstand(w.door)
		s.tellStanding(w.door)
		return
	}
	d.toggled = s.now.Mono + d.rules.ToggleFor
	if before == "" {
		s.stand(w.door)
	}
	s.tell(Green, ToneGranted, s.p.rules.Words.StaysOpen)
	s.record(Entry{Kind: StrikeOn, Door: d.rules.Name, Why: w.entry.Why, Call: w.call, Detail: "until the next grant"})
}

// tellStanding says whether a door is locked now that one reason for it to stand open is over.
func (s *step) tellStanding(i int) {
	if s.p.doors[i].on {
		s.tell(Green, "", s.p.rules.Words.StaysOpen)
		return
	}
	s.tell(Off, ToneLocked, s.p.rules.Words.Locked)
}

// toggleOver locks what nobody locked.
func (s *step) toggleOver(i int) {
	s.p.doors[i].toggled = 0
	s.unstand(i)
	s.tellStanding(i)
}

// followSchedules begins and ends the holds, and says when to look again: a schedule changes at whole minutes only.
func (s *step) followSchedules() {
	s.p.holdLook = 0
	for i := range s.p.doors {
		d := &s.p.doors[i]
		if d.rules.StandsOpen == "" {
			continue
		}
		if wanted := s.holds(d); wanted != d.hold.on {
			s.setHold(i, wanted)
		}
		s.p.holdLook = s.now.Mono + time.Minute - time.Duration(s.now.Wall.UnixNano())%time.Minute
	}
}

// holds reports whether the door is to stand open now by its schedule. Whoever does not know the time keeps it locked.
func (s *step) holds(d *door) bool {
	switch {
	case !s.now.Trusted || d.rules.Interlock != "":
		return false
	case s.p.lockdown || s.blocked() || !s.accessActive():
		return false
	case d.rules.OpenAfterGrant && d.hold.day != s.today():
		return false
	}
	return s.inHours(d)
}

// inHours reports whether the schedule by which the door stands open has this moment in it. One that is gone has none.
func (s *step) inHours(d *door) bool {
	return s.p.timetable.Contains(d.rules.StandsOpen, s.now.Wall, s.p.rules.zone())
}

// allStandOpen reports whether there is no door at which anybody would have to ask: the light at rest says so.
func (s *step) allStandOpen() bool {
	for i := range s.p.doors {
		if s.p.standing(&s.p.doors[i]) == "" {
			return false
		}
	}
	return len(s.p.doors) > 0
}

func (s *step) setHold(i int, on bool) {
	d := &s.p.doors[i]
	before := s.p.standing(d)
	d.hold.on = on
	if !on {
		s.unstand(i)
		s.record(Entry{Kind: HoldOff, Door: d.rules.Name, Why: string(bySchedule)})
		s.refresh()
		return
	}
	if before == "" {
		s.stand(i)
	}
	s.record(Entry{Kind: HoldOn, Door: d.rules.Name, Why: string(bySchedule)})
	s.refresh()
}

// firstOfDay notes a card or code inside the hours in which the door may then stand open. A call, a page or an order does
// not: nobody came in.
func (s *step) firstOfDay(w pending) []Memory {
	d := &s.p.doors[w.door]
	today := s.today()
	if !d.rules.OpenAfterGrant || w.entry.Reader == "" || d.hold.day == today || !s.now.Trusted || !s.inHours(d) {
		return nil
	}
	d.hold.day = today
	return []Memory{{Key: holdKey + d.rules.Name, Value: today}}
}

func (s *step) today() string { return s.now.Wall.In(s.p.rules.zone()).Format(time.DateOnly) }

func (p *Panel) rememberHold(door, day string) {
	for i := range p.doors {
		if p.doors[i].rules.Name == door {
			p.doors[i].hold.day = day
		}
	}
}

// letGo ends everything that keeps a door open on the strength of a grant or a schedule.
func (s *step) letGo(i int) {
	d := &s.p.doors[i]
	if d.toggled > 0 {
		d.toggled = 0
		s.unstand(i)
	}
	if d.hold.on {
		s.setHold(i, false)
	}
}
