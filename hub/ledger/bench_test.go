package ledger_test

import (
	"fmt"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// forest is a tree of so many groups whose lowest groups are depth groups below each other; each restricted, with room for all.
func forest(b *testing.B, groups, depth int) (w *world, lowest string) {
	w = newWorld(b)
	levels := make([]ledger.Level, depth)
	for i := range levels {
		levels[i] = ledger.Level{ID: fmt.Sprint("l", i), Name: fmt.Sprint("Level ", i)}
	}
	plenty := limits(block("b", pairs(1_000_000, 1_000_000)))
	w.do(ledger.CreateGroup{Group: ledger.Group{ID: "root", Name: "root", Levels: levels, Limits: plenty}})
	made := 1
	var row []string
	for branch := 0; made < groups; branch++ {
		parent := "root"
		for i := 1; i < depth && made < groups; i++ {
			id := fmt.Sprintf("g%d-%d", branch, i)
			w.do(ledger.CreateGroup{Group: ledger.Group{ID: id, Parent: parent, Name: id, Level: levels[i].ID, Limits: plenty}})
			parent, made = id, made+1
		}
		row = append(row, parent)
	}
	return w, row[len(row)/2]
}

func BenchmarkLimitCheck(b *testing.B) {
	for _, groups := range []int{1_000, 100_000} {
		for _, depth := range []int{5, 10} {
			w, lowest := forest(b, groups, depth)
			b.Run(fmt.Sprintf("groups=%d/depth=%d", groups, depth), func(b *testing.B) {
				w.book.reads = 0
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := ledger.Decide(w.book, ledger.Request{At: w.now}, ledger.Consume{ID: "x", Group: lowest}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(w.book.reads)/float64(b.N), "groups/op")
			})
		}
	}
}

func BenchmarkOfARootOf100000Groups(b *testing.B) {
	w, _ := forest(b, 100_000, 5)
	b.Run("save", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			change := ledger.SaveLicenses{Above: true, Group: "root", Limits: limits(block("b", pairs(1_000_000+i%2, 1_000_000)))}
			if _, err := ledger.Decide(w.book, ledger.Request{At: w.now}, change); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			if _, err := ledger.StateOf(w.book, w.now, ledger.Subject{Group: "root"}, everyone); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("expiry with 10,000 uses of which half are suspended", func(b *testing.B) {
		n := 0
		for branch := 0; n < 10_000; branch++ {
			w.do(ledger.Consume{ID: fmt.Sprint("u", n), Group: fmt.Sprintf("g%d-4", branch)})
			n++
		}
		w.do(ledger.ActivatePackage{Root: "root", ID: packageID(1), Grant: grants(5_000, 0)})
		blocks := w.state("root").Blocks
		blocks[0].Until = w.now.AddDate(0, 0, 1)
		w.do(ledger.SaveLicenses{Above: true, Group: "root", Limits: limits(blocks...)})
		for b.Loop() {
			if _, err := ledger.Decide(w.book, ledger.Request{At: w.now.AddDate(0, 0, 2)}, ledger.Tick{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
