package main_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// Story 4, with real panels: the second one within two weeks at one place waits.
func TestAPanelPairedTooOftenAtAPlaceWaitsForTheDistributor(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	admin := h.tree()
	company := admin.group("", "North", "company")
	house := admin.group(company, "House", "building")
	site := h.site("House")
	h.must(http.StatusNoContent, "PUT", "/sites/"+site+"/group", object{"group": house})
	dealer, distributor := h.treeAs("ben", "dealer", house), h.treeAs("dora", "distributor", company)

	first := startPanel(t, "Gate", "")
	h.join(site, first)
	registered := func(id string) ledger.Device {
		var list struct{ Panels []ledger.Device }
		admin.must(http.StatusOK, "GET", "/groups/"+house+"/panels", nil).into(t, &list)
		for _, d := range list.Panels {
			if d.ID == id {
				return d
			}
		}
		return ledger.Device{}
	}
	h.until("the panel is registered", func() bool { return registered(first.id).ID != "" })
	admin.must(http.StatusCreated, "POST", "/groups/"+house+"/uses", object{"resource": "sip_numbers", "label": "1001", "panel": first.id})
	replace := func(dead, fresh *panelProcess) {
		t.Helper()
		dead.kill()
		if a := fresh.pair(h.window(object{"site": site, "replaces": dead.id})); a.status != http.StatusOK {
			t.Fatalf("pairing: %d %s", a.status, a.body)
		}
	}
	second, third := startPanel(t, "Gate", ""), startPanel(t, "Gate", "")
	replace(first, second)
	h.until("the second panel took the place", func() bool { return registered(second.id).Replaces == first.id })
	replace(second, third)
	waiting := func(r tree) (found struct {
		Replacements []struct {
			Dead, Fresh, Text, By string
			MayApprove            bool   `json:"may_approve"`
			DeclinedBy            string `json:"declined_by"`
		}
	}) {
		t.Helper()
		r.must(http.StatusOK, "GET", "/groups/"+house+"/replacements", nil).into(t, &found)
		return found
	}
	h.until("the third panel waits", func() bool { return len(waiting(dealer).Replacements) == 1 })
	one := waiting(dealer).Replacements[0]
	if one.Dead != second.id || one.Fresh != third.id || one.By != "hub" || one.MayApprove || !strings.Contains(one.Text, "Distributor dora must approve") {
		t.Errorf("the dealer reads %+v", one)
	}
	if d := registered(third.id); d.ID == "" || d.Replaces != "" {
		t.Errorf("the third panel is %+v", d)
	}
	at := "/groups/" + house + "/panels/" + second.id + "/replace"
	dealer.must(http.StatusForbidden, "POST", at+"/approve", nil)
	dealer.must(http.StatusForbidden, "POST", at, object{"fresh": third.id, "approved": true})
	dealer.must(http.StatusAccepted, "POST", at, object{"fresh": third.id})
	if code, _, said := h.command("", "replacement", "make", second.id, third.id); code != 1 || !strings.Contains(said, "--approve") {
		t.Errorf("by command without an approval: %d %s", code, said)
	}
	distributor.must(http.StatusNoContent, "POST", at+"/decline", nil)
	if list := h.works("replacement", "list", "--group", company); !strings.Contains(list, "declined by dora") || !strings.Contains(list, third.id) {
		t.Errorf("the list says %s", list)
	}
	if out := h.works("replacement", "approve", second.id); !strings.Contains(out, "has what the dead one held") {
		t.Error(out)
	}
	if d := registered(third.id); d.Replaces != second.id || len(d.Forced) != 2 {
		t.Errorf("after the approval: %+v", d)
	}
	var uses struct {
		Uses []struct{ Panel, Resource string }
	}
	admin.must(http.StatusOK, "GET", "/groups/"+house+"/uses", nil).into(t, &uses)
	numbers := slices.DeleteFunc(uses.Uses, func(u struct{ Panel, Resource string }) bool { return u.Resource == "panels" })
	if len(numbers) != 1 || numbers[0].Panel != third.id {
		t.Errorf("what the dead one held: %+v", uses)
	}
	if code, _, said := h.command("", "replacement", "approve", second.id); code != 1 || !strings.Contains(said, "no replacement of this panel waits") {
		t.Errorf("approved twice: %d %s", code, said)
	}
	if export := string(h.must(http.StatusOK, "GET", "/ledger/export?what=device.replaced", nil).body); !strings.Contains(export, `"approved":true`) || !strings.Contains(export, `"who":"root"`) {
		t.Errorf("the ledger says %s", export)
	}
	if out := h.works("ledger", "verify"); !strings.Contains(out, "entries fit") {
		t.Error(out)
	}
}
