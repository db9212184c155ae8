package telemetry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Fingerprint is the SHA-256 of a public key in its X.509 form (SubjectPublicKeyInfo, RFC 5280, section 4.1.2.7).
type Fingerprint [sha256.Size]byte

// String is the fingerprint as 64 lower-case hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// ParseFingerprint reads the text of a fingerprint.
func ParseFingerprint(text string) (Fingerprint, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(Fingerprint{}) {
		return Fingerprint{}, fmt.Errorf("cannot read fingerprint %.80q: not %d hexadecimal digits", text, 2*len(Fingerprint{}))
	}
	return Fingerprint(raw), nil
}

// PairingSecret lets one panel into a hub, once. It prints as ***.
type PairingSecret [16]byte

// String hides the secret from fmt.
func (PairingSecret) String() string { return "***" }

// GoString hides the secret from %#v.
func (PairingSecret) GoString() string { return "***" }

// MarshalText hides the secret from encoders.
func (PairingSecret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Proof is what a panel shows to a hub in place of the secret: SHA-256 of "doorpanel/pairing/1" and the secret.
func (s PairingSecret) Proof() [sha256.Size]byte {
	return sha256.Sum256(append([]byte("doorpanel/pairing/1"), s[:]...))
}

// Pairing is what a hub shows so that a panel finds it, knows it for certain, and is let in.
type Pairing struct {
	URL     string      // where panels are enrolled: https, host and perhaps a port, nothing else
	CA      Fingerprint // of the authority that made the hub's certificate
	Secret  PairingSecret
	Expires time.Time // of the secret, in whole seconds
	Hub     string    // what people call it, 1 to 64 bytes
}

// PairingPrefix begins the text of a pairing.
const PairingPrefix = "DH1:"

const (
	pairingLimit = 512 // bytes below the text
	addressLimit = 255
	hubNameLimit = 64
	// maxInstant keeps times within what every reader can show: the end of the year 9999.
	maxInstant = 253402300799
)

// pairingWire is the CBOR below the text. Its labels are for ever.
type pairingWire struct {
	URL     string `cbor:"1,keyasint"`
	CA      []byte `cbor:"2,keyasint"`
	Secret  []byte `cbor:"3,keyasint"`
	Expires int64  `cbor:"4,keyasint"`
	Hub     string `cbor:"5,keyasint"`
}

func (p Pairing) check() error {
	if !checkAddress("https", p.URL, false) {
		return errors.New("the hub's address is not https://host or https://host:port")
	}
	if err := checkLabel("the hub's name", p.Hub, hubNameLimit); err != nil {
		return err
	}
	if at := p.Expires.Unix(); at <= 0 || at > maxInstant {
		return fmt.Errorf("the end of its time, %s, is none", p.Expires)
	}
	return nil
}

// checkAddress takes the one form in which an address is written: no path, no user, nothing that two readers could take for two
// hosts. The host is a name, or an address of IPv4 or, in brackets, of IPv6; whether it can be reached is not known here.
func checkAddress(scheme, text string, portNeeded bool) bool {
	host, ok := strings.CutPrefix(text, scheme+"://")
	if !ok || len(text) > addressLimit {
		return false
	}
	port := ""
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		host, port = host[:at], host[at+1:]
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
			return false
		}
	}
	if portNeeded && port == "" {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && strings.Count(inner, ":") >= 2 && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	return host != "" && strings.Trim(host, letters+"0123456789-._") == ""
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func checkLabel(what, text string, limit int) error {
	switch {
	case text == "" || len(text) > limit:
		return fmt.Errorf("%s has %d bytes, not 1 to %d", what, len(text), limit)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not UTF-8", what)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s has a character that cannot be shown", what)
	}
	return nil
}

// Text is the code that a hub shows: "DH1:" and the base45 (RFC 9285) of deterministic CBOR.
func (p Pairing) Text() (string, error) {
	if err := p.check(); err != nil {
		return "", fmt.Errorf("cannot write pairing code: %w", err)
	}
	raw, err := deterministic(pairingWire{p.URL, p.CA[:], p.Secret[:], p.Expires.Unix(), p.Hub})
	if err == nil && len(raw) > pairingLimit {
		err = fmt.Errorf("%d bytes are more than the %d that a reader accepts", len(raw), pairingLimit)
	}
	if err != nil {
		return "", fmt.Errorf("cannot write pairing code: %w", err)
	}
	return PairingPrefix + envelope.Base45(raw), nil
}

// IsPairing tells whether a text claims to be a pairing code, be it damaged or not.
func IsPairing(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), PairingPrefix) }

// ParsePairing reads the code of a hub. White space around it is dropped, nothing else is repaired. Whether its time is over is
// the caller's to say.
func ParsePairing(text string) (Pairing, error) {
	fail := func(cause string) (Pairing, error) {
		return Pairing{}, fmt.Errorf("cannot read pairing code: %s", cause)
	}
	digits, ok := strings.CutPrefix(strings.TrimSpace(text), PairingPrefix)
	if !ok {
		return fail("it does not begin with " + PairingPrefix + "; copy the whole code from the hub's page")
	}
	if len(digits) > (pairingLimit+1)/2*3 {
		return fail(fmt.Sprintf("%d characters are too many", len(digits)))
	}
	raw, ok := envelope.ParseBase45(digits)
	if !ok || len(raw) == 0 || len(raw) > pairingLimit {
		return fail("it is damaged or cut off; copy the whole code from the hub's page")
	}
	var wire pairingWire
	if err := exactly(raw, &wire, func() any { return wire }); err != nil {
		return fail(err.Error())
	}
	if len(wire.CA) != len(Fingerprint{}) || len(wire.Secret) != len(PairingSecret{}) {
		return fail("fingerprint or secret has a wrong length")
	}
	p := Pairing{wire.URL, Fingerprint(wire.CA), PairingSecret(wire.Secret), time.Unix(wire.Expires, 0).UTC(), wire.Hub}
	if err := p.check(); err != nil {
		return fail(err.Error())
	}
	return p, nil
}

// deterministic encodes as RFC 8949, section 4.2.1, says.
func deterministic(v any) ([]byte, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(v)
}

// exactly reads CBOR of which only the one deterministic encoding is accepted. again gives what was read, to be encoded again.
func exactly(raw []byte, into any, again func() any) error {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   4,
		MaxMapPairs:       16,
		MaxArrayElements:  16,
	}.DecMode()
	if err != nil {
		return err
	}
	if err := mode.Unmarshal(raw, into); err != nil {
		return err
	}
	canonical, err := deterministic(again())
	if err != nil {
		return err
	}
	if !bytes.Equal(canonical, raw) {
		return errors.New("not in the one encoding that is accepted")
	}
	return nil
}
