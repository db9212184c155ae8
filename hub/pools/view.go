package pools

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// List shows the licenses of a site, or of all when site is empty, in the order of their ids.
func (p *Pools) List(site string) ([]fleet.PoolView, error) {
	s, err := p.scene()
	if err != nil {
		return nil, err
	}
	docs, err := p.o.Store.Documents("")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := &sight{pools: p, tree: map[holder]standing{}}
	if err := seen.lookUp(p.ids()); err != nil {
		return nil, err
	}
	list := []fleet.PoolView{}
	for _, id := range p.ids() {
		if one := p.pools[id]; site == "" || one.holding.Site == site {
			list = append(list, p.view(one, s, docs, seen))
		}
	}
	return list, nil
}

// Show is one of them; fleet.ErrUnknown when there is none.
func (p *Pools) Show(id string) (fleet.PoolView, error) {
	s, err := p.scene()
	if err != nil {
		return fleet.PoolView{}, err
	}
	docs, err := p.o.Store.Documents("")
	if err != nil {
		return fleet.PoolView{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.pools[id]
	if one == nil {
		return fleet.PoolView{}, fmt.Errorf("cannot find license %.64q: %w", id, fleet.ErrUnknown)
	}
	seen := &sight{pools: p, tree: map[holder]standing{}}
	if err := seen.lookUp([]string{id}); err != nil {
		return fleet.PoolView{}, err
	}
	return p.view(one, s, docs, seen), nil
}

// view shows one license. Hold p.mu.
func (p *Pools) view(one *pool, s scene, docs []fleet.Document, seen *sight) fleet.PoolView {
	h := one.holding
	s = s.seenFrom(h.Site)
	v := fleet.PoolView{ID: h.ID, Site: h.Site, Use: h.Use, Panel: h.Panel, Account: h.Account, Added: h.Added, By: h.By, Features: []fleet.PoolFeature{}}
	if h.Use == fleet.UsePool {
		v.Held = p.held(s)
		for _, e := range p.entries(one, s) {
			v.Label, v.Status, v.Message, v.Until = e.Label, string(e.Status), hubWords.Replace(e.Message), e.Until
			v.Features = append(v.Features, p.feature(one, e, s, docs, seen))
		}
		return v
	}
	verdict := license.Examine(string(h.Token), p.o.Ring(), p.panelOf(license.Token{}, fleet.PoolEntry{Site: h.Site, Panel: h.Panel}, s), p.o.Clock(), nil, h.Account)
	v.Status, v.Message = string(h.Use), hubWords.Replace(verdict.Message)
	if verdict.Token != nil {
		v.Label = verdict.Token.Label
		for _, g := range verdict.Token.Grants {
			f := license.Describe(g.Feature)
			v.Features = append(v.Features, fleet.PoolFeature{Name: g.Feature, Title: f.Title, Counted: f.Counted, Sold: g.Count, Shares: []fleet.PoolShare{}})
		}
	}
	return v
}

func (p *Pools) feature(one *pool, e license.Entry, s scene, docs []fleet.Document, seen *sight) fleet.PoolFeature {
	f := fleet.PoolFeature{Name: e.Feature, Title: e.Title, Counted: e.Counted, Sold: e.Sold, Free: e.Count, Shares: []fleet.PoolShare{}}
	if e.Status != license.Active && e.Status != license.Ending {
		f.Free = 0
	}
	if !e.Counted {
		f.Free = 0
		return f
	}
	panels := map[string]fleet.PoolShare{}
	for _, key := range one.shares() {
		if a := one.allotments[key]; key.feature == e.Feature {
			panels[key.panel] = fleet.PoolShare{
				Panel: key.panel, Asked: a.Asked, Suspended: a.Asked - seen.target(one.holding.ID, key), By: a.By, Since: a.Since, Why: a.Why,
			}
		}
	}
	for _, given := range e.Given {
		sh, known := panels[given.Panel]
		if sh.Panel, sh.Has = given.Panel, given.Count; !known {
			sh.Asked = given.Count
		}
		panels[given.Panel] = sh
	}
	_, raw, err := envelope.Unarmor(string(one.holding.Token))
	for _, sh := range panels {
		sh.Name, sh.Waiting = s.named(sh.Panel), sh.Has > sh.Asked-sh.Suspended
		if err == nil {
			sh.Taken, sh.Refused = answered(docs, sh.Panel, sliceID(raw, e.Feature))
		}
		switch to := s.panels[sh.Panel]; {
		case !sh.Waiting:
			sh.Why = ""
		case to.State() != fleet.PanelEnrolled:
			sh.Why = fmt.Sprintf("it is %s, and nobody else can give back what it has", to.State())
		}
		if sh.Has > 0 || sh.Asked > 0 {
			f.Shares = append(f.Shares, sh)
		}
	}
	slices.SortFunc(f.Shares, func(a, b fleet.PoolShare) int { return strings.Compare(a.Name+"\x00"+a.Panel, b.Name+"\x00"+b.Panel) })
	return f
}

func answered(docs []fleet.Document, panel, id string) (taken time.Time, refused string) {
	for _, d := range docs {
		if d.Panel != panel || d.Kind != string(telemetry.DocumentSlice) || d.ID != id || d.Answer == nil {
			continue
		}
		if d.Answer.Result == "refused" {
			return time.Time{}, d.Answer.Why
		}
		return d.Answer.At, ""
	}
	return time.Time{}, ""
}

// Papers shows every document of a panel with what the panel said to it, in the order of kind and id.
func (p *Pools) Papers(panel string) ([]fleet.Paper, error) {
	docs, err := p.o.Store.Documents(panel)
	if err != nil {
		return nil, err
	}
	list := []fleet.Paper{}
	for _, d := range docs {
		one := fleet.Paper{Kind: d.Kind, ID: d.ID, What: whatOf(d), State: fleet.PaperWaiting, Made: d.Made, By: d.By}
		if d.Answer != nil {
			one.At, one.Why, one.State = d.Answer.At, d.Answer.Why, fleet.PaperTaken
			if d.Answer.Result == "refused" {
				one.State = fleet.PaperRefused
			}
		}
		if !d.Withdrawn.IsZero() {
			one.State = fleet.PaperWithdrawn
		}
		list = append(list, one)
	}
	return list, nil
}

// whatOf says what a document is about.
func whatOf(d fleet.Document) string {
	switch {
	case d.Kind == string(telemetry.DocumentSlice):
		if slice, err := license.OpenSlice(d.Bytes); err == nil {
			return fmt.Sprintf("a share: %d %s", max(0, slice.Given-slice.Returned), strings.ToLower(license.Describe(slice.Feature).Title))
		}
	case d.Kind == string(telemetry.DocumentGrant) && d.ID == basicID:
		if w, err := license.OpenHubWord(d.Bytes); err == nil {
			return "Basic until " + w.Until.Format(time.DateOnly)
		}
	case d.Kind == string(telemetry.DocumentGrant) && strings.HasPrefix(d.ID, "claim-"):
		return "who holds license " + strings.TrimPrefix(d.ID, "claim-")
	case d.Kind == string(telemetry.DocumentGrant):
		return "license " + d.ID
	case d.Kind == string(telemetry.DocumentDelegation):
		return "an issuer"
	case d.Kind == string(telemetry.DocumentRevocation):
		return "a list of what no longer holds"
	}
	return d.Kind
}
