package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
)

const (
	readWindow = 64 << 10
	maxAnswer  = 4 << 20 // bytes of entries that one Read returns
)

// A Gap is a run of numbers whose entries are gone: deleted for room, or damaged.
type Gap struct {
	From, To uint64 // both included
	Count    uint64
}

// A Frame is one entry as it was appended, or a gap. Its slices belong to the caller.
type Frame struct {
	Seq      uint64 // of a gap: its last number
	Epoch    string // the epoch in which the entry was written
	Open     []byte
	Personal []byte
	Erased   bool // there was a personal part
	Gap      *Gap // set when this stands for entries that are gone

	// Before and Chain are the chain before this entry or gap and after it, as Head gives it. Empty: it cannot be told, since
	// what stood there was damaged.
	Before, Chain string
}

// Read returns at most limit durable entries numbered above after, oldest first; fewer when they are large. Numbers that
// are gone come as one frame with Gap set. No frames means that nothing newer is durable.
func (j *Journal) Read(after uint64, limit int) ([]Frame, error) {
	var out []Frame
	var buf []byte
	for size := 0; len(out) < limit && size < maxAnswer; {
		part, err := j.readPart(after, limit-len(out), maxAnswer-size, &buf)
		if err != nil {
			return out, fmt.Errorf("cannot read journal %s after entry %d: %w", j.dir, after, err)
		}
		if len(part) == 0 {
			break
		}
		for _, f := range part {
			size += len(f.Open) + len(f.Personal)
			if n := len(out); n > 0 && f.Gap != nil && out[n-1].Gap != nil {
				g := out[n-1].Gap
				g.To, g.Count, out[n-1].Seq, out[n-1].Chain = f.Gap.To, f.Gap.To-g.From+1, f.Seq, f.Chain
				continue
			} else if n > 0 && f.Before == "" {
				f.Before = out[n-1].Chain
			}
			out = append(out, f)
		}
		after = out[len(out)-1].Seq
	}
	return out, nil
}

func gapFrame(from, to uint64, epoch string) Frame {
	return Frame{Seq: to, Epoch: epoch, Gap: &Gap{From: from, To: to, Count: to - from + 1}}
}

