package panel_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// TestMain makes 3,000 random histories the default; make long asks for more with -rapid.checks.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "3000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// op is one thing that happens in a random history, after some time. A and B choose among what there is.
type op struct {
	What string
	Wait time.Duration
	A, B int
}

var (
	waits = []time.Duration{0, 0, time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond, time.Second,
		2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 29999 * time.Millisecond, 30 * time.Second, time.Minute, 3 * time.Minute}
	// disks is how long a record takes to be durable; negative: it fails at once, or is never heard of.
	disks = []time.Duration{0, 0, 0, 20 * time.Millisecond, 50 * time.Millisecond, 51 * time.Millisecond, 300 * time.Millisecond,
		1999 * time.Millisecond, 2 * time.Second, 3 * time.Second, failsAtOnce, neverHeard}
	things = []string{"press", "ringing", "answered", "failed", "ended", "digit", "card", "code", "wrong",
		"lookup", "exit", "fire", "clear fire", "tamper", "clear tamper", "opened", "closed", "web", "order", "licenses", "disk", "clock", "setup", "device", "power", "stray", "key", "license", "noted", "account"}
)

const (
	failsAtOnce time.Duration = -1
	neverHeard  time.Duration = -2

	tamperBlock = 90 * time.Second
)

// history is a life: what the panel may do at first, and then what happens.
type history struct {
	Rights int
	Ops    []op
}

// histories concentrate on a few things each: among everything that can happen, five wrong codes in a row hardly would.
func histories(kinds int) *rapid.Generator[history] {
	return rapid.Custom(func(t *rapid.T) history {
		themes := rapid.SliceOfNDistinct(rapid.SampledFrom(things), 2, 10, rapid.ID[string]).Draw(t, "themes")
		one := rapid.Custom(func(t *rapid.T) op {
			return op{
				What: rapid.SampledFrom(themes).Draw(t, "what"), Wait: rapid.SampledFrom(waits).Draw(t, "wait"),
				A: rapid.IntRange(0, 11).Draw(t, "a"), B: rapid.IntRange(0, 11).Draw(t, "b"),
			}
		})
		return history{Rights: rapid.IntRange(0, kinds-1).Draw(t, "rights"), Ops: rapid.SliceOfN(one, 10, 90).Draw(t, "ops")}
	})
}

func TestTheRulesHoldInEveryHistory(t *testing.T) {
	kinds := entitlementKinds(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := histories(len(kinds)).Draw(rt, "history")
		first := live(rt, h, kinds)
		if second := live(rt, h, kinds); !slices.Equal(first, second) {
			rt.Fatal("the same history twice, and the panel did different things")
		}
	})
}

// entitlementKinds is nothing, one feature at a time, all, and access control that ended a few days ago.
func entitlementKinds(t *testing.T) []license.Entitlements {
	on := func(feature string) license.Grant { return license.Grant{Feature: feature, Count: 1} }
	at := lifeBegins
	return []license.Entitlements{
		{},
		rights(t, at, time.Time{}, on(license.AccessBasic)),
		rights(t, at, time.Time{}, license.Grant{Feature: license.Buttons, Count: 2}),
		rights(t, at, time.Time{}, on(license.SIP), on(license.AccessAdvanced), license.Grant{Feature: license.Buttons, Count: 1}),
		rights(t, at, at.AddDate(0, 0, -14).Add(time.Minute), on(license.AccessBasic)),
	}
}

var lifeBegins = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// life is a panel whose every action is watched by an independent account of what is allowed.
type life struct {
	t     *rapid.T
	kinds []license.Entitlements

	p       *panel.Panel
	rules   panel.Rules
	rights  license.Entitlements
	now     time.Time // true time
	booted  time.Time
	boots   int
	trusted bool
	shift   time.Duration
	disk    time.Duration
	flight  []inFlight
	durable map[string]string
	asked   int
	done    []string // what it did, in words
	first   bool     // the first action of a step is looked at

	fire     bool
	doors    map[string]*watched
	tampered time.Time // when the last durable block began
	tries    []try
	numbers  map[string]bool   // "signer number" that have opened, ever
	orders   map[string]string // "signer number" by request
	ringing  string            // the call that was placed last
}

