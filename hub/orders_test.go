package hub

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// ordered begins an order and returns the commands that the panel got, and where the order's end arrives.
func (w *world) ordered(verb, object string) (commands []telemetry.Command, end chan fleet.Order) {
	w.t.Helper()
	end = make(chan fleet.Order, 1)
	go func() {
		o, err := w.Order(context.Background(), panelID, verb, object, "anna")
		if err != nil {
			w.t.Error(err)
		}
		end <- o
	}()
	synctest.Wait()
	for _, m := range w.wire.on(telemetry.CommandTopic(siteID, panelID)) {
		c, _, err := telemetry.OpenCommand(m.Payload, func(envelope.KeyID) (ed25519.PublicKey, bool) {
			return w.key.Public().(ed25519.PublicKey), true
		})
		if err != nil || m.Retained {
			w.t.Fatalf("the command is retained: %v; %v", m.Retained, err)
		}
		commands = append(commands, c)
	}
	return commands, end
}

func (w *world) reply(number uint64, result telemetry.Result, why string) {
	w.say(telemetry.ReplyTopic(siteID, panelID), encoded(w.t, telemetry.Reply{Number: number, Result: result, Why: why}))
}

func (w *world) kept(number uint64) fleet.Order {
	return read(w.store, func() fleet.Order { return w.store.orders[number] })
}

func TestAnOrderIsNumberedDurablySignedAndAnswered(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		w.pass(7 * time.Second)
		commands, end := w.ordered(telemetry.VerbOpen, "front")
		if len(commands) != 1 {
			t.Fatalf("%d commands were sent", len(commands))
		}
		c := commands[0]
		if c.Panel != panelID || c.Boot != "b1" || c.DeadlineMS != 50_000+7_000+20_000 || c.Verb != telemetry.VerbOpen || c.Object != "front" {
			t.Errorf("the command is %+v", c)
		}
		if o := w.kept(c.Number); o.State != fleet.OrderSent || o.By != "anna" || o.Panel != panelID {
			t.Errorf("before the answer %+v is kept", o)
		}
		w.reply(c.Number, telemetry.ResultDone, "")
		if o := <-end; o.State != fleet.OrderDone || w.kept(c.Number).State != fleet.OrderDone || o.Answered.IsZero() {
			t.Errorf("%+v, kept %+v", o, w.kept(c.Number))
		}
		audit := read(w.store, func() []fleet.Change { return w.store.audit })
		if len(audit) != 2 || audit[0].What != "order.sent" || audit[0].Who != "anna" || audit[1].What != "order.done" {
			t.Errorf("the audit says %+v", audit)
		}
	})
}

func TestAnOrderEndsWithWhatThePanelSaysOrWithItsDeadline(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		for _, test := range []struct {
			result telemetry.Result
			state  fleet.OrderState
			why    string
		}{
			{telemetry.ResultRefused, fleet.OrderRefused, "lockdown"},
			{telemetry.ResultFailed, fleet.OrderFailed, "the strike does not answer"},
			{"", fleet.OrderNotReached, "no answer before the deadline"},
		} {
			commands, end := w.ordered(telemetry.VerbOpen, "front")
			number := commands[len(commands)-1].Number
			if test.result != "" {
				w.reply(number, test.result, test.why)
			} else {
				w.pass(orderWait - time.Millisecond)
				select {
				case o := <-end:
					t.Errorf("given up too early: %+v", o)
				default:
				}
				w.pass(time.Millisecond)
			}
			if o := <-end; o.State != test.state || o.Why != test.why || w.kept(number).State != test.state {
				t.Errorf("%+v, want %s %q", o, test.state, test.why)
			}
		}
	})
}

