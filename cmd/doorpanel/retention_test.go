package main_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/storage"
)

// person makes somebody with a card and returns the id.
func (p *panelProcess) person(name, uid string) string {
	p.t.Helper()
	var made struct {
		Person string `json:"person"`
	}
	p.must(http.StatusCreated, "POST", "/credentials", object{"person": name, "kind": "card", "uid": uid}).into(p.t, &made)
	return made.Person
}

// named counts the entries in which a text stands anywhere.
func (p *panelProcess) named(text string) (n int) {
	p.t.Helper()
	for line := range strings.Lines(p.cliMust("journal", "export")) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func TestAnErasedPersonIsNowhereInTheJournalAndTheChainFits(t *testing.T) {
	t.Parallel()
	vendor := newSigner(t)
	p := startPanel(t, setting{roots: vendor.roots()})
	p.activate(vendor.license(t, token(grant(license.AccessBasic, 1))))
	ada, grace := p.person("Ada Lovelace", "04A1B2C3"), p.person("Grace Hopper", "04A1B2C4")
	for _, uid := range []string{"04A1B2C3", "04A1B2C4", "04A1B2C3"} {
		p.badge("front-in", uid)
		p.opens("front")
	}
	before := len(p.journal())
	if p.named("Ada Lovelace") < 2 || p.named("Grace Hopper") < 1 {
		t.Fatal("the journal names nobody")
	}
	p.must(http.StatusNoContent, "DELETE", "/people/"+ada+"?journal=erase", nil)
	if e := p.waitEntry("journal.tidied", ""); !strings.Contains(e.Detail, ada) {
		t.Errorf("it says %v", e)
	}
	if n := p.named("Ada"); n != 0 {
		t.Errorf("%d entries still name her", n)
	}
	if n := p.named(`"credential":"` + ada); n != 0 {
		t.Errorf("%d entries still name her card", n)
	}
	if p.named("Grace Hopper") == 0 || p.named(`"credential":"`+grace) == 0 {
		t.Error("somebody else was erased")
	}
	if got := len(p.journal()); got < before {
		t.Errorf("%d entries of %d are left", got, before)
	}
	if said := p.cli("journal", "verify"); said.code != 0 {
		t.Error(said)
	}
	p.kill()
	p = p.restart()
	if n := p.named("Ada"); n != 0 {
		t.Errorf("after a kill %d entries name her", n)
	}
	p.stop()
	report, err := storage.Verify(p.data)
	if err != nil || len(report.Faults) != 0 || report.Erased == 0 {
		t.Errorf("%+v %v", report, err)
	}
}

func TestOldEntriesLoseTheirPersonsByTheirKind(t *testing.T) {
	t.Parallel()
	vendor := newSigner(t)
	p := startPanel(t, setting{roots: vendor.roots(), doors: "[journal]\npersons_days = 30\n[[journal.kind]]\nkinds = [\"access.refused\"]\npersons_days = 7\n" +
		"[[journal.kind]]\nkinds = [\"config.changed\"]\npersons_days = 0\n" + door("front", "1")})
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p.clock(begin, true)
	p.activate(vendor.license(t, token(grant(license.AccessBasic, 1))))
	p.person("Ada Lovelace", "04A1B2C3")
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.must(http.StatusOK, "POST", "/lockdown", object{"on": true})
	p.badge("front-in", "04A1B2C3")
	p.waitEntry("access.refused", "lockdown")
	p.must(http.StatusOK, "POST", "/lockdown", object{"on": false})

	tidy := func(days int, trusted bool, status int) (done struct {
		Erased  int    `json:"persons_erased"`
		Deleted uint64 `json:"entries_deleted"`
	}) {
		t.Helper()
		p.clock(begin.AddDate(0, 0, days), trusted)
		answer := p.must(status, "POST", "/journal/tidy", nil)
		if status == http.StatusOK {
			answer.into(t, &done)
		}
		return done
	}
	tidy(400, false, http.StatusConflict)
	if done := tidy(6, true, http.StatusOK); done.Erased != 0 {
		t.Errorf("after 6 days %+v", done)
	}
	if done := tidy(8, true, http.StatusOK); done.Erased != 1 || p.named("Ada Lovelace") == 0 {
		t.Errorf("after 8 days %+v", done)
	}
	if done := tidy(31, true, http.StatusOK); done.Erased == 0 || p.named("Ada Lovelace") != 0 {
		t.Errorf("after 31 days %+v, %d entries name her", done, p.named("Ada Lovelace"))
	}
	if !slices.ContainsFunc(p.journal(), func(e entry) bool { return e.Kind == "config.changed" && e.Who != "" }) {
		t.Error("who changed the settings is gone, although its period says otherwise")
	}
	if said := p.cli("journal", "verify"); said.code != 0 {
		t.Error(said)
	}
}

func TestEntriesTooOldAreDeletedAndTheRestFits(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{doors: "[journal]\nentries_days = 10\npersons_days = 5\n" + door("front", "1")})
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p.clock(begin, true)
	p.must(http.StatusOK, "POST", "/doors/front/open", nil)
	p.opens("front")
	p.must(http.StatusOK, "POST", "/journal/tidy", nil) // the next entry begins another file
	p.stop()                                            // and what must be remembered is kept elsewhere
	p = p.restart()
	p.clock(begin.AddDate(0, 0, 12), true)
	p.must(http.StatusOK, "POST", "/doors/front/open", nil)
	var done struct {
		Deleted uint64 `json:"entries_deleted"`
	}
	p.must(http.StatusOK, "POST", "/journal/tidy", nil).into(t, &done)
	if done.Deleted == 0 {
		t.Error("nothing was deleted")
	}
	if said := p.cli("journal", "verify"); said.code != 0 || strings.Contains(said.out, ", 1 to ") {
		t.Error(said)
	}
}
