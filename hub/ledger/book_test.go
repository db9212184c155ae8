package ledger_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

// memory is a book that is all in memory, with the indexes that a store has.
type memory struct {
	groups   map[string]ledger.Group
	users    map[string]ledger.User
	uses     map[string]ledger.Use
	devices  map[string]ledger.Device
	packages map[string]ledger.Package
	trials   map[string]ledger.Trial
	claims   map[string]ledger.Claim
	asks     map[string]ledger.Ask
	months   map[string]ledger.Month // by group, a space and month
	edges    []ledger.Edge           // in their order
	mark     ledger.Mark
	entries  []ledger.Entry
	outbox   []ledger.Due

	lists map[string][]string // "children/", "users/", "uses/", "held/", "devices/", "on/" and an id: ids in order
	reads int                 // groups read
}

func newMemory() *memory {
	return &memory{
		groups: map[string]ledger.Group{}, users: map[string]ledger.User{}, uses: map[string]ledger.Use{}, devices: map[string]ledger.Device{},
		packages: map[string]ledger.Package{}, trials: map[string]ledger.Trial{}, claims: map[string]ledger.Claim{}, asks: map[string]ledger.Ask{}, months: map[string]ledger.Month{}, lists: map[string][]string{},
	}
}

func (m *memory) Group(id string) (ledger.Group, bool, error) {
	m.reads++
	g, ok := m.groups[id]
	return g, ok, nil
}

func (m *memory) User(id string) (ledger.User, bool, error) {
	u, ok := m.users[id]
	return u, ok, nil
}

func (m *memory) Use(id string) (ledger.Use, bool, error) {
	u, ok := m.uses[id]
	return u, ok, nil
}

func (m *memory) Device(id string) (ledger.Device, bool, error) {
	d, ok := m.devices[id]
	return d, ok, nil
}

func (m *memory) Package(id string) (ledger.Package, bool, error) {
	p, ok := m.packages[id]
	return p, ok, nil
}

func (m *memory) Trial(id string) (ledger.Trial, bool, error) {
	t, ok := m.trials[id]
	return t, ok, nil
}

func (m *memory) Claim(id string) (ledger.Claim, bool, error) {
	c, ok := m.claims[id]
	return c, ok, nil
}

func (m *memory) Ask(dead string) (ledger.Ask, bool, error) {
	a, ok := m.asks[dead]
	return a, ok, nil
}

func (m *memory) Asks(root, after string) iter.Seq2[ledger.Ask, error] {
	return listed(m, "asks/"+root, after, m.asks)
}

func (m *memory) Months(group, until string) iter.Seq2[ledger.Month, error] {
	return func(yield func(ledger.Month, error) bool) {
		for _, key := range slices.Backward(slices.Sorted(maps.Keys(m.months))) {
			if one := m.months[key]; one.Group == group && one.Month <= until && !yield(one, nil) {
				return
			}
		}
	}
}

func (m *memory) AccountPackages(root, after string) iter.Seq2[ledger.Package, error] {
	return func(yield func(ledger.Package, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(m.packages)) {
			if p := m.packages[id]; p.Account && p.Root == root && id > after && !yield(p, nil) {
				return
			}
		}
	}
}

func listed[T any](m *memory, key, after string, records map[string]T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ids := m.lists[key]
		at, found := slices.BinarySearch(ids, after)
		if found {
			at++
		}
		for _, id := range ids[at:] {
			if !yield(records[id], nil) {
				return
			}
		}
	}
}

func (m *memory) Children(parent, after string) iter.Seq2[ledger.Group, error] {
	return listed(m, "children/"+parent, after, m.groups)
}

func (m *memory) UsersIn(group, after string) iter.Seq2[ledger.User, error] {
	return listed(m, "users/"+group, after, m.users)
}

func (m *memory) UsesIn(group, after string) iter.Seq2[ledger.Use, error] {
	return listed(m, "uses/"+group, after, m.uses)
}

func (m *memory) UsesOf(user string) iter.Seq2[ledger.Use, error] {
	return listed(m, "held/"+user, "", m.uses)
}

func (m *memory) DevicesIn(group, after string) iter.Seq2[ledger.Device, error] {
	return listed(m, "devices/"+group, after, m.devices)
}

func (m *memory) UsesOn(panel string) iter.Seq2[ledger.Use, error] {
	return listed(m, "on/"+panel, "", m.uses)
}

func (m *memory) Mark() (ledger.Mark, error) { return m.mark, nil }

