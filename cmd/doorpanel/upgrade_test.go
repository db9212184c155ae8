package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// The store in testdata/schema-1 was written by the version before: licenses were kept with the time of their activation, which
// nobody had signed. It holds ten buttons, three more whose dealer's license was revoked, a seat that waits for an account,
// access control for a hundred years, and Anna.
func TestAStoreOfTheVersionBeforeKeepsItsLicenses(t *testing.T) {
	t.Parallel()
	line, err := os.ReadFile(filepath.Join("testdata", "schema-1", "root.txt"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := envelope.ParseKey(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	store, err := os.ReadFile(filepath.Join("testdata", "schema-1", "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(storeFile(data), store, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, setting{roots: signer{pub: root}.roots()}, dir, data)
	for _, when := range []string{"at the first start", "after a kill", "after the store was lost"} {
		var list struct {
			Licenses []struct{ Label, Status, Activated, Until string }
		}
		p.must(http.StatusOK, "GET", "/licenses", nil).into(t, &list)
		want := map[string]string{"Villa Rosa": "active", "Of North": "revoked", "Seat": "waiting", "Century": "active"}
		for _, l := range list.Licenses {
			if want[l.Label] != l.Status || !strings.HasPrefix(l.Activated, "2026-11-22T00:07:") {
				t.Errorf("%s: %+v", when, l)
			}
			delete(want, l.Label)
		}
		if len(want) > 0 {
			t.Errorf("%s, %v are gone", when, want)
		}
		if got := p.buttons(); got != 11 {
			t.Errorf("%s, %d buttons are usable, want 11", when, got)
		}
		if when == "at the first start" {
			if people := string(p.must(http.StatusOK, "GET", "/people", nil).body); !strings.Contains(people, "Anna") {
				t.Errorf("Anna is gone: %s", people)
			}
			p.kill()
		} else {
			p.stop()
			for _, suffix := range []string{"", ".copy", ".copy.older"} {
				if err := os.RemoveAll(storeFile(data) + suffix); err != nil {
					t.Fatal(err)
				}
			}
		}
		p = p.restart()
	}
	p.waitEntry("license.restored", "")
}
