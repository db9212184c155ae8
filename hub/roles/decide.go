package roles

import (
	"cmp"
	"fmt"
	"slices"
)

// Decide tells whether one user's assignments give the right at the end of the path, and why or why not in words for the
// audit and for whoever has the right to know.
func Decide(held []Assignment, table Table, right Right, path Path) (ok bool, why string) {
	for _, a := range held {
		role, known := table.Role(a.Role)
		if known && role.Has(right) && reaches(role, a.Group, path) {
			return true, fmt.Sprintf("%s at %s", role.Title, placeWords(a.Group))
		}
	}
	return false, fmt.Sprintf("nothing here or above gives the right %q", right.Title())
}

func placeWords(place string) string {
	if place == Hub {
		return "the whole hub"
	}
	if id, ok := SiteOf(place); ok {
		return "the site " + id
	}
	return "the group " + place
}

// reaches tells whether an assignment of the role at the place holds at the end of the path. At the hub the role of server
// administrators holds everywhere; every other one stays out of companies, so that nobody else sees more than one of them.
func reaches(role Role, place string, path Path) bool {
	if place == Hub {
		return role.Has(ManageHub) || path.Company() == ""
	}
	return slices.Contains(path, place)
}

// Roots are the places that the assignments give the right at, without those that are below another one of them; in order. The
// paths are asked for once each; a place without one is left out.
func Roots(held []Assignment, table Table, right Right, path func(place string) (Path, bool)) []string {
	var given []string
	for _, a := range held {
		role, known := table.Role(a.Role)
		if known && role.Has(right) && !slices.Contains(given, a.Group) {
			given = append(given, a.Group)
		}
	}
	var roots []string
	for _, place := range given {
		if place == Hub {
			roots = append(roots, place)
			continue
		}
		above, there := path(place)
		if there && !slices.ContainsFunc(given, func(other string) bool {
			return other != place && other != Hub && slices.Contains(above, other)
		}) {
			roots = append(roots, place)
		}
	}
	if everywhere, _ := Decide(held, table, ManageHub, nil); everywhere && slices.Contains(roots, Hub) {
		return []string{Hub}
	}
	slices.SortFunc(roots, cmp.Compare[string])
	return roots
}

// Holder is one user with what he was given.
type Holder struct {
	User  string
	Held  []Assignment
	Table Table
}

// May tells whether the user has the right at the end of the path; of rights over the hub itself, at the hub.
func (h Holder) May(right Right, path Path) bool {
	if right.WholeHub() {
		path = nil
	}
	ok, _ := Decide(h.Held, h.Table, right, path)
	return ok
}

// Anywhere tells whether the user has the right at any place at all.
func (h Holder) Anywhere(right Right) bool {
	if right.WholeHub() {
		return h.May(right, nil)
	}
	return slices.ContainsFunc(h.Held, func(a Assignment) bool {
		role, known := h.Table.Role(a.Role)
		return known && role.Has(right)
	})
}

// Everywhere tells whether the user has the right at every place, without looking at paths: he is a server administrator.
func (h Holder) Everywhere() bool { return h.May(ManageHub, nil) }

// Sees tells whether the user has any right at all at the end of the path. Where he has none, there is nothing for him.
func (h Holder) Sees(path Path) bool {
	return slices.ContainsFunc(h.Held, func(a Assignment) bool {
		role, known := h.Table.Role(a.Role)
		return known && len(role.Rights) > 0 && reaches(role, a.Group, path)
	})
}

// Rights are those that the user has at the end of the path.
func (h Holder) Rights(path Path) []Right {
	var have []Right
	for _, a := range Rights() {
		if h.May(a.Right, path) {
			have = append(have, a.Right)
		}
	}
	return have
}

// ServerAdministrators are the users whose assignments make them server administrators, in order.
func ServerAdministrators(all []Assignment) []string {
	var users []string
	for _, a := range all {
		if a.Role == Administrator && a.Group == Hub && !slices.Contains(users, a.User) {
			users = append(users, a.User)
		}
	}
	slices.Sort(users)
	return users
}

// Companies are the root groups that the assignments reach, in order, the hub and places without a company left out.
func Companies(held []Assignment, path func(place string) (Path, bool)) []string {
	var companies []string
	for _, a := range held {
		if p, there := path(a.Group); there && a.Group != Hub && p.Company() != "" && !slices.Contains(companies, p.Company()) {
			companies = append(companies, p.Company())
		}
	}
	slices.Sort(companies)
	return companies
}
