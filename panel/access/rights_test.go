package access

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	office = Profile{Name: "office", Slots: []Slot{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "08:00", To: "18:00"}}}
	always = Profile{Name: "always", Slots: []Slot{{Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"}, From: "00:00", To: "24:00"}}}
)

func TestRightsAddUpAndACredentialsOwnLimitsBind(t *testing.T) {
	monday := at("2026-11-23 09:00:00")
	table := Timetable{Profiles: []Profile{office, always}}
	tests := []struct {
		name   string
		own    Credential
		rights []Right
		now    time.Time
		blind  bool
		why    Why
	}{
		{name: "no right at all", rights: nil, why: NoRight},
		{name: "every door, always", rights: []Right{{}}, why: "card"},
		{name: "another door", rights: []Right{{Doors: []string{"gate"}}}, why: OtherDoor},
		{name: "one of two is enough", rights: []Right{{Doors: []string{"gate"}}, {Doors: []string{"front"}}}, why: "card"},
		{name: "whichever stands first", rights: []Right{{Doors: []string{"front"}}, {Doors: []string{"gate"}}}, why: "card"},
		{name: "not yet", rights: []Right{{From: monday.Add(1)}}, why: NotYetValid},
		{name: "the first instant", rights: []Right{{From: monday}}, why: "card"},
		{name: "over", rights: []Right{{Until: monday}}, why: Expired},
		{name: "the last instant", rights: []Right{{Until: monday.Add(1)}}, why: "card"},
		{name: "outside the schedule", rights: []Right{{Profile: "office"}}, now: at("2026-11-22 09:00:00"), why: OutsideSchedule},
		{name: "a schedule that is gone", rights: []Right{{Profile: "gone"}}, why: OutsideSchedule},
		{name: "dated, and the time is not known", rights: []Right{{From: monday.AddDate(-1, 0, 0)}}, blind: true, why: ClockNotTrusted},
		{name: "scheduled, and the time is not known", rights: []Right{{Profile: "always"}}, blind: true, why: ClockNotTrusted},
		{name: "one right asks no time", rights: []Right{{Profile: "always"}, {Doors: []string{"front"}}}, blind: true, why: "card"},
		{name: "the closest reason, door before date", rights: []Right{{Doors: []string{"gate"}}, {Until: monday}}, why: Expired},
		{name: "the closest reason, date before hour", rights: []Right{{Profile: "gone"}, {Until: monday}, {Doors: []string{"gate"}}}, why: OutsideSchedule},
		{name: "the card's own door", own: Credential{Doors: []string{"gate"}}, rights: []Right{{}}, why: OtherDoor},
		{name: "the card's own door, not its holder's", own: Credential{Doors: []string{"front"}}, rights: []Right{{Doors: []string{"gate"}}}, why: OtherDoor},
		{name: "the card's hours", own: Credential{Profile: "office"}, rights: []Right{{}}, now: at("2026-11-22 09:00:00"), why: OutsideSchedule},
		{name: "the card's end", own: Credential{Until: monday}, rights: []Right{{}}, why: Expired},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := test.own
			c.ID, c.Kind = "c1", Card
			q := Question{Door: "front", Credential: c, Rights: test.rights, Timetable: table, Now: monday, Trusted: !test.blind}
			if !test.now.IsZero() {
				q.Now = test.now
			}
			granted, why := Decide(q)
			if granted != (test.why == "card") || why != test.why {
				t.Errorf("got %v %q, want %q", granted, why, test.why)
			}
		})
	}
}

func TestOneMoreRightNeverShutsADoor(t *testing.T) {
	begin := at("2026-11-20 00:00:00")
	right := rapid.Custom(func(t *rapid.T) Right {
		r := Right{Profile: rapid.SampledFrom([]string{"", "office", "always", "gone"}).Draw(t, "profile")}
		if rapid.Bool().Draw(t, "doors") {
			r.Doors = []string{rapid.SampledFrom([]string{"front", "gate"}).Draw(t, "door")}
		}
		if rapid.Bool().Draw(t, "dated") {
			r.From = begin.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "from")) * time.Hour)
			r.Until = r.From.Add(time.Duration(rapid.IntRange(-5, 100).Draw(t, "for")) * time.Hour)
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		q := Question{
			Door: "front", Credential: Credential{ID: "c", Kind: Card}, Timetable: Timetable{Profiles: []Profile{office, always}},
			Rights: rapid.SliceOfN(right, 0, 4).Draw(t, "rights"), Now: begin.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "now")) * time.Hour),
			Trusted: rapid.Bool().Draw(t, "trusted"),
		}
		before, _ := Decide(q)
		each := false
		for _, r := range q.Rights {
			one := q
			one.Rights = []Right{r}
			granted, _ := Decide(one)
			each = each || granted
		}
		if before != each {
			t.Fatalf("together %v, one by one %v", before, each)
		}
		q.Rights = append(q.Rights, right.Draw(t, "more"))
		if after, _ := Decide(q); before && !after {
			t.Fatal("one right more, and the door stays shut")
		}
	})
}

