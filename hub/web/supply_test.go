package web

import (
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

func TestASiteSaysWhereItsWarningsComeFromAndUntilWhen(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	page := func(site string) string { return admin.request("GET", "/sites/"+site, nil).Body.String() }
	asked := func(site string) string { return admin.request("GET", api+"/sites/"+site, nil).Body.String() }
	if got := page(station); !strings.Contains(got, "There is none.") || strings.Contains(asked(station), "from_group") {
		t.Errorf("neither of both: %s", got)
	}
	f.supply = ledger.Supply{Root: ledger.Place{Group: "nord", Name: "Nord"}, Source: ledger.FromTrial, From: f.time.AddDate(0, 0, -1), Until: f.time.AddDate(0, 0, 29)}
	if got := page(station); strings.Contains(got, "There is none.") || !strings.Contains(got, "the Trial of your company") || strings.Contains(got, "Nord") || !strings.Contains(got, "no monitoring license of its own") {
		t.Errorf("the company's alone: %s", got)
	}
	if got := page(millLane); !strings.Contains(got, "the Trial of your company") || !strings.Contains(got, "Monitoring, one year") {
		t.Errorf("both: %s", got)
	}
	if got := asked(station); !strings.Contains(got, `"from_group":{"name":"your company","source":"trial","active":true`) {
		t.Errorf("the API says %s", got)
	}
	f.supply.From, f.supply.Source = f.time.AddDate(0, 0, 3), ledger.FromPackage
	if got := page(station); !strings.Contains(got, "a package of your company") || strings.Contains(got, "active: people are warned") {
		t.Errorf("one to come: %s", got)
	}
}
