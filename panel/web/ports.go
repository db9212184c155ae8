package web

import (
	"context"
	"errors"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// What a port may wrap, so that the caller is told in the right words. The text of the wrapping error is shown to the
// caller as it is; every other error is shown as a failure of the panel and goes to the log.
var (
	ErrNotFound    = errors.New("not found")              // 404
	ErrInvalid     = errors.New("not valid")              // 422
	ErrConflict    = errors.New("already there")          // 409
	ErrNotLicensed = errors.New("not licensed")           // 403
	ErrReadOnly    = errors.New("the store is read-only") // 503: written by a newer version, or the disk is full
	ErrBusy        = errors.New("busy")                   // 503, worth another try
	ErrHubRefused  = errors.New("nothing was changed")    // 409 hub-refused: the hub's word, or that it was not reached
)

// Doors opens doors and tells how they are.
type Doors interface {
	// Open asks the panel to open a door and waits for its decision. why is the reason of a refusal (an access.Why or
	// another word of the journal). err says that there was no decision: ErrNotFound for an unknown door.
	Open(ctx context.Context, door, who, via string) (granted bool, why string, err error)
	// Doors lists every door in the order of the configuration.
	Doors() []DoorView
}

// Lockdown lets nobody in but who may in an emergency. Exit and fire open as ever.
type Lockdown interface {
	// Lockdown reports whether the panel is locked down.
	Lockdown() bool
	// SetLockdown begins a lockdown or ends it. It is in force when this returns nil.
	SetLockdown(ctx context.Context, on bool, who, via string) error
}

// DoorView is a door as the pages show it.
type DoorView struct {
	Name   string `json:"name"`
	Safe   string `json:"safe"`   // fail-secure or fail-safe
	Strike string `json:"strike"` // released, secured, failed, or stray: it does something else than it was told
	// OpensMS is how long the strike stays released, in milliseconds; 0: not released, or for as long as an alarm lasts.
	OpensMS int64  `json:"opens_ms,omitempty"`
	Contact string `json:"contact"`         // open, closed, or none when no contact is wired
	Alarm   string `json:"alarm,omitempty"` // held, forced, fire
	// Stands is why the door stands open for as long as that lasts: fire, toggle or schedule.
	Stands string `json:"stands_open,omitempty"`
}

// Licenses activates licenses and tells what they give.
type Licenses interface {
	// Present examines what was shown and, when it is good, stores it before it returns. A refusal is a Verdict, not an
	// error; err says that no decision could be made or kept. account is for whom, where a license asks that; empty:
	// nobody yet.
	Present(ctx context.Context, text, account, via, by string) (license.Verdict, error)
	// Entitlements is what the stored licenses give at this moment.
	Entitlements() license.Entitlements
	// Overview is one line for each feature: what there is of it, what is used, from which licenses, and why not.
	Overview() []license.Line
	// Held lists the stored licenses, newest activation first.
	Held() []LicenseView
}

// LicenseView is one stored license, or one share of another panel's license. Secrets of a license do not exist: whoever
// may see the page may see all of it.
type LicenseView struct {
	ID        string         `json:"id"`
	Label     string         `json:"label,omitempty"`      // what the issuer printed on it
	ShortCode string         `json:"short_code,omitempty"` // the typed code beside the QR code
	Grants    map[string]int `json:"grants"`               // what can be used of it here
	Sold      map[string]int `json:"sold,omitempty"`       // what the license says, where that is more
	Given     []GivenAway    `json:"given,omitempty"`      // by panel, in the order of their ids
	GivenBy   string         `json:"given_by,omitempty"`   // id of the panel whose license this is a share of
	GiverName string         `json:"giver_name,omitempty"`
	// Pools are the counted features of which some can be given to another panel, or back to GivenBy.
	Pools     []string  `json:"pools,omitempty"`
	Scope     string    `json:"scope"`             // panel, account, site, group
	Account   string    `json:"account,omitempty"` // whom an account's license was associated with; empty: nobody yet
	Status    string    `json:"status"`            // the words of license.Entitlements
	Message   string    `json:"message,omitempty"`
	Activated time.Time `json:"activated"`
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	// UndoUntil is when the activation becomes final; zero: it is, or a part of the license is given away.
	UndoUntil time.Time `json:"undo_until,omitzero"`
	Issuer    string    `json:"issuer"` // key id
	Root      string    `json:"root"`   // key id of the root that stands behind it
}

// GivenAway is what another panel has of a license.
type GivenAway struct {
	Panel   string `json:"panel"` // its id
	Name    string `json:"name,omitempty"`
	Feature string `json:"feature"`
	Count   int    `json:"count"`
}

// Pools shares counted features out among panels. An id that names no license, or a beginning that names several, is
// ErrNotFound; every other refusal is an answer.
type Pools interface {
	// Give deducts durably before it answers with the code for the other panel.
	Give(ctx context.Context, o PoolOrder, by, via string) (PoolAnswer, error)
	// GiveBack returns a part of a share to the panel it came from.
	GiveBack(ctx context.Context, o PoolOrder, by, via string) (PoolAnswer, error)
	// Codes are the newest code for each panel, to be shown again; newest first.
	Codes() []PoolCode
	// Peers are the panels whose identity was shown to this one, by name.
	Peers() []Peer
}

// PoolOrder asks to move a part of a license, or all of it (Undo).
type PoolOrder struct {
	License string // its id
	Feature string
	To      string // the identity of the receiving panel (DI1:…) or the id of a known one; not used to give back
	Count   int    // how many more are to be given, or given back
	// Preview changes nothing: it tells what would happen.
	Preview bool
	// Confirmed are the numbers of the buttons that may stop. When others would stop too, nothing is done and the Result
	// is Unconfirmed: what stops is named before it stops.
	Confirmed []int
}

// Unconfirmed is the result of an order that would stop call buttons nobody was asked about.
const Unconfirmed license.Result = "unconfirmed"

// PoolAnswer is what came of a PoolOrder, or would come of it. Result is license.Activated when it was done or can be.
type PoolAnswer struct {
	Result  license.Result
	Title   string
	Message string
	// Before and After are how many of the feature can be used here; for buttons the free one is included.
	Before, After int
	Stops         []StoppingButton // by number
	Code          string           // what the other panel must be shown; empty in a preview
	Panel, Name   string           // the other panel, when there is one
}

// StoppingButton is a call button that would not call any more.
type StoppingButton struct {
	Number int    `json:"number"`
	Label  string `json:"label"`
}

// PoolCode is a code that was made for another panel and may be shown to it again at any time: nothing is counted twice.
type PoolCode struct {
	Kind    string    `json:"kind"` // slice, return or release
	Text    string    `json:"code"`
	License string    `json:"license"`
	Label   string    `json:"label,omitempty"`
	Panel   string    `json:"panel,omitempty"` // whom it is for; empty: the panel that is to have a released license
	Name    string    `json:"name,omitempty"`
	Feature string    `json:"feature,omitempty"`
	Count   int       `json:"count,omitempty"` // in all
	At      time.Time `json:"at"`
}

// Peer is another panel whose identity is known here.
type Peer struct {
	Panel string `json:"panel"` // its id
	Name  string `json:"name"`
}

// Bindings ties licenses to this panel and to accounts.
type Bindings interface {
	// Undo gives an activation up, within seven days; of the order License, Preview and Confirmed count. The answer's Code
	// lets another panel activate the license.
	Undo(ctx context.Context, o PoolOrder, by, via string) (PoolAnswer, error)
	// Assign says for whom an account's license is.
	Assign(ctx context.Context, licenseID, account, by, via string) (license.Verdict, error)
	// Identity is who this panel is, signed by itself.
	Identity() PanelIdentity
}

// PanelIdentity is who a panel is. Its text is shown to the panel that is to give it something.
type PanelIdentity struct {
	Panel string `json:"panel"` // its id
	Name  string `json:"name"`
	Text  string `json:"text"` // DI1:…
}

// Credentials makes and withdraws what people open doors with.
type Credentials interface {
	// Credentials returns at most limit credentials whose id is greater than after, by id.
	Credentials(after string, limit int) ([]access.Credential, error)
	// AddCredential stores a credential. code is the drawn code when none was given, else empty; it is shown once and
	// kept nowhere. ErrConflict: the card or code is in use. ErrNotLicensed: access control is not active.
	AddCredential(ctx context.Context, c NewCredential, by string) (made access.Credential, code string, err error)
	RemoveCredential(ctx context.Context, id, by string) error
}

// NewCredential is a card or a code to be made. It has been checked for form: exactly one of UID and Code belongs to the
// kind, the UID is upper-case hexadecimal, From is before Until.
type NewCredential struct {
	Person   string      `json:"person"` // id or name; an unknown name makes the person
	Kind     access.Kind `json:"kind"`
	UID      string      `json:"uid,omitempty"`
	Code     string      `json:"code,omitempty"` // 4 to 12 digits; empty: the panel draws one
	Doors    []string    `json:"doors,omitempty"`
	From     time.Time   `json:"valid_from,omitzero"`
	Until    time.Time   `json:"valid_until,omitzero"`
	Schedule string      `json:"schedule,omitempty"`
	Uses     int         `json:"uses,omitempty"`                   // how often it opens; 0: as often as one likes
	Minutes  int         `json:"minutes_from_first_use,omitempty"` // how long it opens from its first use; 0: no end
}

// Schedules keeps the weekly profiles. What it is given has passed access.Profile.Check.
type Schedules interface {
	Schedules() ([]access.Profile, error)
	PutSchedule(ctx context.Context, p access.Profile, by string) error
	// DeleteSchedule fails with ErrConflict while a credential names the profile.
	DeleteSchedule(ctx context.Context, name, by string) error
}

// Buttons keeps the call buttons' labels and targets.
type Buttons interface {
	Buttons() []ButtonView
	PutButton(ctx context.Context, b ButtonView, by string) error
	DeleteButton(ctx context.Context, number int, by string) error
}

// ButtonView is a call button. Active and Why are not read on the way in.
type ButtonView struct {
	Number int    `json:"number"` // 1-based
	Label  string `json:"label"`
	Target string `json:"target,omitempty"`
	Active bool   `json:"active"`        // a press would call
	Why    string `json:"why,omitempty"` // a sentence when it would not
}

// Learner waits for a card in order to make a credential of it.
type Learner interface {
	// Learn returns the next card at the reader, or at any reader when it is empty. The card opens nothing meanwhile. It
	// returns when ctx ends; ErrBusy while somebody else is learning.
	Learn(ctx context.Context, reader string) (uid, seenAt string, err error)
}

// Journal is read, never written.
type Journal interface {
	// After returns at most limit entries younger than seq, oldest first.
	After(seq uint64, limit int) ([]JournalEntry, error)
	// Before returns at most limit entries older than seq, newest first.
	Before(seq uint64, limit int) ([]JournalEntry, error)
	// Wait returns nil once there is an entry younger than after, and the cause when ctx ends before.
	Wait(ctx context.Context, after uint64) error
}

// Archive takes persons and old entries out of the journal, whose chain can be checked all the same.
type Archive interface {
	// ErasePerson takes a person, by id and name, out of every entry, and returns how many it were.
	ErasePerson(ctx context.Context, id, name, by string) (entries int, err error)
	// Tidy does what the configuration says about old entries. ErrConflict: the panel does not know the time.
	Tidy(ctx context.Context, by string) (JournalTidied, error)
}

// JournalTidied is what came of it.
type JournalTidied struct {
	Erased  int    `json:"persons_erased"` // entries that still stand
	Deleted uint64 `json:"entries_deleted"`
}

// JournalEntry is one entry with its place in the journal.
type JournalEntry struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Trusted bool      `json:"trusted"`
	MonoMS  int64     `json:"mono_ms"`
	Boot    string    `json:"boot,omitempty"`
	Gap     uint64    `json:"gap,omitempty"` // that many entries before this one are gone
	panel.Entry
}

