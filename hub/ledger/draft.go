package ledger

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"
)

// slot is one record as a decision sees it.
type slot[T any] struct {
	was, now T
	stored   bool // was is in the book
	there    bool // now exists
	dirty    bool
}

// layer holds the records of one kind that a decision read one by one, with what it changed in them. Records are changed through
// pointers into it; slices in them are replaced, never written into.
type layer[T any] struct {
	slots map[string]*slot[T]
	dirty map[string]*slot[T]
	moved map[string]*slot[T] // of the dirty ones, those that may be in lists in which the book does not have them
}

func newLayer[T any]() layer[T] {
	return layer[T]{slots: map[string]*slot[T]{}, dirty: map[string]*slot[T]{}, moved: map[string]*slot[T]{}}
}

func (l layer[T]) get(d *draft, id string, read func(string) (T, bool, error)) *slot[T] {
	s, known := l.slots[id]
	if !known {
		record, there, err := read(id)
		d.fail(err)
		s = &slot[T]{was: record, now: record, stored: there, there: there}
		l.slots[id] = s
	}
	return s
}

func (l layer[T]) edit(id string) *T {
	s := l.slots[id]
	s.dirty = true
	l.dirty[id] = s
	return &s.now
}

// relist is edit for a change of what lists a record is in.
func (l layer[T]) relist(id string) *T {
	l.moved[id] = l.slots[id]
	return l.edit(id)
}

func (l layer[T]) put(id string, record T) {
	s, known := l.slots[id]
	if !known {
		s = &slot[T]{}
		l.slots[id] = s
	}
	s.now, s.there = record, true
	l.relist(id)
}

func (l layer[T]) drop(id string) {
	l.slots[id].there = false
	l.edit(id)
}

// list yields what a list of the book is with the decision's changes: those that fit, by id, above after.
func (l layer[T]) list(d *draft, book iter.Seq2[T, error], id func(*T) string, fits func(*T) bool, after string) iter.Seq[T] {
	return func(yield func(T) bool) {
		var more []string
		for _, key := range slices.Sorted(maps.Keys(l.moved)) {
			s := l.moved[key]
			if s.there && key > after && fits(&s.now) && (!s.stored || !fits(&s.was)) {
				more = append(more, key)
			}
		}
		for record, err := range book {
			if d.fail(err) {
				return
			}
			key := id(&record)
			for len(more) > 0 && more[0] < key {
				if !yield(l.dirty[more[0]].now) {
					return
				}
				more = more[1:]
			}
			if s, changed := l.dirty[key]; changed {
				if !s.there || !fits(&s.now) {
					continue
				}
				record = s.now
			}
			if !yield(record) {
				return
			}
		}
		for _, key := range more {
			if !yield(l.dirty[key].now) {
				return
			}
		}
	}
}

// puts and drops are what the store has to do, by id.
func (l layer[T]) puts() (records []T) {
	for _, key := range slices.Sorted(maps.Keys(l.dirty)) {
		if s := l.dirty[key]; s.there {
			records = append(records, s.now)
		}
	}
	return records
}

func (l layer[T]) drops() (ids []string) {
	for _, key := range slices.Sorted(maps.Keys(l.dirty)) {
		if s := l.dirty[key]; !s.there && s.stored {
			ids = append(ids, key)
		}
	}
	return ids
}

// draft is a decision in the making: the book with changes over it, in memory.
type draft struct {
	book  Book
	r     Request
	rules Rules
	mark  Mark // where the book stood
	at    time.Time

	groups   layer[Group]
	users    layer[User]
	uses     layer[Use]
	devices  layer[Device]
	packages layer[Package]
	trials   layer[Trial]
	claims   layer[Claim]
	asks     layer[Ask]
	months   layer[Month]
	edges    map[Edge]bool // true = put, false = drop

	entries   []Entry
	reminders []Due
	notices   []Notice
	touched   []node            // whose order of suspension changed though no counter did
	settled   []node            // below which uses are looked at in any case
	checks    []func() *Refusal // of what is known only when everything is settled

	failure error // the first error of the book
}

