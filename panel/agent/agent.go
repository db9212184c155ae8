// Package agent is the one loop of a panel: it orders events, looks facts up, performs actions.
//
// It decides nothing at the door (package panel does), and knows neither files nor wires: journal, store, telephone and
// hardware are handed in by whoever composes the program.
package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// Journal keeps entries. Append never waits for the disk.
type Journal interface {
	// Append hands over the two parts of an entry; done gets one value once they are durable, or cannot be made so.
	Append(open, personal []byte) (seq uint64, done <-chan error, err error)
}

// Phone places calls by id. Nothing in it waits.
type Phone interface {
	Place(call, target, account string)
	HangUp(call string)
	SetAccount(account string, on bool)
}

// Hardware is what people at the door see, hear and push against. Nothing in it waits.
type Hardware interface {
	// SetStrike releases a door for length, for as long as the process lives when length is 0, or secures it.
	SetStrike(door string, on bool, length time.Duration) error
	Signal(panel.Signal)
}

// Lookups finds credentials. It may wait for a disk: it is asked outside the loop.
type Lookups interface {
	// Facts finds who a card (its UID), a code (its digits) or a pass (PassID) belongs to. What is not known is no error.
	Facts(kind access.Kind, shown string) (panel.Facts, error)
}

// Options is everything an agent works with.
type Options struct {
	Panel    *panel.Panel
	Key      ed25519.PublicKey // the panel's own: guests' passes are signed with it
	Boot     string            // 16 hexadecimal digits, drawn at this start
	Journal  Journal
	Phone    Phone
	Hardware Hardware
	Lookups  Lookups
	// Button is what stands behind a call button, from memory: the first button must work without a disk.
	Button func(number int) panel.CallButtonPressed
	// Doors are the doors' names, for the way out.
	Doors []string
	Clock func() panel.Now // asked from several goroutines
	// Seal seals a mark to the recipient of the silent alarm, always into the same number of bytes. nil: grants carry none.
	Seal   func(recipient string, duress bool) ([]byte, error)
	Replay *Replay // what was remembered; owned by the agent from now on
	// HasHub tells whether the panel belongs to a hub, which is asked for the license of a typed short code; nil: never.
	HasHub func() bool
	Logger *slog.Logger
}

// Agent runs one panel. Its methods may be called from any goroutine once Run has been called.
type Agent struct {
	o          Options
	log        *slog.Logger
	urgent     chan input // exit: never behind anything else
	fire       chan bool  // the newest state of the fire input, ahead of all; a state that was overtaken is forgotten
	inbox      chan input
	reads      chan read
	keypads    map[string]*panel.Keypad // of the readers' goroutine
	waiting    map[string]chan panel.Answer
	view       atomic.Pointer[View]
	face       face
	learner    atomic.Pointer[learner]
	dropped    atomic.Uint64
	requests   atomic.Uint64
	offset     time.Duration // wall minus monotonic, to see the clock jump
	trusted    bool
	clockMove  chan struct{} // the licenses look at the clock again
	replay     *Replay
	lastSeq    uint64
	snapshots  chan chan Snapshot
	presences  chan chan []panel.Presence
	unwatched  chan (<-chan error) // of entries that no decision waits for
	unrecorded atomic.Uint64
	journalOK  atomic.Bool
	stopped    chan struct{}
	waiters    sync.WaitGroup
}

// View is the machine as it was after the last step.
type View struct {
	panel.View
	At time.Duration // monotonic
}

type input struct {
	event  panel.Event
	done   chan struct{}     // closed after the step, when not nil
	answer chan panel.Answer // for what is answered
}

const inboxSize = 256