func TestWhatCanBeCopiedIsRefusedWhereTheSiteAsksForBetter(t *testing.T) {
	tests := []struct {
		c    Credential
		weak bool
	}{
		{Credential{Kind: Card}, true},
		{Credential{Kind: Card, Strength: Strong}, false},
		{Credential{Kind: Card, Strength: Normal}, false},
		{Credential{Kind: Card, Strength: "unheard of"}, true},
		{Credential{Kind: Code}, false},
		{Credential{Kind: Code, Strength: Weak}, true},
		{Credential{Kind: Pass}, false},
		{Credential{Kind: "plate"}, true}, // what nobody has judged yet is weak
	}
	for _, test := range tests {
		c := test.c
		c.ID = "c"
		if got := c.HowStrong() == Weak; got != test.weak {
			t.Errorf("%+v is weak: %v", c, got)
		}
		if granted, why := Decide(Question{Credential: c, Rights: []Right{{}}, Policy: Secure}); granted == test.weak || test.weak && why != TooWeak {
			t.Errorf("%+v under %q: %v %q", c, Secure, granted, why)
		}
		for _, policy := range []Policy{"", Open} {
			if granted, _ := Decide(Question{Credential: c, Rights: []Right{{}}, Policy: policy}); !granted {
				t.Errorf("%+v is refused under %q", c, policy)
			}
		}
	}
}

func TestUsesAndTheTimeFromTheFirstUse(t *testing.T) {
	first := at("2026-11-23 09:00:00")
	tests := []struct {
		name  string
		c     Credential
		used  Uses
		now   time.Time
		blind bool
		why   Why
	}{
		{"never used", Credential{Uses: 2}, Uses{}, first, false, "code"},
		{"one left", Credential{Uses: 2}, Uses{Count: 1}, first, false, "code"},
		{"none left", Credential{Uses: 2}, Uses{Count: 2}, first, false, UsedUp},
		{"more than there were", Credential{Uses: 2}, Uses{Count: 3}, first, false, UsedUp},
		{"counting asks no clock", Credential{Uses: 2}, Uses{Count: 1}, first, true, "code"},
		{"as often as one likes", Credential{}, Uses{Count: 1000}, first, false, "code"},
		{"its time has not begun", Credential{MinutesFromFirstUse: 60}, Uses{}, first, false, "code"},
		{"its last instant", Credential{MinutesFromFirstUse: 60}, Uses{Count: 1, First: first}, first.Add(time.Hour - 1), false, "code"},
		{"its end", Credential{MinutesFromFirstUse: 60}, Uses{Count: 1, First: first}, first.Add(time.Hour), false, Expired},
		{"the time is not known", Credential{MinutesFromFirstUse: 60}, Uses{}, first, true, ClockNotTrusted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := test.c
			c.ID, c.Kind = "c", Code
			_, why := Decide(Question{Credential: c, Rights: []Right{{}}, Used: test.used, Now: test.now, Trusted: !test.blind})
			if why != test.why {
				t.Errorf("got %q, want %q", why, test.why)
			}
			if want := test.c.Uses > 0 || test.c.MinutesFromFirstUse > 0; c.Counted() != want {
				t.Errorf("counted: %v", c.Counted())
			}
		})
	}
}

func TestHolidaysAndExceptions(t *testing.T) {
	p := Profile{
		Name: "p",
		Slots: []Slot{
			{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "08:00", To: "18:00"},
			{Days: []string{"holiday", "sun"}, From: "10:00", To: "12:00"},
			{Days: []string{"fri", "HOLIDAY"}, From: "22:00", To: "02:00"},
		},
		Exceptions: []Exception{{Date: "2026-12-24", Slots: []Slot{{From: "08:00", To: "12:00"}}}, {Date: "12-31"}, {Date: "2026-12-28", Slots: []Slot{{From: "23:00", To: "03:00"}}}},
	}
	calendar := Calendar{Holidays: []Holiday{{Date: "12-25"}, {Date: "2026-12-28"}, {Date: "2026-12-08", Name: "Immacolata"}}}
	for name, err := range map[string]error{"schedule": p.Check(), "calendar": calendar.Check()} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	rome := zone(t, "Europe/Rome")
	tests := []struct {
		local  string
		inside bool
	}{
		{"2026-12-07 09:00", true},
		{"2026-12-08 09:00", false}, {"2026-12-08 10:00", true}, {"2026-12-08 11:59", true}, {"2026-12-08 12:00", false},
		{"2026-12-08 23:00", true}, {"2026-12-09 01:59", true}, {"2026-12-09 02:00", false}, // the holiday's night
		{"2027-12-08 09:00", true}, // another year
		{"2026-12-24 11:59", true}, {"2026-12-24 12:00", false},
		{"2026-12-25 09:00", false}, {"2026-12-25 10:30", true}, {"2026-12-25 22:30", true}, {"2027-12-25 10:30", true},
		{"2026-12-31 10:00", false}, {"2027-12-31 10:00", false},
		{"2026-12-28 10:30", false}, // the exception is stronger than the holiday
		{"2026-12-28 23:30", true}, {"2026-12-29 02:59", true}, {"2026-12-29 03:00", false},
		{"2026-12-25 00:30", false}, {"2026-12-26 00:30", true}, // a slot belongs to the day on which it begins
		{"2026-12-27 11:00", true},
	}
	for _, test := range tests {
		moment, err := time.ParseInLocation("2006-01-02 15:04", test.local, rome)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Contains(moment, rome, calendar); got != test.inside {
			t.Errorf("%s: inside %v", test.local, got)
		}
	}
	// The day is the site's, whatever day it is elsewhere.
	if moment := time.Date(2026, 12, 24, 23, 30, 0, 0, time.UTC); p.Contains(moment.Add(10*time.Hour), rome, calendar) != true || p.Contains(moment, zone(t, "Asia/Tokyo"), calendar) {
		t.Error("a holiday counts by the day in UTC")
	}
}

