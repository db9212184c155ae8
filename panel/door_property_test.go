package panel_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// TestDoorsKeepTheirRulesInEveryHistory watches what a grant, a schedule, a group, a lockdown, fire and tampering may do to a
// door, with an account of its own of why a door may be released at any moment.
func TestDoorsKeepTheirRulesInEveryHistory(t *testing.T) {
	licensed := rights(t, lifeBegins, time.Time{}, license.Grant{Feature: license.AccessBasic, Count: 1})
	rapid.Check(t, func(rt *rapid.T) {
		themes := rapid.SliceOfNDistinct(rapid.SampledFrom(doorThings), 2, 9, rapid.ID[string]).Draw(rt, "themes")
		one := rapid.Custom(func(t *rapid.T) op {
			return op{
				What: rapid.SampledFrom(themes).Draw(t, "what"), Wait: rapid.SampledFrom(doorWaits).Draw(t, "wait"),
				A: rapid.IntRange(0, 11).Draw(t, "a"), B: rapid.IntRange(0, 11).Draw(t, "b"),
			}
		})
		b := newBuilding(rt, licensed)
		for _, o := range rapid.SliceOfN(one, 10, 60).Draw(rt, "ops") {
			b.pass(o.Wait)
			b.act(o)
		}
	})
}

var (
	doorThings = []string{"card", "card", "emergency card", "web", "digit", "exit", "exit", "fire", "clear fire", "tamper", "lock down", "end lockdown",
		"order", "opened", "closed", "clock", "disk", "power", "licenses", "schedule", "reads"}
	doorWaits = []time.Duration{0, 0, 10 * time.Millisecond, 40 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second,
		1999 * time.Millisecond, 2 * time.Second, 3 * time.Second, 4 * time.Second, 15 * time.Second, time.Minute, 3 * time.Minute, 11 * time.Minute, 40 * time.Minute}
)

const (
	buildingBlock = 2 * time.Minute
	togglesFor    = 10 * time.Minute
)

// building is a panel with a door of every kind.
type building struct {
	t        *rapid.T
	rules    panel.Rules
	licensed license.Entitlements
	rights   license.Entitlements
	policies panel.PoliciesChanged

	p       *panel.Panel
	now     time.Time
	booted  time.Time
	boots   int
	trusted bool
	disk    time.Duration // until a record is durable; negative: it fails
	flight  []inFlight
	durable map[string]string
	number  int

	doors   map[string]*account
	fire    bool
	locked  bool
	blocked time.Time // end of the tamper block
	tamper  bool
	event   panel.Event
}

// account is what is known of one door from outside.
type account struct {
	rules    panel.DoorRules
	on       bool
	off      time.Time // when it was last secured
	ever     bool
	open     bool
	pulse    time.Time // end of the newest pulse
	exit     time.Time // end of the newest pulse of the exit button
	toggled  time.Time // end of a toggle; zero: it is not toggled
	grants   int       // intents that were written down and not used
	urgent   int       // those of them that open during a lockdown
	armed    string    // the day of the first card inside the hours
	standing bool      // held by a release without an end
	reads    bool
	known    bool
	differs  time.Time // since when it reads otherwise; zero: it does not
}

func newBuilding(t *rapid.T, licensed license.Entitlements) *building {
	hours := access.Profile{Name: "hours", Slots: []access.Slot{{Days: []string{"mon"}, From: "08:10", To: "09:00"}, {Days: []string{"mon"}, From: "09:20", To: "10:00"}}}
	b := &building{
		t: t, licensed: licensed, rights: licensed, now: lifeBegins, trusted: true, durable: map[string]string{}, doors: map[string]*account{},
		rules: panel.Rules{
			ID: "me", Words: panel.WordsIn("en"), TamperBlock: buildingBlock,
			Doors: []panel.DoorRules{
				{Name: "front", Pulse: 3 * time.Second, OpenDigit: '1', HeldAfter: 20 * time.Second, HeldWarning: 5 * time.Second},
				{Name: "yard", Pulse: 2 * time.Second, OpenDigit: '2', Toggle: true, ToggleFor: togglesFor},
				{Name: "shop", Pulse: 3 * time.Second, StandsOpen: "hours", HeldAfter: 20 * time.Second},
				{Name: "office", Pulse: 3 * time.Second, StandsOpen: "hours", OpenAfterGrant: true, Fire: panel.FireIgnores},
				{Name: "street", Pulse: 4 * time.Second, Interlock: "hall", OpenDigit: '5'},
				{Name: "inner", Pulse: 3 * time.Second, Interlock: "hall", Toggle: true, StandsOpen: "hours"}, // settings that a group overrules
			},
		},
		policies: panel.PoliciesChanged{Timetable: access.Timetable{Profiles: []access.Profile{hours}}},
	}
	for _, d := range b.rules.Doors {
		b.rules.Readers = append(b.rules.Readers, panel.Reader{Name: d.Name + "-in", Door: d.Name})
	}
	b.boot()
	return b
}

