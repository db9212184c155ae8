package main_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
	"github.com/doorpanel/doorpanel/telemetry"
)

const brokerPassword = "br0ker"

func startBroker(t *testing.T) *uplinktest.Broker {
	t.Helper()
	return uplinktest.StartMosquitto(t, uplinktest.Options{User: "panel", Password: brokerPassword, TLS: true, Persistent: true})
}

// uplinkTo is the [uplink] of a panel that is connected with the broker.
func uplinkTo(b *uplinktest.Broker, commandKeys ...ed25519.PublicKey) string {
	keys := ""
	for i, k := range commandKeys {
		if i > 0 {
			keys += ", "
		}
		keys += fmt.Sprintf("%q", envelope.KeyText(k))
	}
	return fmt.Sprintf("[uplink]\nbroker = %q\nuser = \"panel\"\npassword = %q\nca = %q\nsite = \"e2e\"\ncommand_keys = [%s]\n", b.URL(), brokerPassword, b.CAFile, keys)
}

// upstream is what listens above the panels: with a session that the broker keeps, so that it misses nothing.
type upstream struct {
	t       *testing.T
	broker  *uplinktest.Broker
	client  mqtt.Client
	status  follower[heard[telemetry.Status]]
	events  follower[telemetry.Event]
	replies follower[telemetry.Reply]
}

// heard is a message with the time at which it came.
type heard[T any] struct {
	at       time.Time
	retained bool
	message  T
}

func listen(t *testing.T, b *uplinktest.Broker) *upstream {
	t.Helper()
	u := &upstream{t: t, broker: b}
	t.Cleanup(func() { u.client.Disconnect(0) })
	u.connect()
	return u
}

// connect listens, again after the broker was away.
func (u *upstream) connect() {
	u.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(u.broker.CA)
	options := mqtt.NewClientOptions().AddBroker("tls://" + u.broker.Addr).SetClientID("upstream").SetCleanSession(false).
		SetUsername("panel").SetPassword(brokerPassword).SetTLSConfig(&tls.Config{RootCAs: roots}).SetProtocolVersion(4).
		SetAutoReconnect(false).SetOrderMatters(true).SetDefaultPublishHandler(u.take)
	u.client = mqtt.NewClient(options)
	u.wait(u.client.Connect())
	u.wait(u.client.Subscribe("doorpanel/v1/e2e/#", 1, nil))
}

func (u *upstream) wait(token mqtt.Token) {
	u.t.Helper()
	if !token.WaitTimeout(patience) {
		u.t.Fatal("the broker does not answer")
	}
	if err := token.Error(); err != nil {
		u.t.Fatal(err)
	}
}

func (u *upstream) take(_ mqtt.Client, m mqtt.Message) {
	topic, err := telemetry.ParseTopic(m.Topic())
	if err != nil {
		u.status.fail(err)
		return
	}
	switch topic.Leaf {
	case telemetry.LeafStatus:
		keep(&u.status, m, func(raw []byte) (heard[telemetry.Status], error) {
			s, err := telemetry.DecodeStatus(raw)
			return heard[telemetry.Status]{time.Now(), m.Retained(), s}, err
		})
	case telemetry.LeafEvent:
		keep(&u.events, m, telemetry.DecodeEvent)
	case telemetry.LeafReply:
		keep(&u.replies, m, telemetry.DecodeReply)
	}
}

func keep[T any](f *follower[T], m mqtt.Message, decode func([]byte) (T, error)) {
	v, err := decode(m.Payload())
	if err != nil {
		f.fail(err)
		return
	}
	f.add(v)
}

func (u *upstream) awaitStatus(what string, fits func(telemetry.Status) bool) heard[telemetry.Status] {
	u.t.Helper()
	return u.status.await(u.t, what, func(h heard[telemetry.Status]) bool { return fits(h.message) })
}

func (u *upstream) awaitEvent(kind, why string) telemetry.Event {
	u.t.Helper()
	return u.events.await(u.t, "event "+kind+" "+why, func(e telemetry.Event) bool { return e.Kind == kind && (why == "" || e.Why == why) })
}

func online(s telemetry.Status) bool  { return s.Online }
func lost(s telemetry.Status) bool    { return s.Cause == telemetry.CauseLost }
func stopped(s telemetry.Status) bool { return s.Cause == telemetry.CauseStopped }

