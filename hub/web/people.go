package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// personView is a user of the tree as one caller may see him, with those of his groups that the caller sees.
	personView struct {
		ledger.User
		groups []groupView
		others int // groups that the caller does not see
	}
	// personRow is a user in a group's list.
	personRow struct {
		user      ledger.User
		used      string
		suspended int
	}
	// peoplePage is the list of a group's users.
	peoplePage struct {
		groupPage
		rows []personRow
		more string
	}
	// personPage is the page of one user, or the form of a new one.
	personPage struct {
		groupPage            // of the group in which he is looked at
		person    personView // zero: a new one
		name      string
		mail      string
		limits    limitsView
		state     ledger.State
		plain     bool
		uses      []ledger.Use
		query     string
		found     []groupRow
		mayEdit   bool
		mayRemove bool
		own       personOwn
	}
	// personRequest is the form of a user with his license settings.
	personRequest struct {
		Step   string     `json:"step"`
		Name   string     `json:"name"`
		Mail   string     `json:"mail"`
		Limits limitsForm `json:"limits"`
		Whole  bool       `json:"whole"` // the last field of the form
	}
	useRequest struct {
		Resource string `json:"resource"`
		Count    string `json:"count,omitempty"`
		Label    string `json:"label"`
	}
	pinRequest struct {
		On bool `json:"on"`
	}
	memberRequest struct {
		Group string `json:"group"`
		Leave bool   `json:"leave,omitempty"`
	}
)

func (s *Server) peopleRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: "/groups/{group}/people", Access: LoggedIn, Handler: s.pagePeople, Page: true, Status: 200, Query: []string{"after"}, Summary: "The users of a group"},
		{Method: "GET", Pattern: "/groups/{group}/people/new", Access: LoggedIn, Handler: s.pageNewPerson, Page: true, Status: 200, Summary: "Make a user"},
		{Method: "POST", Pattern: "/groups/{group}/people", Access: LoggedIn, Handler: s.postNewPerson, Page: true, Changes: true, Status: http.StatusSeeOther, Summary: "Make a user, or see what his licenses would do"},
		{Method: "GET", Pattern: "/people/{person}", Access: LoggedIn, Handler: s.pagePerson, Page: true, Status: 200, Query: []string{"q"}, Summary: "A user and what he holds"},
		{Method: "POST", Pattern: "/people/{person}", Access: LoggedIn, Handler: s.postPerson, Page: true, Changes: true, Status: http.StatusSeeOther, Summary: "Change a user, or see what that would do"},
		ledgerForm("/people/{person}/groups", "Let a user be in another group too, or no longer", s.doMember),
		ledgerForm("/people/{person}/uses", "Give a user a number, a seat or keys", s.doUse),
		ledgerForm("/people/{person}/uses/{use}/pin", "Suspend a use last, or no longer so", s.doPin),
		ledgerForm("/people/{person}/uses/{use}/release", "Take a use back", s.doRelease),
		ledgerForm("/people/{person}/licenses", "Associate a license with a user's account, or let it wait again", s.doPersonLicense),
		ledgerForm("/people/{person}/remove", "A user moves out", s.doRemovePerson),
	}
}

// personRights are those with which users are seen at all.
func personRights() []roles.Right { return []roles.Right{roles.SeePersons, roles.EditUserLicenses} }

// findPerson reads a user. That there is none, and that the caller may not know him, are told alike.
func (v *visit) findPerson(book ledger.Book, id string) (personView, error) {
	user, found, err := book.User(id)
	if err != nil || !found {
		return personView{}, cmp.Or[error](err, notThere())
	}
	p := personView{User: user}
	for _, id := range user.Groups {
		g, err := v.findGroup(book, id)
		if err != nil || !g.may(personRights()...) {
			p.others++
			continue
		}
		p.groups = append(p.groups, g)
	}
	if len(p.groups) == 0 {
		return personView{}, notThere()
	}
	return p, nil
}

// may tells whether the caller has one of the rights in every group of the user.
func (p personView) may(rights ...roles.Right) bool {
	return p.others == 0 && !slices.ContainsFunc(p.groups, func(g groupView) bool { return !g.may(rights...) })
}

