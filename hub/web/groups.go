package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const (
	maxFound    = 50  // groups that a search shows
	lookThrough = 500 // groups with names that fit that a search looks at in one go
	lookRounds  = 20  // and how often, for a caller who may not see all of them
)

type (
	// groupRow is a group in the tree with its numbers at a glance.
	groupRow struct {
		group  ledger.Group
		level  string
		state  ledger.State
		counts bool     // the caller may see the numbers
		above  []string // names of the groups above, in what a search found
		open   bool
		below  []groupRow
		more   string // ask for the groups below after this one
		last   bool   // nothing is below
		edit   string // where it is changed; empty: the caller may not
		back   bool   // the reader comes back from its fields
	}
	// treeView is what the page of the tree shows.
	treeView struct {
		rows   []groupRow
		more   string
		at     *groupView // the group that is open, when the page was asked for it
		query  string
		found  bool // the rows are what a search found
		cut    bool // there was more to find
		makes  bool // the caller may make companies
		caller caller
	}
	// groupPage is a page of one group: what every one of them has around it.
	groupPage struct {
		groupView
		now  time.Time
		here string // which of the group's pages it is
	}
	// statePage is the page of a group that says how it stands.
	statePage struct {
		groupPage
		state ledger.State
		plain bool // of somebody who may not see limits
		rows  []groupRow
		more  string
		// waiting is how many replacements wait for an approval here and below, as far as the caller may see them.
		waiting int
	}
)

func (s *Server) groupRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return slices.Concat(s.rowRoutes(), []route{
		{Method: "GET", Pattern: "/groups", Access: LoggedIn, Handler: s.pageTree, Page: true, Status: 200, Query: []string{"q", "at", "after"}, Summary: "The tree of groups"},
		{Method: "GET", Pattern: "/groups/{group}/branch", Access: LoggedIn, Handler: s.partBranch, Page: true, Status: 200, Query: []string{"open"}, Summary: "One group of the tree, open or closed"},
		{Method: "GET", Pattern: "/groups/{group}/more", Access: LoggedIn, Handler: s.partMore, Page: true, Status: 200, Query: []string{"after"}, Summary: "More groups below one"},
		{Method: "GET", Pattern: "/groups/{group}", Access: LoggedIn, Handler: s.pageGroup, Page: true, Status: 200, Query: []string{"after"}, Summary: "A group and how it stands"},
	})
}

func (s *Server) pageTree(v *visit) error {
	q := v.r.URL.Query()
	p := treeView{query: strings.TrimSpace(q.Get("q")), caller: v.caller, makes: v.caller.holds.Everywhere()}
	if len(p.query) > maxName {
		return problem(http.StatusBadRequest, "bad-query", "the name to look for is too long")
	}
	if p.query != "" {
		if err := v.searchTree(&p); err != nil {
			return err
		}
		return v.show("Licenses", "licenses", treePage(p))
	}
	err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		if q.Get("at") != "" {
			return v.openAt(book, &p, q.Get("at"), q.Get("after"))
		}
		groups, more, err := v.topGroups(book, q.Get("after"))
		if err != nil {
			return err
		}
		p.more = more
		p.rows, err = v.rowsOf(book, groups)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("Licenses", "licenses", treePage(p))
}

// openAt shows one group with those above it and those right below.
func (v *visit) openAt(book ledger.Book, p *treeView, id, after string) error {
	g, err := v.findGroup(book, id)
	if err != nil {
		return err
	}
	p.at = &g
	line := g.visible()
	var inner []groupRow
	for _, a := range slices.Backward(line) {
		row, err := v.rowOf(book, a)
		if err != nil {
			return err
		}
		row.open, row.below = true, inner
		if a.ID == g.ID {
			if row.below, row.more, err = v.rowsBelow(book, a.ID, after); err != nil {
				return err
			}
		}
		inner = []groupRow{row}
	}
	p.rows = inner
	return nil
}

// searchTree finds groups by name among those that the caller may see.
func (v *visit) searchTree(p *treeView) error {
	p.found = true
	companies, err := v.companies()
	if err != nil {
		return err
	}
	for _, company := range companies {
		cut, err := v.eachNamed(company, p.query, func(book ledger.Book, g groupView) (bool, error) {
			if len(p.rows) == maxFound {
				return false, nil
			}
			row, err := v.rowOf(book, g.Group)
			visible := g.visible()
			row.above = groupNames(visible[:len(visible)-1])
			p.rows = append(p.rows, row)
			return true, err
		})
		if err != nil {
			return err
		}
		if p.cut = p.cut || cut; len(p.rows) == maxFound && cut {
			return nil
		}
	}
	return nil
}

