package pools_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

var unbound = ledger.Limits{}

// counted is how the buttons of a group stand: assigned, and working.
func (w *world) counted(group string) (used, active int) {
	c := w.kept.book.groups[group].Count
	return c.Used[ledger.Buttons], c.Active[ledger.Buttons]
}

func TestAnAllotmentPastAGroupsLimitIsRefusedInTheWordsOfTheTree(t *testing.T) {
	w := newWorld(2)
	w.plant(unbound, most(50, time.Time{}))
	id := w.pool(1, 80)
	a, b := w.panels[0], w.panels[1]
	if out := w.allot(id, a, 50); out.Result != "activated" {
		t.Fatal(out)
	}
	if out := w.allot(id, b, 1); out.Result != "blocked by Building 7: 50 of 50 used" {
		t.Errorf("%+v", out)
	}
	ask := fleet.PoolAsk{License: id, Panel: b.record.ID, Count: 1, Preview: true}
	if _, err := w.pools.Allot(context.Background(), ask); err == nil || err.Error() != "blocked by Building 7: 50 of 50 used" {
		t.Errorf("the preview: %v", err)
	}
	if used, _ := w.counted("company"); used != 50 {
		t.Errorf("the company counts %d", used)
	}
	w.settle()
	if a.buttons() != 50 || b.buttons() != 0 {
		t.Errorf("A uses %d, B %d", a.buttons(), b.buttons())
	}
}

func TestWhatIsLoweredIsFreeInTheTreeOnlyWhenThePanelHasGivenItBack(t *testing.T) {
	w := newWorld(2)
	w.plant(unbound, most(50, time.Time{}))
	id := w.pool(1, 80)
	a, b := w.panels[0], w.panels[1]
	w.allot(id, a, 50)
	w.settle()
	a.online = false
	w.allot(id, a, 30)
	w.settle()
	if out := w.allot(id, b, 20); out.Result != "blocked by Building 7: 50 of 50 used" {
		t.Errorf("before the panel has given them back: %+v", out)
	}
	a.connect()
	w.settle()
	if used, _ := w.counted("building"); used != 30 {
		t.Errorf("%d are counted", used)
	}
	if out := w.allot(id, b, 20); out.Result != "activated" {
		t.Errorf("%+v", out)
	}
}

func TestABlockThatEndsLowersTheSharesAndTheNextBringsThemBack(t *testing.T) {
	w := newWorld(3)
	until := w.now.Add(24 * time.Hour)
	limits := most(20, time.Time{})
	limits.Blocks = append(limits.Blocks, ledger.Block{ID: "more", Counts: ledger.Buttons.Of(30), Until: until})
	w.plant(unbound, limits)
	id := w.pool(1, 80)
	for i, n := range []int{15, 15, 20} {
		w.now = w.now.Add(time.Minute)
		w.allot(id, w.panels[i], n)
	}
	w.settle()
	away := w.panels[2]
	away.online = false
	w.now = until
	w.must(ledger.Tick{})
	w.settle()
	if a, b := w.panels[0].buttons(), w.panels[1].buttons(); a != 15 || b != 5 {
		t.Errorf("after the end A uses %d, B %d", a, b)
	}
	if s := w.share(id, away); s.Suspended != 20 || !s.Waiting || s.Asked != 20 || s.Has != 20 {
		t.Errorf("the one that is away: %+v", s)
	}
	if out := w.allot(id, w.panels[0], 16); out.Result != "blocked by Building 7: 50 of 20 used" {
		t.Errorf("%+v", out)
	}
	away.connect()
	w.settle()
	if away.buttons() != 0 {
		t.Errorf("it is back and uses %d", away.buttons())
	}
	w.must(ledger.SaveLicenses{Above: true, Group: "building", Limits: most(50, time.Time{})})
	w.settle()
	if a, b, c := w.panels[0].buttons(), w.panels[1].buttons(), away.buttons(); a != 15 || b != 15 || c != 20 {
		t.Errorf("after the renewal %d, %d, %d", a, b, c)
	}
}

