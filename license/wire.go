package license

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// The claims are CWT claims (RFC 8392, section 4; scope: RFC 9200, section 5.10) and one private claim that holds a map of our
// own, so that its five-byte label is paid for once.

type tokenClaims struct {
	Issuer    []byte          `cbor:"1,keyasint,omitempty"` // the signer's key, of statements alone
	Subject   []byte          `cbor:"2,keyasint,omitempty"`
	Expires   *int64          `cbor:"4,keyasint,omitempty"`
	NotBefore *int64          `cbor:"5,keyasint,omitempty"`
	IssuedAt  *int64          `cbor:"6,keyasint,omitempty"`
	ID        []byte          `cbor:"7,keyasint,omitempty"`
	Scope     string          `cbor:"9,keyasint,omitempty"`
	Own       cbor.RawMessage `cbor:"-65537,keyasint,omitempty"`
}

type tokenOwn struct {
	Term    []int          `cbor:"1,keyasint,omitempty"` // [years, days]
	Updates *int64         `cbor:"2,keyasint,omitempty"`
	Grants  map[string]int `cbor:"3,keyasint,omitempty"`
	Label   string         `cbor:"4,keyasint,omitempty"`
}

type delegationOwn struct {
	Number   uint64         `cbor:"1,keyasint,omitempty"`
	Ceilings map[string]int `cbor:"2,keyasint,omitempty"`
	Name     string         `cbor:"3,keyasint,omitempty"`
}

type revocationOwn struct {
	Number  uint64                    `cbor:"1,keyasint,omitempty"`
	Tokens  map[cbor.ByteString]int64 `cbor:"2,keyasint,omitempty"`
	Issuers map[cbor.ByteString]int64 `cbor:"3,keyasint,omitempty"`
	Kept    []byte                    `cbor:"4,keyasint,omitempty"`
}

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	strict  = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 4096, MapKeyByteString: cbor.MapKeyByteStringAllowed,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
	lenient = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 4096, MapKeyByteString: cbor.MapKeyByteStringAllowed,
	}.DecMode())
)

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err)
	}
	return mode
}

// decodeClaims reads the outer claims strictly, and our own map into own. There an unknown label from 0 up is skipped, a negative
// one is a condition that this version does not understand, so that the whole is refused.
func decodeClaims(payload []byte, own any) (tokenClaims, error) {
	var claims tokenClaims
	var anything any
	if err := strict.Unmarshal(payload, &anything); err != nil {
		return claims, err
	}
	if again, err := encoder.Marshal(anything); err != nil || !bytes.Equal(again, payload) {
		return claims, errors.New("not in the deterministic encoding")
	}
	if err := strict.Unmarshal(payload, &claims); err != nil {
		return claims, err
	}
	var labels map[int64]cbor.RawMessage
	if err := strict.Unmarshal(claims.Own, &labels); err != nil {
		return claims, err
	}
	for label := range labels {
		if label < 0 {
			return claims, errors.New("it states a condition that this version does not know; update the panel")
		}
	}
	return claims, lenient.Unmarshal(claims.Own, own)
}

func encodeClaims(claims tokenClaims, own any) ([]byte, error) {
	raw, err := encoder.Marshal(own)
	if err != nil {
		return nil, err
	}
	claims.Own = raw
	return encoder.Marshal(claims)
}

func encodeToken(t Token) ([]byte, error) {
	own := tokenOwn{Updates: seconds(t.Updates), Grants: amounts(t.Grants), Label: t.Label}
	if !t.Term.IsZero() {
		own.Term = []int{t.Term.Years, t.Term.Days}
	}
	return encodeClaims(tokenClaims{
		Subject: t.Subject, Expires: seconds(t.Expires), NotBefore: seconds(t.NotBefore), IssuedAt: seconds(t.IssuedAt),
		ID: t.ID[:], Scope: string(t.Scope),
	}, own)
}

func decodeToken(payload []byte, issuer envelope.KeyID) (Token, error) {
	var own tokenOwn
	claims, err := decodeClaims(payload, &own)
	if err != nil {
		return Token{}, err
	}
	if claims.Issuer != nil {
		return Token{}, errors.New("it carries claims of a panel's statement")
	}
	if len(claims.ID) != len(TokenID{}) || own.Term != nil && len(own.Term) != 2 || claims.Subject != nil && len(claims.Subject) == 0 {
		return Token{}, errors.New("the id, the term or the subject has a wrong size")
	}
	t := Token{
		ID: TokenID(claims.ID), Issuer: issuer, Scope: Scope(claims.Scope), Subject: claims.Subject, Grants: sorted(own.Grants), Label: own.Label,
		IssuedAt: instant(claims.IssuedAt), NotBefore: instant(claims.NotBefore), Expires: instant(claims.Expires), Updates: instant(own.Updates),
	}
	if own.Term != nil {
		t.Term = Term{Years: own.Term[0], Days: own.Term[1]}
		if t.Term.IsZero() {
			return Token{}, errors.New("the term is empty")
		}
	}
	return t, t.check()
}

