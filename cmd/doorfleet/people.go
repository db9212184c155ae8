package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// residents is how many people live behind each panel. Their cards are the same everywhere: the fleet is about panels.
const residents = 12

var firstNames = [residents]string{"Anna", "Marco", "Lia", "Paolo", "Sofia", "Luca", "Elena", "Davide", "Chiara", "Matteo", "Irene", "Pietro"}

// cardOf is the UID of a resident's card, from 0. A number beyond the residents is a card that nobody knows.
func cardOf(resident int) string { return fmt.Sprintf("04A1%08X", resident) }

// lapsed is the resident who moved out: the card is known, and expired.
const lapsed = residents - 1

// people finds the residents. It is the same for every panel and keeps nothing.
type people struct{}

func (people) Facts(kind access.Kind, shown string) (panel.Facts, error) {
	text, ours := strings.CutPrefix(shown, "04A1")
	n, err := strconv.ParseUint(text, 16, 32)
	if kind != access.Card || !ours || err != nil || n >= residents {
		return panel.Facts{}, nil
	}
	c := access.Credential{ID: fmt.Sprintf("card-%d", n), Person: fmt.Sprintf("person-%d", n), Kind: access.Card}
	if n == lapsed {
		c.Until = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return panel.Facts{Credential: c, Person: firstNames[n] + " Simulated", Rights: []access.Right{{}}}, nil
}

// rights are what a panel of the fleet may do, and whose orders it takes.
type rights struct {
	entitlements license.Entitlements
	orders       []ed25519.PublicKey
}

// entitle gives a panel access control, by a license of an issuer that only this program knows.
func entitle(key ed25519.PrivateKey) (license.Entitlements, error) {
	root, issuer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return license.Entitlements{}, err
	}
	token := license.Token{IssuedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Scope: license.ScopePanel, Grants: []license.Grant{
		{Feature: license.AccessBasic, Count: 1}, {Feature: license.Buttons, Count: buttons},
	}}
	if _, err := rand.Read(token.ID[:]); err != nil {
		return license.Entitlements{}, err
	}
	raw, err := token.Sign(root, signer(issuer))
	if err != nil {
		return license.Entitlements{}, err
	}
	public := key.Public().(ed25519.PublicKey)
	activation, err := license.Activation{Panel: public, License: raw, At: token.IssuedAt}.Sign(signer(key))
	if err != nil {
		return license.Entitlements{}, err
	}
	ring, faults := license.NewKeyring([]ed25519.PublicKey{root}, nil, nil)
	if len(faults) > 0 {
		return license.Entitlements{}, faults[0]
	}
	return license.Derive(ring, license.Panel{Key: public}, license.Clock{Now: time.Now(), Trusted: true}, []license.Document{activation}), nil
}

func signer(key ed25519.PrivateKey) func([]byte) ([]byte, error) {
	return func(message []byte) ([]byte, error) { return ed25519.Sign(key, message), nil }
}
