package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
)

// LicenseStore keeps signed documents, each in the place that its key names.
type LicenseStore interface {
	// Keep replaces what is in the documents' places: all of them, durably, before it returns nil, or none.
	Keep(docs ...license.Document) error
}

// LicenseOptions is everything the licenses work with.
type LicenseOptions struct {
	Roots []ed25519.PublicKey
	Panel license.Panel
	// Name is how this panel is called, for people at other panels; Sign signs with the panel's key.
	Name  string
	Sign  func(message []byte) ([]byte, error)
	Store LicenseStore
	// Docs is everything that is kept; several with one key are copies, of which the newest counts.
	Docs []license.Document
	// Clock is the wall clock and the latest time that is known to have passed.
	Clock func() license.Clock
	// Drop deletes what lies in places, durably; nil: nothing is ever deleted.
	Drop func(keys ...string) error
	// Answered is what the journal remembers of answers to the hub (AnsweredBefore).
	Answered map[string]string
	// Prove tells that clock of a time that has passed for sure, because a verified document was issued then; nil: nobody is told.
	Prove  func(time.Time)
	Logger *slog.Logger
}

// Licenses is the one way in for a license code, wherever it was shown, the one way out for a share of a license, and the
// source of the entitlements. Whatever changes is decided by package license, signed, durable in the store and then
// written into the journal, in this order; only then anybody is told.
type Licenses struct {
	o            LicenseOptions
	mu           sync.Mutex // one code or order at a time; guards ring and docs
	ring         license.Keyring
	docs         []license.Document
	answered     map[string]string                    // how documents of the hub were answered, by name: digest, colon, how
	entitlements atomic.Pointer[license.Entitlements] // read at any time, also by who is asked about an order
	changed      chan struct{}                        // Watch computes anew for how long nothing will change
}

// NewLicenses derives the entitlements of what is stored. What cannot be used is reported and left alone.
func NewLicenses(o LicenseOptions) (*Licenses, []error) {
	l := &Licenses{o: o, changed: make(chan struct{}, 1), docs: slices.Clone(o.Docs), answered: map[string]string{}}
	maps.Copy(l.answered, o.Answered)
	var faults []error
	l.ring, faults = license.KeyringOf(o.Roots, l.docs)
	rights := l.rights()
	l.entitlements.Store(&rights)
	return l, faults
}

// Inform carries an event to the panel and waits until it was taken.
type Inform func(context.Context, panel.Event) error

// Present examines a code and keeps what it brings before it says yes. A refusal is a verdict; an error says that the
// code was good and could not be kept: nothing changed. account is for whom a license is, where it asks that.
func (l *Licenses) Present(ctx context.Context, text, account, via, by string, inform Inform) (license.Verdict, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accept(ctx, l.guarded(license.Examine(text, l.ring, l.o.Panel, l.o.Clock(), l.docs, account), text, via), via, by, inform)
}

// accept keeps what a verdict brings and tells the panel of it. Hold l.mu.
func (l *Licenses) accept(ctx context.Context, v license.Verdict, via, by string, inform Inform) (license.Verdict, error) {
	docs, err := l.signed(v)
	if err != nil {
		return v, err
	}
	remember, err := l.keep(docs)
	if err != nil {
		return v, fmt.Errorf("cannot store license: %w; nothing was changed, try again", err)
	}
	if len(docs) > 0 || !v.Result.Refused() {
		// Kept is kept: whoever presented it may be gone, the panel learns of it all the same.
		ctx = context.WithoutCancel(ctx)
		if err := l.derive(ctx, inform); err != nil {
			return v, fmt.Errorf("cannot apply stored license: %w; it is in force after the next start", err)
		}
	}
	shown := panel.LicensePresented{
		Result: v.Result, Title: v.Title, Message: v.Message, Document: v.Kind, Via: via, By: by, Accepted: !v.Result.Refused(),
		Remember: remember,
	}
	if v.Token != nil {
		shown.Token = v.Token.ID.String()
	}
	return v, inform(ctx, shown)
}

// Look examines a code and changes nothing.
func (l *Licenses) Look(text string) license.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	return license.Examine(text, l.ring, l.o.Panel, l.o.Clock(), l.docs, "")
}

