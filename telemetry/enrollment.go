package telemetry

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Where a hub enrolls panels, below the address of a Pairing.
const (
	EnrollPath = "/enroll/v1"         // POST an EnrollRequest that proves a pairing secret
	RenewPath  = "/enroll/v1/renewal" // POST one without, over TLS with the certificate that is to be renewed
)

// EnrollType is the media type of an EnrollRequest (RFC 9052, section 2).
const EnrollType = `application/cose; cose-type="cose-sign1"`

// PanelNameLimit bounds a panel's name in a request, in bytes.
const PanelNameLimit = 64

// EnrollAnswerLimit bounds an answer in bytes.
const EnrollAnswerLimit = 16 << 10

const (
	csrLimit = 1 << 10
	pemLimit = 4 << 10 // of a certificate
	caLimit  = 3 * pemLimit
)

// EnrollRequest is what a panel asks of a hub, under its own key: a certificate for the TLS key in CSR.
type EnrollRequest struct {
	Panel ed25519.PublicKey // who asks; its id is envelope.NameOf of it
	CA    Fingerprint       // of the authority for which this request is meant: no other hub can use it
	Proof []byte            // PairingSecret.Proof, 32 bytes; none when a certificate is renewed
	CSR   []byte            // PKCS #10 (RFC 2986) in DER
	Name  string            // what people call the panel, 0 to 64 bytes
}

// enrollWire is the payload of the envelope. The key comes first, where envelope.OpenBySigner looks for it.
type enrollWire struct {
	Panel []byte `cbor:"1,keyasint"`
	CA    []byte `cbor:"2,keyasint"`
	Proof []byte `cbor:"3,keyasint,omitempty"`
	CSR   []byte `cbor:"4,keyasint"`
	Name  string `cbor:"5,keyasint,omitempty"`
}

func (r EnrollRequest) check() error {
	switch {
	case len(r.Proof) != 0 && len(r.Proof) != sha256.Size:
		return fmt.Errorf("the proof has %d bytes, not %d", len(r.Proof), sha256.Size)
	case len(r.CSR) == 0 || len(r.CSR) > csrLimit:
		return fmt.Errorf("the certificate request has %d bytes, not 1 to %d", len(r.CSR), csrLimit)
	case r.Name == "":
		return nil
	}
	return checkLabel("the panel's name", r.Name, PanelNameLimit)
}

// Sign returns the request in an envelope of kind Enrollment, signed by the panel.
func (r EnrollRequest) Sign(sign func(message []byte) ([]byte, error)) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("cannot sign enrollment: %w", err)
	}
	payload, err := deterministic(enrollWire{r.Panel, r.CA[:], r.Proof, r.CSR, r.Name})
	if err != nil {
		return nil, fmt.Errorf("cannot sign enrollment: %w", err)
	}
	return envelope.Sign(envelope.Enrollment, r.Panel, sign, payload)
}

// OpenEnrollRequest verifies a request with the key in it: that it was made by the panel it names is all that is said. Errors wrap
// envelope.ErrMalformed or envelope.ErrForged.
func OpenEnrollRequest(raw []byte) (EnrollRequest, error) {
	payload, signer, err := envelope.OpenBySigner(envelope.Enrollment, raw)
	if err != nil {
		return EnrollRequest{}, err
	}
	fail := func(cause error) (EnrollRequest, error) {
		return EnrollRequest{}, fmt.Errorf("cannot read enrollment: %w: %v", envelope.ErrMalformed, cause)
	}
	var wire enrollWire
	if err := exactly(payload, &wire, func() any { return wire }); err != nil {
		return fail(err)
	}
	if len(wire.CA) != len(Fingerprint{}) {
		return fail(errors.New("the fingerprint has a wrong length"))
	}
	r := EnrollRequest{signer, Fingerprint(wire.CA), wire.Proof, wire.CSR, wire.Name}
	if err := r.check(); err != nil {
		return fail(err)
	}
	return r, nil
}

// EnrollAnswer is what a hub gives to a panel that it takes in.
type EnrollAnswer struct {
	V           int    `json:"v"`      // set by Encode
	Site        string `json:"site"`   // the site's part of every topic
	Broker      string `json:"broker"` // mqtts://host:port
	CA          string `json:"ca"`     // in PEM: the hub's authority, then those of a broker that is not the hub's own
	Certificate string `json:"certificate"`
	Hub         string `json:"hub"`               // what people call it
	Key         string `json:"key"`               // ed25519:..., signs commands and documents
	Sealing     string `json:"sealing,omitempty"` // x25519:..., reads marks of the silent alarm
}

func (a EnrollAnswer) check() error {
	if err := CheckName(a.Site); err != nil {
		return err
	}
	if !checkAddress("mqtts", a.Broker, true) {
		return errors.New("the broker's address is not mqtts://host:port")
	}
	for _, text := range []struct {
		what, value string
		limit       int
	}{{"the authority", a.CA, caLimit}, {"the certificate", a.Certificate, pemLimit}} {
		if len(text.value) == 0 || len(text.value) > text.limit {
			return fmt.Errorf("%s has %d bytes, not 1 to %d", text.what, len(text.value), text.limit)
		}
	}
	if len(a.Sealing) > 128 {
		return fmt.Errorf("the sealing key has %d bytes, at most 128 are taken", len(a.Sealing))
	}
	if _, err := envelope.ParseKey(a.Key); err != nil {
		return err
	}
	return checkLabel("the hub's name", a.Hub, hubNameLimit)
}

// Encode returns the body of the answer.
func (a EnrollAnswer) Encode() ([]byte, error) {
	a.V = Version
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("cannot write enrollment: %w", err)
	}
	return encode("enrollment", EnrollAnswerLimit, a)
}

// DecodeEnrollAnswer reads the body of an answer. Members that it does not know are left out. The certificates are not looked into.
func DecodeEnrollAnswer(raw []byte) (EnrollAnswer, error) {
	var a EnrollAnswer
	if err := decode("enrollment", EnrollAnswerLimit, raw, &a); err != nil {
		return EnrollAnswer{}, err
	}
	if err := current("enrollment", a.V); err != nil {
		return EnrollAnswer{}, err
	}
	if err := a.check(); err != nil {
		return EnrollAnswer{}, fmt.Errorf("cannot read enrollment: %w", err)
	}
	return a, nil
}
