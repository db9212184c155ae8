package sim

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

func TestARelayThatSticksReadsOtherwiseThanItWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		h, err := New(Options{Callbacks: Callbacks{ReadBack: func(door string, on bool) { told = append(told, fmt.Sprint(door, " ", on)) }}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		expect := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if fmt.Sprint(told) != fmt.Sprint(want) {
				t.Errorf("%s: told %v, want %v", when, told, want)
			}
			told = nil
		}
		set := func(on bool) {
			if err := h.SetStrike("front", on); err != nil {
				t.Fatal(err)
			}
		}
		fault := func(device string, dead bool) {
			if err := h.Fault(device, dead); err != nil {
				t.Fatal(err)
			}
		}
		set(true)
		set(true)
		expect("released", "front true")
		fault("relay-front", true)
		expect("it sticks", "front true")
		set(false)
		expect("locked while it sticks")
		if !h.Strikes()["front"].On {
			t.Error("a relay that sticks let go")
		}
		fault("relay-front", false)
		expect("it comes loose", "front false", "front false")
		if h.Fault("relay-attic", true) == nil {
			t.Error("a relay of no door")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
