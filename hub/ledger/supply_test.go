package ledger_test

import (
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

func (w *world) supply(group string) ledger.Supply {
	w.Helper()
	s, err := ledger.SupplyOf(w.book, w.now, group, "monitoring")
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func TestAFeatureIsSuppliedByTheCompanyAndByEveryRestrictedGroupOnTheWay(t *testing.T) {
	w := newWorld(t)
	day := func(n int) time.Time { return start.AddDate(0, 0, n) }
	w.group("company", "", "", ledger.Limits{})
	w.group("building", "company", "building", ledger.Limits{})
	if s := w.supply("building"); !s.From.IsZero() {
		t.Errorf("a company that is only metered supplies %+v", s)
	}
	w.do(ledger.StartTrial{Root: "company", Registration: "one"})
	if s := w.supply("building"); !s.Given(w.now) || !s.Until.Equal(day(30)) || s.Source != ledger.FromTrial || s.Root.Name != "company" {
		t.Errorf("the Trial: %+v", s)
	}
	w.do(ledger.SaveLicenses{Group: "building", Limits: limits(blocks{block("b", sip(1))}.until(day(9)))})
	if s := w.supply("building"); !s.From.IsZero() {
		t.Errorf("the building does not let it through: %+v", s)
	}
	with := blocks{block("b", sip(1), "monitoring")}.until(day(9))
	next := block("c", sip(1), "monitoring")
	next.From, next.Until = day(12), day(20)
	w.do(ledger.SaveLicenses{Group: "building", Limits: limits(with, next), Above: true})
	if s := w.supply("building"); !s.Given(w.now) || !s.Until.Equal(day(9)) {
		t.Errorf("until the building's ends: %+v", s)
	}
	w.now = day(9)
	if s := w.supply("building"); s.Given(w.now) || !s.From.Equal(day(12)) || !s.Until.Equal(day(20)) {
		t.Errorf("the next one: %+v", s)
	}
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(5, 5), Until: day(15)})
	if s := w.supply("building"); !s.From.Equal(day(15)) || s.Source != ledger.FromTrial {
		t.Errorf("a package without it takes the Trial's place until it ends: %+v", s)
	}
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(2), Grant: grants(5, 5, "monitoring"), Until: day(15)})
	if s := w.supply("building"); !s.From.Equal(day(12)) || !s.Until.Equal(day(20)) || s.Source != ledger.FromPackage {
		t.Errorf("a package and then the Trial, without a gap: %+v", s)
	}
	w.now = day(30)
	if s := w.supply("building"); !s.From.IsZero() {
		t.Errorf("all has ended: %+v", s)
	}
}
