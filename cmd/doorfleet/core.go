package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/drivers/sim"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/orders"
	"github.com/doorpanel/doorpanel/panel/outbox"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

// The doors and readers of every panel of the fleet.
const (
	front     = "front"
	gate      = "gate"
	frontIn   = "front-in"
	frontOut  = "front-out"
	gateIn    = "gate-in"
	buttons   = 3
	pulse     = 3 * time.Second
	heldAfter = 45 * time.Second
)

// core is one panel from its making to the end of the program: who it is, what it keeps on disk, its line to the network, and
// while it has power the life it leads.
type core struct {
	index  int // in the fleet, from 1
	name   string
	site   *place
	id     string
	key    ed25519.PrivateKey
	dir    string
	line   *line
	clock  *coreClock
	rights rights
	dials  func(*uplink.Options) error // how the panel reaches its broker: address, identity, who may order
	meter  *meter
	log    *slog.Logger

	timing timing

	mu   sync.Mutex
	life *life // nil without power
	// odd is why the hub may rightly hold something else than this panel's journal says; empty: it may not.
	odd string
}

// timing is how often a panel speaks. Zero values are those of a real panel.
type timing struct{ heartbeat, keepAlive, resendAfter, retry, retryLimit time.Duration }

// life is a panel between two boots.
type life struct {
	boot      string
	started   time.Time
	journal   *storage.Journal
	pen       *pen
	agent     *agent.Agent
	hardware  *sim.Hardware
	uplink    *uplink.Uplink
	box       *outbox.Outbox
	connected atomic.Bool
	cause     atomic.Pointer[string]

	stopCore, stopUplink context.CancelFunc
	coreEnded, upEnded   sync.WaitGroup
}

// pen is the journal as the agent writes it. A panel that lost its power writes nothing more, not even that it stops.
type pen struct {
	*storage.Journal
	dead atomic.Bool
}

var errNoPower = errors.New("cannot write the journal: the panel has no power")

func (p *pen) Append(open, personal []byte) (uint64, <-chan error, error) {
	if p.dead.Load() {
		return 0, nil, errNoPower
	}
	return p.Journal.Append(open, personal)
}

// loadKey reads who a panel is, or makes it somebody.
func loadKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, "panel.key")
	seed, err := os.ReadFile(path)
	if err == nil && len(seed) == ed25519.SeedSize {
		return ed25519.NewKeyFromSeed(seed), nil
	}
	if err == nil {
		return nil, fmt.Errorf("cannot use key %s: it has %d bytes, not %d; remove the directory to make another panel", path, len(seed), ed25519.SeedSize)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	seed = make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, err
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, seed, 0o600)); err != nil {
		return nil, fmt.Errorf("cannot keep key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func newID(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw) // it cannot fail, crypto/rand says
	return hex.EncodeToString(raw)
}

// segmentBytes keeps a thousand journals small on disk.
const segmentBytes = 64 << 10

func (c *core) openJournal() (*storage.Journal, error) {
	// Each panel in the field has a disk of its own. A thousand that share one here would measure its syncs: they are left out.
	journal, _, err := storage.OpenJournal(storage.JournalOptions{
		Dir: c.dir, SegmentBytes: segmentBytes, Holding: []string{outbox.Cursor}, NoSync: true, Logger: c.log,
	})
	return journal, err
}

// replay reads what the machine must know again, from the whole journal.
func replay(journal *storage.Journal) (*agent.Replay, error) {
	r := &agent.Replay{}
	for after := uint64(0); ; {
		frames, err := journal.Read(after, 1024)
		if err != nil || len(frames) == 0 {
			return r, err
		}
		for _, f := range frames {
			if f.Gap == nil {
				if record, err := agent.Decode(f.Open, f.Personal); err == nil {
					r.Add(record)
				}
			}
			after = f.Seq
		}
	}
}

// powerOn boots the panel. One that has power stays as it is.
func (c *core) powerOn() error { return c.boot(true) }

func (c *core) boot(online bool) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != nil {
		return nil
	}
	l := &life{boot: newID(8), started: time.Now()}
	if l.journal, err = c.openJournal(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.journal.Close())
		}
	}()
	remembered, err := replay(l.journal)
	if err != nil {
		return err
	}
	c.clock.boot()
	l.pen = &pen{Journal: l.journal}
	if err = c.makeHardware(l); err != nil {
		return err
	}
	rules := c.rules(l.boot)
	l.agent = agent.New(agent.Options{
		Panel: panel.New(rules, c.rights.entitlements, remembered.Memory(), c.clock.now()), Key: c.key.Public().(ed25519.PublicKey), Boot: l.boot,
		Journal: l.pen, Phone: deadPhone{l}, Hardware: hands{l.hardware}, Lookups: people{}, Button: button, Doors: []string{front, gate},
		Clock: c.clock.now, Replay: remembered, Logger: c.log,
	})
	if online {
		if err = c.makeUplink(l); err != nil {
			return err
		}
	}
	c.start(l)
	c.life = l
	return nil
}

