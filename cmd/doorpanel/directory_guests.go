package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// guestRecord is a guest's pass or code as the store keeps it, under its id. A pass is signed anew whenever it is shown, and a
// code is found by its index: neither lies in the store.
type guestRecord struct {
	Name    string      `json:"name"`
	By      string      `json:"by"` // the user who gave it
	Kind    access.Kind `json:"kind"`
	Doors   []string    `json:"doors,omitempty"`
	From    time.Time   `json:"valid_from"`
	Until   time.Time   `json:"valid_until"`
	Uses    int         `json:"uses"`
	Revoked bool        `json:"revoked,omitempty"`
	Index   []byte      `json:"index,omitempty"` // of a code
	Digits  int         `json:"digits,omitempty"`
}

// The bounds of guests: of one user, of a panel, and of the time of one pass.
const (
	maxGuestsOfOne = 50
	maxGuests      = 2000
	longestGuest   = 92 * 24 * time.Hour
	// guestKept is how long a pass that is over is still listed.
	guestKept = 24 * time.Hour
)

// guestMark stands before the id of a guest where the index of a code names a credential.
const guestMark = "guest:"

func (g guestRecord) credential(id string) access.Credential {
	return access.Credential{ID: id, Kind: g.Kind, Doors: g.Doors, From: g.From, Until: g.Until, Uses: g.Uses, Revoked: g.Revoked}
}

func (g guestRecord) view(id string) web.Guest {
	return web.Guest{ID: id, Name: g.Name, By: g.By, Kind: g.Kind, Doors: g.Doors, From: g.From, Until: g.Until, Uses: g.Uses, Revoked: g.Revoked}
}

// guestFactsTx is what a reader learns of a guest. A guest is let in by somebody: when that user is gone, so is the right.
func (d *directory) guestFactsTx(tx *storage.Tx, id string) (panel.Facts, error) {
	g, found, err := d.guests.GetTx(tx, id)
	if err != nil || !found {
		return panel.Facts{}, err
	}
	if there, err := d.isUserTx(tx, g.By); err != nil || !there {
		return panel.Facts{}, err
	}
	return panel.Facts{Credential: g.credential(id), Rights: []access.Right{{}}, Person: "guest " + g.Name + ", let in by " + g.By}, nil
}

// isUserTx reports whether somebody may still log in under a name. Whoever holds the socket always may.
func (d *directory) isUserTx(tx *storage.Tx, name string) (bool, error) {
	u, found, err := d.users.GetTx(tx, name)
	return name == rootUser || found && !u.Ended(d.now()), err
}

// rootUser is who calls through the socket of the panel's own host.
const rootUser = "root"

// Guests lists the passes that a user gave, or everybody's when by is empty, the next to begin first.
func (d *directory) Guests(by string) ([]web.Guest, error) {
	list := []web.Guest{}
	for id, g := range d.guests.All() {
		if (by == "" || g.By == by) && d.now().Before(g.Until.Add(guestKept)) {
			list = append(list, g.view(id))
		}
	}
	slices.SortStableFunc(list, func(a, b web.Guest) int { return cmp.Or(a.From.Compare(b.From), strings.Compare(a.ID, b.ID)) })
	return list, nil
}

// MakeGuest gives a guest a pass or a code for a time. What is shown at the door is answered this once.
func (d *directory) MakeGuest(_ context.Context, n web.NewGuest, by string) (made web.Guest, shown string, err error) {
	if err := d.enrolls(); err != nil {
		return web.Guest{}, "", err
	}
	if err := d.checkGuest(n); err != nil {
		return web.Guest{}, "", err
	}
	g := guestRecord{Name: n.Name, By: by, Kind: n.Kind, Doors: sortedSet(n.Doors), From: n.From.Truncate(time.Second), Until: n.Until.Truncate(time.Second), Uses: n.Uses}
	var id license.TokenID
	_, _ = rand.Read(id[:]) // never fails: documented to end the process instead
	name := agent.PassID(license.Pass{ID: id})
	err = d.changePeople(func(c *change) error {
		if err := c.sweepGuests(by); err != nil {
			return err
		}
		if g.Kind == access.Code {
			if shown, err = c.guestCode(&g, name, n); err != nil {
				return err
			}
		}
		return d.guests.PutTx(c.tx, name, g)
	})
	if err == nil && g.Kind == access.Pass {
		shown, err = d.signPass(name, g)
	}
	if err != nil {
		return web.Guest{}, "", storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: name, Detail: "guest's " + string(g.Kind) + " made"})
	return g.view(name), shown, nil
}