func newDraft(book Book, r Request) (*draft, error) {
	mark, err := book.Mark()
	if err != nil {
		return nil, err
	}
	return &draft{
		book: book, r: r, rules: r.Rules.orDefaults(), mark: mark, at: r.At.UTC(), edges: map[Edge]bool{},
		groups: newLayer[Group](), users: newLayer[User](), uses: newLayer[Use](), devices: newLayer[Device](),
		packages: newLayer[Package](), trials: newLayer[Trial](), claims: newLayer[Claim](), asks: newLayer[Ask](), months: newLayer[Month](),
	}, nil
}

// fail keeps the book's first error; Decide returns it whatever was decided on top of it.
func (d *draft) fail(err error) bool {
	if err != nil && d.failure == nil {
		d.failure = err
	}
	return err != nil
}

// group returns a group to read, nil when there is none.
func (d *draft) group(id string) *Group {
	if s := d.groups.get(d, id, d.book.Group); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) user(id string) *User {
	if s := d.users.get(d, id, d.book.User); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) use(id string) *Use {
	if s := d.uses.get(d, id, d.book.Use); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) device(id string) *Device {
	if s := d.devices.get(d, id, d.book.Device); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) pack(id string) *Package {
	if s := d.packages.get(d, id, d.book.Package); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) trial(registration string) *Trial {
	if s := d.trials.get(d, registration, d.book.Trial); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) claim(license string) *Claim {
	if s := d.claims.get(d, license, d.book.Claim); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) ask(dead string) *Ask {
	if s := d.asks.get(d, dead, d.book.Ask); s.there {
		return &s.now
	}
	return nil
}

func (d *draft) children(parent, after string) iter.Seq[Group] {
	return d.groups.list(d, d.book.Children(parent, after), func(g *Group) string { return g.ID },
		func(g *Group) bool { return g.Parent == parent }, after)
}

func (d *draft) usersIn(group string) iter.Seq[User] {
	return d.users.list(d, d.book.UsersIn(group, ""), func(u *User) string { return u.ID },
		func(u *User) bool { return slices.Contains(u.Groups, group) }, "")
}

func (d *draft) usesIn(group string) iter.Seq[Use] {
	return d.uses.list(d, d.book.UsesIn(group, ""), func(u *Use) string { return u.ID },
		func(u *Use) bool { return slices.Contains(u.Groups, group) }, "")
}

func (d *draft) usesOf(user string) iter.Seq[Use] {
	return d.uses.list(d, d.book.UsesOf(user), func(u *Use) string { return u.ID },
		func(u *Use) bool { return u.User == user }, "")
}

func (d *draft) usesOn(panel string) iter.Seq[Use] {
	return d.uses.list(d, d.book.UsesOn(panel), func(u *Use) string { return u.ID },
		func(u *Use) bool { return u.Panel == panel }, "")
}

// path is the groups from the root to one, itself included.
func (d *draft) path(id string) []*Group {
	var path []*Group
	for id != "" && len(path) <= MaxDepth {
		g := d.group(id)
		if g == nil {
			break
		}
		path = append(path, g)
		id = g.Parent
	}
	slices.Reverse(path)
	return path
}

// node is a group or a user: one algorithm for both (T-15).
type node struct {
	group *Group
	user  *User
}

func (n node) id() string {
	if n.user != nil {
		return "u/" + n.user.ID
	}
	return "g/" + n.group.ID
}

func (n node) limits() *Limits {
	if n.user != nil {
		return &n.user.Limits
	}
	return &n.group.Limits
}

func (n node) count() *Counters {
	if n.user != nil {
		return &n.user.Count
	}
	return &n.group.Count
}

func (n node) restricted() bool { return n.limits().Restricted }

func (n node) own(t time.Time) Amounts {
	return n.limits().own(n.count().Devices, t)
}

func (n node) name() string {
	if n.user != nil {
		if n.user.Name == "" {
			return "the user's own license"
		}
		return n.user.Name
	}
	return n.group.Name
}

func (n node) root() string {
	if n.user != nil {
		return n.user.Root
	}
	return n.group.Root
}

// edit marks a node as changed; its pointer stays the same.
func (d *draft) edit(n node) *Counters {
	if n.user != nil {
		return &d.users.edit(n.user.ID).Count
	}
	return &d.groups.edit(n.group.ID).Count
}

// ways are the paths from the root to each of some groups.
type ways [][]*Group

func (d *draft) ways(groups []string) ways {
	out := make(ways, 0, len(groups))
	for _, id := range groups {
		out = append(out, d.path(id))
	}
	return out
}

