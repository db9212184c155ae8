package notify

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// maxSegments is how many parts a short message may have. Each is paid for.
const maxSegments = 3

// gsmBasic is the default alphabet of 3GPP TS 23.038, section 6.2.1, without its escape; gsmExtended takes two septets each
// (section 6.2.1.1).
const (
	gsmBasic    = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// Segments counts in how many parts a short message is sent, and tells whether each of its characters is in the GSM alphabet;
// otherwise all of it is sent in UCS-2, with less than half the room.
func Segments(text string) (count int, gsm bool) {
	gsm = inGSM(text)
	single, several := 160, 153
	if !gsm {
		single, several = 70, 67
	}
	total, parts, used := 0, 1, 0
	for _, r := range text {
		n := units(r, gsm)
		total += n
		if used+n > several {
			parts++
			used = 0
		}
		used += n
	}
	switch {
	case total == 0:
		return 0, gsm
	case total <= single:
		return 1, gsm
	}
	return parts, gsm
}

func inGSM(text string) bool {
	for _, r := range text {
		if !strings.ContainsRune(gsmBasic, r) && !strings.ContainsRune(gsmExtended, r) {
			return false
		}
	}
	return true
}

// units is how much room a character takes: septets, or UTF-16 words. It is never divided between two parts.
func units(r rune, gsm bool) int {
	switch {
	case gsm && strings.ContainsRune(gsmExtended, r):
		return 2
	case gsm:
		return 1
	}
	return max(utf16.RuneLen(r), 1)
}

// fitted makes a text one short message: typographic signs that would double its price become plain ones, and what does not
// fit is cut off at a word, which three dots show.
func fitted(text string) string {
	text = strings.NewReplacer("–", "-", "—", "-", "’", "'", "‘", "'", "“", `"`, "”", `"`, "„", `"`, "…", "...", "\u00a0", " ").Replace(text)
	if count, _ := Segments(text); count <= maxSegments {
		return text
	}
	runes := []rune(text)
	low, high := 0, len(runes) // the longest beginning that fits with its dots
	for low < high {
		middle := (low + high + 1) / 2
		if count, _ := Segments(string(runes[:middle]) + "..."); count <= maxSegments {
			low = middle
		} else {
			high = middle - 1
		}
	}
	kept := string(runes[:low])
	if low < len(runes) && runes[low] != ' ' {
		if at := strings.LastIndexByte(kept, ' '); at > len(kept)/2 {
			kept = kept[:at]
		}
	}
	return strings.TrimRight(kept, " ,;:-") + "..."
}

// CheckNumber brings a telephone number into the form of E.164: +, the country's code and at most 15 digits. Spaces and the
// signs that people write between digits are passed over.
func CheckNumber(text string) (string, error) {
	number := strings.NewReplacer(" ", "", "-", "", ".", "", "/", "", "(", "", ")", "").Replace(text)
	digits, plus := strings.CutPrefix(number, "+")
	bad := func(r rune) bool { return r < '0' || r > '9' }
	switch {
	case !plus || strings.HasPrefix(digits, "0"):
		return "", fmt.Errorf("cannot use %q as a telephone number: write it with + and the code of the country, such as +39 347 1234567", oneLine(text, 40))
	case strings.ContainsFunc(digits, bad) || len(digits) < 7 || len(digits) > 15:
		return "", fmt.Errorf("cannot use %q as a telephone number: it has 7 to 15 digits behind the +", oneLine(text, 40))
	}
	return number, nil
}
