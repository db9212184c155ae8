// Package guard keeps strikes safe when the panel dies: a second process owns their lines and lets go of a door when
// its time is up or the panel's pipe closes.
//
// The panel starts it (Start) and sends it releases with their length; the guard (Main) ends each of them by its own
// clock. It decides nothing else, and it does not open the lines by itself: the opener is handed in.
//
// What on means: the door is released, people can pass. With a fail-secure lock (an electric strike) on energizes the
// line and everything else leaves it without current: locked when all is dead. With a fail-safe lock (a magnet) the
// line is energized while the door is locked and on takes the current away: open when all is dead. So the safe state
// of every line is "not energized", which is also how a line is requested; a fail-safe door is locked as soon as the
// guard has a living panel. No line is ever energized to release a door at start.
package guard

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Safe is what a door does when everything is dead.
type Safe string

// The two kinds of lock. There is no default: a wrong guess locks people in or lets strangers in.
const (
	FailSecure Safe = "fail-secure" // locked without current
	FailSafe   Safe = "fail-safe"   // open without current
)

// Door is one strike.
type Door struct {
	Name      string        `json:"name"`
	Chip      string        `json:"chip"` // label or name
	Line      string        `json:"line"` // name or offset
	ActiveLow bool          `json:"active_low,omitempty"`
	Safe      Safe          `json:"safe"`
	MaxPulse  time.Duration `json:"max_pulse"` // the longest release with an end that is taken
}

// Line is an output that is energized with gpio.High. Close leaves it without current. Periph's gpio.PinOut with a
// Close is one.
type Line interface {
	Out(gpio.Level) error
	Close() error
}

// Opener requests the line of a door, not energized from the first moment, with active low already taken care of.
type Opener func(Door) (Line, error)

// early is how much before the end of a release the panel may ask for its end without getting it sooner: its clock began
// before the guard's, by as long as the request was under way, and the strike is to have its whole time.
const early = 250 * time.Millisecond

// retry is how soon a line that could not be driven is tried again.
const retry = 100 * time.Millisecond

// Main is the body of the guard's process: the panel's requests come from in, the answers go to out. It ends when in
// does, with every line safe. Signals that a terminal or a service manager sends to the whole group are ignored: the
// pipe alone decides, so that a panel that is stopped cleanly keeps its guard to the end.
func Main(in io.Reader, out io.Writer, open Opener) error {
	// Without this an answer to a panel that is gone would kill the guard before the lines are safe.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	return serve(in, out, open)
}

// strike is one door in the guard.
type strike struct {
	door   Door
	line   Line
	on     bool      // released, or not surely locked
	held   bool      // released without an end
	until  time.Time // when to lock, unless held
	failed bool      // the last try to lock failed
}

// level is the electrical meaning of on.
func (s *strike) level(on bool) gpio.Level { return gpio.Level(on == (s.door.Safe == FailSecure)) }

type server struct {
	strikes []*strike
	answers chan reply
}

