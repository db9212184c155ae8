package roles

import "slices"

// Right is one thing that one may do or see. Its text is kept in stores and said in the API; it never changes.
type Right string

// The rights. Those of licenses, of persons and of journals are separate: whoever hands out licenses sees counts, not
// comings and goings.
const (
	SeeLicenses      Right = "licenses.see"     // what a group has, uses and is bound by
	EditLicenses     Right = "licenses.edit"    // restrict a group, give it blocks (B-4, B-18)
	SetCompany       Right = "company.limits"   // at a company: what it has in all, beside packages and the Trial (T-10)
	SeeUsage         Right = "usage.see"        // counts and the report for post-payment (T-21)
	EditGroups       Right = "groups.edit"      // make, change, move and archive groups below (B-3, B-18)
	EditUserLicenses Right = "users.licenses"   // counts, features and dates of one user (B-21)
	EnterPackages    Right = "packages.enter"   // signed licenses, as QR, file or short code
	StartTrial       Right = "trial.start"      // the trial of a partner (T-1)
	ForceRelease     Right = "licenses.release" // take a seat from a device that does not give it back
	ApproveRelease   Right = "releases.approve" // more forced releases at one place than are free (story 4)
	SeePersons       Right = "persons.see"      // who lives and works there
	EditPersons      Right = "persons.edit"     // assign people to groups
	SeeJournals      Right = "journals.see"     // events that name nobody: doors held open, tampering, clocks
	SeePersonEvents  Right = "journals.persons" // comings and goings (T-6)
	OpenDoors        Right = "doors.open"       // ask a panel to open, to lock down, to show a text
	Monitor          Right = "monitor.see"      // which panels are there, outages, availability (I-26)
	AnswerWarnings   Right = "warnings.answer"  // take outages on, maintenance, messages and their addresses
	EditWarnings     Right = "warnings.edit"    // who is warned of what, and when
	EditSites        Right = "sites.edit"       // add, change and archive sites, hang them below groups
	PairPanels       Right = "panels.pair"      // let panels in, name them, end them
	AskHandOver      Right = "handover.ask"     // propose another dealer (story 23)
	ConsentHandOver  Right = "handover.consent" // say yes or no to it, as the owner
	// AppointManagement brings in who sees people, for those who hand licenses out and do not.
	AppointManagement Right = "management.appoint" // appoint the first management company of a group (T-5)
	ManageRoles       Right = "roles.manage"       // make users, give and take roles, make roles of one's own
	SeeChanges        Right = "changes.see"        // who changed what
	SeeHealth         Right = "hub.health"         // how the hub itself is; of the whole hub
	ManageHub         Right = "hub.manage"         // companies, settings, backups, tokens; of the whole hub
)

// About is a right in words.
type About struct {
	Right Right
	Area  string // those of one area stand together
	Title string
	// WholeHub marks rights over the hub itself: they hold at the hub or nowhere, and are in no role that is made by hand.
	WholeHub bool
}

// Rights are all of them, in the order in which tables show them.
func Rights() []About {
	return []About{
		{SeeLicenses, "Licenses", "See licenses and what limits them", false},
		{EditLicenses, "Licenses", "Give licenses to groups", false},
		{SetCompany, "Licenses", "Set what a company has in all", false},
		{SeeUsage, "Licenses", "See how much is used", false},
		{EditGroups, "Licenses", "Make and change groups", false},
		{EditUserLicenses, "Licenses", "Give licenses to users", false},
		{EnterPackages, "Licenses", "Enter packages", false},
		{StartTrial, "Licenses", "Start a trial", false},
		{ForceRelease, "Licenses", "Release a seat by force", false},
		{ApproveRelease, "Licenses", "Approve further forced releases", false},
		{SeePersons, "People", "See people", false},
		{EditPersons, "People", "Assign people to groups", false},
		{SeeJournals, "Doors", "See events that name nobody", false},
		{SeePersonEvents, "Doors", "See comings and goings", false},
		{OpenDoors, "Doors", "Open doors from here", false},
		{Monitor, "Panels", "See panels and outages", false},
		{AnswerWarnings, "Panels", "Answer warnings, set maintenance", false},
		{EditWarnings, "Panels", "Say who is warned", false},
		{EditSites, "Panels", "Add and change sites", false},
		{PairPanels, "Panels", "Pair and end panels", false},
		{AskHandOver, "Management", "Ask for a hand-over", false},
		{ConsentHandOver, "Management", "Consent to a hand-over", false},
		{AppointManagement, "Management", "Appoint the first management company of a group", false},
		{ManageRoles, "Management", "Manage users and roles", false},
		{SeeChanges, "Management", "See who changed what", false},
		{SeeHealth, "Hub", "See the hub's health", true},
		{ManageHub, "Hub", "Manage the hub and its companies", true},
	}
}

// WholeHub tells whether the right is one over the hub itself.
func (r Right) WholeHub() bool { return r == SeeHealth || r == ManageHub }

// Known tells whether there is such a right.
func (r Right) Known() bool {
	return slices.ContainsFunc(Rights(), func(a About) bool { return a.Right == r })
}

// Title is the right in words, or its text where it is not known.
func (r Right) Title() string {
	for _, a := range Rights() {
		if a.Right == r {
			return a.Title
		}
	}
	return string(r)
}

func every() []Right {
	var all []Right
	for _, a := range Rights() {
		all = append(all, a.Right)
	}
	return all
}
