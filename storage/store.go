// Package storage keeps what a panel or a hub must not lose: records in one crash-safe bbolt file, and an append-only
// journal in segments of its own. It does not know what a record or an entry means, decides nothing about people or
// doors, and takes no part of a damaged file for granted: what cannot be read is set aside and named, never hidden.
package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// Errors that a caller may want to tell apart with errors.Is.
var (
	// ErrReadOnly is returned by every write to a store of a newer version.
	ErrReadOnly = errors.New("the store was written by a newer version; install that version again to change anything")
	// ErrFull is returned by a write that found no room; nothing was changed.
	ErrFull = errors.New("no room left; delete records or free space on the disk")
	// ErrInUse is returned when another process holds the store or the journal.
	ErrInUse = errors.New("in use by another process; stop it, or let it do the work")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("already closed")
	// ErrDamaged is returned for a record whose checksum does not fit.
	ErrDamaged = errors.New("the record is damaged; restore a backup or enter it again")
)

const (
	storeName    = "store.db"
	copySuffix   = ".copy"
	olderSuffix  = ".copy.older"
	setAsideName = "set-aside"
	metaBucket   = "_meta"
	schemaKey    = "schema"
	lockWait     = time.Second
)

// A Note says, for people, what was found damaged at the start and where it was put.
type Note struct {
	What  string // what is missing or was replaced
	File  string // where the damaged bytes were put; empty when nothing was worth keeping
	Cause string // what was wrong with it
	// Table and Key name a record that was damaged; empty for everything else.
	Table, Key string
}

// Options are the settings of a store. Only Dir is required.
type Options struct {
	Dir       string            // holds store.db, its copies and set-aside/; made when missing
	MaxSize   int64             // upper bound of store.db in bytes; 0 = 64 MiB
	Schema    int               // the schema number this program writes
	Migrate   []func(*Tx) error // Migrate[n] turns schema n into n+1; nil = nothing to do; a new store begins at Schema
	CopyEvery time.Duration     // how often a changed store is copied; 0 = hourly, negative = only by Copy
	NoSync    bool              // never waits for the disk: for the control of the power-cut test only
	Logger    *slog.Logger      // nil = silent
}

// A Store is one open bbolt file. It is safe for concurrent use. Whoever opens it closes it.
type Store struct {
	db       *bolt.DB
	dir      string
	path     string
	readOnly bool
	log      *slog.Logger

	copying  sync.Mutex
	copiedTx int // the transaction the newest copy shows; guarded by copying

	stop chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// Open opens <Dir>/store.db, or makes it. A damaged file never stops it: the file's other head page is tried, then the
// newest good copy, then an empty store, and the notes say which. A store with a newer schema is opened read-only.
// An error means that there is no store at all: another process holds it (ErrInUse) or the disk refuses.
func Open(o Options) (*Store, []Note, error) {
	if o.MaxSize <= 0 {
		o.MaxSize = 64 << 20
	}
	if o.CopyEvery == 0 {
		o.CopyEvery = time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: o.Dir, path: filepath.Join(o.Dir, storeName), log: o.Logger, copiedTx: -1, stop: make(chan struct{})}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("cannot open store %s: %w", s.path, err)
	}
	notes, err := s.open(o)
	if err != nil {
		return nil, notes, fmt.Errorf("cannot open store %s: %w", s.path, err)
	}
	if !s.readOnly && o.CopyEvery > 0 {
		s.wg.Add(1)
		go s.copyLoop(o.CopyEvery)
	}
	return s, notes, nil
}

func (s *Store) open(o Options) ([]Note, error) {
	_, err := os.Stat(s.path)
	fresh := errors.Is(err, os.ErrNotExist) && !copied(s.path)
	f, err := openLocked(s.path, lockWait)
	if err != nil {
		return nil, err
	}
	notes, damage := mend(f, fresh)
	if damage != nil && !isDamage(damage) {
		return nil, errors.Join(damage, f.Close())
	}
	if damage != nil {
		f, notes, err = s.replace(f, damage, notes)
		if err != nil {
			return notes, err
		}
	}
	db, err := openChecked(s.path, f, o)
	if cause := err; isDamage(err) {
		// The structure looked sound and bbolt still refuses: it is given the same way out, once.
		if f, err = openLocked(s.path, lockWait); err != nil {
			return notes, err
		}
		if f, notes, err = s.replace(f, cause, notes); err != nil {
			return notes, err
		}
		db, err = openChecked(s.path, f, o)
	}
	if err != nil {
		return notes, err
	}
	s.db = db
	if err := syncDir(o.Dir); err != nil {
		return notes, errors.Join(err, db.Close())
	}
	more, err := s.settle(o)
	notes = append(notes, more...)
	if err != nil {
		return notes, errors.Join(err, s.db.Close())
	}
	for _, n := range notes {
		s.log.Warn("store repaired", "what", n.What, "file", n.File, "cause", n.Cause)
	}
	s.forgetPages()
	return notes, nil
}

