package qr

import "strings"

// Terminal draws a text for a terminal: two modules a character, black on white by escape sequences (ECMA-48, SGR), so that
// it is read from a dark screen too. Scale counts for nothing. Errors are those of PNG.
func Terminal(text string, o Options) (string, error) {
	o.Scale = 1
	c, o, err := draw(text, o)
	if err != nil {
		return "", err
	}
	black := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < c.Size && y < c.Size && c.Black(x, y)
	}
	var b strings.Builder
	for y := -o.Quiet; y < c.Size+o.Quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -o.Quiet; x < c.Size+o.Quiet; x++ {
			switch upper, lower := black(x, y), black(x, y+1); {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}