func (b *building) boot() {
	b.boots++
	b.booted = b.now.Add(-time.Duration(b.boots) * time.Second)
	b.rules.Boot = fmt.Sprint("boot-", b.boots)
	var memory []panel.Memory
	for k, v := range b.durable {
		memory = append(memory, panel.Memory{Key: k, Value: v})
	}
	slices.SortFunc(memory, func(x, y panel.Memory) int { return strings.Compare(x.Key, y.Key) })
	b.p = panel.New(b.rules, b.rights, memory, b.instant())
	b.flight, b.fire, b.tamper = nil, false, false
	b.locked = b.durable["lockdown"] != ""
	b.blocked = b.remembered(b.durable["tamper"])
	for _, d := range b.rules.Doors {
		old := b.doors[d.Name]
		b.doors[d.Name] = &account{rules: d, armed: b.durable["hold/"+d.Name]}
		if old != nil && old.open {
			b.doors[d.Name].open = false // its contact is read anew
		}
	}
	for _, a := range b.p.Start(b.instant()) {
		if s, ok := a.(panel.SetStrike); ok {
			b.t.Fatalf("%+v at the start", s)
		}
	}
	b.step(b.policies)
}

// remembered is the end of the tamper block that was written down: in full where the clock cannot tell how much is left.
func (b *building) remembered(end string) time.Time {
	ms, err := strconv.ParseInt(end, 10, 64)
	switch {
	case end == "":
		return time.Time{}
	case err != nil || !b.trusted:
		return b.now.Add(buildingBlock)
	}
	left := min(max(time.UnixMilli(ms).Sub(b.now), 1), buildingBlock)
	return b.now.Add(left)
}

func (b *building) instant() panel.Now {
	return panel.Now{Mono: b.now.Sub(b.booted), Wall: b.now, Trusted: b.trusted}
}

func (b *building) pass(d time.Duration) {
	end := b.now.Add(d)
	for range 2000 {
		next, which := time.Time{}, -1
		if n := b.p.Next(); n != 0 {
			next = b.booted.Add(n)
		}
		for i, f := range b.flight {
			if next.IsZero() || !f.due.After(next) {
				next, which = f.due, i
			}
		}
		if next.IsZero() || next.After(end) {
			b.now = end
			return
		}
		if next.After(b.now) {
			b.now = next
		}
		if which < 0 {
			b.step(panel.Tick{})
			continue
		}
		rec := b.flight[which].rec
		b.flight = slices.Delete(b.flight, which, which+1)
		b.keep(rec)
		if rec.Ticket != 0 {
			b.step(panel.Recorded{Ticket: rec.Ticket})
		}
	}
	b.t.Fatal("the panel asks to be woken again and again")
}

func (b *building) keep(rec panel.Record) {
	for _, m := range rec.Remember {
		panel.Keep(b.durable, m)
	}
}

