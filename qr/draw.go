package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"rsc.io/qr/coding"
)

// Level is how much of a drawn code may be dirty or torn (ISO/IEC 18004, error correction level). The zero value is Q,
// the level of a printed license.
type Level int

// The levels of ISO/IEC 18004 with the part of the code that may be lost.
const (
	Q Level = iota // 25 %
	L              // 7 %
	M              // 15 %
	H              // 30 %
)

// Bounds and defaults of Options.
const (
	DefaultScale = 8    // pixels a module
	DefaultQuiet = 4    // modules of white border, the least that ISO/IEC 18004 asks for
	maxSide      = 8192 // pixels a side of what is drawn
)

// ErrTooLong says that a text does not fit the largest code at the chosen level.
var ErrTooLong = errors.New("cannot draw QR code: the text is too long; shorten it or choose a lower level")

// Options say how a code is drawn. The zero value is a good print: level Q, 8 pixels a module, a border of 4 modules.
type Options struct {
	Level Level
	Scale int // pixels a module; 0 means DefaultScale
	Quiet int // modules of white border on each side; 0 means DefaultQuiet, less than that is refused
}

// PNG draws a text as a black-and-white PNG file. A text of digits, or of the 45 characters that base45 uses, takes the
// denser alphanumeric mode. The error is ErrTooLong or names the option that is out of range.
func PNG(text string, o Options) ([]byte, error) {
	c, o, err := draw(text, o)
	if err != nil {
		return nil, err
	}
	side := (c.Size + 2*o.Quiet) * o.Scale
	m := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range c.Size {
		top := (y + o.Quiet) * o.Scale
		row := m.Pix[top*m.Stride:][:m.Stride]
		for x := range c.Size {
			if !c.Black(x, y) {
				continue
			}
			left := (x + o.Quiet) * o.Scale
			for i := left; i < left+o.Scale; i++ {
				row[i] = 1
			}
		}
		for i := 1; i < o.Scale; i++ {
			copy(m.Pix[(top+i)*m.Stride:][:m.Stride], row)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, fmt.Errorf("cannot draw QR code: %w", err)
	}
	return b.Bytes(), nil
}

// SVG draws a text as one SVG element that may stand alone or inside a page; it scales without loss, and its width and
// height are those of the PNG in CSS pixels. Errors are those of PNG.
func SVG(text string, o Options) (string, error) {
	c, o, err := draw(text, o)
	if err != nil {
		return "", err
	}
	modules := c.Size + 2*o.Quiet
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[1]d" viewBox="0 0 %[2]d %[2]d" shape-rendering="crispEdges">`,
		modules*o.Scale, modules)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path fill="#000" d="`, modules)
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			run := 0
			for c.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+o.Quiet, y+o.Quiet, run, run)
				x += run
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}

// draw returns the code and the options with their defaults filled in.
func draw(text string, o Options) (*coding.Code, Options, error) {
	if o.Scale == 0 {
		o.Scale = DefaultScale
	}
	if o.Quiet == 0 {
		o.Quiet = DefaultQuiet
	}
	if text == "" {
		return nil, o, errors.New("cannot draw QR code: there is no text")
	}
	var level coding.Level
	switch o.Level {
	case L:
		level = coding.L
	case M:
		level = coding.M
	case Q:
		level = coding.Q
	case H:
		level = coding.H
	default:
		return nil, o, fmt.Errorf("cannot draw QR code: level %d is none of L, M, Q, H", o.Level)
	}
	if o.Quiet < DefaultQuiet {
		return nil, o, fmt.Errorf("cannot draw QR code: a border of %d modules is too narrow to be read; use at least %d", o.Quiet, DefaultQuiet)
	}
	encoding := encodingOf(text)
	version, ok := versionFor(encoding, level)
	if !ok {
		return nil, o, ErrTooLong
	}
	modules := 17 + 4*int(version) + 2*min(o.Quiet, maxSide)
	if o.Scale < 1 || o.Scale > maxSide/modules {
		return nil, o, fmt.Errorf("cannot draw QR code: %d pixels for each of %d modules are out of range; use 1 to %d", o.Scale, modules, maxSide/modules)
	}
	// ISO/IEC 18004 section 7.8.3: of the eight masks, the one that looks least like a finder or a blank.
	var best *coding.Code
	least := 0
	for mask := range coding.Mask(8) {
		plan, err := coding.NewPlan(version, level, mask)
		if err != nil {
			return nil, o, fmt.Errorf("cannot draw QR code: %w", err)
		}
		c, err := plan.Encode(encoding)
		if err != nil {
			return nil, o, fmt.Errorf("cannot draw QR code: %w", err)
		}
		if p := penalty(c); best == nil || p < least {
			best, least = c, p
		}
	}
	return best, o, nil
}

func encodingOf(text string) coding.Encoding {
	if coding.Num(text).Check() == nil {
		return coding.Num(text)
	}
	if coding.Alpha(text).Check() == nil {
		return coding.Alpha(text)
	}
	return coding.String(text)
}

// versionFor returns the smallest version, 1 to 40, whose data part holds the text.
func versionFor(e coding.Encoding, level coding.Level) (coding.Version, bool) {
	for v := coding.Version(coding.MinVersion); v <= coding.MaxVersion; v++ {
		if e.Bits(v) <= v.DataBytes(level)*8 {
			return v, true
		}
	}
	return 0, false
}

// penalty is the sum of the four features of ISO/IEC 18004 section 7.8.3.1 with their weights 3, 3, 40 and 10.
func penalty(c *coding.Code) int {
	n, total, black := c.Size, 0, 0
	for _, at := range []func(i, j int) bool{
		func(i, j int) bool { return c.Black(j, i) },
		func(i, j int) bool { return c.Black(i, j) },
	} {
		for i := range n {
			run, window := 0, uint(0)
			for j := range n {
				b := at(i, j)
				if j > 0 && b == at(i, j-1) {
					run++
				} else {
					run = 1
				}
				switch {
				case run == 5:
					total += 3
				case run > 5:
					total++
				}
				window = window << 1 & (1<<11 - 1)
				if b {
					window |= 1
				}
				// 1:1:3:1:1 with four light modules before or after it.
				if j >= 10 && (window == 0b10111010000 || window == 0b00001011101) {
					total += 40
				}
			}
		}
	}
	for y := range n {
		for x := range n {
			b := c.Black(x, y)
			if b {
				black++
			}
			if x+1 < n && y+1 < n && b == c.Black(x+1, y) && b == c.Black(x, y+1) && b == c.Black(x+1, y+1) {
				total += 3
			}
		}
	}
	share := black * 100 / (n * n)
	return total + 10*(max(share-50, 50-share)/5)
}
