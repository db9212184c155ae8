package main_test

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
)

// exits asks for the exit of a door and for nothing else.
func (p *panelProcess) exits(input, door string) {
	p.t.Helper()
	p.input(input, true)
	on := p.waitFor("strike", door, true)
	p.told("granted", "Door open")
	off := p.waitFor("strike", door, false)
	checkPulse(p.t, time.Duration(off.MonoMS-on.MonoMS)*time.Millisecond, shortPulse)
	p.waitEntry("door.exit", "")
	p.input(input, false)
}

// burns lets a fire alarm come and go.
func (p *panelProcess) burns(doors ...string) {
	p.t.Helper()
	p.input("fire", true)
	for _, door := range doors {
		p.waitFor("strike", door, true)
	}
	p.told("alarm", "Fire alarm: doors open")
	p.waitEntry("fire.on", "")
	// The exit button's pulse does not end what the fire holds open.
	p.input("exit", true)
	p.waitEntry("door.exit", "")
	p.input("exit", false)
	p.input("fire", false)
	// The exit's door is the first one, and is released until its pulse is over.
	for _, door := range slices.Backward(doors) {
		p.waitFor("strike", door, false)
	}
	p.waitEntry("fire.off", "")
}

func TestExitAndFireNeedNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		setting setting
		before  func(p *panelProcess) *panelProcess
	}{
		{"no license, no network", setting{}, nil},
		{"tampered", setting{}, func(p *panelProcess) *panelProcess {
			p.input("tamper", true)
			p.told("alarm", "Tampering detected")
			p.waitEntry("tamper.on", "")
			return p
		}},
		{"blocked after tampering, and killed", setting{more: "[inputs]\ntamper_block = \"10m\"\n"}, func(p *panelProcess) *panelProcess {
			p.input("tamper", true)
			p.waitEntry("tamper.on", "")
			p.must(http.StatusForbidden, "POST", "/doors/front/open", nil)
			p.kill()
			p = p.restart()
			// The block is still on, although the switch is closed again; exit and fire do not ask it.
			p.must(http.StatusForbidden, "POST", "/doors/front/open", nil)
			p.waitEntry("access.refused", "tampered")
			return p
		}},
		{"store and journal broken", setting{}, func(p *panelProcess) *panelProcess {
			p.stop()
			for _, file := range []string{storeFile(p.data), lastSegment(p.t, p.data)} {
				if err := os.WriteFile(file, []byte("broken"), 0o600); err != nil {
					p.t.Fatal(err)
				}
			}
			return p.restart()
		}},
		{"exchange and broker unreachable", setting{
			sip:  account("127.0.0.1:9"),
			more: "[uplink]\nbroker = \"mqtt://127.0.0.1:9\"\nsite = \"e2e\"\n",
		}, nil},
		{"readers dead", setting{}, func(p *panelProcess) *panelProcess {
			for _, device := range []string{"front-in", "front-out"} {
				p.fault(device, true)
			}
			return p
		}},
		{"clock unknown", setting{}, func(p *panelProcess) *panelProcess {
			p.clock(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), false)
			return p
		}},
		{"while a phone rings", setting{buttons: button(1, "Rossi", "sip:rossi@127.0.0.1:9")}, func(p *panelProcess) *panelProcess {
			p.press(1)
			p.waitText("Calling Rossi")
			return p
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPanel(t, c.setting)
			if c.before != nil {
				p = c.before(p)
			}
			p.exits("exit", "front")
			p.burns("front")
			p.exits("exit", "front")
			p.stop()
		})
	}
}

func TestExitOpensWithADeadDisplay(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	for _, device := range []string{"display", "lights", "speaker", "front-in", "front-out"} {
		p.fault(device, true)
		p.waitEntry("device.failed", "")
	}
	p.input("exit", true)
	checkPulse(t, p.opens("front"), shortPulse)
	p.fault("display", false)
	p.waitEntry("device.recovered", "")
}

func TestTwoDoorsAreTwo(t *testing.T) {
	t.Parallel()
	phone := startRawPhone(t)
	p := startPanel(t, setting{doors: twoDoors, buttons: button(1, "Rossi", "sip:rossi@"+phone.addr())})
	p.exits("exit", "front")
	p.exits("exit-garage", "garage")
	p.press(1)
	phone.answer()
	p.waitText("Rossi is on the line")
	pressKey(t, phone.media, phone.panelMedia, '2', 9)
	p.opens("garage")
	p.waitEntry("call.ended", "")
	p.must(http.StatusOK, "POST", "/doors/garage/open", nil)
	p.opens("garage")
	if n := len(p.pulses("front")); n != 1 {
		t.Errorf("the front door was opened %d times, want once", n)
	}
	p.burns("front", "garage")
	if a := p.api("POST", "/doors/cellar/open", nil); a.status != http.StatusNotFound {
		t.Errorf("a door that is not there: %d %s", a.status, a.body)
	}
}

// pulses are the times at which a door was released.
func (p *panelProcess) pulses(door string) []traceItem {
	p.t.Helper()
	var list []traceItem
	for _, i := range p.state().Trace {
		if i.Kind == "strike" && i.Name == door && i.Value == true {
			list = append(list, i)
		}
	}
	return list
}

func TestDoorHeldOpenAndForcedRaiseAlarms(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{doors: twoDoors})
	// Through the exit: in order.
	p.input("exit", true)
	p.waitFor("strike", "front", true)
	p.contact("front", true)
	p.waitEntry("door.opened", "")
	// It stands open for longer than it may.
	p.told("alarm", "Please close the door")
	p.waitEntry("door.held", "")
	p.contact("front", false)
	p.waitEntry("door.held_over", "")
	// The other one is opened by nobody's leave.
	p.contact("garage", true)
	p.told("alarm", "Door forced open")
	if e := p.waitEntry("door.forced", ""); e.Door != "garage" {
		t.Errorf("written as %+v", e)
	}
	var doors struct {
		Doors []struct{ Name, Contact, Alarm string }
	}
	p.must(http.StatusOK, "GET", "/doors", nil).into(t, &doors)
	if d := doors.Doors; len(d) != 2 || d[0].Alarm != "" || d[1].Alarm != "forced" || d[1].Contact != "open" {
		t.Errorf("the doors are %+v", d)
	}
	p.contact("garage", false)
	p.waitEntry("door.closed", "")
}

func TestNothingSecuresADoorThatBurns(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	p.input("fire", true)
	p.waitFor("strike", "front", true)
	// A refused badge and a pulse do not secure a door that burns.
	p.badge("front-in", "DEADBEEF")
	p.waitEntry("access.refused", "")
	p.must(http.StatusOK, "POST", "/doors/front/open", nil)
	p.told("granted", "Please come in")
	// When the message goes, the pulse is long over.
	p.waitText("Fire alarm: doors open")
	if s := p.state(); !s.Strikes["front"].On {
		t.Error("the door was secured while it burns")
	}
	p.input("fire", false)
	p.waitFor("strike", "front", false)
	p.stop()
}
