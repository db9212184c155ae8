package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// address fills the named parts of a pattern with something that is not there, so that whoever may ask changes nothing.
func address(pattern string) string {
	return regexp.MustCompile(`\{\w+\}`).ReplaceAllString(strings.ReplaceAll(pattern, "{$}", ""), "nobody")
}

func TestEveryRouteAsksForTheRightThatItNames(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	if err := f.PutUser(fleet.User{Name: "boss", Hash: "-"}, fleet.Edit{From: fleet.AnyEdition}); err != nil {
		t.Fatal(err)
	}
	f.give("boss", roles.Administrator)
	table := roles.NewTable(nil)
	for _, rt := range s.routes {
		if !slices.Contains([]Access{Public, Local, LoggedIn}, rt.Access) && !rt.Access.Known() {
			t.Errorf("%s %s has the access %q, which is none", rt.Method, rt.Pattern, rt.Access)
			continue
		}
		for _, role := range append([]roles.Role{{}}, table...) {
			c := client{t, s.Handler(), ""}
			if role.ID != "" {
				c = as(t, s, f, role.ID) // anew each time: one of the routes logs out
			}
			may := rt.Access == Public || role.ID != "" && rt.Access == LoggedIn || rt.Access == Local && role.Has(roles.SeeHealth) || role.Has(rt.Access)
			if rt.Media == "text/event-stream" && may {
				continue // it would never end here; TestNewsAndEventsArriveWhileOneWaits reads them
			}
			var body any
			if rt.Method != "GET" && rt.Page {
				body = "unknown=1"
			}
			w := c.request(rt.Method, address(rt.Pattern), body)
			refused := w.Code == http.StatusUnauthorized && !strings.Contains(w.Body.String(), "wrong-login") || w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "not-allowed") ||
				w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "This needs the right") || w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/login") && rt.Pattern != "/setup"
			if may == refused {
				t.Errorf("%s %s asks for %s, and answers %q with %d %s", rt.Method, rt.Pattern, rt.Access, role.ID, w.Code, w.Body)
			}
		}
	}
}

// deeds are everything that can be changed, each done once with success, in an order in which that is possible.
func deeds() []struct {
	method, path string
	body         any
} {
	return []struct {
		method, path string
		body         any
	}{
		{"POST", "/sites", object{"name": "New house", "zone": "Europe/Vienna", "language": "de"}},
		{"PUT", "/sites/new-house", object{"name": "Newer house", "zone": "Europe/Vienna", "language": "de"}},
		{"POST", "/sites/new-house/archive", nil},
		{"DELETE", "/sites/new-house/archive", nil},
		{"PUT", "/sites/mill-lane/policy", monitor.DefaultPolicy()},
		{"POST", "/sites/mill-lane/recipients", object{"name": "Zoe", "ways": []object{{"channel": "sms", "address": "+4366012345678"}}}},
		{"PUT", "/sites/mill-lane/recipients/zoe", object{"name": "Zoë", "ways": []object{{"channel": "email", "address": "zoe@example.org"}}, "quiet_from": "22:00", "quiet_to": "06:00"}},
		{"POST", "/sites/mill-lane/recipients/zoe/test", nil},
		{"DELETE", "/sites/mill-lane/recipients/zoe", nil},
		{"POST", "/sites/mill-lane/maintenance", object{"hours": 2, "note": "new cable"}},
		{"DELETE", "/sites/mill-lane/maintenance/m-20261122-143000", nil},
		{"POST", "/sites/mill-lane/license", object{"token": "DP1:ABC"}},
		{"POST", "/sites/mill-lane/outages/OUTAGE/acknowledge", nil},
		{"POST", "/panels/" + front + "/orders", object{"verb": "open", "object": "front"}},
		{"PUT", "/panels/" + front, object{"name": "Front"}},
		{"POST", "/pools", object{"site": "mill-lane", "token": "DP1:ABC"}},
		{"POST", "/pools/" + poolID + "/allot", object{"panel": front, "count": 30}},
		{"POST", "/pairing", object{"site": "mill-lane"}},
		{"DELETE", "/pairing/w1", nil},
		{"POST", "/panels/" + front + "/revoke", nil},
		{"POST", "/events/erase", object{"person": "Ada Lovelace"}},
		{"POST", "/deliveries/FAILED/retry", nil},
		{"PUT", "/templates/lost/en/email", object{"subject": "Gone: {panels}", "text": "{panels} is gone."}},
		{"PUT", "/settings/name", object{"name": "Our hub"}},
		{"PUT", "/settings/mail", object{"server": "mail.example.org", "tls": "tls", "from": "doors@example.org", "user": "doors", "password": "***"}},
		{"PUT", "/settings/sms", object{"gateways": []object{{"name": "first", "kind": "twilio", "url": "https://sms.example.org/send", "secret": "***"}}}},
		{"PUT", "/settings/hooks", object{"hooks": []object{{"name": "other", "url": "https://other.example.org/", "secret": "sixteen letters and more", "events": "door."}}}},
		{"PUT", "/settings/keep", object{"keep": []object{{"kind": "access.", "days": 30}, {"days": 0}}}},
		{"POST", "/settings/test", object{"channel": "email", "address": "me@example.org"}},
		{"PUT", "/users/olga", object{"role": "operator", "password": "another good sentence", "sites": []string{"mill-lane"}}},
		{"POST", "/users", object{"user": "otto", "role": "viewer", "password": "another good sentence"}},
		{"POST", "/users/olga/roles", object{"role": "dealer", "group": "site:mill-lane"}},
		{"POST", "/users/olga/roles/end", object{"role": "operator", "group": "site:mill-lane"}},
		{"POST", "/roles", object{"title": "Night desk", "rights": []string{"monitor.see"}}},
		{"PUT", "/roles/night-desk", object{"title": "Night desk", "rights": []string{"monitor.see", "journals.see"}}},
		{"DELETE", "/roles/night-desk", nil},
		{"POST", "/handovers", object{"group": "site:mill-lane", "from": []string{"olga"}, "to": "otto"}},
		{"POST", "/handovers/HANDOVER/decline", object{"note": "by telephone"}},
		{"POST", "/handovers", object{"group": "site:mill-lane", "from": []string{"olga"}, "to": "otto"}},
		{"POST", "/handovers/HANDOVER/withdraw", nil},
		{"POST", "/handovers", object{"group": "site:mill-lane", "from": []string{"olga"}, "to": "otto"}},
		{"POST", "/handovers/HANDOVER/consent", object{"note": "letter of 3 May"}},
		{"PUT", "/sites/mill-lane/group", object{"group": "north"}},
		{"DELETE", "/users/olga", nil},
		{"POST", "/appointments", object{"user": "palazzo", "group": "north"}},
		{"POST", "/tokens", object{"label": "nightly"}},
		{"DELETE", "/tokens/TOKEN", nil},
		{"PUT", "/session/password", object{"old": password, "new": "four other words are"}},
		{"POST", "/logout", nil},
	}
}

