package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/telemetry"
)

// hubFake is a hub in memory: every port of the pages.
type hubFake struct {
	mu   sync.Mutex
	time time.Time
	code string // of the first run

	supply      ledger.Supply // of monitoring, by the groups above each site
	sites       []fleet.Site
	panels      []fleet.Panel
	watched     map[string]monitor.Site
	said        []Said
	heads       map[string]fleet.Head
	faults      []fleet.Fault
	windows     []PairingWindow
	orders      []fleet.Order
	answer      fleet.OrderState // what panels answer; empty: nothing before ctx ends
	events      []fleet.Received // oldest first
	lookAt      int              // how many events one search looks at; 0: all
	deliveries  []fleet.Delivery // oldest first
	templates   []Template
	licenses    map[string]MonitoringLicense
	settings    HubSettings
	users       []fleet.User
	sessions    map[string]fleet.Session
	roles       []roles.Role
	assignments []roles.Assignment
	handOvers   []roles.HandOver
	groups      map[string]string // by id, what is above; empty: nothing
	changes     []fleet.Change
	alone       []string // what was written into the audit apart from a change
	editions    map[string]fleet.Edition
	erased      []string
	whole       int   // how often all sites or all assignments were read
	broken      error // every port's answer; nil: they work
	health      Health

	tree *treeFake

	number  uint64
	changed chan struct{}
}

func newHubFake() *hubFake {
	return &hubFake{
		tree: newTreeFake(),
		time: time.Date(2026, 11, 22, 14, 30, 0, 0, time.UTC), watched: map[string]monitor.Site{}, heads: map[string]fleet.Head{}, licenses: map[string]MonitoringLicense{},
		sessions: map[string]fleet.Session{}, editions: map[string]fleet.Edition{}, changed: make(chan struct{}), answer: fleet.OrderDone,
		settings: HubSettings{Name: "Doorhub", Addrs: []string{"hub.example.org", "192.168.1.9"}},
		health:   Health{Version: "1.0.0-test", Started: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC), Ready: true},
		templates: []Template{
			{Kind: "lost", Title: "No contact with a panel", Language: "en", Channel: fleet.Email, Subject: "No contact with {panels}", Text: "No contact with {panels} at {site} since {since}.", Names: []string{"site", "panels", "since"}},
			{Kind: "lost", Title: "No contact with a panel", Language: "en", Channel: fleet.SMS, Text: "{site}: no contact with {panels}", Names: []string{"site", "panels"}},
			{Kind: "lost", Title: "No contact with a panel", Language: "it", Channel: fleet.Email, Subject: "Nessun contatto con {panels}", Text: "Nessun contatto con {panels}, {site}.", Names: []string{"site", "panels"}},
			{Kind: "lost", Title: "No contact with a panel", Language: "de", Channel: fleet.Email, Subject: "Kein Kontakt zu {panels}", Text: "Kein Kontakt zu {panels}, {site}.", Names: []string{"site", "panels"}},
			{Kind: "back", Title: "Back again", Language: "en", Channel: fleet.Email, Subject: "{panels} is back", Text: "{panels} at {site} is back.", Names: []string{"site", "panels"}},
		},
	}
}

// news wakes whoever waits for something new. f.mu is held.
func (f *hubFake) news() {
	f.number++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *hubFake) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.news()
}

func read[T any](f *hubFake, get func() T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return get()
}

// unlocked asks what the pages know, who may ask the fake. f.mu is held.
func unlocked(f *hubFake, ask func() bool) bool {
	f.mu.Unlock()
	defer f.mu.Lock()
	return ask()
}

func (f *hubFake) now() time.Time { return read(f, func() time.Time { return f.time }) }

// step lets the monitor take an event in. f.mu is held.
func (f *hubFake) step(site string, event monitor.Event) {
	for next := f.watched[site].Deadline(); !next.IsZero() && next.Before(f.time); next = f.watched[site].Deadline() {
		f.stepAt(site, next, monitor.Tick{})
	}
	f.stepAt(site, f.time, event)
}

func (f *hubFake) stepAt(site string, at time.Time, event monitor.Event) {
	w := f.watched[site]
	w, actions := monitor.Step(w, zoneOf(w.Zone), at, event)
	f.watched[site] = w
	for _, a := range actions {
		if n, ok := a.(monitor.Notify); ok {
			f.deliveries = append(f.deliveries, n.Delivery)
		}
	}
}

