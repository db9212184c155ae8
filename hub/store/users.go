package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

// Users lists who may log in, by their names.
func (s *Store) Users() ([]fleet.User, error) { return s.users.all() }

// User returns the user with this name.
func (s *Store) User(name string) (u fleet.User, known bool, err error) { return s.users.find(name) }

// UserToEdit returns a user and the edition that an edit is made from, or fleet.ErrUnknown.
func (s *Store) UserToEdit(name string) (fleet.User, fleet.Edition, error) { return s.users.get(name) }

// PutUser makes or changes a user.
func (s *Store) PutUser(u fleet.User, edit fleet.Edit) (fleet.Edition, error) {
	if u.Name == "" {
		return fleet.Edition{}, errors.New("cannot store user: the name is missing")
	}
	return s.users.put(u.Name, u, edit, nil)
}

// DeleteUser removes a user together with his assignments and all of his sessions, in one transaction.
func (s *Store) DeleteUser(name string, edit fleet.Edit) error {
	return s.update(func(tx *storage.Tx) error {
		was, err := s.users.fits(tx, name, edit)
		if err != nil {
			return err
		}
		if was.Edition.Number == 0 {
			return fmt.Errorf("cannot delete user %s: %w", name, fleet.ErrUnknown)
		}
		var held []string
		for key, a := range s.assignments.FromTx(tx, name+"\x00") {
			if a.User != name {
				break
			}
			held = append(held, key)
		}
		for _, key := range held {
			if err := s.assignments.DeleteTx(tx, key); err != nil {
				return err
			}
		}
		if err := s.users.table.DeleteTx(tx, name); err != nil {
			return err
		}
		if _, err := s.endSessionsTx(tx, func(session fleet.Session) bool { return session.User == name }); err != nil {
			return err
		}
		return s.auditTx(tx, edit.Change)
	})
}

// Session returns the session under the hash of its token.
func (s *Store) Session(hash string) (session fleet.Session, found bool, err error) {
	return s.sessions.Get(hash)
}

// PutSession stores a session under the hash of its token.
func (s *Store) PutSession(hash string, session fleet.Session) error {
	return s.sessions.Put(hash, session)
}

// DeleteSession ends a session; a missing one is no error.
func (s *Store) DeleteSession(hash string) error { return s.sessions.Delete(hash) }

// Tokens returns the sessions with a label, by their hashes: what scripts log in with.
func (s *Store) Tokens() (map[string]fleet.Session, error) {
	out := map[string]fleet.Session{}
	err := s.db.View(func(tx *storage.Tx) error {
		for hash, session := range s.sessions.AllTx(tx) {
			if session.Label != "" {
				out[hash] = session
			}
		}
		return nil
	})
	return out, err
}

// MakeToken stores a session with a label, under the hash of its token, and the change in the audit.
func (s *Store) MakeToken(hash string, session fleet.Session, change fleet.Change) error {
	if session.Label == "" {
		return errors.New("cannot store token: its label is missing")
	}
	return s.update(func(tx *storage.Tx) error {
		if err := s.sessions.PutTx(tx, hash, session); err != nil {
			return err
		}
		return s.auditTx(tx, change)
	})
}

// EndToken deletes the session under the hash of its token, and writes the change into the audit. fleet.ErrUnknown: there is
// none any more.
func (s *Store) EndToken(hash string, change fleet.Change) error {
	return s.update(func(tx *storage.Tx) error {
		if _, known, err := s.sessions.GetTx(tx, hash); err != nil || !known {
			return errors.Join(err, fleet.ErrUnknown)
		}
		if err := s.sessions.DeleteTx(tx, hash); err != nil {
			return err
		}
		return s.auditTx(tx, change)
	})
}

// ForgetSessions deletes the logins that were not used since the given time, and returns how many. Tokens stay until they
// are over.
func (s *Store) ForgetSessions(seen, now time.Time) (int, error) {
	return s.deleteSessions(func(session fleet.Session) bool {
		over := !session.Until.IsZero() && !now.Before(session.Until)
		return over || session.Label == "" && session.Seen.Before(seen)
	})
}

func (s *Store) deleteSessions(which func(fleet.Session) bool) (n int, err error) {
	err = s.update(func(tx *storage.Tx) error {
		n, err = s.endSessionsTx(tx, which)
		return err
	})
	return n, err
}