// New makes an agent. Nothing happens before Run.
func New(o Options) *Agent {
	if o.Replay == nil {
		o.Replay = &Replay{}
	}
	a := &Agent{
		o: o, log: o.Logger, replay: o.Replay,
		urgent: make(chan input, 16), fire: make(chan bool, 1), inbox: make(chan input, inboxSize), reads: make(chan read, 64), unwatched: make(chan (<-chan error), 1024),
		keypads: map[string]*panel.Keypad{}, waiting: map[string]chan panel.Answer{},
		clockMove: make(chan struct{}, 1), snapshots: make(chan chan Snapshot), presences: make(chan chan []panel.Presence), stopped: make(chan struct{}),
	}
	a.face.changed = make(chan struct{})
	a.journalOK.Store(true)
	a.view.Store(&View{View: o.Panel.View(o.Clock())})
	return a
}

// Run is the loop. It returns when ctx ends, with every strike secured and the last entry durable if the disk lets it.
func (a *Agent) Run(ctx context.Context) error {
	readers, stopReaders := context.WithCancel(ctx)
	defer stopReaders()
	a.waiters.Go(func() { a.read(readers) })
	a.waiters.Go(func() { a.watchJournal(readers) })
	defer a.waitFor()
	defer close(a.stopped)

	now := a.o.Clock()
	a.offset, a.trusted = now.Wall.Sub(time.Unix(0, 0))-now.Mono, now.Trusted
	a.perform(now, a.o.Panel.Start(now))
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		a.publish()
		timer.Reset(a.untilNext())
		// What came by the urgent way goes first, whatever else is waiting.
		select {
		case on := <-a.fire:
			a.fireIs(on)
			continue
		case in := <-a.urgent:
			a.step(in)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			a.leave()
			return nil
		case on := <-a.fire:
			a.fireIs(on)
		case in := <-a.urgent:
			a.step(in)
		case in := <-a.inbox:
			a.step(in)
		case reply := <-a.snapshots:
			reply <- a.snapshot()
		case reply := <-a.presences:
			reply <- a.o.Panel.Inside()
		case <-timer.C:
			a.step(input{event: panel.Tick{}})
		}
	}
}

func (a *Agent) fireIs(on bool) {
	if on {
		a.step(input{event: panel.FireAlarm{}})
		return
	}
	a.step(input{event: panel.Cleared{Input: panel.Fire}})
}

// waitFor waits for the goroutines of the loop, but not for a lookup in a store that hangs.
func (a *Agent) waitFor() {
	done := make(chan struct{})
	go func() {
		a.waiters.Wait()
		close(done)
	}()
	timeout := time.NewTimer(goodbyeFor)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
		a.log.Error("cannot wait for a lookup any longer: the store does not answer")
	}
}

// goodbyeFor bounds each thing that the way out waits for.
const goodbyeFor = 2 * time.Second

func (a *Agent) untilNext() time.Duration {
	next := a.o.Panel.Next()
	if next == 0 {
		return time.Hour
	}
	return max(next-a.o.Clock().Mono, 0)
}

func (a *Agent) step(in input) {
	now := a.o.Clock()
	events := []panel.Event{in.event}
	if jump, moved := a.clockJump(now); moved {
		// What follows is read by the new clock; an exit and a fire alarm wait not even for that.
		changed := panel.ClockChanged{Jump: jump}
		if events = []panel.Event{changed, in.event}; isUrgent(in.event) {
			events = []panel.Event{in.event, changed}
		}
		select {
		case a.clockMove <- struct{}{}:
		default:
		}
	}
	if in.answer != nil {
		a.waiting[requestOf(in.event)] = in.answer
	}
	for _, event := range events {
		a.perform(now, a.o.Panel.Step(now, event))
	}
	if in.done != nil {
		a.publish()
		close(in.done)
	}
}

func isUrgent(event panel.Event) bool {
	switch event.(type) {
	case panel.ExitRequested, panel.FireAlarm:
		return true
	}
	return false
}

