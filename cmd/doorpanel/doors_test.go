package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/telemetry"
)

// door is a [[door]] section with a short pulse and further keys.
func door(name, digit string, keys ...string) string {
	return "[[door]]\nname = \"" + name + "\"\nopen_digit = \"" + digit + "\"\npulse = \"300ms\"\n" + strings.Join(keys, "\n") + "\n"
}

func TestALockdownOutlivesAKillAndLetsPeopleOut(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	hub := newSigner(t)
	p := startPanel(t, setting{more: uplinkTo(broker, hub.pub)})
	first := up.awaitStatus("online", online)
	if said := p.cli("lockdown"); said.code != 0 || said.out != "The panel is not locked down.\n" {
		t.Fatal(said)
	}
	if said := p.cli("lockdown", "on"); said.code != 0 || said.out != "The panel is locked down. Exit and fire open as ever.\n" {
		t.Fatal(said)
	}
	p.told("alarm", "Lockdown: no entry")
	if e := p.waitEntry("lockdown.on", "cli"); e.Who == "" {
		t.Errorf("nobody asked for it: %v", e)
	}
	p.must(http.StatusForbidden, "POST", "/doors/front/open", nil)
	p.waitEntry("access.refused", "lockdown")
	p.exits("exit", "front")

	p.kill()
	if said := p.cli("lockdown", "--json"); said.code != 0 || strings.ReplaceAll(said.out, " ", "") != "{\n\"on\":true\n}\n" {
		t.Errorf("while no panel runs: %v", said)
	}
	p = p.restart()
	p.waitText("Lockdown: no entry")
	p.must(http.StatusForbidden, "POST", "/doors/front/open", nil)
	p.exits("exit", "front")
	p.burns("front")

	status := up.awaitStatus("online again", func(s telemetry.Status) bool { return s.Online && s.Boot != first.message.Boot })
	order := func(number uint64, object string) {
		up.wait(up.client.Publish(telemetry.CommandTopic("e2e", p.id), 1, false, hub.order(t, telemetry.Command{
			Panel: p.id, Boot: status.message.Boot, DeadlineMS: up.mono(status) + 20_000, Number: number, Verb: telemetry.VerbLockdown, Object: object,
		})))
	}
	order(1, "perhaps")
	p.waitEntry("access.refused", "unknown_command")
	order(2, "off")
	p.waitEntry("lockdown.off", "command")
	reply := up.replies.await(t, "the reply", func(r telemetry.Reply) bool { return r.Number == 2 })
	if reply.Result != telemetry.ResultDone {
		t.Errorf("the reply is %+v", reply)
	}
	p.must(http.StatusOK, "POST", "/doors/front/open", nil)
	p.stop()
	if said := p.cli("lockdown", "on"); said.code != 0 {
		t.Fatal(said)
	}
	p = p.restart()
	p.must(http.StatusForbidden, "POST", "/doors/front/open", nil)
	if said := p.cli("lockdown", "maybe"); said.code != 2 {
		t.Error(said)
	}
}

func TestADoorStandsOpenByAScheduleOfThePage(t *testing.T) {
	t.Parallel()
	vendor := newSigner(t)
	p := startPanel(t, setting{doors: door("shop", "1", `stands_open = "hours"`, `held_open_after = "5s"`), roots: vendor.roots()})
	p.clock(time.Date(2026, 11, 23, 11, 59, 0, 0, time.UTC), true)
	p.activate(vendor.license(t, token(grant(license.AccessBasic, 1))))
	p.must(http.StatusOK, "PUT", "/schedules/hours", object{"slots": []object{{"days": []string{"mon"}, "from": "12:00", "to": "13:00"}}})
	p.contact("shop", true) // before the hours
	p.waitEntry("door.forced", "")
	p.contact("shop", false)
	p.waitEntry("door.closed", "")
	p.clock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), true)
	p.waitFor("strike", "shop", true)
	p.waitEntry("door.stands_open", "schedule")
	var doors struct {
		Doors []struct {
			Strike string `json:"strike"`
			Stands string `json:"stands_open"`
		} `json:"doors"`
	}
	p.must(http.StatusOK, "GET", "/doors", nil).into(t, &doors)
	if d := doors.Doors[0]; d.Strike != "released" || d.Stands != "schedule" {
		t.Errorf("the page shows %+v", d)
	}
	p.contact("shop", true)
	p.waitEntry("door.opened", "")
	p.contact("shop", false)
	p.waitEntry("door.closed", "")
	p.clock(time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC), false)
	p.waitFor("strike", "shop", false)
	p.clock(time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC), true)
	p.waitFor("strike", "shop", true)
	p.kill()
	p = p.restart()
	p.clock(time.Date(2026, 11, 23, 12, 40, 0, 0, time.UTC), true)
	p.waitFor("strike", "shop", true)
	p.must(http.StatusNoContent, "DELETE", "/schedules/hours", nil)
	p.waitFor("strike", "shop", false)
	p.waitEntry("door.stands_open_over", "schedule")
}

