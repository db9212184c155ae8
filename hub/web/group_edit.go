package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// groupRequest is a group as its fields; Parent only of a new one.
	groupRequest struct {
		Parent         string `json:"parent,omitempty"`
		Name           string `json:"name"`
		Level          string `json:"level"`
		Zone           string `json:"zone"`
		Administrators string `json:"administrators"`
		Manager        string `json:"manager"`
	}
	moveRequest struct {
		To string `json:"to"`
	}
	levelRow struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	levelsRequest struct {
		Levels []levelRow `json:"levels"`
	}
	// editPage is the page on which a group is made or changed.
	editPage struct {
		groupPage
		parent  *groupView // of a new group; nil: a company
		fields  groupRequest
		levels  []ledger.Level // that it may have
		edition string
		empty   bool // it can be archived
	}
	// movePage is the page on which a group gets another place.
	movePage struct {
		groupPage
		query  string
		found  []groupRow
		to     *groupView
		whatIf whatIf
	}
)

func (s *Server) groupEditRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: "/groups/new", Access: LoggedIn, Handler: s.pageNewGroup, Page: true, Status: 200, Query: []string{"parent"}, Summary: "Make a group"},
		ledgerForm("/groups", "Make a group", s.doNewGroup),
		{Method: "GET", Pattern: "/groups/{group}/edit", Access: LoggedIn, Handler: s.pageEditGroup, Page: true, Status: 200, Summary: "Change a group"},
		ledgerForm("/groups/{group}/edit", "Change a group", s.doEditGroup),
		ledgerForm("/groups/{group}/levels", "Rename, add or leave out levels", s.doLevels),
		{Method: "GET", Pattern: "/groups/{group}/move", Access: LoggedIn, Handler: s.pageMove, Page: true, Status: 200, Query: []string{"q", "to"}, Summary: "Another place for a group"},
		ledgerForm("/groups/{group}/move", "Move a group", s.doMove),
		ledgerForm("/groups/{group}/archive", "Put a group into the archive", s.doArchiveGroup),
		ledgerForm("/groups/{group}/restore", "Take a group out of the archive", s.doRestoreGroup),
	}
}

func (s *Server) pageNewGroup(v *visit) error {
	id := v.r.URL.Query().Get("parent")
	p := editPage{groupPage: groupPage{now: s.o.Now()}}
	if id == "" {
		if !v.caller.holds.Everywhere() {
			return notThere()
		}
		p.levels = ledger.DefaultLevels()
		p.fields.Level = p.levels[0].ID
		return v.show("New company", "licenses", newGroup(p))
	}
	err := s.o.Ledger.Look(func(book ledger.Book) error {
		g, err := v.needGroup(book, id, roles.EditGroups)
		p.parent = &g
		return err
	})
	if err != nil {
		return err
	}
	if p.levels = levelsBelow(p.parent.root(), p.parent.Level); len(p.levels) == 0 {
		return problem(http.StatusConflict, "conflict", "below "+p.parent.level()+" there is no further level; add one at the company first")
	}
	p.fields = groupRequest{Parent: id, Level: p.levels[0].ID}
	return v.show("New group below "+p.parent.Name, "licenses", newGroup(p))
}

// group reads the fields that a new and a changed group have in common.
func (in groupRequest) group() (ledger.Group, error) {
	g := ledger.Group{Name: strings.TrimSpace(in.Name), Level: in.Level, Zone: strings.TrimSpace(in.Zone), Manager: strings.TrimSpace(in.Manager)}
	if err := checkName("the name", g.Name, true); err != nil {
		return g, err
	}
	if err := checkName("the manager", g.Manager, false); err != nil {
		return g, err
	}
	if g.Zone != "" {
		if err := checkZone(g.Zone); err != nil {
			return g, err
		}
	}
	addresses, err := addressesOf(in.Administrators)
	if err != nil {
		return g, notValid(err.Error())
	}
	g.Administrators = addresses
	return g, nil
}

func (s *Server) doNewGroup(v *visit, in groupRequest) (outcome, error) {
	made, err := in.group()
	if err != nil {
		return outcome{}, err
	}
	made.ID, made.Parent = newGroupID(s.o.Now()), in.Parent
	g := groupView{holder: v.caller.holds}
	if in.Parent == "" {
		if !g.holder.Everywhere() {
			return outcome{}, notThere()
		}
	} else if err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		g, err = v.needGroup(book, in.Parent, roles.EditGroups)
		return err
	}); err != nil {
		return outcome{}, err
	}
	if _, err := v.decide(g, ledger.CreateGroup{Group: made}); err != nil {
		return outcome{}, err
	}
	return outcome{Body: made, Said: made.Name + " is there.", Back: at("groups", made.ID)}, nil
}

func (s *Server) pageEditGroup(v *visit) error {
	p := editPage{}
	err := v.inGroup(func(_ ledger.Book, g groupView) error {
		p.groupPage = groupPage{g, s.o.Now(), "edit"}
		p.fields = groupRequest{Name: g.Name, Level: g.Level, Zone: g.Zone, Administrators: strings.Join(g.Administrators, ", "), Manager: g.Manager}
		p.edition = editionOfGroup(g.Group)
		p.levels = g.root().Levels
		if !g.IsRoot() {
			p.levels = levelsBelow(g.root(), g.above[len(g.above)-1].Level)
		}
		p.empty = g.Count.Groups == 0 && g.Count.Users == 0 && g.Count.Devices == 0 && g.Count.Used.IsZero()
		return nil
	}, roles.EditGroups)
	if err != nil {
		return err
	}
	return v.show(p.Name+": edit", "licenses", editGroup(p))
}

