package hub

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

// licensed gives the site a monitoring license that does not end.
func licensed(_ *world, o *Options) {
	o.Licensed = func(string, time.Time) (from, until time.Time) { return time.Unix(1, 0), time.Time{} }
}

// warned sets up somebody who is told of everything.
func (w *world) warned(topics ...monitor.Topic) {
	w.t.Helper()
	anna := monitor.Recipient{ID: "anna", Name: "Anna", Group: monitor.First, Topics: topics, Ways: []monitor.Way{{Channel: fleet.Email, Address: "anna@example.org"}}}
	if err := w.Tell(context.Background(), siteID, monitor.RecipientsChanged{Recipients: []monitor.Recipient{anna}}, fleet.Change{}); err != nil {
		w.t.Fatal(err)
	}
}

// notices are the kinds of what was put into the outbox.
func (w *world) notices() (kinds []string) {
	for _, d := range read(w.store, func() map[string]fleet.Delivery { return maps.Clone(w.store.deliveries) }) {
		kinds = append(kinds, d.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// live lets a panel say its status for so long, as it does.
func (w *world) live(boot string, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); w.pass(30 * time.Second) {
		w.status(panelID, online(boot, uint64(time.Now().UnixMilli()%1e9)), false)
	}
}

func will(boot string) telemetry.Status {
	return telemetry.Status{Cause: telemetry.CauseLost, Boot: boot}
}

func (w *world) presenceOf(panel string) monitor.Presence {
	w.t.Helper()
	p, ok := w.situation().Panel(panel)
	if !ok {
		w.t.Fatalf("panel %s is not watched", panel)
	}
	return p.Presence
}

func TestALostPanelIsToldOnceAndItsReturnToo(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		w.live("b1", 10*time.Minute)
		if got := w.notices(); len(got) != 0 {
			t.Fatalf("told of nothing: %v", got)
		}
		w.status(panelID, will("b1"), true)
		w.pass(time.Hour)
		if got := w.notices(); !slices.Equal(got, []string{"lost"}) || w.presenceOf(panelID) != monitor.Lost {
			t.Errorf("after a loss %v, the panel is %s", got, w.presenceOf(panelID))
		}
		w.live("b2", 10*time.Minute)
		if got := w.notices(); !slices.Equal(got, []string{"back", "lost"}) || w.presenceOf(panelID) != monitor.Online {
			t.Errorf("after its return %v", got)
		}
	})
}

func TestAPanelThatFallsSilentIsLostWithoutAWill(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		w.live("b1", 10*time.Minute)
		w.pass(10 * time.Minute)
		if got := w.notices(); !slices.Equal(got, []string{"lost"}) {
			t.Errorf("%v", got)
		}
	})
}

func TestHeartbeatsCostAtMostOneWriteAMinute(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.live("b1", 10*time.Minute)
		before := read(w.store, func() int { return w.store.commits })
		for range 600 {
			w.status(panelID, online("b1", 1000), false)
			w.pass(time.Second)
		}
		if n := read(w.store, func() int { return w.store.commits }) - before; n > 11 {
			t.Errorf("%d writes in ten minutes of heartbeats", n)
		}
		p, _ := w.situation().Panel(panelID)
		if time.Since(p.Contact) > 2*time.Second {
			t.Errorf("the last contact that pages see is %s ago", time.Since(p.Contact))
		}
	})
}

func TestABrokerThatIsRestartedAlarmsNobody(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		w.live("b1", 10*time.Minute)
		for range 5 {
			w.wire.cut()
			w.pass(20 * time.Second)
			w.live("b1", 3*time.Minute)
		}
		if got := w.notices(); len(got) != 0 || w.presenceOf(panelID) != monitor.Online {
			t.Errorf("%v, the panel is %s", got, w.presenceOf(panelID))
		}
	})
}

