package license

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Membership is the hub that a panel belongs to. What a hub says counts on its own panels alone.
type Membership struct {
	Key   ed25519.PublicKey // what the hub signs with; nil: there is no hub
	Site  string            // how the hub calls the panel's site
	Since time.Time         // when the panel was taken in, by its own clock
}

// Names of the features that every panel has from its hub (T-3).
const (
	SIPNumbers   = "sip_numbers"
	Applications = "apps"
)

// BasicCount is how much of each of them a hub may give, and BasicDays for how long at once: a panel keeps what its hub took away no
// longer.
const (
	BasicCount = 2
	BasicDays  = 90
)

// provisionalDays is for how long a claim to a license that was bound to nobody holds without the hub's confirmation.
const provisionalDays = 30

// HubWord is what a hub says to one of its panels, under the hub's key. It says exactly one of three things: Grants (Basic, from From
// until Until), License (a license for the panel, for Account when it is one of an account), or Claim (which claim to a license
// stays: the panel's own is confirmed by it, another panel's goes before it).
type HubWord struct {
	Hub    ed25519.PublicKey
	To     envelope.Thumbprint
	Number uint64 // higher than that of every word of this kind before it
	At     time.Time

	Grants      []Grant
	From, Until time.Time

	License []byte // an envelope
	Account string

	Claim []byte // an activation's envelope
}

type wordOwn struct {
	Number  uint64         `cbor:"1,keyasint,omitempty"`
	Grants  map[string]int `cbor:"2,keyasint,omitempty"`
	License []byte         `cbor:"3,keyasint,omitempty"`
	Account string         `cbor:"4,keyasint,omitempty"`
	Claim   []byte         `cbor:"5,keyasint,omitempty"`
}

func (w HubWord) check() error {
	said := 0
	for _, one := range []bool{len(w.Grants) > 0, len(w.License) > 0, len(w.Claim) > 0} {
		if one {
			said++
		}
	}
	switch {
	case w.Number == 0 || w.Number > 1<<62:
		return errors.New("the number is missing")
	case said != 1:
		return fmt.Errorf("it says %d things, not one", said)
	case len(w.Grants) == 0 && (!w.From.IsZero() || !w.Until.IsZero()):
		return errors.New("it has dates and gives nothing")
	case w.Account != "" && len(w.License) == 0:
		return errors.New("it names an account and hands over no license")
	case CheckAccount(w.Account) != nil:
		return CheckAccount(w.Account)
	case len(w.Grants) > 0 && (w.From.IsZero() || !w.From.Before(w.Until) || w.Until.After(w.From.AddDate(0, 0, BasicDays))):
		return fmt.Errorf("it holds from %s until %s, not for 1 to %d days", stamp(w.From), stamp(w.Until), BasicDays)
	}
	for i, g := range w.Grants {
		switch {
		case g.Feature != SIPNumbers && g.Feature != Applications, i > 0 && w.Grants[i-1].Feature >= g.Feature:
			return fmt.Errorf("a hub does not give %q by its own word", g.Feature)
		case g.Count < 1 || g.Count > BasicCount:
			return fmt.Errorf("%d %s are not between 1 and %d", g.Count, g.Feature, BasicCount)
		}
	}
	return errors.Join(checkTime(w.From), checkTime(w.Until), checkMoment(w.At))
}

// Sign signs the word. The document has no place: the panel keeps what follows from it.
func (w HubWord) Sign(sign func(message []byte) ([]byte, error)) (Document, error) {
	return signStatement(statement{
		envelope.Word, w.Hub, "", w.check(),
		tokenClaims{Subject: w.To[:], Expires: seconds(w.Until), NotBefore: seconds(w.From), IssuedAt: seconds(w.At)},
		wordOwn{Number: w.Number, Grants: amounts(w.Grants), License: w.License, Account: w.Account, Claim: w.Claim},
	}, sign)
}

