package sip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	stack "github.com/emiago/sipgo/sip"

	"github.com/doorpanel/doorpanel/sip/siptest"
)

// dialerEnv makes the test binary a dialer of its own process, as baresip is one: it reads commands from its standard
// input, "dial host:port" and "hangup".
const dialerEnv = "DOORPANEL_SIP_DIALER"

// ourDialer is the phone under test.
func ourDialer(commands io.Reader) error {
	p, err := New(Options{Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	n, call := 0, ""
	for in := bufio.NewScanner(commands); in.Scan(); {
		if to, ok := strings.CutPrefix(in.Text(), "dial "); ok {
			n++
			call = fmt.Sprint(n)
			p.Place(call, "sip:anna@"+to, "")
		} else {
			p.HangUp(call)
		}
	}
	cancel()
	return <-done
}

// rawDialer is the floor: prepared text, no checks, no repetition.
func rawDialer(commands io.Reader) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	media, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	us := conn.LocalAddr().String()
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", media.LocalAddr().(*net.UDPAddr).Port)
	text := func(method string, n, seq int, to, body string) []byte {
		return fmt.Appendf(nil, "%s sip:anna@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKraw%d%s\r\nFrom: <sip:raw@%s>;tag=raw\r\nTo: <sip:anna@%s>;tag=anna1\r\nCall-ID: raw%d@%s\r\nCSeq: %d %s\r\nContact: <sip:raw@%s>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			method, to, us, n, method, us, to, n, us, seq, method, us, len(body), body)
	}
	var ack, bye []byte
	peer := make(chan *net.UDPAddr, 1)
	frame := make([]byte, 172)
	frame[0], frame[1] = 0x80, byte(PCMA)
	acks := make(chan []byte, 1)
	go func() {
		buf := make([]byte, 65536)
		to := <-peer
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			answer := string(buf[:n])
			if !strings.HasPrefix(answer, "SIP/2.0 200") || !strings.Contains(answer, "INVITE\r\n") {
				continue
			}
			_, _ = conn.WriteToUDP(<-acks, to)
			_, after, _ := strings.Cut(answer, "m=audio ")
			port, _, _ := strings.Cut(after, " ")
			var at int
			fmt.Sscan(port, &at)
			_, _ = media.WriteToUDP(frame, &net.UDPAddr{IP: to.IP, Port: at})
		}
	}()
	n := 0
	var to *net.UDPAddr
	for in := bufio.NewScanner(commands); in.Scan(); {
		host, ok := strings.CutPrefix(in.Text(), "dial ")
		if !ok {
			_, _ = conn.WriteToUDP(bye, to)
			continue
		}
		if to == nil {
			if to, err = net.ResolveUDPAddr("udp4", host); err != nil {
				return err
			}
			peer <- to
		}
		n++
		invite := text("INVITE", n, 1, host, sdp)
		_, _ = conn.WriteToUDP([]byte(strings.Replace(string(invite), ";tag=anna1", "", 1)), to)
		ack, bye = text("ACK", n, 1, host, ""), text("BYE", n, 2, host, "")
		acks <- ack
	}
	return nil
}

// dialer is one who can be told to call.
type dialer struct {
	name     string
	dial     func(to string)
	hangUp   func()
	set, ack []time.Duration
	sound    []time.Duration
}

func startDialer(b *testing.B, kind string) *dialer {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dialerEnv+"="+kind)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("dialer %s: %v", kind, err)
		}
	})
	say := func(s string) {
		if _, err := io.WriteString(in, s+"\n"); err != nil {
			b.Fatal(err)
		}
	}
	return &dialer{name: kind, dial: func(to string) { say("dial " + to) }, hangUp: func() { say("hangup") }}
}

