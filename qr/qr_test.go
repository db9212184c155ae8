package qr

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
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

	"rsc.io/qr/coding"
)

// license has the form and the length of an ordinary printed license (design: 204 to 261 characters).
func license(n int) string {
	const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := []byte("DP1:")
	for len(b) < n {
		b = append(b, base45[r.IntN(len(base45))])
	}
	return string(b)
}

func drawn(t testing.TB, text string, o Options) image.Image {
	t.Helper()
	b, err := PNG(text, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatIsDrawnIsReadBack(t *testing.T) {
	for _, level := range []Level{L, M, Q, H} {
		for _, n := range []int{5, 14, 30, 60, 100, 150, 204, 261, 330, 400, 500} {
			text := license(n)
			got, err := Read(drawn(t, text, Options{Level: level, Scale: 4}))
			if err != nil || got != text {
				t.Errorf("level %d, %d characters: got %q, %v", level, n, got, err)
			}
		}
	}
	for _, text := range []string{"7", "0123456789", "https://example.org/?a=b", "Portão è aperto ✓", "HC1:NCF"} {
		if got, err := Read(drawn(t, text, Options{})); err != nil || got != text {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestOneToTwentyVersionsAtEveryLevel(t *testing.T) {
	for _, level := range []Level{L, M, Q, H} {
		seen := map[int]bool{}
		for n := 5; len(seen) < 20; n += 4 {
			text := license(n)
			version, _ := versionFor(encodingOf(text), map[Level]coding.Level{L: coding.L, M: coding.M, Q: coding.Q, H: coding.H}[level])
			if seen[int(version)] {
				continue
			}
			seen[int(version)] = true
			if got, err := Read(drawn(t, text, Options{Level: level, Scale: 3})); err != nil || got != text {
				t.Errorf("level %d, version %d: got %q, %v", level, version, got, err)
			}
			if version >= 20 {
				break
			}
		}
	}
}

// TestOrdinaryLicenseIsSmall holds the printed size that the design promises: version 8 to 12 at level Q.
func TestOrdinaryLicenseIsSmall(t *testing.T) {
	for _, n := range []int{204, 261} {
		c, _, err := draw(license(n), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if v := (c.Size - 17) / 4; v < 8 || v > 12 {
			t.Errorf("%d characters: version %d, want 8 to 12", n, v)
		}
	}
}

// seen looks at a drawing as a camera would: every pixel of the w x h frame is where back says on the drawing, and
// what lies outside is a grey wall.
func seen(m image.Image, w, h int, back func(x, y float64) (float64, float64)) *image.Gray {
	p := planeOf(m)
	out := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			sum := 0.0
			for i := range 4 { // four samples a pixel, as a sensor's area does
				u, v := back(float64(x)+0.25+0.5*float64(i&1), float64(y)+0.25+0.5*float64(i>>1))
				grey := 150.0
				if u >= 0 && v >= 0 && int(u) < p.w && int(v) < p.h {
					grey = float64(p.pix[int(v)*p.w+int(u)])
				}
				sum += grey
			}
			out.Pix[y*out.Stride+x] = byte(sum / 4)
		}
	}
	return out
}

func rotated(m image.Image, degrees, size float64) *image.Gray {
	side := float64(m.Bounds().Dx())
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	f := side / size
	return seen(m, 640, 480, func(x, y float64) (float64, float64) {
		x, y = (x-320)*f, (y-240)*f
		return x*cos + y*sin + side/2, -x*sin + y*cos + side/2
	})
}

func tilted(m image.Image, depth float64) *image.Gray {
	side := float64(m.Bounds().Dx())
	return seen(m, 640, 480, func(x, y float64) (float64, float64) {
		x, y = (x-320)/400, (y-240)/400
		w := 1 - depth*x
		return (x/w + 0.5) * side, (y/w + 0.5) * side
	})
}

func changed(m *image.Gray, f func(x, y int, v float64) float64) *image.Gray {
	out := image.NewGray(m.Bounds())
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			out.SetGray(x, y, color.Gray{Y: byte(max(0, min(255, f(x, y, float64(m.GrayAt(x, y).Y)))))})
		}
	}
	return out
}

func TestCodeIsReadInHardPictures(t *testing.T) {
	text := license(230)
	drawing := drawn(t, text, Options{})
	straight := rotated(drawing, 0, 400)
	noise := rand.New(rand.NewPCG(2, 3))
	blurred := straight
	for range 2 {
		p := plane{blurred.Pix, 640, 480}.smoothed()
		blurred = &image.Gray{Pix: p.pix, Stride: 640, Rect: image.Rect(0, 0, 640, 480)}
	}
	pictures := map[string]image.Image{
		"straight":      straight,
		"inverted":      changed(straight, func(_, _ int, v float64) float64 { return 255 - v }),
		"blurred":       blurred,
		"noisy":         changed(straight, func(_, _ int, v float64) float64 { return v + noise.NormFloat64()*30 }),
		"pale":          changed(straight, func(_, _ int, v float64) float64 { return 100 + v/4 }),
		"lit from left": changed(straight, func(x, _ int, v float64) float64 { return v * (1 - float64(x)/900) }),
		"tilted a bit":  tilted(drawing, 0.1),
		"with a stain": changed(straight, func(x, y int, v float64) float64 {
			if math.Hypot(float64(x-360), float64(y-280)) < 30 {
				return 90
			}
			return v
		}),
	}
	for degrees := 0.0; degrees < 360; degrees += 30 {
		pictures[fmt.Sprintf("turned by %v degrees", degrees)] = rotated(drawing, degrees, 330)
	}
	for name, m := range pictures {
		if got, err := Read(m); err != nil || got != text {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestEveryKindOfPictureIsTaken(t *testing.T) {
	text := license(60)
	drawing := drawn(t, text, Options{})
	r := drawing.Bounds()
	clear := image.NewNRGBA(r) // black modules on nothing: transparent is paper
	premultiplied := image.NewRGBA(r)
	wide := image.NewRGBA64(r)
	grey := image.NewGray(image.Rect(0, 0, r.Dx()+40, r.Dy()))
	for y := range r.Dy() {
		for x := range r.Dx() {
			v := greyOf(drawing.At(x, y))
			if v == 0 {
				clear.Set(x, y, color.Black)
				premultiplied.Set(x, y, color.Black)
			}
			wide.Set(x, y, color.Gray{Y: v})
			grey.Set(x+20, y, color.Gray{Y: v})
		}
	}
	photo := new(bytes.Buffer)
	if err := jpeg.Encode(photo, wide, &jpeg.Options{Quality: 60}); err != nil {
		t.Fatal(err)
	}
	ycc, err := jpeg.Decode(bytes.NewReader(photo.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]image.Image{
		"paletted": drawing, "NRGBA": clear, "RGBA": premultiplied, "RGBA64": wide, "YCbCr": ycc,
		"part of a grey picture": grey.SubImage(image.Rect(20, 0, 20+r.Dx(), r.Dy())),
	} {
		if got, err := Read(m); err != nil || got != text {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got, err := ReadBytes(photo.Bytes()); err != nil || got != text {
		t.Errorf("JPEG file: got %q, %v", got, err)
	}
	file, err := PNG(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadBytes(file); err != nil || got != text {
		t.Errorf("PNG file: got %q, %v", got, err)
	}
}

// TestLargePhotographIsReduced: a code that fills a quarter of a telephone's 12-megapixel picture.
func TestLargePhotographIsReduced(t *testing.T) {
	text := license(230)
	drawing := drawn(t, text, Options{})
	side := float64(drawing.Bounds().Dx())
	p := planeOf(drawing)
	m := image.NewGray(image.Rect(0, 0, 4000, 3000))
	for y := range 1500 {
		for x := range 1500 {
			m.Pix[(y+800)*m.Stride+x+1200] = p.pix[int(float64(y)*side/1500)*p.w+int(float64(x)*side/1500)]
		}
	}
	if got, err := Read(m); err != nil || got != text {
		t.Errorf("got %q, %v", got, err)
	}
}

// withSides returns a PNG file whose header promises a picture of w x h; its pixels are never reached.
func withSides(t *testing.T, m image.Image, w, h uint32) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	b := file.Bytes()
	binary.BigEndian.PutUint32(b[16:], w)
	binary.BigEndian.PutUint32(b[20:], h)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestBadPictureIsRefused(t *testing.T) {
	blank := new(bytes.Buffer)
	if err := png.Encode(blank, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	huge := withSides(t, image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.White}), 5001, 5000)
	deep := withSides(t, image.NewNRGBA64(image.Rect(0, 0, 1, 1)), 3601, 3500)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "cannot read picture: image: unknown format; send a PNG or JPEG file"},
		{"text", []byte("DP1:NOTAPICTURE"), "cannot read picture: image: unknown format; send a PNG or JPEG file"},
		{"half a file", blank.Bytes()[:40], "cannot read picture: "},
		{"too many bytes", make([]byte, MaxBytes+1), "cannot read picture: 4194305 bytes are more than 4194304; send a smaller picture"},
		{"too many pixels", huge, "cannot read picture: 5001 x 5000 pixels are more than 25 million; send a smaller picture"},
		{"too many deep pixels", deep, "cannot read picture: 7202 x 3500 pixels are more than 25 million; send a smaller picture"},
		{"no code", blank.Bytes(), ErrNoCode.Error()},
	} {
		text, err := ReadBytes(c.file)
		if text != "" || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v; want %s", c.name, text, err, c.want)
		}
	}
	if _, err := ReadBytes(blank.Bytes()); !errors.Is(err, ErrNoCode) {
		t.Errorf("a blank page: got %v, want ErrNoCode", err)
	}
	for _, r := range []image.Rectangle{{}, image.Rect(0, 0, 1, 1), image.Rect(5, 5, 6, 3000), image.Rect(-9, -9, 40, 12)} {
		if _, err := Read(image.NewGray(r)); err == nil {
			t.Errorf("picture %v: want an error", r)
		}
	}
	if _, err := Read(&image.Uniform{C: color.White}); err == nil {
		t.Error("a picture without end: want an error")
	}
}

func TestDrawingRefusesWhatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		o    Options
		want string
	}{
		{"no text", "", Options{}, "cannot draw QR code: there is no text"},
		{"narrow border", "A", Options{Quiet: 2}, "cannot draw QR code: a border of 2 modules is too narrow to be read; use at least 4"},
		{"unknown level", "A", Options{Level: 9}, "cannot draw QR code: level 9 is none of L, M, Q, H"},
		{"huge scale", "A", Options{Scale: 1000}, "cannot draw QR code: 1000 pixels for each of 29 modules are out of range; use 1 to 282"},
		{"negative scale", "A", Options{Scale: -1}, "cannot draw QR code: -1 pixels for each of 29 modules are out of range; use 1 to 282"},
		{"huge border", "A", Options{Quiet: math.MaxInt}, "cannot draw QR code: 8 pixels for each of"},
		{"long text", strings.Repeat("a", 2000), Options{}, ErrTooLong.Error()},
	} {
		b, err := PNG(c.text, c.o)
		if b != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: PNG got %v; want %s", c.name, err, c.want)
		}
		s, err := SVG(c.text, c.o)
		if s != "" || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: SVG got %v; want %s", c.name, err, c.want)
		}
	}
}

// TestSVGShowsTheSameModules draws the path of the SVG by hand and compares it with the PNG.
func TestSVGShowsTheSameModules(t *testing.T) {
	text := license(120)
	s, err := SVG(text, Options{Scale: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(s, `fill="#000" d="`)
	path, _, _ = strings.Cut(path, `"`)
	want := drawn(t, text, Options{Scale: 1})
	got := image.NewGray(want.Bounds())
	for i := range got.Pix {
		got.Pix[i] = 255
	}
	for _, run := range strings.SplitAfter(path, "z") {
		if run == "" {
			continue
		}
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%dz", &x, &y, &n, &back); err != nil || n != back {
			t.Fatalf("run %q: %v", run, err)
		}
		for i := range n {
			got.SetGray(x+i, y, color.Gray{})
		}
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			if got.GrayAt(x, y).Y != greyOf(want.At(x, y)) {
				t.Fatalf("module at %d, %d differs", x, y)
			}
		}
	}
}

// TestStrangersReaderReadsWhatWeDraw asks zbarimg (Debian package zbar-tools).
func TestStrangersReaderReadsWhatWeDraw(t *testing.T) {
	zbar, err := exec.LookPath("zbarimg")
	if err != nil {
		t.Fatal("zbarimg is not installed: apt-get install zbar-tools")
	}
	dir := t.TempDir()
	for i, text := range []string{license(204), license(261), license(500), "0123456789", "https://example.org/"} {
		file := filepath.Join(dir, fmt.Sprintf("%d.png", i))
		b, err := PNG(text, Options{Scale: 5})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, zbar, "--raw", "--quiet", "-Sdisable", "-Sqrcode.enable", file).Output()
		cancel()
		if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != text {
			t.Errorf("zbarimg read %q, %v; want %q", got, err, text)
		}
	}
}

