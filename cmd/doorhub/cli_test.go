package main_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCommandsSayTheSameWhetherTheHubRunsOrNot(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	h.works("sites", "add", "Via Roma 7", "--zone", "Europe/Rome", "--language", "it")
	if code, _, stderr := h.command("four words are easy\n", "user", "add", "anna", "--role", "operator", "--sites", "via-roma-7"); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := h.command("four other words are\n", "user", "add", "anna"); code != 1 || !strings.Contains(stderr, "there is one") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	var before []string
	for _, args := range [][]string{{"sites", "list"}, {"sites", "list", "--json"}, {"user", "list"}, {"user", "list", "--json"}, {"panels"}, {"panels", "--json"}, {"audit", "verify"}} {
		before = append(before, h.works(args...))
	}
	h.stop()
	for i, args := range [][]string{{"sites", "list"}, {"sites", "list", "--json"}, {"user", "list"}, {"user", "list", "--json"}, {"panels"}, {"panels", "--json"}} {
		if after := h.works(args...); after != before[i] {
			t.Errorf("doorhub %s said\n%s\nand after the hub was stopped\n%s", strings.Join(args, " "), before[i], after)
		}
	}
	h.works("user", "role", "anna", "viewer")
	if code, _, stderr := h.command("new words for anna\n", "user", "password", "anna"); code != 0 {
		t.Error(stderr)
	}
	if list := h.works("user", "list"); !strings.Contains(list, "viewer") {
		t.Error(list)
	}
	for _, args := range [][]string{{"pair", "--site", "via-roma-7"}, {"order", "p", "open", "front"}} {
		if code, _, stderr := h.command("", args...); code != 1 || !strings.Contains(stderr, "does not run") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
}

func TestExitCodesTellRefusalFromMisuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "no command was given"},
		{[]string{"fly"}, 2, "unknown command"},
		{[]string{"run", "--fly"}, 2, "unknown flag"},
		{[]string{"user"}, 2, "say what to do"},
		{[]string{"pair"}, 2, "name the site"},
		{[]string{"backup"}, 2, "accepts 1 arg"},
		{[]string{"events", "export", "--format", "pdf"}, 2, "csv"},
		{[]string{"check"}, 2, "--config"},
		{[]string{"check", "none.toml"}, 1, "cannot read configuration"},
		{[]string{"sites", "list", "--data", "nowhere"}, 1, "--data"},
		{[]string{"run", "--broker", "http://b"}, 1, "not an MQTT address"},
		{[]string{"run", "--listen", "everywhere"}, 1, "not an address"},
		{[]string{"version"}, 0, ""},
		{[]string{"run", "--help"}, 0, ""},
	} {
		code, stdout, stderr := runCommand(t, dir, "", c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || code == 0 && stdout == "" {
			t.Errorf("doorhub %v: exit %d, want %d; %q %q", c.args, code, c.code, stdout, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEveryCommandHelpsWithAnExample(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, top, _ := runCommand(t, dir, "", "--help")
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) +[A-Z]`).FindAllStringSubmatch(top, -1) {
		if m[1] != "help" {
			names = append(names, m[1])
		}
	}
	if len(names) < 14 {
		t.Fatalf("only %v", names)
	}
	for _, name := range names {
		_, text, _ := runCommand(t, dir, "", name, "--help")
		if name != "version" && !strings.Contains(text, "Examples:") && !strings.Contains(text, "Available Commands:") {
			t.Errorf("doorhub %s --help has no example:\n%s", name, text)
		}
	}
}

func TestABusyPortIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, section := range []string{"web", "enroll", "mqtt"} {
		dir := t.TempDir()
		config := filepath.Join(dir, "hub.toml")
		text := "data = \"" + filepath.Join(dir, "data") + "\"\n"
		for _, one := range []string{"web", "enroll", "mqtt"} {
			listen := "127.0.0.1:0"
			if one == section {
				listen = taken.Addr().String()
			}
			text += "[" + one + "]\nlisten = \"" + listen + "\"\n"
		}
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runCommand(t, dir, "", "run", "--config", config)
		for _, want := range []string{taken.Addr().String(), "in use", section, "another port"} {
			if code != 1 || stdout != "" || !strings.Contains(stderr, want) {
				t.Errorf("[%s]: exit %d, %q, %s does not say %q", section, code, stdout, stderr, want)
			}
		}
	}
}

func TestEveryMistakeOfAConfigurationIsToldAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "hub.toml")
	if err := os.WriteFile(config, []byte("nmes = [\"x\"]\n[web]\nlisten = 5\n[mqtt]\nbroker = \"b\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runCommand(t, dir, "", "run", "--config", config)
	if code != 1 || !strings.Contains(stderr, "3 mistakes") || !strings.Contains(stderr, "did you mean names?") || !strings.Contains(stderr, "hub.toml:5:10") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	code, stdout, _ := runCommand(t, dir, "", "check", config, "--json")
	var found struct{ Mistakes []struct{ Row int } }
	if err := json.Unmarshal([]byte(stdout), &found); code != 1 || err != nil || len(found.Mistakes) != 3 {
		t.Errorf("exit %d, %s, %v", code, stdout, err)
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	findings := func() map[string]bool {
		_, stdout, _ := h.command("", "doctor", "--json")
		var found struct {
			Findings []struct {
				OK           bool
				What, Remedy string
			}
		}
		if err := json.Unmarshal([]byte(stdout), &found); err != nil {
			t.Fatalf("%s: %v", stdout, err)
		}
		list := map[string]bool{}
		for _, f := range found.Findings {
			list[f.What] = f.OK
			if !f.OK && f.Remedy == "" {
				t.Errorf("%s has no remedy", f.What)
			}
		}
		return list
	}
	list := findings()
	for _, what := range []string{"configuration", "the keys are private", "the hub runs", "store ok", "broker ok"} {
		if !list[what] {
			t.Errorf("%q is not well: %v", what, list)
		}
	}
	if ok, looked := list["e-mail"]; ok || !looked {
		t.Errorf("a missing mail server is not told: %v", list)
	}
	key := filepath.Join(h.data, "keys", "hub.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	h.stop()
	list = findings()
	for _, what := range []string{"the keys are private", "the hub runs"} {
		if list[what] {
			t.Errorf("%q is well: %v", what, list)
		}
	}
	if !list["port for the page is free"] {
		t.Errorf("%v", list)
	}
}

// TestEveryRuleWatchesAMetricThatThereIs keeps the shipped alert rules and the hub in step.
func TestEveryRuleWatchesAMetricThatThereIs(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	a := h.page(http.MethodGet, "/metrics", nil, "")
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	there := map[string]bool{}
	for _, line := range strings.Split(string(a.body), "\n") {
		if m := regexp.MustCompile(`^([a-z_]+)`).FindString(line); m != "" {
			there[m] = true
		}
	}
	// These are there once something was refused, or a panel has a certificate.
	there["doorhub_refused_total"] = true
	for _, file := range []string{"../../docs/doorhub.rules.yml", "../../docs/hub.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\bdoorhub_[a-z_]+\b`).FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s names %v", file, names)
		}
		for _, name := range names {
			if !there[name] {
				t.Errorf("%s names %s, which the hub does not write", file, name)
			}
		}
	}
	page, err := os.ReadFile("../../docs/hub.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range there {
		if strings.HasPrefix(name, "doorhub_") && !strings.Contains(string(page), name) {
			t.Errorf("docs/hub.md does not tell of %s", name)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := h.page(http.MethodGet, path, nil, ""); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
