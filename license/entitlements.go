package license

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Status is how a granted feature stands at the time of the Clock it was derived with.
type Status string

// The statuses.
const (
	Active    Status = "active"
	Ending    Status = "ending"         // active, for less than 30 days more
	Waiting   Status = "waiting"        // active, to be associated with an account
	Pending   Status = "pending"        // begins later
	Grace     Status = "grace"          // ended; enrolled credentials go on for 14 days
	Ended     Status = "ended"          // its time is over
	Withdrawn Status = "revoked"        // on a revocation list
	Elsewhere Status = "used-elsewhere" // active on another panel, which was first
	Released  Status = "released"       // given up by this panel
	Missing   Status = "missing"        // of a Line: no license
	Unusable  Status = "unusable"       // not opened, not for this panel, or a second copy
)

// Entry is one feature of one stored license, for pages. A license that cannot be opened is one entry without a feature.
type Entry struct {
	Feature      string    `json:"feature,omitempty"`
	Title        string    `json:"title"`
	Counted      bool      `json:"counted"`
	Count        int       `json:"count"`
	Status       Status    `json:"status"`
	Activated    time.Time `json:"activated,omitzero"`
	From         time.Time `json:"from,omitzero"`
	Until        time.Time `json:"until,omitzero"` // first instant without it; zero = never ends
	UpdatesUntil time.Time `json:"updates_until,omitzero"`
	TokenID      TokenID   `json:"license"`
	Scope        Scope     `json:"scope,omitempty"`
	Account      string    `json:"account,omitempty"`
	Label        string    `json:"label,omitempty"`
	Issuer       string    `json:"issuer,omitempty"`
	Root         string    `json:"root,omitempty"` // envelope.KeyText of the root behind it
	Message      string    `json:"message,omitempty"`
	// Sold is what the license says; Count is what of it is usable here. Given is what this panel gave to others, GivenBy the id of
	// the panel that gave it to this one.
	Sold    int     `json:"sold,omitempty"`
	Given   []Share `json:"given,omitempty"`
	GivenBy string  `json:"given_by,omitempty"`
}

// Entitlements is what a panel may do, derived from signed tokens at one time. It is a value that never changes; compare with Equal.
// The zero value is the free baseline: one button, no licensed feature. What must never depend on a license (exit, fire input,
// answering on the LAN) is not asked here at all.
type Entitlements struct {
	entries []Entry
	rights  []Grant // sums over the entries, sorted
	next    time.Time
	lapsed  time.Time
}

const (
	graceDays  = 14
	endingDays = 30
)

// Derive computes the entitlements of panel at clock from every stored document, in any order. Each is verified again. Different licenses add; two copies of one count once.
// An annual license without counted features that is activated while an equal one holds (or, for access control, in its grace)
// begins where that one ends.
func Derive(ring Keyring, panel Panel, clock Clock, docs []Document) Entitlements {
	return derive(ring, panel, clock, activations(panel, docs))
}

// claimed is an activation of this panel.
type claimed struct {
	Activation
	fault string // why it cannot be believed
}

func activations(panel Panel, docs []Document) []claimed {
	var all []claimed
	for _, doc := range docs {
		if !strings.HasPrefix(doc.Key, placeActivation) {
			continue
		}
		a, err := OpenActivation(doc.Raw)
		c := claimed{Activation: a}
		switch {
		case err != nil || doc.Key != place(placeActivation, reference(a.License)):
			c.fault = "the stored record is damaged; enter the license again"
		case !bytes.Equal(a.Panel, panel.Key):
			c.fault = fmt.Sprintf("was activated on panel %s: this store was copied; enter the license again", envelope.NameOf(a.Panel))
		}
		all = append(all, c)
	}
	return all
}

func derive(ring Keyring, panel Panel, clock Clock, held []claimed) Entitlements {
	now := clock.latest()
	d := derivation{now: now, ran: clock.Ran, trusted: clock.Trusted, panel: panel, seen: map[identity]bool{}, ends: map[string]time.Time{}}
	for _, h := range slices.SortedFunc(slices.Values(held), earlier) {
		d.add(ring, h)
	}
	return d.finish()
}

