package license

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Statement is what a panel says under its own key: an Identity, Activation, Slice, Return or Release.
type Statement interface {
	// Sign encodes and signs the statement for the owner of its key and says where it belongs in that panel's store.
	Sign(sign func(message []byte) ([]byte, error)) (Document, error)
}

// Identity says who a panel is: the one to whom buttons are to be given shows it.
type Identity struct {
	Panel ed25519.PublicKey
	Name  string // for people; at most 64 bytes in one line, may be empty
	At    time.Time
}

// ID is the panel's id.
func (i Identity) ID() envelope.Thumbprint { return envelope.ThumbprintOf(i.Panel) }

// String is the panel as people should see it: its name and the beginning of its id.
func (i Identity) String() string {
	if i.Name == "" {
		return "panel " + i.ID().String()
	}
	return fmt.Sprintf("panel %s (%s…)", i.Name, i.ID().String()[:6])
}

// Activation says that a panel activated a license, when, and for which account. It binds the license to that panel.
type Activation struct {
	Panel   ed25519.PublicKey
	License []byte    // the license's envelope
	At      time.Time // the claim, and the start of a term
	Account string    // for whom; empty = waiting, or a license that is for no account
	// AssignedAt is when Account was first set; zero before.
	AssignedAt time.Time
	// Changes counts how often the activation was signed anew, so that the newest of several is known.
	Changes int
	// Turn is how many panels released the license before this one; Origin the first of them. Zero for a license from paper.
	Turn   int
	Origin Origin
	// Ran is what the panel had run in all (Clock.Ran) when a license with a term was activated; less what the license had been used
	// for elsewhere, so that it may be negative. Whole seconds. A term ends after so much running time at the latest, whatever the
	// clock on the wall shows.
	Ran time.Duration
}

// Origin is the claim that a license which changed its panel goes back to.
type Origin struct {
	Panel envelope.Thumbprint
	At    time.Time
}

// Slice says how much of a license's counted feature its holder has given to another panel, and how much of that came back, each
// counted from the beginning: the numbers only grow.
type Slice struct {
	Holder     ed25519.PublicKey
	Activation []byte // the holder's activation's envelope
	To         envelope.Thumbprint
	Feature    string
	Given      int
	Returned   int // as far as the holder has seen it
	At         time.Time
}

// Return says how much of what a slice gives its receiver has given back in all.
type Return struct {
	Panel    ed25519.PublicKey
	Slice    []byte // the newest slice's envelope
	Returned int
	At       time.Time
}

// Release says that a panel gave up a license. Another panel may take it over with it.
type Release struct {
	Panel      ed25519.PublicKey
	Activation []byte // the envelope of the activation that ends
	At         time.Time
	Ran        time.Duration // what the panel had run in all by then, in whole seconds
}

const (
	maxChanges = 1_000_000
	maxTurns   = 1000
	maxDealt   = 1_000_000_000 // of a feature, from one panel to another, counted for ever
)

func (i Identity) check() error {
	if len(i.Name) > maxLabel || !printable(i.Name) {
		return fmt.Errorf("the name %q is not one line of at most %d bytes", i.Name, maxLabel)
	}
	return checkMoment(i.At)
}

// CheckAccount tells why a name cannot be that of an account, for whom a license is signed. An empty one is none, and is fine.
func CheckAccount(name string) error {
	if len(name) > maxLabel || !printable(name) {
		return fmt.Errorf("the account %q is not one line of at most %d bytes", name, maxLabel)
	}
	return nil
}

func (a Activation) check() error {
	if err := CheckAccount(a.Account); err != nil {
		return err
	}
	switch {
	case len(a.License) == 0:
		return errors.New("the license is missing")
	case a.Changes < 0 || a.Changes > maxChanges:
		return fmt.Errorf("%d changes are not between 0 and %d", a.Changes, maxChanges)
	case a.Turn < 0 || a.Turn > maxTurns:
		return fmt.Errorf("turn %d is not between 0 and %d", a.Turn, maxTurns)
	case (a.Turn == 0) != (a.Origin == Origin{}):
		return errors.New("the origin does not fit the turn")
	case a.Turn > 0 && a.Origin.At.IsZero():
		return errors.New("the origin's time is missing")
	case a.Ran%time.Second != 0:
		return fmt.Errorf("the running time %v is not in whole seconds", a.Ran)
	}
	if err := errors.Join(checkTime(a.AssignedAt), checkTime(a.Origin.At)); err != nil {
		return err
	}
	return checkMoment(a.At)
}

