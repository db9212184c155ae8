package main

import (
	"context"
	"fmt"
	"time"
)

// ledger is what the hub holds.
type ledger interface {
	// each gives every event, in the order of their arrival.
	each(ctx context.Context, take func(held) error) error
	// faulty tells whether the hub found that something is wrong with what a panel sent.
	faulty(ctx context.Context, panel string) (bool, error)
	// notices are what the hub told people, or would have told.
	notices(ctx context.Context) ([]notice, error)
	// found are the outages that the hub noticed, whether it told anybody or not.
	found(ctx context.Context) ([]finding, error)
}

// finding is an outage as the hub knows of it.
type finding struct {
	At     time.Time `json:"at"` // when it was noticed
	Site   string    `json:"site"`
	Kind   string    `json:"kind"`
	Cause  string    `json:"cause"`
	Panels []string  `json:"panels"`
	Over   time.Time `json:"over,omitzero"`
}

// notice is a message of the hub to somebody.
type notice struct {
	At        time.Time `json:"at"`
	Site      string    `json:"site"`
	Kind      string    `json:"kind"`
	Panels    string    `json:"panels,omitempty"`
	Since     string    `json:"since,omitempty"`
	Cause     string    `json:"cause,omitempty"`
	Recipient string    `json:"recipient,omitempty"`
	State     string    `json:"state,omitempty"`
}

// settle brings everything back and waits until the hub has acknowledged all that the panels wrote; it returns how many entries are
// still on their way when the time is over.
func (f *fleet) settle(ctx context.Context, patience time.Duration, look func(waiting uint64)) (uint64, error) {
	f.stop() // whatever is away comes back
	f.happenings.Wait()
	if err := eachAtOnce(f.cores, few, (*core).powerOn); err != nil {
		return 0, err
	}
	limit := time.Now().Add(patience)
	calm := 0
	for {
		waiting := f.waiting()
		look(waiting)
		if waiting == 0 {
			calm++
		} else {
			calm = 0
		}
		// Twice, for a door that closes by itself writes, too.
		if calm == 2 || time.Now().After(limit) {
			return waiting, nil
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return waiting, err
		}
	}
}

// waiting is how many durable entries of all panels the hub has not acknowledged.
func (f *fleet) waiting() (n uint64) {
	for _, c := range f.cores {
		n += c.waiting()
	}
	return n
}

// wrote reads a panel's journal from its first entry.
func (c *core) wrote() ([]written, error) {
	l := c.alive()
	if l == nil {
		return nil, fmt.Errorf("cannot count panel %d: it has no power", c.index)
	}
	var all []written
	for after := uint64(0); ; {
		frames, err := l.journal.Read(after, 4096)
		if err != nil || len(frames) == 0 {
			return all, err
		}
		for _, frame := range frames {
			w := written{Epoch: frame.Epoch, Seq: frame.Seq, Chain: frame.Chain}
			if frame.Gap != nil {
				w.Gap = frame.Gap.Count
			}
			all = append(all, w)
			after = frame.Seq
		}
	}
}

// count compares every panel's journal with the hub's ledger.
func (f *fleet) count(ctx context.Context, hub ledger) ([]account, error) {
	books := make(map[string][]written, len(f.cores))
	for _, c := range f.cores {
		wrote, err := c.wrote()
		if err != nil {
			return nil, err
		}
		books[c.id] = wrote
	}
	holds := make(map[string][]held, len(f.cores))
	if err := hub.each(ctx, func(h held) error {
		if _, ours := books[h.Panel]; ours {
			holds[h.Panel] = append(holds[h.Panel], h)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("cannot read what the hub holds: %w", err)
	}
	accounts := make([]account, 0, len(f.cores))
	for _, c := range f.cores {
		a := balance(books[c.id], holds[c.id])
		a.Panel, a.ID, a.Site, a.Name = c.index, c.id, c.site.id, c.name
		c.mu.Lock()
		a.Odd = c.odd
		c.mu.Unlock()
		if a.Odd != "" || !a.good() {
			var err error
			if a.Fault, err = hub.faulty(ctx, c.id); err != nil {
				return nil, fmt.Errorf("cannot read what the hub found: %w", err)
			}
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// close ends every panel and gives everything back.
func (f *fleet) close() error {
	f.stop()
	f.happenings.Wait()
	err := eachAtOnce(f.cores, many, (*core).stop)
	for _, c := range f.cores {
		c.line.remove()
	}
	return err
}
