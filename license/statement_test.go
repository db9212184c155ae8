package license

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// statements is one of each kind that a panel signs, about one license.
func statements(t testing.TB, raw []byte) map[envelope.Kind][]byte {
	t.Helper()
	b := keyOf(8)
	activation := activated(t, raw, issued)
	slice := stated(t, Slice{Holder: hereKey.pub, Activation: activation.Raw, To: elsewhere.ID(), Feature: Buttons, Given: 4, Returned: 1, At: issued}, hereKey)
	pass, err := Pass{Panel: hereKey.pub, ID: TokenID{1}, NotBefore: issued, Expires: issued.Add(time.Hour), Uses: 2, Doors: []string{"front door"}}.Sign(hereKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	return map[envelope.Kind][]byte{
		envelope.Identity:   stated(t, Identity{Panel: b.pub, Name: "Stairs B", At: issued}, b).Raw,
		envelope.Activation: activation.Raw,
		envelope.Slice:      slice.Raw,
		envelope.Return:     stated(t, Return{Panel: b.pub, Slice: slice.Raw, Returned: 2, At: issued}, b).Raw,
		envelope.Release:    stated(t, Release{Panel: hereKey.pub, Activation: activation.Raw, At: issued, Ran: time.Hour}, hereKey).Raw,
		envelope.Pass:       pass,
	}
}

// open reads a statement of any kind as its reader would.
func openAny(kind envelope.Kind, raw []byte) (any, error) {
	switch kind {
	case envelope.Identity:
		return OpenIdentity(raw)
	case envelope.Activation:
		return OpenActivation(raw)
	case envelope.Slice:
		return openGiven(raw)
	case envelope.Return:
		back, _, err := openBack(raw)
		return back, err
	case envelope.Release:
		return OpenRelease(raw)
	}
	return OpenPass(raw, hereKey.pub)
}

func TestEveryStatementHasItsSize(t *testing.T) {
	fullest := ten(1)
	fullest.Grants, fullest.Subject, fullest.Label = nil, idOf(here), strings.Repeat("x", maxLabel)
	for i := range maxGrants {
		fullest.Grants = append(fullest.Grants, Grant{fmt.Sprintf("%032d", i), maxCount})
	}
	ordinary, full := statements(t, signed(t, ten(1), rootKey)), statements(t, signed(t, fullest, rootKey))
	widest, err := Pass{
		Panel: hereKey.pub, ID: TokenID{1}, NotBefore: issued, Expires: issued.AddDate(1, 0, 0), Uses: maxUses,
		Doors: []string{strings.Repeat("a", maxDoorName), strings.Repeat("b", maxDoorName), strings.Repeat("c", maxDoorName), strings.Repeat("d", maxDoorName)},
	}.Sign(hereKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind           envelope.Kind
		raw            []byte
		bytes, version int // at most, at level M: these are shown on displays
	}{
		{envelope.Identity, ordinary[envelope.Identity], 145, 8}, {envelope.Activation, ordinary[envelope.Activation], 275, 12},
		{envelope.Slice, ordinary[envelope.Slice], 440, 17}, {envelope.Return, ordinary[envelope.Return], 575, 19},
		{envelope.Release, ordinary[envelope.Release], 415, 16}, {envelope.Pass, ordinary[envelope.Pass], 190, 10}, {envelope.Pass, widest, 320, 13},
		{envelope.Slice, full[envelope.Slice], 1850, 36}, {envelope.Return, full[envelope.Return], 2000, 37}, {envelope.Release, full[envelope.Release], 1800, 35},
	} {
		text, version := envelope.Armor(c.kind, c.raw), 0
		if code, err := qr.Encode(text, qr.M); err == nil {
			version = (code.Size - 17) / 4
		}
		t.Logf("%s: %d bytes, %d characters, version %d-M", c.kind, len(c.raw), len(text), version)
		if len(c.raw) > c.bytes || len(c.raw) > c.kind.Limit() || version == 0 || version > c.version {
			t.Errorf("%s: %d bytes, version %d", c.kind, len(c.raw), version)
		}
	}
}

func TestStatementsAreReadAsTheyWereSigned(t *testing.T) {
	raw := signed(t, ten(1), rootKey)
	a := Activation{
		Panel: hereKey.pub, License: raw, At: issued, Account: "rossi", AssignedAt: issued.AddDate(0, 1, 0), Changes: 3, Turn: 2,
		Origin: Origin{elsewhere.ID(), issued.AddDate(0, -1, 0)}, Ran: -time.Hour,
	}
	got, err := OpenActivation(stated(t, a, hereKey).Raw)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(a) {
		t.Errorf("%+v, %v", got, err)
	}
	for kind, raw := range statements(t, raw) {
		if _, err := openAny(kind, raw); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for other := range statements(t, raw) {
			if _, err := openAny(other, raw); other != kind && err == nil {
				t.Errorf("a %s opens as a %s", kind, other)
			}
		}
	}
}

func TestAnyFlippedByteOfAStatementIsRefused(t *testing.T) {
	for kind, raw := range statements(t, signed(t, ten(1), rootKey)) {
		for i := range raw {
			flipped := slices.Clone(raw)
			flipped[i] ^= 0x01
			if _, err := openAny(kind, flipped); !errors.Is(err, envelope.ErrMalformed) && !errors.Is(err, envelope.ErrForged) {
				t.Errorf("%s, byte %d: %v", kind, i, err)
			}
		}
	}
}

func TestStatementsThatCannotBeReadAreNotSigned(t *testing.T) {
	raw := signed(t, ten(1), rootKey)
	activation := activated(t, raw, issued).Raw
	slice := Slice{Holder: hereKey.pub, Activation: activation, To: elsewhere.ID(), Feature: Buttons, Given: 4, At: issued}
	foreign := stated(t, Activation{Panel: keyOf(8).pub, License: raw, At: issued}, keyOf(8)).Raw
	whole := stated(t, slice, hereKey).Raw
	with := func(change func(*Slice)) Slice { s := slice; change(&s); return s }
	for name, s := range map[string]Statement{
		"an identity without a time":     Identity{Panel: hereKey.pub},
		"a name with a break":            Identity{Panel: hereKey.pub, Name: "a\nb", At: issued},
		"a name too long":                Identity{Panel: hereKey.pub, Name: strings.Repeat("x", maxLabel+1), At: issued},
		"an activation of nothing":       Activation{Panel: hereKey.pub, At: issued},
		"an activation at no time":       Activation{Panel: hereKey.pub, License: raw},
		"an account with a break":        Activation{Panel: hereKey.pub, License: raw, At: issued, Account: "a\nb"},
		"a negative turn":                Activation{Panel: hereKey.pub, License: raw, At: issued, Turn: -1},
		"a turn without an origin":       Activation{Panel: hereKey.pub, License: raw, At: issued, Turn: 1},
		"an origin without a time":       Activation{Panel: hereKey.pub, License: raw, At: issued, Turn: 1, Origin: Origin{Panel: here.ID()}},
		"an origin without a turn":       Activation{Panel: hereKey.pub, License: raw, At: issued, Origin: Origin{here.ID(), issued}},
		"negative changes":               Activation{Panel: hereKey.pub, License: raw, At: issued, Changes: -1},
		"half a second":                  Activation{Panel: hereKey.pub, License: raw, At: issued.Add(time.Second / 2)},
		"a slice of nothing":             with(func(s *Slice) { s.Given = 0 }),
		"a slice that took more back":    with(func(s *Slice) { s.Returned = 5 }),
		"a slice that took less than 0":  with(func(s *Slice) { s.Returned = -1 }),
		"a slice of too much":            with(func(s *Slice) { s.Given = maxDealt + 1 }),
		"a slice for itself":             with(func(s *Slice) { s.To = here.ID() }),
		"a slice without a feature":      with(func(s *Slice) { s.Feature = "" }),
		"a slice without an activation":  with(func(s *Slice) { s.Activation = nil }),
		"a slice at no time":             with(func(s *Slice) { s.At = time.Time{} }),
		"a return of nothing known":      Return{Panel: keyOf(8).pub, Returned: 1, At: issued},
		"a return of less than nothing":  Return{Panel: keyOf(8).pub, Slice: whole, Returned: -1, At: issued},
		"a return at no time":            Return{Panel: keyOf(8).pub, Slice: whole, Returned: 1},
		"a release of nothing":           Release{Panel: hereKey.pub, At: issued},
		"a release at no time":           Release{Panel: hereKey.pub, Activation: activation},
		"a release by a negative clock":  Release{Panel: hereKey.pub, Activation: activation, At: issued, Ran: -time.Second},
		"a key of low order":             Identity{Panel: make(ed25519.PublicKey, 32), At: issued},
		"an identity under a wrong key":  Identity{Panel: keyOf(8).pub, At: issued},
		"an identity without a key":      Identity{At: issued},
		"a slice of what does not open":  with(func(s *Slice) { s.Activation = []byte("?") }),
		"a release of what doesn't open": Release{Panel: hereKey.pub, Activation: []byte("?"), At: issued},
	} {
		if doc, err := s.Sign(hereKey.sign); err == nil {
			t.Errorf("%s: signed as %s", name, doc.Key)
		}
	}
	// What another program signs is refused when it is read.
	if _, err := openGiven(stated(t, with(func(s *Slice) { s.Activation = foreign }), hereKey).Raw); !errors.Is(err, envelope.ErrMalformed) {
		t.Errorf("a slice of what another panel activated: %v", err)
	}
	for name, r := range map[string]Return{
		"by another panel": {Panel: hereKey.pub, Slice: whole, Returned: 1, At: issued},
		"of more than was": {Panel: keyOf(8).pub, Slice: whole, Returned: 5, At: issued},
	} {
		key := hereKey
		if !r.Panel.Equal(hereKey.pub) {
			key = keyOf(8)
		}
		if _, _, err := openBack(stated(t, r, key).Raw); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("a return %s: %v", name, err)
		}
	}
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	stolen := stated(t, Release{Panel: b.key.pub, Activation: a.docs[0].Raw, At: issued}, b.key)
	b.show(envelope.Armor(stolen.Kind, stolen.Raw), Malformed, "damaged")
}

