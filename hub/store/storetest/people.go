package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

func testPeople(t *testing.T, b Bench) {
	t.Run("users and their sessions", func(t *testing.T) { users(t, b) })
	t.Run("roles and what goes with them", func(t *testing.T) { arrange(t, b) })
	t.Run("the audit is a chain", func(t *testing.T) { audit(t, b) })
}

func users(t *testing.T, b Bench) {
	s := b.New(t)
	anna := fleet.User{Name: "anna", Hash: "$argon2id$", Generation: 3, Made: day}
	ben := fleet.User{Name: "ben", Made: day}
	must[fleet.Edition](t)(s.PutUser(ben, by("root", 0)))
	must[fleet.Edition](t)(s.PutUser(anna, by("root", 0)))
	if _, err := s.PutUser(fleet.User{}, by("root", 0)); err == nil {
		t.Error("a user without a name was stored")
	}
	login := fleet.Session{User: "anna", Generation: 3, Made: day, Seen: day}
	token := fleet.Session{User: "ben", Made: day, Seen: day, Label: "export", Until: day.AddDate(0, 0, 90)}
	old := fleet.Session{User: "anna", Made: day.AddDate(0, 0, -9), Seen: day.AddDate(0, 0, -8)}
	over := fleet.Session{User: "anna", Made: day.AddDate(0, 0, -9), Seen: day, Label: "over", Until: day}
	for hash, session := range map[string]fleet.Session{"h1": login, "h2": token, "h3": old, "h4": over} {
		check(t, s.PutSession(hash, session))
	}
	s = b.Again(t, s)
	if got := must[[]fleet.User](t)(s.Users()); !reflect.DeepEqual(got, []fleet.User{anna, ben}) {
		t.Errorf("users %+v", got)
	}
	if got, known, err := s.User("anna"); err != nil || !known || !reflect.DeepEqual(got, anna) {
		t.Errorf("user %+v, %v, %v", got, known, err)
	}
	if _, known, err := s.User("eve"); err != nil || known {
		t.Errorf("an unknown user: %v, %v", known, err)
	}
	if got, known, err := s.Session("h1"); err != nil || !known || !reflect.DeepEqual(got, login) {
		t.Errorf("session %+v, %v, %v", got, known, err)
	}
	if got := must[map[string]fleet.Session](t)(s.Tokens()); len(got) != 2 || !reflect.DeepEqual(got["h2"], token) {
		t.Errorf("tokens %+v", got)
	}
	if n := must[int](t)(s.ForgetSessions(day.AddDate(0, 0, -7), day)); n != 2 {
		t.Errorf("%d sessions forgotten", n)
	}
	if _, known, _ := s.Session("h3"); known {
		t.Error("a login that is not used is there still")
	}
	_, seen, err := s.UserToEdit("ben")
	check(t, err)
	check(t, s.DeleteUser("ben", by("anna", seen.Number)))
	if _, known, _ := s.Session("h2"); known {
		t.Error("the token of a user who is gone is there still")
	}
	if err := s.DeleteUser("ben", by("anna", fleet.AnyEdition)); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("deleted twice: %v", err)
	}
	check(t, s.DeleteSession("h1"))
	check(t, s.DeleteSession("h1"))
	if _, known, _ := s.Session("h1"); known {
		t.Error("a session that was ended is there still")
	}
}

func audit(t *testing.T, b Bench) {
	s := b.New(t)
	if n, err := s.VerifyChanges(t.Context()); n != 0 || err != nil {
		t.Errorf("an empty audit: %d, %v", n, err)
	}
	if err := s.Note(fleet.Change{Who: "anna"}); err == nil {
		t.Error("a change that says nothing was noted")
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				if err := s.Note(fleet.Change{
					At: day.Add(time.Duration(i) * time.Second), Who: []string{"anna", "ben", "eve", "root"}[w], Via: "api", What: []string{"site.changed", "user.made"}[i%2],
					Site: []string{"north", ""}[i%2], Object: fmt.Sprint("object ", i), Detail: "Türe „links“", Before: "a", After: "b", Chain: "set by nobody", Number: 99,
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s = b.Again(t, s)
	if n := must[uint64](t)(s.VerifyChanges(t.Context())); n != 40 {
		t.Errorf("%d entries are whole", n)
	}
	var all []fleet.Change
	for q := (fleet.ChangeQuery{Limit: 7}); ; {
		page, next, err := s.Changes(q)
		check(t, err)
		all = append(all, page...)
		if q.Before = next; next == 0 {
			break
		}
	}
	chains := map[string]bool{}
	for i, c := range all {
		if c.Number != uint64(40-i) || len(c.Chain) < 32 || chains[c.Chain] || c.Detail == "" || c.Before != "a" {
			t.Errorf("entry %d from the end is %+v", i, c)
		}
		chains[c.Chain] = true
	}
	if len(all) != 40 {
		t.Errorf("%d entries on all pages", len(all))
	}
	for _, c := range []struct {
		q    fleet.ChangeQuery
		want int
	}{
		{fleet.ChangeQuery{Who: "ben"}, 10}, {fleet.ChangeQuery{What: "site."}, 20}, {fleet.ChangeQuery{What: "site"}, 0}, {fleet.ChangeQuery{Site: "north", Who: "eve"}, 5},
		{fleet.ChangeQuery{Text: "OBJECT 3"}, 4}, {fleet.ChangeQuery{Text: "türe"}, 40}, {fleet.ChangeQuery{Before: 11}, 10},
	} {
		if got, _, err := s.Changes(c.q); err != nil || len(got) != c.want {
			t.Errorf("%+v: %d found, %v", c.q, len(got), err)
		}
	}
}
