package roles

import (
	"fmt"
	"slices"
)

// Refusal says in words why something about roles is not done. Code never changes.
type Refusal struct {
	Code string
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// The codes of refusals.
const (
	NotYours          = "not-yours"          // the right to manage roles ends before that place
	NotHeld           = "not-held"           // the role has a right that the giver has not
	NotThere          = "not-there"          // the role was made for another part of the tree
	HubOnly           = "hub-only"           // server administrators are for the hub, and the hub is for them
	LastAdministrator = "last-administrator" // somebody must be able to repair everything
	TwoCompanies      = "two-companies"      // nobody but server administrators is at home in two companies
	Managed           = "managed"            // there is a management company already
)

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...)}
}

// MayGive refuses, with a *Refusal, what the giver must not give at the end of the path: nobody gives what he has not himself,
// nor above his own groups. May be asked before anybody is named.
func MayGive(giver Holder, role Role, path Path) error {
	if len(path) == 0 && !giver.Everywhere() {
		return refuse(NotYours, "only a server administrator gives roles over the whole hub")
	}
	if !giver.May(ManageRoles, path) {
		return refuse(NotYours, "you do not manage roles there")
	}
	for _, right := range role.Rights {
		if right.WholeHub() && (len(path) > 0 && role.Has(ManageHub)) {
			return refuse(HubOnly, "a server administrator is one for the whole hub; choose no group")
		}
		if !giver.May(right, path) && (!right.WholeHub() || len(path) == 0) {
			return refuse(NotHeld, "you cannot give %q: you do not have it there yourself", right.Title())
		}
	}
	if role.Group != Hub && !slices.Contains(path, role.Group) {
		return refuse(NotThere, "the role %s is not for this part of the tree", role.Title)
	}
	return nil
}

// MayTake refuses, with a *Refusal, to end an assignment at the end of the path: nobody takes what he could not give. A role
// that is not known any more can be taken by whoever manages roles there.
func MayTake(taker Holder, a Assignment, path Path) error {
	role, known := taker.Table.Role(a.Role)
	if !known {
		role = Role{ID: a.Role, Title: a.Role}
	}
	role.Group = Hub
	if err := MayGive(taker, role, path); err != nil {
		refusal, _ := err.(*Refusal)
		if refusal.Code == NotHeld {
			return refuse(NotHeld, "%s holds more there than you do: %s is not yours to end", a.User, role.Title)
		}
		return err
	}
	return nil
}

// MayAppoint refuses, with a *Refusal, to appoint the management company of a group: whoever may has no rights over persons himself, so
// he brings in the first one, and neither another one beside it nor one below or above it. all is what everybody holds.
func MayAppoint(giver Holder, group string, all []Assignment, path func(place string) (Path, bool)) error {
	at, there := path(group)
	if _, site := SiteOf(group); !there || group == Hub || site {
		return refuse(NotThere, "name the group that the management company is for")
	}
	if !giver.May(AppointManagement, at) {
		return refuse(NotYours, "you cannot appoint a management company there")
	}
	for _, a := range all {
		role, known := giver.Table.Role(a.Role)
		held, there := path(a.Group)
		if a.Group == Hub || !known || !role.Has(SeePersons) || !there {
			continue // of those over the whole hub, server administrators alone reach into companies
		}
		if slices.Contains(at, a.Group) || slices.Contains(held, group) {
			return refuse(Managed, "somebody has the people there, above or below in his care already: only he, or a server administrator, gives that role to others")
		}
	}
	return nil
}

// MayAct refuses, with a *Refusal, to act on a whole account, such as to set its password: whoever did could do all that the
// account may. path gives the path of a place; what is gone with its place gives nothing and is not asked about.
func MayAct(actor Holder, on []Assignment, path func(place string) (Path, bool)) error {
	if actor.Everywhere() {
		return nil
	}
	mine := false
	for _, a := range on {
		p, there := path(a.Group)
		if !there {
			continue
		}
		if err := MayTake(actor, a, p); err != nil {
			return refuse(NotYours, "this user holds more than you manage; ask whoever gave it")
		}
		mine = true
	}
	if !mine {
		return refuse(NotYours, "this user is not one of yours")
	}
	return nil
}

// MayPutRole refuses, with a *Refusal, to make a role or to change it from what it was (nil: it is new): its rights are given to
// everybody who holds it. path is that of the role's group.
func MayPutRole(actor Holder, was *Role, is Role, path Path) error {
	if is.Group == Hub && !actor.Everywhere() {
		return refuse(NotYours, "only a server administrator makes roles for the whole hub; choose a group")
	}
	if was != nil {
		if was.Group != is.Group {
			return refuse(NotThere, "a role stays at the group that it was made for; make another one")
		}
		if err := MayGive(actor, *was, path); err != nil {
			return err
		}
	}
	return MayGive(actor, is, path)
}

// CheckAll refuses, with a *Refusal, an arrangement that must not be: one that had a server administrator and has none, or one with
// somebody else in two companies. changed are the users whose assignments are new, or whose places moved.
func CheckAll(a *Arrangement, had bool, changed []string, path func(place string) (Path, bool)) error {
	if had && !a.HasAdministrator() {
		return refuse(LastAdministrator, "this is the only server administrator; make another one first")
	}
	for _, user := range changed {
		held := a.Of(user).Held
		if len(ServerAdministrators(held)) > 0 {
			continue
		}
		if companies := Companies(held, path); len(companies) > 1 {
			return refuse(TwoCompanies, "%s is at home in another company already; a user belongs to one, so make another user", user)
		}
	}
	return nil
}
