package license

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
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
	// Unconfirmed is a license that was bound to nobody: the panel's hub did not confirm the claim within 30 days.
	Unconfirmed Status = "unconfirmed"
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
	// UndoUntil is until when Undo can release the license, also when that has passed; zero while a part of it is given away, and
	// for what is not active.
	UndoUntil time.Time `json:"undo_until,omitzero"`
	// Basic is what the panel's hub gives each of its panels. It is a floor and adds to nothing.
	Basic bool `json:"basic,omitempty"`
	// ProvisionalUntil is until when the panel's hub must have confirmed the claim; zero when it need not, or has.
	ProvisionalUntil time.Time `json:"provisional_until,omitzero"`
}

// Entitlements is what a panel may do, derived from signed tokens at one time. It is a value that never changes; compare with Equal.
// The zero value is the free baseline: one button, no licensed feature. What must never depend on a license (exit, fire input,
// answering on the LAN) is not asked here at all.
type Entitlements struct {
	entries []Entry
	rights  []Grant // sums over the entries, sorted
	codes   []Code
	next    time.Time
	lapsed  time.Time
	proven  time.Time
}

const (
	graceDays  = 14
	endingDays = 30
)

// Derive computes the entitlements of panel at clock from every stored document, in any order. Each is verified again. Different
// licenses add; two copies of one count once; what was given to other panels is deducted. An annual license without counted features
// that is activated while an equal one holds (or, for access control, in its grace) begins where that one ends.
func Derive(ring Keyring, panel Panel, clock Clock, docs []Document) Entitlements {
	return read(ring, panel, docs).derive(clock)
}

// item is what becomes one entry or several.
type item struct {
	activation Activation
	at         time.Time // when it came here
	ref        string
	fault      string // why the record cannot be believed
	share      *dealt // nil for a license of this panel's own
	shareKey   string
}

func (r *records) items() []item {
	items := make([]item, 0, len(r.own)+len(r.taken)+len(r.faults))
	for _, f := range r.faults {
		items = append(items, item{at: f.at, ref: f.key, fault: f.detail})
	}
	for _, ref := range slices.Sorted(maps.Keys(r.own)) {
		items = append(items, item{activation: r.own[ref].Activation, at: r.own[ref].At, ref: ref})
	}
	for _, tail := range slices.Sorted(maps.Keys(r.taken)) {
		if share := r.taken[tail]; share.left() > 0 {
			items = append(items, item{activation: share.activation, at: share.At, ref: reference(share.activation.License), share: &share, shareKey: tail})
		}
	}
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(a.at.Compare(b.at), bytes.Compare(a.activation.License, b.activation.License))
	})
	return items
}

type identity struct {
	id   TokenID
	root string
}

type derivation struct {
	*records
	proven  time.Time // has passed, because somebody signed it
	now     time.Time
	ran     time.Duration
	holders map[identity]Activation
	shares  map[string][]dealt // given away, by reference
	seen    map[identity]bool
	ends    map[string]time.Time // of annual licenses, by what they grant
	entries []Entry
	edges   []time.Time
	access  time.Time // when access control last ended, by the panel's clock
	ended   time.Time // and as the license says it
}

func (r *records) derive(clock Clock) Entitlements {
	d := derivation{records: r, proven: r.ring.proven(), now: clock.latest(), ran: clock.Ran, holders: r.holders(), shares: r.shares(), seen: map[identity]bool{}, ends: map[string]time.Time{}}
	for _, i := range r.items() {
		d.add(i)
	}
	return d.finish()
}

func (d *derivation) add(i item) {
	if i.fault != "" {
		d.entries = append(d.entries, Entry{Title: "Not usable", Status: Unusable, Message: sentence(i.fault)})
		return
	}
	p := d.license(i.activation.License)
	entry := d.describe(i, p)
	if p.refused != nil {
		entry.Title, entry.Message = p.refused.result.Title(), sentence(p.refused.detail)
		d.entries = append(d.entries, entry)
		return
	}
	d.proven = later(d.proven, d.ring.proves(p.opened))
	entry.From, entry.Until = p.NotBefore, p.Expires
	behind := d.judge(i, p, &entry)
	shares := d.shares[i.ref]
	if i.share == nil && entry.Status.counts() && outstanding(shares) == 0 {
		entry.UndoUntil = undoUntil(i.activation)
	}
	for _, grant := range p.Grants {
		if i.share == nil || grant.Feature == i.share.Feature {
			d.entries = append(d.entries, d.grant(entry, i, p, grant, shares))
		}
	}
	if ran := entry.Status == Ended || entry.Status == Withdrawn; ran && i.share == nil && p.grantsAccess() && p.Scope != ScopeAccount &&
		entry.Until.After(i.activation.At) && entry.Until.Add(-behind).After(d.access) {
		d.access, d.ended = entry.Until.Add(-behind), entry.Until
	}
}

