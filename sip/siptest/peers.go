// Package siptest starts real telephones for tests: baresip and SIPp, as Debian packages them.
//
// It knows nothing of this project's own packages, so that any of them can be tested against the peers. A peer that is
// not installed fails the test: what was not tried does not work.
package siptest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a helper waits for what must happen.
const Patience = 20 * time.Second

// look is how often a peer that reports nothing is looked at.
const look = 2 * time.Millisecond

// needs finds a program of a Debian package.
func needs(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is needed: apt-get install %s", program, debianPackage)
	}
	return path
}

// freePorts finds n ports in a row that are free for UDP and TCP on loopback.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if first+n > 65535 || !free(first, n) {
			continue
		}
		return first
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		u, err := net.ListenPacket("udp4", addr)
		if err != nil {
			return false
		}
		u.Close()
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// wait looks until ok, or fails with what was waited for.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(look)
	defer tick.Stop()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited %v in vain for %s", Patience, what)
		}
	}
}

// bound reports whether a socket of the kind ("udp", "tcp") has the local port, as the kernel lists it.
func bound(kind string, port int) bool {
	raw, err := os.ReadFile("/proc/net/" + kind)
	if err != nil {
		return false
	}
	return strings.Contains(string(raw), fmt.Sprintf(":%04X 00000000:0000", port))
}

// process is a peer that is stopped with the test.
type process struct {
	cmd  *exec.Cmd
	out  lockedBuffer
	done chan struct{}
	err  error
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

func start(t testing.TB, dir, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.out, &p.out
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		// It may have ended by itself.
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), p.out.String())
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// BaresipOptions says what kind of telephone baresip plays.
type BaresipOptions struct {
	// AutoAnswer takes every call at once; else Answer does.
	AutoAnswer bool
	// Transport is "udp" (default) or "tcp".
	Transport string
}

// Baresip is a running baresip with its control port.
type Baresip struct {
	t       testing.TB
	process *process
	addr    string
	target  string
	conn    net.Conn
	replies chan string
	events  chan string
}

// StartBaresip starts a telephone named anna on loopback. It sends keys as RFC 4733 events (the Debian version knows no
// INFO), and its sound is a tone.
func StartBaresip(t testing.TB, opt BaresipOptions) *Baresip {
	t.Helper()
	program := needs(t, "baresip", "baresip-core")
	dir := t.TempDir()
	// baresip takes the port after its SIP port, too, for TLS.
	port := freePorts(t, 3)
	b := &Baresip{
		t: t, addr: fmt.Sprintf("127.0.0.1:%d", port), replies: make(chan string, 16), events: make(chan string, 1000),
	}
	b.target = "sip:anna@" + b.addr
	mode := "manual"
	if opt.AutoAnswer {
		mode = "auto"
	}
	if opt.Transport == "tcp" {
		b.target += ";transport=tcp"
	}
	var config strings.Builder
	fmt.Fprintf(&config, "sip_listen %s\nctrl_tcp_listen 127.0.0.1:%d\nmodule_path %s\n", b.addr, port+2, modules(t))
	config.WriteString("audio_source ausine,440\nausrc_srate 48000\nausrc_channels 2\naudio_player alsa,null\naudio_alert alsa,null\n")
	for _, m := range []string{"g711", "ausine", "alsa"} {
		fmt.Fprintf(&config, "module %s.so\n", m)
	}
	for _, m := range []string{"account", "ctrl_tcp", "menu"} {
		fmt.Fprintf(&config, "module_app %s.so\n", m)
	}
	write(t, dir, "config", config.String())
	write(t, dir, "accounts", fmt.Sprintf("<sip:anna@%s>;regint=0;answermode=%s;audio_codecs=PCMA,PCMU\n", b.addr, mode))
	write(t, dir, "contacts", "")
	b.process = start(t, dir, program, "-f", dir)
	wait(t, "baresip to listen", func() bool {
		if b.process.ended() {
			t.Fatalf("baresip ended: %v\n%s", b.process.err, b.process.out.String())
		}
		return bound("udp", port) && bound("tcp", port+2)
	})
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port+2))
	if err != nil {
		t.Fatal(err)
	}
	b.conn = conn
	read := make(chan struct{})
	go func() { defer close(read); b.read(bufio.NewReader(conn)) }()
	t.Cleanup(func() { conn.Close(); <-read })
	return b
}

