package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// root finds a root that is not archived.
func (d *draft) root(id string) (*Group, *Refusal) {
	g, r := d.live(id)
	if r == nil && !g.IsRoot() {
		r = refusal(OtherProject, "%s is no company: packages and Trials belong to the company they were bought for", g.Name)
	}
	return g, r
}

func (c ActivatePackage) decide(d *draft) error {
	root, r := d.root(c.Root)
	if r != nil {
		return r
	}
	if _, err := license.ParseTokenID(c.ID); err != nil {
		return refusal(Invalid, "package id %.40q is none", c.ID)
	}
	if c.Account {
		return d.activateOwn(c, root)
	}
	if c.For != "" && c.For != root.ID {
		return refusal(OtherProject, "this package was issued for another project: it is not transferable")
	}
	activated := d.at
	switch p := d.pack(c.ID); {
	case p == nil:
	case !p.Undone.IsZero():
		activated = p.Activated // what is given back and activated again ends no later, and can be given back no longer
	case p.Root != root.ID:
		return refusal(Taken, "this package is used in another project")
	case !p.Revoked.IsZero():
		return refusal(Taken, "this package was revoked by its issuer")
	default:
		return nil
	}
	b, r := d.packageBlock(c, root, activated)
	if r != nil {
		return r
	}
	before := root.Limits.facts()
	next := root.Limits
	next.Restricted = true
	next.Blocks = append(slices.Clone(root.Blocks), b)
	if len(next.Blocks) > MaxBlocks {
		return refusal(Invalid, "%d licenses: at most %d", len(next.Blocks), MaxBlocks)
	}
	if r := d.packageBelowUse(root, &next, b); r != nil {
		return r
	}
	if r := d.setRoot(root, next); r != nil {
		return r
	}
	d.packages.put(c.ID, Package{
		ID: c.ID, Root: root.ID, Label: c.Label, Grants: slices.Clone(c.Grant), From: b.From, Until: b.Until, Activated: activated,
	})
	d.enter(Entry{What: c.What(), Root: root.ID, Group: root.ID, Object: c.ID}, before, root.Limits.facts())
	return nil
}

