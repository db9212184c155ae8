package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// figures are the digits, five dots wide and seven high, one row a word.
func figures() map[rune][7]uint8 {
	return map[rune][7]uint8{
		'0': {0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110},
		'1': {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110},
		'2': {0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111},
		'3': {0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110},
		'4': {0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010},
		'5': {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110},
		'6': {0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110},
		'7': {0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000},
		'8': {0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110},
		'9': {0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100},
	}
}

const (
	figureWidth, figureHeight = 6, 7 // dots, with the space between two
	captionSpace              = 3    // dots below, as many as a stain may take
)

// captionPNG adds a line of digits below a picture and its quiet zone.
func captionPNG(picture []byte, digits string) ([]byte, error) {
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	width, height := decoded.Bounds().Dx(), decoded.Bounds().Dy()
	dot := max(1, width*9/10/(figureWidth*len(digits)))
	full := image.NewPaletted(image.Rect(0, 0, width, height+(figureHeight+captionSpace)*dot), color.Palette{color.White, color.Black})
	for y := range height {
		for x := range width {
			if level, _, _, _ := decoded.At(x, y).RGBA(); level < 0x8000 {
				full.SetColorIndex(x, y, 1)
			}
		}
	}
	left := (width - figureWidth*len(digits)*dot) / 2
	shapes := figures()
	for i, digit := range digits {
		for row, dots := range shapes[digit] {
			for column := range 5 {
				if dots>>(4-column)&1 == 0 {
					continue
				}
				x, y := left+(i*figureWidth+column)*dot, height+row*dot
				for dy := range dot {
					for dx := range dot {
						full.SetColorIndex(x+dx, y+dy, 1)
					}
				}
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, full); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// captionSVG puts a drawing of a code into a taller one with a line of digits below.
func captionSVG(drawing, digits string) string {
	var side int
	if at := strings.Index(drawing, `width="`); at >= 0 {
		fmt.Sscanf(drawing[at:], `width="%d"`, &side)
	}
	line := side / 12
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d"><path fill="#fff" d="M0 0h%[1]dv%[2]dH0z"/>%[3]s`+
		`<text x="%[4]d" y="%[5]d" text-anchor="middle" font-family="monospace" font-size="%[6]d" textLength="%[7]d">%[8]s</text></svg>`,
		side, side+line, drawing, side/2, side+line/3, line*2/3, side*9/10, digits)
}
