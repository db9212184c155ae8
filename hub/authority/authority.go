package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The files of an authority. Those that end in .key are secret.
const (
	KeyFile        = "authority.key"
	CertFile       = "authority.pem"
	ServerKeyFile  = "server.key"
	ServerCertFile = "server.pem" // with the authority's certificate behind it
)

const (
	authorityYears = 20
	leafTime       = 365 * 24 * time.Hour
	// backdate lets a peer whose clock is late by less accept a new certificate.
	backdate = time.Hour
	// crlTime is for how long a revocation list says to be current: much longer than anybody leaves one alone.
	crlTime = 10 * 365 * 24 * time.Hour
)

// lostKey is what to do about a key that cannot be read.
const lostKey = "put a copy of the file back; without one, move authority.key and authority.pem away: the hub then makes a new authority, and every panel must be paired again"

// Options of an authority.
type Options struct {
	Dir string // of its keys, made with mode 0700
	// Hosts are the names and addresses by which panels and browsers reach the hub, the best first. It is asked again
	// whenever the server's certificate is looked at.
	Hosts func() []string
	Now   func() time.Time // nil: the system's clock
}

// Authority makes certificates. It is safe for concurrent use.
type Authority struct {
	options     Options
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	fingerprint [sha256.Size]byte

	mu     sync.Mutex
	server *tls.Certificate // nil: not made yet
}

// Open reads the authority, or makes one in an empty directory. A key that is there and cannot be read, or that is gone while its
// certificate is there, is an error: another authority would lock every panel out.
func Open(o Options) (*Authority, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hosts == nil {
		o.Hosts = func() []string { return nil }
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make keys directory %s: %w", o.Dir, err)
	}
	a := &Authority{options: o}
	if err := a.openKey(); err != nil {
		return nil, err
	}
	if err := a.openCertificate(); err != nil {
		return nil, err
	}
	if _, err := a.ServerCertificate(nil); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Authority) path(name string) string { return filepath.Join(a.options.Dir, name) }

func (a *Authority) openKey() error {
	_, err := os.Lstat(a.path(CertFile))
	made := err == nil
	a.key, err = a.readKey(KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && made:
		return fmt.Errorf("cannot find %s, but %s is there: %s", a.path(KeyFile), CertFile, lostKey)
	case errors.Is(err, fs.ErrNotExist):
		a.key, err = a.makeKey(KeyFile)
	case err != nil:
		err = fmt.Errorf("%w; %s", err, lostKey)
	}
	if err != nil {
		return err
	}
	a.fingerprint, err = FingerprintOf(a.key.Public())
	return err
}

// openCertificate reads the authority's own certificate. It says nothing that the key does not: one that is gone is made again.
func (a *Authority) openCertificate() error {
	content, err := os.ReadFile(a.path(CertFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a.makeCertificate()
	}
	if err != nil {
		return fmt.Errorf("cannot read the authority's certificate: %w", err)
	}
	certificate, err := parseCertificate(content)
	if err == nil && !a.key.PublicKey.Equal(certificate.PublicKey) {
		err = errors.New("it does not belong to " + KeyFile)
	}
	if err != nil {
		return fmt.Errorf("cannot use %s: %w; move it away, it is made again from the key", a.path(CertFile), err)
	}
	a.certificate = certificate
	return nil
}

func (a *Authority) makeCertificate() error {
	now := a.options.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "doorpanel hub " + hex.EncodeToString(a.fingerprint[:8])},
		NotBefore: now.Add(-backdate), NotAfter: now.AddDate(authorityYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("cannot make the authority's certificate: %w", err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("cannot make the authority's certificate: %w", err)
	}
	return writeDurably(a.path(CertFile), certificatePEM(der), 0o644)
}

// CertificatePEM is the authority's own certificate.
func (a *Authority) CertificatePEM() []byte { return certificatePEM(a.certificate.Raw) }

// Pool trusts this authority and no other.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Fingerprint is the SHA-256 of the authority's public key (SPKI), which a pairing code carries.
func (a *Authority) Fingerprint() [sha256.Size]byte { return a.fingerprint }

// FingerprintOf is the SHA-256 of a public key in its X.509 form (SubjectPublicKeyInfo).
func FingerprintOf(key crypto.PublicKey) ([sha256.Size]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("cannot take the fingerprint of a key: %w", err)
	}
	return sha256.Sum256(spki), nil
}

