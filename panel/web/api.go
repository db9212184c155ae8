package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxList   = 1000
	maxName   = 100 // of persons, labels, notes, in bytes
	maxID     = 128
	maxCursor = 512
	maxDoors  = 64
	learnTime = 30 * time.Second
	openTime  = 10 * time.Second // for the panel's decision on a door
)

// systemRoutes are the panel as a machine: its description, its health, its parts.
func (s *Server) systemRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/openapi.json", Access: Public, Handler: s.getOpenAPI, Status: 200, Summary: "This description"},
		{Method: "GET", Pattern: api + "/status", Access: AsInstaller, Handler: s.getStatus, Status: 200, Summary: "The panel's health",
			Response: Status{Version: "0.1.0", Roots: []string{}, Parts: []PartStatus{{Kind: "account", Name: "pbx", State: "ok"}}}},
		{Method: "GET", Pattern: "/healthz", Access: Public, Handler: s.healthz, Status: 200, Summary: "200 when the panel's loop answers", Response: object{"alive": true}},
		{Method: "GET", Pattern: "/readyz", Access: Public, Handler: s.readyz, Status: 200, Summary: "503 with the causes while the panel cannot do its job", Response: object{"ready": true}},
	}
}

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request, _ caller) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.openapi) // a reader that went away needs no answer
	return nil
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request, _ caller) error {
	status := s.o.Status()
	if status.Roots == nil {
		status.Roots = []string{}
	}
	if status.Parts == nil {
		status.Parts = []PartStatus{}
	}
	return writeJSON(w, http.StatusOK, status)
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request, _ caller) error {
	if s.o.Alive != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := s.o.Alive(ctx); err != nil {
			return problem(http.StatusServiceUnavailable, "not-alive", "the panel's loop does not answer")
		}
	}
	return writeJSON(w, http.StatusOK, object{"alive": true})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request, _ caller) error {
	if s.o.Ready != nil {
		if ok, causes := s.o.Ready(); !ok {
			d := problem(http.StatusServiceUnavailable, "not-ready", "the panel cannot do all of its job")
			d.Causes = causes
			return d
		}
	}
	return writeJSON(w, http.StatusOK, object{"ready": true})
}

// Small things.

// page reads after and limit of a list.
func page(r *http.Request) (after string, limit int, err error) {
	q := r.URL.Query()
	if after = q.Get("after"); len(after) > maxCursor {
		return "", 0, problem(http.StatusBadRequest, "bad-query", "after is too long to be an id")
	}
	limit, err = limitOf(q.Get("limit"))
	return after, limit, err
}

func limitOf(text string) (int, error) {
	if text == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxList {
		return 0, problem(http.StatusBadRequest, "bad-query", fmt.Sprintf("limit is a number of 1 to %d", maxList))
	}
	return n, nil
}

// list makes an empty list of none, which JSON would call null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func gone(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkName takes one line of text for people.
func checkName(field, text string, needed bool) error {
	switch {
	case needed && strings.TrimSpace(text) == "":
		return problem(http.StatusUnprocessableEntity, "not-valid", field+" is missing")
	case len(text) > maxName:
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf("%s has more than %d bytes", field, maxName))
	case !utf8.ValidString(text):
		return problem(http.StatusUnprocessableEntity, "not-valid", field+" is not UTF-8")
	}
	for _, r := range text {
		// Direction marks could make one name look like another.
		if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 {
			return problem(http.StatusUnprocessableEntity, "not-valid", field+" has characters that cannot be shown")
		}
	}
	return nil
}

func checkID(id string) error {
	if len(id) > maxID {
		return problem(http.StatusNotFound, "not-found", "there is no such id")
	}
	return nil
}
