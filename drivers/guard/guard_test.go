package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// wire is a line in memory that notes every level with the time since the test's start.
type wire struct {
	started time.Time

	mu     sync.Mutex
	trace  []string
	level  gpio.Level
	broken bool
	closed bool
}

func newWire() *wire { return &wire{started: time.Now()} }

func (w *wire) Out(level gpio.Level) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return errors.New("i/o error")
	}
	w.set(level)
	return nil
}

func (w *wire) set(level gpio.Level) {
	if level != w.level {
		w.level = level
		w.trace = append(w.trace, fmt.Sprint(level, " ", time.Since(w.started)))
	}
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(gpio.Low)
	w.closed = true
	return nil
}

func (w *wire) now() gpio.Level {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.level
}

func (w *wire) breakDown(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
}

// restart forgets what was noted and counts the time from now on.
func (w *wire) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace, w.started = nil, time.Now()
}

func (w *wire) expect(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.trace, want) {
		t.Errorf("the line went %q, want %q", w.trace, want)
	}
}

func front(safe Safe) Door {
	return Door{Name: "front", Chip: "panel", Line: "RELAY0", Safe: safe, MaxPulse: time.Minute}
}

// panel is the panel's end of a guard that runs in the test's bubble.
type panel struct {
	t     *testing.T
	in    *io.PipeWriter
	out   *io.PipeReader
	from  lines
	ended chan error
}

func guarded(t *testing.T, w *wire, doors ...Door) *panel {
	t.Helper()
	guardIn, in := io.Pipe()
	out, guardOut := io.Pipe()
	p := &panel{t: t, in: in, out: out, from: newLines(out), ended: make(chan error, 1)}
	go func() {
		p.ended <- serve(guardIn, guardOut, func(Door) (Line, error) { return w, nil })
		_, _ = guardIn.Close(), guardOut.Close()
	}()
	if a := p.ask(request{Number: 1, Doors: doors}); a.Error != "" {
		t.Fatal(a.Error)
	}
	return p
}

func (p *panel) send(r request) {
	p.t.Helper()
	b, err := encode(r)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *panel) ask(r request) reply {
	p.t.Helper()
	p.send(r)
	var a reply
	if err := p.from.next(&a); err != nil {
		p.t.Fatal(err)
	}
	if a.Number != r.Number {
		p.t.Errorf("answer to %d has number %d", r.Number, a.Number)
	}
	return a
}

// end closes the pipe and waits for the guard.
func (p *panel) end() error {
	_ = p.in.Close()
	err := <-p.ended
	_ = p.out.Close()
	return err
}

func TestReleasesEndAsTheyShould(t *testing.T) {
	type step struct {
		at     time.Duration
		on     bool
		length time.Duration
	}
	const s = time.Second
	tests := []struct {
		name  string
		safe  Safe
		steps []step
		end   time.Duration // when the panel's pipe closes
		want  []string
	}{
		{"no release, no pulse", FailSecure, nil, 10 * s, nil},
		{"a pulse ends by itself", FailSecure, []step{{1 * s, true, 3 * s}}, 10 * s, []string{"High 1s", "Low 4s"}},
		{"a pulse ends with the panel", FailSecure, []step{{1 * s, true, 30 * s}}, 2 * s, []string{"High 1s", "Low 2s"}},
		{"off ends a pulse early", FailSecure, []step{{1 * s, true, 30 * s}, {2 * s, false, 0}}, 10 * s, []string{"High 1s", "Low 2s"}},
		{"off just before the end leaves the pulse its whole time", FailSecure, []step{{1 * s, true, 3 * s}, {4*s - early, false, 0}}, 10 * s,
			[]string{"High 1s", "Low 4s"}},
		{"off just before that is taken at its word", FailSecure, []step{{1 * s, true, 3 * s}, {4*s - early - 1, false, 0}}, 10 * s,
			[]string{"High 1s", "Low 3.749999999s"}},
		{"a second pulse prolongs", FailSecure, []step{{0, true, 3 * s}, {2 * s, true, 3 * s}}, 10 * s, []string{"High 0s", "Low 5s"}},
		{"a shorter pulse does not shorten", FailSecure, []step{{0, true, 9 * s}, {2 * s, true, 1 * s}}, 20 * s, []string{"High 0s", "Low 9s"}},
		{"a hold lasts as long as the panel", FailSecure, []step{{1 * s, true, 0}}, 7200 * s, []string{"High 1s", "Low 2h0m0s"}},
		{"a pulse does not end a hold", FailSecure, []step{{0, true, 0}, {1 * s, true, 1 * s}}, 20 * s, []string{"High 0s", "Low 20s"}},
		{"a hold swallows a pulse", FailSecure, []step{{0, true, 5 * s}, {1 * s, true, 0}}, 20 * s, []string{"High 0s", "Low 20s"}},
		{"off ends a hold", FailSecure, []step{{0, true, 0}, {1 * s, false, 0}}, 20 * s, []string{"High 0s", "Low 1s"}},
		{"a pulse after off starts anew", FailSecure, []step{{0, true, 9 * s}, {1 * s, false, 0}, {2 * s, true, 1 * s}}, 20 * s,
			[]string{"High 0s", "Low 1s", "High 2s", "Low 3s"}},

		{"a fail-safe door is locked while the panel lives", FailSafe, nil, 10 * s, []string{"High 0s", "Low 10s"}},
		{"a fail-safe door is released without current", FailSafe, []step{{1 * s, true, 3 * s}}, 10 * s,
			[]string{"High 0s", "Low 1s", "High 4s", "Low 10s"}},
		{"a fail-safe hold stays open when the panel dies", FailSafe, []step{{1 * s, true, 0}}, 10 * s, []string{"High 0s", "Low 1s"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				p := guarded(t, w, front(test.safe))
				for i, step := range test.steps {
					time.Sleep(time.Until(w.started.Add(step.at))) // fake time
					if a := p.ask(request{Number: uint64(i + 2), Door: "front", On: step.on, Length: step.length}); a.Error != "" {
						t.Error(a.Error)
					}
				}
				time.Sleep(time.Until(w.started.Add(test.end))) // fake time
				if err := p.end(); err != nil {
					t.Error(err)
				}
				w.expect(t, test.want...)
				if !w.closed {
					t.Error("the line was not given back")
				}
			})
		})
	}
}

