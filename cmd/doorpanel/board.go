package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	periph "periph.io/x/conn/v3/gpio"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/drivers/evdev"
	"github.com/doorpanel/doorpanel/drivers/gpio"
	"github.com/doorpanel/doorpanel/drivers/guard"
	"github.com/doorpanel/doorpanel/drivers/keypad"
	"github.com/doorpanel/doorpanel/drivers/nfc"
	"github.com/doorpanel/doorpanel/drivers/scanner"
	"github.com/doorpanel/doorpanel/panel"
)

// newBoard opens the devices of a board: strikes through the guard, inputs as kernel lines, readers by their kind. A line
// that cannot be opened is an error, for the panel would not be what its configuration says; a reader that does not answer
// is tried again and again, and shows its state.
func newBoard(c configs.Config, log *slog.Logger, parts *parts, s *senses) (h *hardware, err error) {
	h = &hardware{
		contacts: map[string]bool{}, setupCode: func(string) {},
		wall: hostClock(c.Clock),
	}
	chips := chipSet{}
	var undo []func() error
	h.close = func() error {
		var faults []error
		for _, f := range slices.Backward(undo) {
			faults = append(faults, f())
		}
		undo = nil
		return errors.Join(append(faults, chips.close())...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()

	strikes, err := startGuard(c, log, parts, s)
	if err != nil {
		return h, err
	}
	undo = append(undo, strikes.Close)
	h.out = board{strikes, parts}
	h.devices = append(h.devices, device{kind: "guard", name: "strikes", run: func(ctx context.Context) error { return watchGuard(ctx, strikes) }})

	var settled []func()
	input := func(name string, line configs.Line, changed func(active, atStart bool)) error {
		if !line.Wired() {
			return nil
		}
		pin, err := chips.input(line, c.Inputs.Debounce)
		if err != nil {
			return fmt.Errorf("cannot open %s: %w", name, err)
		}
		undo = append(undo, pin.Close)
		var found periph.Level
		settled = append(settled, func() { found = pin.Read() })
		h.devices = append(h.devices, device{kind: "input", name: name, run: func(ctx context.Context) error {
			atStart := true
			return gpio.Watch(ctx, pin, func(level periph.Level, _ time.Duration) {
				// Whoever presses while the panel comes up waits for it: only what was found is not news.
				atStart = atStart && level == found
				changed(bool(level), atStart)
				atStart = false
			})
		}})
		return nil
	}
	for _, d := range c.Doors {
		h.contacts[d.Name] = d.Contact.Wired()
		exit := func(active, atStart bool) {
			if active && !atStart { // a button that is held while the panel starts asks for nothing new
				s.post(panel.ExitRequested{Door: d.Name})
			}
		}
		err = errors.Join(
			input("contact "+d.Name, d.Contact, func(active, atStart bool) { s.contact(d.Name, active, atStart) }),
			input("exit "+d.Name, d.Exit, exit),
			input("feedback "+d.Name, d.Feedback, func(active, _ bool) { s.post(panel.StrikeReadBack{Door: d.Name, On: active}) }),
		)
		if err != nil {
			return h, err
		}
	}
	for _, b := range c.Buttons {
		if err = input(fmt.Sprintf("button %d", b.Number), b.Line, func(active, atStart bool) {
			if active && !atStart {
				s.press(b.Number)
			}
		}); err != nil {
			return h, err
		}
	}
	for name, line := range map[string]configs.Line{"fire": c.Inputs.Fire, "tamper": c.Inputs.Tamper, "service": c.Inputs.Service} {
		if err = input(name, line, func(active, atStart bool) {
			if active || !atStart {
				s.input(name, active)
			}
		}); err != nil {
			return h, err
		}
	}
	// A resistor that was just switched on has to charge its cable, and the kernel's debouncing waits for quiet.
	time.Sleep(c.Inputs.Debounce + settling)
	for _, look := range settled {
		look()
	}
	readers, closers, err := newReaders(c, chips, parts, s, log)
	undo = append(undo, closers...)
	h.devices = append(h.devices, readers...)
	return h, err
}

// settling is how long an input may take to show what its wire says.
const settling = 10 * time.Millisecond

// board puts the core's actions into the words of the wiring. Light, tone and text are shown by the face page on the
// panel's display.
type board struct {
	strikes *guard.Strikes
	parts   *parts
}

func (b board) SetStrike(door string, on bool, length time.Duration) error {
	err := b.strikes.Set(door, on, length)
	if err != nil {
		b.parts.set("strike", door, "failed", err.Error())
	}
	return err
}

func (board) Signal(panel.Signal) {}

// startGuard starts this same binary as the owner of the strike lines.
func startGuard(c configs.Config, log *slog.Logger, parts *parts, s *senses) (*guard.Strikes, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the guard's binary: %w", err)
	}
	o := guard.Options{
		Log: log.With("part", "guard"), Stderr: os.Stderr,
		Failed: func(door string, cause error) {
			parts.report("strike", door, cause)
			s.post(panel.DeviceChanged{Device: "strike " + door, Dead: true, Cause: cause.Error()})
		},
		Mended: func(door string) {
			parts.set("strike", door, "ok", "")
			s.post(panel.DeviceChanged{Device: "strike " + door})
		},
	}
	for _, d := range c.Doors {
		o.Doors = append(o.Doors, guard.Door{
			Name: d.Name, Chip: d.Strike.Chip, Line: d.Strike.Line, ActiveLow: d.Strike.ActiveLow, Safe: guard.Safe(d.Safe), MaxPulse: d.Pulse,
		})
	}
	// The guard outlives the context of whoever started it: Close ends it, strikes safe.
	return guard.Start(context.Background(), executable, o)
}

// watchGuard tells of the loss of a guard, which ends a pulse early: nobody else would write that down.
func watchGuard(ctx context.Context, strikes *guard.Strikes) error {
	if err := strikes.Guarded(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-strikes.Died():
		return errors.New("the guard died; what was released for a time is locked, and a new guard is started")
	}
}

// guardCommand is the body of the guard's process. It is not for people.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "guard", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return guard.Main(cmd.InOrStdin(), cmd.OutOrStdout(), func(d guard.Door) (guard.Line, error) {
				chip, err := gpio.OpenChip(d.Chip)
				if err != nil {
					return nil, err
				}
				defer chip.Close() // its lines stay open
				return chip.Output(d.Line, gpio.OutputOptions{Initial: periph.Low, ActiveLow: d.ActiveLow})
			})
		},
	}
}