func earlier(a, b claimed) int {
	if order := a.At.Compare(b.At); order != 0 {
		return order
	}
	if order := bytes.Compare(a.License, b.License); order != 0 {
		return order
	}
	return strings.Compare(a.Account, b.Account)
}

type identity struct {
	id   TokenID
	root string
}

type derivation struct {
	now     time.Time
	ran     time.Duration
	trusted bool
	panel   Panel
	seen    map[identity]bool
	ends    map[string]time.Time // of annual licenses, by what they grant
	entries []Entry
	edges   []time.Time
	access  time.Time // when access control last ended, by the panel's clock
	ended   time.Time // and as the license says it
}

func (d *derivation) add(ring Keyring, held claimed) {
	token, refused := ring.open(held.License)
	entry := Entry{
		TokenID: token.ID, Scope: token.Scope, Account: held.Account, Label: token.Label, Issuer: token.issuer, Status: Unusable,
		Activated: held.At.UTC().Round(0),
	}
	if token.root != nil {
		entry.Root, entry.UpdatesUntil = envelope.KeyText(token.root), token.UpdatesUntil()
	}
	if token.Scope == ScopeAccount && len(token.Subject) > 0 {
		entry.Account = string(token.Subject)
	}
	self := identity{token.ID, entry.Root}
	behind := time.Duration(0) // how much the panel's clock is behind what has passed for this license
	detail := token.notFor(d.panel)
	switch {
	case held.fault != "":
		entry.Title, entry.Message = "Not usable", sentence(held.fault)
		d.entries = append(d.entries, entry)
		return
	case refused != nil:
		entry.Title, entry.Message = refused.result.Title(), sentence(refused.detail)
		d.entries = append(d.entries, entry)
		return
	case detail != "":
		entry.Message = sentence(detail)
	case !token.revoked.IsZero():
		entry.From, entry.Until = token.NotBefore, token.heldUntil(held.At.In(d.panel.zone()))
		entry.Status, entry.Message = Withdrawn, "Revoked on "+token.revoked.Format(time.DateOnly)+"."
	case d.seen[self]:
		entry.Message = "A second copy of the same license does not count."
	default:
		d.seen[self] = true
		entry.From, entry.Until = d.window(token, held.At.UTC().Round(0))
		passed := d.passed(token, held)
		behind = passed.Sub(d.now)
		entry.Status, entry.Message = d.status(entry, passed)
	}
	for _, grant := range token.Grants {
		feature := Describe(grant.Feature)
		entry.Feature, entry.Title, entry.Counted, entry.Count, entry.Sold = grant.Feature, feature.Title, feature.Counted, grant.Count, grant.Count
		d.entries = append(d.entries, entry)
	}
	if ran := entry.Status == Ended || entry.Status == Withdrawn; ran && token.grantsAccess() && token.Scope != ScopeAccount &&
		entry.Until.After(held.At) && entry.Until.Add(-behind).After(d.access) {
		d.access, d.ended = entry.Until.Add(-behind), entry.Until
	}
}

// heldUntil is when a revoked license stopped: at its revocation, or before by itself.
func (o opened) heldUntil(activated time.Time) time.Time {
	until := o.revoked
	if !o.Expires.IsZero() && o.Expires.Before(until) {
		until = o.Expires
	}
	if end := o.Term.after(activated).UTC(); !o.Term.IsZero() && end.Before(until) {
		until = end
	}
	return until
}

func (t Token) grantsAccess() bool {
	return slices.ContainsFunc(t.Grants, func(g Grant) bool { return g.Feature == AccessBasic || Describe(g.Feature).Implies == AccessBasic })
}

