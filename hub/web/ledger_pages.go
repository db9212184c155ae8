package web

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const (
	entriesAtOnce = 50
	// entriesLookedAt is how many entries one page looks at, for those that are about what lies below a group.
	entriesLookedAt = 2000
)

type (
	// entryRow is an entry of the ledger with names instead of ids, as far as there are any still.
	entryRow struct {
		ledger.Entry
		place  string
		object string // what was given or taken back; empty: the entry's title says it
		diffs  []fieldDiff
	}
	// fieldDiff is one field of a record before and after a change.
	fieldDiff struct{ name, was, is string }
	// ledgerPage shows who changed what in a group and below it, or in the whole tree.
	ledgerPage struct {
		group    *groupPage // nil: the whole tree
		zone     *time.Location
		from     string
		until    string
		what     string
		alone    bool // about this very group, not about those below
		rows     []entryRow
		next     uint64
		verified string
		broken   bool
		now      time.Time
	}
)

func (s *Server) ledgerRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	query := []string{"from", "until", "what", "alone", "before", "verify"}
	return []route{
		{Method: "GET", Pattern: "/ledger", Access: LoggedIn, Handler: s.pageLedger, Page: true, Status: 200, Query: query, Summary: "Who changed what in the whole tree"},
		{Method: "GET", Pattern: "/groups/{group}/ledger", Access: LoggedIn, Handler: s.pageLedger, Page: true, Status: 200, Query: query, Summary: "Who changed what in a group and below it"},
		{Method: "GET", Pattern: "/groups/{group}/ledger.json", Access: LoggedIn, Handler: s.ledgerJSON, Page: true, Status: 200, Query: query, Media: "application/x-ndjson", Summary: "The entries of the ledger about a group and below it, one a line"},
		{Method: "GET", Pattern: "/ledger.json", Access: LoggedIn, Handler: s.ledgerJSON, Page: true, Status: 200, Query: query, Media: "application/x-ndjson", Summary: "The whole ledger, one entry a line, as it can be verified"},
	}
}

// askedEntries reads what the address asks for.
func (v *visit) askedEntries() (ledgerPage, ledger.EntryQuery, error) {
	q := v.r.URL.Query()
	p := ledgerPage{zone: time.UTC, now: v.s.o.Now(), from: q.Get("from"), until: q.Get("until"), what: q.Get("what"), alone: q.Get("alone") != ""}
	query := ledger.EntryQuery{What: p.what, Limit: entriesAtOnce}
	if id := v.path("group"); id != "" {
		g, err := v.groupAt(roles.SeeChanges)
		if err != nil {
			return p, query, err
		}
		p.group, p.zone, query.Root = &groupPage{g, p.now, "ledger"}, g.zone, g.root().ID
		if p.alone {
			query.Group = g.ID
		}
	} else if !v.caller.holds.Everywhere() {
		return p, query, notThere()
	}
	if len(p.what) > maxWord {
		return p, query, problem(http.StatusBadRequest, "bad-query", "the kind is too long")
	}
	var err error
	if query.From, err = moment("the beginning", p.from, p.zone); err != nil {
		return p, query, err
	}
	if query.Until, err = moment("the end", p.until, p.zone); err != nil {
		return p, query, err
	}
	if len(p.until) == len(time.DateOnly) {
		query.Until = query.Until.AddDate(0, 0, 1) // the whole of that day
	}
	query.Before, err = numberOf("before", q.Get("before"))
	return p, query, err
}

