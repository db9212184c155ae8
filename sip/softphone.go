package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	stack "github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
)

// SoftphoneState is what a Softphone is doing: State is "idle", "ringing" or "in_call", From the caller's address.
type SoftphoneState struct {
	State string `json:"state"`
	From  string `json:"from,omitempty"`
}

// The states of a Softphone.
const (
	phoneIdle    = "idle"
	phoneRinging = "ringing"
	phoneInCall  = "in_call"
)

// Softphone is a telephone that is called: the demonstration's and the benchmarks'. It takes one call at a time, sends
// keys as RFC 4733 events and no sound. It is built on sipgo's own dialogs, not on Phone, so that each checks the other.
type Softphone struct {
	events  func(state string)
	ua      *sipgo.UserAgent
	client  *sipgo.Client
	conn    *net.UDPConn
	addr    netip.AddrPort
	contact stack.ContactHeader
	served  sync.WaitGroup
	calls   sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc

	mu     sync.Mutex
	closed bool
	state  SoftphoneState
	dialog *sipgo.DialogServerSession
	orders chan int  // final status to give while it rings; 0 = hang up
	keys   chan rune // to be pressed
}

// NewSoftphone listens on UDP ("127.0.0.1:0") and is called back with each new state; events may be nil and must not block.
func NewSoftphone(listen string, events func(state string)) (*Softphone, error) {
	at, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		return nil, fmt.Errorf("cannot use listen address %q: %w; write host:port", listen, err)
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; set another port", listen, err)
	}
	s := &Softphone{events: events, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), state: SoftphoneState{State: phoneIdle}}
	if events == nil {
		s.events = func(string) {}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.serve(); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *Softphone) serve() error {
	quiet := slog.New(slog.DiscardHandler)
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("softphone"), sipgo.WithUserAgentHostname(s.addr.Addr().String()),
		sipgo.WithUserAgentTransportLayerOptions(stack.WithTransportLayerLogger(quiet)),
		sipgo.WithUserAgentTransactionLayerOptions(stack.WithTransactionLayerLogger(quiet),
			stack.WithTransactionLayerUnhandledResponseHandler(func(*stack.Response) {})))
	if err != nil {
		return fmt.Errorf("cannot set up the softphone: %w", err)
	}
	s.ua = ua
	if s.client, err = sipgo.NewClient(ua, sipgo.WithClientLogger(quiet), sipgo.WithClientConnectionAddr(s.addr.String())); err != nil {
		return fmt.Errorf("cannot set up the softphone: %w", err)
	}
	server, err := sipgo.NewServer(ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		return fmt.Errorf("cannot set up the softphone: %w", err)
	}
	s.contact = stack.ContactHeader{Address: stack.Uri{Scheme: "sip", User: "softphone", Host: s.addr.Addr().String(), Port: int(s.addr.Port())}}
	server.OnInvite(s.onInvite)
	server.OnAck(func(req *stack.Request, tx stack.ServerTransaction) {
		if d := s.current(req); d != nil {
			_ = d.ReadAck(req, tx)
		}
	})
	server.OnBye(func(req *stack.Request, tx stack.ServerTransaction) {
		if d := s.current(req); d == nil || d.ReadBye(req, tx) != nil {
			_ = tx.Respond(stack.NewResponseFromRequest(req, 481, "Call Does Not Exist", nil))
		}
	})
	server.OnOptions(func(req *stack.Request, tx stack.ServerTransaction) {
		_ = tx.Respond(stack.NewResponseFromRequest(req, 200, "OK", nil))
	})
	s.served.Go(func() { _ = server.ServeUDP(s.conn) })
	return nil
}

// Addr is where the softphone is called, "127.0.0.1:5062"; its target is "sip:anybody@" + Addr.
func (s *Softphone) Addr() string { return s.addr.String() }

// State is what the softphone is doing.
func (s *Softphone) State() SoftphoneState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

var errNoCall = errors.New("no call is waiting")

// Answer takes the call that rings.
func (s *Softphone) Answer() error { return s.order("answer the call", phoneRinging, 200) }

// Reject declines the call that rings (603).
func (s *Softphone) Reject() error { return s.order("reject the call", phoneRinging, 603) }

// Busy tells the caller that the line is busy (486).
func (s *Softphone) Busy() error { return s.order("say busy", phoneRinging, 486) }

// HangUp ends the call, or declines it while it rings.
func (s *Softphone) HangUp() error {
	if s.State().State == phoneRinging {
		return s.Reject()
	}
	return s.order("hang up", phoneInCall, 0)
}

func (s *Softphone) order(what, state string, status int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.State != state {
		return fmt.Errorf("cannot %s: %w", what, errNoCall)
	}
	select {
	case s.orders <- status:
	default:
	}
	return nil
}

