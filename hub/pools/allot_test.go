package pools_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
)

func TestOnlyWhatThePoolHasAndIsCountedIsAllotted(t *testing.T) {
	w := newWorld(1)
	text := w.sell(1, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 10}, {Feature: license.SIP, Count: 1}}})
	id := w.enter(text).License
	for _, feature := range []string{"x1", license.SIP, license.SIPNumbers} {
		for _, count := range []int{0, 1} {
			_, err := w.pools.Allot(context.Background(), fleet.PoolAsk{License: id, Panel: w.panels[0].record.ID, Feature: feature, Count: count, Confirm: true})
			if !errors.Is(err, fleet.ErrUnknown) {
				t.Errorf("%d %s: %v", count, feature, err)
			}
		}
	}
	if len(w.kept.allotments) > 0 {
		t.Errorf("kept: %+v", w.kept.allotments)
	}
}

func TestCountBelowZeroIsRefusedBeforeThePanelIsAsked(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	id := w.pool(1, 10)
	w.allot(id, u, 4)
	w.settle()
	number := w.number
	for _, ask := range []fleet.PoolAsk{{Count: -5}, {Count: -5, Preview: true}, {Count: -5, Confirm: true}} {
		ask.License, ask.Panel = id, u.record.ID
		out, err := w.pools.Allot(context.Background(), ask)
		if err != nil || out.Result != string(license.NotPossible) || out.Before != 4 || out.After != 4 {
			t.Errorf("%+v: %+v, %v", ask, out, err)
		}
	}
	if w.number != number {
		t.Error("the panel was asked")
	}
}

func TestPanelThatMovedToAnotherSiteGetsNothingMoreAndCanGiveBack(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	id := w.pool(1, 10)
	w.allot(id, a, 6)
	w.settle()
	a.record.Site, a.record.Name = "other", "Villa"
	if out := w.allot(id, a, 8); out.Result != string(license.NotPossible) || strings.Contains(out.Message, "Villa") {
		t.Errorf("more: %+v", out)
	}
	look, err := w.pools.Allot(context.Background(), fleet.PoolAsk{License: id, Panel: a.record.ID, Count: 0})
	if err != nil || look.Result != "unconfirmed" || strings.Contains(look.Message+look.Stops, "Rossi") || strings.Contains(look.Message, "Villa") {
		t.Errorf("its buttons are shown: %+v, %v", look, err)
	}
	if v, _ := w.pools.Show(id); len(v.Features[0].Shares) != 1 || v.Features[0].Shares[0].Name != a.record.ID {
		t.Errorf("%+v", v.Features[0].Shares)
	}
	if out := w.allot(id, a, 0); out.Result != "activated" {
		t.Fatalf("%+v", out)
	}
	w.settle()
	if out := w.allot(id, b, 10); out.Result != "activated" || a.buttons() != 0 {
		t.Errorf("A uses %d: %+v", a.buttons(), out)
	}
	if out := w.allot(id, a, 0); out.Result == "activated" {
		t.Errorf("a panel of another site that has nothing: %+v", out)
	}
}

func TestNothingMoreIsGivenToAPanelThatMovedWhenItBecomesFree(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	id := w.pool(1, 10)
	w.allot(id, a, 6)
	w.allot(id, b, 4)
	w.settle()
	a.online = false
	w.allot(id, a, 2) // asked to give back, and then not any more
	for key, one := range w.kept.allotments {
		if one.Panel == a.record.ID {
			one.Asked = 9
			w.kept.allotments[key] = one
		}
	}
	w.start()
	a.record.Site, a.online = "other", true
	w.allot(id, b, 0)
	w.settle()
	if a.buttons() != 6 {
		t.Errorf("A uses %d", a.buttons())
	}
}

func TestShareOfAPanelThatIsGoneStaysAndThePageSaysWhy(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	id := w.pool(1, 80)
	w.allot(id, a, 50)
	w.settle()
	a.record.ReplacedBy = b.record.ID
	if out := w.allot(id, a, 0); out.Result != "activated" || !out.Waiting {
		t.Fatalf("%+v", out)
	}
	w.settle()
	if out := w.allot(id, b, 31); out.Result != "pool-exhausted" || !strings.Contains(out.Message, "50 of them are waited for from Stairs A") {
		t.Errorf("a board that may still run is counted as gone: %+v", out)
	}
	v, err := w.pools.Show(id)
	if err != nil || len(v.Features[0].Shares) != 1 || v.Features[0].Shares[0].Why != "it is replaced, and nobody else can give back what it has" {
		t.Errorf("%+v, %v", v, err)
	}
}
