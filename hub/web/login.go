package web

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

type (
	setupState struct {
		Needed  bool `json:"needed"`
		Open    bool `json:"open"`
		Seconds int  `json:"seconds,omitempty"`     // how long the code is good
		Retry   int  `json:"retry_after,omitempty"` // seconds until codes are taken again
	}
	setupRequest struct {
		Code     string `json:"code"`
		Password string `json:"password"`
		User     string `json:"user,omitempty"` // admin when empty
	}
	loginRequest struct {
		User     string `json:"user"`
		Password string `json:"password"`
		Next     string `json:"next,omitempty"` // page to go on to; not used by programs
	}
	account struct {
		User  string     `json:"user"`
		Roles []heldView `json:"roles"`
		// Edition is for If-Match, in the list of users.
		Edition string `json:"edition,omitempty"`
	}
	// heldView is a role that somebody has, and where.
	heldView struct {
		Role  string `json:"role"`
		Title string `json:"title"`
		Group string `json:"group"` // id of a group; site: and an id; empty: the whole hub
		Where string `json:"where"` // the same in words
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
)

// loginRoutes are the first run, logging in and out, and one's own account.
func (s *Server) loginRoutes() []route {
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/setup", Access: Public, Handler: s.getSetup, Status: 200, Summary: "Whether the hub still needs its first administrator",
				Response: setupState{Needed: true, Open: true, Seconds: 540}},
			{Method: "GET", Pattern: "/setup", Access: Public, Handler: s.pageSetup, Page: true, Status: 200, Summary: "The first run"},
			{Method: "GET", Pattern: "/login", Access: Public, Handler: s.pageLogin, Page: true, Status: 200, Summary: "Log in", Query: []string{"next"}},
			{Method: "GET", Pattern: "/account", Access: LoggedIn, Handler: s.pageAccount, Page: true, Status: 200, Summary: "One's own password"},
			{Method: "GET", Pattern: api + "/session", Access: LoggedIn, Handler: s.getSession, Status: 200, Summary: "Who is logged in",
				Response: exampleAccount()},
		},
		deed[setupRequest]{Method: "POST", API: "/setup", Page: "/setup", Access: Public, Status: 201, Summary: "Make the first administrator with the code from the hub's standard error",
			Request: setupRequest{Code: "01234567", Password: "four words are easy"}, Response: exampleAccount(), Do: s.doSetup}.routes(),
		deed[loginRequest]{Method: "POST", API: "/login", Page: "/login", Access: Public, Status: 200, Summary: "Log in: the token is for an Authorization: Bearer header, the cookie for browsers",
			Request:  loginRequest{User: defaultAdministrator, Password: "four words are easy"},
			Response: loginAnswer{Token: "…", account: exampleAccount(), IdleSeconds: 43200}, Do: s.doLogin}.routes(),
		deed[none]{Method: "POST", API: "/logout", Page: "/logout", Access: LoggedIn, Status: 204, Summary: "End this session", Do: s.doLogout}.routes(),
		deed[passwordRequest]{Method: "PUT", API: "/session/password", Page: "/account/password", Access: LoggedIn, Status: 204, Summary: "Change one's own password; other sessions end",
			Request: passwordRequest{Old: "four words are easy", New: "four other words are"}, Do: s.doPassword}.routes(),
	)
}

func exampleAccount() account {
	return account{defaultAdministrator, []heldView{{Role: roles.Administrator, Title: "Server administrator", Where: "the whole hub"}}, ""}
}

// of is the account of somebody else with the same roles.
func (a account) of(user string) account {
	a.User = user
	return a
}

// self is the caller with his roles.
func (v *visit) self() (account, error) {
	names, err := v.s.siteNames()
	return account{User: v.caller.User, Roles: v.viewHeld(v.caller.holds.Held, v.caller.holds.Table, names)}, err
}

