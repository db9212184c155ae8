package uplink_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
)

// TestBrokerThatTalksNonsense sends the panel each of the shared packets from a broker of our own. None may end the program, move
// the cursor or become a command, and the next connection must come.
func TestBrokerThatTalksNonsense(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "testdata", "mqtt-packets", "client", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("left out: ../shared/testdata/mqtt-packets is not there")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	j := newJournal(t, cursorFile(t))
	r := start(t, "mqtt://"+listener.Addr().String(), j, func(o *uplink.Options) {
		o.Hub, o.Retry, o.RetryLimit = true, time.Millisecond, time.Millisecond
		o.State = func(bool, string) {}
	})
	count := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Ver   int
			Tests []struct {
				Name    string
				Connack *bool
				Msgs    []struct{ Type, Payload string }
			}
		}
		if err := json.Unmarshal(raw, &groups); err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			if group.Ver > 4 {
				continue // MQTT 5, in a notation with more letters
			}
			for _, test := range group.Tests {
				var nonsense []byte
				for _, message := range test.Msgs {
					if message.Type == "send" {
						nonsense = append(nonsense, packetBytes(t, message.Payload)...)
					}
				}
				sayNonsense(t, listener, nonsense, test.Connack == nil || *test.Connack)
				count++
			}
		}
	}
	if _, done := j.state(); done != 0 || len(r.commands) != 0 || len(r.documents) != 0 {
		t.Errorf("done %d, %d commands, %d documents", done, len(r.commands), len(r.documents))
	}
	t.Logf("%d broken conversations", count)
}

// sayNonsense plays one connection of a broker up to the packets under test.
func sayNonsense(t *testing.T, listener net.Listener, nonsense []byte, accept bool) {
	t.Helper()
	listener.(*net.TCPListener).SetDeadline(time.Now().Add(uplinktest.Deadline))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(uplinktest.Deadline))
	if _, err := packets.ReadPacket(conn); err != nil {
		t.Fatal(err)
	}
	if accept {
		conn.Write([]byte{0x20, 0x02, 0, 0})
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			t.Fatal(err)
		}
		subscribe, ok := packet.(*packets.SubscribePacket)
		if !ok {
			t.Fatalf("%s instead of a subscription", packet)
		}
		granted := []byte{0x90, byte(2 + len(subscribe.Topics))}
		granted = binary.BigEndian.AppendUint16(granted, subscribe.MessageID)
		conn.Write(append(granted, make([]byte, len(subscribe.Topics))...))
	}
	// The panel may have hung up already, which is one right answer.
	conn.Write(nonsense)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
}

// packetBytes reads the notation of the test data: hexadecimal bytes, 'text', and numbers as r and v variable length, s length of a
// string, k keep-alive, m message id.
func packetBytes(t *testing.T, notation string) []byte {
	t.Helper()
	var out []byte
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
		case 's', 'k', 'm':
			out = binary.BigEndian.AppendUint16(out, uint16(number))
		default:
			t.Fatalf("cannot read %q in %q", word, notation)
		}
	}
	return out
}
