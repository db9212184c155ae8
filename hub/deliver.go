package hub

import (
	"context"
	"log/slog"
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
// It calls committing once, before it gives the server the last byte that makes the server responsible, and gives it up when
// committing fails. One whose server counts a delivery once, however often it comes, need not call it. What went wrong it
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
	Name     string        // of this hub; two hubs over one store have different ones, and a hub that starts again has the same
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
type Deliverer struct {
	outbox  Outbox
	sender  Sender
	options DeliveryOptions
	wake    chan struct{}

	mu       sync.Mutex
	channels map[fleet.Channel]*ChannelState
}