type inFlight struct {
	at  time.Time // when it was written
	due time.Time
	rec panel.Record
	// refused is the ticket of the grant that rec takes back, 0 when it takes back none.
	refused uint64
}

type watched struct {
	on     bool
	until  time.Time // of the release; zero: for as long as the fire lasts
	grants int       // intents that were written down and not used yet
}

// try is a wrong code that was decided on.
type try struct {
	at      time.Time
	ticket  uint64
	durable bool
}

func live(t *rapid.T, h history, kinds []license.Entitlements) []string {
	l := &life{
		t: t, kinds: kinds, rights: kinds[h.Rights], now: lifeBegins, trusted: true, durable: map[string]string{},
		doors: map[string]*watched{}, numbers: map[string]bool{}, orders: map[string]string{},
		rules: panel.Rules{
			ID: "me", Words: panel.WordsIn("en"), RingFor: 40 * time.Second, TalkFor: 2 * time.Minute, TamperBlock: tamperBlock,
			Doors: []panel.DoorRules{
				{Name: "front", Pulse: 3 * time.Second, OpenDigit: '1', HeldAfter: 20 * time.Second},
				{Name: "gate", Pulse: 10 * time.Second, OpenDigit: '2'},
				{Name: "careless"}, // nobody set anything
			},
			Readers: []panel.Reader{{Name: "front-in", Door: "front"}, {Name: "gate-in", Door: "gate"}, {Name: "lost", Door: "attic"}},
		},
	}
	l.boot()
	for _, o := range h.Ops {
		if o.A == 10 {
			l.now = l.now.Add(o.Wait) // the loop was held up: nothing that was due has happened yet
		} else {
			l.pass(o.Wait)
		}
		l.act(o)
	}
	l.disk = 0
	l.step(panel.Cleared{Input: panel.Fire})
	l.pass(2 * time.Hour)
	v := l.p.View(l.instant())
	for _, d := range v.Doors {
		if d.Released {
			l.t.Fatalf("two hours later %s is still released", d.Name)
		}
	}
	if v.Call.ID != "" || l.p.Next() != 0 {
		l.t.Fatalf("two hours later the panel has not come to rest: call %q, next %v", v.Call.ID, l.p.Next())
	}
	return l.done
}

func (l *life) boot() {
	l.boots++
	l.booted = l.now.Add(-time.Duration(l.boots%2) * 7 * time.Second) // every other boot begins at the monotonic zero
	l.rules.Boot = fmt.Sprint("boot-", l.boots)
	var memory []panel.Memory
	for k, v := range l.durable {
		memory = append(memory, panel.Memory{Key: k, Value: v})
	}
	slices.SortFunc(memory, func(a, b panel.Memory) int { return strings.Compare(a.Key, b.Key) })
	l.p = panel.New(l.rules, l.rights, memory, l.instant())
	l.flight, l.fire, l.ringing = nil, false, ""
	for _, d := range l.rules.Doors {
		l.doors[d.Name] = &watched{} // whatever cut the power, the strikes are secured
	}
	l.tries = slices.DeleteFunc(l.tries, func(t try) bool { return !t.durable })
	for _, a := range l.p.Start(l.instant()) {
		if strike, ok := a.(panel.SetStrike); ok {
			l.t.Fatalf("%+v at the start", strike)
		}
		l.watch(panel.Tick{}, a)
	}
}

func (l *life) instant() panel.Now {
	now := panel.Now{Mono: l.now.Sub(l.booted), Wall: l.now, Trusted: l.trusted}
	if !l.trusted {
		now.Wall = l.now.Add(l.shift) // an unknown clock says anything
	}
	return now
}

