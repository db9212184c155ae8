package ledger

import (
	"slices"
	"time"
)

// Supply is what the groups above give of a feature that is on or off: when all of them have it on, now or next.
type Supply struct {
	Root   Place     // the company that gives it
	Source Source    // of the block with which it does
	From   time.Time // since or from when; zero = it is not given, and nothing that is set changes that
	Until  time.Time // first instant without it; zero = no end
}

// Given tells that it is on at an instant.
func (s Supply) Given(at time.Time) bool {
	return !s.From.IsZero() && !at.Before(s.From) && (s.Until.IsZero() || at.Before(s.Until))
}

// SupplyOf tells what a group has of a feature from the company above it: a block, a package or the Trial there gives it, and every
// restricted group on the way lets it through. A company that is only metered gives nothing that nobody counts.
func SupplyOf(book Book, at time.Time, group, feature string) (Supply, error) {
	d, err := newDraft(book, Request{At: at})
	if err != nil {
		return Supply{}, err
	}
	path := d.path(group)
	if d.failure != nil || len(path) == 0 || !path[0].Restricted || slices.ContainsFunc(path, func(g *Group) bool { return !g.Archived.IsZero() }) {
		return Supply{}, d.failure
	}
	on := func(t time.Time) bool {
		return !slices.ContainsFunc(path, func(g *Group) bool { return !g.Limits.allows(feature, t) })
	}
	var instants []time.Time
	for _, g := range path {
		instants = append(instants, g.Limits.instants(time.Time{})...)
	}
	s := run(instants, path[0].Made, at, on)
	if s.From.IsZero() {
		return s, nil
	}
	s.Root = d.spot(node{group: path[0]})
	for _, b := range path[0].active(later(at, s.From)) {
		if slices.Contains(b.Features, feature) {
			s.Source = b.Source
			break
		}
	}
	return s, d.failure
}

// run is the time around an instant in which something is on, else the next one. What always was on began when the company did.
func run(instants []time.Time, began, at time.Time, on func(time.Time) bool) (s Supply) {
	if began.IsZero() {
		began = time.Unix(0, 0).UTC()
	}
	for _, t := range append([]time.Time{began}, inOrder(instants, began)...) {
		switch is := on(t); {
		case is && s.From.IsZero():
			s.From = t
		case !is && !s.From.IsZero() && t.After(at):
			s.Until = t
			return s
		case !is:
			s.From = time.Time{}
		}
	}
	return s
}
