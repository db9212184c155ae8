package roles

import (
	"slices"
	"strings"
	"time"
)

// HandOverState is how far a hand-over is.
type HandOverState string

// The states of a hand-over.
const (
	Asked     HandOverState = "asked"     // the owner has not answered
	Done      HandOverState = "done"      // the owner consented, and with that it was done
	Declined  HandOverState = "declined"  // the owner said no
	Withdrawn HandOverState = "withdrawn" // whoever asked took it back
)

// HandOverTime is how long the owner may think about it.
const HandOverTime = 30 * 24 * time.Hour

// HandOver gives a group or a site from one dealer to another, in one step, with the owner's consent (story 23).
type HandOver struct {
	ID      string        `json:"id"`
	Group   string        `json:"group"` // id of a group, or Site(id)
	From    []string      `json:"from"`  // the users whose roles there and below end
	To      string        `json:"to"`
	Role    string        `json:"role"`            // that To gets there
	Under   string        `json:"under,omitempty"` // for a site: the group that it hangs below from then on; empty: it stays
	Why     string        `json:"why,omitempty"`
	State   HandOverState `json:"state"`
	AskedBy string        `json:"asked_by"`
	Asked   time.Time     `json:"asked"`
	// Decided, DecidedBy and Note are the owner's answer, and how it was given where a server administrator wrote it down.
	DecidedBy string       `json:"decided_by,omitempty"`
	Decided   time.Time    `json:"decided,omitzero"`
	Note      string       `json:"note,omitempty"`
	Ended     []Assignment `json:"ended,omitempty"` // what ended when it was done
}

// Open tells whether the owner can still answer.
func (h HandOver) Open(now time.Time) bool {
	return h.State == Asked && now.Before(h.Asked.Add(HandOverTime))
}

// Hand returns what everybody holds after the hand-over, and what ended with it. before and after give paths as they are and as
// they will be, which differ for a site that moves. A *Refusal says why it would leave the old ones something.
func Hand(h HandOver, all []Assignment, table Table, before, after func(place string) (Path, bool), by string, now time.Time) (next, ended []Assignment, err error) {
	for _, a := range all {
		path, there := before(a.Group)
		if there && slices.Contains(h.From, a.User) && slices.Contains(path, h.Group) {
			ended = append(ended, a)
			continue
		}
		next = append(next, a)
	}
	given := Assignment{User: h.To, Role: h.Role, Group: h.Group, By: by, Since: now}
	if !slices.ContainsFunc(next, given.Same) {
		next = append(next, given)
	}
	path, there := after(h.Group)
	if !there {
		return nil, nil, refuse(NotThere, "what was to be handed over is not there any more")
	}
	for _, user := range h.From {
		for _, a := range next {
			if a.User == user && (Holder{user, []Assignment{a}, table}).Sees(path) {
				return nil, nil, refuse(NotThere, "%s would keep a right there, as %s at %s above: hand that over, or move this below another group", user, a.Role, placeWords(a.Group))
			}
		}
	}
	return next, ended, nil
}

// MayAsk refuses, with a *Refusal, to propose a hand-over: it needs the right to, all that the new one gets, and all that the
// old ones lose. all is what everybody holds.
func MayAsk(asker Holder, h HandOver, all []Assignment, path func(place string) (Path, bool)) error {
	at, there := path(h.Group)
	role, known := asker.Table.Role(h.Role)
	switch {
	case !there || h.Group == Hub:
		return refuse(NotThere, "name a group or a site")
	case !asker.May(AskHandOver, at):
		return refuse(NotYours, "you cannot ask for a hand-over there")
	case !known || len(role.Rights) == 0:
		return refuse(NotThere, "choose the role that the new one gets")
	case len(h.From) == 0:
		return refuse(NotThere, "say whose access ends")
	case slices.Contains(h.From, h.To):
		return refuse(NotThere, "the old one and the new one are the same")
	}
	if h.Under != "" {
		if _, site := SiteOf(h.Group); !site {
			return refuse(NotThere, "only a site moves below another group; groups are moved in the tree")
		}
		if err := CheckSiteGroup(h.Under); err != nil {
			return err
		}
		under, there := path(h.Under)
		if !there || !asker.May(EditSites, under) || !asker.May(EditSites, at) {
			return refuse(NotYours, "you cannot move the site there")
		}
		at = append(slices.Clone(under), h.Group)
	}
	if err := MayGive(asker, role, at); err != nil {
		return err
	}
	for _, a := range all {
		if p, there := path(a.Group); there && slices.Contains(h.From, a.User) && slices.Contains(p, h.Group) {
			if err := MayTake(asker, a, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// MayConsent refuses, with a *Refusal, an answer that is not the owner's. A server administrator may write one down, and says
// how it was given.
func MayConsent(owner Holder, h HandOver, note string, path Path) error {
	switch {
	case !owner.May(ConsentHandOver, path):
		return refuse(NotYours, "only the owner answers, or a server administrator who has the owner's word")
	case slices.Contains(h.From, owner.User) || h.To == owner.User:
		return refuse(NotYours, "whoever gives or gets it cannot consent to it")
	case owner.Everywhere() && strings.TrimSpace(note) == "":
		return refuse(NotYours, "say how the owner consented, such as “letter of 3 May”")
	}
	return nil
}
