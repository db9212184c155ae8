package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/sip/siptest"
)

func TestCalledPartyOpensTheDoorWithADigit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opt  siptest.BaresipOptions
	}{
		{"UDP", siptest.BaresipOptions{}},
		{"TCP", siptest.BaresipOptions{Transport: "tcp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone := siptest.StartBaresip(t, c.opt)
			p := startPanel(t, setting{buttons: button(1, "Rossi", phone.Target())})
			p.press(1)
			p.waitText("Calling Rossi")
			phone.Wait("CALL_INCOMING")
			phone.Answer()
			p.waitText("Rossi is on the line")
			phone.Wait("CALL_ESTABLISHED")
			phone.Digit('7') // opens nothing
			phone.Digit('1')
			on := p.waitFor("strike", "front", true)
			p.told("granted", "Please come in")
			off := p.waitFor("strike", "front", false)
			checkPulse(t, time.Duration(off.MonoMS-on.MonoMS)*time.Millisecond, shortPulse)
			phone.Wait("CALL_CLOSED")
			p.waitEntry("call.placed", "")
			answered := p.waitEntry("call.answered", "")
			granted := p.waitEntry("access.granted", "call")
			if granted.Door != "front" || granted.Who != "Rossi" || granted.Call != answered.Call || granted.Button != 1 {
				t.Errorf("the grant is written as %+v", granted)
			}
			p.waitEntry("strike.on", "call")
			p.waitEntry("strike.off", "")
			p.waitEntry("call.ended", "")
			p.stop()
		})
	}
}

func TestCalledPartyOpensTheDoorByInfo(t *testing.T) {
	t.Parallel()
	peer := siptest.StartSIPp(t, siptest.AnswersAndSendsInfo("71"))
	p := startPanel(t, setting{buttons: button(1, "Rossi", "sip:rossi@"+peer.Addr())})
	p.press(1)
	p.waitText("Rossi is on the line")
	checkPulse(t, p.opens("front"), shortPulse)
	peer.Wait()
	p.waitEntry("access.granted", "call")
	p.waitEntry("call.ended", "")
}

// checkPulse holds a pulse to its length: never shorter, never longer by more than a second.
func checkPulse(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got < want-20*time.Millisecond || got > want+time.Second {
		t.Errorf("the strike was released for %v, want %v", got, want)
	}
}

func TestVisitorIsToldWhyNobodyAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why, text string
		target          func(t *testing.T) string
		ring            string
	}{
		{"busy", "busy", "Rossi is busy", func(t *testing.T) string { return refusing(t, 486, "Busy Here") }, "60s"},
		{"refused", "refused", "Rossi cannot answer now", func(t *testing.T) string { return refusing(t, 603, "Decline") }, "60s"},
		{"no answer", "no_answer", "Rossi does not answer", func(t *testing.T) string {
			return "sip:rossi@" + siptest.StartSIPp(t, siptest.RingsOnly()).Addr()
		}, "5s"},
		{"unreachable over UDP", "unreachable", "Rossi cannot be reached", func(t *testing.T) string { return "sip:rossi@" + closedPort(t) }, "60s"},
		{"unreachable over TCP", "unreachable", "Rossi cannot be reached", func(t *testing.T) string {
			return "sip:rossi@" + closedPort(t) + ";transport=tcp"
		}, "60s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPanel(t, setting{sip: fmt.Sprintf("ring_timeout = %q", c.ring), buttons: button(1, "Rossi", c.target(t))})
			p.press(1)
			p.waitText("Calling Rossi")
			p.told("call-"+c.why, c.text)
			placed := p.waitEntry("call.placed", "")
			if failed := p.waitEntry("call.failed", c.why); failed.Call != placed.Call || failed.Button != 1 {
				t.Errorf("the end of the call is written as %+v", failed)
			}
			if p.strikeMoved() {
				t.Error("a strike moved")
			}
			// The next press calls again: nothing hangs.
			p.press(1)
			p.waitEntry("call.placed", "")
		})
	}
}

func refusing(t *testing.T, status int, reason string) string {
	return "sip:rossi@" + siptest.StartSIPp(t, siptest.Refuses(status, reason)).Addr()
}

// closedPort is an address at which nobody listens: its port stays bound and deaf for TCP by being taken for UDP only.
func closedPort(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		if u, err := net.ListenPacket("udp4", addr); err == nil {
			u.Close()
			return addr
		}
	}
}

