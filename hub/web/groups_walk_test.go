package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// enter logs the browser in as a server administrator.
func (b *browser) enter(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url+"/groups"), chromedp.SetValue(chromedp.CSS("#user"), "the-administrator"), chromedp.SendKeys(chromedp.CSS("#password"), password))
	b.press("Log in")
	b.says("Licenses")
}

// fill writes into a field by its name.
func (b *browser) fill(name, value string) {
	b.t.Helper()
	b.shows(func(shown string) bool { return shown != "" })
	set := chromedp.SetValue(chromedp.CSS(fmt.Sprintf(`[name=%q]`, name)), value)
	err := chromedp.Do(b.ctx, set)
	// A form that is drawn again takes its fields with it.
	for err != nil && b.ctx.Err() == nil && strings.Contains(err.Error(), "node") {
		err = chromedp.Do(b.ctx, set)
	}
	if err != nil {
		b.t.Fatalf("cannot fill %q: %v", name, err)
	}
}

// numbers reads a line of the license state: maximum, used, available.
func (b *browser) numbers(line string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`[...document.querySelectorAll("#line-%s td.num")].map((e) => e.innerText.trim()).join("/")`, line)))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// TestADealerClicksTheExampleTogether is B-15, B-19 and B-20, from an empty hub, as somebody does it who has never seen it.
func TestADealerClicksTheExampleTogether(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	as(t, s, f, roles.Administrator)
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1280, 900))
	site := serveReal(t, s)
	b.enter(site)
	b.press("First steps")
	b.says("Name of the company")
	b.shot("ledger-start", 1280, 900, false)
	b.fill("name", "Acme Residences")
	b.fill("zone", "Europe/Rome")
	b.press("Make the company")
	b.says("Name of the building")
	b.shot("ledger-start-building", 1280, 900, false)
	b.press("Later")
	b.says("Take it up")
	b.do(chromedp.Navigate(site + "/start")) // comes back where it was left
	b.press("Take it up")
	b.says("Name of the building")
	b.fill("name", "A Residence")
	b.press("Make the building")
	b.says("Pair a panel with A Residence")
	b.shot("ledger-start-panel", 1280, 900, false)
	b.press("Later")
	b.says("The Trial")
	b.shot("ledger-start-license", 1280, 900, false)
	b.fill("text", "DP1:50")
	b.press("Activate it")
	b.says("The hub is ready")
	b.shot("ledger-start-done", 1280, 900, false)

	company := f.tree.below[""][0]
	building := f.tree.below[company][0]
	b.do(chromedp.Navigate(site + at("groups", building, "licenses")))
	b.says("Add new license")
	b.press("Add new license")
	b.says("License 1")
	b.fill("limits.blocks.0.sip_numbers", "9")
	b.fill("limits.blocks.0.apps", "10")
	b.press("Save")
	b.says("Applications 10 need SIP numbers 10, 9 given") // at its field
	b.fill("limits.blocks.0.sip_numbers", "60")
	b.press("Save")
	b.gone("Applications 10 need SIP numbers 10, 9 given")
	b.says("This would fit")
	b.shot("ledger-clip", 1280, 900, false)
	b.fill("limits.blocks.0.sip_numbers", "50")
	b.fill("limits.blocks.0.until", "2027-12-01T00:00")
	b.do(chromedp.Click(`//button[@value="whatif"][not(contains(@class, "sr"))]`))
	b.says("What if you save this")
	b.says("Nobody would be suspended")
	if len(f.tree.groups[building].Blocks) != 0 {
		t.Error("something was saved before Save was pressed")
	}
	b.shot("ledger-whatif", 1280, 900, false)
	b.fits("the what-if")
	b.press("Save")
	b.says("are saved")
	b.says("1 December 2027, 00:00")

	for _, name := range []string{"Apartment", "SmartHome"} {
		b.press("New group below")
		b.says("New group below A Residence")
		b.fill("name", name)
		b.press("Make it")
		b.says(name + " is there")
		b.do(chromedp.Navigate(site + at("groups", building)))
		b.says("License state")
	}
	var home string
	for _, id := range f.tree.below[building] {
		if f.tree.groups[id].Name == "SmartHome" {
			home = id
		}
	}
	b.do(chromedp.Navigate(site + at("groups", home, "people", "new")))
	b.says("New user")
	b.fill("name", "Anna Rossi")
	b.press("Save")
	b.says("holds")
	b.fill("label", "1007")
	b.press("Give")
	b.says("SIP number 1007 is given to Anna Rossi")
	for _, id := range []string{building, home} {
		b.do(chromedp.Navigate(site + at("groups", id)))
		b.says("License state")
		if got := b.numbers("sip_numbers"); got != "50/1/49" {
			t.Errorf("the state of %s shows %s, want 50/1/49", f.tree.groups[id].Name, got)
		}
	}
	var flat string
	for _, id := range f.tree.below[building] {
		if id != home {
			flat = id
		}
	}
	b.do(chromedp.Navigate(site + at("groups", flat)))
	b.says("License state")
	if got := b.numbers("sip_numbers"); got != "50/0/49" {
		t.Errorf("the state of the other apartment shows %s, want 50/0/49 (B-20)", got)
	}
	b.quiet("status of 422", "status of 409")
}

