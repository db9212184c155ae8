// Package web serves the panel's own pages and its JSON API.
//
// It decides who may call what and puts decisions into words; the decisions themselves are made by the panel's loop
// behind the ports of ports.go. It opens no store, moves no strike and knows no device, and its pages are clients of the
// API like any other.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/panel"
)

// Options is what the pages are served from. Every port is required except Touch, Sim, Metrics and the functions that
// say so.
type Options struct {
	Doors       Doors
	Lockdown    Lockdown
	Licenses    Licenses
	Pools       Pools
	Bindings    Bindings
	People      People
	Directory   Directory
	Access      AccessPorts
	Credentials Credentials
	Schedules   Schedules
	Buttons     Buttons
	Learner     Learner
	Journal     Journal
	SilentAlarm SilentAlarm
	DuressCodes DuressCodes
	Guesses     Guesses
	Archive     Archive
	Accounts    Accounts
	Sessions    Sessions
	Face        Face
	Touch       Touch // nil: the face page cannot be pressed

	Status func() Status
	// Alive answers within ctx when the panel's loop does; nil: always.
	Alive func(ctx context.Context) error
	// Ready says whether the panel does its job, and what keeps it from it; nil: always.
	Ready func() (ok bool, causes []string)
	// Note puts logins and changes of users into the journal; nil: nowhere.
	Note func(panel.Entry)
	// ShowSetupCode shows the code of the first run to whoever stands at the panel; "" hides it. It must not wait and must
	// not call the Server.
	ShowSetupCode func(code string)
	// Address is where the pages are found in the network now, such as https://192.168.1.20:8443; "" or nil: not known.
	Address func() string
	// Reset writes down, durably, that everything of the owner is to be erased, and has the panel start again. It returns
	// before the panel ends, so that the answer is still given; nil: not offered.
	Reset func(via string) error
	// Hub is the hub that the panel belongs to; nil: not offered.
	Hub Hub
	// Bundle makes a zip file for support in which nobody is named and no secret stands; nil: not offered.
	Bundle func(ctx context.Context, by string) ([]byte, error)
	// Press presses a call button as a visitor would, for a test; nil: not offered.
	Press func(button int)
	// Clock is the time by which sessions end (Wall) and blocks and the setup window run out (Mono).
	Clock func() panel.Now
	// Timekeeper shows and sets the panel's clock.
	Timekeeper Timekeeper

	Sim     http.Handler // serves /sim/ with simulated hardware, for callers on this host; nil otherwise
	Metrics http.Handler // serves /metrics; nil: not found

	Zone     *time.Location // in which dates count; nil: UTC
	SiteName string
	Language string
	// Hosts are the names under which the panel may be called, besides IP addresses and localhost.
	Hosts  []string
	Logger *slog.Logger
}

// Server is the pages and the API. Close it to end what waits.
type Server struct {
	o       Options
	log     *slog.Logger
	routes  []route
	pages   assets
	openapi []byte
	setup   *login.Setup
	logins  *login.Guard
	hasher  *login.Hasher
	cross   *http.CrossOriginProtection
	board   *board
	streams chan struct{} // one for each event stream and long poll

	done  context.Context
	close context.CancelFunc
	users sync.Mutex // makes reading and changing the accounts one step
}

// maxStreams bounds event streams and long polls: each holds a connection and a goroutine.
const maxStreams = 64

// New checks the options and makes the server. When no administrator exists the setup window opens at once.
func New(o Options) (*Server, error) {
	for _, port := range []struct {
		name    string
		missing bool
	}{
		{"Doors", o.Doors == nil}, {"Licenses", o.Licenses == nil}, {"Pools", o.Pools == nil}, {"Bindings", o.Bindings == nil}, {"People", o.People == nil}, {"Directory", o.Directory == nil},
		{"Lockdown", o.Lockdown == nil}, {"SilentAlarm", o.SilentAlarm == nil}, {"DuressCodes", o.DuressCodes == nil}, {"Guesses", o.Guesses == nil},
		{"Archive", o.Archive == nil},
		{"Credentials", o.Credentials == nil}, {"Schedules", o.Schedules == nil}, {"Buttons", o.Buttons == nil},
		{"Learner", o.Learner == nil}, {"Journal", o.Journal == nil}, {"Accounts", o.Accounts == nil},
		{"Sessions", o.Sessions == nil}, {"Face", o.Face == nil}, {"Status", o.Status == nil},
		{"Clock", o.Clock == nil}, {"Timekeeper", o.Timekeeper == nil}, {"Logger", o.Logger == nil},
	} {
		if port.missing {
			return nil, errors.New("cannot make web server: option " + port.name + " is missing")
		}
	}
	if name := o.Access.missing(); name != "" {
		return nil, errors.New("cannot make web server: option Access." + name + " is missing")
	}
	if o.Note == nil {
		o.Note = func(panel.Entry) {}
	}
	if o.ShowSetupCode == nil {
		o.ShowSetupCode = func(string) {}
	}
	pages, err := loadAssets()
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, log: o.Logger, pages: pages, hasher: login.NewHasher(),
		cross: http.NewCrossOriginProtection(), streams: make(chan struct{}, maxStreams),
	}
	s.done, s.close = context.WithCancel(context.Background())
	mono := func() time.Duration { return o.Clock().Mono }
	s.setup = login.NewSetup(mono, o.ShowSetupCode, setupWords())
	s.logins = login.NewGuard(mono)
	s.board = newBoard(mono)
	s.routes = s.table()
	if s.openapi, err = openAPI(s.routes); err != nil {
		return nil, err
	}
	s.openForFirst()
	return s, nil
}

