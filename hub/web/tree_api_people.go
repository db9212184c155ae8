package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// personAnswer is a user of the tree as far as the caller may know him.
	personAnswer struct {
		ID      string         `json:"id"`
		Name    string         `json:"name"`
		Mail    string         `json:"mail,omitempty"`
		Groups  []string       `json:"groups"`                 // those that the caller sees
		Others  int            `json:"other_groups,omitempty"` // how many more there are
		Limits  *limitsJSON    `json:"limits,omitempty"`       // for those who have to do with licenses
		Used    ledger.Amounts `json:"used"`
		Active  ledger.Amounts `json:"active"` // of Used, not suspended
		Made    time.Time      `json:"made"`
		Uses    []useAnswer    `json:"uses,omitempty"`
		Edition string         `json:"edition,omitempty"` // for If-Match
	}
	newPersonRequest struct {
		ID     string      `json:"id,omitempty"`
		Name   string      `json:"name"`
		Mail   string      `json:"mail,omitempty"`
		Groups []string    `json:"groups,omitempty"` // besides the one of the address
		Limits *limitsJSON `json:"limits,omitempty"` // none: those of his groups
		Clip   bool        `json:"clip,omitempty"`
	}
	// editPersonRequest changes what is there; the rest stays.
	editPersonRequest struct {
		Name   *string     `json:"name,omitempty"`
		Mail   *string     `json:"mail,omitempty"`
		Groups *[]string   `json:"groups,omitempty"`
		Limits *limitsJSON `json:"limits,omitempty"`
		Clip   bool        `json:"clip,omitempty"`
	}
	// savedPerson is a user after a change.
	savedPerson struct {
		Person  personAnswer    `json:"person"`
		Notices []ledger.Notice `json:"notices,omitempty"`
	}
	// goneAnswer is what somebody who moved out gave back.
	goneAnswer struct {
		Released []useAnswer `json:"released"`
	}
)

func (s *Server) peopleAPI() []route {
	limits := limitsJSON{Restricted: true, Blocks: []blockJSON{{Counts: numbersAndApps(3, 3), Until: "2027-06-30T00:00:00+02:00"}}}
	name := "Ada Rossi"
	example := personAnswer{ID: "7p1v0k3m9s2a4c6e8g0i2k4m", Name: name, Groups: []string{"0m3k2a1-4f0c9a2b7d11e8"}, Limits: &limits, Used: numbersAndApps(1, 1), Active: numbersAndApps(1, 1), Edition: "9c2f1a907c2f1a90"}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/groups/{group}/people", Access: LoggedIn, Handler: s.getPeople, Status: 200, Query: []string{"after"}, Summary: "The users in a group itself",
				Response: object{"people": []personAnswer{example}, "next": ""}},
			{Method: "GET", Pattern: api + "/people/{person}", Access: LoggedIn, Handler: s.getPerson, Status: 200, Summary: "A user and what he holds", Response: example},
			{Method: "GET", Pattern: api + "/people/{person}/state", Access: LoggedIn, Handler: s.getPersonState, Status: 200, Summary: "How a user stands", Response: ledger.State{}},
		},
		ledgerDeed(deed[newPersonRequest]{Method: "POST", API: "/groups/{group}/people", Access: roles.EditUserLicenses, Status: 201, Summary: "Make a user in a group; again with the same id makes nobody twice",
			Request: newPersonRequest{Name: name, Limits: &limits}, Response: savedPerson{Person: example}, Do: s.doAPINewPerson}),
		ledgerDeed(deed[editPersonRequest]{Method: "PUT", API: "/people/{person}", Access: roles.EditUserLicenses, Status: 200, Summary: "Change a user, his groups or his own licenses; what is left out stays",
			Request: editPersonRequest{Name: &name, Limits: &limits}, Response: savedPerson{Person: example}, Do: s.doAPIPerson}),
		ledgerDeed(deed[editPersonRequest]{Method: "POST", API: "/people/{person}/preview", Access: roles.EditUserLicenses, Status: 200, Summary: "What changing a user would do",
			Request: editPersonRequest{Limits: &limits}, Response: whatIfAnswer{}, Do: s.doAPIPersonWhatIf}),
		ledgerDeed(deed[none]{Method: "DELETE", API: "/people/{person}", Access: LoggedIn, Status: 200, Summary: "A user moves out: all that he held goes back at once",
			Response: goneAnswer{Released: []useAnswer{exampleUse()}}, Do: s.doAPIRemovePerson}),
	)
}