func (b *building) step(event panel.Event) {
	b.event = event
	before := map[string]bool{}
	for name, d := range b.doors {
		before[name] = d.on
	}
	b.foresee(event)
	actions := b.p.Step(b.instant(), event)
	if e, ok := event.(panel.ExitRequested); ok {
		if s, isStrike := actions[0].(panel.SetStrike); !isStrike || !s.On || s.Door != e.Door {
			b.t.Fatalf("the exit of %s began with %+v", e.Door, actions[0])
		}
	}
	var then []panel.Event
	for _, a := range actions {
		switch a := a.(type) {
		case panel.SetStrike:
			b.strike(a)
		case panel.Record:
			b.entry(a)
			switch {
			case b.disk < 0 && a.Ticket != 0:
				then = append(then, panel.Recorded{Ticket: a.Ticket, Failed: true})
			case b.disk == 0:
				b.keep(a)
				if a.Ticket != 0 {
					then = append(then, panel.Recorded{Ticket: a.Ticket})
				}
			case b.disk > 0:
				b.flight = append(b.flight, inFlight{at: b.now, due: b.now.Add(b.disk), rec: a})
			}
		}
	}
	if next := b.p.Next(); next != 0 && next <= b.instant().Mono {
		b.t.Fatalf("after a step at %v the next deadline is %v", b.instant().Mono, next)
	}
	b.look(event)
	for _, e := range then {
		b.step(e)
	}
}

// foresee takes note of what an event means by itself.
func (b *building) foresee(event panel.Event) {
	switch e := event.(type) {
	case panel.FireAlarm:
		b.fire = true
	case panel.Cleared:
		if e.Input == panel.Fire {
			b.fire = false
		} else {
			b.tamper = false
		}
	case panel.Tampered:
		if !b.tamper {
			b.tamper, b.blocked = true, b.now.Add(buildingBlock)
		}
	case panel.ExitRequested:
		d := b.doors[e.Door]
		d.exit = b.now.Add(d.rules.Pulse)
		d.pulse = d.exit
	case panel.DoorOpened:
		d := b.doors[e.Door]
		d.open = true
	case panel.DoorClosed:
		b.doors[e.Door].open = false
	case panel.StrikeReadBack:
		d := b.doors[e.Door]
		d.known, d.reads = true, e.On
	}
}

// strike holds one move of a strike against the reasons that there are.
func (b *building) strike(a panel.SetStrike) {
	d := b.doors[a.Door]
	if !a.On {
		d.on, d.standing, d.off = false, false, b.now
		return
	}
	if a.For < 0 || a.For > d.rules.Pulse {
		b.t.Fatalf("%s released for %v", a.Door, a.For)
	}
	exit, isExit := b.event.(panel.ExitRequested)
	switch {
	case isExit && exit.Door == a.Door:
	case a.For == 0 && b.stands(d):
		if d.grants > 0 && b.opens() { // somebody comes in where the door stands open, or a toggle begins
			b.spend(d)
			d.pulse = b.now.Add(d.rules.Pulse)
		}
	case a.For > 0 && d.on && d.standing && !d.pulse.Before(b.now.Add(a.For)): // the rest of a pulse
	case d.grants > 0:
		b.spend(d)
		d.pulse = b.now.Add(d.rules.Pulse)
		b.alone(d)
	default:
		b.t.Fatalf("%T released %s for %v without a reason", b.event, a.Door, a.For)
	}
	d.on, d.ever = true, true
	d.standing = a.For == 0
}

// opens reports whether the event may open for a grant at all.
func (b *building) opens() bool {
	switch b.event.(type) {
	case panel.FireAlarm, panel.Cleared, panel.PoliciesChanged, panel.ClockChanged, panel.EntitlementsChanged:
		return false
	}
	return true
}

// spend uses up a grant: one decision, one pulse.
func (b *building) spend(d *account) {
	if b.locked && d.urgent == 0 {
		b.t.Fatalf("%s opened for a grant during a lockdown", d.rules.Name)
	}
	if b.now.Before(b.blocked) {
		b.t.Fatalf("%s opened for a grant during the tamper block", d.rules.Name)
	}
	d.grants--
	d.urgent = max(0, d.urgent-1)
}

// alone checks the interlock when a grant opens.
func (b *building) alone(d *account) {
	if d.rules.Interlock == "" || b.fired(d) {
		return
	}
	for _, other := range b.doors {
		if other != d && other.rules.Interlock == d.rules.Interlock && (other.on || other.open) {
			b.t.Fatalf("%s was released for a grant while %s is released (%v) or open (%v)", d.rules.Name, other.rules.Name, other.on, other.open)
		}
	}
}

