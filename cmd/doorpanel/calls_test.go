package main_test

import (
	"net"
	"testing"
	"time"

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
	}{
		{"busy", "busy", "Rossi is busy", func(t *testing.T) string { return refusing(t, 486, "Busy Here") }},
		{"refused", "refused", "Rossi cannot answer now", func(t *testing.T) string { return refusing(t, 603, "Decline") }},
		{"no answer", "no_answer", "Rossi does not answer", func(t *testing.T) string {
			return "sip:rossi@" + siptest.StartSIPp(t, siptest.RingsOnly()).Addr()
		}},
		{"unreachable over UDP", "unreachable", "Rossi cannot be reached", func(t *testing.T) string { return "sip:rossi@" + closedPort(t) }},
		{"unreachable over TCP", "unreachable", "Rossi cannot be reached", func(t *testing.T) string {
			return "sip:rossi@" + closedPort(t) + ";transport=tcp"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPanel(t, setting{sip: `ring_timeout = "5s"`, buttons: button(1, "Rossi", c.target(t))})
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
