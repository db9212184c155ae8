package monitor

import "time"

// Date is a day by the site's calendar: 2026-11-22. Dates compare as they are written.
type Date string

// DateOf returns the day on which an instant lies in a zone.
func DateOf(t time.Time, zone *time.Location) Date { return Date(t.In(zone).Format(time.DateOnly)) }

// Counts is how a time was spent, in whole seconds. A second counts once.
type Counts struct {
	Up          int64 `json:"up"`
	Down        int64 `json:"down"`        // lost or stopped
	Unknown     int64 `json:"unknown"`     // nobody looked: the hub or its broker was away, or the panel was never heard
	Maintenance int64 `json:"maintenance"` // a maintenance window, whatever the panel did
}

// Elapsed is the whole time.
func (c Counts) Elapsed() int64 { return c.Up + c.Down + c.Unknown + c.Maintenance }

// Plus adds two times.
func (c Counts) Plus(d Counts) Counts {
	return Counts{c.Up + d.Up, c.Down + d.Down, c.Unknown + d.Unknown, c.Maintenance + d.Maintenance}
}

// Percent is the availability: Up of Up and Down, 0 to 100. It is not ok when neither was seen.
func (c Counts) Percent() (percent float64, ok bool) {
	if c.Up+c.Down == 0 {
		return 0, false
	}
	return 100 * float64(c.Up) / float64(c.Up+c.Down), true
}

// Day is how a day was spent.
type Day struct {
	Date Date `json:"date"`
	Counts
}

// Availability returns how the time of one panel was spent on the days from first to last, both included; of all panels of
// the site together when panel is empty. The time until now counts as the panels are now. Days that are not kept count
// nothing.
func (s Site) Availability(zone *time.Location, panel string, first, last Date, now time.Time) Counts {
	return Counts{}
}

// Days returns the same day by day, oldest first, without those that are not kept.
func (s Site) Days(zone *time.Location, panel string, first, last Date, now time.Time) []Day {
	return nil
}

// History is the days before today, oldest first.
type History struct{}
