package storage

import (
	"fmt"
	"os"
	"slices"
)

// Thin deletes the durable entries for which drop says so, beginning with the segment that holds entry from, until it has
// read about so many bytes. next is where to go on, 0 when the newest entry was reached. The numbers of deleted entries are
// a gap for every reader, and the chain cannot be followed over it: what is to be proved about a journal that is thinned
// has to stand in its entries. The slices that drop is handed are good until it returns.
func (j *Journal) Thin(from uint64, bytes int64, drop func(seq uint64, open, personal []byte) bool) (removed, next uint64, err error) {
	j.maint.Lock()
	defer j.maint.Unlock()
	segs := j.extents()
	for i, x := range segs {
		last := i == len(segs)-1
		if x.last < from && !last {
			continue
		}
		if bytes <= 0 {
			return removed, x.base, nil
		}
		n, err := j.thinSegment(x.segment, last, drop)
		if err != nil {
			return removed, x.base, fmt.Errorf("cannot thin %s: %w", x.path, err)
		}
		removed += n
		bytes -= x.end
	}
	return removed, 0, nil
}

// extent is a segment as it is at one moment.
type extent struct {
	*segment
	last uint64
	end  int64
}

func (j *Journal) extents() []extent {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]extent, len(j.segs))
	for i, s := range j.segs {
		out[i] = extent{s, s.last, s.end}
	}
	return out
}

func (j *Journal) thinSegment(s *segment, last bool, drop func(seq uint64, open, personal []byte) bool) (removed uint64, err error) {
	gone, kept, err := j.count(s, drop)
	if err != nil || gone == 0 {
		return 0, err
	}
	if last {
		// Its successor has to say first which number comes next: it may lose the entry that says so.
		if err := j.beginNext(); err != nil {
			return 0, err
		}
		if gone, kept, err = j.count(s, drop); err != nil {
			return 0, err
		}
	}
	if kept == 0 {
		return gone, j.forget(s)
	}
	short := false
	err = j.rewrite(s, func(f *frame) fate {
		if short = drop(f.seq, f.open, f.personal); short {
			removed++
			return goes
		}
		return stays
	})
	j.mu.Lock()
	s.short = s.short || short
	j.mu.Unlock()
	return removed, err
}

// count reads a segment and asks drop about each entry.
func (j *Journal) count(s *segment, drop func(seq uint64, open, personal []byte) bool) (gone, kept uint64, err error) {
	err = j.walk(s, 0, func(f *frame, _ int) bool {
		if drop(f.seq, f.open, f.personal) {
			gone++
		} else {
			kept++
		}
		return true
	})
	return gone, kept, err
}

// beginNext gives the newest segment a successor.
func (j *Journal) beginNext() error {
	j.io.Lock()
	defer j.io.Unlock()
	j.seal()
	j.mu.Lock()
	base := j.durable + 1
	j.mu.Unlock()
	if err := j.begin(base, 0); err != nil {
		return err
	}
	if err := j.disk.sync(j.active); err != nil {
		j.abandon()
		return err
	}
	return nil
}

func (j *Journal) forget(s *segment) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := removeIfThere(s.path); err != nil {
		return err
	}
	j.segs = slices.DeleteFunc(j.segs, func(other *segment) bool { return other == s })
	return nil
}

// Shrink deletes the oldest segments until the others take at most so many bytes, whether every reader has had them or not,
// and returns how many entries it deleted at most. The newest segment stays.
func (j *Journal) Shrink(bytes int64) (entries uint64, err error) {
	j.maint.Lock()
	defer j.maint.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.segs) > 1 && j.bytes() > bytes {
		if err := removeIfThere(j.segs[0].path); err != nil {
			return entries, fmt.Errorf("cannot delete journal segment %s: %w", j.segs[0].path, err)
		}
		entries += j.segs[0].last + 1 - j.segs[0].base
		j.segs = j.segs[1:]
	}
	return entries, nil
}

const walkMarks = 64 // at most so many marks' worth of entries are read at once

