package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/qr"
)

// house is a panel in memory: every port of the pages, with effects that a test can see.
type house struct {
	mu          sync.Mutex
	now         panel.Now
	users       map[string]User
	sessions    map[string]Session
	people      map[string]Person
	credentials map[string]access.Credential
	cards       map[string]bool
	schedules   map[string]access.Profile
	buttons     map[int]ButtonView
	licenses    []LicenseView
	codes       []PoolCode
	signed      int // identities
	rights      license.Entitlements
	overview    []license.Line
	accounts    []string // for whom licenses were shown
	journal     []JournalEntry
	news        chan struct{} // closed at each change
	opened      []string      // "door by who via"
	refuse      string        // why doors do not open
	lockdown    lockdownFake
	duress      duressFake
	archive     archiveFake
	pressed     []int
	keys        string
	setupCode   string
	learned     chan string
	asks        chan string // each begun and each left wait for a card
	face        FaceView
	fail        error // of the store
	decided     decisions
}

func newHouse() *house {
	return &house{
		now:   panel.Now{Mono: time.Hour, Wall: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC), Trusted: true},
		users: map[string]User{}, sessions: map[string]Session{}, people: map[string]Person{}, credentials: map[string]access.Credential{},
		cards: map[string]bool{}, schedules: map[string]access.Profile{}, news: make(chan struct{}), learned: make(chan string, 1), asks: make(chan string, 64),
		buttons: map[int]ButtonView{
			1: {Number: 1, Label: "Reception", Target: "sip:101@192.168.1.20", Active: true},
			2: {Number: 2, Label: "Office Lovelace", Target: "sip:102@192.168.1.20", Why: "Needs a license for more buttons"},
		},
		face: FaceView{Version: 1, Light: panel.Off},
	}
}

func (h *house) options() Options {
	return Options{
		Doors: h, Licenses: h, Pools: h, Bindings: h, People: h, Credentials: h, Schedules: h, Buttons: h, Learner: h, Journal: h, Accounts: h,
		Sessions: h, Face: h, Touch: h, Press: func(n int) { _ = h.Press(n) }, Bundle: func(context.Context, string) ([]byte, error) { return []byte("PK"), h.fail }, Clock: h.clock, Timekeeper: h, Note: h.note,
		Directory: h, Lockdown: &h.lockdown, SilentAlarm: &h.duress, DuressCodes: &h.duress, Guesses: &h.duress,
		Archive: &h.archive,
		Access:  h.accessPorts(),
		Status: func() Status {
			return Status{
				Version: "0.1.0", Panel: "k3x2wq7m5n4p6r2t3v5y7a2c4e", Site: "12 Mill Lane", Trusted: true, Now: h.clock().Wall, StartedAt: h.clock().Wall.Add(-26 * time.Hour),
				Roots: []string{"ed25519:Q2h5…"}, Parts: []PartStatus{{Kind: "account", Name: "pbx", State: "ok", Detail: "registered"}, {Kind: "uplink", Name: "broker", State: "starting", Detail: "connecting to mqtts://hub.example"}, {Kind: "reader", Name: "front-in", State: "ok"}},
			}
		},
		ShowSetupCode: func(code string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.setupCode = code
		},
		Sim: http.HandlerFunc(h.sim), Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "up 1") }),
		SiteName: "12 Mill Lane", Language: "en", Hosts: []string{"panel.example"}, Logger: slog.New(slog.DiscardHandler),
	}
}

func (h *house) clock() panel.Now {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.Mono += d
	h.now.Wall = h.now.Wall.Add(d)
}

func (h *house) code() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.setupCode
}

func (h *house) changed() {
	close(h.news)
	h.news = make(chan struct{})
}

func (h *house) note(e panel.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record(e)
}

func (h *house) record(e panel.Entry) {
	h.journal = append(h.journal, JournalEntry{Seq: uint64(len(h.journal) + 1), Time: h.now.Wall, Trusted: true, MonoMS: h.now.Mono.Milliseconds(), Entry: e})
	h.changed()
}

func (h *house) Open(_ context.Context, door, who, via string) (bool, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if door != "front" {
		return false, "", fmt.Errorf("cannot open door %q: %w", door, ErrNotFound)
	}
	if h.refuse != "" {
		h.record(panel.Entry{Kind: panel.AccessRefused, Door: door, Why: h.refuse, Who: who})
		return false, h.refuse, nil
	}
	h.opened = append(h.opened, door+" by "+who+" via "+via)
	h.record(panel.Entry{Kind: panel.AccessGranted, Door: door, Who: who})
	return true, "", nil
}

