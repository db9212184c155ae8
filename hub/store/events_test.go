package store

import (
	"errors"
	"runtime"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

func mustOpen(t *testing.T, dir string) *Store {
	t.Helper()
	s, _, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func plain(seq uint64) fleet.Received {
	return fleet.Received{Panel: "p", Event: telemetry.Event{Epoch: "aa", Seq: seq, Kind: "door.opened"}}
}

// TestLogThatMovedOnIsReadAgain has an entry in the log that the courses do not know of, as between a failed write and its
// notice.
func TestLogThatMovedOnIsReadAgain(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	if _, err := s.Append([]fleet.Received{plain(1)}); err != nil {
		t.Fatal(err)
	}
	second := plain(2)
	open, personal := encodeEvent(&second)
	done, err := s.events.journal.AppendRun(1, []storage.Entry{{Open: open, Personal: personal}})
	if err == nil {
		err = <-done
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Append([]fleet.Received{plain(2), plain(3)})
	if err != nil || out[0].Verdict != fleet.Duplicate || out[1].Verdict != fleet.Stored || out[1].Serial != 3 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestHeadsAreNotWrittenBeforeTheirEvents lets the heads be written while an event is on its way, and that event be lost.
func TestHeadsAreNotWrittenBeforeTheirEvents(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	if _, err := s.Append([]fleet.Received{plain(1)}); err != nil {
		t.Fatal(err)
	}
	l := s.events
	l.mu.Lock()
	l.courses["p"].advance(2, "p", position{epoch: "aa", seq: 2}, microTime(0))
	l.last, l.dirty["p"] = 2, true
	in := l.life
	l.mu.Unlock()
	saved := make(chan error, 1)
	go func() { saved <- l.saveHeads() }()
	for captured := false; !captured; runtime.Gosched() {
		l.mu.Lock()
		captured = len(l.dirty) == 0
		l.mu.Unlock()
	}
	cause := errors.New("the disk is gone")
	l.lost(in, cause)
	if err := <-saved; !errors.Is(err, cause) {
		t.Errorf("the heads were written: %v", err)
	}
	if c, _, err := l.heads.Get("p"); err != nil || c.Head.Seq > 1 {
		t.Errorf("the table shows entry %d (%v), which is not durable", c.Head.Seq, err)
	}
	if shown, _, err := l.counters.Get(headsCounter); err != nil || shown > 1 {
		t.Errorf("the table shows event %d (%v), which is not durable", shown, err)
	}
	if h, _, _ := s.Head("p"); h.Seq != 1 {
		t.Errorf("the head is entry %d", h.Seq)
	}
}
