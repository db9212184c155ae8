package license

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Share is what another panel has of a license of this one.
type Share struct {
	License TokenID `json:"license"`
	Feature string  `json:"feature"`
	Panel   string  `json:"panel"` // id
	Count   int     `json:"count"`
}

// Line is one feature with what is behind it, for pages.
type Line struct {
	Feature   string    `json:"feature"`
	Title     string    `json:"title"`
	Counted   bool      `json:"counted"`
	Status    Status    `json:"status"`          // the best of its sources; Missing when there is none
	Until     time.Time `json:"until,omitzero"`  // when the first active source ends
	Maximum   int       `json:"maximum"`         // what licenses give here; of buttons without the free one; of seats for accounts, how many
	Used      int       `json:"used"`            // of seats, how many have an account
	Available int       `json:"available"`       // Maximum less Used, never below 0
	Over      int       `json:"over,omitempty"`  // used above Maximum
	From      []Source  `json:"from"`            // in the order of activation
	Given     []Share   `json:"given,omitempty"` // to other panels
	Why       string    `json:"why,omitempty"`   // in words, whatever is not simply there
}

// Source is one license behind a line.
type Source struct {
	License TokenID   `json:"license"`
	Label   string    `json:"label,omitempty"`
	Account string    `json:"account,omitempty"`
	Count   int       `json:"count"`
	Until   time.Time `json:"until,omitzero"`
	Status  Status    `json:"status"`
	GivenBy string    `json:"given_by,omitempty"` // id of the panel that gave it
	Message string    `json:"message,omitempty"`
}

// better lists the statuses, best first: what a feature with several licenses shows.
var better = [...]Status{Active, Ending, Waiting, Pending, Grace, Ended, Unconfirmed, Elsewhere, Released, Withdrawn, Unusable, Missing}

// Overview is one line for every known feature in the order of Features, then for unknown ones that are held, by name. used is how much
// of each counted feature is in use, of buttons without the free one.
func (e Entitlements) Overview(used map[string]int) []Line {
	features := Features()
	for _, entry := range slices.SortedFunc(slices.Values(e.entries), func(a, b Entry) int { return strings.Compare(a.Feature, b.Feature) }) {
		if entry.Feature != "" && !slices.ContainsFunc(features, func(f Feature) bool { return f.Name == entry.Feature }) {
			features = append(features, Describe(entry.Feature))
		}
	}
	lines := make([]Line, 0, len(features))
	for _, feature := range features {
		lines = append(lines, e.line(feature, used[feature.Name]))
	}
	return lines
}

func (e Entitlements) line(feature Feature, used int) Line {
	line := Line{
		Feature: feature.Name, Title: feature.Title, Counted: feature.Counted, Status: Missing, Maximum: e.Count(feature.Name), Used: used, From: []Source{},
	}
	for _, entry := range e.entries {
		if entry.Feature == feature.Name {
			line = line.with(entry)
		}
	}
	if implying, ok := e.impliedBy(feature.Name); ok && !line.Status.counts() {
		line.Status, line.Until = implying.Status, implying.Until
		line.Why = "Comes with " + implying.Title + "."
	}
	line.Available, line.Over = max(0, line.Maximum-line.Used), max(0, line.Used-line.Maximum)
	line.Why = line.words(feature)
	return line
}

// with counts one license in.
func (l Line) with(entry Entry) Line {
	l.From = append(l.From, Source{entry.TokenID, entry.Label, entry.Account, entry.Count, entry.Until, entry.Status, entry.GivenBy, entry.Message})
	l.Given = append(l.Given, entry.Given...)
	if slices.Index(better[:], entry.Status) < slices.Index(better[:], l.Status) {
		l.Status = entry.Status
	}
	if entry.Status.counts() && !entry.Until.IsZero() && (l.Until.IsZero() || entry.Until.Before(l.Until)) {
		l.Until = entry.Until
	}
	if entry.Scope == ScopeAccount && (entry.Status.counts() || entry.Status == Waiting) {
		l.Maximum += entry.Count
		if entry.Account != "" {
			l.Used += entry.Count
		}
	}
	return l
}

// impliedBy is an active license of another feature that brings this one along.
func (e Entitlements) impliedBy(feature string) (Entry, bool) {
	for _, entry := range e.entries {
		if entry.Scope != ScopeAccount && entry.Status.counts() && Describe(entry.Feature).Implies == feature {
			return entry, true
		}
	}
	return Entry{}, false
}

// words says what a line's numbers and status do not.
func (l Line) words(feature Feature) string {
	var parts []string
	if l.Why != "" {
		parts = append(parts, l.Why)
	}
	switch {
	case l.Status == Missing && l.Feature == Buttons:
		parts = append(parts, "No license for it is on this panel; one button is free.")
	case l.Status == Missing:
		parts = append(parts, "No license for it is on this panel.")
	}
	seen := map[string]bool{}
	for _, source := range l.From {
		if words := source.words(feature); words != "" && !seen[words] {
			seen[words] = true
			parts = append(parts, words)
		}
	}
	for _, share := range l.Given {
		if id, err := envelope.ParseThumbprint(share.Panel); err == nil {
			parts = append(parts, fmt.Sprintf("%s given to panel (%s…).", feature.amount(share.Count), id.String()[:6]))
		}
	}
	if l.Over > 0 && feature.Counted {
		parts = append(parts, fmt.Sprintf("%d used of %d, %d too many.", l.Used, l.Maximum, l.Over))
	}
	return strings.Join(parts, " ")
}

// words says why a license is not simply active, and where a share came from.
func (s Source) words(feature Feature) string {
	var text string
	switch {
	case s.GivenBy != "" && s.Status.counts():
		text = fmt.Sprintf("%s given by panel (%s…).", feature.amount(s.Count), s.GivenBy[:6])
	case feature.Counted && s.Status == Ending:
		text = feature.amount(s.Count) + ":"
	case feature.Counted && s.Message != "":
		text = fmt.Sprintf("%d:", s.Count)
	}
	return strings.TrimSpace(text + " " + s.Message)
}
