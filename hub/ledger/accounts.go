package ledger

import (
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// activateOwn enters a license of an account (I-3, I-4): it is not handed down the tree but belongs to one user, beside what his groups
// have. Without one it waits.
func (d *draft) activateOwn(c ActivatePackage, root *Group) error {
	activated := d.at
	switch p := d.pack(c.ID); {
	case p == nil:
	case !p.Undone.IsZero():
		activated = p.Activated
	case p.Root != root.ID:
		return refusal(Taken, "this license is used in another project")
	case !p.Revoked.IsZero():
		return refusal(Taken, "this license was revoked by its issuer")
	case c.User == "" || c.User == p.User:
		return nil
	default: // entered once more for somebody: it is associated with him
		return AssignPackage{ID: c.ID, User: c.User}.decide(d)
	}
	if r := checkOwn(c); r != nil {
		return r
	}
	account := c.For
	c.For = ""
	b, r := d.packageBlock(c, root, activated)
	if r != nil {
		return r
	}
	p := Package{
		ID: c.ID, Root: root.ID, Label: c.Label, Grants: slices.Clone(c.Grant), From: b.From, Until: b.Until, Activated: activated,
		Account: true, For: account,
	}
	user := c.User
	if named := d.user(account); user == "" && account != "" && named != nil && named.Root == root.ID {
		user = account
	}
	if user != "" {
		if r := d.give(&p, user); r != nil {
			return r
		}
	}
	d.packages.put(c.ID, p)
	d.enterOwn(c.What(), nil, d.pack(c.ID))
	return nil
}

// checkOwn refuses what an account's license cannot give: numbers and seats are a company's, counted down its tree.
func checkOwn(c ActivatePackage) *Refusal {
	if c.Renew != "" {
		return refusal(Invalid, "a license of an account renews no package of the company: enter it by itself")
	}
	for _, grant := range c.Grant {
		if f := license.Describe(grant.Feature); f.Counted {
			return refusal(Invalid, "this license is for an account and gives %s: numbers and seats are counted down the company's tree; ask the seller for a package of the company, scope group", f.Title)
		}
	}
	return nil
}

func (c AssignPackage) decide(d *draft) error {
	p := d.pack(c.ID)
	switch {
	case p == nil || !p.Account:
		return unknown("license of an account")
	case !p.Undone.IsZero() || !p.Revoked.IsZero():
		return refusal(Taken, "this license was given back or revoked: enter it again")
	case p.User == c.User:
		return nil
	}
	zone := d.zone(p.Root)
	if until := p.Assigned.In(zone).AddDate(0, 0, d.rules.UndoDays); !p.Assigned.IsZero() && !d.at.Before(until) {
		r := refusal(TooLate, "this license was given to an account on %s and could be changed until %s: it is not transferable; ask the seller for a replacement", day(p.Assigned, zone), day(until, zone))
		r.At = until.UTC()
		return r
	}
	before := *p
	edited := d.packages.edit(c.ID)
	d.takeOwn(edited)
	if c.User != "" {
		if r := d.give(edited, c.User); r != nil {
			return r
		}
	}
	d.enterOwn(c.What(), &before, edited)
	return nil
}

// give associates an account's license with a user of its company.
func (d *draft) give(p *Package, id string) *Refusal {
	u := d.user(id)
	switch {
	case u == nil:
		return unknown("user")
	case u.Root != p.Root:
		return refusal(OtherProject, "this license belongs to another company: licenses do not move to another one")
	case p.For != "" && p.For != u.ID && !strings.EqualFold(p.For, u.Mail):
		return refusal(Taken, "this license was sold for the account %q", p.For)
	case len(u.Own) >= MaxBlocks:
		return refusal(Invalid, "%d licenses: at most %d", len(u.Own)+1, MaxBlocks)
	}
	p.User = id
	if p.Assigned.IsZero() {
		p.Assigned = d.at
	}
	d.setOwn(u, append(slices.Clone(u.Own), p.ownBlock()))
	return nil
}

// takeOwn makes an account's license wait again. That its user moved out meanwhile changes nothing.
func (d *draft) takeOwn(p *Package) {
	if u := d.user(p.User); p.User != "" && u != nil {
		d.setOwn(u, slices.DeleteFunc(slices.Clone(u.Own), func(b Block) bool { return b.Package == p.ID }))
	}
	p.User = ""
}

func (d *draft) setOwn(u *User, own []Block) {
	n := node{user: u}
	d.dropEdges(n)
	d.users.edit(u.ID)
	u.Own = own
	d.setEdges(nil, d.edgesOf(n))
}

// endOwn takes an account's license away for good; before is how it was.
func (d *draft) endOwn(what string, before Package, p *Package) {
	user := p.User
	d.takeOwn(p)
	p.User = user
	d.enterOwn(what, &before, p)
}

// ownBlock is what an account's license gives its user.
func (p *Package) ownBlock() Block {
	b := Block{ID: p.ID, Source: FromPackage, Package: p.ID, From: p.From, Until: p.Until}
	for _, grant := range p.Grants {
		if isOnOff(grant.Feature) {
			b.Features = append(b.Features, grant.Feature)
		}
	}
	slices.Sort(b.Features)
	return b
}

// owns tells that a license of the user's own gives a feature at an instant.
func (n node) owns(feature string, t time.Time) bool {
	return n.user != nil && slices.ContainsFunc(n.user.Own, func(b Block) bool { return b.holds(t) && slices.Contains(b.Features, feature) })
}

// enterOwn adds an entry about an account's license. It does not say whom it was sold for.
func (d *draft) enterOwn(what string, before, after *Package) {
	e := Entry{What: what, Root: after.Root, Group: after.Root, User: after.User, Object: after.ID}
	facts := func(p *Package) any {
		if p == nil {
			return nil
		}
		out := *p
		out.Label, out.For = "", ""
		return out
	}
	if e.User == "" && before != nil {
		e.User = before.User
	}
	d.enter(e, facts(before), facts(after))
}
