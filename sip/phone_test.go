package sip

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	play := map[string]func(io.Reader) error{"ours": ourDialer, "raw": rawDialer}[os.Getenv(dialerEnv)]
	if play == nil {
		goleak.VerifyTestMain(m)
		return
	}
	if err := play(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience is how long a test waits for something that must come.
const patience = 15 * time.Second

// watch collects a phone's events.
type watch struct {
	t      *testing.T
	events chan Event
}

func (w watch) next() Event {
	w.t.Helper()
	select {
	case e := <-w.events:
		return e
	case <-time.After(patience):
		w.t.Fatal("no event came")
		return Event{}
	}
}

func (w watch) want(kind EventKind, call string) Event {
	w.t.Helper()
	e := w.next()
	if e.Kind != kind || e.Call != call {
		w.t.Fatalf("got event %+v, want %s of call %q", e, kind, call)
	}
	return e
}

// answered waits for the answer; a peer that answers at once may not be heard ringing.
func (w watch) answered(call string) {
	w.t.Helper()
	e := w.next()
	if e.Kind == Ringing {
		e = w.next()
	}
	if e.Kind != Answered || e.Call != call {
		w.t.Fatalf("got event %+v, want the answer of call %q", e, call)
	}
}

func startPhone(t *testing.T, opt Options) (*Phone, watch) {
	t.Helper()
	w := watch{t: t, events: make(chan Event, 1000)}
	if opt.Listen == "" {
		opt.Listen = "127.0.0.1:0"
	}
	opt.Events = func(e Event) { w.events <- e }
	p, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
	})
	return p, w
}

func startSoftphone(t *testing.T) (*Softphone, chan string) {
	t.Helper()
	states := make(chan string, 100)
	s, err := NewSoftphone("127.0.0.1:0", func(state string) { states <- state })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, states
}

func wantState(t *testing.T, states <-chan string, want string) {
	t.Helper()
	select {
	case got := <-states:
		if got != want {
			t.Fatalf("the softphone is %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the softphone never was %q", want)
	}
}

func TestCalledPartyAnswersAndPressesKeys(t *testing.T) {
	p, w := startPhone(t, Options{DisplayName: `Front "door"`})
	s, states := startSoftphone(t)
	p.Place("c1", "sip:anna@"+s.Addr(), "")
	w.want(Ringing, "c1")
	wantState(t, states, "ringing")
	if from := s.State().From; !strings.HasPrefix(from, "sip:doorpanel@") {
		t.Errorf("the softphone is called from %q", from)
	}
	if err := s.Answer(); err != nil {
		t.Fatal(err)
	}
	w.want(Answered, "c1")
	wantState(t, states, "in_call")
	for _, key := range "15*#" {
		if err := s.Digit(key); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range "15*#" {
		if e := w.want(Digit, "c1"); e.Digit != key {
			t.Fatalf("got key %q, want %q", e.Digit, key)
		}
	}
	p.HangUp("c1")
	if e := w.want(Ended, "c1"); e.Reason != "" {
		t.Errorf("the call ended for %q", e.Reason)
	}
	wantState(t, states, "idle")
}

func TestCalledPartyHangsUp(t *testing.T) {
	p, w := startPhone(t, Options{})
	s, states := startSoftphone(t)
	for i := range 3 {
		id := fmt.Sprint("c", i)
		p.Place(id, "sip:anna@"+s.Addr(), "")
		w.want(Ringing, id)
		wantState(t, states, "ringing")
		s.Answer()
		w.want(Answered, id)
		wantState(t, states, "in_call")
		s.HangUp()
		w.want(Ended, id)
		wantState(t, states, "idle")
	}
}

func TestRefusedCallsSayWhy(t *testing.T) {
	p, w := startPhone(t, Options{})
	s, states := startSoftphone(t)
	for _, c := range []struct {
		act    func() error
		reason Reason
		status int
	}{{s.Reject, Refused, 603}, {s.Busy, Busy, 486}} {
		p.Place("c", "sip:anna@"+s.Addr(), "")
		w.want(Ringing, "c")
		wantState(t, states, "ringing")
		if err := c.act(); err != nil {
			t.Fatal(err)
		}
		if e := w.want(Failed, "c"); e.Reason != c.reason || e.Status != c.status {
			t.Errorf("got %+v, want %s %d", e, c.reason, c.status)
		}
		wantState(t, states, "idle")
	}
}

func TestRingingEndsWithTheTimeout(t *testing.T) {
	p, w := startPhone(t, Options{RingTimeout: 200 * time.Millisecond})
	s, states := startSoftphone(t)
	p.Place("c", "sip:anna@"+s.Addr(), "")
	w.want(Ringing, "c")
	wantState(t, states, "ringing")
	if e := w.want(Failed, "c"); e.Reason != NoAnswer {
		t.Errorf("got %+v", e)
	}
	wantState(t, states, "idle")
}

func TestHangUpWhileRingingCancels(t *testing.T) {
	p, w := startPhone(t, Options{})
	s, states := startSoftphone(t)
	p.Place("c", "sip:anna@"+s.Addr(), "")
	w.want(Ringing, "c")
	wantState(t, states, "ringing")
	p.HangUp("c")
	if e := w.want(Failed, "c"); e.Reason != Canceled {
		t.Errorf("got %+v", e)
	}
	wantState(t, states, "idle")
}

func TestClosingHangsUp(t *testing.T) {
	s, states := startSoftphone(t)
	t.Run("phone", func(t *testing.T) {
		p, w := startPhone(t, Options{})
		p.Place("c", "sip:anna@"+s.Addr(), "")
		w.want(Ringing, "c")
		wantState(t, states, "ringing")
		s.Answer()
		w.want(Answered, "c")
		wantState(t, states, "in_call")
	})
	wantState(t, states, "idle")
}

func TestPhoneOnEveryAddressFindsItsOwn(t *testing.T) {
	for _, c := range []struct{ phone, softphone string }{{"0.0.0.0:0", "127.0.0.1:0"}, {"[::]:0", "[::1]:0"}, {"[::1]:0", "[::1]:0"}} {
		p, w := startPhone(t, Options{Listen: c.phone})
		s, err := NewSoftphone(c.softphone, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p.Place("c", "sip:anna@"+s.Addr(), "")
		w.want(Ringing, "c")
		if err := s.Answer(); err != nil {
			t.Fatal(err)
		}
		w.want(Answered, "c")
		p.HangUp("c")
		w.want(Ended, "c")
	}
}
