package pairing_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/pairing"
	"github.com/doorpanel/doorpanel/telemetry"
)

// desk is a hub that answers what a test says.
type desk struct {
	t       *testing.T
	ca      *authority.Authority
	now     time.Time
	hosts   []string
	url     string
	asked   int
	request telemetry.EnrollRequest
	shown   []*x509.Certificate
	answer  func(a *telemetry.EnrollAnswer)                   // what it changes in a good answer
	serve   func(w http.ResponseWriter, r *http.Request) bool // answers in its place
	hubKey  ed25519.PublicKey
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Now(), answer: func(*telemetry.EnrollAnswer) {}, serve: func(http.ResponseWriter, *http.Request) bool { return false }}
	var err error
	if d.ca, err = authority.Open(authority.Options{Dir: t.TempDir(), Now: func() time.Time { return d.now }, Hosts: func() []string { return d.hosts }}); err != nil {
		t.Fatal(err)
	}
	if d.hubKey, _, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(d.handle))
	server.Listener = tls.NewListener(server.Listener, &tls.Config{GetCertificate: d.ca.ServerCertificate, ClientAuth: tls.RequestClientCert})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	d.url = "https" + strings.TrimPrefix(server.URL, "http")
	return d
}

func (d *desk) handle(w http.ResponseWriter, r *http.Request) {
	d.asked++
	if d.serve(w, r) {
		return
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Error(err)
	}
	if d.request, err = telemetry.OpenEnrollRequest(raw); err != nil {
		d.t.Error(err)
	}
	d.shown = r.TLS.PeerCertificates
	issued, err := d.ca.Certify(d.request.CSR, envelope.NameOf(d.request.Panel))
	if err != nil {
		d.t.Error(err)
	}
	a := telemetry.EnrollAnswer{
		Site: "villa", Broker: "mqtts://127.0.0.1:8883", CA: string(d.ca.CertificatePEM()), Certificate: string(issued.PEM), Hub: "Rossi", Key: envelope.KeyText(d.hubKey),
	}
	d.answer(&a)
	body, err := a.Encode()
	if err != nil {
		d.t.Error(err)
	}
	_, _ = w.Write(body)
}

func (d *desk) code() telemetry.Pairing {
	return telemetry.Pairing{URL: d.url, CA: d.ca.Fingerprint(), Secret: telemetry.PairingSecret{1, 2, 3}, Expires: d.now.Add(time.Minute), Hub: "Rossi"}
}

func newMe(t *testing.T, clock func() (time.Time, bool)) pairing.Me {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if clock == nil {
		clock = func() (time.Time, bool) { return time.Now(), true }
	}
	return pairing.Me{Panel: pub, Sign: func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }, Name: "gate", Key: newKey(t), Clock: clock}
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	content, err := pairing.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pairing.ParseKey(content)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func at(year int, present bool) func() (time.Time, bool) {
	return func() (time.Time, bool) { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC), present }
}

func TestPanelAsksWithItsOwnKeyAndKeepsTheAnswer(t *testing.T) {
	d, me := newDesk(t), newMe(t, nil)
	me.Name = strings.Repeat("è", 50)
	m, err := pairing.Enroll(context.Background(), me, d.code())
	if err != nil {
		t.Fatal(err)
	}
	proof := d.code().Secret.Proof()
	if !bytes.Equal(d.request.Panel, me.Panel) || !bytes.Equal(d.request.Proof, proof[:]) || d.request.CA != d.code().CA || len(d.request.Name) > telemetry.PanelNameLimit {
		t.Errorf("it asked %+v", d.request)
	}
	if m.Answer.Site != "villa" || m.URL != d.url || m.Fingerprint != d.code().CA.String() || m.Check(me) != nil || m.Due(time.Now()) {
		t.Errorf("it keeps %+v, %v", m, m.Check(me))
	}
	if !m.Due(time.Now().AddDate(0, 8, 10)) {
		t.Error("after two thirds of a year nothing is due")
	}
	if _, err := pairing.Renew(context.Background(), me, m); err != nil {
		t.Fatal(err)
	}
	if len(d.request.Proof) != 0 || len(d.shown) != 1 || d.shown[0].Subject.CommonName != envelope.NameOf(me.Panel) {
		t.Errorf("renewing it asked %+v and showed %v", d.request, d.shown)
	}
}

