package pools

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// claimLimit bounds how many panels' claims to one license are kept: whoever photographed a code can make up any number of them.
const claimLimit = 64

// learnClaim keeps that a panel activated a license which is bound to nobody, and decides which claim stays. A pool of this hub that is
// not the first ends with it, in the same transaction: from then on nothing more of it is given. Hold p.mu.
func (p *Pools) learnClaim(r fleet.Received, raw []byte, s scene) error {
	a, err := license.OpenActivation(raw)
	if err != nil {
		return nil
	}
	id := p.claimedBy(r, a, s)
	old, heard := p.claims[id][r.Panel]
	if id == "" || heard && bytes.Equal(old.Raw, raw) {
		return nil
	}
	if before, err := license.OpenActivation(old.Raw); heard && err == nil && (!renewed(a, before) || old.Release != nil && a.Turn == before.Turn) {
		return nil // an older word of the same panel, sent again
	}
	before, _ := p.staying(id)
	claims := p.claimsWith(fleet.Claim{License: id, Panel: r.Panel, Site: r.Site, Raw: raw, Heard: p.o.Clock().Now.UTC()})
	detail := fmt.Sprintf("activated on %s at %s", s.named(r.Panel), a.At.Format("2006-01-02 15:04:05 UTC"))
	if err := p.keepClaims(id, claims, p.noteOf(r, "license.claimed", id, detail), s); err != nil {
		return err
	}
	after, _ := p.staying(id)
	if (!heard || after.Panel != before.Panel) && p.contested(id, claims) {
		p.warnClaims(id, claims, s)
	}
	return nil
}

// learnRelease keeps that a panel gave a license up: its claim stands against nobody any more. Hold p.mu.
func (p *Pools) learnRelease(r fleet.Received, raw []byte, s scene) error {
	release, err := license.OpenRelease(raw)
	if err != nil {
		return nil
	}
	a, err := license.OpenActivation(release.Activation)
	if err != nil || !bytes.Equal(a.Panel, release.Panel) {
		return nil
	}
	id := p.claimedBy(r, a, s)
	old, heard := p.claims[id][r.Panel]
	if id == "" {
		return nil
	}
	c := fleet.Claim{License: id, Panel: r.Panel, Site: r.Site, Raw: release.Activation, Heard: p.o.Clock().Now.UTC(), Release: raw}
	if before, err := license.OpenActivation(old.Raw); heard && err == nil {
		if before.Turn > a.Turn || before.Turn == a.Turn && old.Release != nil {
			return nil // it took the license over again since, or this was heard
		}
		if before.Turn == a.Turn {
			c.Raw = old.Raw
		}
	}
	detail := fmt.Sprintf("released from %s at %s", s.named(r.Panel), release.At.Format("2006-01-02 15:04:05 UTC"))
	return p.keepClaims(id, p.claimsWith(c), p.noteOf(r, "license.released", id, detail), s)
}

// claimedBy is the license that a panel's own activation is of; empty when it is none that this hub decides about: one that is bound to
// somebody, another panel's word, or one claim too many. Hold p.mu.
func (p *Pools) claimedBy(r fleet.Received, a license.Activation, s scene) string {
	if from, known := s.panels[r.Panel]; !known || !bytes.Equal(a.Panel, from.Key) {
		return ""
	}
	v := license.Examine(envelope.Armor(envelope.License, a.License), p.o.Ring(), p.place(s.sites[r.Site]), p.o.Clock(), nil, "")
	if v.Token == nil || len(v.Token.Subject) > 0 {
		return ""
	}
	id := v.Token.ID.String()
	if _, heard := p.claims[id][r.Panel]; !heard && len(p.claims[id]) >= claimLimit {
		return ""
	}
	return id
}

// claimsOf are all claims to a license, in the order of panels. Hold p.mu.
func (p *Pools) claimsOf(id string) []fleet.Claim {
	return slices.SortedFunc(maps.Values(p.claims[id]), func(a, b fleet.Claim) int { return strings.Compare(a.Panel, b.Panel) })
}

