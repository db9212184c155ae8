package roles

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// tree is a tree of groups and sites by their parents.
type tree map[string]string

func (t tree) path(place string) (Path, bool) {
	if place == Hub {
		return nil, true
	}
	if _, there := t[place]; !there {
		return nil, false
	}
	var path Path
	for at := place; at != Hub; at = t[at] {
		path = append(path, at)
	}
	slices.Reverse(path)
	return path, true
}

// town has two companies and a site that no company has.
func town() tree {
	return tree{"acme": Hub, "north": "acme", "tower": "north", "south": "acme", Site("tower-1"): "tower", Site("south-1"): "south", "other": Hub, "annex": "other", Site("annex-1"): "annex", Site("loose"): Hub}
}

func holder(user string, places ...string) Holder {
	h := Holder{User: user, Table: NewTable(nil)}
	for i := 0; i+1 < len(places); i += 2 {
		h.Held = append(h.Held, Assignment{User: user, Role: places[i], Group: places[i+1]})
	}
	return h
}

func TestARoleHoldsAtItsGroupAndBelow(t *testing.T) {
	for _, c := range []struct {
		role, at string
		right    Right
		where    string
		want     bool
	}{
		{Dealer, "north", EditLicenses, "north", true},
		{Dealer, "north", EditLicenses, "tower", true},
		{Dealer, "north", PairPanels, Site("tower-1"), true},
		{Dealer, "north", EditLicenses, "acme", false},
		{Dealer, "north", EditLicenses, "south", false},
		{Dealer, "north", EditLicenses, "annex", false},
		{Dealer, "north", EditLicenses, Hub, false},
		{Dealer, "acme", SeePersonEvents, Site("tower-1"), false},
		{Distributor, "acme", SeeJournals, Site("tower-1"), false},
		{Distributor, "acme", SeeUsage, "tower", true},
		{Management, "tower", SeePersonEvents, Site("tower-1"), true},
		{Management, "tower", EditLicenses, "tower", false},
		{Viewer, Site("tower-1"), Monitor, Site("tower-1"), true},
		{Viewer, Site("tower-1"), Monitor, "tower", false},
		{Viewer, Hub, Monitor, Site("loose"), true},
		{Viewer, Hub, Monitor, Site("tower-1"), false},
		{Operator, Hub, SeeHealth, Hub, true},
		{Operator, Hub, SeeHealth, "acme", true}, // it is of the hub, wherever one asks
		{Operator, "acme", SeeHealth, Hub, false},
		{Operator, "acme", SeeHealth, "acme", false},
		{Administrator, Hub, SeePersonEvents, Site("annex-1"), true},
		{Administrator, Hub, ManageHub, Hub, true},
		{Resident, "tower", SeeLicenses, "tower", false},
		{"no such role", "acme", SeeLicenses, "acme", false},
	} {
		path, _ := town().path(c.where)
		if got := holder("x", c.role, c.at).May(c.right, path); got != c.want {
			t.Errorf("%s at %q has %s at %q: %t", c.role, c.at, c.right, c.where, got)
		}
	}
}

func TestLicensesAndComingsAndGoingsAreApart(t *testing.T) {
	for _, r := range Builtin() {
		if r.Has(EditLicenses) && r.Has(SeePersonEvents) && r.ID != Administrator {
			t.Errorf("%s hands out licenses and sees who comes and goes", r.Title)
		}
		if !slices.Equal(r.Rights, sorted(r.Rights)) || !r.Builtin || r.Title == "" {
			t.Errorf("%s is not in order: %+v", r.ID, r)
		}
	}
	for _, id := range []string{Distributor, Dealer} {
		role, _ := NewTable(nil).Role(id)
		for _, right := range []Right{SeeJournals, SeePersonEvents, SeePersons, EditPersons, OpenDoors} {
			if role.Has(right) {
				t.Errorf("%s has the right %q", role.Title, right.Title())
			}
		}
	}
}

