package pools

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// unconfirmed is the result of an allotment that was not made because something would stop and nobody has agreed.
const unconfirmed license.Result = "unconfirmed"

// done tells whether a result is no refusal.
func done(result string) bool { return !license.Result(result).Refused() }

// Allot gives a panel more of a license, or has it give some back. More is given at once, durably, before the panel hears of it. Less
// is asked of the panel, and is free for others only when the panel has signed that it gave it back. A refusal is an answer; an error
// says that nothing could be kept.
func (p *Pools) Allot(ctx context.Context, ask fleet.PoolAsk) (fleet.PoolAllotted, error) {
	if ask.Feature == "" {
		ask.Feature = license.Buttons
	}
	s, err := p.scene()
	if err != nil {
		return fleet.PoolAllotted{}, err
	}
	out, docs, look, err := p.decideAllot(ask, s)
	if look != nil {
		return look(ctx), nil
	}
	if err != nil || !done(out.Result) || ask.Preview {
		return out, err
	}
	if err := p.publish(ctx, docs, ask.By); err != nil {
		p.log.Error("a share is published later", "license", ask.License, "panel", ask.Panel, "cause", err)
	}
	p.Kick()
	return out, nil
}

// decideAllot does it, or says why not, or returns how the panel is asked what would stop: with what was read, nothing else is decided.
func (p *Pools) decideAllot(ask fleet.PoolAsk, s scene) (out fleet.PoolAllotted, docs []license.Document, look func(context.Context) fleet.PoolAllotted, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, to, has, returned, err := p.find(ask, s)
	if err != nil {
		return out, nil, nil, err
	}
	s = s.seenFrom(one.holding.Site)
	if ask.Count >= 0 && ask.Count < has && !ask.Confirm {
		return out, nil, func(ctx context.Context) fleet.PoolAllotted { return p.lookLower(ctx, ask, to, has, returned, s) }, nil
	}
	out, docs, err = p.allot(ask, one, to, s)
	return out, docs, nil, err
}

// find looks up what an order names. A panel that is at another site by now is known as long as it has something. Hold p.mu.
func (p *Pools) find(ask fleet.PoolAsk, s scene) (one *pool, to fleet.Panel, has, returned int, err error) {
	one, to = p.pools[ask.License], s.panels[ask.Panel]
	switch {
	case one == nil || one.holding.Use != fleet.UsePool:
		return nil, to, 0, 0, fmt.Errorf("cannot find pool %.64q: %w", ask.License, fleet.ErrUnknown)
	}
	entries := p.entries(one, s)
	has = left(entries, ask.Feature, ask.Panel)
	switch {
	case to.ID == "" || to.Site != one.holding.Site && has == 0:
		return nil, to, 0, 0, fmt.Errorf("cannot find panel %.64q at site %s of this pool: %w", ask.Panel, one.holding.Site, fleet.ErrUnknown)
	case !slices.ContainsFunc(entries, func(e license.Entry) bool { return e.Counted && e.Feature == ask.Feature }):
		return nil, to, 0, 0, fmt.Errorf("cannot find %.64q in pool %s, as something that is counted: %w", ask.Feature, ask.License, fleet.ErrUnknown)
	}
	return one, to, has, p.returned(one, ask.Feature, ask.Panel), nil
}

// returned is how much a panel has given back since the beginning, as far as it is known here. Hold p.mu.
func (p *Pools) returned(one *pool, feature, panel string) (most int) {
	for _, d := range one.docs {
		switch d.Kind {
		case envelope.Slice:
			if slice, err := license.OpenSlice(d.Raw); err == nil && slice.Feature == feature && slice.To.String() == panel {
				most = max(most, slice.Returned)
			}
		case envelope.Return:
			back, err := license.OpenReturn(d.Raw)
			if err != nil {
				continue
			}
			if slice, err := license.OpenSlice(back.Slice); err == nil && slice.Feature == feature && slice.To.String() == panel {
				most = max(most, back.Returned)
			}
		}
	}
	return most
}

