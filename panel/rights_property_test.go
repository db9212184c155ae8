package panel_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// shown is one thing that happens in a house in which people come and go.
type shown struct {
	What   string
	Wait   time.Duration
	Who, B int
	Reader string
}

var (
	houseReaders = []panel.Reader{
		{Name: "front-in", Door: "front", Direction: panel.In}, {Name: "front-out", Door: "front", Direction: panel.Out},
		{Name: "gate-in", Door: "gate"}, {Name: "yard-in", Door: "yard", Direction: panel.In},
	}
	houseWaits = []time.Duration{0, time.Millisecond, 40 * time.Millisecond, time.Second, 4 * time.Second, 14 * time.Second, 16 * time.Second, 31 * time.Second,
		time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, 9 * time.Hour}
	houseThings = []string{"show", "show", "show", "show", "wrong code", "wrong card", "bad pass", "power", "disk", "clock", "withdraw", "exit", "forgive", "off the list"}
)

const (
	codesADay = 12
	maxUses   = 3
)

// houseCredentials are the people's, by number. Windows are in the wall's time, which is UTC here.
func houseCredentials() []panel.Facts {
	everywhere := []access.Right{{}}
	return []panel.Facts{
		{Credential: access.Credential{ID: "resident-card", Person: "resident", Kind: access.Card}, Rights: everywhere},
		{Credential: access.Credential{ID: "resident-code", Person: "resident", Kind: access.Code}, Rights: everywhere},
		{Credential: access.Credential{ID: "office-card", Person: "clerk", Kind: access.Card}, Rights: []access.Right{{Doors: []string{"front"}, Profile: "office"}, {Doors: []string{"yard"}}}},
		{Credential: access.Credential{ID: "office-code", Person: "clerk", Kind: access.Code, Profile: "office"}, Rights: everywhere},
		{Credential: access.Credential{ID: "guest", Kind: access.Pass, Doors: []string{"gate"}, From: lifeBegins.Add(time.Hour), Until: lifeBegins.Add(20 * time.Hour), Uses: maxUses}, Rights: everywhere},
		{Credential: access.Credential{ID: "courier", Person: "courier", Kind: access.Code, Uses: maxUses}, Rights: []access.Right{{Doors: []string{"gate", "yard"}}}},
		{Credential: access.Credential{ID: "nobody", Person: "nobody", Kind: access.Card}},
		{Credential: access.Credential{ID: "hour", Person: "hour", Kind: access.Card, MinutesFromFirstUse: 60}, Rights: everywhere},
	}
}

func officeHours(t time.Time) bool {
	return t.Weekday() >= time.Monday && t.Weekday() <= time.Friday && t.Hour() >= 8 && t.Hour() < 18
}

func nightHours(t time.Time) bool { return t.Hour() >= 22 || t.Hour() < 6 }

// permitted is an account of its own of who may open what now.
func permitted(id, door string, now panel.Now, firstUse time.Time) bool {
	switch id {
	case "resident-card", "resident-code":
		return true
	case "office-card":
		return door == "yard" || door == "front" && now.Trusted && officeHours(now.Wall)
	case "office-code":
		return now.Trusted && officeHours(now.Wall)
	case "guest":
		return door == "gate" && now.Trusted && !now.Wall.Before(lifeBegins.Add(time.Hour)) && now.Wall.Before(lifeBegins.Add(20*time.Hour))
	case "courier":
		return door != "front"
	case "hour":
		return now.Trusted && (firstUse.IsZero() || now.Wall.Before(firstUse.Add(time.Hour)))
	}
	return false
}

func TestNobodyOpensWithoutARightInAnyHistory(t *testing.T) {
	licensed := rights(t, lifeBegins, time.Time{}, license.Grant{Feature: license.AccessBasic, Count: 1})
	rapid.Check(t, func(rt *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) shown {
			return shown{
				What: rapid.SampledFrom(houseThings).Draw(t, "what"), Wait: rapid.SampledFrom(houseWaits).Draw(t, "wait"),
				Who: rapid.IntRange(0, 7).Draw(t, "who"), B: rapid.IntRange(0, 11).Draw(t, "b"), Reader: rapid.SampledFrom(houseReaders).Draw(t, "reader").Name,
			}
		})
		w := &watcher{t: rt, rights: licensed, now: lifeBegins, trusted: true, durable: map[string]string{}, people: houseCredentials(),
			opened: map[string]int{}, first: map[string]time.Time{}}
		w.boot()
		for _, o := range rapid.SliceOfN(one, 10, 60).Draw(rt, "ops") {
			w.pass(o.Wait)
			w.act(o)
		}
		w.disk = 0
		w.pass(80 * time.Hour)
		if w.p.Next() != 0 || len(w.p.Inside()) > 0 {
			rt.Fatalf("three days later the panel has not come to rest: next %v, inside %v", w.p.Next(), w.p.Inside())
		}
	})
}

