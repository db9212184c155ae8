package storage

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// found is a segment as the start of the program met it.
type found struct {
	number uint64
	scan
	size int64
}

// recover reads every segment once, decides what counts, and leaves the journal ready to append.
func (j *Journal) recover() ([]Note, error) {
	all, notes, err := j.scanAll()
	if err != nil {
		return notes, err
	}
	j.adopt(all)
	fresh := len(all) == 0 || j.o.NewEpoch
	if len(all) > 0 {
		last := all[len(all)-1]
		if d := last.damage; len(d) > 0 {
			j.next = max(j.next, d[len(d)-1].last+1)
			fresh = true
		}
		fresh = fresh || !last.headOK
		if last.torn > 0 {
			notes = append(notes, Note{
				What:  "what was being written when the power went or the process ended; it was never acknowledged",
				Cause: fmt.Sprintf("%s ends after entry %d, at byte %d", segmentName(last.number), j.durable, last.end),
			})
		}
	}
	for name, c := range j.cursors {
		if seq := c.Get(); seq >= j.next {
			notes = append(notes, Note{
				What:  fmt.Sprintf("journal entries %d to %d", j.next, seq),
				Cause: fmt.Sprintf("the reader %q has had them, and no segment holds them; their numbers are not used again", name),
			})
			j.next, fresh = seq+1, true
		}
	}
	if j.o.After >= j.next {
		notes = append(notes, Note{
			What:  fmt.Sprintf("journal entries %d to %d", j.next, j.o.After),
			Cause: "they were once durable, and no segment holds them; their numbers are not used again",
		})
		j.next, fresh = j.o.After+1, true
	}
	j.durable = j.next - 1
	if j.o.NewEpoch || j.epoch == (epochID{}) {
		if _, err := rand.Read(j.epoch[:]); err != nil {
			return notes, err
		}
		if len(all) == 0 {
			j.durableSum = firstChain(j.epoch)
		}
		fresh = true
	}
	j.chain = j.durableSum
	if err := j.ready(all, fresh); err != nil {
		j.active = nil
		j.log.Error("journal cannot be written yet", "err", err)
		return notes, nil
	}
	return append(notes, j.repair(all)...), nil
}

// scanAll reads the segments from the newest to the oldest, because each one says where the one before it ends.
func (j *Journal) scanAll() ([]found, []Note, error) {
	if err := j.dropLeftovers(); err != nil {
		return nil, nil, err
	}
	numbers, err := segmentFiles(j.dir)
	if err != nil {
		return nil, nil, err
	}
	if len(numbers) > 0 {
		j.number = numbers[len(numbers)-1]
	}
	var all []found
	var notes []Note
	var buf []byte
	limit := uint64(0)
	for i := len(numbers) - 1; i >= 0; i-- {
		n := numbers[i]
		if buf, err = readSegment(j.dir, n, buf); err != nil {
			notes = append(notes, Note{What: "the entries of " + segmentName(n), Cause: err.Error()})
			continue
		}
		f := found{number: n, scan: scanSegment(buf, limit), size: int64(len(buf))}
		path := filepath.Join(j.dir, segmentName(n))
		switch {
		case f.headOK && (f.frames > 0 || limit == 0 || len(f.damage) > 0 || f.base < limit):
		case !f.headOK && f.frames > 0 && (limit != 0 || f.batch > f.first || !zero(buf[:min(len(buf), sector)])):
			f.base = f.first
		case f.headOK, zero(buf[:min(len(buf), sector)]):
			// Overridden by the next one, or made but not yet durable when the power went: nothing in it was acknowledged.
			if err := removeIfThere(path); err != nil {
				return nil, notes, err
			}
			continue
		default:
			aside, err := setAside(j.o.Dir, segmentName(n), func(to string) error { return os.Rename(path, to) })
			if err != nil {
				return nil, notes, err
			}
			notes = append(notes, Note{What: "a journal segment", File: aside, Cause: "nothing in it can be read"})
			continue
		}
		limit = f.base
		all = append([]found{f}, all...)
	}
	return all, notes, nil
}

