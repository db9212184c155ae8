package web

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// archiveFake notes what it was asked.
type archiveFake struct{ asked []string }

func (a *archiveFake) ErasePerson(_ context.Context, id, name, by string) (int, error) {
	a.asked = append(a.asked, "erase "+id+" "+name+" by "+by)
	return 1, nil
}

func (a *archiveFake) Tidy(_ context.Context, by string) (JournalTidied, error) {
	a.asked = append(a.asked, "tidy by "+by)
	if len(a.asked) > 1 {
		return JournalTidied{}, fmt.Errorf("the clock is not trusted: %w", ErrConflict)
	}
	return JournalTidied{Erased: 3, Deleted: 5}, nil
}

func TestAPersonIsErasedFromTheJournalWhenThatIsAskedFor(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	h.people["p1"], h.people["p2"] = Person{ID: "p1", Name: "Ada"}, Person{ID: "p2", Name: "Bo"}
	if got := c.do("DELETE", "/api/v1/people/p1", "", ""); got.status != 204 || len(h.archive.asked) != 0 {
		t.Error(got, h.archive.asked)
	}
	if got := c.do("DELETE", "/api/v1/people/p2?journal=perhaps", "", ""); got.status != 400 || len(h.people) != 1 {
		t.Error(got)
	}
	if got := c.do("DELETE", "/api/v1/people/p2?journal=erase", "", ""); got.status != 204 || !slices.Equal(h.archive.asked, []string{"erase p2 Bo by installer"}) {
		t.Error(got, h.archive.asked)
	}
	if got := c.do("DELETE", "/api/v1/people/p2?journal=erase", "", ""); got.status != 404 || len(h.archive.asked) != 1 {
		t.Error(got)
	}
}

func TestAnAdministratorTidiesTheJournal(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	installer := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	if got := installer.post("/api/v1/journal/tidy", ""); got.status != 403 || len(h.archive.asked) != 0 {
		t.Error(got)
	}
	c := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	if got := c.post("/api/v1/journal/tidy", ""); got.status != 200 || got.body != `{"persons_erased":3,"entries_deleted":5}`+"\n" {
		t.Error(got)
	}
	if got := c.post("/api/v1/journal/tidy", ""); got.status != 409 {
		t.Error(got)
	}
}
