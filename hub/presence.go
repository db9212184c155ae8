package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	presenceQueue = 4_096
	leaseFor      = 5 * time.Minute
	leaseRenew    = leaseFor / 2
	leaseTry      = 30 * time.Second // for work that another hub has
	commitPause   = 2 * time.Second
	leastPause    = 10 * time.Millisecond // between two looks at what is due
)

var errStopped = errors.New("the hub is being stopped")

// ErrElsewhere is what Tell answers for a site that another hub watches.
var ErrElsewhere = errors.New("another hub watches this site")

// told is what the loop of presence hears. site is empty for what concerns all.
type told struct {
	site   string
	event  monitor.Event
	all    signal
	fault  *fleet.Fault
	alarm  *alarm
	change fleet.Change // what the audit says of the event; without What: nothing
	answer chan error   // nil: nobody waits
}

// signal is something that concerns all sites.
type signal int

const (
	brokerBack signal = iota + 1
	brokerLost
	rollChanged
)

// watched is a site that this hub watches.
type watched struct {
	site     string
	zone     *time.Location
	state    monitor.Site
	kept     uint64 // the Revision that is durable
	deliver  []fleet.Delivery
	withdraw []string
	changes  []fleet.Change // for the audit, with what they changed
	waiting  []chan error   // who asked for a change that is not durable yet
	retry    time.Time      // the store did not take it: not before
	renew    time.Time
	expires  time.Time
	unusable string // the stored state cannot be read: nothing is changed
}

// presence watches sites, each through hub/monitor. One goroutine owns what is watched; pages read copies.
type presence struct {
	hub   *Hub
	queue chan told

	sites  map[string]*watched
	tryAt  map[string]time.Time // when a site of another hub is asked for again
	linked bool

	over chan struct{} // closed when nobody listens to the queue any more

	mu     sync.Mutex
	copies map[string]monitor.Site
}

func newPresence(h *Hub) *presence {
	return &presence{hub: h, queue: make(chan told, presenceQueue), sites: map[string]*watched{}, tryAt: map[string]time.Time{}, copies: map[string]monitor.Site{},
		over: make(chan struct{})}
}

func (p *presence) send(t told) {
	select {
	case p.queue <- t:
	case <-p.over:
	}
}

func (p *presence) tell(s signal) { p.send(told{all: s}) }

func (p *presence) status(site, panel string, status telemetry.Status, retained bool) {
	p.send(told{site: site, event: monitor.StatusReceived{Panel: panel, Status: status, Retained: retained}})
}

// alarm returns when it is durable that people are told, or when it cannot be any more.
func (p *presence) alarm(ctx context.Context, a alarm) {
	answer := make(chan error, 1)
	p.send(told{site: a.event.Site, alarm: &a, answer: answer})
	select {
	case err := <-answer:
		if err != nil {
			p.hub.log.Error("nobody is told of a silent alarm", "site", a.event.Site, "panel", a.event.Panel, "cause", err)
		}
	case <-p.over:
	case <-ctx.Done():
	}
}

func (p *presence) warn(f fleet.Fault) { p.send(told{site: f.Site, fault: &f}) }

// Tell brings an event, such as a changed policy, before the monitor of a site, and returns when what came of it is durable.
// What the change says is written into the audit with it, or neither is; without What nothing is.
func (h *Hub) Tell(ctx context.Context, site string, event monitor.Event, change fleet.Change) error {
	// A site that was made a moment ago may not be in the roll yet.
	if r := h.roll.Load(); r != nil && r.sites[site].ID == "" {
		if err := h.readRoll(); err != nil {
			return err
		}
	}
	answer := make(chan error, 1)
	select {
	case h.presence.queue <- told{site: site, event: event, change: change, answer: answer}:
	case <-ctx.Done():
		return ctx.Err()
	case <-h.presence.over:
		return errStopped
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-h.presence.over:
		return errStopped
	}
}

// Situation is what is known of a site now. It is not ok for a site that is not known, or watched by another hub.
func (h *Hub) Situation(site string) (s monitor.Site, ok bool) {
	h.presence.mu.Lock()
	defer h.presence.mu.Unlock()
	s, ok = h.presence.copies[site]
	return s, ok
}

func (p *presence) now() time.Time { return p.hub.o.Now() }

func (p *presence) run(ctx context.Context) {
	defer close(p.over)
	timer := time.NewTimer(0)
	defer timer.Stop()
	p.takeUp()
	for {
		timer.Reset(max(p.next().Sub(p.now()), leastPause))
		select {
		case <-ctx.Done():
			p.leave()
			return
		case <-timer.C:
			p.due()
		case t := <-p.queue:
			p.take(t)
			for more := true; more; {
				select {
				case t = <-p.queue:
					p.take(t)
				default:
					more = false
				}
			}
		}
		p.commitAll()
	}
}

