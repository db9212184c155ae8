package pools

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Store keeps what the pools must not lose. Every method that writes is durable when it returns.
type Store interface {
	KeepDeeds(fleet.DeedChange) error
	Holdings() ([]fleet.Holding, error)
	Deeds() ([]fleet.Deed, error)
	Allotments() ([]fleet.Allotment, error)
	Claims() ([]fleet.Claim, error)
	Fence() (fleet.Fence, bool, error)
	// AnswerDocument notes what a panel said to a document with this content and returns what it had said before.
	AnswerDocument(panel, kind, id, digest string, answer fleet.DocumentAnswer) (before *fleet.DocumentAnswer, found bool, err error)
	Documents(panel string) ([]fleet.Document, error)
}

// Directory says which sites and panels there are.
type Directory interface {
	Sites() ([]fleet.Site, error)
	Panels() ([]fleet.Panel, error)
}

// Way reaches panels. Its methods may wait: they are never called with anything held.
type Way interface {
	PutDocument(ctx context.Context, d fleet.Document) error
	WithdrawDocument(ctx context.Context, panel, kind, id, by string) error
	// Order returns what came of it, at the latest when its deadline has passed.
	Order(ctx context.Context, panel, verb, object, by string) (fleet.Order, error)
	// Heard is when a panel said last that it is there, and in which of its starts; false: it has not since the hub started.
	Heard(panel string) (at time.Time, boot string, ok bool)
	// Warn keeps a fault and tells the people of its site.
	Warn(f fleet.Fault)
}

// Options of Pools. All but Tree, AtCompany and Logger are needed.
type Options struct {
	Store     Store
	Directory Directory
	Way       Way
	Ring      func() license.Keyring // who may issue, and what was revoked
	Key       ed25519.PublicKey      // the hub's own
	Sign      func(message []byte) ([]byte, error)
	Clock     func() license.Clock
	Tree      Tree // the license ledger in Store; nil: no group bounds a panel
	// AtCompany tells that a license of an account is used at a company already; nil: none is.
	AtCompany func(id string) (bool, error)
	Logger    *slog.Logger // nil: silent
}

// Pools is safe for concurrent use.
type Pools struct {
	o    Options
	log  *slog.Logger
	wake chan struct{}
	busy sync.Mutex // one round at a time

	mu      sync.Mutex
	pools   map[string]*pool // by license id
	fence   *fleet.Fence
	claims  map[string]map[string]fleet.Claim // by license id and panel
	told    map[string]string                 // the start in which a panel was asked to tell
	tried   map[string]trial                  // by panel: orders that led to nothing
	asked   map[string]*budget                // short codes that were asked for in vain, by panel
	looks   map[string]*budget                // short codes that were typed at the hub in vain, by site
	numbers uint64                            // the last number of a word

	warnings []fleet.Fault // to be told
}

// trial is when a panel may be asked again.
type trial struct {
	last, next time.Time
	pause      time.Duration
}

// pool is a license that the hub knows.
type pool struct {
	holding    fleet.Holding
	docs       []license.Document
	allotments map[share]fleet.Allotment
	verified   verified
}

// verified is what the documents of a pool gave when they were verified last. It holds until something of it changes.
type verified struct {
	entries []license.Entry
	ring    license.Keyring
	zone    string
	at      time.Time
	until   time.Time // when a right begins or ends, and an hour later at the latest
}

// verifiedFor bounds for how long nothing is verified again.
const verifiedFor = time.Hour

func (v verified) holds(ring license.Keyring, zone string, now time.Time) bool {
	return !now.Before(v.at) && now.Before(v.until) && v.zone == zone && v.ring.Equal(ring)
}

// share names a part of a license.
type share struct{ feature, panel string }

