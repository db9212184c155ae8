package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/telemetry"
)

// Message is what arrived on a topic. Payload belongs to the receiver.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool // the broker had kept it and said it again
	Again    bool // the broker may have delivered it before
	// Done tells the broker that it need not deliver the message again. It may be called from anywhere, also when the
	// connection is gone, and never waits for the network.
	Done func()
}

// Peer is told what a Link hears. Take may wait: the broker then waits too. The others return soon.
type Peer interface {
	Connected()
	Lost(cause error)
	Take(ctx context.Context, m Message)
}

// Link is a way to a broker.
type Link interface {
	// Run connects, and connects again, until ctx ends.
	Run(ctx context.Context, peer Peer) error
	// Send hands a message over and does not wait until the broker has it. An error says that it was not sent.
	Send(topic string, retained bool, payload []byte) error
	// Publish returns nil when the broker has the message.
	Publish(ctx context.Context, topic string, retained bool, payload []byte) error
}

// LinkOptions say which broker, and as whom.
type LinkOptions struct {
	Broker         string // mqtt://host[:1883] or mqtts://host[:8883]
	TLS            *tls.Config
	User, Password string
	// Dial makes the connection instead, such as to a broker in the same process. TLS is not used then.
	Dial func(ctx context.Context) (net.Conn, error)
	// ClientID names the session that the broker keeps while the hub is away; no two clients may share one.
	ClientID string

	KeepAlive  time.Duration // of MQTT; default 20 s
	Patience   time.Duration // for an answer of the broker; default 20 s
	Retry      time.Duration // first pause before connecting again; doubles, with a random share; default 1 s
	RetryLimit time.Duration // last pause; default 30 s
	Logger     *slog.Logger  // nil: silent
}

const (
	// sendLimit bounds what was sent and is not acknowledged by the broker, so that identifiers never run out; sendSpare is
	// for those who send at the same moment.
	sendLimit = 16_000
	sendSpare = 1_000
	// inflightLimit is how many messages a broker can have under way to one client (MQTT 3.1.1, section 2.3.1).
	inflightLimit = 65_535
)

var (
	errNotConnected = errors.New("there is no connection to the broker")
	errTooMany      = errors.New("the broker does not acknowledge what it was sent before")
)

// NewLink checks the options. It does not connect.
func NewLink(options LinkOptions) (Link, error) {
	if options.ClientID == "" {
		return nil, errors.New("cannot set up the hub's connection: the client id is missing")
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
	}{{&options.KeepAlive, 20 * time.Second}, {&options.Patience, 20 * time.Second}, {&options.Retry, time.Second}, {&options.RetryLimit, 30 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	l := &link{options: options, name: "the broker in this process"}
	if options.Dial != nil {
		l.dial = options.Dial
		return l, nil
	}
	return l, l.address()
}

// address reads where the broker is.
func (l *link) address() error {
	u, err := url.Parse(l.options.Broker)
	if err != nil {
		return errors.New("cannot read the broker's address: it is no URL; write mqtt://host:1883 or mqtts://host:8883")
	}
	port := map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme]
	if port == "" || u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("cannot use broker %q: write mqtt://host:1883 or mqtts://host:8883", u.Redacted())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	address := net.JoinHostPort(u.Hostname(), port)
	l.name = u.Scheme + "://" + address
	dialer := &net.Dialer{Timeout: l.options.Patience}
	if u.Scheme == "mqtt" {
		l.dial = func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", address) }
		return nil
	}
	config := l.options.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	secure := &tls.Dialer{NetDialer: dialer, Config: config}
	l.dial = func(ctx context.Context) (net.Conn, error) { return secure.DialContext(ctx, "tcp", address) }
	return nil
}

// link is a Link over MQTT 3.1.1. Each connection has a client of its own: the library never connects again by itself, for
// then neither subscriptions nor what was under way would be certain.
type link struct {
	options LinkOptions
	name    string
	dial    func(ctx context.Context) (net.Conn, error)

	mu     sync.Mutex
	client mqtt.Client // nil: not connected
	gone   chan struct{}
	sent   chan mqtt.Token // what Send handed over and the broker has not acknowledged, oldest first
}

func (l *link) Run(ctx context.Context, peer Peer) error {
	pause := l.options.Retry
	for {
		began := time.Now()
		err := l.session(ctx, peer)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > 10*l.options.Retry {
			pause = l.options.Retry
		}
		peer.Lost(err)
		wait := time.NewTimer(pause + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		pause = min(2*pause, l.options.RetryLimit)
	}
}

// session is one connection, from its beginning to its end.
func (l *link) session(ctx context.Context, peer Peer) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	conn := &closer{}
	lost := make(chan error, 1)
	done := make(chan func(), inflightLimit)
	go acknowledge(ctx, done)
	client := mqtt.NewClient(l.clientOptions(ctx, conn, lost))
	take := func(_ mqtt.Client, m mqtt.Message) {
		peer.Take(ctx, Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), Again: m.Duplicate(), Done: func() {
			select {
			case done <- m.Ack:
			default: // more than a broker can have under way
			}
		}})
	}
	filters := map[string]byte{}
	for _, leaf := range []telemetry.Leaf{telemetry.LeafStatus, telemetry.LeafEvent, telemetry.LeafReply} {
		filters[telemetry.LeafFilter(leaf)] = 1
		client.AddRoute(telemetry.LeafFilter(leaf), take)
	}
	abandon := func() {
		end() // lets a waiting Take go
		conn.Close()
		client.Disconnect(0)
	}
	if err := l.wait(ctx, client.Connect(), lost, "connect"); err != nil {
		abandon()
		return err
	}
	token := client.SubscribeMultiple(filters, nil)
	if err := l.wait(ctx, token, lost, "subscribe"); err != nil {
		abandon()
		return err
	}
	for filter, code := range token.(*mqtt.SubscribeToken).Result() {
		if code > 2 {
			abandon()
			return fmt.Errorf("cannot subscribe at broker %s: it denies %q; give the hub's user the right to read it", l.name, filter)
		}
	}
	gone := make(chan struct{})
	l.use(client, gone)
	peer.Connected()
	l.options.Logger.Info("connected to the broker", "broker", l.name)
	var err error
	select {
	case <-ctx.Done():
		l.use(nil, nil)
		close(gone)
		end()
		client.Disconnect(250)
		return nil
	case cause := <-lost:
		err = fmt.Errorf("lost the connection to broker %s: %w", l.name, cause)
	}
	l.use(nil, nil)
	close(gone)
	abandon()
	return err
}

