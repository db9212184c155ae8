package main

import (
	"errors"
	"fmt"
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

const documentTable = "documents"

type heldRecord struct {
	Raw         []byte    `json:"raw"`
	ActivatedAt time.Time `json:"activated_at"`
	Account     string    `json:"account"`
}

func newDocumentStore(s *storage.Store) documentStore {
	return documentStore{store: s, table: storage.NewRaw(s, documentTable), held: storage.NewTable[heldRecord](s, "licenses")}
}

// Keep stores all of the documents, durably, or none. Each takes the place of every copy under its key.
func (d documentStore) Keep(docs ...license.Document) error {
	copies := d.copies(docs)
	return d.store.Update(func(tx *storage.Tx) error {
		for _, key := range copies {
			if err := d.table.DeleteTx(tx, key); err != nil {
				return err
			}
		}
		return d.keepTx(tx, docs)
	})
}

// Drop deletes what lies under keys, with every copy.
func (d documentStore) Drop(keys ...string) error {
	var gone []license.Document
	for _, key := range keys {
		if doc, known := agent.DocumentAt(key, nil); known {
			gone = append(gone, doc)
		}
	}
	keys = append(d.copies(gone), keys...)
	return d.store.Update(func(tx *storage.Tx) error {
		for _, key := range keys {
			if err := d.table.DeleteTx(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// add stores documents beside those with the same keys: which of them is newer is told by what they say, when rights are derived.
func (d documentStore) add(docs []license.Document) error {
	return d.store.Update(func(tx *storage.Tx) error {
		for _, doc := range docs {
			if err := d.table.PutTx(tx, agent.CopyKey(doc), doc.Raw); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d documentStore) keepTx(tx *storage.Tx, docs []license.Document) error {
	for _, doc := range docs {
		if err := d.table.PutTx(tx, doc.Key, doc.Raw); err != nil {
			return err
		}
	}
	return nil
}

// damagedMark stands where a damaged document was. It opens as none.
const damagedMark = "damaged"

func byKey(docs []license.Document) map[string][]license.Document {
	groups := map[string][]license.Document{}
	for _, d := range docs {
		groups[d.Key] = append(groups[d.Key], d)
	}
	return groups
}

// markDamaged leaves something in the places of documents that were damaged. What they took away must not come back because
// they are gone: without another copy, what the license gives is withheld until one is shown.
// When the damage is in the name itself, the document is one that the journal has and the store lost.
func (d documentStore) markDamaged(keys []string, memory []panel.Memory) error {
	stored, remembered := d.all(), agent.RememberedDocuments(memory)
	lost := without(remembered, stored)
	copies := byKey(append(remembered, stored...))
	var marks []license.Document
	for _, key := range keys {
		doc, known := agent.DocumentAt(key, []byte(damagedMark))
		misnamed := slices.ContainsFunc(lost, func(l license.Document) bool { return oneByteApart(l.Key, doc.Key) })
		if known && len(copies[doc.Key]) == 0 && !misnamed {
			marks = append(marks, doc)
		}
	}
	if len(marks) == 0 || d.store.ReadOnly() {
		return nil
	}
	return d.store.Update(func(tx *storage.Tx) error { return d.keepTx(tx, marks) })
}

// oneByteApart tells that two names differ in one byte.
func oneByteApart(a, b string) bool {
	apart := 0
	for i := 0; len(a) == len(b) && i < len(a); i++ {
		if a[i] != b[i] {
			apart++
		}
	}
	return apart == 1
}

// copies are the keys of what lies beside documents with the same keys.
func (d documentStore) copies(docs []license.Document) []string {
	var keys []string
	for key, raw := range d.table.All() {
		doc, known := agent.DocumentAt(key, raw)
		if known && key != doc.Key && slices.ContainsFunc(docs, func(n license.Document) bool { return n.Key == doc.Key }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// all returns every document, by key; several with one key are copies.
func (d documentStore) all() []license.Document {
	var docs []license.Document
	for key, raw := range d.table.All() {
		if doc, known := agent.DocumentAt(key, raw); known {
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
	k := keptDocuments{docs: union(upgraded, d.all())}
	remembered := agent.RememberedDocuments(memory)
	k.unspoken, k.missing = without(k.docs, remembered), without(remembered, k.docs)
	k.docs = append(k.docs, k.missing...)
	return k, err
}

// without are the documents that are not among others.
func without(docs, others []license.Document) []license.Document {
	seen := map[string]bool{}
	for _, d := range others {
		seen[agent.CopyKey(d)] = true
	}
	var left []license.Document
	for _, d := range docs {
		if !seen[agent.CopyKey(d)] {
			left = append(left, d)
		}
	}
	return left
}

func union(docs, more []license.Document) []license.Document {
	return append(docs, without(more, docs)...)
}

// entries are what the journal is to say of it: what came back, and what it had no copy of.
func (k keptDocuments) entries() []panel.Noted {
	var list []panel.Noted
	for _, doc := range k.missing {
		list = append(list, panel.Noted{Entry: panel.Entry{Kind: panel.LicenseRestored, Detail: string(doc.Kind) + ": the store had lost it, the journal had a copy"}})
	}
	groups := byKey(k.docs)
	for _, doc := range k.unspoken {
		memory := agent.DocumentMemory([]license.Document{doc})
		switch {
		case string(doc.Raw) == damagedMark:
			continue
		case len(groups[doc.Key]) > 1:
			memory = agent.CopyMemory([]license.Document{doc})
		}
		if len(memory) > 0 {
			list = append(list, panel.Noted{Entry: panel.Entry{Kind: panel.LicenseWritten, Detail: string(doc.Kind) + ": the journal has a copy now"}, Remember: memory})
		}
	}
	return list
}

// carryOver takes along what no backup may set back: what was activated, given away, given back and revoked since, and what the
// machine remembers of the journal, which goes on.
func carryOver(present, restored *storage.Store) error {
	from, to := newDocumentStore(present), newDocumentStore(restored)
	if err := to.add(without(from.all(), to.all())); err != nil {
		return fmt.Errorf("cannot keep the licenses of the present store: %w; nothing was changed", err)
	}
	for name, h := range from.held.All() {
		if err := to.held.Put(name, h); err != nil {
			return fmt.Errorf("cannot keep the licenses of the present store: %w; nothing was changed", err)
		}
	}
	if err := carryHub(present, restored); err != nil {
		return fmt.Errorf("cannot keep the hub of the present store: %w; nothing was changed", err)
	}
	known, found, err := storage.NewTable[memorySnapshot](present, memoryTable).Get(snapshotKey)
	if err != nil || !found {
		return nil // the journal tells it again
	}
	if err := storage.NewTable[memorySnapshot](restored, memoryTable).Put(snapshotKey, known); err != nil {
		return fmt.Errorf("cannot keep what the panel remembers: %w; nothing was changed", err)
	}
	return nil
}
