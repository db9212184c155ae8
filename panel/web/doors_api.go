package web

import (
	"context"
	"net/http"
	"strings"
)

// doorRoutes are the doors.
func (s *Server) doorRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/doors", Access: AsResident, Handler: s.getDoors, Status: 200, Summary: "Doors and their state",
			Response: object{"doors": []DoorView{{Name: "front", Safe: "fail-secure", Strike: "secured", Contact: "closed"}}}},
		{Method: "POST", Pattern: api + "/doors/{name}/open", Access: AsResident, Handler: s.postOpen, Status: 200, Summary: "Open a door",
			Response: object{"result": "granted"}},
		{Method: "GET", Pattern: api + "/lockdown", Access: AsResident, Handler: s.getLockdown, Status: 200, Summary: "Whether the panel is locked down",
			Response: lockdownState{}},
		{Method: "POST", Pattern: api + "/lockdown", Access: AsInstaller, Handler: s.postLockdown, Status: 200, Summary: "Let nobody in but who may in an emergency, or end that; exit and fire open as ever",
			Request: lockdownState{On: true}, Response: lockdownState{On: true}},
	}
}

// lockdownState is what is asked for and what is answered.
type lockdownState struct {
	On bool `json:"on"`
}

func (s *Server) getLockdown(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, lockdownState{s.o.Lockdown.Lockdown()})
}

func (s *Server) postLockdown(w http.ResponseWriter, r *http.Request, c caller) error {
	var asked struct {
		On *bool `json:"on"`
	}
	if err := decode(w, r, &asked); err != nil {
		return err
	}
	if asked.On == nil {
		return problem(http.StatusUnprocessableEntity, "not-valid", `write {"on":true} or {"on":false}`)
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	if err := s.o.Lockdown.SetLockdown(ctx, *asked.On, c.User, c.Via); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, lockdownState{*asked.On})
}

func (s *Server) getDoors(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, object{"doors": list(s.o.Doors.Doors())})
}

func (s *Server) postOpen(w http.ResponseWriter, r *http.Request, c caller) error {
	if r.ContentLength != 0 {
		if err := decode(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), openTime)
	defer cancel()
	granted, why, err := s.o.Doors.Open(ctx, r.PathValue("name"), c.User, c.Via)
	if err != nil {
		return err
	}
	if !granted {
		d := problem(http.StatusForbidden, "refused", "the panel did not open: "+strings.ReplaceAll(why, "_", " "))
		d.Why = why
		return d
	}
	return writeJSON(w, http.StatusOK, object{"result": "granted"})
}
