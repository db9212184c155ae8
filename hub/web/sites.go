package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// maxSites and maxPanels are what one small box is built for, with room.
const maxSites = 5000

type (
	newSiteRequest struct {
		ID       string `json:"id,omitempty"` // made from the name when empty
		Name     string `json:"name"`
		Zone     string `json:"zone"`
		Language string `json:"language"`
		Address  string `json:"address,omitempty"`
		Group    string `json:"group,omitempty"` // that it hangs below; empty: none
	}
	siteGroupRequest struct {
		Group string `json:"group"` // empty: none
	}
	siteRequest struct {
		Name     string `json:"name"`
		Zone     string `json:"zone"`
		Language string `json:"language"`
		Address  string `json:"address,omitempty"`
	}
	siteAnswer struct {
		siteSummary
		Panels      []panelSummary        `json:"panels_list"`
		Outages     []monitor.Incident    `json:"outages"`
		Recent      []monitor.Incident    `json:"recent_outages"`
		Policy      monitor.Policy        `json:"policy"`
		Recipients  []monitor.Recipient   `json:"recipients"`
		Maintenance []monitor.Maintenance `json:"maintenance_windows"`
		License     *MonitoringLicense    `json:"license,omitempty"`    // the site's own
		FromGroup   *suppliedAnswer       `json:"from_group,omitempty"` // what the groups above give of monitoring
		Editions    object                `json:"editions,omitempty"`   // for If-Match
	}
	// suppliedAnswer is what the groups above a site give it of monitoring.
	suppliedAnswer struct {
		Group  string        `json:"group,omitempty"` // the company, for those who may see it
		Name   string        `json:"name"`            // its name; "your company" for everybody else
		Source ledger.Source `json:"source"`          // trial, package or hand
		Active bool          `json:"active"`          // people are warned by it now
		From   time.Time     `json:"from"`
		Until  time.Time     `json:"until,omitzero"` // zero: no end is set
	}
	// sitePageView is what the page of a site shows.
	sitePageView struct {
		siteView
		now     time.Time
		license *MonitoringLicense
		given   *suppliedAnswer
		days    []monitor.Day
		tests   []fleet.Delivery
		windows []PairingWindow
		caller  caller
	}
)

// languages are those that messages are written in.
func languages() []string { return []string{"en", "it", "de"} }

func (s *Server) siteRoutes() []route {
	example := fleet.Site{ID: "mill-lane", Name: "12 Mill Lane", Zone: "Europe/London", Language: "en"}
	asked := siteRequest{Name: "12 Mill Lane", Zone: "Europe/London", Language: "en"}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/sites", Access: roles.Monitor, Handler: s.getSites, Status: 200, Query: []string{"q", "state", "archived"},
				Summary: "Sites by name: q is part of a name, id or panel, state is wrong or well", Response: object{"sites": []siteSummary{{Site: example, State: StateOnline}}}},
			{Method: "GET", Pattern: api + "/sites/{site}", Access: roles.Monitor, Handler: s.getSite, Status: 200, Summary: "A site with its panels, outages, policy, recipients, maintenance and license",
				Response: siteAnswer{siteSummary: siteSummary{Site: example, State: StateOnline}, Panels: []panelSummary{}, Policy: monitor.DefaultPolicy()}},
			{Method: "GET", Pattern: api + "/sites/{site}/availability", Access: roles.Monitor, Handler: s.getAvailability, Status: 200, Query: []string{"panel", "days"},
				Summary: "Availability day by day, of a panel or of all together", Response: object{"days": []monitor.Day{}}},
			{Method: "GET", Pattern: "/new-site", Access: roles.EditSites, Handler: s.pageNewSite, Page: true, Status: 200, Summary: "Add a site"},
			{Method: "GET", Pattern: "/sites/{site}", Access: roles.Monitor, Handler: s.pageSite, Page: true, Status: 200, Summary: "A site"},
			{Method: "GET", Pattern: "/archived", Access: roles.Monitor, Handler: s.pageArchived, Page: true, Status: 200, Summary: "Archived sites"},
		},
		deed[newSiteRequest]{Method: "POST", API: "/sites", Page: "/new-site", Access: roles.EditSites, Status: 201, Summary: "Add a site",
			Request: newSiteRequest{ID: "mill-lane", Name: "12 Mill Lane", Zone: "Europe/London", Language: "en"}, Response: example, Do: s.doNewSite}.routes(),
		deed[siteRequest]{Method: "PUT", API: "/sites/{site}", Page: "/sites/{site}", Access: roles.EditSites, Status: 200, Summary: "Change a site's name, time zone, language and address",
			Request: asked, Response: example, Do: s.doSite}.routes(),
		deed[siteGroupRequest]{Method: "PUT", API: "/sites/{site}/group", Page: "/sites/{site}/group", Access: roles.EditSites, Status: 204, Summary: "Hang a site below a group of the license tree",
			Request: siteGroupRequest{Group: "north"}, Do: s.doSiteGroup}.routes(),
		deed[none]{Method: "POST", API: "/sites/{site}/archive", Page: "/sites/{site}/archive", Access: roles.EditSites, Status: 204, Summary: "Archive a site whose panels are all revoked or moved", Do: s.doArchive}.routes(),
		deed[none]{Method: "DELETE", API: "/sites/{site}/archive", Page: "/sites/{site}/unarchive", Access: roles.EditSites, Status: 204, Summary: "Take a site out of the archive", Do: s.doUnarchive}.routes(),
	)
}

