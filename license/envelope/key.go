package envelope

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// KeyID is the first 8 bytes of SHA-256 of the raw public key. It finds a key; it proves nothing.
type KeyID [8]byte

// IDOf is the key id of pub.
func IDOf(pub ed25519.PublicKey) KeyID {
	sum := sha256.Sum256(pub)
	return KeyID(sum[:8])
}

// String is the key id as 16 lower-case hexadecimal digits.
func (k KeyID) String() string { return hex.EncodeToString(k[:]) }

// Thumbprint is the first 16 bytes of SHA-256 of a raw public key: a panel's id, and what a license is bound to.
type Thumbprint [16]byte

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ThumbprintOf is the thumbprint of pub.
func ThumbprintOf(pub ed25519.PublicKey) Thumbprint {
	sum := sha256.Sum256(pub)
	return Thumbprint(sum[:16])
}

// String is the thumbprint in lower-case base32 (RFC 4648 without padding), 26 characters: a panel's id as people see it.
func (t Thumbprint) String() string { return base32Lower.EncodeToString(t[:]) }

// ParseThumbprint reads the text form of a thumbprint, in any case.
func ParseThumbprint(text string) (Thumbprint, error) {
	sum, err := base32Lower.DecodeString(strings.ToLower(text))
	if err != nil || len(sum) != len(Thumbprint{}) || Thumbprint(sum).String() != strings.ToLower(text) {
		return Thumbprint{}, fmt.Errorf("cannot read panel id %q: not 26 characters of a-z and 2-7; copy it from the panel's page", text)
	}
	return Thumbprint(sum), nil
}

// NameOf is the panel id that belongs to a panel's public key: the text of its thumbprint.
func NameOf(pub ed25519.PublicKey) string { return ThumbprintOf(pub).String() }

const keyPrefix = "ed25519:"

// KeyText is the one text form of a public key: "ed25519:" and base64url without padding.
func KeyText(pub ed25519.PublicKey) string {
	return keyPrefix + base64.RawURLEncoding.EncodeToString(pub)
}

// ParseKey reads the text form of a public key and checks it with CheckKey.
func ParseKey(text string) (ed25519.PublicKey, error) {
	digits, ok := strings.CutPrefix(text, keyPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(digits)
	if !ok || err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("cannot read public key %q: not \"ed25519:\" and 43 characters of base64url; copy what keygen printed", text)
	}
	if err := CheckKey(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// CheckKey tells why pub must not be trusted: a wrong length, no point of the curve, an encoding that is not the shortest,
// or a point of low order, under which one signature fits many messages (RFC 8032, sections 5.1.3 and 5.1.7).
func CheckKey(pub ed25519.PublicKey) error {
	switch {
	case len(pub) != ed25519.PublicKeySize:
		return fmt.Errorf("cannot use public key: %d bytes instead of %d", len(pub), ed25519.PublicKeySize)
	case lowOrder(pub):
		return fmt.Errorf("cannot use public key %s: a point of low order, anybody could sign with it; make a new key", KeyText(pub))
	case !onCurve(pub):
		return fmt.Errorf("cannot use public key %s: not a point of the curve; check that it was copied whole", KeyText(pub))
	}
	return nil
}

// lowOrder reports the points whose order divides 8, in each of their encodings. y decides: 0, 1, -1, the two of order 8, and
// the same above the field's prime.
func lowOrder(pub ed25519.PublicKey) bool {
	var y [32]byte
	copy(y[:], pub)
	y[31] &= 0x7f
	switch hex.EncodeToString(y[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f":
		return true
	}
	return false
}

// onCurve solves -x^2 + y^2 = 1 + d*x^2*y^2 for x. Keys are public, so the time it takes may depend on them.
func onCurve(pub ed25519.PublicKey) bool {
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	bigEndian := slices.Clone(pub)
	bigEndian[31] &= 0x7f
	slices.Reverse(bigEndian)
	y := new(big.Int).SetBytes(bigEndian)
	if y.Cmp(prime) >= 0 {
		return false
	}
	d := new(big.Int).ModInverse(big.NewInt(121666), prime)
	d.Mul(d, big.NewInt(-121665)).Mod(d, prime)
	y2 := new(big.Int).Mul(y, y)
	numerator := new(big.Int).Sub(y2, big.NewInt(1))
	denominator := new(big.Int).Mul(d, y2)
	denominator.Add(denominator, big.NewInt(1)).Mod(denominator, prime)
	denominator.ModInverse(denominator, prime)
	x2 := numerator.Mul(numerator, denominator)
	x2.Mod(x2, prime)
	return big.Jacobi(x2, prime) >= 0
}
