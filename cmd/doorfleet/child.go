package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// child is a hub that runs for the fleet alone: a program of its own, which can be stopped, killed and started again.
type child struct {
	program, dir string
	holdOff      time.Duration // before people are warned; 0: as the hub has it
	issuer       ed25519.PrivateKey
	log          *os.File
	mailbox      *mailbox
	api          *hubAPI
	web          string // address of its pages

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
}

// startChild writes a configuration with free ports, starts the hub and waits until it is ready.
func startChild(ctx context.Context, program, dir string, holdOff time.Duration) (*child, error) {
	program, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("cannot start the hub: %w", err)
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a directory for the hub: %w", err)
	}
	c := &child{program: program, dir: dir, holdOff: holdOff, api: dialHub(filepath.Join(dir, "data"))}
	c.api.ready = c.ready
	if c.issuer, err = loadKey(filepath.Join(dir, "issuer")); err != nil {
		return nil, err
	}
	ports, err := c.ports()
	if err != nil {
		return nil, err
	}
	if c.mailbox, err = openMailbox(ports[3]); err != nil {
		return nil, err
	}
	if c.log, err = os.OpenFile(filepath.Join(dir, "hub.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := c.configure(ports); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// ports are those of pages, enrollment, broker and mailbox. They are drawn once: a fleet that goes on finds its hub where it was.
func (c *child) ports() (ports [4]int, err error) {
	path := filepath.Join(c.dir, "ports.json")
	if raw, err := os.ReadFile(path); err == nil {
		return ports, json.Unmarshal(raw, &ports)
	}
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports, fmt.Errorf("cannot find a free port: %w", err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		defer l.Close()
	}
	raw, err := json.Marshal(ports)
	if err != nil {
		return ports, err
	}
	return ports, os.WriteFile(path, raw, 0o600)
}

func (c *child) configure(ports [4]int) error {
	text := fmt.Sprintf(`name = "The fleet's hub"
data = %q
names = ["127.0.0.1"]
[web]
listen = "127.0.0.1:%d"
[enroll]
listen = "127.0.0.1:%d"
[mqtt]
listen = "127.0.0.1:%d"
[license]
roots = [%q]
[[hook]]
name = "keeper"
url = %q
secret = "a-secret-that-nobody-needs"
`, filepath.Join(c.dir, "data"), ports[0], ports[1], ports[2], envelope.KeyText(c.issuer.Public().(ed25519.PublicKey)), c.mailbox.url)
	return os.WriteFile(filepath.Join(c.dir, "hub.toml"), []byte(text), 0o600)
}

// hubPatience is how long a hub may take to start or to stop.
const hubPatience = time.Minute

func (c *child) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.command != nil {
		return nil
	}
	command := exec.Command(c.program, "run", "--config", filepath.Join(c.dir, "hub.toml"))
	command.Dir, command.Stderr = c.dir, c.log
	// It does not outlive the fleet, and an interrupt from the keyboard is not for it: it is asked for the count first.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("cannot start the hub: %w", err)
	}
	ended := make(chan struct{})
	first := make(chan []byte, 1)
	go func() {
		lines := bufio.NewScanner(out)
		if lines.Scan() {
			first <- append([]byte(nil), lines.Bytes()...)
		}
		close(first)
		_, _ = io.Copy(io.Discard, out)
		_ = command.Wait() // how it ended stands in its log
		close(ended)
	}()
	c.command, c.ended = command, ended
	timer := time.NewTimer(hubPatience)
	defer timer.Stop()
	var line struct {
		Ready bool   `json:"ready"`
		Web   string `json:"web"`
	}
	select {
	case raw := <-first:
		if json.Unmarshal(raw, &line) == nil && line.Ready {
			c.web = line.Web
			return nil
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	_ = command.Process.Kill()
	<-ended
	c.command = nil
	return fmt.Errorf("cannot start the hub: it did not say that it is ready; see %s", c.log.Name())
}

// end stops the hub with a signal and waits for it.
func (c *child) end(signal syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.command == nil {
		return nil
	}
	command, ended := c.command, c.ended
	c.command = nil
	if err := command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(hubPatience)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		_ = command.Process.Kill()
		<-ended
		return fmt.Errorf("the hub did not end within %s after %s", hubPatience, signal)
	}
}

// away kills the hub, as a power cut does, and starts it again later. Its broker goes with it.
func (c *child) away(ctx context.Context, length time.Duration) error {
	if err := c.end(syscall.SIGKILL); err != nil {
		return err
	}
	if err := sleep(ctx, length); err != nil {
		return err
	}
	return c.start(ctx)
}

// memory is what the kernel counts for the hub, in bytes.
func (c *child) memory() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.command == nil {
		return 0
	}
	return residentMemory(c.command.Process.Pid)
}