func TestEveryChangeIsInTheAuditWithWhoMadeIt(t *testing.T) {
	f := newHubFake()
	furnish(f)
	f.groups = map[string]string{"acme": "", "north": "acme"}
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	mux := http.NewServeMux()
	done := map[string]bool{"POST /api/v1/setup": true, "POST /api/v1/login": true, "POST /api/v1/join": true} // TestFirstRun, TestLogin, TestADealerAppointsTheFirstManagementCompanyAndNothingMore
	for _, rt := range s.routes {
		mux.Handle(rt.Method+" "+rt.Pattern, http.NotFoundHandler())
	}
	for _, d := range deeds() {
		path := d.path
		switch {
		case strings.Contains(path, "OUTAGE"):
			path = strings.ReplaceAll(path, "OUTAGE", f.watched[millLane].Open[0].ID)
		case strings.Contains(path, "FAILED"):
			page, _ := f.Deliveries(fleet.DeliveryQuery{State: fleet.Failed, Limit: 1})
			path = strings.ReplaceAll(path, "FAILED", page.Deliveries[0].ID)
		case strings.Contains(path, "TOKEN"):
			list, _ := s.listTokens()
			path = strings.ReplaceAll(path, "TOKEN", list[0].ID)
		}
		if strings.Contains(path, "HANDOVER") {
			path = strings.ReplaceAll(path, "HANDOVER", f.handOvers[len(f.handOvers)-1].ID)
		}
		before := len(f.changes)
		w := admin.request(d.method, api+path, d.body)
		if w.Code >= 300 {
			t.Errorf("%s %s answers %d: %s", d.method, path, w.Code, w.Body)
			continue
		}
		if len(f.changes) == before {
			t.Errorf("%s %s is not in the audit", d.method, path)
			continue
		}
		last := f.changes[len(f.changes)-1]
		if last.Who != "the-administrator" || last.From != "192.168.1.77" || last.Via != "api" || last.At.IsZero() || last.What == "" {
			t.Errorf("%s %s is in the audit as %+v", d.method, path, last)
		}
		_, pattern := mux.Handler(httptest.NewRequest(d.method, api+path, nil))
		done[pattern] = true
	}
	for _, rt := range s.routes {
		if rt.Method != "GET" && isAPI(rt) && rt.Changes && !rt.ByLedger && !done[rt.Method+" "+rt.Pattern] {
			t.Errorf("%s %s changes something, and is not among the deeds of this test", rt.Method, rt.Pattern)
		}
	}
	for _, c := range f.changes {
		if strings.Contains(c.Detail+c.Object+c.Before+c.After, "Ada") {
			t.Errorf("who was erased stands in the audit: %+v", c)
		}
	}
}

