package license

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const hour = time.Hour

// moment is one line of a story about a clock: what is seen, and what the panel may believe then.
type moment struct {
	name    string
	after   time.Duration // running time since the line before
	restart bool          // the panel was started since
	wall    time.Time
	source  TimeSource
	mark    time.Time
	trusted bool
}

func tell(t *testing.T, keeping Timekeeping, story []moment) Timekeeping {
	t.Helper()
	for _, m := range story {
		if m.restart {
			keeping = Timekeeping{Mark: keeping.Mark, Ran: keeping.Ran, Leapt: keeping.Leapt}
		}
		r := Reading{Wall: m.wall, Source: m.source, Elapsed: m.after}
		keeping = keeping.Observe(r)
		if clock := keeping.Clock(r); !clock.Mark.Equal(m.mark) || clock.Trusted != m.trusted || !clock.Now.Equal(m.wall) {
			t.Errorf("%s: now %v, mark %v, trusted %v; want the mark at %v, trusted %v", m.name, clock.Now, clock.Mark, clock.Trusted, m.mark, m.trusted)
		}
	}
	return keeping
}

func TestWhatAPanelBelievesAboutTheTime(t *testing.T) {
	built := day("2026-11-21").Add(12 * hour)
	epoch := time.Unix(0, 0)
	year2040 := day("2040-01-01")
	zurich := func(text string) time.Time {
		zone, err := time.LoadLocation("Europe/Zurich")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation(time.DateTime, text, zone)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, story := range map[string][]moment{
		"a board without a battery begins in 1970 until the network comes": {
			{"boot", 0, false, epoch, Unknown, built, false},
			{"an hour later", hour, false, epoch.Add(hour), Unknown, built.Add(hour), false},
			{"the kernel is synchronized", hour, false, built.Add(20 * hour), Synchronized, built.Add(20 * hour), true},
			{"and loses its server", hour, false, built.Add(21 * hour), Unknown, built.Add(21 * hour), false},
			{"power cut, 1970 again", 0, true, epoch, Unknown, built.Add(21 * hour), false},
		},
		"a battery clock counts as long as it is not before the mark": {
			{"boot", 0, false, built.Add(hour), Battery, built.Add(hour), true},
			{"the battery is empty", 0, true, epoch, Battery, built.Add(hour), false},
			{"it is a little slow", 0, true, built.Add(30 * time.Minute), Battery, built.Add(hour), true},
			{"it keeps the time of another zone", 0, true, built.Add(-12 * hour), Battery, built.Add(hour), true},
			{"it stood for two days", 0, true, built.Add(-48 * hour), Battery, built.Add(hour), false},
		},
		"a clock that is wound back 23 hours every day goes on in the mark": {
			{"noon", 0, false, built, Battery, built, true},
			{"a day later", 24 * hour, false, built.Add(24 * hour), Battery, built.Add(24 * hour), true},
			{"wound back", 0, false, built.Add(hour), Battery, built.Add(24 * hour), true},
			{"a day later", 24 * hour, false, built.Add(25 * hour), Battery, built.Add(48 * hour), true},
			{"wound back", 0, false, built.Add(2 * hour), Battery, built.Add(48 * hour), false},
			{"a day later", 24 * hour, false, built.Add(26 * hour), Battery, built.Add(72 * hour), false},
		},
		"an administrator types 2040 and corrects it within a day": {
			{"right so far", 0, false, built, Battery, built, true},
			{"2040", 0, false, year2040, Administrator, built, true},
			{"23 hours later", 23 * hour, false, year2040.Add(23 * hour), Administrator, built.Add(23 * hour), true},
			{"corrected", 0, false, built.Add(23 * hour), Administrator, built.Add(23 * hour), true},
			{"a month later", 720 * hour, false, built.Add(743 * hour), Administrator, built.Add(743 * hour), true},
		},
		"an administrator's word stands for a day": {
			{"the shop's clock", 0, false, epoch, Unknown, built, false},
			{"typed: half a year later", 0, false, built.Add(4000 * hour), Administrator, built, true},
			{"half a day", 12 * hour, false, built.Add(4012 * hour), Administrator, built.Add(12 * hour), true},
			{"a day", 12 * hour, false, built.Add(4024 * hour), Administrator, built.Add(4024 * hour), true},
			{"set back by a month", 0, false, built.Add(3300 * hour), Administrator, built.Add(4024 * hour), true},
			{"for a week", 168 * hour, false, built.Add(3468 * hour), Administrator, built.Add(4192 * hour), true},
		},
		"an administrator's word that is said anew every 23 hours never settles": {
			{"2040", 0, false, year2040, Administrator, built, true},
			{"23 hours", 23 * hour, false, year2040.Add(23 * hour), Administrator, built.Add(23 * hour), true},
			{"2040 again", 0, false, year2040, Administrator, built.Add(23 * hour), true},
			{"23 hours", 23 * hour, false, year2040.Add(23 * hour), Administrator, built.Add(46 * hour), true},
		},
		"a word that a better source takes over must begin anew": {
			{"typed", 0, false, year2040, Administrator, built, true},
			{"nearly a day", 23 * hour, false, year2040.Add(23 * hour), Administrator, built.Add(23 * hour), true},
			{"the network for a moment", time.Minute, false, built.Add(23*hour + time.Minute), Synchronized, built.Add(23*hour + time.Minute), true},
			{"the word again", time.Minute, false, year2040.Add(23*hour + 2*time.Minute), Administrator, built.Add(23*hour + 2*time.Minute), true},
			{"an hour", hour, false, year2040.Add(24*hour + 2*time.Minute), Administrator, built.Add(24*hour + 2*time.Minute), true},
		},
		"a word does not stand while the panel is off": {
			{"typed", 0, false, year2040, Administrator, built, true},
			{"23 hours", 23 * hour, false, year2040.Add(23 * hour), Administrator, built.Add(23 * hour), true},
			{"a power cut", 0, true, year2040.Add(24 * hour), Administrator, built.Add(23 * hour), true},
			{"another hour", hour, false, year2040.Add(25 * hour), Administrator, built.Add(24 * hour), true},
		},
		"a spoofed time server gains a day, not more": {
			{"right so far", 0, false, built, Synchronized, built, true},
			{"2040", 0, false, year2040, Synchronized, built.Add(24 * hour), true},
			{"a week later", 168 * hour, false, year2040.Add(168 * hour), Synchronized, built.Add(192 * hour), true},
			{"corrected", 0, false, built.Add(168 * hour), Synchronized, built.Add(192 * hour), true},
			{"creeping by 20 hours", 0, false, built.Add(212 * hour), Synchronized, built.Add(192 * hour), true},
			{"and again, after a restart", 0, true, built.Add(232 * hour), Synchronized, built.Add(192 * hour), true},
		},
		"summer time begins and ends without a trace": {
			{"before", 0, false, zurich("2027-03-28 01:30:00"), Synchronized, zurich("2027-03-28 01:30:00"), true},
			{"an hour later it is half past three", hour, false, zurich("2027-03-28 03:30:00"), Synchronized, zurich("2027-03-28 03:30:00"), true},
		},
		"a leap second is a second twice": {
			{"23:59:59", 0, false, day("2027-01-01").Add(-time.Second), Synchronized, day("2027-01-01").Add(-time.Second), true},
			{"23:59:60, shown as 23:59:59", time.Second, false, day("2027-01-01").Add(-time.Second), Synchronized, day("2027-01-01"), true},
			{"midnight", time.Second, false, day("2027-01-01"), Synchronized, day("2027-01-01").Add(time.Second), true},
		},
		"counters that overflow are refused, not believed": {
			{"before 2038", 0, false, time.Unix(1<<31-1, 0), Synchronized, time.Unix(1<<31-1, 0), true},
			{"2038 goes on", 2 * time.Second, false, time.Unix(1<<31+1, 0), Synchronized, time.Unix(1<<31+1, 0), true},
			{"a clock of 32 bits falls to 1901", time.Second, false, time.Unix(-1<<31, 0), Synchronized, time.Unix(1<<31+2, 0), false},
		},
		"and so is 2106, and a year of five digits": {
			{"before 2106", 0, false, time.Unix(1<<32-1, 0), Battery, time.Unix(1<<32-1, 0), true},
			{"a battery clock of 32 bits falls to 1970", time.Second, false, time.Unix(1, 0), Battery, time.Unix(1<<32, 0), false},
			{"the year 10000", time.Second, false, time.Unix(maxUnixTime, 0), Administrator, time.Unix(1<<32+1, 0), false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := Timekeeping{}.Prove(built)
			if first := story[0]; first.source != Unknown && first.source != Administrator && first.wall.After(built.Add(leapLimit)) {
				start = start.Prove(first.wall)
			}
			tell(t, start, story)
		})
	}
}

func TestAPanelThatKnowsNothingTakesTheFirstClockThatSomebodyVouchesFor(t *testing.T) {
	at := day("2027-05-01")
	tell(t, Timekeeping{}, []moment{
		{"nobody vouches", 0, false, at, Unknown, time.Time{}, false},
		{"an administrator does, which takes a day", hour, false, at, Administrator, time.Time{}, true},
		{"a battery does", hour, false, at, Battery, at, true},
	})
}

func TestOnlyProofMovesTheMarkByMoreThanADay(t *testing.T) {
	at := day("2027-05-01")
	keeping := Timekeeping{}.Prove(at)
	keeping = keeping.Observe(Reading{Wall: at.AddDate(0, 0, 30), Source: Synchronized})
	if !keeping.Mark.Equal(at.Add(24 * hour)) {
		t.Fatalf("the mark is %v", keeping.Mark)
	}
	for _, older := range []time.Time{{}, time.Unix(-1, 0), at, time.Unix(maxUnixTime, 0)} {
		if got := keeping.Prove(older); got != keeping {
			t.Errorf("%v proved %+v", older, got)
		}
	}
	keeping = keeping.Prove(at.AddDate(0, 0, 20))
	if !keeping.Mark.Equal(at.AddDate(0, 0, 20)) {
		t.Errorf("the mark is %v", keeping.Mark)
	}
	if keeping = keeping.Observe(Reading{Wall: at.AddDate(0, 0, 30), Source: Synchronized}); !keeping.Mark.Equal(at.AddDate(0, 0, 21)) {
		t.Errorf("after proof there is a new day: the mark is %v", keeping.Mark)
	}
}

func TestAnAdministratorSeesHowLongAWordStillHasToStand(t *testing.T) {
	at := day("2027-05-01")
	keeping := Timekeeping{}.Prove(at)
	for _, step := range []struct {
		r    Reading
		want time.Duration
	}{
		{Reading{Wall: at, Source: Battery}, 0},
		{Reading{Wall: at, Source: Administrator}, 24 * hour},
		{Reading{Wall: at.Add(5 * hour), Source: Administrator, Elapsed: 5 * hour}, 19 * hour},
		{Reading{Wall: at.Add(5 * hour), Source: Synchronized}, 0},
		{Reading{Wall: at.Add(5 * hour), Source: Administrator}, 24 * hour},
		{Reading{Wall: at.Add(50 * hour), Source: Administrator, Elapsed: 45 * hour}, 0},
	} {
		if keeping = keeping.Observe(step.r); keeping.Settles() != step.want {
			t.Errorf("%+v: %v", step.r, keeping.Settles())
		}
	}
}

func TestAJournalThatIsReadFromNothingCountsNoTimeTwice(t *testing.T) {
	at := day("2027-05-01")
	known := Timekeeping{Mark: at, Ran: 100 * hour, Leapt: hour}
	for _, c := range []struct {
		name          string
		known         Timekeeping
		journal, want Timekeeping
	}{
		{"nothing in it", known, Timekeeping{}, known},
		{"what is known", known, known, known},
		{"an hour more", known, Timekeeping{Mark: at.Add(hour), Ran: 101 * hour}, Timekeeping{Mark: at.Add(hour), Ran: 101 * hour, Leapt: hour}},
		{"it begins in 2040", known, Timekeeping{Mark: day("2040-01-01"), Ran: 2 * hour, Leapt: 3 * hour}, Timekeeping{Mark: at.Add(26 * hour), Ran: 100 * hour, Leapt: 3 * hour}},
		{"nothing is known", Timekeeping{}, known, known},
	} {
		if got := c.known.Recover(c.journal); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestWhatWasSignedProvesTheTime(t *testing.T) {
	bounded := delegated(t, nil)
	endless := delegated(t, func(d *Delegation) { d.Expires, d.NotBefore = time.Time{}, time.Time{} })
	at := func(date string) func(*Token) {
		return func(k *Token) { k.IssuedAt = day(date) }
	}
	for _, c := range []struct {
		name string
		ring Keyring
		docs []Document
		want time.Time
	}{
		{"nothing", ringOf(t, nil, nil), nil, time.Time{}},
		{"a root's license", ringOf(t, nil, nil), []Document{held(t, changed(ten(1), at("2027-02-03")), "2027-03-01")}, day("2027-02-03")},
		{"a stranger's", ringOf(t, nil, nil), []Document{activated(t, signed(t, changed(ten(1), at("2027-02-03")), strangeKey), issued)}, time.Time{}},
		{"an issuer's within his dates", ringOf(t, [][]byte{bounded}, nil), []Document{activated(t, signed(t, changed(ten(1), at("2027-02-03")), issuerKey), issued)}, day("2027-02-03")},
		{"an issuer's whose clock nobody bounds", ringOf(t, [][]byte{endless}, nil), []Document{activated(t, signed(t, changed(ten(1), at("2099-02-03")), issuerKey), issued)}, issued},
		{"a revoked one", ringOf(t, nil, [][]byte{revoking(t, 1, map[TokenID]time.Time{ten(1).ID: issued}, nil)}), []Document{held(t, changed(ten(1), at("2099-02-03")), "2027-03-01")}, issued},
	} {
		if got := Derive(c.ring, here, Clock{}, c.docs).Proven(); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestADateEndsALicenseWhateverThePanelRan(t *testing.T) {
	ring := ringOf(t, nil, nil)
	dated := changed(ten(1), func(k *Token) { k.Expires = day("2027-01-01") })
	for date, want := range map[string]int{"2026-12-31": 11, "2027-01-01": 1} {
		if got := Derive(ring, here, Clock{Now: day(date), Trusted: true, Ran: 50_000 * hour}, []Document{held(t, dated, "2026-12-01")}).Buttons(); got != want {
			t.Errorf("%s: %d buttons", date, got)
		}
	}
}

func TestTimeThatRunsBackIsNoTime(t *testing.T) {
	keeping := Timekeeping{Mark: day("2027-05-01"), Ran: hour}
	if got := keeping.Observe(Reading{Elapsed: -hour}); got != keeping {
		t.Errorf("%+v", got)
	}
}

// Somebody sets the clock to 2040, activates a license for a day, and from then on keeps the clock from running.
func TestAClockThatIsHeldStillEndsTheLicenseAndItsGrace(t *testing.T) {
	ring := ringOf(t, nil, nil)
	token := access(1)
	token.Term = Term{Days: 1}
	held := Reading{Wall: day("2040-01-01"), Source: Administrator}
	keeping := Timekeeping{}.Prove(issued).Observe(held)
	v := Examine(text(t, token, rootKey), ring, here, keeping.Clock(held), nil, "")
	if v.Result != Activated {
		t.Fatal(v.Message)
	}
	stored := kept(t, nil, v)
	for hours := range 16 * 24 {
		e := Derive(ring, here, keeping.Clock(held), stored)
		if on, grace := e.Allows(AccessBasic), e.AccessGrace(held.Wall); on != (hours < 24) || grace != (hours >= 24 && hours < 15*24) {
			t.Fatalf("after %d hours: on %v, grace %v: %+v", hours, on, grace, e.List())
		}
		keeping = keeping.Observe(Reading{Wall: held.Wall, Source: Administrator, Elapsed: hour})
	}
}

// Somebody mistypes the year, enters a license, and corrects the clock the next morning.
func TestALicenseThatWasActivatedByAWrongClockLastsAsLongAsAnyOther(t *testing.T) {
	ring := ringOf(t, nil, nil)
	token := access(1)
	token.Term = Term{Days: 10}
	wrong := Reading{Wall: day("2040-01-01"), Source: Administrator}
	keeping := Timekeeping{}.Prove(issued).Observe(wrong)
	stored := kept(t, nil, Examine(text(t, token, rootKey), ring, here, keeping.Clock(wrong), nil, ""))
	for hours := range 12 * 24 {
		right := Reading{Wall: issued.Add(time.Duration(hours) * hour), Source: Administrator}
		if e := Derive(ring, here, keeping.Clock(right), stored); e.Allows(AccessBasic) != (hours < 240) {
			t.Fatalf("after %d hours: %+v", hours, e.List())
		}
		right.Wall, right.Elapsed = right.Wall.Add(hour), hour
		keeping = keeping.Observe(right)
	}
}

// spell is some time in the life of a panel whose clock is in the hands of somebody.
type spell struct {
	on     bool          // switched on, else off
	length time.Duration // true time
	wall   time.Time     // what the clock shows at its end
	source TimeSource
}

// anySpell draws clocks that run well, stand still, are wound back and forth, are empty, or are typed in.
func anySpell(truth time.Time) *rapid.Generator[spell] {
	return rapid.Custom(func(r *rapid.T) spell {
		s := spell{
			on: rapid.IntRange(0, 3).Draw(r, "on") > 0, length: time.Duration(rapid.IntRange(0, 72*60).Draw(r, "minutes")) * time.Minute,
			source: rapid.SampledFrom([]TimeSource{Synchronized, Administrator, Battery, Unknown}).Draw(r, "source"),
		}
		switch rapid.IntRange(0, 3).Draw(r, "clock") {
		case 0:
			s.wall = time.Unix(int64(rapid.IntRange(-1, 100_000).Draw(r, "boot")), 0)
		case 1:
			s.wall = truth.Add(s.length)
		case 2:
			s.wall = truth.Add(s.length - time.Duration(rapid.IntRange(0, 100*24).Draw(r, "hours back"))*hour)
		case 3:
			s.wall = truth.Add(s.length + time.Duration(rapid.IntRange(0, 20*365*24).Draw(r, "hours ahead"))*hour)
		}
		return s
	})
}

// live lets a panel live through random spells and calls look after each of them.
func live(r *rapid.T, keeping Timekeeping, truth time.Time, look func(before, after Timekeeping, s spell, truth time.Time)) {
	for range rapid.IntRange(0, 40).Draw(r, "spells") {
		s := anySpell(truth).Draw(r, "spell")
		truth = truth.Add(s.length)
		before := keeping
		if s.on {
			keeping = keeping.Observe(Reading{Wall: s.wall, Source: s.source, Elapsed: s.length})
		} else {
			keeping = Timekeeping{Mark: keeping.Mark, Ran: keeping.Ran, Leapt: keeping.Leapt}
			keeping = keeping.Observe(Reading{Wall: s.wall, Source: s.source})
		}
		look(before, keeping, s, truth)
	}
}

func TestTheMarkNeverGoesDownAndRunsWithThePanel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		live(r, Timekeeping{}.Prove(issued), issued, func(before, after Timekeeping, s spell, _ time.Time) {
			if ran := after.Ran - before.Ran; ran < 0 || after.Mark.Before(before.Mark.Add(ran)) {
				r.Fatalf("%+v: the mark went from %v to %v", s, before.Mark, after.Mark)
			}
		})
	})
}

func TestWithoutProofTheMarkGainsADayOnRunningTimeAtMost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		start := Timekeeping{}.Prove(issued)
		stood := time.Duration(0)
		live(r, start, issued, func(_, after Timekeeping, s spell, _ time.Time) {
			if stood += s.length; !s.on || s.source != Administrator {
				stood = 0
			}
			if s.source == Administrator && stood >= settling {
				start = after // an administrator's word may have settled
			}
			if gained := after.Mark.Sub(start.Mark) - (after.Ran - start.Ran); gained > leapLimit {
				r.Fatalf("%+v: %v too much", s, gained)
			}
		})
	})
}

