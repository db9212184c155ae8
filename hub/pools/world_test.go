package pools_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/pools"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

func keyOf(seed byte) ed25519.PrivateKey {
	raw := make([]byte, ed25519.SeedSize)
	raw[0], raw[1] = seed, 0x77
	return ed25519.NewKeyFromSeed(raw)
}

func pub(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func signer(key ed25519.PrivateKey) func([]byte) ([]byte, error) {
	return func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
}

// kept is a store in memory whose contents can be copied.
type kept struct {
	holdings   map[string]fleet.Holding
	deeds      map[string]fleet.Deed
	allotments map[string]fleet.Allotment
	claims     map[string]fleet.Claim
	documents  map[string]fleet.Document
	fence      *fleet.Fence
	book       book
}

func newKept() kept {
	return kept{map[string]fleet.Holding{}, map[string]fleet.Deed{}, map[string]fleet.Allotment{}, map[string]fleet.Claim{}, map[string]fleet.Document{}, nil, newBook()}
}

func (k kept) clone() kept {
	c := kept{maps.Clone(k.holdings), maps.Clone(k.deeds), maps.Clone(k.allotments), maps.Clone(k.claims), maps.Clone(k.documents), nil, k.book.clone()}
	if k.fence != nil {
		f := *k.fence
		c.fence = &f
	}
	return c
}

var errDisk = errors.New("the disk is full")

// world is a hub, its store, its panels, and the way between them.
type world struct {
	mu     sync.Mutex
	kept   kept
	broken bool // the store refuses the next writes

	now     time.Time
	roots   []ed25519.PublicKey
	root    ed25519.PrivateKey
	hub     ed25519.PrivateKey
	sites   []fleet.Site
	panels  []*unit
	pools   *pools.Pools
	warned  []fleet.Fault
	revoked [][]byte // lists that the hub knows
	number  uint64
	// lost tells whether the next order's answer does not arrive, and whether the order itself did.
	lose func() (order, answer bool)
}

// unit is one panel.
type unit struct {
	w        *world
	key      ed25519.PrivateKey
	record   fleet.Panel
	docs     []license.Document
	hub      license.Membership
	online   bool
	boot     int
	heard    time.Time
	retained map[string]fleet.Document // at the broker
	journal  []telemetry.Event         // not acknowledged yet
	seq      uint64
	answered map[string]string
	// astray: its whole data were set back and it has not been connected since.
	astray bool
}

const site = "via-roma"

func newWorld(count int) *world {
	w := &world{kept: newKept(), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), root: keyOf(1), hub: keyOf(2), lose: func() (bool, bool) { return false, false }}
	w.roots = []ed25519.PublicKey{pub(w.root)}
	w.sites = []fleet.Site{{ID: site, Name: "Via Roma", Zone: "UTC"}, {ID: "other", Name: "Other", Zone: "UTC"}}
	for i := range count {
		key := keyOf(byte(10 + i))
		u := &unit{
			w: w, key: key, record: fleet.Panel{ID: envelope.NameOf(pub(key)), Key: pub(key), Name: "Stairs " + string(rune('A'+i)), Site: site, Serial: "1"},
			hub: license.Membership{Key: pub(w.hub), Site: site, Since: w.now.Add(-time.Hour)}, online: true, boot: 1, heard: w.now,
			retained: map[string]fleet.Document{}, answered: map[string]string{},
		}
		w.panels = append(w.panels, u)
	}
	w.start()
	return w
}

// start is a hub that starts on what is kept.
func (w *world) start() {
	p, faults, err := pools.New(pools.Options{
		Store: w, Directory: w, Way: w, Ring: func() license.Keyring { ring, _ := license.NewKeyring(w.roots, nil, w.revoked); return ring },
		Key: pub(w.hub), Sign: signer(w.hub), Clock: w.clock,
		Tree: w,
	})
	if err != nil || len(faults) > 0 {
		panic(fmt.Sprint(err, faults))
	}
	w.pools = p
	for _, u := range w.panels {
		u.heard = time.Time{}
	}
}

