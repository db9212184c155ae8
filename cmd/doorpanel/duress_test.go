package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// watchman is the recipient of a silent alarm.
type watchman struct{ file, public string }

func newWatchman(t testing.TB) watchman {
	t.Helper()
	var out bytes.Buffer
	g := watchman{file: filepath.Join(t.TempDir(), "guard.key")}
	if err := makeSecret(&out, g.file); err != nil {
		t.Fatal(err)
	}
	g.public = strings.TrimSpace(out.String())
	return g
}

func TestAMarkIsReadByItsRecipientAloneAndTellsNobodyElse(t *testing.T) {
	g, other := newWatchman(t), newWatchman(t)
	key, err := readSecret(g.file)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := readSecret(other.file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range 20 {
		duress := i%2 == 1
		sealed, err := sealMark(g.public, duress)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != sealedMark || seen[string(sealed)] {
			t.Errorf("mark %x: %d bytes, or seen before", sealed, len(sealed))
		}
		seen[string(sealed)] = true
		if got, err := openMark(key, sealed); err != nil || got != duress {
			t.Errorf("read %v %v, want %v", got, err, duress)
		}
		if _, err := openMark(stranger, sealed); err == nil {
			t.Error("a stranger read it")
		}
		for _, broken := range [][]byte{nil, sealed[:48], append(sealed[:len(sealed):len(sealed)], 0), flipped(sealed, 5), flipped(sealed, 40)} {
			if _, err := openMark(key, broken); err == nil {
				t.Errorf("%x was read", broken)
			}
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestTheTestCarriesItsNumberToTheRecipientAlone(t *testing.T) {
	g, other := newWatchman(t), newWatchman(t)
	sealed, err := seal(g.public, testInfo, []byte("40718352"))
	if err != nil {
		t.Fatal(err)
	}
	message := testPrefix + keyText.EncodeToString(sealed)
	key, _ := readSecret(g.file)
	if number, err := openTest(key, " "+message+"\n"); err != nil || number != "40718352" {
		t.Errorf("%q %v", number, err)
	}
	stranger, _ := readSecret(other.file)
	if _, err := openTest(stranger, message); err == nil {
		t.Error("a stranger read it")
	}
	// A mark is no test, and a test is no mark.
	mark, _ := sealMark(g.public, true)
	if _, err := openTest(key, testPrefix+keyText.EncodeToString(mark)); err == nil {
		t.Error("a mark was read as a test")
	}
	for _, bad := range []string{"", "DT1:", "DT1:!", "DT2:" + message[4:], message[:20]} {
		if _, err := openTest(key, bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTheRecipientsKeyIsKeptFromOthers(t *testing.T) {
	g := newWatchman(t)
	info, err := os.Stat(g.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := makeSecret(&bytes.Buffer{}, g.file); err == nil {
		t.Error("a key that is there was written over")
	}
	for _, text := range []string{"", "x25519:", g.public[:30], "ed25519:" + g.public[7:], g.public + "A", recipientPrefix + keyText.EncodeToString(make([]byte, 32))} {
		if _, err := sealMark(text, true); err == nil {
			t.Errorf("%q is taken as a recipient", text)
		}
	}
}

func TestAnExportIsSearchedForWhatWasOpenedUnderDuress(t *testing.T) {
	g, other := newWatchman(t), newWatchman(t)
	line := func(seq int, to string, duress bool) string {
		sealed, err := sealMark(to, duress)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"seq":%d,"kind":"access.granted","sealed":%q}`, seq, base64.StdEncoding.EncodeToString(sealed))
	}
	export := strings.Join([]string{
		`{"seq":1,"kind":"system.started"}`, line(2, g.public, false), line(3, g.public, true), "", line(4, other.public, true), `{"seq":5,"sealed":"AAAA"}`,
	}, "\n")
	key, _ := readSecret(g.file)
	var out bytes.Buffer
	if err := duressIn(strings.NewReader(export), &out, key); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, `{"seq":3,`) {
		t.Errorf("found %q", got)
	}
	if err := duressIn(strings.NewReader("{}\nnot JSON"), &out, key); err == nil || !strings.Contains(err.Error(), "row 2") {
		t.Error(err)
	}
}

func FuzzRecipient(f *testing.F) {
	g := newWatchman(f)
	f.Add(g.public)
	f.Add("x25519:")
	f.Fuzz(func(t *testing.T, text string) {
		sealed, err := sealMark(text, true)
		if err == nil && len(sealed) != sealedMark {
			t.Errorf("%q: %d bytes", text, len(sealed))
		}
	})
}

func BenchmarkSealMark(b *testing.B) {
	g := newWatchman(b)
	for b.Loop() {
		if _, err := sealMark(g.public, true); err != nil {
			b.Fatal(err)
		}
	}
}