func TestAPanelThatHangsDoesNotHoldUpTheEndOfAPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := guarded(t, w, front(FailSecure))
		p.send(request{Number: 2, Door: "front", On: true, Length: 3 * time.Second})
		for n := range 500 { // far more than the guard keeps answers for; nobody reads them
			p.send(request{Number: uint64(3 + n)})
		}
		time.Sleep(10 * time.Second) // fake time
		w.expect(t, "High 0s", "Low 3s")
		if err := p.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestALineThatFailsIsLockedAsSoonAsItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := guarded(t, w, front(FailSecure))
		p.ask(request{Number: 2, Door: "front", On: true, Length: time.Second})
		w.breakDown(true)
		var word reply
		if err := p.from.next(&word); err != nil || word.Number != 0 || word.Door != "front" || !strings.Contains(word.Error, "cannot lock door") {
			t.Errorf("word of the failure: %+v, %v", word, err)
		}
		time.Sleep(5 * time.Second) // fake time
		if a := p.ask(request{Number: 3}); a.Error != "" {
			t.Errorf("the failure was told twice: %+v", a)
		}
		if a := p.ask(request{Number: 4, Door: "front", On: true, Length: time.Second}); !strings.Contains(a.Error, "cannot release") {
			t.Errorf("release over a broken line: %+v", a)
		}
		w.breakDown(false)
		time.Sleep(time.Second) // fake time
		if w.now() != gpio.Low {
			t.Error("the line works again and the door is still released")
		}
		if err := p.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRefusedRequestsMoveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := guarded(t, w, front(FailSecure))
		for i, r := range []request{
			{Door: "back", On: true, Length: time.Second},
			{Door: "front", On: true, Length: time.Minute + 1},
			{Door: "front", On: true, Length: -1},
		} {
			r.Number = uint64(i + 2)
			if a := p.ask(r); a.Error == "" {
				t.Errorf("%+v was taken", r)
			}
		}
		if err := p.end(); err != nil {
			t.Error(err)
		}
		w.expect(t)
	})
}

func TestWhatIsNotOurProtocolEndsTheGuardSafely(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":       "open the door\n",
		"unknown field": `{"n":3,"door":"front","on":false,"len":3}` + "\n",
		"two objects":   `{"n":3}{"n":4}` + "\n",
		"too long":      strings.Repeat(" ", maxLine+1) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				p := guarded(t, w, front(FailSecure))
				p.ask(request{Number: 2, Door: "front", On: true})
				go func() { _, _ = io.WriteString(p.in, text) }()
				if err := <-p.ended; err == nil {
					t.Error("the guard ended without an error")
				}
				w.expect(t, "High 0s", "Low 0s")
				_, _ = p.in.Close(), p.out.Close()
			})
		})
	}
}

