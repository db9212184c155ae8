package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultLevels are the five of T-9.
func DefaultLevels() []Level {
	return []Level{{"company", "Company"}, {"building", "Building"}, {"units", "Units"}, {"floors", "Floors"}, {"apartments", "Apartments"}}
}

// groupFacts are what an entry says of a group. Addresses are counted, not named.
type groupFacts struct {
	Parent         string      `json:"parent,omitempty"`
	Name           string      `json:"name"`
	Level          string      `json:"level"`
	Zone           string      `json:"zone,omitempty"`
	Manager        bool        `json:"manager,omitempty"`
	Administrators int         `json:"administrators,omitempty"`
	Archived       time.Time   `json:"archived,omitzero"`
	Limits         limitsFacts `json:"limits"`
}

type limitsFacts struct {
	Restricted bool      `json:"restricted"`
	Mode       Mode      `json:"mode,omitempty"`
	Blocks     []Block   `json:"blocks,omitempty"`
	Reminder   *Reminder `json:"reminder,omitempty"`
}

func (g *Group) facts() *groupFacts {
	return &groupFacts{
		Parent: g.Parent, Name: g.Name, Level: g.Level, Zone: g.Zone, Manager: g.Manager != "", Administrators: len(g.Administrators),
		Archived: g.Archived, Limits: g.Limits.facts(),
	}
}

func (l *Limits) facts() limitsFacts {
	f := limitsFacts{Restricted: l.Restricted, Mode: l.Mode, Reminder: l.Reminder.unnamed()}
	for _, b := range l.Blocks {
		b.Reminder, b.Next = b.Reminder.unnamed(), time.Time{}
		f.Blocks = append(f.Blocks, b)
	}
	return f
}

func (r *Reminder) unnamed() *Reminder {
	if r == nil || r.To == nil {
		return r
	}
	out := *r
	out.To = nil
	return &out
}

// goodID tells that an id is one that a store can use as a key.
func goodID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

func checkName(what, name string) *Refusal {
	if name != strings.TrimSpace(name) || len(name) > MaxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return refusal(Invalid, "%s %.40q: at most %d bytes in one line, without spaces at its ends", what, name, MaxName)
	}
	return nil
}

// live finds a group that is not archived, in a tree that is not.
func (d *draft) live(id string) (*Group, *Refusal) {
	g := d.group(id)
	if g == nil {
		return nil, unknown("group")
	}
	if !g.Archived.IsZero() {
		return nil, refusal(ArchivedGroup, "%s is archived since %s", g.Name, day(g.Archived, d.zone(id)))
	}
	return g, nil
}

func (c CreateGroup) decide(d *draft) error {
	asked := c.Group
	g := Group{
		ID: asked.ID, Parent: asked.Parent, Root: asked.ID, Name: asked.Name, Level: asked.Level, Zone: asked.Zone,
		Administrators: slices.Clone(asked.Administrators), Manager: asked.Manager, Made: d.at,
	}
	if !goodID(g.ID) {
		return refusal(Invalid, "group id %.70q: 1 to 64 letters, digits, hyphens, dots", g.ID)
	}
	if d.group(g.ID) != nil {
		return refusal(Taken, "there is a group %s already", g.ID)
	}
	if r := d.hang(&g, asked.Levels); r != nil {
		return r
	}
	if r := d.checkGroup(&g); r != nil {
		return r
	}
	d.groups.put(g.ID, g)
	d.levelUse(d.group(g.ID), g.Level, +1)
	d.carry(d.group(g.ID), +1)
	fresh := node{group: d.group(g.ID)}
	if asked.Restricted || len(asked.Blocks) > 0 || asked.Reminder != nil || asked.Mode != "" {
		if r := d.save(fresh, asked.Limits, false, true); r != nil {
			return r
		}
	}
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID}, nil, fresh.group.facts())
	return nil
}

// hang puts a new group below its parent, or makes it a root.
func (d *draft) hang(g *Group, levels []Level) *Refusal {
	if g.Parent == "" {
		g.Levels = slices.Clone(levels)
		if len(g.Levels) == 0 {
			g.Levels = DefaultLevels()
		}
		if g.Level == "" {
			g.Level = g.Levels[0].ID
		}
		g.LevelUse = make([]int, len(g.Levels))
		if r := checkLevels(g.Levels); r != nil {
			return r
		}
		return d.checkLevel(g, nil, g.Levels)
	}
	parent, r := d.live(g.Parent)
	if r != nil {
		return r
	}
	if len(d.path(parent.ID)) >= MaxDepth {
		return refusal(Invalid, "%s is %d groups below its company already: no deeper", parent.Name, MaxDepth)
	}
	g.Root = parent.Root
	return d.checkLevel(g, parent, d.levels(g))
}

