package panel_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// rights derives entitlements from a token that is really signed: the core is never tested with rights made by hand.
func rights(t testing.TB, at, expires time.Time, grants ...license.Grant) license.Entitlements {
	t.Helper()
	if len(grants) == 0 {
		return license.Entitlements{}
	}
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize)))
	public := private.Public().(ed25519.PublicKey)
	issued := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	token := license.Token{ID: license.TokenID{1}, IssuedAt: issued, Expires: expires, Scope: license.ScopePanel, Grants: grants}
	sign := func(m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil }
	raw, err := token.Sign(public, sign)
	if err != nil {
		t.Fatal(err)
	}
	ring, faults := license.NewKeyring([]ed25519.PublicKey{public}, nil, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	activation, err := license.Activation{Panel: public, License: raw, At: issued}.Sign(sign)
	if err != nil {
		t.Fatal(err)
	}
	return license.Derive(ring, license.Panel{Key: public}, license.Clock{Now: at, Trusted: true}, []license.Document{activation})
}