func TestAGuardThatCannotHaveItsLinesSaysSoAndLeavesTheOthersSafe(t *testing.T) {
	good := front(FailSafe)
	for name, doors := range map[string][]Door{
		"none":        {},
		"no name":     {{Safe: FailSecure, MaxPulse: 1}},
		"no safe":     {{Name: "back", MaxPulse: 1}},
		"no pulse":    {{Name: "back", Safe: FailSecure}},
		"twice":       {good, good},
		"line is out": {good, {Name: "broken", Safe: FailSecure, MaxPulse: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire()
			first, err := encode(request{Number: 1, Doors: doors})
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			err = serve(strings.NewReader(string(first)), &out, func(d Door) (Line, error) {
				if d.Name == "broken" {
					return nil, errors.New("device or resource busy")
				}
				return w, nil
			})
			if err == nil || !strings.Contains(out.String(), `"error":"cannot guard`) {
				t.Errorf("error %v, answer %q", err, out.String())
			}
			w.expect(t)
		})
	}
}

// harness runs guards as goroutines for a client under test.
type harness struct {
	w       *wire
	mu      sync.Mutex
	current process
	starts  int
	refuse  bool        // new guards cannot be started
	mute    bool        // new guards take requests and answer only the first
	frozen  atomic.Bool // guards that run stand still at the next request
}

// freezer is the pipe to a guard that can be made to hang.
type freezer struct {
	net.Conn
	frozen *atomic.Bool
	killed chan struct{}
}

func (f freezer) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if f.frozen.Load() {
		<-f.killed
		return 0, io.EOF
	}
	return n, err
}

func (h *harness) spawn() (process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse {
		return process{}, errors.New("no such file")
	}
	h.starts++
	guardIn, in := net.Pipe()
	guardOut, out := net.Pipe()
	done := make(chan struct{})
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() {
		_, _ = guardIn.Close(), guardOut.Close()
		close(killed)
	})
	mute := h.mute
	go func() {
		defer close(done)
		defer kill()
		if mute {
			buf := make([]byte, maxLine)
			_, _ = guardIn.Read(buf)
			_, _ = io.WriteString(guardOut, `{"n":1}`+"\n")
			for {
				if _, err := guardIn.Read(buf); err != nil {
					return
				}
			}
		}
		// A killed guard leaves its line as it is; the next one requests it without current.
		_ = serve(freezer{guardIn, &h.frozen, killed}, guardOut, func(Door) (Line, error) {
			h.w.mu.Lock()
			defer h.w.mu.Unlock()
			h.w.set(gpio.Low)
			return h.w, nil
		})
	}()
	h.current = process{in: in, out: out, kill: kill, done: done}
	return h.current, nil
}

func (h *harness) set(refuse, mute bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse, h.mute = refuse, mute
}

func (h *harness) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current.kill()
}

func client(t *testing.T, h *harness, o Options) *Strikes {
	t.Helper()
	o.Doors = []Door{front(FailSecure)}
	s, err := start(t.Context(), h.spawn, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAGuardThatDiesIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{})
		if err := s.Set("front", true, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // fake time
		h.kill()
		<-s.Died()
		synctest.Wait()
		time.Sleep(time.Minute) // fake time
		h.w.expect(t, "High 0s", "Low 1s")
		if err := s.Set("front", true, time.Second); err != nil {
			t.Errorf("the next release: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if h.starts != 2 {
			t.Errorf("%d guards, want 2", h.starts)
		}
	})
}

func TestAHoldOutlivesItsGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{})
		if err := s.Set("front", true, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.kill()
		<-s.Died()
		synctest.Wait()
		if h.w.now() != gpio.High {
			t.Error("the fire's hold was lost with the guard")
		}
		if err := s.Set("front", false, 0); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		h.kill()
		<-s.Died()
		synctest.Wait()
		if h.w.now() != gpio.Low {
			t.Error("a hold that was taken back came again with the next guard")
		}
		_ = s.Close()
	})
}

