//go:build rig

package probe

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	lib "github.com/holoplot/go-evdev"

	"github.com/doorpanel/doorpanel/drivers/drivertest"
	"github.com/doorpanel/doorpanel/drivers/evdev"
	"github.com/doorpanel/doorpanel/drivers/keypad"
	"github.com/doorpanel/doorpanel/drivers/nfc"
	"github.com/doorpanel/doorpanel/drivers/scanner"
)

// next waits for the next value.
func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// chipOnSPI is the chip at the far end of the kernel's SPI bus. Its device has one user at a time, and a read of it ends
// with this process only: so there is one chip for all tests.
var chipOnSPI = sync.OnceValues(func() (*drivertest.MFRC522, error) {
	chip := drivertest.NewMFRC522()
	far, err := os.OpenFile("/dev/spi-far", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := far.Read(b)
			if err != nil {
				return
			}
			answer := make([]byte, n)
			if err := chip.Tx(b[:n], answer); err != nil {
				clear(answer)
			}
			if _, err := far.Write(answer); err != nil {
				return
			}
		}
	}()
	return chip, nil
})

func spiChip(t *testing.T) *drivertest.MFRC522 {
	t.Helper()
	chip, err := chipOnSPI()
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

func TestCardsAreReadOverTheKernelsSPI(t *testing.T) {
	chip := spiChip(t)
	cards, states := make(chan string, 10), make(chan error, 10)
	r, port, err := nfc.Open("SPI0.0", nfc.Options{
		Card:  func(uid []byte) { cards <- hex.EncodeToString(uid) },
		State: func(err error) { states <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	if err := next(t, "start", states); err != nil {
		t.Fatal(err)
	}
	for _, uid := range []string{"deadbeef", "04a1b2c3d4e5f6", "0488112233445566778a"} {
		b, err := hex.DecodeString(uid)
		if err != nil {
			t.Fatal(err)
		}
		chip.Present(b)
		if got := next(t, "card", cards); got != uid {
			t.Errorf("card %s was read as %s", uid, got)
		}
		chip.Remove(b)
	}
	chip.Unplug(true)
	if err := next(t, "unplugged", states); err == nil {
		t.Error("an unplugged chip works")
	}
	chip.Unplug(false)
	for next(t, "plugged in", states) != nil {
	}
	cancel()
	if err := errors.Join(<-ended, port.Close()); err != nil {
		t.Error(err)
	}
}

// keyboard makes an input device of the kernel that types, and returns its path.
func keyboard(t *testing.T, name string) (*lib.InputDevice, string) {
	t.Helper()
	var codes []lib.EvCode
	for code := range lib.EvCode(0x2FF) {
		codes = append(codes, code)
	}
	d, err := lib.CreateDevice(name, lib.InputID{BusType: 3}, map[lib.EvType][]lib.EvCode{lib.EV_KEY: codes})
	if err != nil {
		t.Fatal(err)
	}
	late := time.After(10 * time.Second)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		paths, err := lib.ListDevicePaths()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			if p.Name == name {
				return d, p.Path
			}
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("the kernel did not make %s", name)
		}
	}
}

func press(t *testing.T, d *lib.InputDevice, codes ...lib.EvCode) {
	t.Helper()
	for _, code := range codes {
		for _, value := range []int32{1, 0} {
			for _, e := range []lib.InputEvent{{Type: lib.EV_KEY, Code: code, Value: value}, {Type: lib.EV_SYN}} {
				if err := d.WriteOne(&e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestAKeypadOfTheKernelIsReadAlsoAfterItWasUnplugged(t *testing.T) {
	pad, path := keyboard(t, "rig keypad")
	keys, states := make(chan rune, 20), make(chan error, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	device := evdev.Device{Path: path, State: func(err error) { states <- err }}
	go func() { ended <- keypad.Run(ctx, device.Run, func(key rune) { keys <- key }) }()
	type1234 := func() {
		t.Helper()
		if err := next(t, "open", states); err != nil {
			t.Fatal(err)
		}
		press(t, pad, lib.KEY_1, lib.KEY_KP2, lib.KEY_3, lib.KEY_4, lib.KEY_KPENTER)
		var got string
		for len(got) < 5 {
			got += string(next(t, "key", keys))
		}
		if got != "1234#" {
			t.Errorf("typed 1234#, read %q", got)
		}
	}
	type1234()
	if err := lib.DestroyDevice(pad); err != nil {
		t.Fatal(err)
	}
	if err := next(t, "unplugged", states); err == nil {
		t.Error("an unplugged keypad works")
	}
	again := ""
	if pad, again = keyboard(t, "rig keypad"); again != path {
		t.Fatalf("the keypad came back as %s, not %s", again, path)
	}
	for len(states) > 0 { // tries in between
		if err := <-states; err == nil {
			states <- nil
			break
		}
	}
	type1234()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := lib.DestroyDevice(pad); err != nil {
		t.Error(err)
	}
}

func TestAScannerOfTheKernelTypesATextAndNobodyElseSeesIt(t *testing.T) {
	d, path := keyboard(t, "rig scanner")
	defer func() {
		if err := lib.DestroyDevice(d); err != nil {
			t.Error(err)
		}
	}()
	texts, states := make(chan string, 10), make(chan error, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	device := evdev.Device{Path: path, State: func(err error) { states <- err }}
	go func() {
		ended <- scanner.RunKeys(ctx, device.Run, scanner.Options{Text: func(text string) { texts <- text }})
	}()
	if err := next(t, "open", states); err != nil {
		t.Fatal(err)
	}
	other, err := lib.OpenWithFlags(path, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Grab(); err == nil {
		t.Error("a second program could hold the scanner")
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	press(t, d, lib.KEY_D, lib.KEY_P, lib.KEY_1, lib.KEY_SEMICOLON, lib.KEY_A, lib.KEY_ENTER)
	if got := next(t, "scan", texts); got != "dp1;a" {
		t.Errorf("read %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
