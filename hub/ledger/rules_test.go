package ledger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

func TestNothingMovesToAnotherProject(t *testing.T) {
	w := residence(t)
	w.group("stranger", "", "", ledger.Limits{})
	w.group("s1", "stranger", "building", ledger.Limits{})
	w.refused(ledger.MoveGroup{ID: "a1", To: "s1"}, ledger.OtherProject, "do not move to another")
	w.do(ledger.AddUser{User: ledger.User{ID: "rossi", Groups: []string{"a1"}}})
	w.refused(ledger.EditUser{ID: "rossi", Groups: &[]string{"s1"}}, ledger.OtherProject, "his company")
	w.refused(ledger.AddUser{User: ledger.User{ID: "verdi", Groups: []string{"a1", "s1"}}}, ledger.OtherProject, "one company only")
	w.refused(ledger.ActivatePackage{Root: "company", ID: packageID(1), For: "stranger", Grant: grants(1, 1)}, ledger.OtherProject, "not transferable")
	w.refused(ledger.ActivatePackage{Root: "a", ID: packageID(1), Grant: grants(1, 1)}, ledger.OtherProject, "is no company")
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(1, 1)})
	w.refused(ledger.ActivatePackage{Root: "stranger", ID: packageID(1), Grant: grants(1, 1)}, ledger.Taken, "used in another project")
	if c := w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(1, 1)}); !c.Empty() {
		t.Errorf("activated twice: %+v", c)
	}
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "a1"})
	w.refused(ledger.RegisterDevice{ID: panelID(1), Group: "s1"}, ledger.OtherProject, "another project")
}

func TestAMovedGroupKeepsItsBlocksAndItsUseHasToFit(t *testing.T) {
	w := residence(t)
	w.group("small", "company", "building", limits(block("b", sip(1))))
	w.use("second", "a3")
	r := w.refused(ledger.MoveGroup{ID: "a3", To: "small"}, ledger.LimitReached, "small has 0 SIP numbers in use of 1: 2 more do not fit")
	if r.Most != 1 || r.Binds[0].Group != "small" {
		t.Errorf("refusal %+v", r)
	}
	w.refused(ledger.MoveGroup{ID: "a2", To: "small"}, ledger.BeyondParent, "2 SIP numbers asked, small has 1")
	w.do(ledger.Release{Use: "second"}, ledger.MoveGroup{ID: "a3", To: "small"})
	expect(t, w.line("small", "sip_numbers"), 1, 1, 0)
	expect(t, w.line("a", "sip_numbers"), 50, 0, 49)
	w.refused(ledger.MoveGroup{ID: "small", To: "a3"}, ledger.Invalid, "is below")
}

func TestAGroupDoesNotTakeThePanelsAwayThatOthersStandOn(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", ledger.Limits{})
	w.group("a", "company", "building", limits())
	w.group("f1", "a", "floors", ledger.Limits{})
	w.group("f2", "a", "floors", ledger.Limits{})
	w.do(ledger.RegisterDevice{ID: panelID(1), Group: "f1"})
	w.use("n", "f2")
	w.refused(ledger.MoveGroup{ID: "f1", To: "company"}, ledger.BelowUse, "a: 1 in use, cannot lower to 0")
	w.refused(ledger.RegisterDevice{ID: panelID(1), Group: "company"}, ledger.BelowUse, "a: 1 in use, cannot lower to 0")
	w.do(ledger.Release{Use: "n"}, ledger.MoveGroup{ID: "f1", To: "company"})
}

func TestWhoIsSuspendedInOneGroupMakesRoomInHisOther(t *testing.T) {
	w := newWorld(t)
	first, second := start.AddDate(0, 0, 1), start.AddDate(0, 0, 2)
	w.group("company", "", "", ledger.Limits{})
	w.group("one", "company", "building", limits(block("b", ledger.Amounts{}), blocks{block("c", sip(1))}.until(second)))
	w.group("two", "company", "building", limits(block("b", sip(1)), blocks{block("c", sip(1))}.until(first)))
	w.do(ledger.AddUser{User: ledger.User{ID: "rossi", Groups: []string{"one", "two"}}}, ledger.Consume{ID: "his", User: "rossi"})
	w.now = w.now.Add(time.Minute)
	w.use("other", "two")
	if c := w.tick(first); fmt.Sprint(c.Entries[0].Stopped) != "[other]" {
		t.Fatalf("first %+v", c.Entries)
	}
	if c := w.tick(second); fmt.Sprint(c.Entries[0].Stopped, c.Entries[0].Resumed) != "[his] [other]" {
		t.Fatalf("then %+v", c.Entries)
	}
}

