package monitor_test

import (
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
)

func TestAShorterGraceHoldsAtOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := monitor.New(fleet.Site{ID: "house"}, now)
	s, _ = monitor.Step(s, time.UTC, now, monitor.HubStarted{})
	s, _ = monitor.Step(s, time.UTC, now, monitor.BrokerBack{})
	before := s.Grace
	p := s.Policy
	p.GraceS = 5
	s, _ = monitor.Step(s, time.UTC, now, monitor.PolicyChanged{Policy: p})
	if !before.After(s.Grace) || !s.Grace.Equal(now.Add(5*time.Second)) {
		t.Errorf("the grace ends at %v, before the change at %v", s.Grace, before)
	}
	p.GraceS = 500
	if s, _ = monitor.Step(s, time.UTC, now, monitor.PolicyChanged{Policy: p}); !s.Grace.Equal(now.Add(5 * time.Second)) {
		t.Errorf("a longer grace moved the present one to %v", s.Grace)
	}
}