func (c *child) close() error {
	err := c.end(syscall.SIGTERM)
	if c.mailbox != nil {
		err = errors.Join(err, c.mailbox.close())
	}
	if c.log != nil {
		err = errors.Join(err, c.log.Close())
	}
	return err
}

// ready gives a site what it needs to be watched: a monitoring license, somebody to tell, and how soon.
func (c *child) ready(ctx context.Context, site string) error {
	path := "/sites/" + url.PathEscape(site)
	var now struct {
		Policy     map[string]any `json:"policy"`
		Recipients []any          `json:"recipients"`
		License    any            `json:"license"`
	}
	if err := c.api.ask(ctx, http.MethodGet, path, nil, &now); err != nil {
		return err
	}
	if now.License == nil {
		text, err := c.monitoring(site)
		if err != nil {
			return err
		}
		if err := c.api.ask(ctx, http.MethodPost, path+"/license", map[string]string{"token": text}, nil); err != nil {
			return err
		}
	}
	if len(now.Recipients) == 0 {
		keeper := map[string]any{"name": "The fleet's keeper", "group": "first", "ways": []map[string]string{{"channel": "webhook", "address": c.mailbox.url}}}
		if err := c.api.ask(ctx, http.MethodPost, path+"/recipients", keeper, nil); err != nil {
			return err
		}
	}
	if c.holdOff > 0 && now.Policy != nil {
		// The hub lets panels show themselves first when it was away; a short story has no time for that.
		now.Policy["hold_off_s"], now.Policy["grace_s"] = int(c.holdOff/time.Second), max(int(c.holdOff/time.Second), 10)
		return c.api.ask(ctx, http.MethodPut, path+"/policy", now.Policy, nil)
	}
	return nil
}

// monitoring is a license for a site, of an issuer that only this hub knows.
func (c *child) monitoring(site string) (string, error) {
	token := license.Token{
		IssuedAt: time.Now().Add(-time.Hour).Truncate(time.Second), Scope: license.ScopeSite, Subject: []byte(site),
		Grants: []license.Grant{{Feature: license.Monitoring, Count: 1}},
	}
	if _, err := rand.Read(token.ID[:]); err != nil {
		return "", err
	}
	raw, err := token.Sign(c.issuer.Public().(ed25519.PublicKey), signer(c.issuer))
	if err != nil {
		return "", err
	}
	return envelope.Armor(envelope.License, raw), nil
}

// administrator makes somebody who may log in at the pages, for people who want to look.
func (c *child) administrator(ctx context.Context) (user, password string, err error) {
	user, password = "admin", strings.ToLower(rand.Text()[:14])
	return user, password, c.api.ask(ctx, http.MethodPut, "/users/"+user, map[string]string{"role": "administrator", "password": password}, nil)
}

// mailbox takes the hub's messages as a webhook.
type mailbox struct {
	url    string
	server *http.Server

	mu  sync.Mutex
	got map[string]int // by idempotency key: how often it came
}

func openMailbox(port int) (*mailbox, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the hub's messages: %w", err)
	}
	m := &mailbox{url: "http://" + l.Addr().String() + "/", got: map[string]int{}}
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = m.server.Serve(l) }() // until it is closed
	return m, nil
}

// maxMessages bounds what a mailbox remembers.
const maxMessages = 100_000

// ServeHTTP takes one message.
func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
	m.mu.Lock()
	defer m.mu.Unlock()
	if key := r.Header.Get("Idempotency-Key"); key != "" && len(m.got) < maxMessages {
		m.got[key]++
	}
	w.WriteHeader(http.StatusNoContent)
}

// messages tells how many came, and how many of them more than once.
func (m *mailbox) messages() (came, twice int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.got {
		if n > 1 {
			twice++
		}
	}
	return len(m.got), twice
}

func (m *mailbox) close() error { return m.server.Close() }
