// Package configs turns the one TOML file of a panel into a typed, checked value, or into the list of all its mistakes
// with place and remedy. It starts nothing, opens no device, and never writes the file; what people change while the
// panel runs (persons, credentials, labels, licenses) is in the store, not here.
package configs

import (
	"crypto/ed25519"
	"net/netip"
	"time"
)

// Hardware says where doors, buttons and readers come from.
type Hardware string

// The kinds of hardware.
const (
	Simulated Hardware = "sim"   // in memory, driven by /sim
	Board     Hardware = "board" // GPIO lines, SPI, input devices
)

// Safe is the state a strike takes when nobody drives it: at start, at the end, and when anything dies.
type Safe string

// The safe states. A person inside can leave in both: that is the door's mechanical matter.
const (
	FailSecure Safe = "fail-secure" // stays locked without power
	FailSafe   Safe = "fail-safe"   // is released without power
)

// Config is a checked configuration. A value comes from Default, Parse or Load and is never changed afterwards.
type Config struct {
	Hardware Hardware
	Data     string // directory of store and journal; relative to where the program was started
	KeysDir  string // directory of the panel's private keys, made with mode 0700
	Site     Site
	Web      Web
	SIP      SIP
	Doors    []Door   // at least one
	Buttons  []Button // in the order of their numbers
	Inputs   Inputs
	Readers  []Reader
	Access   Access
	Uplink   Uplink
	License  License
	Clock    Clock
	Journal  Journal
}

// Site is where the panel hangs.
type Site struct {
	Name     string         // for people
	Panel    string         // the panel's own name within the site, such as Stairs A; at most 40 bytes; empty: it has none
	TimeZone *time.Location // in which schedules and pages count; its name is an IANA name such as Europe/Rome
	Language string         // of the panel's face, such as en or pt-BR
}

// Web is the panel's own page and API.
type Web struct {
	Listen netip.AddrPort // beyond loopback only with TLS
	Hosts  []string       // names by which browsers may ask for the panel, besides its addresses; lower case, no port
	TLS    TLS
}

// TLS of the web page: at most one of the two ways.
type TLS struct {
	SelfSigned  bool   // make a certificate at first run and show its fingerprint
	Certificate string // PEM file with the chain
	Key         string // PEM file with the private key
}

// On tells whether the page is served by HTTPS.
func (t TLS) On() bool { return t.SelfSigned || t.Certificate != "" }

// SIP is the panel's telephone.
type SIP struct {
	Listen      netip.AddrPort // UDP and TCP
	RingTimeout time.Duration  // how long a called phone may ring
	Accounts    []Account
}

// Account is a registration with a PBX, provider or gateway; it needs a sip license.
type Account struct {
	Name      string
	Registrar string // sip:host[:port][;transport=udp|tcp|tls]
	User      string
	Password  Secret
	Expires   time.Duration // asked for at registration
}

// Door is one entrance.
type Door struct {
	Name          string
	Strike        Line // zero with simulated hardware, where it may be left out
	Safe          Safe
	Pulse         time.Duration // how long the door is released
	OpenDigit     rune          // the key of a called phone that opens it: 0 to 9, * or #
	Contact       Line          // active while the door stands open; zero: none
	Exit          Line          // exit button; zero: none
	HeldOpenAfter time.Duration // how long it may stand open before it counts as held open; 0: for ever
	HeldWarning   time.Duration // how long before that those in the door are warned; 0: they are not

	Toggle         bool          // a grant opens it until the next grant
	ToggleFor      time.Duration // and for so long at most
	StandsOpen     string        // name of a schedule, kept in the store, by which it stands open; empty: it does not
	OpenAfterGrant bool          // only after the first card or code of the day
	Interlock      string        // name of the group of doors of which one at a time is released; empty: none
	Fire           FireReaction
	EscapeWired    bool // the installer says that the way out needs no software
	Feedback       Line // active while the strike is released, whatever it was told; zero: none
}

// FireReaction is what the fire input does to a door.
type FireReaction string

// The reactions. Where a fire input is wired there is no default.
const (
	FireReleases FireReaction = "release"
	FireIgnores  FireReaction = "ignore"
)