// TestPhotographs reads the public photographs of the zxing project. The floor of each set is what this reader
// measured; beside it is what the Java original reads of the full set.
func TestPhotographs(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "testdata", "qr-images")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the public photographs are not here (../shared/testdata/qr-images): left out")
	}
	for _, set := range []struct {
		dir   string
		floor int
		java  string
	}{
		{"zxing/qrcode-1", 13, "17/20"}, {"zxing/qrcode-2", 13, "32/35"}, {"zxing/qrcode-3", 20, "38/42"},
		{"zxing/qrcode-4", 16, "36/48"}, {"zxing/qrcode-5", 10, "19/19"}, {"zxing/qrcode-6", 9, "15/15"},
		{"zxing-cpp/qrcode-2", 6, "-"},
	} {
		read, all := 0, 0
		for _, file := range pictureFiles(t, filepath.Join(root, set.dir)) {
			want, err := os.ReadFile(strings.TrimSuffix(file, filepath.Ext(file)) + ".txt")
			if err != nil {
				continue // its text is binary or spread over several codes
			}
			all++
			text, err := readFile(t, file)
			switch {
			case err != nil:
			case strings.TrimSpace(text) == strings.TrimSpace(string(want)):
				read++
			default:
				t.Logf("%s: read %q, listed %q", file, text, want)
			}
		}
		t.Logf("%s: %d of %d (zxing in Java: %s)", set.dir, read, all, set.java)
		if read < set.floor {
			t.Errorf("%s: %d of %d pictures read, want at least %d", set.dir, read, all, set.floor)
		}
	}
	for _, dir := range []string{"zxing/falsepositives-2", "zxing-cpp/falsepositives-1", "zxing-cpp/microqrcode-1"} {
		files := pictureFiles(t, filepath.Join(root, dir))
		for _, file := range files {
			if text, err := readFile(t, file); err == nil {
				t.Errorf("%s: read %q where no QR code is", file, text)
			}
		}
		t.Logf("%s: %d pictures without a code", dir, len(files))
	}
}

