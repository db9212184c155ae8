package agent_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// underHub is a panel's licenses under a hub, with all that its journal says.
type underHub struct {
	hub, self, root ed25519.PrivateKey
	docs            []license.Document
	entries         []panel.Noted
	remembered      []panel.Memory
	licenses        *agent.Licenses
	broken          bool
}

func (u *underHub) Keep(docs ...license.Document) error {
	if u.broken {
		return errors.New("the disk is full")
	}
	keys := make([]string, 0, len(docs))
	for _, d := range docs {
		keys = append(keys, d.Key)
	}
	u.docs = append(u.without(keys), docs...)
	return nil
}

func (u *underHub) drop(keys ...string) error { u.docs = u.without(keys); return nil }

func (u *underHub) without(keys []string) []license.Document {
	return slices.DeleteFunc(slices.Clone(u.docs), func(d license.Document) bool { return slices.Contains(keys, d.Key) })
}

func pubOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func signWith(key ed25519.PrivateKey) func([]byte) ([]byte, error) {
	return func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
}

// bought has the panel hold a license of its own, and a share of another one that its hub gave.
func (u *underHub) bought(t *testing.T) {
	t.Helper()
	var raw [2][]byte
	for i := range raw {
		token := license.Token{ID: license.TokenID{byte(i + 1), 5}, Scope: license.ScopePanel, IssuedAt: hubDay.Add(-time.Hour), Grants: []license.Grant{{Feature: license.Buttons, Count: 10}}}
		var err error
		if raw[i], err = token.Sign(pubOf(u.root), signWith(u.root)); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := license.Activation{Panel: pubOf(u.hub), License: raw[1], At: hubDay}.Sign(signWith(u.hub))
	if err != nil {
		t.Fatal(err)
	}
	share, err := license.Slice{
		Holder: pubOf(u.hub), Activation: pool.Raw, To: envelope.ThumbprintOf(pubOf(u.self)), Feature: license.Buttons, Given: 4, At: hubDay,
	}.Sign(signWith(u.hub))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{envelope.Armor(envelope.License, raw[0]), envelope.Armor(envelope.Slice, share.Raw)} {
		if v, err := u.licenses.Present(t.Context(), text, "", "page", "ines", u.inform); err != nil || v.Result != license.Activated {
			t.Fatal(v.Message, err)
		}
	}
	if n := u.licenses.Entitlements().Count(license.Buttons); n != 14 {
		t.Fatalf("%d buttons", n)
	}
}

func (u *underHub) inform(_ context.Context, e panel.Event) error {
	switch e := e.(type) {
	case panel.Noted:
		u.entries = append(u.entries, e)
		u.remembered = append(u.remembered, e.Remember...)
	case panel.LicensePresented:
		u.remembered = append(u.remembered, e.Remember...)
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
	u := &underHub{hub: seeded(1), self: seeded(2), root: seeded(3)}
	u.start(t, nil)
	return u
}

func (u *underHub) start(t *testing.T, answered map[string]string) {
	t.Helper()
	var faults []error
	u.licenses, faults = agent.NewLicenses(agent.LicenseOptions{
		Roots: []ed25519.PublicKey{pubOf(u.root)},
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
	if err := u.take(t, raw); err != nil {
		t.Fatal(err)
	}
}

func (u *underHub) take(t *testing.T, raw []byte) error {
	return u.licenses.AnswerTo(t.Context(), agent.BasicDocument, raw, func() (license.Verdict, error) { return u.licenses.PresentWord(t.Context(), raw, u.inform) }, u.inform)
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
	u.bought(t)
	u.present(t, u.basic(t, 1))
	count := func() (int, int) {
		e := u.licenses.Entitlements()
		return e.Count(license.SIPNumbers), e.Count(license.Buttons)
	}
	if numbers, buttons := count(); numbers != 2 || buttons != 14 {
		t.Fatalf("%d numbers, %d buttons", numbers, buttons)
	}
	place := license.BasicPlace(pubOf(u.hub))
	kept := len(u.docs)
	if err := u.licenses.Withdraw(t.Context(), "grant/other", place, u.inform); err != nil || u.licenses.Entitlements().Count(license.SIPNumbers) != 2 {
		t.Errorf("another document: %v", err)
	}
	if err := u.licenses.Withdraw(t.Context(), agent.BasicDocument, place, u.inform); err != nil {
		t.Fatal(err)
	}
	if numbers, buttons := count(); numbers != 0 || buttons != 14 || len(u.docs) != kept-1 {
		t.Errorf("%d numbers, %d buttons; %d of %d documents are left", numbers, buttons, len(u.docs), kept)
	}
	u.start(t, nil)
	if numbers, buttons := count(); numbers != 0 || buttons != 14 {
		t.Errorf("after a restart %d numbers, %d buttons", numbers, buttons)
	}
	if docs := agent.RememberedDocuments(u.memory()); len(docs) != kept-1 {
		t.Errorf("the journal remembers %d documents, the store had %d and forgot one", len(docs), kept)
	}
}

// memory is what the journal remembers in the end: the newest value under each key.
func (u *underHub) memory() []panel.Memory {
	values := map[string]string{}
	for _, m := range u.remembered {
		values[m.Key] = m.Value
	}
	var list []panel.Memory
	for _, key := range slices.Sorted(maps.Keys(values)) {
		list = append(list, panel.Memory{Key: key, Value: values[key]})
	}
	return list
}

func TestWordThatCannotBeKeptIsNotAnswered(t *testing.T) {
	u := newUnderHub(t)
	u.broken = true
	raw := u.basic(t, 1)
	if err := u.take(t, raw); err == nil {
		t.Error("no error")
	}
	if u.licenses.Entitlements().Count(license.SIPNumbers) != 0 {
		t.Error("it counts all the same")
	}
	if got := u.answers(); len(got) != 0 {
		t.Errorf("it was answered: %v", got)
	}
	u.broken = false
	u.present(t, raw) // it comes again
	if got := u.answers(); len(got) != 1 || got[0] != "taken" {
		t.Errorf("answered %v", got)
	}
}

func TestPanelTellsAgainWhatItHasAndSaysWhenThatWasAll(t *testing.T) {
	u := newUnderHub(t)
	u.bought(t)
	u.present(t, u.basic(t, 1))
	u.entries = nil
	if err := u.licenses.Tell(t.Context(), pubOf(u.hub), 77, u.inform); err != nil {
		t.Fatal(err)
	}
	last := u.entries[len(u.entries)-1].Entry
	if last.Kind != panel.LicenseTold || last.Document != "order/77" {
		t.Errorf("%+v", last)
	}
	if got := u.answers(); len(got) != 1 {
		t.Errorf("answers told again: %v", got)
	}
	var told []string
	for _, n := range u.entries {
		told = append(told, agent.PapersOf(n.Remember)...)
	}
	var want []string
	for _, d := range license.HeldFrom(pubOf(u.hub), u.docs) {
		want = append(want, envelope.Armor(d.Kind, d.Raw))
	}
	if len(want) != 2 || !slices.Equal(told, want) {
		t.Errorf("told %d documents, the panel has %d from its hub: %v", len(told), len(want), told)
	}
}
