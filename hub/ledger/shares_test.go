package ledger_test

import (
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

func buttons(n int) ledger.Amounts { return ledger.Buttons.Of(n) }

// shared is a company without limits, in it a building with 50 buttons and two panels.
func shared(t *testing.T) *world {
	w := newWorld(t)
	w.group("company", "", "", ledger.Limits{})
	w.group("building", "company", "building", limits(block("b", buttons(50)), blocks{block("until", buttons(10))}.until(start.AddDate(0, 0, 9))))
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "building"}, ledger.RegisterDevice{ID: panelID(2), Group: "building"})
	return w
}

func (w *world) allot(panel, count int) ledger.Allot {
	return ledger.Allot{Pool: packageID(7), Panel: panelID(panel), Count: count, Gives: count}
}

func (w *world) works(panel int) int {
	w.Helper()
	_, works, _, err := ledger.ShareOf(w.book, packageID(7), panelID(panel))
	if err != nil {
		w.Fatal(err)
	}
	return works
}

func TestAPanelsShareOfAPoolIsOneUseOfItsGroup(t *testing.T) {
	w := shared(t)
	w.do(w.allot(1, 40), w.allot(1, 40))
	if n := len(w.book.uses); n != 3 { // and one for each panel
		t.Errorf("%d uses", n)
	}
	w.refused(w.allot(2, 21), ledger.LimitReached, "blocked by building: 40 of 60 used; 21 asked, 20 left")
	w.do(w.allot(2, 20))
	w.refused(w.allot(1, 41), ledger.LimitReached, "blocked by building: 60 of 60 used")
	if line := w.line("company", "buttons"); line.Used != 60 || line.Active != 60 {
		t.Errorf("%+v", line)
	}
	w.do(w.allot(1, 0))
	if line := w.line("building", "buttons"); line.Used != 20 || line.Available != 40 {
		t.Errorf("%+v", line)
	}
	w.do(w.allot(3, 1_000)) // it is registered nowhere
	if w.line("company", "buttons").Used != 20 {
		t.Error("a panel below no group is counted")
	}
}

func TestThePanelsShareIsNotGivenBackByHand(t *testing.T) {
	w := shared(t)
	w.do(w.allot(1, 40))
	share := ledger.ShareID(packageID(7), panelID(1))
	w.refused(ledger.Release{Use: share}, ledger.Invalid, "say at the license")
	w.refused(ledger.Resize{Use: share, Count: 1}, ledger.Invalid, "say at the license")
	w.refused(ledger.Release{Use: "panel." + panelID(1)}, ledger.Invalid, "as long as it is registered")
	w.refused(ledger.Consume{ID: "x", Resource: ledger.Panels, Group: "building"}, ledger.Invalid, "as long as it is registered")
	w.refused(ledger.Consume{ID: ledger.ShareID(packageID(8), panelID(1)), Resource: ledger.Buttons, Group: "building"}, ledger.Invalid, "itself")
	w.do(ledger.Pin{Use: share, On: true})
}

func TestSharesAreSuspendedWhenABlockEndsAndComeBackWithTheNext(t *testing.T) {
	w := shared(t)
	w.do(w.allot(1, 40))
	w.now = w.now.Add(time.Hour)
	w.do(w.allot(2, 20))
	w.tick(start.AddDate(0, 0, 9))
	if a, b := w.works(1), w.works(2); a != 40 || b != 10 {
		t.Errorf("%d and %d work", a, b)
	}
	w.refused(w.allot(2, 20), ledger.Suspended, "10 of 20 are suspended")
	w.do(ledger.SaveLicenses{Above: true, Group: "building", Limits: limits(block("b", buttons(60)))})
	if a, b := w.works(1), w.works(2); a != 40 || b != 20 {
		t.Errorf("after the renewal %d and %d work", a, b)
	}
	w.do(w.allot(2, 20))
}