func (s *Server) setupState() (setupState, error) {
	has, err := s.hasAdministrator()
	if err != nil || has {
		return setupState{}, err
	}
	open, left, locked := s.setup.State()
	return setupState{Needed: true, Open: open, Seconds: int(left.Seconds()), Retry: int(locked.Seconds())}, nil
}

func (s *Server) getSetup(v *visit) error {
	state, err := s.setupState()
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, state)
}

func (s *Server) doSetup(v *visit, in setupRequest) (outcome, error) {
	in.User = cmp.Or(in.User, defaultAdministrator)
	in.Code = strings.Map(func(r rune) rune {
		if r == ' ' {
			return -1 // the code is printed in two groups
		}
		return r
	}, in.Code)
	// What does not depend on the code is said before a try is counted.
	if err := login.CheckUserName(in.User); err != nil {
		return outcome{}, err
	}
	if err := checkPassword(in.Password, in.User); err != nil {
		return outcome{}, err
	}
	s.users.Lock()
	defer s.users.Unlock()
	has, err := s.hasAdministrator()
	if err != nil {
		return outcome{}, err
	}
	if has {
		return outcome{}, problem(http.StatusConflict, "already-set-up", "this hub has an administrator; log in, or set a password anew on its host: doorhub user password")
	}
	if err := s.setup.Check(in.Code); err != nil {
		v.noteRefused("setup.refused", "", "wrong code of the first run")
		return outcome{}, err
	}
	hash, err := s.hasher.Hash(v.r.Context(), in.Password)
	if err != nil {
		return outcome{}, err
	}
	user := fleet.User{Name: in.User, Hash: hash, Generation: firstGeneration(), Made: s.o.Now()}
	v.caller.User = in.User
	first := roles.Assignment{User: in.User, Role: roles.Administrator, Group: roles.Hub, By: in.User, Since: user.Made}
	err = s.o.Arranger.Arrange(v.r.Context(), func(a *roles.Arrangement) error {
		a.Remove(in.User)
		a.Users, a.Assignments = append(a.Users, user), append(a.Assignments, first)
		a.Changes = append(a.Changes, v.change("user.made", in.User, "", "first administrator made"))
		return nil
	})
	if err != nil {
		return outcome{}, err
	}
	s.setup.Hide()
	if v.isPage() {
		// Whoever typed the code and the password need not type the password again.
		if _, err := s.begin(v, user); err != nil {
			return outcome{}, err
		}
	}
	return outcome{Body: exampleAccount().of(in.User), Said: "This hub is yours. Add your first site now.", Back: "/"}, nil
}

func (s *Server) doLogin(v *visit, in loginRequest) (outcome, error) {
	keys := login.GuardKeys(in.User, v.caller.Peer)
	if wait := s.logins.Wait(keys); wait > 0 {
		return outcome{}, login.TooMany("too many wrong passwords; wait "+inWords(wait)+" before the next try", wait)
	}
	// Counted before it is known, so that tries made at the same time do not all pass.
	s.logins.Wrong(keys)
	user, found, err := s.user(in.User)
	if err != nil {
		return outcome{}, err
	}
	if len(in.Password) > login.MaxPassword {
		in.Password = "" // no user has one so long, and hashing it would cost time
	}
	match, err := s.hasher.Matches(v.r.Context(), in.Password, user.Hash)
	if err != nil {
		return outcome{}, err
	}
	if !match {
		if found { // what strangers type is not written down: somebody may have typed a password as the name
			v.noteRefused("login.refused", user.Name, "wrong password")
		}
		return outcome{}, problem(http.StatusUnauthorized, "wrong-login", "this user and password do not belong together")
	}
	s.logins.Right(keys)
	token, err := s.begin(v, user)
	if err != nil {
		return outcome{}, err
	}
	v.caller.User = user.Name
	v.note("login.done", user.Name, "", "logged in")
	if err := s.know(&v.caller, user.Name); err != nil {
		return outcome{}, err
	}
	who, err := v.self()
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: loginAnswer{token, who, int(SessionIdle.Seconds())}, Back: nextPage(in.Next)}, nil
}