// Time that nobody vouches for, and honest sources, never carry the mark beyond the truth.
func TestAnHonestPanelIsNeverAheadOfTheTruth(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		keeping, truth := Timekeeping{}.Prove(issued), issued
		for range rapid.IntRange(0, 40).Draw(r, "spells") {
			s := anySpell(truth).Draw(r, "spell")
			truth = truth.Add(s.length)
			reading := Reading{Wall: s.wall, Source: s.source, Elapsed: s.length}
			if s.source != Unknown {
				reading.Wall = truth
			}
			if !s.on {
				reading.Elapsed = 0
			}
			keeping = keeping.Observe(reading)
			if keeping.Mark.After(truth) {
				r.Fatalf("%+v: the mark is %v ahead", s, keeping.Mark.Sub(truth))
			}
		}
	})
}

// A typing error that is corrected before it has stood for a day of running time leaves nothing behind.
func TestATypingErrorThatIsCorrectedInTimeCostsNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		keeping, truth := Timekeeping{}.Prove(issued), issued
		wrong := time.Duration(rapid.IntRange(-20*365*24, 50*365*24).Draw(r, "hours wrong")) * hour
		stood := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(r, "looks") {
			elapsed := time.Duration(rapid.IntRange(1, 6*60).Draw(r, "minutes")) * time.Minute
			if stood += elapsed; stood > 24*hour {
				break
			}
			truth = truth.Add(elapsed)
			keeping = keeping.Observe(Reading{Wall: truth.Add(wrong), Source: Administrator, Elapsed: elapsed})
		}
		r.Log(stood)
		right := Reading{Wall: truth, Source: rapid.SampledFrom([]TimeSource{Administrator, Synchronized}).Draw(r, "by")}
		keeping = keeping.Observe(right)
		if clock := keeping.Clock(right); clock.Mark.After(truth) || !clock.Trusted || !clock.latest().Equal(truth) {
			r.Fatalf("%+v at %v", clock, truth)
		}
	})
}

