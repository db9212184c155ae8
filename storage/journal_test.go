package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func mustOpen(t tb, o JournalOptions) (*Journal, []Note) {
	t.Helper()
	j, notes, err := OpenJournal(o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return j, notes
}

func mustClose(t tb, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// settled waits for the answer to an Append.
func settled(t tb, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("no answer to an Append")
		return nil
	}
}

func mustAppend(t tb, j *Journal, open, personal string) uint64 {
	t.Helper()
	seq, done, err := j.Append([]byte(open), []byte(personal))
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if err := settled(t, done); err != nil {
		t.Fatalf("append %d: %v", seq, err)
	}
	return seq
}

func openPart(n uint64) string     { return fmt.Sprintf(`{"kind":"granted","door":"front","n":%d}`, n) }
func personalPart(n uint64) string { return fmt.Sprintf(`{"who":"person %d"}`, n) }

func fillJournal(t tb, j *Journal, n int) {
	t.Helper()
	for range n {
		_, last := j.Bounds()
		mustAppend(t, j, openPart(last+1), personalPart(last+1))
	}
}

func readAll(t tb, j *Journal) map[uint64]Frame {
	t.Helper()
	out := map[uint64]Frame{}
	for after := uint64(0); ; {
		frames, err := j.Read(after, 100)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if len(frames) == 0 {
			return out
		}
		for _, f := range frames {
			if f.Gap == nil {
				out[f.Seq] = f
			}
			after = f.Seq
		}
	}
}

func wantEntry(t tb, f Frame, n uint64) {
	t.Helper()
	if string(f.Open) != openPart(n) || string(f.Personal) != personalPart(n) {
		t.Fatalf("entry %d reads %q and %q", n, f.Open, f.Personal)
	}
}

func wantSound(t tb, dir string) Report {
	t.Helper()
	r, err := Verify(dir)
	if err != nil || len(r.Faults) > 0 {
		t.Fatalf("verify: %v %+v", err, r.Faults)
	}
	return r
}

func TestEntriesSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	j, notes := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 4096})
	if len(notes) != 0 || j.Durable() != 0 {
		t.Fatalf("a new journal: %v, %d", notes, j.Durable())
	}
	epoch := j.Epoch()
	for round := range 5 {
		fillJournal(t, j, 50)
		mustClose(t, j)
		j, notes = mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 4096})
		if len(notes) != 0 || j.Epoch() != epoch {
			t.Fatalf("round %d: %v", round, notes)
		}
		all := readAll(t, j)
		if want := (round + 1) * 50; len(all) != want {
			t.Fatalf("%d entries, want %d", len(all), want)
		}
		for n, f := range all {
			wantEntry(t, f, n)
		}
	}
	seq, chain := j.Head()
	mustClose(t, j)
	r := wantSound(t, dir)
	if r.Entries != 250 || r.First != 1 || r.Last != seq || r.Chain != chain {
		t.Fatalf("report %+v", r)
	}
}

func TestNewestComeFirstInPages(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 4096})
	defer mustClose(t, j)
	fillJournal(t, j, 200)
	want := uint64(200)
	for seq := uint64(0); ; {
		page, err := j.Before(seq, 17)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, f := range page {
			if f.Seq != want {
				t.Fatalf("entry %d, want %d", f.Seq, want)
			}
			wantEntry(t, f, want)
			want--
		}
		seq = page[len(page)-1].Seq
	}
	if want != 0 {
		t.Fatalf("the pages end before entry %d", want)
	}
}

