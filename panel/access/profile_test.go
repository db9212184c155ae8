package access

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestProfileEdges(t *testing.T) {
	slot := func(days, from, to string) Profile {
		return Profile{Name: "p", Slots: []Slot{{Days: strings.Fields(days), From: from, To: to}}}
	}
	const week = "mon tue wed thu fri sat sun"
	tests := []struct {
		name    string
		profile Profile
		zone    string
		utc     string
		inside  bool
	}{
		{"begins with its first minute", slot("mon", "08:00", "18:00"), "", "2026-11-23 08:00:00", true},
		{"not a second before", slot("mon", "08:00", "18:00"), "", "2026-11-23 07:59:59", false},
		{"its last second", slot("mon", "08:00", "18:00"), "", "2026-11-23 17:59:59", true},
		{"its end is outside", slot("mon", "08:00", "18:00"), "", "2026-11-23 18:00:00", false},
		{"another day", slot("mon", "08:00", "18:00"), "", "2026-11-24 12:00:00", false},
		{"a whole day has its midnight", slot("mon", "00:00", "24:00"), "", "2026-11-23 00:00:00", true},
		{"a whole day has its last second", slot("mon", "00:00", "24:00"), "", "2026-11-23 23:59:59", true},
		{"and no more", slot("mon", "00:00", "24:00"), "", "2026-11-24 00:00:00", false},
		{"over midnight, the evening", slot("fri", "22:00", "06:00"), "", "2026-11-27 23:00:00", true},
		{"over midnight, the morning after", slot("fri", "22:00", "06:00"), "", "2026-11-28 05:59:59", true},
		{"over midnight, its end", slot("fri", "22:00", "06:00"), "", "2026-11-28 06:00:00", false},
		{"over midnight, not the morning before", slot("fri", "22:00", "06:00"), "", "2026-11-27 05:00:00", false},
		{"over midnight, not the next evening", slot("fri", "22:00", "06:00"), "", "2026-11-28 22:00:00", false},
		{"over the end of the week", slot("sun", "22:00", "06:00"), "", "2026-11-30 03:00:00", true},
		{"over the end of the week the other way", slot("sat", "22:00", "06:00"), "", "2026-11-29 03:00:00", true},
		{"until midnight written as 00:00", slot("mon", "18:00", "00:00"), "", "2026-11-23 23:59:59", true},
		{"until midnight written as 00:00, the day after", slot("mon", "18:00", "00:00"), "", "2026-11-24 00:00:00", false},
		{"days in capitals", slot("MON", "08:00", "18:00"), "", "2026-11-23 09:00:00", true},
		{"second slot", Profile{Slots: []Slot{{Days: []string{"tue"}, From: "01:00", To: "02:00"}, {Days: []string{"mon"}, From: "08:00", To: "09:00"}}}, "", "2026-11-23 08:30:00", true},
		{"no slots", Profile{Name: "p"}, "", "2026-11-23 08:30:00", false},
		{"no days", slot("", "00:00", "24:00"), "", "2026-11-23 08:30:00", false},
		{"a slot that cannot be read contains nothing", slot(week, "8:00", "18:00"), "", "2026-11-23 09:00:00", false},
		{"nor one past midnight", slot(week, "08:00", "24:01"), "", "2026-11-23 09:00:00", false},

		{"the site's time, not UTC", slot("mon", "08:00", "18:00"), "Europe/Rome", "2026-11-23 07:00:00", true},
		{"the site's day, not UTC's", slot("tue", "00:00", "24:00"), "Europe/Rome", "2026-11-23 23:30:00", true},
		{"half past in Nepal", slot("mon", "08:00", "09:00"), "Asia/Kathmandu", "2026-11-23 02:15:00", true},

		// Rome, 2026-03-29: 02:00 becomes 03:00.
		{"the last minute before the gap", slot("sun", "01:00", "02:30"), "Europe/Rome", "2026-03-29 00:59:59", true},
		{"a slot that ends inside the gap ends with it", slot("sun", "01:00", "02:30"), "Europe/Rome", "2026-03-29 01:00:00", false},
		{"a slot that begins inside the gap begins after it", slot("sun", "02:30", "04:00"), "Europe/Rome", "2026-03-29 01:00:00", true},
		{"a slot inside the gap does not happen", slot("sun", "02:15", "02:45"), "Europe/Rome", "2026-03-29 01:20:00", false},
		// Rome, 2026-10-25: 03:00 becomes 02:00.
		{"the repeated hour, first time", slot("sun", "02:00", "03:00"), "Europe/Rome", "2026-10-25 00:30:00", true},
		{"the repeated hour, second time", slot("sun", "02:00", "03:00"), "Europe/Rome", "2026-10-25 01:30:00", true},
		{"after the repeated hour", slot("sun", "02:00", "03:00"), "Europe/Rome", "2026-10-25 02:00:00", false},
		{"a night shift over the repeated hour", slot("sat", "22:00", "06:00"), "Europe/Rome", "2026-10-25 04:59:59", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var z *time.Location // nil stands for UTC
			if test.zone != "" {
				z = zone(t, test.zone)
			}
			if got := test.profile.Contains(at(test.utc), z, Calendar{}); got != test.inside {
				t.Errorf("inside = %v, want %v", got, test.inside)
			}
		})
	}
}

