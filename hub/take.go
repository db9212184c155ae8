package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// contact is what the hub knows of a panel since it started.
type contact struct {
	at       time.Time // when the status arrived; zero: none did
	retained bool      // that one was the broker's memory
	status   telemetry.Status
	boots    []string // the last ones that were said, the newest last
	twin     time.Time

	bad      string        // what could not be read last
	badCount int           // since something could
	ordering chan struct{} // full while an order is being sent
}

// bootsLimit is how many starts of a panel are remembered to tell two panels with one identity from one that restarts.
const bootsLimit = 4

// Take implements Peer: it takes a message in as soon as there is room.
func (h *Hub) Take(ctx context.Context, m Message) {
	if !h.held.take(ctx, len(m.Payload)) {
		return // the connection ends: the broker brings it again
	}
	select {
	case h.inbox <- m:
		h.handled.waiting.Add(1)
	case <-ctx.Done():
		h.held.give(len(m.Payload))
	}
}

// sort reads what arrives and brings each to where it belongs, in its order.
func (h *Hub) sort(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-h.inbox:
			h.held.give(len(m.Payload))
			h.handled.waiting.Add(-1)
			h.handled.messages.Add(1)
			h.read(ctx, m)
		}
	}
}

func (h *Hub) read(ctx context.Context, m Message) {
	topic, err := telemetry.ParseTopic(m.Topic)
	if err != nil {
		h.refuse(RefusedTopic, m, err)
		return
	}
	p, refused := h.speaker(topic)
	if refused != "" {
		h.refuse(refused, m, nil)
		if refused == RefusedRevoked && !m.Retained {
			h.o.Unwelcome(topic.Panel)
		}
		return
	}
	switch topic.Leaf {
	case telemetry.LeafStatus:
		h.readStatus(p, m)
	case telemetry.LeafEvent:
		h.readEvent(ctx, p, m)
	case telemetry.LeafReply:
		h.readReply(p, m)
	default:
		h.refuse(RefusedTopic, m, nil)
	}
}

// refuse lets go of a message for good: the broker does not bring it again.
func (h *Hub) refuse(reason Reason, m Message, cause error) {
	h.counts.add(reason, h.o.Now(), example(m.Topic, m.Payload, cause))
	m.Done()
}

// speaker is whose topic it is, if that panel may speak there.
func (h *Hub) speaker(topic telemetry.Topic) (fleet.Panel, Reason) {
	p, known := h.roll.Load().panels[topic.Panel]
	if !known {
		h.Changed() // it may have been enrolled just now
	}
	switch {
	case !known:
		return p, RefusedUnknown
	case p.State() == fleet.PanelRevoked || p.State() == fleet.PanelReplaced:
		return p, RefusedRevoked
	case p.Site != topic.Site:
		return p, RefusedSite
	}
	return p, ""
}

// contactOf finds or makes what is known of a panel. Hold h.mu.
func (h *Hub) contactOf(panel string) *contact {
	c := h.contacts[panel]
	if c == nil {
		c = &contact{ordering: make(chan struct{}, 1)}
		h.contacts[panel] = c
	}
	return c
}

func (h *Hub) readStatus(p fleet.Panel, m Message) {
	if len(m.Payload) == 0 {
		m.Done() // the retained status was cleared: nobody said anything
		return
	}
	status, err := telemetry.DecodeStatus(m.Payload)
	if err != nil {
		h.unreadable(p, m, err)
		return
	}
	now := h.o.Now()
	h.mu.Lock()
	c := h.contactOf(p.ID)
	twin := false
	if status.Online {
		twin = !m.Again && c.returns(status.Boot) && now.Sub(c.twin) > time.Hour
		if twin {
			c.twin = now
		}
		c.at, c.retained, c.status = now, m.Retained, status
	}
	h.mu.Unlock()
	if twin {
		h.Twin(p.ID, "boot "+status.Boot+" speaks again after another one: "+m.Topic)
	}
	h.presence.status(p.Site, p.ID, status, m.Retained)
	h.tellNews()
	m.Done()
}

// returns notes a start of a panel and tells whether it is one that another one has followed: a panel never goes back.
func (c *contact) returns(boot string) bool {
	i := slices.Index(c.boots, boot)
	if i >= 0 && i == len(c.boots)-1 {
		return false
	}
	if i >= 0 {
		c.boots = slices.Delete(c.boots, i, i+1)
	}
	c.boots = append(c.boots, boot)
	if len(c.boots) > bootsLimit {
		c.boots = c.boots[1:]
	}
	return i >= 0
}

// Twin tells that two connections use one identity, as the hub or its broker sees it.
func (h *Hub) Twin(panel, detail string) {
	now := h.o.Now()
	h.counts.add(RefusedTwin, now, detail[:min(len(detail), exampleLimit)])
	p := h.roll.Load().panels[panel]
	h.fault(fleet.Fault{
		Panel: panel, Site: p.Site, At: now, Kind: fleet.FaultClone,
		Detail: "Two panels use one identity: " + detail + ". Revoke it and enroll both anew.",
	}, true)
}

// unreadable counts what a panel sent and nobody can read. An event among it is missing from now on; see bridge.
func (h *Hub) unreadable(p fleet.Panel, m Message, cause error) {
	reason := RefusedMalformed
	if len(m.Payload) > telemetry.EventLimit {
		reason = RefusedSize
	}
	h.mu.Lock()
	c := h.contactOf(p.ID)
	c.bad, c.badCount = example(m.Topic, m.Payload, cause), c.badCount+1
	h.mu.Unlock()
	h.refuse(reason, m, cause)
}

// budget bounds bytes that wait.
type budget struct {
	mu    *sync.Mutex
	left  *int
	freed chan struct{}
	all   int
}

func newBudget(all int) budget {
	left := all
	return budget{mu: new(sync.Mutex), left: &left, freed: make(chan struct{}, 1), all: all}
}

// take waits until n bytes are free; false when ctx ended before. More than there is at all is taken when nothing else waits.
func (b budget) take(ctx context.Context, n int) bool {
	n = min(n, b.all)
	for {
		b.mu.Lock()
		if *b.left >= n {
			*b.left -= n
			b.mu.Unlock()
			return true
		}
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-b.freed:
		}
	}
}

func (b budget) give(n int) {
	b.mu.Lock()
	*b.left += min(n, b.all)
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}
