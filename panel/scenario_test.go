package panel_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

var update = flag.Bool("update", false, "write the scenarios' outcome into their files")

// A scenario is told in lines. `given` describes the panel, `at` is something that happens, and everything that follows
// until the next `at` is what the panel does then: at once when indented under the event, or by itself at the time that
// stands alone on a line. The words behind `given` and `at` are the patterns in this file.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "scenarios", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			told, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			happened := play(t, string(told))
			if *update {
				if err := os.WriteFile(file, []byte(happened), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if happened != string(told) {
				t.Errorf("the panel did something else (go test ./panel -run TestScenarios -update rewrites the file)\n%s", difference(string(told), happened))
			}
			if again := play(t, string(told)); again != happened {
				t.Errorf("told twice, it ends differently\n%s", difference(happened, again))
			}
		})
	}
}

func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out bytes.Buffer
	for i := range max(len(a), len(b)) {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x == y {
			continue
		}
		fmt.Fprintf(&out, "line %d\n  told %q\n  did  %q\n", i+1, x, y)
		if out.Len() > 1500 {
			break
		}
	}
	return out.String()
}

// play tells the story again, with what the panel does in place of what the file says it does.
func play(t *testing.T, told string) string {
	t.Helper()
	w := &world{t: t, disk: "well", memory: map[string]string{}, people: map[string]panel.Facts{}, date: firstDay}
	w.rules.Words, w.rules.ID, w.rules.Zone = panel.WordsIn("en"), "this-panel", time.UTC
	var lines []string // without what the panel did
	for line := range strings.Lines(told) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "given ") || strings.HasPrefix(line, "at ") {
			lines = append(lines, line)
		}
	}
	var times []time.Time
	for _, line := range lines {
		if strings.HasPrefix(line, "at ") {
			at, _ := w.when(line)
			times = append(times, at)
		}
	}
	w.date = firstDay
	for _, line := range lines {
		w.line("%s", line)
		switch {
		case strings.HasPrefix(line, "given "):
			w.given(strings.TrimPrefix(line, "given "))
		case strings.HasPrefix(line, "at "):
			at, event := w.when(line)
			if w.panel == nil {
				w.start(at.Add(-time.Minute), time.Minute)
				w.quiet(func() { w.pass(at) })
			}
			w.now, w.printed = at, at
			w.happens(event)
			times = times[1:]
			end := at.Add(time.Hour)
			if len(times) > 0 {
				end = times[0].Add(-1) // what is due at the very moment of the next event happens in its step
			}
			w.pass(end)
		}
	}
	return w.out.String()
}

// firstDay is a Monday.
const firstDay = "2026-11-23"

// world is the panel with everything around it.
type world struct {
	t       *testing.T
	out     bytes.Buffer
	silent  bool
	printed time.Time // the time that the reader knows of

	rules    panel.Rules
	policies panel.PoliciesChanged
	rights   license.Entitlements
	people   map[string]panel.Facts // by "Bianchi's card"
	date     string
	unknown  bool          // the clock is not trusted
	shift    time.Duration // by which the clock on the wall is wrong

	panel  *panel.Panel
	boots  int
	booted time.Time // when mono was zero
	now    time.Time // true time
	disk   string    // well, dead, silent, or a delay
	wait   []written
	memory map[string]string // what is durable
	asked  int
}

// written is an entry on its way to the disk.
type written struct {
	due    time.Time
	record panel.Record
}

func (w *world) line(format string, args ...any) {
	if !w.silent {
		fmt.Fprintf(&w.out, format+"\n", args...)
	}
}

func (w *world) quiet(f func()) {
	w.silent = true
	f()
	w.silent = false
}

var whenLine = regexp.MustCompile(`^at (?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d:\d\d(?:\.\d{1,3})?) (.+)$`)

