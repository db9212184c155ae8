package web

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/telemetry"
)

// TestForeignScriptsAreTheReleasedOnes holds htmx 4.0.1 as npm has it (dist/htmx.min.js and dist/ext/hx-sse.min.js of htmx.org;
// Zero-Clause BSD, in assets/htmx.LICENSE.txt).
func TestForeignScriptsAreTheReleasedOnes(t *testing.T) {
	for name, want := range map[string]string{
		"htmx.min.js":   "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
		"hx-sse.min.js": "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
	} {
		b, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has the SHA-256 %x", name, sum)
		}
	}
	license, err := os.ReadFile("assets/htmx.LICENSE.txt")
	if err != nil || !strings.Contains(string(license), "Zero-Clause BSD") {
		t.Errorf("the license of htmx is not beside it: %v", err)
	}
}

// Texts reach a page only where templ escapes them, and addresses only through at and with.
func TestTemplatesBuildNothingFromStrings(t *testing.T) {
	banned := regexp.MustCompile(`templ\.Raw|templ\.SafeURL|templ\.JS|templ\.SafeScript|<style|style=|onclick|onsubmit|hx-on|hx-vals|Sprintf|<script[^s]*>[^<]|javascript:|^\s*(script|css) `)
	joined := regexp.MustCompile(`(?:href|action|src|hx-get|hx-post|hx-sse:connect)=\{[^}]*"[^"]*/[^"]*"\s*\+`)
	names, err := filepath.Glob("*.templ")
	if err != nil || len(names) == 0 {
		t.Fatal("there are no templates", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			if found := banned.FindString(line); found != "" {
				t.Errorf("%s:%d has %q", name, i+1, found)
			}
			if joined.MatchString(line) {
				t.Errorf("%s:%d joins an address from strings: %s", name, i+1, strings.TrimSpace(line))
			}
		}
		if _, err := os.Stat(strings.TrimSuffix(name, ".templ") + "_templ.go"); err != nil {
			t.Errorf("%s was not generated: templ generate -include-version=false", name)
		}
	}
}

func TestNamesStayText(t *testing.T) {
	f := newHubFake()
	furnish(f)
	const evil = `"><script>alert(1)</script>`
	f.do(func() {
		f.sites[0].Name, f.sites[0].Address = evil, evil
		f.panels[0].Name = evil
		f.settings.Name = evil
		f.deliveries[0].Last, f.deliveries[0].Address = evil, evil
		f.happen(front, telemetry.Event{Kind: evil, Who: evil, Door: evil, Why: evil, Detail: evil})
		f.faults[0].Detail = evil
		f.health.Parts[0].Detail = evil
		for i := range f.said {
			f.said[i].Status.Doors = map[string]telemetry.Door{evil: {Contact: evil, Alarm: evil}}
			f.said[i].Status.Accounts = map[string]string{evil: evil}
		}
	})
	admin := as(t, newServer(t, f), f, roles.Administrator)
	for _, path := range []string{"/", "/sites/" + millLane, "/panels/" + front, "/events", "/warnings", "/settings", "/settings/users", "/settings/audit", "/health", "/pair", "/events?who=" + "%22%3E%3Cscript%3Ealert(1)"} {
		page := admin.want(200, "GET", path, nil)
		if strings.Contains(page, "<script>alert") || strings.Contains(page, evil) {
			t.Errorf("%s has a name as markup", path)
		}
		if !strings.Contains(page, "&lt;script&gt;") && path != "/settings/audit" {
			t.Errorf("%s does not show the name at all", path)
		}
	}
}

// manySites is a hub at the size that it is built for: 300 sites and 1,000 panels.
func manySites() *hubFake {
	f := newHubFake()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range 300 {
		site := fleet.Site{ID: fmt.Sprintf("site-%03d", i), Name: fmt.Sprintf("House %03d", i), Zone: "Europe/Rome", Language: "it"}
		f.sites = append(f.sites, site)
		f.watched[site.ID] = monitor.New(site, f.time)
		f.step(site.ID, monitor.BrokerBack{})
	}
	for i := range 1000 {
		id := fmt.Sprintf("%026d", i)
		f.enroll(id, fmt.Sprintf("site-%03d", i%300), fmt.Sprintf("Door %d", i))
		f.status(id, telemetry.Status{Doors: map[string]telemetry.Door{"front": {Contact: "closed"}, "back": {Contact: "closed"}}})
	}
	f.lose(fmt.Sprintf("%026d", 299)) // of the last site by name
	return f
}

