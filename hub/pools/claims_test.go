package pools_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
)

func (w *world) bearer(id byte, buttons int) string {
	return w.sell(id, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: buttons}}})
}

func TestLicenseThatAPanelActivatedItselfIsNoPool(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	text := w.bearer(8, 80)
	a.scan(text)
	w.settle()
	id := license.TokenID{8, 9}
	for _, c := range []struct {
		name, says, not string
		entry           fleet.PoolEntry
	}{
		{"as a pool", "active on Stairs A", "", fleet.PoolEntry{Site: site}},
		{"at another site", "another site", "Stairs A", fleet.PoolEntry{Site: "other"}},
		{"for another panel", "active on Stairs A", "", fleet.PoolEntry{Site: site, Panel: b.record.ID}},
		{"to be kept", "active on Stairs A", "", fleet.PoolEntry{Site: site, Keep: true}},
	} {
		c.entry.Text = text
		out, err := w.pools.Enter(context.Background(), c.entry)
		if err != nil || out.Result != "used-elsewhere" || !strings.Contains(out.Message, c.says) || c.not != "" && strings.Contains(out.Message, c.not) {
			t.Errorf("%s: %+v, %v", c.name, out, err)
		}
	}
	w.settle()
	if w.allot(id.String(), b, 80); a.buttons() != 80 || b.buttons() != 0 {
		t.Errorf("A uses %d, B %d of 80", a.buttons(), b.buttons())
	}
}

func TestAccountOfALicenseThatThePanelHasCanBeNamedAtTheHub(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	text := w.sell(5, license.Token{Scope: license.ScopeAccount, Grants: []license.Grant{{Feature: license.AppRemote, Count: 1}}})
	u.scan(text)
	w.settle()
	if a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, Panel: u.record.ID, Account: "ines"}); err != nil || a.Result != "activated" {
		t.Fatalf("%+v, %v", a, err)
	}
	w.settle()
	if !u.rights().AllowsAccount("ines", license.AppRemote) {
		t.Errorf("%+v", u.rights().List())
	}
}

func TestPoolEndsWhenAPanelHadActivatedItsLicenseBefore(t *testing.T) {
	w := newWorld(3)
	a, b, c := w.panels[0], w.panels[1], w.panels[2]
	a.record.Site = "other"
	text := w.bearer(8, 80)
	a.online = false
	a.scan(text)
	w.now = w.now.Add(time.Hour)
	id := w.enter(text).License
	w.allot(id, b, 30)
	w.settle()
	if b.buttons() != 30 {
		t.Fatalf("B uses %d", b.buttons())
	}
	w.broken, a.online = true, true // what is not kept is not decided
	a.deliver()
	w.broken = false
	w.settle()
	w.start()
	w.settle()
	if a.buttons() != 80 || b.buttons() != 0 || buttonsEntry(b).Status != license.Elsewhere {
		t.Errorf("A uses %d, B %d (%s) of 80", a.buttons(), b.buttons(), buttonsEntry(b).Status)
	}
	if out := w.allot(id, c, 1); out.Result == "activated" || c.buttons() != 0 {
		t.Errorf("more is given: %+v", out)
	}
	v, err := w.pools.Show(id)
	if err != nil || v.Status != string(license.Elsewhere) || v.Features[0].Free != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	told := map[string]string{}
	for _, f := range w.warned {
		told[f.Site] += f.Panel + " " + f.Detail
	}
	if !strings.Contains(told[site], b.record.ID) || !strings.Contains(told[site], "Stairs B") || !strings.Contains(told["other"], a.record.ID) {
		t.Errorf("told: %v", told)
	}
	for _, secret := range []string{a.record.ID, "Stairs A", "other)", "(other"} {
		if strings.Contains(told[site], secret) {
			t.Errorf("the pool's people read %q: %s", secret, told[site])
		}
	}
}

func TestPoolThatNobodyHasAnythingOfEndsWithAWarningToo(t *testing.T) {
	w := newWorld(1)
	a := w.panels[0]
	a.record.Site = "other"
	text := w.bearer(8, 80)
	a.online = false
	a.scan(text)
	w.now = w.now.Add(time.Hour)
	w.enter(text)
	a.online = true
	w.settle()
	warned := false
	for _, f := range w.warned {
		warned = warned || f.Site == site && f.Kind == fleet.FaultClaim
	}
	if !warned || a.buttons() != 80 {
		t.Errorf("A uses %d; told: %+v", a.buttons(), w.warned)
	}
}

func TestTypedShortCodeOfALicenseThatAnotherPanelHasBringsNothing(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	text := w.bearer(6, 3)
	if out, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, Keep: true}); err != nil || out.Result != "activated" {
		t.Fatalf("%+v, %v", out, err)
	}
	a.scan(text)
	w.settle()
	b.say(askedFor(license.TokenID{6, 9}))
	w.settle()
	if a.buttons() != 3 || b.buttons() != 0 {
		t.Errorf("A uses %d, B %d of 3", a.buttons(), b.buttons())
	}
}

func TestRestoredHubThatLearnsAClaimBeforeItsPoolGivesNothing(t *testing.T) {
	w := newWorld(3)
	a, b, c := w.panels[0], w.panels[1], w.panels[2]
	text := w.bearer(8, 10)
	a.online = false
	a.scan(text)
	w.now = w.now.Add(time.Hour)
	yesterday := w.kept.clone()
	id := w.enter(text).License
	w.allot(id, b, 4)
	w.settle()
	b.online = false
	w.setBack(yesterday)
	a.online = true
	w.settle() // A's claim, while nothing is known of the pool
	b.online = true
	w.settle()
	if out := w.allot(id, c, 1); out.Result == "activated" || a.buttons() != 10 || b.buttons() != 0 || c.buttons() != 0 {
		t.Errorf("A uses %d, B %d, C %d of 10: %+v", a.buttons(), b.buttons(), c.buttons(), out)
	}
}

