package monitor

import (
	"fmt"
	"slices"
	"time"
)

// newIncident opens one. The pointer holds until the next one is opened.
func (s *step) newIncident(kind IncidentKind) *Incident {
	s.Incidents++
	s.changed = true
	id := fmt.Sprintf("%s-%d", s.now.Format("20060102T150405"), s.Incidents)
	s.Open = append(s.Open, Incident{ID: id, Kind: kind, Opened: s.now})
	return &s.Open[len(s.Open)-1]
}

// open returns an open incident, or nil.
func (s *step) open(id string) *Incident {
	for i := range s.Open {
		if s.Open[i].ID == id {
			return &s.Open[i]
		}
	}
	return nil
}

func memberOf(p Panel) Member {
	return Member{Panel: p.ID, Name: p.Name, Since: p.Since, Seen: p.Contact, Boot: p.Boot}
}

// missing are the members that are not back.
func (i Incident) missing() []Member {
	var list []Member
	for _, m := range i.Members {
		if m.Back.IsZero() {
			list = append(list, m)
		}
	}
	return list
}

// concerned are the members that the incident is about now: those that are not back, or all when it is over.
func (i Incident) concerned() []Member {
	if missing := i.missing(); len(missing) > 0 {
		return missing
	}
	return i.Members
}

func (i Incident) lastLoss() time.Time {
	var last time.Time
	for _, m := range i.Members {
		last = later(last, m.Since)
	}
	return last
}

// member returns the panel's part in the incident that is not over, or nil.
func (i *Incident) member(panel string) *Member {
	for j := range i.Members {
		if m := &i.Members[j]; m.Panel == panel && m.Back.IsZero() {
			return m
		}
	}
	return nil
}

// joinLoss makes a lost panel part of an outage: of the one that it had just left, of one that is gathering panels, or of a new one.
func (s *step) joinLoss(p *Panel) {
	holdOff := seconds(s.Policy.HoldOffS)
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind != IncidentLoss {
			continue
		}
		over := s.over(*incident) // and open, for its end must not be told yet
		for j := range incident.Members {
			m := &incident.Members[j]
			if m.Panel == p.ID && !m.Back.IsZero() && (over || p.Since.Sub(m.Back) <= holdOff) {
				m.Again, m.Back, m.Cause = p.Since, time.Time{}, ""
				m.Late, m.SaidBack = m.Late || m.SaidBack, false
				return
			}
		}
	}
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind == IncidentLoss && p.Since.Sub(incident.lastLoss()).Abs() <= holdOff {
			joins := memberOf(*p)
			joins.Late = !incident.Warned.IsZero()
			incident.Members = append(incident.Members, joins)
			return
		}
	}
	incident := s.newIncident(IncidentLoss)
	incident.Members = []Member{memberOf(*p)}
}

// joinUnsteady makes a panel part of an unsteady incident, and takes it out of outages that nobody was told of.
func (s *step) joinUnsteady(p *Panel) {
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind == IncidentLoss && incident.Warned.IsZero() {
			incident.Members = slices.DeleteFunc(incident.Members, func(m Member) bool { return m.Panel == p.ID })
		}
	}
	s.dropEmpty()
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind == IncidentUnsteady && s.now.Sub(incident.Opened) <= seconds(s.Policy.HoldOffS) {
			incident.Members = append(incident.Members, memberOf(*p))
			return
		}
	}
	incident := s.newIncident(IncidentUnsteady)
	incident.Members, incident.Cause = []Member{memberOf(*p)}, CauseUnsteady
}

func (s *step) dropEmpty() {
	s.Open = slices.DeleteFunc(s.Open, func(i Incident) bool {
		empty := len(i.Members) == 0 && i.Kind != IncidentBroker
		if empty {
			s.forget(i.ID)
		}
		return empty
	})
}

// memberBack ends a panel's part in what it takes part in.
func (s *step) memberBack(panel string, cause Cause) {
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind == IncidentUnsteady && cause != CauseRemoved {
			continue
		}
		m := incident.member(panel)
		if m == nil {
			continue
		}
		m.Back, m.Cause = s.now, cause
	}
}

