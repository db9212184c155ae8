package web

import (
	"context"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// AccessPorts is what the pages about access control are served from. All of it is required.
type AccessPorts struct {
	Groups    Groups
	Calendars Calendars
	Codes     CodeDrawer
	Policies  DoorPolicies
	Settings  AccessSettingsKeeper
	Lists     PeopleLists
	Guests    Guests
	Presence  Presence
	// Attendance is asked only while it is switched on.
	Attendance Attendance
}

// missing names the first port that was left out.
func (p AccessPorts) missing() string {
	for _, port := range []struct {
		name string
		left bool
	}{
		{"Groups", p.Groups == nil}, {"Calendars", p.Calendars == nil}, {"Codes", p.Codes == nil}, {"Policies", p.Policies == nil},
		{"Settings", p.Settings == nil}, {"Lists", p.Lists == nil},
		{"Guests", p.Guests == nil}, {"Presence", p.Presence == nil}, {"Attendance", p.Attendance == nil},
	} {
		if port.left {
			return port.name
		}
	}
	return ""
}

// People keeps the persons whom credentials belong to.
type People interface {
	// PutPerson makes a person (empty ID: one is drawn) or changes the one with this ID; cards and codes stay as they are.
	PutPerson(ctx context.Context, p Person, by string) (Person, error)
	// DeletePeople erases persons and every credential of theirs: all of them, or nobody when one is not known.
	DeletePeople(ctx context.Context, ids []string, by string) error
}

// Directory finds persons.
type Directory interface {
	People(q PeopleQuery) (PeoplePage, error)
	Person(id string) (PersonDetail, error)
}

// Person is somebody who lives or works here.
type Person struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Note   string   `json:"note,omitempty"`   // company, telephone, anything
	Flat   string   `json:"flat,omitempty"`   // its number, at most 5 digits: may be typed before a code
	Groups []string `json:"groups,omitempty"` // what groups may open their members may open
	// Rights are this person's own, beside those of the groups; a person with neither opens nothing.
	Rights []access.Right `json:"rights,omitempty"`
	Cards  int            `json:"cards"` // how many credentials; not read on the way in
	Codes  int            `json:"codes"`
}

// PersonDetail is a person with what opens doors.
type PersonDetail struct {
	Person
	Credentials []Credential `json:"credentials"`
}

// Credential is a card or a code as the pages show it.
type Credential struct {
	access.Credential
	Digits int    `json:"digits,omitempty"` // of a code, without the flat; 0: not known
	Flat   string `json:"flat,omitempty"`   // typed before the code
	// NeedsDigits is how long a code would have to be now, where this one is shorter; 0: it is long enough.
	NeedsDigits int  `json:"needs_digits,omitempty"`
	Clonable    bool `json:"clonable,omitempty"` // a card known by its UID alone: copied in passing
}

// CodeDrawer replaces codes.
type CodeDrawer interface {
	// ShortCodes lists codes that would have to be longer now, because more people have one than when they were drawn.
	ShortCodes(after string, limit int) (ShortCodes, error)
	// RedrawCode withdraws a code and draws another with the same limits; code is what is typed, shown once.
	RedrawCode(ctx context.Context, id, by string) (made access.Credential, code string, err error)
}

// ShortCodes is a page of codes that are too short now.
type ShortCodes struct {
	Credentials []ShortCode `json:"credentials"`
	// Next goes into after; empty at the end. A page may be shorter than asked for, and still not be the last.
	Next string `json:"next"`
}

// ShortCode is a code that is too short now, with whose it is.
type ShortCode struct {
	Credential
	Name string `json:"name"`
}

// Groups keeps groups of people. What a group may, each of its members may.
type Groups interface {
	Groups() ([]Group, error)
	PutGroup(ctx context.Context, g Group, by string) error
	// DeleteGroup fails with ErrConflict while somebody is in the group.
	DeleteGroup(ctx context.Context, name, by string) error
}