// Down hands the durable entries numbered below one number and above another to yield, newest first, until it says false.
// Its frames, without epoch and gaps, are good until it returns. It is made for looking at many entries.
func (j *Journal) Down(below, above uint64, yield func(Frame) bool) error {
	d := downwards{j: j, below: below, above: above, yield: yield}
	for _, x := range slices.Backward(j.extents()) {
		if d.done || x.last <= above {
			break
		}
		if x.base >= below || x.last < x.base {
			continue
		}
		if err := d.segment(x.segment); err != nil {
			return fmt.Errorf("cannot read journal %s below entry %d: %w", j.dir, below, err)
		}
	}
	return nil
}

// downwards walks segments from their ends to their beginnings, some marks at a time.
type downwards struct {
	j            *Journal
	below, above uint64
	yield        func(Frame) bool
	done         bool
	buf          []byte
	found        []place
}

// place is where an entry lies in the buffer, without pointers: there are very many of them.
type place struct {
	seq                uint64
	open, personal, to int32
	erased             bool
}

func (d *downwards) segment(s *segment) error {
	f, marks, end, err := d.j.open(s)
	if f == nil {
		return err
	}
	defer f.Close()
	hi := len(marks)
	for hi > 0 && marks[hi-1].seq >= d.below {
		hi--
		end = marks[hi].off
	}
	for step := 4; hi > 0 && !d.done; step = min(2*step, walkMarks) {
		lo := max(hi-step, 0)
		if err := d.stretch(f, marks[lo].off, end); err != nil {
			return err
		}
		d.done = d.done || marks[lo].seq <= d.above+1
		end, hi = marks[lo].off, lo
	}
	return nil
}

func (d *downwards) stretch(f *os.File, from, end int64) error {
	if int64(cap(d.buf)) < end-from {
		d.buf = make([]byte, end-from)
	}
	b := d.buf[:end-from]
	if _, err := f.ReadAt(b, from); err != nil {
		return err
	}
	d.found = d.found[:0]
	eachFrame(b, d.above, func(f *frame, to int) bool {
		if f.seq >= d.below {
			return false
		}
		personal := to - len(f.personal)
		d.found = append(d.found, place{f.seq, int32(personal - len(f.open)), int32(personal), int32(to), f.flags&flagErased != 0})
		return true
	})
	for _, p := range slices.Backward(d.found) {
		if !d.yield(Frame{Seq: p.seq, Open: b[p.open:p.personal:p.personal], Personal: b[p.personal:p.to:p.to], Erased: p.erased}) {
			d.done = true
			return nil
		}
		d.below = p.seq
	}
	return nil
}

// open opens a segment as it is now, with its marks and its durable end; no file when it was deleted meanwhile.
func (j *Journal) open(s *segment) (*os.File, []mark, int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Contains(j.segs, s) {
		return nil, nil, 0, nil
	}
	f, err := os.Open(s.path)
	return f, slices.Clone(s.marks), s.end, err
}

// walk hands the whole frames of a segment numbered above after to yield, oldest first, until it says false.
func (j *Journal) walk(s *segment, after uint64, yield func(f *frame, to int) bool) error {
	f, _, end, err := j.open(s)
	if f == nil {
		return err
	}
	defer f.Close()
	b := make([]byte, end)
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	eachFrame(b[min(int64(segmentStart), end):], after, yield)
	return nil
}

// eachFrame parses the whole frames in b that are numbered above after, passing over damage, and tells where each ends. The
// frame is good until the next one.
func eachFrame(b []byte, after uint64, yield func(f *frame, to int) bool) {
	var f frame
	prev := uint64(0)
	for off := 0; off < len(b); {
		var n int
		var err error
		f, n, err = parseFrame(b[off:])
		if err != nil || f.seq <= prev {
			next := nextFrame(b, off+1, prev, 0)
			if next < 0 {
				return
			}
			off = next
			continue
		}
		off += n
		prev = f.seq
		if f.seq > after && !yield(&f, off) {
			return
		}
	}
}
