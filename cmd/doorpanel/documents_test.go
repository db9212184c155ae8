package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/storage"
)

// shared is a panel that has ten buttons and gave four of them away.
type shared struct {
	keys  deviceKeys
	ring  license.Keyring
	docs  []license.Document
	slice license.Document
	at    time.Time
}

func newShared(t *testing.T) shared {
	t.Helper()
	keys, err := loadKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	root, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := shared{keys: keys, at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	token := license.Token{ID: license.TokenID{1}, Scope: license.ScopePanel, IssuedAt: s.at, Grants: []license.Grant{{Feature: license.Buttons, Count: 10}}}
	raw, err := token.Sign(root, func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	activation, err := license.Activation{Panel: keys.public(), License: raw, At: s.at}.Sign(keys.signMessage)
	if err != nil {
		t.Fatal(err)
	}
	s.slice, err = license.Slice{
		Holder: keys.public(), Activation: activation.Raw, To: envelope.ThumbprintOf(root), Feature: license.Buttons, Given: 4, At: s.at,
	}.Sign(keys.signMessage)
	if err != nil {
		t.Fatal(err)
	}
	var faults []error
	s.ring, faults = license.KeyringOf([]ed25519.PublicKey{root}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	s.docs = []license.Document{activation, s.slice}
	return s
}

func (s shared) buttons(docs []license.Document) int {
	clock := license.Clock{Now: s.at.AddDate(0, 1, 0), Mark: s.at.AddDate(0, 1, 0), Trusted: true}
	return license.Derive(s.ring, license.Panel{Key: s.keys.public()}, clock, docs).Count(license.Buttons)
}

func openDocuments(t *testing.T, dir string) (documentStore, []storage.Note) {
	t.Helper()
	store, notes, err := storage.Open(storage.Options{Dir: dir, Schema: schema, CopyEvery: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return newDocumentStore(store), notes
}

// start does with the documents what a start of the panel does.
func (s shared) start(t *testing.T, dir string, memory []panel.Memory) []license.Document {
	t.Helper()
	d, notes := openDocuments(t, dir)
	defer d.store.Close()
	var damaged []string
	for _, n := range notes {
		if n.Table == documentTable {
			damaged = append(damaged, n.Key)
		}
	}
	if err := d.markDamaged(damaged, memory); err != nil {
		t.Fatal(err)
	}
	kept, err := gather(d, s.keys, memory)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.add(kept.missing); err != nil {
		t.Fatal(err)
	}
	return kept.docs
}

func TestAByteChangedAnywhereInTheStoreNeverRaisesRights(t *testing.T) {
	s := newShared(t)
	dir := t.TempDir()
	d, _ := openDocuments(t, dir)
	if err := d.Keep(s.docs...); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	memory := agent.DocumentMemory(s.docs)
	for range 100 {
		changed := append([]byte(nil), whole...)
		at, err := rand.Int(rand.Reader, big.NewInt(int64(len(changed))))
		if err != nil {
			t.Fatal(err)
		}
		changed[at.Int64()] ^= 1 << (at.Int64() % 8)
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, storeFile), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		// The journal has a copy of everything: nothing is lost, and nothing comes back.
		for _, start := range []string{"first", "second"} {
			if got := s.buttons(s.start(t, other, memory)); got != 6 {
				t.Fatalf("at the %s start after byte %v was changed, %d buttons are usable, want 6", start, at, got)
			}
		}
	}
}

// A byte in the name of a record: it must not withhold a document that never was.
func TestAByteChangedInADocumentsNameTakesNothingAway(t *testing.T) {
	s := newShared(t)
	dir := t.TempDir()
	d, _ := openDocuments(t, dir)
	if err := d.Keep(s.docs...); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	memory, names := agent.DocumentMemory(s.docs), 0
	for _, doc := range s.docs {
		for from := 0; ; {
			at := bytes.Index(whole[from:], []byte(doc.Key))
			if at < 0 {
				break
			}
			names, from = names+1, from+at+len(doc.Key)
			for _, i := range []int{from - 1, from - 20, from - len(doc.Key)} {
				changed := append([]byte(nil), whole...)
				changed[i] ^= 1
				other := t.TempDir()
				if err := os.WriteFile(filepath.Join(other, storeFile), changed, 0o600); err != nil {
					t.Fatal(err)
				}
				for _, start := range []string{"first", "second"} {
					if got := s.buttons(s.start(t, other, memory)); got != 6 {
						t.Errorf("at the %s start after byte %d was changed in a name, %d buttons are usable, want 6", start, i, got)
					}
				}
			}
		}
	}
	if names == 0 {
		t.Fatal("no name was found in the store")
	}
}

// Without a copy in the journal a damaged record of what was given away withholds the license, at this start and at the next.
func TestADamagedRecordOfWhatWasGivenAwayWithholdsTheRest(t *testing.T) {
	s := newShared(t)
	dir := t.TempDir()
	d, _ := openDocuments(t, dir)
	if err := d.Keep(s.docs...); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(content) - len(s.slice.Raw) {
		if string(content[i:i+len(s.slice.Raw)]) == string(s.slice.Raw) {
			content[i+len(s.slice.Raw)/2] ^= 4
		}
	}
	if err := os.WriteFile(filepath.Join(dir, storeFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{"first", "second"} {
		if got := s.buttons(s.start(t, dir, nil)); got != 0 {
			t.Errorf("at the %s start %d buttons are usable, want none until the record is there again", start, got)
		}
	}
	// The receiving panel shows what it was given: everything is in order again.
	d, _ = openDocuments(t, dir)
	if err := d.Keep(s.slice); err != nil {
		t.Fatal(err)
	}
	if got := s.buttons(d.all()); got != 6 {
		t.Errorf("with the record back %d buttons are usable, want 6", got)
	}
}

func TestWhatEitherStoreOrJournalLacksTheOtherGivesBack(t *testing.T) {
	s := newShared(t)
	more, err := license.Slice{
		Holder: s.keys.public(), Activation: s.docs[0].Raw, To: mustSlice(t, s.slice).To, Feature: license.Buttons, Given: 7, At: s.at,
	}.Sign(s.keys.signMessage)
	if err != nil {
		t.Fatal(err)
	}
	newer := []license.Document{s.docs[0], more}
	for _, c := range []struct {
		name             string
		stored, remember []license.Document
		want             int
	}{
		{"both", s.docs, s.docs, 6},
		{"the store alone: killed before the journal was written", s.docs, nil, 6},
		{"the journal alone: the store was lost", nil, s.docs, 6},
		{"an older store", s.docs[:1], s.docs, 6},
		{"an older journal", s.docs, s.docs[:1], 6},
		{"a store from before the last slice", s.docs, newer, 3},
		{"a journal from before the last slice", newer, s.docs, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := openDocuments(t, t.TempDir())
			if err := d.Keep(c.stored...); err != nil {
				t.Fatal(err)
			}
			journal := agent.Replay{}
			journal.Add(agent.Record{Remember: agent.DocumentMemory(c.remember)})
			for _, start := range []string{"first", "second", "third"} {
				kept, err := gather(d, s.keys, journal.Memory())
				if err != nil {
					t.Fatal(err)
				}
				if got := s.buttons(kept.docs); got != c.want {
					t.Errorf("at the %s start: %d buttons, want %d", start, got, c.want)
				}
				if err := d.add(kept.missing); err != nil {
					t.Fatal(err)
				}
				for _, n := range kept.entries() {
					if start != "first" {
						t.Errorf("at the %s start it says %+v again", start, n.Entry)
					}
					journal.Add(agent.Record{Remember: n.Remember})
				}
			}
			// Now each of them alone is enough.
			empty, _ := openDocuments(t, t.TempDir())
			for name, kept := range map[string]func() (keptDocuments, error){
				"store":   func() (keptDocuments, error) { return gather(d, s.keys, nil) },
				"journal": func() (keptDocuments, error) { return gather(empty, s.keys, journal.Memory()) },
			} {
				if k, err := kept(); err != nil || s.buttons(k.docs) != c.want {
					t.Errorf("the %s alone gives %d buttons, want %d (%v)", name, s.buttons(k.docs), c.want, err)
				}
			}
		})
	}
}

func mustSlice(t *testing.T, d license.Document) license.Slice {
	t.Helper()
	s, err := license.OpenSlice(d.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNoDocumentIsStoredWithoutTheOthers(t *testing.T) {
	s := newShared(t)
	d, _ := openDocuments(t, t.TempDir())
	broken := s.slice
	broken.Key = string(make([]byte, 2000))
	if err := d.Keep(s.docs[0], broken); err == nil {
		t.Fatal("a key that cannot be stored was stored")
	}
	if docs := d.all(); len(docs) > 0 {
		t.Errorf("%d documents are stored", len(docs))
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(s.docs...); !errors.Is(err, storage.ErrClosed) {
		t.Error(err)
	}
}
