package web

import (
	"net/http"
	"slices"
)

// route is one address of the API or the pages. The routes are one table, from which the mux and openapi.json are made.
type route struct {
	Method  string
	Pattern string
	Access  Access
	Handler func(w http.ResponseWriter, r *http.Request, c caller) error
	Summary string
	// Status, Request and Response describe a success for openapi.json by example; nil bodies are none.
	Status            int
	Request, Response any
	Query             []string
}

// object is a JSON object whose names are written out where it is made.
type object = map[string]any

// api stands before every address of the API.
const api = "/api/v1"

// table is every route, subject by subject; each subject's routes stand in its own file.
func (s *Server) table() []route {
	return slices.Concat(s.systemRoutes(), s.clockRoutes(), s.sessionRoutes(), s.licenseRoutes(), s.poolRoutes(), s.peopleRoutes(), s.accessRoutes(), s.scheduleRoutes(),
		s.doorRoutes(), s.duressRoutes(), s.buttonRoutes(), s.journalRoutes(), s.faceRoutes(), s.faceCodeRoutes(), s.resetRoutes(), s.bundleRoutes(), s.hubRoutes(), s.pageRoutes())
}

// pageRoutes are the pages, and what is served only where it was asked for.
func (s *Server) pageRoutes() []route {
	routes := []route{{Method: "GET", Pattern: "/assets/", Access: Public, Handler: s.pages.serve, Status: 200, Summary: "Parts of the pages"}}
	for _, page := range []struct{ path, file, what string }{
		{"/{$}", "face.html", "The panel's face"}, {"/admin", "admin.html", "The installer's and administrator's page"}, {"/app", "app.html", "The residents' page"},
	} {
		routes = append(routes, route{Method: "GET", Pattern: page.path, Access: Public, Handler: s.pages.page(page.file), Status: 200, Summary: page.what})
	}
	if s.o.Metrics != nil {
		routes = append(routes, route{Method: "GET", Pattern: "/metrics", Access: Local, Status: 200, Summary: "Counters for a monitoring system",
			Handler: func(w http.ResponseWriter, r *http.Request, _ caller) error {
				s.o.Metrics.ServeHTTP(w, r)
				return nil
			}})
	}
	if s.o.Sim != nil {
		for _, method := range []string{"GET", "POST"} {
			routes = append(routes, route{Method: method, Pattern: "/sim/", Access: Loopback, Status: 200, Summary: "The simulated hardware",
				Handler: func(w http.ResponseWriter, r *http.Request, _ caller) error {
					s.o.Sim.ServeHTTP(w, r)
					return nil
				}})
		}
	}
	return routes
}
