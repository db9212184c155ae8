package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// figures runs one Go benchmark, which takes the turns itself, and returns what it reports by unit.
func (b *bench) figures(ctx context.Context, pkg, name string) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name+"$", "-benchtime", "1x", "-timeout", "10m", pkg)
	// The tests of the whole program build one to run; these need none.
	cmd.Env = append(os.Environ(), "DOORPANEL_TEST_BINARY="+os.Args[0])
	if b.small {
		cmd.Env = append(cmd.Env, "DOORPANEL_BENCH_SMALL=1")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], name) {
			continue
		}
		found := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if found[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return found, nil
	}
	return nil, fmt.Errorf("%s reported nothing:\n%s", name, out)
}

func (b *bench) pressInside(ctx context.Context) error {
	m, err := b.figures(ctx, "./cmd/doorpanel", "BenchmarkPressToInvite")
	if err != nil {
		return err
	}
	b.add(result{Row: "5", What: "in one process, p50", Ours: m["us-p50"], Unit: "us", Against: "prepared text", Other: m["raw-us-p50"]})
	b.add(result{Row: "5", What: "in one process, p99", Ours: m["us-p99"], Unit: "us", Against: "prepared text", Other: m["raw-us-p99"]})
	return nil
}

func (b *bench) badge(ctx context.Context) error {
	m, err := b.figures(ctx, "./cmd/doorpanel", "BenchmarkBadgeToRelay")
	if err != nil {
		return err
	}
	sizes := []string{"10k", "100k", "1000k"}
	for _, size := range sizes {
		ours, ok := m[size+"-us-p50"]
		if !ok {
			continue
		}
		b.add(result{Row: "9", What: "badge to relay, no disk, " + size + ", p50", Ours: ours, Unit: "us", Against: "uhppoted-rest", Other: uhppotedUS, NotRun: true, To: 0.02})
		b.add(result{Row: "9", What: "the same", Ours: ours, Unit: "us", Against: "ZeroMQ bus alone", Other: busUS, NotRun: true, To: 0.07})
		b.add(result{Row: "9", What: "the same, p99", Ours: m[size+"-us-p99"], Unit: "us"})
		b.add(result{Row: "9", What: "of it, looking up " + size, Ours: m[size+"-lookup-us"], Unit: "us", Against: "HMAC and a map", Other: m["hmac-map-us"]})
		b.add(result{Row: "9", What: "with durable intent, " + size + ", p50", Ours: m[size+"-durable-us-p50"], Unit: "us", Against: "one write, fdatasync", Other: m["fdatasync-us-p50"], To: 1.3})
		b.add(result{Row: "9", What: "with durable intent, " + size + ", p99", Ours: m[size+"-durable-us-p99"], Unit: "us", Against: "one write, fdatasync", Other: m["fdatasync-us-p99"]})
	}
	if million, ok := m["1000k-us-p50"]; ok {
		b.add(result{Row: "9", What: "1,000,000 credentials", Ours: million, Unit: "us", Against: "10,000 credentials", Other: m["10k-us-p50"], To: 1.5})
	}
	return nil
}

func (b *bench) pin(ctx context.Context) error {
	m, err := b.figures(ctx, "./cmd/doorpanel", "BenchmarkPIN")
	if err != nil {
		return err
	}
	b.add(result{Row: "10", What: "code looked up, 10,000 cards", Ours: m["us-known"], Unit: "us", Against: "bare HMAC", Other: m["hmac-us"], To: 3})
	b.add(result{Row: "10", What: "known code", Ours: m["us-known"], Unit: "us", Against: "unknown code", Other: m["us-unknown"], From: 0.95, To: 1.05})
	return nil
}

func (b *bench) events(ctx context.Context) error {
	m, err := b.figures(ctx, "./storage", "BenchmarkDurableEvent")
	if err != nil {
		return err
	}
	ours := m["us/event"]
	b.add(result{Row: "11", What: "durable event", Ours: ours, Unit: "us", Against: "one write, fdatasync", Other: ours / m["x-raw"], To: 1.15})
	b.add(result{Row: "11", What: "durable event", Ours: ours, Unit: "us", Against: "bbolt Update", Other: ours / m["x-bbolt"], To: 0.65})
	b.add(result{Row: "11", What: "syncs an event", Ours: m["syncs/event"], From: 1, To: 1})
	b.add(result{Row: "11", What: "bytes an event", Ours: m["B/event"], Unit: "B", To: 200})
	return nil
}

func (b *bench) burst(ctx context.Context) error {
	m, err := b.figures(ctx, "./storage", "BenchmarkEventBurst")
	if err != nil {
		return err
	}
	ours := m["events/s"]
	b.add(result{Row: "12", What: "32 writers", Ours: ours, Unit: "/s", Against: "bbolt Batch", Other: ours / m["x-bbolt-batch"], From: 20})
	b.add(result{Row: "12", What: "32 writers", Ours: ours, Unit: "/s", Against: "100 a sync, one writer", Other: ours / m["x-raw-100-a-sync"], From: 0.1})
	return nil
}

func (b *bench) license(ctx context.Context) error {
	m, err := b.figures(ctx, "./cmd/doorpanel", "BenchmarkLicense")
	if err != nil {
		return err
	}
	b.add(result{Row: "14", What: "license verified, signed for, stored", Ours: m["us-p50"], Unit: "us", Against: "Ed25519 and bbolt Update", Other: m["floor-us-p50"], To: 1.2})
	return nil
}

// photographs reports what part of the pictures is read. zbarimg's time is that of a process for each picture, so it is left out.
func (b *bench) photographs(ctx context.Context) error {
	m, err := b.figures(ctx, "./qr", "BenchmarkPhotographs")
	if err != nil {
		return err
	}
	b.add(result{Row: "15", What: "codes read of 390", Ours: m["ours-%"], Unit: "%", Against: "gozxing as it comes", Other: m["gozxing-%"], From: 1})
	if zbar, ran := m["zbarimg-%"]; ran {
		b.add(result{Row: "15", What: "codes read of 390", Ours: m["ours-%"], Unit: "%", Against: "zbarimg", Other: zbar, From: 1})
	}
	b.add(result{Row: "15", What: "wrong texts", Ours: m["ours-wrong"], From: 0, To: 0})
	b.add(result{Row: "15", What: "a picture, on average", Ours: m["ours-ms"], Unit: "ms", Against: "gozxing as it comes", Other: m["gozxing-ms"]})
	return nil
}
