package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

func idOf(n byte) string { return license.TokenID{15: n}.String() }

func TestAHistoryContinuesItselfListByList(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	issuer := v.must("keygen", "issuer", "--unencrypted")
	book := []string{"revoke", "--key", "root.key", "--history", "revoked.txt"}
	first := v.must(append(book, "--license", idOf(1), "--license", idOf(2), "--since", "2026-01-01")...)
	v.now = v.now.Add(-time.Hour) // a desk whose clock was set back: the number rises all the same
	second := v.must(append(book, "--issuer", issuer)...)
	v.now = v.now.AddDate(0, 1, 0)
	third := v.must(append(book, "--lift", idOf(1), "--license", idOf(2), "--license", idOf(3))...)

	raw, err := os.ReadFile("revoked.txt")
	if err != nil || string(raw) != first+"\n"+second+"\n"+third+"\n" {
		t.Fatalf("%s %v", raw, err)
	}
	var steps []step
	if err := json.Unmarshal([]byte(v.must("revoke", "--show", "revoked.txt", "--root", root, "--json")), &steps); err != nil {
		t.Fatal(err)
	}
	if len(steps) != 3 || steps[0].Number >= steps[1].Number || steps[1].Number >= steps[2].Number ||
		strings.Join(steps[0].Added, ",") != "license "+idOf(1)+",license "+idOf(2) || steps[1].Entries != 3 || len(steps[1].Added) != 1 ||
		strings.Join(steps[2].Added, ",") != "license "+idOf(3) || strings.Join(steps[2].Lifted, ",") != "license "+idOf(1) {
		t.Errorf("%+v", steps)
	}
	if out := v.must("revoke", "--show", "revoked.txt", "--root", root); !strings.Contains(out, "lifted  license "+idOf(1)) || strings.Count(out, "\nlist ") != 2 {
		t.Error(out)
	}
	// An entry that stays keeps the day since which it holds.
	if out := v.must("inspect", third, "--root", root); !strings.Contains(out, idOf(2)+" since 2026-01-01") || !strings.Contains(out, "issuer key") {
		t.Error(out)
	}
	// A panel that has the third knows the others.
	for _, old := range []string{first, second} {
		if out := v.must("inspect", old, "--root", root, "--revocation", third); !strings.Contains(out, "already here") {
			t.Error(out)
		}
	}
}

func TestACutAnywhereInAHistoryCostsAtMostTheListNobodySaw(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	book := []string{"revoke", "--key", "root.key", "--history", "revoked.txt", "--license"}
	for n := range byte(3) {
		v.must(append(book, idOf(n))...)
	}
	whole, err := os.ReadFile("revoked.txt")
	if err != nil {
		t.Fatal(err)
	}
	lastList := strings.LastIndexByte(strings.TrimSuffix(string(whole), "\n"), '\n') - 2
	for cut := range len(whole) + 1 {
		if cut < lastList && cut%11 != 0 {
			continue // the lists before are cut alike; some places of them are enough
		}
		write(t, "revoked.txt", string(whole[:cut]))
		added := v.must(append(book, idOf(9))...)
		// The list whose end of line alone is missing is whole: it is kept.
		kept := string(whole[:cut])
		if end := strings.LastIndexByte(kept, '\n') + 1; whole[min(cut, len(whole)-1)] == '\n' && cut > end {
			kept += "\n"
		} else {
			kept = kept[:end]
		}
		if after, err := os.ReadFile("revoked.txt"); err != nil || string(after) != kept+added+"\n" {
			t.Fatalf("cut at %d of %d:\n%s\ninstead of\n%s%s", cut, len(whole), after, kept, added)
		}
	}
}

