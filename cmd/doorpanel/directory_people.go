package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// personRecord is a person as the store keeps it, with everything that person opens doors with: one record is read for
// one decision, and one is written for one move-out. Its key is the person's id.
type personRecord struct {
	Name   string           `json:"name"`
	Note   string           `json:"note,omitempty"`
	Flat   string           `json:"flat,omitempty"`
	Groups []string         `json:"groups,omitempty"`
	Rights []access.Right   `json:"rights,omitempty"` // of this person, beside those of the groups
	Held   []heldCredential `json:"held,omitempty"`
	// Drawn is how many credentials this person ever had: the number in the id of one is never another's.
	Drawn int `json:"drawn,omitempty"`
}

// heldCredential is a card or a code as the store keeps it: with the place of its index entry, never with the card's UID
// or the code.
type heldCredential struct {
	Number int    `json:"n"`
	Index  []byte `json:"index"`
	Under  []byte `json:"under,omitempty"` // the index of the code that is typed under duress instead
	// Digits is the number of secret digits of a code, 0 where it is not known; Flat is what is typed before them.
	Digits int    `json:"digits,omitempty"`
	Flat   string `json:"flat,omitempty"`
	// What the record's place says already is not stored in it once more.
	ID     string `json:"id,omitempty"`
	Person string `json:"person,omitempty"`
	access.Credential
}

// maxHeld bounds the cards and codes of one person.
const maxHeld = 256

// credentialID names a credential by its person and a number.
func credentialID(person string, number int) string { return person + "-" + strconv.Itoa(number) }

// splitCredentialID is what credentialID made. Another text is the id of nobody's credential.
func splitCredentialID(id string) (person string, number int) {
	at := strings.LastIndexByte(id, '-')
	if at < 0 {
		return id, 0
	}
	number, err := strconv.Atoi(id[at+1:])
	if err != nil || credentialID(id[:at], number) != id {
		return id, 0
	}
	return id[:at], number
}

// credential is a held credential with what its place in the store says.
func (h heldCredential) credential(person string) access.Credential {
	c := h.Credential
	c.ID, c.Person = credentialID(person, h.Number), person
	return c
}

func (p personRecord) view(id string) web.Person {
	v := web.Person{ID: id, Name: p.Name, Note: p.Note, Flat: p.Flat, Groups: p.Groups, Rights: p.Rights}
	for _, h := range p.Held {
		if h.Kind == access.Card {
			v.Cards++
		} else {
			v.Codes++
		}
	}
	return v
}

// counts is what would otherwise need a look at every person. It is kept with each change.
type counts struct {
	People int    `json:"people"`
	Cards  int    `json:"cards"`
	Codes  int    `json:"codes"`
	Next   uint64 `json:"next"` // of the ids of persons
	// Typed counts the codes by the number of digits that are typed for them; the first counts those where it is not known.
	Typed [maxTyped + 1]int `json:"typed"`
}

// maxTyped is the most digits that are typed for one code.
const maxTyped = maxFlat + access.MaxCodeLength

const countsKey = "people"

// change is one transaction over people: what is counted is written once, when it ends.
type change struct {
	d  *directory
	tx *storage.Tx
	counts
	gone panel.Removed // of what the machine need not know any more
}

// changePeople runs how in one transaction. What it refuses is told in its own words, and nothing is changed.
func (d *directory) changePeople(how func(*change) error) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	var before, after counts
	var gone panel.Removed
	err := d.update(func(tx *storage.Tx) (err error) {
		if before, _, err = d.counts.GetTx(tx, countsKey); err != nil {
			return err
		}
		c := &change{d: d, tx: tx, counts: before}
		err = how(c)
		gone = c.gone
		if after = c.counts; err != nil || after == before {
			return err
		}
		return d.counts.PutTx(tx, countsKey, after)
	})
	if err == nil && len(gone.People)+len(gone.Credentials) > 0 {
		d.removed(gone)
	}
	if err == nil && after.Typed != before.Typed {
		err = d.readCodeRules()
	}
	return err
}