// editionOfGroup is what the form of a group is drawn from.
func editionOfGroup(g ledger.Group) string {
	return editionOf([]any{g.Name, g.Level, g.Zone, g.Administrators, g.Manager})
}

func (s *Server) doEditGroup(v *visit, in groupRequest) (outcome, error) {
	is, err := in.group()
	if err != nil {
		return outcome{}, err
	}
	s.edits.Lock()
	defer s.edits.Unlock()
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh(g.Name, editionOfGroup(g.Group), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	change := ledger.EditGroup{ID: g.ID, Name: &is.Name, Zone: &is.Zone, Manager: &is.Manager, Administrators: &is.Administrators}
	if is.Level != g.Level {
		change.Level = &is.Level
	}
	if _, err := v.decide(g, change); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Saved.", Back: at("groups", g.ID)}, nil
}

// groupAt is the group that the address names, for those who have one of the rights.
func (v *visit) groupAt(rights ...roles.Right) (g groupView, err error) {
	err = v.inGroup(func(_ ledger.Book, found groupView) error { g = found; return nil }, rights...)
	return g, err
}

func (s *Server) doLevels(v *visit, in levelsRequest) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("the list of levels", editionOf(g.Levels), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	var levels []ledger.Level
	for _, row := range in.Levels {
		name := strings.TrimSpace(row.Name)
		if name == "" {
			continue
		}
		if err := checkName("the level's name", name, true); err != nil {
			return outcome{}, err
		}
		id := row.ID
		if id == "" {
			id = drawID(5)
		}
		levels = append(levels, ledger.Level{ID: id, Name: name})
	}
	if _, err := v.decide(g, ledger.SetLevels{Root: g.ID, Levels: levels}); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The levels are saved.", Back: at("groups", g.ID, "edit")}, nil
}

// levelRows are a company's levels, with an empty row before, between and behind them.
func levelRows(levels []ledger.Level) []levelRow {
	var rows []levelRow
	for _, l := range levels {
		rows = append(rows, levelRow{l.ID, l.Name}, levelRow{})
	}
	return rows
}

func (s *Server) pageMove(v *visit) error {
	q := v.r.URL.Query()
	p := movePage{query: strings.TrimSpace(q.Get("q"))}
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return err
	}
	p.groupPage = groupPage{g, s.o.Now(), "edit"}
	if g.IsRoot() {
		return problem(http.StatusConflict, "conflict", "a company has no place that it could be moved from")
	}
	if p.query != "" {
		if err := s.findTargets(v, &p); err != nil {
			return err
		}
	}
	if to := q.Get("to"); to != "" {
		err := s.o.Ledger.Look(func(book ledger.Book) error {
			target, err := v.needGroup(book, to, roles.EditGroups)
			p.to = &target
			return err
		})
		if err != nil {
			return err
		}
		var r *ledger.Refusal
		p.whatIf, err = s.whatIf(v, g, ledger.MoveGroup{ID: g.ID, To: to}, ledger.Subject{Group: g.ID})
		if errors.As(err, &r) {
			p.whatIf.refused = r.Text
		} else if err != nil {
			return err
		}
	}
	return v.show(p.Name+": move", "licenses", moveGroup(p))
}

// findTargets looks for groups under which a group could be moved.
func (s *Server) findTargets(v *visit, p *movePage) error {
	_, err := v.eachNamed(p.Root, p.query, func(book ledger.Book, target groupView) (bool, error) {
		if !target.may(roles.EditGroups) || !target.Archived.IsZero() {
			return true, nil
		}
		if slices.ContainsFunc(target.line(), func(a ledger.Group) bool { return a.ID == p.ID }) || target.ID == p.Parent {
			return true, nil // itself, what is below it, or where it is
		}
		if !slices.ContainsFunc(levelsBelow(target.root(), target.Level), func(l ledger.Level) bool { return l.ID == p.Level }) {
			return true, nil // a building does not lie below a building
		}
		row, err := v.rowOf(book, target.Group)
		row.above = groupNames(target.visible())
		p.found = append(p.found, row)
		return len(p.found) < maxFound, err
	})
	return err
}

func (s *Server) doMove(v *visit, in moveRequest) (outcome, error) {
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	var target groupView
	if err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		target, err = v.needGroup(book, in.To, roles.EditGroups)
		return err
	}); err != nil {
		return outcome{}, err
	}
	changes, err := v.decide(g, ledger.MoveGroup{ID: g.ID, To: in.To})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Said: noticeWords(g.Name+" is below "+target.Name+" now.", changes.Notices), Back: with("/groups", "at", g.ID)}, nil
}

func (s *Server) doArchiveGroup(v *visit, _ none) (outcome, error) {
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(g, ledger.ArchiveGroup{ID: g.ID})
	return outcome{Said: g.Name + " is in the archive.", Back: with("/groups", "at", g.Parent)}, err
}

func (s *Server) doRestoreGroup(v *visit, _ none) (outcome, error) {
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(g, ledger.RestoreGroup{ID: g.ID})
	return outcome{Said: g.Name + " is back.", Back: at("groups", g.ID)}, err
}
