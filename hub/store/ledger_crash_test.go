package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/store"
)

const ledgerChildDir = "DOORPANEL_LEDGER_TEST_DIR"

var ledgerDay = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// TestLedgerChildThatIsKilled is not a test: it is the process that TestALedgerKilledAtAnyInstantIsWhole kills. Several users of one
// group take numbers and give them back, and stdout says what was promised.
func TestLedgerChildThatIsKilled(t *testing.T) {
	dir := os.Getenv(ledgerChildDir)
	if dir == "" {
		return
	}
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("use-%d-%d-%d", worker, os.Getpid(), i)
				_, err := s.Decide(ledger.Request{At: ledgerDay, Who: "child"}, ledger.Consume{ID: id, Group: "flat"})
				var refusal *ledger.Refusal
				switch {
				case err == nil:
					say("took", id)
				case errors.As(err, &refusal) && refusal.Reason == ledger.LimitReached:
					say("full")
				default:
					say("error", err)
					return
				}
				if i%2 == 1 && err == nil {
					say("giving", id)
					if _, err := s.Decide(ledger.Request{At: ledgerDay, Who: "child"}, ledger.Release{Use: id}); err != nil {
						say("error", err)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

func TestALedgerKilledAtAnyInstantIsWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	limits := ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: ledger.SIPNumbers.Of(150)}}}
	for _, g := range []ledger.Group{{ID: "company", Name: "Company", Limits: limits}, {ID: "flat", Parent: "company", Name: "Flat", Level: "apartments"}} {
		if _, err := s.Decide(ledger.Request{At: ledgerDay, Who: "anna"}, ledger.CreateGroup{Group: g}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{} // promised to be there, in all rounds
	for round := range 8 {
		runUntilKilled(t, dir, held)
		s, notes := opened(t, store.Options{Dir: dir})
		for _, note := range notes {
			t.Errorf("round %d: %+v", round, note)
		}
		wholeLedger(t, s, held)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func runUntilKilled(t *testing.T, dir string, held map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLedgerChildThatIsKilled$")
	cmd.Env = append(os.Environ(), ledgerChildDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n, last := 0, 1+rand.IntN(60); lines.Scan(); {
		word, id, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "error":
			t.Fatal(lines.Text())
		case "took":
			held[id] = true
		case "giving": // from here on it may be there or not
			delete(held, id)
		}
		if n++; n == last {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

// wholeLedger fails unless the chain is whole, what was promised is there, and the counters are what the uses add up to.
func wholeLedger(t *testing.T, s *store.Store, held map[string]bool) {
	t.Helper()
	if _, err := s.VerifyLedger(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.Look(func(book ledger.Book) error {
		for id := range held {
			if _, known, err := book.Use(id); err != nil || !known {
				t.Errorf("%s was promised and is not there: %v", id, err)
			}
		}
		sum := 0
		for u, err := range book.UsesIn("flat", "") {
			if err != nil {
				return err
			}
			sum += u.Count
		}
		for _, id := range []string{"flat", "company"} {
			g, _, err := book.Group(id)
			if err != nil || g.Count.Used[ledger.SIPNumbers] != sum || sum > 150 {
				t.Errorf("%s counts %d, there are %d: %v", id, g.Count.Used[ledger.SIPNumbers], sum, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamagedRecordsOfTheLedgerAreSetAsideAndNamed flips a byte in one record of each kind: the ledger goes on without it.
func TestDamagedRecordsOfTheLedgerAreSetAsideAndNamed(t *testing.T) {
	for _, c := range []struct{ table, key string }{
		{"ledger_uses", "x"}, {"ledger_mark", "mark"}, {"ledger_groups", "flat"}, {"ledger_entries", fmt.Sprintf("%016x", 2)}, {"ledger_uses_by_group", "flat\x00x"},
	} {
		t.Run(c.table, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, store.Options{Dir: dir})
			limits := ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: ledger.SIPNumbers.Of(3)}}}
			for _, change := range []ledger.Change{
				ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "Company", Limits: limits}},
				ledger.CreateGroup{Group: ledger.Group{ID: "flat", Parent: "company", Name: "Flat", Level: "apartments"}},
				ledger.Consume{ID: "x", Group: "flat"},
			} {
				if _, err := s.Decide(ledger.Request{At: ledgerDay, Who: "anna"}, change); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			spoil(t, dir, c.table, c.key)
			s, notes := opened(t, store.Options{Dir: dir})
			if len(notes) != 1 || notes[0].Table != c.table || notes[0].Key != c.key || notes[0].File == "" {
				t.Errorf("notes %+v", notes)
			}
			if _, err := s.Decide(ledger.Request{At: ledgerDay, Who: "anna"}, ledger.Consume{ID: "y", Group: "company"}); err != nil {
				t.Errorf("it does not go on: %v", err)
			}
			if _, err := s.Decide(ledger.Request{At: ledgerDay.AddDate(0, 0, 1), Who: "hub"}, ledger.Tick{}); err != nil {
				t.Errorf("time does not pass: %v", err)
			}
			if _, err := s.VerifyLedger(t.Context()); (err != nil) != (c.table == "ledger_entries") {
				t.Errorf("the check says %v", err)
			}
		})
	}
}

// spoil changes a byte of a record's checksum behind the store's back, as a disk does that forgets.
func spoil(t *testing.T, dir, table, key string) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "store.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(table))
		stored := slices.Clone(b.Get([]byte(key)))
		stored[0] ^= 1
		return b.Put([]byte(key), stored)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
