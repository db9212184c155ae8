package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
)

// licensePort is the one way in for a license code, whoever shows it, and for orders about licenses.
type licensePort struct {
	licenses *agent.Licenses
	agent    *agent.Agent
	dir      *directory // whose buttons stop when licenses go
	id, name string     // of this panel
	now      func() time.Time
}

// undoDays is for how long an activation may be given up.
const undoDays = 7

func (p licensePort) Present(ctx context.Context, text, account, via, by string) (license.Verdict, error) {
	v, err := p.licenses.Present(ctx, text, account, via, by, p.agent.Do)
	return v, storeError(err)
}

func (p licensePort) Entitlements() license.Entitlements { return p.licenses.Entitlements() }

// Overview is one line a feature. Of the buttons, the first is free and uses up no license.
func (p licensePort) Overview() []license.Line {
	buttons := 0
	for _, b := range p.dir.Buttons() {
		if b.Number > 1 {
			buttons++
		}
	}
	return p.licenses.Entitlements().Overview(map[string]int{license.Buttons: buttons})
}

// presentQuietly takes a document from upstream, which comes again at every connect: what is here already is no news.
func (p licensePort) presentQuietly(ctx context.Context, text string) (license.Verdict, error) {
	return p.licenses.Present(ctx, text, "", "upstream", "", p.quietly)
}

func (p licensePort) quietly(ctx context.Context, e panel.Event) error {
	if shown, ok := e.(panel.LicensePresented); ok && shown.Result == license.AlreadyActive && len(shown.Remember) == 0 {
		return nil
	}
	return p.agent.Do(ctx, e)
}

// Identity is who this panel is. Without a text its key cannot sign, which the log says.
func (p licensePort) Identity() web.PanelIdentity {
	text, err := p.licenses.Identity()
	if err != nil {
		text = ""
	}
	return web.PanelIdentity{Panel: p.id, Name: p.name, Text: text}
}

// peers are the known panels by id.
func (p licensePort) peers() []license.Identity {
	docs, _ := p.licenses.Documents()
	return license.Peers(docs)
}

func nameOf(peers []license.Identity, id string) string {
	for _, peer := range peers {
		if peer.ID().String() == id {
			return peer.Name
		}
	}
	return ""
}

func (p licensePort) Peers() []web.Peer {
	list := []web.Peer{}
	for _, peer := range p.peers() {
		list = append(list, web.Peer{Panel: peer.ID().String(), Name: peer.Name})
	}
	slices.SortFunc(list, func(a, b web.Peer) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Panel, b.Panel))
	})
	return list
}

// Held lists each stored license once, newest activation first. The features of one license stand together; one that
// cannot be opened is alone, and one that is stored twice is two.
func (p licensePort) Held() []web.LicenseView {
	peers := p.peers()
	list := []web.LicenseView{}
	for _, e := range p.licenses.Entitlements().List() {
		last := len(list) - 1
		if last < 0 || !sameLicense(list[last], e) {
			list = append(list, p.viewOf(e, peers))
			last++
		}
		if e.Feature != "" {
			addFeature(&list[last], e, peers)
		}
	}
	slices.Reverse(list)
	return list
}

func sameLicense(v web.LicenseView, e license.Entry) bool {
	_, again := v.Grants[e.Feature]
	return e.Feature != "" && v.ID == e.TokenID.String() && v.Root == e.Root && v.Activated.Equal(e.Activated) && v.GivenBy == e.GivenBy && !again
}

func (p licensePort) viewOf(e license.Entry, peers []license.Identity) web.LicenseView {
	v := web.LicenseView{
		ID: e.TokenID.String(), Label: e.Label, Grants: map[string]int{}, Scope: string(e.Scope), Account: e.Account, Status: string(e.Status),
		Message: e.Message, Activated: e.Activated, From: e.From, Until: e.Until, Issuer: e.Issuer, Root: e.Root, GivenBy: e.GivenBy,
	}
	if e.TokenID != (license.TokenID{}) {
		v.ShortCode = e.TokenID.ShortCode().String()
	}
	// Only what is young can be undone; whether it can is not cheap to ask.
	if until := e.Activated.AddDate(0, 0, undoDays); e.GivenBy == "" && !e.Activated.IsZero() && p.now().Before(until) && p.licenses.CanUndo(e.TokenID) {
		v.UndoUntil = until
	}
	if e.GivenBy != "" {
		v.GiverName = nameOf(peers, e.GivenBy)
	}
	return v
}