// Button is a call button. Label and Target only fill an empty store; people change them on the page.
type Button struct {
	Number  int // from 1; the first is free of any license
	Label   string
	Target  string // sip:user@host[:port][;transport=...], or what Account dials; empty: nobody is set
	Account string // name of an Account through which it is called; empty: directly
	Line    Line   // its contact on a board; zero: it is on the touch screen only
}

// Inputs are the contacts of the whole panel. On each of them "active" is the alarm or the press.
type Inputs struct {
	Fire     Line          // fire alarm system: releases the doors
	Tamper   Line          // housing opened
	Service  Line          // service key: opens the time for setting up
	Debounce time.Duration // how long any input must be quiet before it counts
	// TamperBlock is for how long after a tamper alarm cards, codes, digits and requests are refused, also over a restart;
	// exit and fire open all the same. 0: a tamper alarms and blocks nothing.
	TamperBlock time.Duration
}

// Bias is the pull resistor of an input line.
type Bias string

// The pull resistors. AsIs leaves what the board has.
const (
	AsIs     Bias = ""
	PullUp   Bias = "pull-up"
	PullDown Bias = "pull-down"
	PullOff  Bias = "pull-off"
)

// Line is one GPIO line. The zero value is "not wired".
type Line struct {
	Chip      string // label or name of the chip, such as pinctrl-bcm2835 or gpiochip0
	Line      string // offset, or the line's name on that chip
	ActiveLow bool
	Bias      Bias
}

// Wired tells whether the line is there at all.
func (l Line) Wired() bool { return l.Chip != "" }

// String is the line as it is written in the file.
func (l Line) String() string {
	if !l.Wired() {
		return ""
	}
	s := "gpio:" + l.Chip + "/" + l.Line
	if l.ActiveLow {
		s += ",active-low"
	}
	if l.Bias != AsIs {
		s += "," + string(l.Bias)
	}
	return s
}

// Direction is the way a person goes who presents a credential at a reader.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// ReaderKind says which driver a reader needs.
type ReaderKind string

// The kinds of readers.
const (
	SimReader     ReaderKind = "sim"            // cards, keys and codes from /sim
	MFRC522       ReaderKind = "mfrc522"        // NFC chip on SPI
	Keypad        ReaderKind = "keypad"         // Linux input device
	HIDScanner    ReaderKind = "scanner-hid"    // QR scanner that types, as a Linux input device
	SerialScanner ReaderKind = "scanner-serial" // QR scanner on a serial line
)

// Reader is a place where credentials are presented.
type Reader struct {
	Name      string
	Door      string // name of a Door
	Direction Direction
	Kind      ReaderKind
	Device    string // SPI port such as SPI0.0 or /dev/spidev0.0, or a device file; empty with SimReader
	Reset     Line   // MFRC522: reset line; zero: none
	Baud      int    // SerialScanner: bits a second
}

// Uplink is the broker above the panel. A zero Broker means: none.
type Uplink struct {
	Broker      string // mqtt://host:port or mqtts://host:port, always with its port
	User        string
	Password    Secret
	CA          string              // PEM file with the authorities that mqtts trusts; empty: the system's
	Site        string              // the site's part of every topic
	Hub         bool                // a hub listens: it acknowledges the journal and settles license claims
	CommandKeys []ed25519.PublicKey // who may sign commands
	Heartbeat   time.Duration       // between two status messages
}

// License names whom the panel believes.
type License struct {
	Roots []ed25519.PublicKey
}

// Clock says what makes the panel's time trusted, besides an administrator and a hub.
type Clock struct {
	Kernel bool // the kernel says that it is synchronized
	RTC    bool // the board has a clock that runs on a battery
}

// Journal bounds the journal on disk.
type Journal struct {
	MaxBytes    int64
	EntriesDays int // entries older than so many days are deleted; 0: none for its age
	PersonsDays int // who it was is taken out of entries older than that; 0: it stays as long as the entry
	Kinds       []JournalKind
}

// JournalKind is a period of its own for some kinds of entries.
type JournalKind struct {
	Kinds       []string // such as access.refused
	PersonsDays int      // 0: for as long as the entry
}

// ErasesPersons reports whether persons are ever taken out for their age.
func (j Journal) ErasesPersons() bool {
	for _, k := range j.Kinds {
		if k.PersonsDays > 0 {
			return true
		}
	}
	return j.PersonsDays > 0
}
