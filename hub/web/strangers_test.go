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

// A site below a site would be in no company, and whoever has a role at the other one would have it here.
func TestASiteIsHungBelowGroupsAlone(t *testing.T) {
	f := newHubFake()
	furnish(f)
	f.groups = map[string]string{"acme": "", "north": "acme"}
	f.do(func() { f.sites[0].Group, f.sites[1].Group = "north", "north" })
	s := newServer(t, f)
	company := named(t, s, f, "dora", roles.Distributor, "acme")
	technician := named(t, s, f, "tess", roles.Technician, roles.Site(millLane), roles.Site(station))
	for _, c := range []client{company, technician} {
		for _, place := range []string{roles.Site(millLane), roles.Site(station)} {
			c.want(http.StatusUnprocessableEntity, "PUT", "/api/v1/sites/"+millLane+"/group", object{"group": place})
		}
		c.want(http.StatusUnprocessableEntity, "POST", "/api/v1/sites", object{"name": "New", "zone": "UTC", "group": roles.Site(millLane)})
		company.want(http.StatusOK, "GET", "/api/v1/sites/"+millLane, nil)
	}
	named(t, s, f, "olga", roles.Concierge, "north")
	named(t, s, f, "otto", roles.Dealer, "acme")
	company.want(http.StatusUnprocessableEntity, "POST", "/api/v1/handovers", object{"group": roles.Site(millLane), "from": []string{"tess"}, "to": "otto", "role": roles.Technician, "under": roles.Site(station)})
	if f.sites[0].Group != "north" {
		t.Errorf("the site hangs below %q", f.sites[0].Group)
	}
}

// Who was given something at a site by its company has nothing there when another company has it.
func TestAHandOverToAnotherCompanyLeavesNobodyOfTheOldOneInside(t *testing.T) {
	f := newHubFake()
	furnish(f)
	f.groups = map[string]string{"acme": "", "other": ""}
	f.do(func() { f.sites[0].Group = "acme" })
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	old, cora := named(t, s, f, "old", roles.Technician, roles.Site(millLane)), named(t, s, f, "cora", roles.Concierge, roles.Site(millLane))
	next := named(t, s, f, "next", roles.Dealer, "other")
	cora.want(http.StatusOK, "GET", "/api/v1/sites/"+millLane, nil)
	admin.want(http.StatusCreated, "POST", "/api/v1/handovers", object{"group": roles.Site(millLane), "from": []string{"old"}, "to": "next", "role": roles.Technician, "under": "other"})
	told := admin.want(http.StatusOK, "POST", "/api/v1/handovers/"+f.handOvers[0].ID+"/consent", object{"note": "letter of 3 May"})
	for _, c := range []client{old, cora} {
		if w := c.request("GET", "/api/v1/sites/"+millLane, nil); w.Code < 400 {
			t.Errorf("somebody of the old company sees the other one's site: %d", w.Code)
		}
	}
	next.want(http.StatusOK, "GET", "/api/v1/sites/"+millLane, nil)
	if len(f.handOvers[0].Ended) != 2 || !strings.Contains(told, "cora") {
		t.Errorf("the hand-over does not say what ended: %s", told)
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
