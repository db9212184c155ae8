package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// shownStopped is how many of the uses that a change would suspend are named.
const shownStopped = 20

// shownReminders is how many of the reminders to come are shown.
const shownReminders = 6

type (
	// licensesRequest is the form of a group's licenses. Step says which of its buttons was pressed.
	licensesRequest struct {
		Step   string     `json:"step"`
		Limits limitsForm `json:"limits"`
		Whole  bool       `json:"whole"` // the last field of the form
	}
	// limitsView is what the fields of license settings are drawn from.
	limitsView struct {
		form    limitsForm
		wrong   fieldErrors
		offer   *ledger.Offer
		edition string
		whatIf  *whatIf
		zone    *time.Location
		now     time.Time
		target  string // where the form is posted to
		user    bool   // of a user, who shares with nobody
		focus   string // the field, or what else, where the reader goes on
		giver   string // who alone can raise this, when the caller cannot
		bound   ledger.State
	}
	// whatIf is what a change would do, now and later.
	whatIf struct {
		changed  []changedLine
		stopped  []stoppedUse
		more     int // further uses that would be suspended
		resumed  int
		later    []laterStop
		remind   remindView
		notices  []ledger.Notice
		refused  string       // why it would not be done; empty: it would
		inTheWay []stoppedUse // what would have to be given back first
	}
	// remindView is which reminders will be sent.
	remindView struct {
		dues []dueAnswer // the next ones
		more int
	}
	// laterStop is an instant at which uses will be suspended, if nothing else changes.
	laterStop struct {
		ledger.Fall
		uses []stoppedUse
	}
	// stoppedUse is a use that a change would suspend.
	stoppedUse struct {
		use   ledger.Use
		whose string
		left  int // of its count, how much goes on
	}
	// paper is a block that came from a package or the Trial.
	paper struct {
		block     ledger.Block
		label     string
		undoUntil time.Time // zero: too late
	}
	// undoPage asks once more before a package is given back.
	undoPage struct {
		groupPage
		label  string
		undo   string // where that is done
		until  time.Time
		whatIf whatIf
	}
	// licensesPage is the page on which a group's licenses are set.
	licensesPage struct {
		groupPage
		limits  limitsView
		papers  []paper
		own     []ownRow // licenses of accounts, of a company
		remind  remindView
		trial   bool // one can be started
		enters  bool // packages can be entered
		mayEdit bool
	}
)

func (s *Server) groupLicenseRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: "/groups/{group}/licenses", Access: LoggedIn, Handler: s.pageLicenses, Page: true, Status: 200, Summary: "What a group may hand out"},
		{Method: "POST", Pattern: "/groups/{group}/licenses", Access: LoggedIn, Handler: s.postLicenses, Page: true, Changes: true, Status: http.StatusSeeOther, Summary: "Save a group's licenses, or see what that would do"},
		ledgerForm("/groups/{group}/packages", "Enter a package", s.doPackage),
		{Method: "GET", Pattern: "/groups/{group}/packages/{package}/undo", Access: LoggedIn, Handler: s.pageUndoPackage, Page: true, Status: 200, Summary: "What giving a package back would do"},
		ledgerForm("/groups/{group}/packages/{package}/undo", "Give a package back", s.doUndoPackage),
		ledgerForm("/groups/{group}/trial", "Start the Trial", s.doTrial),
	}
}

// ledgerForm is form for what changes the license ledger. Who may do it depends on the group. The ledger itself keeps who did what,
// in the same transaction, so that the audit says nothing of it.
func ledgerForm[In any](pattern, summary string, do func(v *visit, in In) (outcome, error)) route {
	return form(pattern, LoggedIn, summary, do)
}

// who is the caller as entries of the ledger name him.
func (v *visit) who() string {
	if v.caller.Label != "" {
		return v.caller.User + " (" + v.caller.Label + ")"
	}
	return v.caller.User
}

func (v *visit) request() ledger.Request {
	return ledger.Request{At: v.s.o.Now(), Who: v.who()}
}

// decide has a change made in the caller's name. What refuses it is told as far as he may know.
func (v *visit) decide(g groupView, c ledger.Change) (ledger.Changes, error) {
	changes, err := v.s.o.Ledger.Decide(v.request(), c)
	return changes, forAsker(g, err)
}

