package panel

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// counted is how a credential was used that opens only so often, or for so long after its first use.
type counted struct {
	access.Uses
	until time.Time // its last day; zero: it has none
}

// Removed says that people or credentials were taken out of the store for good: nothing needs to be known of them any more. A pass that was signed is never removed before its last day, or it would come back.
type Removed struct {
	People      []string // by id
	Credentials []string // by id
}

func (Removed) event() {}

// used is how a credential was used until now.
func (p *Panel) used(c access.Credential) access.Uses { return p.uses[c.ID].Uses }

// use counts one more and returns what must be durable before a door opens. It reports false when no more can be counted.
func (s *step) use(c access.Credential) ([]Memory, bool) {
	var remember []Memory
	u, known := s.p.uses[c.ID]
	if !known && len(s.p.uses) >= maxCounted {
		remember = s.forgetEnded()
	}
	if !known && len(s.p.uses) >= maxCounted {
		return nil, false
	}
	u.Count++
	u.until = c.Until
	if u.First.IsZero() && s.now.Trusted {
		u.First = s.now.Wall
	}
	s.p.uses[c.ID] = u
	return append(remember, u.memory(c.ID)), true
}

// giveBack takes uses back that opened nothing. What is durable may say more, never less.
func (s *step) giveBack(ids []string) {
	for _, id := range ids {
		if u, known := s.p.uses[id]; known {
			u.Count--
			s.p.uses[id] = u
		}
	}
}

// forgetEnded drops some of those whose last day is long over, where the day is known.
func (s *step) forgetEnded() []Memory {
	var remember []Memory
	for _, id := range slices.Sorted(maps.Keys(s.p.uses)) {
		until := s.p.uses[id].until
		if len(remember) < maxForgotten && s.now.Trusted && !until.IsZero() && s.now.Wall.Sub(until) > day {
			delete(s.p.uses, id)
			remember = append(remember, Memory{Key: usesKey + id})
		}
	}
	return remember
}

func (s *step) removed(e Removed) {
	var remember []Memory
	for _, id := range e.Credentials {
		if _, known := s.p.uses[id]; known {
			delete(s.p.uses, id)
			remember = append(remember, Memory{Key: usesKey + id})
		}
	}
	for _, id := range e.People {
		if _, inside := s.p.inside[id]; inside {
			delete(s.p.inside, id)
			remember = append(remember, Memory{Key: insideKey + id})
		}
	}
	s.emptyLater()
	for part := range slices.Chunk(remember, maxForgotten) {
		s.record(Entry{Kind: Forgotten}, part...)
	}
}

// memory is the count, the first use and the last day, each in milliseconds since 1970, or 0.
func (c counted) memory(id string) Memory {
	return Memory{Key: usesKey + id, Value: strconv.Itoa(c.Count) + " " + milliseconds(c.First) + " " + milliseconds(c.until)}
}

// restoreUses reads a count. One that cannot be read is used up.
func (p *Panel) restoreUses(m Memory) {
	if m.Value == "" {
		return
	}
	c := counted{Uses: access.Uses{Count: math.MaxInt32, First: time.UnixMilli(1)}}
	if f := strings.Fields(m.Value); len(f) == 3 {
		n, errCount := strconv.Atoi(f[0])
		first, errFirst := fromMilliseconds(f[1])
		until, errUntil := fromMilliseconds(f[2])
		if errCount == nil && n >= 0 && errFirst == nil && errUntil == nil {
			c.Uses, c.until = access.Uses{Count: n, First: first}, until
		}
	}
	p.uses[strings.TrimPrefix(m.Key, usesKey)] = c
}

func milliseconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func fromMilliseconds(text string) (time.Time, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(ms).UTC(), nil
}
