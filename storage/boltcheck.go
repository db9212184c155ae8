package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// The layout below is bbolt's own file format, version 2: pages with a 16-byte header (id, flags, count, overflow), two
// head ("meta") pages that point at one tree each, all numbers in the byte order of the machine. bbolt trusts it and
// panics or faults on damage, partly in goroutines that nobody can guard; so the tree is walked here first, by reading.
const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	boltHeader     = 16
	boltElement    = 16
	boltMetaLen    = 64
	boltMetaSum    = 56 // bytes covered by the checksum that follows them
	flagBranch     = 0x01
	flagLeaf       = 0x02
	flagMeta       = 0x04
	flagFreelist   = 0x10
	flagBucket     = 0x01
	noFreelist     = ^uint64(0)
	maxBucketDepth = 8
	maxTreeDepth   = 64
)

type boltMeta struct {
	slot     int64 // 0 or 1: which head page it was read from
	pageSize int64
	root     uint64
	freelist uint64
	pages    uint64 // all page ids are below this one
	txid     uint64
	raw      []byte
}

func readMeta(f *os.File, slot, pageSize int64) (boltMeta, error) {
	b := make([]byte, boltHeader+boltMetaLen)
	if _, err := f.ReadAt(b, slot*pageSize); err != nil {
		return boltMeta{}, fmt.Errorf("head page %d cannot be read: %w", slot, err)
	}
	raw := b[boltHeader:]
	e := binary.NativeEndian
	m := boltMeta{
		slot: slot, pageSize: int64(e.Uint32(raw[8:])), root: e.Uint64(raw[16:]), freelist: e.Uint64(raw[32:]),
		pages: e.Uint64(raw[40:]), txid: e.Uint64(raw[48:]), raw: raw,
	}
	h := fnv.New64a()
	h.Write(raw[:boltMetaSum])
	switch {
	case e.Uint32(raw) != boltMagic || e.Uint32(raw[4:]) != boltVersion:
		return m, fmt.Errorf("head page %d is not one of bbolt's", slot)
	case h.Sum64() != e.Uint64(raw[boltMetaSum:]):
		return m, fmt.Errorf("the checksum of head page %d does not fit", slot)
	case e.Uint64(b) != uint64(slot) || e.Uint16(b[8:]) != flagMeta:
		return m, fmt.Errorf("the header of head page %d is damaged", slot)
	case m.pageSize != pageSize:
		return m, fmt.Errorf("head page %d names another page size, %d", slot, m.pageSize)
	}
	return m, nil
}

// readMetas returns the sound head pages, newest first, and what is wrong with the others.
func readMetas(f *os.File) ([]boltMeta, error) {
	var none error
	for size := int64(1 << 10); size <= 1<<16; size <<= 1 {
		a, errA := readMeta(f, 0, size)
		b, errB := readMeta(f, 1, size)
		switch {
		case errA == nil && errB == nil && a.txid >= b.txid:
			return []boltMeta{a, b}, nil
		case errA == nil && errB == nil:
			return []boltMeta{b, a}, nil
		case errA == nil:
			return []boltMeta{a}, errB
		case errB == nil:
			return []boltMeta{b}, errA
		case none == nil:
			none = errA
		}
	}
	return nil, damageError{fmt.Errorf("both head pages are damaged: %w", none)}
}

// checkBolt finds the newest head page whose whole tree is sound. The first error tells what is wrong with the file
// although that tree is sound; no meta at all comes with a damageError.
func checkBolt(f *os.File) (*boltMeta, error) {
	metas, wrong := readMetas(f)
	for i := range metas {
		err := checkTree(f, metas[i])
		if err == nil {
			return &metas[i], wrong
		}
		wrong = errors.Join(wrong, err)
	}
	return nil, damageError{wrong}
}

func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = checkBolt(f)
	return err
}

