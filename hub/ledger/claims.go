package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/doorpanel/doorpanel/license"
)

const maxLost = 16

func (c ClaimLicense) decide(d *draft) error {
	if _, err := license.ParseTokenID(c.License); err != nil {
		return refusal(Invalid, "license id %.40q is none", c.License)
	}
	if !goodPanelID(c.Panel) {
		return refusal(Invalid, "panel id %.70q: 26 letters and digits", c.Panel)
	}
	began := c.Began.UTC()
	if began.IsZero() || began.After(d.at) {
		began = d.at // a panel's clock that runs ahead gains nothing
	}
	fresh := Claim{License: c.License, Panel: c.Panel, Began: began, Offline: c.Offline, Settled: d.at}
	if c.Offline {
		fresh.Settled = began.AddDate(0, 0, d.rules.OfflineDays)
	}
	held := d.copyOfClaim(c.License)
	switch {
	case held == nil:
		d.claims.put(c.License, fresh)
	case held.Panel == "": // given up
		fresh.Lost = held.Lost
		d.claims.put(c.License, fresh)
	case held.Panel == c.Panel:
		return nil
	case !d.open(held, &fresh) || !earlier(&fresh, held):
		return d.loses(c, held)
	default:
		fresh.Lost = lost(held, held.Panel)
		d.notices = append(d.notices, twice(c.License, c.Panel, held.Panel))
		d.claims.put(c.License, fresh)
	}
	d.enterClaim(c.What(), c.Panel, c.License, held, d.claim(c.License))
	return nil
}

func (d *draft) copyOfClaim(license string) *Claim {
	held := d.claim(license)
	if held == nil {
		return nil
	}
	out := *held
	return &out
}

// open tells that two offline claims are weighed against each other: until the first one is settled.
func (d *draft) open(held, fresh *Claim) bool {
	return held.Offline && fresh.Offline && d.at.Before(held.Settled)
}

// earlier decides between two offline claims as panels do among themselves: whoever began first, else the smaller id.
func earlier(a, b *Claim) bool {
	return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Panel, b.Panel)) < 0
}

func lost(held *Claim, panel string) []string {
	if slices.Contains(held.Lost, panel) || len(held.Lost) >= maxLost {
		return held.Lost
	}
	return append(slices.Clone(held.Lost), panel)
}

func twice(id, keeps, loses string) Notice {
	return Notice{
		Code: "claimed-twice", Panels: []string{keeps, loses},
		Text: fmt.Sprintf("license %s was entered at two panels: %s has it, %s does not", id, keeps, loses),
	}
}

// loses answers a claim that comes after another one. An offline one is noted, because its owner believed to have the license: that
// is a change, with a notice for both. Any other is refused.
func (d *draft) loses(c ClaimLicense, held *Claim) error {
	if !c.Offline {
		return refusal(Taken, "this license is used on another panel")
	}
	d.notices = append(d.notices, twice(c.License, held.Panel, c.Panel))
	if slices.Contains(held.Lost, c.Panel) {
		return nil
	}
	before := *held
	after := d.claims.edit(c.License)
	after.Lost = lost(held, c.Panel)
	d.enterClaim("claim.refused", c.Panel, c.License, &before, after)
	return nil
}

func (d *draft) enterClaim(what, panel, id string, before, after *Claim) {
	e := Entry{What: what, Object: id}
	if device := d.device(panel); device != nil {
		e.Root, e.Group = device.Root, device.Group
	}
	if before == nil {
		d.enter(e, nil, after)
		return
	}
	d.enter(e, before, after)
}

func (c GiveUpClaim) decide(d *draft) error {
	held := d.claim(c.License)
	if held == nil || held.Panel != c.Panel {
		return unknown("claim of this panel")
	}
	if c.Forced {
		device := d.device(c.Panel)
		if device == nil {
			return unknown("panel")
		}
		if r := d.force(device, c.Approved); r != nil {
			return r
		}
		edited := d.devices.edit(c.Panel)
		edited.Forced = append(slices.Clone(edited.Forced), d.at)
	}
	before := *held
	free := Claim{License: c.License, Lost: lost(held, c.Panel)}
	d.claims.put(c.License, free)
	d.enterClaim(c.What(), c.Panel, c.License, &before, &free)
	return nil
}
