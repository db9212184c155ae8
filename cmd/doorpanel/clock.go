package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

// clock is the panel's time: the monotonic time since this start, the clock on the wall and who vouches for it, and what is known
// about the time besides. An administrator's word is an offset to the clock on the wall, which itself is left alone.
type clock struct {
	start time.Time
	wall  func() (now time.Time, source license.TimeSource)

	mu      sync.Mutex
	keeping license.Timekeeping
	seen    time.Duration // when the clocks were last looked at, monotonic
	word    time.Duration // what an administrator adds to the wall
	said    bool          // an administrator has spoken, and nothing better since
	expired chan struct{} // the stored word is to be forgotten: a better source has taken over
}

func newClock(wall func() (time.Time, license.TimeSource)) *clock {
	return &clock{start: time.Now(), wall: wall, expired: make(chan struct{}, 1)}
}

// restore takes over what was known at the end of the start before, and times that have passed for sure besides.
func (c *clock) restore(keeping license.Timekeeping, proofs ...time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeping = keeping
	for _, at := range proofs {
		c.keeping = c.keeping.Prove(at)
	}
}

// look reads the clocks and takes note of what they say.
func (c *clock) look() (panel.Now, license.Reading, license.Timekeeping) {
	wall, source := c.wall()
	c.mu.Lock()
	defer c.mu.Unlock()
	mono := time.Since(c.start)
	switch {
	case c.said && source == license.Synchronized:
		c.word, c.said = 0, false
		select {
		case c.expired <- struct{}{}:
		default:
		}
	case c.said:
		wall, source = wall.Add(c.word), license.Administrator
	}
	reading := license.Reading{Wall: wall, Source: source, Elapsed: mono - c.seen}
	c.seen = max(c.seen, mono)
	c.keeping = c.keeping.Observe(reading)
	return panel.Now{
		Mono: mono, Wall: wall, Trusted: c.keeping.Trusts(reading), ByHand: source == license.Administrator,
	}, reading, c.keeping
}

func (c *clock) now() panel.Now {
	now, _, _ := c.look()
	return now
}

func (c *clock) license() license.Clock {
	_, reading, keeping := c.look()
	return keeping.Clock(reading)
}

// prove takes note of a time that has passed for sure, because somebody has signed it.
func (c *clock) prove(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeping = c.keeping.Prove(at)
}

// clockWord is an administrator's word as the store keeps it: what to add to the clock on the wall of that boot of the kernel.
type clockWord struct {
	Offset time.Duration `json:"offset_ns"`
	Boot   string        `json:"kernel_boot"`
}

// say takes an administrator's word, once keep has made it durable.
func (c *clock) say(now time.Time, keep func(clockWord) error) error {
	wall, source := c.wall()
	if source == license.Synchronized {
		return errSynchronized
	}
	word := clockWord{Offset: now.Sub(wall.Round(0)), Boot: kernelBoot()}
	if err := keep(word); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.word, c.said = word.Offset, true
	return nil
}

// recall takes up the word that was stored. Another boot of the kernel began with another time unless a battery kept it, and a
// battery that was empty makes nonsense of the word: such a word is not to be believed, and recall tells why.
func (c *clock) recall(word clockWord, battery bool) (fault string) {
	wall, _ := c.wall()
	c.mu.Lock()
	defer c.mu.Unlock()
	corrected := license.Reading{Wall: wall.Add(word.Offset), Source: license.Battery}
	switch same := word.Boot != "" && word.Boot == kernelBoot(); {
	case same:
	case !battery:
		return "the time that was set by hand was lost when the board was switched off; set it again"
	case !c.keeping.Trusts(corrected):
		return "the board's battery clock has lost the time; set it again"
	}
	c.word, c.said = word.Offset, true
	return ""
}

// kernelBoot names this boot of the kernel; empty where it does not say.
func kernelBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// clockDetail is what the journal says of a clock that was set.
func clockDetail(before, after time.Time) string {
	return fmt.Sprintf("from %s to %s", before.UTC().Format(time.RFC3339), after.UTC().Format(time.RFC3339))
}