// Accounts keeps who may log in. There are few.
type Accounts interface {
	Users() ([]User, error)
	PutUser(u User) error
	DeleteUser(name string) error
}

// User may log in.
type User struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	Hash string `json:"hash"` // argon2id, in PHC form
	// Generation counts password changes; sessions of an earlier one have ended.
	Generation int       `json:"generation"`
	Made       time.Time `json:"made"`
	// Until ends the account by itself, as of an installer who is here for a week; zero: no end.
	Until time.Time `json:"until,omitzero"`
}

// Ended reports whether the account's time is over.
func (u User) Ended(now time.Time) bool { return !u.Until.IsZero() && !now.Before(u.Until) }

// Role says what a user may do. Each may do what the next may.
type Role string

// The roles.
const (
	Administrator Role = "administrator" // everything, users included
	Installer     Role = "installer"     // everything but users
	Resident      Role = "resident"      // sees the doors and opens them, on the LAN
)

// Sessions keeps who is logged in, by the hash of the token that only the browser has. A session not used for
// SessionIdle is over and may be dropped.
type Sessions interface {
	Session(hash string) (Session, bool, error)
	PutSession(hash string, s Session) error
	DeleteSession(hash string) error
}

// Session is somebody who is logged in.
type Session struct {
	User       string    `json:"user"`
	Generation int       `json:"generation"`
	Seen       time.Time `json:"seen"` // last use, to within sessionTouch
}