// describe is what an entry shows whatever its status.
func (d *derivation) describe(i item, p printed) Entry {
	entry := Entry{
		TokenID: p.ID, Scope: p.Scope, Account: i.activation.Account, Label: p.Label, Issuer: p.issuer, Status: Unusable,
		Activated: i.at.UTC().Round(0),
	}
	if p.root != nil {
		entry.Root, entry.UpdatesUntil = envelope.KeyText(p.root), p.UpdatesUntil()
	}
	if p.Scope == ScopeAccount && len(p.Subject) > 0 {
		entry.Account = string(p.Subject)
	}
	if i.share != nil {
		entry.GivenBy = envelope.NameOf(i.activation.Panel)
	}
	return entry
}

// judge decides about a whole license or share: its status and window. behind is how much the panel's clock is behind what has passed
// for it.
func (d *derivation) judge(i item, p printed, entry *Entry) (behind time.Duration) {
	if entry.Status, entry.Message = d.bar(i, p); entry.Status != "" {
		if entry.Status == Withdrawn {
			entry.Until = p.heldUntil(i.activation.At.In(d.panel.zone()))
		}
		return 0
	}
	passed := d.now
	if i.share == nil {
		d.seen[p.self] = true
		passed = d.passed(p.Term, i.activation)
	}
	entry.From, entry.Until = d.window(p.opened, i.activation.At.UTC().Round(0))
	entry.Status, entry.Message = d.status(*entry, passed)
	if i.share == nil && (entry.Status.counts() || entry.Status == Waiting) {
		d.provisional(i, p, entry)
	}
	return passed.Sub(d.now)
}

// bar tells why a license or share does not count, whatever its dates; empty when nothing bars it.
func (d *derivation) bar(i item, p printed) (Status, string) {
	detail := p.notFor(d.panel)
	if i.share != nil {
		detail = p.shareNotFor(*i.share, d.panel)
	}
	holder, held := d.holders[p.self]
	switch release, over := d.over(i.ref); {
	case detail != "":
		return Unusable, sentence(detail)
	case i.share == nil && d.withholds(i.ref) != "":
		return Unusable, sentence(d.withholds(i.ref))
	case i.share != nil && d.unshared[i.shareKey]:
		return Unusable, sentence(unshareable)
	case i.share == nil && over:
		return Released, "Released from this panel on " + release.At.Format(time.DateOnly) + "."
	case held && !bytes.Equal(holder.Panel, i.activation.Panel) && (i.share != nil || !p.partlyEverywhere()):
		return Elsewhere, sentence(d.heldBy(holder))
	case !p.revoked.IsZero():
		return Withdrawn, "Revoked on " + p.revoked.Format(time.DateOnly) + "."
	case i.share == nil && d.seen[p.self]:
		return Unusable, "A second copy of the same license does not count."
	}
	return "", ""
}

// heldBy says on which panel a license is active.
func (r *records) heldBy(holder Activation) string {
	where := "this panel"
	if id := envelope.ThumbprintOf(holder.Panel); id != r.self {
		where = r.name(id)
	}
	return "active on " + where + " since " + holder.At.Format(time.DateOnly)
}

// grant is the entry of one feature of a license or share.
func (d *derivation) grant(entry Entry, i item, p printed, grant Grant, shares []dealt) Entry {
	feature := Describe(grant.Feature)
	entry.Feature, entry.Title, entry.Counted, entry.Sold, entry.Count = grant.Feature, feature.Title, feature.Counted, grant.Count, grant.Count
	holder, held := d.holders[p.self]
	switch {
	case i.share != nil:
		entry.Count = min(grant.Count, i.share.left())
	case feature.Counted && len(d.uncounted[i.ref]) > 0:
		entry.Count = 0
		if entry.Status.counts() {
			entry.Status, entry.Message = Unusable, sentence(uncountable)
		}
	case held && !bytes.Equal(holder.Panel, d.panel.Key) && !p.everywhere(grant) && entry.Status.counts():
		entry.Status, entry.Message = Elsewhere, sentence(d.heldBy(holder))
	}
	for _, share := range shares {
		if i.share != nil || share.Feature != grant.Feature || share.left() == 0 {
			continue
		}
		entry.Count = max(0, entry.Count-share.left())
		entry.Given = append(entry.Given, Share{p.ID, share.Feature, share.To.String(), share.left()})
	}
	return entry
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
// whose clock was wrong then, or is lost now, still knows that it activated.
func (d *derivation) passed(term Term, a Activation) time.Time {
	at := a.At.Add(d.ran - a.Ran)
	if term.IsZero() || !at.After(d.now) {
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
	d.addBasic()
	e := Entitlements{proven: d.proven, entries: d.entries, rights: total(d.entries), codes: d.codes()}
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
			if entry.Count == 0 {
				continue
			}
			if entry.Basic {
				continue // types do not add
			}
			counts[entry.Feature] = min(counts[entry.Feature]+entry.Count, maxTotal)
			implied[Describe(entry.Feature).Implies] = true
		}
	}
	for _, entry := range entries {
		if entry.Basic && entry.Status.counts() {
			counts[entry.Feature] = max(counts[entry.Feature], entry.Count)
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
