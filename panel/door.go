package panel

import (
	"fmt"
	"slices"

	"github.com/doorpanel/doorpanel/panel/access"
)

// grant writes the intent down and waits for it; open follows, unless the door itself has a reason against it.
func (s *step) grant(w pending, remember ...Memory) {
	p := s.p
	if why := s.doorRefuses(w.door, w.urgent); why != "" {
		s.turnDown(w, why, remember...)
		return
	}
	p.tickets++
	w.ticket, w.grant = p.tickets, true
	w.deadline = s.now.Mono + recordWait
	if w.once {
		w.deadline = s.now.Mono + onceWait
	}
	w.entry.Kind, w.entry.Door = AccessGranted, p.doors[w.door].rules.Name
	p.pending = append(p.pending, w)
	seal := p.duress.recipient
	s.do(Record{Ticket: w.ticket, Entry: w.entry, Remember: remember, Seal: seal, Duress: seal != "" && w.duress})
}

// refuse tells and records a refusal at once.
func (s *step) refuse(entry Entry, why access.Why) {
	entry.Kind, entry.Why = AccessRefused, string(why)
	s.tell(Red, Tone("refused-"+string(why)), s.reason(why))
	s.record(entry)
}

func (s *step) recorded(e Recorded) {
	i := slices.IndexFunc(s.p.pending, func(w pending) bool { return w.ticket == e.Ticket })
	if i < 0 {
		return // it opened after its 50 ms already
	}
	w := s.p.pending[i]
	s.p.pending = slices.Delete(s.p.pending, i, i+1)
	switch {
	case !w.grant:
		s.tellWrong(w, !e.Failed)
	case e.Failed && w.once:
		s.notOpened(w)
	case e.Failed:
		s.open(w, "the journal could not be written")
	default:
		s.open(w, "")
	}
}

// overdue is a decision whose record did not become durable in time.
func (s *step) overdue(w pending) {
	switch {
	case !w.grant:
		s.tellWrong(w, false)
	case w.once:
		s.notOpened(w)
	default:
		s.open(w, "opened before its record was durable")
	}
}

// notOpened refuses what may be used only so often and could not be written down.
func (s *step) notOpened(w pending) {
	s.turnDown(w, access.CannotRecord, s.undo(w)...)
}

// undo takes back what a grant counted and noted that then opened nothing.
func (s *step) undo(w pending) []Memory {
	s.giveBack(w.used)
	if w.moved == nil {
		return nil
	}
	return []Memory{s.stay(w.moved)}
}

// open releases a door for its time: the strike first, then sound and light, then the outcome.
// What has happened at the doors since the decision counts.
func (s *step) open(w pending, detail string) {
	d := &s.p.doors[w.door]
	if why := s.doorRefuses(w.door, w.urgent); why != "" {
		s.turnDown(w, why, s.undo(w)...)
		return
	}
	if d.rules.Toggle && d.rules.Interlock == "" && !s.p.lockdown {
		s.toggle(w)
		s.wentThrough(w.moved)
		s.hangUpAfter(w.call)
	} else {
		s.release(w.door)
		s.tell(Green, ToneGranted, s.p.rules.Words.ComeIn)
		s.record(Entry{Kind: StrikeOn, Door: d.rules.Name, Why: w.entry.Why, Call: w.call, Detail: detail}, s.firstOfDay(w)...)
		s.passing(w.door, w.moved)
		if w.call != "" {
			d.hangUp = w.call
		}
	}
	if w.request != "" {
		s.do(Answer{Request: w.request, Granted: true, Why: w.entry.Why})
	}
}

// release begins a pulse. A door that stands open goes on standing open, and the pulse counts when that is over.
func (s *step) release(i int) {
	d := &s.p.doors[i]
	d.on, d.everOn = true, true
	d.until = s.now.Mono + d.rules.Pulse
	length := d.rules.Pulse
	if s.p.standing(d) != "" {
		length = 0
	}
	s.do(SetStrike{Door: d.rules.Name, On: true, For: length})
}

func (s *step) pulseOver(i int) {
	d := &s.p.doors[i]
	d.until, d.exitUntil = 0, 0
	if s.p.standing(d) == "" {
		s.secure(i)
	}
	s.hangUpAfter(d.hangUp)
	d.hangUp = ""
}

// hangUpAfter ends the call that opened a door.
func (s *step) hangUpAfter(call string) {
	if call != "" && s.p.call.id == call && s.p.call.state == answered {
		s.hangUp()
	}
}

func (s *step) secure(i int) {
	d := &s.p.doors[i]
	d.on, d.securedAt = false, s.now.Mono
	s.do(SetStrike{Door: d.rules.Name})
	s.record(Entry{Kind: StrikeOff, Door: d.rules.Name})
}

// exit opens before anything else is done or asked.
func (s *step) exit(e ExitRequested) {
	i := s.doorNamed(e.Door)
	if i < 0 {
		return
	}
	s.release(i)
	s.p.doors[i].exitUntil = s.p.doors[i].until
	s.tell(Green, ToneGranted, s.p.rules.Words.Exit)
	s.record(Entry{Kind: ExitOpened, Door: e.Door})
}

