package main

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/storage"
)

// documentStore keeps what licenses are made of: the signed bytes, never the rights that were read from them.
type documentStore struct {
	store *storage.Store
	table storage.Raw
	// held is what the first schema kept of a license: nothing but the store said when it was activated.
	held storage.Table[heldRecord]
}

type heldRecord struct {
	Raw         []byte    `json:"raw"`
	ActivatedAt time.Time `json:"activated_at"`
	Account     string    `json:"account"`
}

func newDocumentStore(s *storage.Store) documentStore {
	return documentStore{store: s, table: storage.NewRaw(s, "documents"), held: storage.NewTable[heldRecord](s, "licenses")}
}

// Keep stores all of the documents, durably, or none.
func (d documentStore) Keep(docs ...license.Document) error {
	return d.store.Update(func(tx *storage.Tx) error { return d.keepTx(tx, docs) })
}

func (d documentStore) keepTx(tx *storage.Tx, docs []license.Document) error {
	for _, doc := range docs {
		if err := d.table.PutTx(tx, doc.Key, doc.Raw); err != nil {
			return err
		}
	}
	return nil
}

// all returns every document, by key.
func (d documentStore) all() []license.Document {
	var docs []license.Document
	for key, raw := range d.table.All() {
		if doc, known := license.DocumentAt(key, raw); known {
			docs = append(docs, doc)
		}
	}
	return docs
}

// upgrade turns the licenses of the first schema into documents: the panel says under its own key what until now the store alone
// said, with the same time. It is one step, tried again at each start until it is done; the documents are good until then, too.
func (d documentStore) upgrade(keys deviceKeys) ([]license.Document, error) {
	var docs []license.Document
	var names []string
	var faults []error
	for name, h := range d.held.All() {
		doc, err := activationOf(h, keys)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		docs, names = append(docs, doc), append(names, name)
	}
	if len(docs) == 0 || d.store.ReadOnly() {
		return docs, errors.Join(faults...)
	}
	err := d.store.Update(func(tx *storage.Tx) error {
		for _, name := range names {
			if err := d.held.DeleteTx(tx, name); err != nil {
				return err
			}
		}
		return d.keepTx(tx, docs)
	})
	return docs, errors.Join(append(faults, err)...)
}

func activationOf(h heldRecord, keys deviceKeys) (license.Document, error) {
	a := license.Activation{Panel: keys.public(), License: h.Raw, At: h.ActivatedAt.UTC().Truncate(time.Second), Account: h.Account}
	if a.Account != "" {
		a.AssignedAt = a.At
	}
	return a.Sign(keys.signMessage)
}

// keptDocuments is everything that is known of the licenses at a start. Of documents with one key the newest counts.
type keptDocuments struct {
	docs     []license.Document
	missing  []license.Document // the journal alone has it
	unspoken []license.Document // the store alone has it
}

// gather brings together what the store keeps and what the journal remembers. Either alone is enough: a store from before
// something was given away, or without it, does not bring it back.
func gather(d documentStore, keys deviceKeys, memory []panel.Memory) (keptDocuments, error) {
	upgraded, err := d.upgrade(keys)
	stored, remembered := byKey(append(upgraded, d.all()...)), byKey(agent.RememberedDocuments(memory))
	var s keptDocuments
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		s.docs = append(s.docs, stored[key])
		if _, twin := remembered[key]; !twin {
			s.unspoken = append(s.unspoken, stored[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(remembered)) {
		twin, both := stored[key]
		if !both {
			s.missing = append(s.missing, remembered[key])
		}
		if !both || !bytes.Equal(twin.Raw, remembered[key].Raw) {
			s.docs = append(s.docs, remembered[key])
		}
	}
	return s, err
}

// entries are what the journal is to say of it: what came back, and what it had no copy of.
func (s keptDocuments) entries() []panel.Noted {
	var list []panel.Noted
	for _, doc := range s.missing {
		list = append(list, panel.Noted{Entry: panel.Entry{Kind: panel.LicenseRestored, Detail: string(doc.Kind) + ": the store had lost it, the journal had a copy"}})
	}
	for _, doc := range s.unspoken {
		if memory := agent.DocumentMemory([]license.Document{doc}); len(memory) > 0 {
			list = append(list, panel.Noted{Entry: panel.Entry{Kind: panel.LicenseWritten, Detail: string(doc.Kind) + ": the journal has a copy now"}, Remember: memory})
		}
	}
	return list
}

func byKey(docs []license.Document) map[string]license.Document {
	m := map[string]license.Document{}
	for _, d := range docs {
		m[d.Key] = d
	}
	return m
}
