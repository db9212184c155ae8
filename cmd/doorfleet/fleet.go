package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/uplink"
)

// admission gives a panel its way to the hub: enrolled by a hub, or as a user of a broker.
type admission interface {
	// admit lets one panel in. What it returns completes the options of every uplink of that panel, and names the keys whose
	// orders the panel takes.
	admit(ctx context.Context, c *core) (complete func(*uplink.Options) error, orders []ed25519.PublicKey, err error)
}

// servers can take the hub and its broker away for a while; both fields may be nil.
type servers struct {
	hub, broker func(ctx context.Context, away time.Duration) error
}

// setup says what a fleet is to be.
type setup struct {
	panels, sites int
	dir           string
	seed          uint64
	rate          float64 // entries a minute and panel
	daily         bool    // less at night
	refused       bool    // only cards that nobody knows: one entry each
	speed         float64 // of the story
	admission     admission
	servers       servers
	timing        timing
	log           *slog.Logger
	said          func(string) // what happens, for people; nil: nobody
}

// fleet is many panels in one process.
type fleet struct {
	setup
	places []*place
	cores  []*core
	meter  *meter
	agenda *agenda
	rand   *rand.Rand // of the agenda's goroutine
	habits []*habits
	pace   atomic.Uint64 // entries a minute and panel, as bits of a float64
	era    atomic.Uint64 // raised when the pace changes: whoever was on the way to a panel turns around
	over   chan struct{} // closed by the story's end
	end    sync.Once

	happenings sync.WaitGroup // outages and the like that are going on
	stopping   context.Context
	stop       context.CancelFunc

	mu      sync.Mutex
	outages []outage
	waking  map[string]func() error // by outage, what ends it; for the end of the program
}

// outage is something that was taken away on purpose.
type outage struct {
	What   string    `json:"what"`
	Whom   string    `json:"whom"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until,omitzero"` // zero: to the end
	Panels []string  `json:"panels"`         // their ids
	Sites  []string  `json:"sites"`
}

const zoneName = "Europe/Rome"

// newFleet makes the panels, or finds those that are in the directory already. None of them has power yet.
func newFleet(s setup) (*fleet, error) {
	if s.panels < 1 || s.sites < 1 || s.sites > s.panels {
		return nil, fmt.Errorf("cannot make a fleet of %d panels on %d sites: each site has at least one", s.panels, s.sites)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.said == nil {
		s.said = func(string) {}
	}
	if s.speed <= 0 {
		s.speed = 1
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return nil, err
	}
	f := &fleet{setup: s, meter: newMeter(), agenda: newAgenda(), rand: rand.New(rand.NewPCG(s.seed, 0)), over: make(chan struct{}), waking: map[string]func() error{}}
	f.stopping, f.stop = context.WithCancel(context.Background())
	f.pace.Store(math.Float64bits(s.rate))
	for i := range s.sites {
		f.places = append(f.places, &place{id: slug(siteName(i)), name: siteName(i), zone: zone})
	}
	for i := range s.panels {
		c, err := f.newCore(i+1, f.places[i%s.sites])
		if err != nil {
			return nil, err
		}
		f.cores = append(f.cores, c)
		h := newHabits(s.seed, i+1)
		h.refused = s.refused
		f.habits = append(f.habits, h)
	}
	return f, nil
}

func (f *fleet) newCore(index int, site *place) (*core, error) {
	dir := filepath.Join(f.dir, fmt.Sprintf("panel-%05d", index))
	key, err := loadKey(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot make panel %d: %w", index, err)
	}
	entitlements, err := entitle(key)
	if err != nil {
		return nil, fmt.Errorf("cannot make panel %d: %w", index, err)
	}
	c := &core{
		index: index, name: panelName(len(site.panels)), site: site, id: envelope.NameOf(key.Public().(ed25519.PublicKey)), key: key, dir: dir,
		line: newLine(), clock: newCoreClock(), rights: rights{entitlements: entitlements}, meter: f.meter, log: f.log, timing: f.timing,
	}
	site.panels = append(site.panels, c)
	return c, nil
}

// eachAtOnce does something with panels, some of them at the same time, and joins what fails.
func eachAtOnce(cores []*core, atOnce int, do func(*core) error) error {
	var mu sync.Mutex
	var faults []error
	var working sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, c := range cores {
		free <- struct{}{}
		working.Go(func() {
			defer func() { <-free }()
			if err := do(c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if len(faults) < maxFaults {
					faults = append(faults, fmt.Errorf("panel %d (%s): %w", c.index, c.id, err))
				}
			}
		})
	}
	working.Wait()
	return errors.Join(faults...)
}

// admit lets every panel in. made is told after each.
func (f *fleet) admit(ctx context.Context, atOnce int, made func()) error {
	return eachAtOnce(f.cores, atOnce, func(c *core) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		complete, orders, err := f.admission.admit(ctx, c)
		if err != nil {
			return err
		}
		c.dials, c.rights.orders = complete, orders
		made()
		return nil
	})
}

