//go:build rig

package probe

import (
	"fmt"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/holoplot/go-evdev"
)

// hangs looks at another of the panel's doors: its wire and its releases.
func (p *panel) hangs(w wiring) *panel {
	other := *p
	other.setting.wiring = w
	return &other
}

// types enters Anna's code.
func types(t *testing.T, keys *evdev.InputDevice) {
	t.Helper()
	press(t, keys, evdev.KEY_2, evdev.KEY_7, evdev.KEY_1, evdev.KEY_8, evdev.KEY_2, evdev.KEY_8, evdev.KEY_KPENTER)
}

// TestTheStoryOfANight is two doors from closing time to the morning: what the journal says, and what the kernel did.
func TestTheStoryOfANight(t *testing.T) {
	keys, path := keyboard(t, "rig night keypad")
	defer func() {
		if err := evdev.DestroyDevice(keys); err != nil {
			t.Error(err)
		}
	}()
	root := newIssuer(t)
	const pulse = time.Second
	front := start(t, setting{
		wiring: strike, pulse: pulse, door: "stands_open = \"shop hours\"\nheld_warning = \"2s\"\n", inputs: "tamper_block = \"10m\"\n",
		more: root.section() + "[clock]\nrtc = true\n" + fmt.Sprintf(`[[door]]
name = "yard"
strike = "gpio:panel/STRIKE-LOW,active-low"
safe = "fail-secure"
pulse = "4s"
fire = "release"
contact = "gpio:panel/CONTACT2"
exit = "gpio:panel/EXIT2,active-low,pull-up"
held_open_after = "5s"
held_warning = "3s"
[[reader]]
name = "front-keys"
door = "front"
direction = "in"
kind = "keypad"
device = %q
`, path)})
	yard := front.hangs(strikeLow)
	// leaves presses an exit button, once more where the board was so slow that the guard was just started again, and returns
	// which release of the door that was.
	leaves := func(line string, door *panel) (n int) {
		t.Helper()
		n = len(door.releases()) + 1
		for try := 0; len(door.releases()) < n; try++ {
			if try == 3 {
				t.Fatalf("pressed %d times, %s opens nothing", try, line)
			}
			drive(t, line, false)
			late := time.Now().Add(8 * time.Second)
			until(t, func() bool { return len(door.releases()) >= n || time.Now().After(late) }, func() string { return "unreachable" })
			drive(t, line, true)
		}
		return n
	}
	if out, err := exec.Command(program, "license", "add", "--data", front.data, root.access(t)).CombinedOutput(); err != nil {
		t.Fatalf("license add: %v\n%s", err, out)
	}
	front.api(http.StatusCreated, "POST", "/credentials", map[string]string{"person": "Anna", "kind": "code", "code": "271828"})
	front.tells("config.changed", "")

	// Until closing time the front door stands open, and nobody forces it.
	now := time.Now().UTC()
	closing := now.Truncate(time.Minute).Add(time.Minute)
	if closing.Sub(now) < 10*time.Second {
		closing = closing.Add(time.Minute)
	}
	if closing.Hour() == 0 && closing.Minute() == 0 {
		closing = closing.Add(time.Minute) // a slot does not end where the day begins
	}
	front.api(http.StatusOK, "PUT", "/schedules/shop%20hours", map[string]any{"slots": []any{map[string]any{
		"days": []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, "from": now.Format("15:04"), "to": closing.Format("15:04"),
	}}})
	front.released(1)
	front.tells("door.stands_open", "schedule")
	drive(t, "CONTACT", true)
	front.tells("door.opened", "")
	drive(t, "CONTACT", false)
	front.tells("door.closed", "")
	closed := time.NewTimer(time.Until(closing))
	<-closed.C
	front.tells("door.stands_open_over", "schedule")
	day := len(front.releases()) // more than one where the board was so slow that the guard was started again
	front.locked(day)

	// Somebody comes with a code, and somebody with force.
	types(t, keys)
	if e := front.tells("access.granted", "code"); e.Who != "Anna" || e.Door != "front" {
		t.Errorf("written as %+v", e)
	}
	if length := front.locked(day + 1); length > pulse+time.Second {
		t.Errorf("a pulse lasted %s", length)
	}
	drive(t, "CONTACT2", true)
	if e := front.tells("door.forced", ""); e.Door != "yard" {
		t.Errorf("written as %+v", e)
	}
	drive(t, "CONTACT2", false)
	front.tells("door.closed", "")

	// A door that is kept open warns, and then alarms.
	n := leaves("EXIT2", yard)
	drive(t, "CONTACT2", true)
	front.tells("door.held_warning", "")
	front.tells("door.held", "")
	drive(t, "CONTACT2", false)
	front.tells("door.held_over", "")
	yard.locked(n)

	// A lockdown keeps Anna out and nobody in.
	front.api(http.StatusOK, "POST", "/lockdown", map[string]bool{"on": true})
	types(t, keys)
	front.tells("access.refused", "lockdown")
	front.locked(leaves("EXIT", front))
	front.api(http.StatusOK, "POST", "/lockdown", map[string]bool{"on": false})

	// Tampering blocks what comes in; the way out and fire do not ask it.
	drive(t, "TAMPER", true)
	front.tells("tamper.on", "")
	drive(t, "TAMPER", false)
	types(t, keys)
	front.tells("access.refused", "tampered")
	front.locked(leaves("EXIT", front))
	atFront, atYard := len(front.releases())+1, len(yard.releases())+1
	drive(t, "FIRE", true)
	front.released(atFront)
	yard.released(atYard)
	front.tells("fire.on", "")
	drive(t, "FIRE", false)
	front.tells("fire.off", "")
	front.locked(atFront)
	yard.locked(atYard)

	// Killed in the middle of a pulse, both doors are locked, and the block goes on with the next start.
	n = leaves("EXIT2", yard)
	guard := front.guard()
	front.kill()
	if length := yard.locked(n); length >= 4*time.Second {
		t.Errorf("the kill left the pulse of 4 s whole: %s", length)
	} else {
		t.Logf("the kill ended a pulse of 4 s after %s", length)
	}
	gone(t, guard)
	t.Logf("the night of the front door:\n%s", excerpt(t, strike.line))
	t.Logf("the night of the yard's door:\n%s", excerpt(t, strikeLow.line))
	if list := yard.releases(); len(list) != n {
		t.Errorf("the yard's door was released %d times, not %d: %v", len(list), n, list)
	}
	if list := front.releases(); !list[len(list)-1].over {
		t.Errorf("the front door is still released: %v", list)
	}
	front.start()
	types(t, keys)
	front.tells("access.refused", "tampered")
	front.locked(leaves("EXIT", front))
	front.stop()
	yard.expect("after the restart")
	if out, err := exec.Command(program, "journal", "verify", "--data", front.data).CombinedOutput(); err != nil {
		t.Errorf("journal verify: %v\n%s", err, out)
	}
}

// TestAStrikeThatDoesNotFollowIsAnAlarm has a feedback wire that stays as it is.
func TestAStrikeThatDoesNotFollowIsAnAlarm(t *testing.T) {
	p := start(t, setting{wiring: strike, pulse: time.Second, door: "feedback = \"gpio:panel/FEEDBACK\"\n"})
	p.exit(1)
	if e := p.tells("strike.failed", ""); e.Door != "front" || e.Detail != "it reads locked although it was released" {
		t.Errorf("written as %+v", e)
	}
	p.locked(1)
	p.exit(2)
	drive(t, "FEEDBACK", true)
	p.tells("device.recovered", "")
	p.locked(2)
	p.tells("strike.failed", "") // now it stays released
	drive(t, "FEEDBACK", false)
	p.tells("device.recovered", "")
	p.stop()
	p.expect("twice", time.Second, time.Second)
}
