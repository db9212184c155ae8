package monitor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
)

// history is a world with random things happening, and what must hold of every one.
type history struct {
	*world
	t          *rapid.T
	start      time.Time
	policy     monitor.Policy
	licensed   func(at time.Time) bool
	windows    []monitor.Maintenance
	seen       int             // messages that were examined
	losses     map[string]int  // incident and recipient: told of its beginning
	backs      map[string]int  // the same: told of its end
	lines      int             // of summaries that tell of an end
	lasting    map[string]int  // recipient: what a summary told that had not ended
	unlicensed map[string]bool // incidents that were told of before a license ended
	counts     map[string]int  // recipient and day: notices
	quiets     map[string]monitor.Quiet
	partly     map[string]int  // incident and recipient: told that a part is back
	named      map[string]bool // the same and panel: told that it is not there
}

func newHistory(t *rapid.T) *history {
	zone := rapid.SampledFrom([]string{"Europe/Rome", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"}).Draw(t, "zone")
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	starts := []string{"2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z", "2018-11-03T20:00:00Z", "2018-02-17T20:00:00Z", "2011-12-29T20:00:00Z", "2026-04-04T10:00:00Z"}
	start, err := time.Parse(time.RFC3339, rapid.SampledFrom(starts).Draw(t, "start"))
	if err != nil {
		t.Fatal(err)
	}
	h := &history{world: newWorld(t, location, start), t: t, start: start, policy: monitor.DefaultPolicy(), losses: map[string]int{}, backs: map[string]int{},
		lasting: map[string]int{}, unlicensed: map[string]bool{}, counts: map[string]int{}, quiets: map[string]monitor.Quiet{},
		partly: map[string]int{}, named: map[string]bool{}}
	h.heartbeat = 5 * time.Minute
	h.careful = true
	h.after = h.examine
	h.policy.DailyCap = rapid.IntRange(1, 12).Draw(t, "cap")
	h.policy.RepeatS = rapid.SampledFrom([]int{0, 300, 3600}).Draw(t, "repeat")
	h.policy.EscalateS = rapid.SampledFrom([]int{0, 60, 1800}).Draw(t, "escalate")
	h.policy.HoldOffS = rapid.SampledFrom([]int{30, 120, 900}).Draw(t, "hold-off")
	h.policy.StoppedAfterS = rapid.SampledFrom([]int{0, 600}).Draw(t, "stopped after")
	h.step(monitor.PolicyChanged{Policy: h.policy})
	h.setLicense(time.Time{})
	h.setRecipients()
	for i := range rapid.IntRange(1, 5).Draw(t, "panels") {
		h.comes(h.add(fmt.Sprintf("P%d", i)), false)
	}
	return h
}

func (h *history) setLicense(until time.Time) {
	from := h.now
	h.licensed = func(at time.Time) bool { return !at.Before(from) && (until.IsZero() || at.Before(until)) }
	h.step(monitor.LicenseChanged{From: from, Until: until})
}

func (h *history) setRecipients() {
	list := []monitor.Recipient{
		{ID: "day", Name: "Day", Group: monitor.First, Ways: []monitor.Way{{Channel: fleet.Email, Address: "day@example.org"}}},
		{ID: "night", Name: "Night", Group: monitor.First, Quiet: &monitor.Quiet{From: "21:30", To: "06:00"},
			Ways: []monitor.Way{{Channel: fleet.Email, Address: "n@example.org"}, {Channel: fleet.SMS, Address: "+39333123456"}}},
		{ID: "late", Name: "Late", Group: monitor.Escalation, Ways: []monitor.Way{{Channel: fleet.SMS, Address: "+39333123457"}}},
	}
	h.quiets["night"] = *list[1].Quiet
	if err := monitor.CheckRecipients(list); err != nil {
		h.t.Fatal(err)
	}
	h.step(monitor.RecipientsChanged{Recipients: list})
}

// examine holds every message against what is true at that moment, and the value against its own invariants.
func (h *history) examine() {
	for ; h.seen < len(h.messages); h.seen++ {
		h.message(h.messages[h.seen])
	}
	members := map[string]int{}
	for _, incident := range h.site.Open {
		if incident.Kind != monitor.IncidentLoss {
			continue
		}
		for _, m := range incident.Members {
			if m.Back.IsZero() {
				members[m.Panel]++
			}
		}
	}
	for _, p := range h.site.Panels {
		if members[p.ID] > 1 {
			h.t.Fatalf("%s: panel %s is missing in %d open outages", h.now, p.ID, members[p.ID])
		}
		if p.Presence == monitor.Lost && p.Unsteady.IsZero() && members[p.ID] != 1 {
			h.t.Fatalf("%s: panel %s is lost and in no open outage", h.now, p.ID)
		}
	}
}

func (h *history) inWindow(panel string, at time.Time) bool {
	for _, m := range h.windows {
		if (len(m.Panels) == 0 || slices.Contains(m.Panels, panel)) && !at.Before(m.From) && at.Before(m.Until) {
			return true
		}
	}
	return false
}

func (h *history) message(m *message) {
	d := m.delivery
	key := d.Incident + " " + d.Recipient
	first := strings.HasSuffix(d.ID, ".1."+d.ID[strings.LastIndexByte(d.ID, '.')+1:]) // the first of several ways
	if !h.licensed(m.at) {
		h.t.Fatalf("%s: %s without a license", m.at, d.ID)
	}
	if h.inWindow("", m.at) {
		h.t.Fatalf("%s: %s during maintenance", m.at, d.ID)
	}
	if quiet, ok := h.quiets[d.Recipient]; ok {
		if clock := m.at.In(h.zone).Format("15:04"); clock >= quiet.From || clock < quiet.To {
			h.t.Fatalf("%s: %s in quiet hours", m.at, d.ID)
		}
	}
	if first {
		h.tally(m, key)
	}
}

func (h *history) tally(m *message, key string) {
	d := m.delivery
	switch monitor.Kind(d.Kind) {
	case monitor.KindLost, monitor.KindLine:
		h.truth(m)
		h.losses[key]++
		h.names(m, key, monitor.FactPanels)
	case monitor.KindStopped, monitor.KindBroker, monitor.KindEscalated:
		h.losses[key]++
	case monitor.KindRepeat:
		h.names(m, key, monitor.FactPanels)
	case monitor.KindMore:
		h.truth(m)
		h.names(m, key, monitor.FactMissing)
	case monitor.KindPartly:
		h.part(m, key)
	case monitor.KindBack:
		h.backs[key]++
		if h.losses[key] == 0 {
			h.lasting[d.Recipient]--
		}
		if h.lasting[d.Recipient] < 0 {
			h.t.Fatalf("%s: %s tells the end of what was not told", m.at, d.ID)
		}
	case monitor.KindSummary:
		h.summary(d)
		return
	case monitor.KindMorning:
		return
	}
	if h.losses[key] > 1 || h.backs[key] > 1 {
		h.t.Fatalf("%s: %s tells it again: begun %d, ended %d", m.at, d.ID, h.losses[key], h.backs[key])
	}
	day := d.Recipient + string(monitor.DateOf(m.at, h.zone))
	if h.counts[day]++; h.counts[day] > h.policy.DailyCap {
		h.t.Fatalf("%s: %s is number %d of the day, %d are the limit", m.at, d.ID, h.counts[day], h.policy.DailyCap)
	}
}

// truth holds a loss notice against the panels as they are: one of them has been silent for the hold-off, none speaks.
func (h *history) truth(m *message) {
	long := false
	for name := range strings.SplitSeq(fact(m.delivery, monitor.FactPanels), ", ") {
		p := h.find(name)
		if p.there && h.broker && !p.next.Equal(m.at) && p.next.Sub(m.at) < h.heartbeat-time.Minute {
			h.t.Fatalf("%s: %s names %s, which is there", m.at, m.delivery.ID, name)
		}
		if !p.there && m.at.Sub(p.silent) >= time.Duration(h.policy.HoldOffS)*time.Second || p.there {
			long = true
		}
	}
	if !long {
		h.t.Fatalf("%s: %s before the hold-off", m.at, m.delivery.ID)
	}
}

// names holds that nobody is told twice that a panel went, but for one that was told to be back in between. Who has quiet hours
// may have been told of all at once before.
func (h *history) names(m *message, key, missing string) {
	d := m.delivery
	if monitor.Kind(d.Kind) == monitor.KindMore && d.Recipient == "day" {
		for name := range strings.SplitSeq(fact(d, monitor.FactPanels), ", ") {
			if h.named[key+" "+name] {
				h.t.Fatalf("%s: %s tells again that %s went", m.at, d.ID, name)
			}
		}
	}
	for name := range strings.SplitSeq(fact(d, missing), ", ") {
		h.named[key+" "+name] = true
	}
}

// part holds that a part is told to be back once, and that it is: nobody of whom it is said has been lost since.
func (h *history) part(m *message, key string) {
	d := m.delivery
	if h.partly[key]++; h.partly[key] > 1 {
		h.t.Fatalf("%s: %s tells again that a part is back", m.at, d.ID)
	}
	missing := strings.Split(fact(d, monitor.FactMissing), ", ")
	for name := range strings.SplitSeq(fact(d, monitor.FactPanels), ", ") {
		p, _ := h.site.Panel(h.find(name).id)
		if p.Presence != monitor.Online || slices.Contains(missing, name) {
			h.t.Fatalf("%s: %s says that %s is back, which is %s", m.at, d.ID, name, p.Presence)
		}
		delete(h.named, key+" "+name)
	}
}

func (h *history) summary(d fleet.Delivery) {
	for _, line := range facts(d, monitor.FactLine) {
		part := strings.Split(line, "|")
		switch kind := monitor.Kind(part[0]); {
		case kind == monitor.KindBack:
			h.lines++
		case part[3] == "" && kind != monitor.KindRepeat && kind != monitor.KindMore && kind != monitor.KindPartly:
			h.lasting[d.Recipient]++ // told by this line; its end comes by itself
		}
	}
}

// happens is one of the things that happen.
func (h *history) happens() {
	t := h.t
	p := rapid.SampledFrom(h.panels).Draw(t, "panel")
	switch rapid.SampledFrom([]string{"silent", "silent", "mute", "back", "back", "restart", "stop", "flap", "site", "site back", "broker", "broker back", "hub", "hub",
		"maintenance", "license", "ack", "said again"}).Draw(t, "what") {
	case "silent":
		h.goesSilent(p)
	case "mute":
		p.mute = true
		h.goesSilent(p)
	case "back":
		h.comes(p, false)
	case "restart":
		h.comes(p, true)
	case "stop":
		h.stops(p)
	case "flap":
		for i := range 5 {
			h.jobs = append(h.jobs, job{h.now.Add(time.Duration(i) * 4 * time.Minute), func() { h.goesSilent(p) }},
				job{h.now.Add(time.Duration(i)*4*time.Minute + 100*time.Second), func() { h.comes(p, false) }})
		}
	case "site":
		for _, p := range h.panels {
			h.goesSilent(p)
		}
	case "site back":
		for _, p := range h.panels {
			h.comes(p, false)
		}
	case "broker":
		h.brokerGoes()
	case "broker back":
		h.brokerComes()
	case "hub":
		if h.hub {
			h.hubGoes()
		} else {
			h.hubComes()
		}
	case "maintenance":
		h.maintain(p)
	case "license":
		h.license()
	case "ack":
		if h.hub && len(h.site.Open) > 0 {
			h.step(monitor.Acknowledged{Incident: h.site.Open[0].ID, By: "Day"})
		}
	case "said again": // as after a subscription
		if h.broker {
			h.step(monitor.StatusReceived{Panel: p.id, Retained: true, Status: h.online(p)})
		}
	}
}

func (h *history) maintain(p *simPanel) {
	if !h.hub {
		return
	}
	from := h.now.Add(time.Duration(rapid.IntRange(0, 60).Draw(h.t, "from")) * time.Minute)
	m := monitor.Maintenance{ID: fmt.Sprintf("w%d", len(h.windows)), From: from, Until: from.Add(time.Duration(rapid.IntRange(1, 300).Draw(h.t, "minutes")) * time.Minute)}
	if rapid.Bool().Draw(h.t, "one panel") {
		m.Panels = []string{p.id}
	}
	h.windows = append(h.windows, m)
	h.step(monitor.MaintenanceSet{Windows: h.windows})
}

func (h *history) license() {
	if !h.hub {
		return
	}
	until := time.Time{}
	switch rapid.IntRange(0, 2).Draw(h.t, "license") {
	case 0: // it ends in a while
		until = h.now.Add(time.Duration(rapid.IntRange(0, 600).Draw(h.t, "minutes")) * time.Minute)
		h.jobs = append(h.jobs, job{until, h.excuse})
	case 1: // it ends now
		h.excuse()
		h.licensed = func(time.Time) bool { return false }
		h.step(monitor.LicenseChanged{})
		return
	}
	h.setLicense(until)
}

// excuse: what was begun while the license held and is not over when it ends has no end that is told, nor what waits.
func (h *history) excuse() {
	for key := range h.losses {
		incident, _, _ := strings.Cut(key, " ")
		h.unlicensed[incident] = true
	}
}

// settle makes everything good again and waits for everything that is to be told.
func (h *history) settle() {
	h.hubComes()
	h.brokerComes()
	h.windows = nil
	h.step(monitor.MaintenanceSet{})
	h.jobs = nil
	h.setLicense(time.Time{})
	h.advance(h.now.Add(time.Minute))
	for _, p := range h.panels {
		h.comes(p, false)
	}
	h.advance(h.now.Add(50 * time.Hour))
}

func TestWhateverHappensPeopleAreToldRightly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		for range rapid.IntRange(3, 30).Draw(t, "things") {
			h.happens()
			h.advance(h.now.Add(time.Duration(rapid.SampledFrom([]int{1, 20, 31, 45, 100, 151, 700, 2000, 9000}).Draw(t, "seconds")) * time.Second))
		}
		h.settle()
		if len(h.site.Open) > 0 {
			t.Fatalf("at the end there is open: %+v", h.site.Open)
		}
		for _, box := range h.site.Mail {
			if len(box.Held)+len(box.Capped)+box.Dropped > 0 {
				t.Fatalf("at the end there waits: %+v", box)
			}
		}
		h.everyEndWasTold()
		h.everySecondWasCounted()
	})
}

