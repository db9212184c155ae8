package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/drivers/sim"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/qr"
)

// hardware is the drivers of one panel, real or simulated, behind one face.
type hardware struct {
	out      agent.Hardware
	wall     func() (now time.Time, source license.TimeSource)
	contacts map[string]bool // doors with a contact
	// setupCode shows the code of the first run where the display is simulated; the core shows it on a real one.
	setupCode func(code string)
	sim       http.Handler // nil on a board
	devices   []device
	close     func() error
}

// device is a driver that may fail and come back without the others.
type device struct {
	kind, name string
	run        func(context.Context) error
}

// newHardware chooses the drivers. There are two kinds of panels, so there is one switch.
func newHardware(c configs.Config, log *slog.Logger, parts *parts, s *senses, simState func() map[string]any) (*hardware, error) {
	switch c.Hardware {
	case configs.Simulated:
		return newSimulated(c, s, simState)
	case configs.Board:
		return newBoard(c, log, parts, s)
	case "":
		return noHardware(c.Clock), nil
	}
	return nil, fmt.Errorf("cannot use hardware %q: it is neither sim nor board", c.Hardware)
}

func newSimulated(c configs.Config, s *senses, state func() map[string]any) (*hardware, error) {
	o := sim.Options{Doors: doorNames(c), Inputs: []string{"exit", "fire", "tamper", "service"}, Decode: qr.ReadBytes}
	pulses := map[string]int64{}
	for _, d := range c.Doors {
		pulses[d.Name] = d.Pulse.Milliseconds()
	}
	o.Extra = func() map[string]any {
		fields := map[string]any{"pulse_ms": pulses} // for the page's countdown
		if state != nil {
			maps.Copy(fields, state())
		}
		return fields
	}
	for i, d := range c.Doors {
		if i > 0 {
			o.Inputs = append(o.Inputs, "exit-"+d.Name)
		}
	}
	for _, r := range c.Readers {
		o.Readers = append(o.Readers, r.Name)
	}
	o.Buttons = 8
	for _, b := range c.Buttons {
		o.Buttons = max(o.Buttons, b.Number)
	}
	o.Callbacks = sim.Callbacks{
		Press: s.press, Badge: s.card, Key: s.key, Scan: s.scan,
		ScanFailed: func(reader string, _ error) { s.post(panel.CodeRejected{Reader: reader, Why: "no_code"}) },
		Contact:    func(door string, open bool) { s.contact(door, open, false) },
		Input:      s.input,
		ReadBack:   func(door string, on bool) { s.post(panel.StrikeReadBack{Door: door, On: on}) },
		Clock:      func(time.Time, bool) { s.post(panel.Tick{}) },
		Fault: func(name string, dead bool) {
			s.post(panel.DeviceChanged{Device: name, Dead: dead, Cause: "switched off by hand"})
		},
	}
	h, err := sim.New(o)
	if err != nil {
		return nil, err
	}
	contacts := map[string]bool{}
	for _, d := range c.Doors {
		contacts[d.Name] = true
	}
	return &hardware{
		out: simulated{h}, wall: vouched(h.Clock), contacts: contacts, setupCode: h.SetupCode, sim: h.Handler(),
		devices: []device{{kind: "hardware", name: "simulated", run: h.Run}},
		close:   func() error { return nil },
	}, nil
}

// simulated puts the core's actions into the words of the simulated hardware.
type simulated struct{ h *sim.Hardware }

func (s simulated) SetStrike(door string, on bool, _ time.Duration) error {
	return s.h.SetStrike(door, on)
}

// Signal shows what it can: a dead lamp is the hardware's own news, told by its fault.
func (s simulated) Signal(signal panel.Signal) {
	if signal.Light != "" {
		_ = s.h.Light("status", string(signal.Light))
	}
	if signal.Tone != "" {
		_ = s.h.Tone(string(signal.Tone))
	}
	if signal.Text != "" || signal.Clear {
		_ = s.h.Text(signal.Text)
	}
}
