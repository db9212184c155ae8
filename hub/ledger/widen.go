package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// Widening is the first thing that settings would give a group beyond those that it has.
type Widening struct {
	At       time.Time // from when on
	Off      bool      // the restriction would be off
	Shared   bool      // what is below would be promised nothing any more
	Basic    bool      // no license would be active, and Basic grows with the panels
	Resource Resource  // else of this one Is instead of Was, unless a Feature is named
	Was, Is  int
	Feature  string // on/off name; it would be on
	Block    string // the first license that is active then; empty = none
}

// Widens tells whether a group would have more by next than by old, at some instant from at on: that is handed out from above. What
// only narrows, its own manager may set (T-8, T-11). Devices are the panels registered below; Basic in the place of a license is more
// however many there are now, because the group itself can register further ones.
func Widens(old, next Limits, devices int, at time.Time) (Widening, bool) {
	return widens(&old, &next, devices, at, func(time.Time) bool { return false })
}

// widens is Widens that leaves Basic alone at instants for which ended is true.
func widens(old, next *Limits, devices int, at time.Time, ended func(time.Time) bool) (Widening, bool) {
	switch {
	case !old.Restricted:
		return Widening{}, false
	case !next.Restricted:
		return Widening{At: at, Off: true}, true
	case old.Mode == Reserved && next.Mode != Reserved:
		return Widening{At: at, Shared: true}, true
	}
	for _, t := range append([]time.Time{at}, inOrder(append(old.instants(at), next.instants(at)...), at)...) {
		if w, wider := widensAt(old, next, devices, t, ended); wider {
			return w, true
		}
	}
	return Widening{}, false
}

func widensAt(old, next *Limits, devices int, t time.Time, ended func(time.Time) bool) (Widening, bool) {
	w, active, was, is := Widening{At: t}, next.active(t), old.own(devices, t), next.own(devices, t)
	if len(active) == 0 {
		w.Basic = len(old.active(t)) > 0 && !ended(t)
		return w, w.Basic
	}
	w.Block = active[0].ID
	for _, r := range Resources() {
		if is[r] > was[r] {
			w.Resource, w.Was, w.Is = r, was[r], is[r]
			return w, true
		}
	}
	for _, f := range onOff() {
		if next.allows(f.Name, t) && !old.allows(f.Name, t) {
			w.Feature = f.Name
			return w, true
		}
	}
	return w, false
}

// onlyAbove refuses what would give a group more, to whoever has no right above it. Basic where a group above ended is no gift: a
// license could not reach further.
func (d *draft) onlyAbove(g *Group, above []node, old, next *Limits) *Refusal {
	above = slices.DeleteFunc(slices.Clone(above), func(a node) bool { return !a.restricted() })
	n := node{group: g}
	w, wider := widens(old, next, g.Count.Devices, d.at, func(t time.Time) bool { return d.windowBeyond(above, n, t) != nil })
	if !wider {
		return nil
	}
	return &Refusal{
		Reason: OnlyAbove, Resource: w.Resource, Feature: w.Feature, Block: w.Block, Asked: w.Is, Most: w.Was, At: w.At,
		Text: w.words(g.Name, d.since(n, w.At)) + ": " + d.giver(g),
	}
}

func (w Widening) words(name, since string) string {
	switch {
	case w.Off:
		return name + " would not be restricted any more"
	case w.Shared:
		return name + " would not reserve any more what is given below it"
	case w.Basic:
		return name + " would stand on Basic" + since + ", which grows with its panels (a license of 0 would be less)"
	case w.Feature != "":
		return license.Describe(w.Feature).Title + " would be on in " + name + since
	}
	return fmt.Sprintf("%s would have %d %s instead of %d%s", name, w.Is, inWords(w.Resource), w.Was, since)
}

// giver says who can give a group more.
func (d *draft) giver(g *Group) string {
	if g.IsRoot() {
		return "a company gets more by a package or the Trial, from its distributor or from a server administrator"
	}
	text := "only whoever gives out licenses above it can give it more"
	if parent := d.group(g.Parent); parent != nil {
		if manager := d.manager(node{group: parent}); manager != "" {
			text += "; ask " + manager
		}
	}
	return text
}