func TestPerpetualRightsAndTheFreeButtonNeedNoClock(t *testing.T) {
	ring := ringOf(t, nil, nil)
	stored := []Document{activated(t, signed(t, ten(1), rootKey), issued)}
	rapid.Check(t, func(r *rapid.T) {
		live(r, Timekeeping{}, issued, func(_, after Timekeeping, s spell, _ time.Time) {
			clock := after.Clock(Reading{Wall: s.wall, Source: s.source})
			if got := Derive(ring, here, clock, stored).Buttons(); got != 11 {
				r.Fatalf("%+v: %d buttons", s, got)
			}
			if got := Derive(ring, here, clock, nil).Buttons(); got != 1 {
				r.Fatalf("%+v: %d free buttons", s, got)
			}
		})
	})
}

// Whoever holds the clock gains what the panel was switched off for, and nothing by winding it: a license with an end counts for no
// more running time than lies between its issue and its end.
func TestAnEndCannotBePutOffByWindingTheClock(t *testing.T) {
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		days := rapid.IntRange(1, 20).Draw(r, "days")
		token := ten(1)
		token.Expires = issued.AddDate(0, 0, days)
		stored := []Document{activated(t, signed(t, token, rootKey), issued)}
		counted := time.Duration(0)
		live(r, Timekeeping{}.Prove(issued), issued, func(before, after Timekeeping, s spell, _ time.Time) {
			if Derive(ring, here, after.Clock(Reading{Wall: s.wall, Source: s.source}), stored).Buttons() > 1 {
				counted += after.Ran - before.Ran
			}
			if sold := token.Expires.Sub(issued); counted > sold {
				r.Fatalf("%v of %v", counted, sold)
			}
		})
	})
}

