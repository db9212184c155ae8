package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const inAndOut = `[[door]]
name = "front"
safe = "fail-secure"
pulse = "300ms"
[[reader]]
name = "front-in"
door = "front"
direction = "in"
kind = "sim"
[[reader]]
name = "front-out"
door = "front"
direction = "out"
kind = "sim"
`

// Story 8: a pass for a slot and two uses, at a panel without a network.
func TestGuestComesTwiceInTheAgreedHoursAndNotAThirdTime(t *testing.T) {
	t.Parallel()
	ten := time.Date(2035, 6, 5, 10, 0, 0, 0, time.UTC) // a Tuesday after every test's day
	p, _ := accessPanel(t, setting{})
	p.clock(ten.Add(-time.Hour), true)
	slot := object{"name": "Plumber", "kind": "pass", "valid_from": ten, "valid_until": ten.Add(2 * time.Hour), "uses": 2}
	var pass, code struct{ ID, Pass, Code, SVG string }
	p.must(http.StatusCreated, "POST", "/guests", slot).into(t, &pass)
	slot["kind"] = "code"
	p.must(http.StatusCreated, "POST", "/guests", slot).into(t, &code)
	if !strings.HasPrefix(pass.Pass, "DG1:") || !strings.Contains(pass.SVG, "<svg") || len(code.Code) < 6 || code.SVG != "" {
		t.Fatalf("%+v %+v", pass, code)
	}
	show := map[string]func(){
		"pass": func() { p.simRaw("scan?reader=front-in", "text/plain", []byte(pass.Pass)) }, "code": func() { p.keys("front-in", code.Code+"#") },
	}
	for _, kind := range []string{"pass", "code"} {
		p.clock(ten.Add(-time.Minute), true)
		show[kind]()
		p.waitEntry("access.refused", "not_yet_valid")
		p.clock(ten, true)
		for range 2 {
			show[kind]()
			p.opens("front")
		}
		show[kind]()
		p.waitEntry("access.refused", "used_up")
	}
	// The same pass shown again by the page is the same picture; withdrawn, it is none.
	var again struct{ Pass string }
	p.must(http.StatusOK, "GET", "/guests/"+pass.ID, nil).into(t, &again)
	if again.Pass != pass.Pass {
		t.Error("a pass that is shown again is another one")
	}
	p.must(http.StatusNoContent, "DELETE", "/guests/"+pass.ID, nil)
	show["pass"]()
	p.waitEntry("access.refused", "revoked")
}

// Story 10: the roll call, and when people came and went.
func TestWhoIsInsideIsOnTheRollCall(t *testing.T) {
	t.Parallel()
	p, _ := accessPanel(t, setting{doors: inAndOut})
	p.enroll(object{"person": "Anna Rossi", "kind": "card", "uid": "04A1B2C3"})
	p.enroll(object{"person": "Marco Bianchi", "kind": "card", "uid": "04A1B2C4"})
	for _, uid := range []string{"04A1B2C3", "04A1B2C4"} {
		p.badge("front-in", uid)
		p.opens("front")
	}
	if out := p.cliMust("presence"); !strings.Contains(out, "Anna Rossi") || !strings.Contains(out, "2 inside.") {
		t.Error(out)
	}
	p.badge("front-out", "04A1B2C3")
	p.opens("front")
	if out := p.cliMust("presence", "--json"); strings.Contains(out, "Anna") || !strings.Contains(out, "Marco Bianchi") {
		t.Error(out)
	}
	if got := p.must(http.StatusConflict, "GET", "/attendance", nil); !strings.Contains(string(got.body), "switched off") {
		t.Errorf("%s", got.body)
	}
	p.must(http.StatusOK, "PUT", "/access", object{"attendance": true})
	p.must(http.StatusOK, "GET", "/attendance", nil)
	p.cliMust("presence", "reset")
	if out := p.cliMust("presence"); !strings.Contains(out, "0 inside.") {
		t.Error(out)
	}
}
