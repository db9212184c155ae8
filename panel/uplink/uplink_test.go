package uplink_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
	"github.com/doorpanel/doorpanel/telemetry"
)

func withHub(o *uplink.Options) { o.Hub = true }

func encoded(t *testing.T, ack telemetry.Ack) []byte {
	t.Helper()
	raw, err := ack.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestJournalArrivesInOrder(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	watcher := broker.Watch("doorpanel/#")
	j := newJournal(t, cursorFile(t))
	j.add(500)
	start(t, broker.URL(), j, nil)
	var got order
	got.awaitAll(watcher, t, 500)
	j.awaitDone(500)
	j.add(1)
	got.awaitAll(watcher, t, 501)
	j.awaitDone(501)
}

// TestNothingIsLostAcrossBrokerKills plays the hub: it acknowledges what it stores, and is cut off with the broker again and
// again.
func TestNothingIsLostAcrossBrokerKills(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	j := newJournal(t, cursorFile(t))
	start(t, broker.URL(), j, func(o *uplink.Options) { o.Hub, o.ResendAfter = true, 500*time.Millisecond })
	var stored order
	for round := range uint64(4) {
		hub := broker.Watch(telemetry.EventTopic("villa", "gate"))
		j.add(300)
		// The last 100 of a round are under way when the broker dies.
		for stored.highest < 300*round+200 {
			if err := stored.store(hub.Await(func(uplinktest.Message) bool { return true })); err != nil {
				t.Fatal(err)
			}
			if stored.highest%20 == 0 {
				hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, telemetry.Ack{Epoch: epoch, Seq: stored.highest}), false)
			}
		}
		broker.Kill()
		broker.Restart()
	}
	hub := broker.Watch(telemetry.EventTopic("villa", "gate"))
	for stored.highest < 1200 {
		if err := stored.store(hub.Await(func(uplinktest.Message) bool { return true })); err != nil {
			t.Fatal(err)
		}
		hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, telemetry.Ack{Epoch: epoch, Seq: stored.highest}), false)
	}
	// The last acknowledgment may be lost with a connection: what comes once more is acknowledged once more, as a hub does.
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		j.awaitDone(1200)
	}()
	for {
		select {
		case <-hub.Messages:
			hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, telemetry.Ack{Epoch: epoch, Seq: stored.highest}), false)
		case <-delivered:
			return
		}
	}
}

