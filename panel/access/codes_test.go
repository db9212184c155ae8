package access

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCodesAreLongEnoughForTheGuessesOfADay(t *testing.T) {
	tests := []struct{ users, guesses, digits int }{
		{0, 100, 4}, {1, 100, 4}, {1, 0, 4}, {2, 100, 5}, {10, 100, 5}, {11, 100, 6}, {100, 100, 6}, {101, 100, 7},
		{10, 1, 5}, {80, 100, 6}, {80, 100 * DecoyWindows, 7}, {1000, 100, 7}, {100_000, 100, 9}, {100_000, 500, 10}, {-3, -3, 4},
		{math.MaxInt, math.MaxInt, MaxCodeLength},
	}
	for _, test := range tests {
		if got := CodeLength(test.users, test.guesses); got != test.digits {
			t.Errorf("%d users, %d guesses a day: %d digits, want %d", test.users, test.guesses, got, test.digits)
		}
	}
}

func TestCodeLengthIsTheLeastThatKeepsTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		users, guesses := rapid.IntRange(1, 100_000).Draw(t, "users"), rapid.IntRange(100, 1000).Draw(t, "guesses")
		digits := CodeLength(users, guesses)
		budget := func(d int) float64 { return 0.01 * math.Pow10(d) / float64(users) }
		if budget(digits) < float64(guesses)*(1-1e-12) {
			t.Fatalf("%d digits give a budget of %v", digits, budget(digits))
		}
		if digits > MinCodeLength && budget(digits-1) >= float64(guesses)*(1+1e-12) {
			t.Fatalf("%d digits would do", digits-1)
		}
	})
}

func TestDigitsAroundACodeAreDecoys(t *testing.T) {
	tests := []struct {
		entered string
		lengths []int
		want    string
	}{
		{"471102", []int{6}, "471102"},
		{"9471102", []int{6}, "947110 471102"},
		{"99471102", []int{6}, "994711 947110 471102"},
		{"4711025555", []int{6}, "471102 711025 110255 102555 025555"},
		{"47110255555", []int{6}, ""}, // five are too many
		{"47110", []int{6}, ""},
		{"1111111", []int{6}, "111111"},
		{"471102", []int{4, 6}, "471102 4711 7110 1102"},
		{"471102", nil, ""},
		{"471102", []int{0, -1, 3, 100}, ""},
		{"", []int{4, 6}, ""},
	}
	for _, test := range tests {
		if got := strings.Join(Decoys(test.entered, test.lengths), " "); got != test.want {
			t.Errorf("%q with %v: %q, want %q", test.entered, test.lengths, got, test.want)
		}
	}
}

func FuzzDecoys(f *testing.F) {
	f.Add("9471102", 6, 4)
	f.Fuzz(func(t *testing.T, entered string, a, b int) {
		candidates := Decoys(entered, []int{a, b})
		if len(candidates) > 2*DecoyWindows+1 {
			t.Errorf("%d candidates", len(candidates))
		}
		for _, c := range candidates {
			if !strings.Contains(entered, c) || len(entered)-len(c) > MaxDecoys {
				t.Errorf("%q of %q", c, entered)
			}
		}
	})
}

func TestADuressCodeIsNoNeighborOfTheOwn(t *testing.T) {
	tests := []struct{ own, duress, says string }{
		{"471102", "835509", ""},
		{"471102", "471102", "two digits"},
		{"471102", "471103", "two digits"}, // plus one
		{"471102", "471101", "two digits"},
		{"471102", "971102", "two digits"},
		{"471109", "471110", "within 10"}, // plus one with a carry
		{"999999", "000000", "within 10"},
		{"000003", "999997", "within 10"},
		{"471102", "471112", "two digits"},
		{"471195", "471205", "within 10"},
		{"471195", "471206", ""},
		{"471102", "741102", "swapped"},
		{"471102", "271104", "swapped"},
		{"471102", "201174", "backwards"},
		{"471102", "4711020", "as many digits"},
		{"471102", "", "as many digits"},
		{"471102", "83x509", "digits"},
	}
	for _, test := range tests {
		got := DuressFault(test.own, test.duress)
		if (got == "") != (test.says == "") || !strings.Contains(got, test.says) {
			t.Errorf("%s beside %s: %q, want %q", test.duress, test.own, got, test.says)
		}
	}
}

func TestASlipOfTheFingerIsNeverADuressCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := fmt.Sprintf("%06d", rapid.IntRange(0, 999_999).Draw(t, "own"))
		slip := []byte(own)
		place := rapid.IntRange(0, 5).Draw(t, "place")
		if rapid.Bool().Draw(t, "swap") {
			slip[place], slip[(place+1)%6] = slip[(place+1)%6], slip[place]
		} else {
			slip[place] = byte('0' + rapid.IntRange(0, 9).Draw(t, "digit"))
		}
		if DuressFault(own, string(slip)) == "" {
			t.Fatalf("%s is taken beside %s", slip, own)
		}
	})
}

func TestSlipsAreWhatIsRefusedBesideACode(t *testing.T) {
	for _, own := range []string{"4711", "0000", "9999", "0005", "1221"} {
		slips := Slips(own)
		for n := range 10_000 {
			other := fmt.Sprintf("%04d", n)
			if got, want := slices.Contains(slips, other), DuressFault(own, other) != ""; got != want {
				t.Errorf("%s beside %s: a slip %v, refused %v", other, own, got, want)
			}
		}
	}
	if n := len(Slips("481605937261")); n > 250 {
		t.Errorf("%d slips of twelve digits", n)
	}
}

func TestAScannedCodeHasTenDigits(t *testing.T) {
	if ScannedCodeFault("123456789") == "" || ScannedCodeFault("1234567890") != "" {
		t.Error("nine digits pass, or ten do not")
	}
}