// watcher holds what a panel does against its own account of the house.
type watcher struct {
	t       *rapid.T
	rights  license.Entitlements
	p       *panel.Panel
	now     time.Time
	booted  time.Time
	starts  uint64
	trusted bool
	disk    time.Duration // until a record is durable; or failsAtOnce, neverHeard
	flight  []inFlight
	durable map[string]string
	people  []panel.Facts

	waiting  map[uint64]panel.Entry // intents that opened nothing yet
	grants   map[string]int         // by door: intents that no strike answered yet
	opened   map[string]int         // by credential, ever
	first    map[string]time.Time   // durable first use
	inside   goings                 // as the entries say
	written  goings                 // as the durable entries say
	lastGood []goodOne
	heard    []heard
	forgiven time.Time
}

// goodOne is a card or code that was good, and asked for the other one.
type goodOne struct {
	person, reader string
	kind           access.Kind
	at             time.Time
}

// heard is a wrong code that was listened to.
type heard struct {
	at      time.Time
	ticket  uint64
	durable bool
}

func (w *watcher) instant() panel.Now {
	return panel.Now{Mono: w.now.Sub(w.booted), Wall: w.now, Trusted: w.trusted}
}

func (w *watcher) boot() {
	w.booted = w.now.Add(-3 * time.Second)
	w.starts++
	var memory []panel.Memory
	for k, v := range w.durable {
		memory = append(memory, panel.Memory{Key: k, Value: v})
	}
	slices.SortFunc(memory, func(a, b panel.Memory) int { return strings.Compare(a.Key, b.Key) })
	w.flight, w.waiting, w.grants, w.lastGood = nil, map[uint64]panel.Entry{}, map[string]int{}, nil
	w.inside = slices.Clone(w.written)
	w.heard = slices.DeleteFunc(w.heard, func(h heard) bool { return !h.durable })
	w.p = panel.New(panel.Rules{
		ID: "me", Boot: "b", Words: panel.WordsIn("en"), GuessesADay: codesADay, Readers: houseReaders,
		Doors: []panel.DoorRules{{Name: "front", Pulse: 3 * time.Second}, {Name: "gate", Pulse: 3 * time.Second}, {Name: "yard", Pulse: 3 * time.Second}},
	}, w.rights, memory, w.instant())
	w.perform(panel.Tick{}, w.p.Start(w.instant()))
	office := access.Slot{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "08:00", To: "18:00"}
	night := access.Slot{Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, From: "22:00", To: "06:00"}
	w.step(panel.PoliciesChanged{
		Timetable: access.Timetable{Profiles: []access.Profile{{Name: "office", Slots: []access.Slot{office}}, {Name: "night", Slots: []access.Slot{night}}}},
		Doors:     []access.DoorPolicy{{Door: "front", Passback: access.PassbackHard}, {Door: "yard", SecondFactor: "night"}},
	})
}

func (w *watcher) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		next, which := time.Time{}, -1
		if n := w.p.Next(); n != 0 {
			next = w.booted.Add(n)
		}
		for i, f := range w.flight {
			// The journal keeps its order; what is due together with a deadline of the machine comes before it.
			if next.IsZero() || f.due.Before(next) || which < 0 && f.due.Equal(next) {
				next, which = f.due, i
			}
		}
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		w.now = maxTime(w.now, next)
		if which < 0 {
			w.step(panel.Tick{})
			continue
		}
		rec, refused := w.flight[which].rec, w.flight[which].refused
		w.flight = slices.Delete(w.flight, which, which+1)
		w.kept(rec, refused)
		if rec.Ticket != 0 {
			w.step(panel.Recorded{Ticket: rec.Ticket})
		}
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// kept is a record that became durable.
func (w *watcher) kept(rec panel.Record, refused uint64) {
	for _, m := range rec.Remember {
		panel.Keep(w.durable, m)
	}
	for i := range w.heard {
		w.heard[i].durable = w.heard[i].durable || w.heard[i].ticket == rec.Ticket
	}
	w.written.move(rec.Entry, w.everTicket(rec.Ticket), refused, w.personOf)
	if rec.Entry.Kind == panel.AccessGranted && rec.Entry.Credential == "hour" && w.first["hour"].IsZero() {
		w.first["hour"] = w.now
	}
}