func (s *Server) getSites(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	found := []siteSummary{}
	for _, site := range snap.sites {
		if (q.Get("archived") != "") != site.Site.Archived.IsZero() && site.fits(q.Get("q"), q.Get("state")) {
			found = append(found, summarizeSite(site))
		}
	}
	return writeJSON(v.w, http.StatusOK, object{"sites": found})
}

func (s *Server) getSite(v *visit) error {
	site, _, err := v.site(v.path("site"))
	if err != nil {
		return err
	}
	answer := siteAnswer{siteSummary: summarizeSite(site), Panels: []panelSummary{}, Outages: list(site.Watch.Open), Recent: list(site.Watch.Recent),
		Policy: site.Watch.Policy, Recipients: list(site.Watch.Recipients), Maintenance: list(site.Watch.Maintenance)}
	for _, p := range site.Panels {
		answer.Panels = append(answer.Panels, summarizePanel(p))
	}
	if !v.caller.mayAt(roles.AnswerWarnings, site.Site.ID) {
		answer.Recipients = hideAddresses(answer.Recipients)
	}
	license, ok, err := s.o.Licenses.MonitoringLicense(site.Site.ID)
	if err != nil {
		return err
	}
	if ok {
		answer.License = &license
	}
	if answer.FromGroup, err = v.supplied(site.Site); err != nil {
		return err
	}
	answer.Editions = object{"site": editionOf(site.Site), "policy": editionOf(site.Watch.Policy), "recipients": recipientEditions(site.Watch.Recipients)}
	return writeJSON(v.w, http.StatusOK, answer)
}

// supplied is what the groups above a site give it of monitoring, as far as the caller may know whose it is.
func (v *visit) supplied(site fleet.Site) (*suppliedAnswer, error) {
	given, err := v.s.o.Licenses.MonitoringSupply(site.ID, v.s.o.Now())
	if err != nil || given.From.IsZero() {
		return nil, err
	}
	out := &suppliedAnswer{Name: "your company", Source: given.Source, Active: given.Given(v.s.o.Now()), From: given.From, Until: given.Until}
	if v.s.o.Ledger == nil {
		return out, nil
	}
	err = v.s.o.Ledger.Look(func(book ledger.Book) error {
		if g, err := v.findGroup(book, given.Root.Group); err == nil {
			out.Group, out.Name = g.ID, g.Name
		}
		return nil
	})
	return out, err
}

// words say where it comes from: "the Trial of Nord GmbH".
func (s suppliedAnswer) words() string {
	what := "a license"
	switch s.Source {
	case ledger.FromTrial:
		what = "the Trial"
	case ledger.FromPackage:
		what = "a package"
	}
	return what + " of " + s.Name
}

// recipientEditions are those of each recipient, by id.
func recipientEditions(recipients []monitor.Recipient) object {
	editions := object{}
	for _, r := range recipients {
		editions[r.ID] = editionOf(r)
	}
	return editions
}

// hideAddresses leaves names and channels: who only looks need not know anybody's number.
func hideAddresses(recipients []monitor.Recipient) []monitor.Recipient {
	hidden := slices.Clone(recipients)
	for i := range hidden {
		hidden[i].Ways = slices.Clone(hidden[i].Ways)
		for j := range hidden[i].Ways {
			way := &hidden[i].Ways[j]
			way.Address = Hidden
			if way.Fallback != nil {
				way.Fallback = &fleet.Target{Channel: way.Fallback.Channel, Address: Hidden}
			}
		}
	}
	return hidden
}

