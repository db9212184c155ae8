package notify

import (
	"slices"
	"strings"
)

// Kind is one kind of message and what its templates may name.
type Kind struct {
	Name         string
	About        string   // for the page on which templates are edited
	Placeholders []string // names of facts, and of what is made from them
}

// Kinds lists the kinds that have templates.
func Kinds() []Kind {
	outage := []string{"site", "panels", "count", "since", "last_seen", "duration", "cause", "incident"}
	event := []string{"site", "panels", "door", "at", "text", "incident"}
	return []Kind{
		{"lost", "a panel is not there any more", outage},
		{"line", "several panels went together: the site's line or its power", outage},
		{"stopped", "a panel that somebody stopped is still stopped", outage},
		{"broker", "the hub cannot see the site, as its broker is away", outage},
		{"repeat", "it is still so", append(slices.Clone(outage), "of")},
		{"escalated", "it is still so, and nobody has taken it on", append(slices.Clone(outage), "of")},
		{"more", "more panels went, after the first message", append(slices.Clone(outage), "of", "missing")},
		{"partly", "some panels are back, others are not", append(slices.Clone(outage), "of", "missing", "back")},
		{"back", "it is over", append(slices.Clone(outage), "of", "back")},
		{"unsteady", "a panel comes and goes, and there will be silence until it is steady", append(slices.Clone(outage), "times")},
		{"steady", "it is steady again", append(slices.Clone(outage), "back")},
		{"license", "the monitoring license ends soon", []string{"site", "until"}},
		{"morning", "what happened during quiet hours", []string{"site", "count", "lines"}},
		{"summary", "what was not told because of the day's limit", []string{"site", "count", "lines"}},
		{"security", "something that a person should look at: a forced door, a tampered panel, a changed journal", event},
		{"silent_alarm", "somebody opens under duress", event},
		{"silent_test", "the number that confirms a test of the silent alarm", []string{"site", "panels", "number", "at"}},
		{"reminder", "licenses of a group or a user end", []string{"group", "path", "until", "days", "licenses", "stops", "stopping"}},
		{"test", "a try from the settings page", []string{"site", "at", "by"}},
		{General, "what has no template of its own", []string{"site", "kind", "facts"}},
	}
}

// General is the kind of the template that stands in for a kind that has none.
const General = "general"

func kindOf(name string) (Kind, bool) {
	all := Kinds()
	at := slices.IndexFunc(all, func(k Kind) bool { return k.Name == name })
	if at < 0 {
		return all[len(all)-1], false
	}
	return all[at], true
}

func kindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

func (k Kind) knows(name string) bool { return slices.Contains(k.Placeholders, name) }

func (k Kind) placeholders() string { return "{" + strings.Join(k.Placeholders, "}, {") + "}" }

// examples are the facts of a preview.
func (k Kind) examples() []Fact {
	facts := []Fact{
		{"site", "Via Roma 12"}, {"panels", "Main entrance"}, {"count", "1"}, {"since", "2026-07-20T14:05:00+02:00"},
		{"last_seen", "2026-07-20T14:04:41+02:00"}, {"back", "2026-07-20T15:20:00+02:00"}, {"duration_s", "4500"},
		{"cause", "panel"}, {"cause_text", "No contact."}, {"until", "2026-08-01T00:00:00+02:00"}, {"of", "lost"}, {"times", "4"},
		{"incident", "via-roma-12-17"}, {"door", "Main entrance"}, {"at", "2026-07-20T14:05:00+02:00"},
		{"text", "The door was forced."}, {"by", "Anna"}, {"missing", "Garage, Gate"}, {"number", "40718352"},
	}
	if k.knows("lines") {
		facts = append(facts, Fact{"line", "lost|Main entrance|2026-07-20T01:10:00+02:00|2026-07-20T01:25:00+02:00|network"},
			Fact{"line", "stopped|Garage|2026-07-20T02:00:00+02:00||stopped"})
	}
	return facts
}
