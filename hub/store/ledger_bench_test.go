package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/store"
)

var benchDay = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func benchDecide(b *testing.B, s *store.Store, c ledger.Change) {
	b.Helper()
	if _, err := s.Decide(ledger.Request{At: benchDay, Who: "bench"}, c); err != nil {
		b.Fatal(err)
	}
}

// benchTree is a company with a chain of restricted groups of the given depth, and as many apartments beside it as make up the size.
func benchTree(b *testing.B, depth, size int) *store.Store {
	b.Helper()
	s := open(b, store.Options{Dir: b.TempDir()})
	limits := ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: ledger.SIPNumbers.Of(1_000_000)}}}
	levels := []ledger.Level{{ID: "company", Name: "Company"}}
	for i := range depth {
		levels = append(levels, ledger.Level{ID: fmt.Sprint("l", i), Name: fmt.Sprint("Level ", i)})
	}
	var batch []ledger.Change
	add := func(id, parent, level string) {
		batch = append(batch, ledger.CreateGroup{Group: ledger.Group{ID: id, Parent: parent, Name: id, Level: level, Limits: limits}})
		if len(batch) == ledger.MaxBatch {
			benchDecide(b, s, ledger.Batch{Changes: batch})
			batch = nil
		}
	}
	benchDecide(b, s, ledger.CreateGroup{Group: ledger.Group{ID: "root", Name: "root", Levels: levels, Level: "company", Limits: limits}})
	parent := "root"
	for i := 1; i < depth; i++ {
		add(fmt.Sprint("chain-", i), parent, fmt.Sprint("l", i-1))
		parent = fmt.Sprint("chain-", i)
	}
	for i := depth; i < size; i++ {
		house := fmt.Sprint("house-", i/200)
		if i%200 == 0 || i == depth {
			add(house, "root", "l0")
			continue
		}
		add(fmt.Sprint("flat-", i), house, "l1")
	}
	if len(batch) > 0 {
		benchDecide(b, s, ledger.Batch{Changes: batch})
	}
	return s
}

// BenchmarkLedger measures what grows with depth and what must not grow with size, over a real file.
func BenchmarkLedger(b *testing.B) {
	for _, size := range []int{1_000, 100_000} {
		for _, depth := range []int{5, 10} {
			s := benchTree(b, depth, size)
			leaf := fmt.Sprint("chain-", depth-1)
			name := func(what string) string { return fmt.Sprintf("%s/depth=%d/groups=%d", what, depth, size) }
			n := 0
			b.Run(name("consume"), func(b *testing.B) {
				for b.Loop() {
					n++
					benchDecide(b, s, ledger.Consume{ID: fmt.Sprint("use-", n), Group: leaf})
				}
			})
			b.Run(name("check"), func(b *testing.B) {
				for b.Loop() {
					err := s.Look(func(book ledger.Book) error {
						_, err := ledger.Decide(book, ledger.Request{At: benchDay, Who: "bench"}, ledger.Consume{ID: "one-more", Group: leaf})
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(name("save-at-root"), func(b *testing.B) {
				for b.Loop() {
					n++
					limits := ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: ledger.SIPNumbers.Of(1_000_000 + n)}}}
					benchDecide(b, s, ledger.SaveLicenses{Above: true, Group: "root", Limits: limits})
				}
			})
			b.Run(name("state-of-root"), func(b *testing.B) {
				for b.Loop() {
					err := s.Look(func(book ledger.Book) error {
						_, err := ledger.StateOf(book, benchDay, ledger.Subject{Group: "root"}, ledger.Asker{All: true})
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
