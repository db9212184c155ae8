package sip

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	stack "github.com/emiago/sipgo/sip"
)

// agent is a called party that a test moves message by message: what no well-behaved telephone does.
type agent struct {
	t    *testing.T
	udp  *net.UDPConn
	rtp  *net.UDPConn
	peer *net.UDPAddr
	last *stack.Request // the last request read
}

func startAgent(t *testing.T) *agent {
	t.Helper()
	listen := func() *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	return &agent{t: t, udp: listen(), rtp: listen()}
}

func (a *agent) target() string { return "sip:anna@" + a.udp.LocalAddr().String() }

// request reads messages until a request of the method comes.
func (a *agent) request(method string) *stack.Request {
	a.t.Helper()
	buf := make([]byte, 65536)
	limit := time.Now().Add(patience)
	for {
		if err := a.udp.SetReadDeadline(limit); err != nil {
			a.t.Fatal(err)
		}
		n, from, err := a.udp.ReadFromUDP(buf)
		if err != nil {
			a.t.Fatalf("no %s came: %v", method, err)
		}
		m, err := stack.ParseMessage(buf[:n])
		if err != nil {
			a.t.Fatalf("cannot read what the phone sends: %v\n%s", err, buf[:n])
		}
		a.peer = from
		if req, ok := m.(*stack.Request); ok && string(req.Method) == method {
			a.last = req
			return req
		}
	}
}

// response reads messages until a response to the method comes.
func (a *agent) response(method string) *stack.Response {
	a.t.Helper()
	buf := make([]byte, 65536)
	limit := time.Now().Add(patience)
	for {
		if err := a.udp.SetReadDeadline(limit); err != nil {
			a.t.Fatal(err)
		}
		n, _, err := a.udp.ReadFromUDP(buf)
		if err != nil {
			a.t.Fatalf("no response to %s came: %v", method, err)
		}
		m, err := stack.ParseMessage(buf[:n])
		if err != nil {
			a.t.Fatalf("cannot read what the phone sends: %v\n%s", err, buf[:n])
		}
		if res, ok := m.(*stack.Response); ok && string(res.CSeq().MethodName) == method {
			return res
		}
	}
}

func (a *agent) send(text string) {
	a.t.Helper()
	if _, err := a.udp.WriteToUDP([]byte(text), a.peer); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agent) sdp() string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", a.rtp.LocalAddr().(*net.UDPAddr).Port)
}

// answer answers req; tag is the agent's, body a session description.
func (a *agent) answer(req *stack.Request, status int, tag, body string, extra ...string) {
	a.t.Helper()
	res := stack.NewResponseFromRequest(req, status, "Test", nil)
	res.To().Params.Add("tag", tag)
	contact := stack.ContactHeader{Address: stack.Uri{Scheme: "sip", User: "anna", Host: "127.0.0.1", Port: a.udp.LocalAddr().(*net.UDPAddr).Port}}
	res.AppendHeader(&contact)
	for _, h := range extra {
		name, value, _ := strings.Cut(h, ": ")
		res.AppendHeader(stack.NewHeader(name, value))
	}
	if body != "" {
		res.AppendHeader(stack.NewHeader("Content-Type", "application/sdp"))
	}
	res.SetBody([]byte(body))
	a.send(res.String())
}

// within writes a request of the dialog that invite began, tag being the agent's.
func (a *agent) within(method string, invite *stack.Request, tag string, seq int, kind, body string) string {
	from, to := *invite.To(), *invite.From()
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, invite.Contact().Address.String(), a.udp.LocalAddr(), stack.GenerateBranch(), from.Value(), tag, to.Value(), invite.CallID().Value(), seq, method, a.target(), kind, len(body), body)
}

// pickUp takes the call until the phone has confirmed it.
func (a *agent) pickUp() *stack.Request {
	a.t.Helper()
	invite := a.request("INVITE")
	a.answer(invite, 200, "anna1", a.sdp())
	a.request("ACK")
	return invite
}

// end takes the phone's BYE, so that it need not wait for an answer when it closes.
func (a *agent) end(p *Phone, call string) {
	a.t.Helper()
	p.HangUp(call)
	a.answer(a.request("BYE"), 200, "anna1", "")
}