// TestNobodyWasThereWhileNoHubLooked starts a hub anew after so short a time that nothing else tells that there was none.
func TestNobodyWasThereWhileNoHubLooked(t *testing.T) {
	const gone = 20 * time.Second
	inWorld(t, licensed, func(w *world) {
		counted := func() monitor.Counts {
			return w.situation().Availability(time.UTC, panelID, "0000-01-01", "9999-12-31", time.Now())
		}
		w.live("b1", 10*time.Minute)
		before, o := counted(), w.o
		w.stop()
		w.pass(gone)
		w.start(o)
		w.status(panelID, online("b1", 60_000), false)
		w.pass(time.Second)
		after := counted()
		if unknown := time.Duration(after.Unknown-before.Unknown) * time.Second; unknown < gone || after.Up-before.Up > 1 {
			t.Errorf("of %s without a hub %s count as unknown; up %d s before and %d s after", gone, unknown, before.Up, after.Up)
		}
	})
}

func TestAHubThatIsStartedAgainGoesOnWhereItStopped(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		w.live("b1", 10*time.Minute)
		o := w.o
		w.stop()
		w.pass(5 * time.Minute)
		w.start(o)
		w.live("b1", 10*time.Minute)
		if got := w.notices(); len(got) != 0 {
			t.Errorf("a restart of the hub told %v", got)
		}
		if s := w.situation(); len(s.Recipients) != 1 {
			t.Errorf("forgotten: %+v", s.Recipients)
		}
		w.status(panelID, will("b1"), true)
		w.pass(time.Hour)
		w.stop()
		w.start(o)
		w.pass(time.Hour)
		if got := w.notices(); !slices.Equal(got, []string{"lost"}) {
			t.Errorf("after another restart %v", got)
		}
	})
}

func TestTheTimeWithoutAHubIsNobodysFault(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.live("b1", 10*time.Minute)
		o := w.o
		w.stop()
		w.pass(20 * time.Second) // soon enough that no deadline was missed
		w.start(o)
		if p, _ := w.situation().Panel(panelID); p.Presence != monitor.Unknown || p.Before != monitor.Online {
			t.Errorf("nobody has heard of it since, and it is %s", p.Presence)
		}
	})
}

func TestWhatTheStoreRefusesIsNotForgotten(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		w.live("b1", 10*time.Minute)
		w.store.setFail(errors.New("the disk is full"))
		w.status(panelID, will("b1"), true)
		told := make(chan error, 1)
		go func() {
			told <- w.Tell(context.Background(), siteID, monitor.PolicyChanged{Policy: monitor.DefaultPolicy()}, fleet.Change{})
		}()
		w.pass(4 * time.Minute)
		if got := w.notices(); len(got) != 0 {
			t.Fatalf("%v", got)
		}
		select {
		case err := <-told:
			t.Errorf("a change was said to be kept: %v", err)
		default:
		}
		w.store.setFail(nil)
		w.pass(10 * time.Second)
		if got := w.notices(); !slices.Equal(got, []string{"lost"}) {
			t.Errorf("%v", got)
		}
		if err := <-told; err != nil {
			t.Error(err)
		}
	})
}

func TestOneOfTwoHubsWatchesASiteAndTheOtherTakesOver(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		w.live("b1", 5*time.Minute)
		first := w.stop
		o := w.o
		o.Name, o.Link = "second", newWire()
		second := &world{t: w.t, store: w.store, wire: o.Link.(*wire), key: w.key}
		second.start(o)
		if _, ok := second.Situation(siteID); ok {
			t.Error("two hubs watch one site")
		}
		if err := second.Tell(context.Background(), siteID, monitor.Tick{}, fleet.Change{}); !errors.Is(err, ErrElsewhere) {
			t.Errorf("%v", err)
		}
		first()
		w.stop = func() {}
		second.pass(2 * leaseTry)
		if s, ok := second.Situation(siteID); !ok || len(s.Recipients) != 1 {
			t.Errorf("nobody watches the site: %v %+v", ok, s.Recipients)
		}
		if p, _ := second.situation().Panel(panelID); p.Presence != monitor.Unknown {
			t.Errorf("the second hub has not heard it, and it is %s", p.Presence)
		}
		second.stop()
	})
}

