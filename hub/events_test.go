package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

func TestEventsAreStoredInOrderAndAcknowledgedWhenTheyAreDurable(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		w.send(d, d.write(100)...)
		w.wantStored(panelID, 1, 100)
		if ack, again := w.wire.acked(t, siteID, panelID); ack != (telemetry.Ack{Epoch: "e1", Seq: 100}) || len(again) != 0 {
			t.Errorf("acknowledged %+v, asked for %+v", ack, again)
		}
		if n := w.wire.unacknowledged(); n != 0 {
			t.Errorf("the broker still keeps %d messages", n)
		}
		if h := w.Handled(); h.Stored != 100 || h.Waiting != 0 || h.Acks == 0 {
			t.Errorf("%+v", h)
		}
	})
}

func TestNothingIsAcknowledgedBeforeTheStoreHasIt(t *testing.T) {
	slow := make(chan struct{})
	inWorld(t, func(w *world, _ *Options) { w.store.slow = make(chan struct{}); slow = w.store.slow }, func(w *world) {
		d := newDiary(panelID)
		w.send(d, d.write(10)...)
		if ack, _ := w.wire.acked(t, siteID, panelID); ack.Epoch != "" || w.wire.unacknowledged() != 10 {
			t.Errorf("acknowledged %+v, the broker keeps %d", ack, w.wire.unacknowledged())
		}
		close(slow)
		synctest.Wait()
		if ack, _ := w.wire.acked(t, siteID, panelID); ack.Seq != 10 || w.wire.unacknowledged() != 0 {
			t.Errorf("acknowledged %+v, the broker keeps %d", ack, w.wire.unacknowledged())
		}
	})
}

func TestEventsThatComeMeanwhileShareATransaction(t *testing.T) {
	var slow chan struct{}
	inWorld(t, func(w *world, _ *Options) { slow = make(chan struct{}); w.store.slow = slow }, func(w *world) {
		d := newDiary(panelID)
		w.send(d, d.write(1)...)
		w.send(d, d.write(199)...)
		close(slow)
		synctest.Wait()
		if batches := read(w.store, func() []int { return slices.Clone(w.store.batches) }); len(batches) != 2 || batches[1] != 199 {
			t.Errorf("batches of %v", batches)
		}
		w.wantStored(panelID, 1, 200)
	})
}

func TestAStoreThatRefusesLosesNothing(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.store.setFail(errors.New("the disk is full"))
		d := newDiary(panelID)
		w.send(d, d.write(20)...)
		w.pass(time.Minute)
		if h := w.Handled(); h.StoreFailing == "" {
			t.Error("nobody sees that the store refuses")
		}
		if ack, _ := w.wire.acked(t, siteID, panelID); ack.Epoch != "" {
			t.Errorf("acknowledged %+v", ack)
		}
		w.store.setFail(nil)
		w.pass(time.Minute)
		w.wantStored(panelID, 1, 20)
		if ack, _ := w.wire.acked(t, siteID, panelID); ack.Seq != 20 || w.Handled().StoreFailing != "" {
			t.Errorf("acknowledged %+v, %q", ack, w.Handled().StoreFailing)
		}
	})
}

func TestWhatComesAgainIsAcknowledgedAndNotStoredTwice(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(30)
		w.send(d, d.events...)
		w.send(d, d.events[10:]...)
		w.wire.cut()
		w.pass(5 * time.Second)
		w.send(d, d.events...)
		w.wantStored(panelID, 1, 30)
		if h := w.Handled(); h.Duplicate != 50 || w.wire.unacknowledged() != 0 {
			t.Errorf("%+v, the broker keeps %d", h, w.wire.unacknowledged())
		}
	})
}

func TestMissingEntriesAreAskedForAgainWithGrowingPauses(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(40)
		w.send(d, d.events[:10]...)
		w.send(d, d.events[20:]...)
		want := telemetry.Ack{Epoch: "e1", From: 11, To: 21}
		if ack, again := w.wire.acked(t, siteID, panelID); ack.Seq != 10 || len(again) != 1 || again[0] != want {
			t.Fatalf("acknowledged %+v, asked for %+v", ack, again)
		}
		for i, pause := range []time.Duration{2, 4, 8, 16, 32} {
			w.pass(pause*time.Second - time.Millisecond)
			w.send(d, d.events[20:]...)
			if _, again := w.wire.acked(t, siteID, panelID); len(again) != i+1 {
				t.Fatalf("asked %d times before pause %d was over", len(again), i)
			}
			w.pass(time.Millisecond)
			w.send(d, d.events[20:]...)
			if _, again := w.wire.acked(t, siteID, panelID); len(again) != i+2 {
				t.Fatalf("asked %d times after pause %d", len(again), i)
			}
		}
		w.send(d, d.events[10:]...)
		w.wantStored(panelID, 1, 40)
		if ack, _ := w.wire.acked(t, siteID, panelID); ack.Seq != 40 {
			t.Errorf("acknowledged %+v", ack)
		}
	})
}