func TestDeliveryGoesOnFromTheCursorAfterARestartOfThePanel(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	watcher := broker.Watch(telemetry.EventTopic("villa", "gate"))
	cursor := cursorFile(t)
	var got order
	for last := uint64(200); last <= 1000; last += 200 {
		j := newJournal(t, cursor)
		j.add(last)
		r := start(t, broker.URL(), j, nil)
		got.awaitAll(watcher, t, last-100)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	j := newJournal(t, cursor)
	j.add(1000)
	start(t, broker.URL(), j, nil)
	got.awaitAll(watcher, t, 1000)
	j.awaitDone(1000)
	if read, _ := j.state(); read != 1000 {
		t.Errorf("read up to %d", read)
	}
}

// TestTwoHoursWithoutABrokerLoseNothing has ten thousand entries wait, and looks at how many are held in memory.
func TestTwoHoursWithoutABrokerLoseNothing(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	j := newJournal(t, cursorFile(t))
	j.add(1)
	r := start(t, broker.URL(), j, nil)
	j.awaitDone(1)
	broker.Kill()
	r.awaitState(false, "lost the connection")
	j.add(9_999)
	for i := range 100 {
		r.StatusChanged()
		r.Reply(telemetry.Reply{Number: uint64(i + 1), Result: telemetry.ResultDone})
	}
	r.awaitState(false, "connection refused")
	broker.Restart()
	watcher := broker.Watch(telemetry.EventTopic("villa", "gate"))
	// Entries that the broker took before this watcher came are not seen by it.
	got := order{highest: func() uint64 {
		event, err := telemetry.DecodeEvent(watcher.Await(func(uplinktest.Message) bool { return true }).Payload)
		if err != nil {
			t.Fatal(err)
		}
		return event.Seq
	}()}
	got.awaitAll(watcher, t, 10_000)
	j.awaitDone(10_000)
	if j.ahead > 64+1 {
		t.Errorf("%d entries were held in memory", j.ahead)
	}
}

func TestBrokerThatDoesNotAcknowledgeIsGivenUp(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	j := newJournal(t, cursorFile(t))
	r := start(t, broker.URL(), j, func(o *uplink.Options) { o.AckTimeout = 300 * time.Millisecond })
	r.awaitState(true, "")
	broker.Freeze()
	j.add(10)
	r.awaitState(false, "did not acknowledge within 300ms")
	if _, done := j.state(); done != 0 {
		t.Errorf("the cursor moved to %d without an acknowledgment", done)
	}
	broker.Thaw()
	j.awaitDone(10)
}

func TestLastWillSaysLostWhenTheSocketDies(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	watcher := broker.Watch(statusTopic)
	wire := newCable(t, broker.Addr)
	start(t, "mqtt://"+wire.addr, newJournal(t, cursorFile(t)), nil)
	watcher.Await(isStatus(isOnline))
	wire.cut()
	watcher.Await(isStatus(isLost))
	watcher.Await(isStatus(isOnline))
	wire.remove()
	watcher.Await(isStatus(isLost))
	// A hub that starts later learns of it too.
	late := broker.Watch(statusTopic)
	if got := await(t, late.Messages); string(got.Payload) != isLost || !got.Retained {
		t.Errorf("what stays is %s, retained %v", got.Payload, got.Retained)
	}
}

func TestCleanStopSaysStoppedAndNoWillFollows(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	watcher := broker.Watch(statusTopic)
	r := start(t, broker.URL(), newJournal(t, cursorFile(t)), nil)
	watcher.Await(isStatus(isOnline))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	watcher.Await(isStatus(isStopped))
	late := broker.Watch(statusTopic)
	if got := await(t, late.Messages); string(got.Payload) != isStopped || !got.Retained {
		t.Errorf("what stays is %s, retained %v", got.Payload, got.Retained)
	}
	late.Publish(statusTopic, []byte("end"), false)
	if got := await(t, watcher.Messages); string(got.Payload) != "end" {
		t.Errorf("after the goodbye came %s", got.Payload)
	}
}

func TestNothingRunsOnAfterTheEnd(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	before := goleak.IgnoreCurrent()
	r := start(t, broker.URL(), newJournal(t, cursorFile(t)), nil)
	for range 3 {
		r.awaitState(true, "")
		broker.Kill()
		r.awaitState(false, "lost the connection")
		broker.Restart()
	}
	r.awaitState(true, "")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	broker.Kill() // with it end the helpers that read what it says
	goleak.VerifyNone(t, before)
}

func TestGoodbyeDoesNotWaitForADeadBroker(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	r := start(t, broker.URL(), newJournal(t, cursorFile(t)), nil)
	r.awaitState(true, "")
	broker.Freeze()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	broker.Thaw()
}

func TestStatusIsPublishedWhenItChangesAndAtEachHeartbeat(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	watcher := broker.Watch(statusTopic)
	door := make(chan bool, 1)
	door <- false
	r := start(t, broker.URL(), newJournal(t, cursorFile(t)), func(o *uplink.Options) {
		o.Heartbeat = time.Second
		o.Status = func() telemetry.Status {
			open := <-door
			door <- open
			return telemetry.Status{Epoch: epoch, Doors: map[string]telemetry.Door{"front": {Open: open}}}
		}
	})
	first := watcher.Await(isStatus(isOnline))
	if want := `"boot":"b1"`; !strings.Contains(string(first.Payload), want) || !strings.Contains(string(first.Payload), `"heartbeat_s":1`) {
		t.Errorf("%s", first.Payload)
	}
	<-door
	door <- true
	r.StatusChanged()
	watcher.Await(isStatus(`"front":{"open":true}`))
	<-door
	door <- false
	watcher.Await(isStatus(`"front":{"open":false}`))
}

func TestCommandsAreHandedOverAndRetainedOnesAreMarked(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	desk := broker.Watch(telemetry.ReplyTopic("villa", "gate"))
	desk.Publish(telemetry.CommandTopic("villa", "gate"), []byte("old"), true)
	r := start(t, broker.URL(), newJournal(t, cursorFile(t)), nil)
	if got := await(t, r.commands); got != (command{"old", true}) {
		t.Errorf("got %+v", got)
	}
	desk.Publish(telemetry.CommandTopic("villa", "gate"), []byte("new"), false)
	if got := await(t, r.commands); got != (command{"new", false}) {
		t.Errorf("got %+v", got)
	}
	desk.Publish(telemetry.CommandTopic("villa", "gate"), nil, true)
	desk.Publish(telemetry.CommandTopic("villa", "gate"), bytes.Repeat([]byte("x"), 4096), false)
	desk.Publish(telemetry.CommandTopic("villa", "gate"), []byte("last"), false)
	if got := await(t, r.commands); got != (command{"last", false}) {
		t.Errorf("cleared or too large was handed over: %.20q", got.raw)
	}
	r.Reply(telemetry.Reply{Number: 3, Result: telemetry.ResultDone})
	if got := await(t, desk.Messages); string(got.Payload) != `{"v":1,"number":3,"result":"done","why":""}` || got.Retained {
		t.Errorf("the reply is %s", got.Payload)
	}
}

// TestSubscriptionsComeBackWhenTheBrokerForgotThem restarts a broker that keeps nothing.
func TestSubscriptionsComeBackWhenTheBrokerForgotThem(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	r := start(t, broker.URL(), newJournal(t, cursorFile(t)), nil)
	r.awaitState(true, "")
	for range 3 {
		broker.Kill()
		r.awaitState(false, "")
		broker.Restart()
		r.awaitState(true, "")
		broker.Watch().Publish(telemetry.CommandTopic("villa", "gate"), []byte("open"), false)
		if got := await(t, r.commands); got.raw != "open" {
			t.Errorf("got %+v", got)
		}
		broker.Watch().Publish(telemetry.DocumentTopic("villa", "gate", telemetry.DocumentGrant, "7"), []byte("grant"), false)
		if got := await(t, r.documents); got != (document{"grant", "7", "grant"}) {
			t.Errorf("got %+v", got)
		}
	}
}

func TestDocumentsComeAtEachConnectAndWithdrawalsAreNotMissed(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	hub := broker.Watch()
	slice := telemetry.DocumentTopic("villa", "gate", telemetry.DocumentSlice, "1")
	hub.Publish(slice, []byte("signed"), true)
	hub.Publish(telemetry.DocumentTopic("villa", "gate", "of a later version", "1"), []byte("?"), true)
	cursor := cursorFile(t)
	for range 2 {
		r := start(t, broker.URL(), newJournal(t, cursor), nil)
		if got := await(t, r.documents); got != (document{"slice", "1", "signed"}) {
			t.Errorf("got %+v", got)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	hub.Publish(slice, nil, true)
	r := start(t, broker.URL(), newJournal(t, cursor), nil)
	if got := await(t, r.documents); got != (document{"slice", "1", ""}) {
		t.Errorf("withdrawn while the panel was away, but it got %+v", got)
	}
}

func TestSlowReceiverHoldsUpNobodyElse(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	desk := broker.Watch(telemetry.EventTopic("villa", "gate"))
	busy, release := make(chan struct{}, 1024), make(chan struct{})
	j := newJournal(t, cursorFile(t))
	r := start(t, broker.URL(), j, func(o *uplink.Options) {
		o.Command = func([]byte, bool) { busy <- struct{}{}; <-release }
	})
	r.awaitState(true, "")
	for range 100 {
		desk.Publish(telemetry.CommandTopic("villa", "gate"), []byte("open"), false)
	}
	await(t, busy)
	j.add(100)
	j.awaitDone(100)
	desk.Publish(telemetry.DocumentTopic("villa", "gate", telemetry.DocumentGrant, "1"), []byte("g"), false)
	await(t, r.documents)
	close(release)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if more := len(busy); more > 16 {
		t.Errorf("%d commands were kept waiting", more)
	}
}

func TestWithAHubOnlyItsAcknowledgmentCounts(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	hub := broker.Watch(telemetry.EventTopic("villa", "gate"), statusTopic)
	ack := func(a telemetry.Ack) { hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, a), false) }
	j := newJournal(t, cursorFile(t))
	j.add(200)
	r := start(t, broker.URL(), j, withHub)
	var stored order
	stored.awaitAll(hub, t, 64)
	// A reply goes behind the events; when it is there the broker has acknowledged them.
	roundTrip := func() {
		t.Helper()
		r.StatusChanged()
		hub.Await(isStatus(isOnline))
	}
	roundTrip()
	if read, done := j.state(); done != 0 || read > 65 {
		t.Fatalf("without the hub's word %d are done and %d read", done, read)
	}
	ack(telemetry.Ack{Epoch: "another", Seq: 64})
	ack(telemetry.Ack{Epoch: epoch, Seq: 10})
	j.awaitDone(10)
	if _, done := j.state(); done != 10 {
		t.Errorf("done up to %d", done)
	}
	stored.awaitAll(hub, t, 74)
	ack(telemetry.Ack{Epoch: epoch, Seq: 1 << 60}) // more than the panel ever sent
	j.awaitDone(74)
	stored.awaitAll(hub, t, 138)
	ack(telemetry.Ack{Epoch: epoch, Seq: 5}) // late
	ack(telemetry.Ack{Epoch: epoch, Seq: 138})
	stored.awaitAll(hub, t, 200)
	ack(telemetry.Ack{Epoch: epoch, Seq: 200})
	j.awaitDone(200)
}

func TestHubGetsAgainWhatItAsksFor(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	hub := broker.Watch(telemetry.EventTopic("villa", "gate"))
	ack := func(a telemetry.Ack) { hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, a), false) }
	j := newJournal(t, cursorFile(t))
	j.add(50)
	start(t, broker.URL(), j, withHub)
	new(order).awaitAll(hub, t, 50)
	ack(telemetry.Ack{Epoch: epoch, Seq: 50})
	j.awaitDone(50)
	// The hub has lost its store: also what was acknowledged is sent again, and the cursor stays.
	ack(telemetry.Ack{Epoch: epoch, From: 21, To: 30})
	again := order{highest: 20}
	again.awaitAll(hub, t, 50)
	if _, done := j.state(); done != 50 {
		t.Errorf("the cursor went to %d", done)
	}
	j.add(1)
	again.awaitAll(hub, t, 51)
	ack(telemetry.Ack{Epoch: epoch, Seq: 51})
	j.awaitDone(51)
}

