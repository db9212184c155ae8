package main

import (
	"os"
	"strings"
	"testing"
)

// dealer is a root that has delegated a dealer: at most 20 buttons and access control, in 2026 and 2027.
func dealer(t *testing.T) (v *vendor, root, issuer string) {
	v = newVendor(t)
	root = v.must("keygen", "root", "--unencrypted")
	issuer = v.must("keygen", "issuer", "--out", "north.key", "--unencrypted")
	v.must("delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20", "--ceiling", "access_basic",
		"--from", "2026-01-01", "--until", "2028-01-01", "--file", "north.delegation")
	return v, root, issuer
}

func TestAnIssuerIsToldBeforeSigningWhatPanelsWouldRefuse(t *testing.T) {
	v, root, issuer := dealer(t)
	other := v.must("keygen", "root", "--out", "other.key", "--unencrypted")
	v.must("keygen", "issuer", "--out", "south.key", "--unencrypted")
	raw, err := os.ReadFile("north.delegation")
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.Split(string(raw), "\n")[1]
	list := v.must("revoke", "--key", "root.key", "--issuer", issuer)
	write(t, "orders.csv", "label,grant\nInterno 1,buttons=2\nInterno 2,buttons=21\n")
	for _, c := range []struct {
		name string
		code int
		want string
		args []string
	}{
		{"within", done, "license ", []string{"--key", "north.key", "--grant", "buttons=20"}},
		{"too many", refused, `Dealer North may give at most 20 of "Call buttons" in one license, this one says 30`, []string{"--key", "north.key", "--grant", "buttons=30"}},
		{"not named", refused, "at most 0 of", []string{"--key", "north.key", "--grant", "sip"}},
		{"in a table", refused, `license 2 of 2 "Interno 2": cannot sign license: Dealer North may give at most 20`, []string{"--key", "north.key", "--csv", "orders.csv", "--batch", "b.jsonl"}},
		{"in a batch", refused, "at most 20", []string{"--key", "north.key", "--grant", "buttons=30", "--count", "3", "--batch", "b.jsonl"}},
		{"revoked", refused, "its key was revoked on 2026-11-21", []string{"--key", "north.key", "--grant", "buttons=2", "--revocation", list}},
		{"another root named", refused, "at most 20", []string{"--key", "north.key", "--grant", "buttons=30", "--root", other}},
		{"a bare delegation", misused, "--root is missing", []string{"--key", "north.key", "--grant", "buttons=2", "--delegation", bare}},
		{"a bare delegation and its root", refused, "at most 20", []string{"--key", "north.key", "--grant", "buttons=30", "--delegation", bare, "--root", root}},
		{"a delegation of another root", refused, "none of the roots", []string{"--key", "north.key", "--grant", "buttons=2", "--delegation", bare, "--root", other}},
		{"a delegation of another key", refused, "no delegation for it is known", []string{"--key", "south.key", "--grant", "buttons=2", "--delegation", "north.delegation"}},
		{"no delegation", done, "warning: no delegation for south.key is at hand", []string{"--key", "south.key", "--grant", "buttons=30"}},
		{"a license for a delegation", refused, "not a delegation", []string{"--key", "south.key", "--grant", "buttons=2", "--delegation", v.must("issue", "--key", "root.key", "--grant", "sip")}},
	} {
		code, out, notes := v.run("", append([]string{"issue"}, c.args...)...)
		if code != c.code || !strings.Contains(notes, c.want) || code != done && out != "" {
			t.Errorf("%s: exit %d %s%s", c.name, code, out, notes)
		}
	}
	if code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "buttons=500"); code != done || strings.Contains(notes, "delegation") {
		t.Error("a root has no ceilings", code, notes)
	}
	v.must("keygen", "--protect", "root.key", "--new-passphrase-file", write(t, "root.pass", passphrase))
	if _, _, notes := v.run("", "issue", "--key", "root.key", "--passphrase-file", "root.pass", "--grant", "buttons=500"); strings.Contains(notes, "warning") {
		t.Error("a root's key file forgot what it is when it was encrypted", notes)
	}
	v.now = v.now.AddDate(2, 0, 0)
	if code, _, notes := v.run("", "issue", "--key", "north.key", "--grant", "buttons=2"); code != refused || !strings.Contains(notes, "could not issue licenses on 2028-11-21") {
		t.Error(code, notes)
	}
}

// A key file of an older version does not say that it is a root's; naming the root does.
func TestARootOfAnOlderKeyFileIsKnownByItsName(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	raw, err := os.ReadFile("root.key")
	if err != nil {
		t.Fatal(err)
	}
	_, old, _ := strings.Cut(string(raw), "\n")
	write(t, "old.key", old)
	if _, _, notes := v.run("", "issue", "--key", "old.key", "--grant", "sip"); !strings.Contains(notes, "--root "+root) {
		t.Error(notes)
	}
	if _, _, notes := v.run("", "issue", "--key", "old.key", "--grant", "sip", "--root", root); strings.Contains(notes, "delegation") {
		t.Error(notes)
	}
}

func TestALaterDelegationTakesNoLicenseWithIt(t *testing.T) {
	v, root, issuer := dealer(t)
	v.must("issue", "--key", "north.key", "--grant", "buttons=20")
	raw, err := os.ReadFile("north.delegation")
	if err != nil {
		t.Fatal(err)
	}
	next := []string{"delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "access_basic"}
	wide := append(next, "--ceiling", "buttons=100", "--from", "2026-01-01")
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"fewer", "more than 10 of buttons", append(next, "--ceiling", "buttons=10", "--file", "north.delegation")},
		{"fewer, by the text", "more than 10 of buttons", append(next, "--ceiling", "buttons=10", "--previous", "north.delegation")},
		{"later", "issued before 2026-06-01", append(next, "--ceiling", "buttons=20", "--from", "2026-06-01", "--file", "north.delegation")},
		{"ended", "issued from 2026-06-01", append(next, "--ceiling", "buttons=20", "--from", "2026-01-01", "--until", "2026-06-01", "--file", "north.delegation")},
		{"a lower number", "is not above", append(wide, "--number", "7", "--file", "north.delegation")},
		{"another dealer", "another --file", append([]string{"delegate", "--key", "root.key", "--issuer", root, "--name", "South", "--ceiling", "sip"}, "--file", "north.delegation")},
	} {
		code, _, notes := v.run("", c.args...)
		if after, err := os.ReadFile("north.delegation"); code != refused || !strings.Contains(notes, c.want) || err != nil || string(after) != string(raw) {
			t.Errorf("%s: exit %d %s", c.name, code, notes)
		}
	}
	v.must(append(wide, "--file", "north.delegation")...)
	v.must("issue", "--key", "north.key", "--grant", "buttons=100")
	v.must("issue", "--key", "north.key", "--grant", "buttons=20", "--count", "2", "--batch", "begun.jsonl")
	v.must(append(next, "--ceiling", "buttons=10", "--file", "north.delegation", "--narrower")...)
	if code, _, _ := v.run("", "issue", "--key", "north.key", "--grant", "buttons=20"); code != refused {
		t.Error("the narrower delegation does not count")
	}
	// Nor is a batch gone on with that was begun under the wider one.
	if code, _, notes := v.run("", "issue", "--key", "north.key", "--grant", "buttons=20", "--count", "2", "--batch", "begun.jsonl"); code != refused || !strings.Contains(notes, "at most 10") {
		t.Error(code, notes)
	}
}
