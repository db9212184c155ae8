package access

import (
	"fmt"
	"time"
)

// Timetable is every schedule of a site, with its calendar. It shares its slices with whoever made it: nobody changes them.
type Timetable struct {
	Profiles []Profile
	Calendar Calendar
}

// Contains reports whether a moment lies inside the schedule of that name. A schedule that is not there contains nothing.
func (t Timetable) Contains(profile string, at time.Time, zone *time.Location) bool {
	for _, p := range t.Profiles {
		if p.Name == profile {
			return p.Contains(at, zone, t.Calendar)
		}
	}
	return false
}

// Has reports whether there is a schedule of that name.
func (t Timetable) Has(profile string) bool {
	for _, p := range t.Profiles {
		if p.Name == profile {
			return true
		}
	}
	return false
}

// Calendar is the days on which the week does not count. On a holiday a schedule has only those of its slots that name
// "holiday" among their days.
type Calendar struct {
	Holidays []Holiday `json:"holidays,omitempty"`
}

// Holiday is one day in the site's zone.
type Holiday struct {
	Date string `json:"date"` // 2026-12-25, or 12-25: every year
	Name string `json:"name,omitempty"`
}

// Exception is a day on which a schedule has other slots than the week or the calendar would give it. No slots: closed.
type Exception struct {
	Date  string `json:"date"` // 2026-12-24, or 12-24: every year
	Slots []Slot `json:"slots,omitempty"`
}

// The bounds of a calendar and of the exceptions of one schedule.
const (
	MaxHolidays   = 366
	MaxExceptions = 64
)

// Check reports what is wrong with the calendar, or nil.
func (c Calendar) Check() error {
	if len(c.Holidays) > MaxHolidays {
		return fmt.Errorf("cannot use calendar: it has %d holidays; %d are the most", len(c.Holidays), MaxHolidays)
	}
	for i, h := range c.Holidays {
		if err := checkDate(h.Date); err != nil {
			return fmt.Errorf("cannot use calendar: holiday %d: %w", i+1, err)
		}
		if len(h.Name) > 64 {
			return fmt.Errorf("cannot use calendar: holiday %d: its name is longer than 64 characters", i+1)
		}
	}
	return nil
}

func (c Calendar) holiday(date string) bool {
	for _, h := range c.Holidays {
		if sameDay(h.Date, date) {
			return true
		}
	}
	return false
}

// sameDay compares a date of a calendar, which may name no year, with a full one.
func sameDay(written, date string) bool {
	return written == date || len(written) == len("12-25") && written == date[len("2026-"):]
}

func checkDate(text string) error {
	full := text
	if len(text) == len("12-25") {
		full = "2024-" + text // a leap year: 02-29 is a day that comes
	}
	if _, err := time.Parse(time.DateOnly, full); err != nil {
		return fmt.Errorf("cannot read date %q; write it as 2026-12-25, or as 12-25 for every year", text)
	}
	return nil
}