// Issued is a certificate that the authority made.
type Issued struct {
	Serial  string // hexadecimal digits, lower case
	PEM     []byte
	Key     [sha256.Size]byte // fingerprint of its public key
	From    time.Time
	Expires time.Time
}

// CheckRequest reads a PKCS #10 request in DER (RFC 2986), whose signature shows that its maker has the key, and returns the key's
// fingerprint. Only keys on P-256 are taken. What name it asks for is nobody's business: the certificate gets another.
func CheckRequest(csr []byte) (key [sha256.Size]byte, err error) {
	request, err := parseRequest(csr)
	if err != nil {
		return key, err
	}
	return FingerprintOf(request.PublicKey)
}

func parseRequest(csr []byte) (*x509.CertificateRequest, error) {
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate request: %w", err)
	}
	key, ok := request.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("cannot use certificate request: its key is not an ECDSA key on P-256")
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("cannot use certificate request: it was not signed with its own key: %w", err)
	}
	return request, nil
}

// Certify makes a certificate for a client called name, for a year. It serves to say who a client is, and for nothing else: no
// server may show it. name has 1 to 64 letters, digits, dots, hyphens and underscores.
func (a *Authority) Certify(csr []byte, name string) (Issued, error) {
	request, err := parseRequest(csr)
	if err != nil {
		return Issued{}, err
	}
	return a.certify(request.PublicKey, name, leafTime)
}

func (a *Authority) certify(key crypto.PublicKey, name string, lasting time.Duration) (Issued, error) {
	if name == "" || len(name) > 64 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return Issued{}, fmt.Errorf("cannot certify %.80q: not 1 to 64 letters, digits, ., - or _", name)
	}
	now := a.options.Now().UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-backdate), NotAfter: now.Add(lasting),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return Issued{}, fmt.Errorf("cannot certify %q: %w", name, err)
	}
	print, err := FingerprintOf(key)
	return Issued{
		Serial: SerialText(template.SerialNumber), PEM: certificatePEM(der), Key: print, From: template.NotBefore, Expires: template.NotAfter,
	}, err
}

// ClientCertificate is one for this hub itself, to show to a broker that knows this authority. Its key is made anew and kept
// nowhere.
func (a *Authority) ClientCertificate(name string) (tls.Certificate, error) {
	return a.clientCertificate(name, leafTime)
}

// PassingCertificate is ClientCertificate for one connection under a panel's name. It ends within lasting, for nobody is to have such
// a one for longer than it takes; lasting is more than zero.
func (a *Authority) PassingCertificate(name string, lasting time.Duration) (tls.Certificate, error) {
	return a.clientCertificate(name, lasting)
}

func (a *Authority) clientCertificate(name string, lasting time.Duration) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make a key: %w", err)
	}
	issued, err := a.certify(key.Public(), name, lasting)
	if err != nil {
		return tls.Certificate{}, err
	}
	block, _ := pem.Decode(issued.PEM)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, nil
}

// Revoked is a certificate that is not honored any more.
type Revoked struct {
	Serial string
	At     time.Time
}