func TestAHistoryThatIsNotOneIsLeftAlone(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	v.must("keygen", "issuer", "--out", "other.key", "--unencrypted")
	book := []string{"revoke", "--key", "root.key", "--history", "revoked.txt", "--license"}
	v.must(append(book, idOf(1))...)
	v.must(append(book, idOf(2))...)
	whole, err := os.ReadFile("revoked.txt")
	if err != nil {
		t.Fatal(err)
	}
	lists := strings.SplitAfter(string(whole), "\n")
	sold := v.must("issue", "--key", "root.key", "--grant", "sip")
	other := v.must("revoke", "--key", "other.key", "--license", idOf(1))
	for _, c := range []struct{ name, content, want string }{
		{"the order turned", lists[1] + lists[0], "does not come after"},
		{"a list twice", lists[0] + lists[0], "does not come after"},
		{"another root's list", lists[0] + other + "\n", "line 2: "},
		{"a license", sold + "\n", "is a license, not a revocation list"},
		{"another file", "dear diary", "one list a line"},
		{"an endless line", strings.Repeat("DR1:", 40_000) + "\n", "line 1"},
		{"a list that was cut and continued", lists[0][:50] + "\n" + lists[1], "line 1"},
	} {
		write(t, "revoked.txt", c.content)
		code, out, notes := v.run("", append(book, idOf(9))...)
		if code != refused || out != "" || !strings.Contains(notes, c.want) {
			t.Errorf("%s: exit %d %q %s", c.name, code, out, notes)
		}
		if after, err := os.ReadFile("revoked.txt"); err != nil || string(after) != c.content {
			t.Errorf("%s: the file was changed: %v", c.name, err)
		}
	}
	write(t, "revoked.txt", string(whole))
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{refused, "not on the last list", []string{"--key", "root.key", "--history", "revoked.txt", "--lift", idOf(7)}},
		{refused, "not on the last list", []string{"--key", "root.key", "--history", "revoked.txt", "--lift", "0001020304050607"}},
		{misused, "cannot read --lift", []string{"--key", "root.key", "--lift", "7"}},
		{misused, "keep one", []string{"--key", "root.key", "--history", "revoked.txt", "--list", lists[0], "--license", idOf(3)}},
		{misused, "signs nothing", []string{"--show", "revoked.txt", "--license", idOf(3)}},
		{refused, "name the root with --root", []string{"--show", "revoked.txt"}},
		{refused, "no such file", []string{"--show", "none.txt", "--root", root}},
	} {
		if code, _, notes := v.run("", append([]string{"revoke"}, c.args...)...); code != c.code || !strings.Contains(notes, c.want) {
			t.Errorf("%q: exit %d %s", c.args, code, notes)
		}
	}
	if after, err := os.ReadFile("revoked.txt"); err != nil || string(after) != string(whole) {
		t.Errorf("a refused list was kept: %v", err)
	}
}

func TestAWrongRevocationIsLiftedAndTheLicenseHoldsAgain(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	var sold struct{ ID, Text string }
	if err := json.Unmarshal([]byte(v.must("issue", "--key", "root.key", "--grant", "buttons=3", "--json")), &sold); err != nil {
		t.Fatal(err)
	}
	list := v.must("revoke", "--key", "root.key", "--license", sold.ID)
	lifted := v.must("revoke", "--key", "root.key", "--list", list, "--lift", sold.ID)
	if code, out, _ := v.run("", "inspect", sold.Text, "--root", root, "--revocation", list); code != refused || !strings.Contains(out, "revoked") {
		t.Error(code, out)
	}
	v.must("inspect", sold.Text, "--root", root, "--revocation", lifted, "--revocation", list)
}

func FuzzReadHistory(f *testing.F) {
	f.Add("DR1:ABC\nDR1:")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, content string) {
		past, err := readHistory(strings.NewReader(content), license.Keyring{}, func(license.Revocation, string) { t.Error("a list that nobody signed") })
		if past.size != 0 || err == nil && strings.Contains(content, "\n") {
			t.Errorf("%q: %+v %v", content, past, err)
		}
	})
}