func TestAHoldThatIsAskedForWithoutAGuardIsToldAndComesWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{})
		h.set(true, false)
		h.kill()
		<-s.Died()
		if err := s.Set("front", true, 0); err == nil {
			t.Error("a hold without a guard was taken without a word")
		}
		if s.Guarded() == nil {
			t.Error("a dead guard counts")
		}
		time.Sleep(time.Minute) // fake time
		h.set(false, false)
		time.Sleep(maxPause) // fake time
		synctest.Wait()
		if h.w.now() != gpio.High {
			t.Error("the hold did not come with the next guard")
		}
		if err := s.Guarded(); err != nil {
			t.Error(err)
		}
		_ = s.Close()
		if h.w.now() != gpio.Low {
			t.Error("Close left the door released")
		}
	})
}

func TestWhatIsAskedForWhileNoGuardIsUp(t *testing.T) {
	type step struct {
		at     time.Duration // since the guard's death
		on     bool
		length time.Duration
		wrong  bool // Set says so
	}
	const s, ms = time.Second, time.Millisecond
	tests := []struct {
		name   string
		before []step        // a second before the guard's death
		steps  []step        // while there is none
		back   time.Duration // when guards can be started again: the next try, at 0.1, 0.3, 0.7, 1.5, 3.1 s, brings one
		want   []string      // the line since the guard's death
		failed []string      // when Failed was told
	}{
		{"a release opens for the time that is left", nil, []step{{100 * ms, true, 3 * s, false}}, 200 * ms, []string{"High 300ms", "Low 3.1s"}, nil},
		{"at the moment of the loss too", nil, []step{{0, true, 3 * s, false}}, 200 * ms, []string{"High 300ms", "Low 3s"}, nil},
		{"the newest counts", nil, []step{{0, true, 2 * s, false}, {200 * ms, true, 4 * s, false}, {400 * ms, true, 3 * s, false}}, 500 * ms,
			[]string{"High 700ms", "Low 3.4s"}, nil},
		{"what was running stays over", []step{{0, true, 30 * s, false}}, nil, 200 * ms, nil, nil},
		{"and does not lengthen what is new", []step{{0, true, 30 * s, false}}, []step{{100 * ms, true, 2 * s, false}}, 200 * ms,
			[]string{"High 300ms", "Low 2.1s"}, nil},
		{"off takes it back", nil, []step{{0, true, 30 * s, false}, {100 * ms, false, 0, true}}, 200 * ms, nil, nil},
		{"and again", nil, []step{{0, true, 30 * s, false}, {100 * ms, false, 0, true}, {200 * ms, true, 2 * s, false}}, 250 * ms,
			[]string{"High 300ms", "Low 2.2s"}, nil},
		{"with less than 100 ms left it is told", nil, []step{{0, true, 390 * ms, false}}, 200 * ms, nil, []string{"290ms"}},
		{"with more it opens", nil, []step{{0, true, 410 * ms, false}}, 200 * ms, []string{"High 300ms", "Low 410ms"}, nil},
		{"a short one is told at once", nil, []step{{150 * ms, true, 50 * ms, false}}, 200 * ms, nil, []string{"150ms"}},
		{"after 3 s it is told", nil, []step{{0, true, 30 * s, false}}, 2 * s, nil, []string{"3s"}},
		{"each by its own time", nil, []step{{0, true, 30 * s, false}, {1 * s, true, 20 * s, false}}, 2 * s, []string{"High 3.1s", "Low 21s"}, nil},
		{"it opens nothing later", nil, []step{{0, true, 30 * s, false}}, 20 * s, nil, []string{"3s"}},
		{"a hold is told and comes", nil, []step{{0, true, 0, true}}, 20 * s, []string{"High 21.3s"}, nil},
		{"a hold takes the place of a release", nil, []step{{0, true, 30 * s, false}, {100 * ms, true, 0, true}}, 20 * s, []string{"High 21.3s"}, nil},
		{"a release does not end a hold", nil, []step{{0, true, 0, true}, {0, true, 1 * s, false}}, 200 * ms, []string{"High 300ms"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &harness{w: newWire()}
				told := make(chan time.Duration, 10)
				var death time.Time
				s := client(t, h, Options{Failed: func(string, error) { told <- time.Since(death) }})
				set := func(step step) {
					t.Helper()
					began := time.Now()
					if err := s.Set("front", step.on, step.length); (err != nil) != step.wrong {
						t.Errorf("%+v: %v", step, err)
					}
					if waited := time.Since(began); waited != 0 { // fake time: exact
						t.Errorf("Set waited %s", waited)
					}
				}
				for _, step := range test.before {
					set(step)
				}
				time.Sleep(time.Second) // fake time
				h.set(true, false)
				death = time.Now()
				h.kill()
				<-s.Died()
				synctest.Wait()
				h.w.restart()
				back := time.AfterFunc(test.back, func() { h.set(false, false) })
				defer back.Stop()
				for _, step := range test.steps {
					time.Sleep(time.Until(death.Add(step.at))) // fake time
					set(step)
				}
				time.Sleep(time.Until(death.Add(time.Minute))) // fake time
				synctest.Wait()
				h.w.expect(t, test.want...)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				close(told)
				var failed []string
				for at := range told {
					failed = append(failed, at.String())
				}
				if !slices.Equal(failed, test.failed) {
					t.Errorf("Failed was told at %q, want %q", failed, test.failed)
				}
			})
		})
	}
}