func TestAnswerThatCrossesCancelIsHungUp(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.request("INVITE")
	a.answer(invite, 180, "anna1", "")
	w.want(Ringing, "c")
	p.HangUp("c")
	a.request("CANCEL")
	a.answer(a.last, 200, "anna1", "")
	a.answer(invite, 200, "anna1", a.sdp())
	if ack := a.request("ACK"); ack.CSeq().SeqNo != invite.CSeq().SeqNo {
		t.Errorf("the ACK has number %d, the INVITE %d", ack.CSeq().SeqNo, invite.CSeq().SeqNo)
	}
	bye := a.request("BYE")
	a.answer(bye, 200, "anna1", "")
	if e := w.want(Failed, "c"); e.Reason != Canceled {
		t.Errorf("got %+v", e)
	}
}

func TestCancelWaitsForASignOfTheCalledParty(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.request("INVITE")
	p.HangUp("c")
	w.want(Failed, "c")
	// Only the repeated INVITE may come now: a CANCEL would be for nothing the other side knows (RFC 3261 section 9.1).
	buf := make([]byte, 2048)
	if err := a.udp.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := a.udp.ReadFromUDP(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "INVITE ") {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	a.answer(invite, 100, "anna1", "")
	cancel := a.request("CANCEL")
	a.answer(cancel, 200, "anna1", "")
	a.answer(invite, 487, "anna1", "")
	a.request("ACK")
}

func TestManyProvisionalAnswersAreNoEnd(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.request("INVITE")
	for range 25 {
		a.answer(invite, 180, "anna1", "")
	}
	w.want(Ringing, "c")
	a.answer(invite, 200, "anna1", a.sdp())
	a.request("ACK")
	w.want(Answered, "c")
	a.end(p, "c")
}

func TestRepeatedAnswerIsConfirmedAgain(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.pickUp()
	w.want(Answered, "c")
	for range 3 {
		a.answer(invite, 200, "anna1", a.sdp())
		a.request("ACK")
	}
	a.end(p, "c")
}

func TestSecondTelephoneOfAForkedCallIsHungUp(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.pickUp()
	w.want(Answered, "c")
	a.answer(invite, 200, "other", a.sdp())
	ack := a.request("ACK")
	bye := a.request("BYE")
	for _, m := range []*stack.Request{ack, bye} {
		if tag, _ := m.To().Params.Get("tag"); tag != "other" {
			t.Errorf("%s went to %q", m.Method, tag)
		}
	}
	a.answer(bye, 200, "other", "")
	a.send(a.within("INFO", invite, "anna1", 5, "application/dtmf", "7"))
	if e := w.want(Digit, "c"); e.Digit != '7' {
		t.Errorf("got %+v", e)
	}
	a.end(p, "c")
}

func TestHoldAndResumeAreAnswered(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.pickUp()
	w.want(Answered, "c")
	seq := 100
	for _, c := range []struct{ offer, want string }{{"sendonly", "recvonly"}, {"inactive", "inactive"}, {"sendrecv", "sendrecv"}} {
		seq++
		a.send(a.within("INVITE", invite, "anna1", seq, "application/sdp", a.sdp()+"a="+c.offer+"\r\n"))
		res := a.response("INVITE")
		if res.StatusCode != 200 || !strings.Contains(string(res.Body()), "a="+c.want) {
			t.Fatalf("%s is answered with\n%s", c.offer, res)
		}
		a.send(a.within("ACK", invite, "anna1", seq, "text/plain", ""))
	}
	// Without an offer, ours is in the answer and theirs in the ACK.
	seq++
	a.send(a.within("INVITE", invite, "anna1", seq, "application/sdp", ""))
	if res := a.response("INVITE"); res.StatusCode != 200 || !strings.Contains(string(res.Body()), "telephone-event") {
		t.Fatalf("an INVITE without an offer is answered with\n%s", res)
	}
	a.send(a.within("ACK", invite, "anna1", seq, "application/sdp", a.sdp()))
	seq++
	a.send(a.within("BYE", invite, "anna1", seq, "text/plain", ""))
	w.want(Ended, "c")
}

func TestAnswerOfAReinviteIsRepeatedUntilConfirmed(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.pickUp()
	w.want(Answered, "c")
	a.send(a.within("INVITE", invite, "anna1", 9, "application/sdp", a.sdp()))
	for range 2 {
		if res := a.response("INVITE"); res.StatusCode != 200 {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
	a.send(a.within("ACK", invite, "anna1", 9, "text/plain", ""))
	a.end(p, "c")
}

func TestKeysOfStrangersAreIgnored(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.pickUp()
	w.want(Answered, "c")
	wrongTag := a.within("INFO", invite, "somebody", 5, "application/dtmf", "1")
	wrongCall := strings.Replace(a.within("INFO", invite, "anna1", 5, "application/dtmf", "1"), "Call-ID: ", "Call-ID: x", 1)
	for name, text := range map[string]string{"another tag": wrongTag, "another call": wrongCall} {
		a.send(text)
		if res := a.response("INFO"); res.StatusCode != 481 {
			t.Errorf("INFO with %s is answered with %d", name, res.StatusCode)
		}
	}
	// From another address that knows everything: the loopback net has many.
	other, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 77)}, a.peer)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	fmt.Fprint(other, a.within("INFO", invite, "anna1", 5, "application/dtmf", "1"))
	if err := other.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	if n, err := other.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 481 ") {
		t.Errorf("INFO from another address is answered with %q, %v", buf[:n], err)
	}
	media := mediaPort(t, invite)
	stranger, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 77)}, media)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	for range 5 {
		if _, err := stranger.Write(keyPacket(1, 1000, 1, true, true)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.rtp.WriteToUDP(keyPacket(1, 1000, 9, true, true), media); err != nil {
		t.Fatal(err)
	}
	if e := w.want(Digit, "c"); e.Digit != '9' {
		t.Errorf("a stranger's key came through: %+v", e)
	}
	a.end(p, "c")
}

// mediaPort is where the phone wants its sound.
func mediaPort(t *testing.T, invite *stack.Request) *net.UDPAddr {
	t.Helper()
	_, s, err := readStream(invite.Body())
	if err != nil {
		t.Fatal(err)
	}
	return net.UDPAddrFromAddrPort(s.addr)
}

// keyPacket is an RTP packet of a telephone event.
func keyPacket(seq uint16, stamp uint32, code byte, marker, end bool) []byte {
	b := []byte{0x80, eventType, byte(seq >> 8), byte(seq), byte(stamp >> 24), byte(stamp >> 16), byte(stamp >> 8), byte(stamp), 1, 2, 3, 4, code, 10, 3, 32}
	if marker {
		b[1] |= 0x80
	}
	if end {
		b[13] |= 0x80
	}
	return b
}

func TestTelephoneThatSendsKeysBothWaysPressesOnce(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	invite := a.pickUp()
	w.want(Answered, "c")
	media := mediaPort(t, invite)
	press := func(seq uint16, stamp uint32, code byte) {
		if _, err := a.rtp.WriteToUDP(keyPacket(seq, stamp, code, true, true), media); err != nil {
			t.Fatal(err)
		}
	}
	press(1, 1000, 5)
	w.want(Digit, "c")
	a.send(a.within("INFO", invite, "anna1", 5, "application/dtmf-relay", "Signal=5"))
	if res := a.response("INFO"); res.StatusCode != 200 {
		t.Errorf("INFO is answered with %d", res.StatusCode)
	}
	press(2, 5000, 6)
	if e := w.want(Digit, "c"); e.Digit != '6' {
		t.Errorf("got %+v", e)
	}
	a.end(p, "c")
}

func TestFirstSoundFollowsTheAnswerAtOnce(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{Audio: func(string, Codec) Audio { return tone{} }})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	a.pickUp()
	w.want(Answered, "c")
	if err := a.rtp.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	var seq uint16
	for i := range 5 {
		n, err := a.rtp.Read(buf)
		if err != nil || n != 172 || buf[1]&0x7f != byte(PCMA) || buf[12] != 0x55 {
			t.Fatalf("packet %d: %d bytes %x, %v", i, n, buf[:13], err)
		}
		got := uint16(buf[2])<<8 | uint16(buf[3])
		if i > 0 && got != seq+1 {
			t.Errorf("packet %d has number %d after %d", i, got, seq)
		}
		seq = got
	}
	a.end(p, "c")
}