func TestAnswersThatComeTwiceKeptOrFromAnotherPanelChangeNothing(t *testing.T) {
	other := strings.Repeat("b", 26)
	inWorld(t, func(w *world, _ *Options) {
		w.store.panels = append(w.store.panels, fleet.Panel{ID: other, Site: siteID, Serial: "2"})
	}, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		commands, end := w.ordered(telemetry.VerbOpen, "front")
		number := commands[0].Number
		done := encoded(t, telemetry.Reply{Number: number, Result: telemetry.ResultDone})
		w.say(telemetry.ReplyTopic(siteID, other), done)
		w.wire.say(telemetry.ReplyTopic(siteID, panelID), true, done) // kept by the broker
		w.reply(number+1, telemetry.ResultDone, "")
		synctest.Wait()
		if w.reason(RefusedReply) != 3 {
			t.Errorf("%+v", w.Refusals())
		}
		w.reply(number, telemetry.ResultRefused, "lockdown")
		if o := <-end; o.State != fleet.OrderRefused || o.Late {
			t.Errorf("%+v", o)
		}
		w.say(telemetry.ReplyTopic(siteID, panelID), done)
		if w.reason(RefusedReply) != 4 || w.kept(number).State != fleet.OrderRefused {
			t.Errorf("%+v, %+v", w.Refusals(), w.kept(number))
		}
	})
}

func TestAnAnswerThatComesLateCorrectsItsOrderOnce(t *testing.T) {
	other := strings.Repeat("b", 26)
	for _, test := range []struct {
		result telemetry.Result
		why    string
		state  fleet.OrderState
	}{
		{telemetry.ResultDone, "", fleet.OrderDone},
		{telemetry.ResultRefused, "lockdown", fleet.OrderRefused},
		{telemetry.ResultFailed, "the strike does not answer", fleet.OrderFailed},
	} {
		inWorld(t, func(w *world, _ *Options) {
			w.store.panels = append(w.store.panels, fleet.Panel{ID: other, Site: siteID, Serial: "2"})
		}, func(w *world) {
			w.status(panelID, online("b1", 50_000), false)
			commands, end := w.ordered(telemetry.VerbOpen, "front")
			number := commands[0].Number
			w.pass(orderWait)
			if o := <-end; o.State != fleet.OrderNotReached || o.Late {
				t.Errorf("%+v", o)
			}
			late := encoded(t, telemetry.Reply{Number: number, Result: test.result, Why: test.why})
			w.say(telemetry.ReplyTopic(siteID, other), late)
			w.wire.say(telemetry.ReplyTopic(siteID, panelID), true, late)
			synctest.Wait()
			if o := w.kept(number); w.reason(RefusedReply) != 2 || o.State != fleet.OrderNotReached {
				t.Errorf("another panel's answer and a kept one were taken: %+v", o)
			}
			w.pass(time.Hour)
			w.say(telemetry.ReplyTopic(siteID, panelID), late)
			synctest.Wait()
			if o := w.kept(number); o.State != test.state || !o.Late || o.Why != test.why || o.Answered.Sub(o.At) < time.Hour {
				t.Errorf("after the late answer %+v", o)
			}
			w.reply(number, telemetry.ResultFailed, "once more")
			synctest.Wait()
			if o := w.kept(number); o.State != test.state || o.Why != test.why || w.reason(RefusedReply) != 3 {
				t.Errorf("a second late answer was taken: %+v", o)
			}
			audit := read(w.store, func() []fleet.Change { return w.store.audit })
			if last := audit[len(audit)-1]; len(audit) != 3 || last.What != "order."+string(test.state) || !strings.HasPrefix(last.After, "answered late") {
				t.Errorf("the audit says %+v", audit)
			}
		})
	}
}

func TestAnOrderThatWasNeverSentHasNoAnswer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, end := w.ordered(telemetry.VerbOpen, "front") // the panel was never heard
		o := <-end
		w.reply(o.Number, telemetry.ResultDone, "")
		synctest.Wait()
		if kept := w.kept(o.Number); o.State != fleet.OrderNotReached || kept.State != fleet.OrderNotReached || w.reason(RefusedReply) != 1 {
			t.Errorf("%+v, kept %+v", o, kept)
		}
	})
}

func TestOrdersToOnePanelGoOutInTheOrderOfTheirNumbersAndNoneWaitsForAnother(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		var ends []chan fleet.Order
		var commands []telemetry.Command
		for range 5 {
			var end chan fleet.Order
			commands, end = w.ordered(telemetry.VerbText, "Back at three")
			ends = append(ends, end)
		}
		for i, c := range commands {
			if i > 0 && c.Number <= commands[i-1].Number {
				t.Errorf("number %d follows %d", c.Number, commands[i-1].Number)
			}
		}
		for i := range commands {
			w.reply(commands[len(commands)-1-i].Number, telemetry.ResultDone, "")
		}
		for _, end := range ends {
			if o := <-end; o.State != fleet.OrderDone {
				t.Errorf("%+v", o)
			}
		}
	})
}

