package pools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	// lookEvery is how often it is looked for what is to be done when nothing happens.
	lookEvery = 5 * time.Second
	// papersEvery is how often every document of every panel is looked at when nothing was changed here, such as for a new panel.
	papersEvery = time.Minute
	// firstPause and lastPause are between two orders to a panel that did not do them.
	firstPause = 5 * time.Second
	lastPause  = time.Hour
	// atOnce bounds how many panels are asked at the same time.
	atOnce = 16
	// basicRenewDays is how long a panel's Basic license still holds when another one is sent: a panel that is connected once in two
	// months never misses it.
	basicRenewDays = 60
	// skew is how far a panel's clock may be behind this hub's without its Basic license beginning later.
	skew = 24 * time.Hour
	// basicID names the document with which a panel has Basic.
	basicID = "basic"
)

// Run does what is to be done until ctx ends: it asks panels to give back and to tell, gives what has become free, and publishes.
func (p *Pools) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	papers := time.Time{}
	for {
		now := p.o.Clock().Now
		all := !now.Before(papers)
		if all {
			papers = now.Add(papersEvery)
		}
		if err := p.round(ctx, all); err != nil && ctx.Err() == nil {
			p.log.Error("cannot do all that is to be done for panels' licenses", "cause", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-p.wake:
			papers = time.Time{}
		}
	}
}

// task is an order to one panel.
type task struct {
	panel, verb, object string
	boot                string
	key                 share
	license             string
}

// round looks once at what is to be done, and does it; with papers, also at every document. It waits for panels that are asked.
func (p *Pools) round(ctx context.Context, papers bool) error {
	p.busy.Lock()
	defer p.busy.Unlock()
	s, err := p.scene()
	if err != nil {
		return err
	}
	gave, err := p.catchUp(s)
	if papers || gave {
		err = errors.Join(err, p.documents(ctx, s))
	}
	tasks := p.tasks(s)
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, t := range tasks {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			p.ask(ctx, t)
		})
	}
	all.Wait()
	return err
}

// catchUp gives what was asked for and has become possible, such as when a panel had given back before it heard of a higher number.
func (p *Pools) catchUp(s scene) (gave bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, err := p.look(s)
	if err != nil {
		return false, err
	}
	if err := p.recount(seen); err != nil {
		return false, err
	}
	if p.fence != nil {
		p.unfence(p.gone(s))
	}
	if p.fence != nil {
		return false, nil
	}
	var faults []error
	for _, id := range p.ids() {
		one := p.pools[id]
		for _, key := range one.shares() {
			to, target := s.panels[key.panel], seen.target(id, key)
			more := target - seen.left(id, key)
			if more <= 0 || to.State() != fleet.PanelEnrolled || to.Site != one.holding.Site {
				continue
			}
			v := p.give(one, to, key.feature, more, s)
			if v.Result.Refused() {
				continue // shown with the allotment
			}
			var counts []ledger.Allot
			if seen.tree[holder{id, key}].registered {
				counts = []ledger.Allot{{Pool: id, Panel: key.panel, Count: one.allotments[key].Asked, Gives: target, Others: seen.apart()}}
			}
			_, err := p.keep(id, v, fleet.DeedChange{}, "", counts...)
			if refused(err) {
				continue // others are still to give some back
			}
			gave, faults = gave || err == nil, append(faults, err)
			seen.has[id] = p.entries(one, s)
		}
	}
	return gave, errors.Join(faults...)
}

// documents publishes what panels are to have and do not have in this content: slices, whole licenses, decided claims, Basic.
func (p *Pools) documents(ctx context.Context, s scene) error {
	kept, err := p.o.Store.Documents("")
	if err != nil {
		return err
	}
	have := make(map[string]fleet.Document, len(kept))
	for _, d := range kept {
		if d.Withdrawn.IsZero() {
			have[nameOf(d)] = d
		}
	}
	p.mu.Lock()
	wanted, faults := p.wanted(s, have)
	p.mu.Unlock()
	for _, d := range wanted {
		old, there := have[nameOf(d)]
		delete(have, nameOf(d))
		if there && bytes.Equal(old.Bytes, d.Bytes) {
			continue
		}
		faults = append(faults, p.o.Way.PutDocument(ctx, d))
	}
	for _, d := range kept { // in order
		_, left := have[nameOf(d)]
		if to := s.panels[d.Panel]; left && d.Kind == string(telemetry.DocumentGrant) && d.ID == basicID && to.State() != fleet.PanelEnrolled {
			faults = append(faults, p.o.Way.WithdrawDocument(ctx, d.Panel, d.Kind, d.ID, "hub"))
		}
	}
	return errors.Join(faults...)
}

