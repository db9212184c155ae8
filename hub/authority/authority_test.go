package authority_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/authority"
)

// made is an authority with a clock and names that a test sets.
type made struct {
	*authority.Authority
	dir   string
	now   time.Time
	hosts []string
}

func newAuthority(t *testing.T) *made {
	t.Helper()
	m := &made{dir: filepath.Join(t.TempDir(), "keys"), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), hosts: []string{"hub.example.org", "192.0.2.7"}}
	m.open(t)
	return m
}

func (m *made) try() (*authority.Authority, error) {
	return authority.Open(authority.Options{Dir: m.dir, Now: func() time.Time { return m.now }, Hosts: func() []string { return m.hosts }})
}

func (m *made) open(t *testing.T) {
	t.Helper()
	a, err := m.try()
	if err != nil {
		t.Fatal(err)
	}
	m.Authority = a
}

func (m *made) server(t *testing.T) *x509.Certificate {
	t.Helper()
	c, err := m.ServerCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func request(t *testing.T) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "whatever I like"}, DNSNames: []string{"hub.example.org"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return csr, key
}

func parse(t *testing.T, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatalf("no PEM: %s", content)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAuthorityStaysTheSameOverARestart(t *testing.T) {
	m := newAuthority(t)
	print, ca, server := m.Fingerprint(), string(m.CertificatePEM()), m.server(t).SerialNumber
	m.open(t)
	if m.Fingerprint() != print || string(m.CertificatePEM()) != ca || m.server(t).SerialNumber.Cmp(server) != 0 {
		t.Error("it is another one after a restart")
	}
	for _, name := range []string{authority.KeyFile, authority.ServerKeyFile} {
		if info, err := os.Stat(filepath.Join(m.dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	// Its certificate says nothing that the key does not.
	if err := os.Remove(filepath.Join(m.dir, authority.CertFile)); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	if m.Fingerprint() != print {
		t.Error("it has another key")
	}
	old := parse(t, []byte(ca))
	if err := m.server(t).CheckSignatureFrom(old); err != nil {
		t.Errorf("the certificates that were given out do not lead to it: %v", err)
	}
}

func TestKeyThatCannotBeReadIsAnErrorAndNeverReplaced(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"empty":    func(t *testing.T, path string) { write(t, path, nil) },
		"cut off":  func(t *testing.T, path string) { write(t, path, read(t, path)[:80]) },
		"gone":     func(t *testing.T, path string) { remove(t, path) },
		"two keys": func(t *testing.T, path string) { write(t, path, append(read(t, path), read(t, path)...)) },
		"no key": func(t *testing.T, path string) {
			write(t, path, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
		},
		"directory": func(t *testing.T, path string) { remove(t, path); mkdir(t, path) },
		"other curve": func(t *testing.T, path string) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newAuthority(t)
			path := filepath.Join(m.dir, authority.KeyFile)
			damage(t, path)
			before, _ := os.ReadFile(path)
			_, err := m.try()
			if err == nil || !strings.Contains(err.Error(), "put a copy of the file back") {
				t.Errorf("opened with %v", err)
			}
			after, readErr := os.ReadFile(path)
			if string(after) != string(before) || name == "gone" && !errors.Is(readErr, fs.ErrNotExist) {
				t.Error("the file was replaced")
			}
		})
	}
	m := newAuthority(t)
	other := newAuthority(t)
	write(t, filepath.Join(m.dir, authority.CertFile), other.CertificatePEM())
	if _, err := m.try(); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Errorf("another authority's certificate: %v", err)
	}
	write(t, filepath.Join(m.dir, authority.ServerKeyFile), []byte("no key"))
	write(t, filepath.Join(m.dir, authority.CertFile), m.CertificatePEM())
	if _, err := m.try(); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a server's key that cannot be read: %v", err)
	}
}

