package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// twoBuildings is a company with two buildings, and somebody who works in both.
func twoBuildings(t *testing.T) (*hubFake, *Server) {
	t.Helper()
	f := newHubFake()
	grow(t, f, madeGroup("company", "", levelID(0), "Company", 90, 90), madeGroup("left", "company", levelID(1), "Left House"), madeGroup("right", "company", levelID(1), "Right House"),
		madeGroup("right-flat", "right", levelID(4), "Right Flat"))
	s := newServer(t, f)
	named(t, s, f, "both", roles.Technician, "left", "right")
	return f, s
}

// What is done to somebody who works at two places is read at each of them, and tells neither of the other.
func TestTheAuditOfAUserTellsNothingOfHisOtherPlaces(t *testing.T) {
	f, s := twoBuildings(t)
	boss := named(t, s, f, "boss", roles.Administrator, roles.Hub)
	company := named(t, s, f, "company-boss", roles.Distributor, "company")
	left, right := named(t, s, f, "left-dealer", roles.Dealer, "left"), named(t, s, f, "right-dealer", roles.Dealer, "right")
	left.want(200, "POST", "/api/v1/users/both/roles", giveRequest{Role: roles.Dealer, Group: "left"})
	left.want(200, "POST", "/api/v1/users/both/roles/end", giveRequest{Role: roles.Dealer, Group: "left"})
	company.want(200, "PUT", "/api/v1/users/both", userRequest{Password: "another good sentence"})
	boss.want(200, "PUT", "/api/v1/users/both", userRequest{Role: roles.Viewer, Groups: []string{"left", "right"}})
	boss.want(204, "DELETE", "/api/v1/users/both", nil)
	for name, c := range map[string]client{"right": left, "left": right} {
		page := c.want(200, "GET", "/api/v1/audit", nil)
		if strings.Contains(page, " at "+name) || strings.Contains(page, fmt.Sprintf("%q", name)) {
			t.Errorf("what was done is told with what he had at %s: %s", name, page)
		}
	}
	for _, what := range []string{"roles.given", "roles.ended", "user.changed", "user.removed"} {
		if page := left.want(200, "GET", "/api/v1/audit", nil); !strings.Contains(page, what) {
			t.Errorf("the dealer of a building is not told of %s", what)
		}
	}
	if page := right.want(200, "GET", "/api/v1/audit?what=user.changed", nil); !strings.Contains(page, "technician at right") {
		t.Errorf("what he had there is not told there: %s", page)
	}
}

// A site that moves is told at both places, and neither is told of the other.
func TestASiteThatMovesTellsNoPlaceOfTheOther(t *testing.T) {
	f, s := twoBuildings(t)
	furnish(f)
	f.do(func() { f.sites[0].Group = "left" })
	company := named(t, s, f, "company-boss", roles.Distributor, "company")
	company.want(http.StatusNoContent, "PUT", "/api/v1/sites/"+f.sites[0].ID+"/group", siteGroupRequest{"right"})
	for place, other := range map[string]string{"left": "right", "right": "left"} {
		page := named(t, s, f, place+"-dealer", roles.Dealer, place).want(200, "GET", "/api/v1/audit?what=site.moved", nil)
		if !strings.Contains(page, fmt.Sprintf("%q", place)) || strings.Contains(page, fmt.Sprintf("%q", other)) {
			t.Errorf("at %s: %s", place, page)
		}
	}
}

// The ledger tells whom it may of a change, without the groups that he does not see.
func TestAnEntryOfTheLedgerNamesNoGroupThatOneDoesNotSee(t *testing.T) {
	f, s := twoBuildings(t)
	grow(t, f, ledger.AddUser{User: ledger.User{ID: "anna-of-both", Name: "Anna", Groups: []string{"left", "right-flat"}}}, madeGroup("wanderer", "right", levelID(4), "Wanderer"),
		ledger.MoveGroup{ID: "wanderer", To: "left"})
	left := named(t, s, f, "left-dealer", roles.Dealer, "left")
	for _, path := range []string{"/api/v1/groups/left/ledger", "/api/v1/groups/left/ledger/export", "/groups/left/ledger", "/groups/left/ledger.json"} {
		page := left.want(200, "GET", path, nil)
		if strings.Contains(page, "right") || !strings.Contains(page, "anna-of-both") && !strings.Contains(page, "Left House") {
			t.Errorf("%s names a group beside it: %s", path, page)
		}
	}
	company := named(t, s, f, "company-boss", roles.Distributor, "company").want(200, "GET", "/api/v1/groups/company/ledger", nil)
	for _, known := range []string{`"groups":["left","right-flat"]`, `"parent":"right"`} {
		if !strings.Contains(company, known) {
			t.Errorf("the company is not told %s", known)
		}
	}
}

// Somebody at a building enters nothing into his company.
func TestAPackageIsNotEnteredAboveOnesPlace(t *testing.T) {
	f, s := twoBuildings(t)
	dealer := named(t, s, f, "left-dealer", roles.Dealer, "left")
	for path, body := range map[string]any{"/groups/left/packages": "text=DP1%3A50", "/api/v1/groups/left/packages": object{"text": "DP1:50"}} {
		if page := dealer.want(http.StatusConflict, "POST", path, body); !strings.Contains(page, "is no company") || len(f.tree.packages) > 0 {
			t.Errorf("%s: %s", path, page)
		}
	}
}