func TestRootsAreTheTopmost(t *testing.T) {
	for name, c := range map[string]struct {
		holder Holder
		want   []string
	}{
		"one within another":     {holder("x", Dealer, "north", Dealer, "tower", Dealer, Site("tower-1")), []string{"north"}},
		"side by side":           {holder("x", Dealer, "south", Dealer, "tower"), []string{"south", "tower"}},
		"a server administrator": {holder("x", Administrator, Hub, Dealer, "north"), []string{Hub}},
		"watching the hub":       {holder("x", Distributor, Hub, Dealer, "north"), []string{Hub, "north"}},
		"gone":                   {holder("x", Dealer, "nowhere"), nil},
		"without that right":     {holder("x", Technician, "north"), nil},
	} {
		if got := Roots(c.holder.Held, c.holder.Table, EditLicenses, town().path); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestNobodyGivesWhatHeHasNot(t *testing.T) {
	custom := Role{ID: "guard", Title: "Guard", Rights: []Right{Monitor}, Group: "south"}
	for _, c := range []struct {
		giver Holder
		role  string
		at    string
		code  string
	}{
		{holder("a", Administrator, Hub), Administrator, Hub, ""},
		{holder("a", Administrator, Hub), Management, "tower", ""},
		{holder("a", Administrator, Hub), Administrator, "tower", HubOnly},
		{holder("a", Administrator, Hub), "guard", "south", ""},
		{holder("a", Administrator, Hub), "guard", "north", NotThere},
		{holder("d", Distributor, "acme"), Dealer, "north", ""},
		{holder("d", Distributor, "acme"), Distributor, "acme", ""},
		{holder("d", Distributor, "acme"), Management, "north", NotHeld},
		{holder("d", Distributor, "acme"), Dealer, "annex", NotYours},
		{holder("d", Distributor, "acme"), Dealer, Hub, NotYours},
		{holder("d", Distributor, Hub), Viewer, Hub, NotYours},
		{holder("d", Dealer, "north"), Technician, Site("tower-1"), ""},
		{holder("d", Dealer, "north"), Distributor, "north", NotHeld},
		{holder("d", Dealer, "north"), Dealer, "acme", NotYours},
		{holder("d", Dealer, "north"), Dealer, "south", NotYours},
		{holder("m", Management, "tower"), Concierge, "tower", ""},
		{holder("m", Management, "tower"), Dealer, "tower", NotHeld},
		{holder("c", Concierge, "tower"), Concierge, "tower", NotYours},
		{holder("d", Dealer, "north", Management, "tower"), Management, "north", NotHeld},
	} {
		c.giver.Table = NewTable([]Role{custom})
		role, _ := c.giver.Table.Role(c.role)
		path, _ := town().path(c.at)
		if got := codeOf(MayGive(c.giver, role, path)); got != c.code {
			t.Errorf("%s as %v gives %s at %q: %q, want %q", c.giver.User, c.giver.Held, c.role, c.at, got, c.code)
		}
	}
}

func codeOf(err error) string {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func TestNobodyTakesOrEntersWhatHeCouldNotGive(t *testing.T) {
	dealer := holder("d", Dealer, "north")
	manager := Assignment{User: "m", Role: Management, Group: "tower"}
	path, _ := town().path("tower")
	if got := codeOf(MayTake(dealer, manager, path)); got != NotHeld {
		t.Errorf("a dealer ends the management company's role: %q", got)
	}
	if got := codeOf(MayTake(dealer, Assignment{User: "t", Role: "forgotten", Group: "tower"}, path)); got != "" {
		t.Errorf("a role that is not known any more stays for ever: %q", got)
	}
	porter := holder("d", Dealer, "north")
	porter.Table = NewTable([]Role{{ID: "porter", Title: "Porter", Rights: []Right{Monitor}, Group: "south"}})
	if got := codeOf(MayTake(porter, Assignment{User: "t", Role: "porter", Group: "tower"}, path)); got != "" {
		t.Errorf("a role that is made for another part of the tree now, and was given here before, stays for ever: %q", got)
	}
	for name, c := range map[string]struct {
		held []Assignment
		ok   bool
	}{
		"his technician":              {[]Assignment{{User: "t", Role: Technician, Group: "tower"}}, true},
		"one who is elsewhere, too":   {[]Assignment{{User: "t", Role: Technician, Group: "tower"}, {User: "t", Role: Technician, Group: "south"}}, false},
		"one who has more":            {[]Assignment{manager}, false},
		"nobody of his":               {nil, false},
		"one whose other place ended": {[]Assignment{{User: "t", Role: Technician, Group: "tower"}, {User: "t", Role: Technician, Group: "gone"}}, true},
	} {
		if err := MayAct(dealer, c.held, town().path); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := MayAct(holder("a", Administrator, Hub), nil, town().path); err != nil {
		t.Error(err)
	}
}

func TestTheFirstManagementCompanyIsAppointedAndNoSecondOne(t *testing.T) {
	dealer, custom := holder("d", Dealer, "north"), Role{ID: "porter", Title: "Porter", Rights: []Right{SeePersons}, Group: "north"}
	dealer.Table = NewTable([]Role{custom})
	for name, c := range map[string]struct {
		giver Holder
		at    string
		all   []Assignment
		code  string
	}{
		"the dealer":                  {dealer, "north", nil, ""},
		"below":                       {dealer, "tower", nil, ""},
		"the distributor":             {holder("d", Distributor, "acme"), "tower", nil, ""},
		"a server administrator":      {holder("a", Administrator, Hub), "tower", nil, ""},
		"above":                       {dealer, "acme", nil, NotYours},
		"beside":                      {dealer, "south", nil, NotYours},
		"in another company":          {dealer, "annex", nil, NotYours},
		"a technician":                {holder("t", Technician, "north"), "north", nil, NotYours},
		"a management company":        {holder("m", Management, "north"), "north", nil, NotYours},
		"at a site":                   {dealer, Site("tower-1"), nil, NotThere},
		"of the hub":                  {holder("a", Administrator, Hub), Hub, nil, NotThere},
		"nowhere":                     {dealer, "nowhere", nil, NotThere},
		"one is there":                {dealer, "tower", []Assignment{{User: "m", Role: Management, Group: "tower"}}, Managed},
		"one is above":                {dealer, "tower", []Assignment{{User: "m", Role: Management, Group: "acme"}}, Managed},
		"one is below":                {dealer, "north", []Assignment{{User: "m", Role: Management, Group: "tower"}}, Managed},
		"one is at a site below":      {dealer, "north", []Assignment{{User: "m", Role: Concierge, Group: Site("tower-1")}}, Managed},
		"a porter is there":           {dealer, "tower", []Assignment{{User: "p", Role: "porter", Group: "tower"}}, Managed},
		"one is beside":               {dealer, "north", []Assignment{{User: "m", Role: Management, Group: "south"}}, ""},
		"in another company, too":     {dealer, "north", []Assignment{{User: "m", Role: Management, Group: "annex"}}, ""},
		"one is gone with his place":  {dealer, "north", []Assignment{{User: "m", Role: Management, Group: "gone"}}, ""},
		"a server administrator is":   {dealer, "north", []Assignment{{User: "a", Role: Administrator, Group: Hub}}, ""},
		"who sees no people is there": {dealer, "north", []Assignment{{User: "t", Role: Technician, Group: "tower"}, {User: "v", Role: Viewer, Group: "tower"}}, ""},
	} {
		if got := codeOf(MayAppoint(c.giver, c.at, c.all, town().path)); got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
	}
	if dealer.May(SeePersons, Path{"acme", "north"}) {
		t.Error("whoever appoints sees people himself")
	}
}

func TestARoleOfOnesOwnHasNoMoreThanItsMaker(t *testing.T) {
	guard := Role{ID: "guard", Title: " Guard ", Rights: []Right{Monitor, PairPanels, Monitor}, Group: "north"}
	checked, err := CheckRole(guard)
	if err != nil || checked.Title != "Guard" || !slices.Equal(checked.Rights, []Right{Monitor, PairPanels}) {
		t.Fatalf("%+v, %v", checked, err)
	}
	for name, r := range map[string]Role{
		"over the hub":     {ID: "guard", Title: "Guard", Rights: []Right{ManageHub}},
		"of the hub":       {ID: "guard", Title: "Guard", Rights: []Right{SeeHealth}},
		"unknown":          {ID: "guard", Title: "Guard", Rights: []Right{"fly"}},
		"no title":         {ID: "guard", Title: " "},
		"a long title":     {ID: "guard", Title: strings.Repeat("g", 61)},
		"an odd title":     {ID: "guard", Title: "a\nb"},
		"no id":            {Title: "Guard"},
		"a wild id":        {ID: "Guard/..", Title: "Guard"},
		"a built-in id":    {ID: Dealer, Title: "Dealer", Rights: every()},
		"for one site":     {ID: "guard", Title: "Guard", Group: Site("tower-1")},
		"not even letters": {ID: "guard", Title: "\xff"},
	} {
		if _, err := CheckRole(r); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	north, _ := town().path("north")
	dealer := holder("d", Dealer, "north")
	for name, c := range map[string]struct {
		was  *Role
		is   Role
		path Path
		code string
	}{
		"his":                       {nil, checked, north, ""},
		"with more than he has":     {nil, Role{ID: "spy", Title: "Spy", Rights: []Right{SeePersonEvents}, Group: "north"}, north, NotHeld},
		"for everywhere":            {nil, Role{ID: "guard", Title: "Guard"}, nil, NotYours},
		"for his whole company":     {nil, Role{ID: "guard", Title: "Guard", Group: "acme"}, Path{"acme"}, NotYours},
		"one that had more than he": {&Role{ID: "spy", Title: "Spy", Rights: []Right{SeePersonEvents}, Group: "north"}, Role{ID: "spy", Title: "Spy", Group: "north"}, north, NotHeld},
		"moved to another group":    {&Role{ID: "guard", Title: "Guard", Group: "acme"}, checked, north, NotThere},
	} {
		if got := codeOf(MayPutRole(dealer, c.was, c.is, c.path)); got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
	}
	spoof := NewTable([]Role{{ID: Viewer, Title: "Viewer", Rights: every()}})
	if r, _ := spoof.Role(Viewer); r.Has(ManageHub) || len(spoof) != len(Builtin()) {
		t.Error("a stored role stands in for a built-in one")
	}
}

func TestSomebodyStaysServerAdministratorAndNobodyIsInTwoCompanies(t *testing.T) {
	root := Assignment{User: "root", Role: Administrator, Group: Hub}
	for name, c := range map[string]struct {
		all  []Assignment
		had  bool
		code string
	}{
		"one":                         {[]Assignment{root}, true, ""},
		"none":                        {[]Assignment{{User: "x", Role: Distributor, Group: "acme"}}, true, LastAdministrator},
		"one who is gone":             {[]Assignment{{User: "gone", Role: Administrator, Group: Hub}}, true, LastAdministrator},
		"none, as before":             {[]Assignment{{User: "x", Role: Viewer, Group: Hub}}, false, ""},
		"one at a group":              {[]Assignment{{User: "x", Role: Administrator, Group: "acme"}}, true, LastAdministrator},
		"two companies":               {[]Assignment{root, {User: "x", Role: Dealer, Group: "acme"}, {User: "x", Role: Dealer, Group: "annex"}}, true, TwoCompanies},
		"two sites of two companies":  {[]Assignment{root, {User: "x", Role: Viewer, Group: Site("tower-1")}, {User: "x", Role: Viewer, Group: Site("annex-1")}}, true, TwoCompanies},
		"two groups of one":           {[]Assignment{root, {User: "x", Role: Dealer, Group: "north"}, {User: "x", Role: Dealer, Group: "south"}}, true, ""},
		"a company and a loose site":  {[]Assignment{root, {User: "x", Role: Dealer, Group: "north"}, {User: "x", Role: Dealer, Group: Site("loose")}}, true, ""},
		"an administrator everywhere": {[]Assignment{{User: "x", Role: Administrator, Group: Hub}, {User: "x", Role: Dealer, Group: "acme"}, {User: "x", Role: Dealer, Group: "other"}}, true, ""},
	} {
		a := &Arrangement{Users: []fleet.User{{Name: "root"}, {Name: "x"}}, Assignments: c.all}
		if got := codeOf(CheckAll(a, c.had, []string{"x"}, town().path)); got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
	}
}

func TestAHandOverLeavesTheOldOneNothing(t *testing.T) {
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	world := town()
	all := []Assignment{
		{User: "root", Role: Administrator, Group: Hub},
		{User: "old", Role: Dealer, Group: "north"},
		{User: "old", Role: Technician, Group: Site("tower-1")},
		{User: "old", Role: Dealer, Group: "south"},
		{User: "owner", Role: Management, Group: "tower"},
	}
	h := HandOver{Group: "north", From: []string{"old"}, To: "new", Role: Dealer, State: Asked, Asked: now}
	next, ended, err := Hand(h, all, NewTable(nil), world.path, world.path, "owner", now)
	if err != nil || len(ended) != 2 {
		t.Fatalf("ended %v, %v", ended, err)
	}
	of := func(user string) Holder {
		h := Holder{User: user, Table: NewTable(nil)}
		for _, a := range next {
			if a.User == user {
				h.Held = append(h.Held, a)
			}
		}
		return h
	}
	tower, _ := world.path(Site("tower-1"))
	south, _ := world.path("south")
	dealer, _ := NewTable(nil).Role(Dealer)
	if !slices.Equal(of("new").Rights(tower), dealer.Rights) || of("old").Sees(tower) || !of("old").Sees(south) || !of("owner").May(SeePersonEvents, tower) {
		t.Errorf("after it: %v", next)
	}

	h.Group = Site("tower-1")
	if _, _, err := Hand(h, all, NewTable(nil), world.path, world.path, "owner", now); codeOf(err) != NotThere || !strings.Contains(err.Error(), "the group north above") {
		t.Errorf("the old dealer keeps the site through the group above: %v", err)
	}
	moved := tree{}
	for place, above := range world {
		moved[place] = above
	}
	moved[Site("tower-1")] = "annex"
	h.Under = "annex"
	next, ended, err = Hand(h, all, NewTable(nil), world.path, moved.path, "owner", now)
	annexed, _ := moved.path(Site("tower-1"))
	if err != nil || len(ended) != 1 || of("old").Sees(annexed) || !of("new").May(PairPanels, annexed) {
		t.Errorf("moved to another company: %v, %v", next, err)
	}
}

func TestASiteThatChangesItsCompanyLeavesItsPeopleBehind(t *testing.T) {
	world := town()
	path := func(place string) Path { p, _ := world.path(place); return p }
	for name, c := range map[string]struct {
		site    string
		to      Path
		ended   int
		touched string
		code    string
	}{
		"within the company":     {"tower-1", path("south"), 0, "[cora]", ""},
		"to another company":     {"tower-1", path("annex"), 1, "[cora]", ""},
		"out of every group":     {"tower-1", path(Hub), 1, "[cora]", ""},
		"into its first company": {"loose", path("south"), 0, "[lou]", ""},
		"below a site":           {"tower-1", path(Site("south-1")), 0, "[]", NotThere},
		"below itself":           {"tower-1", path(Site("tower-1")), 0, "[]", NotThere},
		"one that is not there":  {"nothing", path("south"), 0, "[]", NotThere},
	} {
		a := Arrangement{Sites: []fleet.Site{{ID: "tower-1", Group: "tower"}, {ID: "loose"}}, Assignments: []Assignment{
			{User: "cora", Role: Concierge, Group: Site("tower-1")}, {User: "old", Role: Dealer, Group: "north"}, {User: "lou", Role: Viewer, Group: Site("loose")},
		}}
		touched, ended, err := a.HangSite(c.site, path(Site(c.site)), c.to)
		if codeOf(err) != c.code || len(ended) != c.ended || fmt.Sprint(touched) != c.touched || len(a.Assignments) != 3-c.ended {
			t.Errorf("%s: %v ended, %v touched, %v are left, %v", name, ended, touched, a.Assignments, err)
		}
	}
}

func TestAHandOverNeedsWhoMayAskAndTheOwner(t *testing.T) {
	path := town().path
	all := []Assignment{{User: "old", Role: Dealer, Group: "north"}, {User: "owner", Role: Management, Group: "tower"}}
	h := HandOver{Group: "north", From: []string{"old"}, To: "new", Role: Dealer}
	with := func(change func(*HandOver)) HandOver {
		h := h
		change(&h)
		return h
	}
	company := holder("d", Distributor, "acme")
	for name, c := range map[string]struct {
		asker Holder
		h     HandOver
		code  string
	}{
		"the company":                  {company, h, ""},
		"a server administrator":       {holder("a", Administrator, Hub), h, ""},
		"a dealer":                     {holder("e", Dealer, "north"), h, NotYours},
		"another company":              {holder("d", Distributor, "other"), h, NotYours},
		"with more than one has":       {company, with(func(h *HandOver) { h.Role = Management }), NotHeld},
		"taking what one has not":      {company, with(func(h *HandOver) { h.From = []string{"old", "owner"} }), NotHeld},
		"to the old one":               {company, with(func(h *HandOver) { h.To = "old" }), NotThere},
		"from nobody":                  {company, with(func(h *HandOver) { h.From = nil }), NotThere},
		"of the hub":                   {holder("a", Administrator, Hub), with(func(h *HandOver) { h.Group = Hub }), NotThere},
		"a group below another":        {company, with(func(h *HandOver) { h.Under = "south" }), NotThere},
		"a site into a foreign group":  {company, with(func(h *HandOver) { h.Group, h.Under = Site("tower-1"), "annex" }), NotYours},
		"a site to where he adds none": {holder("d", Distributor, "north", Management, "south"), with(func(h *HandOver) { h.Group, h.Under, h.Role = Site("tower-1"), "south", Viewer }), NotYours},
		"a site into a group of his":   {company, with(func(h *HandOver) { h.Group, h.Under = Site("tower-1"), "south" }), ""},
		"a site below a site":          {company, with(func(h *HandOver) { h.Group, h.Under = Site("tower-1"), Site("south-1") }), NotThere},
		"a site below itself":          {company, with(func(h *HandOver) { h.Group, h.Under = Site("tower-1"), Site("tower-1") }), NotThere},
		"with a role of nothing":       {company, with(func(h *HandOver) { h.Role = Resident }), NotThere},
	} {
		if got := codeOf(MayAsk(c.asker, c.h, all, path)); got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
	}
	tower, _ := path("tower")
	for name, c := range map[string]struct {
		owner Holder
		note  string
		ok    bool
	}{
		"the owner":                        {holder("owner", Management, "tower"), "", true},
		"the owner of another one":         {holder("owner", Management, "annex"), "", false},
		"the company":                      {company, "he said so", false},
		"the old dealer, who owns, too":    {holder("old", Management, "tower"), "", false},
		"the new dealer, who owns, too":    {holder("new", Management, "tower"), "", false},
		"a server administrator":           {holder("a", Administrator, Hub), " ", false},
		"a server administrator who knows": {holder("a", Administrator, Hub), "letter of 3 May", true},
	} {
		if err := MayConsent(c.owner, h, c.note, tower); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	asked := HandOver{State: Asked, Asked: now}
	if !asked.Open(now.Add(HandOverTime-time.Second)) || asked.Open(now.Add(HandOverTime)) || (HandOver{State: Declined, Asked: now}).Open(now) {
		t.Error("a hand-over is open when it is not, or the other way round")
	}
}

// drawTree draws a tree of some groups and sites.
func drawTree(t *rapid.T) (tree, []string) {
	world, places := tree{}, []string{}
	groups := []string{Hub}
	for i := range rapid.IntRange(1, 14).Draw(t, "groups") {
		id := fmt.Sprint("g", i)
		world[id] = rapid.SampledFrom(groups).Draw(t, "parent")
		groups, places = append(groups, id), append(places, id)
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "sites") {
		id := Site(fmt.Sprint("s", i))
		world[id] = rapid.SampledFrom(groups).Draw(t, "above the site")
		places = append(places, id)
	}
	return world, places
}

func drawTable(t *rapid.T) Table {
	var made []Role
	rights := every()
	for i := range rapid.IntRange(0, 4).Draw(t, "roles") {
		made = append(made, Role{ID: fmt.Sprint("r", i), Title: "R", Rights: rapid.SliceOfDistinct(rapid.SampledFrom(rights), func(r Right) Right { return r }).Draw(t, "rights")})
	}
	return NewTable(made)
}

func drawHeld(t *rapid.T, table Table, places []string, user string) []Assignment {
	var held []Assignment
	for range rapid.IntRange(0, 4).Draw(t, "assignments") {
		held = append(held, Assignment{User: user, Role: rapid.SampledFrom([]Role(table)).Draw(t, "role").ID, Group: rapid.SampledFrom(places).Draw(t, "place")})
	}
	return held
}

// Whatever the table, nobody reaches beside or above his groups, and taking an assignment away takes what it gave.
func TestNobodyReachesBesideOrAboveHisGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		world, places := drawTree(t)
		table := drawTable(t)
		held := drawHeld(t, table, places, "x")
		h := Holder{"x", held, table}
		place := rapid.SampledFrom(append(places, Hub)).Draw(t, "asked about")
		path, _ := world.path(place)
		right := rapid.SampledFrom(every()).Draw(t, "right")
		if right.WholeHub() {
			path = nil
		}
		want := slices.ContainsFunc(held, func(a Assignment) bool {
			role, _ := table.Role(a.Role)
			for at := place; at != Hub && len(path) > 0; at = world[at] {
				if at == a.Group {
					return role.Has(right)
				}
			}
			return false
		})
		if got := h.May(right, path); got != want {
			t.Fatalf("%v has %s at %q: %t", held, right, place, got)
		}
		for _, root := range Roots(held, table, right, world.path) {
			at, _ := world.path(root)
			if !right.WholeHub() && !h.May(right, at) {
				t.Fatalf("%q is a root of %s and is not reached", root, right)
			}
		}
		if want {
			covered := slices.ContainsFunc(Roots(held, table, right, world.path), func(root string) bool { return slices.Contains(path, root) })
			if !covered {
				t.Fatalf("%q is reached, and below none of the roots", place)
			}
		}
		if len(held) == 0 {
			return
		}
		gone := rapid.IntRange(0, len(held)-1).Draw(t, "taken away")
		less := Holder{"x", slices.Delete(slices.Clone(held), gone, gone+1), table}
		if less.May(right, path) && !h.May(right, path) {
			t.Fatal("taking a role away gave something")
		}
		other := slices.ContainsFunc(less.Held, func(a Assignment) bool {
			role, _ := table.Role(a.Role)
			return role.Has(right) && slices.Contains(path, a.Group)
		})
		if less.May(right, path) != other {
			t.Fatal("what a taken role gave is there still")
		}
	})
}

// Whatever is given by whoever may give it, nobody ends up with more than the givers had, and never above their groups.
func TestGivingNeverMakesMoreThanThereWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		world, places := drawTree(t)
		table := drawTable(t)
		giver := Holder{"giver", drawHeld(t, table, places, "giver"), table}
		taker := Holder{"taker", nil, table}
		for range rapid.IntRange(1, 6).Draw(t, "gifts") {
			role := rapid.SampledFrom([]Role(table)).Draw(t, "gift")
			place := rapid.SampledFrom(append(places, Hub)).Draw(t, "at")
			path, _ := world.path(place)
			if MayGive(giver, role, path) == nil {
				taker.Held = append(taker.Held, Assignment{User: "taker", Role: role.ID, Group: place})
			}
		}
		for _, place := range append(places, Hub) {
			path, _ := world.path(place)
			for _, right := range every() {
				if taker.May(right, path) && !giver.May(right, path) {
					t.Fatalf("%s at %q was given by one who has it not: %v gave %v", right, place, giver.Held, taker.Held)
				}
			}
		}
	})
}

