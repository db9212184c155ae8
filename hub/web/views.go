package web

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/telemetry"
)

// siteView is a site with everything that is shown of it.
type siteView struct {
	Site     fleet.Site
	Watch    monitor.Site
	Zone     *time.Location
	Panels   []panelView // the worst first, then by name; revoked and replaced ones last
	State    State
	Licensed bool
	Today    monitor.Counts
	Month    monitor.Counts
	// Quiet is the maintenance window that is in force, nil: none.
	Quiet *monitor.Maintenance
}

// panelView is a panel with everything that is shown of it.
type panelView struct {
	Panel fleet.Panel
	Site  fleet.Site
	Zone  *time.Location
	Watch monitor.Panel
	Known bool // by the monitor
	Said  *Said
	State State
	Doors []doorView
	Doing string // what is with it, in a sentence
}

// doorView is a door as the panel described it last.
type doorView struct {
	Name string
	telemetry.Door
}

// live tells whether the panel is part of the site still.
func (p panelView) live() bool {
	return p.State != StateRevoked && p.State != StateReplaced
}

// fresh tells whether what the panel said of its doors can still be so.
func (p panelView) fresh() bool { return p.Watch.Presence == monitor.Online }

// title is the panel's name, or its id while it has none.
func (p panelView) title() string { return cmp.Or(p.Panel.Name, p.Panel.ID) }

// snapshot is the fleet as one caller may see it, at one moment.
type snapshot struct {
	now    time.Time
	sites  []siteView // by name
	panels map[string]*panelView
}

// look gathers the sites at which the caller has the right that the route asks for. Archived sites are in it, too.
func (v *visit) look() (snapshot, error) {
	sites, err := v.s.o.Sites.Sites()
	if err != nil {
		return snapshot{}, err
	}
	v.caller.land.learn(sites)
	return v.lookAt(sites)
}

// lookAt gathers some sites.
func (v *visit) lookAt(sites []fleet.Site) (snapshot, error) {
	s, c := v.s, v.caller
	watched, err := s.o.Watch.Watched()
	if err != nil {
		return snapshot{}, err
	}
	panels, err := s.o.Panels.Panels()
	if err != nil {
		return snapshot{}, err
	}
	said, err := s.o.Statuses.Said()
	if err != nil {
		return snapshot{}, err
	}
	return assemble(s.o.Now(), func(site string) bool { return c.mayAt(v.needs, site) }, sites, watched, panels, said), nil
}

func assemble(now time.Time, shown func(site string) bool, sites []fleet.Site, watched []monitor.Site, panels []fleet.Panel, said []Said) snapshot {
	watch := make(map[string]monitor.Site, len(watched))
	for _, w := range watched {
		watch[w.ID] = w
	}
	last := make(map[string]*Said, len(said))
	for i := range said {
		last[said[i].Panel] = &said[i]
	}
	bySite := map[string][]fleet.Panel{}
	for _, p := range panels {
		bySite[p.Site] = append(bySite[p.Site], p)
	}
	snap := snapshot{now: now, panels: map[string]*panelView{}}
	zones := map[string]*time.Location{} // reading one from the host costs more than a site
	for _, site := range sites {
		if shown(site.ID) {
			if zones[site.Zone] == nil {
				zones[site.Zone] = zoneOf(site.Zone)
			}
			snap.sites = append(snap.sites, viewSite(now, site, zones[site.Zone], watch[site.ID], bySite[site.ID], last))
		}
	}
	slices.SortFunc(snap.sites, func(a, b siteView) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Site.Name), strings.ToLower(b.Site.Name)), cmp.Compare(a.Site.ID, b.Site.ID))
	})
	for i := range snap.sites {
		for j := range snap.sites[i].Panels {
			p := &snap.sites[i].Panels[j]
			snap.panels[p.Panel.ID] = p
		}
	}
	return snap
}

func viewSite(now time.Time, site fleet.Site, zone *time.Location, watch monitor.Site, panels []fleet.Panel, last map[string]*Said) siteView {
	view := siteView{Site: site, Watch: watch, Zone: zone, Licensed: watch.License.Holds(now), State: StateEmpty}
	known := make(map[string]monitor.Panel, len(watch.Panels))
	for _, p := range watch.Panels {
		known[p.ID] = p
	}
	for _, p := range panels {
		w, ok := known[p.ID]
		view.Panels = append(view.Panels, viewPanel(now, site, view.Zone, p, w, ok, last[p.ID]))
	}
	order := worst()
	slices.SortFunc(view.Panels, func(a, b panelView) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(strings.ToLower(a.title()), strings.ToLower(b.title())))
	})
	if len(view.Panels) > 0 && view.Panels[0].live() {
		view.State = view.Panels[0].State
	}
	if len(watch.Panels) > 0 {
		today := monitor.DateOf(now, view.Zone)
		first := monitor.DateOf(now.AddDate(0, 0, -29), view.Zone)
		view.Today = watch.Availability(view.Zone, "", today, today, now)
		view.Month = watch.Availability(view.Zone, "", first, today, now)
	}
	for i, m := range watch.Maintenance {
		if covers(m, now, view.Zone) {
			view.Quiet = &watch.Maintenance[i]
			break
		}
	}
	return view
}