func TestTheOverviewOfAThousandPanelsIsOnePage(t *testing.T) {
	f := manySites()
	viewer := as(t, newServer(t, f), f, roles.Viewer)
	page := viewer.want(200, "GET", "/", nil)
	if n := strings.Count(page, `<article class="site`); n != sitesPage || len(page) > 300<<10 {
		t.Errorf("the overview has %d sites and %d bytes", n, len(page))
	}
	if first := strings.Index(page, "House 299"); first < 0 || first > strings.Index(page, "House 000") {
		t.Error("the site where a panel is lost is not the first")
	}
	if last := viewer.want(200, "GET", "/?page=7", nil); strings.Count(last, `<article class="site`) != 300-6*sitesPage || !strings.Contains(last, "page 7 of 7") {
		t.Error("the last page does not have the rest")
	}
	if found := viewer.want(200, "GET", "/?q=door+777", nil); strings.Count(found, `<article class="site`) != 1 || !strings.Contains(found, "House 177") {
		t.Error("a panel is not found by its name")
	}
	if wrong := viewer.want(200, "GET", "/?state=wrong", nil); strings.Count(wrong, `<article class="site`) != 1 {
		t.Error("what is wrong is not found alone")
	}
	viewer.want(200, "GET", "/?page=999999999999", nil)
}

func BenchmarkOverviewOfAThousandPanels(b *testing.B) {
	f := manySites()
	o := f.options()
	s, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	token := login.NewToken()
	_ = f.PutUser(fleet.User{Name: "v"}, fleet.Edit{From: fleet.AnyEdition})
	f.give("v", roles.Viewer)
	_ = f.PutSession(login.HashToken(token), fleet.Session{User: "v", Seen: f.now()})
	h := s.Handler()
	for b.Loop() {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

func TestASearchGoesOnWhereItStopped(t *testing.T) {
	f := newHubFake()
	furnish(f)
	f.do(func() { f.lookAt = 4 })
	viewer := as(t, newServer(t, f), f, roles.Viewer)
	page := viewer.want(200, "GET", "/events?who=ada", nil)
	if !strings.Contains(page, "Nothing fits among what was looked at so far") || !strings.Contains(page, "Look further back") {
		t.Fatalf("%s", page)
	}
	found := false
	for range 5 {
		link := regexp.MustCompile(`href="(/events\?before=[^"]+)"`).FindStringSubmatch(page)
		if link == nil {
			break
		}
		page = viewer.want(200, "GET", strings.ReplaceAll(link[1], "&amp;", "&"), nil)
		found = found || strings.Contains(page, "Access granted for Ada Lovelace")
	}
	if !found || !strings.Contains(page, "Everything that is kept was looked at") {
		t.Errorf("found %t, and the last page is %s", found, page)
	}
}

func TestExports(t *testing.T) {
	f := newHubFake()
	furnish(f)
	f.do(func() {
		f.lookAt = 3 // many pages
		f.happen(front, telemetry.Event{Kind: "access.granted", Who: `=HYPERLINK("http://evil")`, Detail: "line\nbreak"})
	})
	viewer := as(t, newServer(t, f), f, roles.Viewer)
	w := viewer.request("GET", "/api/v1/events/export?format=csv", nil)
	if kind := w.Header().Get("Content-Type"); kind != "text/csv; charset=utf-8" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), `attachment; filename="events-20261122-143000.csv"`) {
		t.Errorf("%s %s", kind, w.Header().Get("Content-Disposition"))
	}
	if rows := w.Body.String(); !strings.Contains(rows, `'=HYPERLINK`) || strings.Contains(rows, ",=HYPERLINK") || !strings.Contains(rows, "Ada Lovelace") {
		t.Errorf("%s", rows)
	}
	if lines := strings.Count(strings.TrimSpace(viewer.want(200, "GET", "/api/v1/events/export?format=jsonl", nil)), "\n") + 1; lines != len(f.events) {
		t.Errorf("%d lines for %d events", lines, len(f.events))
	}
	if last := f.changes[len(f.changes)-1]; last.What != "events.exported" || last.Who != "the-viewer" {
		t.Errorf("the export is in the audit as %+v", last)
	}
	viewer.want(400, "GET", "/api/v1/events/export?format=xml", nil)
}

func TestErasingNeedsTheNameTwice(t *testing.T) {
	f := newHubFake()
	furnish(f)
	admin := as(t, newServer(t, f), f, roles.Administrator)
	admin.want(422, "POST", "/events/erase", "person=Ada+Lovelace&confirm=Ada+Lovelac")
	if len(f.erased) != 0 {
		t.Fatal("erased")
	}
	admin.want(303, "POST", "/events/erase", "person=Ada+Lovelace&confirm=Ada+Lovelace")
	if page := admin.want(200, "GET", "/events", nil); strings.Contains(page, "Ada Lovelace") {
		t.Error("the name is still there")
	}
}

