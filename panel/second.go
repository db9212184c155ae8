package panel

import (
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// first is a good card or code that waits for the other one at the same reader.
type first struct {
	reader     string
	credential access.Credential
	until      time.Duration
}

// takeFirst takes what waits at a reader; whatever comes next decides on it, right or wrong.
func (s *step) takeFirst(reader string) (first, bool) {
	i := slices.IndexFunc(s.p.firsts, func(f first) bool { return f.reader == reader })
	if i < 0 {
		return first{}, false
	}
	f := s.p.firsts[i]
	s.p.firsts = slices.Delete(s.p.firsts, i, i+1)
	return f, s.now.Mono < f.until
}

// awaitSecond keeps a good first one for a while and asks for the other. By itself it is refused, and written down so.
func (s *step) awaitSecond(entry Entry, c access.Credential) {
	s.p.firsts = append(s.p.firsts, first{reader: entry.Reader, credential: c, until: s.now.Mono + secondWithin})
	text := s.p.rules.Words.NowCode
	if c.Kind == access.Code {
		text = s.p.rules.Words.NowCard
	}
	entry.Kind, entry.Why = AccessRefused, string(access.SecondFactor)
	s.tell(Amber, ToneSecond, text)
	s.record(entry)
}

// completes reports whether a card and a code, in either order, belong to the same person.
func (f first) completes(c access.Credential) bool {
	return c.Person != "" && c.Person == f.credential.Person && c.Kind != f.credential.Kind
}

// asksSecond reports whether this kind of credential is not enough by itself where two are asked for. A guest's pass is made
// for its hours, and its holder has nothing else.
func asksSecond(kind access.Kind) bool { return kind != access.Pass }
