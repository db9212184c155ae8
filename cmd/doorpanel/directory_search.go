package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// People are found by name in a table of their own, sorted by the folded name: its key is name, NUL, id; its value is
// what else is searched, field by field, each between two separators. A page of a sorted list reads as many keys as it
// shows, and a search for a part of a name reads this table and no person.

const separator = "\x1f"

func scheduleMark(name string) string { return "s:" + name }
func groupMark(name string) string    { return "g:" + name }

// codeMark is the length of a code, and what is typed before it.
func codeMark(flat string, digits int) string { return fmt.Sprintf("c:%s/%d", flat, digits) }

func nameKey(name, id string) string { return foldName(name) + "\x00" + id }

// nameValue is everything else by which a person is found.
func (p *personRecord) nameValue() []byte {
	fields := []string{foldName(p.Note), foldName(p.Flat)}
	for _, g := range p.Groups {
		fields = append(fields, groupMark(g))
	}
	mark := func(text string) {
		if !slices.Contains(fields, text) {
			fields = append(fields, text)
		}
	}
	for _, r := range p.Rights {
		if r.Profile != "" {
			mark(scheduleMark(r.Profile))
		}
	}
	for _, h := range p.Held {
		if h.Profile != "" {
			mark(scheduleMark(h.Profile))
		}
		if h.Digits > 0 {
			mark(codeMark(h.Flat, h.Digits))
		}
	}
	return []byte(separator + strings.Join(fields, separator) + separator)
}

// moveName keeps the table of names; nil stands for a person who is not there.
func (c *change) moveName(id string, before, after *personRecord) error {
	var faults []error
	switch {
	case after == nil:
		return c.d.names.DeleteTx(c.tx, nameKey(before.Name, id))
	case before == nil:
	case nameKey(before.Name, id) != nameKey(after.Name, id):
		faults = append(faults, c.d.names.DeleteTx(c.tx, nameKey(before.Name, id)))
	case string(before.nameValue()) == string(after.nameValue()):
		return nil
	}
	return errors.Join(append(faults, c.d.names.PutTx(c.tx, nameKey(after.Name, id), after.nameValue()))...)
}

// folds are letters that are found under the letter they are made of.
var folds = strings.NewReplacer("à", "a", "á", "a", "â", "a", "ã", "a", "ä", "a", "å", "a", "ą", "a", "æ", "ae", "ç", "c", "ć", "c", "č", "c", "ď", "d", "đ", "d",
	"è", "e", "é", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "ğ", "g", "ì", "i", "í", "i", "î", "i", "ï", "i", "ı", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n",
	"ò", "o", "ó", "o", "ô", "o", "õ", "o", "ö", "o", "ø", "o", "ő", "o", "œ", "oe", "ř", "r", "ś", "s", "š", "s", "ş", "s", "ß", "ss", "ť", "t",
	"ù", "u", "ú", "u", "û", "u", "ü", "u", "ů", "u", "ű", "u", "ý", "y", "ÿ", "y", "ź", "z", "ż", "z", "ž", "z", "\u0307", "", "\x00", "", separator, "")

// foldName is a text as it is searched and sorted: small letters without marks.
func foldName(text string) string { return folds.Replace(strings.ToLower(text)) }

// namedTx returns the ids of those whose folded name is exactly this one.
func (d *directory) namedTx(tx *storage.Tx, name string) (ids []string) {
	prefix := nameKey(name, "")
	for key := range d.names.FromTx(tx, prefix) {
		id, is := strings.CutPrefix(key, prefix)
		if !is {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// mentionedTx reports whether any person carries a mark.
func (d *directory) mentionedTx(tx *storage.Tx, mark string) bool {
	for _, value := range d.names.AllTx(tx) {
		if strings.Contains(string(value), separator+mark+separator) {
			return true
		}
	}
	return false
}

// People lists persons: by id, or by name where something is searched or the order is asked for.
func (d *directory) People(q web.PeopleQuery) (page web.PeoplePage, err error) {
	err = d.store.View(func(tx *storage.Tx) error {
		c, _, err := d.counts.GetTx(tx, countsKey)
		if err != nil {
			return err
		}
		page.Total = c.People
		if q.Search == "" && q.Group == "" && !q.ByName {
			page.People, page.Next = d.byIDTx(tx, q)
			return nil
		}
		page.People, page.Next, err = d.byNameTx(tx, q)
		return err
	})
	return page, err
}

func (d *directory) byIDTx(tx *storage.Tx, q web.PeopleQuery) (list []web.Person, next string) {
	for id, p := range d.people.FromTx(tx, q.After) {
		if id == q.After {
			continue
		}
		if len(list) == q.Limit {
			return list, list[len(list)-1].ID
		}
		list = append(list, p.view(id))
	}
	return list, ""
}

func (d *directory) byNameTx(tx *storage.Tx, q web.PeopleQuery) (list []web.Person, next string, err error) {
	after, err := base64.RawURLEncoding.DecodeString(q.After)
	if err != nil {
		return nil, "", invalid("cannot go on after %.80q: it is not what an earlier page called next", q.After)
	}
	f := filter{group: []byte(separator + groupMark(q.Group) + separator)}
	if q.Group == "" {
		f.group = nil
	}
	for _, word := range strings.Fields(foldName(q.Search)) {
		f.words = append(f.words, []byte(word))
	}
	last := ""
	for key, value := range d.names.FromTx(tx, string(after)) {
		name, id, _ := strings.Cut(key, "\x00")
		if key == string(after) || !f.matches(name, value) {
			continue
		}
		if len(list) == q.Limit {
			return list, base64.RawURLEncoding.EncodeToString([]byte(last)), nil
		}
		p, found, err := d.people.GetTx(tx, id)
		if err != nil {
			return nil, "", err
		}
		if found {
			list, last = append(list, p.view(id)), key
		}
	}
	return list, "", nil
}

// filter is what is looked for among the names. It is asked about every person of a search.
type filter struct {
	words [][]byte
	group []byte // between separators; nil: any
}

// matches reports whether every word stands in the name or the note, or is the flat, and whether the group is theirs.
func (f filter) matches(name string, value []byte) bool {
	if f.group != nil && !bytes.Contains(value, f.group) {
		return false
	}
	note, rest, _ := bytes.Cut(value[len(separator):], []byte(separator))
	flat, _, _ := bytes.Cut(rest, []byte(separator))
	for _, word := range f.words {
		if !strings.Contains(name, string(word)) && !bytes.Contains(note, word) && !bytes.Equal(flat, word) {
			return false
		}
	}
	return true
}