func TestButtonsThatCallNobodySaySo(t *testing.T) {
	t.Parallel()
	listener, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	root := newSigner(t)
	p := startPanel(t, setting{
		roots:   root.roots(),
		buttons: button(1, "Rossi", "") + button(2, "Bianchi", "sip:bianchi@"+listener.LocalAddr().String()),
	})
	p.press(2)
	p.told("refused-not_licensed", "This button is not active")
	if e := p.waitEntry("call.refused", "not_licensed"); e.Button != 2 {
		t.Errorf("the refusal is written as %+v", e)
	}
	p.press(1)
	p.told("refused-no_target", "Nobody is set for this button")
	p.waitEntry("call.refused", "no_target")
	p.press(7)
	p.told("refused-not_licensed", "This button is not active")
	p.stop()
	// Whatever was sent has arrived by now: loopback loses nothing that was sent before the process ended.
	if err := listener.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := listener.ReadFrom(make([]byte, 2048)); err == nil {
		t.Errorf("an unlicensed button sent %d bytes to the phone", n)
	}
}

func TestSIPLicenseRegistersAtSIPpWithDigest(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	exchange := siptest.StartSIPp(t, siptest.Registrar("door", "s3cret", `Digest realm="pbx", nonce="4f8a", algorithm=MD5, qop="auth"`))
	p := startPanel(t, setting{roots: root.roots(), sip: account(exchange.Addr())})
	sip := token(grant(license.SIP, 1))
	p.activate(root.license(t, sip))
	p.waitEntry("account.changed", "registered")
	if state := p.part("account", "pbx"); state != "ok" {
		t.Errorf("the status says that the account is %q", state)
	}
	// The license taken away takes the registration back, which ends the scenario.
	p.activate(root.revocation(t, 1, sip.ID))
	p.waitEntry("account.changed", "off")
	exchange.Wait()
}

// account is the registration of a panel at an exchange.
func account(address string) string {
	return fmt.Sprintf("[[sip.account]]\nname = \"pbx\"\nregistrar = \"sip:%s\"\nuser = \"door\"\npassword = \"s3cret\"\n", address)
}

// part is the state of one part of the panel, as its status tells it.
func (p *panelProcess) part(kind, name string) string {
	p.t.Helper()
	var s struct {
		Parts []struct{ Kind, Name, State string }
	}
	p.must(http.StatusOK, "GET", "/status", nil).into(p.t, &s)
	for _, part := range s.Parts {
		if part.Kind == kind && part.Name == name {
			return part.State
		}
	}
	return ""
}

// revocation signs a list of licenses that no longer hold and returns its code.
func (s signer) revocation(t *testing.T, number uint64, tokens ...license.TokenID) string {
	t.Helper()
	list := license.Revocation{Number: number, IssuedAt: time.Now().Truncate(time.Second), Tokens: map[license.TokenID]time.Time{}}
	for _, id := range tokens {
		list.Tokens[id] = time.Now().Add(-time.Minute).Truncate(time.Second)
	}
	raw, err := list.Sign(s.pub, s.sign)
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Armor(envelope.Revocation, raw)
}

func TestWithoutSIPLicenseNothingIsSentToTheExchange(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	exchange := startExchange(t)
	p := startPanel(t, setting{
		roots: root.roots(), sip: account(exchange.addr()), buttons: button(1, "Rossi", "sip:201@"+exchange.addr()),
	})
	p.press(1)
	p.told("refused-not_licensed", "Rossi cannot be called from here")
	p.waitEntry("call.refused", "not_licensed")
	p.stop()
	if seen := exchange.seen(); len(seen) > 0 {
		t.Errorf("the exchange was sent %q", seen)
	}
	p = p.restart()
	p.activate(root.license(t, token(grant(license.SIP, 1))))
	p.waitEntry("account.changed", "registered")
	p.press(1)
	p.waitText("Calling Rossi")
	exchange.await("INVITE")
}

func TestRegistrationComesBackWithTheExchange(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	exchange := startExchange(t)
	exchange.down(true)
	p := startPanel(t, setting{roots: root.roots(), sip: account(exchange.addr())})
	p.activate(root.license(t, token(grant(license.SIP, 1))))
	p.waitEntry("account.changed", "failed")
	exchange.down(false)
	p.waitEntry("account.changed", "registered")
	exchange.down(true)
	p.waitEntry("account.changed", "failed")
	exchange.down(false)
	p.waitEntry("account.changed", "registered")
	p.stop()
}

