package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// presencePort tells the pages who is inside, with their names.
type presencePort struct {
	agent *agent.Agent
	dir   *directory
}

func (p presencePort) Inside(ctx context.Context) ([]web.InsideView, error) {
	inside, err := p.agent.Inside(ctx)
	if err != nil {
		return nil, err
	}
	list := []web.InsideView{}
	err = p.dir.store.View(func(tx *storage.Tx) error {
		for _, one := range inside {
			v := web.InsideView{Person: one.Person, Door: one.Door, Since: one.Since, Trusted: one.Trusted}
			// A name that cannot be read leaves nobody off a roll call.
			if one.Person == "" {
				v.Person = "pass:" + one.Credential
				if g, found, err := p.dir.guests.GetTx(tx, one.Credential); err == nil && found {
					v.Name = g.Name + " (guest)"
				}
			} else if who, found, err := p.dir.people.GetTx(tx, one.Person); err == nil && found {
				v.Name = who.Name
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

func (p presencePort) ResetPresence(ctx context.Context, person, by string) error {
	return p.agent.Do(ctx, panel.PresenceReset{Person: person, Who: by})
}

// attendancePort reads from the journal when people came and went.
type attendancePort struct {
	journal *storage.Journal
	dir     *directory
	leaving map[string]bool // readers at which people go out
	zone    *time.Location
}

// maxAttendance bounds the days of people in one list.
const maxAttendance = 100_000

func (p attendancePort) Attendance(ctx context.Context, from, until time.Time, by string) ([]web.AttendanceDay, error) {
	s, err := p.dir.AccessSettings()
	if err != nil {
		return nil, err
	}
	if !s.Attendance {
		return nil, fmt.Errorf("cannot list attendance: it is switched off on this panel: %w", web.ErrConflict)
	}
	if oldest := p.dir.now().AddDate(0, 0, -cmp.Or(s.AttendanceDays, 31)); from.Before(oldest) {
		from = oldest
	}
	days, err := p.read(ctx, from, until)
	if err != nil {
		return nil, err
	}
	list := make([]web.AttendanceDay, 0, len(days))
	for _, day := range days {
		list = append(list, *day)
	}
	slices.SortFunc(list, func(a, b web.AttendanceDay) int {
		return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(a.Name, b.Name), strings.Compare(a.Person, b.Person))
	})
	p.dir.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: fmt.Sprintf("attendance listed: %s to %s", from.Format(time.DateOnly), until.Format(time.DateOnly))})
	return list, nil
}

// read goes back through the journal, newest first, until it is before the first day.
func (p attendancePort) read(ctx context.Context, from, until time.Time) (map[string]*web.AttendanceDay, error) {
	days := map[string]*web.AttendanceDay{}
	const page = 1000
	for before := ^uint64(0) >> 1; before > 0 && ctx.Err() == nil; {
		frames, err := p.journal.Before(before, page)
		if err != nil {
			return nil, err
		}
		for _, e := range entriesOf(frames) {
			before = e.Seq
			switch {
			// A clock that was not trusted may lie far off: it neither ends the search nor counts.
			case !e.Trusted:
			case e.Time.Before(from.Add(-time.Hour)):
				return days, nil
			case e.Kind == panel.AccessGranted && e.Who != "" && e.Credential != "" && !e.Time.Before(from) && e.Time.Before(until):
				p.count(days, e)
			}
			if len(days) > maxAttendance {
				return nil, invalid("cannot list attendance: there are more than %d days of people; ask for fewer days", maxAttendance)
			}
		}
		if len(frames) < page {
			break
		}
	}
	return days, ctx.Err()
}

func (p attendancePort) count(days map[string]*web.AttendanceDay, e web.JournalEntry) {
	person, _ := splitCredentialID(e.Credential)
	date := e.Time.In(p.zone).Format(time.DateOnly)
	day := days[date+person]
	if day == nil {
		day = &web.AttendanceDay{Day: date, Person: person, Name: e.Who}
		days[date+person] = day
	}
	if p.leaving[e.Reader] {
		if day.Out.IsZero() || e.Time.After(day.Out) {
			day.Out = e.Time
		}
	} else if day.In.IsZero() || e.Time.Before(day.In) {
		day.In = e.Time
	}
}
