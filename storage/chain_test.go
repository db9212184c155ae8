package storage

import (
	"os"
	"testing"
)

// wantLinked holds that every frame says the chain before it and after it, or nothing where damage hides it.
func wantLinked(t *testing.T, j *Journal, frames []Frame, hidden int) {
	t.Helper()
	unknown := 0
	for i, f := range frames {
		if f.Chain == "" {
			unknown++
		}
		if f.Before == "" && f.Chain == "" || i > 0 && f.Before != frames[i-1].Chain {
			t.Fatalf("frame %d: before %q, chain %q, the one before ends with %q", f.Seq, f.Before, f.Chain, frames[max(i, 1)-1].Chain)
		}
	}
	if _, chain := j.Head(); frames[len(frames)-1].Chain != chain {
		t.Fatalf("the last chain is %q, the head's %q", frames[len(frames)-1].Chain, chain)
	}
	if unknown != hidden {
		t.Fatalf("%d chains are hidden, want %d", unknown, hidden)
	}
}

func TestReadersSeeTheChainFromAnywhere(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 16 << 10})
	defer mustClose(t, j)
	fillJournal(t, j, 700)
	all, err := j.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	wantLinked(t, j, all, 0)
	if len(j.segs) < 3 {
		t.Fatalf("only %d segments", len(j.segs))
	}
	for after := range 700 {
		some, err := j.Read(uint64(after), 2)
		if err != nil || some[0].Before != all[after].Before || some[0].Chain != all[after].Chain {
			t.Fatalf("after %d: %+v, want %+v, %v", after, some[0], all[after], err)
		}
	}
	if _, err := j.Erase(func(_, personal []byte) bool { return len(personal) > 0 }); err != nil {
		t.Fatal(err)
	}
	erased, err := j.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range erased {
		if f.Before != all[i].Before || f.Chain != all[i].Chain {
			t.Fatalf("%+v: an erasure changed the chain", f)
		}
	}
}

func TestTheChainGoesOnBehindAGap(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 4096, MaxBytes: 20 << 10})
	defer mustClose(t, j)
	fillJournal(t, j, 300)
	frames, err := j.Read(5, 1000)
	if err != nil || frames[0].Gap == nil || frames[0].Chain == "" || frames[0].Chain != frames[1].Before {
		t.Fatalf("%+v %v", frames[:2], err)
	}
	wantLinked(t, j, frames, 0)

	damaged, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 1 << 20})
	defer mustClose(t, damaged)
	fillJournal(t, damaged, 300)
	f, err := os.OpenFile(damaged.segs[0].path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damage"), 20_000); err != nil {
		t.Fatal(err)
	}
	frames, err = damaged.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	wantLinked(t, damaged, frames, 1)
}