// Group is a group of people.
type Group struct {
	Name   string         `json:"name"`
	Note   string         `json:"note,omitempty"`
	Rights []access.Right `json:"rights"`
	// Emergency lets its members in also during a lockdown.
	Emergency bool `json:"emergency,omitempty"`
	Members   int  `json:"members"` // not read on the way in
}

// Calendars keeps the site's holidays.
type Calendars interface {
	Calendar() (access.Calendar, error)
	PutCalendar(ctx context.Context, c access.Calendar, by string) error
}

// DoorPolicies keeps what the people of the site decided about their doors.
type DoorPolicies interface {
	// DoorPolicies lists one for each door, in the order of the configuration.
	DoorPolicies() ([]access.DoorPolicy, error)
	PutDoorPolicy(ctx context.Context, p access.DoorPolicy, by string) error
}

// AccessSettings is what the people of the site decided about access as a whole. The zero value is how a panel comes.
type AccessSettings struct {
	// NoDecoys takes a code only as it is; else a few digits may be typed around it, and codes are a little longer.
	NoDecoys bool `json:"no_decoys"`
	// Attendance lets the pages show when people came and went, as far back as AttendanceDays.
	Attendance     bool `json:"attendance"`
	AttendanceDays int  `json:"attendance_days"` // 1 to 366; 31 where it is 0
}

// AccessSettingsKeeper keeps them.
type AccessSettingsKeeper interface {
	AccessSettings() (AccessSettings, error)
	PutAccessSettings(ctx context.Context, s AccessSettings, by string) error
}

// PeopleQuery asks for a page of persons.
type PeopleQuery struct {
	Search string // words that all stand in the name or the note, or are the flat
	Group  string // only its members
	ByName bool   // sorted by name, as every search is; else by id
	After  string // the next of the page before, or, by id, any id
	Limit  int    // at least 1
}

// PeoplePage is a page of persons.
type PeoplePage struct {
	People []Person `json:"people"`
	Next   string   `json:"next"`  // goes into After; empty at the end
	Total  int      `json:"total"` // of all persons, found or not
}

// PeopleLists brings lists of people in and gives them out.
type PeopleLists interface {
	// ImportPeople compares a list with the people who are here and, unless o.DryRun, brings it in, batch by batch; progress is
	// told of each, and may end the import by an error. A list with mistakes changes nothing: the result names them all. When
	// ctx ends, whole rows are in, and the same list goes on where it stopped. ErrBusy: another list is being brought in.
	ImportPeople(ctx context.Context, content []byte, o ImportOptions, progress func(ImportProgress) error) (ImportResult, error)
	// ExportPeople hands out everybody by name, without what opens a door, for as long as take returns nil.
	ExportPeople(ctx context.Context, take func(ExportedPerson) error) error
}

// ImportOptions says how a list is taken.
type ImportOptions struct {
	JSON    bool   // a JSON list; else CSV
	DryRun  bool   // only the difference is told
	Replace bool   // who is not in the list is removed
	By      string // who asked
}

// ImportProgress is how far an import has come. The codes that were drawn are told once, here.
type ImportProgress struct {
	Done  int         `json:"done"`
	Of    int         `json:"of"`
	Codes []DrawnCode `json:"codes,omitempty"`
}

// DrawnCode is a code that was drawn for somebody of a list.
type DrawnCode struct {
	Line int    `json:"line"`
	Name string `json:"name"`
	Flat string `json:"flat,omitempty"` // the code begins with it
	Code string `json:"code"`           // all that is typed
}

// ImportResult is the difference that a list makes, or would make.
type ImportResult struct {
	Rows      int  `json:"rows"`
	Added     int  `json:"added"`
	Changed   int  `json:"changed"`
	Unchanged int  `json:"unchanged"`
	Removed   int  `json:"removed"`
	Stopped   bool `json:"stopped,omitempty"` // before the end: whole rows are in
	// Differences and Mistakes name the first thousand each.
	Differences  []ImportDifference `json:"differences,omitempty"`
	MistakeCount int                `json:"mistake_count,omitempty"`
	Mistakes     []ImportMistake    `json:"mistakes,omitempty"`
}

