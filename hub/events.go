package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// arrival is an event on its way into the store.
type arrival struct {
	event fleet.Received
	done  func()
}

// asking is what a panel was asked to send again.
type asking struct {
	epoch string
	want  uint64
	tries int
	next  time.Time // not before
	pause time.Duration
}

const (
	askFirst = 2 * time.Second
	askLast  = time.Minute
	// bridgeAfter is how often an entry is asked for before the panel is believed not to have it. With growing pauses that is
	// two minutes at least.
	bridgeAfter = 7
	// learnTries is how often what a panel says about licenses is tried when it is not the store that fails.
	learnTries = 3
	storePause = time.Second
	storeLast  = 30 * time.Second
)

func (h *Hub) readEvent(ctx context.Context, p fleet.Panel, m Message) {
	event, err := telemetry.DecodeEvent(m.Payload)
	if err != nil {
		h.unreadable(p, m, err)
		return
	}
	a := arrival{fleet.Received{At: h.o.Now(), Site: p.Site, Panel: p.ID, Event: event}, m.Done}
	select {
	case h.events <- a:
		h.handled.waiting.Add(1)
	case <-ctx.Done():
	}
}

// keep stores events. What comes while a transaction runs shares the next one; nobody waits for a clock.
func (h *Hub) keep(ctx context.Context) {
	k := keeper{Hub: h, asked: map[string]*asking{}, begun: map[string]bool{}}
	batch := make([]arrival, 0, batchLimit)
	for {
		batch = batch[:0]
		select {
		case <-ctx.Done():
			return
		case a := <-h.events:
			batch = append(batch, a)
		}
		for more := true; more && len(batch) < batchLimit; {
			select {
			case a := <-h.events:
				batch = append(batch, a)
			default:
				more = false
			}
		}
		k.store(ctx, batch)
		h.handled.waiting.Add(-int64(len(batch)))
		clear(batch)
	}
}

// keeper belongs to the goroutine of keep.
type keeper struct {
	*Hub
	asked map[string]*asking
	begun map[string]bool // panels of which something is stored
}

// store brings a batch into the store, however long that takes: until then the broker and the panels keep it.
func (k *keeper) store(ctx context.Context, batch []arrival) {
	events := make([]fleet.Received, 0, len(batch))
	begins := make([]bool, len(batch))
	for i, a := range batch {
		if begins[i] = k.begins(a.event); begins[i] {
			events = append(events, a.event)
		}
	}
	if !k.learn(ctx, events) {
		return
	}
	outcomes, ok := k.receive(ctx, events)
	if !ok {
		return
	}
	for i, a := range batch {
		if begins[i] {
			k.answer(ctx, a.event, outcomes[0])
			outcomes = outcomes[1:]
		} else {
			k.answer(ctx, a.event, fleet.Outcome{Verdict: fleet.Ahead, Want: 1})
		}
		a.done()
	}
	k.tellNews()
}

// begins tells whether an event can be a panel's first, or whether something is stored of it already. What is heard first may
// not be what the panel said first: the hub may have come to the broker in the middle of it.
func (k *keeper) begins(r fleet.Received) bool {
	if !k.begun[r.Panel] {
		_, stored, err := k.o.Store.Head(r.Panel)
		first := r.Event.Seq
		if gap := r.Event.Gap; gap != nil {
			first = min(first, gap.From)
		}
		if err == nil && !stored && first > 1 {
			return false
		}
		k.begun[r.Panel] = err == nil
	}
	return true
}

// receive tries until the store takes it; false when ctx ended before.
func (k *keeper) receive(ctx context.Context, events []fleet.Received) ([]fleet.Outcome, bool) {
	if len(events) == 0 {
		return nil, true
	}
	for pause := storePause; ; pause = min(2*pause, storeLast) {
		outcomes, err := k.o.Store.Append(events)
		if err == nil && len(outcomes) != len(events) {
			err = fmt.Errorf("cannot store %d events: the store answered for %d", len(events), len(outcomes))
		}
		if err == nil {
			k.handled.failing.Store(nil)
			return outcomes, true
		}
		why := err.Error()
		k.handled.failing.Store(&why)
		k.log.Error("events are not stored; the panels keep them", "events", len(events), "cause", err)
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, false
		case <-wait.C:
		}
	}
}

// answer tells the panel and people what became of an event.
func (k *keeper) answer(ctx context.Context, r fleet.Received, o fleet.Outcome) {
	if o.Fault != nil {
		k.fault(*o.Fault, false)
	}
	switch o.Verdict {
	case fleet.Stored:
		k.handled.stored.Add(1)
	case fleet.Duplicate:
		k.handled.duplicate.Add(1)
	case fleet.Rewritten:
		k.handled.rewritten.Add(1)
	default:
		k.handled.ahead.Add(1)
		k.ahead(ctx, r, o.Want)
		return
	}
	switch o.Verdict {
	case fleet.Stored:
		delete(k.asked, r.Panel)
		k.silentAlarm(ctx, r, false)
	case fleet.Duplicate:
		k.silentAlarm(ctx, r, true) // the hub may have died before anybody was told
	}
	if k.o.Known != nil && ofLicenses(r) {
		k.o.Known(r)
	}
	k.acks.stored(r.Site, r.Panel, r.Event.Epoch, r.Event.Seq)
}

