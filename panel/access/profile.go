package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Profile is a weekly schedule in the site's time zone. A moment belongs to it when the clock on the wall, read in that
// zone, shows a time inside one of the slots. So an hour that a DST change skips is never inside, and an hour that is
// lived twice is inside both times.
type Profile struct {
	Name  string `json:"name"`
	Slots []Slot `json:"slots"`
}

// Slot is a span [From, To) of minutes after midnight on some days of the week. A slot whose To is not after its From
// runs into the next day.
type Slot struct {
	Days []string `json:"days"` // mon tue wed thu fri sat sun
	From string   `json:"from"` // 08:00
	To   string   `json:"to"`   // 18:00; 24:00 is midnight at the end of the day
}

const minutesOfDay = 24 * 60

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Contains reports whether the moment lies inside one of the slots. A slot that cannot be read contains nothing.
func (p Profile) Contains(t time.Time, zone *time.Location) bool {
	if zone == nil {
		zone = time.UTC
	}
	local := t.In(zone)
	today, minute := local.Weekday(), local.Hour()*60+local.Minute()
	yesterday := (today + 6) % 7
	for _, s := range p.Slots {
		from, errFrom := minuteOf(s.From)
		to, errTo := minuteOf(s.To)
		if errFrom != nil || errTo != nil {
			continue
		}
		if from < to {
			if s.on(today) && from <= minute && minute < to {
				return true
			}
			continue
		}
		if s.on(today) && minute >= from || s.on(yesterday) && minute < to {
			return true
		}
	}
	return false
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
	return nil
}

func (s Slot) check() error {
	if len(s.Days) == 0 {
		return errors.New("no days; write some of mon tue wed thu fri sat sun")
	}
	for _, d := range s.Days {
		if !validDay(d) {
			return fmt.Errorf("unknown day %q; write mon tue wed thu fri sat sun", d)
		}
	}
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

func (s Slot) on(day time.Weekday) bool {
	for _, d := range s.Days {
		if strings.EqualFold(d, weekdays[day]) {
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
	return false
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
