package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const passphrase = "correct horse battery staple"

// typing answers the prompts one after the other and fails the test when there is one more.
func typing(t *testing.T, lines ...string) func(string) (string, error) {
	return func(prompt string) (string, error) {
		if len(lines) == 0 {
			t.Fatalf("asked once more: %s", prompt)
		}
		line := lines[0]
		lines = lines[1:]
		return line, nil
	}
}

func TestAKeyFileIsEncryptedWithWhatIsTyped(t *testing.T) {
	v := newVendor(t)
	v.ask = typing(t, passphrase, passphrase)
	public := v.must("keygen", "root")
	raw, err := os.ReadFile("root.key")
	if err != nil || !bytes.HasPrefix(raw, []byte(armor.Header)) || bytes.Contains(raw, []byte(pemType)) {
		t.Fatalf("%s %v", raw, err)
	}
	v.ask = typing(t, passphrase)
	if again := v.must("keygen", "--show", "root.key"); again != public {
		t.Error(again)
	}
	v.ask = typing(t, "correct horse battery")
	if code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip"); code != refused || !strings.Contains(notes, "passphrase is wrong") {
		t.Error(code, notes)
	}
	v.ask = nil
	if code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip"); code != refused || !strings.Contains(notes, "--passphrase-file") {
		t.Error(code, notes)
	}
	write(t, "root.pass", passphrase+"\r\nwhatever follows\n")
	code, text, notes := v.run("", "issue", "--key", "root.key", "--passphrase-file", "root.pass", "--grant", "sip")
	if code != done || strings.Contains(notes, "warning") || strings.Contains(text+notes, passphrase) {
		t.Error(code, notes)
	}
	v.must("inspect", strings.TrimSpace(text), "--root", public)
}

// TestAgeOpensAKeyFile: whoever has lost this program has not lost the key.
func TestAgeOpensAKeyFile(t *testing.T) {
	v := newVendor(t)
	write(t, "root.pass", passphrase)
	public := v.must("keygen", "root", "--passphrase-file", "root.pass")
	raw, err := os.ReadFile("root.key")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(raw)), identity)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(plain)
	if block, _ := pem.Decode(content); err != nil || block == nil || block.Type != "PRIVATE KEY" {
		t.Fatalf("%s %v", content, err)
	}
	// The plain file of an older desk and age's own binary format are read as well.
	write(t, "plain.key", string(content))
	if again := v.must("keygen", "--show", "plain.key"); again != public {
		t.Error(again)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10)
	var sealed bytes.Buffer
	to, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, "binary.key", sealed.String())
	if again := v.must("keygen", "--show", "binary.key", "--passphrase-file", "root.pass"); again != public {
		t.Error(again)
	}
}

func TestAnUnencryptedKeyFileIsPossibleAndWarnedAbout(t *testing.T) {
	v := newVendor(t)
	v.ask = typing(t)
	code, out, notes := v.run("", "keygen", "root", "--unencrypted")
	if code != done || !strings.Contains(notes, "warning: root.key is not encrypted") || !strings.Contains(notes, "--protect root.key") {
		t.Error(code, notes)
	}
	if code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip"); code != done || !strings.Contains(notes, "warning") {
		t.Error(code, notes)
	}
	v.ask = nil
	if code, out, notes := v.run("", "keygen", "issuer", "--json"); code != refused || out != "" || !strings.Contains(notes, "or say --unencrypted") || exists("issuer.key") {
		t.Error("a script got an unencrypted key without asking for one", code, out, notes)
	}

	v.ask = typing(t, passphrase, passphrase)
	if again := v.must("keygen", "--protect", "root.key"); again != strings.TrimSpace(out) {
		t.Error(again)
	}
	if raw, err := os.ReadFile("root.key"); err != nil || !bytes.HasPrefix(raw, []byte(armor.Header)) {
		t.Errorf("%s %v", raw, err)
	}
	if info, err := os.Stat("root.key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	v.ask = nil
	write(t, "old.pass", passphrase)
	write(t, "new.pass", "another four good words")
	if again := v.must("keygen", "--protect", "root.key", "--passphrase-file", "old.pass", "--new-passphrase-file", "new.pass", "--json"); !strings.Contains(again, `"encrypted": true`) {
		t.Error(again)
	}
	if again := v.must("keygen", "--show", "root.key", "--passphrase-file", "new.pass"); again != strings.TrimSpace(out) {
		t.Error(again)
	}
	if _, err := os.Stat("root.key.new"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestABadPassphraseMakesNoKey(t *testing.T) {
	v := newVendor(t)
	write(t, "short.pass", "short")
	write(t, "empty.pass", "\n"+passphrase)
	write(t, "open.pass", passphrase)
	if err := os.Chmod("open.pass", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		want string
		ask  func(string) (string, error)
		args []string
	}{
		{refused, "fewer than 12", nil, []string{"--passphrase-file", "short.pass"}},
		{refused, "first line is empty", nil, []string{"--passphrase-file", "empty.pass"}},
		{refused, "chmod 600", nil, []string{"--passphrase-file", "open.pass"}},
		{refused, "no such file", nil, []string{"--passphrase-file", "none.pass"}},
		{refused, "not the same twice", typing(t, passphrase, passphrase+"r"), nil},
		{refused, "without the passphrase", typing(t, ""), nil},
		{refused, "cannot read passphrase", func(string) (string, error) { return "", io.EOF }, nil},
		{misused, "exclude each other", nil, []string{"--passphrase-file", "open.pass", "--unencrypted"}},
		{misused, "belongs to --protect", nil, []string{"--new-passphrase-file", "open.pass"}},
		{misused, "make none", nil, []string{"--protect", "root.key", "--out", "b.key"}},
	} {
		v.ask = c.ask
		code, out, notes := v.run("", append([]string{"keygen"}, c.args...)...)
		if code != c.code || !strings.Contains(notes, c.want) || out != "" {
			t.Errorf("%q: exit %d, %q %q", c.args, code, out, notes)
		}
		if exists("root.key") {
			t.Fatalf("%q made a key", c.args)
		}
	}
}

func TestADamagedKeyFileIsNamedAndNotTaken(t *testing.T) {
	v := newVendor(t)
	write(t, "root.pass", passphrase)
	v.must("keygen", "root", "--passphrase-file", "root.pass")
	whole, err := os.ReadFile("root.key")
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		write(t, "root.key", string(damaged))
		if _, err := (desk{notes: io.Discard}).loadKey(keyFlags{"root.key", "root.pass"}); err == nil {
			t.Errorf("byte %d of %d may be another: %q for %q", i, len(whole), damaged[i], whole[i])
		}
	}
}

// TestAKeyThatAppearsMeanwhileIsNotOverwritten: two runs may both have seen that there was none.
func TestAKeyThatAppearsMeanwhileIsNotOverwritten(t *testing.T) {
	newVendor(t)
	write(t, "root.key", "the first")
	d := desk{random: rand.Reader, notes: io.Discard}
	if _, err := d.createKey("root.key", roleRoot, ""); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Error(err)
	}
	if raw, err := os.ReadFile("root.key"); err != nil || string(raw) != "the first" {
		t.Errorf("%s %v", raw, err)
	}
}

func FuzzParseKeyFile(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	content, err := desk{}.sealKey(signingKey{private: private}, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if key, err := parseKeyFile(raw); err == nil && len(key.private) != ed25519.PrivateKeySize {
			t.Errorf("%q is a key of %d bytes", raw, len(key.private))
		}
	})
}
