package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFirstRunNeedsTheCodeOnTheDisplay(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	code := p.state().SetupCode
	if len(code) != 8 || strings.Trim(code, "0123456789") != "" {
		t.Fatalf("the setup code is %q, not eight digits", code)
	}
	p.waitText("Setup code " + code)
	if !strings.Contains(p.stderr.String(), code) {
		t.Error("the setup code is not on stderr")
	}
	// Until there is an administrator nobody gets in by any other way.
	if a := p.page("POST", "/api/v1/login", object{"user": "admin", "password": ""}, ""); a.status != http.StatusUnauthorized {
		t.Errorf("login without an administrator: %d %s", a.status, a.body)
	}
	wrong := "00000000"
	if wrong == code {
		wrong = "00000001"
	}
	if a := p.page("POST", "/api/v1/setup", object{"code": wrong, "password": password}, ""); a.status < 400 {
		t.Errorf("a wrong code: %d %s", a.status, a.body)
	}
	if a := p.page("POST", "/api/v1/setup", object{"code": code, "password": "short"}, ""); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a weak password: %d %s", a.status, a.body)
	}
	admin := p.setup()
	if s := p.state(); s.SetupCode != "" || strings.Contains(s.Text, code) {
		t.Errorf("after the setup the display still shows %q, the state %q", s.Text, s.SetupCode)
	}
	if a := p.page("POST", "/api/v1/setup", object{"code": code, "password": password}, ""); a.status != http.StatusConflict {
		t.Errorf("the code used again: %d %s", a.status, a.body)
	}
	if a := p.page("GET", "/api/v1/journal", nil, ""); a.status != http.StatusUnauthorized {
		t.Errorf("the journal without a login: %d", a.status)
	}
	if a := p.page("GET", "/api/v1/journal", nil, admin); a.status != http.StatusOK || strings.Contains(string(a.body), code) || strings.Contains(string(a.body), password) {
		t.Errorf("the journal: %d %s", a.status, a.body)
	}
	p.waitEntry("login.refused", "setup_code")
	p.waitEntry("login.done", "")
	p.stop()
	p = p.restart()
	if s := p.state(); s.SetupCode != "" {
		t.Error("after a restart there is a setup code, although there is an administrator")
	}
	p.input("service", true)
	p.waitEntry("service.on", "")
	if a := p.page("GET", "/api/v1/session", nil, admin); a.status != http.StatusOK {
		t.Errorf("the session after a restart: %d %s", a.status, a.body)
	}
	// With an administrator the service input is for a password that was forgotten: it ends the sessions of before.
	again := ""
	for again == "" {
		again = p.state().SetupCode
	}
	if a := p.page("POST", "/api/v1/setup", object{"code": again, "password": password + " indeed"}, ""); a.status != http.StatusOK {
		t.Errorf("a forgotten password: %d %s", a.status, a.body)
	}
	if a := p.page("GET", "/api/v1/session", nil, admin); a.status != http.StatusUnauthorized {
		t.Errorf("a session outlives its password: %d %s", a.status, a.body)
	}
}

func TestFiveWrongSetupCodesCloseTheDoorForTenMinutes(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	code := p.state().SetupCode
	for n := range 5 {
		a := p.page("POST", "/api/v1/setup", object{"code": fmt.Sprintf("%08d", n), "password": password}, "")
		if a.status < 400 || a.status >= 500 {
			t.Fatalf("wrong code %d: %d %s", n, a.status, a.body)
		}
	}
	a := p.page("POST", "/api/v1/setup", object{"code": code, "password": password}, "")
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("the right code after five wrong ones: %d %s", a.status, a.body)
	}
	var state struct {
		Needed     bool
		RetryAfter int `json:"retry_after"`
	}
	p.page("GET", "/api/v1/setup", nil, "").into(t, &state)
	if !state.Needed || state.RetryAfter < 500 || state.RetryAfter > 600 {
		t.Errorf("the setup says %+v, want ten minutes", state)
	}
}