// New takes up what is kept. The faults say what of it cannot be used.
func New(o Options) (*Pools, []error, error) {
	if o.Store == nil || o.Directory == nil || o.Way == nil || o.Ring == nil || o.Clock == nil || len(o.Key) != ed25519.PublicKeySize || o.Sign == nil {
		return nil, nil, errors.New("cannot set up pools: the store, the directory, the way to panels, the ring, the clock or the key is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pools{
		o: o, log: o.Logger, wake: make(chan struct{}, 1), pools: map[string]*pool{}, claims: map[string]map[string]fleet.Claim{}, told: map[string]string{},
		tried: map[string]trial{}, asked: map[string]*budget{}, looks: map[string]*budget{},
	}
	faults, err := p.read()
	if err != nil {
		return nil, faults, fmt.Errorf("cannot read what panels have from this hub: %w", err)
	}
	return p, faults, nil
}

func (p *Pools) read() (faults []error, err error) {
	holdings, err := p.o.Store.Holdings()
	if err != nil {
		return nil, err
	}
	for _, h := range holdings {
		p.pools[h.ID] = &pool{holding: h, allotments: map[share]fleet.Allotment{}}
	}
	deeds, err := p.o.Store.Deeds()
	if err != nil {
		return nil, err
	}
	for _, d := range deeds {
		doc, known := license.DocumentAt(d.Key, d.Raw)
		if one := p.pools[d.License]; one != nil && known {
			one.docs = append(one.docs, doc)
			continue
		}
		faults = append(faults, fmt.Errorf("cannot use deed %s of license %s: nothing else is known of it", d.Key, d.License))
	}
	allotments, err := p.o.Store.Allotments()
	if err != nil {
		return faults, err
	}
	for _, a := range allotments {
		if one := p.pools[a.License]; one != nil {
			one.allotments[share{a.Feature, a.Panel}] = a
		}
	}
	claims, err := p.o.Store.Claims()
	if err != nil {
		return faults, err
	}
	for _, c := range claims {
		p.noteClaim(c)
	}
	fence, raised, err := p.o.Store.Fence()
	if err == nil && raised {
		p.fence = &fence
	}
	return faults, err
}

func (p *Pools) noteClaim(c fleet.Claim) {
	if p.claims[c.License] == nil {
		p.claims[c.License] = map[string]fleet.Claim{}
	}
	p.claims[c.License][c.Panel] = c
}

// place is a site as licenses know it.
func (p *Pools) place(site fleet.Site) license.Panel {
	zone, err := time.LoadLocation(site.Zone)
	if err != nil {
		zone = time.UTC
	}
	return license.Panel{Key: p.o.Key, Site: site.ID, Zone: zone}
}

// scene is who there is, as the records say at this moment.
type scene struct {
	sites  map[string]fleet.Site
	panels map[string]fleet.Panel
	order  []fleet.Panel
	from   string // the site whose people read what is written; empty: the log
}

// seenFrom is the scene as the people of one site may see it: panels of others have no names.
func (s scene) seenFrom(site string) scene {
	s.from = site
	return s
}

// at is the site where a panel is now, else the one where it was.
func (s scene) at(panel, was string) string {
	if now := s.panels[panel].Site; now != "" {
		return now
	}
	return was
}

func (p *Pools) scene() (scene, error) {
	s := scene{sites: map[string]fleet.Site{}, panels: map[string]fleet.Panel{}}
	sites, err := p.o.Directory.Sites()
	if err != nil {
		return s, err
	}
	panels, err := p.o.Directory.Panels()
	if err != nil {
		return s, err
	}
	for _, one := range sites {
		s.sites[one.ID] = one
	}
	for _, one := range panels {
		s.panels[one.ID] = one
	}
	s.order = panels
	return s, nil
}

// named is how people call a panel; its id where they may not read its name.
func (s scene) named(id string) string {
	if one, known := s.panels[id]; known && one.Name != "" && s.shows(one) {
		return one.Name
	}
	return id
}

func (s scene) shows(one fleet.Panel) bool { return s.from == "" || s.from == one.Site }

// words puts panels' names in the place of their ids.
func (s scene) words(text string) string {
	var pairs []string
	for _, one := range s.order {
		if one.Name != "" && s.shows(one) {
			pairs = append(pairs, "panel "+one.ID, "panel "+one.Name)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// keep signs what a verdict asks for and makes it durable, together with more and with what the license ledger counts by it; then it
// counts here. A *ledger.Refusal says that a group above has no room. Hold p.mu.
func (p *Pools) keep(id string, v license.Verdict, more fleet.DeedChange, by string, counts ...ledger.Allot) ([]license.Document, error) {
	docs := slices.Clone(v.Keep)
	if v.Sign != nil {
		doc, err := v.Sign.Sign(p.o.Sign)
		if err != nil {
			return nil, fmt.Errorf("cannot sign with the hub's key: %w; nothing was changed", err)
		}
		docs = append(docs, doc)
	}
	for _, d := range docs {
		more.Deeds = append(more.Deeds, fleet.Deed{License: id, Key: d.Key, Raw: d.Raw})
	}
	switch err := p.store(more, by, counts); {
	case refused(err):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("cannot keep what was signed: %w; nothing was changed, try again", unkept(err))
	}
	one := p.pools[id]
	if one == nil && more.Holding != nil {
		one = &pool{allotments: map[share]fleet.Allotment{}}
		p.pools[id] = one
	}
	if one != nil {
		if more.Holding != nil {
			one.holding = *more.Holding
		}
		one.docs, one.verified = license.Replaced(one.docs, docs), verified{}
		for _, a := range more.Allotments {
			one.allotments[share{a.Feature, a.Panel}] = a
		}
	}
	return docs, nil
}

// entries are what a pool's documents give here. They are verified when something has changed: a pool may have hundreds, and is asked for
// every share of it. The pool owns the slice. Hold p.mu.
func (p *Pools) entries(one *pool, s scene) []license.Entry {
	site, ring, clock := s.sites[one.holding.Site], p.o.Ring(), p.o.Clock()
	if one.verified.holds(ring, site.Zone, clock.Now) {
		return one.verified.entries
	}
	given := license.Derive(ring, p.place(site), clock, one.docs)
	one.verified = verified{given.List(), ring, site.Zone, clock.Now, clock.Now.Add(verifiedFor)}
	if next := given.NextChange(); !next.IsZero() && next.Before(one.verified.until) {
		one.verified.until = next
	}
	return one.verified.entries
}

// derived is entries for documents that are not kept yet. Hold p.mu.
func (p *Pools) derived(docs []license.Document, site fleet.Site) []license.Entry {
	return license.Derive(p.o.Ring(), p.place(site), p.o.Clock(), docs).List()
}

// left is how much of a feature a panel has, as far as it has not given back.
func left(entries []license.Entry, feature, panel string) int {
	for _, e := range entries {
		for _, given := range e.Given {
			if given.Panel == panel && given.Feature == feature {
				return given.Count
			}
		}
	}
	return 0
}

// nextNumber is higher than every one before it, also than those of a hub that was set back, and than that of the word whose place the
// new one takes: the clock may have been wrong for it. Hold p.mu.
func (p *Pools) nextNumber(old uint64) uint64 {
	p.numbers = max(p.numbers+1, old+1, uint64(max(p.o.Clock().Now.UnixMilli(), 1)))
	return p.numbers
}

// publish brings the newest slice of a share to its panel.
func (p *Pools) publish(ctx context.Context, docs []license.Document, by string) error {
	var faults []error
	for _, d := range docs {
		if d.Kind != envelope.Slice {
			continue
		}
		slice, err := license.OpenSlice(d.Raw)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		a, err := license.OpenActivation(slice.Activation)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		faults = append(faults, p.o.Way.PutDocument(ctx, fleet.Document{
			Panel: slice.To.String(), Kind: string(telemetry.DocumentSlice), ID: sliceID(a.License, slice.Feature), Bytes: d.Raw, By: by,
		}))
	}
	return errors.Join(faults...)
}

// sliceID names the document of a share: one for each license and feature.
func sliceID(token []byte, feature string) string {
	digest := license.DigestOf(token)
	return hex.EncodeToString(digest[:]) + "." + feature
}

// Kick has the pools look at once at what is to be done, such as after a panel came back.
func (p *Pools) Kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
