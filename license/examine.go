package license

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Result is the outcome of presenting a code, spelled as the API spells it.
type Result string

// The results. NotPossible refuses an order to this panel for a reason that its message names.
const (
	Activated      Result = "activated"
	AlreadyActive  Result = "already_active"
	Malformed      Result = "malformed"
	Forged         Result = "forged"
	UnknownIssuer  Result = "unknown-issuer"
	Revoked        Result = "revoked"
	NotYetValid    Result = "not-yet-valid"
	Expired        Result = "expired"
	OtherPanel     Result = "other-panel"
	UsedElsewhere  Result = "used-elsewhere"
	PoolExhausted  Result = "pool-exhausted"
	ClockUntrusted Result = "clock-untrusted"
	NotPossible    Result = "not-possible"
)

// Refused tells that nothing was accepted and nothing may be stored.
func (r Result) Refused() bool { return r != Activated && r != AlreadyActive }

// Title is the result in a few words for a small display.
func (r Result) Title() string {
	title, _ := r.words()
	return title
}

// Remedy is one sentence that says what to do now; empty when nothing needs doing.
func (r Result) Remedy() string {
	_, remedy := r.words()
	return remedy
}

func (r Result) words() (title, remedy string) {
	switch r {
	case Activated:
		return "License activated", ""
	case AlreadyActive:
		return "Already active", ""
	case Malformed:
		return "Not a readable license", "Scan the printed license code again, whole and flat, or ask the seller for a new print."
	case Forged:
		return "License not genuine", "Nothing was changed. Ask the seller for a genuine license."
	case UnknownIssuer:
		return "Issuer not known", "Enter the issuer's delegation first, or ask the seller for a license from an issuer this panel trusts."
	case Revoked:
		return "License revoked", "Ask the seller why, or for a replacement."
	case NotYetValid:
		return "License not yet valid", "Enter it again when it has begun."
	case Expired:
		return "License expired", "Buy a renewal and enter its code."
	case OtherPanel:
		return "License for another panel", "Enter it there, or ask the seller to move it."
	case UsedElsewhere:
		return "License already used", "A release by the panel that has it now brings it here; otherwise ask the seller."
	case PoolExhausted:
		return "Pool used up", "Lower the share of another panel first, or buy more."
	case ClockUntrusted:
		return "Clock not trusted", "Set the panel's clock or connect it to the network, then enter the license again."
	}
	return "Not possible", ""
}

// Clock is what the panel knows about the time. Mark is the high-water mark: a time that has certainly passed. Rights that expire
// use the later of Now and Mark; perpetual rights use neither.
type Clock struct {
	Now, Mark time.Time
	Trusted   bool          // Now may be believed
	Ran       time.Duration // running time of the panel in all
}

func (c Clock) latest() time.Time {
	if c.Mark.After(c.Now) {
		return c.Mark
	}
	return c.Now
}

// sure is a clock that shows what is certain and nothing else.
func (c Clock) sure() Clock { return Clock{Now: c.certain(), Ran: c.Ran} }

// certain is a time that has passed for sure.
func (c Clock) certain() time.Time {
	if c.Trusted {
		return c.latest()
	}
	return c.Mark
}

// Panel is the panel that asks.
type Panel struct {
	Key  ed25519.PublicKey // what it signs with; its id follows from it
	Site string            // its site's name; empty when it belongs to none
	Zone *time.Location    // where its calendar years and days are counted; nil = UTC
	Hub  Membership        // zero: it belongs to none

	named envelope.Thumbprint
}

// PanelNamed is a panel of which only the id is known: it can be asked about, nothing can be stored for it.
func PanelNamed(id envelope.Thumbprint) Panel { return Panel{named: id} }

// ID is the panel's id: what licenses are bound to.
func (p Panel) ID() envelope.Thumbprint {
	if p.Key == nil {
		return p.named
	}
	return envelope.ThumbprintOf(p.Key)
}

func (p Panel) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// Verdict is the answer to a presented code, or to an order. When Sign or Keep is set, whatever the Result, the caller signs Sign with
// the panel's key, stores the signed document and all of Keep in one transaction, durably, and only then says anything.
type Verdict struct {
	Result  Result
	Kind    envelope.Kind // what was presented; empty when the text was none of our codes
	Sign    Statement     // what this panel must say; nil = nothing
	Keep    []Document    // documents to keep as they are
	Token   *Token        // set whenever the signature held, also in refusals
	Peer    *Identity     // the panel whose identity was shown
	After   *Entitlements // what holds once everything is kept; nil when nothing changes
	Issuer  string        // the issuer's name, when it is known
	Root    string        // envelope.KeyText of the root behind it, when it is known
	Title   string        // for a small display
	Message string        // for people: what changed, or what is wrong and what to do
}

func (v Verdict) because(result Result, detail string) Verdict {
	v.Result, v.Title, v.Sign, v.Keep, v.After = result, result.Title(), nil, nil, nil
	v.Message = strings.TrimSpace(sentence(detail) + " " + result.Remedy())
	return v
}

