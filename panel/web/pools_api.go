package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/qr"
)

const (
	maxMoved = 100_000 // more than any panel has
	maxCode  = 4 << 10 // characters of a code: the largest QR code holds 4,296
	// maxConfirmed bounds the buttons that one order names.
	maxConfirmed = 10_000
)

type (
	identityAnswer struct {
		PanelIdentity
		SVG string `json:"svg"`
	}
	poolRequest struct {
		To      string `json:"to,omitempty"` // give only
		Feature string `json:"feature,omitempty"`
		Count   int    `json:"count,omitempty"`
		Preview bool   `json:"preview,omitempty"`
		// Confirm are the numbers of the buttons that may stop, as a preview named them.
		Confirm []int `json:"confirm,omitempty"`
	}
	poolAnswer struct {
		Result  license.Result   `json:"result"`
		Message string           `json:"message"`
		Panel   string           `json:"panel,omitempty"`
		Name    string           `json:"name,omitempty"`
		Before  int              `json:"before"`
		After   int              `json:"after"`
		Stops   []StoppingButton `json:"stops"`
		Code    string           `json:"code,omitempty"`
		SVG     string           `json:"svg,omitempty"`
	}
	codeView struct {
		PoolCode
		SVG string `json:"svg"` // empty when it was not asked for, or no QR code holds the text
	}
	accountRequest struct {
		Account string `json:"account"`
	}
	accountAnswer struct {
		Result  license.Result `json:"result"`
		Message string         `json:"message"`
	}
)

// poolRoutes are what panels give each other, and to whom licenses belong.
func (s *Server) poolRoutes() []route {
	done := poolAnswer{
		Result: license.Activated, Message: "4 buttons are given to Stairs B. Show it this code.", Panel: "k3x2…", Name: "Stairs B", Before: 11, After: 7,
		Stops: []StoppingButton{{Number: 8, Label: "Office"}}, Code: "DS1:…", SVG: "<svg …>",
	}
	return []route{
		{Method: "GET", Pattern: api + "/panels", Access: AsInstaller, Handler: s.getPanels, Status: 200, Summary: "The panels whose identity is known here",
			Response: object{"panels": []Peer{{Panel: "k3x2…", Name: "Stairs B"}}}},
		{Method: "GET", Pattern: api + "/licenses/codes", Access: AsInstaller, Handler: s.getCodes, Status: 200, Query: []string{"kind", "license", "panel", "feature", "pictures"},
			Summary:  "Codes for other panels, to be shown again: nothing is counted twice; pictures=no leaves them out",
			Response: object{"codes": []codeView{{PoolCode: PoolCode{Kind: "slice", Text: "DS1:…", License: "8d0c…", Panel: "k3x2…", Name: "Stairs B", Feature: license.Buttons, Count: 4}, SVG: "<svg …>"}}}},
		{Method: "POST", Pattern: api + "/licenses/{id}/give", Access: AsInstaller, Handler: s.move(s.o.Pools.Give, true), Status: 200,
			Summary: "Give a part of a pool to another panel; 409 names the buttons that would stop and are not confirmed",
			Request: poolRequest{To: "DI1:…", Feature: license.Buttons, Count: 4, Confirm: []int{8}}, Response: done},
		{Method: "POST", Pattern: api + "/licenses/{id}/return", Access: AsInstaller, Handler: s.move(s.o.Pools.GiveBack, false), Status: 200,
			Summary: "Give a part of a share back to the panel it came from",
			Request: poolRequest{Count: 2, Preview: true}, Response: done},
		{Method: "POST", Pattern: api + "/licenses/{id}/release", Access: AsInstaller, Handler: s.postRelease, Status: 200, Summary: "Undo an activation, within seven days; the code lets another panel have the license",
			Request: poolRequest{Preview: true}, Response: poolAnswer{Result: license.Activated, Message: "The license is released. Show this code to the panel that is to have it.", Before: 11, After: 1, Stops: []StoppingButton{}, Code: "DF1:…", SVG: "<svg …>"}},
		{Method: "PUT", Pattern: api + "/licenses/{id}/account", Access: AsInstaller, Handler: s.putAccount, Status: 200, Summary: "Say for whom an account's license is; it is changed within seven days only",
			Request: accountRequest{Account: "ines"}, Response: accountAnswer{license.Activated, "The license is for ines now."}},
		{Method: "GET", Pattern: api + "/identity", Access: AsInstaller, Handler: s.getIdentity, Status: 200, Summary: "Who this panel is, to be shown to the panel that is to give it something",
			Response: identityAnswer{PanelIdentity{Panel: "k3x2…", Name: "Stairs A", Text: "DI1:…"}, "<svg …>"}},
	}
}

func (s *Server) getIdentity(w http.ResponseWriter, _ *http.Request, _ caller) error {
	identity := s.o.Bindings.Identity()
	return writeJSON(w, http.StatusOK, identityAnswer{identity, codeSVG(identity.Text)})
}

func (s *Server) getPanels(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, object{"panels": list(s.o.Pools.Peers())})
}

