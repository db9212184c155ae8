package main_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// patience is how long a test waits for something that must come. Nothing is timed by it.
// A panel whose hub did not answer sends its entries again after a minute, and later still the next time.
const patience = 4 * time.Minute

// programs are doorhub and doorpanel as they are tested, built once. DOORHUB_TEST_BINARY and DOORPANEL_TEST_BINARY name other
// ones, such as ones that were built with the race detector.
var hubProgram, panelProgram string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "doorhub-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, one := range []struct {
		program       *string
		given, source string
	}{{&hubProgram, "DOORHUB_TEST_BINARY", "."}, {&panelProgram, "DOORPANEL_TEST_BINARY", "../doorpanel"}} {
		if *one.program = os.Getenv(one.given); *one.program != "" {
			continue
		}
		*one.program = filepath.Join(dir, filepath.Base(strings.TrimSuffix(one.given, "_TEST_BINARY")))
		build := exec.Command("go", "build", "-o", *one.program, one.source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build %s: %v\n%s", one.source, err, out)
			return 1
		}
	}
	return m.Run()
}

type lockedBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// after returns a channel that is closed when more was written.
func (b *lockedBuffer) after() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

// process is one program of ours that runs.
type process struct {
	t       *testing.T
	name    string
	command *exec.Cmd
	stderr  lockedBuffer
	ended   chan struct{}
	exit    error
	done    context.Context
	gone    context.CancelFunc
}

// launch starts a program and reads the line that it prints into ready.
func launch(t *testing.T, name, program, dir string, env []string, ready any, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, command: exec.Command(program, args...), ended: make(chan struct{})}
	p.command.Dir, p.command.Stderr, p.command.Env = dir, &p.stderr, append(os.Environ(), env...)
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	p.done, p.gone = context.WithCancel(context.Background())
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		if lines.Scan() {
			first <- lines.Text()
		}
		close(first)
		_, _ = io.Copy(io.Discard, stdout)
		p.exit = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // it may have ended
		<-p.ended
		p.gone()
		for _, fault := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if strings.Contains(p.stderr.String(), fault) {
				t.Errorf("%s had a %s", name, strings.TrimSuffix(fault, ":"))
			}
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, tail(p.stderr.String(), 12<<10))
		}
	})
	select {
	case text, ok := <-first:
		if !ok || json.Unmarshal([]byte(text), ready) != nil {
			<-p.ended
			t.Fatalf("%s did not start: %q, %v\n%s", name, text, p.exit, p.stderr.String())
		}
	case <-time.After(patience):
		t.Fatalf("%s printed no line\n%s", name, p.stderr.String())
	}
	return p
}

func tail(text string, most int) string {
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}

// stop ends it in good order.
func (p *process) stop() {
	p.t.Helper()
	p.end(syscall.SIGTERM)
	if p.exit != nil {
		p.t.Errorf("after SIGTERM %s ended with %v, not 0\n%s", p.name, p.exit, p.stderr.String())
	}
}

// kill ends it as a cut wire would.
func (p *process) kill() { p.t.Helper(); p.end(syscall.SIGKILL) }

// freeze makes it silent without ending it; thaw lets it go on.
func (p *process) freeze() { p.t.Helper(); p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.t.Helper(); p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

func (p *process) end(s syscall.Signal) {
	p.t.Helper()
	p.signal(s)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end after %v\n%s", p.name, s, p.stderr.String())
	}
	p.gone()
}

// until waits for a condition. Whenever something happens that may change it, news is closed; a condition outside of our
// programs is looked at again from time to time.
func until(t *testing.T, what string, news func() <-chan struct{}, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		var changed <-chan struct{}
		if news != nil {
			changed = news()
		}
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-again.C:
		case <-limit.C:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// object is a JSON object.
type object = map[string]any

// answer is what an API said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) into(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

// do sends one request with a JSON body, which may be nil.
func do(t *testing.T, client *http.Client, method, url string, body any, change ...func(*http.Request)) answer {
	t.Helper()
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(req)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer{res.StatusCode, res.Header, raw}
}

// socketClient speaks to a daemon through the socket in its data directory.
func socketClient(t *testing.T, data, name string) *http.Client {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return daemon.DialSocket(ctx, data, name) },
	}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// hubSetting is the part of a hub's configuration that a test chooses.