type tone struct{}

func (tone) Speak(frame []byte) {
	for i := range frame {
		frame[i] = 0x55
	}
}
func (tone) Hear([]byte) {}

func TestAnswerWithoutACommonCodecEndsTheCall(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	for i, body := range []string{"", "nonsense", strings.Replace(a.sdp(), "RTP/AVP 8 101", "RTP/AVP 9", 1), strings.Replace(a.sdp(), "RTP/AVP", "RTP/SAVP", 1)} {
		id := fmt.Sprint(i)
		p.Place(id, a.target(), "")
		invite := a.request("INVITE")
		a.answer(invite, 200, "anna1", body)
		a.request("ACK")
		bye := a.request("BYE")
		a.answer(bye, 200, "anna1", "")
		if e := w.want(Failed, id); e.Reason != Refused {
			t.Errorf("%q: got %+v", body, e)
		}
	}
}

func TestSilentTelephoneIsUnreachable(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{ReplyTimeout: 100 * time.Millisecond})
	a := startAgent(t)
	p.Place("c", a.target(), "")
	if e := w.want(Failed, "c"); e.Reason != Unreachable {
		t.Errorf("got %+v", e)
	}
	p.Place("d", "sip:anna@"+a.udp.LocalAddr().String()+";transport=tcp", "")
	if e := w.want(Failed, "d"); e.Reason != Unreachable {
		t.Errorf("got %+v", e)
	}
}

