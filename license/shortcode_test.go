package license

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func anyShortCode() *rapid.Generator[ShortCode] {
	return rapid.Custom(func(t *rapid.T) ShortCode {
		return TokenID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")).ShortCode()
	})
}

func TestAShortCodeIsTwentyDigitsForAKeypad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := anyShortCode().Draw(t, "code")
		if len(code) != 20 || strings.Trim(string(code), "0123456789") != "" {
			t.Fatalf("%q", string(code))
		}
		if shown := code.String(); len(shown) != 24 || strings.Count(shown, " ") != 4 || shown[4] != ' ' {
			t.Fatalf("%q", shown)
		}
		for _, typed := range []string{string(code), code.String(), "  " + code.String() + "\r\n"} {
			if again, err := ParseShortCode(typed); err != nil || again != code {
				t.Fatalf("%q: %q %v", typed, again, err)
			}
		}
	})
}

// wrongOnce calls f with every code that differs from code in one digit, and then with every one in which two different digits,
// wherever they stand, have changed places.
func wrongOnce(code ShortCode, f func(wrong string)) {
	for i := range code {
		for digit := byte('0'); digit <= '9'; digit++ {
			if digit != code[i] {
				f(string(code[:i]) + string(digit) + string(code[i+1:]))
			}
		}
	}
	for i := range code {
		for k := i + 1; k < len(code); k++ {
			if code[i] != code[k] {
				swapped := []byte(code)
				swapped[i], swapped[k] = swapped[k], swapped[i]
				f(string(swapped))
			}
		}
	}
}

func TestAnyWrongDigitAndAnyTwoSwappedDigitsOfAShortCodeAreCaught(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := anyShortCode().Draw(t, "code")
		wrongOnce(code, func(wrong string) {
			if _, err := ParseShortCode(wrong); err != ErrMistyped {
				t.Fatalf("%s passes for %s: %v", wrong, code, err)
			}
		})
	})
}

// TestTheCheckDigitsCatchEveryErrorOfTheirKind needs no codes: what an error adds to the number depends on the places and the
// digits' difference alone. There are 20 places, 380 pairs of them and 9 differences, so this is every case there is.
func TestTheCheckDigitsCatchEveryErrorOfTheirKind(t *testing.T) {
	weight := [shortDigits]int{}
	for i := range weight {
		weight[i] = remainder97("1" + strings.Repeat("0", i))
	}
	for i := range weight {
		for difference := 1; difference <= 9; difference++ {
			if difference*weight[i]%97 == 0 {
				t.Errorf("a digit at place %d may be wrong by %d", i, difference)
			}
			for k := range weight {
				if i != k && difference*(weight[i]-weight[k])%97 == 0 {
					t.Errorf("digits at places %d and %d may be swapped", i, k)
				}
			}
		}
	}
	for check := range 100 {
		text := strings.Repeat("7", shortDigits-shortCheck) + fmt.Sprintf("%02d", check)
		if _, err := ParseShortCode(text); err == nil && check != 98-remainder97(strings.Repeat("7", shortDigits-shortCheck)+"00") {
			t.Errorf("%s: two check sums for one code", text)
		}
	}
	for _, check := range []string{"00", "01", "99"} {
		for n := range 97 {
			text := fmt.Sprintf("%018d%s", n, check)
			if _, err := ParseShortCode(text); err == nil {
				t.Errorf("%s: the check digits are never %s", text, check)
			}
		}
	}
}

func TestAShortCodeThatIsShownGetsAClearAnswer(t *testing.T) {
	code := ten(1).ID.ShortCode()
	swapped := []byte(code)
	for i := 1; i < len(swapped); i++ {
		if swapped[i] != swapped[0] {
			swapped[0], swapped[i] = swapped[i], swapped[0]
			break
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"in groups", code.String(), "This is the short code beside the QR. Without a hub it cannot be looked up: scan the QR code itself."},
		{"from a keypad", string(code), "scan the QR code itself"},
		{"two digits swapped", string(swapped), "one digit is wrong, or two are swapped"},
		{"a digit missing", string(code[1:]), "has 20 digits"},
		{"a digit too many", string(code) + "7", "has 20 digits"},
		{"another number", "4006381333931", "not one of our codes"},
		{"letters in it", code.String() + "A", "not one of our codes"},
		{"no digits at all", "", "not one of our codes"},
		{"digits of another script", strings.Repeat("\u0661", 20), "not one of our codes"},
		{"digits apart by other space", strings.ReplaceAll(code.String(), " ", "\u00a0"), "not one of our codes"},
	} {
		v := Examine(c.text, Keyring{}, here, trusted("2026-12-01"), nil, "")
		if v.Result != Malformed || v.Kind != "" || v.Sign != nil || !strings.Contains(v.Message, c.want) || v.Title == "" {
			t.Errorf("%s: %s %q %q", c.name, v.Result, v.Title, v.Message)
		}
		if misleading := "printed license code again"; c.want != "not one of our codes" && strings.Contains(v.Message, misleading) {
			t.Errorf("%s: %q", c.name, v.Message)
		}
	}
}

// TestShortCodesInTheDocumentationHold: the format is frozen, a printed code is typed in ten years.
func TestShortCodesInTheDocumentationHold(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "license-format.md"))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[TokenID]string{
		vectorID(0x00): "3045 7792 5787 3348 0014",
		vectorID(0x10): "1624 2482 5088 0677 6989",
		vectorID(0x20): "4835 4771 7553 4974 4236",
	} {
		if code := id.ShortCode().String(); code != want || !bytes.Contains(page, []byte(id.String()+"   "+want)) {
			t.Errorf("%s: %s, not %s as printed", id, code, want)
		}
	}
}

func FuzzParseShortCode(f *testing.F) {
	f.Add(ten(1).ID.ShortCode().String())
	f.Add("0000 0000 0000 0000 0097")
	f.Add("1234")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := ParseShortCode(text)
		if err != nil {
			if code != "" || !errors.Is(err, ErrNotShortCode) && err != ErrMistyped {
				t.Errorf("%q: %q %v", text, code, err)
			}
			return
		}
		if again, err := ParseShortCode(code.String()); err != nil || again != code || strings.ReplaceAll(strings.TrimSpace(text), " ", "") != string(code) {
			t.Errorf("%q was read as %q, then as %q, %v", text, code, again, err)
		}
	})
}
