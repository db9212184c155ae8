package hub

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

// memory is a store in memory with the answers of hub/store.
type memory struct {
	mu         sync.Mutex
	sites      []fleet.Site
	panels     []fleet.Panel
	events     []fleet.Received
	heads      map[string]fleet.Head
	chains     map[string]string // by panel, epoch and number
	faults     []fleet.Fault
	situations map[string][]byte
	commits    int
	deliveries map[string]fleet.Delivery
	changes    []fleet.Change
	withdrawn  []string
	leases     map[string]string
	orders     map[uint64]fleet.Order
	number     uint64
	documents  map[string]fleet.Document
	audit      []fleet.Change
	batches    []int
	fail       error             // of every write
	noNumber   error             // of NextNumber
	noDelivery error             // of Commit and AddDeliveries with something to tell
	putting    func(fleet.Order) // called before an order is kept
	slow       chan struct{}     // a token for each Append
}

func newMemory() *memory {
	return &memory{
		heads: map[string]fleet.Head{}, chains: map[string]string{}, situations: map[string][]byte{}, deliveries: map[string]fleet.Delivery{},
		leases: map[string]string{}, orders: map[uint64]fleet.Order{}, documents: map[string]fleet.Document{},
	}
}

func (m *memory) Sites() ([]fleet.Site, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sites), nil
}

func (m *memory) Panels() ([]fleet.Panel, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.panels), nil
}

func (m *memory) Append(batch []fleet.Received) ([]fleet.Outcome, error) {
	m.mu.Lock()
	slow := m.slow
	m.mu.Unlock()
	if slow != nil {
		<-slow
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	m.batches = append(m.batches, len(batch))
	outcomes := make([]fleet.Outcome, 0, len(batch))
	for _, r := range batch {
		outcomes = append(outcomes, m.receive(r))
	}
	return outcomes, nil
}

func (m *memory) receive(r fleet.Received) fleet.Outcome {
	e, head := r.Event, m.heads[r.Panel]
	from := e.Seq
	if e.Gap != nil {
		from = e.Gap.From
	}
	key := fmt.Sprintf("%s %s %d", r.Panel, e.Epoch, e.Seq)
	switch {
	case head.Epoch == e.Epoch && e.Seq <= head.Seq:
		if m.chains[key] == e.Chain {
			return fleet.Outcome{Verdict: fleet.Duplicate}
		}
		f := fleet.Fault{Panel: r.Panel, Site: r.Site, At: r.At, Kind: fleet.FaultRewritten, Epoch: e.Epoch, Seq: e.Seq, Detail: "another chain"}
		m.faults = append(m.faults, f)
		return fleet.Outcome{Verdict: fleet.Rewritten, Fault: &f}
	case head.Epoch == e.Epoch && from > head.Seq+1:
		return fleet.Outcome{Verdict: fleet.Ahead, Want: head.Seq + 1}
	}
	var fault *fleet.Fault
	if head.Epoch == e.Epoch && head.Chain != "" && e.Prev != "" && head.Chain != e.Prev {
		fault = &fleet.Fault{Panel: r.Panel, Site: r.Site, At: r.At, Kind: fleet.FaultBroken, Epoch: e.Epoch, Seq: e.Seq, Detail: "it does not follow"}
	}
	if e.Gap != nil {
		fault = &fleet.Fault{Panel: r.Panel, Site: r.Site, At: r.At, Kind: fleet.FaultGap, Epoch: e.Epoch, Seq: e.Seq, Detail: e.Detail}
	}
	if fault != nil {
		m.faults = append(m.faults, *fault)
	}
	r.Serial = uint64(len(m.events) + 1)
	m.events = append(m.events, r)
	m.heads[r.Panel] = fleet.Head{Panel: r.Panel, Epoch: e.Epoch, Seq: e.Seq, Chain: e.Chain, At: r.At}
	m.chains[key] = e.Chain
	return fleet.Outcome{Verdict: fleet.Stored, Serial: r.Serial, Fault: fault}
}

func (m *memory) Head(panel string) (fleet.Head, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	head, ok := m.heads[panel]
	return head, ok, nil
}

func (m *memory) AddFault(f fleet.Fault) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, f)
	return m.fail
}

func (m *memory) Situation(site string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.situations[site], nil
}

func (m *memory) Commit(site string, state []byte, deliveries []fleet.Delivery, withdrawn []string, changes ...fleet.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.noDelivery != nil && len(deliveries) > 0 {
		return m.noDelivery
	}
	m.commits++
	m.situations[site] = state
	m.add(deliveries)
	m.withdrawn = append(m.withdrawn, withdrawn...)
	m.changes = append(m.changes, changes...)
	return nil
}

