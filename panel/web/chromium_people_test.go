package web

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/panel/access"
)

// fills writes into the field with this label, as the pages' fields take it.
func (b *browser) fills(label, value string) {
	b.t.Helper()
	b.runs(fmt.Sprintf(`(() => {
		const label = [...document.querySelectorAll("label")].find((l) => l.offsetParent && l.textContent.trim().startsWith(%q));
		const input = label.querySelector("input, select, textarea");
		input.value = %q;
		input.dispatchEvent(new Event("input", { bubbles: true }));
		input.dispatchEvent(new Event("change", { bubbles: true }));
	})()`, label, value))
}

// ticks presses the box with this label.
func (b *browser) ticks(label string) {
	b.t.Helper()
	b.runs(fmt.Sprintf(`(() => {
		const named = document.querySelector('input[aria-label=' + JSON.stringify(%q) + ']');
		const labeled = [...document.querySelectorAll("label")].find((l) => l.offsetParent && l.textContent.trim() === %q);
		(named || labeled.querySelector("input")).click();
	})()`, label, label))
}

func (b *browser) runs(script string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script + "; undefined"))
}

// seen takes the page as it is by day, by night, and on a telephone.
func (b *browser) seen(name string) {
	b.t.Helper()
	b.shot(name, 1400, 950, false)
	b.shot(name+"-dark", 1400, 950, true)
	b.shot(name+"-phone", 420, 900, false)
	b.do(chromedp.EmulateViewport(1400, 950))
}

// A list is looked at before it changes anything; those who moved out together go together.
func TestListOfPeopleIsLookedAtBeforeItComesIn(t *testing.T) {
	h := newHouse()
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("Lists of people")
	bring := func(text string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "flats.csv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b.do(chromedp.SetUploadFiles(chromedp.CSS("#list-file"), []string{file}))
		b.press("Show the difference")
	}
	bring("Ada Lovelace\n\nGrace Hopper\n")
	b.says("1 mistake: nothing can be brought in")
	b.says("Line 2: the name is empty")
	bring("Ada Lovelace\nGrace Hopper\nMary Somerville\n")
	b.says("This is what would change")
	b.says("3 added")
	b.seen("import-dry")
	if len(h.people) != 0 {
		t.Fatalf("a look at the difference brought %d people in", len(h.people))
	}
	b.press("Bring it in")
	b.says("Drawn codes: keep them now")
	b.says("4839207")
	b.says("3 people in all")

	b.ticks("Choose Ada Lovelace")
	b.ticks("Choose Mary Somerville")
	b.says("2 chosen")
	b.seen("people-chosen")
	b.press("Move out everybody chosen")
	b.says("Really move out everybody chosen?")
	b.press("Really move out")
	b.says("2 people with every card, code and right")
	b.says("1 person in all")
	if len(h.people) != 1 {
		t.Errorf("%d people are left", len(h.people))
	}
	b.quiet("status of 422")
}

// Story 20: one card after the other, and the last one taken back when two people changed places in the queue.
func TestCardsAreLearnedInARowAndTheLastOneIsTakenBack(t *testing.T) {
	h := newHouse()
	for _, name := range []string{"Ada Lovelace", "Grace Hopper", "Mary Somerville"} {
		h.putPerson(Person{Name: name}, "admin")
	}
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("Learn many cards")
	b.press("Begin")
	b.says("Card 1 of 3")
	h.asked(t, "begun")
	h.learned <- "04A1B2C3"
	h.asked(t, "begun")
	b.says("Card 2 of 3")
	b.says("Take back Ada Lovelace's card")
	b.seen("learn-many")
	b.press("Take back")
	b.says("Ada Lovelace's card was taken back")
	b.says("Card 1 of 3")
	h.asked(t, "begun", "left")
	h.learned <- "04A1B2C4"
	b.says("Card 2 of 3")
	h.asked(t, "begun")
	b.press("Skip")
	b.says("Card 3 of 3")
	h.asked(t, "begun", "left")
	h.learned <- "04A1B2C5"
	b.says("Done")
	owners := map[string]int{}
	for _, c := range h.credentials {
		owners[h.people[c.Person].Name]++
	}
	if len(owners) != 2 || owners["Ada Lovelace"] != 1 || owners["Mary Somerville"] != 1 {
		t.Errorf("%v", owners)
	}
	b.quiet()
}

