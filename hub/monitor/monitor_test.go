package monitor_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

func rome(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestPoliciesOutOfBoundsAreRefusedWithTheBounds(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*monitor.Policy)
		want   string // empty: accepted
	}{
		{"the default", func(*monitor.Policy) {}, ""},
		{"no repeats", func(p *monitor.Policy) { p.RepeatS = 0 }, ""},
		{"the longest hold-off", func(p *monitor.Policy) { p.HoldOffS = 86400 }, ""},
		{"no hold-off", func(p *monitor.Policy) { p.HoldOffS = 0 }, "cannot set hold_off_s to 0: give 1 to 86400"},
		{"a hold-off of two days", func(p *monitor.Policy) { p.HoldOffS = 172800 }, "cannot set hold_off_s to 172800: give 1 to 86400"},
		{"negative", func(p *monitor.Policy) { p.EscalateS = -1 }, "cannot set escalate_s to -1: give 60 to 604800, or 0 for never"},
		{"repeats every second", func(p *monitor.Policy) { p.RepeatS = 1 }, "cannot set repeat_s to 1: give 300 to 604800, or 0 for never"},
		{"less than a heartbeat", func(p *monitor.Policy) { p.HeartbeatPercent = 90 }, "cannot set heartbeat_percent to 90: give 150 to 1000"},
		{"no messages at all", func(p *monitor.Policy) { p.DailyCap = 0 }, "cannot set daily_cap to 0: give 1 to 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := monitor.DefaultPolicy()
			test.change(&policy)
			err := monitor.CheckPolicy(policy)
			if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func rossi(change func(*monitor.Recipient)) monitor.Recipient {
	r := monitor.Recipient{ID: "rossi", Name: "Rossi", Group: monitor.First, Ways: []monitor.Way{{Channel: fleet.Email, Address: "rossi@example.org"}}}
	if change != nil {
		change(&r)
	}
	return r
}

func TestRecipientsWhoCannotBeToldAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*monitor.Recipient)
		want   string
	}{
		{"e-mail", nil, ""},
		{"SMS with a fall-back", func(r *monitor.Recipient) {
			r.Ways = []monitor.Way{{Channel: fleet.SMS, Address: "+393331234567", Fallback: &fleet.Target{Channel: fleet.Email, Address: "a@b"}}}
		}, ""},
		{"an id with a dot", func(r *monitor.Recipient) { r.ID = "a.b" }, "the id has to be"},
		{"no id", func(r *monitor.Recipient) { r.ID = "" }, "the id has to be"},
		{"no name", func(r *monitor.Recipient) { r.Name = " " }, "name"},
		{"a name of two lines", func(r *monitor.Recipient) { r.Name = "Rossi\r\nBcc: all" }, "control character"},
		{"no way", func(r *monitor.Recipient) { r.Ways = nil }, "ways"},
		{"no group", func(r *monitor.Recipient) { r.Group = "" }, "group"},
		{"a topic twice", func(r *monitor.Recipient) { r.Topics = []monitor.Topic{monitor.TopicOutages, monitor.TopicOutages} }, "twice"},
		{"a topic of later", func(r *monitor.Recipient) { r.Topics = []monitor.Topic{"weather"} }, "unknown"},
		{"no e-mail address", func(r *monitor.Recipient) { r.Ways[0].Address = "rossi" }, "no e-mail address"},
		{"a mailbox of two lines", func(r *monitor.Recipient) { r.Ways[0].Address = "a@b\nBcc: c@d" }, "control character"},
		{"a number without its country", func(r *monitor.Recipient) { r.Ways[0] = monitor.Way{Channel: fleet.SMS, Address: "3331234567"} }, "with its country"},
		{"a webhook of another kind", func(r *monitor.Recipient) {
			r.Ways[0] = monitor.Way{Channel: fleet.Webhook, Address: "file:///etc/passwd"}
		}, "https://"},
		{"a pigeon", func(r *monitor.Recipient) { r.Ways[0].Channel = "pigeon" }, "channel"},
		{"a bad fall-back", func(r *monitor.Recipient) { r.Ways[0].Fallback = &fleet.Target{Channel: fleet.SMS, Address: "112"} }, "fall-back"},
		{"quiet hours that never end", func(r *monitor.Recipient) { r.Quiet = &monitor.Quiet{From: "22:00", To: "22:00"} }, "never end"},
		{"quiet all day", func(r *monitor.Recipient) { r.Quiet = &monitor.Quiet{From: "00:00", To: "24:00"} }, "never end"},
		{"quiet from 25 o'clock", func(r *monitor.Recipient) { r.Quiet = &monitor.Quiet{From: "25:00", To: "07:00"} }, "no time of day"},
		{"quiet from seven", func(r *monitor.Recipient) { r.Quiet = &monitor.Quiet{From: "7:00", To: "08:00"} }, "no time of day"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, monitor.CheckRecipients([]monitor.Recipient{rossi(test.change)}), test.want)
		})
	}
	wantError(t, monitor.CheckRecipients([]monitor.Recipient{rossi(nil), rossi(nil)}), "twice")
	wantError(t, monitor.CheckRecipients(make([]monitor.Recipient, monitor.RecipientsLimit+1)), "are the most")
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err == nil {
		return
	}
	if err == nil || want == "" || !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want words with %q", err, want)
	}
}

