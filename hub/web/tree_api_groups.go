package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// groupAnswer is a group as far as the caller may see it.
	groupAnswer struct {
		ID             string           `json:"id"`
		Parent         string           `json:"parent,omitempty"` // when the caller sees it
		Name           string           `json:"name"`
		Level          string           `json:"level"`
		LevelName      string           `json:"level_name,omitempty"`
		Zone           string           `json:"zone"`           // its own or that of a group above
		OwnZone        string           `json:"own_zone"`       // empty: that of a group above
		Manager        string           `json:"manager"`        // whom residents are told to ask
		Administrators []string         `json:"administrators"` // mail addresses; none for those who have nothing to do with licenses
		Restricted     bool             `json:"restricted"`
		Path           []ledger.Place   `json:"path"` // from the topmost group that the caller sees
		Levels         []ledger.Level   `json:"levels,omitempty"`
		Archived       time.Time        `json:"archived,omitzero"`
		Made           time.Time        `json:"made"`
		Count          *ledger.Counters `json:"count,omitempty"`
		Edition        string           `json:"edition"` // for If-Match
	}
	newGroupRequest struct {
		ID             string   `json:"id,omitempty"`
		Parent         string   `json:"parent,omitempty"` // empty: a company
		Name           string   `json:"name"`
		Level          string   `json:"level"`
		Zone           string   `json:"zone,omitempty"`
		Manager        string   `json:"manager,omitempty"`
		Administrators []string `json:"administrators,omitempty"`
	}
	// editGroupRequest changes what is there; the rest stays.
	editGroupRequest struct {
		Name           *string   `json:"name,omitempty"`
		Level          *string   `json:"level,omitempty"`
		Zone           *string   `json:"zone,omitempty"`
		Manager        *string   `json:"manager,omitempty"`
		Administrators *[]string `json:"administrators,omitempty"`
	}
	levelsWords struct {
		Levels []ledger.Level `json:"levels"`
	}
	movedAnswer struct {
		Group   groupAnswer     `json:"group"`
		Notices []ledger.Notice `json:"notices,omitempty"`
	}
)

func (s *Server) groupAPI() []route {
	example := groupAnswer{ID: "0m3k2a1-4f0c9a2b7d11e8", Name: "Building 7", Level: "building", LevelName: "Building", Zone: "Europe/Rome", Manager: "Ines Conti",
		Administrators: []string{"ines@example.org"}, Path: []ledger.Place{{Group: "0m3k2a1-4f0c9a2b7d11e8", Name: "Building 7", Level: "Building"}}, Edition: "9c2f1a907c2f1a90"}
	name, manager := "Building 7", "Ines Conti"
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/groups", Access: LoggedIn, Handler: s.getGroups, Status: 200, Query: []string{"parent", "q", "after"},
				Summary: "The groups right below one, without parent the topmost that one sees, or those with names that fit q; cut tells that there are more of these", Response: object{"groups": []groupAnswer{example}, "next": "", "cut": false}},
			{Method: "GET", Pattern: api + "/groups/{group}", Access: LoggedIn, Handler: s.getGroup, Status: 200, Summary: "A group", Response: example},
		},
		ledgerDeed(deed[newGroupRequest]{Method: "POST", API: "/groups", Access: roles.EditGroups, Status: 201, Summary: "Make a group, or without parent a company; again with the same id makes nothing twice",
			Request: newGroupRequest{Parent: "0m3k2a1-1b2c3d4e5f6a7b", Name: name, Level: "building", Manager: manager}, Response: example, Do: s.doAPINewGroup}),
		ledgerDeed(deed[editGroupRequest]{Method: "PUT", API: "/groups/{group}", Access: roles.EditGroups, Status: 200, Summary: "Change a group; what is left out stays",
			Request: editGroupRequest{Name: &name, Manager: &manager}, Response: example, Do: s.doAPIEditGroup}),
		ledgerDeed(deed[levelsWords]{Method: "PUT", API: "/groups/{group}/levels", Access: roles.EditGroups, Status: 200, Summary: "Rename, add, order or leave out the levels of a company",
			Request: levelsWords{ledger.DefaultLevels()}, Response: example, Do: s.doAPILevels}),
		ledgerDeed(deed[moveRequest]{Method: "POST", API: "/groups/{group}/move", Access: roles.EditGroups, Status: 200, Summary: "Hang a group with all below it under another one of its company",
			Request: moveRequest{To: "0m3k2a1-1b2c3d4e5f6a7b"}, Response: movedAnswer{Group: example}, Do: s.doAPIMove}),
		ledgerDeed(deed[moveRequest]{Method: "POST", API: "/groups/{group}/move/preview", Access: roles.EditGroups, Status: 200, Summary: "What moving a group would do",
			Request: moveRequest{To: "0m3k2a1-1b2c3d4e5f6a7b"}, Response: whatIfAnswer{}, Do: s.doAPIMoveWhatIf}),
		ledgerDeed(deed[none]{Method: "POST", API: "/groups/{group}/archive", Access: roles.EditGroups, Status: 204, Summary: "Put an empty group into the archive", Do: s.doAPIArchive}),
		ledgerDeed(deed[none]{Method: "DELETE", API: "/groups/{group}/archive", Access: roles.EditGroups, Status: 204, Summary: "Take a group out of the archive", Do: s.doAPIRestore}),
	)
}

