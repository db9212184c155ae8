package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// arrange holds that what roles hang on changes in one step or not at all, with its audit, and that sessions end with it.
func arrange(t *testing.T, b Bench) {
	s := b.New(t)
	must[fleet.Edition](t)(s.PutSite(fleet.Site{ID: "north", Zone: "Europe/Berlin", Created: day}, by("root", 0)))
	must[fleet.Edition](t)(s.PutUser(fleet.User{Name: "root", Made: day}, by("root", 0)))
	guard := roles.Role{ID: "guard", Title: "Guard", Rights: []roles.Right{roles.Monitor}}
	root := roles.Assignment{User: "root", Role: roles.Administrator, Group: roles.Hub, By: "root", Since: day}
	ben := roles.Assignment{User: "ben", Role: "guard", Group: roles.Site("north"), By: "root", Since: day}
	bent := roles.Assignment{User: "bent", Role: roles.Viewer, Group: roles.Hub, By: "root", Since: day}
	asked := roles.HandOver{ID: "h1", Group: "acme", From: []string{"ben"}, To: "bent", Role: roles.Dealer, State: roles.Asked, Asked: day}
	check(t, s.Arrange(func(a *roles.Arrangement) error {
		a.Users = append(a.Users, fleet.User{Name: "ben", Made: day}, fleet.User{Name: "bent", Made: day})
		a.Roles = append(a.Roles, guard)
		a.Assignments = append(a.Assignments, root, bent, ben)
		a.HandOvers = append(a.HandOvers, asked)
		a.Sites[0].Group = "acme"
		a.Changes = append(a.Changes, fleet.Change{Who: "root", What: "roles.given", At: day}, fleet.Change{Who: "root", What: "site.moved", At: day})
		return nil
	}))
	for hash, user := range map[string]string{"h1": "root", "h2": "ben", "h3": "bent"} {
		check(t, s.PutSession(hash, fleet.Session{User: user, Made: day, Seen: day}))
	}
	s = b.Again(t, s)
	if got := must[[]roles.Role](t)(s.Roles()); !reflect.DeepEqual(got, []roles.Role{guard}) {
		t.Errorf("roles %+v", got)
	}
	if got := must[[]roles.Assignment](t)(s.Assignments("")); !reflect.DeepEqual(got, []roles.Assignment{ben, bent, root}) {
		t.Errorf("assignments %+v", got)
	}
	if got := must[[]roles.Assignment](t)(s.Assignments("ben")); !reflect.DeepEqual(got, []roles.Assignment{ben}) {
		t.Errorf("ben's assignments %+v", got)
	}
	if got := must[[]roles.HandOver](t)(s.HandOvers()); !reflect.DeepEqual(got, []roles.HandOver{asked}) {
		t.Errorf("hand-overs %+v", got)
	}
	if site, _, err := s.Site("north"); err != nil || site.Group != "acme" || site.Zone == "" {
		t.Errorf("the site is %+v, %v", site, err)
	}

	no := errors.New("no")
	if err := s.Arrange(func(a *roles.Arrangement) error {
		a.Remove("root")
		a.Roles[0].Title, a.Sites[0].Group = "Nobody", ""
		a.Changes = append(a.Changes, fleet.Change{Who: "eve", What: "user.removed"})
		return no
	}); !errors.Is(err, no) {
		t.Errorf("a refused change: %v", err)
	}
	if err := s.Arrange(func(a *roles.Arrangement) error {
		a.Remove("ben")
		a.Sites = nil
		return nil
	}); err == nil {
		t.Error("a site was deleted by way of the roles")
	}
	if err := s.Arrange(func(a *roles.Arrangement) error {
		a.Sites[0].Group = roles.Site("south")
		return nil
	}); err == nil {
		t.Error("a site hangs below a site: it is in no company, and whoever has a role there has it here")
	}
	if got := must[[]roles.Assignment](t)(s.Assignments("")); len(got) != 3 {
		t.Errorf("after refused changes: %+v", got)
	}
	if changes, _, err := s.Changes(fleet.ChangeQuery{}); err != nil || slices.ContainsFunc(changes, func(c fleet.Change) bool { return c.Who == "eve" }) {
		t.Errorf("the audit says %+v, %v", changes, err)
	}

	check(t, s.Arrange(func(a *roles.Arrangement) error {
		a.Remove("ben")
		a.Assignments = slices.DeleteFunc(a.Assignments, bent.Same)
		a.Roles, a.HandOvers = nil, nil
		return nil
	}))
	for hash, want := range map[string]bool{"h1": true, "h2": false, "h3": false} {
		if _, known, err := s.Session(hash); err != nil || known != want {
			t.Errorf("session %s is there: %t, %v", hash, known, err)
		}
	}
	if _, known, _ := s.User("ben"); known || len(must[[]roles.Role](t)(s.Roles()))+len(must[[]roles.HandOver](t)(s.HandOvers())) != 0 {
		t.Error("what was taken out is there still")
	}
	must[fleet.Edition](t)(s.PutUser(fleet.User{Name: "ben"}, by("root", 0)))
	if got := must[[]roles.Assignment](t)(s.Assignments("ben")); len(got) != 0 {
		t.Errorf("a new user of an old name has %+v", got)
	}
	check(t, s.Arrange(func(a *roles.Arrangement) error {
		a.Assignments = append(a.Assignments, ben)
		return nil
	}))
	check(t, s.DeleteUser("ben", by("root", fleet.AnyEdition)))
	if got := must[[]roles.Assignment](t)(s.Assignments("ben")); len(got) != 0 {
		t.Errorf("a user who is gone has %+v", got)
	}

	// Two who take each other's role away at the same time: one of them stays.
	check(t, s.Arrange(func(a *roles.Arrangement) error {
		for i := range 8 {
			name := fmt.Sprint("admin", i)
			a.Users = append(a.Users, fleet.User{Name: name})
			a.Assignments = append(a.Assignments, roles.Assignment{User: name, Role: roles.Administrator, Group: roles.Hub})
		}
		a.Remove("root")
		return nil
	}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_ = s.Arrange(func(a *roles.Arrangement) error { // one of them is refused
				a.Remove(fmt.Sprint("admin", i))
				return roles.CheckAll(a, true, nil, func(string) (roles.Path, bool) { return nil, true })
			})
		})
	}
	wg.Wait()
	if left := roles.ServerAdministrators(must[[]roles.Assignment](t)(s.Assignments(""))); len(left) != 1 {
		t.Errorf("%q are server administrators still", left)
	}
}