func (w *world) when(line string) (time.Time, string) {
	m := whenLine.FindStringSubmatch(line)
	if m == nil {
		w.t.Fatalf("cannot read %q: write it as: at 08:00:00 what happens", line)
	}
	if m[1] != "" {
		w.date = m[1]
	}
	at, err := time.Parse("2006-01-02 15:04:05", w.date+" "+m[2])
	if err != nil {
		w.t.Fatalf("cannot read the time in %q: %v", line, err)
	}
	return at, m[3]
}

func (w *world) mono() time.Duration { return w.now.Sub(w.booted) }

func (w *world) instant() panel.Now {
	return panel.Now{Mono: w.mono(), Wall: w.now.Add(w.shift), Trusted: !w.unknown}
}

// start makes a panel that has been up for some time already.
func (w *world) start(at time.Time, up time.Duration) {
	w.now, w.booted = at, at.Add(-up)
	w.boots++
	w.rules.Boot = fmt.Sprintf("boot-%d", w.boots)
	var memory []panel.Memory
	for k, v := range w.memory {
		memory = append(memory, panel.Memory{Key: k, Value: v})
	}
	slices.SortFunc(memory, func(a, b panel.Memory) int { return strings.Compare(a.Key, b.Key) })
	w.panel = panel.New(w.rules, w.rights, memory, w.instant())
	w.wait = nil
	begin := func() {
		w.perform(w.panel.Start(w.instant()))
		w.step(w.policies)
	}
	if w.boots == 1 {
		w.quiet(begin)
		return
	}
	begin()
}

// pass lets time go by until end: records become durable and deadlines take effect, each at its moment.
func (w *world) pass(end time.Time) {
	for range 100_000 { // a schedule is looked at every minute
		next := time.Time{}
		if d := w.panel.Next(); d > 0 {
			next = w.booted.Add(d)
		}
		done := -1
		for i, r := range w.wait {
			if next.IsZero() || !r.due.After(next) {
				next, done = r.due, i
			}
		}
		if next.IsZero() || next.After(end) {
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		if done < 0 {
			w.step(panel.Tick{})
			continue
		}
		r := w.wait[done].record
		w.wait = slices.Delete(w.wait, done, done+1)
		w.durable(r)
	}
	w.t.Fatalf("at %v the panel does not come to rest", w.now)
}

func (w *world) durable(r panel.Record) {
	for _, m := range r.Remember {
		panel.Keep(w.memory, m)
	}
	if r.Ticket != 0 {
		w.step(panel.Recorded{Ticket: r.Ticket})
	}
}

func (w *world) step(event panel.Event) { w.perform(w.panel.Step(w.instant(), event)) }

func (w *world) perform(actions []panel.Action) {
	if len(actions) > 0 && !w.now.Equal(w.printed) {
		w.printed = w.now
		w.line("%s", w.now.Format("15:04:05.999"))
	}
	var then []panel.Event
	for _, action := range actions {
		w.line("  %s", words(action))
		record, ok := action.(panel.Record)
		if !ok {
			continue
		}
		switch w.disk {
		case "well":
			for _, m := range record.Remember {
				panel.Keep(w.memory, m)
			}
			if record.Ticket != 0 {
				then = append(then, panel.Recorded{Ticket: record.Ticket})
			}
		case "dead":
			if record.Ticket != 0 {
				then = append(then, panel.Recorded{Ticket: record.Ticket, Failed: true})
			}
		case "silent":
		default:
			delay, err := time.ParseDuration(w.disk)
			if err != nil {
				w.t.Fatal(err)
			}
			w.wait = append(w.wait, written{due: w.now.Add(delay), record: record})
		}
	}
	for _, event := range then {
		w.step(event)
	}
}

// words says an action the way an installer would.
func words(action panel.Action) string {
	switch a := action.(type) {
	case panel.SetStrike:
		switch {
		case !a.On:
			return "strike " + a.Door + " off"
		case a.For == 0:
			return "strike " + a.Door + " on until it is told otherwise"
		}
		return fmt.Sprintf("strike %s on for %v", a.Door, a.For)
	case panel.PlaceCall:
		return strings.TrimSpace(fmt.Sprintf("%s calls %s %s", a.Call, a.Target, a.Account))
	case panel.HangUp:
		return a.Call + " is hung up"
	case panel.SetAccount:
		return fmt.Sprintf("register at servers: %v", a.On)
	case panel.Signal:
		var parts []string
		if a.Light != "" {
			parts = append(parts, "light "+string(a.Light))
		}
		if a.Tone != "" {
			parts = append(parts, "tone "+string(a.Tone))
		}
		if a.Text != "" {
			parts = append(parts, strconv.Quote(a.Text))
		} else if a.Clear {
			parts = append(parts, "idle display")
		}
		return "show " + strings.Join(parts, ", ")
	case panel.Answer:
		if a.Granted {
			return fmt.Sprintf("answer to %s: granted, %s", a.Request, a.Why)
		}
		return fmt.Sprintf("answer to %s: refused, %s", a.Request, a.Why)
	case panel.Record:
		e := a.Entry
		text := "journal " + string(e.Kind)
		button := ""
		if e.Button != 0 {
			button = fmt.Sprintf("button %d", e.Button)
		}
		detail := ""
		if e.Detail != "" {
			detail = "(" + e.Detail + ")"
		}
		for _, part := range []string{e.Door, e.Why, e.Reader, e.Call, button, e.Who, e.Credential, detail} {
			if part != "" {
				text += " " + part
			}
		}
		if a.Seal != "" {
			text += " [sealed to " + a.Seal + map[bool]string{true: ": under duress"}[a.Duress] + "]"
		}
		for _, m := range a.Remember {
			text += fmt.Sprintf(" [remember %s = %q]", m.Key, m.Value)
		}
		return text
	}
	return fmt.Sprintf("%T", action)
}

// phrase is one way to say something; its groups are handed to do.
type phrase struct {
	pattern string
	do      func(w *world, m []string)
}

func (w *world) say(what string, phrases []phrase) {
	w.t.Helper()
	for _, p := range phrases {
		if m := regexp.MustCompile("^" + p.pattern + "$").FindStringSubmatch(what); m != nil {
			p.do(w, m[1:])
			return
		}
	}
	w.t.Fatalf("nobody understands %q", what)
}

func (w *world) length(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		w.t.Fatalf("cannot read %q: write it as 3s, 10m or 2h", text)
	}
	return d
}

