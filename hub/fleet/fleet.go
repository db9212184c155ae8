package fleet

import (
	"time"

	"github.com/doorpanel/doorpanel/telemetry"
)

// Site is an installation environment (I-28): what a monitoring license is for, and what is warned about as one.
type Site struct {
	ID       string    `json:"id"` // its part of every topic, 1 to 64 of A-Z a-z 0-9 . _ -
	Name     string    `json:"name"`
	Zone     string    `json:"zone"`     // IANA name; days, quiet hours and maintenance are counted in it
	Language string    `json:"language"` // of its messages, such as "en" or "it"
	Address  string    `json:"address,omitempty"`
	Group    string    `json:"group,omitempty"` // id of the group of the license tree that it hangs below; empty: none yet
	Created  time.Time `json:"created"`
	Archived time.Time `json:"archived,omitzero"`
}

// PanelState is what became of a panel's enrollment. It says nothing about whether it is online.
type PanelState string

// The states of a panel.
const (
	PanelAdded    PanelState = "added"    // known by its identity, not enrolled yet
	PanelEnrolled PanelState = "enrolled" // has a certificate
	PanelRevoked  PanelState = "revoked"  // its certificate is not honored any more
	PanelReplaced PanelState = "replaced" // another panel took its place
)

// Panel is one door panel of a site.
type Panel struct {
	ID         string    `json:"id"`  // 26 characters, from its key
	Key        []byte    `json:"key"` // its Ed25519 public key
	Name       string    `json:"name"`
	Site       string    `json:"site"`
	Added      time.Time `json:"added"`
	AddedBy    string    `json:"added_by,omitempty"`
	Enrolled   time.Time `json:"enrolled,omitzero"`
	Serial     string    `json:"serial,omitempty"`  // of the certificate in force, in hexadecimal digits
	Expires    time.Time `json:"expires,omitzero"`  // of that certificate
	TLSKey     string    `json:"tls_key,omitempty"` // SHA-256 of that certificate's public key (SPKI), 64 hexadecimal digits: no other is honored
	Revoked    time.Time `json:"revoked,omitzero"`
	ReplacedBy string    `json:"replaced_by,omitempty"`
	Replaces   string    `json:"replaces,omitempty"`
}

// State tells how far the panel's enrollment is.
func (p Panel) State() PanelState {
	switch {
	case p.ReplacedBy != "":
		return PanelReplaced
	case !p.Revoked.IsZero():
		return PanelRevoked
	case p.Serial != "":
		return PanelEnrolled
	}
	return PanelAdded
}

// Received is an event of a panel's journal as the hub keeps it. (Panel, Event.Epoch, Event.Seq) is there once.
type Received struct {
	Serial uint64          `json:"serial"` // in the order of arrival, given by the store, without gaps
	At     time.Time       `json:"at"`     // when it arrived, by the hub's clock
	Site   string          `json:"site"`
	Panel  string          `json:"panel"`
	Event  telemetry.Event `json:"event"`
}

// Query asks for events, newest first. Zero fields ask nothing; all that are set must fit.
type Query struct {
	Site, Panel string
	Door        string
	Who         string // part of it, in any case
	Kind        string // the kind itself, or its beginning with a dot at the end: "access."
	Text        string // part of any word of the event
	From, To    time.Time
	Before      uint64 // serials below it; 0: from the newest on
	Limit       int
	// Shown tells what the asker may see; nil: everything. The rest is passed over as if it were not there: it fills no page, and
	// where the search stops does not depend on it. It is called outside of transactions and may ask the store.
	Shown func(Received) bool
}

// Head is the last event of a panel that is stored: everything up to and with it is there.
type Head struct {
	Panel string    `json:"panel"`
	Epoch string    `json:"epoch"`
	Seq   uint64    `json:"seq"`
	Chain string    `json:"chain,omitempty"` // of the journal up to it, 32 hexadecimal digits; empty from panels that do not show it
	At    time.Time `json:"at"`
}

// FaultKind says what is wrong with what a panel sent.
type FaultKind string

// The kinds of faults.
const (
	FaultRewritten FaultKind = "rewritten" // an entry that was received before came again with another chain
	FaultBroken    FaultKind = "broken"    // an entry does not follow the one before it
	FaultEpoch     FaultKind = "epoch"     // a journal was made or restored: another epoch begins
	FaultGap       FaultKind = "gap"       // the panel says that entries are gone
	FaultClone     FaultKind = "clone"     // two connections with one identity
	FaultDuress    FaultKind = "duress"    // nothing is wrong with the journal: it says that somebody opened under duress
)

