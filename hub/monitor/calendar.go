package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const minutesOfDay = 24 * 60

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// span is a part of the day by the clock on the wall, [from, to) in minutes after midnight, on the weekdays on which it
// begins. One whose to is not after its from runs into the next day. So an hour that a change of the clocks skips is never
// inside, and an hour that is lived twice is inside both times.
type span struct {
	days     [7]bool
	from, to int
}

func (w span) contains(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	today := t.Weekday()
	yesterday := (today + 6) % 7
	to := w.to
	if to <= w.from {
		to += minutesOfDay
	}
	return w.days[today] && w.from <= minute && minute < to || w.days[yesterday] && minute+minutesOfDay < to
}

// change returns the first instant after t at which contains changes; zero when it does not within eight days.
func (w span) change(t time.Time) time.Time {
	inside := w.contains(t)
	var candidates []time.Time
	year, month, day := t.Date()
	for d := day - 1; d <= day+8; d++ {
		// Around a change of the clocks both offsets may be those in force at that minute.
		_, before := time.Date(year, month, d-1, 12, 0, 0, 0, t.Location()).Zone()
		_, after := time.Date(year, month, d+1, 12, 0, 0, 0, t.Location()).Zone()
		for _, minute := range [...]int{0, w.from, w.to} {
			wall := time.Date(year, month, d, 0, minute, 0, 0, time.UTC)
			candidates = append(candidates, wall.Add(-time.Duration(before)*time.Second), wall.Add(-time.Duration(after)*time.Second))
		}
	}
	if _, end := t.ZoneBounds(); !end.IsZero() {
		candidates = append(candidates, end)
	}
	slices.SortFunc(candidates, time.Time.Compare)
	for _, c := range candidates {
		if c.After(t) && w.contains(c.In(t.Location())) != inside {
			return c
		}
	}
	return time.Time{}
}

func (q Quiet) span() (span, bool) {
	from, errFrom := minuteOf(q.From)
	to, errTo := minuteOf(q.To)
	return span{[7]bool{true, true, true, true, true, true, true}, from, to}, errFrom == nil && errTo == nil
}

func (m Maintenance) weekly() bool { return len(m.Days) > 0 }

func (m Maintenance) span() (span, bool) {
	var w span
	var errFrom, errTo error
	w.from, errFrom = minuteOf(m.Start)
	w.to, errTo = minuteOf(m.End)
	for _, name := range m.Days {
		if i := slices.Index(weekdays[:], name); i >= 0 {
			w.days[i] = true
		}
	}
	return w, errFrom == nil && errTo == nil
}

func (m Maintenance) concerns(panel string) bool {
	return len(m.Panels) == 0 || panel != "" && slices.Contains(m.Panels, panel)
}

// holds tells whether the window is open at t, which is in the site's zone.
func (m Maintenance) holds(t time.Time) bool {
	if !m.weekly() {
		return !t.Before(m.From) && t.Before(m.Until)
	}
	w, ok := m.span()
	return ok && w.contains(t)
}

// change returns the next instant at which the window opens or closes; zero: none.
func (m Maintenance) change(t time.Time) time.Time {
	switch {
	case m.weekly():
		if w, ok := m.span(); ok {
			return w.change(t)
		}
	case t.Before(m.From):
		return m.From
	case t.Before(m.Until):
		return m.Until
	}
	return time.Time{}
}

// InMaintenance tells whether a maintenance window of the panel is open at an instant; of the whole site when panel is empty.
func (s Site) InMaintenance(zone *time.Location, panel string, at time.Time) bool {
	at = at.In(orUTC(zone))
	for _, m := range s.Maintenance {
		if m.concerns(panel) && m.holds(at) {
			return true
		}
	}
	return false
}

// maintenanceChange returns the next instant at which a window of the panel opens or closes; zero: none.
func (s Site) maintenanceChange(panel string, at time.Time) time.Time {
	var next time.Time
	for _, m := range s.Maintenance {
		if m.concerns(panel) {
			next = earlier(next, m.change(at))
		}
	}
	return next
}

// earlier returns the earlier of two instants, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func orUTC(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// dayEnd is the first instant of the day after the one on which t lies, in t's zone. Some zones change their clocks at
// midnight: then there is no such minute, or another day seems to begin twice.
func dayEnd(t time.Time) time.Time {
	year, month, day := t.Date()
	end := time.Date(year, month, day+1, 0, 0, 0, 0, t.Location())
	for end.Day() == day {
		end = end.Add(30 * time.Minute)
	}
	return end
}

// minuteOf reads a time of day as minutes after midnight; 24:00 is the midnight at its end.
func minuteOf(text string) (int, error) {
	if text == "24:00" {
		return minutesOfDay, nil
	}
	if len(text) != 5 || text[2] != ':' || strings.Trim(text, "0123456789:") != "" || strings.Count(text, ":") != 1 {
		return 0, fmt.Errorf("%.20q is no time of day; write it as 08:30", text)
	}
	hour, minute := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	if hour > 23 || minute > 59 {
		return 0, fmt.Errorf("%.20q is no time of day; the last one is 23:59, or 24:00 for midnight", text)
	}
	return hour*60 + minute, nil
}
