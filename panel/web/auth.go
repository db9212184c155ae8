package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/doorpanel/doorpanel/login"
)

// Access is what a route asks of its caller. The zero value is no level, so that a route without one is found.
type Access string

// The access levels. Loopback asks for a caller on this host who also asks for this host by a name of its own; Local takes
// such a caller or anybody who is logged in.
const (
	Public               Access = "public"
	Loopback             Access = "loopback"
	Local                Access = "local"
	AsResident           Access = "user"
	AsInstaller          Access = "installer"
	AsAdministrator      Access = "administrator"
	maxUsers                    = 64
	defaultAdministrator        = "admin"
)

// SessionIdle is how long a session lives without being used.
const SessionIdle = 12 * time.Hour

// sessionTouch is how stale the stored time of the last use may be: not every request is a write.
const sessionTouch = 10 * time.Minute

// caller is who asks, as far as the route wanted to know.
type caller struct {
	User  string
	Role  Role
	Via   string // web or cli: how it reached the panel
	Peer  string // IP address; empty on the unix socket
	Local bool   // on this host, and asked for by a name of this host
	Token string // hash of the session's token; empty on the unix socket
}

func (r Role) valid() bool { return r == Administrator || r == Installer || r == Resident }

// permit completes the caller as far as the level asks, and refuses one who may not.
func (s *Server) permit(r *http.Request, c *caller, needs Access) error {
	switch needs {
	case Public:
		return nil
	case Loopback:
		if !c.Local {
			return problem(http.StatusForbidden, "not-local", "only a program on this panel may ask this, under the name localhost or a loopback address")
		}
		return nil
	case Local:
		if c.Local {
			return nil
		}
	}
	if c.User == "" {
		if err := s.bySession(r, c); err != nil {
			return err
		}
	}
	allowed := false
	switch needs {
	case Local, AsResident:
		allowed = c.Role.valid()
	case AsInstaller:
		allowed = c.Role == Administrator || c.Role == Installer
	case AsAdministrator:
		allowed = c.Role == Administrator
	}
	if !allowed {
		return problem(http.StatusForbidden, "not-allowed", "this needs the role "+string(needs))
	}
	return nil
}

// bySession finds out who is logged in, from the Authorization header or else the cookie.
func (s *Server) bySession(r *http.Request, c *caller) error {
	refused := problem(http.StatusUnauthorized, "not-logged-in", "log in first: POST /api/v1/login")
	token, _ := cookies.Token(r)
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
	now := s.o.Clock().Wall
	// A clock that was set back must not make a session immortal: one from the future is as stale as one from the past.
	if now.Sub(session.Seen).Abs() >= SessionIdle {
		return errors.Join(s.o.Sessions.DeleteSession(hash), refused)
	}
	user, found, err := s.user(session.User)
	if err != nil {
		return err
	}
	if !found || user.Generation != session.Generation || user.Ended(now) {
		return errors.Join(s.o.Sessions.DeleteSession(hash), refused)
	}
	if now.Sub(session.Seen).Abs() >= sessionTouch {
		session.Seen = now
		if err := s.o.Sessions.PutSession(hash, session); err != nil {
			// A full disk must not log anybody out; the session only ends earlier.
			s.log.Warn("cannot note use of session", "user", user.Name, "error", err)
		}
	}
	c.User, c.Role, c.Token = user.Name, user.Role, hash
	return nil
}

func (s *Server) user(name string) (User, bool, error) {
	users, err := s.o.Accounts.Users()
	if err != nil {
		return User{}, false, err
	}
	for _, u := range users {
		if u.Name == name {
			return u, true, nil
		}
	}
	return User{}, false, nil
}

// cookies are the names of the login's cookies.
const cookies = login.Cookies("doorpanel")

// checkPassword refuses what is guessed first of a panel.
func checkPassword(password, user string) error {
	return login.CheckPassword(password, user, []string{"installer"})
}

// setupWords are what is said of the setup window, whose code stands on the display.
func setupWords() login.SetupWords {
	return login.SetupWords{
		Locked: "five wrong codes: the setup is closed for ten minutes",
		Last:   "five wrong codes: the setup is closed for ten minutes; then press the service input for a new code",
		Closed: "the time to set this panel up is over; press its service input, or restart it, and a new code is shown for ten minutes",
		Wrong:  "this is not the code on the panel's display",
	}
}
