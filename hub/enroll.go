package hub

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Registry keeps who is enrolled.
type Registry interface {
	// Enrolling reads the windows, the panels of these ids and their certificates, lets change alter them, and keeps all of it,
	// in one transaction. When change fails nothing is kept and its error is returned. change may be called again.
	Enrolling(ctx context.Context, panels []string, change func(*fleet.Enrolling) error) error
	// Windows are the windows that are kept, in any order.
	Windows() ([]fleet.Window, error)
	// Panel returns the panel of this id.
	Panel(id string) (p fleet.Panel, known bool, err error)
	// Site returns the site of this id.
	Site(id string) (s fleet.Site, known bool, err error)
}

// EnrollOptions say what an Enrollment works with.
type EnrollOptions struct {
	Registry Registry
	// CheckRequest reads a certificate request and returns the fingerprint of its key, 64 hexadecimal digits.
	CheckRequest func(csr []byte) (key string, err error)
	// Certify makes a certificate of the hub's authority for a panel.
	Certify func(csr []byte, panel string) (fleet.Certificate, error)

	CA          []byte                // the authority's own certificate, in PEM
	Fingerprint telemetry.Fingerprint // of the authority
	Key         ed25519.PublicKey     // signs commands and documents
	Sealing     string                // x25519:..., reads marks of the silent alarm; empty: the hub has none
	Name        func() string         // of the hub, for people
	URL         func() string         // where panels are enrolled, https://host:port
	Broker      func() string         // where they connect then, mqtts://host:port

	// Ended is told of a panel whose rights have changed: whoever is connected as it is to be sent away. nil: nobody.
	Ended func(panel, why string)
	// Revised is told when another certificate was revoked. nil: nobody.
	Revised func(ctx context.Context)
	// Audit is told when a panel came in; nil: nobody.
	Audit func(ctx context.Context, c fleet.Change)
	// Now is the hub's clock; nil: the system's.
	Now func() time.Time
}

// Enrollment takes panels in and sends them away. It decides and keeps nothing by itself; it is safe for concurrent use.
type Enrollment struct {
	o    EnrollOptions
	busy chan struct{} // one for each request that is looked at

	mu       sync.Mutex
	refusals []Refusals
}

// Refusals are the requests that were refused for one reason.
type Refusals struct {
	Why   string    `json:"why"`
	Count uint64    `json:"count"`
	Last  string    `json:"last"` // what was said to the last of them
	At    time.Time `json:"at"`
}

const (
	// WindowTime is for how long a pairing code is good.
	WindowTime = 10 * time.Minute
	// maxWrong is how many wrong secrets close a window.
	maxWrong = 5
	// maxWindows is how many may be open at once.
	maxWindows = 16
	// windowKept is how long a window is remembered: for the page, and for a panel whose answer was lost.
	windowKept = 24 * time.Hour
	// renewAfter is the part of a certificate's time, in thirds, after which another one is made.
	renewAfter = 2
	// enrollingAtOnce bounds the requests that are looked at at the same time.
	enrollingAtOnce = 8
)

