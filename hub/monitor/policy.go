package monitor

import (
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// Policy is when people are warned. Every number has bounds (CheckPolicy).
type Policy struct {
	HoldOffS         int `json:"hold_off_s"`         // not there for so long before anybody is told; 1 to 86400
	GraceS           int `json:"grace_s"`            // for panels to show themselves after the hub or its broker was away; 1 to 3600
	HeartbeatPercent int `json:"heartbeat_percent"`  // of the heartbeat, after which a silent panel counts as lost; 150 to 1000
	TogetherS        int `json:"together_s"`         // panels that went within it went together; 1 to 600
	StoppedAfterS    int `json:"stopped_after_s"`    // warn of a panel that is stopped for so long; 0: never, or 60 to 2592000
	RepeatS          int `json:"repeat_s"`           // say again after so long; 0: never, or 300 to 604800
	RepeatTimes      int `json:"repeat_times"`       // how often at most; 1 to 50
	EscalateS        int `json:"escalate_s"`         // call the second group after so long without anybody taking it on; 0: never, or 60 to 604800
	FlapOutages      int `json:"flap_outages"`       // more outages than this within FlapS are unsteady; 1 to 50
	FlapS            int `json:"flap_s"`             // 300 to 86400
	DailyCap         int `json:"daily_cap"`          // notices for one recipient on one day; 1 to 1000
	LicenseAheadDays int `json:"license_ahead_days"` // tell so long before the license ends; 0: never, up to 365
	HistoryDays      int `json:"history_days"`       // of availability that are kept; 31 to 1100
}

// DefaultPolicy is what a new site has.
func DefaultPolicy() Policy {
	return Policy{HoldOffS: 120, GraceS: 90, HeartbeatPercent: 250, TogetherS: 30, RepeatTimes: 3, EscalateS: 1800, FlapOutages: 3, FlapS: 3600, DailyCap: 20,
		LicenseAheadDays: 14, HistoryDays: 400}
}

// CheckPolicy says what is wrong with a policy, or nil.
func CheckPolicy(p Policy) error {
	for _, rule := range []struct {
		name     string
		value    int
		off      bool // 0 switches it off
		min, max int
	}{
		{"hold_off_s", p.HoldOffS, false, 1, 86400},
		{"grace_s", p.GraceS, false, 1, 3600},
		{"heartbeat_percent", p.HeartbeatPercent, false, 150, 1000},
		{"together_s", p.TogetherS, false, 1, 600},
		{"stopped_after_s", p.StoppedAfterS, true, 60, 2592000},
		{"repeat_s", p.RepeatS, true, 300, 604800},
		{"repeat_times", p.RepeatTimes, false, 1, 50},
		{"escalate_s", p.EscalateS, true, 60, 604800},
		{"flap_outages", p.FlapOutages, false, 1, 50},
		{"flap_s", p.FlapS, false, 300, 86400},
		{"daily_cap", p.DailyCap, false, 1, 1000},
		{"license_ahead_days", p.LicenseAheadDays, true, 1, 365},
		{"history_days", p.HistoryDays, false, 31, 1100},
	} {
		if rule.off && rule.value == 0 || rule.min <= rule.value && rule.value <= rule.max {
			continue
		}
		or := ""
		if rule.off {
			or = ", or 0 for never"
		}
		return fmt.Errorf("cannot set %s to %d: give %d to %d%s", rule.name, rule.value, rule.min, rule.max, or)
	}
	return nil
}

// Group is when a recipient is called.
type Group string

// The groups.
const (
	First      Group = "first"      // at once
	Escalation Group = "escalation" // when nobody of the first has taken it on in time
)

// Topic is what a recipient may want to hear of.
type Topic string

// The topics.
const (
	TopicOutages    Topic = "outages"    // lost, line, stopped, broker, repeat, escalated; and morning and summary
	TopicRecoveries Topic = "recoveries" // back; only of outages that were told to this recipient
	TopicUnsteady   Topic = "unsteady"   // unsteady, steady
	TopicLicense    Topic = "license"    // license
	TopicSecurity   Topic = "security"   // security
	// TopicSilentAlarm is silent_alarm, also during quiet hours. It is told only to those who name it, and is not among all.
	TopicSilentAlarm Topic = "silent_alarm"
)

// Topics lists all of them.
func Topics() []Topic {
	return []Topic{TopicOutages, TopicRecoveries, TopicUnsteady, TopicLicense, TopicSecurity, TopicSilentAlarm}
}

// Recipient is somebody who is told.
type Recipient struct {
	ID       string  `json:"id"` // 1 to 32 of a-z 0-9 -, beginning with a letter or digit; never given to another person
	Name     string  `json:"name"`
	Language string  `json:"language,omitempty"` // empty: the site's
	Group    Group   `json:"group"`
	Topics   []Topic `json:"topics,omitempty"` // empty: all
	// Ways are all used: each brings one delivery of every notice. Its fall-back is taken when it fails.
	Ways  []Way  `json:"ways"`
	Quiet *Quiet `json:"quiet,omitempty"`
}

// Way is one channel to a recipient.
type Way struct {
	Channel  fleet.Channel `json:"channel"`
	Address  string        `json:"address"`
	Fallback *fleet.Target `json:"fallback,omitempty"`
}

// Quiet are hours of the day on which notices wait, in the site's zone: from From to just before To, over midnight when To is
// not after From.
type Quiet struct {
	From string `json:"from"` // 22:00
	To   string `json:"to"`   // 07:00
}

// Maintenance is a time in which nobody is warned: once, from From to just before Until, or weekly, on Days from Start to
// just before End by the clock on the site's wall.
type Maintenance struct {
	ID     string    `json:"id"`
	Panels []string  `json:"panels,omitempty"` // empty: the whole site
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	Days   []string  `json:"days,omitempty"`  // mon tue wed thu fri sat sun
	Start  string    `json:"start,omitempty"` // 02:00
	End    string    `json:"end,omitempty"`   // 04:00; not after Start: on the next day
	Note   string    `json:"note,omitempty"`
	By     string    `json:"by,omitempty"`
}