// answer is the user in the words of the API, without his uses.
func (p personView) answer() personAnswer {
	out := personAnswer{ID: p.ID, Name: p.Name, Mail: p.Mail, Groups: []string{}, Others: p.others, Used: p.Count.Used, Active: p.Count.Active, Made: p.Made}
	licensed := false
	for _, g := range p.groups {
		out.Groups = append(out.Groups, g.ID)
		licensed = licensed || g.may(roles.SeeLicenses, roles.EditUserLicenses)
	}
	if licensed {
		limits := limitsIn(p.Limits, p.groups[0].zone)
		out.Limits, out.Edition = &limits, editionOfPerson(p.User)
	}
	return out
}

func (s *Server) getPeople(v *visit) error {
	found, next := []personAnswer{}, ""
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		for user, err := range book.UsersIn(g.ID, v.r.URL.Query().Get("after")) {
			if err != nil {
				return err
			}
			if len(found) == usersAtOnce {
				next = found[usersAtOnce-1].ID
				return nil
			}
			p, err := v.findPerson(book, user.ID)
			if err != nil {
				return err
			}
			found = append(found, p.answer())
		}
		return nil
	}, personRights()...)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"people": found, "next": next})
}

// personNow is a user as he is now, with what he holds.
func (v *visit) personNow(id string) (answer personAnswer, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		p, err := v.findPerson(book, id)
		if err != nil {
			return err
		}
		answer = p.answer()
		answer.Uses, err = v.usesOf(book, p)
		return err
	})
	return answer, err
}

// usesOf are what a user holds, oldest first.
func (v *visit) usesOf(book ledger.Book, p personView) ([]useAnswer, error) {
	held := []useAnswer{}
	for use, err := range book.UsesOf(p.ID) {
		if err != nil {
			return nil, err
		}
		held = append(held, v.useAnswer(book, use))
	}
	slices.SortStableFunc(held, func(a, b useAnswer) int { return a.Since.Compare(b.Since) })
	return held, nil
}

func (s *Server) getPerson(v *visit) error {
	answer, err := v.personNow(v.path("person"))
	if err != nil {
		return err
	}
	if answer.Edition != "" {
		v.tag(answer.Edition)
	}
	return writeJSON(v.w, http.StatusOK, answer)
}

