package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

type person struct {
	Name  string
	Level int
}

func mustStore(t testing.TB, o Options) (*Store, []Note) {
	t.Helper()
	if o.CopyEvery == 0 {
		o.CopyEvery = -1
	}
	s, notes, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, notes
}

func mustPut(t testing.TB, s *Store, from, to int) {
	t.Helper()
	people := NewTable[person](s, "people")
	for n := from; n < to; n++ {
		if err := people.Put(fmt.Sprintf("p%04d", n), person{fmt.Sprintf("person %d", n), n}); err != nil {
			t.Fatal(err)
		}
	}
}

func count(t testing.TB, s *Store) int {
	t.Helper()
	n := 0
	for k, p := range NewTable[person](s, "people").All() {
		if k != fmt.Sprintf("p%04d", p.Level) || p.Name != fmt.Sprintf("person %d", p.Level) {
			t.Fatalf("%s is %+v", k, p)
		}
		n++
	}
	return n
}

func TestRecordsAreSortedPagedAndSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	s, notes := mustStore(t, Options{Dir: dir})
	if len(notes) != 0 {
		t.Fatal(notes)
	}
	people := NewTable[person](s, "people")
	err := s.Update(func(tx *Tx) error {
		for n := 599; n >= 0; n-- {
			if err := people.PutTx(tx, fmt.Sprintf("p%04d", n), person{fmt.Sprintf("person %d", n), n}); err != nil {
				return err
			}
		}
		return NewRaw(s, "licenses").PutTx(tx, "l1", []byte("DP1:TOKEN"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, notes = mustStore(t, Options{Dir: dir})
	people = NewTable[person](s, "people")
	if len(notes) != 0 || count(t, s) != 600 {
		t.Fatal(notes, count(t, s))
	}
	want := 301
	for _, p := range people.After("p0300", 270) {
		if p.Level != want {
			t.Fatalf("%d, want %d", p.Level, want)
		}
		want++
	}
	if want != 571 {
		t.Fatalf("the page ends at %d", want)
	}
	if b, ok, err := NewRaw(s, "licenses").Get("l1"); !ok || err != nil || string(b) != "DP1:TOKEN" {
		t.Fatal(string(b), ok, err)
	}
	if _, ok, err := people.Get("nobody"); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := errors.Join(people.Delete("p0000"), people.Delete("nobody")); err != nil {
		t.Fatal(err)
	}
	if n, err := people.Len(); n != 599 || err != nil {
		t.Fatal(n, err)
	}
}

func TestWalkingATableMayWriteToIt(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir()})
	mustPut(t, s, 0, 10)
	people := NewTable[person](s, "people")
	for k := range people.All() {
		if err := people.Delete(k); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s); n != 0 {
		t.Fatal(n)
	}
}

func TestEmptyValueIsARecord(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir()})
	r := NewRaw(s, "flags")
	if err := r.Put("on", nil); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for range r.All() {
		seen++
	}
	if v, ok, err := r.Get("on"); !ok || err != nil || len(v) != 0 || seen != 1 {
		t.Fatal(v, ok, err, seen)
	}
	if err := r.Put("", nil); err == nil {
		t.Fatal("an empty key was taken")
	}
}

func TestFailedUpdateChangesNothing(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir()})
	mustPut(t, s, 0, 3)
	people := NewTable[person](s, "people")
	cause := errors.New("changed my mind")
	err := s.Update(func(tx *Tx) error {
		if err := people.DeleteTx(tx, "p0001"); err != nil {
			return err
		}
		return cause
	})
	if !errors.Is(err, cause) || count(t, s) != 3 {
		t.Fatal(err, count(t, s))
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("the panic was swallowed")
			}
		}()
		_ = s.Update(func(tx *Tx) error {
			if err := people.DeleteTx(tx, "p0001"); err != nil {
				return err
			}
			panic("a mistake")
		})
	}()
	mustPut(t, s, 3, 4)
	if n := count(t, s); n != 4 {
		t.Fatal(n)
	}
}