func TestWaitEndsWithTheNextDurableEntry(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir()})
	waited := make(chan error, 1)
	go func() { waited <- j.Wait(context.Background(), 0) }()
	fillJournal(t, j, 1)
	if err := settled(t, waited); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { waited <- j.Wait(ctx, 1) }()
	cancel()
	if err := settled(t, waited); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go func() { waited <- j.Wait(context.Background(), 1) }()
	mustClose(t, j)
	if err := settled(t, waited); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, _, err := j.Append([]byte("x"), nil); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestSecondProcessIsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: dir})
	defer mustClose(t, j)
	if _, _, err := OpenJournal(JournalOptions{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
}

// image is a journal of n entries as bytes of its one segment, and where each entry ends.
func image(t *testing.T, n int) (b []byte, ends []int) {
	t.Helper()
	dir := t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 8192})
	fillJournal(t, j, n)
	mustClose(t, j)
	b, err := os.ReadFile(filepath.Join(dir, journalName, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	for off := segmentStart; ; {
		_, size, err := parseFrame(b[off:])
		if err != nil {
			break
		}
		off += size
		ends = append(ends, off)
	}
	if len(ends) != n {
		t.Fatalf("%d entries in the image", len(ends))
	}
	return b, ends
}

func plant(t *testing.T, b []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, journalName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, journalName, segmentName(1)), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A cut shows itself as a shorter file or as zeros, since the file is preallocated.
func TestCutAtEveryByteLosesNoWholeEntry(t *testing.T) {
	const n = 6
	b, ends := image(t, n)
	used := ends[n-1]
	for _, zeros := range []bool{false, true} {
		for at := ends[n-4]; at <= used; at++ {
			c := bytes.Clone(b[:at])
			if zeros {
				c = append(c, make([]byte, len(b)-at)...)
			}
			whole := 0
			for whole < n && ends[whole] <= at {
				whole++
			}
			if zeros && at < used && len(bytes.TrimRight(b[at:ends[whole]], "\x00")) == 0 {
				whole++ // what was cut off was zero anyway
			}
			dir := plant(t, c)
			j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 8192})
			all := readAll(t, j)
			if len(all) != whole {
				t.Fatalf("cut at %d (zeros %v): %d entries, want %d", at, zeros, len(all), whole)
			}
			for n, f := range all {
				wantEntry(t, f, n)
			}
			if seq := mustAppend(t, j, "next", ""); seq != uint64(whole+1) {
				t.Fatalf("cut at %d (zeros %v): the next entry is %d, want %d", at, zeros, seq, whole+1)
			}
			mustClose(t, j)
			wantSound(t, dir)
		}
	}
}

func TestFlippedByteCostsOnlyItsEntry(t *testing.T) {
	const n = 6
	b, ends := image(t, n)
	for at := range ends[n-1] {
		c := bytes.Clone(b)
		c[at] ^= 0x5a
		hit := -1 // the entry that the byte lies in
		if at >= segmentStart {
			for hit = 0; ends[hit] <= at; hit++ {
			}
		}
		dir := plant(t, c)
		j, notes := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 8192})
		if len(notes) == 0 {
			t.Fatalf("byte %d: nothing is named", at)
		}
		all := readAll(t, j)
		for e := range n {
			f, ok := all[uint64(e+1)]
			if !ok && e != hit {
				t.Fatalf("byte %d in entry %d: entry %d is lost", at, hit+1, e+1)
			}
			if ok {
				wantEntry(t, f, uint64(e+1))
			}
		}
		// The number of the damaged entry may be known elsewhere: it is not used a second time, unless the damage looks
		// like an unfinished write.
		seq := mustAppend(t, j, "next", "")
		if seq != n+1 && (hit != n-1 || seq != n) {
			t.Fatalf("byte %d: the next entry is %d", at, seq)
		}
		if hit >= 0 && seq == n+1 {
			if frames, err := j.Read(uint64(hit), 1); err != nil || len(frames) != 1 || frames[0].Gap == nil || frames[0].Gap.Count != 1 {
				t.Fatalf("byte %d: no gap but %+v, %v", at, frames, err)
			}
			r, err := Verify(dir)
			if err != nil || len(r.Faults) != 1 || r.Faults[0].Seq != uint64(hit+1) {
				t.Fatalf("byte %d: %+v %v", at, r, err)
			}
		}
		mustClose(t, j)
		j, notes = mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 8192})
		if len(notes) != 0 || len(readAll(t, j)) != len(all)+1 {
			t.Fatalf("byte %d: the second start says %v", at, notes)
		}
		mustClose(t, j)
	}
}

func TestDamageInAnOldSegmentIsSetAside(t *testing.T) {
	dir := t.TempDir()
	o := JournalOptions{Dir: dir, SegmentBytes: 4096}
	j, _ := mustOpen(t, o)
	fillJournal(t, j, 100)
	mustClose(t, j)
	path := filepath.Join(dir, journalName, segmentName(2))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1000; i < 1600; i++ {
		b[i] = 'x'
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, notes := mustOpen(t, o)
	if len(notes) != 1 || !strings.Contains(notes[0].What, "journal entries") {
		t.Fatalf("%+v", notes)
	}
	if aside, err := os.ReadFile(notes[0].File); err != nil || !bytes.Equal(aside, b) {
		t.Fatalf("set aside: %v", err)
	}
	gaps := 0
	frames, err := j.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if f.Gap != nil {
			gaps++
		}
	}
	newest, err := j.Before(0, 1000)
	if err != nil || gaps != 1 || len(newest) != len(frames) {
		t.Fatalf("%d gaps, %d and %d entries, %v", gaps, len(frames), len(newest), err)
	}
	if len(frames) < 94 {
		t.Fatalf("only %d of 100 are left", len(frames))
	}
	mustClose(t, j)
	j, notes = mustOpen(t, o)
	defer mustClose(t, j)
	if len(notes) != 0 {
		t.Fatalf("the second start says %v", notes)
	}
}

