package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// gauge is how much of something is used, at a glance.
type gauge struct {
	title string // for the row
	words string // for whoever asks or listens
	used  string
	most  string // empty: only counted
	part  int    // of the bar, 0 to 100
	tone  string
}

// gauges are a row's numbers: SIP numbers, applications, mobile keys, panels.
func (r groupRow) gauges() []gauge {
	if !r.counts {
		return nil
	}
	short := map[ledger.Resource]string{ledger.SIPNumbers: "SIP", ledger.Apps: "Apps", ledger.UKey: "UKEY2"}
	var all []gauge
	for _, resource := range []ledger.Resource{ledger.SIPNumbers, ledger.Apps, ledger.UKey} {
		all = append(all, gaugeOf(short[resource], r.state.Line(resource.String())))
	}
	panels := r.group.Count.Devices
	return append(all, gauge{title: "Panels", used: thousands(panels), words: plural(panels, "panel is", "panels are") + " registered here and below"})
}

func gaugeOf(title string, line ledger.Line) gauge {
	g := gauge{title: title, used: thousands(line.Used), words: line.Title + ": " + thousands(line.Used) + " used"}
	if line.Maximum >= ledger.Unlimited {
		g.words += ", not limited"
		return g
	}
	g.most = thousands(line.Maximum)
	g.words += " of " + g.most + ", " + thousands(line.Available) + " available"
	switch {
	case line.Used > line.Maximum:
		g.part, g.tone = 100, "bad"
		g.words += ", " + thousands(line.Used-line.Maximum) + " over"
	case line.Maximum == 0:
		g.tone = "none"
	case line.Available == 0:
		g.part, g.tone = 100*line.Used/line.Maximum, "warn"
	default:
		g.part = 100 * line.Used / line.Maximum
	}
	return g
}

// remark is something about a row that a person should not overlook.
type remark struct{ tone, text string }

// remarks say in words what the colors say: what is over, suspended, full, and who binds.
func (r groupRow) remarks() []remark {
	var all []remark
	if !r.group.Archived.IsZero() {
		all = append(all, remark{"", "archived"})
	}
	if !r.counts {
		return all
	}
	for _, line := range r.state.Lines {
		if !line.Counted {
			continue
		}
		if stopped := line.Used - line.Active; stopped > 0 {
			all = append(all, remark{"bad", thousands(stopped) + " " + midSentence(line.Title) + " suspended"})
		}
	}
	for _, line := range r.state.Lines {
		if !line.Counted || line.Text == "" || line.Maximum == 0 && line.Used == 0 {
			continue
		}
		tone := "soft"
		if line.Used > line.Maximum {
			tone = "bad"
		} else if line.Available == 0 {
			tone = "warn"
		}
		all = append(all, remark{tone, line.Title + ": " + line.Text})
	}
	return all
}

// typeWords is on what a group stands.
func typeWords(t ledger.Type) (tone, text string) {
	switch t {
	case ledger.Plus:
		return "good", "Plus"
	case ledger.OnTrial:
		return "call", "Trial"
	case ledger.Basic:
		return "", "Basic"
	case ledger.Free:
		return "", "nothing given"
	case ledger.Metered:
		return "", "only counted"
	case ledger.Inherited:
		return "", "as above"
	}
	return "", string(t)
}

func modeWords(m ledger.Mode) string {
	if m == ledger.Reserved {
		return "reserved"
	}
	return "shared"
}

