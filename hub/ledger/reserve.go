package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// promise is what a group in reserved mode has promised to those below: from each instant on so much.
type promise struct {
	node
	steps []step
}

// step is what holds from an instant to the next step.
type step struct {
	at       time.Time
	promised Amounts // limits of the nearest restricted nodes below; at the first step, which is now, with the use outside them
	own      Amounts
}

// promises are taken before a change of those nodes that are restricted and in reserved mode now. It reads all nearest restricted nodes
// below each, which no decision about a single use does.
func (d *draft) promises(nodes []node) (out []promise) {
	for _, n := range nodes {
		if n.group != nil {
			p := promise{node: n}
			if n.restricted() && n.limits().Mode == Reserved {
				p.steps = d.promised(n.group)
			}
			out = append(out, p)
		}
	}
	return out
}

// nearest hands over the restricted groups and users at or below a node that have no restricted one between.
func (d *draft) nearest(n node, hand func(node)) {
	if n.restricted() {
		hand(n)
		return
	}
	d.nearestBelow(n.group, hand)
}

func (d *draft) nearestBelow(g *Group, hand func(node)) {
	if d.failure != nil {
		return
	}
	for u := range d.usersIn(g.ID) {
		if u.Restricted {
			hand(node{user: &u})
		}
	}
	for child := range d.children(g.ID, "") {
		if child.Archived.IsZero() {
			d.nearest(node{group: &child}, hand)
		}
	}
}

// promised adds up the limits below a group at every instant from now on.
func (d *draft) promised(g *Group) []step {
	deltas := map[int64]Amounts{}
	var now Amounts
	var instants []time.Time
	seen := map[string]bool{}
	d.nearestBelow(g, func(n node) {
		if seen[n.id()] {
			return
		}
		seen[n.id()] = true
		before := n.own(d.at).finite()
		now = now.plus(before)
		for _, t := range n.limits().instants(d.at) {
			own := n.own(t).finite()
			deltas[t.UnixNano()] = deltas[t.UnixNano()].plus(own.minus(before))
			instants, before = append(instants, t), own
		}
	})
	instants = append(instants, g.Limits.instants(d.at)...)
	limit := node{group: g}
	steps := []step{{d.at, now.plus(g.Count.Outside), limit.own(d.at)}}
	for _, t := range inOrder(instants, d.at) {
		now = now.plus(deltas[t.UnixNano()])
		steps = append(steps, step{t, now, limit.own(t)})
	}
	return steps
}

// standing is the step that holds at an instant.
func standing(steps []step, t time.Time) step {
	var last step
	for _, s := range steps {
		if s.at.After(t) {
			break
		}
		last = s
	}
	return last
}

// broken refuses a change after which a promise cannot be kept at some instant, where it could before or less was missing.
func (d *draft) broken(before []promise) *Refusal {
	for _, p := range before {
		if !p.restricted() || p.limits().Mode != Reserved {
			continue
		}
		for _, s := range d.promised(p.group) {
			then := standing(p.steps, s.at)
			for _, r := range Resources() {
				missing, missed := s.promised[r]-s.own[r], then.promised[r]-then.own[r]
				if missing > 0 && (p.steps == nil || missing > missed) {
					return d.reservedRefusal(p.node, r, s.at, s.promised[r], s.own[r], []Bind{d.bind(p.node, r, true)})
				}
			}
		}
	}
	return nil
}

const maxListed = 20

// reservedRefusal lists what the limits below a reserved group are made of.
func (d *draft) reservedRefusal(n node, r Resource, at time.Time, promised, own int, binds []Bind) *Refusal {
	var list []string
	more, seen := 0, map[string]bool{}
	d.nearestBelow(n.group, func(below node) {
		if seen[below.id()] || below.own(at).finite()[r] == 0 {
			return
		}
		seen[below.id()] = true
		if len(list) == maxListed {
			more++
			return
		}
		list = append(list, fmt.Sprintf("%s %d", below.name(), below.own(at)[r]))
	})
	if outside := n.count().Outside[r]; outside > 0 {
		list = append(list, fmt.Sprintf("in use outside them %d", outside))
	}
	if more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	for i := range binds {
		binds[i].Limit, binds[i].Used = own, promised
		binds[i].Room = max(0, own-promised)
	}
	return &Refusal{
		Reason: ReservedFull, Resource: r, Asked: promised, Most: own, At: at, Binds: slices.Clone(binds),
		Text: fmt.Sprintf("%s reserves %d %s for what is below, which comes to %d%s: %s", n.name(), own, inWords(r), promised, d.since(n, at), strings.Join(list, ", ")),
	}
}
