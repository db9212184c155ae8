package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	commandQueue  = 16
	documentQueue = 1024
	documentBytes = 4 << 20 // of queued payloads
	ackQueue      = 16
	replyQueue    = 16
	resendLimit   = 10 * time.Minute
	goodbye       = 2 * time.Second
	writeTimeout  = 5 * time.Second
)

// Uplink is one panel's connection to its broker.
type Uplink struct {
	options Options
	place   endpoint
	outbox  Outbox
	log     *slog.Logger

	running       atomic.Bool
	kick          chan struct{} // the status has changed
	replies       chan telemetry.Reply
	commands      chan command
	documents     chan document
	documentsHeld atomic.Int64 // bytes in documents

	// handing are messages that are being given to the client library. One that it is given while its connection breaks it holds
	// for its whole write timeout, however dead the connection is.
	handing sync.WaitGroup

	// What follows belongs to the goroutine of Run.
	window    window
	connected bool
	cause     string
	spoke     bool // the broker has acknowledged a status of ours
}

type command struct {
	raw      []byte
	retained bool
}

type document struct {
	kind    telemetry.DocumentKind
	id      string
	payload []byte
	ack     func()
}

// New checks the options. It does not connect.
func New(options Options, outbox Outbox) (*Uplink, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	place, err := options.endpoint()
	if err != nil {
		return nil, err
	}
	return &Uplink{
		options:   options,
		place:     place,
		outbox:    outbox,
		log:       options.Logger.With("broker", place.name),
		kick:      make(chan struct{}, 1),
		replies:   make(chan telemetry.Reply, replyQueue),
		commands:  make(chan command, commandQueue),
		documents: make(chan document, documentQueue),
		window:    window{limit: options.Window},
	}, nil
}

// StatusChanged asks for the status to be published. Many calls may become one publication, of what Status says then.
func (u *Uplink) StatusChanged() {
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// Reply answers a command. It never waits: without a broker the last 16 replies are kept.
func (u *Uplink) Reply(reply telemetry.Reply) {
	for {
		select {
		case u.replies <- reply:
			return
		default:
		}
		select {
		case <-u.replies:
		default:
		}
	}
}

// Run connects, and connects again with growing pauses, until ctx ends; then it says goodbye (2 s at most) and returns nil. Nothing of
// it runs any more by then; a connection that broke just before may make it wait for that, up to writeTimeout.
// It returns an error when the Outbox cannot be read, and when it is already running.
func (u *Uplink) Run(ctx context.Context) error {
	if !u.running.CompareAndSwap(false, true) {
		return errors.New("cannot run uplink: it is running already")
	}
	defer u.running.Store(false)
	inbound, stop := context.WithCancel(context.WithoutCancel(ctx))
	handed := make(chan struct{})
	go func() {
		defer close(handed)
		u.handDocuments(inbound)
	}()
	decided := make(chan struct{})
	go func() {
		defer close(decided)
		u.handCommands(inbound)
	}()
	defer func() {
		stop()
		<-handed
		<-decided
		u.handing.Wait()
	}()

	pause, brief := u.options.Retry, 0
	for {
		began := time.Now()
		established, err := u.session(ctx)
		var unreadable *outboxError
		switch {
		case errors.As(err, &unreadable):
			u.report(false, err.Error())
			return err
		case ctx.Err() != nil:
			u.report(false, "stopped")
			return nil
		}
		// A connection that was taken over at once must not reset the pause, or two clients of one id would go on
		// displacing each other at full speed.
		steady := established && time.Since(began) >= 10*u.options.Retry
		switch {
		case steady:
			pause, brief = u.options.Retry, 0
		case established:
			brief++
		}
		cause := err.Error()
		if brief >= 3 {
			cause += fmt.Sprintf("; the broker ended %d connections soon after they were made: perhaps another client uses the client id %q", brief, u.options.ClientID)
		}
		u.report(false, cause)
		wait := time.NewTimer(u.options.waitFor(pause, steady))
		select {
		case <-ctx.Done():
			wait.Stop()
			u.report(false, "stopped")
			return nil
		case <-wait.C:
		}
		if !steady {
			pause = min(2*pause, u.options.RetryLimit)
		}
	}
}

// waitFor is how long to wait before the next try. After a connection that had held, many panels may have lost theirs together.
func (o Options) waitFor(pause time.Duration, steady bool) time.Duration {
	if steady {
		return pause + rand.N(o.Spread+1)
	}
	return pause + rand.N(pause/2+1)
}

// report tells of a change, once.
func (u *Uplink) report(connected bool, cause string) {
	if connected == u.connected && cause == u.cause {
		return
	}
	u.connected, u.cause = connected, cause
	switch {
	case connected && cause == "":
		u.log.Info("connected to the broker")
	case connected:
		u.log.Warn("connected to the broker, but something is wrong", "cause", cause)
	default:
		u.log.Warn("not connected to the broker", "cause", cause)
	}
	u.options.State(connected, cause)
}

func (u *Uplink) handCommands(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-u.commands:
			u.options.Command(c.raw, c.retained)
		}
	}
}

// handDocuments acknowledges a document to the broker only when it has been taken, so that the broker brings it again to a
// panel that died meanwhile.
func (u *Uplink) handDocuments(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-u.documents:
			u.documentsHeld.Add(-int64(len(d.payload)))
			u.options.Document(d.kind, d.id, d.payload)
			d.ack()
		}
	}
}

// outboxError ends Run: without its journal the uplink has nothing to do.
type outboxError struct{ cause error }

func (e *outboxError) Error() string {
	return fmt.Sprintf("cannot read the journal for the uplink: %v", e.cause)
}

func (e *outboxError) Unwrap() error { return e.cause }
