package license

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Delegation lets an issuer's key sign licenses under a root, within ceilings and dates. Of several for one key the root's highest
// number counts.
type Delegation struct {
	Issuer   ed25519.PublicKey `json:"-"`
	Name     string            `json:"name"` // who it is, for people
	Number   uint64            `json:"number"`
	IssuedAt time.Time         `json:"issued_at"`
	// A license must have been issued in [NotBefore, Expires); zero leaves that side open. Licenses that were issued in time
	// outlive the delegation (I-31).
	NotBefore time.Time `json:"not_before,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	Ceilings  []Grant   `json:"ceilings"` // most of each feature in one license; Any stands for all others; not named = none
}

func (d Delegation) check() error {
	if err := envelope.CheckKey(d.Issuer); err != nil {
		return err
	}
	if d.Number == 0 || d.IssuedAt.IsZero() {
		return errors.New("the number or the time of issue is missing")
	}
	if d.Name == "" || len(d.Name) > maxLabel || !printable(d.Name) {
		return fmt.Errorf("the issuer's name %q is not one line of at most %d bytes", d.Name, maxLabel)
	}
	for _, at := range []time.Time{d.IssuedAt, d.NotBefore, d.Expires} {
		if err := checkTime(at); err != nil {
			return err
		}
	}
	return checkGrants(d.Ceilings, true)
}

// Sign encodes and signs the delegation with the root's key. Text: envelope.Armor(envelope.Delegation, raw).
func (d Delegation) Sign(root ed25519.PublicKey, sign func(message []byte) ([]byte, error)) ([]byte, error) {
	d.Ceilings = slices.SortedFunc(slices.Values(d.Ceilings), func(a, b Grant) int { return strings.Compare(a.Feature, b.Feature) })
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("cannot sign delegation: %w", err)
	}
	payload, err := encodeDelegation(d)
	if err != nil {
		return nil, fmt.Errorf("cannot sign delegation: %w", err)
	}
	return envelope.Sign(envelope.Delegation, root, sign, payload)
}

// allows tells why the delegation does not cover t; empty when it does.
func (d Delegation) allows(t Token) string {
	if t.IssuedAt.Before(d.NotBefore) || !d.Expires.IsZero() && !t.IssuedAt.Before(d.Expires) {
		return fmt.Sprintf("%s could not issue licenses on %s", d.Name, t.IssuedAt.Format(time.DateOnly))
	}
	ceilings := amounts(d.Ceilings)
	for _, grant := range t.Grants {
		most, named := ceilings[grant.Feature]
		if !named {
			most = ceilings[Any]
		}
		if grant.Count > most {
			return fmt.Sprintf("%s may give at most %d of %q in one license, this one says %d", d.Name, most, Describe(grant.Feature).Title, grant.Count)
		}
	}
	return ""
}

// Revocation is a root's list of licenses and issuers' keys that no longer hold, each since a time. The highest number counts alone:
// a list is complete, it does not add to older ones.
type Revocation struct {
	Number   uint64
	IssuedAt time.Time
	Tokens   map[TokenID]time.Time
	Issuers  map[envelope.KeyID]time.Time
	// Kept are licenses of a revoked issuer that hold all the same, because the vendor knows them to be honest. Their times of
	// issue would prove nothing: whoever has the issuer's key writes any.
	Kept []Digest
}

func (r Revocation) check() error {
	if r.Number == 0 || r.IssuedAt.IsZero() {
		return errors.New("the number or the time of issue is missing")
	}
	if len(r.Tokens)+len(r.Issuers) > maxRevoked {
		return fmt.Errorf("%d entries are more than %d; drop licenses that have expired", len(r.Tokens)+len(r.Issuers), maxRevoked)
	}
	if len(r.Kept) > maxKept {
		return fmt.Errorf("%d licenses to be kept are more than %d; issue the others anew", len(r.Kept), maxKept)
	}
	for _, at := range slices.Concat(slices.Collect(maps.Values(r.Tokens)), slices.Collect(maps.Values(r.Issuers)), []time.Time{r.IssuedAt}) {
		if at.IsZero() {
			return errors.New("an entry has no time")
		}
		if err := checkTime(at); err != nil {
			return err
		}
	}
	return nil
}

// Sign encodes and signs the list with the root's key. Text: envelope.Armor(envelope.Revocation, raw).
func (r Revocation) Sign(root ed25519.PublicKey, sign func(message []byte) ([]byte, error)) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("cannot sign revocation list: %w", err)
	}
	payload, err := encodeRevocation(r)
	if err != nil {
		return nil, fmt.Errorf("cannot sign revocation list: %w", err)
	}
	return envelope.Sign(envelope.Revocation, root, sign, payload)
}

// OpenRevocation verifies a list against one of the ring's roots and returns it with that root.
func (k Keyring) OpenRevocation(raw []byte) (Revocation, ed25519.PublicKey, error) {
	payload, kid, err := envelope.Open(envelope.Revocation, raw, k.root)
	if err != nil {
		return Revocation{}, nil, err
	}
	list, err := decodeRevocation(payload)
	if err != nil {
		return Revocation{}, nil, fmt.Errorf("cannot read revocation list: %w: %v", envelope.ErrMalformed, err)
	}
	root, _ := k.root(kid)
	return list, root, nil
}

// OpenDelegation verifies a delegation against one of the ring's roots and returns it with that root.
func (k Keyring) OpenDelegation(raw []byte) (Delegation, ed25519.PublicKey, error) {
	payload, kid, err := envelope.Open(envelope.Delegation, raw, k.root)
	if err != nil {
		return Delegation{}, nil, err
	}
	delegation, err := decodeDelegation(payload)
	if err != nil {
		return Delegation{}, nil, fmt.Errorf("cannot read delegation: %w: %v", envelope.ErrMalformed, err)
	}
	root, _ := k.root(kid)
	return delegation, root, nil
}

// Keyring is who may issue licenses: roots, the issuers they delegated, and what they revoked. It is a value that never changes;
// make a new one when a root, a delegation or a list arrives. The zero Keyring trusts nobody.
type Keyring struct {
	roots   []ed25519.PublicKey
	issuers map[envelope.KeyID]standing
	lists   map[envelope.KeyID]Revocation // by root
}

// Equal tells whether two rings trust the same, in the same words. It costs next to nothing for a ring and its copy.
func (k Keyring) Equal(other Keyring) bool { return reflect.DeepEqual(k, other) }

// standing is what one issuer's key may do, and under which root.
type standing struct {
	Delegation
	root ed25519.PublicKey
	raw  []byte
}

// NewKeyring builds a ring from the configured roots and the stored delegations and revocation lists in any order. What cannot be
// used is left out and reported, one error each.
func NewKeyring(roots []ed25519.PublicKey, delegations, revocations [][]byte) (Keyring, []error) {
	var problems []error
	ring := Keyring{issuers: map[envelope.KeyID]standing{}, lists: map[envelope.KeyID]Revocation{}}
	for _, root := range roots {
		if err := envelope.CheckKey(root); err != nil {
			problems = append(problems, fmt.Errorf("cannot trust root: %w", err))
			continue
		}
		ring.roots = append(ring.roots, bytes.Clone(root))
	}
	for _, raw := range delegations {
		delegation, root, err := ring.OpenDelegation(raw)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		issuer := envelope.IDOf(delegation.Issuer)
		if held, ok := ring.issuers[issuer]; !ok || ring.outranks(delegation, root, raw, held) {
			ring.issuers[issuer] = standing{delegation, root, bytes.Clone(raw)}
		}
	}
	newest := map[envelope.KeyID][]byte{}
	for _, raw := range revocations {
		list, root, err := ring.OpenRevocation(raw)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		id := envelope.IDOf(root)
		held, ok := ring.lists[id]
		if !ok || list.Number > held.Number || list.Number == held.Number && bytes.Compare(raw, newest[id]) > 0 {
			ring.lists[id], newest[id] = list, raw
		}
	}
	return ring, problems
}

// KeyringOf builds a ring from the configured roots and the delegations and revocation lists among docs.
func KeyringOf(roots []ed25519.PublicKey, docs []Document) (Keyring, []error) {
	var delegations, revocations [][]byte
	for _, doc := range docs {
		switch doc.Kind {
		case envelope.Delegation:
			delegations = append(delegations, doc.Raw)
		case envelope.Revocation:
			revocations = append(revocations, doc.Raw)
		}
	}
	return NewKeyring(roots, delegations, revocations)
}

// outranks makes the outcome independent of the order: first the root that is configured first, then the number, then the bytes.
func (k Keyring) outranks(delegation Delegation, root ed25519.PublicKey, raw []byte, held standing) bool {
	if !bytes.Equal(root, held.root) {
		return k.rank(root) < k.rank(held.root)
	}
	if delegation.Number != held.Number {
		return delegation.Number > held.Number
	}
	return bytes.Compare(raw, held.raw) > 0
}

func (k Keyring) rank(root ed25519.PublicKey) int {
	return slices.IndexFunc(k.roots, func(r ed25519.PublicKey) bool { return bytes.Equal(r, root) })
}

func (k Keyring) root(kid envelope.KeyID) (ed25519.PublicKey, bool) {
	for _, root := range k.roots {
		if envelope.IDOf(root) == kid {
			return root, true
		}
	}
	return nil, false
}

func (k Keyring) key(kid envelope.KeyID) (ed25519.PublicKey, bool) {
	if root, ok := k.root(kid); ok {
		return root, true
	}
	issuer, ok := k.issuers[kid]
	return issuer.Issuer, ok
}

// Roots are the roots' keys in the order of the configuration, for status and pages (envelope.KeyText).
func (k Keyring) Roots() []ed25519.PublicKey {
	roots := make([]ed25519.PublicKey, 0, len(k.roots))
	for _, root := range k.roots {
		roots = append(roots, bytes.Clone(root))
	}
	return roots
}

// Root is the root that stands behind a key id: the key itself, or the root that delegated it.
func (k Keyring) Root(kid envelope.KeyID) (ed25519.PublicKey, bool) {
	if root, ok := k.root(kid); ok {
		return bytes.Clone(root), true
	}
	issuer, ok := k.issuers[kid]
	return bytes.Clone(issuer.root), ok
}

// opened is a token whose signature and standing were checked.
type opened struct {
	Token
	root    ed25519.PublicKey
	issuer  string    // name, for people
	revoked time.Time // zero: holds
}

// refusal is why a token cannot be used.
type refusal struct {
	result Result
	detail string
}

func (k Keyring) open(raw []byte) (opened, *refusal) {
	payload, kid, err := envelope.Open(envelope.License, raw, k.key)
	if err != nil {
		return opened{}, refuse(err, kid)
	}
	token, err := decodeToken(payload, kid)
	if err != nil {
		return opened{}, &refusal{Malformed, "it is signed, but cannot be read: " + err.Error()}
	}
	root, _ := k.Root(kid)
	o := opened{Token: token, root: root, issuer: "the root itself"}
	if _, own := k.root(kid); !own {
		standing := k.issuers[kid]
		o.issuer = standing.Name
		if detail := standing.allows(token); detail != "" {
			return o, &refusal{UnknownIssuer, detail}
		}
	}
	list := k.lists[envelope.IDOf(root)]
	o.revoked = list.Tokens[token.ID]
	if at, ok := list.Issuers[kid]; ok && !list.Keeps(raw) && (o.revoked.IsZero() || at.Before(o.revoked)) {
		o.revoked = at
	}
	return o, nil
}

func refuse(err error, kid envelope.KeyID) *refusal {
	switch {
	case errors.Is(err, envelope.ErrUnknownKey):
		return &refusal{UnknownIssuer, fmt.Sprintf("key %s is not known here", kid)}
	case errors.Is(err, envelope.ErrForged):
		return &refusal{Forged, fmt.Sprintf("the signature does not belong to key %s", kid)}
	}
	return &refusal{Malformed, "it is damaged or incomplete"}
}

// signedBy is the key id in an envelope that could not be opened, for words alone.
func signedBy(kind envelope.Kind, raw []byte) envelope.KeyID {
	_, kid, _ := envelope.Open(kind, raw, func(envelope.KeyID) (ed25519.PublicKey, bool) { return nil, false })
	return kid
}
