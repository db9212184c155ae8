package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/notify/notifytest"
)

// quickPolicy warns after a second or two, so that nobody waits for a test.
func quickPolicy() monitor.Policy {
	p := monitor.DefaultPolicy()
	p.HoldOffS, p.GraceS, p.TogetherS = 2, 3, 1
	return p
}

// mailbox is a real mail server, and the section of a hub's configuration that leads there.
func mailbox(t *testing.T) (*notifytest.Server, string) {
	t.Helper()
	server := notifytest.Start(t)
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "mail-ca.pem")
	if err := os.WriteFile(ca, server.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, fmt.Sprintf("[mail]\nserver = %q\nport = %s\nuser = %q\npassword = %q\nfrom = \"doors@example.org\"\nca = %q\n", host, port, notifytest.User, notifytest.Password, ca)
}

// watch makes a site whose outages are told by mail to ines@example.org, with a license unless root is the zero value.
func (h *hubProcess) watch(name string, r root) string {
	h.t.Helper()
	site := h.site(name)
	h.must(http.StatusOK, "PUT", "/sites/"+site+"/policy", quickPolicy())
	h.must(http.StatusCreated, "POST", "/sites/"+site+"/recipients", object{
		"name": "Ines", "group": monitor.First, "ways": []object{{"channel": fleet.Email, "address": "ines@example.org"}},
	})
	if r.pub != nil {
		h.works("license", "add", r.monitored(h.t), "--site", site)
	}
	return site
}

// subjects are those of all mail that arrived, oldest first.
func subjects(server *notifytest.Server) []string {
	var list []string
	for _, m := range server.Messages() {
		list = append(list, m.Header.Get("Subject"))
	}
	return list
}

// awaitMail waits for so many mails in all and returns their subjects.
func (h *hubProcess) awaitMail(server *notifytest.Server, count int) []string {
	h.t.Helper()
	var list []string
	h.until(fmt.Sprintf("%d mails", count), func() bool {
		list = subjects(server)
		return len(list) >= count
	})
	return list
}

func TestACutPanelIsToldOnceAndItsReturnOnce(t *testing.T) {
	t.Parallel()
	server, mail := mailbox(t)
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub, more: mail})
	gate, cellar := startPanel(t, "Gate", ""), startPanel(t, "Cellar", "")
	site := h.watch("House", r)
	h.join(site, gate)
	h.join(site, cellar)

	// Stopped by somebody, and a hub that is restarted or dies: nobody is told.
	cellar.stop()
	h.waitPresence(cellar.id, monitor.Stopped)
	h.stop()
	h = h.restart()
	h.waitPresence(gate.id, monitor.Online)
	h.kill()
	h = h.restart()
	h.waitPresence(gate.id, monitor.Online)

	gate.kill()
	h.waitPresence(gate.id, monitor.Lost)
	list := h.awaitMail(server, 1)
	if len(list) != 1 || !strings.Contains(list[0], "Gate") {
		t.Fatalf("mails %q", list)
	}
	// A hub that dies with an open outage tells it once all the same.
	h.kill()
	h = h.restart()
	gate = gate.restart()
	h.waitPresence(gate.id, monitor.Online)
	list = h.awaitMail(server, 2)
	if len(list) != 2 || list[0] == list[1] {
		t.Errorf("mails %q", list)
	}
	var page fleet.DeliveryPage
	h.must(http.StatusOK, "GET", "/deliveries", nil).into(t, &page)
	for _, d := range page.Deliveries {
		if d.State != fleet.Sent {
			t.Errorf("%s is %s: %s", d.ID, d.State, d.Last)
		}
	}
	h.caughtUp(gate)
}

func TestWithoutALicenseTheStateIsSeenAndNobodyIsTold(t *testing.T) {
	t.Parallel()
	server, mail := mailbox(t)
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub, more: mail})
	free, paid := startPanel(t, "Free", ""), startPanel(t, "Paid", "")
	h.join(h.watch("Without", root{}), free)
	h.join(h.watch("With", r), paid)
	free.kill()
	h.waitPresence(free.id, monitor.Lost)
	var outages struct{ Outages []struct{ Site string } }
	h.until("the outage is seen", func() bool {
		h.must(http.StatusOK, "GET", "/outages", nil).into(t, &outages)
		return len(outages.Outages) == 1
	})
	// The one that is told goes later: whatever was told of the first would have come before it.
	paid.kill()
	if list := h.awaitMail(server, 1); len(list) != 1 || !strings.Contains(list[0], "Paid") {
		t.Errorf("mails %q", list)
	}
}

func TestPanelsThatGoTogetherAreOneMail(t *testing.T) {
	t.Parallel()
	server, mail := mailbox(t)
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub, more: mail})
	site := h.watch("House", r)
	var panels []*panelProcess
	for _, name := range []string{"Gate", "Cellar"} {
		p := startPanel(t, name, "")
		h.join(site, p)
		panels = append(panels, p)
	}
	for _, p := range panels {
		p.kill()
	}
	first := h.awaitMail(server, 1)
	for i, p := range panels {
		panels[i] = p.restart()
		h.waitPresence(p.id, monitor.Online)
	}
	if list := h.awaitMail(server, 2); len(list) != 2 {
		t.Errorf("mails %q after %q", list, first)
	}
}

func TestAPanelThatFallsSilentIsMissed(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	p := startPanel(t, "Gate", "")
	h.join(h.site("House"), p)
	p.freeze()
	h.waitPresence(p.id, monitor.Lost)
	p.thaw()
	h.waitPresence(p.id, monitor.Online)
	p.badges(0, 3)
	h.refusals(p, 3)
}

// A test message says when it was sent as the site's clocks show it, as every other message does.
func TestATestMessageTellsTheSitesTime(t *testing.T) {
	t.Parallel()
	server, mail := mailbox(t)
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub, more: mail})
	site := h.watch("House", r)
	h.must(http.StatusOK, "PUT", "/sites/"+site, object{"name": "House", "zone": "Pacific/Kiritimati"})
	kiritimati, err := time.LoadLocation("Pacific/Kiritimati")
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now().In(kiritimati)
	h.must(http.StatusCreated, "POST", "/sites/"+site+"/recipients/ines/test", object{})
	h.awaitMail(server, 1)
	after, text := time.Now().In(kiritimati), string(server.Messages()[0].Raw)
	const minute = "2 Jan 2006 15:04"
	if !strings.Contains(text, before.Format(minute)) && !strings.Contains(text, after.Format(minute)) {
		t.Errorf("sent between %s and %s, the message says:\n%s", before.Format(minute), after.Format(minute), text)
	}
}