// goings are who was let in which way, in order.
type goings []going

type going struct {
	ticket uint64
	person string
	in     bool
}

func (g goings) inside(person string) bool {
	for _, one := range slices.Backward(g) {
		if one.person == person {
			return one.in
		}
	}
	return false
}

// move notes who goes which way; what was noted of somebody whom a refusal then kept outside is taken back.
func (g *goings) move(e panel.Entry, ticket, refused uint64, personOf func(string) string) {
	switch {
	case e.Kind == panel.PresenceEmpty:
		*g = nil
	case e.Kind == panel.AccessGranted && (e.Reader == "front-in" || e.Reader == "yard-in" || e.Reader == "front-out"):
		*g = append(*g, going{ticket, personOf(e.Credential), e.Reader != "front-out"})
	case e.Kind == panel.AccessRefused && e.Why == string(access.CannotRecord):
		*g = slices.DeleteFunc(*g, func(one going) bool { return one.ticket == refused })
	}
}

func (w *watcher) personOf(id string) string { return w.credential(id).Person }

func (w *watcher) credential(id string) access.Credential {
	for _, f := range w.people {
		if f.Credential.ID == id {
			return f.Credential
		}
	}
	return access.Credential{}
}

func (w *watcher) step(event panel.Event) []panel.Action {
	actions := w.p.Step(w.instant(), event)
	w.perform(event, actions)
	return actions
}

func (w *watcher) perform(event panel.Event, actions []panel.Action) {
	var then []panel.Event
	for i, action := range actions {
		switch a := action.(type) {
		case panel.SetStrike:
			if _, exit := event.(panel.ExitRequested); a.On && !(exit && i == 0) {
				w.strike(event, a.Door)
			}
		case panel.Record:
			refused := w.entry(a)
			switch {
			case w.disk == failsAtOnce && a.Ticket != 0:
				then = append(then, panel.Recorded{Ticket: a.Ticket, Failed: true})
			case w.disk == 0:
				w.kept(a, refused)
				if a.Ticket != 0 {
					then = append(then, panel.Recorded{Ticket: a.Ticket})
				}
			case w.disk > 0:
				w.flight = append(w.flight, inFlight{due: w.now.Add(w.disk), rec: a, refused: refused})
			}
		}
	}
	for _, e := range then {
		w.step(e)
	}
}

// strike is a release that no exit button asked for.
func (w *watcher) strike(event panel.Event, door string) {
	if w.grants[door] == 0 {
		w.t.Fatalf("%s was released by %T and nobody was let in", door, event)
	}
	w.grants[door]--
	recorded, ok := event.(panel.Recorded)
	e := w.waiting[recorded.Ticket]
	if !ok {
		return
	}
	delete(w.waiting, recorded.Ticket)
	c := w.credential(e.Credential)
	if c.Counted() && recorded.Failed {
		w.t.Fatalf("%s opened %s and its use was not written down", c.ID, door)
	}
	w.opened[c.ID]++
	if c.Uses > 0 && w.opened[c.ID] > c.Uses {
		w.t.Fatalf("%s opened for the %dth time, %d were given", c.ID, w.opened[c.ID], c.Uses)
	}
}