func (s Slice) check() error {
	switch {
	case len(s.Activation) == 0:
		return errors.New("the activation is missing")
	case !featureName(s.Feature):
		return fmt.Errorf("the feature %q is not a name", s.Feature)
	case s.Given < 1 || s.Given > maxDealt || s.Returned < 0 || s.Returned > s.Given:
		return fmt.Errorf("%d given and %d returned do not fit together", s.Given, s.Returned)
	case s.To == envelope.ThumbprintOf(s.Holder):
		return errors.New("a panel gives nothing to itself")
	}
	return checkMoment(s.At)
}

func (r Return) check() error {
	switch {
	case len(r.Slice) == 0:
		return errors.New("the slice is missing")
	case r.Returned < 0 || r.Returned > maxDealt:
		return fmt.Errorf("%d returned are not between 0 and %d", r.Returned, maxDealt)
	}
	return checkMoment(r.At)
}

func (r Release) check() error {
	if len(r.Activation) == 0 {
		return errors.New("the activation is missing")
	}
	if r.Ran < 0 || r.Ran%time.Second != 0 {
		return fmt.Errorf("the running time %v is not one in whole seconds", r.Ran)
	}
	return checkMoment(r.At)
}

func checkMoment(at time.Time) error {
	if at.IsZero() {
		return errors.New("the time is missing")
	}
	return checkTime(at)
}

// Sign signs the identity.
func (i Identity) Sign(sign func(message []byte) ([]byte, error)) (Document, error) {
	return signStatement(statement{
		envelope.Identity, i.Panel, place(placeIdentity, i.ID().String()), i.check(),
		tokenClaims{IssuedAt: seconds(i.At)}, identityOwn{Name: i.Name},
	}, sign)
}

// Sign signs the activation.
func (a Activation) Sign(sign func(message []byte) ([]byte, error)) (Document, error) {
	own := activationOwn{
		License: a.License, Account: a.Account, AssignedAt: seconds(a.AssignedAt), Changes: a.Changes, Turn: a.Turn, OriginAt: seconds(a.Origin.At), Ran: int64(a.Ran / time.Second),
	}
	if a.Turn > 0 {
		own.OriginPanel = a.Origin.Panel[:]
	}
	return signStatement(statement{
		envelope.Activation, a.Panel, place(placeActivation, reference(a.License)), a.check(), tokenClaims{IssuedAt: seconds(a.At)}, own,
	}, sign)
}

// Sign signs the slice. Its activation must be one that opens.
func (s Slice) Sign(sign func(message []byte) ([]byte, error)) (Document, error) {
	activation, err := OpenActivation(s.Activation)
	if err == nil {
		err = s.check()
	}
	return signStatement(statement{
		envelope.Slice, s.Holder, place(placeGiven, reference(activation.License), s.Feature, s.To.String()), err,
		tokenClaims{Subject: s.To[:], IssuedAt: seconds(s.At)},
		sliceOwn{Activation: s.Activation, Feature: s.Feature, Given: s.Given, Returned: s.Returned},
	}, sign)
}

// Sign signs the return. Its slice must be one that opens.
func (r Return) Sign(sign func(message []byte) ([]byte, error)) (Document, error) {
	key, err := "", r.check()
	if err == nil {
		var whole given
		if whole, err = openGiven(r.Slice); err == nil {
			key = whole.place(placeBack, envelope.ThumbprintOf(whole.Holder))
		}
	}
	return signStatement(statement{
		envelope.Return, r.Panel, key, err, tokenClaims{IssuedAt: seconds(r.At)}, returnOwn{Slice: r.Slice, Returned: r.Returned},
	}, sign)
}

// Sign signs the release. Its activation must be one that opens.
func (r Release) Sign(sign func(message []byte) ([]byte, error)) (Document, error) {
	activation, err := OpenActivation(r.Activation)
	if err == nil {
		err = r.check()
	}
	return signStatement(statement{
		envelope.Release, r.Panel, place(placeRelease, reference(activation.License)), err,
		tokenClaims{IssuedAt: seconds(r.At)}, releaseOwn{Activation: r.Activation, Ran: int64(r.Ran / time.Second)},
	}, sign)
}

// given is a slice with the activation in it, both of one panel.
type given struct {
	Slice
	activation Activation
}

func (g given) place(prefix string, other envelope.Thumbprint) string {
	return place(prefix, reference(g.activation.License), g.Feature, other.String())
}

func openGiven(raw []byte) (given, error) {
	slice, err := OpenSlice(raw)
	if err != nil {
		return given{}, err
	}
	activation, err := OpenActivation(slice.Activation)
	if err != nil {
		return given{}, err
	}
	if !bytes.Equal(activation.Panel, slice.Holder) {
		return given{}, fmt.Errorf("cannot read slice: %w: it gives away what another panel activated", envelope.ErrMalformed)
	}
	return given{slice, activation}, nil
}
