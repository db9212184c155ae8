package monitor_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
)

// TestScenarios plays every file of testdata/scenarios. A message that a file does not name is a mistake, at whatever time.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "scenarios", "*.txt"))
	if err != nil || len(files) < 25 {
		t.Fatalf("there are %d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		for _, careful := range []bool{false, true} {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			if careful {
				name += ", every step twice and from the stored value"
			}
			t.Run(name, func(t *testing.T) { play(t, file, careful) })
		}
	}
}

// story is a scenario that is being played.
type story struct {
	t          *testing.T
	w          *world
	file       string
	line       int
	date       string
	recipients []monitor.Recipient
	policy     monitor.Policy
	windows    []monitor.Maintenance
	phrases    []phrase
}

type phrase struct {
	pattern *regexp.Regexp
	do      func(s *story, m []string)
}

func play(t *testing.T, file string, careful bool) {
	raw, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	s := &story{t: t, file: filepath.Base(file), policy: monitor.DefaultPolicy()}
	lines := bufio.NewScanner(raw)
	for lines.Scan() {
		s.line++
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		s.play(text)
		if s.w != nil {
			s.w.careful = careful
		}
	}
	s.unexpected(s.w.now.Add(time.Second))
}

func (s *story) Helper() {}

// Fatalf ends the scenario at the present line.
func (s *story) Fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s:%d: %s", s.file, s.line, fmt.Sprintf(format, args...))
}

var moment = regexp.MustCompile(`^(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d(?::\d\d)?)( again)? (.*)$`)

func (s *story) play(text string) {
	if m := moment.FindStringSubmatch(text); m != nil {
		at := s.moment(m[1], m[2], m[3] != "")
		if at.Before(s.w.now) {
			s.Fatalf("%s is before the line above", m[2])
		}
		s.w.advance(at)
		text = m[4]
		s.unexpected(at)
	}
	if s.phrases == nil {
		s.phrases = phrases()
	}
	for _, p := range s.phrases {
		if m := p.pattern.FindStringSubmatch(text); m != nil {
			p.do(s, m[1:])
			return
		}
	}
	s.Fatalf("nobody understands %q", text)
}

// moment reads a time of day in the site's zone; again is the second one of an hour that is lived twice.
func (s *story) moment(date, clock string, again bool) time.Time {
	if date != "" {
		s.date = date
	}
	if len(clock) == 5 {
		clock += ":00"
	}
	at, err := time.ParseInLocation(time.DateTime, s.date+" "+clock, s.w.zone)
	if err != nil {
		s.Fatalf("%v", err)
	}
	if earlier := at.Add(-time.Hour); earlier.Format(time.TimeOnly) == clock {
		at = earlier
	}
	if again {
		at = at.Add(time.Hour)
	}
	return at
}

// unexpected fails when a message was sent before an instant that no line named.
func (s *story) unexpected(before time.Time) {
	for _, m := range s.w.messages {
		if !m.matched && m.at.Before(before) {
			s.Fatalf("at %s nobody expected: %s", m.at.In(s.w.zone).Format(time.DateTime), s.w.words(m.delivery))
		}
	}
}

func (s *story) expect(text string) {
	var others []string
	for _, m := range s.w.messages {
		if m.matched || !m.at.Equal(s.w.now) {
			continue
		}
		if s.w.words(m.delivery) == text {
			m.matched = true
			return
		}
		others = append(others, s.w.words(m.delivery))
	}
	s.Fatalf("not sent: %s\nsent: %s", text, strings.Join(others, "\n      "))
}

func (s *story) names(text string) []*simPanel {
	if text == "all panels" {
		return s.w.panels
	}
	var list []*simPanel
	for name := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(text, "panels "), "panel "), " and ") {
		list = append(list, s.w.find(name))
	}
	return list
}

func (s *story) date0(text string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, s.w.zone)
	if err != nil {
		s.Fatalf("%v", err)
	}
	return t
}

func (s *story) setRecipient(name, rest string) {
	r := monitor.Recipient{ID: strings.ToLower(name), Name: name, Group: monitor.First}
	for part := range strings.SplitSeq(rest, ", ") {
		word, value, _ := strings.Cut(part, " ")
		switch word {
		case "e-mail":
			r.Ways = append(r.Ways, monitor.Way{Channel: fleet.Email, Address: value})
		case "sms":
			r.Ways = append(r.Ways, monitor.Way{Channel: fleet.SMS, Address: value})
		case "webhook":
			r.Ways = append(r.Ways, monitor.Way{Channel: fleet.Webhook, Address: value})
		case "quiet":
			from, to, _ := strings.Cut(value, " to ")
			r.Quiet = &monitor.Quiet{From: from, To: to}
		case "called":
			r.Group = monitor.Escalation
		case "only":
			for topic := range strings.SplitSeq(value, " and ") {
				r.Topics = append(r.Topics, monitor.Topic(topic))
			}
		default:
			s.Fatalf("nobody understands %q of a recipient", part)
		}
	}
	s.recipients = append(s.recipients, r)
	if err := monitor.CheckRecipients(s.recipients); err != nil {
		s.Fatalf("%v", err)
	}
	s.w.step(monitor.RecipientsChanged{Recipients: s.recipients})
}

