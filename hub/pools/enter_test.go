package pools_test

import (
	"context"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
)

func TestAccountThatCannotBeSignedIsRefusedAndNoSeatIsForNobody(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	text := w.sell(5, license.Token{Scope: license.ScopeAccount, Grants: []license.Grant{{Feature: license.AppRemote, Count: 1}}})
	for _, account := range []string{strings.Repeat("x", 65), "ines\nrossi", "ines\x00", "\xff"} {
		a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, Panel: u.record.ID, Account: account})
		if err != nil || a.Result != string(license.NotPossible) {
			t.Errorf("%.20q: %+v, %v", account, a, err)
		}
	}
	if len(w.kept.holdings) > 0 {
		t.Fatalf("kept: %+v", w.kept.holdings)
	}
	// One that was kept before names were looked at.
	w.kept.holdings["05090000000000000000000000000000"] = fleet.Holding{
		ID: "05090000000000000000000000000000", Site: site, Use: fleet.UseGrant, Token: []byte(text), Panel: u.record.ID, Account: "ines\nrossi",
	}
	w.start()
	if err := w.pools.Round(context.Background()); err == nil {
		t.Error("nobody is told of it")
	}
	for name := range w.kept.documents {
		if strings.HasSuffix(name, "/grant/05090000000000000000000000000000") {
			t.Error("the seat is published for nobody")
		}
	}
	if len(w.kept.documents) != 1 { // Basic
		t.Errorf("%d documents", len(w.kept.documents))
	}
}

func TestShortCodesThatAreKnownCostNothingAndOneSiteDoesNotUseUpAnothers(t *testing.T) {
	w := newWorld(1)
	code := func(id license.TokenID) string { return id.ShortCode().String() }
	enter := func(at, text string) string {
		a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: at, Text: text, Keep: true})
		if err != nil {
			t.Fatal(err)
		}
		return a.Message
	}
	text := w.bearer(7, 3)
	if enter(site, text); len(w.kept.holdings) != 1 {
		t.Fatal("not kept")
	}
	const known = "This license is here already."
	for range 50 {
		if said := enter(site, code(license.TokenID{7, 9})); said != known {
			t.Fatal(said)
		}
	}
	for n := range byte(30) {
		enter("other", code(license.TokenID{100 + n, 1}))
	}
	if said := enter("other", code(license.TokenID{99, 1})); !strings.Contains(said, "Too many") {
		t.Errorf("the 31st guess: %s", said)
	}
	if said := enter(site, code(license.TokenID{99, 1})); strings.Contains(said, "Too many") {
		t.Errorf("another site's guesses are counted here: %s", said)
	}
	for n := range byte(30) {
		enter(site, code(license.TokenID{100 + n, 1}))
	}
	if said := enter(site, code(license.TokenID{7, 9})); !strings.Contains(said, "Too many") {
		t.Errorf("who guesses on is told when he is right: %s", said)
	}
	w.now = w.now.AddDate(0, 0, 1)
	if said := enter(site, code(license.TokenID{7, 9})); said != known {
		t.Errorf("the next day: %s", said)
	}
}

func TestRetriesOfATypedShortCodeCostNothing(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	if a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: w.bearer(6, 3), Keep: true}); err != nil || a.Result != "activated" {
		t.Fatalf("%+v, %v", a, err)
	}
	w.broken = true
	for range 20 {
		if err := u.hear(askedFor(license.TokenID{6, 9})); err == nil {
			t.Fatal("kept on a full disk")
		}
	}
	w.broken = false
	if err := u.hear(askedFor(license.TokenID{6, 9})); err != nil {
		t.Fatal(err)
	}
	if w.settle(); u.buttons() != 3 {
		t.Errorf("the panel has %d", u.buttons())
	}
}

func TestBasicSurvivesAHubWhoseClockWasYearsAheadForARound(t *testing.T) {
	w := newWorld(1)
	u := w.panels[0]
	w.settle()
	now := w.now
	w.now = now.AddDate(14, 0, 0)
	if err := w.pools.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.now = now.Add(1)
	u.connect()
	w.start()
	w.settle()
	w.start() // and once more, so that the number is not one of this hub's memory
	w.now = w.now.AddDate(0, 0, 40)
	w.settle()
	if n := u.rights().Count(license.SIPNumbers); n != 2 {
		word := u.retained["grant/basic"]
		said, err := license.OpenHubWord(word.Bytes)
		t.Errorf("Basic gives %d numbers: %+v (%+v, %v)", n, u.rights().List(), said, err)
	}
}
