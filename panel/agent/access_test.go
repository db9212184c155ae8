package agent_test

import (
	"bytes"
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

// Everything that somebody at the panel can see, hear, read or time is the same, whether there is duress or not.
func TestNobodyCanTellDuressFromTheOutside(t *testing.T) {
	lived := func(t *testing.T, duress bool) (did []string, entries []agent.Record) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			facts := w.facts["code 1234"]
			facts.Duress = duress
			w.facts["code 1234"] = facts
			a := w.run()
			defer w.end()
			ctx := context.Background()
			if err := a.Do(ctx, panel.DuressTested{Recipient: "guard", Number: "40718352", Who: "admin"}); err != nil {
				t.Fatal(err)
			}
			if answer, err := a.ConfirmDuress(ctx, "40718353", "admin"); err != nil || answer.Granted || answer.Why != "wrong_number" {
				t.Errorf("%+v %v", answer, err)
			}
			if answer, err := a.ConfirmDuress(ctx, "40718352", "admin"); err != nil || !answer.Granted || a.View().Duress != "guard" {
				t.Errorf("%+v %v", answer, err)
			}
			w.typed("1234#")
			time.Sleep(10 * time.Second) // of the bubble's time: the strike is secured and the display idle
			w.mu.Lock()
			defer w.mu.Unlock()
			did, entries = w.did, w.entries
		})
		return did, entries
	}
	calm, plain := lived(t, false)
	forced, marked := lived(t, true)
	if !reflect.DeepEqual(calm, forced) || len(plain) != len(marked) {
		t.Errorf("without\n%v\nunder duress\n%v", calm, forced)
	}
	sealed := 0
	for i := range plain {
		a, b := plain[i], marked[i]
		if len(a.Entry.Sealed) > 0 {
			sealed++
			if bytes.Equal(a.Entry.Sealed, b.Entry.Sealed) || len(a.Entry.Sealed) != len(b.Entry.Sealed) {
				t.Errorf("sealed %q and %q", a.Entry.Sealed, b.Entry.Sealed)
			}
		}
		a.Entry.Sealed, b.Entry.Sealed = nil, nil
		if !reflect.DeepEqual(a, b) {
			t.Errorf("without %+v, under duress %+v", a, b)
		}
	}
	if sealed != 1 {
		t.Errorf("%d entries are sealed", sealed)
	}
}

func TestWhoIsInsideIsKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		facts := w.facts["card 04AA"]
		facts.Credential.Uses = 5
		w.facts["card 04AA"] = facts
		a := w.run()
		a.Card("front-in", "04AA")
		synctest.Wait()
		list, err := a.Inside(context.Background())
		if err != nil || len(list) != 1 || list[0].Person != "p1" || list[0].Door != "front" || !list[0].Trusted || list[0].Since.IsZero() {
			t.Fatalf("inside are %+v, %v", list, err)
		}
		s, err := a.Snapshot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Inside(context.Background()); err == nil {
			t.Error("a panel that has stopped answers")
		}
		w.existing = &agent.Replay{}
		w.existing.Restore(s.Memory, s.Time)
		b := w.run()
		defer w.end()
		again, err := b.Inside(context.Background())
		if err != nil || len(again) != 1 || again[0].Person != "p1" || !again[0].Since.Equal(list[0].Since.Truncate(time.Millisecond)) {
			t.Errorf("after the restart %+v, %v", again, err)
		}
	})
}