func (m *memory) add(deliveries []fleet.Delivery) (added int) {
	for _, d := range deliveries {
		if _, known := m.deliveries[d.ID]; !known {
			m.deliveries[d.ID] = d
			added++
		}
	}
	return added
}

func (m *memory) AddDeliveries(deliveries []fleet.Delivery, changes ...fleet.Change) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.fail, m.noDelivery); err != nil {
		return 0, err
	}
	m.changes = append(m.changes, changes...)
	return m.add(deliveries), nil
}

func (m *memory) Lease(name, holder string, _, _ time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return false, m.fail
	}
	if m.leases[name] == "" {
		m.leases[name] = holder
	}
	return m.leases[name] == holder, nil
}

func (m *memory) Release(name, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leases[name] == holder {
		delete(m.leases, name)
	}
	return nil
}

func (m *memory) NextNumber(now time.Time) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	if m.noNumber != nil {
		return 0, m.noNumber
	}
	m.number = max(m.number+1, uint64(now.UnixMilli()))
	return m.number, nil
}

func (m *memory) PutOrder(o fleet.Order) error {
	if m.putting != nil {
		m.putting(o)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.orders[o.Number] = o
	return nil
}

func (m *memory) Order(number uint64) (fleet.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, known := m.orders[number]
	if !known {
		return o, fleet.ErrUnknown
	}
	return o, nil
}

func (m *memory) Orders(panel string, limit int) ([]fleet.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.SortedFunc(maps.Values(m.orders), func(a, b fleet.Order) int { return cmp.Compare(b.Number, a.Number) })
	list = slices.DeleteFunc(list, func(o fleet.Order) bool { return panel != "" && o.Panel != panel })
	return list[:min(limit, len(list))], nil
}

func (m *memory) PutDocument(d fleet.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.documents[d.Panel+"/"+d.Kind+"/"+d.ID] = d
	return m.fail
}

func (m *memory) Documents(panel string) (list []fleet.Document, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(m.documents)) {
		if d := m.documents[key]; panel == "" || d.Panel == panel {
			list = append(list, d)
		}
	}
	return list, nil
}

func (m *memory) Note(c fleet.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Number = uint64(len(m.audit) + 1)
	m.audit = append(m.audit, c)
	return nil
}

func (m *memory) failDeliveries(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noDelivery = err
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// read lets a test look at what is kept.
func read[T any](m *memory, what func() T) T {
	m.mu.Lock()
	defer m.mu.Unlock()
	return what()
}

// wire is a Link in memory: a broker that keeps what is not acknowledged and says it again after a break.
type wire struct {
	mu       sync.Mutex
	up       chan struct{} // closed to break the connection
	peer     Peer
	ctx      context.Context
	sent     []Message
	told     chan struct{}
	pending  map[int]Message // not acknowledged, by the order in which they came
	serial   int
	refuse   error // of Send and Publish
	connects int
}

func newWire() *wire { return &wire{told: make(chan struct{}), pending: map[int]Message{}} }

func (w *wire) Run(ctx context.Context, peer Peer) error {
	for {
		session, cancel := context.WithCancel(ctx)
		broken := make(chan struct{})
		w.mu.Lock()
		w.up, w.peer, w.ctx = broken, peer, session
		w.connects++
		again := maps.Clone(w.pending)
		w.mu.Unlock()
		peer.Connected()
		for _, id := range slices.Sorted(maps.Keys(again)) {
			m := again[id]
			m.Again = true
			peer.Take(session, m)
		}
		select {
		case <-ctx.Done():
			cancel()
			return nil
		case <-broken:
		}
		cancel()
		w.mu.Lock()
		w.peer = nil
		w.mu.Unlock()
		peer.Lost(errors.New("the cable was cut"))
		time.Sleep(time.Second) // of the bubble
	}
}

// cut breaks the connection; it comes back after a second.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.up)
}

// say brings a message to the hub.
func (w *wire) say(topic string, retained bool, payload []byte) {
	w.mu.Lock()
	w.serial++
	id := w.serial
	m := Message{Topic: topic, Payload: payload, Retained: retained, Done: func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.pending, id)
	}}
	w.pending[id] = m
	peer, ctx := w.peer, w.ctx
	w.mu.Unlock()
	if peer != nil {
		peer.Take(ctx, m)
	}
}

func (w *wire) unacknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending)
}

func (w *wire) Send(topic string, retained bool, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.refuse != nil:
		return w.refuse
	case w.peer == nil:
		return errNotConnected
	}
	w.sent = append(w.sent, Message{Topic: topic, Retained: retained, Payload: payload})
	close(w.told)
	w.told = make(chan struct{})
	return nil
}

