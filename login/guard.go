package login

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of the guard. A block doubles with each further wrong try, up to maxBlock.
const (
	FreeTries  = 5 // wrong ones before the first block
	firstBlock = 30 * time.Second
	maxBlock   = 15 * time.Minute
	forgetIn   = time.Hour
	maxGuarded = 1024
)

// Guard slows down whoever guesses passwords, by user and by address. It is safe for concurrent use.
type Guard struct {
	now   func() time.Duration
	mu    sync.Mutex
	tries map[string]tries
}

type tries struct {
	wrong   int
	last    time.Duration
	blocked time.Duration // until
}

// NewGuard makes a guard; now is a monotonic time.
func NewGuard(now func() time.Duration) *Guard { return &Guard{now: now, tries: map[string]tries{}} }

// GuardKeys are what a login is counted under. One network of IPv6 counts as one address.
func GuardKeys(user, peer string) []string {
	if ip, err := netip.ParseAddr(peer); err == nil && ip.Unmap().Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			peer = network.String()
		}
	}
	if len(user) > MaxUserName {
		user = "" // nobody has such a name, and what is counted must stay small
	}
	return []string{"user " + user, "peer " + peer}
}

// Wait is how long this login must not be tried; 0: it may.
func (g *Guard) Wait(keys []string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var longest time.Duration
	for _, k := range keys {
		longest = max(longest, g.tries[k].blocked-g.now())
	}
	return longest
}

// Wrong counts a wrong try before its answer is known to be wrong; Right takes it back.
func (g *Guard) Wrong(keys []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for _, k := range keys {
		t := g.tries[k]
		if now-t.last > forgetIn {
			t = tries{}
		}
		t.wrong++
		t.last = now
		if over := t.wrong - FreeTries; over >= 0 {
			t.blocked = now + min(firstBlock<<min(over, 10), maxBlock)
		}
		if _, known := g.tries[k]; !known && len(g.tries) >= maxGuarded {
			g.forgetOldest()
		}
		g.tries[k] = t
	}
}

func (g *Guard) forgetOldest() {
	oldest, found := "", false
	for k, t := range g.tries {
		if !found || t.last < g.tries[oldest].last {
			oldest, found = k, true
		}
	}
	delete(g.tries, oldest)
}

// Right forgets the wrong tries: the password was right.
func (g *Guard) Right(keys []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range keys {
		delete(g.tries, k)
	}
}
