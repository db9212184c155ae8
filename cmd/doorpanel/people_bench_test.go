package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// crowd is a hundred thousand people, each with a card and a code, in a store as the daemon opens it.
func crowd(b *testing.B, n int) *directory {
	b.Helper()
	store, _, err := storage.Open(storage.Options{Dir: b.TempDir(), MaxSize: maxStore, Schema: schema, CopyEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	d, err := newDirectory(store, []byte("0123456789abcdef0123456789abcdef"), []string{"front"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	d.entitlements = func() license.Entitlements { return license.Entitlements{} }
	const batch = 5000
	for first := 0; first < n; first += batch {
		err := d.changePeople(func(c *change) error {
			for i := first; i < first+batch; i++ {
				p := personRecord{Name: crowdName(i), Flat: fmt.Sprint(i / 4), Note: "since 2019"}
				id := c.newPerson()
				for _, n := range []web.NewCredential{{Kind: access.Card, UID: fmt.Sprintf("04%012X", uint64(i)*7919)}, {Kind: access.Code, Code: fmt.Sprintf("%09d", 100_000_007+i*7919)}} {
					if _, _, err := c.enroll(id, &p, n); err != nil {
						return err
					}
				}
				if err := c.put(id, nil, p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return d
}

func crowdName(i int) string {
	first := []string{"Anna", "Marco", "Lia", "Ugo", "Jürgen", "Zoë", "Ada", "Grace", "Alan", "Edsger"}
	last := []string{"Rossi", "Bianchi", "Verdi", "Müller", "Lovelace", "Hopper", "Turing", "Gialli", "Neri", "Ferrari", "Russo"}
	return fmt.Sprintf("%s %s %d", first[i%len(first)], last[i/7%len(last)], i)
}

// BenchmarkImport brings a list of 100,000 people in, each with a card and a drawn code, and then the same list again.
func BenchmarkImport(b *testing.B) {
	const n = 100_000
	var csv strings.Builder
	csv.WriteString("name,flat,note,card,code\n")
	for i := range n {
		fmt.Fprintf(&csv, "%s,%d,since 2019,04%012X,draw\n", crowdName(i), i/4, uint64(i)*7919)
	}
	var first, again sample
	var size int64
	var heap float64
	for b.Loop() {
		d := crowd(b, 0)
		bring := func() (time.Duration, web.ImportResult) {
			start := time.Now()
			r, err := d.ImportPeople(context.Background(), []byte(csv.String()), web.ImportOptions{}, func(web.ImportProgress) error {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				heap = max(heap, float64(m.HeapInuse)/(1<<20))
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			return time.Since(start), r
		}
		took, r := bring()
		first = append(first, took)
		took, r2 := bring()
		again = append(again, took)
		info, err := os.Stat(d.store.Path())
		if err != nil || r.Added != n || r2.Unchanged != n {
			b.Fatal(r, r2, err)
		}
		size = info.Size()
	}
	b.ReportMetric(first.at(50).Seconds(), "s")
	b.ReportMetric(float64(n)/first.at(50).Seconds(), "people/s")
	b.ReportMetric(again.at(50).Seconds(), "s-again")
	b.ReportMetric(float64(size)/(1<<20), "store-MiB")
	b.ReportMetric(heap, "heap-MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPeople looks at a page of 50 of 100,000 people, by name and searched, and at the room they take.
func BenchmarkPeople(b *testing.B) {
	d := crowd(b, 100_000)
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	info, err := os.Stat(d.store.Path())
	if err != nil {
		b.Fatal(err)
	}
	took := map[string]sample{}
	queries := map[string]web.PeopleQuery{
		"first": {ByName: true, Limit: 50}, "prefix": {Search: "grace", Limit: 50}, "rare": {Search: "turing 9999", Limit: 50}, "none": {Search: "nobody", Limit: 50},
	}
	for b.Loop() {
		for range 20 {
			for name, q := range queries {
				start := time.Now()
				if _, err := d.People(q); err != nil {
					b.Fatal(err)
				}
				took[name] = append(took[name], time.Since(start))
			}
			start := time.Now()
			if f, err := d.Facts(access.Card, fmt.Sprintf("04%012X", uint64(4711)*7919)); err != nil || f.Person == "" {
				b.Fatal(err)
			}
			took["lookup"] = append(took["lookup"], time.Since(start))
		}
	}
	for name, s := range took {
		b.ReportMetric(s.p50(), name+"-us")
	}
	b.ReportMetric(float64(info.Size())/(1<<20), "store-MiB")
	b.ReportMetric(float64(memory.HeapAlloc)/(1<<20), "heap-MiB")
	b.ReportMetric(0, "ns/op")
}
