package main

import (
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// clock is the panel's time: the monotonic time since this start, the clock on the wall and whether it may be believed,
// and the latest time that is known to have passed.
type clock struct {
	start time.Time
	wall  func() (now time.Time, trusted bool)

	mu   sync.Mutex
	mark time.Time
	seen time.Duration // when the mark was last looked at, monotonic
}

func newClock(wall func() (time.Time, bool)) *clock {
	return &clock{start: time.Now(), wall: wall}
}

func (c *clock) now() panel.Now {
	wall, trusted := c.wall()
	return panel.Now{Mono: time.Since(c.start), Wall: wall, Trusted: trusted}
}

// restore takes over the mark that was written down, and what is known besides.
func (c *clock) restore(marks ...time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range marks {
		if m.After(c.mark) {
			c.mark = m
		}
	}
}

func (c *clock) license() license.Clock {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Trusted {
		c.mark = agent.NextMark(c.mark, now.Wall, now.Mono-c.seen)
	}
	c.seen = max(c.seen, now.Mono)
	return license.Clock{Now: now.Wall, Mark: c.mark, Trusted: now.Trusted}
}
