package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// board is a panel as the desk knows it: a key that signs.
type board struct {
	pub  ed25519.PublicKey
	sign func([]byte) ([]byte, error)
	id   string
}

func newBoard(seed byte) board {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	pub := private.Public().(ed25519.PublicKey)
	return board{pub, func(m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil }, envelope.ThumbprintOf(pub).String()}
}

// proof is what a panel shows when it gave a license up that it had activated at a time.
func (b board) proof(t *testing.T, text string, activated time.Time) string {
	t.Helper()
	_, raw, err := envelope.Unarmor(text)
	if err != nil {
		t.Fatal(err)
	}
	activation, err := license.Activation{Panel: b.pub, License: raw, At: activated}.Sign(b.sign)
	if err != nil {
		t.Fatal(err)
	}
	release, err := license.Release{Panel: b.pub, Activation: activation.Raw, At: activated.Add(time.Hour)}.Sign(b.sign)
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Armor(release.Kind, release.Raw)
}

type soldCode struct {
	ID, Text  string
	ShortCode string `json:"short_code"`
}

func (v *vendor) sell(args ...string) (sold soldCode) {
	v.t.Helper()
	if err := json.Unmarshal([]byte(v.must(append([]string{"issue", "--json"}, args...)...)), &sold); err != nil {
		v.t.Fatal(err)
	}
	return sold
}

func (v *vendor) release(args ...string) (result releaseResult) {
	v.t.Helper()
	if err := json.Unmarshal([]byte(v.must(append([]string{"release", "--json"}, args...)...)), &result); err != nil {
		v.t.Fatal(err)
	}
	return result
}

