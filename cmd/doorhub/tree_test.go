package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/license"
)

// TestTheLedgerIsShownAndChangedFromTheCommandLine walks a company from its Trial to a package, with the hub running and without.
func TestTheLedgerIsShownAndChangedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	seller := newRoot(t)
	h := startHub(t, hubSetting{root: seller.pub})
	h.works("group", "add", "Rossi Immobili", "--id", "rossi", "--zone", "Europe/Rome", "--registration", "partner-4711")
	h.works("group", "add", "Building 7", "--id", "b7", "--below", "rossi", "--level", "building")
	h.works("group", "add", "Flat 1", "--id", "f1", "--below", "rossi", "--level", "apartments")
	h.works("group", "move", "f1", "--to", "b7")
	if list := h.works("group", "list", "b7"); !strings.Contains(list, "Flat 1") {
		t.Error(list)
	}
	if shown := h.works("ledger", "show", "b7"); !strings.Contains(shown, "Rossi Immobili > Building 7") || !strings.Contains(shown, "no limit") {
		t.Errorf("during the Trial:\n%s", shown)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if code, _, stderr := h.command("", args...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("doorhub %v: exit %d, %s does not say %q", args, code, stderr, want)
		}
	}
	refused("there is one", "group", "add", "Rossi again", "--registration", "partner-4711")
	refused("", "group", "archive", "b7")
	refused("", "ledger", "show", "nowhere")
	code := seller.license(t, license.Token{Scope: license.ScopeGroup, Label: "Plus 50", Term: license.Term{Years: 1}, Grants: []license.Grant{{Feature: "apps", Count: 20}, {Feature: "sip_numbers", Count: 50}}})
	file := filepath.Join(t.TempDir(), "package.txt")
	if err := os.WriteFile(file, []byte(code+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := h.works("package", "add", file, "--group", "rossi"); !strings.Contains(said, "50 SIP numbers") {
		t.Error(said)
	}
	refused("not for a group", "package", "add", seller.monitored(t), "--group", "rossi")
	var before []string
	commands := [][]string{{"package", "list"}, {"group", "list", "--json"}, {"ledger", "export"}, {"ledger", "usage"}, {"ledger", "verify"}, {"ledger", "usage", "rossi", "--format", "jsonl"}}
	for _, args := range commands {
		before = append(before, h.works(args...))
	}
	if !strings.Contains(before[0], "Plus 50") || !strings.HasPrefix(before[3], "group,path,sip_numbers,") || strings.Count(before[3], "\n") != 4 {
		t.Errorf("%q", before)
	}
	h.stop()
	for i, args := range commands {
		if after := h.works(args...); after != before[i] {
			t.Errorf("doorhub %s said\n%s\nand after the hub was stopped\n%s", strings.Join(args, " "), before[i], after)
		}
	}
	var list struct{ Packages []struct{ ID string } }
	if err := json.Unmarshal([]byte(h.works("package", "list", "--json")), &list); err != nil || len(list.Packages) != 1 {
		t.Fatal(list, err)
	}
	h.works("package", "undo", list.Packages[0].ID)
	if said := h.works("package", "list", "--group", "rossi"); !strings.Contains(said, "given back") {
		t.Error(said)
	}
}
