package hub

import (
	"crypto/ed25519"
	"encoding/json"
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
)

// LicenseShelf keeps monitoring licenses.
type LicenseShelf interface {
	// Licenses are those of one site, or of all when site is empty, withdrawn ones too.
	Licenses(site string) ([]fleet.License, error)
	// PutLicense keeps it durably in the place of the one with the same ID. One of another site, or of another site's panels, it refuses
	// with fleet.ErrTaken.
	PutLicense(l fleet.License, change fleet.Change) error
}

// Papers keeps who may issue licenses, and what was revoked: signed documents in settings.
type Papers interface {
	Settings(prefix string) ([]fleet.Setting, error)
	PutSetting(name string, value []byte, edit fleet.Edit) (fleet.Edition, error)
}

// papersPrefix begins the names of those settings; the place of the document follows (license.Document).
const papersPrefix = "license/"

// LicenseOptions of Licenses.
type LicenseOptions struct {
	Roots  []ed25519.PublicKey // who is believed in the end
	Shelf  LicenseShelf
	Papers Papers
	// Key and Sign are the hub's own: with them it states when a license came to a site, as a panel does.
	Key   ed25519.PublicKey
	Sign  func(message []byte) ([]byte, error)
	Clock func() license.Clock
	Site  func(id string) (fleet.Site, bool)
	// Supply tells what the group that a site hangs below has of monitoring; nil: a site has its own licenses alone.
	Supply func(group string, at time.Time) (ledger.Supply, error)
	Logger *slog.Logger // nil: silent
}

// Licenses says which sites may be warned (I-28): one license for one site. What holds is computed from signed licenses, never
// from anything that was noted about them. It is safe for concurrent use.
type Licenses struct {
	o LicenseOptions

	mu     sync.Mutex
	ring   license.Keyring
	papers []license.Document
	sites  map[string]*standing
}

// standing is what a site's licenses give, until next.
type standing struct {
	docs  []license.Document
	holds license.Entitlements
	next  time.Time
}

// LicenseAnswer is what came of a presented code.
type LicenseAnswer struct {
	Result  license.Result
	Title   string
	Message string // for people: what is in force now, or what is wrong and what to do
	License string // its id; empty for a code that is no license
	Issuer  string
}