func TestTargetsThatCannotBeCalledFailAtOnce(t *testing.T) {
	t.Parallel()
	p, w := startPhone(t, Options{})
	a := startAgent(t)
	for _, target := range []string{"", "101", "sips:anna@127.0.0.1", a.target() + ";transport=tls", "sip:anna@", "tel:123", "sip:a b@c"} {
		p.Place("c", target, "")
		if e := w.want(Failed, "c"); e.Reason != UnknownTarget || e.Text == "" {
			t.Errorf("%q: got %+v", target, e)
		}
	}
	p.Place("c", a.target(), "nobody")
	if e := w.want(Failed, "c"); e.Reason != UnknownTarget {
		t.Errorf("got %+v", e)
	}
	// Nothing may have left in clear for those that ask for TLS.
	if err := a.udp.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := a.udp.ReadFromUDP(make([]byte, 2048)); err == nil {
		t.Errorf("%d bytes were sent to a target that cannot be called", n)
	}
}

func TestEventHandlerMayUseThePhone(t *testing.T) {
	t.Parallel()
	var p *Phone
	ended := make(chan Event, 1)
	ready := make(chan struct{})
	opt := Options{Listen: "127.0.0.1:0", Events: func(e Event) {
		<-ready
		switch e.Kind {
		case Answered:
			p.HangUp(e.Call)
		case Ended, Failed:
			ended <- e
		}
	}}
	var err error
	if p, err = New(opt); err != nil {
		t.Fatal(err)
	}
	close(ready)
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(t.Context()) }()
	defer func() { p.Close(); <-done }()
	a := startAgent(t)
	p.Place("c", a.target(), "")
	a.pickUp()
	a.answer(a.request("BYE"), 200, "anna1", "")
	select {
	case e := <-ended:
		if e.Kind != Ended {
			t.Errorf("got %+v", e)
		}
	case <-time.After(patience):
		t.Fatal("the call did not end")
	}
}

func TestBusyPortIsNamedWithTheRemedy(t *testing.T) {
	t.Parallel()
	p, _ := startPhone(t, Options{})
	if _, err := New(Options{Listen: p.Addr()}); err == nil || !strings.Contains(err.Error(), p.Addr()) || !strings.Contains(err.Error(), "another port") {
		t.Errorf("got %v", err)
	}
}
