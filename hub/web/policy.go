package web

import (
	"fmt"
	"strings"

	"github.com/doorpanel/doorpanel/hub/monitor"
)

// policyForm is a policy in the units of its page.
type policyForm struct {
	HoldOff      int `json:"hold_off_s"`
	Grace        int `json:"grace_s"`
	Heartbeat    int `json:"heartbeat_percent"`
	Together     int `json:"together_s"`
	StoppedAfter int `json:"stopped_after_min"`
	Repeat       int `json:"repeat_min"`
	RepeatTimes  int `json:"repeat_times"`
	Escalate     int `json:"escalate_min"`
	FlapOutages  int `json:"flap_outages"`
	Flap         int `json:"flap_min"`
	DailyCap     int `json:"daily_cap"`
	LicenseAhead int `json:"license_ahead_days"`
	History      int `json:"history_days"`
}

// policyRow is one rule as the page shows it: a sentence around a number.
type policyRow struct {
	Name, Field    string // in the form, and in the API
	Label          string
	Before, After  string // around the number
	Hint           string
	Value          int
	Min, Max, Unit int // in the units of the page; Unit of the API's make one
	Off            bool
	Joined         bool // goes on in the sentence of the row before
	Rare           bool // for those who know why
}

// policyRows are the rules in the order of the page. The bounds are those of monitor.CheckPolicy.
func policyRows(p monitor.Policy) []policyRow {
	return []policyRow{
		{Name: "hold_off_s", Field: "hold_off_s", Label: "Wait before warning", Before: "Warn when a panel has been gone for", After: "seconds.",
			Hint: "Shorter outages are shown, and nobody is told.", Value: p.HoldOffS, Min: 1, Max: 86400, Unit: 1},
		{Name: "escalate_min", Field: "escalate_s", Label: "Call the second group", Before: "When nobody has taken it on after", After: "minutes, call the second group.",
			Hint: "0: never.", Value: p.EscalateS / 60, Min: 1, Max: 10080, Unit: 60, Off: true},
		{Name: "repeat_min", Field: "repeat_s", Label: "Say it again", Before: "While nobody has taken it on, say it again every", After: "minutes,",
			Hint: "0: say it once.", Value: p.RepeatS / 60, Min: 5, Max: 10080, Unit: 60, Off: true},
		{Name: "repeat_times", Field: "repeat_times", Label: "Repeats", Before: "and at most", After: "times.", Joined: true, Value: p.RepeatTimes, Min: 1, Max: 50, Unit: 1},
		{Name: "stopped_after_min", Field: "stopped_after_s", Label: "Stopped panels", Before: "Warn of a panel that somebody stopped after", After: "minutes.",
			Hint: "0: never. A panel that is stopped says so; that is no outage.", Value: p.StoppedAfterS / 60, Min: 1, Max: 43200, Unit: 60, Off: true},
		{Name: "flap_outages", Field: "flap_outages", Label: "Unsteady panels", Before: "A panel that goes more than", After: "times", Value: p.FlapOutages, Min: 1, Max: 50, Unit: 1},
		{Name: "flap_min", Field: "flap_s", Label: "Unsteady within", Before: "within", After: "minutes comes and goes.", Joined: true,
			Hint: "That is told once, then there is silence until it is steady.", Value: p.FlapS / 60, Min: 5, Max: 1440, Unit: 60},
		{Name: "daily_cap", Field: "daily_cap", Label: "Messages a day", Before: "Nobody gets more than", After: "messages on one day.",
			Hint: "The rest comes as one summary.", Value: p.DailyCap, Min: 1, Max: 1000, Unit: 1},
		{Name: "license_ahead_days", Field: "license_ahead_days", Label: "License ending", Before: "Tell", After: "days before the monitoring license ends.",
			Hint: "0: never.", Value: p.LicenseAheadDays, Min: 1, Max: 365, Unit: 1, Off: true},
		{Name: "together_s", Field: "together_s", Label: "Together", Before: "Panels that go within", After: "seconds of each other went together: one message for the site.", Value: p.TogetherS, Min: 1, Max: 600, Unit: 1, Rare: true},
		{Name: "grace_s", Field: "grace_s", Label: "Grace", Before: "After the hub or its broker was away, panels have", After: "seconds to show themselves.", Value: p.GraceS, Min: 1, Max: 3600, Unit: 1, Rare: true},
		{Name: "heartbeat_percent", Field: "heartbeat_percent", Label: "Silence", Before: "A panel is lost when it is silent for", After: "% of its heartbeat.", Value: p.HeartbeatPercent, Min: 150, Max: 1000, Unit: 1, Rare: true},
		{Name: "history_days", Field: "history_days", Label: "History", Before: "Keep the availability of", After: "days.", Value: p.HistoryDays, Min: 31, Max: 1100, Unit: 1, Rare: true},
	}
}

