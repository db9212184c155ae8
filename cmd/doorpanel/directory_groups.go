package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// groupRecord is a group as the store keeps it, under its name. Who belongs to it is in the persons' records.
type groupRecord struct {
	Note      string         `json:"note,omitempty"`
	Rights    []access.Right `json:"rights,omitempty"`
	Emergency bool           `json:"emergency,omitempty"`
}

// The bounds of rights and groups: a decision reads all of one person's.
const (
	maxRights       = 32
	maxGroups       = 256
	maxPersonGroups = 16
)

// Groups lists the groups by name, with the number of their members.
func (d *directory) Groups() ([]web.Group, error) {
	list := []web.Group{}
	err := d.store.View(func(tx *storage.Tx) error {
		members := map[string]int{}
		for _, value := range d.names.AllTx(tx) {
			for field := range strings.SplitSeq(string(value), separator) {
				if name, is := strings.CutPrefix(field, groupMark("")); is {
					members[name]++
				}
			}
		}
		for name, g := range d.groups.AllTx(tx) {
			list = append(list, web.Group{Name: name, Note: g.Note, Rights: g.Rights, Emergency: g.Emergency, Members: members[name]})
		}
		return nil
	})
	return list, err
}

// PutGroup makes or changes a group. It is in force with the next card.
func (d *directory) PutGroup(_ context.Context, g web.Group, by string) error {
	if err := checkName("group", g.Name); err != nil {
		return err
	}
	err := d.update(func(tx *storage.Tx) error {
		if err := d.checkRightsTx(tx, g.Rights); err != nil {
			return err
		}
		if _, known, err := d.groups.GetTx(tx, g.Name); err != nil {
			return err
		} else if !known && countTx(d.groups, tx) >= maxGroups {
			return invalid("cannot save group %q: there are %d already; delete one that nobody is in", g.Name, maxGroups)
		}
		return d.groups.PutTx(tx, g.Name, groupRecord{Note: g.Note, Rights: g.Rights, Emergency: g.Emergency})
	})
	if err != nil {
		return storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "group saved: " + g.Name})
	return nil
}

func countTx[T any](t storage.Table[T], tx *storage.Tx) (n int) {
	for range t.AllTx(tx) {
		n++
	}
	return n
}

// DeleteGroup takes a group away that nobody is in.
func (d *directory) DeleteGroup(_ context.Context, name, by string) error {
	err := d.update(func(tx *storage.Tx) error {
		if _, found, err := d.groups.GetTx(tx, name); err != nil || !found {
			return cmp.Or(err, notFound("cannot delete group %q: there is none", name))
		}
		if d.mentionedTx(tx, groupMark(name)) {
			return fmt.Errorf("cannot delete group %q: people are in it; take them out first: %w", name, web.ErrConflict)
		}
		return d.groups.DeleteTx(tx, name)
	})
	if err != nil {
		return storeError(err)
	}
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "group deleted: " + name})
	return nil
}