// mend checks the file behind bbolt's back and, when only one of its two head pages leads to a sound tree, makes the
// other one equal to it. A damageError means that neither does. Only a
// fresh file may be empty.
func mend(f *os.File, fresh bool) ([]Note, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() == 0 && fresh:
		return nil, nil
	case info.Size() == 0:
		return nil, damageError{errors.New("the file is missing or empty")}
	}
	m, wrong := checkBolt(f)
	if m == nil {
		return nil, wrong
	}
	if wrong == nil {
		return nil, nil
	}
	other := 1 - m.slot
	page := make([]byte, m.pageSize)
	if _, err := f.ReadAt(page, m.slot*m.pageSize); err != nil {
		return nil, damageError{err}
	}
	binary.NativeEndian.PutUint64(page, uint64(other))
	if _, err := f.WriteAt(page, other*m.pageSize); err != nil {
		return nil, err
	}
	note := Note{What: "perhaps the last change of the store; all changes before it are there", Cause: wrong.Error()}
	return []Note{note}, f.Sync()
}

type treeCheck struct {
	f     *os.File
	m     boltMeta
	size  int64
	seen  []uint64 // one bit for each page
	level int      // how many pages are being looked at, one below the other
	bufs  [][]byte // one for each level: a store has thousands of pages and a start should leave no garbage behind
}

func checkTree(f *os.File, m boltMeta) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	filePages := uint64(info.Size() / m.pageSize)
	c := &treeCheck{f: f, m: m, size: info.Size(), seen: make([]uint64, filePages/64+1)}
	if m.freelist != noFreelist {
		page, err := c.page(m.freelist)
		if err != nil {
			return err
		}
		if err := c.freelist(page); err != nil {
			return err
		}
	}
	_, _, err = c.tree(m.root, 0, 0)
	return err
}

// buffer returns the level's own buffer. What was read there before is overwritten.
func (c *treeCheck) buffer(size int64) []byte {
	for len(c.bufs) <= c.level {
		c.bufs = append(c.bufs, nil)
	}
	if int64(cap(c.bufs[c.level])) < size {
		c.bufs[c.level] = make([]byte, size)
	}
	return c.bufs[c.level][:size]
}

// page reads a page with its overflow, once. The bytes are good until another page of the same level is read.
func (c *treeCheck) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.m.pages || id >= uint64(c.size/c.m.pageSize) {
		return nil, fmt.Errorf("page %d lies outside the file", id)
	}
	b := c.buffer(c.m.pageSize)
	if _, err := c.f.ReadAt(b, int64(id)*c.m.pageSize); err != nil {
		return nil, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	if got := binary.NativeEndian.Uint64(b); got != id {
		return nil, fmt.Errorf("page %d calls itself %d", id, got)
	}
	more := uint64(binary.NativeEndian.Uint32(b[12:]))
	if id+more >= c.m.pages || id+more >= uint64(c.size/c.m.pageSize) {
		return nil, fmt.Errorf("page %d is longer than the file", id)
	}
	for p := id; p <= id+more; p++ {
		if c.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", p)
		}
		c.seen[p/64] |= 1 << (p % 64)
	}
	if more > 0 {
		b = c.buffer(int64(more+1) * c.m.pageSize)
		if _, err := c.f.ReadAt(b, int64(id)*c.m.pageSize); err != nil {
			return nil, fmt.Errorf("page %d cannot be read: %w", id, err)
		}
	}
	return b, nil
}

func (c *treeCheck) freelist(b []byte) error {
	e := binary.NativeEndian
	count, at := uint64(e.Uint16(b[10:])), uint64(boltHeader)
	if count == 0xFFFF {
		count, at = e.Uint64(b[boltHeader:]), boltHeader+8
	}
	if e.Uint16(b[8:]) != flagFreelist || count > (uint64(len(b))-at)/8 {
		return fmt.Errorf("the list of free pages is damaged")
	}
	for i := range count {
		id := e.Uint64(b[at+8*i:])
		if id < 2 || id >= c.m.pages || id >= uint64(c.size/c.m.pageSize) {
			return fmt.Errorf("the list of free pages names page %d", id)
		}
		c.seen[id/64] |= 1 << (id % 64) // a page that is free and in use would be written over
	}
	return nil
}

