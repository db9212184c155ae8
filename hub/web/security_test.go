package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

func TestOnlyTheHubsOwnNamesAreAnswered(t *testing.T) {
	c := client{t, newServer(t, newHubFake()).Handler(), ""}
	for host, status := range map[string]int{
		"127.0.0.1:8090": 200, "localhost": 200, "hub.example.org": 200, "HUB.example.org.": 200, "[::1]:8090": 200, "192.168.1.9": 200,
		"evil.example.org": 421, "hub.example.org.evil.org": 421, "localhost.evil.org": 421, "": 421,
	} {
		w := c.request("GET", "/healthz", nil, func(r *http.Request) { r.Host = host })
		if w.Code != status {
			t.Errorf("asked as %q the hub answers %d, want %d", host, w.Code, status)
		}
	}
}

func TestPagesOfOtherSitesCannotPost(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	from := func(headers ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: string(cookies), Value: admin.token})
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		}
	}
	for name, c := range map[string]struct {
		headers []string
		ok      bool
	}{
		"the hub's own page":                       {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"another site":                             {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"another host of the same site":            {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"another site, in an old browser":          {[]string{"Origin", "https://evil.example.org"}, false},
		"the hub's own page, in an old browser":    {[]string{"Origin", "http://127.0.0.1:8090"}, true},
		"another port of the same host":            {[]string{"Origin", "http://127.0.0.1:9999"}, false},
		"a sandboxed page":                         {[]string{"Origin", "null"}, false},
		"no browser":                               {nil, true},
		"another site under an address of the API": {[]string{"Sec-Fetch-Site", "cross-site", "Content-Type", "application/json"}, false},
	} {
		w := admin.request("POST", "/sites/"+millLane+"/maintenance", "hours=1", from(c.headers...))
		if ok := w.Code == http.StatusSeeOther; ok != c.ok {
			t.Errorf("%s: the hub answers %d %s", name, w.Code, w.Body)
		}
	}
}

func TestEveryAnswerTellsTheBrowserToBeStrict(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	for _, rt := range s.routes {
		if rt.Method != "GET" || rt.Media == "text/event-stream" {
			continue
		}
		h := admin.request("GET", address(rt.Pattern), nil).Header()
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s has the policy %q", rt.Pattern, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") == "" {
			t.Errorf("%s has the headers %v", rt.Pattern, h)
		}
	}
}

func TestFirstRun(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	c := client{t, s.Handler(), ""}
	if code := read(f, func() string { return f.code }); len(code) != 8 {
		t.Fatalf("the code is %q", code)
	}
	c.want(422, "POST", "/api/v1/setup", object{"code": f.code, "password": "short"})
	c.want(422, "POST", "/api/v1/setup", object{"code": f.code, "password": "administrator"})
	for left := 4; left > 0; left-- {
		if said := c.want(403, "POST", "/api/v1/setup", object{"code": "wrong", "password": password}); !strings.Contains(said, fmt.Sprintf("%d tries are left", left)) {
			t.Errorf("said %s with %d tries left", said, left)
		}
	}
	c.want(429, "POST", "/api/v1/setup", object{"code": "wrong", "password": password})
	if code := read(f, func() string { return f.code }); code != "" {
		t.Errorf("after five wrong ones the code is %q", code)
	}
	c.want(429, "POST", "/api/v1/setup", object{"code": f.code, "password": password})

	again := newServer(t, f) // the hub is started anew
	c = client{t, again.Handler(), ""}
	f.do(func() { f.time = f.time.Add(11 * time.Minute) })
	c.want(403, "POST", "/api/v1/setup", object{"code": f.code, "password": password})

	c = client{t, newServer(t, f).Handler(), ""}
	c.want(201, "POST", "/api/v1/setup", object{"code": f.code, "password": password})
	c.want(409, "POST", "/api/v1/setup", object{"code": "00000000", "password": password})
	c.want(200, "POST", "/api/v1/login", object{"user": "admin", "password": password})
	if u := f.users[0]; len(roles.ServerAdministrators(f.assignments)) != 1 || !strings.HasPrefix(u.Hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the first user is %+v", u)
	}
	client{t, newServer(t, f).Handler(), ""}.want(409, "POST", "/api/v1/setup", object{"code": f.code, "password": password})
}

func TestLogin(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	if err := f.PutUser(fleet.User{Name: "ines", Hash: hashed(t), Generation: 7}, fleet.Edit{From: fleet.AnyEdition}); err != nil {
		t.Fatal(err)
	}
	c := client{t, s.Handler(), ""}
	w := c.request("POST", "/api/v1/login", object{"user": "ines", "password": password}, func(r *http.Request) { r.Header.Del("Authorization") })
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	got := w.Result().Cookies()[0]
	if got.Name != string(cookies) || !got.HttpOnly || got.SameSite != http.SameSiteStrictMode || got.Path != "/" {
		t.Errorf("the cookie is %v", got)
	}
	for hash := range f.sessions {
		if strings.Contains(hash, got.Value) || hash != login.HashToken(got.Value) {
			t.Error("the session is kept under its token")
		}
	}
	withCookie := func(r *http.Request) { r.AddCookie(got) }
	c.want(200, "GET", "/api/v1/session", nil, withCookie)
	f.do(func() { f.time = f.time.Add(SessionIdle - time.Minute) })
	c.want(200, "GET", "/api/v1/session", nil, withCookie)
	f.do(func() { f.time = f.time.Add(SessionIdle) })
	c.want(401, "GET", "/api/v1/session", nil, withCookie)

	// Over TLS the cookie has a name that no other host can set.
	r := httptest.NewRequest("POST", "https://hub.example.org/api/v1/login", strings.NewReader(`{"user":"ines","password":"`+password+`"}`))
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, r)
	if got := rec.Result().Cookies()[0]; got.Name != "__Host-doorhub" || !got.Secure {
		t.Errorf("over TLS the cookie is %v", got)
	}
}

