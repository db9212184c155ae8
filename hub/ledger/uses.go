package ledger

import (
	"slices"
	"strings"
)

// useFacts are what an entry says of a use: not its number or telephone.
func (u *Use) facts() *Use {
	out := *u
	out.Label, out.Active = "", 0
	return &out
}

func (c Consume) decide(d *draft) error {
	u := Use{ID: c.ID, Resource: c.Resource, Count: max(c.Count, 1), User: c.User, Panel: c.Panel, Label: c.Label, Since: d.at}
	if r := d.checkUse(&u, c); r != nil {
		return r
	}
	p := d.placeOf(u.Groups, u.User)
	if r := d.fits(p, u.Needs()); r != nil {
		return r
	}
	u.Active = u.Count
	d.uses.put(u.ID, u)
	d.tally(p, &u, +1)
	d.enter(Entry{What: c.What(), Root: u.Root, Group: c.Group, User: c.User, Object: u.ID}, nil, u.facts())
	return nil
}

func (d *draft) checkUse(u *Use, c Consume) *Refusal {
	switch {
	case !goodID(u.ID):
		return refusal(Invalid, "use id %.70q: 1 to 64 letters, digits, hyphens, dots", u.ID)
	case int(u.Resource) >= resources:
		return refusal(Invalid, "resource %d does not exist", u.Resource)
	case c.Count < 0 || u.Count > MaxCount:
		return refusal(Invalid, "%d %s: 1 to %d", c.Count, inWords(u.Resource), MaxCount)
	case u.Count > 1 && u.Resource != UKey && u.Resource != Buttons:
		return refusal(Invalid, "%d %s in one use: each is a use of its own", u.Count, inWords(u.Resource))
	case (u.User == "") == (c.Group == ""):
		return refusal(Invalid, "a use belongs to a user or to a group")
	case u.Resource == Panels:
		return refusal(Invalid, "a panel counts as long as it is registered: register it in the group")
	case strings.HasPrefix(u.ID, sharePrefix) || strings.HasPrefix(u.ID, panelPrefix):
		return refusal(Invalid, "use id %.70q: the hub gives such ids itself", u.ID)
	case d.use(u.ID) != nil:
		return refusal(Taken, "there is a use %s already", u.ID)
	}
	if r := checkName("label", u.Label); r != nil {
		return r
	}
	if u.Panel != "" {
		if device := d.device(u.Panel); device == nil || device.Gone() {
			return unknown("panel")
		}
	}
	if c.Group != "" {
		g, r := d.live(c.Group)
		if r != nil {
			return r
		}
		u.Groups, u.Root = []string{g.ID}, g.Root
		return d.samePanelRoot(u)
	}
	user := d.user(u.User)
	if user == nil {
		return unknown("user")
	}
	held := 0
	for range d.usesOf(user.ID) {
		held++
	}
	if held >= MaxUsesOfUser {
		return refusal(Invalid, "the user holds %d things: at most %d", held, MaxUsesOfUser)
	}
	u.Groups, u.Root = slices.Clone(user.Groups), user.Root
	return d.samePanelRoot(u)
}

func (d *draft) samePanelRoot(u *Use) *Refusal {
	if u.Panel != "" && d.device(u.Panel).Root != u.Root {
		return unknown("panel")
	}
	return nil
}

// heldUse finds a use for a change of it.
func (d *draft) heldUse(id string) (*Use, *Refusal) {
	if u := d.use(id); u != nil {
		return u, nil
	}
	return nil, unknown("use")
}

// ownUse is heldUse for what people take and give back: not for what follows from a pool's shares and from registered panels.
func (d *draft) ownUse(id string) (*Use, *Refusal) {
	u, r := d.heldUse(id)
	switch {
	case r != nil:
		return nil, r
	case u.Pool != "":
		return nil, refusal(Invalid, "these buttons are a panel's share of a license: say at the license how much the panel is to have")
	case u.Resource == Panels:
		return nil, refusal(Invalid, "a panel counts as long as it is registered: hang its site somewhere else, or revoke it")
	}
	return u, nil
}

func (d *draft) enterUse(what string, u *Use, before, after any) {
	e := Entry{What: what, Root: u.Root, User: u.User, Object: u.ID}
	if u.User == "" {
		e.Group = u.Groups[0]
	}
	d.enter(e, before, after)
}

func (c Resize) decide(d *draft) error {
	u, r := d.ownUse(c.Use)
	switch {
	case r != nil:
		return r
	case c.Count < 1 || c.Count > MaxCount || u.Resource != UKey && u.Resource != Buttons:
		return refusal(Invalid, "%d %s in one use: only mobile keys and buttons come in numbers, 1 to %d", c.Count, inWords(u.Resource), MaxCount)
	case c.Count == u.Count:
		return nil
	}
	p := d.placeOf(u.Groups, u.User)
	if more := c.Count - u.Count; more > 0 {
		if r := d.fits(p, needs(u.Resource, more)); r != nil {
			return r
		}
	}
	before := u.facts()
	d.resize(p, u, c.Count)
	d.enterUse(c.What(), u, before, u.facts())
	return nil
}

// resize changes a use's count. Of a larger one all that is new is active, of a smaller one what was suspended goes first; settle
// looks at both again.
func (d *draft) resize(p place, u *Use, count int) {
	d.tally(p, u, -1)
	edited := d.uses.edit(u.ID)
	edited.Active = min(edited.Active+max(0, count-edited.Count), count)
	edited.Count = count
	d.tally(p, edited, +1)
	d.touchOver(p)
}

// touchOver has settle look at every node of a place that is over.
func (d *draft) touchOver(p place) {
	for _, n := range p.nodes {
		if d.overNow(n) {
			d.touched = append(d.touched, n)
		}
	}
}

func (c Release) decide(d *draft) error {
	u, r := d.ownUse(c.Use)
	if r != nil {
		return r
	}
	d.release(u)
	d.enterUse(c.What(), u, u.facts(), nil)
	return nil
}

func (d *draft) release(u *Use) {
	d.tally(d.placeOf(u.Groups, u.User), u, -1)
	d.uses.drop(u.ID)
}

func (c Pin) decide(d *draft) error {
	u, r := d.heldUse(c.Use)
	switch {
	case r != nil:
		return r
	case u.Pinned == c.On:
		return nil
	}
	before := u.facts()
	d.uses.edit(u.ID).Pinned = c.On
	d.touchOver(d.placeOf(u.Groups, u.User))
	d.enterUse(c.What(), u, before, u.facts())
	return nil
}

func (c Relabel) decide(d *draft) error {
	u, r := d.heldUse(c.Use)
	switch {
	case r != nil:
		return r
	case u.Label == c.Label:
		return nil
	}
	if r := checkName("label", c.Label); r != nil {
		return r
	}
	d.uses.edit(u.ID).Label = c.Label
	d.enterUse(c.What(), u, nil, u.facts())
	return nil
}
