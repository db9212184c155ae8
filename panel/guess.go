package panel

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// guess is the one budget of wrong tries, whichever way they come. It is written down with each wrong try, before a wrong
// code is answered.
//
// Five wrong tries in a row block codes and passes, the first time of a day for 30 seconds and then for twice as long each
// time, up to an hour. Whoever is let in ends the row, never the count of the day: somebody with a code of his own may try
// no more of others' than anybody else. When the codes of a day are used up, codes and passes wait for the day's end. A day
// begins with its first wrong try.
type guess struct {
	row    int           // wrong tries since somebody was let in
	until  time.Duration // codes and passes are refused until then; 0: they are heard
	blocks int           // of the day
	codes  int           // wrong codes of the day; cards and passes cannot be guessed in a lifetime
	dayEnd time.Duration // 0: no day runs
}

// BudgetReset is an administrator's word that the wrong tries until now count no more.
type BudgetReset struct{ Who string }

// WrongTry is a code that was tried where no door was asked for, such as on a page. It is counted, and recorded with Detail;
// whoever heard it asks View.CodesBlocked before it listens to the next one.
type WrongTry struct {
	Source Source
	Detail string
}

func (BudgetReset) event() {}
func (WrongTry) event()    {}

// blockLength is how long the n-th block of a day lasts.
func blockLength(n int) time.Duration {
	length := blockFor
	for i := 1; i < n && length < longestBlock; i++ {
		length *= 2
	}
	return min(length, longestBlock)
}

// guessesADay is how many wrong codes a day has.
func (r Rules) guessesADay() int {
	if r.GuessesADay > 0 {
		return r.GuessesADay
	}
	return access.GuessesADay
}

// newDay forgets the day before.
func (g *guess) newDay(now time.Duration) {
	if g.dayEnd > 0 && g.dayEnd <= now {
		g.blocks, g.codes, g.dayEnd = 0, 0, 0
	}
}

// usedUp reports whether the day has no wrong codes left.
func (s *step) usedUp() bool {
	s.p.guess.newDay(s.now.Mono)
	return s.p.guess.codes >= s.p.rules.guessesADay()
}

// codesBlocked reports whether codes and passes are refused now.
func (s *step) codesBlocked() bool { return s.now.Mono < s.p.guess.until }

// stopped reports whether a block refuses this kind of credential: what is known by heart or shown as a picture, never a card.
func stopped(kind access.Kind) bool { return kind == access.Code || kind == access.Pass }

// count takes a wrong try into the budget and reports whether a block begins with it. During a block only codes count, and
// only against the day: a longer block must not come of what nobody listened to.
func (s *step) count(kind access.Kind) (blocks bool) {
	g := &s.p.guess
	g.newDay(s.now.Mono)
	if g.dayEnd == 0 {
		g.dayEnd = s.now.Mono + day
	}
	if kind == access.Code {
		g.codes++
	}
	running := s.codesBlocked()
	if !running {
		g.row++
	}
	if g.row >= wrongTries {
		g.blocks++
		g.row, g.until = 0, s.now.Mono+blockLength(g.blocks)
	}
	if s.usedUp() && g.dayEnd > g.until {
		g.row, g.until = 0, g.dayEnd
		return true
	}
	return !running && s.codesBlocked()
}

// forgive ends the row of wrong tries because somebody was let in, and returns what must be remembered of it.
func (s *step) forgive() []Memory {
	if s.p.guess.row == 0 {
		return nil
	}
	s.p.guess.row = 0
	return []Memory{s.p.guess.memory(s.now)}
}

// wrongCode writes the wrong try down and answers only then: cutting the power never buys a guess.
func (s *step) wrongCode(door int, entry Entry) {
	p := s.p
	begins := s.count(access.Code)
	p.tickets++
	entry.Kind, entry.Why = AccessRefused, string(access.Unknown)
	p.pending = append(p.pending, pending{
		ticket: p.tickets, deadline: s.now.Mono + onceWait, door: door, why: access.Unknown, entry: entry,
	})
	s.do(Record{Ticket: p.tickets, Entry: entry, Remember: []Memory{p.guess.memory(s.now)}})
	if begins {
		s.recordBlock(entry)
	}
}