func forAsker(g groupView, err error) error {
	var r *ledger.Refusal
	if errors.As(err, &r) {
		return r.For(g.asker())
	}
	return err
}

// noticeWords are what somebody should read although it was done.
func noticeWords(done string, notices []ledger.Notice) string {
	for _, n := range notices {
		done += " " + sentenceCase(n.Text)
	}
	return done
}

func (s *Server) pageLicenses(v *visit) error {
	p, err := s.licensesPage(v)
	if err != nil {
		return err
	}
	return v.show(p.Name+": licenses", "licenses", licensesAndAccounts(p))
}

func (s *Server) licensesPage(v *visit) (licensesPage, error) {
	p := licensesPage{enters: s.o.Packages != nil}
	err := v.inGroup(func(book ledger.Book, g groupView) (err error) {
		p.groupPage = groupPage{g, s.o.Now(), "licenses"}
		p.mayEdit = g.may(roles.EditLicenses) && g.Archived.IsZero()
		p.limits = limitsView{giver: g.giver(), form: formOf(g.Limits, g.zone), edition: editionOf(g.Limits), zone: g.zone, now: p.now, target: at("groups", g.ID, "licenses")}
		for _, b := range g.Blocks {
			if byHand(b) {
				continue
			}
			one, err := paperOf(book, b, p.now)
			if err != nil {
				return err
			}
			p.papers = append(p.papers, one)
		}
		if g.IsRoot() {
			if p.own, err = v.ownRows(book, g); err != nil {
				return err
			}
		}
		p.trial = g.IsRoot() && g.may(roles.StartTrial) && !slices.ContainsFunc(g.Blocks, func(b ledger.Block) bool { return b.Source == ledger.FromTrial })
		dues, err := ledger.Reminders(book, g.ID, p.now, p.now.Add(remindersAhead))
		if err != nil {
			return err
		}
		p.remind = g.reminders(dues)
		p.limits.bound, err = ledger.StateOf(book, p.now, ledger.Subject{Group: g.ID}, g.asker())
		return err
	}, roles.SeeLicenses, roles.EditLicenses)
	return p, err
}

// undoDays is in how many days a package can be given back; the ledger decides it by its own rules.
const undoDays = 7

func paperOf(book ledger.Book, b ledger.Block, now time.Time) (paper, error) {
	one := paper{block: b, label: "Trial"}
	if b.Source != ledger.FromPackage {
		return one, nil
	}
	one.label = "Package"
	pack, found, err := book.Package(b.Package)
	if err != nil || !found {
		return one, err
	}
	if pack.Label != "" {
		one.label = pack.Label
	}
	if last := pack.Activated.AddDate(0, 0, undoDays); now.Before(last) {
		one.undoUntil = last
	}
	return one, nil
}

// postLicenses does what the pressed button says. Nothing applies until Save (B-13).
func (s *Server) postLicenses(v *visit) error {
	var in licensesRequest
	if err := v.decodeForm(&in); err != nil {
		return err
	}
	p, status, err := s.stepLicenses(v, in)
	switch {
	case err != nil:
		return err
	case status == http.StatusSeeOther:
		v.redirect(at("groups", p.ID))
		return nil
	}
	return v.drawLicenses(p, status)
}

