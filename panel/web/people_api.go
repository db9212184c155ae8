package web

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/doorpanel/doorpanel/panel/access"
)

type (
	personRequest struct {
		Name string `json:"name"`
		Note string `json:"note,omitempty"`
		Flat string `json:"flat,omitempty"`
		// Groups and Rights that are absent stay as they are; a new person without either may open every door.
		Groups []string       `json:"groups,omitempty"`
		Rights []access.Right `json:"rights,omitempty"`
	}
	credentialAnswer struct {
		access.Credential
		Code string `json:"code,omitempty"`
	}
	learnRequest struct {
		Reader string `json:"reader,omitempty"`
		Person string `json:"person,omitempty"` // the card becomes this person's at once
	}
	learnAnswer struct {
		UID        string             `json:"uid"`
		Reader     string             `json:"reader"`
		Credential *access.Credential `json:"credential,omitempty"` // what was made of it for the person
	}
)

// The bounds of a credential that is used up.
const (
	maxUses    = 10_000
	maxMinutes = 366 * 24 * 60
)

// peopleRoutes are persons and what they open doors with.
func (s *Server) peopleRoutes() []route {
	paged := []string{"after", "limit"}
	return []route{
		{Method: "GET", Pattern: api + "/people", Access: AsInstaller, Handler: s.getPeople, Status: 200, Query: []string{"q", "group", "sort", "after", "limit"}, Summary: "Persons by id; sorted by name with sort=name, with words that are searched (q), or with a group",
			Response: PeoplePage{People: []Person{{ID: "p7", Name: "Ada Lovelace", Flat: "4", Cards: 1}}, Total: 1}},
		{Method: "GET", Pattern: api + "/people/{id}", Access: AsInstaller, Handler: s.getPerson, Status: 200, Summary: "A person with every card and code",
			Response: object{"id": "p7", "name": "Ada Lovelace", "flat": "4", "cards": 1, "codes": 0, "credentials": []object{{"id": "p7-1", "person": "p7", "kind": "card"}}}},
		{Method: "POST", Pattern: api + "/people", Access: AsInstaller, Handler: s.postPerson, Status: 201, Summary: "Add a person",
			Request: personRequest{Name: "Ada Lovelace", Flat: "4"}, Response: Person{ID: "p7", Name: "Ada Lovelace", Flat: "4"}},
		{Method: "PUT", Pattern: api + "/people/{id}", Access: AsInstaller, Handler: s.putPerson, Status: 200, Summary: "Change a person",
			Request: personRequest{Name: "Ada King"}, Response: Person{ID: "p7", Name: "Ada King"}},
		{Method: "DELETE", Pattern: api + "/people/{id}", Access: AsInstaller, Handler: s.deletePerson, Status: 204, Query: []string{"journal"}, Summary: "Erase a person with every card and code; journal=erase: out of the journal too"},
		{Method: "GET", Pattern: api + "/credentials", Access: AsInstaller, Handler: s.getCredentials, Status: 200, Query: append([]string{"too_short"}, paged...), Summary: "Cards and codes, by id; what is shown to a reader is not stored. too_short=1: only codes that would have to be longer now, with name and needs_digits",
			Response: object{"credentials": []object{{"id": "c3", "person": "p7", "kind": "card"}}, "next": ""}},
		{Method: "POST", Pattern: api + "/credentials", Access: AsInstaller, Handler: s.postCredential, Status: 201, Summary: "Add a card or a code; a code that was drawn is answered once",
			Request: NewCredential{Person: "Ada Lovelace", Kind: "card", UID: "04A1B2C3"}, Response: object{"id": "c3", "person": "p7", "kind": "code", "code": "483920"}},
		{Method: "DELETE", Pattern: api + "/credentials/{id}", Access: AsInstaller, Handler: s.deleteCredential, Status: 204, Summary: "Withdraw a card or a code"},
		{Method: "POST", Pattern: api + "/learn", Access: AsInstaller, Handler: s.postLearn, Status: 200, Summary: "Wait up to 30 s for the next card at a reader, and make it a person's",
			Request: learnRequest{Reader: "front-in", Person: "p7"}, Response: learnAnswer{UID: "04A1B2C3", Reader: "front-in"}},
	}
}

func (s *Server) getPeople(w http.ResponseWriter, r *http.Request, _ caller) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	query := PeopleQuery{Search: q.Get("q"), Group: q.Get("group"), ByName: q.Get("sort") == "name", After: after, Limit: limit}
	if err := errors.Join(checkName("q", query.Search, false), checkName("group", query.Group, false)); err != nil {
		return err
	}
	found, err := s.o.Directory.People(query)
	if err != nil {
		return err
	}
	found.People = list(found.People)
	return writeJSON(w, http.StatusOK, found)
}

func (s *Server) getPerson(w http.ResponseWriter, r *http.Request, _ caller) error {
	p, err := s.o.Directory.Person(r.PathValue("id"))
	if err != nil {
		return err
	}
	p.Credentials = list(p.Credentials)
	return writeJSON(w, http.StatusOK, p)
}

func (s *Server) postPerson(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.savePerson(w, r, c, "", http.StatusCreated)
}

func (s *Server) putPerson(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.savePerson(w, r, c, r.PathValue("id"), http.StatusOK)
}

func (s *Server) savePerson(w http.ResponseWriter, r *http.Request, c caller, id string, status int) error {
	var in personRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := errors.Join(checkName("name", in.Name, true), checkName("note", in.Note, false), checkID(id)); err != nil {
		return err
	}
	p, err := s.o.People.PutPerson(r.Context(), Person{ID: id, Name: in.Name, Note: in.Note, Flat: in.Flat, Groups: in.Groups, Rights: in.Rights}, c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, status, p)
}