// entry holds an entry against the account, and returns the ticket of the grant that it takes back.
func (w *watcher) entry(a panel.Record) (refused uint64) {
	e := a.Entry
	switch {
	case e.Kind == panel.AccessGranted:
		c := w.credential(e.Credential)
		if c.Revoked || !permitted(c.ID, e.Door, w.instant(), w.first["hour"]) {
			w.t.Fatalf("%s was let in at %s at %v (clock trusted: %v)", c.ID, e.Door, w.now, w.trusted)
		}
		if e.Reader == "front-in" && w.inside.inside(c.Person) {
			w.t.Fatalf("%s came in at the front and was inside", c.Person)
		}
		if e.Door == "yard" && c.Kind != access.Pass && (nightHours(w.now) || !w.trusted) && !w.paired(c, e.Reader) {
			w.t.Fatalf("%s was let in at night by one thing alone", c.ID)
		}
		w.grants[e.Door]++
		w.waiting[a.Ticket] = e
	case e.Kind == panel.AccessRefused && e.Why == string(access.SecondFactor):
		c := w.credential(e.Credential)
		w.lastGood = append(w.lastGood, goodOne{person: c.Person, reader: e.Reader, kind: c.Kind, at: w.now})
	case e.Kind == panel.AccessRefused && e.Why == string(access.Unknown) && strings.HasPrefix(e.Detail, "code"):
		w.heard = append(w.heard, heard{at: w.now, ticket: a.Ticket})
		// One day begins where another ends: in any 24 hours there are at most two of them.
		n := 0
		for _, h := range w.heard {
			if h.at.After(w.now.Add(-24*time.Hour)) && h.at.After(w.forgiven) {
				n++
			}
		}
		if n > 2*codesADay {
			w.t.Fatalf("%d wrong codes were heard in a day", n)
		}
	}
	if e.Kind == panel.AccessRefused && e.Why == string(access.CannotRecord) {
		refused = w.takenBack(e)
	}
	w.inside.move(e, w.everTicket(a.Ticket), refused, w.personOf)
	return refused
}

// takenBack is the oldest grant that waits and that this refusal can mean.
func (w *watcher) takenBack(e panel.Entry) uint64 {
	for _, ticket := range slices.Sorted(maps.Keys(w.waiting)) {
		if g := w.waiting[ticket]; g.Credential == e.Credential && g.Reader == e.Reader {
			delete(w.waiting, ticket)
			return w.everTicket(ticket)
		}
	}
	return 0
}

// everTicket tells the tickets of one start from those of another.
func (w *watcher) everTicket(ticket uint64) uint64 { return w.starts<<32 | ticket }

// paired reports whether the other one of the same person was shown at this reader within the 15 seconds before.
func (w *watcher) paired(c access.Credential, reader string) bool {
	return slices.ContainsFunc(w.lastGood, func(g goodOne) bool {
		return g.person == c.Person && g.reader == reader && g.kind != c.Kind && w.now.Sub(g.at) < 15*time.Second
	})
}

func (w *watcher) act(o shown) {
	switch o.What {
	case "show":
		w.show(o)
	case "wrong code":
		if o.B < 3 {
			w.step(panel.WrongTry{Source: []panel.Source{panel.ByPage, panel.ByTelephone}[o.B%2]})
			return
		}
		for range o.B {
			w.step(panel.CredentialPresented{Reader: o.Reader, Kind: access.Code})
		}
	case "wrong card":
		w.step(panel.CredentialPresented{Reader: o.Reader, Kind: access.Card})
	case "bad pass":
		w.step(panel.CredentialPresented{Reader: o.Reader, Kind: access.Pass, Facts: panel.Facts{Fault: access.ForgedPass}})
	case "power":
		if o.B < 6 {
			w.boot()
		}
	case "disk":
		w.disk = disks[o.B]
	case "clock":
		if trusted := o.B > 3; trusted != w.trusted {
			w.trusted = trusted
			w.step(panel.ClockChanged{})
		}
	case "withdraw":
		w.people[o.Who].Credential.Revoked = o.B < 6
	case "exit":
		actions := w.step(panel.ExitRequested{Door: "front"})
		if s, ok := actions[0].(panel.SetStrike); !ok || !s.On {
			w.t.Fatalf("exit began with %+v", actions[0])
		}
	case "forgive":
		w.forgiven = w.now
		w.step(panel.BudgetReset{Who: "admin"})
	case "off the list":
		w.step(panel.PresenceReset{Who: "admin"})
	}
}

func (w *watcher) show(o shown) {
	f := w.people[o.Who]
	c := f.Credential
	actions := w.step(panel.CredentialPresented{Reader: o.Reader, Kind: c.Kind, Facts: f})
	granted, why := false, ""
	for _, a := range actions {
		if r, ok := a.(panel.Record); ok && r.Entry.Credential == c.ID {
			granted, why = granted || r.Entry.Kind == panel.AccessGranted, r.Entry.Why
		}
	}
	if c.ID == "resident-card" && !c.Revoked && (o.Reader == "gate-in" || o.Reader == "front-out") && !granted {
		w.t.Fatalf("a resident's card was refused at %s: %s", o.Reader, why)
	}
	if o.Reader == "front-out" && why == string(access.PassedBack) {
		w.t.Fatal("somebody was kept from leaving")
	}
}
