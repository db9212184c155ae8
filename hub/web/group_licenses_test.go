package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

func TestAFormKeepsWhatNobodyTouched(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	until := func(at time.Time) ledger.Limits {
		return ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Source: ledger.ByHand, Counts: both(5, 5), Features: []string{"guests"}, Until: at}}}
	}
	remind := func(r ledger.Reminder) ledger.Limits {
		l := until(time.Date(2027, 1, 1, 0, 0, 0, 0, rome))
		l.Reminder, l.Blocks[0].Reminder = &r, &r
		return l
	}
	for name, was := range map[string]ledger.Limits{
		"a minute":                        until(time.Date(2027, 1, 1, 0, 0, 0, 0, rome)),
		"seconds":                         until(time.Date(2027, 1, 1, 0, 0, 30, 0, rome)),
		"parts of a second":               until(time.Date(2027, 1, 1, 0, 0, 0, 250_000_000, rome)),
		"the second half of a night hour": until(time.Date(2027, 10, 31, 1, 30, 0, 0, time.UTC)),
		"a beginning with seconds":        {Restricted: true, Blocks: []ledger.Block{{ID: "b", Source: ledger.ByHand, Features: []string{}, From: time.Date(2027, 1, 1, 1, 1, 1, 0, rome)}}},
		"shared, said in words":           {Mode: ledger.Shared},
		"once, not said":                  remind(ledger.Reminder{Days: 30, Hour: 9}),
		"a day with its hour":             remind(ledger.Reminder{Date: time.Date(2026, 12, 1, 17, 0, 0, 0, rome), Every: ledger.Weekly}),
		"addresses in their order":        remind(ledger.Reminder{Days: 3, To: []string{"z@example.org", "a@example.org"}, Users: true}),
		"no addresses":                    remind(ledger.Reminder{Days: 3, To: []string{}}),
	} {
		t.Run(name, func(t *testing.T) {
			is, wrong := formOf(was, rome).limits(rome, was)
			if wrong != nil {
				t.Fatalf("the form is refused: %v", wrong)
			}
			if !reflect.DeepEqual(is, was) {
				t.Errorf("unchanged, it is saved as %+v, was %+v", is, was)
			}
		})
	}
}

func TestAFieldWithSecondsTakesSeconds(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	g := f.tree.groups["a-residence"]
	g.Blocks[0].Until = g.Blocks[0].Until.Add(30 * time.Second)
	f.tree.groups["a-residence"] = g
	admin := as(t, newServer(t, f), f, roles.Administrator)
	if page := admin.want(http.StatusOK, "GET", "/groups/a-residence/licenses", nil); !strings.Contains(page, `value="2027-12-01T00:00:30" step="1"`) {
		t.Error("the end of the license does not show its seconds, or the browser would refuse them")
	}
}

func TestHalfAFormOfLicensesIsNotSaved(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	half := url.Values{"step": {"save"}, "edition": {editionOf(f.tree.groups["mill"].Limits)}, "limits.restricted": {"on"}}
	admin.want(http.StatusBadRequest, "POST", "/groups/mill/licenses", half.Encode())
	admin.want(http.StatusBadRequest, "POST", "/people/rossi", url.Values{"step": {"save"}, "name": {"A"}, "edition": {editionOfPerson(f.tree.users["rossi"])}}.Encode())
	if f.tree.groups["mill"].Restricted || f.tree.users["rossi"].Name != "Anna Rossi" {
		t.Error("half a form was saved")
	}
}

func TestPackagesAndTheTrialAreEnteredAtTheCompanyOnPagesAsInTheAPI(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	dealer := named(t, s, f, "dora", roles.Dealer, "harbor")
	before := editionOf(f.tree.groups)
	for _, c := range []struct{ path, form string }{{"packages", "text=DP1:50"}, {"trial", "registration=R-1"}} {
		for _, who := range []client{admin, dealer} {
			page := who.want(http.StatusConflict, "POST", "/groups/harbor/"+c.path, c.form)
			if !strings.Contains(page, "Harbor Street 7 is no company") {
				t.Errorf("%s at a building does not say why not: %s", c.path, page)
			}
			if told := strings.Contains(page, "Acme Residences"); told != (who.token == admin.token) {
				t.Errorf("%s: the company is named: %v", c.path, told)
			}
		}
	}
	admin.want(http.StatusConflict, "POST", api+"/groups/harbor/packages", object{"text": "DP1:50"})
	if editionOf(f.tree.groups) != before {
		t.Error("something was entered")
	}
	admin.want(http.StatusSeeOther, "POST", "/groups/acme/packages", "text=DP1:50")
}