// forgetPages takes the pages that the checks have just read out of this process's memory. They stay in the kernel's
// cache; a panel need not hold its whole store because it looked at it once.
func (s *Store) forgetPages() {
	info, err := os.Stat(s.path)
	if err != nil {
		return
	}
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, s.db.Info().Data, uintptr(info.Size()), unix.MADV_DONTNEED); errno != 0 {
		s.log.Debug("store's pages not forgotten", "err", errno)
	}
}

func copied(path string) bool {
	_, err := os.Stat(path + copySuffix)
	return err == nil
}

// replace moves the damaged file away and puts the newest good copy, or nothing, in its place. It takes over f.
func (s *Store) replace(f *os.File, cause error, notes []Note) (*os.File, []Note, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, notes, errors.Join(err, f.Close())
	}
	note := Note{What: "the store; starting with an empty one", Cause: cause.Error()}
	aside := ""
	if info.Size() > 0 {
		if aside, err = setAside(s.dir, storeName, func(to string) error { return os.Rename(s.path, to) }); err != nil {
			return nil, notes, errors.Join(fmt.Errorf("cannot set the damaged store aside: %w", err), f.Close())
		}
		note.File = aside
	} else if err := removeIfThere(s.path); err != nil {
		return nil, notes, errors.Join(err, f.Close())
	}
	for _, suffix := range []string{copySuffix, olderSuffix} {
		at, err := restoreCopy(s.path+suffix, s.path)
		if err == nil {
			note.What = "the store; starting with the copy of " + at.UTC().Format(time.RFC3339)
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			notes = append(notes, Note{What: "a copy of the store", File: s.path + suffix, Cause: err.Error()})
		}
	}
	fresh, err := openLocked(s.path, lockWait)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = errors.Join(closeErr, fresh.Close())
	}
	return fresh, append(notes, note), err
}

// restoreCopy puts a checked copy in the place of the store and returns when the copy was made.
func restoreCopy(from, to string) (time.Time, error) {
	src, err := os.Open(from)
	if err != nil {
		return time.Time{}, err
	}
	defer src.Close()
	if _, err := checkBolt(src); err != nil {
		return time.Time{}, err
	}
	info, err := src.Stat()
	if err != nil {
		return time.Time{}, err
	}
	err = writeAtomically(to, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(src, 0, info.Size()))
		return err
	})
	return info.ModTime(), err
}

// openChecked hands the already locked and checked file to bbolt. bbolt panics, and a mapped file that is shorter than it
// claims faults: both become errors here. mend has looked at every page: bbolt's own check would read all of them again.
func openChecked(path string, f *os.File, o Options) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			// bbolt is left half open on purpose: closing it after a panic can wait for locks that nobody gives back.
			// Its mapping would keep the lock of the file even after the file is closed.
			unlock := unix.Flock(int(f.Fd()), unix.LOCK_UN)
			db, err = nil, damageError{errors.Join(fmt.Errorf("bbolt panics: %v", r), unlock, f.Close())}
		}
	}()
	used := false
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
		MaxSize:        int(min(o.MaxSize, maxInt)),
		NoSync:         o.NoSync,
		NoStatistics:   true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			if used {
				return os.OpenFile(path, flag, mode)
			}
			used = true
			return f, nil
		},
	})
	if err != nil {
		if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
			err = damageError{err}
		}
		return nil, err
	}
	return db, nil
}

