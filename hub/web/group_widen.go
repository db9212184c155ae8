package web

import (
	"errors"
	"net/http"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// aboveToo tells whether the caller gives out licenses above this group as well, for a company: whether he sets what it has in all
// (T-10). Then he may give it more than it has.
func (g groupView) aboveToo() bool {
	if g.IsRoot() {
		return g.holder.May(roles.SetCompany, pathOf([]ledger.Group{g.Group}))
	}
	return g.holder.May(roles.EditLicenses, pathOf(g.above))
}

// giver is who can give this group more, when the caller cannot; empty when he can.
func (g groupView) giver() string {
	switch {
	case g.aboveToo():
		return ""
	case g.IsRoot():
		return "a package, the Trial, the distributor or a server administrator"
	}
	up := groupView{Group: g.above[len(g.above)-1], above: g.above[:len(g.above)-1]}
	if m := up.manager(); m != "" {
		return m
	}
	return "whoever gives out licenses above it"
}

// onlyAbove puts a refusal of what only those above can give beside the field that it is about.
func onlyAbove(block string, r *ledger.Refusal) fieldErrors {
	switch {
	case r.Feature != "":
		return fieldErrors{block + "features": r.Text}
	case r.Asked > r.Most:
		return fieldErrors{block + r.Resource.String(): r.Text}
	}
	return fieldErrors{"": r.Text}
}

// refusedStatus answers a form that the ledger refused.
func refusedStatus(err error) int {
	var r *ledger.Refusal
	if errors.As(err, &r) && r.Reason == ledger.OnlyAbove {
		return http.StatusForbidden
	}
	return http.StatusUnprocessableEntity
}