func checkLevels(levels []Level) *Refusal {
	if len(levels) > MaxDepth {
		return refusal(Invalid, "%d levels: at most %d", len(levels), MaxDepth)
	}
	for i, level := range levels {
		if !goodID(level.ID) || level.Name == "" {
			return refusal(Invalid, "level %d needs an id and a name", i+1)
		}
		if r := checkName("level", level.Name); r != nil {
			return r
		}
		if slices.ContainsFunc(levels[:i], func(l Level) bool { return l.ID == level.ID }) {
			return refusal(Invalid, "level %q is there twice", level.ID)
		}
	}
	return nil
}

func levelIndex(levels []Level, id string) int {
	return slices.IndexFunc(levels, func(l Level) bool { return l.ID == id })
}

// checkLevel holds a group to its company's levels: below its parent's, any number of them left out (T-9).
func (d *draft) checkLevel(g, parent *Group, levels []Level) *Refusal {
	at := levelIndex(levels, g.Level)
	if at < 0 {
		return refusal(Invalid, "level %.40q is none of this company's", g.Level)
	}
	if parent != nil && at <= levelIndex(levels, parent.Level) {
		return refusal(Invalid, "%s cannot be below %s %s", levels[at].Name, d.levelName(parent), parent.Name)
	}
	return nil
}

// levels are those of a group's company; none when its record was damaged.
func (d *draft) levels(g *Group) []Level {
	if root := d.group(g.Root); root != nil {
		return root.Levels
	}
	return nil
}

// levelUse counts a group of a level at its company.
func (d *draft) levelUse(g *Group, level string, by int) {
	at := levelIndex(d.levels(g), level)
	if at < 0 {
		return
	}
	root := d.groups.edit(g.Root)
	root.LevelUse = slices.Clone(root.LevelUse)
	root.LevelUse[at] += by
}

func (d *draft) checkGroup(g *Group) *Refusal {
	if g.Name == "" {
		return refusal(Invalid, "a group needs a name")
	}
	for _, text := range []string{g.Name, g.Manager} {
		if r := checkName("name", text); r != nil {
			return r
		}
	}
	if g.Zone != "" {
		if _, err := d.book.Zone(g.Zone); err != nil {
			return refusal(Invalid, "time zone %.40q does not exist: write it as Europe/Rome", g.Zone)
		}
	}
	return checkAddresses(g.Administrators)
}

func checkAddresses(addresses []string) *Refusal {
	if len(addresses) > 16 {
		return refusal(Invalid, "%d addresses: at most 16", len(addresses))
	}
	for _, a := range addresses {
		if at := strings.IndexByte(a, '@'); at < 1 || at == len(a)-1 || len(a) > 254 || strings.ContainsAny(a, " \r\n\t<>,;") {
			return refusal(Invalid, "%.60q is no mail address", a)
		}
	}
	return nil
}

func (c EditGroup) decide(d *draft) error {
	g, r := d.live(c.ID)
	if r != nil {
		return r
	}
	before, oldLevel, oldZone := g.facts(), g.Level, g.Zone
	edited := *g
	set(&edited.Name, c.Name)
	set(&edited.Level, c.Level)
	set(&edited.Zone, c.Zone)
	set(&edited.Manager, c.Manager)
	set(&edited.Administrators, c.Administrators)
	if r := d.checkGroup(&edited); r != nil {
		return r
	}
	if edited.Level != oldLevel {
		if r := d.relevel(&edited); r != nil {
			return r
		}
	}
	*d.groups.edit(g.ID) = edited
	if edited.Level != oldLevel {
		d.levelUse(g, oldLevel, -1)
		d.levelUse(g, edited.Level, +1)
	}
	if edited.Zone != oldZone {
		d.remindAnew(node{group: d.group(g.ID)})
	}
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID}, before, d.group(g.ID).facts())
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// relevel holds a group's new level to the one above and to those right below.
func (d *draft) relevel(g *Group) *Refusal {
	levels := d.levels(g)
	if r := d.checkLevel(g, d.group(g.Parent), levels); r != nil {
		return r
	}
	for child := range d.children(g.ID, "") {
		if child.Archived.IsZero() && levelIndex(levels, child.Level) <= levelIndex(levels, g.Level) {
			return refusal(Invalid, "%s %s is below it", d.levelName(&child), child.Name)
		}
	}
	return nil
}

func (c SetLevels) decide(d *draft) error {
	root, r := d.live(c.Root)
	if r != nil {
		return r
	}
	if !root.IsRoot() {
		return refusal(Invalid, "%s is no company: levels belong to companies", root.Name)
	}
	if r := checkLevels(c.Levels); r != nil {
		return r
	}
	use, kept := make([]int, len(c.Levels)), -1
	for i, level := range root.Levels {
		at := levelIndex(c.Levels, level.ID)
		switch {
		case root.LevelUse[i] == 0:
		case at < 0:
			return refusal(NotEmpty, "%d groups are %s: move or archive them first", root.LevelUse[i], level.Name)
		case at < kept:
			return refusal(NotEmpty, "%s has groups and cannot go above a level that has some", level.Name)
		default:
			kept = at
		}
		if at >= 0 {
			use[at] = root.LevelUse[i]
		}
	}
	before := root.Levels
	edited := d.groups.edit(root.ID)
	edited.Levels, edited.LevelUse = slices.Clone(c.Levels), use
	d.enter(Entry{What: c.What(), Root: root.ID, Group: root.ID}, before, c.Levels)
	return nil
}