func modules(t testing.TB) string {
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("baresip's modules are not where Debian puts them")
	return ""
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read sorts what baresip says: netstrings of JSON, answers and events.
func (b *Baresip) read(r *bufio.Reader) {
	defer close(b.replies)
	for {
		size, err := r.ReadString(':')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
		if err != nil {
			return
		}
		raw := make([]byte, n+1)
		if _, err := io.ReadFull(r, raw); err != nil {
			return
		}
		var m struct {
			Event bool   `json:"event"`
			Type  string `json:"type"`
			OK    bool   `json:"ok"`
			Data  string `json:"data"`
		}
		if json.Unmarshal(raw[:n], &m) != nil {
			continue
		}
		to, text := b.replies, m.Data
		if m.Event {
			to, text = b.events, m.Type
		}
		select {
		case to <- text:
		default:
		}
	}
}

// Command gives baresip a long command, as "dial", and returns what it says.
func (b *Baresip) Command(command, params string) string {
	b.t.Helper()
	raw, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.conn, "%d:%s,", len(raw), raw); err != nil {
		b.t.Fatalf("baresip took no command: %v", err)
	}
	select {
	case reply := <-b.replies:
		return reply
	case <-time.After(Patience):
		b.t.Fatalf("baresip did not answer the command %s %s", command, params)
		return ""
	}
}

// Wait waits for an event of baresip, as "CALL_INCOMING", "CALL_ESTABLISHED", "CALL_CLOSED".
func (b *Baresip) Wait(event string) {
	b.t.Helper()
	limit := time.After(Patience)
	for {
		select {
		case got := <-b.events:
			if got == event {
				return
			}
		case <-limit:
			b.t.Fatalf("baresip did not report %s", event)
		}
	}
}

// Target is what a panel calls it by.
func (b *Baresip) Target() string { return b.target }

// Addr is where it listens for SIP, over UDP and TCP.
func (b *Baresip) Addr() string { return b.addr }

// Answer takes the call that rings.
func (b *Baresip) Answer() { b.t.Helper(); b.Command("accept", "") }

// Hangup ends the call, or declines it.
func (b *Baresip) Hangup() { b.t.Helper(); b.Command("hangup", "") }

// Digit presses a key in a call.
func (b *Baresip) Digit(key rune) { b.t.Helper(); b.Command("sndcode", string(key)) }

// Dial calls uri.
func (b *Baresip) Dial(uri string) { b.t.Helper(); b.Command("dial", uri) }

// SIPp is a running SIPp that plays one scenario.
type SIPp struct {
	t       testing.TB
	process *process
	addr    string
}

// StartSIPp plays scenario, an XML text, once on loopback; further arguments are SIPp's own (as "-t", "t1" for TCP).
func StartSIPp(t testing.TB, scenario string, args ...string) *SIPp {
	t.Helper()
	program := needs(t, "sipp", "sip-tester")
	dir := t.TempDir()
	port := freePorts(t, 1)
	media := freePorts(t, 4)
	file := write(t, dir, "scenario.xml", scenario)
	all := append([]string{
		"-sf", file, "-i", "127.0.0.1", "-p", strconv.Itoa(port), "-mp", strconv.Itoa(media), "-m", "1",
		"-nostdin", "-timeout", Patience.String(), "-timeout_error",
	}, args...)
	s := &SIPp{t: t, process: start(t, dir, program, all...), addr: fmt.Sprintf("127.0.0.1:%d", port)}
	wait(t, "SIPp to listen", func() bool {
		if s.process.ended() {
			t.Fatalf("SIPp ended: %v\n%s", s.process.err, s.process.out.String())
		}
		return bound("udp", port) || bound("tcp", port)
	})
	return s
}

// Addr is where it listens.
func (s *SIPp) Addr() string { return s.addr }

// Wait waits for the end of the scenario and fails the test if it did not go as written.
func (s *SIPp) Wait() {
	s.t.Helper()
	select {
	case <-s.process.done:
	case <-time.After(Patience):
		s.t.Fatal("SIPp did not end")
	}
	if s.process.err != nil {
		s.t.Errorf("the scenario did not go as written: %v", s.process.err)
	}
}
