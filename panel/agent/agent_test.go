package agent_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// inBubble plays a test on a clock of its own, and ends the agent.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		test(t, w)
		if w.end != nil {
			if err := w.end(); err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	})
}

func TestTheStrikeComesBeforeSoundAndAfterTheIntent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.expect("show off", "journal system.started")
		a.Card("front-in", "04AA")
		synctest.Wait()
		w.expect("journal access.granted front card", "strike front on 3s", "show green granted Please come in", "journal strike.on front card")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		w.expect("strike front off", "journal strike.off front")
		time.Sleep(time.Hour)
		w.expect("show off")
	})
}

func TestAGrantWaitsForTheDiskAtMost50Milliseconds(t *testing.T) {
	for name, test := range map[string]struct {
		disk time.Duration
		wait time.Duration // until the strike moves
	}{
		"a fast disk":               {0, 0},
		"a slow disk":               {30 * time.Millisecond, 30 * time.Millisecond},
		"a very slow disk":          {400 * time.Millisecond, 50 * time.Millisecond},
		"a disk that never answers": {diskSilent, 50 * time.Millisecond},
		"a disk that fails":         {diskFails, 0},
		"a journal that is full":    {diskRefuses, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				a := w.run()
				w.set(func() { w.disk = test.disk })
				w.since()
				a.Card("front-in", "04AA")
				synctest.Wait()
				if test.wait > 0 {
					time.Sleep(test.wait - 1)
					synctest.Wait()
					if got := w.sees("strike"); len(got) > 0 {
						t.Errorf("%v before its time", got)
					}
					time.Sleep(time.Nanosecond)
					synctest.Wait()
				}
				if got := w.sees("strike"); !slices.Equal(got, []string{"strike front on 3s"}) {
					t.Errorf("after %v the strike did %v", test.wait, got)
				}
				if ok := a.JournalOK(); test.wait == 0 && ok != (test.disk == 0) {
					t.Errorf("JournalOK = %v", ok)
				}
			})
		})
	}
}

func TestExitAndFireOvertakeWhateverWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		gate := make(chan struct{})
		w.set(func() { w.hold = gate })
		a.Press(1) // the loop is held up while it tells of the call
		synctest.Wait()
		for range 1000 {
			a.Post(panel.KeyPressed{Reader: "front-in"})
		}
		if a.Dropped() != 1000-256 {
			t.Errorf("%d dropped", a.Dropped())
		}
		a.Post(panel.ExitRequested{Door: "gate"})
		a.Post(panel.FireAlarm{})
		w.since()
		w.set(func() { w.hold = nil })
		close(gate)
		synctest.Wait()
		if got := w.sees("strike"); !slices.Equal(got, []string{"strike front on 0s", "strike gate on 0s", "strike gate on 0s"}) &&
			!slices.Equal(got, []string{"strike gate on 8s", "strike front on 0s", "strike gate on 0s"}) {
			t.Errorf("the strikes did %v", got)
		}
	})
}

func TestNothingIsDoneBetweenAnExitOrFireAndItsStrikes(t *testing.T) {
	for name, test := range map[string]struct {
		event  panel.Event
		strike string
	}{
		"exit": {panel.ExitRequested{Door: "front"}, "strike front on 3s"},
		"fire": {panel.FireAlarm{}, "strike front on 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 12 { // what waits is chosen at random: once would prove little
				inBubble(t, func(t *testing.T, w *world) {
					a := w.run()
					gate := make(chan struct{})
					w.set(func() { w.hold = gate })
					a.Press(1)
					synctest.Wait()
					for range 50 {
						a.Post(panel.KeyPressed{Reader: "front-in"})
					}
					a.Post(test.event)
					w.set(func() { w.hold = nil })
					w.since()
					close(gate)
					synctest.Wait()
					got := w.since()
					strike, key := slices.Index(got, test.strike), slices.Index(got, "show  key")
					if strike < 0 || key < strike {
						t.Errorf("first came %v", got[:min(len(got), 5)])
					}
				})
			}
		})
	}
}

