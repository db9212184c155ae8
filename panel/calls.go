package panel

import (
	"fmt"

	"github.com/doorpanel/doorpanel/panel/access"
)

// pressed is a visitor's press: one call at a time, and every refusal told.
func (s *step) pressed(e CallButtonPressed) {
	p, w := s.p, s.p.rules.Words
	entry := Entry{Button: e.Button, Who: e.Label}
	if p.call.state != noCall {
		s.do(Signal{Tone: ToneKey})
		return
	}
	refuse := func(why access.Why, text string) {
		entry.Kind, entry.Why = CallRefused, string(why)
		s.tell(Red, Tone("refused-"+string(why)), text)
		s.record(entry)
	}
	switch {
	case e.Button < 1 || e.Button > p.entitlements.Buttons():
		refuse(access.NotLicensed, w.ButtonOff)
		return
	case e.Route == NoRoute:
		refuse(noTarget, w.NoTarget)
		return
	case e.Route == Server && !p.entitlements.Allows("sip"):
		entry.Detail = "the target is reached through a server: a sip license is needed"
		refuse(access.NotLicensed, fmt.Sprintf(w.NotPossible, e.Label))
		return
	}
	p.calls++
	p.call = call{id: callID(p.calls), button: e.Button, label: e.Label, state: placing, until: s.now.Mono + p.rules.RingFor}
	p.clearAt = 0
	entry.Kind, entry.Call = CallPlaced, p.call.id
	s.do(Signal{Light: Blue, Tone: ToneRinging, Text: fmt.Sprintf(w.Calling, e.Label)})
	s.do(PlaceCall{Call: p.call.id, Target: e.Target, Account: e.Account})
	s.record(entry)
}

// Why a press places no call, or a call opens a door, beside the reasons of package access.
const (
	noTarget access.Why = "no_target" // nobody is set for the button
	byCall   access.Why = "call"      // the called party pressed the door's key
)

func (s *step) current(id string, state callState) bool {
	return s.p.call.id == id && s.p.call.state == state
}

func (s *step) callAnswered(e CallAnswered) {
	if !s.current(e.Call, placing) {
		return
	}
	c := &s.p.call
	c.state, c.until = answered, s.now.Mono+s.p.rules.TalkFor
	s.p.clearAt = 0
	s.do(Signal{Light: Blue, Tone: ToneAnswer, Text: fmt.Sprintf(s.p.rules.Words.Connected, c.label)})
	s.record(Entry{Kind: CallAnswer, Call: c.id, Button: c.button, Who: c.label})
}

func (s *step) callFailed(e CallFailed) {
	if s.p.call.id != e.Call || s.p.call.state == noCall {
		return
	}
	if s.p.call.state == ending {
		s.callOver(e.Detail)
		return
	}
	c := s.p.call
	s.p.call = call{}
	s.tell(Red, Tone("call-"+string(e.Reason)), s.failure(e.Reason, c.label))
	s.record(Entry{Kind: CallFail, Call: c.id, Button: c.button, Who: c.label, Why: string(e.Reason), Detail: e.Detail})
}

func (s *step) failure(reason CallFailure, label string) string {
	w := s.p.rules.Words
	switch reason {
	case Busy:
		return fmt.Sprintf(w.Busy, label)
	case Refused:
		return fmt.Sprintf(w.Refused, label)
	case NoAnswer:
		return fmt.Sprintf(w.NoAnswer, label)
	}
	return fmt.Sprintf(w.Unreachable, label)
}

func (s *step) callEnded(e CallEnded) {
	if s.p.call.id == e.Call && s.p.call.state != noCall {
		s.callOver("")
	}
}

// callOver ends the call, and says so where no other message stands: whoever was let in needs no word about it.
func (s *step) callOver(detail string) {
	c := s.p.call
	s.p.call = call{}
	if s.p.clearAt == 0 {
		s.tell(Off, ToneEnded, s.p.rules.Words.CallOver)
	}
	s.record(Entry{Kind: CallEnd, Call: c.id, Button: c.button, Who: c.label, Detail: detail})
}

// digit is a key of the called party's phone: the one that opens a door opens it.
func (s *step) digit(e DigitPressed) {
	if !s.current(e.Call, answered) {
		return
	}
	opens := false
	for i := range s.p.doors {
		d := &s.p.doors[i]
		opens = opens || d.rules.OpenDigit != 0
		if d.rules.OpenDigit == 0 || d.rules.OpenDigit != e.Digit {
			continue
		}
		entry := Entry{Door: d.rules.Name, Why: string(byCall), Call: e.Call, Button: s.p.call.button, Who: s.p.call.label}
		if s.blocked() {
			s.refuse(entry, access.Tampered)
			return
		}
		for _, w := range s.p.pending {
			if w.grant && w.call == e.Call && w.door == i {
				return
			}
		}
		s.grant(pending{door: i, entry: entry, call: e.Call})
		return
	}
	if opens && '0' <= e.Digit && e.Digit <= '9' {
		s.wrongDigit(e)
	}
}

// wrongDigit counts a digit that opens no door. It ends nobody's call and stops no other digit: who was called may open.
func (s *step) wrongDigit(e DigitPressed) {
	begins := s.count(access.Pass)
	entry := Entry{
		Kind: AccessRefused, Why: string(access.Unknown), Call: e.Call, Button: s.p.call.button, Who: s.p.call.label,
		Detail: "by telephone: the digit opens no door",
	}
	s.record(entry, s.p.guess.memory(s.now))
	if begins {
		s.recordBlock(entry)
	}
}

// callTimeout ends what rings or talks for too long, and what the telephone never confirmed.
func (s *step) callTimeout() {
	c := &s.p.call
	switch c.state {
	case placing:
		s.tell(Red, Tone("call-"+string(NoAnswer)), s.failure(NoAnswer, c.label))
		s.record(Entry{Kind: CallFail, Call: c.id, Button: c.button, Who: c.label, Why: string(NoAnswer)})
		s.hangUp()
	case answered:
		s.hangUp()
	case ending:
		s.callOver("the telephone did not confirm the end")
	}
}

func (s *step) hangUp() {
	c := &s.p.call
	c.state, c.until = ending, s.now.Mono+endingFor
	s.do(HangUp{Call: c.id})
}
