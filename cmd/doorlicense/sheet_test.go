package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/qr"
)

// peer runs a program of others; it must be installed (scripts/test-deps.sh).
func peer(t *testing.T, name string, args ...string) string {
	t.Helper()
	var complaints bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v %s", name, strings.Join(args, " "), err, complaints.String())
	}
	return string(out)
}

// scanned is what zbarimg reads in pictures, sorted.
func scanned(t *testing.T, pictures ...string) []string {
	t.Helper()
	out := peer(t, "zbarimg", append([]string{"-q", "--raw", "-Sdisable", "-Sqrcode.enable"}, pictures...)...)
	return slices.Sorted(strings.Lines(out))
}

// cutOut is one ticket of a printed sheet, as the cutter leaves it, in a picture of 300 dots an inch.
func cutOut(t *testing.T, place int) string {
	t.Helper()
	dots := 300 / 25.4
	at := func(length float64) string { return strconv.Itoa(int(length * dots)) }
	perPage := ticketColumns * ticketRows
	page := strconv.Itoa(place/perPage + 1)
	column, row := place%perPage%ticketColumns, place%perPage/ticketColumns
	name := fmt.Sprintf("ticket-%d", place)
	peer(t, "pdftoppm", "-r", "300", "-gray", "-png", "-singlefile", "-f", page, "-l", page, "-W", at(ticketWidth), "-H", at(ticketHeight),
		"-x", at(marginX+float64(column)*ticketWidth), "-y", at(marginY+float64(row)*ticketHeight), "flats.pdf", name)
	return name + ".png"
}

func texts(lines []batchLine) []string {
	var all []string
	for _, line := range lines {
		all = append(all, line.Text+"\n")
	}
	slices.Sort(all)
	return all
}

func TestAPrintedSheetIsReadByStrangers(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	write(t, "flats.csv", "label,grant,count,annual\n"+
		"\"Müller, 1º piano, interno 12, scala B, dietro la corte\",buttons=10,1,\n"+
		"Villa Rosa,access_basic sip,8,yes\n"+
		",buttons=4 access_advanced app_remote monitoring sip_numbers=50 apps=20 ukey=100,6,\n")
	v.must("issue", "--key", "root.key", "--csv", "flats.csv", "--batch", "flats.jsonl")
	_, lines := batchOf(t, "flats.jsonl")
	_, _, notes := v.run("", "sheet", "flats.jsonl", "--out", "flats.pdf")
	if !strings.Contains(notes, "15 licenses on 2 pages") {
		t.Error(notes)
	}
	if info, err := os.Stat("flats.pdf"); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if info := peer(t, "pdfinfo", "flats.pdf"); !strings.Contains(info, "(A4)") || !strings.Contains(info, "Pages:           2") {
		t.Error(info)
	}
	var cut []string
	for i := range lines {
		cut = append(cut, cutOut(t, i))
	}
	if found := scanned(t, cut...); !slices.Equal(found, texts(lines)) {
		t.Errorf("%d of %d codes were read", len(found), len(lines))
	}
	words := peer(t, "pdftotext", "-layout", "flats.pdf", "-")
	for _, line := range lines {
		if !strings.Contains(words, line.ShortCode) {
			t.Errorf("%s is missing", line.ShortCode)
		}
	}
	for part, count := range map[string]int{
		"Müller, 1º piano": 1, "la corte": 1, "Call buttons: 10": 1, "Villa Rosa": 8, "Access control, SIP interface": 8, "One year from activation": 8,
		"Without an end": 7, "For the panel that reads it first": 15, "…": 6, "flats.jsonl": 2, "page 2 of 2": 1, "issued 2026-11-21, key ": 15,
	} {
		if got := strings.Count(words, part); got != count {
			t.Errorf("%q stands there %d times instead of %d:\n%s", part, got, count, words)
		}
	}
}

