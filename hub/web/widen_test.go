package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// TestNobodyRaisesTheLimitOfHisOwnGroup tries it by the API, the page and the what-if of both, at a building and at a company.
func TestNobodyRaisesTheLimitOfHisOwnGroup(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	s := newServer(t, f)
	dealer, distributor := named(t, s, f, "dealer", roles.Dealer, "a-residence"), named(t, s, f, "distributor", roles.Distributor, "acme")
	atTop := named(t, s, f, "at-top", roles.Dealer, "acme")
	until := "2027-12-01T00:00"
	api := func(numbers, apps int) object {
		return object{"restricted": true, "blocks": []object{{"id": "b-a-residence", "counts": object{"sip_numbers": numbers, "apps": apps}, "until": until}}}
	}
	const building, company = "/api/v1/groups/a-residence/licenses", "/api/v1/groups/acme/licenses"
	tests := []struct {
		who     client
		path    string
		body    object
		status  int
		explain string
	}{
		{dealer, building, api(60, 20), 403, "A Residence would have 60 SIP numbers instead of 50: only whoever gives out licenses above it can give it more; ask Ms. Bianchi"},
		{dealer, building, object{"restricted": false}, 403, "would not be restricted any more"},
		{dealer, building, object{"restricted": true}, 403, "would stand on Basic"},
		{atTop, company, object{"restricted": false}, 403, "by a package or the Trial, from its distributor or from a server administrator"},
		{atTop, company, object{"restricted": true, "blocks": []object{{"counts": object{"sip_numbers": 10_000_000}}}}, 403, "by a package or the Trial, from its distributor or from a server administrator"},
		{dealer, building, api(49, 20), 200, ""},
		{distributor, building, api(60, 20), 200, ""},
		{distributor, company, object{"restricted": true, "blocks": []object{{"counts": object{"sip_numbers": 500, "apps": 400}}}}, 200, ""},
		{as(t, s, f, roles.Administrator), company, object{"restricted": false}, 200, ""},
	}
	for _, c := range tests {
		before := editionOf([]any{f.tree.groups["acme"].Limits, f.tree.groups["a-residence"].Limits})
		for _, way := range []struct{ method, path string }{{"POST", c.path + "/preview"}, {"PUT", c.path}} {
			answer := c.who.want(c.status, way.method, way.path, c.body)
			if !strings.Contains(answer, c.explain) || c.status == 403 && !strings.Contains(answer, ":only-above") {
				t.Errorf("%s %s: %s", way.method, way.path, answer)
			}
		}
		if same := before == editionOf([]any{f.tree.groups["acme"].Limits, f.tree.groups["a-residence"].Limits}); same != (c.status == 403) {
			t.Errorf("%s %v is answered with %d; nothing changed: %v", c.path, c.body, c.status, same)
		}
	}
}

func TestThePageSaysWhoAloneCanRaiseALimitBeforeAnythingIsSaved(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	s := newServer(t, f)
	dealer, distributor := named(t, s, f, "dealer", roles.Dealer, "a-residence"), named(t, s, f, "distributor", roles.Distributor, "acme")
	atTop := named(t, s, f, "at-top", roles.Dealer, "acme")
	const page = "/groups/a-residence/licenses"
	for _, c := range []struct {
		who        client
		page, says string
	}{
		{dealer, page, "Only Ms. Bianchi can raise it."}, {dealer, page, "Only Ms. Bianchi can switch it off."},
		{atTop, "/groups/acme/licenses", "Only a package, the Trial, the distributor or a server administrator can raise it."},
	} {
		if shown := c.who.want(http.StatusOK, "GET", c.page, nil); !strings.Contains(shown, c.says) {
			t.Errorf("%s does not say %q", c.page, c.says)
		}
	}
	for _, own := range []struct {
		who  client
		page string
	}{{distributor, page}, {dealer, "/groups/apartment-1/licenses"}, {distributor, "/groups/acme/licenses"}, {as(t, s, f, roles.Administrator), "/groups/acme/licenses"}} {
		if shown := own.who.want(http.StatusOK, "GET", own.page, nil); strings.Contains(shown, "only-lower") {
			t.Errorf("%s says so to who gives out licenses above it", own.page)
		}
	}
	for _, step := range []string{"save", "clip", "whatif"} {
		fields := fieldsOfLicenses("step", step, "edition", editionOf(f.tree.groups["a-residence"].Limits), "limits.blocks.0.id", "b-a-residence", "limits.blocks.0.sip_numbers", "60", "limits.blocks.0.apps", "20", "limits.blocks.0.until", "2027-12-01T00:00")
		shown := dealer.want(http.StatusForbidden, "POST", page, fields)
		if !strings.Contains(shown, "60 SIP numbers instead of 50: only whoever gives out licenses above it can give it more") || !strings.Contains(shown, `value="60"`) {
			t.Errorf("%s does not say why not, or forgot what was typed", step)
		}
	}
	if got := f.tree.groups["a-residence"].Blocks[0].Counts; got[ledger.SIPNumbers] != 50 {
		t.Errorf("saved: %v", got)
	}
}
