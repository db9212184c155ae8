package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/store"
)

// estate is a license ledger over a real store, and the hub that keeps its time.
type estate struct {
	testing.TB
	dir    string
	store  *store.Store
	ledger *Ledger
	stop   func()
}

func newEstate(t testing.TB) *estate {
	t.Helper()
	e := &estate{TB: t, dir: t.TempDir()}
	e.start()
	t.Cleanup(func() { e.halt() })
	return e
}

// start opens the store and lets time pass in it.
func (e *estate) start() {
	e.Helper()
	s, notes, err := store.Open(store.Options{Dir: e.dir})
	if err != nil || len(notes) > 0 {
		e.Fatal(notes, err)
	}
	e.store = s
	e.ledger = e.keeper("hub")
	e.stop = e.run(e.ledger)
}

func (e *estate) keeper(name string) *Ledger {
	e.Helper()
	l, err := NewLedger(LedgerOptions{Name: name, Store: e.store, Leases: e.store})
	if err != nil {
		e.Fatal(err)
	}
	return l
}

func (e *estate) run(l *Ledger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { l.Run(ctx) })
	return func() { cancel(); all.Wait() }
}

// halt is a hub that goes down.
func (e *estate) halt() {
	if e.stop == nil {
		return
	}
	e.stop()
	e.stop = nil
	if err := e.store.Close(); err != nil {
		e.Error(err)
	}
}

func (e *estate) do(changes ...ledger.Change) {
	e.Helper()
	for _, c := range changes {
		if _, err := e.ledger.Decide(ledger.Request{Who: "anna"}, c); err != nil {
			e.Fatalf("%s: %v", c.What(), err)
		}
	}
}

func (e *estate) refused(c ledger.Change, reason ledger.Reason) *ledger.Refusal {
	e.Helper()
	_, err := e.ledger.Decide(ledger.Request{Who: "anna"}, c)
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != reason {
		e.Fatalf("%s: %v, not refused with %s", c.What(), err, reason)
	}
	return refusal
}

func (e *estate) line(group, name string) (line ledger.Line, kind ledger.Type) {
	e.Helper()
	err := e.ledger.Look(func(book ledger.Book) error {
		s, err := ledger.StateOf(book, time.Now(), ledger.Subject{Group: group}, ledger.Asker{All: true})
		line, kind = s.Line(name), s.Type
		return err
	})
	if err != nil {
		e.Fatal(err)
	}
	return line, kind
}

// working lists what is in use in a group and not suspended, as it is stored; the panels themselves are not asked for.
func (e *estate) working(group string) (names []string) {
	e.Helper()
	err := e.ledger.Look(func(book ledger.Book) error {
		for u, err := range book.UsesIn(group, "") {
			if err != nil {
				return err
			}
			if u.Suspended() == 0 && u.Resource != ledger.Panels {
				names = append(names, u.ID)
			}
		}
		return nil
	})
	if err != nil {
		e.Fatal(err)
	}
	return names
}

func (e *estate) deliveries() []fleet.Delivery {
	e.Helper()
	page, err := e.store.Deliveries(fleet.DeliveryQuery{})
	if err != nil {
		e.Fatal(err)
	}
	return page.Deliveries
}

func allowance(numbers int, until time.Time, r *ledger.Reminder) ledger.Limits {
	return ledger.Limits{Restricted: true, Reminder: r, Blocks: []ledger.Block{{ID: "b", Counts: ledger.SIPNumbers.Of(numbers), Until: until}}}
}

func made(id, parent, level string, l ledger.Limits) ledger.Change {
	return ledger.CreateGroup{Group: ledger.Group{ID: id, Parent: parent, Name: strings.ToUpper(id), Level: level, Limits: l, Zone: "Europe/Rome", Administrators: []string{"dealer@example.org"}}}
}

const testPanel = "aaaaaaaaaaaaaaaaaaaaaaaaaa"

// TestATermEndsByItselfAndRenewalBringsAllBack is story 13 over a real store.
func TestATermEndsByItselfAndRenewalBringsAllBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		until := time.Now().Add(72 * time.Hour)
		e.do(made("company", "", "", allowance(5, until, nil)), ledger.RegisterDevice{ID: testPanel, Group: "company"})
		for i := range 4 {
			e.do(ledger.Consume{ID: fmt.Sprint("use-", i), Group: "company"})
			time.Sleep(time.Second) // of the bubble: uses of different age
		}
		e.do(ledger.Pin{Use: "use-3", On: true})
		time.Sleep(time.Until(until) - 1)
		synctest.Wait()
		if got := e.working("company"); len(got) != 4 {
			t.Errorf("before the end %v work", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := e.working("company"); !slices.Equal(got, []string{"use-0", "use-3"}) {
			t.Errorf("at the end %v work: two are left of Basic, the pinned one and then the oldest", got)
		}
		if line, kind := e.line("company", "sip_numbers"); kind != ledger.Basic || line.Maximum != 2 || line.Used != 4 || line.Available != 0 {
			t.Errorf("it stands on %s with %+v", kind, line)
		}
		e.refused(ledger.Consume{ID: "more", Group: "company"}, ledger.LimitReached)
		time.Sleep(10 * time.Minute)
		e.do(ledger.SaveLicenses{Above: true, Group: "company", Limits: allowance(5, time.Now().AddDate(1, 0, 0), nil)})
		if got := e.working("company"); len(got) != 4 {
			t.Errorf("after the renewal %v work", got)
		}
		if whole, err := e.store.VerifyLedger(t.Context()); err != nil || whole == 0 {
			t.Errorf("%d entries, %v", whole, err)
		}
	})
}