func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// Examine decides about a code that was scanned, typed or uploaded at a panel. docs is everything the store keeps, in any order;
// account is for whom, when somebody was chosen.
//
// The checks go from what is certain to what depends on time, so that the words name the real cause: readable, genuine, known
// issuer, not revoked, for this panel, not here already, not expired, clock, begun.
func Examine(text string, ring Keyring, panel Panel, clock Clock, docs []Document, account string) Verdict {
	kind, raw, err := envelope.Unarmor(text)
	v := Verdict{Kind: kind}
	switch {
	case err != nil && kind == "":
		return v.notOurs(text)
	case err != nil:
		return v.because(Malformed, "the code is damaged or cut off")
	case kind == envelope.Delegation:
		return examineDelegation(v, raw, ring)
	case kind == envelope.Revocation:
		return examineRevocation(v, raw, ring)
	case kind == envelope.Pass:
		return v.because(Malformed, "this is a guest pass, not a license")
	case kind == envelope.Command:
		return v.because(Malformed, "this is a command, not a license")
	}
	r := read(ring, panel, docs)
	switch kind {
	case envelope.Slice:
		return r.examineSlice(v, raw, clock)
	case envelope.Return:
		return r.examineReturn(v, raw, clock)
	case envelope.Release:
		return r.examineRelease(v, raw, clock, account)
	case envelope.Activation:
		return r.examineActivation(v, raw, clock)
	case envelope.Identity:
		return r.examineIdentity(v, raw)
	}
	return r.examineLicense(v, raw, clock, account)
}

// notOurs answers a text without one of our prefixes. Somebody who typed the short code beside the QR is told what it is and what
// to do, not that a license is damaged.
func (v Verdict) notOurs(text string) Verdict {
	_, err := ParseShortCode(text)
	v = v.because(Malformed, "this is not one of our codes")
	switch {
	case err == nil:
		v.Title = "Scan the QR code itself"
		v.Message = "This is the short code beside the QR. Without a hub it cannot be looked up: scan the QR code itself."
	case errors.Is(err, ErrMistyped):
		v.Title = "One digit is wrong"
		v.Message = "In this short code one digit is wrong, or two are swapped. Compare it with the paper, or scan the QR code itself."
	case err != ErrNotShortCode:
		v.Title = "A digit is missing or too many"
		v.Message = "A short code has 20 digits, this one has another number of them. Compare it with the paper, or scan the QR code itself."
	}
	return v
}

func (r *records) examineLicense(v Verdict, raw []byte, clock Clock, account string) Verdict {
	p, ref := r.license(raw), reference(raw)
	v = v.about(p)
	switch release, over := r.over(ref); {
	case p.refused != nil:
		return v.because(p.refused.result, p.refused.detail)
	case !p.revoked.IsZero():
		return v.because(Revoked, "this license was revoked on "+p.revoked.Format(time.DateOnly))
	case p.notFor(r.panel) != "":
		return v.because(OtherPanel, p.notFor(r.panel))
	case over:
		return v.because(UsedElsewhere, "it was released from this panel on "+release.At.Format(time.DateOnly))
	case r.withholds(ref) != "":
		return v.because(NotPossible, r.withholds(ref))
	}
	holder, held := r.holders()[p.self]
	if held && !bytes.Equal(holder.Panel, r.panel.Key) && !p.partlyEverywhere() {
		return v.because(UsedElsewhere, "this license is "+r.heldBy(holder))
	}
	if own, here := r.byID(p.ID); here && r.license(own.License).self == p.self && r.license(own.License).revoked.IsZero() {
		return r.examineAgain(v, own, clock, account)
	}
	a := Activation{Panel: r.panel.Key, License: bytes.Clone(raw), At: p.claimedAt(clock), Ran: p.ranBy(clock)}
	if held && !a.At.After(holder.At) {
		a.At = holder.At.Add(time.Second) // whoever comes to it later is not first because of a clock
	}
	if refused := p.untimely(a, clock, r.panel); refused != nil {
		return v.because(refused.result, refused.detail)
	}
	return r.activate(v, p.assigned(a, account), clock)
}

// examineAgain answers a license that is here.
func (r *records) examineAgain(v Verdict, own holding, clock Clock, account string) Verdict {
	entry, _ := r.entryOf(own.Activation, clock.sure())
	switch {
	case entry.Status == Ended || entry.Status == Grace:
		return v.because(Expired, "this license ended on "+entry.Until.Format(time.DateOnly))
	case entry.Status == Waiting && account != "":
		return r.assign(v, own, clock, account)
	}
	return v.already("This license is already active on this panel.")
}

