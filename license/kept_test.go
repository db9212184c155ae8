package license

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
	"pgregory.net/rapid"
)

// TestAStolenIssuerKeyCostsNoHonestLicense: what the vendor knows holds on, in whatever order a panel hears of it; what the thief signs does
// not, whatever day, id or content he gives it.
func TestAStolenIssuerKeyCostsNoHonestLicense(t *testing.T) {
	root, issuer := vectorKey(0x00), vectorKey(0x20)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	d := Delegation{Issuer: issuer.pub, Name: "Dealer North", Number: 1, IssuedAt: at, Ceilings: []Grant{{Any, 100}}}
	delegation, err := d.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	honest := Token{ID: vectorID(1), Scope: ScopePanel, IssuedAt: at, Grants: []Grant{{Buttons, 10}}, Label: "Villa Rosa"}
	kept := signed(t, honest, issuer)
	forgotten := signed(t, Token{ID: vectorID(2), Scope: ScopePanel, IssuedAt: at, Grants: []Grant{{Buttons, 3}}}, issuer)
	more, backdated := honest, honest
	more.Grants = []Grant{{Buttons, 80}}
	backdated.ID, backdated.IssuedAt = vectorID(3), at.AddDate(0, -1, 0)
	list := Revocation{
		Number: 2, IssuedAt: at.AddDate(0, 6, 0), Issuers: map[envelope.KeyID]time.Time{envelope.IDOf(issuer.pub): at.AddDate(0, 5, 0)},
		Kept: []Digest{{0xff}, DigestOf(kept), {0x00}, DigestOf(kept)},
	}
	signedList, err := list.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	ring, problems := NewKeyring([]ed25519.PublicKey{root.pub}, [][]byte{delegation}, [][]byte{signedList})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		name    string
		raw     []byte
		revoked bool
	}{
		{"kept", kept, false},
		{"not on the list", forgotten, true},
		{"the same id with more", signed(t, more, issuer), true},
		{"backdated", signed(t, backdated, issuer), true},
	} {
		if o, refused := ring.open(c.raw); refused != nil || o.revoked.IsZero() == c.revoked {
			t.Errorf("%s: revoked %v, %+v", c.name, o.revoked, refused)
		}
	}
	if err := ring.Covers(issuer.pub, honest); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Error("the stolen key may sign on:", err)
	}
	// The license itself may still be revoked.
	list.Tokens = map[TokenID]time.Time{honest.ID: at}
	if signedList, err = list.Sign(root.pub, root.sign); err != nil {
		t.Fatal(err)
	}
	ring, _ = NewKeyring([]ed25519.PublicKey{root.pub}, [][]byte{delegation}, [][]byte{signedList})
	if o, _ := ring.open(kept); o.revoked.IsZero() {
		t.Error("a license that is revoked by its id is kept")
	}
}

func TestTheKeptAreWrittenInOneWayOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var digests []Digest
		for _, n := range rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "digests") {
			digests = append(digests, Digest{n})
		}
		joined := joinDigests(digests)
		read, err := splitDigests(joined)
		if err != nil || !bytes.Equal(joinDigests(read), joined) {
			t.Errorf("%v %v", read, err)
		}
		for _, digest := range digests {
			if !slices.Contains(read, digest) {
				t.Errorf("%v is lost", digest)
			}
		}
	})
	one, two := Digest{1}, Digest{2}
	for name, joined := range map[string][]byte{
		"empty": {}, "cut": one[:15], "turned": slices.Concat(two[:], one[:]), "twice": slices.Concat(one[:], one[:]),
	} {
		if _, err := splitDigests(joined); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAListWithTooManyKeptIsRefused(t *testing.T) {
	root := vectorKey(0x00)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	list := Revocation{Number: 1, IssuedAt: at, Issuers: map[envelope.KeyID]time.Time{{1}: at}}
	for n := range maxKept + 1 {
		list.Kept = append(list.Kept, Digest{byte(n >> 8), byte(n)})
	}
	if _, err := list.Sign(root.pub, root.sign); err == nil || !strings.Contains(err.Error(), "issue the others anew") {
		t.Error(err)
	}
	list.Kept = list.Kept[:maxKept]
	raw, err := list.Sign(root.pub, root.sign)
	if err != nil {
		t.Fatal(err)
	}
	ring, _ := NewKeyring([]ed25519.PublicKey{root.pub}, nil, [][]byte{raw})
	if got := ring.lists[envelope.IDOf(root.pub)]; len(got.Kept) != maxKept {
		t.Errorf("%d are left", len(got.Kept))
	}
}

// TestAPaperOfYearOneHoldsInYearNine: these bytes were printed in 2026. Since then the dealer's delegation was renewed twice and has ended, a second root has
// joined, other licenses were revoked. They are fixed: a change of format that loses them loses every paper that was sold.
func TestAPaperOfYearOneHoldsInYearNine(t *testing.T) {
	const paper = "DP1:TWGSLK/-4I59X9VOMDF5WY91:6B5XKDF3V85JCO$5AM84-J4FV4Y.4895RK51W5Q.53$CCEC: C/E7V50R30TK063D8%EHWEF/D%M0.JDXEDPVD*3414EZDCR48+CT%.NRCR0H7WUKRF0VK0/O3STH+DHN%HUATM03CQO:WCSWQ2%1OL4EQAAIF*:54J6Y7P*E0Z7C11Q3FKHLVAQ6Z-RQP040"
	root, issuer, successor := vectorKey(0x00), vectorKey(0x20), vectorKey(0x60)
	var delegations, lists [][]byte
	year := func(n int) time.Time { return time.Date(2026+n, 1, 1, 0, 0, 0, 0, time.UTC) }
	for number, by := range []testKey{root, root, successor} {
		d := Delegation{Issuer: issuer.pub, Name: "Dealer North", Number: uint64(number + 1), IssuedAt: year(number), Expires: year(number + 2), Ceilings: []Grant{{Buttons, 20}}}
		raw, err := d.Sign(by.pub, by.sign)
		if err != nil {
			t.Fatal(err)
		}
		delegations = append(delegations, raw)
		list := Revocation{Number: uint64(number + 1), IssuedAt: year(number), Tokens: map[TokenID]time.Time{vectorID(9): year(1)}}
		if raw, err = list.Sign(by.pub, by.sign); err != nil {
			t.Fatal(err)
		}
		lists = append(lists, raw)
	}
	for _, roots := range [][]ed25519.PublicKey{{root.pub}, {root.pub, successor.pub}, {successor.pub, root.pub}, {successor.pub}} {
		ring, _ := NewKeyring(roots, delegations, lists)
		clock := Clock{Now: year(9), Mark: year(9), Trusted: true}
		if v := Examine(paper, ring, Panel{}, clock, nil, ""); v.Result != Activated || v.Message != "4 buttons added" {
			t.Errorf("%s: %s", v.Result, v.Message)
		}
		clock.Now, clock.Trusted = year(-56), false // a panel without a clock
		if v := Examine(paper, ring, Panel{}, clock, nil, ""); v.Result != Activated {
			t.Errorf("without a clock: %s: %s", v.Result, v.Message)
		}
	}
}
