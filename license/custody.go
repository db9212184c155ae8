package license

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// undoDays is for how long an activation can be undone, and an account changed.
const undoDays = 7

func undoUntil(a Activation) time.Time { return a.At.AddDate(0, 0, undoDays) }

// settle looks at a claim that another panel makes on a license. When this panel uses the license, or a share of it, exactly one of
// the two claims stays: the other's document is kept where it is the better one. Otherwise the answer is result and detail.
func (r *records) settle(v Verdict, a Activation, raw []byte, result Result, detail string, clock Clock) Verdict {
	license, valid := r.claim(a)
	before, used := r.holders()[license]
	by := envelope.ThumbprintOf(a.Panel)
	switch {
	case !valid || !used || by == r.self:
		return v.because(result, detail)
	case bytes.Equal(before.Panel, a.Panel):
		if result == OtherPanel {
			return v.because(result, detail)
		}
		return v.because(UsedElsewhere, "this license is "+r.heldBy(before))
	case compareClaims(before, a) < 0:
		v = v.because(UsedElsewhere, "")
		v.Message = sentence(fmt.Sprintf("this license is %s; the activation on %s of %s counts no more", r.heldBy(before), r.name(by), a.At.Format(time.DateOnly)))
		return v
	}
	v = v.because(UsedElsewhere, fmt.Sprintf("this license is %s; that goes before what is %s: what is here of it counts no more", r.heldBy(a), r.heldBy(before)))
	r.claims = append(r.claims, holding{a, raw})
	delete(r.withheld[reference(a.License)], place(placeClaim, envelope.NameOf(a.Panel), reference(a.License)))
	after := r.derive(clock)
	v.Keep = []Document{{envelope.Activation, place(placeClaim, envelope.NameOf(a.Panel), reference(a.License)), bytes.Clone(raw)}}
	v.After = &after
	return v
}

// examineActivation looks at what some panel activated.
func (r *records) examineActivation(v Verdict, raw []byte, clock Clock) Verdict {
	a, err := OpenActivation(raw)
	if err != nil {
		return v.unopened(raw, err)
	}
	p := r.license(a.License)
	v = v.about(p)
	ref := reference(a.License)
	own, here := r.own[ref]
	switch {
	case p.refused != nil:
		return v.because(p.refused.result, p.refused.detail)
	case !bytes.Equal(a.Panel, r.panel.Key):
		return r.settle(v, a, raw, NotPossible, fmt.Sprintf("%s activated this license on %s; there is nothing to do here",
			r.name(envelope.ThumbprintOf(a.Panel)), a.At.Format(time.DateOnly)), clock)
	case here && !newer(holding{a, raw}, own):
		if v.Keep = r.earlierClaim(holding{a, raw}, own.Activation); v.Keep != nil {
			return v.done(nil, r.derive(clock), "this panel's own earlier claim was restored")
		}
		return v.already("This panel's own activation is here already.")
	}
	if p.notFor(r.panel) != "" {
		return v.because(OtherPanel, p.notFor(r.panel))
	}
	r.own[ref] = holding{a, raw}
	r.mend(placeActivation + ref)
	v.Keep = []Document{{envelope.Activation, place(placeActivation, ref), bytes.Clone(raw)}}
	if here {
		v.Keep = append(v.Keep, r.earlierClaim(own, a)...)
	}
	return v.done(nil, r.derive(clock), "this panel's own activation was restored")
}

// earlierClaim keeps an activation of this panel's own that is not its newest one but claims the license before it: other panels may
// know that one, and must find it here. Nil when there is nothing to keep.
func (r *records) earlierClaim(old holding, newest Activation) []Document {
	ref := reference(old.License)
	release, ended := r.released[ref]
	known := slices.ContainsFunc(r.claims, func(c holding) bool {
		return bytes.Equal(c.Panel, old.Panel) && bytes.Equal(c.License, old.License) && compareClaims(c.Activation, old.Activation) <= 0
	})
	if old.raw == nil || known || ended && release.turn >= old.Turn || compareClaims(old.Activation, newest) >= 0 {
		return nil
	}
	r.claims = append(r.claims, old)
	return []Document{{envelope.Activation, place(placeClaim, envelope.NameOf(old.Panel), ref), bytes.Clone(old.raw)}}
}

