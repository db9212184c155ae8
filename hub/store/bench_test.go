package store_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/hub/store/storetest"
)

// The benchmarks report figures of one machine; ratios to the peer of the same run carry over, microseconds do not.
const (
	benchPanels = 1000
	benchEpoch  = "9f86d081884c7d65"
)

// journals makes ordinary events of many panels, in turns.
type journals struct{ seq, panel int }

func (j *journals) next(n int) []fleet.Received {
	out := make([]fleet.Received, n)
	for i := range out {
		if j.panel == 0 {
			j.seq++
		}
		r := storetest.Event(fmt.Sprintf("ABCDEFGHIJKLMNOPQRSTUV%04d", j.panel), benchEpoch, uint64(j.seq))
		r.Site = fmt.Sprint("site-", j.panel/10)
		out[i] = r
		j.panel = (j.panel + 1) % benchPanels
	}
	return out
}

func fill(b *testing.B, s *store.Store, n int) {
	var j journals
	for done := 0; done < n; done += 10_000 {
		if _, err := s.Append(j.next(10_000)); err != nil {
			b.Fatal(err)
		}
	}
}

func size(b *testing.B, dir string) (bytes int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[int(q*float64(len(d)-1))].Microseconds()) / 1000
}

// BenchmarkAppend stores what a thousand panels send, in batches of some sizes, and the same bytes with the heads in bbolt.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 32, 100, 1000} {
		b.Run(fmt.Sprint("log, batches of ", n), func(b *testing.B) {
			s := open(b, store.Options{Dir: b.TempDir()})
			var j journals
			batches := make([][]fleet.Received, b.N)
			for i := range batches {
				batches[i] = j.next(n)
			}
			b.ResetTimer()
			for _, batch := range batches {
				if _, err := s.Append(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
		})
		b.Run(fmt.Sprint("bbolt, batches of ", n), func(b *testing.B) { appendBolt(b, n) })
	}
}

