package storage

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

func TestWalkInATransactionBeginsAtTheKeyOrBehindIt(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir()})
	people := NewTable[person](s, "people")
	for _, key := range []string{"b", "d", "f"} {
		if err := people.Put(key, person{Name: key}); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[string][]string{"": {"b", "d", "f"}, "b": {"b", "d", "f"}, "c": {"d", "f"}, "f": {"f"}, "g": nil} {
		var got []string
		err := s.View(func(tx *Tx) error {
			for key := range people.FromTx(tx, from) {
				got = append(got, key)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("from %q: %v, want %v; %v", from, got, want, err)
		}
	}
}

// A list that is entered in order takes little more room than it has bytes.
func TestRecordsThatAreAppendedFillTheirPages(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir(), NoSync: true, CopyEvery: -1})
	raw := NewRaw(s, "list")
	value := make([]byte, 200)
	const records = 40_000
	for first := 0; first < records; first += 2000 {
		err := s.Update(func(tx *Tx) error {
			for i := first; i < first+2000; i++ {
				if err := raw.PutTx(tx, fmt.Sprintf("%08d", i), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if net := int64(records * 228); info.Size() > 2*net {
		t.Errorf("%d records of %d bytes in all take %d", records, net, info.Size())
	}
}

func TestTableThatIsEmptiedTakesARecordInTheSameTransaction(t *testing.T) {
	s, _ := mustStore(t, Options{Dir: t.TempDir(), NoSync: true, CopyEvery: -1})
	raw := NewRaw(s, "list")
	key := func(i int) string { return fmt.Sprintf("%08d", i) }
	for _, change := range []func(*Tx) error{
		func(tx *Tx) error {
			for i := range 500 {
				if err := raw.PutTx(tx, key(i), make([]byte, 200)); err != nil {
					return err
				}
			}
			return nil
		},
		func(tx *Tx) error {
			for i := range 500 {
				if err := raw.DeleteTx(tx, key(i)); err != nil {
					return err
				}
			}
			return raw.PutTx(tx, "new", nil)
		},
	} {
		if err := s.Update(change); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := raw.Len(); n != 1 || err != nil {
		t.Error(n, err)
	}
}