func TestMaintenanceThatMakesNoSenseIsRefused(t *testing.T) {
	from := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		window monitor.Maintenance
		want   string
	}{
		{"once", monitor.Maintenance{ID: "a", From: from, Until: from.Add(time.Hour)}, ""},
		{"weekly", monitor.Maintenance{ID: "a", Days: []string{"sat", "sun"}, Start: "22:00", End: "02:00"}, ""},
		{"a whole day of the week", monitor.Maintenance{ID: "a", Days: []string{"sun"}, Start: "00:00", End: "24:00"}, ""},
		{"no id", monitor.Maintenance{From: from, Until: from.Add(time.Hour)}, "the id"},
		{"backward", monitor.Maintenance{ID: "a", From: from, Until: from.Add(-time.Hour)}, "not after its beginning"},
		{"without a beginning", monitor.Maintenance{ID: "a", Until: from}, "not after its beginning"},
		{"for two months", monitor.Maintenance{ID: "a", From: from, Until: from.AddDate(0, 2, 0)}, "nobody is warned meanwhile"},
		{"both", monitor.Maintenance{ID: "a", From: from, Until: from.Add(time.Hour), Days: []string{"sun"}, Start: "01:00", End: "02:00"}, "two windows"},
		{"times without days", monitor.Maintenance{ID: "a", From: from, Until: from.Add(time.Hour), Start: "01:00"}, "no days of the week"},
		{"on someday", monitor.Maintenance{ID: "a", Days: []string{"someday"}, Start: "01:00", End: "02:00"}, "unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, monitor.CheckMaintenance([]monitor.Maintenance{test.window}), test.want)
		})
	}
}

func TestWhatIsRefusedChangesNothing(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	site := monitor.New(fleet.Site{ID: "s", Name: "S", Zone: "UTC"}, now)
	for _, event := range []monitor.Event{
		monitor.PolicyChanged{}, monitor.RecipientsChanged{Recipients: []monitor.Recipient{{}}}, monitor.MaintenanceSet{Windows: []monitor.Maintenance{{}}},
		monitor.StatusReceived{Panel: "nobody's", Status: telemetry.Status{Online: true, Boot: "b"}}, monitor.PanelRemoved{ID: "nobody's"},
		monitor.Acknowledged{Incident: "none", By: "x"}, monitor.Tick{},
	} {
		after, actions := monitor.Step(site, nil, now, event)
		if asJSON(t, after) != asJSON(t, site) || len(actions) > 0 {
			t.Errorf("%T changed %s to %s", event, asJSON(t, site), asJSON(t, after))
		}
	}
}

