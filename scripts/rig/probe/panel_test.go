//go:build rig

package probe

import (
	"bufio"
	"bytes"
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
	"syscall"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// program is the panel as it is installed on a board; run.sh put it there.
const program = "/doorpanel"

// wiring is one way to connect a strike.
type wiring struct {
	line, option, safe string
	// rest is what the wire is driven to before the panel is ready: the safe level, and then the locked one.
	rest []change
}

var (
	strike    = wiring{line: "STRIKE", safe: "fail-secure"}
	strikeLow = wiring{line: "STRIKE-LOW", option: ",active-low", safe: "fail-secure", rest: []change{{level: true}}}
	magnet    = wiring{line: "MAGNET", safe: "fail-safe", rest: []change{{level: true}}}
)

// setting is what a test chooses about its panel.
type setting struct {
	wiring wiring
	pulse  time.Duration
	door   string // further keys of the door
	inputs string // further keys of the inputs
	target string // whom the call button rings
	more   string // further sections
}

func (s setting) text(data string) string {
	return fmt.Sprintf(`hardware = "board"
data = %q
[site]
name = "rig"
timezone = "UTC"
[web]
listen = "127.0.0.1:0"
[sip]
listen = "127.0.0.1:0"
[[door]]
name = "front"
strike = "gpio:panel/%s%s"
safe = %q
pulse = %q
open_digit = "1"
contact = "gpio:panel/CONTACT"
exit = "gpio:panel/EXIT,active-low,pull-up"
held_open_after = "5s"
fire = "release"
%s
[[button]]
number = 1
label = "Rossi"
target = %q
line = "gpio:panel/BUTTON1,active-low,pull-up"
[inputs]
fire = "gpio:panel/FIRE"
tamper = "gpio:panel/TAMPER"
service = "gpio:panel/SERVICE"
%s
`, data, s.wiring.line, s.wiring.option, s.wiring.safe, s.pulse, s.door, s.target, s.inputs) + s.more
}

// panel is the running program, seen through its wires and its socket.
type panel struct {
	t         *testing.T
	setting   setting
	dir, data string
	command   *exec.Cmd
	socket    *http.Client
	line      <-chan string
	ended     <-chan error
	seen      int // entries of the journal that a test has waited past
}

// start runs a panel whose inputs are at rest and returns when it says that it is ready.
func start(t *testing.T, s setting) *panel {
	t.Helper()
	p := prepare(t, s)
	p.start()
	return p
}

// prepare brings the inputs to rest.
func prepare(t *testing.T, s setting) *panel {
	t.Helper()
	for line, rest := range map[string]gpio.Level{
		"BUTTON1": true, "EXIT": true, "FIRE": false, "CONTACT": false, "TAMPER": false, "SERVICE": false,
		"EXIT2": true, "CONTACT2": false, "FEEDBACK": false,
	} {
		drive(t, line, rest)
	}
	dir := t.TempDir()
	return &panel{t: t, setting: s, dir: dir, data: filepath.Join(dir, "data")}
}

// start starts the program, for the first time or again. At no start is a strike released.
func (p *panel) start() {
	p.t.Helper()
	p.launch()
	p.ready()
}

// launch starts the program and does not wait for it.
func (p *panel) launch() {
	p.t.Helper()
	config := filepath.Join(p.dir, "doorpanel.toml")
	if err := os.WriteFile(config, []byte(p.setting.text(p.data)), 0o600); err != nil {
		p.t.Fatal(err)
	}
	said, err := os.OpenFile(filepath.Join(p.dir, "said"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer said.Close()
	startTrace(p.t)
	p.command = exec.Command(program, "run", "--config", config)
	p.command.Dir, p.command.Stderr = p.dir, said
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	process, ended, line := p.command, make(chan error, 1), make(chan string, 1)
	p.ended, p.line = ended, line
	go func() {
		first, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- first
		ended <- process.Wait()
	}()
	p.t.Cleanup(func() {
		_ = process.Process.Kill() // it may have ended
		if p.t.Failed() {
			words, _ := os.ReadFile(said.Name())
			p.t.Logf("the panel said:\n%s", words)
		}
	})
}

// ready waits for the program's line.
func (p *panel) ready() {
	p.t.Helper()
	var ready struct{ Ready bool }
	if first := next(p.t, "the panel's line", p.line); json.Unmarshal([]byte(first), &ready) != nil || !ready.Ready {
		p.t.Fatalf("the panel is not ready: %q", first)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(p.data, "doorpanel.sock"))
	}}
	p.t.Cleanup(transport.CloseIdleConnections)
	p.socket = &http.Client{Transport: transport}
	p.expect("at start")
}

// release is one time for which people can pass.
type release struct {
	on, off time.Duration
	over    bool
}

func (r release) length() time.Duration { return r.off - r.on }

// releases are those that the kernel carried out since the panel's start. The wire must begin at rest, and never be an
// input: then whatever hangs on it would follow a resistor.
func (p *panel) releases() []release {
	p.t.Helper()
	w := p.setting.wiring
	all := changes(p.t, w.line)
	var list []release
	for i, c := range all {
		switch {
		case i < len(w.rest):
			if c.level != w.rest[i].level {
				p.t.Fatalf("%s began with %v\n%s", w.line, all, excerpt(p.t, w.line))
			}
		case released(w.line, c.level):
			list = append(list, release{on: c.at})
		case len(list) > 0:
			list[len(list)-1].off, list[len(list)-1].over = c.at, true
		}
	}
	if trace := excerpt(p.t, w.line); strings.Contains(trace, " in (") {
		p.t.Fatalf("%s was made an input:\n%s", w.line, trace)
	}
	return list
}

// expect demands the releases of the given lengths since the start, over by now, and no other.
func (p *panel) expect(when string, lengths ...time.Duration) {
	p.t.Helper()
	list := p.releases()
	ok := len(list) == len(lengths)
	for i := 0; ok && i < len(list); i++ {
		// Between the guard's look at its clock and the wire it may have had to wait for the processor.
		ok = list[i].over && list[i].length() > lengths[i]-100*time.Millisecond && list[i].length() < lengths[i]+time.Second
	}
	if !ok {
		p.t.Errorf("%s: releases %v, want %v\n%s", when, list, lengths, excerpt(p.t, p.setting.wiring.line))
	}
}

// released waits for the n-th release since the start to begin.
func (p *panel) released(n int) {
	p.t.Helper()
	until(p.t, func() bool { return len(p.releases()) >= n }, func() string {
		return fmt.Sprintf("release %d of the door did not come\n%s", n, excerpt(p.t, p.setting.wiring.line))
	})
}

// locked waits for the n-th release to end, and returns its length.
func (p *panel) locked(n int) time.Duration {
	p.t.Helper()
	p.released(n)
	until(p.t, func() bool { return p.releases()[n-1].over }, func() string {
		return fmt.Sprintf("release %d did not end\n%s", n, excerpt(p.t, p.setting.wiring.line))
	})
	return p.releases()[n-1].length()
}

// exit presses the exit button until the door is released for the n-th time.
func (p *panel) exit(n int) {
	p.t.Helper()
	drive(p.t, "EXIT", false)
	p.released(n)
	drive(p.t, "EXIT", true)
}

// api asks through the socket and returns the answer's body.
func (p *panel) api(status int, method, path string, body any) []byte {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequest(method, "http://doorpanel/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := p.socket.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		p.t.Fatalf("%s %s: %s %s, %v; want %d", method, path, response.Status, answer, err, status)
	}
	return answer
}

// entry is one entry of the journal.
type entry struct {
	Seq                                  int
	Kind, Door, Why, Who, Reader, Detail string
}

func (p *panel) journal() []entry {
	p.t.Helper()
	var page struct{ Entries []entry }
	if err := json.Unmarshal(p.api(http.StatusOK, "GET", "/journal?limit=500", nil), &page); err != nil {
		p.t.Fatal(err)
	}
	return page.Entries
}

// tells waits for an entry behind the last one that was waited for; an empty why fits every one.
func (p *panel) tells(kind, why string) entry {
	p.t.Helper()
	var found entry
	var all []entry
	until(p.t, func() bool {
		all = p.journal()
		i := slices.IndexFunc(all, func(e entry) bool { return e.Seq > p.seen && e.Kind == kind && (why == "" || e.Why == why) })
		if i >= 0 {
			found, p.seen = all[i], all[i].Seq
		}
		return i >= 0
	}, func() string { return fmt.Sprintf("the journal has no %s %s behind %d: %+v", kind, why, p.seen, all) })
	return found
}

// stop ends the panel in good order.
func (p *panel) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if err := next(p.t, "the panel's end", p.ended); err != nil {
		p.t.Errorf("after SIGTERM the panel ended with %v, not 0", err)
	}
}

