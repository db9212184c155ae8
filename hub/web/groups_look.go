package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const (
	// groupsAtOnce is how many groups a list shows before it offers more.
	groupsAtOnce = 50
	// groupsSorted is up to how many groups below one are put in the order of their names; more stay in the order in which they
	// were made.
	groupsSorted = 1000
	// usersAtOnce is how many users a list shows before it offers more.
	usersAtOnce = 50
)

// groupView is a group as one caller may see it.
type groupView struct {
	ledger.Group
	above  []ledger.Group // from the root to the parent
	zone   *time.Location
	holder roles.Holder
}

// line is the group with those above it, topmost first.
func (g groupView) line() []ledger.Group { return append(slices.Clone(g.above), g.Group) }

// root is the company.
func (g groupView) root() ledger.Group { return g.line()[0] }

func pathOf(line []ledger.Group) roles.Path {
	path := make(roles.Path, 0, len(line))
	for _, a := range line {
		path = append(path, a.ID)
	}
	return path
}

// may tells whether the caller has one of the rights in this group.
func (g groupView) may(rights ...roles.Right) bool {
	return slices.ContainsFunc(rights, func(r roles.Right) bool { return g.holder.May(r, pathOf(g.line())) })
}

// level is the kind of group in the company's own words.
func (g groupView) level() string { return levelName(g.root(), g.Level) }

func levelName(root ledger.Group, id string) string {
	for _, l := range root.Levels {
		if l.ID == id {
			return l.Name
		}
	}
	return id
}

// manager is whom to ask about the group: its own or the nearest above.
func (g groupView) manager() string {
	line := g.line()
	for _, a := range slices.Backward(line) {
		if a.Manager != "" {
			return a.Manager
		}
	}
	return ""
}

// asker is how much of the tree the caller may be told of, from this group upwards.
func (g groupView) asker() ledger.Asker {
	if g.holder.Everywhere() {
		return ledger.Asker{All: true}
	}
	path := pathOf(g.line())
	for i := range path {
		if g.holder.May(roles.SeeLicenses, path[:i+1]) {
			return ledger.Asker{Top: path[i]}
		}
	}
	return ledger.Asker{}
}

// visible is the group with those above it as far as the caller sees them, topmost first.
func (g groupView) visible() []ledger.Group {
	line := g.line()
	for i := range line {
		if g.holder.Sees(pathOf(line[:i+1])) {
			return line[i:]
		}
	}
	return line[len(line)-1:]
}

// treeRights are those with which the tree is worth looking at.
func treeRights() []roles.Right {
	return []roles.Right{roles.SeeLicenses, roles.EditLicenses, roles.SeeUsage, roles.EditGroups, roles.EditUserLicenses, roles.SeePersons, roles.EditPersons, roles.ApproveRelease}
}

// seesTree tells whether the caller has anything to look for in the tree of groups.
func (v *visit) seesTree() bool {
	return v.s.o.Ledger != nil && slices.ContainsFunc(treeRights(), v.caller.holds.Anywhere)
}

// findGroup reads a group with those above it. That there is none, and that the caller has no right there, are told alike.
func (v *visit) findGroup(book ledger.Book, id string) (groupView, error) {
	g := groupView{holder: v.caller.holds}
	var line []ledger.Group
	for next := id; next != ""; {
		one, found, err := book.Group(next)
		if err != nil {
			return g, err
		}
		if !found || len(line) > ledger.MaxDepth {
			return g, notThere()
		}
		line = append(line, one)
		next = one.Parent
	}
	if len(line) == 0 {
		return g, notThere()
	}
	slices.Reverse(line)
	g.Group, g.above = line[len(line)-1], line[:len(line)-1]
	if !g.may(treeRights()...) {
		return g, notThere()
	}
	zone := "UTC"
	for _, a := range line {
		zone = cmp.Or(a.Zone, zone)
	}
	g.zone = zoneOf(zone)
	return g, nil
}