// TestStory4ADeadPanelsLicensesComeBackOnANewOne at the desk: bound to a panel, for a year, half of which is over.
func TestStory4ADeadPanelsLicensesComeBackOnANewOne(t *testing.T) {
	v, root, _ := dealer(t)
	dead, fresh := newBoard(1), newBoard(2)
	sold := v.sell("--key", "north.key", "--grant", "access_basic", "--grant", "buttons=4", "--annual", "--panel", dead.id, "--label", "Villa Rosa", "--out", "villa.png")
	v.now = v.now.AddDate(0, 6, 0)
	order := []string{"villa.png", "--reason", "dead", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt", "--to", fresh.id, "--activated", "2026-12-01"}
	result := v.release(append(order, "--out", "again.png")...)
	if !result.Forced || result.ThisYear != 1 || result.Allowed != 2 || result.Holder != "Villa Rosa" || result.List == 0 || result.Old != sold.ID {
		t.Errorf("%+v", result)
	}
	trust := []string{"--root", root, "--delegation", "north.delegation", "--revocation", result.ListText}
	if code, out, _ := v.run("", append([]string{"inspect", sold.Text, "--panel", dead.id}, trust...)...); code != refused || !strings.Contains(out, "revoked") {
		t.Error(out)
	}
	out := v.must(append([]string{"inspect", "again.png", "--panel", fresh.id}, trust...)...)
	for _, want := range []string{"access_basic=1, buttons=4", "Villa Rosa", "until 2027-12-01", "included until 2036-11-21", result.ShortCode} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "a year") {
		t.Error("the time begins anew:", out)
	}
	if again := v.release(order...); again.New != result.New || again.List != result.List || again.ThisYear != 1 || !strings.Contains(again.Message, "already") {
		t.Errorf("the second run did something else: %+v", again)
	}
	if code, _, notes := v.run("", append([]string{"release"}, append(order[:len(order)-4:len(order)-4], "--to", toBearer, "--activated", "never")...)...); code != refused || !strings.Contains(notes, "release "+result.New) {
		t.Error(code, notes)
	}
	if out := v.must(append([]string{"release"}, order...)...); !strings.Contains(out, "Forced release 1 of 2 in 2027 for Villa Rosa.") || !strings.Contains(out, "list ") {
		t.Error(out)
	}
	// The replacement may die too; its holder is the same one, whatever it is called.
	third := v.release(result.Text, "--reason", "dead", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt", "--to", newBoard(3).id)
	if third.ThisYear != 2 || third.Holder != "Villa Rosa" || !strings.Contains(third.Holds, "until 2027-12-01") {
		t.Errorf("%+v", third)
	}
	fourth := []string{"release", third.Text, "--reason", "dead", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt", "--to", newBoard(4).id}
	before, err := os.ReadFile("revoked.txt")
	if err != nil {
		t.Fatal(err)
	}
	code, _, notes := v.run("", fourth...)
	if after, err := os.ReadFile("revoked.txt"); code != refused || !strings.Contains(notes, "forced release 3 in 2027") || err != nil || !bytes.Equal(before, after) {
		t.Error(code, notes, err)
	}
	if out := v.must(append(fourth, "--distributor-approved=Rossi")...); !strings.Contains(out, "Forced release 3 of 2 in 2027 for Villa Rosa, approved by Rossi.") {
		t.Error(out)
	}
	// Another holder, and another year, have their own count.
	other := v.sell("--key", "north.key", "--grant", "buttons=1", "--panel", dead.id, "--label", "Villa Verde")
	if r := v.release(other.Text, "--reason", "dead", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt", "--to", toBearer); r.ThisYear != 1 {
		t.Errorf("%+v", r)
	}
	// So does another issuer.
	for _, want := range []int{1, 2, 1} {
		last := v.sell("--key", "root.key", "--grant", "buttons=1", "--panel", dead.id, "--label", "Villa Rosa")
		if r := v.release(last.Text, "--reason", "dead", "--key", "root.key", "--history", "revoked.txt", "--to", toBearer); r.ThisYear != want {
			t.Errorf("%d in %s: %+v", want, v.now, r)
		}
		if want == 2 {
			v.now = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
}

func TestNoTimeIsSoldTwice(t *testing.T) {
	now := time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	annual := license.Token{IssuedAt: day(2026, 11, 21), Term: license.Term{Years: 1}}
	capped := annual
	capped.Expires = day(2027, 6, 1)
	for _, c := range []struct {
		name           string
		old            license.Token
		ran            time.Time
		begins, expire time.Time
	}{
		{"the term's end is fixed", annual, day(2026, 12, 1), time.Time{}, day(2027, 12, 1)},
		{"an earlier end stays", capped, day(2026, 12, 1), time.Time{}, day(2027, 6, 1)},
		{"the term ends before that", capped, day(2026, 5, 15), time.Time{}, day(2027, 5, 15)},
		{"a renewal that is still to come begins when it would have", annual, day(2027, 12, 1), day(2027, 12, 1), day(2028, 12, 1)},
	} {
		next, err := successor(c.old, c.ran, now)
		if err != nil || !next.Expires.Equal(c.expire) || !next.NotBefore.Equal(c.begins) || !next.Term.IsZero() {
			t.Errorf("%s: %+v %v", c.name, next, err)
		}
	}
}

// TestStory17TheWrongPanelGivesItsLicenseBack: with the panel's own word nothing is revoked, nothing is counted, and the time that is left is exact.
func TestStory17TheWrongPanelGivesItsLicenseBack(t *testing.T) {
	v, root, _ := dealer(t)
	van, right := newBoard(1), newBoard(2)
	activated := v.now.AddDate(0, 0, 3)
	sold := v.sell("--key", "north.key", "--grant", "access_basic", "--annual", "--panel", van.id)
	bearer := v.sell("--key", "north.key", "--grant", "buttons=5", "--annual")
	v.now = v.now.AddDate(0, 0, 5)
	proof := van.proof(t, sold.Text, activated)
	result := v.release(sold.Text, "--reason", "wrong", "--key", "north.key", "--proof", proof, "--to", right.id)
	if result.Forced || result.ThisYear != 0 || result.List != 0 || !strings.Contains(result.Holds, "until 2027-11-24") {
		t.Errorf("%+v", result)
	}
	v.must("inspect", result.Text, "--root", root, "--delegation", "north.delegation", "--panel", right.id)

	nothing := v.release(bearer.Text, "--reason", "wrong", "--key", "north.key", "--panel", van.id, "--proof", van.proof(t, bearer.Text, activated))
	if nothing.New != "" || !strings.Contains(nothing.Message, "Scan its paper and the panel's release") {
		t.Errorf("%+v", nothing)
	}
	// Its paper would go on working beside a new license for one panel: it is revoked as well.
	bound := v.release(bearer.Text, "--reason", "wrong", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt", "--panel", van.id, "--proof", van.proof(t, bearer.Text, activated), "--to", right.id)
	if bound.Forced || bound.List == 0 || !strings.Contains(bound.Holds, "until 2027-11-24") {
		t.Errorf("%+v", bound)
	}
	_, raw, err := envelope.Unarmor(bearer.Text)
	if err != nil {
		t.Fatal(err)
	}
	others := van.say(t, license.Activation{Panel: van.pub, License: raw, At: activated})
	mixed := textOf(right.say(t, license.Release{Panel: right.pub, Activation: others.Raw, At: activated}))
	for _, c := range []struct {
		name string
		code int
		want string
		args []string
	}{
		{"of another license", refused, "about another license", []string{sold.Text, "--proof", van.proof(t, bearer.Text, activated), "--to", right.id}},
		{"of another panel", refused, "the license is for panel " + van.id, []string{sold.Text, "--proof", right.proof(t, sold.Text, activated), "--to", newBoard(3).id}},
		{"a made-up panel", misused, "anybody could make a panel's key up", []string{bearer.Text, "--proof", right.proof(t, bearer.Text, activated)}},
		{"another panel than named", refused, "signed it, not " + van.id, []string{bearer.Text, "--proof", right.proof(t, bearer.Text, activated), "--panel", van.id}},
		{"of what another panel activated", refused, "not the one that activated", []string{bearer.Text, "--proof", mixed, "--panel", right.id, "--to", newBoard(3).id}},
		{"forged", refused, "", []string{sold.Text, "--proof", proof[:len(proof)-3] + "000", "--to", right.id}},
		{"no release", refused, "not a release", []string{sold.Text, "--proof", sold.Text, "--to", right.id}},
		{"never, against the proof", misused, "contradicts the proof", []string{bearer.Text, "--proof", van.proof(t, bearer.Text, activated), "--panel", van.id, "--to", right.id, "--activated", "never", "--book", "b.jsonl"}},
	} {
		code, out, notes := v.run("", append([]string{"release", "--reason", "wrong", "--key", "north.key"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(notes, c.want) {
			t.Errorf("%s: exit %d %s%s", c.name, code, out, notes)
		}
	}
}

func TestAReleaseSaysWhatItLacks(t *testing.T) {
	v, root, issuer := dealer(t)
	dead, fresh := newBoard(1), newBoard(2)
	v.must("issue", "--key", "north.key", "--grant", "buttons=2", "--count", "3", "--batch", "stock.jsonl")
	_, stock := batchOf(t, "stock.jsonl")
	annual := v.sell("--key", "north.key", "--grant", "buttons=2", "--annual")
	bound := v.sell("--key", "north.key", "--grant", "buttons=2", "--panel", dead.id)
	site := v.sell("--key", "north.key", "--grant", "buttons=2", "--site", "villa")
	over := v.sell("--key", "north.key", "--grant", "buttons=2", "--expires", "2026-11-22")
	withdrawn := v.sell("--key", "north.key", "--grant", "buttons=2")
	v.must("revoke", "--key", "root.key", "--history", "revoked.txt", "--license", withdrawn.ID)
	v.must("keygen", "root", "--out", "other.key", "--unencrypted")
	foreign := v.sell("--key", "other.key", "--grant", "buttons=2")
	v.now = v.now.AddDate(0, 0, 9)
	both := []string{"--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt"}
	with := func(args ...string) []string { return append(args, both...) }
	for _, c := range []struct {
		name string
		code int
		want string
		args []string
	}{
		{"by its id", done, "Forced release 1 of 2", with(stock[0].ID, "--sold", "stock.jsonl", "--holder", "A")},
		{"by its short code", done, "Forced release 1 of 2", with(stock[1].ShortCode, "--sold", "stock.jsonl", "--holder", "B")},
		{"for a site", done, "for villa", with(site.Text)},
		{"an id without its file", misused, "--sold", with(stock[0].ID)},
		{"an id of nobody", refused, "in none of the files", with(idOf(7), "--sold", "stock.jsonl")},
		{"no reason", misused, "--reason", with(annual.Text, "--reason", "bored")},
		{"no day", misused, "--activated is missing", with(annual.Text)},
		{"a day without a term", misused, "--activated belongs", with(bound.Text, "--to", fresh.id, "--activated", "2026-11-22")},
		{"no new panel", misused, "--to is missing", with(bound.Text)},
		{"the same panel", refused, "to the same panel", with(bound.Text, "--to", dead.id)},
		{"no panel's id", misused, "", with(bound.Text, "--to", "here")},
		{"another panel's", refused, "it is for panel " + dead.id, with(bound.Text, "--to", fresh.id, "--panel", newBoard(9).id)},
		{"a site's to a panel", misused, "stays so", with(site.Text, "--to", fresh.id, "--holder", "C", "--book", "b.jsonl")},
		{"what has ended", refused, "nothing of it is left", with(over.Text)},
		{"what was revoked", refused, "it was revoked on", with(withdrawn.Text)},
		{"another root's license", refused, "its issuer is not known", with(foreign.Text)},
		{"another root's list", refused, "it stands behind root " + root, []string{bound.Text, "--to", fresh.id, "--key", "north.key", "--root-key", "other.key", "--history", "other.txt", "--root", root}},
		{"no root's key", misused, "--root-key is missing", []string{bound.Text, "--to", fresh.id, "--key", "north.key"}},
		{"no list", misused, "--history is missing", []string{bound.Text, "--to", fresh.id, "--key", "north.key", "--root-key", "root.key"}},
		{"no key", misused, "--key is missing", []string{bound.Text, "--to", fresh.id}},
		{"too much for the dealer", refused, "at most 20", with(v.sell("--key", "root.key", "--grant", "buttons=30").Text)},
		{"revoked, by a dealer", refused, "was revoked on", []string{bound.Text, "--to", fresh.id, "--key", "north.key", "--proof", dead.proof(t, bound.Text, v.now),
			"--revocation", v.must("revoke", "--key", "root.key", "--license", bound.ID)}},
	} {
		code, out, notes := v.run("", append([]string{"release", "--reason", "dead"}, c.args...)...)
		if code != c.code || !strings.Contains(out+notes, c.want) || code != done && out != "" {
			t.Errorf("%s: exit %d %s%s", c.name, code, out, notes)
		}
	}
	// A license that the thief of a key signed must not be made good by a release.
	v.must("revoke", "--key", "root.key", "--history", "revoked.txt", "--issuer", issuer)
	if code, _, notes := v.run("", append([]string{"release", "--reason", "dead", bound.Text, "--to", fresh.id, "--key", "root.key", "--delegation", "north.delegation"}, both[2:]...)...); code != refused || !strings.Contains(notes, "was revoked on") {
		t.Error(code, notes)
	}
}

// TestAReleaseThatIsKilledAnywhereIsMadeOnce: whatever of the book and of the history had reached the disk, the next run leaves one new license in the book,
// the old one on the last list, and shows what an undisturbed run would have shown.
func TestAReleaseThatIsKilledAnywhereIsMadeOnce(t *testing.T) {
	v, root, _ := dealer(t)
	sold := v.sell("--key", "north.key", "--grant", "buttons=2", "--label", "Villa Rosa")
	v.must("revoke", "--key", "root.key", "--history", "revoked.txt", "--license", idOf(1))
	begun, err := os.ReadFile("revoked.txt")
	if err != nil {
		t.Fatal(err)
	}
	order := []string{sold.Text, "--reason", "dead", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt"}
	first := v.release(order...)
	kept, err := os.ReadFile("releases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lists, err := os.ReadFile("revoked.txt")
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		t.Helper()
		again := v.release(order...)
		if whole := len(again.Text) > 0 && again.ThisYear == 1 && again.List > 0; !whole {
			t.Fatalf("%s: %+v", name, again)
		}
		after, err := os.ReadFile("releases.jsonl")
		if err != nil || strings.Count(string(after), "\n") != 1 || !strings.Contains(string(after), again.New) {
			t.Fatalf("%s: %s %v", name, after, err)
		}
		if code, out, _ := v.run("", "inspect", sold.Text, "--root", root, "--delegation", "north.delegation", "--revocation", again.ListText); code != refused || !strings.Contains(out, "revoked") {
			t.Fatalf("%s: %s", name, out)
		}
		v.must("inspect", again.Text, "--root", root, "--delegation", "north.delegation", "--revocation", again.ListText)
		if strings.HasPrefix(name, "list") && again.New != first.New {
			t.Fatalf("%s: another license", name)
		}
	}
	for cut := 0; cut <= len(kept); cut += 7 {
		write(t, "releases.jsonl", string(kept[:cut]))
		write(t, "revoked.txt", string(begun))
		check("book")
	}
	for cut := len(begun); cut <= len(lists); cut += 5 {
		write(t, "releases.jsonl", string(kept))
		write(t, "revoked.txt", string(lists[:cut]))
		check("list")
	}
	for name, damaged := range map[string]string{
		"another file": "dear diary\n", "a later version": strings.Replace(string(kept), `"release":1`, `"release":2`, 1), "an unknown field": strings.Replace(string(kept), `"to"`, `"two"`, 1),
		"an endless line": strings.Repeat("x", maxBookLine+1) + "\n",
	} {
		write(t, "releases.jsonl", damaged)
		if code, _, notes := v.run("", append([]string{"release"}, order...)...); code != refused || !strings.Contains(notes, "line 1") {
			t.Errorf("%s: exit %d %s", name, code, notes)
		}
		if after, err := os.ReadFile("releases.jsonl"); err != nil || string(after) != damaged {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func FuzzReadBook(f *testing.F) {
	f.Add(`{"release":1,"at":"2026-11-21T12:00:00Z","license":"x","text":"y"}` + "\n{")
	f.Fuzz(func(t *testing.T, content string) {
		entries, size, err := readBook(strings.NewReader(content))
		if err == nil && (size > int64(len(content)) || strings.Count(content[:size], "\n") != len(entries)) {
			t.Errorf("%q: %d entries in %d bytes", content, len(entries), size)
		}
	})
}
