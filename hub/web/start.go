package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
)

// skipCookie carries which of the first steps were put off, in this browser alone: what is done is seen from what is there.
const skipCookie = "-skipped"

type (
	// firstStep is one of the first steps.
	firstStep struct {
		id, title, words string
		done             bool
		skipped          bool
		now              bool
	}
	// startPage walks from an empty hub to the first panel with a license.
	startPage struct {
		stations []firstStep
		company  *groupView
		building *groupView
		site     *fleet.Site
		packages bool
	}
	companyRequest struct {
		Name           string `json:"name"`
		Zone           string `json:"zone"`
		Administrators string `json:"administrators,omitempty"`
		Manager        string `json:"manager,omitempty"`
	}
	buildingRequest struct {
		Company  string `json:"company"`
		Name     string `json:"name"`
		Language string `json:"language"`
		Address  string `json:"address,omitempty"`
	}
	skipRequest struct {
		Station string `json:"station"`
	}
)

func (s *Server) startRoutes() []route {
	if s.o.Ledger == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: "/start", Access: LoggedIn, Handler: s.pageStart, Page: true, Status: 200, Query: []string{"company"}, Summary: "The first steps: company, building, panel, license"},
		ledgerForm("/start/company", "The first steps: the company", s.doStartCompany),
		ledgerForm("/start/building", "The first steps: a building with its site", s.doStartBuilding),
		ledgerForm("/start/skip", "The first steps: put one off, or take it up again", s.doSkip),
	}
}

// mayStart refuses whoever does not manage the whole hub: for him there is nothing here.
func (v *visit) mayStart() error {
	if !v.caller.holds.Everywhere() {
		return notThere()
	}
	return nil
}

// stationsOf finds out how far the first steps have come.
func (s *Server) stationsOf(v *visit) (startPage, error) {
	p := startPage{packages: s.o.Packages != nil}
	snap, err := v.look()
	if err != nil {
		return p, err
	}
	var paired, licensed bool
	err = s.o.Ledger.Look(func(book ledger.Book) error {
		id := v.r.URL.Query().Get("company")
		for g, err := range book.Children("", "") {
			if err != nil {
				return err
			}
			if g.Archived.IsZero() && (id == "" || id == g.ID) {
				id = g.ID
				break
			}
		}
		if id == "" {
			return nil
		}
		company, err := v.findGroup(book, id)
		if err != nil {
			return err
		}
		p.company = &company
		licensed = len(company.Blocks) > 0
		for g, err := range book.Children(id, "") {
			if err != nil {
				return err
			}
			building, err := v.findGroup(book, g.ID)
			if err != nil {
				return err
			}
			p.building = &building
			break
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	for _, site := range snap.open() {
		if p.building != nil && site.Site.Group == p.building.ID || p.site == nil {
			p.site = &site.Site
			paired = paired || slices.ContainsFunc(site.Panels, panelView.live)
		}
	}
	p.stations = []firstStep{
		{id: "company", title: "The company", words: "The top of the tree: whoever buys licenses and hands them on.", done: p.company != nil},
		{id: "building", title: "A building", words: "A group below the company, and the site whose panels are watched.", done: p.building != nil && p.site != nil},
		{id: "panel", title: "A panel", words: "Show it the hub's code, and it gets a certificate of its own.", done: paired},
		{id: "license", title: "A license or the Trial", words: "What the company may hand out. Until then each panel has Basic: 2 SIP numbers and 2 applications.", done: licensed},
	}
	skipped := v.skipped()
	for i := range p.stations {
		st := &p.stations[i]
		st.skipped = slices.Contains(skipped, st.id) && !st.done
	}
	if i := slices.IndexFunc(p.stations, func(st firstStep) bool { return !st.done && !st.skipped }); i >= 0 {
		p.stations[i].now = true
	}
	return p, nil
}

func (v *visit) skipped() []string {
	c, err := v.r.Cookie(cookies.Name(v.r) + skipCookie)
	if err != nil {
		return nil
	}
	return strings.Split(c.Value, ".")
}

func (s *Server) pageStart(v *visit) error {
	if err := v.mayStart(); err != nil {
		return err
	}
	p, err := s.stationsOf(v)
	if err != nil {
		return err
	}
	return v.show("First steps", "licenses", firstSteps(p))
}

func (s *Server) doStartCompany(v *visit, in companyRequest) (outcome, error) {
	out, err := s.doNewGroup(v, groupRequest{Name: in.Name, Level: ledger.DefaultLevels()[0].ID, Zone: in.Zone, Administrators: in.Administrators, Manager: in.Manager})
	out.Back = "/start"
	return out, err
}

// doStartBuilding makes a group and the site that hangs below it. The site's id is made from the name, which may be taken: then
// the group is there, and the site is added by hand.
func (s *Server) doStartBuilding(v *visit, in buildingRequest) (outcome, error) {
	if err := v.mayStart(); err != nil {
		return outcome{}, err
	}
	var company groupView
	err := s.o.Ledger.Look(func(book ledger.Book) (err error) {
		company, err = v.findGroup(book, in.Company)
		return err
	})
	if err != nil {
		return outcome{}, err
	}
	levels := levelsBelow(company.root(), company.Level)
	if len(levels) == 0 {
		return outcome{}, problem(http.StatusConflict, "conflict", "the company has no level below it")
	}
	made, err := s.doNewGroup(v, groupRequest{Parent: company.ID, Name: in.Name, Level: levels[0].ID})
	if err != nil {
		return outcome{}, err
	}
	group, _ := made.Body.(ledger.Group)
	_, err = s.doNewSite(v, newSiteRequest{Name: in.Name, Zone: company.zone.String(), Language: in.Language, Address: in.Address, Group: group.ID})
	return outcome{Said: made.Said, Back: "/start"}, err
}

func (s *Server) doSkip(v *visit, in skipRequest) (outcome, error) {
	skipped := v.skipped()
	if i := slices.Index(skipped, in.Station); i >= 0 {
		skipped = slices.Delete(skipped, i, i+1)
	} else if slices.Contains([]string{"company", "building", "panel", "license"}, in.Station) {
		skipped = append(skipped, in.Station)
	} else {
		return outcome{}, notValid("there is no such step")
	}
	http.SetCookie(v.w, &http.Cookie{Name: cookies.Name(v.r) + skipCookie, Value: strings.Trim(strings.Join(skipped, "."), "."), Path: "/", HttpOnly: true, Secure: v.r.TLS != nil,
		SameSite: http.SameSiteStrictMode, MaxAge: 365 * 24 * 3600})
	return outcome{Back: "/start"}, nil
}
