package main_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// intruder speaks to a hub's broker as a panel whose key somebody has.
type intruder struct {
	h     *hubProcess
	panel string
	site  string
	own   tls.Certificate
	roots *x509.CertPool
}

func (h *hubProcess) intruder(p *panelProcess, site string) *intruder {
	h.t.Helper()
	fail := func(err error) {
		if err != nil {
			h.t.Helper()
			h.t.Fatal(err)
		}
	}
	ca, err := authority.Open(authority.Options{Dir: filepath.Join(h.data, "keys"), Hosts: func() []string { return []string{"127.0.0.1", "127.0.0.1"} }})
	fail(err)
	raw, err := os.ReadFile(filepath.Join(p.data, "keys", "hub-tls.key"))
	fail(err)
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	fail(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	fail(err)
	issued, err := ca.Certify(csr, p.id)
	fail(err)
	block, _ = pem.Decode(issued.PEM)
	return &intruder{h, p.id, site, tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, ca.Pool()}
}

// tries connects and does something; nobody cares what the broker answers.
func (i *intruder) tries(change func(*mqtt.ClientOptions), then func(mqtt.Client)) {
	i.h.t.Helper()
	lost := make(chan struct{})
	o := mqtt.NewClientOptions().AddBroker("tls://" + strings.TrimPrefix(i.h.mqtt, "mqtts://")).SetClientID("doorpanel-" + i.site + "-" + i.panel).SetProtocolVersion(4).
		SetTLSConfig(&tls.Config{RootCAs: i.roots, Certificates: []tls.Certificate{i.own}}).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
	if change != nil {
		change(o)
	}
	c := mqtt.NewClient(o)
	defer c.Disconnect(0)
	token := c.Connect()
	if !token.WaitTimeout(patience) {
		i.h.t.Fatal("the broker does not answer")
	}
	if token.Error() == nil && then != nil {
		then(c)
		select {
		case <-lost:
		case <-time.After(patience):
			i.h.t.Error("the connection is still there")
		}
	}
}

// counted is how often something was refused, with its example.
func (h *hubProcess) counted(part, reason string) (n uint64, example string) {
	h.t.Helper()
	var health struct {
		Counters []struct {
			Part, Reason, Example string
			Count                 uint64
		}
	}
	h.must(http.StatusOK, "GET", "/health", nil).into(h.t, &health)
	for _, c := range health.Counters {
		if c.Part == part && c.Reason == reason {
			return c.Count, c.Example
		}
	}
	return 0, ""
}

func TestWhatIsForgedIsRefusedCountedAndShown(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	site := h.site("House")
	victim, thief := startPanel(t, "Gate", ""), startPanel(t, "Cellar", "")
	h.join(site, victim)
	h.join(site, thief)
	h.caughtUp(victim)
	thief.stop() // its connection is the intruder's from now on
	i := h.intruder(thief, site)
	will := []byte(`{"v":1,"online":false,"cause":"lost","boot":"b"}`)
	own := telemetry.EventTopic(site, thief.id)
	for _, c := range []struct {
		name, part, reason, shows string
		change                    func(*mqtt.ClientOptions)
		then                      func(mqtt.Client)
	}{
		{"a forged will", "broker", "will", victim.id, func(o *mqtt.ClientOptions) { o.SetBinaryWill(telemetry.StatusTopic(site, victim.id), will, 1, true) }, nil},
		{"another's client id", "broker", "client_id", victim.id, func(o *mqtt.ClientOptions) { o.SetClientID("doorpanel-" + site + "-" + victim.id) }, nil},
		{"a foreign certificate", "broker", "certificate", "127.0.0.1", func(o *mqtt.ClientOptions) {
			foreign, err := authority.Open(authority.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			forged, err := foreign.ClientCertificate(victim.id)
			if err != nil {
				t.Fatal(err)
			}
			o.SetTLSConfig(&tls.Config{RootCAs: i.roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &forged, nil }})
		}, nil},
		{"a wrong topic", "broker", "write", victim.id, nil, func(c mqtt.Client) { c.Publish(telemetry.EventTopic(site, victim.id), 1, false, "forged") }},
		{"an order of its own", "broker", "write", "command", nil, func(c mqtt.Client) { c.Publish(telemetry.CommandTopic(site, thief.id), 1, false, "forged") }},
		{"too large", "broker", "too_large", thief.id, nil, func(c mqtt.Client) { c.Publish(own, 1, false, strings.Repeat("x", 80_000)) }},
		{"a wildcard", "broker", "wildcard", "doorpanel/v1/#", nil, func(c mqtt.Client) {
			c.Subscribe("doorpanel/v1/#", 1, nil).WaitTimeout(patience)
			c.Publish(victim.id, 1, false, "")
		}},
		{"malformed", "hub", "cannot be read", own, nil, func(c mqtt.Client) {
			c.Publish(own, 1, false, `{"v":1,`).WaitTimeout(patience)
			c.Publish(own, 1, false, "\x1b[2J<script>").WaitTimeout(patience)
			c.Publish("end", 1, false, "")
		}},
		{"a stale number", "hub", "cannot be read", own, nil, func(c mqtt.Client) {
			c.Publish(own, 1, false, `{"v":1,"epoch":"e1","seq":0,"kind":"door.opened"}`).WaitTimeout(patience)
			c.Publish("end", 1, false, "")
		}},
	} {
		before, _ := h.counted(c.part, c.reason)
		i.tries(c.change, c.then)
		h.until(c.name+" is counted", func() bool { n, _ := h.counted(c.part, c.reason); return n > before })
		if _, example := h.counted(c.part, c.reason); !strings.Contains(example, c.shows) || strings.ContainsAny(example, "\x1b\n") {
			t.Errorf("%s is shown as %q", c.name, example)
		}
	}
	victim.badges(0, 3)
	for _, r := range h.refusals(victim, 3) {
		if strings.Contains(r.Event.Detail, "forged") {
			t.Errorf("%+v", r)
		}
	}
	if faults := h.panel(victim.id).Faults; len(faults) > 0 {
		t.Errorf("the other panel: %+v", faults)
	}
}

func TestACopiedPanelIsFoundCountedAndShown(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	site := h.site("House")
	p := startPanel(t, "Gate", "")
	h.join(site, p)
	p.badges(0, 3)
	h.refusals(p, 3)
	p.stop()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(p.data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"hub-tls.key", "panel.key"} { // a copy keeps no modes
		_ = os.Chmod(filepath.Join(data, "keys", file), 0o600)
	}
	first := p.restart()
	first.badges(3, 6)
	second := startPanelIn(t, "Gate", "", dir, data)
	second.badges(100, 103)
	h.until("the hub says that there are two", func() bool {
		n, example := h.counted("hub", "two panels with one identity")
		return n > 0 && strings.Contains(example, p.id)
	})
	h.until("the page of the panel says so", func() bool {
		for _, f := range h.panel(p.id).Faults {
			if f.Kind == fleet.FaultClone && strings.Contains(f.Detail, "Revoke it and enroll both anew") {
				return true
			}
		}
		return false
	})
	// As it says.
	h.works("panels", "revoke", p.id)
	until(t, "neither is let in any more", nil, func() bool { return first.hub().State == "failed" && second.hub().State == "failed" })
}
