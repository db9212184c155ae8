package ledger

import (
	"fmt"
	"strings"
	"time"
)

// StateOf is how a group or user stands at an instant, as far as the asker may see it. A subject that does not exist, or
// that he may not see, is a *Refusal with the reason Unknown: the same for both.
func StateOf(book Book, at time.Time, subject Subject, asker Asker) (State, error) {
	d, err := newDraft(book, Request{At: at})
	if err != nil {
		return State{}, err
	}
	d.passWindows()
	return d.stateFor(subject, asker)
}

// WhatIf is StateOf after a change that is decided but not written. A refused change is a *Refusal.
func WhatIf(book Book, r Request, change Change, subject Subject, asker Asker) (State, error) {
	d, err := newDraft(book, r)
	if err != nil {
		return State{}, err
	}
	d.passWindows()
	if err := d.decide(change); err != nil {
		return State{}, err
	}
	d.settle()
	if err := d.settledWell(); err != nil {
		return State{}, err
	}
	return d.stateFor(subject, asker)
}

func (d *draft) stateFor(subject Subject, asker Asker) (State, error) {
	n, what := node{}, "group"
	if subject.User != "" {
		n.user, what = d.user(subject.User), "user"
	} else {
		n.group = d.group(subject.Group)
	}
	if d.failure != nil || n.user == nil && n.group == nil {
		return State{}, orRefusal(d.failure, unknown(what))
	}
	path, visible := d.pathOf(n), asker.resident() && n.user != nil
	if n.user != nil {
		for _, group := range n.user.Groups {
			if way := append(d.placesTo(group), d.spot(n)); !visible && asker.sees(way) {
				path, visible = way, true
			}
		}
	}
	if !visible && !asker.sees(path) {
		return State{}, unknown(what)
	}
	s := d.state(n)
	s.Path = path
	return asker.filter(s), d.failure
}

func (d *draft) state(n node) State {
	var p place
	if n.user != nil {
		p = d.placeOf(n.user.Groups, n.user.ID)
	} else {
		p = d.placeOf([]string{n.group.ID}, "")
	}
	l, c := n.limits(), n.count()
	s := State{
		At: d.at, Type: l.kind(c.Devices, d.at), Restricted: l.Restricted, Mode: l.Mode, Blocks: l.Blocks, Zone: d.zoneOf(n).String(), Count: *c,
	}
	if s.Type == Inherited && n.group != nil && n.group.IsRoot() {
		s.Type = Metered
	}
	for _, r := range Resources() {
		s.Lines = append(s.Lines, d.resourceLine(n, p, r))
	}
	for _, f := range onOff() {
		s.Lines = append(s.Lines, d.featureLine(n, p, f.Name, f.Title))
	}
	return s
}

func (d *draft) resourceLine(n node, p place, r Resource) Line {
	c := n.count()
	line := Line{
		Name: r.String(), Title: r.Title(), Counted: true, Own: n.own(d.at)[r], Maximum: limitAt(p, r, d.at), Used: c.Used[r], Active: c.Active[r],
	}
	line.On = line.Maximum > 0
	line.Over = max(0, line.Used-line.Maximum)
	line.Binds, line.Available = d.binding(p, r)
	if r == Apps {
		if binds, left := d.binding(p, SIPNumbers); left < line.Available {
			line.Binds, line.Available = binds, left
		}
	}
	if line.Maximum < line.Own && n.restricted() {
		for _, above := range p.nodes {
			if above.restricted() && above.own(d.at)[r] == line.Maximum {
				line.bounds = append(line.bounds, d.bind(above, r, false))
			}
		}
	}
	line.Until = d.falls(p, func(t time.Time) bool { return limitAt(p, r, t) < line.Maximum })
	line.Text = line.words()
	return line
}

// limitAt is the least of the limits on the ways.
func limitAt(p place, r Resource, t time.Time) int {
	least := Unlimited
	for _, n := range p.nodes {
		least = min(least, n.own(t)[r])
	}
	return least
}

// falls is the first instant from now on at which the limits on the ways change so that something is true; zero = never.
func (d *draft) falls(p place, fell func(time.Time) bool) time.Time { return d.fallsWith(p, nil, fell) }

// fallsWith is falls where other limits count besides.
func (d *draft) fallsWith(p place, more []*Limits, fell func(time.Time) bool) time.Time {
	for _, t := range d.moments(append(limitsOf(p.nodes), more...))[1:] {
		if fell(t) {
			return t
		}
	}
	return time.Time{}
}

func (d *draft) featureLine(n node, p place, name, title string) Line {
	line := Line{Name: name, Title: title, On: true}
	if n.limits().allows(name, d.at) {
		line.Own = 1
	}
	for _, above := range p.nodes {
		if !above.limits().allows(name, d.at) {
			line.On = false
			b := d.bind(above, SIPNumbers, false)
			b.Limit, b.Used, b.Room = 0, 0, 0
			line.Binds = append(line.Binds, b)
		}
	}
	if !line.On && n.owns(name, d.at) {
		line.On, line.Own, line.OwnLicense, line.Binds = true, 1, true, nil
	}
	if line.On {
		line.Maximum = 1
		line.Until = d.fallsWith(p, n.ownLicenses(), func(t time.Time) bool { return !given(p, name, t) && !n.owns(name, t) })
	}
	line.Text = line.words()
	return line
}

// given tells that all groups on the ways, and the user's own limits, have a feature on at an instant.
func given(p place, name string, t time.Time) bool {
	for _, above := range p.nodes {
		if !above.limits().allows(name, t) {
			return false
		}
	}
	return true
}

// ownLicenses are the licenses of a user's account, whose ends count beside those of the limits on his ways.
func (n node) ownLicenses() []*Limits {
	if n.user == nil {
		return nil
	}
	return []*Limits{{Restricted: true, Blocks: n.user.Own}}
}

// words says what is to be said of a line.
func (l Line) words() string {
	var parts []string
	if len(l.bounds) > 0 {
		parts = append(parts, fmt.Sprintf("own %d, bounded by %s %d", l.Own, names(l.bounds), l.Maximum))
	}
	switch {
	case l.OwnLicense:
		parts = append(parts, "by a license of the account")
	case !l.Counted && !l.On:
		parts = append(parts, "off: not given by "+names(l.Binds))
	case l.Counted && l.Available == 0 && sentence(l.Binds) != "":
		parts = append(parts, sentence(l.Binds))
	case l.Counted && l.Available == 0 && len(l.Binds) > 0 && l.Binds[0].Used > 0:
		parts = append(parts, blocked(l.Binds, 1, 0))
	}
	if l.Over > 0 {
		parts = append(parts, fmt.Sprintf("%d over", l.Over))
	}
	return strings.Join(parts, "; ")
}

func names(binds []Bind) string {
	var out []string
	for _, b := range binds {
		out = append(out, b.Name)
	}
	return strings.Join(out, ", ")
}

// PathOf is the groups from the root to a group, itself included; none when there is no such group.
func PathOf(book Book, group string) ([]Place, error) {
	d, err := newDraft(book, Request{})
	if err != nil {
		return nil, err
	}
	g := d.group(group)
	if g == nil {
		return nil, d.failure
	}
	return d.pathOf(node{group: g}), d.failure
}