// Face is what the display, the light and the buttons show to a visitor.
type Face interface {
	Face() FaceView
	// WaitFace returns nil once Face().Version differs from version, and the cause when ctx ends before.
	WaitFace(ctx context.Context, version uint64) error
}

// FaceView is the panel as a visitor sees it: no targets, no names of residents but the labels.
type FaceView struct {
	Version   uint64       `json:"version"`
	Site      string       `json:"site"`      // filled in by this package
	Language  string       `json:"language"`  // filled in by this package
	Time      time.Time    `json:"time"`      // filled in by this package
	Trusted   bool         `json:"trusted"`   // the clock may be shown; filled in by this package
	Touch     bool         `json:"touch"`     // this caller may press; filled in by this package
	Simulated bool         `json:"simulated"` // this caller finds the hardware at /sim/; filled in by this package
	Text      string       `json:"text"`      // empty: idle
	Light     panel.Light  `json:"light"`
	Tone      panel.Tone   `json:"tone,omitempty"` // the last one, for a display without a speaker
	Buttons   []ButtonView `json:"buttons"`
	Code      *FaceCode    `json:"code,omitempty"`   // filled in by this package
	Setup     *FaceSetup   `json:"setup,omitempty"`  // filled in by this package
	Notice    string       `json:"notice,omitempty"` // a line for the installer; filled in by this package
}

