package license

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

type identityOwn struct {
	Name string `cbor:"1,keyasint,omitempty"`
}

type activationOwn struct {
	License     []byte `cbor:"1,keyasint,omitempty"`
	Account     string `cbor:"2,keyasint,omitempty"`
	AssignedAt  *int64 `cbor:"3,keyasint,omitempty"`
	Changes     int    `cbor:"4,keyasint,omitempty"`
	Turn        int    `cbor:"5,keyasint,omitempty"`
	OriginPanel []byte `cbor:"6,keyasint,omitempty"`
	OriginAt    *int64 `cbor:"7,keyasint,omitempty"`
	Ran         int64  `cbor:"8,keyasint,omitempty"` // seconds
}

type sliceOwn struct {
	Activation []byte `cbor:"1,keyasint,omitempty"`
	Feature    string `cbor:"2,keyasint,omitempty"`
	Given      int    `cbor:"3,keyasint,omitempty"`
	Returned   int    `cbor:"4,keyasint,omitempty"`
}

type returnOwn struct {
	Slice    []byte `cbor:"1,keyasint,omitempty"`
	Returned int    `cbor:"2,keyasint,omitempty"`
}

type releaseOwn struct {
	Activation []byte `cbor:"1,keyasint,omitempty"`
	Ran        int64  `cbor:"2,keyasint,omitempty"` // seconds
}

// statement is one to be signed: what all kinds have in common.
type statement struct {
	kind   envelope.Kind
	panel  ed25519.PublicKey
	key    string
	fault  error // why it must not be signed
	claims tokenClaims
	own    any
}

func signStatement(s statement, sign func(message []byte) ([]byte, error)) (Document, error) {
	if s.fault != nil {
		return Document{}, fmt.Errorf("cannot sign %s: %w", s.kind, s.fault)
	}
	s.claims.Issuer = s.panel
	payload, err := encodeClaims(s.claims, s.own)
	if err != nil {
		return Document{}, fmt.Errorf("cannot sign %s: %w", s.kind, err)
	}
	raw, err := envelope.Sign(s.kind, s.panel, sign, payload)
	if err != nil {
		return Document{}, err
	}
	return Document{s.kind, s.key, raw}, nil
}

// openStatement verifies an envelope with the key that it states, and reads its claims.
func openStatement(kind envelope.Kind, raw []byte, own any) (tokenClaims, error) {
	payload, _, err := envelope.OpenBySigner(kind, raw)
	if err != nil {
		return tokenClaims{}, err
	}
	claims, err := decodeClaims(payload, own)
	addressed := kind == envelope.Slice || kind == envelope.Pass || kind == envelope.Word
	dated := kind == envelope.Pass || kind == envelope.Word
	switch {
	case err != nil:
		return claims, unreadable(kind, err)
	case claims.Scope != "" || !addressed && claims.Subject != nil:
		return claims, unreadable(kind, errors.New("it carries claims of another kind"))
	case kind != envelope.Pass && claims.ID != nil, !dated && (claims.Expires != nil || claims.NotBefore != nil):
		return claims, unreadable(kind, errors.New("it carries claims of another kind"))
	case addressed && len(claims.Subject) != len(envelope.Thumbprint{}):
		return claims, unreadable(kind, errors.New("the panel that it is for is missing"))
	}
	return claims, nil
}

func unreadable(kind envelope.Kind, err error) error {
	return fmt.Errorf("cannot read %s: %w: %v", kind, envelope.ErrMalformed, err)
}

// OpenIdentity verifies an identity with the key in it. Errors wrap envelope.ErrMalformed or envelope.ErrForged, here and in
// each of the following.
func OpenIdentity(raw []byte) (Identity, error) {
	var own identityOwn
	claims, err := openStatement(envelope.Identity, raw, &own)
	if err != nil {
		return Identity{}, err
	}
	i := Identity{Panel: claims.Issuer, Name: own.Name, At: instant(claims.IssuedAt)}
	if err := i.check(); err != nil {
		return Identity{}, unreadable(envelope.Identity, err)
	}
	return i, nil
}

// OpenActivation verifies an activation with the key in it. The license within is not looked at.
func OpenActivation(raw []byte) (Activation, error) {
	var own activationOwn
	claims, err := openStatement(envelope.Activation, raw, &own)
	if err != nil {
		return Activation{}, err
	}
	ran, err := lasting(own.Ran)
	if err != nil {
		return Activation{}, unreadable(envelope.Activation, err)
	}
	a := Activation{
		Panel: claims.Issuer, License: own.License, At: instant(claims.IssuedAt), Account: own.Account, AssignedAt: instant(own.AssignedAt),
		Changes: own.Changes, Turn: own.Turn, Origin: Origin{At: instant(own.OriginAt)}, Ran: ran,
	}
	if len(own.OriginPanel) == len(envelope.Thumbprint{}) {
		a.Origin.Panel = envelope.Thumbprint(own.OriginPanel)
	} else if own.OriginPanel != nil {
		return Activation{}, unreadable(envelope.Activation, errors.New("the origin's id has a wrong size"))
	}
	if err := a.check(); err != nil {
		return Activation{}, unreadable(envelope.Activation, err)
	}
	return a, nil
}

// OpenSlice verifies a slice with the key in it. The activation within is not looked at.
func OpenSlice(raw []byte) (Slice, error) {
	var own sliceOwn
	claims, err := openStatement(envelope.Slice, raw, &own)
	if err != nil {
		return Slice{}, err
	}
	s := Slice{
		Holder: claims.Issuer, Activation: own.Activation, To: envelope.Thumbprint(claims.Subject), Feature: own.Feature,
		Given: own.Given, Returned: own.Returned, At: instant(claims.IssuedAt),
	}
	if err := s.check(); err != nil {
		return Slice{}, unreadable(envelope.Slice, err)
	}
	return s, nil
}

// OpenReturn verifies a return with the key in it. The slice within is not looked at.
func OpenReturn(raw []byte) (Return, error) {
	var own returnOwn
	claims, err := openStatement(envelope.Return, raw, &own)
	if err != nil {
		return Return{}, err
	}
	r := Return{Panel: claims.Issuer, Slice: own.Slice, Returned: own.Returned, At: instant(claims.IssuedAt)}
	if err := r.check(); err != nil {
		return Return{}, unreadable(envelope.Return, err)
	}
	return r, nil
}

// OpenRelease verifies a release with the key in it. The activation within is not looked at.
func OpenRelease(raw []byte) (Release, error) {
	var own releaseOwn
	claims, err := openStatement(envelope.Release, raw, &own)
	if err != nil {
		return Release{}, err
	}
	ran, err := lasting(own.Ran)
	if err != nil {
		return Release{}, unreadable(envelope.Release, err)
	}
	r := Release{Panel: claims.Issuer, Activation: own.Activation, At: instant(claims.IssuedAt), Ran: ran}
	if err := r.check(); err != nil {
		return Release{}, unreadable(envelope.Release, err)
	}
	return r, nil
}

// lasting is a running time of at most 200 years, which no panel reaches, in either direction.
func lasting(seconds int64) (time.Duration, error) {
	const most = 200 * 366 * 24 * 3600
	if seconds < -most || seconds > most {
		return 0, fmt.Errorf("the running time of %d seconds is out of range", seconds)
	}
	return time.Duration(seconds) * time.Second, nil
}
