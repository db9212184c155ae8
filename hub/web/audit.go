package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
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
	return v.show("Audit", "settings", auditPageBody(p))
}
