package main

import (
	"context"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel/outbox"
	"github.com/doorpanel/doorpanel/storage"
)

func TestTheSameSeedGivesTheSameLife(t *testing.T) {
	life := func(seed uint64, panel int) (list []any) {
		h := newHabits(seed, panel)
		for range 50 {
			after, steps := h.next(6)
			list = append(list, after, steps)
		}
		return list
	}
	if !reflect.DeepEqual(life(1, 4), life(1, 4)) {
		t.Error("the same seed gave two lives")
	}
	if reflect.DeepEqual(life(1, 4), life(1, 5)) || reflect.DeepEqual(life(1, 4), life(2, 4)) {
		t.Error("another panel, or another seed, gave the same life")
	}
}

func TestADayIsAsBusyAsItsAverage(t *testing.T) {
	sum, quietest := 0.0, math.Inf(1)
	for minute := range 24 * 60 {
		b := busy(time.Date(2026, 3, 1, 0, minute, 0, 0, time.UTC))
		sum += b / (24 * 60)
		quietest = min(quietest, b)
	}
	if math.Abs(sum-1) > .05 || quietest <= 0 || quietest > .2 {
		t.Errorf("on average %.3f, at night %.3f", sum, quietest)
	}
}

func newLoneCore(t *testing.T) (*fleet, *core) {
	t.Helper()
	f, err := newFleet(setup{panels: 1, sites: 1, dir: t.TempDir(), seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return f, f.cores[0]
}

// TestThePastIsLivedByARealPanel also holds the rate: an average visit leaves as many entries as the table says.
func TestThePastIsLivedByARealPanel(t *testing.T) {
	f, c := newLoneCore(t)
	begin := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	const entries, span = 3000, 72 * time.Hour
	h := f.habits[0]
	if err := c.livePast(context.Background(), h, begin, span, entries); err != nil {
		t.Fatal(err)
	}
	journal, _, err := storage.OpenJournal(storage.JournalOptions{Dir: c.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	n := int(journal.Durable())
	if n < entries || n > entries+20 {
		t.Errorf("%d entries, want %d", n, entries)
	}
	kinds := map[string]int{}
	var last time.Time
	all, err := journal.Read(0, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range all {
		e := outbox.EventOf(frame)
		kinds[e.Kind]++
		if e.Time.Before(last) || e.Time.Before(begin) || e.Time.After(begin.Add(span+10*time.Minute)) {
			t.Fatalf("entry %d is of %s, after one of %s", e.Seq, e.Time, last)
		}
		last = e.Time
	}
	if last.Before(begin.Add(span / 2)) {
		t.Errorf("the last entry is of %s", last)
	}
	for _, kind := range []string{"access.granted", "access.refused", "strike.on", "strike.off", "door.opened", "door.closed", "door.exit", "door.forced", "door.held", "call.failed"} {
		if kinds[kind] == 0 {
			t.Errorf("there is no %s among %v", kind, kinds)
		}
	}
	visits := kinds["access.granted"] + kinds["door.exit"] + kinds["access.refused"] + kinds["call.failed"] + kinds["door.forced"]
	if mean := float64(n) / float64(visits); math.Abs(mean-meanEntries()) > .25*meanEntries() {
		t.Errorf("a visit leaves %.2f entries, the table says %.2f: %v", mean, meanEntries(), kinds)
	}
}

func kindsOf(t *testing.T, c *core) (kinds []string) {
	t.Helper()
	journal, err := c.openJournal()
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	all, err := journal.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range all {
		kinds = append(kinds, outbox.EventOf(frame).Kind)
	}
	return kinds
}

func TestAPanelWithoutPowerWritesNothingMore(t *testing.T) {
	_, c := newLoneCore(t)
	for _, end := range []func(*core) error{(*core).stop, (*core).powerOff} {
		if err := c.boot(false); err != nil {
			t.Fatal(err)
		}
		if err := c.alive().agent.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := end(c); err != nil {
			t.Fatal(err)
		}
	}
	kinds := kindsOf(t, c)
	if want := []string{"system.started", "system.stopped", "system.started"}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
}
