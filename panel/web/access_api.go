package web

import (
	"fmt"
	"net/http"

	"github.com/doorpanel/doorpanel/panel/access"
)

type (
	groupRequest struct {
		Name      string         `json:"name,omitempty"` // as in the address, or absent
		Note      string         `json:"note,omitempty"`
		Rights    []access.Right `json:"rights"`
		Emergency bool           `json:"emergency,omitempty"`
	}
	policyRequest struct {
		Door         string          `json:"door,omitempty"` // as in the address, or absent
		SecondFactor string          `json:"second_factor,omitempty"`
		Passback     access.Passback `json:"passback,omitempty"`
	}
	idsRequest struct {
		IDs []string `json:"ids"`
	}
)

// maxDeleted bounds what is deleted at once: one transaction holds all of it.
const maxDeleted = 1000

// accessRoutes are groups and what is decided about access as a whole.
func (s *Server) accessRoutes() []route {
	group := groupRequest{Rights: []access.Right{{Doors: []string{"front"}, Profile: "office hours"}}}
	calendar := access.Calendar{Holidays: []access.Holiday{{Date: "12-25", Name: "Christmas"}, {Date: "2027-03-29", Name: "Easter Monday"}}}
	return append(append(s.listRoutes(), s.guestRoutes()...), []route{
		{Method: "GET", Pattern: api + "/groups", Access: AsInstaller, Handler: s.getGroups, Status: 200, Summary: "Groups of people and what they may open",
			Response: object{"groups": []Group{{Name: "staff", Rights: group.Rights, Members: 12}}}},
		{Method: "PUT", Pattern: api + "/groups/{name}", Access: AsInstaller, Handler: s.putGroup, Status: 200, Summary: "Make or change a group",
			Request: group, Response: Group{Name: "staff", Rights: group.Rights}},
		{Method: "DELETE", Pattern: api + "/groups/{name}", Access: AsInstaller, Handler: s.deleteGroup, Status: 204, Summary: "Remove a group that nobody is in"},
		{Method: "GET", Pattern: api + "/calendar", Access: AsInstaller, Handler: s.getCalendar, Status: 200, Summary: "Holidays: on them a schedule has only the slots that name the day \"holiday\"", Response: calendar},
		{Method: "PUT", Pattern: api + "/calendar", Access: AsInstaller, Handler: s.putCalendar, Status: 200, Summary: "Replace the holidays", Request: calendar, Response: calendar},
		{Method: "GET", Pattern: api + "/policies", Access: AsInstaller, Handler: s.getPolicies, Status: 200, Summary: "What is asked for at each door",
			Response: object{"policies": []access.DoorPolicy{{Door: "front", SecondFactor: "night", Passback: access.PassbackSoft}}}},
		{Method: "PUT", Pattern: api + "/policies/{door}", Access: AsInstaller, Handler: s.putPolicy, Status: 200, Summary: "Ask for card and code during a schedule; treat people who come in twice",
			Request: policyRequest{SecondFactor: "night"}, Response: access.DoorPolicy{Door: "front", SecondFactor: "night"}},
		{Method: "GET", Pattern: api + "/access", Access: AsInstaller, Handler: s.getAccessSettings, Status: 200, Summary: "Settings of codes", Response: AccessSettings{}},
		{Method: "PUT", Pattern: api + "/access", Access: AsInstaller, Handler: s.putAccessSettings, Status: 200, Summary: "Change them", Request: AccessSettings{}, Response: AccessSettings{}},
		{Method: "POST", Pattern: api + "/people/delete", Access: AsInstaller, Handler: s.postDeletePeople, Status: 204, Summary: "Erase several persons with every card and code: all of them or nobody",
			Request: idsRequest{IDs: []string{"p7", "p8"}}},
		{Method: "POST", Pattern: api + "/credentials/{id}/redraw", Access: AsInstaller, Handler: s.postRedraw, Status: 201, Summary: "Replace a code by a drawn one with the same limits; it is answered once",
			Response: object{"id": "p7-2", "person": "p7", "kind": "code", "code": "4839207"}},
	}...)
}

