package license

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// wordWorld is a panel that belongs to a hub.
type wordWorld struct {
	hub, other, self, peer, root ed25519.PrivateKey
	panel                        Panel
	ring                         Keyring
	now                          time.Time
}

func newWordWorld() wordWorld {
	key := func(n byte) ed25519.PrivateKey {
		seed := make([]byte, ed25519.SeedSize)
		seed[0], seed[31] = n, 0x51
		return ed25519.NewKeyFromSeed(seed)
	}
	w := wordWorld{hub: key(1), other: key(2), self: key(3), peer: key(4), root: key(5), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	w.panel = Panel{Key: pubOf(w.self), Site: "house", Hub: Membership{Key: pubOf(w.hub), Site: "via-roma", Since: w.now.AddDate(0, -1, 0)}}
	w.ring, _ = NewKeyring([]ed25519.PublicKey{pubOf(w.root)}, nil, nil)
	return w
}

func pubOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func signWith(key ed25519.PrivateKey) func([]byte) ([]byte, error) {
	return func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
}

func (w wordWorld) basic() HubWord {
	return HubWord{
		Hub: pubOf(w.hub), To: w.panel.ID(), Number: 7, At: w.now, From: w.now, Until: w.now.AddDate(0, 0, 90),
		Grants: []Grant{{Applications, 2}, {SIPNumbers, 2}},
	}
}

func (w wordWorld) clock() Clock { return Clock{Now: w.now, Mark: w.now, Trusted: true} }

func (w wordWorld) examine(t *testing.T, word HubWord, by ed25519.PrivateKey, docs ...Document) Verdict {
	t.Helper()
	d, err := word.Sign(signWith(by))
	if err != nil {
		t.Fatal(err)
	}
	return ExamineWord(d.Raw, w.ring, w.panel, w.clock(), docs)
}

func (w wordWorld) token(t *testing.T, grants ...Grant) []byte {
	t.Helper()
	raw, err := Token{ID: TokenID{1, 2}, IssuedAt: w.now.AddDate(0, 0, -1), Scope: ScopePanel, Grants: grants}.Sign(pubOf(w.root), signWith(w.root))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestHubSaysNothingThatItMayNotGive(t *testing.T) {
	w := newWordWorld()
	for name, change := range map[string]func(*HubWord){
		"three numbers":        func(h *HubWord) { h.Grants[1].Count = 3 },
		"none":                 func(h *HubWord) { h.Grants[1].Count = 0 },
		"buttons":              func(h *HubWord) { h.Grants = []Grant{{Buttons, 1}} },
		"one twice":            func(h *HubWord) { h.Grants = []Grant{{SIPNumbers, 2}, {SIPNumbers, 2}} },
		"longer than 90 days":  func(h *HubWord) { h.Until = h.Until.Add(time.Second) },
		"without an end":       func(h *HubWord) { h.Until = time.Time{} },
		"over before it began": func(h *HubWord) { h.Until = h.From },
		"without a number":     func(h *HubWord) { h.Number = 0 },
		"two things":           func(h *HubWord) { h.License = []byte{1} },
		"nothing":              func(h *HubWord) { h.Grants = nil },
		"an account alone":     func(h *HubWord) { h.Account = "ines" },
	} {
		t.Run(name, func(t *testing.T) {
			word := w.basic()
			change(&word)
			if d, err := word.Sign(signWith(w.hub)); err == nil {
				t.Errorf("it was signed: %d bytes", len(d.Raw))
			}
		})
	}
}

func TestWordCountsOnThePanelsOfThatHubAlone(t *testing.T) {
	w := newWordWorld()
	good := w.examine(t, w.basic(), w.hub)
	if good.Result != Activated || good.After.Count(SIPNumbers) != 2 || good.After.Count(Applications) != 2 || len(good.Keep) != 1 {
		t.Fatalf("%+v", good)
	}
	stranger := w.basic()
	stranger.Hub = pubOf(w.other)
	if v := w.examine(t, stranger, w.other); v.Result != OtherPanel || len(v.Keep) > 0 {
		t.Errorf("another hub: %s %q", v.Result, v.Message)
	}
	astray := w.basic()
	astray.To = envelope.ThumbprintOf(pubOf(w.peer))
	if v := w.examine(t, astray, w.hub); v.Result != OtherPanel {
		t.Errorf("for another panel: %s", v.Result)
	}
	free := w
	free.panel.Hub = Membership{}
	if v := free.examine(t, w.basic(), w.hub); v.Result != OtherPanel || !strings.Contains(v.Message, "belongs to no hub") {
		t.Errorf("without a hub: %s %q", v.Result, v.Message)
	}
	// What is kept counts no more once the panel belongs to another hub.
	moved := w.panel
	moved.Hub.Key = pubOf(w.other)
	if n := Derive(w.ring, moved, w.clock(), good.Keep).Count(SIPNumbers); n != 0 {
		t.Errorf("under another hub it has %d", n)
	}
	if v := w.examine(t, w.basic(), w.hub, good.Keep...); v.Result != AlreadyActive {
		t.Errorf("again: %s", v.Result)
	}
	older := w.basic()
	older.Number = 6
	if v := w.examine(t, older, w.hub, good.Keep...); v.Result != AlreadyActive || len(v.Keep) > 0 {
		t.Errorf("an older word: %s", v.Result)
	}
	if _, err := OpenActivation(good.Keep[0].Raw); err == nil {
		t.Error("a word opens as an activation")
	}
}

func TestBasicAddsToNothing(t *testing.T) {
	w := newWordWorld()
	basic := w.examine(t, w.basic(), w.hub).Keep
	v := Examine(envelope.Armor(envelope.License, w.token(t, Grant{SIPNumbers, 5})), w.ring, w.panel, w.clock(), basic, "")
	if v.Result != Activated || v.After.Count(SIPNumbers) != 5 || v.After.Count(Applications) != 2 {
		t.Errorf("%s: %d numbers, %d applications", v.Result, v.After.Count(SIPNumbers), v.After.Count(Applications))
	}
}

func TestBearerClaimUnderAHubIsProvisionalUntilItIsConfirmed(t *testing.T) {
	w := newWordWorld()
	raw := w.token(t, Grant{Buttons, 3})
	a := Activation{Panel: pubOf(w.self), License: raw, At: w.now}
	doc, err := a.Sign(signWith(w.self))
	if err != nil {
		t.Fatal(err)
	}
	late := Clock{Now: w.now.AddDate(0, 0, 31), Mark: w.now, Trusted: true}
	at := func(panel Panel, clock Clock, docs ...Document) int {
		return Derive(w.ring, panel, clock, docs).Count(Buttons)
	}
	if at(w.panel, w.clock(), doc) != 3 || at(w.panel, late, doc) != 0 {
		t.Errorf("at once %d, after 31 days %d", at(w.panel, w.clock(), doc), at(w.panel, late, doc))
	}
	before := w.panel
	before.Hub.Since = w.now.Add(time.Second)
	if at(before, late, doc) != 3 {
		t.Error("what was active before the panel came to its hub is not final")
	}
	alone := w.panel
	alone.Hub = Membership{}
	if at(alone, late, doc) != 3 {
		t.Error("without a hub it is not final")
	}
	confirm := w.examine(t, HubWord{Hub: pubOf(w.hub), To: w.panel.ID(), Number: 1, At: w.now, Claim: doc.Raw}, w.hub, doc)
	if confirm.Result != Activated || at(w.panel, late, append(confirm.Keep, doc)...) != 3 {
		t.Errorf("confirmed: %s, %d", confirm.Result, at(w.panel, late, append(confirm.Keep, doc)...))
	}
	// A store that has lost it gets it back with the confirmation.
	healed := w.examine(t, HubWord{Hub: pubOf(w.hub), To: w.panel.ID(), Number: 1, At: w.now, Claim: doc.Raw}, w.hub)
	if healed.Result != Activated || at(w.panel, late, healed.Keep...) != 3 {
		t.Errorf("healed: %s, %d", healed.Result, at(w.panel, late, healed.Keep...))
	}
}

func TestHubDecidesWhichClaimStays(t *testing.T) {
	w := newWordWorld()
	raw := w.token(t, Grant{Buttons, 3})
	mine, err := Activation{Panel: pubOf(w.self), License: raw, At: w.now}.Sign(signWith(w.self))
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := Activation{Panel: pubOf(w.peer), License: raw, At: w.now.Add(-time.Hour)}.Sign(signWith(w.peer))
	if err != nil {
		t.Fatal(err)
	}
	v := w.examine(t, HubWord{Hub: pubOf(w.hub), To: w.panel.ID(), Number: 1, At: w.now, Claim: earlier.Raw}, w.hub, mine)
	if v.Result != UsedElsewhere || len(v.Keep) != 1 || v.After.Count(Buttons) != 0 {
		t.Errorf("%s %q", v.Result, v.Message)
	}
}

func TestReturnUpToANumberIsDoneOnce(t *testing.T) {
	w := newWordWorld()
	raw := w.token(t, Grant{Buttons, 10})
	held, err := Activation{Panel: pubOf(w.hub), License: raw, At: w.now}.Sign(signWith(w.hub))
	if err != nil {
		t.Fatal(err)
	}
	slice, err := Slice{Holder: pubOf(w.hub), Activation: held.Raw, To: w.panel.ID(), Feature: Buttons, Given: 8, At: w.now}.Sign(signWith(w.hub))
	if err != nil {
		t.Fatal(err)
	}
	docs := Examine(envelope.Armor(envelope.Slice, slice.Raw), w.ring, w.panel, w.clock(), nil, "").Keep
	order := BackOrder{License: TokenID{1, 2}, Total: 3, To: pubOf(w.hub)}
	v := GiveBack(w.ring, w.panel, w.clock(), docs, order)
	if v.Result != Activated || v.After.Count(Buttons) != 5 {
		t.Fatalf("%s %q", v.Result, v.Message)
	}
	back, err := v.Sign.Sign(signWith(w.self))
	if err != nil {
		t.Fatal(err)
	}
	docs = append(docs, back)
	if v := GiveBack(w.ring, w.panel, w.clock(), docs, order); v.Result != AlreadyActive || v.Sign != nil {
		t.Errorf("again: %s", v.Result)
	}
	order.Total = 4
	if v := GiveBack(w.ring, w.panel, w.clock(), docs, order); v.Result != Activated || v.After.Count(Buttons) != 4 {
		t.Errorf("one more: %s", v.Result)
	}
	order.Total = 9
	if v := GiveBack(w.ring, w.panel, w.clock(), docs, order); v.Result != PoolExhausted {
		t.Errorf("more than is here: %s", v.Result)
	}
	order.Total, order.To = 4, pubOf(w.other)
	if v := GiveBack(w.ring, w.panel, w.clock(), docs, order); v.Result != NotPossible {
		t.Errorf("to whoever did not give it: %s", v.Result)
	}
	if held := HeldFrom(pubOf(w.hub), docs); len(held) != 2 {
		t.Errorf("%d documents are told", len(held))
	}
}

func FuzzOpenHubWord(f *testing.F) {
	w := newWordWorld()
	for _, word := range []HubWord{
		w.basic(), {Hub: pubOf(w.hub), To: w.panel.ID(), Number: 1, At: w.now, License: []byte{1, 2, 3}, Account: "ines"},
		{Hub: pubOf(w.hub), To: w.panel.ID(), Number: 1, At: w.now, Claim: []byte{1, 2, 3}},
	} {
		d, err := word.Sign(signWith(w.hub))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(d.Raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		word, err := OpenHubWord(raw)
		if err != nil {
			return
		}
		if err := word.check(); err != nil {
			t.Fatalf("it opens, and could not be signed: %v", err)
		}
		for _, g := range word.Grants {
			if g.Count > BasicCount {
				t.Fatalf("%+v", g)
			}
		}
	})
}