func (w *world) clock() license.Clock { return license.Clock{Now: w.now, Mark: w.now, Trusted: true} }

func (w *world) unit(id string) *unit {
	i := slices.IndexFunc(w.panels, func(u *unit) bool { return u.record.ID == id })
	if i < 0 {
		return nil
	}
	return w.panels[i]
}

// KeepDeeds implements pools.Store, as the others below.
func (w *world) KeepDeeds(c fleet.DeedChange) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return errDisk
	}
	if c.Holding != nil {
		w.kept.holdings[c.Holding.ID] = *c.Holding
	}
	for _, d := range c.Deeds {
		w.kept.deeds[d.License+d.Key] = d
	}
	for _, a := range c.Allotments {
		w.kept.allotments[a.License+a.Feature+a.Panel] = a
	}
	for _, one := range c.Claims {
		w.kept.claims[one.License+one.Panel] = one
	}
	if c.Fence != nil {
		f := *c.Fence
		if w.kept.fence = &f; len(f.Waiting) == 0 {
			w.kept.fence = nil
		}
	}
	return nil
}

func values[T any](m map[string]T) []T {
	var list []T
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[key])
	}
	return list
}

func (w *world) Holdings() ([]fleet.Holding, error)     { return values(w.kept.holdings), nil }
func (w *world) Deeds() ([]fleet.Deed, error)           { return values(w.kept.deeds), nil }
func (w *world) Allotments() ([]fleet.Allotment, error) { return values(w.kept.allotments), nil }
func (w *world) Claims() ([]fleet.Claim, error)         { return values(w.kept.claims), nil }

func (w *world) Fence() (fleet.Fence, bool, error) {
	if w.kept.fence == nil {
		return fleet.Fence{}, false, nil
	}
	return *w.kept.fence, true, nil
}

func (w *world) Documents(panel string) ([]fleet.Document, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(values(w.kept.documents), func(d fleet.Document) bool { return panel != "" && d.Panel != panel }), nil
}

func (w *world) AnswerDocument(panel, kind, id, digest string, answer fleet.DocumentAnswer) (*fleet.DocumentAnswer, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := panel + "/" + kind + "/" + id
	d, known := w.kept.documents[name]
	if sum := sha256.Sum256(d.Bytes); !known || hex.EncodeToString(sum[:16]) != digest {
		return nil, false, nil
	}
	before := d.Answer
	d.Answer = &answer
	w.kept.documents[name] = d
	return before, true, nil
}

func (w *world) Sites() ([]fleet.Site, error) { return w.sites, nil }

func (w *world) Panels() ([]fleet.Panel, error) {
	var list []fleet.Panel
	for _, u := range w.panels {
		list = append(list, u.record)
	}
	return list, nil
}

func (w *world) PutDocument(_ context.Context, d fleet.Document) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.Made = w.now
	w.kept.documents[d.Panel+"/"+d.Kind+"/"+d.ID] = d
	if u := w.unit(d.Panel); u != nil {
		u.retained[d.Kind+"/"+d.ID] = d
	}
	return nil
}

func (w *world) WithdrawDocument(_ context.Context, panel, kind, id, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.kept.documents[panel+"/"+kind+"/"+id]
	d.Withdrawn = w.now
	w.kept.documents[panel+"/"+kind+"/"+id] = d
	delete(w.unit(panel).retained, kind+"/"+id)
	return nil
}

func (w *world) Heard(panel string) (time.Time, string, bool) {
	u := w.unit(panel)
	return u.heard, fmt.Sprint(u.boot), u.online && !u.heard.IsZero()
}

func (w *world) Warn(f fleet.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warned = append(w.warned, f)
}

func (w *world) Order(_ context.Context, panel, verb, object, _ string) (fleet.Order, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number = max(w.number+1, uint64(w.now.UnixMilli()))
	o := fleet.Order{Number: w.number, Panel: panel, Verb: verb, Object: object, State: fleet.OrderNotReached}
	u := w.unit(panel)
	order, answer := w.lose()
	if !u.online || order {
		return o, nil
	}
	state, why := u.obey(verb, object, o.Number)
	if !answer {
		o.State, o.Why = state, why
	}
	return o, nil
}