// NewLicenses reads what is kept. The faults say what of it cannot be used.
func NewLicenses(o LicenseOptions) (*Licenses, []error, error) {
	if o.Shelf == nil || o.Papers == nil || o.Clock == nil || o.Site == nil || len(o.Key) != ed25519.PublicKeySize || o.Sign == nil {
		return nil, nil, errors.New("cannot set up monitoring licenses: the shelf, the papers, the clock, the sites or the key is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Licenses{o: o, sites: map[string]*standing{}}
	faults, err := l.read()
	return l, faults, err
}

// read takes up the papers.
func (l *Licenses) read() ([]error, error) {
	settings, err := l.o.Papers.Settings(papersPrefix)
	if err != nil {
		return nil, fmt.Errorf("cannot read who may issue licenses: %w", err)
	}
	var faults []error
	l.papers = nil
	for _, s := range settings {
		var raw []byte
		if err := json.Unmarshal(s.Value, &raw); err != nil {
			faults = append(faults, fmt.Errorf("cannot read %s: %w", s.Name, err))
			continue
		}
		if doc, ok := license.DocumentAt(strings.TrimPrefix(s.Name, papersPrefix), raw); ok {
			l.papers = append(l.papers, doc)
		}
	}
	ring, more := license.KeyringOf(l.o.Roots, l.papers)
	l.ring = ring
	l.sites = map[string]*standing{}
	return append(faults, more...), nil
}

// Ring is who may issue licenses, and what was revoked.
func (l *Licenses) Ring() license.Keyring {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring
}

// place is the site as licenses know it: a license that is made out to a site names its id.
func (l *Licenses) place(site fleet.Site) license.Panel {
	return license.Panel{Key: l.o.Key, Site: site.ID, Zone: zoneOf(site.Zone)}
}

// Enter examines a code DP1: for a site and keeps what it brings before it says yes. A delegation or a revocation list is taken
// for all sites. A refusal is an answer; an error says that the code was good and could not be kept.
func (l *Licenses) Enter(site, text string, change fleet.Change) (LicenseAnswer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.o.Site(site)
	if !known {
		return LicenseAnswer{}, fmt.Errorf("cannot enter a license for site %.64q: %w", site, fleet.ErrUnknown)
	}
	clock := l.o.Clock()
	verdict := license.Examine(text, l.ring, l.place(s), clock, l.docsOf(site), "")
	answer := answerOf(verdict)
	switch verdict.Kind {
	case envelope.Delegation, envelope.Revocation:
		return answer, l.keepPapers(verdict, change.Who)
	case envelope.License:
	default:
		if verdict.Kind != "" {
			answer = refused(answer, license.NotPossible, "this code is for a panel; enter it there")
		}
		return answer, nil
	}
	switch why, err := l.bound(verdict, site); {
	case err != nil:
		return answer, fmt.Errorf("cannot read which licenses are used: %w; nothing was changed, try again", err)
	case why != "":
		return refused(answer, license.UsedElsewhere, why), nil
	}
	if verdict.Result.Refused() {
		return answer, nil
	}
	if why := unfit(verdict.Token); why != "" {
		return refused(answer, license.NotPossible, why), nil
	}
	if verdict.Result == license.AlreadyActive {
		return answer, nil
	}
	record := fleet.License{ID: answer.License, Site: site, Token: []byte(strings.TrimSpace(text)), Added: clock.Now.UTC().Truncate(time.Second), By: change.Who}
	change.At, change.What, change.Object, change.Site, change.Detail = clock.Now, "license.entered", answer.License, site, answer.Message
	err := l.o.Shelf.PutLicense(record, change)
	if errors.Is(err, fleet.ErrTaken) { // panels of another site have it, or another hub was quicker
		return refused(answer, license.UsedElsewhere, usedElsewhere), nil
	}
	if err != nil {
		return answer, fmt.Errorf("cannot keep the license: %w; nothing was changed, try again", err)
	}
	delete(l.sites, site)
	return answer, nil
}

// siteWords say of a site what package license says of a panel.
var siteWords = strings.NewReplacer("this panel belongs to", "this is", "this panel", "this site")

func answerOf(v license.Verdict) LicenseAnswer {
	a := LicenseAnswer{Result: v.Result, Title: v.Title, Message: siteWords.Replace(v.Message), Issuer: v.Issuer}
	if v.Token != nil {
		a.License = v.Token.ID.String()
	}
	return a
}

func refused(a LicenseAnswer, result license.Result, why string) LicenseAnswer {
	a.Result, a.Title = result, result.Title()
	a.Message = strings.TrimSpace(strings.ToUpper(why[:1]) + why[1:] + ". " + result.Remedy())
	return a
}

// usedElsewhere names no other site: it may be another company's.
const usedElsewhere = "this license is already used at another site"

// bound tells that a genuine license belongs to another site. It stays bound when it is withdrawn.
func (l *Licenses) bound(v license.Verdict, site string) (why string, err error) {
	if v.Token == nil {
		return "", nil
	}
	all, err := l.o.Shelf.Licenses("")
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.ID == v.Token.ID.String() && k.Site != site {
			return usedElsewhere, nil
		}
	}
	return "", nil
}

// unfit says why a good license is none for a site's monitoring.
func unfit(t *license.Token) string {
	switch {
	case t.Scope != license.ScopeSite:
		return fmt.Sprintf("this license is for a %s, not for a site; enter it there", t.Scope)
	case !slices.ContainsFunc(t.Grants, func(g license.Grant) bool { return g.Feature == license.Monitoring && g.Count > 0 }):
		return "this license gives no monitoring"
	}
	return ""
}

// keepPapers keeps a delegation or a list that was accepted, and computes everything anew.
func (l *Licenses) keepPapers(v license.Verdict, by string) error {
	if v.Result.Refused() {
		return nil
	}
	for _, doc := range v.Keep {
		value, err := json.Marshal(doc.Raw)
		if err != nil {
			return err
		}
		edit := fleet.Edit{From: fleet.AnyEdition, Change: fleet.Change{At: l.o.Clock().Now, Who: by, Via: "hub", What: "license.paper", Object: doc.Key, Detail: v.Message}}
		if _, err := l.o.Papers.PutSetting(papersPrefix+doc.Key, value, edit); err != nil {
			return fmt.Errorf("cannot keep who may issue licenses: %w; try again", err)
		}
	}
	_, err := l.read()
	return err
}

// docsOf are the papers and the site's licenses, each with the hub's statement of when it came.
func (l *Licenses) docsOf(site string) []license.Document {
	if s := l.sites[site]; s != nil {
		return s.docs
	}
	docs := slices.Clone(l.papers)
	kept, err := l.o.Shelf.Licenses(site)
	if err != nil {
		l.o.Logger.Error("cannot read the licenses of a site", "site", site, "cause", err)
		return docs // and nothing is remembered: the next look tries again
	}
	for _, k := range kept {
		if !k.Withdrawn.IsZero() {
			continue
		}
		doc, err := l.statement(k)
		if err != nil {
			l.o.Logger.Error("cannot use a license that is kept", "site", site, "license", k.ID, "cause", err)
			continue
		}
		docs = append(docs, doc)
	}
	l.sites[site] = &standing{docs: docs}
	return docs
}

func (l *Licenses) statement(k fleet.License) (license.Document, error) {
	_, raw, err := envelope.Unarmor(string(k.Token))
	if err != nil {
		return license.Document{}, err
	}
	return license.Activation{Panel: l.o.Key, License: raw, At: k.Added}.Sign(l.o.Sign)
}

// Entries are what a site's licenses give, by the clock.
func (l *Licenses) Entries(site string) []license.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rights(site).List()
}

