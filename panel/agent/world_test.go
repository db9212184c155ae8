package agent_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// world is an agent with everything around it in memory. All that the panel does stands in one list, in its order.
type world struct {
	t     *testing.T
	agent *agent.Agent
	start time.Time
	end   func() error // stops the agent and returns what Run returned; nil before Run

	mu       sync.Mutex
	did      []string
	entries  []agent.Record
	disk     time.Duration // until an entry is durable; see the constants
	shift    time.Duration
	unknown  bool
	hold     chan struct{} // while not nil the display keeps the loop until it is closed
	dead     string        // a door whose strike fails
	facts    map[string]panel.Facts
	lookups  error
	hang     chan struct{} // while not nil lookups hang until it is closed
	existing *agent.Replay
	rights   license.Entitlements
	key      ed25519.PrivateKey // the panel's
}

const (
	diskRefuses time.Duration = -1 // Append fails
	diskFails   time.Duration = -2 // the word is that it failed
	diskSilent  time.Duration = -3 // no word ever
)

func newWorld(t *testing.T) *world {
	return &world{t: t, start: time.Now(), facts: map[string]panel.Facts{
		"card 04AA": {Person: "Bianchi", Rights: []access.Right{{}}, Credential: access.Credential{ID: "c1", Person: "p1", Kind: access.Card}},
		"code 1234": {Person: "Bianchi", Rights: []access.Right{{}}, Credential: access.Credential{ID: "c2", Person: "p1", Kind: access.Code}},
	}, rights: accessControl(t), key: keyOf("p")}
}

func (w *world) rules() panel.Rules {
	return panel.Rules{
		ID: "me", Boot: boot, Words: panel.WordsIn("en"), RingFor: time.Minute, TalkFor: time.Minute,
		Doors:   []panel.DoorRules{{Name: "front", Pulse: 3 * time.Second, OpenDigit: '1'}, {Name: "gate", Pulse: 8 * time.Second}},
		Readers: []panel.Reader{{Name: "front-in", Door: "front", Direction: panel.In}, {Name: "gate-in", Door: "gate"}},
	}
}

const boot = "00112233445566ff"

// make composes the agent; run starts it and waits until it has come to rest.
func (w *world) make() *agent.Agent {
	replay := w.existing
	if replay == nil {
		replay = &agent.Replay{}
	}
	w.agent = agent.New(agent.Options{
		Panel: panel.New(w.rules(), w.rights, replay.Memory(), w.Clock()), Boot: boot, Key: w.key.Public().(ed25519.PublicKey), Journal: w, Phone: w, Hardware: w, Lookups: w,
		Button: func(n int) panel.CallButtonPressed {
			return panel.CallButtonPressed{Button: n, Label: "Rossi", Target: "sip:rossi@192.0.2.10", Route: panel.LAN}
		},
		Doors: []string{"front", "gate"}, Clock: w.Clock, Seal: func(recipient string, duress bool) ([]byte, error) {
			return fmt.Appendf(nil, "to %s: %-5v", recipient, duress), nil
		}, Replay: replay, Logger: slog.New(slog.DiscardHandler),
	})
	return w.agent
}

func (w *world) run() *agent.Agent {
	a := w.make()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	w.end = func() error {
		cancel()
		return <-ended
	}
	synctest.Wait()
	return a
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) note(format string, args ...any) {
	w.did = append(w.did, fmt.Sprintf(format, args...))
}

// since returns and forgets what was done.
func (w *world) since() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	did := w.did
	w.did = nil
	return did
}

// expect compares what was done since the last look.
func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.since(); !slices.Equal(got, want) {
		w.t.Errorf("the panel did\n  %s\nand not\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// sees reports what was done since the last look and begins with a prefix.
func (w *world) sees(prefix string) []string {
	return slices.DeleteFunc(w.since(), func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

func (w *world) Clock() panel.Now {
	w.mu.Lock()
	defer w.mu.Unlock()
	return panel.Now{Mono: time.Since(w.start) + time.Minute, Wall: time.Now().Add(w.shift), Trusted: !w.unknown}
}

func (w *world) Append(open, personal []byte) (uint64, <-chan error, error) {
	record, err := agent.Decode(open, personal)
	if err != nil {
		w.t.Errorf("what was written cannot be read: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := record.Entry
	w.note("%s", strings.TrimSpace(fmt.Sprintf("journal %s %s %s", e.Kind, e.Door, e.Why)))
	done := make(chan error, 1)
	switch w.disk {
	case diskRefuses:
		return 0, nil, errors.New("no space")
	case diskFails:
		done <- errors.New("input/output error")
	case diskSilent:
	case 0:
		done <- nil
	default:
		time.AfterFunc(w.disk, func() { done <- nil })
	}
	w.entries = append(w.entries, record)
	return uint64(len(w.entries)), done, nil
}

func (w *world) SetStrike(door string, on bool, length time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := "off"
	if on {
		state = "on " + length.String()
	}
	w.note("strike %s %s", door, state)
	if w.dead == door {
		return errors.New("no such line")
	}
	return nil
}

func (w *world) Signal(s panel.Signal) {
	w.mu.Lock()
	w.note("%s", strings.TrimSpace(fmt.Sprintf("show %s %s %s", s.Light, s.Tone, s.Text)))
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (w *world) Place(call, target, account string) {
	w.set(func() { w.note("%s calls %s %s", call, target, account) })
}

func (w *world) HangUp(call string) { w.set(func() { w.note("%s is hung up", call) }) }

func (w *world) SetAccount(account string, on bool) {
	w.set(func() { w.note("register %s %v", account, on) })
}

func (w *world) Facts(kind access.Kind, shown string) (panel.Facts, error) {
	w.mu.Lock()
	hang := w.hang
	w.mu.Unlock()
	if hang != nil {
		<-hang
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts[string(kind)+" "+shown], w.lookups
}

// typed presses keys one after the other.
func (w *world) typed(keys string) {
	for _, key := range keys {
		w.agent.Key("front-in", key)
		synctest.Wait()
	}
}