func (c MoveGroup) decide(d *draft) error {
	g, r := d.live(c.ID)
	if r != nil {
		return r
	}
	to, r := d.live(c.To)
	switch {
	case r != nil:
		return r
	case to.Root != g.Root || g.IsRoot():
		return refusal(OtherProject, "%s belongs to its company: licenses do not move to another one", g.Name)
	case to.ID == g.Parent:
		return nil
	case slices.Contains(d.path(to.ID), g):
		return refusal(Invalid, "%s is below %s", to.Name, g.Name)
	}
	height, r := d.height(g, len(d.path(to.ID)))
	if r != nil {
		return r
	}
	if height > MaxDepth {
		return refusal(Invalid, "that would be %d groups below each other: at most %d", height, MaxDepth)
	}
	if r := d.checkLevel(g, to, d.levels(g)); r != nil {
		return r
	}
	return d.move(c, g, to)
}

// height is how deep the tree is at the lowest group below g, when g hangs below depth groups.
func (d *draft) height(g *Group, depth int) (int, *Refusal) {
	deepest := depth + 1
	// Levels go strictly downwards, so that what lies below g is bounded by the levels below its own.
	levels := d.levels(g)
	deepest += len(levels) - 1 - max(levelIndex(levels, g.Level), 0)
	if deepest <= MaxDepth {
		return deepest, nil
	}
	return deepest, refusal(Invalid, "the tree would be too deep below %s", g.Name)
}

func (d *draft) move(c MoveGroup, g, to *Group) error {
	before := g.facts()
	nodes := ways{d.path(g.Parent), d.path(to.ID)}.above(nil)
	stood, promised := d.snap(nodes), d.promises(nodes)
	d.resettle(node{group: g})
	d.restructure(g, func() { d.groups.relist(g.ID).Parent = to.ID })
	if r := d.beyondEach(g, to); r != nil {
		return r
	}
	if r := d.worse(stood); r != nil {
		return r
	}
	if r := d.broken(promised); r != nil {
		return r
	}
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID}, before, g.facts())
	return nil
}

// beyondEach holds the nearest restricted groups at and below a moved group to the groups above its new place, as a save does.
func (d *draft) beyondEach(g, to *Group) *Refusal {
	var found *Refusal
	above := ways{d.path(to.ID)}.above(nil)
	d.nearest(node{group: g}, func(n node) {
		if found == nil {
			found = d.beyond(above, n, &Limits{}, n.limits())
		}
	})
	if found != nil {
		found.Offer = nil // a moved group keeps its blocks; whoever moves it lowers them first
	}
	return found
}

func (c ArchiveGroup) decide(d *draft) error {
	g, r := d.live(c.ID)
	if r != nil {
		return r
	}
	left := []string{}
	for _, resource := range Resources() {
		if n := g.Count.Used[resource]; n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, inWords(resource)))
		}
	}
	for _, other := range []struct {
		n    int
		what string
	}{{g.Count.Users, "users"}, {g.Count.Devices, "panels"}, {g.Count.Groups, "groups"}} {
		if other.n > 0 {
			left = append(left, fmt.Sprintf("%d %s", other.n, other.what))
		}
	}
	if len(left) > 0 {
		return refusal(NotEmpty, "%s cannot be archived: %s are still in it", g.Name, strings.Join(left, ", "))
	}
	before := g.facts()
	d.carry(g, -1)
	d.levelUse(g, g.Level, -1)
	d.dropEdges(node{group: g})
	d.groups.edit(g.ID).Archived = d.at
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID}, before, g.facts())
	return nil
}

func (c RestoreGroup) decide(d *draft) error {
	g := d.group(c.ID)
	if g == nil {
		return unknown("group")
	}
	if g.Archived.IsZero() {
		return nil
	}
	if g.Parent != "" {
		parent, r := d.live(g.Parent)
		if r != nil {
			return r
		}
		if r := d.checkLevel(g, parent, d.levels(g)); r != nil {
			return r
		}
	}
	before := g.facts()
	nodes := ways{d.path(g.Parent)}.above(nil)
	stood, promised := d.snap(nodes), d.promises(nodes)
	d.groups.edit(g.ID).Archived = time.Time{}
	d.levelUse(g, g.Level, +1)
	d.carry(g, +1)
	if r := d.worse(stood); r != nil {
		return r
	}
	if r := d.broken(promised); r != nil {
		return r
	}
	d.putEdges(node{group: g})
	d.enter(Entry{What: c.What(), Root: g.Root, Group: g.ID}, before, g.facts())
	return nil
}
