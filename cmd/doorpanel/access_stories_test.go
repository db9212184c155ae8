package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The stories of residents, guests and whoever manages the house, each on a panel of its own, with nothing above it.

func TestStory8AGuestsHoursAreTheSitesOnTheDayTheClocksChange(t *testing.T) {
	t.Parallel()
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	// 25 March 2035 has no hour from two to three; 28 October has it twice. Both are Sundays.
	for name, c := range map[string]struct{ from, until time.Time }{
		"spring": {from: time.Date(2035, 3, 25, 1, 30, 0, 0, rome), until: time.Date(2035, 3, 25, 3, 30, 0, 0, rome)},
		"autumn": {from: time.Date(2035, 10, 28, 1, 30, 0, 0, rome), until: time.Date(2035, 10, 28, 3, 30, 0, 0, rome)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := accessPanel(t, setting{zone: "Europe/Rome"})
			p.clock(c.from.Add(-2*time.Hour), true)
			var pass struct{ ID, Pass string }
			p.must(http.StatusCreated, "POST", "/guests", object{"name": "Plumber", "kind": "pass", "valid_from": c.from, "valid_until": c.until, "uses": 2}).into(t, &pass)
			show := func() { p.simRaw("scan?reader=front-in", "text/plain", []byte(pass.Pass)) }
			p.clock(c.from.Add(-time.Minute), true)
			show()
			p.waitEntry("access.refused", "not_yet_valid")
			p.clock(c.from, true)
			show()
			p.opens("front")
			p.clock(c.until.Add(-time.Minute), true)
			show()
			p.opens("front")
			show()
			p.waitEntry("access.refused", "used_up")
			p.clock(c.until.AddDate(0, 0, 1), true)
			show()
			p.waitEntry("access.refused", "")
		})
	}
}

func TestStory8AScheduleKeepsTheHoursOfTheWallAcrossTheChange(t *testing.T) {
	t.Parallel()
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := accessPanel(t, setting{zone: "Europe/Rome"})
	p.clock(time.Date(2035, 3, 24, 12, 0, 0, 0, rome), true)
	p.must(http.StatusOK, "PUT", "/schedules/morning", object{"slots": []object{{"days": []string{"sat", "sun"}, "from": "10:00", "to": "12:00"}}})
	p.enroll(object{"person": "Anna", "kind": "card", "uid": "04A1B2C3", "schedule": "morning"})
	// Ten in the morning is nine hours of UTC on Saturday, and eight on Sunday.
	for _, day := range []int{24, 25} {
		p.clock(time.Date(2035, 3, day, 9, 59, 0, 0, rome), true)
		p.badge("front-in", "04A1B2C3")
		p.waitEntry("access.refused", "outside_schedule")
		p.clock(time.Date(2035, 3, day, 10, 0, 0, 0, rome), true)
		p.badge("front-in", "04A1B2C3")
		p.opens("front")
	}
}

func TestStory9AtNightTheCardAloneAndTheCodeAloneAreRefused(t *testing.T) {
	t.Parallel()
	p, _ := accessPanel(t, setting{})
	noon := time.Date(2035, 6, 5, 12, 0, 0, 0, time.UTC)
	p.clock(noon, true)
	every := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	p.must(http.StatusOK, "PUT", "/schedules/night", object{"slots": []object{{"days": every, "from": "22:00", "to": "06:00"}}})
	p.must(http.StatusOK, "PUT", "/policies/front", object{"second_factor": "night"})
	card := p.enroll(object{"person": "Anna", "kind": "card", "uid": "04A1B2C3"})
	p.enroll(object{"person": "Anna", "kind": "code", "code": "271828"})
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	granted := p.waitEntry("access.granted", "card")
	if granted.Who != "Anna" || granted.Credential != card || granted.Reader != "front-in" {
		t.Errorf("the grant is written as %v", granted)
	}
	p.clock(noon.Add(11*time.Hour), true)
	badge, typed := func() { p.badge("front-in", "04A1B2C3") }, func() { p.keys("front-in", "271828#") }
	for name, both := range map[string][]func(){"code, then card": {typed, badge}, "card, then code": {badge, typed}} {
		both[0]()
		if alone := p.waitEntry("access.refused", "second_factor"); alone.Door != "front" {
			t.Errorf("%s: the first alone is written as %v", name, alone)
		}
		both[1]()
		p.opens("front")
	}
	p.badge("front-in", "04DEADBEEF")
	p.waitEntry("access.refused", "unknown")
	p.must(http.StatusNoContent, "DELETE", "/credentials/"+card, nil)
	p.badge("front-in", "04A1B2C3")
	p.waitEntry("access.refused", "unknown")
}

