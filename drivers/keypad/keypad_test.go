package keypad

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type event struct {
	code  uint16
	value int32
}

func press(codes ...uint16) []event {
	var events []event
	for _, c := range codes {
		events = append(events, event{c, 1}, event{c, 0})
	}
	return events
}

func TestKeys(t *testing.T) {
	tests := []struct {
		name   string
		events []event
		want   string
	}{
		{"upper row", press(2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "1234567890"},
		{"number pad", press(79, 80, 81, 75, 76, 77, 71, 72, 73, 82), "1234567890"},
		{"telephone keys", press(0x201, 0x209, 0x200, 0x20A, 0x20B), "190*#"},
		{"enter", press(28, 96), "##"},
		{"clearing keys", press(1, 14, 111, 55), "****"},
		{"repetition counts once", []event{{2, 1}, {2, 2}, {2, 2}, {2, 0}}, "1"},
		{"letters and functions are nothing", press(30, 44, 59, 113, 240, 767), ""},
		{"shift makes # and *", []event{{42, 1}, {4, 1}, {4, 0}, {9, 1}, {9, 0}, {42, 0}, {4, 1}}, "#*3"},
		{"shift makes punctuation", []event{{54, 1}, {2, 1}, {11, 1}, {54, 0}}, ""},
		{"shift leaves enter", []event{{54, 1}, {28, 1}, {54, 0}}, "#"},
		{"both shifts, one released", []event{{42, 1}, {54, 1}, {42, 0}, {4, 1}}, "#"},
		{"a loss lets shift go", []event{{42, 1}, {0, 0}, {4, 1}}, "3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			end := errors.New("end")
			err := Run(t.Context(), func(_ context.Context, event func(uint16, int32)) error {
				for _, e := range test.events {
					event(e.code, e.value)
				}
				return end
			}, func(key rune) { got.WriteRune(key) })
			if got.String() != test.want || err != end {
				t.Errorf("keys %q, %v, want %q", got.String(), err, test.want)
			}
		})
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{2, 0, 1, 42, 0, 1, 4, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Decoder
		for ; len(data) >= 3; data = data[3:] {
			key, ok := d.Decode(uint16(data[0])|uint16(data[1])<<8, int32(int8(data[2])))
			if ok != strings.ContainsRune("0123456789#*", key) {
				t.Errorf("key %q, %t", key, ok)
			}
		}
	})
}
