package main

import (
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/doorpanel/doorpanel/panel/access"
)

// drawnDigits is the least length of a code that the panel draws.
const drawnDigits = 6

// code finds what a person types: the code that was named, or one that is drawn.
func (c *change) code(p *personRecord, h *heldCredential, named string) (shown, drawn string, err error) {
	if named != "" {
		if why := weakCode(named); why != "" {
			return "", "", invalid("cannot use this code: %s; choose another, or leave it empty to have one drawn", why)
		}
		h.Digits = len(named)
		return named, "", nil
	}
	for {
		code, err := drawCode(drawnDigits)
		if err != nil {
			return "", "", err
		}
		if taken, err := c.taken(c.d.indexOf(access.Code, code)); err != nil {
			return "", "", err
		} else if !taken {
			h.Digits = len(code)
			return code, code, nil
		}
	}
}

// drawCode draws decimal digits until they make no weak code.
func drawCode(digits int) (string, error) {
	for {
		var b strings.Builder
		for range digits {
			n, err := rand.Int(rand.Reader, big.NewInt(10))
			if err != nil {
				return "", err
			}
			b.WriteByte(byte('0' + n.Int64()))
		}
		if code := b.String(); weakCode(code) == "" {
			return code, nil
		}
	}
}

// weakCode says why a code is too easy to guess, or nothing.
func weakCode(code string) string {
	up, down, same := true, true, true
	for i := 1; i < len(code); i++ {
		step := int(code[i]) - int(code[i-1])
		up, down, same = up && step == 1, down && step == -1, same && step == 0
	}
	switch {
	case same:
		return "all its digits are the same"
	case up || down:
		return "its digits only count up or down"
	case len(code)%2 == 0 && code[:len(code)/2] == code[len(code)/2:]:
		return "it repeats itself"
	}
	return ""
}
