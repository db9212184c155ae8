package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	// orderTime is how long a program waits for the answer to an order: the deadline of an order and some more.
	orderTime = 40 * time.Second
	// orderGlance is how long a page waits before it shows that the answer is awaited.
	orderGlance = 3 * time.Second
	panelEvents = 50
	panelOrders = 12
	panelFaults = 20
)

type (
	orderRequest struct {
		Verb   string `json:"verb"`
		Object string `json:"object"`
	}
	nameRequest struct {
		Name string `json:"name"`
	}
	panelAnswer struct {
		panelSummary
		Enrolled   time.Time          `json:"enrolled,omitzero"`
		Serial     string             `json:"certificate_serial,omitempty"`
		Expires    time.Time          `json:"certificate_expires,omitzero"`
		ReplacedBy string             `json:"replaced_by,omitempty"`
		Replaces   string             `json:"replaces,omitempty"`
		Status     *Said              `json:"last_status,omitempty"`
		Head       *fleet.Head        `json:"journal,omitempty"`
		Faults     []fleet.Fault      `json:"faults"`
		Orders     []fleet.Order      `json:"orders"`
		Outages    []monitor.Incident `json:"outages"`
	}
	// panelPageView is what the page of a panel shows.
	panelPageView struct {
		panelView
		now     time.Time
		site    siteView
		head    *fleet.Head
		faults  []fleet.Fault
		orders  []fleet.Order
		outages []monitor.Incident
		events  []fleet.Received
		days    []monitor.Day
		today   monitor.Counts
		month   monitor.Counts
		caller  caller
	}
)

func (s *Server) panelRoutes() []route {
	done := fleet.Order{Number: 7, Panel: "…", Site: "mill-lane", Verb: telemetry.VerbOpen, Object: "front", By: "ines", State: fleet.OrderDone}
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/panels", Access: roles.Monitor, Handler: s.getPanels, Status: 200, Query: []string{"site", "q", "state"}, Summary: "Panels, the worst of each site first",
				Response: object{"panels": []panelSummary{{ID: "…", Name: "Front door", Site: "mill-lane", State: StateOnline, Doors: []doorSummary{}}}}},
			{Method: "GET", Pattern: api + "/panels/{panel}", Access: roles.Monitor, Handler: s.getPanel, Status: 200, Summary: "A panel with its certificate, journal, faults, orders and outages",
				Response: panelAnswer{panelSummary: panelSummary{ID: "…", State: StateOnline}, Faults: []fleet.Fault{}, Orders: []fleet.Order{}}},
			{Method: "GET", Pattern: "/panels/{panel}", Access: roles.Monitor, Handler: s.pagePanel, Page: true, Status: 200, Summary: "A panel"},
			form("/panels/{panel}/orders", roles.OpenDoors, "Ask a panel to do something", s.doOrderForm),
		},
		deed[orderRequest]{Method: "POST", API: "/panels/{panel}/orders", Access: roles.OpenDoors, Status: 200,
			Summary: "Ask a panel to do something, and wait for its answer: verb open (a door), lockdown (on or off) or text (for its display)",
			Request: orderRequest{Verb: telemetry.VerbOpen, Object: "front"}, Response: done, Do: s.doOrder}.routes(),
		deed[nameRequest]{Method: "PUT", API: "/panels/{panel}", Page: "/panels/{panel}/name", Access: roles.PairPanels, Status: 204, Summary: "Give a panel another name",
			Request: nameRequest{Name: "Front door"}, Do: s.doRename}.routes(),
		deed[none]{Method: "POST", API: "/panels/{panel}/revoke", Page: "/panels/{panel}/revoke", Access: roles.PairPanels, Status: 204, Summary: "End a panel's certificate: it is disconnected and not heard any more", Do: s.doRevoke}.routes(),
	)
}