func TestCheckNamesTheMistake(t *testing.T) {
	good := Slot{Days: []string{"mon"}, From: "08:00", To: "18:00"}
	tests := []struct {
		name    string
		profile Profile
		says    string // empty: nothing is wrong
	}{
		{"good", Profile{Name: "office", Slots: []Slot{good, {Days: []string{"Sat", "sun"}, From: "22:00", To: "06:00"}, {Days: []string{"mon"}, From: "00:00", To: "24:00"}}}, ""},
		{"no name", Profile{Slots: []Slot{good}}, "1 to 64 characters"},
		{"a long name", Profile{Name: strings.Repeat("n", 65), Slots: []Slot{good}}, "1 to 64 characters"},
		{"no slots", Profile{Name: "p"}, "it has 0 slots"},
		{"too many slots", Profile{Name: "p", Slots: make([]Slot, 65)}, "it has 65 slots"},
		{"no days", Profile{Name: "p", Slots: []Slot{good, {From: "08:00", To: "18:00"}}}, "slot 2: no days"},
		{"a day of another language", Profile{Name: "p", Slots: []Slot{{Days: []string{"lun"}, From: "08:00", To: "18:00"}}}, `unknown day "lun"`},
		{"short time", Profile{Name: "p", Slots: []Slot{{Days: []string{"mon"}, From: "8:00", To: "18:00"}}}, `cannot read time "8:00"`},
		{"signs", Profile{Name: "p", Slots: []Slot{{Days: []string{"mon"}, From: "+8:00", To: "18:00"}}}, `cannot read time "+8:00"`},
		{"minute 60", Profile{Name: "p", Slots: []Slot{{Days: []string{"mon"}, From: "08:00", To: "18:60"}}}, `cannot use time "18:60"`},
		{"past midnight", Profile{Name: "p", Slots: []Slot{{Days: []string{"mon"}, From: "08:00", To: "24:01"}}}, `past 24:00`},
		{"from 24:00", Profile{Name: "p", Slots: []Slot{{Days: []string{"mon"}, From: "24:00", To: "06:00"}}}, `from 24:00`},
		{"nothing between", Profile{Name: "p", Slots: []Slot{{Days: []string{"mon"}, From: "08:00", To: "08:00"}}}, "a whole day is 00:00 to 24:00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.profile.Check()
			switch {
			case test.says == "" && err != nil:
				t.Error(err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("got %v, want %q in it", err, test.says)
			}
		})
	}
}

// TestSchedulesHoldAcrossRealChangesOfTheClock asks, in the second before and the first second after each listed change of
// the clock, an independent witness: what a watch in that place showed.
func TestSchedulesHoldAcrossRealChangesOfTheClock(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "testdata", "tz-dst", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("left out: the shared lists of clock changes are not here")
	}
	office := Profile{Name: "office", Slots: []Slot{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "01:00", To: "18:00"}}}
	night := Profile{Name: "night", Slots: []Slot{{Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, From: "22:30", To: "02:15"}}}
	changes := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { changes += compareWithWatch(t, file, office, night) })
	}
	if changes == 0 { // some zones have none, but not all
		t.Error("the lists are empty")
	}
}

func compareWithWatch(t *testing.T, file string, office, night Profile) (changes int) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Zone        string
		Transitions []struct{ UT, Local string }
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	z := zone(t, list.Zone)
	for _, change := range list.Transitions {
		instant, err := time.Parse("Jan _2 15:04:05 2006", change.UT)
		if err != nil {
			t.Fatal(err)
		}
		// Without its last word, the name of the time: what a watch in that place shows.
		watch, err := time.Parse("Mon Jan _2 15:04:05 2006", change.Local[:strings.LastIndexByte(change.Local, ' ')])
		if err != nil {
			t.Fatal(err)
		}
		minute := watch.Hour()*60 + watch.Minute()
		weekday := watch.Weekday() >= time.Monday && watch.Weekday() <= time.Friday
		if got, want := office.Contains(instant, z, Calendar{}), weekday && minute >= 60 && minute < 18*60; got != want {
			t.Errorf("office at %s UT, the watch shows %s: inside = %v", change.UT, change.Local, got)
		}
		if got, want := night.Contains(instant, z, Calendar{}), minute >= 22*60+30 || minute < 2*60+15; got != want {
			t.Errorf("night at %s UT, the watch shows %s: inside = %v", change.UT, change.Local, got)
		}
		// A date of the calendar is the date on that watch.
		date := watch.Format(time.DateOnly)
		closed := Profile{Name: "closed", Slots: night.Slots, Exceptions: []Exception{{Date: date}}}
		if got, want := closed.Contains(instant, z, Calendar{}), minute < 2*60+15; got != want {
			t.Errorf("closed on %s, the watch shows %s: inside = %v", date, change.Local, got)
		}
		if holiday := (Calendar{Holidays: []Holiday{{Date: date[len("2026-"):]}}}); office.Contains(instant, z, holiday) {
			t.Errorf("%s is a holiday, the watch shows %s, and the office is open", date, change.Local)
		}
	}
	return len(list.Transitions)
}

func FuzzProfile(f *testing.F) {
	f.Add("mon", "08:00", "18:00", int64(0))
	f.Add("sun", "22:00", "06:00", int64(1790000000))
	f.Add("sun", "24:00", "0:000", int64(-1))
	f.Fuzz(func(t *testing.T, day, from, to string, unix int64) {
		p := Profile{Name: "p", Slots: []Slot{{Days: []string{day}, From: from, To: to}}}
		inside := p.Contains(time.Unix(unix%4e9, 0), nil, Calendar{})
		if inside && p.Slots[0].check() != nil && from != to && from != "24:00" {
			t.Errorf("a slot that is refused (%v) lets in", p.Slots[0].check())
		}
	})
}
