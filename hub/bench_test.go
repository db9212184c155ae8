package hub

import (
	"bufio"
	"context"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/telemetry"
)

// sender is a panel as the wire sees it, without a client library's cost: its connection, its journal, and when what was
// acknowledged.
type sender struct {
	site, panel string
	conn        net.Conn
	mu          sync.Mutex
	out         *bufio.Writer
	sent        []time.Time // by number, the first is 1
	took        []time.Duration
	acked       uint64
	chain       string
	room        chan struct{} // one for each entry that may be under way
	done        chan struct{} // closed with the last acknowledgment
	want        uint64
}

func dialSender(b testing.TB, where house, i, entries int) *sender {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(where.url(), "mqtt://"))
	if err != nil {
		b.Fatal(err)
	}
	s := &sender{
		site: siteID, panel: crowdID(i), conn: conn, out: bufio.NewWriter(conn), chain: chainOf("begin"), want: uint64(entries),
		room: make(chan struct{}, 64), done: make(chan struct{}),
	}
	connect := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	connect.ProtocolName, connect.ProtocolVersion, connect.CleanSession, connect.Keepalive = "MQTT", 4, true, 120
	connect.ClientIdentifier, connect.UsernameFlag, connect.Username = "doorpanel-"+siteID+"-"+s.panel, true, s.panel
	connect.PasswordFlag, connect.Password = true, []byte("x")
	subscribe := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribe.MessageID, subscribe.Topics, subscribe.Qoss = 1, []string{telemetry.AckTopic(siteID, s.panel)}, []byte{1}
	for _, p := range []packets.ControlPacket{connect, subscribe} {
		if err := p.Write(conn); err != nil {
			b.Fatal(err)
		}
		if _, err := packets.ReadPacket(conn); err != nil {
			b.Fatal(err)
		}
	}
	go s.listen()
	return s
}

func (s *sender) listen() {
	in := bufio.NewReader(s.conn)
	for {
		packet, err := packets.ReadPacket(in)
		if err != nil {
			return
		}
		p, ok := packet.(*packets.PublishPacket)
		if !ok {
			continue
		}
		now := time.Now()
		ack, err := telemetry.DecodeAck(p.Payload)
		s.mu.Lock()
		if err == nil && !ack.Again() {
			for ; s.acked < ack.Seq; s.acked++ {
				s.took = append(s.took, now.Sub(s.sent[s.acked]))
				<-s.room
			}
		}
		over := s.acked == s.want
		puback := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		puback.MessageID = p.MessageID
		_ = puback.Write(s.out)
		_ = s.out.Flush()
		s.mu.Unlock()
		if over {
			close(s.done)
			return
		}
	}
}

