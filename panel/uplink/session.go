package uplink

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// session is one connection from its beginning to its end. The client library never connects again by itself: order and
// at-least-once come from reading the outbox again, which only this side can do.
type session struct {
	*Uplink
	client mqtt.Client
	ending <-chan struct{}    // Run is asked to end
	lost   chan error         // from the library: the connection is gone
	faults chan error         // from the callbacks: the connection is to be given up
	acks   chan telemetry.Ack // from the hub
	twins  chan string        // boot of another panel that publishes as this one
	own    bool               // the retained status was this boot's when the session began

	connLock sync.Mutex
	conn     net.Conn

	unacked    []publication // by the broker, oldest first
	heard      time.Time     // when the broker last acknowledged something
	reader     *reader
	statusOut  bool      // a status is on its way
	statusNext time.Time // when the next is due
	progress   time.Time // last movement of the window
	patience   time.Duration
	doneFault  string // last error of Done, said once
}

// publication is a message that the broker has not acknowledged.
type publication struct {
	token mqtt.Token
	since time.Time
	seq   uint64 // of an event, else 0
	state bool   // it is the status
}

// reader waits for the outbox.
type reader struct {
	events chan telemetry.Event
	errs   chan error
	cancel context.CancelFunc
	done   chan struct{}
	pulled uint64 // last entry taken out; read it after done
}

func (s *session) startReader() {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{events: make(chan telemetry.Event), errs: make(chan error, 1), cancel: cancel, done: make(chan struct{})}
	s.reader = r
	go func() {
		defer close(r.done)
		for {
			event, err := s.outbox.Next(ctx)
			if err != nil {
				if ctx.Err() == nil {
					r.errs <- err
				}
				return
			}
			r.pulled = event.Seq
			select {
			case r.events <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (s *session) stopReader() {
	if s.reader == nil {
		return
	}
	s.reader.cancel()
	<-s.reader.done
	if s.window.resume == 0 {
		s.window.resume = s.reader.pulled
	}
	s.reader = nil
}

// goBack reads again from an earlier entry.
func (s *session) goBack(from uint64) error {
	s.stopReader()
	s.window.restart()
	if err := s.outbox.Rewind(from); err != nil {
		return &outboxError{err}
	}
	s.startReader()
	return nil
}

// session connects and serves until ctx or the connection ends. established tells whether the broker had accepted.
func (u *Uplink) session(ctx context.Context) (established bool, err error) {
	s := &session{
		Uplink:   u,
		ending:   ctx.Done(),
		lost:     make(chan error, 1),
		faults:   make(chan error, 1),
		acks:     make(chan telemetry.Ack, ackQueue),
		twins:    make(chan string, 1),
		own:      u.spoke,
		patience: u.options.ResendAfter,
	}
	if err := s.connect(ctx); err != nil {
		return false, err
	}
	defer s.stopReader()
	denied, err := s.subscribe(ctx)
	if err == nil {
		err = s.serve(ctx, denied)
	}
	if ctx.Err() != nil {
		s.sayGoodbye()
		return true, nil
	}
	s.abandon()
	return true, err
}

func (s *session) connect(ctx context.Context) error {
	will, err := telemetry.Status{Cause: telemetry.CauseLost, Boot: s.options.Boot}.Encode()
	if err != nil {
		return err
	}
	site, panel := s.options.Site, s.options.Panel
	options := mqtt.NewClientOptions().
		AddBroker("tcp://"+s.place.address).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return s.open(ctx) }).
		SetProtocolVersion(4).
		SetClientID(s.options.ClientID).
		SetUsername(s.options.User).
		SetPassword(string(s.options.Password)).
		SetCleanSession(false). // a document that is withdrawn while the panel is away is kept for it by the broker
		SetStore(mqtt.NewMemoryStore()).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(connectTimeout).
		SetKeepAlive(s.options.KeepAlive).
		SetPingTimeout(5*time.Second).
		SetWriteTimeout(writeTimeout).
		SetAutoAckDisabled(true).
		SetBinaryWill(telemetry.StatusTopic(site, panel), will, 1, true).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost <- err })
	s.client = mqtt.NewClient(options)
	s.client.AddRoute(telemetry.StatusTopic(site, panel), s.onStatus)
	s.client.AddRoute(telemetry.AckTopic(site, panel), s.onAck)
	s.client.AddRoute(telemetry.CommandTopic(site, panel), s.onCommand)
	s.client.AddRoute(telemetry.DocumentFilter(site, panel), s.onDocument)

	token := s.client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
		s.closeConn()
		return ctx.Err()
	case <-time.After(connectTimeout + time.Second):
		s.closeConn()
		return fmt.Errorf("cannot connect to broker %s: it does not answer", s.place.name)
	}
	if err := token.Error(); err != nil {
		return s.explain(token, err)
	}
	return nil
}

