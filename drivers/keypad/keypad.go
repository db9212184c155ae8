// Package keypad turns the key events of a Linux input device into the keys of a door keypad: 0 to 9, # and *.
//
// It remembers nothing of what was typed: codes are put together and judged by the panel.
package keypad

import "context"

// Source delivers key events until ctx ends: the code of linux/input-event-codes.h, and 1 for a press, 0 for a
// release, 2 for a repetition. Run of an evdev device is one.
type Source func(ctx context.Context, event func(code uint16, value int32)) error

// Run calls key for every key that is pressed, until ctx ends; it returns what the source returns. Key must not
// block.
func Run(ctx context.Context, from Source, key func(rune)) error {
	var d Decoder
	return from(ctx, func(code uint16, value int32) {
		if k, ok := d.Decode(code, value); ok {
			key(k)
		}
	})
}

// Codes of linux/input-event-codes.h.
const (
	leftShift  = 42
	rightShift = 54
)

// keys are the codes that mean something, without shift. Enter ends an entry as # does; Escape, Backspace and Delete
// clear it as * does.
var keys = map[uint16]rune{
	2: '1', 3: '2', 4: '3', 5: '4', 6: '5', 7: '6', 8: '7', 9: '8', 10: '9', 11: '0', // the upper row
	79: '1', 80: '2', 81: '3', 75: '4', 76: '5', 77: '6', 71: '7', 72: '8', 73: '9', 82: '0', // the number pad
	0x201: '1', 0x202: '2', 0x203: '3', 0x204: '4', 0x205: '5', 0x206: '6', 0x207: '7', 0x208: '8', 0x209: '9', 0x200: '0', // telephone keys
	28: '#', 96: '#', 0x20B: '#', // Enter, number pad's Enter, #
	55: '*', 0x20A: '*', 1: '*', 14: '*', 111: '*', // number pad's *, *, Escape, Backspace, Delete
}

// shifted are the codes that mean something else with shift on the usual layout.
var shifted = map[uint16]rune{4: '#', 9: '*'}

// Decoder knows whether shift is held. The zero value is ready.
type Decoder struct{ left, right bool }

// Decode returns the key of an event; false when it is none, or a release, or a repetition.
func (d *Decoder) Decode(code uint16, value int32) (key rune, ok bool) {
	switch code {
	case 0: // events were lost, perhaps the release of shift
		*d = Decoder{}
		return 0, false
	case leftShift:
		d.left = value != 0
		return 0, false
	case rightShift:
		d.right = value != 0
		return 0, false
	}
	if value != 1 {
		return 0, false
	}
	if d.left || d.right {
		if key, ok = shifted[code]; ok {
			return key, true
		}
		if code >= 2 && code <= 11 { // the upper row types punctuation
			return 0, false
		}
	}
	key, ok = keys[code]
	return key, ok
}
