package broker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Refusals is what was refused for one reason.
type Refusals struct {
	Why   string    `json:"why"`
	Count uint64    `json:"count"`
	Last  string    `json:"last"` // the last of them, in words
	At    time.Time `json:"at"`
}

type refusal struct{ why, detail string }

func refuse(why, format string, args ...any) *refusal {
	return &refusal{why, fmt.Sprintf(format, args...)}
}

// counters counts refusals. There are few reasons, and each keeps one example.
type counters struct {
	accepted atomic.Uint64

	mu   sync.Mutex
	kept []Refusals
}

// detailLimit bounds an example, in bytes.
const detailLimit = 512

func (c *counters) add(r *refusal, now time.Time) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.kept, func(k Refusals) bool { return k.Why == r.why })
	if i < 0 {
		c.kept, i = append(c.kept, Refusals{Why: r.why}), len(c.kept)
	}
	c.kept[i].Count++
	c.kept[i].At, c.kept[i].Last = now, r.detail[:min(len(r.detail), detailLimit)]
	return c.kept[i].Count == 1
}

func (c *counters) list() []Refusals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.kept)
}

func (c *counters) total() (n uint64) {
	for _, r := range c.list() {
		n += r.Count
	}
	return n
}

// refused counts, and logs the first of its kind aloud.
func (b *Broker) refused(r *refusal) {
	level := slog.LevelDebug
	if b.counters.add(r, time.Now()) {
		level = slog.LevelWarn
	}
	b.log.Log(context.Background(), level, "refused", "why", r.why, "detail", r.detail)
}

// clones notices two panels with one identity. A panel that was started again shows another boot, and its old one does not come
// back. Two that share an identity end each other's connections in turn.
type clones struct {
	taken atomic.Uint64

	mu    sync.Mutex
	known map[string]*comings // by panel, of those that ever connected
}

type comings struct {
	boot      string      // of the last connection
	displaced []string    // boots before it, the last ones
	takeovers []time.Time // of connections that were alive, the last ones
	told      time.Time
}

const (
	bootsKept  = 4
	maxTakings = 5 // of connections that were alive, within takingTime
	takingTime = 5 * time.Minute
	cloneEvery = 10 * time.Minute
)

// connected takes note of a connection, and says what is wrong, if anything is and was not said lately.
func (c *clones) connected(panel, boot string, alive bool) (detail string) {
	return c.at(panel, boot, alive, time.Now())
}

func (c *clones) at(panel, boot string, alive bool, now time.Time) (detail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]*comings{}
	}
	k := c.known[panel]
	if k == nil {
		k = &comings{boot: boot}
		c.known[panel] = k
		return ""
	}
	if alive {
		k.takeovers = append(k.takeovers, now)
		if len(k.takeovers) > maxTakings {
			k.takeovers = k.takeovers[1:]
		}
	}
	if boot != k.boot {
		if slices.Contains(k.displaced, boot) {
			detail = "a start of its program that another one had followed (" + boot + ") came back"
		}
		k.displaced = append(slices.DeleteFunc(k.displaced, func(b string) bool { return b == boot }), k.boot)
		if len(k.displaced) > bootsKept {
			k.displaced = k.displaced[1:]
		}
		k.boot = boot
	}
	if n := len(k.takeovers); detail == "" && n == maxTakings && now.Sub(k.takeovers[0]) < takingTime {
		detail = fmt.Sprintf("%d connections were taken over within %s", n, takingTime)
	}
	if detail == "" || !k.told.IsZero() && now.Sub(k.told) < cloneEvery {
		return ""
	}
	k.told = now
	return "two connections speak for panel " + panel + ": " + detail
}

func (b *Broker) takenOver(old, new *wire) {
	b.clones.taken.Add(1)
	b.log.Info("a connection was taken over", "from", old.who.String(), "by", new.who.String())
}

// quiet is the log of the broker's library without its packets: what is worth telling is told by this package. It may repeat payloads.
type quiet struct{ slog.Handler }

func (quiet) Enabled(context.Context, slog.Level) bool { return false }

func (q quiet) WithAttrs([]slog.Attr) slog.Handler { return q }
func (q quiet) WithGroup(string) slog.Handler      { return q }
