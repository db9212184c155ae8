package panel

import (
	"fmt"
	"strconv"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// present decides about a card, a code or a pass that was looked up.
func (s *step) present(e CredentialPresented) {
	kind, f := e.Kind, e.Facts
	i, door, way := s.doorOf(e)
	if i < 0 {
		return
	}
	before, waits := s.takeFirst(e.Reader)
	bare := Entry{Door: door, Reader: e.Reader, Detail: described(kind, e.Source)}
	entry := bare
	entry.Who, entry.Credential = f.Person, f.Credential.ID
	// The code that must follow a card is heard during a block too: otherwise five wrong codes at night would lock every
	// resident out. It is a guess at one person's code and counts for the day.
	follows := waits && kind == access.Code && before.credential.Kind != access.Code && !s.usedUp()
	switch {
	case !s.accessActive():
		s.refuse(bare, access.NotLicensed)
		return
	case s.blocked():
		s.refuse(entry, access.Tampered)
		return
	case stopped(kind) && s.codesBlocked() && !follows:
		// What was looked up is not looked at: during a block nobody learns whether a code is right.
		s.refuse(bare, access.Blocked)
		return
	case f.Failed:
		s.refuse(entry, access.CannotLookUp)
		return
	case f.Fault != "":
		s.wrongOther(kind, bare, f.Fault)
		return
	}
	q := access.Question{
		Door: door, Credential: f.Credential, Rights: f.Rights, Timetable: s.p.timetable, Policy: s.p.rules.Policy,
		Used: s.p.used(f.Credential), Now: s.now.Wall, Trusted: s.now.Trusted, Zone: s.p.rules.zone(),
	}
	granted, why := access.Decide(q)
	needsSecond := asksSecond(kind) && s.p.policyOf(door).NeedsSecond(q)
	switch {
	case kind == access.Code && (why == access.Unknown || waits && (needsSecond || follows) && !before.completes(f.Credential)):
		// Somebody else's code behind a card is answered like one that nobody has.
		s.wrongCode(i, bare)
	case why == access.Unknown:
		s.wrongOther(kind, bare, why)
	case !granted:
		s.refuse(entry, why)
	case needsSecond && !(waits && before.completes(f.Credential)):
		s.awaitSecond(entry, f.Credential)
	default:
		used := []access.Credential{f.Credential}
		entry.Why = string(why)
		if needsSecond {
			used = append(used, before.credential)
			entry.Detail = described(before.credential.Kind, AtReader) + " and " + entry.Detail
		}
		s.admit(admission{door: i, way: way, entry: entry, used: used, facts: f})
	}
}

// admission is a credential that may open, before what is counted is counted.
type admission struct {
	door  int
	way   Direction
	entry Entry
	used  []access.Credential // one, or two where two are asked for
	facts Facts
}

// admit counts uses, notes who goes which way, and grants.
func (s *step) admit(a admission) {
	w := pending{door: a.door, entry: a.entry, urgent: a.facts.Emergency, duress: a.facts.Duress}
	if why := s.doorRefuses(a.door, w.urgent); why != "" {
		s.turnDown(w, why)
		return
	}
	marked, refused := s.passback(a.facts.Credential, a.way, a.entry.Door)
	if refused && !w.urgent {
		s.refuse(a.entry, access.PassedBack)
		return
	}
	remember := s.forgive()
	for _, c := range a.used {
		if !c.Counted() {
			continue
		}
		use, ok := s.use(c)
		if !ok {
			s.giveBack(w.used)
			s.refuse(a.entry, access.CannotRecord)
			return
		}
		w.once, w.used = true, append(w.used, c.ID)
		remember = append(remember, use...)
	}
	moves, undo := s.goThrough(a.facts.Credential, a.way, a.entry.Door)
	w.moved = undo
	s.grant(w, append(remember, moves...)...)
	if marked {
		s.record(Entry{Kind: PassbackSeen, Door: a.entry.Door, Reader: a.entry.Reader, Who: a.entry.Who, Credential: a.entry.Credential})
	}
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
	case access.ForgedPass:
		return w.NotThisPass
	case access.SecondFactor:
		return w.NowCode
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
		return s.waitText()
	}
	return w.NotPossible
}

// waitText says how long codes are still refused: in seconds, or in minutes where it takes longer than two.
func (s *step) waitText() string {
	w, left := s.p.rules.Words, s.p.guess.until-s.now.Mono
	if left > 2*time.Minute {
		return fmt.Sprintf(w.WaitMinutes, int((left+time.Minute-1)/time.Minute))
	}
	return fmt.Sprintf(w.Wait, int(max((left+time.Second-1)/time.Second, 1)))
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
