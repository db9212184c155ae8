package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/doorpanel/doorpanel/login"
)

// details is an RFC 9457 problem details object, and the error that becomes one. Type ends in a word that never changes.
type details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Why    string `json:"why,omitempty"` // the journal's word for a refusal at a door, or no_code
	// RetryAfter is in seconds, as in the header of that name.
	RetryAfter int      `json:"retry_after,omitempty"`
	Causes     []string `json:"causes,omitempty"`
	// Stops are the call buttons that an order would stop and that were not confirmed.
	Stops []StoppingButton `json:"stops,omitempty"`
}

func (d *details) Error() string { return d.Detail }

const problemType = "urn:doorpanel:problem:"

func problem(status int, slug, detail string) *details {
	return &details{Type: problemType + slug, Title: http.StatusText(status), Status: status, Detail: detail}
}

// asDetails puts an error into the words of the API; nil means that it is a failure of the panel.
func asDetails(err error) *details {
	var d *details
	var refusal *login.Refusal
	switch {
	case errors.As(err, &d):
		return d
	case errors.As(err, &refusal):
		d = problem(refusal.Status, refusal.Slug, refusal.Detail)
		d.RetryAfter = refusal.RetryAfter()
		return d
	case errors.Is(err, ErrNotFound):
		return problem(http.StatusNotFound, "not-found", err.Error())
	case errors.Is(err, ErrInvalid):
		return problem(http.StatusUnprocessableEntity, "not-valid", err.Error())
	case errors.Is(err, ErrConflict):
		return problem(http.StatusConflict, "conflict", err.Error())
	case errors.Is(err, ErrHubRefused):
		return problem(http.StatusConflict, "hub-refused", err.Error())
	case errors.Is(err, ErrNotLicensed):
		return problem(http.StatusForbidden, "not-licensed", err.Error())
	case errors.Is(err, ErrReadOnly):
		return problem(http.StatusServiceUnavailable, "read-only", err.Error())
	case errors.Is(err, ErrBusy):
		return problem(http.StatusServiceUnavailable, "busy", err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusServiceUnavailable, "timeout", "the panel did not answer in time")
	default:
		return nil
	}
}

// fail answers with the problem. What nobody foresaw is named in the log and not to the caller.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	d := asDetails(err)
	if d == nil {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		d = problem(http.StatusInternalServerError, "internal", "the panel could not do this; its log says why")
	}
	writeProblem(w, d)
}

func writeProblem(w http.ResponseWriter, d *details) {
	if d.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="doorpanel"`)
	}
	if d.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(d.RetryAfter))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(d.Status)
	_ = json.NewEncoder(w).Encode(d) // a reader that went away needs no answer
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a reader that went away needs no answer
	return nil
}