// clockJump notices a wall clock that was set, or trust in it that changed. Slow slewing is no jump.
func (a *Agent) clockJump(now panel.Now) (time.Duration, bool) {
	offset := now.Wall.Sub(time.Unix(0, 0)) - now.Mono
	jump := offset - a.offset
	moved := jump.Abs() > 2*time.Second || now.Trusted != a.trusted
	a.offset, a.trusted = offset, now.Trusted
	return jump, moved
}

// perform does the actions in their order. What fails at once comes back as an event of its own.
func (a *Agent) perform(now panel.Now, actions []panel.Action) {
	var failed []panel.Event
	for _, action := range actions {
		switch act := action.(type) {
		case panel.SetStrike:
			if err := a.o.Hardware.SetStrike(act.Door, act.On, act.For); err != nil {
				a.log.Error("cannot move strike", "door", act.Door, "on", act.On, "cause", err)
				failed = append(failed, panel.DeviceChanged{Device: "strike " + act.Door, Dead: true, Cause: err.Error()})
			}
		case panel.Signal:
			a.face.show(act)
			a.o.Hardware.Signal(act)
		case panel.PlaceCall:
			a.o.Phone.Place(act.Call, act.Target, act.Account)
		case panel.HangUp:
			a.o.Phone.HangUp(act.Call)
		case panel.SetAccount:
			a.o.Phone.SetAccount(act.Account, act.On)
		case panel.Record:
			if err := a.record(now, act); err != nil && act.Ticket != 0 {
				failed = append(failed, panel.Recorded{Ticket: act.Ticket, Failed: true})
			}
		case panel.Answer:
			if answer, ok := a.waiting[act.Request]; ok {
				delete(a.waiting, act.Request)
				a.publish() // whoever gets the answer sees what it says
				answer <- act
			}
		}
	}
	for _, event := range failed {
		a.perform(now, a.o.Panel.Step(now, event))
	}
}

func (a *Agent) record(now panel.Now, r panel.Record) error {
	if r.Seal != "" && a.o.Seal != nil {
		sealed, err := a.o.Seal(r.Seal, r.Duress)
		if err != nil {
			a.log.Error("cannot seal the mark of a grant", "cause", err)
		}
		r.Entry.Sealed = sealed
	}
	record := Record{Boot: a.o.Boot, Now: now, Entry: r.Entry, Remember: r.Remember}
	open, personal := record.Encode()
	a.replay.Add(record) // also when the journal fails: a snapshot may still be kept
	seq, done, err := a.o.Journal.Append(open, personal)
	if err != nil {
		a.written(err)
		return err
	}
	a.lastSeq = seq
	a.log.Info("journal", "seq", seq, "kind", r.Entry.Kind, "door", r.Entry.Door, "why", r.Entry.Why)
	if r.Ticket != 0 {
		a.waiters.Go(func() { a.await(r.Ticket, done) })
		return nil
	}
	select {
	case a.unwatched <- done:
	default: // the disk is far behind: those ahead in the queue will say so
	}
	return nil
}

// watchJournal sees whether the entries that nobody waits for became durable.
func (a *Agent) watchJournal(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case done := <-a.unwatched:
			select {
			case err := <-done:
				a.written(err)
			case <-ctx.Done():
				return
			}
		}
	}
}

// await brings the word that an entry is durable back into the loop.
func (a *Agent) await(ticket uint64, done <-chan error) {
	select {
	case err := <-done:
		a.written(err)
		select {
		case a.inbox <- input{event: panel.Recorded{Ticket: ticket, Failed: err != nil}}:
		case <-a.stopped:
		}
	case <-a.stopped:
	}
}

// written counts what the journal could not take, and has it written down as soon as it takes something again: what is
// missing is named, never silent.
func (a *Agent) written(err error) {
	if was := a.journalOK.Swap(err == nil); was && err != nil {
		a.log.Error("cannot write the journal", "cause", err)
	}
	if err != nil {
		a.unrecorded.Add(1)
	} else if n := a.unrecorded.Swap(0); n > 0 {
		a.Post(panel.Noted{Entry: panel.Entry{Kind: panel.JournalLost, Detail: fmt.Sprintf("%d entries could not be written", n)}})
	}
}

