package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// underDuress stands before the digits of a duress code in the keyed hash by which it is found. In the index it looks like
// any other: without the key nobody tells which of somebody's codes raises the silent alarm.
const underDuress = "code under duress"

// DrawDuressCode draws a code that opens as the code with this id does and raises the silent alarm. It takes the place of
// the one that was drawn before.
func (d *directory) DrawDuressCode(_ context.Context, id, by string) (code string, err error) {
	if err := d.enrolls(); err != nil {
		return "", err
	}
	err = d.changeCode(id, func(c *change, h *heldCredential) error {
		if h.Digits == 0 {
			return invalid("cannot draw a duress code beside %q: how long that code is is not known; draw it anew first", id)
		}
		if err := c.dropDuress(h); err != nil {
			return err
		}
		if code, err = c.drawDuress(*h); err != nil {
			return err
		}
		h.Under = d.indexOf(underDuress, code)
		return d.index.PutTx(c.tx, string(h.Under), []byte(id))
	})
	if err != nil {
		return "", err
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: id, Detail: "code saved"})
	return code, nil
}

// DropDuressCode takes the duress code beside a code away. There may be none.
func (d *directory) DropDuressCode(_ context.Context, id, by string) error {
	err := d.changeCode(id, func(c *change, h *heldCredential) error { return c.dropDuress(h) })
	if err == nil {
		d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Credential: id, Detail: "code saved"})
	}
	return err
}

// changeCode changes what is held of one code.
func (d *directory) changeCode(id string, how func(*change, *heldCredential) error) error {
	person, number := splitCredentialID(id)
	return storeError(d.changePeople(func(c *change) error {
		before, _, err := d.people.GetTx(c.tx, person)
		at := slices.IndexFunc(before.Held, func(h heldCredential) bool { return h.Number == number && h.Kind == access.Code })
		if err != nil || at < 0 {
			return cmp.Or(err, notFound("cannot change code %q: there is no code with this id", id))
		}
		after := before
		after.Held = slices.Clone(before.Held)
		if err := how(c, &after.Held[at]); err != nil {
			return err
		}
		return c.put(person, &before, after)
	}))
}

func (c *change) dropDuress(h *heldCredential) error {
	if h.Under == nil {
		return nil
	}
	err := c.d.index.DeleteTx(c.tx, string(h.Under))
	h.Under = nil
	return err
}

// drawDuress draws digits as long as the code beside which they stand, of which a slip of the finger makes neither that
// code nor a code that anybody has. The code itself is not known here: its keyed hash tells whether it is near.
func (c *change) drawDuress(beside heldCredential) (string, error) {
	for range drawTries {
		secret, err := drawDigits(beside.Digits)
		if err != nil {
			return "", err
		}
		if access.WeakCode(secret) != "" {
			continue
		}
		taken, err := c.takenCode(beside.Flat + secret)
		if err != nil {
			return "", err
		}
		near := slices.ContainsFunc(access.Slips(secret), func(slip string) bool {
			return slices.Equal(c.d.indexOf(access.Code, beside.Flat+slip), beside.Index)
		})
		if !taken && !near {
			return beside.Flat + secret, nil
		}
	}
	return "", fmt.Errorf("cannot draw a duress code: nearly all codes of %d digits are in use; draw the code anew first: %w", beside.Digits, web.ErrConflict)
}

// takenCode reports whether somebody has these digits, for every day or under duress.
func (c *change) takenCode(typed string) (bool, error) {
	taken, err := c.taken(c.d.indexOf(access.Code, typed))
	if err != nil || taken {
		return taken, err
	}
	return c.taken(c.d.indexOf(underDuress, typed))
}

// drawTries bounds the draws of one code.
const drawTries = 10_000

// foundTx is whose credential one of the indexes names, and whether it was found as a duress code. All of them are looked
// at, whichever is found: the time tells nothing.
func (d *directory) foundTx(tx *storage.Tx, kind access.Kind, meant []string) (id string, duress bool, err error) {
	for _, m := range meant {
		found, is, err := d.index.GetTx(tx, string(d.indexOf(kind, m)))
		if err != nil {
			return "", false, err
		}
		if is && id == "" {
			id = string(found)
		}
		if kind != access.Code {
			continue
		}
		under, is, err := d.index.GetTx(tx, string(d.indexOf(underDuress, m)))
		if err != nil {
			return "", false, err
		}
		if is && id == "" {
			id, duress = string(under), true
		}
	}
	return id, duress, nil
}
