package store

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/doorpanel/doorpanel/storage"
)

const (
	blockSize   = 4096 // events that have one summary
	filterBytes = 1024 // of one filter: of 1,000 panels in a block, three others in a hundred seem to be there
	gram        = 3    // bytes of the pieces of names
)

// summary says what the events of a block can have: their times, and in filters their panels, sites, doors and kinds, and
// pieces of the names of persons. What it does not have is in none of them; what it has may be in none.
type summary struct {
	min, max int64
	exact    bits // panels, sites, doors, kinds and their families
	who      bits
}

// bits is a Bloom filter with three bits for each word.
type bits [filterBytes / 8]uint64

func (b *bits) add(h uint64) {
	for range 3 {
		b[h>>6%uint64(len(b))] |= 1 << (h & 63)
		h = h>>21 | h<<43
	}
}

func (b *bits) has(h uint64) bool {
	for range 3 {
		if b[h>>6%uint64(len(b))]&(1<<(h&63)) == 0 {
			return false
		}
		h = h>>21 | h<<43
	}
	return true
}

// Fields are told apart: a door may be called as a site is.
const (
	ofPanel byte = iota + 1
	ofSite
	ofDoor
	ofKind
)

// summaries are those of all whole blocks that are durable, in memory alone: they are made again after a start, and after a
// person was erased, so that nothing of anybody stays in them.
type summaries struct {
	seed maphash.Seed

	mu     sync.Mutex
	blocks map[uint64]*summary
	life   uint64 // raised whenever all of them are forgotten
}

func newSummaries() *summaries {
	return &summaries{seed: maphash.MakeSeed(), blocks: map[uint64]*summary{}}
}

func (s *summaries) word(field byte, text string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_ = h.WriteByte(field) // never fails
	_, _ = h.WriteString(text)
	return h.Sum64()
}

// take adds an event to a summary.
func (s *summaries) take(m *summary, f *front, personal []byte) {
	when := f.when()
	m.min, m.max = min(m.min, when), max(m.max, when)
	m.exact.add(s.word(ofPanel, string(f.panel)))
	m.exact.add(s.word(ofSite, string(f.site)))
	m.exact.add(s.word(ofDoor, string(f.door)))
	kind := string(f.kind)
	m.exact.add(s.word(ofKind, kind))
	for i := range len(kind) {
		if kind[i] == '.' {
			m.exact.add(s.word(ofKind, kind[:i+1]))
		}
	}
	who, _ := named(personal)
	who = strings.ToLower(who)
	for i := 0; i+gram <= len(who); i++ {
		m.who.add(maphash.String(s.seed, who[i:i+gram]))
	}
}

// passes tells that no event of a block fits the question.
func (s *summaries) passes(block uint64, f *filter) bool {
	s.mu.Lock()
	m := s.blocks[block]
	s.mu.Unlock()
	if m == nil {
		return false
	}
	if m.max < f.from || m.min >= f.to {
		return true
	}
	for _, asked := range []struct {
		field byte
		text  string
	}{{ofPanel, f.q.Panel}, {ofSite, f.q.Site}, {ofDoor, f.q.Door}, {ofKind, f.q.Kind}} {
		if asked.text != "" && !m.exact.has(s.word(asked.field, asked.text)) {
			return true
		}
	}
	for i := 0; i+gram <= len(f.who); i++ {
		if !m.who.has(maphash.String(s.seed, f.who[i:i+gram])) {
			return true
		}
	}
	return false
}

// forget throws all of them away, also those that are being made.
func (s *summaries) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks, s.life = map[uint64]*summary{}, s.life+1
}

func (s *summaries) state(block uint64) (known bool, life uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks[block] != nil, s.life
}

// keep keeps a summary unless all were forgotten since it was begun.
func (s *summaries) keep(block uint64, m *summary, life uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == life {
		s.blocks[block] = m
	}
}

// drop forgets those of blocks that are not in the log any more.
func (s *summaries) drop(below uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for block := range s.blocks {
		if block < below {
			delete(s.blocks, block)
		}
	}
}

// summarizer makes the summaries that are missing, the newest first, whenever a block is whole.
func (l *eventLog) summarizer() {
	defer close(l.summarized)
	for {
		l.summarize()
		select {
		case <-l.stop:
			return
		case <-l.whole:
		}
	}
}

func (l *eventLog) summarize() {
	first, _ := l.journal.Bounds()
	oldest := (max(first, 1) - 1) / blockSize
	l.summaries.drop(oldest)
	for block := l.journal.Durable() / blockSize; block > oldest; block-- {
		select {
		case <-l.stop:
			return
		default:
		}
		if known, _ := l.summaries.state(block - 1); known {
			continue
		}
		if err := l.summarizeBlock(block - 1); err != nil {
			l.log.Warn("events not summarized; searching them takes longer", "after", (block-1)*blockSize, "err", err)
			return
		}
	}
}

func (l *eventLog) summarizeBlock(block uint64) error {
	_, life := l.summaries.state(block)
	m := &summary{min: 1<<63 - 1, max: -1 << 63}
	err := l.journal.Down((block+1)*blockSize+1, block*blockSize, func(frame storage.Frame) bool {
		if f, err := readFront(frame.Open); err == nil {
			l.summaries.take(m, &f, frame.Personal)
		}
		return true
	})
	if err == nil {
		l.summaries.keep(block, m, life)
	}
	return err
}

// pokeSummarizer says that a block may be whole, or that all summaries are to be made again.
func (l *eventLog) pokeSummarizer() {
	select {
	case l.whole <- struct{}{}:
	default:
	}
}
