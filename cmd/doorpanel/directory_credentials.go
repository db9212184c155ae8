package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// indexBytes of the keyed hash are kept: no two of a panel's cards and codes meet in them by chance, and a hundred
// thousand of them fit into the store.
const indexBytes = 16

// indexOf is where a card or code is found. Without the panel's key the stored value says nothing.
func (d *directory) indexOf(kind access.Kind, shown string) []byte {
	mac := hmac.New(sha256.New, d.indexKey)
	mac.Write([]byte(string(kind) + "\x00" + shown))
	return mac.Sum(nil)[:indexBytes]
}

// Facts is what the readers ask, in one look at the store. An unknown card is no error.
func (d *directory) Facts(kind access.Kind, shown string) (facts panel.Facts, err error) {
	if kind == access.Pass {
		err = d.store.View(func(tx *storage.Tx) error {
			facts, err = d.guestFactsTx(tx, shown)
			return err
		})
		return facts, err
	}
	meant := []string{shown}
	if kind == access.Code {
		meant = d.codesMeant(shown)
	}
	err = d.store.View(func(tx *storage.Tx) error {
		id, duress, err := d.foundTx(tx, kind, meant)
		if err != nil {
			return err
		}
		if id == "" {
			return nil
		}
		if guest, is := strings.CutPrefix(id, guestMark); is {
			facts, err = d.guestFactsTx(tx, guest)
			return err
		}
		facts, err = d.factsTx(tx, id)
		facts.Duress = duress
		return err
	})
	if err != nil {
		return panel.Facts{}, err
	}
	return facts, nil
}

// factsTx is everything about one credential: its holder, and what the holder and each of the groups may.
func (d *directory) factsTx(tx *storage.Tx, id string) (panel.Facts, error) {
	person, number := splitCredentialID(id)
	p, found, err := d.people.GetTx(tx, person)
	if err != nil || !found {
		return panel.Facts{}, err
	}
	at := slices.IndexFunc(p.Held, func(h heldCredential) bool { return h.Number == number })
	if at < 0 {
		return panel.Facts{}, nil
	}
	facts := panel.Facts{Credential: p.Held[at].credential(person), Person: p.Name}
	facts.Rights, facts.Emergency, err = d.rightsTx(tx, p)
	return facts, err
}

// AddCredential makes a card or a code for a person.
func (d *directory) AddCredential(_ context.Context, n web.NewCredential, by string) (made access.Credential, code string, err error) {
	if err := d.enrolls(); err != nil {
		return access.Credential{}, "", err
	}
	chosen := n.Kind == access.Code && n.Code != ""
	if left := d.codesBlocked(); chosen && left > 0 {
		return made, "", fmt.Errorf("cannot add this code: codes are blocked for %s after wrong tries; leave it empty to have one drawn: %w",
			left.Round(time.Second), web.ErrBusy)
	}
	err = d.changePeople(func(c *change) error {
		id, before, err := c.person(n.Person)
		if err != nil {
			return err
		}
		after := before
		made, code, err = c.enroll(id, &after, n)
		if err != nil {
			return err
		}
		return c.put(id, &before, after)
	})
	if chosen && errors.Is(err, web.ErrConflict) {
		// Whoever may choose codes could find those of others by choosing: the try is counted before it is answered.
		d.wrongTry(panel.WrongTry{Source: panel.ByPage, Detail: "chosen by " + by + ", in use"})
	}
	if err != nil {
		return access.Credential{}, "", storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: made.ID, Detail: string(made.Kind) + " added"})
	return made, code, nil
}

// enrolls says why nobody can be enrolled now, or nothing.
func (d *directory) enrolls() error {
	if e := d.entitlements(); !e.Allows(license.AccessBasic) && !e.AccessLapsedUntil().IsZero() {
		return fmt.Errorf("cannot add credential: access control has lapsed; renew the license, enrolled people go on until %s: %w",
			e.AccessLapsedUntil().Format("2006-01-02"), web.ErrNotLicensed)
	}
	return nil
}

