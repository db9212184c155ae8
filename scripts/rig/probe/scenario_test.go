//go:build rig

package probe

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holoplot/go-evdev"

	"github.com/doorpanel/doorpanel/sip"
)

// calledParty is a telephone on the board's loopback and the states that it goes through.
func calledParty(t *testing.T) (*sip.Softphone, <-chan string) {
	t.Helper()
	states := make(chan string, 32)
	phone, err := sip.NewSoftphone("127.0.0.1:0", func(state string) { states <- state })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := phone.Close(); err != nil {
			t.Error(err)
		}
	})
	return phone, states
}

func becomes(t *testing.T, states <-chan string, want string) {
	t.Helper()
	if got := next(t, "the telephone's state", states); got != want {
		t.Fatalf("the telephone is %s, want %s", got, want)
	}
}

func TestAVisitorsPressBecomesACallAndItsDigitOnePulse(t *testing.T) {
	for _, w := range []wiring{strike, strikeLow, magnet} {
		t.Run(w.line, func(t *testing.T) {
			phone, states := calledParty(t)
			p := start(t, setting{wiring: w, pulse: time.Second, target: "sip:rossi@" + phone.Addr()})
			drive(t, "BUTTON1", false)
			becomes(t, states, "ringing")
			drive(t, "BUTTON1", true)
			if err := phone.Answer(); err != nil {
				t.Fatal(err)
			}
			becomes(t, states, "in_call")
			for _, key := range "71" { // 7 opens nothing
				if err := phone.Digit(key); err != nil {
					t.Fatal(err)
				}
			}
			length := p.locked(1)
			becomes(t, states, "idle") // the panel has hung up
			for _, kind := range []string{"call.placed", "call.answered", "access.granted", "strike.on", "strike.off", "call.ended"} {
				p.tells(kind, "")
			}
			p.expect("after the call", time.Second)
			t.Logf("%s: a pulse of %s lasted %s", w.line, p.setting.pulse, length)
			p.stop()
			if w.safe == "fail-secure" {
				p.expect("after SIGTERM", time.Second)
			} else if list := p.releases(); len(list) != 2 || list[1].over {
				t.Errorf("a magnet is without current when there is no panel; releases %v", list)
			}
			t.Logf("the kernel's trace of %s:\n%s", w.line, excerpt(t, w.line))
		})
	}
}

func TestWhoPressesWhileThePanelStartsIsNotForgotten(t *testing.T) {
	phone, states := calledParty(t)
	p := prepare(t, setting{wiring: strike, pulse: time.Second, target: "sip:rossi@" + phone.Addr()})
	p.launch()
	until(t, func() bool {
		_, err := os.Stat(filepath.Join(p.data, "doorpanel.sock"))
		return err == nil
	}, func() string { return "the panel does not come up" })
	drive(t, "BUTTON1", false)
	becomes(t, states, "ringing")
	p.ready()
	p.stop()
	becomes(t, states, "idle")

	// A button that is held already when the panel comes up, or stuck, asks for nothing new.
	p.start()
	since := p.tells("system.stopped", "").Seq
	p.exit(1)
	p.tells("door.exit", "")
	if i := slices.IndexFunc(p.journal(), func(e entry) bool { return e.Seq > since && e.Kind == "call.placed" }); i >= 0 {
		t.Error("a stuck button calls at each start")
	}
	p.locked(1)
	p.stop()
}

func TestExitFireAndContactNeedNoLicense(t *testing.T) {
	p := start(t, setting{wiring: strike, pulse: time.Second})
	p.exit(1)
	p.tells("door.exit", "")
	p.locked(1)
	p.expect("after the exit button", time.Second)

	// What the fire holds open, the end of an exit's pulse does not close.
	drive(t, "FIRE", true)
	p.released(2)
	p.tells("fire.on", "")
	drive(t, "EXIT", false)
	p.tells("door.exit", "")
	drive(t, "EXIT", true)
	fire := time.NewTimer(2 * p.setting.pulse)
	<-fire.C
	drive(t, "FIRE", false)
	if length := p.locked(2); length < 2*p.setting.pulse {
		t.Errorf("the fire input released the door for %s only", length)
	} else {
		t.Logf("the fire input released the door for %s", length)
	}
	p.tells("fire.off", "")

	p.exit(3)
	drive(t, "CONTACT", true)
	p.tells("door.opened", "")
	p.locked(3)
	p.tells("door.held", "")
	drive(t, "CONTACT", false)
	p.tells("door.held_over", "")
	drive(t, "CONTACT", true)
	if e := p.tells("door.forced", ""); e.Door != "front" {
		t.Errorf("written as %+v", e)
	}
	drive(t, "CONTACT", false)
	p.tells("door.closed", "")

	drive(t, "TAMPER", true)
	p.tells("tamper.on", "")
	drive(t, "TAMPER", false)
	p.tells("tamper.off", "")
	drive(t, "SERVICE", true)
	p.tells("service.on", "")
	drive(t, "SERVICE", false)

	before := len(changes(t, strike.line))
	guard := p.guard()
	p.kill()
	gone(t, guard)
	if after := changes(t, strike.line); len(after) != before {
		t.Errorf("kill -9 of a panel at rest moved the strike: %v", after)
	}
}