func (m *memory) Edges(kind ledger.EdgeKind, after, until time.Time) iter.Seq2[ledger.Edge, error] {
	return func(yield func(ledger.Edge, error) bool) {
		for _, e := range m.edges {
			if e.Kind == kind && e.At.After(after) && (until.IsZero() || !e.At.After(until)) && !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) Zone(name string) (*time.Location, error) { return time.LoadLocation(name) }

func (m *memory) enlist(key, id string, on bool) {
	ids := m.lists[key]
	at, found := slices.BinarySearch(ids, id)
	switch {
	case on && !found:
		m.lists[key] = slices.Insert(ids, at, id)
	case !on && found:
		m.lists[key] = slices.Delete(ids, at, at+1)
	}
}

func (m *memory) enlistUse(u ledger.Use, on bool) {
	for _, g := range u.Groups {
		m.enlist("uses/"+g, u.ID, on)
	}
	if u.User != "" {
		m.enlist("held/"+u.User, u.ID, on)
	}
	if u.Panel != "" {
		m.enlist("on/"+u.Panel, u.ID, on)
	}
}

func (m *memory) enlistUser(u ledger.User, on bool) {
	for _, g := range u.Groups {
		m.enlist("users/"+g, u.ID, on)
	}
}

// write does what a store does with changes.
func (m *memory) write(c ledger.Changes) {
	for _, g := range c.Groups {
		if old, ok := m.groups[g.ID]; ok {
			m.enlist("children/"+old.Parent, g.ID, false)
		}
		m.groups[g.ID] = g
		m.enlist("children/"+g.Parent, g.ID, true)
	}
	for _, u := range c.Users {
		m.enlistUser(m.users[u.ID], false)
		m.users[u.ID] = u
		m.enlistUser(u, true)
	}
	for _, id := range c.DropUsers {
		m.enlistUser(m.users[id], false)
		delete(m.users, id)
	}
	for _, u := range c.Uses {
		m.enlistUse(m.uses[u.ID], false)
		m.uses[u.ID] = u
		m.enlistUse(u, true)
	}
	for _, id := range c.DropUses {
		m.enlistUse(m.uses[id], false)
		delete(m.uses, id)
	}
	for _, d := range c.Devices {
		m.enlist("devices/"+m.devices[d.ID].Group, d.ID, false)
		m.devices[d.ID] = d
		m.enlist("devices/"+d.Group, d.ID, true)
	}
	for _, id := range c.DropDevices {
		m.enlist("devices/"+m.devices[id].Group, id, false)
		delete(m.devices, id)
	}
	for _, one := range c.DropMonths {
		delete(m.months, one.Group+" "+one.Month)
	}
	for _, one := range c.Months {
		m.months[one.Group+" "+one.Month] = one
	}
	for _, dead := range c.DropAsks {
		m.enlist("asks/"+m.asks[dead].Root, dead, false)
		delete(m.asks, dead)
	}
	for _, a := range c.Asks {
		m.asks[a.Dead] = a
		m.enlist("asks/"+a.Root, a.Dead, true)
	}
	for _, p := range c.Packages {
		m.packages[p.ID] = p
	}
	for _, t := range c.Trials {
		m.trials[t.Registration] = t
	}
	for _, x := range c.Claims {
		m.claims[x.License] = x
	}
	for _, e := range c.DropEdges {
		if at, found := slices.BinarySearchFunc(m.edges, e, compareEdges); found {
			m.edges = slices.Delete(m.edges, at, at+1)
		}
	}
	for _, e := range c.Edges {
		if at, found := slices.BinarySearchFunc(m.edges, e, compareEdges); !found {
			m.edges = slices.Insert(m.edges, at, e)
		}
	}
	m.mark = c.Mark
	m.entries = append(m.entries, c.Entries...)
	m.outbox = append(m.outbox, c.Reminders...)
}

func compareEdges(a, b ledger.Edge) int {
	if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
		return c
	}
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	return strings.Compare(a.Group+"\x00"+a.User+"\x00"+a.Block, b.Group+"\x00"+b.User+"\x00"+b.Block)
}

// image is everything in the book as JSON, for comparing and for starting again from it.
type image struct {
	Groups   map[string]ledger.Group
	Users    map[string]ledger.User
	Uses     map[string]ledger.Use
	Devices  map[string]ledger.Device
	Packages map[string]ledger.Package
	Trials   map[string]ledger.Trial
	Claims   map[string]ledger.Claim
	Asks     map[string]ledger.Ask
	Months   map[string]ledger.Month
	Edges    []ledger.Edge
	Mark     ledger.Mark
	Entries  []ledger.Entry
}

func (m *memory) image() []byte {
	text, err := json.Marshal(image{m.groups, m.users, m.uses, m.devices, m.packages, m.trials, m.claims, m.asks, m.months, m.edges, m.mark, m.entries})
	if err != nil {
		panic(err)
	}
	return text
}

// reload is a book as it is after a crash: what was written, read again.
func (m *memory) reload() *memory {
	var i image
	if err := json.Unmarshal(m.image(), &i); err != nil {
		panic(err)
	}
	fresh := newMemory()
	fresh.outbox = m.outbox
	changes := ledger.Changes{Mark: i.Mark, Entries: i.Entries, Edges: i.Edges}
	for _, g := range i.Groups {
		changes.Groups = append(changes.Groups, g)
	}
	for _, u := range i.Users {
		changes.Users = append(changes.Users, u)
	}
	for _, u := range i.Uses {
		changes.Uses = append(changes.Uses, u)
	}
	for _, d := range i.Devices {
		changes.Devices = append(changes.Devices, d)
	}
	for _, p := range i.Packages {
		changes.Packages = append(changes.Packages, p)
	}
	for _, t := range i.Trials {
		changes.Trials = append(changes.Trials, t)
	}
	for _, one := range i.Months {
		changes.Months = append(changes.Months, one)
	}
	for _, a := range i.Asks {
		changes.Asks = append(changes.Asks, a)
	}
	for _, c := range i.Claims {
		changes.Claims = append(changes.Claims, c)
	}
	fresh.write(changes)
	return fresh
}

// world is a book with a clock and one writer at a time, as a store is one.
type world struct {
	testing.TB
	mu   sync.Mutex
	book *memory
	now  time.Time
}

var start = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world { return &world{TB: t, book: newMemory(), now: start} }

func (w *world) try(change ledger.Change) (ledger.Changes, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := ledger.Decide(w.book, ledger.Request{At: w.now, Who: "anna"}, change)
	if err == nil {
		w.book.write(c)
	}
	return c, err
}

func (w *world) do(changes ...ledger.Change) ledger.Changes {
	w.Helper()
	var last ledger.Changes
	for _, change := range changes {
		c, err := w.try(change)
		if err != nil {
			w.Fatalf("%s %+v: %v", change.What(), change, err)
		}
		last = c
	}
	return last
}

func (w *world) refused(change ledger.Change, reason ledger.Reason, text string) *ledger.Refusal {
	w.Helper()
	before := string(w.book.image())
	_, err := w.try(change)
	r, ok := err.(*ledger.Refusal)
	if !ok {
		w.Fatalf("%s %+v was not refused: %v", change.What(), change, err)
	}
	if r.Reason != reason || !strings.Contains(r.Text, text) {
		w.Fatalf("%s was refused with %s %q, not with %s %q", change.What(), r.Reason, r.Text, reason, text)
	}
	if string(w.book.image()) != before {
		w.Fatalf("%s was refused and changed something", change.What())
	}
	return r
}

func (w *world) tick(to time.Time) ledger.Changes {
	w.Helper()
	w.now = to
	return w.do(ledger.Tick{})
}

var everyone = ledger.Asker{All: true}

func (w *world) state(group string) ledger.State {
	w.Helper()
	s, err := ledger.StateOf(w.book, w.now, ledger.Subject{Group: group}, everyone)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) userState(user string) ledger.State {
	w.Helper()
	s, err := ledger.StateOf(w.book, w.now, ledger.Subject{User: user}, everyone)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) line(group, name string) ledger.Line {
	w.Helper()
	return w.state(group).Line(name)
}

func sip(n int) ledger.Amounts { return ledger.SIPNumbers.Of(n) }

func pairs(numbers, apps int) ledger.Amounts {
	a := ledger.SIPNumbers.Of(numbers)
	a[ledger.Apps] = apps
	return a
}

func limits(blocks ...ledger.Block) ledger.Limits {
	return ledger.Limits{Restricted: true, Blocks: blocks}
}

func block(id string, counts ledger.Amounts, features ...string) ledger.Block {
	return ledger.Block{ID: id, Counts: counts, Features: features}
}

func (b blocks) until(t time.Time) ledger.Block {
	b.Until = t
	return b.Block
}

type blocks struct{ ledger.Block }

func (w *world) group(id, parent, level string, l ledger.Limits) {
	w.Helper()
	w.do(ledger.CreateGroup{Group: ledger.Group{ID: id, Parent: parent, Name: id, Level: level, Limits: l}})
}

func (w *world) use(id, group string) { w.Helper(); w.do(ledger.Consume{ID: id, Group: group}) }

func panelID(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	id := []byte(letters)
	for i := range 4 {
		id[i], n = letters[n%26], n/26
	}
	return string(id)
}

func packageID(n int) string { return fmt.Sprintf("%032x", n) }

func grants(numbers, apps int, features ...string) []license.Grant {
	out := []license.Grant{{Feature: "apps", Count: apps}, {Feature: "sip_numbers", Count: numbers}}
	for _, f := range features {
		out = append(out, license.Grant{Feature: f, Count: 1})
	}
	return out
}
