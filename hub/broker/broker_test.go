package broker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/telemetry"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// field is a broker with its authority, and who is honored there.
type field struct {
	t *testing.T
	*broker.Broker
	ca *authority.Authority

	mu     sync.Mutex
	sites  map[string]string
	clones chan string
}

func newField(t *testing.T, change func(*broker.Options)) *field {
	t.Helper()
	ca, err := authority.Open(authority.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	f := &field{t: t, ca: ca, sites: map[string]string{"alpha": "villa", "beta": "villa"}, clones: make(chan string, 16)}
	o := broker.Options{
		Listen: "127.0.0.1:0", Certificate: ca.ServerCertificate, Clients: ca.Pool(), Honor: f.honor,
		Clone: func(panel, detail string) { f.clones <- panel + ": " + detail },
	}
	if change != nil {
		change(&o)
	}
	if f.Broker, err = broker.New(o); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *field) honor(panel, key string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(key) != 64 {
		return "", fmt.Errorf("the key is %q", key)
	}
	if site, ok := f.sites[panel]; ok {
		return site, nil
	}
	return "", fmt.Errorf("panel %s was revoked", panel)
}

func (f *field) revoke(panel string) {
	f.mu.Lock()
	delete(f.sites, panel)
	f.mu.Unlock()
	f.Kick(panel)
}

// certificate makes one for a client of this name.
func certificate(t *testing.T, ca *authority.Authority, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := ca.Certify(csr, name)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(issued.PEM)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

// client is an MQTT client of a test.
type client struct {
	t *testing.T
	mqtt.Client
	messages chan mqtt.Message
	lost     chan error
}

func (f *field) options(name, id string) *mqtt.ClientOptions {
	config := &tls.Config{RootCAs: f.ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
	if name != "" {
		config.Certificates = []tls.Certificate{certificate(f.t, f.ca, name)}
	}
	return mqtt.NewClientOptions().AddBroker("ssl://" + f.Addr()).SetTLSConfig(config).SetProtocolVersion(4).SetClientID(id).
		SetKeepAlive(20 * time.Second).SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(false)
}

func panelID(panel string) string { return broker.ClientID("villa", panel) }

// try connects and returns the error.
func (f *field) try(o *mqtt.ClientOptions) (*client, error) {
	f.t.Helper()
	c := &client{t: f.t, messages: make(chan mqtt.Message, 1<<14), lost: make(chan error, 4)}
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.lost <- err })
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.messages <- m })
	c.Client = mqtt.NewClient(o)
	err := c.done(c.Connect())
	f.t.Cleanup(func() { c.Disconnect(0) })
	return c, err
}

func (f *field) connect(o *mqtt.ClientOptions) *client {
	f.t.Helper()
	c, err := f.try(o)
	if err != nil {
		f.t.Fatalf("cannot connect: %v; refused: %+v", err, f.Refusals())
	}
	return c
}

func (f *field) panel(name string) *client {
	f.t.Helper()
	return f.connect(f.options(name, panelID(name)).SetBinaryWill(telemetry.StatusTopic("villa", name), will("b1"), 1, true))
}

func will(boot string) []byte {
	raw, err := telemetry.Status{Cause: telemetry.CauseLost, Boot: boot}.Encode()
	if err != nil {
		panic(err)
	}
	return raw
}

// hub connects the hub itself and subscribes to everything that panels say.
func (f *field) hub() *client {
	f.t.Helper()
	o := mqtt.NewClientOptions().AddBroker("tcp://hub").SetProtocolVersion(4).SetClientID(broker.HubClient).SetAutoReconnect(false).SetConnectRetry(false).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return f.Dial(context.Background()) })
	c := f.connect(o)
	c.must(c.SubscribeMultiple(map[string]byte{
		telemetry.LeafFilter(telemetry.LeafStatus): 1, telemetry.LeafFilter(telemetry.LeafEvent): 1, telemetry.LeafFilter(telemetry.LeafReply): 1,
	}, nil))
	return c
}

func (c *client) done(token mqtt.Token) error {
	c.t.Helper()
	if !token.WaitTimeout(patience) {
		return errors.New("no answer")
	}
	return token.Error()
}

