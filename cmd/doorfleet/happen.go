package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// happen begins a scene. It does not wait for its end.
func (f *fleet) happen(s scene) {
	switch s.what {
	case theEnd:
		f.end.Do(func() { close(f.over) })
		return
	case rated:
		f.say("everybody makes %g entries a minute", s.rate)
		f.setPace(s.rate)
		return
	}
	if s.whom.hub || s.whom.broker {
		f.serverAway(s)
		return
	}
	cores, err := f.who(s.whom)
	if err != nil {
		f.meter.fault(err.Error())
		return
	}
	length := f.scaled(s.length)
	switch s.what {
	case losesLine:
		f.takeAway(s, cores, length, func(c *core) error { c.line.cut(); return nil }, func(c *core) error { c.line.mend(); return nil })
	case losesPower:
		f.takeAway(s, cores, length, (*core).powerOff, (*core).powerOn)
	case stops:
		f.takeAway(s, cores, length, (*core).stop, (*core).powerOn)
	case restarts:
		f.during(s, cores, func(ctx context.Context) error {
			return eachAtOnce(cores, many, func(c *core) error { return errors.Join(c.stop(), c.powerOn()) })
		})
	case flaps:
		f.flap(s, cores)
	case storms:
		f.storm(s, cores)
	case year2000:
		f.setClocks(s, cores, length, func(c *core) { c.clock.set(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), false) })
	case clockUnknown:
		f.setClocks(s, cores, length, func(c *core) { c.clock.set(time.Now(), false) })
	case clockJumps:
		f.say("%s has a clock that jumps by %s", name(s, cores), s.length)
		for _, c := range cores {
			c.clock.jump(s.length)
		}
	case copied:
		f.during(s, cores, func(context.Context) error { return eachAtOnce(cores, few, (*core).copy) })
	case restored:
		f.during(s, cores, func(context.Context) error { return eachAtOnce(cores, few, (*core).restore) })
	case twinned:
		f.during(s, cores, func(ctx context.Context) error {
			return eachAtOnce(cores, many, func(c *core) error { return c.twin(ctx, length) })
		})
	case garbage:
		f.during(s, cores, func(ctx context.Context) error {
			return eachAtOnce(cores, few, func(c *core) error { return f.babble(ctx, c) })
		})
	}
}

// At once: things that work, and things that mostly wait.
const (
	few  = 4
	many = 256
)

func (f *fleet) say(format string, args ...any) { f.said(fmt.Sprintf(format, args...)) }

// name tells whom a scene is about.
func name(s scene, cores []*core) string {
	w := s.whom
	switch {
	case w.hub:
		return "the hub"
	case w.broker:
		return "the broker"
	case w.all:
		return "everybody"
	case w.percent > 0:
		return fmt.Sprintf("%g percent of the panels", w.percent)
	case w.panel == 0:
		return "site " + cores[0].site.name
	}
	return fmt.Sprintf("panel %d (%s, %s)", cores[0].index, cores[0].site.name, cores[0].name)
}