func (s *Server) getPersonState(v *visit) error {
	var state ledger.State
	err := s.o.Ledger.Look(func(book ledger.Book) error {
		p, err := v.findPerson(book, v.path("person"))
		if err != nil {
			return err
		}
		asker := p.asker()
		if state, err = ledger.StateOf(book, s.o.Now(), ledger.Subject{User: p.ID}, asker); err != nil {
			return err
		}
		if !p.groups[0].may(roles.SeeLicenses, roles.EditUserLicenses) {
			state.Blocks = nil
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, state)
}

// asker is how much the caller may be told of what is above a user: what he may be told in the group of his in which that is most.
func (p personView) asker() ledger.Asker {
	for _, g := range p.groups {
		if asker := g.asker(); asker.All || asker.Top != "" {
			return asker
		}
	}
	return ledger.Asker{}
}

func (s *Server) doAPINewPerson(v *visit, in newPersonRequest) (outcome, error) {
	g, groups, err := v.groupsFor(v.path("group"), in.Groups)
	if err != nil {
		return outcome{}, err
	}
	made := ledger.User{Name: strings.TrimSpace(in.Name), Mail: strings.TrimSpace(in.Mail), Groups: groups}
	if made.ID, err = drawnID(in.ID, newRecordID); err != nil {
		return outcome{}, err
	}
	if err := checkPerson(personRequest{Name: made.Name, Mail: made.Mail}); err != nil {
		return outcome{}, err
	}
	if in.Limits != nil {
		if made.Limits, err = in.Limits.limits(g.zone); err != nil {
			return outcome{}, err
		}
	}
	notices, err := v.once(g, ledger.AddUser{User: made, Clip: in.Clip}, func(book ledger.Book) (bool, error) {
		is, found, err := book.User(made.ID)
		return found && is.Name == made.Name && slices.Equal(is.Groups, made.Groups), err
	})
	if err != nil {
		return outcome{}, err
	}
	return v.personOutcome(made.ID, notices)
}

// groupsFor are the groups of a user, each once and in order, each with the right to give licenses to users there.
func (v *visit) groupsFor(first string, more []string) (g groupView, ids []string, err error) {
	if len(more) > ledger.MaxGroupsOfUser {
		return g, nil, notValid("a user is in at most 16 groups")
	}
	ids = slices.Compact(slices.Sorted(slices.Values(append([]string{first}, more...))))
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		for _, id := range ids {
			if _, err := v.needGroup(book, id, roles.EditUserLicenses); err != nil {
				return err
			}
		}
		g, err = v.needGroup(book, first, roles.EditUserLicenses)
		return err
	})
	return g, ids, err
}

func (v *visit) personOutcome(id string, notices []ledger.Notice) (outcome, error) {
	answer, err := v.personNow(id)
	if err != nil {
		return outcome{}, err
	}
	v.tag(answer.Edition)
	return outcome{Body: savedPerson{answer, notices}}, nil
}

// editOf is the change of a user that the request asks for, when the caller may make it.
func (v *visit) editOf(p personView, in editPersonRequest) (c ledger.EditUser, err error) {
	c = ledger.EditUser{ID: p.ID, Clip: in.Clip}
	name, mail := p.Name, p.Mail
	replace(&name, in.Name)
	replace(&mail, in.Mail)
	if err := checkPerson(personRequest{Name: name, Mail: mail}); err != nil {
		return c, err
	}
	c.Name, c.Mail = &name, &mail
	if in.Groups != nil {
		added := slices.DeleteFunc(slices.Clone(*in.Groups), func(id string) bool { return slices.Contains(p.Groups, id) })
		if len(*in.Groups) == 0 || len(*in.Groups) > ledger.MaxGroupsOfUser {
			return c, notValid("a user is in 1 to 16 groups")
		}
		if _, _, err := v.groupsFor(p.groups[0].ID, added); err != nil {
			return c, err
		}
		c.Groups = in.Groups
	}
	if in.Limits != nil {
		limits, err := in.Limits.limits(p.groups[0].zone)
		if err != nil {
			return c, err
		}
		c.Limits = &limits
	}
	return c, nil
}

func (s *Server) doAPIPerson(v *visit, in editPersonRequest) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	change, err := v.editOf(p, in)
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh(p.Name, editionOfPerson(p.User), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	changes, err := v.decide(p.groups[0], change)
	if err != nil {
		return outcome{}, err
	}
	return v.personOutcome(p.ID, changes.Notices)
}

func (s *Server) doAPIPersonWhatIf(v *visit, in editPersonRequest) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	change, err := v.editOf(p, in)
	if err != nil {
		return outcome{}, err
	}
	found, err := s.whatIf(v, p.groups[0], change, ledger.Subject{User: p.ID})
	return outcome{Body: found.answer()}, err
}

func (s *Server) doAPIRemovePerson(v *visit, _ none) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses, roles.EditPersons)
	if err != nil {
		return outcome{}, err
	}
	var answer goneAnswer
	if err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		answer.Released, err = v.usesOf(book, p)
		return err
	}); err != nil {
		return outcome{}, err
	}
	_, err = v.decide(p.groups[0], ledger.RemoveUser{ID: p.ID})
	return outcome{Body: answer}, err
}
