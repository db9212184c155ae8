package store_test

import (
	"errors"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
)

func TestALicenseIsOneSitesForItsMonitoringAndForItsPanelsTogether(t *testing.T) {
	holding := func(id, site string) fleet.DeedChange {
		return fleet.DeedChange{Holding: &fleet.Holding{ID: id, Site: site, Use: fleet.UsePool}}
	}
	claim := func(id, site string, stays bool) fleet.DeedChange {
		return fleet.DeedChange{Claims: []fleet.Claim{{License: id, Panel: "p", Site: site, Stays: stays}}}
	}
	type do func(s *store.Store) error
	keep := func(c fleet.DeedChange) do { return func(s *store.Store) error { return s.KeepDeeds(c) } }
	put := func(id, site string) do {
		return func(s *store.Store) error { return s.PutLicense(fleet.License{ID: id, Site: site}, fleet.Change{}) }
	}
	for _, c := range []struct {
		name          string
		first, second do
		taken         bool
	}{
		{"monitoring, then panels of another site", put("l", "north"), keep(holding("l", "south")), true},
		{"monitoring, then panels of the same site", put("l", "north"), keep(holding("l", "north")), false},
		{"panels, then monitoring of another site", keep(holding("l", "north")), put("l", "south"), true},
		{"panels, then monitoring of the same site", keep(holding("l", "north")), put("l", "north"), false},
		{"panels of two sites", keep(holding("l", "north")), keep(holding("l", "south")), true},
		{"activated by a panel of another site", keep(claim("l", "north", true)), put("l", "south"), true},
		{"activated by a panel of the same site", keep(claim("l", "north", true)), put("l", "north"), false},
		{"given up by a panel of another site", keep(claim("l", "north", false)), put("l", "south"), false},
		{"another license", keep(claim("l1", "north", true)), put("l", "south"), false},
		{"one that begins alike", keep(claim("la", "north", true)), put("l", "south"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, store.Options{Dir: t.TempDir()})
			for _, id := range []string{"north", "south"} {
				if _, err := s.PutSite(fleet.Site{ID: id, Name: id, Zone: "UTC", Language: "en"}, fleet.Edit{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.first(s); err != nil {
				t.Fatal(err)
			}
			if err := c.second(s); errors.Is(err, fleet.ErrTaken) != c.taken || err != nil && !c.taken {
				t.Error(err)
			}
		})
	}
}

func TestALicenseThatAPanelElsewhereClaimedLaterCanStillBeWithdrawn(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir()})
	if _, err := s.PutSite(fleet.Site{ID: "north", Name: "north", Zone: "UTC", Language: "en"}, fleet.Edit{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.PutLicense(fleet.License{ID: "l", Site: "north"}, fleet.Change{}); err != nil {
			t.Fatal(err)
		}
		if err := s.KeepDeeds(fleet.DeedChange{Claims: []fleet.Claim{{License: "l", Panel: "p", Site: "south", Stays: true}}}); err != nil {
			t.Fatal(err)
		}
	}
}
