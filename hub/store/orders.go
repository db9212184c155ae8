package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const orderCounter = "orders"

// NextNumber gives the number of an order, durably: it is never given again. It is at least the milliseconds since 1970, so
// that a hub which was restored from a backup does not use numbers again that panels have seen.
func (s *Store) NextNumber(now time.Time) (n uint64, err error) {
	err = s.update(func(tx *storage.Tx) error {
		n, err = s.countTx(tx, orderCounter, uint64(max(now.UnixMilli(), 1)))
		return err
	})
	return n, err
}

// PutOrder stores an order in the place of the one with the same number.
func (s *Store) PutOrder(o fleet.Order) error {
	if o.Number == 0 || o.Panel == "" {
		return fmt.Errorf("cannot store order %d of panel %q: both are needed", o.Number, o.Panel)
	}
	return s.update(func(tx *storage.Tx) error {
		if err := s.orders.PutTx(tx, numberKey(o.Number), o); err != nil {
			return err
		}
		return s.byPanel.PutTx(tx, o.Panel+"\x00"+numberKey(o.Number), nil)
	})
}

// Order returns one order, or fleet.ErrUnknown.
func (s *Store) Order(number uint64) (fleet.Order, error) {
	o, ok, err := s.orders.Get(numberKey(number))
	if err == nil && !ok {
		err = fmt.Errorf("cannot find order %d: %w", number, fleet.ErrUnknown)
	}
	return o, err
}

// Orders are those of one panel, or of all when panel is empty; newest first, at most limit.
func (s *Store) Orders(panel string, limit int) ([]fleet.Order, error) {
	var out []fleet.Order
	err := s.db.View(func(tx *storage.Tx) error {
		if panel == "" {
			for _, o := range s.orders.DownTx(tx, "") {
				if len(out) >= limit {
					break
				}
				out = append(out, o)
			}
			return nil
		}
		for key := range s.byPanel.DownTx(tx, panel+"\x01") {
			if len(out) >= limit || len(key) < len(panel)+1 || key[:len(panel)+1] != panel+"\x00" {
				break
			}
			o, ok, err := s.orders.GetTx(tx, key[len(panel)+1:])
			if err == nil && ok {
				out = append(out, o)
			}
		}
		return nil
	})
	return out, err
}

// ForgetOrders deletes orders that were given before the given time, the oldest first, at most limit, and returns how many.
func (s *Store) ForgetOrders(given time.Time, limit int) (deleted int, err error) {
	err = s.update(func(tx *storage.Tx) error {
		deleted = 0
		var old []fleet.Order
		for _, o := range s.orders.AllTx(tx) {
			if len(old) >= limit || !o.At.Before(given) {
				break
			}
			old = append(old, o)
		}
		for _, o := range old {
			key := numberKey(o.Number)
			if err := errors.Join(s.orders.DeleteTx(tx, key), s.byPanel.DeleteTx(tx, o.Panel+"\x00"+key)); err != nil {
				return err
			}
			deleted++
		}
		return nil
	})
	return deleted, err
}

type lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// Lease takes work for a while, or prolongs it: it reports whether the work is the holder's until then. Nobody else gets it
// before.
func (s *Store) Lease(name, holder string, now, until time.Time) (mine bool, err error) {
	if name == "" || holder == "" {
		return false, fmt.Errorf("cannot lease %q to %q: both are needed", name, holder)
	}
	err = s.update(func(tx *storage.Tx) error {
		l, known, err := s.leases.GetTx(tx, name)
		if err != nil {
			return err
		}
		if mine = !known || l.Holder == holder || !now.Before(l.Until); !mine {
			return nil
		}
		return s.leases.PutTx(tx, name, lease{holder, until})
	})
	return mine && err == nil, err
}

// Release gives work back before its time; it is no error when somebody else has it.
func (s *Store) Release(name, holder string) error {
	return s.update(func(tx *storage.Tx) error {
		l, known, err := s.leases.GetTx(tx, name)
		if err != nil || !known || l.Holder != holder {
			return err
		}
		return s.leases.DeleteTx(tx, name)
	})
}
