package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// Where a list goes on tells nothing of what it does not show: a question that fits a stranger's records is answered as one that
// fits none.
func TestAStrangersRecordsFillNoPage(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	f.do(func() {
		f.noteWith(fleet.Change{Who: "otto", What: "site.changed", Site: station, Detail: "their own"})
		for range 3 {
			f.noteWith(fleet.Change{Who: "ines", What: "site.changed", Site: millLane, Detail: "a secret"})
		}
	})
	concierge, dealer := as(t, s, f, roles.Operator, station), as(t, s, f, roles.Dealer, station)
	for _, ask := range []struct {
		c             client
		theirs, fails string
	}{
		{concierge, "/api/v1/events?who=Ada+Lovelace&limit=1", "/api/v1/events?who=Nobody+Here&limit=1"},
		{concierge, "/api/v1/events?text=Lovelace&kind=access.&limit=1", "/api/v1/events?text=nothing&kind=access.&limit=1"},
		{concierge, "/api/v1/events?kind=door.&limit=1", "/api/v1/events?kind=never.&limit=1"},
		{concierge, "/api/v1/deliveries?limit=1", "/api/v1/deliveries?limit=1&site=nowhere"},
		{concierge, "/api/v1/deliveries?limit=1&site=" + millLane + "&state=failed", "/api/v1/deliveries?limit=1&site=nowhere"},
		{dealer, "/api/v1/audit?limit=1&site=" + millLane, "/api/v1/audit?limit=1&site=nowhere"},
		{dealer, "/api/v1/audit?limit=1&text=secret", "/api/v1/audit?limit=1&text=nothing"},
	} {
		theirs, fails := ask.c.want(http.StatusOK, "GET", ask.theirs, nil), ask.c.want(http.StatusOK, "GET", ask.fails, nil)
		if theirs != fails {
			t.Errorf("%s answers %s, and a question that fits nothing %s", ask.theirs, theirs, fails)
		}
	}
	if own := dealer.want(http.StatusOK, "GET", "/api/v1/audit?limit=1&what=site.changed", nil); !strings.Contains(own, "their own") {
		t.Errorf("newer changes of strangers fill the page: %s", own)
	}
}

// The place at which a list of messages goes on is a key with a site's id, a person's and a time in it.
func TestWhereTheListOfMessagesGoesOnIsHidden(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	seen, size := map[string]bool{}, 0
	for before := ""; ; {
		var page struct {
			Deliveries []fleet.Delivery
			Next       string
		}
		if err := json.Unmarshal([]byte(admin.want(http.StatusOK, "GET", with("/api/v1/deliveries", "limit", "1", "before", before), nil)), &page); err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Deliveries {
			if seen[d.ID] || strings.Contains(page.Next, d.ID) {
				t.Fatalf("%s comes twice, or is told by %s", d.ID, page.Next)
			}
			seen[d.ID] = true
		}
		if before = page.Next; before == "" {
			break
		}
		if size != 0 && len(before) != size {
			t.Errorf("%s has %d letters, the one before %d: its length tells of what it hides", before, len(before), size)
		}
		size = len(before)
	}
	if len(seen) != len(f.deliveries) {
		t.Errorf("%d messages on all pages, there are %d", len(seen), len(f.deliveries))
	}
	for _, before := range []string{f.deliveries[0].ID, "AAAA", strings.Repeat("A", 10_000), "ö"} {
		if w := admin.request("GET", with("/api/v1/deliveries", "before", before), nil); w.Code != http.StatusBadRequest {
			t.Errorf("before=%.20q is answered with %d %s", before, w.Code, w.Body)
		}
	}
}