// Touch is the glass of a panel whose display shows the face page: it presses as a wired button or keypad would.
type Touch interface {
	Press(button int) error
	Key(key rune) error // 0-9, '#', '*'
}

// Status is the panel's health, each part with a state of its own.
type Status struct {
	Version     string       `json:"version"`
	Panel       string       `json:"panel"` // the panel's id
	Name        string       `json:"name"`  // what people call it: its site, and its own name if it has one
	Site        string       `json:"site"`
	Boot        string       `json:"boot"`
	StartedAt   time.Time    `json:"started"`
	Now         time.Time    `json:"now"`
	Trusted     bool         `json:"clock_trusted"`
	ClockSource string       `json:"clock_source,omitempty"`
	ReadOnly    bool         `json:"read_only"`
	Roots       []string     `json:"roots"`                 // key ids of the configured license roots
	Fingerprint string       `json:"fingerprint,omitempty"` // of the page's certificate, SHA-256
	Epoch       string       `json:"epoch,omitempty"`
	Seq         uint64       `json:"seq"` // newest journal entry
	Parts       []PartStatus `json:"parts"`
	Notes       []string     `json:"notes,omitempty"` // what was set aside or restored at start
}

// PartStatus is one part that may fail without the others: a SIP account, the uplink, a reader, the journal.
type PartStatus struct {
	Kind   string `json:"kind"` // account, uplink, reader, strike, display, store, journal, clock
	Name   string `json:"name"`
	State  string `json:"state"` // ok, starting, failed, off
	Detail string `json:"detail,omitempty"`
}