// examineRelease takes over what another panel released, or learns again what this one did.
func (r *records) examineRelease(v Verdict, raw []byte, clock Clock, account string) Verdict {
	release, err := OpenRelease(raw)
	if err != nil {
		return v.unopened(raw, err)
	}
	a, err := OpenActivation(release.Activation)
	if err != nil || !bytes.Equal(a.Panel, release.Panel) {
		return v.unopened(raw, envelope.ErrMalformed)
	}
	p, ref := r.license(a.License), reference(a.License)
	v = v.about(p)
	if p.refused != nil {
		return v.because(p.refused.result, p.refused.detail)
	}
	if bytes.Equal(release.Panel, r.panel.Key) {
		return r.releaseAgain(v, ending{release, raw, a.Turn}, ref, clock)
	}
	if !p.revoked.IsZero() {
		return v.because(Revoked, "this license was revoked on "+p.revoked.Format(time.DateOnly))
	}
	if detail := p.notFor(r.panel); detail != "" {
		return v.because(OtherPanel, detail)
	}
	return r.takeOver(v, a, release.Ran, ref, clock, account)
}

// releaseAgain answers this panel's own release: a store that was set back learns from it.
func (r *records) releaseAgain(v Verdict, release ending, ref string, clock Clock) Verdict {
	old, known := r.released[ref]
	if own, here := r.own[ref]; known && old.turn >= release.turn || here && own.Turn > release.turn {
		return v.already("This license was already released from this panel on " + release.At.Format(time.DateOnly) + ".")
	}
	r.released[ref] = release
	delete(r.withheld[ref], place(placeRelease, ref))
	v.Keep = []Document{{envelope.Release, place(placeRelease, ref), bytes.Clone(release.raw)}}
	v = v.done(nil, r.derive(clock), "this panel released the license on "+release.At.Format(time.DateOnly)+", which its records did not show: it counts no more")
	v.Title = "License released"
	return v
}

// takeOver activates a license here that the panel of a was released from. A term goes on, it does not begin anew.
func (r *records) takeOver(v Verdict, a Activation, ran time.Duration, ref string, clock Clock, account string) Verdict {
	p := r.license(a.License)
	own, here := r.own[ref]
	next := a.next(r.panel, p.claimedAt(clock))
	if !p.Term.IsZero() { // a term that began elsewhere goes on, and what it was used for there counts here
		next.At, next.Ran = a.At, p.ranBy(clock)-max(0, ran-a.Ran)
	}
	release, over := r.over(ref)
	holder, held := r.holders()[p.self]
	switch {
	case over && release.turn > a.Turn:
		return v.because(UsedElsewhere, "it was released from this panel on "+release.At.Format(time.DateOnly))
	case here && !over && compareClaims(own.Activation, next) < 0:
		return v.already("This license is already active on this panel.")
	case here && !over && own.Turn > a.Turn:
		return v.already("This panel has taken this license over already.")
	case held && !bytes.Equal(holder.Panel, r.panel.Key) && compareClaims(holder, next) < 0:
		return v.because(UsedElsewhere, "this license is "+r.heldBy(holder))
	case next.Turn > maxTurns:
		return v.because(NotPossible, "this license has changed its panel too often")
	}
	if refused := p.untimely(a, clock, r.panel); refused != nil {
		return v.because(refused.result, refused.detail)
	}
	if here && !over {
		next.Account, next.AssignedAt, next.Changes = own.Account, own.AssignedAt, own.Changes
	}
	return r.activate(v, p.assigned(next, account), clock)
}