func TestDigitOfAnybodyElseMovesNoStrike(t *testing.T) {
	t.Parallel()
	phone := startRawPhone(t)
	p := startPanel(t, setting{buttons: button(1, "Rossi", "sip:rossi@"+phone.addr())})
	p.press(1)
	phone.answer()
	p.waitText("Rossi is on the line")

	stranger := listenUDP(t)
	for _, c := range []struct{ name, callID, from, to string }{
		{"a call of its own", "made-up@nowhere", "<sip:rossi@127.0.0.1>;tag=a", "<sip:door@127.0.0.1>;tag=b"},
		{"the call, other tags", phone.callID, "<sip:rossi@127.0.0.1>;tag=a", "<sip:door@127.0.0.1>;tag=b"},
		{"the call, no tag", phone.callID, phone.to, "<sip:door@127.0.0.1>"},
	} {
		reply := sendINFO(t, stranger, p.sip, c.callID, c.from, c.to)
		if !strings.HasPrefix(reply, "SIP/2.0 4") {
			t.Errorf("INFO of %s was answered %q", c.name, reply)
		}
	}
	for range 3 {
		pressKey(t, stranger, phone.panelMedia, '1', 7)
	}
	// The same key from the called party opens. Had one of the others opened, there would be two grants.
	pressKey(t, phone.media, phone.panelMedia, '1', 9)
	p.opens("front")
	p.waitEntry("call.ended", "")
	if n := count(p.journal(), "access.granted"); n != 1 {
		t.Errorf("%d digits were granted, want the called party's alone", n)
	}
}

func count(entries []entry, kind string) int {
	n := 0
	for _, e := range entries {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// sendINFO presses key 1 by SIP INFO and returns the first line of the answer.
func sendINFO(t *testing.T, from *net.UDPConn, to, callID, fromHeader, toHeader string) string {
	t.Helper()
	at, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		t.Fatal(err)
	}
	body := "Signal=1\r\nDuration=160\r\n"
	message := strings.Join([]string{
		"INFO sip:door@" + to + " SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%d", from.LocalAddr(), time.Now().UnixNano()),
		"Max-Forwards: 70", "From: " + fromHeader, "To: " + toHeader, "Call-ID: " + callID, "CSeq: 77 INFO",
		"Content-Type: application/dtmf-relay", fmt.Sprintf("Content-Length: %d", len(body)), "", body,
	}, "\r\n")
	if _, err := from.WriteTo([]byte(message), at); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	if err := from.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, _, err := from.ReadFrom(buffer)
	if err != nil {
		t.Fatalf("no answer to INFO: %v", err)
	}
	line, _, _ := strings.Cut(string(buffer[:n]), "\r\n")
	return line
}

// pressKey sends one key as RFC 4733 does it: three packets of its beginning, three of its end.
func pressKey(t *testing.T, from *net.UDPConn, to *net.UDPAddr, key byte, source uint32) {
	t.Helper()
	for i := range 6 {
		packet := make([]byte, 16)
		packet[0], packet[1] = 0x80, 101
		if i == 0 {
			packet[1] |= 0x80
		}
		binary.BigEndian.PutUint16(packet[2:], uint16(100+i))
		binary.BigEndian.PutUint32(packet[4:], 8000)
		binary.BigEndian.PutUint32(packet[8:], source)
		packet[12], packet[13] = key-'0', 10
		if i >= 3 {
			packet[13] |= 0x80
		}
		binary.BigEndian.PutUint16(packet[14:], uint16(160*min(i+1, 4)))
		if _, err := from.WriteTo(packet, to); err != nil {
			t.Fatal(err)
		}
	}
}

// rawPhone is a called party made of two sockets, so that a test can do what no telephone does.
type rawPhone struct {
	t          *testing.T
	signals    *net.UDPConn
	media      *net.UDPConn
	panelMedia *net.UDPAddr
	callID, to string
}

func startRawPhone(t *testing.T) *rawPhone {
	return &rawPhone{t: t, signals: listenUDP(t), media: listenUDP(t)}
}

func (r *rawPhone) addr() string { return r.signals.LocalAddr().String() }

var mediaLine = regexp.MustCompile(`m=audio (\d+)`)

