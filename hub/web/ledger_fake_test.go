package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// treeFake is the license ledger in memory: the real decisions on records in maps.
type treeFake struct {
	mu       sync.RWMutex
	groups   map[string]ledger.Group
	below    map[string][]string // ids of the groups right below, in order
	users    map[string]ledger.User
	uses     map[string]ledger.Use
	devices  map[string]ledger.Device
	packages map[string]ledger.Package
	trials   map[string]ledger.Trial
	claims   map[string]ledger.Claim
	asks     map[string]ledger.Ask
	months   map[string]ledger.Month // by group, a space and month
	edges    []ledger.Edge
	mark     ledger.Mark
	entries  []ledger.Entry
	broken   error // what VerifyLedger answers
	looking  atomic.Int32
}

func newTreeFake() *treeFake {
	return &treeFake{
		groups: map[string]ledger.Group{}, below: map[string][]string{}, users: map[string]ledger.User{}, uses: map[string]ledger.Use{}, devices: map[string]ledger.Device{},
		packages: map[string]ledger.Package{}, trials: map[string]ledger.Trial{}, claims: map[string]ledger.Claim{}, asks: map[string]ledger.Ask{}, months: map[string]ledger.Month{},
	}
}

func (f *treeFake) Decide(r ledger.Request, c ledger.Change) (ledger.Changes, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes, err := ledger.Decide(treeBook{f}, r, c)
	if err != nil {
		return changes, err
	}
	f.write(changes)
	return changes, nil
}

func (f *treeFake) Look(see func(ledger.Book) error) error {
	notWithinALook()
	f.looking.Add(1)
	defer f.looking.Add(-1)
	return see(treeBook{f})
}

// notWithinALook ends the test when what reads the store is called by somebody who is reading it: a store that has to grow between the
// two waits for the first, and the second for the store.
func notWithinALook() {
	calls := make([]uintptr, 128)
	frames := runtime.CallersFrames(calls[:runtime.Callers(2, calls)])
	for calls := 0; ; calls++ {
		frame, more := frames.Next()
		if calls > 0 && strings.HasSuffix(frame.Function, "(*treeFake).Look") {
			panic("the store is read by somebody who is reading it")
		}
		if !more {
			return
		}
	}
}

func (f *treeFake) write(c ledger.Changes) {
	for _, g := range c.Groups {
		if old, known := f.groups[g.ID]; !known || old.Parent != g.Parent {
			f.below[old.Parent] = slices.DeleteFunc(f.below[old.Parent], func(id string) bool { return id == g.ID })
			at, _ := slices.BinarySearch(f.below[g.Parent], g.ID)
			f.below[g.Parent] = slices.Insert(f.below[g.Parent], at, g.ID)
		}
		f.groups[g.ID] = g
	}
	keep(f.users, c.Users, c.DropUsers, func(u ledger.User) string { return u.ID })
	keep(f.uses, c.Uses, c.DropUses, func(u ledger.Use) string { return u.ID })
	keep(f.devices, c.Devices, c.DropDevices, func(d ledger.Device) string { return d.ID })
	keep(f.packages, c.Packages, nil, func(p ledger.Package) string { return p.ID })
	keep(f.trials, c.Trials, nil, func(t ledger.Trial) string { return t.Registration })
	var gone []string
	for _, m := range c.DropMonths {
		gone = append(gone, m.Group+" "+m.Month)
	}
	keep(f.months, c.Months, gone, func(m ledger.Month) string { return m.Group + " " + m.Month })
	keep(f.asks, c.Asks, c.DropAsks, func(a ledger.Ask) string { return a.Dead })
	keep(f.claims, c.Claims, nil, func(x ledger.Claim) string { return x.License })
	f.edges = slices.DeleteFunc(f.edges, func(e ledger.Edge) bool { return slices.Contains(c.DropEdges, e) })
	f.edges = append(f.edges, c.Edges...)
	slices.SortFunc(f.edges, func(a, b ledger.Edge) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Group, b.Group), cmp.Compare(a.User, b.User), cmp.Compare(a.Block, b.Block))
	})
	f.edges = slices.Compact(f.edges)
	f.mark, f.entries = c.Mark, append(f.entries, c.Entries...)
}