// NewEnrollment checks the options.
func NewEnrollment(o EnrollOptions) (*Enrollment, error) {
	switch {
	case o.Registry == nil || o.CheckRequest == nil || o.Certify == nil || o.Name == nil || o.URL == nil || o.Broker == nil:
		return nil, errors.New("cannot set up enrollment: an option is missing")
	case len(o.CA) == 0:
		return nil, errors.New("cannot set up enrollment: the authority's certificate is missing")
	}
	if err := envelope.CheckKey(o.Key); err != nil {
		return nil, fmt.Errorf("cannot set up enrollment: %w", err)
	}
	if o.Ended == nil {
		o.Ended = func(string, string) {}
	}
	if o.Revised == nil {
		o.Revised = func(context.Context) {}
	}
	if o.Audit == nil {
		o.Audit = func(context.Context, fleet.Change) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Enrollment{o: o, busy: make(chan struct{}, enrollingAtOnce)}, nil
}

// WindowAsk says for whom a window is opened.
type WindowAsk struct {
	Site     string
	Name     string // of the panel; empty: that of the panel it replaces, else the name it brings
	Identity string // DI1:..., of the only panel that may come; empty: any that knows the secret
	Replaces string // the panel whose place it takes; empty: none
	// Change is for the audit, kept with the window, whose id becomes its Object; its Who opens the window.
	Change fleet.Change
}

// OpenWindow opens a window for WindowTime and returns it with the pairing code, which is kept nowhere.
func (e *Enrollment) OpenWindow(ctx context.Context, ask WindowAsk) (fleet.Window, string, error) {
	fail := func(err error) (fleet.Window, string, error) {
		return fleet.Window{}, "", fmt.Errorf("cannot open a pairing window: %w", err)
	}
	site, known, err := e.o.Registry.Site(ask.Site)
	switch {
	case err != nil:
		return fail(err)
	case !known:
		return fail(refuse("unknown_site", "there is no site %q; add it first", ask.Site))
	case !site.Archived.IsZero():
		return fail(refuse("archived_site", "site %q is archived", ask.Site))
	}
	var comes *fleet.Panel
	if ask.Identity != "" {
		if comes, err = panelOf(ask.Identity); err != nil {
			return fail(err)
		}
	}
	now := e.o.Now().UTC().Truncate(time.Second)
	var secret telemetry.PairingSecret
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	w := fleet.Window{
		ID: newWindowID(), Site: ask.Site, Name: ask.Name, Replaces: ask.Replaces, By: ask.Change.Who, Opened: now, Until: now.Add(WindowTime), Proof: hashOfProof(secret.Proof()),
	}
	code, err := telemetry.Pairing{URL: e.o.URL(), CA: e.o.Fingerprint, Secret: secret, Expires: w.Until, Hub: e.o.Name()}.Text()
	if err != nil {
		return fail(err)
	}
	opened := ask.Change
	opened.Object = w.ID
	ids := []string{}
	if comes != nil {
		w.Panel = comes.ID
		ids = append(ids, comes.ID)
	}
	if ask.Replaces != "" {
		ids = append(ids, ask.Replaces)
	}
	err = e.o.Registry.Enrolling(ctx, ids, func(all *fleet.Enrolling) error {
		all.Changes = append(all.Changes, opened)
		return addWindow(all, w, comes, now)
	})
	if err != nil {
		return fail(err)
	}
	return w, code, nil
}

func newWindowID() string {
	raw := make([]byte, 8)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// hashOfProof is how a proof lies in the store.
func hashOfProof(proof [sha256.Size]byte) string {
	sum := sha256.Sum256(proof[:])
	return hex.EncodeToString(sum[:])
}

// panelOf reads the identity that a panel shows of itself.
func panelOf(text string) (*fleet.Panel, error) {
	kind, raw, err := envelope.Unarmor(text)
	if err == nil && kind != envelope.Identity {
		err = errors.New("it is another code")
	}
	if err != nil {
		return nil, refuse("not_an_identity", "this is not a panel's identity: %v; copy the code that begins with DI1: from the panel's page", err)
	}
	identity, err := license.OpenIdentity(raw)
	if err != nil {
		return nil, refuse("not_an_identity", "%v", err)
	}
	return &fleet.Panel{ID: identity.ID().String(), Key: identity.Panel, Name: identity.Name}, nil
}

func addWindow(all *fleet.Enrolling, w fleet.Window, comes *fleet.Panel, now time.Time) error {
	all.Windows = slices.DeleteFunc(all.Windows, func(old fleet.Window) bool { return now.After(old.Until.Add(windowKept)) })
	open := 0
	for _, other := range all.Windows {
		if other.Open(now) {
			open++
		}
	}
	if open >= maxWindows {
		return refuse("too_many_windows", "%d windows are open already; close one", open)
	}
	if w.Replaces != "" {
		old, known := all.Panels[w.Replaces]
		switch {
		case !known:
			return refuse("unknown_panel", "there is no panel %s that could be replaced", w.Replaces)
		case old.Site != w.Site:
			return refuse("other_site", "panel %s belongs to site %q, not %q", old.ID, old.Site, w.Site)
		case old.State() == fleet.PanelReplaced:
			return refuse("replaced", "panel %s was replaced by %s already", old.ID, old.ReplacedBy)
		case old.ID == w.Panel:
			return refuse("same_panel", "panel %s cannot take its own place; pair it again without replacing anything", old.ID)
		}
	}
	if w.Replaces != "" {
		w.Name = cmp.Or(w.Name, all.Panels[w.Replaces].Name) // people know the place by it
	}
	if comes != nil {
		if _, known := all.Panels[comes.ID]; !known {
			p := *comes
			p.Site, p.Added, p.AddedBy = w.Site, now, w.By
			p.Name = cmp.Or(w.Name, p.Name)
			all.Panels[p.ID] = p
		}
	}
	all.Windows = append(all.Windows, w)
	return nil
}

// Windows are the windows that are open and those of the last day, newest first.
func (e *Enrollment) Windows(context.Context) ([]fleet.Window, error) {
	list, err := e.o.Registry.Windows()
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b fleet.Window) int { return cmp.Or(b.Opened.Compare(a.Opened), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// CloseWindow ends a window before its time. One that is over already stays as it is.
func (e *Enrollment) CloseWindow(ctx context.Context, id string, change fleet.Change) error {
	return e.o.Registry.Enrolling(ctx, nil, func(all *fleet.Enrolling) error {
		for i, w := range all.Windows {
			if w.ID == id {
				if w.Open(e.o.Now()) {
					all.Windows[i].Closed = "closed by " + change.Who
					all.Changes = append(all.Changes, change)
				}
				return nil
			}
		}
		return refuse("unknown_window", "there is no pairing window %q", id)
	})
}

// Revoke ends a panel's rights, at once and durably. Revoking twice is once. The change is written into the
// audit with it; its Who ends the rights.
func (e *Enrollment) Revoke(ctx context.Context, panel string, change fleet.Change) error {
	err := e.o.Registry.Enrolling(ctx, []string{panel}, func(all *fleet.Enrolling) error {
		p, known := all.Panels[panel]
		if !known {
			return refuse("unknown_panel", "there is no panel %q", panel)
		}
		now := e.o.Now().UTC()
		if p.Revoked.IsZero() {
			p.Revoked = now
			all.Panels[panel] = p
		}
		revoke(all, panel, "", "revoked by "+change.Who, now)
		all.Changes = append(all.Changes, change)
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot revoke panel %s: %w", panel, err)
	}
	e.o.Ended(panel, "it was revoked")
	e.o.Revised(ctx)
	return nil
}

// revoke ends the certificates of a panel but those for the key that is spared, and reports whether there were any.
func revoke(all *fleet.Enrolling, panel, spared, why string, now time.Time) bool {
	any := false
	for i, c := range all.Certificates {
		if c.Panel == panel && c.Revoked.IsZero() && (spared == "" || c.Key != spared) {
			all.Certificates[i].Revoked, all.Certificates[i].Why = now, why
			any = true
		}
	}
	return any
}

// Honor tells at which site a panel may speak that shows a certificate for this key (64 hexadecimal digits), or why not. A key that
// is empty is not looked at: whoever speaks has been proved to be the panel in another way.
func (e *Enrollment) Honor(panel, key string) (site string, err error) {
	p, known, err := e.o.Registry.Panel(panel)
	if err == nil {
		err = honored(p, known, panel, key)
	}
	if err != nil {
		return "", err
	}
	return p.Site, nil
}

func honored(p fleet.Panel, known bool, id, key string) error {
	if !known {
		return refuse("unknown_panel", "there is no panel %q here", id)
	}
	switch p.State() {
	case fleet.PanelRevoked:
		return refuse("revoked", "panel %s was revoked", id)
	case fleet.PanelReplaced:
		return refuse("replaced", "panel %s was replaced by %s", id, p.ReplacedBy)
	case fleet.PanelAdded:
		return refuse("not_enrolled", "panel %s is not enrolled", id)
	}
	if key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(p.TLSKey)) != 1 {
		return refuse("old_key", "the certificate of panel %s is for a key that it had before it was enrolled again", id)
	}
	return nil
}

// Refusals counts the requests that were refused, by reason, in the order in which reasons came up. There are few reasons.
func (e *Enrollment) Refusals() []Refusals {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.refusals)
}

func (e *Enrollment) count(r *Refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.refusals, func(known Refusals) bool { return known.Why == r.Why })
	if i < 0 {
		e.refusals, i = append(e.refusals, Refusals{Why: r.Why}), len(e.refusals)
	}
	e.refusals[i].Count++
	e.refusals[i].Last, e.refusals[i].At = r.Detail, e.o.Now()
}

// Refusal is a request that was understood and is not granted.
type Refusal struct {
	Why    string // a word that never changes
	Detail string // a sentence for people
}

func (r *Refusal) Error() string { return r.Detail }

func refuse(why, format string, args ...any) *Refusal {
	return &Refusal{Why: why, Detail: fmt.Sprintf(format, args...)}
}
