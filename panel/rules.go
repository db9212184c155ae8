package panel

import (
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// Rules is what the installer decided about this panel. It does not change while the machine runs.
type Rules struct {
	ID      string // the panel's id; orders must name it
	Boot    string // drawn at each start; orders must name it
	Doors   []DoorRules
	Readers []Reader
	Words   Words
	Zone    *time.Location // schedules are read in it; nil: UTC
	// RingFor bounds ringing (1 minute unless positive), TalkFor an answered call (5 minutes unless positive).
	RingFor, TalkFor time.Duration
	// TamperBlock is for how long after a tamper alarm cards, codes, digits and requests are refused. Zero: a tamper alarms
	// and blocks nothing. Exit and fire open all the same.
	TamperBlock time.Duration
	// Policy says whether weak credentials open.
	Policy access.Policy
	// GuessesADay is how many wrong codes are heard on one day; access.GuessesADay unless positive.
	GuessesADay int
	// EmptyAt is when the list of those inside is emptied each day, such as "04:00", in the site's zone; that unless it can be read.
	EmptyAt string
}

// DoorRules is one door. What its strike needs electrically is the driver's affair.
type DoorRules struct {
	Name      string
	Pulse     time.Duration // how long a grant releases it; 3 s unless positive
	OpenDigit rune          // key of the called phone that opens it; 0: none does
	HeldAfter time.Duration // open longer than this is held open; 0: never
	// HeldWarning is how long before HeldAfter those who stand in the door are warned. 0, or not less than HeldAfter: they are not.
	HeldWarning time.Duration
	// Toggle makes a grant open the door until the next grant, for ToggleFor at most (12 h unless positive).
	Toggle    bool
	ToggleFor time.Duration
	// StandsOpen names the schedule by which the door stands open; empty: none does. OpenAfterGrant lets it do so only after
	// the first card or code of the day.
	StandsOpen     string
	OpenAfterGrant bool
	// Interlock names a group of doors of which one at a time is released, as in a mantrap; empty: it stands alone. A door of
	// a group is never toggled and never stands open by a schedule. Exit and fire do not ask the group.
	Interlock string
	// Fire is what the fire input does to this door. Anything but FireIgnores releases it.
	Fire FireReaction
	// Contact says that a contact tells when the door opens: who is let in and does not open it did not come in.
	Contact bool
}

// FireReaction is what becomes of a door during a fire alarm.
type FireReaction string

// The reactions to a fire alarm.
const (
	FireReleases FireReaction = "release"
	FireIgnores  FireReaction = "ignore" // such as a door that keeps smoke out of the stairs; its exit button opens it
)

// Reader says which door a card reader, keypad or scanner stands at, and which way somebody goes who is let in there.
type Reader struct {
	Name, Door string
	Direction  Direction
}

// Direction is the way through a door. The zero value says that the reader does not tell.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// The bounds that are not the installer's to choose.
const (
	// recordWait is how long a grant waits for its intent to be durable: a dead disk never holds a door.
	recordWait = 50 * time.Millisecond
	// onceWait is how long what may be used only once waits for its use to be durable, before it is refused.
	onceWait = 2 * time.Second
	// orderAhead is the furthest deadline an order may carry.
	orderAhead = 30 * time.Second
	// wrongTries wrong tries in a row block codes and passes, for blockFor at first, for longestBlock at most.
	wrongTries   = 5
	blockFor     = 30 * time.Second
	longestBlock = time.Hour
	day          = 24 * time.Hour
	// secondWithin is how long a card waits for its code, or a code for its card.
	secondWithin = 15 * time.Second
	// maxCounted bounds the credentials whose uses are counted, maxInside those on the list, maxForgotten what one entry forgets.
	maxCounted   = 10_000
	maxInside    = 10_000
	maxForgotten = 50
	// presenceHour is when the list of those inside is emptied unless another time is set.
	presenceHour = 4
	// duressTries wrong numbers end a test of the silent alarm.
	duressTries = 3
	// keysWithin ends a half-typed code, maxTyped bounds it: a license's short code has 20 digits, or one too many.
	keysWithin = 10 * time.Second
	maxTyped   = 21
	// messageFor is how long a message stays on the display.
	messageFor = 5 * time.Second
	// openAfterStrike is how long after the strike was secured a door may still be on its way open.
	openAfterStrike = 2 * time.Second
	// endingFor is how long the telephone may take to confirm a hang-up.
	endingFor = 5 * time.Second
	// readBackFor is how long a strike may read otherwise than it was set before that is a fault.
	readBackFor = 300 * time.Millisecond
	// What stands in for durations that were not set.
	defaultPulse  = 3 * time.Second
	defaultRing   = time.Minute
	defaultTalk   = 5 * time.Minute
	defaultToggle = 12 * time.Hour
)