func TestTheLedgersPagesNeedNoScript(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	s := newServer(t, f)
	as(t, s, f, roles.Administrator)
	b := newBrowser(t)
	site := serveReal(t, s)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(360, 800))
	b.enter(site)
	b.press("Open Acme Residences")
	b.says("Harbor Street 7")
	b.do(chromedp.Navigate(site + "/groups/harbor/licenses"))
	b.press("Add new license")
	b.says("License 2")
	b.press("Remove")
	b.gone("License 2")
	b.do(chromedp.Navigate(site + "/groups/harbor/licenses"))
	b.says("License 1")
	b.fill("limits.blocks.0.sip_numbers", "5")
	b.press("Save")
	b.says("in use") // 6 in use, cannot lower to 5; the page is still the form
	b.fill("limits.blocks.0.sip_numbers", "8")
	b.press("Save")
	b.says("are saved")
	b.do(chromedp.Navigate(site + "/people/rossi"))
	b.press("Moves out")
	b.press("Take everything back now")
	b.says("has moved out")
	if n := f.tree.groups["acme"].Count.Used[ledger.SIPNumbers]; n != 1 {
		t.Errorf("%d numbers are in use after the move-out, want 1", n)
	}
}

// The world is never loaded: with 100,000 groups every page stays as large as with 100.
func TestPagesOfAHundredThousandGroupsAreBounded(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	made := ledger.Changes{Mark: f.tree.mark}
	add := func(id, parent string, level, below int) {
		made.Groups = append(made.Groups, ledger.Group{ID: id, Parent: parent, Root: "acme", Level: levelID(level), Name: "House " + id, Count: ledger.Counters{Groups: below}})
		f.tree.below[parent] = append(f.tree.below[parent], id)
	}
	for i := range 2000 {
		house := fmt.Sprintf("h%05d", i)
		add(house, "mill", 2, 49)
		for j := range 49 {
			add(fmt.Sprintf("%s-%02d", house, j), house, 4, 0)
		}
	}
	for _, g := range made.Groups {
		f.tree.groups[g.ID] = g
	}
	admin := as(t, newServer(t, f), f, roles.Administrator)
	for _, path := range []string{"/groups", "/groups?at=mill", "/groups?at=mill&after=h01000", "/groups/mill/branch?open=yes", "/groups/mill/more?after=h01000", "/groups?q=house", "/groups/mill", "/groups/mill/usage",
		"/groups/flat-1/move?q=house", "/groups/acme/ledger", "/groups/h00001"} {
		page := admin.want(http.StatusOK, "GET", path, nil)
		rows := strings.Count(page, `class="branch`) + strings.Count(page, `data-label="Group"`)
		if len(page) > 200_000 || rows > maxFound+4 {
			t.Errorf("%s has %d bytes and %d rows", path, len(page), rows)
		}
	}
	if page := admin.want(http.StatusOK, "GET", "/groups/mill/more?after=h01999", nil); strings.Contains(page, `class="branch`) {
		t.Error("there is something after the last group")
	}
	csv := admin.want(http.StatusOK, "GET", "/groups/mill/usage.csv", nil)
	if n := strings.Count(csv, "\n"); n != 100_002 {
		t.Errorf("the report has %d lines, want one for each of 100,001 groups and a head", n)
	}
}

