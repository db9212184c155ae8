package roles

import (
	"slices"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// Arrangement is all that says who may do what, read, changed and written back in one transaction. What is taken out of a list
// is deleted. Sites are there to be hung below other groups.
type Arrangement struct {
	Users       []fleet.User
	Sites       []fleet.Site
	Roles       []Role // made by hand
	Assignments []Assignment
	HandOvers   []HandOver
	// Changes are what the audit says of it, added by whoever changes something.
	Changes []fleet.Change
}

// Table is the roles as the arrangement has them.
func (a *Arrangement) Table() Table { return NewTable(a.Roles) }

// Of is a user with what he holds.
func (a *Arrangement) Of(user string) Holder {
	h := Holder{User: user, Table: a.Table()}
	for _, given := range a.Assignments {
		if given.User == user {
			h.Held = append(h.Held, given)
		}
	}
	return h
}

// User finds a user by his name; nil: there is none.
func (a *Arrangement) User(name string) *fleet.User {
	if i := slices.IndexFunc(a.Users, func(u fleet.User) bool { return u.Name == name }); i >= 0 {
		return &a.Users[i]
	}
	return nil
}

// Exists tells whether there is such a user.
func (a *Arrangement) Exists(user string) bool { return a.User(user) != nil }

// HasAdministrator tells whether somebody can log in who is server administrator.
func (a *Arrangement) HasAdministrator() bool {
	return slices.ContainsFunc(ServerAdministrators(a.Assignments), a.Exists)
}

// HangSite hangs a site, which has the path from, below the group whose path is to; the empty one takes it out of every group. When it
// comes to another company, whoever was given a role at the site itself in the old one has nothing there any more: that is what
// ended. touched are all who were given one there.
func (a *Arrangement) HangSite(id string, from, to Path) (touched []string, ended []Assignment, err error) {
	i := slices.IndexFunc(a.Sites, func(site fleet.Site) bool { return site.ID == id })
	if i < 0 {
		return nil, nil, refuse(NotThere, "there is no such site")
	}
	group := Hub
	if len(to) > 0 {
		group = to[len(to)-1]
	}
	if err := CheckSiteGroup(group); err != nil {
		return nil, nil, err
	}
	a.Sites[i].Group = group
	leaves := from.Company() != "" && from.Company() != to.Company()
	a.Assignments = slices.DeleteFunc(a.Assignments, func(given Assignment) bool {
		if given.Group != Site(id) {
			return false
		}
		touched = append(touched, given.User)
		if leaves {
			ended = append(ended, given)
		}
		return leaves
	})
	return touched, ended, nil
}

// CheckSiteGroup refuses, with a *Refusal, to hang a site below a place that is no group: below another site it would be in no company,
// and whoever has a role at that one would have it here.
func CheckSiteGroup(group string) error {
	if _, site := SiteOf(group); site {
		return refuse(NotThere, "a site hangs below a group, not below a site")
	}
	return nil
}

// Remove takes a user out, with all that he holds.
func (a *Arrangement) Remove(user string) {
	a.Users = slices.DeleteFunc(a.Users, func(u fleet.User) bool { return u.Name == user })
	a.Assignments = slices.DeleteFunc(a.Assignments, func(given Assignment) bool { return given.User == user })
}
