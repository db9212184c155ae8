package pairing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Me is the panel that speaks.
type Me struct {
	Panel ed25519.PublicKey
	Sign  func(message []byte) ([]byte, error) // under Panel
	Name  string                               // for people; what is too long for a request is cut
	Key   crypto.Signer                        // for TLS, ECDSA on P-256
	// Clock is a time that has come for sure, and whether it is the present. A panel that lost the time tells the last one that
	// it is certain of.
	Clock func() (now time.Time, present bool)
	// Dial makes the connection below TLS; nil: the system's TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Membership is what a panel keeps of the hub that took it in. Nothing in it is secret.
type Membership struct {
	URL         string                 `json:"url"`         // where it was enrolled, and its certificate is renewed
	Fingerprint string                 `json:"fingerprint"` // of the hub's authority, 64 hexadecimal digits
	Answer      telemetry.EnrollAnswer `json:"answer"`
}

const timeout = 20 * time.Second

// Refused is a hub's no, in its own words.
type Refused struct {
	Why    string // a word that never changes; empty: the hub did not say one
	Detail string
}

func (r *Refused) Error() string { return r.Detail }

// NewKey makes a key for TLS, as PKCS #8 in PEM.
func NewKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// ParseKey reads what NewKey made.
func ParseKey(content []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("it is not a PEM file")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("it is not an ECDSA key on P-256")
	}
	return key, nil
}

// Enroll asks the hub of a pairing code for membership. Asking again with the same code and the same key gives the same.
func Enroll(ctx context.Context, me Me, code telemetry.Pairing) (Membership, error) {
	proof := code.Secret.Proof()
	m := Membership{URL: code.URL, Fingerprint: code.CA.String()}
	var err error
	if m.Answer, err = ask(ctx, me, code.URL+telemetry.EnrollPath, code.CA, proof[:], nil); err != nil {
		return Membership{}, fmt.Errorf("cannot pair with hub %s at %s: %w", code.Hub, code.URL, err)
	}
	return m, nil
}

// Renew asks for another certificate for the same key.
func Renew(ctx context.Context, me Me, m Membership) (Membership, error) {
	ca, err := m.pin()
	if err == nil {
		var own tls.Certificate
		if own, err = m.certificate(me.Key); err == nil {
			m.Answer, err = ask(ctx, me, m.URL+telemetry.RenewPath, ca, nil, &own)
		}
	}
	if err != nil {
		return Membership{}, fmt.Errorf("cannot renew the certificate at hub %s: %w", m.URL, err)
	}
	return m, nil
}

// Certificate is the panel's own, which says how long it is honored.
func (m Membership) Certificate() (*x509.Certificate, error) {
	return parse("certificate", m.Answer.Certificate)
}

// Due tells whether two thirds of the certificate's time are over.
func (m Membership) Due(now time.Time) bool {
	c, err := m.Certificate()
	return err != nil || !now.Before(c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore)*2/3))
}

// Check tells why the membership cannot be used: it is not of this panel, not for this key, or not by the hub that it names.
func (m Membership) Check(me Me) error {
	ca, err := m.pin()
	if err != nil {
		return err
	}
	return check(m.Answer, me, ca)
}

// TLS is how the panel connects to the hub's broker.
func (m Membership) TLS(me Me) (*tls.Config, error) {
	if err := m.Check(me); err != nil {
		return nil, err
	}
	ca, err := m.pin()
	if err != nil {
		return nil, err
	}
	own, err := m.certificate(me.Key)
	if err != nil {
		return nil, err
	}
	return me.config(ca, []byte(m.Answer.CA), &own), nil
}

func (m Membership) pin() (telemetry.Fingerprint, error) {
	return telemetry.ParseFingerprint(m.Fingerprint)
}

func (m Membership) certificate(key crypto.Signer) (tls.Certificate, error) {
	c, err := m.Certificate()
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}, nil
}

// config trusts what leads to the authority with this fingerprint, and to those in extra, in PEM, which that authority's hub named
// before: a server need not show them.
func (me Me) config(ca telemetry.Fingerprint, extra []byte, own *tls.Certificate) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The library would judge by this host's clock, which may be wrong, and by authorities that have nothing to say here.
		InsecureSkipVerify: true,
		VerifyConnection:   func(state tls.ConnectionState) error { return me.verify(state, ca, extra) },
	}
	if own != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	return c
}

var errOtherAuthority = errors.New("its certificate is not of the authority that the hub's code names: either the hub was set up anew (make another code there), or " +
	"somebody stands between")

