package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	eventsPage = 60
	exportPage = 500
	maxWord    = 100 // of a search, in bytes
)

type (
	eraseRequest struct {
		Person  string `json:"person"`
		Confirm string `json:"confirm,omitempty"` // forms: the name once more
	}
	eventsAnswer struct {
		Events []fleet.Received `json:"events"`
		// Next goes into before; 0: everything was looked at. It may be there although nothing was found: go on.
		Next uint64 `json:"next"`
	}
	// eventsView is what the page of events shows.
	eventsView struct {
		now    time.Time
		query  fleet.Query
		values url.Values
		found  []fleet.Received
		next   uint64
		last   uint64
		snap   snapshot
		caller caller
	}
)

func (s *Server) eventRoutes() []route {
	filters := []string{"site", "panel", "door", "who", "kind", "text", "from", "to"}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/events", Access: roles.SeeJournals, Handler: s.getEvents, Status: 200, Query: append(slices.Clone(filters), "before", "limit"),
				Summary: "Events of all journals that fit, newest first; next tells where to go on as before", Response: eventsAnswer{Events: []fleet.Received{}}},
			{Method: "GET", Pattern: api + "/events/export", Access: roles.SeeJournals, Handler: s.exportEvents, Status: 200, Query: append(slices.Clone(filters), "format"), Media: "application/x-ndjson",
				Summary: "All events that fit, newest first, as lines of JSON (format jsonl) or as CSV (csv)"},
			{Method: "GET", Pattern: api + "/events/live", Access: roles.SeeJournals, Handler: s.streamEvents, Status: 200, Query: append(slices.Clone(filters), "after"), Media: "text/event-stream",
				Summary: "Events that fit, as they arrive (server-sent events, id = serial)"},
			{Method: "GET", Pattern: "/events", Access: roles.SeeJournals, Handler: s.pageEvents, Page: true, Status: 200, Query: append(slices.Clone(filters), "before"), Summary: "Events"},
			{Method: "GET", Pattern: "/events/live", Access: roles.SeeJournals, Handler: s.streamEventRows, Status: 200, Query: append(slices.Clone(filters), "after"), Media: "text/event-stream", Summary: "Rows of the page of events as they arrive"},
			form("/events/erase", roles.ManageHub, "Take a person out of all events", s.doEraseForm),
		},
		deed[eraseRequest]{Method: "POST", API: "/events/erase", Access: roles.ManageHub, Status: 200, Summary: "Take a person out of all events; the entries stay, without the name",
			Request: eraseRequest{Person: "Ada Lovelace"}, Response: object{"erased": 214}, Do: s.doErase}.routes(),
	)
}

// queryOf reads the filters of an address.
func (v *visit) queryOf(q url.Values) (fleet.Query, error) {
	out := fleet.Query{Site: q.Get("site"), Panel: q.Get("panel"), Door: q.Get("door"), Who: strings.TrimSpace(q.Get("who")), Kind: q.Get("kind"), Text: strings.TrimSpace(q.Get("text"))}
	for _, word := range []string{out.Site, out.Panel, out.Door, out.Who, out.Kind, out.Text} {
		if len(word) > maxWord {
			return out, problem(http.StatusBadRequest, "bad-query", fmt.Sprintf("a word of a search has at most %d bytes", maxWord))
		}
	}
	zone := time.UTC
	if out.Panel != "" && out.Site == "" {
		panel, err := v.panelRecord(out.Panel)
		if err != nil {
			return out, err
		}
		out.Site = panel.Site
	}
	if out.Site != "" {
		site, err := v.siteRecord(out.Site)
		if err != nil {
			return out, err
		}
		zone = zoneOf(site.Zone)
	}
	var err error
	if out.Site == "" {
		if out.Site, err = v.onlySite(); err != nil {
			return out, err
		}
	}
	if out.From, err = moment("from", q.Get("from"), zone); err != nil {
		return out, err
	}
	if out.To, err = moment("to", q.Get("to"), zone); err != nil {
		return out, err
	}
	// A day alone means all of it.
	if len(q.Get("to")) == len(time.DateOnly) {
		out.To = out.To.AddDate(0, 0, 1)
	}
	out.Before, err = numberOf("before", q.Get("before"))
	return out, err
}

// search leaves out what the caller may not see.
func (v *visit) search(q fleet.Query) ([]fleet.Received, uint64, error) {
	if !v.caller.holds.Everywhere() {
		q.Shown = v.shows
	}
	return v.s.o.Events.Search(v.r.Context(), q)
}

