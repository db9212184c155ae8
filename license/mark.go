package license

import "time"

// TimeSource says who vouches for what the clock on the wall shows.
type TimeSource string

// The sources, best first.
const (
	Synchronized  TimeSource = "synchronized"  // the kernel says that it follows a time server
	Administrator TimeSource = "administrator" // somebody with the right to typed it
	Battery       TimeSource = "battery"       // the board's own clock, which runs on a battery
	Unknown       TimeSource = ""              // nobody: a board without a battery begins somewhere
)

// Reading is one look at a panel's clocks.
type Reading struct {
	Wall    time.Time
	Source  TimeSource
	Elapsed time.Duration // running time since the reading before; 0 for the first one after a start
}

const (
	// leapLimit is how far unsigned time moves the mark beyond running time, in all, until signed time is seen again.
	leapLimit = 24 * time.Hour
	// settling is how long of running time an administrator's word stands, uncorrected, before the mark follows it.
	settling = 24 * time.Hour
	// batterySlack is how far a battery clock may be behind the mark and still be believed: it is slower than the panel's own,
	// or somebody set it by the time of another zone.
	batterySlack = 24 * time.Hour
	// steady is how far a clock may be off what running time says and still count as not touched.
	steady = 2 * time.Second
)

// Timekeeping is what a panel knows about the time without believing anybody too much: the high-water mark, a time that has
// certainly passed, and for how long it has run. It is a value; each observation makes a new one. The zero value knows nothing.
// After a restart the exported fields must be known again; the rest begins anew.
type Timekeeping struct {
	Mark  time.Time
	Ran   time.Duration // running time of this panel in all, over every start
	Leapt time.Duration // how much of a day's leap unsigned time has used up

	word  time.Time     // what an administrator's clock showed last
	stood time.Duration // for how long nobody has touched that clock
}

// Prove takes note of a time that has passed for sure: when this program was built, when a verified license was issued.
func (t Timekeeping) Prove(at time.Time) Timekeeping {
	if onCalendar(at) && at.After(t.Mark) {
		t.Mark, t.Leapt = at, 0
	}
	return t
}

// Recover joins what is known with what a whole journal shows that was read from nothing and may hold time that is known already.
// A journal that begins while the clock was wrong carries the mark no further than the time that it shows to have been run.
func (t Timekeeping) Recover(journal Timekeeping) Timekeeping {
	if most := t.Mark.Add(journal.Ran + leapLimit); !t.Mark.IsZero() && journal.Mark.After(most) {
		journal.Mark = most
	}
	return Timekeeping{Mark: later(t.Mark, journal.Mark), Ran: max(t.Ran, journal.Ran), Leapt: max(t.Leapt, journal.Leapt)}
}

// Observe takes note of one look at the clocks. Running time has passed whatever the clock on the wall says, so that winding that
// clock back gains nothing. A clock that somebody vouches for takes the mark further, by a day in all: a spoofed time server that
// says 2040 ends nothing for good, neither in one step nor in many small ones. The mark follows the first such clock where
// nothing is known yet.
func (t Timekeeping) Observe(r Reading) Timekeeping {
	elapsed := max(r.Elapsed, 0)
	t.Ran += elapsed
	if !t.Mark.IsZero() {
		t.Mark = t.Mark.Add(elapsed)
	}
	if r.Source != Administrator {
		t.word, t.stood = time.Time{}, 0
	}
	if !t.Trusts(r) {
		return t
	}
	ahead := r.Wall.Sub(t.Mark)
	switch {
	case r.Source == Administrator:
		t = t.hear(r.Wall, elapsed)
	case t.Mark.IsZero():
		t.Mark = r.Wall
	case ahead > 0:
		leap := min(ahead, leapLimit-t.Leapt)
		t.Mark, t.Leapt = t.Mark.Add(leap), t.Leapt+leap
	}
	return t
}

// hear lets an administrator's clock stand for a day of running time before the mark follows it: a typing error that is corrected
// by then costs nothing.
func (t Timekeeping) hear(wall time.Time, elapsed time.Duration) Timekeeping {
	if t.word.IsZero() || wall.Sub(t.word.Add(elapsed)).Abs() > steady {
		t.stood = 0
	} else {
		t.stood = min(t.stood+elapsed, settling)
	}
	t.word = wall
	if t.stood >= settling {
		return t.Prove(wall)
	}
	return t
}

// Trusts tells whether what the clock on the wall shows may be believed.
func (t Timekeeping) Trusts(r Reading) bool {
	switch r.Source {
	case Synchronized, Administrator:
		return onCalendar(r.Wall)
	case Battery:
		return onCalendar(r.Wall) && !r.Wall.Before(t.Mark.Add(-batterySlack))
	}
	return false
}

// Clock is what rights are derived with.
func (t Timekeeping) Clock(r Reading) Clock {
	return Clock{Now: r.Wall, Mark: t.Mark, Trusted: t.Trusts(r), Ran: t.Ran}
}

// Settles is how long of running time an administrator's clock still has to stand before what it says is taken for certain; 0 when
// it has stood long enough, or when no administrator's clock speaks.
func (t Timekeeping) Settles() time.Duration {
	if t.word.IsZero() {
		return 0
	}
	return settling - t.stood
}

// onCalendar refuses what a broken clock shows: a time that no license can name.
func onCalendar(at time.Time) bool { return at.Unix() > 0 && at.Unix() < maxUnixTime }

// Proven is the newest time that verified documents show to have passed: when they were issued. What a root signed counts, and what an
// issuer signed whose delegation has an end, so that an issuer's clock can be wrong only as far as the root allows. Other panels'
// times prove nothing. Zero when nothing is proven.
func (e Entitlements) Proven() time.Time { return e.proven }

// proves is when the license was certainly issued; zero when nobody bounds its issuer's clock.
func (k Keyring) proves(o opened) time.Time {
	_, own := k.root(o.Issuer)
	if bounded := own || !k.issuers[o.Issuer].Expires.IsZero(); !bounded || !o.revoked.IsZero() {
		return time.Time{}
	}
	return o.IssuedAt
}

// proven is when the newest of the delegations and revocation lists was issued.
func (k Keyring) proven() time.Time {
	var newest time.Time
	for _, standing := range k.issuers {
		newest = later(newest, standing.IssuedAt)
	}
	for _, list := range k.lists {
		newest = later(newest, list.IssuedAt)
	}
	return newest
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