// personAt is the user that the address names, for those who have one of the rights in all of his groups.
func (v *visit) personAt(rights ...roles.Right) (p personView, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) (err error) {
		p, err = v.findPerson(book, v.path("person"))
		return err
	})
	if err == nil && !p.may(rights...) {
		err = problem(http.StatusForbidden, "not-allowed", "this needs the right “"+rights[0].Title()+"” in every group of "+p.Name)
	}
	return p, err
}

func (s *Server) pagePeople(v *visit) error {
	p := peoplePage{}
	err := v.inGroup(func(book ledger.Book, g groupView) error {
		p.groupPage = groupPage{g, s.o.Now(), "people"}
		for user, err := range book.UsersIn(g.ID, v.r.URL.Query().Get("after")) {
			if err != nil {
				return err
			}
			if len(p.rows) == usersAtOnce {
				p.more = p.rows[usersAtOnce-1].user.ID
				break
			}
			p.rows = append(p.rows, rowOfPerson(user))
		}
		return nil
	}, personRights()...)
	if err != nil {
		return err
	}
	slices.SortStableFunc(p.rows, func(a, b personRow) int { return compareNames(a.user.Name, b.user.Name) })
	return v.show(p.Name+": users", "licenses", peopleOfGroup(p))
}

func rowOfPerson(user ledger.User) personRow {
	row := personRow{user: user}
	var words []string
	for _, r := range []ledger.Resource{ledger.SIPNumbers, ledger.Apps, ledger.UKey} {
		if n := user.Count.Used[r]; n > 0 {
			words = append(words, plural(n, useTitle(ledger.Use{Resource: r}), r.Title()))
		}
		row.suspended += user.Count.Used[r] - user.Count.Active[r]
	}
	row.used = strings.Join(words, ", ")
	return row
}

func (s *Server) newPersonPage(v *visit) (personPage, error) {
	g, err := v.groupAt(roles.EditUserLicenses)
	if err != nil {
		return personPage{}, err
	}
	p := personPage{groupPage: groupPage{g, s.o.Now(), "people"}, mayEdit: true}
	p.limits = limitsView{zone: g.zone, now: p.now, target: at("groups", g.ID, "people"), user: true}
	return p, nil
}

func (s *Server) pageNewPerson(v *visit) error {
	p, err := s.newPersonPage(v)
	if err != nil {
		return err
	}
	return v.show("New user in "+p.Name, "licenses", newPerson(p))
}

func (s *Server) postNewPerson(v *visit) error {
	in, err := v.personForm()
	if err != nil {
		return err
	}
	p, err := s.newPersonPage(v)
	if err != nil {
		return err
	}
	id := newRecordID()
	change := func(in personRequest, limits ledger.Limits) ledger.Change {
		return ledger.AddUser{User: ledger.User{ID: id, Name: in.Name, Mail: in.Mail, Groups: []string{p.ID}, Limits: limits}, Clip: in.Step == "clip"}
	}
	status, err := s.stepPerson(v, &p, in, change, ledger.Subject{Group: p.ID})
	return v.answerPerson(p, status, at("people", id), err)
}

func (s *Server) personPage(v *visit) (personPage, error) {
	p := personPage{query: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		if p.person, err = v.findPerson(book, v.path("person")); err != nil {
			return err
		}
		g := p.person.groups[0]
		p.groupPage = groupPage{g, s.o.Now(), "people"}
		p.mayEdit, p.mayRemove = p.person.may(roles.EditUserLicenses), p.person.may(roles.EditUserLicenses, roles.EditPersons)
		p.name, p.mail = p.person.Name, p.person.Mail
		p.limits = limitsView{form: formOf(p.person.Limits, g.zone), edition: editionOfPerson(p.person.User), zone: g.zone, now: p.now, target: at("people", p.person.ID), user: true}
		p.plain = !g.may(roles.SeeLicenses)
		if p.state, err = ledger.StateOf(book, p.now, ledger.Subject{User: p.person.ID}, g.asker()); err != nil {
			return err
		}
		if p.own, err = v.personOwn(book, p.person); err != nil {
			return err
		}
		for use, err := range book.UsesOf(p.person.ID) {
			if err != nil {
				return err
			}
			p.uses = append(p.uses, use)
		}
		slices.SortStableFunc(p.uses, func(a, b ledger.Use) int { return a.Since.Compare(b.Since) })
		return nil
	})
	return p, err
}

