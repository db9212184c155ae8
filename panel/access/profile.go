package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Profile is a weekly schedule in the site's time zone. A moment belongs to it when the clock on the wall, read in that
// zone, shows a time inside one of the slots of that day. So an hour that a DST change skips is never inside, and an hour
// that is lived twice is inside both times.
type Profile struct {
	Name       string      `json:"name"`
	Slots      []Slot      `json:"slots"`
	Exceptions []Exception `json:"exceptions,omitempty"`
}

// Slot is a span [From, To) of minutes after midnight on some days. A slot whose To is not after its From runs into the
// next day, and belongs to the day on which it begins.
type Slot struct {
	Days []string `json:"days,omitempty"` // mon tue wed thu fri sat sun holiday; none in an exception
	From string   `json:"from"`           // 08:00
	To   string   `json:"to"`             // 18:00; 24:00 is midnight at the end of the day
}

// OnHolidays among the days of a slot lets it count on the holidays of the calendar.
const OnHolidays = "holiday"

const minutesOfDay = 24 * 60

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Contains reports whether the moment lies inside one of the slots. A slot that cannot be read contains nothing.
func (p Profile) Contains(t time.Time, zone *time.Location, calendar Calendar) bool {
	if zone == nil {
		zone = time.UTC
	}
	local := t.In(zone)
	year, month, day := local.Date()
	today := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	minute := local.Hour()*60 + local.Minute()
	return p.covers(today, minute, calendar) || p.covers(today.AddDate(0, 0, -1), minute+minutesOfDay, calendar)
}

// covers reports whether a slot that begins on a day holds the minute, counted from that day's midnight.
func (p Profile) covers(day time.Time, minute int, calendar Calendar) bool {
	slots, named := p.Slots, true
	date := day.Format(time.DateOnly)
	word := weekdays[day.Weekday()]
	if calendar.holiday(date) {
		word = OnHolidays
	}
	for _, e := range p.Exceptions {
		if sameDay(e.Date, date) {
			slots, named = e.Slots, false
			break
		}
	}
	for _, s := range slots {
		if (!named || s.on(word)) && s.covers(minute) {
			return true
		}
	}
	return false
}

func (s Slot) covers(minute int) bool {
	from, errFrom := minuteOf(s.From)
	to, errTo := minuteOf(s.To)
	if errFrom != nil || errTo != nil {
		return false
	}
	if to <= from {
		to += minutesOfDay
	}
	return from <= minute && minute < to
}

// Check reports what is wrong with the profile, or nil.
func (p Profile) Check() error {
	if p.Name == "" || len(p.Name) > 64 {
		return fmt.Errorf("cannot use schedule %q: its name must have 1 to 64 characters", p.Name)
	}
	if len(p.Slots) == 0 || len(p.Slots) > 64 {
		return fmt.Errorf("cannot use schedule %q: it has %d slots; give it 1 to 64", p.Name, len(p.Slots))
	}
	for i, s := range p.Slots {
		if err := s.check(); err != nil {
			return fmt.Errorf("cannot use schedule %q: slot %d: %w", p.Name, i+1, err)
		}
	}
	if len(p.Exceptions) > MaxExceptions {
		return fmt.Errorf("cannot use schedule %q: it has %d exceptions; %d are the most", p.Name, len(p.Exceptions), MaxExceptions)
	}
	for _, e := range p.Exceptions {
		if err := e.check(); err != nil {
			return fmt.Errorf("cannot use schedule %q: exception %q: %w", p.Name, e.Date, err)
		}
	}
	return nil
}

func (e Exception) check() error {
	if err := checkDate(e.Date); err != nil {
		return err
	}
	if len(e.Slots) > 8 {
		return fmt.Errorf("it has %d slots; 8 are the most", len(e.Slots))
	}
	for i, s := range e.Slots {
		if len(s.Days) > 0 {
			return fmt.Errorf("slot %d names days; an exception has its date alone", i+1)
		}
		if err := s.checkTimes(); err != nil {
			return fmt.Errorf("slot %d: %w", i+1, err)
		}
	}
	return nil
}

func (s Slot) check() error {
	if len(s.Days) == 0 {
		return errors.New("no days; write some of mon tue wed thu fri sat sun holiday")
	}
	for _, d := range s.Days {
		if !validDay(d) {
			return fmt.Errorf("unknown day %q; write mon tue wed thu fri sat sun holiday", d)
		}
	}
	return s.checkTimes()
}

func (s Slot) checkTimes() error {
	for _, m := range []string{s.From, s.To} {
		if _, err := minuteOf(m); err != nil {
			return err
		}
	}
	if s.From == "24:00" {
		return errors.New("it runs from 24:00; write 00:00 and name the day after")
	}
	if s.From == s.To {
		return fmt.Errorf("from and to are both %q; a whole day is 00:00 to 24:00", s.From)
	}
	return nil
}

func (s Slot) on(word string) bool {
	for _, d := range s.Days {
		if strings.EqualFold(d, word) {
			return true
		}
	}
	return false
}

func validDay(name string) bool {
	for _, d := range weekdays {
		if strings.EqualFold(d, name) {
			return true
		}
	}
	return strings.EqualFold(name, OnHolidays)
}

func minuteOf(text string) (int, error) {
	var h, m int
	if len(text) != 5 || text[2] != ':' {
		return 0, fmt.Errorf("cannot read time %q; write it as 08:30", text)
	}
	for i, digit := range []byte{text[0], text[1], text[3], text[4]} {
		if digit < '0' || digit > '9' {
			return 0, fmt.Errorf("cannot read time %q; write it as 08:30", text)
		}
		if i < 2 {
			h = h*10 + int(digit-'0')
		} else {
			m = m*10 + int(digit-'0')
		}
	}
	if minute := h*60 + m; m < 60 && minute <= minutesOfDay {
		return minute, nil
	}
	return 0, fmt.Errorf("cannot use time %q: it is past 24:00", text)
}
