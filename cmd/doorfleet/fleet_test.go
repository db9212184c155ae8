package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
	"github.com/doorpanel/doorpanel/telemetry"
)

// clerk is the least of a hub: it keeps every event once, acknowledges it, and asks again for what is missing.
type clerk struct {
	t      *testing.T
	client mqtt.Client

	mu    sync.Mutex
	books map[string]*book // by panel
	all   []held
	odd   map[string]bool
	lies  func(held) (keep, twice bool) // what a bad hub does; nil: nothing
}

type book struct {
	epoch string
	seq   uint64
	chain string
}

func newClerk(t *testing.T, broker *uplinktest.Broker) *clerk {
	k := &clerk{t: t, books: map[string]*book{}, odd: map[string]bool{}}
	k.connect(broker)
	t.Cleanup(func() { k.client.Disconnect(0) })
	return k
}

func (k *clerk) connect(broker *uplinktest.Broker) {
	k.t.Helper()
	k.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker.Addr).SetClientID("clerk").SetAutoReconnect(false).SetOrderMatters(true))
	for _, token := range []func() mqtt.Token{
		k.client.Connect,
		func() mqtt.Token { return k.client.Subscribe("doorpanel/v1/+/+/event", 1, k.take) },
	} {
		token := token()
		if !token.WaitTimeout(uplinktest.Deadline) || token.Error() != nil {
			k.t.Fatalf("the clerk cannot work: %v", token.Error())
		}
	}
}

func (k *clerk) take(client mqtt.Client, m mqtt.Message) {
	topic, err := telemetry.ParseTopic(m.Topic())
	e, bad := telemetry.DecodeEvent(m.Payload())
	if err != nil || bad != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.books[topic.Panel]
	if b == nil {
		b = &book{epoch: e.Epoch}
		k.books[topic.Panel] = b
	}
	ack := telemetry.Ack{Epoch: b.epoch}
	switch {
	case e.Epoch == b.epoch && e.Seq == b.seq+1 && (b.chain == "" || e.Prev == b.chain):
		k.keep(held{topic.Panel, e.Epoch, e.Seq, e.Chain, e.Kind})
		b.seq, b.chain = e.Seq, e.Chain
		ack.Seq = b.seq
	case e.Epoch == b.epoch && e.Seq > b.seq+1:
		ack.From, ack.To = b.seq+1, e.Seq
	case e.Epoch == b.epoch && e.Seq <= b.seq:
		ack.Seq = b.seq
		k.odd[topic.Panel] = k.odd[topic.Panel] || slices.ContainsFunc(k.all, func(h held) bool {
			return h.Panel == topic.Panel && h.Seq == e.Seq && h.Chain != e.Chain
		})
	default: // rewritten: taken note of, and gone on with
		k.odd[topic.Panel] = true
		b.epoch, b.seq, b.chain = e.Epoch, e.Seq, e.Chain
		ack.Epoch, ack.Seq = b.epoch, b.seq
	}
	raw, err := ack.Encode()
	if err != nil {
		k.t.Error(err)
		return
	}
	client.Publish(telemetry.AckTopic(topic.Site, topic.Panel), 1, false, raw)
}

func (k *clerk) keep(h held) {
	keep, twice := true, false
	if k.lies != nil {
		keep, twice = k.lies(h)
	}
	if keep {
		k.all = append(k.all, h)
	}
	if twice {
		k.all = append(k.all, h)
	}
}

func (k *clerk) each(_ context.Context, take func(held) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.all {
		if err := take(h); err != nil {
			return err
		}
	}
	return nil
}

func (k *clerk) faulty(_ context.Context, panel string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.odd[panel], nil
}

func (*clerk) notices(context.Context) ([]notice, error) { return nil, nil }
func (*clerk) found(context.Context) ([]finding, error)  { return nil, nil }

// quick are the times of panels in a test.
var quick = timing{heartbeat: 2 * time.Second, keepAlive: time.Second, resendAfter: 2 * time.Second, retry: 20 * time.Millisecond, retryLimit: 500 * time.Millisecond}