func TestAPanelThatComesBelowAGroupWithWhatItHasIsTheNewest(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	id := w.pool(1, 80)
	if out := w.allot(id, b, 40); out.Result != "activated" { // below no group: as many as there are
		t.Fatal(out)
	}
	w.settle()
	w.must(ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "Company", Limits: most(50, time.Time{})}})
	w.sites[0].Group = "company"
	if out := w.allot(id, b, 41); out.Result != string(license.NotPossible) || out.Title != "Not registered yet" {
		t.Errorf("below a group that does not know it yet: %+v", out)
	}
	w.register(a, "company")
	w.now = w.now.Add(time.Minute)
	w.allot(id, a, 30)
	w.now = w.now.Add(time.Minute)
	w.register(b, "company")
	w.settle()
	if a.buttons() != 30 || b.buttons() != 20 {
		t.Errorf("A uses %d, B %d", a.buttons(), b.buttons())
	}
	if used, active := w.counted("company"); used != 70 || active != 50 {
		t.Errorf("the company counts %d, %d of them active", used, active)
	}
	w.must(ledger.RemoveDevice{ID: b.record.ID}) // its site hangs below no group any more
	w.sites[0].Group = ""
	w.settle()
	if b.buttons() != 40 {
		t.Errorf("below no group B uses %d", b.buttons())
	}
}

func TestAnAllotmentIsKeptWithWhatTheTreeCountsOrNotAtAll(t *testing.T) {
	w := newWorld(1)
	w.plant(unbound, most(50, time.Time{}))
	id := w.pool(1, 80)
	w.broken = true
	w.allot(id, w.panels[0], 20)
	if used, _ := w.counted("building"); used != 0 {
		t.Errorf("nothing was given and %d are counted", used)
	}
	w.broken = false
	w.allot(id, w.panels[0], 20)
	w.settle()
	w.allot(id, w.panels[0], 10)
	w.panels[0].connect()
	w.broken = true
	w.settle()
	if used, _ := w.counted("building"); used != 20 {
		t.Errorf("nothing could be kept and %d are counted", used)
	}
	w.broken = false
	w.settle()
	if used, _ := w.counted("building"); used != 10 {
		t.Errorf("%d are counted", used)
	}
}

func TestAHubThatWasRestoredCountsWhatPanelsTellThatTheyHave(t *testing.T) {
	w := newWorld(2)
	w.plant(unbound, most(50, time.Time{}))
	id := w.pool(1, 80)
	w.allot(id, w.panels[0], 30)
	w.settle()
	old := w.kept.clone()
	w.allot(id, w.panels[1], 20)
	w.settle()
	w.now = w.now.Add(time.Hour)
	w.setBack(old)
	w.must(ledger.SaveLicenses{Above: true, Group: "building", Limits: most(40, time.Time{})})
	for _, u := range w.panels {
		u.connect()
	}
	w.settle()
	w.now = w.now.Add(time.Hour)
	w.settle()
	if used, active := w.counted("building"); used != 50 || active != 40 || w.panels[1].buttons() != 10 {
		t.Errorf("%d are counted, %d of them active; B uses %d", used, active, w.panels[1].buttons())
	}
}

