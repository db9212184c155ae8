package broker

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/doorpanel/doorpanel/telemetry"
)

// Options of a broker.
type Options struct {
	Listen string // host:port for panels, over TLS; empty: only Plain
	// Certificate is the hub's, as tls.Config.GetCertificate asks for it; Clients is who makes the panels'.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Clients     *x509.CertPool
	// Honor tells at which site a panel may speak that shows a certificate for a key (64 hexadecimal digits of the SHA-256 of its
	// SPKI), or why not. It is asked at every connection; the text of its error is counted and shown to administrators.
	Honor func(panel, key string) (site string, err error)
	// Plain is for development: a listener without TLS. nil: none.
	Plain *Plain
	// Clone is told when two connections seem to speak for one panel, at most once in cloneEvery for each. nil: nobody.
	Clone func(panel, detail string)

	MaxClients int // connected at the same time; default 4096
	Logger     *slog.Logger
}

// Plain is a listener without TLS, on a loopback address only.
type Plain struct {
	Listen netip.AddrPort
	// Honor tells at which site a panel may speak that gives this password.
	Honor func(panel, password string) (site string, err error)
}

// Limits of what one client may ask of the broker. They are the same for all panels.
const (
	// PayloadLimit is the largest payload of a message, in bytes.
	PayloadLimit = telemetry.EventLimit
	packetLimit  = PayloadLimit + 1<<10 // with its topic
	connectTime  = 10 * time.Second     // for TLS, and again for the first packet
	maxKeepAlive = 300                  // seconds; a panel's is 20
	inflight     = 1024                 // messages that a client has not acknowledged
	pending      = 512                  // messages that wait to be written to a client
	panelBuffer  = 4 << 20              // bytes that wait to be written to a panel
	hubBuffer    = 64 << 20             // bytes that wait to be written to the hub
	// hubAhead is how many messages the hub may have that it has not acknowledged. Panels wait beyond that: each of them sends
	// again what got lost, but only after a minute.
	hubAhead = 384
	// sessionTime is for how long the session of a panel that is away is kept.
	sessionTime = 14 * 24 * time.Hour
	// handshakes bounds connections that have not said who they are.
	handshakes        = 128
	defaultMaxClients = 4096
)

// HubClient is the client id of the hub's own connection.
const HubClient = "doorpanel-hub"

// ClientID is the only client id that a panel may use: with another's it would end that one's connection and take over its session.
func ClientID(site, panel string) string { return "doorpanel-" + site + "-" + panel }

// Broker is an MQTT 3.1.1 broker. It keeps sessions and retained messages in memory: panels say their status again when they come
// back, and the hub publishes its documents again when it starts.
type Broker struct {
	o        Options
	log      *slog.Logger
	server   *mochi.Server
	gates    []*gate
	counters counters
	clones   clones
	room     room
	closing  atomic.Bool
	open     atomic.Int64 // connections, said who they are or not
	guests   sync.WaitGroup
}

// New checks the options and listens. Nobody is served before Start.
func New(o Options) (*Broker, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxClients <= 0 {
		o.MaxClients = defaultMaxClients
	}
	if o.Clone == nil {
		o.Clone = func(string, string) {}
	}
	b := &Broker{o: o, log: o.Logger}
	b.room.ready = sync.NewCond(&b.room.mu)
	b.server = mochi.New(&mochi.Options{
		Capabilities: capabilities(o.MaxClients), Logger: slog.New(quiet{o.Logger.Handler()}), SysTopicResendInterval: int64((365 * 24 * time.Hour).Seconds()),
	})
	if err := b.server.AddHook(&rules{b: b}, nil); err != nil {
		return nil, fmt.Errorf("cannot set up broker: %w", err)
	}
	if err := b.listen(); err != nil {
		for _, g := range b.gates {
			_ = g.listener.Close()
		}
		return nil, err
	}
	return b, nil
}

func capabilities(clients int) *mochi.Capabilities {
	return &mochi.Capabilities{
		MaximumClients: int64(clients) + 1, MaximumClientWritesPending: pending, MaximumSessionExpiryInterval: uint32(sessionTime / time.Second),
		MaximumPacketSize: packetLimit, ReceiveMaximum: inflight, MaximumInflight: inflight,
		MinimumProtocolVersion: 4, MaximumQos: 1, RetainAvailable: 1, WildcardSubAvailable: 1,
		// A message expires never: a retained status is true for as long as no other is said.
	}
}