// panel is the unit as licenses know it.
func (u *unit) panel() license.Panel {
	return license.Panel{Key: pub(u.key), Site: "house", Zone: time.UTC, Hub: u.hub}
}

func (u *unit) ring() license.Keyring {
	ring, _ := license.NewKeyring(u.w.roots, nil, nil)
	return ring
}

// say writes an entry into the panel's journal.
func (u *unit) say(e telemetry.Event, docs ...license.Document) {
	u.seq++
	e.Epoch, e.Seq, e.Boot = "e", u.seq, fmt.Sprint(u.boot)
	for _, d := range docs {
		if d.Kind == envelope.Activation || d.Kind == envelope.Slice || d.Kind == envelope.Return || d.Kind == envelope.Release {
			e.Papers = append(e.Papers, envelope.Armor(d.Kind, d.Raw))
		}
	}
	u.journal = append(u.journal, e)
}

// keep signs what a verdict asks for and makes it durable.
func (u *unit) keep(v license.Verdict, kind string) {
	docs := slices.Clone(v.Keep)
	if v.Sign != nil {
		d, err := v.Sign.Sign(signer(u.key))
		if err != nil {
			panic(err)
		}
		docs = append(docs, d)
	}
	if len(docs) == 0 {
		return
	}
	u.docs = slices.DeleteFunc(slices.Clone(u.docs), func(d license.Document) bool {
		return slices.ContainsFunc(docs, func(n license.Document) bool { return n.Key == d.Key })
	})
	u.docs = append(u.docs, docs...)
	u.say(telemetry.Event{Kind: kind}, docs...)
}

func (u *unit) obey(verb, object string, number uint64) (fleet.OrderState, string) {
	if verb == telemetry.VerbTell {
		u.tell(number)
		return fleet.OrderDone, ""
	}
	o, err := telemetry.ParseReturnOrder(object)
	if err != nil {
		return fleet.OrderRefused, err.Error()
	}
	id, _ := license.ParseTokenID(o.License)
	v := license.GiveBack(u.ring(), u.panel(), u.w.clock(), u.docs, license.BackOrder{License: id, Feature: o.Feature, Total: o.Total, To: u.hub.Key})
	switch {
	case v.Result.Refused():
		return fleet.OrderRefused, v.Message
	case verb == telemetry.VerbStops:
		return fleet.OrderDone, "41 Rossi"
	case v.Result == license.AlreadyActive:
		u.tell(number)
	default:
		u.keep(v, "license.gave_back")
	}
	return fleet.OrderDone, ""
}

func (u *unit) tell(number uint64) {
	if held := license.HeldFrom(u.hub.Key, u.docs); len(held) > 0 {
		u.say(telemetry.Event{Kind: "license.told"}, held...)
	}
	u.say(telemetry.Event{Kind: "license.told", Document: fmt.Sprintf("order/%d", number)})
}

// connect brings the panel what is retained for it, and a sign of life to the hub.
func (u *unit) connect() {
	knows := !u.astray
	u.online, u.heard, u.astray = true, u.w.now, false
	for _, name := range slices.Sorted(maps.Keys(u.retained)) {
		raw := u.retained[name].Bytes
		if sum := sha256.Sum256(raw); knows && u.answered[name] == hex.EncodeToString(sum[:16]) {
			continue // it is read once more in reality, and changes nothing
		}
		u.take(name, raw)
	}
}

