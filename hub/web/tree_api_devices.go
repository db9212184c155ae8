package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// deviceAnswer is a panel as the license ledger has it.
	deviceAnswer struct {
		ledger.Device
		// ForcedInYear is how many forced releases there were at its place in the last year; two are free.
		ForcedInYear int `json:"forced_in_year"`
	}
	registerRequest struct {
		Panel string `json:"panel"`
	}
)

func (s *Server) devicesAPI() []route {
	example := deviceAnswer{Device: ledger.Device{ID: "abcdefghijklmnopqrstuvwxyz", Root: "0m3k2a1-1b2c3d4e5f6a7b", Group: "0m3k2a1-4f0c9a2b7d11e8"}}
	return slices.Concat(
		[]route{{Method: "GET", Pattern: api + "/groups/{group}/panels", Access: LoggedIn, Handler: s.getDevices, Status: 200, Query: []string{"after"},
			Summary: "The panels that are registered in a group itself: 2 SIP numbers and 2 applications of Basic each", Response: object{"panels": []deviceAnswer{example}, "next": ""}}},
		ledgerDeed(deed[registerRequest]{Method: "POST", API: "/groups/{group}/panels", Access: roles.PairPanels, Status: 201,
			Summary: "Register a panel whose site hangs below the group; the hub does so by itself, and twice changes nothing", Request: registerRequest{"abcdefghijklmnopqrstuvwxyz"}, Response: example, Do: s.doAPIRegister}),
		ledgerDeed(deed[none]{Method: "DELETE", API: "/groups/{group}/panels/{panel}", Access: roles.PairPanels, Status: 204,
			Summary: "Take a panel out that is not at a site below the group any more; what it held is given back", Do: s.doAPIUnregister}),
	)
}

// deviceRights are those with which one sees which panels are registered.
func deviceRights() []roles.Right {
	return []roles.Right{roles.SeeLicenses, roles.SeeUsage, roles.EditLicenses, roles.PairPanels, roles.ForceRelease, roles.ApproveRelease}
}

func (v *visit) deviceAnswer(d ledger.Device) deviceAnswer {
	return deviceAnswer{d, d.ForcedSince(v.s.o.Now().AddDate(-1, 0, 0))}
}

func (s *Server) getDevices(v *visit) error {
	found, next := []deviceAnswer{}, ""
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		for d, err := range book.DevicesIn(g.ID, v.r.URL.Query().Get("after")) {
			if err != nil {
				return err
			}
			if len(found) == usersAtOnce {
				next = found[usersAtOnce-1].ID
				return nil
			}
			found = append(found, v.deviceAnswer(d))
		}
		return nil
	}, deviceRights()...)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"panels": found, "next": next})
}

// findDevice reads a panel of the ledger. That there is none, and that the caller has no right in its group, are told alike.
func (v *visit) findDevice(book ledger.Book, id string) (d ledger.Device, err error) {
	d, found, err := book.Device(id)
	if err != nil || !found {
		return d, cmp.Or[error](err, notThere())
	}
	g, err := v.findGroup(book, d.Group)
	if err == nil && !g.may(append(deviceRights(), useRights()...)...) {
		err = notThere()
	}
	return d, err
}

// panelAt is a panel of the hub with the group that its site hangs below, for those who may pair panels at that site.
func (v *visit) panelAt(id string) (p fleet.Panel, group string, err error) {
	panels, err := v.s.o.Panels.Panels()
	if err != nil {
		return p, "", err
	}
	at := slices.IndexFunc(panels, func(p fleet.Panel) bool { return p.ID == id })
	if at < 0 || !v.caller.mayAt(roles.PairPanels, panels[at].Site) {
		return p, "", notThere()
	}
	sites, err := v.s.o.Sites.Sites()
	if err != nil {
		return p, "", err
	}
	for _, site := range sites {
		if site.ID == panels[at].Site {
			group = site.Group
		}
	}
	return panels[at], group, nil
}

func (s *Server) doAPIRegister(v *visit, in registerRequest) (outcome, error) {
	g, err := v.groupAt(roles.PairPanels)
	if err != nil {
		return outcome{}, err
	}
	p, group, err := v.panelAt(in.Panel)
	switch {
	case err != nil:
		return outcome{}, err
	case p.State() != fleet.PanelEnrolled:
		return outcome{}, problem(http.StatusConflict, "not-enrolled", "the panel is not enrolled in this hub: pair it first")
	case group != g.ID:
		return outcome{}, problem(http.StatusConflict, "other-group", "the panel's site does not hang below "+g.Name+": hang the site below it first, then the panel is registered by itself")
	}
	if _, err := v.decide(g, ledger.RegisterDevice{ID: in.Panel, Group: g.ID}); err != nil {
		return outcome{}, err
	}
	return v.deviceOutcome(in.Panel)
}

func (v *visit) deviceOutcome(id string) (outcome, error) {
	var answer deviceAnswer
	err := v.s.o.Ledger.Look(func(book ledger.Book) error {
		d, err := v.findDevice(book, id)
		answer = v.deviceAnswer(d)
		return err
	})
	return outcome{Body: answer}, err
}

// deviceIn is the panel that the address names, in the group that it names, for those who have the right there.
func (v *visit) deviceIn(right roles.Right) (g groupView, d ledger.Device, err error) {
	err = v.inGroup(func(book ledger.Book, found groupView) (err error) {
		g = found
		if d, err = v.findDevice(book, v.path("panel")); err == nil && d.Group != g.ID {
			err = notThere()
		}
		return err
	}, right)
	return g, d, err
}