func TestHubThatDoesNotAcknowledgeGetsTheWindowAgain(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	hub := broker.Watch(telemetry.EventTopic("villa", "gate"))
	j := newJournal(t, cursorFile(t))
	j.add(100)
	start(t, broker.URL(), j, func(o *uplink.Options) { o.Hub, o.ResendAfter = true, 100*time.Millisecond })
	new(order).awaitAll(hub, t, 64)
	new(order).awaitAll(hub, t, 64)
	hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, telemetry.Ack{Epoch: epoch, Seq: 64}), false)
	rest := order{highest: 64}
	rest.awaitAll(hub, t, 100)
}

func TestMalformedPayloadsChangeNothing(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	hub := broker.Watch(telemetry.EventTopic("villa", "gate"))
	j := newJournal(t, cursorFile(t))
	j.add(10)
	r := start(t, broker.URL(), j, withHub)
	new(order).awaitAll(hub, t, 10)
	payloads := [][]byte{
		nil, []byte("{"), []byte(`{"epoch":"e1"}`), []byte(`{"epoch":"e1","seq":1,"seq":9}`), []byte(`{"epoch":"e1","seq":-1}`),
		[]byte(`{"epoch":"e1","from":1,"to":0}`), bytes.Repeat([]byte("["), 60_000), bytes.Repeat([]byte{0xff}, 2000),
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "testdata", "json-parsing", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, raw)
	}
	if len(files) == 0 {
		t.Log("left out: ../shared/testdata/json-parsing is not there")
	}
	for i, payload := range payloads {
		hub.Publish(telemetry.AckTopic("villa", "gate"), payload, false)
		hub.Publish(statusTopic, payload, false)
		hub.Publish(telemetry.DocumentTopic("villa", "gate", telemetry.DocumentSlice, fmt.Sprint(i)), payload, false)
		if got := await(t, r.documents); got.payload != string(payload) {
			t.Fatalf("payload %d came as %.40q", i, got.payload)
		}
		if len(payload) > 0 && len(payload) <= 2048 {
			hub.Publish(telemetry.CommandTopic("villa", "gate"), payload, false)
			if got := await(t, r.commands); got.raw != string(payload) {
				t.Fatalf("payload %d came as %.40q", i, got.raw)
			}
		}
	}
	hub.Publish(telemetry.DocumentTopic("villa", "gate", telemetry.DocumentGrant, "large"), make([]byte, telemetry.DocumentLimit+1), true)
	hub.Publish(telemetry.DocumentTopic("villa", "gate", telemetry.DocumentGrant, "small"), []byte("g"), true)
	if got := await(t, r.documents); got.id != "small" {
		t.Errorf("got document %s of %d bytes", got.id, len(got.payload))
	}
	if _, done := j.state(); done != 0 {
		t.Errorf("the cursor moved to %d", done)
	}
	hub.Publish(telemetry.AckTopic("villa", "gate"), encoded(t, telemetry.Ack{Epoch: epoch, Seq: 10}), false)
	j.awaitDone(10)
}

