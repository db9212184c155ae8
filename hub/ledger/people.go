package ledger

import (
	"slices"
)

// userFacts are what an entry says of a user: neither name nor address.
type userFacts struct {
	Groups []string    `json:"groups"`
	Limits limitsFacts `json:"limits"`
}

func (u *User) facts() *userFacts { return &userFacts{slices.Clone(u.Groups), u.Limits.facts()} }

func (c AddUser) decide(d *draft) error {
	if !goodID(c.User.ID) {
		return refusal(Invalid, "user id %.70q: 1 to 64 letters, digits, hyphens, dots", c.User.ID)
	}
	if d.user(c.User.ID) != nil {
		return refusal(Taken, "there is a user %s already", c.User.ID)
	}
	u := User{ID: c.User.ID, Name: c.User.Name, Mail: c.User.Mail, Made: d.at}
	if r := checkPerson(&u); r != nil {
		return r
	}
	groups, root, r := d.groupsOfUser(c.User.Groups)
	if r != nil {
		return r
	}
	u.Groups, u.Root = groups, root
	d.users.put(u.ID, u)
	d.weigh(u.ID, +1)
	if l := c.User.Limits; l.Restricted || len(l.Blocks) > 0 || l.Reminder != nil || l.Mode != "" {
		if r := d.save(node{user: d.user(u.ID)}, l, c.Clip, true); r != nil {
			return r
		}
	}
	d.enter(Entry{What: c.What(), Root: root, User: u.ID}, nil, d.user(u.ID).facts())
	return nil
}

func checkPerson(u *User) *Refusal {
	if r := checkName("name", u.Name); r != nil {
		return r
	}
	if u.Mail == "" {
		return nil
	}
	return checkAddresses([]string{u.Mail})
}

// groupsOfUser holds a user's groups to one project, each once.
func (d *draft) groupsOfUser(asked []string) (groups []string, root string, r *Refusal) {
	groups = slices.Compact(slices.Sorted(slices.Values(asked)))
	if len(groups) == 0 || len(groups) > MaxGroupsOfUser {
		return nil, "", refusal(Invalid, "%d groups: a user is in 1 to %d", len(groups), MaxGroupsOfUser)
	}
	for _, id := range groups {
		g, r := d.live(id)
		if r != nil {
			return nil, "", r
		}
		if root != "" && g.Root != root {
			return nil, "", refusal(OtherProject, "a user is in groups of one company only")
		}
		root = g.Root
	}
	return groups, root, nil
}

func (c EditUser) decide(d *draft) error {
	u := d.user(c.ID)
	if u == nil {
		return unknown("user")
	}
	before := u.facts()
	edited := *u
	set(&edited.Name, c.Name)
	set(&edited.Mail, c.Mail)
	if r := checkPerson(&edited); r != nil {
		return r
	}
	d.users.edit(u.ID)
	u.Name, u.Mail = edited.Name, edited.Mail
	if c.Groups != nil {
		if r := d.regroup(u, *c.Groups, c.Limits); r != nil {
			return r
		}
	}
	if c.Limits != nil {
		if r := d.save(node{user: u}, *c.Limits, c.Clip, true); r != nil {
			return r
		}
	}
	d.enter(Entry{What: c.What(), Root: u.Root, User: u.ID}, before, u.facts())
	return nil
}

// regroup takes a user with all that he holds into other groups, where it has to fit.
func (d *draft) regroup(u *User, asked []string, next *Limits) *Refusal {
	groups, root, r := d.groupsOfUser(asked)
	switch {
	case r != nil:
		return r
	case root != u.Root:
		return refusal(OtherProject, "the user belongs to his company: licenses do not move to another one")
	case slices.Equal(groups, u.Groups):
		return nil
	}
	nodes := append(d.ways(u.Groups), d.ways(groups)...).above(nil)
	stood, promised := d.snap(nodes), d.promises(nodes)
	d.resettle(node{user: u})
	d.weigh(u.ID, -1)
	d.users.relist(u.ID).Groups = groups
	for use := range d.usesOf(u.ID) {
		d.use(use.ID)
		d.uses.relist(use.ID).Groups = groups
	}
	d.weigh(u.ID, +1)
	if next == nil {
		if r := d.beyond(d.ways(groups).above(nil), node{user: u}, &Limits{}, &u.Limits); r != nil {
			return r
		}
	}
	if r := d.worse(stood); r != nil {
		return r
	}
	return d.broken(promised)
}

func (c RemoveUser) decide(d *draft) error {
	u := d.user(c.ID)
	if u == nil {
		return unknown("user")
	}
	before := u.facts()
	d.weigh(u.ID, -1)
	held := map[string]int{}
	for use := range d.usesOf(u.ID) {
		d.use(use.ID)
		d.uses.drop(use.ID)
		held[use.Resource.String()] += use.Count
	}
	d.dropEdges(node{user: u})
	d.users.drop(u.ID)
	d.enter(Entry{What: c.What(), Root: u.Root, User: u.ID}, struct {
		*userFacts
		Held map[string]int `json:"held"`
	}{before, held}, nil)
	return nil
}
