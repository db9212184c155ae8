package panel

// Entry is what the journal says of one thing that happened. Who and Credential name somebody and are kept apart
// from the rest, so that a person can be erased and the journal still be checked.
type Entry struct {
	Kind       Kind   `json:"kind"`
	Door       string `json:"door,omitempty"`
	Why        string `json:"why,omitempty"`
	Reader     string `json:"reader,omitempty"`
	Call       string `json:"call,omitempty"`
	Button     int    `json:"button,omitempty"`
	Detail     string `json:"detail,omitempty"` // a sentence for people; bounded, without control characters
	Who        string `json:"who,omitempty"`
	Credential string `json:"credential,omitempty"`
	Sealed     []byte `json:"sealed,omitempty"`   // on grants while the silent alarm is switched on: always of one length; on a test of it, the number
	Document   string `json:"document,omitempty"` // of the hub, that is answered: kind, slash, id
	Digest     string `json:"digest,omitempty"`   // of that document, or of a short code that the hub is asked for
}

// Kind is what an entry is about: subject, dot, what happened.
type Kind string

// The kinds of entries. docs/journal-events.md explains each.
const (
	AccessGranted Kind = "access.granted" // decided; written before the strike moves
	AccessRefused Kind = "access.refused"
	StrikeOn      Kind = "strike.on"  // the outcome of a grant
	StrikeOff     Kind = "strike.off" // the door is secured again
	StrikeFailed  Kind = "strike.failed"

	CallPlaced   Kind = "call.placed"
	CallRefused  Kind = "call.refused" // the panel did not place it
	CallTest     Kind = "call.test"    // somebody presses a button from the page
	CallAnswer   Kind = "call.answered"
	CallFail     Kind = "call.failed"
	CallEnd      Kind = "call.ended"
	ExitOpened   Kind = "door.exit"
	DoorOpen     Kind = "door.opened"
	DoorClose    Kind = "door.closed"
	DoorForced   Kind = "door.forced"
	DoorHeld     Kind = "door.held"
	DoorHeldSoon Kind = "door.held_warning" // those in the door are asked to close it
	DoorHeldOver Kind = "door.held_over"
	HoldOn       Kind = "door.stands_open" // by its schedule
	HoldOff      Kind = "door.stands_open_over"

	LockdownOn  Kind = "lockdown.on"
	LockdownOff Kind = "lockdown.off"
	TextShown   Kind = "display.text" // from upstream, for the people at the door

	FireOn     Kind = "fire.on"
	FireOff    Kind = "fire.off"
	TamperOn   Kind = "tamper.on"
	TamperOff  Kind = "tamper.off"
	TamperFree Kind = "tamper.block_over" // cards, codes, digits and requests are heard again
	GuessBlock Kind = "access.blocked"    // too many wrong tries: how long
	GuessFree  Kind = "access.block_over" // codes are heard again

	PassbackSeen  Kind = "presence.passback"    // let in although inside already, or out although not
	NotEntered    Kind = "presence.not_entered" // the door was released and nobody opened it
	PresenceEmpty Kind = "presence.reset"       // some or all are taken off the list of those inside
	Forgotten     Kind = "access.forgotten"     // counts and presence of who was removed
	DuressTest    Kind = "duress.test"          // a test of the silent alarm was sent, or a number did not confirm it
	DuressIsOn    Kind = "duress.on"
	DuressIsOff   Kind = "duress.off"

	LicenseOn   Kind = "license.activated"
	LicenseSeen Kind = "license.already_active"
	LicenseNo   Kind = "license.refused"
	Entitled    Kind = "license.entitlements" // what the licenses give has changed
	CodeUnread  Kind = "scan.refused"
	AccountIs   Kind = "account.changed"
	ClockIs     Kind = "clock.changed"
	ClockSet    Kind = "clock.set" // by hand
	DeviceDead  Kind = "device.failed"
	DeviceBack  Kind = "device.recovered"

	ServiceOn     Kind = "service.on"     // the service input: setting up is open for a while
	JournalTidied Kind = "journal.tidied" // persons or old entries were taken out: how many
	JournalLost   Kind = "journal.lost"   // entries that the disk did not take: how many
	SystemStarted Kind = "system.started"
	SystemStopped Kind = "system.stopped"
	SystemReset   Kind = "system.reset"     // everything of the owner was erased; the first entry after it
	SystemAside   Kind = "system.set_aside" // a damaged file, and what was done with it
	LoginDone     Kind = "login.done"
	LoginRefused  Kind = "login.refused"
	HubPaired     Kind = "hub.paired" // a hub took this panel in
	HubLeft       Kind = "hub.left"
	ConfigIs      Kind = "config.changed" // a credential, person, button or schedule was changed: by whom
)

// The kinds of entries about what panels share.
const (
	LicenseGiven    Kind = "license.given"     // a part of a license was given to another panel
	LicenseTaken    Kind = "license.taken"     // this panel took what another one gave it
	LicenseGaveBack Kind = "license.gave_back" // this panel gave a part back
	LicenseReturned Kind = "license.returned"  // what another panel gave back counts here again
	LicenseReleased Kind = "license.released"  // this panel gave a license up
	LicenseAssigned Kind = "license.assigned"  // an account's license was given to an account
	LicensePanel    Kind = "license.panel"     // another panel's identity was shown
	LicenseRestored Kind = "license.restored"  // a document that the store had lost came back from the journal
	LicenseWritten  Kind = "license.written"   // a document that the journal did not have was written into it
)

// The kinds of entries about what a panel has from its hub.
const (
	LicenseAnswered  Kind = "license.answered"  // a document of the hub was taken, was here already, or was refused
	LicenseOrdered   Kind = "license.ordered"   // the hub asked for a share back, or to be told again
	LicenseTold      Kind = "license.told"      // the hub was told again what this panel has from it
	LicenseAsked     Kind = "license.asked"     // a short code was typed: the hub is asked
	LicenseWithdrawn Kind = "license.withdrawn" // the hub took back what it had given by its own word
)
