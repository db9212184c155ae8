package web

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/panel/access"
)

// decisions is what the people of a house decided about access.
type decisions struct {
	groups   map[string]Group
	calendar access.Calendar
	policies map[string]access.DoorPolicy
	settings AccessSettings
}

func (h *house) accessPorts() AccessPorts {
	return AccessPorts{Groups: h, Calendars: h, Codes: h, Policies: h, Settings: h, Lists: h}
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

func (h *house) RedrawCode(_ context.Context, id, _ string) (access.Credential, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, has := h.credentials[id]
	if !has || c.Kind != access.Code {
		return access.Credential{}, "", fmt.Errorf("cannot draw code %q anew: %w", id, ErrNotFound)
	}
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
