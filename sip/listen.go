package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxConns bounds the TCP connections that strangers may hold open.
	maxConns = 32
	// idleConn closes a connection that says nothing; a peer that needs it again opens another.
	idleConn = 2 * time.Minute
	// slowMessage bounds the time between the first and the last byte of a message.
	slowMessage = 10 * time.Second
	writeLimit  = 5 * time.Second
)

// bind opens UDP and TCP on one port; with port 0 on one that is free for both.
func bind(listen string) (*net.UDPConn, *net.TCPListener, error) {
	want, err := netip.ParseAddrPort(listen)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen on %q: write an address and a port, as 0.0.0.0:5060", listen)
	}
	network := "4"
	if want.Addr().Is6() {
		network = "6"
	}
	for try := 0; ; try++ {
		udp, err := net.ListenUDP("udp"+network, net.UDPAddrFromAddrPort(want))
		if err != nil {
			return nil, nil, busy(want, "UDP", err)
		}
		got := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		tcp, err := net.ListenTCP("tcp"+network, net.TCPAddrFromAddrPort(got))
		if err == nil {
			return udp, tcp, nil
		}
		udp.Close()
		if want.Port() != 0 || try >= 20 {
			return nil, nil, busy(want, "TCP", err)
		}
	}
}

func busy(addr netip.AddrPort, network string, err error) error {
	return fmt.Errorf("cannot listen on %s for SIP over %s: %w; stop the program that uses it or set another port in [sip] listen", addr, network, err)
}

// desk stands between the sockets and the SIP stack. It answers strangers itself, without remembering them, and passes
// on only what belongs to a call or registration of ours: nobody who does not know one can make the stack do anything.
type desk struct {
	known func(callID string) bool
}

// admit decides about one message: pass it on, or answer with reply (nil = silence).
func (d desk) admit(m *rough, wrong flaw, from netip.AddrPort) (pass bool, reply []byte) {
	switch {
	case !m.request:
		id, _ := m.get("call-id")
		return !wrong.found() && d.known(id), nil
	case wrong.found():
		if wrong.status == 0 || m.method == "ACK" {
			return false, nil
		}
		return false, m.refusal(wrong.status, wrong.reason, from)
	}
	if id, _ := m.get("call-id"); d.known(id) {
		return true, nil
	}
	status, reason := m.strangerStatus()
	if status == 0 {
		return false, nil
	}
	return false, m.refusal(status, reason, from)
}

// packetDesk is the UDP socket as the stack sees it.
type packetDesk struct {
	*net.UDPConn
	desk
	opened sync.Once
	ready  chan struct{} // closed when the stack begins to read, and can send
	buf    [maxMessage + 1]byte
}

// ReadFrom returns the next message that is ours. A failed read of one datagram is not the end of the telephone.
func (p *packetDesk) ReadFrom(b []byte) (int, net.Addr, error) {
	p.opened.Do(func() { close(p.ready) })
	for {
		n, addr, err := p.ReadFromUDPAddrPort(p.buf[:])
		if errors.Is(err, net.ErrClosed) {
			return 0, nil, err
		}
		if err != nil || n > maxMessage || n > len(b) || n < 16 {
			continue
		}
		from := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		m, _, wrong := cut(p.buf[:n], false)
		pass, reply := p.admit(&m, wrong, from)
		if pass {
			return copy(b, p.buf[:min(n, m.size)]), net.UDPAddrFromAddrPort(from), nil
		}
		if reply != nil {
			// An answer that is lost is asked for again.
			_, _ = p.WriteToUDPAddrPort(reply, m.replyTo(from))
		}
	}
}

// streamDesk is TCP as the stack sees it: a listener that also brings the connections that we open, so that both are
// screened alike and end with closeAll.
type streamDesk struct {
	*net.TCPListener
	desk
	come   chan *deskConn
	closed chan struct{}

	mu       sync.Mutex
	conns    map[*deskConn]struct{}
	accepted int
}

