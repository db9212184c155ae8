package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/web"
)

// States of a part.
const (
	partOK   = "ok"
	partWarn = "warn"
	partBad  = "bad"
	partOff  = "off"
)

// health is how the hub itself is. It waits for nothing.
func (h *house) health() web.Health {
	s := web.Health{Version: version(), Started: h.started, Parts: h.parts(), Counters: h.refusals(), Figures: h.figures(), Certs: h.certificates()}
	for _, p := range s.Parts {
		if p.State == partBad && (p.Name == "store" || p.Name == "broker") {
			s.Causes = append(s.Causes, p.Name+": "+p.Detail)
		}
	}
	s.Ready = len(s.Causes) == 0
	return s
}

func (h *house) parts() []web.PartHealth {
	list := []web.PartHealth{h.storeHealth(), h.brokerHealth()}
	if h.config.MQTT.Broker != "" {
		list = append(list, h.revocations.health())
	}
	settings := h.settings.current()
	set := map[fleet.Channel]bool{fleet.Email: settings.Mail.Server != "", fleet.SMS: len(settings.SMS) > 0, fleet.Webhook: len(settings.Hooks) > 0}
	states := h.deliverer.Channels()
	for _, channel := range []fleet.Channel{fleet.Email, fleet.SMS, fleet.Webhook} {
		part := web.PartHealth{Name: string(channel), State: partOff, Detail: "not set up"}
		if set[channel] {
			part.State, part.Detail = partOK, ""
		}
		for _, s := range states {
			if set[channel] && s.Channel == channel && !s.Failing.IsZero() {
				part.State, part.Detail, part.Since = partBad, s.Words, s.Failing
			}
		}
		list = append(list, part)
	}
	for _, note := range h.notes {
		list = append(list, web.PartHealth{Name: "found at the start", State: partWarn, Detail: note, Since: h.started})
	}
	return list
}

func (h *house) storeHealth() web.PartHealth {
	part := web.PartHealth{Name: "store", State: partOK}
	switch {
	case h.store.ReadOnly():
		part.State, part.Detail = partBad, "it was written by a newer version and is read-only: install that version"
	case h.hub.Handled().StoreFailing != "":
		part.State, part.Detail = partBad, h.hub.Handled().StoreFailing
	}
	return part
}

func (h *house) brokerHealth() web.PartHealth {
	part := web.PartHealth{Name: "broker", State: partOK, Detail: h.brokerURL()}
	if !h.hub.Linked() {
		part.State, part.Detail = partBad, "the hub is not connected to "+cmp.Or(h.brokerURL(), "a broker")
	}
	return part
}

// refusals are what was not taken, by part and reason.
func (h *house) refusals() []web.Counter {
	var list []web.Counter
	for _, c := range h.hub.Refusals() {
		list = append(list, web.Counter{Part: "hub", Reason: string(c.Reason), Count: c.Count, Last: c.Last, Example: printable(c.Example)})
	}
	if h.broker != nil {
		for _, c := range h.broker.Refusals() {
			list = append(list, web.Counter{Part: "broker", Reason: c.Why, Count: c.Count, Last: c.At, Example: printable(c.Last)})
		}
	}
	for _, c := range h.enrollment.Refusals() {
		list = append(list, web.Counter{Part: "enrollment", Reason: c.Why, Count: c.Count, Last: c.At, Example: printable(c.Last)})
	}
	return list
}

func (h *house) figures() []web.Figure {
	var list []web.Figure
	add := func(name, format string, args ...any) {
		list = append(list, web.Figure{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	handled := h.hub.Handled()
	add("events stored since the start", "%d", handled.Stored)
	add("events received twice", "%d", handled.Duplicate)
	add("messages waiting to be stored", "%d", handled.Waiting)
	if last, err := h.store.Last(); err == nil {
		add("newest event", "%d", last)
	}
	if h.broker != nil {
		f := h.broker.Figures()
		add("panels connected", "%d", len(h.broker.Connected()))
		add("sessions kept", "%d", f.Sessions)
		add("messages dropped at slow readers", "%d", f.Dropped)
	}
	return list
}

func (h *house) certificates() []web.Certificate {
	list := []web.Certificate{certificateOf("authority", h.authority.CertificatePEM())}
	if server, err := h.authority.ServerCertificate(nil); err == nil && len(server.Certificate) > 0 {
		list = append(list, certificateOf("server", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate[0]})))
	}
	return list
}

func certificateOf(name string, content []byte) web.Certificate {
	c := web.Certificate{Name: name}
	block, _ := pem.Decode(content)
	if block == nil {
		return c
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return c
	}
	sum := sha256.Sum256(parsed.Raw)
	c.Fingerprint = strings.ToUpper(strings.Join(strings.Fields(fmt.Sprintf("% x", sum)), ":"))
	c.From, c.Until = parsed.NotBefore, parsed.NotAfter
	c.Names = slices.Clone(parsed.DNSNames)
	for _, ip := range parsed.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	return c
}

// alive answers within ctx when the loop does. Nobody watches a site without a name, so that its answer changes nothing.
func (h *house) alive(ctx context.Context) error {
	if !h.online {
		return errOffline
	}
	err := h.hub.Tell(ctx, "", monitor.Tick{}, fleet.Change{})
	if err != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return err
	}
	return nil
}

