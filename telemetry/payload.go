package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Cause says why a panel is offline.
type Cause string

// The causes.
const (
	CauseLost    Cause = "lost"    // said by the broker as the panel's last will
	CauseStopped Cause = "stopped" // said by the panel before it goes
)

// Door is what a status says of a door.
type Door struct {
	Open    bool   `json:"open"`              // the strike is released at this moment
	Contact string `json:"contact,omitempty"` // "open" or "closed"; empty without a contact
	Alarm   string `json:"alarm,omitempty"`   // "forced" or "held"; empty when all is well
}

// Status is the retained word of a panel about itself. Of an offline status only Cause and Boot are carried.
type Status struct {
	Online       bool
	Cause        Cause
	Boot         string            // drawn at each start of the daemon
	Epoch        string            // of the journal
	Seq          uint64            // last durable journal entry
	Version      string            // of the software
	Root         string            // the license root behind the entitlements, in the text form of a public key
	Since        time.Time         // when the daemon started, by its wall clock
	MonoMS       uint64            // the panel's monotonic clock at publication, in milliseconds; a command's deadline refers to it
	HeartbeatS   int               // the longest pause between two statuses, in seconds
	Accounts     map[string]string // SIP account to its state
	Doors        map[string]Door   // door to its state
	ClockTrusted bool
}

type online struct {
	V            int               `json:"v"`
	Online       bool              `json:"online"`
	Boot         string            `json:"boot"`
	Epoch        string            `json:"epoch"`
	Seq          uint64            `json:"seq"`
	Version      string            `json:"version"`
	Root         string            `json:"root"`
	Since        time.Time         `json:"since"`
	MonoMS       uint64            `json:"mono_ms"`
	HeartbeatS   int               `json:"heartbeat_s"`
	Accounts     map[string]string `json:"accounts"`
	Doors        map[string]Door   `json:"doors"`
	ClockTrusted bool              `json:"clock_trusted"`
	Cause        Cause             `json:"cause,omitempty"`
}

type offline struct {
	V      int    `json:"v"`
	Online bool   `json:"online"`
	Cause  Cause  `json:"cause"`
	Boot   string `json:"boot"`
}

// Encode returns the payload of the status topic.
func (s Status) Encode() ([]byte, error) {
	if !s.Online {
		return encode("status", StatusLimit, offline{V: Version, Cause: s.Cause, Boot: s.Boot})
	}
	wire := online{Version, true, s.Boot, s.Epoch, s.Seq, s.Version, s.Root, s.Since, s.MonoMS, s.HeartbeatS, s.Accounts, s.Doors, s.ClockTrusted, ""}
	if wire.Accounts == nil {
		wire.Accounts = map[string]string{}
	}
	if wire.Doors == nil {
		wire.Doors = map[string]Door{}
	}
	return encode("status", StatusLimit, wire)
}

// DecodeStatus reads the payload of a status topic. Members that it does not know are left out.
func DecodeStatus(raw []byte) (Status, error) {
	var wire online
	if err := decode("status", StatusLimit, raw, &wire); err != nil {
		return Status{}, err
	}
	if err := current("status", wire.V); err != nil {
		return Status{}, err
	}
	if wire.Boot == "" {
		return Status{}, errors.New("cannot read status: boot is missing")
	}
	if !wire.Online {
		if wire.Cause == "" {
			return Status{}, errors.New("cannot read status: offline, but the cause is missing")
		}
		return Status{Cause: wire.Cause, Boot: wire.Boot}, nil
	}
	if wire.Epoch == "" {
		return Status{}, errors.New("cannot read status: epoch is missing")
	}
	return Status{true, "", wire.Boot, wire.Epoch, wire.Seq, wire.Version, wire.Root, wire.Since, wire.MonoMS, wire.HeartbeatS, wire.Accounts, wire.Doors,
		wire.ClockTrusted}, nil
}

// Gap tells of journal entries that are no more: Count entries from From to To, both included.
type Gap struct {
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
	Count uint64 `json:"count"`
}