func (w *wire) Publish(_ context.Context, topic string, retained bool, payload []byte) error {
	return w.Send(topic, retained, payload)
}

// on returns what was sent on a topic.
func (w *wire) on(topic string) (list []Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.sent {
		if m.Topic == topic {
			list = append(list, m)
		}
	}
	return list
}

// acked is the last acknowledgment that a panel was sent.
func (w *wire) acked(t *testing.T, site, panel string) (stored telemetry.Ack, again []telemetry.Ack) {
	t.Helper()
	for _, m := range w.on(telemetry.AckTopic(site, panel)) {
		ack, err := telemetry.DecodeAck(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if ack.Again() {
			again = append(again, ack)
		} else {
			stored = ack
		}
	}
	return stored, again
}

const (
	siteID  = "villa"
	panelID = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
)

// world is a hub in a bubble, with everything around it in memory.
type world struct {
	*Hub
	t     *testing.T
	store *memory
	wire  *wire
	key   ed25519.PrivateKey
	stop  func()
}

// inWorld runs a test in a bubble around a hub that has started.
func inWorld(t *testing.T, prepare func(*world, *Options), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: newMemory(), wire: newWire(), key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
		w.store.sites = []fleet.Site{{ID: siteID, Name: "Villa Rossi", Zone: "Europe/Rome", Language: "en"}}
		w.store.panels = []fleet.Panel{{ID: panelID, Name: "Front", Site: siteID, Serial: "1"}}
		o := Options{
			Link: w.wire, Store: w.store, CommandKey: w.key.Public().(ed25519.PublicKey),
			Sign: func(m []byte) ([]byte, error) { return ed25519.Sign(w.key, m), nil },
		}
		if prepare != nil {
			prepare(w, &o)
		}
		w.start(o)
		defer func() { w.stop() }() // a test may have started another one
		test(w)
	})
}

func (w *world) start(o Options) {
	w.t.Helper()
	h, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Hub = h
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
	synctest.Wait()
}

// pass lets time go by and everything that follows from it happen.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) say(topic string, payload []byte) {
	w.wire.say(topic, false, payload)
	synctest.Wait()
}

func (w *world) reason(r Reason) uint64 {
	for _, c := range w.Refusals() {
		if c.Reason == r {
			return c.Count
		}
	}
	return 0
}

// diary is a panel's journal as it sends it.
type diary struct {
	site, panel, epoch string
	events             []telemetry.Event
}

func newDiary(panel string) *diary { return &diary{site: siteID, panel: panel, epoch: "e1"} }

func chainOf(parts ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return hex.EncodeToString(sum[:16])
}

// write appends n entries and returns them.
func (d *diary) write(n int) []telemetry.Event {
	for range n {
		seq, prev := uint64(len(d.events)+1), chainOf("begin")
		if len(d.events) > 0 {
			prev = d.events[len(d.events)-1].Chain
		}
		d.events = append(d.events, telemetry.Event{
			Epoch: d.epoch, Boot: "b1", Seq: seq, Time: time.Unix(1_800_000_000, 0).UTC(), Trusted: true, Kind: "door.opened", Door: "front",
			Prev: prev, Chain: chainOf(prev, seq),
		})
	}
	return d.events[len(d.events)-n:]
}

func encoded(t testing.TB, v interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (w *world) send(d *diary, events ...telemetry.Event) {
	for _, e := range events {
		w.wire.say(telemetry.EventTopic(d.site, d.panel), false, encoded(w.t, e))
	}
	synctest.Wait()
}

// wantStored holds that exactly these numbers are stored, in this order.
func (w *world) wantStored(panel string, from, to uint64) {
	w.t.Helper()
	var got []uint64
	for _, r := range read(w.store, func() []fleet.Received { return slices.Clone(w.store.events) }) {
		if r.Panel == panel {
			got = append(got, r.Event.Seq)
		}
	}
	var want []uint64
	for seq := from; seq <= to; seq++ {
		want = append(want, seq)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("stored %v, want %d to %d", got, from, to)
	}
}

func online(boot string, mono uint64) telemetry.Status {
	return telemetry.Status{
		Online: true, Boot: boot, Epoch: "e1", Seq: 1, Version: "1.0.0", MonoMS: mono, HeartbeatS: 30,
		Doors: map[string]telemetry.Door{"front": {Contact: "closed"}}, ClockTrusted: true,
	}
}

func (w *world) status(panel string, s telemetry.Status, retained bool) {
	w.wire.say(telemetry.StatusTopic(siteID, panel), retained, encoded(w.t, s))
	synctest.Wait()
}

func (w *world) situation() monitor.Site {
	w.t.Helper()
	s, ok := w.Situation(siteID)
	if !ok {
		w.t.Fatal("the site is not watched")
	}
	return s
}