func TestAHubThatWasAwayForTwoDaysRemindsOnceAndDoesWhatWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		until := time.Now().Add(10 * 24 * time.Hour)
		e.do(made("company", "", "", ledger.Limits{}), made("building", "company", "building", allowance(5, until, &ledger.Reminder{Days: 5, Every: ledger.Daily})),
			made("other", "company", "building", allowance(1, time.Now().Add(6*24*time.Hour), nil)), ledger.Consume{ID: "x", Group: "other"})
		time.Sleep(5*24*time.Hour - time.Hour)
		synctest.Wait()
		before := len(e.deliveries())
		e.halt()
		time.Sleep(2 * 24 * time.Hour)
		e.start()
		synctest.Wait()
		if n := len(e.deliveries()) - before; n != 1 {
			t.Errorf("%d reminders after two days", n)
		}
		if got := e.working("other"); len(got) != 0 {
			t.Errorf("%v work although their license ended while the hub was away", got)
		}
		e.halt()
		e.start()
		synctest.Wait()
		if n := len(e.deliveries()) - before; n != 1 {
			t.Errorf("%d reminders after another start", n)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := len(e.deliveries()) - before; n != 2 {
			t.Errorf("%d reminders a day later", n)
		}
	})
}

func TestOfTwoHubsOneKeepsTheTimeUntilItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		synctest.Wait()
		second := e.keeper("second")
		stop := e.run(second)
		defer stop()
		e.do(made("company", "", "", allowance(5, time.Now().Add(time.Hour), nil)), ledger.RegisterDevice{ID: testPanel, Group: "company"})
		for i := range 3 {
			e.do(ledger.Consume{ID: fmt.Sprint("use-", i), Group: "company"})
		}
		if mine, err := e.store.Lease(ledgerWork, "third", time.Now(), time.Now().Add(time.Minute)); mine || err != nil {
			t.Errorf("a third hub got the work: %v", err)
		}
		e.stop() // it gives the work back
		e.stop = func() {}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := e.working("company"); len(got) != 2 {
			t.Errorf("%v work after the end", got)
		}
	})
}

// refusing is a store that cannot write for a while, and counts what it is asked to.
type refusing struct {
	LedgerStore
	fail    atomic.Pointer[error]
	decided atomic.Int64
}

func (r *refusing) Decide(q ledger.Request, c ledger.Change) (ledger.Changes, error) {
	r.decided.Add(1)
	if fail := r.fail.Load(); fail != nil {
		return ledger.Changes{}, *fail
	}
	return r.LedgerStore.Decide(q, c)
}

func TestTimeThatCouldNotBeWrittenIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		e.stop()
		full := &refusing{LedgerStore: e.store}
		l, err := NewLedger(LedgerOptions{Store: full, Leases: e.store})
		if err != nil {
			t.Fatal(err)
		}
		e.ledger, e.stop = l, e.run(l)
		e.do(made("company", "", "", allowance(5, time.Now().Add(time.Hour), nil)), ledger.Consume{ID: "x", Group: "company"})
		synctest.Wait()
		noRoom := errors.New("no room left")
		full.fail.Store(&noRoom)
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		if got := e.working("company"); len(got) != 1 {
			t.Errorf("%v", got)
		}
		full.fail.Store(nil)
		time.Sleep(ledgerRest)
		synctest.Wait()
		if got := e.working("company"); len(got) != 0 {
			t.Errorf("%v work although the store takes writes again", got)
		}
	})
}

func TestWhatAClockEndedThatRanAheadIsBackWhenItIsSetRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		e.stop()
		var ahead atomic.Int64
		counting := &refusing{LedgerStore: e.store}
		l, err := NewLedger(LedgerOptions{Store: counting, Leases: e.store, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
		if err != nil {
			t.Fatal(err)
		}
		e.ledger, e.stop = l, e.run(l)
		e.do(made("company", "", "", allowance(5, time.Now().AddDate(0, 1, 0), nil)), ledger.Consume{ID: "x", Group: "company"})
		ahead.Store(int64(365 * 24 * time.Hour))
		time.Sleep(ledgerPoll)
		synctest.Wait()
		if got := e.working("company"); len(got) != 0 {
			t.Fatalf("%v work, by a clock by which their license ended", got)
		}
		ahead.Store(0)
		time.Sleep(ledgerPoll)
		synctest.Wait()
		if got := e.working("company"); len(got) != 1 {
			t.Errorf("nobody works although the clock is right again and the license has not ended")
		}
		decided := counting.decided.Load()
		time.Sleep(10 * ledgerPoll)
		synctest.Wait()
		if n := counting.decided.Load() - decided; n > 0 {
			t.Errorf("%d decisions about nothing after that", n)
		}
	})
}

func TestAMarkThatIsAheadAsksForNoMoreThanOneLookAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		e.stop()
		counting := &refusing{LedgerStore: e.store}
		l, err := NewLedger(LedgerOptions{Store: counting, Leases: e.store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.store.Decide(ledger.Request{At: time.Now().Add(time.Hour)}, made("company", "", "", ledger.Limits{})); err != nil {
			t.Fatal(err)
		}
		e.ledger, e.stop = l, e.run(l)
		time.Sleep(10*ledgerPoll - 1)
		synctest.Wait()
		if n := counting.decided.Load(); n != 10 {
			t.Errorf("%d decisions in ten minutes", n)
		}
	})
}
