package web

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// maxHandOvers bounds what is kept of hand-overs; the oldest that are decided go first.
const maxHandOvers = 1000

type (
	handOverRequest struct {
		Group string   `json:"group"`           // id of a group, or site: and the id of a site
		Below string   `json:"below,omitempty"` // forms: a group by its id, instead of one of the list
		From  []string `json:"from"`            // the users whose access ends
		To    string   `json:"to"`
		Role  string   `json:"role,omitempty"`  // dealer when empty
		Under string   `json:"under,omitempty"` // for a site: the group that it hangs below from then on
		Why   string   `json:"why,omitempty"`
	}
	answerRequest struct {
		Note string `json:"note,omitempty"` // how the owner gave his word, where a server administrator writes it down
	}
	// handOverView is a hand-over as one caller sees it.
	handOverView struct {
		roles.HandOver
		Where     string `json:"where"`
		Open      bool   `json:"open"`
		consents  bool   // the caller may answer for the owner
		withdraws bool
	}
	// handOversView is what the page shows.
	handOversView struct {
		now    time.Time
		found  []handOverView
		places []placeOption // where the caller may ask
		users  []userView
		roles  []roleView
		caller caller
	}
)

// handOverRoutes give a group or a site from one dealer to another (story 23).
func (s *Server) handOverRoutes() []route {
	example := handOverView{HandOver: roles.HandOver{ID: "h1", Group: "north", From: []string{"old-dealer"}, To: "new-dealer", Role: roles.Dealer, State: roles.Asked, AskedBy: "company"}, Where: "North", Open: true}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/handovers", Access: LoggedIn, Handler: s.getHandOvers, Status: 200, Summary: "Hand-overs that one may ask for or consent to, the newest first",
				Response: object{"handovers": []handOverView{example}}},
			{Method: "GET", Pattern: "/settings/handovers", Access: LoggedIn, Handler: s.pageHandOvers, Page: true, Status: 200, Summary: "Hand-overs"},
		},
		deed[handOverRequest]{Method: "POST", API: "/handovers", Page: "/settings/handovers", Access: roles.AskHandOver, Status: 201, Summary: "Ask for a hand-over; nothing changes before the owner consents",
			Request: handOverRequest{Group: "north", From: []string{"old-dealer"}, To: "new-dealer", Role: roles.Dealer}, Response: example, Do: s.doAskHandOver}.routes(),
		deed[answerRequest]{Method: "POST", API: "/handovers/{id}/consent", Page: "/settings/handovers/{id}/consent", Access: roles.ConsentHandOver, Status: 200, Summary: "Consent as the owner: with that it is done, in one step",
			Request: answerRequest{}, Response: example, Do: s.doConsent}.routes(),
		deed[answerRequest]{Method: "POST", API: "/handovers/{id}/decline", Page: "/settings/handovers/{id}/decline", Access: roles.ConsentHandOver, Status: 200, Summary: "Decline as the owner",
			Request: answerRequest{}, Response: example, Do: s.doDecline}.routes(),
		deed[none]{Method: "POST", API: "/handovers/{id}/withdraw", Page: "/settings/handovers/{id}/withdraw", Access: roles.AskHandOver, Status: 200, Summary: "Take the question back",
			Response: example, Do: s.doWithdraw}.routes(),
	)
}

// concerns tells whether a hand-over exists for the holder.
func concerns(h roles.HandOver, holder roles.Holder, l *land) bool {
	path, there := l.path(h.Group)
	return holder.Everywhere() || there && (holder.May(roles.AskHandOver, path) || holder.May(roles.ConsentHandOver, path))
}

func (v *visit) viewHandOver(h roles.HandOver, names func(string) string) handOverView {
	path, there := v.caller.land.path(h.Group)
	open := h.Open(v.s.o.Now())
	return handOverView{HandOver: h, Where: v.caller.land.words(h.Group, v.caller.holds, names), Open: open,
		consents: open && there && roles.MayConsent(v.caller.holds, h, "asked by", path) == nil, withdraws: open && there && v.caller.holds.May(roles.AskHandOver, path)}
}

