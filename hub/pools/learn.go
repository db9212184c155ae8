package pools

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// asksADay bounds how many short codes that are not known may be typed at a panel's keypad.
const asksADay = 10

// Learn keeps what an entry of a panel's journal brings. It may come again, late and in any order: what is signed says what is newest.
// An error says that it could not be kept: fleet.ErrNotKept that the store did not take it, any other that it will not be kept later either.
func (p *Pools) Learn(r fleet.Received) error {
	if len(r.Event.Papers) > 0 {
		if err := p.learnPapers(r); err != nil {
			return err
		}
	}
	switch r.Event.Kind {
	case "license.answered":
		return p.learnAnswer(r)
	case "license.asked":
		return p.learnAsked(r)
	}
	return nil
}

func (p *Pools) learnPapers(r fleet.Received) error {
	s, err := p.scene()
	if err != nil {
		return unkept(err)
	}
	err = p.takePapers(r, s)
	p.mu.Lock()
	warnings := p.warnings
	p.warnings = nil
	p.mu.Unlock()
	for _, f := range warnings {
		p.o.Way.Warn(f)
	}
	return err
}

func (p *Pools) takePapers(r fleet.Received, s scene) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range r.Event.Papers {
		kind, raw, err := envelope.Unarmor(text)
		switch {
		case err != nil:
			p.log.Warn("cannot read what a panel showed", "panel", r.Panel, "cause", err)
			continue // the others on the same entry may be whole, and it reads no better the next time
		case kind == envelope.Slice || kind == envelope.Return:
			err = p.learnShare(r, kind, raw, s)
		case kind == envelope.Activation:
			err = p.learnClaim(r, raw, s)
		case kind == envelope.Release:
			err = p.learnRelease(r, raw, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unkept marks an error of the store as one that may pass. What the store refuses for a reason is refused the next time too.
func unkept(err error) error {
	if err == nil || errors.Is(err, fleet.ErrTaken) || errors.Is(err, fleet.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", fleet.ErrNotKept, err)
}

// shown is what a slice or a return says.
type shown struct {
	slice    license.Slice
	token    []byte // the license's envelope
	returned int
}

func readShown(kind envelope.Kind, raw []byte) (shown, error) {
	var one shown
	var err error
	if kind == envelope.Return {
		back, err := license.OpenReturn(raw)
		if err != nil {
			return one, err
		}
		one.returned, raw = back.Returned, back.Slice
	}
	if one.slice, err = license.OpenSlice(raw); err != nil {
		return one, err
	}
	one.returned = max(one.returned, one.slice.Returned)
	a, err := license.OpenActivation(one.slice.Activation)
	one.token = a.License
	return one, err
}

// learnShare takes the hub's own share back into account, or what a panel gave back of it. Hold p.mu.
func (p *Pools) learnShare(r fleet.Received, kind envelope.Kind, raw []byte, s scene) error {
	one, err := readShown(kind, raw)
	if err != nil || !one.slice.Holder.Equal(p.o.Key) || one.slice.To.String() != r.Panel {
		return nil // of another holder, or of another panel: nothing that this hub counts
	}
	site := s.sites[r.Site]
	known, id := p.byToken(one.token)
	var docs []license.Document
	if known != nil {
		site, docs = s.sites[known.holding.Site], known.docs
	}
	v := license.Examine(envelope.Armor(kind, raw), p.o.Ring(), p.place(site), p.o.Clock(), docs, "")
	change := fleet.DeedChange{}
	switch {
	case v.Result.Refused():
		p.log.Warn("cannot use what a panel showed of a share", "panel", r.Panel, "result", v.Result, "cause", v.Message)
		return p.doubt(r.Panel, v.Message)
	case v.Sign == nil && len(v.Keep) == 0:
		p.setBack(r, known, one, s)
		return nil
	case known == nil && v.Token != nil: // entered after the backup from which this hub was restored
		id = v.Token.ID.String()
		change.Holding = &fleet.Holding{
			ID: id, Site: r.Site, Use: fleet.UsePool, Token: []byte(envelope.Armor(envelope.License, one.token)),
			Added: p.o.Clock().Now.UTC(), By: "panel " + r.Panel,
		}
		v.Keep = append(v.Keep, p.outdone(id, site, v.Keep)...)
	}
	change.Note = fleet.Change{At: p.o.Clock().Now, Who: "panel " + r.Panel, Via: "hub", What: "license.heard", Object: r.Panel, Site: r.Site, Detail: s.seenFrom(r.Site).words(hubWords.Replace(v.Message))}
	if _, err := p.keep(id, v, change, "panel "+r.Panel, p.heard(known, id, one.slice, v, site)...); err != nil {
		return err
	}
	if v.Result == license.Activated {
		p.recall(id, one.slice, s)
	}
	p.Kick()
	return nil
}

// heard is what the ledger counts once what a panel showed is kept: only then it is free for others. Hold p.mu.
func (p *Pools) heard(known *pool, id string, slice license.Slice, v license.Verdict, site fleet.Site) []ledger.Allot {
	key := share{slice.Feature, slice.To.String()}
	if key.feature != license.Buttons {
		return nil
	}
	var docs []license.Document
	asked := 0
	if known != nil {
		docs, asked = known.docs, known.allotments[key].Asked
	}
	has := left(p.derived(license.Replaced(docs, v.Keep), site), key.feature, key.panel)
	return []ledger.Allot{{Pool: id, Panel: key.panel, Count: max(asked, has), Found: true}}
}

// recall asks for no more than a panel has when an allotment is not known any more: this hub was set back. Hold p.mu.
func (p *Pools) recall(id string, slice license.Slice, s scene) {
	one := p.pools[id]
	key := share{slice.Feature, slice.To.String()}
	if _, known := one.allotments[key]; known && p.fence == nil {
		return
	}
	one.allotments[key] = fleet.Allotment{
		License: id, Feature: key.feature, Panel: key.panel, Asked: left(p.entries(one, s), key.feature, key.panel), By: "panel " + key.panel,
		Since: p.o.Clock().Now.UTC(),
	}
	if err := p.o.Store.KeepDeeds(fleet.DeedChange{Allotments: []fleet.Allotment{one.allotments[key]}}); err != nil {
		p.log.Error("cannot keep what a panel has", "panel", key.panel, "cause", err)
	}
}

// byToken finds the pool of a license by its envelope. Hold p.mu.
func (p *Pools) byToken(token []byte) (*pool, string) {
	text := envelope.Armor(envelope.License, token)
	for _, id := range p.ids() {
		if one := p.pools[id]; string(one.holding.Token) == text {
			return one, id
		}
	}
	return nil, ""
}

// setBack tells people when a panel that was asked now knows of less than it knew before: its store was set back, or is a copy. It gets
// its documents again with its next connection.
func (p *Pools) setBack(r fleet.Received, known *pool, one shown, s scene) {
	if known == nil || r.Event.Kind != "license.told" || p.told[r.Panel] != r.Event.Boot {
		return
	}
	if most := p.returned(known, one.slice.Feature, r.Panel); one.returned < most {
		p.warn(fleet.Fault{
			Panel: r.Panel, Site: r.Site, At: p.o.Clock().Now, Kind: fleet.FaultSetBack, Epoch: r.Event.Epoch, Seq: r.Event.Seq,
			Detail: fmt.Sprintf("%s gave %d back of license %s and knows of %d: its store was set back, or is a copy. It gets its documents again.",
				s.named(r.Panel), most, known.holding.ID, one.returned),
		})
	}
}

// warn has people told when nothing is held any more. Hold p.mu.
func (p *Pools) warn(f fleet.Fault) { p.warnings = append(p.warnings, f) }

// doubt keeps the fence up for a panel whose word could not be used. Hold p.mu.
func (p *Pools) doubt(panel, why string) error {
	if p.fence == nil || !slices.Contains(p.fence.Waiting, panel) || p.fence.Why[panel] == why {
		return nil
	}
	f := *p.fence
	f.Why = maps.Clone(f.Why)
	if f.Why == nil {
		f.Why = map[string]string{}
	}
	f.Why[panel] = why
	if err := p.o.Store.KeepDeeds(fleet.DeedChange{Fence: &f}); err != nil {
		return unkept(err)
	}
	p.fence = &f
	return nil
}

// toldAgain is what a panel says of an answer that it repeats because it was asked to tell.
const toldAgain = "told again"

// learnAnswer notes what a panel said to a document. One that takes for the second time what it had taken has forgotten it: its store
// was set back, or it is a copy. By then it has its documents again.
func (p *Pools) learnAnswer(r fleet.Received) error {
	kind, id, ok := strings.Cut(r.Event.Document, "/")
	if !ok {
		return nil
	}
	answer := fleet.DocumentAnswer{Result: r.Event.Why, Why: r.Event.Detail, At: r.At, Epoch: r.Event.Epoch, Seq: r.Event.Seq}
	before, found, err := p.o.Store.AnswerDocument(r.Panel, kind, id, r.Event.Digest, answer)
	again := found && before != nil && before.Result != "refused" && (before.Epoch != answer.Epoch || before.Seq < answer.Seq)
	if err == nil && again && answer.Result == "taken" && answer.Why != toldAgain {
		p.o.Way.Warn(fleet.Fault{
			Panel: r.Panel, Site: r.Site, At: p.o.Clock().Now, Kind: fleet.FaultSetBack, Epoch: r.Event.Epoch, Seq: r.Event.Seq,
			Detail: fmt.Sprintf("It took %s %s a second time: its store was set back, or is a copy. It has its documents again.", kind, id),
		})
	}
	return unkept(err)
}

// learnAsked hands a license that is kept for the site to the panel at which its short code was typed. Nothing tells a code that is not
// known from one that is another site's.
func (p *Pools) learnAsked(r fleet.Received) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := budgetOf(p.asked, r.Panel)
	if b.gone(p.o.Clock().Now, asksADay) {
		return nil
	}
	one := p.byCode(r.Event.Digest, r.Site)
	if one == nil || one.holding.Use != fleet.UseKept {
		b.used++
		return nil
	}
	if c, claimed := p.staying(one.holding.ID); claimed && c.Panel != r.Panel {
		return nil
	}
	h := one.holding
	h.Use, h.Panel = fleet.UseGrant, r.Panel
	err := p.o.Store.KeepDeeds(fleet.DeedChange{Holding: &h, Note: fleet.Change{
		At: r.At, Who: "panel " + r.Panel, Via: "hub", What: "license.fetched", Object: h.ID, Site: r.Site, Detail: "its short code was typed at the panel",
	}})
	if err == nil {
		one.holding = h
		p.Kick()
	}
	return unkept(err)
}

// Known hears that an entry and everything before it are stored: a panel that was asked has told all.
func (p *Pools) Known(r fleet.Received) {
	number, ok := strings.CutPrefix(r.Event.Document, "order/")
	order, err := strconv.ParseUint(number, 10, 64)
	if r.Event.Kind != "license.told" || !ok || err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fence == nil || order < uint64(max(p.fence.Since.UnixMilli(), 0)) {
		return // an answer to an order from before
	}
	if why := p.fence.Why[r.Panel]; why != "" {
		p.log.Warn("a panel's word could not be used; nothing more is given", "panel", r.Panel, "cause", why)
		return
	}
	p.unfence(func(panel string) bool { return panel == r.Panel })
}

// unfence waits for some panels no more. Hold p.mu.
func (p *Pools) unfence(gone func(panel string) bool) {
	f := *p.fence
	f.Waiting = slices.DeleteFunc(slices.Clone(f.Waiting), gone)
	if len(f.Waiting) == len(p.fence.Waiting) && len(f.Waiting) > 0 {
		return
	}
	if err := p.o.Store.KeepDeeds(fleet.DeedChange{Fence: &f}); err != nil {
		p.log.Error("cannot keep which panels have told what they have", "cause", err)
		return
	}
	p.fence = &f
	if len(f.Waiting) == 0 {
		p.fence = nil
	}
	p.Kick()
}
