package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
)

// mays asks the decision that the machine would make about a card now.
func (b *book) may(uid, door string, at time.Time) access.Why {
	b.t.Helper()
	f, err := b.Facts(access.Card, uid)
	if err != nil {
		b.t.Fatal(err)
	}
	_, why := access.Decide(access.Question{
		Door: door, Credential: f.Credential, Rights: f.Rights, Timetable: b.policies().Timetable, Now: at, Trusted: true, Zone: time.UTC,
	})
	return why
}

func TestRightsOfAPersonAndOfEveryGroupAddUp(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // a Monday
	night := noon.Add(10 * time.Hour)
	err := errors.Join(
		b.PutSchedule(ctx, access.Profile{Name: "office", Slots: []access.Slot{{Days: []string{"mon"}, From: "08:00", To: "18:00"}}}, "a"),
		b.PutGroup(ctx, web.Group{Name: "staff", Rights: []access.Right{{Doors: []string{"front"}, Profile: "office"}}}, "a"),
		b.PutGroup(ctx, web.Group{Name: "drivers", Rights: []access.Right{{Doors: []string{"garage"}}}, Emergency: true}, "a"),
		b.PutGroup(ctx, web.Group{Name: "nobody"}, "a"))
	if err != nil {
		t.Fatal(err)
	}
	card := func(n int, p web.Person) string {
		p.Name = fmt.Sprintf("Person %d", n)
		uid := fmt.Sprintf("04A1B2%02X", n)
		b.add(web.NewCredential{Person: b.save(p), Kind: access.Card, UID: uid})
		return uid
	}
	house := card(1, web.Person{})
	staff := card(2, web.Person{Groups: []string{"staff"}})
	both := card(3, web.Person{Groups: []string{"staff", "drivers"}})
	own := card(4, web.Person{Groups: []string{"nobody"}, Rights: []access.Right{{Doors: []string{"front"}, Until: noon.Add(time.Hour)}}})
	none := card(5, web.Person{Groups: []string{}})
	for _, c := range []struct {
		name, uid, door string
		at              time.Time
		want            access.Why
	}{
		{"who has neither groups nor rights when entered opens all", house, "garage", night, "card"},
		{"a group's right", staff, "front", noon, "card"},
		{"outside its schedule", staff, "front", night, access.OutsideSchedule},
		{"another door", staff, "garage", noon, access.OtherDoor},
		{"of two groups the one that permits", both, "garage", night, "card"},
		{"and the other still binds", both, "front", night, access.OutsideSchedule},
		{"an own right", own, "front", noon, "card"},
		{"that ended", own, "front", night, access.Expired},
		{"no right at all", none, "front", noon, access.NoRight},
	} {
		if got := b.may(c.uid, c.door, c.at); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if f, err := b.Facts(access.Card, both); err != nil || !f.Emergency {
		t.Errorf("%+v %v", f, err)
	}
	if f, err := b.Facts(access.Card, staff); err != nil || f.Emergency {
		t.Errorf("%+v %v", f, err)
	}

	// Who is taken out of the last group opens nothing: that is never "everything".
	p := b.found(web.PeopleQuery{Group: "staff", Limit: 10})
	if len(p) != 2 {
		t.Fatalf("members of staff: %q", p)
	}
	f, err := b.Facts(access.Card, staff)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutPerson(ctx, web.Person{ID: f.Credential.Person, Name: "Person 2", Groups: []string{}}, "a"); err != nil {
		t.Fatal(err)
	}
	if got := b.may(staff, "front", noon); got != access.NoRight {
		t.Errorf("taken out of the group: %s", got)
	}
	// A change of the group is in force with the next card.
	if err := b.PutGroup(ctx, web.Group{Name: "drivers"}, "a"); err != nil {
		t.Fatal(err)
	}
	if got := b.may(both, "garage", noon); got != access.OtherDoor {
		t.Errorf("after the group lost its right: %s", got)
	}
}

func TestGroupsCountTheirMembersAndStayWhileSomebodyIsInThem(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	for _, name := range []string{"staff", "staff 2"} {
		if err := b.PutGroup(ctx, web.Group{Name: name}, "a"); err != nil {
			t.Fatal(err)
		}
	}
	id := b.save(web.Person{Name: "Anna", Groups: []string{"staff 2"}})
	groups, err := b.Groups()
	if err != nil || len(groups) != 2 || groups[0].Members != 0 || groups[1].Members != 1 {
		t.Errorf("%+v %v", groups, err)
	}
	if err := b.DeleteGroup(ctx, "staff 2", "a"); !errors.Is(err, web.ErrConflict) {
		t.Error(err)
	}
	if err := b.DeleteGroup(ctx, "staff", "a"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(b.DeletePeople(ctx, []string{id}, "a"), b.DeleteGroup(ctx, "staff 2", "a")); err != nil {
		t.Error(err)
	}
	if err := b.DeleteGroup(ctx, "staff", "a"); !errors.Is(err, web.ErrNotFound) {
		t.Error(err)
	}
}

func TestWrongRightsAndGroupsAreRefusedInWords(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for want, rights := range map[string][]access.Right{
		`there is no door "vault"`:     {{Doors: []string{"vault"}}},
		`cannot use schedule "office"`: {{Profile: "office"}},
		"later than valid_from":        {{From: day, Until: day}},
		"are too many":                 make([]access.Right, 33),
	} {
		_, err := b.PutPerson(ctx, web.Person{Name: "Anna", Rights: rights}, "a")
		for _, err := range []error{err, b.PutGroup(ctx, web.Group{Name: "g", Rights: rights}, "a")} {
			if !errors.Is(err, web.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q, not %v", want, err)
			}
		}
	}
	for want, groups := range map[string][]string{`there is no group "g"`: {"g"}, "are too many": make([]string, 17)} {
		if _, err := b.PutPerson(ctx, web.Person{Name: "Anna", Groups: groups}, "a"); !errors.Is(err, web.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, not %v", want, err)
		}
	}
	if len(b.everybody()) != 0 || len(b.notes) != 0 {
		t.Errorf("%+v %+v", b.everybody(), b.notes)
	}
}

func TestScheduleStaysWhileAGroupAPersonOrADoorNeedsIt(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	if err := b.PutSchedule(ctx, access.Profile{Name: "office"}, "a"); err != nil {
		t.Fatal(err)
	}
	right := []access.Right{{Profile: "office"}}
	anna := b.save(web.Person{Name: "Anna", Rights: right})
	use := map[string]struct{ begin, end func() error }{
		`group "staff"`: {func() error { return b.PutGroup(ctx, web.Group{Name: "staff", Rights: right}, "a") }, func() error { return b.DeleteGroup(ctx, "staff", "a") }},
		`door "front"`: {func() error {
			return b.PutDoorPolicy(ctx, access.DoorPolicy{Door: "front", SecondFactor: "office"}, "a")
		}, func() error { return b.PutDoorPolicy(ctx, access.DoorPolicy{Door: "front"}, "a") }},
		"a person": {func() error { return nil }, func() error { return b.DeletePeople(ctx, []string{anna}, "a") }},
	}
	for _, who := range []string{`group "staff"`, `door "front"`, "a person"} {
		if err := use[who].begin(); err != nil {
			t.Fatal(err)
		}
		if err := b.DeleteSchedule(ctx, "office", "a"); !errors.Is(err, web.ErrConflict) || !strings.Contains(err.Error(), who) {
			t.Errorf("%s: %v", who, err)
		}
		if err := use[who].end(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.DeleteSchedule(ctx, "office", "a"); err != nil {
		t.Error(err)
	}
}

func TestMachineHearsOfEveryDecisionAboutDoorsAndDays(t *testing.T) {
	b := newBook(t, openStore(t, t.TempDir()))
	ctx := context.Background()
	var heard panel.PoliciesChanged
	b.decide = func(e panel.PoliciesChanged) { heard = e }
	err := errors.Join(
		b.PutSchedule(ctx, access.Profile{Name: "night"}, "a"),
		b.PutCalendar(ctx, access.Calendar{Holidays: []access.Holiday{{Date: "12-25"}}}, "a"),
		b.PutDoorPolicy(ctx, access.DoorPolicy{Door: "front", SecondFactor: "night", Passback: access.PassbackHard}, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if len(heard.Timetable.Profiles) != 1 || len(heard.Timetable.Calendar.Holidays) != 1 || len(heard.Doors) != 1 || heard.Doors[0].SecondFactor != "night" {
		t.Errorf("%+v", heard)
	}
	if next := newBook(t, b.store).policies(); fmt.Sprint(next) != fmt.Sprint(heard) {
		t.Errorf("the next start hears %+v", next)
	}
	list, err := b.DoorPolicies()
	if err != nil || len(list) != 2 || list[0].Passback != access.PassbackHard || list[1].Door != "garage" {
		t.Errorf("%+v %v", list, err)
	}
	for want, err := range map[string]error{
		`there is no door "vault"`:  b.PutDoorPolicy(ctx, access.DoorPolicy{Door: "vault"}, "a"),
		`cannot use schedule "day"`: b.PutDoorPolicy(ctx, access.DoorPolicy{Door: "front", SecondFactor: "day"}, "a"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, not %v", want, err)
		}
	}
}
