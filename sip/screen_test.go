package sip

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const good = "OPTIONS sip:panel@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKx%d;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:panel@127.0.0.1>\r\nCall-ID: ask%d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"

// torture is the sets of RFC 4475 and RFC 5118, by the name of the file.
func torture(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "shared", "testdata", "sip-torture", "*", "*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("left out: the torture messages are in ../shared/testdata, which is not here")
	}
	set := map[string][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		set[filepath.Base(f)] = raw
	}
	return set
}

// valid are the messages of RFC 4475 section 3.1.1 and the well-formed ones of RFC 5118.
var valid = []string{
	"wsinv.dat", "intmeth.dat", "esc01.dat", "escnull.dat", "esc02.dat", "lwsdisp.dat", "longreq.dat", "dblreq.dat", "semiuri.dat", "transports.dat", "mpart01.dat",
	"ipv6-good.dat", "port-ambiguous.dat", "port-unambiguous.dat", "ipv6-correct-abnf-2-colons.dat", "mult-ip-in-header.dat", "mult-ip-in-sdp.dat", "ipv6-in-sdp.dat", "ipv4-mapped-ipv6.dat",
	"via-received-param-with-delim.dat", "via-received-param-no-delim.dat",
}

func TestTortureMessagesAreAnsweredAsTheirRFCSays(t *testing.T) {
	want := map[string]string{
		"badvers.dat": "505", "unkscm.dat": "416", "novelsc.dat": "416", "bext01.dat": "420", "invut.dat": "415",
		"badinv01.dat": "400", "clerr.dat": "400", "ncl.dat": "400", "scalar02.dat": "400", "quotbal.dat": "400", "ltgtruri.dat": "400", "lwsruri.dat": "400",
		"lwsstart.dat": "400", "trws.dat": "400", "mismatch01.dat": "400", "mismatch02.dat": "400", "insuf.dat": "400", "multi01.dat": "400", "mcl01.dat": "400",
		"scalarlg.dat": "", "bigcode.dat": "", "bcast.dat": "", "unreason.dat": "", "noreason.dat": "",
	}
	from := netip.MustParseAddrPort("192.0.2.9:5060")
	d := desk{known: func(string) bool { return false }}
	for name, raw := range torture(t) {
		m, _, wrong := cut(raw, false)
		pass, reply := d.admit(&m, wrong, from)
		if pass {
			t.Errorf("%s passed the desk", name)
		}
		status := ""
		if reply != nil {
			status = string(reply[8:11])
		}
		if expected, ok := want[name]; ok && status != expected {
			t.Errorf("%s is answered with %q (%s), want %q", name, status, wrong.reason, expected)
		}
		for _, v := range valid {
			if name == v && status == "400" {
				t.Errorf("%s is valid and answered with 400 (%s)", name, wrong.reason)
			}
		}
		if m.method == "INVITE" && strings.HasPrefix(status, "2") {
			t.Errorf("%s, an INVITE, is answered with %s", name, status)
		}
	}
}

// TestTortureDoesNotStopThePhone sends every message over UDP and TCP to a running phone.
func TestTortureDoesNotStopThePhone(t *testing.T) {
	set := torture(t)
	p, w := startPhone(t, Options{})
	ask, err := net.Dial("udp4", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close()
	alive := func(i int) {
		t.Helper()
		port := ask.LocalAddr().(*net.UDPAddr).Port
		fmt.Fprintf(ask, good, port, i, i)
		if err := ask.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2048)
		for {
			n, err := ask.Read(buf)
			if err != nil {
				t.Fatalf("the phone does not answer any more: %v", err)
			}
			if bytes.Contains(buf[:n], fmt.Appendf(nil, "Call-ID: ask%d\r\n", i)) {
				if !bytes.HasPrefix(buf[:n], []byte("SIP/2.0 200 ")) {
					t.Fatalf("OPTIONS is answered with %s", buf[:n])
				}
				return
			}
		}
	}
	alive(0)
	before := runtime.NumGoroutine()
	i := 0
	for name, raw := range set {
		i++
		u, err := net.Dial("udp4", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(raw); err != nil {
			t.Fatal(err)
		}
		u.Close()
		c, err := net.Dial("tcp4", p.Addr())
		if err != nil {
			t.Fatalf("%s: no connection: %v", name, err)
		}
		// A refused stream is closed under our hands.
		_, _ = c.Write(raw)
		if err := c.(*net.TCPConn).CloseWrite(); err == nil {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			_, _ = io.Copy(io.Discard, c)
		}
		c.Close()
		alive(i)
	}
	s, _ := startSoftphone(t)
	p.Place("c", "sip:anna@"+s.Addr(), "")
	w.want(Ringing, "c")
	if err := s.Answer(); err != nil {
		t.Fatal(err)
	}
	w.want(Answered, "c")
	p.HangUp("c")
	w.want(Ended, "c")
	s.Close()
	limit := time.Now().Add(patience)
	for runtime.NumGoroutine() > before+2 {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
		runtime.Gosched()
	}
}

func TestStreamsAreCutWhereMessagesEnd(t *testing.T) {
	p, _ := startPhone(t, Options{})
	c, err := net.Dial("tcp4", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	two := fmt.Sprintf("\r\n"+good+good, 1, 1, 1, 2, 2, 2)
	// In pieces: the end of a read says nothing about the end of a message.
	for len(two) > 0 {
		n := min(37, len(two))
		if _, err := io.WriteString(c, two[:n]); err != nil {
			t.Fatal(err)
		}
		two = two[n:]
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 2048)
	for bytes.Count(got, []byte("SIP/2.0 200 OK")) < 2 {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("%v after\n%s", err, got)
		}
		got = append(got, buf[:n]...)
	}
	if _, err := io.WriteString(c, "\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "\r\n" {
		t.Errorf("a keep-alive is answered with %q, %v", buf[:n], err)
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf); err != io.EOF {
		t.Errorf("what is not SIP leaves the connection open: %v", err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	p, _ := startPhone(t, Options{})
	var open []net.Conn
	for range maxConns + 1 {
		c, err := net.Dial("tcp4", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	last := open[maxConns]
	if err := last.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("one connection too many is kept open: %v", err)
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(good, 1, 1, 1)), true)
	f.Add([]byte("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;rport\r\nf:<sip:a@b>;tag=\"\r\n \t\r\nl: 3\r\n\r\nabc"), false)
	f.Add([]byte("\r\n\r\nINVITE sip:a SIP/2.0\r\n :\r\n\r\n"), true)
	from := netip.MustParseAddrPort("192.0.2.9:5060")
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		m, complete, wrong := cut(data, stream)
		if m.size > len(data) && complete && !wrong.found() {
			t.Errorf("a message of %d bytes in %d", m.size, len(data))
		}
		for _, known := range []bool{true, false} {
			d := desk{known: func(string) bool { return known }}
			pass, reply := d.admit(&m, wrong, from)
			if pass && wrong.found() {
				t.Error("a malformed message passed")
			}
			if m.method == "INVITE" && bytes.HasPrefix(reply, []byte("SIP/2.0 2")) {
				t.Error("an INVITE was accepted")
			}
			if len(reply) > 3*len(data)+600 {
				t.Errorf("%d bytes answer %d", len(reply), len(data))
			}
		}
		if m.request {
			m.replyTo(from)
		}
	})
}