// A term begins at activation, so whoever activates with a clock that is far ahead and then keeps it from running would have the
// license for ever. Running time ends it.
func TestATermIsNoLongerThanWhatThePanelRan(t *testing.T) {
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		token := access(1)
		token.Term = Term{Days: rapid.IntRange(1, 20).Draw(r, "days")}
		code := text(t, token, rootKey)
		var stored []Document
		counted, graced := time.Duration(0), time.Duration(0)
		live(r, Timekeeping{}.Prove(issued), issued, func(before, after Timekeeping, s spell, _ time.Time) {
			clock := after.Clock(Reading{Wall: s.wall, Source: s.source})
			e := Derive(ring, here, clock, stored)
			if e.Allows(AccessBasic) {
				counted += after.Ran - before.Ran
			}
			if e.Allows(AccessBasic) || e.AccessGrace(clock.Now) {
				graced += after.Ran - before.Ran
			}
			sold := time.Duration(token.Term.Days) * 24 * hour
			if counted > sold || graced > sold+(graceDays+1)*24*hour {
				r.Fatalf("%v and %v with its grace, of %v", counted, graced, sold)
			}
			if len(stored) > 0 {
				return
			}
			if v := Examine(code, ring, here, clock, stored, ""); v.Result == Activated {
				stored = kept(t, stored, v)
			}
		})
	})
}