// licenses reads "2 more buttons, access control, sip until 2026-11-01".
func (w *world) licenses(text string) license.Entitlements {
	text, until, _ := strings.Cut(text, " until ")
	var expires time.Time
	if until != "" {
		var err error
		if expires, err = time.Parse(time.DateOnly, until); err != nil {
			w.t.Fatal(err)
		}
	}
	var grants []license.Grant
	for part := range strings.SplitSeq(text, ", ") {
		switch number, counted := strings.CutSuffix(part, " more buttons"); {
		case part == "none":
		case part == "access control":
			grants = append(grants, license.Grant{Feature: license.AccessBasic, Count: 1})
		case part == "sip":
			grants = append(grants, license.Grant{Feature: license.SIP, Count: 1})
		case counted:
			n, err := strconv.Atoi(number)
			if err != nil {
				w.t.Fatal(err)
			}
			grants = append(grants, license.Grant{Feature: license.Buttons, Count: n})
		default:
			w.t.Fatalf("no license is called %q", part)
		}
	}
	at := w.now
	if at.IsZero() {
		at, _ = time.Parse(time.DateOnly, w.date)
	}
	return rights(w.t, at, expires, grants...)
}

func (w *world) given(what string) {
	w.t.Helper()
	w.say(what, append(rightsGiven(), []phrase{
		{`door (\S+): (.+)`, func(w *world, m []string) {
			door := panel.DoorRules{Name: m[0]}
			for part := range strings.SplitSeq(m[1], ", ") {
				pulse, isPulse := strings.CutPrefix(part, "pulse ")
				digit, isDigit := strings.CutPrefix(part, "opens with ")
				held, isHeld := strings.CutPrefix(part, "held open after ")
				switch {
				case isPulse:
					door.Pulse = w.length(pulse)
				case isDigit:
					door.OpenDigit = rune(digit[0])
				case isHeld:
					door.HeldAfter = w.length(held)
				case doorHas(w, &door, part):
				default:
					w.t.Fatalf("a door has no %q", part)
				}
			}
			w.rules.Doors = append(w.rules.Doors, door)
		}},
		{`reader (\S+) at (\S+)`, func(w *world, m []string) {
			w.rules.Readers = append(w.rules.Readers, panel.Reader{Name: m[0], Door: m[1]})
		}},
		{`licenses: (.+)`, func(w *world, m []string) { w.rights = w.licenses(m[0]) }},
		{`tampering blocks for (\S+)`, func(w *world, m []string) { w.rules.TamperBlock = w.length(m[0]) }},
		{`language (\S+)`, func(w *world, m []string) { w.rules.Words = panel.WordsIn(m[0]) }},
		{`a call rings for (\S+) and lasts for (\S+)`, func(w *world, m []string) {
			w.rules.RingFor, w.rules.TalkFor = w.length(m[0]), w.length(m[1])
		}},
		{`the clock is not known`, func(w *world, _ []string) { w.unknown = true }},
		{`the disk (.+)`, func(w *world, m []string) { w.setDisk(m[0]) }},
		{`(\S+) has a (card|code|pass)(.*)`, func(w *world, m []string) {
			f := panel.Facts{Person: m[0], Rights: []access.Right{{}}, Credential: access.Credential{ID: m[0] + "-" + m[1], Person: m[0], Kind: access.Kind(m[1])}}
			c := &f.Credential
			for part := range strings.SplitSeq(strings.TrimPrefix(m[2], ", "), ", ") {
				from, isFrom := strings.CutPrefix(part, "from ")
				until, isUntil := strings.CutPrefix(part, "until ")
				door, isDoor := strings.CutPrefix(part, "for ")
				hours, isHours := strings.CutPrefix(part, "on weekdays ")
				switch {
				case part == "", credentialHas(w, &f, part):
				case part == "for emergencies":
					f.Emergency = true
				case part == "withdrawn":
					c.Revoked = true
				case part == "with a schedule nobody knows":
					c.Profile = "gone"
				case isFrom:
					c.From = w.day(from)
				case isUntil:
					c.Until = w.day(until)
				case isDoor:
					c.Doors = append(c.Doors, door)
				case isHours:
					start, end, _ := strings.Cut(hours, " to ")
					c.Profile = w.schedule("weekdays "+hours, access.Slot{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: start, To: end})
				default:
					w.t.Fatalf("nobody understands %q", part)
				}
			}
			w.people[m[0]+"'s "+m[1]] = f
		}},
	}...))
}

