package doorpanel

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryFactOfTheLedgerNamesTestsThatThereAre keeps docs/ledger-facts.md complete and its proofs real.
func TestEveryFactOfTheLedgerNamesTestsThatThereAre(t *testing.T) {
	page, err := os.ReadFile("docs/ledger-facts.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.test {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(f.source), -1) {
			known[m[1]] = true
		}
	}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if !known[m[1]] {
			t.Errorf("docs/ledger-facts.md names %s, and there is no such test", m[1])
		}
	}
	for _, facts := range []struct {
		letter string
		most   int
	}{{"B", 33}, {"T", 27}, {"R", 27}} {
		for n := 1; n <= facts.most; n++ {
			row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %s-%d \|.*$`, facts.letter, n)).FindString(string(page))
			if !strings.Contains(row, "`Test") && !strings.Contains(row, "not built") {
				t.Errorf("docs/ledger-facts.md does not say what proves %s-%d", facts.letter, n)
			}
		}
	}
}