// reading opens a stream and hands on its lines.
func reading(t *testing.T, c client, url string) <-chan string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(err, answer)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		defer answer.Body.Close()
		for scan := bufio.NewScanner(answer.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	return lines
}

// until reads lines until one has the text.
func until(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, open := <-lines:
			if !open {
				t.Fatalf("the stream ended before %q came", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			t.Fatalf("%q did not come", text)
		}
	}
}

func TestNewsAndEventsArriveWhileOneWaits(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	url := serveReal(t, s)
	here, there := as(t, s, f, roles.Viewer), as(t, s, f, roles.Operator, station)
	news := reading(t, here, url+"/api/v1/news?seen="+number(f.number))
	events := reading(t, here, url+"/api/v1/events/live?kind=access.")
	rows := reading(t, here, url+"/events/live")
	theirs := reading(t, there, url+"/api/v1/events/live")
	for _, lines := range []<-chan string{news, events, rows, theirs} {
		until(t, lines, ": news of the hub")
	}
	f.do(func() {
		f.happen(front, telemetry.Event{Kind: "door.forced", Door: "front"})
		f.happen(front, telemetry.Event{Kind: "access.granted", Door: "front", Who: "Live"})
		f.happen(dock, telemetry.Event{Kind: "access.granted", Door: "front", Who: "Theirs"})
	})
	until(t, news, "event: news")
	if first := until(t, events, "data:"); !strings.Contains(first, "Live") {
		t.Errorf("the first event that fits is %s", first)
	}
	until(t, rows, "Door front forced open")
	if first := until(t, theirs, "data:"); !strings.Contains(first, "Theirs") {
		t.Errorf("the operator of one site hears %s", first)
	}
}

// What is taken from somebody ends what he has open at the next news, however busy the hub is.
func TestAStreamEndsWithTheRightToIt(t *testing.T) {
	for name, take := range map[string]func(*hubFake){
		"the user is gone": func(f *hubFake) { f.forget("the-viewer") },
		"his roles are":    func(f *hubFake) { f.do(func() { f.assignments = nil }) },
	} {
		for _, path := range []string{"/api/v1/news?seen=0", "/api/v1/events/live", "/events/live"} {
			if name == "his roles are" && strings.Contains(path, "news") {
				continue // it tells no more than that there is something
			}
			t.Run(name+" at "+path, func(t *testing.T) {
				f := newHubFake()
				furnish(f)
				s := newServer(t, f)
				url := serveReal(t, s)
				happen := func() {
					f.do(func() { f.happen(front, telemetry.Event{Kind: "access.granted", Door: "front", Who: "Ada"}) })
				}
				lines := reading(t, as(t, s, f, roles.Viewer), url+path)
				until(t, lines, ": news of the hub")
				happen()
				until(t, lines, "data:")
				take(f)
				happen()
				more := 0
				for line := range lines {
					if strings.HasPrefix(line, "data:") {
						happen() // there is always more
						if more++; more > 3 {
							t.Fatal("the stream goes on")
						}
					}
				}
			})
		}
	}
}

// takenAway takes the right of whoever reads as soon as he has got something.
type takenAway struct {
	*httptest.ResponseRecorder
	take func()
}

func (w takenAway) Write(b []byte) (int, error) {
	w.take()
	return w.ResponseRecorder.Write(b)
}

