package guard

import (
	"bufio"
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

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// The test binary is also the guard and the panel of the tests below, told by this variable.
const role = "GUARD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "guard":
		if err := Main(os.Stdin, os.Stdout, openFIFO); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "panel":
		runPanel(os.Args[1])
	}
	os.Exit(0)
}

// fifoLine writes "<process> <monotonic nanoseconds> <level>" for each change into the FIFO that is the door's Line.
type fifoLine struct {
	f     *os.File
	level gpio.Level
}

func openFIFO(d Door) (Line, error) {
	f, err := os.OpenFile(d.Line, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	l := &fifoLine{f: f}
	return l, l.write()
}

func (l *fifoLine) write() error {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return err
	}
	_, err := fmt.Fprintf(l.f, "%d %d %s\n", os.Getpid(), ts.Nano(), l.level)
	return err
}

func (l *fifoLine) Out(level gpio.Level) error {
	if l.level == level {
		return nil
	}
	l.level = level
	return l.write()
}

func (l *fifoLine) Close() error { return l.Out(gpio.Low) }

// runPanel starts a guard, releases its door for long and then does nothing until it is killed.
func runPanel(line string) {
	if err := os.Setenv(role, "guard"); err != nil {
		panic(err)
	}
	d := front(FailSecure)
	d.Line = line
	s, err := Start(context.Background(), os.Args[0], Options{Doors: []Door{d}, Args: []string{}, Stderr: os.Stderr})
	if err != nil {
		panic(err)
	}
	if err := s.Set("front", true, time.Minute); err != nil {
		panic(err)
	}
	select {}
}

// change is one level that a guard's process gave the line.
type change struct {
	process int
	at      time.Duration
	level   string
}

// fifo makes the line's far end.
type fifo struct {
	path string
	f    *os.File
	s    *bufio.Scanner
}

func newFIFO(t *testing.T) *fifo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "line")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Opened for both, it has no end while guards come and go.
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &fifo{path: path, f: f, s: bufio.NewScanner(f)}
}

func (f *fifo) next(t *testing.T, level string) change {
	t.Helper()
	if err := f.f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if !f.s.Scan() {
		t.Fatalf("the line did not become %s: %v", level, f.s.Err())
	}
	fields := strings.Fields(f.s.Text())
	process, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	at, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if fields[2] != level {
		t.Fatalf("the line became %s, want %s", fields[2], level)
	}
	return change{process, time.Duration(at), fields[2]}
}

func realStrikes(t *testing.T, line string) *Strikes {
	t.Helper()
	t.Setenv(role, "guard")
	d := front(FailSecure)
	d.Line = line
	s, err := Start(t.Context(), os.Args[0], Options{Doors: []Door{d}, Args: []string{}, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKillingThePanelLocksTheDoor(t *testing.T) {
	line := newFIFO(t)
	panel := exec.Command(os.Args[0], line.path)
	panel.Env = append(os.Environ(), role+"=panel")
	panel.Stderr = os.Stderr
	if err := panel.Start(); err != nil {
		t.Fatal(err)
	}
	line.next(t, "Low") // requested
	line.next(t, "High")
	if err := panel.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = panel.Wait()
	line.next(t, "Low") // long before the minute is over, else next fails
}

func TestARealPulseEndsInTimeAlthoughThePanelStandsStill(t *testing.T) {
	line := newFIFO(t)
	s := realStrikes(t, line.path)
	line.next(t, "Low")
	if err := s.Set("front", true, 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	on, off := line.next(t, "High"), line.next(t, "Low")
	if d := off.at - on.at; d < 200*time.Millisecond || d > 1200*time.Millisecond {
		t.Errorf("a pulse of 200 ms lasted %s", d)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestKillingTheGuardBringsANewOneThatStartsSafe(t *testing.T) {
	for _, test := range []struct {
		name   string
		signal syscall.Signal
	}{{"killed", syscall.SIGKILL}, {"stopped", syscall.SIGSTOP}} {
		t.Run(test.name, func(t *testing.T) {
			line := newFIFO(t)
			s := realStrikes(t, line.path)
			line.next(t, "Low")
			if err := s.Set("front", true, time.Minute); err != nil {
				t.Fatal(err)
			}
			on := line.next(t, "High")
			if err := syscall.Kill(on.process, test.signal); err != nil {
				t.Fatal(err)
			}
			if off := line.next(t, "Low"); off.process == on.process {
				t.Error("the dead guard wrote")
			}
			<-s.Died()
			if err := s.Set("front", true, 0); err != nil {
				// The new guard has its line already but the panel may not know it yet.
				t.Logf("hold before the panel knew its new guard: %v", err)
			}
			line.next(t, "High")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			line.next(t, "Low")
		})
	}
}

func TestSignalsDoNotEndAGuard(t *testing.T) {
	line := newFIFO(t)
	s := realStrikes(t, line.path)
	line.next(t, "Low")
	if err := s.Set("front", true, time.Minute); err != nil {
		t.Fatal(err)
	}
	on := line.next(t, "High")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE} {
		if err := syscall.Kill(on.process, signal); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set("front", false, 0); err != nil {
		t.Fatal(err)
	}
	if off := line.next(t, "Low"); off.process != on.process {
		t.Error("the guard was replaced")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStartTellsWhatTheGuardSaid(t *testing.T) {
	t.Setenv(role, "guard")
	d := front(FailSecure)
	d.Line = filepath.Join(t.TempDir(), "missing")
	_, err := Start(t.Context(), os.Args[0], Options{Doors: []Door{d}, Args: []string{}})
	if err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(err.Error(), `door "front"`) {
		t.Errorf("error %v", err)
	}
}
