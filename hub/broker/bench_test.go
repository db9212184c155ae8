package broker_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/telemetry"
)

// inUse is what the process has in its heap and stacks, in bytes.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkMemoryPerConnection connects 1,000 panels over TLS, each with its three subscriptions and its retained status. Both ends
// are in this process: what two bare ends of a TLS connection take is measured beside it.
func BenchmarkMemoryPerConnection(b *testing.B) {
	const panels = 1000
	ca, err := authority.Open(authority.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	own, err := ca.ClientCertificate("shared")
	if err != nil {
		b.Fatal(err)
	}
	server := &tls.Config{GetCertificate: ca.ServerCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
	dial := func(address string, as tls.Certificate) net.Conn {
		config := client.Clone()
		config.Certificates = []tls.Certificate{as}
		c, err := tls.Dial("tcp", address, config)
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	for b.Loop() {
		bare := bareTLS(b, server, func(address string) net.Conn { return dial(address, own) }, panels)

		honor := func(string, string) (string, error) { return "villa", nil }
		br, err := broker.New(broker.Options{Listen: "127.0.0.1:0", Certificate: ca.ServerCertificate, Clients: ca.Pool(), Honor: honor})
		if err != nil {
			b.Fatal(err)
		}
		if err := br.Start(); err != nil {
			b.Fatal(err)
		}
		before := inUse()
		var conns []net.Conn
		for i := range panels {
			name := fmt.Sprintf("panel-%d", i)
			as, err := ca.ClientCertificate(name)
			if err != nil {
				b.Fatal(err)
			}
			c := dial(br.Addr(), as)
			join(b, c, name)
			conns = append(conns, c)
		}
		whole := (inUse() - before) / panels
		b.ReportMetric(float64(whole-bare/2), "B/connection")
		b.ReportMetric(float64(bare/2), "B/bare-TLS-end")
		for _, c := range conns {
			c.Close()
		}
		if err := br.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func join(b *testing.B, c net.Conn, name string) {
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.Keepalive = "MQTT", 4, broker.ClientID("villa", name), 20
	hello.WillFlag, hello.WillQos, hello.WillRetain, hello.WillTopic, hello.WillMessage = true, 1, true, telemetry.StatusTopic("villa", name), will("b1")
	subscribe := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribe.MessageID = 1
	subscribe.Topics = []string{telemetry.AckTopic("villa", name), telemetry.CommandTopic("villa", name), telemetry.DocumentFilter("villa", name)}
	subscribe.Qoss = []byte{1, 1, 1}
	publish := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	publish.Qos, publish.MessageID, publish.Retain, publish.TopicName, publish.Payload = 1, 2, true, telemetry.StatusTopic("villa", name), make([]byte, 400)
	for _, p := range []packets.ControlPacket{hello, subscribe, publish} {
		if err := p.Write(c); err != nil {
			b.Fatal(err)
		}
		if _, err := packets.ReadPacket(c); err != nil {
			b.Fatal(err)
		}
	}
}

// bareTLS is what both ends of a connection take that does nothing but TLS, in bytes.
func bareTLS(b *testing.B, config *tls.Config, dial func(address string) net.Conn, count int) uint64 {
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	before := inUse()
	var serving sync.WaitGroup
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_, _ = c.Write([]byte{1})
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			})
		}
	}()
	var conns []net.Conn
	for range count {
		c := dial(l.Addr().String())
		if _, err := c.Read(make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		conns = append(conns, c)
	}
	whole := (inUse() - before) / uint64(count)
	for _, c := range conns {
		c.Close()
	}
	serving.Wait()
	return whole
}
