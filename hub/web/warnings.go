package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const deliveriesPage = 50

type (
	outage struct {
		Site string `json:"site"`
		monitor.Incident
	}
	// warningsView is what the page of warnings shows.
	warningsView struct {
		now        time.Time
		open       []openIncident
		recent     []openIncident
		deliveries []fleet.Delivery
		next       string
		state      string
		site       string
		snap       snapshot
		caller     caller
	}
)

func (s *Server) warningRoutes() []route {
	return slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/outages", Access: roles.Monitor, Handler: s.getOutages, Status: 200, Query: []string{"site", "recent"}, Summary: "Open outages; with recent=1 also those that are over, newest first",
				Response: object{"outages": []outage{}}},
			{Method: "GET", Pattern: api + "/deliveries", Access: roles.Monitor, Handler: s.getDeliveries, Status: 200, Query: []string{"site", "outage", "recipient", "state", "before", "limit"},
				Summary: "Messages to people and what became of them, newest first", Response: object{"deliveries": []fleet.Delivery{}, "next": ""}},
			{Method: "GET", Pattern: api + "/deliveries/{id}", Access: roles.Monitor, Handler: s.getDelivery, Status: 200, Summary: "One message", Response: fleet.Delivery{ID: "…", State: fleet.Sent}},
			{Method: "GET", Pattern: "/warnings", Access: roles.Monitor, Handler: s.pageWarnings, Page: true, Status: 200, Query: []string{"site", "state", "before"}, Summary: "Outages and messages"},
		},
		deed[none]{Method: "POST", API: "/deliveries/{id}/retry", Page: "/deliveries/{id}/retry", Access: roles.AnswerWarnings, Status: 204, Summary: "Send a failed or uncertain message again; it may arrive twice", Do: s.doRetry}.routes(),
	)
}

// outages are the open and the closed incidents of the sites that are asked for, newest first.
func outages(snap snapshot, site string) (open, recent []openIncident) {
	for _, view := range snap.sites {
		if site != "" && site != view.Site.ID {
			continue
		}
		for _, i := range view.Watch.Open {
			open = append(open, openIncident{view, i})
		}
		for _, i := range view.Watch.Recent {
			recent = append(recent, openIncident{view, i})
		}
	}
	newest := func(a, b openIncident) int { return b.Opened.Compare(a.Opened) }
	slices.SortStableFunc(open, newest)
	slices.SortStableFunc(recent, newest)
	return open, recent
}

func (s *Server) getOutages(v *visit) error {
	snap, err := v.look()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	open, recent := outages(snap, q.Get("site"))
	if q.Get("recent") != "" {
		open = append(open, recent...)
	}
	found := []outage{}
	for _, i := range open[:min(len(open), maxList)] {
		found = append(found, outage{i.Site.Site.ID, i.Incident})
	}
	return writeJSON(v.w, http.StatusOK, object{"outages": found})
}

// deliveries leaves out what the caller may not see, and addresses for who only looks.
func (v *visit) deliveries(q fleet.DeliveryQuery) (fleet.DeliveryPage, error) {
	if !v.caller.holds.Everywhere() {
		q.Shown = func(d fleet.Delivery) bool { return v.caller.mayAt(roles.Monitor, d.Site) }
	}
	page, err := v.s.o.Outbox.Deliveries(q)
	if err != nil {
		return page, err
	}
	page.Deliveries = slices.Clone(page.Deliveries)
	for i := range page.Deliveries {
		page.Deliveries[i] = v.shown(page.Deliveries[i])
	}
	page.Next = v.s.cursors.hide(page.Next)
	return page, nil
}

func (v *visit) shown(d fleet.Delivery) fleet.Delivery {
	if v.caller.mayAt(roles.AnswerWarnings, d.Site) {
		return d
	}
	d.Last = strings.ReplaceAll(d.Last, d.Address, Hidden) // servers say whom they refused
	d.Address = Hidden
	if d.Fallback != nil {
		d.Last = strings.ReplaceAll(d.Last, d.Fallback.Address, Hidden)
		d.Fallback = &fleet.Target{Channel: d.Fallback.Channel, Address: Hidden}
	}
	return d
}

func deliveryStates() []fleet.DeliveryState {
	return []fleet.DeliveryState{fleet.Waiting, fleet.Claimed, fleet.Committing, fleet.Sent, fleet.Uncertain, fleet.Failed, fleet.Withdrawn}
}

func (v *visit) deliveryQuery() (fleet.DeliveryQuery, error) {
	q := v.r.URL.Query()
	limit, err := limitOf(q.Get("limit"))
	if err != nil {
		return fleet.DeliveryQuery{}, err
	}
	out := fleet.DeliveryQuery{Site: q.Get("site"), Incident: q.Get("outage"), Recipient: q.Get("recipient"), State: fleet.DeliveryState(q.Get("state")), Limit: limit}
	if out.State != "" && !slices.Contains(deliveryStates(), out.State) {
		return out, problem(http.StatusBadRequest, "bad-query", "the state is one of waiting, claimed, committing, sent, uncertain, failed, withdrawn")
	}
	for _, word := range []string{out.Site, out.Incident, out.Recipient} {
		if len(word) > 4*maxWord {
			return out, problem(http.StatusBadRequest, "bad-query", "a word of a search is too long")
		}
	}
	out.Before, err = v.s.cursors.read(q.Get("before"))
	return out, err
}

func (s *Server) getDeliveries(v *visit) error {
	q, err := v.deliveryQuery()
	if err != nil {
		return err
	}
	page, err := v.deliveries(q)
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, object{"deliveries": list(page.Deliveries), "next": page.Next})
}

// delivery finds a message that the caller may see.
func (v *visit) delivery(id string) (fleet.Delivery, error) {
	if len(id) > 512 {
		return fleet.Delivery{}, notThere()
	}
	d, err := v.s.o.Outbox.Delivery(id)
	if err != nil {
		if d := asDetails(err); d != nil && d.Status == http.StatusNotFound {
			return fleet.Delivery{}, notThere()
		}
		return fleet.Delivery{}, err
	}
	if err := v.reach(d.Site, true); err != nil {
		return fleet.Delivery{}, err
	}
	return v.shown(d), nil
}

func (s *Server) getDelivery(v *visit) error {
	d, err := v.delivery(v.path("id"))
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, d)
}

func (s *Server) doRetry(v *visit, _ none) (outcome, error) {
	d, err := v.delivery(v.path("id"))
	if err != nil {
		return outcome{}, err
	}
	if d.State != fleet.Failed && d.State != fleet.Uncertain {
		return outcome{}, problem(http.StatusConflict, "conflict", "only a message that failed, or may have been sent, can be sent again")
	}
	if err := s.o.Messenger.Retry(v.r.Context(), d.ID, v.change("delivery.retried", d.ID, d.Site, "sent again to "+d.Recipient)); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "It is sent again.", Back: "/warnings"}, nil
}

func (s *Server) pageWarnings(v *visit) error {
	q, err := v.deliveryQuery()
	if err != nil {
		return err
	}
	q.Limit = deliveriesPage
	p := warningsView{now: s.o.Now(), state: string(q.State), site: q.Site, caller: v.caller}
	if p.snap, err = v.look(); err != nil {
		return err
	}
	p.open, p.recent = outages(p.snap, q.Site)
	p.recent = p.recent[:min(len(p.recent), 20)]
	page, err := v.deliveries(q)
	if err != nil {
		return err
	}
	p.deliveries, p.next = page.Deliveries, page.Next
	return v.show("Warnings", "warnings", warningsPage(p))
}