func (c *client) must(token mqtt.Token) {
	c.t.Helper()
	if err := c.done(token); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) say(topic, payload string, retained bool) {
	c.t.Helper()
	c.must(c.Publish(topic, 1, retained, payload))
}

// granted subscribes and tells which filters were granted.
func (c *client) granted(filter string) bool {
	c.t.Helper()
	token := c.Subscribe(filter, 1, nil).(*mqtt.SubscribeToken)
	_ = c.done(token) // a refusal is an error in some versions of the library
	code, ok := token.Result()[filter]
	return ok && code <= 2
}

func (c *client) next(what string, fits func(mqtt.Message) bool) mqtt.Message {
	c.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case m := <-c.messages:
			if fits(m) {
				return m
			}
		case <-limit:
			c.t.Fatalf("%s did not come", what)
		}
	}
}

func (c *client) waitLost() {
	c.t.Helper()
	select {
	case <-c.lost:
	case <-time.After(patience):
		c.t.Fatal("the connection was not ended")
	}
}

func on(topic string, part string) func(mqtt.Message) bool {
	return func(m mqtt.Message) bool { return m.Topic() == topic && strings.Contains(string(m.Payload()), part) }
}

// refused waits until the broker has counted a refusal for this reason, and returns it.
func (f *field) refused(why string) broker.Refusals {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		list := f.Refusals()
		if i := slices.IndexFunc(list, func(r broker.Refusals) bool { return r.Why == why }); i >= 0 {
			return list[i]
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("no refusal %q was counted: %+v", why, list)
		}
		f.gosched()
	}
}

// gosched lets the broker's goroutines go on: what is waited for is counted after the client hears of it.
func (f *field) gosched() { <-time.After(time.Millisecond) }

var (
	status  = telemetry.StatusTopic("villa", "alpha")
	event   = telemetry.EventTopic("villa", "alpha")
	command = telemetry.CommandTopic("villa", "alpha")
)

func TestWhatAPanelSaysReachesTheHubAndBack(t *testing.T) {
	f := newField(t, nil)
	hub := f.hub()
	panel := f.panel("alpha")
	for _, filter := range []string{status, command, telemetry.AckTopic("villa", "alpha"), telemetry.DocumentFilter("villa", "alpha"), "doorpanel/v1/villa/alpha/document/#"} {
		if !panel.granted(filter) {
			t.Errorf("a panel may not read its own %s", filter)
		}
	}
	panel.say(status, `{"online":true}`, true)
	panel.say(event, "one", false)
	hub.next("the status", on(status, "online"))
	hub.next("the event", on(event, "one"))
	hub.say(command, "open", false)
	panel.next("the command", on(command, "open"))
	hub.say(telemetry.DocumentTopic("villa", "alpha", telemetry.DocumentGrant, "1"), "doc", true)
	panel.next("the document", func(m mqtt.Message) bool { return string(m.Payload()) == "doc" })
	if got := f.Connected(); !slices.Equal(got, []string{"alpha"}) {
		t.Errorf("connected: %v", got)
	}
}

