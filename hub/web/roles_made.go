package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// maxRoles bounds the roles that are made by hand.
const maxRoles = 500

type (
	roleRequest struct {
		Title  string        `json:"title"`
		Rights []roles.Right `json:"rights,omitempty"`
		Group  string        `json:"group,omitempty"` // for a new one: where it may be given, with everything below; empty: anywhere
	}
	rightView struct {
		Right roles.Right `json:"right"`
		Area  string      `json:"area"`
		Title string      `json:"title"`
	}
	// roleView is a role as far as the caller may change it.
	roleView struct {
		roles.Role
		where string
		mine  bool // the caller may change it
		used  int  // how many hold it, of those whom the caller manages
	}
	// rolesView is what the page of roles shows.
	rolesView struct {
		roles  []roleView
		places []placeOption // where a new one may be for
		caller caller
	}
)

// roleRoutes are the tables of rights.
func (s *Server) roleRoutes() []route {
	example := roles.Role{ID: "night-desk", Title: "Night desk", Rights: []roles.Right{roles.SeeJournals, roles.Monitor}, Group: "north"}
	asked := roleRequest{Title: example.Title, Rights: example.Rights, Group: example.Group}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/roles", Access: roles.ManageRoles, Handler: s.getRoles, Status: 200, Summary: "The roles that there are, with their rights, and all rights",
				Response: object{"roles": []roles.Role{example}, "rights": []rightView{{roles.Monitor, "Panels", "See panels and outages"}}}},
			{Method: "GET", Pattern: "/settings/roles", Access: roles.ManageRoles, Handler: s.pageRoles, Page: true, Status: 200, Summary: "Roles and their rights"},
		},
		deed[roleRequest]{Method: "POST", API: "/roles", Page: "/settings/roles", Access: roles.ManageRoles, Status: 201, Summary: "Make a role; its id is made from its title",
			Request: asked, Response: example, Do: s.doNewRole}.routes(),
		deed[roleRequest]{Method: "PUT", API: "/roles/{id}", Page: "/settings/roles/{id}", Access: roles.ManageRoles, Status: 200, Summary: "Change a role's title and rights, for everybody who has it; a server administrator makes roles so, too",
			Request: asked, Response: example, Do: s.doRole}.routes(),
		deed[none]{Method: "DELETE", API: "/roles/{id}", Page: "/settings/roles/{id}/remove", Access: roles.ManageRoles, Status: 204, Summary: "Remove a role that nobody has", Do: s.doRemoveRole}.routes(),
	)
}

// listRoles are the roles that exist for the caller.
func (v *visit) listRoles() ([]roleView, error) {
	all, err := v.s.o.Roles.Assignments("")
	if err != nil {
		return nil, err
	}
	made, err := v.s.o.Roles.Roles()
	if err != nil {
		return nil, err
	}
	mine := managed(v.caller.holds, all, v.caller.land)
	var list []roleView
	for _, r := range roles.NewTable(made) {
		if !v.knowsRole(v.caller.holds, v.caller.land, r) {
			continue
		}
		path, there := v.caller.land.path(r.Group)
		view := roleView{Role: r, where: v.caller.land.words(r.Group, v.caller.holds, nil), mine: !r.Builtin && there && roles.MayPutRole(v.caller.holds, &r, r, path) == nil}
		for _, a := range mine {
			if a.Role == r.ID {
				view.used++
			}
		}
		list = append(list, view)
	}
	return list, nil
}

func (s *Server) getRoles(v *visit) error {
	found, err := v.listRoles()
	if err != nil {
		return err
	}
	var list []roles.Role
	for _, r := range found {
		list = append(list, r.Role)
	}
	var rights []rightView
	for _, a := range roles.Rights() {
		rights = append(rights, rightView{a.Right, a.Area, a.Title})
	}
	return writeJSON(v.w, http.StatusOK, object{"roles": list, "rights": rights})
}

func (s *Server) pageRoles(v *visit) error {
	p := rolesView{places: v.roots(roles.ManageRoles), caller: v.caller}
	var err error
	if p.roles, err = v.listRoles(); err != nil {
		return err
	}
	return v.show("Roles", "settings", rolesPage(p))
}

func (s *Server) doNewRole(v *visit, in roleRequest) (outcome, error) {
	id := cmp.Or(strings.Trim(slug(in.Title)[:min(len(slug(in.Title)), 30)], "-"), "role")
	if !v.caller.holds.Everywhere() {
		id = apart(id)
	}
	return s.putRole(v, roles.Role{ID: id, Title: in.Title, Rights: in.Rights, Group: strings.TrimSpace(in.Group)}, true)
}

func (s *Server) doRole(v *visit, in roleRequest) (outcome, error) {
	return s.putRole(v, roles.Role{ID: v.path("id"), Title: in.Title, Rights: in.Rights, Group: strings.TrimSpace(in.Group)}, false)
}

// madeRole finds a role that was made by hand and exists for the actor; -1: there is none.
func (v *visit) madeRole(a *roles.Arrangement, actor roles.Holder, l *land, id string) int {
	return slices.IndexFunc(a.Roles, func(r roles.Role) bool { return r.ID == id && v.knowsRole(actor, l, r) })
}

