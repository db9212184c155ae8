package panel

import (
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/access"
)

// Now is the instant of a step. Mono never goes back and is what openings, blocks and deadlines are measured with; Wall is
// what schedules and the journal are read by, and may be believed only where Trusted says so.
type Now struct {
	Mono    time.Duration // since the panel's boot
	Wall    time.Time
	Trusted bool
	ByHand  bool // Wall is what an administrator typed: nobody better says what it is
}

// Event is something that happened. Facts that a decision needs were looked up before and travel in the event.
type Event interface{ event() }

// Route tells how a call would reach its target.
type Route int

// The routes. Only Server asks the license `sip`.
const (
	NoRoute Route = iota // nobody is set for the button
	LAN                  // a phone on this host or on the LAN, called directly: always free
	Server               // through a registrar, PBX, provider or gateway
)

// Facts is what a lookup found about a card, a code or a pass. Schedules are not among them: the machine holds the timetable.
type Facts struct {
	Credential access.Credential // zero: unknown
	// Rights are those of its holder, individual and of every group. One of them must permit the door; none opens nothing.
	Rights    []access.Right
	Emergency bool       // opens also during a lockdown
	Person    string     // the person's name, for the journal
	Duress    bool       // the code that its holder types under threat; Credential is then the one it stands beside
	Fault     access.Why // why a pass cannot be looked up at all: forged_pass. It counts as a wrong try
	Failed    bool       // the store did not answer
}

// Source is by which way a credential was tried. All of them share one guess budget.
type Source string

// The sources. The zero value is the reader's own: a card at a card reader, a code at a keypad, a pass at a scanner.
const (
	AtReader    Source = ""
	ByTelephone Source = "telephone" // digits of a call
	ByPage      Source = "page"
)

// Order is a signed command from upstream: what its envelope proved, for the core to decide on. Nothing else from the
// network opens a door.
type Order struct {
	Signer   string // key id of the configured key that signed it; empty: the signature did not hold
	Panel    string // whom it names
	Boot     string
	Number   uint64
	Deadline time.Duration // on this panel's monotonic clock
	Retained bool
}