func TestPasswordAndTLS(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{User: "gate", Password: "right-word", TLS: true})
	stranger := uplinktest.StartMosquitto(t, uplinktest.Options{TLS: true})
	var log bytes.Buffer
	secured := func(change func(*uplink.Options)) func(*uplink.Options) {
		return func(o *uplink.Options) {
			o.User, o.Password, o.CAFile = "gate", "right-word", broker.CAFile
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			change(o)
		}
	}
	j := newJournal(t, cursorFile(t))
	j.add(20)
	start(t, broker.URL(), j, secured(func(*uplink.Options) {})).awaitState(true, "")
	j.awaitDone(20)
	for _, test := range []struct {
		name   string
		change func(*uplink.Options)
		want   []string
	}{
		{"wrong password", func(o *uplink.Options) { o.Password = "wrong-word" }, []string{"not Authorized", `check user "gate" and its password`}},
		{"no password", func(o *uplink.Options) { o.User, o.Password = "", "" }, []string{"not Authorized"}},
		{"wrong CA", func(o *uplink.Options) { o.CAFile, o.CA = "", stranger.CA }, []string{"unknown authority", "set ca"}},
		{"CA of the system", func(o *uplink.Options) { o.CAFile = "" }, []string{"unknown authority", "set ca"}},
		{"wrong name", func(o *uplink.Options) { o.Broker = strings.Replace(o.Broker, "127.0.0.1", "127.0.0.2", 1) }, []string{"127.0.0.2"}},
		{"no TLS", func(o *uplink.Options) { o.CAFile, o.Broker = "", "mqtt://"+broker.Addr }, []string{"cannot connect to broker mqtt://" + broker.Addr}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := start(t, broker.URL(), newJournal(t, cursorFile(t)), secured(func(o *uplink.Options) {
				o.ClientID = "another"
				test.change(o)
			})).awaitState(false, "cannot connect")
			for _, words := range test.want {
				if !strings.Contains(got.cause, words) {
					t.Errorf("%q does not say %q", got.cause, words)
				}
			}
			if strings.Contains(got.cause, "-word") {
				t.Error("the password is shown")
			}
		})
	}
	if strings.Contains(log.String(), "-word") {
		t.Error("the password is in the log")
	}
}