func pictureFiles(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.png", "*.jpg"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("no pictures in %s", dir)
	}
	return files
}

func readFile(t *testing.T, file string) (string, error) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return ReadBytes(b)
}

func FuzzReadBytes(f *testing.F) {
	for _, o := range []Options{{Scale: 1}, {Scale: 2, Level: H}, {Scale: 3, Level: L}} {
		b, err := PNG("DP1:A", o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := ReadBytes(b); (err == nil) != (text != "") {
			t.Fatalf("text %q with error %v", text, err)
		}
	})
}

// FuzzRead gives the pixels themselves, so that the fuzzer is not held up by checksums of a file format.
func FuzzRead(f *testing.F) {
	c, _, err := draw("DP1:A", Options{})
	if err != nil {
		f.Fatal(err)
	}
	modules := make([]byte, 29*29)
	for i := range modules {
		modules[i] = 255
		if c.Black(i%29-4, i/29-4) {
			modules[i] = 0
		}
	}
	f.Add(modules, 29, 3)
	f.Add([]byte{0, 255}, 1, 40)
	f.Fuzz(func(t *testing.T, pix []byte, w, scale int) {
		if w < 1 || w > 200 || scale < 1 || scale > 8 || len(pix) < w || len(pix) > 40_000 {
			return
		}
		h := len(pix) / w
		m := image.NewGray(image.Rect(0, 0, w*scale, h*scale))
		for y := range h * scale {
			for x := range w * scale {
				m.Pix[y*m.Stride+x] = pix[y/scale*w+x/scale]
			}
		}
		if text, err := Read(m); (err == nil) != (text != "") {
			t.Fatalf("text %q with error %v", text, err)
		}
	})
}

func FuzzDraw(f *testing.F) {
	f.Add("DP1:ABC", 0)
	f.Add("0123", 1)
	f.Add("Portão", 3)
	f.Fuzz(func(t *testing.T, text string, level int) {
		o := Options{Level: Level(level), Scale: 2}
		b, err := PNG(text, o)
		if err != nil {
			return
		}
		if _, err := ReadBytes(b); err != nil {
			t.Fatalf("what was drawn of %q at level %d cannot be read: %v", text, level, err)
		}
	})
}

func BenchmarkReadFrame(b *testing.B) {
	straight := rotated(drawn(b, license(230), Options{}), 0, 400)
	empty := changed(straight, func(x, y int, _ float64) float64 { return float64(x+y) / 5 })
	for _, c := range []struct {
		name string
		m    image.Image
	}{{"code", straight}, {"empty", empty}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Read(c.m)
			}
		})
	}
}
