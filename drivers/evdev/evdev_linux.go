// Package evdev reads the keys of a Linux input device: a keypad, or a scanner that types.
//
// It holds the device for itself, so that no console sees what is typed, and opens it again when it was unplugged.
// What a key means is decided by the packages keypad and scanner.
package evdev

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grab is EVIOCGRAB of linux/input.h.
	grab = 0x40044590
	// eventSize is that of struct input_event: two words of time, type, code and value.
	eventSize = 2*strconv.IntSize/8 + 8

	typeSync    = 0x00 // EV_SYN
	typeKey     = 0x01 // EV_KEY
	syncDropped = 3    // SYN_DROPPED: the kernel had no room

	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
)

// Device is one input device. It is a value: Run opens it.
type Device struct {
	// Path is the device file. One of /dev/input/by-id stays the same when other devices come and go.
	Path string
	// State gets nil when the device is open and the cause when it is not, at each change. It must not block; may be
	// nil.
	State func(error)
	// Log gets the same; may be nil.
	Log *slog.Logger
}

// Run hands every key event over until ctx ends, and returns nil then. The value is 1 for a press, 0 for a release, 2
// for a repetition; code 0 with value 0 says that the kernel lost events. A device that is gone is opened again, with
// pauses of up to five seconds.
func (d Device) Run(ctx context.Context, event func(code uint16, value int32)) error {
	last := errors.New("not opened yet")
	report := func(err error) {
		if (err == nil) == (last == nil) && (err == nil || err.Error() == last.Error()) {
			return
		}
		last = err
		if d.Log != nil && err != nil {
			d.Log.Error("input device does not work", "device", d.Path, "cause", err)
		} else if d.Log != nil {
			d.Log.Info("input device works", "device", d.Path)
		}
		if d.State != nil {
			d.State(err)
		}
	}
	pause := minPause
	for ctx.Err() == nil {
		f, err := d.open()
		if err == nil {
			report(nil)
			pause = minPause
			err = read(ctx, f, event)
			_ = f.Close() // it was only read
		}
		if ctx.Err() != nil {
			break
		}
		report(fmt.Errorf("cannot read input device %s: %w", d.Path, err))
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

// open opens the device so that a read can be ended, which the file that go-evdev offers cannot.
func (d Device) open() (*os.File, error) {
	f, err := os.OpenFile(d.Path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	raw, err := f.SyscallConn()
	if err == nil {
		var refused error
		err = raw.Control(func(fd uintptr) { refused = unix.IoctlSetInt(int(fd), grab, 1) })
		err = errors.Join(err, refused)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot hold it alone: %w", err), f.Close())
	}
	return f, nil
}

// deadliner is what ends a read.
type deadliner interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// read hands events over until the file fails or ctx ends.
func read(ctx context.Context, f deadliner, event func(code uint16, value int32)) error {
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	from := bufio.NewReaderSize(f, 64*eventSize)
	var b [eventSize]byte
	for {
		if _, err := io.ReadFull(from, b[:]); err != nil {
			return err
		}
		e := b[eventSize-8:]
		kind, code, value := binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:]), int32(binary.NativeEndian.Uint32(e[4:]))
		switch {
		case kind == typeKey:
			event(code, value)
		case kind == typeSync && code == syncDropped:
			event(0, 0)
		}
	}
}