func (l *Licenses) rights(site string) license.Entitlements {
	clock := l.o.Clock()
	docs := l.docsOf(site)
	s := l.sites[site]
	if s != nil && !s.next.IsZero() && clock.Now.Before(s.next) {
		return s.holds
	}
	record, known := l.o.Site(site)
	if !known {
		return license.Entitlements{}
	}
	holds := license.Derive(l.ring, l.place(record), clock, docs)
	if s != nil {
		s.holds, s.next = holds, clock.Now.Add(time.Hour)
		if change := holds.NextChange(); !change.IsZero() && change.Before(s.next) {
			s.next = change
		}
	}
	return holds
}

// Supply is what the groups above a site give it of monitoring (T-2, I-28).
func (l *Licenses) Supply(site string, now time.Time) (ledger.Supply, error) {
	record, known := l.o.Site(site)
	if !known || record.Group == "" || l.o.Supply == nil {
		return ledger.Supply{}, nil
	}
	s, err := l.o.Supply(record.Group, now)
	if err != nil {
		err = fmt.Errorf("cannot read what group %s has of monitoring: %w", record.Group, err)
	}
	return s, err
}

// Window is from when until when a site may be warned: the license in force at now, its own or what the groups above it give, or else
// the next to come. Licenses that follow each other without a gap count as one. A zero from says that there is none, a zero until that it does not end.
func (l *Licenses) Window(site string, now time.Time) (from, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var windows []window
	for _, e := range l.rights(site).List() {
		counts := e.Status == license.Active || e.Status == license.Ending || e.Status == license.Pending
		if e.Feature != license.Monitoring || !counts || e.Count == 0 {
			continue
		}
		w := window{e.From, e.Until}
		if w.from.Before(e.Activated) {
			w.from = e.Activated
		}
		windows = append(windows, w)
	}
	switch s, err := l.Supply(site, now); {
	case err != nil:
		l.o.Logger.Error("a site has its own monitoring licenses alone", "site", site, "cause", err)
	case !s.From.IsZero():
		windows = append(windows, window{s.From, s.Until})
	}
	w := joined(windows, now)
	return w.from, w.until
}

type window struct{ from, until time.Time }

// joined is the first run of windows that is not over at now.
func joined(windows []window, now time.Time) window {
	slices.SortFunc(windows, func(a, b window) int { return a.from.Compare(b.from) })
	var run window
	for _, w := range windows {
		switch {
		case !w.until.IsZero() && !now.Before(w.until):
		case run.from.IsZero():
			run = w
		case run.until.IsZero() || w.from.After(run.until):
		case w.until.IsZero() || w.until.After(run.until):
			run.until = w.until
		}
	}
	return run
}
