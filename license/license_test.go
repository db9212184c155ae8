package license

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"rsc.io/qr"

	"github.com/doorpanel/doorpanel/license/envelope"
)

type testKey struct {
	pub  ed25519.PublicKey
	sign func([]byte) ([]byte, error)
}

func keyOf(seed byte) testKey {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return testKey{private.Public().(ed25519.PublicKey), func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }}
}

var (
	rootKey    = keyOf(1)
	issuerKey  = keyOf(2)
	strangeKey = keyOf(3)
	hereKey    = keyOf(9)
	here       = Panel{Key: keyOf(9).pub, Site: "villa"}
	elsewhere  = Panel{Key: keyOf(8).pub, Site: "hotel"}
	issued     = day("2026-11-21")
)

func idOf(panel Panel) []byte {
	id := panel.ID()
	return id[:]
}

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

func trusted(date string) Clock { return Clock{Now: day(date), Mark: issued, Trusted: true} }

func ten(id byte) Token {
	return Token{ID: TokenID{15: id}, IssuedAt: issued, Scope: ScopePanel, Grants: []Grant{{Buttons, 10}}}
}

func access(id byte) Token {
	return Token{ID: TokenID{15: id}, IssuedAt: issued, Scope: ScopePanel, Term: Term{Years: 1}, Grants: []Grant{{AccessBasic, 1}}}
}

