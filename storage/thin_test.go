package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func runOf(texts ...string) (out []Entry) {
	for _, text := range texts {
		open, personal, _ := strings.Cut(text, "|")
		out = append(out, Entry{[]byte(open), []byte(personal)})
	}
	return out
}

// TestThinnedJournalAgreesWithAModel appends runs, deletes and erases entries, breaks the disk and opens the journal anew, and
// compares what is read in both directions with a map.
func TestThinnedJournalAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		model := map[uint64]string{}
		last := uint64(0)
		d := newFaultyDisk()
		open := func() *Journal {
			j, notes, err := openJournal(JournalOptions{Dir: dir, SegmentBytes: 4096, Holding: []string{"reader"}}, d.disk)
			if err != nil || len(notes) != 0 {
				rt.Fatalf("%v %v", err, notes)
			}
			return j
		}
		j := open()
		defer func() { mustClose(rt, j) }()
		draw := func(t *rapid.T) (texts []string) {
			for range rapid.IntRange(1, 12).Draw(t, "entries") {
				texts = append(texts, fmt.Sprintf("kind-%d %s|%s", rapid.IntRange(0, 3).Draw(t, "kind"), strings.Repeat("x", rapid.IntRange(0, 900).Draw(t, "length")),
					rapid.SampledFrom([]string{"", "anna", "ben"}).Draw(t, "who")))
			}
			return texts
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				texts := draw(t)
				done, err := j.AppendRun(last, runOf(texts...))
				if err == nil {
					err = settled(t, done)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range texts {
					last++
					model[last] = text
				}
			},
			"append behind another": func(t *rapid.T) {
				if _, err := j.AppendRun(last+1, runOf("no")); !errors.Is(err, ErrMoved) {
					t.Fatalf("after an entry that is not there: %v", err)
				}
			},
			"fail": func(t *rapid.T) {
				b := rapid.SampledFrom([]*atomic.Bool{&d.failSync, &d.failWrite, &d.tearing}).Draw(t, "fault")
				b.Store(true)
				texts := draw(t)
				done, err := j.AppendRun(last, runOf(texts...))
				if err != nil || settled(t, done) == nil {
					t.Fatalf("a broken disk took it: %v", err)
				}
				b.Store(false)
				if j.Durable() != last {
					t.Fatalf("%d entries are durable of %d", j.Durable(), last)
				}
			},
			"thin": func(t *rapid.T) {
				kind := fmt.Sprintf("kind-%d ", rapid.IntRange(0, 4).Draw(t, "kind"))
				all := kind == "kind-4 "
				want := uint64(0)
				for seq, text := range model {
					if all || strings.HasPrefix(text, kind) {
						delete(model, seq)
						want++
					}
				}
				got := uint64(0)
				for from := uint64(0); ; {
					n, next, err := j.Thin(from, rapid.Int64Range(1, 9000).Draw(t, "bytes"), func(_ uint64, open, _ []byte) bool {
						return all || strings.HasPrefix(string(open), kind)
					})
					if err != nil {
						t.Fatal(err)
					}
					got += n
					if from = next; next == 0 {
						break
					}
				}
				if got != want {
					t.Fatalf("%d entries deleted, not %d", got, want)
				}
			},
			"erase": func(t *rapid.T) {
				if _, err := j.Erase(func(_, p []byte) bool { return string(p) == "anna" }); err != nil {
					t.Fatal(err)
				}
				for seq, text := range model {
					if strings.HasSuffix(text, "|anna") {
						model[seq] = strings.TrimSuffix(text, "anna")
					}
				}
			},
			"reopen": func(t *rapid.T) {
				mustClose(t, j)
				j = open()
			},
			"": func(t *rapid.T) {
				if j.Durable() != last {
					t.Fatalf("%d entries are durable of %d", j.Durable(), last)
				}
				up := map[uint64]string{}
				for seq, f := range readAll(t, j) {
					up[seq] = string(f.Open) + "|" + string(f.Personal)
				}
				if !reflect.DeepEqual(up, model) {
					t.Fatalf("read %v, want %v", up, model)
				}
				below, above := rapid.Uint64Range(0, last+2).Draw(t, "below"), rapid.Uint64Range(0, last).Draw(t, "above")
				limit := rapid.IntRange(1, 200).Draw(t, "limit")
				var want, got []string
				for seq := min(below, last+1); seq > above+1 && len(want) < limit; {
					seq--
					if text, ok := model[seq]; ok {
						want = append(want, fmt.Sprint(seq, text))
					}
				}
				err := j.Down(below, above, func(f Frame) bool {
					got = append(got, fmt.Sprint(f.Seq, string(f.Open)+"|"+string(f.Personal)))
					return len(got) < limit
				})
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("down from %d to %d: %v (%v), want %v", below, above, got, err, want)
				}
			},
		})
	})
}

func TestRunIsTakenWholeOrNotAtAll(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir()})
	defer mustClose(t, j)
	if _, err := j.AppendRun(0, []Entry{{Open: []byte("a")}, {Open: make([]byte, MaxEntry+1)}}); err == nil {
		t.Fatal("an entry that is too large was taken")
	}
	if done, err := j.AppendRun(0, nil); err != nil || settled(t, done) != nil {
		t.Fatal("no entries are no reason to fail:", err)
	}
	if seq := mustAppend(t, j, "first", ""); seq != 1 {
		t.Fatalf("entry %d after a run that was refused", seq)
	}
}

