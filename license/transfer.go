package license

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// GiveOrder asks to give so many of a license's counted feature to another panel.
type GiveOrder struct {
	License TokenID
	Feature string   // empty = Buttons
	To      Identity // as it was shown
	Count   int      // how many more
}

// BackOrder asks to give so many of a share back to the panel that gave it.
type BackOrder struct {
	License TokenID
	Feature string // empty = Buttons
	Count   int
	// Total, when it is not 0, takes the place of Count: give back until it is so many since the beginning, and nothing when it is
	// already. An order that comes twice, or late, so changes nothing twice.
	Total int
	// To names the panel that gave the share, when only that one is meant; nil = the share that counts.
	To ed25519.PublicKey
}

// maxReceivers bounds to how many panels one license is shared out.
const maxReceivers = 64

func orButtons(feature string) string {
	if feature == "" {
		return Buttons
	}
	return feature
}

// Give gives a part of a license that is active here to another panel. The verdict's Sign is the slice: it is kept first, then its
// code is shown to that panel.
func Give(ring Keyring, panel Panel, clock Clock, docs []Document, o GiveOrder) Verdict {
	r := read(ring, panel, docs)
	feature, v := Describe(orButtons(o.Feature)), Verdict{Kind: envelope.Slice}
	own, entry, detail := r.ownLicense(o.License, clock, feature.Name)
	if detail != "" {
		return v.because(NotPossible, detail)
	}
	v = v.about(r.license(own.License))
	ref := reference(own.License)
	shares := r.shares()[ref]
	key := strings.Join([]string{ref, feature.Name, o.To.ID().String()}, "/")
	share := r.given[key]
	switch {
	case envelope.CheckKey(o.To.Panel) != nil:
		return v.because(NotPossible, "the other panel's identity is missing; let it show its identity first")
	case o.To.ID() == r.self:
		return v.because(NotPossible, "this is the identity of this panel itself")
	case !feature.Counted:
		return v.because(NotPossible, fmt.Sprintf("%q is on or off and cannot be shared out", feature.Title))
	case entry.Scope != ScopePanel && entry.Scope != ScopeSite:
		return v.because(NotPossible, "only a license for a panel or a site can be shared out")
	case len(r.uncounted[ref]) > 0:
		return v.because(NotPossible, uncountable)
	case !entry.Status.counts():
		return v.because(NotPossible, fmt.Sprintf("this license is not active: %s", strings.TrimSuffix(entry.Message, ".")))
	case o.Count < 1 || share.most+o.Count > maxDealt:
		return v.because(NotPossible, fmt.Sprintf("%d cannot be given; name how many", o.Count))
	case o.Count > entry.Count:
		return v.because(PoolExhausted, fmt.Sprintf("%d of %d, %d too many: %s%d are here, %d were asked for",
			entry.Sold, entry.Sold, o.Count-entry.Count, r.dealtOut(entry), entry.Count, o.Count))
	case share.raw == nil && receivers(shares) >= maxReceivers:
		return v.because(NotPossible, fmt.Sprintf("this license is shared out to %d panels already, which is the most", maxReceivers))
	}
	slice := Slice{
		Holder: panel.Key, Activation: own.raw, To: o.To.ID(), Feature: feature.Name,
		Given: share.most + o.Count, Returned: share.returned, At: saidAt(clock, own.At),
	}
	r.keepGiven(key, given{slice, own.Activation})
	after := r.derive(clock)
	return v.done(slice, after, fmt.Sprintf("%s given to %s: %s", feature.amount(o.Count), o.To, r.stay(after, entry)))
}

// GiveBack gives back what another panel gave. The verdict's Sign is the return: it is kept first, then its code is shown to that panel.
func GiveBack(ring Keyring, panel Panel, clock Clock, docs []Document, o BackOrder) Verdict {
	r := read(ring, panel, docs)
	feature, v := Describe(orButtons(o.Feature)), Verdict{Kind: envelope.Return}
	key, share, found := r.share(o.License, feature.Name)
	if o.To != nil {
		key, share, found = r.shareOf(o.License, feature.Name, o.To)
	}
	if !found {
		return v.because(NotPossible, "no other panel gave this panel a share of this license")
	}
	v = v.about(r.license(share.activation.License))
	if o.Total > 0 && o.Total <= share.returned && !r.unshared[key] {
		return v.already("So much was given back already.")
	}
	if o.Total > 0 {
		o.Count = o.Total - share.returned
	}
	switch left := share.left(); {
	case r.unshared[key]:
		return v.because(NotPossible, unshareable)
	case o.Count < 1:
		return v.because(NotPossible, fmt.Sprintf("%d cannot be given back; name how many", o.Count))
	case o.Count > left:
		return v.because(PoolExhausted, fmt.Sprintf("%d of %d, %d too many: %d are here, %d were asked for", left, left, o.Count-left, left, o.Count))
	}
	back := Return{Panel: panel.Key, Slice: share.raw, Returned: share.returned + o.Count, At: saidAt(clock, share.At)}
	share.returned = back.Returned
	r.taken[key] = share
	after := r.derive(clock)
	return v.done(back, after, fmt.Sprintf("%s given back to %s: %s", feature.amount(o.Count), r.name(envelope.ThumbprintOf(share.Holder)),
		usable(after, feature)))
}

