package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/hub/web"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/storage"
)

// adapter gives the pages what they ask for in the words of the parts that do it.
type adapter struct{ h *house }

// told puts errors of the parts into the words of the pages.
func told(err error) error {
	var refusal *hub.Refusal
	var changed *fleet.ChangedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fleet.ErrUnknown):
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	case errors.As(err, &refusal) && (refusal.Why == "unknown_panel" || refusal.Why == "unknown_window" || refusal.Why == "unknown_site"):
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	case errors.As(err, &refusal) || errors.Is(err, hub.ErrOrder):
		return fmt.Errorf("%w: %w", web.ErrInvalid, err)
	case errors.As(err, &changed) || errors.Is(err, fleet.ErrTaken) || errors.Is(err, fleet.ErrExists):
		return fmt.Errorf("%w: %w", web.ErrConflict, err)
	case errors.Is(err, storage.ErrReadOnly):
		return fmt.Errorf("%w: %w", web.ErrReadOnly, err)
	case errors.Is(err, hub.ErrElsewhere):
		return fmt.Errorf("%w: %w", web.ErrBusy, err)
	}
	return err
}

// Sites implements web.Sites.
func (a adapter) Sites() ([]fleet.Site, error) { return a.h.store.Sites() }

// Site implements web.Sites.
func (a adapter) Site(id string) (fleet.Site, bool, error) { return a.h.store.Site(id) }

// PutSite implements web.Sites.
func (a adapter) PutSite(_ context.Context, s fleet.Site, edit fleet.Edit) error {
	_, err := a.h.store.PutSite(s, edit)
	a.h.changed()
	return told(err)
}

// SiteToEdit implements web.Sites.
func (a adapter) SiteToEdit(id string) (fleet.Site, fleet.Edition, error) {
	return a.h.store.SiteToEdit(id)
}

// Panels implements web.Panels.
func (a adapter) Panels() ([]fleet.Panel, error) { return a.h.store.Panels() }

// Panel implements web.Panels.
func (a adapter) Panel(id string) (fleet.Panel, bool, error) { return a.h.store.Panel(id) }

// RenamePanel implements web.Panels.
func (a adapter) RenamePanel(_ context.Context, id, name string, change fleet.Change) error {
	p, edition, err := a.h.store.PanelToEdit(id)
	if err != nil {
		return told(err)
	}
	p.Name = name
	_, err = a.h.store.PutPanel(p, fleet.Edit{From: edition.Number, Change: change})
	a.h.changed()
	return told(err)
}

// RevokePanel implements web.Panels.
func (a adapter) RevokePanel(ctx context.Context, id string, change fleet.Change) error {
	return told(a.h.enrollment.Revoke(ctx, id, change))
}

// Said implements web.Statuses.
func (a adapter) Said() ([]web.Said, error) {
	var list []web.Said
	for _, s := range a.h.hub.Said() {
		list = append(list, web.Said{Panel: s.Panel, At: s.At, Status: s.Status})
	}
	return list, nil
}

// Head implements web.Statuses.
func (a adapter) Head(panel string) (fleet.Head, bool, error) { return a.h.store.Head(panel) }

// Faults implements web.Statuses.
func (a adapter) Faults(panel string, limit int) ([]fleet.Fault, error) {
	return a.h.store.Faults(panel, limit)
}

// Watched implements web.Watch.
func (a adapter) Watched() ([]monitor.Site, error) {
	sites, err := a.h.store.Sites()
	if err != nil {
		return nil, err
	}
	var list []monitor.Site
	for _, s := range sites {
		site, ok := a.h.hub.Situation(s.ID)
		if !ok {
			if site, err = a.keptSituation(s); err != nil {
				return nil, err
			}
		}
		list = append(list, site)
	}
	return list, nil
}