func TestAMantrapReleasesOneDoorAtATime(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{doors: door("street", "1", `interlock = "hall"`) + door("inner", "2", `interlock = "hall"`)})
	p.contact("street", true)
	p.waitEntry("door.forced", "")
	p.must(http.StatusForbidden, "POST", "/doors/inner/open", nil)
	p.waitEntry("access.refused", "interlock")
	p.exits("exit-inner", "inner")
	p.contact("street", false)
	p.waitEntry("door.closed", "")
	p.must(http.StatusOK, "POST", "/doors/inner/open", nil)
	p.opens("inner")
}

func TestAToggledDoorStaysOpenUntilTheNextGrant(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{doors: door("garden", "1", `mode = "toggle"`)})
	p.must(http.StatusOK, "POST", "/doors/garden/open", nil)
	p.waitFor("strike", "garden", true)
	p.waitText("The door stays open")
	p.input("exit", true)
	p.waitEntry("door.exit", "")
	p.trace.await(t, "the end of the message", func(i traceItem) bool { // and so of the exit's pulse
		text, is := i.Value.(string)
		return is && i.Kind == "text" && strings.HasPrefix(text, "Setup code")
	})
	if strike := p.state().Strikes["garden"]; !strike.On {
		t.Error("the exit button locked the door")
	}
	p.must(http.StatusOK, "POST", "/doors/garden/open", nil)
	p.waitFor("strike", "garden", false)
	p.told("locked", "Door locked")
}

func TestFireDoesToEachDoorWhatItsSettingSays(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{doors: door("stairs", "1", `fire = "release"`) + door("smoke", "2", `fire = "ignore"`)})
	p.input("fire", true)
	p.waitFor("strike", "stairs", true)
	p.told("alarm", "Fire alarm")
	p.exits("exit-smoke", "smoke")
	p.input("fire", false)
	p.waitFor("strike", "stairs", false)
}

func TestAStopDuringAFireIsWrittenDown(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	p.input("fire", true)
	p.waitFor("strike", "front", true)
	p.stop()
	if said := p.cliMust("journal", "export", "--kind", "system.stopped"); !strings.Contains(said, "during a fire alarm") {
		t.Error(said)
	}
}

func TestARelayThatSticksIsAnAlarm(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	p.exits("exit", "front")
	p.fault("relay-front", true)
	p.input("exit", true)
	if e := p.waitEntry("strike.failed", ""); e.Door != "front" || e.Detail != "it reads locked although it was released" {
		t.Errorf("the journal says %v", e)
	}
	p.told("alarm", "The door does not answer")
	p.fault("relay-front", false)
	p.input("exit", false)
	p.input("exit", true)
	p.opens("front")
	if e := p.waitEntry("device.recovered", ""); e.Door != "front" {
		t.Errorf("the journal says %v", e)
	}
}

func TestThoseInTheDoorAreWarnedBeforeTheAlarm(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{doors: door("front", "1", `held_open_after = "5s"`, `held_warning = "4s"`)})
	p.input("exit", true)
	p.waitFor("strike", "front", true)
	p.contact("front", true)
	p.waitEntry("door.held_warning", "")
	p.told("warning", "The door is still open")
	p.waitEntry("door.held", "")
	p.contact("front", false)
	p.waitEntry("door.held_over", "")
}