// ownLicense finds a license of this panel's own by its id, with the entry of one of its features; detail says why there is none.
func (r *records) ownLicense(id TokenID, clock Clock, feature string) (holding, Entry, string) {
	own, found := r.byID(id)
	if !found {
		for _, share := range r.taken {
			if r.license(share.activation.License).ID == id {
				return holding{}, Entry{}, "this is a share that another panel gave; only that panel gives it away, this one can give it back"
			}
		}
		return holding{}, Entry{}, "this license is not on this panel"
	}
	for _, entry := range r.derive(clock).entries {
		if entry.TokenID == id && entry.Feature == feature && entry.GivenBy == "" {
			return own, entry, ""
		}
	}
	return holding{}, Entry{}, fmt.Sprintf("this license holds no %q", Describe(feature).Title)
}

// byID finds a license of this panel's own. Of several with one id, the one that counts.
func (r *records) byID(id TokenID) (best holding, found bool) {
	var good bool
	for _, ref := range slices.Sorted(maps.Keys(r.own)) {
		own := r.own[ref]
		p := r.license(own.License)
		if p.ID != id || p.refused != nil {
			continue
		}
		holds := p.revoked.IsZero()
		if !found || holds && !good || holds == good && compareClaims(own.Activation, best.Activation) < 0 {
			best, found, good = own, true, holds
		}
	}
	return best, found
}

// share finds what another panel gave of a license; of several shares the one that counts.
func (r *records) share(id TokenID, feature string) (key string, share dealt, found bool) {
	holders := r.holders()
	for _, tail := range slices.Sorted(maps.Keys(r.taken)) {
		d := r.taken[tail]
		p := r.license(d.activation.License)
		if p.ID != id || d.Feature != feature {
			continue
		}
		holder, held := holders[p.self]
		if counts := held && bytes.Equal(holder.Panel, d.Holder); !found || counts {
			key, share, found = tail, d, true
		}
	}
	return key, share, found
}

// shareOf finds what one panel gave of a license.
func (r *records) shareOf(id TokenID, feature string, holder ed25519.PublicKey) (key string, share dealt, found bool) {
	for _, tail := range slices.Sorted(maps.Keys(r.taken)) {
		d := r.taken[tail]
		if r.license(d.activation.License).ID == id && d.Feature == feature && bytes.Equal(d.Holder, holder) {
			return tail, d, true
		}
	}
	return "", dealt{}, false
}

// outstanding is how much is given away and has not come back.
func outstanding(shares []dealt) (sum int) {
	for _, share := range shares {
		sum += share.left()
	}
	return sum
}

func receivers(shares []dealt) int {
	panels := map[envelope.Thumbprint]bool{}
	for _, share := range shares {
		panels[share.To] = true
	}
	return len(panels)
}

// keepGiven counts one more slice of this panel in, without its signature.
func (r *records) keepGiven(key string, slice given) {
	r.given[key] = r.given[key].with(slice, nil)
}

// dealtOut says to whom how many were given: "30 given to panel Stairs B (abc…), ".
func (r *records) dealtOut(entry Entry) string {
	var text strings.Builder
	for _, share := range entry.Given {
		id, err := envelope.ParseThumbprint(share.Panel)
		if err == nil {
			fmt.Fprintf(&text, "%d given to %s, ", share.Count, r.name(id))
		}
	}
	return text.String()
}

// stay says what is left here: "6 stay here + 1 free".
func (r *records) stay(after Entitlements, before Entry) string {
	count := 0
	for _, entry := range after.entries {
		if entry.TokenID == before.TokenID && entry.Feature == before.Feature && entry.Root == before.Root && entry.GivenBy == "" {
			count = entry.Count
		}
	}
	if before.Feature == Buttons {
		return fmt.Sprintf("%d stay here + 1 free", count)
	}
	return fmt.Sprintf("%d stay here", count)
}

// usable says how many of a feature can be used here in all.
func usable(e Entitlements, feature Feature) string {
	if feature.Name == Buttons {
		return fmt.Sprintf("%d here + 1 free", e.Count(Buttons))
	}
	return fmt.Sprintf("%d here", e.Count(feature.Name))
}

