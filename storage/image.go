package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Image hands a consistent image of the store to add, which writes it with write: size bytes exactly. The store stays in use.
func (s *Store) Image(add func(size int64, write func(io.Writer) error) error) error {
	err := s.db.View(func(tx *bolt.Tx) error {
		return add(tx.Size(), func(w io.Writer) error {
			_, err := tx.WriteTo(w)
			return err
		})
	})
	return s.wrap("read", err)
}

// Image hands the segments to add, oldest first, as files below a journal's folder: every entry that is durable now is in
// them, and perhaps newer ones. The journal stays in use. content is good until add returns.
func (j *Journal) Image(add func(name string, size int64, content io.Reader) error) error {
	j.mu.Lock()
	segs := slices.Clone(j.segs)
	j.mu.Unlock()
	for _, s := range segs {
		f, _, end, err := j.open(s)
		if f == nil && err == nil {
			continue // deleted meanwhile: its time was over
		}
		if err == nil {
			err = add(journalName+"/"+segmentName(s.number), end, io.NewSectionReader(f, 0, end))
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fmt.Errorf("cannot copy journal segment %s: %w", s.path, err)
		}
	}
	return nil
}

// ImageFile reports whether name is one that the images of a store and a journal have, relative to their folder.
func ImageFile(name string) bool {
	if name == storeName {
		return true
	}
	dir, base := filepath.Split(name)
	var number uint64
	_, err := fmt.Sscanf(base, "%d.seg", &number)
	return err == nil && dir == journalName+"/" && base == segmentName(number)
}

// PutImageFile writes one file of an image below dir, as durable as a file is, and never over another one.
func PutImageFile(dir, name string, content io.Reader) error {
	if !ImageFile(name) {
		return fmt.Errorf("cannot restore %q: a backup has no such file", name)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("cannot restore %s: it exists; restore into an empty folder", path)
	}
	return writeAtomically(path, func(w io.Writer) error {
		_, err := io.Copy(w, content)
		return err
	})
}