// attack is somebody who holds alpha's certificate, or none, and tries what is not alpha's.
func TestNobodyReachesWhatIsNotTheirs(t *testing.T) {
	f := newField(t, nil)
	hub := f.hub()
	for _, c := range []struct {
		name, why string
		connect   func() (*client, error)
	}{
		{"no certificate", "tls", func() (*client, error) { return f.try(f.options("", panelID("alpha"))) }},
		{"a foreign certificate", "certificate", func() (*client, error) {
			other, err := authority.Open(authority.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			o := f.options("alpha", panelID("alpha"))
			forged := certificate(t, other, "alpha") // shown although the broker names another authority
			o.TLSConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &forged, nil }
			return f.try(o)
		}},
		{"a panel that is not known", "not_honored", func() (*client, error) { return f.try(f.options("gamma", panelID("gamma"))) }},
		{"another's client id", "client_id", func() (*client, error) { return f.try(f.options("alpha", panelID("beta"))) }},
		{"the hub's client id", "client_id", func() (*client, error) { return f.try(f.options("alpha", broker.HubClient)) }},
		{"a will for another panel", "will", func() (*client, error) {
			return f.try(f.options("alpha", panelID("alpha")).SetBinaryWill(telemetry.StatusTopic("villa", "beta"), will("b1"), 1, true))
		}},
		{"a will that is a command", "will", func() (*client, error) {
			return f.try(f.options("alpha", panelID("alpha")).SetBinaryWill(command, will("b1"), 1, false))
		}},
		{"no keep-alive", "keep_alive", func() (*client, error) { return f.try(f.options("alpha", panelID("alpha")).SetKeepAlive(0)) }},
		{"a keep-alive of hours", "keep_alive", func() (*client, error) {
			return f.try(f.options("alpha", panelID("alpha")).SetKeepAlive(5 * time.Hour))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := count(f.Refusals(), c.why)
			if _, err := c.connect(); err == nil {
				t.Fatal("it was let in")
			}
			f.refused(c.why)
			if after := count(f.Refusals(), c.why); after != before+1 {
				t.Errorf("%d refusals for %q, then %d: %+v", before, c.why, after, f.Refusals())
			}
		})
	}
	for _, filter := range []string{
		"#", "+/#", "doorpanel/#", "doorpanel/v1/#", "doorpanel/v1/villa/#", "doorpanel/v1/+/alpha/status", "doorpanel/v1/villa/+/status", "doorpanel/v1/villa/alpha/#",
		"doorpanel/v1/villa/alpha/+", "doorpanel/v1/villa/beta/status", "doorpanel/v1/villa/beta/document/#", "doorpanel/v1/other/alpha/status",
		"doorpanel/v1/villa/alpha/event", "$SYS/#", "$share/g/doorpanel/v1/villa/beta/event", "$share/g/doorpanel/v1/villa/alpha/status",
	} {
		panel := f.panel("alpha")
		if panel.granted(filter) {
			t.Errorf("a panel may read %s", filter)
		}
		panel.Disconnect(0)
	}
	for _, topic := range []string{
		telemetry.StatusTopic("villa", "beta"), telemetry.EventTopic("villa", "beta"), telemetry.EventTopic("other", "alpha"), command,
		telemetry.AckTopic("villa", "alpha"), telemetry.DocumentTopic("villa", "alpha", telemetry.DocumentGrant, "1"), "doorpanel/v1/villa/alpha/event/more", "free", "$SYS/broker/version",
	} {
		panel := f.panel("alpha")
		panel.Publish(topic, 1, false, "forged")
		panel.waitLost()
	}
	retaining := f.panel("alpha")
	retaining.Publish(event, 1, true, "forged")
	retaining.waitLost()
	talkative := f.panel("alpha")
	talkative.Publish(telemetry.ReplyTopic("villa", "alpha"), 1, false, strings.Repeat("x", telemetry.ReplyLimit+1))
	talkative.waitLost()
	large := f.panel("alpha")
	large.Publish(event, 1, false, strings.Repeat("x", broker.PayloadLimit+1))
	large.waitLost()
	huge := f.panel("alpha")
	huge.Publish(event, 1, false, strings.Repeat("x", 1<<20))
	huge.waitLost()
	for _, why := range []string{"write", "wildcard", "read", "retained", "too_large"} {
		f.refused(why)
	}
	// None of it was heard. What is said after it is.
	panel := f.panel("beta")
	panel.say(telemetry.EventTopic("villa", "beta"), "true", false)
	hub.next("the event", func(m mqtt.Message) bool {
		if strings.Contains(string(m.Payload()), "forged") {
			t.Errorf("the hub heard %s on %s", m.Payload(), m.Topic())
		}
		return string(m.Payload()) == "true"
	})
}

func TestThePlaceOfAPanelThatWasSentAwayIsEmpty(t *testing.T) {
	f := newField(t, nil)
	first := f.panel("alpha")
	first.granted(telemetry.CommandTopic("villa", "alpha"))
	f.Kick("alpha")
	first.waitLost()
	again := &client{t: t, lost: make(chan error, 1)}
	again.Client = mqtt.NewClient(f.options("alpha", panelID("alpha")))
	t.Cleanup(func() { again.Disconnect(0) })
	token := again.Connect().(*mqtt.ConnectToken)
	again.must(token)
	if token.SessionPresent() {
		t.Error("the session of the panel that was sent away is there for whoever comes under its name")
	}
}