// pass lets time go by, and everything that is due happen at its moment.
func (l *life) pass(d time.Duration) {
	end := l.now.Add(d)
	for rounds := 0; ; rounds++ {
		if rounds > 2000 {
			l.t.Fatal("the panel asks to be woken again and again")
		}
		next, which := time.Time{}, -1
		if n := l.p.Next(); n != 0 {
			next = l.booted.Add(n)
		}
		for i, f := range l.flight {
			if next.IsZero() || !f.due.After(next) {
				next, which = f.due, i
			}
		}
		if next.IsZero() || next.After(end) {
			l.now = end
			return
		}
		if next.After(l.now) {
			l.now = next
		}
		if which < 0 {
			l.step(panel.Tick{})
			continue
		}
		at, rec := l.flight[which].at, l.flight[which].rec
		l.flight = slices.Delete(l.flight, which, which+1)
		l.kept(rec, at)
		if rec.Ticket != 0 {
			l.step(panel.Recorded{Ticket: rec.Ticket})
		}
	}
}

func (l *life) kept(rec panel.Record, at time.Time) {
	for _, m := range rec.Remember {
		panel.Keep(l.durable, m)
	}
	if rec.Entry.Kind == panel.TamperOn {
		l.tampered = at // the block runs from the alarm, however long the disk took
	}
	for i := range l.tries {
		if l.tries[i].ticket == rec.Ticket {
			l.tries[i].durable = true
		}
	}
}

func (l *life) step(event panel.Event) {
	actions := l.p.Step(l.instant(), event)
	switch e := event.(type) {
	case panel.ExitRequested:
		if l.doors[e.Door] == nil {
			break
		}
		if s, ok := actions[0].(panel.SetStrike); !ok || !s.On || s.Door != e.Door {
			l.t.Fatalf("exit began with %+v", actions[0])
		}
	case panel.FireAlarm:
		if l.fire {
			break
		}
		for i := range l.rules.Doors {
			if s, ok := actions[i].(panel.SetStrike); !ok || !s.On || s.For != 0 {
				l.t.Fatalf("fire did %+v", actions[i])
			}
		}
		l.fire = true
	}
	var then []panel.Event
	for i, a := range actions {
		l.first = i == 0
		l.watch(event, a)
		rec, ok := a.(panel.Record)
		if !ok {
			continue
		}
		switch {
		case l.disk == failsAtOnce && rec.Ticket != 0:
			then = append(then, panel.Recorded{Ticket: rec.Ticket, Failed: true})
		case l.disk == 0:
			l.kept(rec, l.now)
			if rec.Ticket != 0 {
				then = append(then, panel.Recorded{Ticket: rec.Ticket})
			}
		case l.disk > 0:
			l.flight = append(l.flight, inFlight{at: l.now, due: l.now.Add(l.disk), rec: rec})
		}
	}
	if e, ok := event.(panel.Cleared); ok && e.Input == panel.Fire {
		l.fire = false
	}
	mono := l.instant().Mono
	if next := l.p.Next(); next != 0 && next <= mono {
		l.t.Fatalf("after a step at %v the next deadline is %v", mono, next)
	}
	for name, d := range l.doors {
		if d.on && !l.fire && !d.until.After(l.now) {
			l.t.Fatalf("%s is still released at %v, its pulse ended at %v", name, l.now, d.until)
		}
	}
	for _, e := range then {
		l.step(e)
	}
}

// watch holds one action against what is allowed.
func (l *life) watch(event panel.Event, action panel.Action) {
	l.done = append(l.done, fmt.Sprintf("%v %+v", l.now.Sub(lifeBegins), action))
	switch a := action.(type) {
	case panel.SetStrike:
		l.strike(event, a)
	case panel.PlaceCall:
		l.ringing = a.Call
		e, ok := event.(panel.CallButtonPressed)
		switch {
		case !ok:
			l.t.Fatalf("%T placed a call", event)
		case e.Button < 1 || e.Button > l.rights.Buttons():
			l.t.Fatalf("button %d of %d placed a call", e.Button, l.rights.Buttons())
		case e.Route == panel.NoRoute || e.Route == panel.Server && !l.rights.Allows(license.SIP):
			l.t.Fatalf("route %v placed a call", e.Route)
		}
	case panel.HangUp:
		if a.Call != l.ringing {
			l.t.Fatalf("hung up %s during %s", a.Call, l.ringing)
		}
	case panel.SetAccount:
		if a.On != l.rights.Allows(license.SIP) {
			l.t.Fatalf("accounts %v, sip license %v", a.On, l.rights.Allows(license.SIP))
		}
	case panel.Answer:
		number := l.orders[a.Request]
		if a.Granted && number != "" {
			if l.numbers[number] {
				l.t.Fatalf("order %s opened twice", number)
			}
			l.numbers[number] = true
		}
	case panel.Record:
		l.entry(a)
	}
}

