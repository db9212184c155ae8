package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// trusting returns the configuration of a TLS client that trusts the system's authorities and those of ca.
func trusting(ca []byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) == 0 {
		return config, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the file of authorities holds no certificate; it must be PEM")
	}
	config.RootCAs = pool
	return config, nil
}

// isLoopback tells whether a host is this one by its very name, without asking anybody.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// checkURL refuses an address that would show the message, or a secret, to everybody on the way.
func checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is not a web address; write it as https://host/path")
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("it is not a web address; write it as https://host/path")
	case u.User != nil:
		return nil, errors.New("it has a password in it; write that where the secret belongs")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("everybody on the way could read it; write https, http is for this host alone")
	}
	return u, nil
}

// plainly is an error of the network in words without the address, which may hold a secret.
func plainly(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	var name *net.DNSError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the name %s is not found", oneLine(name.Name, maxName))
	case errors.As(err, &unknown):
		return "its certificate is signed by an authority that is not trusted; name the file of that authority as ca"
	case errors.As(err, &hostname):
		return "its certificate is for another name: " + oneLine(hostname.Error(), 200)
	case errors.As(err, &invalid):
		return "its certificate is not valid: " + oneLine(invalid.Error(), 200)
	case isTimeout(err):
		return "it did not answer in time"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	case errors.As(err, &op):
		return oneLine(op.Err.Error(), 200)
	}
	return oneLine(err.Error(), 200)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// bounded is a connection from which no more than a bound is read: who answers without end is cut off.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("it said more than anybody should")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
