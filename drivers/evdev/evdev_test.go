package evdev

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// raw is one struct input_event.
func raw(kind, code uint16, value int32) []byte {
	b := make([]byte, eventSize)
	e := b[eventSize-8:]
	binary.NativeEndian.PutUint16(e, kind)
	binary.NativeEndian.PutUint16(e[2:], code)
	binary.NativeEndian.PutUint32(e[4:], uint32(value))
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

func TestOnlyKeysAndLossesAreHandedOver(t *testing.T) {
	r, w := pipe(t)
	for _, b := range [][]byte{
		raw(4, 4, 458782),        // EV_MSC: scan code
		raw(typeKey, 2, 1),       // 1 pressed
		raw(0, 0, 0),             // SYN_REPORT
		raw(typeKey, 2, 0),       // 1 released
		raw(0, syncDropped, 0),   // SYN_DROPPED
		raw(typeKey, 28, 2),      // Enter repeated
		raw(typeKey, 28, 1)[:10], // the device is unplugged
	} {
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := read(t.Context(), r, func(code uint16, value int32) { got = append(got, fmt.Sprint(code, "=", value)) })
	if err != io.ErrUnexpectedEOF {
		t.Errorf("read ended with %v", err)
	}
	if want := []string{"2=1", "2=0", "0=0", "28=2"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestReadingEndsWithTheContext(t *testing.T) {
	r, _ := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- read(ctx, r, func(uint16, int32) {}) }()
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("read ended without a cause")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("read did not end")
	}
}

func TestADeviceThatIsNotThereIsToldOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		d := Device{Path: filepath.Join(t.TempDir(), "event0"), State: func(err error) { told = append(told, err.Error()) }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := d.Run(ctx, func(uint16, int32) {}); err != nil {
			t.Error(err)
		}
		if len(told) != 1 || !strings.Contains(told[0], "no such file") {
			t.Errorf("told %q", told)
		}
	})
}

func TestAFileThatIsNoInputDeviceIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "event0")
	if err := os.WriteFile(path, raw(typeKey, 2, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var told error
	d := Device{Path: path, State: func(err error) { told = err; cancel() }}
	if err := d.Run(ctx, func(uint16, int32) { t.Error("a key came from a plain file") }); err != nil {
		t.Error(err)
	}
	if told == nil || !strings.Contains(told.Error(), "cannot hold it alone") {
		t.Errorf("told %v", told)
	}
}
