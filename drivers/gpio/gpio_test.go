package gpio_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/doorpanel/doorpanel/drivers/drivertest"
	panelgpio "github.com/doorpanel/doorpanel/drivers/gpio"
)

func memoryBench(*testing.T) *drivertest.PinBench {
	m := panelgpio.NewMemory("panel", "OUT", "IN")
	return &drivertest.PinBench{
		Output: func(t *testing.T, initial gpio.Level, activeLow bool) drivertest.Pin {
			t.Helper()
			p, err := m.Chip().Output("OUT", panelgpio.OutputOptions{Initial: initial, ActiveLow: activeLow})
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Input: func(t *testing.T, o drivertest.Input) drivertest.Pin {
			t.Helper()
			p, err := m.Chip().Input("IN", panelgpio.InputOptions{Edge: o.Edge, ActiveLow: o.ActiveLow, Debounce: o.Debounce})
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Drive:   func(_ *testing.T, level gpio.Level) { m.Drive("IN", level) },
		Level:   func(*testing.T) gpio.Level { return m.Level("OUT") },
		Changes: func(*testing.T) []gpio.Level { return m.Changes("OUT") },
	}
}

func TestMemoryPinKeepsTheContract(t *testing.T) { drivertest.TestPin(t, memoryBench) }

// watched runs Watch on an input in a synctest bubble and hands its reports over as text.
func watched(t *testing.T, o panelgpio.InputOptions, play func(m *panelgpio.Memory, in *panelgpio.Pin), want ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := panelgpio.NewMemory("panel", "FIRE")
		in, err := m.Chip().Input("FIRE", o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var got []string
		go func() {
			ended <- panelgpio.Watch(ctx, in, func(level gpio.Level, at time.Duration) { got = append(got, fmt.Sprint(level, " ", at)) })
		}()
		synctest.Wait()
		play(m, in)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("reports %q, want %q", got, want)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchReportsTheLevelAtOnceAndEveryChange(t *testing.T) {
	watched(t, panelgpio.InputOptions{Edge: gpio.BothEdges}, func(m *panelgpio.Memory, _ *panelgpio.Pin) {
		for range 2 {
			time.Sleep(2500 * time.Millisecond) // fake time
			m.Drive("FIRE", gpio.High)
			m.Drive("FIRE", gpio.Low)
		}
	}, "Low 0s", "High 2.5s", "Low 2.5s", "High 5s", "Low 5s")
}

func TestWatchFindsALevelWhoseEdgeWasLost(t *testing.T) {
	watched(t, panelgpio.InputOptions{Edge: gpio.NoEdge}, func(m *panelgpio.Memory, _ *panelgpio.Pin) {
		time.Sleep(100 * time.Millisecond) // fake time
		m.Drive("FIRE", gpio.High)
		time.Sleep(1500 * time.Millisecond) // fake time
	}, "Low 0s", "High 1s")
}

func TestWatchSeesABouncingPressOnce(t *testing.T) {
	watched(t, panelgpio.InputOptions{Edge: gpio.BothEdges, Debounce: 20 * time.Millisecond, ActiveLow: true}, func(m *panelgpio.Memory, _ *panelgpio.Pin) {
		for i := range 5 {
			m.Drive("FIRE", i%2 == 0)
			time.Sleep(time.Millisecond) // fake time
		}
		time.Sleep(50 * time.Millisecond) // fake time
	}, "High 0s", "Low 24ms")
}

func TestWatchEndsWithAnErrorWhenTheLineIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, err := panelgpio.NewMemory("panel", "FIRE").Chip().Input("FIRE", panelgpio.InputOptions{Edge: gpio.BothEdges})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- panelgpio.Watch(t.Context(), in, func(gpio.Level, time.Duration) {}) }()
		synctest.Wait()
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "panel/FIRE") {
			t.Errorf("Watch of a closed line: %v", err)
		}
	})
}

func TestEdgesThatNobodyTakesAreDroppedAndCounted(t *testing.T) {
	m := panelgpio.NewMemory("panel", "IN")
	in, err := m.Chip().Input("IN", panelgpio.InputOptions{Edge: gpio.BothEdges})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		m.Drive("IN", i%2 == 0)
	}
	kept := 0
	for in.WaitForEdge(0) {
		kept++
	}
	if kept+int(in.Lost()) != 1000 || kept == 0 || kept > 256 {
		t.Errorf("%d edges kept, %d lost", kept, in.Lost())
	}
}

func TestLinesAreFoundByNameOrNumber(t *testing.T) {
	m := panelgpio.NewMemory("panel", "BTN0", "1")
	for _, test := range []struct {
		name string
		want int
	}{{"BTN0", 0}, {"0", 0}, {"1", 1}, {"", -1}, {"2", -1}, {"-1", -1}, {"+1", -1}, {"BTN1", -1}} {
		p, err := m.Chip().Input(test.name, panelgpio.InputOptions{})
		if test.want < 0 {
			if err == nil || !strings.Contains(err.Error(), "panel") {
				t.Errorf("line %q: opened, or an error without the chip: %v", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("line %q: %v", test.name, err)
			continue
		}
		if p.Number() != test.want || p.Pull() != gpio.PullNoChange || p.Function() != "IN" {
			t.Errorf("line %q is %d %s %s", test.name, p.Number(), p.Pull(), p.Function())
		}
		if _, err := m.Chip().Output(test.name, panelgpio.OutputOptions{}); err == nil {
			t.Errorf("line %q was opened twice", test.name)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.Chip().Input("BTN0", panelgpio.InputOptions{Debounce: -1}); err == nil {
		t.Error("a negative debounce was taken")
	}
}

func TestAChipThatIsNotThereIsNamed(t *testing.T) {
	_, err := panelgpio.OpenChip("no-such-chip")
	if err == nil || !strings.Contains(err.Error(), `"no-such-chip"`) {
		t.Errorf("error %v", err)
	}
}
