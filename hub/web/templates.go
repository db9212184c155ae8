package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const maxTemplate = 8 << 10

type (
	templateRequest struct {
		Subject string `json:"subject,omitempty"`
		Text    string `json:"text"`
		Preview bool   `json:"preview,omitempty"` // forms: only show what it would be
	}
	previewAnswer struct {
		Subject string `json:"subject,omitempty"`
		Text    string `json:"text"`
	}
	// templatesView is what the editor shows.
	templatesView struct {
		all     []Template
		chosen  Template
		preview previewAnswer
		trouble string
		edition string
	}
)

func (s *Server) templateRoutes() []route {
	example := Template{Kind: "lost", Title: "No contact with a panel", Language: "en", Channel: fleet.Email, Subject: "No contact with {panels}", Text: "…", Names: []string{"site", "panels"}}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/templates", Access: roles.ManageHub, Handler: s.getTemplates, Status: 200, Summary: "The wording of every kind of message", Response: object{"templates": []Template{example}}},
			{Method: "POST", Pattern: api + "/templates/{kind}/{language}/{channel}/preview", Access: roles.ManageHub, Handler: s.postPreview, Status: 200, Summary: "What a wording would look like, with an example",
				Request: templateRequest{Subject: "…", Text: "…"}, Response: previewAnswer{"…", "…"}},
			{Method: "GET", Pattern: "/warnings/templates", Access: roles.ManageHub, Handler: s.pageTemplates, Page: true, Status: 200, Query: []string{"kind", "language", "channel"}, Summary: "The words of messages"},
			{Method: "POST", Pattern: "/warnings/templates/{kind}/{language}/{channel}", Access: roles.ManageHub, Handler: s.postTemplate, Page: true, Changes: true, Status: http.StatusSeeOther, Summary: "Save or preview a wording"},
		},
		deed[templateRequest]{Method: "PUT", API: "/templates/{kind}/{language}/{channel}", Access: roles.ManageHub, Status: 204, Summary: "Another wording; empty subject and text bring the built-in one back",
			Request: templateRequest{Subject: "…", Text: "…"}, Do: s.doTemplate}.routes(),
	)
}

func (s *Server) getTemplates(v *visit) error {
	all, err := s.o.Templates.Templates()
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Edition = templateEdition(all[i])
	}
	return writeJSON(v.w, http.StatusOK, object{"templates": list(all)})
}

// templateEdition names the state of a wording.
func templateEdition(t Template) string { return editionOf([]string{t.Subject, t.Text}) }

// template finds the wording that the address names, and puts the asked words into it; was is how it stands.
func (v *visit) template(in templateRequest) (t, was Template, err error) {
	all, err := v.s.o.Templates.Templates()
	if err != nil {
		return Template{}, Template{}, err
	}
	i := slices.IndexFunc(all, func(t Template) bool {
		return t.Kind == v.path("kind") && t.Language == v.path("language") && string(t.Channel) == v.path("channel")
	})
	if i < 0 {
		return Template{}, Template{}, notThere()
	}
	if len(in.Subject)+len(in.Text) > maxTemplate {
		return Template{}, Template{}, notValid(fmt.Sprintf("subject and text have more than %d bytes", maxTemplate))
	}
	t, was = all[i], all[i]
	t.Subject, t.Text = strings.TrimSpace(in.Subject), in.Text
	if strings.TrimSpace(t.Text) == "" {
		t.Text = ""
	}
	return t, was, nil
}

func (s *Server) doTemplate(v *visit, in templateRequest) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	t, was, err := v.template(in)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("this wording", templateEdition(was), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	if t.Subject != "" && t.Text == "" {
		return outcome{}, notValid("the text is empty; leave both empty to bring the built-in wording back")
	}
	if t.Text != "" {
		if _, _, err := s.o.Templates.Preview(t); err != nil {
			return outcome{}, err
		}
	}
	said := "The wording is saved."
	if t.Text == "" {
		said = "The built-in wording is back."
	}
	change := v.change("template.changed", strings.Join([]string{t.Kind, t.Language, string(t.Channel)}, "/"), "", said)
	change.Before, change.After = short(was.Text), short(t.Text)
	if err := s.o.Templates.PutTemplate(v.r.Context(), t, change); err != nil {
		return outcome{}, err
	}
	return outcome{Said: said, Back: templateAddress(t)}, nil
}

func templateAddress(t Template) string {
	return with("/warnings/templates", "kind", t.Kind, "language", t.Language, "channel", string(t.Channel))
}

func (s *Server) postPreview(v *visit) error {
	var in templateRequest
	if err := decode(v.w, v.r, &in); err != nil {
		return err
	}
	t, _, err := v.template(in)
	if err != nil {
		return err
	}
	subject, text, err := s.o.Templates.Preview(t)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, previewAnswer{subject, text})
}

// postTemplate saves, or shows the page again with what it would be.
func (s *Server) postTemplate(v *visit) error {
	var in templateRequest
	if err := v.decodeForm(&in); err != nil {
		return err
	}
	if in.Preview {
		t, _, err := v.template(in)
		if err != nil {
			return err
		}
		return s.showTemplates(v, t, v.drawn)
	}
	out, err := s.doTemplate(v, in)
	if err == nil {
		err = v.record()
	}
	if err != nil {
		return err
	}
	v.say(out.Said)
	v.redirect(out.Back)
	return nil
}

func (s *Server) pageTemplates(v *visit) error {
	all, err := s.o.Templates.Templates()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return problem(http.StatusNotFound, "not-found", "this hub has no templates")
	}
	q := v.r.URL.Query()
	chosen := all[0]
	for _, t := range all {
		if (q.Get("kind") == "" || t.Kind == q.Get("kind")) && (q.Get("language") == "" || t.Language == q.Get("language")) && (q.Get("channel") == "" || string(t.Channel) == q.Get("channel")) {
			chosen = t
			break
		}
	}
	return s.showTemplates(v, chosen, templateEdition(chosen))
}

// showTemplates shows one wording to be edited, made from an edition that may be older than the words.
func (s *Server) showTemplates(v *visit, chosen Template, edition string) error {
	all, err := s.o.Templates.Templates()
	if err != nil {
		return err
	}
	p := templatesView{all: all, chosen: chosen, edition: edition}
	if p.preview.Subject, p.preview.Text, err = s.o.Templates.Preview(chosen); err != nil {
		d := v.s.explain(v.r, err)
		p.trouble = d.Detail
	}
	return v.show("The words of messages", "warnings", templatesPage(p))
}