func (f *hubFake) Sites() ([]fleet.Site, error) {
	notWithinALook()
	return read(f, func() []fleet.Site { f.whole++; return slices.Clone(f.sites) }), f.broken
}

func (f *hubFake) Site(id string) (fleet.Site, bool, error) {
	notWithinALook()
	for _, site := range read(f, func() []fleet.Site { return f.sites }) {
		if site.ID == id {
			return site, true, f.broken
		}
	}
	return fleet.Site{}, false, f.broken
}

func (f *hubFake) Panel(id string) (fleet.Panel, bool, error) {
	notWithinALook()
	if p := read(f, func() *fleet.Panel { return f.panel(id) }); p != nil {
		return *p, true, f.broken
	}
	return fleet.Panel{}, false, f.broken
}

func (f *hubFake) PutSite(_ context.Context, s fleet.Site, edit fleet.Edit) error {
	return f.edit("site "+s.ID, edit, func() {
		i := slices.IndexFunc(f.sites, func(old fleet.Site) bool { return old.ID == s.ID })
		if i < 0 {
			f.sites = append(f.sites, s)
			f.watched[s.ID] = monitor.New(s, f.time)
			return
		}
		f.sites[i] = s
		f.step(s.ID, monitor.SiteChanged{Site: s})
	})
}

// edit makes a change from an edition, with what the audit says of it, as one.
func (f *hubFake) edit(what string, edit fleet.Edit, change func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	if edit.From != fleet.AnyEdition && edit.From != f.editions[what].Number {
		return &fleet.ChangedError{What: what, Now: f.editions[what]}
	}
	f.editions[what] = fleet.Edition{Number: f.editions[what].Number + 1, By: edit.Change.Who, At: edit.Change.At}
	change()
	f.noteWith(edit.Change)
	f.news()
	return nil
}

// noteWith writes into the audit what a port keeps together with a change. f.mu is held.
func (f *hubFake) noteWith(c fleet.Change) {
	if c.What == "" {
		return
	}
	c.Number = uint64(len(f.changes) + 1)
	f.changes = append(f.changes, c)
}

func (f *hubFake) SiteToEdit(id string) (fleet.Site, fleet.Edition, error) {
	notWithinALook()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sites {
		if s.ID == id {
			return s, f.editions["site "+id], nil
		}
	}
	return fleet.Site{}, fleet.Edition{}, fleet.ErrUnknown
}

func (f *hubFake) UserToEdit(name string) (fleet.User, fleet.Edition, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.users {
		if u.Name == name {
			return u, f.editions["user "+name], nil
		}
	}
	return fleet.User{}, fleet.Edition{}, fleet.ErrUnknown
}

func (f *hubFake) MakeToken(hash string, t fleet.Session, change fleet.Change) error {
	f.do(func() { f.sessions[hash] = t; f.noteWith(change) })
	return nil
}

func (f *hubFake) EndToken(hash string, change fleet.Change) error {
	f.do(func() { delete(f.sessions, hash); f.noteWith(change) })
	return nil
}

func (f *hubFake) Panels() ([]fleet.Panel, error) {
	notWithinALook()
	return read(f, func() []fleet.Panel { return slices.Clone(f.panels) }), f.broken
}

func (f *hubFake) panel(id string) *fleet.Panel {
	for i := range f.panels {
		if f.panels[i].ID == id {
			return &f.panels[i]
		}
	}
	return nil
}

func (f *hubFake) RenamePanel(_ context.Context, id, name string, change fleet.Change) error {
	f.do(func() { f.panel(id).Name = name; f.noteWith(change) })
	return nil
}

func (f *hubFake) RevokePanel(_ context.Context, id string, change fleet.Change) error {
	f.do(func() {
		f.noteWith(change)
		p := f.panel(id)
		p.Revoked = f.time
		f.step(p.Site, monitor.PanelRemoved{ID: id})
	})
	return nil
}

func (f *hubFake) Said() ([]Said, error) {
	return read(f, func() []Said { return slices.Clone(f.said) }), nil
}

func (f *hubFake) Head(panel string) (fleet.Head, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, ok := f.heads[panel]
	return h, ok, nil
}

func (f *hubFake) Faults(panel string, limit int) ([]fleet.Fault, error) {
	var found []fleet.Fault
	for _, fault := range read(f, func() []fleet.Fault { return f.faults }) {
		if panel == "" || fault.Panel == panel {
			found = append(found, fault)
		}
	}
	return found[:min(len(found), limit)], nil
}

