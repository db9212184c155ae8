package pools_test

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
)

// book is a small license ledger in memory. Its records are never written into, so that a copy of the maps is a copy of it.
type book struct {
	groups   map[string]ledger.Group
	users    map[string]ledger.User
	uses     map[string]ledger.Use
	devices  map[string]ledger.Device
	packages map[string]ledger.Package
	edges    map[ledger.Edge]bool
	mark     ledger.Mark
}

func newBook() book {
	return book{map[string]ledger.Group{}, map[string]ledger.User{}, map[string]ledger.Use{}, map[string]ledger.Device{}, map[string]ledger.Package{}, map[ledger.Edge]bool{}, ledger.Mark{}}
}

func (b book) clone() book {
	return book{maps.Clone(b.groups), maps.Clone(b.users), maps.Clone(b.uses), maps.Clone(b.devices), maps.Clone(b.packages), maps.Clone(b.edges), b.mark}
}

func found[T any](records map[string]T, id string) (T, bool, error) {
	one, ok := records[id]
	return one, ok, nil
}

func picked[T any](records map[string]T, after string, fits func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(records)) {
			if id > after && fits(records[id]) && !yield(records[id], nil) {
				return
			}
		}
	}
}

func (b book) Group(id string) (ledger.Group, bool, error)     { return found(b.groups, id) }
func (b book) User(id string) (ledger.User, bool, error)       { return found(b.users, id) }
func (b book) Use(id string) (ledger.Use, bool, error)         { return found(b.uses, id) }
func (b book) Device(id string) (ledger.Device, bool, error)   { return found(b.devices, id) }
func (b book) Package(id string) (ledger.Package, bool, error) { return found(b.packages, id) }
func (book) Trial(string) (ledger.Trial, bool, error)          { return ledger.Trial{}, false, nil }
func (book) Claim(string) (ledger.Claim, bool, error)          { return ledger.Claim{}, false, nil }
func (book) Ask(string) (ledger.Ask, bool, error)              { return ledger.Ask{}, false, nil }
func (b book) Mark() (ledger.Mark, error)                      { return b.mark, nil }
func (book) Zone(name string) (*time.Location, error)          { return time.LoadLocation(name) }

// Asks implements ledger.Book: nobody asks to replace a panel here.
func (book) Asks(string, string) iter.Seq2[ledger.Ask, error] {
	return func(func(ledger.Ask, error) bool) {}
}

func (b book) AccountPackages(string, string) iter.Seq2[ledger.Package, error] {
	return func(func(ledger.Package, error) bool) {}
}
func (b book) Months(string, string) iter.Seq2[ledger.Month, error] {
	return func(func(ledger.Month, error) bool) {}
}

func (b book) Children(parent, after string) iter.Seq2[ledger.Group, error] {
	return picked(b.groups, after, func(g ledger.Group) bool { return g.Parent == parent })
}

func (b book) UsersIn(group, after string) iter.Seq2[ledger.User, error] {
	return picked(b.users, after, func(u ledger.User) bool { return slices.Contains(u.Groups, group) })
}

func (b book) UsesIn(group, after string) iter.Seq2[ledger.Use, error] {
	return picked(b.uses, after, func(u ledger.Use) bool { return slices.Contains(u.Groups, group) })
}

func (b book) UsesOf(user string) iter.Seq2[ledger.Use, error] {
	return picked(b.uses, "", func(u ledger.Use) bool { return u.User == user })
}

func (b book) UsesOn(panel string) iter.Seq2[ledger.Use, error] {
	return picked(b.uses, "", func(u ledger.Use) bool { return u.Panel == panel })
}

func (b book) DevicesIn(group, after string) iter.Seq2[ledger.Device, error] {
	return picked(b.devices, after, func(d ledger.Device) bool { return d.Group == group })
}

func (b book) Edges(kind ledger.EdgeKind, after, until time.Time) iter.Seq2[ledger.Edge, error] {
	return func(yield func(ledger.Edge, error) bool) {
		order := func(a, b ledger.Edge) int {
			if d := a.At.Compare(b.At); d != 0 {
				return d
			}
			return strings.Compare(a.Group+"\x00"+a.User+"\x00"+a.Block, b.Group+"\x00"+b.User+"\x00"+b.Block)
		}
		for _, e := range slices.SortedFunc(maps.Keys(b.edges), order) {
			if e.Kind == kind && e.At.After(after) && (until.IsZero() || !e.At.After(until)) && !yield(e, nil) {
				return
			}
		}
	}
}

func put[T any](records map[string]T, list []T, id func(T) string) {
	for _, one := range list {
		records[id(one)] = one
	}
}

// write does what a store does with changes.
func (b *book) write(c ledger.Changes) {
	put(b.groups, c.Groups, func(g ledger.Group) string { return g.ID })
	put(b.uses, c.Uses, func(u ledger.Use) string { return u.ID })
	put(b.devices, c.Devices, func(d ledger.Device) string { return d.ID })
	put(b.packages, c.Packages, func(p ledger.Package) string { return p.ID })
	for _, id := range c.DropUses {
		delete(b.uses, id)
	}
	for _, id := range c.DropDevices {
		delete(b.devices, id)
	}
	for _, e := range c.DropEdges {
		delete(b.edges, e)
	}
	for _, e := range c.Edges {
		b.edges[e] = true
	}
	b.mark = c.Mark
}

// Look implements pools.Tree.
func (w *world) Look(see func(ledger.Book) error) error { return see(w.kept.book) }

// KeepCounted implements pools.Tree.
func (w *world) KeepCounted(c fleet.DeedChange, r ledger.Request, counts ...ledger.Allot) error {
	fresh := w.kept.book.clone()
	for _, count := range counts {
		changes, err := ledger.Decide(fresh, r, count)
		if err != nil {
			return err
		}
		fresh.write(changes)
	}
	if err := w.KeepDeeds(c); err != nil {
		return err
	}
	w.kept.book = fresh
	return nil
}

// decide has a change made in the ledger, as people or the hub do it.
func (w *world) decide(change ledger.Change) error {
	c, err := ledger.Decide(w.kept.book, ledger.Request{At: w.now, Who: "ines"}, change)
	if err == nil {
		w.kept.book.write(c)
	}
	return err
}

func (w *world) must(changes ...ledger.Change) {
	for _, change := range changes {
		if err := w.decide(change); err != nil {
			panic(change.What() + ": " + err.Error())
		}
	}
}

// most is a limit of so many buttons; until zero = without an end.
func most(n int, until time.Time) ledger.Limits {
	return ledger.Limits{Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: ledger.Buttons.Of(n), Until: until}}}
}

// plant hangs the world's site below a company, in it a building; every panel is registered in the building.
func (w *world) plant(company, building ledger.Limits) {
	w.must(ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "Company", Limits: company}},
		ledger.CreateGroup{Group: ledger.Group{ID: "building", Parent: "company", Name: "Building 7", Level: "building", Limits: building}})
	w.sites[0].Group = "building"
	for _, u := range w.panels {
		w.register(u, "building")
	}
}

func (w *world) register(u *unit, group string) {
	w.must(ledger.RegisterDevice{ID: u.record.ID, Group: group, Found: true})
}

// share is how a panel's share of a license stands.
func (w *world) share(id string, u *unit) fleet.PoolShare {
	v, err := w.pools.Show(id)
	if err != nil {
		panic(err)
	}
	for _, s := range v.Features[0].Shares {
		if s.Panel == u.record.ID {
			return s
		}
	}
	return fleet.PoolShare{}
}
