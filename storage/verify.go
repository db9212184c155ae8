package storage

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const maxFaults = 100

// A Fault is one place where the journal is not what was once written.
type Fault struct {
	Seq     uint64 // the entry that does not fit
	Segment string // the file's name
	Offset  int64  // where in it, in bytes
	Why     string
}

// A Report is what Verify found.
type Report struct {
	Segments    int
	Entries     uint64
	Erased      uint64 // entries whose personal part was erased; they are no fault
	First, Last uint64 // numbers of the oldest and the newest entry
	Chain       string // the chain up to Last, as Journal.Head gives it
	Epochs      []string
	Faults      []Fault // ascending, at most 100
}

// Verify reads the journal below dir and checks every checksum, number, salted hash and link of the chain. It changes
// nothing and may run beside the program that writes. What it cannot see is the oldest entries deleted as a whole, and
// entries cut off or rewritten all the way to the end: for that, compare Chain with a Head that was kept elsewhere. An
// error means that the files could not be read.
func Verify(dir string) (Report, error) {
	dir = filepath.Join(dir, journalName)
	numbers, err := segmentFiles(dir)
	if err != nil {
		return Report{}, fmt.Errorf("cannot verify journal %s: %w", dir, err)
	}
	v := verifier{}
	heads := make([]head, len(numbers))
	for i, n := range numbers {
		b, err := readSegment(dir, n, v.buf)
		v.buf = b
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted for room meanwhile
		}
		if err != nil {
			return v.r, fmt.Errorf("cannot verify journal %s: %w", dir, err)
		}
		heads[i], _, _ = parseHead(b)
	}
	for i, n := range numbers {
		b, err := readSegment(dir, n, v.buf)
		v.buf = b
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return v.r, fmt.Errorf("cannot verify journal %s: %w", dir, err)
		}
		limit := uint64(0)
		for _, h := range heads[i+1:] {
			if h.base != 0 {
				limit = h.base
				break
			}
		}
		v.segment(segmentName(n), b, limit)
	}
	v.r.Last, v.r.Chain = v.prev, hex.EncodeToString(v.chain[:])
	return v.r, nil
}

type verifier struct {
	r     Report
	buf   []byte
	began bool
	prev  uint64
	chain chainSum
	known bool // chain is the chain up to prev
}

func (v *verifier) fault(seq uint64, segment string, off int, why string) {
	if len(v.r.Faults) < maxFaults {
		v.r.Faults = append(v.r.Faults, Fault{seq, segment, int64(off), why})
	}
}

func (v *verifier) segment(name string, b []byte, limit uint64) {
	h, whole, ok := parseHead(b)
	used := len(bytes.TrimRight(b, "\x00"))
	if !ok && used == 0 {
		return // just being made
	}
	if ok && limit != 0 && h.base >= limit {
		return // overridden
	}
	v.r.Segments++
	if !whole {
		v.fault(v.prev+1, name, 0, "the checksum of the segment's header does not fit")
	}
	if ok {
		v.head(name, h)
	}
	for off := segmentStart; off < used; {
		f, n, err := parseFrame(b[off:])
		if err == nil && limit != 0 && f.seq >= limit {
			return
		}
		if err == nil && f.seq > v.prev {
			v.entry(name, off, &f)
			off += n
			continue
		}
		next := nextFrame(b, off+1, v.prev, limit)
		if next < 0 && ((limit == 0 && unfinished(b, off, next, used, v.prev)) || (limit != 0 && v.prev+1 == limit)) {
			return // being written at this moment, or given up after a failed write
		}
		why := "the entry cannot be read: checksum or shape does not fit"
		if err == nil {
			why = fmt.Sprintf("entry %d stands here a second time or out of order", f.seq)
		}
		v.fault(v.prev+1, name, off, why)
		v.known = false
		if next < 0 {
			return
		}
		off = next
	}
}

func (v *verifier) head(name string, h head) {
	epoch := hex.EncodeToString(h.epoch[:])
	if n := len(v.r.Epochs); n == 0 || v.r.Epochs[n-1] != epoch {
		v.r.Epochs = append(v.r.Epochs, epoch)
	}
	switch {
	case !v.began && h.base == 1 && h.before != firstChain(h.epoch):
		v.fault(1, name, 0, "the chain does not begin where this journal begins")
	case v.began && v.known && h.base > v.prev+1:
		v.fault(v.prev+1, name, 0, fmt.Sprintf("entries %d to %d are missing", v.prev+1, h.base-1))
	case v.began && v.known && h.before != v.chain:
		v.fault(h.base, name, 0, "the segment does not continue the chain of the one before it")
	}
	if !v.began || h.base > v.prev+1 {
		v.prev = h.base - 1
		v.chain, v.known = h.before, true
	}
	if !v.began {
		v.r.First = h.base
	}
	v.began = true
}

func (v *verifier) entry(name string, off int, f *frame) {
	if !v.began {
		v.began, v.r.First, v.prev = true, f.seq, f.seq-1
	}
	if f.seq > v.prev+1 {
		if v.known {
			v.fault(v.prev+1, name, off, fmt.Sprintf("entries %d to %d are missing", v.prev+1, f.seq-1))
		}
		v.known = false
	}
	if v.known && nextChain(v.chain, f.seq, f.open, f.bind) != f.chain {
		v.fault(f.seq, name, off, "the entry was changed, or one before it was: the chain does not fit")
	}
	if f.flags == flagPersonal && bindPersonal(f.salt, f.personal) != [bindLen]byte(f.bind) {
		v.fault(f.seq, name, off, "the personal part was changed: its salted hash does not fit")
	}
	if f.flags&flagErased != 0 {
		v.r.Erased++
	}
	v.r.Entries++
	v.prev, v.chain, v.known = f.seq, f.chain, true
}
