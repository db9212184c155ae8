package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

// damage is a group's record that could not be read at the hub's start and was set aside: all that belongs to it is still there.
func (m *memory) damage(group string) {
	m.enlist("children/"+m.groups[group].Parent, group, false)
	delete(m.groups, group)
}

func TestWhatBelongsToADamagedGroupStopsNothing(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits(block("b", sip(5))))
	w.group("a", "company", "building", limits(blocks{block("b", sip(5))}.until(start.AddDate(0, 1, 0))))
	w.group("flat", "a", "apartments", ledger.Limits{})
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(5, 5)}, ledger.ActivatePackage{Root: "company", ID: packageID(2), Grant: grants(1, 1)})
	for i, group := range []string{"a", "a", "a", "flat"} {
		w.do(ledger.RegisterDevice{ID: panelID(i), Group: group})
	}
	w.do(ledger.AddUser{User: ledger.User{ID: "rossi", Groups: []string{"flat", "a"}}}, ledger.AddUser{User: ledger.User{ID: "bianchi", Groups: []string{"a"}}},
		ledger.Consume{ID: "his", User: "rossi"}, ledger.Consume{ID: "hers", User: "bianchi"}, ledger.Consume{ID: "theirs", Group: "a", Panel: panelID(0)})
	w.book.damage("company")
	w.book.damage("a")
	for _, user := range []string{"rossi", "bianchi"} {
		if _, err := ledger.StateOf(w.book, w.now, ledger.Subject{User: user}, ledger.Asker{Top: "flat"}); err != nil && user == "rossi" {
			t.Errorf("who is in the other group cannot be looked at: %v", err)
		}
	}
	w.do(ledger.RegisterDevice{ID: panelID(0), Group: "flat"}, ledger.RemoveDevice{ID: panelID(1)}, ledger.RemoveUser{ID: "bianchi"},
		ledger.UndoPackage{ID: packageID(1)}, ledger.RevokePackage{ID: packageID(2)})
	if p := w.book.packages; p[packageID(1)].Undone.IsZero() || p[packageID(2)].Revoked.IsZero() {
		t.Errorf("packages of a damaged company: %+v", p)
	}
	if d := w.book.devices[panelID(0)]; d.Group != "flat" || w.book.groups["flat"].Count.Devices != 2 || w.book.uses["theirs"].Groups[0] != "flat" {
		t.Errorf("a panel of a damaged group was not moved: %+v, %+v", d, w.book.uses["theirs"])
	}
}

// TestNoChangeEndsTheProcessOverADamagedGroup tries everything that can be done, at random, in trees with holes.
func TestNoChangeEndsTheProcessOverADamagedGroup(t *testing.T) {
	histories(t, 300, func(t *rapid.T) {
		h := begin(t)
		for range rapid.IntRange(5, 30).Draw(t, "steps") {
			h.step(h.aChange())
			h.now = h.now.Add(time.Hour)
		}
		for range rapid.IntRange(1, 3).Draw(t, "damaged") {
			if group := h.aGroup(); group != "nobody" {
				h.m.damage(group)
			}
		}
		for range rapid.IntRange(5, 20).Draw(t, "steps in the damaged tree") {
			if c, r := h.decide(h.m, h.aChange()); r == nil {
				h.m.write(c)
			}
			h.now = h.now.Add(time.Duration(h.some("hours", 30)) * time.Hour)
			for _, subject := range []ledger.Subject{{Group: h.aGroup()}, {User: h.aUser()}} {
				_, _ = ledger.StateOf(h.m, h.now, subject, ledger.Asker{Top: "b1"}) // a refusal is as good as a state
			}
		}
	})
}

func TestAnEdgeOfADamagedGroupIsDueOnce(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(blocks{block("b", sip(5))}.until(start.AddDate(0, 0, 1)))})
	w.book.damage("company")
	w.now = start.AddDate(0, 0, 2)
	w.do(ledger.Tick{})
	next, err := ledger.NextChange(w.book, w.book.mark.At)
	if err != nil || !next.IsZero() || len(w.book.edges) > 0 {
		t.Errorf("what belongs to nobody is due again %v (%v): %v", next, err, w.book.edges)
	}
}