// untimely tells why a license that was activated so must not begin to count now.
func (p printed) untimely(a Activation, clock Clock, panel Panel) *refusal {
	until := p.Expires
	if end := p.Term.after(latest(a.At, p.NotBefore).In(panel.zone())).UTC(); !p.Term.IsZero() && (until.IsZero() || end.Before(until)) {
		until = end
	}
	begun := !clock.certain().Before(p.NotBefore)
	switch {
	case !p.revoked.IsZero():
		return &refusal{Revoked, "this license was revoked on " + p.revoked.Format(time.DateOnly)}
	case !until.IsZero() && !clock.certain().Before(until):
		return &refusal{Expired, "this license ended on " + until.Format(time.DateOnly)}
	case !clock.Trusted && (!begun || !until.IsZero()):
		return &refusal{ClockUntrusted, "this license depends on the date, and the panel does not know it for sure"}
	case !begun:
		return &refusal{NotYetValid, "this license begins on " + p.NotBefore.Format(time.DateOnly)}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// about adds what is known of the license that was presented.
func (v Verdict) about(p printed) Verdict {
	if p.root != nil {
		token := p.Token
		v.Token, v.Issuer, v.Root = &token, p.issuer, envelope.KeyText(p.root)
	}
	return v
}

// unopened is the answer to an envelope that states its own signer and does not open.
func (v Verdict) unopened(raw []byte, err error) Verdict {
	refused := refuse(err, signedBy(v.Kind, raw))
	return v.because(refused.result, refused.detail)
}

func (v Verdict) already(message string) Verdict {
	v.Result, v.Title, v.Message = AlreadyActive, AlreadyActive.Title(), message
	return v
}

// done is a good answer: what to sign, if anything, and what holds then.
func (v Verdict) done(sign Statement, after Entitlements, message string) Verdict {
	v.Result, v.Title, v.Sign, v.After, v.Message = Activated, Activated.Title(), sign, &after, message
	switch v.Kind {
	case envelope.Slice:
		v.Title = "Share given"
	case envelope.Return:
		v.Title = "Share given back"
	}
	return v
}

// gained says what the license brought, the way an installer would: "10 buttons added, access control on until 2027-11-21".
func gained(token opened, after Entitlements) string {
	var parts []string
	var until time.Time
	waiting := false
	for _, entry := range after.List() {
		if entry.TokenID == token.ID && entry.Root == envelope.KeyText(token.root) {
			parts = append(parts, Describe(entry.Feature).gained(entry.Count))
			until, waiting = entry.Until, entry.Status == Waiting
		}
	}
	message := strings.Join(parts, ", ")
	if !until.IsZero() {
		message += " until " + until.Format(time.DateOnly)
	}
	if waiting {
		message += ", waiting to be given to an account"
	}
	return message
}

// notFor tells why a panel cannot use the token; empty when it can.
func (t Token) notFor(panel Panel) string {
	switch {
	case t.Scope == ScopeGroup:
		return "this license is for a group of users and is entered at the hub"
	case len(t.Subject) == 0 || t.Scope == ScopeAccount:
		return ""
	case t.Scope == ScopePanel && envelope.Thumbprint(t.Subject) != panel.ID():
		return fmt.Sprintf("this license is for panel %s, this is panel %s", t.For(), panel.ID())
	case t.Scope == ScopeSite && !panel.belongsTo(t.For()):
		return fmt.Sprintf("this license is for site %q, this panel belongs to %q", t.For(), panel.Site)
	}
	return ""
}

func examineDelegation(v Verdict, raw []byte, ring Keyring) Verdict {
	delegation, root, err := ring.OpenDelegation(raw)
	if err != nil {
		refused := refuse(err, signedBy(envelope.Delegation, raw))
		return v.because(refused.result, refused.detail)
	}
	v.Issuer, v.Root = delegation.Name, envelope.KeyText(root)
	held, known := ring.issuers[envelope.IDOf(delegation.Issuer)]
	if known && !ring.outranks(delegation, root, raw, held) {
		v.Result, v.Title = AlreadyActive, AlreadyActive.Title()
		v.Message = fmt.Sprintf("Issuer %s is already accepted.", delegation.Name)
		return v
	}
	v.Result, v.Title, v.Keep = Activated, "Issuer accepted", []Document{{
		envelope.Delegation, place(placeDelegation, envelope.IDOf(root).String(), envelope.IDOf(delegation.Issuer).String()), bytes.Clone(raw),
	}}
	v.Message = fmt.Sprintf("issuer %s accepted", delegation.Name)
	return v
}

func examineRevocation(v Verdict, raw []byte, ring Keyring) Verdict {
	list, root, err := ring.OpenRevocation(raw)
	if err != nil {
		refused := refuse(err, signedBy(envelope.Revocation, raw))
		return v.because(refused.result, refused.detail)
	}
	v.Root = envelope.KeyText(root)
	if held, known := ring.lists[envelope.IDOf(root)]; known && held.Number >= list.Number {
		v.Result, v.Title = AlreadyActive, AlreadyActive.Title()
		v.Message = fmt.Sprintf("Revocation list %d or a newer one is already here.", list.Number)
		return v
	}
	v.Result, v.Title = Activated, "Revocation list accepted"
	v.Keep = []Document{{envelope.Revocation, place(placeRevocation, envelope.IDOf(root).String()), bytes.Clone(raw)}}
	v.Message = fmt.Sprintf("revocation list %d accepted: %d licenses and %d issuers no longer hold", list.Number, len(list.Tokens), len(list.Issuers))
	return v
}
