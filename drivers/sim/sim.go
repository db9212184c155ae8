// Package sim holds all the hardware of a panel in memory: buttons, readers, inputs and contacts that a person or a
// test moves through /sim, and strikes, lights, tones and a display whose changes are kept as a trace.
//
// It decides nothing: an event goes to a callback, an output is remembered and shown. It does not check who calls
// /sim (loopback and Host are the business of the page server in front of it), and it does not read QR pictures by
// itself: the decoder is handed in.
package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// TraceLength is how many trace items are kept for GET /sim/state and for a reader of /sim/events that returns.
	TraceLength = 1000
	// MaxText is the longest code in bytes that the simulated scanner reads, as with the real ones.
	MaxText = 4096
	// MaxImage is the largest picture in bytes that POST /sim/scan takes.
	MaxImage = 4 << 20

	maxKeys     = 64
	maxUID      = 16
	eventQueue  = 1024
	imageQueue  = 4
	maxWatchers = 64
)

// Names of the devices that every simulated panel has, for POST /sim/fault and in the trace.
const (
	Display = "display"
	Lights  = "lights"
	Speaker = "speaker"
)

// Relay and a door's name, such as relay-front, name the relay of its strike for POST /sim/fault: one that is dead sticks,
// and the strike stays as it is whatever it is told.
const Relay = "relay-"

// ErrBusy is returned when events arrive faster than the callbacks take them: nothing was queued, try again.
var ErrBusy = errors.New("cannot take event: the simulated hardware is busy, try again")

// ErrNoDevice is wrapped by the errors that name a device, key or value that this hardware does not have.
var ErrNoDevice = errors.New("no such device")

// ErrDead is wrapped by every error of a device that was declared dead by Fault.
var ErrDead = errors.New("device is dead")

// Callbacks receive what happens at the hardware, one at a time and in order, from the goroutine of Run. A callback
// that is nil drops its event. One that waits holds up the following events, never an HTTP handler. Scan and
// ScanFailed of a picture come from a goroutine of their own, because reading a picture takes long.
type Callbacks struct {
	Press      func(button int)
	Badge      func(reader, uid string) // uid in upper-case hexadecimal without separators
	Key        func(reader string, key rune)
	Scan       func(reader, text string)
	ScanFailed func(reader string, cause error)
	Contact    func(door string, open bool)
	Input      func(input string, on bool)
	Clock      func(now time.Time, trusted bool)
	Fault      func(device string, dead bool)
	// ReadBack is what a strike does, told at each change and when its relay begins to stick or comes loose.
	ReadBack func(door string, on bool)
}

// Options say which hardware there is. The zero value is the panel of the contract: door front, readers front-in and
// front-out, inputs exit, fire, tamper and service, eight buttons, a contact for each door, a trusted clock.
type Options struct {
	Doors   []string
	Readers []string
	Inputs  []string
	Buttons int // numbered from 1

	Callbacks Callbacks

	// Decode reads a code from a PNG or JPEG picture. Without it every picture is a failed scan.
	Decode func(picture []byte) (string, error)
	// Extra adds fields to GET /sim/state ("phone" of the demo). It is called for each request and must not block.
	Extra func() map[string]any
	// ClockUntrusted starts the hardware with a clock that is not trusted, as a board without a battery does.
	ClockUntrusted bool
	// Now is the host's clock; time.Now when nil.
	Now func() time.Time
	// Trace is how many trace items are kept; TraceLength unless positive. A thousand panels in one process keep few.
	Trace int
}

// Item is one visible change of an output.
type Item struct {
	At     time.Time `json:"at"`      // the panel's wall clock, as /sim/clock sets it
	MonoMS int64     `json:"mono_ms"` // milliseconds since the hardware was made; never set back
	Kind   string    `json:"kind"`    // strike, light, tone or text
	Name   string    `json:"name"`    // the door, the light, "speaker", "display"
	Value  any       `json:"value"`   // strike: true = released; else the light's state, the tone's name, the text
}

// Strike is the state of one door's strike.
type Strike struct {
	On    bool      `json:"on"` // released: the door can be opened
	Since time.Time `json:"since"`
}

// Hardware is a panel's hardware in memory. Its methods may be called from any goroutine.
type Hardware struct {
	o       Options
	started time.Time
	events  chan func()
	images  chan image
	done    chan struct{}

	mu        sync.Mutex
	strikes   map[string]Strike
	told      map[string]bool // what each strike was told, by door
	lights    map[string]string
	contacts  map[string]bool
	inputs    map[string]bool
	dead      map[string]bool
	text      string
	setupCode string
	offset    time.Duration // the panel's clock minus the host's
	trusted   bool
	trace     []Item
	last      uint64 // number of the newest item; items are numbered from 1
	watchers  map[chan struct{}]bool
}

