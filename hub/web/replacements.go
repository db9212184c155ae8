package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	replaceRequest struct {
		Fresh    string `json:"fresh"`              // the panel that takes the place
		Approved bool   `json:"approved,omitempty"` // by whoever may approve more than two a year
	}
	// replaceAnswer is the panel in its new place, or the request that waits.
	replaceAnswer struct {
		deviceAnswer
		Waiting *waitingAnswer `json:"waiting,omitempty"` // it was done too often here: nothing has changed yet
	}
	// waitingAnswer is a replacement that waits for the distributor.
	waitingAnswer struct {
		ledger.Ask
		Group        string   `json:"group"`
		Text         string   `json:"text"`           // why it waits and who can approve it
		Approvers    []string `json:"approvers"`      // users who can
		MayApprove   bool     `json:"may_approve"`    // the caller is one of them
		ForcedInYear int      `json:"forced_in_year"` // forced releases at this place in the last year

		place     groupView
		deadName  string
		freshName string
	}
	// devicesPage shows the panels that are registered in a group, and what waits in it and below.
	devicesPage struct {
		groupPage
		waiting []waitingAnswer
		rows    []deviceRow
		more    string
		fresh   []choice // panels that may take a place here
	}
	deviceRow struct {
		deviceAnswer
		name string
	}
)

func (s *Server) replacementRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	example := waitingAnswer{Ask: ledger.Ask{Dead: "abcdefghijklmnopqrstuvwxyz", Fresh: "zyxwvutsrqponmlkjihgfedcba", Root: "0m3k2a1-1b2c3d4e5f6a7b", By: "ines"}, Group: "0m3k2a1-4f0c9a2b7d11e8",
		Text: "2 of 2 forced releases in a year are used here; Distributor dora must approve", Approvers: []string{"dora"}, ForcedInYear: 2}
	const one = "/groups/{group}/panels/{panel}/replace"
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: "/groups/{group}/panels", Access: LoggedIn, Handler: s.pageDevices, Page: true, Status: 200, Query: []string{"after"}, Summary: "The panels of a group, and replacements that wait"},
			{Method: "GET", Pattern: api + "/groups/{group}/replacements", Access: LoggedIn, Handler: s.getReplacements, Status: 200, Query: []string{"after"},
				Summary: "Replacements in a group and below it that wait for an approval, or were declined", Response: object{"replacements": []waitingAnswer{example}, "next": ""}},
		},
		ledgerDeed(deed[replaceRequest]{Method: "POST", API: one, Page: one, Access: roles.ForceRelease, Status: 200,
			Summary: "Put a new panel in the place of a dead one, with all that it held: a forced release. 202 with “waiting”: it was done too often there and waits for an approval",
			Request: replaceRequest{Fresh: "zyxwvutsrqponmlkjihgfedcba"}, Response: replaceAnswer{}, Do: s.doReplace}),
		ledgerDeed(deed[none]{Method: "POST", API: one + "/approve", Page: one + "/approve", Access: roles.ApproveRelease, Status: 200,
			Summary: "Approve a replacement that waits: it is done at once", Response: deviceAnswer{}, Do: s.doApproveReplacement}),
		ledgerDeed(deed[none]{Method: "POST", API: one + "/decline", Page: one + "/decline", Access: roles.ApproveRelease, Status: 204,
			Summary: "Decline a replacement that waits; it stays to be seen", Do: s.doDeclineReplacement}),
	)
}

// approvers are the users who can approve a further forced release in a group, with their roles; server administrators only where nobody
// else can.
func (v *visit) approvers(g groupView) (names, words []string, err error) {
	all, err := v.s.o.Roles.Assignments("")
	if err != nil {
		return nil, nil, err
	}
	table, path := v.caller.holds.Table, pathOf(g.line())
	for _, a := range all {
		one := roles.Holder{User: a.User, Held: []roles.Assignment{a}, Table: table}
		if role, known := table.Role(a.Role); known && !one.Everywhere() && one.May(roles.ApproveRelease, path) && !slices.Contains(names, a.User) {
			names, words = append(names, a.User), append(words, role.Title+" "+a.User)
		}
	}
	slices.Sort(names)
	slices.Sort(words)
	return names, words, nil
}

// waits finds where a request waits. name says the rest of it, after the ledger was looked at.
func (v *visit) waits(book ledger.Book, ask ledger.Ask) (out waitingAnswer, err error) {
	out.Ask = ask
	dead, err := v.findDevice(book, ask.Dead)
	if err != nil {
		return out, err
	}
	if out.place, err = v.findGroup(book, dead.Group); err != nil {
		return out, err
	}
	out.Group, out.ForcedInYear = dead.Group, v.deviceAnswer(dead).ForcedInYear
	out.MayApprove = out.place.may(roles.ApproveRelease)
	return out, nil
}