func TestATrialIsThePartnersNotTheCompanys(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.group("another", "", "", limits())
	w.do(ledger.StartTrial{Root: "company", Registration: "partner 7"})
	w.refused(ledger.StartTrial{Root: "another", Registration: "partner 7"}, ledger.OnlyOnce, "there is one")
	w.refused(ledger.StartTrial{Root: "company", Registration: "partner 8"}, ledger.OnlyOnce, "had its Trial")
}

func TestReservedModeKeepsForEachWhatItWasPromised(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", ledger.Limits{Restricted: true, Mode: ledger.Reserved, Blocks: []ledger.Block{block("b", sip(10))}})
	w.group("hall", "company", "building", ledger.Limits{})
	w.group("one", "hall", "floors", limits(block("b", sip(6))))
	w.refused(ledger.CreateGroup{Group: ledger.Group{ID: "two", Name: "two", Parent: "hall", Level: "floors", Limits: limits(block("b", sip(5)))}},
		ledger.ReservedFull, "company reserves 10 SIP numbers for what is below, which comes to 11")
	w.group("two", "hall", "floors", limits(block("b", sip(3))))
	w.use("outside", "hall")
	r := w.refused(ledger.Consume{ID: "more", Group: "hall"}, ledger.LimitReached, "blocked by company: 10 of 10 used or reserved for groups below")
	if !r.Binds[0].Reserved {
		t.Errorf("bound by %+v", r.Binds)
	}
	for i := range 6 {
		w.use(fmt.Sprint("n", i), "one")
	}
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(block("b", sip(10)))}, ledger.SaveLicenses{Above: true, Group: "two", Limits: limits(block("b", sip(10)))})
	w.refused(ledger.SaveLicenses{Above: true, Group: "company", Limits: ledger.Limits{Restricted: true, Mode: ledger.Reserved, Blocks: []ledger.Block{block("b", sip(10))}}},
		ledger.ReservedFull, "one 6, two 10, in use outside them 1")
}

func TestWhoeverIsPinnedStaysAndTheNewestAreSuspendedFirst(t *testing.T) {
	w := newWorld(t)
	until := start.AddDate(0, 0, 2)
	w.group("company", "", "", limits(block("small", sip(2)), blocks{block("large", sip(3))}.until(until)))
	for i := range 5 {
		w.use(fmt.Sprint("n", i), "company")
		w.now = w.now.Add(time.Minute)
	}
	w.do(ledger.Pin{Use: "n4", On: true})
	if c := w.tick(until); fmt.Sprint(c.Entries[0].Stopped) != "[n1 n2 n3]" {
		t.Errorf("stopped %v", c.Entries[0].Stopped)
	}
	if line := w.line("company", "sip_numbers"); line.Over != 3 || line.Active != 2 || line.Available != 0 || !strings.Contains(line.Text, "3 over") {
		t.Errorf("after the end: %+v", line)
	}
	if c := w.do(ledger.Pin{Use: "n4"}); fmt.Sprint(c.Entries[0].Stopped, c.Entries[0].Resumed) != "[n4] [n1]" {
		t.Errorf("no longer pinned: %+v", c.Entries[0])
	}
	if c := w.do(ledger.Release{Use: "n0"}); fmt.Sprint(c.Entries[0].Resumed) != "[n2]" {
		t.Errorf("after a release: %+v", c.Entries[0])
	}
	w.now = until.Add(-time.Hour) // a clock that was wrong and is set right
	if w.tick(w.now); w.line("company", "sip_numbers").Active != 4 {
		t.Errorf("set back: %+v", w.line("company", "sip_numbers"))
	}
}