func (s *session) open(ctx context.Context) (net.Conn, error) {
	conn, err := dial(ctx, s.place, s.options.Dial)
	if err != nil {
		return nil, err
	}
	s.connLock.Lock()
	s.conn = conn
	s.connLock.Unlock()
	if ctx.Err() != nil {
		conn.Close()
	}
	return conn, nil
}

func (s *session) closeConn() {
	s.connLock.Lock()
	defer s.connLock.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

// explain says what to do about the usual reasons.
func (s *session) explain(token mqtt.Token, err error) error {
	remedy := ""
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		remedy = "; set ca to the certificate that signed the broker's"
	case errors.As(err, &other):
		remedy = "; use a name that is in the broker's certificate"
	case errors.As(err, &invalid):
		remedy = "; check the panel's clock and the broker's certificate"
	}
	if s.options.TLS != nil && notHonored(token, err) {
		return fmt.Errorf("cannot connect to the hub's broker %s: the hub does not honor this panel any more (it was revoked or replaced there); "+
			"pair it again with a new code of the hub, or let it leave the hub: %w", s.place.name, err)
	}
	if connecting, ok := token.(*mqtt.ConnectToken); ok {
		switch connecting.ReturnCode() {
		case packets.ErrRefusedIDRejected:
			remedy = fmt.Sprintf("; the broker does not take the client id %q", s.options.ClientID)
		case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
			remedy = fmt.Sprintf("; check user %q and its password", s.options.User)
		}
	}
	return fmt.Errorf("cannot connect to broker %s: %w%s", s.place.name, err, remedy)
}

// notHonored tells whether a broker refuses a panel that shows a certificate: in its answer, or already in TLS (RFC 8446, section 6.2).
func notHonored(token mqtt.Token, err error) bool {
	if connecting, ok := token.(*mqtt.ConnectToken); ok {
		switch connecting.ReturnCode() {
		case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
			return true
		}
	}
	// The library has no type for what the other side says in TLS.
	_, alert, found := strings.Cut(err.Error(), "remote error: tls: ")
	return found && strings.Contains(alert, "certificate")
}

// subscribe asks for everything again at each connect, since a broker that was restarted may have forgotten. It returns the topics
// that the broker denies: without them the panel still reports.
func (s *session) subscribe(ctx context.Context) (denied []string, err error) {
	site, panel := s.options.Site, s.options.Panel
	filters := map[string]byte{
		telemetry.StatusTopic(site, panel):    0, // only to notice a second panel of the same name
		telemetry.CommandTopic(site, panel):   1,
		telemetry.DocumentFilter(site, panel): 1,
	}
	if s.options.Hub {
		filters[telemetry.AckTopic(site, panel)] = 1
	}
	token := s.client.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-s.lost:
		return nil, s.gone(err)
	case <-time.After(s.options.AckTimeout):
		return nil, fmt.Errorf("gave up broker %s: it did not acknowledge a subscription within %s", s.place.name, s.options.AckTimeout)
	}
	if err := token.Error(); err != nil {
		return nil, s.cause(err)
	}
	for topic, code := range token.(*mqtt.SubscribeToken).Result() {
		if code > 2 && topic != telemetry.StatusTopic(site, panel) {
			denied = append(denied, topic)
		}
	}
	slices.Sort(denied)
	return denied, nil
}

