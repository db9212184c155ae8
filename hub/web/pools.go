package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// Pools are the licenses that the hub holds and what its panels have of them.
type Pools interface {
	// List shows those of a site, or of all when site is empty.
	List(site string) ([]fleet.PoolView, error)
	// Show is one of them; fleet.ErrUnknown when there is none.
	Show(license string) (fleet.PoolView, error)
	// Enter examines a license and keeps it before it says yes. A refusal is an answer.
	Enter(ctx context.Context, e fleet.PoolEntry) (fleet.PoolAnswer, error)
	// Allot gives a panel more of a license, or has it give some back. A refusal is an answer.
	Allot(ctx context.Context, ask fleet.PoolAsk) (fleet.PoolAllotted, error)
	// Papers are the documents of a panel, each with what the panel said to it.
	Papers(panel string) ([]fleet.Paper, error)
}

type (
	poolRequest struct {
		Site    string `json:"site"`
		Token   string `json:"token"` // DP1:..., or the short code of a license that is kept
		Panel   string `json:"panel,omitempty"`
		Account string `json:"account,omitempty"`
		Keep    bool   `json:"keep,omitempty"`
	}
	allotRequest struct {
		Panel   string `json:"panel"`
		Feature string `json:"feature,omitempty"` // default buttons
		Count   int    `json:"count"`             // in all
		Confirm bool   `json:"confirm,omitempty"` // also when something stops
	}
)

func (s *Server) poolRoutes() []route {
	example := fleet.PoolView{ID: strings.Repeat("0", 32), Site: "mill-lane", Use: fleet.UsePool, Status: "active", Features: []fleet.PoolFeature{{
		Name: "buttons", Title: "Call buttons", Counted: true, Sold: 80, Free: 30, Shares: []fleet.PoolShare{{Panel: "…", Name: "Stairs A", Asked: 50, Has: 50}},
	}}}
	allotted := fleet.PoolAllotted{Result: "activated", Title: "Allotted", Message: "30 buttons given to Stairs B", After: 30, Named: true}
	return slices.Concat(
		s.poolPages(),
		[]route{
			{Method: "GET", Pattern: api + "/pools", Access: roles.SeeLicenses, Handler: s.getPools, Status: 200, Query: []string{"site"},
				Summary: "Licenses that the hub holds, with what panels have of them", Response: object{"licenses": []fleet.PoolView{example}}},
			{Method: "GET", Pattern: api + "/pools/{license}", Access: roles.SeeLicenses, Handler: s.getPool, Status: 200, Summary: "One of them", Response: example},
			{Method: "GET", Pattern: api + "/panels/{panel}/documents", Access: roles.SeeLicenses, Handler: s.getPapers, Status: 200,
				Summary: "The signed documents of a panel: taken, refused and why, or waited for", Response: object{"documents": []fleet.Paper{}}},
			{Method: "POST", Pattern: api + "/pools/{license}/allot/preview", Access: roles.EditLicenses, Handler: s.previewAllot, Status: 200,
				Summary: "What would come of an allotment; nothing is changed", Request: allotRequest{Panel: "…", Count: 30}, Response: allotted},
		},
		deed[poolRequest]{Method: "POST", API: "/pools", Page: "/pools", Access: roles.EnterPackages, Status: 201, Summary: "Enter a license for a site's panels",
			Request: poolRequest{Site: "mill-lane", Token: "DP1:…"}, Response: fleet.PoolAnswer{Result: "activated"}, Do: s.doEnterPool}.routes(),
		deed[allotRequest]{Method: "POST", API: "/pools/{license}/allot", Access: roles.EditLicenses, Status: 200,
			Summary: "Say how much of a license a panel is to have: more at once, less when the panel has given it back",
			Request: allotRequest{Panel: "…", Count: 30}, Response: allotted, Do: s.doAllot}.routes(),
	)
}

func (s *Server) getPools(v *visit) error {
	list, err := s.o.Pools.List(v.r.URL.Query().Get("site"))
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(l fleet.PoolView) bool { return !v.caller.mayAt(roles.SeeLicenses, l.Site) })
	return writeJSON(v.w, http.StatusOK, object{"licenses": list})
}

