package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// Outbox keeps the deliveries. Each method is one transaction, durable when it returns.
type Outbox interface {
	// Due lists deliveries that are not over (fleet.Delivery.Over) and whose Due is not after now, the oldest Due first, limit
	// of them at most; and when the first of the others is due, zero when there is none.
	Due(now time.Time, limit int) (due []fleet.Delivery, next time.Time, err error)
	// Move writes to in place of from, which has the same ID, and adds the deliveries in more whose ID is not there yet. It
	// changes nothing and answers fleet.ErrTaken unless the stored one has from's State, By, Tries and Due: another hub has it,
	// or it was withdrawn.
	Move(from, to fleet.Delivery, more ...fleet.Delivery) error
}

// Sender hands one delivery to the server of its channel.
//
// It calls committing before it gives the server the last byte that makes the server responsible (and again before another
// server's), and gives it up when committing fails. The end of ctx ends what is not committed by then; afterwards the sender
// waits for the answer as long as it thinks right, and not for long any more when ctx ends. One whose server counts a delivery once, however often it comes, need not call it. What went wrong it
// tells with an error that may be an Undelivered; another error is taken for temporary.
type Sender interface {
	Send(ctx context.Context, d fleet.Delivery, committing func() error) (receipt string, err error)
}

// Undelivered is what an error of a Sender tells besides its words.
type Undelivered interface {
	error
	// Permanent: trying again with the same address would bring the same.
	Permanent() bool
	// Unclear: the server may have taken it.
	Unclear() bool
	// Down: it is not about this delivery, nobody is reached over this channel now.
	Down() bool
	// RetryAfter is how long the server asks to be left alone, 0 when it says nothing.
	RetryAfter() time.Duration
}

// DeliveryOptions of a Deliverer. The zero value of a duration or count takes what is written beside it.
type DeliveryOptions struct {
	Name     string        // of this hub, "hub" unless given; two hubs over one store have different ones, and one that starts again has the same
	Parallel int           // deliveries under way at once; 8
	Patience time.Duration // how long a delivery is tried without a fall-back; 24 h
	Fallback time.Duration // how long it is tried when there is one; 10 min
	Lease    time.Duration // how long a hub that fell silent keeps a delivery; 10 min
	Attempt  time.Duration // one try until the server is about to become responsible; 2 min
	Logger   *slog.Logger  // nil: silent
}

// ChannelState is how a channel does, for people to see.
type ChannelState struct {
	Channel fleet.Channel
	Failing time.Time // since when it has been down; zero while it works
	Next    time.Time // when it is tried again
	Worked  time.Time // the last success, zero when there was none since the start
	Words   string    // what the last failure said
}

// Deliverer brings what is in the outbox to people: each delivery at most once.
//
// Every step is durable before it is taken: claimed before a server is asked, committing before the server becomes
// responsible, sent when it says so. A delivery that was committing when its hub fell silent may or may not have arrived; it
// is not sent again on its channel.
type Deliverer struct {
	outbox  Outbox
	sender  Sender
	options DeliveryOptions
	wake    chan struct{}

	mu        sync.Mutex
	addresses map[fleet.Target]bool // in use
	under     map[string]bool       // IDs that are under way here
	channels  map[fleet.Channel]*channel
}

// channel is how a channel does, and how often it is tried while it is down.
type channel struct {
	state ChannelState
	tries int // in a row that found it down
	busy  int // deliveries under way
}

// Bounds of waiting. Each is spread by a quarter, so that what failed together does not come back together.
const (
	firstPause   = 30 * time.Second // of a delivery that failed
	longestPause = 30 * time.Minute
	firstRest    = 15 * time.Second // of a channel that is down
	longestRest  = 5 * time.Minute
	longestAsked = time.Hour        // that a server may ask for
	pollEvery    = 30 * time.Second // for what another hub put into the outbox
	scanLimit    = 1000             // deliveries looked at in one go
	storeRest    = 2 * time.Second  // between tries to write what became of a delivery
	behind       = 5 * time.Second  // the others, goes what found a channel down
)