type image struct {
	reader string
	data   []byte
}

// New makes the hardware with all strikes off. Events wait until Run is called.
func New(o Options) (*Hardware, error) {
	if len(o.Doors) == 0 {
		o.Doors = []string{"front"}
	}
	if len(o.Readers) == 0 {
		o.Readers = []string{"front-in", "front-out"}
	}
	if len(o.Inputs) == 0 {
		o.Inputs = []string{"exit", "fire", "tamper", "service"}
	}
	if o.Buttons == 0 {
		o.Buttons = 8
	}
	if o.Buttons < 0 {
		return nil, fmt.Errorf("cannot make simulated hardware: %d buttons; write a number from 1", o.Buttons)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Trace <= 0 {
		o.Trace = TraceLength
	}
	seen := map[string]bool{Display: true, Lights: true, Speaker: true}
	for _, name := range slices.Concat(o.Doors, o.Readers, o.Inputs) {
		if name == "" || seen[name] {
			return nil, fmt.Errorf("cannot make simulated hardware: device name %q is empty or used twice; give each device its own name", name)
		}
		seen[name] = true
	}
	h := &Hardware{
		o: o, started: o.Now(), trusted: !o.ClockUntrusted,
		events: make(chan func(), eventQueue), images: make(chan image, imageQueue), done: make(chan struct{}),
		strikes: map[string]Strike{}, told: map[string]bool{}, lights: map[string]string{}, contacts: map[string]bool{}, inputs: map[string]bool{},
		dead: map[string]bool{}, watchers: map[chan struct{}]bool{},
	}
	for _, door := range o.Doors {
		h.strikes[door] = Strike{Since: h.started.Round(0)}
		h.contacts[door] = false
	}
	for _, input := range o.Inputs {
		h.inputs[input] = false
	}
	return h, nil
}

// Run hands events to the callbacks until ctx ends; then all strikes are off and the readers of /sim/events are sent
// away. It is called once.
func (h *Hardware) Run(ctx context.Context) error {
	var reading sync.WaitGroup
	reading.Go(func() { h.readImages(ctx) })
	defer func() {
		reading.Wait()
		for _, door := range h.o.Doors {
			h.setStrike(door, false)
		}
		close(h.done)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-h.events:
			event()
		}
	}
}

func (h *Hardware) readImages(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case i := <-h.images:
			text, err := "", errors.New("cannot read picture: this panel has no picture decoder")
			if h.o.Decode != nil {
				text, err = h.o.Decode(i.data)
			}
			if err == nil && len(text) > MaxText {
				err = tooLong(len(text))
			}
			if err != nil {
				call(h.o.Callbacks.ScanFailed, i.reader, err)
			} else {
				call(h.o.Callbacks.Scan, i.reader, text)
			}
		}
	}
}

func tooLong(n int) error {
	return fmt.Errorf("cannot read code: %d bytes; the scanner reads at most %d", n, MaxText)
}

func call[A, B any](f func(A, B), a A, b B) {
	if f != nil {
		f(a, b)
	}
}

// enqueue takes all of the events or none.
func (h *Hardware) enqueue(events ...func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Only enqueue adds to the channel, under the lock: the free room can grow but not shrink meanwhile.
	if cap(h.events)-len(h.events) < len(events) {
		return ErrBusy
	}
	for _, e := range events {
		h.events <- e
	}
	return nil
}

