package web

import (
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// I-4: a license is entered, waits, and is associated with the account that it enables.
func TestALicenseOfAnAccountIsEnteredAndAssociated(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	s := newServer(t, f)
	company := named(t, s, f, "dora", roles.Distributor, "acme")
	dealer := named(t, s, f, "ben", roles.Dealer, "harbor")
	const seat = "0000000000000000000000000000004d"
	company.want(303, "POST", "/groups/acme/packages", "text=DP1:SEAT")
	if page := company.want(200, "GET", "/groups/acme/licenses", nil); !strings.Contains(page, "Remote App") || !strings.Contains(page, "waits for an account") {
		t.Error("the company's page does not show what waits")
	}
	if page := dealer.want(200, "GET", "/people/rossi", nil); strings.Contains(page, "Remote App</option>") || strings.Contains(page, seat) {
		t.Error("a dealer below sees what waits at the company")
	}
	dealer.problem(404, "not-found", "PUT", api+"/groups/acme/packages/"+seat+"/user", object{"user": "rossi"})
	if w := dealer.request("POST", "/people/rossi/licenses", "package="+seat); w.Code != 404 {
		t.Errorf("the dealer's form: %d %s", w.Code, w.Body)
	}
	if page := company.want(200, "GET", "/people/rossi", nil); !strings.Contains(page, seat) {
		t.Error("the user's page does not offer it")
	}
	company.want(303, "POST", "/people/rossi/licenses", "package="+seat)
	if page := company.want(200, "GET", "/people/rossi", nil); !strings.Contains(page, "Let it wait again") || !strings.Contains(page, "by a license of the account") {
		t.Errorf("the user's page: %s", page)
	}
	company.want(303, "POST", "/people/rossi/licenses", "package="+seat+"&take_back=on")
	if got := company.want(200, "GET", api+"/people/rossi/state", nil); strings.Contains(got, "own_license") {
		t.Errorf("taken back: %s", got)
	}
	company.want(200, "PUT", api+"/groups/acme/packages/"+seat+"/user", object{"user": "rossi"})
	if got := company.want(200, "GET", api+"/people/rossi/state", nil); !strings.Contains(got, `"own_license":true`) {
		t.Errorf("by API: %s", got)
	}
	if got := company.want(200, "GET", api+"/groups/acme/packages", nil); !strings.Contains(got, `"account":true`) || !strings.Contains(got, `"user":"rossi"`) {
		t.Errorf("the list: %s", got)
	}
	company.problem(404, "not-found", "PUT", api+"/groups/acme/packages/"+seat+"/user", object{"user": "nobody"})
	company.want(303, "POST", "/groups/acme/packages/"+seat+"/undo", "")
	if got := company.want(200, "GET", api+"/people/rossi/state", nil); strings.Contains(got, "own_license") {
		t.Errorf("given back: %s", got)
	}
}