// allot does it, or says why not. Hold p.mu.
func (p *Pools) allot(ask fleet.PoolAsk, one *pool, to fleet.Panel, s scene) (fleet.PoolAllotted, []license.Document, error) {
	has := left(p.entries(one, s), ask.Feature, ask.Panel) // it may have changed meanwhile
	out := fleet.PoolAllotted{Result: string(license.Activated), Title: "Allotted", Before: has, After: ask.Count, Named: true}
	say := func(result license.Result, title, message string) (fleet.PoolAllotted, []license.Document, error) {
		out.Result, out.Title, out.Message, out.After = string(result), title, message, has
		return out, nil, nil
	}
	if ask.Count < 0 {
		return say(license.NotPossible, license.NotPossible.Title(), fmt.Sprintf("%d cannot be allotted; name how many.", ask.Count))
	}
	if ask.Count > has {
		if to.Site != one.holding.Site {
			return say(license.NotPossible, license.NotPossible.Title(), fmt.Sprintf("%s is at another site now: it gets nothing more, and can only give back.", s.named(to.ID)))
		}
		if to.State() != fleet.PanelEnrolled {
			return say(license.NotPossible, license.NotPossible.Title(), fmt.Sprintf("%s is %s: it gets nothing more.", s.named(to.ID), to.State()))
		}
		if why := p.held(s); why != "" {
			return say(license.NotPossible, "Waiting for panels", why)
		}
	}
	works, free, err := p.bound(ask, max(ask.Count, has), ask.Count <= has)
	if err != nil {
		return out, nil, err
	}
	if ask.Count > has && free && p.o.Tree != nil && s.sites[to.Site].Group != "" && ask.Feature == license.Buttons {
		return say(license.NotPossible, "Not registered yet", fmt.Sprintf("%s hangs below a group and is not registered there yet. Try again in a minute.", s.named(to.ID)))
	}
	gives := max(min(ask.Count, works), has) // what is suspended it gets when there is room again
	v := p.give(one, to, ask.Feature, gives-has, s)
	if v.Result.Refused() {
		return say(v.Result, v.Title, p.explain(v.Message, one, ask, s))
	}
	if v.Message != "" {
		out.Message = s.words(hubWords.Replace(v.Message))
	}
	now := p.o.Clock().Now.UTC().Truncate(time.Second)
	a := fleet.Allotment{License: ask.License, Feature: ask.Feature, Panel: ask.Panel, Asked: ask.Count, By: ask.By, Since: now}
	if ask.Count < has {
		out.Waiting = true
		out.Message = fmt.Sprintf("%s is asked to give %d back. They are free when it has answered.", s.named(to.ID), has-ask.Count)
	}
	if works < ask.Count {
		out.Message = strings.TrimSpace(out.Message + fmt.Sprintf(" %d of %d are suspended until a group above has room for them.", ask.Count-works, ask.Count))
	}
	if ask.Preview {
		return out, nil, nil
	}
	counts, err := p.counting(ask, max(ask.Count, has), gives-has, gives, s)
	if err != nil {
		return out, nil, err
	}
	docs, err := p.keep(ask.License, v, fleet.DeedChange{Allotments: []fleet.Allotment{a}}, ask.By, counts...)
	delete(p.tried, ask.Panel)
	return out, docs, err
}

// counting is what the ledger counts by an allotment. Hold p.mu.
func (p *Pools) counting(ask fleet.PoolAsk, count, more, gives int, s scene) ([]ledger.Allot, error) {
	if ask.Feature != license.Buttons || p.o.Tree == nil {
		return nil, nil
	}
	c := ledger.Allot{Pool: ask.License, Panel: ask.Panel, Count: count, Found: more <= 0}
	if more > 0 {
		seen, err := p.look(s)
		if err != nil {
			return nil, err
		}
		c.Gives, c.Others = gives, seen.apart()
	}
	return []ledger.Allot{c}, nil
}

