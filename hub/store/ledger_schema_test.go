package store_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/store"
)

// oldestLedgerFixture is the first schema of which there is a ledger; schema 1 had none.
const oldestLedgerFixture = 2

func ledgerPanel(letter string) string { return strings.Repeat(letter, 26) }

// fillLedger makes a ledger in which every table and index has something. What a later schema adds is added here too, and the older
// fixtures stay as they are.
func fillLedger(t *testing.T, s *store.Store) {
	t.Helper()
	ends := ledgerDay.AddDate(0, 3, 0)
	limits := ledger.Limits{Restricted: true, Blocks: []ledger.Block{{
		ID: "b", Counts: both(6, 4), Features: []string{"guests"}, Until: ends, Reminder: &ledger.Reminder{Days: 30, Every: ledger.Weekly},
	}}}
	var pack ledger.ActivatePackage
	text := `{"root":"acme","id":"00000000000000000000000000000007","label":"Plus","term":{"years":1},"grants":[{"feature":"apps","count":5},{"feature":"sip_numbers","count":8},{"feature":"guests","count":1}]}`
	if err := json.Unmarshal([]byte(text), &pack); err != nil {
		t.Fatal(err)
	}
	seat := ledger.ActivatePackage{Root: "acme", ID: fmt.Sprintf("%032x", 8), Account: true, User: "ada"}
	if err := json.Unmarshal([]byte(`{"grants":[{"feature":"app_remote","count":1}]}`), &seat); err != nil {
		t.Fatal(err)
	}
	at := ledgerDay
	for _, change := range []ledger.Change{
		ledger.CreateGroup{Group: ledger.Group{ID: "acme", Name: "Acme", Zone: "Europe/Rome", Administrators: []string{"ines@example.org"}, Manager: "Ines"}},
		ledger.CreateGroup{Group: ledger.Group{ID: "house", Parent: "acme", Name: "House", Level: "building", Limits: limits}},
		ledger.CreateGroup{Group: ledger.Group{ID: "flat", Parent: "house", Name: "Flat", Level: "apartments"}},
		ledger.CreateGroup{Group: ledger.Group{ID: "left", Parent: "house", Name: "Left", Level: "apartments"}},
		ledger.ArchiveGroup{ID: "left"},
		ledger.StartTrial{Root: "acme", Registration: "partner 7"},
		pack,
		ledger.AddUser{User: ledger.User{ID: "ada", Name: "Ada", Mail: "ada@example.org", Groups: []string{"flat"}, Limits: ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "own", Counts: both(2, 2), Until: ends}}}}},
		ledger.RegisterDevice{ID: ledgerPanel("a"), Group: "house"},
		ledger.ReplaceDevice{Dead: ledgerPanel("a"), Fresh: ledgerPanel("b")},
		ledger.Consume{ID: "seat", User: "ada", Resource: ledger.Apps, Label: "telephone"},
		ledger.Consume{ID: "desk", Group: "house", Label: "1001"},
		ledger.Consume{ID: "keys", Group: "house", Panel: ledgerPanel("b")},
		ledger.Pin{Use: "desk", On: true},
		ledger.AskReplacement{Dead: ledgerPanel("b"), Fresh: ledgerPanel("c")},
		seat,
		ledger.ClaimLicense{License: fmt.Sprintf("%032x", 9), Panel: ledgerPanel("b"), Began: ledgerDay, Offline: true},
	} {
		at = at.Add(time.Hour)
		if _, err := s.Decide(ledger.Request{At: at, Who: "anna"}, change); err != nil {
			t.Fatalf("%s: %v", change.What(), err)
		}
	}
	// A month later something changes, so that a month is put away.
	if _, err := s.Decide(ledger.Request{At: ledgerDay.AddDate(0, 1, 0), Who: "anna"}, ledger.Consume{ID: "april", Group: "flat"}); err != nil {
		t.Fatal(err)
	}
}

func both(numbers, apps int) ledger.Amounts {
	a := ledger.SIPNumbers.Of(numbers)
	a[ledger.Apps] = apps
	return a
}