// undoTime is how long license.Undo gives an activation up.
const undoTime = 7 * 24 * time.Hour

func addFeature(v *web.LicenseView, e license.Entry, peers []license.Identity) {
	v.Grants[e.Feature] = e.Count
	if e.Sold > e.Count {
		if v.Sold == nil {
			v.Sold = map[string]int{}
		}
		v.Sold[e.Feature] = e.Sold
	}
	for _, share := range e.Given {
		v.Given = append(v.Given, web.GivenAway{Panel: share.Panel, Name: nameOf(peers, share.Panel), Feature: e.Feature, Count: share.Count})
	}
	running := e.Status == license.Active || e.Status == license.Ending
	v.UndoUntil = time.Time{}
	if (running || e.Status == license.Waiting) && e.GivenBy == "" && len(v.Given) == 0 {
		v.UndoUntil = e.Activated.Add(undoTime)
	}
	if e.Counted && e.Count > 0 && running && e.Scope != license.ScopeAccount {
		v.Pools = append(v.Pools, e.Feature)
	}
}

// Codes are the codes for other panels that may be shown again, newest first.
func (p licensePort) Codes() []web.PoolCode {
	e, peers := p.licenses.Entitlements(), p.peers()
	list := []web.PoolCode{}
	for _, c := range e.Codes() {
		list = append(list, web.PoolCode{
			Kind: string(c.Kind), Text: envelope.Armor(c.Kind, c.Raw), License: c.License.String(), Label: labelOf(e, c.License),
			Panel: c.Panel, Name: nameOf(peers, c.Panel), Feature: c.Feature, Count: c.Count, At: c.At,
		})
	}
	return list
}

func labelOf(e license.Entitlements, id license.TokenID) string {
	for _, entry := range e.List() {
		if entry.TokenID == id {
			return entry.Label
		}
	}
	return ""
}

// entry is what is stored of the license that an order names.
func (p licensePort) entry(id, feature string) (license.Entry, error) {
	var found license.Entry
	for _, e := range p.licenses.Entitlements().List() {
		if e.TokenID.String() == id && (found.TokenID != e.TokenID || e.Feature == feature) {
			found = e
		}
	}
	if found.TokenID == (license.TokenID{}) {
		return found, notFound("cannot find license %s: it is not stored in this panel", id)
	}
	return found, nil
}

func (p licensePort) Give(ctx context.Context, o web.PoolOrder, by, via string) (web.PoolAnswer, error) {
	e, err := p.entry(o.License, o.Feature)
	if err != nil {
		return web.PoolAnswer{}, err
	}
	to, document, refused := p.receiver(o.To)
	if refused != nil {
		return web.PoolAnswer{Result: refused.Result, Title: refused.Title, Message: refused.Message}, nil
	}
	order := license.GiveOrder{License: e.TokenID, Feature: o.Feature, To: to, Count: o.Count}
	w := p.want(o, by, via)
	w.asker.Along = document
	return w.answer(p.licenses.Give(ctx, order, w.asker))(to.ID().String(), to.Name)
}

func (p licensePort) GiveBack(ctx context.Context, o web.PoolOrder, by, via string) (web.PoolAnswer, error) {
	e, err := p.entry(o.License, o.Feature)
	if err != nil {
		return web.PoolAnswer{}, err
	}
	w := p.want(o, by, via)
	order := license.BackOrder{License: e.TokenID, Feature: o.Feature, Count: o.Count}
	return w.answer(p.licenses.GiveBack(ctx, order, w.asker))(e.GivenBy, nameOf(p.peers(), e.GivenBy))
}

func (p licensePort) Undo(ctx context.Context, o web.PoolOrder, by, via string) (web.PoolAnswer, error) {
	e, err := p.entry(o.License, license.Buttons)
	if err != nil {
		return web.PoolAnswer{}, err
	}
	o.Feature = e.Feature
	w := p.want(o, by, via)
	return w.answer(p.licenses.Undo(ctx, e.TokenID, w.asker))("", "")
}

