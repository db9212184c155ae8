package broker

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	writeTime = 20 * time.Second // for a part of what waits
	farewell  = time.Second      // for what waits when the connection is closed
)

// wire is one client's connection. Writing never waits: what the peer does not read is kept up to a limit, and then the connection
// ends. The broker's library writes to a client while it holds locks that others need.
type wire struct {
	net.Conn
	who       identity
	began     bool        // a session did
	displaced atomic.Bool // its will is not to be heard
	entered   bool        // a message of it is on its way to the hub; belongs to the goroutine that reads

	mu      sync.Mutex
	waiting []byte
	limit   int
	writing bool // a goroutine writes what waits
	closed  bool
	fault   error
}

func newWire(c net.Conn, who identity, limit int) *wire {
	return &wire{Conn: c, who: who, limit: limit}
}

var errSlow = errors.New("the peer reads too slowly")

// Write takes p over, or fails when too much waits already.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.fault != nil:
		return 0, w.fault
	case w.closed:
		return 0, net.ErrClosed
	case len(w.waiting)+len(p) > w.limit:
		w.fault = errSlow
		_ = w.Conn.SetReadDeadline(time.Unix(1, 0)) // ends the connection where it is read
		return 0, errSlow
	}
	w.waiting = append(w.waiting, p...)
	if !w.writing {
		w.writing = true
		go w.drain()
	}
	return len(p), nil
}

// drain writes what waits, and goes when nothing does.
func (w *wire) drain() {
	for {
		w.mu.Lock()
		part, closed := w.waiting, w.closed
		w.waiting = nil
		done := len(part) == 0 || w.fault != nil
		w.writing = !done
		w.mu.Unlock()
		if done {
			if closed {
				_ = w.Conn.Close()
			}
			return
		}
		limit := writeTime
		if closed {
			limit = farewell
		}
		_ = w.Conn.SetWriteDeadline(time.Now().Add(limit))
		if _, err := w.Conn.Write(part); err != nil {
			w.mu.Lock()
			w.fault = err
			w.mu.Unlock()
			_ = w.Conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// SetDeadline is asked for by the library for both directions. Writing has a limit of its own.
func (w *wire) SetDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.fault != nil {
		return net.ErrClosed
	}
	return w.SetReadDeadline(t)
}

// Close ends reading at once. What waits is still written, for a moment: the last word often is why.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	_ = w.Conn.SetReadDeadline(time.Unix(1, 0))
	_ = w.Conn.SetWriteDeadline(time.Now().Add(farewell))
	if !w.writing {
		w.writing = true
		go w.drain()
	}
	return nil
}

// room keeps the hub from being told faster than it takes.
type room struct {
	mu       sync.Mutex
	ready    *sync.Cond
	inflight func() int // messages that the hub has not acknowledged; nil: it is not connected
	inside   int        // messages that are being brought to it
}

// enter waits for room. leave is to be called afterwards.
func (r *room) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.inflight != nil && r.inside+r.inflight() >= hubAhead {
		r.ready.Wait()
	}
	r.inside++
}

func (r *room) leave() {
	r.mu.Lock()
	r.inside--
	r.mu.Unlock()
	r.ready.Signal()
}

// wake is called when the hub has acknowledged a message. It takes the lock, so that nobody goes to sleep meanwhile.
func (r *room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready.Signal()
}

// watch begins to count for a hub that has connected.
func (r *room) watch(inflight func() int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inflight = inflight
	r.ready.Broadcast()
}

// open lets everybody through: there is no hub.
func (r *room) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inflight = nil
	r.ready.Broadcast()
}
