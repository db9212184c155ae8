package monitor

import (
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Event is something that happened. Step takes one at a time.
type Event interface{ event() }

// The events.
type (
	// StatusReceived is a panel's status as it arrived. Retained is the message's flag: such a word is not a sign of life, for
	// the broker said it again. The caller has checked that the panel may speak for this site. A panel that was never added
	// is passed over.
	StatusReceived struct {
		Panel    string
		Status   telemetry.Status
		Retained bool
	}
	// PanelAdded makes a panel known, or gives a known one another name.
	PanelAdded struct{ ID, Name string }
	// PanelRemoved forgets a panel: revoked, replaced, or moved to another site.
	PanelRemoved struct{ ID string }
	// BrokerLost tells that the hub's own connection to the broker ended, or could not be made at the start.
	BrokerLost struct{}
	// BrokerBack tells that the hub is connected and subscribed.
	BrokerBack struct{}
	// HubStarted is the first event after a stored value was taken up: nothing was seen since its last Step.
	HubStarted struct{}
	// SiteChanged brings the site's name, zone and language.
	SiteChanged struct{ Site fleet.Site }
	// PolicyChanged brings other rules. One that CheckPolicy refuses changes nothing.
	PolicyChanged struct{ Policy Policy }
	// RecipientsChanged brings the whole list. One that CheckRecipients refuses changes nothing.
	RecipientsChanged struct{ Recipients []Recipient }
	// LicenseChanged brings the license in force or to come; the zero value takes it away.
	LicenseChanged struct{ From, Until time.Time }
	// MaintenanceSet brings the whole list of windows. One that CheckMaintenance refuses changes nothing.
	MaintenanceSet struct{ Windows []Maintenance }
	// Acknowledged tells that a person has taken an incident on: nothing is repeated and nobody else is called.
	Acknowledged struct{ Incident, By string }
	// Tick only lets time pass.
	Tick struct{}
)

func (StatusReceived) event()    {}
func (PanelAdded) event()        {}
func (PanelRemoved) event()      {}
func (BrokerLost) event()        {}
func (BrokerBack) event()        {}
func (HubStarted) event()        {}
func (SiteChanged) event()       {}
func (PolicyChanged) event()     {}
func (RecipientsChanged) event() {}
func (LicenseChanged) event()    {}
func (MaintenanceSet) event()    {}
func (Acknowledged) event()      {}
func (Tick) event()              {}

// Action is what is to be done, in the same transaction that stores the new Site.
type Action interface{ action() }

// The actions.
type (
	// Notify puts a delivery into the outbox. One whose ID is there already is the same one and stays as it is.
	Notify struct{ Delivery fleet.Delivery }
	// Withdraw takes a delivery back unless somebody has begun to send it.
	Withdraw struct{ ID string }
)

func (Notify) action()   {}
func (Withdraw) action() {}

// Kind is what a message tells; each has a template. Facts names what it brings.
type Kind string

// The kinds of messages.
const (
	KindLost      Kind = "lost"      // one panel is not there (or several, one after another)
	KindLine      Kind = "line"      // several panels went together: the site's line or power
	KindStopped   Kind = "stopped"   // a panel that somebody stopped is still stopped
	KindBroker    Kind = "broker"    // the hub cannot see the site, for its broker is away
	KindRepeat    Kind = "repeat"    // it is still so
	KindEscalated Kind = "escalated" // it is still so, and nobody has taken it on
	KindMore      Kind = "more"      // more panels went, and joined an outage that was told
	KindPartly    Kind = "partly"    // a part of the panels is back, others are not
	KindBack      Kind = "back"      // it is over
	KindUnsteady  Kind = "unsteady"  // a panel comes and goes; there will be silence until it is steady
	KindSteady    Kind = "steady"    // it has been there for a while now
	KindLicense   Kind = "license"   // the monitoring license ends soon
	KindMorning   Kind = "morning"   // what happened and was over during quiet hours
	KindSummary   Kind = "summary"   // what was not told because of the day's limit

	// Not decided here, but by whoever takes the panels' journals in; license and recipients are the monitor's.
	KindSecurity    Kind = "security"     // something about a panel's journal or identity that a person should look at
	KindSilentAlarm Kind = "silent_alarm" // somebody opens under duress
	KindSilentTest  Kind = "silent_test"  // the number of a test of the silent alarm, for the same people
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{KindLost, KindLine, KindStopped, KindBroker, KindRepeat, KindEscalated, KindMore, KindPartly, KindBack, KindUnsteady, KindSteady, KindLicense, KindMorning, KindSummary,
		KindSecurity, KindSilentAlarm, KindSilentTest}
}

// Names of facts. Times are RFC 3339 in the site's zone, to the second.
const (
	FactSite      = "site"       // the site's name; in every message
	FactPanels    = "panels"     // names of the panels, with commas; not in license, morning, summary, and empty in broker; in more those that went besides, in partly those that are back
	FactMissing   = "missing"    // names of all that are not there; in more and partly
	FactCount     = "count"      // of panels; of entries in morning and summary, those beyond LinesLimit included
	FactSince     = "since"      // since when it is or was so
	FactLastSeen  = "last_seen"  // the last own word of the panel (of several: the latest); absent when there is none
	FactBack      = "back"       // since when it is over; in back, partly and steady
	FactDurationS = "duration_s" // how long it has been so, or was so, in whole seconds
	FactCause     = "cause"      // a Cause, as its word
	FactCauseText = "cause_text" // Cause.Words, for languages without words of their own
	FactUntil     = "until"      // the end of the license; in license
	FactOf        = "of"         // the kind of what is repeated, escalated, changed or over: lost, line, stopped, broker
	FactTimes     = "times"      // how often a panel went; in unsteady
	FactLine      = "line"       // one entry of morning and summary, several times: "kind|panels|from|to|cause"; to is empty while it lasts
	FactIncident  = "incident"   // its id
	FactDoor      = "door"       // in silent_alarm
	FactAt        = "at"         // when it was heard of; in security, silent_alarm and silent_test
	FactText      = "text"       // what it is, in a sentence; in security. In silent_alarm whose code it was
	FactNumber    = "number"     // that switches the silent alarm on; in silent_test
)