// claimsWith are all claims to a license with a panel's newest one, in the order of panels. Hold p.mu.
func (p *Pools) claimsWith(c fleet.Claim) []fleet.Claim {
	claims := slices.DeleteFunc(p.claimsOf(c.License), func(old fleet.Claim) bool { return old.Panel == c.Panel })
	claims = append(claims, c)
	slices.SortFunc(claims, func(a, b fleet.Claim) int { return strings.Compare(a.Panel, b.Panel) })
	return claims
}

func (p *Pools) noteOf(r fleet.Received, what, license, detail string) fleet.Change {
	return fleet.Change{At: p.o.Clock().Now, Who: "panel " + r.Panel, Via: "hub", What: what, Object: license, Site: r.Site, Detail: detail}
}

// contested tells that a license is used twice: there are claims that do not follow from each other, and none of them was given up. Hold p.mu.
func (p *Pools) contested(id string, claims []fleet.Claim) bool {
	var all []license.Activation
	for _, c := range claims {
		if a, err := license.OpenActivation(c.Raw); err == nil && c.Release == nil {
			all = append(all, a)
		}
	}
	if own, err := license.OpenActivation(p.ownActivation(id)); err == nil {
		all = append(all, own)
	}
	return slices.ContainsFunc(all, func(a license.Activation) bool { return !license.SameClaim(a, all[0]) })
}

// keepClaims decides which of all claims to a license stays, keeps them, and has the panels told. A pool ends with an older claim, and
// takes over what a panel of its site gave up. Hold p.mu.
func (p *Pools) keepClaims(id string, claims []fleet.Claim, note fleet.Change, s scene) error {
	stays := p.decide(id, claims)
	var site fleet.Site
	one := p.pools[id]
	pool := one != nil && one.holding.Use == fleet.UsePool
	if pool {
		site = s.sites[one.holding.Site]
	}
	var v license.Verdict
	for i, c := range claims {
		if claims[i].Stays = c.Panel == stays; claims[i].Stays && pool {
			v.Keep = p.goesBefore(c, site, one.docs)
		}
	}
	if raw := released(claims, site.ID, s); pool && stays == "" && raw != nil {
		v = license.Examine(envelope.Armor(envelope.Release, raw), p.o.Ring(), p.place(site), p.o.Clock(), one.docs, "")
	}
	if _, err := p.keep(id, v, fleet.DeedChange{Claims: claims, Note: note}, ""); err != nil {
		return err
	}
	for _, c := range claims {
		p.noteClaim(c)
	}
	p.Kick()
	return nil
}

// goesBefore is a panel's claim as a document of a pool that it ends; nothing when the pool was first. Hold p.mu.
func (p *Pools) goesBefore(c fleet.Claim, site fleet.Site, docs []license.Document) []license.Document {
	return license.Examine(envelope.Armor(envelope.Activation, c.Raw), p.o.Ring(), p.place(site), p.o.Clock(), docs, "").Keep
}

// outdone is goesBefore for the claim that is known to stay. Hold p.mu.
func (p *Pools) outdone(id string, site fleet.Site, docs []license.Document) []license.Document {
	c, claimed := p.staying(id)
	if !claimed {
		return nil
	}
	return p.goesBefore(c, site, docs)
}

// staying is the panel's claim to a license that stays; false when no panel claims it, or this hub was first. Hold p.mu.
func (p *Pools) staying(id string) (fleet.Claim, bool) {
	for _, c := range p.claims[id] {
		if c.Stays {
			return c, true
		}
	}
	return fleet.Claim{}, false
}

// claimedAway says why a license cannot be entered at a site, for one panel or for all: a panel activated it by itself. Empty when it
// can be. Hold p.mu.
func (p *Pools) claimedAway(id, site, panel string, s scene) string {
	c, claimed := p.staying(id)
	switch {
	case !claimed || c.Panel == panel:
		return ""
	case s.panels[c.Panel].Site == site:
		return "this license is already active on " + s.named(c.Panel)
	}
	return "this license is already used at another site"
}