func TestAReleaseThatADeadGuardCannotReadIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{Failed: func(_ string, cause error) { t.Error(cause) }})
		synctest.Wait()
		h.kill()
		if err := s.Set("front", true, 2*time.Second); err != nil { // its loss is not known yet
			t.Error(err)
		}
		<-s.Died()
		time.Sleep(time.Minute) // fake time
		h.w.expect(t, "High 0s", "Low 2s")
		_ = s.Close()
	})
}

func TestAReleaseIsHandedOverOnceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{})
		h.set(true, false)
		h.kill()
		<-s.Died()
		if err := s.Set("front", true, 30*time.Second); err != nil {
			t.Error(err)
		}
		synctest.Wait() // the first guard in its place is refused
		h.set(false, false)
		time.Sleep(time.Second) // fake time
		h.kill()
		<-s.Died()
		time.Sleep(time.Minute) // fake time
		h.w.expect(t, "High 100ms", "Low 1s")
		_ = s.Close()
	})
}

// A guard that got a kept release is watched as closely as one that was asked by Set.
func TestAGuardThatHangsDuringAKeptReleaseIsReplacedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{})
		h.set(true, false)
		h.kill()
		<-s.Died()
		if err := s.Set("front", true, 30*time.Second); err != nil {
			t.Error(err)
		}
		h.set(false, false)
		time.Sleep(2 * time.Second) // fake time
		h.frozen.Store(true)
		hung := time.Now()
		<-s.Died()
		h.frozen.Store(false)
		if d := time.Since(hung); d >= time.Second { // fake time: exact
			t.Errorf("replaced after %s", d)
		}
		_ = s.Close()
	})
}

func TestAnotherGuardThatHangsDoesNotHoldUpWordOfAKeptRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		told := make(chan string, 10)
		s := client(t, h, Options{
			Failed: func(door string, cause error) { told <- cause.Error() },
			Mended: func(door string) { told <- door + " mended" },
		})
		synctest.Wait()
		h.frozen.Store(true) // the next guard never has its lines
		h.kill()
		<-s.Died()
		asked := time.Now()
		if err := s.Set("front", true, 30*time.Second); err != nil {
			t.Error(err)
		}
		if got := soon(t, told); !strings.Contains(got, "no other one was up in time") || time.Since(asked) != keepTime { // fake time: exact
			t.Errorf("told %q after %s", got, time.Since(asked))
		}
		h.frozen.Store(false)
		time.Sleep(time.Minute) // fake time
		if err := s.Set("front", true, time.Second); err != nil {
			t.Error(err)
		}
		if got := soon(t, told); got != "front mended" {
			t.Errorf("told %q", got)
		}
		_ = s.Close()
	})
}

// soon is what is told within a minute of fake time.
func soon(t *testing.T, told <-chan string) string {
	t.Helper()
	select {
	case word := <-told:
		return word
	case <-time.After(time.Minute):
		t.Fatal("nothing was told")
		return ""
	}
}

// The one who tells of what is too late may come to it after the new guard is up.
func TestANewGuardIsNotAskedForWhatIsTooLate(t *testing.T) {
	asked := time.Now()
	for _, test := range []struct{ length, after, left time.Duration }{
		{10 * time.Second, 0, 10 * time.Second},
		{10 * time.Second, keepTime - 1, 7*time.Second + 1},
		{10 * time.Second, keepTime, 0},
		{time.Second, 900*time.Millisecond - 1, 100*time.Millisecond + 1},
		{time.Second, 900 * time.Millisecond, 0},
		{time.Second, 2 * time.Second, 0},
	} {
		s := Strikes{o: Options{Doors: []Door{front(FailSecure)}}, kept: map[string]kept{"front": {asked, asked.Add(test.length)}}}
		var left time.Duration
		for _, r := range s.missed(asked.Add(test.after)) {
			left += r.Length
		}
		if left != test.left {
			t.Errorf("of %s, %s later, a new guard is asked for %s, want %s", test.length, test.after, left, test.left)
		}
	}
}

