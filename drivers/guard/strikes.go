package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// startTime is how long a new guard may take to request its lines.
	startTime = 5 * time.Second
	// answerTime is how long a guard may take to answer before it counts as hung and is replaced. It is asked for a sign
	// of life as often, also while no door is released: an exit that is handed to a guard that hangs is lost. So a hang is
	// known within twice this time, which with the start of the next guard stays near the second that a release may last
	// too long.
	answerTime = 400 * time.Millisecond
	// stopTime is how long a guard may take to leave its lines safe.
	stopTime = time.Second
	// maxPause is the longest pause between two tries to start a guard; the first try has none.
	maxPause = 5 * time.Second
	// keepTime is how long a release waits for a guard: a door that opens later takes by surprise.
	keepTime = 3 * time.Second
	// leastLeft is the shortest rest of a release that a new guard is asked for: nobody can use less.
	leastLeft = 100 * time.Millisecond
)

// Options say what a guard guards.
type Options struct {
	Doors []Door
	// Args are the arguments that make the executable a guard: {"guard"} when nil.
	Args []string
	// Log gets a line when the guard is lost and when it is back; nil logs nothing.
	Log *slog.Logger
	// Stderr gets what the guard's process prints; nil drops it.
	Stderr io.Writer
	// Failed is told of a door that could not be set after Set had returned. It must not block.
	Failed func(door string, cause error)
	// Mended is told of a door that was set again after Failed, or after an error of Set. It must not block.
	Mended func(door string)
}

// Strikes is the panel's side of the guard.
type Strikes struct {
	o       Options
	spawn   func() (process, error)
	died    chan struct{}
	kick    chan struct{}
	due     *time.Timer // when to look for kept releases that waited too long
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	guard   *guardian // nil while there is none
	number  uint64
	waiting []waiting // requests without an answer, oldest first
	held    map[string]bool
	kept    map[string]kept
	failed  map[string]bool
	closing bool
}

type waiting struct {
	number uint64
	door   string
	since  time.Time
}

// kept is a release with an end that was asked for while no guard was up.
type kept struct {
	asked, until time.Time
}

// deadline is until when a new guard gets it.
func (k kept) deadline() time.Time {
	if late := k.until.Add(-leastLeft); late.Before(k.asked.Add(keepTime)) {
		return late
	}
	return k.asked.Add(keepTime)
}

// process is a guard's process: a real one, or a goroutine in a test.
type process struct {
	in interface {
		io.WriteCloser
		SetWriteDeadline(time.Time) error
	}
	out  io.ReadCloser
	kill func()
	done <-chan struct{} // closed when it has ended
}

// guardian is one running guard. Lost gets the reason once when it must be replaced.
type guardian struct {
	process
	lost chan error
}

func (g *guardian) lose(cause error) {
	select {
	case g.lost <- cause:
	default:
	}
}

func start(ctx context.Context, spawn func() (process, error), o Options) (*Strikes, error) {
	for _, d := range o.Doors {
		if err := d.check(); err != nil {
			return nil, err
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Strikes{
		o: o, spawn: spawn, stop: cancel, held: map[string]bool{}, kept: map[string]kept{}, failed: map[string]bool{},
		died: make(chan struct{}, 1), kick: make(chan struct{}, 1), due: time.NewTimer(keepTime),
	}
	g, err := s.launch(ctx)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot start the guard of the strikes: %w", err)
	}
	s.running.Go(func() { s.supervise(ctx, g) })
	s.running.Go(func() { s.drop(ctx) })
	return s, nil
}

// Set releases a door (on) or locks it. Length is how long it is released, at most the door's longest pulse; 0 holds
// it for as long as this process and a guard live, also over the loss of a guard. A release never shortens one that
// is running; only off ends it early, unless it would end by itself within a quarter of a second. Set does not wait
// for the guard: an error means that the request could not be handed over, one that the guard meets goes to Failed.
//
// A release with an end that is asked for while no guard is up is no error: the next guard gets the newest one of each
// door, for the time that is left of it. Off takes it back. Failed is told of one that no guard could take up within 3
// seconds, or before 100 ms of it were left.
func (s *Strikes) Set(door string, on bool, length time.Duration) error {
	i := slices.IndexFunc(s.o.Doors, func(d Door) bool { return d.Name == door })
	switch {
	case i < 0:
		return fmt.Errorf("cannot set door %q: there is no such door", door)
	case on && (length < 0 || length > s.o.Doors[i].MaxPulse):
		return fmt.Errorf("cannot release door %q for %s: at most %s", door, length, s.o.Doors[i].MaxPulse)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return fmt.Errorf("cannot set door %q: the strikes are closed", door)
	}
	now := time.Now()
	switch {
	case !on:
		delete(s.held, door)
		delete(s.kept, door)
	case length == 0:
		s.held[door] = true
		delete(s.kept, door)
	}
	var err error
	if s.guard == nil {
		err = fmt.Errorf("cannot set door %q: %w", door, errNoGuard)
	} else {
		select {
		case s.kick <- struct{}{}:
		default:
		}
		err = s.send(request{Door: door, On: on, Length: length})
	}
	switch {
	case err == nil:
		return nil
	case on && length > 0:
		// Also what could not be written: the guard is dead already, and only not yet known to be.
		s.kept[door] = kept{asked: now, until: now.Add(length)}
		s.due.Reset(0)
		return nil
	}
	s.failed[door] = true
	return err
}

var errNoGuard = errors.New("its guard died and is started again")

// Guarded is nil while there is a guard.
func (s *Strikes) Guarded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return errNoGuard
	}
	return nil
}

