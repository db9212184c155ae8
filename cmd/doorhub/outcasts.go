package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/broker"
)

// ownBroker is a broker that is there already and honors this hub's certificates. At such a one nobody but the broker keeps a panel out
// that was revoked, and nobody but the hub knows that it is to go.
type ownBroker struct {
	address string // host:port
	config  *tls.Config
	passing func(name string, lasting time.Duration) (tls.Certificate, error)
}

// passingTime is for how long a certificate is good that the hub makes for one connection.
const passingTime = 5 * time.Minute

// displace connects for an instant as a panel, so that the broker ends the connection that the panel has and forgets its session.
func (b *ownBroker) displace(ctx context.Context, panel, clientID string) error {
	own, err := b.passing(panel, passingTime)
	if err != nil {
		return err
	}
	return b.greet(ctx, own, clientID)
}

func (b *ownBroker) greet(ctx context.Context, own tls.Certificate, clientID string) error {
	config := b.config.Clone()
	config.Certificates, config.GetClientCertificate = []tls.Certificate{own}, nil
	return broker.Displace(ctx, b.address, config, clientID)
}

// honors tells whether the broker lets somebody in with this certificate; an error says that nobody knows.
func (b *ownBroker) honors(ctx context.Context, own tls.Certificate, clientID string) (bool, error) {
	err := b.greet(ctx, own, clientID)
	var dialing *net.OpError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &dialing) && dialing.Op == "dial", errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		return false, err
	}
	return false, nil
}

// outcasts sends panels away from a broker of one's own. A panel that the broker has not heard of yet comes back at once, and is sent
// away again; one that still speaks later is heard by the hub, and sent away then. So nothing of this need be kept.
type outcasts struct {
	displace func(ctx context.Context, panel string) error
	honored  func(panel string) bool
	log      *slog.Logger
	told     chan outcast
	hurry    chan struct{}
}

// outcast is a panel that is to go. revoked says that somebody decided so just now, else it was heard.
type outcast struct {
	panel   string
	revoked bool
}

const (
	// outcastLimit is how many panels are sent away at the same time; the others are heard, and follow.
	outcastLimit = 256
	// lastTurn is when a panel was sent away for the last time: by then a broker that is told of the list has read it.
	lastTurn = 50 * time.Second
)

// turns are how long after it was told a panel is sent away again.
func turns() []time.Duration {
	return []time.Duration{0, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, lastTurn}
}

func newOutcasts(displace func(context.Context, string) error, honored func(string) bool, log *slog.Logger) *outcasts {
	return &outcasts{displace: displace, honored: honored, log: log, told: make(chan outcast, outcastLimit), hurry: make(chan struct{}, 1)}
}

// send has a panel sent away whose rights have ended or changed. It never waits.
func (o *outcasts) send(panel string) { o.tell(outcast{panel, true}) }

// heard has a panel sent away that speaks although it may not. It never waits.
func (o *outcasts) heard(panel string) { o.tell(outcast{panel, false}) }

// now has everybody who is on the way out sent away once more: the broker lets them in no longer. It never waits.
func (o *outcasts) now() {
	select {
	case o.hurry <- struct{}{}:
	default:
	}
}

func (o *outcasts) tell(c outcast) {
	select {
	case o.told <- c:
	default:
	}
}

// leaving is a panel that is being sent away.
type leaving struct {
	panel string
	since time.Time
	turn  int // the next one
}

func (l leaving) due() time.Time { return l.since.Add(turns()[l.turn]) }

// run sends panels away until ctx ends.
func (o *outcasts) run(ctx context.Context) {
	var all []leaving
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-o.told:
			all = join(all, c, time.Now())
		case <-o.hurry:
			for i := range all {
				all[i].since = time.Now().Add(-turns()[all[i].turn])
			}
		case <-timer.C:
		}
		all = o.work(ctx, all)
		timer.Reset(untilNext(all, time.Now()))
	}
}

// join takes a panel in. One that is on its way out already begins anew only when that was decided, not when it was heard.
func join(all []leaving, c outcast, now time.Time) []leaving {
	i := slices.IndexFunc(all, func(l leaving) bool { return l.panel == c.panel })
	switch {
	case i >= 0 && c.revoked:
		all[i].since, all[i].turn = now, 0
	case i < 0 && len(all) < outcastLimit:
		all = append(all, leaving{panel: c.panel, since: now})
	}
	return all
}

// work sends away who is due, and returns those who are to be sent away again. A panel that is honored was enrolled anew: only the
// connection that it had before is ended.
func (o *outcasts) work(ctx context.Context, all []leaving) (rest []leaving) {
	for _, l := range all {
		if time.Now().Before(l.due()) {
			rest = append(rest, l)
			continue
		}
		again := !o.honored(l.panel)
		if !again && l.turn > 0 {
			continue
		}
		if err := o.displace(ctx, l.panel); err != nil && ctx.Err() == nil {
			o.log.Warn("cannot end a panel's connection at the broker", "panel", l.panel, "cause", err)
		}
		if l.turn++; again && l.turn < len(turns()) {
			rest = append(rest, l)
		}
	}
	return rest
}

// idle is how long nothing is due when nobody is to go.
const idle = time.Hour

func untilNext(all []leaving, now time.Time) time.Duration {
	next := idle
	for _, l := range all {
		next = min(next, max(l.due().Sub(now), 0))
	}
	return next
}

// ownBroker is the way to a broker that honors this hub's certificates; nil: it has its own, or one that knows passwords.
func (h *house) ownBroker() (*ownBroker, error) {
	c := h.config.MQTT
	u, err := url.Parse(c.Broker)
	if err != nil || u.Scheme != "mqtts" || c.User != "" {
		return nil, nil
	}
	roots, err := h.brokerRoots()
	if err != nil {
		return nil, err
	}
	return &ownBroker{u.Host, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: u.Hostname()}, h.authority.PassingCertificate}, nil
}

// openOutcasts sets up what keeps revoked panels out of a broker that is there already.
func (h *house) openOutcasts() error {
	own, err := h.ownBroker()
	if err != nil || own == nil || !h.online {
		return err
	}
	h.outcasts = newOutcasts(func(ctx context.Context, panel string) error {
		p, _, err := h.store.Panel(panel)
		if err != nil {
			return err
		}
		return own.displace(ctx, panel, broker.ClientID(p.Site, panel))
	}, func(panel string) bool {
		_, err := h.enrollment.Honor(panel, "")
		return err == nil
	}, h.log.With("part", "outcasts"))
	h.revocations.broker, h.revocations.read = own, h.outcasts.now
	return nil
}

// unwelcome is told of a panel that speaks although it was revoked or replaced.
func (h *house) unwelcome(panel string) {
	if h.outcasts != nil {
		h.outcasts.heard(panel)
	}
}