func TestCardsAndCodesOpenWithALicenseOnly(t *testing.T) {
	chip := spiChip(t)
	keys, path := keyboard(t, "rig door keypad")
	defer func() {
		if err := evdev.DestroyDevice(keys); err != nil {
			t.Error(err)
		}
	}()
	root := newIssuer(t)
	p := start(t, setting{wiring: strike, pulse: time.Second, more: root.section() + fmt.Sprintf(`[[reader]]
name = "front-card"
door = "front"
direction = "in"
kind = "mfrc522"
device = "SPI0.0"
[[reader]]
name = "front-keys"
door = "front"
direction = "in"
kind = "keypad"
device = %q
`, path)})
	anna, stranger := []byte{0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6}, []byte{0xDE, 0xAD, 0xBE, 0xEF}
	p.api(http.StatusCreated, "POST", "/credentials", map[string]string{"person": "Anna", "kind": "card", "uid": "04A1B2C3D4E5F6"})
	p.api(http.StatusCreated, "POST", "/credentials", map[string]string{"person": "Anna", "kind": "code", "code": "271828"})
	shows := func(uid []byte, kind, why string) {
		t.Helper()
		chip.Present(uid)
		p.tells(kind, why)
		chip.Remove(uid)
	}

	shows(anna, "access.refused", "not_licensed")
	p.expect("without a license")
	if out, err := exec.Command(program, "license", "add", "--data", p.data, root.access(t)).CombinedOutput(); err != nil {
		t.Fatalf("license add: %v\n%s", err, out)
	}
	p.tells("license.activated", "")
	shows(anna, "access.granted", "card")
	p.locked(1)
	shows(stranger, "access.refused", "unknown")
	press(t, keys, evdev.KEY_4, evdev.KEY_4, evdev.KEY_5, evdev.KEY_5, evdev.KEY_6, evdev.KEY_6, evdev.KEY_KPENTER)
	p.tells("access.refused", "unknown")
	press(t, keys, evdev.KEY_2, evdev.KEY_KP7, evdev.KEY_1, evdev.KEY_8, evdev.KEY_2, evdev.KEY_KP8, evdev.KEY_KPENTER)
	if e := p.tells("access.granted", "code"); e.Who != "Anna" || e.Reader != "front-keys" {
		t.Errorf("written as %+v", e)
	}
	p.locked(2)
	p.expect("a card and a code", time.Second, time.Second)

	// What was bought and who was let in are known again after kill -9, and the start is still.
	p.kill()
	p.start()
	shows(anna, "access.granted", "card")
	p.locked(1)
	p.stop()
	p.expect("after a restart", time.Second)
}

func TestNoReleaseOutlivesItsPulseWhateverDies(t *testing.T) {
	for _, w := range []wiring{strike, strikeLow} {
		t.Run(w.line, func(t *testing.T) {
			const pulse = 3 * time.Second
			p := start(t, setting{wiring: w, pulse: pulse})
			// Whoever dies, the door is locked at once. Only a panel that hangs lets the pulse go on to its end.
			ends := func(how string, n int) {
				t.Helper()
				length, limit := p.locked(n), pulse
				if how == "panel hung" {
					limit += time.Second
				}
				if length > limit {
					t.Errorf("%s: released for %s\n%s", how, length, excerpt(t, w.line))
				}
				t.Logf("%s: released for %s in all", how, length)
			}

			p.exit(1)
			send(t, "guard", p.guard(), syscall.SIGKILL)
			ends("guard killed", 1)
			if e := p.tells("device.failed", ""); !strings.Contains(e.Detail, "guard") {
				t.Errorf("the guard's death is written as %+v", e)
			}
			p.tells("strike.off", "")

			p.exit(2)
			send(t, "guard", p.guard(), syscall.SIGSTOP)
			ends("guard hung", 2)
			p.tells("strike.off", "")

			p.exit(3)
			p.signal(syscall.SIGSTOP)
			ends("panel hung", 3)
			p.signal(syscall.SIGCONT)
			p.tells("strike.off", "")

			p.exit(4)
			p.kill()
			ends("panel killed", 4)
			t.Logf("the kernel's trace of %s since the start:\n%s", w.line, excerpt(t, w.line))

			p.start()
			p.exit(1)
			p.stop()
			ends("panel stopped", 1)

			// Nobody is left to drive the line: the kernel takes it back, and the board's resistor decides.
			p.start()
			p.exit(1)
			guard := p.guard()
			p.signal(syscall.SIGSTOP)
			send(t, "guard", guard, syscall.SIGKILL)
			p.kill()
			gone(t, guard)
			if l := level(t, w.line); released(w.line, l) {
				t.Errorf("with panel and guard killed the wire is %s in spite of its resistor", l)
			}
			p.start()
			p.stop()
			p.expect("started again")
			t.Logf("the kernel's trace of %s since the last start:\n%s", w.line, excerpt(t, w.line))
		})
	}
}

func TestAnExitWhileTheGuardIsStartedAgainOpensOnce(t *testing.T) {
	for _, w := range []wiring{strike, strikeLow} {
		t.Run(w.line, func(t *testing.T) {
			const pulse = 10 * time.Second // long enough for the slowest start of a guard
			p := start(t, setting{wiring: w, pulse: pulse})
			guard := p.guard()
			send(t, "guard", guard, syscall.SIGKILL)
			p.exit(1)
			gone(t, guard)
			length := p.locked(1)
			if length > pulse {
				t.Errorf("released for %s", length)
			}
			p.tells("door.exit", "")
			p.tells("strike.off", "")
			if i := slices.IndexFunc(p.journal(), func(e entry) bool { return e.Kind == "strike.failed" }); i >= 0 {
				t.Errorf("written as %+v", p.journal()[i])
			}
			p.stop()
			if list := p.releases(); len(list) != 1 {
				t.Errorf("releases %v, want one", list)
			}
			t.Logf("a pulse of %s lasted %s\n%s", pulse, length, excerpt(t, w.line))
		})
	}
}

// gone waits for a process that is not ours to end.
func gone(t *testing.T, pid int) {
	t.Helper()
	until(t, func() bool { return syscall.Kill(pid, 0) != nil }, func() string { return fmt.Sprintf("process %d did not end", pid) })
}