func TestBrokerKnowsWhetherThePanelIsThere(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	root := newSigner(t)
	p := startPanel(t, setting{more: uplinkTo(broker), roots: root.roots()})
	s := up.awaitStatus("online", online).message
	if s.Boot == "" || s.Epoch == "" || s.Root != envelope.KeyText(root.pub) || s.HeartbeatS != 30 || !s.ClockTrusted || s.Doors["front"].Contact != "closed" {
		t.Errorf("the status says %+v", s)
	}
	late := broker.Watch(telemetry.StatusTopic("e2e", p.id))
	late.Await(func(m uplinktest.Message) bool { return m.Retained })

	p.kill()
	if s := up.awaitStatus("lost", lost).message; s.Boot == "" {
		t.Errorf("the will says %+v", s)
	}
	p = p.restart()
	again := up.awaitStatus("online again", online).message
	if again.Boot == s.Boot || again.Epoch != s.Epoch || again.Seq < s.Seq {
		t.Errorf("after a restart boot %s, epoch %s, seq %d; before %s, %s, %d", again.Boot, again.Epoch, again.Seq, s.Boot, s.Epoch, s.Seq)
	}
	p.stop()
	up.awaitStatus("stopped", stopped)
	p.restart()
	up.awaitStatus("online at last", online)
	for _, h := range up.status.all() {
		if lost(h.message) && h.message.Boot == again.Boot {
			t.Error("a clean stop was followed by the last will")
		}
	}
}

func TestWhatADoorDoesIsInTheStatusWithoutWaitingForTheHeartbeat(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	p := startPanel(t, setting{more: uplinkTo(broker) + "heartbeat = \"5m\"\n"})
	up.awaitStatus("online", online)
	p.contact("front", true)
	up.awaitStatus("the door forced open", func(s telemetry.Status) bool {
		return s.Doors["front"].Contact == "open" && s.Doors["front"].Alarm == "forced"
	})
	p.contact("front", false)
	up.awaitStatus("the door shut again", func(s telemetry.Status) bool { return s.Doors["front"] == telemetry.Door{Contact: "closed"} })
}

func TestJournalGoesUpstreamInOrderAndFromWhereItWas(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	p := startPanel(t, setting{more: uplinkTo(broker)})
	for range 5 {
		p.badge("front-in", "04DEADBEEF")
		up.awaitEvent("access.refused", "not_licensed")
	}
	p.stop()
	up.awaitStatus("stopped", stopped)
	delivered := len(up.events.all())
	p = p.restart()
	p.badge("front-in", "04DEADBEEF")
	up.awaitEvent("system.started", "")
	up.awaitEvent("access.refused", "not_licensed")
	checkDelivered(t, up, p.journal())
	for _, e := range up.events.all()[delivered:] {
		if e.Seq < 5 {
			t.Errorf("after the restart entry %d came again: the cursor was lost", e.Seq)
		}
	}
}

// checkDelivered compares what came upstream with the journal: everything, in order, at least once, and the same words.
func checkDelivered(t *testing.T, up *upstream, journal []entry) {
	t.Helper()
	last := journal[len(journal)-1].Seq
	up.events.rewind()
	up.events.await(t, fmt.Sprintf("entry %d upstream", last), func(e telemetry.Event) bool { return e.Seq >= last })
	next := uint64(1)
	for _, e := range up.events.all() {
		if e.Seq > next {
			t.Fatalf("after entry %d came %d", next-1, e.Seq)
		}
		if want := journal[e.Seq-1]; e.Kind != want.Kind || e.Why != want.Why || e.Door != want.Door || e.Boot != want.Boot || e.MonoMS != uint64(want.MonoMS) {
			t.Fatalf("entry %d came as %+v, it is %v", e.Seq, e, want)
		}
		if e.Seq == next {
			next++
		}
	}
	if next <= last {
		t.Errorf("%d entries came, %d were written", next-1, last)
	}
}

func TestNothingIsLostWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	p := startPanel(t, setting{more: uplinkTo(broker)})
	up.awaitStatus("online", online)
	up.awaitEvent("system.started", "")
	broker.Stop()
	// As many people as pass in a day, no faster than a reader can be used.
	const badges = 2000
	for n := 1; n <= badges; n++ {
		p.badge("front-in", "04DEADBEEF")
		if n%20 == 0 {
			for range 20 {
				p.waitEntry("access.refused", "not_licensed")
			}
		}
		if n == badges/2 {
			p.kill()
			p = p.restart()
		}
	}
	broker.Restart()
	up.connect()
	up.awaitStatus("online again", online)
	journal := p.journal()
	if n := count(journal, "access.refused"); n != badges {
		t.Errorf("%d badges are in the journal, %d were shown", n, badges)
	}
	checkDelivered(t, up, journal)
}

// mono is the panel's monotonic clock, from its last status.
func (u *upstream) mono(h heard[telemetry.Status]) uint64 {
	return h.message.MonoMS + uint64(time.Since(h.at).Milliseconds())
}

