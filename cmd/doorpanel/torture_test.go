package main_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/sip/siptest"
)

// tortures are the messages of RFC 4475 and RFC 5118, and whatever else is known to break telephones.
func tortures(t *testing.T) map[string][]byte {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "testdata", "sip-torture")
	if _, err := os.Stat(root); err != nil {
		t.Skip("left out: the torture messages are in ../shared/testdata, which is not here")
	}
	messages := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".md") {
			return err
		}
		messages[path], err = os.ReadFile(path)
		return err
	})
	if err != nil || len(messages) < 50 {
		t.Fatalf("%d torture messages, %v", len(messages), err)
	}
	return messages
}

func TestTortureMessagesMoveNoStrikeAndStopNothing(t *testing.T) {
	t.Parallel()
	messages := tortures(t)
	phone, next := startRawPhone(t), siptest.StartBaresip(t, siptest.BaresipOptions{})
	p := startPanel(t, setting{buttons: button(1, "Rossi", "sip:rossi@"+phone.addr())})
	// They come in the middle of a call, when a digit could open.
	p.press(1)
	phone.answer()
	p.waitText("Rossi is on the line")
	at, err := net.ResolveUDPAddr("udp4", p.sip)
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range messages {
		from := listenUDP(t)
		if _, err := from.WriteTo(message, at); err != nil {
			t.Fatalf("%s over UDP: %v", name, err)
		}
		from.Close()
		sendTCP(t, p.sip, message)
	}
	for _, rubbish := range []string{"", "\r\n\r\n", "\x00\x01\x02", strings.Repeat("A", 70000), "INVITE sip:a SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
		sendTCP(t, p.sip, []byte(rubbish))
	}
	// A good request is answered after all that, over both.
	options := func(transport, from string) string {
		return fmt.Sprintf("OPTIONS sip:door@%s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:door@%s>\r\n"+
			"Call-ID: after-all-%s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", p.sip, transport, from, time.Now().UnixNano(), p.sip, transport)
	}
	udp := listenUDP(t)
	if _, err := udp.WriteTo([]byte(options("UDP", udp.LocalAddr().String())), at); err != nil {
		t.Fatal(err)
	}
	if err := udp.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 8192)
	if n, _, err := udp.ReadFrom(buffer); err != nil || !strings.HasPrefix(string(buffer[:n]), "SIP/2.0 ") {
		t.Fatalf("OPTIONS over UDP after the torture: %q, %v", buffer[:n], err)
	}
	tcp, err := net.Dial("tcp4", p.sip)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if err := tcp.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := tcp.Write([]byte(options("TCP", tcp.LocalAddr().String()))); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(tcp).ReadString('\n'); err != nil || !strings.HasPrefix(line, "SIP/2.0 ") {
		t.Fatalf("OPTIONS over TCP after the torture: %q, %v", line, err)
	}
	if p.strikeMoved() {
		t.Fatal("a torture message moved a strike")
	}
	if n := count(p.journal(), "access.granted") + count(p.journal(), "access.refused"); n != 0 {
		t.Errorf("torture messages led to %d decisions at the door", n)
	}
	// The call is still there, and the next good one works.
	pressKey(t, phone.media, phone.panelMedia, '1', 9)
	p.opens("front")
	p.waitEntry("call.ended", "")
	p.must(http.StatusOK, "PUT", "/buttons/1", object{"label": "Bianchi", "target": next.Target()})
	p.press(1)
	next.Wait("CALL_INCOMING")
	next.Answer()
	p.waitText("Bianchi is on the line")
	next.Wait("CALL_ESTABLISHED")
	next.Digit('1')
	p.opens("front")
	p.stop()
}

// sendTCP sends a message over a connection of its own, which the panel may close at any byte.
func sendTCP(t *testing.T, to string, message []byte) {
	t.Helper()
	c, err := net.Dial("tcp4", to)
	if err != nil {
		t.Fatalf("the panel takes no connection any more: %v", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write(message) // it may have hung up on us
}