// checkRightsTx refuses rights that name what is not there.
func (d *directory) checkRightsTx(tx *storage.Tx, rights []access.Right) error {
	if len(rights) > maxRights {
		return invalid("cannot save rights: %d are too many, %d are the most", len(rights), maxRights)
	}
	for _, r := range rights {
		if err := d.checkRightTx(tx, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) checkRightTx(tx *storage.Tx, r access.Right) error {
	for _, door := range r.Doors {
		if !slices.Contains(d.doors, door) {
			return invalid("cannot save right: there is no door %q; the doors are %s", door, strings.Join(d.doors, ", "))
		}
	}
	if !r.From.IsZero() && !r.Until.IsZero() && !r.From.Before(r.Until) {
		return invalid("cannot save right: valid_until must be later than valid_from")
	}
	if r.Profile == "" {
		return nil
	}
	return d.checkScheduleTx(tx, r.Profile)
}

func (d *directory) checkScheduleTx(tx *storage.Tx, name string) error {
	_, found, err := d.schedules.GetTx(tx, name)
	if err != nil || found {
		return err
	}
	return invalid("cannot use schedule %q: there is no schedule of this name; make it first", name)
}

// checkGroupsTx refuses groups that are not there.
func (d *directory) checkGroupsTx(tx *storage.Tx, names []string) error {
	if len(names) > maxPersonGroups {
		return invalid("cannot save person: %d groups are too many, %d are the most", len(names), maxPersonGroups)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return invalid("cannot save person: group %q is named twice", name)
		}
		if _, found, err := d.groups.GetTx(tx, name); err != nil {
			return err
		} else if !found {
			return invalid("cannot save person: there is no group %q; make it first", name)
		}
	}
	return nil
}

// rightsTx is everything a person may do: what the person may, and what each group may.
func (d *directory) rightsTx(tx *storage.Tx, p personRecord) (rights []access.Right, emergency bool, err error) {
	rights = slices.Clone(p.Rights)
	for _, name := range p.Groups {
		g, found, err := d.groups.GetTx(tx, name)
		if err != nil {
			return nil, false, err
		}
		if found {
			rights, emergency = append(rights, g.Rights...), emergency || g.Emergency
		}
	}
	return rights, emergency, nil
}

// scheduleUserTx says who needs a schedule, or nothing.
func (d *directory) scheduleUserTx(tx *storage.Tx, name string) string {
	uses := func(r access.Right) bool { return r.Profile == name }
	for group, g := range d.groups.AllTx(tx) {
		if slices.ContainsFunc(g.Rights, uses) {
			return fmt.Sprintf("group %q", group)
		}
	}
	for door, p := range d.doorPolicies.AllTx(tx) {
		if p.SecondFactor == name {
			return fmt.Sprintf("the policy of door %q", door)
		}
	}
	if d.mentionedTx(tx, scheduleMark(name)) {
		return "a person, a card or a code"
	}
	return ""
}

// calendarKey is the place of the one calendar.
const calendarKey = "site"

// Calendar is the site's holidays.
func (d *directory) Calendar() (access.Calendar, error) {
	c, _, err := d.calendars.Get(calendarKey)
	return c, err
}

// PutCalendar replaces the site's holidays, which have passed Check.
func (d *directory) PutCalendar(_ context.Context, c access.Calendar, by string) error {
	if err := d.calendars.Put(calendarKey, c); err != nil {
		return storeError(err)
	}
	d.decide(d.policies())
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "calendar saved"})
	return nil
}

// DoorPolicies lists what was decided about each door, in the order of the configuration.
func (d *directory) DoorPolicies() ([]access.DoorPolicy, error) {
	list := []access.DoorPolicy{}
	for _, door := range d.doors {
		p, _, err := d.doorPolicies.Get(door)
		if err != nil {
			return nil, err
		}
		p.Door = door
		list = append(list, p)
	}
	return list, nil
}

// PutDoorPolicy decides about a door. The policy has passed Check.
func (d *directory) PutDoorPolicy(_ context.Context, p access.DoorPolicy, by string) error {
	if !slices.Contains(d.doors, p.Door) {
		return notFound("cannot save policy: there is no door %q; the doors are %s", p.Door, strings.Join(d.doors, ", "))
	}
	err := d.update(func(tx *storage.Tx) error {
		if p.SecondFactor != "" {
			if err := d.checkScheduleTx(tx, p.SecondFactor); err != nil {
				return err
			}
		}
		return d.doorPolicies.PutTx(tx, p.Door, p)
	})
	if err != nil {
		return storeError(err)
	}
	d.decide(d.policies())
	d.note(panel.Entry{Kind: panel.ConfigIs, Who: by, Door: p.Door, Detail: "door policy saved"})
	return nil
}

// policies is what the machine decides by. What cannot be read is left out: a schedule that is not there lets nobody in, and
// a door without a policy asks for one credential as it always did.
func (d *directory) policies() panel.PoliciesChanged {
	var e panel.PoliciesChanged
	for _, p := range d.schedules.All() {
		e.Timetable.Profiles = append(e.Timetable.Profiles, p)
	}
	if c, _, err := d.calendars.Get(calendarKey); err == nil {
		e.Timetable.Calendar = c
	}
	for _, p := range d.doorPolicies.All() {
		e.Doors = append(e.Doors, p)
	}
	return e
}
