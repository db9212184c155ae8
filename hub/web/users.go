package web

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

type (
	// userRequest makes a user or changes him. A role replaces those that he has as far as the caller manages them.
	userRequest struct {
		Password string   `json:"password,omitempty"`
		Role     string   `json:"role,omitempty"`
		Sites    []string `json:"sites,omitempty"`  // where the role holds: ids of sites
		Groups   []string `json:"groups,omitempty"` // and of groups; none of either: the whole hub
	}
	newUserRequest struct {
		User     string   `json:"user"`
		Password string   `json:"password"`
		Role     string   `json:"role"`
		Sites    []string `json:"sites,omitempty"`
		Groups   []string `json:"groups,omitempty"`
		Place    string   `json:"place,omitempty"` // forms: one place for all of it
	}
	// giveRequest names an assignment.
	giveRequest struct {
		Role  string `json:"role"`
		Group string `json:"group,omitempty"` // id of a group, site: and an id, or nothing: the whole hub
		Below string `json:"below,omitempty"` // forms: a group by its id, instead of one of the list
	}
	tokenRequest struct {
		Label string `json:"label"`
		Days  int    `json:"days,omitempty"` // until it ends; 0: never
	}
	tokenView struct {
		ID    string    `json:"id"` // to remove it by; not the token
		User  string    `json:"user"`
		Label string    `json:"label"`
		Made  time.Time `json:"made"`
		Seen  time.Time `json:"seen"`
		Until time.Time `json:"until,omitzero"`
	}
	tokenAnswer struct {
		Token string `json:"token"` // told this once
		tokenView
	}
)

// userRoutes are who may, and the tokens of scripts.
func (s *Server) userRoutes() []route {
	exampleToken := tokenView{ID: "7c2f1a90", User: defaultAdministrator, Label: "nightly export"}
	exampleUser := account{User: "ines", Roles: []heldView{{Role: roles.Operator, Title: "Operator", Group: roles.Site("mill-lane"), Where: "12 Mill Lane"}}}
	exampleGift := giveRequest{Role: roles.Dealer, Group: "north"}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/users", Access: roles.ManageRoles, Handler: s.getUsers, Status: 200, Summary: "Who may log in, as far as one manages them",
				Response: object{"users": []account{exampleUser}}},
			{Method: "GET", Pattern: api + "/tokens", Access: roles.ManageHub, Handler: s.getTokens, Status: 200, Summary: "The tokens of scripts",
				Response: object{"tokens": []tokenView{exampleToken}}},
			{Method: "GET", Pattern: "/settings/users", Access: roles.ManageRoles, Handler: s.pageUsers, Page: true, Status: 200, Summary: "Users, roles and tokens"},
		},
		deed[newUserRequest]{Method: "POST", API: "/users", Page: "/settings/users", Access: roles.ManageRoles, Status: 201, Summary: "Make a user; unless a server administrator does, the name is completed so that it is nobody else's",
			Request: newUserRequest{User: "ines", Password: "four words are easy", Role: roles.Operator, Sites: []string{"mill-lane"}}, Response: exampleUser, Do: s.doNewUser}.routes(),
		deed[userRequest]{Method: "PUT", API: "/users/{name}", Page: "/settings/users/{name}", Access: roles.ManageRoles, Status: 200, Summary: "Change a user's password or roles; a server administrator makes users so, too",
			Request: userRequest{Password: "four words are easy", Role: roles.Operator, Sites: []string{"mill-lane"}}, Response: exampleUser, Do: s.doUser}.routes(),
		deed[giveRequest]{Method: "POST", API: "/users/{name}/roles", Page: "/settings/users/{name}/roles", Access: roles.ManageRoles, Status: 200, Summary: "Give a user a role at a group, a site or the whole hub",
			Request: exampleGift, Response: exampleUser, Do: s.doGive}.routes(),
		deed[giveRequest]{Method: "POST", API: "/users/{name}/roles/end", Page: "/settings/users/{name}/roles/end", Access: roles.ManageRoles, Status: 200, Summary: "End a role of a user; what it gave ends at once",
			Request: exampleGift, Response: exampleUser, Do: s.doTake}.routes(),
		deed[none]{Method: "DELETE", API: "/users/{name}", Page: "/settings/users/{name}/remove", Access: roles.ManageRoles, Status: 204, Summary: "Remove a user; the last server administrator stays", Do: s.doRemoveUser}.routes(),
		deed[tokenRequest]{Method: "POST", API: "/tokens", Access: roles.ManageHub, Status: 201, Summary: "Make a token for a script, with one's own role",
			Request: tokenRequest{Label: "nightly export", Days: 365}, Response: tokenAnswer{"…", exampleToken}, Do: s.doToken}.routes(),
		[]route{{Method: "POST", Pattern: "/settings/tokens", Access: roles.ManageHub, Page: true, Changes: true, Status: 200, Summary: "Make a token for a script", Handler: s.postToken}},
		deed[none]{Method: "DELETE", API: "/tokens/{id}", Page: "/settings/tokens/{id}/remove", Access: roles.ManageHub, Status: 204, Summary: "End a token", Do: s.doRemoveToken}.routes(),
	)
}

