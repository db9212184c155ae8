package main

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"path/filepath"

	"github.com/doorpanel/doorpanel/daemon"
)

// hubKeyFile is the key that signs commands and documents.
const hubKeyFile = "hub.key"

// lostKey is what to do about a key that cannot be read.
const lostKey = "put a copy of the file back; without one, move it away: the hub then makes a new key, and every panel must be paired again " +
	"before it takes commands"

// loadHubKey reads the key under which panels know this hub, or makes it. A key that is there and cannot be read is an error:
// a new one would silently make this another hub.
func loadHubKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, hubKeyFile)
	content, err := daemon.SecretFile(path, func() ([]byte, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("cannot read %s: it is not a PEM file; %s", path, lostKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w; %s", path, err, lostKey)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("cannot use %s: it is not an Ed25519 key; %s", path, lostKey)
	}
	return key, nil
}

// newID draws n random bytes as hexadecimal digits.
func newID(n int) string {
	raw := make([]byte, n)
	rand.Read(raw) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(raw)
}

// sealingKeyFile is the key that opens marks of the silent alarm.
const sealingKeyFile = "sealing.key"

// sealingKey opens what panels seal to this hub.
type sealingKey struct {
	private hpke.PrivateKey
	public  string // x25519:..., as panels know it
}

// loadSealingKey reads the key to which panels seal the mark of a grant under duress, or makes it.
func loadSealingKey(dir string) (sealingKey, error) {
	path := filepath.Join(dir, sealingKeyFile)
	content, err := daemon.SecretFile(path, func() ([]byte, error) {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return sealingKey{}, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return sealingKey{}, fmt.Errorf("cannot read %s: it is not a PEM file; put a copy back, or move it away and pair the panels again", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return sealingKey{}, fmt.Errorf("cannot read %s: %w; put a copy back, or move it away and pair the panels again", path, err)
	}
	key, ok := parsed.(*ecdh.PrivateKey)
	if !ok || key.Curve() != ecdh.X25519() {
		return sealingKey{}, fmt.Errorf("cannot use %s: it is not an X25519 key; put a copy back, or move it away and pair the panels again", path)
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	return sealingKey{private, "x25519:" + base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())}, err
}
