package web

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The pages are held to the same list as docs/journal-events.md.
func TestThePagesHaveWordsForEveryKindOfEntry(t *testing.T) {
	source, err := os.ReadFile("../entry.go")
	if err != nil {
		t.Fatal(err)
	}
	words, err := os.ReadFile("assets/words.js")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`Kind = "([a-z_.]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < 30 {
		t.Fatalf("only %d kinds were found in panel/entry.go", len(kinds))
	}
	for _, kind := range kinds {
		if !strings.Contains(string(words), `"`+kind[1]+`": [`) {
			t.Errorf("assets/words.js has no words for %s", kind[1])
		}
	}
}