func (me Me) verify(state tls.ConnectionState, ca telemetry.Fingerprint, extra []byte) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	found := roots.AppendCertsFromPEM(extra)
	for _, c := range state.PeerCertificates {
		between.AddCert(c)
		if c.IsCA && telemetry.Fingerprint(sha256.Sum256(c.RawSubjectPublicKeyInfo)) == ca {
			roots.AddCert(c)
			found = true
		}
	}
	if !found || len(state.PeerCertificates) == 0 {
		return errOtherAuthority
	}
	leaf := state.PeerCertificates[0]
	now, present := me.Clock()
	if !present && now.Before(leaf.NotBefore) {
		now = leaf.NotBefore // it is later than the panel knows
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: state.ServerName, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

// ask sends a request and checks the answer.
func ask(ctx context.Context, me Me, address string, ca telemetry.Fingerprint, proof []byte, own *tls.Certificate) (telemetry.EnrollAnswer, error) {
	request, err := me.request(ca, proof)
	if err != nil {
		return telemetry.EnrollAnswer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := me.post(ctx, address, me.config(ca, nil, own), request)
	if err != nil {
		return telemetry.EnrollAnswer{}, err
	}
	answer, err := telemetry.DecodeEnrollAnswer(body)
	if err == nil {
		err = check(answer, me, ca)
	}
	return answer, err
}

func (me Me) request(ca telemetry.Fingerprint, proof []byte) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, me.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for a certificate: %w", err)
	}
	name := strings.ToValidUTF8(me.Name[:min(len(me.Name), telemetry.PanelNameLimit)], "")
	return telemetry.EnrollRequest{Panel: me.Panel, CA: ca, Proof: proof, CSR: csr, Name: name}.Sign(me.Sign)
}

func (me Me) post(ctx context.Context, address string, config *tls.Config, request []byte) ([]byte, error) {
	transport := &http.Transport{TLSClientConfig: config, DialContext: me.Dial, DisableKeepAlives: true, TLSHandshakeTimeout: timeout}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", telemetry.EnrollType)
	response, err := client.Do(r)
	if err != nil {
		return nil, reached(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, telemetry.EnrollAnswerLimit+1))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off (%w); try again with the same code", err)
	}
	if response.StatusCode == http.StatusOK {
		return body, nil
	}
	var problem struct {
		Detail string `json:"detail"`
		Why    string `json:"why"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return nil, &Refused{Detail: "the hub answers " + response.Status}
	}
	return nil, &Refused{Why: problem.Why, Detail: plain(problem.Detail)}
}

// plain is what a stranger says, as one line that a log and a page can show.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.ToValidUTF8(text[:min(len(text), 400)], "")
}

// reached says what to do where nobody answered.
func reached(err error) error {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return fmt.Errorf("%w; the hub must know the name or address by which this panel calls it", err)
	case errors.As(err, &invalid):
		return fmt.Errorf("%w; check the clocks of the hub and of this panel", err)
	case errors.Is(err, errOtherAuthority):
		return errOtherAuthority
	}
	return fmt.Errorf("it cannot be reached (%w); try again with the same code", err)
}

// check refuses an answer that would not work: what is kept once is not asked for again.
func check(answer telemetry.EnrollAnswer, me Me, ca telemetry.Fingerprint) error {
	first, rest := pem.Decode([]byte(answer.CA))
	if first == nil {
		return errors.New("cannot read the hub's authority: it is not a certificate in PEM")
	}
	authority, err := parse("authority", string(pem.EncodeToMemory(first)))
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(rest)) > 0 && !x509.NewCertPool().AppendCertsFromPEM(rest) {
		return errors.New("cannot read the authorities of the hub's broker: what follows the hub's own is no certificate in PEM")
	}
	if !authority.IsCA || telemetry.Fingerprint(sha256.Sum256(authority.RawSubjectPublicKeyInfo)) != ca {
		return errors.New("the hub's answer names another authority than its code")
	}
	own, err := parse("certificate", answer.Certificate)
	if err != nil {
		return err
	}
	key, ok := own.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || !key.Equal(me.Key.Public()):
		return errors.New("the hub's certificate is for another key than this panel's")
	case own.Subject.CommonName != envelope.NameOf(me.Panel):
		return fmt.Errorf("the hub's certificate is for %.80q, not for this panel", own.Subject.CommonName)
	case own.CheckSignatureFrom(authority) != nil:
		return errors.New("the hub's certificate was not made by the hub's authority")
	}
	return nil
}

func parse(what, text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("cannot read the hub's %s: it is not one certificate in PEM", what)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the hub's %s: %w", what, err)
	}
	return c, nil
}
