package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/panel"
)

// fill puts something into the holes of a route's pattern.
func fill(pattern string) string {
	path := strings.NewReplacer("{$}", "", "{name}", "front", "{id}", "p1", "{number}", "1").Replace(pattern)
	if strings.HasSuffix(path, "/assets/") {
		path += "style.css"
	}
	return path
}

func TestEveryRouteHasALevelAndKeepsIt(t *testing.T) {
	type who struct{ name, token, peer, host string }
	h := newHouse()
	s := newServer(t, h)
	nobody := who{name: "nobody"}
	resident := who{name: "resident", token: h.login(Resident)}
	installer := who{name: "installer", token: h.login(Installer)}
	administrator := who{name: "administrator", token: h.login(Administrator)}
	loopback := who{name: "loopback", peer: "127.0.0.1:9", host: "localhost:8080"}
	rebound := who{name: "loopback under a name of another site", peer: "127.0.0.1:9", host: "panel.example"}
	remote := who{name: "remote who says localhost", host: "localhost"}
	all := []who{nobody, resident, installer, administrator, loopback, rebound, remote}
	allowed := map[Access][]string{
		Public:          {"nobody", "resident", "installer", "administrator", "loopback", rebound.name, remote.name},
		AsResident:      {"resident", "installer", "administrator"},
		AsInstaller:     {"installer", "administrator"},
		AsAdministrator: {"administrator"},
		Loopback:        {"loopback"},
		Local:           {"resident", "installer", "administrator", "loopback"},
	}
	for _, rt := range s.routes {
		names, known := allowed[rt.Access]
		if !known {
			t.Errorf("%s %s: access level %q is unknown", rt.Method, rt.Pattern, rt.Access)
			continue
		}
		for _, w := range all {
			// What waits for news is left at once: whether it began is what counts here.
			ctx, leave := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, rt.Method, fill(rt.Pattern), nil)
			leave()
			r.RemoteAddr, r.Host = "192.0.2.7:1234", "192.0.2.1"
			if w.peer != "" {
				r.RemoteAddr = w.peer
			}
			if w.host != "" {
				r.Host = w.host
			}
			if w.token != "" {
				r.Header.Set("Authorization", "Bearer "+w.token)
			}
			answer := httptest.NewRecorder()
			// A route may remove the session or user that asks: each question gets them anew.
			h.mu.Lock()
			users, sessions := cloneMap(h.users), cloneMap(h.sessions)
			h.mu.Unlock()
			s.Handler().ServeHTTP(answer, r)
			h.mu.Lock()
			h.users, h.sessions = users, sessions
			h.mu.Unlock()
			kind := problemKind(answer.Body.String())
			refused := kind == "not-logged-in" || kind == "not-allowed" || kind == "not-local"
			if want := !slices.Contains(names, w.name); refused != want {
				t.Errorf("%s %s (%s) as %s: refused %v (%d %s), want %v", rt.Method, rt.Pattern, rt.Access, w.name, refused, answer.Code, kind, want)
			}
		}
	}
}

func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func problemKind(body string) string {
	var d details
	if json.Unmarshal([]byte(body), &d) != nil {
		return ""
	}
	return strings.TrimPrefix(d.Type, problemType)
}

func TestForeignHostsAndOriginsAreRefusedEverywhere(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	token := h.login(Administrator)
	for _, rt := range s.routes {
		c := client{t: t, handler: s.Handler(), token: token, host: "evil.example", leaves: true}
		if got := c.do(rt.Method, fill(rt.Pattern), "", ""); got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s %s for another host: %d, want 421", rt.Method, rt.Pattern, got.status)
		}
		if rt.Method == "GET" {
			continue
		}
		for _, header := range []http.Header{{"Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": {"cross-site"}}, {"Origin": {"null"}}} {
			c := client{t: t, handler: s.Handler(), token: token, header: header, leaves: true}
			if got := c.do(rt.Method, fill(rt.Pattern), "", ""); problemKind(got.body) != "foreign-origin" {
				t.Errorf("%s %s from another origin: %d %s", rt.Method, rt.Pattern, got.status, got.body)
			}
		}
	}
	if len(h.opened) > 0 {
		t.Errorf("opened %v", h.opened)
	}
	for host, want := range map[string]int{
		"": 421, "evil.example": 421, "localhost": 200, "LOCALHOST:80": 200, "127.0.0.1": 200, "[::1]:8080": 200, "panel.example.": 200, "Panel.Example:443": 200,
		"192.0.2.1": 200, "localhost.evil.example": 421, "panel.example.evil": 421, "127.0.0.1.evil.example": 421,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Host, r.RemoteAddr = host, "192.0.2.7:1"
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	s := newServer(t, newHouse())
	for _, path := range []string{"/", "/admin", "/nowhere", "/api/v1/status", "/assets/style.css", "//x/../y"} {
		got := client{t: t, handler: s.Handler()}.get(path)
		if !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'self'") || got.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, got.header)
		}
	}
}

