package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// on tells that a block that is active has a feature.
func on(l ledger.Limits, feature string, at time.Time) bool {
	return !l.Restricted || slices.ContainsFunc(l.Blocks, func(b ledger.Block) bool {
		return !at.Before(b.From) && (b.Until.IsZero() || at.Before(b.Until)) && slices.Contains(b.Features, feature)
	})
}

// more tells that settings give something that others do not, at an instant with so many panels.
func more(old, next ledger.Limits, devices int, at time.Time) bool {
	was, is := naiveOwn(old, devices, at), naiveOwn(next, devices, at)
	for r := range is {
		if is[r] > was[r] {
			return true
		}
	}
	return on(next, "guests", at) && !on(old, "guests", at) || old.Restricted && !next.Restricted || old.Restricted && old.Mode == ledger.Reserved && next.Mode != ledger.Reserved
}

// TestWhatDoesNotWidenNeverGivesMore compares random settings at every instant, with the panels of now and with any number of further ones.
func TestWhatDoesNotWidenNeverGivesMore(t *testing.T) {
	histories(t, 3_000, func(t *rapid.T) {
		h := &history{T: t, now: start}
		settings := func() ledger.Limits {
			l := h.aLimits()
			for i := range l.Blocks {
				if h.some("guests", 1) == 0 {
					l.Blocks[i].Features = []string{"guests"}
				}
			}
			return l
		}
		old, next, devices := settings(), settings(), h.some("devices", 3)
		if h.some("alike", 2) == 0 {
			next = ledger.Limits{Restricted: old.Restricted, Mode: old.Mode, Blocks: slices.Clone(old.Blocks)}
			for i := range next.Blocks {
				b := &next.Blocks[i]
				b.Counts[ledger.SIPNumbers] = max(0, b.Counts[ledger.SIPNumbers]+h.some("numbers", 2)-1)
				b.Until = b.Until.Add(time.Duration(h.some("hours", 2)-1) * time.Hour)
			}
		}
		w, wider := ledger.Widens(old, next, devices, start)
		instants := []time.Time{start}
		for _, b := range slices.Concat(old.Blocks, next.Blocks) {
			instants = append(instants, b.From, b.Until)
		}
		found := false
		for _, at := range instants {
			for _, panels := range []int{devices, devices + 1, devices + 100} {
				found = found || !at.Before(start) && more(old, next, panels, at)
			}
		}
		if found != wider {
			t.Fatalf("from %+v to %+v with %d panels: wider %v (%+v), at some instant %v", old, next, devices, wider, w, found)
		}
		if wider && (w.At.Before(start) || !more(old, next, devices, w.At) && !more(old, next, devices+100, w.At)) {
			t.Fatalf("from %+v to %+v: nothing is wider at %v (%+v)", old, next, w.At, w)
		}
	})
}