// NewDeliverer fills in the options. Nothing is sent before Run.
func NewDeliverer(outbox Outbox, sender Sender, options DeliveryOptions) (*Deliverer, error) {
	if outbox == nil || sender == nil {
		return nil, errors.New("cannot deliver messages: there is no outbox, or nobody to send them")
	}
	if options.Name == "" {
		options.Name = "hub"
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&options.Patience, 24 * time.Hour}, {&options.Fallback, 10 * time.Minute}, {&options.Lease, 10 * time.Minute}, {&options.Attempt, 2 * time.Minute}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if options.Parallel <= 0 {
		options.Parallel = 8
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Deliverer{
		outbox: outbox, sender: sender, options: options,
		wake:      make(chan struct{}, 1),
		addresses: map[fleet.Target]bool{}, under: map[string]bool{}, channels: map[fleet.Channel]*channel{},
	}, nil
}

// Wake tells that something new is in the outbox.
func (d *Deliverer) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Channels tells how each channel that was used does.
func (d *Deliverer) Channels() []ChannelState {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ChannelState
	for _, name := range []fleet.Channel{fleet.Email, fleet.SMS, fleet.Webhook} {
		if c := d.channels[name]; c != nil {
			all = append(all, c.state)
		}
	}
	return all
}

// Run delivers until ctx ends, and returns when nothing is under way any more. It is run once.
func (d *Deliverer) Run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	recovered := false
	for ctx.Err() == nil {
		next, err := time.Time{}, error(nil)
		if !recovered {
			err = d.recover(time.Now())
			recovered = err == nil
		}
		if recovered {
			next, err = d.round(ctx, &workers)
		}
		pause := pollEvery
		if err != nil {
			d.options.Logger.Error("cannot read the outbox", "cause", err)
			pause = storeRest
		} else if !next.IsZero() {
			pause = min(max(time.Until(next), 0), pollEvery)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-d.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// recover takes up what a hub of this name held when it ended: nobody else will for as long as the lease.
func (d *Deliverer) recover(now time.Time) error {
	all, _, err := d.outbox.Due(now.Add(2*d.options.Lease), scanLimit)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.By == d.options.Name && one.State != fleet.Waiting {
			if _, err := d.orphan(one, now); err != nil && !errors.Is(err, fleet.ErrTaken) {
				return err
			}
		}
	}
	return nil
}

// orphan decides about a delivery whose hub is gone: one that was only claimed is sent again, one that was committing is not.
func (d *Deliverer) orphan(from fleet.Delivery, now time.Time) (fleet.Delivery, error) {
	to := from
	to.By = ""
	if from.State == fleet.Claimed {
		to.State, to.Due = fleet.Waiting, now
		return to, d.outbox.Move(from, to)
	}
	to.State = fleet.Uncertain
	to.Last = "the hub ended while the message was being handed over: it may have arrived, and is not sent again here"
	d.options.Logger.Warn("a message may have been sent", "delivery", from.ID, "channel", from.Channel)
	return to, d.outbox.Move(from, to, standIn(to, now)...)
}

// round begins what is due and can be begun, and returns when something will be due next.
func (d *Deliverer) round(ctx context.Context, workers *sync.WaitGroup) (time.Time, error) {
	now := time.Now()
	due, next, err := d.outbox.Due(now, scanLimit)
	if err != nil {
		return next, err
	}
	for _, one := range due {
		err := d.look(ctx, workers, one, now)
		if err != nil && !errors.Is(err, fleet.ErrTaken) {
			return next, err
		}
	}
	if len(due) == scanLimit {
		d.Wake()
	}
	return next, nil
}

// look decides what is done about one delivery that is due.
func (d *Deliverer) look(ctx context.Context, workers *sync.WaitGroup, one fleet.Delivery, now time.Time) error {
	if d.isUnderWay(one.ID) {
		return nil
	}
	if one.State != fleet.Waiting {
		orphaned, err := d.orphan(one, now)
		if err != nil || orphaned.State != fleet.Waiting {
			return err
		}
		one = orphaned
	}
	if rest := d.rest(one.Channel, now); rest.After(now) {
		return d.hold(one, now, rest)
	}
	if !d.begin(one) {
		return nil
	}
	claimed := one
	claimed.State, claimed.By, claimed.Tries, claimed.Due = fleet.Claimed, d.options.Name, one.Tries+1, now.Add(d.options.Lease)
	if claimed.Tried.IsZero() {
		claimed.Tried = now
	}
	if err := d.outbox.Move(one, claimed); err != nil {
		d.end(one)
		return err
	}
	workers.Go(func() {
		defer d.Wake()
		defer d.end(one)
		d.deliver(ctx, claimed)
	})
	return nil
}

func (d *Deliverer) isUnderWay(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.under[id]
}

// rest is until when a channel is left alone.
func (d *Deliverer) rest(name fleet.Channel, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.channels[name]; c != nil && c.state.Next.After(now) {
		return c.state.Next
	}
	return now
}

// begin takes the address of a delivery, if there is room: as many at once as the options say, one at a time for an address,
// and one at a time to try whether a channel that was down is back.
func (d *Deliverer) begin(one fleet.Delivery) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.channels[one.Channel]
	if c == nil {
		c = &channel{state: ChannelState{Channel: one.Channel}}
		d.channels[one.Channel] = c
	}
	address := fleet.Target{Channel: one.Channel, Address: one.Address}
	if len(d.under) >= d.options.Parallel || d.addresses[address] || c.tries > 0 && c.busy > 0 {
		return false
	}
	d.under[one.ID], d.addresses[address] = true, true
	c.busy++
	return true
}

func (d *Deliverer) end(one fleet.Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.under, one.ID)
	delete(d.addresses, fleet.Target{Channel: one.Channel, Address: one.Address})
	d.channels[one.Channel].busy--
}