// answer is the group in the words of the API.
func (g groupView) answer() groupAnswer {
	visible := g.visible()
	out := groupAnswer{
		ID: g.ID, Name: g.Name, Level: g.Level, LevelName: g.level(), Zone: g.zone.String(), OwnZone: g.Zone, Manager: g.Manager, Administrators: []string{},
		Restricted: g.Restricted, Archived: g.Archived, Made: g.Made, Edition: wholeEdition(g.Group),
	}
	for _, a := range visible {
		out.Path = append(out.Path, ledger.Place{Group: a.ID, Name: a.Name, Level: levelName(g.root(), a.Level)})
	}
	if len(visible) > 1 {
		out.Parent = g.Parent
	}
	if g.may(roles.SeeLicenses, roles.SeeUsage) {
		out.Count = &g.Count
	}
	if g.may(roles.SeeLicenses, roles.EditLicenses, roles.EditGroups) {
		out.Administrators, out.Levels = list(g.Administrators), g.Levels
	}
	return out
}

func (s *Server) getGroups(v *visit) error {
	q := v.r.URL.Query()
	words := strings.TrimSpace(q.Get("q"))
	if len(words) > maxName {
		return problem(http.StatusBadRequest, "bad-query", "the name to look for is too long")
	}
	found, next := []groupAnswer{}, ""
	if words != "" {
		p := treeView{query: words}
		if err := v.searchTree(&p); err != nil {
			return err
		}
		for _, row := range p.rows {
			if answer, err := v.groupNow(row.group.ID); err == nil { // or gone meanwhile
				found = append(found, answer)
			}
		}
		return writeJSON(v.w, http.StatusOK, object{"groups": found, "next": "", "cut": p.cut})
	}
	err := s.o.Ledger.Look(func(book ledger.Book) error {
		groups, more, err := v.groupsAt(book, q.Get("parent"), q.Get("after"))
		if err != nil {
			return err
		}
		next = more
		for _, one := range groups {
			g, err := v.findGroup(book, one.ID)
			if err != nil {
				return err
			}
			found = append(found, g.answer())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"groups": found, "next": next, "cut": false})
}

func (v *visit) groupsAt(book ledger.Book, parent, after string) ([]ledger.Group, string, error) {
	if parent == "" {
		return v.topGroups(book, after)
	}
	if _, err := v.findGroup(book, parent); err != nil {
		return nil, "", err
	}
	return groupsBelow(book, parent, after)
}

func (s *Server) getGroup(v *visit) error {
	answer, err := v.groupNow(v.path("group"))
	if err != nil {
		return err
	}
	v.tag(answer.Edition)
	return writeJSON(v.w, http.StatusOK, answer)
}

// groupNow is a group as it is now.
func (v *visit) groupNow(id string) (answer groupAnswer, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		g, err := v.findGroup(book, id)
		if err == nil {
			answer = g.answer()
		}
		return err
	})
	return answer, err
}

func (s *Server) doAPINewGroup(v *visit, in newGroupRequest) (outcome, error) {
	id, err := drawnID(in.ID, func() string { return newGroupID(s.o.Now()) })
	if err != nil {
		return outcome{}, err
	}
	made := ledger.Group{ID: id, Parent: in.Parent, Name: strings.TrimSpace(in.Name), Level: in.Level, Zone: in.Zone, Manager: strings.TrimSpace(in.Manager), Administrators: in.Administrators}
	if err := checkGroupWords(made); err != nil {
		return outcome{}, err
	}
	g, err := v.parentOf(in.Parent)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.once(g, ledger.CreateGroup{Group: made}, func(book ledger.Book) (bool, error) {
		is, found, err := book.Group(made.ID)
		return found && is.Parent == made.Parent && is.Name == made.Name && (made.Level == "" || is.Level == made.Level), err
	})
	if err != nil {
		return outcome{}, err
	}
	answer, err := v.groupNow(made.ID)
	return outcome{Body: answer}, err
}

