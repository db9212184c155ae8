package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	maxDeliveryID  = 256
	deliveryWindow = 5_000 // deliveries that one question looks at
	lookedAtOnce   = 500   // of them, in one transaction
)

// Situation returns the monitor's JSON for a site; nil when there is none.
func (s *Store) Situation(site string) ([]byte, error) {
	b, _, err := s.states.Get(site)
	return b, err
}

// Situations returns the monitor's JSON of all sites, by their ids.
func (s *Store) Situations() ([]fleet.Situation, error) {
	var out []fleet.Situation
	err := s.db.View(func(tx *storage.Tx) error {
		for site, state := range s.states.AllTx(tx) {
			out = append(out, fleet.Situation{Site: site, State: state})
		}
		return nil
	})
	return out, err
}

// Commit stores what the monitor knows of a site together with what it decided, all or nothing: deliveries whose id is not
// there yet are added, those withdrawn that nobody has begun to send, and the changes written into the audit.
func (s *Store) Commit(site string, state []byte, deliveries []fleet.Delivery, withdrawn []string, changes ...fleet.Change) error {
	return s.update(func(tx *storage.Tx) error {
		if err := s.states.PutTx(tx, site, state); err != nil {
			return err
		}
		if _, err := s.addTx(tx, deliveries); err != nil {
			return err
		}
		for _, id := range withdrawn {
			d, known, err := s.outbox.GetTx(tx, id)
			if err != nil {
				return err
			}
			if !known || d.State != fleet.Waiting {
				continue
			}
			gone := d
			gone.State = fleet.Withdrawn
			if err := s.replaceTx(tx, d, gone); err != nil {
				return err
			}
		}
		return s.changesTx(tx, changes)
	})
}

// AddDeliveries adds those whose id is not there yet, with the changes in the audit, and returns how many they were.
func (s *Store) AddDeliveries(deliveries []fleet.Delivery, changes ...fleet.Change) (added int, err error) {
	err = s.update(func(tx *storage.Tx) error {
		if added, err = s.addTx(tx, deliveries); err != nil {
			return err
		}
		return s.changesTx(tx, changes)
	})
	return added, err
}

func (s *Store) addTx(tx *storage.Tx, deliveries []fleet.Delivery) (added int, err error) {
	for _, d := range deliveries {
		if d.ID == "" || len(d.ID) > maxDeliveryID {
			return added, fmt.Errorf("cannot store delivery %.64q: its id has %d bytes, not 1 to %d", d.ID, len(d.ID), maxDeliveryID)
		}
		if _, known, err := s.outbox.GetTx(tx, d.ID); err != nil {
			return added, err
		} else if known {
			continue
		}
		if err := s.indexTx(tx, d); err != nil {
			return added, err
		}
		added++
	}
	return added, nil
}

const timeKeyLen = 16

func timeKey(t time.Time) string { return numberKey(uint64(max(t.UnixNano(), 0))) }

func madeKey(d fleet.Delivery) string { return timeKey(d.Made) + "/" + d.ID }
func dueKey(d fleet.Delivery) string  { return timeKey(d.Due) + "/" + d.ID }

func (s *Store) indexTx(tx *storage.Tx, d fleet.Delivery) error {
	err := errors.Join(s.outbox.PutTx(tx, d.ID, d), s.byMade.PutTx(tx, madeKey(d), nil))
	if err == nil && !d.Over() {
		err = s.byDue.PutTx(tx, dueKey(d), nil)
	}
	return err
}

// replaceTx puts a delivery's new state in the place of the present one. When it was made does not change.
func (s *Store) replaceTx(tx *storage.Tx, was, is fleet.Delivery) error {
	is.Made = was.Made
	if !was.Over() {
		if err := s.byDue.DeleteTx(tx, dueKey(was)); err != nil {
			return err
		}
	}
	return s.indexTx(tx, is)
}

// Due lists deliveries that are not over and whose Due is not after now, the oldest Due first, at most limit; next is when the
// first of the others is due, zero when there is none.
func (s *Store) Due(now time.Time, limit int) (due []fleet.Delivery, next time.Time, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key := range s.byDue.AllTx(tx) {
			d, ok, err := s.outbox.GetTx(tx, key[timeKeyLen+1:])
			if err != nil || !ok || d.Over() {
				continue // damaged and set aside: the check at the start has named it
			}
			if d.Due.After(now) || len(due) >= limit {
				next = d.Due
				return nil
			}
			due = append(due, d)
		}
		return nil
	})
	return due, next, err
}

// Move puts to in the place of from, which has the same ID, and adds those of more whose ID is not there yet, all or
// nothing. It changes nothing and answers fleet.ErrTaken unless the stored one has from's State, By, Tries and Due.
func (s *Store) Move(from, to fleet.Delivery, more ...fleet.Delivery) error {
	return s.move(from, to, more, nil)
}

