package panel

import (
	"fmt"
	"strconv"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// guess counts wrong codes. It is written down with each wrong try, before that try is answered.
type guess struct {
	wrong int
	until time.Duration // codes are refused until then
}

// present decides about a card or a code that was looked up.
func (s *step) present(e CredentialPresented) {
	reader, kind, f := e.Reader, e.Kind, e.Facts
	i, door := s.doorOf(reader)
	if i < 0 {
		return
	}
	entry := Entry{Door: door, Reader: reader, Detail: string(kind), Who: f.Person, Credential: f.Credential.ID}
	switch {
	case !s.accessActive():
		s.refuse(Entry{Door: door, Reader: reader, Detail: string(kind)}, access.NotLicensed)
		return
	case s.blocked():
		s.refuse(entry, access.Tampered)
		return
	case kind == access.Code && s.now.Mono < s.p.guess.until:
		// What was typed was not looked up: during a block nobody learns whether a code is right.
		s.refuse(Entry{Door: door, Reader: reader, Detail: string(kind)}, access.Blocked)
		return
	}
	if f.Failed {
		s.refuse(entry, access.CannotLookUp)
		return
	}
	granted, why := access.Decide(access.Question{
		Door: door, Credential: f.Credential, Rights: f.Rights, Timetable: s.p.timetable, Policy: s.p.rules.Policy,
		Now: s.now.Wall, Trusted: s.now.Trusted, Zone: s.p.rules.zone(),
	})
	switch {
	case granted:
		entry.Why = string(why)
		var remember []Memory
		if kind == access.Code && s.p.guess.wrong > 0 {
			s.p.guess.wrong = 0
			remember = append(remember, s.p.guess.memory(s.now))
		}
		s.grant(pending{door: i, entry: entry, urgent: f.Emergency}, remember...)
	case kind == access.Code && why == access.Unknown:
		s.wrongCode(i, entry)
	default:
		s.refuse(entry, why)
	}
}

// wrongCode writes the wrong try down and answers only then: cutting the power never buys a guess.
func (s *step) wrongCode(door int, entry Entry) {
	p := s.p
	p.guess.wrong++
	if p.guess.wrong >= wrongTries {
		p.guess.wrong, p.guess.until = 0, s.now.Mono+blockFor
	}
	p.tickets++
	entry.Kind, entry.Why = AccessRefused, string(access.Unknown)
	p.pending = append(p.pending, pending{
		ticket: p.tickets, deadline: s.now.Mono + onceWait, door: door, why: access.Unknown, entry: entry,
	})
	s.do(Record{Ticket: p.tickets, Entry: entry, Remember: []Memory{p.guess.memory(s.now)}})
	if p.guess.until > s.now.Mono {
		s.record(Entry{Kind: GuessBlock, Door: entry.Door, Reader: entry.Reader, Detail: fmt.Sprintf("%d wrong codes: codes are refused for %v", wrongTries, blockFor)})
	}
}

// tellWrong answers a wrong try: that it was wrong only when it cannot be forgotten any more.
func (s *step) tellWrong(w pending, durable bool) {
	why := w.why
	switch {
	case s.now.Mono < s.p.guess.until:
		why = access.Blocked
	case !durable:
		why = access.CannotRecord
	}
	s.tell(Red, Tone("refused-"+string(why)), s.reason(why))
}

// accessActive is the gate of access control: a license, or the grace after one lapsed.
func (s *step) accessActive() bool {
	e := s.p.entitlements
	return e.Allows("access_basic") || s.now.Wall.Before(e.AccessLapsedUntil())
}

// reason is what the display says to a refusal.
func (s *step) reason(why access.Why) string {
	w := s.p.rules.Words
	switch why {
	case access.Unknown:
		return w.Unknown
	case access.Revoked:
		return w.Revoked
	case access.OtherDoor:
		return w.OtherDoor
	case access.NotYetValid:
		return w.NotYetValid
	case access.Expired:
		return w.Expired
	case access.OutsideSchedule:
		return w.OutsideHours
	case access.ClockNotTrusted:
		return w.ClockUnknown
	case access.NoRight:
		return w.NoRight
	case access.TooWeak:
		return w.TooWeak
	case access.UsedUp:
		return w.UsedUp
	case access.PassedBack:
		return w.PassedBack
	case access.ForgedPass, access.OtherPanelsPass:
		return w.NotThisPass
	case access.NotLicensed:
		return w.NotLicensed
	case access.Tampered:
		return w.Tampered
	case access.CannotRecord:
		return w.CannotRecord
	case access.CannotLookUp:
		return w.CannotLookUp
	case lockedDown:
		return w.Lockdown
	case interlocked:
		return w.OtherDoorFirst
	case access.Blocked:
		left := (s.p.guess.until - s.now.Mono + time.Second - 1) / time.Second
		return fmt.Sprintf(w.Wait, int(max(left, 1)))
	}
	return w.NotPossible
}

// openRequested is a request by name: from the panel's own pages, or an order from upstream.
func (s *step) openRequested(e OpenRequested) {
	entry := Entry{Door: e.Door, Who: e.Who, Detail: e.Via}
	var remember []Memory
	if e.Order != nil {
		if why := s.orderFault(*e.Order); why != "" {
			s.decline(e.Request, entry, why)
			return
		}
		// From here on the number is used, whatever comes of it.
		m := Memory{Key: orderKey + e.Order.Signer, Value: strconv.FormatUint(e.Order.Number, 10)}
		s.p.remember(m)
		remember = append(remember, m)
	}
	i := s.doorNamed(e.Door)
	switch {
	case i < 0:
		s.decline(e.Request, entry, unknownDoor, remember...)
	case s.blocked():
		s.decline(e.Request, entry, access.Tampered, remember...)
	default:
		entry.Why = e.Via
		s.grant(pending{door: i, entry: entry, request: e.Request, once: e.Order != nil}, remember...)
	}
}

// Why a request by name is refused, beside the reasons of package access.
const (
	unknownDoor    access.Why = "unknown_door"     // this panel has no such door
	retained       access.Why = "retained"         // the broker kept the order for later
	notSigned      access.Why = "not_signed"       // by no configured key
	otherPanel     access.Why = "other_panel"      // it names another panel
	otherBoot      access.Why = "other_boot"       // it was made before this start, or after another
	late           access.Why = "late"             // its deadline has passed
	deadlineTooFar access.Why = "deadline_too_far" // further ahead than an order may live
	used           access.Why = "used"             // its number, or a higher one, was used
)

// decline refuses a request without a word to whoever stands at the door: it was not theirs.
func (s *step) decline(request string, entry Entry, why access.Why, remember ...Memory) {
	entry.Kind, entry.Why = AccessRefused, string(why)
	s.record(entry, remember...)
	s.do(Answer{Request: request, Why: string(why)})
}

// orderFault says why an order is not honored, or nothing. An order is for this panel and this boot, in time, and used once.
func (s *step) orderFault(o Order) access.Why {
	switch {
	case o.Retained:
		return retained
	case o.Signer == "":
		return notSigned
	case o.Panel != s.p.rules.ID:
		return otherPanel
	case o.Boot != s.p.rules.Boot:
		return otherBoot
	case s.now.Mono >= o.Deadline:
		return late
	case o.Deadline > s.now.Mono+orderAhead:
		return deadlineTooFar
	case o.Number <= s.p.lastOrder(o.Signer):
		return used
	}
	return ""
}