func nameOf(d fleet.Document) string { return d.Panel + "/" + d.Kind + "/" + d.ID }

// wanted is every document that a panel is to have now; have are those that are published. Hold p.mu.
func (p *Pools) wanted(s scene, have map[string]fleet.Document) (docs []fleet.Document, faults []error) {
	for _, id := range p.ids() {
		for _, d := range p.pools[id].docs {
			if d.Kind != envelope.Slice {
				continue
			}
			slice, err := license.OpenSlice(d.Raw)
			if err != nil {
				continue // shown with the pool
			}
			a, err := license.OpenActivation(slice.Activation)
			if to := s.panels[slice.To.String()]; err == nil && to.State() == fleet.PanelEnrolled {
				docs = append(docs, fleet.Document{Panel: to.ID, Kind: string(telemetry.DocumentSlice), ID: sliceID(a.License, slice.Feature), Bytes: d.Raw, By: "hub"})
			}
		}
	}
	grants, faults := p.grants(s)
	for _, d := range grants {
		if account := p.pools[d.ID].holding.Account; account != "" {
			word := license.HubWord{License: d.Bytes, Account: account}
			d, faults = p.said(d, word, have, faults)
		}
		if d.Bytes == nil {
			continue // without its word the seat would be for nobody
		}
		docs = append(docs, d)
	}
	for _, id := range slices.Sorted(maps.Keys(p.claims)) {
		docs, faults = p.settled(id, s, have, docs, faults)
	}
	for _, to := range s.order {
		if to.State() != fleet.PanelEnrolled {
			continue
		}
		from := p.o.Clock().Now.UTC().Truncate(time.Second).Add(-skew)
		d, more := p.said(fleet.Document{Panel: to.ID, Kind: string(telemetry.DocumentGrant), ID: basicID, By: "hub"}, license.HubWord{
			From: from, Until: from.AddDate(0, 0, license.BasicDays),
			Grants: []license.Grant{{Feature: license.Applications, Count: license.BasicCount}, {Feature: license.SIPNumbers, Count: license.BasicCount}},
		}, have, nil)
		if faults = append(faults, more...); d.Bytes != nil {
			docs = append(docs, d)
		}
	}
	return docs, faults
}

// settled tells every panel that claims a license, or has a share of it, whose claim stays. Hold p.mu.
func (p *Pools) settled(id string, s scene, have map[string]fleet.Document, docs []fleet.Document, faults []error) ([]fleet.Document, []error) {
	stays := p.ownActivation(id)
	var panels []string
	for panel, c := range p.claims[id] {
		panels = append(panels, panel)
		if c.Stays {
			stays = c.Raw
		}
	}
	if one := p.pools[id]; one != nil {
		panels = append(panels, one.receivers()...)
	}
	slices.Sort(panels)
	for _, panel := range slices.Compact(panels) {
		if s.panels[panel].State() != fleet.PanelEnrolled || stays == nil {
			continue
		}
		var d fleet.Document
		d, faults = p.said(fleet.Document{Panel: panel, Kind: string(telemetry.DocumentGrant), ID: "claim-" + id, By: "hub"}, license.HubWord{Claim: stays}, have, faults)
		if d.Bytes != nil {
			docs = append(docs, d)
		}
	}
	return docs, faults
}

// said signs a word to a panel into a document; one that is published already and says the same stays. A document that cannot be signed
// has no bytes. Hold p.mu.
func (p *Pools) said(d fleet.Document, w license.HubWord, have map[string]fleet.Document, faults []error) (fleet.Document, []error) {
	d.Bytes = nil
	thumb, err := envelope.ParseThumbprint(d.Panel)
	if err != nil {
		return d, append(faults, err)
	}
	now := p.o.Clock().Now.UTC().Truncate(time.Second)
	w.Hub, w.To, w.At = p.o.Key, thumb, now
	old, there := have[nameOf(d)]
	if there && says(old.Bytes, w, now) {
		return old, faults
	}
	var before uint64
	if said, err := license.OpenHubWord(old.Bytes); err == nil {
		before = said.Number
	}
	w.Number = p.nextNumber(before)
	signed, err := w.Sign(p.o.Sign)
	if err != nil {
		return d, append(faults, err)
	}
	d.Bytes = signed.Raw
	return d, faults
}

