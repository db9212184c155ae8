package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/login"
)

type (
	userRequest struct {
		Role     fleet.Role `json:"role,omitempty"`
		Password string     `json:"password,omitempty"`
		Sites    []string   `json:"sites,omitempty"` // ids; none: all
	}
	newUserRequest struct {
		User     string     `json:"user"`
		Role     fleet.Role `json:"role"`
		Password string     `json:"password"`
		Sites    []string   `json:"sites,omitempty"`
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
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/users", Access: AsAdministrator, Handler: s.getUsers, Status: 200, Summary: "Who may log in",
				Response: object{"users": []account{{User: defaultAdministrator, Role: fleet.Administrator}}}},
			{Method: "GET", Pattern: api + "/tokens", Access: AsAdministrator, Handler: s.getTokens, Status: 200, Summary: "The tokens of scripts",
				Response: object{"tokens": []tokenView{exampleToken}}},
			{Method: "GET", Pattern: "/settings/users", Access: AsAdministrator, Handler: s.pageUsers, Page: true, Status: 200, Summary: "Users, roles and tokens"},
		},
		deed[userRequest]{Method: "PUT", API: "/users/{name}", Page: "/settings/users/{name}", Access: AsAdministrator, Status: 200, Summary: "Make a user, or change role, sites or password",
			Request: userRequest{Role: fleet.Operator, Password: "four words are easy", Sites: []string{"mill-lane"}}, Response: account{User: "ines", Role: fleet.Operator}, Do: s.doUser}.routes(),
		[]route{form("/settings/users", AsAdministrator, "Make a user", s.doNewUser)},
		deed[none]{Method: "DELETE", API: "/users/{name}", Page: "/settings/users/{name}/remove", Access: AsAdministrator, Status: 204, Summary: "Remove a user; the last administrator stays", Do: s.doRemoveUser}.routes(),
		deed[tokenRequest]{Method: "POST", API: "/tokens", Access: AsAdministrator, Status: 201, Summary: "Make a token for a script, with one's own role",
			Request: tokenRequest{Label: "nightly export", Days: 365}, Response: tokenAnswer{"…", exampleToken}, Do: s.doToken}.routes(),
		[]route{{Method: "POST", Pattern: "/settings/tokens", Access: AsAdministrator, Page: true, Changes: true, Status: 200, Summary: "Make a token for a script", Handler: s.postToken}},
		deed[none]{Method: "DELETE", API: "/tokens/{id}", Page: "/settings/tokens/{id}/remove", Access: AsAdministrator, Status: 204, Summary: "End a token", Do: s.doRemoveToken}.routes(),
	)
}

func (s *Server) listUsers() ([]fleet.User, error) {
	users, err := s.o.Accounts.Users()
	slices.SortFunc(users, func(a, b fleet.User) int { return cmp.Compare(a.Name, b.Name) })
	return users, err
}

func (s *Server) getUsers(v *visit) error {
	users, err := s.listUsers()
	if err != nil {
		return err
	}
	list := make([]account, 0, len(users))
	for _, u := range users {
		list = append(list, account{User: u.Name, Role: u.Role, Sites: u.Sites, Edition: userEdition(u)})
	}
	return writeJSON(v.w, http.StatusOK, object{"users": list})
}

// doNewUser makes a user from a form that names it.
func (s *Server) doNewUser(v *visit, in newUserRequest) (outcome, error) {
	if _, found, err := s.user(in.User); err != nil {
		return outcome{}, err
	} else if found {
		return outcome{}, problem(http.StatusConflict, "conflict", "there is a user of this name already")
	}
	v.r.SetPathValue("name", in.User)
	return s.doUser(v, userRequest{Role: in.Role, Password: in.Password, Sites: in.Sites})
}

