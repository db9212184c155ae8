package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"github.com/doorpanel/doorpanel/daemon"
)

// deviceKeys are made on the panel at its first start and never leave it. They lie outside the store, so that a copied
// store tells nobody a code and cannot speak for the panel.
type deviceKeys struct {
	sign  ed25519.PrivateKey // who the panel is
	index []byte             // cards and codes are looked up by their HMAC under it
}

func (k deviceKeys) public() ed25519.PublicKey { return k.sign.Public().(ed25519.PublicKey) }

// signMessage signs as this panel.
func (k deviceKeys) signMessage(message []byte) ([]byte, error) {
	return ed25519.Sign(k.sign, message), nil
}

// indexKeyFile is the name of the key under which cards and codes are looked up.
const indexKeyFile = "index.key"

// lostKey is what to do about a key that cannot be read.
const lostKey = "put a copy of the file back; without one, move it away: the panel then makes a new key, and the licenses bound to it, " +
	"or all cards and codes, must be entered again"

// loadKeys reads the panel's keys, or makes them. A key that is there and cannot be read is an error: a new one would
// silently make this another panel.
func loadKeys(dir string) (deviceKeys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return deviceKeys{}, fmt.Errorf("cannot make keys directory %s: %w", dir, err)
	}
	seed, err := daemon.SecretFile(filepath.Join(dir, "panel.key"), func() ([]byte, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return deviceKeys{}, err
	}
	block, _ := pem.Decode(seed)
	if block == nil {
		return deviceKeys{}, fmt.Errorf("cannot read %s: it is not a PEM file; %s", filepath.Join(dir, "panel.key"), lostKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return deviceKeys{}, fmt.Errorf("cannot read %s: %w; %s", filepath.Join(dir, "panel.key"), err, lostKey)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return deviceKeys{}, fmt.Errorf("cannot use %s: it is not an Ed25519 key; %s", filepath.Join(dir, "panel.key"), lostKey)
	}
	index, err := daemon.SecretFile(filepath.Join(dir, indexKeyFile), func() ([]byte, error) {
		raw := make([]byte, sha256.Size)
		if _, err := rand.Read(raw); err != nil {
			return nil, err
		}
		return []byte(hex.EncodeToString(raw) + "\n"), nil
	})
	if err != nil {
		return deviceKeys{}, err
	}
	raw := make([]byte, sha256.Size)
	if n, err := hex.Decode(raw, index[:min(len(index), 2*sha256.Size)]); err != nil || n != sha256.Size {
		return deviceKeys{}, fmt.Errorf("cannot read %s: it does not hold %d hexadecimal digits; %s", filepath.Join(dir, indexKeyFile), 2*sha256.Size, lostKey)
	}
	return deviceKeys{sign: key, index: raw}, nil
}

// newID draws n random bytes as hexadecimal digits.
func newID(n int) string {
	raw := make([]byte, n)
	rand.Read(raw) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(raw)
}
