package uplink_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
	"github.com/doorpanel/doorpanel/telemetry"
)

// silent is an outbox without entries.
type silent struct{}

func (silent) Next(ctx context.Context) (telemetry.Event, error) {
	<-ctx.Done()
	return telemetry.Event{}, ctx.Err()
}
func (silent) Done(uint64) error   { return nil }
func (silent) Rewind(uint64) error { return nil }

// BenchmarkStatusToMonitor is row 17 of the performance table: a change of the status until a monitor behind mosquitto has it,
// against a bare socket that publishes the same bytes at QoS 1, alternating.
func BenchmarkStatusToMonitor(b *testing.B) {
	broker := uplinktest.StartMosquitto(b, uplinktest.Options{})
	monitor := broker.Watch("doorpanel/#")
	var seq atomic.Uint64
	u, err := uplink.New(uplink.Options{
		Broker: broker.URL(), Site: "villa", Panel: "gate", Boot: "b1",
		Status: func() telemetry.Status { return telemetry.Status{Epoch: epoch, Seq: seq.Load()} },
	}, silent{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	first := monitor.Await(isStatus(isOnline))

	floor, err := net.Dial("tcp", broker.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer floor.Close()
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.CleanSession = "MQTT", 4, "floor", true
	if err := hello.Write(floor); err != nil {
		b.Fatal(err)
	}
	if _, err := packets.ReadPacket(floor); err != nil {
		b.Fatal(err)
	}
	raw := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	raw.Qos, raw.MessageID, raw.TopicName, raw.Payload = 1, 1, "doorpanel/v1/villa/floor/status", first.Payload

	var ours, bare []time.Duration
	for b.Loop() {
		began := time.Now()
		want := fmt.Sprintf(`"seq":%d,`, seq.Add(1))
		u.StatusChanged()
		monitor.Await(isStatus(want))
		ours = append(ours, time.Since(began))

		began = time.Now()
		if err := raw.Write(floor); err != nil {
			b.Fatal(err)
		}
		monitor.Await(func(m uplinktest.Message) bool { return m.Topic == raw.TopicName })
		bare = append(bare, time.Since(began))
		if _, err := packets.ReadPacket(floor); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(ours)
	slices.Sort(bare)
	b.ReportMetric(float64(ours[len(ours)/2].Microseconds()), "us/p50")
	b.ReportMetric(float64(bare[len(bare)/2].Microseconds()), "us/floor")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(bare[len(bare)/2]), "x/floor")
}

// BenchmarkBacklog delivers what waited for the broker: entries per second through mosquitto, in order, at least once.
func BenchmarkBacklog(b *testing.B) {
	broker := uplinktest.StartMosquitto(b, uplinktest.Options{})
	const entries = 10_000
	for b.Loop() {
		j := newJournal(b, filepath.Join(b.TempDir(), "cursor"))
		j.add(entries)
		u, err := uplink.New(uplink.Options{
			Broker: broker.URL(), Site: "villa", Panel: "gate", Boot: "b1", Status: func() telemetry.Status { return telemetry.Status{Epoch: epoch} },
		}, j)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- u.Run(ctx) }()
		j.awaitDone(entries)
		cancel()
		<-ended
	}
	b.ReportMetric(float64(b.N)*entries/b.Elapsed().Seconds(), "entries/s")
}
