package main

import (
	"context"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// livePast lets a panel without a network live through a time that is over, by a clock that is moved by hand, until its journal has
// so many more entries. The machine, the loop around it and the journal are the real ones; only the waiting is left out.
func (c *core) livePast(ctx context.Context, h *habits, begin time.Time, span time.Duration, entries int) error {
	c.clock.hold(begin)
	defer c.clock.release()
	if err := c.boot(false); err != nil {
		return err
	}
	l := c.alive()
	first := l.journal.Durable()
	end := begin.Add(span)
	for done := 0; done < entries; done = int(l.journal.Durable() - first) {
		left := end.Sub(c.clock.wall())
		pause := time.Duration(float64(left) * meanEntries() / float64(entries-done))
		if pause > 0 {
			c.clock.move(time.Duration(h.rand.Float64() * 2 * float64(min(pause, left/2))))
		}
		if err := c.goThrough(ctx, l, h.visit()); err != nil {
			return fmt.Errorf("cannot live through the past: %w", err)
		}
	}
	return c.stop()
}

// goThrough does what a visitor does and lets every deadline pass that follows from it.
func (c *core) goThrough(ctx context.Context, l *life, steps []step) error {
	var at time.Duration
	for i, s := range steps {
		if err := c.pass(ctx, l, s.after-at); err != nil {
			return err
		}
		at = s.after
		if err := l.do(ctx, s.deed); err != nil {
			return err
		}
		if i < len(steps)-1 {
			continue
		}
		if err := c.pass(ctx, l, pulse+2*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// pass lets time pass, a second at a time.
func (c *core) pass(ctx context.Context, l *life, span time.Duration) error {
	for span > 0 {
		part := min(span, time.Second)
		c.clock.move(part)
		span -= part
		if err := l.agent.Do(ctx, panel.Tick{}); err != nil {
			return err
		}
	}
	return nil
}

// do hands a deed straight to the loop and waits for its decision, and for the word of the disk that a grant waits for.
func (l *life) do(ctx context.Context, d deed) error {
	switch d.what {
	case badge:
		facts, err := people{}.Facts(access.Card, cardOf(d.n))
		if err != nil {
			return err
		}
		if err := l.agent.Do(ctx, panel.CredentialPresented{Reader: d.reader, Kind: access.Card, Facts: facts}); err != nil {
			return err
		}
		return l.awaitDisk(ctx)
	case press:
		return l.agent.Do(ctx, button(d.n))
	case exit:
		return l.agent.Do(ctx, panel.ExitRequested{Door: front})
	case open:
		return l.agent.Do(ctx, panel.DoorOpened{Door: d.door})
	}
	return l.agent.Do(ctx, panel.DoorClosed{Door: d.door})
}

// awaitDisk waits until the last entry is durable and the loop has heard of it.
func (l *life) awaitDisk(ctx context.Context) error {
	s, err := l.agent.Snapshot(ctx)
	if err != nil || s.Seq == 0 {
		return err
	}
	if err := l.journal.Wait(ctx, s.Seq-1); err != nil {
		return err
	}
	for range 3 {
		if err := l.agent.Do(ctx, panel.Tick{}); err != nil {
			return err
		}
	}
	return nil
}