// above lists every group on the ways once, topmost first, and the user, if there is one, last.
func (w ways) above(user *User) []node {
	var nodes []node
	for depth := 0; ; depth++ {
		longer := false
		for _, way := range w {
			if depth >= len(way) {
				continue
			}
			longer = true
			if !slices.ContainsFunc(nodes, func(n node) bool { return n.group == way[depth] }) {
				nodes = append(nodes, node{group: way[depth]})
			}
		}
		if !longer {
			break
		}
	}
	if user != nil {
		nodes = append(nodes, node{user: user})
	}
	return nodes
}

// inside is the groups on the ways that have a restricted group or the restricted user between themselves and the lower end: for
// those the use is not outside.
func (w ways) inside(user *User) map[*Group]bool {
	inside := map[*Group]bool{}
	for _, way := range w {
		cut := user != nil && user.Restricted
		for _, g := range slices.Backward(way) {
			if cut {
				inside[g] = true
			}
			cut = cut || g.Restricted
		}
	}
	return inside
}

// place is where a use or user belongs: its ways with all that follows from them.
type place struct {
	ways   ways
	user   *User
	nodes  []node // topmost first
	inside map[*Group]bool
}

func (d *draft) placeOf(groups []string, user string) place {
	p := place{ways: d.ways(groups)}
	if user != "" {
		p.user = d.user(user)
	}
	p.nodes, p.inside = p.ways.above(p.user), p.ways.inside(p.user)
	return p
}

// tally adds a use to every node on its ways once, or takes it off with sign -1.
func (d *draft) tally(p place, u *Use, sign int) {
	used, active := needs(u.Resource, sign*u.Count), needs(u.Resource, sign*u.Active)
	for _, n := range p.nodes {
		c := d.edit(n)
		c.Used, c.Active = c.Used.plus(used), c.Active.plus(active)
		if n.user != nil || !p.inside[n.group] {
			c.Outside = c.Outside.plus(used)
		}
	}
}

// member adds a user without his uses to the groups on his ways, or takes him off.
func (d *draft) member(p place, sign int) {
	several := len(p.ways) > 1
	for _, way := range p.ways {
		for _, g := range way {
			c := d.edit(node{group: g})
			c.Users += sign
			if several {
				c.Several += sign
			}
		}
	}
	if p.user.Restricted {
		d.reserve(p, p.user.own(0, d.at).finite(), sign)
	}
}

// reserve adds a restricted user's limit to the groups for which he is among the nearest restricted ones.
func (d *draft) reserve(p place, own Amounts, sign int) {
	free := map[*Group]bool{} // some way from him to the group meets no other restriction
	for _, way := range p.ways {
		for _, g := range slices.Backward(way) {
			free[g] = true
			if g.Restricted {
				break
			}
		}
	}
	for _, n := range p.nodes {
		if n.group != nil && free[n.group] {
			c := d.edit(n)
			c.Reserved = add(c.Reserved, own, sign)
		}
	}
}

func add(a, b Amounts, sign int) Amounts {
	if sign < 0 {
		return a.minus(b)
	}
	return a.plus(b)
}

// carry adds what a group's record counts to the groups above it, or takes it off. Users in several groups must not be in it then.
func (d *draft) carry(g *Group, sign int) {
	c := g.Count
	outside, reserved := c.Outside, c.Reserved
	if g.Restricted {
		outside, reserved = Amounts{}, node{group: g}.own(d.at).finite()
	}
	covered := false
	for p := d.group(g.Parent); p != nil; p = d.group(p.Parent) {
		up := d.edit(node{group: p})
		up.Used, up.Active = add(up.Used, c.Used, sign), add(up.Active, c.Active, sign)
		up.Devices += sign * c.Devices
		up.Users += sign * c.Users
		up.Several += sign * c.Several
		up.Groups += sign * (c.Groups + 1)
		if !covered {
			up.Outside, up.Reserved = add(up.Outside, outside, sign), add(up.Reserved, reserved, sign)
		}
		covered = covered || p.Restricted
	}
}

// restructure changes what a group is to those above it: its parent, or whether it is restricted. Users in several groups are lifted
// off the tree while that happens, because they count once where their ways meet.
func (d *draft) restructure(g *Group, change func()) {
	lifted := d.lift(g)
	oldDevices := d.basics(g)
	d.carry(g, -1)
	d.rebase(oldDevices)
	change()
	oldDevices = d.basics(g)
	d.carry(g, +1)
	d.rebase(oldDevices)
	for _, id := range lifted {
		d.weigh(id, +1)
	}
}