func TestNobodyRaisesHisOwnLimit(t *testing.T) {
	ends := start.AddDate(1, 0, 0)
	given := blocks{block("b", pairs(10, 4), "guests")}.until(ends)
	lower, raised, longer, shorter, more, less, promised := given, given, given, given, given, given, limits(given)
	lower.Counts, raised.Counts = pairs(9, 4), pairs(11, 4)
	longer.Until, shorter.Until = ends.Add(1), ends.Add(-1)
	more.Features, less.Features = []string{"guests", "remote_open"}, nil
	promised.Mode = ledger.Reserved
	reminded := limits(given)
	reminded.Reminder = &ledger.Reminder{Days: 3}
	later := block("later", pairs(1, 1))
	later.From = start.AddDate(0, 6, 0)
	rest := block("rest", pairs(0, 0))
	rest.From = shorter.Until
	earlier := given
	earlier.From = start.AddDate(0, 1, 0)
	from := given
	from.From = start.AddDate(0, 2, 0)
	for _, c := range []struct {
		name      string
		old, next ledger.Limits
		refused   string // "" = it is saved
	}{
		{"the same", limits(given), limits(given), ""},
		{"fewer", limits(given), limits(lower), ""},
		{"another reminder", limits(given), reminded, ""},
		{"fewer features", limits(given), limits(less), ""},
		{"a restriction where there was none", ledger.Limits{}, limits(raised), ""},
		{"reserved", limits(given), promised, ""},
		{"a later beginning, and nothing before", limits(earlier), limits(from), "would stand on Basic"},
		{"an end that is earlier, and nothing after", limits(given), limits(shorter, rest), ""},
		{"an end that is earlier, and Basic after", limits(given), limits(shorter), "would stand on Basic from 2027-03-02 08:59 on, which grows with its panels (a license of 0 would be less): only whoever gives out licenses above it can give it more; ask Ms. Bianchi"},
		{"no license at all", limits(given), limits(), "would stand on Basic"},
		{"Basic less than that", limits(), limits(block("b", pairs(1, 1))), ""},
		{"Basic more than that", limits(), limits(block("b", pairs(3, 1))), "a would have 3 SIP numbers instead of 2: only"},
		{"more", limits(given), limits(raised), "a would have 11 SIP numbers instead of 10: only whoever gives out licenses above it can give it more; ask Ms. Bianchi"},
		{"a second license", limits(given), limits(given, later), "a would have 11 SIP numbers instead of 10 from 2026-09-02 09:00 on"},
		{"longer", limits(given), limits(longer), "instead of 2 from 2027-03-02 09:00 on"},
		{"earlier", limits(from), limits(earlier), "from 2026-04-02 09:00 on"},
		{"more features", limits(given), limits(more), "would be on in a: only"},
		{"no restriction", limits(given), ledger.Limits{}, "a would not be restricted any more: only"},
		{"nothing promised any more", promised, limits(given), "a would not reserve any more what is given below it: only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.group("company", "", "", ledger.Limits{})
			manager := "Ms. Bianchi"
			w.do(ledger.EditGroup{ID: "company", Manager: &manager})
			w.group("a", "company", "building", c.old)
			w.do(ledger.RegisterDevice{ID: panelID(0), Group: "a"})
			if c.refused == "" {
				w.do(ledger.SaveLicenses{Group: "a", Limits: c.next})
				return
			}
			r := w.refused(ledger.SaveLicenses{Group: "a", Limits: c.next}, ledger.OnlyAbove, c.refused)
			if told := r.For(ledger.Asker{Top: "a"}); told.Text != r.Text || strings.Contains(told.Text, "company") {
				t.Errorf("who sees nothing above is told %q", told.Text)
			}
			w.do(ledger.SaveLicenses{Group: "a", Limits: c.next, Above: true})
		})
	}
}

func TestACompanyGetsMoreByWhatItBought(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits(block("b", sip(5))))
	w.refused(ledger.SaveLicenses{Group: "company", Limits: limits(block("b", sip(ledger.MaxCount)))}, ledger.OnlyAbove, "a company gets more by a package or the Trial, from its distributor or from a server administrator")
	w.refused(ledger.SaveLicenses{Group: "company"}, ledger.OnlyAbove, "would not be restricted any more")
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(5, 5)})
	w.refused(ledger.SaveLicenses{Group: "company", Limits: limits(block("b", sip(6)))}, ledger.OnlyAbove, "11 SIP numbers instead of 10")
	w.do(ledger.SaveLicenses{Group: "company", Limits: limits(block("b", sip(4)))}, ledger.UndoPackage{ID: packageID(1)})
	if got := w.line("company", "sip_numbers").Maximum; got != 4 {
		t.Errorf("maximum %d", got)
	}
}

// TestAGroupMayBeCutToAGroupAboveThatEndsEarlier: there Basic is all that there can be.
func TestAGroupMayBeCutToAGroupAboveThatEndsEarlier(t *testing.T) {
	w := newWorld(t)
	ends := start.AddDate(1, 0, 0)
	w.group("company", "", "", limits(block("b", sip(20))))
	w.group("a", "company", "building", limits(blocks{block("b", sip(10))}.until(ends)))
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(blocks{block("b", sip(20))}.until(start.AddDate(0, 6, 0)))})
	w.do(ledger.SaveLicenses{Group: "a", Limits: limits(blocks{block("b", sip(8))}.until(ends)), Clip: true})
	if b := w.book.groups["a"].Blocks[0]; b.Counts != sip(8) || !b.Until.Equal(start.AddDate(0, 6, 0)) {
		t.Errorf("cut down to %+v", b)
	}
}
