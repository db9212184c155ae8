package monitor

import (
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/telemetry"
)

// LateLimit is how late a Step may come after Deadline before it means that the hub was not there.
const LateLimit = 30 * time.Second

// keepEvery is how often mere signs of life move the Revision.
const keepEvery = time.Minute

// Step takes in what happened at now and returns what is known then, and what is to be done. zone is the location of
// site.Zone (nil: UTC): days, quiet hours and maintenance are counted in it. The same site, instant and event always bring
// the same result. Instants count to the second.
//
// Several events may be stepped through before the last Site is stored, together with the actions of all of them.
func Step(site Site, zone *time.Location, now time.Time, event Event) (Site, []Action) {
	s := begin(site, orUTC(zone), now.UTC().Truncate(time.Second))
	s.mindTheClock(event)
	s.take(event)
	s.expire()
	s.endLicense()
	s.review()
	s.write()
	s.finish()
	return s.Site, s.actions
}

// step is a Site that is being changed.
type step struct {
	Site
	zone    *time.Location
	now     time.Time // UTC
	local   time.Time // the same in zone
	actions []Action
	changed bool // something that must not be lost
}

// begin copies what a step may change in place. Losses and Days of panels and Recent are replaced, never changed in place.
func begin(site Site, zone *time.Location, now time.Time) *step {
	s := &step{Site: site, zone: zone, now: now, local: now.In(zone)}
	s.Panels = slices.Clone(site.Panels)
	s.Open = make([]Incident, len(site.Open))
	for i, incident := range site.Open {
		incident.Members = slices.Clone(incident.Members)
		incident.Told = slices.Clone(incident.Told)
		s.Open[i] = incident
	}
	s.Mail = make([]Mailbox, len(site.Mail))
	for i, box := range site.Mail {
		box.Held = slices.Clone(box.Held)
		box.Capped = slices.Clone(box.Capped)
		s.Mail[i] = box
	}
	return s
}

// mindTheClock notices that nobody looked for a while, or that the clock was set back.
func (s *step) mindTheClock(event Event) {
	_, started := event.(HubStarted)
	late := !s.Next.IsZero() && s.now.After(s.Next.Add(LateLimit))
	switch {
	case s.now.Before(s.At):
		s.rewind()
		s.blind(s.now)
		s.grace()
	case started || late:
		s.blind(s.At)
		s.grace()
	}
	s.At = s.now
}

// rewind brings instants that the clock has not reached any more back to now: nothing may wait for a wrong year.
func (s *step) rewind() {
	back := func(t *time.Time) {
		if s.now.Before(*t) {
			*t = s.now
		}
	}
	for i := range s.Panels {
		p := &s.Panels[i]
		for _, t := range []*time.Time{&p.Since, &p.Contact, &p.BeforeSince, &p.Unsteady, &p.Counted} {
			back(t)
		}
		p.Losses = nil
	}
	for i := range s.Open {
		incident := &s.Open[i]
		for _, t := range []*time.Time{&incident.Opened, &incident.Warned, &incident.Repeated, &incident.Escalated} {
			back(t)
		}
		for j := range incident.Members {
			back(&incident.Members[j].Since)
			back(&incident.Members[j].Seen)
			back(&incident.Members[j].Back)
		}
	}
	back(&s.Kept)
	back(&s.Grace)
	back(&s.BrokerAway)
	s.changed = true
}

// blind counts nothing as seen since an instant, and takes every panel that was there for unknown until it shows itself.
func (s *step) blind(since time.Time) {
	for i := range s.Panels {
		p := &s.Panels[i]
		s.settle(p, s.zone, since, s.classOf(*p))
		s.settle(p, s.zone, s.now, asUnknown)
		if p.Presence == Online {
			p.Before, p.BeforeSince, p.BeforeCause = Online, p.Since, p.Cause
			p.Presence, p.Since = Unknown, since
		}
	}
	s.changed = true
}

