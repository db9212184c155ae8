package web

import (
	"net/url"
	"slices"
	"time"
)

type kindChoice struct{ kind, title string }

// kindChoices are kinds that are searched for; one that was asked for and is not among them is added.
func kindChoices(asked string) []kindChoice {
	choices := []kindChoice{
		{"", "all"}, {"access.", "Access"}, {"access.granted", "Access granted"}, {"access.refused", "Access refused"}, {"door.", "Doors"}, {"door.forced", "Forced open"},
		{"door.held", "Held open"}, {"call.", "Calls"}, {"strike.", "Strikes"}, {"tamper.", "Tamper"}, {"fire.", "Fire"}, {"lockdown.", "Lockdown"}, {"duress.", "Silent alarm"},
		{"presence.", "Who is inside"}, {"license.", "Licenses"}, {"login.", "Logins at panels"}, {"config.", "Settings of panels"}, {"clock.", "Clock"}, {"device.", "Devices"},
		{"account.", "Telephone"}, {"journal.", "Journal"}, {"system.", "System"},
	}
	if !slices.ContainsFunc(choices, func(c kindChoice) bool { return c.kind == asked }) {
		choices = append(choices, kindChoice{asked, asked})
	}
	return choices
}

// asked is the search without what only moves through it.
func (p eventsView) asked() url.Values {
	q := url.Values{}
	for _, name := range []string{"site", "panel", "door", "who", "kind", "text", "from", "to"} {
		if value := p.values.Get(name); value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func (p eventsView) address(path string, more ...string) string {
	q := p.asked()
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			q.Set(more[i], more[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (p eventsView) export(format string) string {
	return p.address(api+"/events/export", "format", format)
}
func (p eventsView) page(before uint64) string {
	return p.address("/events", "before", number(before))
}

// live is where new rows come from: those after what this page shows.
func (p eventsView) live() string {
	after := number(p.last)
	if after == "" {
		after = "0"
	}
	return p.address("/events/live", "after", after)
}

// site is the site that is searched, nil: all.
func (p eventsView) site() *siteView {
	for i := range p.snap.sites {
		if p.snap.sites[i].Site.ID == p.query.Site {
			return &p.snap.sites[i]
		}
	}
	return nil
}

// mixed tells whether the sites have different zones, so that a time alone says little.
func (snap snapshot) mixed() bool {
	for _, view := range snap.sites {
		if view.Site.Zone != snap.sites[0].Site.Zone {
			return true
		}
	}
	return false
}

// zone is the zone of a site.
func (snap snapshot) zone(site string) *time.Location {
	for _, view := range snap.sites {
		if view.Site.ID == site {
			return view.Zone
		}
	}
	return time.UTC
}