// says tells whether what is published says what a word would: only number and time would be new, and what it gives holds for long
// enough.
func says(published []byte, w license.HubWord, now time.Time) bool {
	old, err := license.OpenHubWord(published)
	if err != nil || !old.Hub.Equal(w.Hub) || old.To != w.To || old.Account != w.Account || !bytes.Equal(old.License, w.License) || !bytes.Equal(old.Claim, w.Claim) {
		return false
	}
	return slices.Equal(old.Grants, w.Grants) && (len(w.Grants) == 0 || now.Before(old.Until.AddDate(0, 0, -basicRenewDays)) && !now.Before(old.From))
}

// tasks are the orders that panels are to be given now: one for each panel at most.
func (p *Pools) tasks(s scene) (list []task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, err := p.look(s)
	if err != nil {
		p.log.Error("nobody is asked to give back", "cause", err)
		return nil
	}
	now := p.o.Clock().Now
	concerned := map[string]bool{}
	due := func(panel string) (string, bool) {
		at, boot, heard := p.o.Way.Heard(panel)
		t := p.tried[panel]
		if !heard || concerned[panel] || s.panels[panel].State() != fleet.PanelEnrolled || !at.After(t.last) || now.Before(t.next) {
			return "", false
		}
		return boot, true
	}
	for _, to := range s.order {
		if !p.concerns(to.ID) {
			continue
		}
		fenced := p.fence != nil && slices.Contains(p.fence.Waiting, to.ID)
		if boot, ok := due(to.ID); ok && (p.told[to.ID] != boot || fenced) {
			concerned[to.ID] = true
			list = append(list, task{panel: to.ID, verb: telemetry.VerbTell, object: telemetry.TellLicenses, boot: boot})
		}
	}
	for _, id := range p.ids() {
		one := p.pools[id]
		for _, key := range one.shares() {
			over := seen.left(id, key) - seen.target(id, key)
			boot, ok := due(key.panel)
			if over <= 0 || !ok {
				continue
			}
			concerned[key.panel] = true
			order := telemetry.ReturnOrder{License: id, Feature: key.feature, Total: p.returned(one, key.feature, key.panel) + over}
			list = append(list, task{panel: key.panel, verb: telemetry.VerbReturn, object: order.String(), boot: boot, key: key, license: id})
		}
	}
	return list
}

// concerns tells whether a panel may have something from this hub that it should tell of. Hold p.mu.
func (p *Pools) concerns(panel string) bool {
	if p.fence != nil && slices.Contains(p.fence.Waiting, panel) {
		return true
	}
	for _, one := range p.pools {
		for key := range one.allotments {
			if key.panel == panel {
				return true
			}
		}
	}
	for _, claims := range p.claims {
		if _, claims := claims[panel]; claims {
			return true
		}
	}
	return false
}

// ask gives one order and notes what came of it.
func (p *Pools) ask(ctx context.Context, t task) {
	began := p.o.Clock().Now
	p.mu.Lock()
	before := p.told[t.panel]
	if t.verb == telemetry.VerbTell {
		// Known before it answers, so that what it tells is known as an answer. A hold-back of earlier doubts begins anew.
		p.told[t.panel] = t.boot
		if p.fence != nil {
			delete(p.fence.Why, t.panel)
		}
	}
	p.mu.Unlock()
	o, err := p.o.Way.Order(ctx, t.panel, t.verb, t.object, "hub")
	p.mu.Lock()
	defer p.mu.Unlock()
	done := err == nil && o.State == fleet.OrderDone
	if !done && t.verb == telemetry.VerbTell {
		p.told[t.panel] = before
	}
	trial := p.tried[t.panel]
	trial.last = began
	trial.pause = min(max(2*trial.pause, firstPause), lastPause)
	if done {
		trial.pause = 0
		if t.verb == telemetry.VerbReturn || p.fence != nil {
			trial.pause = firstPause // what it signed is on its way
		}
	}
	trial.next = p.o.Clock().Now.Add(trial.pause)
	p.tried[t.panel] = trial
	if t.verb != telemetry.VerbReturn {
		return
	}
	one := p.pools[t.license]
	if a, known := one.allotments[t.key]; known {
		a.Why = ""
		if !done {
			a.Why = whyNot(o, err)
		}
		one.allotments[t.key] = a
	}
}

func whyNot(o fleet.Order, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case o.State == fleet.OrderRefused:
		return "the panel refused: " + o.Why
	case o.State == fleet.OrderFailed:
		return "the panel could not: " + o.Why
	}
	return fmt.Sprintf("not reached: %s", o.Why)
}
