package pools_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

func TestOneTooManyIsRefusedWithTheNumbers(t *testing.T) {
	w := newWorld(2)
	id := w.pool(1, 80)
	if out := w.allot(id, w.panels[0], 50); out.Result != "activated" {
		t.Fatal(out)
	}
	out := w.allot(id, w.panels[1], 31)
	if out.Result != "pool-exhausted" || !strings.Contains(out.Message, "80 of 80, 1 too many") || !strings.Contains(out.Message, "50 given to panel Stairs A") {
		t.Errorf("%+v", out)
	}
	if out := w.allot(id, w.panels[1], 30); out.Result != "activated" {
		t.Error(out)
	}
	w.settle()
	if a, b := w.panels[0].buttons(), w.panels[1].buttons(); a != 50 || b != 30 {
		t.Errorf("A uses %d, B %d", a, b)
	}
	v, err := w.pools.Show(id)
	if err != nil || v.Features[0].Free != 0 || v.Features[0].Shares[0].Taken.IsZero() {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestWhatAPanelIsToGiveBackIsFreeOnlyWhenItHas(t *testing.T) {
	w := newWorld(2)
	id := w.pool(1, 80)
	a, b := w.panels[0], w.panels[1]
	w.allot(id, a, 50)
	w.allot(id, b, 30)
	w.settle()
	look, err := w.pools.Allot(context.Background(), fleet.PoolAsk{License: id, Panel: a.record.ID, Count: 40, By: "ines"})
	if err != nil || look.Result != string("unconfirmed") || !strings.Contains(look.Message, "41 Rossi") || a.buttons() != 50 {
		t.Fatalf("%+v, %v", look, err)
	}
	a.online, b.online = false, false
	if out := w.allot(id, a, 40); out.Result != "activated" || !out.Waiting {
		t.Fatalf("%+v", out)
	}
	w.settle()
	out := w.allot(id, b, 40)
	if out.Result != "pool-exhausted" || !strings.Contains(out.Message, "10 of them are waited for from Stairs A since 2026-11-22") {
		t.Fatalf("%+v", out)
	}
	if v, _ := w.pools.Show(id); !v.Features[0].Shares[0].Waiting || v.Features[0].Shares[0].Asked != 40 || v.Features[0].Shares[0].Has != 50 {
		t.Errorf("%+v", v.Features[0].Shares)
	}
	w.start() // the hub is killed meanwhile
	a.online = true
	w.settle()
	if a.buttons() != 40 {
		t.Errorf("A uses %d", a.buttons())
	}
	if out := w.allot(id, b, 40); out.Result != "activated" {
		t.Fatalf("%+v", out)
	}
	b.online = true
	w.settle()
	if b.buttons() != 40 {
		t.Errorf("B uses %d", b.buttons())
	}
}

func TestRestoredHubGivesNothingUntilEveryPanelHasTold(t *testing.T) {
	w := newWorld(3)
	id := w.pool(1, 10)
	yesterday := w.kept.clone()
	a, b := w.panels[0], w.panels[1]
	w.allot(id, a, 10)
	w.settle()
	a.online = false
	w.setBack(yesterday)
	w.settle()
	out := w.allot(id, b, 5)
	if out.Result == "activated" || !strings.Contains(out.Message, "Stairs A") || strings.Contains(out.Message, "Stairs C") {
		t.Fatalf("%+v", out)
	}
	w.start()
	if out := w.allot(id, b, 5); out.Result == "activated" {
		t.Fatalf("after a restart: %+v", out)
	}
	a.online = true
	w.settle()
	if out := w.allot(id, b, 5); out.Result != "pool-exhausted" || !strings.Contains(out.Message, "10 given to panel Stairs A") {
		t.Fatalf("%+v", out)
	}
	if a.buttons() != 10 {
		t.Errorf("A uses %d", a.buttons())
	}
}

func TestRestoredHubLearnsAPoolThatWasEnteredSince(t *testing.T) {
	w := newWorld(2)
	yesterday := w.kept.clone()
	id := w.pool(1, 10)
	w.allot(id, w.panels[0], 6)
	w.settle()
	w.setBack(yesterday)
	w.settle()
	v, err := w.pools.Show(id)
	if err != nil || v.Features[0].Free != 4 || v.Features[0].Shares[0].Has != 6 {
		t.Fatalf("%+v, %v", v, err)
	}
}

func TestPanelThatIsGoneForGoodIsWaitedForNoMore(t *testing.T) {
	w := newWorld(2)
	id := w.pool(1, 10)
	w.panels[0].online = false
	w.setBack(w.kept)
	w.settle()
	if out := w.allot(id, w.panels[1], 3); out.Result == "activated" {
		t.Fatal(out)
	}
	w.panels[0].record.Revoked = w.now
	w.settle()
	if out := w.allot(id, w.panels[1], 3); out.Result != "activated" {
		t.Fatal(out)
	}
}

func TestOldAnswerDoesNotLetARestoredHubGive(t *testing.T) {
	w := newWorld(2)
	id := w.pool(1, 10)
	a := w.panels[0]
	a.tell(uint64(w.now.UnixMilli()))
	old := a.journal[len(a.journal)-1]
	w.now = w.now.Add(time.Hour)
	a.journal, a.online = nil, false
	w.setBack(w.kept)
	r := fleet.Received{At: w.now, Site: site, Panel: a.record.ID, Event: old}
	w.pools.Known(r)
	w.settle()
	if out := w.allot(id, w.panels[1], 3); out.Result == "activated" {
		t.Errorf("%+v", out)
	}
}

func TestNothingIsGivenThatCannotBeKept(t *testing.T) {
	w := newWorld(1)
	id := w.pool(1, 10)
	w.broken = true
	if out := w.allot(id, w.panels[0], 5); out.Result == "activated" {
		t.Fatal(out)
	}
	w.broken = false
	w.settle()
	if n := w.panels[0].buttons(); n != 0 {
		t.Errorf("the panel uses %d", n)
	}
}

func TestPoolIsOneSites(t *testing.T) {
	w := newWorld(1)
	id := w.pool(1, 10)
	w.sites = append(w.sites, fleet.Site{ID: "third", Zone: "UTC"})
	text := string(w.kept.holdings[id].Token)
	a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: "other", Text: text, By: "x"})
	if err != nil || a.Result != "used-elsewhere" {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, By: "x"})
	if err != nil || a.Result != "already_active" {
		t.Errorf("%+v, %v", a, err)
	}
	w.panels[0].record.Site = "other"
	if _, err := w.pools.Allot(context.Background(), fleet.PoolAsk{License: id, Panel: w.panels[0].record.ID, Count: 1}); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("a panel of another site: %v", err)
	}
}

