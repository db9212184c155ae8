package panel

import "time"

// Keypad gathers the keys of one keypad into a code: digits, # ends, * clears, and so do ten seconds without a key. It
// stands outside the machine, so that a code can be looked up before the machine decides on it.
type Keypad struct {
	digits string
	until  time.Duration
}

// Press takes one key at the monotonic time mono and returns the code that it completes.
func (k *Keypad) Press(mono time.Duration, key rune) (code string, complete bool) {
	if mono >= k.until {
		k.digits = ""
	}
	k.until = mono + keysWithin
	switch {
	case key == '*':
		k.digits = ""
	case key == '#':
		code, k.digits = k.digits, ""
		return code, code != ""
	case key >= '0' && key <= '9' && len(k.digits) <= maxTyped:
		k.digits += string(key) // one more than may be typed stays one too many
	}
	return "", false
}
