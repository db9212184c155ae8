package panel_test

import (
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// slots reads "weekdays 08:00 to 18:00, holiday 10:00 to 12:00, closed on 2026-12-24, on 12-31 08:00 to 12:00".
func (w *world) slots(name, text string) access.Profile {
	p := access.Profile{Name: name}
	for part := range strings.SplitSeq(text, ", ") {
		if date, closed := strings.CutPrefix(part, "closed on "); closed {
			p.Exceptions = append(p.Exceptions, access.Exception{Date: date})
			continue
		}
		rest, exception := strings.CutPrefix(part, "on ")
		f := strings.Fields(rest)
		if len(f) != 4 || f[2] != "to" {
			w.t.Fatalf("nobody understands the hours %q", part)
		}
		s := access.Slot{From: f[1], To: f[3]}
		switch {
		case exception:
			p.Exceptions = append(p.Exceptions, access.Exception{Date: f[0], Slots: []access.Slot{s}})
			continue
		case f[0] == "weekdays":
			s.Days = []string{"mon", "tue", "wed", "thu", "fri"}
		default:
			s.Days = strings.Split(f[0], "+")
		}
		p.Slots = append(p.Slots, s)
	}
	if err := p.Check(); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// right reads "front on office from 2026-11-24 until 2026-11-26"; "every door" names all of them.
func (w *world) right(text string) access.Right {
	var r access.Right
	f := strings.Fields(strings.Replace(text, "every door", "every", 1))
	if f[0] != "every" {
		r.Doors = strings.Split(f[0], "+")
	}
	for i := 1; i+1 < len(f); i += 2 {
		switch f[i] {
		case "on":
			r.Profile = f[i+1]
		case "from":
			r.From = w.day(f[i+1])
		case "until":
			r.Until = w.day(f[i+1])
		default:
			w.t.Fatalf("nobody understands the right %q", text)
		}
	}
	return r
}

// credentialHas reads one part of a credential's description.
func credentialHas(w *world, f *panel.Facts, part string) bool {
	c := &f.Credential
	right, hasRight := strings.CutPrefix(part, "with the right to ")
	uses, used := strings.CutPrefix(part, "good for ")
	minutes, firstUse := strings.CutSuffix(part, " minutes from its first use")
	on, onSchedule := strings.CutPrefix(part, "on ")
	switch {
	case part == "with no right":
		f.Rights = nil
	case part == "strong":
		c.Strength = access.Strong
	case part == "of nobody":
		c.Person = ""
	case hasRight:
		if len(f.Rights) == 1 && f.Rights[0].Doors == nil && f.Rights[0].Profile == "" {
			f.Rights = nil
		}
		f.Rights = append(f.Rights, w.right(right))
	case used:
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSuffix(uses, " uses"), " use"))
		if err != nil {
			w.t.Fatal(err)
		}
		c.Uses = n
	case firstUse:
		n, err := strconv.Atoi(minutes)
		if err != nil {
			w.t.Fatal(err)
		}
		c.MinutesFromFirstUse = n
	case onSchedule && w.policies.Timetable.Has(on):
		c.Profile = on
	default:
		return false
	}
	return true
}

func (w *world) policy(door string) *access.DoorPolicy {
	for i := range w.policies.Doors {
		if w.policies.Doors[i].Door == door {
			return &w.policies.Doors[i]
		}
	}
	w.policies.Doors = append(w.policies.Doors, access.DoorPolicy{Door: door})
	return &w.policies.Doors[len(w.policies.Doors)-1]
}

