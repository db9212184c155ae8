package ledger

import (
	"fmt"
	"slices"
)

func (c AskReplacement) decide(d *draft) error {
	dead, r := d.replaceable(c.Dead, c.Fresh)
	if r != nil {
		return r
	}
	held := d.ask(c.Dead)
	if held != nil && held.Fresh == c.Fresh && (held.Declined.IsZero() || d.r.Who == byHub) {
		return nil
	}
	needs := d.force(dead, false)
	if needs == nil {
		return refusal(Invalid, "nobody has to approve this replacement: put the new panel in the place of the dead one")
	}
	ask := Ask{Dead: c.Dead, Fresh: c.Fresh, Root: dead.Root, By: d.r.Who, At: d.at, Free: needs.At}
	d.asks.put(c.Dead, ask)
	d.enterAsk(c.What(), dead, held, ask)
	return nil
}

func (c DeclineReplacement) decide(d *draft) error {
	held := d.ask(c.Dead)
	if held == nil {
		return unknown("request")
	}
	if !held.Declined.IsZero() {
		return nil
	}
	before := *held
	edited := d.asks.edit(c.Dead)
	edited.Declined, edited.DeclinedBy = d.at, d.r.Who
	d.enterAsk(c.What(), d.device(c.Dead), &before, *edited)
	return nil
}

// byHub is who asks when the hub does so by itself. It does not ask again for what was declined; a person may.
const byHub = "hub"

func (d *draft) enterAsk(what string, dead *Device, before *Ask, after Ask) {
	e := Entry{What: what, Root: after.Root, Group: dead.Group, Object: after.Dead}
	if before == nil {
		d.enter(e, nil, after)
		return
	}
	d.enter(e, *before, after)
}

// replaceable is the dead panel, when a certain other one may take its place but for how often that was done.
func (d *draft) replaceable(deadID, freshID string) (*Device, *Refusal) {
	dead, fresh := d.device(deadID), d.device(freshID)
	switch {
	case dead == nil:
		return nil, unknown("panel")
	case dead.Gone():
		return nil, refusal(Taken, "another panel took the place of this one already: %s", dead.ReplacedBy)
	case !goodPanelID(freshID) || freshID == deadID:
		return nil, refusal(Invalid, "panel id %.70q: 26 letters and digits of another panel", freshID)
	case fresh != nil && (fresh.Root != dead.Root || fresh.Group != dead.Group || fresh.Gone()):
		return nil, refusal(Taken, "the new panel is registered somewhere else: it is taken out there first")
	}
	return dead, nil
}

// settleAsk ends the request about a dead panel that was replaced or is not there any more.
func (d *draft) settleAsk(dead string) {
	if d.ask(dead) != nil {
		d.asks.drop(dead)
	}
}

// Asks are the requests of a company that wait, or were declined, by the id of the dead panel: at most limit of those after one.
func Asks(book Book, root, after string, limit int) ([]Ask, error) {
	var found []Ask
	for ask, err := range book.Asks(root, after) {
		if err != nil {
			return nil, fmt.Errorf("cannot read the requests of %s: %w", root, err)
		}
		if found = append(found, ask); len(found) >= limit {
			break
		}
	}
	return slices.Clip(found), nil
}