func (h *house) Doors() []DoorView {
	return []DoorView{{Name: "front", Safe: "fail-secure", Strike: "secured", Contact: "closed"}}
}

func (h *house) Present(_ context.Context, text, account, via, by string) (license.Verdict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if account != "" {
		h.accounts = append(h.accounts, account)
	}
	if h.fail != nil {
		return license.Verdict{}, h.fail
	}
	switch text {
	case "DP1:WAITING": // a license of one person, who was not named
		id := license.TokenID{7}
		h.licenses = append(h.licenses, LicenseView{ID: id.String(), Label: "Remote App", Grants: map[string]int{"app_remote": 1}, Scope: "account", Status: string(license.Waiting), Account: account})
		return license.Verdict{Result: license.Activated, Token: &license.Token{ID: id}, Message: "Remote App waits for somebody"}, nil
	case "DP1:KNOWN":
		return license.Verdict{Result: license.AlreadyActive, Token: &license.Token{ID: license.TokenID{8}}}, nil
	case "DI1:STAIRS B":
		return license.Verdict{Result: license.Activated, Peer: &license.Identity{Panel: stairsBKey(), Name: "Stairs B"}, Message: "Panel Stairs B is known here now"}, nil
	}
	result := license.Result(strings.TrimPrefix(text, "DP1:"))
	if !strings.HasPrefix(text, "DP1:") {
		result = license.Malformed
	}
	if result.Refused() {
		h.record(panel.Entry{Kind: panel.LicenseNo, Why: string(result), Who: by})
		return license.Verdict{Result: result, Title: result.Title(), Message: result.Remedy()}, nil
	}
	h.record(panel.Entry{Kind: panel.LicenseOn, Who: by, Detail: via})
	if result == license.Activated {
		h.licenses = append(h.licenses, LicenseView{ID: poolID, Label: "12 Mill Lane, 10 buttons", Grants: map[string]int{"buttons": 10}, Pools: []string{"buttons"}, Scope: "panel", Status: "active", Activated: h.now.Wall, UndoUntil: h.now.Wall.Add(7 * 24 * time.Hour), Issuer: "3f2a90bc11d2e4f5", Root: "ed25519:Q2h5…"})
		h.buttons[2] = ButtonView{Number: 2, Label: "Office Lovelace", Target: "sip:102@192.168.1.20", Active: true}
	}
	return license.Verdict{Result: result, Title: result.Title(), Message: "10 buttons added"}, nil
}

func (h *house) Entitlements() license.Entitlements {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rights
}

func (h *house) Overview() []license.Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.overview)
}

func (h *house) Held() []LicenseView {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.licenses)
}

// sorted is a page of a map: at most limit values whose key is greater than after.
func sorted[K cmp.Ordered, V any](m map[K]V, after K, limit int) []V {
	var keys []K
	for k := range m {
		if k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var page []V
	for _, k := range keys[:min(limit, len(keys))] {
		page = append(page, m[k])
	}
	return page
}

func (h *house) People(q PeopleQuery) (PeoplePage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[string]Person{}
	for id, p := range h.people {
		if strings.Contains(strings.ToLower(p.Name), strings.ToLower(q.Search)) && (q.Group == "" || slices.Contains(p.Groups, q.Group)) {
			key := id
			if q.ByName {
				key = p.Name + id
			}
			found[key] = p
		}
	}
	page := PeoplePage{People: sorted(found, q.After, q.Limit), Total: len(h.people)}
	if n := len(page.People); n == q.Limit && n > 0 {
		page.Next = page.People[n-1].ID
		if q.ByName {
			page.Next = page.People[n-1].Name + page.Next
		}
	}
	return page, h.fail
}

func (h *house) Person(id string) (PersonDetail, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, has := h.people[id]
	if !has {
		return PersonDetail{}, fmt.Errorf("cannot show person %q: %w", id, ErrNotFound)
	}
	detail := PersonDetail{Person: p}
	for _, c := range sorted(h.credentials, "", len(h.credentials)) {
		if c.Person == id {
			detail.Credentials = append(detail.Credentials, Credential{Credential: c, Digits: 6})
		}
	}
	return detail, h.fail
}

func (h *house) PutPerson(_ context.Context, p Person, by string) (Person, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.putPerson(p, by), h.fail
}

func (h *house) putPerson(p Person, by string) Person {
	if p.ID == "" {
		p.ID = fmt.Sprintf("p%d", len(h.people)+1)
	}
	h.people[p.ID] = p
	h.record(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "person " + p.ID})
	return p
}

