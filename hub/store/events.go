package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	eventSegment   = 4 << 20  // bytes of one segment of the log
	headsEvery     = 8 << 20  // bytes of events after which the heads are written again
	maxRun         = 1 << 20  // bytes of events that are appended at once
	recentScan     = 200_000  // newest events that are looked at for chains when the store is opened
	maxEventText   = 64 << 10 // bytes of one event
	headsCounter   = "heads"  // the serial that the table of heads shows
	swept          = "swept"  // the cursor of the log that deleting waits for
	maxTries       = 10       // to append, while other writes fail
	roomAboveBound = 16       // the log may be longer than its bound by one part in so many until it is swept
)

// eventLog keeps the events in an append-only log of their own. What it must know of each panel to take an event once, it
// keeps in memory; the table of heads shows it as of some event, and the events after that one are read again at the start.
type eventLog struct {
	db        *storage.Store
	journal   *storage.Journal
	log       *slog.Logger
	bound     int64
	heads     storage.Table[course]
	counters  storage.Table[uint64]
	faults    *faults
	summaries *summaries

	mu      sync.Mutex
	courses map[string]*course
	last    uint64 // serial of the newest event that was taken, durable or not
	life    *life  // since the last failed write
	dirty   map[string]bool
	unsaved int64 // bytes of events since the heads were captured

	saving     sync.Mutex // held while heads are written
	save       chan struct{}
	stop       chan struct{}
	done       chan struct{}
	whole      chan struct{} // a block may be whole
	summarized chan struct{} // closed when no more summaries are made

	sweeping sync.Mutex
	sweepAt  uint64 // where the sweep that was interrupted goes on
}

// life ends when a write fails: what was taken and is not durable by then is gone.
type life struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newLife() *life {
	ctx, end := context.WithCancelCause(context.Background())
	return &life{ctx, end}
}

func openEvents(db *storage.Store, o Options) (*eventLog, []storage.Note, error) {
	l := &eventLog{
		db: db, log: o.Logger, bound: o.MaxEvents, heads: storage.NewTable[course](db, "heads"), counters: storage.NewTable[uint64](db, "counters"),
		faults: newFaults(db), life: newLife(), save: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		summaries: newSummaries(), whole: make(chan struct{}, 1), summarized: make(chan struct{}),
	}
	shown, _, err := l.counters.Get(headsCounter)
	if err != nil {
		return nil, nil, err
	}
	j, notes, err := storage.OpenJournal(storage.JournalOptions{
		Dir: o.eventsPath(), MaxBytes: o.MaxEvents + max(o.MaxEvents/roomAboveBound, 2*eventSegment), SegmentBytes: eventSegment,
		Holding: []string{swept}, After: shown, NewEpoch: o.Restored, Logger: o.Logger,
	})
	if err != nil {
		return nil, notes, err
	}
	l.journal = j
	if err := l.rebuild(); err != nil {
		return nil, notes, errors.Join(err, j.Close())
	}
	if err := l.recall(); err != nil {
		return nil, notes, errors.Join(err, j.Close())
	}
	go l.saver()
	go l.summarizer()
	return l, notes, nil
}

// rebuild makes the courses what the durable events say: the table of heads, and the events after it.
func (l *eventLog) rebuild() error {
	courses := map[string]*course{}
	var shown uint64
	err := l.db.View(func(tx *storage.Tx) error {
		var err error
		if shown, _, err = l.counters.GetTx(tx, headsCounter); err != nil {
			return err
		}
		for panel, c := range l.heads.AllTx(tx) {
			courses[panel] = &c
		}
		return nil
	})
	if err != nil {
		return err
	}
	// What was remembered of chains holds still, as far as those entries are durable.
	durable := l.journal.Durable()
	dirty := map[string]bool{}
	for after := shown; after < durable; {
		frames, err := l.journal.Read(after, 10_000)
		if err != nil {
			return err
		}
		if len(frames) == 0 {
			break
		}
		for _, f := range frames {
			after = f.Seq
			if f.Gap != nil || f.Seq > durable {
				continue
			}
			if err := replay(courses, dirty, f); err != nil {
				return err
			}
		}
	}
	for panel, old := range l.courses {
		if c := courses[panel]; c != nil && len(c.recent) == 0 && c.Head.Epoch == old.Head.Epoch {
			c.recent = slices.DeleteFunc(old.recent, func(x link) bool { return x.seq > c.Head.Seq })
		}
	}
	l.courses, l.dirty, l.last = courses, dirty, max(durable, shown)
	return nil
}