func TestPagesHaveNoInlineCode(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*[^/]>[^<])|\son\w+=|style=|javascript:`)
	pages, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range pages {
		if strings.HasSuffix(name, ".html") && inline.Match(a.content) {
			t.Errorf("%s has inline code or style: %q", name, inline.Find(a.content))
		}
	}
}

func TestSetupIsForWhoeverStandsAtThePanel(t *testing.T) {
	const good = `{"code":"CODE","password":"four words are easy"}`
	type step struct {
		pass   time.Duration
		body   string // CODE is the code on the display, WRONG another one; "service" presses the input
		status int
		kind   string
	}
	wrong := step{body: `{"code":"WRONG","password":"four words are easy"}`, status: 403, kind: "wrong-code"}
	locked := step{body: wrong.body, status: 429, kind: "too-many-tries"}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"the code on the display makes the administrator, once", []step{{body: good, status: 201}, {body: good, status: 409, kind: "already-set-up"}}},
		{"a wrong code does not", []step{wrong, {body: good, status: 201}}},
		{"five wrong codes close it for ten minutes", []step{wrong, wrong, wrong, wrong, locked, {body: good, status: 429, kind: "too-many-tries"},
			{pass: 10 * time.Minute, body: good, status: 403, kind: "setup-closed"}, {body: "service"}, {body: good, status: 201}}},
		{"the service input is no way around the wait", []step{wrong, wrong, wrong, wrong, locked, {body: "service"}, {body: good, status: 429, kind: "too-many-tries"},
			{pass: 10*time.Minute + time.Second, body: good, status: 201}}},
		{"it closes after ten minutes", []step{{pass: 10*time.Minute + time.Second, body: good, status: 403, kind: "setup-closed"}, {body: "service"}, {body: good, status: 201}}},
		{"a weak password costs no try", []step{{body: `{"code":"WRONG","password":"short"}`, status: 422, kind: "weak-password"}, {body: `{"code":"CODE","password":"password123"}`, status: 422, kind: "weak-password"},
			{body: `{"code":"CODE","password":"1234567890"}`, status: 422, kind: "weak-password"}, {body: `{"code":"CODE","password":"aaaaaaaaaaaa"}`, status: 422, kind: "weak-password"}, {body: good, status: 201}}},
		{"an empty code is wrong, also when it is closed", []step{{body: `{"code":"","password":"four words are easy"}`, status: 403, kind: "wrong-code"},
			{pass: time.Hour, body: `{"code":"","password":"four words are easy"}`, status: 403, kind: "setup-closed"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse()
			s := newServer(t, h)
			c := client{t: t, handler: s.Handler()}
			last := h.code()
			for i, step := range test.steps {
				h.pass(step.pass)
				if step.pass > 0 {
					s.setup.Expire()
				}
				if step.body == "service" {
					s.OpenSetupWindow()
					last = h.code()
					continue
				}
				if code := h.code(); code != "" {
					last = code
				}
				other := "00000000"
				if last == other {
					other = "00000001"
				}
				got := c.post("/api/v1/setup", strings.NewReplacer("CODE", last, "WRONG", other).Replace(step.body))
				if got.status != step.status || problemKind(got.body) != step.kind {
					t.Fatalf("step %d: %d %s, want %d %s", i+1, got.status, got.body, step.status, step.kind)
				}
			}
		})
	}
}

func TestTheSetupCodeIsShownOnlyWhileItCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		start := time.Now()
		o := h.options()
		o.Clock = func() panel.Now { return panel.Now{Mono: time.Since(start), Wall: time.Now()} }
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if !regexp.MustCompile(`^[0-9]{8}$`).MatchString(h.code()) {
			t.Fatalf("code %q is not eight digits", h.code())
		}
		wait := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		wait(login.SetupTime - time.Second)
		if h.code() == "" {
			t.Fatal("hidden too early")
		}
		wait(time.Second)
		if h.code() != "" {
			t.Fatal("still shown after ten minutes")
		}
		s.OpenSetupWindow()
		first := h.code()
		wait(time.Minute)
		s.OpenSetupWindow()
		wait(9*time.Minute + time.Second)
		if h.code() == "" || h.code() == first {
			t.Fatal("the second press did not draw a code for ten more minutes")
		}
		h.login(Administrator)
		wait(10 * time.Minute)
		if h.code() != "" {
			t.Fatal("still shown after twenty minutes")
		}
		// With an administrator the service input is for a password that was forgotten.
		s.OpenSetupWindow()
		if h.code() == "" {
			t.Fatal("whoever forgot the password is not helped")
		}
		wait(login.SetupTime)
		if h.code() != "" {
			t.Fatal("still shown after ten minutes")
		}
	})
}

func setUp(t *testing.T, h *house, s *Server) client {
	t.Helper()
	c := client{t: t, handler: s.Handler()}
	if got := c.post("/api/v1/setup", `{"code":"`+h.code()+`","password":"four words are easy"}`); got.status != 201 {
		t.Fatal(got)
	}
	return c
}

func TestLoginGivesATokenAndACookie(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := setUp(t, h, s)
	got := c.post("/api/v1/login", `{"user":"admin","password":"four words are easy"}`)
	var answer loginAnswer
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != 200 || answer.Role != Administrator || len(answer.Token) != 43 {
		t.Fatal(got, err)
	}
	set := got.header.Get("Set-Cookie")
	for _, part := range []string{"doorpanel=", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, part) {
			t.Errorf("cookie %q lacks %s", set, part)
		}
	}
	for hash := range h.sessions {
		if strings.Contains(hash, answer.Token) {
			t.Error("the token itself is stored")
		}
	}
	for name, as := range map[string]client{
		"token":  {t: t, handler: s.Handler(), token: answer.Token},
		"cookie": {t: t, handler: s.Handler(), header: http.Header{"Cookie": {"doorpanel=" + answer.Token}}},
	} {
		if got := as.get("/api/v1/session"); got.status != 200 || !strings.Contains(got.body, `"admin"`) {
			t.Errorf("by %s: %v", name, got)
		}
	}
	if got := (client{t: t, handler: s.Handler(), header: http.Header{"Cookie": {"doorpanel=x"}}}).get("/api/v1/session"); got.status != 401 {
		t.Errorf("with another cookie: %v", got)
	}
	as := client{t: t, handler: s.Handler(), token: answer.Token}
	if got := as.post("/api/v1/logout", ""); got.status != 204 {
		t.Error(got)
	}
	if got := as.get("/api/v1/session"); got.status != 401 {
		t.Errorf("after the logout: %v", got)
	}
	if kinds := fmt.Sprint(h.kinds()); !strings.Contains(kinds, "login.done") {
		t.Errorf("journal has %s", kinds)
	}
}

func (h *house) kinds() []panel.Kind {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kinds []panel.Kind
	for _, e := range h.journal {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestSessionsEnd(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	as := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for range 3 {
		h.pass(SessionIdle - time.Minute)
		if got := as.get("/api/v1/doors"); got.status != 200 {
			t.Fatalf("a session in use ended: %v", got)
		}
	}
	h.pass(SessionIdle)
	if got := as.get("/api/v1/doors"); got.status != 401 || len(h.sessions) != 0 {
		t.Errorf("an idle session goes on: %v", got)
	}
	as.token = h.login(Installer)
	h.pass(-2 * SessionIdle)
	if got := as.get("/api/v1/doors"); got.status != 401 {
		t.Errorf("a session from the future goes on: %v", got)
	}
	as.token = h.login(Installer)
	u := h.users["installer"]
	u.Generation++
	h.users["installer"] = u
	if got := as.get("/api/v1/doors"); got.status != 401 {
		t.Errorf("a session from before the change of password goes on: %v", got)
	}
}

func TestFiveWrongPasswordsBlock(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := setUp(t, h, s)
	const wrong, right = `{"user":"admin","password":"not this one"}`, `{"user":"admin","password":"four words are easy"}`
	for i := range 5 {
		if got := c.post("/api/v1/login", wrong); got.status != 401 {
			t.Fatalf("try %d: %v", i+1, got)
		}
	}
	got := c.post("/api/v1/login", right)
	if got.status != 429 || got.header.Get("Retry-After") != "30" {
		t.Fatalf("the right password during the block: %v", got)
	}
	other := client{t: t, handler: s.Handler(), peer: "192.0.2.99:5"}
	if got := other.post("/api/v1/login", right); got.status != 429 {
		t.Errorf("the same user from another address: %v", got)
	}
	h.pass(30 * time.Second)
	if got := c.post("/api/v1/login", wrong); got.status != 401 {
		t.Fatal(got)
	}
	if got := c.post("/api/v1/login", right); got.status != 429 || got.header.Get("Retry-After") != "60" {
		t.Errorf("the block does not grow: %v", got)
	}
	h.pass(time.Minute)
	if got := c.post("/api/v1/login", right); got.status != 200 {
		t.Errorf("after the block: %v", got)
	}
	if n := strings.Count(fmt.Sprint(h.kinds()), "login.refused"); n != 6 {
		t.Errorf("%d refused logins in the journal, want 6", n)
	}
}

func TestGuessingManyUsersFromOneAddressBlocks(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	for i := range 5 {
		c := client{t: t, handler: s.Handler(), peer: fmt.Sprintf("[2001:db8::%d]:7", i+1)}
		if got := c.post("/api/v1/login", fmt.Sprintf(`{"user":"user%d","password":"x"}`, i)); got.status != 401 {
			t.Fatal(got)
		}
	}
	c := client{t: t, handler: s.Handler(), peer: "[2001:db8::77]:7"}
	if got := c.post("/api/v1/login", `{"user":"somebody","password":"x"}`); got.status != 429 {
		t.Errorf("%v", got)
	}
}

func TestUsersAreTheAdministratorsBusiness(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	admin := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	put := func(name, body string) reply { return admin.do("PUT", "/api/v1/users/"+name, "application/json", body) }
	for _, test := range []struct {
		name, body string
		status     int
	}{
		{"ines", `{"role":"installer","password":"four other words are"}`, 200},
		{"ines", `{"role":"resident"}`, 200},
		{"ines", `{"role":"king"}`, 422},
		{"newone", `{"role":"installer"}`, 422},
		{"newone", `{"role":"installer","password":"newone1234"}`, 422},
		{"root", `{"role":"installer","password":"four other words are"}`, 422},
		{"..%2f", `{"role":"installer","password":"four other words are"}`, 422},
		{"administrator", `{"role":"installer"}`, 409},
	} {
		if got := put(test.name, test.body); got.status != test.status {
			t.Errorf("%s %s: %d %s, want %d", test.name, test.body, got.status, got.body, test.status)
		}
	}
	if got := admin.do("DELETE", "/api/v1/users/administrator", "", ""); got.status != 409 {
		t.Errorf("the last administrator was removed: %v", got)
	}
	if got := admin.do("DELETE", "/api/v1/users/ines", "", ""); got.status != 204 {
		t.Error(got)
	}
	if got := admin.get("/api/v1/users"); strings.Contains(got.body, "argon2") || got.body != `{"users":[{"user":"administrator","role":"administrator"}]}`+"\n" {
		t.Error(got.body)
	}
}

func TestAChangedPasswordEndsOtherSessions(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := setUp(t, h, s)
	token := func() string {
		var a loginAnswer
		if err := json.Unmarshal([]byte(c.post("/api/v1/login", `{"user":"admin","password":"four words are easy"}`).body), &a); err != nil {
			t.Fatal(err)
		}
		return a.Token
	}
	here, there := client{t: t, handler: s.Handler(), token: token()}, client{t: t, handler: s.Handler(), token: token()}
	put := func(body string) reply { return here.do("PUT", "/api/v1/session/password", "application/json", body) }
	if got := put(`{"old":"not this one","new":"four other words are"}`); got.status != 403 {
		t.Error(got)
	}
	if got := put(`{"old":"four words are easy","new":"four other words are"}`); got.status != 204 {
		t.Fatal(got)
	}
	if a, b := here.get("/api/v1/session").status, there.get("/api/v1/session").status; a != 200 || b != 401 {
		t.Errorf("here %d, there %d; want 200, 401", a, b)
	}
}

func TestTheSocketIsTheAdministrator(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.SocketHandler(), peer: "@", host: "doorpanel"}
	if got := c.get("/api/v1/session"); got.body != `{"user":"root","role":"administrator"}`+"\n" {
		t.Error(got)
	}
	if got := c.post("/api/v1/doors/front/open", ""); got.status != 200 || h.opened[0] != "front by root via cli" {
		t.Error(got, h.opened)
	}
	if got := c.do("PUT", "/api/v1/session/password", "application/json", `{"old":"x","new":"four other words are"}`); got.status != 409 {
		t.Error(got)
	}
}

func TestDoors(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Resident)}
	if got := c.post("/api/v1/doors/front/open", ""); got.status != 200 || got.body != `{"result":"granted"}`+"\n" || h.opened[0] != "front by resident via web" {
		t.Error(got, h.opened)
	}
	if got := c.post("/api/v1/doors/front/open", `{}`); got.status != 200 {
		t.Error(got)
	}
	if got := c.post("/api/v1/doors/cellar/open", ""); got.status != 404 {
		t.Error(got)
	}
	h.refuse = "tampered"
	if got := c.post("/api/v1/doors/front/open", ""); got.status != 403 || !strings.Contains(got.body, `"why":"tampered"`) {
		t.Error(got)
	}
	if got := c.get("/api/v1/doors"); !strings.Contains(got.body, `{"doors":[{"name":"front","safe":"fail-secure"`) {
		t.Error(got)
	}
}

func TestLicensesByTextAndPicture(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, test := range []struct {
		token  string
		status int
	}{
		{"activated", 201}, {"already_active", 200}, {"malformed", 422}, {"forged", 422}, {"unknown-issuer", 422}, {"revoked", 422}, {"not-yet-valid", 422},
		{"expired", 422}, {"other-panel", 422}, {"used-elsewhere", 422}, {"pool-exhausted", 422}, {"clock-untrusted", 422},
	} {
		got := c.post("/api/v1/licenses", `{"token":"DP1:`+test.token+`"}`)
		if got.status != test.status {
			t.Errorf("%s: %v", test.token, got)
		}
		if test.status == 422 && problemKind(got.body) != test.token {
			t.Errorf("%s: type in %s", test.token, got.body)
		}
	}
	if got := c.post("/api/v1/licenses", `{"token":"DP1:activated"}`); !strings.HasPrefix(got.body, `{"result":"activated","message":"10 buttons added","entitlements":{"buttons":1,"features":{}`) {
		t.Error(got.body)
	}
	var blank bytes.Buffer
	if err := png.Encode(&blank, image.NewGray(image.Rect(0, 0, 40, 40))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, kind, body string
		status           int
		problem          string
	}{
		{"a picture without a code", "image/png", blank.String(), 422, "malformed"},
		{"no picture", "image/jpeg", "hello", 422, "malformed"},
		{"too large a picture", "image/png", strings.Repeat("x", 5<<20), 413, "too-large"},
		{"another type", "text/html", "DP1:activated", 415, "unsupported-media-type"},
		{"no token", "application/json", `{}`, 422, "malformed"},
		{"a form without a file", "multipart/form-data; boundary=x", "--x--\r\n", 400, "malformed-form"},
		{"a form without an end", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nabc", 400, "malformed-form"},
		{"a form without a boundary", "multipart/form-data", "", 400, "malformed-form"},
	} {
		if got := c.do("POST", "/api/v1/licenses", test.kind, test.body); got.status != test.status || problemKind(got.body) != test.problem {
			t.Errorf("%s: %d %s", test.name, got.status, got.body)
		}
	}
	for _, test := range []struct{ name, kind string }{{"as a body", "image/png"}, {"in a form", ""}} {
		picture := drawQR(t, "DP1:ACTIVATED")
		kind, body := test.kind, picture
		if kind == "" {
			var b bytes.Buffer
			form := multipart.NewWriter(&b)
			if err := form.WriteField("note", "before it"); err != nil {
				t.Fatal(err)
			}
			part, err := form.CreateFormFile("picture", "license.png")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := part.Write([]byte(picture)); err != nil {
				t.Fatal(err)
			}
			form.Close()
			kind, body = form.FormDataContentType(), b.String()
		}
		// The fake knows results in lower case: that the refusal names this one shows what was read.
		if got := c.do("POST", "/api/v1/licenses", kind, body); got.status != 422 || problemKind(got.body) != "ACTIVATED" {
			t.Errorf("a picture %s: %v", test.name, got)
		}
	}
	h.fail = fmt.Errorf("cannot store license: %w", ErrReadOnly)
	if got := c.post("/api/v1/licenses", `{"token":"DP1:activated"}`); got.status != 503 {
		t.Error(got)
	}
}

func TestCredentialsAreCheckedForForm(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, test := range []struct {
		body   string
		status int
		has    string
	}{
		{`{"person":"Ada","kind":"card","uid":"04:a1:b2:c3"}`, 201, `"kind":"card"`},
		{`{"person":"Ada","kind":"card","uid":"04A1B2C3"}`, 409, "in use"},
		{`{"person":"Ada","kind":"code"}`, 201, `"code":"483920"`},
		{`{"person":"Ada","kind":"code","code":"7294"}`, 201, `"kind":"code"`},
		{`{"person":"Ada","kind":"code","code":"1234"}`, 422, "first that are tried"},
		{`{"person":"Ada","kind":"code","code":"9999"}`, 422, "first that are tried"},
		{`{"person":"Ada","kind":"code","code":"12a4"}`, 422, "4 to 12 digits"},
		{`{"person":"Ada","kind":"code","code":"٣٤٥٦"}`, 422, "4 to 12 digits"},
		{`{"person":"Ada","kind":"code","uid":"04A1B2C3"}`, 422, "no uid"},
		{`{"person":"Ada","kind":"card","uid":"04A1"}`, 422, "4 to 10 bytes"},
		{`{"person":"Ada","kind":"card","uid":"xyz"}`, 422, "hexadecimal"},
		{`{"person":"Ada","kind":"card","uid":"04A1B2C4","code":"7294"}`, 422, "no code"},
		{`{"person":"Ada","kind":"face"}`, 422, "write card or code"},
		{`{"person":" ","kind":"code"}`, 422, "person is missing"},
		{`{"person":"A\u202eda","kind":"code"}`, 422, "cannot be shown"},
		{`{"person":"A\nda","kind":"code"}`, 422, "cannot be shown"},
		{`{"person":"Ada","kind":"code","code":"7295","valid_from":"2026-05-02T00:00:00Z","valid_until":"2026-05-01T00:00:00Z"}`, 422, "later"},
		{`{"person":"Ada","kind":"code","code":"7296","valid_until":"2026-05-01T00:00:00+02:00","doors":["front"],"schedule":"office"}`, 201, `"valid_until":"2026-05-01T00:00:00+02:00"`},
		{`{"person":"Ada","kind":"code","code":"7297","valid_until":"tomorrow"}`, 400, "cannot read JSON"},
		{`{"person":"Ada","kind":"code","pin":"1"}`, 400, "unknown field"},
	} {
		if got := c.post("/api/v1/credentials", test.body); got.status != test.status || !strings.Contains(got.body, test.has) {
			t.Errorf("%s: %d %s, want %d with %q", test.body, got.status, got.body, test.status, test.has)
		}
	}
	if _, kept := h.cards["04A1B2C3"]; !kept {
		t.Error("the uid is not written as readers write it")
	}
	if got := c.get("/api/v1/credentials?limit=2"); !strings.Contains(got.body, `"next":"c2"`) {
		t.Error(got.body)
	}
	if got := c.get("/api/v1/credentials?limit=2&after=c2"); !strings.Contains(got.body, `"id":"c3"`) {
		t.Error(got.body)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=-1", "limit=x", "after=" + strings.Repeat("a", 600)} {
		if got := c.get("/api/v1/credentials?" + query); got.status != 400 {
			t.Errorf("%s: %v", query, got)
		}
	}
	if got := c.do("DELETE", "/api/v1/credentials/c1", "", ""); got.status != 204 {
		t.Error(got)
	}
	if got := c.do("DELETE", "/api/v1/credentials/c1", "", ""); got.status != 404 {
		t.Error(got)
	}
}

func TestLearnWaitsForACard(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	h.learned <- "04A1B2C3"
	if got := c.post("/api/v1/learn", `{"reader":"front-out"}`); got.body != `{"uid":"04A1B2C3","reader":"front-out"}`+"\n" {
		t.Error(got)
	}
	if len(s.streams) != 0 {
		t.Error("a place of those who wait was not given back")
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		s := newServer(t, h)
		c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
		start := time.Now()
		if got := c.post("/api/v1/learn", ""); got.status != 404 || problemKind(got.body) != "no-card" || time.Since(start) != learnTime {
			t.Error(got, time.Since(start))
		}
		if len(s.streams) != 0 {
			t.Error("a place of those who wait was not given back")
		}
	})
}

func TestPeopleSchedulesAndButtons(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, test := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"POST", "/api/v1/people", `{"name":"Ada Lovelace","note":"Flat 4"}`, 201, `"id":"p1"`},
		{"PUT", "/api/v1/people/p1", `{"name":"Ada King"}`, 200, `"Ada King"`},
		{"GET", "/api/v1/people", ``, 200, `{"people":[{"id":"p1"`},
		{"POST", "/api/v1/people", `{"name":""}`, 422, "missing"},
		{"POST", "/api/v1/people", `{"name":"` + strings.Repeat("x", 101) + `"}`, 422, "100 bytes"},
		{"DELETE", "/api/v1/people/p1", ``, 204, ""},
		{"DELETE", "/api/v1/people/p1", ``, 404, "not-found"},
		{"PUT", "/api/v1/schedules/office%20hours", `{"slots":[{"days":["mon"],"from":"08:00","to":"18:00"}]}`, 200, `"name":"office hours"`},
		{"PUT", "/api/v1/schedules/x", `{"slots":[]}`, 422, "slots"},
		{"PUT", "/api/v1/schedules/x", `{"slots":[{"days":["noday"],"from":"08:00","to":"18:00"}]}`, 422, "noday"},
		{"PUT", "/api/v1/schedules/x", `{"name":"y","slots":[{"days":["mon"],"from":"08:00","to":"18:00"}]}`, 422, "renamed"},
		{"GET", "/api/v1/schedules", ``, 200, `"office hours"`},
		{"DELETE", "/api/v1/schedules/office%20hours", ``, 204, ""},
		{"PUT", "/api/v1/buttons/3", `{"label":"Lab","target":"sip:103@192.168.1.20"}`, 200, `"number":3`},
		{"PUT", "/api/v1/buttons/0", `{"label":"Lab","target":""}`, 404, "1 to 9999"},
		{"PUT", "/api/v1/buttons/2", `{"label":"","target":""}`, 422, "label"},
		{"POST", "/api/v1/buttons/3/test", ``, 202, `"number":3`},
		{"DELETE", "/api/v1/buttons/3", ``, 204, ""},
		{"POST", "/api/v1/buttons/3/test", ``, 404, "cannot test button 3"},
		{"GET", "/api/v1/buttons", ``, 200, `"target":"sip:101@192.168.1.20"`},
		{"GET", "/api/v1/status", ``, 200, `"clock_trusted":true`},
		{"GET", "/api/v1/entitlements", ``, 200, `"buttons":1`},
		{"PATCH", "/api/v1/people", ``, 405, "method-not-allowed"},
		{"GET", "/api/v1/nothing", ``, 404, "not-found"},
	} {
		got := c.do(test.method, test.path, "", test.body)
		if got.status != test.status || !strings.Contains(got.body, test.has) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", test.method, test.path, test.body, got.status, got.body, test.status, test.has)
		}
	}
	if !slices.Equal(h.pressed, []int{3}) || !slices.ContainsFunc(h.journal, func(e JournalEntry) bool {
		return e.Kind == panel.CallTest && e.Button == 3 && e.Who == "installer"
	}) {
		t.Errorf("pressed %v, noted %+v", h.pressed, h.journal)
	}
	h.fail = fmt.Errorf("secret words of the store")
	if got := c.get("/api/v1/people"); got.status != 500 || strings.Contains(got.body, "secret") {
		t.Error(got)
	}
}

func TestTheFaceTellsTheStreetNoTargets(t *testing.T) {
	s := newServer(t, newHouse())
	got := client{t: t, handler: s.Handler()}.get("/api/v1/face")
	if got.status != 200 || strings.Contains(got.body, "sip:") || !strings.Contains(got.body, "Reception") || !strings.Contains(got.body, "12 Mill Lane") {
		t.Error(got)
	}
	if strings.Contains(got.body, `"touch":true`) || strings.Contains(got.body, `"simulated":true`) {
		t.Error("somebody on the network is told to press")
	}
}

func TestOnlyTheDisplayItselfPresses(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	kiosk := client{t: t, handler: s.Handler(), peer: "[::1]:1", host: "localhost"}
	if got := kiosk.post("/api/v1/face/press", `{"button":2}`); got.status != 204 || len(h.pressed) != 1 || h.pressed[0] != 2 {
		t.Error(got, h.pressed)
	}
	for _, key := range []string{"1", "#", "*"} {
		if got := kiosk.post("/api/v1/face/key", `{"key":"`+key+`"}`); got.status != 204 {
			t.Error(got)
		}
	}
	for _, key := range []string{"", "a", "12", "é"} {
		if got := kiosk.post("/api/v1/face/key", `{"key":"`+key+`"}`); got.status != 422 {
			t.Error(key, got)
		}
	}
	if h.keys != "1#*" {
		t.Error(h.keys)
	}
}

func TestJournalPagesAndStream(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	token := h.login(Installer)
	for i := range 5 {
		h.note(panel.Entry{Kind: panel.DoorOpen, Door: fmt.Sprint(i + 1)})
	}
	c := client{t: t, handler: s.Handler(), token: token}
	seqs := func(path string) string {
		var page struct{ Entries []JournalEntry }
		if err := json.Unmarshal([]byte(c.get(path).body), &page); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, e := range page.Entries {
			text += fmt.Sprint(e.Seq)
		}
		return text
	}
	for path, want := range map[string]string{"": "12345", "?after=3": "45", "?after=1&limit=2": "23", "?before=4&limit=2": "32", "?before=9007199254740991&limit=3": "543", "?after=99": ""} {
		if got := seqs("/api/v1/journal" + path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := c.get("/api/v1/journal?after=-1"); got.status != 400 {
		t.Error(got)
	}

	web := httptest.NewServer(s.Handler())
	defer web.Close()
	read := func(path, last string) *bufio.Scanner {
		r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(answer.Status, answer.Header)
		}
		return bufio.NewScanner(answer.Body)
	}
	ids := func(lines *bufio.Scanner, n int) string {
		text := ""
		for n > 0 && lines.Scan() {
			if id, is := strings.CutPrefix(lines.Text(), "id: "); is {
				text += id
				n--
			}
		}
		return text
	}
	if got := ids(read("/api/v1/journal/events", "3"), 2); got != "45" {
		t.Errorf("after the third: %s", got)
	}
	fromNow := read("/api/v1/journal/events", "")
	fromNow.Scan() // the stream has begun
	h.note(panel.Entry{Kind: panel.DoorClose})
	if got := ids(fromNow, 1); got != "6" {
		t.Errorf("from now on: %s", got)
	}
	face := read("/api/v1/face/events", "")
	first := ids(face, 1)
	h.showFace(panel.Green, "Come in")
	for face.Scan() && !strings.Contains(face.Text(), "Come in") {
	}
	if first != "1" || face.Err() != nil {
		t.Error(first, face.Err())
	}
	s.Close() // ends what waits, or web.Close would hang
}

func TestStreamsAreLimited(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	for range maxStreams {
		s.streams <- struct{}{}
	}
	c := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	for _, path := range []string{"/api/v1/journal/events", "/api/v1/face/events"} {
		if got := c.get(path); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestHealth(t *testing.T) {
	h := newHouse()
	o := h.options()
	alive, ready := error(nil), true
	o.Alive = func(context.Context) error { return alive }
	o.Ready = func() (bool, []string) { return ready, []string{"the store is not open"} }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := client{t: t, handler: s.Handler()}
	if a, b := c.get("/healthz").status, c.get("/readyz").status; a != 200 || b != 200 {
		t.Error(a, b)
	}
	alive, ready = context.DeadlineExceeded, false
	if got := c.get("/healthz"); got.status != 503 {
		t.Error(got)
	}
	if got := c.get("/readyz"); got.status != 503 || !strings.Contains(got.body, "the store is not open") {
		t.Error(got)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	o := newHouse().options()
	o.Journal = nil
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "Journal") {
		t.Error(err)
	}
}

func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	s := newServer(t, newHouse())
	got := client{t: t, handler: s.Handler()}.get("/api/v1/openapi.json")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Summary     string
			OperationID string `json:"operationId"`
			Access      Access `json:"x-access"`
		}
	}
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(err, doc.OpenAPI)
	}
	seen := map[string]bool{}
	for _, rt := range s.routes {
		if !strings.HasPrefix(rt.Pattern, "/api/") {
			continue
		}
		op, has := doc.Paths[rt.Pattern][strings.ToLower(rt.Method)]
		if !has || op.Access != rt.Access || op.Summary == "" {
			t.Errorf("%s %s is described as %+v", rt.Method, rt.Pattern, op)
		}
		if seen[op.OperationID] {
			t.Errorf("the operation id %s is used twice", op.OperationID)
		}
		seen[op.OperationID] = true
	}
}

func TestHostileJSONIsRefused(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	for _, test := range []struct {
		name, body string
		status     int
	}{
		{"nothing", "", 400}, {"null", "null", 400}, {"a list", `[]`, 400}, {"a string", `"x"`, 400}, {"two objects", `{"name":"a"}{"name":"b"}`, 400},
		{"garbage after it", `{"name":"a"} x`, 400}, {"an unknown name", `{"nam":"a"}`, 400}, {"a name twice", `{"name":"a","name":"b"}`, 400},
		{"another type", `{"name":7}`, 400}, {"deep", `{"name":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, 400},
		{"not UTF-8", "{\"name\":\"\xff\"}", 400}, {"a byte order mark", "\ufeff{\"name\":\"a\"}", 400}, {"an open object", `{"name":"a"`, 400},
		{"too large", `{"name":"` + strings.Repeat("x", maxJSON) + `"}`, 413}, {"white space around it", " \n{\"name\":\"a\"}\n ", 201},
	} {
		if got := c.post("/api/v1/people", test.body); got.status != test.status {
			t.Errorf("%s: %d %s, want %d", test.name, got.status, got.body, test.status)
		}
	}
	if got := c.do("POST", "/api/v1/people", "text/plain", `{"name":"a"}`); got.status != 415 {
		t.Error(got)
	}
	if len(h.people) != 1 {
		t.Errorf("%d people were made", len(h.people))
	}
}

func shared(t *testing.T, elements ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "shared", "testdata"}, elements...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("left out: the shared test data is absent: %v", err)
	}
	return path
}

// TestSharedJSON sends a public collection of JSON texts: what must be refused is refused, and nothing crashes or is stored.
func TestSharedJSON(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	dir := shared(t, "json-parsing")
	texts, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		b, err := os.ReadFile(filepath.Join(dir, text.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/api/v1/people", "/api/v1/credentials", "/api/v1/licenses", "/api/v1/login", "/api/v1/learn"} {
			if path == "/api/v1/learn" && len(b) == 0 {
				continue // an empty body is a request to learn
			}
			got := c.post(path, string(b))
			if got.status < 400 || got.status >= 500 {
				t.Errorf("%s to %s: %d %s", text.Name(), path, got.status, got.body)
			}
			if strings.HasPrefix(text.Name(), "n_") && got.status != 400 && got.status != 413 {
				t.Errorf("%s to %s: %d, want 400", text.Name(), path, got.status)
			}
		}
	}
	if len(h.people)+len(h.credentials) > 0 {
		t.Error("something was stored")
	}
}

// TestSharedNaughtyStrings stores strings that break careless programs, and finds them again as they were.
func TestSharedNaughtyStrings(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	b, err := os.ReadFile(shared(t, "naughty-strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var naughty []string
	if err := json.Unmarshal(b, &naughty); err != nil {
		t.Fatal(err)
	}
	stored := 0
	for _, text := range naughty {
		body, err := json.Marshal(personRequest{Name: text})
		if err != nil {
			t.Fatal(err)
		}
		got := c.post("/api/v1/people", string(body))
		var p Person
		switch {
		case got.status == 201 && json.Unmarshal([]byte(got.body), &p) == nil && p.Name == text:
			stored++
		case got.status != 422:
			t.Errorf("%q: %d %s", text, got.status, got.body)
		}
	}
	if stored < len(naughty)/2 {
		t.Errorf("only %d of %d were taken", stored, len(naughty))
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"person":"a","kind":"code"}`, `{"slots":[{"days":["mon"]}]}`, `{`, `{"a":{"a":[{"a":1}]}}`, `{"a":1,"a":2}`, "[]", `{}x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c NewCredential
		if unmarshal(b, &c) == nil {
			again, err := json.Marshal(c)
			if err != nil {
				return // a time beyond the year 9999
			}
			if err := unmarshal(again, &NewCredential{}); err != nil {
				t.Fatalf("%s was read from %s but not read again: %v", again, b, err)
			}
		}
	})
}

func TestABrokenConfigurationIsShownOnEveryPage(t *testing.T) {
	handler, err := Broken("doorpanel.toml", []Mistake{
		{Row: 12, Column: 9, Key: "pulse", Value: `"3"`, Cause: "not a duration", Remedy: `write "3s"`},
		{Row: 20, Column: 1, Key: "<script>alert(1)</script>", Cause: "unknown key"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := client{t: t, handler: handler}
	for _, path := range []string{"/", "/admin", "/app", "/anything"} {
		got := c.get(path)
		if got.status != 503 || !strings.Contains(got.body, "row 12, column 9") || !strings.Contains(got.body, "write &#34;3s&#34;") || strings.Contains(got.body, "<script>") {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := c.get("/healthz"); got.status != 200 {
		t.Error(got)
	}
	if got := c.get("/readyz"); got.status != 503 || !strings.Contains(got.body, `doorpanel.toml:12:9: pulse: not a duration; write`) {
		t.Error(got)
	}
	if got := c.post("/api/v1/setup", `{}`); got.status != 503 {
		t.Error(got)
	}
	if got := c.get("/assets/style.css"); got.status != 200 {
		t.Error(got)
	}
	if got := (client{t: t, handler: handler, host: "evil.example"}).get("/"); got.status != 421 {
		t.Error(got)
	}
}

func TestSelfSignedKeepsItsCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, print1, err := SelfSigned(dir, []string{"panel.example", "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	_, print2, err := SelfSigned(dir, nil)
	if err != nil || print1 != print2 || len(print1) != 95 {
		t.Error(err, print1, print2)
	}
	if err := first.Leaf.VerifyHostname("panel.example"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"web.key", "web.crt"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(name, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "web.key"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := SelfSigned(dir, nil); err == nil || !strings.Contains(err.Error(), "remove web.crt") {
		t.Error(err)
	}
}

func TestLimitHoldsBackConnections(t *testing.T) {
	inner := newPipeListener()
	l := Limit(inner, 1)
	inner.dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	inner.dial()
	second := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("the second connection came in beside the first: %v", err)
	default:
	}
	first.Close()
	first.Close() // a place is given back once
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

// rights are what a panel has of these licenses, activated at one time and looked at at another.
func rights(t *testing.T, activated, now time.Time, tokens ...license.Token) license.Entitlements {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil }
	var held []license.Document
	for i, token := range tokens {
		token.ID, token.IssuedAt, token.Scope = license.TokenID{byte(i + 1)}, activated, license.ScopePanel
		raw, err := token.Sign(public, sign)
		if err != nil {
			t.Fatal(err)
		}
		activation, err := license.Activation{Panel: public, License: raw, At: activated}.Sign(sign)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, activation)
	}
	ring, problems := license.NewKeyring([]ed25519.PublicKey{public}, nil, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return license.Derive(ring, license.Panel{Key: public}, license.Clock{Now: now, Trusted: true}, held)
}

func TestEntitlementsAreSummedUpByFeature(t *testing.T) {
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	v := viewOf(rights(t, at, at.AddDate(0, 0, 3),
		license.Token{Grants: []license.Grant{{Feature: license.Buttons, Count: 10}}},
		license.Token{Grants: []license.Grant{{Feature: license.Buttons, Count: 4}}, Expires: at.AddDate(1, 0, 0)},
		license.Token{Grants: []license.Grant{{Feature: license.Buttons, Count: 50}}, Expires: at.AddDate(0, 0, 1)},
		license.Token{Grants: []license.Grant{{Feature: license.AccessAdvanced, Count: 1}}},
	))
	if v.Buttons != 15 {
		t.Errorf("%d buttons, want 15: the ended license does not count", v.Buttons)
	}
	if b := v.Features[license.Buttons]; b.Status != license.Active || b.Count != 14 || !b.Until.IsZero() {
		t.Errorf("buttons are shown as %+v", b)
	}
	if a := v.Features[license.AccessBasic]; a.Status != license.Active || !strings.Contains(a.Message, "Advanced") {
		t.Errorf("basic access control is shown as %+v", a)
	}
	if slices.ContainsFunc(v.Missing, func(m missingView) bool { return m.Feature == license.AccessBasic }) || len(v.Missing) != len(license.Features())-3 {
		t.Errorf("missing: %+v", v.Missing)
	}
}
