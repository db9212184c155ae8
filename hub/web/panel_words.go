package web

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// commands tells whether the caller may ask the panel for something.
func (p panelPageView) commands() bool {
	return p.caller.mayAt(roles.OpenDoors, p.Panel.Site) && p.Panel.State() == fleet.PanelEnrolled
}

func accountWords(accounts map[string]string) string {
	parts := make([]string, 0, len(accounts))
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		parts = append(parts, name+": "+accounts[name])
	}
	return strings.Join(parts, ", ")
}

// outageLength is how long an outage was, or is.
func outageLength(i monitor.Incident, now time.Time) string {
	if i.Closed.IsZero() {
		return "for " + span(now.Sub(i.Opened)) + ", not over"
	}
	return "for " + span(i.Closed.Sub(i.Opened))
}

func certificateWords(p fleet.Panel) string {
	switch p.State() {
	case fleet.PanelAdded:
		return "none yet: the panel is not paired"
	case fleet.PanelRevoked:
		return "revoked"
	case fleet.PanelReplaced:
		return "revoked: the panel is replaced"
	}
	return "in force"
}