// An owner who does not touch the clock has every day that was paid for, also on a board that forgets the time at each power cut.
func TestAnHonestOwnerHasTheWholeTerm(t *testing.T) {
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		token := access(1)
		token.Term = Term{Days: rapid.IntRange(1, 40).Draw(r, "days")}
		keeping, truth := Timekeeping{}.Prove(issued.AddDate(0, 0, -rapid.IntRange(0, 300).Draw(r, "built"))), issued
		code := text(t, token, rootKey)
		var stored []Document
		var end time.Time
		for range rapid.IntRange(0, 60).Draw(r, "spells") {
			s := anySpell(truth).Draw(r, "spell")
			truth = truth.Add(s.length)
			reading := Reading{Wall: truth, Source: s.source, Elapsed: s.length}
			if s.source == Unknown {
				reading.Wall = time.Unix(100, 0)
			}
			if !s.on {
				keeping = Timekeeping{Mark: keeping.Mark, Ran: keeping.Ran, Leapt: keeping.Leapt}
				reading.Elapsed = 0
			}
			keeping = keeping.Observe(reading)
			clock := keeping.Clock(reading)
			if end.IsZero() {
				if v := Examine(code, ring, here, clock, stored, ""); v.Result == Activated {
					stored, end = kept(t, stored, v), truth.AddDate(0, 0, token.Term.Days)
				}
			}
			e := Derive(ring, here, clock, stored)
			if truth.Before(end) && !e.Allows(AccessBasic) {
				r.Fatalf("%v before its end, with %+v: %+v", end.Sub(truth), clock, e.List())
			}
			if s.source != Unknown && !end.IsZero() && !truth.Before(end) && e.Allows(AccessBasic) {
				r.Fatalf("%v after its end", truth.Sub(end))
			}
		}
	})
}

func changed(token Token, change func(*Token)) Token {
	change(&token)
	return token
}