func (b *Broker) listen() error {
	if b.o.Listen == "" && b.o.Plain == nil {
		return errors.New("cannot set up broker: there is nowhere to listen")
	}
	if b.o.Listen != "" {
		if b.o.Certificate == nil || b.o.Clients == nil || b.o.Honor == nil {
			return errors.New("cannot set up broker: certificate, authority or registry is missing")
		}
		err := b.add("panels", b.o.Listen, &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: b.o.Certificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: b.o.Clients,
			SessionTicketsDisabled: true, // each connection shows its certificate
		})
		if err != nil {
			return err
		}
	}
	if b.o.Plain == nil {
		return nil
	}
	if !b.o.Plain.Listen.Addr().IsLoopback() {
		return fmt.Errorf("cannot listen on %s without TLS: only loopback addresses, such as 127.0.0.1, are for development", b.o.Plain.Listen)
	}
	return b.add("plain", b.o.Plain.Listen.String(), nil)
}

func (b *Broker) add(id, address string, config *tls.Config) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen for MQTT on %s: %w", address, err)
	}
	g := &gate{b: b, id: id, listener: listener, tls: config}
	b.gates = append(b.gates, g)
	return b.server.AddListener(g)
}

// Addr is where panels connect, host:port.
func (b *Broker) Addr() string { return b.address("panels") }

// PlainAddr is where the listener for development is, host:port.
func (b *Broker) PlainAddr() string { return b.address("plain") }

func (b *Broker) address(id string) string {
	for _, g := range b.gates {
		if g.id == id {
			return g.Address()
		}
	}
	return ""
}

// Start serves whoever connects, until Close.
func (b *Broker) Start() error {
	if err := b.server.Serve(); err != nil {
		return err
	}
	for topic := range b.server.Topics.Retained.GetAll() { // the library's own, that nobody may read
		b.server.Topics.RetainMessage(packets.Packet{TopicName: topic})
	}
	return nil
}

// Close ends all connections. No will is published: that the hub goes says nothing about the panels. Closing twice is once.
func (b *Broker) Close() error {
	if !b.closing.CompareAndSwap(false, true) {
		return nil
	}
	for _, g := range b.gates {
		_ = g.listener.Close()
	}
	b.room.open()
	for _, cl := range b.server.Clients.GetAll() {
		cl.Stop(packets.ErrServerShuttingDown)
	}
	err := b.server.Close()
	b.guests.Wait()
	return err
}

// Dial connects the hub itself, without a network. It may read and write everything below doorpanel/v1/, with the client id
// HubClient; another connection takes its place.
func (b *Broker) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.closing.Load() {
		return nil, errors.New("cannot connect to the broker: it is closed")
	}
	near, far := net.Pipe()
	b.guests.Go(func() { b.establish("hub", newWire(far, identity{hub: true}, hubBuffer)) })
	return near, nil
}

// Kick ends a panel's connection and forgets its session and its status: for one that is not honored any more, or from elsewhere.
func (b *Broker) Kick(panel string) {
	for id, cl := range b.server.Clients.GetAll() {
		w, ok := cl.Net.Conn.(*wire)
		if !ok || w.who.panel != panel {
			continue
		}
		w.displaced.Store(true) // who sent it away knows that it is gone
		cl.Stop(packets.ErrNotAuthorized)
		b.server.UnsubscribeClient(cl)
		cl.ClearInflights()
		b.server.Clients.Delete(id)
		b.server.Topics.RetainMessage(packets.Packet{TopicName: telemetry.StatusTopic(w.who.site, panel)})
		b.log.Info("sent a panel away", "panel", panel)
	}
}

// Connected lists the panels that are connected, sorted.
func (b *Broker) Connected() []string {
	var list []string
	for _, cl := range b.server.Clients.GetAll() {
		if w, ok := cl.Net.Conn.(*wire); ok && !cl.Closed() && !w.who.hub {
			list = append(list, w.who.panel)
		}
	}
	slices.Sort(list)
	return list
}