// schedule makes a schedule of that name, unless there is one.
func (w *world) schedule(name string, slots ...access.Slot) string {
	if !w.policies.Timetable.Has(name) {
		w.policies.Timetable.Profiles = append(w.policies.Timetable.Profiles, access.Profile{Name: name, Slots: slots})
	}
	return name
}

func (w *world) zone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return zone
}

func (w *world) day(text string) time.Time {
	at, err := time.ParseInLocation(time.DateOnly, text, w.rules.Zone)
	if day, hour, ok := strings.Cut(text, "T"); ok {
		at, err = time.ParseInLocation("2006-01-02 15:04", day+" "+hour, w.rules.Zone)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

func (w *world) setDisk(how string) {
	switch {
	case how == "is well" || how == "is dead":
		w.disk = strings.TrimPrefix(how, "is ")
	case how == "does not answer":
		w.disk = "silent"
	case strings.HasPrefix(how, "takes "):
		w.disk = strings.TrimPrefix(how, "takes ")
	default:
		w.t.Fatalf("a disk is well, is dead, does not answer or takes 80ms, not %q", how)
	}
}

func (w *world) show(reader string, kind access.Kind, f panel.Facts) {
	w.step(panel.CredentialPresented{Reader: reader, Kind: kind, Facts: f})
}

func (w *world) happens(what string) {
	w.t.Helper()
	press := func(w *world, m []string, route panel.Route) {
		n, _ := strconv.Atoi(m[0])
		e := panel.CallButtonPressed{Button: n, Route: route}
		if route != panel.NoRoute {
			e.Label, e.Target = m[1], "sip:"+strings.ToLower(m[1])+"@192.0.2.10"
		}
		if route == panel.Server {
			e.Account = "pbx"
		}
		w.step(e)
	}
	w.say(what, append(slices.Concat(doorPhrases(), rightsPhrases()), []phrase{
		{`button (-?\d+) is pressed for (\S+)`, func(w *world, m []string) { press(w, m, panel.LAN) }},
		{`button (-?\d+) is pressed for (\S+) through the server`, func(w *world, m []string) { press(w, m, panel.Server) }},
		{`button (-?\d+) is pressed, nobody is set`, func(w *world, m []string) { press(w, m, panel.NoRoute) }},
		{`(call-\d+) rings`, func(w *world, m []string) { w.step(panel.CallRinging{Call: m[0]}) }},
		{`(call-\d+) is answered`, func(w *world, m []string) { w.step(panel.CallAnswered{Call: m[0]}) }},
		{`(call-\d+) fails: (\S+)`, func(w *world, m []string) {
			w.step(panel.CallFailed{Call: m[0], Reason: panel.CallFailure(m[1]), Detail: "the far end said so"})
		}},
		{`(call-\d+) ends`, func(w *world, m []string) { w.step(panel.CallEnded{Call: m[0]}) }},
		{`(call-\d+) sends digit (.)`, func(w *world, m []string) { w.step(panel.DigitPressed{Call: m[0], Digit: rune(m[1][0])}) }},

		{`(\S+)'s (card|code|pass) at (\S+)`, func(w *world, m []string) {
			f, known := w.people[m[0]+"'s "+m[1]]
			if !known {
				w.t.Fatalf("%s has no %s", m[0], m[1])
			}
			w.show(m[2], access.Kind(m[1]), f)
		}},
		{`(?:an unknown|a wrong) (card|code|pass) at (\S+)`, func(w *world, m []string) { w.show(m[1], access.Kind(m[0]), panel.Facts{}) }},
		{`a (card|code) at (\S+) that the store cannot look up`, func(w *world, m []string) {
			w.show(m[1], access.Kind(m[0]), panel.Facts{Failed: true})
		}},
		{`a key at (\S+)`, func(w *world, m []string) { w.step(panel.KeyPressed{Reader: m[0]}) }},

		{`exit button at (\S+)`, func(w *world, m []string) { w.step(panel.ExitRequested{Door: m[0]}) }},
		{`fire alarm`, func(w *world, _ []string) { w.step(panel.FireAlarm{}) }},
		{`fire alarm is over`, func(w *world, _ []string) { w.step(panel.Cleared{Input: panel.Fire}) }},
		{`tampering`, func(w *world, _ []string) { w.step(panel.Tampered{}) }},
		{`tampering is over`, func(w *world, _ []string) { w.step(panel.Cleared{Input: panel.Tamper}) }},
		{`(\S+) opens`, func(w *world, m []string) { w.step(panel.DoorOpened{Door: m[0]}) }},
		{`(\S+) is found open`, func(w *world, m []string) { w.step(panel.DoorOpened{Door: m[0], AtStart: true}) }},
		{`(\S+) closes`, func(w *world, m []string) { w.step(panel.DoorClosed{Door: m[0]}) }},
		{`strike (\S+) fails`, func(w *world, m []string) {
			w.step(panel.DeviceChanged{Device: "strike " + m[0], Dead: true, Cause: "no such line"})
		}},
		{`reader (\S+) (fails|works again)`, func(w *world, m []string) {
			w.step(panel.DeviceChanged{Device: "reader " + m[0], Dead: m[1] == "fails", Cause: "no answer"})
		}},

		{`(\S+) opens (\S+) from the (web|cli)`, func(w *world, m []string) {
			w.asked++
			w.step(panel.OpenRequested{Request: fmt.Sprintf("%s-%d", m[2], w.asked), Door: m[1], Who: m[0], Via: m[2]})
		}},
		{`order (\d+) of (\S+) to open ([^\s,]+)(?:, (.+))?`, func(w *world, m []string) {
			number, _ := strconv.ParseUint(m[0], 10, 64)
			o := panel.Order{Signer: m[1], Panel: w.rules.ID, Boot: w.rules.Boot, Number: number, Deadline: w.mono() + 20*time.Second}
			switch fault := m[3]; {
			case fault == "":
			case fault == "kept by the broker":
				o.Retained = true
			case fault == "signed by nobody we know":
				o.Signer = ""
			case fault == "for another panel":
				o.Panel = "that-panel"
			case fault == "from before the restart":
				o.Boot = fmt.Sprintf("boot-%d", w.boots-1)
			case strings.HasPrefix(fault, "good for "):
				o.Deadline = w.mono() + w.length(strings.TrimPrefix(fault, "good for "))
			default:
				w.t.Fatalf("an order cannot be %q", fault)
			}
			w.step(panel.OpenRequested{Request: "order-" + m[0], Door: m[2], Who: m[1], Via: "command", Order: &o})
		}},

		{`a license code is (\S+) at the (\S+)`, func(w *world, m []string) {
			r := license.Result(m[0])
			w.step(panel.LicensePresented{Result: r, Title: r.Title(), Message: r.Remedy(), Via: m[1], Accepted: !r.Refused()})
		}},
		{`licenses become: (.+)`, func(w *world, m []string) {
			w.rights = w.licenses(m[0])
			w.step(panel.EntitlementsChanged{Entitlements: w.rights})
		}},
		{`the (\S+) reads a code that is not ours`, func(w *world, m []string) { w.step(panel.CodeRejected{Reader: m[0], Why: "not_ours"}) }},
		{`the (\S+) cannot store a code`, func(w *world, m []string) { w.step(panel.CodeRejected{Reader: m[0], Why: "cannot_store"}) }},
		{`the (\S+) sees no code`, func(w *world, m []string) { w.step(panel.CodeRejected{Reader: m[0], Why: "no_code"}) }},
		{`setup code (\d+)`, func(w *world, m []string) { w.step(panel.SetupCodeChanged{Code: m[0]}) }},
		{`setup code is used up`, func(w *world, _ []string) { w.step(panel.SetupCodeChanged{}) }},
		{`account (\S+) is (\S+)`, func(w *world, m []string) { w.step(panel.AccountChanged{Account: m[0], State: m[1]}) }},
		{`the clock moves by (\S+)`, func(w *world, m []string) {
			w.shift += w.length(m[0])
			w.step(panel.ClockChanged{Jump: w.length(m[0])})
		}},
		{`the clock is (known|not known)`, func(w *world, m []string) {
			w.unknown = m[0] != "known"
			w.step(panel.ClockChanged{})
		}},
		{`(\S+) logs in`, func(w *world, m []string) {
			w.step(panel.Noted{Entry: panel.Entry{Kind: panel.LoginDone, Who: m[0]}})
		}},
		{`the disk (.+)`, func(w *world, m []string) { w.setDisk(m[0]) }},
		{`the power is cut for (\S+)(, the clock is not known after it|)`, func(w *world, m []string) {
			w.unknown = m[1] != ""
			up := 5 * time.Second
			w.now = w.now.Add(w.length(m[0]))
			w.line("%s", w.now.Format("15:04:05.999"))
			w.printed = w.now
			w.start(w.now, up)
		}},
	}...))
}
