package qr

import (
	"image"
	"image/color"
	"strings"
	"testing"
)

// TestWhatATerminalShowsIsRead turns the characters back into modules and reads them as a scanner would.
func TestWhatATerminalShowsIsRead(t *testing.T) {
	for _, text := range []string{"DH1:ABC", "DH1:" + strings.Repeat("0AZ$:", 60), "https://example.org/ä"} {
		drawn, err := Terminal(text, Options{Level: L})
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		const scale = 4
		var m *image.Gray
		for row, line := range lines {
			line, ok := strings.CutPrefix(line, "\x1b[30;107m")
			line, end := strings.CutSuffix(line, "\x1b[0m")
			if !ok || !end {
				t.Fatalf("row %d has no colors of its own: %q", row, line)
			}
			cells := []rune(line)
			if m == nil {
				m = image.NewGray(image.Rect(0, 0, len(cells)*scale, len(lines)*2*scale))
			}
			for column, cell := range cells {
				for half, dark := range []bool{cell == '█' || cell == '▀', cell == '█' || cell == '▄'} {
					for i := range scale * scale {
						shade := color.Gray{255}
						if dark {
							shade.Y = 0
						}
						m.SetGray(column*scale+i%scale, (row*2+half)*scale+i/scale, shade)
					}
				}
			}
		}
		if got, err := Read(m); err != nil || got != text {
			t.Errorf("read %q, %v; want %q", got, err, text)
		}
	}
	if _, err := Terminal("", Options{}); err == nil {
		t.Error("nothing was drawn")
	}
}
