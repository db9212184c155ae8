package hub

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
	"github.com/doorpanel/doorpanel/telemetry"
)

const patience = 2 * time.Minute

// await waits until something holds, and looks again whenever told brings something.
func await(t testing.TB, what string, told <-chan struct{}, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !holds() {
		select {
		case <-told:
		case <-limit.C:
			t.Fatalf("did not come about within %s: %s", patience, what)
		}
	}
}

// house is a broker that can be killed.
type house interface {
	url() string
	hubLink(t testing.TB, id string) Link
	kill()
	restart()
}

// mosquitto is the real one.
type mosquitto struct{ *uplinktest.Broker }

func newMosquitto(t testing.TB) house {
	return mosquitto{uplinktest.StartMosquitto(t, uplinktest.Options{Lines: []string{"max_inflight_messages 0"}})}
}

func (m mosquitto) url() string { return m.URL() }
func (m mosquitto) kill()       { m.Kill() }
func (m mosquitto) restart()    { m.Restart() }

func (m mosquitto) hubLink(t testing.TB, id string) Link {
	t.Helper()
	l, err := NewLink(LinkOptions{Broker: m.URL(), ClientID: id, Retry: 50 * time.Millisecond, RetryLimit: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// embedded is the hub's own, in this process.
type embedded struct {
	t    testing.TB
	mu   sync.Mutex
	b    *broker.Broker
	addr netip.AddrPort
}

func newEmbedded(t testing.TB) house {
	t.Helper()
	e := &embedded{t: t, addr: netip.MustParseAddrPort("127.0.0.1:0")}
	e.restart()
	t.Cleanup(func() { e.b.Close() })
	return e
}

func (e *embedded) url() string { return "mqtt://" + e.addr.String() }

func (e *embedded) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := broker.New(broker.Options{Plain: &broker.Plain{Listen: e.addr, Honor: func(panel, _ string) (string, error) { return siteID, nil }}})
	if err == nil {
		err = b.Start()
	}
	if err != nil {
		e.t.Fatal(err)
	}
	e.b, e.addr = b, netip.MustParseAddrPort(b.PlainAddr())
}

func (e *embedded) kill() { e.now().Close() }

func (e *embedded) now() *broker.Broker {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.b
}

func (e *embedded) hubLink(t testing.TB, _ string) Link {
	t.Helper()
	l, err := NewLink(LinkOptions{
		Dial: e.dial, ClientID: broker.HubClient, Retry: 50 * time.Millisecond, RetryLimit: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// notebook is a panel's journal in memory, as the uplink reads it.
type notebook struct {
	mu     sync.Mutex
	more   chan struct{}
	events []telemetry.Event
	next   int
	done   atomic.Uint64
	moved  chan struct{}
	sentAt map[uint64]time.Time // when Next gave it out first
	late   func(seq uint64, took time.Duration)
}

func newLedger(events []telemetry.Event) *notebook {
	return &notebook{events: events, more: make(chan struct{}), moved: make(chan struct{}, 1), sentAt: map[uint64]time.Time{}}
}

func (l *notebook) append(events ...telemetry.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
	close(l.more)
	l.more = make(chan struct{})
}

func (l *notebook) Next(ctx context.Context) (telemetry.Event, error) {
	for {
		l.mu.Lock()
		more := l.more
		if l.next < len(l.events) {
			e := l.events[l.next]
			l.next++
			if _, again := l.sentAt[e.Seq]; !again && l.late != nil {
				l.sentAt[e.Seq] = time.Now()
			}
			l.mu.Unlock()
			return e, nil
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return telemetry.Event{}, ctx.Err()
		case <-more:
		}
	}
}

func (l *notebook) Done(seq uint64) error {
	before := l.done.Swap(seq)
	if l.late != nil {
		l.mu.Lock()
		for s := before + 1; s <= seq; s++ {
			l.late(s, time.Since(l.sentAt[s]))
			delete(l.sentAt, s)
		}
		l.mu.Unlock()
	}
	select {
	case l.moved <- struct{}{}:
	default:
	}
	return nil
}

func (l *notebook) Rewind(from uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = int(max(from, 1) - 1)
	return nil
}

// crowd is many panels with a real uplink each.
type crowd struct {
	diaries []*diary
	ledgers []*notebook
	links   []*uplink.Uplink
	stop    func()
}

func crowdID(i int) string { return fmt.Sprintf("%026d", i) }

// begin connects n panels of which each has written entries already.
func begin(t testing.TB, where house, n, written int, change func(i int, o *uplink.Options, l *notebook)) *crowd {
	t.Helper()
	c := &crowd{}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range n {
		d := newDiary(crowdID(i))
		d.write(written)
		l := newLedger(slices.Clone(d.events))
		boot := "b" + strconv.Itoa(i)
		began := time.Now()
		o := uplink.Options{
			Broker: where.url(), User: crowdID(i), Password: "x", Site: siteID, Panel: crowdID(i), Boot: boot, Hub: true,
			Retry: 50 * time.Millisecond, RetryLimit: 200 * time.Millisecond, Spread: 100 * time.Millisecond, ResendAfter: 2 * time.Second,
			Status: func() telemetry.Status { return online(boot, uint64(time.Since(began).Milliseconds())) },
		}
		if change != nil {
			change(i, &o, l)
		}
		u, err := uplink.New(o, l)
		if err != nil {
			t.Fatal(err)
		}
		c.diaries, c.ledgers, c.links = append(c.diaries, d), append(c.ledgers, l), append(c.links, u)
		all.Go(func() {
			if err := u.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	c.stop = func() {
		cancel()
		all.Wait()
	}
	t.Cleanup(c.stop)
	return c
}

func (c *crowd) delivered(seq uint64) func() bool {
	return func() bool {
		for _, l := range c.ledgers {
			if l.done.Load() < seq {
				return false
			}
		}
		return true
	}
}

// moved brings something whenever a panel has heard that something is stored, and now and then besides.
func (c *crowd) moved(t testing.TB) <-chan struct{} {
	told := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for _, l := range c.ledgers {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-l.moved:
				}
				select {
				case told <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return told
}

func openStore(t testing.TB, dir string, panels int) *store.Store {
	t.Helper()
	s, notes, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		t.Log("store: ", n)
	}
	if err := settle(s, panels); err != nil {
		t.Fatal(err)
	}
	return s
}

// settle makes the site and its panels.
func settle(s *store.Store, panels int) error {
	if sites, err := s.Sites(); err != nil || len(sites) > 0 {
		return err
	}
	if _, err := s.PutSite(fleet.Site{ID: siteID, Name: "Villa Rossi", Zone: "Europe/Rome", Language: "en"}, fleet.Edit{}); err != nil {
		return err
	}
	for i := range panels {
		if _, err := s.PutPanel(fleet.Panel{ID: crowdID(i), Name: "Panel " + strconv.Itoa(i), Site: siteID, Serial: strconv.Itoa(i + 1)}, fleet.Edit{}); err != nil {
			return err
		}
	}
	return nil
}

func hubOver(s Store, l Link) (*Hub, error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return New(Options{
		Link: l, Store: s, CommandKey: key.Public().(ed25519.PublicKey), Sign: func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil },
	})
}

// run starts a hub; stop ends it and waits.
func run(t testing.TB, s Store, l Link) (h *Hub, stop func()) {
	t.Helper()
	h, err := hubOver(s, l)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return h, stop
}

// wantEach holds that every panel's entries are stored once each and in order.
func wantEach(t testing.TB, s *store.Store, panels, entries int) {
	t.Helper()
	next := map[string]uint64{}
	for serial := uint64(0); ; {
		some, err := s.After(serial, 1_000)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		for _, r := range some {
			if want := next[r.Panel] + 1; r.Event.Seq != want {
				t.Fatalf("panel %s: entry %d is stored where %d belongs", r.Panel, r.Event.Seq, want)
			}
			next[r.Panel] = r.Event.Seq
			serial = r.Serial
		}
	}
	if len(next) != panels {
		t.Errorf("%d panels are stored, want %d", len(next), panels)
	}
	for _, panel := range slices.Sorted(maps.Keys(next)) {
		if next[panel] != uint64(entries) {
			t.Errorf("panel %s: stored up to %d of %d", panel, next[panel], entries)
		}
	}
	if faults, err := s.Faults("", 10); err != nil || len(faults) != 0 {
		t.Errorf("faults %+v, %v", faults, err)
	}
}

func brokers() map[string]func(testing.TB) house {
	return map[string]func(testing.TB) house{"mosquitto": newMosquitto, "embedded": newEmbedded}
}

// backlog is how many entries the backlog test delivers: DOORPANEL_BACKLOG, or what every day has time for.
func backlog(t testing.TB) int {
	text := os.Getenv("DOORPANEL_BACKLOG")
	if text == "" {
		return 5_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(errors.New("DOORPANEL_BACKLOG is no number"))
	}
	return n
}

func (e *embedded) dial(ctx context.Context) (net.Conn, error) { return e.now().Dial(ctx) }

// news brings something whenever the hub has any.
func news(t testing.TB, h *Hub) <-chan struct{} {
	told := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for seen := uint64(0); ; {
			now, err := h.Wait(ctx, seen)
			if err != nil {
				return
			}
			seen = now
			select {
			case told <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return told
}

func ringOf(h *Hub) func(envelope.KeyID) (ed25519.PublicKey, bool) {
	return func(envelope.KeyID) (ed25519.PublicKey, bool) { return h.o.CommandKey, true }
}
