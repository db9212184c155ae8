package agent

import (
	"context"
	"errors"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// read is a card or a key on its way to be looked up, in the order in which they came.
type read struct {
	reader  string
	uid     string        // of a card
	scanned string        // a pass or a code of digits
	key     rune          // of a keypad
	at      time.Duration // monotonic: a lookup that is slow does not change how fast somebody typed
}

// learner is somebody who waits for the next card.
type learner struct {
	reader string // empty: any
	seen   chan read
}

// Card is a card at a reader, by its UID in upper-case hexadecimal.
func (a *Agent) Card(reader, uid string) { a.take(read{reader: reader, uid: uid}) }

// Key is one key of a keypad.
func (a *Agent) Key(reader string, key rune) {
	a.Post(panel.KeyPressed{Reader: reader})
	a.take(read{reader: reader, key: key, at: a.o.Clock().Mono})
}

func (a *Agent) take(r read) {
	select {
	case a.reads <- r:
	default:
		a.dropped.Add(1)
	}
}

// read looks up what was shown, outside the loop: a disk that hangs holds up cards and codes, never the exit.
func (a *Agent) read(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-a.reads:
			if r.scanned != "" {
				a.scanned(r)
				continue
			}
			if r.uid != "" {
				if !a.learned(r) {
					a.lookUp(r.reader, access.Card, r.uid)
				}
				continue
			}
			k := a.keypads[r.reader]
			if k == nil {
				k = &panel.Keypad{}
				a.keypads[r.reader] = k
			}
			if code, complete := k.Press(r.at, r.key); complete && !a.typedLicense(code) {
				a.lookUp(r.reader, access.Code, code)
			}
		}
	}
}

// typedLicense answers the short code that stands beside a license's QR: it opens nothing. A hub is asked for its license; without
// one it finds none, so whoever typed it is told what to do. It has more digits than any code, and is no guess of one.
func (a *Agent) typedLicense(typed string) bool {
	code, err := license.ParseShortCode(typed)
	if err == license.ErrNotShortCode {
		return false
	}
	if err == nil && a.o.HasHub != nil && a.o.HasHub() {
		a.Post(panel.LicenseAsk{Digest: code.Digest()})
		return true
	}
	v := license.Examine(typed, license.Keyring{}, license.Panel{}, license.Clock{}, nil, "")
	a.Post(panel.LicensePresented{Result: v.Result, Title: v.Title, Message: v.Message, Via: "keypad"})
	return true
}

func (a *Agent) lookUp(reader string, kind access.Kind, shown string) {
	a.present(reader, kind, a.facts(kind, shown))
}

func (a *Agent) facts(kind access.Kind, shown string) panel.Facts {
	facts, err := a.o.Lookups.Facts(kind, shown)
	if err != nil {
		a.log.Error("cannot look up credential", "kind", kind, "cause", err)
		return panel.Facts{Failed: true}
	}
	return facts
}

func (a *Agent) present(reader string, kind access.Kind, facts panel.Facts) {
	select {
	case a.inbox <- input{event: panel.CredentialPresented{Reader: reader, Kind: kind, Facts: facts}}:
	case <-a.stopped:
	}
}

// ErrLearning says that somebody else waits for the next card already.
var ErrLearning = errors.New("cannot learn a card: somebody else is waiting for one; try again in a minute")

// Learn returns the next card at a reader, or at any when reader is empty. That card opens nothing.
func (a *Agent) Learn(ctx context.Context, reader string) (uid, seenAt string, err error) {
	l := &learner{reader: reader, seen: make(chan read, 1)}
	if !a.learner.CompareAndSwap(nil, l) {
		return "", "", ErrLearning
	}
	defer a.learner.CompareAndSwap(l, nil)
	select {
	case r := <-l.seen:
		return r.uid, r.reader, nil
	case <-ctx.Done():
		return "", "", ctx.Err()
	case <-a.stopped:
		return "", "", errStopped
	}
}

func (a *Agent) learned(r read) bool {
	l := a.learner.Load()
	if l == nil || l.reader != "" && l.reader != r.reader || !a.learner.CompareAndSwap(l, nil) {
		return false
	}
	l.seen <- r
	a.Post(panel.KeyPressed{Reader: r.reader}) // the person hears that the card was seen
	return true
}