// signed is everything that a verdict asks to be kept, with the panel's own statement signed.
func (l *Licenses) signed(v license.Verdict) ([]license.Document, error) {
	docs := slices.Clone(v.Keep)
	if v.Sign != nil {
		doc, err := v.Sign.Sign(l.o.Sign)
		if err != nil {
			return nil, fmt.Errorf("cannot sign with the panel's key: %w; nothing was changed", err)
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// keep makes documents durable and puts them in the place of what they replace. What it returns is for the journal.
func (l *Licenses) keep(docs []license.Document) ([]panel.Memory, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	if err := l.o.Store.Keep(docs...); err != nil {
		return nil, err
	}
	remember := append(DocumentMemory(docs), forgotten(l.docs, docs)...)
	l.docs = license.Replaced(l.docs, docs)
	ring, faults := license.KeyringOf(l.o.Roots, l.docs)
	for _, fault := range faults {
		l.o.Logger.Warn("cannot use stored document", "cause", fault)
	}
	l.ring = ring
	return remember, nil
}

// rights are what the documents give by the clock, which learns from them what has passed for sure.
func (l *Licenses) rights() license.Entitlements {
	clock := l.o.Clock()
	e := license.Derive(l.ring, l.o.Panel, clock, l.docs)
	if l.o.Prove == nil || !e.Proven().After(clock.Mark) {
		return e
	}
	l.o.Prove(e.Proven())
	return license.Derive(l.ring, l.o.Panel, l.o.Clock(), l.docs)
}

// derive computes the entitlements anew and tells the panel when they changed.
func (l *Licenses) derive(ctx context.Context, inform Inform) error {
	now := l.rights()
	if now.Equal(*l.entitlements.Load()) {
		l.entitlements.Store(&now)
		return nil
	}
	if err := inform(ctx, panel.EntitlementsChanged{Entitlements: now}); err != nil {
		return err // the next look at the clock tries again
	}
	l.entitlements.Store(&now)
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

// Asker is who gives an order about licenses, and how the panel is told.
type Asker struct {
	By, Via string
	// Agree is asked when the order can be done, before anything is changed, with what would come of it; false: nothing
	// is changed. It must not give orders itself. nil: agreed.
	Agree func(Outcome) bool
	// Along is kept together with what is signed: the identity of the panel that is given something.
	Along  []license.Document
	Inform Inform
}

// Outcome is what came of an order, or would come of it.
type Outcome struct {
	license.Verdict
	Before, After license.Entitlements
	Done          bool
	// Code is what another panel is to be shown; empty until the order is done, and where nothing is to be shown.
	Code string
}

// Give deducts a part of a license, durably, and answers with the code that gives it to another panel.
func (l *Licenses) Give(ctx context.Context, order license.GiveOrder, a Asker) (Outcome, error) {
	return l.order(ctx, a, panel.LicenseGiven, func() license.Verdict {
		return license.Give(l.ring, l.o.Panel, l.o.Clock(), l.docs, order)
	})
}

// GiveBack gives a part of what another panel gave back to it.
func (l *Licenses) GiveBack(ctx context.Context, order license.BackOrder, a Asker) (Outcome, error) {
	return l.order(ctx, a, panel.LicenseGaveBack, func() license.Verdict {
		return license.GiveBack(l.ring, l.o.Panel, l.o.Clock(), l.docs, order)
	})
}

// Undo gives an activation up; its code lets another panel activate the license.
func (l *Licenses) Undo(ctx context.Context, id license.TokenID, a Asker) (Outcome, error) {
	return l.order(ctx, a, panel.LicenseReleased, func() license.Verdict {
		return license.Undo(l.ring, l.o.Panel, l.o.Clock(), l.docs, id)
	})
}

// Assign says for which account a license is.
func (l *Licenses) Assign(ctx context.Context, id license.TokenID, account string, a Asker) (Outcome, error) {
	return l.order(ctx, a, panel.LicenseAssigned, func() license.Verdict {
		return license.Assign(l.ring, l.o.Panel, l.o.Clock(), l.docs, id, account)
	})
}

// order does what a pure function decides. Every order that was not a mere look is written down, also a refused one.
func (l *Licenses) order(ctx context.Context, a Asker, kind panel.Kind, decide func() license.Verdict) (Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := Outcome{Verdict: decide(), Before: l.Entitlements(), After: l.Entitlements()}
	docs, err := l.signed(o.Verdict)
	if err != nil {
		return o, err
	}
	if len(docs) > 0 {
		after := license.Replaced(l.docs, docs)
		o.After = license.Derive(l.ring, l.o.Panel, l.o.Clock(), after)
	}
	if a.Agree != nil && !a.Agree(o) {
		return o, nil
	}
	if !o.Result.Refused() {
		docs = append(slices.Clone(a.Along), docs...)
	}
	remember, err := l.keep(docs)
	if err != nil {
		return o, fmt.Errorf("cannot store what was signed: %w; nothing was changed, try again", err)
	}
	o.Done = !o.Result.Refused()
	entry := panel.Entry{Kind: kind, Who: a.By, Why: string(o.Result), Detail: strings.TrimSpace(a.Via + ": " + o.Message)}
	if !o.Done {
		entry.Kind = panel.LicenseNo
	}
	ctx = context.WithoutCancel(ctx) // kept is kept
	told := l.derive(ctx, a.Inform)
	told = firstOf(told, a.Inform(ctx, panel.Noted{Entry: entry, Remember: remember}))
	if told != nil {
		return o, fmt.Errorf("cannot apply what was stored: %w; it is in force after the next start", told)
	}
	if o.Done && o.Sign != nil {
		o.Code = shown(docs[len(docs)-1])
	}
	return o, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// shown is the code of a document that is meant for another panel.
func shown(doc license.Document) string {
	switch doc.Kind {
	case envelope.Slice, envelope.Return, envelope.Release:
		return envelope.Armor(doc.Kind, doc.Raw)
	}
	return ""
}

// Identity is this panel's signed identity as a code.
func (l *Licenses) Identity() (string, error) {
	clock := l.o.Clock()
	at := clock.Now
	if clock.Mark.After(at) {
		at = clock.Mark
	}
	doc, err := license.Identity{Panel: l.o.Panel.Key, Name: l.o.Name, At: at.UTC().Truncate(time.Second)}.Sign(l.o.Sign)
	if err != nil {
		return "", fmt.Errorf("cannot sign this panel's identity: %w", err)
	}
	return envelope.Armor(doc.Kind, doc.Raw), nil
}

// CanUndo tells whether an activation can be given up at this moment.
func (l *Licenses) CanUndo(id license.TokenID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return license.Undo(l.ring, l.o.Panel, l.o.Clock(), l.docs, id).Result == license.Activated
}

// Entitlements is what the licenses give at this moment.
func (l *Licenses) Entitlements() license.Entitlements { return *l.entitlements.Load() }

// Documents are all that is kept, and the ring they are verified with.
func (l *Licenses) Documents() ([]license.Document, license.Keyring) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.docs), l.ring
}

// memoryPrefix stands before the key of a document where the journal remembers it.
const memoryPrefix = "license/"

// maxRemembered bounds a document in the journal, in bytes, below what one entry holds. A longer one, which only a long list of
// revocations is, lies in the store alone.
const maxRemembered = 40 << 10

// DocumentMemory is what the journal keeps of documents: a second copy, for a store that was damaged or brought back from before.
func DocumentMemory(docs []license.Document) []panel.Memory {
	return memoryOf(docs, func(d license.Document) string { return d.Key })
}

// CopyMemory is what the journal keeps of documents beside those with the same keys, when it cannot be told which one is newer.
func CopyMemory(docs []license.Document) []panel.Memory { return memoryOf(docs, CopyKey) }

func memoryOf(docs []license.Document, key func(license.Document) string) []panel.Memory {
	var list []panel.Memory
	for _, d := range docs {
		if len(d.Raw) <= maxRemembered {
			list = append(list, panel.Memory{Key: memoryPrefix + key(d), Value: base64.RawStdEncoding.EncodeToString(d.Raw)})
		}
	}
	return list
}

// forgotten lets the journal forget the copies of documents that newer ones replace.
func forgotten(docs, newer []license.Document) []panel.Memory {
	copies := map[string][]panel.Memory{}
	for _, d := range docs {
		copies[d.Key] = append(copies[d.Key], panel.Memory{Key: memoryPrefix + CopyKey(d)})
	}
	var list []panel.Memory
	for _, n := range newer {
		if len(copies[n.Key]) > 1 {
			list = append(list, copies[n.Key]...)
		}
	}
	return list
}

// copyMark stands between the key of a document and what tells its copy from the others.
const copyMark = "#"

// CopyKey is a key for one of several documents whose key is the same.
func CopyKey(d license.Document) string {
	digest := license.DigestOf(d.Raw)
	return d.Key + copyMark + hex.EncodeToString(digest[:])
}

// DocumentAt is the document that is kept under a key of its own or under a CopyKey; false when it is none.
func DocumentAt(key string, raw []byte) (license.Document, bool) {
	key, _, _ = strings.Cut(key, copyMark)
	return license.DocumentAt(key, raw)
}

// RememberedDocuments are the license documents in a panel's memory; several with one key are copies. What is none is left out.
func RememberedDocuments(memory []panel.Memory) []license.Document {
	var docs []license.Document
	for _, m := range memory {
		key, ok := strings.CutPrefix(m.Key, memoryPrefix)
		if !ok || m.Value == "" {
			continue
		}
		raw, err := base64.RawStdEncoding.DecodeString(m.Value)
		if err != nil {
			continue
		}
		if doc, known := DocumentAt(key, raw); known {
			docs = append(docs, doc)
		}
	}
	return docs
}

// longestWatch bounds how long a change of rights may go unnoticed when a wall clock runs away from the monotonic one.
const longestWatch = time.Hour

// Watch lets rights begin and end by themselves until ctx ends: at their time, and whenever the clock was set.
func (l *Licenses) Watch(ctx context.Context, a *Agent) error {
	timer := time.NewTimer(longestWatch)
	defer timer.Stop()
	for {
		wait := longestWatch
		if next := l.Entitlements().NextChange(); !next.IsZero() {
			// An instant that lies in the past on a clock nobody trusts changes nothing yet: look again, without haste.
			if left := next.Sub(l.o.Clock().Now); left > 0 {
				wait = min(left+time.Millisecond, longestWatch)
			} else {
				wait = time.Minute
			}
		}
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