// give decides about giving so many more; nothing is given for 0 and less. Hold p.mu.
func (p *Pools) give(one *pool, to fleet.Panel, feature string, more int, s scene) license.Verdict {
	if more <= 0 {
		return license.Verdict{Result: license.Activated}
	}
	id, err := license.ParseTokenID(one.holding.ID)
	if err != nil {
		return license.Verdict{Result: license.NotPossible, Title: license.NotPossible.Title(), Message: err.Error()}
	}
	return license.Give(p.o.Ring(), p.place(s.sites[one.holding.Site]), p.o.Clock(), one.docs, license.GiveOrder{
		License: id, Feature: feature, To: license.Identity{Panel: ed25519.PublicKey(to.Key), Name: to.Name}, Count: more,
	})
}

// explain says why there is not enough, with what is waited for.
func (p *Pools) explain(message string, one *pool, ask fleet.PoolAsk, s scene) string {
	text := s.words(hubWords.Replace(message))
	entries := p.entries(one, s)
	for _, key := range one.shares() {
		a := one.allotments[key]
		if over := left(entries, key.feature, key.panel) - a.Asked; key.feature == ask.Feature && over > 0 {
			text += fmt.Sprintf(" %d of them are waited for from %s since %s.", over, s.named(key.panel), a.Since.Format("2006-01-02 15:04 UTC"))
		}
	}
	return text
}

// shares are what is allotted of a pool, in order.
func (one *pool) shares() []share {
	list := make([]share, 0, len(one.allotments))
	for key := range one.allotments {
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b share) int { return strings.Compare(a.feature+"\x00"+a.panel, b.feature+"\x00"+b.panel) })
	return list
}

// held says why nothing is given after a restore; empty when it may be. It names panels of the site it is for, and counts the others.
// Hold p.mu.
func (p *Pools) held(s scene) string {
	if p.fence == nil {
		return ""
	}
	const most = 10
	var names []string
	others := 0
	for _, id := range p.fence.Waiting {
		switch why := p.fence.Why[id]; {
		case !s.shows(s.panels[id]) || len(names) == most:
			others++
		case why != "":
			names = append(names, fmt.Sprintf("%s (what it told cannot be used: %s)", s.named(id), strings.TrimSuffix(s.words(hubWords.Replace(why)), ".")))
		default:
			names = append(names, s.named(id))
		}
	}
	if others > 0 {
		names = append(names, fmt.Sprintf("%d more at this hub", others))
	}
	return fmt.Sprintf("This hub was restored from a backup on %s and does not know what it gave since. Nothing more is given until these panels have told it: %s. "+
		"One that is gone for good is revoked.", p.fence.Since.UTC().Format("2006-01-02 15:04 UTC"), strings.Join(names, ", "))
}

// lookLower asks the panel what would stop; nothing is changed.
func (p *Pools) lookLower(ctx context.Context, ask fleet.PoolAsk, to fleet.Panel, has, returned int, s scene) fleet.PoolAllotted {
	out := fleet.PoolAllotted{Result: string(unconfirmed), Title: "Something would stop", Before: has, After: ask.Count, Waiting: true}
	if ask.Preview {
		out.Result = string(license.Activated)
	}
	if !s.shows(to) {
		out.Message = fmt.Sprintf("%s is at another site now, and what would stop there is not shown.", s.named(ask.Panel))
		return out
	}
	order := telemetry.ReturnOrder{License: ask.License, Feature: ask.Feature, Total: returned + has - ask.Count}
	o, err := p.o.Way.Order(ctx, ask.Panel, telemetry.VerbStops, order.String(), ask.By)
	switch {
	case err == nil && o.State == fleet.OrderDone:
		out.Stops, out.Named = o.Why, true
		if o.Why == "" {
			out.Message = fmt.Sprintf("%s would have %d less. None of its buttons that have a label would stop.", s.named(ask.Panel), has-ask.Count)
			break
		}
		out.Message = fmt.Sprintf("At %s these would stop: %s.", s.named(ask.Panel), o.Why)
	case err == nil && o.State == fleet.OrderRefused:
		out.Message = fmt.Sprintf("%s cannot say what would stop: %s", s.named(ask.Panel), o.Why)
	default:
		out.Message = fmt.Sprintf("%s is not reached and cannot say what would stop: the %d with the highest numbers.", s.named(ask.Panel), has-ask.Count)
	}
	return out
}