// appendBolt is the peer: events and heads in one transaction of bbolt.
func appendBolt(b *testing.B, n int) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "peer.db"), 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var j journals
	batches := make([][]fleet.Received, b.N)
	for i := range batches {
		batches[i] = j.next(n)
	}
	serial := 0
	b.ResetTimer()
	for _, batch := range batches {
		err := db.Update(func(tx *bolt.Tx) error {
			events, err := tx.CreateBucketIfNotExists([]byte("events"))
			if err != nil {
				return err
			}
			heads, err := tx.CreateBucketIfNotExists([]byte("heads"))
			if err != nil {
				return err
			}
			events.FillPercent = 1
			for _, r := range batch {
				serial++
				text, err := json.Marshal(r)
				if err != nil {
					return err
				}
				if err := events.Put(fmt.Appendf(nil, "%016x", serial), text[:min(len(text), 250)]); err != nil {
					return err
				}
				if err := heads.Put([]byte(r.Panel), fmt.Appendf(nil, "%s %d %s", r.Event.Epoch, r.Event.Seq, r.Event.Chain)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSustained offers 10,000 events a second of a thousand panels for five seconds, as they come: one loop stores
// whatever has arrived meanwhile. It reports how long an event waits until it may be acknowledged.
func BenchmarkSustained(b *testing.B) {
	const rate, seconds, tick = 10_000, 5, 5 * time.Millisecond
	for range b.N {
		dir := b.TempDir()
		s := open(b, store.Options{Dir: dir})
		var j journals
		perTick := int(rate * tick / time.Second)
		type arrived struct {
			at     time.Time
			events []fleet.Received
		}
		all := make([]arrived, seconds*int(time.Second/tick))
		for i := range all {
			all[i].events = j.next(perTick)
		}
		var mu sync.Mutex
		var queue []arrived
		more := make(chan struct{}, 1)
		go func() {
			clock := time.NewTicker(tick)
			defer clock.Stop()
			start := time.Now()
			for i := 0; i < len(all); {
				<-clock.C
				mu.Lock()
				for i < len(all) && time.Since(start) >= time.Duration(i)*tick {
					all[i].at = start.Add(time.Duration(i) * tick) // late ticks count against the store
					queue = append(queue, all[i])
					i++
				}
				mu.Unlock()
				select {
				case more <- struct{}{}:
				default:
				}
			}
		}()
		waited := make([]time.Duration, 0, len(all)*perTick)
		start := time.Now()
		batches := 0
		for len(waited) < len(all)*perTick {
			<-more
			mu.Lock()
			got := queue
			queue = nil
			mu.Unlock()
			var batch []fleet.Received
			for _, a := range got {
				batch = append(batch, a.events...)
			}
			if len(batch) == 0 {
				continue
			}
			if _, err := s.Append(batch); err != nil {
				b.Fatal(err)
			}
			batches++
			for _, a := range got {
				d := time.Since(a.at)
				for range a.events {
					waited = append(waited, d)
				}
			}
		}
		b.ReportMetric(float64(len(waited))/time.Since(start).Seconds(), "events/s")
		b.ReportMetric(quantile(waited, 0.5), "p50-ms")
		b.ReportMetric(quantile(waited, 0.99), "p99-ms")
		b.ReportMetric(float64(len(waited))/float64(batches), "events/batch")
	}
}

// BenchmarkMillion works on a store of a million events: bytes and memory, opening, and questions.
func BenchmarkMillion(b *testing.B) {
	const events = 1_000_000
	dir := b.TempDir()
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, s, events)
	var before, after runtime.MemStats
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	bytes := float64(size(b, filepath.Join(dir, "events"))) / events
	b.Run("open", func(b *testing.B) {
		for range b.N {
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			s, _, err := store.Open(store.Options{Dir: dir})
			if err != nil {
				b.Fatal(err)
			}
			took := time.Since(start)
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(took.Milliseconds()), "open-ms")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchPanels, "heap-bytes/panel")
			b.ReportMetric(bytes, "disk-bytes/event")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	s = open(b, store.Options{Dir: dir})
	// The summaries are made while the questions are asked for the first time.
	for _, when := range []string{"soon after the start", "later"} {
		b.Run(when, func(b *testing.B) { questions(b, s) })
	}
}

func questions(b *testing.B, s *store.Store) {
	for _, q := range []struct {
		name string
		q    fleet.Query
	}{
		{"newest page", fleet.Query{Limit: 50}},
		{"page of one panel", fleet.Query{Panel: "ABCDEFGHIJKLMNOPQRSTUV0500", Limit: 50}},
		{"a kind that is not there", fleet.Query{Kind: "door.forced", Limit: 50}},
		{"a person who is not there", fleet.Query{Who: "nobody", Limit: 50}},
		{"a word that is not there", fleet.Query{Text: "nothing", Limit: 50}},
		{"a minute, long ago", fleet.Query{From: storetest.Event("p", "e", 60).At, To: storetest.Event("p", "e", 61).At, Limit: 50}},
	} {
		b.Run(q.name, func(b *testing.B) {
			calls := 0
			for range b.N {
				for q := q.q; ; {
					found, next, err := s.Search(b.Context(), q)
					if err != nil {
						b.Fatal(err)
					}
					calls++
					if next == 0 || len(found) >= q.Limit {
						break
					}
					q.Before = next
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/question")
			b.ReportMetric(float64(calls)/float64(b.N), "calls/question")
		})
	}
}

// BenchmarkOutbox moves deliveries from waiting to sent, as the loop does: three durable steps each.
func BenchmarkOutbox(b *testing.B) {
	s := open(b, store.Options{Dir: b.TempDir()})
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	var list []fleet.Delivery
	for i := range 10_000 {
		list = append(list, fleet.Delivery{ID: fmt.Sprintf("d-%06d", i), Site: "north", Kind: "lost", Recipient: "anna", Channel: fleet.Email, Made: at, Due: at.Add(time.Duration(i)), State: fleet.Waiting})
	}
	if _, err := s.AddDeliveries(list); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		if i%len(list) == 0 && i > 0 {
			b.Fatal("more deliveries are needed: -benchtime 1000x")
		}
		due, _, err := s.Due(at.Add(time.Hour), 1)
		if err != nil || len(due) != 1 {
			b.Fatal(err, len(due))
		}
		d := due[0]
		for _, state := range []fleet.DeliveryState{fleet.Claimed, fleet.Committing, fleet.Sent} {
			next := d
			next.State = state
			if err := s.Move(d, next); err != nil {
				b.Fatal(err)
			}
			d = next
		}
	}
}
