package web

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
)

// inviteTime is how long a code for the first password is good.
const inviteTime = 14 * 24 * time.Hour

type (
	// appointRequest brings in the management company of a group.
	appointRequest struct {
		User  string `json:"user"`
		Group string `json:"group"`
		Below string `json:"below,omitempty"` // forms: a group by its id, instead of one of the list
	}
	// appointed is what whoever appointed hands on. The code is told this once.
	appointed struct {
		account
		Code  string    `json:"code"`
		Until time.Time `json:"until"`
	}
	joinRequest struct {
		User     string `json:"user"`
		Code     string `json:"code"`
		Password string `json:"password"`
	}
)

// appointRoutes are how a management company comes in where whoever hands licenses out may not see people himself (T-5, R-21).
func (s *Server) appointRoutes() []route {
	example := appointed{account: account{User: "palazzo-k3f9", Roles: []heldView{{Role: roles.Management, Title: "Management company", Group: "north", Where: "North"}}}, Code: "ABCDE-FGHIJ-KLMNO-PQRST"}
	return slices.Concat(
		deed[appointRequest]{Method: "POST", API: "/appointments", Access: roles.AppointManagement, Status: 201, Summary: "Make the account of a group's first management company; the code for its first password is told this once",
			Request: appointRequest{User: "palazzo", Group: "north"}, Response: example, Do: s.doAppoint}.routes(),
		[]route{
			{Method: "POST", Pattern: "/settings/appointments", Access: roles.AppointManagement, Page: true, Changes: true, Status: 200, Summary: "Appoint the first management company of a group", Handler: s.postAppoint},
			{Method: "GET", Pattern: "/join", Access: Public, Handler: s.pageJoin, Page: true, Status: 200, Query: []string{"user"}, Summary: "Choose the first password of an account, with the code that came with it"},
		},
		deed[joinRequest]{Method: "POST", API: "/join", Page: "/join", Access: Public, Status: 204, Summary: "Choose the first password of an account, with the code that came with it: it is good once",
			Request: joinRequest{User: "palazzo-k3f9", Code: "ABCDE-FGHIJ-KLMNO-PQRST", Password: "four words are easy"}, Do: s.doJoin}.routes(),
	)
}

// inviteCode draws a code of 100 bits, in groups as people read them aloud, and what is kept of it.
func inviteCode() (code, kept string) {
	text := rand.Text()[:20]
	return strings.Join([]string{text[:5], text[5:10], text[10:15], text[15:]}, "-"), login.HashToken(text)
}

// typedCode is a code as somebody typed it, without what he put between.
func typedCode(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(text))
}

// doAppoint makes an account that nobody can log in with before its code was used, and gives it the role of the management company.
// One that was appointed before and whose code nobody used makes room for it: codes get lost.
func (s *Server) doAppoint(v *visit, in appointRequest) (outcome, error) {
	name, group := in.User, strings.TrimSpace(in.Group)
	if below := strings.TrimSpace(in.Below); below != "" {
		group = below
	}
	if !v.caller.holds.Everywhere() {
		name += "-" + strings.ToLower(rand.Text()[:4])
	}
	if err := login.CheckUserName(name); err != nil {
		return outcome{}, err
	}
	code, kept := inviteCode()
	until := s.o.Now().Add(inviteTime)
	var after []roles.Assignment
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		if path, there := l.path(group); !there || group == roles.Hub || !actor.Sees(path) {
			return nil, notValid(fmt.Sprintf("there is no group %.64q", group))
		}
		detail := "management company appointed; it chooses its password with a code"
		if gone := waiting(a, group); gone != "" {
			a.Remove(gone)
			detail += ", instead of " + gone + ", whose code nobody used"
		}
		if err := roles.MayAppoint(actor, group, a.Assignments, l.path); err != nil {
			return nil, err
		}
		switch {
		case a.Exists(name):
			return nil, problem(http.StatusConflict, "conflict", "there is a user of this name already; a management company is appointed with an account of its own")
		case len(a.Users) >= maxUsers:
			return nil, problem(http.StatusConflict, "conflict", "there are as many users as this hub keeps; remove one first")
		}
		a.Users = append(a.Users, fleet.User{Name: name, Made: s.o.Now(), Generation: firstGeneration(), Invite: kept, InviteUntil: until})
		a.Assignments = append(a.Assignments, roles.Assignment{User: name, Role: roles.Management, Group: group, By: v.caller.User, Since: s.o.Now()})
		after = a.Of(name).Held
		c := v.changeAt(group, "management.appointed", name, detail)
		c.After = short(heldWords(after))
		a.Changes = append(a.Changes, c)
		return []string{name}, nil
	})
	if err != nil {
		return outcome{}, err
	}
	names, err := s.siteNames()
	return outcome{Body: appointed{account{User: name, Roles: v.viewHeld(after, v.caller.holds.Table, names)}, code, until}}, err
}