func TestNothingIsKeptWhenNobodyStartsGuards(t *testing.T) {
	for name, end := range map[string]func(*Strikes, context.CancelFunc){
		"closed":           func(s *Strikes, _ context.CancelFunc) { _ = s.Close() },
		"context canceled": func(_ *Strikes, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &harness{w: newWire()}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, err := start(ctx, h.spawn, Options{
					Doors: []Door{front(FailSecure)}, Failed: func(_ string, cause error) { t.Error(cause) },
				})
				if err != nil {
					t.Fatal(err)
				}
				h.set(true, false)
				h.kill()
				<-s.Died()
				if err := s.Set("front", true, 30*time.Second); err != nil {
					t.Error(err)
				}
				end(s, cancel)
				synctest.Wait()
				if err := s.Set("front", true, 30*time.Second); err == nil {
					t.Error("a release that nobody will carry out was taken")
				}
				s.mu.Lock()
				if list := s.missed(time.Now()); len(list) > 0 {
					t.Errorf("a guard that was just being started is asked for %+v", list)
				}
				s.mu.Unlock()
				time.Sleep(time.Minute) // fake time
				h.w.expect(t)
				_ = s.Close()
			})
		})
	}
}

func TestAGuardThatHangsIsReplacedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire(), mute: true}
		var failed []string
		s := client(t, h, Options{Failed: func(door string, cause error) { failed = append(failed, door) }})
		h.set(false, false)
		began := time.Now()
		if err := s.Set("front", true, 3*time.Second); err != nil {
			t.Fatal(err)
		}
		<-s.Died()
		if d := time.Since(began); d >= time.Second { // fake time: exact
			t.Errorf("replaced after %s", d)
		}
		if !slices.Equal(failed, []string{"front"}) {
			t.Errorf("told of %q", failed)
		}
		_ = s.Close()
	})
}

func TestWhatTheGuardMeetsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		told := make(chan string, 10)
		s := client(t, h, Options{
			Failed: func(door string, cause error) { told <- door + ": " + cause.Error() },
			Mended: func(door string) { told <- door + " mended" },
		})
		h.w.breakDown(true)
		if err := s.Set("front", true, time.Second); err != nil {
			t.Fatal(err)
		}
		if got := <-told; !strings.Contains(got, "front: cannot release door") {
			t.Errorf("told %q", got)
		}
		h.w.breakDown(false)
		for range 2 { // told once
			if err := s.Set("front", false, 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := <-told; got != "front mended" || len(told) > 0 {
			t.Errorf("told %q and %d more", got, len(told))
		}
		_ = s.Close()
	})
}

func TestSetRefusesWhatNoGuardWouldTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{w: newWire()}
		s := client(t, h, Options{})
		for _, err := range []error{s.Set("back", true, 1), s.Set("front", true, -1), s.Set("front", true, time.Hour)} {
			if err == nil {
				t.Error("taken")
			}
		}
		_ = s.Close()
		if err := s.Set("front", true, time.Second); err == nil {
			t.Error("taken after Close")
		}
		h.w.expect(t)
	})
}

func TestStartSaysWhyThereIsNoGuard(t *testing.T) {
	if _, err := start(t.Context(), (&harness{w: newWire(), refuse: true}).spawn, Options{Doors: []Door{front(FailSecure)}}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
	if _, err := start(t.Context(), (&harness{w: newWire()}).spawn, Options{Doors: []Door{front("")}}); err == nil || !strings.Contains(err.Error(), "fail-secure") {
		t.Errorf("error %v", err)
	}
}

func FuzzGuard(f *testing.F) {
	f.Add([]byte(`{"n":1,"doors":[{"name":"a","safe":"fail-secure","max_pulse":1000000000}]}` + "\n" + `{"n":2,"door":"a","on":true,"length":5}` + "\n"))
	f.Add([]byte(`{"n":1,"doors":[{"name":"a","safe":"fail-safe","max_pulse":1}]}` + "\n{\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var open []*wire
		_ = serve(strings.NewReader(string(in)), io.Discard, func(Door) (Line, error) {
			w := newWire()
			open = append(open, w)
			return w, nil
		})
		for _, w := range open {
			if w.level != gpio.Low || !w.closed {
				t.Errorf("after %q a line is left energized or open", in)
			}
		}
	})
}