// keptSituation is what is stored of a site that this hub does not watch, or does not watch yet: nobody knows who is there now.
func (a adapter) keptSituation(s fleet.Site) (monitor.Site, error) {
	raw, err := a.h.store.Situation(s.ID)
	if err != nil || len(raw) == 0 {
		return monitor.New(s, s.Created), err
	}
	site, err := monitor.Decode(raw)
	if err != nil {
		return site, err
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	site, _ = monitor.Step(site, zone, time.Now(), monitor.HubStarted{})
	return site, nil
}

// Tell implements web.Watch.
func (a adapter) Tell(ctx context.Context, site string, event monitor.Event, change fleet.Change) error {
	if !a.h.online {
		return fmt.Errorf("%w: %w; start it for this", web.ErrBusy, errOffline)
	}
	return told(a.h.hub.Tell(ctx, site, event, change))
}

// pairing is the enrollment's windows as the pages show them.
type pairing struct{ h *house }

// OpenWindow implements web.Pairing.
func (p pairing) OpenWindow(ctx context.Context, ask web.PairingAsk) (web.PairingWindow, error) {
	w, code, err := p.h.enrollment.OpenWindow(ctx, hub.WindowAsk{Site: ask.Site, Name: ask.Name, Identity: ask.Identity, Replaces: ask.Replaces, Change: ask.Change})
	if err != nil {
		return web.PairingWindow{}, told(err)
	}
	shown := windowOf(w)
	shown.Code = code
	return shown, nil
}

// windowsShown is for how long a window that is over is shown.
const windowsShown = time.Hour

// Windows implements web.Pairing.
func (p pairing) Windows() ([]web.PairingWindow, error) {
	all, err := p.h.enrollment.Windows(context.Background())
	var list []web.PairingWindow
	for _, w := range all {
		if time.Since(w.Until) < windowsShown {
			list = append(list, windowOf(w))
		}
	}
	return list, told(err)
}

func windowOf(w fleet.Window) web.PairingWindow {
	return web.PairingWindow{
		ID: w.ID, Site: w.Site, Panel: w.Panel, Replaces: w.Replaces, By: w.By, Opened: w.Opened, Until: w.Until, Wrong: w.Wrong, Enrolled: w.Enrolled, Closed: w.Closed,
	}
}

// CloseWindow implements web.Pairing.
func (p pairing) CloseWindow(ctx context.Context, id string, change fleet.Change) error {
	return told(p.h.enrollment.CloseWindow(ctx, id, change))
}

// Order implements web.Orders.
func (a adapter) Order(ctx context.Context, panel, verb, object, by string) (fleet.Order, error) {
	o, err := a.h.hub.Order(ctx, panel, verb, object, by)
	return o, told(err)
}

// Orders implements web.Orders.
func (a adapter) Orders(panel string, limit int) ([]fleet.Order, error) {
	return a.h.store.Orders(panel, limit)
}

// Wait implements web.News: what the loop tells, and what the messages' way tells.
func (a adapter) Wait(ctx context.Context, seen uint64) (uint64, error) {
	return a.h.hub.Wait(ctx, seen)
}

// Retry implements web.Messenger.
func (a adapter) Retry(_ context.Context, id string, change fleet.Change) error {
	d, err := a.h.store.Delivery(id)
	if err != nil {
		return told(err)
	}
	if d.State != fleet.Failed && d.State != fleet.Uncertain {
		return fmt.Errorf("%w: this message is %s", web.ErrConflict, d.State)
	}
	again := d
	// Its time begins anew: an old one would be given up at the first failure.
	again.State, again.Due, again.Tries, again.Tried, again.Last = fleet.Waiting, time.Now(), 0, time.Time{}, "sent again by hand"
	if err := a.h.store.MoveByHand(d, again, change); err != nil {
		return told(err)
	}
	a.h.deliverer.Wake()
	return nil
}

// Test implements web.Messenger.
func (a adapter) Test(_ context.Context, d fleet.Delivery, change fleet.Change) (fleet.Delivery, error) {
	if d.Channel != fleet.Webhook {
		address, err := notify.CheckAddress(string(d.Channel), d.Address)
		if err != nil {
			return d, fmt.Errorf("%w: %w", web.ErrInvalid, err)
		}
		d.Address = address
	}
	now := time.Now().UTC()
	d.ID, d.Kind, d.State, d.Made, d.Due = "test-"+newID(8), "test", fleet.Waiting, now, now
	name, zone := a.siteWords(d.Site)
	d.Facts = []fleet.Fact{{Name: "site", Value: name}, {Name: "at", Value: now.In(zone).Format(time.RFC3339)}, {Name: "by", Value: change.Who}}
	if _, err := a.h.store.AddDeliveries([]fleet.Delivery{d}, change); err != nil {
		return d, told(err)
	}
	a.h.deliverer.Wake()
	return d, nil
}

// siteWords are a site's name and its zone; its id and UTC when it is not known.
func (a adapter) siteWords(id string) (string, *time.Location) {
	s, known, err := a.h.store.Site(id)
	if err != nil || !known {
		return id, time.UTC
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	return cmp.Or(s.Name, id), zone
}

// MonitoringLicense implements web.MonitoringLicenses.
func (a adapter) MonitoringLicense(site string) (web.MonitoringLicense, bool, error) {
	entries := a.h.licenses.Entries(site)
	if len(entries) == 0 {
		return web.MonitoringLicense{}, false, nil
	}
	newest := entries[0]
	for _, e := range entries[1:] {
		if e.Activated.After(newest.Activated) {
			newest = e
		}
	}
	return licenseOf(newest), true, nil
}

// MonitoringSupply implements web.MonitoringLicenses.
func (a adapter) MonitoringSupply(site string, at time.Time) (ledger.Supply, error) {
	return a.h.licenses.Supply(site, at)
}

// EnterLicense implements web.MonitoringLicenses.
func (a adapter) EnterLicense(_ context.Context, site, text string, change fleet.Change) (web.MonitoringLicense, error) {
	answer, err := a.h.licenses.Enter(site, text, change)
	if err != nil {
		return web.MonitoringLicense{}, told(err)
	}
	if answer.Result.Refused() {
		return web.MonitoringLicense{}, fmt.Errorf("%w: %s", web.ErrInvalid, answer.Message)
	}
	a.h.changed()
	l, _, err := a.MonitoringLicense(site)
	l.Message = answer.Message
	return l, err
}

// Users implements web.Accounts.
func (a adapter) Users() ([]fleet.User, error) { return a.h.store.Users() }

// PutUser implements web.Accounts.
func (a adapter) PutUser(u fleet.User, edit fleet.Edit) error {
	_, err := a.h.store.PutUser(u, edit)
	return told(err)
}

// UserToEdit implements web.Accounts.
func (a adapter) UserToEdit(name string) (fleet.User, fleet.Edition, error) {
	return a.h.store.UserToEdit(name)
}

// User implements web.Accounts.
func (a adapter) User(name string) (fleet.User, bool, error) { return a.h.store.User(name) }

// Arrange implements web.Arranger.
func (a adapter) Arrange(_ context.Context, change func(*roles.Arrangement) error) error {
	err := a.h.store.Arrange(change)
	a.h.changed() // a site that hangs elsewhere takes its panels along
	return told(err)
}

// Path implements web.Groups on the license tree.
func (a adapter) Path(group string) ([]web.Place, error) {
	var path []web.Place
	err := a.h.store.Look(func(book ledger.Book) error {
		for next := group; next != "" && len(path) <= ledger.MaxDepth; {
			g, known, err := book.Group(next)
			if err != nil {
				return err
			}
			if !known {
				return fmt.Errorf("cannot find group %s: %w", next, fleet.ErrUnknown)
			}
			path = append(path, web.Place{ID: g.ID, Name: g.Name})
			next = g.Parent
		}
		return nil
	})
	if err == nil && len(path) == 0 {
		err = fmt.Errorf("cannot find a group without an id: %w", fleet.ErrUnknown)
	}
	slices.Reverse(path)
	return path, err
}

func licenseOf(e license.Entry) web.MonitoringLicense {
	return web.MonitoringLicense{
		ID: e.TokenID.String(), Label: e.Label, Status: string(e.Status), Message: e.Message, Activated: e.Activated, From: e.From, Until: e.Until, Issuer: e.Issuer,
	}
}