// newPerson draws an id. Ids grow, so that people who are entered one after the other lie side by side in the store; the
// drawn end keeps a restored store from giving somebody the id of another.
func (c *change) newPerson() string {
	c.Next++
	return fmt.Sprintf("p%06s%s", strconv.FormatUint(c.Next, 36), newID(3))
}

// put stores a person and keeps the way to find them by name. before is what was stored, nil for a new person.
func (c *change) put(id string, before *personRecord, p personRecord) error {
	if before == nil {
		c.People++
	}
	if err := c.moveName(id, before, &p); err != nil {
		return err
	}
	return c.d.people.PutTx(c.tx, id, p)
}

// remove erases a person with everything that opens a door.
func (c *change) remove(id string, p personRecord) error {
	for _, h := range p.Held {
		if err := c.withdraw(id, h); err != nil {
			return err
		}
	}
	c.People--
	c.gone.People = append(c.gone.People, id)
	return errors.Join(c.moveName(id, &p, nil), c.d.people.DeleteTx(c.tx, id))
}

// withdraw makes a card or a code open nothing. The person's record is the caller's to change.
func (c *change) withdraw(person string, h heldCredential) error {
	if h.Counted() {
		c.gone.Credentials = append(c.gone.Credentials, credentialID(person, h.Number))
	}
	return errors.Join(c.count(h, -1), c.d.index.DeleteTx(c.tx, string(h.Index)), c.dropDuress(&h))
}

// count adds a card or a code to what is counted, or takes it off.
func (c *change) count(h heldCredential, by int) error {
	if h.Kind == access.Card {
		c.Cards += by
		return nil
	}
	c.Codes += by
	if h.Digits == 0 {
		c.Typed[0] += by
		return nil
	}
	c.Typed[len(h.Flat)+h.Digits] += by
	if h.Flat == "" {
		return nil
	}
	n, _, err := c.d.flatCodes.GetTx(c.tx, h.Flat)
	if n += by; err != nil || n > 0 {
		return cmp.Or(err, c.d.flatCodes.PutTx(c.tx, h.Flat, n))
	}
	return c.d.flatCodes.DeleteTx(c.tx, h.Flat)
}

// Person finds one person with every card and code.
func (d *directory) Person(id string) (web.PersonDetail, error) {
	p, found, err := d.people.Get(id)
	if err != nil || !found {
		return web.PersonDetail{}, cmp.Or(err, notFound("cannot show person %q: there is none with this id", id))
	}
	detail := web.PersonDetail{Person: p.view(id)}
	for _, h := range p.Held {
		c := web.Credential{Credential: h.credential(id), Digits: h.Digits, Flat: h.Flat, Clonable: h.HowStrong() == access.Weak}
		if c.NeedsDigits, err = d.needs(h); err != nil {
			return web.PersonDetail{}, err
		}
		detail.Credentials = append(detail.Credentials, c)
	}
	return detail, nil
}

// PutPerson makes or changes a person. What opens doors stays as it is, and so do groups and rights that are nil. A new
// person of whom nothing is said may open every door at any time: in a house that has no groups, a card is enough.
func (d *directory) PutPerson(_ context.Context, p web.Person, by string) (web.Person, error) {
	if err := checkPerson(p); err != nil {
		return p, err
	}
	err := d.changePeople(func(c *change) error {
		var before *personRecord
		after := personRecord{Rights: unlimited(p)}
		if p.ID == "" {
			p.ID = c.newPerson()
		} else {
			stored, found, err := d.people.GetTx(c.tx, p.ID)
			if err != nil || !found {
				return cmp.Or(err, notFound("cannot change person %q: there is none with this id", p.ID))
			}
			before, after = &stored, stored
		}
		after.Name, after.Note, after.Flat = p.Name, p.Note, p.Flat
		if p.Groups != nil {
			after.Groups = p.Groups
		}
		if p.Rights != nil {
			after.Rights = p.Rights
		}
		if err := cmp.Or(d.checkGroupsTx(c.tx, p.Groups), d.checkRightsTx(c.tx, p.Rights)); err != nil {
			return err
		}
		p = after.view(p.ID)
		return c.put(p.ID, before, after)
	})
	if err != nil {
		return p, storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "person saved: " + p.ID})
	return p, nil
}

