package panel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// bench is a panel with one door, and what it remembers.
type bench struct {
	t      *testing.T
	rules  panel.Rules
	p      *panel.Panel
	now    panel.Now
	memory map[string]string
}

func newBench(t *testing.T, rules panel.Rules) *bench {
	rules.Words, rules.Doors, rules.Readers = panel.WordsIn("en"), []panel.DoorRules{{Name: "front"}}, []panel.Reader{{Name: "in", Door: "front", Direction: panel.In}, {Name: "out", Door: "front", Direction: panel.Out}}
	b := &bench{t: t, rules: rules, now: panel.Now{Mono: time.Second, Wall: lifeBegins, Trusted: true}, memory: map[string]string{}}
	b.start()
	return b
}

func (b *bench) start() {
	var memory []panel.Memory
	for k, v := range b.memory {
		memory = append(memory, panel.Memory{Key: k, Value: v})
	}
	b.p = panel.New(b.rules, rights(b.t, lifeBegins, time.Time{}, license.Grant{Feature: license.AccessBasic, Count: 1}), memory, b.now)
	b.p.Start(b.now)
}

func (b *bench) wait(d time.Duration) {
	b.now.Mono += d
	b.now.Wall = b.now.Wall.Add(d)
}

// step does one thing on a disk that is quick, and returns the kinds and reasons of what was written.
func (b *bench) step(event panel.Event) (wrote []string) {
	for _, a := range b.p.Step(b.now, event) {
		r, ok := a.(panel.Record)
		if !ok {
			continue
		}
		wrote = append(wrote, fmt.Sprint(r.Entry.Kind, " ", r.Entry.Why))
		for _, m := range r.Remember {
			panel.Keep(b.memory, m)
		}
		if r.Ticket != 0 {
			wrote = append(wrote, b.step(panel.Recorded{Ticket: r.Ticket})...)
		}
	}
	return wrote
}

func (b *bench) show(reader string, c access.Credential) []string {
	wrote := b.step(panel.CredentialPresented{Reader: reader, Kind: c.Kind, Facts: panel.Facts{Credential: c, Rights: []access.Right{{}}}})
	return slices.DeleteFunc(wrote, func(w string) bool {
		return !strings.HasPrefix(w, "access.granted") && !strings.HasPrefix(w, "access.refused")
	})
}

func TestBlocksGrowToAnHourAndADayHasItsCodes(t *testing.T) {
	b := newBench(t, panel.Rules{})
	var blocks []time.Duration
	tries := 0
	for begin := b.now.Mono; b.now.Mono-begin < 24*time.Hour; {
		b.step(panel.CredentialPresented{Reader: "in", Kind: access.Code})
		tries++
		if left := b.p.View(b.now).CodesBlocked; left > 0 {
			blocks = append(blocks, left)
			b.wait(left)
		}
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}
	if len(blocks) < len(want) || !slices.Equal(blocks[:len(want)], want) {
		t.Errorf("the blocks last %v", blocks)
	}
	if tries > access.GuessesADay {
		t.Errorf("%d wrong codes were heard on one day", tries)
	}
	// The day after begins where it began the day before.
	b.wait(24 * time.Hour)
	for range 5 {
		b.step(panel.CredentialPresented{Reader: "in", Kind: access.Code})
	}
	if left := b.p.View(b.now).CodesBlocked; left != 30*time.Second {
		t.Errorf("the first block of a new day lasts %v", left)
	}
}

func TestADayOfTheBudgetOutlivesARestart(t *testing.T) {
	b := newBench(t, panel.Rules{GuessesADay: 12})
	for range 10 {
		b.step(panel.CredentialPresented{Reader: "in", Kind: access.Code})
		b.wait(b.p.View(b.now).CodesBlocked)
	}
	b.wait(time.Hour)
	b.step(panel.Tick{})
	b.start()
	b.step(panel.CredentialPresented{Reader: "in", Kind: access.Code})
	b.step(panel.CredentialPresented{Reader: "in", Kind: access.Code})
	left := b.p.View(b.now).CodesBlocked
	if left < 22*time.Hour || left > 23*time.Hour {
		t.Errorf("the twelfth wrong code of the day blocks for %v", left)
	}
	b.wait(time.Hour)
	b.start()
	if now := b.p.View(b.now).CodesBlocked; now != left-time.Hour {
		t.Errorf("after a restart %v are left of %v", now, left)
	}
	b.now.Trusted = false
	b.start()
	if now := b.p.View(b.now).CodesBlocked; now != 24*time.Hour {
		t.Errorf("after a restart without the time %v are left", now)
	}
}