func (s *Server) getPanels(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	query, state := strings.ToLower(strings.TrimSpace(q.Get("q"))), State(q.Get("state"))
	found := []panelSummary{}
	for _, site := range snap.open() {
		if q.Get("site") != "" && q.Get("site") != site.Site.ID {
			continue
		}
		for _, p := range site.Panels {
			if (state == "" || p.State == state) && contains(query, p.Panel.Name, p.Panel.ID, site.Site.Name) {
				found = append(found, summarizePanel(p))
			}
		}
	}
	return writeJSON(v.w, http.StatusOK, object{"panels": found})
}

// panelDetails gathers what is kept of one panel besides its presence.
func (s *Server) panelDetails(v *visit) (panelPageView, error) {
	view, snap, err := v.panel(v.path("panel"))
	if err != nil {
		return panelPageView{}, err
	}
	p := panelPageView{panelView: view, now: snap.now, caller: v.caller}
	for _, site := range snap.sites {
		if site.Site.ID == view.Panel.Site {
			p.site = site
		}
	}
	head, ok, err := s.o.Statuses.Head(view.Panel.ID)
	if err != nil {
		return p, err
	}
	if ok {
		p.head = &head
	}
	if p.faults, err = s.o.Statuses.Faults(view.Panel.ID, panelFaults); err != nil {
		return p, err
	}
	if p.orders, err = s.o.Orders.Orders(view.Panel.ID, panelOrders); err != nil {
		return p, err
	}
	p.outages = outagesOf(p.site.Watch, view.Panel.ID)
	return p, nil
}

// outagesOf are the incidents that a panel has a part in, newest first.
func outagesOf(site monitor.Site, panel string) []monitor.Incident {
	var found []monitor.Incident
	for _, i := range slices.Concat(site.Open, site.Recent) {
		if slices.ContainsFunc(i.Members, func(m monitor.Member) bool { return m.Panel == panel }) {
			found = append(found, i)
		}
	}
	slices.SortStableFunc(found, func(a, b monitor.Incident) int { return b.Opened.Compare(a.Opened) })
	return found
}

func (s *Server) getPanel(v *visit) error {
	p, err := s.panelDetails(v)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, panelAnswer{panelSummary: summarizePanel(p.panelView), Enrolled: p.Panel.Enrolled, Serial: p.Panel.Serial, Expires: p.Panel.Expires,
		ReplacedBy: p.Panel.ReplacedBy, Replaces: p.Panel.Replaces, Status: p.Said, Head: p.head, Faults: list(p.faults), Orders: list(p.orders), Outages: list(p.outages)})
}

func (s *Server) pagePanel(v *visit) error {
	p, err := s.panelDetails(v)
	if err != nil {
		return err
	}
	// Of a quiet panel among busy ones not everything is looked at: the page must be quick.
	if v.caller.mayAt(roles.SeeJournals, p.Panel.Site) {
		if p.events, _, err = v.search(fleet.Query{Panel: p.Panel.ID, Site: p.Panel.Site, Limit: panelEvents}); err != nil {
			return err
		}
	}
	if p.Known {
		today := monitor.DateOf(p.now, p.Zone)
		first := monitor.DateOf(p.now.AddDate(0, 0, -29), p.Zone)
		p.today = p.site.Watch.Availability(p.Zone, p.Panel.ID, today, today, p.now)
		p.month = p.site.Watch.Availability(p.Zone, p.Panel.ID, first, today, p.now)
		p.days = p.site.Watch.Days(p.Zone, p.Panel.ID, monitor.DateOf(p.now.AddDate(0, 0, -89), p.Zone), today, p.now)
	}
	return v.show(p.title(), "overview", panelPage(p))
}