func TestPanelsComeAndGoWithTheRecords(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		other := strings.Repeat("b", 26)
		read(w.store, func() int {
			w.store.panels = append(w.store.panels, fleet.Panel{ID: other, Name: "Garage", Site: siteID, Serial: "2"})
			return 0
		})
		w.Changed()
		synctest.Wait()
		if got := w.presenceOf(other); got != monitor.Unknown {
			t.Errorf("the new panel is %s", got)
		}
		read(w.store, func() int {
			w.store.panels[1].Name = "Yard"
			w.store.panels[0].Revoked = time.Now()
			w.store.sites[0].Name = "Villa Bianchi"
			return 0
		})
		w.Changed()
		synctest.Wait()
		s := w.situation()
		if len(s.Panels) != 1 || s.Panels[0].Name != "Yard" || s.Name != "Villa Bianchi" {
			t.Errorf("%+v", s)
		}
	})
}

func TestASiteIsWatchedFromTheMomentItIsMade(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		read(w.store, func() int {
			w.store.sites = append(w.store.sites, fleet.Site{ID: "annex", Name: "Annex", Zone: "UTC"})
			return 0
		})
		// Nobody has told the loop yet that there is another site.
		if err := w.Tell(context.Background(), "annex", monitor.Tick{}, fleet.Change{}); err != nil {
			t.Error(err)
		}
		if s, ok := w.Situation("annex"); !ok || s.Name != "Annex" {
			t.Errorf("%v %+v", ok, s)
		}
	})
}

func TestAFaultIsToldOnceADayForEachPanelAndKind(t *testing.T) {
	inWorld(t, licensed, func(w *world) {
		w.warned()
		d := newDiary(panelID)
		d.write(5)
		w.send(d, d.events...)
		for i := range 5 {
			changed := d.events[i]
			changed.Chain = chainOf("another", i)
			w.send(d, changed)
		}
		w.pass(time.Second)
		if got := w.notices(); !slices.Equal(got, []string{"security"}) {
			t.Errorf("%v", got)
		}
		w.pass(24 * time.Hour)
		changed := d.events[0]
		changed.Chain = chainOf("a third")
		w.send(d, changed)
		w.pass(time.Second)
		if n := len(slices.DeleteFunc(w.notices(), func(k string) bool { return k != "security" })); n != 2 {
			t.Errorf("%v", w.notices())
		}
	})
}

func TestWithoutALicenseStateIsSeenAndNobodyIsTold(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.warned()
		w.live("b1", 5*time.Minute)
		w.status(panelID, will("b1"), true)
		d := newDiary(panelID)
		d.write(2)
		w.send(d, d.events...)
		changed := d.events[0]
		changed.Chain = chainOf("another")
		w.send(d, changed)
		w.pass(time.Hour)
		if got := w.notices(); len(got) != 0 || w.presenceOf(panelID) != monitor.Lost {
			t.Errorf("%v, the panel is %s", got, w.presenceOf(panelID))
		}
	})
}

