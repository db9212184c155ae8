package web

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/login"
)

// Access is what a route asks of its caller. The zero value is no level, so that a route without one is found.
type Access string

// The access levels. Local takes a caller on this host who also asks for this host by a name of its own, or anybody who is
// logged in.
const (
	Public          Access = "public"
	Local           Access = "local"
	AsViewer        Access = "viewer"
	AsOperator      Access = "operator"
	AsAdministrator Access = "administrator"
)

const (
	maxUsers             = 256
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
	Role  fleet.Role
	Sites []string // the only sites that exist for this caller; nil: all
	Via   string   // web, api or cli
	Peer  string   // IP address; empty on the unix socket
	Local bool     // on this host, and asked for by a name of this host
	Token string   // hash of the session's token; empty on the unix socket
	Label string   // of a script's token; empty for people
}

// rank orders the roles: whoever may more has the higher one. Unknown roles have none.
func rank(r fleet.Role) int {
	return 1 + slices.Index([]fleet.Role{fleet.Viewer, fleet.Operator, fleet.Administrator}, r)
}

// may reports whether the caller's role allows what the level asks.
func (c caller) may(needs Access) bool {
	switch needs {
	case Public:
		return true
	case Local:
		return c.Local || rank(c.Role) > 0
	case AsViewer, AsOperator, AsAdministrator:
		return rank(c.Role) >= rank(fleet.Role(needs)) && rank(c.Role) > 0
	}
	return false
}

// sees reports whether a site exists for the caller.
func (c caller) sees(site string) bool {
	return len(c.Sites) == 0 || slices.Contains(c.Sites, site)
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
		return problem(http.StatusForbidden, "not-allowed", "this needs the role "+string(needs)+"; you are logged in as "+string(c.Role))
	}
	return nil
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
	c.User, c.Role, c.Token, c.Label = user.Name, user.Role, hash, session.Label
	if user.Role != fleet.Administrator {
		c.Sites = user.Sites
	}
	if fromHeader {
		c.Via = "api"
	}
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

func (s *Server) user(name string) (fleet.User, bool, error) {
	users, err := s.o.Accounts.Users()
	if err != nil {
		return fleet.User{}, false, err
	}
	for _, u := range users {
		if u.Name == name {
			return u, true, nil
		}
	}
	return fleet.User{}, false, nil
}

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
