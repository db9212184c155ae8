package panel

import "time"

// Action is something to do. Actions are performed in the order in which Step returned them.
type Action interface{ action() }

// The actions.
type (
	// SetStrike releases a door or secures it. For bounds the release, whatever becomes of this process; zero holds it for
	// as long as the process lives (fire).
	SetStrike struct {
		Door string
		On   bool
		For  time.Duration
	}
	// PlaceCall rings a target. Call is the id by which its events come back.
	PlaceCall struct{ Call, Target, Account string }
	// HangUp ends a call, ringing or answered.
	HangUp struct{ Call string }
	// SetAccount registers at a server, or stops.
	SetAccount struct {
		Account string // empty: every account
		On      bool
	}
	// Signal tells the people at the door. Empty fields leave what was there; Text replaces the display's line.
	Signal struct {
		Light Light
		Tone  Tone
		Text  string
		Clear bool // back to the idle display
	}
	// Record writes an entry into the journal. A Ticket other than zero asks for Recorded once it is durable.
	Record struct {
		Ticket   uint64
		Entry    Entry
		Remember []Memory // durable in the same frame as the entry
		// Seal is to whose key Entry.Sealed is to be made: the mark Duress, which its recipient alone can read. Every grant asks
		// for it while the silent alarm is switched on, so that none can be told from the others. Empty: none is asked for.
		Seal   string
		Duress bool
	}
	// Answer tells whoever sent an OpenRequested what came of it.
	Answer struct {
		Request string
		Granted bool
		Why     string
	}
)

// Memory is something the machine must know again after a restart. It is handed to Restore at start.
type Memory struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

// Light is the color of the panel's status light.
type Light string

// The lights.
const (
	Off   Light = "off"
	Green Light = "green" // come in
	Red   Light = "red"   // refused
	Amber Light = "amber" // an alarm, or something needs attention
	Blue  Light = "blue"  // calling, in a call
)

// Tone names a sound. Each refusal has its own.
type Tone string

// The tones that are not made from a reason.
const (
	ToneSecond  Tone = "second-factor"
	ToneKey     Tone = "key" // the same for every key: a listener learns nothing
	ToneGranted Tone = "granted"
	ToneRinging Tone = "ringing"
	ToneAnswer  Tone = "answered"
	ToneEnded   Tone = "call-ended"
	ToneAlarm   Tone = "alarm"
	ToneWarning Tone = "warning" // the alarm follows unless somebody closes the door
	ToneLocked  Tone = "locked"
	ToneLicense Tone = "license-accepted"
)

func (SetStrike) action()  {}
func (PlaceCall) action()  {}
func (HangUp) action()     {}
func (SetAccount) action() {}
func (Signal) action()     {}
func (Record) action()     {}
func (Answer) action()     {}