func TestAWillOfARunThatIsOverIsPassedOver(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	site := monitor.New(fleet.Site{ID: "s", Name: "S", Zone: "UTC"}, now)
	site, _ = monitor.Step(site, nil, now, monitor.PanelAdded{ID: "p", Name: "P"})
	site, _ = monitor.Step(site, nil, now, monitor.StatusReceived{Panel: "p", Status: telemetry.Status{Online: true, Boot: "b2", HeartbeatS: 30}})
	site, _ = monitor.Step(site, nil, now, monitor.StatusReceived{Panel: "p", Status: telemetry.Status{Cause: telemetry.CauseLost, Boot: "b1"}})
	if p, _ := site.Panel("p"); p.Presence != monitor.Online {
		t.Errorf("it is %s", p.Presence)
	}
	site, _ = monitor.Step(site, nil, now, monitor.StatusReceived{Panel: "p", Status: telemetry.Status{Cause: telemetry.CauseLost, Boot: "b2"}})
	if p, _ := site.Panel("p"); p.Presence != monitor.Lost {
		t.Errorf("it is %s", p.Presence)
	}
}

func TestARetainedWordIsNoSignOfLife(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	site := monitor.New(fleet.Site{ID: "s", Name: "S", Zone: "UTC"}, now)
	site, _ = monitor.Step(site, nil, now, monitor.PanelAdded{ID: "p", Name: "P"})
	site, _ = monitor.Step(site, nil, now, monitor.StatusReceived{Panel: "p", Retained: true, Status: telemetry.Status{Online: true, Boot: "b", HeartbeatS: 30}})
	if p, _ := site.Panel("p"); p.Presence != monitor.Unknown || !p.Contact.IsZero() {
		t.Errorf("it is %s, last contact %s", p.Presence, p.Contact)
	}
	now = site.Deadline()
	site, _ = monitor.Step(site, nil, now, monitor.Tick{})
	if p, _ := site.Panel("p"); p.Presence != monitor.Lost {
		t.Errorf("a panel that is said to be there and says nothing itself is %s", p.Presence)
	}
}

func TestALateStepIsAHubThatWasNotThere(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, time.UTC, now)
	w.step(monitor.LicenseChanged{From: now})
	w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(nil)}})
	for i := range 5 {
		w.comes(w.add(fmt.Sprint("P", i)), false)
	}
	w.advance(now.Add(time.Hour))
	w.now = w.now.Add(20 * time.Minute) // the box slept; then everything that came meanwhile is read
	for _, p := range w.panels {
		w.step(monitor.StatusReceived{Panel: p.id, Status: w.online(p)})
	}
	for _, p := range w.site.Panels {
		if p.Presence != monitor.Online || len(p.Losses) > 0 {
			t.Errorf("%s is %s, losses %v", p.Name, p.Presence, p.Losses)
		}
	}
	if len(w.messages) > 0 || len(w.site.Open)+len(w.site.Recent) > 0 {
		t.Errorf("%d messages, open %v, closed %v", len(w.messages), w.site.Open, w.site.Recent)
	}
	counts := w.site.Availability(time.UTC, "panel1", "2026-11-23", "2026-11-23", w.now)
	if counts.Down > 0 || counts.Unknown < 19*60 {
		t.Errorf("%+v", counts)
	}
}

func TestAClockThatWasAYearAheadStopsNothing(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, time.UTC, now)
	w.step(monitor.LicenseChanged{From: now.AddDate(-1, 0, 0)})
	w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(nil)}})
	p := w.add("P")
	w.comes(p, false)
	w.now = now.AddDate(1, 0, 0)
	w.step(monitor.StatusReceived{Panel: p.id, Status: w.online(p)})
	w.now = now.Add(time.Minute)
	w.step(monitor.Tick{})
	w.comes(p, false)
	w.goesSilent(p)
	silent := w.now
	w.advance(silent.Add(10 * time.Minute))
	if len(w.messages) != 1 || w.messages[0].at.After(silent.Add(5*time.Minute)) {
		t.Fatalf("%d messages", len(w.messages))
	}
}

