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
	}
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
