package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// manyEvents are five whole blocks and a part of one, with what is common, what stands in one block alone, and what is rare.
func manyEvents() []fleet.Received {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	all := make([]fleet.Received, 0, 5*blockSize+700)
	for i := range cap(all) {
		block := i / blockSize
		e := telemetry.Event{Epoch: "aa", Seq: uint64(i + 1), Kind: "access.granted", Door: "front", Trusted: true, Time: at.Add(time.Duration(i) * time.Minute)}
		switch {
		case i%1000 == 7:
			e.Who, e.Kind = fmt.Sprintf("Élodie of block %d", block), "access.refused"
		case i == 2*blockSize+3:
			e.Kind, e.Door, e.Who = "door.forced", "cellar", "Xantippe"
		case i%3 == 0:
			e.Who = fmt.Sprintf("Person %d", i%50)
		}
		site := "north"
		if block == 3 {
			site = "south"
		}
		all = append(all, fleet.Received{Site: site, Panel: "p", At: e.Time, Event: e})
	}
	return all
}

func searchAll(t interface{ Fatal(...any) }, s *Store, q fleet.Query) (serials []uint64, calls int) {
	for q.Limit = 500; ; {
		found, next, err := s.Search(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found {
			serials = append(serials, r.Serial)
		}
		calls++
		if q.Before = next; next == 0 {
			return serials, calls
		}
	}
}

// TestSummariesHideNothing compares searches that pass over blocks with a look at every event.
func TestSummariesHideNothing(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	all := manyEvents()
	if _, err := s.Append(all); err != nil {
		t.Fatal(err)
	}
	s.events.summarize()
	some := func(options ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(options, "", "")) }
	rapid.Check(t, func(t *rapid.T) {
		q := fleet.Query{
			Site: some("north", "south", "west").Draw(t, "site"), Panel: some("p", "q").Draw(t, "panel"), Door: some("front", "cellar", "north").Draw(t, "door"),
			Kind: some("access.granted", "access.", "door.forced", "door.", "access", "call.placed").Draw(t, "kind"),
			Who:  some("xan", "XANTIPPE", "élodie", "ÉLODIE OF BLOCK 4", "lock 1", "Person 3", "n", "on", "nobody", "person 33 ").Draw(t, "who"),
		}
		if rapid.Bool().Draw(t, "from") {
			q.From = all[rapid.IntRange(0, len(all)-1).Draw(t, "first")].At
		}
		if rapid.Bool().Draw(t, "to") {
			q.To = all[rapid.IntRange(0, len(all)-1).Draw(t, "last")].At
		}
		var want []uint64
		for i := len(all) - 1; i >= 0; i-- {
			r := all[i]
			kind := q.Kind == "" || r.Event.Kind == q.Kind || strings.HasSuffix(q.Kind, ".") && strings.HasPrefix(r.Event.Kind, q.Kind)
			if kind && (q.Site == "" || q.Site == r.Site) && (q.Panel == "" || q.Panel == r.Panel) && (q.Door == "" || q.Door == r.Event.Door) &&
				strings.Contains(strings.ToLower(r.Event.Who), strings.ToLower(q.Who)) && !r.At.Before(q.From) && (q.To.IsZero() || r.At.Before(q.To)) {
				want = append(want, uint64(i+1))
			}
		}
		if got, _ := searchAll(t, s, q); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%+v finds %d events, want %d", q, len(got), len(want))
		}
	})
}

func TestASearchPassesOverBlocksThatCannotFit(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	if _, err := s.Append(manyEvents()); err != nil {
		t.Fatal(err)
	}
	s.events.summarize()
	for _, c := range []struct {
		q    fleet.Query
		left []uint64 // blocks that are to be looked at
	}{
		{fleet.Query{Kind: "door.forced"}, []uint64{2}},
		{fleet.Query{Kind: "door."}, []uint64{2}},
		{fleet.Query{Kind: "call.placed"}, nil},
		{fleet.Query{Door: "cellar"}, []uint64{2}},
		{fleet.Query{Site: "south"}, []uint64{3}},
		{fleet.Query{Site: "north", Panel: "q"}, nil},
		{fleet.Query{Who: "xantippe"}, []uint64{2}},
		{fleet.Query{Who: "block 4"}, []uint64{4}},
		{fleet.Query{Who: "on"}, []uint64{0, 1, 2, 3, 4}},
		{fleet.Query{}, []uint64{0, 1, 2, 3, 4}},
	} {
		f := newFilter(c.q)
		var left []uint64
		for block := range uint64(5) {
			if !s.events.summaries.passes(block, &f) {
				left = append(left, block)
			}
		}
		if fmt.Sprint(left) != fmt.Sprint(c.left) {
			t.Errorf("%+v looks at blocks %v, want %v", c.q, left, c.left)
		}
	}
	// What is not whole yet is always looked at.
	f := newFilter(fleet.Query{Kind: "call.placed"})
	if s.events.summaries.passes(5, &f) {
		t.Error("a block that may grow is passed over")
	}
}

// Where the search of somebody who may not see everything stops must not tell who else is in a block.
func TestABlockCountsTheSameWhoeverElseIsInIt(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	if _, err := s.Append(manyEvents()); err != nil {
		t.Fatal(err)
	}
	s.events.summarize()
	for _, c := range []struct {
		q    fleet.Query
		want []uint64
	}{
		{fleet.Query{Who: "xantippe"}, []uint64{blockSize, blockSize, blockSize, blockSize}},
		{fleet.Query{Who: "nobody", Kind: "door."}, []uint64{blockSize, blockSize, blockSize, blockSize}},
		{fleet.Query{Site: "south", Who: "xantippe"}, []uint64{1, 1, 1, blockSize}},
	} {
		f := newFilter(c.q)
		for block, want := range c.want {
			if got := s.events.costOf(uint64(block), blockSize, &f); got != want {
				t.Errorf("%+v: block %d counts %d, want %d", c.q, block, got, want)
			}
		}
	}
}

func TestNothingOfAnErasedPersonStaysInASummary(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	if _, err := s.Append(manyEvents()); err != nil {
		t.Fatal(err)
	}
	s.events.summarize()
	f := newFilter(fleet.Query{Who: "xantippe"})
	_, begun := s.events.summaries.state(2)
	late := &summary{}
	if s.events.summaries.passes(2, &f) {
		t.Fatal("the person is not in the summary before")
	}
	if n, err := s.Erase(t.Context(), "Xantippe"); n != 1 || err != nil {
		t.Fatalf("%d erased, %v", n, err)
	}
	// One that was begun before the erasing holds the name, and is not kept after it.
	s.events.summaries.keep(2, late, begun)
	if known, _ := s.events.summaries.state(2); known {
		t.Error("a summary from before the erasing is kept")
	}
	s.events.summarize()
	for block := range uint64(5) {
		if known, _ := s.events.summaries.state(block); !known {
			t.Errorf("block %d is not summarized again", block)
		}
		for i := 0; i+gram <= len(f.who); i++ {
			one := newFilter(fleet.Query{Who: f.who[i : i+gram]})
			if !s.events.summaries.passes(block, &one) && f.who[i:i+gram] != "per" {
				t.Errorf("%q of the name is in the summary of block %d", one.who, block)
			}
		}
	}
	if found, _ := searchAll(t, s, fleet.Query{Kind: "door.forced"}); len(found) != 1 {
		t.Errorf("the event itself is found %d times", len(found))
	}
}