func TestASilentAlarmIsToldAtOnceAndOnlyToThoseWhoChoseIt(t *testing.T) {
	private, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	key, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	mark := func(duress byte) []byte {
		sealed, err := hpke.Seal(key.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(markInfo), []byte{duress})
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	for _, test := range []struct {
		topics []monitor.Topic
		mark   []byte
		want   int
	}{
		{[]monitor.Topic{monitor.TopicSilentAlarm}, mark(1), 1},
		{[]monitor.Topic{monitor.TopicSilentAlarm}, mark(0), 0},
		{[]monitor.Topic{monitor.TopicSilentAlarm}, bytes.Repeat([]byte{1}, markLength), 0},
		{nil, mark(1), 0},
		{[]monitor.Topic{monitor.TopicSilentAlarm, monitor.TopicOutages}, mark(1), -1},
	} {
		t.Run(fmt.Sprint(test.topics, test.want), func(t *testing.T) {
			inWorld(t, func(w *world, o *Options) {
				if test.want >= 0 { // else there is no license
					licensed(w, o)
				}
				o.Sealing = key
			}, func(w *world) {
				w.warned(test.topics...)
				d := newDiary(panelID)
				e := d.write(1)[0]
				e.Kind, e.Sealed, e.Who = "access.granted", test.mark, "Anna"
				w.send(d, e)
				w.send(d, e)
				if got := w.notices(); len(got) != max(test.want, 0) {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

func TestATestOfTheSilentAlarmBringsItsNumberToWhoeverGetsTheAlarm(t *testing.T) {
	private, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	key, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(info, plain string) []byte {
		raw, err := hpke.Seal(key.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(info), []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, test := range []struct {
		name   string
		kind   string
		sealed []byte
		want   []string
	}{
		{"a test", testKind, sealed(testInfo, "40718352"), []string{"silent_test"}},
		{"a number that is none", testKind, sealed(testInfo, "4071835x"), nil},
		{"too short", testKind, sealed(testInfo, "4071"), nil},
		{"sealed for something else", testKind, sealed(markInfo, "40718352"), nil},
		{"a mark on a test", testKind, sealed(markInfo, "\x01"), nil},
		{"a number on a grant", "access.granted", sealed(testInfo, "40718352"), nil},
		{"nothing", testKind, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world, o *Options) { licensed(w, o); o.Sealing = key }, func(w *world) {
				w.warned(monitor.TopicSilentAlarm)
				d := newDiary(panelID)
				e := d.write(1)[0]
				e.Kind, e.Sealed, e.Time = test.kind, test.sealed, time.Now()
				w.send(d, e)
				if got := w.notices(); !slices.Equal(got, test.want) {
					t.Errorf("told %v, want %v", got, test.want)
				}
				if n := read(w.store, func() int { return len(w.store.faults) }); n != 0 {
					t.Errorf("%d alarms are shown", n)
				}
			})
		})
	}
}

// TestAHubThatDiesBeforeASilentAlarmIsToldTellsItThen has the store refuse what is to be told, and the hub end: the panel, which got no
// acknowledgment, says the same again.
func TestAHubThatDiesBeforeASilentAlarmIsToldTellsItThen(t *testing.T) {
	private, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	key, err := hpke.NewDHKEMPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	mark, err := hpke.Seal(key.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(markInfo), []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, func(w *world, o *Options) { licensed(w, o); o.Sealing = key }, func(w *world) {
		w.warned(monitor.TopicSilentAlarm)
		d := newDiary(panelID)
		e := d.write(1)[0]
		e.Kind, e.Sealed, e.Time = "access.granted", mark, time.Now()
		w.store.failDeliveries(errors.New("the disk is full"))
		w.send(d, e)
		w.pass(time.Minute)
		acks := len(w.wire.on(telemetry.AckTopic(siteID, panelID)))
		if stored := read(w.store, func() int { return len(w.store.events) }); stored != 1 || acks != 0 {
			t.Fatalf("%d events are stored and %d acknowledged while nobody can be told", stored, acks)
		}
		o := w.o
		w.stop()
		w.store.failDeliveries(nil)
		w.start(o)
		w.send(d, e)
		w.pass(time.Minute)
		if got := w.notices(); !slices.Equal(got, []string{"silent_alarm"}) || len(w.wire.on(telemetry.AckTopic(siteID, panelID))) == 0 {
			t.Errorf("told %v", got)
		}
		// Said again a day later it is old.
		w.pass(2 * alarmOld)
		read(w.store, func() any { clear(w.store.deliveries); return nil })
		w.send(d, e)
		w.pass(time.Minute)
		if got := w.notices(); len(got) != 0 {
			t.Errorf("an old alarm was told again: %v", got)
		}
	})
}

func TestASituationOfANewerProgramIsLeftAlone(t *testing.T) {
	inWorld(t, func(w *world, o *Options) {
		licensed(w, o)
		w.store.situations[siteID] = []byte(`{"v":99,"id":"villa"}`)
	}, func(w *world) {
		w.live("b1", 5*time.Minute)
		if err := w.Tell(context.Background(), siteID, monitor.Tick{}, fleet.Change{}); err == nil {
			t.Error("a change was said to be kept")
		}
		if raw := read(w.store, func() string { return string(w.store.situations[siteID]) }); raw != `{"v":99,"id":"villa"}` {
			t.Errorf("overwritten: %s", raw)
		}
	})
}
