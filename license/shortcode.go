package license

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A ShortCode stands beside the QR code of a license, for a telephone or a numeric keypad: 18 digits that follow from the
// license's id, and two check digits. It finds a license where somebody keeps a register of them; it carries none itself. Its
// text is docs/license-format.md, section 5. The value is the 20 digits without spaces.
type ShortCode string

const (
	shortDigits = 20
	shortCheck  = 2
	shortGroup  = 4
	shortSpace  = 1_000_000_000_000_000_000 // 10^18
	shortDomain = "doorpanel/shortcode/1"
	shortAsked  = "doorpanel/shortcode/asked/1"
)

// ErrNotShortCode is returned for a text that has not the form of a short code.
var ErrNotShortCode = errors.New("not a short code: it has 20 digits")

// ErrMistyped is returned for a text in the form of a short code whose check digits do not fit.
var ErrMistyped = errors.New("a digit of the short code is wrong, or two are swapped")

// ShortCode is the short code of the license with this id.
func (t TokenID) ShortCode() ShortCode {
	sum := sha256.Sum256(append([]byte(shortDomain), t[:]...))
	data := fmt.Sprintf("%018d", binary.BigEndian.Uint64(sum[:8])%shortSpace)
	return ShortCode(fmt.Sprintf("%s%02d", data, 98-remainder97(data+"00")))
}

// String is the code in groups of four, as it is printed.
func (s ShortCode) String() string {
	var groups []string
	for rest := string(s); rest != ""; {
		n := min(shortGroup, len(rest))
		groups, rest = append(groups, rest[:n]), rest[n:]
	}
	return strings.Join(groups, " ")
}

// Digest names the code to a hub that keeps a register, without the code: 32 hexadecimal digits.
func (s ShortCode) Digest() string {
	sum := sha256.Sum256([]byte(shortAsked + string(s)))
	return hex.EncodeToString(sum[:16])
}

// ParseShortCode reads a code as it was typed, with or without spaces. The error is ErrMistyped when the check digits do not
// fit, and wraps ErrNotShortCode when it is not 20 digits; it says how many there are when one is missing or too many.
func ParseShortCode(text string) (ShortCode, error) {
	digits := strings.ReplaceAll(strings.TrimSpace(text), " ", "")
	if len(text) > 2*shortDigits || strings.Trim(digits, "0123456789") != "" {
		return "", ErrNotShortCode
	}
	switch missing := shortDigits - len(digits); {
	case missing == 1 || missing == -1:
		return "", fmt.Errorf("%w, these are %d", ErrNotShortCode, len(digits))
	case missing != 0:
		return "", ErrNotShortCode
	}
	// ISO 7064, MOD 97-10. Every single wrong digit changes the number by d*10^i and every two swapped ones by d*(10^i-10^k),
	// with d from 1 to 9; 97 is prime and 10 generates all of its residues, so neither is ever a multiple of 97.
	check := digits[shortDigits-shortCheck:]
	if remainder97(digits) != 1 || check < "02" || check > "98" {
		return "", ErrMistyped
	}
	return ShortCode(digits), nil
}

func remainder97(digits string) int {
	rest := 0
	for i := range len(digits) {
		rest = (rest*10 + int(digits[i]-'0')) % 97
	}
	return rest
}
