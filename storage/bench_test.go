package storage

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Each benchmark runs ours and its floor or peer in turns, and reports ratios of medians; microseconds of one machine do
// not carry over to another, ratios and counts do.
const (
	benchRounds = 5
	benchEvent  = 106 // bytes of an ordinary event
)

func benchParts() (open, personal []byte) {
	return []byte(strings.Repeat("o", 66)), []byte(strings.Repeat("p", benchEvent-66))
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// rawLog is the floor: a preallocated file, one write and one fdatasync an event.
func rawLog(b *testing.B, dir string, size int64) *os.File {
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	if err := allocate(f, size); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

func benchBolt(b *testing.B, dir string) *bolt.DB {
	db, err := bolt.Open(filepath.Join(dir, "peer.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("log")); return err })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// BenchmarkDurableEvent is row 11 of the list of benchmarks: one event, acknowledged after its sync.
func BenchmarkDurableEvent(b *testing.B) {
	const each = 100
	dir := b.TempDir()
	d := newFaultyDisk()
	j, _, err := openJournal(JournalOptions{Dir: dir}, d.disk)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	raw := rawLog(b, dir, 64<<20)
	db := benchBolt(b, dir)
	open, personal := benchParts()
	event := append(slices.Clone(open), personal...)
	var ours, floor, peer []time.Duration
	var rawAt int64
	timed := func(into *[]time.Duration, n int, f func(i int) error) {
		for i := range n {
			start := time.Now()
			if err := f(i); err != nil {
				b.Fatal(err)
			}
			*into = append(*into, time.Since(start))
		}
	}
	append1 := func(int) error {
		_, done, err := j.Append(open, personal)
		if err != nil {
			return err
		}
		return <-done
	}
	timed(&ours, 1, append1)
	ours = ours[:0]
	var syncs, bytes int64
	turns := []func(){
		func() {
			s, n := d.syncs.Load(), d.bytes.Load()
			timed(&ours, each, append1)
			syncs, bytes = syncs+d.syncs.Load()-s, bytes+d.bytes.Load()-n
		},
		func() {
			timed(&floor, each, func(int) error {
				_, err := raw.WriteAt(event, rawAt)
				rawAt += int64(len(event))
				if err != nil {
					return err
				}
				return unix.Fdatasync(int(raw.Fd()))
			})
		},
		func() {
			timed(&peer, each, func(int) error {
				return db.Update(func(tx *bolt.Tx) error {
					return tx.Bucket([]byte("log")).Put(fmt.Appendf(nil, "%020d", len(peer)), event)
				})
			})
		},
	}
	for b.Loop() {
		for round := range 2 * len(turns) {
			for i := range turns {
				turns[(round+i)%len(turns)]() // nobody always follows the same one
			}
		}
	}
	events := float64(len(ours))
	o, f, p := median(ours), median(floor), median(peer)
	b.ReportMetric(float64(o)/float64(f), "x-raw")
	b.ReportMetric(float64(o)/float64(p), "x-bbolt")
	b.ReportMetric(float64(ours[len(ours)*99/100])/float64(floor[len(floor)*99/100]), "x-raw-p99")
	b.ReportMetric(float64(syncs)/events, "syncs/event")
	b.ReportMetric(float64(bytes)/events, "B/event")
	b.ReportMetric(float64(o.Nanoseconds())/1000, "us/event")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkEventBurst is row 12: 32 writers that each wait for their event, against bbolt's Batch and against a writer
// that syncs once for 100 events.
func BenchmarkEventBurst(b *testing.B) {
	const writers = 32
	dir := b.TempDir()
	j, _, err := OpenJournal(JournalOptions{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	raw := rawLog(b, dir, 256<<20)
	db := benchBolt(b, dir)
	open, personal := benchParts()
	event := append(slices.Clone(open), personal...)
	burst := func(each int, f func() error) time.Duration {
		var wg sync.WaitGroup
		start := time.Now()
		for range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range each {
					if err := f(); err != nil {
						b.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		return time.Since(start) / time.Duration(each*writers)
	}
	var ours, floor, peer []time.Duration
	var mu sync.Mutex
	n, rawAt := 0, int64(0)
	for b.Loop() {
		for range benchRounds {
			ours = append(ours, burst(500, func() error {
				_, done, err := j.Append(open, personal)
				if err != nil {
					return err
				}
				return <-done
			}))
			peer = append(peer, burst(10, func() error {
				mu.Lock()
				n++
				key := fmt.Appendf(nil, "%020d", n)
				mu.Unlock()
				return db.Batch(func(tx *bolt.Tx) error { return tx.Bucket([]byte("log")).Put(key, event) })
			}))
			start := time.Now()
			for i := range 20000 {
				if _, err := raw.WriteAt(event, rawAt%(255<<20)); err != nil {
					b.Fatal(err)
				}
				rawAt += int64(len(event))
				if i%100 == 99 {
					if err := unix.Fdatasync(int(raw.Fd())); err != nil {
						b.Fatal(err)
					}
				}
			}
			floor = append(floor, time.Since(start)/20000)
		}
	}
	o, f, p := median(ours), median(floor), median(peer)
	b.ReportMetric(float64(p)/float64(o), "x-bbolt-batch")
	b.ReportMetric(float64(f)/float64(o), "x-raw-100-a-sync")
	b.ReportMetric(float64(time.Second)/float64(o), "events/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkReopen is row 13: a journal of a million events is opened, against reading its files once.
func BenchmarkReopen(b *testing.B) {
	const events = 1_000_000
	dir := b.TempDir()
	o := JournalOptions{Dir: dir, NoSync: true}
	j, _, err := OpenJournal(o)
	if err != nil {
		b.Fatal(err)
	}
	open, personal := benchParts()
	for range events / 1000 {
		var last <-chan error
		for range 1000 {
			if _, last, err = j.Append(open, personal); err != nil {
				b.Fatal(err)
			}
		}
		if err := <-last; err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	readOnce := func() error {
		files, err := filepath.Glob(filepath.Join(dir, journalName, "*.seg"))
		if err != nil {
			return err
		}
		for _, path := range files {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			if _, err := io.Copy(struct{ io.Writer }{io.Discard}, bufio.NewReaderSize(struct{ io.Reader }{f}, 1<<20)); err != nil {
				return err
			}
			f.Close()
		}
		return nil
	}
	var ours, floor []time.Duration
	for b.Loop() {
		for range benchRounds {
			start := time.Now()
			j, notes, err := OpenJournal(o)
			if err != nil || len(notes) > 0 || j.Durable() != events {
				b.Fatal(err, notes)
			}
			ours = append(ours, time.Since(start))
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
			start = time.Now()
			if err := readOnce(); err != nil {
				b.Fatal(err)
			}
			floor = append(floor, time.Since(start))
		}
	}
	b.ReportMetric(float64(median(ours))/float64(median(floor)), "x-one-read")
	b.ReportMetric(float64(median(ours))/1e6, "ms/million")
	b.ReportMetric(0, "ns/op")
}
