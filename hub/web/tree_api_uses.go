package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// useAnswer is something that somebody holds, as far as the caller may know it.
	useAnswer struct {
		ID       string          `json:"id"`
		Resource ledger.Resource `json:"resource"`
		Count    int             `json:"count"`
		Active   int             `json:"active"` // of Count, not suspended
		User     string          `json:"user,omitempty"`
		Groups   []string        `json:"groups"` // those that the caller sees
		Panel    string          `json:"panel,omitempty"`
		Label    string          `json:"label,omitempty"` // the number, the telephone
		Since    time.Time       `json:"since"`
		Pinned   bool            `json:"pinned,omitempty"` // suspended last
	}
	newUseRequest struct {
		ID       string `json:"id,omitempty"`
		Resource string `json:"resource"`        // sip_numbers, apps, ukey, buttons, panels
		Count    int    `json:"count,omitempty"` // 0: 1
		Panel    string `json:"panel,omitempty"`
		Label    string `json:"label,omitempty"`
	}
	// editUseRequest changes what is there; the rest stays.
	editUseRequest struct {
		Count  *int    `json:"count,omitempty"`  // of keys and buttons
		Label  *string `json:"label,omitempty"`  // a seat moves to another telephone
		Pinned *bool   `json:"pinned,omitempty"` // suspended last
	}
	// heldUse is a use with the groups in which the caller may know it.
	heldUse struct {
		ledger.Use
		person *personView // whose it is; nil: a group's
		group  groupView   // in which it is looked at
	}
)

func exampleUse() useAnswer {
	return useAnswer{ID: "2b7d11e84f0c9a2b7d11e84f", Resource: ledger.Apps, Count: 1, Active: 1, User: "7p1v0k3m9s2a4c6e8g0i2k4m", Groups: []string{"0m3k2a1-4f0c9a2b7d11e8"}, Label: "Ada's telephone"}
}

func (s *Server) useAPI() []route {
	asked := newUseRequest{Resource: "apps", Label: "Ada's telephone"}
	label := "Ada's new telephone"
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/groups/{group}/uses", Access: LoggedIn, Handler: s.getUses, Status: 200, Query: []string{"after"}, Summary: "What is held in a group itself, by its users and by nobody in particular",
				Response: object{"uses": []useAnswer{exampleUse()}, "next": ""}},
			{Method: "GET", Pattern: api + "/uses/{use}", Access: LoggedIn, Handler: s.getUse, Status: 200, Summary: "Something that somebody holds", Response: exampleUse()},
		},
		ledgerDeed(deed[newUseRequest]{Method: "POST", API: "/people/{person}/uses", Access: roles.EditUserLicenses, Status: 201, Summary: "Give a user a number, a seat or keys; again with the same id gives nothing twice",
			Request: asked, Response: exampleUse(), Do: s.doAPIUserUse}),
		ledgerDeed(deed[newUseRequest]{Method: "POST", API: "/groups/{group}/uses", Access: LoggedIn, Status: 201, Summary: "Take a number, a seat or keys into use in a group, such as a concierge's number",
			Request: newUseRequest{Resource: "sip_numbers", Label: "concierge"}, Response: exampleUse(), Do: s.doAPIGroupUse}),
		ledgerDeed(deed[editUseRequest]{Method: "PUT", API: "/uses/{use}", Access: LoggedIn, Status: 200, Summary: "Another count, another telephone, suspended last or not; all of it or nothing",
			Request: editUseRequest{Label: &label}, Response: exampleUse(), Do: s.doAPIUse}),
		ledgerDeed(deed[none]{Method: "DELETE", API: "/uses/{use}", Access: LoggedIn, Status: 204, Summary: "Give a use back", Do: s.doAPIRelease}),
	)
}

// useRights are those with which what is held by nobody in particular is given and taken.
func useRights() []roles.Right { return []roles.Right{roles.EditLicenses, roles.EditUserLicenses} }

// useAnswer is a use in the words of the API: whose it is and where is told to those who may know persons there.
func (v *visit) useAnswer(book ledger.Book, use ledger.Use) useAnswer {
	out := useAnswer{ID: use.ID, Resource: use.Resource, Count: use.Count, Active: use.Active, Groups: []string{}, Panel: use.Panel, Since: use.Since, Pinned: use.Pinned}
	known := use.User == ""
	for _, id := range use.Groups {
		g, err := v.findGroup(book, id)
		if err != nil {
			continue
		}
		out.Groups = append(out.Groups, id)
		known = known || g.may(personRights()...)
	}
	if known {
		out.User, out.Label = use.User, use.Label
	}
	return out
}

func (s *Server) getUses(v *visit) error {
	found, next := []useAnswer{}, ""
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		for use, err := range book.UsesIn(g.ID, v.r.URL.Query().Get("after")) {
			if err != nil {
				return err
			}
			if len(found) == usersAtOnce {
				next = found[usersAtOnce-1].ID
				return nil
			}
			found = append(found, v.useAnswer(book, use))
		}
		return nil
	}, stateRights()...)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"uses": found, "next": next})
}