// metrics writes what docs/doorhub.rules.yml watches, in the text format of Prometheus.
func (h *house) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	health := h.health()
	metrics.WriteGaugeUint64(w, "doorhub_ready", one(health.Ready))
	for _, p := range health.Parts {
		if p.State != partOff && p.Name != "found at the start" {
			metrics.WriteGaugeUint64(w, fmt.Sprintf("doorhub_part_up{part=%q}", p.Name), one(p.State == partOK))
		}
	}
	for _, c := range health.Counters {
		metrics.WriteCounterUint64(w, fmt.Sprintf("doorhub_refused_total{part=%q,reason=%q}", c.Part, c.Reason), c.Count)
	}
	for _, c := range health.Certs {
		metrics.WriteGaugeFloat64(w, fmt.Sprintf("doorhub_certificate_seconds_left{certificate=%q}", c.Name), time.Until(c.Until).Seconds())
	}
	h.fleetMetrics(w)
	handled := h.hub.Handled()
	metrics.WriteCounterUint64(w, "doorhub_messages_received_total", handled.Messages)
	metrics.WriteCounterUint64(w, "doorhub_events_stored_total", handled.Stored)
	metrics.WriteCounterUint64(w, "doorhub_events_duplicate_total", handled.Duplicate)
	metrics.WriteCounterUint64(w, "doorhub_events_ahead_total", handled.Ahead)
	metrics.WriteCounterUint64(w, "doorhub_events_rewritten_total", handled.Rewritten)
	metrics.WriteCounterUint64(w, "doorhub_acks_total", handled.Acks)
	metrics.WriteGaugeUint64(w, "doorhub_messages_waiting", uint64(max(handled.Waiting, 0)))
	if last, err := h.store.Last(); err == nil {
		metrics.WriteGaugeUint64(w, "doorhub_events_last_serial", last)
	}
	if h.broker != nil {
		f := h.broker.Figures()
		metrics.WriteGaugeUint64(w, "doorhub_broker_connections", uint64(f.Connected))
		metrics.WriteCounterUint64(w, "doorhub_broker_handshakes_total", f.Handshakes)
		metrics.WriteCounterUint64(w, "doorhub_broker_dropped_total", uint64(f.Dropped))
		metrics.WriteCounterUint64(w, "doorhub_broker_taken_over_total", f.TakenOver)
	}
	metrics.WriteProcessMetrics(w)
}

func one(truth bool) uint64 {
	if truth {
		return 1
	}
	return 0
}

// fleetMetrics counts panels, outages and messages.
func (h *house) fleetMetrics(w http.ResponseWriter) {
	panels, err := h.store.Panels()
	if err != nil {
		return
	}
	soonest := time.Time{}
	states := map[fleet.PanelState]uint64{}
	for _, p := range panels {
		states[p.State()]++
		if p.State() == fleet.PanelEnrolled && !p.Expires.IsZero() && (soonest.IsZero() || p.Expires.Before(soonest)) {
			soonest = p.Expires
		}
	}
	for _, s := range []fleet.PanelState{fleet.PanelAdded, fleet.PanelEnrolled, fleet.PanelRevoked, fleet.PanelReplaced} {
		metrics.WriteGaugeUint64(w, fmt.Sprintf("doorhub_panels{state=%q}", s), states[s])
	}
	if !soonest.IsZero() {
		metrics.WriteGaugeFloat64(w, `doorhub_certificate_seconds_left{certificate="panel"}`, time.Until(soonest).Seconds())
	}
	sites, err := adapter{h}.Watched()
	if err != nil {
		return
	}
	presence, outages := map[monitor.Presence]uint64{}, uint64(0)
	for _, s := range sites {
		outages += uint64(len(s.Open))
		for _, p := range s.Panels {
			presence[p.Presence]++
		}
	}
	for _, p := range []monitor.Presence{monitor.Online, monitor.Lost, monitor.Stopped, monitor.Unknown} {
		metrics.WriteGaugeUint64(w, fmt.Sprintf("doorhub_presence{presence=%q}", p), presence[p])
	}
	metrics.WriteGaugeUint64(w, "doorhub_outages", outages)
	for _, state := range []fleet.DeliveryState{fleet.Waiting, fleet.Failed, fleet.Uncertain} {
		page, err := h.store.Deliveries(fleet.DeliveryQuery{State: state, Limit: 1000})
		if err == nil {
			metrics.WriteGaugeUint64(w, fmt.Sprintf("doorhub_deliveries{state=%q}", state), uint64(len(page.Deliveries)))
		}
	}
}