// arrange changes who may do what as one step, with what must hold afterwards whatever was changed. change returns the users whose
// roles it touched.
func (v *visit) arrange(change func(a *roles.Arrangement, actor roles.Holder, l *land) (touched []string, err error)) error {
	return v.s.o.Arranger.Arrange(v.r.Context(), func(a *roles.Arrangement) error {
		had := a.HasAdministrator()
		touched, err := change(a, v.actor(a), v.s.over(a))
		if err != nil {
			return err
		}
		return roles.CheckAll(a, had, touched, v.s.over(a).path)
	})
}

// actor is the caller as the arrangement has him: what was taken from him meanwhile is gone.
func (v *visit) actor(a *roles.Arrangement) roles.Holder {
	if v.caller.Token == "" {
		return roles.Holder{User: v.caller.User, Held: v.caller.holds.Held, Table: a.Table()}
	}
	return a.Of(v.caller.User)
}

// changeAt is change for what was done at a place.
func (v *visit) changeAt(place, what, object, detail string) fleet.Change {
	c := v.change(what, object, "", detail)
	c.Group = place
	return c
}

// over is the land as an arrangement has it.
func (s *Server) over(a *roles.Arrangement) *land {
	l := s.newLand()
	l.learn(a.Sites)
	return l
}

// managed are those of the assignments that are at places where the caller manages roles: others are not told.
func managed(actor roles.Holder, held []roles.Assignment, l *land) []roles.Assignment {
	if actor.Everywhere() {
		return held
	}
	var mine []roles.Assignment
	for _, a := range held {
		if path, there := l.path(a.Group); there && actor.May(roles.ManageRoles, path) {
			mine = append(mine, a)
		}
	}
	return mine
}

// heldEdition names the state of a user with his roles, without the password's hash; the generation stands for it.
func heldEdition(u fleet.User, held []roles.Assignment) string {
	u.Hash, u.Invite = "", ""
	return editionOf(object{"user": u, "roles": held})
}

// words are a place in words, with as much of what is above it as the holder sees.
func (l *land) words(place string, holder roles.Holder, names func(site string) string) string {
	if place == roles.Hub {
		return "the whole hub"
	}
	site, isSite := roles.SiteOf(place)
	group := place
	if isSite {
		l.site(site)
		group = l.sites[site]
	}
	var parts []string
	var path roles.Path
	for _, p := range l.places(group) {
		if path = append(path, p.ID); holder.Sees(path) {
			parts = append(parts, p.Name)
		}
	}
	if isSite {
		parts = append(parts, names(site))
	}
	if len(parts) == 0 {
		return "a group above" // or one that is gone
	}
	return strings.Join(parts, " › ")
}

// siteNames gives the names of sites by their ids.
func (s *Server) siteNames() (func(string) string, error) {
	sites, err := s.o.Sites.Sites()
	names := make(map[string]string, len(sites))
	for _, site := range sites {
		names[site.ID] = site.Name
	}
	return func(id string) string { return cmp.Or(names[id], id) }, err
}

// viewHeld are assignments in words, for whoever holds or manages them.
func (v *visit) viewHeld(held []roles.Assignment, table roles.Table, names func(string) string) []heldView {
	list := []heldView{}
	for _, a := range held {
		role, known := table.Role(a.Role)
		if !known {
			role.Title = a.Role
		}
		list = append(list, heldView{Role: a.Role, Title: role.Title, Group: a.Group, Where: v.caller.land.words(a.Group, v.caller.holds, names)})
	}
	return list
}

// userView is a user as far as the caller manages him.
type userView struct {
	account
	mine bool // all of him: his password can be set, and he can be removed
	// invited says that nobody has used the code for his first password; empty: he has one.
	invited string
}