// wrongOther refuses an unknown card or a bad pass, which is answered at once: no block ever stands between it and the next.
func (s *step) wrongOther(kind access.Kind, entry Entry, why access.Why) {
	entry.Kind, entry.Why = AccessRefused, string(why)
	s.tell(Red, Tone("refused-"+string(why)), s.reason(why))
	if s.codesBlocked() {
		s.record(entry)
		return
	}
	begins := s.count(kind)
	s.record(entry, s.p.guess.memory(s.now))
	if begins {
		s.recordBlock(entry)
	}
}

func (s *step) wrongTry(e WrongTry) {
	begins := s.count(access.Code)
	entry := Entry{Kind: AccessRefused, Why: string(access.Unknown), Detail: strings.TrimSpace(described(access.Code, e.Source) + " " + e.Detail)}
	s.record(entry, s.p.guess.memory(s.now))
	if begins {
		s.recordBlock(entry)
	}
}

func (s *step) recordBlock(entry Entry) {
	detail := fmt.Sprintf("%d wrong tries: codes and passes are refused for %v", wrongTries, s.p.guess.until-s.now.Mono)
	if s.usedUp() {
		detail = fmt.Sprintf("the %d wrong codes of a day: codes and passes are refused for %v", s.p.rules.guessesADay(),
			(s.p.guess.until - s.now.Mono).Round(time.Second))
	}
	s.record(Entry{Kind: GuessBlock, Door: entry.Door, Reader: entry.Reader, Detail: detail})
}

// tellWrong answers a wrong try: that it was wrong only when it cannot be forgotten any more.
func (s *step) tellWrong(w pending, durable bool) {
	why := w.why
	switch {
	case s.codesBlocked():
		why = access.Blocked
	case !durable:
		why = access.CannotRecord
	}
	s.tell(Red, Tone("refused-"+string(why)), s.reason(why))
}

func (s *step) budgetReset(e BudgetReset) {
	s.p.guess = guess{}
	s.record(Entry{Kind: GuessFree, Who: e.Who, Detail: "reset"}, s.p.guess.memory(s.now))
}

// memory is the budget as it is written down: the row, the end of the block or a dash and, while a day runs, its blocks,
// its wrong codes and its end.
func (g guess) memory(now Now) Memory {
	value := strconv.Itoa(g.row)
	blocked, today := g.until > now.Mono, g.dayEnd > now.Mono
	switch {
	case blocked:
		value += " " + blockEnd(now, g.until-now.Mono)
	case today:
		value += " -"
	}
	if today {
		value += fmt.Sprintf(" %d %d %s", g.blocks, g.codes, blockEnd(now, g.dayEnd-now.Mono))
	}
	return Memory{Key: guessKey, Value: value}
}

// restoreGuess reads the budget. What cannot be read counts as the stricter: as many as there may be, for as long as may be.
func (p *Panel) restoreGuess(value string, now Now) {
	fields := strings.Split(value, " ")
	field := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	number := func(i int) int {
		n, err := strconv.Atoi(field(i))
		switch {
		case field(i) == "":
			return 0
		case err != nil || n < 0:
			return math.MaxInt32
		}
		return n
	}
	g := guess{row: min(number(0), wrongTries-1), blocks: number(2), codes: number(3)}
	if len(fields) > 2 {
		g.dayEnd = now.Mono + blockLeft(field(4), day, now)
	}
	if end := field(1); len(fields) > 1 && end != "-" {
		full := blockLength(g.blocks)
		if g.codes >= p.rules.guessesADay() {
			full = max(full, day)
		}
		g.until = now.Mono + blockLeft(end, full, now)
	}
	p.guess = g
}

// described says in the journal what was shown and by which way.
func described(kind access.Kind, source Source) string {
	return strings.Join(slices.DeleteFunc([]string{string(kind), string(source)}, func(s string) bool { return s == "" }), " by ")
}
