package license

import (
	"fmt"
	"slices"
	"strings"
)

// Feature describes one thing that a license can grant. Licenses may name features that are not listed: they are kept, counted
// and shown, and a later version may give them a meaning.
type Feature struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Counted bool   `json:"counted"`           // else on or off
	Implies string `json:"implies,omitempty"` // a feature that comes with this one
	one     string
	many    string
}

// Names of the features that the panel itself asks for.
const (
	Buttons        = "buttons"
	AccessBasic    = "access_basic"
	AccessAdvanced = "access_advanced"
	SIP            = "sip"
	Monitoring     = "monitoring"
	AppRemote      = "app_remote"
)

// Any stands in a delegation's ceilings for every feature that is not named there.
const Any = "*"

// Features lists the features known here, in the order in which people should see them. The caller owns the slice.
func Features() []Feature { return slices.Clone(known[:]) }

var known = [...]Feature{
	{Name: Buttons, Title: "Call buttons", Counted: true, one: "button", many: "buttons"},
	{Name: AccessBasic, Title: "Access control"},
	{Name: AccessAdvanced, Title: "Advanced access control", Implies: AccessBasic},
	{Name: SIP, Title: "SIP interface"},
	{Name: AppRemote, Title: "Remote App"},
	{Name: Monitoring, Title: "Monitoring"},
	{Name: "sip_numbers", Title: "SIP numbers", Counted: true, one: "SIP number", many: "SIP numbers"},
	{Name: "apps", Title: "Applications", Counted: true, one: "application", many: "applications"},
	{Name: "ukey", Title: "Mobile keys", Counted: true, one: "mobile key", many: "mobile keys"},
	{Name: "sip_trunks", Title: "SIP trunks"},
	{Name: "web_dialer", Title: "Web dialer"},
	{Name: "remote_open", Title: "Remote opening"},
	{Name: "assistant", Title: "Voice assistant"},
	{Name: "guests", Title: "Guest passes"},
	{Name: "lift", Title: "Lift control"},
	{Name: "amenities", Title: "Amenities"},
	{Name: "plates", Title: "Number plates"},
}

// Describe finds a feature by name. One that is not listed is described by its name alone.
func Describe(name string) Feature {
	for i := range known {
		if known[i].Name == name {
			return known[i]
		}
	}
	return Feature{Name: name, Title: name}
}

// amount is so many of a counted feature: "4 buttons".
func (f Feature) amount(count int) string {
	if count == 1 {
		return "1 " + f.one
	}
	return fmt.Sprintf("%d %s", count, f.many)
}

func (f Feature) gained(count int) string {
	switch {
	case f.Counted:
		return f.amount(count) + " added"
	case count > 1:
		return fmt.Sprintf("%s: %d added", lowerFirst(f.Title), count)
	}
	return lowerFirst(f.Title) + " on"
}

// lowerFirst spares names that are written in capitals.
func lowerFirst(title string) string {
	if len(title) > 1 && title[1] >= 'A' && title[1] <= 'Z' || strings.HasPrefix(title, "Remote App") {
		return title
	}
	return strings.ToLower(title[:1]) + title[1:]
}