// Digit presses a key, 0-9 * # A-D, in a call.
func (s *Softphone) Digit(key rune) error {
	if key > 0x7f || !strings.ContainsRune(keys, key) {
		return fmt.Errorf("cannot press key %q: there are 0-9, *, #, A-D", key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.State != phoneInCall {
		return fmt.Errorf("cannot press key %q: %w", key, errNoCall)
	}
	select {
	case s.keys <- key:
		return nil
	default:
		return fmt.Errorf("cannot press key %q: %d keys wait already", key, cap(s.keys))
	}
}

// Close hangs up and frees the port.
func (s *Softphone) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.calls.Wait()
	err := s.ua.Close()
	s.conn.Close()
	s.served.Wait()
	return err
}

// current is the dialog that req belongs to, nil if none.
func (s *Softphone) current(req *stack.Request) *sipgo.DialogServerSession {
	id, err := stack.DialogIDFromRequestUAS(req)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialog == nil || s.dialog.ID != id {
		return nil
	}
	return s.dialog
}

func (s *Softphone) set(state string) {
	s.mu.Lock()
	s.state.State = state
	if state == phoneIdle {
		s.state.From, s.dialog = "", nil
	}
	s.mu.Unlock()
	s.events(state)
}

// onInvite is the call from its first ring to its end.
func (s *Softphone) onInvite(req *stack.Request, tx stack.ServerTransaction) {
	answer := func(status int, reason string) {
		_ = tx.Respond(stack.NewResponseFromRequest(req, status, reason, nil))
	}
	if _, within := req.To().Params.Get("tag"); within {
		answer(488, "Not Acceptable Here")
		return
	}
	theirs, agreed, err := readStream(req.Body())
	if err != nil {
		answer(488, "Not Acceptable Here")
		return
	}
	ua := sipgo.DialogUA{Client: s.client, ContactHDR: s.contact}
	dialog, err := ua.ReadInvite(req, tx)
	if err != nil {
		answer(400, "Bad Request")
		return
	}
	s.mu.Lock()
	if s.closed || s.state.State != phoneIdle {
		s.mu.Unlock()
		answer(486, "Busy Here")
		return
	}
	s.calls.Add(1)
	s.dialog, s.orders, s.keys = dialog, make(chan int, 1), make(chan rune, 32)
	s.state = SoftphoneState{State: phoneRinging, From: req.From().Address.String()}
	orders, keys := s.orders, s.keys
	s.mu.Unlock()
	defer s.calls.Done()
	defer s.set(phoneIdle)
	defer dialog.Close()

	if dialog.Respond(180, "Ringing", nil) != nil {
		return
	}
	s.events(phoneRinging)
	select {
	case status := <-orders:
		if status != 200 {
			_ = dialog.Respond(status, "Declined", nil)
			return
		}
	case <-dialog.Context().Done():
		return
	case <-s.ctx.Done():
		_ = dialog.Respond(480, "Going Away", nil)
		return
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.addr.Addr(), 0)))
	if err != nil {
		_ = dialog.Respond(500, "No Socket", nil)
		return
	}
	defer conn.Close()
	body, err := describe(conn.LocalAddr().(*net.UDPAddr).AddrPort(), rand.Uint64()>>2, 1, theirs, agreed)
	if err != nil {
		_ = dialog.Respond(500, "No Answer", nil)
		return
	}
	if dialog.RespondSDP(body) != nil {
		return
	}
	s.set(phoneInCall)
	s.talk(dialog, orders, keys, conn, agreed)
}

// talk presses keys until one side hangs up.
func (s *Softphone) talk(dialog *sipgo.DialogServerSession, orders <-chan int, presses <-chan rune, conn *net.UDPConn, agreed stream) {
	done := make(chan struct{})
	var pressing sync.WaitGroup
	pressing.Go(func() {
		h := rtp.Header{Version: 2, PayloadType: agreed.events, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32()), Timestamp: rand.Uint32()}
		for {
			select {
			case key := <-presses:
				press(conn, agreed.addr, &h, key, done)
			case <-done:
				return
			}
		}
	})
	defer pressing.Wait()
	defer close(done)
	select {
	case <-dialog.Context().Done():
		return
	case <-orders:
	case <-s.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	// The caller is told, or is gone.
	_ = dialog.Bye(ctx)
}

// press sends one key as RFC 4733 section 2.5 says: packets every 20 ms with one time stamp, the last one three times.
func press(conn *net.UDPConn, to netip.AddrPort, h *rtp.Header, key rune, stop <-chan struct{}) {
	const packets = 5
	payload := []byte{byte(strings.IndexRune(keys, key)), 10, 0, 0}
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	h.Marker = true
	for i := 1; i <= packets+2; i++ {
		duration := min(i, packets) * frameSamples
		payload[2], payload[3] = byte(duration>>8), byte(duration)
		if i >= packets {
			payload[1] |= 0x80
		}
		p := rtp.Packet{Header: *h, Payload: payload}
		if raw, err := p.Marshal(); err == nil {
			// A lost packet is why there are several.
			_, _ = conn.WriteToUDPAddrPort(raw, to)
		}
		h.Marker = false
		h.SequenceNumber++
		if i >= packets {
			continue
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
	h.Timestamp += 4 * packets * frameSamples
}
