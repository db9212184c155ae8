package roles

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Role is a named set of rights.
type Role struct {
	ID     string  `json:"id"`
	Title  string  `json:"title"`
	Rights []Right `json:"rights"` // in the order of Rights
	// Group is where a role that was made by hand may be given, with everything below; empty: anywhere.
	Group string `json:"group,omitempty"`
	// Builtin roles are the same on every hub and never change.
	Builtin bool `json:"builtin,omitempty"`
}

// Has tells whether the right is one of the role's.
func (r Role) Has(right Right) bool { return slices.Contains(r.Rights, right) }

// The ids of the built-in roles.
const (
	Administrator = "administrator" // server administrator: the whole hub (T-8)
	Distributor   = "distributor"   // company administrator (T-5)
	Dealer        = "dealer"        // site administrator, installer (B-18)
	Management    = "management"    // management company (T-6)
	Concierge     = "concierge"     // T-7
	Technician    = "technician"    // T-7
	Resident      = "resident"      // end user
	Operator      = "operator"      // of hubs without a tree: watches, acknowledges, orders
	Viewer        = "viewer"        // of hubs without a tree: looks
)

// Builtin are the built-in roles, in the order in which lists show them.
func Builtin() []Role {
	dealer := []Right{SeeLicenses, EditLicenses, SeeUsage, EditGroups, EditUserLicenses, EnterPackages, StartTrial, ForceRelease,
		Monitor, AnswerWarnings, EditWarnings, EditSites, PairPanels, AppointManagement, ManageRoles, SeeChanges}
	looks := []Right{SeeJournals, SeePersonEvents, Monitor}
	built := []Role{
		{ID: Administrator, Title: "Server administrator", Rights: every()},
		{ID: Distributor, Title: "Distributor", Rights: append(slices.Clone(dealer), SetCompany, ApproveRelease, AskHandOver)},
		{ID: Dealer, Title: "Dealer", Rights: dealer},
		{ID: Management, Title: "Management company", Rights: []Right{SeeLicenses, SeeUsage, EditUserLicenses, SeePersons, EditPersons, SeeJournals, SeePersonEvents,
			OpenDoors, Monitor, AnswerWarnings, EditWarnings, ConsentHandOver, ManageRoles, SeeChanges}},
		{ID: Concierge, Title: "Concierge", Rights: append(slices.Clone(looks), SeePersons, OpenDoors, AnswerWarnings)},
		{ID: Technician, Title: "Technician", Rights: []Right{Monitor, AnswerWarnings, EditWarnings, EditSites, PairPanels}},
		{ID: Resident, Title: "End user"},
		{ID: Operator, Title: "Operator", Rights: append(slices.Clone(looks), OpenDoors, AnswerWarnings, SeeHealth)},
		{ID: Viewer, Title: "Viewer", Rights: looks},
	}
	for i := range built {
		built[i].Builtin, built[i].Rights = true, sorted(built[i].Rights)
	}
	return built
}

// sorted puts rights into the order of Rights, each once.
func sorted(rights []Right) []Right {
	out := []Right{}
	for _, a := range Rights() {
		if slices.Contains(rights, a.Right) {
			out = append(out, a.Right)
		}
	}
	return out
}

// Table is the roles that there are.
type Table []Role

// NewTable puts the built-in roles before those that were made by hand. One of these under the id of a built-in role is left out.
func NewTable(made []Role) Table {
	table := Table(Builtin())
	for _, r := range made {
		if _, taken := table.Role(r.ID); !taken {
			r.Builtin = false
			table = append(table, r)
		}
	}
	return table
}

// Role finds a role by its id.
func (t Table) Role(id string) (Role, bool) {
	for _, r := range t {
		if r.ID == id {
			return r, true
		}
	}
	return Role{}, false
}

// Path is where something is: the groups above it, the topmost first, and its own group or site last. The empty path is the
// hub itself. The first group of a path is its company.
type Path []string

// Hub is the place of an assignment that holds for the whole hub.
const Hub = ""

const sitePrefix = "site:"

// Site is the place of an assignment that holds for one site; it is the last of that site's path. Ids of groups have no colon.
func Site(id string) string { return sitePrefix + id }

// SiteOf is the site that a place names; ok is false for groups and the hub.
func SiteOf(place string) (id string, ok bool) { return strings.CutPrefix(place, sitePrefix) }

// Company is the root group of the path; empty where no group is above.
func (p Path) Company() string {
	if len(p) == 0 {
		return ""
	}
	if _, site := SiteOf(p[0]); site {
		return ""
	}
	return p[0]
}

// Assignment gives a user a role at a place and at everything below.
type Assignment struct {
	User  string    `json:"user"`
	Role  string    `json:"role"`
	Group string    `json:"group"` // id of a group, Site(id), or Hub
	By    string    `json:"by"`
	Since time.Time `json:"since"`
}

// Same tells whether both give the same.
func (a Assignment) Same(b Assignment) bool {
	return a.User == b.User && a.Role == b.Role && a.Group == b.Group
}

// maxRoleTitle bounds a role's title, in bytes.
const maxRoleTitle = 60

// CheckRole refuses a role that cannot be made by hand: one without a title, with a right that is not known, or with one over
// the hub itself. It returns the role with its rights in order.
func CheckRole(r Role) (Role, error) {
	r.Title = strings.TrimSpace(r.Title)
	switch {
	case r.Title == "" || len(r.Title) > maxRoleTitle || !utf8.ValidString(r.Title) || strings.ContainsFunc(r.Title, func(c rune) bool { return !unicode.IsPrint(c) }):
		return r, fmt.Errorf("a role needs a title of 1 to %d letters, digits and signs", maxRoleTitle)
	case r.ID == "" || len(r.ID) > 40 || strings.ContainsFunc(r.ID, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' }):
		return r, fmt.Errorf("the role's id %.40q is not 1 to 40 of a-z 0-9 -", r.ID)
	}
	if _, builtin := Table(Builtin()).Role(r.ID); builtin {
		return r, fmt.Errorf("the role %s is built in and never changes; make another one", r.ID)
	}
	for _, right := range r.Rights {
		switch {
		case !right.Known():
			return r, fmt.Errorf("there is no right %.40q", right)
		case right.WholeHub():
			return r, fmt.Errorf("%q is for server administrators alone", right.Title())
		}
	}
	if _, site := SiteOf(r.Group); site {
		return r, fmt.Errorf("a role is made for a group or for the whole hub, not for one site")
	}
	r.Builtin, r.Rights = false, sorted(r.Rights)
	return r, nil
}
