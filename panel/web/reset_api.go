package web

import (
	"net/http"

	"github.com/doorpanel/doorpanel/license/envelope"
)

type (
	resetRequest struct {
		Panel string `json:"panel"` // this panel's id, so that nobody resets the one beside it
	}
	resetAnswer struct {
		Message string `json:"message"`
	}
)

// resetRoutes hand the panel to another owner.
func (s *Server) resetRoutes() []route {
	if s.o.Reset == nil {
		return nil
	}
	return []route{
		{Method: "POST", Pattern: api + "/reset", Access: AsAdministrator, Handler: s.postReset, Status: http.StatusAccepted,
			Summary: "Erase people, credentials, schedules, buttons, users and journal, and start again; the panel's key and its licenses stay",
			Request: resetRequest{Panel: "am4wegjdp522mtysv237hfzdvm"}, Response: resetAnswer{Message: resetMessage}},
	}
}

const resetMessage = "The panel erases everything of its owner and starts again; its key and its licenses stay. It leaves its hub."

func (s *Server) postReset(w http.ResponseWriter, r *http.Request, c caller) error {
	var in resetRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	named, err := envelope.ParseThumbprint(in.Panel)
	if err != nil {
		return problem(http.StatusUnprocessableEntity, "not-valid", err.Error())
	}
	if own := s.o.Status().Panel; named.String() != own {
		return problem(http.StatusUnprocessableEntity, "other-panel", "this is panel "+own+", not "+named.String()+"; nothing was changed")
	}
	if err := s.o.Reset(c.Via); err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, resetAnswer{resetMessage})
}
