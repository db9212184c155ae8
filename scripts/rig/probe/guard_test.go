//go:build rig

package probe

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	panelgpio "github.com/doorpanel/doorpanel/drivers/gpio"
	"github.com/doorpanel/doorpanel/drivers/guard"
)

// The test binary is also the guard and the panel of these tests, told by this variable.
const role = "RIG_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "guard":
		if err := guard.Main(os.Stdin, os.Stdout, openLine); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "panel":
		standInPanel(os.Args[1])
	}
	os.Exit(0)
}

func openLine(d guard.Door) (guard.Line, error) {
	c, err := panelgpio.OpenChip(d.Chip)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Output(d.Line, panelgpio.OutputOptions{Initial: gpio.Low, ActiveLow: d.ActiveLow})
}

func door(line string) guard.Door {
	d := guard.Door{Name: "front", Chip: chip, Line: line, Safe: guard.FailSecure, MaxPulse: time.Minute}
	d.ActiveLow = line == "STRIKE-LOW"
	if line == "MAGNET" {
		d.Safe = guard.FailSafe
	}
	return d
}

// startGuard needs the role of the guard in the environment, for the first one and for those that replace it.
func startGuard(line string) (*guard.Strikes, error) {
	return guard.Start(context.Background(), "/proc/self/exe", guard.Options{Doors: []guard.Door{door(line)}, Args: []string{}, Stderr: os.Stderr})
}

// standInPanel releases its door for 20 seconds and stands still.
func standInPanel(line string) {
	if err := os.Setenv(role, "guard"); err != nil {
		panic(err)
	}
	s, err := startGuard(line)
	if err != nil {
		panic(err)
	}
	if err := s.Set("front", true, 20*time.Second); err != nil {
		panic(err)
	}
	select {}
}

// released tells whether a level on the wire lets people through.
func released(line string, l gpio.Level) bool {
	return l == (line == "STRIKE")
}

func TestOnePulseOfTheRightLengthAndNoGlitch(t *testing.T) {
	for _, line := range []string{"STRIKE", "STRIKE-LOW", "MAGNET"} {
		t.Run(line, func(t *testing.T) {
			t.Setenv(role, "guard")
			startTrace(t)
			s, err := startGuard(line)
			if err != nil {
				t.Fatal(err)
			}
			before := len(changes(t, line)) // to the level at rest, when that is high
			if before > 0 && released(line, changes(t, line)[before-1].level) {
				t.Errorf("at start %s was driven %v", line, changes(t, line))
			}
			const pulse = 500 * time.Millisecond
			if err := s.Set("front", true, pulse); err != nil {
				t.Fatal(err)
			}
			all := await(t, line, before+2)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			on, off := all[before], all[before+1]
			if !released(line, on.level) || released(line, off.level) {
				t.Errorf("%s was driven %v", line, all)
			}
			if d := off.at - on.at; d < pulse || d > pulse+time.Second {
				t.Errorf("a pulse of %s lasted %s", pulse, d)
			}
			t.Logf("%s: pulse of %s lasted %s", line, pulse, off.at-on.at)
			after := changes(t, line)[before+2:]
			switch {
			case line == "MAGNET": // fail-safe: without a panel it is open
				if len(after) != 1 || !released(line, after[0].level) {
					t.Errorf("after the end %s was driven %v", line, after)
				}
			case len(after) != 0:
				t.Errorf("after the end %s was driven %v", line, after)
			}
		})
	}
}

func TestKillingPanelOrGuardEndsTheRelease(t *testing.T) {
	for _, victim := range []string{"panel", "guard"} {
		for _, line := range []string{"STRIKE", "STRIKE-LOW"} {
			t.Run(victim+" "+line, func(t *testing.T) {
				startTrace(t)
				panel := exec.Command("/proc/self/exe", line)
				panel.Env = append(os.Environ(), role+"=panel")
				panel.Stderr = os.Stderr
				if err := panel.Start(); err != nil {
					t.Fatal(err)
				}
				defer func() { _, _ = panel.Process.Kill(), panel.Wait() }()
				want := 1
				if line == "STRIKE-LOW" {
					want = 2 // first to rest, which is high
				}
				before := await(t, line, want)
				if !released(line, before[want-1].level) {
					t.Fatalf("%s was driven %v", line, before)
				}
				pid := panel.Process.Pid
				if victim == "guard" {
					pid = child(t, pid)
				}
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				all := await(t, line, want+1)
				if released(line, all[want].level) {
					t.Errorf("%s was driven %v", line, all)
				}
				if d := all[want].at - all[want-1].at; d > 10*time.Second {
					t.Errorf("after kill -9 the release went on for %s", d)
				} else {
					t.Logf("released for %s in all", d)
				}
				if level(t, line) != all[want].level {
					t.Error("the wire is not what the kernel was told")
				}
			})
		}
	}
}

// child is the one child of a process.
func child(t *testing.T, parent int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		stat := string(b)
		fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
		if fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(stat[:strings.IndexByte(stat, ' ')])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("process %d has no child", parent)
	return 0
}
