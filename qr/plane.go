package qr

import (
	"image"
	"image/color"
)

// minSide is the side in pixels of the smallest code that exists, version 1 at one pixel a module.
const minSide = 21

// plane is a grey picture, row after row without padding, 0 black to 255 white. Its pixels are never written after it
// is made, because they may be the caller's own.
type plane struct {
	pix  []byte
	w, h int
}

func newPlane(w, h int) plane { return plane{make([]byte, w*h), w, h} }

// planeOf takes the brightness of a picture, transparent parts as white paper. A camera's Y plane and a grey picture
// are taken over without a copy where their rows have no padding.
func planeOf(m image.Image) plane {
	r := m.Bounds()
	w, h := r.Dx(), r.Dy()
	switch m := m.(type) {
	case *image.Gray:
		return planeOfRows(m.Pix[m.PixOffset(r.Min.X, r.Min.Y):], m.Stride, w, h)
	case *image.YCbCr:
		return planeOfRows(m.Y[m.YOffset(r.Min.X, r.Min.Y):], m.YStride, w, h)
	}
	p := newPlane(w, h)
	switch m := m.(type) {
	case *image.RGBA:
		for y := range h {
			row := m.Pix[m.PixOffset(r.Min.X, r.Min.Y+y):]
			for x := range w {
				c := row[4*x : 4*x+4 : 4*x+4]
				p.pix[y*w+x] = brightness(uint32(c[0]), uint32(c[1]), uint32(c[2])) + (255 - c[3])
			}
		}
	case *image.NRGBA:
		for y := range h {
			row := m.Pix[m.PixOffset(r.Min.X, r.Min.Y+y):]
			for x := range w {
				c := row[4*x : 4*x+4 : 4*x+4]
				p.pix[y*w+x] = onPaper(brightness(uint32(c[0]), uint32(c[1]), uint32(c[2])), c[3])
			}
		}
	case *image.Paletted:
		var grey [256]byte
		for i, c := range m.Palette {
			if i < len(grey) {
				grey[i] = greyOf(c)
			}
		}
		for y := range h {
			row := m.Pix[m.PixOffset(r.Min.X, r.Min.Y+y):]
			for x := range w {
				p.pix[y*w+x] = grey[row[x]]
			}
		}
	default:
		for y := range h {
			for x := range w {
				p.pix[y*w+x] = greyOf(m.At(r.Min.X+x, r.Min.Y+y))
			}
		}
	}
	return p
}

func planeOfRows(pix []byte, stride, w, h int) plane {
	if stride == w {
		return plane{pix[: w*h : w*h], w, h}
	}
	p := newPlane(w, h)
	for y := range h {
		copy(p.pix[y*w:(y+1)*w], pix[y*stride:])
	}
	return p
}

// brightness weighs red, green and blue (0 to 255 each) as ITU-R BT.601 does; the weights add up to 256.
func brightness(r, g, b uint32) byte { return byte((77*r + 150*g + 29*b) >> 8) }

func onPaper(grey, alpha byte) byte {
	a := uint32(alpha)
	return byte((uint32(grey)*a + 255*(255-a)) / 255)
}

func greyOf(c color.Color) byte {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return onPaper(brightness(uint32(n.R), uint32(n.G), uint32(n.B)), n.A)
}

func (p plane) inverted() plane {
	q := newPlane(p.w, p.h)
	for i, v := range p.pix {
		q.pix[i] = 255 - v
	}
	return q
}

// reduced makes one pixel of each f x f, by their mean: it takes noise away that is finer than a module.
func (p plane) reduced(f int) plane {
	q := newPlane(p.w/f, p.h/f)
	sums := make([]uint32, q.w)
	for y := range q.h {
		clear(sums)
		for dy := range f {
			row := p.pix[(y*f+dy)*p.w:]
			for x := range q.w {
				for _, v := range row[x*f : x*f+f] {
					sums[x] += uint32(v)
				}
			}
		}
		for x, sum := range sums {
			q.pix[y*q.w+x] = byte(sum / uint32(f*f))
		}
	}
	return q
}

// smoothed gives each pixel the mean of the 3 x 3 around it: the border, which no code touches, stays as it is.
func (p plane) smoothed() plane {
	q := newPlane(p.w, p.h)
	copy(q.pix, p.pix)
	for y := 1; y < p.h-1; y++ {
		a, b, c := p.pix[(y-1)*p.w:y*p.w], p.pix[y*p.w:(y+1)*p.w], p.pix[(y+1)*p.w:(y+2)*p.w]
		out := q.pix[y*p.w:]
		for x := 1; x < p.w-1; x++ {
			sum := uint32(a[x-1]) + uint32(a[x]) + uint32(a[x+1]) +
				uint32(b[x-1]) + uint32(b[x]) + uint32(b[x+1]) +
				uint32(c[x-1]) + uint32(c[x]) + uint32(c[x+1])
			out[x] = byte(sum / 9)
		}
	}
	return q
}

// doubled enlarges to twice the sides, with the values between two pixels in between: modules of two or three pixels
// are too few for the finder, and steps would stay steps. A picture that is large already is not enlarged.
func (p plane) doubled() plane {
	if max(p.w, p.h) > firstSide {
		return plane{}
	}
	q := newPlane(2*p.w, 2*p.h)
	for y := range p.h {
		row := p.pix[y*p.w : (y+1)*p.w]
		below := p.pix[min(y+1, p.h-1)*p.w:][:p.w]
		up, down := q.pix[2*y*q.w:][:q.w], q.pix[(2*y+1)*q.w:][:q.w]
		for x := range p.w {
			right := min(x+1, p.w-1)
			a, b, c, d := uint32(row[x]), uint32(row[right]), uint32(below[x]), uint32(below[right])
			up[2*x], up[2*x+1] = byte(a), byte((a+b)/2)
			down[2*x], down[2*x+1] = byte((a+c)/2), byte((a+b+c+d)/4)
		}
	}
	return q
}
