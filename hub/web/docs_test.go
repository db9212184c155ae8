package web

import (
	"os"
	"strings"
	"testing"
)

// TestTheAPIsPageNamesEveryRoute keeps docs/hub-api.md as long as the table of routes.
func TestTheAPIsPageNamesEveryRoute(t *testing.T) {
	page, err := os.ReadFile("../../docs/hub-api.md")
	if err != nil {
		t.Fatal(err)
	}
	f := newHubFake()
	s := newServer(t, f)
	for _, rt := range s.routes {
		if isAPI(rt) && !strings.Contains(string(page), rt.Pattern) {
			t.Errorf("docs/hub-api.md does not name %s %s", rt.Method, rt.Pattern)
		}
	}
}