// pool is a license of a site that the caller sees.
func (v *visit) pool(id string) (fleet.PoolView, error) {
	found, err := v.s.o.Pools.Show(id)
	if err := v.reach(found.Site, err == nil); err != nil {
		return fleet.PoolView{}, err
	}
	return found, nil
}

func (s *Server) getPool(v *visit) error {
	found, err := v.pool(v.path("license"))
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, found)
}

func (s *Server) getPapers(v *visit) error {
	p, _, err := v.panel(v.path("panel"))
	if err != nil {
		return err
	}
	list, err := s.o.Pools.Papers(p.Panel.ID)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"documents": list})
}

// refusedLicense is the answer to what was refused: its type ends in the result, as the panel's API has it.
func refusedLicense(result, message string) *details {
	status := http.StatusUnprocessableEntity
	if result == "unconfirmed" {
		status = http.StatusConflict
	}
	return problem(status, result, message)
}

func (s *Server) doEnterPool(v *visit, in poolRequest) (outcome, error) {
	site, err := v.siteRecord(in.Site)
	if err != nil {
		return outcome{}, err
	}
	text := strings.TrimSpace(in.Token)
	if text == "" || len(text) > maxLicense {
		return outcome{}, notValid("enter the text of the license, which begins with DP1:, or the 20 digits beside its QR code")
	}
	answer, err := s.o.Pools.Enter(v.r.Context(), fleet.PoolEntry{Site: site.ID, Text: text, Panel: in.Panel, Account: in.Account, Keep: in.Keep, By: v.caller.User})
	if err != nil {
		return outcome{}, err
	}
	if answer.Result != "activated" && answer.Result != "already_active" {
		return outcome{}, refusedLicense(answer.Result, answer.Message)
	}
	v.note("license.held", answer.License, site.ID, answer.Message)
	return outcome{Body: answer, Said: answer.Message, Back: at("sites", site.ID, "licenses")}, nil
}

func (v *visit) allotAsk(in allotRequest) (fleet.PoolAsk, fleet.PoolView, error) {
	found, err := v.pool(v.path("license"))
	if err != nil {
		return fleet.PoolAsk{}, found, err
	}
	if _, _, err := v.panel(in.Panel); err != nil {
		return fleet.PoolAsk{}, found, err
	}
	return fleet.PoolAsk{License: found.ID, Feature: in.Feature, Panel: in.Panel, Count: in.Count, Confirm: in.Confirm, By: v.caller.User}, found, nil
}

// allot asks for it. What the license ledger refuses is told as far as the caller may know the groups above.
func (v *visit) allot(ask fleet.PoolAsk, found fleet.PoolView) (fleet.PoolAllotted, error) {
	out, err := v.s.o.Pools.Allot(v.r.Context(), ask)
	var r *ledger.Refusal
	if !errors.As(err, &r) {
		return out, err
	}
	site, err := v.siteRecord(found.Site)
	if err != nil {
		return out, err
	}
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		g, err := v.findGroup(book, site.Group)
		if err != nil {
			return r.For(ledger.Asker{}) // he sees the site, and not the group that it hangs below
		}
		return r.For(g.asker())
	})
	return out, err
}

func (s *Server) previewAllot(v *visit) error {
	var in allotRequest
	if err := decode(v.w, v.r, &in); err != nil {
		return err
	}
	ask, found, err := v.allotAsk(in)
	if err != nil {
		return err
	}
	ask.Preview, ask.Confirm = true, false
	out, err := v.allot(ask, found)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, out)
}

func (s *Server) doAllot(v *visit, in allotRequest) (outcome, error) {
	ask, found, err := v.allotAsk(in)
	if err != nil {
		return outcome{}, err
	}
	out, err := v.allot(ask, found)
	if err != nil {
		return outcome{}, err
	}
	if out.Result != "activated" {
		return outcome{}, refusedLicense(out.Result, out.Message)
	}
	v.note("license.allotted", ask.Panel, found.Site, fmt.Sprintf("license %s: %d, before %d", found.ID, out.After, out.Before))
	return outcome{Body: out, Said: out.Message, Back: at("panels", ask.Panel)}, nil
}