func TestAPanelWithAnotherProgramCannotGiveMoreThanWasSold(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	sign := func(given, returned int, feature string, activation []byte) string {
		doc := stated(t, Slice{Holder: a.key.pub, Activation: activation, To: b.panel.ID(), Feature: feature, Given: given, Returned: returned, At: issued}, a.key)
		return envelope.Armor(doc.Kind, doc.Raw)
	}
	b.show(sign(11, 0, Buttons, a.docs[0].Raw), PoolExhausted, "10 of 10, 1 too many")
	b.show(sign(5, 0, "apps", a.docs[0].Raw), OtherPanel, "holds no")
	b.show(sign(1, 0, AccessBasic, a.docs[0].Raw), OtherPanel, "othing of this license can be shared out")
	for name, change := range map[string]func(*Token){
		"for an account":      func(k *Token) { k.Scope = ScopeAccount },
		"for another panel":   func(k *Token) { k.Subject = idOf(b.panel) },
		"for a group":         func(k *Token) { k.Scope = ScopeGroup },
		"for another site":    func(k *Token) { k.Scope = ScopeSite; k.Subject = []byte("hotel") },
		"not for the giver":   func(k *Token) { k.Subject = make([]byte, 16) },
		"of an unknown maker": func(*Token) {},
	} {
		token, key := ten(2), rootKey
		change(&token)
		want := OtherPanel
		if name == "of an unknown maker" {
			key, want = strangeKey, UnknownIssuer
		}
		doc := stated(t, Activation{Panel: a.key.pub, License: signed(t, token, key), At: issued}, a.key)
		b.show(sign(4, 0, Buttons, doc.Raw), want, "")
		b.docs = append(b.docs, Document{envelope.Slice, place(placeTaken, reference(signed(t, token, key)), Buttons, a.panel.ID().String()), unarmored(t, sign(4, 0, Buttons, doc.Raw))})
		b.has(0)
		b.docs = nil
	}
	// Given and taken again, the whole of it at most.
	b.show(sign(14, 4, Buttons, a.docs[0].Raw), Activated, "10 buttons")
	b.has(10)
	b.docs = []Document{{envelope.Slice, place(placeTaken, reference(signed(t, ten(1), rootKey)), Buttons, a.panel.ID().String()), unarmored(t, sign(50, 0, Buttons, a.docs[0].Raw))}}
	b.has(10)
}

