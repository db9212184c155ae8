package panel

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The keys of what is remembered.
const (
	guessKey  = "guess"
	tamperKey = "tamper"
	orderKey  = "order/"

	lockdownKey = "lockdown"
	holdKey     = "hold/" // and the door

	usesKey   = "uses/"   // and the id of the credential
	insideKey = "inside/" // and the id of the person, or pass: and that of the pass
	duressKey = "duress"
)

// tamperMemory is empty when no block is left.
func tamperMemory(now Now, block time.Duration) Memory {
	if block <= 0 {
		return Memory{Key: tamperKey}
	}
	return Memory{Key: tamperKey, Value: blockEnd(now, block)}
}

// blockEnd is when a block ends by the clock on the wall, with a question mark where that clock was not trusted.
func blockEnd(now Now, left time.Duration) string {
	end := strconv.FormatInt(now.Wall.Add(left).UnixMilli(), 10)
	if !now.Trusted {
		end += "?"
	}
	return end
}

// blockLeft is how long a block of the full length still runs: in full again when either clock cannot be trusted or the
// memory cannot be read, and never longer than in full, whatever the clock says. One that is over by the clock still runs
// for an instant, so that its end is written down.
func blockLeft(end string, full time.Duration, now Now) time.Duration {
	ms, err := strconv.ParseInt(strings.TrimSuffix(end, "?"), 10, 64)
	if err != nil || strings.HasSuffix(end, "?") || !now.Trusted {
		return full
	}
	return min(max(time.UnixMilli(ms).Sub(now.Wall), 1), full)
}

// Keep takes one memory into what is remembered, by key. An empty value forgets the key; a key that ends in a slash forgets
// all keys that begin with it.
func Keep(memory map[string]string, m Memory) {
	switch {
	case m.Value != "":
		memory[m.Key] = m.Value
	case strings.HasSuffix(m.Key, "/"):
		maps.DeleteFunc(memory, func(key, _ string) bool { return strings.HasPrefix(key, m.Key) })
	default:
		delete(memory, m.Key)
	}
}

// Personal reports whether a memory names somebody: it is kept with the part of an entry that can be erased.
func (m Memory) Personal() bool { return strings.HasPrefix(m.Key, insideKey) && m.Key != insideKey }

func (p *Panel) restore(m Memory, now Now) {
	switch {
	case m.Key == guessKey:
		p.restoreGuess(m.Value, now)
	case m.Key == duressKey:
		p.duress.recipient = m.Value
	case strings.HasPrefix(m.Key, usesKey):
		p.restoreUses(m)
	case strings.HasPrefix(m.Key, insideKey):
		p.restoreInside(m)
	case m.Key == tamperKey:
		if p.rules.TamperBlock > 0 && m.Value != "" {
			p.tamperUntil = now.Mono + blockLeft(m.Value, p.rules.TamperBlock, now)
		}
	case strings.HasPrefix(m.Key, orderKey):
		p.remember(m)
	case m.Key == lockdownKey:
		p.lockdown = m.Value != ""
	case strings.HasPrefix(m.Key, holdKey):
		p.rememberHold(strings.TrimPrefix(m.Key, holdKey), m.Value)
	}
}

// remember keeps the highest order number of each signer.
func (p *Panel) remember(m Memory) {
	if i := slices.IndexFunc(p.orders, func(o Memory) bool { return o.Key == m.Key }); i >= 0 {
		p.orders[i] = m
		return
	}
	p.orders = append(p.orders, m)
}

func (p *Panel) lastOrder(signer string) uint64 {
	for _, o := range p.orders {
		if o.Key == orderKey+signer {
			n, err := strconv.ParseUint(o.Value, 10, 64)
			if err != nil {
				return ^uint64(0) // an unreadable mark never lets an order in twice
			}
			return n
		}
	}
	return 0
}

func (r Rules) zone() *time.Location {
	if r.Zone == nil {
		return time.UTC
	}
	return r.Zone
}

// callID names a call within one boot.
func callID(n uint64) string { return fmt.Sprintf("call-%d", n) }