// based is a group above with the limit that it has while it stands on Basic, which follows the panels below it.
type based struct {
	group *Group
	own   Amounts
}

// basics notes the limits of the restricted groups above g, before the panels below them change.
func (d *draft) basics(g *Group) (noted []based) {
	for p := d.group(g.Parent); p != nil; p = d.group(p.Parent) {
		if p.Restricted {
			noted = append(noted, based{p, node{group: p}.own(d.at).finite()})
		}
	}
	return noted
}

// rebase passes on to the groups above what became of the noted limits.
func (d *draft) rebase(noted []based) {
	for _, b := range noted {
		if now := (node{group: b.group}).own(d.at).finite(); now != b.own {
			d.reservedBy(b.group, now.minus(b.own))
		}
	}
}

// reservedBy adds a difference of a restricted group's limit to those groups above for which it is the nearest.
func (d *draft) reservedBy(g *Group, difference Amounts) {
	for p := d.group(g.Parent); p != nil; p = d.group(p.Parent) {
		c := d.edit(node{group: p})
		c.Reserved = c.Reserved.plus(difference)
		if p.Restricted {
			return
		}
	}
}

// lift takes the users in several groups who are below a group off the tree and returns their ids.
func (d *draft) lift(g *Group) []string {
	found := map[string]bool{}
	d.severalBelow(g, found)
	ids := slices.Sorted(maps.Keys(found))
	for _, id := range ids {
		d.weigh(id, -1)
	}
	return ids
}

func (d *draft) severalBelow(g *Group, found map[string]bool) {
	if g.Count.Several == 0 {
		return
	}
	for u := range d.usersIn(g.ID) {
		if len(u.Groups) > 1 {
			found[u.ID] = true
		}
	}
	for child := range d.children(g.ID, "") {
		d.severalBelow(&child, found)
	}
}

// weigh adds a user with all that he holds to the tree, or takes him off.
func (d *draft) weigh(id string, sign int) {
	p := d.placeOf(d.user(id).Groups, id)
	d.member(p, sign)
	for u := range d.usesOf(id) {
		d.tally(p, &u, sign)
	}
}

// setEdges makes a node's edges be those of its limits, and no others.
func (d *draft) setEdges(old, now []Edge) {
	for _, e := range old {
		if !slices.Contains(now, e) {
			d.edges[e] = false
		}
	}
	for _, e := range now {
		if !slices.Contains(old, e) {
			d.edges[e] = true
		}
	}
}

// changes gathers what was decided.
func (d *draft) changes() (Changes, error) {
	if d.failure != nil {
		return Changes{}, d.failure
	}
	mark, err := d.number()
	if err != nil {
		return Changes{}, err
	}
	c := Changes{
		Groups: d.groups.puts(), Users: d.users.puts(), Uses: d.uses.puts(), Devices: d.devices.puts(), Packages: d.packages.puts(),
		Trials: d.trials.puts(), Claims: d.claims.puts(), Asks: d.asks.puts(), Months: d.months.puts(),
		DropUsers: d.users.drops(), DropUses: d.uses.drops(), DropDevices: d.devices.drops(), DropAsks: d.asks.drops(), DropMonths: d.droppedMonths(),
		Mark: mark, Entries: d.entries, Reminders: d.reminders, Notices: d.notices,
	}
	for _, e := range slices.SortedFunc(maps.Keys(d.edges), compareEdges) {
		if d.edges[e] {
			c.Edges = append(c.Edges, e)
		} else {
			c.DropEdges = append(c.DropEdges, e)
		}
	}
	return c, nil
}

// number gives the entries their numbers and hashes.
func (d *draft) number() (Mark, error) {
	mark := d.mark
	mark.At = d.at
	for i := range d.entries {
		e := &d.entries[i]
		e.Number, e.Prev = mark.Number+1, mark.Hash
		hash, err := e.sum()
		if err != nil {
			return mark, err
		}
		e.Hash = hash
		mark.Number, mark.Hash = e.Number, e.Hash
	}
	return mark, nil
}

func compareEdges(a, b Edge) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.At.Compare(b.At), cmp.Compare(a.Group, b.Group), cmp.Compare(a.User, b.User), cmp.Compare(a.Block, b.Block))
}
