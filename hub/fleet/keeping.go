package fleet

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a store that a caller tells apart with errors.Is.
var (
	ErrUnknown = errors.New("not known")       // there is no such record
	ErrExists  = errors.New("exists already")  // a record that was to be new is there
	ErrTaken   = errors.New("already decided") // somebody else was first, such as with a delivery that is on its way
	ErrNotKept = errors.New("not stored")      // the store did not take it; later it may
)

// Edition numbers the states of a record that people edit, so that nobody overwrites what he has not seen.
type Edition struct {
	Number uint64    `json:"number"` // from 1; 0: there is no record
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// AnyEdition lets an edit replace whatever is there, or nothing.
const AnyEdition = ^uint64(0)

// Edit says what a change was made from, and what the audit says of it.
type Edit struct {
	// From is the number of the edition that the editor saw: 0 makes a new record, AnyEdition replaces whatever is there.
	From uint64
	// Change is written into the audit together with the record, or not at all when its What is empty. Its Who and At are
	// those of the new edition in any case.
	Change Change
}

// ChangedError says that somebody else changed a record after it was read.
type ChangedError struct {
	What string  // such as "site north"
	Now  Edition // the record's present one
}

func (e *ChangedError) Error() string {
	if e.Now.Number == 0 {
		return fmt.Sprintf("cannot change %s: it was deleted meanwhile", e.What)
	}
	return fmt.Sprintf("cannot change %s: changed meanwhile by %s at %s; look at it again", e.What, e.Now.By, e.Now.At.UTC().Format(time.RFC3339))
}

// Verdict is what a store did with an event.
type Verdict string

// The verdicts. All but Ahead are to be acknowledged.
const (
	Stored    Verdict = "stored"
	Duplicate Verdict = "duplicate" // it is there already
	Ahead     Verdict = "ahead"     // entries before it are missing; it was not stored
	Rewritten Verdict = "rewritten" // it is there already with another chain; the first one is kept
)

// Outcome tells what became of one event.
type Outcome struct {
	Verdict Verdict
	Serial  uint64 // of a stored event
	Want    uint64 // when Ahead: the entry from which the panel is to send again
	Fault   *Fault // what is wrong with it, besides; it is kept by then
}

// Keep is one rule of retention. For an event, the rule with the longest fitting Kind counts; among equal ones that of its
// site.
type Keep struct {
	Site string `json:"site,omitempty"` // empty: every site
	Kind string `json:"kind,omitempty"` // the kind itself, or its beginning with a dot at the end; empty: every kind
	Days int    `json:"days"`           // counted from the arrival; 0: for ever
}

// Swept tells what a sweep deleted.
type Swept struct {
	Expired uint64 // events whose time was over
	Pushed  uint64 // events that had to go for room, the oldest first
	// Since is when the oldest event that is left arrived; zero when none is.
	Since time.Time
	More  bool // the sweep ended at its bound; another one goes on
}

// Situation is what the monitor knows of a site.
type Situation struct {
	Site  string
	State []byte // JSON of hub/monitor's
}

// Document is a signed document for a panel, published retained until it is withdrawn.
type Document struct {
	Panel        string    `json:"panel"`
	Kind         string    `json:"kind"`
	ID           string    `json:"id"`
	Bytes        []byte    `json:"bytes"`
	Made         time.Time `json:"made"`
	By           string    `json:"by"`
	Published    time.Time `json:"published,omitzero"`
	Acknowledged time.Time `json:"acknowledged,omitzero"`
	Withdrawn    time.Time `json:"withdrawn,omitzero"`
	// Answer is what the panel said to this content; nil: nothing yet.
	Answer *DocumentAnswer `json:"answer,omitempty"`
}

// DocumentAnswer is what a panel said to a document.
type DocumentAnswer struct {
	Result string    `json:"result"` // taken, already or refused
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`              // when it was heard
	Epoch  string    `json:"epoch,omitempty"` // of the panel's entry that says so
	Seq    uint64    `json:"seq,omitempty"`
}

// License is a monitoring license that was put into the hub.
type License struct {
	ID          string    `json:"id"`
	Site        string    `json:"site"`
	Token       []byte    `json:"token"` // as it was given, to be verified again
	Added       time.Time `json:"added"`
	By          string    `json:"by"`
	Withdrawn   time.Time `json:"withdrawn,omitzero"`
	WithdrawnBy string    `json:"withdrawn_by,omitempty"`
}

// Voucher is a signed package for a group of users that the hub knows; whether it is used stands in the license ledger.
type Voucher struct {
	ID    string    `json:"id"`   // license.TokenID as text
	Code  string    `json:"code"` // digest of its short code
	Text  []byte    `json:"text"` // as it was given, to be verified again
	Added time.Time `json:"added"`
	By    string    `json:"by"`
}

// DeliveryQuery asks for deliveries, newest first. Zero fields ask nothing.
type DeliveryQuery struct {
	Site, Incident, Recipient string
	State                     DeliveryState
	Before                    string // the Next of the page before
	Limit                     int
	// Shown tells what the asker may see, as that of Query does; nil: everything.
	Shown func(Delivery) bool
}

// DeliveryPage is an answer to a DeliveryQuery.
type DeliveryPage struct {
	Deliveries []Delivery
	// Next is empty when there is nothing older. It is a key of the store, which may be that of a delivery that is not shown: whoever
	// hands it on hides what it says.
	Next string
}

// ChangeQuery asks for entries of the audit, newest first. Zero fields ask nothing.
type ChangeQuery struct {
	Who, What, Site string
	Text            string // part of the object or the sentence, in any case
	Before          uint64 // numbers below it; 0: from the newest on
	Limit           int
	// Shown tells what the asker may see, as that of Query does; nil: everything.
	Shown func(Change) bool
}

// Setting is a JSON value under a name, such as "mail". Secrets in it are the caller's to protect.
type Setting struct {
	Name    string
	Value   []byte
	Edition Edition
}