// answer takes the call that comes, and goes on answering whatever the panel asks later.
func (r *rawPhone) answer() {
	r.t.Helper()
	buffer := make([]byte, 8192)
	if err := r.signals.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	n, from, err := r.signals.ReadFrom(buffer)
	if err != nil {
		r.t.Fatalf("no INVITE came: %v", err)
	}
	invite := string(buffer[:n])
	found := mediaLine.FindStringSubmatch(invite)
	if !strings.HasPrefix(invite, "INVITE ") || found == nil {
		r.t.Fatalf("this is no INVITE with audio:\n%s", invite)
	}
	if r.panelMedia, err = net.ResolveUDPAddr("udp4", "127.0.0.1:"+found[1]); err != nil {
		r.t.Fatal(err)
	}
	r.callID, r.to = headerOf(invite, "Call-ID"), headerOf(invite, "To")+";tag=raw"
	body := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8 101\r\n"+
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n", r.media.LocalAddr().(*net.UDPAddr).Port)
	r.reply(from, invite, "200 OK", body)
	go func() {
		for {
			n, from, err := r.signals.ReadFrom(buffer)
			if err != nil {
				return
			}
			if request := string(buffer[:n]); !strings.HasPrefix(request, "ACK ") && !strings.HasPrefix(request, "INVITE ") {
				r.reply(from, request, "200 OK", "")
			}
		}
	}()
}

func (r *rawPhone) reply(to net.Addr, request, status, body string) {
	lines := []string{"SIP/2.0 " + status}
	for _, name := range []string{"Via", "From"} {
		lines = append(lines, name+": "+headerOf(request, name))
	}
	lines = append(lines, "To: "+r.to, "Call-ID: "+headerOf(request, "Call-ID"), "CSeq: "+headerOf(request, "CSeq"),
		"Contact: <sip:rossi@"+r.addr()+">", "Content-Type: application/sdp", fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	_, _ = r.signals.WriteTo([]byte(strings.Join(lines, "\r\n")), to) // the socket closes with the test
}

func headerOf(message, name string) string {
	for line := range strings.SplitSeq(message, "\r\n") {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// exchange is a registrar that can be made to fail, which SIPp on a port of its own cannot.
type exchange struct {
	t    *testing.T
	conn *net.UDPConn

	mu      sync.Mutex
	dead    bool
	methods []string
	changed chan struct{}
}

func startExchange(t *testing.T) *exchange {
	e := &exchange{t: t, conn: listenUDP(t), changed: make(chan struct{})}
	go e.serve()
	return e
}

func (e *exchange) addr() string { return e.conn.LocalAddr().String() }

func (e *exchange) down(dead bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dead = dead
}

func (e *exchange) seen() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.methods)
}

// await waits for a request with the method.
func (e *exchange) await(method string) {
	e.t.Helper()
	limit := time.After(patience)
	for {
		e.mu.Lock()
		changed, there := e.changed, slices.Contains(e.methods, method)
		e.mu.Unlock()
		if there {
			return
		}
		select {
		case <-changed:
		case <-limit:
			e.t.Fatalf("no %s came, but %q", method, e.seen())
		}
	}
}

// serve grants registrations of two seconds to whoever answers a challenge; SIPp checks the answer in a test of its own.
func (e *exchange) serve() {
	buffer := make([]byte, 8192)
	for {
		n, from, err := e.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		request := string(bytes.Clone(buffer[:n]))
		method, _, _ := strings.Cut(request, " ")
		e.mu.Lock()
		e.methods = append(e.methods, method)
		close(e.changed)
		e.changed = make(chan struct{})
		dead := e.dead
		e.mu.Unlock()
		status, extra := "200 OK", "Expires: 2\r\n"
		switch {
		case method == "ACK" || method == "SIP/2.0":
			continue
		case dead:
			status = "503 Service Unavailable"
		case method == "INVITE":
			status = "486 Busy Here"
		case method == "REGISTER" && headerOf(request, "Authorization") == "":
			status, extra = "401 Unauthorized", "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"4f8a\", algorithm=MD5, qop=\"auth\"\r\n"
		}
		reply := fmt.Sprintf("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=x\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContent-Length: 0\r\n\r\n", status,
			headerOf(request, "Via"), headerOf(request, "From"), headerOf(request, "To"), headerOf(request, "Call-ID"), headerOf(request, "CSeq"), extra)
		_, _ = e.conn.WriteTo([]byte(reply), from) // the socket closes with the test
	}
}