// Fault is something about a panel's journal or identity that a person should look at.
type Fault struct {
	Panel  string    `json:"panel"`
	Site   string    `json:"site"`
	At     time.Time `json:"at"`
	Kind   FaultKind `json:"kind"`
	Epoch  string    `json:"epoch,omitempty"`
	Seq    uint64    `json:"seq,omitempty"`
	Detail string    `json:"detail"` // a sentence for people
}

// OrderState is how far an order to a panel is.
type OrderState string

// The states of an order.
const (
	OrderSent       OrderState = "sent"        // no answer yet, and the deadline has not passed
	OrderDone       OrderState = "done"        // the panel did it
	OrderRefused    OrderState = "refused"     // the panel's policy said no, Why says which rule
	OrderFailed     OrderState = "failed"      // honored, and its hardware did not do it
	OrderNotReached OrderState = "not_reached" // no answer in time; the panel does not do it later, but may have done it
)

// Order is a command to one panel: who asked for what, and what came of it.
type Order struct {
	Number   uint64     `json:"number"` // given by the store before anything is sent, never twice
	Panel    string     `json:"panel"`
	Site     string     `json:"site"`
	Verb     string     `json:"verb"`
	Object   string     `json:"object"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Deadline time.Time  `json:"deadline,omitzero"` // until when the panel may honor it; zero: nothing was sent
	State    OrderState `json:"state"`
	Why      string     `json:"why,omitempty"`
	Answered time.Time  `json:"answered,omitzero"`
	Late     bool       `json:"late,omitempty"` // the answer came when the order was not_reached already
}

// Channel is a way to reach somebody.
type Channel string

// The channels.
const (
	Email   Channel = "email"
	SMS     Channel = "sms"
	Webhook Channel = "webhook"
)

// DeliveryState is how far a message to one recipient is.
type DeliveryState string

// The states of a delivery.
const (
	Waiting    DeliveryState = "waiting"    // to be sent at Due
	Claimed    DeliveryState = "claimed"    // somebody is about to send it; after a crash it is sent again
	Committing DeliveryState = "committing" // the receiving server is about to become responsible; after a crash it is uncertain
	Sent       DeliveryState = "sent"       // the receiving server has it
	Uncertain  DeliveryState = "uncertain"  // it may have been sent; not sent again on this channel
	Failed     DeliveryState = "failed"     // given up, Last says why
	Withdrawn  DeliveryState = "withdrawn"  // not needed any more before it was sent
)

// Delivery is one message to one recipient over one channel. The same ID is never sent twice.
type Delivery struct {
	ID        string        `json:"id"` // follows from what it tells and whom, so that deciding twice makes one
	Site      string        `json:"site"`
	Group     string        `json:"group,omitempty"` // of the license tree, of a reminder
	Incident  string        `json:"incident,omitempty"`
	Kind      string        `json:"kind"` // which template
	Recipient string        `json:"recipient"`
	Channel   Channel       `json:"channel"`
	Address   string        `json:"address"`
	Language  string        `json:"language"`
	Facts     []Fact        `json:"facts"` // what the template says
	Made      time.Time     `json:"made"`
	Due       time.Time     `json:"due"`          // waiting: not before it; claimed and committing: whoever holds it is given up then
	By        string        `json:"by,omitempty"` // the hub that holds it while it is claimed or committing
	State     DeliveryState `json:"state"`
	Tries     int           `json:"tries"`
	Tried     time.Time     `json:"tried,omitzero"` // when it was tried, or held back, first
	Last      string        `json:"last,omitempty"` // what the last try brought, in words
	SentAt    time.Time     `json:"sent_at,omitzero"`
	Receipt   string        `json:"receipt,omitempty"` // what the receiving server called it
	Fallback  *Target       `json:"fallback,omitempty"`
	Instead   string        `json:"instead,omitempty"` // the ID of the delivery on another channel that this one stands in for
}

// Over tells whether nothing more is done about the delivery.
func (d Delivery) Over() bool {
	switch d.State {
	case Waiting, Claimed, Committing:
		return false
	}
	return true
}

// Target is a channel and an address.
type Target struct {
	Channel Channel `json:"channel"`
	Address string  `json:"address"`
}

// Fact is one named value for a template.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
