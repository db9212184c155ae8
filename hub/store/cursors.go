package store

import (
	"fmt"
	"strings"

	"github.com/doorpanel/doorpanel/storage"
)

// Cursor is how far a reader of the events is: a serial, 0 before the first.
func (s *Store) Cursor(name string) (uint64, error) {
	serial, _, err := s.counters.Get("cursor/" + name)
	return serial, err
}

// SetCursor moves a reader's cursor, durably.
func (s *Store) SetCursor(name string, serial uint64) error {
	if name == "" || len(name) > 128 {
		return fmt.Errorf("cannot set cursor %.64q: its name has %d bytes, not 1 to 128", name, len(name))
	}
	return s.counters.Put("cursor/"+name, serial)
}

// Cursors are the names of all readers that have one.
func (s *Store) Cursors() ([]string, error) {
	var names []string
	err := s.db.View(func(tx *storage.Tx) error {
		for key := range s.counters.FromTx(tx, "cursor/") {
			name, ok := strings.CutPrefix(key, "cursor/")
			if !ok {
				break
			}
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// DeleteCursor forgets a reader; a missing one is no error.
func (s *Store) DeleteCursor(name string) error { return s.counters.Delete("cursor/" + name) }