// Figures are the broker's counters since its start, and how it is now.
type Figures struct {
	Connected  int64 // clients, the hub's own included
	Open       int64 // connections of any kind
	Sessions   int64 // kept, connected or not
	Retained   int64
	Received   int64 // messages
	Sent       int64
	Dropped    int64 // to clients that read too slowly
	TakenOver  uint64
	Refused    uint64
	Handshakes uint64 // connections that were accepted
}

// Figures returns them.
func (b *Broker) Figures() Figures {
	info := b.server.Info
	return Figures{
		Connected: atomic.LoadInt64(&info.ClientsConnected), Open: b.open.Load(), Sessions: int64(b.server.Clients.Len()), Retained: int64(b.server.Topics.Retained.Len()),
		Received: atomic.LoadInt64(&info.MessagesReceived), Sent: atomic.LoadInt64(&info.MessagesSent),
		Dropped:   atomic.LoadInt64(&info.MessagesDropped) + atomic.LoadInt64(&info.InflightDropped),
		TakenOver: b.clones.taken.Load(), Refused: b.counters.total(), Handshakes: b.counters.accepted.Load(),
	}
}

// Refusals counts what was refused, by reason, in the order in which reasons came up.
func (b *Broker) Refusals() []Refusals { return b.counters.list() }

// identity is who is behind a connection.
type identity struct {
	hub         bool
	plain       bool // not known before it gives a password
	panel, site string
	key         string // fingerprint of its TLS key
	remote      string
}

func (i identity) String() string {
	switch {
	case i.hub:
		return "the hub"
	case i.panel == "":
		return i.remote
	}
	return "panel " + i.panel + " at " + i.remote
}

// own is the beginning of every topic of a panel.
func (i identity) own() string { return "doorpanel/v1/" + i.site + "/" + i.panel + "/" }

// mayWrite tells whether a topic is one that this client publishes on.
func (i identity) mayWrite(topic string) bool {
	if i.hub {
		parsed, err := telemetry.ParseTopic(topic)
		return err == nil && (parsed.Leaf == telemetry.LeafAck || parsed.Leaf == telemetry.LeafCommand || parsed.Leaf == telemetry.LeafDocument)
	}
	leaf, ok := strings.CutPrefix(topic, i.own())
	return ok && (leaf == "status" || leaf == "event" || leaf == "reply")
}

// mayRead tells whether all that a topic or filter stands for is this client's to read.
func (i identity) mayRead(filter string) bool {
	if i.hub {
		return strings.HasPrefix(filter, "doorpanel/v1/")
	}
	leaf, ok := strings.CutPrefix(filter, i.own())
	return ok && (leaf == "status" || leaf == "ack" || leaf == "command" || strings.HasPrefix(leaf, "document/"))
}

// admit finds out who connects, or says why nobody is let in.
func (b *Broker) admit(w *wire, pk packets.Packet) *refusal {
	if pk.ProtocolVersion != 4 {
		return refuse("protocol", "%s speaks version %d of MQTT, not 3.1.1 (4)", w.who, pk.ProtocolVersion)
	}
	if w.who.hub {
		return nil
	}
	who := w.who
	var err error
	switch {
	case who.plain && b.o.Plain != nil:
		who.panel = string(pk.Connect.Username)
		who.site, err = b.o.Plain.Honor(who.panel, string(pk.Connect.Password))
	default:
		who.site, err = b.o.Honor(who.panel, who.key)
	}
	if err != nil {
		return refuse("not_honored", "%s: %v", who, err)
	}
	want := ClientID(who.site, who.panel)
	switch {
	case subtle.ConstantTimeCompare([]byte(pk.Connect.ClientIdentifier), []byte(want)) != 1:
		return refuse("client_id", "%s uses the client id %.80q, not %q", who, pk.Connect.ClientIdentifier, want)
	case pk.Connect.Keepalive == 0 || pk.Connect.Keepalive > maxKeepAlive:
		return refuse("keep_alive", "%s asks for a keep-alive of %d s, not 1 to %d", who, pk.Connect.Keepalive, maxKeepAlive)
	case pk.Connect.WillFlag && pk.Connect.WillTopic != telemetry.StatusTopic(who.site, who.panel):
		return refuse("will", "the will of %s is for %.200q", who, pk.Connect.WillTopic)
	}
	w.who = who
	return nil
}
