package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

// Options is what the pages are served from. Every port is required; functions only where they do not say otherwise.
type Options struct {
	Sites     Sites
	Panels    Panels
	Statuses  Statuses
	Watch     Watch
	Pairing   Pairing
	Orders    Orders
	Events    Events
	Eraser    Eraser
	News      News
	Outbox    Outbox
	Messenger Messenger
	Templates Templates
	Licenses  MonitoringLicenses
	Pools     Pools
	Settings  Settings
	Accounts  Accounts
	Roles     Roles
	Arranger  Arranger
	Groups    Groups // nil: this hub has no groups
	Sessions  Sessions
	Tokens    Tokens
	Audit     Audit

	// The license ledger: all four, or none where a hub has no tree of groups.
	Ledger     Ledger
	GroupNames GroupNames
	LedgerLog  LedgerLog
	Packages   Packages // nil: packages are not entered here

	// Health tells how the hub itself is. It must not wait.
	Health func() Health
	// Alive answers within ctx when the hub's loop does; nil: always.
	Alive func(ctx context.Context) error
	// Backup is offered for download; nil: not offered.
	Backup Backup
	// SpoolDir is where large answers are made before they are sent, in files without a name; empty: the system's.
	SpoolDir string
	// ShowSetupCode prints the code of the first run where only whoever runs the hub reads it; "" withdraws it. It must not
	// wait and must not call the Server; nil: nowhere.
	ShowSetupCode func(code string)
	// Now is the time by which sessions end and blocks run out.
	Now func() time.Time

	Metrics http.Handler // serves /metrics; nil: not found
	// Hosts are the names under which the hub may be called, besides IP addresses and localhost.
	Hosts  []string
	Logger *slog.Logger
}

// Server is the pages and the API. Close it to end what waits.
type Server struct {
	o       Options
	log     *slog.Logger
	routes  []route
	assets  assets
	openapi []byte
	setup   *login.Setup
	logins  *login.Guard
	hasher  *login.Hasher
	cross   *http.CrossOriginProtection
	codes   *codes
	cursors cursors
	streams chan struct{} // one for each event stream
	waiting chan struct{} // one for each order whose answer is awaited
	spools  chan struct{} // one for each answer that is made before it is sent

	done   context.Context
	close  context.CancelFunc
	manned atomic.Bool // there is a server administrator: the last one stays
	users  sync.Mutex  // makes reading and changing the accounts one step
	edits  sync.Mutex  // makes reading and changing settings one step
}

// Bounds of what waits: each holds a connection and a goroutine.
const (
	maxStreams = 256
	maxWaiting = 64
)

// New checks the options and makes the server. When no administrator exists the setup window opens at once.
func New(o Options) (*Server, error) {
	for _, port := range []struct {
		name    string
		missing bool
	}{
		{"Sites", o.Sites == nil}, {"Panels", o.Panels == nil}, {"Statuses", o.Statuses == nil}, {"Watch", o.Watch == nil}, {"Pairing", o.Pairing == nil},
		{"Orders", o.Orders == nil}, {"Events", o.Events == nil}, {"Eraser", o.Eraser == nil}, {"News", o.News == nil}, {"Outbox", o.Outbox == nil},
		{"Messenger", o.Messenger == nil}, {"Templates", o.Templates == nil}, {"Licenses", o.Licenses == nil}, {"Pools", o.Pools == nil}, {"Settings", o.Settings == nil}, {"Accounts", o.Accounts == nil}, {"Roles", o.Roles == nil}, {"Arranger", o.Arranger == nil},
		{"Sessions", o.Sessions == nil}, {"Tokens", o.Tokens == nil}, {"Audit", o.Audit == nil}, {"Health", o.Health == nil}, {"Now", o.Now == nil},
		{"Logger", o.Logger == nil},
	} {
		if port.missing {
			return nil, errors.New("cannot make web server: option " + port.name + " is missing")
		}
	}
	if o.Groups == nil {
		o.Groups = noGroups{}
	}
	if o.ShowSetupCode == nil {
		o.ShowSetupCode = func(string) {}
	}
	hiding, err := newCursors()
	if err != nil {
		return nil, err
	}
	files, err := loadAssets()
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, log: o.Logger, assets: files, hasher: login.NewHasher(), cross: http.NewCrossOriginProtection(), codes: newCodes(), cursors: hiding,
		streams: make(chan struct{}, maxStreams), waiting: make(chan struct{}, maxWaiting), spools: make(chan struct{}, maxSpools),
	}
	s.done, s.close = context.WithCancel(context.Background())
	start := o.Now()
	mono := func() time.Duration { return o.Now().Sub(start) }
	s.setup = login.NewSetup(mono, o.ShowSetupCode, setupWords())
	s.logins = login.NewGuard(mono)
	s.routes = s.table()
	if s.openapi, err = openAPI(s.routes); err != nil {
		return nil, err
	}
	s.openForFirst()
	return s, nil
}

