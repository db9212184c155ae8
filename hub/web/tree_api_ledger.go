package web

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// remindersAhead is how far the preview of reminders looks when it is not said.
const remindersAhead = 366 * 24 * time.Hour

// dueAnswer is a reminder that would be sent.
type dueAnswer struct {
	ledger.Due
	Others int `json:"others,omitempty"` // addresses of groups above that the caller does not see
}

func (s *Server) ledgerAPI() []route {
	query := []string{"from", "until", "what", "who", "user", "alone", "before", "limit"}
	entry := ledger.Entry{Number: 41, Who: "ines", What: "licenses.saved", Root: "0m3k2a1-1b2c3d4e5f6a7b", Group: "0m3k2a1-4f0c9a2b7d11e8"}
	page := object{"entries": []ledger.Entry{entry}, "next": 0}
	row := ledger.Row{Group: "0m3k2a1-4f0c9a2b7d11e8", Path: []ledger.Place{{Group: "0m3k2a1-4f0c9a2b7d11e8", Name: "Building 7"}}, Used: numbersAndApps(12, 8), Active: numbersAndApps(12, 8), Devices: 2, Users: 9,
		Month: "2026-11", Measured: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Peak: ledger.Peaks{{Count: 14, At: time.Date(2026, 11, 9, 16, 20, 0, 0, time.UTC)}}, Average: ledger.Averages{11.5}, Final: numbersAndApps(12, 8)}
	return slices.Concat([]route{
		{Method: "GET", Pattern: api + "/groups/{group}/usage", Access: roles.SeeUsage, Handler: s.usageJSON, Status: 200, Query: []string{"month"}, Summary: "What a group and every group below it uses now, and in a month: the most at once and when, the mean, the end; each parent before its children, for post-payment",
			Response: object{"at": "2026-11-22T08:00:00Z", "rows": []ledger.Row{row}}},
		{Method: "GET", Pattern: api + "/groups/{group}/usage.csv", Access: roles.SeeUsage, Handler: s.usageCSV, Status: 200, Query: []string{"month"}, Media: "text/csv", Summary: "The same as a table"},
		{Method: "GET", Pattern: api + "/groups/{group}/reminders", Access: LoggedIn, Handler: s.getReminders, Status: 200, Query: []string{"until"}, Summary: "Which reminders would be sent of a group's licenses, when and to whom",
			Response: object{"reminders": []dueAnswer{{Due: ledger.Due{Name: "Building 7", Days: 30, To: []string{"ines@example.org"}}}}}},
		{Method: "GET", Pattern: api + "/groups/{group}/ledger", Access: roles.SeeChanges, Handler: s.getEntries, Status: 200, Query: query, Summary: "Who changed what in a group and below it, newest first", Response: page},
		{Method: "GET", Pattern: api + "/groups/{group}/ledger/export", Access: roles.SeeChanges, Handler: s.ledgerJSON, Status: 200, Query: query, Media: "application/x-ndjson", Summary: "All of these entries, one a line"},
		{Method: "GET", Pattern: api + "/ledger", Access: roles.ManageHub, Handler: s.getEntries, Status: 200, Query: query, Summary: "Who changed what in all companies, newest first", Response: page},
		{Method: "GET", Pattern: api + "/ledger/export", Access: roles.ManageHub, Handler: s.ledgerJSON, Status: 200, Query: query, Media: "application/x-ndjson", Summary: "The whole ledger, one entry a line, as it can be verified"},
		{Method: "GET", Pattern: api + "/ledger/verify", Access: roles.SeeChanges, Handler: s.getLedgerVerify, Status: 200, Summary: "Check the chain of the ledger from the first entry to the last", Response: object{"whole": true, "entries": 214}},
	})
}

// unlimited has a store look through as much as it does for one question, however much fits.
const unlimited = 1 << 30

// getEntries answers with one page. It may be short, or empty, and still have a next one.
func (s *Server) getEntries(v *visit) error {
	p, query, err := v.askedEntries()
	if err != nil {
		return err
	}
	if query.Limit, err = limitOf(v.r.URL.Query().Get("limit")); err != nil {
		return err
	}
	if err := v.moreAsked(&query); err != nil {
		return err
	}
	most := query.Limit
	if !v.caller.holds.Everywhere() {
		query.Limit = unlimited // so that where the page ends does not tell what fits elsewhere
	}
	some, next, err := s.o.LedgerLog.Entries(query)
	if err != nil {
		return err
	}
	found := []ledger.Entry{}
	err = s.o.Ledger.Look(func(book ledger.Book) error {
		for _, e := range some {
			row, fits := v.entryRow(book, e, p.group)
			if fits && len(found) == most {
				next = found[most-1].Number
				break
			}
			if fits {
				found = append(found, row.Entry)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"entries": found, "next": next})
}

// moreAsked reads what programs may ask for besides.
func (v *visit) moreAsked(query *ledger.EntryQuery) error {
	q := v.r.URL.Query()
	query.Who, query.User = q.Get("who"), q.Get("user")
	if len(query.Who) > maxWord || len(query.User) > maxWord {
		return problem(http.StatusBadRequest, "bad-query", "a word of a search is too long")
	}
	return nil
}

func (s *Server) getLedgerVerify(v *visit) error {
	whole, err := s.o.LedgerLog.VerifyLedger(v.r.Context())
	if err != nil && v.r.Context().Err() == nil {
		return writeJSON(v.w, http.StatusOK, object{"whole": false, "entries": whole, "detail": err.Error()})
	}
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"whole": true, "entries": whole})
}

func (s *Server) getReminders(v *visit) error {
	found := []dueAnswer{}
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		now := s.o.Now()
		until, err := moment("until", v.r.URL.Query().Get("until"), g.zone)
		if err != nil {
			return err
		}
		if until.IsZero() {
			until = now.Add(remindersAhead)
		}
		dues, err := ledger.Reminders(book, g.ID, now, until)
		for _, due := range dues {
			found = append(found, g.due(due))
		}
		return err
	}, roles.SeeLicenses, roles.EditLicenses)
	var r *ledger.Refusal
	if errors.As(err, &r) {
		return notThere()
	}
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"reminders": found})
}

// due is a reminder without the addresses of groups that the caller does not see.
func (g groupView) due(due ledger.Due) dueAnswer {
	var known []string
	for _, a := range g.visible() {
		known = append(known, a.Administrators...)
	}
	reminders := []*ledger.Reminder{g.Reminder}
	for _, b := range g.Blocks {
		reminders = append(reminders, b.Reminder)
	}
	for _, r := range reminders {
		if r != nil {
			known = append(known, r.To...)
		}
	}
	out := dueAnswer{Due: due}
	out.To = []string{}
	for _, address := range due.To {
		if slices.Contains(known, address) {
			out.To = append(out.To, address)
		} else {
			out.Others++
		}
	}
	return out
}