func (s *Server) getAvailability(v *visit) error {
	site, snap, err := v.site(v.path("site"))
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	n, err := numberOf("days", cmp.Or(q.Get("days"), "30"))
	if err != nil {
		return err
	}
	if n < 1 || n > 1100 {
		return problem(http.StatusBadRequest, "bad-query", "days is a number of 1 to 1100")
	}
	first := monitor.DateOf(snap.now.AddDate(0, 0, 1-int(n)), site.Zone)
	days := site.Watch.Days(site.Zone, q.Get("panel"), first, monitor.DateOf(snap.now, site.Zone), snap.now)
	return writeJSON(v.w, http.StatusOK, object{"days": list(days)})
}

func checkSite(in *siteRequest) error {
	in.Name, in.Address = strings.TrimSpace(in.Name), strings.TrimSpace(in.Address)
	in.Language = cmp.Or(in.Language, "en")
	if err := checkName("the name", in.Name, true); err != nil {
		return err
	}
	if len(in.Address) > 2*maxName {
		return notValid("the address is too long")
	}
	if err := checkName("the address", in.Address[:min(len(in.Address), maxName)], false); err != nil {
		return err
	}
	if !slices.Contains(languages(), in.Language) {
		return notValid("the language is one of " + strings.Join(languages(), ", "))
	}
	return checkZone(in.Zone)
}

func (s *Server) doNewSite(v *visit, in newSiteRequest) (outcome, error) {
	words := siteRequest{in.Name, in.Zone, in.Language, in.Address}
	if err := checkSite(&words); err != nil {
		return outcome{}, err
	}
	in.ID = cmp.Or(strings.TrimSpace(in.ID), slug(words.Name))
	if !v.caller.holds.Everywhere() {
		in.ID = apart(in.ID)
	}
	if err := checkSiteID(in.ID); err != nil {
		return outcome{}, err
	}
	if !v.caller.mayAtPlace(roles.EditSites, in.Group) {
		return outcome{}, notValid("choose the group that the site hangs below, one where you may add sites")
	}
	if in.Group != "" && len(v.caller.land.places(in.Group)) == 0 {
		return outcome{}, notValid(fmt.Sprintf("there is no group %.64q", in.Group))
	}
	s.edits.Lock()
	defer s.edits.Unlock()
	sites, err := s.o.Sites.Sites()
	if err != nil {
		return outcome{}, err
	}
	if slices.ContainsFunc(sites, func(other fleet.Site) bool { return strings.EqualFold(other.ID, in.ID) }) {
		return outcome{}, problem(http.StatusConflict, "conflict", fmt.Sprintf("there is a site with the id %s already; choose another id", in.ID))
	}
	if len(sites) >= maxSites {
		return outcome{}, problem(http.StatusConflict, "conflict", "there are as many sites as this hub keeps")
	}
	site := fleet.Site{ID: in.ID, Name: words.Name, Zone: words.Zone, Language: words.Language, Address: words.Address, Group: in.Group, Created: s.o.Now()}
	edit := fleet.Edit{Change: v.change("site.made", site.ID, site.ID, "site "+site.Name+" added")}
	if err := s.o.Sites.PutSite(v.r.Context(), site, edit); err != nil {
		return outcome{}, err
	}
	return outcome{Body: site, Said: "The site is there. Pair its first panel now.", Back: with("/pair", "site", site.ID)}, nil
}

