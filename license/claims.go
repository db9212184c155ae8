package license

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// origin is the claim that the activation goes back to: its own, unless it took a release over.
func (a Activation) origin() Origin {
	if a.Turn > 0 {
		return a.Origin
	}
	return Origin{envelope.ThumbprintOf(a.Panel), a.At}
}

// compareClaims decides between two activations of one license: negative when a holds against b. It is a total order, so every
// panel that sees the same two decides alike: the claim that began first; of one beginning the one that took over last; then the
// earlier, then the smaller panel id.
func compareClaims(a, b Activation) int {
	one, two := a.origin(), b.origin()
	ours, theirs := envelope.ThumbprintOf(a.Panel), envelope.ThumbprintOf(b.Panel)
	return cmp.Or(
		one.At.Compare(two.At), bytes.Compare(one.Panel[:], two.Panel[:]),
		-cmp.Compare(a.Turn, b.Turn), a.At.Compare(b.At), bytes.Compare(ours[:], theirs[:]),
	)
}

// claim tells which license an activation claims; false when its panel could not use it, so that it claims nothing.
func (r *records) claim(a Activation) (identity, bool) {
	p := r.license(a.License)
	by := envelope.ThumbprintOf(a.Panel)
	switch {
	case p.refused != nil, !p.revoked.IsZero(), p.Scope == ScopeGroup:
		return p.self, false
	case p.Scope == ScopePanel && len(p.Subject) > 0 && envelope.Thumbprint(p.Subject) != by:
		return p.self, false
	case by == r.self:
		_, over := r.over(reference(a.License))
		return p.self, !over && p.notFor(r.panel) == ""
	}
	return p.self, true
}

// holders decides for every license who holds it, as far as the documents here and the further claims tell.
func (r *records) holders(more ...Activation) map[identity]Activation {
	best := map[identity]Activation{}
	consider := func(a Activation) {
		license, valid := r.claim(a)
		if held, known := best[license]; valid && (!known || compareClaims(a, held) < 0) {
			best[license] = a
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(r.own)) {
		consider(r.own[ref].Activation)
	}
	for _, c := range r.claims {
		consider(c.Activation)
	}
	for _, tail := range slices.Sorted(maps.Keys(r.taken)) {
		consider(r.taken[tail].activation)
	}
	for _, a := range more {
		consider(a)
	}
	return best
}

// everywhere tells that a grant counts on every panel of its site, whoever claimed the license first.
func (t Token) everywhere(grant Grant) bool {
	return t.Scope == ScopeSite && len(t.Subject) > 0 && !Describe(grant.Feature).Counted
}

// partlyEverywhere tells that some of the license counts on every panel of its site.
func (t Token) partlyEverywhere() bool { return slices.ContainsFunc(t.Grants, t.everywhere) }

// Earlier tells which of two activations of one license stays: negative when a does. Whoever sees the same two decides alike.
func Earlier(a, b Activation) int { return compareClaims(a, b) }

// SameClaim tells whether two activations of one license go back to one claim: one took over what the other had released. That is no
// double use.
func SameClaim(a, b Activation) bool {
	one, two := a.origin(), b.origin()
	return one.Panel == two.Panel && one.At.Equal(two.At)
}