func TestTheHubSaysNothingInAPanelsPlace(t *testing.T) {
	f := newField(t, nil)
	hub := f.hub()
	hub.Publish(telemetry.StatusTopic("villa", "alpha"), 1, true, "forged")
	hub.waitLost()
	f.refused("write")
}

func TestAPanelThatIsRevokedWhileItConnectsIsSentAway(t *testing.T) {
	asked := make(chan struct{}, 1)
	f := newField(t, func(o *broker.Options) {
		o.Honor = func(string, string) (string, error) {
			select {
			case asked <- struct{}{}:
				return "villa", nil
			default:
				return "", errors.New("it was revoked meanwhile")
			}
		}
	})
	if panel, err := f.try(f.options("alpha", panelID("alpha"))); err == nil {
		panel.waitLost()
	}
	if list := f.Connected(); len(list) != 0 {
		t.Errorf("connected: %v", list)
	}
}

func TestEachConnectionShowsItsCertificate(t *testing.T) {
	f := newField(t, nil)
	config := &tls.Config{
		RootCAs: f.ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{certificate(t, f.ca, "alpha")}, ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	for range 2 {
		c, err := tls.Dial("tcp", f.Addr(), config)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(hello("alpha")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil { // with the answer a ticket would come
			t.Fatal(err)
		}
		if c.ConnectionState().DidResume {
			t.Error("a session was taken up again without a certificate")
		}
		c.Close()
	}
}

func count(list []broker.Refusals, why string) uint64 {
	for _, r := range list {
		if r.Why == why {
			return r.Count
		}
	}
	return 0
}

func TestRevokedPanelIsSentAwayAndStaysOut(t *testing.T) {
	f := newField(t, nil)
	panel := f.panel("alpha")
	panel.say(status, `{"online":true}`, true)
	f.revoke("alpha")
	panel.waitLost()
	if _, err := f.try(f.options("alpha", panelID("alpha"))); err == nil {
		t.Error("a revoked panel came back")
	}
	if got := f.Figures(); got.Retained != 0 {
		t.Errorf("%d messages of it are kept", got.Retained)
	}
	if r := f.refused("not_honored"); !strings.Contains(r.Last, "was revoked") {
		t.Errorf("the refusal says %q", r.Last)
	}
}

func TestLostConnectionLeavesTheWillAndACleanEndDoesNot(t *testing.T) {
	f := newField(t, nil)
	hub := f.hub()
	conns := make(chan net.Conn, 1)
	o := f.options("alpha", panelID("alpha")).SetBinaryWill(status, will("b1"), 1, true)
	config := o.TLSConfig
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		c, err := tls.Dial("tcp", f.Addr(), config)
		if err == nil {
			conns <- c
		}
		return c, err
	})
	f.connect(o)
	(<-conns).Close()
	hub.next("the will", on(status, "lost"))
	clean := f.panel("alpha")
	clean.say(status, `{"online":false,"cause":"stopped"}`, true)
	clean.Disconnect(250)
	other := f.panel("beta")
	other.say(telemetry.EventTopic("villa", "beta"), "end", false)
	hub.next("the end", func(m mqtt.Message) bool {
		if strings.Contains(string(m.Payload()), "lost") {
			t.Error("a clean end left a will")
		}
		return string(m.Payload()) == "end"
	})
	// Who subscribes later is told what was said last.
	late := f.hub()
	late.next("the retained status", on(status, "stopped"))
}

func TestPanelThatConnectsAgainIsNotSaidToBeLost(t *testing.T) {
	f := newField(t, nil)
	hub := f.hub()
	old := f.panel("alpha")
	fresh := f.panel("alpha") // the old connection is still there: the line broke without a word
	old.waitLost()
	fresh.say(status, `{"online":true,"second":true}`, true)
	fresh.say(event, "end", false)
	hub.next("the end", func(m mqtt.Message) bool {
		if strings.Contains(string(m.Payload()), "lost") {
			t.Error("the will of a connection that was taken over was heard")
		}
		return string(m.Payload()) == "end"
	})
	if got := f.Figures().TakenOver; got != 1 {
		t.Errorf("%d connections were taken over", got)
	}
}