func encodeDelegation(d Delegation) ([]byte, error) {
	return encodeClaims(tokenClaims{
		Subject: d.Issuer, Expires: seconds(d.Expires), NotBefore: seconds(d.NotBefore), IssuedAt: seconds(d.IssuedAt),
	}, delegationOwn{Number: d.Number, Ceilings: amounts(d.Ceilings), Name: d.Name})
}

func decodeDelegation(payload []byte) (Delegation, error) {
	var own delegationOwn
	claims, err := decodeClaims(payload, &own)
	if err != nil {
		return Delegation{}, err
	}
	if claims.Issuer != nil || claims.ID != nil || claims.Scope != "" {
		return Delegation{}, errors.New("it carries claims of a license")
	}
	d := Delegation{
		Issuer: ed25519.PublicKey(claims.Subject), Number: own.Number, Ceilings: sorted(own.Ceilings), Name: own.Name,
		IssuedAt: instant(claims.IssuedAt), NotBefore: instant(claims.NotBefore), Expires: instant(claims.Expires),
	}
	return d, d.check()
}

func encodeRevocation(r Revocation) ([]byte, error) {
	own := revocationOwn{Number: r.Number}
	if len(r.Tokens) > 0 {
		own.Tokens = make(map[cbor.ByteString]int64, len(r.Tokens))
		for id, at := range r.Tokens {
			own.Tokens[cbor.ByteString(id[:])] = at.Unix()
		}
	}
	if len(r.Issuers) > 0 {
		own.Issuers = make(map[cbor.ByteString]int64, len(r.Issuers))
		for id, at := range r.Issuers {
			own.Issuers[cbor.ByteString(id[:])] = at.Unix()
		}
	}
	own.Kept = joinDigests(r.Kept)
	return encodeClaims(tokenClaims{IssuedAt: seconds(r.IssuedAt)}, own)
}

func decodeRevocation(payload []byte) (Revocation, error) {
	var own revocationOwn
	claims, err := decodeClaims(payload, &own)
	if err != nil {
		return Revocation{}, err
	}
	if claims.Issuer != nil || claims.ID != nil || claims.Scope != "" || claims.Subject != nil || claims.Expires != nil || claims.NotBefore != nil {
		return Revocation{}, errors.New("it carries claims of a license")
	}
	r := Revocation{Number: own.Number, IssuedAt: instant(claims.IssuedAt), Tokens: map[TokenID]time.Time{}, Issuers: map[envelope.KeyID]time.Time{}}
	for id, at := range own.Tokens {
		if len(id) != len(TokenID{}) {
			return Revocation{}, fmt.Errorf("a license id has %d bytes instead of 16", len(id))
		}
		r.Tokens[TokenID([]byte(id))] = instant(&at)
	}
	for id, at := range own.Issuers {
		if len(id) != len(envelope.KeyID{}) {
			return Revocation{}, fmt.Errorf("a key id has %d bytes instead of 8", len(id))
		}
		r.Issuers[envelope.KeyID([]byte(id))] = instant(&at)
	}
	if r.Kept, err = splitDigests(own.Kept); err != nil {
		return Revocation{}, err
	}
	return r, r.check()
}

func seconds(at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	unix := at.Unix()
	return &unix
}

// instant is the time of a claim; zero when the claim is absent. Its range is checked with the whole.
func instant(unix *int64) time.Time {
	if unix == nil {
		return time.Time{}
	}
	return time.Unix(*unix, 0).UTC()
}

func amounts(grants []Grant) map[string]int {
	if len(grants) == 0 {
		return nil
	}
	counts := make(map[string]int, len(grants))
	for _, grant := range grants {
		counts[grant.Feature] = grant.Count
	}
	return counts
}

func sorted(counts map[string]int) []Grant {
	grants := make([]Grant, 0, len(counts))
	for feature, count := range counts {
		grants = append(grants, Grant{feature, count})
	}
	slices.SortFunc(grants, func(a, b Grant) int { return strings.Compare(a.Feature, b.Feature) })
	return grants
}