func TestFullStoreSaysSoAndGoesOn(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir(), MaxSize: 256 << 10})
	mustPut(t, s, 0, 10)
	big := NewRaw(s, "big")
	var err error
	for n := 0; err == nil && n < 100; n++ {
		err = big.Put(fmt.Sprint(n), make([]byte, 16<<10))
	}
	if !errors.Is(err, ErrFull) || count(t, s) != 10 {
		t.Fatal(err, count(t, s))
	}
	if err := errors.Join(big.Delete("0"), big.Delete("1")); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, 10, 11)
}

func TestFullDiskChangesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	s, _, err := Open(Options{Dir: dir, CopyEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, 0, 5)
	big := NewRaw(s, "big")
	for n := 0; err == nil && n < 100; n++ {
		err = big.Put(fmt.Sprint(n), make([]byte, 16<<10))
	}
	if !errors.Is(err, ErrFull) || count(t, s) != 5 {
		t.Fatal(err, count(t, s))
	}
	if err := s.Copy(); err == nil {
		t.Fatal("a copy found room on a full disk")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, notes, err := Open(Options{Dir: dir, CopyEvery: -1})
	if err != nil || len(notes) != 0 || count(t, s) != 5 {
		t.Fatal(err, notes)
	}
	if err := errors.Join(s.Close(), unix.Unmount(dir, 0)); err != nil {
		t.Fatal(err)
	}
}

func TestSecondOpenIsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	mustStore(t, Options{Dir: dir})
	if _, _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "cannot open store") {
		t.Fatal(err)
	}
}