type hubSetting struct {
	top  string // keys before the first section
	mqtt string // keys of [mqtt]; empty: its own broker on a free port of the loopback
	door string // port where panels get their certificates; empty: a free one
	more string // further sections
	root ed25519.PublicKey
	env  []string
}

func (s hubSetting) text(data string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "data = %q\nnames = [\"127.0.0.1\"]\n%s\n[web]\nlisten = \"127.0.0.1:0\"\n[enroll]\nlisten = \"127.0.0.1:%s\"\n[mqtt]\n", data, s.top, cmp.Or(s.door, "0"))
	if s.mqtt == "" {
		s.mqtt = "listen = \"127.0.0.1:0\"\n"
	}
	b.WriteString(s.mqtt)
	if s.root != nil {
		fmt.Fprintf(&b, "[license]\nroots = [%q]\n", envelope.KeyText(s.root))
	}
	b.WriteString(s.more)
	return b.String()
}

// hubProcess is one running hub, seen from outside.
type hubProcess struct {
	*process
	setting           hubSetting
	dir, data, config string

	web, mqtt, enroll string
	client            *http.Client // for the page
	socket            *http.Client // for the socket of this host's administrators

	mu      sync.Mutex
	changed chan struct{} // closed and replaced by followNews
}

func startHub(t *testing.T, s hubSetting) *hubProcess {
	t.Helper()
	dir := t.TempDir()
	return startHubIn(t, s, dir, filepath.Join(dir, "hub-data"))
}

func startHubIn(t *testing.T, s hubSetting, dir, data string) *hubProcess {
	t.Helper()
	h := &hubProcess{setting: s, dir: dir, data: data, config: filepath.Join(dir, "hub.toml")}
	if err := os.WriteFile(h.config, []byte(s.text(data)), 0o600); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Ready             bool
		Web, MQTT, Enroll string
	}
	h.process = launch(t, "the hub", hubProgram, dir, s.env, &line, "run", "--config", h.config)
	if !line.Ready {
		t.Fatalf("the hub is not ready: %+v\n%s", line, h.stderr.String())
	}
	h.web, h.mqtt, h.enroll = line.Web, line.MQTT, line.Enroll
	h.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(h.client.CloseIdleConnections)
	h.socket = socketClient(t, data, "doorhub.sock")
	go h.followNews()
	return h
}

// pinned is the setting with the ports that the hub has now, so that its panels find it again after a restart.
func (h *hubProcess) pinned() hubSetting {
	s := h.setting
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	if h.mqtt != "" && !strings.Contains(s.mqtt, "broker") {
		s.mqtt = fmt.Sprintf("listen = \"127.0.0.1:%s\"\n", port(h.mqtt))
	}
	s.door = port(h.enroll)
	return s
}

// restart starts a hub that has ended again, with the same data and at the same ports.
func (h *hubProcess) restart() *hubProcess {
	h.t.Helper()
	return startHubIn(h.t, h.pinned(), h.dir, h.data)
}

// followNews wakes whoever waits, at each news of the hub.
func (h *hubProcess) followNews() {
	seen := "0"
	for h.done.Err() == nil {
		req, err := http.NewRequestWithContext(h.done, http.MethodGet, "http://localhost/api/v1/news?seen="+seen, nil)
		if err != nil {
			return
		}
		res, err := h.socket.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			return // until looks by itself
		}
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				seen = id
				h.wake()
			}
		}
		res.Body.Close()
	}
}

func (h *hubProcess) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

func (h *hubProcess) news() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.changed
}

// until waits for something that the hub knows.
func (h *hubProcess) until(what string, holds func() bool) {
	h.t.Helper()
	until(h.t, what, h.news, holds)
}

// api asks over the socket, as an administrator of this host.
func (h *hubProcess) api(method, path string, body any) answer {
	h.t.Helper()
	return do(h.t, h.socket, method, "http://localhost/api/v1"+path, body)
}

