package store_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/hub/store/storetest"
	"github.com/doorpanel/doorpanel/storage"
)

const childDir = "DOORPANEL_STORE_TEST_DIR"

// TestChildThatIsKilled is not a test: it is the process that TestKilledAtAnyInstant kills. It stores the journals of a few
// panels from where the store stands, some entries twice, and says on stdout what it may acknowledge.
func TestChildThatIsKilled(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			panel := fmt.Sprint("panel-", p)
			h, _, err := s.Head(panel)
			for seq := h.Seq; err == nil; {
				var batch []fleet.Received
				for i := max(seq, 3) - 2; i <= seq+20; i++ {
					batch = append(batch, storetest.Event(panel, "aa", i))
				}
				var out []fleet.Outcome
				if out, err = s.Append(batch); err == nil {
					seq += 20
					mu.Lock()
					for i, o := range out {
						if o.Verdict != fleet.Stored && o.Verdict != fleet.Duplicate || o.Fault != nil {
							fmt.Println("error", panel, batch[i].Event.Seq, o)
						}
					}
					fmt.Println("stored", panel, seq)
					mu.Unlock()
				}
			}
			fmt.Println("error", err)
		})
	}
	wg.Wait()
}

func TestKilledAtAnyInstant(t *testing.T) {
	dir := t.TempDir()
	rounds := 12
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildThatIsKilled$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		promised := map[string]uint64{}
		lines := bufio.NewScanner(out)
		for n, last := 0, 1+rand.IntN(60); lines.Scan(); {
			var panel string
			var seq uint64
			if strings.HasPrefix(lines.Text(), "error") {
				t.Fatal(lines.Text())
			}
			if _, err := fmt.Sscanf(lines.Text(), "stored %s %d", &panel, &seq); err == nil {
				promised[panel] = seq
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
		s, notes := opened(t, store.Options{Dir: dir})
		for _, note := range notes {
			// A kill may leave half of a write that nobody was told of; it is cut off and said.
			if note.File != "" || !strings.Contains(note.What, "never acknowledged") {
				t.Errorf("round %d: %+v", round, note)
			}
		}
		count := everyOnce(t, s)
		for panel, seq := range promised {
			if count[panel] < seq {
				t.Errorf("round %d: %s has %d entries, %d were promised", round, panel, count[panel], seq)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// everyOnce fails unless each panel's journal is there from 1 to its head without holes, each entry once.
func everyOnce(t *testing.T, s *store.Store) map[string]uint64 {
	t.Helper()
	count := map[string]uint64{}
	for serial := uint64(0); ; {
		page, err := s.After(serial, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.Event.Seq != count[r.Panel]+1 {
				t.Fatalf("%s: entry %d after entry %d", r.Panel, r.Event.Seq, count[r.Panel])
			}
			count[r.Panel]++
			serial = r.Serial
		}
	}
	heads, err := s.Heads()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		if h.Seq != count[h.Panel] || h.Chain != storetest.Chain(h.Panel, h.Epoch, h.Seq) {
			t.Fatalf("head %+v, stored %d", h, count[h.Panel])
		}
	}
	if len(heads) != len(count) {
		t.Fatalf("%d heads of %d panels", len(heads), len(count))
	}
	return count
}

func events(panel string, from, to uint64) (out []fleet.Received) {
	for seq := from; seq <= to; seq++ {
		out = append(out, storetest.Event(panel, "aa", seq))
	}
	return out
}

func stored(t *testing.T, s *store.Store, batch []fleet.Received) {
	t.Helper()
	out, err := s.Append(batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Verdict != fleet.Stored {
			t.Fatalf("entry %d of %s: %+v", batch[i].Event.Seq, batch[i].Panel, o)
		}
	}
}

// copyTree copies what a power cut would leave of a store that is in use.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestTornEndCostsOnlyWhatIsNotThere cuts the newest segment at many places, as a power cut does, also below what the table of
// heads would show if it were written too early, and goes on from there.
func TestTornEndCostsOnlyWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	stored(t, s, events("p", 1, 5))
	stored(t, s, events("q", 1, 30))
	stored(t, s, events("p", 6, 30))
	live := filepath.Join(t.TempDir(), "live")
	copyTree(t, dir, live)
	segment := "events/journal/00000001.seg"
	whole, err := os.ReadFile(filepath.Join(live, segment))
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(whole, "\x00"))
	for cut := used; cut > 0; cut -= 97 {
		at := filepath.Join(t.TempDir(), "cut")
		copyTree(t, live, at)
		torn := slices.Clone(whole)
		clear(torn[cut:])
		if err := os.WriteFile(filepath.Join(at, segment), torn, 0o600); err != nil {
			t.Fatal(err)
		}
		s, _, err := store.Open(store.Options{Dir: at})
		if err != nil {
			t.Fatal(err)
		}
		count := everyOnce(t, s)
		for _, panel := range []string{"p", "q"} {
			stored(t, s, events(panel, count[panel]+1, 31))
		}
		if count := everyOnce(t, s); count["p"] != 31 || count["q"] != 31 {
			t.Errorf("cut at %d: %v", cut, count)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLostRecordsCostNoHeads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	stored(t, s, events("p", 1, 40))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "store.db"), []byte("not a store"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, notes, err := store.Open(store.Options{Dir: dir})
	if err != nil || len(notes) != 1 || notes[0].File == "" || !strings.Contains(notes[0].What, "the store") {
		t.Fatalf("%v, %+v", err, notes)
	}
	defer s.Close()
	everyOnce(t, s)
	stored(t, s, events("p", 41, 41))
}

func TestLostEventsKeepTheirNumbers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	stored(t, s, events("p", 1, 40))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "events")); err != nil {
		t.Fatal(err)
	}
	s, notes, err := store.Open(store.Options{Dir: dir})
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0].What, "1 to 40") {
		t.Fatalf("%v, %+v", err, notes)
	}
	defer s.Close()
	out, err := s.Append(events("p", 40, 41))
	if err != nil || out[0].Verdict != fleet.Duplicate || out[1].Verdict != fleet.Stored || out[1].Serial != 41 {
		t.Errorf("%+v, %v", out, err)
	}
}