// order signs a command.
func (s signer) order(t *testing.T, c telemetry.Command) []byte {
	t.Helper()
	raw, err := telemetry.SignCommand(c, s.pub, s.sign)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestOnlyASignedFreshCommandOpens(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	hub, stranger := newSigner(t), newSigner(t)
	p := startPanel(t, setting{more: uplinkTo(broker, hub.pub)})
	status := up.awaitStatus("online", online)
	topic := telemetry.CommandTopic("e2e", p.id)
	good := func(number uint64) telemetry.Command {
		return telemetry.Command{Panel: p.id, Boot: status.message.Boot, DeadlineMS: up.mono(status) + 20_000, Number: number, Verb: telemetry.VerbOpen, Object: "front"}
	}
	with := func(number uint64, change func(*telemetry.Command)) []byte {
		c := good(number)
		change(&c)
		return hub.order(t, c)
	}
	first := hub.order(t, good(10))
	forged := append([]byte(nil), hub.order(t, good(11))...)
	forged[len(forged)-1] ^= 1

	up.wait(up.client.Publish(topic, 1, false, first))
	p.opens("front")
	if granted := p.waitEntry("access.granted", "command"); granted.Who == "" || granted.Door != "front" {
		t.Errorf("the order is written as %+v", granted)
	}
	reply := up.replies.await(t, "the reply", func(r telemetry.Reply) bool { return r.Number == 10 })
	if reply.Result != telemetry.ResultDone || reply.Why != "" {
		t.Errorf("the reply is %+v", reply)
	}
	pulses := 1
	for _, c := range []struct {
		name, why string
		number    uint64 // of the reply; 0: none
		raw       []byte
	}{
		{"used", "used", 10, first},
		{"an older number", "used", 9, hub.order(t, good(9))},
		{"wrong key", "not_signed", 0, stranger.order(t, good(20))},
		{"one bit changed", "not_signed", 0, forged},
		{"garbage", "malformed", 0, []byte("open the door")},
		{"nothing", "malformed", 0, nil},
		{"a license in its place", "", 0, []byte(hub.license(t, token(grant(license.Buttons, 1))))},
		{"another panel", "other_panel", 21, with(21, func(c *telemetry.Command) { c.Panel = envelope.NameOf(stranger.pub) })},
		{"another boot", "other_boot", 22, with(22, func(c *telemetry.Command) { c.Boot = "0000000000000000" })},
		{"late", "late", 23, with(23, func(c *telemetry.Command) { c.DeadlineMS = 1 })},
		{"far ahead", "deadline_too_far", 24, with(24, func(c *telemetry.Command) { c.DeadlineMS += 3_600_000 })},
		{"unknown door", "unknown_door", 25, with(25, func(c *telemetry.Command) { c.Object = "vault" })},
		{"unknown verb", "unknown_command", 26, with(26, func(c *telemetry.Command) { c.Verb = "explode" })},
	} {
		if c.raw == nil {
			c.raw = []byte{0}
		}
		up.wait(up.client.Publish(topic, 1, false, c.raw))
		p.waitEntry("access.refused", c.why)
		if c.number == 0 {
			continue
		}
		r := up.replies.await(t, "the reply to "+c.name, func(r telemetry.Reply) bool { return r.Number == c.number })
		if r.Result != telemetry.ResultRefused || r.Why != c.why {
			t.Errorf("%s: the reply is %+v", c.name, r)
		}
	}
	// Refusing all this used nothing up: the next good one opens.
	up.wait(up.client.Publish(topic, 1, false, hub.order(t, good(30))))
	p.opens("front")
	pulses++
	if n := count(p.journal(), "strike.on"); n != pulses {
		t.Errorf("the strike was released %d times, want %d", n, pulses)
	}
}

func TestRetainedCommandNeverOpens(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	up := listen(t, broker)
	hub := newSigner(t)
	p := startPanel(t, setting{more: uplinkTo(broker, hub.pub)})
	status := up.awaitStatus("online", online)
	// While the panel sleeps and the line is cut, an order for this very boot is left at the broker.
	if err := p.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	broker.Restart()
	up.connect()
	up.wait(up.client.Publish(telemetry.CommandTopic("e2e", p.id), 1, true, hub.order(t, telemetry.Command{
		Panel: p.id, Boot: status.message.Boot, DeadlineMS: up.mono(status) + 25_000, Number: 1, Verb: telemetry.VerbOpen, Object: "front",
	})))
	if err := p.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.waitEntry("access.refused", "retained")
	if p.strikeMoved() {
		t.Error("a retained command moved a strike")
	}
	p.kill()
	p = p.restart()
	p.waitEntry("access.refused", "retained") // as it was written before
	p.waitEntry("system.started", "")
	p.waitEntry("access.refused", "retained")
	if p.strikeMoved() {
		t.Error("a retained command moved a strike after a restart")
	}
}
