package monitor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Date is a day by the site's calendar: 2026-11-22. Dates compare as they are written.
type Date string

// DateOf returns the day on which an instant lies in a zone (nil: UTC).
func DateOf(t time.Time, zone *time.Location) Date {
	return Date(t.In(orUTC(zone)).Format(time.DateOnly))
}

// Add returns the date so many days later.
func (d Date) Add(days int) Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return Date(t.AddDate(0, 0, days).Format(time.DateOnly))
}

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

// class is the part of Counts that a stretch of time goes to.
type class int

const (
	asUnknown class = iota
	asUp
	asDown
	asMaintenance
)

func (c *Counts) add(seconds int64, to class) {
	switch to {
	case asUp:
		c.Up += seconds
	case asDown:
		c.Down += seconds
	case asMaintenance:
		c.Maintenance += seconds
	default:
		c.Unknown += seconds
	}
}

// Availability returns how the time of one panel was spent on the days from first to last, both included; of all panels of
// the site together when panel is empty. The time until now counts as the panels are now. Days that are not kept count
// nothing.
func (s Site) Availability(zone *time.Location, panel string, first, last Date, now time.Time) Counts {
	var sum Counts
	for _, day := range s.Days(zone, panel, first, last, now) {
		sum = sum.Plus(day.Counts)
	}
	return sum
}

// Days returns the same day by day, oldest first, without those that are not kept.
func (s Site) Days(zone *time.Location, panel string, first, last Date, now time.Time) []Day {
	var days []Day
	for _, p := range s.Panels {
		if panel != "" && p.ID != panel {
			continue
		}
		s.settle(&p, orUTC(zone), now.UTC().Truncate(time.Second), s.classOf(p))
		own := append(p.Days.days(first, last), p.Today)
		for _, day := range own {
			if day.Date == "" || day.Date < first || day.Date > last {
				continue
			}
			i, found := slices.BinarySearchFunc(days, day, func(a, b Day) int { return strings.Compare(string(a.Date), string(b.Date)) })
			if !found {
				days = slices.Insert(days, i, Day{Date: day.Date})
			}
			days[i].Counts = days[i].Plus(day.Counts)
		}
	}
	return days
}

// classOf is what the present time of a panel counts as, outside maintenance.
func (s Site) classOf(p Panel) class {
	switch {
	case !s.BrokerAway.IsZero():
		return asUnknown
	case p.Presence == Online:
		return asUp
	case p.Presence == Lost || p.Presence == Stopped:
		return asDown
	}
	return asUnknown
}

// settle accounts for a panel's time until an instant.
func (s Site) settle(p *Panel, zone *time.Location, until time.Time, as class) {
	if oldest := until.AddDate(0, 0, -s.Policy.HistoryDays-1); p.Counted.Before(oldest) {
		p.Counted = oldest // a clock that was years behind
	}
	for p.Counted.Before(until) {
		at := p.Counted.In(zone)
		end := dayEnd(at)
		if until.Before(end) {
			end = until
		}
		to := as
		if len(s.Maintenance) > 0 {
			end = earlier(end, s.maintenanceChange(p.ID, at))
			if s.InMaintenance(zone, p.ID, at) {
				to = asMaintenance
			}
		}
		s.count(p, Date(at.Format(time.DateOnly)), int64(end.Sub(at)/time.Second), to)
		p.Counted = end.UTC()
	}
}

// count adds to the day, which becomes the present one if it is a later one. A clock or zone that went back counts on the
// present one.
func (s Site) count(p *Panel, date Date, seconds int64, to class) {
	if date > p.Today.Date {
		if p.Today.Date != "" {
			p.Days = p.Days.with(p.Today, s.Policy.HistoryDays)
		}
		p.Today = Day{Date: date}
	}
	p.Today.add(seconds, to)
}

// History is the days before today, oldest first, without gaps. Days that were spent alike and follow one another are one
// run. As JSON it is one short text: "2026-11-01 20*86400 86000,400 86400" are 20 days of 86400 s up, one with 400 s down, and
// one more; a third and a fourth number are unknown and maintenance.
type History struct {
	First Date
	Runs  []Run
}

// Run is so many days that were spent alike.
type Run struct {
	Days   int
	Counts Counts
}

// IsZero tells that no day is kept.
func (h History) IsZero() bool { return len(h.Runs) == 0 }