func TestAWhatIfSaysWhatALaterEndSuspends(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	form := fieldsOfLicenses("step", "whatif", "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "5", "limits.blocks.0.apps", "4",
		"limits.blocks.1.sip_numbers", "1", "limits.blocks.1.until", "2027-03-01T00:00")
	page := admin.want(http.StatusOK, "POST", "/groups/harbor/licenses", form)
	for _, says := range []string{"From 1 March 2027, 00:00 on, when a license of Harbor Street 7 ends: 1 SIP numbers will be suspended", "SIP number 2002 · Anna Rossi, Flat 1", "Nobody would be suspended now"} {
		if !strings.Contains(page, says) {
			t.Errorf("the what-if does not say %q", says)
		}
	}
	if strings.Contains(page, "SIP number 2001 ·") {
		t.Error("the what-if names somebody who goes on")
	}
	var answer struct{ Later []ledger.Fall }
	raw := admin.want(http.StatusOK, "POST", api+"/groups/harbor/licenses/preview", object{"restricted": true, "blocks": []object{
		{"id": "b-harbor", "counts": object{"sip_numbers": 5, "apps": 4}}, {"counts": object{"sip_numbers": 1}, "until": "2027-03-01T00:00"}}})
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Later) != 1 || answer.Later[0].Stops[ledger.SIPNumbers] != 1 || len(answer.Later[0].Stopping) != 1 || answer.Later[0].Stopping[0] != "n2002" {
		t.Errorf("the API says %+v", answer.Later)
	}
}

func TestAWhatIfOfWhatIsRefusedNamesWhatIsInTheWay(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	f.roles = append(f.roles, roles.Role{ID: "counts-only", Title: "Counts only", Rights: []roles.Right{roles.SeeLicenses, roles.EditLicenses}})
	s := newServer(t, f)
	form := fieldsOfLicenses("step", "whatif", "limits.blocks.0.id", "b-harbor", "limits.blocks.0.sip_numbers", "5", "limits.blocks.0.apps", "4")
	page := as(t, s, f, roles.Administrator).want(http.StatusUnprocessableEntity, "POST", "/groups/harbor/licenses", form)
	for _, says := range []string{"It would be refused: 6 in use, cannot lower to 5", "These would have to be given back first", "SIP number 2002 · Anna Rossi, Flat 1"} {
		if !strings.Contains(page, says) {
			t.Errorf("the what-if does not say %q", says)
		}
	}
	// Counts are for whoever hands licenses out; whose they are is for whoever may know persons.
	page = named(t, s, f, "lena", "counts-only", "harbor").want(http.StatusUnprocessableEntity, "POST", "/groups/harbor/licenses", form)
	if strings.Contains(page, "2002") || strings.Contains(page, "Anna") || !strings.Contains(page, "SIP number · Flat 1") {
		t.Error("who may not know persons reads their numbers or names, or nothing at all")
	}
}

func TestGivingAPackageBackSaysFirstWhatThatDoes(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	admin.want(http.StatusSeeOther, "POST", "/groups/acme/packages", "text=DP1:50")
	var pack string
	for id := range f.tree.packages {
		pack = id
	}
	page := admin.want(http.StatusOK, "GET", "/groups/acme/packages/"+pack+"/undo", nil)
	for _, says := range []string{"250 →</span> <b>200</b>", "Give it back now", "Nobody would be suspended now"} {
		if !strings.Contains(page, says) {
			t.Errorf("the page does not say %q", says)
		}
	}
	if len(f.tree.groups["acme"].Blocks) != 2 {
		t.Error("looking gave the package back")
	}
	g := f.tree.groups["acme"]
	g.Blocks[0].Counts = both(3, 3) // the rest hangs on the package
	f.tree.groups["acme"] = g
	page = admin.want(http.StatusOK, "GET", "/groups/acme/packages/"+pack+"/undo", nil)
	if !strings.Contains(page, "It would be refused: 7 in use, cannot lower to 3") || !strings.Contains(page, "2002 · Anna Rossi") || strings.Contains(page, "Give it back now") {
		t.Error("the page does not say what is in the way, or offers what would be refused")
	}
	admin.want(http.StatusNotFound, "GET", "/groups/harbor/packages/"+pack+"/undo", nil)
}

// T-20 to T-23, as the API hands them out and as they stand after they were saved.
func TestTheFourConfigurationsArePresets(t *testing.T) {
	f := newHubFake()
	residences(t, f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	const path = "/api/v1/groups/acme/licenses"
	var offered struct {
		Presets []struct {
			ID     string
			Limits json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(admin.want(http.StatusOK, "GET", path+"/presets", nil)), &offered); err != nil || len(offered.Presets) != 4 {
		t.Fatalf("%+v, %v", offered, err)
	}
	wants := map[string]struct{ counted, ends, reminds bool }{
		"count": {}, "postpaid": {counted: true}, "prepaid": {counted: true, ends: true}, "reminded": {counted: true, ends: true, reminds: true},
	}
	for _, p := range offered.Presets {
		admin.want(http.StatusOK, "PUT", path, p.Limits)
		want, known := wants[p.ID]
		got := f.tree.groups["acme"].Limits
		ends := len(got.Blocks) == 1 && !got.Blocks[0].Until.IsZero()
		reminds := got.Reminder != nil && got.Reminder.Days == 30 && got.Reminder.Every == ledger.Weekly
		if !known || got.Restricted != want.counted || (len(got.Blocks) == 1) != want.counted || ends != want.ends || reminds != want.reminds {
			t.Errorf("%s is saved as %+v", p.ID, got)
		}
	}
}