func (f *hubFake) Watched() ([]monitor.Site, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []monitor.Site
	for _, site := range f.sites {
		all = append(all, f.watched[site.ID])
	}
	return all, nil
}

func (f *hubFake) Tell(_ context.Context, site string, event monitor.Event, change fleet.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.watched[site]; !ok {
		return fleet.ErrUnknown
	}
	f.step(site, event)
	f.noteWith(change)
	f.news()
	return nil
}

func (f *hubFake) OpenWindow(_ context.Context, ask PairingAsk) (PairingWindow, error) {
	var w PairingWindow
	f.do(func() {
		w = PairingWindow{ID: fmt.Sprintf("w%d", len(f.windows)+1), Site: ask.Site, Replaces: ask.Replaces, By: ask.Change.Who, Opened: f.time, Until: f.time.Add(10 * time.Minute),
			Code: "DH1:" + strings.Repeat("6BFOXN$RN34", 16)}
		f.windows = append(f.windows, w)
		ask.Change.Object = w.ID
		f.noteWith(ask.Change)
	})
	return w, nil
}

func (f *hubFake) Windows() ([]PairingWindow, error) {
	return read(f, func() []PairingWindow { return slices.Clone(f.windows) }), nil
}

func (f *hubFake) CloseWindow(_ context.Context, id string, change fleet.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.windows {
		if f.windows[i].ID == id {
			f.windows[i].Closed = "closed by an administrator"
			f.noteWith(change)
			f.news()
			return nil
		}
	}
	return fmt.Errorf("%w: there is no such window", ErrNotFound)
}

// come enrolls a panel through a window.
func (f *hubFake) come(window, id, name string) {
	f.do(func() {
		i := slices.IndexFunc(f.windows, func(w PairingWindow) bool { return w.ID == window })
		f.windows[i].Enrolled = id
		f.enroll(id, f.windows[i].Site, name)
		f.status(id, telemetry.Status{Doors: map[string]telemetry.Door{"front": {Contact: "closed"}}})
	})
}

// enroll makes a panel. f.mu is held.
func (f *hubFake) enroll(id, site, name string) {
	f.panels = append(f.panels, fleet.Panel{ID: id, Site: site, Name: name, Added: f.time, Enrolled: f.time, Serial: "4f2a90c1", Expires: f.time.AddDate(1, 0, 0)})
	f.step(site, monitor.PanelAdded{ID: id, Name: name})
}

// status has a panel say that it is there. f.mu is held.
func (f *hubFake) status(id string, st telemetry.Status) {
	st.Online, st.HeartbeatS, st.ClockTrusted, st.Version, st.Since = true, 3600, true, cmp.Or(st.Version, "1.0.0"), f.time.Add(-time.Hour)
	st.Boot = cmp.Or(st.Boot, "boot-"+id)
	f.said = slices.DeleteFunc(f.said, func(s Said) bool { return s.Panel == id })
	f.said = append(f.said, Said{Panel: id, At: f.time, Status: st})
	f.step(f.panel(id).Site, monitor.StatusReceived{Panel: id, Status: st})
}

// lose has a panel's will published. f.mu is held.
func (f *hubFake) lose(id string) {
	f.step(f.panel(id).Site, monitor.StatusReceived{Panel: id, Status: telemetry.Status{Cause: telemetry.CauseLost, Boot: "boot-" + id}})
}

func (f *hubFake) Order(ctx context.Context, panel, verb, object, by string) (fleet.Order, error) {
	f.mu.Lock()
	o := fleet.Order{Number: uint64(len(f.orders) + 1), Panel: panel, Site: f.panel(panel).Site, Verb: verb, Object: object, By: by, At: f.time, Deadline: f.time.Add(30 * time.Second), State: fleet.OrderSent}
	f.orders = append(f.orders, o)
	f.news()
	answer := f.answer
	if answer != "" {
		o.State = answer
		if answer == fleet.OrderRefused {
			o.Why = "interlock"
		}
		f.orders[len(f.orders)-1] = o
	}
	f.mu.Unlock()
	if answer == "" {
		<-ctx.Done()
		return o, ctx.Err()
	}
	return o, nil
}

