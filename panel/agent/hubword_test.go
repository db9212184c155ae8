package agent_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// underHub is a panel's licenses under a hub, with all that its journal says.
type underHub struct {
	hub, self ed25519.PrivateKey
	docs      []license.Document
	entries   []panel.Noted
	licenses  *agent.Licenses
	broken    bool
}

func (u *underHub) Keep(docs ...license.Document) error {
	if u.broken {
		return errors.New("the disk is full")
	}
	u.docs = append(u.docs, docs...)
	return nil
}

func (u *underHub) drop(...string) error { u.docs = nil; return nil }

func (u *underHub) inform(_ context.Context, e panel.Event) error {
	if n, ok := e.(panel.Noted); ok {
		u.entries = append(u.entries, n)
	}
	return nil
}

func seeded(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0], seed[9] = n, 0x33
	return ed25519.NewKeyFromSeed(seed)
}

var hubDay = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func newUnderHub(t *testing.T) *underHub {
	t.Helper()
	u := &underHub{hub: seeded(1), self: seeded(2)}
	u.start(t, nil)
	return u
}

func (u *underHub) start(t *testing.T, answered map[string]string) {
	t.Helper()
	var faults []error
	u.licenses, faults = agent.NewLicenses(agent.LicenseOptions{
		Panel: license.Panel{Key: u.self.Public().(ed25519.PublicKey), Hub: license.Membership{Key: u.hub.Public().(ed25519.PublicKey), Since: hubDay}},
		Sign:  func(m []byte) ([]byte, error) { return ed25519.Sign(u.self, m), nil }, Store: u, Drop: u.drop, Answered: answered, Docs: u.docs,
		Clock: func() license.Clock { return license.Clock{Now: hubDay, Mark: hubDay, Trusted: true} },
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
}

func (u *underHub) basic(t *testing.T, number uint64) []byte {
	t.Helper()
	d, err := license.HubWord{
		Hub: u.hub.Public().(ed25519.PublicKey), To: envelope.ThumbprintOf(u.self.Public().(ed25519.PublicKey)), Number: number, At: hubDay, From: hubDay,
		Until: hubDay.AddDate(0, 0, 90), Grants: []license.Grant{{Feature: license.SIPNumbers, Count: 2}},
	}.Sign(func(m []byte) ([]byte, error) { return ed25519.Sign(u.hub, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	return d.Raw
}

// present takes a word and answers it.
func (u *underHub) present(t *testing.T, raw []byte) {
	t.Helper()
	v, err := u.licenses.PresentWord(t.Context(), raw, u.inform)
	if err == nil {
		err = u.licenses.Answer(t.Context(), agent.BasicDocument, raw, v, u.inform)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (u *underHub) answers() (whys []string) {
	for _, n := range u.entries {
		if n.Entry.Kind == panel.LicenseAnswered {
			whys = append(whys, n.Entry.Why)
		}
	}
	return whys
}

func TestDocumentIsAnsweredOnceForEachContentAlsoAfterARestart(t *testing.T) {
	u := newUnderHub(t)
	first := u.basic(t, 1)
	for range 3 {
		u.present(t, first)
	}
	if got := u.answers(); len(got) != 1 || got[0] != "taken" {
		t.Fatalf("answered %v", got)
	}
	var memory []panel.Memory
	for _, n := range u.entries {
		memory = append(memory, n.Remember...)
	}
	u.start(t, agent.AnsweredBefore(memory))
	u.present(t, first)
	if got := u.answers(); len(got) != 1 {
		t.Errorf("after a restart: %v", got)
	}
	u.present(t, u.basic(t, 2))
	u.present(t, first)
	if got := u.answers(); len(got) != 3 || got[1] != "taken" || got[2] != "already" {
		t.Errorf("another content, and the old one again: %v", got)
	}
}

func TestBasicIsGoneWhenTheHubTakesItBackAndNothingElseIs(t *testing.T) {
	u := newUnderHub(t)
	u.present(t, u.basic(t, 1))
	if n := u.licenses.Entitlements().Count(license.SIPNumbers); n != 2 {
		t.Fatalf("%d", n)
	}
	place := license.BasicPlace(u.hub.Public().(ed25519.PublicKey))
	if err := u.licenses.Withdraw(t.Context(), "grant/other", place, u.inform); err != nil || u.licenses.Entitlements().Count(license.SIPNumbers) != 2 {
		t.Errorf("another document: %v", err)
	}
	if err := u.licenses.Withdraw(t.Context(), agent.BasicDocument, place, u.inform); err != nil {
		t.Fatal(err)
	}
	if n := u.licenses.Entitlements().Count(license.SIPNumbers); n != 0 || len(u.docs) > 0 {
		t.Errorf("%d, %d documents", n, len(u.docs))
	}
}

func TestWordThatCannotBeKeptIsNotAnswered(t *testing.T) {
	u := newUnderHub(t)
	u.broken = true
	if _, err := u.licenses.PresentWord(t.Context(), u.basic(t, 1), u.inform); err == nil {
		t.Error("no error")
	}
	if u.licenses.Entitlements().Count(license.SIPNumbers) != 0 {
		t.Error("it counts all the same")
	}
}

func TestPanelTellsAgainWhatItHasAndSaysWhenThatWasAll(t *testing.T) {
	u := newUnderHub(t)
	u.present(t, u.basic(t, 1))
	u.entries = nil
	if err := u.licenses.Tell(t.Context(), u.hub.Public().(ed25519.PublicKey), 77, u.inform); err != nil {
		t.Fatal(err)
	}
	last := u.entries[len(u.entries)-1].Entry
	if last.Kind != panel.LicenseTold || last.Document != "order/77" {
		t.Errorf("%+v", last)
	}
	if got := u.answers(); len(got) != 1 {
		t.Errorf("answers told again: %v", got)
	}
}
