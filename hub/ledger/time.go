package ledger

import (
	"encoding/json"
	"slices"
	"time"
)

// pass lets happen what is due: limits of nodes whose blocks begin or end between the mark and now are counted anew, in either
// direction of time, so that a clock that was wrong does no lasting harm; then reminders.
func (d *draft) pass() error {
	d.passWindows()
	d.remind()
	return d.failure
}

func (d *draft) passWindows() {
	from, until := d.mark.At, d.at
	if until.Before(from) {
		from, until = until, from
	}
	passed := map[string][]string{} // nodes by their root
	var roots []string
	seen := map[string]bool{}
	for e, err := range d.book.Edges(WindowEdge, from, until) {
		if d.fail(err) {
			return
		}
		n, there := d.nodeOf(e)
		if !there { // its record was damaged: the edge goes, or it would be due for ever
			d.edges[e] = false
			continue
		}
		if !seen[n.id()] {
			seen[n.id()] = true
			d.retime(n)
			if passed[n.root()] == nil {
				roots = append(roots, n.root())
			}
			passed[n.root()] = append(passed[n.root()], n.id())
		}
	}
	slices.Sort(roots)
	for _, root := range roots {
		d.enter(Entry{Who: "hub", What: Tick{}.What(), Root: root, Group: root}, nil, timePassed{passed[root][:min(len(passed[root]), maxNamed)]})
	}
	if len(roots) > 0 {
		d.settle()
	}
}

// timePassed names whose blocks began or ended: "g/" and a group, "u/" and a user.
type timePassed struct {
	Nodes []string `json:"nodes"`
}

func (d *draft) nodeOf(e Edge) (node, bool) {
	if e.User != "" {
		u := d.user(e.User)
		return node{user: u}, u != nil
	}
	g := d.group(e.Group)
	return node{group: g}, g != nil
}

// retime passes a limit that time changed on to the groups above, and has the node looked at by settle.
func (d *draft) retime(n node) {
	before, now := n.limits().own(n.count().Devices, d.mark.At).finite(), n.own(d.at).finite()
	d.edit(n)
	if !n.restricted() || before == now {
		return
	}
	if n.user != nil {
		d.reserve(d.placeOf(n.user.Groups, n.user.ID), now.minus(before), +1)
		return
	}
	d.reservedBy(n.group, now.minus(before))
}

func (Tick) decide(*draft) error { return nil }

// edgesOf are the edges that a node's limits make: when its blocks begin and end, and when to remind next.
func (d *draft) edgesOf(n node) []Edge {
	if n.group != nil && !n.group.Archived.IsZero() {
		return nil
	}
	e := Edge{Kind: WindowEdge}
	if n.user != nil {
		e.User = n.user.ID
	} else {
		e.Group = n.group.ID
	}
	var out []Edge
	instants := n.limits().instants(time.Time{})
	if n.user != nil {
		own := Limits{Restricted: true, Blocks: n.user.Own}
		instants = inOrder(append(instants, own.instants(time.Time{})...), time.Time{})
	}
	for _, at := range instants {
		e.At = at.UTC()
		out = append(out, e)
	}
	for _, b := range n.limits().Blocks {
		if !b.Next.IsZero() {
			out = append(out, Edge{Kind: ReminderEdge, At: b.Next.UTC(), Group: e.Group, User: e.User, Block: b.ID})
		}
	}
	return out
}

// enter adds an entry. Before and after are written as JSON; nil = nothing.
func (d *draft) enter(e Entry, before, after any) {
	e.At = d.at
	if e.Who == "" {
		e.Who = d.r.Who
	}
	e.Before, e.After = d.facts(before), d.facts(after)
	d.entries = append(d.entries, e)
}

func (d *draft) facts(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	d.fail(err)
	return text
}

// NextChange is when the ledger changes by itself next: a block begins or ends, a reminder is due. Zero = never. A reminder that is
// due already is due at after.
func NextChange(book Book, after time.Time) (time.Time, error) {
	var next time.Time
	for e, err := range book.Edges(WindowEdge, after.UTC(), time.Time{}) {
		if err != nil {
			return next, err
		}
		next = e.At
		break
	}
	for e, err := range book.Edges(ReminderEdge, time.Time{}, time.Time{}) {
		if err != nil {
			return next, err
		}
		at := e.At
		if at.Before(after) {
			at = after
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		break
	}
	return next, nil
}