// TestAPrintedCodeIsThirtyMillimetersWide measures the first ticket at ten dots a millimeter.
func TestAPrintedCodeIsThirtyMillimetersWide(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	v.must("issue", "--key", "root.key", "--grant", "buttons=10", "--batch", "one.jsonl")
	v.must("sheet", "one.jsonl", "--out", "one.pdf")
	peer(t, "pdftoppm", "-r", "254", "-x", "0", "-y", "0", "-W", "600", "-H", "700", "-gray", "-png", "-singlefile", "one.pdf", "one")
	raw, err := os.ReadFile("one.png")
	if err != nil {
		t.Fatal(err)
	}
	page, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	code := image.Rectangle{}
	left, top := int(marginX*10), int(marginY*10)
	for y := top + 30; y < top+370; y++ {
		for x := left + 30; x < left+int(textLeft*10)-10; x++ {
			if level, _, _, _ := page.At(x, y).RGBA(); level < 0x8000 {
				code = code.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if w, h := code.Dx(), code.Dy(); w < 298 || w > 302 || h < 298 || h > 302 {
		t.Errorf("the code is %d by %d tenths of a millimeter", w, h)
	}
	if quiet := min(code.Min.X-left, code.Min.Y-top); quiet < 35 {
		t.Errorf("the border is %d tenths of a millimeter", quiet)
	}
	dark := 0
	for d := -24; d <= 24; d++ {
		if level, _, _, _ := page.At(left+d, top).RGBA(); level < 0xc000 {
			dark++
		}
	}
	if dark < 40 {
		t.Errorf("no cut mark at the corner: %d dark dots", dark)
	}
}

func TestPicturesOfLicensesCarryTheirShortCode(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	v.must("issue", "--key", "root.key", "--grant", "buttons=10", "--count", "3", "--batch", "three.jsonl")
	_, lines := batchOf(t, "three.jsonl")
	if out := v.must("sheet", "three.jsonl", "--png", "png", "--svg", "svg", "--out", "three.pdf", "--json"); !strings.Contains(out, `"licenses": 3`) || !strings.Contains(out, `"pages": 1`) {
		t.Error(out)
	}
	pictures, err := filepath.Glob("png/*.png")
	if err != nil || len(pictures) != 3 || !strings.HasSuffix(pictures[0], "00001-"+lines[0].ID+".png") {
		t.Fatal(pictures, err)
	}
	if found := scanned(t, pictures...); !slices.Equal(found, texts(lines)) {
		t.Error(found)
	}
	for i, picture := range pictures {
		if out := v.must("inspect", picture, "--root", root); !strings.Contains(out, lines[i].ShortCode) {
			t.Errorf("%s: %s", picture, out)
		}
		drawing, err := os.ReadFile(strings.ReplaceAll(picture, "png", "svg"))
		if err != nil || !bytes.Contains(drawing, []byte(">"+lines[i].ShortCode+"</text>")) {
			t.Errorf("%s %v", drawing, err)
		}
	}
	// The digits below are those of the code: their columns are found again.
	raw, err := os.ReadFile(pictures[0])
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := digitsBelow(picture); got != lines[0].ShortCode {
		t.Errorf("%q is drawn instead of %q", got, lines[0].ShortCode)
	}
}

// digitsBelow reads the caption of a picture by comparing it with every figure.
func digitsBelow(picture image.Image) string {
	const places = 24
	width := picture.Bounds().Dx()
	dot := max(1, width*9/10/(figureWidth*places))
	left := (width - figureWidth*places*dot) / 2
	var text strings.Builder
	for place := range places {
		var rows [7]uint8
		for row := range rows {
			for column := range 5 {
				level, _, _, _ := picture.At(left+(place*figureWidth+column)*dot+dot/2, width+row*dot+dot/2).RGBA()
				rows[row] <<= 1
				if level < 0x8000 {
					rows[row] |= 1
				}
			}
		}
		found := ' '
		for digit, shape := range figures() {
			if shape == rows {
				found = digit
			}
		}
		text.WriteRune(found)
	}
	return text.String()
}

func TestNoTwoFiguresAreAlike(t *testing.T) {
	shapes := figures()
	for a, one := range shapes {
		for b, other := range shapes {
			if a != b && one == other {
				t.Errorf("%c and %c", a, b)
			}
		}
	}
	if len(shapes) != 10 {
		t.Error(len(shapes))
	}
}

func TestOnlyWhatAPanelWouldTakeIsPrinted(t *testing.T) {
	v := newVendor(t)
	root := v.must("keygen", "root", "--unencrypted")
	issuer := v.must("keygen", "issuer", "--unencrypted")
	write(t, "north.txt", v.must("delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=20"))
	v.must("issue", "--key", "root.key", "--grant", "buttons=1", "--count", "3", "--batch", "three.jsonl")
	batch, err := os.ReadFile("three.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.SplitAfter(string(batch), "\n")
	_, lines := batchOf(t, "three.jsonl")
	good := v.must("issue", "--key", "issuer.key", "--grant", "buttons=5")
	later := v.must("issue", "--key", "root.key", "--grant", "sip", "--not-before", "2027-01-01", "--site", "villa")
	write(t, "list.txt", v.must("revoke", "--key", "root.key", "--license", lines[0].ID))
	v.now = v.now.AddDate(0, 0, -30)
	expired := v.must("issue", "--key", "root.key", "--grant", "sip", "--expires", "2026-11-01")
	v.now = v.now.AddDate(0, 0, 30)
	for _, c := range []struct {
		name, content, want string
		args                []string
	}{
		{"a dealer's license", good + "\n\n" + later + "\n", "", []string{"--root", root, "--delegation", "north.txt"}},
		{"without its root", good, "Issuer not known", nil},
		{"above the ceiling", v.must("issue", "--key", "issuer.key", "--grant", "buttons=21"), "at most 20", []string{"--root", root, "--delegation", "north.txt"}},
		{"revoked", lines[0].Text, "revoked", []string{"--root", root, "--revocation", "list.txt"}},
		{"expired", expired, "line 1: License expired", []string{"--root", root}},
		{"twice", good + "\n" + good, "license 2: it is the same as license 1", []string{"--root", root, "--delegation", "north.txt"}},
		{"cut", "\n" + good[:90], "line 2: Not a readable license", []string{"--root", root}},
		{"nothing", "\n \n", "no license", nil},
		{"an unfinished batch", strings.Join(whole[:3], ""), "holds 2 of 3", nil},
		{"a line that is torn", string(batch[:len(batch)-1]), "holds 2 of 3", nil},
		{"another license in a line", strings.Replace(string(batch), lines[0].Text, lines[1].Text, 1), "does not hold what was signed", nil},
		{"another short code in a line", strings.Replace(string(batch), lines[0].ShortCode, lines[1].ShortCode, 1), "does not hold what was signed", nil},
		{"a batch of no key", strings.Replace(string(batch), `"key":"ed25519:`, `"key":"ed25519:A`, 1), "public key", nil},
		{"a long line", strings.Repeat("A", 100_000), "too long", nil},
	} {
		write(t, "codes.txt", c.content)
		if err := os.RemoveAll("codes.pdf"); err != nil {
			t.Fatal(err)
		}
		code, _, notes := v.run("", append([]string{"sheet", "codes.txt", "--out", "codes.pdf"}, c.args...)...)
		if c.want == "" && (code != done || !exists("codes.pdf")) || c.want != "" && (code != refused || !strings.Contains(notes, c.want) || exists("codes.pdf")) {
			t.Errorf("%s: exit %d %s", c.name, code, notes)
		}
	}
	for want, args := range map[string][]string{
		"takes the files": {"sheet"}, "--out is missing": {"sheet", "three.jsonl"}, "must end in .pdf": {"sheet", "three.jsonl", "--out", "a.png"},
	} {
		if code, _, notes := v.run("", args...); code != misused || !strings.Contains(notes, want) {
			t.Errorf("%q: exit %d %s", args, code, notes)
		}
	}
}

func TestALicenseTooFullForItsCodeIsNotPrintedSmall(t *testing.T) {
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	args := []string{"issue", "--key", "root.key", "--batch", "full.jsonl"}
	for _, letter := range "abcdefghijklmnopqrstuvwx" {
		args = append(args, "--grant", strings.Repeat(string(letter), 20)+"=1000")
	}
	v.must(append(args, "--new-feature")...)
	if code, _, notes := v.run("", "sheet", "full.jsonl", "--out", "full.pdf"); code != refused || !strings.Contains(notes, "doorlicense qr") || exists("full.pdf") {
		t.Error(code, notes)
	}
	_, lines := batchOf(t, "full.jsonl")
	v.must("qr", lines[0].Text, "--out", "full.png")
}

func TestALetterThatTheFontLacksIsRefusedAndTheRemedyWorks(t *testing.T) {
	module := strings.TrimSpace(peer(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-pdf/fpdf")) // it brings a font
	v := newVendor(t)
	v.must("keygen", "root", "--unencrypted")
	v.must("issue", "--key", "root.key", "--grant", "sip", "--label", "Łódź, Αθήνα 3", "--batch", "one.jsonl")
	code, _, notes := v.run("", "sheet", "one.jsonl", "--out", "one.pdf")
	if code != refused || !strings.Contains(notes, "'Ł'") || !strings.Contains(notes, "--font") || exists("one.pdf") {
		t.Error(code, notes)
	}
	v.must("sheet", "one.jsonl", "--out", "one.pdf", "--font", filepath.Join(module, "font", "DejaVuSansCondensed.ttf"))
	if words := peer(t, "pdftotext", "one.pdf", "-"); !strings.Contains(words, "Łódź, Αθήνα 3") {
		t.Error(words)
	}
	write(t, "no.ttf", "OTTO no TrueType")
	for _, font := range []string{"no.ttf", "none.ttf"} {
		if code, _, notes := v.run("", "sheet", "one.jsonl", "--out", "two.pdf", "--font", font); code != refused || !strings.Contains(notes, "font") {
			t.Error(code, notes)
		}
	}
}

func TestTheSheetFitsOnItsPaper(t *testing.T) {
	if marginX < 5 || marginY < 5+cutMark || textWidth < 50 || qr.DefaultQuiet*codeWidth/49 > codeInset {
		t.Error("the tickets leave the page, or their parts the ticket")
	}
}