// Event is one journal entry on its way to the hub. (Panel, Epoch, Seq) names it for ever; it may arrive more than once.
type Event struct {
	V          int       `json:"v"` // set by Encode
	Epoch      string    `json:"epoch"`
	Boot       string    `json:"boot"`
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`    // wall clock
	Trusted    bool      `json:"trusted"` // whether Time could be relied on
	MonoMS     uint64    `json:"mono_ms"` // monotonic clock of Boot, in milliseconds
	Kind       string    `json:"kind"`
	Door       string    `json:"door"`
	Who        string    `json:"who"`
	Why        string    `json:"why"`
	Reader     string    `json:"reader,omitempty"`
	Credential string    `json:"credential,omitempty"`
	Call       string    `json:"call,omitempty"`
	Button     int       `json:"button,omitempty"`
	Detail     string    `json:"detail,omitempty"`   // a sentence for people
	Sealed     []byte    `json:"sealed,omitempty"`   // a mark on a grant that the recipient of the silent alarm can read
	Document   string    `json:"document,omitempty"` // the document that is answered: kind, slash, id
	Digest     string    `json:"digest,omitempty"`   // of that document, or of what is asked; hexadecimal
	Papers     []string  `json:"papers,omitempty"`   // signed codes that the panel's hub is to have
	Erased     bool      `json:"erased,omitempty"`   // what named a person has been taken out
	Gap        *Gap      `json:"gap,omitempty"`
	Prev       string    `json:"prev,omitempty"`  // the journal's chain before this entry, 32 hexadecimal digits; empty: not shown
	Chain      string    `json:"chain,omitempty"` // and after it; of a gap: after the gap
}

// Encode returns the payload of the event topic.
func (e Event) Encode() ([]byte, error) {
	e.V = Version
	return encode("event", EventLimit, e)
}

// DecodeEvent reads the payload of an event topic. Members that it does not know are left out.
func DecodeEvent(raw []byte) (Event, error) {
	var event Event
	if err := decode("event", EventLimit, raw, &event); err != nil {
		return Event{}, err
	}
	if err := current("event", event.V); err != nil {
		return Event{}, err
	}
	if event.Epoch == "" || event.Seq == 0 || event.Kind == "" {
		return Event{}, errors.New("cannot read event: epoch, seq or kind is missing")
	}
	if g := event.Gap; g != nil && (g.From == 0 || g.To < g.From) {
		return Event{}, fmt.Errorf("cannot read event %d: its gap from %d to %d is none", event.Seq, g.From, g.To)
	}
	for _, chain := range []string{event.Prev, event.Chain} {
		if !isChain(chain) {
			return Event{}, fmt.Errorf("cannot read event %d: chain %.40q is not 32 hexadecimal digits in lower case", event.Seq, chain)
		}
	}
	return event, nil
}

// isChain tells whether text is the chain of a journal, or empty as from a panel that does not show it.
func isChain(text string) bool {
	return text == "" || len(text) == chainDigits && strings.Trim(text, "0123456789abcdef") == ""
}

const chainDigits = 32

// Ack is the hub's word on what it has: either everything up to and with Seq is stored, or, when From is not 0, the entries From
// to To are to be sent again.
type Ack struct {
	Epoch    string
	Seq      uint64
	From, To uint64
}

// Again tells whether entries are asked for again.
func (a Ack) Again() bool { return a.From != 0 }

type ackWire struct {
	Epoch string  `json:"epoch"`
	Seq   *uint64 `json:"seq,omitempty"`
	From  *uint64 `json:"from,omitempty"`
	To    *uint64 `json:"to,omitempty"`
}

// Encode returns the payload of the ack topic.
func (a Ack) Encode() ([]byte, error) {
	wire := ackWire{Epoch: a.Epoch}
	if a.Again() {
		wire.From, wire.To = &a.From, &a.To
	} else {
		wire.Seq = &a.Seq
	}
	return encode("ack", AckLimit, wire)
}

// DecodeAck reads the payload of the ack topic.
func DecodeAck(raw []byte) (Ack, error) {
	var wire ackWire
	if err := decode("ack", AckLimit, raw, &wire); err != nil {
		return Ack{}, err
	}
	switch {
	case wire.Epoch == "":
		return Ack{}, errors.New("cannot read ack: epoch is missing")
	case wire.Seq != nil && wire.From == nil && wire.To == nil:
		return Ack{Epoch: wire.Epoch, Seq: *wire.Seq}, nil
	case wire.Seq == nil && wire.From != nil && wire.To != nil:
		if *wire.From == 0 || *wire.To < *wire.From {
			return Ack{}, fmt.Errorf("cannot read ack: from %d to %d is no range of entries", *wire.From, *wire.To)
		}
		return Ack{Epoch: wire.Epoch, From: *wire.From, To: *wire.To}, nil
	}
	return Ack{}, errors.New("cannot read ack: it needs either seq, or from and to")
}

// Result says what became of a command.
type Result string

// The results.
const (
	ResultDone    Result = "done"
	ResultRefused Result = "refused" // Why says which rule
	ResultFailed  Result = "failed"  // honored, and then the hardware or the disk did not do it
)

// Reply is the panel's answer to the command of this number.
type Reply struct {
	V      int    `json:"v"` // set by Encode
	Number uint64 `json:"number"`
	Result Result `json:"result"`
	Why    string `json:"why"` // empty when done
}

// Encode returns the payload of the reply topic.
func (r Reply) Encode() ([]byte, error) {
	r.V = Version
	return encode("reply", ReplyLimit, r)
}

// DecodeReply reads the payload of the reply topic.
func DecodeReply(raw []byte) (Reply, error) {
	var reply Reply
	if err := decode("reply", ReplyLimit, raw, &reply); err != nil {
		return Reply{}, err
	}
	if err := current("reply", reply.V); err != nil {
		return Reply{}, err
	}
	if reply.Result == "" {
		return Reply{}, errors.New("cannot read reply: result is missing")
	}
	return reply, nil
}

func current(what string, v int) error {
	if v != Version {
		return fmt.Errorf("cannot read %s: its version is %d, this program reads %d; bring the older side up to date", what, v, Version)
	}
	return nil
}

func encode(what string, limit int, value any) ([]byte, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", what, err)
	}
	if len(raw) > limit {
		return nil, fmt.Errorf("cannot write %s: %d bytes are more than the %d that a reader accepts", what, len(raw), limit)
	}
	return raw, nil
}
