package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// acknowledged is the highest number that every holding cursor has passed.
func (j *Journal) acknowledged() uint64 {
	low := j.durable
	for _, name := range j.o.Holding {
		seq := uint64(0)
		if c := j.cursors[name]; c != nil {
			seq = c.Get()
		}
		low = min(low, seq)
	}
	return low
}

// Hold names the cursors whose entries are not yet to be deleted from now on, in place of those that were named before.
func (j *Journal) Hold(names ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.o.Holding = names
}

// retain deletes the oldest segments until one more fits below MaxBytes. The numbers in them are gone for every reader,
// who meets them as one gap.
func (j *Journal) retain() {
	if !j.maint.TryLock() {
		return // somebody rewrites segments; the next new segment asks again
	}
	defer j.maint.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.segs) > 1 && j.bytes()+j.o.SegmentBytes > j.o.MaxBytes {
		if !j.dropOldest() {
			return
		}
	}
}

// dropAcknowledged makes room on a full disk with what every holding cursor has passed.
func (j *Journal) dropAcknowledged() bool {
	if !j.maint.TryLock() {
		return false
	}
	defer j.maint.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.segs) > 1 && j.segs[0].last <= j.acknowledged() && j.dropOldest()
}

func (j *Journal) dropOldest() bool {
	s := j.segs[0]
	if s.last > j.acknowledged() {
		j.log.Warn("journal full: entries deleted before every reader had them", "first", s.base, "last", s.last)
	}
	if err := removeIfThere(s.path); err != nil {
		j.log.Error("segment not deleted", "file", s.path, "err", err)
		return false
	}
	j.segs = j.segs[1:]
	return true
}

// Drop deletes the segments whose entries are all numbered upTo or below and have been passed by every holding cursor,
// and returns how many entries that were. It is for a retention period; what Append needs room for goes by itself.
func (j *Journal) Drop(upTo uint64) (entries uint64, err error) {
	j.maint.Lock()
	defer j.maint.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	upTo = min(upTo, j.acknowledged())
	for len(j.segs) > 1 && j.segs[0].last <= upTo {
		n := j.segs[0].last - j.segs[0].base + 1
		if !j.dropOldest() {
			return entries, fmt.Errorf("cannot delete journal segment %s", j.segs[0].path)
		}
		entries += n
	}
	return entries, nil
}

// Erase takes the personal part out of every durable entry for which match says so, and returns how many it was. The
// open part and the chain stay, so Verify still finds nothing wrong. Damaged segments that were set aside may hold
// anybody's entries and are deleted too. The bytes are gone from the files; flash may keep its own old copies.
func (j *Journal) Erase(match func(open, personal []byte) bool) (erased int, err error) {
	j.maint.Lock()
	defer j.maint.Unlock()
	j.io.Lock()
	j.seal()
	j.io.Unlock()
	j.mu.Lock()
	segs := append([]*segment(nil), j.segs...)
	j.mu.Unlock()
	for _, s := range segs {
		n := 0
		err := j.rewrite(s, func(f *frame) fate {
			if f.flags != flagPersonal || !match(f.open, f.personal) {
				return stays
			}
			f.flags |= flagErased
			f.salt, f.personal = nil, nil
			n++
			return changes
		})
		if err != nil {
			return erased, fmt.Errorf("cannot erase in %s: %w", s.path, err)
		}
		erased += n
	}
	if err := j.dropSetAside(); err != nil {
		return erased, fmt.Errorf("cannot erase damaged segments that were set aside: %w", err)
	}
	return erased, nil
}

func (j *Journal) dropSetAside() error {
	aside := filepath.Join(j.o.Dir, setAsideName)
	entries, err := os.ReadDir(aside)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), ".seg-") {
			err = errors.Join(err, removeIfThere(filepath.Join(aside, e.Name())))
		}
	}
	return err
}

// fate is what becomes of a frame when its segment is written anew.
type fate int

const (
	stays fate = iota
	changes
	goes
)

// rewrite writes a sealed segment anew from its whole frames, as decide leaves them, and puts it in the old one's place.
// A sound segment in which nothing changes is left alone.
func (j *Journal) rewrite(s *segment, decide func(*frame) fate) error {
	b, err := readSegment(j.dir, s.number, nil)
	if err != nil {
		return err
	}
	rest := b[min(int64(len(b)), s.end):]
	b = b[:len(b)-len(rest)]
	_, whole, _ := parseHead(b)
	fresh := &segment{head: s.head, last: s.last}
	out := appendHead(make([]byte, 0, len(b)+segmentStart), s.head)
	changed := !whole || !zero(rest)
	prev := s.base - 1
	for off := segmentStart; off < len(b); {
		f, n, err := parseFrame(b[off:])
		if err != nil || f.seq <= prev {
			changed = true
			if off = nextFrame(b, off+1, prev, 0); off < 0 {
				break
			}
			continue
		}
		prev = f.seq
		off += n
		switch decide(&f) {
		case goes:
			changed = true
			continue
		case changes:
			changed = true
		}
		fresh.note(f.seq, int64(len(out)))
		out = appendFrame(out, &f)
	}
	if !changed {
		return nil
	}
	return j.swap(s, fresh, out)
}

func (j *Journal) swap(s, fresh *segment, out []byte) error {
	tmp := s.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(out); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	j.mu.Lock()
	err = os.Rename(tmp, s.path)
	if err == nil {
		s.marks, s.end, s.size = fresh.marks, int64(len(out)), int64(len(out))
	}
	j.mu.Unlock()
	if err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	return syncDir(j.dir)
}