func (b *building) entry(a panel.Record) {
	e := a.Entry
	d := b.doors[e.Door]
	switch e.Kind {
	case panel.AccessGranted:
		d.grants++
		if shown, ok := b.event.(panel.CredentialPresented); ok && shown.Facts.Emergency {
			d.urgent++
		}
		if b.locked && d.urgent == 0 {
			b.t.Fatalf("%s granted during a lockdown", e.Door)
		}
	case panel.AccessRefused:
		if d != nil && (e.Why == "lockdown" || e.Why == "interlock" || e.Why == "tampered" || e.Why == "cannot_record") {
			if _, asked := b.event.(panel.Recorded); asked || isTick(b.event) { // what was granted is taken back
				d.grants, d.urgent = max(0, d.grants-1), max(0, d.urgent-1)
			}
		}
	case panel.LockdownOn:
		for _, d := range b.doors {
			if !b.locked {
				d.pulse, d.toggled = d.exit, time.Time{} // what a grant had released is over
			}
		}
		b.locked = true
	case panel.LockdownOff:
		b.locked = false
	case panel.DoorForced:
		if d.on || d.ever && b.now.Sub(d.off) <= 2*time.Second {
			b.t.Fatalf("%s counts as forced although it was released", e.Door)
		}
	case panel.StrikeFailed:
		if d.differs.IsZero() || b.now.Sub(d.differs) < 300*time.Millisecond {
			b.t.Fatalf("%s counts as failed after it differed since %v, at %v", e.Door, d.differs, b.now)
		}
	case panel.StrikeOn:
		if strings.HasPrefix(e.Detail, "until the next grant") {
			d.toggled, d.pulse = b.now.Add(togglesFor), d.exit
		}
	}
	for _, m := range a.Remember {
		if day, ok := strings.CutPrefix(m.Key, "hold/"); ok {
			b.doors[day].armed = m.Value
		}
	}
}

func isTick(e panel.Event) bool {
	_, ok := e.(panel.Tick)
	return ok
}

func (b *building) fired(d *account) bool { return b.fire && d.rules.Fire != panel.FireIgnores }

// inHours is the schedule read once more, by the clock alone.
func (b *building) inHours() bool {
	clock := b.now.UTC().Format("15:04")
	return len(b.policies.Timetable.Profiles) > 0 && b.now.UTC().Weekday() == time.Monday &&
		(clock >= "08:10" && clock < "09:00" || clock >= "09:20" && clock < "10:00")
}

// held reports whether the door is to stand open by its schedule.
func (b *building) held(d *account) bool {
	if d.rules.StandsOpen == "" || d.rules.Interlock != "" || !b.trusted || !b.inHours() {
		return false
	}
	if b.locked || b.now.Before(b.blocked) || !b.rights.Allows(license.AccessBasic) {
		return false
	}
	return !d.rules.OpenAfterGrant || d.armed == b.now.UTC().Format(time.DateOnly)
}

// stands reports whether anything may keep the door released without an end.
func (b *building) stands(d *account) bool {
	toggle := d.rules.Toggle && d.rules.Interlock == "" && !b.locked && !b.now.Before(b.blocked)
	return b.fired(d) || b.held(d) || toggle
}

// look checks every door after a step: released with a reason, and locked without one.
func (b *building) look(event panel.Event) {
	view := b.p.View(b.instant())
	if view.Lockdown != b.locked {
		b.t.Fatalf("lockdown %v, told %v", view.Lockdown, b.locked)
	}
	for i, r := range b.rules.Doors {
		d, v := b.doors[r.Name], view.Doors[i]
		if v.Released != d.on {
			b.t.Fatalf("%s: released %v, its strike %v", r.Name, v.Released, d.on)
		}
		if b.fired(d) && !d.on {
			b.t.Fatalf("%s is locked during a fire", r.Name)
		}
		if b.held(d) && !d.on {
			b.t.Fatalf("%s is locked in its hours, at %v", r.Name, b.now)
		}
		if d.exit.After(b.now) && !d.on {
			b.t.Fatalf("%s is locked %v before the pulse of its exit is over", r.Name, d.exit.Sub(b.now))
		}
		toggled := v.Stands == panel.ByToggle
		if toggled && (b.locked || b.now.Before(b.blocked) || !d.toggled.After(b.now) || r.Interlock != "") {
			b.t.Fatalf("%s is toggled open until %v, at %v (lockdown %v, block until %v)", r.Name, d.toggled, b.now, b.locked, b.blocked)
		}
		if d.on && !b.fired(d) && !b.held(d) && !toggled && !d.pulse.After(b.now) {
			b.t.Fatalf("%s is released at %v after %T: its pulse was over at %v", r.Name, b.now, event, d.pulse)
		}
		switch differs := d.known && d.reads != d.on; {
		case !differs:
			d.differs = time.Time{}
		case d.differs.IsZero():
			d.differs = b.now
		}
	}
}

