package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/qr"
)

// document is something signed, ready to be handed over.
type document struct {
	kind    envelope.Kind
	raw     []byte
	id      license.TokenID // zero for what is no license
	summary string          // what it says, for people
}

// deliver prints the text, or JSON, and draws the picture when one was asked for.
func (d desk) deliver(doc document, picture string, asJSON bool) error {
	text := envelope.Armor(doc.kind, doc.raw)
	if picture != "" {
		shortCode := ""
		if doc.kind == envelope.License {
			shortCode = doc.id.ShortCode().String()
		}
		if err := drawCode(text, picture, shortCode, qr.Options{}); err != nil {
			return err
		}
		fmt.Fprintf(d.notes, "wrote %s\n", picture)
	}
	fmt.Fprintf(d.notes, "%s, %d bytes\n", doc.summary, len(doc.raw))
	if doc.kind == envelope.License {
		fmt.Fprintf(d.notes, "short code %s\n", doc.id.ShortCode())
	}
	if asJSON {
		printed := struct {
			Kind      envelope.Kind `json:"kind"`
			ID        string        `json:"id,omitempty"`
			ShortCode string        `json:"short_code,omitempty"`
			Text      string        `json:"text"`
			Bytes     int           `json:"bytes"`
			Picture   string        `json:"picture,omitempty"`
		}{Kind: doc.kind, Text: text, Bytes: len(doc.raw), Picture: picture}
		if doc.kind == envelope.License {
			printed.ID, printed.ShortCode = doc.id.String(), doc.id.ShortCode().String()
		}
		return printJSON(d.out, printed)
	}
	_, err := fmt.Fprintln(d.out, text)
	return err
}

// drawCode draws a picture by the ending of its name, with a short code below when there is one.
func drawCode(text, path, shortCode string, options qr.Options) error {
	var picture []byte
	var err error
	switch {
	case strings.HasSuffix(path, ".png"):
		if picture, err = qr.PNG(text, options); err == nil && shortCode != "" {
			picture, err = captionPNG(picture, shortCode)
		}
	case strings.HasSuffix(path, ".svg"):
		var drawing string
		if drawing, err = qr.SVG(text, options); err == nil && shortCode != "" {
			drawing = captionSVG(drawing, shortCode)
		}
		picture = []byte(drawing)
	default:
		return usage("cannot draw %q: the name must end in .png or .svg", path)
	}
	if err != nil {
		return fmt.Errorf("cannot draw %s: %w", path, err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		return fmt.Errorf("cannot write picture: %w", err)
	}
	return nil
}

// codeText finds the text of a code in what a person named: the text itself, "-" for the input, a file with the text, or a picture.
func (d desk) codeText(named string) (string, error) {
	if _, _, err := envelope.Unarmor(named); err == nil {
		return named, nil
	}
	if _, err := license.ParseShortCode(named); err == nil || err == license.ErrMistyped {
		return named, nil
	}
	var raw []byte
	var err error
	switch {
	case named == "-":
		raw, err = readAll(d.in, "the input")
	case strings.Contains(named, ":") && !exists(named):
		return named, nil
	default:
		if raw, err = readSmall(named); errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w; name a code, a file with it, or its picture", err)
		}
	}
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(string(raw), "\x89PNG") || strings.HasPrefix(string(raw), "\xff\xd8") {
		return qr.ReadBytes(raw)
	}
	return string(raw), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// document opens nothing: it takes the text apart and checks that it claims to be of the kind that is wanted.
func (d desk) document(named string, want envelope.Kind) ([]byte, error) {
	text, err := d.codeText(named)
	if err != nil {
		return nil, err
	}
	kind, raw, err := envelope.Unarmor(text)
	if err != nil {
		return nil, err
	}
	if kind != want {
		return nil, fmt.Errorf("cannot use %s: it is a %s, not a %s", named, kind, want)
	}
	return raw, nil
}
