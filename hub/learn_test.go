package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

func TestWhatOnePanelSaysOfLicensesAndNobodyCanUseStopsNobody(t *testing.T) {
	tries := 0
	neighbor := strings.Repeat("b", 26)
	inWorld(t, func(w *world, o *Options) {
		w.store.panels = append(w.store.panels, fleet.Panel{ID: neighbor, Site: siteID, Serial: "2"})
		o.Learn = func(r fleet.Received) error {
			if r.Panel == neighbor {
				return nil
			}
			tries++
			return errors.New("cannot store license 77 for site villa: it is used at site hotel")
		}
	}, func(w *world) {
		d, other := newDiary(panelID), newDiary(neighbor)
		d.write(3)
		d.events[1].Kind = "license.told"
		other.write(2)
		w.send(d, d.events...)
		w.send(other, other.events...)
		w.pass(time.Hour)
		w.wantStored(panelID, 1, 3)
		w.wantStored(neighbor, 1, 2)
		if w.wire.unacknowledged() != 0 || tries != learnTries {
			t.Errorf("tried %d times; the broker keeps %d", tries, w.wire.unacknowledged())
		}
		faults := read(w.store, func() []fleet.Fault { return slices.Clone(w.store.faults) })
		if len(faults) != 1 || faults[0].Kind != fleet.FaultUnusable || faults[0].Seq != 2 || faults[0].Panel != panelID {
			t.Fatalf("faults %+v", faults)
		}
		if strings.Contains(faults[0].Detail, "hotel") {
			t.Errorf("the panel's people read of another site: %s", faults[0].Detail)
		}
	})
}

func TestWhatTheStoreDoesNotTakeIsTriedUntilItDoes(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	inWorld(t, func(_ *world, o *Options) {
		o.Learn = func(fleet.Received) error {
			if full.Load() {
				return fmt.Errorf("%w: the disk is full", fleet.ErrNotKept)
			}
			return nil
		}
	}, func(w *world) {
		d := newDiary(panelID)
		d.write(1)
		d.events[0].Kind = "license.told"
		w.send(d, d.events...)
		w.pass(time.Hour)
		if w.wire.unacknowledged() != 1 {
			t.Error("acknowledged, and not kept")
		}
		full.Store(false)
		w.pass(time.Minute)
		w.wantStored(panelID, 1, 1)
		if faults := read(w.store, func() int { return len(w.store.faults) }); faults != 0 {
			t.Errorf("%d faults", faults)
		}
	})
}