func TestServerCertificateRenewsItself(t *testing.T) {
	m := newAuthority(t)
	first := m.server(t)
	if err := first.VerifyHostname("hub.example.org"); err != nil {
		t.Error(err)
	}
	for _, host := range []string{"192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		if err := first.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	same := func(what string, want bool) {
		t.Helper()
		if got := m.server(t).SerialNumber.Cmp(first.SerialNumber) == 0; got != want {
			t.Errorf("%s: the same certificate: %v", what, got)
		}
		first = m.server(t)
	}
	m.now = m.now.AddDate(0, 0, 200)
	same("after 200 days", true)
	m.now = m.now.AddDate(0, 0, 50)
	same("after 250 days", false)
	m.hosts = append(m.hosts, "hub.lan")
	same("under another name", false)
	m.now = m.now.AddDate(-3, 0, 0)
	same("before its time began", false)
	chain, err := m.ServerCertificate(nil)
	if err != nil || len(chain.Certificate) != 2 {
		t.Errorf("%d certificates in the chain, %v", len(chain.Certificate), err)
	}
	// A hub that cannot write shows what it has.
	if os.Geteuid() != 0 {
		if err := os.Chmod(m.dir, 0o500); err != nil {
			t.Fatal(err)
		}
		m.now = m.now.AddDate(0, 0, 250)
		m.server(t)
		if err := os.Chmod(m.dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPanelsCertificateSaysWhoItIsAndNothingElse(t *testing.T) {
	m := newAuthority(t)
	csr, key := request(t)
	issued, err := m.Certify(csr, "am4wegjdp522mtysv237hfzdvm")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, issued.PEM)
	if c.Subject.String() != "CN=am4wegjdp522mtysv237hfzdvm" || len(c.DNSNames) != 0 || c.IsCA {
		t.Errorf("it says %s, %v", c.Subject, c.DNSNames)
	}
	if !key.PublicKey.Equal(c.PublicKey) || !c.NotAfter.Equal(m.now.AddDate(0, 0, 365)) || issued.Serial != authority.SerialText(c.SerialNumber) {
		t.Errorf("key, time or number: %v", c.NotAfter)
	}
	verify := func(usage x509.ExtKeyUsage, pool *x509.CertPool) error {
		_, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: m.now, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	if err := verify(x509.ExtKeyUsageClientAuth, m.Pool()); err != nil {
		t.Error(err)
	}
	if verify(x509.ExtKeyUsageServerAuth, m.Pool()) == nil {
		t.Error("a panel may show it as a server")
	}
	if verify(x509.ExtKeyUsageClientAuth, newAuthority(t).Pool()) == nil {
		t.Error("another authority stands behind it, too")
	}
	again, err := m.Certify(csr, "am4wegjdp522mtysv237hfzdvm")
	if err != nil || again.Serial == issued.Serial {
		t.Errorf("the same number twice: %v", err)
	}
}

func TestRequestsThatProveNothingAreRefused(t *testing.T) {
	m := newAuthority(t)
	good, _ := request(t)
	forged := append([]byte(nil), good...)
	forged[len(forged)-1] ^= 1
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, p384)
	if err != nil {
		t.Fatal(err)
	}
	for name, csr := range map[string][]byte{"nothing": nil, "garbage": []byte("x"), "another key's signature": forged, "another curve": large, "more behind it": append(good[:len(good):len(good)], 0)} {
		if _, err := m.Certify(csr, "panel"); err == nil {
			t.Errorf("%s was certified", name)
		}
		if _, err := authority.CheckRequest(csr); err == nil {
			t.Errorf("%s was found right", name)
		}
	}
	for _, name := range []string{"", "a/b", "a b", "+", "#", strings.Repeat("a", 65), "ä", "a\n"} {
		if _, err := m.Certify(good, name); err == nil {
			t.Errorf("the name %q was certified", name)
		}
	}
}

func TestRevocationListNamesWhatIsRevoked(t *testing.T) {
	m := newAuthority(t)
	csr, _ := request(t)
	issued, err := m.Certify(csr, "panel")
	if err != nil {
		t.Fatal(err)
	}
	read := func(list ...authority.Revoked) *x509.RevocationList {
		t.Helper()
		content, err := m.RevocationList(list)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(content)
		crl, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if err := crl.CheckSignatureFrom(parse(t, m.CertificatePEM())); err != nil {
			t.Error(err)
		}
		return crl
	}
	empty := read()
	m.now = m.now.Add(time.Minute)
	crl := read(authority.Revoked{Serial: issued.Serial, At: m.now})
	if len(empty.RevokedCertificateEntries) != 0 || len(crl.RevokedCertificateEntries) != 1 || authority.SerialText(crl.RevokedCertificateEntries[0].SerialNumber) != issued.Serial {
		t.Errorf("%+v", crl.RevokedCertificateEntries)
	}
	if crl.Number.Cmp(empty.Number) <= 0 {
		t.Error("a later list has no higher number")
	}
	if _, err := m.RevocationList([]authority.Revoked{{Serial: "not hex"}}); err == nil {
		t.Error("a number that is none was taken")
	}
}

func TestHubsOwnCertificateIsAClients(t *testing.T) {
	m := newAuthority(t)
	c, err := m.ClientCertificate("doorpanel-hub")
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server := tls.Server(near, &tls.Config{GetCertificate: m.ServerCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.Pool(), Time: func() time.Time { return m.now }})
	client := tls.Client(far, &tls.Config{RootCAs: m.Pool(), ServerName: "hub.example.org", Certificates: []tls.Certificate{c}, Time: func() time.Time { return m.now }})
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if name := server.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "doorpanel-hub" {
		t.Errorf("it is %q", name)
	}
}

func TestACertificateForOneConnectionEndsSoon(t *testing.T) {
	m := newAuthority(t)
	c, err := m.PassingCertificate("alpha", 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Subject.CommonName != "alpha" || leaf.NotAfter.After(m.now.Add(5*time.Minute)) || leaf.IsCA {
		t.Errorf("it is for %s and ends %v after it was made", leaf.Subject, leaf.NotAfter.Sub(m.now))
	}
}

func TestTheAuthorityHasNoneBelowIt(t *testing.T) {
	m := newAuthority(t)
	block, _ := pem.Decode(m.CertificatePEM())
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !own.IsCA || own.MaxPathLen != 0 || !own.MaxPathLenZero {
		t.Errorf("its certificate lets %d authorities stand below it", own.MaxPathLen)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}
