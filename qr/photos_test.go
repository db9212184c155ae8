package qr

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// harm is one kind of what happens between a printed code and a reader, from hardly (0) to badly (1). The pictures are 640 x 480, and
// always the same.
type harm struct {
	name string
	take func(drawing image.Image, badly float64, chance *rand.Rand) *image.Gray
}

func straightOn(drawing image.Image, side float64) *image.Gray { return rotated(drawing, 0, side) }

// spread averages over the pixels along a way of so many steps of dx and dy.
func spread(m *image.Gray, steps int, dx, dy float64) *image.Gray {
	return changed(m, func(x, y int, _ float64) float64 {
		sum := 0.0
		for i := range steps {
			at := float64(i) - float64(steps-1)/2
			sum += float64(m.GrayAt(min(max(x+int(at*dx), 0), 639), min(max(y+int(at*dy), 0), 479)).Y)
		}
		return sum / float64(steps)
	})
}

func noisy(m *image.Gray, by float64, chance *rand.Rand) *image.Gray {
	return changed(m, func(_, _ int, v float64) float64 { return v + chance.NormFloat64()*by })
}

func blurred(m *image.Gray, width int) *image.Gray {
	return spread(spread(m, width, 1, 0), width, 0, 1)
}

func compressed(m *image.Gray, quality int) *image.Gray {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(err)
	}
	again, err := jpeg.Decode(&b)
	if err != nil {
		panic(err)
	}
	return again.(*image.Gray)
}

func pale(m *image.Gray, contrast float64) *image.Gray {
	return changed(m, func(_, _ int, v float64) float64 { return 128 + (v-128)*contrast })
}

func stained(m *image.Gray, radius float64, chance *rand.Rand) *image.Gray {
	x0, y0 := 320+chance.NormFloat64()*60, 240+chance.NormFloat64()*60
	return changed(m, func(x, y int, v float64) float64 {
		if math.Hypot(float64(x)-x0, float64(y)-y0) < radius {
			return 100
		}
		return v
	})
}

// harms are the thirteen kinds.
func harms() []harm {
	return []harm{
		{"clean", func(d image.Image, b float64, _ *rand.Rand) *image.Gray { return straightOn(d, 300+100*b) }},
		{"rotation", func(d image.Image, b float64, _ *rand.Rand) *image.Gray { return rotated(d, 180*b+3, 330) }},
		{"perspective", func(d image.Image, b float64, _ *rand.Rand) *image.Gray { return tilted(d, 0.05+0.45*b) }},
		{"blur", func(d image.Image, b float64, _ *rand.Rand) *image.Gray {
			return blurred(straightOn(d, 360), 1+int(11*b))
		}},
		{"motion", func(d image.Image, b float64, _ *rand.Rand) *image.Gray {
			return spread(straightOn(d, 360), 1+int(17*b), 1, 0.3)
		}},
		{"noise", func(d image.Image, b float64, c *rand.Rand) *image.Gray {
			return noisy(straightOn(d, 360), 10+110*b, c)
		}},
		{"low contrast", func(d image.Image, b float64, c *rand.Rand) *image.Gray {
			return noisy(pale(straightOn(d, 360), 0.4-0.36*b), 2, c)
		}},
		{"illumination", func(d image.Image, b float64, _ *rand.Rand) *image.Gray {
			return changed(straightOn(d, 360), func(x, y int, v float64) float64 { return v * (1 - b*0.95*float64(x+y)/1118) })
		}},
		{"inverted", func(d image.Image, b float64, c *rand.Rand) *image.Gray {
			return noisy(changed(straightOn(d, 360), func(_, _ int, v float64) float64 { return 255 - v }), 20*b, c)
		}},
		{"occlusion", func(d image.Image, b float64, c *rand.Rand) *image.Gray {
			return stained(straightOn(d, 360), 15+65*b, c)
		}},
		{"small", func(d image.Image, b float64, _ *rand.Rand) *image.Gray { return straightOn(d, 250-170*b) }},
		{"jpeg", func(d image.Image, b float64, _ *rand.Rand) *image.Gray {
			return compressed(straightOn(d, 240), 40-int(38*b))
		}},
		{"combined", func(d image.Image, b float64, c *rand.Rand) *image.Gray {
			m := blurred(rotated(d, 20*b+4, 340), 1+int(4*b))
			return compressed(noisy(pale(m, 1-0.6*b), 5+25*b, c), 80-int(50*b))
		}},
	}
}