func (c *core) rules(boot string) panel.Rules {
	return panel.Rules{
		ID: c.id, Boot: boot, Words: panel.WordsIn("en"), Zone: c.site.zone, RingFor: 20 * time.Second, TalkFor: time.Minute, Policy: access.Open,
		Doors: []panel.DoorRules{
			{Name: front, Pulse: pulse, OpenDigit: '1', HeldAfter: heldAfter, HeldWarning: 10 * time.Second},
			{Name: gate, Pulse: pulse, HeldAfter: heldAfter},
		},
		Readers: []panel.Reader{
			{Name: frontIn, Door: front, Direction: panel.In}, {Name: frontOut, Door: front, Direction: panel.Out},
			{Name: gateIn, Door: gate, Direction: panel.In},
		},
	}
}

// makeHardware wires the simulated hardware to the agent, which is made after it and runs before it.
func (c *core) makeHardware(l *life) error {
	h, err := sim.New(sim.Options{
		Doors: []string{front, gate}, Readers: []string{frontIn, frontOut, gateIn}, Buttons: buttons, Trace: 16, Now: c.clock.wall,
		Callbacks: sim.Callbacks{
			Press: func(n int) { l.agent.Press(n) },
			Badge: func(reader, uid string) { l.agent.Card(reader, uid) },
			Key:   func(reader string, key rune) { l.agent.Key(reader, key) },
			Contact: func(door string, open bool) {
				if open {
					l.agent.Post(panel.DoorOpened{Door: door})
				} else {
					l.agent.Post(panel.DoorClosed{Door: door})
				}
			},
			Input: func(input string, on bool) { l.input(input, on) },
			Fault: func(name string, dead bool) {
				l.agent.Post(panel.DeviceChanged{Device: name, Dead: dead, Cause: "switched off by the story"})
			},
			ReadBack: func(door string, on bool) { l.agent.Post(panel.StrikeReadBack{Door: door, On: on}) },
		},
	})
	l.hardware = h
	return err
}

func (l *life) input(name string, on bool) {
	switch {
	case name == "exit" && on:
		l.agent.Post(panel.ExitRequested{Door: front})
	case name == "fire" && on:
		l.agent.Post(panel.FireAlarm{})
	case name == "fire":
		l.agent.Post(panel.Cleared{Input: panel.Fire})
	case name == "tamper" && on:
		l.agent.Post(panel.Tampered{})
	case name == "tamper":
		l.agent.Post(panel.Cleared{Input: panel.Tamper})
	}
}

func (c *core) makeUplink(l *life) error {
	box, err := outbox.New(l.journal)
	if err != nil {
		return err
	}
	l.box = box
	o := uplink.Options{
		Panel: c.id, Site: c.site.id, Boot: l.boot, Hub: true, Dial: c.line.dial, Logger: c.log,
		Heartbeat: c.timing.heartbeat, KeepAlive: c.timing.keepAlive, ResendAfter: c.timing.resendAfter, Retry: c.timing.retry, RetryLimit: c.timing.retryLimit,
		Status: func() telemetry.Status { return c.status(l) },
		State: func(connected bool, cause string) {
			if l.connected.Swap(connected) != connected {
				c.meter.connection(connected)
			}
			l.cause.Store(&cause)
		},
	}
	if err := c.dials(&o); err != nil {
		return err
	}
	o.Command = c.orderDesk(l).Take
	if l.uplink, err = uplink.New(o, &timedOutbox{Outbox: box, meter: c.meter}); err != nil {
		return err
	}
	box.DoorChanged = l.uplink.StatusChanged
	return nil
}

