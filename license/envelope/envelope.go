// Package envelope signs and opens the one signed envelope of licenses, slices, passes, delegations, revocation lists,
// identities and commands: a COSE_Sign1 (RFC 9052, section 4.2) over a payload it never looks into. It does not know what a
// payload means, who may sign what, or what time it is; keys come from its caller.
package envelope

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/veraison/go-cose"
)

// Kind names what an envelope carries. It is authenticated as external data, so that an envelope of one kind never
// verifies as another, although the same key may sign both.
type Kind string

// The kinds that have a text form (see Armor).
const (
	License    Kind = "license"
	Slice      Kind = "slice"
	Pass       Kind = "pass"
	Identity   Kind = "identity"
	Delegation Kind = "delegation"
	Revocation Kind = "revocation"
	Command    Kind = "command"
	Activation Kind = "activation"
	Return     Kind = "return"
	Release    Kind = "release"
)

// Enrollment is what a panel asks a hub for. It goes over a wire of its own and has no text form.
const Enrollment Kind = "enrollment"

// Word is what a hub says to one panel that belongs to it. It goes as a document alone and has no text form.
const Word Kind = "word"

// Kinds lists every kind that has a text form, in the order of the format's table. The caller owns the slice.
func Kinds() []Kind {
	return []Kind{License, Slice, Pass, Identity, Delegation, Revocation, Command, Activation, Return, Release}
}

// ErrMalformed is returned for bytes or text that are no envelope in the one accepted encoding.
var ErrMalformed = errors.New("not a doorpanel envelope")

// ErrUnknownKey is returned when nobody knows the key that the envelope names.
var ErrUnknownKey = errors.New("signed by an unknown key")

// ErrForged is returned when the signature does not fit the content, the kind or the key.
var ErrForged = errors.New("signature does not fit")

const (
	smallLimit      = 2 << 10
	statementLimit  = 3 << 10 // what carries a license, or what carries one, within it
	delegationLimit = 4 << 10
	revocationLimit = 64 << 10
)

// Limit is the largest envelope of this kind in bytes that Sign makes and Open reads.
func (k Kind) Limit() int {
	switch k {
	case Revocation:
		return revocationLimit
	case Delegation, Word:
		return delegationLimit
	case Slice, Return, Release, Activation:
		return statementLimit
	}
	return smallLimit
}

func (k Kind) external() []byte { return []byte("doorpanel/" + string(k) + "/1") }

// signer lets COSE sign with a private key that only its owner sees.
type signer func(message []byte) ([]byte, error)

func (signer) Algorithm() cose.Algorithm { return cose.AlgorithmEdDSA }

func (s signer) Sign(_ io.Reader, content []byte) ([]byte, error) { return s(content) }

func headers(kid KeyID) cose.Headers {
	return cose.Headers{Protected: cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA,
		cose.HeaderLabelKeyID:     kid[:],
	}}
}

// canonical is the one accepted encoding, byte by byte: it does not depend on how lenient or how exact a decoder is.
func canonical(kid KeyID, payload, signature []byte) []byte {
	raw := append(make([]byte, 0, 96+len(payload)), 0x84, 0x4d, 0xa2, 0x01, 0x27, 0x04, 0x48)
	raw = append(append(raw, kid[:]...), 0xa0)
	switch n := len(payload); {
	case n < 24:
		raw = append(raw, 0x40|byte(n))
	case n < 1<<8:
		raw = append(raw, 0x58, byte(n))
	case n < 1<<16:
		raw = append(raw, 0x59, byte(n>>8), byte(n))
	default:
		return nil
	}
	raw = append(append(raw, payload...), 0x58, ed25519.SignatureSize)
	return append(raw, signature...)
}

// Sign returns the untagged COSE_Sign1 of payload, signed by the owner of pub through sign. The protected header is
// {1: -8, 4: key id}, the unprotected one is empty. The result is checked with pub before it is handed out.
func Sign(kind Kind, pub ed25519.PublicKey, sign func(message []byte) ([]byte, error), payload []byte) ([]byte, error) {
	if err := CheckKey(pub); err != nil {
		return nil, fmt.Errorf("cannot sign %s: %w", kind, err)
	}
	if len(payload) == 0 {
		return nil, fmt.Errorf("cannot sign %s: the payload is empty", kind)
	}
	message := cose.UntaggedSign1Message{Headers: headers(IDOf(pub)), Payload: payload}
	if err := message.Sign(nil, kind.external(), signer(sign)); err != nil {
		return nil, fmt.Errorf("cannot sign %s: %w", kind, err)
	}
	raw, err := message.MarshalCBOR()
	if err != nil {
		return nil, fmt.Errorf("cannot sign %s: %w", kind, err)
	}
	if len(raw) > kind.Limit() {
		return nil, fmt.Errorf("cannot sign %s: %d bytes are more than the %d that a reader accepts; put less into it", kind, len(raw), kind.Limit())
	}
	if _, _, err := Open(kind, raw, func(KeyID) (ed25519.PublicKey, bool) { return pub, true }); err != nil {
		return nil, fmt.Errorf("cannot sign %s: the private key does not belong to %s: %w", kind, KeyText(pub), err)
	}
	return raw, nil
}