// unlimited is the right of a new person for whom neither groups nor rights are named.
func unlimited(p web.Person) []access.Right {
	if p.Groups == nil && p.Rights == nil {
		return []access.Right{{}}
	}
	return nil
}

func checkPerson(p web.Person) error {
	if err := checkName("person", p.Name); err != nil {
		return err
	}
	return checkFlat(p.Flat)
}

// maxFlat bounds the number of a flat, which may be typed before a code.
const maxFlat = 5

func checkFlat(flat string) error {
	if len(flat) > maxFlat || strings.Trim(flat, "0123456789") != "" {
		return invalid("cannot save person: the flat %q is not a number of at most %d digits; write anything else into the note", flat, maxFlat)
	}
	return nil
}

// DeletePeople erases persons and all their credentials at once: all of them, or, when one is not known, nobody.
func (d *directory) DeletePeople(_ context.Context, ids []string, by string) error {
	err := d.changePeople(func(c *change) error {
		for _, id := range ids {
			p, found, err := d.people.GetTx(c.tx, id)
			if err != nil || !found {
				return cmp.Or(err, notFound("cannot delete person %q: there is none with this id", id))
			}
			if err := c.remove(id, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return storeError(err)
	}
	for _, id := range ids {
		d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "person deleted: " + id})
	}
	return nil
}

// personTx finds a person by id or name, or makes one.
func (c *change) person(who string) (id string, p personRecord, err error) {
	p, found, err := c.d.people.GetTx(c.tx, who)
	if err != nil || found {
		return who, p, err
	}
	for _, each := range c.d.namedTx(c.tx, who) {
		other, found, err := c.d.people.GetTx(c.tx, each)
		if err != nil || !found || !strings.EqualFold(other.Name, who) {
			continue
		}
		if id != "" {
			return "", p, fmt.Errorf("cannot add credential: there are several people named %q; give the id of the one you mean: %w", who, web.ErrConflict)
		}
		id, p = each, other
	}
	if id != "" {
		return id, p, nil
	}
	if err := checkName("person", who); err != nil {
		return "", p, err
	}
	id, p = c.newPerson(), personRecord{Name: who, Rights: []access.Right{{}}}
	return id, p, c.put(id, nil, p)
}

// Credentials lists credentials by person. What opens a door with them is not known here.
func (d *directory) Credentials(after string, limit int) ([]access.Credential, error) {
	var list []access.Credential
	person, number := splitCredentialID(after)
	err := d.store.View(func(tx *storage.Tx) error {
		for id, p := range d.people.FromTx(tx, person) {
			for _, h := range p.Held {
				if id == person && h.Number <= number {
					continue
				}
				if list = append(list, h.credential(id)); len(list) == limit {
					return nil
				}
			}
		}
		return nil
	})
	return list, err
}

// RemoveCredential withdraws a card or a code.
func (d *directory) RemoveCredential(_ context.Context, id, by string) error {
	person, number := splitCredentialID(id)
	var gone heldCredential
	err := d.changePeople(func(c *change) error {
		before, _, err := d.people.GetTx(c.tx, person)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(before.Held, func(h heldCredential) bool { return h.Number == number })
		if at < 0 {
			return notFound("cannot remove credential %q: there is none with this id", id)
		}
		gone = before.Held[at]
		after := before
		after.Held = slices.Delete(slices.Clone(before.Held), at, at+1)
		return errors.Join(c.withdraw(person, gone), c.put(person, &before, after))
	})
	if err != nil {
		return storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: id, Detail: string(gone.Kind) + " removed"})
	return nil
}
