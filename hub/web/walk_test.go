package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

// asker is somebody who walks over all routes.
type asker struct {
	name  string
	role  roles.Role
	at    string   // of his assignment
	seen  []string // the places at which he has his role, or below
	own   string   // the one whose things he asks for as his own
	sites bool     // of its place, he has the site alone
}

// watchman is a role made by hand: a bit of everything, and of each less than others have.
func watchman() roles.Role {
	return roles.Role{ID: "watchman", Title: "Watchman", Group: above + "-group",
		Rights: []roles.Right{roles.SeeLicenses, roles.SeeJournals, roles.Monitor, roles.AskHandOver, roles.ManageRoles, roles.SeeChanges}}
}

func askers() []asker {
	all := []asker{{name: "administrator", role: builtin(roles.Administrator), at: roles.Hub, seen: walkPlaces(), own: here}}
	for _, role := range append(roles.Builtin()[1:], watchman()) {
		all = append(all, asker{name: role.ID + " of a building", role: role, at: here + "-group", seen: []string{here}, own: here})
	}
	for _, role := range []string{roles.Distributor, roles.Management} {
		all = append(all, asker{name: role + " of a company", role: builtin(role), at: above + "-group", seen: []string{above, here, beside}, own: above})
	}
	for _, role := range []string{roles.Operator, roles.Distributor} {
		all = append(all, asker{name: role + " of the hub, outside of companies", role: builtin(role), at: roles.Hub, own: here})
	}
	for _, role := range []string{roles.Technician, roles.Viewer} {
		all = append(all, asker{name: role + " of a site", role: builtin(role), at: roles.Site(here + "-site"), seen: []string{here}, own: here, sites: true})
	}
	return all
}

func builtin(id string) roles.Role {
	role, _ := roles.NewTable(nil).Role(id)
	return role
}

// has tells whether the asker has one of the rights where he has his role.
func (a asker) has(some ...roles.Right) bool {
	return slices.ContainsFunc(some, func(r roles.Right) bool { return a.role.Has(r) && (a.at == roles.Hub || !r.WholeHub()) })
}

// reaches tells whether a thing at a place is below what the asker was given.
func (a asker) reaches(place, kind string) bool {
	if a.sites && !slices.Contains([]string{"site", "panel", "license", "window", "delivery"}, kind) {
		return false
	}
	return slices.Contains(a.seen, place)
}

// passes tells whether the asker may ask for the route at all.
func (a asker) passes(needs Access) bool {
	switch needs {
	case Public, LoggedIn:
		return true
	case Local:
		return a.has(roles.SeeHealth)
	}
	return a.has(needs)
}

// want is what the table says that he is answered: 0 is done, or refused for another reason than who he is.
func (a asker) want(rt route, l line, place string) int {
	switch {
	case !a.passes(rt.Access):
		return http.StatusForbidden
	case l.kind == "":
		return 0
	case l.kind == "token":
		return http.StatusNotFound // named by what only the hub knows
	case l.kind == "hub" && a.role.ID != roles.Administrator:
		return http.StatusNotFound
	case l.kind == "hub", l.makes && place == nowhere && a.role.ID == roles.Administrator:
		return 0
	case l.kind == "role" && place == above && a.at == here+"-group":
		return http.StatusForbidden // it may be given here, too, and is there for him
	case place == nowhere || !a.reaches(place, l.kind), len(a.role.Rights) == 0, l.sees != nil && !a.has(l.sees...):
		return http.StatusNotFound
	case l.needs != nil && !a.has(l.needs...):
		return http.StatusForbidden
	case l.given && place != above && a.at == place+"-group":
		return http.StatusForbidden
	case l.root && place != above:
		return http.StatusNotFound
	}
	return 0
}

// walk is one asker on his way.
type walk struct {
	*testing.T
	asker
	world *walkWorld
	s     *Server
	c     client
	back  func()
	done  map[string]bool // routes that did what they are for
	asked int
}

func newWalk(t *testing.T, a asker) *walk {
	t.Helper()
	w := &walk{T: t, asker: a, world: newWalkWorld(t), done: map[string]bool{}}
	f := w.world.hubFake
	f.roles = append(f.roles, watchman())
	options := f.options()
	options.Pools = w.world.pools
	var err error
	if w.s, err = New(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.s.Close)
	f.users = append(f.users, fleet.User{Name: "walker", Generation: 1, Hash: hashed(t)})
	f.assignments = append(f.assignments, roles.Assignment{User: "walker", Role: a.role.ID, Group: a.at})
	token := login.NewToken()
	f.sessions[login.HashToken(token)] = fleet.Session{User: "walker", Generation: 1, Made: f.time, Seen: f.time}
	w.c = client{t, w.s.Handler(), token}
	w.back = w.world.keep()
	return w
}

