package main

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/storage"
)

// These benchmarks run ours and its floor in turns and report ratios; docs/performance.md names the rows. They are here
// and not with the other programs of scripts/bench because they look at the panel as wire.go puts it together.
const benchRounds = 4

// sample is a set of durations of one way to do something.
type sample []time.Duration

func (s sample) at(percent int) time.Duration {
	slices.Sort(s)
	return s[min(len(s)*percent/100, len(s)-1)]
}

func (s sample) p50() float64 { return float64(s.at(50).Nanoseconds()) / 1000 }
func (s sample) p99() float64 { return float64(s.at(99).Nanoseconds()) / 1000 }

// callee is a telephone that answers every INVITE with 486 and says when it came.
type callee struct {
	conn  *net.UDPConn
	rang  chan time.Time
	acked chan struct{}
}

func newCallee(b *testing.B) *callee {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	c := &callee{conn: conn, rang: make(chan time.Time, 1), acked: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.listen()
	}()
	b.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return c
}

func (c *callee) listen() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(buf)
		at := time.Now()
		if err != nil {
			return
		}
		text := string(buf[:n])
		switch method, _, _ := strings.Cut(text, " "); method {
		case "INVITE":
			select {
			case c.rang <- at:
			default: // sent again: it has been answered
			}
			_, _ = c.conn.WriteToUDPAddrPort(busy(text), from)
		case "ACK":
			select {
			case c.acked <- struct{}{}:
			default:
			}
		}
	}
}