func (s *session) serve(ctx context.Context, denied []string) error {
	cause := ""
	if len(denied) > 0 {
		cause = fmt.Sprintf("the broker denies the subscription to %q; check its access list", denied)
	}
	s.report(true, cause)
	if err := s.publishStatus(); err != nil {
		return err
	}
	if s.window.resume == 0 {
		s.startReader()
	} else if err := s.goBack(s.window.resume); err != nil {
		return err
	}
	s.progress = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(s.nextDeadline()))
		var acknowledged <-chan struct{}
		if len(s.unacked) > 0 {
			acknowledged = s.unacked[0].token.Done()
		}
		var events chan telemetry.Event
		if !s.window.full() {
			events = s.reader.events
		}
		kick, replies := s.kick, s.replies
		if s.statusOut {
			kick = nil
		}
		if len(s.unacked) >= 2*s.window.limit {
			events, replies = nil, nil
		}
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case lost := <-s.lost:
			err = s.gone(lost)
		case err = <-s.faults:
		case <-acknowledged:
			err = s.takeAcknowledged()
		case unreadable := <-s.reader.errs:
			err = &outboxError{unreadable}
		case event := <-events:
			err = s.publishEvent(event)
		case ack := <-s.acks:
			s.takeAck(ack)
		case reply := <-replies:
			err = s.publishReply(reply)
		case <-kick:
			err = s.publishStatus()
		case boot := <-s.twins:
			s.report(true, fmt.Sprintf("another panel (boot %s) publishes as %s/%s; give each panel a name of its own", boot, s.options.Site, s.options.Panel))
		case <-timer.C:
			err = s.due()
		}
		if err != nil {
			return err
		}
	}
}

// nextDeadline is when due has something to do.
func (s *session) nextDeadline() time.Time {
	next := s.statusNext
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if len(s.unacked) > 0 {
		sooner(s.silentSince().Add(s.options.AckTimeout))
	}
	if s.options.Hub && len(s.window.waiting) > 0 {
		sooner(s.progress.Add(s.patience))
	}
	if s.window.again != 0 {
		sooner(s.window.againAfter)
	}
	return next
}

// silentSince is since when the broker owes an acknowledgment and has given none. A busy one that takes a full window bit by bit is not
// silent: giving it up would have it do all of that again.
func (s *session) silentSince() time.Time {
	if since := s.unacked[0].since; since.After(s.heard) {
		return since
	}
	return s.heard
}

func (s *session) due() error {
	now := time.Now()
	if len(s.unacked) > 0 && now.Sub(s.silentSince()) >= s.options.AckTimeout {
		return fmt.Errorf("gave up broker %s: it did not acknowledge within %s", s.place.name, s.options.AckTimeout)
	}
	if from, due := s.window.dueAgain(now); due {
		s.log.Info("the hub asked for entries again", "from", from)
		s.progress = now
		return s.goBack(from)
	}
	if s.options.Hub && len(s.window.waiting) > 0 && now.Sub(s.progress) >= s.patience {
		first := s.window.waiting[0]
		s.log.Warn("the hub does not acknowledge, sending again", "from", first, "after", s.patience)
		s.progress, s.patience = now, min(2*s.patience, resendLimit)
		return s.goBack(first)
	}
	if !now.Before(s.statusNext) {
		if s.statusOut {
			s.statusNext = now.Add(s.options.Heartbeat)
			return nil
		}
		return s.publishStatus()
	}
	return nil
}

// publish hands a message to the library, which takes it at once or, when the connection is stuck or just breaking, only after its
// write timeout; that is not waited for.
func (s *session) publish(topic string, retained bool, payload []byte, p publication) error {
	taken := make(chan mqtt.Token, 1)
	s.handing.Go(func() { taken <- s.client.Publish(topic, 1, retained, payload) })
	select {
	case p.token = <-taken:
		p.since = time.Now()
		s.unacked = append(s.unacked, p)
		return nil
	case lost := <-s.lost:
		return s.gone(lost)
	case <-s.ending:
		return context.Canceled
	}
}