// readPart reads from the one segment that holds the entry after the given one, or says that a gap stands there.
func (j *Journal) readPart(after uint64, limit, bytes int, buf *[]byte) ([]Frame, error) {
	j.mu.Lock()
	if after >= j.durable {
		j.mu.Unlock()
		return nil, nil
	}
	i := slices.IndexFunc(j.segs, func(s *segment) bool { return s.last > after })
	if i < 0 {
		defer j.mu.Unlock()
		gap := gapFrame(after+1, j.durable, hex.EncodeToString(j.epoch[:]))
		gap.Chain = hex.EncodeToString(j.durableSum[:])
		return []Frame{gap}, nil
	}
	s := j.segs[i]
	epoch := hex.EncodeToString(s.epoch[:])
	if s.base > after+1 {
		defer j.mu.Unlock()
		gap := gapFrame(after+1, s.base-1, epoch)
		gap.Chain = hex.EncodeToString(s.before[:])
		return []Frame{gap}, nil
	}
	// Opened while the lock is held: a rewritten segment takes the old one's name under it.
	f, err := os.Open(s.path)
	off, end, last := s.place(max(after, 1)-1), s.end, s.last // from the entry before, which has the chain
	passed := link{s.base - 1, s.before}
	j.mu.Unlock()
	if errors.Is(err, os.ErrNotExist) {
		return []Frame{gapFrame(after+1, last, epoch)}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := frameReader{f: f, off: off, end: end, seq: after, buf: *buf, passed: passed}
	defer func() { *buf = r.buf }()
	var out []Frame
	for len(out) < limit && bytes > 0 {
		fr, ok, err := r.next()
		if err != nil {
			return out, err
		}
		if !ok {
			if after < last {
				gap := gapFrame(after+1, last, epoch)
				gap.Before = r.passed.upTo(after)
				out = append(out, gap)
			}
			break
		}
		if fr.seq > after+1 {
			gap := gapFrame(after+1, fr.seq-1, epoch)
			gap.Before = r.passed.upTo(after)
			out = append(out, gap)
			if after = fr.seq - 1; len(out) == limit {
				break
			}
		}
		out = append(out, Frame{
			Seq: fr.seq, Epoch: epoch, Open: slices.Clone(fr.open), Personal: slices.Clone(fr.personal),
			Erased: fr.flags&flagErased != 0, Before: r.passed.upTo(after), Chain: hex.EncodeToString(fr.chain[:]),
		})
		r.passed = link{fr.seq, fr.chain}
		bytes -= len(fr.open) + len(fr.personal)
		after = fr.seq
	}
	return out, nil
}

// frameReader walks the whole frames of a segment through a window.
type frameReader struct {
	f        *os.File
	off, end int64 // what is still to be read from the file
	seq      uint64
	buf      []byte
	win      []byte // read and not yet parsed
	passed   link   // the last entry that was passed over
}

// link is an entry's number and the chain up to and with it.
type link struct {
	seq   uint64
	chain chainSum
}

// upTo is the chain up to the entry with this number; empty when that is not the one.
func (l link) upTo(seq uint64) string {
	if l.seq != seq {
		return ""
	}
	return hex.EncodeToString(l.chain[:])
}

// fill reads on until the window holds at least n bytes or the segment ends.
func (r *frameReader) fill(n int) error {
	if len(r.win) >= n || r.off >= r.end {
		return nil
	}
	size := min(int64(max(n, readWindow)), int64(len(r.win))+r.end-r.off)
	if int64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	b := r.buf[:size]
	have := copy(b, r.win)
	m, err := r.f.ReadAt(b[have:], r.off)
	r.off += int64(m)
	r.win = b[:have+m]
	if have+m < len(b) {
		return err
	}
	return nil
}

// next returns the next whole frame numbered above seq. It passes over damage.
func (r *frameReader) next() (frame, bool, error) {
	for {
		if err := r.fill(frameHeader); err != nil || len(r.win) == 0 {
			return frame{}, false, err
		}
		f, n, err := parseFrame(r.win)
		if err == errShort && n > len(r.win) && r.off < r.end {
			if err := r.fill(n); err != nil {
				return frame{}, false, err
			}
			f, n, err = parseFrame(r.win)
		}
		if err != nil {
			if err := r.fill(readWindow); err != nil {
				return frame{}, false, err
			}
			at := nextFrame(r.win, 1, r.seq, 0)
			if at < 0 {
				// A frame may begin in this window and end in the next one.
				at = max(1, len(r.win)-maxFrame)
				if err := r.fill(len(r.win) + readWindow); err != nil {
					return frame{}, false, err
				}
				if r.off >= r.end && nextFrame(r.win, at, r.seq, 0) < 0 {
					return frame{}, false, nil
				}
			}
			r.win = r.win[at:]
			continue
		}
		r.win = r.win[n:]
		if f.seq > r.seq {
			r.seq = f.seq
			return f, true, nil
		}
		r.passed = link{f.seq, f.chain}
	}
}

// Before returns at most limit durable entries numbered below seq, newest first, for pages that begin with the latest
// (seq = 0). Numbers that are gone come as one frame with Gap set, but not those older than the oldest entry kept.
func (j *Journal) Before(seq uint64, limit int) ([]Frame, error) {
	first, last := j.Bounds()
	if seq == 0 || seq > last {
		seq = last + 1
	}
	var out []Frame
	for hi := seq - 1; hi >= first && hi > 0 && len(out) < limit; {
		if from, gone := j.gone(hi); gone {
			from = max(from, first)
			out = append(out, gapFrame(from, hi, j.Epoch()))
			hi = from - 1
			continue
		}
		lo := hi - min(hi, uint64(limit-len(out)), markEvery)
		lo = max(lo, first-1)
		part, err := j.upTo(lo, hi)
		if err != nil {
			return out, err
		}
		slices.Reverse(part)
		out = append(out, part...)
		hi = lo
	}
	return mergeDown(out), nil
}

// gone reports whether no segment reaches up to seq, and where that stretch of missing numbers begins.
func (j *Journal) gone(seq uint64) (from uint64, gone bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from = 1
	for _, s := range j.segs {
		if s.base <= seq && seq <= s.last {
			return 0, false
		}
		if s.last < seq && s.last >= s.base {
			from = s.last + 1
		}
	}
	return from, true
}

// upTo reads the entries above lo up to and with hi.
func (j *Journal) upTo(lo, hi uint64) ([]Frame, error) {
	var out []Frame
	for lo < hi {
		part, err := j.Read(lo, int(hi-lo))
		if err != nil || len(part) == 0 {
			return out, err
		}
		for _, f := range part {
			if f.Gap != nil && f.Gap.To > hi && f.Gap.From <= hi {
				f = gapFrame(f.Gap.From, hi, f.Epoch)
			}
			if f.Seq <= hi {
				out = append(out, f)
			}
		}
		lo = part[len(part)-1].Seq
	}
	return out, nil
}

func mergeDown(in []Frame) []Frame {
	var out []Frame
	for _, f := range in {
		if n := len(out); n > 0 && f.Gap != nil && out[n-1].Gap != nil {
			out[n-1] = gapFrame(f.Gap.From, out[n-1].Gap.To, f.Epoch)
			continue
		}
		out = append(out, f)
	}
	return out
}

// Wait returns nil as soon as an entry numbered above after is durable, at once when one is. It returns the context's
// error, or ErrClosed once the journal is closed.
func (j *Journal) Wait(ctx context.Context, after uint64) error {
	for {
		j.mu.Lock()
		durable, closed, changed := j.durable, j.closed, j.changed
		j.mu.Unlock()
		if durable > after {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
