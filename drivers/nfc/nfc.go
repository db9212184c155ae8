// Package nfc reports the UIDs of ISO 14443-A cards that are held to an MFRC522 reader chip on an SPI bus.
//
// It polls: no interrupt line is needed. It reads nothing but the UID (single, double and triple size), which anyone
// can copy: what a UID is worth is decided elsewhere. It does not speak to card applications.
//
// Sources: NXP MFRC522 data sheet rev. 3.9 (sections are named where they are used), ISO/IEC 14443-3 type A.
package nfc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
)

const (
	defaultInterval = 100 * time.Millisecond
	// gone is how many polls in a row a card must miss before it counts as taken away; one is lost now and then.
	gone = 3
	// maxCards is how many cards in the field are read in one poll.
	maxCards = 4
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// Options say who hears of cards.
type Options struct {
	// Card gets the UID (4, 7 or 10 bytes) of a card once when it comes, and again only after it was taken away. It
	// must not block; the slice is its own. A card that makes up a new UID for every reader (ISO 14443-3: four bytes
	// that begin with 08) is reported once, too.
	Card func(uid []byte)
	// State gets nil when the chip works and the cause when it does not, at each change. It must not block.
	State func(error)
	// Interval between two polls; 100 ms when 0.
	Interval time.Duration
	// Reset is the wire to the chip's NRSTPD pin, which is high while the chip works; nil when it is not connected.
	Reset gpio.PinOut
	// Log gets a line when the chip is lost and when it is back; nil logs nothing.
	Log *slog.Logger
}

// Reader is one reader chip.
type Reader struct {
	o       Options
	chip    chip
	present map[string]int // UIDs in the field, with the polls since they were last seen
	state   error
	known   bool // state was reported
}

// New makes a reader on an SPI connection (mode 0, 8 bits, up to 10 MHz: data sheet 8.1.2). Run starts it.
func New(c conn.Conn, o Options) *Reader {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Reader{o: o, chip: chip{conn: c}, present: map[string]int{}}
}

// Run reads cards until ctx ends, and returns nil then. A chip that fails or is unplugged is started again, with
// pauses of up to five seconds, until it works.
func (r *Reader) Run(ctx context.Context) error {
	pause := minPause
	for ctx.Err() == nil {
		err := r.start(ctx)
		if err == nil {
			r.report(nil)
			pause = minPause
			err = r.poll(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		r.report(err)
		wait(ctx, pause)
		pause = min(2*pause, maxPause)
	}
	// Nothing can be done about a chip that does not hear this.
	_ = r.chip.antenna(false)
	return nil
}

// report tells a changed state.
func (r *Reader) report(err error) {
	if r.known && (err == nil) == (r.state == nil) && (err == nil || err.Error() == r.state.Error()) {
		return
	}
	if err != nil {
		r.o.Log.Error("card reader does not work", "cause", err)
	} else {
		r.o.Log.Info("card reader works")
	}
	r.state, r.known = err, true
	if r.o.State != nil {
		r.o.State(err)
	}
}

func (r *Reader) start(ctx context.Context) error {
	if r.o.Reset != nil {
		for _, level := range []gpio.Level{gpio.Low, gpio.High} {
			if err := r.o.Reset.Out(level); err != nil {
				return fmt.Errorf("cannot reset the reader chip: %w", err)
			}
			// A reset pulse needs 100 ns, the oscillator's start less than a millisecond (data sheet 8.8.2).
			wait(ctx, time.Millisecond)
		}
	}
	return r.chip.start(ctx)
}

// poll looks for cards until ctx ends or the chip fails.
func (r *Reader) poll(ctx context.Context) error {
	next := time.NewTicker(r.o.Interval)
	defer next.Stop()
	for {
		if err := r.chip.check(); err != nil {
			return err
		}
		uids, err := r.chip.cards(ctx)
		if err != nil {
			return err
		}
		r.update(uids)
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
	}
}

// update reports the cards that were not there before and forgets those that are gone.
func (r *Reader) update(uids [][]byte) {
	for card := range r.present {
		if r.present[card]++; r.present[card] >= gone {
			delete(r.present, card)
		}
	}
	for _, uid := range uids {
		card := hex.EncodeToString(uid)
		if len(uid) == 4 && uid[0] == randomUID {
			card = "random"
		}
		_, known := r.present[card]
		r.present[card] = 0
		if !known && r.o.Card != nil {
			r.o.Card(uid)
		}
	}
}

// wait returns early when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Errors of one exchange with a card. They mean that a card is at the edge of the field or several answer at once;
// the next poll tries again.
var (
	errNoCard    = errors.New("no card answered")
	errCollision = errors.New("several cards answered at once")
	errGarbled   = errors.New("the answer of the card was garbled")
)