// newTestFleet makes a fleet on a broker and switches it on.
func newTestFleet(t *testing.T, broker *uplinktest.Broker, change func(*setup)) *fleet {
	t.Helper()
	s := setup{
		panels: 6, sites: 2, dir: t.TempDir(), seed: 7, rate: 600, speed: 100, timing: quick,
	}
	if broker != nil {
		s.admission = openBroker{url: broker.URL(), acknowledged: true}
	}
	if change != nil {
		change(&s)
	}
	f, err := newFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.admit(t.Context(), few, func() {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(f.close(), f.removeCopies()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// play lets a fleet live through a story and counts.
func (f *fleet) lives(t *testing.T, k ledger, story string) []account {
	t.Helper()
	scenes, faults := parseStory(story)
	if err := errors.Join(errors.Join(faults...), f.check(scenes)); err != nil {
		t.Fatal(err)
	}
	if err := f.powerOn(t.Context(), 0, func() {}); err != nil {
		t.Fatal(err)
	}
	living, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	f.play(scenes)
	working.Go(func() { f.live(living) })
	select {
	case <-f.over:
	case <-time.After(time.Minute):
		t.Error("the story has no end")
	}
	stop()
	working.Wait()
	waiting, err := f.settle(t.Context(), time.Minute, func(uint64) {})
	if err != nil || waiting > 0 {
		t.Errorf("%d entries are on their way after a minute: %v", waiting, err)
	}
	accounts, err := f.count(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := f.meter.allFaults(); len(list) > 0 {
		t.Errorf("faults: %s", strings.Join(list, "\n"))
	}
	return accounts
}

func TestEveryEntryArrivesOnceWhateverIsCut(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	k := newClerk(t, broker)
	f := newTestFleet(t, broker, nil)
	accounts := f.lives(t, k, `
		begins 10:00
		10:00:50  everybody storms with 3 visits each
		10:01     panel 1 loses its line for 5 minutes
		10:02     panel 2 loses its power for 3 minutes
		10:02     panel 3 flaps 2 times
		10:03     site Milano 1 loses its line for 2 minutes
		10:03     panel 5 stops for 1 minute
		10:04     panel 1 of Milano 1 restarts
		10:04     panel 3 has the clock of the year 2000 for 2 minutes
		10:05     everybody has a clock that jumps 3 hours back
		10:06     everybody makes 60 entries a minute
		10:07     panel 2 loses its power
		10:08     the end`)
	sum := total(accounts)
	if len(sum.Bad) > 0 || sum.Written < 100 || sum.Written != sum.Held {
		t.Errorf("%+v", sum)
	}
	slices.SortFunc(f.outages, func(a, b outage) int { return cmp.Compare(a.What, b.What) })
	if n := len(f.outages); n != 8 {
		t.Errorf("%d things happened: %+v", n, f.outages)
	}
}

func TestACountFindsWhatAHubLosesOrDoubles(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	k := newClerk(t, broker)
	k.lies = func(h held) (bool, bool) { return h.Seq != 5, h.Seq == 7 }
	f := newTestFleet(t, broker, nil)
	for _, a := range f.lives(t, k, "10:00 everybody storms with 5 visits each\n10:05 the end") {
		if a.good() || a.Lost != 1 || a.Twice != 1 || a.Written < 7 {
			t.Errorf("%+v", a)
		}
	}
}

func TestAPanelThatIsSetBackOrDoubledIsSaidToBeOdd(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	k := newClerk(t, broker)
	f := newTestFleet(t, broker, nil)
	accounts := f.lives(t, k, `
		10:00 panel 1 is copied
		10:02 everybody storms with 9 visits each
		10:04 panel 1 is restored
		10:05 everybody storms with 9 visits each
		10:05 panel 2 has a twin for 3 minutes
		10:09 the end`)
	for _, a := range accounts {
		if odd := a.Panel <= 2; (a.Odd != "") != odd || !a.good() {
			t.Errorf("%+v", a)
		}
	}
	if a := accounts[0]; !a.Fault {
		t.Errorf("a journal that was set back goes unnoticed: %+v", a)
	}
}

func TestTheAgendaKeepsTimesAndTheirOrder(t *testing.T) {
	a := newAgenda()
	now := time.Now()
	var did []int
	for i, after := range []time.Duration{2, 1, 1, 3, 1} {
		a.add(now.Add(after*time.Second), func() { did = append(did, i) })
	}
	for do, wait := a.next(now.Add(time.Second)); do != nil; do, wait = a.next(now.Add(2 * time.Second)) {
		if wait != 0 {
			t.Errorf("something is due, and to be waited for: %s", wait)
		}
		do()
	}
	if !slices.Equal(did, []int{1, 2, 4, 0}) {
		t.Errorf("done in the order %v", did)
	}
	if do, wait := a.next(now.Add(2 * time.Second)); do != nil || wait != time.Second {
		t.Errorf("the next is due in %s", wait)
	}
}

func TestACountWaitsForTheLastAcknowledgment(t *testing.T) {
	broker := uplinktest.StartMosquitto(t, uplinktest.Options{})
	f := newTestFleet(t, broker, nil)
	if err := f.powerOn(t.Context(), 0, func() {}); err != nil {
		t.Fatal(err)
	}
	looks := 0
	waiting, err := f.settle(t.Context(), time.Minute, func(uint64) {
		if looks++; looks == 3 {
			newClerk(t, broker) // the hub is late
		}
	})
	if err != nil || waiting > 0 || looks < 4 {
		t.Errorf("after %d looks %d entries are on their way: %v", looks, waiting, err)
	}
}