// stepLicenses is postLicenses as one step, and the status to answer with: StatusSeeOther when it is saved. It neither reads from the
// browser nor writes to it, so that nobody holds up all others by being slow.
func (s *Server) stepLicenses(v *visit, in licensesRequest) (p licensesPage, status int, err error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	if p, err = s.licensesPage(v); err != nil {
		return p, 0, err
	}
	if !p.may(roles.EditLicenses) {
		return p, 0, problem(http.StatusForbidden, "not-allowed", "this needs the right “"+roles.EditLicenses.Title()+"” in "+p.Name)
	}
	view := &p.limits
	drawn := view.edition
	view.form = in.Limits
	if changedByStep(view, in.Step) {
		return p, http.StatusOK, nil
	}
	limits, wrong := in.Limits.limits(p.zone, p.Limits)
	if wrong != nil {
		view.wrong = wrong
		return p, http.StatusUnprocessableEntity, nil
	}
	view.form = sameIDs(view.form, limits)
	change := ledger.SaveLicenses{Group: p.ID, Limits: limits, Clip: in.Step == "clip", Above: p.aboveToo()}
	if in.Step == "whatif" {
		status, err = s.answerWhatIf(v, view, p.groupView, change, ledger.Subject{Group: p.ID})
		return p, status, err
	}
	if err := arrived(in.Whole); err != nil {
		return p, 0, err
	}
	if v.drawn != drawn {
		view.wrong = staleForm(p.Name)
		return p, http.StatusConflict, nil
	}
	changes, err := v.decide(p.groupView, change)
	if refusedBy(view, err) {
		return p, refusedStatus(err), nil
	}
	if err != nil {
		return p, 0, err
	}
	v.say(noticeWords("The licenses of "+p.Name+" are saved.", changes.Notices))
	return p, http.StatusSeeOther, nil
}

// staleForm says that somebody else saved what this form shows while it was being filled in.
func staleForm(name string) fieldErrors {
	return fieldErrors{"": "Somebody else has changed " + name + " since you opened this page, so nothing was saved. What you typed is still here: look at the state now, then save again."}
}

// refusedBy puts a refusal where it belongs in the form; false when the error is none.
func refusedBy(view *limitsView, err error) bool {
	var r *ledger.Refusal
	if !errors.As(err, &r) {
		return false
	}
	view.wrong, view.offer = refused(view.form, r), r.Offer
	return true
}

// sameIDs gives the form's new blocks the ids that they were given, so that a later refusal is about the same ones.
func sameIDs(f limitsForm, l ledger.Limits) limitsForm {
	for i := range f.Blocks {
		f.Blocks[i].ID = l.Blocks[i].ID
	}
	return f
}

// changedByStep does what the buttons do that only change the form: another license, one less, a usual configuration.
func changedByStep(view *limitsView, step string) bool {
	f := &view.form
	switch {
	case step == "add":
		if len(f.Blocks) >= ledger.MaxBlocks {
			view.wrong = fieldErrors{"": fmt.Sprintf("There can be at most %d licenses in one group.", ledger.MaxBlocks)}
			return true
		}
		f.Restricted = true
		f.Blocks = append(f.Blocks, blockForm{ID: newRecordID()})
		view.focus = field("limits.blocks", len(f.Blocks)-1, "sip_numbers")
		return true
	case strings.HasPrefix(step, "drop-"):
		i, err := strconv.Atoi(strings.TrimPrefix(step, "drop-"))
		if err == nil && i >= 0 && i < len(f.Blocks) {
			f.Blocks = slices.Delete(f.Blocks, i, i+1)
		}
		view.focus = "add"
		return true
	case strings.HasPrefix(step, "preset-"):
		view.focus = step
		for _, p := range presets() {
			if "preset-"+p.id == step {
				view.form = p.apply(*f, view.now, view.zone)
			}
		}
		return true
	}
	return false
}

// answerWhatIf says what a change would do, without making it, and with which status that is answered.
func (s *Server) answerWhatIf(v *visit, view *limitsView, g groupView, change ledger.Change, subject ledger.Subject) (status int, err error) {
	found, err := s.whatIf(v, g, change, subject)
	if refusedBy(view, err) {
		refusal := err
		view.whatIf, err = s.whyNot(v, err)
		return refusedStatus(refusal), err
	}
	view.whatIf, view.focus = &found, "whatif"
	return http.StatusOK, err
}

// reminders are the next reminders of a group, as far as the caller may know who gets them.
func (g groupView) reminders(dues []ledger.Due) (v remindView) {
	v.more = max(0, len(dues)-shownReminders)
	for _, due := range dues[:len(dues)-v.more] {
		v.dues = append(v.dues, g.due(due))
	}
	return v
}

// whyNot is a what-if of what would be refused: why, and what is in the way.
func (s *Server) whyNot(v *visit, refused error) (*whatIf, error) {
	var r *ledger.Refusal
	if !errors.As(refused, &r) {
		return nil, refused
	}
	found := whatIf{refused: r.Text}
	err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		found.inTheWay, err = v.usesNamed(book, r.InTheWay)
		return err
	})
	return &found, err
}