func (s *story) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.Fatalf("%v", err)
	}
	return n
}

func (s *story) setPolicy(name string, n int) {
	fields := map[string]*int{"hold-off": &s.policy.HoldOffS, "stopped after": &s.policy.StoppedAfterS, "repeat": &s.policy.RepeatS,
		"repeats": &s.policy.RepeatTimes, "escalate": &s.policy.EscalateS, "daily limit": &s.policy.DailyCap, "license ahead": &s.policy.LicenseAheadDays}
	if fields[name] == nil {
		s.Fatalf("there is no rule %q", name)
	}
	*fields[name] = n
	if err := monitor.CheckPolicy(s.policy); err != nil {
		s.Fatalf("%v", err)
	}
	s.w.step(monitor.PolicyChanged{Policy: s.policy})
}

func (s *story) addWindow(m monitor.Maintenance) {
	m.ID = fmt.Sprintf("w%d", len(s.windows)+1)
	s.windows = append(s.windows, m)
	if err := monitor.CheckMaintenance(s.windows); err != nil {
		s.Fatalf("%v", err)
	}
	s.w.step(monitor.MaintenanceSet{Windows: s.windows})
}

func (s *story) incident() monitor.Incident {
	if len(s.w.site.Open) == 0 {
		s.Fatalf("there is no open incident")
	}
	return s.w.site.Open[len(s.w.site.Open)-1]
}

