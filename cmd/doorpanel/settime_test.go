package main_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

type clockShown struct {
	Now, Mark time.Time
	Source    string
	Trusted   bool
	Settles   int `json:"settles_s"`
}

func TestAdministratorSetsTheClockOfAPanelThatLostTheTime(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	p.clock(time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC), false)
	annual := token(grant(license.AccessBasic, 1))
	annual.Term = license.Term{Years: 1}
	text := root.license(t, annual)
	if slug, _, _ := p.api("POST", "/licenses", object{"token": text}).problem(t); slug != "clock-untrusted" {
		t.Errorf("an annual license without a clock: %s", slug)
	}
	var before clockShown
	p.must(http.StatusOK, "GET", "/clock", nil).into(t, &before)
	if before.Trusted || before.Source != "" || before.Now.Year() != 1970 {
		t.Errorf("a clock that nobody vouches for: %+v", before)
	}

	// The mark is the newest of what was seen and built; a typing error of fourteen years is asked about.
	typed := time.Now().Add(100 * 24 * time.Hour).UTC().Truncate(time.Second)
	if slug, _, detail := p.api("POST", "/clock", object{"now": typed.AddDate(14, 0, 0)}).problem(t); slug != "far-ahead" || !strings.Contains(detail, "confirm") {
		t.Errorf("fourteen years ahead: %s %s", slug, detail)
	}
	var after clockShown
	p.must(http.StatusOK, "POST", "/clock", object{"now": typed}).into(t, &after)
	if late := after.Now.Sub(typed); !after.Trusted || after.Source != "administrator" || late < 0 || late > patience || after.Settles == 0 {
		t.Errorf("after it was set: %+v", after)
	}
	if e := p.waitEntry("clock.set", ""); !strings.Contains(e.Detail, typed.Format(time.RFC3339)) || e.Who == "" {
		t.Errorf("the journal says %v", e)
	}
	if after.Mark.After(typed.AddDate(0, 0, -90)) {
		t.Errorf("a typed time was taken for certain at once: %+v", after)
	}
	p.activate(text)

	// A better source speaks: the word is forgotten, and cannot be said against it.
	p.clock(time.Now(), true)
	var again clockShown
	p.must(http.StatusOK, "GET", "/clock", nil).into(t, &again)
	if again.Source != "synchronized" || again.Now.After(time.Now().Add(time.Hour)) {
		t.Errorf("with a time server: %+v", again)
	}
	if slug, _, detail := p.api("POST", "/clock", object{"now": typed}).problem(t); slug != "synchronized" || !strings.Contains(detail, "time server") {
		t.Errorf("set against a time server: %s %s", slug, detail)
	}
}

func TestClockCommandsWorkWithAndWithoutADaemon(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{more: "[clock]\nkernel = false\n"})
	p.clock(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), false)
	typed := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	for _, way := range []string{"daemon", "no daemon"} {
		out := p.cliMust("clock", "set", typed.Format(time.RFC3339))
		if !strings.Contains(out, "set by hand") || !strings.Contains(out, "clock    trusted") {
			t.Errorf("%s: %s", way, out)
		}
		var shown clockShown
		if err := json.Unmarshal([]byte(p.cliMust("clock", "--json")), &shown); err != nil || shown.Source != "administrator" || !shown.Trusted || shown.Now.Before(typed) {
			t.Errorf("%s: %+v, %v", way, shown, err)
		}
		p.cliFails("confirm", "clock", "set", typed.AddDate(20, 0, 0).Format(time.RFC3339))
		if s := p.cli("clock", "set", "noon"); s.code != 2 || !strings.Contains(s.stderr, "with its zone") {
			t.Errorf("%s: %v", way, s)
		}
		if way == "daemon" {
			p.stop()
		}
	}
}
