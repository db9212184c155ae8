package broker_test

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crypto/x509"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/telemetry"
)

// mosquitto is a real broker with the configuration that a hub writes for it.
type mosquitto struct {
	t       *testing.T
	dir     string
	addr    string
	ca      *authority.Authority
	process *exec.Cmd
	ended   chan struct{}
}

func startMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	m := &mosquitto{t: t, dir: t.TempDir()}
	if m.ca, err = authority.Open(authority.Options{Dir: filepath.Join(m.dir, "keys")}); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(m.addr)
	config := broker.MosquittoConfig(m.dir, port, "")
	config = strings.Replace(config, "persistence true", "persistence false", 1) // nothing may stay of a test
	if os.Geteuid() == 0 {
		config += "user root\n"
	}
	m.write(broker.MosquittoConfigFile, []byte(config))
	m.write(broker.MosquittoAccessFile, []byte(broker.MosquittoAccess()))
	m.write(broker.MosquittoCAFile, m.ca.CertificatePEM())
	for from, to := range map[string]string{authority.ServerCertFile: broker.MosquittoCertFile, authority.ServerKeyFile: broker.MosquittoKeyFile} {
		content, err := os.ReadFile(filepath.Join(m.dir, "keys", from))
		if err != nil {
			t.Fatal(err)
		}
		m.write(to, content)
	}
	m.revoke()
	m.start(program)
	t.Cleanup(m.stop)
	return m
}

func (m *mosquitto) write(name string, content []byte) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), content, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// revoke writes the list of revoked certificates.
func (m *mosquitto) revoke(certificates ...tls.Certificate) {
	m.t.Helper()
	var list []authority.Revoked
	for _, c := range certificates {
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			m.t.Fatal(err)
		}
		list = append(list, authority.Revoked{Serial: authority.SerialText(leaf.SerialNumber), At: time.Now()})
	}
	content, err := m.ca.RevocationList(list)
	if err != nil {
		m.t.Fatal(err)
	}
	if block, _ := pem.Decode(content); block == nil || block.Type != "X509 CRL" {
		m.t.Fatalf("the list is %s", content)
	}
	m.write(broker.MosquittoCRLFile, content)
}

