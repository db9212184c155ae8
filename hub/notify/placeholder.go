package notify

import (
	"fmt"
	"strings"
)

// piece is literal text, or the name of a placeholder.
type piece struct {
	text string
	name bool
}

// split cuts a text at its placeholders, which stand between open and end: a name of a to z, digits and underscore.
func split(text, open, end string) ([]piece, error) {
	var pieces []piece
	for text != "" {
		at := strings.Index(text, open)
		if at < 0 {
			return append(pieces, piece{text: text}), nil
		}
		if at > 0 {
			pieces = append(pieces, piece{text: text[:at]})
		}
		rest := text[at+len(open):]
		stop := strings.Index(rest, end)
		if stop < 0 || !isName(rest[:stop]) {
			return nil, fmt.Errorf("%q begins no placeholder: write its name and %q behind %q", clip(text[at:], 20), end, open)
		}
		pieces = append(pieces, piece{rest[:stop], true})
		text = rest[stop+len(end):]
	}
	return pieces, nil
}

func isName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 32
}

// fill puts values in the place of names. What value brings is not looked at for placeholders again.
func fill(pieces []piece, value func(name string) string) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.name {
			b.WriteString(value(p.text))
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}