// onSmallDisk mounts a disk of so many KiB.
func onSmallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDiskRefusesAndLosesNothing has several writers fill a disk, makes room, and lets them send again from their heads.
func TestFullDiskRefusesAndLosesNothing(t *testing.T) {
	dir := onSmallDisk(t, 14<<10)
	ballast := filepath.Join(dir, "ballast")
	s := open(t, store.Options{Dir: filepath.Join(dir, "hub")})
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	promised, refused := map[string]uint64{}, 0
	var wg sync.WaitGroup
	freed := make(chan struct{})
	for p := range 4 {
		wg.Go(func() {
			panel := fmt.Sprint("panel-", p)
			for after := 0; after < 3; {
				h, _, err := s.Head(panel)
				if err != nil {
					t.Error(err)
					return
				}
				batch := events(panel, max(h.Seq, 1), h.Seq+100)
				for i := range batch {
					batch[i].Event.Detail = strings.Repeat("x", 900)
				}
				_, err = s.Append(batch)
				switch {
				case errors.Is(err, storage.ErrFull):
					mu.Lock()
					if refused++; refused == 5 {
						if err := os.Remove(ballast); err != nil {
							t.Error(err)
						}
						close(freed)
					}
					mu.Unlock()
					<-freed
				case err != nil:
					t.Error(err)
					return
				default:
					mu.Lock()
					promised[panel] = h.Seq + 100
					if refused >= 5 {
						after++
					}
					mu.Unlock()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-time.After(time.Second):
			// All four may wait for room before five were refused: then it is made here.
			mu.Lock()
			if refused > 0 && refused < 5 {
				refused = 5
				if err := os.Remove(ballast); err != nil {
					t.Error(err)
				}
				close(freed)
			}
			mu.Unlock()
		}
	}
	for panel, n := range everyOnce(t, s) {
		if n < promised[panel] {
			t.Errorf("%s has %d entries, %d were promised", panel, n, promised[panel])
		}
	}
	if refused == 0 {
		t.Error("the disk was never full")
	}
}

// TestRefusedEventsAreNotTakenForStored sends the same events again while the disk is still full: they are no duplicates.
func TestRefusedEventsAreNotTakenForStored(t *testing.T) {
	dir := onSmallDisk(t, 10<<10)
	s := open(t, store.Options{Dir: filepath.Join(dir, "hub")})
	var full error
	var batch []fleet.Received
	for seq := uint64(1); full == nil; seq += 50 {
		batch = events("p", seq, seq+49)
		for i := range batch {
			batch[i].Event.Detail = strings.Repeat("x", 2000)
		}
		_, full = s.Append(batch)
	}
	for range 3 {
		done := make(chan error, 1)
		go func() {
			_, err := s.Append(batch)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, storage.ErrFull) {
				t.Fatalf("refused events come again: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("refused events are waited for as if they were on their way")
		}
	}
	everyOnce(t, s)
}

func backup(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	if err := errors.Join(s.Backup(archive, "store/", time.Unix(1, 0)), archive.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func restore(t *testing.T, archive []byte, dir string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := store.RestoreFile(dir, strings.TrimPrefix(h.Name, "store/"), r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBackupWhileRunningIsConsistent(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir()})
	if _, err := s.PutSite(fleet.Site{ID: "north"}, fleet.Edit{Change: fleet.Change{Who: "anna", What: "site.made"}}); err != nil {
		t.Fatal(err)
	}
	stored(t, s, events("p", 1, 500))
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for seq := uint64(501); ctx.Err() == nil; seq += 10 {
			if _, err := s.Append(events("p", seq, seq+9)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 3 {
		before, err := s.Last()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		restore(t, backup(t, s), dir)
		r, err := store.CheckRestored(store.Options{Dir: dir})
		if err != nil || r.Sites != 1 || r.Changes != 1 || r.Events < before || len(r.Notes) != 0 {
			t.Errorf("restored %+v, %v; %d events were there before", r, err, before)
		}
		if log, err := storage.Verify(filepath.Join(dir, "events")); err != nil || len(log.Faults) != 0 || len(log.Epochs) != 2 {
			t.Errorf("the restored log: %+v, %v", log, err)
		}
		other := open(t, store.Options{Dir: dir})
		everyOnce(t, other)
		h, _, err := other.Head("p")
		if err != nil {
			t.Fatal(err)
		}
		stored(t, other, events("p", h.Seq+1, h.Seq+5))
	}
	stop()
	wg.Wait()
	for _, name := range []string{"../x", "store.db/..", "events/store.db", "keys/hub.key", "events/journal/1.seg"} {
		if err := store.RestoreFile(t.TempDir(), name, strings.NewReader("x")); err == nil {
			t.Errorf("%s was restored", name)
		}
	}
}

// TestErasedPersonIsInNoFile looks for the name in every byte below the store's folder.
func TestErasedPersonIsInNoFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir})
	stored(t, s, events("p", 1, 300))
	if _, err := s.Erase(t.Context(), "Person 3"); err != nil {
		t.Fatal(err)
	}
	found := func(what string) (files int) {
		t.Helper()
		for _, pattern := range []string{"*", "*/*", "*/*/*"} {
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(what)) {
					files++
				}
			}
		}
		return files
	}
	if n := found("Person 3"); n != 0 {
		t.Errorf("the name is in %d files still", n)
	}
	if n := found("Person 4"); n == 0 {
		t.Error("this test would not find a name that is there")
	}
}

// TestDeletedEventsDoNotComeInAgainAfterACrash takes what a power cut leaves right after a sweep.
func TestDeletedEventsDoNotComeInAgainAfterACrash(t *testing.T) {
	dir, live := t.TempDir(), filepath.Join(t.TempDir(), "live")
	s := open(t, store.Options{Dir: dir})
	stored(t, s, events("p", 1, 20))
	if done, err := s.Sweep(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), []fleet.Keep{{Days: 1}}); err != nil || done.Expired != 20 {
		t.Fatalf("%+v, %v", done, err)
	}
	copyTree(t, dir, live)
	s = open(t, store.Options{Dir: live})
	out, err := s.Append(events("p", 20, 21))
	if err != nil || out[0].Verdict != fleet.Duplicate || out[1].Verdict != fleet.Stored || out[1].Serial != 21 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestTooManyEventsGoOldestFirstAndItIsSaid(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), MaxEvents: 10 << 20})
	for seq := uint64(1); seq < 1000; seq += 50 {
		batch := events("p", seq, seq+49)
		for i := range batch {
			batch[i].Event.Detail = strings.Repeat("x", 20_000)
		}
		stored(t, s, batch)
	}
	done, err := s.Sweep(time.Now(), nil)
	if err != nil || done.Pushed == 0 || done.Expired != 0 || done.More {
		t.Fatalf("%+v, %v", done, err)
	}
	page, err := s.After(0, 1)
	if err != nil || len(page) != 1 || page[0].Serial < 100 || !page[0].At.Equal(done.Since) {
		t.Errorf("the oldest is %+v, %v; said was %+v", page, err, done)
	}
	if again, err := s.Sweep(time.Now(), nil); err != nil || again.Pushed != 0 {
		t.Errorf("a second sweep: %+v, %v", again, err)
	}
}