func TestGuessingPasswordsIsSlow(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	if err := f.PutUser(fleet.User{Name: "ines", Hash: hashed(t)}, fleet.Edit{From: fleet.AnyEdition}); err != nil {
		t.Fatal(err)
	}
	c := client{t, s.Handler(), ""}
	for range login.FreeTries {
		c.want(401, "POST", "/api/v1/login", object{"user": "ines", "password": "wrong"})
	}
	if w := c.request("POST", "/api/v1/login", object{"user": "ines", "password": password}); w.Code != 429 || w.Header().Get("Retry-After") != "30" {
		t.Errorf("after %d wrong ones the right password is answered with %d, Retry-After %s", login.FreeTries, w.Code, w.Header().Get("Retry-After"))
	}
	f.do(func() { f.time = f.time.Add(31 * time.Second) })
	c.want(200, "POST", "/api/v1/login", object{"user": "ines", "password": password})
	// From one address under many names.
	for i := range login.FreeTries {
		c.want(401, "POST", "/api/v1/login", object{"user": fmt.Sprintf("somebody%d", i), "password": "wrong"})
	}
	c.want(429, "POST", "/api/v1/login", object{"user": "ines", "password": password})
}

func TestAnotherPasswordEndsOtherSessions(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	here, there := as(t, s, f, roles.Administrator), as(t, s, f, roles.Administrator)
	here.want(204, "PUT", "/api/v1/session/password", object{"old": password, "new": "four other words are"})
	here.want(200, "GET", "/api/v1/session", nil)
	there.want(401, "GET", "/api/v1/session", nil)
	here.want(403, "PUT", "/api/v1/session/password", object{"old": "not this one at all", "new": "four other words are"})
}

func TestTheLastAdministratorStays(t *testing.T) {
	f := newHubFake()
	admin := as(t, newServer(t, f), f, roles.Administrator)
	admin.want(409, "DELETE", "/api/v1/users/the-administrator", nil)
	admin.want(409, "PUT", "/api/v1/users/the-administrator", object{"role": "viewer"})
	admin.want(422, "PUT", "/api/v1/users/the-administrator", object{"sites": []string{"nowhere"}})
	admin.want(422, "PUT", "/api/v1/users/root", object{"role": "viewer", "password": password})
	admin.want(200, "PUT", "/api/v1/users/second", object{"role": "administrator", "password": password})
	admin.want(204, "DELETE", "/api/v1/users/the-administrator", nil)
	admin.want(401, "GET", "/api/v1/session", nil) // whoever is removed is out at once
}

