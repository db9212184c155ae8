package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

// details is an RFC 9457 problem details object, and the error that becomes one. Type ends in a word that never changes.
type details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// RetryAfter is in seconds, as in the header of that name.
	RetryAfter int      `json:"retry_after,omitempty"`
	Causes     []string `json:"causes,omitempty"`
	*ledgerNumbers
}

func (d *details) Error() string { return d.Detail }

const problemType = "urn:doorhub:problem:"

func problem(status int, slug, detail string) *details {
	return &details{Type: problemType + slug, Title: http.StatusText(status), Status: status, Detail: detail}
}

func notValid(detail string) *details {
	return problem(http.StatusUnprocessableEntity, "not-valid", detail)
}

// notThere is the one answer for what does not exist and for what the caller may not know to exist.
func notThere() *details {
	return problem(http.StatusNotFound, "not-found", "there is nothing at this address")
}

// asDetails puts an error into the words of the API; nil means that it is a failure of the hub.
func asDetails(err error) *details {
	var d *details
	var refusal *login.Refusal
	var changed *fleet.ChangedError
	var kept *ledger.Refusal
	var unfit *roles.Refusal
	switch {
	case errors.As(err, &unfit):
		return rolesProblem(unfit)
	case errors.As(err, &d):
		return d
	case errors.As(err, &refusal):
		d = problem(refusal.Status, refusal.Slug, refusal.Detail)
		d.RetryAfter = refusal.RetryAfter()
		return d
	case errors.As(err, &kept):
		return ofRefusal(kept)
	case errors.Is(err, ErrNotFound), errors.Is(err, fleet.ErrUnknown):
		return problem(http.StatusNotFound, "not-found", err.Error())
	case errors.Is(err, ErrInvalid):
		return notValid(strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": "))
	case errors.Is(err, ErrConflict), errors.Is(err, fleet.ErrExists), errors.Is(err, fleet.ErrTaken), errors.As(err, &changed):
		return problem(http.StatusConflict, "conflict", err.Error())
	case errors.Is(err, ErrReadOnly):
		return problem(http.StatusServiceUnavailable, "read-only", err.Error())
	case errors.Is(err, ErrBusy):
		return problem(http.StatusServiceUnavailable, "busy", err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusServiceUnavailable, "timeout", "the hub did not answer in time; try again")
	default:
		return nil
	}
}

// ofRefusal is a refusal of the license ledger in the words of the API. Who asked has been told no more than he may know.
func ofRefusal(r *ledger.Refusal) *details {
	switch r.Reason {
	case ledger.Unknown:
		return notThere()
	case ledger.Invalid:
		return notValid(r.Text)
	}
	status := http.StatusConflict
	if r.Reason == ledger.OnlyAbove {
		status = http.StatusForbidden
	}
	d := problem(status, string(r.Reason), r.Text)
	d.ledgerNumbers = numbersOf(r)
	return d
}

// rolesProblem says why something about roles is not done.
func rolesProblem(refusal *roles.Refusal) *details {
	status := http.StatusForbidden
	switch refusal.Code {
	case roles.LastAdministrator, roles.TwoCompanies, roles.Managed:
		status = http.StatusConflict
	case roles.NotThere, roles.HubOnly:
		status = http.StatusUnprocessableEntity
	}
	return problem(status, refusal.Code, refusal.Text)
}

// explain is asDetails for what is shown: what nobody foresaw is named in the log and not to the caller.
func (s *Server) explain(r *http.Request, err error) *details {
	d := asDetails(err)
	if d == nil {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		d = problem(http.StatusInternalServerError, "internal", "the hub could not do this; its log says why")
	}
	return d
}

func writeProblem(w http.ResponseWriter, d *details) {
	if d.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="doorhub"`)
	}
	retryAfter(w, d)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(d.Status)
	_ = json.NewEncoder(w).Encode(d) // a reader that went away needs no answer
}

func retryAfter(w http.ResponseWriter, d *details) {
	if d.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(d.RetryAfter))
	}
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
