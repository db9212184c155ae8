package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// stopAfter ends the run when so many ids were drawn, as Ctrl-C does between two licenses.
func stopAfter(v *vendor, ids int) {
	ctx, stop := context.WithCancel(v.t.Context())
	v.ctx = ctx
	v.random = readFunc(func(p []byte) (int, error) {
		if ids--; ids == 0 {
			stop()
		}
		return rand.Read(p)
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// batchOf reads a batch file as a stranger would.
func batchOf(t testing.TB, path string) (header batchHeader, lines []batchLine) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		var line batchLine
		if i == 0 {
			err = json.Unmarshal([]byte(text), &header)
		} else if err = json.Unmarshal([]byte(text), &line); err == nil {
			lines = append(lines, line)
		}
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
	}
	return header, lines
}

func differ(t interface{ Errorf(string, ...any) }, lines []batchLine, count int) {
	ids, texts, codes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, line := range lines {
		if line.Number != i+1 {
			t.Errorf("license %d is numbered %d", i+1, line.Number)
		}
		ids[line.ID], texts[line.Text], codes[line.ShortCode] = true, true, true
	}
	if len(lines) != count || len(ids) != count || len(texts) != count || len(codes) != count {
		t.Errorf("%d licenses, %d ids, %d texts, %d short codes instead of %d", len(lines), len(ids), len(texts), len(codes), count)
	}
}

func TestAnOrderThatWasStoppedGoesOnWithoutDoubles(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	order := []string{"issue", "--key", "root.key", "--grant", "buttons=1", "--count", "700", "--batch", "stock.jsonl"}
	stopAfter(v, 300)
	code, out, notes := v.run("", order...)
	if code != refused || out != "" || !strings.Contains(notes, "stopped after 300 of 700") || !strings.Contains(notes, "run the same command again") {
		t.Fatal(code, out, notes)
	}
	v.ctx, v.random = nil, nil
	header, first := batchOf(t, "stock.jsonl")
	differ(t, first, 300)
	if header.Count != 700 || header.Key != root {
		t.Error(header)
	}
	v.now = v.now.AddDate(0, 0, 1)
	if _, out, _ := v.run("", append(order, "--json")...); !strings.Contains(out, `"new": 400`) {
		t.Error(out)
	}
	again, all := batchOf(t, "stock.jsonl")
	differ(t, all, 700)
	if again != header {
		t.Error(again)
	}
	for i, line := range first {
		if all[i] != line {
			t.Errorf("license %d is not what it was", i+1)
		}
	}
	// Once it is whole, the same command does nothing.
	if out := v.must(order...); !strings.Contains(out, "700 licenses in stock.jsonl, 0 of them new") {
		t.Error(out)
	}
	if out := v.must("inspect", all[699].Text, "--root", root); !strings.Contains(out, all[699].ShortCode) {
		t.Error("the short code is not shown:", out)
	}
	if info, err := os.Stat("stock.jsonl"); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}

// TestACutAnywhereInABatchCostsNothing: a power cut leaves any part of the file; what is whole stays, the rest is drawn anew.
func TestACutAnywhereInABatchCostsNothing(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	order := []string{"issue", "--key", "root.key", "--grant", "buttons=1", "--count", "6", "--batch", "stock.jsonl"}
	v.must(order...)
	whole, err := os.ReadFile("stock.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	_, before := batchOf(t, "stock.jsonl")
	rapid.Check(t, func(rt *rapid.T) {
		cut := rapid.IntRange(0, len(whole)).Draw(rt, "cut")
		if err := os.WriteFile("stock.jsonl", whole[:cut], 0o600); err != nil {
			rt.Fatal(err)
		}
		v.must(order...)
		_, after := batchOf(t, "stock.jsonl")
		differ(rt, after, 6)
		kept := max(0, strings.Count(string(whole[:cut]), "\n")-1)
		for i := range kept {
			if after[i] != before[i] {
				rt.Errorf("license %d was replaced", i+1)
			}
		}
	})
}

func TestABatchIsNotMixedWithAnother(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	v.must("keygen", "issuer", "--unencrypted")
	v.must("issue", "--key", "root.key", "--grant", "buttons=1", "--count", "3", "--batch", "stock.jsonl")
	whole, err := os.ReadFile("stock.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for _, c := range []struct {
		name, content, want string
		code                int
		args                []string
	}{
		{"another key", string(whole), "begun with key", refused, []string{"--key", "issuer.key", "--grant", "buttons=1", "--count", "3"}},
		{"more of them", string(whole), "another order", refused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "4"}},
		{"another count", string(whole), "another order", refused, []string{"--key", "root.key", "--grant", "buttons=2", "--count", "3"}},
		{"a line twice", lines[0] + lines[1] + lines[1] + lines[3], "not license 2", refused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "3"}},
		{"a license twice", lines[0] + lines[1] + strings.Replace(lines[1], `"n":1`, `"n":2`, 1), "twice", refused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "3"}},
		{"another file", "# licenses\n", "does not say", refused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "3"}},
		{"an endless line", strings.Repeat("x", maxBatchLine+1), "longer than", refused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "3"}},
		{"another id", lines[0] + strings.Replace(lines[1], `"id":"`, `"id":"0`, 1), "does not hold what was signed", refused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "3"}},
		{"no file named", "", "--batch is missing", misused, nil},
		{"a picture", string(whole), "doorlicense sheet", misused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "3", "--out", "a.png"}},
		{"none", string(whole), "from 1 to", misused, []string{"--key", "root.key", "--grant", "buttons=1", "--count", "0"}},
	} {
		write(t, "stock.jsonl", c.content)
		args := append([]string{"issue", "--batch", "stock.jsonl"}, c.args...)
		if c.args == nil {
			args = []string{"issue", "--key", "root.key", "--grant", "sip", "--count", "2"}
		}
		code, out, notes := v.run("", args...)
		if code != c.code || !strings.Contains(notes, c.want) || out != "" {
			t.Errorf("%s: exit %d, %q %q", c.name, code, out, notes)
		}
		if after, err := os.ReadFile("stock.jsonl"); err != nil || string(after) != c.content {
			t.Errorf("%s: the file was changed: %v", c.name, err)
		}
	}
}

