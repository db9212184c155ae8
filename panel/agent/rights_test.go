package agent_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// vendor signs licenses that the tests' panel trusts.
type vendor struct {
	t       testing.TB
	private ed25519.PrivateKey
}

func newVendor(t testing.TB, seed string) vendor {
	return vendor{t, ed25519.NewKeyFromSeed([]byte(strings.Repeat(seed, ed25519.SeedSize)))}
}

func (v vendor) public() ed25519.PublicKey { return v.private.Public().(ed25519.PublicKey) }

func (v vendor) sign(message []byte) ([]byte, error) { return ed25519.Sign(v.private, message), nil }

// issuedAt lies before the first day of every bubble.
var issuedAt = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

func (v vendor) token(id byte, change func(*license.Token), grants ...license.Grant) []byte {
	v.t.Helper()
	token := license.Token{ID: license.TokenID{id}, IssuedAt: issuedAt, Scope: license.ScopePanel, Grants: grants}
	if change != nil {
		change(&token)
	}
	raw, err := token.Sign(v.public(), v.sign)
	if err != nil {
		v.t.Fatal(err)
	}
	return raw
}

func accessControl(t testing.TB) license.Entitlements {
	v := newVendor(t, "s")
	ring, faults := license.NewKeyring([]ed25519.PublicKey{v.public()}, nil, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	raw := v.token(9, nil, license.Grant{Feature: license.AccessBasic, Count: 1})
	activation, err := license.Activation{Panel: v.public(), License: raw, At: issuedAt}.Sign(v.sign)
	if err != nil {
		t.Fatal(err)
	}
	return license.Derive(ring, license.Panel{Key: v.public()}, license.Clock{Now: time.Now(), Trusted: true}, []license.Document{activation})
}
