package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// trusting is the part of a panel's configuration that believes a root.
func (r root) trusting() string {
	return fmt.Sprintf("[license]\nroots = [%q]\n", envelope.KeyText(r.pub))
}

// count is how much of a feature a panel's licenses give.
func (p *panelProcess) count(feature string) int {
	p.t.Helper()
	var e struct {
		Features map[string]struct{ Count int }
	}
	do(p.t, p.socket, http.MethodGet, "http://localhost/api/v1/entitlements", nil).into(p.t, &e)
	return e.Features[feature].Count
}

// has waits until a panel's licenses give so much.
func (p *panelProcess) has(feature string, want int) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("%s has %d %s", p.name, want, feature), nil, func() bool { return p.count(feature) == want })
}

// pool enters a license and returns its id.
func (h *hubProcess) pool(site, code string) string {
	h.t.Helper()
	var made fleet.PoolAnswer
	if err := json.Unmarshal([]byte(h.works("pool", "add", code, "--site", site, "--json")), &made); err != nil || made.Use != fleet.UsePool {
		h.t.Fatalf("%+v, %v", made, err)
	}
	return made.License
}

// share is what the hub says of a panel's buttons.
func (h *hubProcess) share(pool, panel string) fleet.PoolShare {
	h.t.Helper()
	var v fleet.PoolView
	h.must(http.StatusOK, "GET", "/pools/"+pool, nil).into(h.t, &v)
	for _, f := range v.Features {
		for _, s := range f.Shares {
			if s.Panel == panel {
				return s
			}
		}
	}
	return fleet.PoolShare{}
}

// allot says how many buttons a panel is to have, and what the command answered.
func (h *hubProcess) allot(pool string, p *panelProcess, count int, more ...string) (code int, said string) {
	h.t.Helper()
	code, stdout, stderr := h.command("", append([]string{"pool", "allot", pool, p.id, strconv.Itoa(count)}, more...)...)
	return code, stdout + stderr
}

