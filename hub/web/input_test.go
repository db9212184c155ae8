package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

func TestBodiesAreBoundedAndOneWayToRead(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	raw := func(body, kind string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body = http.NoBody
			if body != "" {
				r.Body = readCloser{strings.NewReader(body)}
			}
			r.Header.Set("Content-Type", kind)
		}
	}
	const js, form = "application/json", "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, path, body, kind string
		status                 int
	}{
		{"no body", "/api/v1/settings/name", "", js, 400},
		{"not JSON", "/api/v1/settings/name", "name=x", js, 400},
		{"a list", "/api/v1/settings/name", `[1]`, js, 400},
		{"two objects", "/api/v1/settings/name", `{"name":"a"}{"name":"b"}`, js, 400},
		{"a name twice", "/api/v1/settings/name", `{"name":"a","name":"b"}`, js, 400},
		{"an unknown name", "/api/v1/settings/name", `{"nmae":"a"}`, js, 400},
		{"too deep", "/api/v1/settings/name", strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20), js, 400},
		{"not UTF-8", "/api/v1/settings/name", "{\"name\":\"\xff\"}", js, 400},
		{"too long", "/api/v1/settings/name", `{"name":"` + strings.Repeat("a", maxJSON) + `"}`, js, 413},
		{"a form to the API", "/api/v1/settings/name", "name=x", form, 415},
		{"JSON to a form", "/settings/name", `{"name":"x"}`, js, 415},
		{"a file", "/settings/name", "--x", "multipart/form-data; boundary=x", 415},
		{"a form with an unknown name", "/settings/name", "nmae=x", form, 400},
		{"a form with a name twice", "/settings/name", "name=a&name=b", form, 400},
		{"a form that is too long", "/settings/name", "name=" + strings.Repeat("a", maxJSON), form, 413},
		{"a form that is not one", "/settings/name", "name=%zz", form, 400},
		{"a form with a far row", "/settings/sms", "gateways.4000000000.name=x", form, 400},
		{"a form with a row below 0", "/settings/sms", "gateways.-1.name=x", form, 400},
		{"a form", "/settings/name", "name=Our+hub", form, 303},
	} {
		method := "POST"
		if strings.HasPrefix(c.path, "/api/") {
			method = "PUT"
		}
		if w := admin.request(method, c.path, nil, raw(c.body, c.kind)); w.Code != c.status {
			t.Errorf("%s is answered with %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestWhatCannotBeIsRefusedWithTheReason(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	policy := monitor.DefaultPolicy()
	policy.HoldOffS = 90000
	site := func(change object) object {
		o := object{"name": "House", "zone": "Europe/Rome", "language": "it"}
		for name, value := range change {
			o[name] = value
		}
		return o
	}
	way := func(channel, address string) object {
		return object{"name": "Zoe", "ways": []object{{"channel": channel, "address": address}}}
	}
	for _, c := range []struct {
		method, path string
		body         object
		status       int
		says         string
	}{
		{"POST", "/sites", site(object{"name": " "}), 422, "the name is missing"},
		{"POST", "/sites", site(object{"name": "a\u202eb"}), 422, "cannot be shown"},
		{"POST", "/sites", site(object{"name": "a\r\nBcc: x"}), 422, "cannot be shown"},
		{"POST", "/sites", site(object{"zone": "Europe/Rom"}), 422, "Europe/Rome"},
		{"POST", "/sites", site(object{"zone": "Local"}), 422, "time zone"},
		{"POST", "/sites", site(object{"zone": "../../etc/passwd"}), 422, "not known"},
		{"POST", "/sites", site(object{"language": "fr"}), 422, "en, it, de"},
		{"POST", "/sites", site(object{"id": "a/b"}), 422, "a site's id"},
		{"POST", "/sites", site(object{"id": "a+b"}), 422, "a site's id"},
		{"POST", "/sites", site(object{"id": ".."}), 422, "a site's id"},
		{"POST", "/sites", site(object{"id": "Mill-Lane"}), 409, "already"},
		{"POST", "/sites/mill-lane/archive", nil, 409, "revoke it first"},
		{"PUT", "/sites/mill-lane/policy", nil, 400, "cannot read JSON"},
		{"POST", "/sites/mill-lane/recipients", way("email", "Zoe <zoe@example.org>"), 422, "not an e-mail address"},
		{"POST", "/sites/mill-lane/recipients", way("email", "zoe@example.org\r\nBcc: x@y.z"), 422, "cannot be sent"},
		{"POST", "/sites/mill-lane/recipients", way("sms", "06 1234"), 422, "not a telephone number"},
		{"POST", "/sites/mill-lane/recipients", way("webhook", "http://desk.example.org/"), 422, "https"},
		{"POST", "/sites/mill-lane/recipients", way("webhook", "https://user:pw@desk.example.org/"), 422, "https"},
		{"POST", "/sites/mill-lane/recipients", way("pigeon", "roof"), 422, "email, sms or webhook"},
		{"POST", "/sites/mill-lane/recipients", object{"name": "Zoe"}, 422, "at least one"},
		{"POST", "/sites/mill-lane/maintenance", object{"hours": 200}, 422, "1 to 168"},
		{"POST", "/sites/mill-lane/maintenance", object{}, 422, "give a beginning"},
		{"POST", "/sites/mill-lane/maintenance", object{"from": "2026-12-01T10:00", "until": "2026-12-01T09:00"}, 422, "not after"},
		{"POST", "/sites/mill-lane/maintenance", object{"from": "2020-12-01T10:00", "until": "2020-12-01T11:00"}, 422, "has passed"},
		{"POST", "/sites/mill-lane/maintenance", object{"from": "tomorrow", "until": "later"}, 422, "is a time such as"},
		{"POST", "/sites/mill-lane/maintenance", object{"days": []string{"mon"}, "start": "2:00", "end": "04:00"}, 422, "02:00"},
		{"POST", "/sites/mill-lane/maintenance", object{"hours": 1, "panels": []string{dock}}, 422, "has no panel"},
		{"POST", "/sites/mill-lane/license", object{"token": "hello"}, 422, "not a license"},
		{"POST", "/panels/" + front + "/orders", object{"verb": "dance", "object": "now"}, 422, "open, to lockdown or to show"},
		{"POST", "/panels/" + front + "/orders", object{"verb": "text", "object": strings.Repeat("a", 161)}, 422, "160"},
		{"POST", "/panels/" + front + "/orders", object{"verb": "lockdown", "object": "perhaps"}, 422, "on or off"},
		{"POST", "/pairing", object{"site": "nowhere"}, 422, "choose a site"},
		{"POST", "/pairing", object{"site": millLane, "identity": "DP1:X"}, 422, "DI1:"},
		{"POST", "/pairing", object{"site": millLane, "replaces": dock}, 422, "not at this site"},
		{"PUT", "/templates/lost/en/email", object{"subject": "x", "text": "{nothing}"}, 422, "row 1"},
		{"PUT", "/templates/lost/xx/email", object{"subject": "x", "text": "y"}, 404, ""},
		{"PUT", "/settings/mail", object{"server": "mail.example.org", "tls": "none", "from": "a@b.org"}, 422, "everybody on the way"},
		{"PUT", "/settings/mail", object{"server": "mail.example.org", "tls": "tls", "from": "Doors"}, 422, "sender"},
		{"PUT", "/settings/sms", object{"gateways": []object{{"name": "x", "kind": "template", "url": "https://x.org", "body": "hello"}}}, 422, "{to} and {text}"},
		{"PUT", "/settings/keep", object{"keep": []object{{"kind": "access.", "days": 1}, {"kind": "access.", "days": 2}}}, 422, "two rules"},
		{"PUT", "/settings/keep", object{"keep": []object{{"kind": "Access!", "days": 1}}}, 422, "a kind is such as"},
		{"POST", "/events/erase", object{"person": ""}, 422, "is missing"},
		{"GET", "/events?before=yesterday", nil, 400, "whole number"},
		{"GET", "/events?from=yesterday", nil, 422, "is a time"},
		{"GET", "/events?limit=5000", nil, 400, "1 to 1000"},
		{"GET", "/events?who=" + strings.Repeat("a", 200), nil, 400, "at most"},
		{"GET", "/deliveries?state=flown", nil, 400, "waiting"},
		{"GET", "/sites/mill-lane/availability?days=5000", nil, 400, "1 to 1100"},
	} {
		var body any
		if c.body != nil {
			body = c.body
		}
		w := admin.request(c.method, api+c.path, body)
		if w.Code != c.status || !strings.Contains(strings.NewReplacer(`\"`, `"`, `\u003c`, "<").Replace(w.Body.String()), c.says) {
			t.Errorf("%s %s %v is answered with %d %s, want %d and %q", c.method, c.path, c.body, w.Code, w.Body, c.status, c.says)
		}
	}
	if said := admin.want(422, "PUT", "/api/v1/sites/mill-lane/policy", policy); !strings.Contains(said, "Wait before warning") || !strings.Contains(said, "1 to 86400") {
		t.Errorf("a hold-off of 25 h is refused with %s", said)
	}
	if !reflect.DeepEqual(f.watched[millLane].Policy, monitor.DefaultPolicy()) {
		t.Error("a refused policy changed something")
	}
}

func TestThePageHasTheBoundsOfTheMonitor(t *testing.T) {
	set := func(field string, value int) error {
		var p monitor.Policy
		raw := fieldsOf(monitor.DefaultPolicy())
		raw[field] = strconv.Itoa(value)
		text := make([]string, 0, len(raw))
		for name, value := range raw {
			text = append(text, strconv.Quote(name)+":"+value)
		}
		if err := json.Unmarshal([]byte("{"+strings.Join(text, ",")+"}"), &p); err != nil {
			t.Fatal(err)
		}
		return monitor.CheckPolicy(p)
	}
	rows := policyRows(monitor.DefaultPolicy())
	if len(rows) != reflect.TypeFor[monitor.Policy]().NumField() {
		t.Errorf("the page has %d rules, the monitor %d", len(rows), reflect.TypeFor[monitor.Policy]().NumField())
	}
	for _, row := range rows {
		if set(row.Field, row.Min*row.Unit) != nil || set(row.Field, row.Max*row.Unit) != nil {
			t.Errorf("%s: the monitor refuses %d or %d", row.Field, row.Min*row.Unit, row.Max*row.Unit)
		}
		if set(row.Field, row.Min*row.Unit-1) == nil && !(row.Off && row.Min*row.Unit == 1) || set(row.Field, row.Max*row.Unit+1) == nil {
			t.Errorf("%s: the monitor takes more than %d to %d", row.Field, row.Min*row.Unit, row.Max*row.Unit)
		}
		if (set(row.Field, 0) == nil) != row.Off {
			t.Errorf("%s: 0 switches off: %t", row.Field, row.Off)
		}
	}
}

func TestRulesFromThePageKeepWhatAProgramSetToTheSecond(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	p := monitor.DefaultPolicy()
	p.EscalateS, p.FlapS = 95, 3601
	admin.want(200, "PUT", "/api/v1/sites/mill-lane/policy", p)
	form := url.Values{}
	for _, row := range policyRows(p) {
		form.Set(row.Name, strconv.Itoa(row.Value))
	}
	form.Set("hold_off_s", "77")
	form.Set("repeat_min", "30")
	admin.want(303, "POST", "/sites/mill-lane/policy", form.Encode())
	p.HoldOffS, p.RepeatS = 77, 1800
	if got := f.watched[millLane].Policy; got != p {
		t.Errorf("the rules are %+v, want %+v", got, p)
	}
	form.Set("repeat_min", "4")
	if said := admin.want(422, "POST", "/sites/mill-lane/policy", form.Encode()); !strings.Contains(said, "5–10080, or 0") {
		t.Errorf("said %s", said)
	}
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"name=x", "gateways.0.name=a&gateways.1.url=b", "ways.0.channel=sms", "days=mon&days=tue", "gateways.63.name=x", "gateways.99.name=x", "keep.0.days=9999999999", ".=", "a.b.c=1", "used=on"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		for _, into := range []any{&smsSetting{}, &recipientRequest{}, &maintenanceRequest{}, &keepSetting{}, &policyForm{}, &hookSetting{}} {
			if err := fillForm(values, into); err != nil {
				continue
			}
			// What was taken has rows within bounds.
			if s, ok := into.(*smsSetting); ok && len(s.Gateways) > maxRows {
				t.Fatalf("%d rows", len(s.Gateways))
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"name":"x"}`, `{"keep":[{"kind":"a","days":1}]}`, `{"a":{"a":1,"a":2}}`, `{}{}`, `[]`, `{"a":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in keepSetting
		if unmarshal(b, &in) == nil && !utf8.Valid(b) {
			t.Fatal("read what is not UTF-8")
		}
	})
}

func FuzzSaidCookieAndNames(f *testing.F) {
	f.Add("12 Mill Lane")
	f.Add("…")
	f.Fuzz(func(t *testing.T, text string) {
		if id := slug(text); id != "" && checkSiteID(id) != nil {
			t.Fatalf("the id %q that was made from %q is none", id, text)
		}
		if next := nextPage(text); !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") {
			t.Fatalf("leads to %q", next)
		}
	})
}

// TestStoredJSONCorpus reads what other JSON readers disagree about.
func TestStoredJSONCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/testdata/json-parsing/*.json")
	if len(files) == 0 {
		t.Skip("left out: the shared test data are not here")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var into map[string]any
		if err := unmarshal(b, &into); err == nil && strings.HasPrefix(filepath.Base(name), "n_") {
			t.Errorf("%s was read", name)
		}
	}
}