// waiting is the account that was appointed at the group before, holds nothing else, and has never had a password; empty: none.
func waiting(a *roles.Arrangement, group string) string {
	for _, given := range a.Assignments {
		if user := a.User(given.User); given.Role == roles.Management && given.Group == group && user != nil && user.Invited() && len(a.Of(given.User).Held) == 1 {
			return given.User
		}
	}
	return ""
}

// invitedWords says of an account that its code was not used yet.
func (s *Server) invitedWords(u fleet.User) string {
	switch {
	case !u.Invited():
		return ""
	case s.o.Now().Before(u.InviteUntil):
		return "has not used its code yet"
	}
	return "did not use its code in time: appoint anew"
}

// postAppoint shows the code on the page that answers: nothing but this answer ever holds it.
func (s *Server) postAppoint(v *visit) error {
	var in appointRequest
	if err := v.decodeForm(&in); err != nil {
		return err
	}
	out, err := s.doAppoint(v, in)
	if err == nil {
		err = v.record()
	}
	if err != nil {
		return err
	}
	made, _ := out.Body.(appointed)
	return s.showUsers(v, usersView{appointed: &made})
}

func (s *Server) pageJoin(v *visit) error {
	settings, err := s.o.Settings.Settings()
	if err != nil {
		return err
	}
	user := v.r.URL.Query().Get("user")
	if login.CheckUserName(user) != nil {
		user = ""
	}
	return v.sheet("Choose your password", joinPage(settings.Name, user))
}

// doJoin gives an account its first password. Whoever appointed it is told in the audit that its code was used, and so is everybody
// who may read changes there: a code that somebody else used is found out.
func (s *Server) doJoin(v *visit, in joinRequest) (outcome, error) {
	if err := checkPassword(in.Password, in.User); err != nil {
		return outcome{}, err
	}
	keys := login.GuardKeys(in.User, v.caller.Peer)
	if wait := s.logins.Wait(keys); wait > 0 {
		return outcome{}, login.TooMany("too many wrong codes; wait "+inWords(wait)+" before the next try", wait)
	}
	s.logins.Wrong(keys)
	s.users.Lock()
	defer s.users.Unlock()
	user, edition, err := s.o.Accounts.UserToEdit(in.User)
	if err != nil && !errors.Is(err, fleet.ErrUnknown) {
		return outcome{}, err
	}
	found := err == nil
	match := subtle.ConstantTimeCompare([]byte(login.HashToken(typedCode(in.Code))), []byte(user.Invite)) == 1
	if !match || !user.Invited() || !s.o.Now().Before(user.InviteUntil) {
		if found {
			v.noteRefused("join.refused", user.Name, "wrong or old code for the first password")
		}
		return outcome{}, problem(http.StatusUnauthorized, "wrong-login", "this user and code do not belong together, or the code was used or is too old; ask whoever gave it to you for a new one")
	}
	s.logins.Right(keys)
	if user.Hash, err = s.hasher.Hash(v.r.Context(), in.Password); err != nil {
		return outcome{}, err
	}
	user.Generation++
	user.Invite, user.InviteUntil = "", time.Time{}
	held, err := s.o.Roles.Assignments(user.Name)
	if err != nil {
		return outcome{}, err
	}
	v.caller.User = user.Name
	change := v.change("user.joined", user.Name, "", "first password chosen with the code")
	if len(held) > 0 {
		change.Group = held[0].Group
	}
	if err := s.o.Accounts.PutUser(user, fleet.Edit{From: edition.Number, Change: change}); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Your password is set. Log in with it.", Back: "/login"}, nil
}