// saidAt is the time that a statement carries: what has passed for sure, and never before what it speaks of.
func saidAt(clock Clock, after time.Time) time.Time {
	at := clock.certain().UTC().Truncate(time.Second)
	if at.Before(after) {
		return after
	}
	return at
}

// shareNotFor tells why a share counts nothing on panel; empty when it counts.
func (t Token) shareNotFor(share dealt, panel Panel) string {
	holder := envelope.ThumbprintOf(share.Holder)
	granted := slices.ContainsFunc(t.Grants, func(g Grant) bool { return g.Feature == share.Feature })
	switch {
	case t.Scope != ScopePanel && t.Scope != ScopeSite, !Describe(share.Feature).Counted:
		return "nothing of this license can be shared out"
	case !granted:
		return fmt.Sprintf("this license holds no %q", Describe(share.Feature).Title)
	case t.Scope == ScopePanel && len(t.Subject) > 0 && envelope.Thumbprint(t.Subject) != holder:
		return fmt.Sprintf("this license is for panel %s, it cannot be given by panel %s", t.For(), holder)
	case t.Scope == ScopeSite && len(t.Subject) > 0 && !panel.belongsTo(t.For()):
		return fmt.Sprintf("this license is for site %q, this panel belongs to %q", t.For(), panel.Site)
	}
	return ""
}

// examineSlice takes a share from another panel, or this panel's own word back.
func (r *records) examineSlice(v Verdict, raw []byte, clock Clock) Verdict {
	slice, err := openGiven(raw)
	if err != nil {
		return v.unopened(raw, err)
	}
	p := r.license(slice.activation.License)
	v = v.about(p)
	holder := envelope.ThumbprintOf(slice.Holder)
	key := slice.place("", holder)
	switch {
	case p.refused != nil:
		return v.because(p.refused.result, p.refused.detail)
	case holder == r.self:
		return r.remember(v, slice, raw, 0, nil, clock)
	case slice.To != r.self:
		return r.settle(v, slice.activation, slice.Activation, OtherPanel, fmt.Sprintf("this share is for %s", r.name(slice.To)), clock)
	}
	share := r.taken[key].with(slice, raw)
	if detail := p.shareNotFor(share, r.panel); detail != "" {
		return v.because(OtherPanel, detail)
	}
	if holder, held := r.holders(slice.activation)[p.self]; held && !bytes.Equal(holder.Panel, slice.Holder) {
		v = v.because(UsedElsewhere, "")
		v.Message = sentence(fmt.Sprintf("this license is %s; what %s gives of it does not count", r.heldBy(holder), r.name(envelope.ThumbprintOf(slice.Holder))))
		return v
	}
	return r.takeShare(v, key, slice, raw, clock)
}

// takeShare decides about a share that this panel may have.
func (r *records) takeShare(v Verdict, key string, slice given, raw []byte, clock Clock) Verdict {
	p, old := r.license(slice.activation.License), r.taken[key]
	share := old.with(slice, raw)
	mended := r.unshared[key]
	if mended {
		// How much went back is not known any more, and the code shown may be an old one: all that had been given counts as gone back.
		if old.raw == nil {
			return v.because(NotPossible, forgotten)
		}
		share.returned = max(share.returned, old.most)
	}
	gain := share.left() - old.left()
	if old.raw != nil && share.most == old.most && share.returned == old.returned && bytes.Equal(share.Activation, old.Activation) && !mended {
		return v.already("This share is here already.")
	}
	if gain > 0 {
		if refused := p.untimely(slice.activation, clock, r.panel); refused != nil {
			return v.because(refused.result, refused.detail)
		}
		for _, grant := range p.Grants {
			if grant.Feature == slice.Feature && share.left() > grant.Count {
				return v.because(PoolExhausted, fmt.Sprintf("%d of %d, %d too many: %s gave more than was sold", grant.Count, grant.Count,
					share.left()-grant.Count, r.name(envelope.ThumbprintOf(slice.Holder))))
			}
		}
	}
	v.Keep = []Document{{envelope.Slice, place(placeTaken, key), bytes.Clone(share.raw)}}
	if share.returned > slice.Returned && share.returned > old.backed || mended {
		// What this panel gave back must not be forgotten with the older slice that said so.
		v.Sign = Return{Panel: r.panel.Key, Slice: share.raw, Returned: share.returned, At: saidAt(clock, share.At)}
	}
	mine, held := r.holders()[p.self]
	r.taken[key] = share
	delete(r.unshared, key)
	r.mend(placeTaken + key)
	v = r.tookShare(v, slice, gain, clock)
	if mended {
		v.Title = "Share given back"
		v.Message = sentence(fmt.Sprintf("what was given back is no longer known: all %d count as given back; show this panel's code to %s, which can give them anew: %s",
			share.returned, r.name(envelope.ThumbprintOf(slice.Holder)), usable(*v.After, Describe(slice.Feature))))
	}
	if held && bytes.Equal(mine.Panel, r.panel.Key) {
		v.Result, v.Title = UsedElsewhere, UsedElsewhere.Title()
		v.Message = sentence("this license is "+r.heldBy(slice.activation)+", which goes before what is "+r.heldBy(mine)+": that counts no more") + " " + sentence(v.Message)
	}
	return v
}