// everyEndWasTold: exactly once, to whom its beginning was told; by itself or in a summary.
func (h *history) everyEndWasTold() {
	missing := 0
	for key, told := range h.losses {
		incident, _, _ := strings.Cut(key, " ")
		if h.unlicensed[incident] {
			continue
		}
		if told == 1 && h.backs[key] == 0 {
			missing++
		}
	}
	if missing > h.lines {
		h.t.Fatalf("%d ends were told neither by themselves nor in a summary (%d lines)", missing, h.lines)
	}
}

// everySecondWasCounted: once, as something.
func (h *history) everySecondWasCounted() {
	for _, p := range h.site.Panels {
		counts := h.site.Availability(h.zone, p.ID, "0000-01-01", "9999-12-31", h.now)
		if want := int64(h.now.Sub(h.start) / time.Second); counts.Elapsed() != want {
			h.t.Fatalf("panel %s: %+v is %d s of %d", p.ID, counts, counts.Elapsed(), want)
		}
		for _, day := range h.site.Days(h.zone, p.ID, "0000-01-01", "9999-12-31", h.now) {
			if percent, ok := day.Percent(); ok && (percent < 0 || percent > 100) || day.Up < 0 || day.Down < 0 || day.Unknown < 0 || day.Maintenance < 0 || day.Elapsed() > 25*3600 {
				h.t.Fatalf("panel %s: %+v", p.ID, day)
			}
		}
	}
}
