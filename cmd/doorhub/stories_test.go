package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/license"
)

// site adds a site and returns its id.
func (h *hubProcess) site(name string) string {
	h.t.Helper()
	var made struct{ ID string }
	h.must(http.StatusCreated, "POST", "/sites", object{"name": name, "zone": "UTC", "language": "en"}).into(h.t, &made)
	return made.ID
}

// window opens a pairing window and returns its code.
func (h *hubProcess) window(ask object) string {
	h.t.Helper()
	var w struct{ Code string }
	h.must(http.StatusCreated, "POST", "/pairing", ask).into(h.t, &w)
	return w.Code
}

// join pairs a panel with a site of the hub and waits until the hub has heard it.
func (h *hubProcess) join(site string, p *panelProcess) {
	h.t.Helper()
	code := h.window(object{"site": site, "name": p.name})
	if a := p.pair(code); a.status != http.StatusOK {
		h.t.Fatalf("pairing: %d %s", a.status, a.body)
	}
	h.waitPresence(p.id, monitor.Online)
}

// pair gives the panel a code.
func (p *panelProcess) pair(code string) answer {
	p.t.Helper()
	return do(p.t, p.socket, "POST", "http://localhost/api/v1/hub", object{"code": code})
}

// panelView is what the hub tells of a panel.
type panelView struct {
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	Site       string           `json:"site"`
	Replaces   string           `json:"replaces"`
	ReplacedBy string           `json:"replaced_by"`
	Expires    time.Time        `json:"certificate_expires"`
	Enrollment fleet.PanelState `json:"enrollment"`
	Presence   monitor.Presence `json:"presence"`
	Cause      monitor.Cause    `json:"cause"`
	Serial     string           `json:"certificate_serial"`
	Journal    *fleet.Head      `json:"journal"`
	Faults     []fleet.Fault    `json:"faults"`
	Orders     []fleet.Order    `json:"orders"`
}

func (h *hubProcess) panel(id string) panelView {
	h.t.Helper()
	var v panelView
	h.must(http.StatusOK, "GET", "/panels/"+id, nil).into(h.t, &v)
	return v
}

func (h *hubProcess) waitPresence(id string, want monitor.Presence) {
	h.t.Helper()
	h.until(fmt.Sprintf("panel %s is %s", id, want), func() bool { return h.panel(id).Presence == want })
}

// events are all that are stored of a panel, newest first.
func (h *hubProcess) events(panel string) []fleet.Received {
	h.t.Helper()
	a := h.must(http.StatusOK, "GET", "/events/export?format=jsonl&panel="+url.QueryEscape(panel), nil)
	var list []fleet.Received
	lines := bufio.NewScanner(bytes.NewReader(a.body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r fleet.Received
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			h.t.Fatalf("%s: %v", lines.Text(), err)
		}
		list = append(list, r)
	}
	return list
}

// caughtUp waits until the hub has everything that the panel wrote down, and checks that it has each entry once.
func (h *hubProcess) caughtUp(p *panelProcess) []fleet.Received {
	h.t.Helper()
	h.until("the hub has the whole journal of "+p.name, func() bool {
		head := h.panel(p.id).Journal
		return head != nil && head.Seq >= p.lastSeq()
	})
	list := h.events(p.id)
	seen := map[uint64]int{}
	most := uint64(0)
	for _, r := range list {
		seen[r.Event.Seq]++
		most = max(most, r.Event.Seq)
	}
	for seq := uint64(1); seq <= most; seq++ {
		if seen[seq] != 1 {
			h.t.Errorf("entry %d of %s is stored %d times", seq, p.name, seen[seq])
		}
	}
	return list
}