// Open verifies raw and returns its payload (a copy) and the id of the key that signed it. keys looks the public key up; it
// alone decides who is trusted. Only the one encoding that Sign makes is accepted, the algorithm is Ed25519 whatever the
// envelope says, and no byte of the payload is interpreted. Errors wrap ErrMalformed, ErrUnknownKey or ErrForged; the key id is
// returned with the last two as well.
func Open(kind Kind, raw []byte, keys func(KeyID) (ed25519.PublicKey, bool)) (payload []byte, kid KeyID, err error) {
	message, kid, err := parse(kind, raw)
	if err != nil {
		return nil, KeyID{}, err
	}
	pub, known := keys(kid)
	if !known {
		return nil, kid, fmt.Errorf("cannot open %s: %w: %s", kind, ErrUnknownKey, kid)
	}
	if err := verify(kind, message, kid, pub); err != nil {
		return nil, kid, err
	}
	return bytes.Clone(message.Payload), kid, nil
}

// OpenBySigner verifies an envelope whose payload states the key that signed it: a map whose first entry is label 1 with 32 bytes.
// The key is taken from its place in the bytes, nothing else of the payload is interpreted. It returns the payload and the
// signer's key (copies): who that is, and whether they may say so, is the caller's to decide. Errors wrap ErrMalformed or ErrForged.
func OpenBySigner(kind Kind, raw []byte) (payload []byte, signer ed25519.PublicKey, err error) {
	message, kid, err := parse(kind, raw)
	if err != nil {
		return nil, nil, err
	}
	pub := statedKey(message.Payload)
	if pub == nil {
		return nil, nil, fmt.Errorf("cannot open %s: %w: the signer's key is not at its place", kind, ErrMalformed)
	}
	if err := CheckKey(pub); err != nil {
		return nil, nil, fmt.Errorf("cannot open %s: %w: %v", kind, ErrForged, err)
	}
	if err := verify(kind, message, kid, pub); err != nil {
		return nil, nil, err
	}
	return bytes.Clone(message.Payload), pub, nil
}

// statedKey is a copy of the 32 bytes under label 1, which sorts first: head of a map with 1 to 23 entries, 01, 58 20, key.
func statedKey(payload []byte) ed25519.PublicKey {
	const start = 4
	if len(payload) < start+ed25519.PublicKeySize || payload[0] < 0xa1 || payload[0] > 0xb7 || !bytes.Equal(payload[1:start], []byte{0x01, 0x58, 0x20}) {
		return nil
	}
	return bytes.Clone(payload[start : start+ed25519.PublicKeySize])
}

// parse takes the frame apart, without a look at signature or payload.
func parse(kind Kind, raw []byte) (message cose.UntaggedSign1Message, kid KeyID, err error) {
	if len(raw) > kind.Limit() {
		return message, kid, fmt.Errorf("cannot open %s: %w: %d bytes are more than %d", kind, ErrMalformed, len(raw), kind.Limit())
	}
	if err := message.UnmarshalCBOR(raw); err != nil {
		return message, kid, fmt.Errorf("cannot open %s: %w: %v", kind, ErrMalformed, err)
	}
	named, _ := message.Headers.Protected[cose.HeaderLabelKeyID].([]byte)
	if len(named) != len(kid) || len(message.Payload) == 0 || len(message.Signature) != ed25519.SignatureSize {
		return message, kid, fmt.Errorf("cannot open %s: %w: key id, payload or signature has a wrong size", kind, ErrMalformed)
	}
	kid = KeyID(named)
	if !bytes.Equal(raw, canonical(kid, message.Payload, message.Signature)) {
		return message, kid, fmt.Errorf("cannot open %s: %w: other headers or another encoding than the one allowed", kind, ErrMalformed)
	}
	return message, kid, nil
}

func verify(kind Kind, message cose.UntaggedSign1Message, kid KeyID, pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize || lowOrder(pub) || IDOf(pub) != kid {
		return fmt.Errorf("cannot open %s: %w: the key found for %s cannot be used", kind, ErrForged, kid)
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, pub)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w: %v", kind, ErrForged, err)
	}
	if err := message.Verify(kind.external(), verifier); err != nil {
		return fmt.Errorf("cannot open %s: %w: key %s", kind, ErrForged, kid)
	}
	return nil
}