// ledgerContents is what the ledger says, in words, whatever its layout.
func ledgerContents(t *testing.T, s *store.Store) string {
	t.Helper()
	var b strings.Builder
	put := func(name string, v any, err error) {
		t.Helper()
		text, jsonErr := json.Marshal(v)
		if err := errors.Join(err, jsonErr); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fmt.Fprintf(&b, "%s %s\n", name, text)
	}
	err := s.Look(func(book ledger.Book) error {
		for _, g := range []string{"acme", "house", "flat", "left"} {
			one, _, err := book.Group(g)
			put("group", []any{one.ID, one.Parent, one.Root, one.Name, one.Level, one.Zone, one.Limits, one.Administrators, one.Manager, one.Levels, one.LevelUse, one.Archived, one.Made, one.Count}, err)
			state, err := ledger.StateOf(book, ledgerDay.AddDate(0, 0, 2), ledger.Subject{Group: g}, ledger.Asker{All: true})
			for _, line := range state.Lines {
				put("  "+line.Name, []any{line.On, line.Until, line.Own, line.Maximum, line.Used, line.Active, line.Available, line.Text}, err)
			}
			for u, err := range book.UsersIn(g, "") {
				put("  user", []any{u.ID, u.Root, u.Name, u.Mail, u.Groups, u.Limits, u.Made, u.Count}, err)
				for use, err := range book.UsesOf(u.ID) {
					put("  his", use.ID, err)
				}
			}
			for u, err := range book.UsesIn(g, "") {
				put("  use", u, err)
			}
			for d, err := range book.DevicesIn(g, "") {
				put("  panel", []any{d.ID, d.Root, d.Group, d.Registered, d.Replaces, d.ReplacedBy, d.Forced}, err)
				for use, err := range book.UsesOn(d.ID) {
					put("  on it", use.ID, err)
				}
			}
			for child, err := range book.Children(g, "") {
				put("  below", child.ID, err)
			}
		}
		pack, _, err := book.Package(fmt.Sprintf("%032x", 7))
		put("package", []any{pack.ID, pack.Root, pack.Label, pack.Grants, pack.From, pack.Until, pack.Activated}, err)
		trial, _, err := book.Trial("partner 7")
		put("trial", trial, err)
		claim, _, err := book.Claim(fmt.Sprintf("%032x", 9))
		put("claim", claim, err)
		for _, kind := range []ledger.EdgeKind{ledger.WindowEdge, ledger.ReminderEdge} {
			for e, err := range book.Edges(kind, time.Time{}, time.Time{}) {
				put("edge", e, err)
			}
		}
		for _, month := range []string{"2026-02", "2026-03", "2026-04"} {
			for row, err := range ledger.Usage(book, "acme", month, ledgerDay.AddDate(0, 1, 2)) {
				put("used in "+month, []any{row.Group, row.Measured, row.Peak, row.Average, row.Final}, err)
			}
		}
		for ask, err := range book.Asks("acme", "") {
			put("asked", ask, err)
		}
		for p, err := range book.AccountPackages("acme", "") {
			put("of an account", p, err)
		}
		mark, err := book.Mark()
		put("mark", mark, err)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.EntriesAfter(0, 1000)
	put("entries", entries, err)
	whole, err := s.VerifyLedger(t.Context())
	put("entries that are whole", whole, err)
	named, _, err := s.FindGroups("acme", "ho", "", 10)
	put("found by name", len(named), err)
	return b.String()
}

// TestTheLedgerOfEverySchemaIsRead walks the fixtures of the ledger, that of the present schema among them, and goes on with each.
func TestTheLedgerOfEverySchemaIsRead(t *testing.T) {
	for schema := oldestLedgerFixture; schema <= store.Schema; schema++ {
		t.Run(fmt.Sprint("schema ", schema), func(t *testing.T) {
			name := filepath.Join("testdata", fmt.Sprintf("ledger-%d", schema))
			if *writeFixture && schema == store.Schema {
				s := open(t, store.Options{Dir: t.TempDir()})
				fillLedger(t, s)
				saveAs(t, s, name, ledgerContents(t, s))
			}
			s := openFixture(t, name)
			want, err := os.ReadFile(name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if got := ledgerContents(t, s); got != string(want) {
				t.Errorf("it says\n%s\nnot\n%s", got, want)
			}
			if _, err := s.Decide(ledger.Request{At: ledgerDay.AddDate(0, 1, 2), Who: "anna"}, ledger.Consume{ID: "more", Group: "flat"}); err != nil {
				t.Errorf("it does not go on: %v", err)
			}
			if _, err := s.VerifyLedger(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// openFixture opens a store as a backup has it.
func openFixture(t *testing.T, name string) *store.Store {
	t.Helper()
	f, err := os.Open(name + ".tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	restore(t, archive, dir)
	return open(t, store.Options{Dir: dir})
}

// saveAs writes a store and what is said of it.
func saveAs(t *testing.T, s *store.Store, name, said string) {
	t.Helper()
	var b bytes.Buffer
	packed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(packed)
	if err := errors.Join(s.Backup(archive, "", fixtureDay), archive.Close(), packed.Close(), os.MkdirAll("testdata", 0o755),
		os.WriteFile(name+".tar.gz", b.Bytes(), 0o644), os.WriteFile(name+".txt", []byte(said), 0o644)); err != nil {
		t.Fatal(err)
	}
}
