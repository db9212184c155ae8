package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/roles"
)

func TestTheLedgersAPITakesBackWhatItGaveAndRefusesTheRest(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	const path = "/api/v1/groups/a-residence/licenses"
	var now map[string]any
	if err := json.Unmarshal([]byte(admin.want(200, "GET", path, nil)), &now); err != nil {
		t.Fatal(err)
	}
	edition, _ := now["edition"].(string)
	delete(now, "edition")
	delete(now, "state")
	match := func(r *http.Request) { r.Header.Set("If-Match", `"`+edition+`"`) }
	entries := len(f.tree.entries)
	if w := admin.request("PUT", path, now, match); w.Code != 200 {
		t.Fatalf("what was read cannot be written back: %d %s", w.Code, w.Body)
	}
	now["restricted"] = false
	if w := admin.request("PUT", path, now, match); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := admin.request("PUT", path, now, match); w.Code != 409 || !strings.Contains(w.Body.String(), "stale") {
		t.Errorf("an older edition is answered with %d %s", w.Code, w.Body)
	}
	if w := admin.request("PUT", path, object{"restricted": true, "blockz": 1}); w.Code != 400 || !strings.Contains(w.Body.String(), "blockz") {
		t.Errorf("an unknown field is answered with %d %s", w.Code, w.Body)
	}
	group := object{"id": "drawn-by-a-program", "parent": "acme", "name": "North", "level": "building"}
	first, second := admin.request("POST", "/api/v1/groups", group), admin.request("POST", "/api/v1/groups", group)
	if first.Code != 201 || second.Code != 201 || first.Body.String() != second.Body.String() {
		t.Errorf("again is answered with %d %s, after %d %s", second.Code, second.Body, first.Code, first.Body)
	}
	group["name"] = "South"
	if w := admin.request("POST", "/api/v1/groups", group); w.Code != 409 || !strings.Contains(w.Body.String(), ":taken") {
		t.Errorf("the same id for something else is answered with %d %s", w.Code, w.Body)
	}
	if made := len(f.tree.entries) - entries; made > 3 {
		t.Errorf("%d entries were made", made)
	}
}
