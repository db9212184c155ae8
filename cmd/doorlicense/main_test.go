package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// vendor is a desk in a directory of its own, on a fixed day.
type vendor struct {
	t   *testing.T
	now time.Time
	ask func(prompt string) (string, error) // nil: nobody sits at a terminal
	// random and ctx have their defaults when they are nil.
	random io.Reader
	ctx    context.Context
}

func newVendor(t *testing.T) *vendor {
	t.Chdir(t.TempDir())
	return &vendor{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

func (v *vendor) run(input string, args ...string) (code int, out, notes string) {
	v.t.Helper()
	var stdout, stderr bytes.Buffer
	ctx, random := v.ctx, v.random
	if ctx == nil {
		ctx = v.t.Context()
	}
	if random == nil {
		random = rand.Reader
	}
	code = run(ctx, desk{
		in: strings.NewReader(input), out: &stdout, notes: &stderr, now: func() time.Time { return v.now }, random: random,
		ask: v.ask, workFactor: 2,
	}, args)
	return code, stdout.String(), stderr.String()
}

func (v *vendor) must(args ...string) string {
	v.t.Helper()
	code, out, notes := v.run("", args...)
	if code != done {
		v.t.Fatalf("doorlicense %s: exit %d: %s", strings.Join(args, " "), code, notes)
	}
	return strings.TrimSpace(out)
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAKeyFileIsPrivateAndNeverOverwritten(t *testing.T) {
	v := newVendor(t)
	public := v.must("keygen", "root", "--unencrypted")
	if _, err := envelope.ParseKey(public); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("root.key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if code, _, notes := v.run("", "keygen", "root", "--unencrypted"); code != refused || !strings.Contains(notes, "never overwritten") {
		t.Error(code, notes)
	}
	if again := v.must("keygen", "--show", "root.key"); again != public {
		t.Error(again)
	}
	if err := os.Chmod("root.key", 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip"); code != refused || !strings.Contains(notes, "chmod 600") {
		t.Error(code, notes)
	}
}

func TestALicenseIsIssuedDrawnAndReadBack(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	text := v.must("issue", "--key", "root.key", "--grant", "buttons=10", "--label", "Villa Rosa", "--out", "villa.png")
	v.must("qr", text, "--out", "again.svg")
	v.must("qr", text, "--out", "again.png", "--level", "H", "--scale", "4")
	write(t, "villa.txt", text+"\n")
	for _, named := range []string{text, "villa.txt", "villa.png", "again.png"} {
		out := v.must("inspect", named, "--root", root)
		for _, part := range []string{"good", "10 buttons added", "Villa Rosa", root, "for ever", "2036-11-21"} {
			if !strings.Contains(out, part) {
				t.Errorf("%s: %q is missing in\n%s", named, part, out)
			}
		}
	}
	if code, out, _ := v.run(text, "inspect", "-", "--root", root, "--json"); code != done || !json.Valid([]byte(out)) || !strings.Contains(out, `"result": "activated"`) {
		t.Error(code, out)
	}
	code, out, _ := v.run("", "inspect", text)
	if code != refused || !strings.Contains(out, "unknown-issuer") || !strings.Contains(out, "--root") || strings.Contains(out, "Villa Rosa") {
		t.Errorf("what nobody vouches for was shown: %d %s", code, out)
	}
	svg, err := os.ReadFile("again.svg")
	if err != nil || !bytes.Contains(svg, []byte("<svg")) {
		t.Error(err)
	}
}

func TestInspectSaysWhyNot(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	v.must("keygen", "issuer", "--unencrypted")
	issuer := v.must("keygen", "--show", "issuer.key")
	panel, other := envelope.Thumbprint{1}.String(), envelope.Thumbprint{2}.String()
	bound := v.must("issue", "--key", "root.key", "--grant", "access_basic", "--annual", "--panel", panel)
	dated := v.must("issue", "--key", "root.key", "--grant", "sip", "--not-before", "2027-01-01", "--expires", "2028-01-01")
	site := v.must("issue", "--key", "root.key", "--grant", "sip", "--site", "villa")
	delegated := v.must("issue", "--key", "issuer.key", "--grant", "buttons=5")
	tooMany := v.must("issue", "--key", "issuer.key", "--grant", "buttons=50")
	delegation := v.must("delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20", "--ceiling", "sip")
	flipped := strings.Replace(bound, "DP1:", "DD1:", 1)

	var issued struct{ ID, Text string }
	if err := json.Unmarshal([]byte(v.must("issue", "--key", "root.key", "--grant", "buttons=3", "--json")), &issued); err != nil {
		t.Fatal(err)
	}
	list := v.must("revoke", "--key", "root.key", "--license", issued.ID)
	v.now = v.now.Add(time.Hour)
	longer := v.must("revoke", "--key", "root.key", "--list", list, "--issuer", issuer)

	cases := []struct {
		name string
		code int
		want string
		args []string
	}{
		{"bound, looked at as its own panel", done, "a year", []string{bound}},
		{"bound, at its panel", done, "good", []string{bound, "--panel", panel}},
		{"bound, at another", refused, "other-panel", []string{bound, "--panel", other}},
		{"for a site", done, "site villa", []string{site}},
		{"for another site", refused, "other-panel", []string{site, "--site", "hotel"}},
		{"too early", refused, "not-yet-valid", []string{dated}},
		{"in time", done, "SIP interface on until 2028-01-01", []string{dated, "--at", "2027-06-01"}},
		{"too late", refused, "expired", []string{dated, "--at", "2028-01-01"}},
		{"an issuer nobody knows", refused, "unknown-issuer", []string{delegated}},
		{"a delegated issuer", done, "Dealer North", []string{delegated, "--delegation", delegation}},
		{"above the ceiling", refused, "at most 20", []string{tooMany, "--delegation", delegation}},
		{"the delegation itself", done, "issuer Dealer North accepted", []string{delegation}},
		{"a license called a delegation", refused, "forged", []string{flipped}},
		{"revoked", refused, "revoked", []string{issued.Text, "--revocation", list}},
		{"revoked in the longer list too", refused, "revoked", []string{issued.Text, "--revocation", longer, "--revocation", list}},
		{"of a revoked issuer", refused, "revoked", []string{delegated, "--delegation", delegation, "--revocation", longer}},
		{"a web address", refused, "not one of our codes", []string{"https://example.org"}},
		{"cut", refused, "malformed", []string{bound[:100]}},
	}
	for _, c := range cases {
		code, out, notes := v.run("", append([]string{"inspect", "--root", root}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d\n%s%s", c.name, code, out, notes)
		}
	}
}

func TestWrongUseEndsWithTwoAndFailureWithOne(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	write(t, "empty.txt", "")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{misused, "unknown command", []string{"sell"}},
		{misused, "unknown flag", []string{"issue", "--bogus"}},
		{misused, "--grant is missing", []string{"issue", "--key", "root.key"}},
		{misused, "--key is missing", []string{"issue", "--grant", "sip"}},
		{misused, "say how many", []string{"issue", "--key", "root.key", "--grant", "buttons"}},
		{misused, "not a number", []string{"issue", "--key", "root.key", "--grant", "buttons=many"}},
		{misused, "keep one", []string{"issue", "--key", "root.key", "--grant", "sip", "--site", "a", "--account", "b"}},
		{misused, "panel id", []string{"issue", "--key", "root.key", "--grant", "sip", "--panel", "front"}},
		{misused, "like 2027-01-31", []string{"issue", "--key", "root.key", "--grant", "sip", "--expires", "tomorrow"}},
		{misused, "no arguments", []string{"issue", "sip"}},
		{misused, "root, issuer, command", []string{"keygen", "king"}},
		{misused, "one text", []string{"inspect"}},
		{misused, "public key", []string{"inspect", "empty.txt", "--root", "x"}},
		{misused, "--out is missing", []string{"qr", "empty.txt"}},
		{misused, "L, M, Q, H", []string{"qr", "empty.txt", "--out", "a.png", "--level", "Z"}},
		{misused, ".png or .svg", []string{"issue", "--key", "root.key", "--grant", "sip", "--out", "a.gif"}},
		{misused, "--license or --issuer", []string{"revoke", "--key", "root.key"}},
		{misused, "32 hexadecimal", []string{"revoke", "--key", "root.key", "--license", "7"}},
		{misused, "--issuer or --name", []string{"delegate", "--key", "root.key"}},
		{misused, "--boot is missing", []string{"command", "--key", "root.key", "--panel", "p"}},
		{refused, "no such file", []string{"issue", "--key", "none.key", "--grant", "sip"}},
		{refused, "not a PEM file", []string{"issue", "--key", "empty.txt", "--grant", "sip"}},
		{misused, "there is no feature \"SIP\"", []string{"issue", "--key", "root.key", "--grant", "SIP"}},
		{refused, "not a name of a-z", []string{"issue", "--key", "root.key", "--grant", "SIP", "--new-feature"}},
		{misused, "sip is on or off; write --grant sip", []string{"issue", "--key", "root.key", "--grant", "sip=3"}},
		{misused, "--grant sip is there twice", []string{"issue", "--key", "root.key", "--grant", "sip", "--grant", "sip"}},
		{misused, "it is there twice", []string{"issue", "--key", "root.key", "--grant", "sip", "--panel", envelope.Thumbprint{1}.String(), "--panel", envelope.Thumbprint{2}.String()}},
		{misused, "fill it, or leave the flag away", []string{"issue", "--key", "root.key", "--grant", "sip", "--panel", ""}},
		{misused, "see doorlicense issue --help", []string{"issue", "--key", "root.key", "--gran", "sip"}},
		{misused, "ended on 2026-11-21 already", []string{"issue", "--key", "root.key", "--grant", "sip", "--expires", "2026-11-21"}},
		{misused, "nothing could be issued", []string{"delegate", "--key", "root.key", "--issuer", root, "--name", "X", "--ceiling", "sip", "--from", "2028-01-01", "--until", "2028-01-01"}},
		{misused, "copy it from the panel's page", []string{"command", "--key", "root.key", "--panel", "p", "--boot", "b", "--number", "1", "--deadline-ms", "1", "--open", "front"}},
		{refused, "make the folder first", []string{"keygen", "root", "--out", "none/root.key", "--unencrypted"}},
		{refused, "take the whole code", []string{"qr", "DP1:ABC", "--out", "a.png"}},
		{refused, "no such file", []string{"inspect", "none.png", "--root", root}},
		{refused, "not one of our codes", []string{"qr", "empty.txt", "--out", "a.png"}},
		{refused, "not a revocation", []string{"revoke", "--key", "root.key", "--license", strings.Repeat("0", 32), "--list", v.must("issue", "--key", "root.key", "--grant", "sip")}},
	} {
		code, out, notes := v.run("", c.args...)
		if code != c.code || !strings.Contains(notes, c.want) || out != "" {
			t.Errorf("%q: exit %d, %q %q", c.args, code, out, notes)
		}
	}
}

func TestHelpShowsExamples(t *testing.T) {
	v := newVendor(t)
	for _, name := range []string{"", "keygen", "delegate", "issue", "sheet", "inspect", "qr", "revoke", "release", "reissue", "command"} {
		args := []string{"--help"}
		if name != "" {
			args = []string{name, "--help"}
		}
		if out := v.must(args...); !strings.Contains(out, "doorlicense "+name) || !strings.Contains(out, "Examples:") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestACommandOpensWithItsKey(t *testing.T) {
	v := newVendor(t)
	public, err := envelope.ParseKey(v.must("keygen", "command", "--unencrypted"))
	if err != nil {
		t.Fatal(err)
	}
	keys := func(kid envelope.KeyID) (ed25519.PublicKey, bool) { return public, kid == envelope.IDOf(public) }
	args := []string{"command", "--key", "command.key", "--panel", "am4wegjdp522mtysv237hfzdvm", "--boot", "9f2c", "--number", "7", "--deadline-ms", "61000", "--open", "front"}
	want := telemetry.Command{Panel: "am4wegjdp522mtysv237hfzdvm", Boot: "9f2c", DeadlineMS: 61000, Number: 7, Verb: telemetry.VerbOpen, Object: "front"}

	path := filepath.Join(t.TempDir(), "open.cose")
	v.must(append(args, "--out", path)...)
	fromFile, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, direct, _ := v.run("", args...)
	var printed struct{ Base64 string }
	if err := json.Unmarshal([]byte(v.must(append(args, "--json")...)), &printed); err != nil {
		t.Fatal(err)
	}
	fromJSON, err := base64.StdEncoding.DecodeString(printed.Base64)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{fromFile, []byte(direct), fromJSON} {
		command, _, err := telemetry.OpenCommand(raw, keys)
		if err != nil || command != want {
			t.Errorf("%+v %v", command, err)
		}
	}
}
