package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/telemetry"
)

// rubbish is one thing that no panel should say or ask for.
type rubbish struct {
	what      string
	topic     string
	payload   []byte
	retained  bool
	subscribe string // instead of publishing
}

// rubbishOf lists what a mad panel does with its own identity: words that cannot be read, numbers that are over, and topics of
// others.
func rubbishOf(c *core, neighbor string) []rubbish {
	own, status := telemetry.EventTopic(c.site.id, c.id), telemetry.StatusTopic(c.site.id, c.id)
	stale := []byte(`{"v":1,"epoch":"0123456789abcdef","boot":"x","seq":1,"time":"2000-01-01T00:00:00Z","trusted":true,"mono_ms":1,"kind":"door.opened","door":"front","who":"","why":""}`)
	return []rubbish{
		// First what a hub must notice: a story may end while the rest is still being said.
		{what: "another journal's first entry", topic: own, payload: stale},
		{what: "not JSON", topic: own, payload: []byte("\x00\xff\xfe{")},
		{what: "two members of one name", topic: own, payload: []byte(`{"v":1,"seq":1,"seq":2,"epoch":"e","kind":"k"}`)},
		{what: "a deep nest", topic: own, payload: []byte(strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500))},
		{what: "an event without a kind", topic: own, payload: []byte(`{"v":1,"epoch":"e","seq":5}`)},
		{what: "another version", topic: own, payload: []byte(`{"v":99,"epoch":"e","seq":5,"kind":"door.opened"}`)},
		{what: "a number far ahead", topic: own, payload: []byte(`{"v":1,"epoch":"0123456789abcdef","boot":"x","seq":18446744073709551615,"kind":"door.opened"}`)},
		{what: "a status that is none", topic: status, payload: []byte(`{"v":1,"online":"yes"}`)},
		{what: "an empty retained status", topic: status, retained: true},
		{what: "60 kB of letters", topic: own, payload: []byte(strings.Repeat("x", 60<<10))},
		{what: "more than a message may have", topic: own, payload: []byte(strings.Repeat("x", 200<<10))},
		{what: "a neighbor's event", topic: telemetry.EventTopic(c.site.id, neighbor), payload: stale},
		{what: "a neighbor's last will", topic: telemetry.StatusTopic(c.site.id, neighbor), payload: []byte(`{"v":1,"online":false,"cause":"lost","boot":"x"}`)},
		{what: "an acknowledgment", topic: telemetry.AckTopic(c.site.id, c.id), payload: []byte(`{"epoch":"e","seq":1}`)},
		{what: "a command", topic: telemetry.CommandTopic(c.site.id, c.id), payload: []byte("open")},
		{what: "a topic of nobody", topic: "elsewhere/entirely", payload: []byte("hello")},
		{what: "a wish to hear everything", subscribe: "#"},
		{what: "a wish to hear all panels", subscribe: "doorpanel/v1/+/+/event"},
	}
}

// babble lets a panel go mad: its core is stopped, rubbish is sent under its identity, and it is started again.
func (f *fleet) babble(ctx context.Context, c *core) error {
	if err := c.stop(); err != nil {
		return err
	}
	c.mu.Lock()
	c.odd = "sent garbage"
	c.mu.Unlock()
	neighbor := f.cores[c.index%len(f.cores)].id
	var faults []error
	for _, r := range rubbishOf(c, neighbor) {
		// Each on a connection of its own, since a broker may end one that it does not like.
		if err := c.utter(ctx, r); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", r.what, err))
		}
	}
	return errors.Join(append(faults, c.powerOn())...)
}

const utterFor = 5 * time.Second

// utter sends one piece of rubbish. What the broker makes of it is the broker's affair: only a connection that does not come about is
// an error.
func (c *core) utter(ctx context.Context, r rubbish) error {
	var o uplink.Options
	if err := c.dials(&o); err != nil {
		return err
	}
	options, err := rawOptions(o)
	if err != nil {
		return err
	}
	options.SetClientID("doorpanel-" + c.site.id + "-" + c.id).SetCleanSession(true).SetAutoReconnect(false).SetConnectTimeout(utterFor).
		SetWriteTimeout(utterFor).SetProtocolVersion(4)
	options.SetCustomOpenConnectionFn(func(u *url.URL, m mqtt.ClientOptions) (net.Conn, error) {
		plain, err := c.line.dial(ctx, "tcp", u.Host)
		if err != nil || m.TLSConfig == nil || u.Scheme != "mqtts" {
			return plain, err
		}
		return tls.Client(plain, m.TLSConfig), nil
	})
	client := mqtt.NewClient(options)
	if token := client.Connect(); !token.WaitTimeout(2 * utterFor) {
		return errors.New("the broker does not answer")
	} else if err := token.Error(); err != nil {
		return err
	}
	defer client.Disconnect(50)
	var token mqtt.Token
	if r.subscribe != "" {
		token = client.Subscribe(r.subscribe, 1, func(mqtt.Client, mqtt.Message) {})
	} else {
		token = client.Publish(r.topic, 1, r.retained, r.payload)
	}
	token.WaitTimeout(utterFor / 5)
	return nil
}

// rawOptions are a client's options for the place that an uplink's options name.
func rawOptions(o uplink.Options) (*mqtt.ClientOptions, error) {
	u, err := url.Parse(o.Broker)
	if err != nil {
		return nil, err
	}
	port := map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	}
	options := mqtt.NewClientOptions().AddBroker(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)).SetUsername(o.User).SetPassword(string(o.Password))
	if u.Scheme == "mqtts" {
		if o.TLS != nil {
			config := o.TLS.Clone()
			config.ServerName = u.Hostname()
			return options.SetTLSConfig(config), nil
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname(), RootCAs: x509.NewCertPool()}
		config.RootCAs.AppendCertsFromPEM(o.CA)
		options.SetTLSConfig(config)
	}
	return options, nil
}
