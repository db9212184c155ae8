package main_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/store"
)

var pairingCode = regexp.MustCompile(`DH1:.*`)

// hubState is how a panel sees its hub.
type hubState struct {
	State, Detail string
	Until         time.Time `json:"certificate_until"`
}

func (p *panelProcess) hub() (s hubState) {
	p.t.Helper()
	do(p.t, p.socket, http.MethodGet, "http://localhost/api/v1/hub", nil).into(p.t, &s)
	return s
}

// takesThePlace pairs a fresh panel by a code that replaces a dead one, and checks what is left of both.
func (h *hubProcess) takesThePlace(dead, fresh *panelProcess, site, code string) {
	h.t.Helper()
	before := h.events(dead.id)
	for range 2 { // the second time nothing changes
		if a := fresh.pair(code); a.status != http.StatusOK {
			h.t.Fatalf("pairing: %d %s", a.status, a.body)
		}
	}
	h.waitPresence(fresh.id, monitor.Online)
	h.caughtUp(fresh)
	came := h.panel(fresh.id)
	if came.Enrollment != fleet.PanelEnrolled || came.Name != "Stairs" || came.Site != site || came.Replaces != dead.id {
		h.t.Errorf("the fresh panel is %+v", came)
	}
	gone := h.panel(dead.id)
	if gone.Enrollment != fleet.PanelReplaced || gone.ReplacedBy != fresh.id || gone.Name != "Stairs" || gone.Site != site {
		h.t.Errorf("the dead panel is %+v", gone)
	}
	if after := h.events(dead.id); len(before) == 0 || len(after) < len(before) {
		h.t.Errorf("of %d events of the dead panel %d are left", len(before), len(after))
	}
	if n := h.audited("panel.enrolled", fresh.id); n != 1 {
		h.t.Errorf("the audit has the fresh panel %d times", n)
	}
	// Who was thought dead comes back, and is out.
	*dead = *dead.restart()
	until(h.t, "the dead panel is told that it is out", nil, func() bool { return strings.Contains(dead.hub().Detail, "replaced") })
	if other := startPanel(h.t, "Late", "").pair(code); other.status < 400 {
		h.t.Errorf("a third panel came in by the same code: %d", other.status)
	}
	h.works("events", "verify")
}

// audited counts the changes of one kind to one object.
func (h *hubProcess) audited(what, object string) (n int) {
	h.t.Helper()
	var page struct {
		Changes []fleet.Change `json:"changes"`
	}
	h.must(http.StatusOK, "GET", "/audit?limit=200", nil).into(h.t, &page)
	for _, c := range page.Changes {
		if c.What == what && c.Object == object {
			n++
		}
	}
	return n
}

// deadPanel is one that was at a site, and is gone.
func (h *hubProcess) deadPanel(site string) *panelProcess {
	h.t.Helper()
	p := startPanel(h.t, "Stairs", "")
	h.join(site, p)
	p.badges(0, 5)
	h.refusals(p, 5)
	p.kill()
	h.waitPresence(p.id, monitor.Lost)
	return p
}

func TestADeadPanelsPlaceIsTakenByCommand(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	site := h.site("House")
	dead := h.deadPanel(site)
	code := pairingCode.FindString(h.works("pair", "--site", site, "--replaces", dead.id))
	h.takesThePlace(dead, startPanel(t, "Spare", ""), site, code)
}

