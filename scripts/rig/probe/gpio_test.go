//go:build rig

package probe

import (
	"context"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/doorpanel/doorpanel/drivers/drivertest"
	panelgpio "github.com/doorpanel/doorpanel/drivers/gpio"
)

func openChip(t *testing.T) *panelgpio.Chip {
	t.Helper()
	c, err := panelgpio.OpenChip(chip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestKernelPinKeepsTheContract(t *testing.T) {
	drivertest.TestPin(t, func(t *testing.T) *drivertest.PinBench {
		c := openChip(t)
		drive(t, "IN", gpio.Low)
		startTrace(t)
		return &drivertest.PinBench{
			Output: func(t *testing.T, initial gpio.Level, activeLow bool) drivertest.Pin {
				t.Helper()
				p, err := c.Output("OUT", panelgpio.OutputOptions{Initial: initial, ActiveLow: activeLow})
				if err != nil {
					t.Fatal(err)
				}
				return p
			},
			Input: func(t *testing.T, o drivertest.Input) drivertest.Pin {
				t.Helper()
				p, err := c.Input("IN", panelgpio.InputOptions{Edge: o.Edge, ActiveLow: o.ActiveLow, Debounce: o.Debounce})
				if err != nil {
					t.Fatal(err)
				}
				return p
			},
			Drive: func(t *testing.T, l gpio.Level) { drive(t, "IN", l) },
			Level: func(t *testing.T) gpio.Level { return level(t, "OUT") },
			Changes: func(t *testing.T) []gpio.Level {
				var levels []gpio.Level
				for _, c := range changes(t, "OUT") {
					levels = append(levels, c.level)
				}
				return levels
			},
		}
	})
}

func TestAKernelLineHasOneUser(t *testing.T) {
	c := openChip(t)
	p, err := c.Output("OUT", panelgpio.OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := c.Input("14", panelgpio.InputOptions{}); err == nil {
		t.Error("line 14 was opened twice")
	}
	if _, err := c.Input("16", panelgpio.InputOptions{}); err == nil {
		t.Error("a chip of 16 lines has a line 16")
	}
	if _, err := c.Input("DOOR", panelgpio.InputOptions{}); err == nil {
		t.Error("a line without that name was opened")
	}
}

func TestWatchFollowsAButtonOfTheKernel(t *testing.T) {
	c := openChip(t)
	drive(t, "BUTTON1", gpio.High) // active low: not pressed
	in, err := c.Input("BUTTON1", panelgpio.InputOptions{Edge: gpio.BothEdges, ActiveLow: true, Debounce: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type report struct {
		level gpio.Level
		at    time.Duration
	}
	reports, ended := make(chan report, 10), make(chan error, 1)
	go func() {
		ended <- panelgpio.Watch(ctx, in, func(l gpio.Level, at time.Duration) { reports <- report{l, at} })
	}()
	var last time.Duration
	for i, want := range []gpio.Level{gpio.Low, gpio.High, gpio.Low, gpio.High} {
		if i > 0 {
			drive(t, "BUTTON1", !want)
		}
		select {
		case r := <-reports:
			if r.level != want || r.at < last {
				t.Errorf("report %d: %s at %s after %s, want %s", i, r.level, r.at, last, want)
			}
			last = r.at
		case <-time.After(10 * time.Second):
			t.Fatalf("no report %d", i)
		}
	}
	cancel()
	if err := <-ended; err != nil || in.Lost() != 0 {
		t.Errorf("Watch ended with %v, %d edges lost", err, in.Lost())
	}
}
