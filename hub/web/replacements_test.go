package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const replacePath = "/groups/a-residence/panels/" + front + "/replace"

// replacedTwice is a house whose front door had two panels before within a year; the yard's panel is to be the next.
func replacedTwice(t *testing.T) (*hubFake, *Server) {
	t.Helper()
	f := newHubFake()
	furnish(f)
	residences(t, f)
	f.do(func() {
		for i := range f.sites {
			f.sites[i].Group = "a-residence"
		}
		d := f.tree.devices[front]
		d.Forced = []time.Time{f.time.AddDate(0, -9, 0), f.time.AddDate(0, -1, 0)}
		f.tree.devices[front] = d
	})
	return f, newServer(t, f)
}

func (f *hubFake) lastEntry() ledger.Entry { return f.tree.entries[len(f.tree.entries)-1] }

// Story 4.
func TestOnlyTheDistributorApprovesAThirdReplacement(t *testing.T) {
	f, s := replacedTwice(t)
	dealer := named(t, s, f, "ben", roles.Dealer, "a-residence")
	distributor := named(t, s, f, "dora", roles.Distributor, "acme")
	dealer.problem(403, "not-allowed", "POST", api+replacePath, object{"fresh": gate, "approved": true})
	w := dealer.request("POST", api+replacePath, object{"fresh": gate})
	const says = "2 forced releases in the last year at this place; Distributor dora must approve"
	if w.Code != 202 || !strings.Contains(w.Body.String(), says) || !strings.Contains(w.Body.String(), `"may_approve":false`) {
		t.Fatalf("the third: %d %s", w.Code, w.Body)
	}
	if f.tree.devices[front].Gone() {
		t.Fatal("it was done without an approval")
	}
	if page := dealer.want(200, "GET", "/groups/a-residence/panels", nil); !strings.Contains(page, says) || !strings.Contains(page, "asked by ben") || strings.Contains(page, "Approve it now") {
		t.Errorf("the dealer's page: %s", page)
	}
	if page := dealer.want(200, "GET", "/groups/a-residence", nil); !strings.Contains(page, "1 replacement of a panel waits") {
		t.Error("the group's page does not tell that something waits")
	}
	for _, what := range []string{"/approve", "/decline"} {
		dealer.problem(403, "not-allowed", "POST", api+replacePath+what, nil)
		if w := dealer.request("POST", replacePath+what, ""); w.Code != 403 {
			t.Errorf("the dealer's form %s: %d", what, w.Code)
		}
	}
	var list struct{ Replacements []waitingAnswer }
	if err := json.Unmarshal([]byte(distributor.want(200, "GET", api+"/groups/acme/replacements", nil)), &list); err != nil || len(list.Replacements) != 1 || !list.Replacements[0].MayApprove {
		t.Fatalf("the distributor's list: %+v, %v", list, err)
	}
	if page := distributor.want(200, "GET", "/groups/acme/panels", nil); !strings.Contains(page, "Approve it now") || !strings.Contains(page, "A Residence") {
		t.Errorf("the distributor's page: %s", page)
	}
	distributor.want(200, "POST", api+replacePath+"/approve", nil)
	if !f.tree.devices[front].Gone() || f.lastEntry().Who != "dora" || !strings.Contains(string(f.lastEntry().After), `"approved":true`) {
		t.Errorf("approved: %+v, %+v", f.tree.devices[front], f.lastEntry())
	}
	distributor.problem(404, "not-found", "POST", api+replacePath+"/approve", nil)
	if got := distributor.want(200, "GET", api+"/groups/acme/replacements", nil); !strings.Contains(got, `"replacements":[]`) {
		t.Error(got)
	}
}