func TestDaysHaveAsManySecondsAsTheyHave(t *testing.T) {
	for _, test := range []struct {
		zone string
		day  monitor.Date
		want int64 // hours
	}{
		{"Europe/Rome", "2026-03-29", 23},
		{"Europe/Rome", "2026-10-25", 25},
		{"America/Sao_Paulo", "2018-11-04", 23}, // begins at 01:00
		{"America/Sao_Paulo", "2018-02-17", 25}, // ends twice
		{"Pacific/Apia", "2011-12-29", 24},
		{"Pacific/Apia", "2011-12-30", 0}, // was left out
		{"Pacific/Apia", "2011-12-31", 24},
		{"UTC", "2026-02-28", 24},
	} {
		t.Run(test.zone+" "+string(test.day), func(t *testing.T) {
			zone, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			noon, err := time.ParseInLocation("2006-01-02 15:04", string(test.day)+" 12:00", zone)
			if err != nil {
				t.Fatal(err)
			}
			start := noon.AddDate(0, 0, -2)
			w := newWorld(t, zone, start)
			w.comes(w.add("P"), false)
			w.advance(noon.AddDate(0, 0, 2))
			if got := w.site.Availability(zone, "", test.day, test.day, w.now).Up; got != test.want*3600 {
				t.Errorf("%d s, want %d h", got, test.want)
			}
			if days := w.site.Days(zone, "panel1", "0000-01-01", "9999-12-31", w.now); len(days) != 5 && test.zone != "Pacific/Apia" {
				t.Errorf("%d days: %+v", len(days), days)
			}
		})
	}
}

func TestOldDaysAreForgotten(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(t, time.UTC, now)
	policy := monitor.DefaultPolicy()
	policy.HistoryDays = 31
	w.step(monitor.PolicyChanged{Policy: policy})
	w.heartbeat = time.Hour
	p := w.add("P")
	w.comes(p, false)
	w.advance(now.AddDate(0, 0, 40))
	days := w.site.Days(time.UTC, p.id, "0000-01-01", "9999-12-31", w.now)
	if len(days) != 32 || days[0].Date != "2026-01-09" || days[31].Date != "2026-02-09" {
		t.Errorf("%d days, from %s to %s", len(days), days[0].Date, days[len(days)-1].Date)
	}
	if percent, ok := w.site.Availability(time.UTC, p.id, "2026-01-09", "2026-02-09", w.now).Percent(); !ok || percent != 100 {
		t.Errorf("%v %v", percent, ok)
	}
	if _, ok := (monitor.Counts{Unknown: 5}).Percent(); ok {
		t.Error("what nobody saw has a percentage")
	}
}

func TestAValueOfAnotherVersionIsRefused(t *testing.T) {
	for raw, want := range map[string]string{
		`{"v":2,"id":"s"}`: "its version is 2",
		`{"id":"s"}`:       "its version is 0",
		`{"v":1}`:          "no id",
		`{"v":1,"id":"s"}`: "hold_off_s",
		`[]`:               "cannot read",
		`{"v":1,"id":"s","panels":[{"id":"p","days":"yesterday 1"}]}`: "days of availability",
	} {
		_, err := monitor.Decode([]byte(raw))
		wantError(t, err, want)
	}
}

func TestHistoryIsReadAsItWasWritten(t *testing.T) {
	for _, text := range []string{"", "2026-11-01 20*86400", "2026-11-01 20*86400 86000,400 86400", "2026-11-01 0", "2026-11-01 1,2,3,4 0,0,0,86400"} {
		var h monitor.History
		if err := h.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if again, err := h.MarshalText(); err != nil || string(again) != text {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	}
	for _, text := range []string{"2026-11-01", "86400", "2026-13-01 1", "2026-11-01 1,2,3,4,5", "2026-11-01 -1", "2026-11-01 x", "2026-11-01 1*5", "2026-11-01 99999*5", "2026-11-01 1000*5 1500*5"} {
		if err := new(monitor.History).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzHistory(f *testing.F) {
	f.Add("2026-11-01 20*86400 86000,400")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var h, again monitor.History
		if h.UnmarshalText([]byte(text)) != nil {
			return
		}
		once, err := h.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(once); err != nil {
			t.Fatalf("%q: %v", once, err)
		}
		if twice, err := again.MarshalText(); err != nil || string(twice) != string(once) {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
	})
}

// FuzzDecode holds that whatever Decode takes can be stepped through.
func FuzzDecode(f *testing.F) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := newWorld(f, time.UTC, now)
	w.step(monitor.LicenseChanged{From: now})
	w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(func(r *monitor.Recipient) { r.Quiet = &monitor.Quiet{From: "09:00", To: "10:00"} })}})
	w.comes(w.add("P"), false)
	f.Add(w.encode(w.site))
	w.goesSilent(w.panels[0])
	w.advance(now.Add(30 * time.Minute))
	f.Add(w.encode(w.site))
	f.Fuzz(func(t *testing.T, raw []byte) {
		site, err := monitor.Decode(raw)
		if err != nil {
			return
		}
		for i, event := range []monitor.Event{monitor.HubStarted{}, monitor.BrokerBack{}, monitor.Tick{}} {
			at := now.Add(time.Duration(i) * 3 * time.Minute)
			site, _ = monitor.Step(site, time.UTC, at, event)
			if d := site.Deadline(); !d.IsZero() && !d.After(at) {
				t.Fatalf("after %T at %s the deadline is %s", event, at, d)
			}
		}
		site.Availability(time.UTC, "", "0000-01-01", "9999-12-31", now)
	})
}