func TestRolesMayWhatTheyMay(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	admin := p.setup()
	tokens := map[string]string{"administrator": admin}
	for user, role := range map[string]string{"ines": "installer", "rita": "resident"} {
		if a := p.page("PUT", "/api/v1/users/"+user, object{"role": role, "password": password}, admin); a.status != http.StatusOK {
			t.Fatalf("making %s: %d %s", user, a.status, a.body)
		}
		tokens[role] = p.login(user, password)
	}
	for _, c := range []struct {
		method, path string
		body         any
		may          string
		status       int
	}{
		{"GET", "/doors", nil, "administrator installer resident", 200},
		{"POST", "/doors/front/open", nil, "administrator installer resident", 200},
		{"GET", "/journal", nil, "administrator installer", 200},
		{"GET", "/status", nil, "administrator installer", 200},
		{"POST", "/credentials", object{"person": "Anna", "kind": "code"}, "administrator installer", 201},
		{"POST", "/licenses", object{"token": "DP1:"}, "administrator installer", 422},
		{"GET", "/users", nil, "administrator", 200},
		{"PUT", "/users/eve", object{"role": "administrator", "password": password}, "administrator", 200},
	} {
		if a := p.page(c.method, "/api/v1"+c.path, c.body, ""); a.status != http.StatusUnauthorized {
			t.Errorf("%s %s by nobody: %d", c.method, c.path, a.status)
		}
		if a := p.page(c.method, "/api/v1"+c.path, c.body, "made-up"); a.status != http.StatusUnauthorized {
			t.Errorf("%s %s with a made-up token: %d", c.method, c.path, a.status)
		}
		for role, token := range tokens {
			want := http.StatusForbidden
			if strings.Contains(c.may, role) {
				want = c.status
			}
			if a := p.page(c.method, "/api/v1"+c.path, c.body, token); a.status != want {
				t.Errorf("%s %s by the %s: %d %s, want %d", c.method, c.path, role, a.status, a.body, want)
			}
		}
	}
	p.opens("front")
	opened := p.entries.await(t, "the door opened on the page", func(e entry) bool { return e.Kind == "access.granted" && e.Who == "rita" })
	if opened.Door != "front" {
		t.Errorf("written as %+v", opened)
	}
}

func TestPageOfAnotherSiteIsRefused(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	admin := p.setup()
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	origin := func(o string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Origin", o); r.Header.Set("Sec-Fetch-Site", "cross-site") }
	}
	for _, path := range []string{"/", "/admin", "/api/v1/status", "/healthz", "/sim/state"} {
		if a := p.page("GET", path, nil, admin, host("evil.example")); a.status != http.StatusMisdirectedRequest {
			t.Errorf("%s under a foreign name: %d", path, a.status)
		}
	}
	for _, c := range []struct {
		path string
		body any
	}{{"/api/v1/doors/front/open", nil}, {"/sim/input", object{"input": "exit", "on": true}}, {"/api/v1/setup", object{"code": "00000000", "password": password}}} {
		if a := p.page("POST", c.path, c.body, admin, origin("https://evil.example")); a.status != http.StatusForbidden {
			t.Errorf("%s from another site: %d %s", c.path, a.status, a.body)
		}
	}
	// A page that names the panel by an address of the LAN is no page of this host.
	if a := p.page("POST", "/sim/input", object{"input": "exit", "on": true}, admin, host("192.168.1.7")); a.status != http.StatusForbidden {
		t.Errorf("/sim under an address of the LAN: %d %s", a.status, a.body)
	}
	if p.strikeMoved() {
		t.Error("a strike moved")
	}
	if a := p.page("POST", "/api/v1/doors/front/open", nil, admin); a.status != http.StatusOK {
		t.Errorf("the panel's own page: %d %s", a.status, a.body)
	}
}

// fails runs the program until it ends by itself and returns its exit code and what it said.
func fails(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	c := exec.Command(program, args...)
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), &out, &errs
	err := c.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestBusyPortIsSaidWithItsRemedy(t *testing.T) {
	t.Parallel()
	for _, section := range []string{"web", "sip"} {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			taken, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			if section == "sip" {
				udp, err := net.ListenPacket("udp4", taken.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer udp.Close()
			}
			dir := t.TempDir()
			text := setting{}.text(filepath.Join(dir, "data"))
			text = strings.Replace(text, "["+section+"]\nlisten = \"127.0.0.1:0\"", fmt.Sprintf("[%s]\nlisten = %q", section, taken.Addr()), 1)
			config := filepath.Join(dir, "doorpanel.toml")
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := fails(t, "run", "--config", config)
			if code != 1 || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			for _, want := range []string{taken.Addr().String(), "in use", "listen", section} {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr says nothing of %q: %s", want, stderr)
				}
			}
		})
	}
}

