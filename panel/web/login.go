package web

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/panel"
)

type (
	setupState struct {
		Needed   bool `json:"needed"`
		Open     bool `json:"open"`
		Seconds  int  `json:"seconds,omitempty"`     // how long the code on the display is good
		Retry    int  `json:"retry_after,omitempty"` // seconds until codes are taken again
		LoggedIn bool `json:"logged_in"`             // whoever asks
	}
	setupRequest struct {
		Code     string `json:"code"`
		Password string `json:"password"`
		User     string `json:"user,omitempty"` // admin when empty
	}
	loginRequest struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	account struct {
		User  string    `json:"user"`
		Role  Role      `json:"role"`
		Until time.Time `json:"until,omitzero"` // when the account ends by itself
	}
	loginAnswer struct {
		Token string `json:"token"`
		account
		IdleSeconds int `json:"idle_seconds"` // the session ends when it is not used for so long
	}
	passwordRequest struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	userRequest struct {
		Role     Role   `json:"role,omitempty"`
		Password string `json:"password,omitempty"`
		// Until ends the account by itself; absent: as it was; null or the year 1: no end.
		Until *time.Time `json:"until,omitempty"`
	}
)

// sessionRoutes are the first run, logging in and out, and who may.
func (s *Server) sessionRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/setup", Access: Public, Handler: s.getSetup, Status: 200, Summary: "Whether the panel still needs its first administrator",
			Response: setupState{Needed: true, Open: true, Seconds: 540}},
		{Method: "POST", Pattern: api + "/setup", Access: Public, Handler: s.postSetup, Status: 201, Summary: "Make the first administrator with the code on the display",
			Request: setupRequest{Code: "01234567", Password: "four words are easy"}, Response: account{User: defaultAdministrator, Role: Administrator}},
		{Method: "POST", Pattern: api + "/login", Access: Public, Handler: s.postLogin, Status: 200, Summary: "Log in: the token is for an Authorization: Bearer header, the cookie for browsers",
			Request: loginRequest{User: defaultAdministrator, Password: "four words are easy"}, Response: loginAnswer{Token: "…", account: account{User: defaultAdministrator, Role: Administrator}, IdleSeconds: 43200}},
		{Method: "POST", Pattern: api + "/logout", Access: AsResident, Handler: s.postLogout, Status: 204, Summary: "End this session"},
		{Method: "GET", Pattern: api + "/session", Access: AsResident, Handler: s.getSession, Status: 200, Summary: "Who is logged in",
			Response: account{User: defaultAdministrator, Role: Administrator}},
		{Method: "PUT", Pattern: api + "/session/password", Access: AsResident, Handler: s.putPassword, Status: 204, Summary: "Change one's own password; other sessions end",
			Request: passwordRequest{Old: "four words are easy", New: "four other words are"}},
		{Method: "GET", Pattern: api + "/users", Access: AsAdministrator, Handler: s.getUsers, Status: 200, Summary: "Who may log in",
			Response: object{"users": []account{{User: defaultAdministrator, Role: Administrator}}}},
		{Method: "PUT", Pattern: api + "/users/{name}", Access: AsAdministrator, Handler: s.putUser, Status: 200, Summary: "Make a user, or change role or password",
			Request: userRequest{Role: Installer, Password: "four words are easy"}, Response: account{User: "ines", Role: Installer}},
		{Method: "DELETE", Pattern: api + "/users/{name}", Access: AsAdministrator, Handler: s.deleteUser, Status: 204, Summary: "Remove a user; the last administrator stays"},
	}
}

func (s *Server) getSetup(w http.ResponseWriter, r *http.Request, c caller) error {
	has, err := s.hasAdministrator()
	if err != nil {
		return err
	}
	open, left, locked := s.setup.State()
	if has {
		state := setupState{LoggedIn: s.permit(r, &c, AsResident) == nil, Open: open}
		if open {
			state.Seconds = int(left.Seconds())
		}
		return writeJSON(w, http.StatusOK, state)
	}
	return writeJSON(w, http.StatusOK, setupState{Needed: true, Open: open, Seconds: int(left.Seconds()), Retry: int(locked.Seconds())})
}

func (s *Server) postSetup(w http.ResponseWriter, r *http.Request, c caller) error {
	var in setupRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	in.User = cmp.Or(in.User, defaultAdministrator)
	// What does not depend on the code is said before a try is counted.
	if err := login.CheckUserName(in.User); err != nil {
		return err
	}
	if err := checkPassword(in.Password, in.User); err != nil {
		return err
	}
	s.users.Lock()
	defer s.users.Unlock()
	has, err := s.hasAdministrator()
	if err != nil {
		return err
	}
	if open, _, _ := s.setup.State(); has && open {
		return s.setPasswordAnew(w, r, c, in)
	}
	if has {
		return problem(http.StatusConflict, "already-set-up", "this panel has an administrator; log in, or restore it as its manual says")
	}
	if err := s.setup.Check(in.Code); err != nil {
		s.o.Note(panel.Entry{Kind: panel.LoginRefused, Why: "setup_code", Detail: "first run, from " + c.Peer})
		return err
	}
	hash, err := s.hasher.Hash(r.Context(), in.Password)
	if err != nil {
		return err
	}
	if err := s.o.Accounts.PutUser(User{Name: in.User, Role: Administrator, Hash: hash, Generation: firstGeneration(), Made: s.o.Clock().Wall}); err != nil {
		return err
	}
	s.endSetup()
	s.o.Note(panel.Entry{Kind: panel.ConfigIs, Who: in.User, Detail: "first administrator made"})
	return writeJSON(w, http.StatusCreated, account{User: in.User, Role: Administrator})
}