func TestLicensesGoToWhomTheyAreFor(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	for _, c := range []struct {
		name  string
		token license.Token
		entry fleet.PoolEntry
		use   fleet.Use
		a, b  bool
	}{
		{"of a panel", license.Token{Scope: license.ScopePanel, Subject: thumb(a), Grants: []license.Grant{{Feature: license.AccessBasic, Count: 1}}}, fleet.PoolEntry{}, fleet.UseGrant, true, false},
		{"of the site", license.Token{Scope: license.ScopeSite, Subject: []byte(site), Grants: []license.Grant{{Feature: license.SIP, Count: 1}}}, fleet.PoolEntry{}, fleet.UseGrant, true, true},
		{"of nobody, for one panel", license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: "lift", Count: 1}}}, fleet.PoolEntry{Panel: b.record.ID}, fleet.UseGrant, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.entry.Site, c.entry.Text = site, w.sell(byte(40+len(c.name)), c.token)
			answer, err := w.pools.Enter(context.Background(), c.entry)
			if err != nil || answer.Use != c.use || answer.Result != "activated" {
				t.Fatalf("%+v, %v", answer, err)
			}
			w.settle()
			feature := c.token.Grants[0].Feature
			if got := a.rights().Allows(feature); got != c.a {
				t.Errorf("A has it: %t", got)
			}
			if got := b.rights().Allows(feature); got != c.b {
				t.Errorf("B has it: %t", got)
			}
		})
	}
}

func thumb(u *unit) []byte {
	id := envelope.ThumbprintOf(pub(u.key))
	return id[:]
}

func (u *unit) rights() license.Entitlements {
	return license.Derive(u.ring(), u.panel(), u.w.clock(), u.docs)
}

