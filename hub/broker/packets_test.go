package broker_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/telemetry"
)

// raw opens a connection as a panel, without a library that would only send what is right.
func (f *field) raw(as tls.Certificate) net.Conn {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.Addr(), &tls.Config{RootCAs: f.ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{as}})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		f.t.Fatal(err)
	}
	return c
}

func hello(panel string) []byte {
	var b bytes.Buffer
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.CleanSession, p.Keepalive = "MQTT", 4, panelID(panel), true, 20
	p.UsernameFlag, p.Username = true, panel // for a listener without TLS
	if err := p.Write(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestPanelThatTalksNonsense sends the broker each of the shared packets, as the first thing and after a good beginning. None may end the
// broker, reach anybody, or cost another panel its connection.
func TestPanelThatTalksNonsense(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "testdata", "mqtt-packets", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("left out: ../shared/testdata/mqtt-packets is not there")
	}
	f := newField(t, func(o *broker.Options) {
		o.Plain = &broker.Plain{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Honor: func(string, string) (string, error) { return "villa", nil }}
	})
	hub, steady := f.hub(), f.panel("beta")
	conversations := 0
	for _, file := range files {
		for _, nonsense := range nonsenseOf(t, file) {
			for _, first := range [][]byte{nil, hello("alpha")} {
				c, err := net.Dial("tcp", f.PlainAddr())
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				_, _ = c.Write(append(bytes.Clone(first), nonsense...)) // it may be refused halfway
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				c.Close()
				conversations++
			}
		}
	}
	own := telemetry.EventTopic("villa", "beta")
	steady.say(own, "end", false)
	hub.next("the end", func(m mqtt.Message) bool {
		if m.Topic() != own && m.Topic() != status && m.Topic() != event {
			t.Errorf("the hub heard %s", m.Topic())
		}
		return m.Topic() == own
	})
	for _, r := range f.Refusals() {
		t.Logf("%d x %s, such as %s", r.Count, r.Why, r.Last)
		if r.Why == "broke" {
			t.Errorf("the library broke: %s", r.Last)
		}
	}
	t.Logf("%d conversations", conversations)
}

func nonsenseOf(t *testing.T, file string) (list [][]byte) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Tests []struct {
			Msgs []struct{ Type, Payload string }
		}
	}
	if err := json.Unmarshal(raw, &groups); err != nil {
		t.Fatal(err)
	}
	for _, group := range groups {
		for _, test := range group.Tests {
			var nonsense []byte
			for _, message := range test.Msgs {
				if message.Type == "send" {
					nonsense = append(nonsense, packetBytes(t, message.Payload)...)
				}
			}
			if len(nonsense) > 0 {
				list = append(list, nonsense)
			}
		}
	}
	return list
}

// packetBytes reads the notation of the test data: hexadecimal bytes, 'text', and numbers after a letter: r and v are of variable
// length, w is of four bytes, b of one, the others are of two.
func packetBytes(t *testing.T, notation string) (out []byte) {
	t.Helper()
	for _, word := range strings.Fields(notation) {
		if text, ok := strings.CutPrefix(word, "'"); ok {
			out = append(out, strings.TrimSuffix(text, "'")...)
			continue
		}
		if raw, err := hex.DecodeString(word); err == nil {
			out = append(out, raw...)
			continue
		}
		number, err := strconv.ParseUint(word[1:], 10, 32)
		if err != nil {
			t.Fatalf("cannot read %q in %q", word, notation)
		}
		switch word[0] {
		case 'r', 'v':
			for more := true; more; {
				digit := byte(number & 0x7f)
				number >>= 7
				if more = number > 0; more {
					digit |= 0x80
				}
				out = append(out, digit)
			}
		case 'w':
			out = binary.BigEndian.AppendUint32(out, uint32(number))
		case 'b':
			out = append(out, byte(number))
		default:
			out = binary.BigEndian.AppendUint16(out, uint16(number))
		}
	}
	return out
}

func TestOversizePacketEndsItsConnectionAtItsHeader(t *testing.T) {
	f := newField(t, nil)
	attacker := certificate(t, f.ca, "alpha")
	for name, header := range map[string][]byte{
		"256 MiB after a good beginning": append(hello("alpha"), 0x32, 0xff, 0xff, 0xff, 0x7f),
		"256 MiB at once":                {0x10, 0xff, 0xff, 0xff, 0x7f},
		"a length without an end":        append(hello("alpha"), 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
	} {
		c := f.raw(attacker)
		if _, err := c.Write(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the broker waits for it", name)
		}
		c.Close()
	}
	f.refused("too_large")
	f.refused("malformed")
}

func TestOnlyTheProtocolOfPanelsIsSpoken(t *testing.T) {
	f := newField(t, nil)
	as := certificate(t, f.ca, "alpha")
	for _, version := range []byte{3, 5} {
		before := count(f.Refusals(), "protocol") + count(f.Refusals(), "malformed")
		c := f.raw(as)
		packet := hello("alpha")
		packet[8] = version
		if version == 5 { // properties, of which there are none, stand before the client id
			packet = slices.Insert(packet, 12, 0)
			packet[1]++
		}
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		c.Close()
		if err != nil && strings.Contains(err.Error(), "timeout") || len(answer) > 3 && answer[3] == 0 {
			t.Errorf("version %d is taken: % x, %v", version, answer, err)
		}
		// It is counted when the connection has ended, which whoever asked may see first.
		counted := func() uint64 { return count(f.Refusals(), "protocol") + count(f.Refusals(), "malformed") - before }
		for end := time.Now().Add(patience); counted() == 0 && time.Now().Before(end); {
			f.gosched()
		}
		if n := counted(); n != 1 {
			t.Errorf("version %d is counted %d times: %+v", version, n, f.Refusals())
		}
	}
	if count(f.Refusals(), "protocol") == 0 {
		t.Errorf("nobody is told which protocol it was: %+v", f.Refusals())
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	f := newField(t, func(o *broker.Options) { o.MaxClients = 1 })
	const most = 1 + 128 // and those that have not said who they are
	for n := range most + 1 {
		c, err := net.Dial("tcp", f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n < most {
			continue
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("one too many is served: %v", err)
		}
	}
	f.refused("full")
}

func TestConnectionThatSaysNothingIsEnded(t *testing.T) {
	t.Parallel() // it waits for the broker's patience to end
	f := newField(t, nil)
	plain, err := net.Dial("tcp", f.Addr()) // not even TLS
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	silent := f.raw(certificate(t, f.ca, "alpha")) // no first packet
	defer silent.Close()
	for _, c := range []net.Conn{plain, silent} {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("it is still open")
		}
	}
}