func TestOlderSchemaIsMigratedOnceAndWhole(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustStore(t, Options{Dir: dir, Schema: 1})
	mustPut(t, s, 0, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	runs := 0
	step := func(tx *Tx) error {
		runs++
		return NewTable[int](nil, "runs").PutTx(tx, "n", runs)
	}
	broken := errors.New("not today")
	o := Options{Dir: dir, Schema: 3, Migrate: []func(*Tx) error{nil, step, func(*Tx) error { return broken }}}
	if _, _, err := Open(o); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	o.Migrate[2] = step
	s, _ = mustStore(t, o)
	if n, _, err := NewTable[int](s, "runs").Get("n"); n != 3 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = mustStore(t, o)
	if runs != 3 || count(t, s) != 3 {
		t.Fatal(runs)
	}
}

func TestNewerSchemaIsReadAndNeverWritten(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustStore(t, Options{Dir: dir, Schema: 9})
	mustPut(t, s, 0, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	s, notes := mustStore(t, Options{Dir: dir, Schema: 8})
	if !s.ReadOnly() || len(notes) != 0 || count(t, s) != 3 {
		t.Fatal(s.ReadOnly(), notes)
	}
	err = NewTable[person](s, "people").Put("p0009", person{})
	if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "written by a newer version") {
		t.Fatal(err)
	}
	if err := errors.Join(s.Copy(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(s.Path()); err != nil || !bytes.Equal(before, after) {
		t.Fatal("the file of the newer version was changed", err)
	}
}

// storeImage is a closed store of 300 records as bytes.
func storeImage(t testing.TB) []byte {
	t.Helper()
	s, _ := mustStore(t, Options{Dir: t.TempDir()})
	people := NewTable[person](s, "people")
	err := s.Update(func(tx *Tx) error {
		for n := range 299 {
			if err := people.PutTx(tx, fmt.Sprintf("p%04d", n), person{fmt.Sprintf("person %d", n), n}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, 299, 300)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func damagedStores(t testing.TB, b []byte) map[string][]byte {
	garbage := make([]byte, len(b))
	r := rand.NewChaCha8([32]byte{1})
	if _, err := r.Read(garbage); err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	return map[string][]byte{
		"empty":               {},
		"one byte":            b[:1],
		"half":                b[:len(b)/2],
		"a page and a half":   b[:page+page/2],
		"garbage":             garbage,
		"zeros":               make([]byte, len(b)),
		"both heads gone":     append(make([]byte, 2*page), b[2*page:]...),
		"all but heads zeros": append(bytes.Clone(b[:2*page]), make([]byte, len(b)-2*page)...),
		"text":                []byte(strings.Repeat("this is not a store\n", 1000)),
	}
}

func TestDamagedStoreIsSetAsideAndTheCopyTakesItsPlace(t *testing.T) {
	b := storeImage(t)
	for name, c := range damagedStores(t, b) {
		for _, withCopy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, copy %v", name, withCopy), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, storeName)
				if withCopy {
					// The newest copy is damaged as well: the one before it is taken.
					if err := os.WriteFile(path+copySuffix, c, 0o600); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path+olderSuffix, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(path, c, 0o600); err != nil {
					t.Fatal(err)
				}
				var log bytes.Buffer
				s, notes := mustStore(t, Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if len(notes) == 0 || !strings.Contains(log.String(), "store repaired") {
					t.Fatal("nothing is named")
				}
				note := notes[len(notes)-1]
				if aside, err := os.ReadFile(note.File); len(c) > 0 && (err != nil || !bytes.Equal(aside, c)) {
					t.Fatal("not set aside", note, err)
				}
				want := 0
				if withCopy {
					want = 300
				}
				if n := count(t, s); n != want {
					t.Fatalf("%d records, want %d: %+v", n, want, notes)
				}
				mustPut(t, s, 300, 302)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s, notes = mustStore(t, Options{Dir: dir})
				if len(notes) != 0 || count(t, s) != want+2 {
					t.Fatal(notes)
				}
			})
		}
	}
}

func TestDamagedHeadCostsAtMostTheLastChange(t *testing.T) {
	b := storeImage(t)
	for slot := range 2 {
		for at := range boltHeader + boltMetaLen {
			if at >= 10 && at < boltHeader {
				continue // count and overflow of a head page: nobody reads them
			}
			c := bytes.Clone(b)
			c[slot*os.Getpagesize()+at] ^= 0xff
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, storeName), c, 0o600); err != nil {
				t.Fatal(err)
			}
			s, notes := mustStore(t, Options{Dir: dir})
			if n := count(t, s); len(notes) != 1 || n < 299 {
				t.Fatalf("slot %d byte %d: %d records, %+v", slot, at, n, notes)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, notes = mustStore(t, Options{Dir: dir}); len(notes) != 0 {
				t.Fatal(notes)
			}
		}
	}
}

// Whatever is flipped, the store opens, and what it then gives back was put there.
func TestFlippedBytesNeverStopTheStoreNorChangeARecord(t *testing.T) {
	b := storeImage(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		c := bytes.Clone(b)
		for range 1 + r.IntN(3) {
			c[r.IntN(len(c))] ^= byte(1 + r.IntN(255))
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, storeName), c, 0o600); err != nil {
			t.Fatal(err)
		}
		s, notes := mustStore(t, Options{Dir: dir})
		if n := count(t, s); n < 300 && len(notes) == 0 {
			t.Fatalf("%d records and nothing is named", n)
		}
		mustPut(t, s, 300, 301)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedRecordIsNamedAndTheOthersStay(t *testing.T) {
	b := storeImage(t)
	at := bytes.LastIndex(b, []byte(`"person 7"`))
	for i := at; i >= 0; i = bytes.LastIndex(b[:i], []byte(`"person 7"`)) {
		b[i+8] = '8' // a letter that is still JSON
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, storeName), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, notes := mustStore(t, Options{Dir: dir})
	if len(notes) != 1 || !strings.Contains(notes[0].What, "p0007") || count(t, s) != 299 {
		t.Fatal(notes, count(t, s))
	}
	var kept []struct{ Table, Key string }
	if f, err := os.ReadFile(notes[0].File); err != nil || json.Unmarshal(f, &kept) != nil || len(kept) != 1 || kept[0].Key != "p0007" {
		t.Fatal(kept, err)
	}
}

func TestCopyIsRotatedAndOnlyWhenSomethingChanged(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustStore(t, Options{Dir: dir})
	mustPut(t, s, 0, 2)
	if err := s.Copy(); err != nil {
		t.Fatal(err)
	}
	if err := s.Copy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Path() + olderSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("an unchanged store was copied again", err)
	}
	mustPut(t, s, 2, 3)
	var backup bytes.Buffer
	if _, err := s.WriteTo(&backup); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Copy(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for suffix, want := range map[string]int{copySuffix: 3, olderSuffix: 2} {
		b, err := os.ReadFile(s.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, storeName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, notes := mustStore(t, Options{Dir: other}); count(t, s) != want || len(notes) != 0 {
			t.Fatal(suffix, count(t, s), notes)
		}
	}
	if backup.Len() == 0 {
		t.Fatal("an empty backup")
	}
}

// The child writes to store and journal as fast as it can and prints what was acknowledged, until it is killed.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	if dir := os.Getenv("STORAGE_TEST_WRITER"); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	var acked [2]int // records, entries
	for round := range 5 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLosesNothingAcknowledged$")
		child.Env = append(os.Environ(), "STORAGE_TEST_WRITER="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for range 60 + 13*round {
			var kind string
			var n int
			if _, err := fmt.Fscan(out, &kind, &n); err != nil {
				t.Fatal("the writer ended by itself: ", err)
			}
			switch kind {
			case "record":
				acked[0] = n
			case "entry":
				acked[1] = n
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		s, notes := mustStore(t, Options{Dir: dir})
		if n := count(t, s); n < acked[0] || len(notes) != 0 {
			t.Fatalf("round %d: %d records, %d were acknowledged; %v", round, n, acked[0], notes)
		}
		j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 4096})
		all := readAll(t, j)
		if len(all) < acked[1] {
			t.Fatalf("round %d: %d entries, %d were acknowledged", round, len(all), acked[1])
		}
		for n, f := range all {
			wantEntry(t, f, n)
		}
		mustClose(t, j)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wantSound(t, dir)
	}
}

func writeUntilKilled(t *testing.T, dir string) {
	s, _ := mustStore(t, Options{Dir: dir})
	j, _ := mustOpen(t, JournalOptions{Dir: dir, SegmentBytes: 4096})
	for n := count(t, s); ; n++ {
		for range 3 {
			seq := mustAppend(t, j, openPart(j.Durable()+1), personalPart(j.Durable()+1))
			fmt.Println("entry", seq)
		}
		mustPut(t, s, n, n+1)
		fmt.Println("record", n+1)
	}
}

func FuzzStoreFile(f *testing.F) {
	b := storeImage(f)
	page := os.Getpagesize()
	f.Add(uint32(0), []byte{0}, uint32(len(b)))
	f.Add(uint32(9), []byte("0"), uint32(len(b)))
	f.Add(uint32(page+boltHeader+16), []byte{9}, uint32(len(b)))
	f.Add(uint32(3*page+8), []byte{1, 0, 255, 255}, uint32(len(b)))
	f.Add(uint32(4*page+20), []byte{255, 255, 255, 255}, uint32(len(b)-page))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, size uint32) {
		c := bytes.Clone(b)
		copy(c[int(at)%len(c):], patch)
		c = c[:min(int(size), len(c))]
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, storeName), c, 0o600); err != nil {
			t.Fatal(err)
		}
		s, _, err := Open(Options{Dir: dir, CopyEvery: -1, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		count(t, s)
		mustPut(t, s, 300, 301)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// bbolt itself must agree with the check that runs before it.
func TestCheckAcceptsWhatBboltWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.db")
	for round := range 4 {
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: round%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bolt.Tx) error {
			for b := range 20 {
				bucket, err := tx.CreateBucketIfNotExists(fmt.Appendf(nil, "bucket %d", b))
				if err != nil {
					return err
				}
				for n := range (b + round) * 30 {
					if err := bucket.Put(fmt.Appendf(nil, "%d-%d", round, n), make([]byte, n*b%9000)); err != nil {
						return err
					}
					if n%3 == 0 {
						if err := bucket.Delete(fmt.Appendf(nil, "%d-%d", round-1, n)); err != nil {
							return err
						}
					}
				}
				if _, err := bucket.CreateBucketIfNotExists([]byte("inner")); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if err := checkFile(path); err != nil {
			t.Fatal(err)
		}
	}
}
