package web

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// route is one address of the API or the pages. The routes are one table, from which the mux and openapi.json are made.
type route struct {
	Method  string
	Pattern string
	Access  Access
	Handler func(v *visit) error
	Summary string
	Page    bool // for people: refusals are shown as a page
	Changes bool // what it does is written into the audit
	// ByLedger marks what the license ledger writes into its own entries, instead of the audit.
	ByLedger bool
	// Status, Request and Response describe a success for openapi.json by example; nil bodies are none.
	Status            int
	Request, Response any
	Query             []string
	Media             string // of the answer; empty: JSON
}

// object is a JSON object whose names are written out where it is made.
type object = map[string]any

// api stands before every address of the API.
const api = "/api/v1"

// table is every route, subject by subject; each subject's routes stand in its own file.
func (s *Server) table() []route {
	return slices.Concat(s.systemRoutes(), s.loginRoutes(), s.userRoutes(), s.appointRoutes(), s.roleRoutes(), s.handOverRoutes(), s.overviewRoutes(), s.siteRoutes(), s.watchRoutes(), s.panelRoutes(), s.poolRoutes(), s.pairingRoutes(),
		s.eventRoutes(), s.warningRoutes(), s.templateRoutes(), s.settingsRoutes(), s.auditRoutes(),
		s.groupRoutes(), s.groupLicenseRoutes(), s.groupEditRoutes(), s.peopleRoutes(), s.usageRoutes(), s.replacementRoutes(), s.ledgerRoutes(), s.startRoutes(), s.treeAPI())
}

// visit is one request on its way through a handler.
type visit struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	caller caller
	needs  Access // what the route asks for
	seen   uint64 // the news at the beginning
	noted  []fleet.Change
	typed  url.Values // what a form brought
	drawn  string     // the edition that a form was drawn from
}

// note keeps for the audit what the handler did, where no record changes with it. It is written when the handler has succeeded.
func (v *visit) note(what, object, site, detail string) {
	v.noted = append(v.noted, fleet.Change{What: what, Object: object, Site: site, Detail: detail})
}

// change is what the audit says of what the caller does, for a port that keeps both as one.
func (v *visit) change(what, object, site, detail string) fleet.Change {
	c := fleet.Change{At: v.s.o.Now(), Who: v.caller.User, Via: v.caller.Via, From: v.caller.Peer, What: what, Object: object, Site: site, Detail: detail}
	if v.caller.Label != "" {
		c.Who += " (" + v.caller.Label + ")"
	}
	return c
}

// record writes the notes into the audit.
func (v *visit) record() error {
	for _, n := range v.noted {
		c := v.change(n.What, n.Object, n.Site, n.Detail)
		if err := v.s.o.Audit.Note(c); err != nil {
			return err
		}
	}
	v.noted = nil
	return nil
}

// noteRefused writes at once what was tried in vain.
func (v *visit) noteRefused(what, user, detail string) {
	c := fleet.Change{At: v.s.o.Now(), Who: user, Via: v.caller.Via, From: v.caller.Peer, What: what, Object: user, Detail: detail}
	if err := v.s.o.Audit.Note(c); err != nil {
		v.s.log.Warn("cannot write into the audit", "what", what, "error", err)
	}
}

// differing adds to a change which fields of a record were changed, from what to what. Records with secrets are not for it.
func differing(c fleet.Change, before, after any) fleet.Change {
	was, is := fieldsOf(before), fieldsOf(after)
	var old, now []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if was[name] != is[name] {
			old, now = append(old, name+"="+was[name]), append(now, name+"="+is[name])
		}
	}
	c.Before, c.After = short(strings.Join(old, ", ")), short(strings.Join(now, ", "))
	return c
}

// fieldsOf is a record as its JSON fields.
func fieldsOf(record any) map[string]string {
	raw, _ := json.Marshal(record) // records of ours always can be written
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(raw, &fields)
	out := make(map[string]string, len(fields))
	for name, value := range fields {
		out[name] = string(value)
	}
	return out
}

// short is a text that fits an entry of the audit.
func short(text string) string {
	const most = 400
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// path is a named part of the address.
func (v *visit) path(name string) string { return v.r.PathValue(name) }

// outcome is what a deed answers with.
type outcome struct {
	Body any    // for programs; nil: nothing
	Said string // for people, a sentence
	Back string // the page that people go to
	// Status is that of the answer to programs where it is another one than the route's; 0: it is not.
	Status int
}

// none is the body of a request that needs no words.
type none struct{}

// deed is something that changes the hub, for programs and for people: the same words, checked the same way, as a JSON
// object or as a form with the same names.
type deed[In any] struct {
	Method, API string // of the API
	Page        string // where the form is posted to; empty: no form
	Access      Access
	Summary     string
	Status      int
	Request     In
	Response    any
	Do          func(v *visit, in In) (outcome, error)
}

// routes are the deed's address in the API and the one for its form.
func (d deed[In]) routes() []route {
	var request any = d.Request
	if _, nothing := request.(none); nothing {
		request = nil
	}
	made := []route{{
		Method: d.Method, Pattern: api + d.API, Access: d.Access, Summary: d.Summary, Status: d.Status, Request: request, Response: d.Response, Changes: true,
		Handler: func(v *visit) error {
			var in In
			if request != nil {
				if err := decode(v.w, v.r, &in); err != nil {
					return err
				}
			}
			out, err := d.Do(v, in)
			if err == nil {
				err = v.record()
			}
			if err != nil {
				return err
			}
			if out.Body == nil {
				v.w.WriteHeader(http.StatusNoContent)
				return nil
			}
			return writeJSON(v.w, cmp.Or(out.Status, d.Status), out.Body)
		},
	}}
	if d.Page == "" {
		return made
	}
	return append(made, form(d.Page, d.Access, d.Summary, d.Do))
}

// form is the address that a form is posted to. Whoever has no script is sent on to the page that the outcome names.
func form[In any](pattern string, access Access, summary string, do func(v *visit, in In) (outcome, error)) route {
	return route{
		Method: "POST", Pattern: pattern, Access: access, Summary: summary, Page: true, Changes: true, Status: http.StatusSeeOther,
		Handler: func(v *visit) error {
			var in In
			if err := v.decodeForm(&in); err != nil {
				return err
			}
			out, err := do(v, in)
			if err == nil {
				err = v.record()
			}
			if err != nil {
				return err
			}
			v.say(out.Said)
			v.redirect(out.Back)
			return nil
		},
	}
}