// findUse reads a use. That there is none, and that the caller may not know it, are told alike.
func (v *visit) findUse(book ledger.Book, id string) (held heldUse, err error) {
	use, found, err := book.Use(id)
	if err != nil || !found {
		return held, cmp.Or[error](err, notThere())
	}
	held.Use = use
	if use.User != "" {
		p, err := v.findPerson(book, use.User)
		if err != nil {
			return held, err
		}
		held.person, held.group = &p, p.groups[0]
		return held, nil
	}
	for _, id := range use.Groups {
		if held.group, err = v.findGroup(book, id); err != nil {
			return held, err
		}
	}
	if !held.group.may(stateRights()...) {
		return held, notThere()
	}
	return held, nil
}

func (s *Server) getUse(v *visit) error {
	answer, err := v.useNow(v.path("use"))
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, answer)
}

func (v *visit) useNow(id string) (answer useAnswer, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		held, err := v.findUse(book, id)
		if err == nil {
			answer = v.useAnswer(book, held.Use)
		}
		return err
	})
	return answer, err
}

// useToChange is the use that the address names, for those who may give and take it.
func (v *visit) useToChange() (held heldUse, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) (err error) {
		held, err = v.findUse(book, v.path("use"))
		return err
	})
	if err != nil {
		return held, err
	}
	switch {
	case held.person != nil && !held.person.may(roles.EditUserLicenses):
		return held, notAllowedIn(roles.EditUserLicenses, "every group of "+held.person.Name)
	case held.person == nil && !held.group.may(useRights()...):
		return held, notAllowedIn(roles.EditLicenses, held.group.Name)
	}
	return held, nil
}

// notAllowedIn says which right is missing, and where.
func notAllowedIn(right roles.Right, where string) error {
	return problem(http.StatusForbidden, "not-allowed", "this needs the right “"+right.Title()+"” in "+where)
}

// begin reads what is to be taken into use.
func (v *visit) begin(in newUseRequest) (c ledger.Consume, err error) {
	resource, known := ledger.ParseResource(in.Resource)
	if !known {
		return c, notValid("the resource is one of sip_numbers, apps, ukey, buttons, panels")
	}
	c = ledger.Consume{Resource: resource, Count: in.Count, Panel: in.Panel, Label: strings.TrimSpace(in.Label)}
	if err := checkName("the label", c.Label, false); err != nil {
		return c, err
	}
	if c.ID, err = drawnID(in.ID, newRecordID); err != nil {
		return c, err
	}
	if in.Count < 0 || in.Count > ledger.MaxCount {
		return c, notValid("count is a number from 1 on; nothing is 1")
	}
	if c.Panel != "" {
		err = v.s.o.Ledger.Look(func(book ledger.Book) error {
			_, err := v.findDevice(book, c.Panel)
			return err
		})
	}
	return c, err
}

// consume takes something into use, in a group that the caller sees.
func (v *visit) consume(g groupView, c ledger.Consume) (outcome, error) {
	_, err := v.once(g, c, func(book ledger.Book) (bool, error) {
		is, found, err := book.Use(c.ID)
		same := found && is.Resource == c.Resource && is.Count == max(c.Count, 1) && is.User == c.User && is.Panel == c.Panel && is.Label == c.Label
		return same && (c.User != "" || slices.Equal(is.Groups, []string{c.Group})), err
	})
	if err != nil {
		return outcome{}, err
	}
	answer, err := v.useNow(c.ID)
	return outcome{Body: answer}, err
}

func (s *Server) doAPIUserUse(v *visit, in newUseRequest) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	c, err := v.begin(in)
	if err != nil {
		return outcome{}, err
	}
	c.User = p.ID
	return v.consume(p.groups[0], c)
}

func (s *Server) doAPIGroupUse(v *visit, in newUseRequest) (outcome, error) {
	g, err := v.groupAt(useRights()...)
	if err != nil {
		return outcome{}, err
	}
	c, err := v.begin(in)
	if err != nil {
		return outcome{}, err
	}
	c.Group = g.ID
	return v.consume(g, c)
}

func (s *Server) doAPIUse(v *visit, in editUseRequest) (outcome, error) {
	held, err := v.useToChange()
	if err != nil {
		return outcome{}, err
	}
	var all []ledger.Change
	if in.Count != nil {
		all = append(all, ledger.Resize{Use: held.ID, Count: *in.Count})
	}
	if in.Label != nil {
		label := strings.TrimSpace(*in.Label)
		if err := checkName("the label", label, false); err != nil {
			return outcome{}, err
		}
		all = append(all, ledger.Relabel{Use: held.ID, Label: label})
	}
	if in.Pinned != nil {
		all = append(all, ledger.Pin{Use: held.ID, On: *in.Pinned})
	}
	var c ledger.Change = ledger.Batch{Changes: all}
	if len(all) == 1 {
		c = all[0] // so that a refusal does not say that it is the first of one
	}
	if _, err := v.decide(held.group, c); err != nil {
		return outcome{}, err
	}
	answer, err := v.useNow(held.ID)
	return outcome{Body: answer}, err
}

func (s *Server) doAPIRelease(v *visit, _ none) (outcome, error) {
	held, err := v.useToChange()
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(held.group, ledger.Release{Use: held.ID})
	return outcome{}, err
}
