package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// form sends a form from a page, without a script.
func (c client) form(path string, fields url.Values) (status int, body string) {
	w := c.request("POST", path, nil, func(r *http.Request) {
		r.Body = readCloser{strings.NewReader(fields.Encode())}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
	})
	return w.Code, w.Body.String()
}

// formOn reads the fields of the form on a page that is posted to an address: what a browser would send.
func formOn(t *testing.T, page, action string) url.Values {
	t.Helper()
	_, rest, ok := strings.Cut(page, `action="`+action+`"`)
	if !ok {
		t.Fatalf("no form is posted to %s", action)
	}
	form, _, _ := strings.Cut(rest, "</form>")
	fields := url.Values{}
	for _, tag := range regexp.MustCompile(`<(input|textarea)[^>]*>([^<]*)`).FindAllStringSubmatch(form, -1) {
		attribute := func(name string) string {
			m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag[0])
			if m == nil {
				return ""
			}
			return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(m[1])
		}
		name, kind := attribute("name"), attribute("type")
		switch {
		case name == "" || kind == "submit" || kind == "checkbox" && !strings.Contains(tag[0], " checked"):
		case tag[1] == "textarea":
			fields.Add(name, tag[2])
		case kind == "checkbox":
			fields.Add(name, cmp.Or(attribute("value"), "on"))
		default:
			fields.Add(name, attribute("value"))
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>`).FindAllStringSubmatch(form, -1) {
		chosen := regexp.MustCompile(`<option value="([^"]*)"[^>]* selected`).FindStringSubmatch(m[2])
		if chosen != nil {
			fields.Set(m[1], chosen[1])
		}
	}
	return fields
}

// edits are the forms that change what is there already: where they stand, where they are posted to, and one field of each.
func edits() []struct{ page, action, field, one, other string } {
	return []struct{ page, action, field, one, other string }{
		{"/sites/" + millLane, "/sites/" + millLane, "name", "Mill Lane A", "Mill Lane B"},
		{"/sites/" + millLane, "/sites/" + millLane + "/policy", "hold_off_s", "61", "62"},
		{"/sites/" + millLane, "/sites/" + millLane + "/recipients/ines", "name", "Ines A", "Ines B"},
		{"/panels/" + front, "/panels/" + front + "/name", "name", "Front A", "Front B"},
		{"/settings", "/settings/name", "name", "Hub A", "Hub B"},
		{"/settings", "/settings/mail", "from", "a@example.org", "b@example.org"},
		{"/settings", "/settings/sms", "gateways.0.from", "A", "B"},
		{"/settings", "/settings/hooks", "hooks.0.events", "door.", "call."},
		{"/settings", "/settings/keep", "keep.0.days", "91", "92"},
		{"/settings/users", "/settings/users/otto", "role", "viewer", "operator"},
		{"/warnings/templates?kind=lost&language=en&channel=email", "/warnings/templates/lost/en/email", "text", "A {panels}", "B {panels}"},
	}
}

func TestTwoWhoEditTheSameDoNotOverwriteEachOther(t *testing.T) {
	for _, edit := range edits() {
		t.Run(edit.action, func(t *testing.T) {
			f := newHubFake()
			furnish(f)
			admin := as(t, newServer(t, f), f, roles.Administrator)
			admin.want(200, "PUT", "/api/v1/users/otto", object{"role": "operator", "password": password + " too", "sites": []string{millLane}})
			first := formOn(t, admin.want(200, "GET", edit.page, nil), edit.action)
			if first.Get(editionField) == "" {
				t.Fatal("the form does not say from which edition it was drawn")
			}
			second := url.Values{}
			for name, values := range first {
				second[name] = slices.Clone(values)
			}
			first.Set(edit.field, edit.one)
			second.Set(edit.field, edit.other)
			if status, body := admin.form(edit.action, first); status != 303 {
				t.Fatalf("the first is answered with %d\n%s", status, body)
			}
			after := admin.want(200, "GET", edit.page, nil)
			noted := len(read(f, func() []fleet.Change { return f.changes }))
			status, body := admin.form(edit.action, second)
			if status != 409 || !strings.Contains(body, "changed meanwhile") || !strings.Contains(body, "nothing of yours was saved") {
				t.Errorf("the second is answered with %d\n%s", status, body)
			}
			if !strings.Contains(body, edit.other) {
				t.Errorf("what was entered is not shown again\n%s", body)
			}
			if formOn(t, admin.want(200, "GET", edit.page, nil), edit.action).Encode() != formOn(t, after, edit.action).Encode() {
				t.Error("the refused one changed something")
			}
			if got := len(read(f, func() []fleet.Change { return f.changes })); got != noted {
				t.Errorf("%d entries of the audit more for what was refused", got-noted)
			}
			// Drawn anew, it is taken.
			fresh := formOn(t, after, edit.action)
			fresh.Set(edit.field, edit.other)
			if status, body := admin.form(edit.action, fresh); status != 303 {
				t.Errorf("drawn anew it is answered with %d\n%s", status, body)
			}
		})
	}
}

