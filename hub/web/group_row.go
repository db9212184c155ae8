package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// rowForm is a group's row of the tree as fields: what is changed most often, where it is seen.
	rowForm struct {
		group   groupView
		open    bool // what lies below is drawn under the row
		named   bool // the caller may rename it
		counted bool // there is one license, handed out by hand, that the caller may change
		fields  rowRequest
		edition string
		wrong   string
	}
	rowRequest struct {
		Name  string `json:"name"`
		SIP   string `json:"sip_numbers"`
		Apps  string `json:"apps"`
		UKey  string `json:"ukey"`
		Open  bool   `json:"open"`
		Whole bool   `json:"whole"`
	}
)

func (s *Server) rowRoutes() []route {
	return []route{
		{Method: "GET", Pattern: "/groups/{group}/row", Access: LoggedIn, Handler: s.partRow, Page: true, Status: 200, Query: []string{"edit", "open"}, Summary: "A group's row of the tree, as it is or as fields"},
		{Method: "POST", Pattern: "/groups/{group}/row", Access: LoggedIn, Handler: s.postRow, Page: true, Changes: true, Status: http.StatusSeeOther, Summary: "Rename a group and change its counts in the tree"},
	}
}

// editedAt is where the group of a row is changed without a script; empty when the caller may change nothing in it.
func editedAt(g groupView) string {
	switch {
	case !g.Archived.IsZero():
		return ""
	case g.may(roles.EditGroups):
		return at("groups", g.ID, "edit")
	case g.may(roles.EditLicenses) && countedByHand(g.Limits):
		return at("groups", g.ID, "licenses")
	}
	return ""
}

// countedByHand tells that the counts of a row are those of one license, which can be changed by hand.
func countedByHand(l ledger.Limits) bool {
	return l.Restricted && len(l.Blocks) == 1 && byHand(l.Blocks[0])
}

func (v *visit) rowForm() (f rowForm, err error) {
	g, err := v.groupAt(roles.EditGroups, roles.EditLicenses)
	if err != nil {
		return f, err
	}
	if !g.Archived.IsZero() {
		return f, &ledger.Refusal{Reason: ledger.ArchivedGroup, Text: g.Name + " is in the archive"}
	}
	f = rowForm{group: g, named: g.may(roles.EditGroups), counted: g.may(roles.EditLicenses) && countedByHand(g.Limits), edition: editionOf([]any{g.Name, g.Limits})}
	f.fields.Name = g.Name
	if f.counted {
		b := blockOf(g.Blocks[0], g.zone)
		f.fields.SIP, f.fields.Apps, f.fields.UKey = b.SIP, b.Apps, b.UKey
	}
	return f, nil
}

// partRow draws a row anew: as fields to write in, or as it is.
func (s *Server) partRow(v *visit) error {
	q := v.r.URL.Query()
	if q.Get("edit") != "" {
		f, err := v.rowForm()
		if err != nil {
			return err
		}
		f.open = q.Get("open") != ""
		return v.part(rowFields(f))
	}
	var row groupRow
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		row, err = v.rowOf(book, g.Group)
		return err
	}, treeRights()...)
	if err != nil {
		return err
	}
	row.open, row.back = q.Get("open") != "", true
	return v.part(branchNode(row))
}

// postRow saves what was written into a row, name and counts as one, and draws the row with what lies right below it.
func (s *Server) postRow(v *visit) error {
	var in rowRequest
	if err := v.decodeForm(&in); err != nil {
		return err
	}
	f, err := s.saveRow(v, in)
	if err != nil {
		return err
	}
	g := f.group
	switch {
	case f.wrong != "":
		return v.redraw(http.StatusUnprocessableEntity, "#g-"+g.ID+" > .node", rowFields(f), g.Name, loose(rowFields(f)))
	case !v.scripted():
		v.say(in.Name + " is saved.")
		v.redirect(with("/groups", "at", g.ID))
		return nil
	}
	var row groupRow
	err = s.o.Ledger.Look(func(book ledger.Book) (err error) {
		if row, err = v.rowOf(book, g.Group); err != nil {
			return err
		}
		if row.open, row.back = in.Open && !row.last, true; row.open {
			row.below, row.more, err = v.rowsBelow(book, g.ID, "")
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, branch(row))
}

// saveRow decides what was written into a row. What is refused stays in the fields, with why.
func (s *Server) saveRow(v *visit, in rowRequest) (rowForm, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	f, err := v.rowForm()
	if err != nil {
		return f, err
	}
	if err := arrived(in.Whole); err != nil {
		return f, err
	}
	changes, wrong := f.changes(in)
	if v.drawn != f.edition {
		wrong = staleForm(f.group.Name)[""]
	}
	if wrong == "" && len(changes) > 0 {
		_, err := v.decide(f.group, ledger.Batch{Changes: changes})
		var r *ledger.Refusal
		if errors.As(err, &r) {
			wrong = ofBatch(r.Text)
		} else if err != nil {
			return f, err
		}
	}
	if wrong != "" {
		f.fields, f.open, f.wrong, f.edition = in, in.Open, wrong, v.drawn
	}
	return f, nil
}

// changes are what the fields change of the group; problem says in words what is wrong with them.
func (f rowForm) changes(in rowRequest) (changes []ledger.Change, problem string) {
	g := f.group
	if name := strings.TrimSpace(in.Name); f.named && name != g.Name {
		if err := checkName("the name", name, true); err != nil {
			return nil, err.Error()
		}
		changes = append(changes, ledger.EditGroup{ID: g.ID, Name: &name})
	}
	if !f.counted {
		return changes, ""
	}
	form := formOf(g.Limits, g.zone)
	b := &form.Blocks[0]
	b.SIP, b.Apps, b.UKey = in.SIP, in.Apps, in.UKey
	limits, wrong := form.limits(g.zone, g.Limits)
	for _, c := range b.counts() {
		if text := wrong[field("limits.blocks", 0, c.resource.String())]; text != "" {
			return nil, c.resource.Title() + ": " + text
		}
	}
	if limits.Blocks[0].Counts != g.Blocks[0].Counts {
		changes = append(changes, ledger.SaveLicenses{Group: g.ID, Limits: limits, Above: g.aboveToo()})
	}
	return changes, ""
}

// ofBatch is a refusal without the number of the change in its batch.
func ofBatch(text string) string {
	if at, rest, found := strings.Cut(text, ": "); found && strings.Contains(at, " of ") && strings.Trim(at, "0123456789 of") == "" {
		return rest
	}
	return text
}

// arrived refuses a form of which the last field has not come: what is missing would be read as empty.
func arrived(whole bool) error {
	if whole {
		return nil
	}
	return problem(http.StatusBadRequest, "malformed-form", "the form has not arrived whole, so nothing was saved; send it again when the page is loaded to its end")
}