func (v *visit) listHandOvers() ([]handOverView, error) {
	all, err := v.s.o.Roles.HandOvers()
	if err != nil {
		return nil, err
	}
	names, err := v.s.siteNames()
	list := []handOverView{}
	for _, h := range all {
		if concerns(h, v.caller.holds, v.caller.land) {
			list = append(list, v.viewHandOver(h, names))
		}
	}
	slices.SortStableFunc(list, func(a, b handOverView) int { return b.Asked.Compare(a.Asked) })
	return list, err
}

func (s *Server) getHandOvers(v *visit) error {
	list, err := v.listHandOvers()
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"handovers": list})
}

func (s *Server) pageHandOvers(v *visit) error {
	p := handOversView{now: s.o.Now(), caller: v.caller}
	var err error
	if p.found, err = v.listHandOvers(); err != nil {
		return err
	}
	if v.caller.may(roles.AskHandOver) {
		if p.places, err = v.places(roles.AskHandOver); err != nil {
			return err
		}
		if p.users, err = v.listUsers(); err != nil {
			return err
		}
		if p.roles, err = v.givable(); err != nil {
			return err
		}
	}
	return v.show("Hand-overs", "settings", handOversPage(p))
}

// doAskHandOver asks. Users whom the caller does not manage are as good as not there.
func (s *Server) doAskHandOver(v *visit, in handOverRequest) (outcome, error) {
	if group := strings.TrimSpace(in.Below); group != "" {
		in.Group = group
	}
	if err := checkName("the reason", in.Why, false); err != nil {
		return outcome{}, err
	}
	h := roles.HandOver{ID: strings.ToLower(rand.Text()[:16]), Group: in.Group, From: in.From, To: in.To, Role: in.Role, Under: strings.TrimSpace(in.Under), Why: strings.TrimSpace(in.Why),
		State: roles.Asked, AskedBy: v.caller.User, Asked: s.o.Now()}
	if h.Role == "" {
		h.Role = roles.Dealer
	}
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		if path, there := l.path(h.Group); !there || h.Group == roles.Hub || !actor.Sees(path) {
			return nil, notThere()
		}
		for _, user := range append(slices.Clone(h.From), h.To) {
			if !a.Exists(user) || !actor.Everywhere() && len(managed(actor, a.Of(user).Held, l)) == 0 {
				return nil, notValid("there is no user " + short(user) + " among those whom you manage")
			}
		}
		if err := roles.MayAsk(actor, h, a.Assignments, l.path); err != nil {
			return nil, err
		}
		if len(a.HandOvers) >= maxHandOvers {
			i := slices.IndexFunc(a.HandOvers, func(old roles.HandOver) bool { return !old.Open(s.o.Now()) })
			if i < 0 {
				return nil, problem(http.StatusConflict, "conflict", "there are as many hand-overs as this hub keeps; wait for their answers")
			}
			a.HandOvers = slices.Delete(a.HandOvers, i, i+1)
		}
		a.HandOvers = append(a.HandOvers, h)
		c := v.changeAt(h.Group, "handover.asked", h.ID, "hand-over from "+strings.Join(h.From, ", ")+" to "+h.To+" asked for")
		a.Changes = append(a.Changes, c)
		return nil, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return s.toldOfHandOver(v, h, "Asked. Nothing changes before the owner consents.")
}

func (s *Server) toldOfHandOver(v *visit, h roles.HandOver, said string) (outcome, error) {
	names, err := s.siteNames()
	v.caller.land = s.newLand()
	return outcome{Body: v.viewHandOver(h, names), Said: said, Back: "/settings/handovers"}, err
}

// answer lets decide change an open hand-over that exists for the caller.
func (s *Server) answer(v *visit, decide func(a *roles.Arrangement, actor roles.Holder, l *land, h *roles.HandOver) ([]string, error)) (roles.HandOver, error) {
	var answered roles.HandOver
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		i := slices.IndexFunc(a.HandOvers, func(h roles.HandOver) bool { return h.ID == v.path("id") && concerns(h, actor, l) })
		if i < 0 {
			return nil, notThere()
		}
		h := a.HandOvers[i]
		if !h.Open(s.o.Now()) {
			return nil, problem(http.StatusConflict, "conflict", "this hand-over is "+handOverWords(h, s.o.Now())+" already")
		}
		touched, err := decide(a, actor, l, &h)
		if err != nil {
			return nil, err
		}
		h.DecidedBy, h.Decided = v.caller.User, s.o.Now()
		a.HandOvers[i], answered = h, h
		return touched, nil
	})
	return answered, err
}

