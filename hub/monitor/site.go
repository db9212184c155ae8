package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// Version is the number in the "v" of a stored Site. A value of another version is refused by Decode.
const Version = 1

// Site is everything the monitor knows of one site. It is a value: Step returns a new one and leaves the old one alone.
// Pages may read all of it; only Step changes it.
type Site struct {
	V        int    `json:"v"`
	ID       string `json:"id"`
	Name     string `json:"name"`
	Zone     string `json:"zone"` // IANA name of the zone that Step is given
	Language string `json:"language"`
	// Revision rises whenever something changed that must not be lost. A store that several hubs share can refuse to replace
	// a value by one that does not follow it.
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`            // of the last Step
	Kept     time.Time `json:"kept"`          // of the last Step that moved the Revision
	Next     time.Time `json:"next,omitzero"` // see Deadline

	Panels      []Panel       `json:"panels"` // in the order in which they were added
	Open        []Incident    `json:"open,omitempty"`
	Recent      []Incident    `json:"recent,omitempty"` // closed ones, the newest last, RecentLimit at most
	Incidents   uint64        `json:"incidents"`        // how many there ever were; part of their ids
	License     License       `json:"license,omitzero"`
	Recipients  []Recipient   `json:"recipients,omitempty"`
	Mail        []Mailbox     `json:"mail,omitempty"` // what was and is to be told to whom
	Maintenance []Maintenance `json:"maintenance,omitempty"`
	Policy      Policy        `json:"policy"`

	BrokerAway time.Time `json:"broker_away,omitzero"` // since when the hub has no broker; zero: it has one
	Grace      time.Time `json:"grace,omitzero"`       // until then panels may show themselves before they count as lost
}

// RecentLimit is how many closed incidents a Site remembers.
const RecentLimit = 20

// Presence is whether a panel is there.
type Presence string

// The presences.
const (
	Unknown Presence = "unknown" // never heard, or the hub was away and it has not shown itself since
	Online  Presence = "online"
	Lost    Presence = "lost"    // gone without a word
	Stopped Presence = "stopped" // it said that it is being stopped
)

// Panel is what is known of one panel.
type Panel struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Presence   Presence  `json:"presence"`
	Since      time.Time `json:"since"`              // of this presence
	Contact    time.Time `json:"contact,omitzero"`   // its last own word; zero: never heard. Retained words do not count
	Boot       string    `json:"boot,omitempty"`     // of the daemon that spoke last
	HeartbeatS int       `json:"heartbeat,omitzero"` // the longest pause between two of its words, in seconds
	// Cause is the best present knowledge of why it is not there or, while it is there, of why it was away last.
	Cause Cause `json:"cause,omitempty"`
	// Before is what it was before the hub lost sight of it, while Presence is Unknown.
	Before      Presence    `json:"before,omitempty"`
	BeforeCause Cause       `json:"before_cause,omitempty"`
	BeforeSince time.Time   `json:"before_since,omitzero"`
	Losses      []time.Time `json:"losses,omitempty"` // the latest ones, for telling who is unsteady
	Unsteady    time.Time   `json:"unsteady,omitzero"`
	// Counted is up to when Today and Days account for its time.
	Counted time.Time `json:"counted"`
	Today   Day       `json:"today"`
	Days    History   `json:"days,omitzero"` // the days before Today
}

// Cause is why a panel is or was not there.
type Cause string

// The causes. Cause.Words says them in English; templates translate the word itself.
const (
	CausePanel     Cause = "panel"     // not there; others of its site are: the panel, its power or its cable
	CauseOnly      Cause = "only"      // not there, and the site has no other panel to compare with
	CauseSite      Cause = "site"      // not there, like others of its site at the same time: the site's line or power
	CauseBroker    Cause = "broker"    // the hub's own connection to the broker is away
	CauseStopped   Cause = "stopped"   // stopped by somebody
	CauseRestarted Cause = "restarted" // it is back with another boot: it was without power, or was started again
	CauseNetwork   Cause = "network"   // it is back with the same boot: its network was away
	CauseLine      Cause = "line"      // several are back with the same boot: the site's line was away
	CausePower     Cause = "power"     // several are back, all started anew: the site's power was away
	CauseRemoved   Cause = "removed"   // the panel was taken out of the hub while it was not there
	CauseLicense   Cause = "license"   // the monitoring license ended
	CauseUnsteady  Cause = "unsteady"  // comes and goes
)

// Words says the cause as a sentence in English.
func (c Cause) Words() string {
	switch c {
	case CausePanel:
		return "No contact. Other panels of the site are there, so it is this panel, its power or its cable."
	case CauseOnly:
		return "No contact. The site has no other panel to compare with: it may be the panel, its power or the site's line."
	case CauseSite:
		return "No contact. Other panels of the site went at the same time, so it is the site's line or its power."
	case CauseBroker:
		return "The hub has no connection to the broker and cannot see any panel."
	case CauseStopped:
		return "The panel was stopped by somebody."
	case CauseRestarted:
		return "The panel was started again, or was without power."
	case CauseNetwork:
		return "The panel kept running: its network was away."
	case CauseLine:
		return "The site's line was away: all of the panels, or most, kept running."
	case CausePower:
		return "The site's power was away: all of the panels, or most, were started anew."
	case CauseRemoved:
		return "The panel was taken out of the hub."
	case CauseLicense:
		return "The monitoring license ended."
	case CauseUnsteady:
		return "The panel comes and goes."
	}
	return ""
}

// IncidentKind is what happened.
type IncidentKind string

// The kinds of incidents.
const (
	IncidentLoss     IncidentKind = "loss"     // one or several panels are lost
	IncidentStopped  IncidentKind = "stopped"  // a panel is stopped for longer than the policy lets pass
	IncidentUnsteady IncidentKind = "unsteady" // a panel comes and goes
	IncidentBroker   IncidentKind = "broker"   // the hub does not see the broker
)

// Incident is something that people are warned about once.
type Incident struct {
	ID        string       `json:"id"` // unique within the site for ever
	Kind      IncidentKind `json:"kind"`
	Opened    time.Time    `json:"opened"`
	Members   []Member     `json:"members,omitempty"`
	Cause     Cause        `json:"cause,omitempty"`
	Warned    time.Time    `json:"warned,omitzero"` // when its notice was decided; zero: nobody was to be told yet
	Told      []Told       `json:"told,omitempty"`
	Repeats   int          `json:"repeats,omitempty"`
	Repeated  time.Time    `json:"repeated,omitzero"`
	Escalated time.Time    `json:"escalated,omitzero"`
	Acked     time.Time    `json:"acked,omitzero"`
	AckedBy   string       `json:"acked_by,omitempty"`
	Closed    time.Time    `json:"closed,omitzero"`
	Notice    Kind         `json:"notice,omitempty"` // what was told first
	Joins     int          `json:"joins,omitempty"`  // how often it was told that more panels went
	Partly    time.Time    `json:"partly,omitzero"`  // when it was told that a part is back
	More      int          `json:"more,omitempty"`   // members that a closed incident does not name
}

// Member is a panel's part in an incident.
type Member struct {
	Panel string    `json:"panel"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`          // since when it is not there
	Seen  time.Time `json:"seen,omitzero"`  // its last own word before
	Boot  string    `json:"boot,omitempty"` // of before
	Again time.Time `json:"again,omitzero"` // since when it is away again after it had been back in between
	Back  time.Time `json:"back,omitzero"`  // zero: it is not back
	Cause Cause     `json:"cause,omitempty"`
	// Late: it joined after people were told, and they do not know of it yet.
	Late bool `json:"late,omitempty"`
	// Join is which of the incident's notices of more panels told of it; 0: its first one.
	Join int `json:"join,omitempty"`
	// SaidBack: people were told that it is back, while others were not.
	SaidBack bool `json:"said_back,omitempty"`
}

// Told is what became of an incident's notice to one recipient.
type Told struct {
	Recipient string    `json:"recipient"`
	How       How       `json:"how"`
	Notices   []string  `json:"notices,omitempty"` // ids of the deliveries, the latest NoticesLimit of them
	At        time.Time `json:"at"`
}

// NoticesLimit is how many delivery ids of one incident are remembered for each recipient.
const NoticesLimit = 16

// How a notice was treated.
type How string

// The ways.
const (
	HowSent   How = "sent"   // given to the outbox
	HowHeld   How = "held"   // kept until the recipient's quiet hours are over
	HowCapped How = "capped" // over the day's limit: a line of the day's summary
)

// Mailbox is what was told to one recipient today, and what waits for him.
type Mailbox struct {
	Recipient string `json:"recipient"`
	Day       Date   `json:"day"`   // for which Count counts
	Count     int    `json:"count"` // notices given to the outbox on that day; summaries do not count
	Held      []Held `json:"held,omitempty"`
	Capped    []Line `json:"capped,omitempty"`     // what was not told because of the limit, LinesLimit at most
	Dropped   int    `json:"dropped,omitempty"`    // what was not told and is not in Capped either
	SummaryOf Date   `json:"summary_of,omitempty"` // the day whose summary is to be told; empty: none
}

// Held is a notice that waits for the end of quiet hours.
type Held struct {
	Kind     Kind      `json:"kind"`
	Incident string    `json:"incident,omitempty"`
	About    string    `json:"about"` // part of the delivery's id
	N        int       `json:"n"`     // the same
	At       time.Time `json:"at"`
	// Facts are those of a notice about something that is over, or about no incident.
	Facts []fleet.Fact `json:"facts,omitempty"`
	// Over is what happened, in a line, when the incident was over before the notice could be told.
	Over *Line `json:"over,omitempty"`
}

// Line is one entry of a summary.
type Line struct {
	Kind     Kind      `json:"kind"`
	Incident string    `json:"incident,omitempty"`
	Panels   string    `json:"panels,omitempty"` // names, with commas
	From     time.Time `json:"from"`
	To       time.Time `json:"to,omitzero"` // zero: it was not over
	Cause    Cause     `json:"cause,omitempty"`
}

// LinesLimit is how many lines a summary has at most; it says how many more there were.
const LinesLimit = 40

// License is the site's monitoring license. The zero value is none.
type License struct {
	From  time.Time `json:"from,omitzero"`  // first instant at which it is in force; zero: there is no license
	Until time.Time `json:"until,omitzero"` // first instant at which it is not in force any more; zero: it has no end
	// Ahead is the Until whose approach was told already.
	Ahead time.Time `json:"ahead,omitzero"`
}

// Holds tells whether the license is in force at an instant.
func (l License) Holds(at time.Time) bool {
	return !l.From.IsZero() && !at.Before(l.From) && (l.Until.IsZero() || at.Before(l.Until))
}

// New returns what is known of a site before anything happened.
func New(site fleet.Site, now time.Time) Site {
	now = now.UTC()
	return Site{V: Version, ID: site.ID, Name: site.Name, Zone: site.Zone, Language: site.Language, Revision: 1, At: now, Kept: now, Panels: []Panel{},
		Policy: DefaultPolicy()}
}

// Deadline is the next instant at which a Tick is needed although nothing happens; zero: none. It lies before the present
// when a Tick is due. A Step that comes later than LateLimit after it is taken for a hub that was not there in between.
func (s Site) Deadline() time.Time { return s.Next }

// Encode returns the site as it is stored.
func (s Site) Encode() ([]byte, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cannot write what is known of site %q: %w", s.ID, err)
	}
	return raw, nil
}

// Decode reads what Encode wrote.
func Decode(raw []byte) (Site, error) {
	var site Site
	if err := json.Unmarshal(raw, &site); err != nil {
		return Site{}, fmt.Errorf("cannot read what is known of a site: %w", err)
	}
	if site.V != Version {
		return Site{}, fmt.Errorf("cannot read what is known of site %q: its version is %d, this program reads %d; use the program that wrote it", site.ID, site.V, Version)
	}
	if site.ID == "" {
		return Site{}, errors.New("cannot read what is known of a site: it has no id")
	}
	if err := CheckPolicy(site.Policy); err != nil {
		return Site{}, fmt.Errorf("cannot read what is known of site %q: %w", site.ID, err)
	}
	return site, nil
}

// Panel returns what is known of one panel.
func (s Site) Panel(id string) (Panel, bool) {
	for _, p := range s.Panels {
		if p.ID == id {
			return p, true
		}
	}
	return Panel{}, false
}