func TestAFireInputThatBouncesEndsAsItStands(t *testing.T) {
	for name, test := range map[string]struct {
		inputs []panel.Event
		fire   bool
	}{
		"on":                    {[]panel.Event{panel.FireAlarm{}}, true},
		"on, off, on":           {[]panel.Event{panel.FireAlarm{}, panel.Cleared{Input: panel.Fire}, panel.FireAlarm{}}, true},
		"on, off":               {[]panel.Event{panel.FireAlarm{}, panel.Cleared{Input: panel.Fire}}, false},
		"on, off, on, off, on":  {[]panel.Event{panel.FireAlarm{}, panel.Cleared{Input: panel.Fire}, panel.FireAlarm{}, panel.Cleared{Input: panel.Fire}, panel.FireAlarm{}}, true},
		"a tamper is no fire":   {[]panel.Event{panel.FireAlarm{}, panel.Cleared{Input: panel.Tamper}}, true},
		"off, though never on":  {[]panel.Event{panel.Cleared{Input: panel.Fire}}, false},
		"on behind many exits":  {append(slices.Repeat([]panel.Event{panel.ExitRequested{Door: "gate"}}, 40), panel.FireAlarm{}), true},
		"off behind many exits": {append(slices.Repeat([]panel.Event{panel.ExitRequested{Door: "gate"}}, 40), panel.Cleared{Input: panel.Fire}), false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				a := w.run()
				gate := make(chan struct{})
				w.set(func() { w.hold = gate })
				a.Press(1)
				synctest.Wait() // the loop is held up while the input bounces
				for _, e := range test.inputs {
					a.Post(e)
				}
				w.set(func() { w.hold = nil })
				close(gate)
				synctest.Wait()
				if got := a.View().Fire; got != test.fire {
					t.Errorf("fire = %v", got)
				}
			})
		})
	}
}

func TestDoReturnsWhenTheStepIsDone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		for _, test := range []struct {
			event panel.Event
			want  string
		}{
			{panel.ExitRequested{Door: "front"}, "strike front on 3s"},
			{panel.FireAlarm{}, "strike gate on 0s"},
			{panel.Cleared{Input: panel.Fire}, "strike gate off"},
			{panel.Tampered{}, "journal tamper.on"},
			{panel.Cleared{Input: panel.Tamper}, "journal tamper.off"},
		} {
			w.since()
			if err := a.Do(t.Context(), test.event); err != nil {
				t.Fatal(err)
			}
			if got := w.since(); !slices.Contains(got, test.want) {
				t.Errorf("%#v did %v", test.event, got)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		gate := make(chan struct{})
		w.set(func() { w.hold = gate })
		a.Press(1)
		synctest.Wait()
		go cancel()
		if err := a.Alive(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a loop that is held up is alive: %v", err)
		}
		w.set(func() { w.hold = nil })
		close(gate)
	})
}

func TestACardThatCannotBeLookedUpIsNoGuess(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.set(func() { w.lookups = errors.New("the store is set aside") })
		w.since()
		for range 6 {
			w.typed("9999#")
		}
		a.Card("front-in", "04AA")
		synctest.Wait()
		if got := w.sees("journal"); len(got) != 7 || slices.Contains(got, "journal access.blocked front") || got[6] != "journal access.refused front cannot_look_up" {
			t.Errorf("the journal says %v", got)
		}
		w.set(func() { w.lookups = nil })
		w.typed("1234#")
		if got := w.sees("strike"); len(got) != 1 {
			t.Errorf("a good code did %v", got)
		}
	})
}

func TestALookupThatHangsDoesNotHoldTheExitNorTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		hang := make(chan struct{})
		w.set(func() { w.hang = hang })
		a.Card("front-in", "04AA")
		synctest.Wait()
		w.since()
		a.Post(panel.ExitRequested{Door: "front"})
		synctest.Wait()
		w.expect("strike front on 3s", "show green granted Door open", "journal door.exit front")
		for range 200 {
			a.Card("front-in", "04AA")
		}
		if a.Dropped() == 0 {
			t.Error("cards pile up without a bound")
		}
		began := time.Now()
		if err := w.end(); err != nil {
			t.Error(err)
		}
		w.end = nil
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v to end", took)
		}
		close(hang)
	})
}

func TestHowFastACodeWasTypedCountsAndNotHowFastItWasLookedUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		hang := make(chan struct{})
		w.set(func() { w.hang = hang })
		a.Card("gate-in", "04AA") // hangs
		synctest.Wait()
		a.Key("front-in", '9')
		time.Sleep(11 * time.Second)
		w.typed("12")
		time.Sleep(9 * time.Second)
		w.typed("34#")
		w.since()
		w.set(func() { w.hang = nil })
		close(hang)
		synctest.Wait()
		// Their records become durable in any order.
		if got := slices.Sorted(slices.Values(w.sees("strike"))); !slices.Equal(got, []string{"strike front on 3s", "strike gate on 8s"}) {
			t.Errorf("the strikes did %v", got)
		}
	})
}

func TestALearnedCardOpensNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		type learned struct {
			uid, reader string
			err         error
		}
		got := make(chan learned, 1)
		learn := func(ctx context.Context, reader string) {
			go func() {
				uid, seenAt, err := a.Learn(ctx, reader)
				got <- learned{uid, seenAt, err}
			}()
			synctest.Wait()
		}
		learn(t.Context(), "front-in")
		if _, _, err := a.Learn(t.Context(), ""); !errors.Is(err, agent.ErrLearning) {
			t.Errorf("two learn at once: %v", err)
		}
		w.since()
		a.Card("gate-in", "04AA") // another reader goes on as ever
		synctest.Wait()
		a.Card("front-in", "04AA")
		synctest.Wait()
		if l := <-got; l != (learned{"04AA", "front-in", nil}) {
			t.Errorf("learned %+v", l)
		}
		if strikes := w.sees("strike"); !slices.Equal(strikes, []string{"strike gate on 8s"}) {
			t.Errorf("the strikes did %v", strikes)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		learn(ctx, "")
		if l := <-got; !errors.Is(l.err, context.DeadlineExceeded) {
			t.Errorf("learned %+v", l)
		}
		a.Card("front-in", "04AA") // nobody learns any more
		synctest.Wait()
		if strikes := w.sees("strike front on"); len(strikes) != 1 {
			t.Errorf("the strikes did %v", strikes)
		}
		learn(t.Context(), "")
		if err := w.end(); err != nil {
			t.Error(err)
		}
		w.end = nil
		if l := <-got; l.err == nil {
			t.Errorf("learned %+v from a panel that has stopped", l)
		}
	})
}

func TestAClockThatJumpsIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.since()
		w.set(func() { w.shift = time.Second }) // slewing is no jump
		if err := a.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expect()
		w.set(func() { w.shift += 48 * time.Hour })
		if err := a.Alive(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expect("journal clock.changed  trusted")
		w.set(func() { w.unknown = true })
		a.Post(panel.ExitRequested{Door: "front"})
		synctest.Wait()
		w.expect("strike front on 3s", "show green granted Door open", "journal door.exit front", "journal clock.changed  not_trusted")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		w.expect("strike front off", "journal strike.off front") // openings do not run on the wall clock
	})
}

func TestAStrikeThatFailsIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.set(func() { w.dead = "front" })
		w.since()
		a.Card("front-in", "04AA")
		synctest.Wait()
		w.expect("journal access.granted front card", "strike front on 3s", "show green granted Please come in", "journal strike.on front card",
			"show red alarm The door does not answer", "journal strike.failed front")
	})
}

func TestWhatTheDiskDidNotTakeIsNamed(t *testing.T) {
	for name, disk := range map[string]time.Duration{"a disk that fails": diskFails, "a journal that is full": diskRefuses} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				a := w.run()
				w.set(func() { w.disk = disk })
				a.Card("front-in", "04AA") // the intent and the outcome are lost
				synctest.Wait()
				w.set(func() { w.disk = 0 })
				w.since()
				time.Sleep(3 * time.Second) // the end of the pulse is the first entry that is taken again
				synctest.Wait()
				w.expect("strike front off", "journal strike.off front", "journal journal.lost")
				if !a.JournalOK() {
					t.Error("the journal still counts as broken")
				}
			})
		})
	}
}

func TestOpenWaitsForTheDecision(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		open := func(door string, order *panel.Order) panel.Answer {
			t.Helper()
			answer, err := a.Open(t.Context(), panel.OpenRequested{Request: "mine", Door: door, Who: "Maria", Via: "web", Order: order})
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
		if got := open("front", nil); got != (panel.Answer{Request: "mine", Granted: true, Why: "web"}) {
			t.Errorf("got %+v", got)
		}
		if got := open("attic", nil); got != (panel.Answer{Request: "mine", Why: "unknown_door"}) {
			t.Errorf("got %+v", got)
		}
		order := panel.Order{Signer: "hub", Panel: "me", Boot: boot, Number: 1, Deadline: w.Clock().Mono + 10*time.Second}
		for _, disk := range []time.Duration{diskSilent, diskFails, diskRefuses} {
			w.set(func() { w.disk = disk })
			if got := open("front", &order); got != (panel.Answer{Request: "mine", Why: "cannot_record"}) {
				t.Errorf("got %+v", got)
			}
			order.Number++
			order.Deadline = w.Clock().Mono + 10*time.Second
		}
	})
}

