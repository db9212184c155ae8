package access

import (
	"slices"
	"strconv"
)

// first are codes that people choose before others and that no rule below finds: keys in a row of the keypad, and the like.
var first = [...]string{"1324", "1235", "5150", "7410", "0741", "0147", "2580", "0852", "1470", "3690", "147258", "159753", "147852", "258456", "123321", "112358", "314159"}

// WeakCode says why a code of digits is among the first that somebody would try, or nothing.
func WeakCode(code string) string {
	var seen [256]bool
	different, steady := 0, true
	for i := range len(code) {
		if !seen[code[i]] {
			seen[code[i]] = true
			different++
		}
		// Also around the end: 8901 counts up as 3456 does.
		steady = steady && (i < 2 || step(code, i) == step(code, 1))
	}
	half := len(code) / 2
	switch {
	case different < 2:
		return "all its digits are the same"
	case steady:
		return "its digits only count up or down"
	case different < 3:
		return "it is made of two digits"
	case len(code)%2 == 0 && code[:half] == code[half:]:
		return "it repeats itself"
	case code == reversed(code):
		return "it is the same backwards"
	case slices.Contains(first[:], code):
		return "it is one of the codes that people choose first"
	case isDate(code):
		return "it is a year or a day of the calendar"
	}
	return ""
}

func step(code string, i int) byte { return (code[i] - code[i-1] + 10) % 10 }

// isDate finds a year or a day in four digits, and a day with its year in eight.
func isDate(code string) bool {
	n, err := strconv.Atoi(code)
	switch {
	case err != nil:
		return false
	case len(code) == 4:
		return isYear(n) || isDay(n)
	case len(code) == 8:
		return isYear(n%10000) && isDay(n/10000) || isYear(n/10000) && isDay(n%10000)
	}
	return false
}

func isYear(n int) bool { return n >= 1900 && n < 2030 }

// isDay finds day and month, whichever comes first.
func isDay(n int) bool {
	a, b := n/100, n%100
	return a >= 1 && a <= 31 && b >= 1 && b <= 12 || b >= 1 && b <= 31 && a >= 1 && a <= 12
}
