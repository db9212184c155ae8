// Package sip is a telephone: it places calls by an id, tells what becomes of them and which keys the called party
// presses, and keeps registrations at exchanges alive.
//
// It decides nothing about doors or licenses, takes no calls, and speaks neither TLS nor video: a target that asks for
// TLS is refused, never called in clear. Names are looked up as addresses, not as SRV records. Keys are read from
// RFC 4733 telephone events and SIP INFO requests, not from tones in the sound.
package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	stack "github.com/emiago/sipgo/sip"
)

// Options is what a Phone is made of. Zero durations take the defaults.
type Options struct {
	// Listen is the address for SIP, UDP and TCP on the same port; port 0 picks one that is free for both.
	Listen string
	// Accounts are the registrations at exchanges; all are off until SetAccount.
	Accounts []Account
	// UserAgent is told to the other side in every request; DisplayName is what its display shows.
	UserAgent, DisplayName string
	// Audio gives the sound of a call; nil, or a nil answer, is silence.
	Audio func(call string, codec Codec) Audio
	// RingTimeout ends a call that nobody answers (default 60 s); ReplyTimeout ends one to a telephone from which
	// nothing at all is heard (default 8 s).
	RingTimeout, ReplyTimeout time.Duration
	// KeepAlive is the time between two OPTIONS requests to an exchange where an account is registered (default 30 s,
	// negative = none).
	KeepAlive time.Duration
	// Events is told everything that happens, in order for each call, from the phone's goroutines. It must not block.
	// It may call Place, HangUp and SetAccount.
	Events func(Event)
	// Logger takes what an administrator wants to know; nil = nothing is logged.
	Logger *slog.Logger
}

