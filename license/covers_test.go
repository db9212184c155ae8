package license

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWhatIsNotNarrowerLosesNothing: whatever the one delegation covered until now, the next one covers, unless Narrower said so.
func TestWhatIsNotNarrowerLosesNothing(t *testing.T) {
	root, issuer := vectorKey(0x00), vectorKey(0x20)
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(t *rapid.T, name string) time.Time {
		if n := rapid.IntRange(0, 20).Draw(t, name); n > 0 {
			return base.AddDate(0, 0, n)
		}
		return time.Time{}
	}
	ring := func(t *rapid.T, d Delegation) Keyring {
		raw, err := d.Sign(root.pub, root.sign)
		if err != nil {
			t.Fatal(err)
		}
		k, problems := NewKeyring([]ed25519.PublicKey{root.pub}, [][]byte{raw}, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return k
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Delegation {
			d := Delegation{Issuer: issuer.pub, Name: name, Number: 1, IssuedAt: base, NotBefore: day(t, name+" from"), Expires: day(t, name+" until")}
			for _, feature := range []string{Any, Buttons, SIP} {
				if n := rapid.IntRange(0, 3).Draw(t, name+" "+feature); n > 0 {
					d.Ceilings = append(d.Ceilings, Grant{feature, n})
				}
			}
			if len(d.Ceilings) == 0 {
				d.Ceilings = []Grant{{SIP, 1}}
			}
			return d
		}
		before, next := draw("before"), draw("next")
		now := base.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "now"))
		token := Token{ID: TokenID{1}, Scope: ScopePanel, IssuedAt: base.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "issued")), Grants: []Grant{{
			rapid.SampledFrom([]string{Buttons, SIP, "other"}).Draw(t, "feature"), rapid.IntRange(1, 4).Draw(t, "count"),
		}}}
		if token.IssuedAt.After(now) || next.Narrower(before, now) != "" {
			return
		}
		if ring(t, before).Covers(issuer.pub, token) == nil {
			if err := ring(t, next).Covers(issuer.pub, token); err != nil {
				t.Errorf("%+v covered %+v, %+v does not: %v", before, token, next, err)
			}
		}
	})
}

// TestCoversAgreesWithWhatAPanelSays: an issuer is refused exactly what a panel would refuse as of an unknown issuer or revoked.
func TestCoversAgreesWithWhatAPanelSays(t *testing.T) {
	root, issuer, stranger := vectorKey(0x00), vectorKey(0x20), vectorKey(0x40)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	d := Delegation{Issuer: issuer.pub, Name: "Dealer North", Number: 1, IssuedAt: at, NotBefore: at, Expires: at.AddDate(1, 0, 0), Ceilings: []Grant{{Buttons, 20}}}
	delegation, err := d.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	ring, _ := NewKeyring([]ed25519.PublicKey{root.pub}, [][]byte{delegation}, nil)
	for _, c := range []struct {
		key    testKey
		count  int
		issued time.Time
		want   string
	}{
		{root, 999, at.AddDate(9, 0, 0), ""},
		{issuer, 20, at, ""},
		{issuer, 21, at, "at most 20"},
		{issuer, 1, at.Add(-time.Second), "could not issue licenses on 2026-11-21"},
		{issuer, 1, at.AddDate(1, 0, 0), "could not issue"},
		{stranger, 1, at, "no delegation for it is known"},
	} {
		token := Token{ID: vectorID(1), Scope: ScopePanel, IssuedAt: c.issued, Grants: []Grant{{Buttons, c.count}}}
		err := ring.Covers(c.key.pub, token)
		if c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, refused := ring.open(signed(t, token, c.key)); (refused == nil) != (err == nil) {
			t.Errorf("%+v: the panel says %v, the desk %v", c, refused, err)
		}
	}
}
