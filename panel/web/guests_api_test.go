package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestResidentsLetGuestsInAndSeeOnlyTheirOwn(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	resident := client{t: t, handler: s.Handler(), token: h.login(Resident)}
	installer := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	const guest = `{"name":"Plumber","kind":"KIND","valid_from":"2026-05-05T10:00:00Z","valid_until":"2026-05-05T12:00:00Z","uses":2MORE}`
	make := func(c client, kind, more string) reply {
		return c.post("/api/v1/guests", strings.NewReplacer("KIND", kind, "MORE", more).Replace(guest))
	}
	if got := make(resident, "pass", ""); got.status != 201 || !strings.Contains(got.body, `"pass":"DG1:g1"`) || !strings.Contains(got.body, "svg") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := make(resident, "code", ""); got.status != 201 || !strings.Contains(got.body, `"code":"483920"`) || strings.Contains(got.body, "svg") {
		t.Errorf("%d %s", got.status, got.body)
	}
	// A code of fewer than ten digits is no picture, whoever makes it.
	for digits, status := range map[string]int{`,"digits":9,"picture":true`: 422, `,"digits":10,"picture":true`: 201, `,"digits":9`: 201} {
		if got := make(resident, "code", digits); got.status != status {
			t.Errorf("%s: %d %s", digits, got.status, got.body)
		}
	}
	if got := make(installer, "pass", ""); got.status != 201 {
		t.Error(got)
	}
	if got := resident.get("/api/v1/guests"); strings.Count(got.body, `"id"`) != 5 {
		t.Errorf("a resident sees %s", got.body)
	}
	if got := installer.get("/api/v1/guests"); strings.Count(got.body, `"id"`) != 6 {
		t.Errorf("an installer sees %s", got.body)
	}
	for path, status := range map[string]int{"g1": 200, "g2": 404, "g6": 404, "none": 404} {
		if got := resident.get("/api/v1/guests/" + path); got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for path, status := range map[string]int{"g1": 204, "g6": 404} {
		if got := resident.do("DELETE", "/api/v1/guests/"+path, "", ""); got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/api/v1/presence", "/api/v1/attendance"} {
		if got := resident.get(path); got.status != 403 {
			t.Errorf("a resident sees %s: %d", path, got.status)
		}
	}
}

func TestWhoIsInsideAndWhenPeopleCame(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/v1/presence", ``, 200, "Ada Lovelace"},
		{"POST", "/api/v1/presence/reset", `{}`, 204, ""},
		{"GET", "/api/v1/presence", ``, 200, `"inside":[]`},
		{"GET", "/api/v1/attendance", ``, 409, "switched off"},
		{"PUT", "/api/v1/access", `{"attendance":true,"attendance_days":367}`, 422, "366"},
		{"PUT", "/api/v1/access", `{"attendance":true,"attendance_days":30}`, 200, "30"},
		{"GET", "/api/v1/attendance?from=2026-05-01&until=2026-05-08", ``, 200, `"day":"2026-05-01"`},
		{"GET", "/api/v1/attendance?from=2026-05-01&until=2026-05-01", ``, 400, "later"},
		{"GET", "/api/v1/attendance?from=may", ``, 400, "2026-11-23"},
		{"GET", "/api/v1/attendance?from=2026-05-01&until=2026-05-08&format=csv", ``, 200, "2026-05-01,p1,'=Ada,2026-05-01T00:00:00Z,\n"},
	} {
		if got := c.do(step.method, step.path, "application/json", step.body); got.status != step.status || !strings.Contains(got.body, step.want) {
			t.Errorf("%s %s %s: %d %s", step.method, step.path, step.body, got.status, got.body)
		}
	}
}

func TestLearnedCardBecomesThePersonsAtOnce(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	h.learned <- "04A1B2C3"
	if got := c.post("/api/v1/learn", `{"person":"Ada Lovelace"}`); got.status != 200 || !strings.Contains(got.body, `"credential":{"id":"c1"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	h.learned <- "04A1B2C3"
	if got := c.post("/api/v1/learn", `{"person":"Grace Hopper"}`); got.status != 409 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAccountForAWhileEndsByItself(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	admin := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	until := h.clock().Wall.Add(48 * time.Hour).Format(time.RFC3339)
	if got := admin.do("PUT", "/api/v1/users/ines", "application/json", `{"role":"installer","password":"four words are easy","until":"`+until+`"}`); got.status != 200 || !strings.Contains(got.body, until) {
		t.Fatal(got)
	}
	if got := admin.do("PUT", "/api/v1/users/zoe", "application/json", `{"role":"administrator","password":"four words are easy","until":"`+until+`"}`); got.status != 422 {
		t.Errorf("an administrator with an end: %d %s", got.status, got.body)
	}
	login := func() reply {
		return client{t: t, handler: s.Handler()}.post("/api/v1/login", `{"user":"ines","password":"four words are easy"}`)
	}
	if got := login(); got.status != 200 {
		t.Fatal(got)
	}
	h.pass(47 * time.Hour)
	token := login()
	in := client{t: t, handler: s.Handler(), token: tokenIn(t, token)}
	if got := in.get("/api/v1/people"); got.status != 200 {
		t.Error(got)
	}
	h.pass(time.Hour)
	if got := in.get("/api/v1/people"); got.status != 401 {
		t.Errorf("a session outlives its account: %d", got.status)
	}
	if got := login(); got.status != 403 || problemKind(got.body) != "ended" {
		t.Errorf("%d %s", got.status, got.body)
	}
	// More time lets the same account in again.
	admin.token = h.login(Administrator)
	if got := admin.do("PUT", "/api/v1/users/ines", "application/json", `{"until":"0001-01-01T00:00:00Z"}`); got.status != 200 || login().status != 200 {
		t.Errorf("the account stays closed: %d %s", got.status, got.body)
	}
}

// tokenIn is the token of an answer to a login.
func tokenIn(t *testing.T, r reply) string {
	t.Helper()
	var in loginAnswer
	if err := json.Unmarshal([]byte(r.body), &in); err != nil || in.Token == "" {
		t.Fatalf("no token in %s: %v", r.body, err)
	}
	return in.Token
}

func TestForgottenPasswordIsSetAnewWithTheServiceInput(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler()}
	if got := c.post("/api/v1/setup", `{"code":"`+h.code()+`","password":"four words are easy"}`); got.status != 201 {
		t.Fatal(got)
	}
	login := func(password string) int {
		return c.post("/api/v1/login", `{"user":"admin","password":"`+password+`"}`).status
	}
	anew := func(code, more string) reply {
		return c.post("/api/v1/setup", `{"code":"`+code+`","password":"four other words are"`+more+`}`)
	}
	if got := anew("01234567", ""); got.status != 409 {
		t.Errorf("without the service input: %d %s", got.status, got.body)
	}
	s.OpenSetupWindow()
	if got := c.get("/api/v1/setup"); !strings.Contains(got.body, `"open":true`) || !strings.Contains(got.body, `"needed":false`) {
		t.Error(got.body)
	}
	code := h.code()
	if got := anew("x"+code, ""); got.status != 403 || login("four words are easy") != 200 {
		t.Errorf("a wrong code: %d %s", got.status, got.body)
	}
	if got := anew(code, `,"user":"nobody"`); got.status != 422 {
		t.Errorf("nobody: %d %s", got.status, got.body)
	}
	if got := anew(code, ""); got.status != 200 || login("four other words are") != 200 || login("four words are easy") != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if h.code() != "" || anew(code, "").status != 409 {
		t.Error("the code counts twice")
	}
}
