package pools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// looksADay bounds how many short codes that are not known may be typed at the hub for a site.
const looksADay = 20

// hubWords say of a hub what package license says of a panel.
var hubWords = strings.NewReplacer("this panel belongs to", "this is", "on this panel", "on this hub", "this panel", "this hub")

// Enter examines a license and keeps it before it says yes. A refusal is an answer; an error says that it could not be kept.
func (p *Pools) Enter(ctx context.Context, e fleet.PoolEntry) (fleet.PoolAnswer, error) {
	s, err := p.scene()
	if err != nil {
		return fleet.PoolAnswer{}, err
	}
	if _, known := s.sites[e.Site]; !known {
		return fleet.PoolAnswer{}, fmt.Errorf("cannot enter a license for site %.64q: %w", e.Site, fleet.ErrUnknown)
	}
	if to, known := s.panels[e.Panel]; e.Panel != "" && (!known || to.Site != e.Site) {
		return fleet.PoolAnswer{}, fmt.Errorf("cannot enter a license for panel %.64q of site %s: %w", e.Panel, e.Site, fleet.ErrUnknown)
	}
	if err := license.CheckAccount(e.Account); err != nil {
		return refuse(fleet.PoolAnswer{}, license.NotPossible, err.Error()), nil
	}
	answer, docs, err := p.enter(e, s)
	if err != nil || !done(answer.Result) {
		return answer, err
	}
	if err := p.publish(ctx, docs, e.By); err != nil {
		p.log.Error("cannot publish what was given", "license", answer.License, "cause", err)
	}
	p.Kick()
	return answer, nil
}

func (p *Pools) enter(e fleet.PoolEntry, s scene) (fleet.PoolAnswer, []license.Document, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, refused := p.resolve(e)
	if refused != nil {
		return *refused, nil, nil
	}
	v := license.Examine(text, p.o.Ring(), p.place(s.sites[e.Site]), p.o.Clock(), nil, "")
	answer := fleet.PoolAnswer{Result: string(v.Result), Title: v.Title, Message: hubWords.Replace(v.Message)}
	if v.Kind != envelope.License || v.Token == nil {
		if v.Kind != "" && v.Kind != envelope.License {
			answer = refuse(answer, license.NotPossible, "this code is no license; delegations and revocation lists are entered with a site's monitoring license")
		}
		return answer, nil, nil
	}
	answer.License = v.Token.ID.String()
	use, why := useOf(*v.Token, e, v, p.o.Key, s)
	if why != "" {
		return refuse(answer, license.NotPossible, why), nil, nil
	}
	if raw := released(p.claimsOf(answer.License), e.Site, s); raw != nil && use == fleet.UsePool {
		v = license.Examine(envelope.Armor(envelope.Release, raw), p.o.Ring(), p.place(s.sites[e.Site]), p.o.Clock(), nil, "")
		answer.Result, answer.Title, answer.Message = string(v.Result), v.Title, hubWords.Replace(v.Message)
	}
	if use != fleet.UsePool { // the panel decides in the end; here only what is certain
		v = license.Examine(text, p.o.Ring(), p.panelOf(*v.Token, e, s), p.o.Clock(), nil, e.Account)
		answer.Result, answer.Title, answer.Message = string(v.Result), v.Title, hubWords.Replace(v.Message)
		v.Sign, v.Keep = nil, nil
	}
	answer.Use = use
	if old := p.pools[answer.License]; old != nil {
		switch {
		case old.holding.Site != e.Site:
			return refuse(answer, license.UsedElsewhere, "this license is already used at another site"), nil, nil
		case old.holding.Use != fleet.UseKept || use == fleet.UseKept:
			answer.Result, answer.Title, answer.Message = string(license.AlreadyActive), license.AlreadyActive.Title(), "This license is here already."
			answer.Use = old.holding.Use
			return answer, nil, nil
		}
	}
	if v.Result.Refused() {
		return answer, nil, nil
	}
	if why := p.claimedAway(answer.License, e.Site, e.Panel, s); why != "" {
		return refuse(answer, license.UsedElsewhere, why), nil, nil
	}
	if p.o.AtCompany != nil && v.Token.Scope == license.ScopeAccount {
		if used, err := p.o.AtCompany(answer.License); err != nil {
			return answer, nil, err
		} else if used {
			return refuse(answer, license.UsedElsewhere, "this license is used at a company of this hub"), nil, nil
		}
	}
	now := p.o.Clock().Now.UTC().Truncate(time.Second)
	h := fleet.Holding{ID: answer.License, Site: e.Site, Use: use, Token: []byte(text), Panel: e.Panel, Account: e.Account, Added: now, By: e.By}
	if v.Token.Scope == license.ScopePanel && len(v.Token.Subject) > 0 && use == fleet.UseGrant {
		h.Panel = v.Token.For()
	}
	docs, err := p.keep(h.ID, v, fleet.DeedChange{Holding: &h}, e.By)
	if errors.Is(err, fleet.ErrTaken) {
		return refuse(answer, license.UsedElsewhere, "this license is already used at another site"), nil, nil
	}
	return answer, docs, err
}