// hold puts a delivery off until its channel is tried again, or gives it up when its time is over.
func (d *Deliverer) hold(from fleet.Delivery, now, rest time.Time) error {
	to := from
	to.Last = d.wordsOf(from.Channel)
	if to.Tried.IsZero() {
		to.Tried = now
	}
	end := to.Tried.Add(d.patience(to))
	if !now.Before(end) {
		to.State = fleet.Failed
		return d.outbox.Move(from, to, standIn(to, now)...)
	}
	to.Due = earlier(rest, end)
	return d.outbox.Move(from, to)
}

func (d *Deliverer) wordsOf(name fleet.Channel) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channels[name].state.Words
}

// patience is how long a delivery is tried.
func (d *Deliverer) patience(one fleet.Delivery) time.Duration {
	if one.Fallback != nil {
		return min(d.options.Fallback, d.options.Patience)
	}
	return d.options.Patience
}

// deliver makes one try and writes down what came of it.
func (d *Deliverer) deliver(ctx context.Context, claimed fleet.Delivery) {
	try := attempt{d: d, now: claimed}
	receipt, err := try.send(ctx)
	to, more := d.settle(ctx, &try, receipt, err)
	d.write(ctx, try.now, to, more)
}

// attempt is one try. now is the delivery as it is stored.
type attempt struct {
	d         *Deliverer
	now       fleet.Delivery
	committed bool
	refused   error // why the outbox did not let it commit
}

func (a *attempt) send(ctx context.Context) (receipt string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The time is bounded until the server is about to become responsible. Its answer is worth waiting for, which the sender
	// bounds.
	timer := time.AfterFunc(a.d.options.Attempt, cancel)
	defer timer.Stop()
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("cannot send: the sender broke: %v", broken)
		}
	}()
	return a.d.sender.Send(ctx, a.now, func() error {
		if err := a.commit(); err != nil {
			return err
		}
		timer.Stop()
		return nil
	})
}

// commit makes durable that the next byte may make the server responsible. It may be called again for another server.
func (a *attempt) commit() error {
	if a.refused != nil {
		return a.refused
	}
	to := a.now
	to.State, to.Due = fleet.Committing, time.Now().Add(a.d.options.Lease)
	if err := a.d.outbox.Move(a.now, to); err != nil {
		a.refused = fmt.Errorf("cannot send: it could not be written down first: %w", err)
		return a.refused
	}
	a.now, a.committed = to, true
	return nil
}

