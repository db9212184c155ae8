package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// oneLine makes text from outside harmless wherever one line is expected: no control or format character (line breaks,
// overrides of the writing direction, characters without width), no private or unassigned one, single spaces, and at most
// limit characters.
func oneLine(text string, limit int) string {
	var b strings.Builder
	space, count := false, 0
	for _, r := range text {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Cc, r):
			space = count > 0
			continue
		case r == utf8.RuneError || unicode.In(r, unicode.C) || !unicode.IsPrint(r) || blank(r):
			continue
		}
		if space {
			b.WriteByte(' ')
			count++
			space = false
		}
		b.WriteRune(r)
		count++
	}
	return clip(b.String(), limit)
}

// blank characters are letters or marks by their class and show nothing.
func blank(r rune) bool {
	switch r {
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef
}

// lines is oneLine for a text of several: line breaks stay, more than one empty line in a row does not.
func lines(text string, limit int) string {
	var kept []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		line = oneLine(line, limit)
		if line == "" && (len(kept) == 0 || kept[len(kept)-1] == "") {
			continue
		}
		kept = append(kept, line)
	}
	return clip(strings.TrimRight(strings.Join(kept, "\n"), "\n"), limit)
}

// clip cuts text to limit characters, the last of which says so; marks that belong to a character go with it.
func clip(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	end := max(limit-1, 0)
	for end > 0 && unicode.Is(unicode.M, runes[end]) {
		end--
	}
	return strings.TrimRight(string(runes[:end]), " ") + "…"
}
