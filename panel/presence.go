package panel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// Presence is somebody who is inside.
type Presence struct {
	Person     string // id; empty for a guest, who is known by the pass
	Credential string // with which the person came in; empty after a restart for a person
	Door       string // through which
	Since      time.Time
	Trusted    bool // Since may be believed
}

// PresenceReset takes a person off the list of those inside, or everybody when Person is empty.
type PresenceReset struct{ Person, Who string }

func (PresenceReset) event() {}

// passRecord stands before the id of a guest's pass where the id of a person would stand.
const passRecord = "pass:"

// holder is by which name somebody is on the list.
func holder(c access.Credential) string {
	if c.Person == "" {
		return passRecord + c.ID
	}
	return c.Person
}

// key is by which name the list and the memory know it.
func (p Presence) key() string {
	if p.Person == "" {
		return passRecord + p.Credential
	}
	return p.Person
}

// Inside lists who is inside now, the longest first. The list is the caller's.
func (p *Panel) Inside() []Presence {
	return slices.SortedFunc(maps.Values(p.inside), func(a, b Presence) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.key(), b.key()))
	})
}

func (p *Panel) policyOf(door string) access.DoorPolicy {
	for _, d := range p.policies {
		if d.Door == door {
			return d
		}
	}
	return access.DoorPolicy{}
}

// passback says what becomes of somebody who comes in without having left: let in with a mark, or refused. Leaving is never
// refused: who came in behind somebody else must come out.
func (s *step) passback(c access.Credential, way Direction, door string) (marked, refused bool) {
	policy := s.p.policyOf(door).Passback
	if policy == access.PassbackOff || way == "" {
		return false, false
	}
	_, inside := s.p.inside[holder(c)]
	if way == Out {
		return !inside, false
	}
	return inside, inside && policy == access.PassbackHard
}

// goThrough notes which way somebody goes who is let in at a reader, and returns what to remember, and what undoes it.
func (s *step) goThrough(c access.Credential, way Direction, door string) ([]Memory, *moved) {
	undo := &moved{key: holder(c)}
	if before, inside := s.p.inside[undo.key]; inside {
		undo.before = &before
	}
	switch {
	case way == Out && undo.before != nil:
		delete(s.p.inside, undo.key)
		s.moves(undo)
		return []Memory{{Key: insideKey + undo.key}}, undo
	case way != In || undo.before == nil && len(s.p.inside) >= maxInside:
		return nil, nil
	}
	s.moves(undo)
	now := Presence{Person: c.Person, Credential: c.ID, Door: door, Since: s.now.Wall, Trusted: s.now.Trusted}
	s.p.inside[undo.key] = now
	s.emptyLater()
	return []Memory{now.memory()}, undo
}

// moved is what the list said of somebody before.
type moved struct {
	key     string
	before  *Presence // nil: was not inside
	settled bool      // it cannot be undone any more
}

// maxMoves bounds how many moves of one person are kept while the first of them may still be undone.
const maxMoves = 16

// moves keeps a move until it is settled, and with it those of the same person that came after it.
func (s *step) moves(m *moved) {
	list := append(s.p.moves[m.key], m)
	s.p.moves[m.key] = list[max(0, len(list)-maxMoves):]
}

// wentThrough says that somebody went through the door, as far as can be known.
func (s *step) wentThrough(m *moved) {
	if m == nil {
		return
	}
	m.settled = true
	s.trim(m.key)
}

// trim forgets the moves before which none can be undone.
func (s *step) trim(key string) {
	list := s.p.moves[key]
	for len(list) > 0 && list[0].settled {
		list = list[1:]
	}
	if s.p.moves[key] = list; len(list) == 0 {
		delete(s.p.moves, key)
	}
}

// stay undoes what was noted of somebody who then did not go through the door. Where the same person went another way
// meanwhile, that stands, and begins where this one did.
func (s *step) stay(m *moved) Memory {
	list := s.p.moves[m.key]
	if at := slices.Index(list, m); at >= 0 {
		later := list[at+1:]
		s.p.moves[m.key] = slices.Concat(list[:at], later)
		defer s.trim(m.key)
		if len(later) > 0 {
			later[0].before = m.before
			if now, inside := s.p.inside[m.key]; inside {
				return now.memory()
			}
			return Memory{Key: insideKey + m.key}
		}
	}
	if m.before == nil {
		delete(s.p.inside, m.key)
		return Memory{Key: insideKey + m.key}
	}
	s.p.inside[m.key] = *m.before
	s.emptyLater()
	return m.before.memory()
}