func (s *session) publishStatus() error {
	status := s.options.Status()
	status.Online, status.Boot = true, s.options.Boot
	status.HeartbeatS = int(s.options.Heartbeat / time.Second)
	payload, err := status.Encode()
	if err != nil {
		return err
	}
	s.statusOut, s.statusNext = true, time.Now().Add(s.options.Heartbeat)
	return s.publish(telemetry.StatusTopic(s.options.Site, s.options.Panel), true, payload, publication{state: true})
}

func (s *session) publishEvent(event telemetry.Event) error {
	payload, err := event.Encode()
	if err != nil {
		// The entry keeps its number, so that the order stays without a hole.
		s.log.Error("cannot publish an entry as it is", "seq", event.Seq, "cause", err)
		payload, err = telemetry.Event{Epoch: event.Epoch, Boot: event.Boot, Seq: event.Seq, MonoMS: event.MonoMS, Kind: event.Kind, Detail: err.Error(), Prev: event.Prev, Chain: event.Chain}.Encode()
		if err != nil {
			return &outboxError{err}
		}
	}
	if len(s.window.waiting) == 0 {
		s.progress = time.Now()
	}
	s.window.sent(event.Seq, event.Epoch)
	return s.publish(telemetry.EventTopic(s.options.Site, s.options.Panel), false, payload, publication{seq: event.Seq})
}

func (s *session) publishReply(reply telemetry.Reply) error {
	payload, err := reply.Encode()
	if err != nil {
		s.log.Error("cannot answer a command", "number", reply.Number, "cause", err)
		return nil
	}
	return s.publish(telemetry.ReplyTopic(s.options.Site, s.options.Panel), false, payload, publication{})
}

func (s *session) gone(cause error) error {
	return fmt.Errorf("lost the connection to broker %s: %w", s.place.name, cause)
}

// cause is why a message could not be sent: mostly the connection went, and the library is about to say how.
func (s *session) cause(err error) error {
	wait := time.NewTimer(time.Second)
	defer wait.Stop()
	select {
	case lost := <-s.lost:
		return s.gone(lost)
	case <-wait.C:
		return s.gone(err)
	}
}

// takeAcknowledged drops what the broker has, and moves the durable cursor once for all of it.
func (s *session) takeAcknowledged() error {
	var last uint64
	defer func() {
		if last != 0 && !s.options.Hub {
			s.delivered(last)
		}
	}()
	for len(s.unacked) > 0 {
		first := s.unacked[0]
		select {
		case <-first.token.Done():
		default:
			return nil
		}
		if err := first.token.Error(); err != nil {
			return s.cause(err)
		}
		s.unacked, s.heard = s.unacked[1:], time.Now()
		if first.state {
			s.statusOut, s.spoke = false, true
		}
		last = max(last, first.seq)
	}
	return nil
}

func (s *session) delivered(seq uint64) {
	before := len(s.window.waiting)
	cursor := s.window.delivered(seq)
	if len(s.window.waiting) != before {
		s.progress, s.patience = time.Now(), s.options.ResendAfter
	}
	if cursor == 0 {
		return
	}
	// A cursor that cannot be written costs only a repetition after a restart, so delivery goes on.
	fault := ""
	if err := s.outbox.Done(cursor); err != nil {
		fault = err.Error()
	}
	if fault != s.doneFault && fault != "" {
		s.log.Error("cannot move the cursor of the uplink", "seq", cursor, "cause", fault)
	}
	s.doneFault = fault
}

func (s *session) takeAck(ack telemetry.Ack) {
	epoch := s.window.epoch
	if epoch == "" {
		epoch = s.options.Status().Epoch
	}
	switch {
	case ack.Epoch != epoch:
		s.log.Warn("ignored an acknowledgment of another epoch", "epoch", ack.Epoch, "ours", epoch)
	case ack.Again():
		s.window.wanted(ack.From)
	default:
		s.delivered(ack.Seq)
	}
}

