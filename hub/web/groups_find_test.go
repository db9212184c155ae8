package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// A dealer's groups are found even when very many of others in the company have names that fit, too, and come first; and what a
// search leaves out it says.
func TestASearchGoesOnUntilItHasWhatOneSees(t *testing.T) {
	f := newHubFake()
	grow(t, f, madeGroup("acme", "", levelID(0), "Acme", 200, 100), madeGroup("theirs", "acme", levelID(1), "Theirs", 5, 5), madeGroup("mine", "acme", levelID(1), "Mine", 5, 5))
	for i := range 3 * lookThrough {
		id := fmt.Sprintf("t%04d", i)
		f.tree.groups[id] = ledger.Group{ID: id, Root: "acme", Parent: "theirs", Name: fmt.Sprintf("Apartment %d", i), Level: levelID(4)}
	}
	for i := range maxFound + 10 {
		id := fmt.Sprintf("m%04d", i)
		f.tree.groups[id] = ledger.Group{ID: id, Root: "acme", Parent: "mine", Name: fmt.Sprintf("Apartment %d of mine", 90_000+i), Level: levelID(4)}
	}
	s := newServer(t, f)
	dealer := named(t, s, f, "dora", roles.Dealer, "mine")
	for words, want := range map[string]struct {
		n   int
		cut bool
	}{"apartment": {maxFound, true}, "apartment+9000": {10, false}, "apartment+90007": {1, false}, "theirs": {0, false}} {
		var answer struct {
			Groups []groupAnswer
			Cut    bool
		}
		body := dealer.want(http.StatusOK, "GET", "/api/v1/groups?q="+words, nil)
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Groups) != want.n || answer.Cut != want.cut || strings.Contains(body, "theirs") {
			t.Errorf("%s: %d groups, cut %t, want %d and %t", words, len(answer.Groups), answer.Cut, want.n, want.cut)
		}
		page := dealer.want(http.StatusOK, "GET", "/groups?q="+words, nil)
		if found := strings.Contains(page, "of mine"); found != (want.n > 0) {
			t.Errorf("%s: the page shows what was found: %t", words, found)
		}
	}
}