func TestPanelTellsNothingToAStranger(t *testing.T) {
	d, other := newDesk(t), newDesk(t)
	for name, c := range map[string]struct {
		code  func(*telemetry.Pairing)
		clock func() (time.Time, bool)
		said  string
	}{
		"another hub at that address":        {code: func(c *telemetry.Pairing) { c.URL = other.url }, said: "not of the authority"},
		"another fingerprint":                {code: func(c *telemetry.Pairing) { c.CA[31] ^= 1 }, said: "not of the authority"},
		"the fingerprint of the leaf":        {code: func(c *telemetry.Pairing) { c.CA = leafPrint(t, d) }, said: "not of the authority"},
		"a certificate that has ended":       {clock: at(2040, true), said: "check the clocks"},
		"ended, as far as the panel knows":   {clock: at(2040, false), said: "check the clocks"},
		"a certificate that has not begun":   {clock: at(2001, true), said: "check the clocks"},
		"nobody at that address":             {code: func(c *telemetry.Pairing) { c.URL = "https://127.0.0.1:1" }, said: "cannot be reached"},
		"a name that is not in it":           {code: func(c *telemetry.Pairing) { c.URL = "https://hub.test" + c.URL[strings.LastIndex(c.URL, ":"):] }, said: "the hub must know the name"},
		"no TLS at that address":             {code: func(c *telemetry.Pairing) { c.URL = plainServer(t) }, said: "cannot be reached"},
		"an authority that is only in front": {code: func(c *telemetry.Pairing) { c.URL = chained(t, d, other) }, said: ""},
	} {
		t.Run(name, func(t *testing.T) {
			me := newMe(t, c.clock)
			me.Dial = func(ctx context.Context, network, address string) (net.Conn, error) { // every name leads to this host
				if strings.HasPrefix(address, "hub.test:") {
					address = "127.0.0.1" + address[strings.LastIndex(address, ":"):]
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			code := d.code()
			if c.code != nil {
				c.code(&code)
			}
			_, err := pairing.Enroll(context.Background(), me, code)
			if err == nil || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v, want %q", err, c.said)
			}
		})
	}
	if d.asked+other.asked != 0 {
		t.Errorf("strangers were told something %d times", d.asked+other.asked)
	}
}

// leafPrint is the fingerprint of a hub's own certificate, which is no authority.
func leafPrint(t *testing.T, d *desk) telemetry.Fingerprint {
	t.Helper()
	c, err := d.ca.ServerCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(c.Leaf.RawSubjectPublicKeyInfo)
}

func plainServer(t *testing.T) string {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return "https" + strings.TrimPrefix(server.URL, "http")
}

// chained is a stranger with its own certificate that shows the right authority's beside it.
func chained(t *testing.T, right, stranger *desk) string {
	t.Helper()
	own, err := stranger.ca.ServerCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := right.ca.ServerCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(stranger.handle))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{own.Certificate[0], ca.Certificate[1]}, PrivateKey: own.PrivateKey}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestACertificateForClientsIsNoHubs(t *testing.T) {
	dir := t.TempDir()
	ca, err := authority.Open(authority.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, authority.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := pairing.ParseKey(content)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca.CertificatePEM())
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for usage, taken := range map[x509.ExtKeyUsage]bool{x509.ExtKeyUsageClientAuth: false, x509.ExtKeyUsageServerAuth: true} {
		own := newKey(t)
		leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		}, issuer, own.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		asked := false
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked = true; http.NotFound(w, nil) }))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf, block.Bytes}, PrivateKey: own}}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		code := telemetry.Pairing{URL: server.URL, CA: ca.Fingerprint(), Secret: telemetry.PairingSecret{1}, Expires: time.Now().Add(time.Minute), Hub: "Rossi"}
		_, err = pairing.Enroll(context.Background(), newMe(t, nil), code)
		server.Close()
		if err == nil || asked != taken {
			t.Errorf("usage %v: asked %v, %v", usage, asked, err)
		}
	}
}

func TestPanelThatLostTheTimeBelievesTheAuthority(t *testing.T) {
	d := newDesk(t)
	for year, good := range map[int]bool{2000: true, 2020: true, 2040: false} {
		if _, err := pairing.Enroll(context.Background(), newMe(t, at(year, false)), d.code()); (err == nil) != good {
			t.Errorf("at a time no earlier than %d: %v", year, err)
		}
	}
}