// kinds are what the named parts of addresses are, where their names do not say it.
func kindOf(pattern, name string) string {
	if name == "name" {
		return "user"
	}
	if name != "id" {
		return name
	}
	for part, kind := range map[string]string{"/recipients/": "recipient", "/maintenance/": "maintenance", "/pair": "window", "/roles/": "role", "/handovers/": "handover", "/tokens/": "token", "/deliveries/": "delivery"} {
		if strings.Contains(pattern, part) {
			return kind
		}
	}
	return name
}

var partPattern = regexp.MustCompile(`\{(\w+)\}`)

// fill puts the ids of a place into a pattern, into its last part alone those of another.
func fill(pattern string, first, last ids) string {
	names := partPattern.FindAllString(pattern, -1)
	at := 0
	return partPattern.ReplaceAllStringFunc(strings.ReplaceAll(pattern, "{$}", ""), func(part string) string {
		at++
		name := strings.Trim(part, "{}")
		if fixed := map[string]string{"kind": "lost", "language": "en", "channel": "email"}[name]; fixed != "" {
			return fixed
		}
		from := first
		if at == len(names) {
			from = last
		}
		return url.PathEscape(from[kindOf(pattern, name)])
	})
}

// fields is a body as a form has it.
func fields(body any) url.Values {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		panic(err)
	}
	form := url.Values{}
	var put func(name string, value any)
	put = func(name string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, field := range slices.Sorted(maps.Keys(value)) {
				put(strings.TrimPrefix(name+"."+field, "."), value[field])
			}
		case []any:
			for i, one := range value {
				if text, plain := one.(string); plain {
					form.Add(name, text)
				} else {
					put(fmt.Sprintf("%s.%d", name, i), one)
				}
			}
		default:
			form.Set(name, fmt.Sprint(value))
		}
	}
	put("", tree)
	return form
}

// ending is a recorder whose reader goes away at the first word of a stream.
type ending struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

func (e ending) Write(b []byte) (int, error) {
	if strings.HasPrefix(e.Header().Get("Content-Type"), "text/event-stream") {
		e.leave()
	}
	return e.ResponseRecorder.Write(b)
}