func TestSeatGoesToItsAccount(t *testing.T) {
	w := newWorld(1)
	text := w.sell(5, license.Token{Scope: license.ScopeAccount, Grants: []license.Grant{{Feature: license.AppRemote, Count: 1}}})
	if a, _ := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text}); a.Result == "activated" {
		t.Errorf("a seat without a panel: %+v", a)
	}
	a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, Panel: w.panels[0].record.ID, Account: "ines"})
	if err != nil || a.Result != "activated" {
		t.Fatalf("%+v, %v", a, err)
	}
	w.settle()
	if !w.panels[0].rights().AllowsAccount("ines", license.AppRemote) {
		t.Errorf("%+v", w.panels[0].rights().List())
	}
}

func TestBasicIsTwoAndTwoHoweverOftenAndEndsWithItsDate(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	for range 3 {
		w.settle()
		w.start()
	}
	count := func() string {
		return fmt.Sprint(u.rights().Count(license.SIPNumbers), "+", u.rights().Count(license.Applications))
	}
	if count() != "2+2" {
		t.Fatalf("Basic is %s", count())
	}
	before := u.rights().List()[0].Until
	w.now = w.now.AddDate(0, 0, 35)
	w.settle()
	if after := u.rights().List()[0].Until; !after.After(before) {
		t.Errorf("it was not renewed: until %s, then %s", before, after)
	}
	u.online = false
	w.now = w.now.AddDate(0, 0, 59)
	if count() != "2+2" {
		t.Errorf("59 days without the hub: %s", count())
	}
	w.now = w.now.AddDate(0, 0, 32)
	if count() != "0+0" {
		t.Errorf("91 days without the hub: %s", count())
	}
	u.online = true
	w.settle()
	if count() != "2+2" {
		t.Errorf("with the hub again: %s", count())
	}
	u.hub = license.Membership{}
	if count() != "0+0" {
		t.Errorf("after it left its hub: %s", count())
	}
}

func TestTypedShortCodeBringsTheLicenseThatIsKept(t *testing.T) {
	w := newWorld(2)
	text := w.sell(6, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 3}}})
	a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, Keep: true})
	if err != nil || a.Use != fleet.UseKept || a.Result != "activated" {
		t.Fatalf("%+v, %v", a, err)
	}
	id, _ := license.ParseTokenID(a.License)
	ask := func(u *unit, digest string) {
		u.seq++
		r := fleet.Received{At: w.now, Site: u.record.Site, Panel: u.record.ID}
		r.Event.Kind, r.Event.Digest, r.Event.Seq = "license.asked", digest, u.seq
		if err := w.pools.Learn(r); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	stranger := w.panels[1]
	for i := range 12 { // the budget of a day is used up, also for what is right
		ask(stranger, license.TokenID{byte(i), 1}.ShortCode().Digest())
	}
	ask(stranger, id.ShortCode().Digest())
	if stranger.buttons() != 0 {
		t.Errorf("a panel that had guessed for a day got %d", stranger.buttons())
	}
	ask(w.panels[0], id.ShortCode().Digest())
	if w.panels[0].buttons() != 3 {
		t.Errorf("the panel has %d", w.panels[0].buttons())
	}
	w.now = w.now.AddDate(0, 0, 1)
	ask(stranger, id.ShortCode().Digest())
	if stranger.buttons() != 0 {
		t.Errorf("it was given twice")
	}
}