// listUsers are the users of whom the caller manages a role, with the roles that he manages. Server administrators see all.
func (v *visit) listUsers() ([]userView, error) {
	users, err := v.s.o.Accounts.Users()
	if err != nil {
		return nil, err
	}
	all, err := v.s.o.Roles.Assignments("")
	if err != nil {
		return nil, err
	}
	names, err := v.s.siteNames()
	if err != nil {
		return nil, err
	}
	held := map[string][]roles.Assignment{}
	for _, a := range all {
		held[a.User] = append(held[a.User], a)
	}
	var list []userView
	for _, u := range users {
		mine := managed(v.caller.holds, held[u.Name], v.caller.land)
		if len(mine) == 0 && !v.caller.holds.Everywhere() {
			continue
		}
		list = append(list, userView{account{u.Name, v.viewHeld(mine, v.caller.holds.Table, names), heldEdition(u, held[u.Name])}, roles.MayAct(v.caller.holds, held[u.Name], v.caller.land.path) == nil, v.s.invitedWords(u)})
	}
	slices.SortFunc(list, func(a, b userView) int { return cmp.Compare(a.User, b.User) })
	return list, nil
}

func (s *Server) getUsers(v *visit) error {
	users, err := v.listUsers()
	if err != nil {
		return err
	}
	list := make([]account, 0, len(users))
	for _, u := range users {
		list = append(list, u.account)
	}
	return writeJSON(v.w, http.StatusOK, object{"users": list})
}

// doNewUser makes a user. Names are one list for the whole hub: so that nobody learns by a refusal who is there elsewhere, the name
// is completed unless the caller sees all of them.
func (s *Server) doNewUser(v *visit, in newUserRequest) (outcome, error) {
	name := in.User
	if !v.caller.holds.Everywhere() {
		name += "-" + strings.ToLower(rand.Text()[:4])
	}
	if id, site := roles.SiteOf(in.Place); site {
		in.Sites = append(in.Sites, id)
	} else if in.Place != "" {
		in.Groups = append(in.Groups, in.Place)
	}
	if in.Password == "" || in.Role == "" {
		return outcome{}, notValid("a new user needs a role and a password")
	}
	return s.putUser(v, name, userRequest{in.Password, in.Role, in.Sites, in.Groups}, func(u *fleet.User) error {
		if u != nil {
			return problem(http.StatusConflict, "conflict", "there is a user of this name already")
		}
		return nil
	})
}

func (s *Server) doUser(v *visit, in userRequest) (outcome, error) {
	return s.putUser(v, v.path("name"), in, func(u *fleet.User) error {
		switch {
		case u == nil && !v.caller.holds.Everywhere():
			return notThere()
		case u == nil && (in.Password == "" || in.Role == ""):
			return notValid("a new user needs a role and a password")
		}
		return nil
	})
}

// putUser makes or changes a user, as far as fits allows it.
func (s *Server) putUser(v *visit, name string, in userRequest, fits func(*fleet.User) error) (outcome, error) {
	if err := login.CheckUserName(name); err != nil {
		return outcome{}, err
	}
	hash := ""
	if in.Password != "" {
		if err := checkPassword(in.Password, name); err != nil {
			return outcome{}, err
		}
		var err error
		if hash, err = s.hasher.Hash(v.r.Context(), in.Password); err != nil {
			return outcome{}, err
		}
	}
	var changed fleet.User
	var after []roles.Assignment
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		before := a.Of(name).Held
		user := a.User(name)
		if err := fits(user); err != nil {
			return nil, err
		}
		what := "user.changed"
		switch {
		case user == nil && len(a.Users) >= maxUsers:
			return nil, problem(http.StatusConflict, "conflict", "there are as many users as this hub keeps; remove one first")
		case user == nil:
			what = "user.made"
			a.Users = append(a.Users, fleet.User{Name: name, Made: s.o.Now(), Generation: firstGeneration()})
			user = a.User(name)
		case !actor.Everywhere() && len(managed(actor, before, l)) == 0:
			return nil, notThere()
		case hash != "":
			if err := roles.MayAct(actor, before, l.path); err != nil {
				return nil, err
			}
		}
		if what == "user.changed" {
			if err := v.fresh("the user "+name, heldEdition(*user, before), fleet.Edition{}); err != nil {
				return nil, err
			}
		}
		if hash != "" {
			user.Hash, user.Invite, user.InviteUntil = hash, "", time.Time{}
			user.Generation++
		}
		changed = *user
		if err := v.replaceRoles(a, actor, l, name, in); err != nil {
			return nil, err
		}
		detail := "user made or changed"
		if hash != "" {
			detail = "password set"
		}
		v.told(a, what, name, detail, before)
		after = managed(actor, a.Of(name).Held, l)
		return []string{name}, nil
	})
	if err != nil {
		return outcome{}, err
	}
	if v.caller.User == name && v.caller.Token != "" {
		if err := s.keepSession(v, changed); err != nil {
			return outcome{}, err
		}
	}
	return s.toldOfUser(v, name, after, "The user "+name+" is saved.")
}

