package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/daemon"
)

func TestKeysAreMadeOncePrivatelyAndStayTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "keys")
	made, err := loadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !made.sign.Equal(again.sign) || !bytes.Equal(made.index, again.index) || len(made.index) != 32 {
		t.Error("the second start found other keys")
	}
	if other, err := loadKeys(filepath.Join(t.TempDir(), "keys")); err != nil || other.sign.Equal(made.sign) || bytes.Equal(other.index, made.index) {
		t.Errorf("two panels have the same keys, %v", err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "panel.key"): 0o600, filepath.Join(dir, "index.key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %v", path, info.Mode(), err, want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v %v", left, err)
	}
}

// A key that is there and cannot be used is never replaced: that would silently make another panel of this one.
func TestDamagedKeyIsAnErrorWithARemedyAndIsKept(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}) }
	for _, c := range []struct {
		file, want string
		content    []byte
	}{
		{"panel.key", "not a PEM file", nil},
		{"panel.key", "not a PEM file", []byte("key")},
		{"panel.key", "cannot read", block([]byte("nonsense"))},
		{"panel.key", "not an Ed25519 key", block(der)},
		{"index.key", "64 hexadecimal digits", nil},
		{"index.key", "64 hexadecimal digits", bytes.Repeat([]byte("0"), 63)},
		{"index.key", "64 hexadecimal digits", bytes.Repeat([]byte("x"), 64)},
	} {
		dir := t.TempDir()
		if _, err := loadKeys(dir); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.file)
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadKeys(dir)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "put a copy of the file back") {
			t.Errorf("%s with %q: %v", c.file, c.content, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.content) {
			t.Errorf("%s was replaced", c.file)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "panel.key"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKeys(dir); err == nil {
		t.Error("a directory was taken for a key")
	}
	if _, err := loadKeys(filepath.Join("/dev/null", "keys")); err == nil || !strings.Contains(err.Error(), "/dev/null/keys") {
		t.Errorf("no directory: %v", err)
	}
}

func TestFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first", "second, longer", ""} {
		if err := daemon.WriteDurably(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q %v", got, err)
		}
	}
	busy := filepath.Join(dir, "busy", "inside")
	if err := os.MkdirAll(busy, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := daemon.WriteDurably(filepath.Dir(busy), []byte("x"), 0o600); err == nil || !strings.Contains(err.Error(), "cannot write") {
		t.Errorf("a directory was replaced: %v", err)
	}
	if err := daemon.WriteDurably(filepath.Join(dir, "none", "file"), nil, 0o600); err == nil {
		t.Error("written into nowhere")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("something was left behind: %v %v", left, err)
	}
}