func TestShortCodeAtTheHubFindsWhatIsKeptAtThatSite(t *testing.T) {
	w := newWorld(1)
	text := w.sell(7, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 3}}})
	a, _ := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, Keep: true})
	id, _ := license.ParseTokenID(a.License)
	code := id.ShortCode().String()
	unknown, _ := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: license.TokenID{9, 9}.ShortCode().String()})
	elsewhere, _ := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: "other", Text: code})
	if unknown != elsewhere || unknown.Result == "activated" {
		t.Errorf("unknown %+v, another site's %+v", unknown, elsewhere)
	}
	if a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: code}); err != nil || a.Use != fleet.UsePool || a.Result != "activated" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestOfTwoClaimsOneStaysAndBothOwnersAreTold(t *testing.T) {
	w := newWorld(2)
	a, b := w.panels[0], w.panels[1]
	b.record.Site = "other"
	text := w.sell(8, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 3}}})
	scan := func(u *unit) {
		u.keep(license.Examine(text, u.ring(), u.panel(), w.clock(), u.docs, ""), "license.activated")
	}
	a.online, b.online = false, false
	scan(a)
	w.now = w.now.Add(time.Minute)
	scan(b)
	if a.buttons() != 3 || b.buttons() != 3 {
		t.Fatal("offline both have it for now")
	}
	b.online = true
	w.settle()
	if e := buttonsEntry(b); !e.ProvisionalUntil.IsZero() {
		t.Errorf("the hub knew of one claim and did not confirm it: %+v", e)
	}
	a.online = true
	w.settle()
	if a.buttons() != 3 || b.buttons() != 0 || buttonsEntry(b).Status != license.Elsewhere {
		t.Errorf("A has %d, B %d (%s)", a.buttons(), b.buttons(), buttonsEntry(b).Status)
	}
	w.now = w.now.AddDate(0, 0, 31)
	if a.buttons() != 3 {
		t.Errorf("after 31 days A has %d", a.buttons())
	}
	told := map[string]bool{}
	for _, f := range w.warned {
		if f.Kind == fleet.FaultClaim {
			told[f.Site] = true
		}
	}
	if !told[site] || !told["other"] {
		t.Errorf("told: %v", told)
	}
}

func buttonsEntry(u *unit) license.Entry {
	for _, e := range u.rights().List() {
		if e.Feature == license.Buttons {
			return e
		}
	}
	return license.Entry{}
}

func TestClaimThatNobodyConfirmsEndsAfterThirtyDaysAndComesBack(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	u.online = false
	text := w.sell(9, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 3}}})
	u.keep(license.Examine(text, u.ring(), u.panel(), w.clock(), u.docs, ""), "license.activated")
	w.now = w.now.AddDate(0, 0, 29)
	if u.buttons() != 3 || buttonsEntry(u).ProvisionalUntil.IsZero() {
		t.Errorf("%+v", buttonsEntry(u))
	}
	w.now = w.now.AddDate(0, 0, 2)
	if u.buttons() != 0 || buttonsEntry(u).Status != license.Unconfirmed {
		t.Errorf("%+v", buttonsEntry(u))
	}
	u.online = true
	w.settle()
	if u.buttons() != 3 {
		t.Errorf("%+v", buttonsEntry(u))
	}
}

func TestPanelThatWasSetBackIsFoundAndHealed(t *testing.T) {
	w := newWorld(2)
	id := w.pool(1, 10)
	a, b := w.panels[0], w.panels[1]
	w.allot(id, a, 8)
	w.settle()
	before := append([]license.Document(nil), a.docs...)
	w.allot(id, a, 3)
	w.settle()
	w.allot(id, b, 7)
	w.settle()
	if a.buttons() != 3 || b.buttons() != 7 {
		t.Fatalf("A %d, B %d", a.buttons(), b.buttons())
	}
	a.docs, a.boot, a.answered = before, a.boot+1, map[string]string{}
	if a.buttons() != 8 {
		t.Fatal("not set back")
	}
	w.settle()
	if a.buttons() != 3 {
		t.Errorf("not healed: A uses %d", a.buttons())
	}
	if !slices.ContainsFunc(w.warned, func(f fleet.Fault) bool { return f.Kind == fleet.FaultSetBack && f.Panel == a.record.ID }) {
		t.Errorf("nobody was told: %+v", w.warned)
	}
}

func TestRestoredHubDoesNotGoOnWithWhatWasAskedThen(t *testing.T) {
	w := newWorld(2)
	id := w.pool(1, 10)
	a, b := w.panels[0], w.panels[1]
	w.allot(id, a, 4)
	w.settle()
	yesterday := w.kept.clone()
	for key, asked := range yesterday.allotments { // A was to have more as soon as there was room
		asked.Asked = 8
		yesterday.allotments[key] = asked
	}
	w.allot(id, b, 6)
	w.settle()
	b.online = false
	w.setBack(yesterday)
	w.settle()
	if a.buttons()+b.buttons() > 10 {
		t.Errorf("A uses %d, B %d of 10", a.buttons(), b.buttons())
	}
}