func (l *life) strike(event panel.Event, a panel.SetStrike) {
	d := l.doors[a.Door]
	if !a.On {
		if l.fire && !reflect.DeepEqual(event, panel.Cleared{Input: panel.Fire}) {
			l.t.Fatalf("%s was secured during a fire by %+v", a.Door, event)
		}
		d.on = false
		return
	}
	longest := 10 * time.Second
	if a.Door != "gate" {
		longest = 3 * time.Second
	}
	_, alarm := event.(panel.FireAlarm)
	exit, isExit := event.(panel.ExitRequested)
	cleared, isCleared := event.(panel.Cleared)
	switch {
	case a.For < 0 || a.For > longest || a.For == 0 && !l.fire:
		l.t.Fatalf("%s released for %v", a.Door, a.For)
	case alarm && l.fire:
	case isExit && exit.Door == a.Door && l.first:
	case isCleared && cleared.Input == panel.Fire && d.on && a.For > 0 && a.For == d.until.Sub(l.now):
	case d.grants > 0:
		d.grants--
	default:
		l.t.Fatalf("%T released %s without a decision before", event, a.Door)
	}
	d.on = true
	switch {
	case a.For > 0:
		d.until = l.now.Add(a.For)
	case !alarm: // a release during a fire, which counts once the fire is over
		d.until = l.now.Add(longest)
	}
}

func (l *life) entry(a panel.Record) {
	e := a.Entry
	switch e.Kind {
	case panel.AccessGranted:
		l.doors[e.Door].grants++
		shown := e.Why == string(access.Card) || e.Why == string(access.Code)
		grace := l.instant().Wall.Before(l.rights.AccessLapsedUntil())
		if shown && !l.rights.Allows(license.AccessBasic) && !grace {
			l.t.Fatalf("%s granted without a license", e.Why)
		}
		if !l.tampered.IsZero() && l.now.Before(l.tampered.Add(tamperBlock)) {
			l.t.Fatalf("%s granted %v after a tamper", e.Why, l.now.Sub(l.tampered))
		}
		if shown {
			l.tries = nil
		}
	case panel.AccessRefused:
		if e.Why != string(access.Unknown) || e.Detail != string(access.Code) {
			return
		}
		if a.Ticket == 0 {
			l.t.Fatal("a wrong code whose answer waits for nothing")
		}
		l.tries = append(l.tries, try{at: l.now, ticket: a.Ticket})
		if n := len(l.tries); n > 5 && l.now.Sub(l.tries[n-6].at) < 30*time.Second {
			l.t.Fatalf("six wrong codes were heard within %v", l.now.Sub(l.tries[n-6].at))
		}
	case panel.StrikeOff, panel.StrikeOn, panel.ExitOpened:
		if l.doors[e.Door] == nil {
			l.t.Fatalf("%s of a door that is not there", e.Kind)
		}
	}
}