func TestOwnersOfTwoClaimsReadNothingOfEachOther(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	b.record.Site = "other"
	text := w.bearer(8, 3)
	a.online, b.online = false, false
	a.scan(text)
	w.now = w.now.Add(time.Minute)
	b.scan(text)
	a.online, b.online = true, true
	w.settle()
	if len(w.warned) == 0 {
		t.Fatal("nobody was told")
	}
	for _, f := range w.warned {
		stranger := a
		if f.Site == site {
			stranger = b
		}
		for _, secret := range []string{stranger.record.ID, stranger.record.Name, stranger.record.Site} {
			if text := f.Panel + " " + f.Detail; strings.Contains(strings.ReplaceAll(text, "another site", ""), secret) {
				t.Errorf("the people of %s read %q: %s", f.Site, secret, text)
			}
		}
	}
}

func TestHonestReleaseIsNoDoubleUse(t *testing.T) {
	for _, c := range []struct {
		name string
		late bool // the panel that released is heard last
	}{{"told in order", false}, {"told in the other order", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(3)
			a, b, third := w.panels[0], w.panels[1], w.panels[2]
			b.record.Site = "other"
			text, id := w.bearer(8, 3), license.TokenID{8, 9}
			a.scan(text)
			w.settle()
			w.now = w.now.AddDate(0, 0, 3)
			a.online = !c.late
			code := a.undo(id)
			w.settle()
			b.scan(code)
			w.settle()
			a.online = true
			w.settle()
			if a.buttons() != 0 || b.buttons() != 3 || len(w.warned) > 0 {
				t.Errorf("A uses %d, B %d of 3; told: %+v", a.buttons(), b.buttons(), w.warned)
			}
			w.now = w.now.AddDate(0, 0, 31)
			if b.buttons() != 3 {
				t.Errorf("B was not confirmed: %+v", buttonsEntry(b))
			}
			w.start()
			third.scan(text) // and this is one
			w.settle()
			if third.buttons() != 0 || b.buttons() != 3 || len(w.warned) != 2 {
				t.Errorf("C uses %d, B %d of 3; told: %+v", third.buttons(), b.buttons(), w.warned)
			}
			for _, f := range w.warned {
				if f.Panel == a.record.ID {
					t.Errorf("told where it was given up: %+v", f)
				}
			}
		})
	}
}

func TestLicenseThatItsPanelReleasedCanBeAPoolAndNobodyElseTakesItOver(t *testing.T) {
	w := newWorld(3)
	a, b, thief := w.panels[0], w.panels[1], w.panels[2]
	text, id := w.bearer(8, 3), license.TokenID{8, 9}
	a.scan(text)
	w.settle()
	code := a.undo(id)
	if out := w.enter(text); out.Result != "used-elsewhere" {
		t.Errorf("before the hub heard of the release: %+v", out)
	}
	w.settle()
	if out := w.enter(text); out.Result != "activated" || out.Use != fleet.UsePool {
		t.Fatalf("%+v", out)
	}
	w.allot(id.String(), b, 3)
	w.settle()
	thief.scan(code)
	w.settle()
	if a.buttons() != 0 || b.buttons() != 3 || thief.buttons() != 0 {
		t.Errorf("A uses %d, B %d, C %d of 3", a.buttons(), b.buttons(), thief.buttons())
	}
	w.now = w.now.Add(time.Hour)
	w.start()
	a.tell(uint64(w.now.UnixMilli())) // old words change nothing
	a.deliver()
	w.settle()
	if v, err := w.pools.Show(id.String()); err != nil || v.Status != "active" || b.buttons() != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestPanelThatTakesALicenseOverAgainHasItAgain(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	text, id := w.bearer(8, 3), license.TokenID{8, 9}
	a.scan(text)
	w.settle()
	b.scan(a.undo(id))
	w.settle()
	a.scan(b.undo(id))
	w.settle()
	a.tell(uint64(w.now.UnixMilli()))
	b.tell(uint64(w.now.UnixMilli()))
	w.settle()
	w.now = w.now.AddDate(0, 0, 31)
	if a.buttons() != 3 || b.buttons() != 0 || len(w.warned) > 0 {
		t.Errorf("A uses %d (%+v), B %d of 3; told: %+v", a.buttons(), buttonsEntry(a), b.buttons(), w.warned)
	}
	if out := w.enter(text); out.Result != "used-elsewhere" {
		t.Errorf("%+v", out)
	}
}

func TestPoolThatAnOlderClaimHadEndedGoesOnWhenThatIsReleased(t *testing.T) {
	w := newWorld(3)
	a, b, thief := w.panels[0], w.panels[1], w.panels[2]
	text, id := w.bearer(8, 3), license.TokenID{8, 9}
	a.online = false
	a.scan(text)
	w.now = w.now.Add(time.Hour)
	w.enter(text)
	a.online = true
	w.settle()
	if v, err := w.pools.Show(id.String()); err != nil || v.Status != string(license.Elsewhere) {
		t.Fatalf("%+v, %v", v, err)
	}
	code := a.undo(id)
	w.settle()
	w.start()
	if out := w.allot(id.String(), b, 3); out.Result != "activated" {
		t.Fatalf("%+v", out)
	}
	thief.scan(code)
	w.settle()
	if a.buttons() != 0 || b.buttons() != 3 || thief.buttons() != 0 {
		t.Errorf("A uses %d, B %d, C %d of 3", a.buttons(), b.buttons(), thief.buttons())
	}
}