func sortedSet(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

func (d *directory) checkGuest(n web.NewGuest) error {
	if err := checkName("guest", n.Name); err != nil {
		return err
	}
	for _, door := range n.Doors {
		if !slices.Contains(d.doors, door) {
			return invalid("cannot make a guest's pass: there is no door %q; the doors are %s", door, strings.Join(d.doors, ", "))
		}
	}
	switch {
	case n.Kind != access.Pass && n.Kind != access.Code:
		return invalid("cannot make a guest's pass of kind %.20q: write pass or code", string(n.Kind))
	case !n.From.Before(n.Until):
		return invalid("cannot make a guest's pass: valid_until must be later than valid_from")
	case !d.now().Before(n.Until):
		return invalid("cannot make a guest's pass: its time is over already")
	case n.Until.Sub(n.From) > longestGuest:
		return invalid("cannot make a guest's pass for so long: three months are the most; enter a person instead")
	case n.Uses < 1 || n.Uses > 1000:
		return invalid("cannot make a guest's pass for %d uses: write 1 to 1000", n.Uses)
	case n.Kind == access.Pass && len(n.Doors) > 4:
		return invalid("cannot make a guest's pass for %d doors: name 4 at most, or none for all", len(n.Doors))
	case n.Digits != 0 && (n.Kind != access.Code || n.Digits < access.MinCodeLength || n.Digits > access.MaxCodeLength):
		return invalid("cannot make a guest's code of %d digits: write %d to %d", n.Digits, access.MinCodeLength, access.MaxCodeLength)
	case n.Picture && n.Digits != 0 && n.Digits < access.MinScannedCode:
		return invalid("cannot show a code of %d digits as a picture: it needs at least %d; a picture is guessed faster than keys are pressed", n.Digits, access.MinScannedCode)
	}
	return nil
}

// guestCode draws a code for a guest: as long as every other, and longer where it is shown as a picture.
func (c *change) guestCode(g *guestRecord, id string, n web.NewGuest) (code string, err error) {
	s, _, err := c.d.settings.GetTx(c.tx, settingsKey)
	if err != nil {
		return "", err
	}
	least := max(c.d.digitsFor(c.Codes+1, s), drawnDigits)
	if n.Picture {
		least = max(least, access.MinScannedCode)
	}
	if n.Digits != 0 && n.Digits < least {
		return "", invalid("cannot make a guest's code of %d digits: with so many codes in use it needs %d", n.Digits, least)
	}
	g.Digits = max(n.Digits, least)
	if code, err = c.draw("", g.Digits); err != nil {
		return "", err
	}
	g.Index = c.d.indexOf(access.Code, code)
	c.Codes++
	c.Typed[g.Digits]++
	return code, c.d.index.PutTx(c.tx, string(g.Index), []byte(guestMark+id))
}

// sweepGuests forgets passes that are long over, and refuses more of them than one user, or a panel, may have.
func (c *change) sweepGuests(by string) error {
	var over []string
	all, own := 0, 0
	for id, g := range c.d.guests.AllTx(c.tx) {
		if !c.d.now().Before(g.Until.Add(guestKept)) {
			over = append(over, id)
			continue
		}
		all++
		if g.By == by {
			own++
		}
	}
	for _, id := range over {
		if err := c.forgetGuest(id); err != nil {
			return err
		}
	}
	if all >= maxGuests || own >= maxGuestsOfOne {
		return fmt.Errorf("cannot make a guest's pass: %d of yours and %d in all are in force; withdraw one first: %w", own, all, web.ErrConflict)
	}
	return nil
}

func (c *change) forgetGuest(id string) error {
	g, found, err := c.d.guests.GetTx(c.tx, id)
	if err != nil || !found {
		return err
	}
	if g.Kind == access.Code {
		c.Codes--
		c.Typed[g.Digits]--
		if err := c.d.index.DeleteTx(c.tx, string(g.Index)); err != nil {
			return err
		}
	}
	return c.d.guests.DeleteTx(c.tx, id)
}

// RevokeGuest withdraws a pass. by is who asks; unless that is somebody who manages the panel, only an own one.
func (d *directory) RevokeGuest(_ context.Context, id, by string, any bool) error {
	err := d.update(func(tx *storage.Tx) error {
		g, found, err := d.guests.GetTx(tx, id)
		if err != nil || !found || !any && g.By != by {
			return cmp.Or(err, notFound("cannot withdraw pass %q: there is none with this id", id))
		}
		g.Revoked = true
		return d.guests.PutTx(tx, id, g)
	})
	if err != nil {
		return storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: id, Detail: "guest's pass withdrawn"})
	return nil
}

// ShowGuest is the text of a pass once more. A code is shown when it is made and never again.
func (d *directory) ShowGuest(id, by string, any bool) (text string, err error) {
	g, found, err := d.guests.Get(id)
	switch {
	case err != nil || !found || !any && g.By != by:
		return "", cmp.Or(err, notFound("cannot show pass %q: there is none with this id", id))
	case g.Kind != access.Pass:
		return "", notFound("cannot show a code again: it is not kept; make another one")
	case g.Revoked:
		return "", notFound("cannot show pass %q: it was withdrawn", id)
	}
	return d.signPass(id, g)
}