// say publishes the next entry as soon as the window has room.
func (s *sender) say() error {
	s.room <- struct{}{}
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := uint64(len(s.sent) + 1)
	next := chainOf(s.chain, seq)
	payload, err := telemetry.Event{
		Epoch: "9f86d081884c7d65", Boot: "k3w1", Seq: seq, Time: time.Now(), Trusted: true, MonoMS: seq, Kind: "access.granted", Door: "front",
		Who: "Anna Rossi", Why: "card", Reader: "front-in", Credential: "c" + strconv.FormatUint(seq, 10), Prev: s.chain, Chain: next,
	}.Encode()
	if err != nil {
		return err
	}
	s.chain = next
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.MessageID, p.TopicName, p.Payload = 1, uint16(seq%65_535+1), telemetry.EventTopic(s.site, s.panel), payload
	s.sent = append(s.sent, time.Now())
	if err := p.Write(s.out); err != nil {
		return err
	}
	return s.out.Flush()
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// BenchmarkIngest brings entries of many panels through broker, hub and store and back as acknowledgments; one operation is
// one entry. DOORPANEL_PANELS (1,000) and DOORPANEL_RATE (entries a second of each panel; 0: as fast as they are acknowledged)
// change what is asked. The time that a publisher takes is in it, too.
func BenchmarkIngest(b *testing.B) {
	panels, rate := number("DOORPANEL_PANELS", 1_000), number("DOORPANEL_RATE", 0)
	for _, name := range []string{"embedded", "mosquitto"} {
		b.Run(name, func(b *testing.B) {
			where := brokers()[name](b)
			s := openStore(b, b.TempDir(), panels)
			h, stop := run(b, s, where.hubLink(b, "doorpanel-hub"))
			await(b, "the hub is connected", news(b, h), h.Linked)
			each := max(b.N/panels, 1)
			senders := make([]*sender, panels)
			for i := range senders {
				senders[i] = dialSender(b, where, i, each)
				defer senders[i].conn.Close()
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.ResetTimer()
			began := time.Now()
			var all sync.WaitGroup
			for i, s := range senders {
				all.Go(func() {
					for n := range each {
						if rate > 0 {
							due := began.Add(time.Duration(n)*time.Second/time.Duration(rate) + time.Duration(i)*time.Second/time.Duration(rate*panels))
							time.Sleep(time.Until(due))
						}
						if err := s.say(); err != nil {
							b.Error(err)
							return
						}
					}
					select {
					case <-s.done:
					case <-time.After(patience):
						b.Errorf("panel %d: acknowledged up to %d of %d", i, s.acked, each)
					}
				})
			}
			all.Wait()
			took := time.Since(began)
			b.StopTimer()
			runtime.ReadMemStats(&after)
			var times []time.Duration
			for _, s := range senders {
				times = append(times, s.took...)
			}
			slices.Sort(times)
			if len(times) > 0 {
				b.ReportMetric(float64(len(times))/took.Seconds(), "events/s")
				b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
			}
			figures := h.Handled()
			b.ReportMetric(float64(len(times))/float64(max(figures.Acks, 1)), "events/ack")
			if figures.Ahead > 0 || figures.Duplicate > 0 {
				b.Logf("%+v", figures)
			}
			stop()
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkMemoryPerPanel says what a panel costs in the hub itself, of 400 sites with 5 each: its status and its place in the
// site's situation.
func BenchmarkMemoryPerPanel(b *testing.B) {
	const panels = 2_000
	for b.Loop() {
		s, l := newMemory(), &silent{}
		home := func(i int) string { return "site-" + strconv.Itoa(i/5) }
		for i := range panels {
			if i%5 == 0 {
				s.sites = append(s.sites, fleet.Site{ID: home(i), Name: "Villa Rossi", Zone: "Europe/Rome", Language: "en"})
			}
			s.panels = append(s.panels, fleet.Panel{ID: crowdID(i), Name: "Panel " + strconv.Itoa(i), Site: home(i), Serial: strconv.Itoa(i + 1)})
		}
		h, err := hubOver(s, l)
		if err != nil {
			b.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		told := news(b, h)
		await(b, "the hub runs", told, h.Linked)
		for i := range panels {
			h.Take(ctx, Message{Topic: telemetry.StatusTopic(home(i), crowdID(i)), Payload: encoded(b, online("boot"+strconv.Itoa(i), 1)), Done: func() {}})
		}
		await(b, "all are heard", told, func() bool { return len(h.Said()) == panels })
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/panels, "B/panel")
		cancel()
		<-ended
	}
}

// silent is a link over which nothing comes.
type silent struct{}

func (*silent) Run(ctx context.Context, peer Peer) error { peer.Connected(); <-ctx.Done(); return nil }
func (*silent) Send(string, bool, []byte) error          { return nil }
func (*silent) Publish(context.Context, string, bool, []byte) error {
	return nil
}

// frozen is a connection that can be cut as a cable is: nobody is told.
type frozen struct {
	net.Conn
	cut chan struct{}
}

func (f *frozen) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	select {
	case <-f.cut:
		select {} // for good: the test's process ends it
	default:
		return n, err
	}
}

func (f *frozen) Write(p []byte) (int, error) {
	select {
	case <-f.cut:
		return len(p), nil
	default:
		return f.Conn.Write(p)
	}
}

// BenchmarkDetection says how long after a panel's cable was cut the hub knows, as a share of 1.5 times the keep-alive.
func BenchmarkDetection(b *testing.B) {
	const keepAlive = 4 * time.Second
	for _, name := range []string{"embedded", "mosquitto"} {
		b.Run(name, func(b *testing.B) {
			where := brokers()[name](b)
			s := openStore(b, b.TempDir(), 1)
			h, stop := run(b, s, where.hubLink(b, "doorpanel-hub"))
			presence := func(want monitor.Presence) func() bool {
				return func() bool {
					site, _ := h.Situation(siteID)
					p, _ := site.Panel(crowdID(0))
					return p.Presence == want
				}
			}
			var worst, sum time.Duration
			for b.Loop() {
				cut := make(chan struct{})
				var dialed int
				c := begin(b, where, 1, 1, func(_ int, o *uplink.Options, _ *notebook) {
					o.KeepAlive = keepAlive
					o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						if dialed++; dialed > 1 {
							<-ctx.Done()
							return nil, ctx.Err()
						}
						conn, err := new(net.Dialer).DialContext(ctx, network, address)
						return &frozen{conn, cut}, err
					}
				})
				await(b, "the panel is online", news(b, h), presence(monitor.Online))
				close(cut)
				began := time.Now()
				await(b, "the panel is lost", news(b, h), presence(monitor.Lost))
				took := time.Since(began)
				worst, sum = max(worst, took), sum+took
				go c.stop()
			}
			b.ReportMetric(float64(sum)/float64(b.N)/float64(keepAlive*3/2), "of-1.5-keepalive")
			b.ReportMetric(float64(worst)/float64(keepAlive*3/2), "worst-of-1.5-keepalive")
			stop()
			_ = s.Close() // a benchmark
		})
	}
}