func TestAReplacementIsApprovedAndDeclinedOnItsPage(t *testing.T) {
	f, s := replacedTwice(t)
	dealer := named(t, s, f, "ben", roles.Dealer, "a-residence")
	distributor := named(t, s, f, "dora", roles.Distributor, "acme")
	dealer.want(303, "POST", replacePath, "fresh="+gate)
	distributor.want(303, "POST", replacePath+"/decline", "")
	if page := dealer.want(200, "GET", "/groups/a-residence/panels", nil); !strings.Contains(page, "Declined by dora") {
		t.Errorf("the dealer's page after it was declined: %s", page)
	}
	if page := dealer.want(200, "GET", "/groups/a-residence", nil); strings.Contains(page, "replacement of a panel waits") {
		t.Error("the group's page tells of what was declined")
	}
	distributor.want(303, "POST", replacePath+"/approve", "")
	if !f.tree.devices[front].Gone() {
		t.Error("who declined cannot change his mind")
	}
}

func TestAPanelThatLeftMeanwhileTakesNobodysPlace(t *testing.T) {
	f, s := replacedTwice(t)
	distributor := named(t, s, f, "dora", roles.Distributor, "acme")
	if w := distributor.request("POST", api+replacePath, object{"fresh": gate}); w.Code != 202 || !strings.Contains(w.Body.String(), `"may_approve":true`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	f.do(func() {
		for i := range f.panels {
			if f.panels[i].ID == gate {
				f.panels[i].Revoked = f.time
			}
		}
	})
	distributor.problem(409, "not-enrolled", "POST", api+replacePath+"/approve", nil)
	if f.tree.devices[front].Gone() {
		t.Error("a revoked panel took the place")
	}
}

func TestNobodyBesideTheHouseSeesWhatWaitsThere(t *testing.T) {
	f, s := replacedTwice(t)
	dealer := named(t, s, f, "ben", roles.Dealer, "a-residence")
	dealer.request("POST", api+replacePath, object{"fresh": gate})
	other := named(t, s, f, "otto", roles.Dealer, "harbor")
	if got := other.want(200, "GET", api+"/groups/harbor/replacements", nil); !strings.Contains(got, `"replacements":[]`) {
		t.Errorf("a sibling's dealer reads %s", got)
	}
	other.problem(404, "not-found", "GET", api+"/groups/a-residence/replacements", nil)
	named(t, s, f, "cara", roles.Distributor, "harbor").problem(404, "not-found", "POST", api+replacePath+"/approve", nil)
	if got := as(t, s, f, roles.Administrator).want(200, "GET", api+"/groups/a-residence/replacements", nil); !strings.Contains(got, "a server administrator must approve") {
		t.Errorf("without a distributor: %s", got)
	}
}

// problem is a request that is refused with a problem of a type.
func (c client) problem(status int, slug, method, path string, body any) {
	c.t.Helper()
	if w := c.request(method, path, body); w.Code != status || !strings.Contains(w.Body.String(), problemType+slug) {
		c.t.Errorf("%s %s: %d %s, want %d %s", method, path, w.Code, w.Body, status, slug)
	}
}

// Whoever asks who changed what finds changes of licenses too, as far as he may see them.
func TestTheAuditShowsTheNewestChangesOfLicenses(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	s := newServer(t, f)
	admin, dealer := as(t, s, f, roles.Administrator), named(t, s, f, "ben", roles.Dealer, "harbor")
	dealer.want(200, "PUT", api+"/groups/flat-1/licenses", object{"restricted": true, "blocks": []object{{"counts": both(6, 4)}}})
	admin.want(200, "PUT", api+"/groups/a-residence", object{"name": "B Residence"})
	if page := admin.want(200, "GET", "/settings/audit", nil); !strings.Contains(page, "Licenses saved") || !strings.Contains(page, "B Residence") || !strings.Contains(page, "The whole ledger") {
		t.Errorf("the administrator's audit: %s", page)
	}
	if page := admin.want(200, "GET", "/settings/audit?who=ben", nil); !strings.Contains(page, "Licenses saved") || strings.Contains(page, "B Residence") {
		t.Errorf("what one person did: %s", page)
	}
	if page := dealer.want(200, "GET", "/settings/audit", nil); !strings.Contains(page, "Licenses saved") || strings.Contains(page, "B Residence") || strings.Contains(page, "The whole ledger") {
		t.Errorf("the dealer's audit: %s", page)
	}
	if page := admin.want(200, "GET", "/settings/audit?what=site.", nil); strings.Contains(page, "Licenses saved") {
		t.Error("a search in the audit shows the ledger")
	}
}