func TestNumbersKnownElsewhereAreNotUsedAgain(t *testing.T) {
	dir := t.TempDir()
	j, notes := mustOpen(t, JournalOptions{Dir: dir, After: 40})
	if len(notes) != 1 || !strings.Contains(notes[0].What, "1 to 40") {
		t.Errorf("notes %+v", notes)
	}
	if seq := mustAppend(t, j, "a", ""); seq != 41 {
		t.Errorf("entry %d", seq)
	}
	mustClose(t, j)
	j, notes = mustOpen(t, JournalOptions{Dir: dir, After: 41})
	defer mustClose(t, j)
	if len(notes) != 0 || mustAppend(t, j, "b", "") != 42 {
		t.Errorf("notes of a sound journal: %+v", notes)
	}
}

func TestShrinkDeletesTheOldestFirst(t *testing.T) {
	j, _ := mustOpen(t, JournalOptions{Dir: t.TempDir(), SegmentBytes: 4096, Holding: []string{"nobody"}})
	defer mustClose(t, j)
	fillJournal(t, j, 200)
	n, err := j.Shrink(12 << 10)
	first, last := j.Bounds()
	if err != nil || n == 0 || first != n+1 || last != 200 || j.Bytes() > 12<<10 {
		t.Errorf("%d deleted (%v), %d to %d are left in %d bytes", n, err, first, last, j.Bytes())
	}
	if _, err := j.Shrink(0); err != nil {
		t.Fatal(err)
	}
	if _, last := j.Bounds(); last != 200 || len(readAll(t, j)) == 0 {
		t.Error("the newest segment went too")
	}
}

func TestImageHoldsWhatWasDurable(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	j, _ := mustOpen(t, JournalOptions{Dir: from, SegmentBytes: 4096})
	defer mustClose(t, j)
	fillJournal(t, j, 100)
	err := j.Image(func(name string, size int64, content io.Reader) error {
		mustAppend(t, j, "meanwhile", "") // the journal stays in use
		b, err := io.ReadAll(content)
		if err != nil || int64(len(b)) != size {
			t.Fatalf("%s: %d bytes of %d, %v", name, len(b), size, err)
		}
		return PutImageFile(to, name, bytes.NewReader(b))
	})
	if err != nil {
		t.Fatal(err)
	}
	wantSound(t, to)
	other, notes := mustOpen(t, JournalOptions{Dir: to, NewEpoch: true})
	defer mustClose(t, other)
	if len(notes) != 0 {
		t.Errorf("notes %+v", notes)
	}
	for n := uint64(1); n <= 100; n++ {
		wantEntry(t, readAll(t, other)[n], n)
	}

	s, _, err := Open(Options{Dir: from})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := NewTable[int](s, "numbers").Put("one", 1); err != nil {
		t.Fatal(err)
	}
	err = s.Image(func(size int64, write func(io.Writer) error) error {
		var b bytes.Buffer
		if err := write(&b); err != nil || int64(b.Len()) != size {
			t.Fatalf("%d bytes of %d, %v", b.Len(), size, err)
		}
		return PutImageFile(to, "store.db", &b)
	})
	if err != nil {
		t.Fatal(err)
	}
	restored, notes, err := Open(Options{Dir: to})
	if err != nil || len(notes) != 0 {
		t.Fatal(err, notes)
	}
	defer restored.Close()
	if n, ok, err := NewTable[int](restored, "numbers").Get("one"); n != 1 || !ok || err != nil {
		t.Errorf("restored: %d %v %v", n, ok, err)
	}
	// Nothing else is written, and nothing is written over.
	for _, name := range []string{"store.db", "../store.db", "journal/../../x.seg", "journal/1.seg", "/etc/passwd", "journal/00000001.seg/..", "other"} {
		if err := PutImageFile(to, name, strings.NewReader("x")); err == nil {
			t.Errorf("%s was restored", name)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "journal", "1.seg")); err == nil {
		t.Error("1.seg is there")
	}
}

func TestTableIsWalkedDownwards(t *testing.T) {
	s, _, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	table := NewTable[int](s, "numbers")
	err = s.Update(func(tx *Tx) error {
		for i := range 500 {
			if err := table.PutTx(tx, fmt.Sprintf("%03d", 2*i), 2*i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		below string
		want  string
	}{{"", "[998 996 994]"}, {"zzz", "[998 996 994]"}, {"500", "[498 496 494]"}, {"501", "[500 498 496]"}, {"002", "[0]"}, {"000", "[]"}} {
		var got []int
		if err := s.View(func(tx *Tx) error {
			for _, n := range table.DownTx(tx, c.below) {
				if got = append(got, n); len(got) == 3 {
					break
				}
			}
			for range NewTable[int](s, "none").DownTx(tx, "") {
				t.Error("a table that is not there has records")
			}
			return nil
		}); err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("below %q: %v, %v", c.below, got, err)
		}
	}
}