// whatIf decides a change without keeping it, and compares.
func (s *Server) whatIf(v *visit, g groupView, change ledger.Change, subject ledger.Subject) (whatIf, error) {
	var found whatIf
	err := s.o.Ledger.Look(func(book ledger.Book) error {
		before, err := ledger.StateOf(book, s.o.Now(), subject, g.asker())
		if err != nil {
			return err
		}
		changes, err := ledger.Decide(book, v.request(), change)
		if err != nil {
			return err
		}
		after, err := ledger.WhatIf(book, v.request(), change, subject, g.asker())
		if err != nil {
			return err
		}
		found.changed, found.notices = changedLines(before, after), changes.Notices
		if err := found.name(v, book, changes); err != nil {
			return err
		}
		falls, err := ledger.Outlook(book, v.request(), change, subject, g.asker())
		if err != nil {
			return err
		}
		for _, fall := range falls {
			uses, err := v.usesNamed(book, fall.Stopping)
			if err != nil {
				return err
			}
			found.later = append(found.later, laterStop{fall, uses})
		}
		if save, of := change.(ledger.SaveLicenses); of {
			dues, err := ledger.RemindersIf(book, v.request(), change, save.Group, s.o.Now().Add(remindersAhead))
			if err != nil {
				return err
			}
			after := g
			after.Limits = save.Limits // whose addresses the caller just wrote
			found.remind = after.reminders(dues)
		}
		return nil
	})
	return found, forAsker(g, err)
}

// name finds out whose uses would be suspended.
func (w *whatIf) name(v *visit, book ledger.Book, changes ledger.Changes) error {
	for _, e := range changes.Entries {
		w.resumed += len(e.Resumed)
		shown := min(len(e.Stopped), shownStopped-len(w.stopped))
		w.more += len(e.Stopped) - shown
		uses, err := v.usesNamed(book, e.Stopped[:shown])
		if err != nil {
			return err
		}
		for _, one := range uses {
			if i := slices.IndexFunc(changes.Uses, func(u ledger.Use) bool { return u.ID == one.use.ID }); i >= 0 {
				one.left = changes.Uses[i].Active
			}
			w.stopped = append(w.stopped, one)
		}
	}
	return nil
}

// usesNamed are some uses with who holds them. What a use is labeled with is told as persons are: it may be somebody's number.
func (v *visit) usesNamed(book ledger.Book, ids []string) (named []stoppedUse, err error) {
	for _, id := range ids {
		use, found, err := book.Use(id)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		one := stoppedUse{use: use}
		known := false
		if one.whose, known, err = v.whose(book, use); err != nil {
			return nil, err
		}
		if !known {
			one.use.Label = ""
		}
		named = append(named, one)
	}
	return named, nil
}

// whose says who holds a use, as far as the caller may know persons, and whether he may.
func (v *visit) whose(book ledger.Book, use ledger.Use) (words string, persons bool, err error) {
	var places []string
	for _, id := range use.Groups {
		g, err := v.findGroup(book, id)
		if err != nil {
			continue
		}
		persons = persons || g.may(personRights()...)
		places = append(places, g.Name)
	}
	if use.User == "" || !persons {
		return listWords(places), persons, nil
	}
	user, found, err := book.User(use.User)
	if err != nil || !found {
		return listWords(places), persons, err
	}
	return user.Name + ", " + listWords(places), persons, nil
}

// drawLicenses answers with the form as it is now: alone to the page's script, in its page otherwise.
func (v *visit) drawLicenses(p licensesPage, status int) error {
	return v.redraw(status, "#limits", limitsFields(p.limits), p.Name+": licenses", licensesAndAccounts(p))
}

// redraw answers a form that is to be looked at once more: the part at the selector to the page's script, the page otherwise.
func (v *visit) redraw(status int, selector string, part templ.Component, title string, page templ.Component) error {
	if v.scripted() {
		v.w.Header().Set("HX-Retarget", selector)
		v.w.Header().Set("HX-Reswap", "outerHTML")
		return v.render(status, part)
	}
	return v.showAs(status, title, "licenses", page)
}

