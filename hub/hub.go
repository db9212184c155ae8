package hub

import (
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Options of a Hub. Link, Store, CommandKey and Sign are needed.
type Options struct {
	Name  string // of this hub; two over one store have different ones, and one that starts again has the same. Default "hub"
	Link  Link
	Store Store
	// CommandKey is the public half of the key with which orders are signed; Sign signs with it.
	CommandKey ed25519.PublicKey
	Sign       func(message []byte) ([]byte, error)
	// Sealing opens marks of the silent alarm that were sealed to this hub; nil: it is nobody's recipient.
	Sealing hpke.PrivateKey
	// Licensed tells from when until when a site may be warned (Licenses.Window); nil: never.
	Licensed func(site string, now time.Time) (from, until time.Time)

	// Unwelcome is told of a panel that spoke just now although it was revoked or replaced; it must not wait. nil: nobody.
	Unwelcome func(panel string)

	// Learn keeps what an entry of a panel about licenses brings, before the entry is stored; an error says that it could not be kept,
	// and it is tried again: for ever when it is fleet.ErrNotKept, else a few times. Known hears of such an entry once everything before it is stored. nil: nobody does.
	Learn func(fleet.Received) error
	Known func(fleet.Received)

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // nil: silent
}

const (
	inboxLimit = 8_192 // messages that wait to be read
	inboxBytes = 64 << 20
	eventLimit = 4_096 // events that wait to be stored
	batchLimit = 1_024 // events of one transaction
	newsPause  = 10 * time.Second
)

// Hub is the loop. It is safe for concurrent use.
type Hub struct {
	o   Options
	log *slog.Logger

	counts    counts
	roll      atomic.Pointer[roll]
	reading   sync.Mutex    // of the roll: what is read later is what stays
	stale     chan struct{} // the roll is to be read anew
	inbox     chan Message
	held      budget
	events    chan arrival
	answers   *answers
	acks      *acks
	presence  *presence
	connected atomic.Bool
	handled   handled

	mu       sync.Mutex
	contacts map[string]*contact // by panel
	news     uint64
	newsCh   chan struct{} // closed and replaced when news rises
}

// New checks the options. Nothing runs yet.
func New(o Options) (*Hub, error) {
	switch {
	case o.Link == nil || o.Store == nil:
		return nil, errors.New("cannot set up the hub: the link or the store is missing")
	case len(o.CommandKey) != ed25519.PublicKeySize || o.Sign == nil:
		return nil, errors.New("cannot set up the hub: the command key is missing")
	}
	if o.Name == "" {
		o.Name = "hub"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Unwelcome == nil {
		o.Unwelcome = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		o: o, log: o.Logger, stale: make(chan struct{}, 1), inbox: make(chan Message, inboxLimit), held: newBudget(inboxBytes),
		events: make(chan arrival, eventLimit), contacts: map[string]*contact{}, newsCh: make(chan struct{}),
	}
	h.answers = newAnswers()
	h.acks = newAcks()
	h.presence = newPresence(h)
	return h, nil
}

// Run works until ctx ends. It returns an error when the store cannot be read at the start.
func (h *Hub) Run(ctx context.Context) error {
	if err := h.readRoll(); err != nil {
		return fmt.Errorf("cannot start the hub: %w", err)
	}
	if err := h.settleOldOrders(); err != nil {
		return fmt.Errorf("cannot start the hub: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for _, part := range []func(context.Context){h.sort, h.keep, h.acknowledge, h.presence.run, h.followRoll} {
		all.Go(func() { part(ctx) })
	}
	err := h.o.Link.Run(ctx, h)
	cancel()
	all.Wait()
	return err
}

// Connected implements Peer.
func (h *Hub) Connected() {
	h.connected.Store(true)
	h.presence.tell(brokerBack)
	h.tellNews()
	go h.republish()
}

// Lost implements Peer.
func (h *Hub) Lost(cause error) {
	h.log.Warn("not connected to the broker", "cause", cause)
	if h.connected.Swap(false) {
		h.tellNews()
	}
	h.presence.tell(brokerLost)
}

// Linked tells whether the hub is connected to its broker now.
func (h *Hub) Linked() bool { return h.connected.Load() }

// Refusals are what was not taken, by reason.
func (h *Hub) Refusals() []Count { return h.counts.all() }

// Handled counts what the hub did since it started.
func (h *Hub) Handled() Handled { return h.handled.read() }

// Handled are figures about the hub's work.
type Handled struct {
	Messages, Stored, Duplicate, Ahead, Rewritten, Acks, Asked, Bridged uint64
	Waiting                                                             int // messages and events that are not stored yet
	StoreFailing                                                        string
}

type handled struct {
	messages, stored, duplicate, ahead, rewritten, acks, asked, bridged atomic.Uint64
	waiting                                                             atomic.Int64
	failing                                                             atomic.Pointer[string]
}

func (c *handled) read() Handled {
	r := Handled{
		Messages: c.messages.Load(), Stored: c.stored.Load(), Duplicate: c.duplicate.Load(), Ahead: c.ahead.Load(), Rewritten: c.rewritten.Load(),
		Acks: c.acks.Load(), Asked: c.asked.Load(), Bridged: c.bridged.Load(), Waiting: int(c.waiting.Load()),
	}
	if why := c.failing.Load(); why != nil {
		r.StoreFailing = *why
	}
	return r
}

// Said is a panel's last online status.
type Said struct {
	Panel  string
	At     time.Time // when it arrived
	Status telemetry.Status
}

// Said returns the last online status of each panel that said one since the hub started, in any order.
func (h *Hub) Said() []Said {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Said, 0, len(h.contacts))
	for id, c := range h.contacts {
		if !c.at.IsZero() {
			list = append(list, Said{Panel: id, At: c.at, Status: c.status})
		}
	}
	return list
}

// Heard is when a panel said last that it is there, by the hub's clock, and in which of its starts; not ok before the first time since
// the hub started, and for what the broker only remembered.
func (h *Hub) Heard(panel string) (at time.Time, boot string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.contacts[panel]
	if c == nil || c.at.IsZero() || c.retained {
		return time.Time{}, "", false
	}
	return c.at, c.status.Boot, true
}

// Wait returns the present number of news as soon as it is not seen any more, at once when it is another one: something can
// be seen that could not be seen before.
func (h *Hub) Wait(ctx context.Context, seen uint64) (uint64, error) {
	for {
		h.mu.Lock()
		now, changed := h.news, h.newsCh
		h.mu.Unlock()
		if now != seen {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return seen, ctx.Err()
		case <-changed:
		}
	}
}

func (h *Hub) tellNews() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.news++
	close(h.newsCh)
	h.newsCh = make(chan struct{})
}

// roll is who there is, as the store said last.
type roll struct {
	panels map[string]fleet.Panel
	sites  map[string]fleet.Site
	order  []fleet.Site
	bySite map[string][]fleet.Panel
}

// enrolled finds the record of a panel; false also before the hub has read its records.
func (h *Hub) enrolled(panel string) (p fleet.Panel, known bool) {
	if r := h.roll.Load(); r != nil {
		p, known = r.panels[panel]
	}
	return p, known
}

func (h *Hub) recordOf(panel string) fleet.Panel {
	p, _ := h.enrolled(panel)
	return p
}

func (h *Hub) readRoll() error {
	h.reading.Lock()
	defer h.reading.Unlock()
	sites, err := h.o.Store.Sites()
	if err != nil {
		return err
	}
	panels, err := h.o.Store.Panels()
	if err != nil {
		return err
	}
	r := &roll{panels: make(map[string]fleet.Panel, len(panels)), sites: make(map[string]fleet.Site, len(sites)), order: sites,
		bySite: map[string][]fleet.Panel{}}
	for _, s := range sites {
		r.sites[s.ID] = s
	}
	for _, p := range panels {
		r.panels[p.ID] = p
		r.bySite[p.Site] = append(r.bySite[p.Site], p)
	}
	h.roll.Store(r)
	return nil
}

// Changed tells that sites or panels were added, changed or revoked. Without a word the hub looks every ten seconds.
func (h *Hub) Changed() {
	select {
	case h.stale <- struct{}{}:
	default:
	}
}

func (h *Hub) followRoll(ctx context.Context) {
	tick := time.NewTicker(newsPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.stale:
		}
		if err := h.readRoll(); err != nil {
			h.log.Error("cannot read which panels there are", "cause", err)
			continue
		}
		h.presence.tell(rollChanged)
	}
}
