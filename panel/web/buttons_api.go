package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/doorpanel/doorpanel/panel"
)

type buttonRequest struct {
	Label  string `json:"label"`
	Target string `json:"target"`
}

var exampleButton = ButtonView{Number: 2, Label: "Office", Target: "sip:201@192.168.1.20", Active: true}

// buttonRoutes are the call buttons.
func (s *Server) buttonRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/buttons", Access: AsInstaller, Handler: s.getButtons, Status: 200, Summary: "Call buttons and whom they call",
			Response: object{"buttons": []ButtonView{exampleButton}}},
		{Method: "PUT", Pattern: api + "/buttons/{number}", Access: AsInstaller, Handler: s.putButton, Status: 200, Summary: "Label a button and say whom it calls",
			Request: buttonRequest{Label: exampleButton.Label, Target: exampleButton.Target}, Response: exampleButton},
		{Method: "DELETE", Pattern: api + "/buttons/{number}", Access: AsInstaller, Handler: s.deleteButton, Status: 204, Summary: "Clear a button"},
		{Method: "POST", Pattern: api + "/buttons/{number}/test", Access: AsInstaller, Handler: s.testButton, Status: 202, Summary: "Press a button as a visitor would; the journal says who tested it",
			Response: exampleButton},
	}
}

func (s *Server) getButtons(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, object{"buttons": list(s.o.Buttons.Buttons())})
}

func (s *Server) putButton(w http.ResponseWriter, r *http.Request, c caller) error {
	number, err := buttonNumber(r.PathValue("number"))
	if err != nil {
		return err
	}
	var in buttonRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := errors.Join(checkName("label", in.Label, true), checkName("target", in.Target, false)); err != nil {
		return err
	}
	if err := s.o.Buttons.PutButton(r.Context(), ButtonView{Number: number, Label: in.Label, Target: in.Target}, c.User); err != nil {
		return err
	}
	if b, found := s.button(number); found {
		return writeJSON(w, http.StatusOK, b)
	}
	return fmt.Errorf("cannot find button %d after storing it", number)
}

func (s *Server) button(number int) (ButtonView, bool) {
	for _, b := range s.o.Buttons.Buttons() {
		if b.Number == number {
			return b, true
		}
	}
	return ButtonView{}, false
}

// testButton answers what the button is; what becomes of the call is seen at the panel and in the journal.
func (s *Server) testButton(w http.ResponseWriter, r *http.Request, c caller) error {
	number, err := buttonNumber(r.PathValue("number"))
	if err != nil {
		return err
	}
	b, found := s.button(number)
	if !found || s.o.Press == nil {
		return problem(http.StatusNotFound, "not-found", fmt.Sprintf("cannot test button %d: there is none; set it first", number))
	}
	s.o.Note(panel.Entry{Kind: panel.CallTest, Button: number, Who: c.User})
	s.o.Press(number)
	return writeJSON(w, http.StatusAccepted, b)
}

func (s *Server) deleteButton(w http.ResponseWriter, r *http.Request, c caller) error {
	number, err := buttonNumber(r.PathValue("number"))
	if err != nil {
		return err
	}
	return gone(w, s.o.Buttons.DeleteButton(r.Context(), number, c.User))
}

func buttonNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 9999 {
		return 0, problem(http.StatusNotFound, "not-found", "a button's number is 1 to 9999")
	}
	return n, nil
}