// kill ends it with no chance to do anything.
func (p *panel) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	if err := next(p.t, "the panel's end", p.ended); err == nil {
		p.t.Error("after SIGKILL the panel ended with 0")
	}
}

func (p *panel) signal(s syscall.Signal) { p.t.Helper(); send(p.t, "panel", p.command.Process.Pid, s) }

// guard is the process that owns the strike now.
func (p *panel) guard() int { p.t.Helper(); return child(p.t, p.command.Process.Pid) }

// send signals a process, and notes that in the kernel's trace.
func send(t *testing.T, who string, pid int, s syscall.Signal) {
	t.Helper()
	put(t, tracing+"/trace_marker", fmt.Sprintf("%s to the %s", s, who))
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// issuer signs licenses that a panel with its section believes.
type issuer struct {
	public ed25519.PublicKey
	key    ed25519.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{public, key}
}

func (i issuer) section() string {
	return fmt.Sprintf("[license]\nroots = [%q]\n", envelope.KeyText(i.public))
}

// access is the code of a license for cards and codes.
func (i issuer) access(t *testing.T) string {
	t.Helper()
	token := license.Token{
		Scope: license.ScopePanel, IssuedAt: time.Now().Add(-time.Hour).Truncate(time.Second),
		Grants: []license.Grant{{Feature: license.AccessBasic, Count: 1}},
	}
	rand.Read(token.ID[:])
	raw, err := token.Sign(i.public, func(message []byte) ([]byte, error) { return ed25519.Sign(i.key, message), nil })
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Armor(envelope.License, raw)
}
