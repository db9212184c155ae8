package agent_test

import (
	"context"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel"
)

func TestALockdownIsAnsweredWhenItIsInForce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.since()
		answer, err := a.Lockdown(t.Context(), panel.LockdownRequested{Request: "mine", On: true, Via: "web"})
		if err != nil || !answer.Granted || answer.Request != "mine" || !a.View().Lockdown {
			t.Errorf("%+v %v, lockdown %v", answer, err, a.View().Lockdown)
		}
		w.expect("show amber alarm Lockdown: no entry", "journal lockdown.on  web")
		if answer, err := a.Open(t.Context(), panel.OpenRequested{Door: "front", Via: "web"}); err != nil || answer.Granted || answer.Why != "lockdown" {
			t.Errorf("%+v %v", answer, err)
		}
		old := panel.Order{Signer: "hub", Panel: "me", Boot: "another", Number: 1, Deadline: a.View().At + time.Second}
		if answer, err := a.Lockdown(t.Context(), panel.LockdownRequested{Via: "command", Order: &old}); err != nil || answer.Granted || answer.Why != "other_boot" || !a.View().Lockdown {
			t.Errorf("%+v %v", answer, err)
		}
		if answer, err := a.Lockdown(t.Context(), panel.LockdownRequested{Via: "cli"}); err != nil || !answer.Granted || a.View().Lockdown {
			t.Errorf("%+v %v", answer, err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := a.Lockdown(gone, panel.LockdownRequested{On: true, Via: "web"}); err == nil && !a.View().Lockdown {
			t.Error("nobody was told that nobody was asked")
		}
	})
}

func TestATextIsAnsweredWhenItIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		w.since()
		answer, err := a.Show(t.Context(), panel.TextRequested{Request: "mine", Text: "Back at three", Via: "command"})
		if err != nil || !answer.Granted || answer.Request != "mine" {
			t.Errorf("%+v %v", answer, err)
		}
		w.expect("show amber text Back at three", "journal display.text  command")
	})
}

func TestAStopDuringAFireSecuresTheDoorsAndSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		if err := a.Do(t.Context(), panel.FireAlarm{}); err != nil {
			t.Fatal(err)
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		w.end = nil
		last := w.entries[len(w.entries)-1].Entry
		if last.Kind != panel.SystemStopped || last.Detail == "" {
			t.Errorf("the last entry is %+v", last)
		}
	})
}