// photograph is one synthetic picture; text is empty where it shows no code.
type photograph struct {
	kind, text string
	m          *image.Gray
}

// photographs makes so many of each kind, and as many without a code.
func photographs(tb testing.TB, each int) []photograph {
	drawing := map[string]image.Image{}
	var all []photograph
	for k, h := range harms() {
		for i := range each {
			chance := rand.New(rand.NewPCG(uint64(k), uint64(i)))
			text := license(200 + 15*(i%4))
			if drawing[text] == nil {
				drawing[text] = drawn(tb, text, Options{})
			}
			all = append(all, photograph{h.name, text, h.take(drawing[text], float64(i)/float64(max(each-1, 1)), chance)})
		}
	}
	for i := range each {
		chance := rand.New(rand.NewPCG(99, uint64(i)))
		wall := image.NewGray(image.Rect(0, 0, 640, 480))
		tile := 4 + i
		all = append(all, photograph{"empty", "", noisy(changed(wall, func(x, y int, _ float64) float64 {
			return 60 + 120*float64((x/tile+y/(tile+3))%2)*chance.Float64()
		}), 12, chance)})
	}
	return all
}

func TestNoHarmMakesAWrongText(t *testing.T) {
	read, codes := 0, 0
	for i, p := range photographs(t, 5) {
		text, err := Read(p.m)
		if err == nil && text != p.text {
			t.Errorf("picture %d, %s: read %q instead of %q", i, p.kind, text, p.text)
		}
		if p.text != "" {
			codes++
			if err == nil {
				read++
			}
		}
	}
	t.Logf("%d of %d read", read, codes)
	if read*100 < codes*60 {
		t.Errorf("%d of %d read", read, codes)
	}
}

// plain is gozxing as it comes: one look.
func plain(m *image.Gray) (string, bool) { return decode(planeOf(m)) }

// stranger is zbarimg as a process for each picture.
func stranger(tb testing.TB, program string, m *image.Gray) (string, bool) {
	file := filepath.Join(tb.TempDir(), "picture.png")
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--raw", "--quiet", "-Sdisable", "-Sqrcode.enable", file).Output()
	return strings.TrimSuffix(string(out), "\n"), err == nil
}

// BenchmarkPhotographs reads 420 pictures, 30 of each of thirteen harms and 30 without a code, with this reader, with gozxing as it
// comes and, where it is installed, with zbarimg. It reports the rates in percent; -v shows them by kind.
func BenchmarkPhotographs(b *testing.B) {
	zbar, _ := exec.LookPath("zbarimg")
	all := photographs(b, 30)
	readers := []struct {
		name string
		read func(*image.Gray) (string, bool)
	}{
		{"ours", func(m *image.Gray) (string, bool) {
			text, err := Read(m)
			return text, err == nil
		}},
		{"gozxing", plain},
		{"zbarimg", func(m *image.Gray) (string, bool) { return stranger(b, zbar, m) }},
	}
	for b.Loop() {
		for _, reader := range readers {
			if reader.name == "zbarimg" && zbar == "" {
				continue
			}
			right, wrong, kinds := 0, 0, map[string]int{}
			start := time.Now()
			for _, p := range all {
				switch text, ok := reader.read(p.m); {
				case ok && text == p.text:
					right++
					kinds[p.kind]++
				case ok:
					wrong++
				}
			}
			took := time.Since(start)
			var line strings.Builder
			for _, h := range harms() {
				fmt.Fprintf(&line, " %s %d", h.name, kinds[h.name])
			}
			b.Logf("%s: of 30 each:%s; wrong %d", reader.name, line.String(), wrong)
			b.ReportMetric(float64(right)*100/390, reader.name+"-%")
			b.ReportMetric(float64(wrong), reader.name+"-wrong")
			b.ReportMetric(float64(took.Microseconds())/1000/float64(len(all)), reader.name+"-ms")
		}
	}
}
