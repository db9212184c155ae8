package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // ReadBytes takes what a telephone's camera or a scanner's picture file gives
	_ "image/png"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Bounds of what Read and ReadBytes take. A picture arrives from strangers, and a few kilobytes of PNG can stand for
// gigabytes of pixels, so its size is looked at before it is decoded.
const (
	MaxBytes  = 4 << 20    // longest PNG or JPEG that ReadBytes takes, in bytes
	MaxPixels = 25_000_000 // largest picture that Read and ReadBytes take, in pixels
)

// ErrNoCode says that the picture was looked at in every way and shows no QR code that can be read. A second, nearer
// or sharper picture may succeed.
var ErrNoCode = errors.New("cannot find a QR code in the picture: hold the whole code, sharp and with its white border, in front of the camera")

// firstSide is the longest side, in pixels, at which a picture is looked at first. A code that fills a usable part of a
// larger picture loses nothing by the reduction, and the many ways of looking stay cheap.
const firstSide = 1280

// ReadBytes returns the text of the QR code in a PNG or JPEG file of at most MaxBytes and MaxPixels. The error is
// ErrNoCode, or says why the bytes are no picture that is taken here.
func ReadBytes(b []byte) (string, error) {
	if len(b) > MaxBytes {
		return "", fmt.Errorf("cannot read picture: %d bytes are more than %d; send a smaller picture", len(b), MaxBytes)
	}
	c, kind, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("cannot read picture: %v; send a PNG or JPEG file", err)
	}
	if kind != "png" && kind != "jpeg" {
		return "", fmt.Errorf("cannot read picture: it is a %s file; send a PNG or JPEG file", kind)
	}
	width := c.Width
	if c.ColorModel == color.RGBA64Model || c.ColorModel == color.NRGBA64Model {
		width *= 2 // eight bytes a pixel instead of four: half as many may come
	}
	if err := checkSize(width, c.Height); err != nil {
		return "", err
	}
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("cannot read picture: %v; send a whole PNG or JPEG file", err)
	}
	return Read(m)
}

// Read returns the text of the QR code in a picture of at most MaxPixels; the picture is not changed. It looks in a
// fixed number of ways (as it is, inverted, reduced, smoothed, enlarged), cheapest first, and returns the first text
// that the code's own error correction confirms. The error is ErrNoCode, or names the size that is too large.
func Read(m image.Image) (string, error) {
	r := m.Bounds()
	if err := checkSize(r.Dx(), r.Dy()); err != nil {
		return "", err
	}
	full := planeOf(m)
	first := full
	if f := (max(full.w, full.h) + firstSide - 1) / firstSide; f > 1 {
		first = full.reduced(f)
	}
	for _, look := range []func() plane{
		func() plane { return first },
		func() plane { return first.inverted() },
		func() plane { return first.reduced(2) },
		func() plane { return first.smoothed() },
		func() plane { return first.reduced(2).inverted() },
		func() plane { return first.smoothed().inverted() },
		func() plane { return first.reduced(3) },
		func() plane { return first.doubled() },
		func() plane { return first.doubled().inverted() },
		func() plane {
			if first.w == full.w {
				return plane{}
			}
			return full
		},
	} {
		if text, ok := decode(look()); ok {
			return text, nil
		}
	}
	return "", ErrNoCode
}

func checkSize(w, h int) error {
	if w <= 0 || h <= 0 {
		return fmt.Errorf("cannot read picture: it is %d x %d pixels; send one that shows something", w, h)
	}
	// Divided, not multiplied: both sides come from a file, and an int has 32 bits on a small board.
	if w > MaxPixels/h {
		return fmt.Errorf("cannot read picture: %d x %d pixels are more than %d million; send a smaller picture", w, h, MaxPixels/1_000_000)
	}
	return nil
}

// decode looks once. gozxing indexes by what it believes to see, so a hostile picture may make it panic: that is only
// one more picture without a code.
func decode(p plane) (text string, ok bool) {
	if p.w < minSide || p.h < minSide {
		return "", false
	}
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	source, err := gozxing.NewPlanarYUVLuminanceSource(p.pix, p.w, p.h, 0, 0, p.w, p.h, false)
	if err != nil {
		return "", false
	}
	bitmap, err := gozxing.NewBinaryBitmap(gozxing.NewHybridBinarizer(source))
	if err != nil {
		return "", false
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil || result.GetText() == "" {
		return "", false
	}
	return result.GetText(), true
}
