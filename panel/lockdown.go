package panel

import (
	"strconv"

	"github.com/doorpanel/doorpanel/panel/access"
)

// Why a door itself refuses what was granted, beside the reasons of package access.
const (
	lockedDown  access.Why = "lockdown"
	interlocked access.Why = "interlock" // another door of its group is open or released
)

// lockdownRequested begins or ends a lockdown. It is remembered: a panel that starts again is still locked down.
func (s *step) lockdownRequested(e LockdownRequested) {
	entry := Entry{Kind: LockdownOff, Who: e.Who, Why: e.Via}
	remember := []Memory{{Key: lockdownKey}}
	if e.On {
		entry.Kind, remember[0].Value = LockdownOn, "on"
	}
	if e.Order != nil {
		if why := s.orderFault(*e.Order); why != "" {
			s.decline(e.Request, Entry{Who: e.Who, Detail: "lockdown"}, why)
			return
		}
		m := Memory{Key: orderKey + e.Order.Signer, Value: strconv.FormatUint(e.Order.Number, 10)}
		s.p.remember(m)
		remember = append(remember, m)
	}
	changed := s.p.lockdown != e.On
	s.p.lockdown = e.On
	if changed && e.On {
		s.lockDown()
	}
	if changed {
		s.showLockdown()
	}
	s.record(entry, remember...)
	s.do(Answer{Request: e.Request, Granted: true, Why: e.Via})
}

// lockDown ends what grants and schedules keep open. A pulse of the exit button goes on, and fire is stronger.
func (s *step) lockDown() {
	for i := range s.p.doors {
		s.letGo(i)
		switch d := &s.p.doors[i]; {
		case d.exitUntil > s.now.Mono:
			d.until = d.exitUntil
		case d.until > 0:
			s.pulseOver(i)
		}
	}
}

func (s *step) showLockdown() {
	if s.p.fire {
		return
	}
	if s.p.lockdown {
		s.tell(Amber, ToneAlarm, s.p.rules.Words.Lockdown)
		return
	}
	s.refresh()
}

// doorRefuses says why a door does not let in whom it was granted to. It is asked when the grant is decided and once more
// before the strike moves. Whoever goes out is not asked.
func (s *step) doorRefuses(i int, urgent bool) access.Why {
	switch {
	case s.blocked():
		return access.Tampered
	case s.p.lockdown && !urgent:
		return lockedDown
	case s.groupBusy(i):
		return interlocked
	}
	return ""
}

// groupBusy reports whether another door of the same interlock is open, released, or about to be.
func (s *step) groupBusy(i int) bool {
	group := s.p.doors[i].rules.Interlock
	if group == "" || s.p.standing(&s.p.doors[i]) != "" { // fire holds it open already
		return false
	}
	for j := range s.p.doors {
		if d := &s.p.doors[j]; j != i && d.rules.Interlock == group && (d.open || d.on) {
			return true
		}
	}
	for _, w := range s.p.pending {
		if w.grant && w.door != i && s.p.doors[w.door].rules.Interlock == group {
			return true
		}
	}
	return false
}

// turnDown refuses at the door what the credential or the order alone would have opened.
func (s *step) turnDown(w pending, why access.Why, remember ...Memory) {
	entry := w.entry
	entry.Door = s.p.doors[w.door].rules.Name
	if w.request != "" {
		s.decline(w.request, entry, why, remember...)
		return
	}
	entry.Kind, entry.Why = AccessRefused, string(why)
	s.tell(Red, Tone("refused-"+string(why)), s.reason(why))
	s.record(entry, remember...)
}