func viewPanel(now time.Time, site fleet.Site, zone *time.Location, p fleet.Panel, w monitor.Panel, known bool, said *Said) panelView {
	view := panelView{Panel: p, Site: site, Zone: zone, Watch: w, Known: known, Said: said}
	if said != nil {
		for _, name := range slices.Sorted(maps.Keys(said.Status.Doors)) {
			view.Doors = append(view.Doors, doorView{name, said.Status.Doors[name]})
		}
	}
	view.State, view.Doing = panelState(view)
	// How long a door has been so is not known: the panel's own events say it.
	if view.live() && known && view.State != StateAdded && view.State != StateAlarm {
		view.Doing += since(view, now)
	}
	return view
}

// panelState is the one thing to know of a panel.
func panelState(v panelView) (State, string) {
	switch v.Panel.State() {
	case fleet.PanelAdded:
		return StateAdded, "Not paired yet"
	case fleet.PanelRevoked:
		return StateRevoked, "Its certificate is revoked"
	case fleet.PanelReplaced:
		return StateReplaced, "Another panel took its place"
	}
	switch v.Watch.Presence {
	case monitor.Lost:
		return StateLost, "No contact"
	case monitor.Stopped:
		return StateStopped, "Stopped by somebody"
	case monitor.Online:
		for _, d := range v.Doors {
			if d.Alarm != "" {
				return StateAlarm, "Door " + d.Name + " " + doorWords(d.Door)
			}
		}
		if !v.Watch.Unsteady.IsZero() {
			return StateUnsteady, "Comes and goes; now online"
		}
		return StateOnline, "Online"
	}
	if v.Watch.Contact.IsZero() {
		return StateUnknown, "Not heard yet"
	}
	return StateUnknown, "Not heard since the hub looks again"
}

func since(v panelView, now time.Time) string {
	if v.Watch.Since.IsZero() {
		return ""
	}
	return " since " + ago(v.Watch.Since, now, v.Zone)
}

// zoneOf is a zone by its name; one that this host does not know counts as UTC.
func zoneOf(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	return time.UTC
}

// covers tells whether a maintenance window is in force, for the page; the monitor decides by itself.
func covers(m monitor.Maintenance, now time.Time, zone *time.Location) bool {
	if len(m.Days) == 0 {
		return !now.Before(m.From) && now.Before(m.Until)
	}
	local := now.In(zone)
	clock, today, yesterday := local.Format("15:04"), weekday(local), weekday(local.AddDate(0, 0, -1))
	if m.Start < m.End {
		return slices.Contains(m.Days, today) && m.Start <= clock && clock < m.End
	}
	return slices.Contains(m.Days, today) && clock >= m.Start || slices.Contains(m.Days, yesterday) && clock < m.End
}

func weekday(t time.Time) string { return strings.ToLower(t.Format("Mon")) }

// reach judges whether the caller may do at a site what the route is for. A site that does not exist is answered as one at which
// he has nothing, and looked for as long; one at which he has something else is not hidden from him.
func (v *visit) reach(site string, exists bool) error {
	sees, may := v.caller.sees(site), v.caller.mayAt(v.needs, site)
	switch {
	case !exists || !sees:
		return notThere()
	case !may:
		return v.caller.notAllowed(v.needs)
	}
	return nil
}

// site finds a site that the caller may see; whether there is another one is not told. The snapshot has no other one.
func (v *visit) site(id string) (siteView, snapshot, error) {
	site, err := v.siteRecord(id)
	if err != nil {
		return siteView{}, snapshot{}, err
	}
	snap, err := v.lookAt([]fleet.Site{site})
	if err == nil && len(snap.sites) == 0 {
		err = notThere()
	}
	if err != nil {
		return siteView{}, snap, err
	}
	return snap.sites[0], snap, nil
}

// panel finds a panel that the caller may see. The snapshot has no site but its own.
func (v *visit) panel(id string) (panelView, snapshot, error) {
	panel, err := v.panelRecord(id)
	if err != nil {
		return panelView{}, snapshot{}, err
	}
	_, snap, err := v.site(panel.Site)
	if err != nil {
		return panelView{}, snap, err
	}
	if p := snap.panels[id]; p != nil {
		return *p, snap, nil
	}
	return panelView{}, snap, notThere()
}

// siteRecord is site for those who need no more than the record.
func (v *visit) siteRecord(id string) (fleet.Site, error) {
	site, exists, err := v.s.o.Sites.Site(id)
	if err != nil {
		return fleet.Site{}, err
	}
	if err := v.reach(id, exists); err != nil {
		return fleet.Site{}, err
	}
	return site, nil
}

// panelRecord is panel for those who need no more than the record.
func (v *visit) panelRecord(id string) (fleet.Panel, error) {
	panel, exists, err := v.s.o.Panels.Panel(id)
	if err != nil {
		return fleet.Panel{}, err
	}
	if err := v.reach(panel.Site, exists); err != nil {
		return fleet.Panel{}, err
	}
	return panel, nil
}

// watched is what the monitor knows of a site that the caller may see.
func (v *visit) watched(id string) (monitor.Site, error) {
	all, err := v.s.o.Watch.Watched()
	if err != nil {
		return monitor.Site{}, err
	}
	var found monitor.Site
	exists := false
	for _, w := range all {
		if w.ID == id {
			found, exists = w, true
		}
	}
	if err := v.reach(id, exists); err != nil {
		return monitor.Site{}, err
	}
	return found, nil
}
