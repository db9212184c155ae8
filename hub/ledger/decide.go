package ledger

import (
	"errors"
	"fmt"
	"time"
)

// Rules are the numbers that a hub may set otherwise. The zero value of each field is its default.
type Rules struct {
	TrialDays     int // of a Trial: 30
	UndoDays      int // in which a package can be given back: 7
	ForcedPerYear int // forced releases at one place: 2
	CoolDownDays  int // between two forced releases at one place: 14
	OfflineDays   int // in which two offline claims are weighed against each other: 30
}

func (r Rules) orDefaults() Rules {
	for _, field := range []struct {
		value    *int
		standard int
	}{{&r.TrialDays, 30}, {&r.UndoDays, 7}, {&r.ForcedPerYear, 2}, {&r.CoolDownDays, 14}, {&r.OfflineDays, 30}} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	return r
}

// Request is one change that somebody asks for.
type Request struct {
	At    time.Time // now, by the hub's clock
	Who   string    // for the entry: the user, "hub" for the hub itself
	Rules Rules
}

// Decide decides a change at an instant. What is due by then happens first, as of itself. The error is a *Refusal, or what the book
// returned; then there are no changes. A change that was made already makes no entry: Changes.Empty.
func Decide(book Book, r Request, change Change) (Changes, error) {
	d, err := newDraft(book, r)
	if err != nil {
		return Changes{}, err
	}
	if err := d.pass(); err != nil {
		return Changes{}, err
	}
	if err := d.decide(change); err != nil {
		return Changes{}, err
	}
	if _, only := change.(Tick); !only { // what time changed is settled already
		d.settle()
	}
	if err := d.settledWell(); err != nil {
		return Changes{}, err
	}
	d.meter()
	return d.changes()
}

// decide lets a change be decided. What the book failed to read goes before a refusal that was decided without it.
func (d *draft) decide(change Change) error {
	err := change.decide(d)
	if d.failure != nil {
		return d.failure
	}
	return err
}

// settledWell refuses what can only be judged when it is known who is suspended.
func (d *draft) settledWell() error {
	for _, check := range d.checks {
		if r := check(); r != nil && d.failure == nil {
			return r
		}
	}
	return d.failure
}

func (b Batch) decide(d *draft) error {
	if len(b.Changes) > MaxBatch {
		return refusal(Invalid, "%d changes at once: at most %d", len(b.Changes), MaxBatch)
	}
	for i, change := range b.Changes {
		err := change.decide(d)
		if r, refused := err.(*Refusal); refused && r != nil {
			at := *r
			at.Text = fmt.Sprintf("%d of %d: %s", i+1, len(b.Changes), r.Text)
			return &at
		}
		if err != nil || d.failure != nil {
			return errors.Join(d.failure, err)
		}
	}
	return nil
}
