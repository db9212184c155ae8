package main

import (
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/panel"
)

// coreClock is a panel's time. It runs with the host's, and can be set wrong, be distrusted, or be held and moved by hand while
// the panel lives through days in seconds.
type coreClock struct {
	mu      sync.Mutex
	booted  time.Time     // of the host
	offset  time.Duration // of the wall clock
	unknown bool          // nobody vouches for the wall clock
	held    bool          // it stands at mono and at, and moves only by hand
	mono    time.Duration
	at      time.Time
}

func newCoreClock() *coreClock { return &coreClock{booted: time.Now()} }

func (c *coreClock) boot() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.booted, c.mono = time.Now(), 0
}

// hold stops the clock at an instant; release lets it run again with the host's.
func (c *coreClock) hold(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.at, c.mono = true, at, 0
}

func (c *coreClock) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
}

func (c *coreClock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.mono = c.at.Add(by), c.mono+by
}

// set makes the wall clock say something else; trusted tells whether somebody vouches for it.
func (c *coreClock) set(to time.Time, trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.unknown = time.Until(to), !trusted
}

func (c *coreClock) jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += by
}

// right puts the clock right, as a time server does.
func (c *coreClock) right() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.unknown = 0, false
}

func (c *coreClock) now() panel.Now {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held {
		return panel.Now{Mono: c.mono, Wall: c.at, Trusted: true}
	}
	now := time.Now()
	return panel.Now{Mono: now.Sub(c.booted), Wall: now.Round(0).Add(c.offset), Trusted: !c.unknown}
}

func (c *coreClock) wall() time.Time { return c.now().Wall }