// window is [from, until) of the license; zero = open on that side.
func (d *derivation) window(token opened, activated time.Time) (from, until time.Time) {
	from, until = token.NotBefore, token.Expires
	if token.Term.IsZero() {
		d.edge(from, until)
		return from, until
	}
	if activated.After(from) {
		from = activated
	}
	key, renewable := renewal(token.Token)
	if renewable {
		end, grace := d.ends[key], 0
		if token.grantsAccess() {
			grace = graceDays
		}
		if !end.IsZero() && from.Before(end.AddDate(0, 0, grace)) && (until.IsZero() || end.Before(until)) {
			from = end
		}
	}
	if end := token.Term.after(from.In(d.panel.zone())).UTC(); until.IsZero() || end.Before(until) {
		until = end
	}
	if renewable && until.After(d.ends[key]) {
		d.ends[key] = until
	}
	d.edge(from, until)
	return from, until
}

func (d *derivation) edge(from, until time.Time) {
	d.edges = append(d.edges, from, until)
	if !until.IsZero() {
		d.edges = append(d.edges, until.AddDate(0, 0, -endingDays))
	}
}

// renewal names what a license for a term renews. One with counted features adds to others instead, as does one for accounts.
func renewal(token Token) (key string, ok bool) {
	names := []string{string(token.Scope)}
	for _, grant := range token.Grants {
		if grant.Count != 1 || Describe(grant.Feature).Counted {
			return "", false
		}
		names = append(names, grant.Feature)
	}
	return strings.Join(names, " "), token.Scope != ScopeAccount
}

// passed is the time that has passed for a license with a term: at least its activation, and what the panel has run since. Whoever
// sets the clock ahead, activates, and then keeps the clock from running has it for no more running time than its term; and a panel
// that lost the time still knows that it activated. Only a clock that is trusted and says more than a day less shows that it was
// wrong then: the license begins when that time comes.
func (d *derivation) passed(token opened, held claimed) time.Time {
	at := held.At.Add(d.ran - held.Ran)
	switch {
	case token.Term.IsZero() || !at.After(d.now):
		return d.now
	case d.trusted && d.now.Before(held.At.Add(-batterySlack)):
		return d.now
	}
	return at
}

func (d *derivation) status(entry Entry, now time.Time) (Status, string) {
	switch {
	case !entry.Until.IsZero() && !now.Before(entry.Until):
		return Ended, "Ended on " + entry.Until.Format(time.DateOnly) + "."
	case now.Before(entry.From):
		return Pending, "Begins on " + entry.From.Format(time.DateOnly) + "."
	case entry.Scope == ScopeAccount && entry.Account == "":
		return Waiting, "Waiting to be given to an account."
	case !entry.Until.IsZero() && !now.Before(entry.Until.AddDate(0, 0, -endingDays)):
		return Ending, "Ends on " + entry.Until.Format(time.DateOnly) + "."
	}
	return Active, ""
}

func (d *derivation) finish() Entitlements {
	e := Entitlements{entries: d.entries, rights: total(d.entries)}
	if !d.access.IsZero() && !e.Allows(AccessBasic) {
		e.lapsed = d.access.AddDate(0, 0, graceDays)
		d.edges = append(d.edges, e.lapsed)
		for i, entry := range e.entries {
			access := entry.Feature == AccessBasic || Describe(entry.Feature).Implies == AccessBasic
			if access && entry.Status == Ended && entry.Until.Equal(d.ended) && e.AccessGrace(d.now) {
				e.entries[i].Status = Grace
				e.entries[i].Message += " Enrolled cards and codes go on until " + e.lapsed.Format(time.DateOnly) + "."
			}
		}
		if !e.AccessGrace(d.now) {
			// Who asks later may have a clock that is behind what has passed for sure: the grace must not begin anew for it.
			e.lapsed = time.Time{}
		}
	}
	for _, edge := range d.edges {
		if edge.After(d.now) && (e.next.IsZero() || edge.Before(e.next)) {
			e.next = edge
		}
	}
	return e
}

func (s Status) counts() bool { return s == Active || s == Ending }