// parentOf is the group below which one is to be made; of a company there is none.
func (v *visit) parentOf(parent string) (g groupView, err error) {
	g.holder = v.caller.holds
	if parent == "" {
		if !g.holder.Everywhere() {
			return g, notThere()
		}
		return g, nil
	}
	err = v.s.o.Ledger.Look(func(book ledger.Book) (err error) {
		g, err = v.needGroup(book, parent, roles.EditGroups)
		return err
	})
	return g, err
}

// checkGroupWords refuses what pages refuse too; the ledger checks the rest.
func checkGroupWords(g ledger.Group) error {
	if err := checkName("the name", g.Name, true); err != nil {
		return err
	}
	if err := checkName("the manager", g.Manager, false); err != nil {
		return err
	}
	if g.Zone != "" {
		if err := checkZone(g.Zone); err != nil {
			return err
		}
	}
	_, err := addressesOf(strings.Join(g.Administrators, ","))
	if err != nil {
		return notValid(err.Error())
	}
	return nil
}

func (s *Server) doAPIEditGroup(v *visit, in editGroupRequest) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh(g.Name, wholeEdition(g.Group), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	is := g.Group
	replace(&is.Name, in.Name)
	replace(&is.Zone, in.Zone)
	replace(&is.Manager, in.Manager)
	if in.Administrators != nil {
		is.Administrators = *in.Administrators
	}
	if err := checkGroupWords(is); err != nil {
		return outcome{}, err
	}
	change := ledger.EditGroup{ID: g.ID, Name: &is.Name, Zone: &is.Zone, Manager: &is.Manager, Administrators: &is.Administrators}
	if in.Level != nil && *in.Level != g.Level {
		change.Level = in.Level
	}
	if _, err := v.decide(g, change); err != nil {
		return outcome{}, err
	}
	return v.groupOutcome(g.ID)
}

// replace puts in what was given.
func replace(field, given *string) {
	if given != nil {
		*field = strings.TrimSpace(*given)
	}
}

// wholeEdition names the state of all that the API changes of a group itself.
func wholeEdition(g ledger.Group) string { return editionOf([]any{editionOfGroup(g), g.Levels}) }

// groupOutcome answers with the group as it is now.
func (v *visit) groupOutcome(id string) (outcome, error) {
	answer, err := v.groupNow(id)
	if err != nil {
		return outcome{}, err
	}
	v.tag(answer.Edition)
	return outcome{Body: answer}, nil
}

func (s *Server) doAPILevels(v *visit, in levelsWords) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("the list of levels", wholeEdition(g.Group), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	for _, level := range in.Levels {
		if err := checkName("the level's name", level.Name, true); err != nil {
			return outcome{}, err
		}
	}
	if _, err := v.decide(g, ledger.SetLevels{Root: g.ID, Levels: in.Levels}); err != nil {
		return outcome{}, err
	}
	return v.groupOutcome(g.ID)
}

// movedGroup is the group that the address names and the one that it is to hang below.
func (v *visit) movedGroup(to string) (g groupView, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		if g, err = v.needGroup(book, v.path("group"), roles.EditGroups); err != nil {
			return err
		}
		_, err := v.needGroup(book, to, roles.EditGroups)
		return err
	})
	return g, err
}

func (s *Server) doAPIMove(v *visit, in moveRequest) (outcome, error) {
	g, err := v.movedGroup(in.To)
	if err != nil {
		return outcome{}, err
	}
	changes, err := v.decide(g, ledger.MoveGroup{ID: g.ID, To: in.To})
	if err != nil {
		return outcome{}, err
	}
	answer, err := v.groupNow(g.ID)
	return outcome{Body: movedAnswer{Group: answer, Notices: changes.Notices}}, err
}

func (s *Server) doAPIMoveWhatIf(v *visit, in moveRequest) (outcome, error) {
	g, err := v.movedGroup(in.To)
	if err != nil {
		return outcome{}, err
	}
	found, err := s.whatIf(v, g, ledger.MoveGroup{ID: g.ID, To: in.To}, ledger.Subject{Group: g.ID})
	return outcome{Body: found.answer()}, err
}

func (s *Server) doAPIArchive(v *visit, _ none) (outcome, error) {
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(g, ledger.ArchiveGroup{ID: g.ID})
	return outcome{}, err
}

func (s *Server) doAPIRestore(v *visit, _ none) (outcome, error) {
	g, err := v.groupAt(roles.EditGroups)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(g, ledger.RestoreGroup{ID: g.ID})
	return outcome{}, err
}
