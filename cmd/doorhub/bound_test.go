package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

// Building 7 may hand out ten buttons, of which six end; its site is warned by the company's Trial.
func TestTheTreeBoundsWhatPanelsGetAndSwitchesWarningsOn(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub})
	admin := h.tree()
	company := admin.group("", "Nord", "company")
	building := admin.group(company, "Building 7", "building")
	buttons := func(n int, until time.Time) object {
		b := object{"counts": object{"buttons": n}}
		if !until.IsZero() {
			b["until"] = until.UTC().Format(time.RFC3339)
		}
		return b
	}
	admin.restrict(building, buttons(10, time.Time{}))
	site := h.site("Via Roma 7")
	h.must(http.StatusNoContent, "PUT", "/sites/"+site+"/group", object{"group": building})
	a := startPanel(t, "Stairs A", r.trusting())
	h.join(site, a)
	pool := h.pool(site, r.license(t, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 80}}}))
	h.until("the panel is registered in the building", func() bool { return admin.state("/groups/"+building).Line("panels").Used == 1 })

	if code, said := h.allot(pool, a, 11); code != 1 || !strings.Contains(said, "blocked by Building 7: 0 of 10 used; 11 asked, 10 left") {
		t.Fatalf("11 by command: exit %d, %s", code, said)
	}
	said := admin.refused(ledger.LimitReached, "POST", "/pools/"+pool+"/allot", object{"panel": a.id, "count": 11})
	if said.Most != 10 || len(said.Binds) != 1 || said.Binds[0].Name != "Building 7" {
		t.Errorf("11 by the API: %+v", said)
	}
	if code, said := h.allot(pool, a, 10); code != 0 {
		t.Fatal(said)
	}
	a.has(license.Buttons, 10)
	admin.stands("/groups/"+building, "buttons", 10, 10, 0)
	if s := admin.state("/groups/" + company); s.Line("buttons").Used != 10 {
		t.Errorf("the company counts %+v", s.Line("buttons"))
	}

	ends := time.Now().Add(6 * time.Second).Truncate(time.Second)
	admin.restrict(building, buttons(4, time.Time{}), buttons(6, ends))
	a.has(license.Buttons, 4) // at that instant, by itself
	if time.Now().Before(ends) {
		t.Error("they were taken away before the end")
	}
	h.until("the hub knows it", func() bool { s := h.share(pool, a.id); return s.Has == 4 && s.Asked == 10 && s.Suspended == 6 })
	admin.restrict(building, buttons(10, time.Time{}))
	a.has(license.Buttons, 10)

	type warned struct {
		Licensed  bool
		FromGroup *struct{ Name, Source string } `json:"from_group"`
	}
	state := func() (w warned) { h.must(http.StatusOK, "GET", "/sites/"+site, nil).into(t, &w); return w }
	if w := state(); w.Licensed || w.FromGroup != nil {
		t.Errorf("before the Trial: %+v", w)
	}
	admin.must(http.StatusNoContent, "POST", "/groups/"+company+"/trial", object{"registration": "R-1"})
	if w := state(); w.FromGroup != nil {
		t.Errorf("the building does not let it through: %+v", w.FromGroup)
	}
	monitored := buttons(10, time.Now().AddDate(0, 0, 20))
	monitored["features"] = []string{license.Monitoring}
	admin.restrict(building, monitored)
	h.until("people of the site are warned", func() bool { return state().Licensed })
	if w := state(); w.FromGroup == nil || w.FromGroup.Name != "Nord" || w.FromGroup.Source != "trial" {
		t.Errorf("with the Trial: %+v", w.FromGroup)
	}
	h.must(http.StatusNoContent, "PUT", "/sites/"+site+"/group", object{"group": ""})
	h.until("its site hangs below no group any more", func() bool { return !state().Licensed })
}