// endSetup closes the window, for there is an administrator now.
func (s *Server) endSetup() {
	s.setup.Hide()
	s.board.wake()
}

// setPasswordAnew helps an administrator who has forgotten the password: who pressed the service input inside the panel and
// reads the code on its display may set another. s.users is held.
func (s *Server) setPasswordAnew(w http.ResponseWriter, r *http.Request, c caller, in setupRequest) error {
	if err := s.setup.Check(in.Code); err != nil {
		s.o.Note(panel.Entry{Kind: panel.LoginRefused, Why: "setup_code", Detail: "password anew, from " + c.Peer})
		return err
	}
	user, found, err := s.user(in.User)
	if err != nil {
		return err
	}
	if !found || user.Role != Administrator {
		return problem(http.StatusUnprocessableEntity, "not-valid", "there is no administrator of this name; name the one whose password is to be set")
	}
	if user.Hash, err = s.hasher.Hash(r.Context(), in.Password); err != nil {
		return err
	}
	user.Generation++ // whoever is logged in under this name is not any more
	if err := s.o.Accounts.PutUser(user); err != nil {
		return err
	}
	s.setup.Hide()
	s.o.Note(panel.Entry{Kind: panel.ConfigIs, Who: user.Name, Detail: "password set anew with the service input"})
	return writeJSON(w, http.StatusOK, account{User: user.Name, Role: Administrator})
}

func (s *Server) postLogin(w http.ResponseWriter, r *http.Request, c caller) error {
	var in loginRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	keys := login.GuardKeys(in.User, c.Peer)
	if wait := s.logins.Wait(keys); wait > 0 {
		return login.TooMany("too many wrong passwords; wait before the next try", wait)
	}
	// Counted before it is known, so that tries made at the same time do not all pass.
	s.logins.Wrong(keys)
	user, _, err := s.user(in.User)
	if err != nil {
		return err
	}
	if len(in.Password) > login.MaxPassword {
		in.Password = "" // no user has one so long, and hashing it would cost time
	}
	match, err := s.hasher.Matches(r.Context(), in.Password, user.Hash)
	if err != nil {
		return err
	}
	if match && user.Ended(s.o.Clock().Wall) {
		s.logins.Right(keys)
		s.o.Note(panel.Entry{Kind: panel.LoginRefused, Why: "ended", Who: user.Name, Detail: "from " + c.Peer})
		return problem(http.StatusForbidden, "ended", "the time of this account is over; an administrator may give it more")
	}
	if !match {
		s.o.Note(panel.Entry{Kind: panel.LoginRefused, Why: "wrong_password", Who: user.Name, Detail: "from " + c.Peer})
		return problem(http.StatusUnauthorized, "wrong-login", "this user and password do not belong together")
	}
	s.logins.Right(keys)
	token := login.NewToken()
	err = s.o.Sessions.PutSession(login.HashToken(token), Session{User: user.Name, Generation: user.Generation, Seen: s.o.Clock().Wall})
	if err != nil {
		return err
	}
	s.o.Note(panel.Entry{Kind: panel.LoginDone, Who: user.Name, Detail: "from " + c.Peer})
	http.SetCookie(w, cookies.Cookie(r, token))
	return writeJSON(w, http.StatusOK, loginAnswer{token, account{User: user.Name, Role: user.Role, Until: user.Until}, int(SessionIdle.Seconds())})
}

func (s *Server) postLogout(w http.ResponseWriter, r *http.Request, c caller) error {
	if c.Token != "" {
		if err := s.o.Sessions.DeleteSession(c.Token); err != nil {
			return err
		}
	}
	http.SetCookie(w, cookies.Cookie(r, ""))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) getSession(w http.ResponseWriter, _ *http.Request, c caller) error {
	return writeJSON(w, http.StatusOK, account{User: c.User, Role: c.Role})
}