// TestNothingUpsetsIt throws statuses of every kind at it, in any order and at any time, also with a clock that goes back.
func TestNothingUpsetsIt(t *testing.T) {
	zone := rome(t)
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 10, 24, 9, 0, 0, 0, time.UTC)
		w := newWorld(t, zone, now)
		w.careful = true
		w.step(monitor.LicenseChanged{From: now.AddDate(-3, 0, 0)})
		w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(func(r *monitor.Recipient) { r.Quiet = &monitor.Quiet{From: "22:00", To: "06:00"} })}})
		w.step(monitor.MaintenanceSet{Windows: []monitor.Maintenance{{ID: "w", Days: []string{"sun"}, Start: "01:30", End: "02:30"}}})
		for i := range 3 {
			w.add(fmt.Sprint("P", i))
		}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 30, 75, 120, 3600, 40000, -5, -4000, 40000000}).Draw(t, "seconds")) * time.Second)
			status := telemetry.Status{
				Online: rapid.Bool().Draw(t, "online"), Boot: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "boot"),
				Cause:      rapid.SampledFrom([]telemetry.Cause{telemetry.CauseLost, telemetry.CauseStopped, "later"}).Draw(t, "cause"),
				HeartbeatS: rapid.SampledFrom([]int{30, 0, -7, 1<<31 - 1}).Draw(t, "heartbeat"),
			}
			panel := rapid.SampledFrom([]string{"panel1", "panel2", "panel3", "panel4"}).Draw(t, "panel")
			event := rapid.SampledFrom([]monitor.Event{
				monitor.StatusReceived{Panel: panel, Status: status}, monitor.StatusReceived{Panel: panel, Status: status, Retained: true}, monitor.Tick{}, monitor.HubStarted{},
				monitor.BrokerLost{}, monitor.BrokerBack{}, monitor.PanelAdded{ID: panel, Name: "New " + panel}, monitor.PanelRemoved{ID: panel},
			}).Draw(t, "event")
			w.step(event)
			for _, p := range w.site.Panels {
				if p.Counted.After(w.now) || p.Contact.After(w.now) || p.Presence == monitor.Lost && p.Since.After(w.now) {
					t.Fatalf("at %s: %+v", w.now, p)
				}
			}
		}
	})
}

func TestMessagesNameManyPanelsInFewWords(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, time.UTC, now)
	w.step(monitor.LicenseChanged{From: now})
	w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(nil)}})
	for i := range 45 {
		w.comes(w.add(fmt.Sprintf("Door %d", i)), false)
	}
	for _, p := range w.panels {
		w.goesSilent(p)
	}
	w.advance(now.Add(10 * time.Minute))
	if len(w.messages) != 1 {
		t.Fatalf("%d messages", len(w.messages))
	}
	d := w.messages[0].delivery
	if panels := fact(d, monitor.FactPanels); !strings.HasSuffix(panels, "Door 19, +25") || fact(d, monitor.FactCount) != "45" {
		t.Errorf("%s; %s", panels, fact(d, monitor.FactCount))
	}
	if seen := fact(d, monitor.FactLastSeen); seen != "2026-11-23T09:00:00Z" {
		t.Errorf("last seen %q", seen)
	}
	if d.Language != "it" || d.Due.IsZero() || d.State != fleet.Waiting || d.Incident == "" || len(d.ID) > 200 {
		t.Errorf("%+v", d)
	}
}