// A hand-over leaves the old ones nothing at that place and below, everybody else what he had, and the new one all of the role.
func TestAHandOverIsOneStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		world, places := drawTree(t)
		table := NewTable(nil)
		all := slices.Concat(drawHeld(t, table, places, "old"), drawHeld(t, table, places, "other"), drawHeld(t, table, places, "new"))
		h := HandOver{Group: rapid.SampledFrom(places).Draw(t, "handed over"), From: []string{"old"}, To: "new", Role: Dealer}
		next, ended, err := Hand(h, all, table, world.path, world.path, "owner", time.Time{})
		if err != nil {
			return
		}
		of := func(list []Assignment, user string) Holder {
			h := Holder{User: user, Table: table}
			for _, a := range list {
				if a.User == user {
					h.Held = append(h.Held, a)
				}
			}
			return h
		}
		dealer, _ := table.Role(Dealer)
		for _, place := range places {
			path, _ := world.path(place)
			within := slices.Contains(path, h.Group)
			switch {
			case within && of(next, "old").Sees(path):
				t.Fatalf("the old one sees %q: %v", place, next)
			case !within && !slices.Equal(of(next, "old").Rights(path), of(all, "old").Rights(path)):
				t.Fatalf("the old one's rights at %q changed", place)
			case !slices.Equal(of(next, "other").Rights(path), of(all, "other").Rights(path)):
				t.Fatalf("another one's rights at %q changed", place)
			}
			for _, right := range dealer.Rights {
				if within && !of(next, "new").May(right, path) {
					t.Fatalf("the new one has not %s at %q", right, place)
				}
			}
		}
		if len(next)+len(ended) < len(all) {
			t.Fatal("something went neither way")
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	h := holder("x", Viewer, Site("a"), Dealer, "south", Dealer, "north")
	path, _ := town().path(Site("tower-1"))
	for b.Loop() {
		if !h.May(EditLicenses, path) {
			b.Fatal("refused")
		}
	}
}

// The page for people says what the built-in roles may do.
func TestThePageHasEveryRightOfEveryRole(t *testing.T) {
	page, err := os.ReadFile("../../docs/roles.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, about := range Rights() {
		var row strings.Builder
		fmt.Fprintf(&row, "| %s `%s` |", about.Title, about.Right)
		for _, role := range Builtin() {
			if role.Has(about.Right) {
				row.WriteString(" yes |")
			} else {
				row.WriteString("  |")
			}
		}
		if !bytes.Contains(page, []byte(row.String()+"\n")) {
			t.Errorf("docs/roles.md lacks the row %s", row.String())
		}
	}
}