func TestLostFilesNeverStopTheJournal(t *testing.T) {
	for _, lost := range []int{1, 2, 3} {
		for _, how := range []string{"removed", "emptied", "garbage", "header gone"} {
			t.Run(fmt.Sprintf("%d %s", lost, how), func(t *testing.T) {
				dir := t.TempDir()
				o := JournalOptions{Dir: dir, SegmentBytes: 4096}
				j, _ := mustOpen(t, o)
				fillJournal(t, j, 60)
				last, epoch := j.Durable(), j.Epoch()
				c, err := j.Cursor("uplink")
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Set(last); err != nil {
					t.Fatal(err)
				}
				mustClose(t, j)
				files, err := segmentFiles(j.dir)
				if err != nil || len(files) != 3 {
					t.Fatalf("%v %v", files, err)
				}
				path := filepath.Join(j.dir, segmentName(uint64(lost)))
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				switch how {
				case "removed":
					err = os.Remove(path)
				case "emptied":
					err = os.WriteFile(path, nil, 0o600)
				case "garbage":
					err = os.WriteFile(path, bytes.Repeat([]byte("garbage "), 512), 0o600)
				case "header gone":
					copy(b, bytes.Repeat([]byte{0xff}, segmentStart))
					err = os.WriteFile(path, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				j, _ = mustOpen(t, o)
				if j.Epoch() != epoch {
					t.Fatal("another epoch")
				}
				if seq := mustAppend(t, j, "next", ""); seq != last+1 {
					t.Fatalf("the next entry is %d, want %d", seq, last+1)
				}
				all := readAll(t, j)
				if how == "header gone" && len(all) != 61 {
					t.Fatalf("%d entries, want 61", len(all))
				}
				mustClose(t, j)
			})
		}
	}
}

func TestNewEpochGoesOnCounting(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: dir})
	fillJournal(t, j, 3)
	first := j.Epoch()
	mustClose(t, j)
	j, _ = mustOpen(t, JournalOptions{Dir: dir, NewEpoch: true})
	if j.Epoch() == first {
		t.Fatal("the epoch stayed")
	}
	fillJournal(t, j, 2)
	all := readAll(t, j)
	if len(all) != 5 || all[3].Epoch != first || all[4].Epoch != j.Epoch() {
		t.Fatalf("%+v", all)
	}
	second := j.Epoch()
	mustClose(t, j)
	j, _ = mustOpen(t, JournalOptions{Dir: dir})
	if j.Epoch() != second {
		t.Fatal("the epoch changed by itself")
	}
	mustClose(t, j)
	if r := wantSound(t, dir); len(r.Epochs) != 2 {
		t.Fatalf("%+v", r)
	}
}

