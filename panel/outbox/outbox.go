// Package outbox is a panel's journal as its uplink reads it: the entries in order, as the events of the MQTT contract, from a
// durable cursor.
//
// It keeps nothing by itself, and does not know when something was delivered: the uplink tells.
package outbox

import (
	"context"
	"strings"

	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Cursor is the name of the journal's cursor, which holds entries back from deletion until they were delivered.
const Cursor = "uplink"

// batch is how many entries are read at once.
const batch = 64

// Outbox is what panel/uplink takes from the journal. Its methods are for one goroutine, but for Done.
type Outbox struct {
	// DoorChanged is told when an entry says that a door did something: the status shows it at once. Set it before Next is called.
	DoorChanged func()
	// Papers sends along what the journal keeps of licenses: what the panel's own hub is to have, and nobody else is to see. Set it
	// before Next is called.
	Papers bool

	journal *storage.Journal
	cursor  *storage.Cursor
	next    uint64 // the last entry handed out
	chain   string // up to and with it; empty: not known
	ready   []storage.Frame
}

// New begins behind what was delivered. The journal stays its owner's.
func New(journal *storage.Journal) (*Outbox, error) {
	cursor, err := journal.Cursor(Cursor)
	if err != nil {
		return nil, err
	}
	return &Outbox{DoorChanged: func() {}, journal: journal, cursor: cursor, next: cursor.Get()}, nil
}

// Next waits for the next entry, or returns ctx's error.
func (o *Outbox) Next(ctx context.Context) (telemetry.Event, error) {
	for len(o.ready) == 0 {
		if err := o.journal.Wait(ctx, o.next); err != nil {
			return telemetry.Event{}, err
		}
		frames, err := o.journal.Read(o.next, batch)
		if err != nil {
			return telemetry.Event{}, err
		}
		o.ready = frames
	}
	f := o.ready[0]
	if f.Before == "" {
		f.Before = o.chain // after a gap between two reads
	}
	o.ready, o.next, o.chain = o.ready[1:], f.Seq, f.Chain
	e := eventOf(f, o.Papers)
	if strings.HasPrefix(e.Kind, "strike.") || strings.HasPrefix(e.Kind, "door.") || strings.HasPrefix(e.Kind, "fire.") {
		o.DoorChanged()
	}
	return e, nil
}

// Done moves the durable cursor.
func (o *Outbox) Done(seq uint64) error { return o.cursor.Set(seq) }

// Rewind goes back to the entry from. The durable cursor stays.
func (o *Outbox) Rewind(from uint64) error {
	o.ready, o.next, o.chain = nil, max(from, 1)-1, ""
	return nil
}

// EventOf puts one frame of the journal into the words of the contract. What cannot be read is an event that says so.
func EventOf(f storage.Frame) telemetry.Event { return eventOf(f, false) }

func eventOf(f storage.Frame, papers bool) telemetry.Event {
	e := telemetry.Event{Epoch: f.Epoch, Seq: f.Seq, Erased: f.Erased, Prev: f.Before, Chain: f.Chain}
	if f.Gap != nil {
		e.Kind = "journal.gap"
		e.Gap = &telemetry.Gap{From: f.Gap.From, To: f.Gap.To, Count: f.Gap.To - f.Gap.From + 1}
		return e
	}
	r, err := agent.Decode(f.Open, f.Personal)
	if err != nil {
		e.Kind, e.Detail = "journal.unreadable", err.Error()
		return e
	}
	e.Boot, e.Time, e.Trusted, e.MonoMS = r.Boot, r.Now.Wall, r.Now.Trusted, uint64(r.Now.Mono.Milliseconds())
	e.Kind, e.Door, e.Who, e.Why = string(r.Entry.Kind), r.Entry.Door, r.Entry.Who, r.Entry.Why
	e.Reader, e.Credential, e.Call, e.Button, e.Detail = r.Entry.Reader, r.Entry.Credential, r.Entry.Call, r.Entry.Button, r.Entry.Detail
	e.Sealed, e.Document, e.Digest = r.Entry.Sealed, r.Entry.Document, r.Entry.Digest
	if papers {
		e.Papers = agent.PapersOf(r.Remember)
	}
	return e
}
