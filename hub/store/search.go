package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	searchWindow = 100_000 // events that one question looks at
	maxPage      = 10_000  // events that one answer has
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
	for looked := uint64(0); below > 1 && len(found) < limit && looked < searchWindow; {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		block := (below - 2) / blockSize // serials block*blockSize+1 to (block+1)*blockSize
		above := block * blockSize
		cost, most := uint64(1), limit-len(found)
		if q.Shown != nil {
			cost, most = l.costOf(block, below-above-1, &f), blockSize
		}
		if l.summaries.passes(block, &f) {
			below = above + 1
			looked += cost
			continue
		}
		some, n, end, err := l.fitting(&f, below, above, most)
		if err != nil {
			return nil, 0, err
		}
		if below = end; q.Shown == nil {
			cost = n
		}
		looked += cost
		for _, r := range some {
			if q.Shown == nil || q.Shown(r) {
				found = append(found, r)
			}
			if len(found) == limit {
				below = r.Serial
				break
			}
		}
	}
	if below > 1 {
		next = below
	}
	if first, _ := l.journal.Bounds(); below <= first {
		next = 0
	}
	return found, next, nil
}

// costOf is what a block counts for somebody who may not see everything, whether it is looked at or passed over: where his search
// stops must not tell what else is in it. He knows only whether something of the place that he asks about is.
func (l *eventLog) costOf(block, events uint64, f *filter) uint64 {
	place := filter{q: fleet.Query{Site: f.q.Site, Panel: f.q.Panel}, from: -1 << 63, to: 1<<63 - 1}
	if l.summaries.passes(block, &place) {
		return 1
	}
	return events
}

// fitting returns the events below one serial and above another that fit, the newest first, at most so many; how many it looked
// at, and below which serial it did not look.
func (l *eventLog) fitting(f *filter, below, above uint64, most int) (some []fleet.Received, looked, end uint64, err error) {
	end = above + 1
	err = l.journal.Down(below, above, func(frame storage.Frame) bool {
		looked++
		front, err := readFront(frame.Open)
		if err != nil {
			return true // damaged or of a newer version: the doctor names it
		}
		if f.front(&front) && f.words(&front, frame.Personal) {
			if r, err := decodeEvent(frame.Seq, frame.Open, frame.Personal, frame.Erased); err == nil {
				some = append(some, r)
			}
		}
		if len(some) < most {
			return true
		}
		end = frame.Seq
		return false
	})
	return some, looked, end, err
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

// words compares what people type. It reads the event's words where they lie and makes nothing of those that do not fit.
func (f *filter) words(e *front, personal []byte) bool {
	if f.who == "" && f.text == "" {
		return true
	}
	p := reader{b: personal}
	var who, credential, detail []byte
	if len(personal) > 0 {
		who, credential, detail = p.text(), p.text(), p.text()
	}
	if f.who != "" && !holds(who, f.who) {
		return false
	}
	if f.text == "" || holds(who, f.text) || holds(credential, f.text) || holds(detail, f.text) ||
		holds(e.door, f.text) || holds(e.kind, f.text) || holds(e.site, f.text) || holds(e.panel, f.text) {
		return true
	}
	r := reader{b: e.rest}
	r.passHex() // epoch
	r.number()
	r.passHex() // chains and boot
	r.passHex()
	r.passHex()
	r.number()
	why, in, call := r.text(), r.text(), r.text()
	r.number()
	r.text()
	if e.flags&recGap != 0 {
		r.number()
		r.number()
		r.number()
	}
	return holds(why, f.text) || holds(in, f.text) || holds(call, f.text) || holds(r.text(), f.text)
}

// holds reports whether part, which is in lower case, is in text, in any case.
func holds(text []byte, part string) bool {
	if len(text) < len(part) && isASCII(text) {
		return false
	}
	if !isASCII(text) {
		return strings.Contains(strings.ToLower(string(text)), part)
	}
	for i := 0; i+len(part) <= len(text); i++ {
		n := 0
		for n < len(part) && lower(text[i+n]) == part[n] {
			n++
		}
		if n == len(part) {
			return true
		}
	}
	return false
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
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
