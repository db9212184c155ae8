package monitor

import (
	"slices"
	"time"
)

// tellChanges tells those who know of an outage how it changed: who went besides, each panel once; and once for each outage who
// is back while others are not. What changes within a hold-off is one message.
func (s *step) tellChanges() {
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind != IncidentLoss || incident.Warned.IsZero() || !s.mayTell(*incident) || s.over(*incident) {
			continue
		}
		s.tellMore(incident)
		s.tellPartly(incident)
	}
}

// tellMore tells of panels that joined an outage after people were told of it, as soon as one of them has been away for the
// hold-off.
func (s *step) tellMore(incident *Incident) {
	late := s.late(*incident)
	if !slices.ContainsFunc(late, func(i int) bool { return s.certain(incident.Kind, incident.Members[i]) }) {
		return
	}
	incident.Joins++
	s.changed = true
	for _, i := range late {
		incident.Members[i].Late, incident.Members[i].Join = false, incident.Joins
	}
	for _, r := range s.informed(*incident, TopicOutages) {
		s.tellOf(incident, r, KindMore, incident.Joins)
	}
}

// late are the places of the members that are missing and that nobody was told of, but for those that are not to be told of
// now: in maintenance, or unsteady, which is told by itself.
func (s *step) late(incident Incident) []int {
	var places []int
	for i, m := range incident.Members {
		p := s.panel(m.Panel)
		if m.Late && m.Back.IsZero() && p != nil && p.Unsteady.IsZero() && !s.InMaintenance(s.zone, m.Panel, s.now) {
			places = append(places, i)
		}
	}
	return places
}

// tellPartly tells who is back while others are not, when nobody has come back for the hold-off.
func (s *step) tellPartly(incident *Incident) {
	due := s.partlyDue(*incident)
	if due.IsZero() || s.now.Before(due) {
		return
	}
	incident.Partly, s.changed = s.now, true
	for i := range incident.Members {
		m := &incident.Members[i]
		m.SaidBack = s.isBack(*m)
	}
	for _, r := range s.informed(*incident, TopicRecoveries) {
		if !s.quiet(r) { // in the morning it is told as it is then, or it is over
			s.tellOf(incident, r, KindPartly, 1)
		}
	}
}

// partlyDue is when it may be told that a part is back; zero: never, it was told, or nothing is back.
func (s *step) partlyDue(incident Incident) time.Time {
	if !incident.Partly.IsZero() {
		return time.Time{}
	}
	var last time.Time
	for _, m := range incident.Members {
		if s.isBack(m) {
			last = later(last, m.Back)
		}
	}
	if last.IsZero() {
		return last
	}
	return last.Add(seconds(s.Policy.HoldOffS))
}

// isBack tells whether a member of which people know is there again, and not merely stopped or taken out.
func (s *step) isBack(m Member) bool {
	p := s.panel(m.Panel)
	return !m.Back.IsZero() && !m.Late && p != nil && p.Presence == Online
}

// informed are those who were told of an incident, want to hear of the topic, and for whom nothing about it waits: that will be
// told as it is then.
func (s *step) informed(incident Incident, topic Topic) []Recipient {
	var list []Recipient
	for _, told := range incident.Told {
		r := s.recipient(told.Recipient)
		if r != nil && told.How == HowSent && r.wants(topic) && !s.holds(r.ID, incident.ID) {
			list = append(list, *r)
		}
	}
	return list
}

// joined are the missing members that were first told of by the nth notice of that kind or a later one.
func (i Incident) joined(n int) []Member {
	return slices.DeleteFunc(i.missing(), func(m Member) bool { return m.Join < n })
}

// saidBack are the members of which it was told that they are back.
func (i Incident) saidBack() []Member {
	var list []Member
	for _, m := range i.Members {
		if m.SaidBack {
			list = append(list, m)
		}
	}
	return list
}

// nameAll notes that people know of every member that is missing.
func (i *Incident) nameAll() {
	for j := range i.Members {
		if i.Members[j].Back.IsZero() {
			i.Members[j].Late = false
		}
	}
}
