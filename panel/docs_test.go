package panel_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTheJournalsWordsAreExplained compares docs/journal-events.md with the constants in the code, both ways.
func TestTheJournalsWordsAreExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "journal-events.md"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := firstColumn(t, string(page), "## Kinds")
	whys := firstColumn(t, string(page), "## Whys")

	typed, literals := map[string][]string{}, map[string]bool{}
	for _, folder := range []string{".", filepath.Join("..", "license"), filepath.Join("..", "cmd", "doorpanel"), filepath.Join("..", "sip")} {
		readConstants(t, folder, typed, literals)
	}
	compare(t, "kind", kinds, typed["panel.Kind"])
	want := slices.Concat(typed["Why"], typed["access.Why"], typed["CallFailure"], typed["Result"], typed["access.Kind"])
	for _, why := range want {
		if !slices.Contains(whys, why) {
			t.Errorf("why %q is not explained", why)
		}
	}
	for _, why := range whys {
		if !literals[why] {
			t.Errorf("why %q is explained and nowhere in the code", why)
		}
	}
}

func compare(t *testing.T, what string, page, code []string) {
	t.Helper()
	for _, word := range code {
		if !slices.Contains(page, word) {
			t.Errorf("%s %q is not explained", what, word)
		}
	}
	for _, word := range page {
		if !slices.Contains(code, word) {
			t.Errorf("%s %q is explained and not in the code", what, word)
		}
	}
}

var cell = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

func firstColumn(t *testing.T, page, heading string) []string {
	t.Helper()
	_, section, found := strings.Cut(page, heading+"\n")
	if !found {
		t.Fatalf("the page has no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var words []string
	for _, m := range cell.FindAllStringSubmatch(section, -1) {
		if slices.Contains(words, m[1]) {
			t.Errorf("%q is explained twice", m[1])
		}
		words = append(words, m[1])
	}
	return words
}

// readConstants gathers the string constants under a folder by the type they are declared with, and all string literals.
func readConstants(t *testing.T, folder string, typed map[string][]string, literals map[string]bool) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // the compiler tells
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					literals[text] = true
				}
			case *ast.ValueSpec:
				for _, value := range n.Values {
					text, ok := literal(value)
					if name := typeName(n.Type); ok && name != "" {
						if name == "Kind" { // there are several
							name = file.Name.Name + "." + name
						}
						typed[name] = append(typed[name], text)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if on, ok := e.X.(*ast.Ident); ok {
			return on.Name + "." + e.Sel.Name
		}
	}
	return ""
}