func signed(t testing.TB, token Token, key testKey) []byte {
	t.Helper()
	raw, err := token.Sign(key.pub, key.sign)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func text(t testing.TB, token Token, key testKey) string {
	return envelope.Armor(envelope.License, signed(t, token, key))
}

func held(t testing.TB, token Token, date string) Document {
	t.Helper()
	return activated(t, signed(t, token, rootKey), day(date))
}

// activated is the license as it stands in the store of the panel here.
func activated(t testing.TB, raw []byte, at time.Time) Document {
	t.Helper()
	return stated(t, Activation{Panel: hereKey.pub, License: raw, At: at}, hereKey)
}

// stated signs what a panel says.
func stated(t testing.TB, s Statement, key testKey) Document {
	t.Helper()
	doc, err := s.Sign(key.sign)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// kept is the store of the panel here after it did what the verdict asks.
func kept(t testing.TB, docs []Document, v Verdict) []Document {
	t.Helper()
	more := slices.Clone(v.Keep)
	if v.Sign != nil {
		more = append(more, stated(t, v.Sign, hereKey))
	}
	for _, doc := range more {
		docs = slices.DeleteFunc(slices.Clone(docs), func(old Document) bool { return old.Key == doc.Key })
	}
	return append(docs, more...)
}

func delegated(t testing.TB, change func(*Delegation)) []byte {
	t.Helper()
	d := Delegation{Issuer: issuerKey.pub, Name: "Dealer North", Number: 1, IssuedAt: issued, NotBefore: day("2026-01-01"), Expires: day("2028-01-01"), Ceilings: []Grant{{Buttons, 20}, {AccessBasic, 1}}}
	if change != nil {
		change(&d)
	}
	raw, err := d.Sign(rootKey.pub, rootKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func revoking(t testing.TB, number uint64, tokens map[TokenID]time.Time, issuers map[envelope.KeyID]time.Time) []byte {
	t.Helper()
	raw, err := Revocation{Number: number, IssuedAt: issued, Tokens: tokens, Issuers: issuers}.Sign(rootKey.pub, rootKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func ringOf(t testing.TB, delegations, revocations [][]byte) Keyring {
	t.Helper()
	ring, problems := NewKeyring([]ed25519.PublicKey{rootKey.pub}, delegations, revocations)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return ring
}

func TestTheZeroValueIsTheFreeBaseline(t *testing.T) {
	var free Entitlements
	if free.Buttons() != 1 || free.Allows(AccessBasic) || free.Allows(SIP) || free.AccessGrace(issued) || !free.NextChange().IsZero() || len(free.List()) != 0 {
		t.Error("the zero value grants something")
	}
	if !free.Equal(Derive(Keyring{}, here, Clock{}, nil)) {
		t.Error("nothing stored is not the baseline")
	}
}

func TestExamine(t *testing.T) {
	ring := ringOf(t, [][]byte{delegated(t, nil)}, [][]byte{revoking(t, 1, map[TokenID]time.Time{{15: 66}: issued}, nil)})
	with := func(token Token, change func(*Token)) Token { change(&token); return token }
	tenText := text(t, ten(1), rootKey)
	cases := []struct {
		name    string
		text    string
		clock   Clock
		held    []Document
		want    Result
		message string
	}{
		{"ten buttons for whoever scans it", tenText, trusted("2026-12-01"), nil, Activated, "10 buttons added"},
		{"one button", text(t, with(ten(1), func(k *Token) { k.Grants = []Grant{{Buttons, 1}} }), rootKey), trusted("2026-12-01"), nil, Activated, "1 button added"},
		{"white space round the text", "  " + tenText + "\r\n", trusted("2026-12-01"), nil, Activated, "10 buttons added"},
		{"several grants", text(t, with(ten(1), func(k *Token) { k.Grants = []Grant{{AccessBasic, 1}, {Buttons, 10}, {SIP, 1}} }), rootKey), trusted("2026-12-01"), nil, Activated, "access control on, 10 buttons added, SIP interface on"},
		{"an annual license says until when", text(t, access(1), rootKey), trusted("2026-12-01"), nil, Activated, "access control on until 2027-12-01"},
		{"a license for accounts waits", text(t, with(ten(1), func(k *Token) { k.Scope = ScopeAccount; k.Grants = []Grant{{AppRemote, 1}} }), rootKey), trusted("2026-12-01"), nil, Activated, "Remote App on, waiting to be given to an account"},
		{"a feature of the future", text(t, with(ten(1), func(k *Token) { k.Grants = []Grant{{"teleport", 1}} }), rootKey), trusted("2026-12-01"), nil, Activated, "teleport on"},
		{"for this panel", text(t, with(ten(1), func(k *Token) { k.Subject = idOf(here) }), rootKey), trusted("2026-12-01"), nil, Activated, "10 buttons added"},
		{"for this site", text(t, with(ten(1), func(k *Token) { k.Scope = ScopeSite; k.Subject = []byte("villa") }), rootKey), trusted("2026-12-01"), nil, Activated, "10 buttons added"},
		{"from a delegated issuer", text(t, ten(1), issuerKey), trusted("2026-12-01"), nil, Activated, "10 buttons added"},
		{"scanned again", tenText, trusted("2026-12-01"), []Document{held(t, ten(1), "2026-11-30")}, AlreadyActive, "already active"},
		{"scanned again without a clock", text(t, access(1), rootKey), Clock{}, []Document{held(t, access(1), "2026-11-30")}, AlreadyActive, "already active"},
		{"a perpetual license needs no clock", tenText, Clock{}, nil, Activated, "10 buttons added"},

		{"nothing", "", trusted("2026-12-01"), nil, Malformed, "not one of our codes"},
		{"a web address", "https://example.org/a", trusted("2026-12-01"), nil, Malformed, "not one of our codes"},
		{"a health certificate", "HC1:NCFTW2H", trusted("2026-12-01"), nil, Malformed, "not one of our codes"},
		{"a guest pass", "DG1:BB8", trusted("2026-12-01"), nil, Malformed, "guest pass"},
		{"a damaged slice", "DS1:BB8", trusted("2026-12-01"), nil, Malformed, "damaged or incomplete"},
		{"cut off", tenText[:len(tenText)-5], trusted("2026-12-01"), nil, Malformed, "damaged"},
		{"a letter changed", strings.Replace(tenText, "DP1:", "DP1:a", 1), trusted("2026-12-01"), nil, Malformed, "damaged"},
		{"another kind's envelope under our prefix", envelope.Armor(envelope.License, delegated(t, nil)), trusted("2026-12-01"), nil, Forged, "signature"},
		{"a stranger's license", text(t, ten(1), strangeKey), trusted("2026-12-01"), nil, UnknownIssuer, "not known here"},
		{"above the issuer's ceiling", text(t, with(ten(1), func(k *Token) { k.Grants[0].Count = 21 }), issuerKey), trusted("2026-12-01"), nil, UnknownIssuer, "Dealer North may give at most 20"},
		{"a feature the issuer may not give", text(t, with(ten(1), func(k *Token) { k.Grants = []Grant{{SIP, 1}} }), issuerKey), trusted("2026-12-01"), nil, UnknownIssuer, "at most 0"},
		{"issued before the delegation", text(t, with(ten(1), func(k *Token) { k.IssuedAt = day("2025-12-31") }), issuerKey), trusted("2026-12-01"), nil, UnknownIssuer, "could not issue licenses on 2025-12-31"},
		{"issued when the delegation was over", text(t, with(ten(1), func(k *Token) { k.IssuedAt = day("2028-01-01") }), issuerKey), trusted("2028-12-01"), nil, UnknownIssuer, "could not issue"},
		{"revoked", text(t, ten(66), rootKey), trusted("2026-12-01"), nil, Revoked, "revoked on 2026-11-21"},
		{"revoked although it is here", text(t, ten(66), rootKey), trusted("2026-12-01"), []Document{held(t, ten(66), "2026-11-01")}, Revoked, "revoked"},
		{"before it begins", text(t, with(ten(1), func(k *Token) { k.NotBefore = day("2027-01-01") }), rootKey), trusted("2026-12-31"), nil, NotYetValid, "begins on 2027-01-01"},
		{"at its first instant", text(t, with(ten(1), func(k *Token) { k.NotBefore = day("2027-01-01") }), rootKey), trusted("2027-01-01"), nil, Activated, "10 buttons added"},
		{"expired", text(t, with(ten(1), func(k *Token) { k.Expires = day("2027-01-01") }), rootKey), trusted("2027-01-01"), nil, Expired, "ended on 2027-01-01"},
		{"expired by the mark although the clock went back", text(t, with(ten(1), func(k *Token) { k.Expires = day("2027-01-01") }), rootKey), Clock{Now: day("2026-12-01"), Mark: day("2027-06-01"), Trusted: true}, nil, Expired, "ended"},
		{"expired by the mark without a trusted clock", text(t, with(ten(1), func(k *Token) { k.Expires = day("2027-01-01") }), rootKey), Clock{Mark: day("2027-06-01")}, nil, Expired, "ended"},
		{"an annual license that has run out is not begun again", text(t, access(1), rootKey), trusted("2028-02-01"), []Document{held(t, access(1), "2026-12-01")}, Expired, "ended on 2027-12-01"},
		{"for another panel", text(t, with(ten(1), func(k *Token) { k.Subject = idOf(elsewhere) }), rootKey), trusted("2026-12-01"), nil, OtherPanel, elsewhere.ID().String()},
		{"for another site", text(t, with(ten(1), func(k *Token) { k.Scope = ScopeSite; k.Subject = []byte("hotel") }), rootKey), trusted("2026-12-01"), nil, OtherPanel, "hotel"},
		{"for a group", text(t, with(ten(1), func(k *Token) { k.Scope = ScopeGroup }), rootKey), trusted("2026-12-01"), nil, OtherPanel, "hub"},
		{"annual without a clock", text(t, access(1), rootKey), Clock{Now: day("2026-12-01"), Mark: issued}, nil, ClockUntrusted, "does not know it for sure"},
		{"dated without a clock", text(t, with(ten(1), func(k *Token) { k.Expires = day("2027-01-01") }), rootKey), Clock{Mark: issued}, nil, ClockUntrusted, "for sure"},
		{"a bogus far future expires nothing", text(t, with(ten(1), func(k *Token) { k.Expires = day("2027-01-01") }), rootKey), Clock{Now: day("2040-01-01"), Mark: issued}, nil, ClockUntrusted, "for sure"},
		{"begun for sure, although the clock is not trusted", text(t, with(ten(1), func(k *Token) { k.NotBefore = day("2026-01-01") }), rootKey), Clock{Mark: issued}, nil, Activated, "10 buttons added"},
	}
	titles := map[string]Result{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := Examine(c.text, ring, here, c.clock, c.held, "")
			if v.Result != c.want || !strings.Contains(v.Message, c.message) {
				t.Fatalf("%s %q instead of %s %q", v.Result, v.Message, c.want, c.message)
			}
			if v.Title == "" || v.Result.Refused() && (v.Sign != nil || v.Keep != nil || v.Result.Remedy() == "") {
				t.Errorf("a refusal hands out something to store, or has no words: %+v", v)
			}
			if other, ok := titles[v.Title]; ok && other != v.Result {
				t.Errorf("%s and %s share the title %q", other, v.Result, v.Title)
			}
			titles[v.Title] = v.Result
			if v.Result == Activated {
				before, after := Derive(ring, here, c.clock, c.held), Derive(ring, here, c.clock, kept(t, c.held, v))
				if after.Equal(before) {
					t.Error("activated, but storing it changes nothing")
				}
			}
		})
	}
}

func TestEveryRefusalHasItsOwnWords(t *testing.T) {
	seen := map[string]Result{}
	for _, r := range []Result{Malformed, Forged, UnknownIssuer, Revoked, NotYetValid, Expired, OtherPanel, UsedElsewhere, PoolExhausted, ClockUntrusted} {
		for _, words := range []string{r.Title(), r.Remedy()} {
			if words == "" || seen[words] != "" {
				t.Errorf("%s says %q like %s", r, words, seen[words])
			}
			seen[words] = r
		}
	}
}

func TestAnyFlippedByteOfACodeIsRefused(t *testing.T) {
	ring := ringOf(t, [][]byte{delegated(t, nil)}, nil)
	raw := signed(t, ten(1), rootKey)
	for i := range raw {
		for _, mask := range []byte{0x01, 0x10, 0x80, 0xff} {
			flipped := bytes.Clone(raw)
			flipped[i] ^= mask
			v := Examine(envelope.Armor(envelope.License, flipped), ring, here, trusted("2026-12-01"), nil, "")
			if v.Result != Malformed && v.Result != Forged && v.Result != UnknownIssuer {
				t.Errorf("byte %d ^ %x: %s", i, mask, v.Result)
			}
			if e := Derive(ring, here, trusted("2026-12-01"), []Document{{envelope.Activation, place(placeActivation, reference(raw)), flipped}}); e.Buttons() != 1 {
				t.Errorf("byte %d ^ %x: %d buttons from a damaged store", i, mask, e.Buttons())
			}
		}
	}
}

func TestDelegationsAndRevocationListsAreTakenTheSameWay(t *testing.T) {
	empty := ringOf(t, nil, nil)
	first, second := delegated(t, nil), delegated(t, func(d *Delegation) { d.Number = 2 })
	list := revoking(t, 3, map[TokenID]time.Time{{15: 1}: issued}, nil)
	strange, err := Delegation{Issuer: issuerKey.pub, Name: "X", Number: 9, IssuedAt: issued, Ceilings: []Grant{{Any, 99}}}.Sign(strangeKey.pub, strangeKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	byIssuer, err := Delegation{Issuer: strangeKey.pub, Name: "X", Number: 9, IssuedAt: issued, Ceilings: []Grant{{Any, 99}}}.Sign(issuerKey.pub, issuerKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		ring    Keyring
		kind    envelope.Kind
		raw     []byte
		want    Result
		message string
	}{
		{"a new issuer", empty, envelope.Delegation, first, Activated, "issuer Dealer North accepted"},
		{"the same again", ringOf(t, [][]byte{first}, nil), envelope.Delegation, first, AlreadyActive, "already accepted"},
		{"an older one", ringOf(t, [][]byte{second}, nil), envelope.Delegation, first, AlreadyActive, "already accepted"},
		{"a newer one", ringOf(t, [][]byte{first}, nil), envelope.Delegation, second, Activated, "accepted"},
		{"from a stranger", empty, envelope.Delegation, strange, UnknownIssuer, "not known"},
		{"from an issuer, not a root", ringOf(t, [][]byte{first}, nil), envelope.Delegation, byIssuer, UnknownIssuer, "not known"},
		{"a license in its place", empty, envelope.Delegation, signed(t, ten(1), rootKey), Forged, "signature"},
		{"a new list", empty, envelope.Revocation, list, Activated, "revocation list 3 accepted: 1 licenses"},
		{"the same list", ringOf(t, nil, [][]byte{list}), envelope.Revocation, list, AlreadyActive, "already here"},
		{"an older list", ringOf(t, nil, [][]byte{list}), envelope.Revocation, revoking(t, 2, nil, nil), AlreadyActive, "already here"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := Examine(envelope.Armor(c.kind, c.raw), c.ring, here, trusted("2026-12-01"), nil, "")
			if v.Result != c.want || !strings.Contains(v.Message, c.message) || v.Kind != c.kind {
				t.Errorf("%s %s %q", v.Kind, v.Result, v.Message)
			}
		})
	}
}

func TestTheHighestNumberWinsInAnyOrder(t *testing.T) {
	small := delegated(t, func(d *Delegation) { d.Number, d.Ceilings = 2, []Grant{{Buttons, 5}} })
	large := delegated(t, nil)
	old, young := revoking(t, 1, map[TokenID]time.Time{{15: 1}: issued}, nil), revoking(t, 2, nil, nil)
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		d, r := [][]byte{small, large}, [][]byte{old, young}
		ring := ringOf(t, [][]byte{d[order[0]], d[order[1]]}, [][]byte{r[order[0]], r[order[1]]})
		if v := Examine(text(t, ten(1), issuerKey), ring, here, trusted("2026-12-01"), nil, ""); v.Result != UnknownIssuer {
			t.Errorf("the lowered ceiling does not hold: %s", v.Result)
		}
		if v := Examine(text(t, ten(1), rootKey), ring, here, trusted("2026-12-01"), nil, ""); v.Result != Activated {
			t.Errorf("the older list counts: %s", v.Result)
		}
	}
}

func TestARevokedIssuerTakesItsLicensesAlong(t *testing.T) {
	ring := ringOf(t, [][]byte{delegated(t, nil)}, [][]byte{revoking(t, 1, nil, map[envelope.KeyID]time.Time{envelope.IDOf(issuerKey.pub): issued})})
	h := []Document{activated(t, signed(t, ten(1), issuerKey), issued), held(t, ten(2), "2026-11-21")}
	if e := Derive(ring, here, trusted("2026-12-01"), h); e.Buttons() != 11 {
		t.Errorf("%d buttons", e.Buttons())
	}
	reissued := text(t, ten(1), rootKey)
	v := Examine(reissued, ring, here, trusted("2026-12-01"), h, "")
	if v.Result != Activated {
		t.Fatalf("the re-issued license is refused: %s", v.Message)
	}
	if e := Derive(ring, here, trusted("2026-12-01"), kept(t, h, v)); e.Buttons() != 21 {
		t.Errorf("%d buttons after the re-issue", e.Buttons())
	}
}

func TestOneRootCannotRevokeForAnother(t *testing.T) {
	list, err := Revocation{Number: 9, IssuedAt: issued, Tokens: map[TokenID]time.Time{{15: 1}: issued}}.Sign(strangeKey.pub, strangeKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	ring, problems := NewKeyring([]ed25519.PublicKey{rootKey.pub, strangeKey.pub}, nil, [][]byte{list})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if v := Examine(text(t, ten(1), rootKey), ring, here, trusted("2026-12-01"), nil, ""); v.Result != Activated {
		t.Error(v.Result)
	}
	if v := Examine(text(t, ten(1), strangeKey), ring, here, trusted("2026-12-01"), nil, ""); v.Result != Revoked {
		t.Error(v.Result)
	}
}

func TestBadKeyringPartsAreLeftOutAndNamed(t *testing.T) {
	ring, problems := NewKeyring([]ed25519.PublicKey{rootKey.pub, make([]byte, 32), nil}, [][]byte{{1}, delegated(t, nil)}, [][]byte{nil, signed(t, ten(1), rootKey)})
	if len(problems) != 5 || len(ring.Roots()) != 1 {
		t.Errorf("%d problems, %d roots: %v", len(problems), len(ring.Roots()), problems)
	}
	if root, ok := ring.Root(envelope.IDOf(issuerKey.pub)); !ok || !root.Equal(rootKey.pub) {
		t.Error("the good delegation is missing")
	}
}

func TestLicensesAddAndCopiesDoNot(t *testing.T) {
	ring := ringOf(t, nil, nil)
	a, b := held(t, ten(1), "2026-12-01"), held(t, ten(2), "2026-12-02")
	for _, c := range []struct {
		held []Document
		want int
	}{{nil, 1}, {[]Document{a}, 11}, {[]Document{a, b}, 21}, {[]Document{a, a, b, a}, 21}} {
		if e := Derive(ring, here, Clock{}, c.held); e.Buttons() != c.want {
			t.Errorf("%d licenses: %d buttons instead of %d", len(c.held), e.Buttons(), c.want)
		}
	}
}

func TestACopyOfAnAnnualLicenseDoesNotProlongIt(t *testing.T) {
	ring := ringOf(t, nil, nil)
	h := []Document{held(t, access(1), "2026-12-01"), held(t, access(1), "2027-11-01")}
	if e := Derive(ring, here, trusted("2028-06-01"), h); e.Allows(AccessBasic) || e.AccessGrace(day("2028-06-01")) {
		t.Error("a second copy in the store prolongs the license")
	}
}

func TestAdvancedAccessControlContainsBasic(t *testing.T) {
	advanced := ten(1)
	advanced.Grants = []Grant{{AccessAdvanced, 1}}
	e := Derive(ringOf(t, nil, nil), here, Clock{}, []Document{held(t, advanced, "2026-12-01")})
	if !e.Allows(AccessBasic) || !e.Allows(AccessAdvanced) || e.Allows(SIP) {
		t.Error("wrong features")
	}
	basic := Derive(ringOf(t, nil, nil), here, trusted("2026-12-02"), []Document{held(t, access(1), "2026-12-01")})
	if !basic.Allows(AccessBasic) || basic.Allows(AccessAdvanced) {
		t.Error("basic contains advanced")
	}
}

func TestAccountLicensesCountForTheirAccountAlone(t *testing.T) {
	seat := ten(1)
	seat.Scope, seat.Grants = ScopeAccount, []Grant{{AppRemote, 1}}
	ring, h := ringOf(t, nil, nil), held(t, seat, "2026-12-01")
	e := Derive(ring, here, Clock{}, []Document{h})
	if e.Allows(AppRemote) || e.AllowsAccount("rossi", AppRemote) || e.AllowsAccount("", AppRemote) || e.List()[0].Status != Waiting {
		t.Errorf("a waiting license counts: %+v", e.List())
	}
	h = stated(t, Activation{Panel: hereKey.pub, License: signed(t, seat, rootKey), At: issued, Account: "rossi", AssignedAt: issued}, hereKey)
	e = Derive(ring, here, Clock{}, []Document{h})
	if e.Allows(AppRemote) || !e.AllowsAccount("rossi", AppRemote) || e.AllowsAccount("bianchi", AppRemote) || e.List()[0].Status != Active {
		t.Errorf("%+v", e.List())
	}
}

func TestRightsForAnotherPanelInTheStoreCountNothing(t *testing.T) {
	bound := ten(1)
	bound.Subject = idOf(elsewhere)
	e := Derive(ringOf(t, nil, nil), here, Clock{}, []Document{held(t, bound, "2026-12-01")})
	if e.Buttons() != 1 || e.List()[0].Status != Unusable {
		t.Errorf("%+v", e.List())
	}
}

func TestAYearIsACalendarYearInThePanelsZone(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	panel := here
	panel.Zone = rome
	for _, c := range []struct{ from, until string }{
		{"2026-12-01T10:00:00Z", "2027-12-01T10:00:00Z"},
		{"2028-02-29T10:00:00Z", "2029-03-01T10:00:00Z"},
		{"2028-02-28T23:30:00Z", "2029-02-28T23:30:00Z"}, // already 29 February in Rome, so 1 March there
		{"2027-03-27T10:00:00Z", "2028-03-27T09:00:00Z"}, // summer time has begun a year later
	} {
		from, _ := time.Parse(time.RFC3339, c.from)
		until, _ := time.Parse(time.RFC3339, c.until)
		e := Derive(ringOf(t, nil, nil), panel, Clock{Now: from}, []Document{activated(t, signed(t, access(1), rootKey), from)})
		if got := e.List()[0].Until; !got.Equal(until) {
			t.Errorf("%s: until %s instead of %s", c.from, got, c.until)
		}
		before := Derive(ringOf(t, nil, nil), panel, Clock{Now: until.Add(-1)}, []Document{activated(t, signed(t, access(1), rootKey), from)})
		after := Derive(ringOf(t, nil, nil), panel, Clock{Now: until}, []Document{activated(t, signed(t, access(1), rootKey), from)})
		if !before.Allows(AccessBasic) || after.Allows(AccessBasic) {
			t.Errorf("%s: the window is not half-open", c.from)
		}
	}
}

func TestARenewalBeginsWhereTheLicenseEnds(t *testing.T) {
	for _, c := range []struct{ name, first, second, until string }{
		{"while active", "2026-12-01", "2027-11-01", "2028-12-01"},
		{"in the grace", "2026-12-01", "2027-12-10", "2028-12-01"},
		{"after the lapse", "2026-12-01", "2027-12-15", "2028-12-15"},
	} {
		for _, ids := range [][2]byte{{1, 2}, {2, 1}} {
			h := []Document{held(t, access(ids[1]), c.second), held(t, access(ids[0]), c.first)}
			e := Derive(ringOf(t, nil, nil), here, trusted(c.second), h)
			if got := e.List()[1].Until.Format(time.DateOnly); got != c.until || !e.Allows(AccessBasic) {
				t.Errorf("%s: until %s instead of %s", c.name, got, c.until)
			}
		}
	}
}

func TestAnnualButtonsAddInsteadOfRenewing(t *testing.T) {
	a, b := ten(1), ten(2)
	a.Term, b.Term = Term{Years: 1}, Term{Years: 1}
	h := []Document{held(t, a, "2026-12-01"), held(t, b, "2027-01-01")}
	if e := Derive(ringOf(t, nil, nil), here, trusted("2027-02-01"), h); e.Buttons() != 21 {
		t.Errorf("%d buttons", e.Buttons())
	}
}

func TestLapsedAccessControlHasItsGrace(t *testing.T) {
	ring, h := ringOf(t, nil, nil), []Document{held(t, access(1), "2026-12-01")}
	for _, c := range []struct {
		now    string
		allows bool
		grace  bool
		status Status
		next   string
	}{
		{"2026-12-01", true, false, Active, "2027-11-01"},
		{"2027-11-01", true, false, Ending, "2027-12-01"},
		{"2027-12-01", false, true, Grace, "2027-12-15"},
		{"2027-12-14", false, true, Grace, "2027-12-15"},
		{"2027-12-15", false, false, Ended, "0001-01-01"},
	} {
		e := Derive(ring, here, trusted(c.now), h)
		if e.Allows(AccessBasic) != c.allows || e.AccessGrace(day(c.now)) != c.grace || e.List()[0].Status != c.status || e.NextChange().Format(time.DateOnly) != c.next {
			t.Errorf("%s: %v %v %s next %s", c.now, e.Allows(AccessBasic), e.AccessGrace(day(c.now)), e.List()[0].Status, e.NextChange())
		}
	}
	behind := Clock{Now: day("2027-12-02"), Mark: day("2027-12-20"), Trusted: true}
	if e := Derive(ring, here, behind, h); e.AccessGrace(behind.Now) {
		t.Error("a clock that was set back begins the grace anew")
	}
	revoked := ringOf(t, nil, [][]byte{revoking(t, 1, map[TokenID]time.Time{{15: 1}: day("2027-03-01")}, nil)})
	if e := Derive(revoked, here, trusted("2027-03-05"), h); e.Allows(AccessBasic) || !e.AccessGrace(day("2027-03-14")) || e.AccessGrace(day("2027-03-15")) {
		t.Error("no grace of 14 days after a revocation")
	}
	if e := Derive(revoked, here, trusted("2027-03-05"), []Document{held(t, access(1), "2027-03-02")}); e.AccessGrace(day("2027-03-05")) {
		t.Error("a license that was revoked before its activation has a grace")
	}
	both := append(slices.Clone(h), held(t, access(2), "2027-12-20"))
	if e := Derive(ring, here, trusted("2027-12-21"), both); !e.Allows(AccessBasic) || !e.AccessLapsedUntil().IsZero() {
		t.Error("renewed access control is still called lapsed")
	}
}

func TestExpiryHoldsWhenTheClockGoesBack(t *testing.T) {
	ring, h := ringOf(t, nil, nil), []Document{held(t, access(1), "2026-12-01")}
	for _, now := range []string{"2000-01-01", "2027-01-01"} {
		if e := Derive(ring, here, Clock{Now: day(now), Mark: day("2028-01-01"), Trusted: true}, h); e.Allows(AccessBasic) {
			t.Errorf("set back to %s, an ended license is active", now)
		}
	}
}

func TestPerpetualRightsIgnoreTime(t *testing.T) {
	for _, now := range []string{"1970-01-02", "2026-12-01", "2199-01-01"} {
		e := Derive(ringOf(t, nil, nil), here, Clock{Now: day(now)}, []Document{held(t, ten(1), "2026-12-01")})
		if e.Buttons() != 11 || !e.NextChange().IsZero() {
			t.Errorf("%s: %d buttons", now, e.Buttons())
		}
	}
}

func TestUpdatesAreIncludedForTenYears(t *testing.T) {
	if got := ten(1).UpdatesUntil(); !got.Equal(day("2036-11-21")) {
		t.Error(got)
	}
}

func TestEntitlementsOwnTheirMemory(t *testing.T) {
	h := held(t, ten(1), "2026-12-01")
	e := Derive(ringOf(t, nil, nil), here, Clock{}, []Document{h})
	clear(h.Raw)
	list := e.List()
	list[0].Count, list[0].Status = 99, Ended
	if e.Buttons() != 11 || e.List()[0].Count != 10 {
		t.Error("changed from outside")
	}
}

func TestEntitlementsAsJSON(t *testing.T) {
	h := []Document{held(t, ten(1), "2026-12-01"), held(t, access(2), "2026-12-01")}
	raw, err := json.Marshal(Derive(ringOf(t, nil, nil), here, trusted("2026-12-01"), h))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"buttons":11`, `"free_buttons":1`, `"features":{"access_basic":1,"buttons":10}`, `"next_change":"2027-11-01T00:00:00Z"`, `"license":"00000000000000000000000000000001"`, envelope.KeyText(rootKey.pub)} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("%s is missing in %s", part, raw)
		}
	}
	free, err := json.Marshal(Entitlements{})
	if err != nil || string(free) != `{"buttons":1,"free_buttons":1,"features":{},"roots":[],"licenses":[]}` {
		t.Errorf("%s %v", free, err)
	}
}

func TestWhatCannotBeReadIsNotSigned(t *testing.T) {
	for name, change := range map[string]func(*Token){
		"no id":               func(k *Token) { k.ID = TokenID{} },
		"no time of issue":    func(k *Token) { k.IssuedAt = time.Time{} },
		"half a second":       func(k *Token) { k.IssuedAt = issued.Add(time.Second / 2) },
		"no scope":            func(k *Token) { k.Scope = "" },
		"an unknown scope":    func(k *Token) { k.Scope = "world" },
		"half a thumbprint":   func(k *Token) { k.Subject = idOf(here)[:8] },
		"a name with a break": func(k *Token) { k.Scope = ScopeSite; k.Subject = []byte("a\nb") },
		"ends as it begins":   func(k *Token) { k.NotBefore, k.Expires = issued, issued },
		"a negative term":     func(k *Token) { k.Term.Days = -1 },
		"a long term":         func(k *Token) { k.Term.Years = 101 },
		"no grant":            func(k *Token) { k.Grants = nil },
		"a feature twice":     func(k *Token) { k.Grants = []Grant{{SIP, 1}, {SIP, 1}} },
		"none of a feature":   func(k *Token) { k.Grants = []Grant{{SIP, 0}} },
		"far too many":        func(k *Token) { k.Grants = []Grant{{Buttons, maxCount + 1}} },
		"a feature in caps":   func(k *Token) { k.Grants = []Grant{{"SIP", 1}} },
		"every feature":       func(k *Token) { k.Grants = []Grant{{Any, 1}} },
		"a long label":        func(k *Token) { k.Label = strings.Repeat("x", maxLabel+1) },
		"a label with a bell": func(k *Token) { k.Label = "a\ab" },
	} {
		token := ten(1)
		change(&token)
		if _, err := token.Sign(rootKey.pub, rootKey.sign); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// An issuer with a good key but another program must not get through what ours would never sign.
func TestSignedPayloadsOfAnotherShapeAreMalformed(t *testing.T) {
	ring := ringOf(t, nil, nil)
	good := map[any]any{6: issued.Unix(), 7: make([]byte, 15, 16), 9: "panel", -65537: map[any]any{3: map[string]int{Buttons: 10}}}
	good[7] = append(good[7].([]byte), 1)
	encode := func(change func(map[any]any)) []byte {
		claims := map[any]any{}
		for label, value := range good {
			claims[label] = value
		}
		change(claims)
		payload, err := encoder.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return payload
	}
	own := func(label, value any) func(map[any]any) {
		return func(claims map[any]any) {
			claims[-65537] = map[any]any{3: map[string]int{Buttons: 10}, label: value}
		}
	}
	raise := func(value any) func(map[any]any) {
		return func(claims map[any]any) { claims[-65537] = map[any]any{3: value} }
	}
	cases := map[string][]byte{
		"not CBOR":                []byte("DP1"),
		"an array":                {0x80},
		"an unknown claim":        encode(func(c map[any]any) { c[3] = "audience" }),
		"a condition of tomorrow": encode(own(-1, 1)),
		"expiry as a fraction":    encode(func(c map[any]any) { c[4] = 1.9e9 + 0.5 }),
		"expiry as text":          encode(func(c map[any]any) { c[4] = "never" }),
		"expiry at zero":          encode(func(c map[any]any) { c[4] = 0 }),
		"expiry before 1970":      encode(func(c map[any]any) { c[4] = -5 }),
		"expiry after 9999":       encode(func(c map[any]any) { c[4] = int64(maxUnixTime) }),
		"expiry as null":          encode(func(c map[any]any) { c[4] = nil; c[2] = []byte{} }),
		"an empty subject":        encode(func(c map[any]any) { c[2] = []byte{} }),
		"a short id":              encode(func(c map[any]any) { c[7] = []byte{1} }),
		"no id":                   encode(func(c map[any]any) { delete(c, 7) }),
		"a tagged time":           encode(func(c map[any]any) { c[6] = cbor.Tag{Number: 1, Content: issued.Unix()} }),
		"no grants":               encode(func(c map[any]any) { c[-65537] = map[any]any{} }),
		"nothing of our own":      encode(func(c map[any]any) { delete(c, -65537) }),
		"a negative count":        encode(raise(map[string]int{Buttons: -1})),
		"a count of 0":            encode(raise(map[string]int{Buttons: 0})),
		"a huge count":            encode(raise(map[string]uint64{Buttons: 1 << 63})),
		"a fraction of a button":  encode(raise(map[string]float64{Buttons: 1.5})),
		"an empty term":           encode(own(1, []int{0, 0})),
		"a term of one number":    encode(own(1, []int{1})),
		"a term of years gone by": encode(own(1, []int{-1, 0})),
		"a byte after the end":    append(encode(func(map[any]any) {}), 0),
		"a long integer":          bytes.Replace(encode(func(map[any]any) {}), []byte("buttons\x0a"), []byte("buttons\x18\x0a"), 1),
		"an indefinite map":       append(append([]byte{0xbf}, encode(func(map[any]any) {})[1:]...), 0xff),
		"a claim twice":           append(append([]byte{0xa5}, encode(func(map[any]any) {})[1:]...), 0x06, 0x01),
		"ten thousand arrays":     append(bytes.Repeat([]byte{0x81}, 1500), 0x01),
	}
	open := func(payload []byte) Verdict {
		raw, err := envelope.Sign(envelope.License, rootKey.pub, rootKey.sign, payload)
		if err != nil {
			t.Fatal(err)
		}
		return Examine(envelope.Armor(envelope.License, raw), ring, here, trusted("2026-12-01"), nil, "")
	}
	for name, payload := range cases {
		if v := open(payload); v.Result != Malformed {
			t.Errorf("%s: %s %s", name, v.Result, v.Message)
		}
	}
	if v := open(encode(func(map[any]any) {})); v.Result != Activated {
		t.Errorf("the unchanged payload: %s %s", v.Result, v.Message)
	}
	if v := open(encode(own(99, "a note of tomorrow"))); v.Result != Activated {
		t.Errorf("a note of tomorrow is not skipped: %s", v.Message)
	}
}

func TestAnOrdinaryLicenseStaysSmall(t *testing.T) {
	bound := access(1)
	bound.Subject = idOf(here)
	named := ten(1)
	named.Label, named.Grants = "Villa Rosa, stair A", []Grant{{Buttons, 10}, {AccessBasic, 1}}
	for name, token := range map[string]Token{"ten buttons": ten(1), "annual access control of one panel": bound, "with a label": named} {
		raw := signed(t, token, rootKey)
		text := envelope.Armor(envelope.License, raw)
		code, err := qr.Encode(text, qr.Q)
		if err != nil {
			t.Fatal(err)
		}
		version := (code.Size - 17) / 4
		t.Logf("%s: %d bytes, %d characters, version %d-Q", name, len(raw), len(text), version)
		if len(raw) < 130 || len(raw) > 175 || len(text) > 268 || version < 8 || version > 12 {
			t.Errorf("%s: %d bytes, %d characters, version %d", name, len(raw), len(text), version)
		}
	}
}

func TestNoHealthCertificateIsALicense(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "testdata", "eu-dcc-qr")
	if _, err := os.Stat(root); err != nil {
		t.Skip("foreign codes left out: ../shared/testdata is absent")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	ring := ringOf(t, nil, nil)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var record struct{ Prefix, Base45 string }
		if err := json.Unmarshal(raw, &record); err != nil {
			t.Fatal(file, err)
		}
		for _, text := range []string{record.Prefix, record.Base45, "DP1:" + record.Base45, "DD1:" + record.Base45} {
			if v := Examine(text, ring, here, trusted("2026-12-01"), nil, ""); v.Result != Malformed {
				t.Errorf("%s: %s", file, v.Result)
			}
		}
	}
}

func FuzzExamine(f *testing.F) {
	ring := ringOf(f, [][]byte{delegated(f, nil)}, nil)
	f.Add(text(f, ten(1), rootKey), []byte{0xa1, 0x06, 0x01})
	f.Add(envelope.Armor(envelope.Delegation, delegated(f, nil)), []byte{0xa0})
	f.Add("HC1:6BF", []byte{0xf6})
	if raw, err := base64.StdEncoding.DecodeString("pAYaaSAAAA=="); err == nil {
		f.Add("", raw)
	}
	f.Fuzz(func(t *testing.T, text string, payload []byte) {
		Examine(text, ring, here, trusted("2026-12-01"), nil, "")
		for _, kind := range []envelope.Kind{envelope.License, envelope.Delegation, envelope.Revocation} {
			raw, err := envelope.Sign(kind, rootKey.pub, rootKey.sign, payload)
			if err != nil {
				continue
			}
			v := Examine(envelope.Armor(kind, raw), ring, here, trusted("2026-12-01"), nil, "")
			if v.Result != Activated || kind != envelope.License {
				continue
			}
			again, err := v.Token.Sign(rootKey.pub, rootKey.sign)
			if err == nil && len(again) > len(raw) {
				t.Errorf("%x was read as more than it says", payload)
			}
			if e := Derive(ring, here, trusted("2026-12-01"), kept(t, nil, v)); e.Buttons() < 1 || e.Buttons() > 1+maxCount {
				t.Errorf("%d buttons", e.Buttons())
			}
		}
	})
}