// review looks at everything that is open: what is over, what is due.
func (s *step) review() {
	s.rollDays()
	s.endUnsteady()
	s.findStopped()
	s.explain()
	s.closeOver()
	if s.License.Holds(s.now) {
		s.warnDue()
		s.repeatAndEscalate()
		s.tellChanges()
		s.announceLicenseEnd()
	}
}

// endUnsteady takes panels for steady again, in being there as in not being there.
func (s *step) endUnsteady() {
	for i := range s.Panels {
		p := &s.Panels[i]
		if p.Unsteady.IsZero() || p.Presence == Unknown || s.now.Before(p.Since.Add(seconds(s.Policy.FlapS))) {
			continue
		}
		p.Unsteady, p.Losses, s.changed = time.Time{}, nil, true
		s.leaveUnsteady(*p)
		if p.Presence == Lost && !s.inLoss(p.ID) {
			incident := s.newIncident(IncidentLoss)
			incident.Members = []Member{memberOf(*p)}
		}
	}
	s.dropEmpty()
}

func (s *step) leaveUnsteady(p Panel) {
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Kind != IncidentUnsteady {
			continue
		}
		if p.Presence == Lost {
			incident.Members = slices.DeleteFunc(incident.Members, func(m Member) bool { return m.Panel == p.ID })
		} else if m := incident.member(p.ID); m != nil {
			m.Back = s.now
		}
	}
}

func (s *step) inLoss(panel string) bool {
	return slices.ContainsFunc(s.Open, func(i Incident) bool { return i.Kind == IncidentLoss && i.member(panel) != nil })
}

// findStopped opens incidents for panels that are stopped for longer than the policy lets pass.
func (s *step) findStopped() {
	if s.Policy.StoppedAfterS == 0 {
		return
	}
	for _, p := range s.Panels {
		if p.Presence != Stopped || s.now.Before(p.Since.Add(seconds(s.Policy.StoppedAfterS))) {
			continue
		}
		if slices.ContainsFunc(s.Open, func(i Incident) bool { return i.Kind == IncidentStopped && i.member(p.ID) != nil }) {
			continue
		}
		incident := s.newIncident(IncidentStopped)
		incident.Members, incident.Cause = []Member{memberOf(p)}, CauseStopped
	}
}

// together tells whether two of the members went within the policy's TogetherS of each other.
func (s *step) together(members []Member) bool {
	if len(members) < 2 {
		return false
	}
	went := make([]time.Time, len(members))
	for i, m := range members {
		went[i] = m.Since
	}
	slices.SortFunc(went, time.Time.Compare)
	for i := 1; i < len(went); i++ {
		if went[i].Sub(went[i-1]) <= seconds(s.Policy.TogetherS) {
			return true
		}
	}
	return false
}

// explain says the best present knowledge of why panels are not there.
func (s *step) explain() {
	other := slices.ContainsFunc(s.Panels, func(p Panel) bool { return p.Presence == Online })
	for i := range s.Open {
		incident := &s.Open[i]
		missing := incident.missing()
		if incident.Kind != IncidentLoss || len(missing) == 0 {
			continue
		}
		cause := CauseOnly
		switch {
		case s.together(missing):
			cause = CauseSite
		case other:
			cause = CausePanel
		case len(missing) > 1:
			cause = CauseSite
		}
		if incident.Cause == cause {
			continue
		}
		incident.Cause, s.changed = cause, true
		for _, m := range missing {
			if p := s.panel(m.Panel); p != nil {
				p.Cause = cause
			}
		}
	}
}