// RevocationList is a signed list (RFC 5280, section 5) in PEM, as brokers and TLS libraries read it. Lists that are made later have
// higher numbers.
func (a *Authority) RevocationList(revoked []Revoked) ([]byte, error) {
	now := a.options.Now().UTC()
	template := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(crlTime)}
	for _, r := range revoked {
		serial, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok || serial.Sign() <= 0 {
			return nil, fmt.Errorf("cannot revoke certificate %.80q: its serial number is not hexadecimal", r.Serial)
		}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: r.At.UTC()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.certificate, a.key)
	if err != nil {
		return nil, fmt.Errorf("cannot make the revocation list: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

// Signed tells whether a revocation list is this authority's.
func (a *Authority) Signed(list *x509.RevocationList) bool {
	return list.CheckSignatureFrom(a.certificate) == nil
}

// SerialText is how a serial number is written in records and messages.
func SerialText(serial *big.Int) string { return serial.Text(16) }

// ServerCertificate is the hub's own, for tls.Config.GetCertificate. It is made for the names of Options.Hosts, and made anew when two
// thirds of its time are over or the names have changed. While a new one cannot be kept on disk the old one is shown.
func (a *Authority) ServerCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server == nil {
		if err := a.readServer(); err != nil {
			return nil, err
		}
	}
	hosts := a.options.Hosts()
	if a.server != nil && fits(a.server.Leaf, hosts, a.options.Now()) {
		return a.server, nil
	}
	fresh, err := a.makeServer(hosts)
	if err == nil {
		a.server = fresh
	}
	if a.server == nil {
		return nil, err
	}
	return a.server, nil
}

// readServer takes up the certificate that was made before, if there is one of this authority.
func (a *Authority) readServer() error {
	key, err := a.readKey(ServerKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; move it away, another one is made", err)
	}
	content, err := os.ReadFile(a.path(ServerCertFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the hub's certificate: %w", err)
	}
	leaf, err := parseCertificate(content)
	if err != nil || !key.PublicKey.Equal(leaf.PublicKey) || leaf.CheckSignatureFrom(a.certificate) != nil {
		return nil // of another authority, or half written: it is made again
	}
	a.server = a.chain(leaf, key)
	return nil
}

func (a *Authority) chain(leaf *x509.Certificate, key crypto.PrivateKey) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}
}

func fits(leaf *x509.Certificate, hosts []string, now time.Time) bool {
	names, addresses := sortHosts(hosts)
	if len(names) != len(leaf.DNSNames) || len(addresses) != len(leaf.IPAddresses) {
		return false
	}
	for i, name := range names {
		if leaf.DNSNames[i] != name {
			return false
		}
	}
	for i, address := range addresses {
		if !leaf.IPAddresses[i].Equal(address) {
			return false
		}
	}
	renew := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) * 2 / 3)
	return !now.Before(leaf.NotBefore) && now.Before(renew)
}

// sortHosts takes names and addresses apart; this host itself is always among them.
func sortHosts(hosts []string) (names []string, addresses []net.IP) {
	for _, host := range append(slices.Clone(hosts), "localhost", "127.0.0.1", "::1") {
		if ip := net.ParseIP(host); ip != nil {
			if !slices.ContainsFunc(addresses, ip.Equal) {
				addresses = append(addresses, ip)
			}
		} else if host = strings.ToLower(host); host != "" && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	return names, addresses
}

func (a *Authority) makeServer(hosts []string) (*tls.Certificate, error) {
	key, err := a.readKey(ServerKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = a.makeKey(ServerKeyFile)
	}
	if err != nil {
		return nil, err
	}
	names, addresses := sortHosts(hosts)
	now := a.options.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "doorpanel hub"}, DNSNames: names, IPAddresses: addresses,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafTime), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("cannot make the hub's certificate for %q: %w", hosts, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot make the hub's certificate for %q: %w", hosts, err)
	}
	chain := append(certificatePEM(der), a.CertificatePEM()...)
	return a.chain(leaf, key), writeDurably(a.path(ServerCertFile), chain, 0o644)
}

// newSerial draws 127 bits: nobody can guess a serial number, and none comes twice.
func newSerial() *big.Int {
	raw := make([]byte, 16)
	rand.Read(raw) // never fails: crypto/rand ends the program instead
	raw[0] &= 0x7f
	raw[15] |= 1 // never zero
	return new(big.Int).SetBytes(raw)
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func parseCertificate(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("there is no certificate in PEM in it")
	}
	return x509.ParseCertificate(block.Bytes)
}

func (a *Authority) readKey(name string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(a.path(name))
	if err != nil {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	block, rest := pem.Decode(content)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("cannot read %s: it is not one key in PEM", a.path(name))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", a.path(name), err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("cannot use %s: it is not an ECDSA key on P-256", a.path(name))
	}
	return key, nil
}

func (a *Authority) makeKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make key %s: %w", a.path(name), err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot make key %s: %w", a.path(name), err)
	}
	return key, writeDurably(a.path(name), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// writeDurably replaces a file by way of a synced temporary one beside it, so that a power cut leaves the whole file or none.
func writeDurably(path string, content []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		var dir *os.File
		if dir, err = os.Open(filepath.Dir(path)); err == nil {
			err = errors.Join(dir.Sync(), dir.Close())
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