// The events.
type (
	// CallButtonPressed is a visitor's press.
	CallButtonPressed struct {
		Button  int // 1-based
		Label   string
		Target  string
		Account string // the account to call through when Route is Server
		Route   Route
	}
	// KeyPressed is one key of a keypad. Every key sounds the same; what the keys make together comes from a Keypad.
	KeyPressed struct{ Reader string }
	// CredentialPresented is a card at a reader, a code that was ended with #, or a guest's pass.
	CredentialPresented struct {
		Reader string // where it was shown; empty by telephone and from upstream
		Door   string // that is asked for, when no reader is named
		Kind   access.Kind
		Source Source
		Facts  Facts
	}
	// PoliciesChanged brings the site's schedules and what was decided about its doors. Until the first one there is no
	// schedule at all: what names one is refused.
	PoliciesChanged struct {
		Timetable access.Timetable
		Doors     []access.DoorPolicy
	}
	// LicensePresented is what came of a license code, by whichever way it was shown.
	LicensePresented struct {
		Result   license.Result
		Title    string // a few words for the display
		Message  string
		Token    string // id of the token, if it could be read
		Via      string // scanner, keypad, web, cli, upstream
		By       string // who was logged in
		Accepted bool   // activated or already active
		// Document is what kind of code it was; empty when it was none of ours.
		Document envelope.Kind
		Remember []Memory // written in the same entry
	}
	// CodeRejected is a scan that led to nothing. Why is no_code (a picture without one), cannot_store (a good license that
	// could not be kept), pairing_closed (a hub's code at another time than after the service input), pairing_failed (the hub did not
	// take the panel in) or not_ours.
	CodeRejected struct{ Reader, Why string }
	// HubJoined is a hub's code that a scanner read: the hub of this name took the panel in.
	HubJoined struct{ Hub string }
	// ExitRequested is the exit button. It opens before anything else is done.
	ExitRequested struct{ Door string }
	// FireAlarm is the fire input going on. It opens every door until it is cleared.
	FireAlarm struct{}
	// Tampered is the tamper switch.
	Tampered struct{}
	// Cleared is an input going off again: fire or tamper.
	Cleared struct{ Input Input }
	// DoorOpened and DoorClosed are the door's contact.
	DoorOpened struct {
		Door    string
		AtStart bool // found open when the panel came up: nobody forced it now
	}
	DoorClosed struct{ Door string }
	// CallRinging to CallEnded report on a call the panel placed.
	CallRinging  struct{ Call string }
	CallAnswered struct{ Call string }
	CallFailed   struct {
		Call   string
		Reason CallFailure
		Detail string // what the far end said, for the journal
	}
	CallEnded struct{ Call string }
	// DigitPressed is a key of the called party's phone.
	DigitPressed struct {
		Call  string
		Digit rune
	}
	// OpenRequested asks for a door by name: from the panel's own pages, or by a signed command.
	OpenRequested struct {
		Request string // names the Answer
		Door    string
		Who     string
		Via     string // web, cli, command
		Order   *Order // set exactly when it came from upstream
	}
	// LockdownRequested begins a lockdown or ends it: from the panel's own pages, or by a signed command.
	LockdownRequested struct {
		Request string // names the Answer
		On      bool
		Who     string
		Via     string // web, cli, command
		Order   *Order // set exactly when it came from upstream
	}
	// StrikeReadBack is what a strike does by its feedback, whatever it was told.
	StrikeReadBack struct {
		Door string
		On   bool
	}
	// Recorded says that what Ticket stands for is durable in the journal, or that it could not be made so.
	Recorded struct {
		Ticket uint64
		Failed bool
	}
	// EntitlementsChanged brings what the licenses now give.
	EntitlementsChanged struct{ Entitlements license.Entitlements }
	// AccountChanged is the state of a registration.
	AccountChanged struct{ Account, State, Detail string }
	// SetupCodeChanged shows or hides the code for the first login.
	SetupCodeChanged struct{ Code string }
	// ClockChanged says that the wall clock jumped or that trust in it changed.
	ClockChanged struct{ Jump time.Duration }
	// DeviceChanged is a reader, strike or line that died or came back.
	DeviceChanged struct {
		Device string
		Dead   bool
		Cause  string
	}
	// Noted is something outside the door's rules that belongs into the journal: a login, a credential made, a file set aside.
	Noted struct {
		Entry    Entry
		Remember []Memory // written in the same entry
	}
	// Tick lets deadlines that have passed take effect.
	Tick struct{}
)

// Input names a line that can be cleared.
type Input string

// The inputs with a memory.
const (
	Fire   Input = "fire"
	Tamper Input = "tamper"
)

// CallFailure is why a call did not come about.
type CallFailure string

// The failures, as the telephone tells them.
const (
	Busy        CallFailure = "busy"
	Refused     CallFailure = "refused"
	NoAnswer    CallFailure = "no_answer"
	Unreachable CallFailure = "unreachable"
)

func (CallButtonPressed) event()   {}
func (KeyPressed) event()          {}
func (CredentialPresented) event() {}
func (PoliciesChanged) event()     {}
func (LicensePresented) event()    {}
func (CodeRejected) event()        {}
func (HubJoined) event()           {}
func (ExitRequested) event()       {}
func (FireAlarm) event()           {}
func (Tampered) event()            {}
func (Cleared) event()             {}
func (DoorOpened) event()          {}
func (DoorClosed) event()          {}
func (CallRinging) event()         {}
func (CallAnswered) event()        {}
func (CallFailed) event()          {}
func (CallEnded) event()           {}
func (DigitPressed) event()        {}
func (OpenRequested) event()       {}
func (LockdownRequested) event()   {}
func (StrikeReadBack) event()      {}
func (Recorded) event()            {}
func (EntitlementsChanged) event() {}
func (AccountChanged) event()      {}
func (SetupCodeChanged) event()    {}
func (ClockChanged) event()        {}
func (DeviceChanged) event()       {}
func (Noted) event()               {}
func (Tick) event()                {}