func TestStory10AHardPassbackEndsWhenWhoIsInsideIsReset(t *testing.T) {
	t.Parallel()
	p, _ := accessPanel(t, setting{doors: inAndOut})
	p.must(http.StatusOK, "PUT", "/policies/front", object{"passback": "hard"})
	p.must(http.StatusOK, "PUT", "/access", object{"attendance": true})
	morning := time.Date(2035, 6, 5, 8, 0, 0, 0, time.UTC)
	p.clock(morning, true)
	var made struct{ Person string }
	p.must(http.StatusCreated, "POST", "/credentials", object{"person": "Anna Rossi", "kind": "card", "uid": "04A1B2C3"}).into(t, &made)
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.badge("front-in", "04A1B2C3")
	p.waitEntry("access.refused", "passback")
	// She left by the exit button: nobody saw her go.
	p.must(http.StatusNoContent, "POST", "/presence/reset", object{"person": made.Person})
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.clock(morning.Add(9*time.Hour), true)
	p.badge("front-out", "04A1B2C3")
	p.opens("front")
	sheet := string(p.must(http.StatusOK, "GET", "/attendance?from=2035-06-05&until=2035-06-06&format=csv", nil).body)
	if !strings.Contains(sheet, "Anna Rossi") || !strings.Contains(sheet, "08:00") || !strings.Contains(sheet, "17:00") {
		t.Error(sheet)
	}
}

func TestStory15MoveOutTakesCardCodeAndRightsAndTheJournalStaysWhole(t *testing.T) {
	t.Parallel()
	p, _ := accessPanel(t, setting{})
	var made struct{ Person, Code string }
	p.must(http.StatusCreated, "POST", "/credentials", object{"person": "Anna Rossi", "kind": "code"}).into(t, &made)
	p.enroll(object{"person": made.Person, "kind": "card", "uid": "04A1B2C3"})
	stays := p.enroll(object{"person": "Marco Bianchi", "kind": "card", "uid": "04A1B2C4"})
	show := map[string]func(){"card": func() { p.badge("front-in", "04A1B2C3") }, "code": func() { p.keys("front-in", made.Code+"#") }}
	for _, kind := range []string{"card", "code"} {
		show[kind]()
		p.opens("front")
	}
	p.must(http.StatusNoContent, "DELETE", "/people/"+made.Person+"?journal=erase", nil)
	for _, kind := range []string{"card", "code"} {
		show[kind]()
		p.waitEntry("access.refused", "unknown")
	}
	p.badge("front-in", "04A1B2C4")
	p.opens("front")
	if granted := p.waitEntry("access.granted", "card"); granted.Credential != stays {
		t.Errorf("the neighbor's grant is written as %v", granted)
	}
	for _, e := range p.journal() {
		if strings.Contains(e.String(), "Rossi") || strings.HasPrefix(e.Credential, made.Person) {
			t.Errorf("the journal still names who moved out: %v", e)
		}
	}
	if out := p.cliMust("journal", "verify"); out == "" {
		t.Error("the verification says nothing")
	}
}

func TestStory20EightyFlatsInOneMorningGetNamesCodesAndCards(t *testing.T) {
	t.Parallel()
	const flats = 80
	p, _ := accessPanel(t, setting{})
	text := "name,flat,code\n"
	for i := range flats {
		text += fmt.Sprintf("Family %02d,%d,draw\n", i+1, i+1)
	}
	dry := p.must(http.StatusOK, "POST", "/people/import?dry_run=1", picture{"text/csv", []byte(text)})
	if !strings.Contains(string(dry.body), fmt.Sprintf(`"added":%d`, flats)) {
		t.Fatalf("%.300s", dry.body)
	}
	codes := map[string]string{}
	for line := range strings.Lines(string(p.must(http.StatusOK, "POST", "/people/import", picture{"text/csv", []byte(text)}).body)) {
		var told struct {
			Progress struct {
				Codes []struct{ Name, Code string }
			}
		}
		if err := json.Unmarshal([]byte(line), &told); err != nil {
			t.Fatal(err)
		}
		for _, c := range told.Progress.Codes {
			codes[c.Code] = c.Name
		}
	}
	if len(codes) != flats {
		t.Fatalf("%d codes for %d flats", len(codes), flats)
	}
	var page struct {
		People []struct{ ID, Name string }
	}
	p.must(http.StatusOK, "GET", "/people?sort=name&limit=500", nil).into(t, &page)
	for i, person := range page.People {
		learned := make(chan answer, 1)
		go func() {
			a, _ := try(p.socket, "POST", "http://doorpanel/api/v1/learn", object{"person": person.ID}) // a lost answer has status 0
			learned <- a
		}()
		// The card is shown again until the panel waits for it; before, it is a stranger's and opens nothing.
		uid := fmt.Sprintf("04A1B2%02X", i)
		limit := time.NewTimer(patience)
		retry := time.NewTicker(20 * time.Millisecond)
		for done := false; !done; {
			select {
			case a := <-learned:
				if done = true; a.status != http.StatusOK {
					t.Fatalf("card of %s: %d %s", person.Name, a.status, a.body)
				}
			case <-retry.C:
				p.badge("front-in", uid)
			case <-limit.C:
				t.Fatalf("the card of %s was not learned", person.Name)
			}
		}
		limit.Stop()
		retry.Stop()
	}
	p.must(http.StatusOK, "GET", "/people?sort=name&limit=500", nil).into(t, &page)
	if len(page.People) != flats {
		t.Fatalf("%d people", len(page.People))
	}
	var last struct{ Cards, Codes int }
	p.must(http.StatusOK, "GET", "/people/"+page.People[flats-1].ID, nil).into(t, &last)
	if last.Cards != 1 || last.Codes != 1 {
		t.Errorf("the last flat has %+v", last)
	}
	if out := p.cliMust("people", "list", "80"); !strings.Contains(out, "Family 80") {
		t.Error(out)
	}
}