// listen accepts connections until closeAll.
func (s *streamDesk) listen() {
	for {
		conn, err := s.TCPListener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors: wait for one instead of giving up the telephone.
			select {
			case <-s.closed:
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if !s.bring(s.wrap(conn, true)) {
			conn.Close()
		}
	}
}

// Accept waits for the next connection, whoever opened it.
func (s *streamDesk) Accept() (net.Conn, error) {
	select {
	case c := <-s.come:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// dial opens a connection and returns when the stack can send over it.
func (s *streamDesk) dial(ctx context.Context, to netip.AddrPort) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	c := s.wrap(conn, false)
	if !s.bring(c) {
		conn.Close()
		return net.ErrClosed
	}
	select {
	case <-c.reading:
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

func (s *streamDesk) wrap(conn net.Conn, accepted bool) *deskConn {
	return &deskConn{
		Conn: conn, desk: s.desk, from: conn.RemoteAddr().(*net.TCPAddr).AddrPort(), gone: s.forget,
		accepted: accepted, reading: make(chan struct{}),
	}
}

// bring hands a connection to the stack if there is room for it.
func (s *streamDesk) bring(c *deskConn) bool {
	s.mu.Lock()
	if s.conns == nil || c.accepted && s.accepted >= maxConns {
		s.mu.Unlock()
		return false
	}
	s.conns[c] = struct{}{}
	if c.accepted {
		s.accepted++
	}
	s.mu.Unlock()
	select {
	case s.come <- c:
		return true
	case <-s.closed:
		return false
	}
}

func (s *streamDesk) forget(c *deskConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok && c.accepted {
		s.accepted--
	}
	delete(s.conns, c)
}

func (s *streamDesk) closeAll() {
	close(s.closed)
	s.TCPListener.Close()
	s.mu.Lock()
	open := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}

// deskConn is a TCP connection as the stack sees it: each Read returns one whole message that is ours.
type deskConn struct {
	net.Conn
	desk
	from    netip.AddrPort
	gone    func(*deskConn)
	pending []byte // read and not yet cut

	accepted bool // by the listener; else we opened it
	opened   sync.Once
	reading  chan struct{} // closed when the stack has it and begins to read
}

// Read returns the next message that is ours, and ends the connection at the first thing that is not SIP.
func (c *deskConn) Read(b []byte) (int, error) {
	c.opened.Do(func() { close(c.reading) })
	var chunk [4096]byte
	var began time.Time // when the message being read began
	for {
		if n, done, err := c.next(b); done {
			return n, err
		}
		now := time.Now()
		limit := now.Add(idleConn)
		if len(c.pending) == 0 {
			began = time.Time{}
		} else {
			if began.IsZero() {
				began = now
			}
			limit = began.Add(slowMessage)
		}
		if err := c.Conn.SetReadDeadline(limit); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(chunk[:])
		if err != nil {
			return 0, err
		}
		c.pending = append(c.pending, chunk[:n]...)
	}
}

var errNotSIP = errors.New("not a SIP stream")

// next takes messages from what was read, until one is to be passed on.
func (c *deskConn) next(b []byte) (n int, done bool, err error) {
	for {
		if err := c.pong(); err != nil {
			return 0, true, err
		}
		if len(c.pending) == 0 {
			return 0, false, nil
		}
		m, complete, wrong := cut(c.pending, true)
		if !complete {
			return 0, false, nil
		}
		pass, reply := c.admit(&m, wrong, c.from)
		if pass && m.size <= len(b) {
			n := copy(b, c.pending[:m.size])
			c.pending = append(c.pending[:0], c.pending[m.size:]...)
			return n, true, nil
		}
		if reply != nil {
			if err := c.answer(reply); err != nil {
				return 0, true, err
			}
		}
		if wrong.found() {
			// After a malformed message nobody knows where the next begins.
			return 0, true, errNotSIP
		}
		c.pending = append(c.pending[:0], c.pending[m.size:]...)
	}
}

// pong answers a keep-alive (RFC 5626 section 3.5.1) and drops the empty lines before a message.
func (c *deskConn) pong() error {
	for bytes.HasPrefix(c.pending, []byte("\r\n")) {
		if bytes.HasPrefix(c.pending, []byte("\r\n\r\n")) {
			if err := c.answer([]byte("\r\n")); err != nil {
				return err
			}
			c.pending = c.pending[2:]
		}
		c.pending = c.pending[2:]
	}
	return nil
}

func (c *deskConn) answer(reply []byte) error {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err := c.Conn.Write(reply)
	return err
}

// Close ends the connection and frees its place.
func (c *deskConn) Close() error {
	c.gone(c)
	return c.Conn.Close()
}