func TestATokenOfAScriptEndsWithItsTimeAndItsUser(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	body := admin.want(201, "POST", "/api/v1/tokens", object{"label": "nightly", "days": 30})
	_, rest, _ := strings.Cut(body, `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	script := client{t, s.Handler(), token}
	f.do(func() { f.time = f.time.Add(20 * 24 * time.Hour) })
	script.want(200, "GET", "/api/v1/session", nil) // it does not end when it is not used
	script.want(403, "PUT", "/api/v1/session/password", object{"old": password, "new": "four other words are"})
	if list := as(t, s, f, roles.Administrator).want(200, "GET", "/api/v1/tokens", nil); strings.Contains(list, token) || strings.Contains(list, login.HashToken(token)) {
		t.Error("the list of tokens tells the token")
	}
	f.do(func() { f.time = f.time.Add(10 * 24 * time.Hour) })
	script.want(401, "GET", "/api/v1/session", nil)
}

// What a user of one site asks about another is answered as if it were not there.
func TestSitesOfOthersAreNotThere(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	c := as(t, s, f, roles.Operator, station)
	d := f.deliveries[0].ID // of the other site
	incident := f.watched[millLane].Open[0].ID
	for _, ask := range []struct{ method, path, nothing string }{
		{"GET", "/api/v1/sites/" + millLane, "/api/v1/sites/nothing"},
		{"GET", "/sites/" + millLane, "/sites/nothing"},
		{"GET", "/api/v1/sites/" + millLane + "/availability", "/api/v1/sites/nothing/availability"},
		{"GET", "/api/v1/panels/" + front, "/api/v1/panels/nothing"},
		{"GET", "/panels/" + front, "/panels/nothing"},
		{"POST", "/api/v1/panels/" + front + "/orders", "/api/v1/panels/nothing/orders"},
		{"POST", "/api/v1/sites/" + millLane + "/maintenance", "/api/v1/sites/nothing/maintenance"},
		{"POST", "/api/v1/sites/" + millLane + "/outages/" + incident + "/acknowledge", "/api/v1/sites/nothing/outages/1/acknowledge"},
		{"POST", "/api/v1/sites/" + millLane + "/recipients/ines/test", "/api/v1/sites/nothing/recipients/ines/test"},
		{"GET", "/api/v1/deliveries/" + d, "/api/v1/deliveries/nothing"},
		{"POST", "/api/v1/deliveries/" + d + "/retry", "/api/v1/deliveries/nothing/retry"},
		{"GET", "/api/v1/events?site=" + millLane, "/api/v1/events?site=nothing"},
		{"GET", "/api/v1/events?panel=" + front, "/api/v1/events?panel=nothing"},
		{"GET", "/api/v1/events/export?site=" + millLane, "/api/v1/events/export?site=nothing"},
	} {
		var body any
		switch {
		case strings.HasSuffix(ask.path, "orders"):
			body = object{"verb": "open", "object": "front"}
		case strings.HasSuffix(ask.path, "maintenance"):
			body = object{"hours": 1}
		}
		theirs, nothing := c.request(ask.method, ask.path, body), c.request(ask.method, ask.nothing, body)
		if theirs.Code != 404 || theirs.Body.String() != nothing.Body.String() {
			t.Errorf("%s %s answers %d %s, and for nothing %d %s", ask.method, ask.path, theirs.Code, theirs.Body, nothing.Code, nothing.Body)
		}
	}
	for _, path := range []string{"/", "/events", "/warnings", "/api/v1/sites", "/api/v1/panels", "/api/v1/events", "/api/v1/events/export", "/api/v1/events/export?format=csv", "/api/v1/deliveries",
		"/api/v1/outages?recent=1", "/api/v1/overview"} {
		if body := c.want(200, "GET", path, nil); strings.Contains(body, "Mill Lane") || strings.Contains(body, front) || strings.Contains(body, "Ada") || strings.Contains(body, "ines@") {
			t.Errorf("%s tells of another site: %s", path, body)
		}
	}
	if len(f.orders) != 0 {
		t.Errorf("ordered %v", f.orders)
	}
}

func TestSecretsNeverComeBack(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	for _, rt := range s.routes {
		if rt.Method != "GET" || rt.Media == "text/event-stream" {
			continue
		}
		for _, path := range []string{address(rt.Pattern), strings.ReplaceAll(strings.ReplaceAll(rt.Pattern, "{site}", millLane), "{panel}", front)} {
			body := admin.request("GET", strings.ReplaceAll(path, "{$}", ""), nil).Body.String()
			for _, secret := range []string{"very secret", "sms secret", "hook secret", "$argon2id"} {
				if strings.Contains(body, secret) {
					t.Errorf("%s tells %q", path, secret)
				}
			}
		}
	}
	// A secret that is not entered again goes to nobody but who had it.
	mail := object{"server": "mail.evil.org", "tls": "tls", "from": "doors@example.org", "user": "doors", "password": Hidden}
	admin.want(422, "PUT", "/api/v1/settings/mail", mail)
	mail["server"] = "mail.example.org"
	admin.want(204, "PUT", "/api/v1/settings/mail", mail)
	if got := f.settings.Mail.Password; got != "very secret" {
		t.Errorf("the password that was to stay is %q", got)
	}
	admin.want(422, "PUT", "/api/v1/settings/sms", object{"gateways": []object{{"name": "first", "kind": "twilio", "url": "https://evil.example.org/", "secret": Hidden}}})
	admin.want(422, "PUT", "/api/v1/settings/hooks", object{"hooks": []object{{"name": "desk", "url": "https://evil.example.org/", "secret": Hidden}}})
	// Who only looks sees nobody's number.
	viewer := as(t, s, f, roles.Viewer)
	for _, path := range []string{"/sites/" + millLane, "/warnings", "/api/v1/sites/" + millLane, "/api/v1/deliveries"} {
		if body := viewer.want(200, "GET", path, nil); strings.Contains(body, "+3906") || strings.Contains(body, "ines@example.org") || strings.Contains(body, "+39333") {
			t.Errorf("%s tells a viewer an address: %s", path, body)
		}
	}
}

func TestNextPageStaysOnTheHub(t *testing.T) {
	for next, want := range map[string]string{"/sites/a?b=c": "/sites/a?b=c", "": "/", "//evil.org": "/", "https://evil.org": "/", "/\\evil.org": "/", "javascript:alert(1)": "/", "/a\r\nSet-Cookie: x": "/"} {
		if got := nextPage(next); got != want {
			t.Errorf("after the login with %q comes %q, want %q", next, got, want)
		}
	}
}

func TestWithoutALoginPagesLeadToIt(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	c := client{t, s.Handler(), ""}
	if w := c.request("GET", "/events?kind=door.", nil); w.Code != 303 || w.Header().Get("Location") != "/setup" {
		t.Errorf("on a new hub: %d %s", w.Code, w.Header())
	}
	as(t, s, f, roles.Administrator)
	if w := c.request("GET", "/events?kind=door.", nil); w.Code != 303 || w.Header().Get("Location") != "/login?next=%2Fevents%3Fkind%3Ddoor." {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	scripted := func(r *http.Request) { r.Header.Set("HX-Request", "true") }
	if w := c.request("GET", "/", nil, scripted); w.Code != 200 || w.Header().Get("HX-Redirect") != "/login" {
		t.Errorf("for a script: %d %s", w.Code, w.Header())
	}
}

func TestLocalProgramsReadTheMetrics(t *testing.T) {
	f := newHubFake()
	c := client{t, newServer(t, f).Handler(), ""}
	near := func(r *http.Request) { r.RemoteAddr = "127.0.0.1:5000" }
	c.want(200, "GET", "/metrics", nil, near)
	c.want(401, "GET", "/metrics", nil)
	c.want(401, "GET", "/metrics", nil, near, func(r *http.Request) { r.Host = "hub.example.org" })
}

func TestFaultsOfTheStoreAreNotTold(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	f.do(func() { f.broken = fmt.Errorf("bbolt: page 17 of /var/lib/doorhub/hub.db") })
	w := admin.request("GET", "/api/v1/sites", nil)
	if w.Code != 500 || strings.Contains(w.Body.String(), "bbolt") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