// least is the smallest number that the page takes.
func (r policyRow) least() int {
	if r.Off {
		return 0
	}
	return r.Min
}

// policySentences are the rows, those of one sentence together.
func policySentences(p monitor.Policy, rare bool) [][]policyRow {
	var sentences [][]policyRow
	for _, row := range policyRows(p) {
		switch {
		case row.Rare != rare:
		case row.Joined && len(sentences) > 0:
			sentences[len(sentences)-1] = append(sentences[len(sentences)-1], row)
		default:
			sentences = append(sentences, []policyRow{row})
		}
	}
	return sentences
}

// hints are what is said under a sentence.
func hints(rows []policyRow) string {
	var bounds, more []string
	for _, row := range rows {
		bounds = append(bounds, row.bounds())
		if row.Hint != "" {
			more = append(more, row.Hint)
		}
	}
	return strings.Join(bounds, "; ") + ". " + strings.Join(more, " ")
}

// bounds says what can be entered.
func (r policyRow) bounds() string {
	if r.Off {
		return fmt.Sprintf("%d–%d, or 0", r.Min, r.Max)
	}
	return fmt.Sprintf("%d–%d", r.Min, r.Max)
}

func (s *Server) doPolicyForm(v *visit, in policyForm) (outcome, error) {
	site, err := v.watched(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	// What the page does not say to the second is taken from the policy that it was drawn from, which doPolicy looks at again.
	now := site.Policy
	p := monitor.Policy{HoldOffS: in.HoldOff, GraceS: in.Grace, HeartbeatPercent: in.Heartbeat, TogetherS: in.Together, StoppedAfterS: minutes(now.StoppedAfterS, in.StoppedAfter),
		RepeatS: minutes(now.RepeatS, in.Repeat), RepeatTimes: in.RepeatTimes, EscalateS: minutes(now.EscalateS, in.Escalate), FlapOutages: in.FlapOutages, FlapS: minutes(now.FlapS, in.Flap),
		DailyCap: in.DailyCap, LicenseAheadDays: in.LicenseAhead, HistoryDays: in.History}
	for _, row := range policyRows(p) {
		if row.Value < row.least() || row.Value > row.Max || row.Value != 0 && row.Value < row.Min {
			return outcome{}, notValid(fmt.Sprintf("“%s” cannot be %d: give %s", row.Label, row.Value, row.bounds()))
		}
	}
	return s.doPolicy(v, p)
}

// minutes are a number of the page in seconds. What a program set to the second stays so while its minutes stay.
func minutes(seconds, entered int) int {
	if seconds/60 == entered {
		return seconds
	}
	return 60 * entered
}

// policyWords puts the label of the page beside the field's name.
func policyWords(err error) string {
	text := err.Error()
	for _, row := range policyRows(monitor.Policy{}) {
		text = strings.ReplaceAll(text, "set "+row.Field+" to", "set “"+row.Label+"” ("+row.Field+") to")
	}
	return text
}