// powerOn boots every panel, evenly over a time.
func (f *fleet) powerOn(ctx context.Context, over time.Duration, made func()) error {
	began := time.Now()
	for i, c := range f.cores {
		if err := sleep(ctx, time.Until(began.Add(over*time.Duration(i)/time.Duration(len(f.cores))))); err != nil {
			return err
		}
		if err := c.powerOn(); err != nil {
			return fmt.Errorf("panel %d: %w", c.index, err)
		}
		made()
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// live lets people come and go at every panel until ctx ends.
func (f *fleet) live(ctx context.Context) {
	f.setPace(f.rate)
	f.agenda.run(ctx)
}

// setPace changes how much happens, from now on.
func (f *fleet) setPace(perMinute float64) {
	f.pace.Store(math.Float64bits(perMinute))
	era := f.era.Add(1)
	if perMinute <= 0 {
		return
	}
	now := time.Now()
	for i := range f.cores {
		f.expect(i, now, era)
	}
}

// expect puts the next visit to a panel on the agenda.
func (f *fleet) expect(i int, now time.Time, era uint64) {
	c := f.cores[i]
	pace := math.Float64frombits(f.pace.Load())
	if f.daily {
		pace *= busy(now.In(c.site.zone))
	}
	after, steps := f.habits[i].next(pace)
	// A quiet hour is looked at again, since the next may be a lively one.
	at := now.Add(after)
	if limit := now.Add(time.Hour); at.After(limit) {
		f.agenda.add(limit, func() { f.again(i, limit, era) })
		return
	}
	f.agenda.add(at, func() {
		if f.era.Load() != era {
			return
		}
		f.come(c, steps)
		f.again(i, at, era)
	})
}

// again goes on from the time at which the last visit was due, so that a machine that is late does not make less happen.
func (f *fleet) again(i int, from time.Time, era uint64) {
	if f.era.Load() == era {
		if late := time.Since(from); late > time.Minute {
			from = time.Now() // the whole program was asleep
		}
		f.expect(i, from, era)
	}
}

// come does what a visitor does. Without power nobody gets anywhere.
func (f *fleet) come(c *core, steps []step) {
	f.meter.visits.Add(1)
	now := time.Now()
	for _, s := range steps {
		if s.after == 0 {
			c.perform(s.deed)
			continue
		}
		f.agenda.add(now.Add(s.after), func() { c.perform(s.deed) })
	}
}

func (c *core) perform(d deed) {
	l := c.alive()
	if l == nil {
		return
	}
	var err error
	switch d.what {
	case badge:
		err = l.hardware.Badge(d.reader, cardOf(d.n))
	case press:
		err = l.hardware.Press(d.n)
	case exit:
		err = l.hardware.Input("exit", true)
	case open, shut:
		err = l.hardware.Contact(d.door, d.what == open)
	}
	if err != nil {
		c.meter.fault(fmt.Sprintf("panel %d: %v", c.index, err))
	}
}

// who finds the panels that a story names.
func (f *fleet) who(w whom) ([]*core, error) {
	switch {
	case w.all:
		return f.cores, nil
	case w.percent > 0:
		n := max(int(math.Round(w.percent/100*float64(len(f.cores)))), 1)
		var some []*core
		for _, i := range f.rand.Perm(len(f.cores))[:n] {
			some = append(some, f.cores[i])
		}
		return some, nil
	case w.site == "":
		if w.panel > len(f.cores) {
			return nil, fmt.Errorf("there is no panel %d, there are %d", w.panel, len(f.cores))
		}
		return f.cores[w.panel-1 : w.panel], nil
	}
	for _, p := range f.places {
		if !strings.EqualFold(p.name, w.site) && !strings.EqualFold(p.id, w.site) {
			continue
		}
		if w.panel == 0 {
			return p.panels, nil
		}
		if w.panel > len(p.panels) {
			return nil, fmt.Errorf("there is no panel %d at site %s, there are %d", w.panel, p.name, len(p.panels))
		}
		return p.panels[w.panel-1 : w.panel], nil
	}
	return nil, fmt.Errorf("there is no site %q; the first is %q, the last %q", w.site, f.places[0].name, f.places[len(f.places)-1].name)
}

// check finds what of a story cannot happen to this fleet.
func (f *fleet) check(scenes []scene) error {
	var faults []error
	for _, s := range scenes {
		var err error
		switch {
		case s.what == theEnd || s.what == rated:
		case s.whom.hub && f.servers.hub == nil:
			err = errors.New("nobody here can stop the hub; give --hub-away a command that does")
		case s.whom.broker && f.servers.broker == nil:
			err = errors.New("nobody here can stop the broker; give --broker-away a command that does")
		case !s.whom.hub && !s.whom.broker:
			_, err = f.who(s.whom)
		}
		if err != nil {
			faults = append(faults, mistake{s.row, s.text, err.Error()})
		}
	}
	return errors.Join(faults...)
}

// play puts a story on the agenda, with its times divided by the speed. What it says about lengths is divided, too.
func (f *fleet) play(scenes []scene) {
	now := time.Now()
	for _, s := range scenes {
		f.agenda.add(now.Add(f.scaled(s.at)), func() { f.happen(s) })
	}
}

func (f *fleet) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / f.speed) }