func (s *Server) putPassword(w http.ResponseWriter, r *http.Request, c caller) error {
	var in passwordRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	keys := login.GuardKeys(c.User, c.Peer)
	if wait := s.logins.Wait(keys); wait > 0 {
		return login.TooMany("too many wrong passwords; wait before the next try", wait)
	}
	if err := checkPassword(in.New, c.User); err != nil {
		return err
	}
	s.logins.Wrong(keys)
	s.users.Lock()
	defer s.users.Unlock()
	user, found, err := s.user(c.User)
	if err != nil {
		return err
	}
	if !found {
		return problem(http.StatusConflict, "conflict", "callers of the socket have no password; change one's with PUT /api/v1/users/{name}")
	}
	match, err := s.hasher.Matches(r.Context(), in.Old, user.Hash)
	if err != nil {
		return err
	}
	if !match {
		return problem(http.StatusForbidden, "wrong-login", "the old password is not this")
	}
	s.logins.Right(keys)
	if user.Hash, err = s.hasher.Hash(r.Context(), in.New); err != nil {
		return err
	}
	user.Generation++
	if err := s.o.Accounts.PutUser(user); err != nil {
		return err
	}
	// The session that asked goes on.
	if err := s.o.Sessions.PutSession(c.Token, Session{User: user.Name, Generation: user.Generation, Seen: s.o.Clock().Wall}); err != nil {
		return err
	}
	s.o.Note(panel.Entry{Kind: panel.ConfigIs, Who: c.User, Detail: "password of " + user.Name + " changed"})
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) getUsers(w http.ResponseWriter, _ *http.Request, _ caller) error {
	users, err := s.o.Accounts.Users()
	if err != nil {
		return err
	}
	list := make([]account, 0, len(users))
	for _, u := range users {
		list = append(list, account{User: u.Name, Role: u.Role, Until: u.Until})
	}
	slices.SortFunc(list, func(a, b account) int { return cmp.Compare(a.User, b.User) })
	return writeJSON(w, http.StatusOK, object{"users": list})
}

func (s *Server) putUser(w http.ResponseWriter, r *http.Request, c caller) error {
	var in userRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := login.CheckUserName(name); err != nil {
		return err
	}
	if in.Role != "" && !in.Role.valid() {
		return problem(http.StatusUnprocessableEntity, "not-valid", "the role is administrator, installer or resident")
	}
	if in.Password != "" {
		if err := checkPassword(in.Password, name); err != nil {
			return err
		}
	}
	s.users.Lock()
	defer s.users.Unlock()
	users, err := s.o.Accounts.Users()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u User) bool { return u.Name == name })
	user, what := User{Name: name, Made: s.o.Clock().Wall, Generation: firstGeneration()}, "changed"
	if i >= 0 {
		user = users[i]
	} else {
		what = "made"
		if in.Password == "" || in.Role == "" {
			return problem(http.StatusUnprocessableEntity, "not-valid", "a new user needs a role and a password")
		}
		if len(users) >= maxUsers {
			return problem(http.StatusConflict, "conflict", "there are as many users as this panel keeps; remove one first")
		}
	}
	if in.Role != "" && in.Role != user.Role {
		if i >= 0 && user.Role == Administrator && administrators(users) == 1 {
			return problem(http.StatusConflict, "last-administrator", "this is the only administrator; make another one first")
		}
		user.Role = in.Role
	}
	if in.Until != nil {
		user.Until = *in.Until
	}
	if user.Role == Administrator && !user.Until.IsZero() {
		return problem(http.StatusUnprocessableEntity, "not-valid", "an administrator's account has no end: the panel could be left without one")
	}
	if in.Password != "" {
		if user.Hash, err = s.hasher.Hash(r.Context(), in.Password); err != nil {
			return err
		}
		user.Generation++
	}
	if err := s.o.Accounts.PutUser(user); err != nil {
		return err
	}
	if c.User == name && c.Token != "" && in.Password != "" {
		if err := s.o.Sessions.PutSession(c.Token, Session{User: name, Generation: user.Generation, Seen: s.o.Clock().Wall}); err != nil {
			return err
		}
	}
	if user.Role == Administrator {
		s.endSetup()
	}
	s.o.Note(panel.Entry{Kind: panel.ConfigIs, Who: c.User, Detail: "user " + name + " " + what + ": " + string(user.Role)})
	return writeJSON(w, http.StatusOK, account{User: user.Name, Role: user.Role, Until: user.Until})
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request, c caller) error {
	name := r.PathValue("name")
	s.users.Lock()
	defer s.users.Unlock()
	users, err := s.o.Accounts.Users()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return problem(http.StatusNotFound, "not-found", "there is no such user")
	}
	if users[i].Role == Administrator && administrators(users) == 1 {
		return problem(http.StatusConflict, "last-administrator", "this is the only administrator; make another one first")
	}
	if err := s.o.Accounts.DeleteUser(name); err != nil {
		return err
	}
	s.o.Note(panel.Entry{Kind: panel.ConfigIs, Who: c.User, Detail: "user " + name + " removed"})
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// firstGeneration is drawn, so that sessions of a removed user do not fit a new one of the same name.
func firstGeneration() int { return rand.IntN(1 << 30) }

func administrators(users []User) int {
	n := 0
	for _, u := range users {
		if u.Role == Administrator {
			n++
		}
	}
	return n
}