// shows tells whether the caller may see an event: those of persons need a right of their own.
func (v *visit) shows(e fleet.Received) bool {
	return v.caller.mayAt(roles.SeeJournals, e.Site) && (!personal(e.Event) || v.caller.mayAt(roles.SeePersonEvents, e.Site))
}

// personal tells whether an event says that somebody came, went or was called, whether it names him or not.
func personal(e telemetry.Event) bool {
	return e.Who != "" || e.Credential != "" || e.Erased || strings.HasPrefix(e.Kind, "access.") || strings.HasPrefix(e.Kind, "call.")
}

// onlySite is the one site whose events the caller may see; empty when there are more, or when he may see those of all.
func (v *visit) onlySite() (string, error) {
	if v.caller.holds.Everywhere() {
		return "", nil
	}
	sites, err := v.s.o.Sites.Sites()
	if err != nil {
		return "", err
	}
	v.caller.land.learn(sites)
	only := ""
	for _, site := range sites {
		switch {
		case !v.caller.mayAt(roles.SeeJournals, site.ID):
		case only != "":
			return "", nil
		default:
			only = site.ID
		}
	}
	return only, nil
}

func (s *Server) getEvents(v *visit) error {
	q, err := v.queryOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	if q.Limit, err = limitOf(v.r.URL.Query().Get("limit")); err != nil {
		return err
	}
	found, next, err := v.search(q)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, eventsAnswer{list(found), next})
}

func (s *Server) pageEvents(v *visit) error {
	values := v.r.URL.Query()
	q, err := v.queryOf(values)
	if err != nil {
		return err
	}
	q.Limit = eventsPage
	p := eventsView{now: s.o.Now(), query: q, values: values, caller: v.caller}
	if p.last, err = s.o.Events.Last(); err != nil {
		return err
	}
	if p.found, p.next, err = v.search(q); err != nil {
		return err
	}
	if p.snap, err = v.look(); err != nil {
		return err
	}
	return v.show("Events", "events", eventsPageBody(p))
}

// exportEvents writes page after page, so that an export of any size needs little memory.
func (s *Server) exportEvents(v *visit) error {
	values := v.r.URL.Query()
	q, err := v.queryOf(values)
	if err != nil {
		return err
	}
	format := values.Get("format")
	if format == "" {
		format = "jsonl"
	}
	if format != "jsonl" && format != "csv" {
		return problem(http.StatusBadRequest, "bad-query", "format is jsonl or csv")
	}
	q.Limit = exportPage
	found, next, err := v.search(q)
	if err != nil {
		return err
	}
	v.note("events.exported", format, q.Site, exportWords(values))
	if err := v.record(); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", map[string]string{"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}[format])
	v.w.Header().Set("Content-Disposition", `attachment; filename="events-`+s.o.Now().UTC().Format("20060102-150405")+"."+format+`"`)
	rows := newRows(v.w, format)
	for {
		_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(writeTime)) // recorders in tests know no deadlines
		if err := rows.write(found); err != nil {
			return nil // the reader went away
		}
		if next == 0 {
			return nil
		}
		q.Before = next
		v.goOn("export of events")
		if found, next, err = v.search(q); err != nil {
			// What was written cannot be taken back: the connection is cut, so that nobody takes a part for the whole.
			s.log.Warn("export ended early", "error", err)
			panic(http.ErrAbortHandler)
		}
	}
}

func exportWords(values url.Values) string {
	asked := url.Values{}
	for name, value := range values {
		if len(value) > 0 && value[0] != "" && name != "format" {
			asked[name] = value
		}
	}
	if len(asked) == 0 {
		return "all events exported"
	}
	return short("events exported: " + asked.Encode())
}

// rows writes events as lines.
type rows struct {
	w    http.ResponseWriter
	json *json.Encoder
	csv  *csv.Writer
}

func newRows(w http.ResponseWriter, format string) *rows {
	if format == "csv" {
		out := &rows{w: w, csv: csv.NewWriter(w)}
		_ = out.csv.Write([]string{"arrived", "site", "panel", "seq", "time", "trusted", "kind", "door", "who", "why", "reader", "credential", "detail", "epoch", "serial"}) // told by Flush
		return out
	}
	return &rows{w: w, json: json.NewEncoder(w)}
}

func (r *rows) write(events []fleet.Received) error {
	for _, e := range events {
		if r.json != nil {
			if err := r.json.Encode(e); err != nil {
				return err
			}
			continue
		}
		ev := e.Event
		cells := []string{e.At.UTC().Format(time.RFC3339), e.Site, e.Panel, number(ev.Seq), ev.Time.Format(time.RFC3339), fmt.Sprint(ev.Trusted), ev.Kind, ev.Door, ev.Who, ev.Why,
			ev.Reader, ev.Credential, ev.Detail, ev.Epoch, number(e.Serial)}
		for i := range cells {
			cells[i] = plainCell(cells[i])
		}
		if err := r.csv.Write(cells); err != nil {
			return err
		}
	}
	if r.csv != nil {
		r.csv.Flush()
		if err := r.csv.Error(); err != nil {
			return err
		}
	}
	return http.NewResponseController(r.w).Flush()
}