func fieldsOfLicenses(more ...string) string {
	form := url.Values{"step": {"save"}, "whole": {"on"}, "limits.restricted": {"on"}, "limits.mode": {"shared"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form.Encode()
}

func TestNothingAppliesUntilSave(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	before := editionOf(f.tree.groups)
	for _, step := range []string{"whatif", "add", "drop-0", "preset-count", "preset-prepaid", "preset-reminded", "preset-postpaid"} {
		admin.want(http.StatusOK, "POST", "/groups/harbor/licenses", fieldsOfLicenses("step", step, "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "20", "limits.blocks.0.apps", "4"))
	}
	if editionOf(f.tree.groups) != before {
		t.Error("a button that saves nothing changed the tree")
	}
}

func TestASaveFromAnOlderPageIsRefusedWithWhatWasTyped(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	drawn := editionOf(f.tree.groups["harbor"].Limits)
	admin.want(http.StatusSeeOther, "POST", "/groups/harbor/licenses", fieldsOfLicenses("edition", drawn, "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "8", "limits.blocks.0.apps", "4"))
	page := admin.want(http.StatusConflict, "POST", "/groups/harbor/licenses", fieldsOfLicenses("edition", drawn, "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "77", "limits.blocks.0.apps", "4"))
	if !strings.Contains(page, "Somebody else has changed Harbor Street 7") || !strings.Contains(page, `value="77"`) {
		t.Error("the page does not say that somebody else changed it, or has lost what was typed")
	}
	if n := f.tree.groups["harbor"].Blocks[0].Counts[ledger.SIPNumbers]; n != 8 {
		t.Errorf("%d numbers are kept, want the 8 of who was first", n)
	}
}

func TestARefusalStandsAtItsFieldWithItsNumber(t *testing.T) {
	for _, c := range []struct{ name, field, value, says string }{
		{"below what is in use", "sip_numbers", "5", "6 in use"},
		{"fewer SIP numbers than applications", "apps", "9", "9"},
		{"more than the company has", "sip_numbers", "900", "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newHubFake()
			residences(t, f)
			admin := as(t, newServer(t, f), f, roles.Administrator)
			fields := []string{"edition", editionOf(f.tree.groups["harbor"].Limits), "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "6", "limits.blocks.0.apps", "4"}
			page := admin.want(http.StatusUnprocessableEntity, "POST", "/groups/harbor/licenses", fieldsOfLicenses(append(fields, "limits.blocks.0."+c.field, c.value)...))
			at := strings.Index(page, `class="wrong-field"`)
			if at < 0 || !strings.Contains(page[at:at+300], c.says) {
				t.Errorf("no field says %q", c.says)
			}
			if offered := strings.Contains(page, `value="clip"`); offered != (c.value == "900") {
				t.Errorf("to cut it down, which helps only against a limit above, is offered: %v", offered)
			}
		})
	}
}

func TestTheOfferOfARefusalIsOneButton(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	admin.want(http.StatusSeeOther, "POST", "/groups/harbor/licenses", fieldsOfLicenses("step", "clip", "edition", editionOf(f.tree.groups["harbor"].Limits),
		"limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "900", "limits.blocks.0.apps", "4"))
	if n := f.tree.groups["harbor"].Blocks[0].Counts[ledger.SIPNumbers]; n != 200 {
		t.Errorf("%d numbers were saved, want the company's 200", n)
	}
}

func TestAWhatIfSaysWhatWouldBeOtherwise(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	page := admin.want(http.StatusOK, "POST", "/groups/harbor/licenses", fieldsOfLicenses("step", "whatif", "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "9", "limits.blocks.0.apps", "4"))
	box := page[strings.Index(page, `id="whatif"`):]
	for _, says := range []string{"6 →</span> <b>9</b>", "0 →</span> <b>3</b>", "Nobody would be suspended"} {
		if !strings.Contains(box, says) {
			t.Errorf("what would be otherwise does not say %q", says)
		}
	}
}

func TestAnEntrySaysWhatWasGivenAndNotWhoseNumber(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	page := as(t, newServer(t, f), f, roles.Administrator).want(http.StatusOK, "GET", "/groups/flat-1/ledger?what=use.", nil)
	if !strings.Contains(page, "Given: application") || !strings.Contains(page, "Given: SIP number") || strings.Contains(page, "2001") {
		t.Error("the ledger does not say what was given, or tells a number")
	}
}

func TestAGroupIsOfferedOnlyPlacesOfAHigherLevel(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	if page := admin.want(http.StatusOK, "GET", "/groups/harbor/move?q=mill", nil); strings.Contains(page, "What if here") {
		t.Error("a building is offered a place below a building")
	}
	if page := admin.want(http.StatusOK, "GET", "/groups/flat-1/move?q=mill", nil); !strings.Contains(page, "What if here") {
		t.Error("an apartment is offered no place below another building")
	}
}

func TestATableOfUsageIsNoFormula(t *testing.T) {
	for name, want := range map[string]string{"=1+1": "'=1+1", "@a": "'@a", "\tx": "'\tx", "\r=1": "'\r=1", "Mill Lane": "Mill Lane", "": ""} {
		if got := plainCell(name); got != want {
			t.Errorf("%q is written as %q, want %q", name, got, want)
		}
	}
}

func TestNamesAreOrderedAsPeopleOrderThem(t *testing.T) {
	ordered := []string{"Apartment", "apartment 1", "Apartment 2", "Apartment 2b", "Apartment 10", "Building 007", "Building 8"}
	for i := range ordered {
		for j := range ordered {
			if got := compareNames(ordered[i], ordered[j]); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q against %q gives %d", ordered[i], ordered[j], got)
			}
		}
	}
}