// total sums what the active licenses that are not for accounts grant, and adds what is implied; sorted by feature.
func total(entries []Entry) []Grant {
	counts := map[string]int{}
	implied := map[string]bool{}
	for _, entry := range entries {
		if entry.Scope != ScopeAccount && entry.Status.counts() {
			counts[entry.Feature] = min(counts[entry.Feature]+entry.Count, maxTotal)
			implied[Describe(entry.Feature).Implies] = true
		}
	}
	for feature := range implied {
		if feature != "" {
			counts[feature] = max(counts[feature], 1)
		}
	}
	return sorted(counts)
}

// maxTotal keeps a sum of many licenses well inside 32 bits.
const maxTotal = 1_000_000_000

// Count is how much of a feature all active licenses grant together; an on/off feature that is on, or implied by another one,
// counts 1 or more. Licenses for accounts do not count for the panel.
func (e Entitlements) Count(feature string) int {
	for _, right := range e.rights {
		if right.Feature == feature {
			return right.Count
		}
	}
	return 0
}

// Allows tells whether the panel may use a feature, by itself or because another one that is on implies it.
func (e Entitlements) Allows(feature string) bool { return e.Count(feature) > 0 }

// AllowsAccount tells whether an account has a feature through a license that was given to it.
func (e Entitlements) AllowsAccount(account, feature string) bool {
	for _, entry := range e.entries {
		if entry.Scope == ScopeAccount && entry.Account == account && account != "" && entry.Status.counts() &&
			(entry.Feature == feature || Describe(entry.Feature).Implies == feature) {
			return true
		}
	}
	return false
}

// Buttons is the number of usable call buttons: one that is free, and those that licenses add (I-10, I-11).
func (e Entitlements) Buttons() int { return 1 + e.Count(Buttons) }

// AccessLapsedUntil is when the grace after lapsed access control is over. Zero when access control is on, was never
// on, or its grace is over already.
func (e Entitlements) AccessLapsedUntil() time.Time { return e.lapsed }

// AccessGrace tells that access control has lapsed but enrolled credentials still open at now. New ones must not be enrolled.
func (e Entitlements) AccessGrace(now time.Time) bool { return now.Before(e.lapsed) }

// NextChange is when Derive must run again because a right begins, ends, or is about to; zero = never by itself.
func (e Entitlements) NextChange() time.Time { return e.next }

// List is every feature of every stored license in the order of activation. The caller owns the slice.
func (e Entitlements) List() []Entry { return slices.Clone(e.entries) }

// Roots names the roots behind all active rights (envelope.KeyText), sorted, each once.
func (e Entitlements) Roots() []string {
	var roots []string
	for _, entry := range e.entries {
		if entry.Status.counts() || entry.Status == Waiting {
			roots = append(roots, entry.Root)
		}
	}
	slices.Sort(roots)
	return slices.Compact(roots)
}

// Equal tells whether two values grant and show the same.
func (e Entitlements) Equal(other Entitlements) bool {
	return e.next.Equal(other.next) && e.lapsed.Equal(other.lapsed) && slices.EqualFunc(e.entries, other.entries, func(a, b Entry) bool { return reflect.DeepEqual(a, b) })
}

// MarshalJSON is the shape that the API and the command line show.
func (e Entitlements) MarshalJSON() ([]byte, error) {
	features := map[string]int{}
	for _, right := range e.rights {
		features[right.Feature] = right.Count
	}
	return json.Marshal(struct {
		Buttons           int            `json:"buttons"`
		FreeButtons       int            `json:"free_buttons"`
		Features          map[string]int `json:"features"`
		NextChange        time.Time      `json:"next_change,omitzero"`
		AccessLapsedUntil time.Time      `json:"access_lapsed_until,omitzero"`
		Roots             []string       `json:"roots"`
		Licenses          []Entry        `json:"licenses"`
	}{e.Buttons(), 1, features, e.next, e.lapsed, append([]string{}, e.Roots()...), append([]Entry{}, e.entries...)})
}