func TestSecondPanelOnTheSameDataIsTurnedAway(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	code, stdout, stderr := fails(t, "run", "--config", filepath.Join(p.dir, "doorpanel.toml"))
	if code != 1 || stdout != "" || !strings.Contains(stderr, "in use by another process") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	// The first one is none the worse, its socket included.
	p.must(http.StatusOK, "GET", "/status", nil)
	p.input("exit", true)
	p.opens("front")
	p.stop()
}

const tenMistakes = `hardware = "toaster"
data = ""
[site]
timezone = "Middle/Earth"
[web]
listen = "127.0.0.1:0"
colour = "red"
[sip]
listen = "nowhere"
[[door]]
name = "front"
safe = "maybe"
pulse = 3
open_digit = "12"
[[button]]
number = 0
label = "Rossi"
target = "rossi"
[license]
roots = ["not a key"]
`

func TestTenMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "doorpanel.toml")
	if err := os.WriteFile(config, []byte(tenMistakes), 0o600); err != nil {
		t.Fatal(err)
	}
	places := []string{"1:", "2:", "4:", "7:", "9:", "12:", "13:", "14:", "16:", "18:", "20:"}
	code, _, said := fails(t, "check", "--config", config)
	if code != 1 {
		t.Errorf("check ends with %d", code)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")[1:]
	if len(lines) < 10 {
		t.Errorf("%d mistakes are told, ten were made:\n%s", len(lines), said)
	}
	for _, place := range places {
		found := false
		for _, line := range lines {
			if rest, ok := strings.CutPrefix(line, config+":"+place); ok && strings.Contains(rest, ";") {
				found = true
			}
		}
		if !found {
			t.Errorf("nothing with a remedy is said of row %s\n%s", place, said)
		}
	}

	p := &panelProcess{t: t, dir: dir, client: &http.Client{}}
	line := p.launch([]string{"run", "--config", config})
	if line.Ready || line.Problems != len(lines) {
		t.Errorf("run says %+v, check told %d mistakes", line, len(lines))
	}
	p.url = line.Web
	shown := string(p.page("GET", "/", nil, "").body)
	for _, l := range lines {
		cause := strings.SplitN(l, ": ", 3)[1]
		if key, _, ok := strings.Cut(cause, " = "); ok && !strings.Contains(shown, key) {
			t.Errorf("the page says nothing of %s", key)
		}
	}
	if n := strings.Count(shown, `class="where"`); n != len(lines) {
		t.Errorf("the page shows %d mistakes, want %d", n, len(lines))
	}
	if a := p.page("GET", "/readyz", nil, ""); a.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", a.status)
	}
	if a := p.page("GET", "/healthz", nil, ""); a.status != http.StatusOK {
		t.Errorf("/healthz: %d", a.status)
	}
	if a := p.page("GET", "/", nil, "", func(r *http.Request) { r.Host = "evil.example" }); a.status != http.StatusMisdirectedRequest {
		t.Errorf("the page under a foreign name: %d", a.status)
	}
	p.end(syscall.SIGINT)
	stderr := p.stderr.String()
	for _, l := range lines {
		if !strings.Contains(stderr, l) {
			t.Errorf("stderr says nothing of %s", l)
		}
	}
}

func TestWrongCallsOfTheProgramAreUsageErrors(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"fly"}, {"run", "--speed", "9"}, {"run", "extra"}} {
		if code, stdout, stderr := fails(t, args...); code != 2 || stdout != "" || stderr == "" {
			t.Errorf("doorpanel %q: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := fails(t, "run", "--config", "/does/not/exist.toml"); code != 1 || !strings.Contains(stderr, "/does/not/exist.toml") {
		t.Errorf("a file that is not there: exit code %d, %q", code, stderr)
	}
	if code, stdout, _ := fails(t, "version"); code != 0 || !strings.HasPrefix(stdout, "doorpanel ") {
		t.Errorf("version: exit code %d, %q", code, stdout)
	}
}
