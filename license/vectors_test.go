package license

import (
	"bytes"
	"crypto/ed25519"
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
	vectors := []struct {
		title string
		kind  envelope.Kind
		raw   []byte
		want  string
	}{
		{"Ten buttons, for ever, for whoever scans them first", envelope.License, signed(t, buttons, root), "10 buttons added"},
		{"Access control for one panel, a year from activation", envelope.License, signed(t, annual, root), "access control on until 2027-12-25"},
		{"A delegation", envelope.Delegation, signedDelegation, "issuer Dealer North accepted"},
		{"Four buttons from that issuer", envelope.License, signed(t, byIssuer, issuer), "4 buttons added"},
	}

	var doc strings.Builder
	fmt.Fprintf(&doc, "    root    %s   key id %s\n", envelope.KeyText(root.pub), envelope.IDOf(root.pub))
	fmt.Fprintf(&doc, "    issuer  %s   key id %s\n", envelope.KeyText(issuer.pub), envelope.IDOf(issuer.pub))
	fmt.Fprintf(&doc, "    panel   %s   id %s\n", envelope.KeyText(panelKey.pub), panel)
	ring, problems := NewKeyring([]ed25519.PublicKey{root.pub}, nil, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	clock := Clock{Now: time.Date(2026, 12, 25, 8, 0, 0, 0, time.UTC), Trusted: true}
	for i, vector := range vectors {
		text := envelope.Armor(vector.kind, vector.raw)
		v := Examine(text, ring, Panel{Key: panelKey.pub}, clock, nil, "")
		if v.Result != Activated || v.Message != vector.want {
			t.Errorf("%s: %s %q", vector.title, v.Result, v.Message)
		}
		if vector.kind == envelope.Delegation {
			ring, _ = NewKeyring([]ed25519.PublicKey{root.pub}, [][]byte{v.Keep[0].Raw}, nil)
		}
		payload, _, err := envelope.Open(vector.kind, vector.raw, func(kid envelope.KeyID) (ed25519.PublicKey, bool) { return ring.key(kid) })
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&doc, "\n**%d. %s** (%d bytes)\n\n    payload  %s\n    envelope %s\n    text     %s\n    on 2026-12-25 08:00 UTC at the panel above: activated, \"%s\"\n",
			i+1, vector.title, len(vector.raw), hexLines(payload), hexLines(vector.raw), text, vector.want)
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

func hexLines(raw []byte) string {
	digits := fmt.Sprintf("%x", raw)
	var lines []string
	for len(digits) > 96 {
		lines, digits = append(lines, digits[:96]), digits[96:]
	}
	return strings.Join(append(lines, digits), "\n             ")
}
