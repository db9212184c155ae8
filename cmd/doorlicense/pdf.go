package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"strings"

	"github.com/go-pdf/fpdf"

	"github.com/doorpanel/doorpanel/qr"
)

// A sheet is A4 upright, two tickets by seven. All lengths are millimeters.
const (
	pageWidth, pageHeight = 210.0, 297.0
	ticketWidth           = 95.0
	ticketHeight          = 38.0
	ticketColumns         = 2
	ticketRows            = 7
	marginX               = (pageWidth - ticketColumns*ticketWidth) / 2
	marginY               = (pageHeight - ticketRows*ticketHeight) / 2
	codeWidth             = 30.0 // without its quiet zone, for which there are 4 mm: four modules of version 8 and above
	codeInset             = (ticketHeight - codeWidth) / 2
	textLeft              = codeInset + codeWidth + codeInset
	textWidth             = ticketWidth - textLeft - 2
	cutMark               = 2.5
	maxModules            = 97 // version 20: smaller modules than 0.3 mm are lost in print
)

const pointsPerMM = 72 / 25.4

// drawPDF writes the sheet and says how many pages it has.
func (f sheetFlags) drawPDF(d desk, tickets []ticket) (int, error) {
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetMargins(0, 0, 0)
	pdf.SetCreationDate(d.now().UTC())
	pdf.SetModificationDate(d.now().UTC())
	pdf.SetCatalogSort(true)
	pdf.SetCreator("doorlicense", false)
	pdf.SetTitle(f.title, true)
	writer := sheetWriter{Fpdf: pdf, family: "Helvetica"}
	if err := writer.setFont(f.font); err != nil {
		return 0, err
	}
	perPage := ticketColumns * ticketRows
	pages := (len(tickets) + perPage - 1) / perPage
	bar := progress{out: d.notes, live: d.live, total: len(tickets)}
	for i, t := range tickets {
		place := i % perPage
		if place == 0 {
			pdf.AddPage()
			writer.head(f.title, fmt.Sprintf("page %d of %d", i/perPage+1, pages))
		}
		if err := writer.ticket(marginX+float64(place%ticketColumns)*ticketWidth, marginY+float64(place/ticketColumns)*ticketHeight, t); err != nil {
			return 0, fmt.Errorf("license %d: %w", t.number, err)
		}
		bar.at(i + 1)
	}
	bar.end()
	if writer.lacking != nil {
		return 0, writer.lacking
	}
	var content bytes.Buffer
	if err := pdf.Output(&content); err != nil {
		return 0, err
	}
	// Bearer licenses are worth money: nobody else reads the sheet.
	return pages, os.WriteFile(f.out, content.Bytes(), 0o600)
}

type sheetWriter struct {
	*fpdf.Fpdf
	family  string
	convert func(string) string // nil: the font takes UTF-8
	lacking error               // the first letter that the font does not have
}

func (w *sheetWriter) setFont(path string) error {
	if path == "" {
		w.convert = w.UnicodeTranslatorFromDescriptor("")
		return w.Error()
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read font: %w", err)
	}
	if !bytes.HasPrefix(raw, []byte("\x00\x01\x00\x00")) {
		return fmt.Errorf("cannot use font %s: not a TrueType file (.ttf)", path)
	}
	w.family = "named"
	for _, style := range []string{"", "B"} {
		w.AddUTF8FontFromBytes(w.family, style, raw)
	}
	if err := w.Error(); err != nil {
		return fmt.Errorf("cannot use font %s: %w", path, err)
	}
	return nil
}

// head names the sheet and the page, and draws the cut marks: they lie outside the tickets, and as small crosses where four meet.
func (w *sheetWriter) head(title, page string) {
	w.line(marginX, 5, pageWidth-2*marginX-30, "", 8, title)
	w.line(pageWidth-marginX-30, 5, 30, "", 8, page)
	w.SetLineWidth(0.1)
	for column := range ticketColumns + 1 {
		x := marginX + float64(column)*ticketWidth
		for row := range ticketRows + 1 {
			y := marginY + float64(row)*ticketHeight
			w.Line(x-cutMark, y, x+cutMark, y)
			w.Line(x, y-cutMark, x, y+cutMark)
		}
	}
}

