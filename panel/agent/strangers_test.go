package agent_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// madeUp is a panel's key that anybody can make.
func madeUp(seed byte) (ed25519.PublicKey, func([]byte) ([]byte, error)) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return private.Public().(ed25519.PublicKey), func(m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil }
}

// TestWhoeverPhotographedAPaperCannotTakeItsLicenseAwayAtTheDoor: a made-up panel's claim, older than the owner's, changes nothing at the panel's front or
// from a broker, in whatever statement it comes; entered on the page by somebody who answers for it, it is settled.
func TestWhoeverPhotographedAPaperCannotTakeItsLicenseAwayAtTheDoor(t *testing.T) {
	d := newDesk(t, nil)
	paper := d.root.token(1, nil, buttons(10))
	if v := d.present(t, envelope.Armor(envelope.License, paper)); v.Result != license.Activated {
		t.Fatalf("%+v", v)
	}
	pub, sign := madeUp(7)
	signed := func(s license.Statement) license.Document {
		doc, err := s.Sign(sign)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	claim := signed(license.Activation{Panel: pub, License: paper, At: at})
	own := envelope.ThumbprintOf(d.root.public())
	other := envelope.Thumbprint{9}
	for _, via := range []string{"scanner", "upstream", ""} {
		for _, doc := range []license.Document{
			claim,
			signed(license.Slice{Holder: pub, Activation: claim.Raw, To: own, Feature: license.Buttons, Given: 1, At: at}),
			signed(license.Slice{Holder: pub, Activation: claim.Raw, To: other, Feature: license.Buttons, Given: 1, At: at}),
		} {
			kept := len(d.shelf.docs)
			d.told = nil
			v, err := d.Present(t.Context(), envelope.Armor(doc.Kind, doc.Raw), "", via, "", d.inform)
			if err != nil || v.Result != license.NotPossible || len(d.shelf.docs) != kept || d.Entitlements().Buttons() != 11 {
				t.Errorf("%s via %q: %s %q, %d buttons are left, %v", doc.Kind, via, v.Result, v.Message, d.Entitlements().Buttons(), err)
			}
			if said, ok := d.told[0].(panel.LicensePresented); !ok || said.Accepted || len(said.Remember) > 0 {
				t.Errorf("%s via %q: told %+v", doc.Kind, via, d.told)
			}
		}
	}
	if v, err := d.Present(t.Context(), envelope.Armor(claim.Kind, claim.Raw), "", "web", "anna", d.inform); err != nil || v.Result != license.UsedElsewhere || d.Entitlements().Buttons() != 1 {
		t.Errorf("on the page: %s %q, %d buttons, %v", v.Result, v.Message, d.Entitlements().Buttons(), err)
	}
}

// What this panel has signed itself, and what a root revokes, counts at its front as well, also when it takes something away.
func TestAPanelsOwnWordCountsWhereverItIsShown(t *testing.T) {
	d := newDesk(t, nil)
	paper := d.root.token(1, nil, buttons(10))
	d.present(t, envelope.Armor(envelope.License, paper))
	pub, _ := madeUp(7)
	before := d.shelf.docs
	given, err := d.Give(t.Context(), license.GiveOrder{License: license.TokenID{1}, To: license.Identity{Panel: pub, At: time.Now()}, Count: 4}, agent.Asker{By: "anna", Via: "web", Inform: d.inform})
	if err != nil || !given.Done || d.Entitlements().Buttons() != 7 {
		t.Fatalf("%+v %v", given, err)
	}
	d.shelf.docs = before // yesterday's store
	d.open(t)
	if got := d.Entitlements().Buttons(); got != 11 {
		t.Fatalf("%d buttons after the store was set back", got)
	}
	if v := d.present(t, given.Code); v.Result != license.Activated || d.Entitlements().Buttons() != 7 {
		t.Errorf("%s %q: %d buttons", v.Result, v.Message, d.Entitlements().Buttons())
	}
}
