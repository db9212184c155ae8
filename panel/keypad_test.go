package panel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel"
)

func TestKeypadMakesCodesOfKeys(t *testing.T) {
	tests := []struct {
		name string
		keys string // a dot stands for ten seconds in which nothing is pressed
		want []string
	}{
		{"a code", "1234#", []string{"1234"}},
		{"leading zeros stay", "0012#", []string{"0012"}},
		{"nothing typed", "#", nil},
		{"cleared", "99*1234#", []string{"1234"}},
		{"cleared to nothing", "99*#", nil},
		{"two codes", "12#34#", []string{"12", "34"}},
		{"half a code, left alone", "12.34#", []string{"34"}},
		{"left alone before the end", "1234.#", nil},
		{"other keys", "1A2 3é4#", []string{"1234"}},
		{"sixteen digits", "1234567890123456#", []string{"1234567890123456"}},
		{"the short code of a license, with a digit too many", "123456789012345678901#", []string{"123456789012345678901"}},
		{"a hundred are too many and stay too many", strings.Repeat("1", 100) + "#", []string{strings.Repeat("1", 22)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var k panel.Keypad
			var got []string
			at := time.Duration(0) // a panel that has just booted
			for _, key := range test.keys {
				if key == '.' {
					at += 10 * time.Second
					continue
				}
				if code, complete := k.Press(at, key); complete {
					got = append(got, code)
				}
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestKeypadKeepsDigitsForLessThanTenSeconds(t *testing.T) {
	var k panel.Keypad
	k.Press(time.Second, '1')
	k.Press(11*time.Second-1, '2')
	if code, _ := k.Press(21*time.Second-2, '#'); code != "12" {
		t.Errorf("got %q", code)
	}
}
