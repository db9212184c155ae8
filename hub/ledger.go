package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

const (
	ledgerLease = 5 * time.Minute // for how long one hub keeps the ledger's time
	ledgerPoll  = time.Minute     // how often it looks without a word: another hub may have changed something, or somebody the clock
	ledgerRest  = 5 * time.Second // after a store that refused
	ledgerWork  = "ledger"        // the lease's name
)

// LedgerStore keeps the license ledger.
type LedgerStore interface {
	// Decide decides a change and keeps what follows from it durably, reminders in the outbox among it, all or nothing. The error is a
	// *ledger.Refusal, or the store's own.
	Decide(r ledger.Request, c ledger.Change) (ledger.Changes, error)
	// Look runs a function on one consistent state.
	Look(func(ledger.Book) error) error
}

// LedgerOptions of a Ledger. Store and Leases are needed.
type LedgerOptions struct {
	Name   string // of this hub; two over one store have different ones. Default "hub"
	Store  LedgerStore
	Leases Leases
	Rules  ledger.Rules
	Posted func() // reminders are in the outbox; nil: nobody waits for that
	// Turned hears what was decided, or what time changed; nil: nobody waits for that.
	Turned func([]ledger.Entry)
	Now    func() time.Time
	Logger *slog.Logger // nil: silent
}

// Ledger keeps the license ledger's time: what begins, ends or is to be reminded of happens when it is due, and after the hub was
// away, as soon as it is back. Every change goes through it, so that it knows when it is needed next. It is safe for concurrent use.
type Ledger struct {
	o       LedgerOptions
	changed chan struct{}
}

// NewLedger checks the options. Time passes once Run runs.
func NewLedger(o LedgerOptions) (*Ledger, error) {
	if o.Store == nil || o.Leases == nil {
		return nil, errors.New("cannot set up the license ledger: the store or the leases are missing")
	}
	if o.Name == "" {
		o.Name = "hub"
	}
	if o.Posted == nil {
		o.Posted = func() {}
	}
	if o.Turned == nil {
		o.Turned = func([]ledger.Entry) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Ledger{o: o, changed: make(chan struct{}, 1)}, nil
}

// Decide decides a change by the store; a zero At is now. The rules are the ledger's own.
func (l *Ledger) Decide(r ledger.Request, c ledger.Change) (ledger.Changes, error) {
	if r.At.IsZero() {
		r.At = l.o.Now()
	}
	r.Rules = l.o.Rules
	changes, err := l.o.Store.Decide(r, c)
	if err != nil {
		return changes, err
	}
	if len(changes.Reminders) > 0 {
		l.o.Posted()
	}
	if len(changes.Entries) > 0 {
		l.o.Turned(changes.Entries)
	}
	l.wake()
	return changes, nil
}

// Look runs a function on one consistent state of the ledger. It must not call Decide.
func (l *Ledger) Look(see func(ledger.Book) error) error { return l.o.Store.Look(see) }

func (l *Ledger) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Run lets time pass until ctx ends. Of several hubs over one store, one does.
func (l *Ledger) Run(ctx context.Context) {
	defer func() {
		if err := l.o.Leases.Release(ledgerWork, l.o.Name); err != nil {
			l.o.Logger.Warn("the ledger is given back late", "cause", err)
		}
	}()
	for ctx.Err() == nil {
		pause, err := l.turn()
		if err != nil {
			l.o.Logger.Error("the license ledger does not move on", "cause", err)
			pause = ledgerRest
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-l.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// turn does what is due, if this hub is the one that does, and says when to look again.
func (l *Ledger) turn() (time.Duration, error) {
	now := l.o.Now()
	mine, err := l.o.Leases.Lease(ledgerWork, l.o.Name, now, now.Add(ledgerLease))
	if err != nil || !mine {
		return ledgerPoll, err
	}
	decided, next, err := l.next()
	if err != nil {
		return 0, err
	}
	// Where the clock ran ahead and was set right, what passed in between is to be counted anew.
	if now.Before(decided) || !next.IsZero() && !next.After(now) {
		if err := l.tick(now); err != nil {
			return 0, err
		}
		if _, next, err = l.next(); err != nil {
			return 0, err
		}
	}
	if next.IsZero() {
		return ledgerPoll, nil
	}
	return min(max(next.Sub(l.o.Now()), 0), ledgerPoll), nil
}

// next is up to when it has been decided, and when something is due after that; zero = never.
func (l *Ledger) next() (decided, next time.Time, err error) {
	err = l.o.Store.Look(func(book ledger.Book) error {
		mark, err := book.Mark()
		if err != nil {
			return err
		}
		decided = mark.At
		next, err = ledger.NextChange(book, decided)
		return err
	})
	if err != nil {
		err = fmt.Errorf("cannot read what is due in the license ledger: %w", err)
	}
	return decided, next, err
}

func (l *Ledger) tick(now time.Time) error {
	changes, err := l.o.Store.Decide(ledger.Request{At: now, Who: "hub", Rules: l.o.Rules}, ledger.Tick{})
	if err != nil {
		return fmt.Errorf("cannot let time pass in the license ledger: %w", err)
	}
	if len(changes.Reminders) > 0 {
		l.o.Posted()
	}
	if len(changes.Entries) > 0 {
		l.o.Turned(changes.Entries)
	}
	for _, e := range changes.Entries {
		if len(e.Stopped)+len(e.Resumed) > 0 {
			l.o.Logger.Info("licenses began or ended", "root", e.Root, "stopped", len(e.Stopped), "resumed", len(e.Resumed))
		}
	}
	return nil
}
