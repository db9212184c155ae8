package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
)

// badDay is a story in which everything goes wrong for a fleet of two hundred.
const badDay = `
	begins 10:00
	10:00:30  everybody makes 60 entries a minute
	10:00:40  panel 7 is copied
	10:01     everybody storms with 2 visits each
	10:02     site Roma 1 loses its line for 4 minutes
	10:03     5 percent lose their power for 3 minutes
	10:03     site Bari 1 flaps 2 times
	10:04     panel 3 of Milano 2 stops for 2 minutes
	10:05     the hub is away for 2 minutes
	10:06     panel 7 is restored
	10:08     10 percent have the clock of the year 2000 for 2 minutes
	10:08     5 percent do not know the time for 2 minutes
	10:09     10 percent have a clock that jumps 5 hours ahead
	10:09     everybody storms with 2 visits each
	10:10     panel 9 has a twin for 2 minutes
	10:11     site Napoli 1 restarts
	10:12     everybody makes 6 entries a minute
	10:13     panel 11 sends garbage
	10:18     the end`

// hubProgram builds the hub. DOORHUB_TEST_BINARY names another one, such as one with the race detector.
func hubProgram(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("DOORHUB_TEST_BINARY"); given != "" {
		return given
	}
	program := filepath.Join(t.TempDir(), "doorhub")
	build := exec.Command("go", "build", "-o", program, "../doorhub")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the hub: %v\n%s", err, out)
	}
	return program
}

func TestTwoHundredPanelsLoseNothingAtAHubOnABadDay(t *testing.T) {
	hub, err := startChild(t.Context(), hubProgram(t), filepath.Join(t.TempDir(), "hub"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.close(); err != nil {
			t.Error(err)
		}
		if raw, err := os.ReadFile(hub.log.Name()); t.Failed() && err == nil {
			t.Logf("the hub said:\n%s", raw[max(len(raw)-8<<10, 0):])
		}
	})
	before := heapInUse()
	f := newTestFleet(t, nil, func(s *setup) {
		s.panels, s.sites, s.rate, s.speed, s.timing.keepAlive, s.timing.heartbeat = 200, 20, 6, 60, 2*time.Second, 5*time.Second
		s.admission, s.servers = hub.api, servers{hub: hub.away, broker: hub.away}
	})
	accounts := f.lives(t, hub.api, badDay)
	after := heapInUse()
	sum := total(accounts)
	if len(sum.Bad) > 0 || sum.Written < 2000 {
		t.Errorf("%+v", sum)
	}
	for _, a := range accounts {
		if odd := a.Panel == 7 || a.Panel == 9 || a.Panel == 11; (a.Odd != "") != odd {
			t.Errorf("%+v", a)
		}
	}
	for _, panel := range []int{7, 11} {
		if a := accounts[panel-1]; !a.Fault {
			t.Errorf("a panel that %s goes unnoticed: %+v", a.Odd, a)
		}
	}
	// To one address goes one message at a time: of the one that the hub was killed over it cannot know that it came, so that one
	// may come again under its key (docs/notify.md).
	if _, twice := hub.mailbox.messages(); twice > 1 {
		t.Errorf("%d messages came more than once, and the hub was killed once", twice)
	}
	notices, err := hub.api.notices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries of %d panels, %d windows sent again, %d notices, %d KiB a panel here, %d MiB the hub", sum.Written, len(accounts), f.meter.again.Load(),
		len(notices), (after-min(before, after))/uint64(len(accounts))/1024, hub.memory()>>20)
}

func TestARunEndsWithOneWhenItIsNotWhole(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	dir := t.TempDir()
	story := filepath.Join(dir, "story")
	if err := os.WriteFile(story, []byte("10:00:01 everybody storms with 3 visits each\n10:00:03 the end"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, faults strings.Builder
	args := []string{"run", "--broker", broker.URL(), "--panels", "5", "--sites", "2", "--story", story, "--json", filepath.Join(dir, "report")}
	if code := execute(t.Context(), args, &out, &faults); code != 0 || !strings.Contains(out.String(), "5 panels on 2 sites") {
		t.Errorf("%d %s %s", code, out.String(), faults.String())
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "report")); err != nil || !strings.Contains(string(raw), `"waiting": 0`) {
		t.Errorf("%s %v", raw, err)
	}
	args = []string{"run", "--broker", "mqtt://127.0.0.1:1", "--panels", "1", "--sites", "1", "--for", "1s", "--patience", "1ms"}
	if code := execute(t.Context(), args, &out, &faults); code != 1 || !strings.Contains(out.String(), "not acknowledged") {
		t.Errorf("nothing can arrive: %d %s %s", code, out.String(), faults.String())
	}
	bad := report{Counted: true, Totals: total([]account{{Lost: 1}})}
	if bad.whole() || (report{Waiting: 1}).whole() || !(report{Counted: true}).whole() {
		t.Error("a report does not know whether it is whole")
	}
	out.Reset()
	bad.print(&out)
	if !strings.Contains(out.String(), "NOT WHOLE: 1 panel") {
		t.Error(out.String())
	}
}

func TestWrongCommandsAreRefusedWithTheRemedy(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "no command"},
		{"run", 2, "--hub"},
		{"run --broker mqtt://127.0.0.1 --panels 0", 2, "1 to"},
		{"run --broker mqtt://127.0.0.1 --panels 2 --sites 3", 2, "1 to 2"},
		{"run --broker mqtt://127.0.0.1 --rate -1", 2, "0 to"},
		{"run --broker mqtt://127.0.0.1 --past 72h", 2, "--past-entries"},
		{"run --broker mqtt://127.0.0.1 --story /nowhere", 1, "cannot read the story"},
		{"dance", 2, "unknown command"},
		{"story /nowhere", 1, "cannot read the story"},
	} {
		var out, faults strings.Builder
		if code := execute(t.Context(), strings.Fields(test.args), &out, &faults); code != test.code || !strings.Contains(faults.String(), test.want) {
			t.Errorf("%s: %d %s", test.args, code, faults.String())
		}
	}
	var out strings.Builder
	if code := execute(t.Context(), []string{"story"}, &out, &out); code != 0 || !strings.Contains(out.String(), "loses its line") {
		t.Error(out.String())
	}
	_, faults := parseStory(strings.ReplaceAll(badDay, "\t", " "))
	if err := errors.Join(faults...); err != nil {
		t.Error(err)
	}
}