func TestAPanelThatCannotBeReachedIsSaidToBeSoAtOnce(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		notReached := func(why string) {
			t.Helper()
			commands, end := w.ordered(telemetry.VerbOpen, "front")
			if o := <-end; o.State != fleet.OrderNotReached || !strings.Contains(o.Why, why) || len(commands) != 0 || w.kept(o.Number).State != fleet.OrderNotReached {
				t.Errorf("%+v, %d commands; want %q", o, len(commands), why)
			}
		}
		notReached("not been heard")
		w.status(panelID, online("b1", 50_000), false)
		w.wire.cut()
		synctest.Wait()
		notReached("not connected")
		w.pass(time.Minute)
		w.wire.mu.Lock()
		w.wire.refuse = errTooMany
		w.wire.mu.Unlock()
		notReached("does not acknowledge")
		w.pass(statusOld)
		notReached("was heard last")
	})
}

func TestNothingIsSentThatWasNotNumberedAndKept(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		w.store.setFail(errors.New("the disk is full"))
		if _, err := w.Order(w.t.Context(), panelID, telemetry.VerbOpen, "front", "anna"); err == nil || !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("%v", err)
		}
		if n := len(w.wire.on(telemetry.CommandTopic(siteID, panelID))); n != 0 {
			t.Errorf("%d commands were sent", n)
		}
		w.store.setFail(nil)
		read(w.store, func() int { w.store.noNumber = errors.New("the disk is full"); return 0 })
		if _, err := w.Order(w.t.Context(), panelID, telemetry.VerbOpen, "front", "anna"); err == nil || !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("%v", err)
		}
		if n := len(w.wire.on(telemetry.CommandTopic(siteID, panelID))); n != 0 {
			t.Errorf("%d commands without a number were sent", n)
		}
	})
}

// The first order is slow to be kept; the second must not overtake it, or the panel would refuse the first as used.
func TestNoOrderOvertakesAnother(t *testing.T) {
	first, slow := make(chan struct{}, 1), make(chan struct{})
	inWorld(t, func(w *world, _ *Options) {
		first, slow = make(chan struct{}, 1), make(chan struct{})
		first <- struct{}{}
		w.store.putting = func(o fleet.Order) {
			select {
			case <-first:
				<-slow
			default:
			}
		}
	}, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		_, one := w.ordered(telemetry.VerbOpen, "front")
		_, two := w.ordered(telemetry.VerbText, "Back at three")
		close(slow)
		synctest.Wait()
		commands, three := w.ordered(telemetry.VerbOpen, "front")
		for i, c := range commands {
			if i > 0 && c.Number <= commands[i-1].Number {
				t.Errorf("number %d is sent after %d", c.Number, commands[i-1].Number)
			}
			w.reply(c.Number, telemetry.ResultDone, "")
		}
		if len(commands) != 3 {
			t.Errorf("%d commands were sent", len(commands))
		}
		<-one
		<-two
		<-three
	})
}

func TestSenselessOrdersAreRefused(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		for _, order := range [][3]string{
			{panelID, "reboot", "now"}, {panelID, telemetry.VerbOpen, ""}, {panelID, telemetry.VerbLockdown, "maybe"},
			{panelID, telemetry.VerbText, "two\nlines"}, {panelID, telemetry.VerbText, strings.Repeat("x", 161)},
			{strings.Repeat("z", 26), telemetry.VerbOpen, "front"},
		} {
			if o, err := w.Order(w.t.Context(), order[0], order[1], order[2], "anna"); err == nil {
				t.Errorf("%v was sent: %+v", order, o)
			}
		}
		if n := len(w.wire.on(telemetry.CommandTopic(siteID, panelID))); n != 0 {
			t.Errorf("%d commands were sent", n)
		}
	})
}