func TestTwoRequestsOfTheSameNameGetTheirOwnAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.set(func() { w.disk = 300 * time.Millisecond })
		answers := make(chan panel.Answer, 2)
		for range 2 {
			go func() {
				order := panel.Order{Signer: "hub", Panel: "me", Boot: boot, Number: 1, Deadline: w.Clock().Mono + 10*time.Second}
				answer, err := a.Open(t.Context(), panel.OpenRequested{Request: "same", Door: "front", Via: "command", Order: &order})
				if err != nil {
					t.Error(err)
				}
				answers <- answer
			}()
		}
		first, second := <-answers, <-answers
		if first != (panel.Answer{Request: "same", Why: "used"}) || second != (panel.Answer{Request: "same", Granted: true, Why: "command"}) {
			t.Errorf("got %+v and %+v", first, second)
		}
	})
}

func TestOpenEndsWithThePanel(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.set(func() { w.disk = diskSilent })
		order := panel.Order{Signer: "hub", Panel: "me", Boot: boot, Number: 1, Deadline: w.Clock().Mono + 10*time.Second}
		got := make(chan panel.Answer, 1)
		go func() {
			answer, err := a.Open(t.Context(), panel.OpenRequested{Request: "mine", Door: "front", Via: "command", Order: &order})
			if err != nil {
				t.Error(err)
			}
			got <- answer
		}()
		synctest.Wait()
		if err := w.end(); err != nil {
			t.Error(err)
		}
		w.end = nil
		if answer := <-got; answer != (panel.Answer{Request: "mine", Why: "stopping"}) {
			t.Errorf("got %+v", answer)
		}
		if _, err := a.Open(t.Context(), panel.OpenRequested{Door: "front"}); err == nil {
			t.Error("a panel that has stopped answered")
		}
		if err := a.Do(t.Context(), panel.Tick{}); err == nil {
			t.Error("a panel that has stopped is alive")
		}
		a.Post(panel.ExitRequested{Door: "front"}) // waits for nobody
	})
}

func TestThePanelLeavesWithItsDoorsSecuredAndSaysSo(t *testing.T) {
	for name, disk := range map[string]time.Duration{"well": 0, "silent": diskSilent, "full": diskRefuses, "broken": diskFails} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				a := w.run()
				a.Post(panel.ExitRequested{Door: "gate"})
				synctest.Wait()
				w.since()
				w.set(func() { w.disk = disk })
				began := time.Now()
				if err := w.end(); err != nil {
					t.Error(err)
				}
				w.end = nil
				w.expect("strike front off", "strike gate off", "journal system.stopped")
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("leaving took %v", took)
				}
			})
		})
	}
}

func TestTheFaceIsWhatVisitorsSee(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		before := a.Face()
		seen := make(chan error, 1)
		go func() { seen <- a.WaitFace(t.Context(), before.Version) }()
		synctest.Wait()
		a.Press(1)
		if err := <-seen; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if f := a.Face(); f.Text != "Calling Rossi" || f.Light != panel.Blue || f.Tone != panel.ToneRinging {
			t.Errorf("the face shows %+v", f)
		}
		if v := a.View(); v.Call.Label != "Rossi" {
			t.Errorf("the view shows %+v", v)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.WaitFace(ctx, a.Face().Version); !errors.Is(err, context.Canceled) {
			t.Errorf("WaitFace: %v", err)
		}
	})
}

func TestWrongCodesAreRememberedByTheNextPanel(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		for range 5 {
			w.typed("9999#")
		}
		snapshot, err := a.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if snapshot.Seq == 0 || len(snapshot.Memory) != 1 || snapshot.Time.Mark.IsZero() {
			t.Errorf("snapshot %+v", snapshot)
		}
		if err := w.end(); err != nil {
			t.Error(err)
		}
		late, err := a.Snapshot(t.Context()) // also after the end
		if err != nil || late.Seq != snapshot.Seq+1 {
			t.Errorf("snapshot %+v, %v", late, err)
		}

		// Once from the snapshot and the journal after it, once from the whole journal.
		restored, replayed := &agent.Replay{}, &agent.Replay{}
		restored.Restore(snapshot.Memory, snapshot.Time)
		for i, record := range w.entries {
			replayed.Add(record)
			if uint64(i+1) > snapshot.Seq {
				restored.Add(record)
			}
		}
		if !slices.Equal(restored.Memory(), replayed.Memory()) || !restored.Time.Mark.Equal(replayed.Time.Mark) {
			t.Errorf("restored %+v, replayed %+v", restored, replayed)
		}
		next := newWorld(t)
		next.existing = restored
		next.run()
		next.since()
		next.typed("1234#")
		if got := next.sees("journal"); !slices.Equal(got, []string{"journal access.refused front blocked"}) {
			t.Errorf("after the restart %v", got)
		}
		w.end = next.end
	})
}