func zero(b []byte) bool { return len(bytes.TrimRight(b, "\x00")) == 0 }

func (j *Journal) dropLeftovers() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			if err := removeIfThere(filepath.Join(j.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// adopt makes the segments known, and gives those that lost their header what their neighbors say.
func (j *Journal) adopt(all []found) {
	for i := range all {
		f := &all[i]
		if !f.headOK {
			if i > 0 {
				f.epoch = all[i-1].epoch
				if j.durable+1 == f.base {
					f.before = j.durableSum
				}
				if len(f.damage) > 0 && f.damage[0].first == 1 {
					f.damage[0].first = j.durable + 1
				}
			} else if len(f.damage) > 0 && f.damage[0].first == 1 {
				f.damage[0].first = f.damage[0].last
			}
			for k := i + 1; f.epoch == (epochID{}) && k < len(all); k++ {
				f.epoch = all[k].epoch
			}
		}
		seg := &segment{
			head: f.head, number: f.number, path: filepath.Join(j.dir, segmentName(f.number)),
			last: f.base - 1, end: int64(f.end), size: f.size, marks: f.marks,
		}
		j.durableSum = f.before
		if f.frames > 0 {
			seg.last, j.durableSum = f.last, f.chain
		}
		j.segs = append(j.segs, seg)
		j.epoch = f.epoch
		j.durable = seg.last
	}
	j.next = j.durable + 1
}

// ready opens the last segment for writing, or begins a new one, and makes what was read as durable as it is said to be:
// after a kill, entries may so far stand in the kernel's memory only.
func (j *Journal) ready(all []found, fresh bool) error {
	if len(all) > 0 {
		last, seg := all[len(all)-1], j.segs[len(j.segs)-1]
		f, err := os.OpenFile(seg.path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if last.torn > 0 || (fresh && len(last.damage) == 0) {
			err = f.Truncate(seg.end)
			seg.size = seg.end
		}
		if err == nil && last.torn > 0 && !fresh {
			if err = j.disk.allocate(f, j.o.SegmentBytes); err == nil {
				seg.size = max(seg.end, j.o.SegmentBytes)
			}
		}
		if err == nil {
			err = j.disk.sync(f)
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		if !fresh && seg.size > seg.end {
			j.active, j.room = f, seg.size
			return nil
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	if err := j.begin(j.next, 0); err != nil {
		return err
	}
	if err := j.disk.sync(j.active); err != nil {
		j.abandon()
		return err
	}
	return nil
}

// repair keeps the damaged segments as they were in set-aside/ and writes them anew without the damage.
func (j *Journal) repair(all []found) []Note {
	var notes []Note
	for i, f := range all {
		if len(f.damage) == 0 && f.headWhole {
			continue
		}
		seg := j.segs[i]
		aside, err := setAside(j.o.Dir, segmentName(f.number), func(to string) error { return os.Link(seg.path, to) })
		switch {
		case err != nil:
		case j.active != nil && seg == j.segs[len(j.segs)-1]:
			err = j.disk.write(j.active, appendHead(nil, seg.head), 0) // only a header: damage begins a new segment
		default:
			err = j.rewrite(seg, func(*frame) fate { return stays })
		}
		cause := ""
		if err != nil {
			cause = fmt.Sprintf("; the file cannot be repaired: %v", err)
		}
		if !f.headWhole {
			notes = append(notes, Note{What: "nothing but a segment's header", File: aside, Cause: fmt.Sprintf(
				"the checksum of %s does not fit at its start%s", segmentName(f.number), cause)})
		}
		for _, d := range f.damage {
			what := fmt.Sprintf("journal entries %d to %d", d.first, d.last)
			if d.first >= d.last {
				what = fmt.Sprintf("journal entry %d", d.first)
			}
			notes = append(notes, Note{What: what, File: aside, Cause: fmt.Sprintf(
				"the checksum of %s does not fit at byte %d%s", segmentName(f.number), d.from, cause)})
		}
	}
	return notes
}
