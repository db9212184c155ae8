package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestOneRootFollowsAnother walks the rotation that docs/doorlicense.md describes: while both roots are trusted everything holds,
// what was sold under the old one holds for ever, and what was revoked stays revoked.
func TestOneRootFollowsAnother(t *testing.T) {
	v := newVendor(t)
	old := v.must("keygen", "root", "--out", "old.key", "--unencrypted")
	issuer := v.must("keygen", "issuer", "--unencrypted")
	type soldLicense struct{ ID, Text string }
	sell := func(key string) (sold soldLicense) {
		if err := json.Unmarshal([]byte(v.must("issue", "--key", key, "--grant", "buttons=2", "--json")), &sold); err != nil {
			t.Fatal(err)
		}
		return sold
	}
	byOld, byDealer, stolen := sell("old.key"), sell("issuer.key"), sell("issuer.key")
	oldDelegation := v.must("delegate", "--key", "old.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20")
	oldList := v.must("revoke", "--key", "old.key", "--license", stolen.ID)

	v.now = v.now.AddDate(9, 0, 0)
	successor := v.must("keygen", "root", "--out", "new.key", "--unencrypted")
	byNew := sell("new.key")
	newDelegation := v.must("delegate", "--key", "new.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20")
	newList := v.must("revoke", "--key", "new.key", "--adopt", oldList, "--root", old)
	late := sell("issuer.key")

	good := func(text string, args ...string) bool {
		t.Helper()
		code, out, _ := v.run("", append([]string{"inspect", text}, args...)...)
		return code == done && strings.Contains(out, "2 buttons added")
	}
	all := []string{"--delegation", oldDelegation, "--delegation", newDelegation, "--revocation", oldList, "--revocation", newList}
	for _, order := range [][]string{{"--root", old, "--root", successor}, {"--root", successor, "--root", old}} {
		trust := append(order, all...)
		for name, sold := range map[string]soldLicense{"of the old root": byOld, "of the dealer": byDealer, "of the new root": byNew, "of the dealer, later": late} {
			if !good(sold.Text, trust...) {
				t.Errorf("%s, roots %q: refused", name, order)
			}
		}
		if code, out, _ := v.run("", append([]string{"inspect", stolen.Text}, trust...)...); code != refused || !strings.Contains(out, "revoked") {
			t.Errorf("a revoked license holds again under roots %q: %s", order, out)
		}
	}
	// A panel that has not heard of the new root takes what it took, and nothing of the new one.
	before := []string{"--root", old, "--delegation", oldDelegation, "--revocation", oldList}
	if !good(byOld.Text, before...) || !good(byDealer.Text, before...) || good(byNew.Text, before...) {
		t.Error("a panel with the old root alone")
	}
	// That is why the old root stays in the configuration: without it what it sold itself is lost, what dealers sold is not.
	after := []string{"--root", successor, "--delegation", newDelegation, "--revocation", newList}
	if good(byOld.Text, after...) || !good(byDealer.Text, after...) || good(stolen.Text, after...) {
		t.Error("a panel with the new root alone")
	}
	// The old root cannot speak for the new one, nor be adopted without being named.
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{refused, "unknown key", []string{"--key", "new.key", "--list", oldList, "--license", stolen.ID}},
		{refused, "cannot adopt list", []string{"--key", "new.key", "--adopt", oldList, "--root", successor}},
		{refused, "is a delegation", []string{"--key", "new.key", "--adopt", oldDelegation, "--root", old}},
		{misused, "--root is missing", []string{"--key", "new.key", "--adopt", oldList}},
	} {
		if code, _, notes := v.run("", append([]string{"revoke"}, c.args...)...); code != c.code || !strings.Contains(notes, c.want) {
			t.Errorf("%q: exit %d %s", c.args, code, notes)
		}
	}
}

// TestADeadOrWronglyScannedPanelGivesItsLicenseBack walks the release that docs/doorlicense.md describes: the old license is revoked,
// one of the same content is issued for the new panel, and the old panel loses it with the list.
func TestADeadOrWronglyScannedPanelGivesItsLicenseBack(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	const dead, fresh = "aaaaaaaaaaaaaaaaaaaaaaaaaa", "qaaaaaaaaaaaaaaaaaaaaaaaaa"
	var sold struct{ ID, Text string }
	if err := json.Unmarshal([]byte(v.must("issue", "--key", "root.key", "--grant", "access_basic", "--panel", dead, "--json")), &sold); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := v.run("", "inspect", sold.Text, "--root", root, "--panel", fresh); code != refused || !strings.Contains(out, "other-panel") {
		t.Error(code, out)
	}
	list := v.must("revoke", "--key", "root.key", "--license", sold.ID)
	replacement := v.must("issue", "--key", "root.key", "--grant", "access_basic", "--panel", fresh)
	v.must("inspect", replacement, "--root", root, "--panel", fresh, "--revocation", list)
	if code, out, _ := v.run("", "inspect", sold.Text, "--root", root, "--panel", dead, "--revocation", list); code != refused || !strings.Contains(out, "revoked") {
		t.Error(code, out)
	}
}

func TestInspectSaysWhatEveryKindHolds(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	issuer := v.must("keygen", "issuer", "--unencrypted")
	delegation := v.must("delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20", "--ceiling", "*=1", "--until", "2028-01-01", "--number", "3")
	args := []string{"revoke", "--key", "root.key", "--issuer", issuer}
	for n := range byte(60) {
		args = append(args, "--license", idOf(n))
	}
	list := v.must(args...)
	var sold struct {
		Text      string
		ShortCode string `json:"short_code"`
	}
	if err := json.Unmarshal([]byte(v.must("issue", "--key", "root.key", "--grant", "sip", "--json")), &sold); err != nil {
		t.Fatal(err)
	}
	swapped := []byte(sold.ShortCode)
	swapped[0] = '0' + (swapped[0]-'0'+1)%10
	for _, c := range []struct {
		name  string
		code  int
		args  []string
		wants []string
	}{
		{"a license", done, []string{sold.Text, "--root", root}, []string{"short code " + sold.ShortCode, "verdict    good", "signed by  key "}},
		{"a delegation", done, []string{delegation, "--root", root}, []string{issuer, "number     3", "until before 2028-01-01", "buttons=20", "*=1", "kind       delegation"}},
		{"as JSON", done, []string{delegation, "--root", root, "--json"}, []string{`"issuer_key": "` + issuer, `"number": 3`, `"feature": "buttons"`, `"not_after"`}[:3]},
		{"of nobody", refused, []string{delegation}, []string{"unknown-issuer", "--root"}},
		{"a list", done, []string{list, "--root", root}, []string{"60 licenses and 1 issuers", "license    " + idOf(0) + " since 2026-11-21", "and 10 more", "issuer key "}},
		{"a list as JSON", done, []string{list, "--root", root, "--json"}, []string{`"id": "` + idOf(59), `"issuers": [`}},
		{"a list of nobody", refused, []string{list}, []string{"unknown-issuer"}},
		{"a short code", refused, []string{sold.ShortCode, "--root", root}, []string{"malformed: Scan the QR code itself", "Without a hub"}},
		{"a mistyped short code", refused, []string{string(swapped), "--root", root}, []string{"one digit is wrong"}},
	} {
		code, out, notes := v.run("", append([]string{"inspect"}, c.args...)...)
		if code != c.code {
			t.Errorf("%s: exit %d %s", c.name, code, notes)
		}
		for _, want := range c.wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, out)
			}
		}
	}
}
