package store

import (
	"encoding/json"
	"fmt"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

type rawJSON = json.RawMessage

// edited is a record that people edit, with the number of its present state.
type edited[T any] struct {
	Edition fleet.Edition `json:"edition"`
	Value   T             `json:"value"`
}

// shelf is a table of such records.
type shelf[T any] struct {
	s     *Store
	table storage.Table[edited[T]]
	what  string // one of them, in messages
}

func newShelf[T any](s *Store, bucket, what string) shelf[T] {
	return shelf[T]{s: s, table: storage.NewTable[edited[T]](s.db, bucket), what: what}
}

func (s shelf[T]) get(key string) (T, fleet.Edition, error) {
	r, ok, err := s.table.Get(key)
	if err == nil && !ok {
		err = fmt.Errorf("cannot find %s %s: %w", s.what, key, fleet.ErrUnknown)
	}
	return r.Value, r.Edition, err
}

func (s shelf[T]) find(key string) (v T, known bool, err error) {
	r, known, err := s.table.Get(key)
	return r.Value, known, err
}

func (s shelf[T]) all() ([]T, error) {
	var out []T
	err := s.s.db.View(func(tx *storage.Tx) error {
		for _, r := range s.table.AllTx(tx) {
			out = append(out, r.Value)
		}
		return nil
	})
	return out, err
}

// put stores a record that was made from the edition that the edit names, and what the audit says of it. also runs in the
// same transaction before.
func (s shelf[T]) put(key string, v T, edit fleet.Edit, also func(*storage.Tx) error) (fleet.Edition, error) {
	var now fleet.Edition
	err := s.s.update(func(tx *storage.Tx) error {
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		var err error
		if now, err = s.putTx(tx, key, v, edit); err != nil {
			return err
		}
		return s.s.auditTx(tx, edit.Change)
	})
	return now, err
}

func (s shelf[T]) putTx(tx *storage.Tx, key string, v T, edit fleet.Edit) (fleet.Edition, error) {
	was, err := s.fits(tx, key, edit)
	if err != nil {
		return fleet.Edition{}, err
	}
	now := fleet.Edition{Number: was.Edition.Number + 1, By: edit.Change.Who, At: edit.Change.At}
	return now, s.table.PutTx(tx, key, edited[T]{now, v})
}

// remove deletes a record on the same terms.
func (s shelf[T]) remove(key string, edit fleet.Edit) error {
	return s.s.update(func(tx *storage.Tx) error {
		was, err := s.fits(tx, key, edit)
		if err != nil {
			return err
		}
		if was.Edition.Number == 0 {
			return fmt.Errorf("cannot delete %s %s: %w", s.what, key, fleet.ErrUnknown)
		}
		if err := s.table.DeleteTx(tx, key); err != nil {
			return err
		}
		return s.s.auditTx(tx, edit.Change)
	})
}

func (s shelf[T]) fits(tx *storage.Tx, key string, edit fleet.Edit) (edited[T], error) {
	was, known, err := s.table.GetTx(tx, key)
	switch {
	case err != nil:
		return was, err
	case edit.From == fleet.AnyEdition || edit.From == was.Edition.Number:
		return was, nil
	case edit.From == 0 && known:
		return was, fmt.Errorf("cannot make %s %s: %w", s.what, key, fleet.ErrExists)
	}
	return was, &fleet.ChangedError{What: s.what + " " + key, Now: was.Edition}
}

// update runs fn in one durable transaction. An error of fn is returned as it is.
func (s *Store) update(fn func(*storage.Tx) error) error {
	var own error
	err := s.db.Update(func(tx *storage.Tx) error {
		own = fn(tx)
		return own
	})
	if own != nil {
		return own
	}
	return err
}
