package monitor

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// namesLimit is how many panels a message names.
const namesLimit = 20

func (s *step) stamp(t time.Time) string { return t.In(s.zone).Format(time.RFC3339) }

func namesOf(members []Member) string {
	var names []string
	for _, m := range members[:min(len(members), namesLimit)] {
		names = append(names, m.Name)
	}
	if more := len(members) - namesLimit; more > 0 {
		names = append(names, "+"+strconv.Itoa(more))
	}
	return strings.Join(names, ", ")
}

// times are since when an incident is so, the panels' last own word, and until when it was so.
func (s *step) times(incident Incident, members []Member) (since, seen, until time.Time) {
	since, until = incident.Opened, s.now
	if len(members) > 0 && incident.Kind != IncidentUnsteady {
		since, until = time.Time{}, time.Time{}
		for _, m := range members {
			if m.Back.IsZero() {
				since = earlier(since, later(m.Since, m.Again))
			} else {
				since = earlier(since, m.Since)
			}
			until = later(until, m.Back)
		}
	}
	for _, m := range members {
		seen = later(seen, m.Seen)
	}
	if until.IsZero() {
		until = s.now
	}
	return since, seen, until
}

// told are the members that the nth message of a kind about an incident names.
func (i Incident) told(kind Kind, n int) []Member {
	switch kind {
	case KindBack, KindSteady:
		return i.Members
	case KindMore:
		return i.joined(n)
	case KindPartly:
		return i.saidBack()
	}
	return i.concerned()
}

// facts are what the nth message of a kind about an incident says.
func (s *step) facts(incident Incident, kind Kind, n int) []fleet.Fact {
	over := kind == KindBack || kind == KindSteady || kind == KindPartly
	members := incident.told(kind, n)
	since, seen, until := s.times(incident, members)
	if !over {
		until = s.now
	}
	facts := []fleet.Fact{
		{Name: FactSite, Value: s.Name},
		{Name: FactPanels, Value: namesOf(members)},
		{Name: FactCount, Value: strconv.Itoa(len(members))},
		{Name: FactSince, Value: s.stamp(since)},
	}
	if kind == KindMore || kind == KindPartly {
		facts = append(facts, fleet.Fact{Name: FactMissing, Value: namesOf(incident.missing())})
	}
	if !seen.IsZero() {
		facts = append(facts, fleet.Fact{Name: FactLastSeen, Value: s.stamp(seen)})
	}
	if over {
		facts = append(facts, fleet.Fact{Name: FactBack, Value: s.stamp(until)})
	}
	facts = append(facts,
		fleet.Fact{Name: FactDurationS, Value: strconv.FormatInt(int64(until.Sub(since)/time.Second), 10)},
		fleet.Fact{Name: FactCause, Value: string(incident.Cause)},
		fleet.Fact{Name: FactCauseText, Value: incident.Cause.Words()})
	if kind == KindUnsteady {
		facts = append(facts, fleet.Fact{Name: FactTimes, Value: strconv.Itoa(s.losses(members))})
	}
	if kind != incident.Notice {
		facts = append(facts, fleet.Fact{Name: FactOf, Value: string(incident.Notice)})
	}
	return append(facts, fleet.Fact{Name: FactIncident, Value: incident.ID})
}

// losses is how often the panel among the members went that went most often.
func (s *step) losses(members []Member) int {
	most := 0
	for _, m := range members {
		if p := s.panel(m.Panel); p != nil {
			most = max(most, len(p.Losses))
		}
	}
	return most
}

// line is an entry of a summary about an incident; nil: about none.
func (s *step) line(kind Kind, incident *Incident) Line {
	line := Line{Kind: kind, From: s.now}
	if incident == nil {
		return line
	}
	line.Incident, line.Cause = incident.ID, incident.Cause
	if incident.Opened.IsZero() {
		return line
	}
	members := incident.concerned()
	line.Panels = namesOf(members)
	since, _, until := s.times(*incident, members)
	line.From = since
	if kind == KindBack || kind == KindSteady {
		line.To = until
	}
	return line
}

// lineFacts are what a message of lines says. dropped is how many entries have no line.
func (s *step) lineFacts(lines []Line, dropped int) []fleet.Fact {
	shown := lines[:min(len(lines), LinesLimit)]
	facts := []fleet.Fact{{Name: FactSite, Value: s.Name}, {Name: FactCount, Value: strconv.Itoa(len(lines) + dropped)}}
	for _, line := range shown {
		to := ""
		if !line.To.IsZero() {
			to = s.stamp(line.To)
		}
		value := strings.Join([]string{string(line.Kind), plain(line.Panels), s.stamp(line.From), to, string(line.Cause)}, "|")
		facts = append(facts, fleet.Fact{Name: FactLine, Value: value})
	}
	return facts
}

// plain takes out what would end a field or a line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '|' || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