func TestAHubThatComesInTheMiddleAsksForTheBeginning(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(20)
		w.send(d, d.events[5:]...)
		if ack, again := w.wire.acked(t, siteID, panelID); ack.Epoch != "" || len(again) != 1 || again[0].From != 1 {
			t.Fatalf("acknowledged %+v, asked for %+v", ack, again)
		}
		w.send(d, d.events...)
		w.wantStored(panelID, 1, 20)
	})
}

func TestAJournalWhoseBeginningIsGoneBeginsWithItsGap(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(20)
		gap := telemetry.Event{Epoch: "e1", Seq: 5, Kind: "journal.gap", Gap: &telemetry.Gap{From: 1, To: 5, Count: 5}, Chain: d.events[5].Prev}
		w.send(d, gap)
		w.send(d, d.events[5:]...)
		w.wantStored(panelID, 5, 20)
	})
}

func TestAnEntryThatCannotBeReadDoesNotStopTheRestAndIsNotForgotten(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(12)
		deliver := func() {
			for i, e := range d.events {
				if i == 4 {
					w.say(telemetry.EventTopic(siteID, panelID), []byte(`{"v":1,"epoch":"e1","seq":5,"seq":6,"kind":"x"}`))
					continue
				}
				w.send(d, e)
			}
		}
		for range 12 {
			deliver()
			w.pass(time.Minute)
		}
		w.wantStored(panelID, 1, 12)
		events := read(w.store, func() []fleet.Received { return slices.Clone(w.store.events) })
		gap := events[4].Event
		if gap.Gap == nil || gap.Gap.From != 5 || gap.Gap.To != 5 || !strings.Contains(gap.Detail, "cannot be read") || !strings.Contains(gap.Detail, "twice") {
			t.Errorf("in the place of the entry stands %+v", gap)
		}
		faults := read(w.store, func() []fleet.Fault { return slices.Clone(w.store.faults) })
		if len(faults) != 1 || faults[0].Kind != fleet.FaultGap {
			t.Errorf("faults %+v", faults)
		}
		if w.wire.unacknowledged() != 0 || w.reason(RefusedMalformed) < bridgeAfter {
			t.Errorf("the broker keeps %d; %+v", w.wire.unacknowledged(), w.Refusals())
		}
	})
}

func TestAPanelThatNeverBringsAnEntryIsBelievedAfterAWhileOnly(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(12)
		began := time.Now()
		for w.Handled().Bridged == 0 {
			w.send(d, d.events[:3]...)
			w.send(d, d.events[5:]...)
			w.pass(10 * time.Second)
			if time.Since(began) > time.Hour {
				t.Fatal("the rest waits for ever")
			}
		}
		if took := time.Since(began); took < 2*time.Minute {
			t.Errorf("given up after %s", took)
		}
		w.send(d, d.events...)
		events := read(w.store, func() []fleet.Received { return slices.Clone(w.store.events) })
		if gap := events[3].Event; gap.Seq != 5 || gap.Gap == nil || gap.Gap.From != 4 || gap.Gap.Count != 2 || gap.Chain != d.events[5].Prev {
			t.Errorf("in the place of the entries stands %+v", gap)
		}
		if last := events[len(events)-1].Event.Seq; last != 12 || len(events) != 11 {
			t.Errorf("%d events up to %d", len(events), last)
		}
	})
}

func TestARewrittenEntryIsAcknowledgedAndFound(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		d.write(5)
		w.send(d, d.events...)
		changed := d.events[2]
		changed.Chain, changed.Detail = chainOf("another"), "nothing happened"
		w.send(d, changed)
		faults := read(w.store, func() []fleet.Fault { return slices.Clone(w.store.faults) })
		if len(faults) != 1 || faults[0].Kind != fleet.FaultRewritten || faults[0].Seq != 3 {
			t.Errorf("faults %+v", faults)
		}
		if w.Handled().Rewritten != 1 || w.wire.unacknowledged() != 0 {
			t.Errorf("%+v, the broker keeps %d", w.Handled(), w.wire.unacknowledged())
		}
		w.wantStored(panelID, 1, 5)
	})
}

