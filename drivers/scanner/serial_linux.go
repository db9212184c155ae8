package scanner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.bug.st/serial"
)

const (
	defaultBaud = 9600
	minPause    = 200 * time.Millisecond
	maxPause    = 5 * time.Second
)

// Serial is a scanner on a serial line, 8 data bits, no parity, 1 stop bit. It is a value: Run opens it.
type Serial struct {
	Path string // /dev/ttyS0, /dev/serial/by-id/...
	Baud int    // bits a second; 9600 when 0
	// State gets nil when the line is open and the cause when it is not, at each change. It must not block; may be nil.
	State func(error)
	// Log gets the same; may be nil.
	Log *slog.Logger
}

// Run reads texts until ctx ends, and returns nil then. A line that is gone is opened again, with pauses of up to five
// seconds.
func (s Serial) Run(ctx context.Context, o Options) error {
	if s.Baud == 0 {
		s.Baud = defaultBaud
	}
	last := errors.New("not opened yet")
	report := func(err error) {
		if (err == nil) == (last == nil) && (err == nil || err.Error() == last.Error()) {
			return
		}
		last = err
		if s.Log != nil && err != nil {
			s.Log.Error("scanner does not work", "device", s.Path, "cause", err)
		} else if s.Log != nil {
			s.Log.Info("scanner works", "device", s.Path)
		}
		if s.State != nil {
			s.State(err)
		}
	}
	lines := NewLines(o)
	pause := minPause
	for ctx.Err() == nil {
		port, err := serial.Open(s.Path, &serial.Mode{BaudRate: s.Baud})
		if err == nil {
			report(nil)
			pause = minPause
			err = read(ctx, port, lines)
			lines.Lost()
		}
		if ctx.Err() != nil {
			break
		}
		report(fmt.Errorf("cannot read scanner on %s: %w", s.Path, err))
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

// read closes the port in the end, which also is what ends a read when ctx does.
func read(ctx context.Context, port serial.Port, lines *Lines) error {
	stop := context.AfterFunc(ctx, func() { _ = port.Close() })
	defer func() {
		if stop() {
			_ = port.Close() // it was only read
		}
	}()
	b := make([]byte, 256)
	for {
		n, err := port.Read(b)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("the line was closed")
		}
		now := time.Now()
		for _, c := range b[:n] {
			lines.Add(c, now)
		}
	}
}
