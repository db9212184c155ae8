package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/license"
)

// TestALedgerGoesOnFromItsBackup restores a hub with a license ledger: it is whole, nobody is reminded twice, and nothing is given before
// the panels have told what they have.
func TestALedgerGoesOnFromItsBackup(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub})
	admin := h.tree()
	var made struct{ ID string }
	admin.must(http.StatusCreated, "POST", "/groups", object{"name": "North", "level": "company", "administrators": []string{"ines@example.org"}}).into(t, &made)
	company := made.ID
	house := admin.group(company, "House", "building")
	site := h.site("House")
	h.must(http.StatusNoContent, "PUT", "/sites/"+site+"/group", object{"group": house})
	p := startPanel(t, "Gate", r.trusting())
	h.join(site, p)
	pool := h.pool(site, r.license(t, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 10}}}))
	if code, said := h.allot(pool, p, 6); code != 0 {
		t.Fatal(said)
	}
	h.until("the share is taken", func() bool { return !h.share(pool, p.id).Taken.IsZero() })
	ends := time.Now().UTC().AddDate(0, 0, 5).Format(time.RFC3339)
	admin.must(http.StatusOK, "PUT", "/groups/"+company+"/licenses", object{"restricted": true, "reminder": object{"days": 30, "every": "daily"},
		"blocks": []object{{"counts": object{"sip_numbers": 4, "apps": 4, "buttons": 20, "panels": 5}, "until": ends}}})
	tenant := admin.person(house, "Ada")
	admin.give(tenant, "sip_numbers", "1001")
	second := admin.give(tenant, "sip_numbers", "1002")
	admin.must(http.StatusNoContent, "DELETE", "/uses/"+second, nil)
	reminded := func() int {
		t.Helper()
		return strings.Count(string(h.must(http.StatusOK, "GET", "/deliveries", nil).body), `"reminder/`)
	}
	admin.must(http.StatusOK, "PUT", "/groups/"+house, object{"name": "The house"}) // lets what is due happen
	told := reminded()
	if told == 0 {
		t.Fatal("nobody is reminded that the license ends in five days")
	}
	whole := h.works("ledger", "verify")
	file := filepath.Join(h.dir, "yesterday.tar.gz")
	h.works("backup", file)
	admin.give(tenant, "sip_numbers", "1003") // what comes after the backup is gone
	h.stop()
	p.kill()
	if code, stdout, stderr := h.command("", "restore", file); code != 0 {
		t.Fatal(stdout, stderr)
	}
	h = h.restart()
	admin = h.tree()
	if again := h.works("ledger", "verify"); again != whole {
		t.Errorf("the restored ledger says %q, the one that was backed up %q", again, whole)
	}
	line := admin.stands("/groups/"+house, "sip_numbers", 4, 1, 3)
	if line.Active != 1 {
		t.Errorf("%+v", line)
	}
	var report struct{ Rows []ledger.Row }
	admin.must(http.StatusOK, "GET", "/groups/"+house+"/usage", nil).into(t, &report)
	if len(report.Rows) != 1 || report.Rows[0].Peak[ledger.SIPNumbers].Count != 2 {
		t.Errorf("the month's peak: %+v", report.Rows)
	}
	admin.give(tenant, "sip_numbers", "1004")
	if n := reminded(); n != told {
		t.Errorf("%d reminders after the restore, %d before", n, told)
	}
	if out := h.works("ledger", "verify"); out == whole || !strings.Contains(out, "entries fit") {
		t.Errorf("after another change: %s", out)
	}
	if code, said := h.allot(pool, p, 7); code != 1 || !strings.Contains(said, "restored from a backup") || !strings.Contains(said, "Gate") {
		t.Errorf("before the panel has told what it has: exit %d, %s", code, said)
	}
	p = p.restart()
	h.waitPresence(p.id, monitor.Online)
	h.until("it may give again", func() bool {
		var v fleet.PoolView
		h.must(http.StatusOK, "GET", "/pools/"+pool, nil).into(t, &v)
		return v.Held == ""
	})
	if code, said := h.allot(pool, p, 7); code != 0 {
		t.Errorf("after it has told: %s", said)
	}
	p.has(license.Buttons, 7)
}
