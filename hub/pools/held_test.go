package pools_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/telemetry"
)

func TestAfterARestoreOnlyPanelsOfThePoolsSiteAreNamed(t *testing.T) {
	w := newWorld(16)
	id := w.pool(1, 10)
	for i, u := range w.panels {
		u.record.Name, u.online = fmt.Sprintf("Door %c", 'A'+i), false
		if i > 2 {
			u.record.Site = "other"
		}
	}
	w.setBack(w.kept)
	out := w.allot(id, w.panels[0], 1)
	v, err := w.pools.Show(id)
	if err != nil || v.Held != out.Message {
		t.Errorf("shown %q, refused %q, %v", v.Held, out.Message, err)
	}
	if !strings.Contains(out.Message, "Door A, Door B, Door C, 13 more at this hub.") {
		t.Error(out.Message)
	}
	for _, u := range w.panels[3:] {
		if strings.Contains(out.Message, u.record.Name) || strings.Contains(out.Message, u.record.ID) {
			t.Errorf("it names %s of another site: %s", u.record.Name, out.Message)
		}
	}
}

func TestWhyAPanelIsStillWaitedForIsToldAtItsSiteAlone(t *testing.T) {
	w := newWorld(2)
	a := w.panels[0]
	text := w.sell(1, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 10}}})
	id := w.enter(text).License
	w.allot(id, a, 4)
	w.settle()
	there := w.pool(2, 5)
	for i, h := range w.kept.holdings {
		if h.ID == there {
			h.Site = "other"
			w.kept.holdings[i] = h
		}
	}
	yesterday := w.kept.clone()
	for key, h := range yesterday.holdings { // the backup is from before the pool
		if h.ID == id {
			delete(yesterday.holdings, key)
		}
	}
	yesterday.deeds, yesterday.allotments = map[string]fleet.Deed{}, map[string]fleet.Allotment{}
	w.setBack(yesterday)
	w.roots = w.roots[:0] // who issued the license is not known any more
	a.journal = nil
	a.tell(uint64(w.now.UnixMilli()))
	papers := a.journal[0].Papers
	if err := a.hear(telemetry.Event{Kind: "license.told", Papers: papers}); err != nil {
		t.Fatal(err)
	}
	views, err := w.pools.List("other")
	if err != nil || len(views) != 1 || strings.Contains(views[0].Held, "Stairs") || strings.Contains(views[0].Held, "cannot be used") {
		t.Errorf("another site reads %+v, %v", views, err)
	}
	third := w.kept.holdings[there]
	third.Site = site
	w.kept.holdings[there] = third
	why := w.kept.fence.Why[a.record.ID]
	w.start()
	if v, err := w.pools.Show(there); err != nil || why == "" || !strings.Contains(v.Held, "Stairs A (what it told cannot be used: ") {
		t.Errorf("%q (%s), %v", v.Held, why, err)
	}
}