// Close ends event streams and withdraws the setup code.
func (s *Server) Close() {
	s.close()
	s.setup.Hide()
}

// openForFirst opens the setup window at the start, if there is no administrator yet.
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
	if s.manned.Load() {
		return true, nil
	}
	all, err := s.o.Roles.Assignments("")
	if err != nil {
		return false, err
	}
	for _, name := range roles.ServerAdministrators(all) {
		if _, known, err := s.user(name); known || err != nil {
			if known && err == nil {
				s.manned.Store(true)
			}
			return known, err
		}
	}
	return false, nil
}

// Handler serves callers over TCP.
func (s *Server) Handler() http.Handler { return s.handler(s.byNetwork) }

// socketUser is who callers of the unix socket are.
const socketUser = "root"

// SocketHandler serves callers of the unix socket, whom the file's mode has proved to be root or the hub's own user: they are
// administrators.
func (s *Server) SocketHandler() http.Handler {
	return s.handler(func(*http.Request) (caller, error) {
		holder := s.socketHolder()
		made, err := s.o.Roles.Roles()
		holder.Table = roles.NewTable(made)
		return caller{User: socketUser, holds: holder, land: s.newLand(), Via: "cli", Local: true}, err
	})
}

// socketHolder is a server administrator without an account.
func (s *Server) socketHolder() roles.Holder {
	held := []roles.Assignment{{User: socketUser, Role: roles.Administrator, Group: roles.Hub}}
	return roles.Holder{User: socketUser, Held: held, Table: roles.NewTable(nil)}
}

type callerKey struct{}

// handler lets identify judge each request before anything else looks at it.
func (s *Server) handler(identify func(*http.Request) (caller, error)) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes {
		mux.Handle(rt.Method+" "+rt.Pattern, s.serve(rt))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		// Recorders in tests know no deadlines; a real connection always does.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
		c, err := identify(r)
		if err != nil {
			s.fail(w, r, isPage(r), err, nil)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
		if _, pattern := mux.Handler(r); pattern == "" {
			s.fail(w, r, isPage(r), unrouted(mux, w, r), nil)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// isPage tells whether a problem at this address is shown to a person.
func isPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// unrouted answers for a path or method that no route has.
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
	return notThere()
}

// serve asks for what the route asks for, then lets it answer.
func (s *Server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(callerKey{}).(caller)
		err := s.permit(r, &c, rt.Access)
		v := &visit{s: s, w: w, r: r, caller: c, needs: rt.Access}
		if err == nil && rt.Page {
			// Before anything is looked at: what changes meanwhile is news for the page.
			v.seen, err = s.newsNow(r.Context())
		}
		if err == nil {
			err = rt.Handler(v)
		}
		if err != nil {
			s.fail(w, r, rt.Page, err, v.typed)
		}
	})
}

// fail answers with the problem: JSON for programs, a page or a part of one for people, with what they typed.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, page bool, err error, typed url.Values) {
	d := s.explain(r, err)
	if !page {
		writeProblem(w, d)
		return
	}
	s.failPage(w, r, d, typed)
}

// secure sets what a browser must know before it looks at the page.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "+
		"frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
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
			"this hub is not known under the name that was asked for; use its IP address, or add the name to its configuration")
	}
	if err := s.cross.Check(r); err != nil {
		return caller{}, problem(http.StatusForbidden, "foreign-origin", "the request was made by a page of another site")
	}
	peer := peerOf(r.RemoteAddr)
	return caller{Via: "web", Peer: peer, Local: isLoopback(peer) && isLoopback(host)}, nil
}

// knows reports whether the hub may be called by this name. Under names that anybody can point here, a page of another site
// could speak to the hub as if it were the hub's own.
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