// must is api with an answer that is to be had.
func (h *hubProcess) must(status int, method, path string, body any) answer {
	h.t.Helper()
	a := h.api(method, path, body)
	if a.status != status {
		h.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// command runs doorhub with the hub's configuration and returns what it said.
func (h *hubProcess) command(input string, args ...string) (code int, stdout, stderr string) {
	h.t.Helper()
	return runCommand(h.t, h.dir, input, append(slices.Clone(args), "--config", h.config)...)
}

// works is a command that must succeed.
func (h *hubProcess) works(args ...string) string {
	h.t.Helper()
	code, stdout, stderr := h.command("", args...)
	if code != 0 {
		h.t.Fatalf("doorhub %s: exit %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func runCommand(t *testing.T, dir, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, hubProgram, args...)
	var out, problems bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(input), &out, &problems
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), problems.String()
}

// panelProcess is one running panel with simulated hardware.
type panelProcess struct {
	*process
	dir, data   string
	url, id     string
	client      *http.Client
	socket      *http.Client
	name, extra string
}

// startPanel starts a panel that knows no hub yet. name is its own within its site.
func startPanel(t *testing.T, name, more string) *panelProcess {
	t.Helper()
	dir := t.TempDir()
	return startPanelIn(t, name, more, dir, filepath.Join(dir, "data"))
}

func startPanelIn(t *testing.T, name, more, dir, data string) *panelProcess {
	t.Helper()
	p := &panelProcess{dir: dir, data: data, name: name, extra: more}
	config := filepath.Join(dir, "doorpanel.toml")
	text := fmt.Sprintf("hardware = \"sim\"\ndata = %q\n[site]\nname = \"house\"\npanel = %q\ntimezone = \"UTC\"\n[web]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = \"127.0.0.1:0\"\n"+
		"[[door]]\nname = \"front\"\nsafe = \"fail-secure\"\npulse = \"300ms\"\nopen_digit = \"1\"\n[uplink]\nheartbeat = \"2s\"\n%s", data, name, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Ready      bool
		Web, Panel string
	}
	p.process = launch(t, "panel "+name, panelProgram, dir, nil, &line, "run", "--config", config)
	if !line.Ready {
		t.Fatalf("the panel is not ready\n%s", p.stderr.String())
	}
	p.url, p.id = line.Web, line.Panel
	p.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(p.client.CloseIdleConnections)
	p.socket = socketClient(t, data, "doorpanel.sock")
	return p
}

func (p *panelProcess) restart() *panelProcess {
	p.t.Helper()
	return startPanelIn(p.t, p.name, p.extra, p.dir, p.data)
}

// sim moves the simulated hardware, which must take it.
func (p *panelProcess) sim(what string, body any) {
	p.t.Helper()
	if a := do(p.t, p.client, http.MethodPost, p.url+"/sim/"+what, body); a.status != http.StatusNoContent {
		p.t.Fatalf("/sim/%s: %d %s", what, a.status, a.body)
	}
}

// strikeMoved tells whether the strike was ever released.
func (p *panelProcess) strikeMoved() bool {
	p.t.Helper()
	var s struct {
		Trace []struct {
			Kind  string
			Value any
		}
	}
	do(p.t, p.client, http.MethodGet, p.url+"/sim/state", nil).into(p.t, &s)
	for _, one := range s.Trace {
		if one.Kind == "strike" && one.Value == true {
			return true
		}
	}
	return false
}

// lastSeq is the newest entry of the panel's journal.
func (p *panelProcess) lastSeq() uint64 {
	p.t.Helper()
	var s struct{ Seq uint64 }
	do(p.t, p.socket, http.MethodGet, "http://localhost/api/v1/status", nil).into(p.t, &s)
	return s.Seq
}

// root signs licenses.
type root struct {
	pub ed25519.PublicKey
	key ed25519.PrivateKey
}

func newRoot(t *testing.T) root {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return root{pub, key}
}

// license signs a token with grants and returns its code.
func (r root) license(t *testing.T, token license.Token) string {
	t.Helper()
	rand.Read(token.ID[:])
	token.IssuedAt = time.Now().Add(-time.Hour).Truncate(time.Second)
	raw, err := token.Sign(r.pub, func(m []byte) ([]byte, error) { return ed25519.Sign(r.key, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Armor(envelope.License, raw)
}