// toldOfUser is the answer to a change of a user.
func (s *Server) toldOfUser(v *visit, name string, held []roles.Assignment, said string) (outcome, error) {
	names, err := s.siteNames()
	return outcome{Body: account{User: name, Roles: v.viewHeld(held, v.caller.holds.Table, names)}, Said: said, Back: "/settings/users"}, err
}

// told writes into the audit what was done to a user who held before: one entry for each place at which he holds or held something,
// with what he holds there and nowhere else, since it is read at each place by others.
func (v *visit) told(a *roles.Arrangement, what, name, detail string, before []roles.Assignment) {
	after := a.Of(name).Held
	var places []string
	for _, given := range slices.Concat(before, after) {
		if !slices.Contains(places, given.Group) {
			places = append(places, given.Group)
		}
	}
	if len(places) == 0 {
		places = []string{roles.Hub}
	}
	for _, place := range places {
		c := v.changeAt(place, what, name, detail)
		c.Before, c.After = short(heldWords(heldAt(before, place))), short(heldWords(heldAt(after, place)))
		a.Changes = append(a.Changes, c)
	}
}

// heldAt are the assignments at the place itself.
func heldAt(held []roles.Assignment, place string) []roles.Assignment {
	return slices.DeleteFunc(slices.Clone(held), func(given roles.Assignment) bool { return given.Group != place })
}

// heldWords are assignments for the audit.
func heldWords(held []roles.Assignment) string {
	var parts []string
	for _, a := range held {
		parts = append(parts, a.Role+" at "+cmp.Or(a.Group, "the whole hub"))
	}
	return strings.Join(parts, ", ")
}

// replaceRoles puts one role at the asked places in place of all that the actor manages of a user. Nothing asked changes nothing.
func (v *visit) replaceRoles(a *roles.Arrangement, actor roles.Holder, l *land, name string, in userRequest) error {
	mine := managed(actor, a.Of(name).Held, l)
	if in.Role == "" && len(in.Sites)+len(in.Groups) == 0 {
		return nil
	}
	if in.Role == "" {
		for _, given := range mine {
			if in.Role != "" && in.Role != given.Role {
				return notValid("the user has more than one role; say which one holds at these places")
			}
			in.Role = given.Role
		}
	}
	var places []string
	for _, id := range in.Sites {
		places = append(places, roles.Site(id))
	}
	if places = append(places, in.Groups...); len(places) == 0 {
		places = []string{roles.Hub}
	}
	var next []roles.Assignment
	for _, place := range places {
		given, err := v.gift(a, actor, l, name, in.Role, place)
		if err != nil {
			return err
		}
		next = append(next, given)
	}
	for _, given := range mine {
		if slices.ContainsFunc(next, given.Same) {
			continue
		}
		path, _ := l.path(given.Group)
		if err := roles.MayTake(actor, given, path); err != nil {
			return err
		}
		a.Assignments = slices.DeleteFunc(a.Assignments, given.Same)
	}
	for _, given := range next {
		if !slices.ContainsFunc(a.Assignments, given.Same) {
			a.Assignments = append(a.Assignments, given)
		}
	}
	return nil
}

// gift is an assignment that the actor may give. A place that he does not see is none.
func (v *visit) gift(a *roles.Arrangement, actor roles.Holder, l *land, name, role, place string) (roles.Assignment, error) {
	found, known := a.Table().Role(role)
	if !known || found.Group != roles.Hub && !v.knowsRole(actor, l, found) {
		return roles.Assignment{}, notValid(fmt.Sprintf("there is no role %.40q", role))
	}
	path, there := l.path(place)
	if !there || place != roles.Hub && !actor.Sees(path) {
		if id, site := roles.SiteOf(place); site {
			return roles.Assignment{}, notValid(fmt.Sprintf("there is no site %.64q", id))
		}
		return roles.Assignment{}, notValid(fmt.Sprintf("there is no group %.64q", place))
	}
	if err := roles.MayGive(actor, found, path); err != nil {
		return roles.Assignment{}, err
	}
	return roles.Assignment{User: name, Role: role, Group: place, By: v.caller.User, Since: v.s.o.Now()}, nil
}