// begin makes a session and gives its cookie to the browser.
func (s *Server) begin(v *visit, user fleet.User) (token string, err error) {
	token = login.NewToken()
	now := s.o.Now()
	err = s.o.Sessions.PutSession(login.HashToken(token), fleet.Session{User: user.Name, Generation: user.Generation, Made: now, Seen: now})
	if err != nil {
		return "", err
	}
	http.SetCookie(v.w, cookies.Cookie(v.r, token))
	return token, nil
}

// nextPage takes only an address on this hub.
func nextPage(next string) string {
	if len(next) > 512 || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

func (s *Server) doLogout(v *visit, _ none) (outcome, error) {
	if v.caller.Token != "" {
		if err := s.o.Sessions.DeleteSession(v.caller.Token); err != nil {
			return outcome{}, err
		}
	}
	http.SetCookie(v.w, cookies.Cookie(v.r, ""))
	v.note("login.ended", v.caller.User, "", "logged out")
	return outcome{Back: "/login"}, nil
}

func (s *Server) getSession(v *visit) error {
	who, err := v.self()
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, who)
}

func (s *Server) doPassword(v *visit, in passwordRequest) (outcome, error) {
	if v.caller.Label != "" {
		return outcome{}, problem(http.StatusForbidden, "not-allowed", "a script's token cannot change a password; log in")
	}
	keys := login.GuardKeys(v.caller.User, v.caller.Peer)
	if wait := s.logins.Wait(keys); wait > 0 {
		return outcome{}, login.TooMany("too many wrong passwords; wait "+inWords(wait)+" before the next try", wait)
	}
	if err := checkPassword(in.New, v.caller.User); err != nil {
		return outcome{}, err
	}
	s.logins.Wrong(keys)
	s.users.Lock()
	defer s.users.Unlock()
	user, edition, err := s.o.Accounts.UserToEdit(v.caller.User)
	if err != nil && !errors.Is(err, fleet.ErrUnknown) {
		return outcome{}, err
	}
	if err != nil {
		return outcome{}, problem(http.StatusConflict, "conflict", "callers of the socket have no password; change one's with PUT /api/v1/users/{name}")
	}
	match, err := s.hasher.Matches(v.r.Context(), in.Old, user.Hash)
	if err != nil {
		return outcome{}, err
	}
	if !match {
		v.noteRefused("login.refused", user.Name, "wrong old password")
		return outcome{}, problem(http.StatusForbidden, "wrong-login", "the old password is not this")
	}
	s.logins.Right(keys)
	if user.Hash, err = s.hasher.Hash(v.r.Context(), in.New); err != nil {
		return outcome{}, err
	}
	user.Generation++
	edit := fleet.Edit{From: edition.Number, Change: v.change("user.changed", user.Name, "", "own password changed")}
	if err := s.o.Accounts.PutUser(user, edit); err != nil {
		return outcome{}, err
	}
	if err := s.keepSession(v, user); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Your password is changed; everywhere else you are logged out.", Back: "/account"}, nil
}

// keepSession lets the session that asked go on after its user changed.
func (s *Server) keepSession(v *visit, user fleet.User) error {
	session, found, err := s.o.Sessions.Session(v.caller.Token)
	if err != nil || !found {
		return err
	}
	session.Generation = user.Generation
	return s.o.Sessions.PutSession(v.caller.Token, session)
}

// firstGeneration is drawn, so that sessions of a removed user do not fit a new one of the same name.
func firstGeneration() int { return rand.IntN(1 << 30) }

// inWords is a short time as people say it.
func inWords(d time.Duration) string {
	seconds := int((d + time.Second - 1) / time.Second)
	if seconds < 90 {
		return plural(seconds, "second", "seconds")
	}
	return plural((seconds+59)/60, "minute", "minutes")
}
