package monitor

import (
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// heldLimit is how many notices wait for one recipient at most.
const heldLimit = 100

func topicOf(kind IncidentKind) Topic {
	if kind == IncidentUnsteady {
		return TopicUnsteady
	}
	return TopicOutages
}

func (r Recipient) wants(topic Topic) bool {
	return len(r.Topics) == 0 || slices.Contains(r.Topics, topic)
}

func (s *step) anybodyWants(topic Topic) bool {
	return slices.ContainsFunc(s.Recipients, func(r Recipient) bool { return r.wants(topic) })
}

// recipient returns one by its id, or nil.
func (s *step) recipient(id string) *Recipient {
	for i := range s.Recipients {
		if s.Recipients[i].ID == id {
			return &s.Recipients[i]
		}
	}
	return nil
}

func (s *step) mailbox(recipient string) *Mailbox {
	for i := range s.Mail {
		if s.Mail[i].Recipient == recipient {
			return &s.Mail[i]
		}
	}
	s.Mail = append(s.Mail, Mailbox{Recipient: recipient, Day: DateOf(s.now, s.zone)})
	return &s.Mail[len(s.Mail)-1]
}

// rollDays begins a new day's count, and has the summary of the day before told.
func (s *step) rollDays() {
	today := DateOf(s.now, s.zone)
	for i := range s.Mail {
		box := &s.Mail[i]
		if box.Day == today {
			continue
		}
		if box.SummaryOf == "" && len(box.Capped)+box.Dropped > 0 {
			box.SummaryOf = box.Day
		}
		box.Day, box.Count, s.changed = today, 0, true
	}
}

func (s *step) quiet(r Recipient) bool {
	if r.Quiet == nil {
		return false
	}
	span, ok := r.Quiet.span()
	return ok && span.contains(s.local)
}

// warn tells the first group of an incident.
func (s *step) warn(incident *Incident) {
	kind := KindLost
	switch incident.Kind {
	case IncidentBroker:
		kind = KindBroker
	case IncidentStopped:
		kind = KindStopped
	case IncidentUnsteady:
		kind = KindUnsteady
	case IncidentLoss:
		if incident.Cause == CauseSite {
			kind = KindLine
		}
	}
	incident.Warned, incident.Notice, s.changed = s.now, kind, true
	incident.nameAll()
	for _, r := range s.Recipients {
		if r.Group == First && r.wants(topicOf(incident.Kind)) {
			s.tellOf(incident, r, kind, 1)
		}
	}
}

// tellOf tells one recipient of an open incident, and remembers how.
func (s *step) tellOf(incident *Incident, r Recipient, kind Kind, n int) {
	how, ids := s.tell(r, kind, incident, incident.ID, n, nil)
	s.remember(incident, r.ID, how, ids)
}

func (s *step) remember(incident *Incident, recipient string, how How, ids []string) {
	s.changed = true
	for i := range incident.Told {
		told := &incident.Told[i]
		if told.Recipient != recipient {
			continue
		}
		if told.How != HowSent {
			told.How = how
		}
		notices := append(slices.Clone(told.Notices), ids...)
		told.Notices = notices[max(0, len(notices)-NoticesLimit):]
		return
	}
	incident.Told = append(incident.Told, Told{Recipient: recipient, How: how, Notices: ids, At: s.now})
}

// tell gives one notice to the outbox, keeps it until quiet hours are over, or counts it among those over the day's limit.
// about is the part of the delivery's id that says what it is about. facts are nil for an incident that is open: they are
// those of the moment at which it is told.
func (s *step) tell(r Recipient, kind Kind, incident *Incident, about string, n int, facts []fleet.Fact) (How, []string) {
	if !s.quiet(r) {
		return s.send(r, kind, incident, about, n, facts)
	}
	box := s.mailbox(r.ID)
	s.changed = true
	if len(box.Held) >= heldLimit {
		box.Dropped++
		return HowHeld, nil
	}
	box.Held = append(box.Held, Held{Kind: kind, Incident: idOf(incident), About: about, N: n, At: s.now, Facts: facts})
	return HowHeld, nil
}

func idOf(incident *Incident) string {
	if incident == nil {
		return ""
	}
	return incident.ID
}

func (s *step) send(r Recipient, kind Kind, incident *Incident, about string, n int, facts []fleet.Fact) (How, []string) {
	box := s.mailbox(r.ID)
	s.changed = true
	if box.Count >= s.Policy.DailyCap {
		box.cap(s.line(kind, incident))
		return HowCapped, nil
	}
	box.Count++
	if facts == nil {
		facts = s.facts(*incident, kind, n)
	}
	return HowSent, s.emit(r, kind, idOf(incident), about, n, facts)
}

func (b *Mailbox) cap(line Line) {
	if len(b.Capped) >= LinesLimit {
		b.Dropped++
		return
	}
	b.Capped = append(b.Capped, line)
}

// emit makes the deliveries of one notice and returns their ids.
func (s *step) emit(r Recipient, kind Kind, incident, about string, n int, facts []fleet.Fact) []string {
	language := r.Language
	if language == "" {
		language = s.Language
	}
	var ids []string
	for i, way := range r.Ways {
		id := fmt.Sprintf("%s.%s.%s.%s.%d.%d", s.ID, about, kind, r.ID, i+1, n)
		ids = append(ids, id)
		s.actions = append(s.actions, Notify{fleet.Delivery{ID: id, Site: s.ID, Incident: incident, Kind: string(kind), Recipient: r.ID, Channel: way.Channel,
			Address: way.Address, Language: language, Facts: facts, Made: s.now, Due: s.now, State: fleet.Waiting, Fallback: way.Fallback}})
	}
	return ids
}

// tellEnd tells those who were told of an incident that it is over, and turns what was not told yet into a line.
func (s *step) tellEnd(incident Incident, cause Cause) {
	incident.Cause = cause
	kind, topic := KindBack, TopicRecoveries
	if incident.Kind == IncidentUnsteady {
		kind, topic = KindSteady, TopicUnsteady
	}
	for _, told := range incident.Told {
		r := s.recipient(told.Recipient)
		if r == nil {
			continue
		}
		switch told.How {
		case HowHeld:
			s.endHeld(r.ID, incident)
		case HowCapped:
			s.endCapped(r.ID, incident)
		case HowSent:
			s.dropHeld(r.ID, incident.ID)
			for _, id := range told.Notices {
				s.actions = append(s.actions, Withdraw{id})
			}
			if r.wants(topic) {
				s.tell(*r, kind, &incident, incident.ID, 1, s.facts(incident, kind, 1))
			}
		}
	}
}

// endHeld leaves one line of what a recipient was to be told of an incident after his quiet hours.
func (s *step) endHeld(recipient string, incident Incident) {
	box := s.mailbox(recipient)
	line := s.line(incident.Notice, &incident)
	line.To = s.now
	i := slices.IndexFunc(box.Held, func(h Held) bool { return h.Incident == incident.ID })
	if i < 0 {
		return
	}
	box.Held[i].Over = &line
	rest := slices.DeleteFunc(box.Held[i+1:], func(h Held) bool { return h.Incident == incident.ID })
	box.Held = box.Held[:i+1+len(rest)]
}

func (s *step) endCapped(recipient string, incident Incident) {
	box := s.mailbox(recipient)
	for i := range box.Capped {
		if line := &box.Capped[i]; line.Incident == incident.ID {
			line.To, line.Cause = s.now, incident.Cause
		}
	}
}

func (s *step) dropHeld(recipient, incident string) {
	box := s.mailbox(recipient)
	box.Held = slices.DeleteFunc(box.Held, func(h Held) bool { return h.Incident == incident && h.Facts == nil })
}

// forget takes an incident out of everything that waits, for it is told as another one.
func (s *step) forget(incident string) {
	for i := range s.Mail {
		s.dropHeld(s.Mail[i].Recipient, incident)
	}
}

// repeatAndEscalate says again what lasts, and calls the second group for what nobody has taken on.
func (s *step) repeatAndEscalate() {
	for i := range s.Open {
		incident := &s.Open[i]
		if incident.Warned.IsZero() || incident.Kind == IncidentUnsteady || !incident.Acked.IsZero() || !s.mayTell(*incident) || s.over(*incident) {
			continue
		}
		s.escalate(incident)
		s.repeat(incident)
	}
}

func (s *step) escalate(incident *Incident) {
	wait := s.Policy.EscalateS
	if wait == 0 || !incident.Escalated.IsZero() || s.now.Before(incident.Warned.Add(seconds(wait))) {
		return
	}
	incident.Escalated, s.changed = s.now, true
	for _, r := range s.Recipients {
		if r.Group == Escalation && r.wants(TopicOutages) {
			s.tellOf(incident, r, KindEscalated, 1)
		}
	}
}

func (s *step) repeat(incident *Incident) {
	wait := s.Policy.RepeatS
	if wait == 0 || incident.Repeats >= s.Policy.RepeatTimes || s.now.Before(later(incident.Warned, incident.Repeated).Add(seconds(wait))) {
		return
	}
	incident.Repeats++
	incident.Repeated, s.changed = s.now, true
	for _, told := range slices.Clone(incident.Told) {
		r := s.recipient(told.Recipient)
		if r == nil || told.How != HowSent || told.At.Equal(s.now) || s.holds(r.ID, incident.ID) {
			continue
		}
		s.tellOf(incident, *r, KindRepeat, incident.Repeats)
	}
	incident.nameAll()
}

// holds tells whether something about an incident waits for a recipient already.
func (s *step) holds(recipient, incident string) bool {
	return slices.ContainsFunc(s.mailbox(recipient).Held, func(h Held) bool { return h.Incident == incident })
}

// licenseAhead is when the approaching end of the license is to be told; zero: never, or it was told.
func (s *step) licenseAhead() time.Time {
	days := s.Policy.LicenseAheadDays
	if days == 0 || s.License.From.IsZero() || s.License.Until.IsZero() || s.License.Ahead.Equal(s.License.Until) {
		return time.Time{}
	}
	return later(s.License.Until.AddDate(0, 0, -days), s.License.From)
}

func (s *step) announceLicenseEnd() {
	ahead := s.licenseAhead()
	if ahead.IsZero() || s.now.Before(ahead) || s.InMaintenance(s.zone, "", s.now) || !s.anybodyWants(TopicLicense) {
		return
	}
	s.License.Ahead, s.changed = s.License.Until, true
	facts := []fleet.Fact{{Name: FactSite, Value: s.Name}, {Name: FactUntil, Value: s.stamp(s.License.Until)}}
	for _, r := range s.Recipients {
		if r.wants(TopicLicense) {
			s.tell(r, KindLicense, nil, s.License.Until.Format("20060102T150405"), 1, facts)
		}
	}
}

// write tells what waited: for the end of quiet hours, of maintenance, or of a day. Nothing waits without a license.
func (s *step) write() {
	if s.InMaintenance(s.zone, "", s.now) {
		return
	}
	for _, r := range s.Recipients {
		if !slices.ContainsFunc(s.Mail, func(b Mailbox) bool { return b.Recipient == r.ID }) || s.quiet(r) {
			continue
		}
		s.release(r)
		s.summarize(r)
	}
}

// release tells what waited for the end of quiet hours: what lasts as it is now, what is over as lines of one message.
func (s *step) release(r Recipient) {
	held := s.mailbox(r.ID).Held
	if len(held) == 0 {
		return
	}
	var kept []Held
	var lines []Line
	for _, h := range held {
		incident := s.open(h.Incident)
		switch {
		case h.Over != nil:
			lines = append(lines, *h.Over)
		case h.Facts != nil:
			s.sendHeld(r, h)
		case incident == nil:
		case !s.mayTell(*incident) || s.over(*incident):
			kept = append(kept, h)
		case h.Kind == KindMore && len(incident.joined(h.N)) == 0: // they are back
		default:
			how, ids := s.send(r, h.Kind, incident, h.About, h.N, nil)
			s.remember(incident, r.ID, how, ids)
		}
	}
	if len(kept) != len(held) {
		s.changed = true
	}
	s.mailbox(r.ID).Held = kept
	if len(lines) > 0 {
		about := fmt.Sprintf("%s-%d", s.now.Format("20060102T150405"), s.Revision+1) // there may be two in a second
		s.emit(r, KindMorning, "", about, 1, s.lineFacts(lines, 0))
	}
}

// sendHeld tells what is over or concerns no incident: its facts were put down when it was decided.
func (s *step) sendHeld(r Recipient, h Held) {
	past := &Incident{ID: h.Incident}
	for i := range s.Recent {
		if s.Recent[i].ID == h.Incident {
			past = &s.Recent[i]
		}
	}
	s.send(r, h.Kind, past, h.About, h.N, h.Facts)
}

// summarize tells at the end of a day what was not told because of its limit.
func (s *step) summarize(r Recipient) {
	box := s.mailbox(r.ID)
	if box.SummaryOf == "" {
		return
	}
	s.emit(r, KindSummary, "", string(box.SummaryOf), 1, s.lineFacts(box.Capped, box.Dropped))
	for _, line := range box.Capped {
		if incident := s.open(line.Incident); incident != nil {
			s.remember(incident, r.ID, HowSent, nil) // so that its end is told too
		}
	}
	box.SummaryOf, box.Capped, box.Dropped, s.changed = "", nil, 0, true
}

func (s *step) mailDeadlines(at func(time.Time)) {
	for _, box := range s.Mail {
		r := s.recipient(box.Recipient)
		if r == nil {
			continue
		}
		if len(box.Capped)+box.Dropped > 0 && box.SummaryOf == "" {
			at(dayEnd(s.local))
		}
		if (len(box.Held) > 0 || box.SummaryOf != "") && s.quiet(*r) {
			if span, ok := r.Quiet.span(); ok {
				at(span.change(s.local))
			}
		}
	}
}