func TestCalendarsAndExceptionsThatCannotBeUsed(t *testing.T) {
	holidays := func(dates ...string) Calendar {
		var c Calendar
		for _, d := range dates {
			c.Holidays = append(c.Holidays, Holiday{Date: d})
		}
		return c
	}
	many := holidays(strings.Split(strings.Repeat("01-01 ", MaxHolidays+1), " ")[:MaxHolidays+1]...)
	exception := func(e ...Exception) Profile { return Profile{Name: "p", Slots: office.Slots, Exceptions: e} }
	tests := []struct {
		name string
		err  error
		says string
	}{
		{"a leap day", holidays("02-29", "2028-02-29").Check(), ""},
		{"no leap year", holidays("2026-02-29").Check(), "2026-02-29"},
		{"no date", holidays("Christmas").Check(), "holiday 1: cannot read date"},
		{"empty", holidays("12-25", "").Check(), "holiday 2"},
		{"thirteenth month", holidays("13-01").Check(), "13-01"},
		{"too many", many.Check(), "367"},
		{"a long name", Calendar{Holidays: []Holiday{{Date: "12-25", Name: strings.Repeat("x", 65)}}}.Check(), "64"},
		{"closed", exception(Exception{Date: "12-31"}).Check(), ""},
		{"an exception without a date", exception(Exception{}).Check(), "cannot read date"},
		{"an exception with days", exception(Exception{Date: "12-31", Slots: office.Slots}).Check(), "names days"},
		{"an exception with bad hours", exception(Exception{Date: "12-31", Slots: []Slot{{From: "8", To: "9"}}}).Check(), "slot 1"},
		{"an exception with many slots", exception(Exception{Date: "12-31", Slots: make([]Slot, 9)}).Check(), "9 slots"},
		{"many exceptions", exception(make([]Exception, MaxExceptions+1)...).Check(), "65 exceptions"},
	}
	for _, test := range tests {
		if (test.err == nil) != (test.says == "") || test.err != nil && !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, test.err, test.says)
		}
	}
}

func TestADoorAsksForTwoInItsHoursAndWheneverTheyAreNotKnown(t *testing.T) {
	table := Timetable{Profiles: []Profile{office}}
	monday, sunday := at("2026-11-23 09:00:00"), at("2026-11-22 09:00:00")
	tests := []struct {
		name    string
		factor  string
		now     time.Time
		trusted bool
		want    bool
	}{
		{"never", "", monday, true, false},
		{"never, and no clock", "", monday, false, false},
		{"in its hours", "office", monday, true, true},
		{"outside", "office", sunday, true, false},
		{"no clock", "office", sunday, false, true},
		{"a schedule that is gone", "gone", sunday, true, true},
	}
	for _, test := range tests {
		p := DoorPolicy{Door: "front", SecondFactor: test.factor}
		if got := p.NeedsSecond(Question{Timetable: table, Now: test.now, Trusted: test.trusted}); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	for _, p := range []DoorPolicy{{}, {Door: "front", Passback: "harder"}} {
		if p.Check() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
	for _, mode := range []Passback{PassbackOff, PassbackSoft, PassbackHard} {
		if err := (DoorPolicy{Door: "front", Passback: mode}).Check(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzCalendar(f *testing.F) {
	f.Add("12-25", "2026-12-24", "08:00", "18:00", int64(1_800_000_000))
	f.Fuzz(func(t *testing.T, holiday, date, from, to string, unix int64) {
		c := Calendar{Holidays: []Holiday{{Date: holiday}}}
		p := Profile{Name: "p", Slots: []Slot{{Days: []string{"holiday"}, From: from, To: to}}, Exceptions: []Exception{{Date: date, Slots: []Slot{{From: from, To: to}}}}}
		inside := p.Contains(time.Unix(unix%4e9, 0), nil, c)
		if inside && c.Check() != nil && p.Check() != nil {
			t.Errorf("inside although neither holiday %q nor schedule %+v can be used", holiday, p)
		}
	})
}