// JournalOK reports whether the last entry that was looked after became durable.
func (a *Agent) JournalOK() bool { return a.journalOK.Load() }

// leave secures the doors first, then says goodbye to the journal.
func (a *Agent) leave() {
	for _, door := range a.o.Doors {
		if err := a.o.Hardware.SetStrike(door, false, 0); err != nil {
			a.log.Error("cannot secure door on the way out", "door", door, "cause", err)
		}
	}
	now := a.o.Clock()
	stopped := panel.Entry{Kind: panel.SystemStopped}
	if a.o.Panel.View(now).Fire {
		stopped.Detail = "during a fire alarm: nobody watches it now, and what it had released takes its safe state"
		a.log.Warn("stopping during a fire alarm: the doors that it released take their safe state")
	}
	open, personal := Record{Boot: a.o.Boot, Now: now, Entry: stopped}.Encode()
	seq, done, err := a.o.Journal.Append(open, personal)
	if err == nil {
		a.lastSeq = seq
		timeout := time.NewTimer(goodbyeFor)
		defer timeout.Stop()
		select {
		case err = <-done:
		case <-timeout.C:
			err = errors.New("the disk does not answer")
		}
	}
	if err != nil {
		a.log.Error("cannot record the stop", "cause", err)
	}
	for request, answer := range a.waiting {
		answer <- panel.Answer{Request: request, Why: "stopping"}
	}
}

func (a *Agent) publish() {
	now := a.o.Clock()
	a.view.Store(&View{View: a.o.Panel.View(now), At: now.Mono})
}

// View is the machine as it was after the last step.
func (a *Agent) View() View { return *a.view.Load() }

// Dropped counts events that came faster than they could be taken.
func (a *Agent) Dropped() uint64 { return a.dropped.Load() }

// Post hands an event to the loop and never waits. Exit and fire have ways of their own.
func (a *Agent) Post(event panel.Event) {
	box := a.inbox
	switch e := event.(type) {
	case panel.FireAlarm:
		a.setFire(true)
		return
	case panel.Cleared:
		if e.Input == panel.Fire {
			a.setFire(false)
			return
		}
	case panel.ExitRequested:
		box = a.urgent
	}
	select {
	case box <- input{event: event}:
	default:
		a.dropped.Add(1)
	}
}

// setFire replaces a state that the loop has not seen yet: what the input says now is what counts, and is never lost.
func (a *Agent) setFire(on bool) {
	for {
		select {
		case a.fire <- on:
			return
		default:
		}
		select {
		case <-a.fire:
		default:
		}
	}
}

// Do hands an event to the loop and waits until its step is done.
func (a *Agent) Do(ctx context.Context, event panel.Event) error {
	if e, ok := event.(panel.Cleared); isUrgent(event) || ok && e.Input == panel.Fire {
		a.Post(event)
		event = panel.Tick{} // the loop comes to it after what is urgent
	}
	in := input{event: event, done: make(chan struct{})}
	select {
	case a.inbox <- in:
	case <-ctx.Done():
		return ctx.Err()
	case <-a.stopped:
		return errStopped
	}
	select {
	case <-in.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-a.stopped:
		return errStopped
	}
}

var errStopped = errors.New("cannot ask the panel: it is stopping")

// Alive returns nil when the loop answers within ctx.
func (a *Agent) Alive(ctx context.Context) error { return a.Do(ctx, panel.Tick{}) }

// Open asks for a door and waits for the decision.
func (a *Agent) Open(ctx context.Context, request panel.OpenRequested) (panel.Answer, error) {
	// An id of our own: a sender that repeats itself must not take another's answer.
	asked := request.Request
	request.Request = fmt.Sprintf("open-%d", a.requests.Add(1))
	answer, err := a.ask(ctx, request)
	answer.Request = asked
	return answer, err
}