func editionOfPerson(u ledger.User) string {
	return editionOf([]any{u.Name, u.Mail, u.Groups, u.Limits})
}

func (s *Server) pagePerson(v *visit) error {
	p, err := s.personPage(v)
	if err != nil {
		return err
	}
	if p.query != "" && p.mayEdit {
		move := movePage{groupPage: p.groupPage, query: p.query}
		if err := s.findMemberships(v, &move, p.person); err != nil {
			return err
		}
		p.found = move.found
	}
	return v.show(p.person.Name, "licenses", personOfGroup(p))
}

// findMemberships looks for groups that a user could be in as well.
func (s *Server) findMemberships(v *visit, p *movePage, person personView) error {
	_, err := v.eachNamed(p.Root, p.query, func(_ ledger.Book, g groupView) (bool, error) {
		if g.may(roles.EditUserLicenses) && g.Archived.IsZero() && !slices.Contains(person.Groups, g.ID) {
			p.found = append(p.found, groupRow{group: g.Group, level: g.level(), above: groupNames(g.visible())})
		}
		return len(p.found) < maxFound, nil
	})
	return err
}

func (s *Server) postPerson(v *visit) error {
	in, err := v.personForm()
	if err != nil {
		return err
	}
	p, status, err := s.editPerson(v, in)
	return v.answerPerson(p, status, at("people", p.person.ID), err)
}

// editPerson is postPerson as one step. It neither reads from the browser nor writes to it, so that nobody holds up all others by
// being slow.
func (s *Server) editPerson(v *visit, in personRequest) (p personPage, status int, err error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	if p, err = s.personPage(v); err != nil {
		return p, 0, err
	}
	if !p.mayEdit {
		return p, 0, problem(http.StatusForbidden, "not-allowed", "this needs the right “"+roles.EditUserLicenses.Title()+"” in every group of "+p.person.Name)
	}
	change := func(in personRequest, limits ledger.Limits) ledger.Change {
		return ledger.EditUser{ID: p.person.ID, Name: &in.Name, Mail: &in.Mail, Limits: &limits, Clip: in.Step == "clip"}
	}
	status, err = s.stepPerson(v, &p, in, change, ledger.Subject{User: p.person.ID})
	return p, status, err
}

func (v *visit) personForm() (in personRequest, err error) {
	err = v.decodeForm(&in)
	in.Name, in.Mail = strings.TrimSpace(in.Name), strings.TrimSpace(in.Mail)
	return in, err
}

// answerPerson answers what stepPerson came to.
func (v *visit) answerPerson(p personPage, status int, saved string, err error) error {
	switch {
	case err != nil:
		return err
	case status == http.StatusSeeOther:
		v.redirect(saved)
		return nil
	case p.person.ID == "":
		return v.redraw(status, "#limits", personForm(p), "New user in "+p.Name, newPerson(p))
	}
	return v.redraw(status, "#limits", personForm(p), p.person.Name, personOfGroup(p))
}

// stepPerson does what the pressed button of a user's form says, and gives the status to answer with: StatusSeeOther when it is saved.
func (s *Server) stepPerson(v *visit, p *personPage, in personRequest, change func(personRequest, ledger.Limits) ledger.Change, subject ledger.Subject) (status int, err error) {
	view := &p.limits
	drawn := view.edition
	view.form, p.name, p.mail = in.Limits, in.Name, in.Mail
	if changedByStep(view, in.Step) {
		return http.StatusOK, nil
	}
	limits, wrong := in.Limits.limits(p.zone, p.person.Limits)
	if err := checkPerson(in); err != nil {
		wrong = fieldErrors{"": err.Error()}
	}
	if wrong != nil {
		view.wrong = wrong
		return http.StatusUnprocessableEntity, nil
	}
	view.form = sameIDs(view.form, limits)
	if in.Step == "whatif" {
		return s.answerWhatIf(v, view, p.groupView, change(in, limits), subject)
	}
	if err := arrived(in.Whole); err != nil {
		return 0, err
	}
	if v.drawn != drawn {
		view.wrong = staleForm(p.person.Name)
		return http.StatusConflict, nil
	}
	changes, err := v.decide(p.groupView, change(in, limits))
	if refusedBy(view, err) {
		return http.StatusUnprocessableEntity, nil
	}
	if err != nil {
		return 0, err
	}
	v.say(noticeWords(in.Name+" is saved.", changes.Notices))
	return http.StatusSeeOther, nil
}

