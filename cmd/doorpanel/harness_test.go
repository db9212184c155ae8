package main_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
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

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// patience is how long a test waits for something that must come. Nothing is timed by it.
const patience = 30 * time.Second

// program is doorpanel as it is tested, built once with the demonstration in it. DOORPANEL_TEST_BINARY names another one,
// such as one that was built with the race detector.
var program string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	if program = os.Getenv("DOORPANEL_TEST_BINARY"); program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "doorpanel-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "doorpanel")
	build := exec.Command("go", "build", "-tags", "demo", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build doorpanel: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// setting is the part of a panel's configuration that a test chooses. What is left empty is a panel with one door.
type setting struct {
	top     string // keys before the first section
	site    string
	zone    string // of the site; empty: UTC
	sip     string // keys of [sip], then [[sip.account]]
	doors   string // whole [[door]] sections; empty: one, with a short pulse
	buttons string // whole [[button]] sections
	more    string // further sections
	roots   []ed25519.PublicKey
	args    []string // further arguments of doorpanel run
	wrap    []string // a program and its arguments that start it
}

// shortPulse keeps tests quick; the length of a pulse is measured where it matters.
const shortPulse = 300 * time.Millisecond

func (s setting) text(data string) string {
	var b strings.Builder
	zone := cmp.Or(s.zone, "UTC")
	fmt.Fprintf(&b, "hardware = \"sim\"\ndata = %q\n%s\n[site]\nname = \"house\"\ntimezone = %q\n%s\n", data, s.top, zone, s.site)
	fmt.Fprintf(&b, "[web]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = \"127.0.0.1:0\"\n%s\n", s.sip)
	if s.doors == "" {
		s.doors = fmt.Sprintf("[[door]]\nname = \"front\"\nsafe = \"fail-secure\"\npulse = %q\nopen_digit = \"1\"\nheld_open_after = \"30s\"\n", shortPulse)
	}
	b.WriteString(s.doors + s.buttons + s.more)
	if len(s.roots) > 0 {
		b.WriteString("[license]\nroots = [")
		for i, r := range s.roots {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%q", envelope.KeyText(r))
		}
		b.WriteString("]\n")
	}
	return b.String()
}

// button is a [[button]] section.
func button(number int, label, target string) string {
	return fmt.Sprintf("[[button]]\nnumber = %d\nlabel = %q\ntarget = %q\n", number, label, target)
}

// panelProcess is one running panel, seen from outside: its page, its simulated hardware, its journal.
type panelProcess struct {
	t       *testing.T
	setting setting
	dir     string // of configuration and data
	data    string

	url, sip, id string
	command      *exec.Cmd
	stderr       lockedBuffer
	ended        chan struct{}
	exit         error

	client *http.Client // for the page
	socket *http.Client // for the socket of this host's administrators
	done   context.Context
	gone   context.CancelFunc

	trace   follower[traceItem]
	entries follower[entry]
}

// traceItem is one visible change of the simulated hardware.
type traceItem struct {
	At     time.Time `json:"at"`
	MonoMS int64     `json:"mono_ms"`
	Kind   string    `json:"kind"`
	Name   string    `json:"name"`
	Value  any       `json:"value"`
}

func (i traceItem) String() string {
	return fmt.Sprintf("%d %s %s = %v", i.MonoMS, i.Kind, i.Name, i.Value)
}

// entry is one entry of the journal, as the API tells it.
type entry struct {
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`
	Trusted    bool      `json:"trusted"`
	MonoMS     int64     `json:"mono_ms"`
	Boot       string    `json:"boot"`
	Gap        uint64    `json:"gap"`
	Kind       string    `json:"kind"`
	Door       string    `json:"door"`
	Why        string    `json:"why"`
	Reader     string    `json:"reader"`
	Call       string    `json:"call"`
	Button     int       `json:"button"`
	Detail     string    `json:"detail"`
	Who        string    `json:"who"`
	Credential string    `json:"credential"`
}

func (e entry) String() string {
	return fmt.Sprintf("%d %s door=%q why=%q who=%q reader=%q detail=%q", e.Seq, e.Kind, e.Door, e.Why, e.Who, e.Reader, e.Detail)
}

// follower keeps everything that a stream of events has said, so that nothing is missed however late a test looks.
type follower[T any] struct {
	mu      sync.Mutex
	items   []T
	next    int // the first one that no test has waited past
	changed chan struct{}
	fault   error
}

func (f *follower[T]) add(item T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, item)
	f.wake()
}

func (f *follower[T]) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == nil {
		f.fault = err
	}
	f.wake()
}

func (f *follower[T]) wake() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// await returns the next item that fits, and moves past it.
func (f *follower[T]) await(t *testing.T, what string, fits func(T) bool) T {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	from := -1
	for {
		f.mu.Lock()
		if from < 0 {
			from = f.next
		}
		for ; from < len(f.items); from++ {
			if fits(f.items[from]) {
				item := f.items[from]
				f.next = from + 1
				f.mu.Unlock()
				return item
			}
		}
		fault := f.fault
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed, next := f.changed, f.next
		f.mu.Unlock()
		if fault != nil {
			t.Fatalf("%s did not come: %v\n%s", what, fault, f.tail(next))
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("%s did not come within %v; since then:\n%s", what, patience, f.tail(next))
		}
	}
}

// rewind looks at everything from the beginning again.
func (f *follower[T]) rewind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = 0
}

// all returns what came so far.
func (f *follower[T]) all() []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.items)
}

func (f *follower[T]) tail(from int) string {
	var b strings.Builder
	for i, item := range f.all() {
		if i >= max(0, from-3) {
			fmt.Fprintf(&b, "  %v\n", item)
		}
	}
	return b.String()
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startPanel starts a panel in a directory of its own and waits until it says that it is ready.
func startPanel(t *testing.T, s setting) *panelProcess {
	t.Helper()
	dir := t.TempDir()
	return startIn(t, s, dir, filepath.Join(dir, "data"))
}

// startIn starts a panel with the data directory of another one before it.
func startIn(t *testing.T, s setting, dir, data string) *panelProcess {
	t.Helper()
	config := filepath.Join(dir, "doorpanel.toml")
	if err := os.WriteFile(config, []byte(s.text(data)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &panelProcess{t: t, setting: s, dir: dir, data: data}
	line := p.launch(append([]string{"run", "--config", config}, s.args...))
	if !line.Ready {
		t.Fatalf("the panel is not ready: %+v\n%s", line, p.stderr.String())
	}
	p.url, p.sip, p.id = line.Web, line.SIP, line.Panel
	p.connect()
	return p
}

type readyLine struct {
	Ready    bool   `json:"ready"`
	Web      string `json:"web"`
	SIP      string `json:"sip"`
	Panel    string `json:"panel"`
	Problems int    `json:"problems"`
}

// launch starts the program and returns the line that it prints.
func (p *panelProcess) launch(args []string) readyLine {
	p.t.Helper()
	words := append(append(slices.Clone(p.setting.wrap), program), args...)
	p.command = exec.Command(words[0], words[1:]...)
	p.command.Dir, p.command.Stderr = p.dir, &p.stderr
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan struct{})
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
	p.t.Cleanup(func() {
		_ = p.command.Process.Kill() // it may have ended
		<-p.ended
		p.gone()
		for _, fault := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if strings.Contains(p.stderr.String(), fault) {
				p.t.Errorf("the panel had a %s", strings.TrimSuffix(fault, ":"))
			}
		}
		if p.t.Failed() {
			p.t.Logf("the panel said:\n%s", p.stderr.String())
		}
	})
	select {
	case text, ok := <-first:
		var line readyLine
		if !ok || json.Unmarshal([]byte(text), &line) != nil {
			<-p.ended
			p.t.Fatalf("the panel did not start: %q, %v\n%s", text, p.exit, p.stderr.String())
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("the panel printed no line\n%s", p.stderr.String())
		return readyLine{}
	}
}

// connect opens the ways in: the page, the socket, and the streams of hardware and journal from their beginning.
func (p *panelProcess) connect() {
	p.t.Helper()
	p.client = &http.Client{Transport: &http.Transport{}}
	dir, err := os.Open(p.data)
	if err != nil {
		p.t.Fatal(err)
	}
	way := fmt.Sprintf("/proc/self/fd/%d/doorpanel.sock", dir.Fd())
	p.socket = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			// A socket's path has room for 108 bytes, a test's directory may need more.
			return (&net.Dialer{}).DialContext(ctx, "unix", way)
		},
	}}
	p.t.Cleanup(func() {
		p.gone()
		p.client.CloseIdleConnections()
		p.socket.CloseIdleConnections()
		dir.Close()
	})
	go follow(p.done, p.client, p.url+"/sim/events", &p.trace)
	go follow(p.done, p.socket, "http://doorpanel/api/v1/journal/events", &p.entries)
}

// follow reads a stream of events from its beginning, and takes up where it was when the connection ends.
func follow[T any](ctx context.Context, client *http.Client, url string, f *follower[T]) {
	last := "0"
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			f.fail(err)
			return
		}
		req.Header.Set("Last-Event-ID", last)
		res, err := client.Do(req)
		if err != nil {
			f.fail(err)
			return
		}
		if res.StatusCode != http.StatusOK {
			res.Body.Close()
			f.fail(fmt.Errorf("%s: %s", url, res.Status))
			return
		}
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		id := last
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				id = value
			case "data":
				var item T
				if err := json.Unmarshal([]byte(value), &item); err != nil {
					f.fail(err)
					res.Body.Close()
					return
				}
				last = id
				f.add(item)
			}
		}
		res.Body.Close()
	}
}

// sim moves the simulated hardware, which must take it.
func (p *panelProcess) sim(what string, body any) {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.simRaw(what, "application/json", raw)
}

func (p *panelProcess) simRaw(what, kind string, raw []byte) {
	p.t.Helper()
	res, err := p.client.Post(p.url+"/sim/"+what, kind, bytes.NewReader(raw))
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		said, _ := io.ReadAll(res.Body)
		p.t.Fatalf("/sim/%s: %s: %s", what, res.Status, said)
	}
}

func (p *panelProcess) press(number int) { p.t.Helper(); p.sim("press", object{"button": number}) }
func (p *panelProcess) badge(reader, uid string) {
	p.t.Helper()
	p.sim("badge", object{"reader": reader, "uid": uid})
}
func (p *panelProcess) keys(reader, keys string) {
	p.t.Helper()
	p.sim("keys", object{"reader": reader, "keys": keys})
}
func (p *panelProcess) scan(text string) { p.t.Helper(); p.simRaw("scan", "text/plain", []byte(text)) }
func (p *panelProcess) scanImage(kind string, picture []byte) {
	p.t.Helper()
	p.simRaw("scan", kind, picture)
}
func (p *panelProcess) contact(door string, open bool) {
	p.t.Helper()
	p.sim("contact", object{"door": door, "open": open})
}
func (p *panelProcess) input(name string, on bool) {
	p.t.Helper()
	p.sim("input", object{"input": name, "on": on})
}
func (p *panelProcess) clock(now time.Time, trusted bool) {
	p.t.Helper()
	p.sim("clock", object{"now": now, "trusted": trusted})
}
func (p *panelProcess) fault(device string, dead bool) {
	p.t.Helper()
	p.sim("fault", object{"device": device, "dead": dead})
}

// object is a JSON object.
type object = map[string]any

// simState is what /sim/state says.
type simState struct {
	Time      time.Time `json:"time"`
	SetupCode string    `json:"setup_code"`
	Strikes   map[string]struct {
		On    bool      `json:"on"`
		Since time.Time `json:"since"`
	} `json:"strikes"`
	Text  string      `json:"text"`
	Trace []traceItem `json:"trace"`
}

func (p *panelProcess) state() simState {
	p.t.Helper()
	res, err := p.client.Get(p.url + "/sim/state")
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var s simState
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// strikeMoved tells whether any strike was ever released.
func (p *panelProcess) strikeMoved() bool {
	p.t.Helper()
	return slices.ContainsFunc(p.state().Trace, func(i traceItem) bool { return i.Kind == "strike" })
}

// waitFor waits for a change of the hardware after the last one that was waited for.
func (p *panelProcess) waitFor(kind, name string, value any) traceItem {
	p.t.Helper()
	return p.trace.await(p.t, fmt.Sprintf("%s %s = %v", kind, name, value), func(i traceItem) bool {
		return i.Kind == kind && i.Name == name && i.Value == value
	})
}

func (p *panelProcess) waitTone(tone string) traceItem {
	p.t.Helper()
	return p.waitFor("tone", "speaker", tone)
}
func (p *panelProcess) waitText(text string) traceItem {
	p.t.Helper()
	return p.waitFor("text", "display", text)
}

// told waits for a refusal's tone and words.
func (p *panelProcess) told(tone, text string) {
	p.t.Helper()
	p.waitTone(tone)
	p.waitText(text)
}

// opens waits for one whole pulse of a door and returns its length.
func (p *panelProcess) opens(door string) time.Duration {
	p.t.Helper()
	on := p.waitFor("strike", door, true)
	off := p.waitFor("strike", door, false)
	return time.Duration(off.MonoMS-on.MonoMS) * time.Millisecond
}

// waitEntry waits for an entry of the journal after the last one that was waited for; empty words fit everything.
func (p *panelProcess) waitEntry(kind, why string) entry {
	p.t.Helper()
	return p.entries.await(p.t, fmt.Sprintf("journal entry %s, why %q", kind, why), func(e entry) bool {
		return e.Kind == kind && (why == "" || e.Why == why)
	})
}

// answer is what the API said.
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

// problem is the last word of the type of problem details, and its title and detail.
func (a answer) problem(t *testing.T) (slug, title, detail string) {
	t.Helper()
	var d struct{ Type, Title, Detail string }
	a.into(t, &d)
	return d.Type[strings.LastIndexByte(d.Type, ':')+1:], d.Title, d.Detail
}

// do sends one request; body is JSON, or bytes with their content type.
func do(t *testing.T, client *http.Client, method, url string, body any, change ...func(*http.Request)) answer {
	t.Helper()
	a, err := try(client, method, url, body, change...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func try(client *http.Client, method, url string, body any, change ...func(*http.Request)) (answer, error) {
	var reader io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case picture:
		reader, kind = bytes.NewReader(b.raw), b.kind
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	for _, c := range change {
		c(req)
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, raw}, err
}

type picture struct {
	kind string
	raw  []byte
}

// api asks over the socket, as an administrator of this host.
func (p *panelProcess) api(method, path string, body any) answer {
	p.t.Helper()
	return do(p.t, p.socket, method, "http://doorpanel/api/v1"+path, body)
}

// must is api with an answer that is to be had.
func (p *panelProcess) must(status int, method, path string, body any) answer {
	p.t.Helper()
	a := p.api(method, path, body)
	if a.status != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// page asks over the network, with a token when there is one.
func (p *panelProcess) page(method, path string, body any, token string, change ...func(*http.Request)) answer {
	p.t.Helper()
	if token != "" {
		change = append(change, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	}
	return do(p.t, p.client, method, p.url+path, body, change...)
}

const password = "four words are easy"

// setup does the first run with the code from the display, logs in and returns the token.
func (p *panelProcess) setup() string {
	p.t.Helper()
	if a := p.page("POST", "/api/v1/setup", object{"code": p.state().SetupCode, "password": password}, ""); a.status != http.StatusCreated {
		p.t.Fatalf("setup: %d %s", a.status, a.body)
	}
	return p.login("admin", password)
}

func (p *panelProcess) login(user, password string) string {
	p.t.Helper()
	a := p.page("POST", "/api/v1/login", object{"user": user, "password": password}, "")
	if a.status != http.StatusOK {
		p.t.Fatalf("login of %s: %d %s", user, a.status, a.body)
	}
	var in struct{ Token string }
	a.into(p.t, &in)
	return in.Token
}

// activate presents a license that must be taken.
func (p *panelProcess) activate(text string) {
	p.t.Helper()
	p.must(http.StatusCreated, "POST", "/licenses", object{"token": text})
}

// buttons is how many call buttons the licenses make usable.
func (p *panelProcess) buttons() int {
	p.t.Helper()
	var e struct{ Buttons int }
	p.must(http.StatusOK, "GET", "/entitlements", nil).into(p.t, &e)
	return e.Buttons
}

// journal reads the whole journal.
func (p *panelProcess) journal() []entry {
	p.t.Helper()
	var list []entry
	for after := uint64(0); ; {
		var page struct{ Entries []entry }
		p.must(http.StatusOK, "GET", fmt.Sprintf("/journal?after=%d&limit=500", after), nil).into(p.t, &page)
		if len(page.Entries) == 0 {
			return list
		}
		list = append(list, page.Entries...)
		after = list[len(list)-1].Seq
	}
}

// stop ends the panel in good order.
func (p *panelProcess) stop() {
	p.t.Helper()
	p.end(syscall.SIGTERM)
	if p.exit != nil {
		p.t.Errorf("after SIGTERM the panel ended with %v, not 0\n%s", p.exit, p.stderr.String())
	}
}

// kill ends it as a cut wire would.
func (p *panelProcess) kill() { p.t.Helper(); p.end(syscall.SIGKILL) }

func (p *panelProcess) end(signal syscall.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the panel did not end after %v\n%s", signal, p.stderr.String())
	}
	p.gone()
}

// restart starts a panel that has ended again, with the same data.
func (p *panelProcess) restart() *panelProcess {
	p.t.Helper()
	return startIn(p.t, p.setting, p.dir, p.data)
}

// signer is somebody who signs: a root, an issuer, a hub.
type signer struct {
	pub ed25519.PublicKey
	key ed25519.PrivateKey
}

func newSigner(t *testing.T) signer {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{pub, key}
}

func (s signer) sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

// token fills in what a test does not care about.
func token(grants ...license.Grant) license.Token {
	t := license.Token{Scope: license.ScopePanel, IssuedAt: time.Now().Add(-time.Hour).Truncate(time.Second), Grants: grants}
	rand.Read(t.ID[:])
	return t
}

func grant(feature string, count int) license.Grant {
	return license.Grant{Feature: feature, Count: count}
}

// license signs a token and returns its code.
func (s signer) license(t *testing.T, token license.Token) string {
	t.Helper()
	raw, err := token.Sign(s.pub, s.sign)
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Armor(envelope.License, raw)
}

// roots is a configuration's list with this one in it.
func (s signer) roots() []ed25519.PublicKey { return []ed25519.PublicKey{s.pub} }