// next is when due has something to do.
func (p *presence) next() time.Time {
	next := p.now().Add(leaseTry)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	for _, w := range p.sites {
		sooner(w.renew)
		sooner(w.retry)
		if w.unusable == "" {
			sooner(w.state.Deadline())
		}
	}
	return next
}

func (p *presence) due() {
	now := p.now()
	p.takeUp()
	for _, id := range p.ids() {
		w := p.sites[id]
		if !now.Before(w.renew) && !p.renewed(w, now) {
			continue
		}
		if deadline := w.state.Deadline(); w.unusable == "" && !deadline.IsZero() && !now.Before(deadline) {
			p.step(w, monitor.Tick{})
		}
	}
}

// ids are the watched sites in a fixed order.
func (p *presence) ids() []string {
	ids := make([]string, 0, len(p.sites))
	for id := range p.sites {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (p *presence) renewed(w *watched, now time.Time) bool {
	mine, err := p.hub.o.Store.Lease("site/"+w.site, p.hub.o.Name, now, now.Add(leaseFor))
	switch {
	case err != nil && now.Before(w.expires):
		p.hub.log.Error("cannot prolong the watch over a site", "site", w.site, "cause", err)
		w.renew = now.Add(commitPause)
		return true
	case err != nil || !mine:
		p.hub.log.Warn("another hub watches this site now", "site", w.site)
		p.drop(w, ErrElsewhere)
		return false
	}
	w.renew, w.expires = now.Add(leaseRenew), now.Add(leaseFor)
	return true
}

func (p *presence) drop(w *watched, why error) {
	for _, answer := range w.waiting {
		answer <- why
	}
	delete(p.sites, w.site)
	p.tryAt[w.site] = p.now().Add(leaseTry)
	p.mu.Lock()
	delete(p.copies, w.site)
	p.mu.Unlock()
}

// takeUp begins to watch the sites that nobody watches.
func (p *presence) takeUp() {
	now := p.now()
	r := p.hub.roll.Load()
	for _, site := range r.order {
		w := p.sites[site.ID]
		if !site.Archived.IsZero() {
			if w != nil {
				p.drop(w, fmt.Errorf("cannot watch site %s: it is archived", site.ID))
				p.release(site.ID)
			}
			continue
		}
		if w != nil || now.Before(p.tryAt[site.ID]) {
			continue
		}
		p.tryAt[site.ID] = now.Add(leaseTry)
		mine, err := p.hub.o.Store.Lease("site/"+site.ID, p.hub.o.Name, now, now.Add(leaseFor))
		if err != nil {
			p.hub.log.Error("cannot begin to watch a site", "site", site.ID, "cause", err)
			continue
		}
		if mine {
			p.begin(site, now)
		}
	}
}

// begin goes on from what is stored of a site.
func (p *presence) begin(site fleet.Site, now time.Time) {
	raw, err := p.hub.o.Store.Situation(site.ID)
	if err != nil {
		p.hub.log.Error("cannot begin to watch a site", "site", site.ID, "cause", err)
		return
	}
	w := &watched{site: site.ID, renew: now.Add(leaseRenew), expires: now.Add(leaseFor)}
	p.sites[site.ID] = w
	delete(p.tryAt, site.ID)
	if len(raw) == 0 {
		w.state = monitor.New(site, now)
	} else if w.state, err = monitor.Decode(raw); err != nil {
		w.unusable = err.Error()
		p.hub.log.Error("a site is not watched", "site", site.ID, "cause", err)
		return
	} else {
		w.kept = w.state.Revision
	}
	w.zone = zoneOf(site.Zone)
	p.step(w, monitor.HubStarted{})
	p.follow(w, site)
	p.stepLink(w)
	p.publish(w)
}

func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

func (p *presence) stepLink(w *watched) {
	if p.linked {
		p.step(w, monitor.BrokerBack{})
	} else {
		p.step(w, monitor.BrokerLost{})
	}
}

// follow brings what is known of a site in line with the records: its name, its panels, its license.
func (p *presence) follow(w *watched, site fleet.Site) {
	if w.unusable != "" {
		return
	}
	if w.state.Name != site.Name || w.state.Zone != site.Zone || w.state.Language != site.Language {
		w.zone = zoneOf(site.Zone)
		p.step(w, monitor.SiteChanged{Site: site})
	}
	here := map[string]bool{}
	for _, panel := range p.hub.roll.Load().bySite[site.ID] {
		if panel.State() == fleet.PanelRevoked || panel.State() == fleet.PanelReplaced {
			continue
		}
		here[panel.ID] = true
		if known, ok := w.state.Panel(panel.ID); !ok || known.Name != panel.Name {
			p.step(w, monitor.PanelAdded{ID: panel.ID, Name: panel.Name})
		}
	}
	for _, known := range slices.Clone(w.state.Panels) {
		if !here[known.ID] {
			p.step(w, monitor.PanelRemoved{ID: known.ID})
		}
	}
	if p.hub.o.Licensed != nil {
		from, until := p.hub.o.Licensed(site.ID, p.now())
		if l := w.state.License; !l.From.Equal(from) || !l.Until.Equal(until) {
			p.step(w, monitor.LicenseChanged{From: from, Until: until})
		}
	}
}

func (p *presence) take(t told) {
	switch t.all {
	case brokerBack, brokerLost:
		p.linked = t.all == brokerBack
		for _, id := range p.ids() {
			p.stepLink(p.sites[id])
		}
		return
	case rollChanged:
		p.takeUp()
		r := p.hub.roll.Load()
		for _, id := range p.ids() {
			p.follow(p.sites[id], r.sites[id])
		}
		return
	}
	w := p.sites[t.site]
	if w == nil && t.answer != nil {
		p.takeUp()
		w = p.sites[t.site]
	}
	switch {
	case w == nil:
		t.reply(ErrElsewhere)
	case t.fault != nil:
		w.deliver = append(w.deliver, securityNotices(w.state, w.zone, p.now(), *t.fault)...)
	case t.alarm != nil && w.unusable == "":
		w.deliver = append(w.deliver, alarmNotices(w.state, w.zone, p.now(), *t.alarm, p.hub.panelName(t.alarm.event.Panel))...)
		w.waiting = append(w.waiting, t.answer)
	case w.unusable != "":
		t.reply(errors.New(w.unusable))
	default:
		p.step(w, t.event)
		if t.change.What != "" {
			w.changes = append(w.changes, t.change)
		}
		if t.answer != nil {
			w.waiting = append(w.waiting, t.answer)
		}
	}
}

func (t told) reply(err error) {
	if t.answer != nil {
		t.answer <- err
	}
}

// step lets the monitor take in one event; commitAll makes durable what came of it.
func (p *presence) step(w *watched, event monitor.Event) {
	if w.unusable != "" {
		return
	}
	state, actions := monitor.Step(w.state, w.zone, p.now().UTC(), event)
	w.state = state
	for _, action := range actions {
		switch a := action.(type) {
		case monitor.Notify:
			w.deliver = append(w.deliver, a.Delivery)
		case monitor.Withdraw:
			w.withdraw = append(w.withdraw, a.ID)
		}
	}
}

func (p *presence) commitAll() {
	now := p.now()
	for _, id := range p.ids() {
		if w := p.sites[id]; w.unusable == "" || len(w.deliver) > 0 {
			p.commit(w, now)
		}
	}
}

// commit makes durable what is not. A store that refuses is asked again: until then everything stays as it is.
func (p *presence) commit(w *watched, now time.Time) {
	if now.Before(w.retry) {
		return
	}
	changed := w.unusable == "" && w.state.Revision != w.kept
	if !changed && len(w.deliver) == 0 && len(w.withdraw) == 0 && len(w.changes) == 0 && len(w.waiting) == 0 {
		p.publish(w)
		return
	}
	if err := p.write(w, changed); err != nil {
		p.hub.log.Error("cannot keep what is known of a site", "site", w.site, "cause", err)
		w.retry = now.Add(commitPause)
		return
	}
	w.kept, w.retry, w.deliver, w.withdraw, w.changes = w.state.Revision, time.Time{}, nil, nil, nil
	for _, answer := range w.waiting {
		answer <- nil
	}
	w.waiting = nil
	p.publish(w)
	p.hub.tellNews()
}

func (p *presence) write(w *watched, changed bool) error {
	if !changed && len(w.withdraw) == 0 {
		if len(w.deliver) == 0 && len(w.changes) == 0 {
			return nil
		}
		_, err := p.hub.o.Store.AddDeliveries(w.deliver, w.changes...)
		return err
	}
	raw, err := w.state.Encode()
	if err != nil {
		return err
	}
	return p.hub.o.Store.Commit(w.site, raw, w.deliver, w.withdraw, w.changes...)
}

func (p *presence) publish(w *watched) {
	if w.unusable != "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.copies[w.site] = w.state
}

// leave gives the sites to whoever comes next, with the last contacts.
func (p *presence) leave() {
	for _, id := range p.ids() {
		w := p.sites[id]
		if w.unusable == "" {
			if err := p.write(w, true); err != nil {
				p.hub.log.Error("cannot keep what is known of a site", "site", w.site, "cause", err)
			}
		}
		p.drop(w, context.Canceled)
		p.release(id)
	}
}

func (p *presence) release(site string) {
	if err := p.hub.o.Store.Release("site/"+site, p.hub.o.Name); err != nil {
		p.hub.log.Error("cannot give a site to another hub", "site", site, "cause", err)
	}
}