// Story 3 with a hub.
func TestEightyButtonsAreSharedByTwoStairs(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub})
	site := h.site("Condominium")
	labels := ""
	for n := 42; n <= 51; n++ {
		labels += fmt.Sprintf("[[button]]\nnumber = %d\nlabel = \"Flat %d\"\ntarget = \"sip:%d@127.0.0.1\"\n", n, n, n)
	}
	a, b := startPanel(t, "Stairs A", r.trusting()+labels), startPanel(t, "Stairs B", r.trusting())
	h.join(site, a)
	h.join(site, b)
	pool := h.pool(site, r.license(t, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 80}}}))
	if code, said := h.allot(pool, a, 50); code != 0 {
		t.Fatal(said)
	}
	if code, said := h.allot(pool, b, 31); code != 1 || !strings.Contains(said, "80 of 80, 1 too many") {
		t.Fatalf("51 of them: exit %d, %s", code, said)
	}
	if code, said := h.allot(pool, b, 30); code != 0 {
		t.Fatal(said)
	}
	a.has(license.Buttons, 50)
	b.has(license.Buttons, 30)
	a.has(license.SIPNumbers, 2)
	h.until("both shares are taken", func() bool { return !h.share(pool, a.id).Taken.IsZero() && !h.share(pool, b.id).Taken.IsZero() })
	if out := h.works("pool", "documents", a.id); strings.Count(out, "taken") < 2 || !strings.Contains(out, "50 call buttons") {
		t.Errorf("%s", out)
	}
	file := filepath.Join(h.dir, "yesterday.tar.gz")
	h.works("backup", file)

	// Ten named buttons would stop; nothing is done without a word.
	code, said := h.allot(pool, a, 40)
	if code != 1 || strings.Count(said, "Flat ") != 10 || !strings.Contains(said, "42 Flat 42") || !strings.Contains(said, "51 Flat 51") {
		t.Fatalf("exit %d, %s", code, said)
	}
	if a.count(license.Buttons) != 50 {
		t.Error("they stopped already")
	}

	// Both are away while it is changed, and the hub is killed in between.
	a.kill()
	b.kill()
	h.waitPresence(a.id, monitor.Lost)
	if code, said := h.allot(pool, a, 40, "--yes"); code != 0 || !strings.Contains(said, "free when it has answered") {
		t.Fatalf("exit %d, %s", code, said)
	}
	h.kill()
	h = h.restart()
	b = b.restart()
	h.waitPresence(b.id, monitor.Online)
	if code, said := h.allot(pool, b, 40); code != 1 || !strings.Contains(said, "10 of them are waited for from Stairs A since") {
		t.Fatalf("before A has answered: exit %d, %s", code, said)
	}
	a = a.restart()
	a.has(license.Buttons, 40)
	h.until("the hub knows it", func() bool { return h.share(pool, a.id).Has == 40 })
	if code, said := h.allot(pool, b, 40); code != 0 {
		t.Fatal(said)
	}
	b.has(license.Buttons, 40)
	h.caughtUp(b)

	// Yesterday's hub does not know that B has forty, and gives nothing until it has been told.
	h.stop()
	if code, stdout, stderr := h.command("", "restore", file); code != 0 {
		t.Fatal(stdout, stderr)
	}
	b.kill()
	h = h.restart()
	h.waitPresence(a.id, monitor.Online)
	if code, said := h.allot(pool, a, 60); code != 1 || !strings.Contains(said, "restored from a backup") || !strings.Contains(said, "Stairs B") {
		t.Fatalf("a restored hub: exit %d, %s", code, said)
	}
	b = b.restart()
	h.until("yesterday's hub has learned what both have", func() bool { return h.share(pool, a.id).Has == 40 && h.share(pool, b.id).Has == 40 })
	h.until("it may give again", func() bool {
		var v fleet.PoolView
		h.must(http.StatusOK, "GET", "/pools/"+pool, nil).into(t, &v)
		return v.Held == ""
	})
	if code, said := h.allot(pool, a, 41); code != 1 || !strings.Contains(said, "80 of 80, 1 too many") {
		t.Fatalf("exit %d, %s", code, said)
	}
	if x, y := a.count(license.Buttons), b.count(license.Buttons); x != 40 || y != 40 {
		t.Errorf("A has %d, B %d", x, y)
	}
}

// Story 5 with a hub: one code on two panels, and a code that is typed.
func TestOneCodeOnTwoPanelsStaysOnOneAndBothOwnersAreTold(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub})
	one, two := h.site("North"), h.site("South")
	a, b := startPanel(t, "Gate A", r.trusting()), startPanel(t, "Gate B", r.trusting())
	h.join(one, a)
	h.join(two, b)
	code := r.license(t, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 5}}})
	for _, p := range []*panelProcess{a, b} {
		if got := do(t, p.socket, http.MethodPost, "http://localhost/api/v1/licenses", object{"token": code}); got.status != http.StatusCreated {
			t.Fatalf("%s: %d %s", p.name, got.status, got.body)
		}
	}
	until(t, "one of them keeps it", nil, func() bool { return a.count(license.Buttons)+b.count(license.Buttons) == 5 })
	for _, p := range []*panelProcess{a, b} {
		h.until("the owner of "+p.name+" is told", func() bool {
			for _, f := range h.panel(p.id).Faults {
				if f.Kind == fleet.FaultClaim {
					return true
				}
			}
			return false
		})
	}

	kept := r.license(t, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: 7}}})
	var made fleet.PoolAnswer
	if err := json.Unmarshal([]byte(h.works("pool", "add", kept, "--site", one, "--keep", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	id, err := license.ParseTokenID(made.License)
	if err != nil {
		t.Fatal(err)
	}
	before := a.count(license.Buttons)
	a.sim("keys", object{"reader": "front-in", "keys": strings.ReplaceAll(id.ShortCode().String(), " ", "") + "#"})
	a.has(license.Buttons, before+7)
}