// trouble makes an outage from time to time, for as long as the agenda runs: every on average, a quarter to twice as long between
// two, each some seconds to minutes long.
func (f *fleet) trouble(every time.Duration) {
	wait := every/4 + time.Duration(f.rand.Float64()*1.5*float64(every))
	f.agenda.add(time.Now().Add(wait), func() {
		f.happen(f.misfortune())
		f.trouble(every)
	})
}

// misfortune draws what goes wrong next.
func (f *fleet) misfortune() scene {
	site := whom{site: f.places[f.rand.IntN(len(f.places))].id}
	one := whom{panel: 1 + f.rand.IntN(len(f.cores))}
	length := time.Duration(45+f.rand.IntN(240)) * time.Second
	switch f.rand.IntN(6) {
	case 0:
		return scene{whom: site, what: losesLine, length: length}
	case 1:
		return scene{whom: one, what: losesPower, length: length}
	case 2:
		return scene{whom: one, what: flaps, times: 4}
	case 3:
		return scene{whom: one, what: stops, length: length}
	case 4:
		return scene{whom: one, what: restarts}
	}
	return scene{whom: one, what: losesLine, length: length}
}

// keepTwins is where the copies of a panel's directory lie.
func (c *core) aside(what string) string { return c.dir + "." + what }

// remove forgets the fleet's files.
func (f *fleet) removeCopies() error {
	var faults []error
	for _, c := range f.cores {
		faults = append(faults, os.RemoveAll(c.aside("copy")), os.RemoveAll(c.aside("twin")))
	}
	return errors.Join(faults...)
}