// rightsGiven describe who may do what.
func rightsGiven() []phrase {
	return []phrase{
		{`reader (\S+) at (\S+), (in|out)`, func(w *world, m []string) {
			w.rules.Readers = append(w.rules.Readers, panel.Reader{Name: m[0], Door: m[1], Direction: panel.Direction(m[2])})
		}},
		{`weak credentials are refused`, func(w *world, _ []string) { w.rules.Policy = access.Secure }},
		{`the site is in (\S+)`, func(w *world, m []string) { w.rules.Zone = w.zone(m[0]) }},
		{`(\S+) is a holiday`, func(w *world, m []string) {
			c := &w.policies.Timetable.Calendar
			c.Holidays = append(c.Holidays, access.Holiday{Date: m[0]})
			if err := c.Check(); err != nil {
				w.t.Fatal(err)
			}
		}},
		{`schedule (\S+): (.+)`, func(w *world, m []string) {
			w.policies.Timetable.Profiles = append(w.policies.Timetable.Profiles, w.slots(m[0], m[1]))
		}},
		{`(\S+) asks for card and code on (\S+)`, func(w *world, m []string) { w.policy(m[0]).SecondFactor = m[1] }},
		{`(\S+) has (soft|hard) anti-passback`, func(w *world, m []string) { w.policy(m[0]).Passback = access.Passback(m[1]) }},
		{`(\d+) wrong codes are heard a day`, func(w *world, m []string) {
			n, _ := strconv.Atoi(m[0])
			w.rules.GuessesADay = n
		}},
		{`the list of those inside is emptied at (\S+)`, func(w *world, m []string) { w.rules.EmptyAt = m[0] }},
	}
}

// rightsPhrases are what can happen to credentials and lists.
func rightsPhrases() []phrase {
	return []phrase{
		{`(\S+)'s (\S+) is withdrawn`, func(w *world, m []string) {
			f := w.people[m[0]+"'s "+m[1]]
			f.Credential.Revoked = true
			w.people[m[0]+"'s "+m[1]] = f
		}},
		{`(\S+)'s code under duress at (\S+)`, func(w *world, m []string) {
			f := w.people[m[0]+"'s code"]
			f.Duress = true
			w.show(m[1], access.Code, f)
		}},
		{`a forged pass at (\S+)`, func(w *world, m []string) { w.show(m[0], access.Pass, panel.Facts{Fault: access.ForgedPass}) }},
		{`a wrong code by (telephone|page)`, func(w *world, m []string) { w.step(panel.WrongTry{Source: panel.Source(m[0])}) }},
		{`(\S+)'s code by telephone for (\S+)`, func(w *world, m []string) {
			w.step(panel.CredentialPresented{Door: m[1], Kind: access.Code, Source: panel.ByTelephone, Facts: w.people[m[0]+"'s code"]})
		}},
		{`(\S+) forgives the wrong tries`, func(w *world, m []string) { w.step(panel.BudgetReset{Who: m[0]}) }},
		{`(\S+) takes (\S+) off the list`, func(w *world, m []string) {
			e := panel.PresenceReset{Who: m[0], Person: m[1]}
			if m[1] == "everybody" {
				e.Person = ""
			}
			w.step(e)
		}},
		{`(\S+) moves out`, func(w *world, m []string) {
			w.step(panel.Removed{People: []string{m[0]}, Credentials: []string{m[0] + "-card", m[0] + "-code", m[0] + "-pass"}})
		}},
		{`somebody asks who is inside`, func(w *world, _ []string) {
			for _, p := range w.panel.Inside() {
				name := p.Person
				if name == "" {
					name = "guest " + p.Credential
				}
				w.line("  inside: %s, since %s, through %s", name, p.Since.UTC().Format("2006-01-02 15:04:05"), p.Door)
			}
			if len(w.panel.Inside()) == 0 {
				w.line("  inside: nobody")
			}
		}},
		{`(\S+) tests the silent alarm to (\S+) with (\d+)`, func(w *world, m []string) {
			w.step(panel.DuressTested{Who: m[0], Recipient: m[1], Number: m[2]})
		}},
		{`(\S+) confirms the silent alarm with ?(\d*)`, func(w *world, m []string) {
			w.asked++
			w.step(panel.DuressConfirmed{Request: "confirm-" + strconv.Itoa(w.asked), Who: m[0], Number: m[1]})
		}},
		{`(\S+) switches the silent alarm off`, func(w *world, m []string) { w.step(panel.DuressOff{Who: m[0]}) }},
	}
}