// OpenHubWord verifies a hub's word with the key in it. Whether that is the key of the panel's own hub is the reader's to ask. Errors
// wrap envelope.ErrMalformed or envelope.ErrForged.
func OpenHubWord(raw []byte) (HubWord, error) {
	var own wordOwn
	claims, err := openStatement(envelope.Word, raw, &own)
	if err != nil {
		return HubWord{}, err
	}
	w := HubWord{
		Hub: claims.Issuer, To: envelope.Thumbprint(claims.Subject), Number: own.Number, At: instant(claims.IssuedAt), Grants: sorted(own.Grants),
		From: instant(claims.NotBefore), Until: instant(claims.Expires), License: own.License, Account: own.Account, Claim: own.Claim,
	}
	if len(w.Grants) == 0 {
		w.Grants = nil
	}
	if err := w.check(); err != nil {
		return HubWord{}, unreadable(envelope.Word, err)
	}
	return w, nil
}

// belongsTo tells whether a site is the panel's: as its own configuration calls it, or its hub.
func (p Panel) belongsTo(site string) bool {
	return site == p.Site || site != "" && p.Hub.Key != nil && site == p.Hub.Site
}

// hears tells why a word of a hub is not for this panel; empty when it is.
func (p Panel) hears(w HubWord) string {
	switch {
	case p.Hub.Key == nil:
		return "this panel belongs to no hub"
	case !bytes.Equal(p.Hub.Key, w.Hub):
		return "this is the word of a hub that this panel does not belong to"
	case w.To != p.ID():
		return "this is for panel " + w.To.String()
	}
	return ""
}

// addWord takes up what the panel's hub said before. What another hub said, or another panel was told, counts nothing and harms
// nothing: it stays from a hub that the panel has left.
func (r *records) addWord(doc Document, prefix, tail string) (bool, string) {
	w, err := OpenHubWord(doc.Raw)
	hub, _, _ := strings.Cut(tail, "/")
	if err != nil || hub != envelope.NameOf(w.Hub) {
		return false, damaged
	}
	if r.panel.hears(w) != "" {
		return true, ""
	}
	if prefix == placeBasic {
		if len(w.Grants) > 0 && w.Number > r.basic.Number {
			r.basic = w
		}
		return true, ""
	}
	a, err := OpenActivation(w.Claim)
	if err != nil || tail != hub+"/"+reference(a.License) {
		return false, damaged
	}
	if bytes.Equal(a.Panel, r.panel.Key) {
		r.known[reference(a.License)] = true
	}
	return true, ""
}

// addBasic counts in what the panel's hub gives it.
func (d *derivation) addBasic() {
	w := d.basic
	if len(w.Grants) == 0 {
		return
	}
	d.edge(w.From, w.Until)
	for _, grant := range w.Grants {
		feature := Describe(grant.Feature)
		entry := Entry{
			Feature: grant.Feature, Title: feature.Title, Counted: feature.Counted, Count: grant.Count, Sold: grant.Count, Basic: true,
			Activated: w.At, From: w.From, Until: w.Until, Label: "Basic, from the hub",
		}
		switch {
		case !d.now.Before(w.Until):
			entry.Status, entry.Message = Ended, "The hub did not renew it by "+w.Until.Format(time.DateOnly)+"."
		case d.now.Before(w.From):
			entry.Status, entry.Message = Pending, "Begins on "+w.From.Format(time.DateOnly)+"."
		default:
			entry.Status, entry.Message = Active, "Basic, from the hub."
		}
		d.entries = append(d.entries, entry)
	}
}

// provisional holds a claim that the panel's hub has not confirmed to its 30 days. What was active before the panel came to its hub
// is final.
func (d *derivation) provisional(i item, p printed, entry *Entry) {
	hub, a := d.panel.Hub, i.activation
	if hub.Key == nil || len(p.Subject) > 0 || a.At.Before(hub.Since.Truncate(time.Second)) || d.known[i.ref] {
		return
	}
	until := a.At.AddDate(0, 0, provisionalDays).UTC()
	entry.ProvisionalUntil = until
	d.edge(until, time.Time{})
	if !d.now.Before(until) {
		entry.Status = Unconfirmed
		entry.Message = "The hub has not confirmed it since " + until.Format(time.DateOnly) + ". It counts again when the hub does: connect the panel to its hub."
		return
	}
	entry.Message = strings.TrimSpace(entry.Message + " Provisional until " + until.Format(time.DateOnly) + ": the hub has not confirmed it yet.")
}

