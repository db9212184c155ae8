package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// residence is story 12: a company of 50 and 20, Building A of 50, A1 of 50, A2 of 2 and 2, A3 with one number in use.
func residence(t testing.TB) *world {
	w := newWorld(t)
	w.group("company", "", "", limits(block("b", pairs(50, 20))))
	w.group("a", "company", "building", limits(block("b", pairs(50, 20))))
	w.group("a1", "a", "apartments", limits(block("b", pairs(50, 20))))
	w.group("a2", "a", "apartments", limits(block("b", pairs(2, 2))))
	w.group("a3", "a", "apartments", ledger.Limits{})
	w.use("first", "a3")
	return w
}

func expect(t *testing.T, line ledger.Line, maximum, used, available int) {
	t.Helper()
	if line.Maximum != maximum || line.Used != used || line.Available != available {
		t.Errorf("%s: maximum %d, used %d, available %d; expected %d, %d, %d", line.Title, line.Maximum, line.Used, line.Available, maximum, used, available)
	}
}

func TestOneOfFiftyUsedLeavesFortyNineEverywhere(t *testing.T) {
	w := residence(t)
	expect(t, w.line("a", "sip_numbers"), 50, 1, 49)  // B-15
	expect(t, w.line("a1", "sip_numbers"), 50, 0, 49) // B-20
	expect(t, w.line("a2", "sip_numbers"), 2, 0, 2)
	expect(t, w.line("a3", "sip_numbers"), 50, 1, 49) // restriction off below a building of 50
	if binds := w.line("a1", "sip_numbers").Binds; len(binds) != 2 || binds[0].Group != "company" || binds[1].Group != "a" {
		t.Errorf("A1 is bound by %+v, not by the company and then Building A", binds)
	}
}

func TestAThousandParallelAllocationsGiveFortyNine(t *testing.T) {
	w := residence(t)
	var wait sync.WaitGroup
	done := make(chan error, 1000)
	for i := range 1000 {
		wait.Go(func() {
			_, err := w.try(ledger.Consume{ID: fmt.Sprint("n", i), Group: []string{"a", "a1", "a3"}[i%3]})
			done <- err
		})
	}
	wait.Wait()
	close(done)
	given := 0
	for err := range done {
		if err == nil {
			given++
		}
	}
	if given != 49 {
		t.Fatalf("%d of 1,000 allocations succeeded with one of 50 in use", given)
	}
	r := w.refused(ledger.Consume{ID: "more", Group: "a3"}, ledger.LimitReached, "blocked by company: 50 of 50 used, a: 50 of 50 used")
	if r.Most != 0 || len(r.Binds) != 2 {
		t.Errorf("refusal %+v", r)
	}
}

func TestSavingIsRefusedWithTheReasonAndTheNumber(t *testing.T) {
	w := residence(t)
	until := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	w.refused(ledger.SaveLicenses{Above: true, Group: "a2", Limits: limits(block("b", pairs(9, 10)))}, ledger.TooFewSIP, "applications 10 need SIP numbers 10, 9 given")
	w.refused(ledger.SaveLicenses{Above: true, Group: "a2", Limits: limits(block("b", pairs(51, 2)))}, ledger.BeyondParent, "51 SIP numbers asked, company has 50")
	w.refused(ledger.SaveLicenses{Above: true, Group: "a2", Limits: limits(block("b", pairs(2, 2), "guests"))}, ledger.NotGranted, "Guest passes is not given by company")
	w.do(ledger.SaveLicenses{Above: true, Group: "a", Limits: limits(blocks{block("b", pairs(50, 20))}.until(until))})
	r := w.refused(ledger.SaveLicenses{Above: true, Group: "a2", Limits: limits(block("b", pairs(3, 2)))}, ledger.WindowBeyond, "ends 2027-01-01 with a")
	if r.Offer == nil || len(r.Offer.Blocks) != 1 || !r.Offer.Blocks[0].Until.Equal(until) {
		t.Fatalf("no offer to clip: %+v", r.Offer)
	}
	w.do(ledger.SaveLicenses{Above: true, Group: "a2", Limits: limits(block("b", pairs(3, 2))), Clip: true})
	if got := w.state("a2").Blocks[0].Until; !got.Equal(until) {
		t.Errorf("clipped until %v", got)
	}
	for i := range 11 {
		w.use(fmt.Sprint("u", i), "a3")
	}
	w.refused(ledger.SaveLicenses{Above: true, Group: "a", Limits: limits(block("b", sip(10)))}, ledger.BelowUse, "12 in use, cannot lower to 10")
}

func TestAParentLoweredKeepsTheChildsOwnFigure(t *testing.T) {
	w := residence(t)
	w.do(ledger.SaveLicenses{Above: true, Group: "a1", Limits: limits(block("b", sip(40)))}, ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(block("b", sip(30)))})
	line := w.line("a1", "sip_numbers")
	expect(t, line, 30, 0, 29)
	if want := "own 40, bounded by company 30"; line.Text != want {
		t.Errorf("A1 says %q, not %q", line.Text, want)
	}
	w.refused(ledger.SaveLicenses{Above: true, Group: "a1", Limits: limits(block("b", sip(35)))}, ledger.BeyondParent, "35 SIP numbers asked, company has 30")
	w.do(ledger.SaveLicenses{Above: true, Group: "a1", Limits: limits(block("b", sip(40)))})
}

