package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// decisions is what the people of a house decided about access.
type decisions struct {
	groups   map[string]Group
	calendar access.Calendar
	policies map[string]access.DoorPolicy
	settings AccessSettings
	guests   map[string]Guest
	short    map[string]bool // codes that are too short now
	away     bool            // nobody is inside
}

func (h *house) accessPorts() AccessPorts {
	return AccessPorts{Groups: h, Calendars: h, Codes: h, Policies: h, Settings: h, Lists: h, Guests: h, Presence: h, Attendance: h}
}

func (h *house) Groups() ([]Group, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	groups := sorted(h.decided.groups, "", len(h.decided.groups))
	for i := range groups {
		for _, p := range h.people {
			if slices.Contains(p.Groups, groups[i].Name) {
				groups[i].Members++
			}
		}
	}
	return groups, h.fail
}

func (h *house) PutGroup(_ context.Context, g Group, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.decided.groups == nil {
		h.decided.groups = map[string]Group{}
	}
	h.decided.groups[g.Name] = g
	return h.fail
}

func (h *house) DeleteGroup(_ context.Context, name, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, has := h.decided.groups[name]; !has {
		return fmt.Errorf("cannot delete group %q: %w", name, ErrNotFound)
	}
	delete(h.decided.groups, name)
	return nil
}

func (h *house) Calendar() (access.Calendar, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.decided.calendar, h.fail
}

func (h *house) PutCalendar(_ context.Context, c access.Calendar, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decided.calendar = c
	return h.fail
}

func (h *house) DoorPolicies() ([]access.DoorPolicy, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.decided.policies["front"]
	p.Door = "front"
	return []access.DoorPolicy{p}, h.fail
}

func (h *house) PutDoorPolicy(_ context.Context, p access.DoorPolicy, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Door != "front" {
		return fmt.Errorf("cannot save policy: there is no door %q: %w", p.Door, ErrNotFound)
	}
	h.decided.policies = map[string]access.DoorPolicy{p.Door: p}
	return h.fail
}

func (h *house) AccessSettings() (AccessSettings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.decided.settings, h.fail
}

func (h *house) PutAccessSettings(_ context.Context, s AccessSettings, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decided.settings = s
	return h.fail
}

func (h *house) ShortCodes(after string, limit int) (ShortCodes, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	page := ShortCodes{}
	for _, c := range sorted(h.credentials, after, limit) {
		if h.decided.short[c.ID] {
			page.Credentials = append(page.Credentials, ShortCode{Credential{Credential: c, Digits: 6, NeedsDigits: 7}, h.people[c.Person].Name})
		}
	}
	return page, nil
}

func (h *house) RedrawCode(_ context.Context, id, _ string) (access.Credential, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, has := h.credentials[id]
	if !has || c.Kind != access.Code {
		return access.Credential{}, "", fmt.Errorf("cannot draw code %q anew: %w", id, ErrNotFound)
	}
	delete(h.decided.short, id)
	return c, "5820417", nil
}

func (h *house) ImportPeople(_ context.Context, content []byte, o ImportOptions, progress func(ImportProgress) error) (ImportResult, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	result := ImportResult{}
	for line := range strings.Lines(string(content)) {
		result.Rows++
		name := strings.TrimSpace(line)
		if name == "" {
			result.MistakeCount++
			result.Mistakes = append(result.Mistakes, ImportMistake{result.Rows, "the name is empty"})
			continue
		}
		result.Added++
		result.Differences = append(result.Differences, ImportDifference{Line: result.Rows, Name: name, What: "added"})
	}
	if o.DryRun || result.MistakeCount > 0 {
		return result, h.fail
	}
	for _, d := range result.Differences {
		h.putPerson(Person{Name: d.Name}, o.By)
	}
	result.Differences = nil
	return result, progress(ImportProgress{Done: result.Rows, Of: result.Rows, Codes: []DrawnCode{{Line: 1, Name: "Ada Lovelace", Code: "4839207"}}})
}

func (h *house) ExportPeople(_ context.Context, take func(ExportedPerson) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range sorted(h.people, "", len(h.people)) {
		if err := take(ExportedPerson{ID: p.ID, Name: p.Name, Note: p.Note, Flat: p.Flat}); err != nil {
			return err
		}
	}
	return h.fail
}

func (h *house) Guests(by string) ([]Guest, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []Guest
	for _, g := range sorted(h.decided.guests, "", len(h.decided.guests)) {
		if by == "" || g.By == by {
			list = append(list, g)
		}
	}
	return list, h.fail
}

func (h *house) MakeGuest(_ context.Context, n NewGuest, by string) (Guest, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := Guest{ID: fmt.Sprintf("g%d", len(h.decided.guests)+1), Name: n.Name, By: by, Kind: n.Kind, Doors: n.Doors, From: n.From, Until: n.Until, Uses: n.Uses}
	if h.decided.guests == nil {
		h.decided.guests = map[string]Guest{}
	}
	h.decided.guests[g.ID] = g
	switch {
	case g.Kind == access.Pass:
		return g, "DG1:" + g.ID, h.fail
	case n.Digits > 0:
		return g, strings.Repeat("4", n.Digits), h.fail
	}
	return g, "483920", h.fail
}

func (h *house) RevokeGuest(_ context.Context, id, by string, any bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	g, has := h.decided.guests[id]
	if !has || !any && g.By != by {
		return fmt.Errorf("cannot withdraw pass %q: %w", id, ErrNotFound)
	}
	g.Revoked = true
	h.decided.guests[id] = g
	return nil
}

func (h *house) ShowGuest(id, by string, any bool) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g, has := h.decided.guests[id]
	if !has || !any && g.By != by || g.Kind != access.Pass {
		return "", fmt.Errorf("cannot show pass %q: %w", id, ErrNotFound)
	}
	return "DG1:" + id, nil
}

func (h *house) Inside(context.Context) ([]InsideView, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.decided.away {
		return nil, h.fail
	}
	return []InsideView{{Person: "p1", Name: "Ada Lovelace", Door: "front", Since: h.now.Wall.Add(-time.Hour), Trusted: true}}, h.fail
}

func (h *house) ResetPresence(context.Context, string, string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decided.away = true
	return h.fail
}

func (h *house) Attendance(_ context.Context, from, _ time.Time, by string) ([]AttendanceDay, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.decided.settings.Attendance {
		return nil, fmt.Errorf("cannot list attendance: it is switched off: %w", ErrConflict)
	}
	h.record(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "attendance listed"})
	return []AttendanceDay{{Day: from.Format(time.DateOnly), Person: "p1", Name: "=Ada", In: from}}, h.fail
}