func TestWhatIsMadeSmallerWhileSuspendedIsNotSuspendedOnceMore(t *testing.T) {
	w := newWorld(t)
	until := start.AddDate(0, 0, 2)
	small, large := ledger.Block{ID: "small", Counts: ledger.Buttons.Of(1)}, ledger.Block{ID: "large", Counts: ledger.Buttons.Of(3), Until: until}
	w.group("company", "", "", ledger.Limits{Restricted: true, Blocks: []ledger.Block{small, large}})
	w.do(ledger.Consume{ID: "n", Resource: ledger.Buttons, Count: 4, Group: "company"})
	if c := w.tick(until); fmt.Sprint(c.Entries[0].Stopped) != "[n]" {
		t.Fatalf("at the end of three: %+v", c.Entries)
	}
	if c := w.do(ledger.Resize{Use: "n", Count: 3}); len(c.Entries) != 1 || c.Entries[0].Stopped != nil || c.Uses[0].Active != 1 {
		t.Errorf("made smaller: %+v %+v", c.Entries, c.Uses)
	}
}

func TestRemindersComeOnTheirDaysAndOnceHoweverLongTheHubWasDown(t *testing.T) {
	w := newWorld(t)
	until := time.Date(2026, time.April, 1, 0, 0, 0, 0, rome(t))
	w.do(ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "company", Zone: "Europe/Rome", Administrators: []string{"boss@example.org"}}})
	l := limits(blocks{block("b", sip(5))}.until(until))
	l.Reminder = &ledger.Reminder{Days: 5, Every: ledger.Daily, To: []string{"also@example.org"}}
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: l})
	w.group("a", "company", "building", l)
	for i := range 3 {
		w.use(fmt.Sprint("n", i), "company")
		w.now = w.now.Add(time.Minute)
	}
	next, err := ledger.NextChange(w.book, w.now)
	if want := time.Date(2026, time.March, 27, 8, 0, 0, 0, rome(t)); err != nil || !next.Equal(want) {
		t.Fatalf("next change %v, not %v (%v)", next, want, err)
	}
	due, err := ledger.Reminders(w.book, "company", w.now, until)
	if err != nil || len(due) != 5 || due[4].Days != 1 || fmt.Sprint(due[0].To) != "[also@example.org boss@example.org]" || due[0].Days != 5 {
		t.Fatalf("preview %+v (%v)", due, err)
	}
	if c := w.tick(next); len(c.Reminders) != 2 || c.Reminders[0].Stops[ledger.SIPNumbers] != 0 && c.Reminders[1].Stops[ledger.SIPNumbers] != 3 {
		t.Errorf("on the first day: %+v", c.Reminders)
	} else if c.Reminders[0].Group != "a" || c.Reminders[0].To[1] != "boss@example.org" {
		t.Errorf("the nearest administrator: %+v", c.Reminders[0])
	} else if got := fmt.Sprint(c.Reminders[1].Stopping); got != "[n2 n1 n0]" {
		t.Errorf("who would stop: %s", got)
	}
	if c := w.tick(next.Add(time.Hour)); len(c.Reminders) != 0 {
		t.Errorf("told twice: %+v", c.Reminders)
	}
	c := w.tick(time.Date(2026, time.March, 30, 7, 0, 0, 0, rome(t)))
	if len(c.Reminders) != 2 || c.Reminders[0].Days != 3 {
		t.Errorf("down for two days: %+v", c.Reminders)
	}
	if c := w.tick(w.now.Add(time.Minute)); len(c.Reminders) != 0 {
		t.Errorf("and again for the other day: %+v", c.Reminders)
	}
	if c := w.tick(until); len(c.Reminders) != 0 {
		t.Errorf("after the end: %+v", c.Reminders)
	}
}

func TestAReminderSavedLateComesAtOnceAndOnce(t *testing.T) {
	w := newWorld(t)
	l := limits(blocks{block("b", sip(5))}.until(start.AddDate(0, 0, 10)))
	l.Reminder = &ledger.Reminder{Days: 30, Every: ledger.Weekly}
	w.group("company", "", "", l)
	if c := w.tick(w.now); len(c.Reminders) != 1 || c.Reminders[0].Days != 10 {
		t.Fatalf("saved late: %+v", c.Reminders)
	}
	l.Blocks = w.state("company").Blocks
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: l})
	if c := w.tick(w.now); len(c.Reminders) != 0 {
		t.Errorf("saved again without a change: %+v", c.Reminders)
	}
	if c := w.tick(start.AddDate(0, 0, 10).Add(-time.Minute)); len(c.Reminders) != 1 {
		t.Errorf("the weekly one after it: %+v", c.Reminders)
	}
}