// Close ends event streams and long polls and hides the setup code and every code on the display.
func (s *Server) Close() {
	s.close()
	s.setup.Hide()
	s.board.clear()
}

// OpenSetupWindow shows a new setup code for ten minutes. It is to be called when the service input is pressed: with the code
// the first administrator is made, or one who has forgotten the password sets another. It may wait for the store and for a
// password that is being hashed.
func (s *Server) OpenSetupWindow() {
	s.users.Lock()
	defer s.users.Unlock()
	s.setup.Open()
}

// openForFirst opens the window at the start, if there is no administrator yet.
func (s *Server) openForFirst() {
	s.users.Lock()
	defer s.users.Unlock()
	has, err := s.hasAdministrator()
	if err != nil {
		s.log.Warn("cannot open the setup window", "error", err)
	}
	if err == nil && !has {
		s.setup.Open()
	}
}

func (s *Server) hasAdministrator() (bool, error) {
	users, err := s.o.Accounts.Users()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(users, func(u User) bool { return u.Role == Administrator }), nil
}

// Handler serves callers over TCP.
func (s *Server) Handler() http.Handler { return s.handler(s.byNetwork) }

// SocketHandler serves callers of the unix socket, whom the file's mode has proved to be root or the daemon's own user:
// they are administrators.
func (s *Server) SocketHandler() http.Handler {
	return s.handler(func(*http.Request) (caller, error) {
		return caller{User: "root", Role: Administrator, Via: "cli", Local: true}, nil
	})
}

type callerKey struct{}

// handler lets identify judge each request before anything else looks at it.
func (s *Server) handler(identify func(*http.Request) (caller, error)) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes {
		mux.Handle(rt.Method+" "+rt.Pattern, s.serve(rt))
	}
	rest := s.serve(route{Access: Public, Handler: func(w http.ResponseWriter, r *http.Request, _ caller) error {
		return unrouted(mux, w, r)
	}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		// Recorders in tests know no deadlines; a real connection always does.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
		c, err := identify(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
		if _, pattern := mux.Handler(r); pattern == "" {
			rest.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unrouted answers for a path or method that no route has, as problem details.
func unrouted(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	probe := r.Clone(r.Context())
	for _, method := range []string{"DELETE", "GET", "POST", "PUT"} {
		probe.Method = method
		if _, pattern := mux.Handler(probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return problem(http.StatusMethodNotAllowed, "method-not-allowed", "use "+strings.Join(allowed, " or "))
	}
	return problem(http.StatusNotFound, "not-found", "there is nothing at this address")
}

// serve asks for what the route asks for, then lets it answer.
func (s *Server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(callerKey{}).(caller)
		err := s.permit(r, &c, rt.Access)
		if err == nil {
			err = rt.Handler(w, r, c)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// secure sets what a browser must know before it looks at the page.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
}

// byNetwork says from where a caller over TCP comes, and refuses one who was sent here by another site.
func (s *Server) byNetwork(r *http.Request) (caller, error) {
	host := hostName(r.Host)
	if !knows(host, s.o.Hosts) {
		return caller{}, problem(http.StatusMisdirectedRequest, "unknown-host",
			"this panel is not known under the name that was asked for; use its IP address, or add the name to its configuration")
	}
	if err := s.cross.Check(r); err != nil {
		return caller{}, problem(http.StatusForbidden, "foreign-origin", "the request was made by a page of another site")
	}
	peer := peerOf(r.RemoteAddr)
	return caller{Via: "web", Peer: peer, Local: isLoopback(peer) && isLoopback(host)}, nil
}

// knows reports whether a panel may be called by this name. Under names that anybody can point here, a page of another
// site could speak to the panel as if it were the panel's own.
func knows(host string, names []string) bool {
	return net.ParseIP(host) != nil || host == "localhost" ||
		slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, host) })
}

// hostName is the host without port, brackets and the dot at the end, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func peerOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