func (s *Server) doSite(v *visit, in siteRequest) (outcome, error) {
	if err := checkSite(&in); err != nil {
		return outcome{}, err
	}
	s.edits.Lock()
	defer s.edits.Unlock()
	site, edition, err := v.siteToEdit(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("the site "+site.Name, editionOf(site), edition); err != nil {
		return outcome{}, err
	}
	before := site
	site.Name, site.Zone, site.Language, site.Address = in.Name, in.Zone, in.Language, in.Address
	change := differing(v.change("site.changed", site.ID, site.ID, "name, zone, language or address changed"), before, site)
	if err := s.o.Sites.PutSite(v.r.Context(), site, fleet.Edit{From: edition.Number, Change: change}); err != nil {
		return outcome{}, err
	}
	return outcome{Body: site, Said: "Saved.", Back: at("sites", site.ID)}, nil
}

// siteToEdit is a site that the caller sees, and the edition that a change is made from.
func (v *visit) siteToEdit(id string) (fleet.Site, fleet.Edition, error) {
	if _, err := v.siteRecord(id); err != nil {
		return fleet.Site{}, fleet.Edition{}, err
	}
	return v.s.o.Sites.SiteToEdit(id)
}

// doSiteGroup hangs a site below another group. When it comes to another company, whoever was given it by name in the old one has
// nothing there any more.
func (s *Server) doSiteGroup(v *visit, in siteGroupRequest) (outcome, error) {
	id, group := v.path("site"), strings.TrimSpace(in.Group)
	if _, err := v.siteRecord(id); err != nil {
		return outcome{}, err
	}
	err := v.arrange(func(a *roles.Arrangement, actor roles.Holder, l *land) ([]string, error) {
		to, there := l.path(group)
		if !there || roles.CheckSiteGroup(group) != nil || !actor.May(roles.EditSites, to) {
			return nil, notValid("choose a group where you may add sites")
		}
		from, there := l.site(id)
		if !there || !actor.May(roles.EditSites, from) {
			return nil, notThere()
		}
		v.toldOfMove(a, id, l.sites[id], group)
		touched, _, err := a.HangSite(id, from, to)
		return touched, err
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Saved.", Back: at("sites", id)}, nil
}

// toldOfMove writes into the audit that a site hangs below another group: at the old one that it went, at the new one that it came,
// since others read it there.
func (v *visit) toldOfMove(a *roles.Arrangement, site, from, to string) {
	gone := v.changeAt(from, "site.moved", site, "site hung below another group")
	came := v.changeAt(to, "site.moved", site, "site hung below this group")
	gone.Before, came.After = from, to
	came.Site = site
	a.Changes = append(a.Changes, gone, came)
}

func (s *Server) doArchive(v *visit, _ none) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	view, _, err := v.site(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	for _, p := range view.Panels {
		if p.live() {
			return outcome{}, problem(http.StatusConflict, "conflict", fmt.Sprintf("the panel %s is still here; revoke it first", p.title()))
		}
	}
	site, edition, err := v.siteToEdit(view.Site.ID)
	if err != nil {
		return outcome{}, err
	}
	if !site.Archived.IsZero() {
		return outcome{Said: "It is in the archive.", Back: at("sites", site.ID)}, nil
	}
	site.Archived = s.o.Now()
	edit := fleet.Edit{From: edition.Number, Change: v.change("site.archived", site.ID, site.ID, "site archived")}
	if err := s.o.Sites.PutSite(v.r.Context(), site, edit); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The site is in the archive. Its events stay.", Back: "/"}, nil
}

func (s *Server) doUnarchive(v *visit, _ none) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	site, edition, err := v.siteToEdit(v.path("site"))
	if err != nil {
		return outcome{}, err
	}
	site.Archived = time.Time{}
	edit := fleet.Edit{From: edition.Number, Change: v.change("site.unarchived", site.ID, site.ID, "site taken out of the archive")}
	if err := s.o.Sites.PutSite(v.r.Context(), site, edit); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "The site is back.", Back: at("sites", site.ID)}, nil
}

func (s *Server) pageNewSite(v *visit) error {
	return v.show("Add a site", "overview", newSitePage(v.roots(roles.EditSites)))
}

func (s *Server) pageArchived(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	archived := slices.DeleteFunc(slices.Clone(snap.sites), func(site siteView) bool { return site.Site.Archived.IsZero() })
	return v.show("Archive", "overview", archivedPage(archived))
}

func (s *Server) pageSite(v *visit) error {
	site, snap, err := v.site(v.path("site"))
	if err != nil {
		return err
	}
	p := sitePageView{siteView: site, now: snap.now, caller: v.caller}
	license, ok, err := s.o.Licenses.MonitoringLicense(site.Site.ID)
	if err != nil {
		return err
	}
	if ok {
		p.license = &license
	}
	if p.given, err = v.supplied(site.Site); err != nil {
		return err
	}
	today := monitor.DateOf(snap.now, site.Zone)
	p.days = site.Watch.Days(site.Zone, "", monitor.DateOf(snap.now.AddDate(0, 0, -89), site.Zone), today, snap.now)
	if p.tests, err = v.tests(site.Site.ID); err != nil {
		return err
	}
	if p.windows, err = v.openWindows(site.Site.ID); err != nil {
		return err
	}
	return v.show(site.Site.Name, "overview", sitePage(p))
}