// thousands writes a number so that large ones can be read.
func thousands(n int) string {
	if n >= ledger.Unlimited {
		return "no limit"
	}
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// instant is a point in time by the clock of a zone, to the minute: a license that ends at midnight says so.
func instant(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2 January 2006, 15:04")
}

// statusWords is a line's status as B-15 has it.
func statusWords(line ledger.Line) (tone, text string) {
	switch {
	case !line.On && line.Used > 0:
		return "bad", "Off"
	case !line.On:
		return "", "Off"
	case line.Over > 0:
		return "bad", "Enabled, " + thousands(line.Over) + " over"
	}
	return "good", "Enabled"
}

// untilWords is how long a line stays as it is.
func untilWords(line ledger.Line, zone *time.Location) string {
	switch {
	case !line.On:
		return "–"
	case line.Until.IsZero():
		return "no time limit"
	}
	return instant(line.Until, zone)
}

// boundBy says who binds in a line, with the way to it.
func boundBy(b ledger.Bind) string {
	if b.Hidden && b.Manager != "" {
		return b.Name + "; ask " + b.Manager
	}
	names := placeNames(b.Path)
	if names == "" {
		names = b.Name
	}
	return names
}

// bindNumbers are the numbers of whoever binds.
func bindNumbers(b ledger.Bind, counted bool) string {
	switch {
	case b.Hidden:
		return ""
	case !counted:
		return "has it switched off"
	case b.Reserved:
		return fmt.Sprintf("%s, %s used or reserved", thousands(b.Limit), thousands(b.Used))
	}
	return fmt.Sprintf("%s, %s used", thousands(b.Limit), thousands(b.Used))
}

func placeNames(path []ledger.Place) string {
	var names []string
	for _, p := range path {
		names = append(names, p.Name)
	}
	return strings.Join(names, " › ")
}

// shownLines are the lines worth a row: everything that is on, used or given; the rest is named in one sentence.
func shownLines(s ledger.State) (shown []ledger.Line, off []string) {
	for _, line := range s.Lines {
		if line.On || line.Used > 0 || line.Counted && (line.Name == "sip_numbers" || line.Name == "apps" || line.Name == "ukey") {
			shown = append(shown, line)
			continue
		}
		off = append(off, line.Title)
	}
	return shown, off
}

// listWords joins words as a sentence does.
func listWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// changedLine is a line before and after a change.
type changedLine struct{ was, is ledger.Line }

// changedLines are those that a change changes, in their order.
func changedLines(before, after ledger.State) []changedLine {
	var changed []changedLine
	for _, is := range after.Lines {
		was := before.Line(is.Name)
		if was.On != is.On || was.Maximum != is.Maximum || was.Available != is.Available || was.Active != is.Active || !was.Until.Equal(is.Until) {
			changed = append(changed, changedLine{was, is})
		}
	}
	return changed
}

// levelsBelow are the levels that a group below one of this level may have.
func levelsBelow(root ledger.Group, level string) []ledger.Level {
	i := slices.IndexFunc(root.Levels, func(l ledger.Level) bool { return l.ID == level })
	return root.Levels[min(i+1, len(root.Levels)):]
}

// joined is the way to a group.
func joined(names []string) string { return strings.Join(names, " › ") }

func has(list []string, word string) bool { return slices.Contains(list, word) }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// useTitle is what is in use: "SIP number 1007".
func useTitle(u ledger.Use) string {
	title := map[ledger.Resource]string{ledger.SIPNumbers: "SIP number", ledger.Apps: "Application", ledger.UKey: "Mobile key", ledger.Buttons: "Call button", ledger.Panels: "Panel's right"}[u.Resource]
	if u.Count > 1 {
		title = fmt.Sprintf("%d × %s", u.Count, midSentence(title))
	}
	if u.Label != "" {
		title += " " + u.Label
	}
	return title
}

// blockWords is what a block gives, in one line.
func blockWords(b ledger.Block) string {
	var words []string
	for _, r := range ledger.Resources() {
		if n := b.Counts[r]; n > 0 {
			words = append(words, thousands(n)+" "+midSentence(r.Title()))
		}
	}
	titles := map[string]string{}
	for _, f := range ledger.Features() {
		titles[f.Name] = f.Title
	}
	for _, name := range b.Features {
		words = append(words, titles[name])
	}
	if b.Source == ledger.FromTrial {
		return "everything"
	}
	return strings.Join(words, ", ")
}

// midSentence is a title inside a sentence: "applications", but "SIP numbers".
func midSentence(title string) string {
	if len(title) < 2 || title[1] >= 'A' && title[1] <= 'Z' {
		return title
	}
	return strings.ToLower(title[:1]) + title[1:]
}

// amountWords are counted things in one line: "4 SIP numbers and 2 applications".
func amountWords(a ledger.Amounts) string {
	var words []string
	for _, r := range ledger.Resources() {
		if a[r] > 0 {
			words = append(words, thousands(a[r])+" "+midSentence(r.Title()))
		}
	}
	return listWords(words)
}

// toWords says who gets a reminder.
func toWords(due dueAnswer) string {
	words := slices.Clone(due.To)
	if due.Others > 0 {
		words = append(words, plural(due.Others, "administrator of a group above", "administrators of groups above"))
	}
	if len(words) == 0 {
		return "to nobody: no administrator has an e-mail address"
	}
	return "to " + listWords(words)
}

// windowWords is when a block counts.
func windowWords(b ledger.Block, zone *time.Location, now time.Time) string {
	switch {
	case b.Until.IsZero() && now.Before(b.From):
		return "begins " + instant(b.From, zone) + ", no time limit"
	case b.Until.IsZero():
		return "no time limit"
	case now.Before(b.From):
		return "from " + instant(b.From, zone) + " until " + instant(b.Until, zone)
	case now.Before(b.Until):
		return "until " + instant(b.Until, zone)
	}
	return "ended " + instant(b.Until, zone)
}

func groupNames(groups []ledger.Group) []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names
}

func levelUse(root ledger.Group, id string) int {
	for i, l := range root.Levels {
		if l.ID == id && i < len(root.LevelUse) {
			return root.LevelUse[i]
		}
	}
	return 0
}

func emptyLevel(row levelRow) string {
	if row.ID == "" {
		return "a level between"
	}
	return "left out"
}

func suspendedWords(use ledger.Use) string {
	if use.Active == 0 {
		return "suspended"
	}
	return fmt.Sprintf("%d of %d suspended", use.Suspended(), use.Count)
}

func opposite(on bool) string { return fmt.Sprint(!on) }

// bindsShown are those who bind, where anything is given or used that could be bound.
func bindsShown(line ledger.Line) []ledger.Bind {
	if line.Counted && line.Maximum == 0 && line.Used == 0 {
		return nil
	}
	return line.Binds
}

// finished tells whether nothing of the first steps is left to be done now.
func finished(p startPage) bool {
	return !slices.ContainsFunc(p.stations, func(st firstStep) bool { return st.now })
}