// refusals waits until so many refused cards of a panel are stored, and returns its whole journal.
func (h *hubProcess) refusals(p *panelProcess, want int) []fleet.Received {
	h.t.Helper()
	count := func(list []fleet.Received) (n int) {
		for _, r := range list {
			if r.Event.Kind == "access.refused" && r.Event.Reader != "" {
				n++
			}
		}
		return n
	}
	h.until(fmt.Sprintf("%d refusals of %s are stored", want, p.name), func() bool { return count(h.events(p.id)) >= want })
	list := h.caughtUp(p)
	if n := count(list); n != want {
		h.t.Errorf("%d refusals of %s are stored, want %d", n, p.name, want)
	}
	return list
}

// badges presents cards that nobody knows, each with its own number.
func (p *panelProcess) badges(from, to int) {
	p.t.Helper()
	for n := from; n < to; n++ {
		p.sim("badge", object{"reader": "front-in", "uid": fmt.Sprintf("04%06X", n)})
	}
}

const password = "four words are easy"

var codeLine = regexp.MustCompile(`first login[^:]*:\s+([0-9]{4}) ([0-9]{4})`)

// setupCode is the code of the first run, as whoever started the hub reads it.
func (h *hubProcess) setupCode() string {
	h.t.Helper()
	code := ""
	until(h.t, "the code of the first run", h.stderr.after, func() bool {
		m := codeLine.FindStringSubmatch(h.stderr.String())
		if m != nil {
			code = m[1] + m[2]
		}
		return m != nil
	})
	return code
}

// page asks over the network, with a token when there is one.
func (h *hubProcess) page(method, path string, body any, token string) answer {
	h.t.Helper()
	return do(h.t, h.client, method, h.web+path, body, func(r *http.Request) {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
	})
}

func TestNewcomerHasAPanelUnderTheHubInAFewSteps(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	code := h.setupCode()
	if a := h.page("POST", "/api/v1/setup", object{"code": "00000000", "password": password}, ""); a.status < 400 && code != "00000000" {
		t.Fatalf("a wrong code: %d %s", a.status, a.body)
	}
	if a := h.page("POST", "/api/v1/setup", object{"code": code, "password": password}, ""); a.status != http.StatusCreated {
		t.Fatalf("setup: %d %s", a.status, a.body)
	}
	a := h.page("POST", "/api/v1/login", object{"user": "admin", "password": password}, "")
	var in struct{ Token string }
	a.into(t, &in)
	if a := h.page("GET", "/api/v1/panels", nil, ""); a.status != http.StatusUnauthorized {
		t.Errorf("without a login: %d", a.status)
	}
	if a := h.page("POST", "/api/v1/sites", object{"name": "Via Roma 7", "zone": "Europe/Rome", "language": "it"}, in.Token); a.status != http.StatusCreated {
		t.Fatalf("site: %d %s", a.status, a.body)
	}
	var w struct{ Code string }
	h.page("POST", "/api/v1/pairing", object{"site": "via-roma-7"}, in.Token).into(t, &w)

	p := startPanel(t, "Stairs A", "")
	if a := p.pair(w.Code); a.status != http.StatusOK {
		t.Fatalf("pairing: %d %s", a.status, a.body)
	}
	h.waitPresence(p.id, monitor.Online)
	if a := startPanel(t, "Cellar", "").pair(w.Code); a.status < 400 {
		t.Errorf("a code was taken by two panels: %d %s", a.status, a.body)
	}
	p.badges(0, 3)
	for _, r := range h.refusals(p, 3) {
		if r.Site != "via-roma-7" || r.Event.Chain == "" {
			t.Errorf("%+v", r)
		}
	}
	if out := h.works("events", "verify"); !strings.Contains(out, "fit") {
		t.Error(out)
	}
	if out := h.works("events", "export", "--format", "csv", "--kind", "access."); strings.Count(out, "access.refused") != 3 {
		t.Errorf("the export has\n%s", out)
	}
	if out := h.works("panels"); !strings.Contains(out, p.id) || !strings.Contains(out, "online") {
		t.Error(out)
	}
}

func TestEventsAreStoredOnceWhileTheHubIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	p := startPanel(t, "Gate", "")
	h.join(h.site("House"), p)
	const rounds, each = 4, 60
	for round := range rounds {
		p.badges(round*each, (round+1)*each/2+round*each/2)
		h.kill()
		p.badges((round+1)*each/2+round*each/2, (round+1)*each)
		h = h.restart()
	}
	h.refusals(p, rounds*each)
	if faults := h.panel(p.id).Faults; len(faults) > 0 {
		t.Errorf("faults %+v", faults)
	}
	h.works("events", "verify")
}

func TestOrderOpensTheDoorAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	p := startPanel(t, "Gate", "")
	h.join(h.site("House"), p)
	if out := h.works("order", p.id, "open", "front"); !strings.Contains(out, "did it") {
		t.Error(out)
	}
	if !p.strikeMoved() {
		t.Error("the strike did not move")
	}
	if code, _, stderr := h.command("", "order", p.id, "open", "cellar"); code != 1 || !strings.Contains(stderr, "refused") {
		t.Errorf("a door that is none: exit %d, %s", code, stderr)
	}
	p.kill()
	h.waitPresence(p.id, monitor.Lost)
	before := len(h.panel(p.id).Orders)
	code, _, stderr := h.command("", "order", p.id, "open", "front")
	if code != 1 || !strings.Contains(stderr, "not reached") {
		t.Errorf("a panel that is gone: exit %d, %s", code, stderr)
	}
	p = p.restart()
	h.waitPresence(p.id, monitor.Online)
	list := h.caughtUp(p)
	for _, r := range list {
		if r.Event.Kind == "strike.on" && r.Event.Boot == list[0].Event.Boot {
			t.Errorf("the door opened after the restart: %+v", r.Event)
		}
	}
	if p.strikeMoved() {
		t.Error("an order was obeyed late")
	}
	// The broker kept the order for the panel, which says at its return why it does not obey.
	h.until("the panel refuses the order of its life before", func() bool {
		orders := h.panel(p.id).Orders
		return len(orders) == before+1 && orders[0].State == fleet.OrderRefused && orders[0].Why == "other_boot" && orders[0].Late
	})
}

func TestRevokedPanelIsOutAtOnceAndStaysOut(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	p := startPanel(t, "Gate", "")
	h.join(h.site("House"), p)
	h.caughtUp(p)
	began := time.Now()
	h.works("panels", "revoke", p.id)
	until(t, "the panel is disconnected", nil, func() bool {
		var hub struct{ State string }
		do(t, p.socket, "GET", "http://localhost/api/v1/hub", nil).into(t, &hub)
		return hub.State == "failed"
	})
	t.Logf("out after %v", time.Since(began).Round(time.Millisecond))
	head := h.panel(p.id).Journal.Seq
	p.badges(0, 3)
	h = func() *hubProcess { h.stop(); return h.restart() }()
	if v := h.panel(p.id); v.Enrollment != fleet.PanelRevoked || v.Journal.Seq != head {
		t.Errorf("%+v", v)
	}
	var health struct {
		Counters []struct {
			Part, Reason string
			Count        uint64
		}
	}
	h.until("the refused panel is counted", func() bool {
		h.must(http.StatusOK, "GET", "/health", nil).into(t, &health)
		for _, c := range health.Counters {
			if c.Part == "broker" && c.Count > 0 {
				return true
			}
		}
		return false
	})
}

func TestSecondHubOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	code, stdout, stderr := h.command("", "run")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "another hub runs on it") || !strings.Contains(stderr, "--data") {
		t.Errorf("exit %d, %q, %s", code, stdout, stderr)
	}
	if code, _, stderr := h.command("", "restore", "nothing.tar.gz"); code != 1 || !strings.Contains(stderr, "nothing.tar.gz") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// monitored signs a monitoring license.
func (r root) monitored(t *testing.T) string {
	t.Helper()
	return r.license(t, license.Token{Scope: license.ScopeSite, Grants: []license.Grant{{Feature: license.Monitoring, Count: 1}}})
}
