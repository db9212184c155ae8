package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/storage"
)

// lived is a data directory in which somebody has lived: Rossi is everywhere where a name can be.
func lived(t *testing.T) (config configs.Config, keys deviceKeys) {
	t.Helper()
	config = configs.Default()
	config.Data = t.TempDir()
	config.KeysDir = filepath.Join(config.Data, "keys")
	keys, err := loadKeys(config.KeysDir)
	if err != nil {
		t.Fatal(err)
	}
	store, _, err := storage.Open(storage.Options{Dir: config.Data, Schema: schema, CopyEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.NewTable[personRecord](store, "people").Put("p1", personRecord{Name: "Rossi"}); err != nil {
		t.Fatal(err)
	}
	if err := newDocumentStore(store).Keep(ownersDocuments(t, keys)...); err != nil {
		t.Fatal(err)
	}
	mark := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := storage.NewTable[memorySnapshot](store, memoryTable).Put(snapshotKey, memorySnapshot{Epoch: "x", Mark: mark}); err != nil {
		t.Fatal(err)
	}
	if err := store.Copy(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	journal, _, err := storage.OpenJournal(storage.JournalOptions{Dir: config.Data})
	if err != nil {
		t.Fatal(err)
	}
	open, personal := agent.Record{Now: panel.Now{Wall: mark}, Entry: panel.Entry{Kind: panel.ConfigIs, Who: "Rossi", Detail: "Rossi"}}.Encode()
	_, done, err := journal.Append(open, personal)
	if err != nil || <-done != nil || journal.Close() != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"set-aside/store.db-1", ".restore-7/store.db", ".store.db-123", "store.db.copy.new.tmp"} {
		path := filepath.Join(config.Data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("Rossi"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config, keys
}

// ownersDocuments are a license of the panel, one that is for Rossi, and the identity of a panel that is called Rossi.
func ownersDocuments(t *testing.T, keys deviceKeys) []license.Document {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var docs []license.Document
	for i, scope := range []license.Scope{license.ScopePanel, license.ScopeAccount} {
		token := license.Token{ID: license.TokenID{byte(i + 1)}, Scope: scope, IssuedAt: at, Grants: []license.Grant{{Feature: license.Buttons, Count: 4}}}
		raw, err := token.Sign(pub, sign)
		if err != nil {
			t.Fatal(err)
		}
		a := license.Activation{Panel: keys.public(), License: raw, At: at}
		if scope == license.ScopeAccount {
			a.Account, a.AssignedAt = "Rossi", at
		}
		doc, err := a.Sign(keys.signMessage)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	other, err := license.Identity{Panel: pub, Name: "Rossi", At: at}.Sign(sign)
	if err != nil {
		t.Fatal(err)
	}
	return append(docs, other)
}

func TestAResetThatIsCutOffAtAnyStepEndsAtTheNextStart(t *testing.T) {
	steps := len(resetSteps(configs.Default(), nil, resetOrder{}, nil))
	for cut := range steps + 1 {
		config, keys := lived(t)
		if err := askReset(config.Data, "cli", time.Now()); err != nil {
			t.Fatal(err)
		}
		old, _, err := storage.Open(storage.Options{Dir: config.Data, Schema: schema, CopyEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range resetSteps(config, old, resetOrder{}, slog.New(slog.DiscardHandler))[:cut] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		if err := finishReset(config, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatalf("after %d of %d steps: %v", cut, steps, err)
		}
		checkForgotten(t, config, keys, cut)
	}
}

// checkForgotten looks for Rossi in every byte, and for what had to stay.
func checkForgotten(t *testing.T, config configs.Config, keys deviceKeys, cut int) {
	t.Helper()
	err := filepath.WalkDir(config.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("Rossi")) {
			t.Errorf("after a cut at step %d, %s names Rossi", cut, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{resetMarker, resetRoom, "set-aside", "keys/" + indexKeyFile} {
		if _, err := os.Stat(filepath.Join(config.Data, name)); err == nil {
			t.Errorf("after a cut at step %d, %s is there", cut, name)
		}
	}
	again, err := loadKeys(config.KeysDir)
	if err != nil || !again.sign.Equal(keys.sign) || bytes.Equal(again.index, keys.index) {
		t.Errorf("after a cut at step %d the panel has another key, or the old one for cards (%v)", cut, err)
	}
	store, notes, err := storage.Open(storage.Options{Dir: config.Data, Schema: schema, CopyEvery: -1})
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	defer store.Close()
	docs := newDocumentStore(store).all()
	if len(docs) != 2 {
		t.Errorf("after a cut at step %d, %d documents are there, want the two activations", cut, len(docs))
	}
	for _, doc := range docs {
		if a, err := license.OpenActivation(doc.Raw); doc.Kind != envelope.Activation || err != nil || a.Account != "" {
			t.Errorf("after a cut at step %d: %s %+v %v", cut, doc.Key, a, err)
		}
	}
	journal, _, err := storage.OpenJournal(storage.JournalOptions{Dir: config.Data})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	frames, err := journal.Read(0, 10)
	if err != nil || len(frames) != 1 {
		t.Fatalf("after a cut at step %d the journal has %d entries: %v", cut, len(frames), err)
	}
	if r, err := agent.Decode(frames[0].Open, frames[0].Personal); err != nil || r.Entry.Kind != panel.SystemReset {
		t.Errorf("after a cut at step %d the journal begins with %+v %v", cut, r, err)
	}
	if mark := replayOf(store, journal, func(string, string) {}).Time.Mark; mark.Year() != 2031 {
		t.Errorf("after a cut at step %d the clock's mark is %v: what has ended would hold again", cut, mark)
	}
}

func TestNothingIsErasedWithoutTheMarker(t *testing.T) {
	config, _ := lived(t)
	if err := finishReset(config, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	store, _, err := storage.Open(storage.Options{Dir: config.Data, Schema: schema, CopyEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, there, err := storage.NewTable[personRecord](store, "people").Get("p1"); err != nil || !there {
		t.Error(there, err)
	}
}