func (b *building) act(o op) {
	door := b.rules.Doors[o.A%len(b.rules.Doors)].Name
	person := panel.Facts{Credential: access.Credential{ID: "c", Person: "p", Kind: access.Card}, Rights: []access.Right{{}}}
	b.number++
	order := func(i int) *panel.Order {
		if i%2 == 0 {
			return nil
		}
		return &panel.Order{Signer: "hub", Panel: "me", Boot: b.rules.Boot, Number: uint64(b.number), Deadline: b.instant().Mono + 20*time.Second}
	}
	switch o.What {
	case "card":
		b.step(panel.CredentialPresented{Reader: door + "-in", Kind: access.Card, Facts: person})
	case "emergency card":
		person.Emergency = true
		b.step(panel.CredentialPresented{Reader: door + "-in", Kind: access.Card, Facts: person})
	case "web":
		b.step(panel.OpenRequested{Request: fmt.Sprint("r", b.number), Door: door, Via: "web"})
	case "order":
		b.step(panel.OpenRequested{Request: fmt.Sprint("r", b.number), Door: door, Via: "command", Order: order(1)})
	case "digit":
		b.step(panel.CallButtonPressed{Button: 1, Label: "Rossi", Target: "sip:r", Route: panel.LAN})
		call := b.p.View(b.instant()).Call.ID
		b.step(panel.CallAnswered{Call: call})
		b.step(panel.DigitPressed{Call: call, Digit: []rune{'1', '2', '5'}[o.B%3]})
		b.step(panel.CallEnded{Call: call})
	case "exit":
		b.step(panel.ExitRequested{Door: door})
	case "fire":
		b.step(panel.FireAlarm{})
	case "clear fire":
		b.step(panel.Cleared{Input: panel.Fire})
	case "tamper":
		b.step(panel.Tampered{})
		b.step(panel.Cleared{Input: panel.Tamper})
	case "lock down":
		b.step(panel.LockdownRequested{Request: fmt.Sprint("r", b.number), On: true, Via: "web", Order: order(o.B)})
	case "end lockdown":
		b.step(panel.LockdownRequested{Request: fmt.Sprint("r", b.number), Via: "web", Order: order(o.B)})
	case "opened":
		d := b.doors[door]
		released := d.on || d.ever && b.now.Sub(d.off) <= 2*time.Second
		was := d.open
		b.step(panel.DoorOpened{Door: door})
		if v := b.p.View(b.instant()).Doors[o.A%len(b.rules.Doors)]; !was && v.Forced == released {
			b.t.Fatalf("%s was opened, released %v: forced %v", door, released, v.Forced)
		}
	case "closed":
		b.step(panel.DoorClosed{Door: door})
	case "clock":
		b.trusted = o.A%3 != 0
		b.step(panel.ClockChanged{})
	case "disk":
		b.disk = []time.Duration{0, 0, 30 * time.Millisecond, 200 * time.Millisecond, -1}[o.A%5]
	case "power":
		b.boot()
	case "licenses":
		b.rights = b.licensed
		if o.A%3 == 0 {
			b.rights = license.Entitlements{}
		}
		b.step(panel.EntitlementsChanged{Entitlements: b.rights})
	case "schedule":
		b.policies = panel.PoliciesChanged{}
		if o.A%3 != 0 {
			b.policies.Timetable.Profiles = []access.Profile{{Name: "hours", Slots: []access.Slot{
				{Days: []string{"mon"}, From: "08:10", To: "09:00"}, {Days: []string{"mon"}, From: "09:20", To: "10:00"},
			}}}
		}
		b.step(b.policies)
	case "reads":
		b.step(panel.StrikeReadBack{Door: door, On: o.B%2 == 0})
	}
}