func TestCursorsSurviveAndGoBackOnlyWhenTold(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: dir})
	fillJournal(t, j, 300)
	c, err := j.Cursor("uplink")
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 300; seq++ {
		if err := c.Set(seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Set(301); err == nil {
		t.Fatal("the cursor went beyond the journal")
	}
	for _, name := range []string{"", "A", "a/b", "..", strings.Repeat("a", 33)} {
		if _, err := j.Cursor(name); err == nil {
			t.Fatalf("a cursor %q", name)
		}
	}
	mustClose(t, j)
	// One of the two slots torn: the other one holds.
	path := filepath.Join(dir, journalName, cursorPrefix+"uplink")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[300%2*sector+13] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, _ = mustOpen(t, JournalOptions{Dir: dir})
	defer mustClose(t, j)
	if c, err = j.Cursor("uplink"); err != nil || c.Get() != 299 {
		t.Fatalf("%d %v", c.Get(), err)
	}
	if err := c.Set(10); err != nil || c.Get() != 10 {
		t.Fatalf("send again: %d %v", c.Get(), err)
	}
}

// faultyDisk counts and breaks what the journal does to its files.
type faultyDisk struct {
	disk
	writes, syncs, bytes  atomic.Int64
	failWrite, failSync   atomic.Bool
	failAllocate, tearing atomic.Bool
}

func newFaultyDisk() *faultyDisk {
	d := &faultyDisk{}
	real := realDisk(false)
	d.disk = disk{
		write: func(f *os.File, b []byte, off int64) error {
			d.writes.Add(1)
			d.bytes.Add(int64(len(b)))
			if d.tearing.Load() {
				if err := real.write(f, b[:len(b)/2], off); err != nil {
					return err
				}
				return unix.EIO
			}
			if d.failWrite.Load() {
				return unix.ENOSPC
			}
			return real.write(f, b, off)
		},
		sync: func(f *os.File) error {
			d.syncs.Add(1)
			if d.failSync.Load() {
				return unix.EIO
			}
			return real.sync(f)
		},
		allocate: func(f *os.File, size int64) error {
			if d.failAllocate.Load() {
				return unix.ENOSPC
			}
			return real.allocate(f, size)
		},
	}
	return d
}

func TestOneEventIsOneSyncAndOneSmallWrite(t *testing.T) {
	d := newFaultyDisk()
	j, _, err := openJournal(JournalOptions{Dir: t.TempDir()}, d.disk)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, j)
	mustAppend(t, j, "the first one makes the segment", "")
	w, s, b := d.writes.Load(), d.syncs.Load(), d.bytes.Load()
	mustAppend(t, j, strings.Repeat("o", 60), strings.Repeat("p", 40))
	if w, s, b = d.writes.Load()-w, d.syncs.Load()-s, d.bytes.Load()-b; w != 1 || s != 1 || b > 200 {
		t.Fatalf("%d writes, %d syncs, %d bytes", w, s, b)
	}
}

func TestAllWhoWaitShareOneSync(t *testing.T) {
	d := newFaultyDisk()
	j, _, err := openJournal(JournalOptions{Dir: t.TempDir()}, d.disk)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, j)
	mustAppend(t, j, "first", "")
	before := d.syncs.Load()
	j.io.Lock() // the disk is busy
	var dones []<-chan error
	for range 500 {
		_, done, err := j.Append([]byte("one of many"), nil)
		if err != nil {
			t.Fatal(err)
		}
		dones = append(dones, done)
	}
	j.io.Unlock()
	for _, done := range dones {
		if err := settled(t, done); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.syncs.Load() - before; n > 2 {
		t.Fatalf("%d syncs for 500 entries that waited together", n)
	}
}

func TestAppendNeverWaitsAndSaysWhenTheDiskIsBehind(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir()})
	j.io.Lock() // the disk hangs
	entry := bytes.Repeat([]byte("x"), MaxEntry)
	var dones []<-chan error
	var err error
	for range 2 * maxPending / MaxEntry {
		var done <-chan error
		if _, done, err = j.Append(entry, nil); err != nil {
			break
		}
		dones = append(dones, done)
	}
	if !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	j.io.Unlock()
	for _, done := range dones {
		if err := settled(t, done); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, j, "and on", "")
	mustClose(t, j)
}

func TestTooLargeAnEntryIsRefused(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 4096})
	defer mustClose(t, j)
	if _, _, err := j.Append(make([]byte, MaxEntry), []byte("x")); err == nil {
		t.Fatal("taken")
	}
	big := strings.Repeat("b", MaxEntry)
	if seq := mustAppend(t, j, big, ""); seq != 1 {
		t.Fatal(seq)
	}
	if all := readAll(t, j); string(all[1].Open) != big {
		t.Fatal("the largest entry is not read back")
	}
}