func (s *step) fireAlarm() {
	if s.p.fire {
		return
	}
	s.p.fire = true
	for i := range s.p.doors {
		if s.p.doors[i].rules.Fire != FireIgnores {
			s.stand(i)
		}
	}
	s.p.clearAt = 0
	s.do(Signal{Light: Amber, Tone: ToneAlarm, Text: s.fireText()})
	s.record(Entry{Kind: FireOn})
}

// fireText says that the doors are open only where all of them are.
func (s *step) fireText() string {
	for i := range s.p.doors {
		if s.p.doors[i].rules.Fire == FireIgnores {
			return s.p.rules.Words.FireOnly
		}
	}
	return s.p.rules.Words.Fire
}

func (s *step) tampered() {
	if s.p.tamper {
		return
	}
	s.p.tamper = true
	var remember []Memory
	if s.p.rules.TamperBlock > 0 {
		s.p.tamperUntil = s.now.Mono + s.p.rules.TamperBlock
		remember = append(remember, tamperMemory(s.now, s.p.rules.TamperBlock))
		for i := range s.p.doors {
			s.letGo(i)
		}
	}
	s.tell(Amber, ToneAlarm, s.p.rules.Words.Tamper)
	s.record(Entry{Kind: TamperOn}, remember...)
}

func (s *step) cleared(e Cleared) {
	switch e.Input {
	case Fire:
		if !s.p.fire {
			return
		}
		s.p.fire = false
		for i := range s.p.doors {
			if s.p.doors[i].rules.Fire != FireIgnores {
				s.unstand(i)
			}
		}
		s.record(Entry{Kind: FireOff})
		s.afterMessage()
	case Tamper:
		if s.p.tamper {
			s.p.tamper = false
			s.record(Entry{Kind: TamperOff})
			s.refresh()
		}
	}
}

// blocked reports whether the tamper block refuses what a person at the door or a phone asks for.
func (s *step) blocked() bool { return s.now.Mono < s.p.tamperUntil }

func (s *step) doorOpened(e DoorOpened) {
	i := s.doorNamed(e.Door)
	if i < 0 || s.p.doors[i].open {
		return
	}
	d := &s.p.doors[i]
	d.open = true
	s.watchHeld(i)
	if d.on || e.AtStart || d.everOn && s.now.Mono-d.securedAt <= openAfterStrike {
		s.passed(d)
		s.record(Entry{Kind: DoorOpen, Door: e.Door})
		return
	}
	d.forced = true
	s.tell(Amber, ToneAlarm, s.p.rules.Words.Forced)
	s.record(Entry{Kind: DoorForced, Door: e.Door})
}

// watchHeld begins to count how long an open door stands open. While a door stands unlocked nobody is told to close it.
func (s *step) watchHeld(i int) {
	d := &s.p.doors[i]
	if !d.open || d.held || d.rules.HeldAfter <= 0 || s.p.standing(d) != "" {
		return
	}
	d.heldAt = s.now.Mono + d.rules.HeldAfter
	if w := d.rules.HeldWarning; w > 0 && w < d.rules.HeldAfter {
		d.warnAt = d.heldAt - w
	}
}

// heldSoon warns those in the door before the alarm.
func (s *step) heldSoon(i int) {
	d := &s.p.doors[i]
	d.warnAt = 0
	s.tell(Amber, ToneWarning, s.p.rules.Words.HeldSoon)
	s.record(Entry{Kind: DoorHeldSoon, Door: d.rules.Name, Detail: fmt.Sprintf("an alarm follows in %v", d.rules.HeldWarning)})
}

func (s *step) doorClosed(e DoorClosed) {
	i := s.doorNamed(e.Door)
	if i < 0 || !s.p.doors[i].open {
		return
	}
	d := &s.p.doors[i]
	kind := DoorClose
	if d.held {
		kind = DoorHeldOver
	}
	alarmed := d.held || d.forced
	d.open, d.held, d.forced, d.warnAt, d.heldAt = false, false, false, 0, 0
	s.record(Entry{Kind: kind, Door: e.Door})
	if alarmed && s.p.call.state == noCall {
		s.idle()
	}
}

func (s *step) heldOpen(i int) {
	d := &s.p.doors[i]
	d.heldAt, d.held = 0, true
	s.tell(Amber, ToneAlarm, s.p.rules.Words.HeldOpen)
	s.record(Entry{Kind: DoorHeld, Door: d.rules.Name, Detail: fmt.Sprintf("open for %v", d.rules.HeldAfter)})
}

func (s *step) device(e DeviceChanged) {
	if !e.Dead {
		s.record(Entry{Kind: DeviceBack, Detail: e.Device})
		return
	}
	for i := range s.p.doors {
		if d := &s.p.doors[i]; e.Device == "strike "+d.rules.Name && d.on {
			s.tell(Red, ToneAlarm, s.p.rules.Words.StrikeDead)
			s.record(Entry{Kind: StrikeFailed, Door: d.rules.Name, Detail: e.Cause})
			return
		}
	}
	s.record(Entry{Kind: DeviceDead, Detail: e.Device + ": " + e.Cause})
}
