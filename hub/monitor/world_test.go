package monitor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	simHeartbeat = 30 * time.Second
	simWill      = 30 * time.Second // 1.5 times the keep-alive
)

// failer is what testing.T and rapid.T have in common here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// simPanel is a panel as it is, whether the hub knows it or not.
type simPanel struct {
	id, name string
	boot     int
	there    bool      // connected, and speaking every 30 s
	silent   time.Time // since when it cannot be heard; zero: it can, or was never there
	next     time.Time // its next word
	will     time.Time // when the broker will speak for it; zero: not
	mute     bool      // without a will
	retained *telemetry.Status
}

func (p *simPanel) bootID() string { return fmt.Sprintf("%s-boot%d", p.id, p.boot) }

func (w *world) online(p *simPanel) telemetry.Status {
	return telemetry.Status{Online: true, Boot: p.bootID(), Epoch: "e", HeartbeatS: int(w.heartbeat / time.Second)}
}

// message is a delivery and when it was decided.
type message struct {
	at       time.Time
	delivery fleet.Delivery
	matched  bool
}

type job struct {
	at   time.Time
	what func()
}

// world is a site, its panels, a broker and a hub.
type world struct {
	t         failer
	zone      *time.Location
	now       time.Time
	site      monitor.Site
	stored    []byte // what a hub that starts finds
	revision  uint64
	panels    []*simPanel
	jobs      []job
	hub       bool
	broker    bool
	brokerGot time.Time
	heartbeat time.Duration
	careful   bool // steps twice, and values written and read again
	plain     int  // mere signs of life, and statuses at large sites, of which every 50th is stepped carefully
	messages  []*message
	ids       map[string]bool
	withdrawn map[string]bool
	after     func() // after every step
}

func newWorld(t failer, zone *time.Location, now time.Time) *world {
	w := &world{t: t, zone: zone, now: now, hub: true, broker: true, heartbeat: simHeartbeat, ids: map[string]bool{}, withdrawn: map[string]bool{}}
	w.site = monitor.New(fleet.Site{ID: "hill3", Name: "Hill Street 3", Zone: zone.String(), Language: "it"}, now)
	w.keep()
	return w
}

func (w *world) keep() {
	raw, err := w.site.Encode()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.stored, w.revision = raw, w.site.Revision
}

func (w *world) encode(site monitor.Site) []byte {
	raw, err := site.Encode()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return raw
}

// step gives the hub an event, if there is a hub.
func (w *world) step(event monitor.Event) {
	w.t.Helper()
	if !w.hub {
		return
	}
	careful := w.careful
	if status, ok := event.(monitor.StatusReceived); ok && (status.Status.Online && !status.Retained || len(w.panels) > 50) {
		w.plain++
		careful = careful && w.plain%50 == 0
	}
	var before []byte
	if careful {
		before = w.encode(w.site)
	}
	site, actions := monitor.Step(w.site, w.zone, w.now, event)
	if careful {
		site = w.again(before, site, actions, event)
	}
	w.site = site
	if site.Revision != w.revision {
		w.keep()
	} else if len(actions) > 0 {
		w.t.Fatalf("%T asks for %d actions and does not move the revision", event, len(actions))
	}
	for _, action := range actions {
		switch a := action.(type) {
		case monitor.Notify:
			if w.ids[a.Delivery.ID] {
				w.t.Fatalf("%s: delivery %s is asked for twice", w.now, a.Delivery.ID)
			}
			w.ids[a.Delivery.ID] = true
			w.messages = append(w.messages, &message{at: w.now, delivery: a.Delivery})
		case monitor.Withdraw:
			if !w.ids[a.ID] {
				w.t.Fatalf("delivery %s is withdrawn and was never asked for", a.ID)
			}
			w.withdrawn[a.ID] = true
		}
	}
	if !site.Deadline().IsZero() && !site.Deadline().After(w.now) {
		w.t.Fatalf("%s: after %T the deadline is %s", w.now, event, site.Deadline())
	}
	if w.after != nil {
		w.after()
	}
}