func TestDiskThatRefusesLosesNothingDurable(t *testing.T) {
	for name, fault := range map[string]func(*faultyDisk) *atomic.Bool{
		"write":        func(d *faultyDisk) *atomic.Bool { return &d.failWrite },
		"half a write": func(d *faultyDisk) *atomic.Bool { return &d.tearing },
		"sync":         func(d *faultyDisk) *atomic.Bool { return &d.failSync },
		"no room":      func(d *faultyDisk) *atomic.Bool { return &d.failAllocate },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := newFaultyDisk()
			j, _, err := openJournal(JournalOptions{Dir: dir, SegmentBytes: 4096, Holding: []string{"uplink"}}, d.disk)
			if err != nil {
				t.Fatal(err)
			}
			broken := fault(d)
			acked := uint64(0)
			for round := range 4 {
				fillJournal(t, j, 30)
				acked += 30
				broken.Store(true)
				failed := 0
				for range 100 {
					seq, done, err := j.Append([]byte(openPart(acked+1)), []byte(personalPart(acked+1)))
					if err != nil {
						t.Fatal(err)
					}
					if err := settled(t, done); err == nil {
						acked = seq // there was still reserved room
					} else if failed++; failed == 3 {
						break
					}
				}
				if failed != 3 {
					t.Fatalf("round %d: the disk refuses and nobody is told", round)
				}
				broken.Store(false)
			}
			fillJournal(t, j, 1)
			acked++
			check := func(all map[uint64]Frame) {
				t.Helper()
				if len(all) != int(acked) {
					t.Fatalf("%d entries, %d were acknowledged", len(all), acked)
				}
				for n, f := range all {
					wantEntry(t, f, n)
				}
			}
			check(readAll(t, j))
			mustClose(t, j)
			wantSound(t, dir)
			j, notes := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 4096})
			if len(notes) != 0 {
				t.Fatalf("%+v", notes)
			}
			check(readAll(t, j))
			mustClose(t, j)
		})
	}
}

func TestFullDiskIsSaidSoAndRecoversOnARealFilesystem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 64 << 10, Holding: []string{"uplink"}})
	c, err := j.Cursor("uplink")
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	var failure error
	for failure == nil {
		seq, done, err := j.Append(bytes.Repeat([]byte("x"), 1000), nil)
		if err != nil {
			t.Fatal(err)
		}
		if failure = settled(t, done); failure == nil {
			last = seq
		}
	}
	if !errors.Is(failure, ErrFull) {
		t.Fatal(failure)
	}
	// The hub has had everything: room is made at once.
	if err := c.Set(last); err != nil {
		t.Fatal(err)
	}
	if seq := mustAppend(t, j, "on it goes", ""); seq != last+1 {
		t.Fatalf("entry %d after %d", seq, last)
	}
	mustClose(t, j)
	wantSound(t, dir)
}

func TestOldestSegmentsGoAndTheReaderSeesOneGap(t *testing.T) {
	dir := t.TempDir()
	o := JournalOptions{Dir: dir, SegmentBytes: 4096, MaxBytes: 20 << 10, Holding: []string{"uplink"}}
	j, _ := mustOpen(t, o)
	fillJournal(t, j, 300)
	if n := j.Bytes(); n > o.MaxBytes {
		t.Fatalf("%d bytes", n)
	}
	first, last := j.Bounds()
	if first == 1 || last != 300 {
		t.Fatalf("%d to %d", first, last)
	}
	frames, err := j.Read(5, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if g := frames[0].Gap; g == nil || g.From != 6 || g.To != first-1 || g.Count != first-6 {
		t.Fatalf("%+v", frames[0])
	}
	for i, f := range frames[1:] {
		if f.Gap != nil || f.Seq != first+uint64(i) {
			t.Fatalf("%+v", f)
		}
	}
	mustClose(t, j)
	if r := wantSound(t, dir); r.First != first {
		t.Fatalf("%+v", r)
	}
}

func TestDropKeepsWhatAReaderHasNotHad(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 4096, Holding: []string{"uplink"}})
	defer mustClose(t, j)
	fillJournal(t, j, 100)
	if n, err := j.Drop(100); n != 0 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	c, err := j.Cursor("uplink")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set(60); err != nil {
		t.Fatal(err)
	}
	n, err := j.Drop(100)
	if first, _ := j.Bounds(); err != nil || n == 0 || n > 60 || first != n+1 {
		t.Fatalf("%d dropped, first %d, %v", n, first, err)
	}
}