func replay(courses map[string]*course, dirty map[string]bool, f storage.Frame) error {
	front, err := readFront(f.Open)
	if err != nil {
		return fmt.Errorf("%w (event %d)", err, f.Seq)
	}
	p, err := readPosition(&front)
	if err != nil {
		return fmt.Errorf("%w (event %d)", err, f.Seq)
	}
	panel := string(front.panel)
	c := courses[panel]
	if c == nil {
		c = &course{}
		courses[panel] = c
	}
	c.advance(f.Seq, panel, p, microTime(front.at))
	dirty[panel] = true
	return nil
}

// recall finds the chains of each panel's last entries among the newest events.
func (l *eventLog) recall() error {
	found := map[string][]link{}
	looked := 0
	err := l.journal.Down(l.last+1, 0, func(f storage.Frame) bool {
		looked++
		front, err := readFront(f.Open)
		if err != nil {
			return true // a question that comes to it will say so
		}
		c, links := l.courses[string(front.panel)], found[string(front.panel)]
		if p, err := readPosition(&front); err == nil && c != nil && p.epoch == c.Head.Epoch && len(links) < recentChains {
			one := course{}
			one.remember(p.seq, p.chain)
			found[string(front.panel)] = append(links, one.recent...)
		}
		return looked < recentScan
	})
	if err != nil {
		return err
	}
	for panel, links := range found {
		slices.Reverse(links)
		l.courses[panel].recent = links
	}
	return nil
}

// Append takes events and returns what became of each, in their order, once all of them are durable. An error means that
// none of them may be acknowledged: some may be stored, and are duplicates when they come again. Serial numbers in batch
// are not looked at.
func (s *Store) Append(batch []fleet.Received) ([]fleet.Outcome, error) {
	out, err := s.events.append(batch)
	if err != nil {
		return nil, fmt.Errorf("cannot store %d events: %w", len(batch), err)
	}
	return out, nil
}

func (l *eventLog) append(batch []fleet.Received) ([]fleet.Outcome, error) {
	if l.db.ReadOnly() {
		return nil, storage.ErrReadOnly
	}
	out := make([]fleet.Outcome, 0, len(batch))
	for len(batch) > 0 {
		n := fits(batch)
		part, err := l.appendRun(batch[:n])
		if err != nil {
			return nil, err
		}
		out, batch = append(out, part...), batch[n:]
	}
	return out, nil
}

// fits counts the events that are appended at once.
func fits(batch []fleet.Received) int {
	size := 0
	for i := range batch {
		e := &batch[i].Event
		if size += 512 + len(e.Detail) + len(e.Sealed) + len(e.Who) + len(e.Why); size > maxRun && i > 0 {
			return i
		}
	}
	return len(batch)
}

// appendRun decides about some events and waits until they are durable, and everything that they are duplicates of.
func (l *eventLog) appendRun(batch []fleet.Received) ([]fleet.Outcome, error) {
	for try := 0; ; try++ {
		w, err := l.take(batch)
		if errors.Is(err, storage.ErrMoved) && try < maxTries {
			continue // a write failed meanwhile, and the courses were made durable ones again
		}
		if err != nil {
			return nil, err
		}
		if err := w.wait(l.journal); err != nil {
			l.lost(w.life, err)
			return nil, err
		}
		if w.block {
			l.pokeSummarizer()
		}
		return w.outcomes, nil
	}
}

// taken is what a batch waits for.
type taken struct {
	outcomes []fleet.Outcome
	done     <-chan error // nil when nothing was appended
	upto     uint64       // the newest event that one of the batch is a duplicate of
	life     *life
	block    bool // it ends a block
}

func (w taken) wait(j *storage.Journal) error {
	if w.done != nil {
		return <-w.done // what was taken before is durable before
	}
	if w.upto == 0 {
		return nil
	}
	err := j.Wait(w.life.ctx, w.upto-1)
	if cause := context.Cause(w.life.ctx); cause != nil {
		return cause // also when there is such a serial by now: it was given again
	}
	return err
}

// lost makes the courses durable ones again after a failed write, once for everybody who waited for it.
func (l *eventLog) lost(in *life, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life == in {
		l.again(cause)
	}
}

// again is called with mu held.
func (l *eventLog) again(cause error) {
	l.life.end(cause)
	l.life = newLife()
	if err := l.rebuild(); err != nil {
		l.log.Error("heads of panels not read again after a failed write", "err", err)
		l.last = ^uint64(0) // fits no journal: the next batch tries again
	}
}