// settle decides what a try comes to.
func (d *Deliverer) settle(ctx context.Context, try *attempt, receipt string, err error) (fleet.Delivery, []fleet.Delivery) {
	now := time.Now()
	to := try.now
	to.By, to.Due = "", now
	if err == nil {
		to.State, to.SentAt, to.Receipt, to.Last = fleet.Sent, now, receipt, ""
		d.worked(to.Channel, now)
		return to, nil
	}
	to.Last = err.Error()
	var why Undelivered
	known := errors.As(err, &why)
	switch {
	case try.refused != nil:
		// Nothing was sent, and it is not the server's fault.
		to.State, to.Due = fleet.Waiting, now.Add(spread(firstPause))
		return to, nil
	case known && why.Unclear(), !known && try.committed:
		to.State = fleet.Uncertain
		to.Last += "; it may have arrived, and is not sent again here"
		return to, standIn(to, now)
	case known && why.Permanent():
		to.State = fleet.Failed
		return to, standIn(to, now)
	case ctx.Err() != nil:
		to.State, to.Last = fleet.Waiting, "the hub stopped before it was sent"
		return to, nil
	}
	again := now.Add(spread(pause(to.Tries)))
	switch {
	case known && why.Down():
		// The channel's own pause counts. Those that waited for it go first, so that one message cannot keep it down.
		again = d.failed(to.Channel, now, to.Last, why.RetryAfter()).Add(behind)
	case known:
		again = later(again, now.Add(min(why.RetryAfter(), longestAsked)))
	}
	end := to.Tried.Add(d.patience(to))
	if !now.Before(end) {
		to.State = fleet.Failed
		return to, standIn(to, now)
	}
	to.State, to.Due = fleet.Waiting, earlier(again, end)
	return to, nil
}

// write stores what became of a delivery. It must not be lost for a disk that is full just now: without it, a message that
// was sent would look uncertain. When the lease is over somebody else decides.
func (d *Deliverer) write(ctx context.Context, from, to fleet.Delivery, more []fleet.Delivery) {
	until := time.Now().Add(d.options.Lease)
	for {
		err := d.outbox.Move(from, to, more...)
		if err == nil {
			return
		}
		if errors.Is(err, fleet.ErrTaken) {
			d.options.Logger.Warn("a delivery was taken over or withdrawn meanwhile", "delivery", to.ID, "state", to.State)
			return
		}
		d.options.Logger.Error("cannot write what became of a delivery", "delivery", to.ID, "state", to.State, "cause", err)
		if time.Now().After(until) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(storeRest):
		}
	}
}

// standIn is the delivery over the fall-back channel, if there is one. Its ID follows from the one that it stands in for.
func standIn(failed fleet.Delivery, now time.Time) []fleet.Delivery {
	if failed.Fallback == nil {
		return nil
	}
	return []fleet.Delivery{{
		ID: failed.ID + "+" + string(failed.Fallback.Channel), Site: failed.Site, Incident: failed.Incident, Kind: failed.Kind,
		Recipient: failed.Recipient, Channel: failed.Fallback.Channel, Address: failed.Fallback.Address, Language: failed.Language,
		Facts: failed.Facts, Made: failed.Made, Due: now, State: fleet.Waiting, Instead: failed.ID,
	}}
}

// worked notes that a channel's server does its work.
func (d *Deliverer) worked(name fleet.Channel, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.channels[name]
	c.tries = 0
	c.state.Failing, c.state.Next, c.state.Worked = time.Time{}, time.Time{}, now
}

// failed notes that nobody is reached over a channel, and tells when it is tried again.
func (d *Deliverer) failed(name fleet.Channel, now time.Time, words string, asked time.Duration) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.channels[name]
	if c.state.Failing.IsZero() {
		c.state.Failing = now
		d.options.Logger.Warn("a channel is down", "channel", name, "cause", words)
	}
	rest := max(doubled(firstRest, longestRest, c.tries), min(asked, longestAsked))
	c.tries++
	c.state.Words, c.state.Next = words, now.Add(spread(rest))
	return c.state.Next
}

// pause is how long a delivery waits after its nth try.
func pause(n int) time.Duration { return doubled(firstPause, longestPause, n-1) }

func doubled(first, longest time.Duration, times int) time.Duration {
	for ; times > 0 && first < longest; times-- {
		first *= 2
	}
	return min(first, longest)
}

// spread lengthens a wait by up to a quarter.
func spread(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
