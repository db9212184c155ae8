package access

import (
	"fmt"
	"slices"
	"strings"
)

// GuessesADay is how many wrong codes a panel hears on one day, all ways to try them together, unless the installer chose
// otherwise. Codes are drawn so long that all of them together hit one with a probability of 0.01 at most.
const GuessesADay = 100

// The bounds of a code.
const (
	MinCodeLength = 4
	MaxCodeLength = 12
	// MaxDecoys is how many digits may stand around a code, in front and behind together.
	MaxDecoys = 4
	// DecoyWindows is how many codes of one length an entry with decoys tries at once. A panel that takes decoys draws its
	// codes as if that many times the guesses were heard.
	DecoyWindows = MaxDecoys + 1
	// MinScannedCode is the fewest digits of a code that is shown as a picture: nobody types it, and a picture is guessed
	// faster than keys are pressed.
	MinScannedCode = 10
)

// CodeLength is how many digits a code must have when that many users have one and so many codes can be tried on a day: the
// fewest for which 0.01 x 10^digits / users is at least guesses. GuessesADay is the least that is asked for.
func CodeLength(users, guesses int) int {
	need := 100 * float64(max(users, 1)) * float64(max(guesses, GuessesADay))
	digits, codes := MinCodeLength, 10_000.0
	for codes < need && digits < MaxCodeLength {
		digits++
		codes *= 10
	}
	return digits
}

// Decoys is what somebody may mean who typed these digits, when codes of the given lengths exist and up to MaxDecoys digits
// may stand around one: at most DecoyWindows candidates for each length, the entry as it is first. They are looked up in
// one step and count as one try. Lengths outside the bounds of a code are passed over.
func Decoys(entered string, lengths []int) []string {
	var candidates []string
	if slices.Contains(lengths, len(entered)) {
		candidates = append(candidates, entered)
	}
	for _, length := range lengths {
		extra := len(entered) - length
		if length < MinCodeLength || length > MaxCodeLength || extra < 1 || extra > MaxDecoys {
			continue
		}
		for from := range extra + 1 {
			if window := entered[from : from+length]; !slices.Contains(candidates, window) {
				candidates = append(candidates, window)
			}
		}
	}
	return candidates
}

// ScannedCodeFault says why a code of digits may not be shown as a picture, or nothing.
func ScannedCodeFault(code string) string {
	if len(code) < MinScannedCode {
		return "a code that is shown as a picture has at least 10 digits"
	}
	return ""
}

// DuressFault says why a code cannot be somebody's duress code beside the own one, or nothing. Whoever stands beside must
// not tell the two apart by their length, and a slip of the finger must neither raise a silent alarm nor be one: so the own
// code plus one, and whatever is as near, is refused.
func DuressFault(own, duress string) string {
	switch {
	case len(duress) != len(own):
		return "it must have as many digits as your own code"
	case strings.Trim(duress, "0123456789") != "":
		return "it must be made of digits"
	case different(own, duress) < 2:
		return "it must differ from your own code in at least two digits"
	case swapped(own, duress):
		return "it is your own code with two digits swapped"
	case near(own, duress):
		return "it is within 10 of your own code"
	case reversed(own) == duress:
		return "it is your own code backwards"
	}
	return ""
}

// Slips is every code that DuressFault refuses beside this one, itself among them: some hundred.
func Slips(code string) []string {
	slips := []string{code, reversed(code)}
	digits := []byte(code)
	for i := range digits {
		for d := byte('0'); d <= '9'; d++ {
			slips = append(slips, string(digits[:i])+string(d)+string(digits[i+1:]))
		}
		for j := range i {
			swap := slices.Clone(digits)
			swap[i], swap[j] = swap[j], swap[i]
			slips = append(slips, string(swap))
		}
	}
	number, size := 0, 1
	for _, d := range digits {
		number, size = number*10+int(d-'0'), size*10
	}
	for apart := -nearest; apart <= nearest; apart++ {
		slips = append(slips, fmt.Sprintf("%0*d", len(code), ((number+apart)%size+size)%size))
	}
	slices.Sort(slips)
	return slices.Compact(slips)
}

// nearest is how far a duress code must be from the own one, at least and one more.
const nearest = 10

// different counts the places at which two codes of one length differ.
func different(a, b string) int {
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// swapped reports whether two codes of one length differ in two places alone, and by exchange.
func swapped(a, b string) bool {
	var at []int
	for i := range len(a) {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	return len(at) == 2 && a[at[0]] == b[at[1]] && a[at[1]] == b[at[0]]
}

// near reports whether two numbers of one length are at most 10 apart, also around the end: 0001 is near 9999.
func near(a, b string) bool {
	x, y, size := 0, 0, 1
	for i := range len(a) {
		x, y, size = x*10+int(a[i]-'0'), y*10+int(b[i]-'0'), size*10
	}
	apart := max(x-y, y-x)
	return min(apart, size-apart) <= nearest
}

func reversed(code string) string {
	digits := []byte(code)
	slices.Reverse(digits)
	return string(digits)
}