// ask sends one request, and brings the world back to what it was.
func (w *walk) ask(rt route, address string, body any) *httptest.ResponseRecorder {
	w.asked++
	kind, content := "", []byte(nil)
	switch form, isForm := body.(url.Values); {
	case rt.Method == "GET":
	case isForm:
		kind, content = "application/x-www-form-urlencoded", []byte(form.Encode())
	case rt.Page && body != nil:
		kind, content = "application/x-www-form-urlencoded", []byte(fields(body).Encode())
	case body != nil:
		raw, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		kind, content = "application/json", raw
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	r := httptest.NewRequest(rt.Method, "http://127.0.0.1:8090"+address, bytes.NewReader(content)).WithContext(ctx)
	r.RemoteAddr = "192.168.1.77:40000"
	r.Header.Set("Authorization", "Bearer "+w.c.token)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	before := w.world.stamp()
	rec := httptest.NewRecorder()
	w.c.handler.ServeHTTP(ending{rec, leave}, r)
	changed := w.world.stamp() != before
	if changed && (rt.Method == "GET" || rec.Code >= 400 && rec.Code < 500) {
		w.Errorf("%s %s is answered with %d, and changed something", rt.Method, address, rec.Code)
	}
	if changed || rt.Method != "GET" {
		w.back()
	}
	return rec
}

// bare is an answer without the ids that the request itself named.
func bare(rec *httptest.ResponseRecorder, named ...ids) string {
	var text strings.Builder
	fmt.Fprintln(&text, rec.Code)
	for _, name := range slices.Sorted(maps.Keys(rec.Header())) {
		fmt.Fprintln(&text, name, rec.Header()[name])
	}
	text.WriteString(rec.Body.String())
	var values []string
	for _, some := range named {
		values = slices.AppendSeq(values, maps.Values(some))
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	out := text.String()
	for _, id := range values {
		if id != "" {
			out = strings.ReplaceAll(strings.ReplaceAll(out, url.QueryEscape(id), "·"), id, "·")
		}
	}
	return out
}

// idsAlone are the ids of a place without its word alone, which would hide everything.
func idsAlone(place ids) ids {
	out := maps.Clone(place)
	delete(out, "word")
	return out
}

// tells finds in an answer what the asker must not learn of.
func (w *walk) tells(rec *httptest.ResponseRecorder, asked ids) string {
	text := strings.ToLower(bare(rec, asked, idsAlone(w.world.at[w.own])))
	for _, place := range walkPlaces() {
		if slices.Contains(w.seen, place) {
			continue
		}
		rest := text
		if place == above {
			// That a thing belongs to some company, and by which id, is told; it opens nothing. Nor is a role hidden from where it may
			// be given.
			for _, known := range []string{`"root":"paragon-group"`, `"group":"paragon-group"`, "paragon-role", "paragon role", "paragon-given", "paragon given"} {
				rest = strings.ReplaceAll(rest, known, "")
			}
		}
		for _, word := range wordsOf(place) {
			if at := strings.Index(rest, word); at >= 0 {
				return rest[max(0, at-80):min(len(rest), at+80)]
			}
		}
	}
	return ""
}

// see looks at one answer.
func (w *walk) see(rt route, l line, what, address string, rec *httptest.ResponseRecorder, want int, asked ids) {
	w.Helper()
	route := rt.Method + " " + rt.Pattern
	refused := rec.Code == http.StatusUnauthorized || rec.Code == http.StatusForbidden || rec.Code == http.StatusNotFound
	if want == 0 && refused && l.never == "" || want != 0 && rec.Code != want || rec.Code >= 500 {
		w.Errorf("%s, %s (%s): %d, want %d: %.300s", route, what, address, rec.Code, want, rec.Body)
	}
	if want == 0 && rec.Code < 400 {
		w.done[route] = true
	}
	if told := w.tells(rec, asked); told != "" {
		w.Errorf("%s, %s (%s) tells of what the asker must not know: …%s…", route, what, address, told)
	}
}

// same holds that what is not there for the asker is answered as what is not there at all.
func (w *walk) same(rt route, what string, one, other *httptest.ResponseRecorder, place string) {
	w.Helper()
	own := w.world.at[w.own] // may be in the body
	a, b := bare(one, w.world.at[place], own), bare(other, w.world.at[nowhere], own)
	if a != b {
		from := 0
		for from < min(len(a), len(b)) && a[from] == b[from] {
			from++
		}
		from = max(0, from-60)
		w.Errorf("%s %s, %s: %s is told from what does not exist: …%.200q… and …%.200q…", rt.Method, rt.Pattern, what, place, a[min(from, len(a)):], b[min(from, len(b)):])
	}
}

// over walks over one route.
func (w *walk) over(rt route, l line) {
	own := w.world.at[w.own]
	body := func(first, second string) any {
		if l.send == nil {
			return nil
		}
		return l.send(w.world.at[first], w.world.at[second])
	}
	parts := partPattern.FindAllString(rt.Pattern, -1)
	if strings.Contains(rt.Pattern, "{kind}") {
		parts = nil
	}
	// What the address names.
	places := []string{w.own}
	if len(parts) > 0 {
		places = []string{nowhere, above, here, beside, strange}
	}
	var missing *httptest.ResponseRecorder
	for _, place := range places {
		address := fill(rt.Pattern, w.world.at[place], w.world.at[place])
		inBody := w.own
		if w.reaches(place, l.kind) {
			inBody = place
		}
		rec := w.ask(rt, address, body(inBody, inBody))
		want := w.want(rt, l, place)
		if want == 0 && l.names && !w.reaches(inBody, cmp.Or(l.of, l.kind)) && w.role.ID != roles.Administrator {
			want = rec.Code // what he could name lies elsewhere; the same below
		}
		w.see(rt, l, "a thing of "+place, address, rec, want, idsAlone(w.world.at[place]))
		switch {
		case place == nowhere:
			missing = rec
		case len(parts) > 0 && (want == http.StatusNotFound || !w.passes(rt.Access)):
			w.same(rt, "in the address", rec, missing, place)
		}
	}
	// What only its last part names, at something of one's own.
	if len(parts) > 1 && w.want(rt, l, w.own) == 0 {
		gone := w.ask(rt, fill(rt.Pattern, own, w.world.at[nowhere]), body(w.own, w.own))
		for _, place := range walkPlaces() {
			if place == w.own {
				continue
			}
			rec := w.ask(rt, fill(rt.Pattern, own, w.world.at[place]), body(w.own, w.own))
			w.see(rt, l, "a part of "+place, rt.Pattern, rec, http.StatusNotFound, idsAlone(w.world.at[place]))
			w.same(rt, "as the last part", rec, gone, place)
		}
	}
	// What only the body names.
	if l.names {
		address := fill(rt.Pattern, own, own)
		gone := w.ask(rt, address, body(w.own, nowhere))
		for _, place := range walkPlaces() {
			if w.reaches(place, cmp.Or(l.of, l.kind)) {
				continue
			}
			rec := w.ask(rt, address, body(w.own, place))
			want := w.want(rt, l, w.own)
			if want == 0 || len(parts) == 0 && l.kind != "" && w.passes(rt.Access) {
				want = cmp.Or(l.miss, http.StatusNotFound)
			}
			if w.seen != nil || l.kind != "" {
				w.see(rt, l, "a body that names "+place, address, rec, want, idsAlone(w.world.at[place]))
			}
			w.same(rt, "in the body", rec, gone, place)
		}
	}
	for _, send := range l.also {
		address := fill(rt.Pattern, own, own)
		gone := w.ask(rt, address, send(own, w.world.at[nowhere]))
		for _, place := range walkPlaces() {
			named := send(own, w.world.at[place])
			if slices.Contains(w.seen, place) || named == nil {
				continue
			}
			rec := w.ask(rt, address, named)
			if rec.Code < 400 {
				w.Errorf("%s %s is done to what its body names of %s: %s", rt.Method, rt.Pattern, place, rec.Body)
			}
			w.same(rt, "as another word of the body", rec, gone, place)
		}
	}
	w.queries(rt, l)
}

// asksOf are what the words of a query name.
func asksOf(name string) []string {
	return map[string][]string{
		"site": {"site"}, "panel": {"panel"}, "parent": {"group"}, "at": {"group"}, "to": {"flat"}, "replaces": {"panel"}, "company": {"group"}, "outage": {"incident"}, "recipient": {"recipient"}, "user": {"person"},
		"after": {"group", "person", "use", "panel"}, "before": {"cursor"}, "q": {"word"}, "who": {"word", "desk"}, "text": {"word"}, "door": {"word"}, "kind": {"word"}, "what": {"word"},
	}[name]
}

// queries holds that no word of a query tells what there is elsewhere.
func (w *walk) queries(rt route, l line) {
	own := w.world.at[w.own]
	for _, name := range rt.Query {
		for _, kind := range asksOf(name) {
			query := func(place string) string {
				q := url.Values{name: {w.world.at[place][kind]}}
				if slices.Contains(rt.Query, "limit") {
					q.Set("limit", "1")
				}
				if rt.Media == "text/event-stream" && name != "after" {
					q.Set("after", "0")
				}
				return fill(rt.Pattern, own, own) + "?" + q.Encode()
			}
			gone := w.ask(rt, query(nowhere), nil)
			for _, place := range walkPlaces() {
				if slices.Contains(w.seen, place) || (name == "after" || name == "before") && place != strange {
					continue // what stands among one's own in the order of ids is no secret
				}
				rec := w.ask(rt, query(place), nil)
				w.see(rt, l, name+" of "+place, query(place), rec, rec.Code, w.world.at[place])
				w.same(rt, "as "+name+" of a query", rec, gone, place)
			}
		}
	}
}

// Whoever asks for whatever by whatever route is answered as the table says; and what lies beside, above or elsewhere is answered,
// byte for byte, as what does not exist is.
func TestNobodyIsAnsweredMoreThanTheTableOfRoutesSays(t *testing.T) {
	table := walkTable()
	var mu sync.Mutex
	done := map[string]bool{}
	t.Run("askers", func(t *testing.T) {
		for _, a := range askers() {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				w := newWalk(t, a)
				for _, rt := range w.s.routes {
					if l, known := table[rt.Method+" "+rt.Pattern]; known {
						w.over(rt, l)
					}
				}
				t.Logf("%d questions", w.asked)
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(done, w.done)
			})
		}
	})
	s := newServer(t, newHubFake())
	known := map[string]bool{}
	for _, rt := range s.routes {
		route := rt.Method + " " + rt.Pattern
		known[route] = true
		l, there := table[route]
		switch {
		case !there:
			t.Errorf("%s has no line: say in walkTable who gets an answer", route)
		case !done[route] && l.never == "" && l.kind != "token":
			t.Errorf("%s: nobody got it done, so this walk proves nothing of it", route)
		}
	}
	for route := range table {
		if !known[route] {
			t.Errorf("%s has a line and is no route", route)
		}
	}
}
