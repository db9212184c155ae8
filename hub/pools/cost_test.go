package pools_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// shared is a world in which so many panels have something of a pool and gave some of it back.
func shared(panels int) (w *world, id string) {
	w = newWorld(panels)
	id = w.pool(1, 1000)
	for _, count := range []int{3, 1} {
		for _, u := range w.panels {
			w.allot(id, u, count)
		}
		w.settle()
	}
	return w, id
}

func TestWorkOfARoundGrowsWithTheSharesAndNotWithTheirSquare(t *testing.T) {
	work := func(panels int) float64 {
		w, _ := shared(panels)
		return testing.AllocsPerRun(3, func() {
			if err := w.pools.Round(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := work(5), work(20); many > 6*few {
		t.Errorf("a round over 5 shares allocates %.0f times, over 20 shares %.0f times", few, many)
	}
}

func TestOnePoolIsShownWithoutLookingAtTheOthers(t *testing.T) {
	w, id := shared(2)
	show := func() float64 {
		w.now = w.now.Add(2 * time.Hour) // everything is to be verified again
		return testing.AllocsPerRun(1, func() {
			w.now = w.now.Add(2 * time.Hour)
			if _, err := w.pools.Show(id); err != nil {
				t.Fatal(err)
			}
		})
	}
	alone := show()
	for n := range byte(20) {
		w.pool(2+n, 10)
	}
	if among := show(); among > 1.5*alone {
		t.Errorf("alone %.0f allocations, among 20 others %.0f", alone, among)
	}
}

func TestShownPoolFollowsWhatChanges(t *testing.T) {
	w := newWorld(1)
	text := w.sell(1, license.Token{
		Scope: license.ScopePanel, Expires: w.now.Add(40 * 24 * time.Hour), Grants: []license.Grant{{Feature: license.Buttons, Count: 10}},
	})
	id := w.enter(text).License
	free := func(want int, status string) {
		t.Helper()
		v, err := w.pools.Show(id)
		if err != nil || len(v.Features) != 1 || v.Features[0].Free != want || v.Status != status {
			t.Errorf("want %d free and %s, got %+v, %v", want, status, v, err)
		}
	}
	free(10, "active")
	w.allot(id, w.panels[0], 4)
	free(6, "active")
	list, err := license.Revocation{Number: 1, IssuedAt: w.now, Tokens: map[license.TokenID]time.Time{{1, 9}: w.now}}.Sign(pub(w.root), signer(w.root))
	if err != nil {
		t.Fatal(err)
	}
	w.revoked = [][]byte{list}
	free(0, "revoked")
	w.revoked = nil
	free(6, "active")
	w.now = w.now.Add(10*24*time.Hour - time.Minute)
	free(6, "active")
	w.now = w.now.Add(2 * time.Minute)
	free(6, "ending")
	w.now = w.now.Add(30 * 24 * time.Hour)
	free(0, "ended")
	w.now = w.now.Add(-60 * 24 * time.Hour) // the clock was wrong
	if v, err := w.pools.Show(id); err != nil || v.Status == "ended" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.pools.Show(strings.Repeat("0", 32)); err == nil {
		t.Error("a pool that there is not is shown")
	}
}
