package agent

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

// LicenseStore keeps signed bytes.
type LicenseStore interface {
	// Keep puts each document into its place, all of them or none; durable before it returns nil.
	Keep(docs ...license.Document) error
}

// LicenseOptions is everything the licenses work with.
type LicenseOptions struct {
	Roots []ed25519.PublicKey
	Panel license.Panel
	Sign  func(message []byte) ([]byte, error) // with the panel's key
	Store LicenseStore
	Docs  []license.Document // what is stored
	// Clock is the wall clock and the latest time that is known to have passed.
	Clock  func() license.Clock
	Logger *slog.Logger
}

// Licenses is the one way in for a license code, wherever it was shown, and the source of the entitlements.
type Licenses struct {
	o            LicenseOptions
	mu           sync.Mutex // one code at a time; guards what follows
	ring         license.Keyring
	docs         []license.Document
	entitlements license.Entitlements
	changed      chan struct{} // Watch computes anew for how long nothing will change
}

// NewLicenses derives the entitlements of what is stored. What cannot be used is reported and left alone.
func NewLicenses(o LicenseOptions) (*Licenses, []error) {
	l := &Licenses{o: o, changed: make(chan struct{}, 1), docs: slices.Clone(o.Docs)}
	var faults []error
	l.ring, faults = license.KeyringOf(o.Roots, l.docs)
	l.entitlements = license.Derive(l.ring, o.Panel, o.Clock(), l.docs)
	return l, faults
}

// Present examines a code and keeps what it brings before it says yes. A refusal is a verdict; an error says that the
// code was good and could not be kept: nothing changed. inform carries what came of it to the panel and waits for it.
func (l *Licenses) Present(ctx context.Context, text, via, by string, inform func(context.Context, panel.Event) error) (license.Verdict, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := license.Examine(text, l.ring, l.o.Panel, l.o.Clock(), l.docs, "")
	if v.Sign != nil || len(v.Keep) > 0 {
		if err := l.keep(v); err != nil {
			return v, fmt.Errorf("cannot store license: %w; nothing was changed, try again", err)
		}
	}
	if !v.Result.Refused() || v.Sign != nil || len(v.Keep) > 0 {
		// Kept is kept: whoever presented it may be gone, the panel learns of it all the same.
		ctx = context.WithoutCancel(ctx)
		if err := l.derive(ctx, inform); err != nil {
			return v, fmt.Errorf("cannot apply stored license: %w; it is in force after the next start", err)
		}
	}
	id := ""
	if v.Token != nil {
		id = v.Token.ID.String()
	}
	return v, inform(ctx, panel.LicensePresented{
		Result: v.Result, Title: v.Title, Message: v.Message, Token: id, Via: via, By: by, Accepted: !v.Result.Refused(),
	})
}

func (l *Licenses) keep(v license.Verdict) error {
	docs := slices.Clone(v.Keep)
	if v.Sign != nil {
		doc, err := v.Sign.Sign(l.o.Sign)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if err := l.o.Store.Keep(docs...); err != nil {
		return err
	}
	for _, doc := range docs {
		l.docs = slices.DeleteFunc(l.docs, func(old license.Document) bool { return old.Key == doc.Key })
	}
	l.docs = append(l.docs, docs...)
	ring, faults := license.KeyringOf(l.o.Roots, l.docs)
	for _, fault := range faults {
		l.o.Logger.Warn("cannot use stored document", "cause", fault)
	}
	l.ring = ring
	return nil
}

// derive computes the entitlements anew and tells the panel when they changed.
func (l *Licenses) derive(ctx context.Context, inform func(context.Context, panel.Event) error) error {
	now := license.Derive(l.ring, l.o.Panel, l.o.Clock(), l.docs)
	if now.Equal(l.entitlements) {
		l.entitlements = now
		return nil
	}
	if err := inform(ctx, panel.EntitlementsChanged{Entitlements: now}); err != nil {
		return err // the next look at the clock tries again
	}
	l.entitlements = now
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

// Entitlements is what the licenses give at this moment.
func (l *Licenses) Entitlements() license.Entitlements {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entitlements
}

// Held are the stored documents and the ring they are verified with.
func (l *Licenses) Held() ([]license.Document, license.Keyring) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.docs), l.ring
}

// longestWatch bounds how long a change of rights may go unnoticed when a wall clock runs away from the monotonic one.
const longestWatch = time.Hour

// Watch lets rights begin and end by themselves until ctx ends: at their time, and whenever the clock was set.
func (l *Licenses) Watch(ctx context.Context, a *Agent) error {
	timer := time.NewTimer(longestWatch)
	defer timer.Stop()
	for {
		l.mu.Lock()
		wait := longestWatch
		if next := l.entitlements.NextChange(); !next.IsZero() {
			// An instant that lies in the past on a clock nobody trusts changes nothing yet: look again, without haste.
			if left := next.Sub(l.o.Clock().Now); left > 0 {
				wait = min(left+time.Millisecond, longestWatch)
			} else {
				wait = time.Minute
			}
		}
		l.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-a.clockMove:
		case <-l.changed:
		}
		l.mu.Lock()
		err := l.derive(ctx, a.Do)
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
}