func TestAPackageThatIsActivatedAgainEndsNoLater(t *testing.T) {
	year := license.Term{Years: 1}
	w := newWorld(t)
	w.group("one", "", "", limits())
	w.group("two", "", "", limits())
	w.do(ledger.ActivatePackage{Root: "one", ID: packageID(1), Grant: grants(5, 5), Term: year})
	for day := range 6 {
		w.now = start.AddDate(0, 0, day+1)
		w.do(ledger.UndoPackage{ID: packageID(1)}, ledger.ActivatePackage{Root: []string{"one", "two"}[day%2], ID: packageID(1), Grant: grants(5, 5), Term: year})
	}
	if p := w.book.packages[packageID(1)]; !p.Until.Equal(start.AddDate(1, 0, 0)) || p.Root != "two" || !p.Undone.IsZero() {
		t.Errorf("after six days of giving back: %+v", p)
	}
	w.now = start.AddDate(0, 0, 7)
	w.refused(ledger.UndoPackage{ID: packageID(1)}, ledger.TooLate, "was activated on 2026-03-02")
}

func TestAPackageGivenBackCanStillRenewAnother(t *testing.T) {
	year := license.Term{Years: 1}
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(5, 5), Term: year}, ledger.ActivatePackage{Root: "company", ID: packageID(2), Grant: grants(5, 5), Term: year})
	w.now = start.AddDate(0, 0, 1)
	w.do(ledger.UndoPackage{ID: packageID(2)}, ledger.ActivatePackage{Root: "company", ID: packageID(2), Grant: grants(5, 5), Term: year, Renew: packageID(1)})
	if p := w.book.packages[packageID(2)]; !p.From.Equal(start.AddDate(1, 0, 0)) || !p.Until.Equal(start.AddDate(2, 0, 0)) {
		t.Errorf("renewed from %v to %v", p.From, p.Until)
	}
	w.now = start.AddDate(0, 0, 7)
	w.refused(ledger.UndoPackage{ID: packageID(2)}, ledger.TooLate, "was activated on 2026-03-02")
}

func TestNoCounterReachesWhatCannotBeCounted(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", ledger.Limits{})
	taken := 0
	for ; ; taken++ {
		c := ledger.Consume{ID: fmt.Sprint("keys-", taken), Resource: ledger.UKey, Count: ledger.MaxCount, Group: "company"}
		if _, err := w.try(c); err != nil {
			w.refused(c, ledger.LimitReached, "could not be counted")
			break
		}
	}
	if used := w.book.groups["company"].Count.Used[ledger.UKey]; used != taken*ledger.MaxCount || used >= ledger.Unlimited {
		t.Errorf("%d uses of %d are %d", taken, ledger.MaxCount, used)
	}
	for i := range taken {
		w.do(ledger.Release{Use: fmt.Sprint("keys-", i)})
	}
	if !w.book.groups["company"].Count.Used.IsZero() {
		t.Errorf("all is given back, and %v are used", w.book.groups["company"].Count.Used)
	}
}

func TestADateThatCannotBeWrittenIsRefused(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", ledger.Limits{})
	late := time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("west", -3600))
	long, begun, reminded, far := block("b", sip(1)), block("b", sip(1)), block("b", sip(1)), limits(block("b", sip(1)))
	long.Until, begun.From = late, late
	reminded.Reminder, far.Reminder = &ledger.Reminder{Date: late}, &ledger.Reminder{Date: late}
	for _, l := range []ledger.Limits{limits(long), limits(begun), limits(reminded), far} {
		w.refused(ledger.SaveLicenses{Above: true, Group: "company", Limits: l}, ledger.Invalid, "9999")
	}
	long.Until = late.Add(-2 * time.Hour)
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(long)})
}