// busy is the 486 to a request.
func busy(request string) []byte {
	var b strings.Builder
	b.WriteString("SIP/2.0 486 Busy Here\r\n")
	for line := range strings.SplitSeq(request, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "via", "v", "from", "f", "call-id", "i", "cseq":
			b.WriteString(line + "\r\n")
		case "to", "t":
			b.WriteString(line + ";tag=bench\r\n")
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return []byte(b.String())
}

// rawDialer is the floor of a call: a goroutine that waits for a press and sends a prepared text.
type rawDialer struct {
	conn  *net.UDPConn
	press chan int
}

func newRawDialer(b *testing.B, to net.Addr) *rawDialer {
	conn, err := net.DialUDP("udp4", nil, to.(*net.UDPAddr))
	if err != nil {
		b.Fatal(err)
	}
	d := &rawDialer{conn: conn, press: make(chan int)}
	ended := make(chan struct{})
	body := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	const head = "INVITE sip:callee@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]d;rport\r\nMax-Forwards: 70\r\n" +
		"From: <sip:door@%[2]s>;tag=%[3]d\r\nTo: <sip:callee@%[1]s>\r\nCall-ID: %[3]d@bench\r\nCSeq: 1 INVITE\r\n" +
		"Contact: <sip:door@%[2]s>\r\nContent-Type: application/sdp\r\nContent-Length: %[4]d\r\n\r\n"
	go func() {
		defer close(ended)
		for n := range d.press {
			_, _ = fmt.Fprintf(conn, head+"%[5]s", to, conn.LocalAddr(), n, len(body), body)
		}
	}()
	b.Cleanup(func() {
		close(d.press)
		<-ended
		conn.Close()
	})
	return d
}

// startHouse runs a whole panel with simulated hardware in this process until the benchmark ends.
func startHouse(b *testing.B, target string) *house {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "doorpanel.toml")
	text := fmt.Sprintf("hardware = \"sim\"\ndata = %q\n[web]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = \"127.0.0.1:0\"\n"+
		"[[door]]\nname = \"front\"\nsafe = \"fail-secure\"\n[[button]]\nnumber = 1\nlabel = \"One\"\ntarget = %q\n", filepath.Join(dir, "data"), target)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	config, problems, err := loadConfig(file)
	if err != nil || len(problems) > 0 {
		b.Fatal(err, problems)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	front, err := openFront(config.Web, config.KeysDir, log)
	if err != nil {
		b.Fatal(err)
	}
	h, err := build(config, log, front.url, "", extras{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx, front, writer) }()
	var line readyLine
	if err := json.NewDecoder(reader).Decode(&line); err != nil || !line.Ready {
		b.Fatalf("not ready: %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		writer.Close()
		if err := h.close(); err != nil {
			b.Error(err)
		}
		if err := front.close(); err != nil {
			b.Error(err)
		}
	})
	return h
}

// BenchmarkPressToInvite is row 5 inside one process: from the press at the agent to the INVITE at the called telephone,
// through the whole panel, against a goroutine that sends a prepared text.
func BenchmarkPressToInvite(b *testing.B) {
	const each = 100
	c := newCallee(b)
	h := startHouse(b, "sip:callee@"+c.conn.LocalAddr().String())
	raw := newRawDialer(b, c.conn.LocalAddr())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	wait := func(press func()) time.Duration {
		<-time.After(5 * time.Millisecond) // a panel that is pressed was asleep
		start := time.Now()
		press()
		select {
		case at := <-c.rang:
			return at.Sub(start)
		case <-ctx.Done():
			b.Fatal("no INVITE came")
			return 0
		}
	}
	var ours, floor sample
	calls := 0
	call := func() {
		took := wait(func() { h.agent.Press(1) })
		ours = append(ours, took)
		<-c.acked
		for h.agent.View().Call.ID != "" {
			if err := h.agent.Alive(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	call() // the first one of a process pays for all
	ours = ours[:0]
	for b.Loop() {
		for range benchRounds {
			for range each {
				call()
			}
			for range each {
				calls++
				floor = append(floor, wait(func() { raw.press <- calls }))
			}
		}
	}
	b.ReportMetric(ours.p50(), "us-p50")
	b.ReportMetric(ours.p99(), "us-p99")
	b.ReportMetric(floor.p50(), "raw-us-p50")
	b.ReportMetric(floor.p99(), "raw-us-p99")
	b.ReportMetric(ours.p50()/floor.p50(), "x-raw")
	b.ReportMetric(ours.p99()/floor.p99(), "x-raw-p99")
	b.ReportMetric(0, "ns/op")
}

// relay is hardware that says when a strike was released.
type relay struct{ released chan time.Time }

func (r relay) SetStrike(_ string, on bool, _ time.Duration) error {
	if on {
		r.released <- time.Now()
	}
	return nil
}

func (relay) Signal(panel.Signal) {}

// noDisk is a journal whose entries are durable at once: what is left is the decision.
type noDisk struct{ seq uint64 }

func (d *noDisk) Append(_, _ []byte) (uint64, <-chan error, error) {
	d.seq++
	done := make(chan error, 1)
	done <- nil
	return d.seq, done, nil
}

type noPhone struct{}

func (noPhone) Place(_, _, _ string)    {}
func (noPhone) HangUp(string)           {}
func (noPhone) SetAccount(string, bool) {}

// accessOn is what an access license gives.
func accessOn(b *testing.B) license.Entitlements {
	b.Helper()
	root := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := root.Public().(ed25519.PublicKey)
	ring, faults := license.NewKeyring([]ed25519.PublicKey{public}, nil, nil)
	now := time.Now().UTC().Truncate(time.Second)
	token := license.Token{ID: license.TokenID{1}, IssuedAt: now.Add(-time.Hour), Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.AccessBasic, Count: 1}}}
	sign := func(m []byte) ([]byte, error) { return ed25519.Sign(root, m), nil }
	raw, err := token.Sign(public, sign)
	if err != nil || len(faults) > 0 {
		b.Fatal(err, faults)
	}
	activation, err := license.Activation{Panel: public, License: raw, At: now}.Sign(sign)
	if err != nil {
		b.Fatal(err)
	}
	here := license.Panel{Key: public}
	e := license.Derive(ring, here, license.Clock{Now: now, Mark: now, Trusted: true}, []license.Document{activation})
	if !e.Allows(license.AccessBasic) {
		b.Fatal("the license gives no access control")
	}
	return e
}

// filled is a directory with n cards and n/2 codes in a real store.
type filled struct {
	n     int
	dir   *directory
	cards []string
	codes []string
}

const benchCards = 2 // of a person

func newFilled(b *testing.B, n int) *filled {
	b.Helper()
	store, _, err := storage.Open(storage.Options{Dir: b.TempDir(), MaxSize: 2 << 30, Schema: schema, CopyEvery: -1, NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	f := &filled{n: n}
	key := sha256.Sum256([]byte("bench"))
	if f.dir, err = newDirectory(store, key[:], []string{"front"}, nil); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		f.cards = append(f.cards, fmt.Sprintf("04%012X", uint64(i)*7919))
		if i%2 == 0 {
			f.codes = append(f.codes, fmt.Sprintf("%08d", (i*7919)%100_000_000))
		}
	}
	// In the order of the keys a tree fills quickly; what is measured does not depend on it.
	entries := map[string]string{}
	persons := n / benchCards
	fill := func(c *change, i int) error {
		person, p := fmt.Sprintf("p%06d", i), personRecord{Name: fmt.Sprintf("Person %d", i)}
		hold := func(kind access.Kind, shown []string) {
			for at := i; at < len(shown); at += persons {
				p.Drawn++
				h := heldCredential{Number: p.Drawn, Index: f.dir.indexOf(kind, shown[at]), Credential: access.Credential{Kind: kind}}
				p.Held, entries[string(h.Index)] = append(p.Held, h), credentialID(person, h.Number)
			}
		}
		hold(access.Card, f.cards)
		hold(access.Code, f.codes)
		return c.put(person, nil, p)
	}
	for first := 0; first < persons; first += 5000 {
		err := f.dir.changePeople(func(c *change) error {
			for i := first; i < min(first+5000, persons); i++ {
				if err := fill(c, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(entries)), 20_000) {
		err := store.Update(func(tx *storage.Tx) error {
			for _, key := range chunk {
				if err := f.dir.index.PutTx(tx, key, []byte(entries[key])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return f
}

// startAgent runs the loop with a real directory behind it.
func startAgent(b *testing.B, journal agent.Journal, lookups agent.Lookups, out relay) *agent.Agent {
	b.Helper()
	start := time.Now()
	now := func() panel.Now { return panel.Now{Mono: time.Since(start), Wall: time.Now().UTC(), Trusted: true} }
	rules := panel.Rules{
		ID: "bench", Boot: "0011223344556677", Words: panel.WordsIn("en"),
		Doors: []panel.DoorRules{{Name: "front", Pulse: time.Hour}}, Readers: []panel.Reader{{Name: "front-in", Door: "front"}},
	}
	a := agent.New(agent.Options{
		Panel: panel.New(rules, accessOn(b), nil, now()), Boot: rules.Boot, Journal: journal, Phone: noPhone{}, Hardware: out, Lookups: lookups,
		Button: func(int) panel.CallButtonPressed { return panel.CallButtonPressed{} }, Doors: []string{"front"}, Clock: now,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	if err := a.Alive(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return a
}

// BenchmarkBadgeToRelay is row 9: from a card at the agent to the strike, with 10,000, 100,000 and 1,000,000 cards in the
// store; without a disk in the way, and with the intent durable before the strike moves, against one write and fdatasync.
// DOORPANEL_BENCH_SMALL leaves the million out.
func BenchmarkBadgeToRelay(b *testing.B) {
	sizes := []int{10_000, 100_000, 1_000_000}
	if os.Getenv("DOORPANEL_BENCH_SMALL") != "" {
		sizes = sizes[:2]
	}
	const each = 150
	journal, _, err := storage.OpenJournal(storage.JournalOptions{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { journal.Close() })
	raw, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	const rawSize = 16 << 20
	if err := unix.Fallocate(int(raw.Fd()), 0, 0, rawSize); err != nil {
		b.Fatal(err)
	}

	type way struct {
		*filled
		decides, records           *agent.Agent
		out                        relay
		decision, durable, looking sample
		next                       int
	}
	var ways []*way
	for _, n := range sizes {
		w := &way{filled: newFilled(b, n), out: relay{make(chan time.Time, 1)}}
		w.decides = startAgent(b, &noDisk{}, w.dir, w.out)
		w.records = startAgent(b, journal, w.dir, w.out)
		ways = append(ways, w)
	}
	badge := func(w *way, a *agent.Agent) time.Duration {
		w.next = (w.next + 7919) % len(w.cards)
		start := time.Now()
		a.Card("front-in", w.cards[w.next])
		took := (<-w.out.released).Sub(start)
		// What the grant leaves to be written must not be in the next one's way.
		done, err := a.Snapshot(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if a == w.records {
			if err := journal.Wait(context.Background(), done.Seq-1); err != nil {
				b.Fatal(err)
			}
		}
		return took
	}
	key := sha256.Sum256([]byte("bench"))
	table := map[[sha256.Size]byte]string{}
	for _, uid := range ways[0].cards {
		table[keyed(key[:], uid)] = uid
	}
	event := make([]byte, 130)
	var floor, memory sample
	var rawAt int64
	for b.Loop() {
		for range benchRounds {
			for _, w := range ways {
				for range each {
					w.decision = append(w.decision, badge(w, w.decides))
				}
				for range each {
					w.durable = append(w.durable, badge(w, w.records))
				}
				for range each {
					w.next = (w.next + 7919) % len(w.cards)
					start := time.Now()
					facts, err := w.dir.Facts(access.Card, w.cards[w.next])
					w.looking = append(w.looking, time.Since(start))
					if err != nil || facts.Credential.ID == "" {
						b.Fatal("not found", err)
					}
				}
			}
			for range each {
				start := time.Now()
				if _, err := raw.WriteAt(event, rawAt%(rawSize-1024)); err != nil {
					b.Fatal(err)
				}
				if err := unix.Fdatasync(int(raw.Fd())); err != nil {
					b.Fatal(err)
				}
				floor = append(floor, time.Since(start))
				rawAt += int64(len(event))
			}
			for i := range each {
				uid := ways[0].cards[i*61%len(ways[0].cards)]
				start := time.Now()
				if table[keyed(key[:], uid)] == "" {
					b.Fatal("not found")
				}
				memory = append(memory, time.Since(start))
			}
		}
	}
	for _, w := range ways {
		name := fmt.Sprintf("%dk", w.n/1000)
		b.ReportMetric(w.decision.p50(), name+"-us-p50")
		b.ReportMetric(w.decision.p99(), name+"-us-p99")
		b.ReportMetric(w.looking.p50(), name+"-lookup-us")
		b.ReportMetric(w.durable.p50(), name+"-durable-us-p50")
		b.ReportMetric(w.durable.p99(), name+"-durable-us-p99")
		b.ReportMetric(w.durable.p50()/floor.p50(), name+"-x-fdatasync")
		b.ReportMetric(w.decision.p50()/ways[0].decision.p50(), name+"-x-10k")
	}
	b.ReportMetric(floor.p50(), "fdatasync-us-p50")
	b.ReportMetric(floor.p99(), "fdatasync-us-p99")
	b.ReportMetric(memory.p50(), "hmac-map-us")
	b.ReportMetric(0, "ns/op")
}

func keyed(key []byte, shown string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(string(access.Card) + "\x00" + shown))
	copy(sum[:], mac.Sum(nil))
	return sum
}

// BenchmarkPIN is row 10: a code that is known and one that is not, against the bare HMAC that finds it.
func BenchmarkPIN(b *testing.B) {
	f := newFilled(b, 10_000)
	const each = 2000
	key := sha256.Sum256([]byte("bench"))
	var known, unknown, floor sample
	timed := func(into *sample, code func(i int) string, do func(code string)) {
		for i := range each {
			shown := code(i)
			start := time.Now()
			do(shown)
			*into = append(*into, time.Since(start))
		}
	}
	enrolled := func(i int) string { return f.codes[i*7%len(f.codes)] }
	guessed := func(i int) string { return fmt.Sprintf("9%07d", i) }
	for b.Loop() {
		for range benchRounds {
			timed(&known, enrolled, func(code string) {
				if facts, err := f.dir.Facts(access.Code, code); err != nil || facts.Credential.ID == "" {
					b.Fatal("not found", err)
				}
			})
			timed(&unknown, guessed, func(code string) {
				if facts, err := f.dir.Facts(access.Code, code); err != nil || facts.Credential.ID != "" {
					b.Fatal("found", err)
				}
			})
			timed(&floor, enrolled, func(code string) { keyed(key[:], code) })
		}
	}
	b.ReportMetric(known.p50(), "us-known")
	b.ReportMetric(unknown.p50(), "us-unknown")
	b.ReportMetric(floor.p50(), "hmac-us")
	b.ReportMetric(known.p50()/floor.p50(), "x-hmac")
	b.ReportMetric(known.p50()/unknown.p50(), "known/unknown")
	b.ReportMetric(0, "ns/op")
}