// grace gives panels time to show themselves.
func (s *step) grace() {
	s.Grace = later(s.Grace, s.now.Add(seconds(s.Policy.GraceS)))
	s.changed = true
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// take applies the event itself.
func (s *step) take(event Event) {
	switch e := event.(type) {
	case StatusReceived:
		s.status(e)
	case PanelAdded:
		s.addPanel(e)
	case PanelRemoved:
		s.removePanel(e.ID)
	case BrokerLost:
		s.loseBroker()
	case BrokerBack:
		s.findBroker()
	case SiteChanged:
		s.settleAll()
		s.Name, s.Zone, s.Language, s.changed = e.Site.Name, e.Site.Zone, e.Site.Language, true
	case PolicyChanged:
		if CheckPolicy(e.Policy) == nil {
			s.Policy, s.changed = e.Policy, true
			// A shorter grace holds at once.
			if end := s.now.Add(seconds(s.Policy.GraceS)); s.Grace.After(end) {
				s.Grace = end
			}
		}
	case RecipientsChanged:
		s.setRecipients(e.Recipients)
	case LicenseChanged:
		s.setLicense(e)
	case MaintenanceSet:
		s.setMaintenance(e.Windows)
	case Acknowledged:
		if incident := s.open(e.Incident); incident != nil && incident.Acked.IsZero() {
			incident.Acked, incident.AckedBy, s.changed = s.now, e.By, true
		}
	}
}

func (s *step) setRecipients(list []Recipient) {
	if CheckRecipients(list) != nil {
		return
	}
	s.Recipients = slices.Clone(list)
	s.Mail = slices.DeleteFunc(s.Mail, func(box Mailbox) bool { return s.recipient(box.Recipient) == nil })
	s.changed = true
}

func (s *step) setLicense(e LicenseChanged) {
	s.License.From, s.License.Until = e.From.UTC().Truncate(time.Second), e.Until.UTC().Truncate(time.Second)
	s.changed = true
}

func (s *step) setMaintenance(windows []Maintenance) {
	if CheckMaintenance(windows) != nil {
		return
	}
	s.settleAll() // with the windows as they were
	s.Maintenance = slices.Clone(windows)
	for i := range s.Maintenance {
		m := &s.Maintenance[i]
		m.From, m.Until = m.From.UTC().Truncate(time.Second), m.Until.UTC().Truncate(time.Second)
	}
	s.changed = true
}

func (s *step) settleAll() {
	for i := range s.Panels {
		s.settle(&s.Panels[i], s.zone, s.now, s.classOf(s.Panels[i]))
	}
}

// panel returns a panel of the site, or nil.
func (s *step) panel(id string) *Panel {
	for i := range s.Panels {
		if s.Panels[i].ID == id {
			return &s.Panels[i]
		}
	}
	return nil
}

func (s *step) addPanel(e PanelAdded) {
	s.changed = true
	if p := s.panel(e.ID); p != nil {
		p.Name = e.Name
		for i := range s.Open {
			for j := range s.Open[i].Members {
				if m := &s.Open[i].Members[j]; m.Panel == e.ID {
					m.Name = e.Name
				}
			}
		}
		return
	}
	s.Panels = append(s.Panels, Panel{ID: e.ID, Name: e.Name, Presence: Unknown, Since: s.now, Counted: s.now, Today: Day{Date: DateOf(s.now, s.zone)}})
}

func (s *step) removePanel(id string) {
	i := slices.IndexFunc(s.Panels, func(p Panel) bool { return p.ID == id })
	if i < 0 {
		return
	}
	s.Panels = slices.Delete(s.Panels, i, i+1)
	s.memberBack(id, CauseRemoved)
	s.changed = true
}

func (s *step) loseBroker() {
	if !s.BrokerAway.IsZero() {
		return
	}
	// Wills that came just before are more likely the broker's doing than the panels'.
	for i := range s.Panels {
		p := &s.Panels[i]
		recent := s.now.Add(-seconds(s.Policy.TogetherS))
		p.Losses = slices.DeleteFunc(slices.Clone(p.Losses), recent.Before)
	}
	s.blind(s.now)
	for i := range s.Panels {
		if p := &s.Panels[i]; p.Presence == Unknown && p.Before == Online {
			p.Cause = CauseBroker
		}
	}
	s.BrokerAway = s.now
	if slices.ContainsFunc(s.Panels, func(p Panel) bool { return !p.Contact.IsZero() }) {
		s.newIncident(IncidentBroker).Cause = CauseBroker
	}
}

func (s *step) findBroker() {
	if !s.BrokerAway.IsZero() {
		s.settleAll()
		s.BrokerAway = time.Time{}
	}
	s.blind(s.now) // what was said between two connections did not arrive
	s.grace()
}

// status takes in a panel's word about itself, or the broker's about it.
func (s *step) status(e StatusReceived) {
	p := s.panel(e.Panel)
	if p == nil {
		return
	}
	if !s.BrokerAway.IsZero() {
		s.findBroker() // it could not come without a broker
	}
	switch {
	case e.Status.Online && e.Retained:
		s.retainedOnline(p, e.Status)
	case e.Status.Online:
		s.alive(p, e.Status)
	case p.Presence == Online && p.Boot != e.Status.Boot:
		// The last word of a run that is over: the panel has shown itself with another boot since.
	case e.Status.Cause == telemetry.CauseStopped:
		s.stopped(p, e)
	case p.Presence != Lost:
		if p.Boot == "" {
			p.Boot = e.Status.Boot
		}
		s.lose(p, s.now)
	}
}

// retainedOnline remembers what the broker repeats. It is no sign of life: a panel that was never heard is expected from
// then on.
func (s *step) retainedOnline(p *Panel, status telemetry.Status) {
	if p.Presence == Online {
		return
	}
	if p.Boot != status.Boot && p.Presence == Unknown {
		p.Boot, s.changed = status.Boot, true
	}
	if p.Presence == Unknown && p.Before == "" {
		p.Before, p.BeforeSince = Online, s.now
		s.grace()
	}
}

func (s *step) alive(p *Panel, status telemetry.Status) {
	s.settle(p, s.zone, s.now, s.classOf(*p))
	restarted := p.Boot != "" && p.Boot != status.Boot
	switch {
	case p.Presence == Online:
		if restarted {
			p.Since, p.Cause, s.changed = s.now, CauseRestarted, true
		}
	case p.Presence == Unknown && p.Before == Online && !restarted && !p.Contact.IsZero():
		p.Presence, p.Since, p.Cause, s.changed = Online, p.BeforeSince, p.BeforeCause, true
	default:
		was := p.Presence
		p.Presence, p.Since, s.changed = Online, s.now, true
		switch {
		case was == Stopped:
			p.Cause = CauseStopped
		case restarted:
			p.Cause = CauseRestarted
		case was == Lost:
			p.Cause = CauseNetwork
		}
		s.memberBack(p.ID, p.Cause)
	}
	p.clearBefore()
	heartbeat := min(max(status.HeartbeatS, 0), 3600)
	if heartbeat == 0 {
		heartbeat = defaultHeartbeatS
	}
	s.changed = s.changed || p.Boot != status.Boot || p.HeartbeatS != heartbeat || p.Contact.IsZero()
	p.Contact, p.Boot, p.HeartbeatS = s.now, status.Boot, heartbeat
}

func (p *Panel) clearBefore() { p.Before, p.BeforeSince, p.BeforeCause = "", time.Time{}, "" }

// defaultHeartbeatS is taken for panels that do not say how often they speak.
const defaultHeartbeatS = 30

func (s *step) stopped(p *Panel, e StatusReceived) {
	if !e.Retained {
		p.Contact = s.now
	}
	if p.Presence == Stopped {
		return
	}
	s.settle(p, s.zone, s.now, s.classOf(*p))
	p.Presence, p.Since, p.Cause, p.Boot = Stopped, s.now, CauseStopped, e.Status.Boot
	p.clearBefore()
	s.memberBack(p.ID, CauseStopped)
	s.changed = true
}

// lose takes a panel for lost since an instant, which may lie before now.
func (s *step) lose(p *Panel, since time.Time) {
	s.settle(p, s.zone, since, s.classOf(*p))
	s.changed = true
	if p.Presence == Stopped {
		s.memberBack(p.ID, CauseStopped)
	}
	steadyTime := p.Presence == Online && !s.now.Before(s.Grace) && !s.InMaintenance(s.zone, p.ID, s.now)
	p.Presence, p.Since, p.Cause = Lost, since, CausePanel
	p.clearBefore()
	if steadyTime {
		s.countLoss(p)
	}
	if p.Unsteady.IsZero() {
		s.joinLoss(p)
	}
}

// countLoss remembers a loss, and takes the panel for unsteady when there were too many.
func (s *step) countLoss(p *Panel) {
	window := s.now.Add(-seconds(s.Policy.FlapS))
	losses := slices.DeleteFunc(slices.Clone(p.Losses), func(t time.Time) bool { return !window.Before(t) })
	p.Losses = append(losses, p.Since)
	if len(p.Losses) > s.Policy.FlapOutages {
		p.Losses = p.Losses[len(p.Losses)-s.Policy.FlapOutages-1:]
		if p.Unsteady.IsZero() {
			p.Unsteady = s.now
			s.joinUnsteady(p)
		}
	}
}

// silentAt is when an online panel counts as lost unless it speaks before.
func (s *step) silentAt(p Panel) time.Time {
	return p.Contact.Add(s.silence(p))
}

func (s *step) silence(p Panel) time.Duration {
	return (seconds(p.HeartbeatS) * time.Duration(s.Policy.HeartbeatPercent) / 100).Truncate(time.Second)
}

// shownBy is until when a panel may show itself after nobody looked: the policy's grace, or longer when it speaks seldom.
func (s *step) shownBy(p Panel) time.Time {
	return later(s.Grace, s.Grace.Add(s.silence(p)-seconds(s.Policy.GraceS)))
}

// expire takes panels for lost that should have spoken by now.
func (s *step) expire() {
	if !s.BrokerAway.IsZero() {
		return
	}
	for i := range s.Panels {
		p := &s.Panels[i]
		switch {
		case p.Presence == Online && !s.now.Before(s.silentAt(*p)):
			s.lose(p, p.Contact.Add(seconds(p.HeartbeatS))) // when its next word was due
		case p.Presence == Unknown && p.Before == Online && !s.now.Before(s.shownBy(*p)):
			s.lose(p, s.now)
		}
	}
}

// finish moves the revision when something must not be lost, and finds the next deadline.
func (s *step) finish() {
	if s.changed || !s.now.Before(s.Kept.Add(keepEvery)) {
		s.Revision++
		s.Kept = s.now
	}
	s.Next = s.deadline()
}

// deadline is the earliest of all instants after now at which time alone may change something.
func (s *step) deadline() time.Time {
	var next time.Time
	at := func(t time.Time) {
		if t.After(s.now) {
			next = earlier(next, t)
		}
	}
	for _, p := range s.Panels {
		at(s.shownBy(p))
		switch {
		case p.Presence == Online && s.BrokerAway.IsZero():
			at(s.silentAt(p))
		case p.Presence == Stopped && s.Policy.StoppedAfterS > 0:
			at(p.Since.Add(seconds(s.Policy.StoppedAfterS)))
		}
		if !p.Unsteady.IsZero() {
			at(p.Since.Add(seconds(s.Policy.FlapS)))
		}
	}
	for _, incident := range s.Open {
		s.incidentDeadlines(incident, at)
	}
	s.mailDeadlines(at)
	at(s.License.From)
	at(s.License.Until)
	at(s.licenseAhead())
	for _, m := range s.Maintenance {
		if m.holds(s.local) {
			at(m.change(s.local))
		}
	}
	return next
}
