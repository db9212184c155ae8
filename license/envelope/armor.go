package envelope

import (
	"fmt"
	"strings"
)

func (k Kind) prefix() string {
	switch k {
	case License:
		return "DP1:"
	case Slice:
		return "DS1:"
	case Pass:
		return "DG1:"
	case Identity:
		return "DI1:"
	case Delegation:
		return "DD1:"
	case Revocation:
		return "DR1:"
	case Command:
		return "DC1:"
	case Activation:
		return "DA1:"
	case Return:
		return "DB1:"
	case Release:
		return "DF1:"
	}
	return ""
}

// Armor is the text of an envelope, as a QR code carries it in alphanumeric mode: the kind's prefix and base45. A kind of the
// caller's own has no prefix.
func Armor(kind Kind, raw []byte) string { return kind.prefix() + base45(raw) }

// Unarmor takes the text of an envelope apart. White space around it is dropped, nothing else is repaired; the kind is what
// the text claims until Open has verified it. Errors wrap ErrMalformed.
func Unarmor(text string) (Kind, []byte, error) {
	text = strings.TrimSpace(text)
	for _, kind := range Kinds() {
		digits, ok := strings.CutPrefix(text, kind.prefix())
		if !ok {
			continue
		}
		if len(digits) > (kind.Limit()+1)/2*3 {
			return kind, nil, fmt.Errorf("cannot read %s: %w: %d characters are too many", kind, ErrMalformed, len(digits))
		}
		raw, ok := unbase45(digits)
		if !ok || len(raw) == 0 {
			return kind, nil, fmt.Errorf("cannot read %s: %w: the code is damaged or cut off", kind, ErrMalformed)
		}
		return kind, raw, nil
	}
	return "", nil, fmt.Errorf("cannot read code: %w: not one of our codes", ErrMalformed)
}

// Base45 is raw in the digits of a QR code's alphanumeric mode (RFC 9285), for texts that carry no envelope.
func Base45(raw []byte) string { return base45(raw) }

// ParseBase45 reads what Base45 makes, and nothing else.
func ParseBase45(text string) (raw []byte, ok bool) { return unbase45(text) }

// base45Digits is the alphabet of RFC 9285, section 4: that of a QR code's alphanumeric mode. A text never ends in its space,
// because the last digit of a group is at most 32, so trimming white space is safe.
const base45Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

func base45(raw []byte) string {
	var text strings.Builder
	for ; len(raw) >= 2; raw = raw[2:] {
		n := int(raw[0])<<8 | int(raw[1])
		text.WriteByte(base45Digits[n%45])
		text.WriteByte(base45Digits[n/45%45])
		text.WriteByte(base45Digits[n/2025])
	}
	if len(raw) == 1 {
		text.WriteByte(base45Digits[raw[0]%45])
		text.WriteByte(base45Digits[raw[0]/45])
	}
	return text.String()
}

func unbase45(text string) ([]byte, bool) {
	raw := make([]byte, 0, len(text)/3*2+1)
	for len(text) > 0 {
		size := min(3, len(text))
		n, weight := 0, 1
		for i := range size {
			digit := strings.IndexByte(base45Digits, text[i])
			if digit < 0 {
				return nil, false
			}
			n += digit * weight
			weight *= 45
		}
		switch {
		case size == 3 && n <= 0xffff:
			raw = append(raw, byte(n>>8), byte(n))
		case size == 2 && n <= 0xff:
			raw = append(raw, byte(n))
		default:
			return nil, false
		}
		text = text[size:]
	}
	return raw, true
}
