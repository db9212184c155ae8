package ledger

import (
	"slices"
	"time"
)

// A panel's id is its key's thumbprint in lower-case base32.
const panelIDLength = 26

func goodPanelID(id string) bool { return len(id) == panelIDLength && goodID(id) }

func (c RegisterDevice) decide(d *draft) error {
	g, r := d.live(c.Group)
	switch {
	case r != nil:
		return r
	case !goodPanelID(c.ID):
		return refusal(Invalid, "panel id %.70q: 26 letters and digits", c.ID)
	}
	known := d.device(c.ID)
	switch {
	case known == nil:
		d.devices.put(c.ID, Device{ID: c.ID, Root: g.Root, Group: g.ID, Registered: d.at})
		d.countDevices(g, +1)
		if r := d.countPanel(d.device(c.ID), c.Found); r != nil {
			return r
		}
		d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID, Object: c.ID}, nil, d.device(c.ID))
		return nil
	case known.Root != g.Root:
		return refusal(OtherProject, "the panel is registered in another project: it is taken out there first")
	case known.Gone():
		return refusal(Taken, "another panel took the place of this one: take it out first, then register it anew")
	case known.Group == g.ID && d.use(PanelID(c.ID)) != nil:
		return nil
	case known.Group == g.ID: // registered before panels counted
		if r := d.countPanel(known, true); r != nil {
			return r
		}
		d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID, Object: c.ID}, nil, known)
		return nil
	}
	return d.moveDevice(c, known, g)
}

// moveDevice takes a panel into another group of its project, with what belongs to it there.
func (d *draft) moveDevice(c RegisterDevice, device *Device, g *Group) error {
	before, from := *device, d.group(device.Group)
	nodes := d.ways([]string{device.Group, g.ID}).above(nil)
	stood, promised := d.snap(nodes), d.promises(nodes)
	d.countDevices(from, -1)
	d.devices.edit(device.ID).Group = g.ID
	d.countDevices(g, +1)
	var moved []string
	for u := range d.usesOn(device.ID) {
		if u.User != "" {
			continue // a user's own goes with him, not with the panel
		}
		held := d.use(u.ID)
		d.tally(d.placeOf(held.Groups, ""), held, -1)
		d.uses.relist(u.ID).Groups = []string{g.ID}
		d.tally(d.placeOf(held.Groups, ""), held, +1)
		moved = append(moved, u.ID)
		if held.Suspended() > 0 {
			d.settled = append(d.settled, node{group: g})
		}
	}
	r := d.worse(stood)
	if r == nil {
		r = d.broken(promised)
	}
	switch {
	case r != nil && !c.Found:
		return r
	case r != nil: // where it does not fit it is the newest, and nobody who was there stops for it
		for _, id := range moved {
			d.uses.edit(id).Since = d.at
		}
	}
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID, Object: c.ID}, before, device)
	return nil
}

// countDevices changes the number of panels of a group and of all above, and with it the limits of those that stand on Basic. A group
// whose record was damaged counts nothing.
func (d *draft) countDevices(g *Group, by int) {
	if g == nil {
		return
	}
	path := d.path(g.ID)
	var noted []based
	for _, p := range path {
		if p.Restricted {
			noted = append(noted, based{p, node{group: p}.own(d.at).finite()})
		}
	}
	for _, p := range path {
		d.edit(node{group: p}).Devices += by
	}
	d.rebase(noted)
}

func (c RemoveDevice) decide(d *draft) error {
	device := d.device(c.ID)
	if device == nil {
		return unknown("panel")
	}
	before := *device
	for u := range d.usesOn(device.ID) {
		d.release(d.use(u.ID))
	}
	if !device.Gone() {
		d.countDevices(d.group(device.Group), -1)
	}
	d.settleAsk(device.ID)
	d.devices.drop(device.ID)
	d.enter(Entry{What: c.What(), Root: before.Root, Group: before.Group, Object: before.ID}, before, nil)
	return nil
}

func (c ReplaceDevice) decide(d *draft) error {
	dead, r := d.replaceable(c.Dead, c.Fresh)
	if r != nil {
		return r
	}
	needs := d.force(dead, false)
	if needs != nil && !c.Approved {
		return needs
	}
	before := replacementFacts{Device: *dead, Asked: d.ask(dead.ID)}
	if d.device(c.Fresh) == nil {
		d.devices.put(c.Fresh, Device{ID: c.Fresh, Root: dead.Root, Group: dead.Group, Registered: d.at})
	} else {
		d.countDevices(d.group(dead.Group), -1) // both were counted: one place is left
	}
	d.device(c.Fresh)
	took := d.devices.edit(c.Fresh)
	took.Replaces, took.Forced = dead.ID, append(slices.Clone(dead.Forced), d.at)
	d.devices.edit(dead.ID).ReplacedBy = c.Fresh
	for u := range d.usesOn(dead.ID) {
		held := d.use(u.ID)
		if !held.follows() {
			d.uses.relist(u.ID).Panel = c.Fresh
			continue
		}
		d.release(held) // what was signed for the dead panel is no other's; the fresh one gets shares of its own
	}
	if r := d.countPanel(took, true); r != nil {
		return r
	}
	d.enter(Entry{What: c.What(), Root: dead.Root, Group: dead.Group, Object: dead.ID}, before, replacementFacts{Device: *took, Approved: needs != nil})
	d.settleAsk(dead.ID)
	return nil
}

// replacementFacts are what an entry says of a panel before and after it was replaced.
type replacementFacts struct {
	Device
	Asked    *Ask `json:"asked,omitempty"`
	Approved bool `json:"approved,omitempty"` // whoever did it approved that it was done too often
}

// force refuses a forced release at a panel's place that comes too soon, or too often in a year. The distributor may approve it.
func (d *draft) force(device *Device, approved bool) *Refusal {
	if approved || len(device.Forced) == 0 {
		return nil
	}
	zone := d.zone(device.Group)
	last := device.Forced[len(device.Forced)-1]
	if free := last.In(zone).AddDate(0, 0, d.rules.CoolDownDays); d.at.Before(free) {
		return &Refusal{
			Reason: TooOften, At: free.UTC(), Asked: 1,
			Text: "the panel here was replaced on " + day(last, zone) + ": again from " + day(free, zone) + " on, or with the distributor",
		}
	}
	inYear := 0
	for _, at := range device.Forced {
		if d.at.Before(at.In(zone).AddDate(1, 0, 0)) {
			inYear++
		}
	}
	if inYear < d.rules.ForcedPerYear {
		return nil
	}
	free := device.Forced[len(device.Forced)-d.rules.ForcedPerYear].In(zone).AddDate(1, 0, 0)
	return &Refusal{
		Reason: TooOften, At: free.UTC(), Asked: inYear + 1, Most: d.rules.ForcedPerYear,
		Text: refusal(TooOften, "%d of %d forced releases in a year are used here: again from %s on, or with the distributor", inYear, d.rules.ForcedPerYear, day(free, zone)).Text,
	}
}

// ForcedSince is how many forced releases there were at this panel's place after an instant, to be shown.
func (d Device) ForcedSince(t time.Time) (count int) {
	for _, at := range d.Forced {
		if at.After(t) {
			count++
		}
	}
	return count
}
