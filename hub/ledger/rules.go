package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func refusal(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// unknown is the same for what does not exist and for what may not be known.
func unknown(what string) *Refusal { return refusal(Unknown, "there is no such %s", what) }

// room is how much more of a resource a restricted node has for a use; outside tells that the use would lie below no other restricted
// node below this one, so that in reserved mode it may not take what is reserved for those.
func (d *draft) room(n node, r Resource, outside bool) (room int, reserved bool) {
	own, c := n.own(d.at)[r], n.count()
	if own >= Unlimited {
		return Unlimited, false
	}
	room = own - c.Used[r]
	if free := own - c.Reserved[r] - c.Outside[r]; n.limits().Mode == Reserved && outside && free < room {
		return free, true
	}
	return room, false
}

// binding are the restricted nodes of a place with the least room for a resource, topmost first, and that room.
func (d *draft) binding(p place, r Resource) (binds []Bind, least int) {
	least = Unlimited
	for _, n := range p.nodes {
		if !n.restricted() {
			continue
		}
		room, reserved := d.room(n, r, n.user != nil || !p.inside[n.group])
		if room >= Unlimited {
			continue
		}
		room = max(room, 0)
		if room < least {
			binds, least = nil, room
		}
		if room == least {
			binds = append(binds, d.bind(n, r, reserved))
		}
	}
	return binds, least
}

// fits refuses what one node on the ways has no room for.
func (d *draft) fits(p place, need Amounts) *Refusal {
	for _, r := range Resources() {
		if need[r] == 0 {
			continue
		}
		if r := d.countable(p.nodes, r, need[r]); r != nil {
			return r
		}
		binds, least := d.binding(p, r)
		if need[r] <= least {
			continue
		}
		return &Refusal{
			Reason: LimitReached, Resource: r, Asked: need[r], Most: least, At: d.at, Binds: binds, Text: blocked(binds, need[r], least),
		}
	}
	return nil
}

// countable refuses what would bring a counter to Unlimited, restricted or not: it would not be right any more.
func (d *draft) countable(nodes []node, r Resource, more int) *Refusal {
	for _, n := range nodes {
		if used := n.count().Used[r]; sum(used, more) >= Unlimited {
			return &Refusal{
				Reason: LimitReached, Resource: r, Asked: more, Most: max(0, Unlimited-1-used), At: d.at, Binds: []Bind{d.bind(n, r, false)},
				Text: fmt.Sprintf("%s has %d %s in use, and %d more could not be counted", n.name(), used, inWords(r), more),
			}
		}
	}
	return nil
}

// blocked says what binds: "blocked by Building 7: 50 of 50 used".
func blocked(binds []Bind, asked, least int) string {
	var parts []string
	for _, b := range binds {
		parts = append(parts, fmt.Sprintf("%s: %s", b.Name, b.figures()))
	}
	text := "blocked by " + strings.Join(parts, ", ")
	if least > 0 {
		text += fmt.Sprintf("; %d asked, %d left", asked, least)
	}
	return text
}

func (b Bind) figures() string {
	if b.Reserved {
		return fmt.Sprintf("%d of %d used or reserved for groups below", b.Used, b.Limit)
	}
	return fmt.Sprintf("%d of %d used", b.Used, b.Limit)
}

// bind describes a node as one that decides.
func (d *draft) bind(n node, r Resource, reserved bool) Bind {
	c := n.count()
	b := Bind{Place: d.spot(n), Path: d.pathOf(n), Limit: n.own(d.at)[r], Used: c.Used[r], Until: n.limits().next(d.at), Reserved: reserved, Manager: d.manager(n)}
	if reserved {
		b.Used = c.Reserved[r] + c.Outside[r]
	}
	b.Room = max(0, b.Limit-b.Used)
	return b
}

// manager is whom to ask about a node: its group's manager, or that of the nearest group above.
func (d *draft) manager(n node) string {
	group := ""
	if n.user == nil {
		group = n.group.ID
	} else if len(n.user.Groups) > 0 {
		group = n.user.Groups[0]
	}
	for _, g := range slices.Backward(d.path(group)) {
		if g.Manager != "" {
			return g.Manager
		}
	}
	return ""
}

func (d *draft) spot(n node) Place {
	if n.user != nil {
		return Place{User: n.user.ID, Name: n.name()}
	}
	return Place{Group: n.group.ID, Name: n.group.Name, Level: d.levelName(n.group)}
}

func (d *draft) levelName(g *Group) string {
	root := d.group(g.Root)
	if root == nil {
		return ""
	}
	for _, level := range root.Levels {
		if level.ID == g.Level {
			return level.Name
		}
	}
	return ""
}

// pathOf is the places from the root to a node; of a user in several groups, to the first of them.
func (d *draft) pathOf(n node) []Place {
	group := ""
	if n.user == nil {
		group = n.group.ID
	} else if len(n.user.Groups) > 0 {
		group = n.user.Groups[0]
	}
	out := d.placesTo(group)
	if n.user != nil {
		out = append(out, d.spot(n))
	}
	return out
}

// placesTo is the places from the root to a group; none when there is no such group.
func (d *draft) placesTo(group string) (out []Place) {
	for _, g := range d.path(group) {
		out = append(out, d.spot(node{group: g}))
	}
	return out
}

// zone is the time zone of a group: its own or the nearest above; UTC when none is set.
func (d *draft) zone(group string) *time.Location {
	for _, g := range slices.Backward(d.path(group)) {
		if g.Zone == "" {
			continue
		}
		zone, err := d.book.Zone(g.Zone)
		if d.fail(err) {
			break
		}
		return zone
	}
	return time.UTC
}

func (d *draft) zoneOf(n node) *time.Location {
	switch {
	case n.user == nil:
		return d.zone(n.group.ID)
	case len(n.user.Groups) > 0:
		return d.zone(n.user.Groups[0])
	}
	return time.UTC
}

// day writes an instant as people of a zone do: the date alone at midnight.
func day(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	if h, m, s := t.Clock(); h+m+s == 0 {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04")
}

// snap is how a node stood before a change.
type snap struct {
	node
	own, used, held Amounts // held is what is reserved below and used outside
}

func (d *draft) snap(nodes []node) []snap {
	out := make([]snap, 0, len(nodes))
	for _, n := range nodes {
		c := n.count()
		out = append(out, snap{n, n.own(d.at), c.Used, c.Reserved.plus(c.Outside)})
	}
	return out
}

// worse refuses a change after which a node has more in use than its limit, and more so than before.
func (d *draft) worse(before []snap) *Refusal {
	for _, s := range before {
		if !s.restricted() {
			continue
		}
		own, c := s.node.own(d.at), s.count()
		held := c.Reserved.plus(c.Outside)
		for _, r := range Resources() {
			bind := func(reserved bool) []Bind { return []Bind{d.bind(s.node, r, reserved)} }
			switch {
			case c.Used[r] > own[r] && c.Used[r] > s.used[r]:
				return &Refusal{
					Reason: LimitReached, Resource: r, Asked: c.Used[r] - s.used[r], Most: max(0, own[r]-s.used[r]), At: d.at, Binds: bind(false),
					Text: fmt.Sprintf("%s has %d %s in use of %d: %d more do not fit", s.name(), s.used[r], inWords(r), own[r], c.Used[r]-s.used[r]),
				}
			case c.Used[r] > own[r] && own[r] < s.own[r]:
				return &Refusal{
					Reason: BelowUse, Resource: r, Asked: own[r], Most: c.Used[r], At: d.at, Binds: bind(false),
					Text: fmt.Sprintf("%s: %d in use, cannot lower to %d", s.name(), c.Used[r], own[r]),
				}
			case s.limits().Mode == Reserved && held[r] > own[r] && held[r]-own[r] > s.held[r]-s.own[r]:
				return d.reservedRefusal(s.node, r, d.at, held[r], own[r], bind(true))
			}
		}
	}
	return nil
}

func inWords(r Resource) string {
	switch r {
	case SIPNumbers:
		return "SIP numbers"
	case Apps:
		return "applications"
	case UKey:
		return "mobile keys"
	}
	return r.String()
}
