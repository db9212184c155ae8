package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/doorpanel/doorpanel/hub/fleet"
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
	minPassword          = 10
	maxPassword          = 128
	maxUserName          = 32
	maxUsers             = 256
	maxTokens            = 64
	defaultAdministrator = "admin"
)

// SessionIdle is how long a login lives without being used.
const SessionIdle = 12 * time.Hour

// sessionTouch is how stale the stored time of the last use may be: not every request is a write.
const sessionTouch = 10 * time.Minute

const (
	cookiePlain  = "doorhub"
	cookieSecure = "__Host-doorhub" // a browser takes this name only over TLS and for exactly this host
)

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
	token, fromHeader := tokenOf(r)
	if token == "" {
		return refused
	}
	hash := hashToken(token)
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

func tokenOf(r *http.Request) (token string, fromHeader bool) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), true
	}
	if c, err := r.Cookie(cookieName(r, "")); err == nil {
		return c.Value, false
	}
	return "", false
}

func cookieName(r *http.Request, suffix string) string {
	if r.TLS != nil {
		return cookieSecure + suffix
	}
	return cookiePlain + suffix
}

// cookie carries the token to the browser; an empty token takes it away.
func cookie(r *http.Request, token string) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName(r, ""), Value: token, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// newToken draws 256 bits for a browser or a script; only their hash is stored.
func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: documented to end the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// hasher checks passwords, one at a time: each takes 19 MiB, and a small box has not many of those.
type hasher struct {
	turn  chan struct{}
	queue chan struct{} // who waits for a turn
	// nobody is compared against for users that do not exist, so that they take as long as others.
	nobody func() (string, error)
}

// params are the OWASP minimum for argon2id: the library's own would take 64 MiB for each try.
func params() *argon2id.Params {
	return &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

func newHasher() *hasher {
	h := &hasher{turn: make(chan struct{}, 1), queue: make(chan struct{}, 8)}
	h.nobody = sync.OnceValues(func() (string, error) { return argon2id.CreateHash(newToken(), params()) })
	return h
}

func (h *hasher) do(ctx context.Context, work func() error) error {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return &details{Type: problemType + "busy", Title: http.StatusText(http.StatusServiceUnavailable),
			Status: http.StatusServiceUnavailable, Detail: "too many logins at once; try again", RetryAfter: 1}
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) hash(ctx context.Context, password string) (hash string, err error) {
	err = h.do(ctx, func() error {
		hash, err = argon2id.CreateHash(password, params())
		return err
	})
	return hash, err
}

// matches compares in constant time; an empty hash never matches and takes as long.
func (h *hasher) matches(ctx context.Context, password, hash string) (match bool, err error) {
	err = h.do(ctx, func() error {
		known := hash != ""
		if !known {
			if hash, err = h.nobody(); err != nil {
				return err
			}
		}
		match, err = argon2id.ComparePasswordAndHash(password, hash)
		match = match && known
		return err
	})
	return match, err
}

// checkPassword refuses what is guessed first.
func checkPassword(password, user string) error {
	weak := problem(http.StatusUnprocessableEntity, "weak-password", "")
	n := utf8.RuneCountInString(password)
	lower := strings.ToLower(password)
	switch {
	case n < minPassword:
		weak.Detail = fmt.Sprintf("the password is too short; use at least %d characters", minPassword)
	case len(password) > maxPassword:
		weak.Detail = fmt.Sprintf("the password is too long; use at most %d bytes", maxPassword)
	case fewRunes(lower):
		weak.Detail = "the password repeats a few characters; use a sentence of three or four words"
	case isSequence(lower):
		weak.Detail = "the password is a row of the keyboard or the alphabet; use a sentence of three or four words"
	case commonPassword(lower, strings.ToLower(user)):
		weak.Detail = "the password is one of the first that are guessed; use a sentence of three or four words"
	default:
		return nil
	}
	return weak
}

func fewRunes(password string) bool {
	seen := map[rune]bool{}
	for _, r := range password {
		seen[r] = true
	}
	return len(seen) < 4
}

func isSequence(password string) bool {
	for _, row := range []string{"01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm"} {
		if strings.Contains(row, password) {
			return true
		}
	}
	return false
}

// commonPassword tells whether what is left without digits and signs is a word that everybody thinks of.
func commonPassword(password, user string) bool {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, password)
	switch letters {
	case "password", "passwort", "motdepasse", "contraseña", "passwordpassword", "letmein", "letmeinplease", "welcome", "willkommen", "iloveyou", "admin", "adminadmin",
		"administrator", "operator", "viewer", "doorpanel", "doorhub", "qwerty", "qwertz", "azerty", "changeme", "changemenow", "default", "master", "dragon", "monkey", "sunshine",
		"princess", "football", "baseball", "superman", "trustno", "secret", "abc", "test", "testtest", "qwertyuiop", "correcthorsebatterystaple":
		return true
	}
	return user != "" && letters == user
}

func checkUserName(name string) error {
	for i, r := range name {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || i > 0 && strings.ContainsRune("._-", r) {
			continue
		}
		return problem(http.StatusUnprocessableEntity, "not-valid", "a user's name is made of a to z, 0 to 9, and inside of it . _ -")
	}
	if name == "" || len(name) > maxUserName || name == "root" {
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf("a user's name has 1 to %d characters and is not root", maxUserName))
	}
	return nil
}

