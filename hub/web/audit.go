package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const auditPage = 60

// auditView is what the page of the audit shows.
type auditView struct {
	now      time.Time
	query    fleet.ChangeQuery
	found    []fleet.Change
	next     uint64
	verified string
	broken   bool
	caller   caller
	// licenses are the newest changes in the license ledger, which keeps its own log.
	licenses []entryRow
	ledger   string // where the rest of them is; empty: in the ledger of each group
}

func (s *Server) auditRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/audit", Access: roles.SeeChanges, Handler: s.getAudit, Status: 200, Query: []string{"who", "what", "site", "text", "before", "limit"}, Summary: "Who changed what, newest first",
			Response: object{"changes": []fleet.Change{}, "next": 0}},
		{Method: "GET", Pattern: api + "/audit/verify", Access: roles.ManageHub, Handler: s.getVerify, Status: 200, Summary: "Check the chain of the audit from the first entry to the last",
			Response: object{"whole": true, "entries": 214}},
		{Method: "GET", Pattern: "/settings/audit", Access: roles.SeeChanges, Handler: s.pageAudit, Page: true, Status: 200, Query: []string{"who", "what", "site", "text", "before", "verify"}, Summary: "Who changed what"},
	}
}

func (v *visit) changeQuery() (fleet.ChangeQuery, error) {
	q := v.r.URL.Query()
	out := fleet.ChangeQuery{Who: strings.TrimSpace(q.Get("who")), What: strings.TrimSpace(q.Get("what")), Site: q.Get("site"), Text: strings.TrimSpace(q.Get("text"))}
	for _, word := range []string{out.Who, out.What, out.Site, out.Text} {
		if len(word) > maxWord {
			return out, problem(http.StatusBadRequest, "bad-query", fmt.Sprintf("a word of a search has at most %d bytes", maxWord))
		}
	}
	var err error
	if out.Limit, err = limitOf(q.Get("limit")); err != nil {
		return out, err
	}
	out.Before, err = numberOf("before", q.Get("before"))
	return out, err
}

// changes leaves out what is not about a place at which the caller may see it.
func (v *visit) changes(q fleet.ChangeQuery) ([]fleet.Change, uint64, error) {
	if !v.caller.holds.Everywhere() {
		q.Shown = v.showsChange
	}
	return v.s.o.Audit.Changes(q)
}

func (v *visit) showsChange(c fleet.Change) bool {
	switch {
	case c.Group != "":
		return v.caller.mayAtPlace(roles.SeeChanges, c.Group)
	case c.Site != "":
		return v.caller.mayAt(roles.SeeChanges, c.Site)
	}
	return v.caller.holds.Everywhere()
}

func (s *Server) getAudit(v *visit) error {
	q, err := v.changeQuery()
	if err != nil {
		return err
	}
	found, next, err := v.changes(q)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"changes": list(found), "next": next})
}

func (s *Server) getVerify(v *visit) error {
	n, err := s.o.Audit.VerifyChanges(v.r.Context())
	if err != nil && v.r.Context().Err() == nil {
		return writeJSON(v.w, http.StatusOK, object{"whole": false, "entries": n, "detail": err.Error()})
	}
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"whole": true, "entries": n})
}

func (s *Server) pageAudit(v *visit) error {
	q, err := v.changeQuery()
	if err != nil {
		return err
	}
	q.Limit = auditPage
	p := auditView{now: s.o.Now(), query: q, caller: v.caller}
	if v.caller.may(roles.ManageHub) && v.r.URL.Query().Get("verify") != "" {
		n, err := s.o.Audit.VerifyChanges(v.r.Context())
		p.verified = fmt.Sprintf("The chain is whole: %d entries, none changed, none missing.", n)
		if err != nil {
			p.broken, p.verified = true, fmt.Sprintf("The chain is broken after %d whole entries: %s", n, err)
		}
	}
	if p.found, p.next, err = v.changes(q); err != nil {
		return err
	}
	if p.licenses, err = v.newestEntries(q); err != nil {
		return err
	}
	if v.caller.holds.Everywhere() && s.o.Ledger != nil {
		p.ledger = "/ledger"
	}
	return v.show("Audit", "settings", auditPageBody(p))
}

// entriesInAudit is how many changes of licenses the page of the audit shows, and topsInAudit of how many groups.
const (
	entriesInAudit = 10
	topsInAudit    = 8
)

// newestEntries are the newest changes in the license ledger that the caller may see, those of one person when the audit's are asked
// for so. A page of earlier entries, or of certain kinds or words, is about the audit alone.
func (v *visit) newestEntries(q fleet.ChangeQuery) (rows []entryRow, err error) {
	if v.s.o.Ledger == nil || q.Before != 0 || q.What != "" || q.Text != "" || q.Site != "" {
		return nil, nil
	}
	if v.caller.holds.Everywhere() {
		return v.entriesWithin(nil, q.Who)
	}
	var tops []groupView
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		groups, _, err := v.topGroups(book, "")
		for _, one := range groups[:min(len(groups), topsInAudit)] {
			if g, err := v.findGroup(book, one.ID); err == nil && g.may(roles.SeeChanges) {
				tops = append(tops, g)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, g := range tops {
		some, err := v.entriesWithin(&groupPage{groupView: g}, q.Who)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	slices.SortFunc(rows, func(a, b entryRow) int { return cmp.Compare(b.Number, a.Number) })
	return rows[:min(len(rows), entriesInAudit)], nil
}

// entriesWithin are the newest entries of the license ledger about a group and what lies below it; nil: about anything.
func (v *visit) entriesWithin(within *groupPage, who string) (rows []entryRow, err error) {
	query := ledger.EntryQuery{Who: who, Limit: entriesAtOnce}
	if within != nil {
		query.Root = within.root().ID
	}
	for looked := 0; looked < entriesLookedAt; {
		some, next, err := v.s.o.LedgerLog.Entries(query)
		if err != nil {
			return nil, err
		}
		looked += max(len(some), 1)
		err = v.s.o.Ledger.Look(func(book ledger.Book) error {
			for _, e := range some {
				if row, fits := v.entryRow(book, e, within); fits && len(rows) < entriesInAudit {
					rows = append(rows, row)
				}
			}
			return nil
		})
		if err != nil || next == 0 || len(rows) == entriesInAudit {
			return rows, err
		}
		query.Before = next
	}
	return rows, nil
}
