package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// signingKey is a private key from a file. Only its Sign leaves this file.
type signingKey struct {
	pub     ed25519.PublicKey
	private ed25519.PrivateKey
}

func (k signingKey) sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.private, message), nil
}

const pemType = "PRIVATE KEY" // PKCS #8, RFC 5958 and RFC 8410: other tools read it

// createKey draws a key and writes it to a new file that only its owner may read. An existing file is never overwritten.
func createKey(path string, random io.Reader) (key signingKey, err error) {
	pub, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot write key file %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot write key file: %w; an existing key is never overwritten, choose another name", err)
	}
	_, err = file.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot write key file %s: %w", path, err)
	}
	return signingKey{pub, private}, nil
}

func loadKey(path string) (signingKey, error) {
	if path == "" {
		return signingKey{}, usage("--key is missing: name the key file that signs")
	}
	info, err := os.Stat(path)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot read key file: %w; make one with doorlicense keygen", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return signingKey{}, fmt.Errorf("cannot use key file %s: others may read it (mode %04o); chmod 600 it, and replace the key if somebody may have", path, info.Mode().Perm())
	}
	raw, err := readSmall(path)
	if err != nil {
		return signingKey{}, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemType {
		return signingKey{}, fmt.Errorf("cannot read key file %s: not a PEM file with a %s; make one with doorlicense keygen", path, pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return signingKey{}, fmt.Errorf("cannot read key file %s: not an Ed25519 key in PKCS #8; make one with doorlicense keygen", path)
	}
	return signingKey{private.Public().(ed25519.PublicKey), private}, nil
}

const maxFile = 4 << 20

// readSmall reads a file of a size that a code, its picture or a key may have.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read file: %w", err)
	}
	defer file.Close()
	return readAll(file, path)
}

func readAll(from io.Reader, name string) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("cannot read %s: larger than %d MiB, no code is", name, maxFile>>20)
	}
	return raw, nil
}