func (h History) length() int {
	total := 0
	for _, run := range h.Runs {
		total += run.Days
	}
	return total
}

// with returns the history with one more day, and without those that are older than limit days. Days in between that do not
// exist (a zone that moved over the date line) count nothing.
func (h History) with(day Day, limit int) History {
	runs := slices.Clone(h.Runs)
	first := h.First
	if len(runs) == 0 {
		first = day.Date
	}
	for next := first.Add(h.length()); next < day.Date; next = next.Add(1) {
		runs = addRun(runs, Counts{})
	}
	runs = addRun(runs, day.Counts)
	h = History{first, runs}
	for excess := h.length() - limit; excess > 0; {
		cut := min(excess, h.Runs[0].Days)
		h.First = h.First.Add(cut)
		excess -= cut
		if h.Runs[0].Days -= cut; h.Runs[0].Days == 0 {
			h.Runs = h.Runs[1:]
		}
	}
	return h
}

func addRun(runs []Run, counts Counts) []Run {
	if n := len(runs); n > 0 && runs[n-1].Counts == counts {
		runs[n-1].Days++
		return runs
	}
	return append(runs, Run{1, counts})
}

// days lists those from first to last.
func (h History) days(first, last Date) []Day {
	var list []Day
	date := h.First
	for _, run := range h.Runs {
		if end := date.Add(run.Days); end <= first {
			date = end
			continue
		}
		for range run.Days {
			if date >= first && date <= last {
				list = append(list, Day{date, run.Counts})
			}
			date = date.Add(1)
		}
	}
	return list
}

// MarshalText writes the text that History describes.
func (h History) MarshalText() ([]byte, error) {
	if h.IsZero() {
		return []byte{}, nil
	}
	var b strings.Builder
	b.WriteString(string(h.First))
	for _, run := range h.Runs {
		b.WriteByte(' ')
		if run.Days > 1 {
			fmt.Fprintf(&b, "%d*", run.Days)
		}
		numbers := []int64{run.Counts.Up, run.Counts.Down, run.Counts.Unknown, run.Counts.Maintenance}
		for len(numbers) > 1 && numbers[len(numbers)-1] == 0 {
			numbers = numbers[:len(numbers)-1]
		}
		for i, n := range numbers {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.FormatInt(n, 10))
		}
	}
	return []byte(b.String()), nil
}

// historyRunsLimit bounds what UnmarshalText takes: more days than CheckPolicy lets anybody keep.
const historyRunsLimit = 2000

// UnmarshalText reads what MarshalText wrote.
func (h *History) UnmarshalText(text []byte) error {
	*h = History{}
	words := strings.Fields(string(text))
	if len(words) == 0 {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, words[0]); err != nil || len(words) < 2 || len(words) > historyRunsLimit {
		return fmt.Errorf("cannot read days of availability %.40q: it is no date with at least one and less than %d runs of days", text, historyRunsLimit)
	}
	runs := make([]Run, 0, len(words)-1)
	for _, word := range words[1:] {
		run, err := parseRun(word)
		if err != nil {
			return fmt.Errorf("cannot read days of availability: %w", err)
		}
		runs = append(runs, run)
	}
	history := History{Date(words[0]), runs}
	if history.length() > historyRunsLimit {
		return fmt.Errorf("cannot read days of availability: %d are more than %d", history.length(), historyRunsLimit)
	}
	*h = history
	return nil
}

func parseRun(word string) (Run, error) {
	run := Run{Days: 1}
	numbers := word
	if times, rest, found := strings.Cut(word, "*"); found {
		n, err := strconv.Atoi(times)
		if err != nil || n < 2 || n > historyRunsLimit {
			return Run{}, fmt.Errorf("%.40q does not say how many days", word)
		}
		run.Days, numbers = n, rest
	}
	parts := strings.Split(numbers, ",")
	into := []*int64{&run.Counts.Up, &run.Counts.Down, &run.Counts.Unknown, &run.Counts.Maintenance}
	if len(parts) > len(into) {
		return Run{}, fmt.Errorf("%.40q has more than %d numbers", word, len(into))
	}
	for i, part := range parts {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 || n > 1e9 {
			return Run{}, fmt.Errorf("%.40q is no number of seconds", part)
		}
		*into[i] = n
	}
	return run, nil
}
