package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const (
	sitesPage = 48 // sites that one page shows
	// A silent alarm stands on the first page for so long; afterwards it stands with its panel.
	silentFor   = 24 * time.Hour
	silentLimit = 12
	faultsRead  = 200
)

type (
	// siteSummary is a site in a list of the API.
	siteSummary struct {
		fleet.Site
		State    State    `json:"state"` // the worst of its panels'
		Panels   int      `json:"panels"`
		Online   int      `json:"online"`
		Open     int      `json:"open_outages"`
		Licensed bool     `json:"licensed"` // warnings are sent
		Today    *float64 `json:"availability_today,omitempty"`
		Month    *float64 `json:"availability_30_days,omitempty"`
		Quiet    bool     `json:"maintenance"`
	}
	// panelSummary is a panel in a list of the API.
	panelSummary struct {
		ID         string           `json:"id"`
		Name       string           `json:"name"`
		Site       string           `json:"site"`
		State      State            `json:"state"`
		Enrollment fleet.PanelState `json:"enrollment"`
		Presence   monitor.Presence `json:"presence"`
		Since      time.Time        `json:"since,omitzero"`
		Contact    time.Time        `json:"last_contact,omitzero"`
		Cause      monitor.Cause    `json:"cause,omitempty"`
		CauseText  string           `json:"cause_text,omitempty"`
		Doors      []doorSummary    `json:"doors"`
		Version    string           `json:"version,omitempty"`
	}
	doorSummary struct {
		Name    string `json:"name"`
		Open    bool   `json:"released"`
		Contact string `json:"contact,omitempty"`
		Alarm   string `json:"alarm,omitempty"`
	}
	// counts are the fleet in numbers.
	counts struct {
		Sites    int `json:"sites"`
		Panels   int `json:"panels"`
		Online   int `json:"online"`
		Lost     int `json:"lost"`
		Stopped  int `json:"stopped"`
		Unknown  int `json:"unknown"`
		Added    int `json:"added"`
		Alarms   int `json:"doors_alarmed"`
		Outages  int `json:"open_outages"`
		NotTaken int `json:"open_outages_not_acknowledged"`
		Silent   int `json:"silent_alarms"` // of the last 24 hours
	}
	overviewAnswer struct {
		counts
		Today *float64 `json:"availability_today,omitempty"`
		Month *float64 `json:"availability_30_days,omitempty"`
	}
	// overview is what the first page shows.
	overview struct {
		now          time.Time
		counts       counts
		today, month monitor.Counts
		wrong        []openIncident
		alarms       []panelView
		silent       []silentAlarm
		sites        []siteView
		total        int // sites that fit the search
		any          bool
		starts       bool // the first steps can be walked with a company
		query, state string
		page, pages  int
		caller       caller
	}
	// silentAlarm is that somebody opened under duress.
	silentAlarm struct {
		panelView
		fleet.Fault
	}
	openIncident struct {
		Site siteView
		monitor.Incident
	}
)

func (s *Server) overviewRoutes() []route {
	return []route{
		{Method: "GET", Pattern: api + "/overview", Access: roles.Monitor, Handler: s.getOverview, Status: 200, Summary: "The fleet in numbers",
			Response: overviewAnswer{counts: counts{Sites: 3, Panels: 12, Online: 11, Lost: 1, Outages: 1}}},
		{Method: "GET", Pattern: "/{$}", Access: LoggedIn, Handler: s.pageOverview, Page: true, Status: 200, Query: []string{"q", "state", "page"}, Summary: "Overview"},
	}
}

// percentOf is an availability for programs; nil when nobody looked.
func percentOf(c monitor.Counts) *float64 {
	if p, ok := c.Percent(); ok {
		return &p
	}
	return nil
}

func (c *counts) add(site siteView) {
	c.Sites++
	for _, p := range site.Panels {
		if !p.live() {
			continue
		}
		c.Panels++
		switch p.State {
		case StateAdded:
			c.Added++
		case StateLost:
			c.Lost++
		case StateStopped:
			c.Stopped++
		case StateUnknown:
			c.Unknown++
		default:
			c.Online++
		}
		for _, d := range p.Doors {
			if d.Alarm != "" && p.Watch.Presence == monitor.Online {
				c.Alarms++
			}
		}
	}
	for _, i := range site.Watch.Open {
		c.Outages++
		if i.Acked.IsZero() {
			c.NotTaken++
		}
	}
}

// open leaves archived sites out.
func (snap snapshot) open() []siteView {
	return slices.DeleteFunc(slices.Clone(snap.sites), func(v siteView) bool { return !v.Site.Archived.IsZero() })
}

func (s *Server) getOverview(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	o := sum(snap)
	if err := s.addSilent(&o, snap); err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, overviewAnswer{o.counts, percentOf(o.today), percentOf(o.month)})
}

// sum adds the sites up and finds what is wrong.
func sum(snap snapshot) overview {
	o := overview{now: snap.now}
	for _, site := range snap.open() {
		o.counts.add(site)
		o.today, o.month = o.today.Plus(site.Today), o.month.Plus(site.Month)
		for _, i := range site.Watch.Open {
			o.wrong = append(o.wrong, openIncident{site, i})
		}
		for _, p := range site.Panels {
			if p.State == StateAlarm {
				o.alarms = append(o.alarms, p)
			}
		}
	}
	slices.SortFunc(o.wrong, func(a, b openIncident) int { return b.Opened.Compare(a.Opened) })
	return o
}