// What panels really have is what bounds what is given: others may not have given back yet.
func TestNothingIsGivenWhileOthersReallyHaveIt(t *testing.T) {
	w := shared(t)
	w.do(w.allot(1, 50))
	w.now = w.now.Add(time.Hour)
	w.do(w.allot(2, 10))
	w.tick(start.AddDate(0, 0, 9))
	w.do(ledger.Pin{Use: ledger.ShareID(packageID(7), panelID(2)), On: true}) // the first panel is to give 10 back, and is away
	if a, b := w.works(1), w.works(2); a != 40 || b != 10 {
		t.Fatalf("%d and %d work", a, b)
	}
	give := w.allot(2, 10)
	give.Others = []ledger.Share{{Pool: packageID(7), Panel: panelID(1), Has: 50}}
	w.refused(give, ledger.Suspended, "panels below it are still to give some back")
	give.Others[0].Has = 40
	w.do(give)
}

func TestWhatAPanelHasAlreadyIsCountedAndTheNewestIsSuspended(t *testing.T) {
	w := shared(t)
	w.do(w.allot(1, 40))
	w.now = w.now.Add(time.Hour)
	found := ledger.Allot{Pool: packageID(8), Panel: panelID(2), Count: 30, Found: true}
	w.do(found, found)
	if _, works, _, _ := ledger.ShareOf(w.book, packageID(8), panelID(2)); works != 20 || w.works(1) != 40 {
		t.Errorf("%d of 30 work, of the older %d", works, w.works(1))
	}
	if line := w.line("building", "buttons"); line.Used != 70 || line.Active != 60 || line.Over != 10 {
		t.Errorf("%+v", line)
	}
}

func TestARegisteredPanelIsOneOfPanels(t *testing.T) {
	w := newWorld(t)
	two := ledger.Panels.Of(2)
	two[ledger.Buttons] = 9
	w.group("company", "", "", limits(block("b", sip(3))))
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(block("b", buttons(9)))})
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "company"}, ledger.RegisterDevice{ID: panelID(2), Group: "company"})
	if line := w.line("company", "panels"); line.Used != 2 || line.Own != ledger.Unlimited {
		t.Errorf("without a number of panels: %+v", line)
	}
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(block("b", two))})
	w.refused(ledger.RegisterDevice{ID: panelID(3), Group: "company"}, ledger.LimitReached, "blocked by company: 2 of 2 used")
	w.now = w.now.Add(time.Hour)
	w.do(ledger.RegisterDevice{ID: panelID(3), Group: "company", Found: true})
	if line := w.line("company", "panels"); line.Used != 3 || line.Active != 2 || line.Over != 1 || w.line("company", "buttons").Own != 9 {
		t.Errorf("one too many: %+v", line)
	}
	w.refused(w.allot(3, 1), ledger.Suspended, "1 of 1 are suspended")
	w.do(w.allot(2, 1), ledger.RemoveDevice{ID: panelID(2)}, w.allot(3, 1))
	if line := w.line("company", "panels"); line.Used != 2 || line.Active != 2 {
		t.Errorf("one is gone: %+v", line)
	}
	w.do(ledger.RegisterDevice{ID: panelID(2), Group: "company", Found: true}, ledger.RemoveDevice{ID: panelID(1)})
	w.do(ledger.ReplaceDevice{Dead: panelID(3), Fresh: panelID(4)})
	if line := w.line("company", "panels"); line.Used != 2 || w.works(3) != 0 || w.line("company", "buttons").Used != 0 {
		t.Errorf("after a replacement: %+v", line)
	}
}

func TestAPanelThatMovesIsTheNewestWhereItDoesNotFit(t *testing.T) {
	w := shared(t)
	w.group("annex", "company", "building", limits(block("b", buttons(5))))
	w.do(ledger.RegisterDevice{ID: panelID(3), Group: "annex"})
	w.do(w.allot(1, 4))
	w.now = w.now.Add(time.Hour)
	w.do(w.allot(3, 3))
	w.now = w.now.Add(time.Hour)
	w.refused(ledger.RegisterDevice{ID: panelID(1), Group: "annex"}, ledger.LimitReached, "annex has 3 buttons in use of 5")
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "annex", Found: true})
	if old, came := w.works(3), w.works(1); old != 3 || came != 2 || w.line("building", "buttons").Used != 0 {
		t.Errorf("of the old panel %d work, of the one that came %d", old, came)
	}
}