// settle compares the schema number, migrates, and looks every record's checksum over.
func (s *Store) settle(o Options) ([]Note, error) {
	meta := NewTable[int](s, metaBucket)
	schema, known, err := meta.Get(schemaKey)
	if errors.Is(err, ErrDamaged) {
		schema, known = o.Schema, true
	} else if err != nil {
		return nil, err
	}
	if known && schema > o.Schema {
		s.log.Warn("store opened read-only", "schema", schema, "ours", o.Schema)
		return nil, s.reopenReadOnly()
	}
	notes, err := s.dropDamaged()
	if err != nil {
		return notes, err
	}
	if known && schema == o.Schema && len(notes) == 0 {
		return notes, nil
	}
	if known && schema < o.Schema {
		if err := s.Copy(); err != nil {
			return notes, err
		}
	}
	err = s.Update(func(tx *Tx) error {
		if known {
			for n := schema; n < o.Schema; n++ {
				if n >= len(o.Migrate) || o.Migrate[n] == nil {
					continue
				}
				if err := o.Migrate[n](tx); err != nil {
					return fmt.Errorf("cannot migrate schema %d to %d: %w", n, n+1, err)
				}
			}
		}
		return meta.PutTx(tx, schemaKey, o.Schema)
	})
	return notes, err
}

func (s *Store) reopenReadOnly() error {
	if err := s.db.Close(); err != nil {
		return err
	}
	db, err := bolt.Open(s.path, 0o600, &bolt.Options{Timeout: lockWait, ReadOnly: true, NoStatistics: true})
	if err != nil {
		return err
	}
	s.db, s.readOnly = db, true
	return nil
}

// ReadOnly reports whether the store belongs to a newer version and refuses every write.
func (s *Store) ReadOnly() bool { return s.readOnly }

// Path is the file that holds the records.
func (s *Store) Path() string { return s.path }

// Update runs fn in one transaction, which is durable when Update returns nil. When fn fails or panics, or the disk
// refuses, nothing is changed and the store stays usable. No other Update runs meanwhile: fn must be short.
func (s *Store) Update(fn func(*Tx) error) error {
	if s.readOnly {
		return fmt.Errorf("cannot write store %s: %w", s.path, ErrReadOnly)
	}
	err := s.db.Update(func(tx *bolt.Tx) error { return fn(&Tx{tx: tx}) })
	return s.wrap("write", err)
}

// View runs fn on one consistent state of all tables. fn must not call Update.
func (s *Store) View(fn func(*Tx) error) error {
	return s.wrap("read", s.db.View(func(tx *bolt.Tx) error { return fn(&Tx{tx: tx}) }))
}

func (s *Store) wrap(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("cannot %s store %s: %w (at most %d bytes)", verb, s.path, ErrFull, s.db.MaxSize)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return fmt.Errorf("cannot %s store %s: %w (%w)", verb, s.path, ErrFull, err)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return fmt.Errorf("cannot %s store %s: %w", verb, s.path, ErrClosed)
	}
	return fmt.Errorf("cannot %s store %s: %w", verb, s.path, err)
}

// A Tx is one transaction over all tables. It is valid only inside the function it was handed to.
type Tx struct{ tx *bolt.Tx }

// WriteTo writes a consistent image of the store, as a backup wants it, while the store stays in use.
func (s *Store) WriteTo(w io.Writer) (n int64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	return n, s.wrap("read", err)
}

// Copy writes the copy from which a damaged store is restored, and keeps the one before. An unchanged store is not
// copied again; a read-only store never.
func (s *Store) Copy() error {
	if s.readOnly {
		return nil
	}
	s.copying.Lock()
	defer s.copying.Unlock()
	id := 0
	if err := s.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		return s.wrap("copy", err)
	}
	if id == s.copiedTx {
		return nil
	}
	fresh := s.path + ".copy.new"
	err := writeAtomically(fresh, func(w io.Writer) error {
		_, err := s.WriteTo(w)
		return err
	})
	if err == nil {
		err = checkFile(fresh)
	}
	if err == nil {
		if err = os.Rename(s.path+copySuffix, s.path+olderSuffix); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(fresh, s.path+copySuffix)
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return errors.Join(s.wrap("copy", err), removeIfThere(fresh))
	}
	s.copiedTx = id
	return nil
}

func (s *Store) copyLoop(every time.Duration) {
	defer s.wg.Done()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			if err := s.Copy(); err != nil {
				s.log.Warn("store not copied", "err", err)
			}
		}
	}
}

// Close ends the copying and closes the file. It waits for transactions that are running. A second Close does nothing.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		s.wg.Wait()
		err = s.db.Close()
	})
	return err
}