func (w *sheetWriter) ticket(x, y float64, t ticket) error {
	if err := w.code(x+codeInset, y+codeInset, t.text); err != nil {
		return err
	}
	left, top := x+textLeft, y+codeInset-0.5
	w.line(left, top, textWidth, "B", 10, t.grants())
	w.line(left, top+5, textWidth, "", 8, t.duration())
	w.line(left, top+9, textWidth, "", 8, t.holder())
	label, rest := w.split(t.token.Label, textWidth, 8)
	w.line(left, top+12.5, textWidth, "", 8, label)
	w.line(left, top+15.5, textWidth, "", 8, rest)
	w.SetTextColor(90, 90, 90)
	w.line(left, top+18.5, textWidth, "", 6, fmt.Sprintf("issued %s, key %s, number %d", t.token.IssuedAt.Format("2006-01-02"), t.signed, t.number))
	w.line(left, top+21.5, textWidth, "", 6, "short code")
	w.SetTextColor(0, 0, 0)
	w.SetFont("Courier", "B", 10)
	w.Text(left, top+29, t.token.ID.ShortCode().String())
	return w.Error()
}

// split breaks a text that is too wide for one line at a blank, so that nobody's name is cut off when two lines hold it.
func (w *sheetWriter) split(text string, width, points float64) (first, rest string) {
	w.SetFont(w.family, "", points)
	if w.GetStringWidth(w.encoded(text)) <= width {
		return text, ""
	}
	words := strings.Split(text, " ")
	for n := len(words) - 1; n > 0; n-- {
		if first = strings.Join(words[:n], " "); w.GetStringWidth(w.encoded(first)) <= width {
			return first, strings.Join(words[n:], " ")
		}
	}
	return text, ""
}

// line writes one line that ends in an ellipsis when it is too wide. y is its upper edge.
func (w *sheetWriter) line(x, y, width float64, style string, points float64, text string) {
	w.SetFont(w.family, style, points)
	shown := w.encoded(text)
	for runes := []rune(text); w.GetStringWidth(shown) > width && len(runes) > 0; {
		runes = runes[:len(runes)-1]
		shown = w.encoded(strings.TrimRight(string(runes), " ,") + "…")
	}
	w.Text(x, y+points/pointsPerMM*0.8, shown)
}

// encoded is the text in the font's own encoding. A letter that the built-in fonts do not have would be printed as a dot and
// somebody's name be wrong.
func (w *sheetWriter) encoded(text string) string {
	if w.convert == nil {
		return text
	}
	for _, r := range text {
		if w.lacking == nil && r > 0x7e && w.convert(string(r)) == "." {
			w.lacking = fmt.Errorf("the built-in font has no %q of %q; name a TrueType font that has it with --font FILE.ttf", r, text)
		}
	}
	return w.convert(text)
}

// code draws the modules as one path, so that no line shows between two of them at any scale.
func (w *sheetWriter) code(x, y float64, text string) error {
	picture, err := qr.PNG(text, qr.Options{Scale: 1})
	if err != nil {
		return err
	}
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return err
	}
	modules, ok := decoded.(*image.Paletted)
	if !ok {
		return errors.New("the picture of the code is not black and white")
	}
	side := modules.Bounds().Dx() - 2*qr.DefaultQuiet
	if side > maxModules {
		return fmt.Errorf("it says so much that a code of %.0f mm cannot be read; shorten its label or split its features, or draw it larger with doorlicense qr", codeWidth)
	}
	module := codeWidth * pointsPerMM / float64(side)
	var path strings.Builder
	// The page's origin is below, a code's above.
	fmt.Fprintf(&path, "q 0 g %.5f 0 0 %.5f %.3f %.3f cm\n", module, -module, x*pointsPerMM, (pageHeight-y)*pointsPerMM)
	black := func(column, row int) bool {
		return column < side && modules.ColorIndexAt(column+qr.DefaultQuiet, row+qr.DefaultQuiet) == 1
	}
	for row := range side {
		for column := 0; column < side; column++ {
			run := 0
			for black(column+run, row) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "%d %d %d 1 re ", column, row, run)
				column += run
			}
		}
	}
	path.WriteString("f Q")
	w.RawWriteStr(path.String())
	return nil
}