// tree checks the pages below id and returns the first and the last key in them, which are good until the next page is
// looked at.
func (c *treeCheck) tree(id uint64, depth, nesting int) (first, last []byte, err error) {
	if depth > maxTreeDepth {
		return nil, nil, fmt.Errorf("page %d lies too deep", id)
	}
	b, err := c.page(id)
	if err != nil {
		return nil, nil, err
	}
	c.level++
	defer func() { c.level-- }()
	e := binary.NativeEndian
	if e.Uint16(b[8:]) != flagBranch {
		return c.leaf(b, fmt.Sprintf("page %d", id), nesting)
	}
	count := int(e.Uint16(b[10:]))
	if count == 0 || boltHeader+count*boltElement > len(b) {
		return nil, nil, fmt.Errorf("page %d names %d branches", id, count)
	}
	for i := range count {
		at := boltHeader + i*boltElement
		key, err := cut(b, at, e.Uint32(b[at:]), e.Uint32(b[at+4:]))
		if err != nil || len(key) == 0 || (i > 0 && bytes.Compare(last, key) >= 0) {
			return nil, nil, fmt.Errorf("page %d: branch %d is damaged or begins before the one before it ends", id, i)
		}
		low, high, err := c.tree(e.Uint64(b[at+8:]), depth+1, nesting)
		if err != nil {
			return nil, nil, err
		}
		if low != nil && bytes.Compare(low, key) < 0 {
			return nil, nil, fmt.Errorf("page %d: branch %d begins after its first key", id, i)
		}
		if i == 0 {
			first = key
		}
		if last = key; high != nil {
			last = high
		}
	}
	return first, last, nil
}

func (c *treeCheck) leaf(b []byte, name string, nesting int) (first, last []byte, err error) {
	e := binary.NativeEndian
	count := int(e.Uint16(b[10:]))
	if e.Uint16(b[8:]) != flagLeaf || boltHeader+count*boltElement > len(b) {
		return nil, nil, fmt.Errorf("%s is neither branch nor leaf", name)
	}
	for i := range count {
		at := boltHeader + i*boltElement
		flags, pos, ksize, vsize := e.Uint32(b[at:]), e.Uint32(b[at+4:]), e.Uint32(b[at+8:]), e.Uint32(b[at+12:])
		key, errK := cut(b, at, pos, ksize)
		_, errV := cut(b, at, pos, ksize+vsize)
		if errK != nil || errV != nil || ksize+vsize < ksize || len(key) == 0 || (i > 0 && bytes.Compare(last, key) >= 0) {
			return nil, nil, fmt.Errorf("%s: record %d is damaged", name, i)
		}
		if flags&flagBucket != 0 {
			if err := c.bucket(b[at+int(pos)+int(ksize):][:vsize], string(key), nesting+1); err != nil {
				return nil, nil, err
			}
		} else if flags != 0 {
			return nil, nil, fmt.Errorf("%s: record %d has unknown flags", name, i)
		}
		if i == 0 {
			first = key
		}
		last = key
	}
	return first, last, nil
}

// bucket checks a table: 16 bytes (root page, sequence), and the page itself when the table is small.
func (c *treeCheck) bucket(v []byte, name string, nesting int) error {
	if len(v) < 16 || nesting > maxBucketDepth {
		return fmt.Errorf("table %q is damaged", name)
	}
	if root := binary.NativeEndian.Uint64(v); root != 0 {
		_, _, err := c.tree(root, 0, nesting)
		return err
	}
	if len(v) < 16+boltHeader {
		return fmt.Errorf("table %q is damaged", name)
	}
	_, _, err := c.leaf(v[16:], fmt.Sprintf("table %q", name), nesting)
	return err
}

func cut(b []byte, at int, pos, size uint32) ([]byte, error) {
	from := uint64(at) + uint64(pos)
	if from+uint64(size) > uint64(len(b)) {
		return nil, errors.New("out of bounds")
	}
	return b[from : from+uint64(size)], nil
}