func (f *hubFake) Orders(panel string, limit int) ([]fleet.Order, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []fleet.Order
	for _, o := range slices.Backward(f.orders) {
		if o.Panel == panel && len(found) < limit {
			found = append(found, o)
		}
	}
	return found, nil
}

func (f *hubFake) Search(_ context.Context, q fleet.Query) ([]fleet.Received, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []fleet.Received
	looked := 0
	for _, e := range slices.Backward(f.events) {
		if q.Before != 0 && e.Serial >= q.Before {
			continue
		}
		if fits(q, e) && (q.Shown == nil || unlocked(f, func() bool { return q.Shown(e) })) {
			found = append(found, e)
		}
		looked++
		if e.Serial > 1 && (len(found) == q.Limit || f.lookAt > 0 && looked == f.lookAt) {
			return found, e.Serial, nil
		}
	}
	return found, 0, nil
}

func (f *hubFake) After(serial uint64, limit int) ([]fleet.Received, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.events[min(int(serial), len(f.events)):]
	return slices.Clone(all[:min(len(all), limit)]), nil
}

func (f *hubFake) Last() (uint64, error) {
	return uint64(len(read(f, func() []fleet.Received { return f.events }))), nil
}

// happen adds an event of a panel's journal. f.mu is held.
func (f *hubFake) happen(panel string, e telemetry.Event) {
	p := f.panel(panel)
	h := f.heads[panel]
	e.Epoch, e.Seq, e.Time, e.Trusted = "9f86d081884c7d65", h.Seq+1, f.time, true
	f.heads[panel] = fleet.Head{Panel: panel, Epoch: e.Epoch, Seq: e.Seq, Chain: "0d1c2b3a495867768594a3b2c1d0eff0", At: f.time}
	f.events = append(f.events, fleet.Received{Serial: uint64(len(f.events) + 1), At: f.time, Site: p.Site, Panel: panel, Event: e})
}

func (f *hubFake) Erase(_ context.Context, person string) (int, error) {
	n := 0
	f.do(func() {
		f.erased = append(f.erased, person)
		for i := range f.events {
			if f.events[i].Event.Who == person {
				f.events[i].Event.Who, f.events[i].Event.Erased = "", true
				n++
			}
		}
	})
	return n, nil
}