// next is the activation on panel that follows the release of a.
func (a Activation) next(panel Panel, at time.Time) Activation {
	return Activation{Panel: panel.Key, License: a.License, At: at, Turn: a.Turn + 1, Origin: a.origin()}
}

// claimedAt is the time of an activation now. A panel without a clock knows that a license without a term was issued before.
func (p printed) claimedAt(clock Clock) time.Time {
	if p.Term.IsZero() {
		return saidAt(clock, p.IssuedAt)
	}
	return saidAt(clock, time.Time{})
}

// ranBy is what the panel had run when a license with a term was activated now.
func (p printed) ranBy(clock Clock) time.Duration {
	if p.Term.IsZero() {
		return 0
	}
	return clock.Ran.Truncate(time.Second)
}

// assigned adds for whom an account's license is, when somebody was chosen.
func (p printed) assigned(a Activation, account string) Activation {
	if p.Scope == ScopeAccount && len(p.Subject) == 0 && account != "" && a.Account == "" {
		a.Account, a.AssignedAt = account, a.At
	}
	return a
}

// activate lets the license count here, once the activation is signed and kept.
func (r *records) activate(v Verdict, a Activation, clock Clock) Verdict {
	p := r.license(a.License)
	r.own[reference(a.License)] = holding{Activation: a}
	r.mend(placeActivation + reference(a.License))
	v = v.done(a, r.derive(clock), gained(p.opened, r.derive(clock.sure())))
	v.Kind = envelope.License
	return v
}

// Undo releases a license within 7 days of its activation, while nothing of it is given away. The verdict's Sign is the release: with
// its code another panel takes the license over.
func Undo(ring Keyring, panel Panel, clock Clock, docs []Document, id TokenID) Verdict {
	r := read(ring, panel, docs)
	v := Verdict{Kind: envelope.Release}
	own, found := r.byID(id)
	if !found {
		return v.because(NotPossible, "this license is not on this panel")
	}
	v, ref := v.about(r.license(own.License)), reference(own.License)
	if release, over := r.over(ref); over {
		return v.already("This license was already released from this panel on " + release.At.Format(time.DateOnly) + ".")
	}
	entry, _ := r.entryOf(own.Activation, clock)
	switch {
	case r.withholds(ref) != "":
		return v.because(NotPossible, r.withholds(ref))
	case len(r.uncounted[ref]) > 0:
		return v.because(NotPossible, uncountable)
	case !entry.Status.counts() && entry.Status != Waiting && entry.Status != Pending:
		return v.because(NotPossible, "this license is not active: "+entry.Message)
	case !clock.certain().Before(undoUntil(own.Activation)):
		return v.because(NotPossible, fmt.Sprintf("it was activated on %s and could be undone for %d days; ask the seller to move it", own.At.Format(time.DateOnly), undoDays))
	}
	for _, share := range r.shares()[ref] {
		if share.left() > 0 {
			return v.because(NotPossible, fmt.Sprintf("%s are given to %s; take them back first", Describe(share.Feature).amount(share.left()), r.name(share.To)))
		}
	}
	release := Release{Panel: panel.Key, Activation: own.raw, At: saidAt(clock, own.At), Ran: clock.Ran.Truncate(time.Second)}
	r.released[ref] = ending{release, nil, own.Turn}
	next := "another panel takes it over with this code"
	if v.Token.Scope == ScopePanel && len(v.Token.Subject) > 0 {
		next = "it was sold for this panel alone: it cannot be entered again, here or elsewhere; with this code the seller issues it for another panel"
	}
	v = v.done(release, r.derive(clock), "the license counts no more on this panel; "+next)
	v.Title = "License released"
	return v
}