func TestTwoRunsAtOneBatchDoNotMeet(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	file, err := os.OpenFile("stock.jsonl", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// Held shared, so that only an exclusive lock collides.
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip", "--count", "2", "--batch", "stock.jsonl")
	if code != refused || !strings.Contains(notes, "another run is at it") {
		t.Error(code, notes)
	}
	if code, _, notes := v.run("", "revoke", "--key", "root.key", "--history", "stock.jsonl", "--license", idOf(1)); code != refused || !strings.Contains(notes, "another run is at it") {
		t.Error(code, notes)
	}
}

func TestAnIDThatComesTwiceIsDrawnAgain(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	n := byte(0)
	v.random = readFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = n/2 + 1 // every id twice
		}
		n++
		return len(p), nil
	})
	v.must("issue", "--key", "root.key", "--grant", "sip", "--count", "5", "--batch", "stock.jsonl")
	_, lines := batchOf(t, "stock.jsonl")
	differ(t, lines, 5)
}

func TestATableIsOrderedLineByLine(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	panel := envelope.Thumbprint{7}.String()
	write(t, "flats.csv", "\ufeffLabel;Account;Grant;Count;Annual;Panel\r\n"+
		"Interno 1, scala A;rossi;app_remote;;yes;\r\n"+
		"\"Interno 2; \"\"b\"\"\";bianchi;;;;\r\n"+
		"Scala A;;buttons=6 access_basic;2;;"+panel+"\r\n")
	v.must("issue", "--key", "root.key", "--grant", "sip", "--csv", "flats.csv", "--batch", "flats.jsonl")
	_, lines := batchOf(t, "flats.jsonl")
	differ(t, lines, 4)
	for i, want := range []string{
		"app_remote=1, for account rossi, a year", "sip=1, for account bianchi, for ever",
		"access_basic=1, buttons=6, for panel " + panel, "access_basic=1, buttons=6, for panel " + panel,
	} {
		if !strings.Contains(lines[i].Holds, want) {
			t.Errorf("%d: %s", i+1, lines[i].Holds)
		}
		if out := v.must("inspect", lines[i].Text, "--root", root); !strings.Contains(out, lines[i].Label) || lines[i].Label == "" {
			t.Errorf("%d: %s", i+1, out)
		}
	}
	if lines[1].Label != `Interno 2; "b"` {
		t.Error(lines[1].Label)
	}
	// The table is part of the order.
	write(t, "flats.csv", "label,account\nInterno 1,rossi\n")
	if code, _, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip", "--csv", "flats.csv", "--batch", "flats.jsonl"); code != refused || !strings.Contains(notes, "another order") {
		t.Error(code, notes)
	}
}