func TestTwoPanelsWithOneIdentityAreTold(t *testing.T) {
	f := newField(t, nil)
	stolen := certificate(t, f.ca, "alpha")
	connect := func(boot string) *client {
		o := f.options("alpha", panelID("alpha")).SetBinaryWill(status, will(boot), 1, true)
		o.TLSConfig.Certificates = []tls.Certificate{stolen}
		return f.connect(o)
	}
	connect("b1")
	connect("thief")
	select {
	case said := <-f.clones:
		t.Fatalf("a panel that was started again was taken for two: %s", said)
	default:
	}
	connect("b1")
	select {
	case said := <-f.clones:
		if !strings.Contains(said, "alpha") || !strings.Contains(said, "b1") {
			t.Errorf("said %q", said)
		}
	case <-time.After(patience):
		t.Error("nobody was told")
	}
}

func TestBrokerThatGoesSaysNothingAboutPanels(t *testing.T) {
	f := newField(t, nil)
	hub := f.hub()
	panel := f.panel("alpha")
	panel.say(event, "one", false)
	hub.next("the event", on(event, "one"))
	if err := f.Broker.Close(); err != nil {
		t.Fatal(err)
	}
	hub.waitLost()
	select {
	case m := <-hub.messages:
		t.Errorf("heard %s %s", m.Topic(), m.Payload())
	default:
	}
}

func TestPlainListenerIsForThisHostOnly(t *testing.T) {
	refuse := func(address string) {
		t.Helper()
		_, err := broker.New(broker.Options{Plain: &broker.Plain{Listen: netip.MustParseAddrPort(address)}})
		if err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", address, err)
		}
	}
	refuse("0.0.0.0:0")
	refuse("192.0.2.1:1883")
	f := newField(t, func(o *broker.Options) {
		o.Plain = &broker.Plain{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Honor: func(panel, password string) (string, error) {
			if panel != "alpha" || password != "word" {
				return "", errors.New("wrong password")
			}
			return "villa", nil
		}}
	})
	o := func(password string) *mqtt.ClientOptions {
		return mqtt.NewClientOptions().AddBroker("tcp://" + f.PlainAddr()).SetProtocolVersion(4).SetClientID(panelID("alpha")).SetKeepAlive(20 * time.Second).
			SetUsername("alpha").SetPassword(password).SetAutoReconnect(false)
	}
	if _, err := f.try(o("wrong")); err == nil {
		t.Error("a wrong password was let in")
	}
	panel := f.connect(o("word"))
	if !panel.granted(status) || panel.granted("doorpanel/v1/villa/beta/status") {
		t.Error("the rights of a plain connection are others")
	}
}

func TestPanelsWaitForAHubThatIsSlow(t *testing.T) {
	f := newField(t, nil)
	o := mqtt.NewClientOptions().AddBroker("tcp://hub").SetProtocolVersion(4).SetClientID(broker.HubClient).SetAutoReconnect(false).SetAutoAckDisabled(true).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return f.Dial(context.Background()) })
	hub := f.connect(o)
	hub.must(hub.Subscribe(telemetry.LeafFilter(telemetry.LeafEvent), 1, nil))
	panel := f.panel("alpha")
	const events = 3000
	var tokens []mqtt.Token
	for i := range events {
		tokens = append(tokens, panel.Publish(event, 1, false, fmt.Sprint(i)))
	}
	heard := 0
	for heard < events {
		select {
		case m := <-hub.messages:
			if got := string(m.Payload()); got != fmt.Sprint(heard) {
				t.Fatalf("event %d came as %s", heard, got)
			}
			heard++
			m.Ack()
		case <-time.After(patience):
			t.Fatalf("%d of %d events came; %+v", heard, events, f.Figures())
		}
	}
	for _, token := range tokens {
		panel.must(token)
	}
	if dropped := f.Figures().Dropped; dropped != 0 {
		t.Errorf("%d messages were dropped", dropped)
	}
}