// ExamineWord decides about what came from the panel's hub. What it takes away it may take away: the hub answers for it.
func ExamineWord(raw []byte, ring Keyring, panel Panel, clock Clock, docs []Document) Verdict {
	v := Verdict{Kind: envelope.Word}
	w, err := OpenHubWord(raw)
	if err != nil {
		return v.unopened(raw, err)
	}
	if detail := panel.hears(w); detail != "" {
		return v.because(OtherPanel, detail)
	}
	r := read(ring, panel, docs)
	switch {
	case len(w.Grants) > 0:
		return r.examineBasic(v, w, raw, clock)
	case len(w.License) > 0:
		v.Kind = envelope.License
		return r.examineLicense(v, w.License, clock, w.Account)
	}
	return r.examineClaim(v, w, raw, clock)
}

func (r *records) examineBasic(v Verdict, w HubWord, raw []byte, clock Clock) Verdict {
	switch {
	case w.Number <= r.basic.Number:
		return v.already("The hub's Basic license, or a newer one, is here already.")
	case !clock.certain().Before(w.Until):
		return v.because(Expired, "this word of the hub ended on "+w.Until.Format(time.DateOnly))
	}
	r.basic = w
	after := r.derive(clock)
	v.Result, v.Title, v.After = Activated, Activated.Title(), &after
	v.Keep = []Document{{envelope.Word, place(placeBasic, envelope.NameOf(w.Hub)), bytes.Clone(raw)}}
	var parts []string
	for _, g := range w.Grants {
		parts = append(parts, Describe(g.Feature).amount(g.Count))
	}
	v.Message = fmt.Sprintf("Basic, from the hub: %s until %s", strings.Join(parts, ", "), w.Until.Format(time.DateOnly))
	return v
}

// examineClaim hears which claim to a license stays.
func (r *records) examineClaim(v Verdict, w HubWord, raw []byte, clock Clock) Verdict {
	a, err := OpenActivation(w.Claim)
	if err != nil {
		return v.unopened(w.Claim, err)
	}
	ref := reference(a.License)
	if !bytes.Equal(a.Panel, r.panel.Key) {
		return r.settle(v, a, w.Claim, NotPossible, "the hub says who holds this license; nothing of it is here", clock)
	}
	if r.known[ref] {
		if _, here := r.own[ref]; here {
			return v.already("The hub has confirmed this license already.")
		}
	}
	kept := r.examineActivation(v, w.Claim, clock)
	if kept.Result.Refused() {
		return kept
	}
	r.known[ref] = true
	after := r.derive(clock)
	v.Token, v.Issuer, v.Root = kept.Token, kept.Issuer, kept.Root
	v.Result, v.Title, v.After = Activated, "License confirmed", &after
	v.Keep = append(slices.Clone(kept.Keep), Document{envelope.Word, place(placeConfirmed, envelope.NameOf(w.Hub), ref), bytes.Clone(raw)})
	v.Message = "the hub confirmed this license"
	if len(kept.Keep) > 0 {
		v.Message = "the hub brought this license back, which this panel had activated on " + a.At.Format(time.DateOnly)
	}
	return v
}

// BasicPlace is where a panel keeps what its hub gives it, for a store that is to forget it when the hub takes it away.
func BasicPlace(hub ed25519.PublicKey) string { return place(placeBasic, envelope.NameOf(hub)) }

// HeldFrom are the documents that tell a hub what a panel has from it: the shares that the hub gave, what was given back of them,
// and the licenses that the panel activated itself, or released.
func HeldFrom(hub ed25519.PublicKey, docs []Document) []Document {
	tail := "/" + envelope.NameOf(hub)
	var held []Document
	for _, doc := range docs {
		prefix, _ := splitKey(doc.Key)
		switch {
		case prefix == placeActivation, prefix == placeRelease,
			(prefix == placeTaken || prefix == placeBack) && strings.HasSuffix(doc.Key, tail):
			held = append(held, doc)
		}
	}
	slices.SortFunc(held, func(a, b Document) int { return strings.Compare(a.Key, b.Key) })
	return held
}