func (p licensePort) Assign(ctx context.Context, id, account, by, via string) (license.Verdict, error) {
	e, err := p.entry(id, "")
	if err != nil {
		return license.Verdict{}, err
	}
	out, err := p.licenses.Assign(ctx, e.TokenID, account, agent.Asker{By: by, Via: via, Inform: p.agent.Do})
	return out.Verdict, storeError(err)
}

// receiver is the panel that an order names by its identity or by its id, and the identity as a document to be kept.
func (p licensePort) receiver(to string) (license.Identity, []license.Document, *license.Verdict) {
	for _, peer := range p.peers() {
		if strings.EqualFold(peer.ID().String(), to) {
			return peer, nil, nil
		}
	}
	if _, err := envelope.ParseThumbprint(to); err == nil {
		return license.Identity{}, nil, &license.Verdict{
			Result: license.NotPossible, Title: "Panel not known",
			Message: "This panel has not seen the identity of panel " + to + ". Show it the identity code of that panel first.",
		}
	}
	v := p.licenses.Look(to)
	switch {
	case v.Peer != nil && !v.Result.Refused():
		return *v.Peer, v.Keep, nil
	case !v.Result.Refused():
		v.Result, v.Title = license.Malformed, license.Malformed.Title()
		v.Message = "This is not the identity of a panel. On the other panel's page, take the text that begins with DI1:."
	}
	return license.Identity{}, nil, &v
}

// wanted is an order on its way: what it would change is looked at before anything is changed.
type wanted struct {
	order       web.PoolOrder
	asker       agent.Asker
	would       web.PoolAnswer
	unconfirmed bool
	buttons     func() []web.ButtonView
}

func (p licensePort) want(o web.PoolOrder, by, via string) *wanted {
	w := &wanted{order: o, buttons: p.dir.Buttons}
	w.asker = agent.Asker{By: by, Via: via, Inform: p.agent.Do, Agree: w.agree}
	return w
}

func (w *wanted) agree(out agent.Outcome) bool {
	w.would = web.PoolAnswer{Before: usable(out.Before, w.order.Feature), After: usable(out.After, w.order.Feature), Stops: w.stops(out)}
	if out.Result.Refused() || w.order.Preview {
		return !w.order.Preview
	}
	for _, b := range w.would.Stops {
		w.unconfirmed = w.unconfirmed || !slices.Contains(w.order.Confirmed, b.Number)
	}
	return !w.unconfirmed
}

func usable(e license.Entitlements, feature string) int {
	if feature == license.Buttons {
		return e.Buttons()
	}
	return e.Count(feature)
}

// stops are the buttons somebody set up that would not call any more.
func (w *wanted) stops(out agent.Outcome) []web.StoppingButton {
	list := []web.StoppingButton{}
	for _, b := range w.buttons() {
		if b.Number > out.After.Buttons() && b.Number <= out.Before.Buttons() {
			list = append(list, web.StoppingButton{Number: b.Number, Label: b.Label})
		}
	}
	return list
}

func (w *wanted) answer(out agent.Outcome, err error) func(panelID, name string) (web.PoolAnswer, error) {
	return func(panelID, name string) (web.PoolAnswer, error) {
		a := w.would
		a.Result, a.Title, a.Message, a.Code, a.Panel, a.Name = out.Result, out.Title, out.Message, out.Code, panelID, name
		if w.unconfirmed {
			a.Result, a.Title, a.Code = web.Unconfirmed, "Buttons would stop", ""
			a.Message = fmt.Sprintf("%s would stop. Confirm them to go on.", stopping(a.Stops))
		}
		return a, storeError(err)
	}
}

// stopping names buttons the way they are labeled.
func stopping(buttons []web.StoppingButton) string {
	var names []string
	for _, b := range buttons {
		names = append(names, strings.TrimSpace(fmt.Sprintf("%d %s", b.Number, b.Label)))
	}
	return "Buttons " + strings.Join(names, ", ")
}