func (s *Server) doUser(v *visit, in userRequest) (outcome, error) {
	name := v.path("name")
	if err := login.CheckUserName(name); err != nil {
		return outcome{}, err
	}
	if in.Role != "" && rank(in.Role) == 0 {
		return outcome{}, notValid("the role is administrator, operator or viewer")
	}
	if in.Password != "" {
		if err := checkPassword(in.Password, name); err != nil {
			return outcome{}, err
		}
	}
	if err := s.checkSites(in.Sites); err != nil {
		return outcome{}, err
	}
	s.users.Lock()
	defer s.users.Unlock()
	users, err := s.o.Accounts.Users()
	if err != nil {
		return outcome{}, err
	}
	i := slices.IndexFunc(users, func(u fleet.User) bool { return u.Name == name })
	user, what := fleet.User{Name: name, Made: s.o.Now(), Generation: firstGeneration()}, "user.made"
	var edition fleet.Edition
	if i >= 0 {
		if user, edition, err = s.o.Accounts.UserToEdit(name); err != nil {
			return outcome{}, err
		}
		what = "user.changed"
		if err := v.fresh("the user "+name, userEdition(user), edition); err != nil {
			return outcome{}, err
		}
	} else if in.Password == "" || in.Role == "" {
		return outcome{}, notValid("a new user needs a role and a password")
	} else if len(users) >= maxUsers {
		return outcome{}, problem(http.StatusConflict, "conflict", "there are as many users as this hub keeps; remove one first")
	}
	if in.Role != "" && in.Role != user.Role {
		if i >= 0 && user.Role == fleet.Administrator && administrators(users) == 1 {
			return outcome{}, problem(http.StatusConflict, "last-administrator", "this is the only administrator; make another one first")
		}
		user.Role = in.Role
	}
	user.Sites = in.Sites
	if user.Role == fleet.Administrator && len(user.Sites) > 0 {
		return outcome{}, notValid("an administrator sees every site; leave the sites empty, or choose another role")
	}
	if in.Password != "" {
		if user.Hash, err = s.hasher.Hash(v.r.Context(), in.Password); err != nil {
			return outcome{}, err
		}
		user.Generation++
	}
	detail := "role " + string(user.Role)
	if len(user.Sites) > 0 {
		detail += ", sites " + strings.Join(user.Sites, ", ")
	}
	if in.Password != "" {
		detail += ", password set"
	}
	change := v.change(what, name, "", detail)
	if i >= 0 {
		change = differing(change, account{User: name, Role: users[i].Role, Sites: users[i].Sites}, account{User: name, Role: user.Role, Sites: user.Sites})
	}
	if err := s.o.Accounts.PutUser(user, fleet.Edit{From: edition.Number, Change: change}); err != nil {
		return outcome{}, err
	}
	if v.caller.User == name && v.caller.Token != "" {
		if err := s.keepSession(v, user); err != nil {
			return outcome{}, err
		}
	}
	return outcome{Body: account{User: user.Name, Role: user.Role, Sites: user.Sites}, Said: "The user " + name + " is saved.", Back: "/settings/users"}, nil
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

func (s *Server) doRemoveUser(v *visit, _ none) (outcome, error) {
	name := v.path("name")
	s.users.Lock()
	defer s.users.Unlock()
	users, err := s.o.Accounts.Users()
	if err != nil {
		return outcome{}, err
	}
	i := slices.IndexFunc(users, func(u fleet.User) bool { return u.Name == name })
	if i < 0 {
		return outcome{}, problem(http.StatusNotFound, "not-found", "there is no such user")
	}
	if users[i].Role == fleet.Administrator && administrators(users) == 1 {
		return outcome{}, problem(http.StatusConflict, "last-administrator", "this is the only administrator; make another one first")
	}
	user, edition, err := s.o.Accounts.UserToEdit(name)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("the user "+name, userEdition(user), edition); err != nil {
		return outcome{}, err
	}
	change := v.change("user.removed", name, "", "user removed")
	change.Before = "role " + string(user.Role)
	if err := s.o.Accounts.DeleteUser(name, fleet.Edit{From: edition.Number, Change: change}); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The user " + name + " is removed and logged out.", Back: "/settings/users"}, nil
}

func administrators(users []fleet.User) int {
	n := 0
	for _, u := range users {
		if u.Role == fleet.Administrator {
			n++
		}
	}
	return n
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
	return s.showUsers(v, made.Token)
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
