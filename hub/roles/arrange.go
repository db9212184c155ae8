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

// Remove takes a user out, with all that he holds.
func (a *Arrangement) Remove(user string) {
	a.Users = slices.DeleteFunc(a.Users, func(u fleet.User) bool { return u.Name == user })
	a.Assignments = slices.DeleteFunc(a.Assignments, func(given Assignment) bool { return given.User == user })
}
