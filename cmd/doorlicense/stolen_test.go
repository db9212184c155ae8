package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestStory19AnIssuersKeyIsStolenAndNoHonestLicenseIsLost: 500 sold licenses go on with one list, whatever the thief signs is refused, and who stands in no
// book gets a license of the same content from the dealer's new key.
func TestStory19AnIssuersKeyIsStolenAndNoHonestLicenseIsLost(t *testing.T) {
	v, root, issuer := dealer(t)
	v.must("issue", "--key", "north.key", "--grant", "buttons=10", "--count", "500", "--batch", "sold.jsonl")
	annual := v.must("issue", "--key", "north.key", "--grant", "access_basic", "--annual", "--label", "Villa Rosa")
	ended := v.must("issue", "--key", "north.key", "--grant", "buttons=1", "--expires", "2027-01-01")
	forgotten := v.must("issue", "--key", "north.key", "--grant", "buttons=7")
	write(t, "codes.txt", annual+"\n"+ended+"\n")
	delegation := strings.Split(v.must("delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20", "--ceiling", "access_basic", "--file", "north.delegation"), "\n")[0]

	v.now = v.now.AddDate(0, 5, 0)
	byRoot := v.must("issue", "--key", "root.key", "--grant", "buttons=1")
	for want, content := range map[string]string{"its issuer is not known": byRoot, "it is a delegation": delegation, "line 2": annual + "\nDP1:\n"} {
		code, out, notes := v.run("", "revoke", "--key", "root.key", "--issuer", issuer, "--keep", write(t, "other.txt", content))
		if code != refused || out != "" || !strings.Contains(notes, want) {
			t.Errorf("%s: exit %d %s%s", want, code, out, notes)
		}
	}
	if code, _, notes := v.run("", "revoke", "--key", "root.key", "--license", idOf(1), "--keep", "sold.jsonl"); code != refused || !strings.Contains(notes, "is not on the list") {
		t.Error(code, notes)
	}
	if _, _, notes := v.run("", "revoke", "--key", "root.key", "--issuer", issuer); !strings.Contains(notes, "warning: everything that key has signed stops") {
		t.Error(notes)
	}
	list := v.must("revoke", "--key", "root.key", "--history", "revoked.txt", "--issuer", issuer, "--keep", "sold.jsonl", "--keep", "codes.txt")
	inspect := func(text string) (int, string) {
		code, out, notes := v.run("", "inspect", text, "--root", root, "--delegation", "north.delegation", "--revocation", list)
		return code, out + notes
	}
	_, sold := batchOf(t, "sold.jsonl")
	for _, text := range []string{sold[0].Text, sold[499].Text, annual} {
		if code, out := inspect(text); code != done {
			t.Errorf("an honest license is lost: %s", out)
		}
	}
	stolen := v.must("issue", "--key", "north.key", "--grant", "buttons=20")
	for name, text := range map[string]string{"the thief's": stolen, "in no book": forgotten} {
		if code, out := inspect(text); code != refused || !strings.Contains(out, "revoked") {
			t.Errorf("%s: %s", name, out)
		}
	}
	var seen struct{ Revocation listSeen }
	if err := json.Unmarshal([]byte(v.must("inspect", list, "--root", root, "--json")), &seen); err != nil || seen.Revocation.Kept != 501 {
		t.Error(seen, err)
	}
	// The next list keeps them without being told again, and under the next root too.
	next := v.must("revoke", "--key", "root.key", "--history", "revoked.txt", "--license", idOf(1))
	successorKey := v.must("keygen", "root", "--out", "new.key", "--unencrypted")
	adopted := v.must("revoke", "--key", "new.key", "--adopt", next, "--root", root)
	for from, by := range map[string]string{next: root, adopted: successorKey} {
		if err := json.Unmarshal([]byte(v.must("inspect", from, "--root", by, "--json")), &seen); err != nil || seen.Revocation.Kept != 501 {
			t.Error(seen, err)
		}
	}

	// Whoever is in no book brings the code, and gets another one without a visit.
	north2 := v.must("keygen", "issuer", "--out", "north2.key", "--unencrypted")
	v.must("delegate", "--key", "root.key", "--issuer", north2, "--name", "Dealer North", "--ceiling", "buttons=20", "--ceiling", "access_basic", "--file", "north2.delegation")
	write(t, "found.csv", "Text;Activated\n"+forgotten+";\n"+annual+";2026-12-24\n"+ended+";\n")
	again := []string{"reissue", "--key", "north2.key", "--revoked-issuer", issuer, "--batch", "again.jsonl", "--csv", "found.csv"}
	if _, _, notes := v.run("", again...); !strings.Contains(notes, "1 license ended and left out") {
		t.Error(notes)
	}
	if out := v.must(again...); !strings.Contains(out, "2 licenses in again.jsonl, 0 of them new") {
		t.Error(out)
	}
	header, lines := batchOf(t, "again.jsonl")
	if header.Key != north2 || len(lines) != 2 || !strings.Contains(lines[0].Holds, "buttons=7") || !strings.Contains(lines[1].Holds, "until 2027-12-24") || lines[1].Label != "Villa Rosa" {
		t.Errorf("%+v", lines)
	}
	var anew struct {
		Updates string `json:"updates_until"`
	}
	if err := json.Unmarshal([]byte(v.must("inspect", lines[0].Text, "--root", root, "--delegation", "north2.delegation", "--revocation", next, "--json")), &anew); err != nil || !strings.HasPrefix(anew.Updates, "2036-11-21") {
		t.Error("updates are not included as long as they were sold", anew, err)
	}
	write(t, "twice.txt", forgotten+"\n"+forgotten+"\n")
	write(t, "nobody.csv", "code\nx\n")
	write(t, "day.csv", "text,activated\n"+forgotten+",soon\n")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{refused, "there twice", []string{"--key", "north2.key", "--revoked-issuer", issuer, "--batch", "b.jsonl", "twice.txt"}},
		{refused, "no column text", []string{"--key", "north2.key", "--revoked-issuer", issuer, "--batch", "b.jsonl", "--csv", "nobody.csv"}},
		{misused, "line 2: cannot read --activated", []string{"--key", "north2.key", "--revoked-issuer", issuer, "--batch", "b.jsonl", "--csv", "day.csv"}},
		{refused, "its issuer is not known", []string{"--key", "north2.key", "--revoked-issuer", north2, "--batch", "b.jsonl", "codes.txt"}},
		{misused, "--revoked-issuer is missing", []string{"--key", "north2.key", "--batch", "b.jsonl", "codes.txt"}},
		{misused, "--batch is missing", []string{"--key", "north2.key", "--revoked-issuer", issuer, "codes.txt"}},
		{misused, "takes the files", []string{"--key", "north2.key", "--revoked-issuer", issuer, "--batch", "b.jsonl"}},
		{refused, "its key was revoked", []string{"--key", "north.key", "--revoked-issuer", issuer, "--batch", "b.jsonl", "--revocation", list, "codes.txt"}},
	} {
		code, out, notes := v.run("", append([]string{"reissue"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(notes, c.want) {
			t.Errorf("%q: exit %d %s", c.args, code, notes)
		}
	}
	if _, err := os.Stat("b.jsonl"); err == nil {
		if info, _ := os.Stat("b.jsonl"); info.Size() > 0 {
			t.Error("a refused order left licenses")
		}
	}
}
