package pools_test

import (
	"errors"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/telemetry"
)

// hear brings the hub an entry as a panel's journal would.
func (u *unit) hear(e telemetry.Event) error {
	return u.w.pools.Learn(fleet.Received{At: u.w.now, Site: u.record.Site, Panel: u.record.ID, Event: e})
}

// askedFor is what a panel says when the short code of a license is typed.
func askedFor(id license.TokenID) telemetry.Event {
	return telemetry.Event{Kind: "license.asked", Digest: id.ShortCode().Digest()}
}

func TestDamagedPaperDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	text := w.sell(8, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 3}}})
	u.keep(license.Examine(text, u.ring(), u.panel(), w.clock(), u.docs, ""), "license.activated")
	whole := u.journal[0].Papers[0]
	for _, damaged := range []string{"DS1:!", "DA1:", "DR1:AB", "DS1:" + whole[4:], "nothing of ours", whole[:len(whole)-3]} {
		if err := u.hear(telemetry.Event{Kind: "license.x", Papers: []string{damaged}}); err != nil {
			t.Errorf("%.20q: %v", damaged, err)
		}
	}
	if err := u.hear(telemetry.Event{Kind: "license.x", Papers: []string{"DS1:!", whole}}); err != nil || len(w.kept.claims) != 1 {
		t.Errorf("what came beside it was lost: %v, %d claims", err, len(w.kept.claims))
	}
}

func TestStoreThatDoesNotTakeAPaperIsToldFromAPaperThatNobodyCanUse(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	text := w.sell(8, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 3}}})
	u.keep(license.Examine(text, u.ring(), u.panel(), w.clock(), u.docs, ""), "license.activated")
	w.broken = true
	if err := u.hear(u.journal[0]); !errors.Is(err, fleet.ErrNotKept) {
		t.Errorf("a full disk: %v", err)
	}
	w.broken = false
	if err := u.hear(u.journal[0]); err != nil {
		t.Error(err)
	}
}
