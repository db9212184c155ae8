package main

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/store"
)

// heldLedger is a ledger that knows whether somebody holds it, and whose list of groups can break off.
type heldLedger struct {
	*store.Store
	held   bool
	breaks error
}

type breakingBook struct {
	ledger.Book
	err error
}

func (w *heldLedger) Look(see func(ledger.Book) error) error {
	w.held = true
	defer func() { w.held = false }()
	return w.Store.Look(func(book ledger.Book) error { return see(breakingBook{book, w.breaks}) })
}

func (b breakingBook) Children(parent, after string) iter.Seq2[ledger.Group, error] {
	return func(yield func(ledger.Group, error) bool) {
		for g, err := range b.Book.Children(parent, after) {
			if !yield(g, err) {
				return
			}
		}
		if b.err != nil && parent != "" {
			yield(ledger.Group{}, b.err)
		}
	}
}

// pieceReader takes an answer, at each piece of which something may be wrong.
type pieceReader struct {
	*httptest.ResponseRecorder
	piece func() error
}

func (r pieceReader) Write(b []byte) (int, error) {
	if err := r.piece(); err != nil {
		return 0, err
	}
	return r.ResponseRecorder.Write(b)
}

func ledgerHouse(t *testing.T) (*house, *heldLedger) {
	t.Helper()
	dir := t.TempDir()
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &heldLedger{Store: s}
	l, err := hub.NewLedger(hub.LedgerOptions{Store: w, Leases: s})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []ledger.Group{{ID: "one", Name: "One"}, {ID: "two", Name: "Two"}, {ID: "below", Parent: "one", Name: "Below", Level: "building"}} {
		if _, err := l.Decide(ledger.Request{At: time.Now()}, ledger.CreateGroup{Group: g}); err != nil {
			t.Fatal(err)
		}
	}
	return &house{config: configs.Hub{Data: dir}, log: slog.New(slog.DiscardHandler), store: s, ledger: l}, w
}

// answered is what a handler does: its status, what it wrote, and whether it cut the connection.
func answered(h *house, path string, piece func() error) (status int, body string, cut bool) {
	r := httptest.NewRecorder()
	defer func() {
		if thrown := recover(); thrown != nil {
			if err, ok := thrown.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(thrown)
			}
			status, body, cut = r.Code, r.Body.String(), true
		}
	}()
	h.localLedger().ServeHTTP(pieceReader{r, piece}, httptest.NewRequest("GET", localPrefix+path, nil))
	return r.Code, r.Body.String(), false
}

func TestNobodyHoldsTheLedgerByReadingABillSlowly(t *testing.T) {
	h, w := ledgerHouse(t)
	for _, format := range []string{"csv", "jsonl"} {
		status, body, cut := answered(h, "usage?format="+format, func() error {
			if w.held {
				return errors.New("the ledger is held while the answer is sent")
			}
			return nil
		})
		if status != http.StatusOK || cut || !strings.Contains(body, "Below") || strings.Count(body, "\n") < 3 {
			t.Errorf("%s: %d, cut off %v: %s", format, status, cut, body)
		}
	}
}

func TestAPartOfABillOrAnExportIsNeverTakenForTheWhole(t *testing.T) {
	h, w := ledgerHouse(t)
	for _, path := range []string{"usage?format=csv", "usage?format=jsonl", "export"} {
		pieces := 0
		_, body, cut := answered(h, path, func() error {
			if pieces++; pieces == 1 {
				return errors.New("the connection broke")
			}
			return nil
		})
		if !cut || strings.Contains(body, "status") {
			t.Errorf("%s goes on after a write that failed: cut off %v, %s", path, cut, body)
		}
	}
	w.breaks = fmt.Errorf("cannot read group: %w", errors.New("disk"))
	for _, format := range []string{"csv", "jsonl"} {
		if status, body, _ := answered(h, "usage?format="+format, func() error { return nil }); status != http.StatusInternalServerError || !strings.Contains(body, "cannot read group") || strings.Contains(body, "One") {
			t.Errorf("%s that cannot be read to its end: %d %s", format, status, body)
		}
	}
}