func (h *Hardware) alive(kind string, known []string, name string) error {
	if !slices.Contains(known, name) {
		return fmt.Errorf("%w: %s %q; there is %s", ErrNoDevice, kind, name, strings.Join(known, ", "))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead[name] {
		return fmt.Errorf("cannot use %s %q: %w", kind, name, ErrDead)
	}
	return nil
}

// Press presses and releases a call button.
func (h *Hardware) Press(button int) error {
	if button < 1 || button > h.o.Buttons {
		return fmt.Errorf("%w: button %d; there are 1 to %d", ErrNoDevice, button, h.o.Buttons)
	}
	return h.enqueue(func() {
		if h.o.Callbacks.Press != nil {
			h.o.Callbacks.Press(button)
		}
	})
}

// Badge presents a card. The uid is hexadecimal, of either case, with or without ':', '-' or ' ' between the bytes.
func (h *Hardware) Badge(reader, uid string) error {
	if err := h.alive("reader", h.o.Readers, reader); err != nil {
		return err
	}
	plain := strings.NewReplacer(":", "", "-", "", " ", "").Replace(uid)
	raw, err := hex.DecodeString(plain)
	if err != nil || len(raw) == 0 || len(raw) > maxUID {
		return fmt.Errorf("cannot present card: uid %.40q is not hexadecimal of 1 to %d bytes, like 04A1B2C3", uid, maxUID)
	}
	return h.enqueue(func() { call(h.o.Callbacks.Badge, reader, strings.ToUpper(plain)) })
}

// Keys types on a reader's keypad: digits, '#' and '*'. All keys are taken or none.
func (h *Hardware) Keys(reader, keys string) error {
	if err := h.alive("reader", h.o.Readers, reader); err != nil {
		return err
	}
	if keys == "" || len(keys) > maxKeys {
		return fmt.Errorf("cannot type %d keys: write 1 to %d", len(keys), maxKeys)
	}
	events := make([]func(), 0, len(keys))
	for _, key := range keys {
		if !strings.ContainsRune("0123456789#*", key) {
			return fmt.Errorf("%w: key %q; the keypad has 0 to 9, # and *", ErrNoDevice, key)
		}
		events = append(events, func() { call(h.o.Callbacks.Key, reader, key) })
	}
	return h.enqueue(events...)
}

// Scan holds a code's text before a reader; an empty reader is the first one. Text that no scanner could read whole
// becomes a failed scan.
func (h *Hardware) Scan(reader, text string) error {
	reader, err := h.scanner(reader)
	if err != nil {
		return err
	}
	if len(text) > MaxText {
		return h.enqueue(func() { call(h.o.Callbacks.ScanFailed, reader, tooLong(len(text))) })
	}
	return h.enqueue(func() { call(h.o.Callbacks.Scan, reader, text) })
}

// ScanImage holds a picture (PNG or JPEG) before a reader; an empty reader is the first one. The bytes belong to the
// hardware from then on.
func (h *Hardware) ScanImage(reader string, picture []byte) error {
	reader, err := h.scanner(reader)
	if err != nil {
		return err
	}
	if len(picture) > MaxImage {
		return fmt.Errorf("cannot scan picture: %d bytes; the limit is %d", len(picture), MaxImage)
	}
	select {
	case h.images <- image{reader, picture}:
		return nil
	default:
		return ErrBusy
	}
}

func (h *Hardware) scanner(reader string) (string, error) {
	if reader == "" {
		reader = h.o.Readers[0]
	}
	return reader, h.alive("reader", h.o.Readers, reader)
}

// Contact opens or closes the door leaf that a contact watches.
func (h *Hardware) Contact(door string, open bool) error {
	if err := h.alive("door", h.o.Doors, door); err != nil {
		return err
	}
	h.mu.Lock()
	h.contacts[door] = open
	h.mu.Unlock()
	return h.enqueue(func() { call(h.o.Callbacks.Contact, door, open) })
}

// Input switches an input on or off.
func (h *Hardware) Input(input string, on bool) error {
	if err := h.alive("input", h.o.Inputs, input); err != nil {
		return err
	}
	h.mu.Lock()
	h.inputs[input] = on
	h.mu.Unlock()
	return h.enqueue(func() { call(h.o.Callbacks.Input, input, on) })
}

// SetClock sets the panel's wall clock and whether it is to be trusted; from then on it runs with the host's.
func (h *Hardware) SetClock(now time.Time, trusted bool) error {
	h.mu.Lock()
	h.offset = now.Sub(h.o.Now().Round(0))
	h.trusted = trusted
	h.mu.Unlock()
	return h.enqueue(func() { call(h.o.Callbacks.Clock, now, trusted) })
}

// Clock is the panel's wall clock, without a monotonic part, and whether it is trusted.
func (h *Hardware) Clock() (now time.Time, trusted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now(), h.trusted
}

func (h *Hardware) now() time.Time { return h.o.Now().Round(0).Add(h.offset) }

// Fault kills a device or brings it back: a door (its strike and contact), the relay of a door, a reader, an input, Display,
// Lights or Speaker. A dead output returns errors and keeps its state, except that a dead strike is off. A relay that
// comes loose does what it was told last.
func (h *Hardware) Fault(device string, dead bool) error {
	if door, ok := strings.CutPrefix(device, Relay); ok && slices.Contains(h.o.Doors, door) {
		h.stick(door, dead)
		return nil
	}
	known := slices.Concat(h.o.Doors, h.o.Readers, h.o.Inputs, []string{Display, Lights, Speaker})
	if !slices.Contains(known, device) {
		return fmt.Errorf("%w: %q; there is %s", ErrNoDevice, device, strings.Join(known, ", "))
	}
	h.mu.Lock()
	h.dead[device] = dead
	h.mu.Unlock()
	if dead && slices.Contains(h.o.Doors, device) {
		h.setStrike(device, false)
	}
	return h.enqueue(func() { call(h.o.Callbacks.Fault, device, dead) })
}

// SetStrike releases (on) or locks a door. Only a change is traced.
func (h *Hardware) SetStrike(door string, on bool) error {
	if err := h.alive("door", h.o.Doors, door); err != nil {
		return err
	}
	h.setStrike(door, on)
	return nil
}

func (h *Hardware) setStrike(door string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told[door] = on
	h.moveStrike(door)
}

// moveStrike must be called with the lock held. A relay that sticks does not follow.
func (h *Hardware) moveStrike(door string) {
	on := h.told[door]
	if h.strikes[door].On == on || h.dead[Relay+door] {
		return
	}
	h.strikes[door] = Strike{On: on, Since: h.now()}
	h.record("strike", door, on)
	h.readBack(door)
}

func (h *Hardware) stick(door string, stuck bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead[Relay+door] = stuck
	h.moveStrike(door)
	h.readBack(door)
}

// readBack must be called with the lock held. A full queue drops what is told again with the next change.
func (h *Hardware) readBack(door string) {
	on := h.strikes[door].On
	select {
	case h.events <- func() { call(h.o.Callbacks.ReadBack, door, on) }:
	default:
	}
}

// Light sets a light, named freely, to a state such as "green" or "off". Only a change is traced.
func (h *Hardware) Light(name, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead[Lights] {
		return fmt.Errorf("cannot set light %q: %w", name, ErrDead)
	}
	if old, known := h.lights[name]; known && old == value {
		return nil
	}
	h.lights[name] = value
	h.record("light", name, value)
	return nil
}

// Tone sounds a named tone.
func (h *Hardware) Tone(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead[Speaker] {
		return fmt.Errorf("cannot sound tone %q: %w", name, ErrDead)
	}
	h.record("tone", Speaker, name)
	return nil
}

// Text shows a text on the display until the next one.
func (h *Hardware) Text(text string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead[Display] {
		return fmt.Errorf("cannot show text: display: %w", ErrDead)
	}
	h.text = text
	h.record("text", Display, text)
	return nil
}

// SetupCode shows the code of the first run in GET /sim/state; "" takes it away.
func (h *Hardware) SetupCode(code string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.setupCode = code
}

// Strikes is the state of every strike by door.
func (h *Hardware) Strikes() map[string]Strike {
	h.mu.Lock()
	defer h.mu.Unlock()
	strikes := make(map[string]Strike, len(h.strikes))
	for door, s := range h.strikes {
		strikes[door] = s
	}
	return strikes
}

// Trace is what the outputs did, oldest first, at most Options.Trace items.
func (h *Hardware) Trace() []Item {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.trace)
}

// record must be called with the lock held.
func (h *Hardware) record(kind, name string, value any) {
	if len(h.trace) == h.o.Trace {
		h.trace = slices.Delete(h.trace, 0, 1)
	}
	h.trace = append(h.trace, Item{
		At: h.now(), MonoMS: h.o.Now().Sub(h.started).Milliseconds(), Kind: kind, Name: name, Value: value,
	})
	h.last++
	for wake := range h.watchers {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// after returns the kept items younger than number, and the number of the first of them.
func (h *Hardware) after(number uint64) (items []Item, first uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if number >= h.last {
		return nil, h.last + 1
	}
	oldest := h.last - uint64(len(h.trace)) + 1
	first = max(number+1, oldest)
	return slices.Clone(h.trace[first-oldest:]), first
}

// watch registers a channel that is woken after each new trace item, and tells the number of the newest.
func (h *Hardware) watch() (wake chan struct{}, last uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) >= maxWatchers {
		return nil, 0, ErrBusy
	}
	wake = make(chan struct{}, 1)
	h.watchers[wake] = true
	return wake, h.last, nil
}

func (h *Hardware) unwatch(wake chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, wake)
}