// resolve is the text of the license that somebody enters: what was typed, or what its short code stands for.
func (p *Pools) resolve(e fleet.PoolEntry) (text string, refused *fleet.PoolAnswer) {
	text = strings.TrimSpace(e.Text)
	code, err := license.ParseShortCode(text)
	if err != nil {
		return text, nil
	}
	b := budgetOf(p.looks, e.Site)
	if b.gone(p.o.Clock().Now, looksADay) {
		a := refuse(fleet.PoolAnswer{}, license.NotPossible, "too many short codes that are not known were typed for this site today; scan the QR code itself")
		return "", &a
	}
	if one := p.byCode(code.Digest(), e.Site); one != nil {
		return string(one.holding.Token), nil
	}
	b.used++
	a := refuse(fleet.PoolAnswer{}, license.Malformed, "this short code is not known here; scan the QR code itself")
	return "", &a
}

// byCode finds a license that is known at a site by the digest of its short code.
func (p *Pools) byCode(digest, site string) *pool {
	for _, id := range p.ids() {
		one := p.pools[id]
		token, err := license.ParseTokenID(id)
		if err == nil && one.holding.Site == site && token.ShortCode().Digest() == digest {
			return one
		}
	}
	return nil
}

// ids are those of the known licenses, in order. Hold p.mu.
func (p *Pools) ids() []string { return slices.Sorted(maps.Keys(p.pools)) }

func refuse(a fleet.PoolAnswer, result license.Result, why string) fleet.PoolAnswer {
	a.Result, a.Title = string(result), result.Title()
	a.Message = strings.TrimSpace(strings.ToUpper(why[:1]) + why[1:] + ". " + result.Remedy())
	return a
}

// useOf decides what a hub does with a license; why says that it can do nothing.
func useOf(t license.Token, e fleet.PoolEntry, v license.Verdict, key []byte, s scene) (use fleet.Use, why string) {
	counted := slices.ContainsFunc(t.Grants, func(g license.Grant) bool { return license.Describe(g.Feature).Counted })
	bound := len(t.Subject) > 0
	switch {
	case t.Scope == license.ScopeGroup:
		return "", "this license is for a group; it is entered where the group is edited"
	case e.Keep:
		return fleet.UseKept, ""
	case t.Scope == license.ScopeAccount, e.Panel != "":
		if t.Scope == license.ScopeAccount && e.Panel == "" {
			return "", "this license is for an account; name the panel that the account is on"
		}
		return fleet.UseGrant, ""
	case t.Scope == license.ScopePanel && bound && t.For() != envelope.NameOf(key):
		if to, known := s.panels[t.For()]; !known || to.Site != e.Site {
			return "", fmt.Sprintf("this license is for panel %s, which is none of this site", t.For())
		}
		return fleet.UseGrant, ""
	case counted:
		return fleet.UsePool, ""
	case t.Scope == license.ScopeSite && bound:
		return fleet.UseGrant, ""
	}
	return "", "nothing of this license can be shared out; name the panel that is to have it"
}

// panelOf is the panel that is to have a license, as far as it is known here.
func (p *Pools) panelOf(t license.Token, e fleet.PoolEntry, s scene) license.Panel {
	id := e.Panel
	if id == "" && t.Scope == license.ScopePanel && len(t.Subject) > 0 {
		id = t.For()
	}
	thumb, err := envelope.ParseThumbprint(id)
	if err != nil {
		return p.place(s.sites[e.Site])
	}
	named := license.PanelNamed(thumb)
	named.Site = e.Site
	return named
}

// grants are the documents with which whole licenses go to panels. Hold p.mu.
func (p *Pools) grants(s scene) (docs []fleet.Document, faults []error) {
	for _, id := range p.ids() {
		h := p.pools[id].holding
		_, raw, err := envelope.Unarmor(string(h.Token))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if h.Use != fleet.UseGrant && !(h.Use == fleet.UsePool && p.everywhere(h, s)) {
			continue
		}
		for _, panel := range s.order {
			if panel.Site != h.Site || h.Panel != "" && h.Panel != panel.ID || panel.State() != fleet.PanelEnrolled {
				continue
			}
			if c, claimed := p.staying(id); claimed && c.Panel != panel.ID {
				continue
			}
			docs = append(docs, fleet.Document{Panel: panel.ID, Kind: string(telemetry.DocumentGrant), ID: id, Bytes: raw, By: h.By})
		}
	}
	return docs, faults
}

// everywhere tells that a part of a license that is shared out here counts on every panel of its site by itself.
func (p *Pools) everywhere(h fleet.Holding, s scene) bool {
	v := license.Examine(string(h.Token), p.o.Ring(), p.place(s.sites[h.Site]), p.o.Clock(), nil, "")
	return v.Token != nil && v.Token.Scope == license.ScopeSite && len(v.Token.Subject) > 0 &&
		slices.ContainsFunc(v.Token.Grants, func(g license.Grant) bool { return !license.Describe(g.Feature).Counted })
}

// budget bounds how often something is tried in vain in a day.
type budget struct {
	day  int64
	used int
}

// budgetOf finds or makes the budget of a site or panel that is known: there are no more of them than of those.
func budgetOf(budgets map[string]*budget, of string) *budget {
	if budgets[of] == nil {
		budgets[of] = &budget{}
	}
	return budgets[of]
}

// gone tells that nothing more is tried today. Days are UTC's.
func (b *budget) gone(now time.Time, most int) bool {
	const day = 24 * 60 * 60
	if today := now.Unix() / day; today != b.day {
		b.day, b.used = today, 0
	}
	return b.used >= most
}