// addSilent adds the silent alarms of the last day, of panels that the caller may see.
func (s *Server) addSilent(o *overview, snap snapshot) error {
	faults, err := s.o.Statuses.Faults("", faultsRead)
	if err != nil {
		return err
	}
	for _, f := range faults {
		if f.Kind != fleet.FaultDuress || snap.now.Sub(f.At) > silentFor {
			continue
		}
		for _, site := range snap.open() {
			for _, p := range site.Panels {
				if p.Panel.ID == f.Panel {
					o.silent = append(o.silent, silentAlarm{p, f})
				}
			}
		}
	}
	o.counts.Silent = len(o.silent)
	o.silent = o.silent[:min(len(o.silent), silentLimit)]
	return nil
}

// home is the first page of a caller who watches nothing.
func (v *visit) home() string {
	if v.caller.may(roles.ManageRoles) {
		return "/settings/users"
	}
	return "/account"
}

func (s *Server) pageOverview(v *visit) error {
	v.needs = roles.Monitor
	snap, err := v.look()
	if err != nil {
		return err
	}
	if !v.caller.may(roles.Monitor) {
		v.redirect(v.home())
		return nil
	}
	q := v.r.URL.Query()
	o := sum(snap)
	if err := s.addSilent(&o, snap); err != nil {
		return err
	}
	o.starts = s.o.Ledger != nil && v.caller.holds.Everywhere()
	o.caller, o.query, o.state = v.caller, strings.TrimSpace(q.Get("q")), q.Get("state")
	page, err := numberOf("page", q.Get("page"))
	if err != nil {
		return err
	}
	fitting := slices.DeleteFunc(snap.open(), func(site siteView) bool { return !site.fits(o.query, o.state) })
	order := worst()
	slices.SortStableFunc(fitting, func(a, b siteView) int { return slices.Index(order, a.rank()) - slices.Index(order, b.rank()) })
	o.any, o.total = o.counts.Sites > 0, len(fitting)
	o.sites, o.page, o.pages = paged(fitting, int(min(page, 1<<20)), sitesPage)
	return v.show("Overview", "overview", overviewPage(o))
}

// rank is what decides how far up a site stands: without a panel it needs somebody, too.
func (site siteView) rank() State {
	if site.State == StateEmpty {
		return StateAdded
	}
	return site.State
}

// fits tells whether a site is searched for: by its own name and id, and by its panels'.
func (site siteView) fits(query, state string) bool {
	switch state {
	case "wrong":
		if site.State == StateOnline && len(site.Watch.Open) == 0 {
			return false
		}
	case "well":
		if site.State != StateOnline || len(site.Watch.Open) > 0 {
			return false
		}
	}
	if query == "" {
		return true
	}
	query = strings.ToLower(query)
	if contains(query, site.Site.Name, site.Site.ID, site.Site.Address) {
		return true
	}
	return slices.ContainsFunc(site.Panels, func(p panelView) bool { return contains(query, p.Panel.Name, p.Panel.ID) })
}

func contains(lower string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), lower) })
}

// paged cuts one page out of a list; pages count from 1.
func paged[T any](all []T, page, size int) (part []T, at, of int) {
	of = max(1, (len(all)+size-1)/size)
	at = min(max(page, 1), of)
	return all[(at-1)*size : min(at*size, len(all))], at, of
}

func summarizeSite(site siteView) siteSummary {
	out := siteSummary{Site: site.Site, State: site.State, Open: len(site.Watch.Open), Licensed: site.Licensed, Today: percentOf(site.Today),
		Month: percentOf(site.Month), Quiet: site.Quiet != nil}
	for _, p := range site.Panels {
		if !p.live() {
			continue
		}
		out.Panels++
		if p.Watch.Presence == monitor.Online && p.State != StateAdded {
			out.Online++
		}
	}
	return out
}

func summarizePanel(p panelView) panelSummary {
	out := panelSummary{ID: p.Panel.ID, Name: p.Panel.Name, Site: p.Panel.Site, State: p.State, Enrollment: p.Panel.State(), Presence: p.Watch.Presence,
		Since: p.Watch.Since, Contact: p.Watch.Contact, Cause: p.Watch.Cause, CauseText: p.Watch.Cause.Words(), Doors: []doorSummary{}}
	if out.Presence == "" {
		out.Presence = monitor.Unknown
	}
	for _, d := range p.Doors {
		out.Doors = append(out.Doors, doorSummary{d.Name, d.Open, d.Contact, d.Alarm})
	}
	if p.Said != nil {
		out.Version = p.Said.Status.Version
	}
	return out
}

// headline says in one sentence how the fleet is.
func (o overview) headline() string {
	c := o.counts
	switch {
	case c.Silent > 0:
		return plural(c.Silent, "silent alarm", "silent alarms") + " in the last 24 hours. Do not ring back, and do not announce help at the door."
	case c.Panels == 0:
		return "No panel is paired yet."
	case c.Outages == 0 && c.Lost == 0 && c.Alarms == 0 && c.Stopped == 0 && c.Unknown == 0:
		return fmt.Sprintf("Everything is well: %s at %s, all in contact.", plural(c.Panels-c.Added, "panel", "panels"), plural(c.Sites, "site", "sites"))
	}
	var parts []string
	if c.Lost > 0 {
		parts = append(parts, plural(c.Lost, "panel", "panels")+" without contact")
	}
	if c.Alarms > 0 {
		parts = append(parts, plural(c.Alarms, "door", "doors")+" to look at")
	}
	if c.Stopped > 0 {
		parts = append(parts, fmt.Sprintf("%d stopped", c.Stopped))
	}
	if c.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d not heard", c.Unknown))
	}
	if len(parts) == 0 {
		parts = append(parts, plural(c.Outages, "outage is", "outages are")+" open")
	}
	return strings.Join(parts, ", ") + "."
}
