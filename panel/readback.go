package panel

import "time"

// readBack is what a strike's feedback says. A strike without one is believed.
type readBack struct {
	known   bool
	on      bool
	faultAt time.Duration // when what it does otherwise is a fault; 0: it does what it was told
	stray   bool
	moved   bool // since it went astray: one that never moves has not come back
}

func (s *step) strikeReadBack(e StrikeReadBack) {
	if i := s.doorNamed(e.Door); i >= 0 {
		r := &s.p.doors[i].readBack
		r.moved = r.moved || r.on != e.On
		r.known, r.on = true, e.On
	}
}

// compare holds the strikes against their feedback after every step: either may have changed.
func (s *step) compare() {
	for i := range s.p.doors {
		d := &s.p.doors[i]
		r := &d.readBack
		switch differs := r.known && r.on != d.on; {
		case !differs && r.stray && r.moved:
			r.stray, r.faultAt = false, 0
			s.record(Entry{Kind: DeviceBack, Door: d.rules.Name, Detail: "strike " + d.rules.Name})
			s.refresh()
		case !differs:
			r.faultAt = 0
		case r.faultAt == 0 && !r.stray:
			r.faultAt = s.now.Mono + readBackFor
		}
	}
}

// strikeStrays tells of a strike that does something else than it was told: a relay that sticks, or one that does not pull.
func (s *step) strikeStrays(i int) {
	d := &s.p.doors[i]
	d.readBack.faultAt, d.readBack.stray, d.readBack.moved = 0, true, false
	detail := "it reads locked although it was released"
	if d.readBack.on {
		detail = "it reads released although it was locked"
	}
	s.tell(Red, ToneAlarm, s.p.rules.Words.StrikeDead)
	s.record(Entry{Kind: StrikeFailed, Door: d.rules.Name, Detail: detail})
}