func TestInTwoGroupsTheStrictestCountsAndUseCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits(block("b", sip(10))))
	w.group("three", "company", "building", limits(block("b", sip(3))))
	w.group("five", "company", "building", limits(block("b", sip(5))))
	w.do(ledger.AddUser{User: ledger.User{ID: "rossi", Groups: []string{"five", "three"}}})
	expect(t, w.userState("rossi").Line("sip_numbers"), 3, 0, 3)
	for i := range 3 {
		w.do(ledger.Consume{ID: fmt.Sprint(i), User: "rossi"})
	}
	w.refused(ledger.Consume{ID: "more", User: "rossi"}, ledger.LimitReached, "blocked by three: 3 of 3 used")
	expect(t, w.line("three", "sip_numbers"), 3, 3, 0)
	expect(t, w.line("five", "sip_numbers"), 5, 3, 2)
	expect(t, w.line("company", "sip_numbers"), 10, 3, 7)
	w.do(ledger.RemoveUser{ID: "rossi"})
	expect(t, w.line("company", "sip_numbers"), 10, 0, 10)
}

func TestBasicFollowsThePanels(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.group("a", "company", "building", ledger.Limits{})
	expect(t, w.line("company", "sip_numbers"), 0, 0, 0)
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "a"}, ledger.RegisterDevice{ID: panelID(1), Group: "a"})
	expect(t, w.line("a", "sip_numbers"), 2, 0, 2)
	expect(t, w.line("a", "apps"), 2, 0, 2)
	w.do(ledger.Consume{ID: "app", Resource: ledger.Apps, Group: "a"})
	expect(t, w.line("a", "sip_numbers"), 2, 1, 1)
	w.do(ledger.Consume{ID: "number", Group: "a"})
	expect(t, w.line("a", "apps"), 2, 1, 0) // one application left, but no SIP number for it
	if s := w.state("company"); s.Type != ledger.Basic {
		t.Errorf("the company stands on %s", s.Type)
	}
	w.do(ledger.RemoveDevice{ID: panelID(1)})
	if line := w.line("a", "sip_numbers"); line.Over != 2 || line.Active != 0 || line.Available != 0 {
		t.Errorf("without its panel: %+v", line)
	}
}

func TestATrialEndsOnItsDayAndIsThereOnce(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.do(ledger.StartTrial{Root: "company", Registration: "partner 7"})
	if line := w.line("company", "guests"); !line.On || !line.Until.Equal(start.AddDate(0, 0, 30)) {
		t.Errorf("on Trial: %+v", line)
	}
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "company"})
	for i := range 5 {
		w.use(fmt.Sprint("n", i), "company")
		w.now = w.now.Add(time.Minute)
	}
	c := w.tick(start.AddDate(0, 0, 30))
	if s := w.state("company"); s.Type != ledger.Basic || s.Line("guests").On || s.Line("sip_numbers").Active != 2 {
		t.Errorf("after the Trial: %+v", s)
	}
	if got := fmt.Sprint(c.Entries[0].Stopped); got != "[n2 n3 n4]" {
		t.Errorf("stopped %s, not the newest three", got)
	}
	w.refused(ledger.StartTrial{Root: "company", Registration: "partner 7"}, ledger.OnlyOnce, "there is one")
	w.now = w.now.Add(10 * time.Minute)
	c = w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(50, 20)})
	if got := fmt.Sprint(c.Entries[0].Resumed); got != "[n2 n3 n4]" {
		t.Errorf("renewal brought back %s", got)
	}
}

func TestTheLedgerIsAChain(t *testing.T) {
	w := residence(t)
	entries := func(yield func(ledger.Entry, error) bool) {
		for _, e := range w.book.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
	if n, err := ledger.Verify(entries, w.book.mark); err != nil || n != uint64(len(w.book.entries)) {
		t.Fatalf("%d entries whole: %v", n, err)
	}
	for name, spoil := range map[string]func(){
		"who was changed":      func() { w.book.entries[2].Who = "eve" },
		"one was taken out":    func() { w.book.entries = append(w.book.entries[:2:2], w.book.entries[3:]...) },
		"the newest is gone":   func() { w.book.entries = w.book.entries[:len(w.book.entries)-1] },
		"the after was edited": func() { w.book.entries[2].After = []byte(`{"name":"b"}`) },
	} {
		whole := w.book.entries
		w.book.entries = append([]ledger.Entry{}, whole...)
		spoil()
		if n, err := ledger.Verify(entries, w.book.mark); err == nil {
			t.Errorf("%s, and %d entries are whole", name, n)
		}
		w.book.entries = whole
	}
}
