package web

import (
	"context"

	"github.com/doorpanel/doorpanel/panel/access"
)

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
	Cards  int      `json:"cards"`            // how many credentials; not read on the way in
	Codes  int      `json:"codes"`
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