// chipSet opens each chip once.
type chipSet map[string]*gpio.Chip

func (set chipSet) open(name string) (*gpio.Chip, error) {
	if chip, ok := set[name]; ok {
		return chip, nil
	}
	chip, err := gpio.OpenChip(name)
	if err == nil {
		set[name] = chip
	}
	return chip, err
}

func (set chipSet) input(l configs.Line, debounce time.Duration) (*gpio.Pin, error) {
	chip, err := set.open(l.Chip)
	if err != nil {
		return nil, err
	}
	pull := map[configs.Bias]periph.Pull{
		configs.AsIs: periph.PullNoChange, configs.PullUp: periph.PullUp, configs.PullDown: periph.PullDown, configs.PullOff: periph.Float,
	}[l.Bias]
	return chip.Input(l.Line, gpio.InputOptions{Pull: pull, Edge: periph.BothEdges, ActiveLow: l.ActiveLow, Debounce: debounce})
}

func (set chipSet) output(l configs.Line) (*gpio.Pin, error) {
	chip, err := set.open(l.Chip)
	if err != nil {
		return nil, err
	}
	return chip.Output(l.Line, gpio.OutputOptions{Initial: periph.High, ActiveLow: l.ActiveLow})
}

func (set chipSet) close() error {
	var faults []error
	for _, chip := range set {
		faults = append(faults, chip.Close())
	}
	return errors.Join(faults...)
}

// newReaders makes the readers of a board, each to be run and supervised. A reader that cannot be opened yet is opened
// when it is run: a reader that is unplugged must not keep the door from its other ways in.
func newReaders(c configs.Config, chips chipSet, parts *parts, s *senses, log *slog.Logger) (devices []device, undo []func() error, err error) {
	for _, r := range c.Readers {
		d := device{kind: "reader", name: r.Name}
		state := func(cause error) { s.readerState(parts, r.Name, cause) }
		log := log.With("part", "reader "+r.Name)
		switch r.Kind {
		case configs.MFRC522:
			var reset periph.PinOut
			if r.Reset.Wired() {
				pin, err := chips.output(r.Reset)
				if err != nil {
					return devices, undo, fmt.Errorf("cannot open the reset line of reader %s: %w", r.Name, err)
				}
				undo = append(undo, pin.Close)
				reset = pin
			}
			d.run = func(ctx context.Context) error {
				reader, port, err := nfc.Open(r.Device, nfc.Options{
					Reset: reset, Log: log.With("part", "reader "+r.Name),
					Card:  func(uid []byte) { s.card(r.Name, strings.ToUpper(hex.EncodeToString(uid))) },
					State: func(cause error) { s.readerState(parts, r.Name, cause) },
				})
				if err != nil {
					return err
				}
				return errors.Join(reader.Run(ctx), port.Close())
			}
		case configs.Keypad:
			d.run = func(ctx context.Context) error {
				return keypad.Run(ctx, evdev.Device{Path: r.Device, State: state, Log: log}.Run, func(key rune) { s.key(r.Name, key) })
			}
		case configs.HIDScanner:
			d.run = func(ctx context.Context) error {
				return scanner.RunKeys(ctx, evdev.Device{Path: r.Device, State: state, Log: log}.Run, s.scannerOptions(r.Name))
			}
		case configs.SerialScanner:
			d.run = func(ctx context.Context) error {
				return scanner.Serial{Path: r.Device, Baud: r.Baud, State: state, Log: log}.Run(ctx, s.scannerOptions(r.Name))
			}
		default:
			return devices, undo, fmt.Errorf("cannot use reader %s: this build has no driver for kind %q", r.Name, r.Kind)
		}
		devices = append(devices, d)
	}
	return devices, undo, nil
}

// scannerOptions presents what a scanner reads.
func (s *senses) scannerOptions(name string) scanner.Options {
	return scanner.Options{
		Text:   func(text string) { s.scan(name, text) },
		Failed: func(error) { s.post(panel.CodeRejected{Reader: name, Why: "no_code"}) },
	}
}

// readerState shows a reader chip that died or came back, and writes it down.
func (s *senses) readerState(parts *parts, name string, cause error) {
	if !parts.report("reader", name, cause) {
		return
	}
	changed := panel.DeviceChanged{Device: "reader " + name}
	if cause != nil {
		changed.Dead, changed.Cause = true, cause.Error()
	}
	s.post(changed)
}