func rome(t testing.TB) *time.Location {
	zone, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestTheSameDateInAnotherZoneIsClipped(t *testing.T) {
	w := newWorld(t)
	w.do(ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "company", Zone: "Europe/Rome"}})
	ends := time.Date(2027, time.January, 1, 0, 0, 0, 0, rome(t))
	w.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(blocks{block("b", sip(5))}.until(ends))})
	w.do(ledger.CreateGroup{Group: ledger.Group{ID: "york", Name: "york", Parent: "company", Level: "building", Zone: "America/New_York"}})
	york, _ := time.LoadLocation("America/New_York")
	c := w.do(ledger.SaveLicenses{Above: true, Group: "york", Limits: limits(blocks{block("b", sip(5))}.until(time.Date(2027, time.January, 1, 0, 0, 0, 0, york)))})
	if len(c.Notices) != 1 || c.Notices[0].Code != "clipped" || !w.state("york").Blocks[0].Until.Equal(ends) {
		t.Errorf("notices %+v, until %v", c.Notices, w.state("york").Blocks[0].Until)
	}
	w.refused(ledger.SaveLicenses{Above: true, Group: "york", Limits: limits(blocks{block("b", sip(5))}.until(time.Date(2027, time.January, 2, 0, 0, 0, 0, york)))},
		ledger.WindowBeyond, "with company")
}

func TestAResidentIsToldNoMoreThanHeMaySee(t *testing.T) {
	w := residence(t)
	building, manager := "a", "Ms. Bianchi"
	w.do(ledger.EditGroup{ID: building, Manager: &manager}, ledger.SaveLicenses{Above: true, Group: "a", Limits: limits(block("b", sip(1)))})
	w.do(ledger.AddUser{User: ledger.User{ID: "rossi", Groups: []string{"a3"}}})
	r := w.refused(ledger.Consume{ID: "more", User: "rossi"}, ledger.LimitReached, "blocked by a: 1 of 1 used")
	seen := r.For(ledger.Asker{})
	if seen.Text != "your building's limit is reached; ask Ms. Bianchi" {
		t.Errorf("a resident reads %q", seen.Text)
	}
	text, _ := json.Marshal(seen)
	for _, secret := range []string{`"a"`, "company", `"limit":1`} {
		if strings.Contains(string(text), secret) {
			t.Errorf("a resident is told %s: %s", secret, text)
		}
	}
	s, err := ledger.StateOf(w.book, w.now, ledger.Subject{User: "rossi"}, ledger.Asker{})
	if text, _ := json.Marshal(s); err != nil || strings.Contains(string(text), `"group"`) || s.Line("sip_numbers").Text != seen.Text {
		t.Errorf("a resident's state: %s (%v)", text, err)
	}
	for _, subject := range []ledger.Subject{{Group: "a"}, {Group: "nothing"}, {Group: "company"}} {
		_, err := ledger.StateOf(w.book, w.now, subject, ledger.Asker{Top: "a1"})
		if r, ok := err.(*ledger.Refusal); !ok || r.Reason != ledger.Unknown || r.Text != "there is no such group" {
			t.Errorf("%v is told apart: %v", subject, err)
		}
	}
	dealer, err := ledger.StateOf(w.book, w.now, ledger.Subject{Group: "a3"}, ledger.Asker{Top: "a"})
	if err != nil || dealer.Path[0].Group != "a" || dealer.Line("sip_numbers").Text != "blocked by a: 1 of 1 used" {
		t.Errorf("a dealer's state: %+v (%v)", dealer, err)
	}
}