// putRole makes a role or changes it.
func (s *Server) putRole(v *visit, asked roles.Role, isNew bool) (outcome, error) {
	var saved roles.Role
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		i := v.madeRole(a, actor, l, asked.ID)
		if i < 0 && !isNew && !actor.Everywhere() {
			return nil, notThere()
		}
		if i >= 0 && isNew {
			return nil, problem(http.StatusConflict, "conflict", "there is a role of this name already")
		}
		what := "role.made"
		var was *roles.Role
		if i >= 0 {
			what, was = "role.changed", &a.Roles[i]
			if err := v.fresh("the role "+was.Title, editionOf(*was), fleet.Edition{}); err != nil {
				return nil, err
			}
			asked.Group = was.Group
		}
		checked, err := roles.CheckRole(asked)
		if err != nil {
			return nil, notValid(err.Error())
		}
		path, there := l.path(checked.Group)
		if !there || was == nil && checked.Group != roles.Hub && !actor.Sees(path) {
			return nil, notValid(fmt.Sprintf("there is no group %.64q", checked.Group))
		}
		if err := roles.MayPutRole(actor, was, checked, path); err != nil {
			return nil, err
		}
		c := v.changeAt(checked.Group, what, checked.ID, "role "+checked.Title)
		c.After = short(rightsWords(checked))
		if was != nil {
			c.Before = short(rightsWords(*was))
			*was = checked
		} else if a.Roles = append(a.Roles, checked); len(a.Roles) > maxRoles {
			return nil, problem(http.StatusConflict, "conflict", "there are as many roles as this hub keeps; remove one first")
		}
		a.Changes = append(a.Changes, c)
		saved = checked
		return nil, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: saved, Said: "The role " + saved.Title + " is saved.", Back: "/settings/roles"}, nil
}

// rightsWords is a role for the audit.
func rightsWords(r roles.Role) string {
	parts := []string{r.Title}
	for _, right := range r.Rights {
		parts = append(parts, string(right))
	}
	return strings.Join(parts, ", ")
}

func (s *Server) doRemoveRole(v *visit, _ none) (outcome, error) {
	id := v.path("id")
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		i := v.madeRole(a, actor, l, id)
		if i < 0 {
			return nil, notThere()
		}
		role := a.Roles[i]
		path, _ := l.path(role.Group)
		if err := roles.MayPutRole(actor, &role, role, path); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(a.Assignments, func(given roles.Assignment) bool { return given.Role == id }) {
			return nil, problem(http.StatusConflict, "conflict", "somebody has this role; give them another one first")
		}
		c := v.changeAt(role.Group, "role.removed", id, "role "+role.Title+" removed")
		c.Before = short(rightsWords(role))
		a.Roles = slices.Delete(a.Roles, i, i+1)
		a.Changes = append(a.Changes, c)
		return nil, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The role is removed.", Back: "/settings/roles"}, nil
}

// usersView is what the page of users shows.
type usersView struct {
	users  []userView
	tokens []tokenView
	roles  []roleView
	places []placeOption
	made   string // a token that was made just now
	caller caller

	appointed *appointed    // a management company that was appointed just now
	appoints  []placeOption // where the caller may appoint one
}

func (s *Server) pageUsers(v *visit) error { return s.showUsers(v, usersView{}) }

// showUsers shows the page of users, with what was made just now.
func (s *Server) showUsers(v *visit, p usersView) error {
	v.needs = roles.ManageRoles
	p.caller = v.caller
	p.appoints = slices.DeleteFunc(v.roots(roles.AppointManagement), func(place placeOption) bool { return place.Place == roles.Hub })
	var err error
	if p.users, err = v.listUsers(); err != nil {
		return err
	}
	if p.places, err = v.places(roles.ManageRoles); err != nil {
		return err
	}
	if p.roles, err = v.givable(); err != nil {
		return err
	}
	if v.caller.may(roles.ManageHub) {
		if p.tokens, err = s.listTokens(); err != nil {
			return err
		}
	}
	return v.show("Users", "settings", usersPage(p))
}

// givable are the roles that the caller can give somewhere.
func (v *visit) givable() ([]roleView, error) {
	all, err := v.listRoles()
	return slices.DeleteFunc(all, func(r roleView) bool {
		return !slices.ContainsFunc(append(v.holdsAt(), r.Group), func(place string) bool {
			path, there := v.caller.land.path(place)
			return there && roles.MayGive(v.caller.holds, r.Role, path) == nil
		})
	}), err
}

// holdsAt are the places of what the caller holds.
func (v *visit) holdsAt() []string {
	var places []string
	for _, a := range v.caller.holds.Held {
		places = append(places, a.Group)
	}
	return places
}

// rightsIn are the rights of an area that a role made by hand can have.
func rightsIn(area string) []roles.About {
	return slices.DeleteFunc(roles.Rights(), func(a roles.About) bool { return a.Area != area || a.WholeHub })
}

// areas are the parts of the table of rights.
func areas() []string {
	var list []string
	for _, a := range roles.Rights() {
		if !a.WholeHub && !slices.Contains(list, a.Area) {
			list = append(list, a.Area)
		}
	}
	return list
}