// getCodes lists the codes. Drawing a picture takes a small board a quarter of a second, and there may be one for each
// panel and license: whoever lists many leaves the pictures out and asks for one at a time.
func (s *Server) getCodes(w http.ResponseWriter, r *http.Request, _ caller) error {
	q := r.URL.Query()
	codes := []codeView{}
	for _, code := range s.o.Pools.Codes() {
		if q.Has("kind") && q.Get("kind") != code.Kind || q.Has("license") && q.Get("license") != code.License ||
			q.Has("panel") && q.Get("panel") != code.Panel || q.Has("feature") && q.Get("feature") != code.Feature {
			continue
		}
		view := codeView{PoolCode: code}
		if q.Get("pictures") != "no" {
			view.SVG = codeSVG(code.Text)
		}
		codes = append(codes, view)
	}
	return writeJSON(w, http.StatusOK, object{"codes": codes})
}

// move makes the handler of an order that moves a part of a license; give asks to whom.
func (s *Server) move(order func(ctx context.Context, o PoolOrder, by, via string) (PoolAnswer, error), give bool) func(http.ResponseWriter, *http.Request, caller) error {
	return func(w http.ResponseWriter, r *http.Request, c caller) error {
		in := poolRequest{Feature: license.Buttons}
		if err := decode(w, r, &in); err != nil {
			return err
		}
		in.To = strings.TrimSpace(in.To)
		switch {
		case give && in.To == "":
			return notValid("to is missing: the identity of the panel that is to have them (DI1:…), or the id of a known panel")
		case !give && in.To != "":
			return notValid("a share goes back to the panel it came from; leave to out")
		case len(in.To) > maxCode:
			return notValid("to is too long to be a panel's identity")
		case in.Count < 1 || in.Count > maxMoved:
			return notValid(fmt.Sprintf("count is %d; it must be 1 to %d", in.Count, maxMoved))
		}
		if err := checkName("feature", in.Feature, true); err != nil {
			return err
		}
		return s.answerOrder(w, r, c, in, order)
	}
}

func (s *Server) postRelease(w http.ResponseWriter, r *http.Request, c caller) error {
	in := poolRequest{}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.To != "" || in.Count != 0 || in.Feature != "" {
		return notValid("a license is released as a whole; send preview and confirm only")
	}
	return s.answerOrder(w, r, c, in, s.o.Bindings.Undo)
}

func (s *Server) answerOrder(w http.ResponseWriter, r *http.Request, c caller, in poolRequest, order func(ctx context.Context, o PoolOrder, by, via string) (PoolAnswer, error)) error {
	id, err := licenseID(r)
	if err != nil {
		return err
	}
	if len(in.Confirm) > maxConfirmed {
		return notValid(fmt.Sprintf("confirm names %d buttons; no panel has more than %d", len(in.Confirm), maxConfirmed))
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	a, err := order(ctx, PoolOrder{License: id, Feature: in.Feature, To: in.To, Count: in.Count, Preview: in.Preview, Confirmed: in.Confirm}, c.User, c.Via)
	if err != nil {
		return err
	}
	if a.Result == Unconfirmed {
		d := problem(http.StatusConflict, string(Unconfirmed), a.Message)
		d.Title, d.Stops = a.Title, a.Stops
		return d
	}
	if a.Result.Refused() {
		return refusal(a.Result, a.Title, a.Message)
	}
	answer := poolAnswer{
		Result: a.Result, Message: a.Message, Panel: a.Panel, Name: a.Name, Before: a.Before, After: a.After, Stops: list(a.Stops), Code: a.Code,
	}
	if a.Code != "" {
		answer.SVG = codeSVG(a.Code)
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Server) putAccount(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := licenseID(r)
	if err != nil {
		return err
	}
	var in accountRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Account == "" {
		return notValid("account is missing: the name of one of the panel's users")
	}
	if err := s.checkAccount(in.Account); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	v, err := s.o.Bindings.Assign(ctx, id, in.Account, c.User, c.Via)
	if err != nil {
		return err
	}
	if v.Result.Refused() {
		return refusal(v.Result, v.Title, v.Message)
	}
	return writeJSON(w, http.StatusOK, accountAnswer{v.Result, v.Message})
}

// licenseID is the license that the address names.
func licenseID(r *http.Request) (string, error) {
	id, err := license.ParseTokenID(r.PathValue("id"))
	if err != nil {
		return "", problem(http.StatusNotFound, "not-found", "there is no license with this id; GET /api/v1/licenses lists them")
	}
	return id.String(), nil
}

// codeSVG draws a code for another panel's camera, as robust as its length allows; empty when no QR code holds the text.
func codeSVG(text string) string {
	level := qr.Q
	if len(text) > 600 { // beyond version 20 smaller modules harm more than corrected errors help
		level = qr.L
	}
	svg, err := qr.SVG(text, qr.Options{Level: level})
	if err != nil {
		return ""
	}
	return svg
}

func notValid(detail string) error {
	return problem(http.StatusUnprocessableEntity, "not-valid", detail)
}