func TestAnswersThatAreNotForThisPanelAreRefused(t *testing.T) {
	d, other := newDesk(t), newDesk(t)
	me, neighbor := newMe(t, nil), newMe(t, nil)
	theirs, err := pairing.Enroll(context.Background(), neighbor, d.code())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := pairing.Enroll(context.Background(), me, other.code())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*telemetry.EnrollAnswer)
		said   string
	}{
		"another's certificate": {func(a *telemetry.EnrollAnswer) { a.Certificate = theirs.Answer.Certificate }, "another key"},
		"another authority":     {func(a *telemetry.EnrollAnswer) { a.CA = foreign.Answer.CA }, "another authority"},
		"a foreign certificate": {func(a *telemetry.EnrollAnswer) { a.Certificate = foreign.Answer.Certificate }, "not made by the hub's authority"},
		"no certificate":        {func(a *telemetry.EnrollAnswer) { a.Certificate = "none" }, "not one certificate"},
		"two certificates":      {func(a *telemetry.EnrollAnswer) { a.Certificate += a.Certificate }, "not one certificate"},
		"another one first":     {func(a *telemetry.EnrollAnswer) { a.CA = foreign.Answer.CA + a.CA }, "another authority"},
		"words behind it":       {func(a *telemetry.EnrollAnswer) { a.CA += "and more" }, "no certificate in PEM"},
		"no authority":          {func(a *telemetry.EnrollAnswer) { a.CA = "none" }, "not a certificate"},
		"another panel's name":  {func(a *telemetry.EnrollAnswer) { a.Certificate = renamed(t, d, me) }, "not for this panel"},
		"the leaf as authority": {func(a *telemetry.EnrollAnswer) { a.CA = a.Certificate }, "another authority"},
		"a certificate of a key": {func(a *telemetry.EnrollAnswer) {
			a.Certificate = strings.ReplaceAll(a.Certificate, "CERTIFICATE", "PUBLIC KEY")
		}, "not one certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			d.answer = c.change
			defer func() { d.answer = func(*telemetry.EnrollAnswer) {} }()
			if _, err := pairing.Enroll(context.Background(), me, d.code()); err == nil || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v, want %q", err, c.said)
			}
		})
	}
	if theirs.Check(me) == nil {
		t.Error("a panel takes another's membership for its own")
	}
	if _, err := theirs.TLS(me); err == nil {
		t.Error("a panel connects as another")
	}
}

func renamed(t *testing.T, d *desk, me pairing.Me) string {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, me.Key)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := d.ca.Certify(csr, "another")
	if err != nil {
		t.Fatal(err)
	}
	return string(issued.PEM)
}

func TestBrokerMayHaveAnAuthorityOfItsOwnWhenTheHubSaysSo(t *testing.T) {
	d, broker := newDesk(t), newDesk(t)
	me := newMe(t, nil)
	plain, err := pairing.Enroll(context.Background(), me, d.code())
	if err != nil {
		t.Fatal(err)
	}
	d.answer = func(a *telemetry.EnrollAnswer) { a.CA += string(broker.ca.CertificatePEM()) }
	with, err := pairing.Enroll(context.Background(), me, d.code())
	if err != nil {
		t.Fatal(err)
	}
	connects := func(m pairing.Membership, to *desk) error {
		config, err := m.TLS(me)
		if err != nil {
			return err
		}
		config.ServerName = "127.0.0.1"
		c, err := tls.Dial("tcp", strings.TrimPrefix(to.url, "https://"), config)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := connects(with, broker); err != nil {
		t.Errorf("the broker that the hub named: %v", err)
	}
	if err := connects(with, d); err != nil {
		t.Errorf("the hub's own: %v", err)
	}
	if err := connects(with, newDesk(t)); err == nil {
		t.Error("a broker that nobody named is trusted")
	}
	if err := connects(plain, broker); err == nil {
		t.Error("a broker with another authority is trusted although the hub named none")
	}
	// For the broker alone: a certificate is renewed at the hub itself.
	with.URL = broker.url
	if _, err := pairing.Renew(context.Background(), me, with); err == nil || broker.asked != 0 {
		t.Errorf("renewed at the broker's authority: %v", err)
	}
}

func TestStrangeAnswersAreBounded(t *testing.T) {
	d, me := newDesk(t), newMe(t, nil)
	elsewhere := newDesk(t)
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request)
		said  string
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url+r.URL.Path, http.StatusTemporaryRedirect)
		}, "307"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "more than"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		}, "try again with the same code"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, "cannot read enrollment"},
		"words to show": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"why":"used","detail":"no\u001b[2J\nway` + strings.Repeat("x", 5000) + `"}`))
		}, "no [2J way"},
		"no words": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			d.serve = func(w http.ResponseWriter, r *http.Request) bool { c.serve(w, r); return true }
			_, err := pairing.Enroll(context.Background(), me, d.code())
			if err == nil || !strings.Contains(err.Error(), c.said) || len(err.Error()) > 800 || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("got %v", err)
			}
			var refused *pairing.Refused
			if name == "words to show" && (!errors.As(err, &refused) || refused.Why != "used") {
				t.Errorf("its why is %+v", refused)
			}
		})
	}
	if elsewhere.asked != 0 {
		t.Error("a redirect was followed")
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	for _, content := range []string{"", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := pairing.ParseKey([]byte(content)); err == nil {
			t.Errorf("%q was read", content)
		}
	}
}
