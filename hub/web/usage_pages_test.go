package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// T-21: whoever is paid afterwards reads the peak of any month that is kept, on a page, as a table and as JSON.
func TestAMonthsPeakIsOnThePageInTheTableAndInTheAPI(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	peaked := f.now()
	month := ledger.MonthOf(peaked, time.UTC)
	grow(t, f, ledger.Release{Use: "n2002"})
	f.do(func() { f.time = f.time.AddDate(0, 1, 0) })
	s := newServer(t, f)
	dealer := named(t, s, f, "ben", roles.Dealer, "harbor")
	var report struct{ Rows []ledger.Row }
	if err := json.Unmarshal([]byte(dealer.want(200, "GET", api+"/groups/harbor/usage?month="+month, nil)), &report); err != nil || len(report.Rows) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	harbor := report.Rows[0]
	if harbor.Group != "harbor" || harbor.Month != month || harbor.Peak[ledger.SIPNumbers].Count != 6 || harbor.Final[ledger.SIPNumbers] != 5 || harbor.Used[ledger.SIPNumbers] != 5 || len(harbor.Path) != 1 {
		t.Errorf("the month's row: %+v", harbor)
	}
	table := strings.Split(dealer.want(200, "GET", "/groups/harbor/usage.csv?month="+month, nil), "\n")
	head, first := strings.Split(table[0], ","), strings.Split(table[1], ",")
	if at := slices.Index(head, "sip_numbers_peak"); len(head) != len(first) || at < 0 || first[at] != "6" || first[slices.Index(head, "month")] != month {
		t.Errorf("the table:\n%s\n%s", table[0], table[1])
	}
	if page := dealer.want(200, "GET", "/groups/harbor/usage?month="+month, nil); !strings.Contains(page, "at the end 5") || !strings.Contains(page, peaked.Format("January 2006")) || strings.Contains(page, "Acme") {
		t.Errorf("the page of the month: %s", page)
	}
	if page := dealer.want(200, "GET", "/groups/harbor/usage", nil); !strings.Contains(page, "peak 5") {
		t.Errorf("the page of the present month: %s", page)
	}
	if w := dealer.request("GET", "/groups/harbor/usage?month=May", nil); w.Code != http.StatusBadRequest {
		t.Errorf("a month that is none: %d", w.Code)
	}
	dealer.problem(404, "not-found", "GET", api+"/groups/acme/usage?month="+month, nil)
}