func TestNothingChangesWithoutBeingMarkedAsAChange(t *testing.T) {
	s := newServer(t, newHubFake())
	for _, rt := range s.routes {
		preview := strings.HasSuffix(rt.Pattern, "/preview")
		if (rt.Method != "GET") != rt.Changes && !preview {
			t.Errorf("%s %s is marked as a change: %t", rt.Method, rt.Pattern, rt.Changes)
		}
		if rt.Summary == "" || rt.Status == 0 {
			t.Errorf("%s %s is not described", rt.Method, rt.Pattern)
		}
		if rt.Page == strings.HasPrefix(rt.Pattern, "/api/") && rt.Page {
			t.Errorf("%s %s is a page under the API", rt.Method, rt.Pattern)
		}
	}
}

func TestTheDescriptionIsThatOfTheRoutes(t *testing.T) {
	s := newServer(t, newHubFake())
	w := client{t, s.Handler(), ""}.request("GET", "/api/v1/openapi.json", nil)
	var described struct {
		OpenAPI    string
		Paths      map[string]map[string]map[string]any
		Components struct{ SecuritySchemes map[string]any }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &described); err != nil || !strings.HasPrefix(described.OpenAPI, "3.1") {
		t.Fatalf("%v: %s", err, w.Body)
	}
	ids := map[string]string{}
	count := 0
	for _, rt := range s.routes {
		if !isAPI(rt) {
			continue
		}
		count++
		op := described.Paths[rt.Pattern][strings.ToLower(rt.Method)]
		if op == nil {
			t.Errorf("%s %s is not described", rt.Method, rt.Pattern)
			continue
		}
		id, _ := op["operationId"].(string)
		if other := ids[id]; other != "" {
			t.Errorf("%s is the id of %s and of %s", id, other, rt.Method+" "+rt.Pattern)
		}
		ids[id] = rt.Method + " " + rt.Pattern
		if op["x-access"] != string(rt.Access) || (op["security"] == nil) != (rt.Access == Public) {
			t.Errorf("%s %s: access %v, security %v", rt.Method, rt.Pattern, op["x-access"], op["security"])
		}
		if (op["requestBody"] == nil) != (rt.Request == nil) {
			t.Errorf("%s %s: request body %v", rt.Method, rt.Pattern, op["requestBody"])
		}
		if responses, _ := op["responses"].(map[string]any); responses["default"] == nil || len(responses) != 2 {
			t.Errorf("%s %s: responses %v", rt.Method, rt.Pattern, responses)
		}
		parameters, _ := op["parameters"].([]any)
		if want := strings.Count(rt.Pattern, "{") + len(rt.Query); len(parameters) != want {
			t.Errorf("%s %s: %d parameters, want %d", rt.Method, rt.Pattern, len(parameters), want)
		}
	}
	described2 := 0
	for _, ops := range described.Paths {
		described2 += len(ops)
	}
	if described2 != count {
		t.Errorf("%d operations are described, there are %d", described2, count)
	}
}

// The examples of the description are what the API takes: they are sent to it.
func TestTheExamplesOfTheDescriptionCanBeRead(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	for _, rt := range s.routes {
		if rt.Request == nil || strings.HasSuffix(rt.Pattern, "/preview") {
			continue
		}
		w := as(t, s, f, roles.Administrator).request(rt.Method, address(rt.Pattern), rt.Request)
		if strings.Contains(w.Body.String(), "malformed") || w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s does not read its own example: %s", rt.Method, rt.Pattern, w.Body)
		}
	}
}

func TestUnknownAddressesAndMethodsAreProblems(t *testing.T) {
	f := newHubFake()
	furnish(f)
	c := as(t, newServer(t, f), f, roles.Viewer)
	if w := c.request("GET", "/api/v1/nothing", nil); w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s %s", w.Code, w.Header(), w.Body)
	}
	if w := c.request("PUT", "/api/v1/overview", nil); w.Code != 405 || w.Header().Get("Allow") != "GET" {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	html := func(r *http.Request) { r.Header.Set("Accept", "text/html") }
	if w := c.request("GET", "/nothing", nil, html); w.Code != 404 || !strings.Contains(w.Body.String(), "There is nothing at this address") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !slices.Contains([]int{404}, c.request("GET", "/sites/nobody", nil).Code) {
		t.Error("a site that is not there is shown")
	}
}
