package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	searchWindow = 250_000 // events that one question looks at
	maxPage      = 10_000  // events that one answer has
	blockSize    = 4096    // events whose times are remembered as one span
)

func microTime(t int64) time.Time { return time.UnixMicro(t).UTC() }

// Search returns events that fit, newest first, at most q.Limit (0: 100). next is where to go on as q.Before, 0 when
// everything was looked at. A page may be short, or empty, and still have a next one: a bounded number of events is looked at.
func (s *Store) Search(ctx context.Context, q fleet.Query) (found []fleet.Received, next uint64, err error) {
	found, next, err = s.events.search(ctx, q)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot search the events: %w", err)
	}
	return found, next, nil
}

func (l *eventLog) search(ctx context.Context, q fleet.Query) (found []fleet.Received, next uint64, err error) {
	f := newFilter(q)
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, maxPage)
	durable := l.journal.Durable()
	below := durable + 1
	if q.Before > 0 {
		below = min(below, q.Before)
	}
	looked := 0
	for below > 1 && len(found) < limit && looked < searchWindow {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		block := (below - 2) / blockSize // serials block*blockSize+1 to (block+1)*blockSize
		above := block * blockSize
		if l.spans.outside(block, f.from, f.to) {
			below = above + 1
			looked++
			continue
		}
		span := newSpan()
		err := l.journal.Down(below, above, func(frame storage.Frame) bool {
			looked++
			front, err := readFront(frame.Open)
			if err != nil {
				return true // damaged or of a newer version: the doctor names it
			}
			span.take(front.when())
			if f.front(&front) && f.rest(&front, frame.Personal) {
				r, err := decodeEvent(frame.Seq, frame.Open, frame.Personal, frame.Erased)
				if err == nil && f.whole(&r) {
					found = append(found, r)
				}
			}
			below = frame.Seq
			return len(found) < limit
		})
		if err != nil {
			return nil, 0, err
		}
		if len(found) >= limit {
			break
		}
		l.spans.learn(block, span, durable, q.Before)
		below = above + 1
	}
	if below > 1 {
		next = below
	}
	if first, _ := l.journal.Bounds(); below <= first {
		next = 0
	}
	return found, next, nil
}

// filter is a question in a form that passes over what does not fit quickly.
type filter struct {
	q         fleet.Query
	family    string // beginning of the kind with its dot; empty: the whole kind is asked for, or none
	who, text string // in lower case
	from, to  int64
}

func newFilter(q fleet.Query) filter {
	f := filter{q: q, who: strings.ToLower(q.Who), text: strings.ToLower(q.Text), from: -1 << 63, to: 1<<63 - 1}
	if strings.HasSuffix(q.Kind, ".") {
		f.family = q.Kind
	}
	if !q.From.IsZero() {
		f.from = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		f.to = q.To.UnixMicro()
	}
	return f
}

// front compares what stands at the front of a stored event. A time fits from From on and before To.
func (f *filter) front(e *front) bool {
	q := &f.q
	if q.Panel != "" && string(e.panel) != q.Panel || q.Site != "" && string(e.site) != q.Site || q.Door != "" && string(e.door) != q.Door {
		return false
	}
	if f.family != "" {
		if !strings.HasPrefix(string(e.kind), f.family) {
			return false
		}
	} else if q.Kind != "" && string(e.kind) != q.Kind {
		return false
	}
	when := e.when()
	return when >= f.from && when < f.to
}

// rest passes over events whose personal part cannot hold the name, without reading them whole.
func (f *filter) rest(_ *front, personal []byte) bool {
	return f.who == "" || len(personal) >= len(f.who)
}

// whole compares what people type.
func (f *filter) whole(r *fleet.Received) bool {
	e := &r.Event
	if f.who != "" && !strings.Contains(strings.ToLower(e.Who), f.who) {
		return false
	}
	if f.text == "" {
		return true
	}
	for _, word := range []string{e.Who, e.Detail, e.Why, e.Door, e.Kind, e.Reader, e.Credential, e.Call, r.Site, r.Panel} {
		if strings.Contains(strings.ToLower(word), f.text) {
			return true
		}
	}
	return false
}

// After returns events with a serial above the given one, oldest first, at most limit.
func (s *Store) After(serial uint64, limit int) ([]fleet.Received, error) {
	var out []fleet.Received
	limit = min(max(limit, 1), maxPage)
	for len(out) < limit {
		frames, err := s.events.journal.Read(serial, limit-len(out))
		if err != nil {
			return nil, fmt.Errorf("cannot read the events after %d: %w", serial, err)
		}
		if len(frames) == 0 {
			break
		}
		for _, f := range frames {
			serial = f.Seq
			if f.Gap != nil {
				continue // their time was over
			}
			if r, err := decodeEvent(f.Seq, f.Open, f.Personal, f.Erased); err == nil {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// span is between which times the events of a block lie.
type span struct{ min, max int64 }

func newSpan() span { return span{1<<63 - 1, -1 << 63} }

func (s *span) take(when int64) {
	s.min, s.max = min(s.min, when), max(s.max, when)
}

// spans remembers what questions have found of whole blocks, so that the next one about another time passes over them.
type spans struct {
	mu     sync.Mutex
	blocks map[uint64]span
}

func (s *spans) outside(block uint64, from, to int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, known := s.blocks[block]
	return known && (b.max < from || b.min >= to)
}

// learn keeps the span of a block that was looked at from its last event to its first.
func (s *spans) learn(block uint64, b span, durable, before uint64) {
	end := (block + 1) * blockSize
	if end > durable || before != 0 && before <= end {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks == nil {
		s.blocks = map[uint64]span{}
	}
	s.blocks[block] = b
}