func (l *link) clientOptions(ctx context.Context, conn *closer, lost chan error) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().
		AddBroker("tcp://broker").
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			c, err := l.dial(ctx)
			if err != nil {
				return nil, err
			}
			conn.hold(c)
			return &boundedConn{Conn: c}, nil
		}).
		SetProtocolVersion(4).
		SetClientID(l.options.ClientID).
		SetUsername(l.options.User).
		SetPassword(l.options.Password).
		SetCleanSession(false). // what panels say while the hub is away is kept by the broker
		SetStore(mqtt.NewMemoryStore()).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(l.options.Patience).
		SetKeepAlive(l.options.KeepAlive).
		SetPingTimeout(l.options.Patience).
		SetWriteTimeout(l.options.Patience).
		SetAutoAckDisabled(true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { m.Ack() }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			select {
			case lost <- err:
			default:
			}
		})
}

func (l *link) wait(ctx context.Context, token mqtt.Token, lost <-chan error, what string) error {
	limit := time.NewTimer(l.options.Patience)
	defer limit.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return fmt.Errorf("cannot %s at broker %s: %w", what, l.name, err)
		}
		return nil
	case err := <-lost:
		return fmt.Errorf("cannot %s at broker %s: %w", what, l.name, err)
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return fmt.Errorf("cannot %s at broker %s: no answer within %s", what, l.name, l.options.Patience)
	}
}

// acknowledge hands acknowledgments to the library, which waits for the network.
func acknowledge(ctx context.Context, done <-chan func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case ack := <-done:
			ack()
		}
	}
}

func (l *link) use(client mqtt.Client, gone chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client, l.gone, l.sent = client, gone, nil
	if client == nil {
		return
	}
	sent := make(chan mqtt.Token, sendLimit)
	l.sent = sent
	go func() {
		for {
			select {
			case <-gone:
				return
			case token := <-sent:
				select {
				case <-gone:
					return
				case <-token.Done():
				}
			}
		}
	}()
}

func (l *link) current() (client mqtt.Client, gone chan struct{}, sent chan mqtt.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client, l.gone, l.sent
}

func (l *link) Send(topic string, retained bool, payload []byte) error {
	client, _, sent := l.current()
	switch {
	case client == nil:
		return errNotConnected
	case len(sent) >= sendLimit-sendSpare:
		return errTooMany
	}
	token := client.Publish(topic, 1, retained, payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return err
		}
	default:
	}
	select {
	case sent <- token:
	default:
	}
	return nil
}

func (l *link) Publish(ctx context.Context, topic string, retained bool, payload []byte) error {
	client, gone, _ := l.current()
	if client == nil {
		return fmt.Errorf("cannot publish %s: %w", topic, errNotConnected)
	}
	token := client.Publish(topic, 1, retained, payload)
	limit := time.NewTimer(l.options.Patience)
	defer limit.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return fmt.Errorf("cannot publish %s: %w", topic, err)
		}
		return nil
	case <-gone:
		return fmt.Errorf("cannot publish %s: %w", topic, errNotConnected)
	case <-ctx.Done():
		return fmt.Errorf("cannot publish %s: %w", topic, ctx.Err())
	case <-limit.C:
		return fmt.Errorf("cannot publish %s: the broker did not acknowledge it within %s", topic, l.options.Patience)
	}
}

// closer closes a connection that the client library may still be making.
type closer struct {
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func (c *closer) hold(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.closed {
		conn.Close()
	}
}

// Close never waits.
func (c *closer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn != nil {
		c.conn.Close()
	}
}

// boundedConn fails at the header of a packet that is too large.
type boundedConn struct {
	net.Conn
	packets telemetry.Packets
}

func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.packets.Follow(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}
