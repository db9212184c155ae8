package web

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

var poolID = strings.Repeat("ab", 16)

// poolsFake is a hub with one pool at one site.
type poolsFake struct{}

func (poolsFake) List(string) ([]fleet.PoolView, error) {
	shares := []fleet.PoolShare{
		{Panel: front, Name: "Front door", Asked: 50, Has: 50, Since: fakeStart, Taken: fakeStart}, {Panel: gate, Name: "Yard gate", Asked: 20, Has: 30, Since: fakeStart, Waiting: true, Why: "the panel is away"},
	}
	return []fleet.PoolView{{ID: poolID, Site: millLane, Use: fleet.UsePool, Label: "Eighty buttons", Status: "active", Added: fakeStart, By: "ines",
		Features: []fleet.PoolFeature{{Name: "buttons", Title: "Call buttons", Counted: true, Sold: 80, Shares: shares}}}}, nil
}

func (p poolsFake) Show(license string) (fleet.PoolView, error) {
	list, err := p.List("")
	if license != poolID {
		err = fleet.ErrUnknown
	}
	return list[0], err
}

func (poolsFake) Enter(_ context.Context, e fleet.PoolEntry) (fleet.PoolAnswer, error) {
	if e.Text != "DP1:ABC" {
		return fleet.PoolAnswer{Result: "forged", Message: "Nothing was changed."}, nil
	}
	return fleet.PoolAnswer{Result: "activated", License: poolID, Message: "80 buttons added"}, nil
}

func (poolsFake) Allot(_ context.Context, ask fleet.PoolAsk) (fleet.PoolAllotted, error) {
	switch {
	case ask.Count == 70:
		building := ledger.Place{Group: "b7", Name: "Building 7", Level: "Building"}
		return fleet.PoolAllotted{}, &ledger.Refusal{
			Reason: ledger.LimitReached, Text: "blocked by Building 7: 50 of 50 used",
			Binds: []ledger.Bind{{Place: building, Path: []ledger.Place{building}, Limit: 50, Used: 50, Manager: "Ms. Bianchi"}},
		}
	case ask.Count > 80:
		return fleet.PoolAllotted{Result: "pool-exhausted", Message: "80 of 80, 1 too many"}, nil
	case ask.Count < 10 && !ask.Confirm && !ask.Preview:
		return fleet.PoolAllotted{Result: "unconfirmed", Message: "At Front these would stop: 41 Rossi."}, nil
	}
	return fleet.PoolAllotted{Result: "activated", After: ask.Count}, nil
}

func (poolsFake) Papers(string) ([]fleet.Paper, error) {
	return []fleet.Paper{
		{Kind: "grant", ID: "basic", What: "Basic until 2027-02-20", State: fleet.PaperTaken, Made: fakeStart, By: "hub", At: fakeStart},
		{Kind: "slice", ID: poolID, What: "a share: 50 call buttons", State: fleet.PaperWaiting, Made: fakeStart, By: "ines"},
		{Kind: "grant", ID: "5c1d", What: "access control", State: fleet.PaperRefused, Made: fakeStart, By: "ines", At: fakeStart, Why: "the license is for another panel"},
	}, nil
}

func TestPoolsAreSeenByWhomTheirSiteIs(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	stranger := strings.Repeat("cd", 16)
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		says         string
	}{
		{"GET", "/pools", nil, 200, poolID},
		{"GET", "/pools/" + poolID, nil, 200, poolID},
		{"GET", "/pools/" + stranger, nil, 404, "not-found"},
		{"GET", "/panels/" + front + "/documents", nil, 200, "taken"},
		{"GET", "/panels/nobody/documents", nil, 404, "not-found"},
		{"POST", "/pools", object{"site": millLane, "token": "DP1:XYZ"}, 422, "urn:doorhub:problem:forged"},
		{"POST", "/pools", object{"site": "nowhere", "token": "DP1:ABC"}, 404, "not-found"},
		{"POST", "/pools/" + poolID + "/allot", object{"panel": front, "count": 81}, 422, "pool-exhausted"},
		{"POST", "/pools/" + poolID + "/allot", object{"panel": front, "count": 1}, 409, "41 Rossi"},
		{"POST", "/pools/" + poolID + "/allot", object{"panel": front, "count": 70}, 409, "your building's limit is reached; ask Ms. Bianchi"},
		{"POST", "/pools/" + poolID + "/allot/preview", object{"panel": front, "count": 70}, 409, "limit-reached"},
		{"POST", "/pools/" + poolID + "/allot", object{"panel": front, "count": 1, "confirm": true}, 200, "activated"},
		{"POST", "/pools/" + poolID + "/allot/preview", object{"panel": front, "count": 1}, 200, "activated"},
		{"POST", "/pools/" + poolID + "/allot", object{"panel": "nobody", "count": 1}, 404, "not-found"},
	} {
		w := admin.request(c.method, api+c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s %v: %d %s, want %d with %q", c.method, c.path, c.body, w.Code, w.Body, c.status, c.says)
		}
	}
	viewer := as(t, s, f, roles.Viewer)
	if w := viewer.request("POST", api+"/pools", object{"site": millLane, "token": "DP1:ABC"}); w.Code != http.StatusForbidden {
		t.Errorf("who only looks entered a license: %d", w.Code)
	}
}

func TestASharesFormAsksOnceMoreBeforeSomethingStops(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	page := admin.want(http.StatusOK, "GET", "/sites/"+millLane+"/licenses", nil)
	for _, says := range []string{"Eighty buttons", "Call buttons: 80 sold, 0 free", "taken 22 November 2026", "to give 10 back since 22 November 2026, 14:30: the panel is away"} {
		if !strings.Contains(page, says) {
			t.Errorf("the page does not say %q", says)
		}
	}
	page = admin.want(http.StatusConflict, "POST", "/pools/"+poolID+"/allot", "feature=buttons&count=1&panel="+front)
	if !strings.Contains(page, "At Front these would stop: 41 Rossi.") || !strings.Contains(page, `name="confirm" value="on"`) || !strings.Contains(page, `id="pools-asked"`) {
		t.Error("the page does not ask, or loses its question when there is news")
	}
	admin.want(http.StatusSeeOther, "POST", "/pools/"+poolID+"/allot", "feature=buttons&count=1&confirm=on&panel="+front)
	admin.want(http.StatusUnprocessableEntity, "POST", "/pools/"+poolID+"/allot", "feature=buttons&count=81&panel="+front)
	admin.want(http.StatusNotFound, "POST", "/pools/"+strings.Repeat("cd", 16)+"/allot", "feature=buttons&count=1&panel="+front)
	admin.want(http.StatusNotFound, "GET", "/sites/nowhere/licenses", nil)
	if page := admin.want(http.StatusOK, "GET", "/panels/"+front+"/documents", nil); !strings.Contains(page, "the license is for another panel") {
		t.Error("the page of documents does not say why one was refused")
	}
	viewer := as(t, newServer(t, f), f, roles.Viewer)
	viewer.want(http.StatusForbidden, "GET", "/sites/"+millLane+"/licenses", nil)
	viewer.want(http.StatusForbidden, "POST", "/pools/"+poolID+"/allot", "feature=buttons&count=1&confirm=on&panel="+front)
}