// MoveByHand is Move because somebody wants it, with what the audit says of it, both or neither.
func (s *Store) MoveByHand(from, to fleet.Delivery, change fleet.Change) error {
	return s.move(from, to, nil, []fleet.Change{change})
}

func (s *Store) move(from, to fleet.Delivery, more []fleet.Delivery, changes []fleet.Change) error {
	if from.ID != to.ID || !mayMove(from.State, to.State) {
		return fmt.Errorf("cannot move delivery %s from %s to %s, %s: there is no such way", from.ID, from.State, to.ID, to.State)
	}
	return s.update(func(tx *storage.Tx) error {
		was, known, err := s.outbox.GetTx(tx, from.ID)
		switch {
		case err != nil:
			return err
		case !known:
			return fmt.Errorf("cannot move delivery %s: %w", from.ID, fleet.ErrUnknown)
		case was.State != from.State || was.By != from.By || was.Tries != from.Tries || !was.Due.Equal(from.Due):
			return fmt.Errorf("cannot move delivery %s from %s to %s, it is %s: %w", from.ID, from.State, to.State, was.State, fleet.ErrTaken)
		}
		if err := s.replaceTx(tx, was, to); err != nil {
			return err
		}
		if _, err = s.addTx(tx, more); err != nil {
			return err
		}
		return s.changesTx(tx, changes)
	})
}

// mayMove holds what no caller may do by mistake: what was sent stays so, and what may have been sent is not claimed again
// but by way of waiting, which a person decides.
func mayMove(from, to fleet.DeliveryState) bool {
	switch from {
	case fleet.Sent:
		return false
	case fleet.Committing:
		return to != fleet.Claimed && to != fleet.Withdrawn
	case fleet.Uncertain, fleet.Failed, fleet.Withdrawn:
		return to == fleet.Waiting
	}
	return true
}

// Delivery returns one delivery, or fleet.ErrUnknown.
func (s *Store) Delivery(id string) (fleet.Delivery, error) {
	d, ok, err := s.outbox.Get(id)
	if err == nil && !ok {
		err = fmt.Errorf("cannot find delivery %s: %w", id, fleet.ErrUnknown)
	}
	return d, err
}

// Deliveries returns what fits, newest first. A page may be short, or empty, and still have a next one.
func (s *Store) Deliveries(q fleet.DeliveryQuery) (fleet.DeliveryPage, error) {
	var page fleet.DeliveryPage
	if q.Limit <= 0 {
		q.Limit = 100
	}
	page.Next = q.Before
	for looked := 0; looked < deliveryWindow; {
		some, n, end, err := s.deliveriesBelow(q, page.Next)
		if err != nil {
			return page, err
		}
		looked += n
		for _, d := range some {
			if q.Shown != nil && !q.Shown(d) {
				continue
			}
			page.Deliveries = append(page.Deliveries, d)
			if len(page.Deliveries) == q.Limit {
				page.Next = madeKey(d)
				return page, nil
			}
		}
		if page.Next = end; end == "" {
			break
		}
	}
	return page, nil
}

// deliveriesBelow looks at some deliveries below a key, the newest first, and returns those that fit, how many it looked at, and
// the key of the last one, empty when there are no more.
func (s *Store) deliveriesBelow(q fleet.DeliveryQuery, below string) (some []fleet.Delivery, looked int, end string, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key := range s.byMade.DownTx(tx, below) {
			if looked == lookedAtOnce {
				return nil
			}
			looked++
			end = key
			d, ok, err := s.outbox.GetTx(tx, key[timeKeyLen+1:])
			if err == nil && ok && fitsDelivery(q, d) {
				some = append(some, d)
			}
		}
		end = ""
		return nil
	})
	return some, looked, end, err
}

func fitsDelivery(q fleet.DeliveryQuery, d fleet.Delivery) bool {
	return (q.Site == "" || q.Site == d.Site) && (q.Incident == "" || q.Incident == d.Incident) &&
		(q.Recipient == "" || q.Recipient == d.Recipient) && (q.State == "" || q.State == d.State)
}

// ForgetDeliveries deletes deliveries that were made before the given time and are done with, the oldest first, at most
// limit, and returns how many it deleted. What still waits stays.
func (s *Store) ForgetDeliveries(made time.Time, limit int) (deleted int, err error) {
	err = s.update(func(tx *storage.Tx) error {
		var old []fleet.Delivery
		for key := range s.byMade.AllTx(tx) {
			if key >= timeKey(made) || len(old) >= limit {
				break
			}
			d, ok, err := s.outbox.GetTx(tx, key[timeKeyLen+1:])
			if err == nil && ok && d.Over() {
				old = append(old, d)
			}
		}
		for _, d := range old {
			if err := errors.Join(s.outbox.DeleteTx(tx, d.ID), s.byMade.DeleteTx(tx, madeKey(d))); err != nil {
				return err
			}
		}
		deleted = len(old)
		return nil
	})
	return deleted, err
}