// again takes the same step from the value as it was stored, and goes on with what was written and read again.
func (w *world) again(before []byte, site monitor.Site, actions []monitor.Action, event monitor.Event) monitor.Site {
	w.t.Helper()
	if !bytes.Equal(w.encode(w.site), before) {
		w.t.Fatalf("%s: %T changed the value it was given", w.now, event)
	}
	taken, err := monitor.Decode(before)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, before)
	}
	other, otherActions := monitor.Step(taken, w.zone, w.now, event)
	if got, want := w.encode(other), w.encode(site); !bytes.Equal(got, want) {
		w.t.Fatalf("%s: %T from the stored value brings\n%s\nnot\n%s", w.now, event, got, want)
	}
	if !reflect.DeepEqual(asJSON(w.t, actions), asJSON(w.t, otherActions)) {
		w.t.Fatalf("%s: %T from the stored value asks for something else", w.now, event)
	}
	read, err := monitor.Decode(w.encode(other))
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return read
}

func asJSON(t failer, value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(raw)
}

// advance lets time pass, and happen what it brings.
func (w *world) advance(to time.Time) {
	w.t.Helper()
	for {
		next := to
		consider := func(t time.Time) {
			if !t.IsZero() && t.Before(next) {
				next = t
			}
		}
		for _, p := range w.panels {
			if p.there {
				consider(p.next)
			}
			consider(p.will)
		}
		for _, j := range w.jobs {
			consider(j.at)
		}
		if w.hub {
			consider(w.site.Deadline())
		}
		if next.After(w.now) {
			w.now = next
		}
		if !w.happen() && !w.now.Before(to) {
			return
		}
	}
}

// happen does what is due now and tells whether there was something.
func (w *world) happen() bool {
	any := false
	for _, p := range w.panels {
		if !p.will.IsZero() && !w.now.Before(p.will) {
			p.will, any = time.Time{}, true
			w.publish(p, telemetry.Status{Cause: telemetry.CauseLost, Boot: p.bootID()})
		}
		if p.there && !w.now.Before(p.next) {
			p.next, any = w.now.Add(w.heartbeat), true
			w.publish(p, w.online(p))
		}
	}
	for i := 0; i < len(w.jobs); i++ {
		if j := w.jobs[i]; !w.now.Before(j.at) {
			w.jobs = slices.Delete(w.jobs, i, i+1)
			i--
			j.what()
			any = true
		}
	}
	if d := w.site.Deadline(); w.hub && !d.IsZero() && !w.now.Before(d) {
		w.step(monitor.Tick{})
		any = true
	}
	return any
}

// publish has the broker keep a panel's word and tell the hub.
func (w *world) publish(p *simPanel, status telemetry.Status) {
	w.t.Helper()
	if !w.broker {
		return
	}
	p.retained = &status
	w.step(monitor.StatusReceived{Panel: p.id, Status: status})
}

func (w *world) add(name string) *simPanel {
	p := &simPanel{id: fmt.Sprintf("panel%d", len(w.panels)+1), name: name, boot: 1}
	w.panels = append(w.panels, p)
	w.step(monitor.PanelAdded{ID: p.id, Name: name})
	return p
}

func (w *world) find(name string) *simPanel {
	w.t.Helper()
	for _, p := range w.panels {
		if p.name == name {
			return p
		}
	}
	w.t.Fatalf("there is no panel %q", name)
	return nil
}

// comes brings a panel back, or for the first time.
func (w *world) comes(p *simPanel, restarted bool) {
	if restarted {
		p.boot++
	}
	p.there, p.mute, p.silent, p.will = true, false, time.Time{}, time.Time{}
	p.next = w.now
	w.advance(w.now)
}

func (w *world) goesSilent(p *simPanel) {
	if !p.there {
		return
	}
	p.there, p.silent = false, w.now
	if !p.mute && w.broker {
		p.will = w.now.Add(simWill)
	}
}

