package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// The least lengths of a code that the panel draws: alone, and after the number of a flat.
const (
	drawnDigits     = 6
	drawnFlatDigits = 5
)

const settingsKey = "site"

// codeRules is what a lookup of a code must know before it looks into the store.
type codeRules struct {
	lengths []int // of the codes in use, with what is typed before them
	decoys  bool
}

// AccessSettings is what the site decided about codes.
func (d *directory) AccessSettings() (web.AccessSettings, error) {
	s, _, err := d.settings.Get(settingsKey)
	return s, err
}

// PutAccessSettings decides about codes. Codes that are too short for it are shown as such, and go on.
func (d *directory) PutAccessSettings(_ context.Context, s web.AccessSettings, by string) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if err := d.settings.Put(settingsKey, s); err != nil {
		return storeError(err)
	}
	if err := d.readCodeRules(); err != nil {
		return err
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "access settings saved"})
	return nil
}

// readCodeRules takes over from the store how codes are read.
func (d *directory) readCodeRules() error {
	s, err := d.AccessSettings()
	c, _, countsErr := d.counts.Get(countsKey)
	rules := codeRules{decoys: !s.NoDecoys}
	for length, n := range c.Typed {
		if length > 0 && n > 0 {
			rules.lengths = append(rules.lengths, length)
		}
	}
	d.codeRules.Store(&rules)
	return errors.Join(err, countsErr)
}

// codesMeant is what somebody may mean who typed these digits: the code alone, or with digits around it.
func (d *directory) codesMeant(typed string) []string {
	var meant []string
	if rules := d.codeRules.Load(); rules.decoys {
		meant = access.Decoys(typed, rules.lengths)
	}
	if !slices.Contains(meant, typed) {
		meant = append([]string{typed}, meant...)
	}
	return meant
}

// digitsFor is how long a code must be where that many are in use.
func (d *directory) digitsFor(codes int, s web.AccessSettings) int {
	guesses := d.guesses
	if !s.NoDecoys {
		guesses *= access.DecoyWindows
	}
	return access.CodeLength(codes, guesses)
}

// needs is how many digits a code would have to have now, if it has fewer; else 0.
func (d *directory) needs(h heldCredential) (need int, err error) {
	err = d.store.View(func(tx *storage.Tx) error {
		rule, ruleErr := d.lengthRule(tx)
		if ruleErr != nil {
			return ruleErr
		}
		need, err = rule(h)
		return err
	})
	return need, err
}

// lengthRule reads how many codes there are, and returns how many digits one of them would have to have if it has fewer; else 0.
func (d *directory) lengthRule(tx *storage.Tx) (func(heldCredential) (int, error), error) {
	s, _, err := d.settings.GetTx(tx, settingsKey)
	inUse, _, countsErr := d.counts.GetTx(tx, countsKey)
	alone := d.digitsFor(inUse.Codes, s)
	return func(h heldCredential) (int, error) {
		if h.Kind != access.Code || h.Digits == 0 || h.Digits >= alone {
			return 0, nil // a flat has no more codes than the house
		}
		if h.Flat == "" {
			return alone, nil
		}
		codes, _, err := d.flatCodes.GetTx(tx, h.Flat)
		if need := d.digitsFor(codes, s); need > h.Digits {
			return need, err
		}
		return 0, err
	}, errors.Join(err, countsErr)
}

// shortSearch is how many people one request looks at for codes that are too short.
const shortSearch = 20_000

// ShortCodes lists the codes that are too short now, by person.
func (d *directory) ShortCodes(after string, limit int) (page web.ShortCodes, err error) {
	err = d.store.View(func(tx *storage.Tx) error {
		rule, err := d.lengthRule(tx)
		if err != nil {
			return err
		}
		looked := 0
		for id, p := range d.people.FromTx(tx, after) {
			if id == after {
				continue
			}
			if looked == shortSearch || len(page.Credentials) >= limit {
				return nil
			}
			for _, h := range p.Held {
				need, err := rule(h)
				if err != nil {
					return err
				}
				if need > 0 {
					page.Credentials = append(page.Credentials, web.ShortCode{Name: p.Name, Credential: web.Credential{
						Credential: h.credential(id), Digits: h.Digits, Flat: h.Flat, NeedsDigits: need,
					}})
				}
			}
			looked++
			page.Next = id
		}
		page.Next = ""
		return nil
	})
	return page, err
}

// code finds what a person types: the code that was named, or one that is drawn.
func (c *change) code(p *personRecord, h *heldCredential, named string) (typed, drawn string, err error) {
	s, _, err := c.d.settings.GetTx(c.tx, settingsKey)
	if err != nil {
		return "", "", err
	}
	alone := c.d.digitsFor(c.Codes+1, s)
	if named != "" {
		if why := access.WeakCode(named); why != "" {
			return "", "", invalid("cannot use this code: %s; choose another, or leave it empty to have one drawn", why)
		}
		if len(named) < alone {
			return "", "", invalid("cannot use this code: it is too short; where %d codes are in use one needs %d digits; leave it empty to have one drawn", c.Codes+1, alone)
		}
		h.Digits = len(named)
		return named, "", nil
	}
	h.Digits = max(alone, drawnDigits)
	if p.Flat != "" {
		inFlat, _, err := c.d.flatCodes.GetTx(c.tx, p.Flat)
		if err != nil {
			return "", "", err
		}
		if n := max(c.d.digitsFor(inFlat+1, s), drawnFlatDigits); n < h.Digits {
			h.Digits, h.Flat = n, p.Flat
		}
	}
	typed, err = c.draw(h.Flat, h.Digits)
	return typed, typed, err
}

// draw makes a code that is not weak and that nobody has.
func (c *change) draw(flat string, digits int) (typed string, err error) {
	for {
		code, err := drawDigits(digits)
		if err != nil {
			return "", err
		}
		if access.WeakCode(code) != "" {
			continue
		}
		if taken, err := c.takenCode(flat + code); err != nil || !taken {
			return flat + code, err
		}
	}
}

// drawDigits draws decimal digits, each as likely as the others.
func drawDigits(n int) (string, error) {
	var b strings.Builder
	for range n {
		digit, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			return "", err
		}
		b.WriteByte(byte('0' + digit.Int64()))
	}
	return b.String(), nil
}

// RedrawCode replaces a code by a drawn one with the same limits. The old one opens nothing any more.
func (d *directory) RedrawCode(_ context.Context, id, by string) (made access.Credential, code string, err error) {
	if err := d.enrolls(); err != nil {
		return access.Credential{}, "", err
	}
	person, number := splitCredentialID(id)
	err = d.changePeople(func(c *change) error {
		before, _, err := d.people.GetTx(c.tx, person)
		at := slices.IndexFunc(before.Held, func(h heldCredential) bool { return h.Number == number && h.Kind == access.Code })
		if err != nil || at < 0 {
			return cmp.Or(err, notFound("cannot draw code %q anew: there is no code with this id", id))
		}
		old := before.Held[at]
		after := before
		after.Held = slices.Delete(slices.Clone(before.Held), at, at+1)
		if err := c.withdraw(person, old); err != nil {
			return err
		}
		n := web.NewCredential{
			Kind: access.Code, Doors: old.Doors, From: old.From, Until: old.Until, Schedule: old.Profile, Uses: old.Uses, Minutes: old.MinutesFromFirstUse,
		}
		made, code, err = c.enroll(person, &after, n)
		return errors.Join(err, c.put(person, &before, after))
	})
	if err != nil {
		return access.Credential{}, "", storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: made.ID, Detail: "code drawn anew, instead of " + id})
	return made, code, nil
}