func (m *mosquitto) start(program string) {
	m.t.Helper()
	m.process = exec.Command(program, "-c", filepath.Join(m.dir, broker.MosquittoConfigFile))
	m.process.Stderr = os.Stderr
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		_ = process.Wait()
		close(ended)
	}(m.process, m.ended)
	limit := time.After(patience)
	for {
		if conn, err := net.Dial("tcp", m.addr); err == nil {
			conn.Close()
			return
		}
		select {
		case <-limit:
			m.t.Fatal("mosquitto does not listen")
		case <-m.ended:
			m.t.Fatal("mosquitto ended")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (m *mosquitto) stop() {
	_ = m.process.Process.Signal(syscall.SIGTERM)
	<-m.ended
}

func (m *mosquitto) try(c *tls.Certificate, id string) (*client, error) {
	m.t.Helper()
	config := &tls.Config{RootCAs: m.ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
	if c != nil {
		config.Certificates = []tls.Certificate{*c}
	}
	o := mqtt.NewClientOptions().AddBroker("ssl://" + m.addr).SetTLSConfig(config).SetProtocolVersion(4).SetClientID(id).
		SetKeepAlive(20 * time.Second).SetAutoReconnect(false).SetCleanSession(false)
	f := &field{t: m.t}
	return f.try(o)
}

func (m *mosquitto) connect(c *tls.Certificate, id string) *client {
	m.t.Helper()
	connected, err := m.try(c, id)
	if err != nil {
		m.t.Fatal(err)
	}
	return connected
}

func TestMosquittoKeepsPanelsApart(t *testing.T) {
	m := startMosquitto(t)
	alpha, beta, hubs := certificate(t, m.ca, "alpha"), certificate(t, m.ca, "beta"), certificate(t, m.ca, broker.HubClient)
	if _, err := m.try(nil, "doorpanel-villa-alpha"); err == nil {
		t.Error("it takes clients without a certificate")
	}
	hub := m.connect(&hubs, broker.HubClient)
	hub.must(hub.SubscribeMultiple(map[string]byte{
		telemetry.LeafFilter(telemetry.LeafStatus): 1, telemetry.LeafFilter(telemetry.LeafEvent): 1, telemetry.LeafFilter(telemetry.LeafReply): 1,
	}, nil))
	b := m.connect(&beta, "doorpanel-villa-beta")
	b.granted(telemetry.CommandTopic("villa", "beta"))
	a := m.connect(&alpha, "doorpanel-villa-beta") // with the other's client id
	for _, filter := range []string{"#", "doorpanel/v1/#", "doorpanel/v1/+/+/status", "$SYS/#", "doorpanel/v1/villa/beta/command", telemetry.CommandTopic("villa", "alpha")} {
		a.granted(filter) // mosquitto says yes to all, and delivers none but alpha's own
	}
	a.Publish(telemetry.StatusTopic("villa", "beta"), 1, true, "forged")
	a.Publish(telemetry.EventTopic("villa", "beta"), 1, false, "forged")
	a.Publish(telemetry.CommandTopic("villa", "beta"), 1, false, "forged")
	a.Publish(telemetry.AckTopic("villa", "alpha"), 1, false, "forged")
	b.say(telemetry.StatusTopic("villa", "beta"), "true", true)
	b.say(telemetry.EventTopic("villa", "beta"), "true", false)
	hub.say(telemetry.CommandTopic("villa", "beta"), "for beta", false)
	a.say(telemetry.EventTopic("villa", "alpha"), "end", false)
	hub.next("the end", func(message mqtt.Message) bool {
		if string(message.Payload()) == "forged" {
			t.Errorf("the hub hears %s", message.Topic())
		}
		return string(message.Payload()) == "end"
	})
	hub.say(telemetry.CommandTopic("villa", "alpha"), "end", false)
	a.next("the end", func(message mqtt.Message) bool {
		if message.Topic() != telemetry.CommandTopic("villa", "alpha") && message.Topic() != telemetry.EventTopic("villa", "alpha") {
			t.Errorf("alpha hears %s: %s", message.Topic(), message.Payload())
		}
		return string(message.Payload()) == "end"
	})
	b.next("its command", func(message mqtt.Message) bool {
		if string(message.Payload()) == "forged" {
			t.Errorf("beta hears %s", message.Topic())
		}
		return string(message.Payload()) == "for beta"
	})
	select {
	case err := <-b.lost:
		t.Errorf("alpha ended beta's connection with its client id: %v", err)
	default:
	}
}

func TestMosquittoGivesNobodyAnothersSession(t *testing.T) {
	m := startMosquitto(t)
	alpha, beta, hubs := certificate(t, m.ca, "alpha"), certificate(t, m.ca, "beta"), certificate(t, m.ca, broker.HubClient)
	b := m.connect(&beta, "beta")
	b.granted(telemetry.CommandTopic("villa", "beta"))
	b.Disconnect(250)
	hub := m.connect(&hubs, broker.HubClient)
	hub.say(telemetry.CommandTopic("villa", "beta"), "kept for beta", false)
	for _, id := range []string{"beta", "doorpanel-villa-beta", broker.HubClient} {
		a := m.connect(&alpha, id)
		a.say(telemetry.EventTopic("villa", "alpha"), "it is there", false) // answered, so that whatever it was to get came before
		select {
		case message := <-a.messages:
			t.Errorf("as %s alpha hears %s on %s", id, message.Payload(), message.Topic())
		default:
		}
		a.Disconnect(0)
	}
	hub.say(telemetry.CommandTopic("villa", "beta"), "the last", false)
	b = m.connect(&beta, "another id, which is not looked at")
	for _, want := range []string{"kept for beta", "the last"} {
		b.next(want, func(message mqtt.Message) bool { return string(message.Payload()) == want })
	}
}

func TestMosquittoRefusesARevokedPanelOnceItReadsTheList(t *testing.T) {
	m := startMosquitto(t)
	alpha, beta := certificate(t, m.ca, "alpha"), certificate(t, m.ca, "beta")
	connected := m.connect(&alpha, "alpha")
	other := m.connect(&beta, "beta")
	m.revoke(alpha)
	if err := m.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	limit := time.After(patience)
	for {
		_, err := m.try(&alpha, "alpha")
		if err != nil {
			// The alert may be overtaken by the end of the connection.
			if !strings.Contains(err.Error(), "revoked certificate") && !strings.Contains(err.Error(), "connection reset") {
				t.Errorf("it is refused with %v", err)
			}
			break
		}
		select {
		case <-limit:
			t.Fatal("a revoked panel is let in after a reload")
		case <-time.After(20 * time.Millisecond):
		}
	}
	// A reload ends no connection. The hub does.
	as, err := m.ca.ClientCertificate("alpha")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: m.ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{as}}
	if err := broker.Displace(t.Context(), m.addr, config, "alpha"); err != nil {
		t.Fatal(err)
	}
	connected.waitLost()
	other.say(telemetry.EventTopic("villa", "beta"), "still there", false)
}