func phrases() []phrase {
	who := `((?:all )?panels?(?: .+?)??|panel .+?)`
	all := []struct {
		pattern string
		do      func(s *story, m []string)
	}{
		// What is given.
		{`the site is in (\S+), and it is (\S+ \S+)`, func(s *story, m []string) {
			zone, err := time.LoadLocation(m[0])
			if err != nil {
				s.t.Fatal(err)
			}
			now, err := time.ParseInLocation("2006-01-02 15:04", m[1], zone)
			if err != nil {
				s.t.Fatal(err)
			}
			s.date = m[1][:10]
			s.w = newWorld(s, zone, now)
		}},
		{`it has the panels (.*)`, func(s *story, m []string) {
			for name := range strings.SplitSeq(m[0], ", ") {
				s.w.comes(s.w.add(name), false)
			}
		}},
		{`its panels speak every (\S+)`, func(s *story, m []string) {
			every, err := time.ParseDuration(m[0])
			if err != nil {
				s.Fatalf("%v", err)
			}
			s.w.heartbeat = every
		}},
		{`it has (\d+) panels`, func(s *story, m []string) {
			for i := range s.number(m[0]) {
				s.w.comes(s.w.add(fmt.Sprintf("Door %d", i+1)), false)
			}
		}},
		{`(?:there is a|the) license (?:is )?without end(?: now)?`, func(s *story, _ []string) { s.w.step(monitor.LicenseChanged{From: s.w.now}) }},
		{`(?:there is a|the) license (?:is )?until (\S+ \S+)(?: now)?`, func(s *story, m []string) {
			s.w.step(monitor.LicenseChanged{From: s.w.now, Until: s.date0(m[0])})
		}},
		{`there is a license from (\S+ \S+)`, func(s *story, m []string) { s.w.step(monitor.LicenseChanged{From: s.date0(m[0])}) }},
		{`there is no license`, func(s *story, _ []string) { s.w.step(monitor.LicenseChanged{}) }},
		{`tell (\w+): (.*)`, func(s *story, m []string) { s.setRecipient(m[0], m[1]) }},
		{`the rule "(.*)" is (\d+)`, func(s *story, m []string) { s.setPolicy(m[0], s.number(m[1])) }},
		{`maintenance (?:of (.*) )?from (\S+ \S+) to (\S+ \S+)`, func(s *story, m []string) {
			window := monitor.Maintenance{From: s.date0(m[1]), Until: s.date0(m[2])}
			if m[0] != "" {
				window.Panels = []string{s.w.find(m[0]).id}
			}
			s.addWindow(window)
		}},
		{`maintenance every (\S+) from (\S+) to (\S+)`, func(s *story, m []string) {
			s.addWindow(monitor.Maintenance{Days: strings.Split(m[0], "+"), Start: m[1], End: m[2]})
		}},
		// What happens.
		{who + ` goe?s? silent without a will`, func(s *story, m []string) {
			for _, p := range s.names(m[0]) {
				p.mute = true
				s.w.goesSilent(p)
			}
		}},
		{who + ` goe?s? silent`, func(s *story, m []string) {
			for _, p := range s.names(m[0]) {
				s.w.goesSilent(p)
			}
		}},
		{who + ` (?:is|are) back after a restart`, func(s *story, m []string) {
			for _, p := range s.names(m[0]) {
				s.w.comes(p, true)
			}
		}},
		{who + ` (?:is|are) back`, func(s *story, m []string) {
			for _, p := range s.names(m[0]) {
				s.w.comes(p, false)
			}
		}},
		{who + ` (?:is|are) stopped by somebody`, func(s *story, m []string) {
			for _, p := range s.names(m[0]) {
				s.w.stops(p)
			}
		}},
		{`panel (.*) drops (\d+) times, for (\S+) every (\S+)`, func(s *story, m []string) {
			p := s.w.find(m[0])
			gone, err := time.ParseDuration(m[2])
			every, err2 := time.ParseDuration(m[3])
			if err != nil || err2 != nil {
				s.Fatalf("%v %v", err, err2)
			}
			for i := range s.number(m[1]) {
				at := s.w.now.Add(time.Duration(i) * every)
				s.w.jobs = append(s.w.jobs, job{at, func() { s.w.goesSilent(p) }}, job{at.Add(gone), func() { s.w.comes(p, false) }})
			}
		}},
		{`panel (.*) is taken out of the hub`, func(s *story, m []string) { s.w.step(monitor.PanelRemoved{ID: s.w.find(m[0]).id}) }},
		{`the broker says of all panels that they are lost`, func(s *story, _ []string) {
			for _, p := range s.w.panels {
				s.w.publish(p, lostStatus(p))
			}
		}},
		{`the broker goes away`, func(s *story, _ []string) { s.w.brokerGoes() }},
		{`the broker is back`, func(s *story, _ []string) { s.w.brokerComes() }},
		{`the hub goes down`, func(s *story, _ []string) { s.w.hubGoes() }},
		{`the hub starts`, func(s *story, _ []string) { s.w.hubComes() }},
		{`(\w+) takes it on`, func(s *story, m []string) { s.w.step(monitor.Acknowledged{Incident: s.incident().ID, By: m[0]}) }},
		{`nobody gets messages any more`, func(s *story, _ []string) { s.recipients = nil; s.w.step(monitor.RecipientsChanged{}) }},
		// What is to be seen.
		{`nobody is told(?: .*)?`, func(s *story, _ []string) { s.unexpected(s.w.now.Add(time.Second)) }},
		{`((?:e-mail|SMS|webhook) to .*)`, func(s *story, m []string) { s.expect(m[0]) }},
		{`panel (.*) is shown as (\w+)(?: since (\S+))?(?:, cause (\w+))?`, func(s *story, m []string) {
			p, _ := s.w.site.Panel(s.w.find(m[0]).id)
			if string(p.Presence) != m[1] || m[2] != "" && s.w.clock(p.Since) != m[2] || m[3] != "" && string(p.Cause) != m[3] {
				s.Fatalf("it is shown as %s since %s, cause %s", p.Presence, s.w.clock(p.Since), p.Cause)
			}
		}},
		{`(\d+) incidents? (?:is|are) open`, func(s *story, m []string) {
			if len(s.w.site.Open) != s.number(m[0]) {
				s.Fatalf("%d are: %+v", len(s.w.site.Open), s.w.site.Open)
			}
		}},
		{`on (\S+) the time of panel (.*) is (.*)`, func(s *story, m []string) {
			day := monitor.Date(m[0])
			c := s.w.site.Availability(s.w.zone, s.w.find(m[1]).id, day, day, s.w.now)
			var parts []string
			for _, part := range []struct {
				name  string
				count int64
			}{{"up", c.Up}, {"down", c.Down}, {"unknown", c.Unknown}, {"maintenance", c.Maintenance}} {
				if part.count > 0 {
					parts = append(parts, fmt.Sprintf("%s %s", part.name, time.Duration(part.count)*time.Second))
				}
			}
			if got := strings.Join(parts, ", "); got != m[2] {
				s.Fatalf("it is %s", got)
			}
		}},
		{`on (\S+) the site was there for (\S+) %`, func(s *story, m []string) {
			day := monitor.Date(m[0])
			percent, ok := s.w.site.Availability(s.w.zone, "", day, day, s.w.now).Percent()
			if got := fmt.Sprintf("%.2f", percent); !ok || got != m[1] {
				s.Fatalf("it was for %s %%", got)
			}
		}},
	}
	list := make([]phrase, len(all))
	for i, p := range all {
		list[i] = phrase{regexp.MustCompile("^" + p.pattern + "$"), p.do}
	}
	return list
}
