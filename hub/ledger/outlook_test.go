package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// outlook is what a change will suspend later, as "name, day, uses".
func (w *world) outlook(change ledger.Change, subject ledger.Subject, asker ledger.Asker) (said []string) {
	w.Helper()
	before := string(w.book.image())
	falls, err := ledger.Outlook(w.book, ledger.Request{At: w.now, Who: "test"}, change, subject, asker)
	if err != nil {
		w.Fatalf("%s: %v", change.What(), err)
	}
	if string(w.book.image()) != before {
		w.Errorf("%s: a question changed the book", change.What())
	}
	for _, f := range falls {
		said = append(said, fmt.Sprintf("%s %s %d %v", f.Name, f.At.Format(time.DateOnly), f.Stops[ledger.SIPNumbers], f.Stopping))
	}
	return said
}

func TestAnOutlookNamesWhoStopsWhenABlockEnds(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits(block("b", sip(9))))
	w.group("a", "company", "building", limits(block("b", sip(9))))
	for i := range 4 {
		w.use(fmt.Sprint("n", i), "a")
		w.now = w.now.Add(time.Minute)
	}
	first, second := start.AddDate(0, 0, 10), start.AddDate(0, 0, 20)
	change := ledger.SaveLicenses{Above: true, Group: "a", Limits: limits(blocks{block("short", sip(2))}.until(first), blocks{block("long", sip(3))}.until(second))}
	want := []string{"a 2026-03-12 1 [n3]", "a 2026-03-22 4 [n3 n2 n1 n0]"}
	if got := w.outlook(change, ledger.Subject{Group: "a"}, everyone); !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
	if got := w.outlook(change, ledger.Subject{Group: "a"}, ledger.Asker{Top: "elsewhere"}); got != nil {
		t.Errorf("who may not see the group is told %q", got)
	}
	w.do(change)
	if c := w.tick(first); fmt.Sprint(c.Entries[0].Stopped) != "[n3]" {
		t.Errorf("at the first end stopped %v, said was n3", c.Entries[0].Stopped)
	}
	if got := w.outlook(ledger.Tick{}, ledger.Subject{Group: "a"}, everyone); !slices.Equal(got, want[1:]) {
		t.Errorf("after the first end it says %q, want %q", got, want[1:])
	}
}

func TestAnOutlookOfAMoveLooksAtTheGroupsAboveThatTheAskerSees(t *testing.T) {
	w := newWorld(t)
	ends := start.AddDate(0, 0, 5)
	w.group("company", "", "", limits(block("b", sip(9))))
	w.group("short", "company", "building", limits(blocks{block("b", sip(5))}.until(ends)))
	w.group("flat", "company", "apartments", ledger.Limits{})
	w.use("n", "flat")
	move := ledger.MoveGroup{ID: "flat", To: "short"}
	if got := w.outlook(move, ledger.Subject{Group: "flat"}, everyone); !slices.Equal(got, []string{"short 2026-03-07 1 [n]"}) {
		t.Errorf("it says %q", got)
	}
	if got := w.outlook(move, ledger.Subject{Group: "flat"}, ledger.Asker{Top: "flat"}); got != nil {
		t.Errorf("who sees the flat alone is told %q of what is above it", got)
	}
}

func TestARefusalNamesWhatIsInTheWay(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(1, 0)})
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(2), Grant: grants(2, 0)})
	for i := range 3 {
		w.use(fmt.Sprint("n", i), "company")
		w.now = w.now.Add(time.Minute)
	}
	r := w.refused(ledger.UndoPackage{ID: packageID(2)}, ledger.BelowUse, "3 in use, cannot lower to 1")
	if !slices.Equal(r.InTheWay, []string{"n2", "n1"}) {
		t.Errorf("in the way are %v, want the newest two", r.InTheWay)
	}
	if hidden := r.For(ledger.Asker{Top: "elsewhere"}); hidden.InTheWay != nil {
		t.Errorf("who may not see the group is told of %v", hidden.InTheWay)
	}
	w.do(ledger.Pin{Use: "n2", On: true})
	if r := w.refused(ledger.UndoPackage{ID: packageID(2)}, ledger.BelowUse, "3 in use"); !slices.Equal(r.InTheWay, []string{"n1", "n0"}) {
		t.Errorf("with n2 pinned, in the way are %v", r.InTheWay)
	}
}

func TestOfVeryManyUsesOnlyTheNumberIsTold(t *testing.T) {
	w := newWorld(t)
	ends := start.AddDate(0, 0, 1)
	w.group("company", "", "", limits(blocks{block("b", ledger.UKey.Of(9000))}.until(ends)))
	w.do(ledger.Consume{ID: "keys", Resource: ledger.UKey, Count: 6000, Group: "company"})
	falls, err := ledger.Outlook(w.book, ledger.Request{At: w.now}, ledger.Tick{}, ledger.Subject{Group: "company"}, everyone)
	if err != nil || len(falls) != 1 || falls[0].Stops[ledger.UKey] != 6000 || falls[0].Stopping != nil {
		t.Errorf("falls %+v (%v)", falls, err)
	}
}