func TestForcedReleasesAreFewAndShown(t *testing.T) {
	w := residence(t)
	w.do(ledger.RegisterDevice{ID: panelID(0), Group: "a"}, ledger.Consume{ID: "keys", Resource: ledger.SIPNumbers, Group: "a", Panel: panelID(0)})
	w.do(ledger.ReplaceDevice{Dead: panelID(0), Fresh: panelID(1)})
	if u := w.book.uses["keys"]; u.Panel != panelID(1) || w.book.devices[panelID(1)].ForcedSince(start.AddDate(-1, 0, 0)) != 1 {
		t.Errorf("replaced: %+v, %+v", u, w.book.devices[panelID(1)])
	}
	if w.state("a").Count.Devices != 1 {
		t.Errorf("panels: %d", w.state("a").Count.Devices)
	}
	w.refused(ledger.ReplaceDevice{Dead: panelID(1), Fresh: panelID(2)}, ledger.TooOften, "again from 2026-03-16")
	w.now = start.AddDate(0, 1, 0)
	w.do(ledger.ReplaceDevice{Dead: panelID(1), Fresh: panelID(2)})
	w.now = start.AddDate(0, 2, 0)
	w.refused(ledger.ReplaceDevice{Dead: panelID(2), Fresh: panelID(3)}, ledger.TooOften, "2 of 2 forced releases in a year are used here")
	w.do(ledger.ReplaceDevice{Dead: panelID(2), Fresh: panelID(3), Approved: true})
	w.refused(ledger.RegisterDevice{ID: panelID(0), Group: "a"}, ledger.Taken, "took the place")
	w.now = start.AddDate(1, 3, 0)
	w.do(ledger.ReplaceDevice{Dead: panelID(3), Fresh: panelID(4)})
}

func TestOfTwoOfflineClaimsOneStaysAndBothAreTold(t *testing.T) {
	w := residence(t)
	one, two, id := panelID(1), panelID(2), packageID(7)
	claim := func(panel string, began time.Time, offline bool) ledger.ClaimLicense {
		return ledger.ClaimLicense{License: id, Panel: panel, Began: began, Offline: offline}
	}
	w.do(claim(one, start.Add(-time.Hour), true))
	w.refused(claim(two, start, false), ledger.Taken, "used on another panel")
	c := w.do(claim(two, start.Add(-2*time.Hour), true))
	if held := w.book.claims[id]; held.Panel != two || !slices.Contains(held.Lost, one) {
		t.Errorf("the earlier one did not stay: %+v", held)
	}
	if len(c.Notices) != 1 || fmt.Sprint(c.Notices[0].Panels) != fmt.Sprint([]string{two, one}) {
		t.Errorf("told: %+v", c.Notices)
	}
	if c := w.do(claim(one, start.Add(-time.Hour), true)); w.book.claims[id].Panel != two || len(c.Notices) != 1 {
		t.Errorf("the later one again: %+v", w.book.claims[id])
	}
	w.now = start.AddDate(0, 0, 40)
	w.do(claim(one, start.Add(-9*time.Hour), true))
	if w.book.claims[id].Panel != two {
		t.Error("a settled claim was taken away")
	}
	w.do(ledger.GiveUpClaim{License: id, Panel: two}, claim(one, w.now, false))
	if w.book.claims[id].Panel != one {
		t.Errorf("after it was given up: %+v", w.book.claims[id])
	}
}

func TestAPackageIsGivenBackWithinSevenDays(t *testing.T) {
	w := newWorld(t)
	w.group("company", "", "", limits())
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(1), Grant: grants(5, 5), Term: license.Term{Years: 1}})
	if got := w.state("company").Blocks[0].Until; !got.Equal(start.AddDate(1, 0, 0)) {
		t.Errorf("a year ends %v", got)
	}
	w.use("n", "company")
	w.refused(ledger.UndoPackage{ID: packageID(1)}, ledger.BelowUse, "1 in use, cannot lower to 0")
	w.do(ledger.Release{Use: "n"})
	w.do(ledger.ActivatePackage{Root: "company", ID: packageID(2), Renew: packageID(1), Grant: grants(5, 5), Term: license.Term{Years: 1}})
	if b := w.book.groups["company"].Blocks[1]; !b.From.Equal(start.AddDate(1, 0, 0)) || !b.Until.Equal(start.AddDate(2, 0, 0)) {
		t.Errorf("renewed from %v to %v", b.From, b.Until)
	}
	w.now = start.AddDate(0, 0, 7).Add(-time.Second)
	w.do(ledger.UndoPackage{ID: packageID(2)})
	w.now = start.AddDate(0, 0, 7)
	w.refused(ledger.UndoPackage{ID: packageID(1)}, ledger.TooLate, "could be given back until 2026-03-09 09:00")
	w.refused(ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(ledger.Block{ID: packageID(1), Counts: sip(50), Source: ledger.FromPackage, Package: packageID(1)})},
		ledger.Invalid, "cannot be changed by hand")
}

