package main_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

// mosquitto is a real broker that runs with the files of doorhub broker-config.
type mosquitto struct {
	t       *testing.T
	config  string
	address string
	command *exec.Cmd
	said    *lockedBuffer
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startMosquitto writes the files of the hub's broker and starts it.
func startMosquitto(h *hubProcess, port string) *mosquitto {
	h.t.Helper()
	dir := filepath.Join(h.dir, "mosquitto")
	h.works("broker-config", "--out", dir)
	config := filepath.Join(dir, "mosquitto.conf")
	text, err := os.ReadFile(config)
	if err != nil {
		h.t.Fatal(err)
	}
	// Started as root it would become a user who may not read what the test wrote.
	text = append(bytes.Replace(text, []byte("listener "+port), []byte("listener "+port+" 127.0.0.1"), 1), "user root\n"...)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
	// Somebody else who has the hub's keys is none of its clients: with its name it would end the hub's own connection.
	access, err := os.OpenFile(filepath.Join(dir, "access"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := access.WriteString("user impostor\ntopic readwrite doorpanel/v1/#\n"); err != nil {
		h.t.Fatal(err)
	}
	access.Close()
	m := &mosquitto{t: h.t, config: config, address: "127.0.0.1:" + port}
	m.start()
	h.t.Cleanup(m.kill)
	return m
}

func (m *mosquitto) start() {
	m.t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	m.said = &lockedBuffer{}
	m.command = exec.Command(program, "-c", m.config)
	m.command.Stderr, m.command.Stdout = m.said, m.said
	if err := m.command.Start(); err != nil {
		m.t.Fatal(err)
	}
	until(m.t, "mosquitto listens", m.said.after, func() bool {
		c, err := net.DialTimeout("tcp", m.address, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

func (m *mosquitto) kill() {
	if m.command.ProcessState != nil {
		return
	}
	_ = m.command.Process.Signal(syscall.SIGKILL)
	_ = m.command.Wait()
}

func TestWithABrokerOfOnesOwnEverythingWorksAndNothingIsLost(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	r := newRoot(t)
	server, mail := mailbox(t)
	h := startHub(t, hubSetting{root: r.pub, mqtt: fmt.Sprintf("broker = \"mqtts://127.0.0.1:%s\"\n", port), more: mail})
	m := startMosquitto(h, port)
	p := startPanel(t, "Gate", "")
	other := startPanel(t, "Cellar", "")
	site := h.watch("House", r)
	h.join(site, p)
	h.join(site, other)

	// Broker and hub die in turns while cards are presented; nobody is told of that.
	for round := range 3 {
		p.badges(round*40, round*40+20)
		m.kill()
		p.badges(round*40+20, round*40+40)
		m.start()
		h.kill()
		h = h.restart()
	}
	h.refusals(p, 120)
	h.waitPresence(p.id, monitor.Online)
	h.waitPresence(other.id, monitor.Online)
	h.works("events", "verify")
	if out := h.works("order", p.id, "open", "front"); !strings.Contains(out, "did it") {
		t.Error(out)
	}

	up := h.impostor(port)
	t.Run("a retained order is not obeyed", func(t *testing.T) { up.order(p, site, 1_000_000_000_001, true, "retained") })
	t.Run("a late order is not obeyed", func(t *testing.T) { up.order(p, site, 1, false, "late") })

	// What a revoked panel says counts for nothing, although this broker does not know of it yet.
	h.works("panels", "revoke", other.id)
	head := h.panel(other.id).Journal.Seq
	other.badges(0, 5)
	p.badges(120, 121)
	h.refusals(p, 121)
	if v := h.panel(other.id); v.Journal.Seq != head {
		t.Errorf("a revoked panel was heard: %+v", v.Journal)
	}

	p.kill()
	list := h.awaitMail(server, 1)
	if len(list) != 1 || !strings.Contains(list[0], "Gate") {
		t.Errorf("mails %q", list)
	}
}

// part is how a part of the hub is, as doctor and the page say.
func (h *hubProcess) part(name string) (state, detail string) {
	h.t.Helper()
	var health struct {
		Parts []struct{ Name, State, Detail string }
	}
	h.must(http.StatusOK, "GET", "/health", nil).into(h.t, &health)
	for _, p := range health.Parts {
		if p.Name == name {
			return p.State, p.Detail
		}
	}
	return "", ""
}

func TestARevokedPanelIsOutOfABrokerOfOnesOwnAndStaysOut(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	list := filepath.Join(t.TempDir(), "revoked.pem")
	h := startHub(t, hubSetting{mqtt: fmt.Sprintf("broker = \"mqtts://127.0.0.1:%s\"\nrevocation_list = %q\n", port, list)})
	m := startMosquitto(h, port)
	p, other := startPanel(t, "Gate", ""), startPanel(t, "Cellar", "")
	site := h.site("House")
	h.join(site, p)
	h.join(site, other)
	h.caughtUp(p)
	before, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	h.works("panels", "revoke", p.id)
	if after, err := os.ReadFile(list); err != nil || bytes.Equal(before, after) {
		t.Fatalf("the list says nothing of the revoked panel: %v", err)
	}
	head := h.panel(p.id).Journal.Seq
	p.badges(0, 3)
	// Until the broker is told, the hub ends the panel's connection, and says what is missing.
	until(t, "the hub says that the broker has not read the list", nil, func() bool { state, _ := h.part("revocations"); return state == "warn" })
	if code, stdout, _ := h.command("", "doctor"); code != 1 || !strings.Contains(stdout, "SIGHUP") {
		t.Errorf("doctor: exit %d\n%s", code, stdout)
	}
	if err := m.command.Process.Signal(syscall.SIGHUP); err != nil { // as doorhub-revoked.path has it done
		t.Fatal(err)
	}
	until(t, "the broker refuses what was revoked", nil, func() bool { state, _ := h.part("revocations"); return state == "ok" })
	until(t, "the panel is disconnected", nil, func() bool { return p.hub().State == "failed" })
	t.Logf("out after %v", time.Since(began).Round(time.Millisecond))
	// It stays out when it tries once more.
	p.stop()
	p = p.restart()
	until(t, "the panel is refused", nil, func() bool { return p.hub().State == "failed" })
	other.badges(0, 3)
	h.refusals(other, 3)
	if v := h.panel(p.id); v.Journal.Seq != head {
		t.Errorf("the revoked panel was heard: %+v", v.Journal)
	}
	if s := p.hub(); s.State != "failed" {
		t.Errorf("the panel is in again: %+v", s)
	}
	if v := h.panel(other.id); v.Presence != monitor.Online || len(v.Faults) > 0 {
		t.Errorf("the other panel: %+v", v)
	}
}

// impostor has the hub's keys, and a connection of its own.
type impostor struct {
	t      *testing.T
	key    ed25519.PrivateKey
	client mqtt.Client
}

func (h *hubProcess) impostor(port string) *impostor {
	h.t.Helper()
	keys := filepath.Join(h.data, "keys")
	a, err := authority.Open(authority.Options{Dir: keys, Hosts: func() []string { return []string{"127.0.0.1", "127.0.0.1"} }})
	if err != nil {
		h.t.Fatal(err)
	}
	certificate, err := a.ClientCertificate("impostor")
	if err != nil {
		h.t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(keys, "hub.key"))
	if err != nil {
		h.t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		h.t.Fatal(err)
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tls://127.0.0.1:" + port).SetClientID("impostor").SetProtocolVersion(4).
		SetTLSConfig(&tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{certificate}}))
	wait(h.t, client.Connect())
	h.t.Cleanup(func() { client.Disconnect(0) })
	return &impostor{h.t, key.(ed25519.PrivateKey), client}
}

func wait(t *testing.T, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(patience) {
		t.Fatal("the broker does not answer")
	}
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}

// order sends an order that the panel must refuse for a reason.
func (i *impostor) order(p *panelProcess, site string, number uint64, retained bool, why string) {
	i.t.Helper()
	status := make(chan telemetry.Status, 16)
	replies := make(chan telemetry.Reply, 16)
	wait(i.t, i.client.Subscribe(telemetry.StatusTopic(site, p.id), 1, func(_ mqtt.Client, m mqtt.Message) {
		if s, err := telemetry.DecodeStatus(m.Payload()); err == nil && s.Online {
			status <- s
		}
	}))
	wait(i.t, i.client.Subscribe(telemetry.ReplyTopic(site, p.id), 1, func(_ mqtt.Client, m mqtt.Message) {
		if r, err := telemetry.DecodeReply(m.Payload()); err == nil {
			replies <- r
		}
	}))
	var s telemetry.Status
	select {
	case s = <-status:
	case <-time.After(patience):
		i.t.Fatal("the panel's status did not come")
	}
	deadline := s.MonoMS + 20_000
	if why == "late" {
		number, deadline = 1_000_000_000_002, 1
	}
	raw, err := telemetry.SignCommand(telemetry.Command{Panel: p.id, Boot: s.Boot, DeadlineMS: deadline, Number: number, Verb: telemetry.VerbOpen, Object: "front"},
		i.key.Public().(ed25519.PublicKey), func(m []byte) ([]byte, error) { return ed25519.Sign(i.key, m), nil })
	if err != nil {
		i.t.Fatal(err)
	}
	topic := telemetry.CommandTopic(site, p.id)
	if retained {
		// The panel is connected, and would get the order as a fresh one: it is away while it is left there.
		p.signal(syscall.SIGTERM)
		<-p.ended
	}
	wait(i.t, i.client.Publish(topic, 1, retained, raw))
	if retained {
		*p = *p.restart()
		defer func() { wait(i.t, i.client.Publish(topic, 1, true, []byte{})) }()
	}
	refusedBy := func() bool {
		var page struct {
			Entries []struct{ Kind, Why string }
		}
		do(i.t, p.socket, http.MethodGet, "http://localhost/api/v1/journal?limit=500&after=0", nil).into(i.t, &page)
		for _, e := range page.Entries {
			if e.Kind == "access.refused" && e.Why == why {
				return true
			}
		}
		return false
	}
	until(i.t, "the order is refused as "+why, nil, refusedBy)
	if retained && p.strikeMoved() {
		i.t.Error("the strike moved")
	}
}