func (s *Server) doConsent(v *visit, in answerRequest) (outcome, error) {
	note := strings.TrimSpace(in.Note)
	if err := checkName("the note", note, false); err != nil {
		return outcome{}, err
	}
	h, err := s.answer(v, func(a *roles.Arrangement, actor roles.Holder, l *land, h *roles.HandOver) ([]string, error) {
		path, _ := l.path(h.Group)
		if err := roles.MayConsent(actor, *h, note, path); err != nil {
			return nil, err
		}
		asker := a.Of(h.AskedBy)
		if h.AskedBy == socketUser {
			asker = roles.Holder{User: socketUser, Held: s.socketHolder().Held, Table: a.Table()}
		}
		if err := roles.MayAsk(asker, *h, a.Assignments, l.path); err != nil {
			return nil, problem(http.StatusConflict, "conflict", "whoever asked cannot ask for it any more: "+err.Error())
		}
		if !a.Exists(h.To) {
			return nil, problem(http.StatusConflict, "conflict", "the user "+h.To+" is gone; ask anew")
		}
		touched, left := []string(nil), []roles.Assignment(nil)
		if site, ok := roles.SiteOf(h.Group); ok && h.Under != "" {
			v.toldOfMove(a, site, l.sites[site], h.Under)
			to, _ := l.path(h.Under)
			var err error
			if touched, left, err = a.HangSite(site, path, to); err != nil {
				return nil, err
			}
		}
		next, ended, err := roles.Hand(*h, a.Assignments, a.Table(), l.path, s.over(a).path, v.caller.User, s.o.Now())
		if err != nil {
			return nil, err
		}
		ended = append(left, ended...)
		a.Assignments, h.Ended, h.Note, h.State = next, ended, note, roles.Done
		c := v.changeAt(h.Group, "handover.done", h.ID, "handed over to "+h.To+" as "+h.Role)
		c.Before, c.After = short(heldWords(ended)), short(h.To+": "+h.Role+" at "+h.Group)
		a.Changes = append(a.Changes, c)
		return append(append(touched, h.From...), h.To), nil
	})
	if err != nil {
		return outcome{}, err
	}
	return s.toldOfHandOver(v, h, "Handed over. "+h.To+" has all of it, "+strings.Join(h.From, ", ")+" nothing. What was recorded stays.")
}

func (s *Server) doDecline(v *visit, in answerRequest) (outcome, error) {
	note := strings.TrimSpace(in.Note)
	if err := checkName("the note", note, false); err != nil {
		return outcome{}, err
	}
	h, err := s.answer(v, func(a *roles.Arrangement, actor roles.Holder, l *land, h *roles.HandOver) ([]string, error) {
		path, _ := l.path(h.Group)
		h.State, h.Note = roles.Declined, note
		a.Changes = append(a.Changes, v.changeAt(h.Group, "handover.declined", h.ID, "hand-over declined"))
		return nil, roles.MayConsent(actor, *h, note, path)
	})
	if err != nil {
		return outcome{}, err
	}
	return s.toldOfHandOver(v, h, "Declined. Nothing was changed.")
}

func (s *Server) doWithdraw(v *visit, _ none) (outcome, error) {
	h, err := s.answer(v, func(a *roles.Arrangement, actor roles.Holder, l *land, h *roles.HandOver) ([]string, error) {
		if path, there := l.path(h.Group); !there || !actor.May(roles.AskHandOver, path) {
			return nil, v.caller.notAllowed(roles.AskHandOver)
		}
		h.State = roles.Withdrawn
		a.Changes = append(a.Changes, v.changeAt(h.Group, "handover.withdrawn", h.ID, "question for a hand-over taken back"))
		return nil, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return s.toldOfHandOver(v, h, "Taken back. Nothing was changed.")
}

// handOverWords says how far a hand-over is.
func handOverWords(h roles.HandOver, now time.Time) string {
	switch {
	case h.Open(now):
		return "waiting for the owner"
	case h.State == roles.Asked:
		return "too old: ask anew"
	}
	return string(h.State)
}

// handOverTone is the color of that.
func handOverTone(h roles.HandOver, now time.Time) string {
	switch {
	case h.State == roles.Done:
		return "good"
	case h.Open(now):
		return "warn"
	}
	return ""
}
