package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// filePair is a certificate and its key in two files, which somebody else renews.
type filePair struct {
	certificate, key string

	mu      sync.Mutex
	read    time.Time // when the certificate's file was written that is shown
	present *tls.Certificate
}

// get implements tls.Config.GetCertificate. While the files cannot be read the old certificate is shown.
func (p *filePair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.certificate)
	if err == nil && p.present != nil && info.ModTime().Equal(p.read) {
		return p.present, nil
	}
	fresh, loading := tls.LoadX509KeyPair(p.certificate, p.key)
	switch {
	case err == nil && loading == nil:
		p.present, p.read = &fresh, info.ModTime()
	case p.present == nil:
		return nil, fmt.Errorf("cannot use certificate %s: %w", p.certificate, loading)
	}
	return p.present, nil
}