// causeAfter says why the panels were away, now that they are back.
func (s *step) causeAfter(incident Incident) Cause {
	if incident.Kind != IncidentLoss {
		return incident.Cause
	}
	var last Member
	restarted, kept := 0, 0
	for _, m := range incident.Members {
		if !m.Back.Before(last.Back) {
			last = m
		}
		switch m.Cause {
		case CauseRestarted:
			restarted++
		case CauseNetwork:
			kept++
		}
	}
	switch {
	case !s.together(incident.Members) || restarted+kept < 2:
		return last.Cause
	case restarted > kept:
		return CausePower
	}
	return CauseLine
}

// over tells whether nothing of an incident lasts. A panel that became unsteady does not hold an outage open that others were
// told of.
func (s *step) over(incident Incident) bool {
	if incident.Kind == IncidentBroker {
		return s.BrokerAway.IsZero()
	}
	missing := incident.missing()
	if incident.Kind == IncidentLoss && len(missing) < len(incident.Members) {
		missing = slices.DeleteFunc(missing, func(m Member) bool {
			p := s.panel(m.Panel)
			return p == nil || !p.Unsteady.IsZero()
		})
	}
	return len(missing) == 0
}

// closeOver closes what is over. Nobody who was told stays without the end of it: while it must not be told, it stays open.
func (s *step) closeOver() {
	for i := 0; i < len(s.Open); i++ {
		incident := &s.Open[i]
		told := !incident.Warned.IsZero()
		switch {
		case s.over(*incident) && (!told || s.mayTell(*incident)):
			cause := s.causeAfter(*incident)
			s.tellEnd(*incident, cause)
			s.close(i, cause)
			i--
		case !told && incident.Kind != IncidentUnsteady:
			incident.Members = slices.DeleteFunc(incident.Members, func(m Member) bool { return !m.Back.IsZero() })
		}
	}
}

// membersKept is how many members a closed incident names.
const membersKept = 10

// close moves an open incident to the recent ones.
func (s *step) close(i int, cause Cause) {
	incident := s.Open[i]
	s.Open = slices.Delete(s.Open, i, i+1)
	incident.Cause, incident.Closed, s.changed = cause, s.now, true
	if cause == CauseLine || cause == CausePower {
		for _, m := range incident.Members {
			if p := s.panel(m.Panel); p != nil && p.Presence == Online {
				p.Cause = cause
			}
		}
	}
	if more := len(incident.Members) - membersKept; more > 0 {
		incident.Members, incident.More = incident.Members[:membersKept], more
	}
	for j := range incident.Told {
		incident.Told[j].Notices = nil
	}
	if incident.Kind == IncidentBroker && incident.Warned.IsZero() {
		return // every start of the hub begins without a broker
	}
	recent := append(slices.Clone(s.Recent), incident)
	s.Recent = recent[max(0, len(recent)-RecentLimit):]
}

// endLicense closes quietly what people were told of while the license held. What lasts goes on untold.
func (s *step) endLicense() {
	if s.License.Holds(s.now) {
		return
	}
	for i := 0; i < len(s.Open); i++ {
		if s.Open[i].Warned.IsZero() {
			continue
		}
		incident := s.Open[i]
		s.close(i, CauseLicense)
		i--
		missing := incident.missing()
		if len(missing) == 0 && (incident.Kind != IncidentBroker || s.BrokerAway.IsZero()) {
			continue
		}
		next := s.newIncident(incident.Kind)
		next.Opened, next.Members, next.Cause = incident.Opened, missing, incident.Cause
		for j := range next.Members {
			next.Members[j].Join = 0
		}
	}
	for i := range s.Mail {
		box := &s.Mail[i]
		if len(box.Held)+len(box.Capped)+box.Dropped > 0 {
			box.Held, box.Capped, box.Dropped, box.SummaryOf, s.changed = nil, nil, 0, "", true
		}
	}
}

// due is when a loss may be told at the earliest: after the hold-off, which does not begin before the panel had time to show
// itself.
func (s *step) due(m Member) time.Time {
	since := later(later(m.Since, m.Again), s.Grace)
	if p := s.panel(m.Panel); p != nil {
		since = later(since, s.shownBy(*p))
	}
	return since.Add(seconds(s.Policy.HoldOffS))
}

