package license

import (
	"bytes"
	"crypto/ed25519"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

var update = flag.Bool("update", false, "rewrite the test vectors in docs/license-format.md")

func vectorKey(first byte) testKey {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = first + byte(i)
	}
	private := ed25519.NewKeyFromSeed(seed)
	return testKey{private.Public().(ed25519.PublicKey), func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }}
}

func vectorID(first byte) (id TokenID) {
	for i := range id {
		id[i] = first + byte(i)
	}
	return id
}

func TestVectorsInTheDocumentationHold(t *testing.T) {
	root, issuer, panelKey := vectorKey(0x00), vectorKey(0x20), vectorKey(0x40)
	panel := envelope.ThumbprintOf(panelKey.pub)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	buttons := Token{ID: vectorID(0x00), IssuedAt: at, Scope: ScopePanel, Grants: []Grant{{Buttons, 10}}}
	annual := Token{ID: vectorID(0x10), IssuedAt: at, Scope: ScopePanel, Subject: panel[:], Term: Term{Years: 1}, Grants: []Grant{{AccessBasic, 1}}}
	delegation := Delegation{
		Issuer: issuer.pub, Name: "Dealer North", Number: 1, IssuedAt: at, NotBefore: at, Expires: at.AddDate(2, 0, 0),
		Ceilings: []Grant{{AccessBasic, 1}, {Buttons, 20}},
	}
	byIssuer := Token{ID: vectorID(0x20), IssuedAt: at.AddDate(0, 1, 0), Scope: ScopePanel, Label: "Villa Rosa", Grants: []Grant{{Buttons, 4}}}
	signedDelegation, err := delegation.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Revocation{Number: 1, IssuedAt: at, Tokens: map[TokenID]time.Time{vectorID(0xf0): at}}.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, now := vectorKey(0x60), time.Date(2026, 12, 25, 8, 0, 0, 0, time.UTC)
	other := envelope.ThumbprintOf(otherKey.pub)
	identity := stated(t, Identity{Panel: otherKey.pub, Name: "Stairs B", At: now}, otherKey)
	activation := stated(t, Activation{Panel: panelKey.pub, License: signed(t, buttons, root), At: now}, panelKey)
	slice := stated(t, Slice{Holder: panelKey.pub, Activation: activation.Raw, To: other, Feature: Buttons, Given: 4, At: now}, panelKey)
	back := stated(t, Return{Panel: otherKey.pub, Slice: slice.Raw, Returned: 1, At: now}, otherKey)
	toGo := stated(t, Activation{Panel: panelKey.pub, License: signed(t, byIssuer, issuer), At: now}, panelKey)
	release := stated(t, Release{Panel: panelKey.pub, Activation: toGo.Raw, At: now.Add(time.Hour), Ran: time.Hour}, panelKey)
	pass := Pass{
		Panel: panelKey.pub, ID: vectorID(0x30), NotBefore: time.Date(2026, 12, 29, 9, 0, 0, 0, time.UTC), Expires: time.Date(2026, 12, 29, 11, 0, 0, 0, time.UTC),
		Uses: 2, Doors: []string{"gate"},
	}
	signedPass, err := pass.Sign(panelKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	vectors := []struct {
		title string
		kind  envelope.Kind
		raw   []byte
		want  string
		at    testKey
		docs  []Document
	}{
		{"Ten buttons, for ever, for whoever scans them first", envelope.License, signed(t, buttons, root), "10 buttons added", panelKey, nil},
		{"Access control for one panel, a year from activation", envelope.License, signed(t, annual, root), "access control on until 2027-12-25", panelKey, nil},
		{"A delegation", envelope.Delegation, signedDelegation, "issuer Dealer North accepted", panelKey, nil},
		{"Four buttons from that issuer", envelope.License, signed(t, byIssuer, issuer), "4 buttons added", panelKey, nil},
		{"A revocation list", envelope.Revocation, list, "revocation list 1 accepted: 1 licenses and 0 issuers no longer hold", panelKey, nil},
		{"The other panel's identity", envelope.Identity, identity.Raw, "panel Stairs B (" + other.String()[:6] + "…) recognized: choose on the page how many buttons to give it", panelKey, nil},
		{"The panel's activation of the first license", envelope.Activation, activation.Raw, "this panel's own activation was restored", panelKey, nil},
		{"Four of its ten buttons for the other panel", envelope.Slice, slice.Raw, "4 buttons added, given by panel " + panel.String() + ": 4 here + 1 free", otherKey, nil},
		{"One of those four given back", envelope.Return, back.Raw, "1 button came back from panel " + other.String() + ": 7 here + 1 free", panelKey, []Document{activation, slice}},
		{"The panel gives the fourth license up", envelope.Release, release.Raw, "4 buttons added", otherKey, nil},
		{"A guest's pass for the panel's gate, on 2026-12-29 from 9 to 11 UTC, twice", envelope.Pass, signedPass, "", panelKey, nil},
	}

	var doc strings.Builder
	fmt.Fprintf(&doc, "    root    %s   key id %s\n", envelope.KeyText(root.pub), envelope.IDOf(root.pub))
	fmt.Fprintf(&doc, "    issuer  %s   key id %s\n", envelope.KeyText(issuer.pub), envelope.IDOf(issuer.pub))
	fmt.Fprintf(&doc, "    panel   %s   id %s\n", envelope.KeyText(panelKey.pub), panel)
	fmt.Fprintf(&doc, "    other   %s   id %s\n", envelope.KeyText(otherKey.pub), other)
	ring, problems := NewKeyring([]ed25519.PublicKey{root.pub}, nil, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	where := map[string]string{panel.String(): "panel", other.String(): "other"}
	clock := Clock{Now: time.Date(2026, 12, 25, 8, 0, 0, 0, time.UTC), Trusted: true}
	for i, vector := range vectors {
		text := envelope.Armor(vector.kind, vector.raw)
		outcome := openedPass(t, vector.raw, pass)
		if vector.kind != envelope.Pass {
			outcome = fmt.Sprintf("activated, \"%s\"", vector.want)
		}
		v := Examine(text, ring, Panel{Key: vector.at.pub}, clock, vector.docs, "")
		if vector.kind != envelope.Pass && (v.Result != Activated || v.Message != vector.want) {
			t.Errorf("%s: %s %q", vector.title, v.Result, v.Message)
		}
		if vector.kind == envelope.Delegation {
			ring, _ = NewKeyring([]ed25519.PublicKey{root.pub}, [][]byte{v.Keep[0].Raw}, nil)
		}
		payload, _, err := envelope.Open(vector.kind, vector.raw, func(kid envelope.KeyID) (ed25519.PublicKey, bool) {
			for _, signer := range []testKey{panelKey, otherKey} {
				if envelope.IDOf(signer.pub) == kid {
					return signer.pub, true
				}
			}
			return ring.key(kid)
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&doc, "\n**%d. %s** (%d bytes)\n\n    payload  %s\n    envelope %s\n    text     %s\n    on 2026-12-25 08:00 UTC at the %s above: %s\n",
			i+1, vector.title, len(vector.raw), hexLines(payload), hexLines(vector.raw), text, where[envelope.NameOf(vector.at.pub)], outcome)
	}

	path := filepath.Join("..", "docs", "license-format.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const marker = "<!-- vectors -->\n"
	start := bytes.Index(page, []byte(marker))
	if start < 0 {
		t.Fatalf("%s has no line %q", path, marker)
	}
	want := string(page[:start]) + marker + "\n" + doc.String()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("the vectors in %s are not what is signed now: the format is frozen, so find out why", path)
	}
}

// openedPass says in words what a pass holds; empty for another kind.
func openedPass(t *testing.T, raw []byte, want Pass) string {
	p, err := OpenPass(raw, want.Panel)
	if err != nil {
		return ""
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v", p)
	}
	return fmt.Sprintf("a pass for %d uses, not yet", p.Uses)
}

func hexLines(raw []byte) string {
	digits := fmt.Sprintf("%x", raw)
	var lines []string
	for len(digits) > 96 {
		lines, digits = append(lines, digits[:96]), digits[96:]
	}
	return strings.Join(append(lines, digits), "\n             ")
}