// name says of a request why it waits, who can approve it, and of which panels it is.
func (out *waitingAnswer) name(v *visit) error {
	names, words, err := v.approvers(out.place)
	if err != nil {
		return err
	}
	out.Approvers = list(names)
	ask, who := out.Ask, "a server administrator"
	if len(words) > 0 {
		who = orWords(words)
	}
	out.Text = plural(out.ForcedInYear, "forced release", "forced releases") + " in the last year at this place; " + who + " must approve, or it can be done from " + day(ask.Free, out.place.zone) + " on"
	if !ask.Declined.IsZero() {
		out.Text = "declined by " + ask.DeclinedBy + " on " + day(ask.Declined, out.place.zone) + "; it can be done from " + day(ask.Free, out.place.zone) + " on"
	}
	out.deadName, out.freshName = v.panelName(ask.Dead), v.panelName(ask.Fresh)
	return nil
}

// nameAll is name for each of them.
func (v *visit) nameAll(waiting []waitingAnswer) error {
	for i := range waiting {
		if err := waiting[i].name(v); err != nil {
			return err
		}
	}
	return nil
}

// orWords are names of which one is enough.
func orWords(words []string) string {
	if len(words) < 2 {
		return listWords(words)
	}
	return listWords(words[:len(words)-1]) + " or " + words[len(words)-1]
}

// panelName is what a panel is called, for those who see it at its site; else its id.
func (v *visit) panelName(id string) string {
	panels, err := v.s.o.Panels.Panels()
	if err != nil {
		return id
	}
	at := slices.IndexFunc(panels, func(p fleet.Panel) bool { return p.ID == id })
	if at < 0 || !v.caller.mayAt(roles.Monitor, panels[at].Site) && !v.caller.mayAt(roles.PairPanels, panels[at].Site) {
		return id
	}
	return cmp.Or(panels[at].Name, id)
}

// waitingIn is one page of the requests in a group and below it; next is what to ask the following page after.
func (v *visit) waitingIn(book ledger.Book, g groupView, after string) (found []waitingAnswer, next string, err error) {
	for ask, err := range book.Asks(g.root().ID, after) {
		if err != nil {
			return nil, "", err
		}
		one, err := v.waits(book, ask)
		var hidden *details
		switch {
		case errors.As(err, &hidden):
			continue
		case err != nil:
			return nil, "", err
		case !slices.ContainsFunc(one.place.line(), func(a ledger.Group) bool { return a.ID == g.ID }):
			continue
		case len(found) == usersAtOnce:
			return found, found[usersAtOnce-1].Dead, nil
		}
		found = append(found, one)
	}
	return found, "", nil
}

// countWaiting is how many requests in a group and below it are open, of the first page of them.
func (v *visit) countWaiting(book ledger.Book, g groupView) (open int, err error) {
	if !g.may(deviceRights()...) {
		return 0, nil
	}
	found, _, err := v.waitingIn(book, g, "")
	for _, one := range found {
		if one.Declined.IsZero() {
			open++
		}
	}
	return open, err
}

func (s *Server) getReplacements(v *visit) error {
	found, next := []waitingAnswer{}, ""
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		some, more, err := v.waitingIn(book, g, v.r.URL.Query().Get("after"))
		found, next = list(some), more
		return err
	}, deviceRights()...)
	if err == nil {
		err = v.nameAll(found)
	}
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"replacements": found, "next": next})
}

func (s *Server) pageDevices(v *visit) error {
	p := devicesPage{}
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		p.groupPage = groupPage{g, s.o.Now(), "panels"}
		if p.waiting, _, err = v.waitingIn(book, g, ""); err != nil {
			return err
		}
		for d, err := range book.DevicesIn(g.ID, v.r.URL.Query().Get("after")) {
			switch {
			case err != nil:
				return err
			case len(p.rows) == usersAtOnce:
				p.more = p.rows[usersAtOnce-1].ID
				return nil
			}
			p.rows = append(p.rows, deviceRow{deviceAnswer: v.deviceAnswer(d)})
		}
		return nil
	}, deviceRights()...)
	if err == nil {
		err = v.nameAll(p.waiting)
	}
	if err != nil {
		return err
	}
	for i := range p.rows {
		p.rows[i].name = v.panelName(p.rows[i].ID)
	}
	if p.may(roles.ForceRelease) {
		if p.fresh, err = v.panelsAt(p.ID); err != nil {
			return err
		}
	}
	return v.show(p.Name+": panels", "licenses", devicesOfGroup(p))
}

