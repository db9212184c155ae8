package store

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/storage"
)

// Backup writes everything that the store keeps into an archive, below prefix (such as "store/"), while it goes on being
// used: what was durable when Backup was called is in it. Whoever writes the archive adds the keys and closes it.
func (s *Store) Backup(archive *tar.Writer, prefix string, now time.Time) error {
	file := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Name: prefix + name, Mode: 0o600, Size: size, ModTime: now, Format: tar.FormatPAX})
	}
	// The records first: what they say of events is then never newer than the events.
	records, size, err := s.image()
	if err == nil {
		err = file("store.db", size)
	}
	if err == nil {
		_, err = io.Copy(archive, records)
	}
	if records != nil {
		err = errors.Join(err, records.Close())
	}
	if err == nil {
		err = s.events.journal.Image(func(name string, size int64, content io.Reader) error {
			if err := file(eventsDir+"/"+name, size); err != nil {
				return err
			}
			_, err := io.Copy(archive, content)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("cannot back up the hub's store: %w", err)
	}
	return nil
}

// image copies the records into a file beside them that has no name, so that nothing is left of it whatever happens. Whoever takes
// the backup may be slow: for as long as the records themselves are read, the store cannot grow, and everything waits for it.
func (s *Store) image() (f *os.File, size int64, err error) {
	if f, err = os.CreateTemp(s.o.Dir, ".backup-*"); err != nil {
		return nil, 0, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		err = s.db.Image(func(n int64, write func(io.Writer) error) error {
			size = n
			return write(f)
		})
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return f, size, err
}

// RestoreFile writes one file of a backup, named as Backup named it without the prefix, below a folder that holds no store yet.
func RestoreFile(dir, name string, content io.Reader) error {
	if inner, ok := strings.CutPrefix(name, eventsDir+"/"); ok && inner != "store.db" {
		dir, name = filepath.Join(dir, eventsDir), inner
	} else if name != "store.db" {
		return fmt.Errorf("cannot restore %q: the backup of a hub has no such file", name)
	}
	return storage.PutImageFile(dir, name, content)
}

// Restored tells what a restored store holds.
type Restored struct {
	Sites, Panels int
	Events        uint64 // the newest event's serial
	Changes       uint64 // entries of the audit, all of them checked
	Notes         []storage.Note
}

// CheckRestored opens the store that RestoreFile has put into o.Dir, checks it and closes it. From then on events are
// written in a new epoch of the log.
func CheckRestored(o Options) (r Restored, err error) {
	o.Restored = true
	s, notes, err := Open(o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r.Notes = notes
	sites, err := s.Sites()
	if err != nil {
		return r, err
	}
	panels, err := s.Panels()
	if err != nil {
		return r, err
	}
	r.Sites, r.Panels = len(sites), len(panels)
	if r.Events, err = s.Last(); err != nil {
		return r, err
	}
	if r.Changes, err = s.VerifyChanges(context.Background()); err != nil {
		return r, err
	}
	return r, s.RaiseFence(time.Now())
}
