// Package license opens and signs license tokens, delegations, revocation lists and what panels state about them, and derives from
// these documents what a panel may do (Entitlements). It is pure: no clock, no files, no network. It signs nothing and stores
// nothing by itself (Verdict says what the caller must sign and keep), does not claim tokens at a hub, and does not act on any
// feature: whoever needs one asks Entitlements.Allows. docs/license-format.md has every rule.
package license

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// TokenID identifies a license for as long as it exists: 16 random bytes drawn by its issuer (CWT claim cti).
type TokenID [16]byte

// String is the id as 32 lower-case hexadecimal digits.
func (t TokenID) String() string { return hex.EncodeToString(t[:]) }

// MarshalText is String, for JSON.
func (t TokenID) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// ParseTokenID reads what String wrote.
func ParseTokenID(text string) (TokenID, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(TokenID{}) {
		return TokenID{}, fmt.Errorf("cannot read license id %q: not 32 hexadecimal digits; copy it from inspect or from the licenses page", text)
	}
	return TokenID(raw), nil
}

// Scope is what a license belongs to.
type Scope string

// The scopes that exist.
const (
	ScopePanel   Scope = "panel"
	ScopeAccount Scope = "account"
	ScopeSite    Scope = "site"
	ScopeGroup   Scope = "group"
)

// Grant is one feature and how much of it. On/off features have the count 1.
type Grant struct {
	Feature string `json:"feature"`
	Count   int    `json:"count"`
}

// Term is a duration that starts at activation. Years are calendar years (29 February ends on 1 March), days are calendar days.
type Term struct {
	Years int `json:"years,omitempty"`
	Days  int `json:"days,omitempty"`
}

// IsZero tells that there is no term.
func (t Term) IsZero() bool { return t == Term{} }

func (t Term) after(start time.Time) time.Time { return start.AddDate(t.Years, 0, t.Days) }

// Token is a license as its issuer states it. Zero times mean "not stated".
type Token struct {
	ID        TokenID        `json:"id"`
	Issuer    envelope.KeyID `json:"-"`
	IssuedAt  time.Time      `json:"issued_at"`
	NotBefore time.Time      `json:"not_before,omitzero"`
	Expires   time.Time      `json:"expires,omitzero"` // first instant at which the license no longer holds
	Term      Term           `json:"term,omitzero"`
	Scope     Scope          `json:"scope"`
	// Subject is a panel's 16-byte thumbprint, or the name of an account, site or group in UTF-8 (at most 32 bytes).
	// Empty means a bearer license, bound where it is first activated.
	Subject []byte `json:"subject,omitempty"`
	// Updates are included until this time; the function itself stays (I-31). Zero stands for ten years after IssuedAt.
	Updates time.Time `json:"updates_until,omitzero"`
	Grants  []Grant   `json:"grants"` // sorted by feature, each feature once
	Label   string    `json:"label,omitempty"`
}

// UpdatesUntil is the first instant at which necessary updates are no longer included.
func (t Token) UpdatesUntil() time.Time {
	if t.Updates.IsZero() {
		return t.IssuedAt.AddDate(10, 0, 0)
	}
	return t.Updates
}

// Perpetual tells that the license holds from its issue for ever, and therefore needs no clock.
func (t Token) Perpetual() bool {
	return t.NotBefore.IsZero() && t.Expires.IsZero() && t.Term.IsZero()
}

// For names in words what the license is bound to; empty for a bearer license.
func (t Token) For() string {
	if t.Scope == ScopePanel && len(t.Subject) == len(envelope.Thumbprint{}) {
		return envelope.Thumbprint(t.Subject).String()
	}
	return string(t.Subject)
}

const (
	maxGrants   = 32
	maxCount    = 1_000_000
	maxLabel    = 64
	maxSubject  = 32
	maxYears    = 100
	maxDays     = 36_500
	maxUnixTime = 253_402_300_800 // the year 10000
	maxRevoked  = 2500
	maxKept     = 3500
)

func (t Token) check() error {
	if t.ID == (TokenID{}) {
		return fmt.Errorf("the id is missing; draw 16 random bytes")
	}
	switch t.Scope {
	case ScopePanel:
		if len(t.Subject) != 0 && len(t.Subject) != len(envelope.Thumbprint{}) {
			return fmt.Errorf("the subject of a panel license has %d bytes instead of 16; name the panel by its id", len(t.Subject))
		}
	case ScopeAccount, ScopeSite, ScopeGroup:
		if len(t.Subject) > maxSubject || !printable(string(t.Subject)) {
			return fmt.Errorf("the subject %q is not a name of at most %d bytes", t.Subject, maxSubject)
		}
	default:
		return fmt.Errorf("the scope %q is none of panel, account, site, group", t.Scope)
	}
	if t.IssuedAt.IsZero() {
		return fmt.Errorf("the time of issue is missing")
	}
	if !t.Expires.IsZero() && !t.NotBefore.IsZero() && !t.NotBefore.Before(t.Expires) {
		return fmt.Errorf("it would expire at %s, before it begins at %s", stamp(t.Expires), stamp(t.NotBefore))
	}
	if t.Term.Years < 0 || t.Term.Years > maxYears || t.Term.Days < 0 || t.Term.Days > maxDays {
		return fmt.Errorf("the term of %d years and %d days is out of range", t.Term.Years, t.Term.Days)
	}
	if len(t.Label) > maxLabel || !printable(t.Label) {
		return fmt.Errorf("the label %q is not one line of at most %d bytes", t.Label, maxLabel)
	}
	if err := checkGrants(t.Grants, false); err != nil {
		return err
	}
	for _, at := range []time.Time{t.IssuedAt, t.NotBefore, t.Expires, t.Updates} {
		if err := checkTime(at); err != nil {
			return err
		}
	}
	return nil
}

func checkTime(at time.Time) error {
	if !at.IsZero() && (at.Unix() <= 0 || at.Unix() >= maxUnixTime || at.Nanosecond() != 0) {
		return fmt.Errorf("the time %s is not a whole second between 1970 and 9999", stamp(at))
	}
	return nil
}

func checkGrants(grants []Grant, ceilings bool) error {
	if len(grants) == 0 || len(grants) > maxGrants {
		return fmt.Errorf("%d features instead of 1 to %d", len(grants), maxGrants)
	}
	for i, grant := range grants {
		if !featureName(grant.Feature) && (!ceilings || grant.Feature != Any) {
			return fmt.Errorf("the feature %q is not a name of a-z, 0-9 and _ of at most 32 characters", grant.Feature)
		}
		if grant.Count < 1 || grant.Count > maxCount {
			return fmt.Errorf("%d of %s is not between 1 and %d", grant.Count, grant.Feature, maxCount)
		}
		if i > 0 && grants[i-1].Feature >= grant.Feature {
			return fmt.Errorf("the features are not sorted, or %s is there twice", grant.Feature)
		}
	}
	return nil
}

func featureName(name string) bool {
	return name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }

// Sign encodes and signs the token for the owner of pub. Grants may be in any order. Text for a QR code is
// envelope.Armor(envelope.License, raw).
func (t Token) Sign(pub ed25519.PublicKey, sign func(message []byte) ([]byte, error)) ([]byte, error) {
	t.Grants = slices.SortedFunc(slices.Values(t.Grants), func(a, b Grant) int { return strings.Compare(a.Feature, b.Feature) })
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("cannot sign license: %w", err)
	}
	payload, err := encodeToken(t)
	if err != nil {
		return nil, fmt.Errorf("cannot sign license: %w", err)
	}
	return envelope.Sign(envelope.License, pub, sign, payload)
}