// Died gets a value after each loss of a guard: every release with an end that was running is over then, holds come back
// with the next guard.
func (s *Strikes) Died() <-chan struct{} { return s.died }

// Close leaves every line safe and ends the guard.
func (s *Strikes) Close() error {
	s.shut()
	s.stop()
	s.running.Wait()
	return nil
}

// shut lets nothing be asked for any more.
func (s *Strikes) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	clear(s.kept)
}

// send must be called with mu held, and with a guard.
func (s *Strikes) send(r request) error {
	s.number++
	r.Number = s.number
	b, err := encode(r)
	if err != nil {
		return err
	}
	now := time.Now()
	// The pipe holds hundreds of requests: it is full only when the guard hangs.
	if err := s.guard.in.SetWriteDeadline(now.Add(answerTime)); err != nil {
		return fmt.Errorf("cannot ask the guard: %w", err)
	}
	if _, err := s.guard.in.Write(b); err != nil {
		err = fmt.Errorf("cannot ask the guard: %w", err)
		s.guard.lose(err)
		return err
	}
	s.waiting = append(s.waiting, waiting{r.Number, r.Door, now})
	return nil
}

// launch starts a guard and waits until it has its lines.
func (s *Strikes) launch(ctx context.Context) (*guardian, error) {
	p, err := s.spawn()
	if err != nil {
		return nil, err
	}
	g := &guardian{process: p, lost: make(chan error, 1)}
	ready := make(chan error, 1)
	go s.listen(g, ready)

	s.mu.Lock()
	s.waiting = nil
	s.guard = g
	err = s.send(request{Doors: s.o.Doors})
	s.guard = nil
	s.mu.Unlock()
	if err == nil {
		late := time.NewTimer(startTime)
		defer late.Stop()
		select {
		case err = <-ready:
		case <-ctx.Done():
			err = ctx.Err()
		case <-late.C:
			err = fmt.Errorf("it has no lines after %s", startTime)
		}
	}
	if err != nil {
		s.end(g)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guard = g
	for _, r := range s.missed(time.Now()) {
		if err := s.send(r); err != nil {
			break // the guardian knows that it is lost
		}
		if r.Length > 0 {
			delete(s.kept, r.Door)
		}
	}
	return g, nil
}

// missed must be called with mu held. It is what a new guard has to be asked for: every hold, and each kept release that
// is not too late, for the time that is left of it.
func (s *Strikes) missed(now time.Time) (list []request) {
	for _, d := range s.o.Doors {
		if s.held[d.Name] {
			list = append(list, request{Door: d.Name, On: true})
		}
		if k, ok := s.kept[d.Name]; ok && now.Before(k.deadline()) {
			list = append(list, request{Door: d.Name, On: true, Length: k.until.Sub(now)})
		}
	}
	return list
}

// drop tells of the kept releases that no guard took up in time. Whoever starts guards may hang over one, so it is not
// left to that.
func (s *Strikes) drop(ctx context.Context) {
	defer s.due.Stop()
	for {
		select {
		case <-ctx.Done():
			s.shut() // nobody is left who would start a guard
			return
		case <-s.due.C:
		}
		for _, door := range s.overdue() {
			s.fail(door, fmt.Errorf("cannot release door %q: its guard died and no other one was up in time", door))
		}
	}
}

// overdue removes the kept releases whose deadline is over, and sets the clock to that of the next.
func (s *Strikes) overdue() (doors []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, next := time.Now(), keepTime
	for door, k := range s.kept {
		if wait := k.deadline().Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		delete(s.kept, door)
		doors = append(doors, door)
	}
	if len(s.kept) > 0 {
		s.due.Reset(next)
	}
	return doors
}

// listen reads the guard's answers. The first one goes to ready.
func (s *Strikes) listen(g *guardian, ready chan<- error) {
	defer func() { _ = g.out.Close() }() // read to its end
	from := newLines(g.out)
	for first := true; ; first = false {
		var a reply
		err := from.next(&a)
		if err == io.EOF {
			err = errors.New("it ended")
		}
		if first {
			if err == nil && a.Error != "" {
				err = errors.New(a.Error)
			}
			ready <- err
		}
		if err != nil {
			g.lose(err)
			return
		}
		s.mu.Lock()
		s.waiting = slices.DeleteFunc(s.waiting, func(w waiting) bool { return w.number == a.Number })
		mended := a.Error == "" && s.failed[a.Door]
		if mended {
			delete(s.failed, a.Door)
		}
		s.mu.Unlock()
		switch {
		case !first && a.Error != "":
			s.fail(a.Door, errors.New(a.Error))
		case mended && s.o.Mended != nil:
			s.o.Mended(a.Door)
		}
	}
}

func (s *Strikes) fail(door string, cause error) {
	s.mu.Lock()
	s.failed[door] = true
	s.mu.Unlock()
	s.o.Log.Error("strike failed", "door", door, "cause", cause)
	if s.o.Failed != nil {
		s.o.Failed(door, cause)
	}
}

// supervise keeps a guard running until ctx ends.
func (s *Strikes) supervise(ctx context.Context, g *guardian) {
	for {
		cause := s.attend(ctx, g)
		s.mu.Lock()
		s.guard = nil
		unanswered := s.waiting
		s.waiting = nil
		s.mu.Unlock()
		if cause == nil {
			s.end(g)
			return
		}
		g.kill()
		<-g.done
		_ = g.in.Close() // nobody reads it any more
		s.o.Log.Error("guard of the strikes lost", "cause", cause)
		for _, w := range unanswered {
			if w.door != "" {
				s.fail(w.door, fmt.Errorf("cannot set door %q: its guard died: %w", w.door, cause))
			}
		}
		select {
		case s.died <- struct{}{}:
		default:
		}
		if g = s.relaunch(ctx); g == nil {
			return
		}
	}
}

// relaunch tries until there is a guard; nil when ctx ends. The first try is made at once: while there is no guard, a
// line may keep the level it had.
func (s *Strikes) relaunch(ctx context.Context) *guardian {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		g, err := s.launch(ctx)
		if err == nil {
			s.o.Log.Info("guard of the strikes is back")
			return g
		}
		s.o.Log.Error("cannot start the guard of the strikes", "cause", err, "again_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return nil
}

// attend asks the guard for signs of life and returns why it was lost; nil when ctx ends.
func (s *Strikes) attend(ctx context.Context, g *guardian) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case cause := <-g.lost:
			return cause
		case <-s.kick:
		case <-timer.C:
			if err := s.ask(); err != nil {
				return err
			}
		}
		timer.Reset(s.pause())
	}
}

// ask sends a request that sets nothing, unless one is unanswered already.
func (s *Strikes) ask() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return s.send(request{})
	}
	if age := time.Since(s.waiting[0].since); age >= answerTime {
		return fmt.Errorf("it gave no answer for %s", age)
	}
	return nil
}

// pause is the time until the next look at the guard.
func (s *Strikes) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		return max(0, answerTime-time.Since(s.waiting[0].since))
	}
	return answerTime
}

// end closes the pipe, which makes the guard leave its lines safe, and waits for that.
func (s *Strikes) end(g *guardian) {
	_ = g.in.Close() // of a pipe: it cannot fail in a way that leaves it open
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-g.done:
	case <-late.C:
		s.o.Log.Error("guard of the strikes did not end in time and is killed")
		g.kill()
		<-g.done
	}
}