func (s *Server) deletePerson(w http.ResponseWriter, r *http.Request, c caller) error {
	id := r.PathValue("id")
	switch journal := r.URL.Query().Get("journal"); journal {
	case "":
		return gone(w, s.o.People.DeletePeople(r.Context(), []string{id}, c.User))
	case "erase":
	default:
		return problem(http.StatusBadRequest, "bad-query", `journal is "erase" or left out`)
	}
	person, err := s.o.Directory.Person(id)
	if err != nil {
		return err
	}
	if err := s.o.People.DeletePeople(r.Context(), []string{id}, c.User); err != nil {
		return err
	}
	_, err = s.o.Archive.ErasePerson(r.Context(), id, person.Name, c.User)
	return gone(w, err)
}

func (s *Server) getCredentials(w http.ResponseWriter, r *http.Request, _ caller) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	switch short := r.URL.Query().Get("too_short"); short {
	case "", "0":
	case "1":
		found, err := s.o.Access.Codes.ShortCodes(after, limit)
		if err != nil {
			return err
		}
		found.Credentials = list(found.Credentials)
		return writeJSON(w, http.StatusOK, found)
	default:
		return problem(http.StatusBadRequest, "bad-query", "too_short is 1 or 0")
	}
	credentials, err := s.o.Credentials.Credentials(after, limit)
	if err != nil {
		return err
	}
	next := ""
	if len(credentials) == limit {
		next = credentials[len(credentials)-1].ID
	}
	return writeJSON(w, http.StatusOK, object{"credentials": list(credentials), "next": next})
}

func (s *Server) postCredential(w http.ResponseWriter, r *http.Request, c caller) error {
	var in NewCredential
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := checkCredential(&in); err != nil {
		return err
	}
	made, code, err := s.o.Credentials.AddCredential(r.Context(), in, c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, credentialAnswer{made, code})
}

func (s *Server) deleteCredential(w http.ResponseWriter, r *http.Request, c caller) error {
	return gone(w, s.o.Credentials.RemoveCredential(r.Context(), r.PathValue("id"), c.User))
}

// checkCredential refuses what has no good form and writes the UID as readers do.
func checkCredential(c *NewCredential) error {
	bad := func(format string, args ...any) error {
		return problem(http.StatusUnprocessableEntity, "not-valid", fmt.Sprintf(format, args...))
	}
	if err := checkName("person", c.Person, true); err != nil {
		return err
	}
	switch c.Kind {
	case access.Card:
		if c.Code != "" {
			return bad("a card has no code; send its uid")
		}
		c.UID = strings.ToUpper(strings.NewReplacer(":", "", "-", "", " ", "").Replace(c.UID))
		if raw, err := hex.DecodeString(c.UID); err != nil || len(raw) < 4 || len(raw) > 10 {
			return bad("the uid %.40q is not a card's: write 4 to 10 bytes in hexadecimal, like 04A1B2C3", c.UID)
		}
	case access.Code:
		if c.UID != "" {
			return bad("a code has no uid")
		}
		if c.Code == "" {
			break
		}
		if len(c.Code) < 4 || len(c.Code) > 12 || strings.Trim(c.Code, "0123456789") != "" {
			return bad("a code has 4 to 12 digits")
		}
		if why := access.WeakCode(c.Code); why != "" {
			return bad("this code is one of the first that are tried: %s; use another, or leave it to the panel to draw one", why)
		}
	default:
		return bad("the kind %.20q is unknown; write card or code", string(c.Kind))
	}
	if len(c.Doors) > maxDoors {
		return bad("%d doors are too many", len(c.Doors))
	}
	for _, door := range c.Doors {
		if err := checkName("door", door, true); err != nil {
			return err
		}
	}
	if c.Uses < 0 || c.Uses > maxUses || c.Minutes < 0 || c.Minutes > maxMinutes {
		return bad("uses are 0 to %d, minutes_from_first_use 0 to %d", maxUses, maxMinutes)
	}
	if !c.From.IsZero() && !c.Until.IsZero() && !c.From.Before(c.Until) {
		return bad("valid_until must be later than valid_from")
	}
	return checkName("schedule", c.Schedule, false)
}

func (s *Server) postLearn(w http.ResponseWriter, r *http.Request, c caller) error {
	var in learnRequest
	if r.ContentLength != 0 {
		if err := decode(w, r, &in); err != nil {
			return err
		}
	}
	ctx, leave, err := s.wait(w, r, learnTime)
	if err != nil {
		return err
	}
	defer leave()
	uid, reader, err := s.o.Learner.Learn(ctx, in.Reader)
	if errors.Is(err, context.DeadlineExceeded) {
		return problem(http.StatusNotFound, "no-card", "no card was presented within 30 seconds")
	}
	if err != nil {
		return err
	}
	a := learnAnswer{UID: uid, Reader: reader}
	if in.Person != "" {
		// Who skipped this person in the meantime has the next one's card in hand; who leaves later finds the card bound.
		if err := r.Context().Err(); err != nil {
			return err
		}
		made, _, err := s.o.Credentials.AddCredential(context.WithoutCancel(ctx), NewCredential{Person: in.Person, Kind: access.Card, UID: uid}, c.User)
		if err != nil {
			return err
		}
		a.Credential = &made
	}
	return writeJSON(w, http.StatusOK, a)
}