// sayGoodbye publishes that the panel has stopped, and disconnects so that no will is sent.
func (s *session) sayGoodbye() {
	s.stopReader()
	limit := time.NewTimer(goodbye)
	defer limit.Stop()
	payload, err := telemetry.Status{Cause: telemetry.CauseStopped, Boot: s.options.Boot}.Encode()
	if err != nil {
		s.abandon()
		return
	}
	acknowledged, over := make(chan error, 1), make(chan struct{})
	defer close(over)
	s.handing.Go(func() {
		// Publish itself may wait when the connection is stuck.
		token := s.client.Publish(telemetry.StatusTopic(s.options.Site, s.options.Panel), 1, true, payload)
		select {
		case <-token.Done():
			acknowledged <- token.Error()
		case <-over:
		}
	})
	select {
	case err = <-acknowledged:
	case err = <-s.lost:
	case <-limit.C:
		err = fmt.Errorf("no acknowledgment within %s", goodbye)
	}
	if err != nil {
		s.log.Warn("could not say goodbye to the broker", "cause", err)
		s.abandon()
		return
	}
	if err := s.takeAcknowledged(); err != nil {
		s.log.Debug("some entries will be sent again after the next start", "cause", err)
	}
	s.client.Disconnect(250)
}

// abandon ends the connection without a goodbye: the broker sends the will.
func (s *session) abandon() {
	s.closeConn()
	s.client.Disconnect(250)
}

func (s *session) onStatus(_ mqtt.Client, message mqtt.Message) {
	defer message.Ack()
	status, err := telemetry.DecodeStatus(message.Payload())
	if err != nil || !status.Online || status.Boot == s.options.Boot || message.Retained() && !s.own {
		return // the last may be what this panel said before it was started again
	}
	select {
	case s.twins <- status.Boot:
	default:
	}
}

func (s *session) onAck(_ mqtt.Client, message mqtt.Message) {
	defer message.Ack()
	ack, err := telemetry.DecodeAck(message.Payload())
	if err != nil {
		s.log.Warn("ignored an acknowledgment", "cause", err)
		return
	}
	select {
	case s.acks <- ack:
	default: // the hub says more with its next one
	}
}

func (s *session) onCommand(_ mqtt.Client, message mqtt.Message) {
	defer message.Ack()
	raw := message.Payload()
	if len(raw) == 0 {
		return // a retained command was cleared
	}
	if len(raw) > envelope.Command.Limit() {
		s.log.Warn("ignored a command: too large", "bytes", len(raw))
		return
	}
	select {
	case s.commands <- command{bytes.Clone(raw), message.Retained()}:
	default:
		s.log.Warn("ignored a command: too many are waiting", "waiting", commandQueue)
	}
}

func (s *session) onDocument(_ mqtt.Client, message mqtt.Message) {
	topic, err := telemetry.ParseTopic(message.Topic())
	if err == nil && !topic.Kind.Known() {
		err = fmt.Errorf("kind %q is not known", topic.Kind)
	}
	raw := message.Payload()
	if err == nil && len(raw) > telemetry.DocumentLimit {
		err = fmt.Errorf("%d bytes are more than %d", len(raw), telemetry.DocumentLimit)
	}
	if err != nil {
		s.log.Warn("ignored a document", "topic", message.Topic(), "cause", err)
		message.Ack()
		return
	}
	if s.documentsHeld.Add(int64(len(raw))) <= documentBytes {
		select {
		case s.documents <- document{topic.Kind, topic.ID, bytes.Clone(raw), message.Ack}:
			return
		default:
		}
	}
	// Not acknowledged: it comes again with the next connection, when the queue has been worked off.
	s.documentsHeld.Add(-int64(len(raw)))
	select {
	case s.faults <- fmt.Errorf("gave up broker %s: it brings documents faster than they can be taken", s.place.name):
	default:
	}
}