func TestAnExportEndsWithTheRightToIt(t *testing.T) {
	for _, path := range []string{"/api/v1/events/export", "/groups/acme/ledger.json"} {
		f := newHubFake()
		furnish(f)
		residences(t, f)
		f.do(func() { f.lookAt = 2 })
		last := f.tree.entries[len(f.tree.entries)-1]
		for range 2 * maxList {
			last.Number++
			f.tree.entries = append(f.tree.entries, last)
		}
		s := newServer(t, f)
		c := named(t, s, f, "ada", roles.Administrator, roles.Hub)
		cut := func() (cut bool) {
			defer func() { cut = recover() == http.ErrAbortHandler }()
			r := httptest.NewRequest("GET", "http://127.0.0.1:8090"+path, nil)
			r.Header.Set("Authorization", "Bearer "+c.token)
			c.handler.ServeHTTP(takenAway{httptest.NewRecorder(), func() { f.forget("ada") }}, r)
			return false
		}()
		if !cut {
			t.Errorf("%s is written to its end although the user is gone", path)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	f := newHubFake()
	s := newServer(t, f)
	viewer := as(t, s, f, roles.Viewer)
	for range maxStreams {
		s.streams <- struct{}{}
	}
	if w := viewer.request("GET", "/api/v1/news", nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAnOrderThatNobodyAnswersIsShownAsAwaited(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	operator := as(t, s, f, roles.Operator)
	f.do(func() { f.answer = "" })
	v := &visit{s: s, w: httptest.NewRecorder(), needs: roles.OpenDoors, r: httptest.NewRequest("POST", "/", nil)}
	v.r.SetPathValue("panel", front)
	if err := s.know(&v.caller, "the-operator"); err != nil {
		t.Fatal(err)
	}
	out, err := s.order(v, orderRequest{Verb: "open", Object: "front"}, time.Millisecond)
	if err != nil || !strings.Contains(out.Said, "answer is awaited") {
		t.Fatalf("%+v %v", out, err)
	}
	if page := operator.want(200, "GET", "/panels/"+front, nil); !strings.Contains(page, "waiting for the panel&#39;s answer") {
		t.Error("the page does not say that the answer is awaited")
	}
	f.do(func() { f.orders[0].State = fleet.OrderNotReached })
	if page := operator.want(200, "GET", "/panels/"+front, nil); !strings.Contains(page, "not reached") {
		t.Error("the page does not say that the panel was not reached")
	}
	f.do(func() { f.panels[0].Revoked = f.time })
	operator.want(409, "POST", "/api/v1/panels/"+front+"/orders", object{"verb": "open", "object": "front"})
}

func TestAPairingCodeIsShownWhereItWasOpenedAndNowhereElse(t *testing.T) {
	f := newHubFake()
	furnish(f)
	s := newServer(t, f)
	admin := as(t, s, f, roles.Administrator)
	admin.want(201, "POST", "/api/v1/pairing", object{"site": millLane})
	if page := admin.want(200, "GET", "/pair/w1", nil); !strings.Contains(page, "data:image/svg+xml;base64,") || !strings.Contains(page, "DH1:") {
		t.Error("the code is not shown")
	}
	if list := admin.want(200, "GET", "/api/v1/pairing", nil); strings.Contains(list, "DH1:") {
		t.Error("the list tells the code")
	}
	other := as(t, newServer(t, f), f, roles.Administrator) // another hub over the same store
	if page := other.want(200, "GET", "/pair/w1", nil); strings.Contains(page, "DH1:") || !strings.Contains(page, "was shown where it was opened") {
		t.Error("another hub does not say where the code is")
	}
	f.do(func() { f.time = f.time.Add(11 * time.Minute) })
	if page := admin.want(200, "GET", "/pair/w1", nil); strings.Contains(page, "DH1:") || !strings.Contains(page, "No panel came within ten minutes") {
		t.Error("an old code is shown")
	}
	admin.want(404, "GET", "/pair/w9", nil)
}

func TestEveryKindOfEventHasWords(t *testing.T) {
	page, err := os.ReadFile("../../docs/journal-events.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z_]+)`").FindAllStringSubmatch(string(page), -1)
	if len(kinds) < 30 {
		t.Fatalf("only %d kinds were found", len(kinds))
	}
	for _, kind := range kinds {
		if _, known := eventWords(kind[1]); !known {
			t.Errorf("the pages have no words for %s", kind[1])
		}
	}
	for _, k := range monitor.Kinds() {
		if kindWords(string(k)) == "" {
			t.Errorf("the pages have no words for the message %s", k)
		}
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min", 3 * time.Hour: "3 h", 200 * time.Minute: "3 h 20 min", 50 * time.Hour: "2 d 2 h", 24 * time.Hour: "1 day", 400 * time.Hour: "16 days"} {
		if got := span(d); got != want {
			t.Errorf("%v is said as %q, want %q", d, got, want)
		}
	}
	for counts, want := range map[monitor.Counts]string{{Up: 86400}: "100 %", {Up: 86399, Down: 1}: "99.99 %", {}: "–", {Up: 1, Down: 1}: "50.0 %", {Up: 99950, Down: 50}: "99.95 %"} {
		if got := percent(counts); got != want {
			t.Errorf("%+v is said as %q, want %q", counts, got, want)
		}
	}
	for name, want := range map[string]string{"12 Mill Lane": "12-mill-lane", "Haus Nº 3 / Süd": "haus-n-3-s-d", "…": ""} {
		if got := slug(name); got != want {
			t.Errorf("the id of %q is %q, want %q", name, got, want)
		}
	}
}

func TestMaintenanceOverMidnightIsShownAsInForce(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	m := monitor.Maintenance{Days: []string{"sat"}, Start: "23:00", End: "02:00"}
	for at, want := range map[string]bool{"2026-11-21T22:59": false, "2026-11-21T23:00": true, "2026-11-22T01:59": true, "2026-11-22T02:00": false, "2026-11-22T23:30": false} {
		now, err := time.ParseInLocation("2006-01-02T15:04", at, rome)
		if err != nil {
			t.Fatal(err)
		}
		if got := covers(m, now, rome); got != want {
			t.Errorf("at %s it is in force: %t", at, got)
		}
	}
}