// knowsRole tells whether a role that was made by hand exists for the holder: it is for a place that he sees, or for one above.
func (v *visit) knowsRole(holder roles.Holder, l *land, role roles.Role) bool {
	if role.Builtin || role.Group == roles.Hub || holder.Everywhere() {
		return true
	}
	path, there := l.path(role.Group)
	return there && (holder.Sees(path) || slices.ContainsFunc(holder.Held, func(a roles.Assignment) bool {
		held, there := l.path(a.Group)
		return there && slices.Contains(held, role.Group)
	}))
}

func (s *Server) doGive(v *visit, in giveRequest) (outcome, error) {
	in.Group = cmp.Or(strings.TrimSpace(in.Below), in.Group)
	return s.giveOrTake(v, in, "roles.given", "role given", func(a *roles.Arrangement, actor roles.Holder, l *land, name string) error {
		given, err := v.gift(a, actor, l, name, in.Role, in.Group)
		if err == nil && !slices.ContainsFunc(a.Assignments, given.Same) {
			a.Assignments = append(a.Assignments, given)
		}
		return err
	})
}

func (s *Server) doTake(v *visit, in giveRequest) (outcome, error) {
	return s.giveOrTake(v, in, "roles.ended", "role ended", func(a *roles.Arrangement, actor roles.Holder, l *land, name string) error {
		wanted := roles.Assignment{User: name, Role: in.Role, Group: in.Group}
		if !slices.ContainsFunc(managed(actor, a.Of(name).Held, l), wanted.Same) {
			return notThere()
		}
		path, _ := l.path(in.Group)
		if err := roles.MayTake(actor, wanted, path); err != nil {
			return err
		}
		a.Assignments = slices.DeleteFunc(a.Assignments, wanted.Same)
		return nil
	})
}

// giveOrTake changes the assignments of a user whom the caller manages.
func (s *Server) giveOrTake(v *visit, in giveRequest, what, detail string, do func(a *roles.Arrangement, actor roles.Holder, l *land, name string) error) (outcome, error) {
	name := v.path("name")
	var after []roles.Assignment
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		before := a.Of(name).Held
		if !a.Exists(name) || !actor.Everywhere() && len(managed(actor, before, l)) == 0 {
			return nil, notThere()
		}
		if err := v.fresh("the user "+name, heldEdition(*a.User(name), before), fleet.Edition{}); err != nil {
			return nil, err
		}
		if err := do(a, actor, l, name); err != nil {
			return nil, err
		}
		c := v.changeAt(in.Group, what, name, detail+": "+in.Role)
		c.Before, c.After = short(heldWords(heldAt(before, in.Group))), short(heldWords(heldAt(a.Of(name).Held, in.Group)))
		a.Changes = append(a.Changes, c)
		after = managed(actor, a.Of(name).Held, l)
		return []string{name}, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return s.toldOfUser(v, name, after, "The roles of "+name+" are saved.")
}

func (s *Server) doRemoveUser(v *visit, _ none) (outcome, error) {
	name := v.path("name")
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		before := a.Of(name).Held
		if !a.Exists(name) || !actor.Everywhere() && len(managed(actor, before, l)) == 0 {
			return nil, notThere()
		}
		if err := roles.MayAct(actor, before, l.path); err != nil {
			return nil, err
		}
		if err := v.fresh("the user "+name, heldEdition(*a.User(name), before), fleet.Edition{}); err != nil {
			return nil, err
		}
		a.Remove(name)
		v.told(a, "user.removed", name, "user removed", before)
		return nil, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The user " + name + " is removed and logged out.", Back: "/settings/users"}, nil
}

// placeOption is a place that can be chosen.
type placeOption struct {
	Place, Where string
}

// maxOptions bounds a list to choose from; other places are named by their ids.
const maxOptions = 300

// roots are the places where the caller has the right: the topmost groups, and the whole hub for a server administrator.
func (v *visit) roots(right roles.Right) []placeOption {
	var list []placeOption
	for _, place := range roles.Roots(v.caller.holds.Held, v.caller.holds.Table, right, v.caller.land.path) {
		if _, site := roles.SiteOf(place); site || place == roles.Hub && !v.caller.holds.Everywhere() {
			continue
		}
		list = append(list, placeOption{place, v.caller.land.words(place, v.caller.holds, nil)})
	}
	return list
}

