package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/storage"
)

// Roles lists those that were made by hand, by their ids.
func (s *Store) Roles() ([]roles.Role, error) { return tableAll(s, s.roles) }

// Assignments lists those of one user, or of all when user is empty, by users, roles and groups.
func (s *Store) Assignments(user string) ([]roles.Assignment, error) {
	var out []roles.Assignment
	err := s.db.View(func(tx *storage.Tx) error {
		from := ""
		if user != "" {
			from = user + "\x00"
		}
		for _, a := range s.assignments.FromTx(tx, from) {
			if user != "" && a.User != user {
				break
			}
			out = append(out, a)
		}
		return nil
	})
	return out, err
}

// HandOvers lists all of them, by their ids.
func (s *Store) HandOvers() ([]roles.HandOver, error) { return tableAll(s, s.handOvers) }

// Arrange lets change look at all that says who may do what, and writes in the same transaction what it changed of it, with its
// entries of the audit. An error of change is returned as it is, and nothing is written. Sessions of users who are gone, or who
// held something and hold nothing now, end with it.
func (s *Store) Arrange(change func(*roles.Arrangement) error) error {
	return s.update(func(tx *storage.Tx) error {
		var was, now roles.Arrangement
		for _, r := range s.users.table.AllTx(tx) {
			was.Users = append(was.Users, r.Value)
		}
		for _, r := range s.sites.table.AllTx(tx) {
			was.Sites = append(was.Sites, r.Value)
		}
		for _, r := range s.roles.AllTx(tx) {
			was.Roles = append(was.Roles, r)
		}
		for _, a := range s.assignments.AllTx(tx) {
			was.Assignments = append(was.Assignments, a)
		}
		for _, h := range s.handOvers.AllTx(tx) {
			was.HandOvers = append(was.HandOvers, h)
		}
		now = roles.Arrangement{Users: slices.Clone(was.Users), Sites: slices.Clone(was.Sites), Roles: slices.Clone(was.Roles),
			Assignments: slices.Clone(was.Assignments), HandOvers: slices.Clone(was.HandOvers)}
		if err := change(&now); err != nil {
			return err
		}
		return s.arrangeTx(tx, was, now)
	})
}

func (s *Store) arrangeTx(tx *storage.Tx, was, now roles.Arrangement) error {
	edit := fleet.Edit{From: fleet.AnyEdition}
	if len(now.Changes) > 0 {
		edit.Change = now.Changes[0]
	}
	putUser := func(name string, u fleet.User) error {
		_, err := s.users.putTx(tx, name, u, edit)
		return err
	}
	putSite := func(id string, site fleet.Site) error {
		if err := roles.CheckSiteGroup(site.Group); err != nil {
			return err
		}
		_, err := s.sites.putTx(tx, id, site, edit)
		return err
	}
	err := replace(was.Users, now.Users, func(u fleet.User) string { return u.Name }, putUser, func(name string) error { return s.users.table.DeleteTx(tx, name) })
	if err == nil {
		err = replace(was.Sites, now.Sites, func(site fleet.Site) string { return site.ID }, putSite, func(id string) error {
			return fmt.Errorf("cannot arrange roles: the site %s is not theirs to delete", id)
		})
	}
	if err == nil {
		err = replaceTx(tx, s.roles, was.Roles, now.Roles, func(r roles.Role) string { return r.ID })
	}
	if err == nil {
		err = replaceTx(tx, s.assignments, was.Assignments, now.Assignments, assignmentKey)
	}
	if err == nil {
		err = replaceTx(tx, s.handOvers, was.HandOvers, now.HandOvers, func(h roles.HandOver) string { return h.ID })
	}
	if err == nil {
		_, err = s.endSessionsTx(tx, func(session fleet.Session) bool {
			return !now.Exists(session.User) || len(now.Of(session.User).Held) == 0 && len(was.Of(session.User).Held) > 0
		})
	}
	for i := 0; err == nil && i < len(now.Changes); i++ {
		err = s.auditTx(tx, now.Changes[i])
	}
	return err
}

// endSessionsTx deletes the sessions that are over, and returns how many.
func (s *Store) endSessionsTx(tx *storage.Tx, over func(fleet.Session) bool) (int, error) {
	var gone []string
	for hash, session := range s.sessions.AllTx(tx) {
		if over(session) {
			gone = append(gone, hash)
		}
	}
	for _, hash := range gone {
		if err := s.sessions.DeleteTx(tx, hash); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

func assignmentKey(a roles.Assignment) string { return a.User + "\x00" + a.Role + "\x00" + a.Group }

// replaceTx writes what is not as it was.
func replaceTx[T any](tx *storage.Tx, table storage.Table[T], was, now []T, key func(T) string) error {
	return replace(was, now, key, func(k string, v T) error { return table.PutTx(tx, k, v) }, func(k string) error { return table.DeleteTx(tx, k) })
}

func replace[T any](was, now []T, key func(T) string, put func(string, T) error, drop func(string) error) error {
	before := make(map[string]T, len(was))
	for _, v := range was {
		before[key(v)] = v
	}
	for _, v := range now {
		k := key(v)
		old, there := before[k]
		delete(before, k)
		if there && reflect.DeepEqual(old, v) {
			continue
		}
		if err := put(k, v); err != nil {
			return err
		}
	}
	for _, v := range was { // in its order: not in that of a map
		if _, gone := before[key(v)]; gone {
			if err := drop(key(v)); err != nil {
				return err
			}
		}
	}
	return nil
}

func tableAll[T any](s *Store, table storage.Table[T]) ([]T, error) {
	var out []T
	err := s.db.View(func(tx *storage.Tx) error {
		for _, v := range table.AllTx(tx) {
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

// userOfSchema1 is a user as schema 1 kept him: with one role, for some sites or for all.
type userOfSchema1 struct {
	fleet.User
	Role  string   `json:"role"`
	Sites []string `json:"sites"`
}

// assignmentsOfSchema1 turns the roles of schema 1 into assignments: an administrator's into one for the whole hub, another's
// into one for each of his sites, or for all sites that no company has.
func assignmentsOfSchema1(tx *storage.Tx) error {
	users, assignments := storage.NewTable[edited[json.RawMessage]](nil, "users"), storage.NewTable[roles.Assignment](nil, "assignments")
	old := map[string]edited[json.RawMessage]{}
	var names []string
	for name, r := range users.AllTx(tx) {
		old[name] = r
		names = append(names, name)
	}
	for _, name := range names {
		r := old[name]
		var u userOfSchema1
		if err := json.Unmarshal(r.Value, &u); err != nil {
			return fmt.Errorf("cannot read user %s: %w", name, err)
		}
		places := []string{roles.Hub}
		if len(u.Sites) > 0 && u.Role != roles.Administrator {
			places = nil
			for _, site := range u.Sites {
				places = append(places, roles.Site(site))
			}
		}
		for _, place := range places {
			a := roles.Assignment{User: name, Role: u.Role, Group: place, By: r.Edition.By, Since: r.Edition.At}
			if err := assignments.PutTx(tx, assignmentKey(a), a); err != nil {
				return err
			}
		}
		value, err := json.Marshal(u.User)
		if err != nil {
			return err
		}
		if err := users.PutTx(tx, name, edited[json.RawMessage]{r.Edition, value}); err != nil {
			return err
		}
	}
	return nil
}