func unarmored(t *testing.T, text string) []byte {
	t.Helper()
	_, raw, err := envelope.Unarmor(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAPassIsForThePanelThatSignedIt(t *testing.T) {
	good := Pass{Panel: hereKey.pub, ID: TokenID{1}, NotBefore: issued, Expires: issued.Add(time.Hour), Uses: 1}
	raw, err := good.Sign(hereKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenPass(raw, hereKey.pub); err != nil || fmt.Sprint(got) != fmt.Sprint(good) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := OpenPass(raw, keyOf(8).pub); !errors.Is(err, envelope.ErrForged) {
		t.Error(err)
	}
	for name, change := range map[string]func(*Pass){
		"no id":          func(p *Pass) { p.ID = TokenID{} },
		"no beginning":   func(p *Pass) { p.NotBefore = time.Time{} },
		"no end":         func(p *Pass) { p.Expires = time.Time{} },
		"never":          func(p *Pass) { p.Expires = p.NotBefore },
		"no use":         func(p *Pass) { p.Uses = 0 },
		"too many uses":  func(p *Pass) { p.Uses = maxUses + 1 },
		"too many doors": func(p *Pass) { p.Doors = []string{"a", "b", "c", "d", "e"} },
		"a door twice":   func(p *Pass) { p.Doors = []string{"a", "a"} },
		"a nameless":     func(p *Pass) { p.Doors = []string{""} },
		"a long door":    func(p *Pass) { p.Doors = []string{strings.Repeat("x", maxDoorName+1)} },
		"a fraction":     func(p *Pass) { p.Expires = p.Expires.Add(1) },
	} {
		p := good
		change(&p)
		if _, err := p.Sign(hereKey.sign); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	// Another program may put other claims into it.
	other := elsewhere.ID()
	mine := here.ID()
	for name, claims := range map[string]tokenClaims{
		"for another panel":   {Subject: other[:], Expires: seconds(issued.Add(1e10)), NotBefore: seconds(issued), ID: good.ID[:]},
		"for nobody":          {Expires: seconds(issued.Add(1e10)), NotBefore: seconds(issued), ID: good.ID[:]},
		"without an id":       {Subject: mine[:], Expires: seconds(issued.Add(1e10)), NotBefore: seconds(issued)},
		"with a time too":     {Subject: mine[:], Expires: seconds(issued.Add(1e10)), NotBefore: seconds(issued), ID: good.ID[:], IssuedAt: seconds(issued)},
		"with a scope":        {Subject: mine[:], Expires: seconds(issued.Add(1e10)), NotBefore: seconds(issued), ID: good.ID[:], Scope: "panel"},
		"over before it ends": {Subject: mine[:], Expires: seconds(issued), NotBefore: seconds(issued), ID: good.ID[:]},
	} {
		doc, err := signStatement(statement{kind: envelope.Pass, panel: hereKey.pub, claims: claims, own: passOwn{Uses: 1}}, hereKey.sign)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPass(doc.Raw, hereKey.pub); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzStatements signs whatever payload under a panel's key: nothing that opens may break a rule or change when it is signed again.
func FuzzStatements(f *testing.F) {
	kinds := []envelope.Kind{envelope.Identity, envelope.Activation, envelope.Slice, envelope.Return, envelope.Release, envelope.Pass}
	for i, kind := range kinds {
		raw := statements(f, signed(f, ten(1), rootKey))[kind]
		payload, _, err := envelope.OpenBySigner(kind, raw)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), payload, raw)
	}
	ring := ringOf(f, nil, nil)
	panel := Panel{Key: keyOf(8).pub, Site: "villa"}
	f.Fuzz(func(t *testing.T, at byte, payload, raw []byte) {
		kind := kinds[int(at)%len(kinds)]
		_, _ = openAny(kind, raw)
		for _, key := range []testKey{hereKey, keyOf(8)} {
			signed, err := envelope.Sign(kind, key.pub, key.sign, payload)
			if err != nil {
				continue
			}
			if _, err := openAny(kind, signed); err != nil && !errors.Is(err, envelope.ErrMalformed) && !errors.Is(err, envelope.ErrForged) {
				t.Errorf("%v", err)
			}
			v := Examine(envelope.Armor(kind, signed), ring, panel, trusted("2026-12-01"), nil, "")
			for _, doc := range v.Keep {
				if at, ok := DocumentAt(doc.Key, doc.Raw); !ok || at.Kind != doc.Kind {
					t.Errorf("%q is no place for a %s", doc.Key, doc.Kind)
				}
			}
			if e := Derive(ring, panel, trusted("2026-12-01"), v.Keep); e.Count(Buttons) > 10 {
				t.Errorf("%d buttons of 10", e.Count(Buttons))
			}
		}
	})
}

// FuzzRecords puts whatever bytes into whatever place of a store.
func FuzzRecords(f *testing.F) {
	a := newStation(f, "A", 9)
	a.show(text(f, ten(1), rootKey), Activated, "")
	a.give(newStation(f, "B", 8), ten(1).ID, 4, Activated, "")
	for _, doc := range a.docs {
		f.Add(doc.Key, doc.Raw, uint64(3))
	}
	f.Add("release/own/", []byte{}, uint64(0))
	f.Add("claim/x", []byte{0x84}, uint64(1))
	f.Fuzz(func(t *testing.T, key string, raw []byte, flip uint64) {
		docs := slices.Clone(a.docs)
		if doc, ok := DocumentAt(key, raw); ok {
			docs = append(docs, doc)
		}
		if len(raw) > 0 {
			changed := slices.Clone(raw)
			changed[flip%uint64(len(raw))] ^= byte(binary.LittleEndian.Uint64(binary.BigEndian.AppendUint64(nil, flip))) | 1
			docs = append(docs, Document{envelope.Slice, key, changed})
		}
		if e := Derive(a.ring, a.panel, a.clock, docs); e.Count(Buttons) > 6 {
			t.Errorf("%d buttons", e.Count(Buttons))
		}
	})
}