// TestEmbeddedBroker uses the broker that is linked into the demo and the hub; unlike mosquitto it says no to a subscription.
func TestEmbeddedBroker(t *testing.T) {
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	rules := &auth.Options{Ledger: &auth.Ledger{
		Auth: auth.AuthRules{{Username: "gate", Password: "right-word", Allow: true}},
		ACL: auth.ACLRules{{Filters: auth.Filters{
			"doorpanel/v1/villa/gate/command": auth.WriteOnly, "doorpanel/v1/villa/gate/document/#": auth.ReadOnly,
			"doorpanel/v1/villa/gate/status": auth.ReadWrite, "doorpanel/v1/villa/gate/event": auth.WriteOnly,
		}}},
	}}
	if err := server.AddHook(new(auth.Hook), rules); err != nil {
		t.Fatal(err)
	}
	seen := &published{payloads: make(chan []byte, 1024)}
	if err := server.AddHook(seen, nil); err != nil {
		t.Fatal(err)
	}
	socket := listeners.NewTCP(listeners.Config{ID: "test", Address: "127.0.0.1:0"})
	if err := server.AddListener(socket); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	j := newJournal(t, cursorFile(t))
	j.add(500)
	r := start(t, "mqtt://"+socket.Address(), j, func(o *uplink.Options) { o.User, o.Password = "gate", "right-word" })
	r.awaitState(true, `denies the subscription to ["doorpanel/v1/villa/gate/command"]`)
	j.awaitDone(500)
	var got order
	for got.highest < 500 {
		if err := got.take(uplinktest.Message{Payload: await(t, seen.payloads)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	start(t, "mqtt://"+socket.Address(), j, func(o *uplink.Options) { o.User, o.Password = "gate", "wrong-word" }).awaitState(false, "its password")
}

// published is a hook of the embedded broker that sees the events.
type published struct {
	mochi.HookBase
	payloads chan []byte
}

func (*published) ID() string { return "published" }

func (*published) Provides(b byte) bool { return b == mochi.OnPublished }

func (p *published) OnPublished(_ *mochi.Client, packet packets.Packet) {
	if packet.TopicName == telemetry.EventTopic("villa", "gate") {
		p.payloads <- packet.Payload
	}
}

func TestTwoClientsOfOneIdAreToldSo(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	same := func(panel string) func(*uplink.Options) {
		return func(o *uplink.Options) { o.ClientID, o.Panel, o.Retry = "same", panel, 50*time.Millisecond }
	}
	one := start(t, broker.URL(), newJournal(t, cursorFile(t)), same("gate"))
	start(t, broker.URL(), newJournal(t, cursorFile(t)), same("garage"))
	one.awaitState(false, `another client uses the client id "same"`)
}

func TestTwoPanelsOfOneNameAreToldSo(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	one := start(t, broker.URL(), newJournal(t, cursorFile(t)), nil)
	one.awaitState(true, "")
	start(t, broker.URL(), newJournal(t, cursorFile(t)), func(o *uplink.Options) { o.ClientID, o.Boot = "other", "b2" })
	one.awaitState(true, "another panel (boot b2) publishes as villa/gate")
}

func TestUnreadableJournalEndsTheUplink(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	j := newJournal(t, cursorFile(t))
	r := start(t, broker.URL(), j, nil)
	r.awaitState(true, "")
	cause := errors.New("the disk is gone")
	j.break_(cause)
	r.awaitState(false, "cannot read the journal for the uplink: the disk is gone")
	if err := r.stop(); !errors.Is(err, cause) {
		t.Errorf("Run returned %v", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	good := uplink.Options{Broker: "mqtt://localhost", Site: "villa", Panel: "gate", Boot: "b1", Status: func() telemetry.Status { return telemetry.Status{} }}
	if _, err := uplink.New(good, nil); err != nil {
		t.Fatal(err)
	}
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		change func(*uplink.Options)
		want   string
	}{
		{func(o *uplink.Options) { o.Broker = "" }, "write mqtt://host:1883"},
		{func(o *uplink.Options) { o.Broker = "localhost:1883" }, "write mqtt://host:1883"},
		{func(o *uplink.Options) { o.Broker = "http://localhost" }, "write mqtt://host:1883"},
		{func(o *uplink.Options) { o.Broker = "mqtt://localhost/path" }, "write mqtt://host:1883"},
		{func(o *uplink.Options) { o.Broker = "mqtt://u:s3cret@localhost" }, "do not belong in the address"},
		{func(o *uplink.Options) { o.Broker = "mqtt://u:s3cret@local host\x7f" }, "it is no URL"},
		{func(o *uplink.Options) { o.Site = "a/b" }, "site"},
		{func(o *uplink.Options) { o.Panel = "+" }, "panel"},
		{func(o *uplink.Options) { o.Boot = "" }, "boot"},
		{func(o *uplink.Options) { o.Status = nil }, "status"},
		{func(o *uplink.Options) { o.Broker, o.CAFile = "mqtts://localhost", notPEM+"x" }, "cannot read the broker's CA"},
		{func(o *uplink.Options) { o.Broker, o.CAFile = "mqtts://localhost", notPEM }, "no certificate in PEM"},
		{func(o *uplink.Options) { o.CAFile = notPEM }, "write mqtts://"},
	} {
		options := good
		test.change(&options)
		_, err := uplink.New(options, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want words with %q", err, test.want)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the password is shown: %v", err)
		}
	}
}

func TestSecretsPrintAsStars(t *testing.T) {
	options := uplink.Options{Password: "s3cret"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", options.Password, "options", fmt.Sprintf("%v %+v %#v", options, options, options.Password))
	if got := log.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, "***") {
		t.Error(got)
	}
}