func TestABatchIsAllOrNothing(t *testing.T) {
	w := residence(t)
	w.refused(ledger.Batch{Changes: []ledger.Change{ledger.Consume{ID: "x", Group: "a2"}, ledger.Consume{ID: "y", Group: "a2"}, ledger.Consume{ID: "z", Group: "a2"}}},
		ledger.LimitReached, "3 of 3: blocked by a2: 2 of 2 used")
	w.do(ledger.Batch{Changes: []ledger.Change{ledger.Consume{ID: "x", Group: "a2"}, ledger.Consume{ID: "y", Group: "a2"}}})
	expect(t, w.line("a2", "sip_numbers"), 2, 2, 0)
}

func TestWhatIfSavesNothing(t *testing.T) {
	w := residence(t)
	before := string(w.book.image())
	s, err := ledger.WhatIf(w.book, ledger.Request{At: w.now}, ledger.SaveLicenses{Above: true, Group: "company", Limits: limits(block("b", sip(30)))}, ledger.Subject{Group: "a1"}, everyone)
	if err != nil || s.Line("sip_numbers").Maximum != 30 || string(w.book.image()) != before {
		t.Errorf("what if: %+v (%v)", s.Line("sip_numbers"), err)
	}
}

func TestAGroupIsArchivedWhenNothingIsLeftInIt(t *testing.T) {
	w := residence(t)
	w.refused(ledger.ArchiveGroup{ID: "a"}, ledger.NotEmpty, "1 SIP numbers, 3 groups are still in it")
	w.do(ledger.ArchiveGroup{ID: "a2"})
	w.refused(ledger.Consume{ID: "x", Group: "a2"}, ledger.ArchivedGroup, "is archived since 2026-03-02")
	w.do(ledger.RestoreGroup{ID: "a2"}, ledger.Consume{ID: "x", Group: "a2"})
}

func TestLevelsAreData(t *testing.T) {
	w := residence(t)
	levels := []ledger.Level{{ID: "company", Name: "Gesellschaft"}, {ID: "building", Name: "Haus"}, {ID: "wing", Name: "Trakt"}, {ID: "apartments", Name: "Wohnung"}}
	w.do(ledger.SetLevels{Root: "company", Levels: levels})
	if got := w.state("a1").Path[2].Level; got != "Wohnung" {
		t.Errorf("A1 is a %s", got)
	}
	w.refused(ledger.SetLevels{Root: "company", Levels: levels[:3]}, ledger.NotEmpty, "3 groups are Wohnung")
	w.refused(ledger.CreateGroup{Group: ledger.Group{ID: "x", Name: "x", Parent: "a1", Level: "wing"}}, ledger.Invalid, "Trakt cannot be below Wohnung a1")
}

func TestUsageOfAllBelowIsARowEach(t *testing.T) {
	w := residence(t)
	var rows []string
	for row, err := range ledger.Usage(w.book, "company", "", w.now) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprint(row.Group, " ", row.Used[ledger.SIPNumbers]))
	}
	if got := strings.Join(rows, ", "); got != "company 1, a 1, a1 0, a2 0, a3 1" {
		t.Errorf("usage: %s", got)
	}
}

func FuzzAmountsAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"sip_numbers":5,"apps":3}`))
	f.Add([]byte(`{"doors":1}`))
	f.Add([]byte(`{"apps":99999999999}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var a, again ledger.Amounts
		if json.Unmarshal(text, &a) != nil {
			return
		}
		written, err := json.Marshal(a)
		if err != nil || json.Unmarshal(written, &again) != nil || a != again {
			t.Fatalf("%s became %s (%v)", text, written, err)
		}
	})
}
