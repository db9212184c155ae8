package pools_test

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license"
)

// histories runs a property over random histories: as many as -rapid.checks says, else so many hundreds.
func histories(t *testing.T, hundreds int, property func(*rapid.T)) {
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "rapid.checks" {
			hundreds = 1
		}
	})
	for range hundreds {
		rapid.Check(t, property)
	}
}

// Whatever is asked, lost, killed or set back: what all panels use together is never more than what was sold.
func TestPanelsNeverUseMoreThanWasSold(t *testing.T) {
	histories(t, 1, func(rt *rapid.T) {
		lossy := rapid.Bool().Draw(rt, "lossy")
		hubGoesBack := rapid.Bool().Draw(rt, "the hub goes back, else panels do")
		w := newWorld(3)
		const sold = 8
		text := w.sell(1, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: sold}}})
		id := license.TokenID{1, 9}.String()
		steps := []string{"allot", "allot", "allot", "round", "round", "deliver", "connect", "away", "kill", "back", "disk"}
		// Somebody photographed the code: panels scan it themselves, before and after it is entered at the hub.
		scanned := rapid.Bool().Draw(rt, "panels scan the code")
		if scanned {
			steps = append(steps, "enter", "enter", "scan", "scan")
			if hubGoesBack { // a panel whose store goes back to before a release has the license again
				steps = append(steps, "undo", "undo")
			}
		} else {
			w.enter(text)
		}
		codes := []string{text}
		backups := []kept{w.kept.clone()}
		old := map[*unit][][]license.Document{}
		for range rapid.IntRange(4, 14).Draw(rt, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "minutes")) * time.Minute)
			u := w.panels[rapid.IntRange(0, len(w.panels)-1).Draw(rt, "panel")]
			what := rapid.SampledFrom(steps).Draw(rt, "what")
			if lossy {
				order, answer := rapid.Bool().Draw(rt, "order lost"), rapid.Bool().Draw(rt, "answer lost")
				w.lose = func() (bool, bool) { return order, answer }
			}
			switch what {
			case "allot":
				w.allot(id, u, rapid.IntRange(0, sold+1).Draw(rt, "count"))
			case "round":
				if err := w.pools.Round(context.Background()); err != nil && !w.broken {
					rt.Fatal(err)
				}
			case "enter":
				w.enter(text)
			case "scan":
				if u.scan(rapid.SampledFrom(codes).Draw(rt, "code")); rapid.Bool().Draw(rt, "told at once") {
					u.deliver()
				}
			case "undo":
				if v := license.Undo(u.ring(), u.panel(), w.clock(), u.docs, license.TokenID{1, 9}); v.Sign != nil {
					codes = append(codes, u.undo(license.TokenID{1, 9}))
				}
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
			case "back":
				if hubGoesBack {
					w.setBack(backups[rapid.IntRange(0, len(backups)-1).Draw(rt, "to")])
				} else if then := old[u]; len(then) > 0 {
					u.docs = slices.Clone(then[rapid.IntRange(0, len(then)-1).Draw(rt, "to")])
					u.astray, u.online = true, false
				}
			}
			backups = append(backups, w.kept.clone())
			old[u] = append(old[u], slices.Clone(u.docs))
			if !scanned { // what two use before both are connected, nobody can know
				check(rt, w, sold, what)
			}
		}
		// In the end, with everybody there, everything is as it was asked and nothing that was sold is lost.
		w.lose, w.broken = func() (bool, bool) { return false, false }, false
		for _, u := range w.panels {
			u.boot++
			u.online = true
		}
		w.settle()
		check(rt, w, sold, "settle")
		w.now = w.now.Add(2 * time.Hour)
		w.settle()
		check(rt, w, sold, "the last settle")
		v, err := w.pools.Show(id)
		if scanned && (err != nil || v.Status == string(license.Elsewhere)) {
			claimed(rt, w, sold, len(codes) > 1)
			return
		}
		if err != nil || v.Held != "" {
			rt.Fatalf("it is still held back: %q, %v", v.Held, err)
		}
		sum := v.Features[0].Free
		for _, s := range v.Features[0].Shares {
			if s.Waiting || s.Has != w.unit(s.Panel).buttons() {
				rt.Fatalf("%s has %d buttons and the hub says %+v", s.Name, w.unit(s.Panel).buttons(), s)
			}
			sum += s.Has
		}
		if sum != sold {
			rt.Fatalf("%d of %d are accounted for: %+v", sum, sold, v.Features[0])
		}
	})
}

// claimed holds that of a license which no pool holds one panel has all, or nobody anything when it was given up.
func claimed(rt *rapid.T, w *world, sold int, released bool) {
	var counts []int
	for _, u := range w.panels {
		if n := u.buttons(); n > 0 {
			counts = append(counts, n)
		}
	}
	if len(w.kept.claims) > 0 && !(released && len(counts) == 0) && !slices.Equal(counts, []int{sold}) {
		rt.Fatalf("of a license for %d panels have %v", sold, counts)
	}
}

func check(rt *rapid.T, w *world, sold int, after string) {
	sum := 0
	for _, u := range w.panels {
		if !u.astray { // its whole data were set back: until it is connected nobody can know
			sum += u.buttons()
		}
	}
	if sum > sold {
		rt.Fatalf("after %s %d of %d are used", after, sum, sold)
	}
}