func (s *Server) getGroups(w http.ResponseWriter, _ *http.Request, _ caller) error {
	groups, err := s.o.Access.Groups.Groups()
	if err != nil {
		return err
	}
	for i := range groups {
		groups[i].Rights = list(groups[i].Rights)
	}
	return writeJSON(w, http.StatusOK, object{"groups": list(groups)})
}

// named refuses a body that names something else than its address.
func named(what, inBody, inAddress string) error {
	if inBody != "" && inBody != inAddress {
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf("the %s in the body is not the one in the address; a %s cannot be renamed", what, what))
	}
	return nil
}

func (s *Server) putGroup(w http.ResponseWriter, r *http.Request, c caller) error {
	var in groupRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	g := Group{Name: r.PathValue("name"), Note: in.Note, Rights: list(in.Rights), Emergency: in.Emergency}
	for _, err := range []error{named("group", in.Name, g.Name), checkName("name", g.Name, true), checkName("note", g.Note, false)} {
		if err != nil {
			return err
		}
	}
	if err := s.o.Access.Groups.PutGroup(r.Context(), g, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, g)
}

func (s *Server) deleteGroup(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.Access.Groups.DeleteGroup(r.Context(), r.PathValue("name"), c.User))
}

func (s *Server) getCalendar(w http.ResponseWriter, _ *http.Request, _ caller) error {
	c, err := s.o.Access.Calendars.Calendar()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"holidays": list(c.Holidays)})
}

func (s *Server) putCalendar(w http.ResponseWriter, r *http.Request, c caller) error {
	var in access.Calendar
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := in.Check(); err != nil {
		return problem(http.StatusUnprocessableEntity, "not-valid", err.Error())
	}
	for _, h := range in.Holidays {
		if err := checkName("name", h.Name, false); err != nil {
			return err
		}
	}
	if err := s.o.Access.Calendars.PutCalendar(r.Context(), in, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"holidays": list(in.Holidays)})
}

func (s *Server) getPolicies(w http.ResponseWriter, _ *http.Request, _ caller) error {
	policies, err := s.o.Access.Policies.DoorPolicies()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"policies": list(policies)})
}

func (s *Server) putPolicy(w http.ResponseWriter, r *http.Request, c caller) error {
	var in policyRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	p := access.DoorPolicy{Door: r.PathValue("door"), SecondFactor: in.SecondFactor, Passback: in.Passback}
	if err := named("door", in.Door, p.Door); err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return problem(http.StatusUnprocessableEntity, "not-valid", err.Error())
	}
	if err := s.o.Access.Policies.PutDoorPolicy(r.Context(), p, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) getAccessSettings(w http.ResponseWriter, _ *http.Request, _ caller) error {
	settings, err := s.o.Access.Settings.AccessSettings()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, settings)
}

func (s *Server) putAccessSettings(w http.ResponseWriter, r *http.Request, c caller) error {
	// What is not named stays as it is.
	in, err := s.o.Access.Settings.AccessSettings()
	if err != nil {
		return err
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.AttendanceDays < 0 || in.AttendanceDays > 366 {
		return problem(http.StatusUnprocessableEntity, "not-valid", "attendance_days are 1 to 366; 0 means 31")
	}
	if err := s.o.Access.Settings.PutAccessSettings(r.Context(), in, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, in)
}

func (s *Server) postDeletePeople(w http.ResponseWriter, r *http.Request, c caller) error {
	var in idsRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if len(in.IDs) == 0 || len(in.IDs) > maxDeleted {
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf("name 1 to %d ids", maxDeleted))
	}
	return gone(w, s.o.People.DeletePeople(r.Context(), in.IDs, c.User))
}

func (s *Server) postRedraw(w http.ResponseWriter, r *http.Request, c caller) error {
	made, code, err := s.o.Access.Codes.RedrawCode(r.Context(), r.PathValue("id"), c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, credentialAnswer{made, code})
}
