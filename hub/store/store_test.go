package store_test

import (
	"testing"

	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/hub/store/storetest"
	"github.com/doorpanel/doorpanel/storage"
)

var _ storetest.Store = (*store.Store)(nil)

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, notes := opened(t, o)
	if len(notes) > 0 {
		t.Errorf("notes of a sound store: %+v", notes)
	}
	return s
}

// opened opens a store that may have something to say.
func opened(t testing.TB, o store.Options) (*store.Store, []storage.Note) {
	t.Helper()
	s, notes, err := store.Open(o)
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

func TestItIsAStore(t *testing.T) {
	storetest.Run(t, storetest.Bench{
		New: func(t testing.TB) storetest.Store { return open(t, store.Options{Dir: t.TempDir()}) },
		Again: func(t testing.TB, s storetest.Store) storetest.Store {
			was := s.(*store.Store)
			if err := was.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, store.Options{Dir: was.Dir()})
		},
	})
}