func TestADeadPanelsPlaceIsTakenOnThePage(t *testing.T) {
	h := startHub(t, hubSetting{})
	b := newBrowser(t)
	b.do(chromedp.Navigate(h.web + "/"))
	b.shows("h1", "Make this hub yours")
	b.do(chromedp.SendKeys("#code", h.setupCode()), chromedp.SendKeys("#password", password), chromedp.Click("button.primary"))
	b.shows("main", "This hub is yours")
	site := h.site("House")
	dead := h.deadPanel(site)
	b.do(chromedp.Navigate(h.web + "/panels/" + dead.id))
	b.shows("main", "Replace it with another panel")
	b.do(chromedp.Click(`main a[href*="replaces="]`))
	b.shows("h1", "Replace Stairs")
	b.do(chromedp.Click("main button.primary"))
	b.shows("main", "Waiting for the panel")
	code, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("main textarea, main input")].map((e) => e.value).find((v) => v.startsWith("DH1:"))`))
	if err != nil {
		t.Fatal(err)
	}
	h.takesThePlace(dead, startPanel(t, "Spare", ""), site, code)
}

// certificateOf changes the record of a panel's only certificate, while the hub does not run.
func (h *hubProcess) certificateOf(panel string, change func(*fleet.Certificate)) {
	h.t.Helper()
	kept, _, err := store.Open(store.Options{Dir: h.data})
	if err != nil {
		h.t.Fatal(err)
	}
	err = kept.Enrolling(context.Background(), []string{panel}, func(all *fleet.Enrolling) error {
		if len(all.Certificates) != 1 {
			return fmt.Errorf("there are %d certificates", len(all.Certificates))
		}
		change(&all.Certificates[0])
		return nil
	})
	if err = errors.Join(err, kept.Close()); err != nil {
		h.t.Fatal(err)
	}
}

// oldCertificate is one for a panel that the hub's authority made so long ago that it is due.
func (h *hubProcess) oldCertificate(p *panelProcess) authority.Issued {
	h.t.Helper()
	fail := func(err error) {
		if err != nil {
			h.t.Helper()
			h.t.Fatal(err)
		}
	}
	// A certificate's time is the clock's of the authority: this one's is behind.
	ca, err := authority.Open(authority.Options{Dir: filepath.Join(h.data, "keys"), Now: func() time.Time { return time.Now().AddDate(0, 0, -250) }})
	fail(err)
	raw, err := os.ReadFile(filepath.Join(p.data, "keys", "hub-tls.key"))
	fail(err)
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	fail(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	fail(err)
	old, err := ca.Certify(csr, p.id)
	fail(err)
	return old
}

func TestACertificateIsRenewedByItselfAndNothingIsMissed(t *testing.T) {
	t.Parallel()
	server, mail := mailbox(t)
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub, more: mail})
	site := h.watch("House", r)
	p := startPanel(t, "Gate", "")
	code := h.window(object{"site": site, "name": "Gate"})
	pair := func() {
		if a := p.pair(code); a.status != http.StatusOK {
			t.Fatalf("pairing: %d %s", a.status, a.body)
		}
	}
	pair()
	h.waitPresence(p.id, monitor.Online)
	p.badges(0, 3)
	h.refusals(p, 3)

	// The panel asks again with its code and gets an old certificate, which the hub takes for the one that it gave. Then the hub
	// is told when that one ends.
	old := h.oldCertificate(p)
	h.stop()
	h.certificateOf(p.id, func(c *fleet.Certificate) { c.PEM = string(old.PEM) })
	h = h.restart()
	pair()
	until(t, "the panel shows the old certificate", nil, func() bool { s := p.hub(); return s.State == "ok" && s.Until.Equal(old.Expires) })
	p.stop()
	h.waitPresence(p.id, monitor.Stopped)
	h.stop()
	h.certificateOf(p.id, func(c *fleet.Certificate) { c.Expires = time.Now() })
	h = h.restart()

	p = p.restart()
	p.badges(3, 6)
	until(t, "the panel has another certificate and is connected", nil, func() bool {
		s := p.hub()
		return s.State == "ok" && s.Until.After(old.Expires.AddDate(0, 6, 0))
	})
	p.badges(6, 9)
	h.refusals(p, 9)
	h.waitPresence(p.id, monitor.Online)
	v := h.panel(p.id)
	if !v.Expires.After(old.Expires.AddDate(0, 6, 0)) || len(v.Faults) > 0 {
		t.Errorf("%+v", v)
	}
	if list := subjects(server); slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "Gate") }) {
		t.Errorf("somebody was told of a renewal: %q", list)
	}
	if n := h.audited("panel.enrolled", p.id); n != 1 {
		t.Errorf("the audit has %d enrollments", n)
	}
}
