package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Figures of peers that are not run here, because their source or packages are not to be had: docs/performance.md.
const (
	go2rtcBytes  = 19.6e6
	baresipBytes = 35.0e6 // with what it needs, as Debian installs it
	go2rtcRSS    = 16.3   // MiB
	uhppotedUS   = 360
	busUS        = 107
)

type sample []float64

func (s sample) at(percent int) float64 {
	slices.Sort(s)
	return s[min(len(s)*percent/100, len(s)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// size is row 4: the arm64 program, static and stripped.
func (b *bench) size(ctx context.Context) error {
	out := b.path("doorpanel-arm64")
	if err := goBuild(ctx, out, "./cmd/doorpanel", "GOOS=linux", "GOARCH=arm64"); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	ours := float64(info.Size()) / 1e6
	b.add(result{Row: "4", What: "static arm64 program", Ours: ours, Unit: "MB", Against: "go2rtc", Other: go2rtcBytes / 1e6, NotRun: true, To: 0.75})
	b.add(result{Row: "4", What: "static arm64 program", Ours: ours, Unit: "MB", Against: "baresip with its packages", Other: baresipBytes / 1e6, NotRun: true})
	return nil
}

// config writes a configuration for the prepared data directory.
func (b *bench) config(name, target, more string) (string, error) {
	path := b.path(name)
	text := fmt.Sprintf("hardware = \"sim\"\ndata = %q\n[web]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = \"127.0.0.1:0\"\n"+
		"[[door]]\nname = \"front\"\nsafe = \"fail-secure\"\n[[button]]\nnumber = 1\nlabel = \"One\"\ntarget = %q\n%s", b.data, target, more)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// prepare makes a panel and fills its store the way an installer does.
func (b *bench) prepare(ctx context.Context) error {
	b.panel, b.data = b.path("doorpanel"), b.path("data")
	if err := goBuild(ctx, b.panel, "./cmd/doorpanel"); err != nil {
		return err
	}
	config, err := b.config("plain.toml", "", "")
	if err != nil {
		return err
	}
	// The first start makes the data directory, the second one shortens the next: both as in ordinary life.
	once := func() error {
		p, err := start(`"ready":true`, b.panel, "run", "--config", config)
		if err != nil {
			return err
		}
		p.stop()
		return nil
	}
	if err := once(); err != nil {
		return err
	}
	var people strings.Builder
	people.WriteString("name,card\n")
	for i := range credentials {
		fmt.Fprintf(&people, "Person %05d,04%010X\n", i, i*7919)
	}
	imports := exec.CommandContext(ctx, b.panel, "people", "import", "--config", config, "-")
	imports.Stdin = strings.NewReader(people.String())
	if said, err := imports.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot import: %w: %.1000s", err, said)
	}
	return once()
}

// coldStart is row 1: from exec to a panel whose button would ring.
func (b *bench) coldStart(ctx context.Context) error {
	floor := b.path("floor")
	if err := goBuild(ctx, floor, "./scripts/bench/floor"); err != nil {
		return err
	}
	config, err := b.config("start.toml", "", "")
	if err != nil {
		return err
	}
	peer, err := newBaresip(b.dir)
	if err != nil {
		return err
	}
	var ours, theirs, least sample
	for range 3 * b.rounds {
		for _, turn := range []struct {
			into  *sample
			start func() (*process, error)
		}{
			{&ours, func() (*process, error) { return start(`"ready":true`, b.panel, "run", "--config", config) }},
			{&theirs, peer.start},
			{&least, func() (*process, error) { return start("READY", floor) }},
		} {
			p, err := turn.start()
			if err != nil {
				return err
			}
			*turn.into = append(*turn.into, milliseconds(p.ready))
			p.stop()
		}
	}
	b.add(result{Row: "1", What: "cold start, 10,000 credentials", Ours: ours.at(50), Unit: "ms", Against: "baresip", Other: theirs.at(50), To: 0.75})
	b.add(result{Row: "1", What: "cold start, 10,000 credentials", Ours: ours.at(50), Unit: "ms", Against: "smallest Go daemon", Other: least.at(50), To: 3})
	return nil
}

// doNothing is rows 2 and 3: all three at once, and nobody asks anything of them.
func (b *bench) doNothing(ctx context.Context) error {
	broker, address, err := startMosquitto(b.dir)
	if err != nil {
		return err
	}
	defer broker.stop()
	config, err := b.config("idle.toml", "", fmt.Sprintf("[uplink]\nbroker = \"mqtt://%s\"\nsite = \"bench\"\n", address))
	if err != nil {
		return err
	}
	ours, err := start(`"ready":true`, b.panel, "run", "--verbose", "--config", config)
	if err != nil {
		return err
	}
	defer ours.stop()
	peer, err := newBaresip(b.dir)
	if err != nil {
		return err
	}
	phone, err := peer.start()
	if err != nil {
		return err
	}
	defer phone.stop()
	// A second broker that nobody speaks to: what idles must idle.
	lonelyDir := b.path("lonely")
	if err := os.MkdirAll(lonelyDir, 0o700); err != nil {
		return err
	}
	lonely, _, err := startMosquitto(lonelyDir)
	if err != nil {
		return err
	}
	defer lonely.stop()

	// What a start leaves to be done, the journal's way to the broker first of all, is over.
	if err := pause(ctx, 10*time.Second); err != nil {
		return err
	}
	all := []*process{ours, phone, lonely}
	var before, after []usage
	look := func(into *[]usage) error {
		for _, p := range all {
			u, err := p.usage()
			if err != nil {
				return err
			}
			*into = append(*into, u)
		}
		return nil
	}
	if err := look(&before); err != nil {
		return err
	}
	began := time.Now()
	if err := pause(ctx, b.idle); err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	if err := look(&after); err != nil {
		return err
	}
	mib := func(kib int64) float64 { return float64(kib) / 1024 }
	b.add(result{Row: "2", What: "idle RSS, everything on", Ours: mib(after[0].rssKiB), Unit: "MiB", Against: "baresip", Other: mib(after[1].rssKiB), To: 1.5})
	b.add(result{Row: "2", What: "idle RSS, everything on", Ours: mib(after[0].rssKiB), Unit: "MiB", Against: "go2rtc", Other: go2rtcRSS, NotRun: true, To: 0.67})
	b.add(result{Row: "2", What: "idle PSS, everything on", Ours: mib(after[0].pssKiB), Unit: "MiB", Against: "baresip", Other: mib(after[1].pssKiB)})
	rate := func(i int) float64 { return float64(after[i].switches-before[i].switches) / seconds }
	b.add(result{Row: "3", What: "idle context switches", Ours: rate(0), Unit: "/s", To: 2})
	b.add(result{Row: "3", What: "the same, for comparison", Ours: rate(0), Unit: "/s", Against: "mosquitto", Other: rate(2)})
	ticks := float64(after[0].ticks - before[0].ticks)
	met := ticks == 0
	b.results = append(b.results, result{Row: "3", What: fmt.Sprintf("CPU in %.0f s, target 0", seconds), Ours: ticks, Unit: "ticks of 10 ms", Met: &met})
	return nil
}

// press is row 5, from outside: a request to the process to the INVITE at the called telephone. Ours and the floor are
// asked by HTTP, baresip by its control port.
func (b *bench) press(ctx context.Context) error {
	const each = 40
	phone, err := newCallee()
	if err != nil {
		return err
	}
	defer phone.conn.Close()
	rawdial := b.path("rawdial")
	if err := goBuild(ctx, rawdial, "./scripts/bench/rawdial"); err != nil {
		return err
	}
	// Buttons only fill an empty store: this panel begins with one.
	filled := b.data
	b.data = b.path("data-press")
	config, err := b.config("press.toml", "sip:callee@"+phone.addr(), "")
	b.data = filled
	if err != nil {
		return err
	}
	panel, err := start(`"ready":true`, b.panel, "run", "--config", config)
	if err != nil {
		return err
	}
	defer panel.stop()
	var line struct{ Web string }
	if err := json.Unmarshal([]byte(panel.first), &line); err != nil {
		return err
	}
	floor, err := start("http://", rawdial, phone.addr())
	if err != nil {
		return err
	}
	defer floor.kill()
	peer, err := newBaresip(b.dir)
	if err != nil {
		return err
	}
	telephone, err := peer.start()
	if err != nil {
		return err
	}
	defer telephone.stop()
	dial, hangUp, err := peer.dialer()
	if err != nil {
		return err
	}
	post := func(url string) func() error {
		client := &http.Client{Transport: &http.Transport{}}
		return func() error {
			answer, err := client.Post(url, "application/json", strings.NewReader(`{"button":1}`))
			if err != nil {
				return err
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusNoContent {
				return fmt.Errorf("%s: %s", url, answer.Status)
			}
			return nil
		}
	}
	var ours, least, theirs sample
	turns := []struct {
		into  *sample
		press func() error
		after func()
	}{
		{&ours, post(line.Web + "/sim/press"), func() {}},
		{&least, post(floor.first), func() {}},
		{&theirs, func() error { return dial("sip:callee@" + phone.addr()) }, hangUp},
	}
	for round := range b.rounds + 1 {
		for _, turn := range turns {
			for range each {
				begin := time.Now()
				if err := turn.press(); err != nil {
					return err
				}
				took, err := phone.wait(begin)
				if err != nil {
					return err
				}
				if round > 0 { // the first round warms up
					*turn.into = append(*turn.into, milliseconds(took))
				}
				turn.after()
				if err := pause(ctx, 20*time.Millisecond); err != nil { // until the declined call is over everywhere
					return err
				}
			}
		}
	}
	b.add(result{Row: "5", What: "press to INVITE, p50", Ours: ours.at(50), Unit: "ms", Against: "baresip", Other: theirs.at(50), To: 0.7})
	b.add(result{Row: "5", What: "press to INVITE, p50", Ours: ours.at(50), Unit: "ms", Against: "prepared text", Other: least.at(50), To: 2.3})
	b.add(result{Row: "5", What: "press to INVITE, p99", Ours: ours.at(99), Unit: "ms", Against: "prepared text", Other: least.at(99), To: 3})
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