func TestABudgetThatCannotBeReadIsUsedUp(t *testing.T) {
	for _, value := range []string{"0 - x 3 1795510800000", "0 - 1 x 1795510800000", "0 - 1 -7 1795510800000", "0 - 1 3 x", "4 - 1 99 1795510800000"} {
		b := newBench(t, panel.Rules{})
		b.memory["guess"] = value
		b.start()
		for range 5 {
			b.step(panel.CredentialPresented{Reader: "in", Kind: access.Code})
		}
		if left := b.p.View(b.now).CodesBlocked; left < time.Minute {
			t.Errorf("%q: five wrong codes later codes are blocked for %v", value, left)
		}
	}
}

func TestUsesThatCannotBeReadAreUsedUp(t *testing.T) {
	c := access.Credential{ID: "c", Kind: access.Card, Uses: 1000}
	for value, want := range map[string]string{
		"": "access.granted card", "1 0 0": "access.granted card", "1000 0 0": "access.refused used_up",
		"x": "access.refused used_up", "1": "access.refused used_up", "-1 0 0": "access.refused used_up", "1 0 x": "access.refused used_up", "1 0 0 0": "access.refused used_up",
	} {
		b := newBench(t, panel.Rules{})
		b.memory["uses/c"] = value
		b.start()
		if wrote := b.show("in", c); wrote[0] != want {
			t.Errorf("%q: %v, want %s", value, wrote, want)
		}
	}
}

func TestWhatIsCountedIsBounded(t *testing.T) {
	b := newBench(t, panel.Rules{})
	card := func(i int, until time.Time) access.Credential {
		return access.Credential{ID: fmt.Sprintf("c%05d", i), Kind: access.Pass, Uses: 5, Until: until}
	}
	ends := b.now.Wall.Add(time.Hour)
	for i := range 10_000 {
		until := ends
		if i%2 == 0 {
			until = time.Time{}
		}
		if wrote := b.show("", card(i, until)); len(wrote) > 0 {
			t.Fatal("a reader that is not there opened")
		}
		b.step(panel.CredentialPresented{Door: "front", Kind: access.Pass, Facts: panel.Facts{Credential: card(i, until), Rights: []access.Right{{}}}})
	}
	one := card(10_000, ends.Add(200*time.Hour))
	if wrote := b.show("in", one); wrote[0] != "access.refused cannot_record" {
		t.Errorf("one more than can be counted: %v", wrote)
	}
	if wrote := b.show("in", card(0, time.Time{})); wrote[0] != "access.granted pass" {
		t.Errorf("one that is counted already: %v", wrote)
	}
	// Those whose last day is over for a day make room, fifty at a time, where the time is known.
	b.wait(25*time.Hour - time.Second)
	if wrote := b.show("in", one); wrote[0] != "access.refused cannot_record" {
		t.Errorf("too early: %v", wrote)
	}
	b.wait(2 * time.Second)
	b.now.Trusted = false
	loose := access.Credential{ID: "loose", Kind: access.Card, Uses: 5}
	if wrote := b.show("in", loose); wrote[0] != "access.refused cannot_record" {
		t.Errorf("the time is not known: %v", wrote)
	}
	b.now.Trusted = true
	before := len(b.memory)
	if wrote := b.show("in", loose); wrote[0] != "access.granted card" {
		t.Errorf("there is room: %v", wrote)
	}
	if now := len(b.memory); now >= before {
		t.Errorf("%d things are remembered, %d before", now, before)
	}
	if wrote := b.show("in", card(0, time.Time{})); wrote[0] != "access.granted pass" {
		t.Errorf("one without a last day was forgotten: %v", wrote)
	}
}

func TestWhoCouldNotBeWrittenDownDidNotComeInAndUsedNothing(t *testing.T) {
	for name, after := range map[string]func(*bench, uint64){
		"a disk that fails":       func(b *bench, ticket uint64) { b.step(panel.Recorded{Ticket: ticket, Failed: true}) },
		"a disk that is too slow": func(b *bench, _ uint64) { b.wait(2 * time.Second); b.step(panel.Tick{}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, panel.Rules{})
			c := access.Credential{ID: "c", Person: "p", Kind: access.Card, Uses: 1}
			shown := panel.CredentialPresented{Reader: "in", Kind: c.Kind, Facts: panel.Facts{Credential: c, Rights: []access.Right{{}}}}
			intent := b.p.Step(b.now, shown)[0].(panel.Record)
			if list := b.p.Inside(); len(list) != 1 {
				t.Errorf("inside are %v", list)
			}
			after(b, intent.Ticket)
			if list := b.p.Inside(); len(list) != 0 {
				t.Errorf("inside are %v", list)
			}
			if wrote := b.show("in", c); wrote[0] != "access.granted card" {
				t.Errorf("the use was used: %v", wrote)
			}
		})
	}
}