// Whatever is edited, ends, moves, is lost, killed or set back: panels below a group are never given more than it may hand out, and when
// all have answered they use no more.
func TestPanelsBelowAGroupNeverGetMoreThanItMayHandOut(t *testing.T) {
	histories(t, 1, func(rt *rapid.T) {
		w := newWorld(3)
		const sold = 8
		one, two := w.pool(1, sold), w.pool(2, sold)
		draw := func(what string, from, to int) int { return rapid.IntRange(from, to).Draw(rt, what) }
		limits := func() ledger.Limits {
			l := most(draw("limit", 0, sold), time.Time{})
			if rapid.Bool().Draw(rt, "ends") {
				l.Blocks = append(l.Blocks, ledger.Block{ID: "more", Counts: ledger.Buttons.Of(draw("more", 1, sold)), Until: w.now.Add(time.Duration(draw("hours", 1, 5)) * time.Hour)})
			}
			l.Restricted = draw("restricted", 0, 3) > 0
			return l
		}
		w.plant(limits(), unbound)
		w.must(ledger.CreateGroup{Group: ledger.Group{ID: "annex", Parent: "company", Name: "Annex", Level: "building"}})
		backups := []kept{w.kept.clone()}
		for range draw("steps", 4, 16) {
			w.now = w.now.Add(time.Duration(draw("minutes", 1, 90)) * time.Minute)
			u := w.panels[draw("panel", 0, len(w.panels)-1)]
			id := rapid.SampledFrom([]string{one, two}).Draw(rt, "license")
			group := rapid.SampledFrom([]string{"company", "building", "annex"}).Draw(rt, "group")
			order, answer := draw("order", 0, 4) == 0, draw("answer", 0, 4) == 0
			w.lose = func() (bool, bool) { return order, answer }
			before := w.held(rt, one, two)
			bounded := false // what follows may take a group past its limit only by what was there already
			what := rapid.SampledFrom([]string{"allot", "allot", "allot", "edit", "edit", "tick", "round", "round", "deliver", "connect", "away", "kill", "disk", "pin", "move", "back"}).Draw(rt, "what")
			switch what {
			case "allot":
				w.allot(id, u, draw("count", 0, sold))
				bounded = true
			case "edit":
				_ = w.decide(ledger.SaveLicenses{Above: true, Group: group, Limits: limits(), Clip: true})
			case "tick":
				w.must(ledger.Tick{})
			case "round":
				if err := w.pools.Round(context.Background()); err != nil && !w.broken {
					rt.Fatal(err)
				}
				bounded = true
			case "deliver":
				u.deliver()
			case "connect":
				u.boot++
				u.connect()
			case "away":
				u.online = false
			case "kill":
				w.start()
			case "disk":
				w.broken = !w.broken
			case "pin":
				_ = w.decide(ledger.Pin{Use: ledger.ShareID(id, u.record.ID), On: draw("on", 0, 1) == 1})
			case "move":
				if draw("out", 0, 3) == 0 {
					_ = w.decide(ledger.RemoveDevice{ID: u.record.ID})
				} else {
					w.register(u, group)
				}
			case "back":
				w.setBack(backups[draw("to", 0, len(backups)-1)])
			}
			backups = append(backups, w.kept.clone())
			w.checkTree(rt, what, bounded, before, w.held(rt, one, two))
			check(rt, w, 2*sold, what)
		}
		w.lose, w.broken = func() (bool, bool) { return false, false }, false
		for _, u := range w.panels {
			u.boot++
			u.online = true
		}
		for range 3 {
			w.settle()
			w.now = w.now.Add(2 * time.Hour)
			w.must(ledger.Tick{})
		}
		w.settle()
		used := map[string]int{}
		for _, u := range w.panels {
			works := 0
			for _, id := range []string{one, two} {
				s := w.share(id, u)
				works += s.Has
				if s.Waiting || s.Has != s.Asked-s.Suspended && w.free(id) > 0 {
					rt.Fatalf("%s: %+v", u.record.Name, s)
				}
			}
			if works != u.buttons() {
				rt.Fatalf("%s uses %d buttons, the hub says %d", u.record.Name, u.buttons(), works)
			}
			for _, g := range w.above(u) {
				used[g] += works
			}
		}
		for _, g := range []string{"company", "building", "annex"} {
			if limit := w.limit(g); used[g] > limit {
				rt.Fatalf("all have answered and below %s %d of %d are used", g, used[g], limit)
			}
			counted, active := w.counted(g)
			if active > w.limit(g) || active > counted {
				rt.Fatalf("%s counts %d, %d of them active, of %d", g, counted, active, w.limit(g))
			}
		}
	})
}

func (w *world) free(id string) int {
	v, err := w.pools.Show(id)
	if err != nil {
		panic(err)
	}
	return v.Features[0].Free
}

// above are the groups above a panel.
func (w *world) above(u *unit) (list []string) {
	for g := w.kept.book.devices[u.record.ID].Group; g != ""; g = w.kept.book.groups[g].Parent {
		list = append(list, g)
	}
	return list
}

// limit is how many buttons a group may hand out now.
func (w *world) limit(group string) (sum int) {
	g := w.kept.book.groups[group]
	if !g.Restricted {
		return ledger.Unlimited
	}
	for _, b := range g.Blocks {
		if b.Until.IsZero() || w.now.Before(b.Until) {
			sum += b.Counts[ledger.Buttons]
		}
	}
	return sum
}

// held is what the panels below each group have, by what was signed.
func (w *world) held(rt *rapid.T, ids ...string) map[string]int {
	sums := map[string]int{}
	for _, id := range ids {
		v, err := w.pools.Show(id)
		if err != nil {
			rt.Fatal(err)
		}
		for _, s := range v.Features[0].Shares {
			for _, g := range w.above(w.unit(s.Panel)) {
				sums[g] += s.Has
			}
		}
	}
	return sums
}

// checkTree holds what the hub gave to the limits: past a limit it may only be by what panels have not given back yet.
func (w *world) checkTree(rt *rapid.T, after string, bounded bool, before, now map[string]int) {
	for _, g := range []string{"company", "building", "annex"} {
		if limit := w.limit(g); bounded && now[g] > limit && now[g] > before[g] {
			rt.Fatalf("after %s panels below %s have %d of %d, before %d", after, g, now[g], limit, before[g])
		}
		own := w.kept.book.groups[g]
		if !slices.ContainsFunc(own.Blocks, func(b ledger.Block) bool {
			return !b.Until.IsZero() && !w.now.Before(b.Until) && w.kept.book.mark.At.Before(b.Until)
		}) {
			if _, active := w.counted(g); active > w.limit(g) {
				rt.Fatalf("after %s %s has %d active of %d", after, g, active, w.limit(g))
			}
		}
	}
}
