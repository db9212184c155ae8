package web

import "net/http"

// bundleRoutes are what support asks for.
func (s *Server) bundleRoutes() []route {
	return []route{{Method: "GET", Pattern: api + "/bundle", Access: AsAdministrator, Handler: s.getBundle, Status: 200,
		Summary: "A zip file for support: configuration, state and journal without secrets and without persons"}}
}

func (s *Server) getBundle(w http.ResponseWriter, r *http.Request, c caller) error {
	if s.o.Bundle == nil {
		return problem(http.StatusNotFound, "not-found", "this panel makes no bundle")
	}
	archive, err := s.o.Bundle(r.Context(), c.User)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="doorpanel-bundle.zip"`)
	_, _ = w.Write(archive) // a reader that went away needs no answer
	return nil
}