func (h *house) DeletePeople(_ context.Context, ids []string, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if _, has := h.people[id]; !has {
			return fmt.Errorf("cannot erase person %q: %w", id, ErrNotFound)
		}
	}
	for _, id := range ids {
		delete(h.people, id)
	}
	return nil
}

func (h *house) Credentials(after string, limit int) ([]access.Credential, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sorted(h.credentials, after, limit), h.fail
}

func (h *house) AddCredential(_ context.Context, c NewCredential, by string) (access.Credential, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	drawn := ""
	if c.Kind == access.Code && c.Code == "" {
		drawn = "483920"
		c.Code = drawn
	}
	if h.cards[c.UID+c.Code] {
		return access.Credential{}, "", fmt.Errorf("cannot add %s: it is in use: %w", c.Kind, ErrConflict)
	}
	h.cards[c.UID+c.Code] = true
	person := ""
	for _, p := range h.people {
		if p.Name == c.Person || p.ID == c.Person {
			person = p.ID
		}
	}
	if person == "" {
		person = h.putPerson(Person{Name: c.Person}, by).ID
	}
	made := access.Credential{ID: fmt.Sprintf("c%d", len(h.credentials)+1), Person: person, Kind: c.Kind, Doors: c.Doors, From: c.From, Until: c.Until, Profile: c.Schedule}
	h.credentials[made.ID] = made
	return made, drawn, nil
}

func (h *house) RemoveCredential(_ context.Context, id, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, has := h.credentials[id]; !has {
		return fmt.Errorf("cannot remove credential %q: %w", id, ErrNotFound)
	}
	delete(h.credentials, id)
	return nil
}

func (h *house) Schedules() ([]access.Profile, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sorted(h.schedules, "", maxList), h.fail
}

func (h *house) PutSchedule(_ context.Context, p access.Profile, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.schedules[p.Name] = p
	return h.fail
}

func (h *house) DeleteSchedule(_ context.Context, name, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, has := h.schedules[name]; !has {
		return fmt.Errorf("cannot remove schedule %q: %w", name, ErrNotFound)
	}
	delete(h.schedules, name)
	return nil
}

func (h *house) Buttons() []ButtonView {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sorted(h.buttons, 0, maxList)
}

func (h *house) PutButton(_ context.Context, b ButtonView, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	b.Active = b.Number == 1 || len(h.licenses) > 0
	if !b.Active {
		b.Why = "Needs a license for more buttons"
	}
	h.buttons[b.Number] = b
	return h.fail
}

func (h *house) DeleteButton(_ context.Context, number int, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, has := h.buttons[number]; !has {
		return fmt.Errorf("cannot clear button %d: %w", number, ErrNotFound)
	}
	delete(h.buttons, number)
	return nil
}

func (h *house) Learn(ctx context.Context, reader string) (string, string, error) {
	h.asks <- "begun"
	select {
	case uid := <-h.learned:
		return uid, cmp.Or(reader, "front-in"), nil
	case <-ctx.Done():
		h.asks <- "left"
		return "", "", ctx.Err()
	}
}

// asked waits until all of this happened to waits for a card, in any order.
func (h *house) asked(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for range want {
		select {
		case what := <-h.asks:
			got = append(got, what)
		case <-time.After(15 * time.Second):
			t.Fatalf("of %v only %v happened", want, got)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%v instead of %v", got, want)
	}
}

func (h *house) After(seq uint64, limit int) ([]JournalEntry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := min(seq, uint64(len(h.journal)))
	return slices.Clone(h.journal[from:min(from+uint64(limit), uint64(len(h.journal)))]), h.fail
}

func (h *house) Before(seq uint64, limit int) ([]JournalEntry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	older := slices.Clone(h.journal[:min(max(seq, 1)-1, uint64(len(h.journal)))])
	slices.Reverse(older)
	return older[:min(limit, len(older))], h.fail
}

func (h *house) Wait(ctx context.Context, after uint64) error {
	return h.waitFor(ctx, func() bool { return uint64(len(h.journal)) > after })
}

func (h *house) waitFor(ctx context.Context, there func() bool) error {
	for {
		h.mu.Lock()
		news, done := h.news, there()
		h.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *house) Users() ([]User, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sorted(h.users, "", maxList), h.fail
}

func (h *house) PutUser(u User) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[u.Name] = u
	return h.fail
}

func (h *house) DeleteUser(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.users, name)
	return h.fail
}

func (h *house) Session(hash string) (Session, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, has := h.sessions[hash]
	return s, has, h.fail
}