// Secret is a password: it shows itself as *** wherever it is printed.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Account is one registration at an exchange.
type Account struct {
	Name string
	// Registrar is "sip:host[:port][;transport=tcp]".
	Registrar string
	User      string
	Password  Secret
	// Expires is the life of the registration that is asked for (default 1 h); the exchange may shorten it.
	Expires time.Duration
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of events. Every call ends with exactly one Failed (never answered) or Ended.
const (
	Ringing        EventKind = "ringing" // may be missing when the answer comes at once
	Answered       EventKind = "answered"
	Failed         EventKind = "failed"
	Ended          EventKind = "ended"
	Digit          EventKind = "digit"
	AccountChanged EventKind = "account"
)

// Reason says why a call failed or ended; empty for an ordinary end.
type Reason string

// The reasons. A number that does not exist (404, 410, 484, 485, 604) is an unknown target like one that is not well
// formed; redirections (3xx) are not followed and count as refused.
const (
	Busy          Reason = "busy"           // 486, 600
	Refused       Reason = "refused"        // 603, 403 and other 4xx and 6xx
	NoAnswer      Reason = "no_answer"      // the ring timeout, 480, 408
	Unreachable   Reason = "unreachable"    // no route, no reply, 5xx; for an answered call: it fell silent
	UnknownTarget Reason = "unknown_target" // nobody can be called by that
	Canceled      Reason = "canceled"       // HangUp before the answer
)

// AccountState is the state of a registration.
type AccountState string

// The states of an account.
const (
	Off         AccountState = "off"
	Registering AccountState = "registering"
	Registered  AccountState = "registered"
	Unavailable AccountState = "failed" // it is tried again, later and later
)

// Event is something that happened to a call or an account.
type Event struct {
	Kind    EventKind
	Call    string       // the id given to Place
	Account string       // AccountChanged: its name
	Digit   rune         // Digit: 0-9 * # A-D
	Reason  Reason       // Failed, Ended
	Status  int          // the SIP status that decided, 0 if none did
	State   AccountState // AccountChanged
	Text    string       // for people; may quote the other side
}

// Phone is a telephone on one UDP and TCP port. All methods may be called from any goroutine.
type Phone struct {
	opt   Options
	log   *slog.Logger
	addr  netip.AddrPort
	udp   *packetDesk
	tcp   *streamDesk
	wire  *stack.TransportLayer
	stack *stack.TransactionLayer

	life context.Context // ends when the goroutines must
	kill context.CancelFunc
	work sync.WaitGroup // calls, accounts and their requests

	mu       sync.Mutex
	running  bool
	closing  bool
	stopRun  context.CancelFunc
	stopped  chan struct{}
	calls    map[string]*call // by id, while they may be hung up
	known    map[string]*call // by Call-ID, while messages may come for them; nil = an account's
	accounts map[string]*account
}

// New binds the port and checks the accounts. Nothing is sent or answered before Run; Close frees the port also without it.
func New(opt Options) (*Phone, error) {
	if opt.RingTimeout <= 0 {
		opt.RingTimeout = time.Minute
	}
	if opt.ReplyTimeout <= 0 {
		opt.ReplyTimeout = 8 * time.Second
	}
	if opt.KeepAlive == 0 {
		opt.KeepAlive = 30 * time.Second
	}
	if opt.UserAgent == "" {
		opt.UserAgent = "doorpanel"
	}
	if opt.Events == nil {
		opt.Events = func(Event) {}
	}
	opt.DisplayName = displayName(opt.DisplayName)
	p := &Phone{
		opt: opt, log: opt.Logger, stopped: make(chan struct{}),
		calls: map[string]*call{}, known: map[string]*call{}, accounts: map[string]*account{},
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for _, a := range opt.Accounts {
		acc, err := newAccount(a)
		if err != nil {
			return nil, err
		}
		if _, twice := p.accounts[a.Name]; twice {
			return nil, fmt.Errorf("cannot use SIP account %q: the name is taken twice", a.Name)
		}
		p.accounts[a.Name] = acc
		p.known[acc.callID] = nil
	}
	udp, tcp, err := bind(opt.Listen)
	if err != nil {
		return nil, err
	}
	p.addr = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	d := desk{known: p.knows}
	p.udp = &packetDesk{UDPConn: udp, desk: d, ready: make(chan struct{})}
	p.tcp = &streamDesk{TCPListener: tcp, desk: d, conns: map[*deskConn]struct{}{}, come: make(chan *deskConn), closed: make(chan struct{})}
	// What the stack has to say about a message it cannot read would let anybody fill the log.
	quiet := slog.New(slog.DiscardHandler)
	p.wire = stack.NewTransportLayer(net.DefaultResolver, stack.NewParser(), nil, stack.WithTransportLayerLogger(quiet))
	p.stack = stack.NewTransactionLayer(p.wire,
		stack.WithTransactionLayerLogger(quiet),
		stack.WithTransactionLayerTerminateOnConnClose(),
		stack.WithTransactionLayerUnhandledResponseHandler(p.onResponse))
	p.stack.OnRequest(p.onRequest)
	p.life, p.kill = context.WithCancel(context.Background())
	return p, nil
}

// Addr is where the phone listens, "127.0.0.1:5060".
func (p *Phone) Addr() string { return p.addr.String() }

// Run works until ctx ends or Close is called: it then hangs up, unregisters and frees the port within about 2 s, and
// returns nil. A phone runs once.
func (p *Phone) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	if p.running || p.closing {
		p.mu.Unlock()
		return errors.New("cannot run the phone: it ran already")
	}
	p.running, p.stopRun = true, cancel
	p.mu.Unlock()
	defer close(p.stopped)

	var serving sync.WaitGroup
	broken := make(chan error, 2)
	serving.Go(func() { broken <- p.wire.ServeUDP(p.udp) })
	serving.Go(func() { broken <- p.wire.ServeTCP(p.tcp) })
	serving.Go(p.tcp.listen)
	for _, a := range p.accounts {
		p.work.Go(func() { p.keep(ctx, a) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
		err = fmt.Errorf("cannot go on listening on %s for SIP: %w", p.addr, err)
	}
	p.hangUpAll()
	p.shut()
	serving.Wait()
	p.work.Wait()
	return err
}

// Close ends Run and waits for it; without Run it frees the port.
func (p *Phone) Close() error {
	p.mu.Lock()
	running, first := p.running, !p.closing
	p.closing = true
	p.mu.Unlock()
	if !running {
		if first {
			p.shut()
			p.work.Wait()
		}
		return nil
	}
	p.stopRun()
	<-p.stopped
	return nil
}

// goodbye bounds the time for BYE, CANCEL and unregistering on the way out.
const goodbye = 2 * time.Second

func (p *Phone) hangUpAll() {
	p.mu.Lock()
	p.closing = true
	for _, c := range p.calls {
		c.hangUp()
	}
	p.mu.Unlock()
	done := make(chan struct{})
	go func() { p.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(goodbye):
	}
	p.kill()
	<-done
}

func (p *Phone) shut() {
	p.kill()
	p.stack.Close()
	p.udp.Close()
	// All sockets are ours; the stack's readers end with them.
	p.tcp.closeAll()
}

func (p *Phone) knows(callID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[callID]
	return ok
}

// Place calls target, directly or through an account, and returns at once; Events tells the rest under the id call.
// Targets are those of ParseTarget. An id that is in use is left alone.
func (p *Phone) Place(call, target, account string) {
	c := newCall(p, call, target, account)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, taken := p.calls[call]; taken || p.closing {
		p.log.Warn("call not placed: its id is in use, or the phone is closing", "call", call)
		return
	}
	p.calls[call] = c
	p.known[c.callID] = c
	p.work.Go(c.run)
}

// HangUp ends a call in any state; an id that is not known is nothing to do.
func (p *Phone) HangUp(call string) {
	p.mu.Lock()
	c := p.calls[call]
	p.mu.Unlock()
	if c != nil {
		c.hangUp()
	}
}

// SetAccount switches a registration on or off; AccountChanged tells what comes of it.
func (p *Phone) SetAccount(name string, on bool) {
	if a := p.accounts[name]; a != nil {
		a.set(on)
		return
	}
	p.log.Warn("account not switched: there is none of that name", "account", name)
}

// background runs f unless the phone is closing: then there is nobody left to wait for it.
func (p *Phone) background(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closing {
		p.work.Go(f)
	}
}

// over takes a call's id back: it may be used again, while the last messages still go to and fro.
func (p *Phone) over(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls[c.id] == c {
		delete(p.calls, c.id)
	}
}

// forgetLater ends the last of a call when the other side has had time to repeat what was not answered.
func (p *Phone) forgetLater(c *call) {
	p.over(c)
	time.AfterFunc(lameDuck, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.known, c.callID)
	})
}

// onResponse takes an answer that no transaction waits for.
func (p *Phone) onResponse(res *stack.Response) {
	id, seq := res.CallID(), res.CSeq()
	if id == nil || seq == nil || seq.MethodName != stack.INVITE || !res.IsSuccess() {
		return
	}
	p.mu.Lock()
	c := p.known[string(*id)]
	p.mu.Unlock()
	if c != nil {
		c.answerAgain(res)
	}
}

// onRequest takes a request that passed the desk: somebody knows the Call-ID of one of our calls.
func (p *Phone) onRequest(req *stack.Request, tx *stack.ServerTx) {
	defer tx.TerminateGracefully()
	var c *call
	if id := req.CallID(); id != nil {
		p.mu.Lock()
		c = p.known[string(*id)]
		p.mu.Unlock()
	}
	if c != nil && c.take(req, tx) {
		return
	}
	if req.Method != stack.ACK {
		p.respond(req, tx, 481, "Call Does Not Exist")
	}
}

func (p *Phone) respond(req *stack.Request, tx *stack.ServerTx, status int, reason string, headers ...stack.Header) {
	res := stack.NewResponseFromRequest(req, status, reason, nil)
	res.AppendHeader(stack.NewHeader("Allow", allowed))
	for _, h := range headers {
		res.AppendHeader(h)
	}
	// The sender repeats a request whose answer is lost.
	_ = tx.Respond(res)
}

// send begins a transaction, over a connection of its own if there is none yet and it is to go by TCP.
func (p *Phone) send(ctx context.Context, req *stack.Request) (*stack.ClientTx, error) {
	if err := p.connect(ctx, req); err != nil {
		return nil, err
	}
	return p.stack.Request(ctx, req)
}

func (p *Phone) connect(ctx context.Context, req *stack.Request) error {
	if req.Transport() != "TCP" {
		return nil
	}
	to, err := netip.ParseAddrPort(req.Destination())
	if err != nil {
		return err
	}
	if c := p.wire.Pool("tcp").Get(to.String()); c != nil {
		_, err := c.TryClose()
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.opt.ReplyTimeout)
	defer cancel()
	return p.tcp.dial(ctx, to)
}

// do sends a request and waits for its final answer.
func (p *Phone) do(ctx context.Context, req *stack.Request) (*stack.Response, error) {
	tx, err := p.send(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, tx.Err()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// resolve finds the address behind a host, in the family of our own socket.
func (p *Phone) resolve(ctx context.Context, t target) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(t.host)
	if err != nil {
		network := "ip4"
		if p.addr.Addr().Is6() {
			network = "ip6"
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, network, t.host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("cannot find host %q: %w", t.host, err)
		}
		addr = found[0]
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr.IsMulticast() || addr.Is4() != p.addr.Addr().Is4() {
		return netip.AddrPort{}, fmt.Errorf("cannot reach %s from %s", addr, p.addr.Addr())
	}
	return netip.AddrPortFrom(addr, uint16(t.port)), nil
}

// localIP is our address as the other side sees it.
func (p *Phone) localIP(to netip.AddrPort) (netip.Addr, error) {
	if !p.addr.Addr().IsUnspecified() {
		return p.addr.Addr(), nil
	}
	// Connecting a UDP socket asks the kernel for the route and sends nothing.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// ready waits until the sockets are served, so that a call may be placed before Run.
func (p *Phone) ready(ctx context.Context) error {
	select {
	case <-p.udp.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// outgoing is what all our requests have in common.
type outgoing struct {
	local     netip.Addr     // our address as they see it
	to        netip.AddrPort // the next hop
	transport string
}

// request begins a request with its Via; a dialog's and a registration's headers are added by the caller.
func (p *Phone) request(method stack.RequestMethod, uri stack.Uri, o outgoing) *stack.Request {
	req := stack.NewRequest(method, uri)
	req.SetTransport(o.transport)
	req.SetDestination(o.to.String())
	if o.transport == "UDP" {
		req.Laddr = stack.Addr{IP: p.addr.Addr().AsSlice(), Port: int(p.addr.Port())}
	}
	via := &stack.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: o.transport, Host: hostText(o.local), Port: int(p.addr.Port())}
	via.Params.Add("branch", stack.GenerateBranch())
	via.Params.Add("rport", "")
	req.AppendHeader(via)
	hops := stack.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	return req
}

// contact is our address for requests of the other side.
func (p *Phone) contact(user string, o outgoing) *stack.ContactHeader {
	c := &stack.ContactHeader{Address: stack.Uri{Scheme: "sip", User: user, Host: hostText(o.local), Port: int(p.addr.Port())}}
	if o.transport == "TCP" {
		c.Address.UriParams.Add("transport", "tcp")
	}
	return c
}

func hostText(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// plain makes text of the other side fit for a display and a log line.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "")
	}
	return s
}