// take takes one document and answers it once.
func (u *unit) take(name string, raw []byte) {
	var v license.Verdict
	if _, err := license.OpenHubWord(raw); err == nil {
		v = license.ExamineWord(raw, u.ring(), u.panel(), u.w.clock(), u.docs)
	} else {
		kind := envelope.License
		if strings.HasPrefix(name, "slice/") {
			kind = envelope.Slice
		}
		v = license.Examine(envelope.Armor(kind, raw), u.ring(), u.panel(), u.w.clock(), u.docs, "")
	}
	u.keep(v, "license.taken")
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:16])
	if u.answered[name] == digest {
		return
	}
	u.answered[name] = digest
	why := "refused"
	if v.Result == license.Activated {
		why = "taken"
	} else if v.Result == license.AlreadyActive {
		why = "already"
	}
	u.say(telemetry.Event{Kind: "license.answered", Why: why, Detail: v.Message, Document: name, Digest: digest})
}

// deliver brings the panel's journal to the hub; what the hub could not keep stays.
func (u *unit) deliver() {
	for u.online && len(u.journal) > 0 {
		r := fleet.Received{At: u.w.now, Site: u.record.Site, Panel: u.record.ID, Event: u.journal[0]}
		if err := u.w.pools.Learn(r); err != nil {
			return
		}
		u.w.pools.Known(r)
		u.journal = u.journal[1:]
	}
}

// buttons are what the panel uses of licenses.
func (u *unit) buttons() int {
	return license.Derive(u.ring(), u.panel(), u.w.clock(), u.docs).Count(license.Buttons)
}

// settle lets everything be done that can be.
func (w *world) settle() {
	for range 4 {
		w.now = w.now.Add(time.Minute)
		for _, u := range w.panels {
			if u.online {
				u.connect()
				u.deliver()
			}
		}
		if err := w.pools.Round(context.Background()); err != nil {
			panic(err)
		}
		for _, u := range w.panels {
			if u.online {
				u.connect()
				u.deliver()
			}
		}
	}
}

// sell signs a license.
func (w *world) sell(id byte, t license.Token) string {
	t.ID, t.IssuedAt = license.TokenID{id, 9}, w.now.Add(-24*time.Hour)
	raw, err := t.Sign(pub(w.root), signer(w.root))
	if err != nil {
		panic(err)
	}
	return envelope.Armor(envelope.License, raw)
}

// enter enters a license as a pool; whatever comes of it.
func (w *world) enter(text string) fleet.PoolAnswer {
	a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, By: "ines"})
	if err != nil {
		a.Result = err.Error()
	}
	return a
}

// scan enters a license at the panel itself.
func (u *unit) scan(text string) {
	u.keep(license.Examine(text, u.ring(), u.panel(), u.w.clock(), u.docs, ""), "license.activated")
}

// undo releases a license at the panel itself and returns the code with which another one takes it over.
func (u *unit) undo(id license.TokenID) string {
	before := len(u.journal)
	v := license.Undo(u.ring(), u.panel(), u.w.clock(), u.docs, id)
	if u.keep(v, "license.released"); len(u.journal) == before {
		panic(v.Message)
	}
	papers := u.journal[len(u.journal)-1].Papers
	return papers[len(papers)-1]
}

func (w *world) pool(id byte, buttons int) string {
	text := w.sell(id, license.Token{Scope: license.ScopePanel, Grants: []license.Grant{{Feature: license.Buttons, Count: buttons}}})
	a, err := w.pools.Enter(context.Background(), fleet.PoolEntry{Site: site, Text: text, By: "ines"})
	if err != nil || a.Result != string(license.Activated) || a.Use != fleet.UsePool {
		panic(fmt.Sprint(a, err))
	}
	return a.License
}

func (w *world) allot(id string, u *unit, count int) fleet.PoolAllotted {
	out, err := w.pools.Allot(context.Background(), fleet.PoolAsk{License: id, Panel: u.record.ID, Count: count, Confirm: true, By: "ines"})
	if err != nil {
		out.Result = err.Error()
	}
	return out
}

// setBack is a hub that was restored from what was kept at some time.
func (w *world) setBack(to kept) {
	w.kept = to.clone()
	f := fleet.Fence{Since: w.now}
	for _, u := range w.panels {
		if u.record.State() == fleet.PanelEnrolled {
			f.Waiting = append(f.Waiting, u.record.ID)
		}
	}
	w.kept.fence = &f
	w.start()
}