func TestErasedPersonIsGoneAndTheChainStillFits(t *testing.T) {
	dir := t.TempDir()
	o := JournalOptions{Dir: dir, SegmentBytes: 4096}
	j, _ := mustOpen(t, o)
	for n := range 100 {
		mustAppend(t, j, openPart(uint64(n+1)), fmt.Sprintf(`{"who":"resident-%d"}`, n%3))
	}
	n, err := j.Erase(func(_, personal []byte) bool { return bytes.Contains(personal, []byte("resident-1")) })
	if err != nil || n != 33 {
		t.Fatalf("%d erased, %v", n, err)
	}
	mustAppend(t, j, "after", "resident-2")
	check := func() {
		t.Helper()
		for seq, f := range readAll(t, j) {
			if seq == 101 {
				continue
			}
			if gone := (seq-1)%3 == 1; f.Erased != gone || (len(f.Personal) == 0) != gone || string(f.Open) != openPart(seq) {
				t.Fatalf("entry %d: %+v", seq, f)
			}
		}
	}
	check()
	mustClose(t, j)
	r := wantSound(t, dir)
	if r.Erased != 33 || r.Entries != 101 {
		t.Fatalf("%+v", r)
	}
	files, err := filepath.Glob(filepath.Join(dir, journalName, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err != nil || bytes.Contains(b, []byte("resident-1")) {
			t.Fatalf("%s still names the person (%v)", f, err)
		}
	}
	j, _ = mustOpen(t, o)
	defer mustClose(t, j)
	check()
}

func TestVerifyNamesTheFirstEntryThatDoesNotFit(t *testing.T) {
	b, ends := image(t, 10)
	edit := func(c []byte, at int, change func(f *frame)) []byte {
		f, n, err := parseFrame(c[at:])
		if err != nil {
			t.Fatal(err)
		}
		change(&f)
		out := appendFrame(bytes.Clone(c[:at]), &f)
		return append(out, c[at+n:]...)
	}
	for name, c := range map[string]struct {
		b   []byte
		seq uint64
	}{
		"open part edited":     {edit(b, ends[3], func(f *frame) { f.open = bytes.Replace(f.open, []byte("granted"), []byte("refused"), 1) }), 5},
		"personal part edited": {edit(b, ends[3], func(f *frame) { f.personal = []byte(`{"who":"somebody"}`) }), 5},
		"personal part edited, hash too": {edit(b, ends[3], func(f *frame) {
			f.personal = []byte(`{"who":"somebody"}`)
			bind := bindPersonal(f.salt, f.personal)
			f.bind = bind[:]
		}), 5},
		"renumbered":        {edit(b, ends[3], func(f *frame) { f.seq = 6 }), 5},
		"removed":           {append(bytes.Clone(b[:ends[3]]), b[ends[4]:]...), 5},
		"first removed":     {append(bytes.Clone(b[:segmentStart]), b[ends[0]:]...), 1},
		"doubled":           {append(bytes.Clone(b[:ends[4]]), b[ends[3]:]...), 6},
		"flipped":           {append(append(bytes.Clone(b[:ends[4]-1]), b[ends[4]-1]^1), b[ends[4]:]...), 5},
		"another beginning": {append(appendHead(nil, head{epoch: epochID{1}, base: 1}), b[segmentStart:]...), 1},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Verify(plant(t, c.b))
			if err != nil || len(r.Faults) == 0 || r.Faults[0].Seq != c.seq || r.Faults[0].Segment != segmentName(1) {
				t.Fatalf("%+v %v", r, err)
			}
		})
	}
	wantSound(t, plant(t, b))
}

// A write of several entries that came to the disk in part, in any order of its sectors, was never acknowledged.
func TestTornBurstIsCutWhereItBegan(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 16384})
	fillJournal(t, j, 5)
	durable := j.segs[0].end
	j.io.Lock()
	var last <-chan error
	for n := range 20 {
		_, done, err := j.Append([]byte(openPart(uint64(6+n))), []byte(personalPart(uint64(6+n))))
		if err != nil {
			t.Fatal(err)
		}
		last = done
	}
	j.io.Unlock()
	if err := settled(t, last); err != nil {
		t.Fatal(err)
	}
	end := j.segs[0].end
	mustClose(t, j)
	b, err := os.ReadFile(filepath.Join(dir, journalName, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	sectors := int((end-1)/sector - durable/sector + 1)
	for mask := range 1 << sectors {
		c := bytes.Clone(b)
		for s := range sectors {
			if mask&(1<<s) == 0 {
				from := max(int(durable), (int(durable)/sector+s)*sector)
				clear(c[from : (int(durable)/sector+s+1)*sector])
			}
		}
		dir := plant(t, c)
		j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 16384})
		all := readAll(t, j)
		if len(all) < 5 || uint64(len(all)) != j.Durable() {
			t.Fatalf("sectors %b: %d entries up to %d", mask, len(all), j.Durable())
		}
		for n, f := range all {
			wantEntry(t, f, n)
		}
		mustAppend(t, j, "next", "")
		mustClose(t, j)
		wantSound(t, dir)
	}
}

func TestJournalAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		type entry struct {
			open, personal string
			erased         bool
		}
		var model []entry // entry n+1
		first := uint64(1)
		d := newFaultyDisk()
		o := JournalOptions{Dir: dir, SegmentBytes: 4096, MaxBytes: 16 << 10}
		open := func() *Journal {
			j, notes, err := openJournal(o, d.disk)
			if err != nil || len(notes) != 0 {
				rt.Fatalf("%v %v", err, notes)
			}
			return j
		}
		j := open()
		defer func() { mustClose(rt, j) }()
		part := rapid.StringN(0, -1, 700)
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				e := entry{open: part.Draw(t, "open"), personal: part.Draw(t, "personal")}
				if seq := mustAppend(t, j, e.open, e.personal); seq != uint64(len(model)+1) {
					t.Fatalf("entry %d, want %d", seq, len(model)+1)
				}
				model = append(model, e)
			},
			"fail": func(t *rapid.T) {
				b := rapid.SampledFrom([]*atomic.Bool{&d.failSync, &d.failWrite, &d.tearing}).Draw(t, "fault")
				b.Store(true)
				_, done, err := j.Append([]byte("lost"), nil)
				if err != nil || settled(t, done) == nil {
					t.Fatalf("a broken disk took it: %v", err)
				}
				b.Store(false)
			},
			"reopen": func(t *rapid.T) {
				mustClose(t, j)
				j = open()
			},
			"erase": func(t *rapid.T) {
				victim := part.Draw(t, "victim")
				if _, err := j.Erase(func(_, p []byte) bool { return strings.HasPrefix(string(p), victim) }); err != nil {
					t.Fatal(err)
				}
				for i := range model {
					if model[i].personal != "" && strings.HasPrefix(model[i].personal, victim) {
						model[i].personal, model[i].erased = "", true
					}
				}
			},
			"": func(t *rapid.T) {
				lo, last := j.Bounds()
				if last != uint64(len(model)) || lo < first {
					t.Fatalf("bounds %d to %d, want up to %d", lo, last, len(model))
				}
				first = lo
				after := rapid.Uint64Range(0, last).Draw(t, "after")
				frames, err := j.Read(after, rapid.IntRange(1, 50).Draw(t, "limit"))
				if err != nil {
					t.Fatal(err)
				}
				for i, f := range frames {
					if f.Gap != nil {
						if i != 0 || f.Gap.From != after+1 || f.Gap.To != lo-1 {
							t.Fatalf("gap %+v after %d, first %d", f.Gap, after, lo)
						}
						after = f.Seq
						continue
					}
					after++
					if e := model[after-1]; f.Seq != after || string(f.Open) != e.open || string(f.Personal) != e.personal || f.Erased != e.erased {
						t.Fatalf("entry %d is %+v, want %+v", after, f, e)
					}
				}
			},
		})
		wantSound(rt, dir)
	})
}