// serve returns nil when in ends, and in every case leaves each line safe.
func serve(in io.Reader, out io.Writer, open Opener) (err error) {
	from := newLines(in)
	s := &server{answers: make(chan reply, 64)}
	defer func() { err = errors.Join(err, s.close()) }()

	// Answers have a goroutine of their own: a panel that hangs and reads nothing must not hold up the end of a pulse.
	go func() {
		for a := range s.answers {
			if b, err := encode(a); err == nil {
				_, _ = out.Write(b) // a panel that is gone shows in the pipe from it
			}
		}
	}()
	defer close(s.answers)

	var first request
	switch err := from.next(&first); {
	case err == io.EOF:
		return nil
	case err != nil:
		return err
	}
	if err := s.open(first.Doors, open); err != nil {
		err = errors.Join(err, s.close())
		s.strikes = nil
		if b, unwritable := encode(reply{Number: first.Number, Error: err.Error()}); unwritable == nil {
			_, _ = out.Write(b) // written here: the process is about to end
		}
		return err
	}
	s.answer(reply{Number: first.Number})

	requests, failed, done := make(chan request), make(chan error, 1), make(chan struct{})
	defer close(done)
	go func() {
		for {
			var r request
			if err := from.next(&r); err != nil {
				failed <- err
				return
			}
			select {
			case requests <- r:
			case <-done:
				return
			}
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.next(time.Now()))
		select {
		case r := <-requests:
			s.handle(time.Now(), r)
		case <-timer.C:
			s.expire(time.Now())
		case err := <-failed:
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// open requests every line and then locks every door.
func (s *server) open(doors []Door, open Opener) error {
	if len(doors) == 0 {
		return errors.New("cannot guard strikes: the first message names no door")
	}
	for _, d := range doors {
		if err := d.check(); err != nil {
			return err
		}
		if s.find(d.Name) != nil {
			return fmt.Errorf("cannot guard door %q: it is named twice", d.Name)
		}
		line, err := open(d)
		if err != nil {
			return fmt.Errorf("cannot guard door %q: %w", d.Name, err)
		}
		s.strikes = append(s.strikes, &strike{door: d, line: line})
	}
	for _, k := range s.strikes {
		if k.door.Safe == FailSecure {
			continue // as it was requested
		}
		if err := k.line.Out(k.level(false)); err != nil {
			return fmt.Errorf("cannot lock door %q: %w", k.door.Name, err)
		}
	}
	return nil
}

func (d Door) check() error {
	switch {
	case d.Name == "":
		return errors.New("cannot guard a door without a name")
	case d.Safe != FailSecure && d.Safe != FailSafe:
		return fmt.Errorf("cannot guard door %q: safe = %q; write %q or %q", d.Name, d.Safe, FailSecure, FailSafe)
	case d.MaxPulse <= 0:
		return fmt.Errorf("cannot guard door %q: the longest pulse is %s; write a positive duration", d.Name, d.MaxPulse)
	}
	return nil
}

func (s *server) find(door string) *strike {
	for _, k := range s.strikes {
		if k.door.Name == door {
			return k
		}
	}
	return nil
}

// answer drops what a panel that does not read cannot get: it is told by the missing answer.
func (s *server) answer(r reply) {
	select {
	case s.answers <- r:
	default:
	}
}

func (s *server) handle(now time.Time, r request) {
	a := reply{Number: r.Number, Door: r.Door}
	if r.Door != "" {
		if err := s.set(now, r); err != nil {
			a.Error = err.Error()
		}
	}
	s.answer(a)
}

func (s *server) set(now time.Time, r request) error {
	k := s.find(r.Door)
	switch {
	case k == nil:
		return fmt.Errorf("cannot set door %q: there is no such door", r.Door)
	case !r.On && k.on && !k.held && !k.failed && k.until.Sub(now) <= early:
		return nil // expire locks it
	case !r.On:
		return k.lock(now)
	case r.Length < 0 || r.Length > k.door.MaxPulse:
		return fmt.Errorf("cannot release door %q for %s: at most %s", r.Door, r.Length, k.door.MaxPulse)
	}
	if err := k.line.Out(k.level(true)); err != nil {
		err = fmt.Errorf("cannot release door %q: %w", r.Door, err)
		if k.on {
			return err // it ends when it would have ended
		}
		// The line may be in either state now: make sure that it ends locked.
		return errors.Join(err, k.lock(now))
	}
	if !k.on {
		k.on, k.until = true, now
	}
	if r.Length == 0 {
		k.held = true
	} else if end := now.Add(r.Length); end.After(k.until) {
		k.until = end
	}
	return nil
}

// lock ends a release. What fails is tried again by expire until it works.
func (k *strike) lock(now time.Time) error {
	k.held = false
	if err := k.line.Out(k.level(false)); err != nil {
		k.on, k.failed, k.until = true, true, now.Add(retry)
		return fmt.Errorf("cannot lock door %q: %w", k.door.Name, err)
	}
	k.on, k.failed = false, false
	return nil
}

// next is how long until expire has something to do.
func (s *server) next(now time.Time) time.Duration {
	wait := time.Hour
	for _, k := range s.strikes {
		if k.on && !k.held {
			wait = min(wait, max(0, k.until.Sub(now)))
		}
	}
	return wait
}

// expire locks the doors whose time is up. A release with an end never ends one without. A door that cannot be locked
// is told once.
func (s *server) expire(now time.Time) {
	for _, k := range s.strikes {
		if !k.on || k.held || now.Before(k.until) {
			continue
		}
		told := k.failed
		if err := k.lock(now); err != nil && !told {
			s.answer(reply{Door: k.door.Name, Error: err.Error()})
		}
	}
}

// close leaves every line without current, whatever happens to the others.
func (s *server) close() error {
	var errs []error
	for _, k := range s.strikes {
		if err := k.line.Close(); err != nil {
			errs = append(errs, fmt.Errorf("cannot leave door %q safe: %w", k.door.Name, err))
		}
	}
	return errors.Join(errs...)
}