func (r *records) tookShare(v Verdict, slice given, gain int, clock Clock) Verdict {
	after := r.derive(clock)
	feature, from := Describe(slice.Feature), r.name(envelope.ThumbprintOf(slice.Holder))
	v.Result, v.Title, v.After = Activated, Activated.Title(), &after
	switch {
	case gain > 0:
		v.Message = fmt.Sprintf("%s, given by %s: %s", feature.gained(gain), from, usable(after, feature))
	case gain < 0:
		v.Title = "Share lowered"
		v.Message = fmt.Sprintf("%s went back to %s: %s", feature.amount(-gain), from, usable(after, feature))
	default:
		v.Message = fmt.Sprintf("the share from %s is up to date: %s", from, usable(after, feature))
	}
	return v
}

// examineReturn takes back what another panel gives back.
func (r *records) examineReturn(v Verdict, raw []byte, clock Clock) Verdict {
	back, slice, err := openBack(raw)
	if err != nil {
		return v.unopened(raw, err)
	}
	p := r.license(slice.activation.License)
	v = v.about(p)
	switch {
	case p.refused != nil:
		return v.because(p.refused.result, p.refused.detail)
	case !bytes.Equal(slice.Holder, r.panel.Key):
		return r.settle(v, slice.activation, slice.Activation, OtherPanel,
			fmt.Sprintf("this gives back to %s what that panel gave", r.name(envelope.ThumbprintOf(slice.Holder))), clock)
	}
	return r.remember(v, slice, back.Slice, back.Returned, raw, clock)
}

// remember takes this panel's own slice, and what its receiver gave back of it, into account again: the panel signs what it knows
// now, so that neither can be forgotten. Its own activation is kept too when a store that was set back has lost it.
func (r *records) remember(v Verdict, slice given, raw []byte, returned int, back []byte, clock Clock) Verdict {
	key := slice.place("", slice.To)
	ref := reference(slice.activation.License)
	old := r.given[key]
	now := old.with(slice, raw)
	now.returned = max(now.returned, returned)
	mended := r.uncounted[ref][key]
	own, here := r.own[ref]
	lost := !here || newer(holding{slice.activation, slice.Activation}, own)
	if old.raw != nil && now.most == old.most && now.returned == old.returned && !mended && !lost {
		return v.already("This is known here already.")
	}
	if lost {
		own = holding{slice.activation, slice.Activation}
		r.own[ref] = own
		r.mend(placeActivation + ref)
		v.Keep = append(v.Keep, Document{envelope.Activation, place(placeActivation, ref), bytes.Clone(own.raw)})
	}
	if back != nil {
		v.Keep = append(v.Keep, Document{envelope.Return, place(placeReceived, key), bytes.Clone(back)})
	}
	now.Slice = Slice{
		Holder: r.panel.Key, Activation: own.raw, To: slice.To, Feature: slice.Feature, Given: now.most, Returned: now.returned, At: saidAt(clock, slice.At),
	}
	r.given[key] = now
	delete(r.uncounted[ref], key)
	return r.remembered(v, now, old, clock)
}

func (r *records) remembered(v Verdict, now, old dealt, clock Clock) Verdict {
	after := r.derive(clock)
	feature, to := Describe(now.Feature), r.name(now.To)
	v.Result, v.Title, v.Sign, v.After = Activated, Activated.Title(), now.Slice, &after
	switch {
	case now.most > old.most && now.returned > old.returned:
		v.Title = "Shares brought up to date"
		v.Message = fmt.Sprintf("the records here were older than what %s shows: it has %s: %s", to, feature.amount(now.left()), usable(after, feature))
	case now.most > old.most:
		v.Title = "Shares brought up to date"
		v.Message = fmt.Sprintf("this panel had given %s to %s, which its records did not show: %s", feature.amount(now.most-old.most), to, usable(after, feature))
	case now.most == old.most && now.returned == old.returned:
		v.Title = "Records restored"
		v.Message = fmt.Sprintf("this panel's own records were restored: %s", usable(after, feature))
	default:
		v.Title = "Share came back"
		v.Message = fmt.Sprintf("%s came back from %s: %s", feature.amount(now.returned-old.returned), to, usable(after, feature))
	}
	return v
}
