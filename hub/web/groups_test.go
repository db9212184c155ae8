package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// grow has changes made in the tree of a fake hub.
func grow(t testing.TB, f *hubFake, changes ...ledger.Change) {
	t.Helper()
	for _, c := range changes {
		if _, err := f.tree.Decide(ledger.Request{At: f.time, Who: "vendor"}, c); err != nil {
			t.Fatalf("%s: %v", c.What(), err)
		}
	}
}

func madeGroup(id, parent, level, name string, counts ...int) ledger.CreateGroup {
	g := ledger.Group{ID: id, Parent: parent, Level: level, Name: name}
	if len(counts) == 2 {
		g.Limits = ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b-" + id, Counts: both(counts[0], counts[1]), Features: []string{"sip_trunks", "web_dialer"}}}}
	}
	return ledger.CreateGroup{Group: g}
}

func levelID(i int) string { return ledger.DefaultLevels()[i].ID }

// residences is the company of B-15, B-19 and B-20: a company with two buildings, one of them full, and apartments.
func residences(t testing.TB, f *hubFake) {
	t.Helper()
	company := madeGroup("acme", "", levelID(0), "Acme Residences", 200, 100)
	company.Group.Zone, company.Group.Manager = "Europe/Rome", "Ms. Bianchi"
	company.Group.Administrators = []string{"dealer@example.org"}
	home := madeGroup("a-residence", "acme", levelID(1), "A Residence", 50, 20)
	zone, _ := time.LoadLocation("Europe/Rome")
	home.Group.Blocks[0].Until = time.Date(2027, 12, 1, 0, 0, 0, 0, zone)
	home.Group.Manager = "Ms. Bianchi"
	home.Group.Reminder = &ledger.Reminder{Days: 30, Every: ledger.Weekly, To: []string{"desk@example.org"}}
	first, second := madeGroup("apartment-1", "a-residence", levelID(4), "Apartment 1", 50, 20), madeGroup("apartment-2", "a-residence", levelID(4), "Apartment 2", 2, 2)
	first.Group.Blocks[0].Until, second.Group.Blocks[0].Until = home.Group.Blocks[0].Until, home.Group.Blocks[0].Until
	grow(t, f, company, home, madeGroup("harbor", "acme", levelID(1), "Harbor Street 7", 6, 4), madeGroup("mill", "acme", levelID(1), "Mill Lane 12"),
		first, second, madeGroup("apartment-10", "a-residence", levelID(4), "Apartment 10"),
		ledger.AddUser{User: ledger.User{ID: "smart-home", Name: "SmartHome", Groups: []string{"apartment-10"}}},
		ledger.Consume{ID: "n1007", Resource: ledger.SIPNumbers, User: "smart-home", Label: "1007"},
		ledger.RegisterDevice{ID: front, Group: "a-residence"},
		madeGroup("flat-1", "harbor", levelID(4), "Flat 1"),
		ledger.AddUser{User: ledger.User{ID: "rossi", Name: "Anna Rossi", Mail: "anna@example.org", Groups: []string{"flat-1"}}},
	)
	for i := range 4 {
		grow(t, f, ledger.Consume{ID: fmt.Sprintf("app-%d", i), Resource: ledger.Apps, User: "rossi", Label: fmt.Sprintf("Telephone %d", i+1)})
	}
	grow(t, f, ledger.Consume{ID: "n2001", Resource: ledger.SIPNumbers, User: "rossi", Label: "2001"}, ledger.Consume{ID: "n2002", Resource: ledger.SIPNumbers, User: "rossi", Label: "2002"})
}

func TestTheTreeInARealBrowser(t *testing.T) {
	f := newHubFake()
	furnish(f)
	residences(t, f)
	s := newServer(t, f)
	as(t, s, f, roles.Administrator)
	url := serveReal(t, s)
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1280, 900))
	b.enter(url)
	b.says("Acme Residences")
	b.press("Open Acme Residences")
	b.says("Harbor Street 7")
	b.press("Open A Residence")
	b.says("Apartment 10")
	b.shot("ledger-tree", 1280, 900, false)
	b.fits("the tree")
	b.shot("ledger-tree-dark", 1280, 900, true)
	b.do(chromedp.EmulateViewport(360, 800))
	b.shot("ledger-tree-narrow", 360, 800, false)
	b.fits("the tree on a telephone")
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Click(chromedp.CSS("#g-harbor > .node .pen")))
	b.says("level, place, archive")
	b.fill("sip_numbers", "5")
	b.do(chromedp.Click(chromedp.CSS(".editing button")))
	b.says("6 in use, cannot lower to 5")
	b.shot("ledger-row", 1280, 900, false)
	b.fits("a row to write in")
	b.do(chromedp.EmulateViewport(360, 800))
	b.fits("a row to write in on a telephone")
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url+"/groups/harbor/licenses"))
	b.says("Add new license")
	b.fill("limits.blocks.0.sip_numbers", "5")
	b.do(chromedp.Click(`//button[@value="whatif"][not(contains(@class, "sr"))]`))
	b.says("These would have to be given back first")
	b.shot("ledger-refused", 1280, 900, false)
	b.fits("what is in the way")

	pack, err := f.tree.EnterPackage(t.Context(), "acme", "", "DP1:50", "ines")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct{ name, path, says string }{
		{"undo", "/groups/acme/packages/" + pack.ID + "/undo", "Give it back now"}, {"devices", "/groups/a-residence/panels", "Panels registered here"},
		{"state", "/groups/a-residence", "License state"}, {"licenses", "/groups/a-residence/licenses", "Add new license"}, {"people", "/groups/flat-1/people", "Anna Rossi"},
		{"person", "/people/rossi", "Moves out"}, {"new-person", "/groups/flat-1/people/new", "New user"}, {"usage", "/groups/acme/usage", "all together"},
		{"pools", "/sites/" + millLane + "/licenses", "Eighty buttons"}, {"documents", "/panels/" + front + "/documents", "What the hub signed"}, {"roles", "/settings/roles", "The table of rights"},
		{"users", "/settings/users", "Tokens of scripts"}, {"handover", "/settings/handovers", "Hand-overs"}, {"reminder", "/warnings/templates?kind=reminder", "As it arrives"},
		{"entries", "/groups/acme/ledger", "Group made"}, {"edit", "/groups/acme/edit", "Levels"}, {"move", "/groups/flat-1/move?q=mill", "What if here"},
		{"new-group", "/groups/new?parent=acme", "Make it"}, {"packages", "/groups/acme/licenses", "Enter a package"}, {"search", "/groups?q=apart", "Apartment 2"},
	} {
		b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url+p.path))
		b.says(p.says)
		b.shot("ledger-"+p.name, 1280, 900, false)
		b.fits(p.name)
		b.do(chromedp.EmulateViewport(360, 800))
		b.fits(p.name + " on a telephone")
		b.shot("ledger-"+p.name+"-narrow", 360, 800, p.name == "licenses")
	}
	b.quiet("status of 422")
}
