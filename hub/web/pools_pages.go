package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type (
	// poolsPage shows the licenses that the hub holds for a site's panels.
	poolsPage struct {
		site    siteView
		now     time.Time
		pools   []fleet.PoolView
		mayGive bool
		enters  bool
		asked   *allotQuestion
	}
	// allotQuestion asks once more before something stops at a panel.
	allotQuestion struct {
		license, feature, panel, text string
		count                         int
	}
	// papersPage shows the signed documents of a panel with what it said to each.
	papersPage struct {
		panel  panelView
		site   siteView
		now    time.Time
		papers []fleet.Paper
	}
)

func (s *Server) poolPages() []route {
	return []route{
		{Method: "GET", Pattern: "/sites/{site}/licenses", Access: roles.SeeLicenses, Handler: s.pagePools, Page: true, Status: 200, Summary: "The licenses that the hub holds for a site's panels"},
		{Method: "GET", Pattern: "/panels/{panel}/documents", Access: roles.SeeLicenses, Handler: s.pagePapers, Page: true, Status: 200, Summary: "The signed documents of a panel"},
		{Method: "POST", Pattern: "/pools/{license}/allot", Access: roles.EditLicenses, Handler: s.postAllot, Page: true, Changes: true, Status: http.StatusSeeOther, Summary: "Say how much of a license a panel is to have"},
	}
}

func (s *Server) poolsPage(v *visit, id string) (poolsPage, error) {
	site, snap, err := v.site(id)
	if err != nil {
		return poolsPage{}, err
	}
	p := poolsPage{site: site, now: snap.now, mayGive: v.caller.mayAt(roles.EditLicenses, id), enters: v.caller.mayAt(roles.EnterPackages, id)}
	if p.pools, err = s.o.Pools.List(id); err != nil {
		return p, err
	}
	p.pools = slices.DeleteFunc(slices.Clone(p.pools), func(l fleet.PoolView) bool { return l.Site != id })
	return p, nil
}

func (s *Server) pagePools(v *visit) error {
	p, err := s.poolsPage(v, v.path("site"))
	if err != nil {
		return err
	}
	return v.show(p.site.Site.Name+": licenses", "overview", poolsOfSite(p))
}

func (s *Server) pagePapers(v *visit) error {
	panel, snap, err := v.panel(v.path("panel"))
	if err != nil {
		return err
	}
	p := papersPage{panel: panel, now: snap.now}
	if p.site, _, err = v.site(panel.Panel.Site); err != nil {
		return err
	}
	if p.papers, err = s.o.Pools.Papers(panel.Panel.ID); err != nil {
		return err
	}
	return v.show(panel.title()+": documents", "overview", papersOfPanel(p))
}

// postAllot gives a panel more of a license, or asks it to give some back. Where something would stop, the page asks once more.
func (s *Server) postAllot(v *visit) error {
	var in allotRequest
	if err := v.decodeForm(&in); err != nil {
		return err
	}
	ask, found, err := v.allotAsk(in)
	if err != nil {
		return err
	}
	out, err := s.o.Pools.Allot(v.r.Context(), ask)
	if err != nil {
		return err
	}
	if out.Result == "unconfirmed" {
		p, err := s.poolsPage(v, found.Site)
		if err != nil {
			return err
		}
		p.asked = &allotQuestion{license: found.ID, feature: in.Feature, panel: in.Panel, count: in.Count, text: out.Message}
		return v.redraw(http.StatusConflict, "#pools, #pools-asked", poolCards(p), p.site.Site.Name+": licenses", poolsOfSite(p))
	}
	if out.Result != "activated" {
		return refusedLicense(out.Result, out.Message)
	}
	v.note("license.allotted", ask.Panel, found.Site, fmt.Sprintf("license %s: %d, before %d", found.ID, out.After, out.Before))
	if err := v.record(); err != nil {
		return err
	}
	v.say(sentenceCase(out.Message))
	v.redirect(at("sites", found.Site, "licenses"))
	return nil
}

// share is what a panel of the site has of a feature; the zero one when it has nothing.
func share(f fleet.PoolFeature, panel panelView) fleet.PoolShare {
	for _, one := range f.Shares {
		if one.Panel == panel.Panel.ID {
			return one
		}
	}
	return fleet.PoolShare{Panel: panel.Panel.ID, Name: panel.title()}
}

// gone are the shares of panels that are not among those that look after the site now.
func gone(f fleet.PoolFeature, panels []panelView) []fleet.PoolShare {
	return slices.DeleteFunc(slices.Clone(f.Shares), func(one fleet.PoolShare) bool {
		return slices.ContainsFunc(panels, func(p panelView) bool { return p.Panel.ID == one.Panel })
	})
}

// shareWords say how far the panel has come with what it was given or asked for.
func shareWords(one fleet.PoolShare, zone *time.Location) (tone, text string) {
	since := ""
	if !one.Since.IsZero() {
		since = " since " + instant(one.Since, zone)
	}
	switch {
	case one.Refused != "":
		return "bad", "refused: " + one.Refused
	case one.Waiting && one.Why != "":
		return "warn", fmt.Sprintf("to give %d back%s: %s", max(0, one.Has-one.Asked), since, one.Why)
	case one.Waiting:
		return "warn", fmt.Sprintf("to give %d back, asked%s", max(0, one.Has-one.Asked), since)
	case one.Has == 0 && one.Asked == 0:
		return "", "nothing"
	case one.Taken.IsZero():
		return "call", "on its way" + since
	}
	return "good", "taken " + instant(one.Taken, zone)
}

func poolUse(l fleet.PoolView, panels []panelView) string {
	switch l.Use {
	case fleet.UsePool:
		return "shared among the panels"
	case fleet.UseKept:
		return "kept until its short code is typed at a panel"
	case fleet.UseGrant:
		for _, p := range panels {
			if p.Panel.ID == l.Panel {
				return "whole, for " + p.title()
			}
		}
		if l.Panel == "" {
			return "whole, for every panel"
		}
	}
	return string(l.Use)
}

func paperTone(s fleet.PaperState) string {
	switch s {
	case fleet.PaperTaken:
		return "good"
	case fleet.PaperRefused:
		return "bad"
	case fleet.PaperWaiting:
		return "call"
	}
	return ""
}

func poolName(l fleet.PoolView) string {
	if l.Label != "" {
		return l.Label
	}
	return "License"
}

func poolTone(l fleet.PoolView) string {
	if l.Status == "active" {
		return "good"
	}
	return "warn"
}
