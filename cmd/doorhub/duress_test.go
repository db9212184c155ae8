package main_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// ask is a request over the panel's socket, as an administrator of its host.
func (p *panelProcess) ask(status int, method, path string, body any) answer {
	p.t.Helper()
	a := do(p.t, p.socket, method, "http://localhost/api/v1"+path, body)
	if a.status != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

var testNumber = regexp.MustCompile(`Number: ([0-9]{8})`)

// TestASilentAlarmGoesThroughTheHubAndLeavesNoSignOnThePanel takes the whole way: the hub's key as recipient, the number by mail,
// the alarm by mail and on the hub's page.
func TestASilentAlarmGoesThroughTheHubAndLeavesNoSignOnThePanel(t *testing.T) {
	t.Parallel()
	server, mail := mailbox(t)
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub, more: mail})
	p := startPanel(t, "Gate", "[license]\nroots = [\""+envelope.KeyText(r.pub)+"\"]\n")
	basic := license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.AccessBasic, Count: 1}}}
	p.ask(http.StatusCreated, "POST", "/licenses", object{"token": r.license(t, basic)})
	p.ask(http.StatusUnprocessableEntity, "POST", "/duress/test", object{"recipient": "hub"}) // there is none yet
	site := h.site("House")
	h.works("license", "add", r.monitored(t), "--site", site)
	h.must(http.StatusCreated, "POST", "/sites/"+site+"/recipients", object{
		"name": "Guard", "group": monitor.First, "topics": []monitor.Topic{monitor.TopicSilentAlarm}, "ways": []object{{"channel": fleet.Email, "address": "guard@example.org"}},
	})
	h.must(http.StatusCreated, "POST", "/sites/"+site+"/recipients", object{
		"name": "Ines", "group": monitor.First, "ways": []object{{"channel": fleet.Email, "address": "ines@example.org"}},
	})
	h.join(site, p)

	var made struct{ ID, Code string }
	p.ask(http.StatusCreated, "POST", "/credentials", object{"person": "Anna", "kind": "code"}).into(t, &made)
	p.ask(http.StatusConflict, "POST", "/credentials/"+made.ID+"/duress", nil) // on only after a confirmed test

	p.ask(http.StatusOK, "POST", "/duress/test", object{"recipient": "hub"})
	h.awaitMail(server, 1)
	number := testNumber.FindStringSubmatch(string(server.Messages()[0].Raw))
	if number == nil {
		t.Fatalf("the mail has no number:\n%s", string(server.Messages()[0].Raw))
	}
	var state struct {
		On             bool
		Recipient, Hub string
	}
	p.ask(http.StatusOK, "POST", "/duress/confirm", object{"number": number[1]}).into(t, &state)
	if !state.On || state.Recipient != state.Hub || state.Hub == "" {
		t.Fatalf("after the right number %+v", state)
	}
	var second struct{ Code string }
	p.ask(http.StatusCreated, "POST", "/credentials/"+made.ID+"/duress", nil).into(t, &second)

	overview := func() (o struct {
		Silent int `json:"silent_alarms"`
	}) {
		h.must(http.StatusOK, "GET", "/overview", nil).into(t, &o)
		return o
	}
	grants := 0
	grant := func(code string) (last fleet.Received) {
		grants++
		p.sim("keys", object{"reader": "front-in", "keys": code + "#"})
		h.until("the grant is stored", func() bool {
			seen := 0
			for _, r := range h.events(p.id) {
				if r.Event.Kind == "access.granted" {
					if seen++; r.Event.Seq > last.Event.Seq {
						last = r
					}
				}
			}
			return seen == grants
		})
		return last
	}
	own := grant(made.Code)
	if list := subjects(server); len(list) != 1 || overview().Silent != 0 {
		t.Fatalf("the own code told %q", list)
	}
	forced := grant(second.Code)
	h.awaitMail(server, 2)
	if m := server.Messages()[1]; !strings.Contains(m.Header.Get("Subject"), "SILENT ALARM") || !strings.Contains(m.Header.Get("To"), "guard@") ||
		!strings.Contains(string(m.Raw), "Anna") {
		t.Errorf("the alarm is %q to %q:\n%s", m.Header.Get("Subject"), m.Header.Get("To"), string(m.Raw))
	}
	if overview().Silent != 1 {
		t.Errorf("the hub's page says %+v", overview())
	}
	// The two grants differ in nothing that anybody but the hub can read.
	a, b := own.Event, forced.Event
	if a.Who != b.Who || a.Credential != b.Credential || a.Why != b.Why || a.Detail != b.Detail || len(a.Sealed) != len(b.Sealed) || len(a.Sealed) == 0 {
		t.Errorf("%+v\n%+v", a, b)
	}
	// A hub that is started again tells nothing twice.
	h.kill()
	h = h.restart()
	h.waitPresence(p.id, monitor.Online)
	grant(second.Code)
	if list := h.awaitMail(server, 3); len(list) != 3 {
		t.Errorf("mails %q", list)
	}
	// Whoever leaves the hub has nobody who hears of the alarm: it is off.
	p.ask(http.StatusNoContent, "DELETE", "/hub", nil)
	p.ask(http.StatusOK, "GET", "/duress", nil).into(t, &state)
	if state.On {
		t.Error("the silent alarm goes to a hub that does not hear it")
	}
}