func (h *house) PutSession(hash string, s Session) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[hash] = s
	return h.fail
}

func (h *house) DeleteSession(hash string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, hash)
	return h.fail
}

func (h *house) Face() FaceView {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.face
	v.Buttons = sorted(h.buttons, 0, maxList)
	return v
}

func (h *house) WaitFace(ctx context.Context, version uint64) error {
	return h.waitFor(ctx, func() bool { return h.face.Version != version })
}

func (h *house) showFace(light panel.Light, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.face = FaceView{Version: h.face.Version + 1, Light: light, Text: text}
	h.changed()
}

func (h *house) Press(button int) error {
	h.mu.Lock()
	h.pressed = append(h.pressed, button)
	h.mu.Unlock()
	h.showFace(panel.Blue, "Calling Reception …")
	return nil
}

func (h *house) Key(key rune) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys += string(key)
	return nil
}

// login puts a user with a session into the house, without the cost of a password.
func (h *house) login(role Role) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := string(role)
	h.users[name] = User{Name: name, Role: role, Generation: 7}
	token := login.NewToken()
	h.sessions[login.HashToken(token)] = Session{User: name, Generation: 7, Seen: h.now.Wall}
	return token
}

// client asks a handler as somebody from somewhere.
type client struct {
	t       *testing.T
	handler http.Handler
	token   string
	peer    string // 192.0.2.7:1234 when empty
	host    string // 192.0.2.1 when empty
	header  http.Header
	leaves  bool // is gone at once, so that a stream of events ends
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (c client) do(method, path, kind, body string) reply {
	ctx, leave := context.WithCancel(c.t.Context())
	defer leave()
	if c.leaves {
		leave()
	}
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = cmp.Or(c.peer, "192.0.2.7:1234"), cmp.Or(c.host, "192.0.2.1")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range c.header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

func (c client) get(path string) reply { return c.do("GET", path, "", "") }

func (c client) post(path, body string) reply { return c.do("POST", path, "application/json", body) }

func newServer(t *testing.T, h *house) *Server {
	t.Helper()
	s, err := New(h.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func drawQR(t *testing.T, text string) string {
	t.Helper()
	b, err := qr.PNG(text, qr.Options{Scale: 4})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sim stands in for the simulated hardware, with the demo around it.
func (h *house) sim(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/sim/state":
		_ = json.NewEncoder(w).Encode(object{
			"time": h.now.Wall, "clock_trusted": true, "setup_code": h.setupCode, "readers": []string{"front-in", "front-out"},
			"strikes":  object{"front": object{"on": h.keys != "", "since": h.now.Wall}},
			"contacts": object{"front": false}, "inputs": object{"exit": false, "fire": false, "tamper": false, "service": false},
			"phone": object{"state": "ringing", "from": "12 Mill Lane, Reception"}, "pulse_ms": object{"front": 3000},
		})
	case "/sim/people":
		_ = json.NewEncoder(w).Encode(object{"people": []object{{"name": "Ada Lovelace", "card": "04A1B2C3", "code": "482913"}, {"name": "Grace Hopper", "card": "04D4E5F6"}}})
	case "/sim/licenses":
		picture := "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath d='M0 0h3v3H0zM5 0h3v3H5zM0 5h3v3H0zM4 4h1v1H4zM6 5h1v2H6z'/%3E%3C/svg%3E"
		_ = json.NewEncoder(w).Encode(object{"licenses": []object{
			{"name": "2 more buttons", "text": "DP1:activated", "picture": picture, "what": "unlimited, for any panel"},
			{"name": "Access control", "text": "DP1:activated", "picture": picture, "what": "cards and codes"},
			{"name": "Expired", "text": "DP1:expired", "picture": picture, "what": "is refused"},
			{"name": "Forged", "text": "DP1:forged", "picture": picture, "what": "is refused"},
		}})
	case "/sim/journal":
		after, err := seqOf("after", r.URL.Query().Get("after"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(object{"entries": list(h.journal[min(after, uint64(len(h.journal))):])})
	case "/sim/events":
		w.Header().Set("Content-Type", "text/event-stream")
	case "/sim/press", "/sim/keys", "/sim/badge", "/sim/scan", "/sim/input", "/sim/contact", "/sim/clock", "/sim/phone":
		h.pressed = append(h.pressed, -1)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// pipeListener accepts connections that dial made, in memory.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn, 8), done: make(chan struct{})}
}

func (l *pipeListener) dial() {
	near, _ := net.Pipe()
	l.conns <- near
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