func TestAnOrderGoesOnWhenNobodyWaitsForIt(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.status(panelID, online("b1", 50_000), false)
		ctx, leave := context.WithCancel(w.t.Context())
		gone := make(chan fleet.Order)
		go func() {
			o, err := w.Order(ctx, panelID, telemetry.VerbOpen, "front", "anna")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			gone <- o
		}()
		synctest.Wait()
		leave()
		o := <-gone
		w.reply(o.Number, telemetry.ResultDone, "")
		if k := w.kept(o.Number); k.State != fleet.OrderDone {
			t.Errorf("%+v", k)
		}
	})
}

func TestOrdersOfAHubThatDiedAreNotLeftOpen(t *testing.T) {
	inWorld(t, func(w *world, _ *Options) {
		w.store.orders[7] = fleet.Order{Number: 7, Panel: panelID, Site: siteID, Verb: telemetry.VerbOpen, Object: "front", State: fleet.OrderSent}
		w.store.orders[6] = fleet.Order{Number: 6, Panel: panelID, Site: siteID, State: fleet.OrderDone}
	}, func(w *world) {
		if o := w.kept(7); o.State != fleet.OrderNotReached || o.Why == "" {
			t.Errorf("%+v", o)
		}
		if o := w.kept(6); o.State != fleet.OrderDone {
			t.Errorf("%+v", o)
		}
	})
}

func TestDocumentsAreRetainedWithdrawnAndSaidAgainToABrokerThatForgot(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		topic := telemetry.DocumentTopic(siteID, panelID, telemetry.DocumentGrant, "g1")
		if err := w.PutDocument(w.t.Context(), fleet.Document{Panel: panelID, Kind: "grant", ID: "g1", Bytes: []byte("signed"), By: "anna"}); err != nil {
			t.Fatal(err)
		}
		if sent := w.wire.on(topic); len(sent) != 1 || !sent[0].Retained || string(sent[0].Payload) != "signed" {
			t.Errorf("%+v", sent)
		}
		w.wire.cut()
		w.pass(5 * time.Second)
		if sent := w.wire.on(topic); len(sent) != 2 {
			t.Errorf("after the broker was away it was said %d times", len(sent))
		}
		if err := w.WithdrawDocument(w.t.Context(), panelID, "grant", "g1", "anna"); err != nil {
			t.Fatal(err)
		}
		if sent := w.wire.on(topic); len(sent) != 3 || !sent[2].Retained || len(sent[2].Payload) != 0 {
			t.Errorf("%+v", sent)
		}
		w.wire.cut()
		w.pass(5 * time.Second)
		if sent := w.wire.on(topic); len(sent) != 3 {
			t.Errorf("a withdrawn document is said again: %+v", sent)
		}
		for _, wrong := range []fleet.Document{
			{Panel: panelID, Kind: "poem", ID: "g1", Bytes: []byte("x")}, {Panel: panelID, Kind: "grant", ID: "a/b", Bytes: []byte("x")},
			{Panel: panelID, Kind: "grant", ID: "g1"}, {Panel: "nobody", Kind: "grant", ID: "g1", Bytes: []byte("x")},
		} {
			if err := w.PutDocument(w.t.Context(), wrong); err == nil {
				t.Errorf("published %+v", wrong)
			}
		}
	})
}

func TestADocumentForABrokerThatIsAwayIsPublishedLater(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		topic := telemetry.DocumentTopic(siteID, panelID, telemetry.DocumentGrant, "g1")
		w.wire.cut()
		synctest.Wait()
		if err := w.PutDocument(w.t.Context(), fleet.Document{Panel: panelID, Kind: "grant", ID: "g1", Bytes: []byte("signed"), By: "anna"}); err != nil {
			t.Fatal(err)
		}
		if err := w.PutDocument(w.t.Context(), fleet.Document{Panel: panelID, Kind: "grant", ID: "g2", Bytes: []byte("signed"), By: "anna"}); err != nil {
			t.Fatal(err)
		}
		if err := w.WithdrawDocument(w.t.Context(), panelID, "grant", "g2", "anna"); err != nil {
			t.Fatal(err)
		}
		w.pass(5 * time.Second)
		if sent := w.wire.on(topic); len(sent) != 1 {
			t.Errorf("%+v", sent)
		}
		second := w.wire.on(telemetry.DocumentTopic(siteID, panelID, telemetry.DocumentGrant, "g2"))
		if len(second) != 1 || len(second[0].Payload) != 0 {
			t.Errorf("the withdrawal was not heard: %+v", second)
		}
	})
}
