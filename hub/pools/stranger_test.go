package pools_test

import (
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// A panel that was paired after the backup is not among those that the restored hub knows.
func TestAPanelThatWasPairedAfterTheBackupIsWaitedForOnceItShowsItself(t *testing.T) {
	w := newWorld(2)
	a, late := w.panels[0], w.panels[1]
	w.panels = w.panels[:1]
	w.start()
	id := w.pool(1, 10)
	w.allot(id, a, 4)
	w.settle()
	old := w.kept.clone()
	w.panels = append(w.panels, late)
	w.allot(id, late, 6)
	w.settle()
	if late.buttons() != 6 {
		t.Fatalf("it uses %d", late.buttons())
	}
	w.panels = w.panels[:1]
	w.now = w.now.Add(time.Hour)
	w.setBack(old)
	a.connect()
	w.settle()
	w.pools.Stranger("doorpanel-hub") // no panel
	w.pools.Stranger(a.record.ID)     // known
	if v, _ := w.pools.Show(id); v.Held != "" {
		t.Fatalf("held without a reason: %s", v.Held)
	}
	w.pools.Stranger(late.record.ID)
	w.pools.Stranger(late.record.ID)
	w.start()
	a.connect()
	w.settle()
	if out := w.allot(id, a, 10); out.Title != "Waiting for panels" {
		t.Fatalf("while nobody knows what the other has: %+v", out)
	}
	late.record.Serial = "2"
	w.panels = append(w.panels, late) // paired again
	late.boot++
	late.connect()
	w.settle()
	w.now = w.now.Add(time.Hour)
	w.settle()
	if out := w.allot(id, a, 10); out.Result != "pool-exhausted" {
		t.Fatalf("it has told that it has 6: %+v", out)
	}
	if a.buttons()+late.buttons() != 10 {
		t.Errorf("%d and %d are used of 10", a.buttons(), late.buttons())
	}
}

func TestAStrangerThatShowsItselfNoMoreIsWaitedForThirtyDays(t *testing.T) {
	w := newWorld(2)
	late := w.panels[1]
	w.panels = w.panels[:1]
	w.start()
	id := w.pool(1, 10)
	w.settle()
	w.pools.Stranger(late.record.ID)
	w.settle()
	w.now = w.now.Add(29 * 24 * time.Hour)
	w.settle()
	if v, _ := w.pools.Show(id); v.Held == "" {
		t.Error("it is not waited for")
	}
	w.now = w.now.Add(2 * 24 * time.Hour)
	w.settle()
	if v, _ := w.pools.Show(id); v.Held != "" {
		t.Errorf("after 31 days: %s", v.Held)
	}
	w.pools.Stranger(late.record.ID)
	late.record.Revoked = w.now
	w.panels = append(w.panels, late)
	w.settle()
	if v, _ := w.pools.Show(id); v.Held != "" || late.record.State() != fleet.PanelRevoked {
		t.Errorf("it was revoked: %s", v.Held)
	}
}
