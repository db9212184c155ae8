package web

import (
	"bytes"
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestGroupsHolidaysPoliciesAndSettings(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PUT", "/api/v1/groups/staff", `{"rights":[{"doors":["front"],"schedule":"office"}],"emergency":true}`, 200, `"emergency":true`},
		{"PUT", "/api/v1/groups/staff", `{"name":"other","rights":[]}`, 422, "renamed"},
		{"PUT", "/api/v1/groups/staff%0A", `{"rights":[]}`, 422, "cannot be shown"},
		{"PUT", "/api/v1/groups/staff", `{"rigths":[]}`, 400, "malformed"},
		{"GET", "/api/v1/groups", ``, 200, `"members":0`},
		{"POST", "/api/v1/people", `{"name":"Ada","groups":["staff"],"flat":"4"}`, 201, `"groups":["staff"]`},
		{"GET", "/api/v1/groups", ``, 200, `"members":1`},
		{"GET", "/api/v1/people?group=staff&q=ad", ``, 200, `"flat":"4"`},
		{"GET", "/api/v1/people?group=nobody", ``, 200, `"people":[]`},
		{"GET", "/api/v1/people/p1", ``, 200, `"credentials":[]`},
		{"GET", "/api/v1/people/p9", ``, 404, "not-found"},
		{"PUT", "/api/v1/calendar", `{"holidays":[{"date":"12-25","name":"Christmas"}]}`, 200, "12-25"},
		{"PUT", "/api/v1/calendar", `{"holidays":[{"date":"25.12."}]}`, 422, "12-25"},
		{"PUT", "/api/v1/calendar", `{"holidays":[{"date":"12-25","name":"a\u202eb"}]}`, 422, "cannot be shown"},
		{"GET", "/api/v1/calendar", ``, 200, "Christmas"},
		{"PUT", "/api/v1/policies/front", `{"second_factor":"night","passback":"soft"}`, 200, `"door":"front"`},
		{"PUT", "/api/v1/policies/front", `{"passback":"loud"}`, 422, "soft or hard"},
		{"PUT", "/api/v1/policies/vault", `{}`, 404, "not-found"},
		{"GET", "/api/v1/policies", ``, 200, `"second_factor":"night"`},
		{"PUT", "/api/v1/access", `{"no_decoys":true}`, 200, `"no_decoys":true`},
		{"PUT", "/api/v1/access", `{}`, 200, `"no_decoys":true`}, // what is not named stays
		{"GET", "/api/v1/access", ``, 200, `"no_decoys":true`},
		{"PUT", "/api/v1/schedules/office", `{"slots":[{"days":["mon","holiday"],"from":"08:00","to":"18:00"}],"exceptions":[{"date":"12-24","slots":[{"from":"08:00","to":"12:00"}]}]}`, 200, "12-24"},
		{"GET", "/api/v1/schedules", ``, 200, "12-24"},
		{"POST", "/api/v1/credentials", `{"person":"p1","kind":"code"}`, 201, "483920"},
		{"GET", "/api/v1/credentials?too_short=1", ``, 200, `"credentials":[],"next":""`},
		{"GET", "/api/v1/credentials?too_short=yes", ``, 400, "too_short is 1 or 0"},
		{"POST", "/api/v1/credentials/c1/redraw", ``, 201, `"code":"5820417"`},
		{"POST", "/api/v1/credentials/none/redraw", ``, 404, "not-found"},
		{"POST", "/api/v1/credentials", `{"person":"p1","kind":"card","uid":"04A1B2C3","uses":-1}`, 422, "uses"},
		{"POST", "/api/v1/credentials", `{"person":"p1","kind":"card","uid":"04A1B2C3","minutes_from_first_use":99999999}`, 422, "minutes"},
		{"POST", "/api/v1/people/delete", `{"ids":[]}`, 422, "1 to 1000"},
		{"POST", "/api/v1/people/delete", `{"ids":["p1","none"]}`, 404, "none"},
		{"POST", "/api/v1/people/delete", `{"ids":["p1"]}`, 204, ""},
		{"DELETE", "/api/v1/groups/staff", ``, 204, ""},
		{"DELETE", "/api/v1/groups/staff", ``, 404, "not-found"},
	} {
		if got := c.do(step.method, step.path, "application/json", step.body); got.status != step.status || !strings.Contains(got.body, step.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", step.method, step.path, step.body, got.status, got.body, step.status, step.want)
		}
	}
}

func TestImportAnswersLineByLineAndExportIsNoFormula(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, step := range []struct {
		path, contentType, body string
		status                  int
		want                    []string
	}{
		{"?dry_run=1", "text/csv", "Ada\n\n", 200, []string{`"mistake_count":1`, `"added":1`, "the name is empty"}},
		{"", "text/csv", "Ada\n\n", 422, []string{"urn:doorpanel:problem:mistakes", "line 2: the name is empty"}},
		{"?dry_run=yes", "text/csv", "Ada\n", 400, []string{"dry_run is 1 or 0"}},
		{"", "image/png", "Ada\n", 415, []string{"text/csv"}},
		{"", "text/csv", strings.Repeat("x", maxImport+1), 413, []string{"too-large"}},
		{"", "text/csv; charset=utf-8", "=cmd()\n-Grace\n", 200, []string{`{"progress":{"done":2,"of":2,"codes":[{"line":1,"name":"Ada Lovelace","code":"4839207"}]}}` + "\n", `{"result":{"rows":2,"added":2`}},
	} {
		got := c.do("POST", "/api/v1/people/import"+step.path, step.contentType, step.body)
		for _, want := range step.want {
			if got.status != step.status || !strings.Contains(got.body, want) {
				t.Errorf("%q: %d %.300s, want %d with %q", step.path, got.status, got.body, step.status, want)
			}
		}
	}
	got := c.get("/api/v1/people/export")
	records, err := csv.NewReader(bytes.NewReader([]byte(strings.TrimPrefix(got.body, "\ufeff")))).ReadAll()
	if err != nil || len(records) != 3 || !strings.HasPrefix(got.body, "\ufeffid,name,") || got.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("%v %v %v", got.header, records, err)
	}
	names := []string{records[1][1], records[2][1]}
	slices.Sort(names)
	if !slices.Equal(names, []string{"'-Grace", "'=cmd()"}) {
		t.Errorf("%q", names)
	}
	if got := c.get("/api/v1/people/export?format=json"); !strings.Contains(got.body, `"name":"=cmd()"`) || !strings.HasSuffix(got.body, "]}\n") {
		t.Error(got.body)
	}
	if got := c.get("/api/v1/people/export?format=xls"); got.status != 400 {
		t.Error(got)
	}
	// A list that breaks off in the middle must not look whole.
	h.fail = errors.New("the disk is gone")
	defer func() {
		if cause := recover(); cause != http.ErrAbortHandler {
			t.Errorf("a half list ended with %v", cause)
		}
	}()
	client{t: t, handler: s.SocketHandler()}.get("/api/v1/people/export")
}