type packageRequest struct {
	Text string `json:"text"`
	User string `json:"user,omitempty"` // of a license of an account: whose it is to be; empty: it waits
	Back string `json:"back,omitempty"` // forms: where to go on
}

func (s *Server) doPackage(v *visit, in packageRequest) (outcome, error) {
	if s.o.Packages == nil {
		return outcome{}, notThere()
	}
	g, err := v.companyAt(roles.EnterPackages)
	if err != nil {
		return outcome{}, err
	}
	if strings.TrimSpace(in.Text) == "" {
		return outcome{}, notValid("enter the text of the license, which begins with DP1:, or its short code")
	}
	if in.User != "" {
		if err := v.mayGiveTo(in.User); err != nil {
			return outcome{}, err
		}
	}
	entered, err := s.o.Packages.EnterPackage(v.r.Context(), g.ID, in.User, strings.TrimSpace(in.Text), v.who())
	if err != nil {
		return outcome{}, forAsker(g, err)
	}
	said := "The package is here. It can be given back for " + plural(undoDays, "day", "days") + "."
	if slices.ContainsFunc(g.Blocks, func(b ledger.Block) bool { return b.Package == entered.ID }) {
		said = "The package was here already; nothing has changed."
	}
	return outcome{Body: entered, Said: said, Back: nextPage(cmp.Or(in.Back, at("groups", g.ID, "licenses")))}, nil
}

// packageAt is the package that the address names, at the company that it names.
func (v *visit) packageAt() (g groupView, pack ledger.Package, err error) {
	err = v.inGroup(func(book ledger.Book, found groupView) error {
		var there bool
		g = found
		pack, there, err = book.Package(v.path("package"))
		if err == nil && (!there || pack.Root != g.ID) {
			return notThere()
		}
		return err
	}, roles.EnterPackages)
	return g, pack, err
}

// pageUndoPackage says what giving a package back would do, before it is done.
func (s *Server) pageUndoPackage(v *visit) error {
	p := undoPage{}
	g, pack, err := v.packageAt()
	if err != nil {
		return err
	}
	p.groupPage = groupPage{g, s.o.Now(), "licenses"}
	p.label, p.undo = cmp.Or(pack.Label, "Package"), at("groups", g.ID, "packages", pack.ID, "undo")
	p.until = pack.Activated.AddDate(0, 0, undoDays)
	p.whatIf, err = s.whatIf(v, g, ledger.UndoPackage{ID: pack.ID}, ledger.Subject{Group: g.ID})
	var r *ledger.Refusal
	if errors.As(err, &r) {
		refused, why := s.whyNot(v, err)
		if why != nil {
			return why
		}
		p.whatIf, err = *refused, nil
	}
	if err != nil {
		return err
	}
	return v.show(p.Name+": give a package back", "licenses", undoPackage(p))
}

func (s *Server) doUndoPackage(v *visit, _ none) (outcome, error) {
	g, _, err := v.packageAt()
	if err != nil {
		return outcome{}, err
	}
	changes, err := v.decide(g, ledger.UndoPackage{ID: v.path("package")})
	return outcome{Said: noticeWords("The package is given back. It can be activated somewhere else now.", changes.Notices), Back: at("groups", g.ID, "licenses")}, err
}

type trialRequest struct {
	Registration string `json:"registration"`
	Back         string `json:"back,omitempty"` // forms: where to go on
}

func (s *Server) doTrial(v *visit, in trialRequest) (outcome, error) {
	g, err := v.companyAt(roles.StartTrial)
	if err != nil {
		return outcome{}, err
	}
	in.Registration = strings.TrimSpace(in.Registration)
	if err := checkName("the number of the partner's registration", in.Registration, true); err != nil {
		return outcome{}, err
	}
	changes, err := v.decide(g, ledger.StartTrial{Root: g.ID, Registration: in.Registration})
	return outcome{Said: noticeWords("The Trial has begun: everything is on for as long as it lasts.", changes.Notices), Back: nextPage(cmp.Or(in.Back, at("groups", g.ID)))}, err
}