// Limits of the guard. A block doubles with each further wrong try, up to maxBlock.
const (
	freeTries  = 5
	firstBlock = 30 * time.Second
	maxBlock   = 15 * time.Minute
	forgetIn   = time.Hour
	maxGuarded = 1024
)

// guard slows down whoever guesses passwords, by user and by address.
type guard struct {
	now   func() time.Duration
	mu    sync.Mutex
	tries map[string]tries
}

type tries struct {
	wrong   int
	last    time.Duration
	blocked time.Duration // until
}

func newGuard(now func() time.Duration) *guard { return &guard{now: now, tries: map[string]tries{}} }

// guardKeys are what a login is counted under. One network of IPv6 counts as one address.
func guardKeys(user, peer string) []string {
	if ip, err := netip.ParseAddr(peer); err == nil && ip.Unmap().Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			peer = network.String()
		}
	}
	if len(user) > maxUserName {
		user = "" // nobody has such a name, and what is counted must stay small
	}
	return []string{"user " + user, "peer " + peer}
}

// wait is how long this login must not be tried; 0: it may.
func (g *guard) wait(keys []string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var longest time.Duration
	for _, k := range keys {
		longest = max(longest, g.tries[k].blocked-g.now())
	}
	return longest
}

// wrong counts a wrong try before its answer is known to be wrong; right takes it back.
func (g *guard) wrong(keys []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for _, k := range keys {
		t := g.tries[k]
		if now-t.last > forgetIn {
			t = tries{}
		}
		t.wrong++
		t.last = now
		if over := t.wrong - freeTries; over >= 0 {
			t.blocked = now + min(firstBlock<<min(over, 10), maxBlock)
		}
		if _, known := g.tries[k]; !known && len(g.tries) >= maxGuarded {
			g.forgetOldest()
		}
		g.tries[k] = t
	}
}

func (g *guard) forgetOldest() {
	oldest, found := "", false
	for k, t := range g.tries {
		if !found || t.last < g.tries[oldest].last {
			oldest, found = k, true
		}
	}
	delete(g.tries, oldest)
}

func (g *guard) right(keys []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range keys {
		delete(g.tries, k)
	}
}

// Limits of the setup window.
const (
	setupTime  = 10 * time.Minute
	setupTries = 5
)

// setup is the window in which whoever reads the hub's standard error may make the first administrator.
type setup struct {
	now  func() time.Duration
	show func(string)

	mu     sync.Mutex
	code   string // empty: closed
	until  time.Duration
	wrong  int
	locked time.Duration // no tries until then
	timer  *time.Timer
}

func newSetup(now func() time.Duration, show func(string)) *setup {
	return &setup{now: now, show: show}
}

// open draws a code.
func (s *setup) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.wrong, s.until = drawDigits(8), 0, s.now()+setupTime
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(s.until-s.now(), s.expire)
	s.show(s.code)
}

func (s *setup) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code != "" && s.now() >= s.until {
		s.closeLocked()
	}
}

func (s *setup) hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code != "" {
		s.closeLocked()
	}
}

func (s *setup) closeLocked() {
	s.code = ""
	if s.timer != nil {
		s.timer.Stop()
	}
	s.show("")
}

// state is how long the window is still open and how long tries are refused.
func (s *setup) state() (open bool, left, locked time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	locked = max(0, s.locked-now)
	if s.code == "" || now >= s.until {
		return false, 0, locked
	}
	return true, s.until - now, locked
}

// check compares a code. The caller calls hide once the administrator is stored.
func (s *setup) check(code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if wait := s.locked - now; wait > 0 {
		return tooMany("too-many-tries", "five wrong codes: the setup is closed; restart the hub after ten minutes for a new code", wait)
	}
	if s.code == "" || now >= s.until {
		return problem(http.StatusForbidden, "setup-closed", "the time to set this hub up is over; restart it, and a new code is shown for ten minutes")
	}
	if subtle.ConstantTimeCompare([]byte(code), []byte(s.code)) == 1 {
		return nil
	}
	s.wrong++
	if s.wrong >= setupTries {
		s.locked = now + setupTime
		s.closeLocked()
		return tooMany("too-many-tries", "five wrong codes: the setup is closed; restart the hub after ten minutes for a new code", setupTime)
	}
	return problem(http.StatusForbidden, "wrong-code", fmt.Sprintf("this is not the code on the hub's standard error; %d tries are left", setupTries-s.wrong))
}

func tooMany(slug, detail string, wait time.Duration) *details {
	d := problem(http.StatusTooManyRequests, slug, detail)
	d.RetryAfter = int((wait + time.Second - 1) / time.Second)
	return d
}

// drawDigits draws n decimal digits, each as likely as the others.
func drawDigits(n int) string {
	digits := make([]byte, 0, n)
	for len(digits) < n {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails: documented to end the process instead
		if b[0] < 250 {
			digits = append(digits, '0'+b[0]%10)
		}
	}
	return string(digits)
}