// released is the code with which a panel of a site gave a license up that was its; nil without one. With it the hub takes the license
// over, so that nobody else does.
func released(claims []fleet.Claim, site string, s scene) []byte {
	var last fleet.Claim
	var best license.Activation
	for _, c := range claims {
		if a, err := license.OpenActivation(c.Raw); err == nil && (best.Panel == nil || license.Earlier(a, best) < 0) {
			last, best = c, a
		}
	}
	if s.at(last.Panel, last.Site) != site {
		return nil
	}
	return last.Release
}

// renewed tells whether one panel's activation follows another of its own: it was assigned anew, or taken over again.
func renewed(a, before license.Activation) bool {
	if a.Turn != before.Turn {
		return a.Turn > before.Turn
	}
	return a.Changes > before.Changes || a.Changes == before.Changes && a.At.Before(before.At)
}

// decide tells whose claim stays: a panel's id, or nothing when this hub itself holds the license, or every panel gave it up. Hold p.mu.
func (p *Pools) decide(id string, claims []fleet.Claim) string {
	stays, best := "", license.Activation{}
	if raw := p.ownActivation(id); raw != nil {
		best, _ = license.OpenActivation(raw)
	}
	for _, c := range claims {
		a, err := license.OpenActivation(c.Raw)
		if err == nil && c.Release == nil && (best.Panel == nil || license.Earlier(a, best) < 0) {
			stays, best = c.Panel, a
		}
	}
	return stays
}

// ownActivation is this hub's own claim to a license that it shares out; nil without one. Hold p.mu.
func (p *Pools) ownActivation(id string) []byte {
	one := p.pools[id]
	if one == nil || one.holding.Use != fleet.UsePool {
		return nil
	}
	for _, d := range one.docs {
		if d.Kind != envelope.Activation {
			continue
		}
		if a, err := license.OpenActivation(d.Raw); err == nil && ed25519.PublicKey(a.Panel).Equal(p.o.Key) {
			return d.Raw
		}
	}
	return nil
}

// warnClaims tells the owners of all panels that claim a license, and those of the pool that it was. Nobody reads more of another site
// than that there is one. Hold p.mu.
func (p *Pools) warnClaims(id string, claims []fleet.Claim, s scene) {
	stays, claimed := p.staying(id)
	holder := func(site string) string {
		switch {
		case !claimed:
			return "this hub"
		case s.panels[stays.Panel].Site == site:
			return s.named(stays.Panel)
		}
		return "a panel of another site"
	}
	tell := func(panel, site, more string) {
		detail := fmt.Sprintf("License %s was activated twice. It stays with %s, which was first.%s", id, holder(site), more)
		p.warn(fleet.Fault{Panel: panel, Site: site, At: p.o.Clock().Now, Kind: fleet.FaultClaim, Detail: detail})
	}
	const ask = " Ask whoever sold it for another one."
	for _, c := range claims {
		site := s.at(c.Panel, c.Site)
		switch {
		case c.Release != nil:
			continue
		case claimed && c.Panel == stays.Panel:
			tell(c.Panel, site, "")
			continue
		}
		tell(c.Panel, site, fmt.Sprintf(" At %s it counts no more.", s.named(c.Panel))+ask)
	}
	one := p.pools[id]
	if one == nil || one.holding.Use != fleet.UsePool || !claimed {
		return
	}
	told := false
	for _, panel := range one.receivers() {
		site := s.at(panel, one.holding.Site)
		told = told || site == one.holding.Site
		tell(panel, site, fmt.Sprintf(" What %s has of the pool counts no more.", s.named(panel))+ask)
	}
	if !told {
		tell(poolsFault, one.holding.Site, " The pool counts no more."+ask)
	}
}

// poolsFault stands in the place of a panel in a fault of a pool that no panel of its site has anything of.
const poolsFault = "hub"

// receivers are the panels that a pool was shared out to, in order.
func (one *pool) receivers() []string {
	var panels []string
	for key := range one.allotments {
		panels = append(panels, key.panel)
	}
	slices.Sort(panels)
	return slices.Compact(panels)
}
