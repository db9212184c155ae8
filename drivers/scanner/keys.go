package scanner

import (
	"context"
	"time"
)

// Source delivers key events until ctx ends: the code of linux/input-event-codes.h, and 1 for a press, 0 for a
// release, 2 for a repetition; code 0 says that events were lost. Run of an evdev device is one.
type Source func(ctx context.Context, event func(code uint16, value int32)) error

// RunKeys reads a scanner that types on the usual (US) keyboard layout, which is how scanners leave the factory,
// until ctx ends; it returns what the source returns.
func RunKeys(ctx context.Context, from Source, o Options) error {
	lines := NewLines(o)
	var d Decoder
	return from(ctx, func(code uint16, value int32) {
		if code == 0 {
			d = Decoder{}
			lines.Lost()
			return
		}
		if c, ok := d.Decode(code, value); ok {
			lines.Add(c, time.Now())
		}
	})
}

// Codes of linux/input-event-codes.h.
const (
	leftShift  = 42
	rightShift = 54
	capsLock   = 58
)

// rows are the keys of the US layout: the code of the first key of a run, and what the run types without and with
// shift.
var rows = []struct {
	first        uint16
	plain, shift string
}{
	{2, "1234567890-=", "!@#$%^&*()_+"},
	{16, "qwertyuiop[]\r", "QWERTYUIOP{}\r"}, // the run ends with Enter
	{30, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
	{43, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
	{55, "*", "*"},
	{57, " ", " "},
	{71, "789-456+1230.", "789-456+1230."}, // number pad
	{96, "\r", "\r"},
	{98, "/", "/"},
}

// Decoder knows whether shift and caps lock are on. The zero value is ready.
type Decoder struct{ left, right, caps bool }

// Decode returns the character of an event; false when it types none.
func (d *Decoder) Decode(code uint16, value int32) (c byte, ok bool) {
	switch code {
	case leftShift:
		d.left = value != 0
		return 0, false
	case rightShift:
		d.right = value != 0
		return 0, false
	case capsLock:
		d.caps = d.caps != (value == 1)
		return 0, false
	}
	if value != 1 {
		return 0, false
	}
	for _, row := range rows {
		i := int(code) - int(row.first)
		if i < 0 || i >= len(row.plain) {
			continue
		}
		c = row.plain[i]
		if shift := d.left || d.right; shift != (d.caps && c >= 'a' && c <= 'z') {
			c = row.shift[i]
		}
		return c, true
	}
	return 0, false
}