func (f *hubFake) Wait(ctx context.Context, seen uint64) (uint64, error) {
	for {
		f.mu.Lock()
		number, changed := f.number, f.changed
		f.mu.Unlock()
		if number != seen {
			return number, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (f *hubFake) Deliveries(q fleet.DeliveryQuery) (fleet.DeliveryPage, error) {
	notWithinALook()
	f.mu.Lock()
	defer f.mu.Unlock()
	var page fleet.DeliveryPage
	skip := q.Before != ""
	for _, d := range slices.Backward(f.deliveries) {
		if skip {
			skip = d.ID != q.Before
			continue
		}
		if q.Site != "" && d.Site != q.Site || q.State != "" && d.State != q.State || q.Incident != "" && d.Incident != q.Incident || q.Recipient != "" && d.Recipient != q.Recipient ||
			q.Shown != nil && !unlocked(f, func() bool { return q.Shown(d) }) {
			continue
		}
		if len(page.Deliveries) == q.Limit {
			page.Next = page.Deliveries[q.Limit-1].ID
			break
		}
		page.Deliveries = append(page.Deliveries, d)
	}
	return page, nil
}

func (f *hubFake) Delivery(id string) (fleet.Delivery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.deliveries {
		if d.ID == id {
			return d, nil
		}
	}
	return fleet.Delivery{}, fleet.ErrUnknown
}

func (f *hubFake) Retry(_ context.Context, id string, change fleet.Change) error {
	f.do(func() {
		f.noteWith(change)
		for i := range f.deliveries {
			if f.deliveries[i].ID == id {
				f.deliveries[i].State = fleet.Waiting
			}
		}
	})
	return nil
}

func (f *hubFake) Test(_ context.Context, d fleet.Delivery, change fleet.Change) (fleet.Delivery, error) {
	f.do(func() {
		f.noteWith(change)
		d.ID, d.Made, d.State = fmt.Sprintf("test-%d", len(f.deliveries)+1), f.time, fleet.Waiting
		f.deliveries = append(f.deliveries, d)
	})
	return d, nil
}

func (f *hubFake) Templates() ([]Template, error) {
	return read(f, func() []Template { return slices.Clone(f.templates) }), nil
}

func (f *hubFake) PutTemplate(_ context.Context, t Template, change fleet.Change) error {
	f.do(func() {
		f.noteWith(change)
		for i, old := range f.templates {
			if old.Kind == t.Kind && old.Language == t.Language && old.Channel == t.Channel {
				t.Own = t.Text != ""
				f.templates[i] = t
			}
		}
	})
	return nil
}

func (f *hubFake) Preview(t Template) (subject, text string, err error) {
	if strings.Contains(t.Text, "{nothing") {
		return "", "", fmt.Errorf("%w: row 1: there is no fact called nothing", ErrInvalid)
	}
	fill := strings.NewReplacer("{panels}", "Front door", "{site}", "12 Mill Lane", "{since}", "14:05")
	return fill.Replace(t.Subject), fill.Replace(t.Text), nil
}

func (f *hubFake) MonitoringLicense(site string) (MonitoringLicense, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.licenses[site]
	return l, ok, nil
}

func (f *hubFake) MonitoringSupply(string, time.Time) (ledger.Supply, error) { return f.supply, nil }

func (f *hubFake) EnterLicense(_ context.Context, site, text string, change fleet.Change) (MonitoringLicense, error) {
	if !strings.HasPrefix(text, "DP1:") {
		return MonitoringLicense{}, fmt.Errorf("%w: this is not a license", ErrInvalid)
	}
	var l MonitoringLicense
	f.do(func() {
		l = MonitoringLicense{ID: "5c1d", Label: "Monitoring, one year", Status: "active", Message: "people are warned until 22 November 2027", Activated: f.time, From: f.time, Until: f.time.AddDate(1, 0, 0)}
		f.licenses[site] = l
		change.Object, change.Detail = l.ID, l.Message
		f.noteWith(change)
		f.step(site, monitor.LicenseChanged{From: l.From, Until: l.Until})
	})
	return l, nil
}

func (f *hubFake) Settings() (HubSettings, error) {
	return read(f, func() HubSettings { return f.settings }), nil
}

func (f *hubFake) PutSettings(_ context.Context, s HubSettings, change fleet.Change) error {
	f.do(func() {
		f.noteWith(change)
		if s.Mail.Password == Hidden {
			s.Mail.Password = f.settings.Mail.Password
		}
		f.settings = s
	})
	return nil
}

func (f *hubFake) Users() ([]fleet.User, error) {
	return read(f, func() []fleet.User { return slices.Clone(f.users) }), f.broken
}

func (f *hubFake) PutUser(u fleet.User, edit fleet.Edit) error {
	return f.edit("user "+u.Name, edit, func() {
		for i := range f.users {
			if f.users[i].Name == u.Name {
				f.users[i] = u
				return
			}
		}
		f.users = append(f.users, u)
	})
}

func (f *hubFake) User(name string) (fleet.User, bool, error) {
	notWithinALook()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.users {
		if u.Name == name {
			return u, true, f.broken
		}
	}
	return fleet.User{}, false, f.broken
}

func (f *hubFake) Roles() ([]roles.Role, error) {
	notWithinALook()
	return read(f, func() []roles.Role { return slices.Clone(f.roles) }), f.broken
}

func (f *hubFake) Assignments(user string) ([]roles.Assignment, error) {
	notWithinALook()
	f.mu.Lock()
	defer f.mu.Unlock()
	if user == "" {
		f.whole++
	}
	return slices.DeleteFunc(slices.Clone(f.assignments), func(a roles.Assignment) bool { return user != "" && a.User != user }), f.broken
}

// give gives a role for the whole hub.
func (f *hubFake) give(user, role string) {
	f.do(func() { f.assignments = append(f.assignments, roles.Assignment{User: user, Role: role}) })
}

// forget takes a user out.
func (f *hubFake) forget(name string) {
	f.do(func() { f.users = slices.DeleteFunc(f.users, func(u fleet.User) bool { return u.Name == name }) })
}

func (f *hubFake) HandOvers() ([]roles.HandOver, error) {
	return read(f, func() []roles.HandOver { return slices.Clone(f.handOvers) }), nil
}

func (f *hubFake) Arrange(_ context.Context, change func(*roles.Arrangement) error) error {
	f.mu.Lock()
	a := roles.Arrangement{Users: slices.Clone(f.users), Sites: slices.Clone(f.sites), Roles: slices.Clone(f.roles), Assignments: slices.Clone(f.assignments), HandOvers: slices.Clone(f.handOvers)}
	f.mu.Unlock()
	if err := change(&a); err != nil {
		return err
	}
	f.do(func() {
		f.users, f.sites, f.roles, f.assignments, f.handOvers = a.Users, a.Sites, a.Roles, a.Assignments, a.HandOvers
		for _, c := range a.Changes {
			f.noteWith(c)
		}
	})
	return nil
}

// Path is the tree of the fake: names are ids in capitals.
func (f *hubFake) Path(group string) ([]Place, error) {
	notWithinALook()
	f.mu.Lock()
	defer f.mu.Unlock()
	var path []Place
	for group != "" {
		above, there := f.groups[group]
		if grown, is := f.tree.groups[group]; is {
			above, there = grown.Parent, true
		}
		if !there {
			return nil, fleet.ErrUnknown
		}
		path = append(path, Place{group, strings.ToUpper(group)})
		group = above
	}
	slices.Reverse(path)
	if len(path) == 0 {
		return nil, fleet.ErrUnknown
	}
	return path, nil
}

func (f *hubFake) Session(hash string) (fleet.Session, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[hash]
	return s, ok, nil
}

func (f *hubFake) PutSession(hash string, s fleet.Session) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[hash] = s
	return nil
}

func (f *hubFake) DeleteSession(hash string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, hash)
	return nil
}

func (f *hubFake) Tokens() (map[string]fleet.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := map[string]fleet.Session{}
	for hash, s := range f.sessions {
		if s.Label != "" {
			found[hash] = s
		}
	}
	return found, nil
}

func (f *hubFake) Note(c fleet.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noteWith(c)
	f.alone = append(f.alone, c.What)
	return nil
}

func (f *hubFake) Changes(q fleet.ChangeQuery) ([]fleet.Change, uint64, error) {
	notWithinALook()
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []fleet.Change
	for _, c := range slices.Backward(f.changes) {
		if q.Before != 0 && c.Number >= q.Before || q.Who != "" && q.Who != c.Who || q.What != "" && q.What != c.What || q.Text != "" && !strings.Contains(c.Detail, q.Text) ||
			q.Site != "" && q.Site != c.Site || q.Shown != nil && !unlocked(f, func() bool { return q.Shown(c) }) {
			continue
		}
		if len(found) == q.Limit {
			return found, found[q.Limit-1].Number, nil
		}
		found = append(found, c)
	}
	return found, 0, nil
}

func (f *hubFake) VerifyChanges(context.Context) (uint64, error) {
	return uint64(len(read(f, func() []fleet.Change { return f.changes }))), nil
}

func (f *hubFake) options() Options {
	return Options{
		Sites: f, Panels: f, Statuses: f, Watch: f, Pairing: f, Orders: f, Events: f, Eraser: f, News: f, Outbox: f, Messenger: f, Templates: f, Licenses: f, Pools: poolsFake{},
		Settings: f, Accounts: f, Roles: f, Arranger: f, Groups: f, Sessions: f, Tokens: f, Audit: f,
		Health:        func() Health { return read(f, func() Health { return f.health }) },
		Ledger:        f.tree,
		GroupNames:    f.tree,
		LedgerLog:     f.tree,
		Packages:      f.tree,
		Backup:        func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "everything"); return err },
		ShowSetupCode: func(code string) { f.mu.Lock(); f.code = code; f.mu.Unlock() },
		Now:           f.now,
		Metrics:       http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "doorhub_panels 1\n") }),
		Hosts:         []string{"hub.example.org"},
		Logger:        slog.New(slog.DiscardHandler),
	}
}

