package access

import (
	"testing"
	"time"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestDecideNamesTheFirstReasonThatHolds(t *testing.T) {
	weekdays := Profile{Name: "office", Slots: []Slot{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "08:00", To: "18:00"}}}
	monday := at("2026-11-23 09:00:00")
	card := func(change func(*Credential)) Credential {
		c := Credential{ID: "c1", Person: "p1", Kind: Card}
		if change != nil {
			change(&c)
		}
		return c
	}
	tests := []struct {
		name       string
		credential Credential
		profile    *Profile
		now        time.Time
		untrusted  bool
		missing    bool
		granted    bool
		why        Why
	}{
		{name: "nothing found", why: Unknown},
		{name: "a person without a credential id", credential: Credential{Person: "p1", Kind: Card}, why: Unknown},
		{name: "plain card", credential: card(nil), granted: true, why: "card"},
		{name: "plain code", credential: Credential{ID: "c1", Kind: Code}, granted: true, why: "code"},
		{name: "plain card, clock unknown", credential: card(nil), untrusted: true, granted: true, why: "card"},
		{name: "withdrawn", credential: card(func(c *Credential) { c.Revoked = true }), why: Revoked},
		{name: "withdrawn before anything else is said", credential: card(func(c *Credential) { c.Revoked, c.Doors, c.Until = true, []string{"gate"}, monday }), untrusted: true, why: Revoked},
		{name: "named door", credential: card(func(c *Credential) { c.Doors = []string{"gate", "front"} }), granted: true, why: "card"},
		{name: "other door", credential: card(func(c *Credential) { c.Doors = []string{"gate"} }), why: OtherDoor},
		{name: "other door, clock unknown", credential: card(func(c *Credential) { c.Doors, c.From = []string{"gate"}, monday }), untrusted: true, why: OtherDoor},
		{name: "the first instant", credential: card(func(c *Credential) { c.From = monday }), granted: true, why: "card"},
		{name: "just before the first instant", credential: card(func(c *Credential) { c.From = monday.Add(time.Nanosecond) }), why: NotYetValid},
		{name: "the last instant", credential: card(func(c *Credential) { c.Until = monday.Add(time.Nanosecond) }), granted: true, why: "card"},
		{name: "the end is outside", credential: card(func(c *Credential) { c.Until = monday }), why: Expired},
		{name: "an empty window", credential: card(func(c *Credential) { c.From, c.Until = monday, monday }), why: Expired},
		{name: "from, clock unknown", credential: card(func(c *Credential) { c.From = monday.AddDate(-1, 0, 0) }), untrusted: true, why: ClockNotTrusted},
		{name: "until, clock unknown", credential: card(func(c *Credential) { c.Until = monday.AddDate(1, 0, 0) }), untrusted: true, why: ClockNotTrusted},
		{name: "schedule, clock unknown", credential: card(func(c *Credential) { c.Profile = "office" }), profile: &weekdays, untrusted: true, why: ClockNotTrusted},
		{name: "inside the schedule", credential: card(func(c *Credential) { c.Profile = "office" }), profile: &weekdays, granted: true, why: "card"},
		{name: "outside the schedule", credential: card(func(c *Credential) { c.Profile = "office" }), profile: &weekdays, now: at("2026-11-22 09:00:00"), why: OutsideSchedule},
		{name: "a schedule that is gone is not at any time", credential: card(func(c *Credential) { c.Profile = "office" }), why: OutsideSchedule},
		{name: "a schedule that was not looked up is not trusted", credential: card(func(c *Credential) { c.Profile = "office" }), profile: &weekdays, missing: true, why: OutsideSchedule},
		{name: "a schedule that is there and not named does not bind", credential: card(nil), profile: &Profile{Name: "office"}, now: at("2026-11-22 03:00:00"), granted: true, why: "card"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := Question{Door: "front", Credential: test.credential, Rights: []Right{{}}, Now: monday, Trusted: !test.untrusted}
			if !test.now.IsZero() {
				q.Now = test.now
			}
			if test.profile != nil && !test.missing {
				q.Timetable.Profiles = []Profile{*test.profile}
			}
			granted, why := Decide(q)
			if granted != test.granted || why != test.why {
				t.Errorf("got %v %q, want %v %q", granted, why, test.granted, test.why)
			}
		})
	}
}

func TestTheZeroQuestionOpensNothing(t *testing.T) {
	if granted, _ := Decide(Question{}); granted {
		t.Error("granted")
	}
}