// ofLicenses tells whether an entry is about licenses.
func ofLicenses(r fleet.Received) bool { return strings.HasPrefix(r.Event.Kind, "license.") }

// learn has what entries bring about licenses kept, however long the store takes; false when ctx ended before. An entry that is stored
// is acknowledged and does not come again. What cannot be used is set aside: no panel may stop what the others say.
func (k *keeper) learn(ctx context.Context, events []fleet.Received) bool {
	if k.o.Learn == nil {
		return true
	}
	for _, r := range events {
		if !ofLicenses(r) {
			continue
		}
		pause := storePause
		for try := 1; ; try, pause = try+1, min(2*pause, storeLast) {
			err := k.o.Learn(r)
			if err == nil {
				break
			}
			if try >= learnTries && !errors.Is(err, fleet.ErrNotKept) {
				k.setAside(r, err)
				break
			}
			k.log.Error("cannot keep what a panel says about licenses; the panel keeps it", "panel", r.Panel, "cause", err)
			wait := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				wait.Stop()
				return false
			case <-wait.C:
			}
		}
	}
	return true
}

// setAside names an entry whose word about licenses cannot be used. The entry itself is stored as every other; the panel keeps its
// documents, and shows them again when it is asked.
//
// The cause is for the log alone: it may speak of others, and the fault is shown to the people of the panel's site.
func (k *keeper) setAside(r fleet.Received, cause error) {
	k.log.Error("what a panel says about licenses is set aside", "panel", r.Panel, "seq", r.Event.Seq, "tries", learnTries, "cause", cause)
	k.fault(fleet.Fault{
		Panel: r.Panel, Site: r.Site, At: k.o.Now(), Kind: fleet.FaultUnusable, Epoch: r.Event.Epoch, Seq: r.Event.Seq,
		Detail: fmt.Sprintf("What entry %d says about licenses cannot be used and was set aside after %d tries. The hub's log names the cause.", r.Event.Seq, learnTries),
	}, true)
}

// ahead asks for what is missing before an event, with growing pauses. What a panel does not bring however often it is asked
// for is bridged: the rest must not wait for it for ever.
func (k *keeper) ahead(ctx context.Context, r fleet.Received, want uint64) {
	now := k.o.Now()
	a := k.asked[r.Panel]
	if a == nil || a.epoch != r.Event.Epoch || a.want != want {
		a = &asking{epoch: r.Event.Epoch, want: want, pause: askFirst}
		k.asked[r.Panel] = a
	}
	if now.Before(a.next) || want == 0 || want >= r.Event.Seq {
		return
	}
	if a.tries >= bridgeAfter {
		k.bridge(ctx, r, want)
		return
	}
	a.tries++
	a.next, a.pause = now.Add(a.pause), min(2*a.pause, askLast)
	k.handled.asked.Add(1)
	k.acks.ask(r.Site, r.Panel, telemetry.Ack{Epoch: r.Event.Epoch, From: want, To: r.Event.Seq})
}

// bridge stores a gap in the place of entries that the panel does not bring, and the event behind it. The store keeps the gap
// as a fault, so that people see it.
func (k *keeper) bridge(ctx context.Context, r fleet.Received, want uint64) {
	missing := r.Event.Seq - want
	why := fmt.Sprintf("the panel did not send them, though it was asked %d times", bridgeAfter)
	k.mu.Lock()
	if c := k.contacts[r.Panel]; c != nil && c.badCount > 0 {
		why = fmt.Sprintf("what it sent in their place cannot be read (%d times): %s", c.badCount, c.bad)
		c.bad, c.badCount = "", 0
	}
	k.mu.Unlock()
	gap := r
	gap.Event = telemetry.Event{
		V: telemetry.Version, Epoch: r.Event.Epoch, Seq: r.Event.Seq - 1, Kind: "journal.gap", Chain: r.Event.Prev,
		Gap:    &telemetry.Gap{From: want, To: r.Event.Seq - 1, Count: missing},
		Detail: fmt.Sprintf("Entries %d to %d are missing at the hub: %s.", want, r.Event.Seq-1, why),
	}
	outcomes, ok := k.receive(ctx, []fleet.Received{gap, r})
	if !ok {
		return
	}
	k.handled.bridged.Add(missing)
	delete(k.asked, r.Panel)
	for i, e := range []fleet.Received{gap, r} {
		if outcomes[i].Verdict != fleet.Ahead {
			k.answer(ctx, e, outcomes[i])
		}
	}
}

// Warn keeps a fault that was found in what a panel said, and tells people of it.
func (h *Hub) Warn(f fleet.Fault) { h.fault(f, true) }

// fault tells people of something that is wrong with what a panel sent. New ones are kept first.
func (h *Hub) fault(f fleet.Fault, keep bool) {
	if keep {
		if err := h.o.Store.AddFault(f); err != nil {
			h.log.Error("cannot keep a fault", "panel", f.Panel, "kind", f.Kind, "cause", err)
		}
	}
	h.log.Warn("something is wrong with what a panel sent", "panel", f.Panel, "kind", f.Kind, "seq", f.Seq, "detail", f.Detail)
	h.presence.warn(f)
	h.tellNews()
}