func TestTheListOfThoseInsideIsBounded(t *testing.T) {
	b := newBench(t, panel.Rules{})
	for i := range 10_001 {
		if wrote := b.show("in", access.Credential{ID: "c", Person: fmt.Sprintf("p%05d", i), Kind: access.Card}); wrote[0] != "access.granted card" {
			t.Fatalf("person %d: %v", i, wrote)
		}
	}
	if n := b.p.View(b.now).Inside; n != 10_000 {
		t.Errorf("%d are inside", n)
	}
	b.show("out", access.Credential{ID: "c", Person: "p00000", Kind: access.Card})
	b.show("in", access.Credential{ID: "c", Person: "late", Kind: access.Card})
	list := b.p.Inside()
	if len(list) != 10_000 || list[0].Person != "late" || list[1].Person != "p00001" { // all at the same time: by id
		t.Errorf("%d are inside, %+v and %+v first", len(list), list[0], list[1])
	}
	if wrote := b.step(panel.PresenceReset{Who: "admin"}); len(wrote) != 1 || len(b.p.Inside()) > 0 {
		t.Errorf("emptying wrote %v", wrote)
	}
}

func TestTheListIsEmptiedAtItsHourOnTheWall(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ emptyAt, entered, emptied string }{
		{"", "2026-11-23 20:00", "2026-11-24 04:00"},
		{"", "2026-11-23 03:59", "2026-11-23 04:00"},
		{"", "2026-11-23 04:00", "2026-11-24 04:00"},
		{"never", "2026-11-23 20:00", "2026-11-24 04:00"},
		{"22:30", "2026-11-23 20:00", "2026-11-23 22:30"},
		{"04:00", "2027-03-27 20:00", "2027-03-28 04:00"}, // the clocks go forward in between
		{"04:00", "2026-10-24 20:00", "2026-10-25 04:00"}, // and back
		{"02:30", "2027-03-27 20:00", "2027-03-28 03:30"}, // an hour that is skipped
	} {
		b := newBench(t, panel.Rules{Zone: rome, EmptyAt: test.emptyAt})
		entered, _ := time.ParseInLocation("2006-01-02 15:04", test.entered, rome)
		emptied, _ := time.ParseInLocation("2006-01-02 15:04", test.emptied, rome)
		b.now.Wall = entered
		b.step(panel.ClockChanged{})
		b.show("in", access.Credential{ID: "c", Person: "p", Kind: access.Card})
		b.wait(emptied.Sub(entered) - time.Second)
		b.step(panel.Tick{})
		if len(b.p.Inside()) != 1 {
			t.Errorf("in at %s, emptied at %q: too early", test.entered, test.emptyAt)
		}
		b.wait(time.Second)
		b.step(panel.Tick{})
		if len(b.p.Inside()) != 0 {
			t.Errorf("in at %s, emptied at %q: not at %s", test.entered, test.emptyAt, test.emptied)
		}
	}
}

func TestWithoutTheTimeTheListIsEmptiedAfterADay(t *testing.T) {
	b := newBench(t, panel.Rules{})
	b.now.Trusted = false
	b.show("in", access.Credential{ID: "c", Person: "p", Kind: access.Card})
	b.wait(23 * time.Hour)
	b.show("in", access.Credential{ID: "d", Person: "q", Kind: access.Card})
	if len(b.p.Inside()) != 2 {
		t.Error("emptied too early")
	}
	b.wait(time.Hour)
	b.step(panel.Tick{})
	if len(b.p.Inside()) != 0 {
		t.Error("not emptied")
	}
	// Since when is not known after such an entry: knowing the time later takes nobody off.
	b.show("in", access.Credential{ID: "c", Person: "p", Kind: access.Card})
	b.now.Trusted, b.now.Wall = true, b.now.Wall.Add(100*time.Hour)
	b.step(panel.ClockChanged{})
	if len(b.p.Inside()) != 1 {
		t.Error("somebody was taken off for an hour that nobody knew")
	}
}
