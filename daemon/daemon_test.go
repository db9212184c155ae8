package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretIsMadeOncePrivatelyAndStaysTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.key")
	made, err := SecretFile(path, func() ([]byte, error) { return []byte("one"), nil })
	if err != nil || string(made) != "one" {
		t.Fatal(string(made), err)
	}
	if again, err := SecretFile(path, func() ([]byte, error) { return []byte("two"), nil }); err != nil || string(again) != "one" {
		t.Errorf("the second start found %q, %v", again, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if open := Readable(filepath.Dir(path), ".key"); open != "" {
		t.Errorf("%s is private", open)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if open := Readable(filepath.Dir(path), ".key"); open != path {
		t.Errorf("found %q", open)
	}
}

func TestASecretThatCannotBeMadeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := SecretFile(filepath.Join(dir, "a.key"), func() ([]byte, error) { return nil, errors.New("no dice") }); err == nil || !strings.Contains(err.Error(), "no dice") {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestABusyPortIsNamedWithItsRemedy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Listen("panels", "mqtt.listen", l.Addr().String())
	for _, word := range []string{"panels", l.Addr().String(), "in use", "mqtt.listen"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not say %q", err, word)
		}
	}
	if _, err := Listen("panels", "mqtt.listen", "192.0.2.1:0"); err == nil || !strings.Contains(err.Error(), "no such address") {
		t.Error(err)
	}
}

func TestSocketIsForItsOwnerAndReplacesADeadOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30)) // more than a socket's path has room for
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d.sock"), []byte("dead"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSocket(dir, "d.sock", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive") }), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "d.sock")); err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != fs.ModeSocket {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return DialSocket(ctx, dir, "d.sock")
	}}}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if said, err := io.ReadAll(res.Body); err != nil || string(said) != "alive" {
		t.Errorf("%q, %v", said, err)
	}
	s.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestGroupStopsWhatItStarted(t *testing.T) {
	g := NewGroup(t.Context())
	ended := make(chan struct{}, 2)
	for range 2 {
		g.Start(func(ctx context.Context) { <-ctx.Done(); ended <- struct{}{} })
	}
	g.Stop()
	if len(ended) != 2 {
		t.Errorf("%d of 2 ended", len(ended))
	}
	g.Stop() // nothing is left to stop
}