func TestMistakesInATableAreToldAtOnceAndNothingIsIssued(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	for _, c := range []struct {
		table string
		want  []string
	}{
		{"label,account,site,days\nA,rossi,villa,\nB,bianchi,,soon\nC,,,99999999\nD,verdi,,30\n", []string{"line 2:", "keep one", "line 3:", `"soon" is not a whole number`, "line 4:", "out of range"}},
		{"label,label\nA,B\n", []string{`no column "label"`}},
		{"etage\n1\n", []string{`no column "etage"`, "updates-until"}},
		{"label\n", []string{"no lines below"}},
		{"", []string{"column names is missing"}},
		{"label,account\nA\n", []string{"wrong number of fields"}},
		{"label,annual\nA,perhaps\n", []string{"neither yes nor no"}},
		{"label,count\nA,100001\nB,0\n", []string{"line 2:", "line 3:", "more than 100000"}},
		{"label\n" + strings.Repeat("x", 65) + "\n", []string{"line 2:", "at most 64 bytes"}},
		{"panel\nfront\n", []string{"line 2:", "26 characters"}},
		{"label\n\"open\n", []string{"quote"}},
	} {
		write(t, "flats.csv", c.table)
		code, out, notes := v.run("", "issue", "--key", "root.key", "--grant", "sip", "--csv", "flats.csv", "--batch", "flats.jsonl")
		if code == done || out != "" || exists("flats.jsonl") {
			t.Errorf("%q: exit %d %q", c.table, code, out)
		}
		for _, want := range c.want {
			if !strings.Contains(notes, want) {
				t.Errorf("%q: no %q in %s", c.table, want, notes)
			}
		}
	}
}

func TestALongRunShowsHowFarItIs(t *testing.T) {
	var live, plain strings.Builder
	bar, lines := progress{out: &live, live: true, total: 1000}, progress{out: &plain, total: 1000}
	for n := range 1000 {
		bar.at(n + 1)
		lines.at(n + 1)
	}
	bar.end()
	lines.end()
	if shown := live.String(); strings.Count(shown, "\r") != 100 || !strings.HasSuffix(shown, "\r["+strings.Repeat("#", 40)+"] 1000 of 1000\n") || !strings.Contains(shown, "] 500 of 1000") {
		t.Errorf("%q", shown)
	}
	if shown := plain.String(); strings.Count(shown, "\n") != 10 || !strings.HasSuffix(shown, "1000 of 1000\n") || strings.Contains(shown, "\r") {
		t.Errorf("%q", shown)
	}
}

func FuzzReadBatch(f *testing.F) {
	f.Add(`{"batch":1,"count":2}` + "\n" + `{"n":1,"text":"DP1:AB"}` + "\n" + `{"n":2`)
	f.Add("\n\n")
	f.Fuzz(func(t *testing.T, content string) {
		lines := 0
		b, err := readBatch(strings.NewReader(content), func(batchHeader) error { return nil }, func(line batchLine) error {
			if lines++; line.Number != lines {
				t.Errorf("license %d is numbered %d", lines, line.Number)
			}
			return nil
		})
		if b.size > int64(len(content)) || err == nil && b.size > 0 && content[b.size-1] != '\n' || b.lines > b.Count {
			t.Errorf("%+v of %q: %v", b, content, err)
		}
	})
}

func FuzzTableOrder(f *testing.F) {
	f.Add("label,account,count\nA,rossi,2\n")
	f.Add("\ufeffgrant;annual\nbuttons=6 sip;yes\n")
	f.Fuzz(func(t *testing.T, table string) {
		if len(table) > 2000 {
			return
		}
		tokens, err := tableOrder(strings.NewReader(table), issueFlags{grants: []string{"sip"}})
		if err == nil && (len(tokens) == 0 || len(tokens) > maxBatch) {
			t.Errorf("%d licenses of %q", len(tokens), table)
		}
		for _, token := range tokens[:min(len(tokens), 3)] {
			if err := checkToken(token); err != nil {
				t.Errorf("%q orders what cannot be signed: %v", table, err)
			}
		}
	})
}
