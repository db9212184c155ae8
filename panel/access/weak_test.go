package access

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCodesThatAreTriedFirstAreWeak(t *testing.T) {
	for code, weak := range map[string]bool{
		"1111": true, "1234": true, "9876": true, "0123": true, "8901": true, "1357": true, "1212": true, "1221": true, "471471": true, "1122": true, "121221": true,
		"1985": true, "2029": true, "2030": false, "3112": true, "1231": true, "3212": false, "1324": true, "2580": true, "24121985": true, "19851224": true, "98123456": false,
		"4711": false, "4719": false, "1236": false, "271829": false, "12123": false, "12121": true, "1236547": false,
	} {
		if why := WeakCode(code); (why != "") != weak {
			t.Errorf("%s: %q, want weak %v", code, why, weak)
		}
	}
}

// The codes that thousands of people chose first: none of them is taken.
func TestMostFrequentCodesAreAllRefused(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "testdata", "weak-pins", "top4digit.txt"))
	if err != nil {
		t.Skip("left out: the shared list of frequent codes is not here")
	}
	codes := strings.Fields(string(raw))
	if len(codes) < 50 {
		t.Fatalf("the list has %d codes", len(codes))
	}
	for _, code := range codes {
		if WeakCode(code) == "" {
			t.Errorf("%s is taken", code)
		}
	}
}

// What is refused must not make the rest much easier to guess: at the lengths that a panel draws it is a fortieth at most.
func TestFewCodesAreWeak(t *testing.T) {
	for _, digits := range []int{5, 6} {
		size, weak := 1, 0
		for range digits {
			size *= 10
		}
		for n := range size {
			if WeakCode(fmt.Sprintf("%0*d", digits, n)) != "" {
				weak++
			}
		}
		if weak*40 > size {
			t.Errorf("of %d digits %d codes are refused", digits, weak)
		}
	}
}

func FuzzWeakCode(f *testing.F) {
	for _, code := range []string{"", "1", "12", "1234", "24121985", "a\x00"} {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code string) {
		if strings.Trim(code, "0123456789") != "" {
			return
		}
		// Turned round it is as weak, unless it is a date or one of a list.
		why := WeakCode(code)
		if strings.Contains(why, "digits") != strings.Contains(WeakCode(reversed(code)), "digits") {
			t.Errorf("%q and its reverse differ: %q", code, why)
		}
	})
}
