package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// line is the way from one panel to the network: cable, switch and the line of its site. While it is cut nothing passes and nobody
// is told: what is written waits as in a kernel's buffer, what arrives is not seen, a goodbye does not come through. That is
// what a cut does in the field; closing the sockets would tell the broker at once what it has to find out.
type line struct {
	mu      sync.Mutex
	cuts    int           // by how many causes it is cut at this moment
	changed chan struct{} // closed and replaced when cuts changes between none and some
	conns   map[*lineConn]bool
	dials   int
}

func newLine() *line { return &line{changed: make(chan struct{}), conns: map[*lineConn]bool{}} }

// cut adds a cause, mend takes one away.
func (l *line) cut() { l.change(1) }

func (l *line) mend() { l.change(-1) }

func (l *line) change(by int) {
	l.mu.Lock()
	before := l.cuts > 0
	l.cuts = max(l.cuts+by, 0)
	after := l.cuts > 0
	var flushed []*lineConn
	if before != after {
		close(l.changed)
		l.changed = make(chan struct{})
		if !after {
			for c := range l.conns {
				flushed = append(flushed, c)
			}
		}
	}
	l.mu.Unlock()
	for _, c := range flushed {
		c.flush()
	}
}

func (l *line) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts > 0
}

// state tells whether the line is cut, and what is closed when that changes.
func (l *line) state() (cut bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts > 0, l.changed
}

// dial connects. Over a cut line it waits, as a TCP that is not answered, until ctx ends or the line is mended.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for {
		cut, changed := l.state()
		if !cut {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	real, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &lineConn{Conn: real, line: l, closed: make(chan struct{})}
	l.mu.Lock()
	l.dials++
	l.conns[c] = true
	l.mu.Unlock()
	return c, nil
}

// powerOff leaves the connections of a panel that lost its power as they are: the other side hears nothing more, not even that
// they end. They are given back when the other side gives them up.
func (l *line) powerOff() {
	l.mu.Lock()
	var orphans []*lineConn
	for c := range l.conns {
		orphans = append(orphans, c)
		delete(l.conns, c)
	}
	l.mu.Unlock()
	for _, c := range orphans {
		c.orphan()
	}
}

// remove closes what is left, for the end of the program.
func (l *line) remove() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Conn.Close()
	}
	l.conns = map[*lineConn]bool{}
}

func (l *line) forget(c *lineConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// lineBuffer is how much a sender's kernel takes while nothing passes, in bytes.
const lineBuffer = 64 << 10

// lineConn is a connection over a line.
type lineConn struct {
	net.Conn
	line   *line
	once   sync.Once
	closed chan struct{} // the panel's side has closed it

	mu       sync.Mutex
	held     []byte // written while the line was cut
	dead     bool   // without power: nothing is sent any more
	deadline time.Time
}

// Read gives what arrives, once the line carries it.
func (c *lineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for {
		cut, changed := c.line.state()
		if !cut {
			return n, err
		}
		select {
		case <-changed:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
}

// Write sends, or holds back while the line is cut.
func (c *lineConn) Write(p []byte) (int, error) {
	for {
		cut, changed := c.line.state()
		c.mu.Lock()
		switch {
		case c.dead || cut && len(c.held)+len(p) <= lineBuffer:
			if !c.dead {
				c.held = append(c.held, p...)
			}
			c.mu.Unlock()
			return len(p), nil
		case !cut:
			defer c.mu.Unlock()
			if err := c.send(); err != nil {
				return 0, err
			}
			return c.Conn.Write(p)
		}
		deadline := c.deadline
		c.mu.Unlock()
		if err := c.waitFor(changed, deadline); err != nil {
			return 0, err
		}
	}
}

func (c *lineConn) waitFor(changed <-chan struct{}, deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-c.closed:
		return net.ErrClosed
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

// send must be called with the lock held.
func (c *lineConn) send() error {
	if len(c.held) == 0 {
		return nil
	}
	held := c.held
	c.held = nil
	_, err := c.Conn.Write(held)
	return err
}

// flush sends what was held back, and the end of a connection that was closed meanwhile.
func (c *lineConn) flush() {
	c.mu.Lock()
	err := c.send()
	c.mu.Unlock()
	select {
	case <-c.closed:
		err = errors.Join(err, c.Conn.Close())
		c.line.forget(c)
	default:
	}
	_ = err // whoever reads from the connection is told by it
}

func (c *lineConn) orphan() {
	c.mu.Lock()
	c.dead, c.held = true, nil
	c.mu.Unlock()
	c.once.Do(func() { close(c.closed) })
	_ = c.Conn.SetReadDeadline(time.Time{})
	go func() {
		_, _ = io.Copy(io.Discard, c.Conn)
		_ = c.Conn.Close()
	}()
}

// Close ends the connection. Over a cut line the other side hears of it when the line is mended.
func (c *lineConn) Close() error {
	var err error
	c.once.Do(func() {
		close(c.closed)
		if c.line.isCut() {
			err = c.Conn.SetReadDeadline(time.Unix(1, 0)) // whoever reads goes on
			return
		}
		c.line.forget(c)
		err = c.Conn.Close()
	})
	return err
}

// SetDeadline bounds reading and writing.
func (c *lineConn) SetDeadline(t time.Time) error {
	c.setDeadline(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline bounds writing.
func (c *lineConn) SetWriteDeadline(t time.Time) error {
	c.setDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *lineConn) setDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
}