func keep[T any](records map[string]T, put []T, drop []string, id func(T) string) {
	for _, r := range put {
		records[id(r)] = r
	}
	for _, gone := range drop {
		delete(records, gone)
	}
}

func (f *treeFake) FindGroups(root, words, after string, limit int) (found []ledger.Group, next string, err error) {
	notWithinALook()
	for _, g := range f.groups {
		name := " " + strings.ToLower(g.Name)
		fits := !slices.ContainsFunc(strings.Fields(strings.ToLower(words)), func(word string) bool { return !strings.Contains(name, " "+word) })
		if fits && (root == "" || g.Root == root) {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, func(a, b ledger.Group) int { return cmp.Or(compareNames(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	found = found[slices.IndexFunc(found, func(g ledger.Group) bool { return g.ID == after })+1:]
	if len(found) > limit {
		return found[:limit], found[limit-1].ID, nil
	}
	return found, "", nil
}

func (f *treeFake) Entries(q ledger.EntryQuery) (found []ledger.Entry, next uint64, err error) {
	notWithinALook()
	for _, e := range slices.Backward(f.entries) {
		if q.Before != 0 && e.Number >= q.Before || !q.Fits(e) {
			continue
		}
		if len(found) == q.Limit {
			return found, found[len(found)-1].Number, nil
		}
		found = append(found, e)
	}
	return found, 0, nil
}

func (f *treeFake) VerifyLedger(context.Context) (uint64, error) {
	return uint64(len(f.entries)), f.broken
}

// EnterPackage takes "DP1:50" for a package of 50 numbers and applications, and "DP1:SEAT" for a license of an account.
func (f *treeFake) EnterPackage(_ context.Context, root, user, text, by string) (ledger.Package, error) {
	if text == "DP1:SEAT" {
		id := fmt.Sprintf("%032x", 77)
		change := ledger.ActivatePackage{Root: root, ID: id, Label: "Remote App", Account: true, User: user}
		if err := json.Unmarshal([]byte(`{"grants":[{"feature":"app_remote","count":1}]}`), &change); err != nil {
			return ledger.Package{}, err
		}
		if _, err := f.Decide(ledger.Request{At: fakeStart, Who: by}, change); err != nil {
			return ledger.Package{}, err
		}
		return f.packages[id], nil
	}
	var n int
	if _, err := fmt.Sscanf(text, "DP1:%d", &n); err != nil {
		return ledger.Package{}, fmt.Errorf("%w: this is not a license", ErrInvalid)
	}
	id := fmt.Sprintf("%032x", n)
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := ledger.Changes{Mark: f.mark}
	g := f.groups[root]
	if known, there := f.packages[id]; there {
		return known, nil
	}
	g.Restricted = true
	pack := ledger.Package{ID: id, Root: root, Label: fmt.Sprintf("Plus %d", n), Activated: fakeStart}
	g.Blocks = append(g.Blocks, ledger.Block{ID: "p" + id[:8], Source: ledger.FromPackage, Package: id, Counts: both(n, n), From: fakeStart})
	changes.Groups, changes.Packages = []ledger.Group{g}, []ledger.Package{pack}
	f.write(changes)
	return pack, nil
}

var fakeStart = time.Date(2026, 11, 22, 14, 30, 0, 0, time.UTC)

// both is so many SIP numbers and applications.
func both(numbers, apps int) ledger.Amounts {
	a := ledger.SIPNumbers.Of(numbers)
	a[ledger.Apps] = apps
	return a
}

// treeBook is what a decision reads.
type treeBook struct{ f *treeFake }

func (b treeBook) Group(id string) (ledger.Group, bool, error) {
	g, ok := b.f.groups[id]
	return g, ok, nil
}

func (b treeBook) Children(parent, after string) iter.Seq2[ledger.Group, error] {
	return func(yield func(ledger.Group, error) bool) {
		ids := b.f.below[parent]
		at, found := slices.BinarySearch(ids, after)
		if found {
			at++
		}
		for _, id := range ids[at:] {
			if !yield(b.f.groups[id], nil) {
				return
			}
		}
	}
}

// fitting yields the records that fit, by id.
func fitting[T any](records map[string]T, after string, fits func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(records)) {
			if id > after && fits(records[id]) && !yield(records[id], nil) {
				return
			}
		}
	}
}

func (b treeBook) User(id string) (ledger.User, bool, error) {
	u, ok := b.f.users[id]
	return u, ok, nil
}

func (b treeBook) UsersIn(group, after string) iter.Seq2[ledger.User, error] {
	return fitting(b.f.users, after, func(u ledger.User) bool { return slices.Contains(u.Groups, group) })
}

func (b treeBook) Use(id string) (ledger.Use, bool, error) {
	u, ok := b.f.uses[id]
	return u, ok, nil
}

func (b treeBook) UsesIn(group, after string) iter.Seq2[ledger.Use, error] {
	return fitting(b.f.uses, after, func(u ledger.Use) bool { return slices.Contains(u.Groups, group) })
}

func (b treeBook) UsesOf(user string) iter.Seq2[ledger.Use, error] {
	return fitting(b.f.uses, "", func(u ledger.Use) bool { return u.User == user })
}

func (b treeBook) Device(id string) (ledger.Device, bool, error) {
	d, ok := b.f.devices[id]
	return d, ok, nil
}

func (b treeBook) DevicesIn(group, after string) iter.Seq2[ledger.Device, error] {
	return fitting(b.f.devices, after, func(d ledger.Device) bool { return d.Group == group })
}

func (b treeBook) UsesOn(panel string) iter.Seq2[ledger.Use, error] {
	return fitting(b.f.uses, "", func(u ledger.Use) bool { return u.Panel == panel })
}

func (b treeBook) Package(id string) (ledger.Package, bool, error) {
	p, ok := b.f.packages[id]
	return p, ok, nil
}

func (b treeBook) Months(group, until string) iter.Seq2[ledger.Month, error] {
	return func(yield func(ledger.Month, error) bool) {
		for _, key := range slices.Backward(slices.Sorted(maps.Keys(b.f.months))) {
			if m := b.f.months[key]; m.Group == group && m.Month <= until && !yield(m, nil) {
				return
			}
		}
	}
}

func (b treeBook) AccountPackages(root, after string) iter.Seq2[ledger.Package, error] {
	return fitting(b.f.packages, after, func(p ledger.Package) bool { return p.Account && p.Root == root })
}

func (b treeBook) Trial(registration string) (ledger.Trial, bool, error) {
	t, ok := b.f.trials[registration]
	return t, ok, nil
}

func (b treeBook) Claim(license string) (ledger.Claim, bool, error) {
	c, ok := b.f.claims[license]
	return c, ok, nil
}

func (b treeBook) Ask(dead string) (ledger.Ask, bool, error) {
	a, ok := b.f.asks[dead]
	return a, ok, nil
}

func (b treeBook) Asks(root, after string) iter.Seq2[ledger.Ask, error] {
	return fitting(b.f.asks, after, func(a ledger.Ask) bool { return a.Root == root })
}

func (b treeBook) Mark() (ledger.Mark, error) { return b.f.mark, nil }

func (b treeBook) Edges(kind ledger.EdgeKind, after, until time.Time) iter.Seq2[ledger.Edge, error] {
	return func(yield func(ledger.Edge, error) bool) {
		for _, e := range b.f.edges {
			if e.Kind == kind && e.At.After(after) && (until.IsZero() || !e.At.After(until)) && !yield(e, nil) {
				return
			}
		}
	}
}

func (b treeBook) Zone(name string) (*time.Location, error) { return time.LoadLocation(name) }