func (c *core) status(l *life) telemetry.Status {
	now, view := c.clock.now(), l.agent.View()
	s := telemetry.Status{
		Online: true, Boot: l.boot, Epoch: l.journal.Epoch(), Seq: l.journal.Durable(), Version: "doorfleet", Since: l.started,
		MonoMS: uint64(now.Mono.Milliseconds()), Accounts: map[string]string{}, Doors: map[string]telemetry.Door{}, ClockTrusted: now.Trusted,
	}
	for _, d := range view.Doors {
		door := telemetry.Door{Open: d.Released, Contact: "closed"}
		if d.Open {
			door.Contact = "open"
		}
		switch {
		case view.Fire:
			door.Alarm = "fire"
		case d.Forced:
			door.Alarm = "forced"
		case d.Held:
			door.Alarm = "held"
		}
		s.Doors[d.Name] = door
	}
	return s
}

// orderDesk takes the orders that come from upstream.
func (c *core) orderDesk(l *life) orders.Desk {
	keys := map[envelope.KeyID]ed25519.PublicKey{}
	for _, k := range c.rights.orders {
		keys[envelope.IDOf(k)] = k
	}
	return orders.Desk{Core: l.agent, Keys: keys, Note: func(e panel.Noted) { l.agent.Post(e) }, Reply: func(r telemetry.Reply) { l.uplink.Reply(r) }}
}

// start runs a life until it is stopped.
func (c *core) start(l *life) {
	var up context.Context
	core, stopCore := context.WithCancel(context.Background())
	up, l.stopUplink = context.WithCancel(context.Background())
	l.stopCore = stopCore
	l.coreEnded.Go(func() {
		if err := l.agent.Run(core); err != nil {
			c.log.Error("the panel's loop ended", "cause", err)
		}
	})
	l.coreEnded.Go(func() { _ = l.hardware.Run(core) })
	if l.uplink == nil {
		return
	}
	l.upEnded.Go(func() {
		if err := l.uplink.Run(up); err != nil {
			c.log.Error("the uplink ended", "cause", err)
			c.meter.fault(fmt.Sprintf("panel %d: %v", c.index, err))
		}
		if l.connected.Swap(false) {
			c.meter.connection(false)
		}
	})
}

// alive is the life that the panel leads now, nil without power.
func (c *core) alive() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
}

// stop ends a life as an administrator does: strikes safe, last entry, goodbye upstream.
func (c *core) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		return nil
	}
	l := c.life
	c.life = nil
	l.stopCore()
	l.coreEnded.Wait()
	l.stopUplink()
	l.upEnded.Wait()
	return l.journal.Close()
}

// powerOff ends a life as a power cut does: nothing more is written or sent, and nobody is told.
func (c *core) powerOff() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		return nil
	}
	l := c.life
	c.life = nil
	l.pen.dead.Store(true)
	c.line.powerOff()
	l.stopCore()
	l.stopUplink()
	l.coreEnded.Wait()
	l.upEnded.Wait()
	return l.journal.Close()
}

// waiting is how many durable entries the hub has not acknowledged.
func (c *core) waiting() uint64 {
	l := c.alive()
	if l == nil {
		return 0
	}
	cursor, err := l.journal.Cursor(outbox.Cursor)
	if err != nil {
		return 0
	}
	done, last := cursor.Get(), l.journal.Durable()
	return last - min(done, last)
}

// deadPhone is a telephone that nobody answers: calls ring out.
type deadPhone struct{ life *life }

func (p deadPhone) Place(call, _, _ string) {
	p.life.agent.Post(panel.CallFailed{Call: call, Reason: panel.NoAnswer, Detail: "nobody is at home in a simulated house"})
}
func (deadPhone) HangUp(string)           {}
func (deadPhone) SetAccount(string, bool) {}

// hands puts the core's actions into the words of the simulated hardware.
type hands struct{ h *sim.Hardware }

func (s hands) SetStrike(door string, on bool, _ time.Duration) error { return s.h.SetStrike(door, on) }

func (s hands) Signal(signal panel.Signal) {
	if signal.Light != "" {
		_ = s.h.Light("status", string(signal.Light))
	}
	if signal.Text != "" || signal.Clear {
		_ = s.h.Text(signal.Text)
	}
}

func button(n int) panel.CallButtonPressed {
	return panel.CallButtonPressed{Button: n, Label: fmt.Sprintf("flat %d", n), Target: fmt.Sprintf("sip:flat%d@192.168.1.10", n), Route: panel.LAN}
}