func TestARecipientThatWasChangedIsNotRemovedUnseen(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	address := "/sites/" + millLane + "/recipients/ines"
	page := admin.want(200, "GET", "/sites/"+millLane, nil)
	change := formOn(t, page, address)
	change.Set("name", "Ines B")
	if status, body := admin.form(address, change); status != 303 {
		t.Fatalf("%d %s", status, body)
	}
	if status, _ := admin.form(address+"/remove", formOn(t, page, address+"/remove")); status != 409 {
		t.Errorf("removing what was changed meanwhile is answered with %d", status)
	}
	if len(read(f, func() monitor.Site { return f.watched[millLane] }).Recipients) != 2 {
		t.Error("the recipient is gone")
	}
}

func TestProgramsMaySayFromWhichEditionTheyChange(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	site := "/api/v1/sites/" + millLane
	var seen struct {
		Editions struct {
			Site       string
			Policy     string
			Recipients map[string]string
		}
	}
	decodeInto(t, admin.want(200, "GET", site, nil), &seen)
	body := object{"name": "Mill Lane A", "zone": "Europe/London", "language": "en"}
	from := func(edition string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("If-Match", `"`+edition+`"`) }
	}
	admin.want(200, "PUT", site, body, from(seen.Editions.Site))
	if got := admin.want(409, "PUT", site, body, from(seen.Editions.Site)); !strings.Contains(got, "stale") || !strings.Contains(got, "the-administrator") {
		t.Errorf("%s", got)
	}
	admin.want(200, "PUT", site, body)
	admin.want(409, "PUT", site+"/policy", monitor.DefaultPolicy(), from("0000"))
	admin.want(200, "PUT", site+"/policy", monitor.DefaultPolicy(), from(seen.Editions.Policy))
	admin.want(409, "DELETE", site+"/recipients/ines", nil, from("0000"))
	admin.want(204, "DELETE", site+"/recipients/ines", nil, from(seen.Editions.Recipients["ines"]))
}

func TestOfManyWhoEditAtOnceOneIsTaken(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	drawn := formOn(t, admin.want(200, "GET", "/sites/"+millLane, nil), "/sites/"+millLane+"/policy")
	var all sync.WaitGroup
	taken := make(chan int, 16)
	for range cap(taken) {
		all.Go(func() {
			fields := url.Values{}
			for name, values := range drawn {
				fields[name] = values
			}
			fields.Set("hold_off_s", "77")
			status, _ := admin.form("/sites/"+millLane+"/policy", fields)
			taken <- status
		})
	}
	all.Wait()
	close(taken)
	won := 0
	for status := range taken {
		switch status {
		case 303:
			won++
		case 409:
		default:
			t.Errorf("answered with %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d of them were taken, want 1", won)
	}
}

// What is written into the audit apart from a record has no record that it could be written with, or is written before.
func TestTheAuditIsWrittenTogetherWithTheChange(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	site := "/api/v1/sites/" + millLane
	recipient := object{"name": "Otto", "group": "first", "ways": []object{{"channel": "email", "address": "otto@example.org"}}}
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/api/v1/sites", object{"id": "new", "name": "New", "zone": "UTC"}},
		{"PUT", "/api/v1/sites/new", object{"name": "Newer", "zone": "UTC"}},
		{"POST", "/api/v1/sites/new/archive", nil},
		{"DELETE", "/api/v1/sites/new/archive", nil},
		{"PUT", site + "/policy", monitor.DefaultPolicy()},
		{"POST", site + "/recipients", recipient},
		{"PUT", site + "/recipients/otto", recipient},
		{"POST", site + "/recipients/otto/test", nil},
		{"DELETE", site + "/recipients/otto", nil},
		{"POST", site + "/maintenance", object{"hours": 1}},
		{"POST", site + "/license", object{"token": "DP1:AB"}},
		{"PUT", "/api/v1/panels/" + front, object{"name": "Gate"}},
		{"POST", "/api/v1/panels/" + front + "/revoke", nil},
		{"POST", "/api/v1/pairing", object{"site": millLane}},
		{"PUT", "/api/v1/users/otto", object{"role": "viewer", "password": "four words are long"}},
		{"DELETE", "/api/v1/users/otto", nil},
		{"POST", "/api/v1/tokens", object{"label": "export"}},
		{"PUT", "/api/v1/settings/name", object{"name": "Hub A"}},
		{"PUT", "/api/v1/templates/lost/en/sms", object{"text": "{panels}"}},
		{"POST", "/api/v1/settings/test", object{"channel": "email", "address": "a@example.org"}},
	} {
		before := len(read(f, func() []fleet.Change { return f.changes }))
		if w := admin.request(c.method, c.path, c.body); w.Code >= 300 {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
			continue
		}
		noted := read(f, func() []fleet.Change { return slices.Clone(f.changes[before:]) })
		if len(noted) != 1 || noted[0].Who != "the-administrator" || noted[0].Via != "api" || noted[0].At.IsZero() || noted[0].Object == "" {
			t.Errorf("%s %s: the audit has %+v", c.method, c.path, noted)
		}
	}
	if alone := read(f, func() []string { return f.alone }); len(alone) > 0 {
		t.Errorf("written apart from what it says: %v", alone)
	}
}

func decodeInto(t *testing.T, body string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}