func newServer(t *testing.T, f *hubFake) *Server {
	t.Helper()
	s, err := New(f.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const (
	millLane = "mill-lane"
	front    = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	gate     = "bbbbbbbbbbbbbbbbbbbbbbbbbb"
	station  = "station"
	dock     = "cccccccccccccccccccccccccc"
)

// furnish fills the hub with two sites, three panels and a past.
func furnish(f *hubFake) {
	f.mu.Lock()
	now := f.time
	f.time = now.Add(-40 * 24 * time.Hour)
	for _, site := range []fleet.Site{
		{ID: millLane, Name: "12 Mill Lane", Zone: "Europe/London", Language: "en", Address: "12 Mill Lane, Oxford", Created: f.time},
		{ID: station, Name: "Station yard", Zone: "Europe/Rome", Language: "it", Created: f.time},
	} {
		f.sites = append(f.sites, site)
		f.watched[site.ID] = monitor.New(site, f.time)
		f.step(site.ID, monitor.BrokerBack{})
	}
	f.enroll(front, millLane, "Front door")
	f.enroll(gate, millLane, "Yard gate")
	f.enroll(dock, station, "Loading dock")
	well := telemetry.Status{Accounts: map[string]string{"pbx": "registered"}, Doors: map[string]telemetry.Door{"front": {Contact: "closed"}, "cellar": {Contact: "open"}}}
	f.step(millLane, monitor.LicenseChanged{From: f.time, Until: now.AddDate(0, 0, 40)})
	f.licenses[millLane] = MonitoringLicense{ID: "5c1d", Label: "Monitoring, one year", Status: "active", Activated: f.time, From: f.time, Until: now.AddDate(0, 0, 40)}
	f.step(millLane, monitor.RecipientsChanged{Recipients: []monitor.Recipient{
		{ID: "ines", Name: "Ines", Group: monitor.First, Ways: []monitor.Way{{Channel: fleet.Email, Address: "ines@example.org", Fallback: &fleet.Target{Channel: fleet.SMS, Address: "+393331234567"}}}, Quiet: &monitor.Quiet{From: "22:00", To: "07:00"}},
		{ID: "desk", Name: "Service desk", Group: monitor.Escalation, Language: "de", Ways: []monitor.Way{{Channel: fleet.SMS, Address: "+390612345678"}}},
	}})
	for f.time.Before(now.Add(-2 * time.Hour)) {
		for _, id := range []string{front, gate, dock} {
			f.status(id, well)
		}
		f.time = f.time.Add(30 * time.Minute)
		day := int(now.Sub(f.time) / (24 * time.Hour))
		if f.time.Hour() == 11 && f.time.Minute() == 0 && (day == 3 || day == 17) {
			f.lose(gate)
			f.time = f.time.Add(time.Duration(day) * 4 * time.Minute)
			f.step(millLane, monitor.Tick{})
		}
		for i, d := range f.deliveries {
			if d.State == fleet.Waiting {
				f.deliveries[i].State, f.deliveries[i].Tries, f.deliveries[i].SentAt, f.deliveries[i].Last, f.deliveries[i].Receipt = fleet.Sent, 1, f.time, "250 2.0.0 Ok: queued as 4Q2x", "4Q2x"
			}
		}
	}
	f.time = now.Add(-12 * time.Minute)
	f.status(front, telemetry.Status{Accounts: well.Accounts, Doors: map[string]telemetry.Door{"front": {Contact: "open", Alarm: "held"}, "cellar": {Contact: "closed"}}})
	f.status(dock, well)
	f.lose(gate)
	for i, e := range []telemetry.Event{
		{Kind: "system.started"}, {Kind: "access.granted", Door: "front", Who: "Ada Lovelace", Reader: "front-in"}, {Kind: "strike.on", Door: "front"},
		{Kind: "door.opened", Door: "front"}, {Kind: "access.refused", Door: "front", Who: "Grace <b>Hopper</b>", Why: "expired", Reader: "front-in"}, {Kind: "door.held", Door: "front"},
		{Kind: "call.placed", Button: 2}, {Kind: "call.answered"}, {Kind: "config.changed", Who: "admin", Detail: "user ines made: resident"},
	} {
		f.time = now.Add(time.Duration(i-10) * time.Minute)
		f.happen(front, e)
	}
	f.happen(dock, telemetry.Event{Kind: "access.granted", Door: "front", Who: "Zoe"})
	f.time = now.Add(-6 * time.Minute)
	f.step(millLane, monitor.Tick{})
	f.time = now
	f.faults = []fleet.Fault{{Panel: front, Site: millLane, At: now.Add(-26 * time.Hour), Kind: fleet.FaultGap, Epoch: "9f86d081884c7d65", Seq: 3, Detail: "The panel says that 12 entries are gone: its journal was full."}}
	f.health.Parts = []PartHealth{{Name: "broker", State: "ok", Detail: "own, 3 connections"}, {Name: "store", State: "ok", Detail: "214 MiB"}, {Name: "mail", State: "warn", Detail: "the last try failed: connection refused", Since: now.Add(-time.Hour)}, {Name: "sms", State: "off", Detail: "not set up"}}
	f.health.Counters = []Counter{{Part: "broker", Reason: "publish on another panel's topic", Count: 3, Last: now.Add(-50 * time.Minute), Example: `panel <b>x</b> wants to write "doorpanel/v1/a/b/event"`}, {Part: "broker", Reason: "connection without a certificate", Count: 41, Last: now.Add(-2 * time.Minute)}}
	f.health.Figures = []Figure{{"Events stored", "1,204,331"}, {"Messages waiting", "1"}, {"Events a second", "14.2"}}
	f.health.Certs = []Certificate{{Name: "The hub's own authority", Fingerprint: "4A:0F:...", From: now.AddDate(-1, 0, 0), Until: now.AddDate(19, 0, 0)}, {Name: "Server", Names: []string{"hub.example.org", "192.168.1.9"}, Fingerprint: "9C:11:...", From: now, Until: now.AddDate(0, 0, 20)}}
	f.settings.Mail = Mail{Server: "mail.example.org", Port: 587, TLS: "starttls", User: "doors", Password: "very secret", From: "doors@example.org"}
	f.settings.SMS = []SMSGateway{{Name: "first", Kind: "template", URL: "https://sms.example.org/send", Account: "a", Secret: "sms secret", Body: `{"to":"{to}","text":"{text}"}`, Type: "application/json"}}
	f.settings.Hooks = []Hook{{Name: "desk", URL: "https://desk.example.org/doors", Secret: "hook secret of sixteen", Events: "access.refused,door."}}
	f.settings.Keep = []fleet.Keep{{Kind: "access.", Days: 90}, {Days: 365}}
	for i := range f.deliveries {
		if d := &f.deliveries[i]; d.State == fleet.Waiting {
			d.State, d.Tries, d.Last = fleet.Failed, 3, "550 5.1.1 <ines@example.org>: Recipient address rejected: User unknown"
		}
	}
	f.mu.Unlock()
}

// client speaks to the handler as one user.
type client struct {
	t       *testing.T
	handler http.Handler
	token   string
}

const password = "four words are easy"

// hashed is the password as it is kept.
func hashed(t *testing.T) string {
	t.Helper()
	hash, err := hashOnce()
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

var hashOnce = sync.OnceValues(func() (string, error) { return argon2id.CreateHash(password, login.Params()) })

// as makes a user of a role and logs in.
func as(t *testing.T, s *Server, f *hubFake, role string, sites ...string) client {
	t.Helper()
	var places []string
	for _, site := range sites {
		places = append(places, roles.Site(site))
	}
	if len(places) == 0 {
		places = []string{roles.Hub}
	}
	return named(t, s, f, "the-"+role, role, places...)
}

// named makes a user of a role at some places, and logs in.
func named(t *testing.T, s *Server, f *hubFake, name, role string, places ...string) client {
	t.Helper()
	token := login.NewToken()
	if err := f.PutUser(fleet.User{Name: name, Generation: 1, Hash: hashed(t)}, fleet.Edit{From: fleet.AnyEdition}); err != nil {
		t.Fatal(err)
	}
	f.do(func() {
		f.assignments = slices.DeleteFunc(f.assignments, func(a roles.Assignment) bool { return a.User == name })
		for _, place := range places {
			f.assignments = append(f.assignments, roles.Assignment{User: name, Role: role, Group: place})
		}
	})
	if err := f.PutSession(login.HashToken(token), fleet.Session{User: name, Generation: 1, Made: f.now(), Seen: f.now()}); err != nil {
		t.Fatal(err)
	}
	return client{t, s.Handler(), token}
}

func (c client) request(method, path string, body any, change ...func(*http.Request)) *httptest.ResponseRecorder {
	c.t.Helper()
	var reader io.Reader = http.NoBody
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		reader, kind = strings.NewReader(b), "application/x-www-form-urlencoded"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		reader, kind = bytes.NewReader(raw), "application/json"
	}
	r := httptest.NewRequest(method, "http://127.0.0.1:8090"+path, reader)
	r.RemoteAddr = "192.168.1.77:40000"
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}

// want asks and expects a status.
func (c client) want(status int, method, path string, body any, change ...func(*http.Request)) string {
	c.t.Helper()
	w := c.request(method, path, body, change...)
	if w.Code != status {
		c.t.Fatalf("%s %s answers %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	return w.Body.String()
}
