package web

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Why a clock is not set. The text of what wraps them is shown.
var (
	ErrFarAhead   = errors.New("confirm it if it is right")       // 409 far-ahead
	ErrOtherClock = errors.New("the clock cannot be set by hand") // 409 synchronized: a better source sets it
)

// Timekeeper tells the panel's time, and takes an administrator's word for it.
type Timekeeper interface {
	Time() ClockView
	// SetTime sets the panel's clock, durably, or says why not: ErrOtherClock, or ErrFarAhead when it was not confirmed.
	SetTime(ctx context.Context, now time.Time, confirmed bool, by string) (ClockView, error)
}

// ClockView is what the panel knows about the time.
type ClockView struct {
	Now     time.Time `json:"now"`
	Source  string    `json:"source"`        // synchronized, administrator, battery; empty: nobody vouches for it
	Trusted bool      `json:"trusted"`       // dates and schedules count by it
	Mark    time.Time `json:"mark,omitzero"` // a time that has certainly passed
	// SettlesSeconds is for how long of running time an administrator's clock still has to stand before the mark follows it.
	SettlesSeconds int64 `json:"settles_s,omitempty"`
}

type clockRequest struct {
	Now     time.Time `json:"now"`
	Confirm bool      `json:"confirm,omitempty"` // the time is right, although it is far ahead
}

var exampleClock = ClockView{
	Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Source: "administrator", Trusted: true, Mark: time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC), SettlesSeconds: 86400,
}

// clockRoutes are the panel's time.
func (s *Server) clockRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/clock", Access: AsInstaller, Handler: s.getClock, Status: 200, Summary: "What the panel knows about the time", Response: exampleClock},
		{Method: "POST", Pattern: api + "/clock", Access: AsAdministrator, Handler: s.postClock, Status: 200, Summary: "Set the panel's clock by hand",
			Request: clockRequest{Now: exampleClock.Now}, Response: exampleClock},
	}
}

func (s *Server) getClock(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, s.o.Timekeeper.Time())
}

func (s *Server) postClock(w http.ResponseWriter, r *http.Request, c caller) error {
	var in clockRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if year := in.Now.Year(); year < 1970 || year > 9998 || in.Now.Unix() <= 0 {
		return problem(http.StatusUnprocessableEntity, "not-valid", "now must be a time after 1970, like 2026-11-21T12:00:00Z")
	}
	view, err := s.o.Timekeeper.SetTime(r.Context(), in.Now, in.Confirm, c.User)
	switch {
	case errors.Is(err, ErrFarAhead):
		return problem(http.StatusConflict, "far-ahead", err.Error())
	case errors.Is(err, ErrOtherClock):
		return problem(http.StatusConflict, "synchronized", err.Error())
	case err != nil:
		return err
	}
	if err := s.keepSession(c.Token, view.Now); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

// keepSession lets whoever set the clock stay logged in: by the new time the session was last used long ago, or in the future.
func (s *Server) keepSession(hash string, now time.Time) error {
	if hash == "" {
		return nil
	}
	session, found, err := s.o.Sessions.Session(hash)
	if err != nil || !found {
		return err
	}
	session.Seen = now
	return s.o.Sessions.PutSession(hash, session)
}
