package web

import (
	"net/http"

	"github.com/doorpanel/doorpanel/panel/access"
)

type scheduleRequest struct {
	Name  string        `json:"name,omitempty"` // as in the address, or absent
	Slots []access.Slot `json:"slots"`
	// Exceptions are days with other slots than the week has; none closes the day.
	Exceptions []access.Exception `json:"exceptions,omitempty"`
}

var exampleSchedule = scheduleRequest{Name: "office hours", Slots: []access.Slot{{Days: []string{"mon", "fri"}, From: "08:00", To: "18:00"}}}

// scheduleRoutes are the weekly schedules.
func (s *Server) scheduleRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/schedules", Access: AsInstaller, Handler: s.getSchedules, Status: 200, Summary: "Weekly schedules",
			Response: object{"schedules": []scheduleRequest{exampleSchedule}}},
		{Method: "PUT", Pattern: api + "/schedules/{name}", Access: AsInstaller, Handler: s.putSchedule, Status: 200, Summary: "Make or change a schedule",
			Request: scheduleRequest{Slots: exampleSchedule.Slots}, Response: exampleSchedule},
		{Method: "DELETE", Pattern: api + "/schedules/{name}", Access: AsInstaller, Handler: s.deleteSchedule, Status: 204, Summary: "Remove a schedule that no credential uses"},
	}
}

func (s *Server) getSchedules(w http.ResponseWriter, _ *http.Request, _ caller) error {
	profiles, err := s.o.Schedules.Schedules()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"schedules": list(profiles)})
}

func (s *Server) putSchedule(w http.ResponseWriter, r *http.Request, c caller) error {
	var in scheduleRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if in.Name != "" && in.Name != name {
		return problem(http.StatusUnprocessableEntity, "not-valid", "the name in the body is not the one in the address; a schedule cannot be renamed")
	}
	if err := checkName("name", name, true); err != nil {
		return err
	}
	p := access.Profile{Name: name, Slots: in.Slots, Exceptions: in.Exceptions}
	if err := p.Check(); err != nil {
		return problem(http.StatusUnprocessableEntity, "not-valid", err.Error())
	}
	if err := s.o.Schedules.PutSchedule(r.Context(), p, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) deleteSchedule(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.Schedules.DeleteSchedule(r.Context(), r.PathValue("name"), c.User))
}