func (l *life) act(o op) {
	door := []string{"front", "gate", "careless", "attic"}[o.A%4]
	call := fmt.Sprint("call-", o.B) // of this boot or one that never was
	if o.A < 9 {
		call = l.ringing
	}
	reader := []string{"front-in", "gate-in", "lost", "nowhere"}[o.A%4]
	known := access.Credential{ID: "c", Person: "p", Kind: access.Card}
	switch o.What {
	case "press":
		l.step(panel.CallButtonPressed{Button: o.A%5 - 1, Label: "Rossi", Target: "sip:r", Route: panel.Route(o.B % 3)})
	case "ringing":
		l.step(panel.CallRinging{Call: call})
	case "answered":
		l.step(panel.CallAnswered{Call: call})
	case "failed":
		l.step(panel.CallFailed{Call: call, Reason: []panel.CallFailure{panel.Busy, panel.Refused, panel.NoAnswer, panel.Unreachable}[o.B%4]})
	case "ended":
		l.step(panel.CallEnded{Call: call})
	case "digit":
		l.step(panel.DigitPressed{Call: call, Digit: []rune{'1', '2', '3', 0}[o.B%4]})
	case "card":
		known.Revoked = o.B == 0
		l.step(panel.CredentialPresented{Reader: reader, Kind: access.Card, Facts: panel.Facts{Credential: known, Rights: []access.Right{{}}}})
	case "code":
		if o.B < 3 { // an attacker knows none
			known.Kind = access.Code
			l.step(panel.CredentialPresented{Reader: reader, Kind: access.Code, Facts: panel.Facts{Credential: known, Rights: []access.Right{{}}}})
		}
	case "wrong":
		l.step(panel.CredentialPresented{Reader: reader, Kind: access.Code})
	case "lookup":
		l.step(panel.CredentialPresented{Reader: reader, Kind: access.Code, Facts: panel.Facts{Failed: true}})
	case "exit":
		l.step(panel.ExitRequested{Door: door})
	case "fire":
		l.step(panel.FireAlarm{})
	case "clear fire":
		l.step(panel.Cleared{Input: panel.Fire})
	case "tamper":
		if o.B < 4 {
			l.step(panel.Tampered{})
		}
	case "clear tamper":
		l.step(panel.Cleared{Input: panel.Tamper})
	case "opened":
		l.step(panel.DoorOpened{Door: door, AtStart: o.B == 0})
	case "closed":
		l.step(panel.DoorClosed{Door: door})
	case "web":
		l.asked++
		l.step(panel.OpenRequested{Request: fmt.Sprint("r", l.asked), Door: door, Via: "web"})
	case "order":
		l.asked++
		order := panel.Order{Signer: []string{"hub", "desk", ""}[o.B%3], Panel: "me", Boot: l.rules.Boot, Number: uint64(o.A % 4), Deadline: l.instant().Mono + 20*time.Second, Retained: o.B == 9}
		request := fmt.Sprint("r", l.asked)
		l.orders[request] = fmt.Sprintf("%s %d", order.Signer, order.Number)
		if o.B == 10 {
			order.Panel = "you"
		}
		l.step(panel.OpenRequested{Request: request, Door: door, Via: "command", Order: &order})
	case "licenses":
		l.rights = l.kinds[o.A%len(l.kinds)]
		l.step(panel.EntitlementsChanged{Entitlements: l.rights})
	case "disk":
		l.disk = disks[o.A]
	case "clock":
		l.trusted, l.shift = o.A%2 == 0, time.Duration(o.B-6)*1000*time.Hour
		l.step(panel.ClockChanged{Jump: l.shift})
	case "setup":
		l.step(panel.SetupCodeChanged{Code: []string{"", "12345678"}[o.A%2]})
	case "device":
		l.step(panel.DeviceChanged{Device: "strike " + door, Dead: o.B%2 == 0, Cause: "test"})
	case "power":
		if o.A < 4 {
			l.boot()
		}
	case "stray":
		l.step(panel.Recorded{Ticket: uint64(o.A * o.B), Failed: true})
	case "key":
		l.step(panel.KeyPressed{Reader: reader})
	case "license":
		l.step(panel.LicensePresented{Result: license.Forged, Title: "t"})
	case "noted":
		l.step(panel.Noted{Entry: panel.Entry{Kind: panel.LoginDone}})
	case "account":
		l.step(panel.AccountChanged{Account: "pbx", State: "registered"})
	}
}