func TestForeignAndMalformedMessagesAreRefusedCountedAndShown(t *testing.T) {
	other := strings.Repeat("b", 26)
	gone := strings.Repeat("c", 26)
	event := []byte(`{"v":1,"epoch":"e1","seq":1,"kind":"door.opened"}`)
	inWorld(t, func(w *world, _ *Options) {
		w.store.sites = append(w.store.sites, fleet.Site{ID: "hotel", Zone: "UTC"})
		w.store.panels = append(w.store.panels, fleet.Panel{ID: gone, Site: siteID, Serial: "2", Revoked: time.Unix(1, 0)})
	}, func(w *world) {
		for _, test := range []struct {
			name, topic string
			payload     []byte
			reason      Reason
		}{
			{"wrong topic", "doorpanel/v1/villa/" + panelID + "/telemetry", event, RefusedTopic},
			{"something else's topic", "zigbee2mqtt/lamp", event, RefusedTopic},
			{"a topic of the hub", telemetry.AckTopic(siteID, panelID), event, RefusedTopic},
			{"unknown panel", telemetry.EventTopic(siteID, other), event, RefusedUnknown},
			{"forged site", telemetry.EventTopic("hotel", panelID), event, RefusedSite},
			{"forged will", telemetry.StatusTopic("hotel", panelID), []byte(`{"v":1,"online":false,"cause":"lost","boot":"b"}`), RefusedSite},
			{"revoked panel", telemetry.EventTopic(siteID, gone), event, RefusedRevoked},
			{"oversize", telemetry.EventTopic(siteID, panelID), []byte(`{"v":1,"detail":"` + strings.Repeat("x", 70_000) + `"}`), RefusedSize},
			{"malformed", telemetry.EventTopic(siteID, panelID), []byte(`{"v":1,`), RefusedMalformed},
			{"another version", telemetry.EventTopic(siteID, panelID), []byte(`{"v":2,"epoch":"e1","seq":1,"kind":"door.opened"}`), RefusedMalformed},
			{"stale number", telemetry.EventTopic(siteID, panelID), []byte(`{"v":1,"epoch":"e1","seq":0,"kind":"door.opened"}`), RefusedMalformed},
			{"malformed status", telemetry.StatusTopic(siteID, panelID), []byte(`null`), RefusedMalformed},
			{"an answer to nobody", telemetry.ReplyTopic(siteID, panelID), []byte(`{"v":1,"number":3,"result":"done"}`), RefusedReply},
		} {
			before := w.reason(test.reason)
			w.say(test.topic, test.payload)
			if w.reason(test.reason) != before+1 {
				t.Errorf("%s: not counted as %q: %+v", test.name, test.reason, w.Refusals())
			}
			if w.wire.unacknowledged() != 0 {
				t.Fatalf("%s: it stays at the broker", test.name)
			}
		}
		for _, c := range w.Refusals() {
			if c.Example == "" || len(c.Example) > exampleLimit || c.Last.IsZero() {
				t.Errorf("%+v shows nothing", c)
			}
		}
		if events := read(w.store, func() int { return len(w.store.events) }); events != 0 {
			t.Errorf("%d events are stored", events)
		}
		d := newDiary(panelID)
		w.send(d, d.write(3)...)
		w.wantStored(panelID, 1, 3)
	})
}

// TestNoPayloadOfTheSharedSuiteIsTakenOrStopsTheRest uses the shared JSONTestSuite.
func TestNoPayloadOfTheSharedSuiteIsTakenOrStopsTheRest(t *testing.T) {
	files, err := filepath.Glob("../../shared/testdata/json-parsing/*.json")
	if err != nil || len(files) == 0 {
		files, _ = filepath.Glob("../../shared/testdata/json-parsing/*/*.json")
	}
	if len(files) == 0 {
		t.Skip("left out: ../shared/testdata/json-parsing is absent")
	}
	inWorld(t, nil, func(w *world) {
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, topic := range []string{telemetry.EventTopic(siteID, panelID), telemetry.StatusTopic(siteID, panelID), telemetry.ReplyTopic(siteID, panelID)} {
				w.wire.say(topic, false, raw)
			}
		}
		synctest.Wait()
		if w.wire.unacknowledged() != 0 || read(w.store, func() int { return len(w.store.events) }) != 0 || len(w.Said()) != 0 {
			t.Errorf("the broker keeps %d, %d events are stored", w.wire.unacknowledged(), len(w.store.events))
		}
		d := newDiary(panelID)
		w.send(d, d.write(3)...)
		w.wantStored(panelID, 1, 3)
	})
}