func TestPersonGetsARightOfTheirOwn(t *testing.T) {
	h := newHouse()
	h.putPerson(Person{Name: "Ada Lovelace", Rights: []access.Right{{Doors: []string{"front"}, Profile: "office"}}}, "admin")
	h.schedules = map[string]access.Profile{"night": {Name: "night", Slots: []access.Slot{{Days: []string{"mon"}, From: "20:00", To: "06:00"}}}}
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("Ada Lovelace")
	b.do(chromedp.Click(chromedp.CSS("td.do button")))
	b.says("front, office")
	b.press("A right of their own")
	b.fills("When", "night")
	b.runs(`(() => {
		const right = [...document.querySelectorAll("details")].find((d) => d.textContent.startsWith("A right of their own"));
		const [from, until] = right.querySelectorAll("input[type=datetime-local]");
		from.value = "2026-12-01T08:00";
		until.value = "2026-12-24T18:00";
		right.querySelector("input[type=checkbox]").click();
	})()`)
	b.press("Add this right")
	b.says("night, from")
	b.seen("rights")
	b.do(chromedp.Click(chromedp.CSS(`button[aria-label="Take away: front, office"]`)))
	b.press("Save person")
	b.says("night, from")
	h.mu.Lock()
	rights := h.people["p1"].Rights
	h.mu.Unlock()
	if len(rights) != 1 || rights[0].Profile != "night" || rights[0].From.IsZero() || !rights[0].Until.After(rights[0].From) {
		t.Errorf("%+v", rights)
	}
	b.quiet()
}

func TestCodesThatBecameTooShortAreDrawnAnewFromTheirList(t *testing.T) {
	h := newHouse()
	h.putPerson(Person{Name: "Ada Lovelace"}, "admin")
	h.credentials["c1"] = access.Credential{ID: "c1", Person: "p1", Kind: access.Code}
	h.decided.short = map[string]bool{"c1": true}
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/admin#people"))
	b.says("1 code is too short now")
	b.seen("short-codes")
	b.press("Draw anew")
	b.says("5820417")
	if len(h.decided.short) != 0 {
		t.Error("the code stands as it was")
	}
	b.quiet()
}

func TestDaysThatAreOtherwiseAreWrittenIntoASchedule(t *testing.T) {
	h := newHouse()
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/admin#schedules"))
	b.says("There are no schedules")
	b.fills("Name", "Office hours")
	b.fills("Days that are otherwise", "12-24 08:00-12:00 14:00-16:00\n2027-05-03")
	b.press("Save schedule")
	b.says("12-24 08:00-12:00 14:00-16:00")
	b.says("2027-05-03 closed")
	b.press("Change")
	b.seen("schedule-days")
	b.press("Save schedule")
	b.says("2027-05-03 closed")
	h.mu.Lock()
	days := h.schedules["Office hours"].Exceptions
	h.mu.Unlock()
	if len(days) != 2 || len(days[0].Slots) != 2 || days[0].Slots[1].From != "14:00" || days[0].Slots[1].To != "16:00" || days[1].Date != "2027-05-03" || len(days[1].Slots) != 0 {
		t.Errorf("%+v", days)
	}
	b.do(chromedp.Navigate(url + "/admin#access"))
	b.says("Holidays")
	b.fills("One a line", "12-25 Christmas\n2027-03-29 Easter Monday")
	b.press("Save holidays")
	b.says("2 holidays")
	b.seen("holidays")
	if got := h.decided.calendar.Holidays; len(got) != 2 || got[1].Name != "Easter Monday" {
		t.Errorf("%+v", got)
	}
	b.quiet()
}

func TestResidentLetsAGuestIn(t *testing.T) {
	h := newHouse()
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/app"))
	b.says("No guest is let in")
	b.fills("Who comes", "Plumber")
	b.fills("From", "2026-12-01T10:00")
	b.fills("Until", "2026-12-01T12:00")
	b.fills("How often", "2")
	b.press("Let in")
	b.says("Pass of Plumber")
	b.reads("img.qr", "DG1:g1")
	b.seen("guest")
	b.press("Withdraw")
	b.press("Really withdraw")
	b.says("withdrawn")
	if g := h.decided.guests["g1"]; !g.Revoked || g.Uses != 2 || g.Until.Sub(g.From).Hours() != 2 {
		t.Errorf("%+v", g)
	}
	b.quiet()
}

func TestButtonIsTestedFromItsPage(t *testing.T) {
	h := newHouse()
	b, _, url := enter(t, h)
	b.do(chromedp.Navigate(url + "/admin#buttons"))
	b.says("Test call")
	b.press("Test call")
	b.says("was pressed")
	b.seen("buttons-tested")
	b.do(chromedp.Navigate(url + "/admin#doors"))
	b.press("Test: open now")
	b.says("is released")
	if len(h.pressed) != 1 || len(h.opened) != 1 {
		t.Errorf("pressed %v, opened %v", h.pressed, h.opened)
	}
	b.quiet()
}
