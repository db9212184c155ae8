package storage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

const (
	markEvery = 64  // entries between two places that a reader can jump to
	sector    = 512 // the most that a disk is trusted to write whole
)

// mark is a place in a segment: an entry begins at off.
type mark struct {
	seq uint64
	off int64
}

// segment is what the journal knows of one file.
type segment struct {
	head
	number uint64
	path   string
	last   uint64 // the last entry's number; base-1 when there is none
	short  bool   // that entry was deleted: only the segment's successor says which number comes next
	end    int64  // bytes up to and with the last durable entry
	size   int64  // bytes of the file on the disk
	marks  []mark
}

func (s *segment) note(seq uint64, off int64) {
	if len(s.marks) == 0 || seq >= s.marks[len(s.marks)-1].seq+markEvery {
		s.marks = append(s.marks, mark{seq, off})
	}
}

// place finds where to begin reading for entries above after.
func (s *segment) place(after uint64) int64 {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].seq > after+1 })
	if i == 0 {
		return segmentStart
	}
	return s.marks[i-1].off
}

func segmentName(number uint64) string { return fmt.Sprintf("%08d.seg", number) }

// segmentFiles lists the numbers of the segment files, ascending.
func segmentFiles(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), ".seg")
		n, err := strconv.ParseUint(name, 10, 63)
		if isSegment && err == nil && segmentName(n) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	sort.Slice(numbers, func(i, k int) bool { return numbers[i] < numbers[k] })
	return numbers, nil
}

// span is a stretch of damaged bytes and the entries that are missing because of it.
type span struct {
	from, to    int
	first, last uint64
}

// scan is what was found in the bytes of one segment.
type scan struct {
	head
	headOK    bool // one of the two headers is sound
	headWhole bool // both are
	frames    int
	first     uint64
	last      uint64
	batch     uint64   // the first entry of the write that brought the last one
	chain     chainSum // of the last entry
	end       int      // behind the last entry that counts
	marks     []mark
	damage    []span
	torn      int // behind the last byte of an unfinished write after end; 0 when there is none
}

// scanSegment reads a segment as a start of the program must: whatever is whole and numbered below limit (0 = no
// limit: this is the last segment) counts; the end of the last segment is told apart from damage by what an interrupted
// write leaves behind: sectors that are still zero.
func scanSegment(b []byte, limit uint64) scan {
	var s scan
	s.head, s.headWhole, s.headOK = parseHead(b)
	used := len(bytes.TrimRight(b, "\x00"))
	off := min(segmentStart, len(b))
	prev := uint64(0)
	if s.headOK {
		prev = s.base - 1
	}
	s.end = off
	for off < used {
		f, n, err := parseFrame(b[off:])
		if err == nil && f.seq <= prev {
			err = errFrame
		}
		if err == nil && limit != 0 && f.seq >= limit {
			break
		}
		if err == nil {
			s.accept(&f, off, n)
			prev = f.seq
			off += n
			continue
		}
		next := nextFrame(b, off+1, prev, limit)
		if limit == 0 && unfinished(b, off, next, used, prev) {
			s.torn = used
			break
		}
		if next < 0 {
			if lost := prev + uint64(max(1, bytes.Count(b[off:used], []byte(frameMagic)))); limit == 0 {
				s.damage = append(s.damage, span{off, used, prev + 1, lost})
			} else if prev+1 < limit {
				s.damage = append(s.damage, span{off, used, prev + 1, limit - 1})
			}
			break
		}
		f, _, _ = parseFrame(b[next:])
		s.damage = append(s.damage, span{off, next, prev + 1, f.seq - 1})
		off = next
	}
	return s
}

func (s *scan) accept(f *frame, off, n int) {
	if s.frames == 0 {
		s.first = f.seq
	}
	s.frames++
	s.last, s.batch, s.chain, s.end = f.seq, f.seq-uint64(f.back), f.chain, off+n
	if len(s.marks) == 0 || f.seq >= s.marks[len(s.marks)-1].seq+markEvery {
		s.marks = append(s.marks, mark{f.seq, int64(off)})
	}
}

// unfinished reports whether what stands at off was never acknowledged: the last write of the journal, cut short. A
// file is zero before it is written, so a cut write ends early or lacks a sector; anything else was whole once and is
// damage. next is the next whole frame or -1, used is where the zeros at the end begin.
func unfinished(b []byte, off, next, used int, prev uint64) bool {
	if next < 0 {
		_, n, err := parseFrame(b[off:])
		if err == errShort || used < off+minFrame {
			return true
		}
		if n == 0 {
			n = claimed(b[off:])
		}
		return used < off+n || zeroSector(b, off, used)
	}
	if !zeroSector(b, off, next) {
		return false
	}
	for at := next; at >= 0; {
		f, n, _ := parseFrame(b[at:])
		if f.seq-uint64(f.back) > prev+1 {
			return false // it was written after what stands at off had been acknowledged
		}
		at = nextFrame(b, at+n, f.seq, 0)
	}
	return true
}

// claimed is the length that a damaged frame gives itself, if that can be one.
func claimed(b []byte) int {
	n := int(uint32(b[8]) | uint32(b[9])<<8 | uint32(b[10])<<16 | uint32(b[11])<<24)
	if n < minFrame || n > maxFrame {
		return minFrame
	}
	return n
}

func zeroSector(b []byte, from, to int) bool {
	for at := from; at < to; {
		next := min((at/sector+1)*sector, to)
		if next-at >= 4 && len(bytes.TrimRight(b[at:next], "\x00")) == 0 {
			return true
		}
		at = next
	}
	return false
}

// readSegment reads a whole file into buf, which grows when it must.
func readSegment(dir string, number uint64, buf []byte) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(number)))
	if err != nil {
		return buf[:0], err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return buf[:0], err
	}
	if int64(cap(buf)) < info.Size() {
		buf = make([]byte, info.Size())
	}
	buf = buf[:info.Size()]
	n, err := f.ReadAt(buf, 0)
	if n == len(buf) {
		err = nil
	}
	return buf[:n], err
}