func (w *world) stops(p *simPanel) {
	if p.there {
		p.there, p.silent = false, w.now
		w.publish(p, telemetry.Status{Cause: telemetry.CauseStopped, Boot: p.bootID()})
	}
}

func (w *world) brokerGoes() {
	if w.broker {
		w.step(monitor.BrokerLost{})
		w.broker, w.brokerGot = false, w.now
		for _, p := range w.panels {
			p.will = time.Time{}
		}
	}
}

// brokerComes lets panels find the broker again within a minute of each other.
func (w *world) brokerComes() {
	if w.broker {
		return
	}
	w.broker = true
	w.connect()
	for i, p := range w.panels {
		if p.there {
			p.next = w.now.Add(time.Duration(1+i*7%60) * time.Second)
		}
	}
}

// connect is the hub's subscription: the broker repeats what it keeps.
func (w *world) connect() {
	w.step(monitor.BrokerBack{})
	for _, p := range w.panels {
		if p.retained != nil {
			w.step(monitor.StatusReceived{Panel: p.id, Status: *p.retained, Retained: true})
		}
	}
}

func (w *world) hubGoes() { w.hub = false }

func (w *world) hubComes() {
	if w.hub {
		return
	}
	site, err := monitor.Decode(w.stored)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.hub, w.site = true, site
	w.step(monitor.HubStarted{})
	if w.broker {
		w.connect()
	} else {
		w.step(monitor.BrokerLost{})
	}
}

func (w *world) clock(t time.Time) string {
	t = t.In(w.zone)
	if monitor.DateOf(t, w.zone) == monitor.DateOf(w.now, w.zone) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

func facts(d fleet.Delivery, name string) []string {
	var values []string
	for _, f := range d.Facts {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}

func fact(d fleet.Delivery, name string) string { return strings.Join(facts(d, name), " / ") }

// words says a message as the scenarios do.
func (w *world) words(d fleet.Delivery) string {
	channel := map[fleet.Channel]string{fleet.Email: "e-mail", fleet.SMS: "SMS", fleet.Webhook: "webhook"}[d.Channel]
	who := d.Recipient
	for _, r := range w.site.Recipients {
		if r.ID == d.Recipient {
			who = r.Name
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s: %s", channel, who, d.Kind)
	if of := fact(d, monitor.FactOf); of != "" {
		fmt.Fprintf(&b, " (%s)", of)
	}
	if panels := fact(d, monitor.FactPanels); panels != "" {
		fmt.Fprintf(&b, ", %s", panels)
	}
	if missing := fact(d, monitor.FactMissing); missing != "" {
		fmt.Fprintf(&b, ", missing %s", missing)
	}
	for _, name := range []string{monitor.FactSince, monitor.FactBack, monitor.FactUntil} {
		if value := fact(d, name); value != "" {
			t, err := time.Parse(time.RFC3339, value)
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			fmt.Fprintf(&b, ", %s %s", name, w.clock(t))
		}
	}
	if cause := fact(d, monitor.FactCause); cause != "" {
		fmt.Fprintf(&b, ", cause %s", cause)
	}
	if times := fact(d, monitor.FactTimes); times != "" {
		fmt.Fprintf(&b, ", %s times", times)
	}
	for i, line := range facts(d, monitor.FactLine) {
		part := strings.Split(line, "|")
		if i >= 3 {
			fmt.Fprintf(&b, "; and %s in all", fact(d, monitor.FactCount))
			break
		}
		fmt.Fprintf(&b, "; %s %s %s", part[0], part[1], w.short(part[2]))
		if part[3] != "" {
			fmt.Fprintf(&b, " to %s", w.short(part[3]))
		}
	}
	return b.String()
}

func (w *world) short(stamp string) string {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return w.clock(t)
}

var _ failer = (*testing.T)(nil)

func lostStatus(p *simPanel) telemetry.Status {
	return telemetry.Status{Cause: telemetry.CauseLost, Boot: p.bootID()}
}
