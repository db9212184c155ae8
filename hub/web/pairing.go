package web

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/qr"
)

type (
	pairingRequest struct {
		Site     string `json:"site"`
		Name     string `json:"name,omitempty"`
		Identity string `json:"identity,omitempty"` // DI1:…
		Replaces string `json:"replaces,omitempty"` // id of a panel
	}
	pairingAnswer struct {
		PairingWindow
		SVG string `json:"svg,omitempty"` // the code as a picture
	}
	// pairView is what the pairing pages show.
	pairView struct {
		now      time.Time
		sites    []siteView
		site     string
		replaces *panelView
		windows  []PairingWindow
		window   PairingWindow
		picture  string // data: URL of the code
		panel    *panelView
		snap     snapshot
		starts   bool // the first steps can be walked with a company
	}
)

// codes keeps the codes of open windows, so that a page that is loaded again still shows them: the store has only their hashes.
// Another hub over the same store does not show them, and says so.
type codes struct {
	mu   sync.Mutex
	kept map[string]PairingWindow
}

// maxCodes bounds what is kept; older ones go.
const maxCodes = 32

// shownWindows is how many windows the page lists.
const shownWindows = 20

func newCodes() *codes { return &codes{kept: map[string]PairingWindow{}} }

func (c *codes) keep(w PairingWindow, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, old := range c.kept {
		if !now.Before(old.Until) {
			delete(c.kept, id)
		}
	}
	if len(c.kept) < maxCodes {
		c.kept[w.ID] = w
	}
}

func (c *codes) of(id string, now time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w, ok := c.kept[id]; ok && now.Before(w.Until) {
		return w.Code
	}
	return ""
}

func (c *codes) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, id)
}

func (s *Server) pairingRoutes() []route {
	example := PairingWindow{ID: "w1", Site: "mill-lane", Code: "DH1:…", By: "admin"}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/pairing", Access: roles.PairPanels, Handler: s.getWindows, Status: 200, Summary: "Open pairing windows and those of the last hour; without their codes",
				Response: object{"windows": []PairingWindow{}}},
			{Method: "GET", Pattern: "/pair", Access: roles.PairPanels, Handler: s.pagePair, Page: true, Status: 200, Query: []string{"site", "replaces"}, Summary: "Pair a panel"},
			{Method: "GET", Pattern: "/pair/{id}", Access: roles.PairPanels, Handler: s.pageWindow, Page: true, Status: 200, Summary: "An open pairing window"},
		},
		deed[pairingRequest]{Method: "POST", API: "/pairing", Page: "/pair", Access: roles.PairPanels, Status: 201, Summary: "Open a pairing window of ten minutes; its code is told this once",
			Request: pairingRequest{Site: "mill-lane", Name: "Front door"}, Response: pairingAnswer{example, "<svg …>"}, Do: s.doPair}.routes(),
		deed[none]{Method: "DELETE", API: "/pairing/{id}", Page: "/pair/{id}/close", Access: roles.PairPanels, Status: 204, Summary: "Close a pairing window", Do: s.doCloseWindow}.routes(),
	)
}

// listWindows are the windows of the sites at which the caller may pair, newest first.
func (v *visit) listWindows() ([]PairingWindow, error) {
	windows, err := v.s.o.Pairing.Windows()
	if err != nil {
		return nil, err
	}
	windows = slices.DeleteFunc(slices.Clone(windows), func(w PairingWindow) bool { return !v.caller.mayAt(roles.PairPanels, w.Site) })
	for i := range windows {
		windows[i].Code = ""
	}
	slices.SortStableFunc(windows, func(a, b PairingWindow) int { return b.Opened.Compare(a.Opened) })
	return windows, nil
}

// openWindows are those that a panel of the site can still come through.
func (v *visit) openWindows(site string) ([]PairingWindow, error) {
	windows, err := v.listWindows()
	now := v.s.o.Now()
	return slices.DeleteFunc(windows, func(w PairingWindow) bool { return w.Site != site || !w.open(now) }), err
}

// open tells whether a panel can still come through.
func (w PairingWindow) open(now time.Time) bool {
	return w.Closed == "" && w.Enrolled == "" && now.Before(w.Until)
}

func (s *Server) getWindows(v *visit) error {
	windows, err := v.listWindows()
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"windows": list(windows)})
}