// passing begins to watch whether whoever was let in opens the door.
func (s *step) passing(i int, m *moved) {
	d := &s.p.doors[i]
	if m == nil || !d.rules.Contact || d.open || d.until == 0 {
		s.wentThrough(m)
		return
	}
	d.passing, d.passAt = append(d.passing, m), d.until+openAfterStrike
}

// passed settles the moves of those who were on the way through a door that now opens.
func (s *step) passed(d *door) {
	for _, m := range d.passing {
		s.wentThrough(m)
	}
	d.passing, d.passAt = nil, 0
}

// notEntered is the end of a release during which the contact never showed the door open: nobody went through.
func (s *step) notEntered(i int) {
	d := &s.p.doors[i]
	var remember []Memory
	for _, m := range slices.Backward(d.passing) {
		remember = append(remember, s.stay(m))
	}
	d.passing, d.passAt = nil, 0
	s.record(Entry{Kind: NotEntered, Door: d.rules.Name}, remember...)
}

// emptyLater sets when the list is emptied next: at its hour or, while the time is not known, a day from now.
func (s *step) emptyLater() {
	switch {
	case len(s.p.inside) == 0:
		s.p.emptyAt = 0
	case s.now.Trusted:
		s.p.emptyAt = s.now.Mono + s.p.rules.nextEmptying(s.now.Wall).Sub(s.now.Wall)
	case s.p.emptyAt == 0:
		s.p.emptyAt = s.now.Mono + day
	}
}

// clockOfPresence takes a clock that moved into account: the hour at which the list is emptied may have passed meanwhile.
func (s *step) clockOfPresence() {
	s.p.emptyAt = 0
	if s.now.Trusted {
		last := s.p.rules.nextEmptying(s.now.Wall).AddDate(0, 0, -1)
		s.takeOff(func(p Presence) bool { return p.Trusted && p.Since.Before(last) }, Entry{Kind: PresenceEmpty})
	}
	s.emptyLater()
}

func (s *step) emptyPresence() {
	s.p.emptyAt = 0
	s.takeOff(func(Presence) bool { return true }, Entry{Kind: PresenceEmpty})
}

func (s *step) presenceReset(e PresenceReset) {
	s.takeOff(func(p Presence) bool { return e.Person == "" || p.key() == e.Person }, Entry{Kind: PresenceEmpty, Who: e.Who})
	s.emptyLater()
}

// takeOff takes some off the list.
func (s *step) takeOff(which func(Presence) bool, entry Entry) {
	var remember []Memory
	before := len(s.p.inside)
	for _, key := range slices.Sorted(maps.Keys(s.p.inside)) {
		if which(s.p.inside[key]) {
			delete(s.p.inside, key)
			remember = append(remember, Memory{Key: insideKey + key})
		}
	}
	entry.Detail = fmt.Sprintf("%d taken off the list", len(remember))
	if len(remember) > 1 && len(remember) == before {
		remember = []Memory{{Key: insideKey}}
	}
	for part := range slices.Chunk(remember, maxForgotten) {
		s.record(entry, part...)
	}
}

// nextEmptying is the next time at which the list is emptied, on the clock of the site. An hour that a DST change skips
// comes an hour later.
func (r Rules) nextEmptying(now time.Time) time.Time {
	hour, minute := presenceHour, 0
	if t, err := time.Parse("15:04", r.EmptyAt); err == nil {
		hour, minute = t.Hour(), t.Minute()
	}
	year, month, date := now.In(r.zone()).Date()
	next := time.Date(year, month, date, hour, minute, 0, 0, r.zone())
	if !next.After(now) {
		next = time.Date(year, month, date+1, hour, minute, 0, 0, r.zone())
	}
	return next
}

// memory is since when, with a question mark where the clock was not trusted, and the door.
func (p Presence) memory() Memory {
	since := milliseconds(p.Since)
	if !p.Trusted {
		since += "?"
	}
	return Memory{Key: insideKey + p.key(), Value: since + " " + p.Door}
}

// restoreInside reads who was inside. Since when is not known where it cannot be read.
func (p *Panel) restoreInside(m Memory) {
	key := strings.TrimPrefix(m.Key, insideKey)
	if key == "" || m.Value == "" || len(p.inside) >= maxInside {
		return
	}
	since, door, _ := strings.Cut(m.Value, " ")
	q := Presence{Person: key, Door: door}
	if id, guest := strings.CutPrefix(key, passRecord); guest {
		q.Person, q.Credential = "", id
	}
	at, err := fromMilliseconds(strings.TrimSuffix(since, "?"))
	q.Since, q.Trusted = at, err == nil && !strings.HasSuffix(since, "?")
	p.inside[key] = q
}