func (s *Server) pageLedger(v *visit) error {
	p, query, err := v.askedEntries()
	if err != nil {
		return err
	}
	if v.r.URL.Query().Get("verify") != "" {
		whole, err := s.o.LedgerLog.VerifyLedger(v.r.Context())
		p.verified, p.broken = "All "+thousands(int(whole))+" entries are whole, each follows from the one before.", err != nil
		if err != nil {
			p.verified = err.Error()
		}
	}
	var found []ledger.Entry
	for looked := 0; len(found) < entriesAtOnce && looked < entriesLookedAt; {
		some, next, err := s.o.LedgerLog.Entries(query)
		if err != nil {
			return err
		}
		looked += max(len(some), 1)
		err = s.o.Ledger.Look(func(book ledger.Book) error {
			for _, e := range some {
				if len(found) == entriesAtOnce {
					break
				}
				p.next = e.Number
				row, fits := v.entryRow(book, e, p.group)
				if fits {
					found, p.rows = append(found, e), append(p.rows, row)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if next == 0 && (len(some) == 0 || p.next == some[len(some)-1].Number) {
			p.next = 0
			break
		}
		query.Before = next
	}
	title := "Ledger"
	if p.group != nil {
		title = p.group.Name + ": ledger"
	}
	return v.show(title, "licenses", ledgerOfGroup(p))
}

// entryRow names what an entry is about; fits is false when that does not lie in the group.
func (v *visit) entryRow(book ledger.Book, e ledger.Entry, within *groupPage) (row entryRow, fits bool) {
	e = v.known(book, e)
	row = entryRow{Entry: e, object: objectOf(e), diffs: diffsOf(e.Before, e.After)}
	fits = within == nil
	places := []string{e.Group}
	if e.User != "" {
		user, found, err := book.User(e.User)
		if err == nil && found {
			places = append(places, user.Groups...)
		}
	}
	for _, id := range places {
		g, err := v.findGroup(book, id)
		if id == "" || err != nil {
			continue
		}
		row.place = cmp.Or(row.place, joined(groupNames(g.visible())))
		fits = fits || slices.ContainsFunc(g.line(), func(a ledger.Group) bool { return a.ID == within.ID })
	}
	// What is about a company as a whole, or about what is gone, is shown at the company.
	return row, fits || within != nil && within.IsRoot() && e.Root == within.ID
}

// known is the entry without the groups in its records that the caller does not see. Its hash stays that of the whole entry.
func (v *visit) known(book ledger.Book, e ledger.Entry) ledger.Entry {
	if !v.caller.holds.Everywhere() {
		e.Before, e.After = v.knownRecord(book, e.Before), v.knownRecord(book, e.After)
	}
	return e
}

func (v *visit) knownRecord(book ledger.Book, raw json.RawMessage) json.RawMessage {
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return raw // nothing, or no record
	}
	unknown := func(id any) bool {
		text, is := id.(string)
		if !is || text == "" {
			return false
		}
		_, err := v.findGroup(book, text)
		return err != nil
	}
	hidden := false
	for _, name := range []string{"parent", "group"} {
		if unknown(fields[name]) {
			delete(fields, name)
			hidden = true
		}
	}
	if groups, is := fields["groups"].([]any); is && slices.ContainsFunc(groups, unknown) {
		fields["groups"] = slices.DeleteFunc(groups, unknown)
		hidden = true
	}
	if !hidden {
		return raw
	}
	out, _ := json.Marshal(fields) // was read from JSON
	return out
}

// objectOf is the use that an entry is about, without the number or telephone, which no entry has.
func objectOf(e ledger.Entry) string {
	record := e.After
	if len(record) == 0 {
		record = e.Before
	}
	var use ledger.Use
	if !strings.HasPrefix(e.What, "use.") || json.Unmarshal(record, &use) != nil || use.Count == 0 {
		return ""
	}
	return midSentence(useTitle(use))
}

// diffsOf are the fields in which two records differ; counters, which the ledger keeps by itself, are left out.
func diffsOf(before, after json.RawMessage) []fieldDiff {
	was, is := flat(before), flat(after)
	names := slices.Collect(maps.Keys(was))
	for name := range is {
		if _, known := was[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var diffs []fieldDiff
	for _, name := range names {
		if was[name] != is[name] && len(diffs) < 24 {
			diffs = append(diffs, fieldDiff{strings.ReplaceAll(name, "_", " "), was[name], is[name]})
		}
	}
	return diffs
}

// flat is a record's fields with the names of those that they are in before them.
func flat(raw json.RawMessage) map[string]string {
	out := map[string]string{}
	var value any
	if len(raw) == 0 || json.Unmarshal(raw, &value) != nil {
		return out
	}
	flatten(out, "", value, 0)
	return out
}

func flatten(out map[string]string, name string, value any, depth int) {
	switch value := value.(type) {
	case map[string]any:
		if depth > 6 {
			return
		}
		for field, inner := range value {
			if depth == 0 && (field == "count" || field == "level_use" || field == "id" || field == "root" || field == "made") || field == "saved" {
				continue
			}
			flatten(out, strings.TrimSpace(name+" "+field), inner, depth+1)
		}
	case []any:
		if len(value) > 0 {
			if _, records := value[0].(map[string]any); records {
				for i, inner := range value {
					flatten(out, name+" "+count(i+1), inner, depth+1)
				}
				return
			}
		}
		var words []string
		for _, inner := range value {
			words = append(words, plainValue(inner))
		}
		out[name] = short(strings.Join(words, ", "))
	default:
		out[name] = short(plainValue(value))
	}
}

func plainValue(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	raw, _ := json.Marshal(value) // was read from JSON
	return string(raw)
}

// ledgerJSON hands the entries out, one a line, newest first; the whole ledger as it can be verified.
func (s *Server) ledgerJSON(v *visit) error {
	p, query, err := v.askedEntries()
	if err != nil {
		return err
	}
	query.Limit = maxList
	if err := v.moreAsked(&query); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/x-ndjson")
	v.w.Header().Set("Content-Disposition", `attachment; filename="ledger-`+p.now.UTC().Format("20060102")+`.json"`)
	out := json.NewEncoder(&slowly{v.w, http.NewResponseController(v.w)})
	for {
		some, next, err := s.o.LedgerLog.Entries(query)
		if err != nil {
			s.log.Warn("export of the ledger ended early", "error", err)
			panic(http.ErrAbortHandler)
		}
		var fitting []ledger.Entry
		err = s.o.Ledger.Look(func(book ledger.Book) error {
			for _, e := range some {
				if row, fits := v.entryRow(book, e, p.group); fits {
					fitting = append(fitting, row.Entry)
				}
			}
			return nil
		})
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		for _, e := range fitting {
			if out.Encode(e) != nil {
				return nil // the reader went away
			}
		}
		if query.Before = next; next == 0 {
			return nil
		}
		v.goOn("export of the ledger")
		if p, _, err = v.askedEntries(); err != nil {
			panic(http.ErrAbortHandler) // the right was one of the group
		}
	}
}
