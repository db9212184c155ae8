package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	cursorPrefix  = "cursor-"
	cursorMagic   = "DPCR"
	cursorSlot    = 28
	cursorUnsaved = 128 // entries that a cursor may move before it waits for the disk
)

// A Cursor remembers across restarts how far a reader is. A power cut may set it back by at most 128 entries or by what
// the kernel has held back, never forward: its reader then gets some entries a second time. It is safe for concurrent use.
type Cursor struct {
	j *Journal

	mu    sync.Mutex
	f     *os.File
	gen   uint64
	seq   uint64
	saved uint64
}

// Cursor returns the reader's cursor with this name (1 to 32 of a-z, 0-9 and "-"); a new one stands at 0.
func (j *Journal) Cursor(name string) (*Cursor, error) {
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, fmt.Errorf("cannot open cursor %.40q: its name must be 1 to 32 of a-z, 0-9 and -", name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, fmt.Errorf("cannot open cursor %q: %w", name, ErrClosed)
	}
	if c := j.cursors[name]; c != nil {
		return c, nil
	}
	c, err := j.openCursor(name)
	if err == nil {
		// Both slots get their block now, so that a full disk does not stop the cursor that would let it be emptied.
		_, err = c.f.WriteAt(make([]byte, 2*sector), 0)
		err = errors.Join(err, c.f.Sync(), syncDir(j.dir))
		if err != nil {
			err = errors.Join(err, c.f.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open cursor %q: %w", name, err)
	}
	j.cursors[name] = c
	return c, nil
}

func (j *Journal) openCursors() error {
	files, err := filepath.Glob(filepath.Join(j.dir, cursorPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range files {
		name := strings.TrimPrefix(filepath.Base(path), cursorPrefix)
		if j.cursors[name], err = j.openCursor(name); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) openCursor(name string) (*Cursor, error) {
	f, err := os.OpenFile(filepath.Join(j.dir, cursorPrefix+name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	c := &Cursor{j: j, f: f}
	var b [cursorSlot]byte
	for slot := range int64(2) {
		if _, err := f.ReadAt(b[:], slot*sector); err != nil {
			continue // shorter than two slots: not written yet
		}
		if string(b[:4]) != cursorMagic || binary.LittleEndian.Uint32(b[20:]) != crc32.Checksum(b[:20], castagnoli) {
			continue
		}
		if gen := binary.LittleEndian.Uint64(b[4:]); gen >= c.gen {
			c.gen, c.seq = gen, binary.LittleEndian.Uint64(b[12:])
		}
	}
	c.saved = c.seq
	return c, nil
}

// Get is the number of the last entry that the reader has done with, 0 before the first.
func (c *Cursor) Get() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seq
}

// Set moves the cursor; backwards means that the entries above seq are to be read again. It does not move beyond the
// newest durable entry.
func (c *Cursor) Set(seq uint64) error {
	if last := c.j.Durable(); seq > last {
		return fmt.Errorf("cannot set cursor to %d: the newest entry is %d", seq, last)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.f == nil {
		return fmt.Errorf("cannot set cursor: %w", ErrClosed)
	}
	if seq == c.seq {
		return nil
	}
	var b [cursorSlot]byte
	copy(b[:], cursorMagic)
	binary.LittleEndian.PutUint64(b[4:], c.gen+1)
	binary.LittleEndian.PutUint64(b[12:], seq)
	binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	if _, err := c.f.WriteAt(b[:], int64((c.gen+1)%2)*sector); err != nil {
		return fmt.Errorf("cannot set cursor to %d: %w", seq, err)
	}
	c.gen, c.seq = c.gen+1, seq
	if seq < c.saved || seq-c.saved >= cursorUnsaved {
		return c.save()
	}
	return nil
}

func (c *Cursor) save() error {
	if !c.j.o.NoSync {
		if err := retry(func() error { return unix.Fdatasync(int(c.f.Fd())) }); err != nil {
			return fmt.Errorf("cannot set cursor to %d: %w", c.seq, err)
		}
	}
	c.saved = c.seq
	return nil
}

func (c *Cursor) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.f == nil {
		return nil
	}
	var err error
	if c.seq != c.saved {
		err = c.save()
	}
	err = errors.Join(err, c.f.Close())
	c.f = nil
	return err
}