func TestConcurrentWritersGetEveryNumberOnce(t *testing.T) {
	dir := t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 8192})
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 100 {
				seq, done, err := j.Append(fmt.Appendf(nil, "writer %d entry %d", w, i), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := <-done; err != nil {
					t.Error(err)
					return
				}
				if i%10 == 0 {
					if _, err := j.Read(seq-1, 5); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				if seen[seq] {
					t.Errorf("entry %d twice", seq)
				}
				seen[seq] = true
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if len(seen) != 800 || j.Durable() != 800 {
		t.Fatalf("%d numbers, durable %d", len(seen), j.Durable())
	}
	mustClose(t, j)
	wantSound(t, dir)
}

func FuzzParseFrame(f *testing.F) {
	b := appendFrame(nil, &frame{seq: 1, open: []byte("open")})
	f.Add(b)
	f.Add(appendFrame(nil, &frame{seq: 7, flags: flagPersonal, salt: make([]byte, saltLen), bind: make([]byte, bindLen), open: []byte("o"), personal: []byte("p")}))
	f.Add(appendFrame(nil, &frame{seq: 7, flags: flagPersonal | flagErased, bind: make([]byte, bindLen)}))
	f.Add(appendHead(nil, head{base: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if fr, n, err := parseFrame(b); err == nil && !bytes.Equal(appendFrame(nil, &fr), b[:n]) {
			t.Fatalf("%x reads as %+v", b, fr)
		}
		s := scanSegment(append(appendHead(nil, head{base: 1}), b...), 0)
		if s.end > segmentStart+len(b) || s.frames > len(b)/minFrame {
			t.Fatalf("%+v", s)
		}
		scanSegment(b, 5)
	})
}

func TestDamagedLastEntryKeepsItsNumber(t *testing.T) {
	b, ends := image(t, 5)
	b[ends[4]-3] ^= 1
	for _, starts := range []int{1, 2} {
		dir := plant(t, b)
		o := JournalOptions{Dir: dir, SegmentBytes: 8192}
		for range starts {
			j, _ := mustOpen(t, o)
			if j.Durable() != 5 {
				t.Fatalf("the journal ends with %d", j.Durable())
			}
			mustClose(t, j)
		}
		j, _ := mustOpen(t, o)
		if seq := mustAppend(t, j, "next", ""); seq != 6 {
			t.Fatalf("entry %d after a damaged entry 5", seq)
		}
		mustClose(t, j)
	}
}

func TestLaterSegmentOverridesWhatAFailedWriteLeft(t *testing.T) {
	b, ends := image(t, 5)
	h, _, _ := parseHead(b)
	third, _, err := parseFrame(b[ends[1]:])
	if err != nil {
		t.Fatal(err)
	}
	f := frame{seq: 4, open: []byte("the fourth, at the second try"), chain: nextChain(third.chain, 4, []byte("the fourth, at the second try"), nil)}
	second := appendFrame(appendHead(nil, head{epoch: h.epoch, base: 4, before: third.chain}), &f)
	dir := plant(t, b)
	if err := os.WriteFile(filepath.Join(dir, journalName, segmentName(2)), second, 0o600); err != nil {
		t.Fatal(err)
	}
	wantSound(t, dir)
	j, notes := mustOpen(t, JournalOptions{Dir: dir})
	all := readAll(t, j)
	if len(notes) != 0 || len(all) != 4 || string(all[4].Open) != string(f.open) {
		t.Fatalf("%v %+v", notes, all)
	}
	mustClose(t, j)
}

func TestEntriesBehindAFailedWriteFailWithIt(t *testing.T) {
	dir := t.TempDir()
	d := newFaultyDisk()
	begun, goOn := make(chan struct{}), make(chan error)
	real := d.disk.sync
	var hold atomic.Bool
	d.disk.sync = func(f *os.File) error {
		if hold.Load() {
			begun <- struct{}{}
			return <-goOn
		}
		return real(f)
	}
	j, _, err := openJournal(JournalOptions{Dir: dir}, d.disk)
	if err != nil {
		t.Fatal(err)
	}
	fillJournal(t, j, 2)
	hold.Store(true)
	var dones []<-chan error
	for i := range 3 {
		_, done, err := j.Append([]byte("lost"), nil)
		if err != nil {
			t.Fatal(err)
		}
		dones = append(dones, done)
		if i == 0 {
			<-begun
		}
	}
	hold.Store(false)
	goOn <- unix.EIO
	for _, done := range dones {
		if err := settled(t, done); !errors.Is(err, unix.EIO) {
			t.Fatalf("an entry that hangs on a lost one: %v", err)
		}
	}
	fillJournal(t, j, 2)
	if all := readAll(t, j); len(all) != 4 {
		t.Fatalf("%+v", all)
	}
	mustClose(t, j)
	wantSound(t, dir)
}

func TestDamageUnderAnOpenJournalCostsOnlyItsEntry(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 1 << 20})
	defer mustClose(t, j)
	fillJournal(t, j, 2000)
	path := j.segs[0].path
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{segmentStart + 20, 100_000, 200_000} {
		if _, err := f.WriteAt([]byte("damage"), at); err != nil {
			t.Fatal(err)
		}
	}
	// 300 entries in one stretch, more than one window of the reader.
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xd7}, 100_000), 220_000); err != nil {
		t.Fatal(err)
	}
	frames, err := j.Read(0, 5000)
	if err != nil {
		t.Fatal(err)
	}
	gaps, next := 0, uint64(1)
	for _, f := range frames {
		if f.Gap != nil {
			gaps++
			if f.Gap.From != next {
				t.Fatalf("%+v, want %d", f.Gap, next)
			}
		} else if f.Seq != next {
			t.Fatalf("entry %d, want %d", f.Seq, next)
		}
		next = f.Seq + 1
	}
	if gaps != 4 || next != 2001 || len(frames) < 1200 {
		t.Fatalf("%d gaps, %d frames, up to %d", gaps, len(frames), next-1)
	}
}
