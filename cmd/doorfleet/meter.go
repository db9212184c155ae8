package main

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/panel/outbox"
	"github.com/doorpanel/doorpanel/telemetry"
)

// meter counts what the fleet does. Its methods may be called from any goroutine.
type meter struct {
	began   time.Time
	visits  atomic.Uint64 // that the generator asked for
	sent    atomic.Uint64 // entries handed to the uplink, those sent again included
	again   atomic.Uint64 // how often an uplink was asked to go back
	acked   atomic.Uint64 // entries that the hub acknowledged
	online  atomic.Int64
	latency histogram // from handing an entry to the uplink until the hub's acknowledgment moved the cursor

	mu       sync.Mutex
	connects []uint32 // made in each second since began
	faults   []string
	dropped  int // faults beyond maxFaults
}

const (
	maxFaults  = 50
	maxSeconds = 7 * 24 * 3600
)

func newMeter() *meter { return &meter{began: time.Now()} }

func (m *meter) connection(made bool) {
	if !made {
		m.online.Add(-1)
		return
	}
	m.online.Add(1)
	second := int(time.Since(m.began) / time.Second)
	if second >= maxSeconds {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.connects) <= second {
		m.connects = append(m.connects, 0)
	}
	m.connects[second]++
}

// connectsPerSecond are the connections made in each second between two instants.
func (m *meter) connectsPerSecond(from, to time.Time) []uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	low := min(max(int(from.Sub(m.began)/time.Second), 0), len(m.connects))
	high := min(max(int(to.Sub(m.began)/time.Second)+1, low), len(m.connects))
	return append([]uint32(nil), m.connects[low:high]...)
}

// fault keeps something that should not have happened, for the end.
func (m *meter) fault(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.faults) < maxFaults {
		m.faults = append(m.faults, what)
		return
	}
	m.dropped++
}

func (m *meter) allFaults() (list []string, dropped int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.faults...), m.dropped
}

// histogram counts durations in buckets that grow by a twentieth.
type histogram struct{ buckets [400]atomic.Uint64 }

const bucketGrowth = 1.05

func (h *histogram) add(d time.Duration) {
	i := int(math.Log(float64(max(d.Microseconds(), 1))) / math.Log(bucketGrowth))
	h.buckets[min(max(i, 0), len(h.buckets)-1)].Add(1)
}

// snapshot copies the counts, to tell later what came after it.
func (h *histogram) snapshot() (counts [400]uint64) {
	for i := range h.buckets {
		counts[i] = h.buckets[i].Load()
	}
	return counts
}

// quantile is the duration that a share of those counted since a snapshot does not exceed; 0 when there are none.
func (h *histogram) quantile(share float64, since [400]uint64) time.Duration {
	counts := h.snapshot()
	var total uint64
	for i := range counts {
		counts[i] -= since[i]
		total += counts[i]
	}
	rest := uint64(math.Ceil(share * float64(total)))
	if rest == 0 {
		return 0
	}
	for i, n := range counts {
		if n >= rest {
			return time.Duration(math.Pow(bucketGrowth, float64(i+1)) * float64(time.Microsecond))
		}
		rest -= n
	}
	return 0
}

// timedOutbox measures how long the hub takes to acknowledge what the uplink was given.
type timedOutbox struct {
	*outbox.Outbox
	meter *meter

	mu  sync.Mutex
	out []handed // not acknowledged, in order
}

// handed is an entry that the uplink was given for the first time.
type handed struct {
	seq uint64
	at  time.Time
}

// maxOut bounds what is remembered of a panel whose hub is silent.
const maxOut = 256

func (o *timedOutbox) Next(ctx context.Context) (telemetry.Event, error) {
	e, err := o.Outbox.Next(ctx)
	if err != nil {
		return e, err
	}
	o.meter.sent.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.out); n < maxOut && (n == 0 || o.out[n-1].seq < e.Seq) {
		o.out = append(o.out, handed{e.Seq, time.Now()})
	}
	return e, nil
}

func (o *timedOutbox) Done(seq uint64) error {
	o.mu.Lock()
	gone := 0
	for gone < len(o.out) && o.out[gone].seq <= seq {
		o.meter.latency.add(time.Since(o.out[gone].at))
		gone++
	}
	o.out = append(o.out[:0], o.out[gone:]...)
	o.mu.Unlock()
	o.meter.acked.Add(uint64(gone))
	return o.Outbox.Done(seq)
}

func (o *timedOutbox) Rewind(from uint64) error {
	o.meter.again.Add(1)
	return o.Outbox.Rewind(from)
}