// checkOrder refuses what no panel could do.
func checkOrder(in orderRequest) error {
	switch in.Verb {
	case telemetry.VerbOpen:
		if in.Object == "" || len(in.Object) > 64 {
			return notValid("name the door that is to open")
		}
	case telemetry.VerbLockdown:
		if in.Object != "on" && in.Object != "off" {
			return notValid("a lockdown is switched on or off")
		}
	case telemetry.VerbText:
		if err := telemetry.CheckText(in.Object); err != nil {
			return notValid(err.Error())
		}
	default:
		return notValid("a panel can be asked to open, to lockdown or to show a text")
	}
	return nil
}

func (s *Server) doOrder(v *visit, in orderRequest) (outcome, error) {
	return s.order(v, in, orderTime)
}

func (s *Server) doOrderForm(v *visit, in orderRequest) (outcome, error) {
	return s.order(v, in, orderGlance)
}

// order sends an order and waits for what comes of it, at most so long: after that the page of the panel shows it.
func (s *Server) order(v *visit, in orderRequest, patience time.Duration) (outcome, error) {
	if err := checkOrder(in); err != nil {
		return outcome{}, err
	}
	panel, err := v.panelRecord(v.path("panel"))
	if err != nil {
		return outcome{}, err
	}
	if panel.State() != fleet.PanelEnrolled {
		return outcome{}, problem(http.StatusConflict, "conflict", "the panel is not paired with this hub, so nothing can be asked of it")
	}
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		d := problem(http.StatusServiceUnavailable, "busy", "too many orders wait for their answers; try again")
		d.RetryAfter = 2
		return outcome{}, d
	}
	// Noted before it is sent: a door that was opened must be in the audit even when the hub dies now.
	v.note("order.sent", panel.ID, panel.Site, panel.Name+": "+orderTitle(fleet.Order{Verb: in.Verb, Object: in.Object}))
	if err := v.record(); err != nil {
		return outcome{}, err
	}
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(patience + writeTime)) // recorders in tests know no deadlines
	ctx, cancel := context.WithTimeout(v.r.Context(), patience)
	defer cancel()
	o, err := s.o.Orders.Order(ctx, panel.ID, in.Verb, in.Object, v.caller.User)
	back := at("panels", panel.ID) + "#orders"
	if errors.Is(err, context.DeadlineExceeded) && v.r.Context().Err() == nil {
		return outcome{Body: object{"state": fleet.OrderSent}, Said: "Sent; the answer is awaited. It is shown below.", Back: back}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	_, words := orderWords(o)
	return outcome{Body: o, Said: orderTitle(o) + ": " + words + ".", Back: back}, nil
}

func (s *Server) doRename(v *visit, in nameRequest) (outcome, error) {
	in.Name = strings.TrimSpace(in.Name)
	if err := checkName("the name", in.Name, true); err != nil {
		return outcome{}, err
	}
	s.edits.Lock()
	defer s.edits.Unlock()
	panel, err := v.panelRecord(v.path("panel"))
	if err != nil {
		return outcome{}, err
	}
	if err := v.fresh("the name of this panel", editionOf(panel.Name), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	change := v.change("panel.renamed", panel.ID, panel.Site, fmt.Sprintf("%s is called %s now", panel.Name, in.Name))
	change.Before, change.After = panel.Name, in.Name
	if err := s.o.Panels.RenamePanel(v.r.Context(), panel.ID, in.Name, change); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Saved.", Back: at("panels", panel.ID)}, nil
}

func (s *Server) doRevoke(v *visit, _ none) (outcome, error) {
	panel, err := v.panelRecord(v.path("panel"))
	if err != nil {
		return outcome{}, err
	}
	if state := panel.State(); state == fleet.PanelRevoked || state == fleet.PanelReplaced {
		return outcome{}, problem(http.StatusConflict, "conflict", "the panel's certificate has ended already")
	}
	if err := s.o.Panels.RevokePanel(v.r.Context(), panel.ID, v.change("panel.revoked", panel.ID, panel.Site, panel.Name+" revoked")); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Revoked: the panel is disconnected and not heard any more.", Back: at("panels", panel.ID)}, nil
}