func TestAMessageThatHasNotLeftIsTakenBackWhenItIsOver(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, time.UTC, now)
	w.step(monitor.LicenseChanged{From: now})
	w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(func(r *monitor.Recipient) {
		r.Ways = append(r.Ways, monitor.Way{Channel: fleet.SMS, Address: "+393331234567"})
	})}})
	p := w.add("P")
	w.comes(p, false)
	w.goesSilent(p)
	w.advance(now.Add(10 * time.Minute))
	if len(w.messages) != 2 || len(w.withdrawn) != 0 {
		t.Fatalf("%d messages, %d withdrawn", len(w.messages), len(w.withdrawn))
	}
	w.comes(p, false)
	if len(w.messages) != 4 || len(w.withdrawn) != 2 {
		t.Fatalf("%d messages, %d withdrawn", len(w.messages), len(w.withdrawn))
	}
	for i, m := range w.messages {
		if w.withdrawn[m.delivery.ID] != (i < 2) {
			t.Errorf("%s: withdrawn %v", m.delivery.ID, w.withdrawn[m.delivery.ID])
		}
	}
}

func TestEveryCauseHasWords(t *testing.T) {
	for _, cause := range []monitor.Cause{monitor.CausePanel, monitor.CauseOnly, monitor.CauseSite, monitor.CauseBroker, monitor.CauseStopped, monitor.CauseRestarted,
		monitor.CauseNetwork, monitor.CauseLine, monitor.CausePower, monitor.CauseRemoved, monitor.CauseLicense, monitor.CauseUnsteady} {
		if cause.Words() == "" {
			t.Errorf("%q has none", cause)
		}
	}
	if monitor.Cause("").Words() != "" {
		t.Error("no cause has words")
	}
}

// TestThePageNamesEveryRuleAndKind holds docs/monitoring.md to the defaults and to the kinds.
func TestThePageNamesEveryRuleAndKind(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	var rules map[string]int
	if err := json.Unmarshal([]byte(asJSON(t, monitor.DefaultPolicy())), &rules); err != nil {
		t.Fatal(err)
	}
	for name, value := range rules {
		if !strings.Contains(page, fmt.Sprintf("| `%s` | %d |", name, value)) && !strings.Contains(page, fmt.Sprintf("| `%s` | %d: never |", name, value)) {
			t.Errorf("the page does not say that %s is %d unless it is set", name, value)
		}
	}
	for _, kind := range monitor.Kinds() {
		if !strings.Contains(page, "`"+string(kind)+"`") {
			t.Errorf("the page does not name the kind %s", kind)
		}
	}
	for _, topic := range monitor.Topics() {
		if !strings.Contains(page, "| `"+string(topic)+"` |") {
			t.Errorf("the page does not name the topic %s", topic)
		}
	}
}

// large is a site with a year behind it: an outage every week for each panel.
func large(b testing.TB, panels int) *world {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(b, time.UTC, now)
	w.heartbeat = time.Hour
	w.step(monitor.LicenseChanged{From: now})
	w.step(monitor.RecipientsChanged{Recipients: []monitor.Recipient{rossi(nil)}})
	for i := range panels {
		w.comes(w.add(fmt.Sprintf("Stairs %d, ground floor", i)), false)
	}
	weeks := 4
	if panels < 50 {
		weeks = 50
	}
	for range weeks {
		for i, p := range w.panels {
			w.jobs = append(w.jobs, job{w.now.Add(time.Duration(i) * 7 * time.Minute), func() { w.goesSilent(p) }},
				job{w.now.Add(time.Duration(i)*7*time.Minute + 5*time.Minute), func() { w.comes(p, false) }})
		}
		w.advance(w.now.AddDate(0, 0, 7))
	}
	return w
}

func BenchmarkStep(b *testing.B) {
	for _, panels := range []int{1, 10, 200} {
		b.Run(fmt.Sprintf("%d panels", panels), func(b *testing.B) {
			w := large(b, panels)
			w.heartbeat = 30 * time.Second
			status := monitor.StatusReceived{Panel: w.panels[panels/2].id, Status: w.online(w.panels[panels/2])}
			b.ReportAllocs()
			now := w.now
			for b.Loop() {
				w.site, _ = monitor.Step(w.site, time.UTC, now, status)
			}
			b.ReportMetric(float64(len(w.encode(w.site)))/float64(panels), "JSON-B/panel")
		})
	}
}
