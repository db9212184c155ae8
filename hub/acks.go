package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/telemetry"
)

// acks is what panels are to be told: the newest word for each, in the order in which they came to have one. While the
// connection is busy, later words take the place of earlier ones.
type acks struct {
	mu      sync.Mutex
	words   map[address]*word
	waiting []address
	wake    chan struct{}
}

type address struct{ site, panel string }

// word is a panel's acknowledgment and the entries that it is asked for.
type word struct {
	stored, again telemetry.Ack
	hasStored     bool
	hasAgain      bool
}

func newAcks() *acks {
	return &acks{words: map[address]*word{}, wake: make(chan struct{}, 1)}
}

func (a *acks) stored(site, panel, epoch string, seq uint64) {
	a.change(address{site, panel}, func(w *word) {
		if w.hasStored && w.stored.Epoch == epoch {
			seq = max(seq, w.stored.Seq)
		}
		w.stored, w.hasStored = telemetry.Ack{Epoch: epoch, Seq: seq}, true
		if w.again.Epoch == epoch && seq >= w.again.From {
			w.hasAgain = false // it came meanwhile
		}
	})
}

func (a *acks) ask(site, panel string, again telemetry.Ack) {
	a.change(address{site, panel}, func(w *word) { w.again, w.hasAgain = again, true })
}

func (a *acks) change(to address, how func(*word)) {
	a.mu.Lock()
	w := a.words[to]
	if w == nil {
		w = &word{}
		a.words[to] = w
		a.waiting = append(a.waiting, to)
	}
	how(w)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// next takes out the word that waits longest.
func (a *acks) next() (to address, w word, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		return to, w, false
	}
	to = a.waiting[0]
	if a.waiting = a.waiting[1:]; len(a.waiting) == 0 {
		a.waiting = nil
	}
	w = *a.words[to]
	delete(a.words, to)
	return to, w, true
}

// acknowledge sends words as fast as the connection takes them.
func (h *Hub) acknowledge(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.acks.wake:
		}
		for {
			to, w, ok := h.acks.next()
			if !ok || ctx.Err() != nil {
				break
			}
			if w.hasStored && !h.say(ctx, to, w.stored) {
				continue
			}
			if w.hasAgain {
				h.say(ctx, to, w.again)
			}
		}
	}
}

const sayPause = 10 * time.Millisecond

// say sends one word. One that cannot be sent is lost: the panel sends again what it has no word about, and is told then.
func (h *Hub) say(ctx context.Context, to address, ack telemetry.Ack) bool {
	payload, err := ack.Encode()
	if err != nil {
		h.log.Error("cannot acknowledge", "panel", to.panel, "cause", err)
		return false
	}
	for {
		err = h.o.Link.Send(telemetry.AckTopic(to.site, to.panel), false, payload)
		if !errors.Is(err, errTooMany) {
			break
		}
		wait := time.NewTimer(sayPause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return false
		case <-wait.C:
		}
	}
	if err != nil {
		return false
	}
	h.handled.acks.Add(1)
	return true
}