func (s *Server) doPair(v *visit, in pairingRequest) (outcome, error) {
	in.Name, in.Identity = strings.TrimSpace(in.Name), strings.TrimSpace(in.Identity)
	if err := checkName("the name", in.Name, false); err != nil {
		return outcome{}, err
	}
	site, err := v.siteRecord(in.Site)
	if err != nil {
		return outcome{}, notValid("choose a site")
	}
	if !site.Archived.IsZero() {
		return outcome{}, problem(http.StatusConflict, "conflict", "the site is in the archive; take it out first")
	}
	if len(in.Identity) > 2048 || in.Identity != "" && !strings.HasPrefix(in.Identity, "DI1:") {
		return outcome{}, notValid("an identity code begins with DI1:; the panel shows it at its first start and on its page")
	}
	if in.Replaces != "" {
		dead, err := v.panelRecord(in.Replaces)
		if err != nil || dead.Site != site.ID {
			return outcome{}, notValid("the panel that is to be replaced is not at this site")
		}
		if dead.State() == fleet.PanelReplaced {
			return outcome{}, problem(http.StatusConflict, "conflict", "another panel took its place already")
		}
		in.Name = cmp.Or(in.Name, dead.Name)
	}
	detail := "pairing window opened"
	if in.Replaces != "" {
		detail += ", to replace " + in.Replaces
	}
	w, err := s.o.Pairing.OpenWindow(v.r.Context(), PairingAsk{Site: site.ID, Name: in.Name, Identity: in.Identity, Replaces: in.Replaces,
		Change: v.change("pairing.opened", "", site.ID, detail)})
	if err != nil {
		return outcome{}, err
	}
	picture, err := qr.SVG(w.Code, qr.Options{})
	if err != nil {
		return outcome{}, err
	}
	s.codes.keep(w, s.o.Now())
	return outcome{Body: pairingAnswer{w, picture}, Back: at("pair", w.ID)}, nil
}

func (s *Server) doCloseWindow(v *visit, _ none) (outcome, error) {
	windows, err := v.listWindows()
	if err != nil {
		return outcome{}, err
	}
	i := slices.IndexFunc(windows, func(w PairingWindow) bool { return w.ID == v.path("id") })
	if i < 0 {
		return outcome{}, notThere()
	}
	if err := s.o.Pairing.CloseWindow(v.r.Context(), windows[i].ID, v.change("pairing.closed", windows[i].ID, windows[i].Site, "pairing window closed")); err != nil {
		return outcome{}, err
	}
	s.codes.forget(windows[i].ID)
	return outcome{Said: "The pairing window is closed.", Back: "/pair"}, nil
}

func (s *Server) pagePair(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	p := pairView{now: snap.now, sites: snap.open(), site: v.r.URL.Query().Get("site"), snap: snap}
	if id := v.r.URL.Query().Get("replaces"); id != "" {
		if p.replaces = snap.panels[id]; p.replaces == nil {
			return notThere()
		}
		p.site = p.replaces.Panel.Site
	}
	if p.windows, err = v.listWindows(); err != nil {
		return err
	}
	p.windows = p.windows[:min(len(p.windows), shownWindows)]
	return v.show("Pair a panel", "pair", pairPage(p))
}

func (s *Server) pageWindow(v *visit) error {
	windows, err := v.listWindows()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(windows, func(w PairingWindow) bool { return w.ID == v.path("id") })
	if i < 0 {
		return notThere()
	}
	snap, err := v.look()
	if err != nil {
		return err
	}
	p := pairView{now: snap.now, window: windows[i], snap: snap, starts: s.o.Ledger != nil && v.caller.holds.Everywhere()}
	if p.window.open(snap.now) {
		if p.window.Code = s.codes.of(p.window.ID, snap.now); p.window.Code != "" {
			svg, err := qr.SVG(p.window.Code, qr.Options{})
			if err != nil {
				return err
			}
			p.picture = "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg))
		}
	}
	p.panel = snap.panels[p.window.Enrolled]
	return v.show("Pair a panel", "pair", windowPage(p))
}

// siteName is a site's name for people.
func (snap snapshot) siteName(id string) string {
	for _, site := range snap.sites {
		if site.Site.ID == id {
			return site.Site.Name
		}
	}
	return id
}

// panelName is a panel's name for people.
func (snap snapshot) panelName(id string) string {
	if p := snap.panels[id]; p != nil {
		return p.title()
	}
	return id
}