// panelsAt are the enrolled panels at sites right below a group that the caller may pair.
func (v *visit) panelsAt(group string) (found []choice, err error) {
	panels, err := v.s.o.Panels.Panels()
	if err != nil {
		return nil, err
	}
	sites, err := v.s.o.Sites.Sites()
	if err != nil {
		return nil, err
	}
	for _, p := range panels {
		hangs := slices.ContainsFunc(sites, func(s fleet.Site) bool { return s.ID == p.Site && s.Group == group })
		if hangs && p.State() == fleet.PanelEnrolled && v.caller.mayAt(roles.PairPanels, p.Site) {
			found = append(found, choice{p.ID, cmp.Or(p.Name, p.ID)})
		}
	}
	return found, nil
}

func (s *Server) doReplace(v *visit, in replaceRequest) (outcome, error) {
	g, d, err := v.deviceIn(roles.ForceRelease)
	if err != nil {
		return outcome{}, err
	}
	if in.Approved && !g.may(roles.ApproveRelease) {
		return outcome{}, notAllowedIn(roles.ApproveRelease, g.Name)
	}
	if p, _, err := v.panelAt(in.Fresh); err != nil {
		return outcome{}, err
	} else if p.State() != fleet.PanelEnrolled {
		return outcome{}, problem(http.StatusConflict, "not-enrolled", "the new panel is not enrolled in this hub: pair it first")
	}
	_, err = v.decide(g, ledger.ReplaceDevice{Dead: d.ID, Fresh: in.Fresh, Approved: in.Approved})
	var r *ledger.Refusal
	if errors.As(err, &r) && r.Reason == ledger.TooOften {
		return v.askFor(g, d.ID, in.Fresh)
	}
	if err != nil {
		return outcome{}, err
	}
	out, err := v.replaced(g, in.Fresh)
	if answer, ok := out.Body.(deviceAnswer); ok {
		out.Body = replaceAnswer{deviceAnswer: answer}
	}
	return out, err
}

func (v *visit) replaced(g groupView, fresh string) (outcome, error) {
	out, err := v.deviceOutcome(fresh)
	out.Said, out.Back = "The new panel has what the dead one held.", at("groups", g.ID, "panels")
	return out, err
}

// askFor lets a replacement wait that was done too often at its place.
func (v *visit) askFor(g groupView, dead, fresh string) (outcome, error) {
	if _, err := v.decide(g, ledger.AskReplacement{Dead: dead, Fresh: fresh}); err != nil {
		return outcome{}, err
	}
	var answer replaceAnswer
	err := v.s.o.Ledger.Look(func(book ledger.Book) error {
		ask, _, err := book.Ask(dead)
		if err != nil {
			return err
		}
		one, err := v.waits(book, ask)
		if err != nil {
			return err
		}
		d, err := v.findDevice(book, dead)
		answer = replaceAnswer{v.deviceAnswer(d), &one}
		return err
	})
	if err == nil {
		err = answer.Waiting.name(v)
	}
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: answer, Status: http.StatusAccepted, Said: "Not yet: " + answer.Waiting.Text + ". The request stays here.", Back: at("groups", g.ID, "panels")}, nil
}

// asked is the request about the dead panel that the address names, for those who may approve it.
func (v *visit) asked() (g groupView, ask ledger.Ask, err error) {
	err = v.inGroup(func(book ledger.Book, found groupView) error {
		g = found
		d, err := v.findDevice(book, v.path("panel"))
		if err != nil {
			return err
		}
		there := false
		if ask, there, err = book.Ask(d.ID); err == nil && (!there || d.Group != g.ID) {
			err = notThere()
		}
		return err
	}, roles.ApproveRelease)
	return g, ask, err
}

func (s *Server) doApproveReplacement(v *visit, _ none) (outcome, error) {
	g, ask, err := v.asked()
	if err != nil {
		return outcome{}, err
	}
	panels, err := s.o.Panels.Panels()
	if err != nil {
		return outcome{}, err
	}
	if !slices.ContainsFunc(panels, func(p fleet.Panel) bool { return p.ID == ask.Fresh && p.State() == fleet.PanelEnrolled }) {
		return outcome{}, problem(http.StatusConflict, "not-enrolled", "the new panel is not enrolled in this hub any more: decline this request")
	}
	if _, err := v.decide(g, ledger.ReplaceDevice{Dead: ask.Dead, Fresh: ask.Fresh, Approved: true}); err != nil {
		return outcome{}, err
	}
	return v.replaced(g, ask.Fresh)
}

func (s *Server) doDeclineReplacement(v *visit, _ none) (outcome, error) {
	g, ask, err := v.asked()
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(g, ledger.DeclineReplacement{Dead: ask.Dead})
	return outcome{Said: "Declined. What the dead panel held stays where it is.", Back: at("groups", g.ID, "panels")}, err
}

// forcedWords say how often panels were replaced at a place.
func forcedWords(d deviceAnswer, zone *time.Location) string {
	if len(d.Forced) == 0 {
		return ""
	}
	return plural(d.ForcedInYear, "forced release", "forced releases") + " in the last year, the last on " + day(d.Forced[len(d.Forced)-1], zone)
}