// take decides about a batch and hands what is to be stored to the journal.
func (l *eventLog) take(batch []fleet.Received) (taken, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := taken{outcomes: make([]fleet.Outcome, len(batch)), life: l.life}
	var entries []storage.Entry
	undo := map[string]course{}
	next, size := l.last, int64(0)
	for i := range batch {
		r := &batch[i]
		c := l.courses[r.Panel]
		if c == nil {
			c = &course{}
			l.courses[r.Panel] = c
		}
		o := c.judge(r)
		if o.Verdict == fleet.Stored {
			if _, kept := undo[r.Panel]; !kept {
				undo[r.Panel] = course{Head: c.Head, Past: slices.Clone(c.Past), serial: c.serial}
			}
			open, personal := encodeEvent(r)
			if len(open)+len(personal) > maxEventText {
				l.undo(undo)
				return w, fmt.Errorf("event %d of panel %s has %d bytes, at most %d", r.Event.Seq, r.Panel, len(open)+len(personal), maxEventText)
			}
			next++
			o.Serial = next
			e := &r.Event
			c.advance(next, r.Panel, position{e.Epoch, e.Seq, e.Prev, e.Chain}, microTime(r.At.UnixMicro()))
			entries = append(entries, storage.Entry{Open: open, Personal: personal})
			size += int64(len(open) + len(personal))
		} else if o.Verdict != fleet.Ahead {
			w.upto = max(w.upto, c.serial)
		}
		w.outcomes[i] = o
	}
	err := l.faults.add(w.outcomes)
	if err == nil && len(entries) > 0 {
		w.done, err = l.hand(entries)
	}
	if err != nil {
		l.undo(undo)
		if errors.Is(err, storage.ErrMoved) {
			l.again(err)
		}
		return w, err
	}
	for panel := range undo {
		l.dirty[panel] = true
	}
	w.block = next/blockSize > l.last/blockSize
	l.last = next
	if l.unsaved += size; l.unsaved >= headsEvery {
		l.pokeSaver()
	}
	return w, nil
}

// hand appends to the journal, and waits while more is on its way to the disk than is kept in memory.
func (l *eventLog) hand(entries []storage.Entry) (<-chan error, error) {
	for {
		durable := l.journal.Durable()
		done, err := l.journal.AppendRun(l.last, entries)
		if !errors.Is(err, storage.ErrBehind) {
			return done, err
		}
		if err := l.journal.Wait(context.Background(), durable); err != nil {
			return nil, err
		}
	}
}

// undo puts back what was known of some panels. Their recent chains are forgotten; that costs no more than a comparison.
func (l *eventLog) undo(was map[string]course) {
	for panel, c := range was {
		l.courses[panel] = &c
	}
}

// Head is the last event that is stored of a panel; ok is false before the first.
func (s *Store) Head(panel string) (h fleet.Head, ok bool, err error) {
	l := s.events
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.courses[panel]
	if c == nil || !c.known() {
		return fleet.Head{}, false, nil
	}
	return c.Head, true, nil
}

// Heads are the last stored events of all panels, by their ids.
func (s *Store) Heads() ([]fleet.Head, error) {
	l := s.events
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []fleet.Head
	for _, c := range l.courses {
		if c.known() {
			out = append(out, c.Head)
		}
	}
	slices.SortFunc(out, func(a, b fleet.Head) int { return strings.Compare(a.Panel, b.Panel) })
	return out, nil
}

// Last is the newest durable serial; 0 while there is none.
func (s *Store) Last() (uint64, error) { return s.events.journal.Durable(), nil }

// Wait returns nil as soon as an event with a serial above the given one is stored, at once when one is.
func (s *Store) Wait(ctx context.Context, serial uint64) error {
	return s.events.journal.Wait(ctx, serial)
}

func (l *eventLog) pokeSaver() {
	select {
	case l.save <- struct{}{}:
	default:
	}
}

func (l *eventLog) saver() {
	defer close(l.done)
	for {
		select {
		case <-l.stop:
			return
		case <-l.save:
		}
		if err := l.saveHeads(); err != nil {
			l.log.Warn("heads of panels not written; more events are read at the next start", "err", err)
		}
	}
}

// saveHeads writes the heads that have changed, as of the newest event that was taken, once that one is durable.
func (l *eventLog) saveHeads() error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	upto, in, changed := l.last, l.life, map[string]course{}
	for panel := range l.dirty {
		changed[panel] = course{Head: l.courses[panel].Head, Past: slices.Clone(l.courses[panel].Past)}
	}
	l.dirty, l.unsaved = map[string]bool{}, 0
	l.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	err := taken{upto: upto, life: in}.wait(l.journal)
	if err == nil {
		err = l.db.Update(func(tx *storage.Tx) error {
			for panel, c := range changed {
				if err := l.heads.PutTx(tx, panel, c); err != nil {
					return err
				}
			}
			return l.counters.PutTx(tx, headsCounter, upto)
		})
	}
	if err != nil {
		l.mu.Lock()
		for panel := range changed {
			if l.courses[panel] != nil {
				l.dirty[panel] = true
			}
		}
		l.mu.Unlock()
	}
	return err
}

func (l *eventLog) close() error {
	close(l.stop)
	<-l.done
	<-l.summarized
	var err error
	if !l.db.ReadOnly() {
		err = l.saveHeads()
	}
	return errors.Join(err, l.journal.Close())
}