// BenchmarkCallSetup measures, at the called party, the time from the command to the first byte of the INVITE, from its
// answer to the ACK, and from its answer to the first sound, of our phone, of prepared text (the floor) and of baresip,
// one call of each in turn. It reports medians, 99th percentiles and ratios.
func BenchmarkCallSetup(b *testing.B) {
	bs := siptest.StartBaresip(b, siptest.BaresipOptions{})
	all := []*dialer{
		startDialer(b, "ours"), startDialer(b, "raw"),
		{name: "baresip", dial: func(to string) { bs.Dial("sip:anna@" + to) }, hangUp: bs.Hangup},
	}
	listen := func() *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		return c
	}
	callee, media := listen(), listen()
	for _, d := range all {
		d.call(b, callee, media) // the first call of a process is not like the others
		d.set, d.ack, d.sound = nil, nil, nil
	}
	for b.Loop() {
		for _, d := range all {
			d.call(b, callee, media)
		}
	}
	ours, raw, peer := all[0], all[1], all[2]
	for _, d := range all {
		b.ReportMetric(micros(at(d.set, 50)), d.name+"-invite-p50-us")
		b.ReportMetric(micros(at(d.set, 99)), d.name+"-invite-p99-us")
		b.ReportMetric(micros(at(d.ack, 50)), d.name+"-ack-p50-us")
		b.ReportMetric(micros(at(d.sound, 50)), d.name+"-rtp-p50-us")
	}
	ratio := func(a, b []time.Duration, p int) float64 { return float64(at(a, p)) / float64(at(b, p)) }
	b.ReportMetric(ratio(ours.set, raw.set, 50), "invite/raw")
	b.ReportMetric(ratio(ours.set, raw.set, 99), "invite/raw-p99")
	b.ReportMetric(ratio(ours.set, peer.set, 50), "invite/baresip")
	b.ReportMetric(ratio(ours.ack, raw.ack, 50), "ack/raw")
	b.ReportMetric(ratio(ours.sound, raw.sound, 50), "rtp/raw")
	b.ReportMetric(ratio(ours.sound, peer.sound, 50), "rtp/baresip")
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func at(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// call is one call, from the command to the end.
func (d *dialer) call(b *testing.B, callee, media *net.UDPConn) {
	b.Helper()
	buf := make([]byte, 65536)
	read := func(method string) (*stack.Request, *net.UDPAddr, time.Time) {
		for {
			if err := callee.SetReadDeadline(time.Now().Add(patience)); err != nil {
				b.Fatal(err)
			}
			n, from, err := callee.ReadFromUDP(buf)
			now := time.Now()
			if err != nil {
				b.Fatalf("%s sent no %s: %v", d.name, method, err)
			}
			m, err := stack.ParseMessage(buf[:n])
			if err != nil {
				b.Fatal(err)
			}
			if req, ok := m.(*stack.Request); ok && string(req.Method) == method {
				return req, from, now
			}
		}
	}
	answer := func(req *stack.Request, body string) []byte {
		res := stack.NewResponseFromRequest(req, 200, "OK", nil)
		res.To().Params.Add("tag", "anna1")
		res.AppendHeader(stack.NewHeader("Contact", "<sip:anna@"+callee.LocalAddr().String()+">"))
		res.AppendHeader(stack.NewHeader("Content-Type", "application/sdp"))
		res.SetBody([]byte(body))
		return []byte(res.String())
	}
	start := time.Now()
	d.dial(callee.LocalAddr().String())
	invite, from, came := read("INVITE")
	d.set = append(d.set, came.Sub(start))

	body := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", media.LocalAddr().(*net.UDPAddr).Port)
	ok := answer(invite, body)
	sound := make(chan time.Time, 1)
	go func() {
		frame := make([]byte, 2048)
		for {
			if err := media.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return
			}
			n, err := media.Read(frame)
			if err != nil {
				close(sound)
				return
			}
			if n > 12 {
				sound <- time.Now()
				return
			}
		}
	}()
	picked := time.Now()
	if _, err := callee.WriteToUDP(ok, from); err != nil {
		b.Fatal(err)
	}
	_, _, acked := read("ACK")
	d.ack = append(d.ack, acked.Sub(picked))
	heard, good := <-sound
	if !good {
		b.Fatalf("%s sent no sound", d.name)
	}
	d.sound = append(d.sound, heard.Sub(picked))

	d.hangUp()
	bye, from, _ := read("BYE")
	if _, err := callee.WriteToUDP(answer(bye, ""), from); err != nil {
		b.Fatal(err)
	}
	// Sound that was on its way must not count for the next call.
	rest := make([]byte, 2048)
	for {
		if err := media.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
			b.Fatal(err)
		}
		if _, err := media.Read(rest); err != nil {
			return
		}
	}
}
