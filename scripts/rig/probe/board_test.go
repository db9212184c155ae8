//go:build rig

package probe

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// chip is the label of the board's GPIO chip; init.sh made it.
const chip = "panel"

// Lines of the chip by name.
var lines = map[string]int{
	"BUTTON1": 0, "BUTTON2": 1, "EXIT": 2, "FIRE": 3, "CONTACT": 4, "TAMPER": 5, "SERVICE": 6, "CONTACT2": 7,
	"STRIKE": 8, "STRIKE-LOW": 9, "MAGNET": 10, "EXIT2": 11, "FEEDBACK": 12, "OUT": 14, "IN": 15,
}

const (
	configfs = "/sys/kernel/config/gpio-sim/board"
	tracing  = "/sys/kernel/debug/tracing"
)

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func put(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// wire is the far end of a line in sysfs.
func wire(t *testing.T, line string) string {
	t.Helper()
	n, known := lines[line]
	if !known {
		t.Fatalf("the board has no line %s", line)
	}
	return filepath.Join("/sys/devices/platform", contents(t, configfs+"/dev_name"), contents(t, configfs+"/bank/chip_name"), fmt.Sprintf("sim_gpio%d", n))
}

// drive puts a level on the wire of an input.
func drive(t *testing.T, line string, level gpio.Level) {
	t.Helper()
	pull := "pull-down"
	if level {
		pull = "pull-up"
	}
	put(t, wire(t, line)+"/pull", pull)
}

// level is that of a wire.
func level(t *testing.T, line string) gpio.Level {
	t.Helper()
	return contents(t, wire(t, line)+"/value") == "1"
}

// change is one level that the kernel drove a wire to.
type change struct {
	at    time.Duration // since the board's start
	level gpio.Level
}

// startTrace makes the kernel note what is done to its lines from now on.
func startTrace(t *testing.T) {
	t.Helper()
	put(t, tracing+"/trace", "")
	put(t, tracing+"/events/gpio/enable", "1")
}

var (
	base    = regexp.MustCompile(`(?m)^gpiochip\d+: GPIOs (\d+)-\d+, .*\b` + chip + `\b`)
	noted   = regexp.MustCompile(`: (gpio_value|gpio_direction|tracing_mark_write): (\d+)?`)
	driving = regexp.MustCompile(`\s(\d+\.\d+): gpio_value: (\d+) set ([01])$`)
)

// kernelNumber is what the trace calls a line.
func kernelNumber(t *testing.T, line string) string {
	t.Helper()
	m := base.FindStringSubmatch(contents(t, "/sys/kernel/debug/gpio"))
	if m == nil {
		t.Fatal("the kernel does not list the chip")
	}
	first, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(first + lines[line])
}

// changes are the levels that a wire was driven to since startTrace, without repetitions, beginning from low.
func changes(t *testing.T, line string) []change {
	t.Helper()
	number := kernelNumber(t, line)
	trace, err := os.ReadFile(tracing + "/trace")
	if err != nil {
		t.Fatal(err)
	}
	var all []change
	var last gpio.Level
	for s := bufio.NewScanner(bytes.NewReader(trace)); s.Scan(); {
		m := driving.FindStringSubmatch(s.Text())
		if m == nil || m[2] != number {
			continue
		}
		at, err := time.ParseDuration(m[1] + "s")
		if err != nil {
			t.Fatal(err)
		}
		if l := gpio.Level(m[3] == "1"); l != last {
			last = l
			all = append(all, change{at, l})
		}
	}
	return all
}

// excerpt is what the trace says of one line, and what was done to the processes meanwhile.
func excerpt(t *testing.T, line string) string {
	t.Helper()
	number := kernelNumber(t, line)
	var b strings.Builder
	for entry := range strings.Lines(contents(t, tracing+"/trace")) {
		if m := noted.FindStringSubmatch(entry); m != nil && (m[2] == number || m[1] == "tracing_mark_write") {
			b.WriteString(strings.TrimLeft(entry, " "))
		}
	}
	return b.String()
}

// until polls until it has happened, else fails with what was seen instead.
func until(t *testing.T, happened func() bool, instead func() string) {
	t.Helper()
	late := time.After(30 * time.Second)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !happened() {
		select {
		case <-look.C:
		case <-late:
			t.Fatal(instead())
		}
	}
}

// await polls until the wire has been driven n times.
func await(t *testing.T, line string, n int) []change {
	t.Helper()
	var all []change
	until(t, func() bool {
		all = changes(t, line)
		return len(all) >= n
	}, func() string { return fmt.Sprintf("%s was driven %v, want %d changes", line, all, n) })
	return all
}
