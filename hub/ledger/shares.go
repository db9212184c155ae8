package ledger

import (
	"fmt"

	"github.com/doorpanel/doorpanel/license"
)

// The ids of uses that follow from other records begin so: the same record always has the same use.
const (
	sharePrefix = "pool."
	panelPrefix = "panel."
)

// ShareID is the id of the use with which a panel's share of a pool counts.
func ShareID(pool, panel string) string { return sharePrefix + pool + "." + panel }

// PanelID is the id of the use with which a registered panel counts as one.
func PanelID(panel string) string { return panelPrefix + panel }

// ShareOf is the use of a panel's share of a pool; works is how much of it is active, nothing while the panel itself is one too many.
// Not found: nothing bounds the panel, or it has no share.
func ShareOf(book Book, pool, panel string) (u Use, works int, found bool, err error) {
	u, found, err = book.Use(ShareID(pool, panel))
	if err != nil || !found {
		return u, 0, false, err
	}
	self, registered, err := book.Use(PanelID(panel))
	if registered && self.Active < self.Count {
		return u, 0, true, err
	}
	return u, u.Active, true, err
}

func (c Allot) decide(d *draft) error {
	device := d.device(c.Panel)
	if device == nil || device.Gone() {
		return nil
	}
	if _, err := license.ParseTokenID(c.Pool); err != nil || c.Count < 0 || c.Count > MaxCount || c.Gives > c.Count {
		return refusal(Invalid, "%d buttons of pool %.40q, %d given: cannot be counted", c.Count, c.Pool, c.Gives)
	}
	id := ShareID(c.Pool, c.Panel)
	if r := d.count(c, device, id); r != nil {
		return r
	}
	if c.Gives > 0 {
		d.checks = append(d.checks, func() *Refusal { return d.mayGive(c, id) })
	}
	return nil
}

// count makes the use be what the panel is to have.
func (d *draft) count(c Allot, device *Device, id string) *Refusal {
	u, was := d.use(id), 0
	if u != nil {
		was = u.Count
	}
	p := d.placeOf([]string{device.Group}, "")
	if more := c.Count - was; more > 0 && !c.Found {
		if r := d.fits(p, needs(Buttons, more)); r != nil {
			return r
		}
	}
	switch {
	case c.Count == was:
		return nil
	case c.Count == 0:
		before := u.facts()
		d.release(u)
		d.enterUse(c.What(), before, before, nil)
	case u == nil:
		d.uses.put(id, Use{
			ID: id, Root: device.Root, Resource: Buttons, Count: c.Count, Active: c.Count, Panel: device.ID, Pool: c.Pool,
			Groups: []string{device.Group}, Since: d.at,
		})
		d.tally(p, d.use(id), +1)
		d.enterUse(c.What(), d.use(id), nil, d.use(id).facts())
	default:
		before := u.facts()
		d.resize(p, u, c.Count)
		d.enterUse(c.What(), u, before, u.facts())
	}
	return nil
}

// mayGive refuses to give a panel what is suspended, or what would take all panels below a group above it past the group's limit: others
// there may still have what they are to give back.
func (d *draft) mayGive(c Allot, id string) *Refusal {
	u, works := d.use(id), d.working(id, c.Panel)
	if c.Gives > works {
		return &Refusal{Reason: Suspended, Resource: Buttons, Asked: c.Gives, Most: works, At: d.at, Text: fmt.Sprintf("%d of %d are suspended", c.Count-works, c.Count)}
	}
	for _, n := range d.placeOf(u.Groups, "").nodes {
		own := n.own(d.at)[Buttons]
		if !n.restricted() || own >= Unlimited {
			continue
		}
		really := n.count().Active[Buttons] + c.Gives - u.Active + d.apart(n, c)
		if really > own {
			return &Refusal{
				Reason: Suspended, Resource: Buttons, Asked: c.Gives, Most: max(0, c.Gives-really+own), At: d.at, Binds: []Bind{d.bind(n, Buttons, false)},
				Text: fmt.Sprintf("%s has %d: panels below it are still to give some back", n.name(), own),
			}
		}
	}
	return nil
}

// working is how much of a panel's share is active; nothing while the panel itself is one too many.
func (d *draft) working(id, panel string) int {
	u, self := d.use(id), d.use(PanelID(panel))
	if u == nil || self != nil && self.Active < self.Count {
		return 0
	}
	return u.Active
}

// apart is how many more buttons panels below a node really have than are active.
func (d *draft) apart(n node, c Allot) (more int) {
	for _, o := range c.Others {
		u := d.use(ShareID(o.Pool, o.Panel))
		if u == nil || o.Pool == c.Pool && o.Panel == c.Panel {
			continue
		}
		for _, g := range d.path(u.Groups[0]) {
			if g == n.group {
				more += o.Has - u.Active
			}
		}
	}
	return more
}

// countPanel makes a registered panel count as one (T-19). Since nobody can be told that there is one panel less than there is, a found
// one is never refused.
func (d *draft) countPanel(device *Device, found bool) *Refusal {
	id := PanelID(device.ID)
	if d.use(id) != nil {
		return nil
	}
	u := Use{ID: id, Root: device.Root, Resource: Panels, Count: 1, Active: 1, Panel: device.ID, Groups: []string{device.Group}, Since: d.at}
	p := d.placeOf(u.Groups, "")
	if !found {
		if r := d.fits(p, u.Needs()); r != nil {
			return r
		}
	}
	d.uses.put(id, u)
	d.tally(p, &u, +1)
	return nil
}

// follows tells that a use goes with the panel that has it, and not to the one that replaces it: its own place, and what it was signed
// of pools.
func (u Use) follows() bool {
	return u.Resource == Panels || u.Pool != ""
}

// TryAllot decides an allotment without changing anything: how much of it would work. Not counted: the panel is not registered, and
// nothing bounds it. A refused one is a *Refusal.
func TryAllot(book Book, r Request, c Allot) (works int, counted bool, err error) {
	d, err := newDraft(book, r)
	if err != nil {
		return 0, false, err
	}
	d.passWindows()
	if err := d.decide(c); err != nil {
		return 0, true, err
	}
	d.settle()
	if err := d.settledWell(); err != nil {
		return 0, true, err
	}
	device := d.device(c.Panel)
	if device == nil || device.Gone() {
		return 0, false, d.failure
	}
	return d.working(ShareID(c.Pool, c.Panel), c.Panel), true, d.failure
}