func (s *Server) doAPIUnregister(v *visit, _ none) (outcome, error) {
	g, d, err := v.deviceIn(roles.PairPanels)
	if err != nil {
		return outcome{}, err
	}
	p, group, err := v.panelAt(d.ID)
	if err == nil && group == g.ID && p.State() == fleet.PanelEnrolled && !d.Gone() {
		return outcome{}, problem(http.StatusConflict, "enrolled", fmt.Sprintf("the panel %s is enrolled at a site below %s and would be registered again: revoke it, or hang its site somewhere else", p.Name, g.Name))
	}
	_, err = v.decide(g, ledger.RemoveDevice{ID: d.ID})
	return outcome{}, err
}

// paperAnswer is a package of a company.
type paperAnswer struct {
	ledger.Package
	UndoUntil time.Time `json:"undo_until,omitzero"` // it can be given back before
}

func (s *Server) paperAPI() []route {
	example := paperAnswer{Package: ledger.Package{ID: "4f0c9a2b7d11e84f0c9a2b7d11e84f0c", Root: "0m3k2a1-1b2c3d4e5f6a7b", Label: "Plus 50"}}
	return slices.Concat(
		[]route{{Method: "GET", Pattern: api + "/groups/{group}/packages", Access: LoggedIn, Handler: s.getPackages, Status: 200, Summary: "The packages that a company has entered, and whether they can be given back",
			Response: object{"packages": []paperAnswer{example}}}},
		ledgerDeed(deed[packageRequest]{Method: "POST", API: "/groups/{group}/packages", Access: roles.EnterPackages, Status: 201, Summary: "Enter a package, as text DP1:… or as a short code that the hub knows; twice changes nothing",
			Request: packageRequest{Text: "DP1:…"}, Response: example, Do: s.doAPIPackage}),
		ledgerDeed(deed[none]{Method: "DELETE", API: "/groups/{group}/packages/{package}", Access: roles.EnterPackages, Status: 204, Summary: "Give a package back within seven days", Do: s.doAPIUndo}),
		ledgerDeed(deed[assignRequest]{Method: "PUT", API: "/groups/{group}/packages/{package}/user", Access: roles.EnterPackages, Status: 200, Summary: "Associate a license of an account with a user, or let it wait again; for seven days, then it is his for good",
			Request: assignRequest{User: "0m3k2a1-9c0d1e2f3a4b5c"}, Response: example, Do: s.doAPIAssign}),
		ledgerDeed(deed[trialRequest]{Method: "POST", API: "/groups/{group}/trial", Access: roles.StartTrial, Status: 204, Summary: "Start the Trial of a partner's registration at his company: everything, for a time, once",
			Request: trialRequest{Registration: "R-2026-0042"}, Do: s.doAPITrial}),
	)
}

func (s *Server) getPackages(v *visit) error {
	found := []paperAnswer{}
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		for _, b := range g.Blocks {
			if b.Source != ledger.FromPackage {
				continue
			}
			answer, err := paperWords(book, b, s.o.Now())
			if err != nil {
				return err
			}
			found = append(found, answer)
		}
		some, err := v.ownRows(book, g)
		for _, one := range some {
			if !g.may(roles.EnterPackages) {
				one.For = "" // an account's name is a person's
			}
			found = append(found, paperAnswer{one.Package, one.undoUntil})
		}
		return err
	}, roles.SeeLicenses, roles.EnterPackages)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"packages": found})
}

func paperWords(book ledger.Book, b ledger.Block, now time.Time) (answer paperAnswer, err error) {
	if answer.Package, _, err = book.Package(b.Package); err != nil {
		return answer, err
	}
	one, err := paperOf(book, b, now)
	answer.UndoUntil = one.undoUntil
	return answer, err
}

// companyAt is the company that the address names, for those who have the right there.
func (v *visit) companyAt(right roles.Right) (groupView, error) {
	g, err := v.groupAt(right)
	if err == nil && !g.IsRoot() {
		text := g.Name + " is no company: packages and Trials belong to the company they were bought for"
		if top := g.visible()[0]; top.IsRoot() {
			text += "; enter them at " + top.Name
		}
		err = &ledger.Refusal{Reason: ledger.OtherProject, Text: text}
	}
	return g, err
}

func (s *Server) doAPIPackage(v *visit, in packageRequest) (outcome, error) {
	out, err := s.doPackage(v, in)
	if err != nil {
		return outcome{}, err
	}
	entered, ok := out.Body.(ledger.Package)
	if !ok {
		return outcome{}, fmt.Errorf("cannot show the package that was entered: it is %T", out.Body)
	}
	answer := paperAnswer{Package: entered}
	if last := entered.Activated.AddDate(0, 0, undoDays); s.o.Now().Before(last) {
		answer.UndoUntil = last
	}
	return outcome{Body: answer}, nil
}

func (s *Server) doAPIUndo(v *visit, _ none) (outcome, error) {
	_, err := s.doUndoPackage(v, none{})
	return outcome{}, err
}

func (s *Server) doAPITrial(v *visit, in trialRequest) (outcome, error) {
	_, err := s.doTrial(v, in)
	return outcome{}, err
}
