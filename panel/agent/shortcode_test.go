package agent_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Somebody types the digits that stand beside a license's QR. That is no guess of a code: nobody is blocked for it, and what stands on
// the display says what to do.
func TestTheShortCodeOfALicenseIsAnsweredOnTheKeypadAndIsNoGuess(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.run()
		for typed, says := range map[string]string{
			"30457792578733480014#":  "Scan the QR code itself",
			"30457792578733480041#":  "One digit is wrong",
			"3045779257873348001#":   "A digit is missing or too many",
			"304577925787334800140#": "A digit is missing or too many",
		} {
			for range 3 {
				w.since()
				w.typed(typed)
				synctest.Wait()
				if got := w.sees(""); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, says) }) ||
					!slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "journal license.refused") }) {
					t.Errorf("%s: %q", typed, got)
				}
			}
		}
		w.since()
		w.typed("1234#")
		synctest.Wait()
		if got := w.sees("strike"); len(got) != 1 {
			t.Errorf("twelve short codes later a good code did %v", got)
		}
		// More digits than that are a wrong code.
		w.since()
		w.typed("3045779257873348001400#")
		synctest.Wait()
		if got := w.sees("journal access.refused"); len(got) != 1 {
			t.Errorf("22 digits: %v", got)
		}
	})
}