// plainCell keeps a spreadsheet from taking a name for a formula.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// follow hands every event that fits to send as it arrives.
func (v *visit) follow(send func(st stream, e fleet.Received) error) error {
	q, err := v.queryOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	from := v.r.Header.Get("Last-Event-ID")
	if from == "" {
		from = v.r.URL.Query().Get("after")
	}
	after, err := numberOf("after", from)
	if err != nil {
		return err
	}
	if from == "" {
		if after, err = v.s.o.Events.Last(); err != nil {
			return err
		}
	}
	seen, err := v.s.newsNow(v.r.Context())
	if err != nil {
		return err
	}
	ctx, st, leave, err := v.stream()
	if err != nil {
		return err
	}
	defer leave()
	for {
		events, err := v.s.o.Events.After(after, streamPage)
		if err != nil {
			v.s.log.Warn("event stream ended", "error", err)
			return nil
		}
		if len(events) > 0 && !v.still() {
			return nil
		}
		for _, e := range events {
			after = e.Serial
			if v.shows(e) && fits(q, e) && send(st, e) != nil {
				return nil
			}
		}
		if len(events) > 0 {
			continue
		}
		news := func(ctx context.Context) error {
			now, err := v.s.o.News.Wait(ctx, seen)
			if err == nil {
				seen = now
			}
			return err
		}
		if !st.idle(ctx, news, v.still) {
			return nil
		}
	}
}

// newsNow is the present number of the news.
func (s *Server) newsNow(ctx context.Context) (uint64, error) {
	return s.o.News.Wait(ctx, ^uint64(0))
}

func (s *Server) streamEvents(v *visit) error {
	return v.follow(func(st stream, e fleet.Received) error { return st.json(e.Serial, "event", e) })
}

// streamEventRows sends the rows that the page of events puts before its list.
func (s *Server) streamEventRows(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	return v.follow(func(st stream, e fleet.Received) error {
		var row bytes.Buffer
		if err := eventRow(e, snap, s.o.Now()).Render(v.r.Context(), &row); err != nil {
			return err
		}
		return st.part(e.Serial, row.String())
	})
}

// fits tells whether one event is asked for, as Search does.
func fits(q fleet.Query, e fleet.Received) bool {
	switch {
	case q.Site != "" && q.Site != e.Site, q.Panel != "" && q.Panel != e.Panel, q.Door != "" && q.Door != e.Event.Door:
		return false
	case q.Kind != "" && q.Kind != e.Event.Kind && (!strings.HasSuffix(q.Kind, ".") || !strings.HasPrefix(e.Event.Kind, q.Kind)):
		return false
	case q.Who != "" && !contains(strings.ToLower(q.Who), e.Event.Who):
		return false
	case !q.From.IsZero() && e.Event.Time.Before(q.From), !q.To.IsZero() && !e.Event.Time.Before(q.To):
		return false
	}
	return q.Text == "" || contains(strings.ToLower(q.Text), e.Event.Kind, e.Event.Door, e.Event.Who, e.Event.Why, e.Event.Reader, e.Event.Credential, e.Event.Detail)
}

func (s *Server) doEraseForm(v *visit, in eraseRequest) (outcome, error) {
	if strings.TrimSpace(in.Confirm) != strings.TrimSpace(in.Person) {
		return outcome{}, notValid("the name is not written the same way twice; nothing was erased")
	}
	return s.doErase(v, in)
}

func (s *Server) doErase(v *visit, in eraseRequest) (outcome, error) {
	person := strings.TrimSpace(in.Person)
	if err := checkName("the person's name", person, true); err != nil {
		return outcome{}, err
	}
	// Before as well as after: what was begun is in the audit even when the hub dies on the way.
	v.note("events.erasing", "", "", "a person is being taken out of the events")
	if err := v.record(); err != nil {
		return outcome{}, err
	}
	n, err := s.o.Eraser.Erase(v.r.Context(), person)
	if err != nil {
		return outcome{}, err
	}
	// Not whom: the audit would be where the name stays.
	v.note("events.erased", "", "", "a person was taken out of "+plural(n, "event", "events"))
	return outcome{Body: object{"erased": n}, Said: "The name was taken out of " + plural(n, "event", "events") + ". The panels keep their own journals.", Back: "/events"}, nil
}
