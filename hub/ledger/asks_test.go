package ledger_test

import (
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// thirdReplacement is a place at which two panels were replaced within a year; panel 2 stands there now.
func thirdReplacement(t *testing.T) *world {
	w := residence(t)
	w.do(ledger.RegisterDevice{ID: panelID(0), Group: "a"}, ledger.Consume{ID: "keys", Resource: ledger.SIPNumbers, Group: "a", Panel: panelID(0)})
	w.do(ledger.ReplaceDevice{Dead: panelID(0), Fresh: panelID(1)})
	w.now = start.AddDate(0, 1, 0)
	w.do(ledger.ReplaceDevice{Dead: panelID(1), Fresh: panelID(2)})
	w.now = start.AddDate(0, 2, 0)
	return w
}

func (w *world) asks() []ledger.Ask {
	w.Helper()
	found, err := ledger.Asks(w.book, "company", "", 10)
	if err != nil {
		w.Fatal(err)
	}
	return found
}

// Story 4.
func TestAThirdReplacementWaitsUntilItIsApproved(t *testing.T) {
	w := thirdReplacement(t)
	third := ledger.ReplaceDevice{Dead: panelID(2), Fresh: panelID(3)}
	ask := ledger.AskReplacement{Dead: panelID(2), Fresh: panelID(3)}
	free := w.refused(third, ledger.TooOften, "2 of 2 forced releases").At
	w.do(ask)
	if c := w.do(ask); !c.Empty() {
		t.Errorf("asked twice: %+v", c.Entries)
	}
	if got := w.asks(); len(got) != 1 || got[0].By != "anna" || got[0].Fresh != panelID(3) || !got[0].Free.Equal(free) || !got[0].At.Equal(w.now) {
		t.Fatalf("requests: %+v", got)
	}
	if w.book.uses["keys"].Panel != panelID(2) {
		t.Error("what the dead one held went away before it was approved")
	}
	third.Approved = true
	c := w.do(third)
	if got := w.asks(); len(got) != 0 || w.book.uses["keys"].Panel != panelID(3) {
		t.Errorf("approved: requests %+v, the use is on %s", got, w.book.uses["keys"].Panel)
	}
	e := c.Entries[len(c.Entries)-1]
	if !strings.Contains(string(e.Before), `"by":"anna"`) || !strings.Contains(string(e.After), `"approved":true`) {
		t.Errorf("the ledger says %s, %s", e.Before, e.After)
	}
}

func TestADeclinedReplacementIsSeenAndTheHubDoesNotAskAgain(t *testing.T) {
	w := thirdReplacement(t)
	ask := ledger.AskReplacement{Dead: panelID(2), Fresh: panelID(3)}
	w.refused(ledger.DeclineReplacement{Dead: panelID(2)}, ledger.Unknown, "no such request")
	w.do(ask, ledger.DeclineReplacement{Dead: panelID(2)})
	if got := w.asks(); len(got) != 1 || got[0].DeclinedBy != "anna" || !got[0].Declined.Equal(w.now) {
		t.Fatalf("declined: %+v", got)
	}
	if c, err := ledger.Decide(w.book, ledger.Request{At: w.now, Who: "hub"}, ask); err != nil || !c.Empty() {
		t.Errorf("the hub asked again: %+v, %v", c, err)
	}
	w.do(ask)
	if got := w.asks(); len(got) != 1 || !got[0].Declined.IsZero() {
		t.Errorf("asked again by a person: %+v", got)
	}
	w.do(ledger.RemoveDevice{ID: panelID(2)})
	if got := w.asks(); len(got) != 0 {
		t.Errorf("of a panel that is gone: %+v", got)
	}
}

func TestNobodyIsAskedForWhatIsFree(t *testing.T) {
	w := residence(t)
	w.do(ledger.RegisterDevice{ID: panelID(0), Group: "a"})
	w.refused(ledger.AskReplacement{Dead: panelID(0), Fresh: panelID(1)}, ledger.Invalid, "nobody has to approve")
	c := w.do(ledger.ReplaceDevice{Dead: panelID(0), Fresh: panelID(1), Approved: true})
	if strings.Contains(string(c.Entries[0].After), "approved") {
		t.Errorf("the ledger says that it was approved: %s", c.Entries[0].After)
	}
	w.refused(ledger.AskReplacement{Dead: panelID(0), Fresh: panelID(2)}, ledger.Taken, "took the place")
	w.refused(ledger.AskReplacement{Dead: panelID(1), Fresh: "x"}, ledger.Invalid, "26 letters")
}
