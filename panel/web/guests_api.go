package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/qr"
)

type (
	guestAnswer struct {
		Guest
		Pass string `json:"pass,omitempty"` // the text of the picture
		Code string `json:"code,omitempty"` // what is typed
		SVG  string `json:"svg,omitempty"`
	}
	presenceAnswer struct {
		Inside []InsideView `json:"inside"`
	}
	presenceReset struct {
		Person string `json:"person,omitempty"` // empty: everybody
	}
)

// guestRoutes are guests, who is inside, and when people came and went.
func (s *Server) guestRoutes() []route {
	from := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	guest := Guest{ID: "0f3a…", Name: "Plumber", By: "ada", Kind: access.Pass, From: from, Until: from.Add(2 * time.Hour), Uses: 2}
	return []route{
		{Method: "GET", Pattern: api + "/guests", Access: AsResident, Handler: s.getGuests, Status: 200, Summary: "Guests let in: a resident's own, else everybody's",
			Response: object{"guests": []Guest{guest}}},
		{Method: "POST", Pattern: api + "/guests", Access: AsResident, Handler: s.postGuest, Status: 201, Summary: "Let a guest in for a time: a signed pass as a picture, or a code; picture shows the code as one, with at least 10 digits",
			Request: NewGuest{Name: "Plumber", Kind: access.Pass, From: from, Until: from.Add(2 * time.Hour), Uses: 2}, Response: guestAnswer{Guest: guest, Pass: "DG1:…", SVG: "<svg…"}},
		{Method: "GET", Pattern: api + "/guests/{id}", Access: AsResident, Handler: s.getGuest, Status: 200, Summary: "A pass once more, to be sent again; a code is not kept", Response: guestAnswer{Pass: "DG1:…", SVG: "<svg…"}},
		{Method: "DELETE", Pattern: api + "/guests/{id}", Access: AsResident, Handler: s.deleteGuest, Status: 204, Summary: "Withdraw a guest's pass or code"},
		{Method: "GET", Pattern: api + "/presence", Access: AsInstaller, Handler: s.getPresence, Status: 200, Summary: "Who is inside now",
			Response: presenceAnswer{[]InsideView{{Person: "p7", Name: "Ada Lovelace", Door: "front", Since: from, Trusted: true}}}},
		{Method: "POST", Pattern: api + "/presence/reset", Access: AsInstaller, Handler: s.postPresenceReset, Status: 204, Summary: "Take a person off the list of those inside, or everybody", Request: presenceReset{Person: "p7"}},
		{Method: "GET", Pattern: api + "/attendance", Access: AsInstaller, Handler: s.getAttendance, Status: 200, Query: []string{"from", "until", "format"},
			Summary:  "When people came and went, day by day; only while it is switched on, and each look is written down. format is json or csv; from and until are days",
			Response: object{"days": []AttendanceDay{{Day: "2026-11-24", Person: "p7", Name: "Ada Lovelace", In: from, Out: from.Add(8 * time.Hour)}}}},
	}
}

// manages reports whether a caller sees and withdraws what others gave.
func (c caller) manages() bool { return c.Role == Administrator || c.Role == Installer }

func (s *Server) getGuests(w http.ResponseWriter, _ *http.Request, c caller) error {
	by := c.User
	if c.manages() {
		by = ""
	}
	guests, err := s.o.Access.Guests.Guests(by)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"guests": list(guests)})
}

func (s *Server) postGuest(w http.ResponseWriter, r *http.Request, c caller) error {
	var in NewGuest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := checkName("name", in.Name, true); err != nil {
		return err
	}
	if len(in.Doors) > maxDoors {
		return problem(http.StatusUnprocessableEntity, "not-valid", "these are too many doors")
	}
	made, shown, err := s.o.Access.Guests.MakeGuest(r.Context(), in, c.User)
	if err != nil {
		return err
	}
	a := guestAnswer{Guest: made}
	if made.Kind == access.Pass {
		a.Pass = shown
	} else {
		a.Code = shown
	}
	if made.Kind == access.Pass || in.Picture {
		if a.SVG, err = drawn(shown); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusCreated, a)
}

// drawn is the picture of a pass or a code. What a guessing machine could show as fast as it likes is never drawn.
func drawn(text string) (string, error) {
	if isDigits(text) && access.ScannedCodeFault(text) != "" {
		return "", problem(http.StatusUnprocessableEntity, "not-valid", access.ScannedCodeFault(text))
	}
	svg, err := qr.SVG(text, qr.Options{})
	return string(svg), err
}

func isDigits(text string) bool {
	return !slices.ContainsFunc([]byte(text), func(b byte) bool { return b < '0' || b > '9' })
}

func (s *Server) getGuest(w http.ResponseWriter, r *http.Request, c caller) error {
	text, err := s.o.Access.Guests.ShowGuest(r.PathValue("id"), c.User, c.manages())
	if err != nil {
		return err
	}
	svg, err := drawn(text)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"pass": text, "svg": svg})
}

func (s *Server) deleteGuest(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.Access.Guests.RevokeGuest(r.Context(), r.PathValue("id"), c.User, c.manages()))
}

func (s *Server) getPresence(w http.ResponseWriter, r *http.Request, _ caller) error {
	inside, err := s.o.Access.Presence.Inside(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, presenceAnswer{list(inside)})
}

func (s *Server) postPresenceReset(w http.ResponseWriter, r *http.Request, c caller) error {
	var in presenceReset
	if err := decode(w, r, &in); err != nil {
		return err
	}
	return gone(w, s.o.Access.Presence.ResetPresence(r.Context(), in.Person, c.User))
}

func (s *Server) getAttendance(w http.ResponseWriter, r *http.Request, c caller) error {
	q := r.URL.Query()
	now := s.o.Clock().Wall
	from, until := now.AddDate(0, 0, -7), now.AddDate(0, 0, 1)
	for name, day := range map[string]*time.Time{"from": &from, "until": &until} {
		if q.Get(name) == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, q.Get(name))
		if err != nil {
			return problem(http.StatusBadRequest, "bad-query", name+" is a day such as 2026-11-23")
		}
		*day = t
	}
	if !from.Before(until) {
		return problem(http.StatusBadRequest, "bad-query", "until must be later than from")
	}
	days, err := s.o.Access.Attendance.Attendance(r.Context(), from, until, c.User)
	if err != nil {
		return err
	}
	switch q.Get("format") {
	case "", "json":
		return writeJSON(w, http.StatusOK, object{"days": list(days)})
	case "csv":
		return attendanceCSV(w, days)
	}
	return problem(http.StatusBadRequest, "bad-query", "format is csv or json")
}

func attendanceCSV(w http.ResponseWriter, days []AttendanceDay) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="attendance.csv"`)
	if _, err := fmt.Fprint(w, "\ufeff"); err != nil {
		return nil // the reader went away
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"day", "person", "name", "in", "out"})
	for _, d := range days {
		_ = out.Write([]string{d.Day, d.Person, guarded(d.Name), at(d.In), at(d.Out)})
	}
	out.Flush()
	return nil // what was begun cannot be answered otherwise
}