// Lockdown begins a lockdown or ends it, and waits for the decision.
func (a *Agent) Lockdown(ctx context.Context, request panel.LockdownRequested) (panel.Answer, error) {
	asked := request.Request
	request.Request = fmt.Sprintf("lockdown-%d", a.requests.Add(1))
	answer, err := a.ask(ctx, request)
	answer.Request = asked
	return answer, err
}

// Show shows a text to the people at the door, and waits for the decision.
func (a *Agent) Show(ctx context.Context, request panel.TextRequested) (panel.Answer, error) {
	asked := request.Request
	request.Request = fmt.Sprintf("text-%d", a.requests.Add(1))
	answer, err := a.ask(ctx, request)
	answer.Request = asked
	return answer, err
}

// Hear brings an order of the hub about licenses before the machine, and waits for the decision.
func (a *Agent) Hear(ctx context.Context, request panel.HubOrdered) (panel.Answer, error) {
	asked := request.Request
	request.Request = fmt.Sprintf("hub-%d", a.requests.Add(1))
	answer, err := a.ask(ctx, request)
	answer.Request = asked
	return answer, err
}

// ConfirmDuress brings the number that the recipient of the silent alarm found in the test, and waits for the decision.
func (a *Agent) ConfirmDuress(ctx context.Context, number, who string) (panel.Answer, error) {
	return a.ask(ctx, panel.DuressConfirmed{Request: fmt.Sprintf("duress-%d", a.requests.Add(1)), Number: number, Who: who})
}

// requestOf is the id by which an event's answer comes back.
func requestOf(event panel.Event) string {
	switch e := event.(type) {
	case panel.OpenRequested:
		return e.Request
	case panel.LockdownRequested:
		return e.Request
	case panel.TextRequested:
		return e.Request
	case panel.HubOrdered:
		return e.Request
	case panel.DuressConfirmed:
		return e.Request
	}
	return ""
}

func (a *Agent) ask(ctx context.Context, request panel.Event) (panel.Answer, error) {
	in := input{event: request, answer: make(chan panel.Answer, 1)}
	select {
	case a.inbox <- in:
	case <-ctx.Done():
		return panel.Answer{}, ctx.Err()
	case <-a.stopped:
		return panel.Answer{}, errStopped
	}
	select {
	case answer := <-in.answer:
		return answer, nil
	case <-ctx.Done():
		return panel.Answer{}, ctx.Err()
	case <-a.stopped:
	}
	select {
	case answer := <-in.answer: // the last thing the loop did
		return answer, nil
	default:
		return panel.Answer{}, errStopped
	}
}

// Press is a call button.
func (a *Agent) Press(button int) { a.Post(a.o.Button(button)) }

// Inside lists who is inside now, the longest first.
func (a *Agent) Inside(ctx context.Context) ([]panel.Presence, error) {
	reply := make(chan []panel.Presence, 1)
	select {
	case a.presences <- reply:
		return <-reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.stopped:
		return nil, errStopped
	}
}

// Snapshot is what the machine remembers, up to and with an entry of the journal.
type Snapshot struct {
	Seq    uint64
	Memory []panel.Memory
	Time   license.Timekeeping
}

// Snapshot returns what must be known again after a restart. It may be stored once entry Seq is durable.
func (a *Agent) Snapshot(ctx context.Context) (Snapshot, error) {
	reply := make(chan Snapshot, 1)
	select {
	case a.snapshots <- reply:
		return <-reply, nil
	case <-ctx.Done():
		return Snapshot{}, ctx.Err()
	case <-a.stopped:
		return a.snapshot(), nil // the loop is over: nobody else looks at it
	}
}

func (a *Agent) snapshot() Snapshot {
	a.replay.look(a.o.Boot, a.o.Clock()) // a quiet panel has run, too
	return Snapshot{Seq: a.lastSeq, Memory: a.replay.Memory(), Time: a.replay.Time}
}
