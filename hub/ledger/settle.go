package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// maxNamed is how many uses an entry names of those that a change suspended or brought back.
const maxNamed = 1_000

// over tells that more is assigned below a node than its limit: something there is suspended.
func over(l *Limits, c *Counters, t time.Time) bool {
	if !l.Restricted {
		return false
	}
	own := l.own(c.Devices, t)
	for r := range own {
		if c.Used[r] > own[r] {
			return true
		}
	}
	return false
}

func (d *draft) overNow(n node) bool { return over(n.limits(), n.count(), d.at) }

// settle decides which uses are active: pinned ones first, then the oldest, each as far as every node that is over its limit still has
// room. Only what lies below a node that is or was over can differ from what it was, so that without one nothing is read.
func (d *draft) settle() {
	tops := d.tops()
	d.settled = append(d.settled, tops...)
	uses := d.concerned(tops)
	if len(uses) == 0 {
		return
	}
	slices.SortFunc(uses, admissionOrder)
	admitted := map[string]*Amounts{}
	active := make([]int, len(uses))
	for i := range uses {
		active[i] = d.admit(&uses[i], admitted)
	}
	for i := range uses {
		if active[i] != uses[i].Active {
			d.setActive(uses[i], active[i])
		}
	}
}

// resettle has what is suspended below a node looked at again in its new place.
func (d *draft) resettle(n node) {
	if c := n.count(); c.Used != c.Active {
		d.settled = append(d.settled, n)
	}
}

// admissionOrder is who stays active first: whoever is pinned, then the oldest.
func admissionOrder(a, b Use) int {
	if a.Pinned != b.Pinned {
		if a.Pinned {
			return -1
		}
		return 1
	}
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
}

// admit takes as many of a use as fit into every node above it that is over, and returns how many.
func (d *draft) admit(u *Use, admitted map[string]*Amounts) int {
	var tight []node
	count, one := u.Count, needs(u.Resource, 1)
	for _, n := range d.placeOf(u.Groups, u.User).nodes {
		if !d.overNow(n) {
			continue
		}
		tight = append(tight, n)
		taken := admitted[n.id()]
		if taken == nil {
			taken = &Amounts{}
			admitted[n.id()] = taken
		}
		own := n.own(d.at)
		for r := range one {
			if one[r] > 0 {
				count = min(count, max(0, own[r]-taken[r]))
			}
		}
	}
	for _, n := range tight {
		taken := admitted[n.id()]
		*taken = taken.plus(needs(u.Resource, count))
	}
	return count
}

func (d *draft) setActive(u Use, active int) {
	stored := d.use(u.ID)
	if stored == nil {
		return
	}
	difference := needs(u.Resource, active-stored.Active)
	d.uses.edit(u.ID).Active = active
	for _, n := range d.placeOf(u.Groups, u.User).nodes {
		c := d.edit(n)
		c.Active = c.Active.plus(difference)
	}
	d.nameFlip(u, active < u.Active)
}

// nameFlip writes into the newest entry of the use's root that it was suspended, or came back.
func (d *draft) nameFlip(u Use, stopped bool) {
	for i := len(d.entries) - 1; i >= 0; i-- {
		e := &d.entries[i]
		if e.Root != u.Root {
			continue
		}
		if list := &e.Resumed; !stopped && len(*list) < maxNamed {
			*list = append(*list, u.ID)
		}
		if list := &e.Stopped; stopped && len(*list) < maxNamed {
			*list = append(*list, u.ID)
		}
		return
	}
}

// tops are the topmost nodes that are over, above or at whatever this decision changed and was over before or is now.
func (d *draft) tops() []node {
	found := map[string]node{}
	for _, id := range slices.Sorted(maps.Keys(d.groups.dirty)) {
		s := d.groups.dirty[id]
		n := node{group: &s.now}
		if d.overNow(n) || s.stored && over(&s.was.Limits, &s.was.Count, d.mark.At) {
			d.addTops(found, n)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.users.dirty)) {
		s := d.users.dirty[id]
		n := node{user: &s.now}
		if s.there && (d.overNow(n) || s.stored && over(&s.was.Limits, &s.was.Count, d.mark.At)) {
			d.addTops(found, n)
		}
	}
	for _, n := range d.touched {
		if d.overNow(n) {
			d.addTops(found, n)
		}
	}
	for _, n := range d.settled { // was over, or below what was, and need not be any more
		d.addTops(found, n)
	}
	return inKeyOrder(found)
}

func inKeyOrder(nodes map[string]node) []node {
	var out []node
	for _, key := range slices.Sorted(maps.Keys(nodes)) {
		out = append(out, nodes[key])
	}
	return out
}

// addTops adds for each way to a node the topmost group on it that is over; the node itself when none is.
func (d *draft) addTops(found map[string]node, n node) {
	groups := []string{}
	if n.user != nil {
		groups = n.user.Groups
		found[n.id()] = n
	} else {
		groups = append(groups, n.group.ID)
	}
	for _, id := range groups {
		for _, g := range d.path(id) {
			if at := (node{group: g}); d.overNow(at) || n.group == g {
				found[at.id()] = at
				break
			}
		}
	}
}

// concerned are the uses below some nodes, each once, with those that share a node which is over with a user in several groups.
func (d *draft) concerned(tops []node) []Use {
	var uses []Use
	seen, walked := map[string]bool{}, map[string]bool{}
	for len(tops) > 0 {
		more := map[string]node{}
		for _, top := range tops {
			if walked[top.id()] {
				continue
			}
			walked[top.id()] = true
			d.below(top, func(u Use) {
				if seen[u.ID] {
					return
				}
				seen[u.ID] = true
				uses = append(uses, u)
				if len(u.Groups) < 2 {
					return
				}
				for _, n := range d.placeOf(u.Groups, "").nodes {
					if d.overNow(n) {
						d.addTops(more, n)
					}
				}
			})
		}
		tops = inKeyOrder(more)
	}
	return uses
}

// below hands over every use below a node; one of a user in several groups perhaps more than once.
func (d *draft) below(n node, hand func(Use)) {
	if n.user != nil {
		for u := range d.usesOf(n.user.ID) {
			hand(u)
		}
		return
	}
	if n.group.Count.Used.IsZero() || d.failure != nil {
		return
	}
	for u := range d.usesIn(n.group.ID) {
		hand(u)
	}
	for child := range d.children(n.group.ID, "") {
		d.below(node{group: &child}, hand)
	}
}