// places are the roots and the sites where the caller has the right.
func (v *visit) places(right roles.Right) ([]placeOption, error) {
	sites, err := v.s.o.Sites.Sites()
	if err != nil {
		return nil, err
	}
	v.caller.land.learn(sites)
	list := v.roots(right)
	for _, site := range sites {
		if len(list) < maxOptions && site.Archived.IsZero() && v.caller.mayAt(right, site.ID) {
			list = append(list, placeOption{roles.Site(site.ID), v.caller.land.words(roles.Site(site.ID), v.caller.holds, func(string) string { return site.Name })})
		}
	}
	return list, nil
}

// checkSites finds ids that no site has.
func (s *Server) checkSites(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	sites, err := s.o.Sites.Sites()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(sites, func(site fleet.Site) bool { return site.ID == id }) {
			return notValid(fmt.Sprintf("there is no site %.64q", id))
		}
	}
	return nil
}

func (s *Server) listTokens() ([]tokenView, error) {
	sessions, err := s.o.Tokens.Tokens()
	if err != nil {
		return nil, err
	}
	list := make([]tokenView, 0, len(sessions))
	for hash, t := range sessions {
		list = append(list, viewToken(hash, t))
	}
	slices.SortFunc(list, func(a, b tokenView) int { return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// viewToken names a token by a hash of what is stored: who reads the list must not learn even the stored hash.
func viewToken(hash string, t fleet.Session) tokenView {
	sum := sha256.Sum256([]byte("token id " + hash))
	return tokenView{ID: hex.EncodeToString(sum[:8]), User: t.User, Label: t.Label, Made: t.Made, Seen: t.Seen, Until: t.Until}
}

func (s *Server) getTokens(v *visit) error {
	list, err := s.listTokens()
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"tokens": list})
}

func (s *Server) doToken(v *visit, in tokenRequest) (outcome, error) {
	in.Label = strings.TrimSpace(in.Label)
	if err := checkName("the label", in.Label, true); err != nil {
		return outcome{}, err
	}
	if in.Days < 0 || in.Days > 3650 {
		return outcome{}, notValid("a token lives 1 to 3650 days, or with 0 for ever")
	}
	s.users.Lock()
	defer s.users.Unlock()
	user, found, err := s.user(v.caller.User)
	if err != nil {
		return outcome{}, err
	}
	if !found {
		return outcome{}, problem(http.StatusConflict, "conflict", "a token belongs to a user of the hub; log in as one")
	}
	others, err := s.o.Tokens.Tokens()
	if err != nil {
		return outcome{}, err
	}
	if len(others) >= maxTokens {
		return outcome{}, problem(http.StatusConflict, "conflict", "there are as many tokens as this hub keeps; end one first")
	}
	token, now := login.NewToken(), s.o.Now()
	made := fleet.Session{User: user.Name, Generation: user.Generation, Made: now, Seen: now, Label: in.Label}
	if in.Days > 0 {
		made.Until = now.AddDate(0, 0, in.Days)
	}
	if err := s.o.Tokens.MakeToken(login.HashToken(token), made, v.change("token.made", in.Label, "", "token for a script made")); err != nil {
		return outcome{}, err
	}
	return outcome{Body: tokenAnswer{token, viewToken(login.HashToken(token), made)}}, nil
}

// postToken shows the token on the page that answers: nothing but this answer ever holds it.
func (s *Server) postToken(v *visit) error {
	var in tokenRequest
	if err := v.decodeForm(&in); err != nil {
		return err
	}
	out, err := s.doToken(v, in)
	if err == nil {
		err = v.record()
	}
	if err != nil {
		return err
	}
	made, _ := out.Body.(tokenAnswer)
	return s.showUsers(v, usersView{made: made.Token})
}

func (s *Server) doRemoveToken(v *visit, _ none) (outcome, error) {
	sessions, err := s.o.Tokens.Tokens()
	if err != nil {
		return outcome{}, err
	}
	for hash, t := range sessions {
		if viewToken(hash, t).ID != v.path("id") {
			continue
		}
		if err := s.o.Tokens.EndToken(hash, v.change("token.ended", t.Label, "", "token of "+t.User+" ended")); err != nil {
			return outcome{}, err
		}
		return outcome{Said: "The token is ended.", Back: "/settings/users"}, nil
	}
	return outcome{}, problem(http.StatusNotFound, "not-found", "there is no such token")
}