// needGroup is findGroup for those who have one of the rights.
func (v *visit) needGroup(book ledger.Book, id string, rights ...roles.Right) (groupView, error) {
	g, err := v.findGroup(book, id)
	if err != nil {
		return g, err
	}
	if !g.may(rights...) {
		return g, problem(http.StatusForbidden, "not-allowed", "this needs the right “"+rights[0].Title()+"” in "+g.Name)
	}
	return g, nil
}

// inGroup reads the group that the address names, for those who have one of the rights, and lets see look on.
func (v *visit) inGroup(see func(book ledger.Book, g groupView) error, rights ...roles.Right) error {
	return v.s.o.Ledger.Look(func(book ledger.Book) error {
		g, err := v.needGroup(book, v.path("group"), rights...)
		if err != nil {
			return err
		}
		return see(book, g)
	})
}

// topGroups are the topmost groups that the caller may see, one page of them.
func (v *visit) topGroups(book ledger.Book, after string) (groups []ledger.Group, more string, err error) {
	h := v.caller.holds
	if h.Everywhere() {
		return groupsBelow(book, "", after)
	}
	path := func(place string) (roles.Path, bool) {
		g, err := v.findGroup(book, place)
		return pathOf(g.line()), err == nil
	}
	var places []string
	for _, right := range treeRights() {
		places = append(places, roles.Roots(h.Held, h.Table, right, path)...)
	}
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		g, err := v.findGroup(book, place)
		if err != nil || slices.ContainsFunc(g.above, func(a ledger.Group) bool { return slices.Contains(places, a.ID) }) {
			continue // a site, the hub, or below another one of them
		}
		groups = append(groups, g.Group)
	}
	groups, more = pageOf(groups, after)
	return groups, more, nil
}

// groupsBelow is one page of the groups right below one, those after a certain one; more is what to ask the next page after.
func groupsBelow(book ledger.Book, parent, after string) (groups []ledger.Group, more string, err error) {
	for g, err := range book.Children(parent, "") {
		if err != nil {
			return nil, "", err
		}
		if groups = append(groups, g); len(groups) > groupsSorted {
			return groupsUnsorted(book, parent, after)
		}
	}
	groups, more = pageOf(groups, after)
	return groups, more, nil
}

// pageOf sorts the groups, those in use first, and cuts one page out.
func pageOf(groups []ledger.Group, after string) ([]ledger.Group, string) {
	slices.SortStableFunc(groups, func(a, b ledger.Group) int {
		return cmp.Or(cmp.Compare(archivedLast(a), archivedLast(b)), compareNames(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	first := 0
	if after != "" {
		first = slices.IndexFunc(groups, func(g ledger.Group) bool { return g.ID == after }) + 1
	}
	rest := groups[first:]
	if len(rest) <= groupsAtOnce {
		return rest, ""
	}
	return rest[:groupsAtOnce], rest[groupsAtOnce-1].ID
}

func archivedLast(g ledger.Group) int {
	if g.Archived.IsZero() {
		return 0
	}
	return 1
}

func groupsUnsorted(book ledger.Book, parent, after string) (groups []ledger.Group, more string, err error) {
	for g, err := range book.Children(parent, after) {
		if err != nil {
			return nil, "", err
		}
		if len(groups) == groupsAtOnce {
			return groups, groups[groupsAtOnce-1].ID, nil
		}
		groups = append(groups, g)
	}
	return groups, "", nil
}

// compareNames orders names as people do: letters alike whether large or small, and 2 before 10.
func compareNames(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	for a != "" && b != "" {
		na, nb := digitsOf(a), digitsOf(b)
		if na != "" && nb != "" {
			va, vb := strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
			if order := cmp.Or(cmp.Compare(len(va), len(vb)), cmp.Compare(va, vb)); order != 0 {
				return order
			}
			a, b = a[len(na):], b[len(nb):]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digitsOf are the digits that a text begins with.
func digitsOf(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
}