// ImportDifference is one person whom a list changes.
type ImportDifference struct {
	Line int      `json:"line,omitempty"` // 0: the person is not in the list
	Name string   `json:"name"`
	What string   `json:"what"` // added, changed, removed
	How  []string `json:"how,omitempty"`
}

// ImportMistake is what is wrong with one line of a list.
type ImportMistake struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// ExportedPerson is a person as a list carries it: it can be brought in again as it is.
type ExportedPerson struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Note   string         `json:"note,omitempty"`
	Flat   string         `json:"flat,omitempty"`
	Groups []string       `json:"groups"`
	Rights []access.Right `json:"rights"`
	Cards  int            `json:"cards"`
	Codes  int            `json:"codes"`
}

// Guests lets people in for a time.
type Guests interface {
	// Guests lists the passes that a user gave; an empty by means everybody's.
	Guests(by string) ([]Guest, error)
	// MakeGuest makes one. shown is the text of the pass, or the digits of the code: a code is answered this once.
	MakeGuest(ctx context.Context, n NewGuest, by string) (made Guest, shown string, err error)
	// RevokeGuest withdraws one of the user's, or any.
	RevokeGuest(ctx context.Context, id, by string, any bool) error
	// ShowGuest is the text of a pass once more.
	ShowGuest(id, by string, any bool) (text string, err error)
}

// Guest is somebody who is let in for a time. Used counts are the machine's and not shown here.
type Guest struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	By      string      `json:"by"`   // the user who gave it
	Kind    access.Kind `json:"kind"` // pass or code
	Doors   []string    `json:"doors,omitempty"`
	From    time.Time   `json:"valid_from"`
	Until   time.Time   `json:"valid_until"`
	Uses    int         `json:"uses"` // how often it opens
	Revoked bool        `json:"revoked,omitempty"`
}

// NewGuest is a pass or a code to be made.
type NewGuest struct {
	Name    string      `json:"name"`
	Kind    access.Kind `json:"kind"`
	Doors   []string    `json:"doors,omitempty"` // none: all
	From    time.Time   `json:"valid_from"`
	Until   time.Time   `json:"valid_until"`
	Uses    int         `json:"uses"`
	Digits  int         `json:"digits,omitempty"`  // of a code; 0: as many as it needs
	Picture bool        `json:"picture,omitempty"` // show the code as a picture for the scanner
}

// Presence knows who is inside.
type Presence interface {
	// Inside lists who is inside now, the longest first.
	Inside(ctx context.Context) ([]InsideView, error)
	// ResetPresence takes a person off the list, or everybody.
	ResetPresence(ctx context.Context, person, by string) error
}

// InsideView is somebody who is inside.
type InsideView struct {
	Person  string    `json:"person"` // id; of a guest, pass: and the id of the pass
	Name    string    `json:"name,omitempty"`
	Door    string    `json:"door"` // through which
	Since   time.Time `json:"since"`
	Trusted bool      `json:"trusted"` // since may be believed
}

// Attendance knows when people came and went.
type Attendance interface {
	// Attendance lists the days of people who came or went in [from, until), by day and name. It notes who asked.
	Attendance(ctx context.Context, from, until time.Time, by string) ([]AttendanceDay, error)
}

// AttendanceDay is one day of one person, in the site's zone.
type AttendanceDay struct {
	Day    string    `json:"day"` // 2026-11-23
	Person string    `json:"person"`
	Name   string    `json:"name"`
	In     time.Time `json:"in,omitzero"`  // the first time
	Out    time.Time `json:"out,omitzero"` // the last time
}