// companies are those that the caller has something in, as FindGroups is asked for them.
func (v *visit) companies() (companies []string, err error) {
	if v.caller.holds.Everywhere() {
		return []string{""}, nil
	}
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		tops, _, err := v.topGroups(book, "")
		for _, top := range tops {
			companies = append(companies, top.Root)
		}
		return err
	})
	slices.Sort(companies)
	return slices.Compact(companies), err
}

// eachNamed hands the groups of a company with names that fit and that the caller sees to take, in the order of names, until it says
// false. cut tells that there may be more: take had enough, or too many were looked at. The names are found before the ledger is looked
// at: the one within the other could wait for the store for ever.
func (v *visit) eachNamed(company, words string, take func(book ledger.Book, g groupView) (more bool, err error)) (cut bool, err error) {
	after := ""
	for range lookRounds {
		found, next, err := v.s.o.GroupNames.FindGroups(company, words, after, lookThrough)
		if err != nil {
			return false, err
		}
		err = v.s.o.Ledger.Look(func(book ledger.Book) error {
			for _, one := range found {
				g, err := v.findGroup(book, one.ID)
				if err != nil {
					continue // of somebody else, or gone meanwhile
				}
				more, err := take(book, g)
				if err != nil {
					return err
				}
				if cut = !more; cut {
					return nil
				}
			}
			return nil
		})
		if err != nil || cut || next == "" {
			return cut, err
		}
		after = next
	}
	return true, nil
}

// rowOf is a group's row in the tree.
func (v *visit) rowOf(book ledger.Book, one ledger.Group) (groupRow, error) {
	g, err := v.findGroup(book, one.ID)
	if err != nil {
		return groupRow{}, err
	}
	row := groupRow{group: g.Group, level: g.level(), counts: g.may(roles.SeeLicenses, roles.SeeUsage), last: g.Count.Groups == 0, edit: editedAt(g)}
	if row.counts {
		row.state, err = ledger.StateOf(book, v.s.o.Now(), ledger.Subject{Group: g.ID}, g.asker())
	}
	return row, err
}

func (v *visit) rowsOf(book ledger.Book, groups []ledger.Group) ([]groupRow, error) {
	rows := make([]groupRow, 0, len(groups))
	for _, g := range groups {
		row, err := v.rowOf(book, g)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (v *visit) rowsBelow(book ledger.Book, parent, after string) ([]groupRow, string, error) {
	groups, more, err := groupsBelow(book, parent, after)
	if err != nil {
		return nil, "", err
	}
	rows, err := v.rowsOf(book, groups)
	return rows, more, err
}

// partBranch draws one group of the tree anew, with what is below it or without.
func (s *Server) partBranch(v *visit) error {
	var row groupRow
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		if row, err = v.rowOf(book, g.Group); err != nil {
			return err
		}
		if row.open = v.r.URL.Query().Get("open") != ""; row.open {
			row.below, row.more, err = v.rowsBelow(book, g.ID, "")
		}
		return err
	}, treeRights()...)
	if err != nil {
		return err
	}
	return v.part(branch(row))
}

func (s *Server) partMore(v *visit) error {
	var rows []groupRow
	var more, parent string
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		parent = g.ID
		rows, more, err = v.rowsBelow(book, g.ID, v.r.URL.Query().Get("after"))
		return err
	}, treeRights()...)
	if err != nil {
		return err
	}
	return v.part(branches(rows, parent, more))
}

// part answers with a part of a page to its script, and as a whole page to whoever opened the address by itself.
func (v *visit) part(c templ.Component) error {
	if v.scripted() {
		return v.render(http.StatusOK, c)
	}
	return v.show("Licenses", "licenses", loose(c))
}

func (s *Server) pageGroup(v *visit) error {
	p := statePage{}
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		p.groupPage = groupPage{g, s.o.Now(), "state"}
		asker := g.asker()
		if p.plain = !g.may(roles.SeeLicenses); p.plain {
			asker = ledger.Asker{Top: g.ID} // this group, and nothing of those above
		}
		if p.state, err = ledger.StateOf(book, p.now, ledger.Subject{Group: g.ID}, asker); err != nil {
			return err
		}
		if p.waiting, err = v.countWaiting(book, g); err != nil {
			return err
		}
		p.rows, p.more, err = v.rowsBelow(book, g.ID, v.r.URL.Query().Get("after"))
		return err
	}, treeRights()...)
	if err != nil {
		return err
	}
	return v.show(p.Name, "licenses", stateOfGroup(p))
}