// certain tells whether a member is away for as long as it takes: a lost one for the hold-off; another one had time to say that
// it is there, after nobody had looked.
func (s *step) certain(kind IncidentKind, m Member) bool {
	if kind == IncidentLoss {
		return !s.now.Before(s.due(m))
	}
	p := s.panel(m.Panel)
	return p == nil || !s.now.Before(s.shownBy(*p))
}

func (s *step) brokerDue(incident Incident) time.Time {
	return later(incident.Opened, s.Grace).Add(seconds(s.Policy.HoldOffS))
}

// ready tells whether an incident that nobody was told of is to be told now.
func (s *step) ready(incident Incident) bool {
	if !incident.Warned.IsZero() || !s.mayTell(incident) {
		return false
	}
	switch incident.Kind {
	case IncidentBroker:
		return !s.now.Before(s.brokerDue(incident))
	case IncidentUnsteady:
		return !s.now.Before(incident.Opened.Add(seconds(s.Policy.TogetherS)))
	}
	return true
}

// mayTell tells whether people may hear of an incident now, license and quiet hours aside.
func (s *step) mayTell(incident Incident) bool {
	if incident.Kind == IncidentBroker {
		return !s.InMaintenance(s.zone, "", s.now)
	}
	return s.BrokerAway.IsZero() && slices.ContainsFunc(incident.concerned(), func(m Member) bool {
		return !s.InMaintenance(s.zone, m.Panel, s.now) && (!m.Back.IsZero() || s.certain(incident.Kind, m))
	})
}

// warnDue tells people of what is due. Incidents of one kind that are due at once are told as one.
func (s *step) warnDue() {
	for _, kind := range [...]IncidentKind{IncidentBroker, IncidentLoss, IncidentStopped, IncidentUnsteady} {
		if !s.anybodyWants(topicOf(kind)) {
			continue
		}
		first := -1
		for i := 0; i < len(s.Open); i++ {
			if s.Open[i].Kind != kind || !s.ready(s.Open[i]) {
				continue
			}
			if first < 0 {
				first = i
				continue
			}
			s.Open[first].Members = append(s.Open[first].Members, s.Open[i].Members...)
			s.Open = slices.Delete(s.Open, i, i+1)
			i--
		}
		if first >= 0 {
			s.partMaintained(first)
			s.warn(&s.Open[first])
		}
	}
}

// partMaintained puts members whose maintenance lasts into an incident of their own, which nobody is told of yet.
func (s *step) partMaintained(i int) {
	var kept, parted []Member
	for _, m := range s.Open[i].Members {
		if s.InMaintenance(s.zone, m.Panel, s.now) {
			parted = append(parted, m)
		} else {
			kept = append(kept, m)
		}
	}
	if len(parted) == 0 || len(kept) == 0 {
		return
	}
	other := s.newIncident(s.Open[i].Kind)
	other.Opened, other.Cause, other.Members = s.Open[i].Opened, s.Open[i].Cause, parted
	s.Open[i].Members = kept
}

func (s *step) incidentDeadlines(incident Incident, at func(time.Time)) {
	p := s.Policy
	switch incident.Kind {
	case IncidentBroker:
		at(s.brokerDue(incident))
	case IncidentUnsteady:
		at(incident.Opened.Add(seconds(p.TogetherS)))
	case IncidentLoss:
		for _, m := range incident.missing() {
			at(s.due(m))
		}
	}
	if incident.Warned.IsZero() {
		return
	}
	if incident.Kind == IncidentLoss {
		at(s.partlyDue(incident))
	}
	if incident.Kind == IncidentUnsteady || !incident.Acked.IsZero() {
		return
	}
	if p.RepeatS > 0 && incident.Repeats < p.RepeatTimes {
		at(later(incident.Warned, incident.Repeated).Add(seconds(p.RepeatS)))
	}
	if p.EscalateS > 0 && incident.Escalated.IsZero() {
		at(incident.Warned.Add(seconds(p.EscalateS)))
	}
}