// begin writes an outage down and returns what closes it.
func (f *fleet) begin(s scene, what string, cores []*core) (done func()) {
	o := outage{What: what, Whom: name(s, cores), From: time.Now(), Panels: []string{}, Sites: []string{}}
	for _, c := range cores {
		o.Panels = append(o.Panels, c.id)
		if !slices.Contains(o.Sites, c.site.id) {
			o.Sites = append(o.Sites, c.site.id)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outages = append(f.outages, o)
	at := len(f.outages) - 1
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.outages[at].Until = time.Now()
	}
}

// during does something that takes a while beside the agenda.
func (f *fleet) during(s scene, cores []*core, do func(context.Context) error) {
	f.say("%s %s", name(s, cores), s.what)
	done := f.begin(s, string(s.what), cores)
	f.happenings.Go(func() {
		defer done()
		if err := do(f.stopping); err != nil && f.stopping.Err() == nil {
			f.meter.fault(fmt.Sprintf("%s %s: %v", name(s, cores), s.what, err))
		}
	})
}

// takeAway takes something away and gives it back after a length, or when the fleet ends.
func (f *fleet) takeAway(s scene, cores []*core, length time.Duration, away, back func(*core) error) {
	what := string(s.what)
	if length > 0 {
		f.say("%s %s for %s", name(s, cores), what, length)
	} else {
		f.say("%s %s", name(s, cores), what)
	}
	done := f.begin(s, what, cores)
	f.happenings.Go(func() {
		if err := eachAtOnce(cores, many, away); err != nil {
			f.meter.fault(err.Error())
		}
		if length > 0 {
			_ = sleep(f.stopping, length) // cut short by the end
		} else {
			<-f.stopping.Done()
		}
		done()
		if err := eachAtOnce(cores, few, back); err != nil {
			f.meter.fault(err.Error())
		}
		f.say("%s: it is over", name(s, cores))
	})
}

// Flapping: down for so long, and up for so long.
const (
	flapDown = 40 * time.Second
	flapUp   = 20 * time.Second
)

func (f *fleet) flap(s scene, cores []*core) {
	f.during(s, cores, func(ctx context.Context) error {
		for range s.times {
			for _, c := range cores {
				c.line.cut()
			}
			err := sleep(ctx, f.scaled(flapDown))
			for _, c := range cores {
				c.line.mend()
			}
			if err != nil {
				return err
			}
			if err := sleep(ctx, f.scaled(flapUp)); err != nil {
				return err
			}
		}
		return nil
	})
}

// storm has people come to all of the panels at this very moment.
func (f *fleet) storm(s scene, cores []*core) {
	f.say("%s storms", name(s, cores))
	for range max(s.times, 1) {
		for _, c := range cores {
			f.come(c, f.habits[c.index-1].visit())
		}
	}
}

func (f *fleet) setClocks(s scene, cores []*core, length time.Duration, set func(*core)) {
	f.during(s, cores, func(ctx context.Context) error {
		for _, c := range cores {
			set(c)
		}
		if length == 0 {
			<-ctx.Done()
			return nil
		}
		_ = sleep(ctx, length)
		for _, c := range cores {
			c.clock.right()
		}
		return nil
	})
}

func (f *fleet) serverAway(s scene) {
	do, what := f.servers.hub, "the hub"
	if s.whom.broker {
		do, what = f.servers.broker, "the broker"
	}
	length := f.scaled(s.length)
	f.during(s, nil, func(ctx context.Context) error {
		if do == nil {
			return fmt.Errorf("nobody here can stop %s", what)
		}
		return do(context.WithoutCancel(ctx), length)
	})
}

// copy keeps the panel's directory as it is now, as a backup of its card would.
func (c *core) copy() error {
	if err := os.RemoveAll(c.aside("copy")); err != nil {
		return err
	}
	return os.CopyFS(c.aside("copy"), os.DirFS(c.dir))
}

// restore puts the panel back to its copy, behind the hub's back: its journal goes on from an earlier number.
func (c *core) restore() error {
	if _, err := os.Stat(c.aside("copy")); err != nil {
		return errors.New("cannot restore: it was not copied before")
	}
	if err := c.powerOff(); err != nil {
		return err
	}
	c.mu.Lock()
	c.odd = "restored from a copy"
	c.mu.Unlock()
	journal := filepath.Join(c.dir, "journal")
	if err := errors.Join(os.RemoveAll(journal), os.CopyFS(journal, os.DirFS(filepath.Join(c.aside("copy"), "journal")))); err != nil {
		return err
	}
	return c.powerOn()
}

// twin lets a second panel run for a while that has this one's key and journal.
func (c *core) twin(ctx context.Context, length time.Duration) error {
	dir := c.aside("twin")
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(c.dir))); err != nil {
		return err
	}
	c.mu.Lock()
	c.odd = "had a twin"
	c.mu.Unlock()
	other := &core{
		index: c.index, name: c.name, site: c.site, id: c.id, key: c.key, dir: dir, line: newLine(), clock: newCoreClock(), rights: c.rights,
		dials: c.dials, meter: c.meter, log: c.log, timing: c.timing,
	}
	if err := other.powerOn(); err != nil {
		return err
	}
	_ = sleep(ctx, length)
	defer other.line.remove()
	return errors.Join(other.powerOff(), os.RemoveAll(dir))
}
