package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
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
	h.works("group", "add", "Later", "--id", "later")
	refused("this partner had the Trial", "package", "trial", "later", "--registration", "partner-4711")
	refused("no company", "package", "trial", "b7", "--registration", "partner-4712")
	if said := h.works("package", "trial", "later", "--registration", "partner-4712"); !strings.Contains(said, "has begun") {
		t.Error(said)
	}
	if shown := h.works("ledger", "show", "later"); !strings.Contains(shown, "trial") {
		t.Errorf("a later Trial:\n%s", shown)
	}
	if said := h.works("package", "trial", "later", "--registration", "partner-4712"); !strings.Contains(said, "it was so already") {
		t.Errorf("a Trial begun twice: %s", said)
	}
	ada := h.tree().person("f1", "Ada")
	seat := seller.license(t, license.Token{Scope: license.ScopeAccount, Label: "Remote App", Grants: []license.Grant{{Feature: license.AppRemote, Count: 1}}})
	if said := h.works("package", "add", seat, "--group", "later"); !strings.Contains(said, "waits for an account") {
		t.Error(said)
	}
	var known struct{ Packages []ledger.Package }
	if err := json.Unmarshal([]byte(h.works("package", "list", "--group", "later", "--json")), &known); err != nil || len(known.Packages) != 1 {
		t.Fatal(known, err)
	}
	id := known.Packages[0].ID
	refused("another company", "package", "assign", id, ada)
	h.works("package", "undo", id)
	h.works("package", "add", seat, "--group", "rossi")
	h.works("package", "assign", id, ada)
	if said := h.works("package", "list", "--group", "rossi"); !strings.Contains(said, "of user "+ada) {
		t.Error(said)
	}
	h.works("package", "assign", id, "--wait")
	h.works("package", "undo", id)
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
	if !strings.Contains(before[0], "Plus 50") || !strings.HasPrefix(before[3], "group,path,sip_numbers_used,") || strings.Count(before[3], "\n") != 5 {
		t.Errorf("%q", before)
	}
	h.stop()
	for i, args := range commands {
		if after := h.works(args...); after != before[i] {
			t.Errorf("doorhub %s said\n%s\nand after the hub was stopped\n%s", strings.Join(args, " "), before[i], after)
		}
	}
	var list struct{ Packages []struct{ ID string } }
	if err := json.Unmarshal([]byte(h.works("package", "list", "--json")), &list); err != nil || len(list.Packages) != 2 {
		t.Fatal(list, err)
	}
	for _, one := range list.Packages {
		if one.ID != id {
			h.works("package", "undo", one.ID)
		}
	}
	if said := h.works("package", "list", "--group", "rossi"); !strings.Contains(said, "given back") {
		t.Error(said)
	}
}