// enroll gives a person a card or a code, drawing the code where none is named. The record is the caller's to store.
func (c *change) enroll(id string, p *personRecord, n web.NewCredential) (made access.Credential, drawn string, err error) {
	for _, door := range n.Doors {
		if !slices.Contains(c.d.doors, door) {
			return made, "", invalid("cannot add credential: there is no door %q; the doors are %s", door, strings.Join(c.d.doors, ", "))
		}
	}
	if n.Schedule != "" {
		if err := c.d.checkScheduleTx(c.tx, n.Schedule); err != nil {
			return made, "", err
		}
	}
	if len(p.Held) >= maxHeld {
		return made, "", invalid("cannot add credential: this person has %d already; remove some first", maxHeld)
	}
	p.Drawn++
	h := heldCredential{Number: p.Drawn, Credential: access.Credential{
		Kind: n.Kind, Doors: n.Doors, From: n.From, Until: n.Until, Profile: n.Schedule, Uses: n.Uses, MinutesFromFirstUse: n.Minutes,
	}}
	shown := n.UID
	if n.Kind == access.Code {
		if shown, drawn, err = c.code(p, &h, n.Code); err != nil {
			return made, "", err
		}
	}
	h.Index = c.d.indexOf(n.Kind, shown)
	taken, err := c.taken(h.Index)
	if err == nil && !taken && n.Kind == access.Code {
		taken, err = c.takenCode(shown)
	}
	if err != nil {
		return made, "", err
	} else if taken {
		// That a code is taken must not tell whose it is, nor be a way to try codes: makers of credentials are logged in.
		return made, "", fmt.Errorf("cannot add credential: this %s is in use already: %w", n.Kind, web.ErrConflict)
	}
	p.Held = append(slices.Clone(p.Held), h)
	return h.credential(id), drawn, errors.Join(c.count(h, 1), c.d.index.PutTx(c.tx, string(h.Index), []byte(credentialID(id, h.Number))))
}

func (c *change) taken(index []byte) (bool, error) {
	_, taken, err := c.d.index.GetTx(c.tx, string(index))
	return taken, err
}

// oldCredential is a credential as the store kept it when each had a record of its own.
type oldCredential struct {
	access.Credential
	Index string `json:"index"` // in hexadecimal
}

// takeOver brings people and credentials of a store that an earlier version wrote into their present place, whole or not at
// all.
func (d *directory) takeOver() error {
	people := storage.NewTable[personRecord](d.store, "people")
	credentials := storage.NewTable[oldCredential](d.store, "credentials")
	index := storage.NewRaw(d.store, "credential_index")
	if n, err := people.Len(); err != nil || n == 0 || d.store.ReadOnly() {
		return err
	}
	return d.changePeople(func(c *change) error {
		held := map[string][]oldCredential{}
		for id, old := range credentials.AllTx(c.tx) {
			held[old.Person] = append(held[old.Person], old)
			if err := errors.Join(credentials.DeleteTx(c.tx, id), index.DeleteTx(c.tx, old.Index)); err != nil {
				return err
			}
		}
		for id, p := range people.AllTx(c.tx) {
			p.Rights = []access.Right{{}} // nobody's card asked for more until now
			for _, old := range held[id] {
				if err := c.takeOver(id, &p, old); err != nil {
					return err
				}
			}
			if err := errors.Join(c.put(id, nil, p), people.DeleteTx(c.tx, id)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *change) takeOver(id string, p *personRecord, old oldCredential) error {
	sum, err := hex.DecodeString(old.Index)
	if err != nil || len(sum) < indexBytes {
		return fmt.Errorf("cannot take over credential %s: its index %.80q is not a keyed hash", old.ID, old.Index)
	}
	p.Drawn++
	h := heldCredential{Number: p.Drawn, Index: sum[:indexBytes], Credential: old.Credential}
	p.Held = append(p.Held, h)
	return errors.Join(c.count(h, 1), c.d.index.PutTx(c.tx, string(h.Index), []byte(credentialID(id, h.Number))))
}