// packageBlock is what a package gives that was activated first at an instant. Counted features that the ledger does not know are left
// to the package's record.
func (d *draft) packageBlock(c ActivatePackage, root *Group, activated time.Time) (Block, *Refusal) {
	b := Block{ID: c.ID, Source: FromPackage, Package: c.ID, From: c.From.UTC(), Until: c.Until.UTC(), Saved: d.at, Next: d.at}
	term := later(b.From, activated)
	b.From = later(b.From, d.at)
	zone := d.zone(root.ID)
	if c.Renew != "" {
		at := slices.IndexFunc(root.Blocks, func(b Block) bool { return b.Package == c.Renew })
		if at < 0 {
			return b, unknown("package to renew")
		}
		if ends := root.Blocks[at].Until; ends.After(d.at) { // while active the renewal adds from the end
			b.From, term = ends, ends
		}
	}
	if !c.Term.IsZero() {
		ends := term.In(zone).AddDate(c.Term.Years, 0, c.Term.Days).UTC()
		if b.Until.IsZero() || ends.Before(b.Until) {
			b.Until = ends
		}
	}
	if !b.Until.IsZero() && !b.From.Before(b.Until) {
		return b, refusal(Invalid, "this package ended %s", day(b.Until, zone))
	}
	for _, grant := range c.Grant {
		if r, counted := ParseResource(grant.Feature); counted {
			b.Counts[r] = min(b.Counts[r]+max(grant.Count, 0), MaxCount)
		} else if isOnOff(grant.Feature) {
			b.Features = append(b.Features, grant.Feature)
		}
	}
	b.Features = slices.Compact(slices.Sorted(slices.Values(b.Features)))
	if b.Counts[Apps] > b.Counts[SIPNumbers] {
		return b, &Refusal{
			Reason: TooFewSIP, Resource: Apps, Asked: b.Counts[Apps], Most: b.Counts[SIPNumbers],
			Text: fmt.Sprintf("applications %d need SIP numbers %d, %d given", b.Counts[Apps], b.Counts[Apps], b.Counts[SIPNumbers]),
		}
	}
	return b, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// packageBelowUse refuses a package that would take the place of a larger Trial, or of no restriction, while more is in use.
func (d *draft) packageBelowUse(root *Group, next *Limits, b Block) *Refusal {
	r := d.belowUse(node{group: root}, &root.Limits, next)
	if r != nil && root.kind(root.Count.Devices, d.at) == OnTrial {
		ends := coveredUntil(&root.Limits, d.at)
		r.Text += "; the Trial ends " + day(ends, d.zone(root.ID))
		r.At = ends
	}
	return r
}

// setRoot changes a root's limits, unless a root in reserved mode could then not keep what it reserved.
func (d *draft) setRoot(root *Group, next Limits) *Refusal {
	stood := d.snap([]node{{group: root}})
	d.setLimits(node{group: root}, next)
	return d.worse(stood)
}

// without are limits without a package's block.
func (l Limits) without(p *Package) Limits {
	l.Blocks = slices.DeleteFunc(slices.Clone(l.Blocks), func(b Block) bool { return b.Package == p.ID })
	return l
}

func (c UndoPackage) decide(d *draft) error {
	p := d.pack(c.ID)
	switch {
	case p == nil:
		return unknown("package")
	case !p.Undone.IsZero():
		return nil
	case !p.Revoked.IsZero():
		return refusal(Taken, "this package was revoked by its issuer")
	}
	zone := d.zone(p.Root)
	if until := p.Activated.In(zone).AddDate(0, 0, d.rules.UndoDays); !d.at.Before(until) {
		r := refusal(TooLate, "the package was activated on %s and could be given back until %s", day(p.Activated, zone), day(until, zone))
		r.At = until.UTC()
		return r
	}
	entry, root, stood := Entry{What: c.What(), Root: p.Root, Group: p.Root, Object: p.ID}, d.group(p.Root), *p
	d.packages.edit(p.ID).Undone = d.at
	if p.Account {
		d.endOwn(c.What(), stood, p)
		return nil
	}
	if root == nil { // its record was damaged: what it gave is gone with it
		d.enter(entry, nil, nil)
		return nil
	}
	before, next := root.Limits.facts(), root.Limits.without(p)
	if r := d.belowUse(node{group: root}, &root.Limits, &next); r != nil {
		return r
	}
	if r := d.setRoot(root, next); r != nil {
		return r
	}
	d.enter(entry, before, root.Limits.facts())
	return nil
}

func (c RevokePackage) decide(d *draft) error {
	p := d.pack(c.ID)
	switch {
	case p == nil:
		return unknown("package")
	case !p.Revoked.IsZero():
		return nil
	}
	entry, root, stood := Entry{What: c.What(), Root: p.Root, Group: p.Root, Object: p.ID}, d.group(p.Root), *p
	d.packages.edit(p.ID).Revoked = d.at
	if p.Account {
		d.endOwn(c.What(), stood, p)
		return nil
	}
	if root == nil {
		d.enter(entry, nil, nil)
		return nil
	}
	before := root.Limits.facts()
	d.setLimits(node{group: root}, root.Limits.without(p))
	d.enter(entry, before, root.Limits.facts())
	return nil
}

func (c StartTrial) decide(d *draft) error {
	root, r := d.root(c.Root)
	switch {
	case r != nil:
		return r
	case c.Registration == "" || len(c.Registration) > 256:
		return refusal(Invalid, "a Trial belongs to a partner's registration: 1 to 256 bytes")
	}
	if had := d.trial(c.Registration); had != nil {
		if had.Root == root.ID && d.at.Before(had.Until) {
			return nil
		}
		return refusal(OnlyOnce, "this partner had the Trial from %s to %s: there is one", day(had.From, time.UTC), day(had.Until, time.UTC))
	}
	if slices.ContainsFunc(root.Blocks, func(b Block) bool { return b.Source == FromTrial }) {
		return refusal(OnlyOnce, "%s had its Trial: there is one", root.Name)
	}
	until := d.at.In(d.zone(root.ID)).AddDate(0, 0, d.rules.TrialDays).UTC()
	b := Block{ID: "trial", Source: FromTrial, Counts: unlimited(), From: d.at, Until: until, Saved: d.at, Next: d.at}
	for _, f := range onOff() {
		b.Features = append(b.Features, f.Name)
	}
	slices.Sort(b.Features)
	before := root.Limits.facts()
	next := root.Limits
	next.Restricted, next.Blocks = true, append(slices.Clone(next.Blocks), b)
	if len(next.Blocks) > MaxBlocks {
		return refusal(Invalid, "%d licenses: at most %d", len(next.Blocks), MaxBlocks)
	}
	if r := d.belowUse(node{group: root}, &root.Limits, &next); r != nil {
		return r // blocks that were switched off with the restriction count again
	}
	if r := d.setRoot(root, next); r != nil {
		return r
	}
	d.trials.put(c.Registration, Trial{Registration: c.Registration, Root: root.ID, From: d.at, Until: until})
	d.enter(Entry{What: c.What(), Root: root.ID, Group: root.ID}, before, root.Limits.facts())
	return nil
}