func checkPerson(in personRequest) error {
	if err := checkName("the name", in.Name, true); err != nil {
		return err
	}
	if in.Mail == "" {
		return nil
	}
	if a, err := addressesOf(in.Mail); err != nil || len(a) != 1 {
		return notValid("the mail address is one such as ines@example.org")
	}
	return nil
}

func (s *Server) doMember(v *visit, in memberRequest) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	groups := slices.Clone(p.Groups)
	said := p.Name + " is in another group too; the strictest limit counts."
	if in.Leave {
		groups = slices.DeleteFunc(groups, func(id string) bool { return id == in.Group })
		said = p.Name + " is no longer in that group."
	} else if !slices.Contains(groups, in.Group) {
		if err := s.o.Ledger.Look(func(book ledger.Book) error {
			_, err := v.needGroup(book, in.Group, roles.EditUserLicenses)
			return err
		}); err != nil {
			return outcome{}, err
		}
		groups = append(groups, in.Group)
	}
	changes, err := v.decide(p.groups[0], ledger.EditUser{ID: p.ID, Groups: &groups})
	return outcome{Said: noticeWords(said, changes.Notices), Back: at("people", p.ID)}, err
}

func (s *Server) doUse(v *visit, in useRequest) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	resource, known := ledger.ParseResource(in.Resource)
	if !known {
		return outcome{}, notValid("choose what is given: a SIP number, an application or mobile keys")
	}
	in.Label = strings.TrimSpace(in.Label)
	if err := checkName("the number or name", in.Label, false); err != nil {
		return outcome{}, err
	}
	n := 1
	if text := strings.TrimSpace(in.Count); text != "" {
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > ledger.MaxCount {
			return outcome{}, notValid("how many is a whole number from 1 on")
		}
	}
	use := ledger.Consume{ID: newRecordID(), Resource: resource, Count: n, User: p.ID, Label: in.Label}
	if _, err := v.decide(p.groups[0], use); err != nil {
		return outcome{}, err
	}
	return outcome{Said: useTitle(ledger.Use{Resource: resource, Count: n, Label: in.Label}) + " is given to " + p.Name + ".", Back: at("people", p.ID) + "#uses"}, nil
}

// useAt is the use that the address names, of the user that it names.
func (v *visit) useAt(p personView) (use ledger.Use, err error) {
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		found, there, err := book.Use(v.path("use"))
		if err == nil && (!there || found.User != p.ID) {
			return notThere()
		}
		use = found
		return err
	})
	return use, err
}

func (s *Server) doPin(v *visit, in pinRequest) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	use, err := v.useAt(p)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(p.groups[0], ledger.Pin{Use: use.ID, On: in.On})
	said := useTitle(use) + " is suspended last from now on."
	if !in.On {
		said = useTitle(use) + " is not pinned any more."
	}
	return outcome{Said: said, Back: at("people", p.ID) + "#uses"}, err
}

func (s *Server) doRelease(v *visit, _ none) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses)
	if err != nil {
		return outcome{}, err
	}
	use, err := v.useAt(p)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(p.groups[0], ledger.Release{Use: use.ID})
	return outcome{Said: useTitle(use) + " is back in the pool.", Back: at("people", p.ID) + "#uses"}, err
}

func (s *Server) doRemovePerson(v *visit, _ none) (outcome, error) {
	p, err := v.personAt(roles.EditUserLicenses, roles.EditPersons)
	if err != nil {
		return outcome{}, err
	}
	_, err = v.decide(p.groups[0], ledger.RemoveUser{ID: p.ID})
	return outcome{Said: p.Name + " has moved out: everything that he held is back in the pool.", Back: at("groups", p.groups[0].ID, "people")}, err
}
