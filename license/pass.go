package license

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Pass lets a guest in at one panel, a number of times between two instants. The panel signs it itself and needs no record of it but
// how often it was used. It carries no name: whoever shows it gets in.
type Pass struct {
	Panel     ed25519.PublicKey // that signed it and lets in
	ID        TokenID           // 16 random bytes
	NotBefore time.Time
	Expires   time.Time // first instant at which it no longer opens
	Uses      int       // how often, 1 to 1,000
	Doors     []string  // names of doors, at most 4; none = every door that guests may use
}

const (
	maxUses     = 1000
	maxDoors    = 4
	maxDoorName = 32
)

func (p Pass) check() error {
	switch {
	case p.ID == (TokenID{}):
		return errors.New("the id is missing; draw 16 random bytes")
	case p.NotBefore.IsZero() || p.Expires.IsZero() || !p.NotBefore.Before(p.Expires):
		return fmt.Errorf("it holds from %s until %s", stamp(p.NotBefore), stamp(p.Expires))
	case p.Uses < 1 || p.Uses > maxUses:
		return fmt.Errorf("%d uses are not between 1 and %d", p.Uses, maxUses)
	case len(p.Doors) > maxDoors:
		return fmt.Errorf("%d doors are more than %d; name none for every door of the panel", len(p.Doors), maxDoors)
	}
	for i, door := range p.Doors {
		if door == "" || len(door) > maxDoorName || !printable(door) {
			return fmt.Errorf("the door %q is not a name of at most %d bytes", door, maxDoorName)
		}
		if i > 0 && p.Doors[i-1] >= door {
			return fmt.Errorf("the doors are not sorted, or %q is there twice", door)
		}
	}
	return errors.Join(checkTime(p.NotBefore), checkTime(p.Expires))
}

type passOwn struct {
	Uses  int      `cbor:"1,keyasint,omitempty"`
	Doors []string `cbor:"2,keyasint,omitempty"`
}

// Sign encodes and signs the pass with the panel's key. Text: envelope.Armor(envelope.Pass, raw).
func (p Pass) Sign(sign func(message []byte) ([]byte, error)) ([]byte, error) {
	id := envelope.ThumbprintOf(p.Panel)
	doc, err := signStatement(statement{
		kind: envelope.Pass, panel: p.Panel, fault: p.check(),
		claims: tokenClaims{Subject: id[:], Expires: seconds(p.Expires), NotBefore: seconds(p.NotBefore), ID: p.ID[:]},
		own:    passOwn{p.Uses, p.Doors},
	}, sign)
	return doc.Raw, err
}

// OpenPass verifies a pass that panel has signed. What was signed by any other key is forged: envelope.ErrForged. Whether it holds now,
// and how often it was used, is the caller's to decide.
func OpenPass(raw []byte, panel ed25519.PublicKey) (Pass, error) {
	var own passOwn
	claims, err := openStatement(envelope.Pass, raw, &own)
	if err != nil {
		return Pass{}, err
	}
	if !panel.Equal(ed25519.PublicKey(claims.Issuer)) {
		return Pass{}, fmt.Errorf("cannot open pass: %w: it is for panel %s", envelope.ErrForged, envelope.NameOf(claims.Issuer))
	}
	if id := envelope.ThumbprintOf(claims.Issuer); len(claims.ID) != len(TokenID{}) || claims.IssuedAt != nil || envelope.Thumbprint(claims.Subject) != id {
		return Pass{}, unreadable(envelope.Pass, errors.New("the id is missing, or it is for another panel than its signer"))
	}
	p := Pass{
		Panel: claims.Issuer, ID: TokenID(claims.ID), NotBefore: instant(claims.NotBefore), Expires: instant(claims.Expires), Uses: own.Uses, Doors: own.Doors,
	}
	if err := p.check(); err != nil {
		return Pass{}, unreadable(envelope.Pass, err)
	}
	return p, nil
}
