package license

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// TestEveryDocumentHasItsSize keeps the table of docs/license-format.md, section 1, true: what is printed on paper has a size that a
// camera reads, and the largest that can be signed is read by every panel.
func TestEveryDocumentHasItsSize(t *testing.T) {
	const tooLong = 0 // no QR code at level Q holds it
	everything := ten(1)
	everything.Grants, everything.Subject, everything.Label = nil, idOf(here), strings.Repeat("x", maxLabel)
	everything.NotBefore, everything.Expires, everything.Updates = issued, issued.AddDate(1, 0, 0), issued.AddDate(10, 0, 0)
	everything.Term = Term{Years: maxYears, Days: maxDays}
	for i := range maxGrants {
		everything.Grants = append(everything.Grants, Grant{fmt.Sprintf("%032d", i), maxCount})
	}
	dealer := Delegation{
		Issuer: issuerKey.pub, Name: "Dealer North", Number: uint64(issued.Unix()), IssuedAt: issued, NotBefore: issued, Expires: issued.AddDate(2, 0, 0),
		Ceilings: []Grant{{Any, 1}, {Buttons, 100}},
	}
	widest := dealer
	widest.Name, widest.Number, widest.Ceilings = strings.Repeat("x", maxLabel), 1<<63, everything.Grants
	revoked := func(tokens int) []byte {
		ids := map[TokenID]time.Time{}
		for i := range tokens {
			var id TokenID
			binary.BigEndian.PutUint64(id[:], uint64(i)+1)
			ids[id] = issued
		}
		return revoking(t, uint64(issued.Unix()), ids, nil)
	}
	delegation := func(d Delegation) []byte {
		raw, err := d.Sign(rootKey.pub, rootKey.sign)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, c := range []struct {
		name           string
		kind           envelope.Kind
		raw            []byte
		bytes, version int // at most
	}{
		{"a license of everything there is", envelope.License, signed(t, everything, rootKey), 1500, 39},
		{"a dealer's delegation", envelope.Delegation, delegation(dealer), 190, 12},
		{"the widest delegation", envelope.Delegation, delegation(widest), 1500, 39},
		{"a list of one license", envelope.Revocation, revoked(1), 140, 10},
		{"a list of ten", envelope.Revocation, revoked(10), 345, 17},
		{"a list of fifty", envelope.Revocation, revoked(50), 1230, 35},
		{"a list of as many as there may be", envelope.Revocation, revoked(maxRevoked), envelope.Revocation.Limit(), tooLong},
	} {
		text := envelope.Armor(c.kind, c.raw)
		version := tooLong
		if code, err := qr.Encode(text, qr.Q); err == nil {
			version = (code.Size - 17) / 4
		}
		t.Logf("%s: %d bytes, %d characters, version %d-Q", c.name, len(c.raw), len(text), version)
		if len(c.raw) > c.bytes || len(c.raw) > c.kind.Limit() || version > c.version || (version == tooLong) != (c.version == tooLong) {
			t.Errorf("%s: %d bytes, version %d", c.name, len(c.raw), version)
		}
		if v := Examine(text, ringOf(t, nil, nil), here, trusted("2026-12-01"), nil, ""); v.Result != Activated {
			t.Errorf("%s: %s %s", c.name, v.Result, v.Message)
		}
	}
}
