package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// systemRoutes are the hub as a machine: its description, its health, its pages' parts, its news.
func (s *Server) systemRoutes() []route {
	routes := []route{
		{Method: "GET", Pattern: api + "/openapi.json", Access: Public, Handler: s.getOpenAPI, Status: 200, Summary: "This description"},
		{Method: "GET", Pattern: api + "/health", Access: roles.SeeHealth, Handler: s.getHealth, Status: 200, Summary: "The hub's parts, queues, certificates and counters of refused input",
			Response: Health{Version: "1.0.0", Ready: true, Parts: []PartHealth{{Name: "broker", State: "ok", Detail: "own, 214 connections"}},
				Counters: []Counter{{Part: "broker", Reason: "wrong topic", Count: 2}}, Figures: []Figure{}, Certs: []Certificate{}}},
		{Method: "GET", Pattern: "/health", Access: roles.SeeHealth, Handler: s.pageHealth, Page: true, Status: 200, Summary: "The hub's health"},
		{Method: "GET", Pattern: "/healthz", Access: Public, Handler: s.healthz, Status: 200, Summary: "200 when the hub's loop answers", Response: object{"alive": true}},
		{Method: "GET", Pattern: "/readyz", Access: Public, Handler: s.readyz, Status: 200, Summary: "503 with the causes while the hub cannot do its job", Response: object{"ready": true}},
		{Method: "GET", Pattern: api + "/news", Access: LoggedIn, Handler: s.streamNews, Status: 200, Query: []string{"seen"}, Media: "text/event-stream",
			Summary: "Says that something can be seen that could not be seen before (server-sent events)"},
		{Method: "GET", Pattern: "/assets/", Access: Public, Handler: s.getAsset, Status: 200, Summary: "Parts of the pages"},
	}
	if s.o.Metrics != nil {
		routes = append(routes, route{Method: "GET", Pattern: "/metrics", Access: Local, Status: 200, Summary: "Counters for a monitoring system", Media: "text/plain",
			Handler: func(v *visit) error {
				s.o.Metrics.ServeHTTP(v.w, v.r)
				return nil
			}})
	}
	return routes
}

func (s *Server) getAsset(v *visit) error {
	return s.assets.send(v.w, v.r, strings.TrimPrefix(v.r.URL.Path, "/assets/"))
}

func (s *Server) getOpenAPI(v *visit) error {
	v.w.Header().Set("Content-Type", "application/json")
	_, _ = v.w.Write(s.openapi) // a reader that went away needs no answer
	return nil
}

// health is how the hub is, as far as the caller may see it: examples name panels of whatever site.
func (s *Server) health(c caller) Health {
	h := s.o.Health()
	h.Parts, h.Counters, h.Figures, h.Certs = list(h.Parts), list(slices.Clone(h.Counters)), list(h.Figures), list(h.Certs)
	if !c.may(roles.ManageHub) {
		for i := range h.Counters {
			h.Counters[i].Example = ""
		}
	}
	return h
}

func (s *Server) getHealth(v *visit) error { return writeJSON(v.w, http.StatusOK, s.health(v.caller)) }

func (s *Server) pageHealth(v *visit) error {
	return v.show("Health", "health", healthPage(s.health(v.caller), s.o.Now(), v.caller))
}

func (s *Server) healthz(v *visit) error {
	if s.o.Alive != nil {
		ctx, cancel := context.WithTimeout(v.r.Context(), 2*time.Second)
		defer cancel()
		if err := s.o.Alive(ctx); err != nil {
			return problem(http.StatusServiceUnavailable, "not-alive", "the hub's loop does not answer")
		}
	}
	return writeJSON(v.w, http.StatusOK, object{"alive": true})
}

func (s *Server) readyz(v *visit) error {
	if h := s.o.Health(); !h.Ready {
		d := problem(http.StatusServiceUnavailable, "not-ready", "the hub cannot do all of its job")
		d.Causes = h.Causes
		return d
	}
	return writeJSON(v.w, http.StatusOK, object{"ready": true})
}

// newsPause is the shortest time between two words on one news stream: a page is drawn anew for each.
const newsPause = 2 * time.Second

// streamNews sends a number whenever something can be seen that could not be seen before. The pages ask for themselves again
// then.
func (s *Server) streamNews(v *visit) error {
	from := v.r.Header.Get("Last-Event-ID")
	if from == "" {
		from = v.r.URL.Query().Get("seen")
	}
	seen, err := numberOf("seen", from)
	if err != nil {
		return err
	}
	ctx, st, leave, err := v.stream()
	if err != nil {
		return err
	}
	defer leave()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		news := func(ctx context.Context) error {
			now, err := s.o.News.Wait(ctx, seen)
			if err == nil {
				seen = now
			}
			return err
		}
		// Not only while it is quiet: where there is news without a pause, what was taken would go on.
		if !st.idle(ctx, news, v.still) || !v.still() {
			return nil
		}
		if st.json(seen, "news", seen) != nil {
			return nil
		}
		pause.Reset(newsPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}
