package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

// Access is what a route asks of its caller: a right that he has somewhere, or one of the words below. The zero value is none,
// so that a route without one is found.
type Access = roles.Right

// What a route asks besides rights. Local takes a caller on this host who also asks for this host by a name of its own, or
// somebody who sees the hub's health.
const (
	Public   Access = "public"
	Local    Access = "local"
	LoggedIn Access = "login"
)

const (
	maxUsers             = 5000
	maxTokens            = 64
	defaultAdministrator = "admin"
)

// SessionIdle is how long a login lives without being used.
const SessionIdle = 12 * time.Hour

// sessionTouch is how stale the stored time of the last use may be: not every request is a write.
const sessionTouch = 10 * time.Minute

// caller is who asks, as far as the route wanted to know.
type caller struct {
	User  string
	holds roles.Holder
	land  *land  // where things are; nil before anybody is known
	Via   string // web, api or cli
	Peer  string // IP address; empty on the unix socket
	Local bool   // on this host, and asked for by a name of this host
	Token string // hash of the session's token; empty on the unix socket
	Label string // of a script's token; empty for people
}

// may reports whether the caller has what is asked for, at any place at all.
func (c caller) may(needs Access) bool {
	switch needs {
	case Public:
		return true
	case Local:
		return c.Local || c.may(roles.SeeHealth)
	case LoggedIn:
		return c.User != ""
	}
	return c.holds.Anywhere(needs)
}

// mayAt reports whether the caller has the right at a site.
func (c caller) mayAt(right roles.Right, site string) bool {
	if c.holds.Everywhere() {
		return true
	}
	path, there := c.land.site(site)
	return there && c.holds.May(right, path)
}

// sees reports whether a site exists for the caller.
func (c caller) sees(site string) bool {
	path, there := c.land.site(site)
	return c.holds.Everywhere() || there && c.holds.Sees(path)
}

// mayAtPlace reports whether the caller has the right at a group, a site or the hub.
func (c caller) mayAtPlace(right roles.Right, place string) bool {
	if c.holds.Everywhere() {
		return true
	}
	path, there := c.land.path(place)
	return there && c.holds.May(right, path)
}

// settings is the first of the settings' pages that the caller may see; empty: none.
func (c caller) settings() string {
	for _, page := range []struct {
		needs Access
		to    string
	}{
		{roles.ManageHub, "/settings"}, {roles.ManageRoles, "/settings/users"}, {roles.AskHandOver, "/settings/handovers"}, {roles.ConsentHandOver, "/settings/handovers"}, {roles.SeeChanges, "/settings/audit"},
	} {
		if c.may(page.needs) {
			return page.to
		}
	}
	return ""
}

// as is the caller's roles in words.
func (c caller) as() string {
	var titles []string
	for _, a := range c.holds.Held {
		if role, known := c.holds.Table.Role(a.Role); known && !slices.Contains(titles, role.Title) {
			titles = append(titles, role.Title)
		}
	}
	if len(titles) == 0 {
		return "without a role"
	}
	return strings.Join(titles, ", ")
}

// permit completes the caller as far as the level asks, and refuses one who may not.
func (s *Server) permit(r *http.Request, c *caller, needs Access) error {
	if needs == Public || needs == Local && c.Local {
		return nil
	}
	if c.User == "" {
		if err := s.bySession(r, c); err != nil {
			return err
		}
	}
	if !c.may(needs) {
		return c.notAllowed(needs)
	}
	return nil
}

// notAllowed says which right is missing: that the thing is there is known to the caller.
func (c caller) notAllowed(needs Access) error {
	return problem(http.StatusForbidden, "not-allowed", fmt.Sprintf("this needs the right %q; you are %s", needs.Title(), c.as()))
}

// bySession finds out who is logged in, from the Authorization header or else the cookie.
func (s *Server) bySession(r *http.Request, c *caller) error {
	refused := problem(http.StatusUnauthorized, "not-logged-in", "log in first: POST /api/v1/login")
	token, fromHeader := cookies.Token(r)
	if token == "" {
		return refused
	}
	hash := login.HashToken(token)
	session, found, err := s.o.Sessions.Session(hash)
	if err != nil {
		return err
	}
	if !found {
		return refused
	}
	now := s.o.Now()
	user, found, err := s.user(session.User)
	if err != nil {
		return err
	}
	if !found || user.Generation != session.Generation || over(session, now) {
		return errors.Join(s.o.Sessions.DeleteSession(hash), refused)
	}
	if now.Sub(session.Seen).Abs() >= sessionTouch {
		session.Seen = now
		if err := s.o.Sessions.PutSession(hash, session); err != nil {
			// A full disk must not log anybody out; the session only ends earlier.
			s.log.Warn("cannot note use of session", "user", user.Name, "error", err)
		}
	}
	if err := s.know(c, user.Name); err != nil {
		return err
	}
	c.Token, c.Label = hash, session.Label
	if fromHeader {
		c.Via = "api"
	}
	return nil
}

// know completes the caller with what he holds now.
func (s *Server) know(c *caller, user string) error {
	held, err := s.o.Roles.Assignments(user)
	if err != nil {
		return err
	}
	made, err := s.o.Roles.Roles()
	if err != nil {
		return err
	}
	c.User, c.land = user, s.newLand()
	c.holds = roles.Holder{User: user, Held: held, Table: roles.NewTable(made)}
	return nil
}

// over tells whether a session has ended by itself. A clock that was set back must not make a login immortal: one from the
// future is as stale as one from the past.
func over(session fleet.Session, now time.Time) bool {
	if !session.Until.IsZero() && !now.Before(session.Until) {
		return true
	}
	return session.Label == "" && now.Sub(session.Seen).Abs() >= SessionIdle
}

func (s *Server) user(name string) (fleet.User, bool, error) { return s.o.Accounts.User(name) }

// cookies are the names of the login's cookies.
const cookies = login.Cookies("doorhub")

// checkPassword refuses what is guessed first of a hub.
func checkPassword(password, user string) error {
	return login.CheckPassword(password, user, []string{"operator", "viewer", "doorhub"})
}

// setupWords are what is said of the setup window, whose code stands on the hub's standard error.
func setupWords() login.SetupWords {
	return login.SetupWords{
		Locked: "five wrong codes: the setup is closed; restart the hub after ten minutes for a new code",
		Last:   "five wrong codes: the setup is closed; restart the hub after ten minutes for a new code",
		Closed: "the time to set this hub up is over; restart it, and a new code is shown for ten minutes",
		Wrong:  "this is not the code on the hub's standard error",
	}
}