// Assign gives an account's license to an account. An account that is set can be changed for 7 days from when it was first set; empty
// takes it back to waiting.
func Assign(ring Keyring, panel Panel, clock Clock, docs []Document, id TokenID, account string) Verdict {
	r := read(ring, panel, docs)
	v := Verdict{Kind: envelope.Activation}
	own, found := r.byID(id)
	if !found {
		return v.because(NotPossible, "this license is not on this panel")
	}
	return r.assign(v.about(r.license(own.License)), own, clock, account)
}

func (r *records) assign(v Verdict, own holding, clock Clock, account string) Verdict {
	p := r.license(own.License)
	entry, _ := r.entryOf(own.Activation, clock)
	final := own.AssignedAt.AddDate(0, 0, undoDays)
	switch {
	case p.Scope != ScopeAccount:
		return v.because(NotPossible, "this license is for the whole panel, not for an account")
	case len(p.Subject) > 0:
		return v.because(NotPossible, fmt.Sprintf("this license was sold for account %q", p.For()))
	case len(account) > maxLabel || !printable(account):
		return v.because(NotPossible, fmt.Sprintf("%q is not the name of an account", account))
	case own.Account == account:
		return v.already("This license is given to that account already.")
	case !entry.Status.counts() && entry.Status != Waiting && entry.Status != Pending:
		return v.because(NotPossible, "this license is not active: "+entry.Message)
	case own.Account != "" && !clock.certain().Before(final):
		return v.because(NotPossible, fmt.Sprintf("it was given to %s on %s and could be changed for %d days; ask the seller for a replacement",
			own.Account, own.AssignedAt.Format(time.DateOnly), undoDays))
	case own.Changes >= maxChanges:
		return v.because(NotPossible, "it was changed too often")
	}
	next := own.Activation
	next.Account, next.Changes = account, own.Changes+1
	if next.AssignedAt.IsZero() {
		next.AssignedAt = saidAt(clock, own.At)
	}
	r.own[reference(own.License)] = holding{Activation: next}
	message := "given to " + account
	if account == "" {
		message = "waiting to be given to an account"
	}
	return v.done(next, r.derive(clock), message)
}

// entryOf is the first entry of a license of this panel's own.
func (r *records) entryOf(a Activation, clock Clock) (Entry, bool) {
	p := r.license(a.License)
	for _, entry := range r.derive(clock).entries {
		if entry.TokenID == p.ID && entry.GivenBy == "" && entry.Root == envelope.KeyText(p.root) && entry.Activated.Equal(a.At) {
			return entry, true
		}
	}
	return Entry{}, false
}

// maxPeers bounds how many panels are remembered.
const maxPeers = 64

// examineIdentity gets to know another panel.
func (r *records) examineIdentity(v Verdict, raw []byte) Verdict {
	peer, err := OpenIdentity(raw)
	if err != nil {
		return v.unopened(raw, err)
	}
	id := peer.ID()
	if id == r.self {
		return v.because(NotPossible, "this is the identity of this panel itself; show it to the other panel")
	}
	v.Peer = &peer
	v.Result, v.Title = Activated, "Panel recognized"
	v.Message = fmt.Sprintf("%s recognized: choose on the page how many buttons to give it", peer)
	old, known := r.peers[id.String()]
	switch {
	case known && (old.Name == peer.Name || !peer.At.After(old.At)):
		v.Result, v.Peer = AlreadyActive, &old.Identity
	case known || len(r.peers) < maxPeers:
		v.Keep = []Document{{envelope.Identity, place(placeIdentity, id.String()), bytes.Clone(raw)}}
	}
	return v
}

// Peers lists the panels whose identity was shown here, by id.
func Peers(docs []Document) []Identity {
	var mine []Document
	for _, doc := range docs {
		if doc.Kind == envelope.Identity {
			mine = append(mine, doc)
		}
	}
	known := read(Keyring{}, Panel{}, mine).peers
	peers := make([]Identity, 0, len(known))
	for _, id := range slices.Sorted(maps.Keys(known)) {
		peers = append(peers, known[id].Identity)
	}
	return peers
}