func TestAPanelThatWasAddedJustNowIsHeardOnItsNextWord(t *testing.T) {
	fresh := strings.Repeat("d", 26)
	inWorld(t, nil, func(w *world) {
		d := newDiary(fresh)
		d.write(2)
		read(w.store, func() int {
			w.store.panels = append(w.store.panels, fleet.Panel{ID: fresh, Site: siteID, Serial: "3"})
			return 0
		})
		w.send(d, d.events...)
		w.send(d, d.events...)
		w.wantStored(fresh, 1, 2)
	})
}

func TestARevokedPanelIsNotHeardAnyMore(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		d := newDiary(panelID)
		w.send(d, d.write(2)...)
		read(w.store, func() int { w.store.panels[0].Revoked = time.Now(); return 0 })
		w.pass(newsPause)
		w.send(d, d.write(2)...)
		w.wantStored(panelID, 1, 2)
		if w.reason(RefusedRevoked) != 2 {
			t.Errorf("%+v", w.Refusals())
		}
	})
}

func TestTwoPanelsWithOneIdentityAreFoundAndARestartIsNone(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for _, boot := range []string{"b1", "b1", "b2", "b3", "b4", "b5"} {
			w.status(panelID, online(boot, 1000), false)
		}
		if w.reason(RefusedTwin) != 0 {
			t.Fatalf("restarts count as two panels: %+v", w.Refusals())
		}
		for range 5 {
			w.status(panelID, online("b4", 1000), false)
			w.status(panelID, online("b5", 1000), false)
		}
		faults := read(w.store, func() []fleet.Fault { return slices.Clone(w.store.faults) })
		if w.reason(RefusedTwin) != 1 || len(faults) != 1 || faults[0].Kind != fleet.FaultClone {
			t.Errorf("%+v, faults %+v", w.Refusals(), faults)
		}
	})
}

func TestStatusesThatTheBrokerSaysAgainAreNoSecondPanel(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for _, boot := range []string{"b1", "b2", "b1", "b2"} {
			m := Message{Topic: telemetry.StatusTopic(siteID, panelID), Payload: encoded(t, online(boot, 1)), Again: true, Done: func() {}}
			w.Take(context.Background(), m)
			synctest.Wait()
		}
		if w.reason(RefusedTwin) != 0 {
			t.Errorf("%+v", w.Refusals())
		}
	})
}

func TestAnAcknowledgmentThatWaitsIsNotTakenBack(t *testing.T) {
	a := newAcks()
	a.stored(siteID, panelID, "e1", 500)
	a.stored(siteID, panelID, "e1", 20) // one that came again
	if _, w, ok := a.next(); !ok || w.stored.Seq != 500 {
		t.Errorf("%+v", w)
	}
	a.stored(siteID, panelID, "e1", 500)
	a.stored(siteID, panelID, "e2", 3)
	if _, w, ok := a.next(); !ok || w.stored != (telemetry.Ack{Epoch: "e2", Seq: 3}) {
		t.Errorf("%+v", w)
	}
	a.ask(siteID, panelID, telemetry.Ack{Epoch: "e1", From: 4, To: 9})
	a.stored(siteID, panelID, "e1", 9)
	if _, w, ok := a.next(); !ok || w.hasAgain {
		t.Errorf("asked for what came meanwhile: %+v", w)
	}
	if _, w, ok := a.next(); ok {
		t.Errorf("%+v is said twice", w)
	}
}

func TestAFullHubMakesTheBrokerWaitAndGoesOn(t *testing.T) {
	var slow chan struct{}
	inWorld(t, func(w *world, _ *Options) { slow = make(chan struct{}); w.store.slow = slow }, func(w *world) {
		d := newDiary(panelID)
		n := inboxLimit + eventLimit + 3_000
		d.write(n)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for _, e := range d.events {
				w.wire.say(telemetry.EventTopic(siteID, panelID), false, encoded(t, e))
			}
		}()
		synctest.Wait()
		select {
		case <-sent:
			t.Fatal("everything was taken although nothing is stored")
		default:
		}
		w.wire.cut() // while the hub is full
		w.pass(time.Minute)
		close(slow)
		<-sent
		w.pass(time.Minute)
		w.send(d, d.events...)
		w.wantStored(panelID, 1, uint64(n))
		if w.wire.unacknowledged() != 0 {
			t.Errorf("the broker keeps %d", w.wire.unacknowledged())
		}
	})
}
