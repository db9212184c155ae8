package license

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

func coded(doc Document) string { return envelope.Armor(doc.Kind, doc.Raw) }

// seat is a license for one account.
func seat(id byte) Token {
	token := ten(id)
	token.Scope, token.Grants = ScopeAccount, []Grant{{AppRemote, 1}}
	return token
}

func (s *station) damage(place string) {
	s.t.Helper()
	for i, doc := range s.docs {
		if strings.HasPrefix(doc.Key, place) {
			s.docs[i].Raw = []byte("?")
			return
		}
	}
	s.t.Fatal("nothing to damage at " + place)
}

// From A to B to C: B, set back to when it still had the license, yields to C, whose turn is later.
func TestWhoTookALicenseOverLastHasIt(t *testing.T) {
	a, b, c := newStation(t, "A", 9), newStation(t, "B", 8), newStation(t, "C", 7)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	b.clock, c.clock = on("2026-12-02"), on("2026-12-03")
	b.show(a.undo(id, Activated, ""), Activated, "")
	before, stale := slices.Clone(b.docs), b.activation()
	c.show(b.undo(id, Activated, ""), Activated, "")
	c.show(stale, UsedElsewhere, "counts no more")
	c.has(10)
	b.docs = before
	b.show(c.activation(), UsedElsewhere, "goes before")
	b.has(0)
}

func TestALicenseChangesItsPanelAThousandTimesAtMost(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	for turn, want := range map[int]Result{maxTurns - 1: Activated, maxTurns: NotPossible} {
		last := stated(t, Activation{Panel: a.key.pub, License: signed(t, ten(1), rootKey), At: issued, Turn: turn, Origin: Origin{here.ID(), issued}}, a.key)
		b.docs = nil
		b.show(coded(stated(t, Release{Panel: a.key.pub, Activation: last.Raw, At: issued}, a.key)), want, "")
	}
}

func TestWhatAPanelHoldsForAnAccountGoesOnWhenItTakesAReleaseOver(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	paper := text(t, seat(1), rootKey)
	a.show(paper, Activated, "")
	b.clock = on("2026-12-02")
	b.show(paper, Activated, "")
	b.assign(seat(1).ID, "rossi", Activated, "")
	b.did(Examine(a.undo(seat(1).ID, Activated, ""), b.ring, b.panel, b.clock, b.docs, "bianchi"), Activated, "")
	if !b.rights().AllowsAccount("rossi", AppRemote) {
		t.Errorf("%+v", b.rights().List())
	}
	b.clock = on("2026-12-09")
	b.assign(seat(1).ID, "bianchi", NotPossible, "given to rossi on 2026-12-02")
}

func TestAnAccountThatIsNamedWhereNoneBelongsIsLeftOut(t *testing.T) {
	named := seat(3)
	named.Subject = []byte("neri")
	for _, c := range []struct {
		token Token
		want  string
	}{{seat(1), "rossi"}, {ten(2), ""}, {named, ""}} {
		a := newStation(t, "A", 9)
		a.did(Examine(text(t, c.token, rootKey), a.ring, a.panel, a.clock, nil, "rossi"), Activated, "")
		if got, err := OpenActivation(a.docs[0].Raw); err != nil || got.Account != c.want || (got.AssignedAt.IsZero()) != (c.want == "") {
			t.Errorf("%s: %+v, %v", c.token.Scope, got, err)
		}
	}
}

func TestAnAccountIsAssignedWhileItsLicenseLasts(t *testing.T) {
	a := newStation(t, "A", 9)
	annual := seat(1)
	annual.Term = Term{Years: 1}
	a.show(text(t, annual, rootKey), Activated, "")
	a.clock = on("2027-12-01")
	a.assign(annual.ID, "rossi", NotPossible, "not active: Ended on 2027-12-01")
	a.assign(annual.ID, strings.Repeat("x", maxLabel+1), NotPossible, "not the name of an account")

	worn := stated(t, Activation{Panel: a.key.pub, License: signed(t, seat(2), rootKey), At: issued, Changes: maxChanges}, a.key)
	a.docs = []Document{worn}
	a.assign(seat(2).ID, "rossi", NotPossible, "changed too often")
}

// What a panel gave up does not come back as its earlier claim, and neither does its own word from before an account was chosen.
func TestAnOwnClaimThatNoLongerHoldsIsNotRestored(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	paper := text(t, ten(1), rootKey)
	a.show(paper, Activated, "")
	first := a.activation()
	a.undo(ten(1).ID, Activated, "")
	b.clock = on("2026-12-05")
	b.show(paper, Activated, "")
	a.show(b.undo(ten(1).ID, Activated, ""), Activated, "")
	a.show(first, AlreadyActive, "own activation is here already")

	a.docs = nil
	a.show(text(t, seat(2), rootKey), Activated, "")
	waiting := a.activation()
	a.assign(seat(2).ID, "rossi", Activated, "")
	a.show(waiting, AlreadyActive, "own activation is here already")
	if len(a.docs) != 1 {
		t.Errorf("%d documents are kept", len(a.docs))
	}
}

// A license for an account that nobody was chosen for, and one that is not counted by itself, are undone like any other.
func TestWhatDoesNotCountYetCanBeUndone(t *testing.T) {
	a := newStation(t, "A", 9)
	a.show(text(t, seat(1), rootKey), Activated, "")
	a.undo(seat(1).ID, Activated, "")
	later := ten(2)
	later.NotBefore = day("2026-11-25")
	a.docs = nil
	a.show(text(t, later, rootKey), Activated, "")
	a.clock = Clock{Now: day("2026-11-24"), Mark: issued, Trusted: true}
	a.undo(later.ID, Activated, "")
}

// The first right of the license is on, but what was given away of the second is not known.
func TestNothingIsUndoneWhileItsSharesAreNotKnown(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	mixed := ten(1)
	mixed.Grants = []Grant{{AccessBasic, 1}, {Buttons, 10}}
	a.show(text(t, mixed, rootKey), Activated, "")
	a.give(b, mixed.ID, 4, Activated, "")
	a.damage(placeGiven)
	a.undo(mixed.ID, NotPossible, uncountable[1:])
}

// The panels of a site that come to its license later are not its first, whatever their clocks show.
func TestALateClockMakesNoEarlierClaim(t *testing.T) {
	for _, seeds := range [][2]byte{{9, 8}, {8, 9}} {
		a, b := newStation(t, "A", seeds[0]), newStation(t, "B", seeds[1])
		villa := ten(2)
		villa.Scope, villa.Subject, villa.Grants = ScopeSite, []byte("villa"), []Grant{{Buttons, 10}, {SIP, 1}}
		a.show(text(t, villa, rootKey), Activated, "")
		b.show(a.give(b, villa.ID, 4, Activated, ""), Activated, "")
		b.clock = on("2026-11-30")
		b.show(text(t, villa, rootKey), Activated, "")
		b.has(4)
		a.show(b.activation(), UsedElsewhere, "active on this panel")
		a.has(6)
	}
}

func TestALicenseThatWasIssuedAnewUnderItsIDIsEntered(t *testing.T) {
	a := newStation(t, "A", 9)
	a.ring = ringOf(t, [][]byte{delegated(t, nil)}, nil)
	a.show(text(t, ten(1), issuerKey), Activated, "")
	a.ring = ringOf(t, [][]byte{delegated(t, nil)}, [][]byte{revoking(t, 1, nil, map[envelope.KeyID]time.Time{envelope.IDOf(issuerKey.pub): issued})})
	a.has(0)
	a.show(text(t, ten(1), rootKey), Activated, "10 buttons added")
	a.has(10)
}

func TestAnIdentityIsKeptWhenItSaysSomethingNew(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	name := func(name string, after time.Duration) string {
		return coded(stated(t, Identity{Panel: b.key.pub, Name: name, At: issued.Add(after)}, b.key))
	}
	a.show(name("B", time.Hour), Activated, "")
	before := a.docs[0].Raw
	a.show(name("B", 2*time.Hour), AlreadyActive, "")
	a.show(name("C", time.Minute), AlreadyActive, "")
	a.show(name("C", time.Hour), AlreadyActive, "")
	if len(a.docs) != 1 || string(a.docs[0].Raw) != string(before) || a.docs[0].Kind != envelope.Identity {
		t.Errorf("%d documents are kept", len(a.docs))
	}
}

// signedAs is a statement of the panel here with claims that no panel of ours would put into it.
func signedAs(t *testing.T, kind envelope.Kind, claims tokenClaims, own any) []byte {
	t.Helper()
	doc, err := signStatement(statement{kind: kind, panel: hereKey.pub, claims: claims, own: own}, hereKey.sign)
	if err != nil {
		t.Fatal(err)
	}
	return doc.Raw
}

func TestStatementsOfAnotherProgramAreReadStrictly(t *testing.T) {
	raw := signed(t, ten(1), rootKey)
	activation := activated(t, raw, issued).Raw
	at := seconds(issued)
	other, id := elsewhere.ID(), TokenID{1}
	slice := sliceOwn{Activation: activation, Feature: Buttons, Given: 4}
	good := activationOwn{License: raw}
	from := here.ID()
	const lifetime = 200*366*24*3600 + 1
	half := int64(-1 << 40)
	for name, c := range map[string]struct {
		kind   envelope.Kind
		claims tokenClaims
		own    any
	}{
		"an activation with a scope":            {envelope.Activation, tokenClaims{IssuedAt: at, Scope: "panel"}, good},
		"an activation for a panel":             {envelope.Activation, tokenClaims{IssuedAt: at, Subject: other[:]}, good},
		"an activation with an id":              {envelope.Activation, tokenClaims{IssuedAt: at, ID: id[:]}, good},
		"an activation that ends":               {envelope.Activation, tokenClaims{IssuedAt: at, Expires: at}, good},
		"an activation that begins":             {envelope.Activation, tokenClaims{IssuedAt: at, NotBefore: at}, good},
		"an activation with too many changes":   {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Changes: maxChanges + 1}},
		"an activation after too many turns":    {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Turn: maxTurns + 1, OriginPanel: from[:], OriginAt: at}},
		"an activation for a long account":      {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Account: strings.Repeat("x", maxLabel+1)}},
		"an activation of a short origin":       {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Turn: 1, OriginPanel: from[:8], OriginAt: at}},
		"an activation with half an origin":     {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, OriginPanel: []byte{1}}},
		"an activation assigned at no time":     {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, AssignedAt: &half}},
		"an activation from no time":            {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Turn: 1, OriginPanel: from[:], OriginAt: &half}},
		"an activation that ran too long":       {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Ran: lifetime}},
		"an activation that ran too far back":   {envelope.Activation, tokenClaims{IssuedAt: at}, activationOwn{License: raw, Ran: -lifetime}},
		"a release after too long":              {envelope.Release, tokenClaims{IssuedAt: at}, releaseOwn{Activation: activation, Ran: lifetime}},
		"a slice for nobody":                    {envelope.Slice, tokenClaims{IssuedAt: at}, slice},
		"a slice for half a panel":              {envelope.Slice, tokenClaims{IssuedAt: at, Subject: other[:8]}, slice},
		"a slice with a scope":                  {envelope.Slice, tokenClaims{IssuedAt: at, Subject: other[:], Scope: "panel"}, slice},
		"a slice with an id":                    {envelope.Slice, tokenClaims{IssuedAt: at, Subject: other[:], ID: id[:]}, slice},
		"a slice for the panel that gives":      {envelope.Slice, tokenClaims{IssuedAt: at, Subject: from[:]}, slice},
		"a slice that took back more than gave": {envelope.Slice, tokenClaims{IssuedAt: at, Subject: other[:]}, sliceOwn{activation, Buttons, 4, 5}},
		"a return of too much":                  {envelope.Return, tokenClaims{IssuedAt: at}, returnOwn{[]byte{1}, maxDealt + 1}},
	} {
		_, err := openAny(c.kind, signedAs(t, c.kind, c.claims, c.own))
		if c.kind == envelope.Return {
			_, err = OpenReturn(signedAs(t, c.kind, c.claims, c.own))
		}
		if !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]Statement{
		"half a second of running":           Activation{Panel: hereKey.pub, License: raw, At: issued, Ran: time.Second / 2},
		"half a second of a release":         Release{Panel: hereKey.pub, Activation: activation, At: issued, Ran: time.Second / 2},
		"an account at half a second":        Activation{Panel: hereKey.pub, License: raw, At: issued, Account: "rossi", AssignedAt: issued.Add(time.Second / 2)},
		"an origin at half a second":         Activation{Panel: hereKey.pub, License: raw, At: issued, Turn: 1, Origin: Origin{from, issued.Add(time.Second / 2)}},
		"an account that is a story":         Activation{Panel: hereKey.pub, License: raw, At: issued, Account: strings.Repeat("x", maxLabel+1)},
		"more changes than are ever counted": Activation{Panel: hereKey.pub, License: raw, At: issued, Changes: maxChanges + 1},
	} {
		if _, err := s.Sign(hereKey.sign); err == nil {
			t.Errorf("%s is signed", name)
		}
	}
}

func TestAPassOfAnotherProgramIsReadStrictly(t *testing.T) {
	mine, id := here.ID(), TokenID{1}
	claims := tokenClaims{Subject: mine[:], NotBefore: seconds(issued), Expires: seconds(issued.Add(time.Hour)), ID: id[:]}
	if _, err := OpenPass(signedAs(t, envelope.Pass, claims, passOwn{Uses: 1, Doors: []string{"a", "b"}}), hereKey.pub); err != nil {
		t.Fatal(err)
	}
	for name, own := range map[string]passOwn{
		"used never":              {Uses: 0},
		"used too often":          {Uses: maxUses + 1},
		"for doors in no order":   {Uses: 1, Doors: []string{"b", "a"}},
		"for a door twice":        {Uses: 1, Doors: []string{"a", "a"}},
		"for a door with a break": {Uses: 1, Doors: []string{"a\nb"}},
	} {
		if _, err := OpenPass(signedAs(t, envelope.Pass, claims, own), hereKey.pub); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("a pass %s: %v", name, err)
		}
	}
	for _, size := range []int{1, 15, 17} {
		short := claims
		short.ID = make([]byte, size)
		short.ID[0] = 1
		if _, err := OpenPass(signedAs(t, envelope.Pass, short, passOwn{Uses: 1}), hereKey.pub); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("an id of %d bytes: %v", size, err)
		}
	}
	late := Pass{Panel: hereKey.pub, ID: id, NotBefore: issued.Add(time.Second / 2), Expires: issued.Add(time.Hour), Uses: 1}
	if _, err := late.Sign(hereKey.sign); err == nil {
		t.Error("a pass from half a second on is signed")
	}
}

// What a license, a delegation or a revocation list has no place for is not overlooked: it might be meant as a limit.
func TestDocumentsOfIssuersStateNoPanelsKey(t *testing.T) {
	id := TokenID{1}
	grants := tokenOwn{Grants: map[string]int{Buttons: 1}}
	at := seconds(issued)
	for name, c := range map[string]struct {
		read   func([]byte) error
		claims tokenClaims
		own    any
	}{
		"a license": {func(p []byte) error { _, err := decodeToken(p, envelope.KeyID{}); return err },
			tokenClaims{IssuedAt: at, ID: id[:], Scope: "panel"}, grants},
		"a delegation": {func(p []byte) error { _, err := decodeDelegation(p); return err },
			tokenClaims{IssuedAt: at, NotBefore: at, Expires: seconds(issued.Add(time.Hour)), Subject: issuerKey.pub},
			delegationOwn{Number: 1, Name: "Dealer", Ceilings: map[string]int{Buttons: 1}}},
		"a revocation list": {func(p []byte) error { _, err := decodeRevocation(p); return err }, tokenClaims{IssuedAt: at}, revocationOwn{Number: 1}},
	} {
		for _, issuer := range [][]byte{nil, hereKey.pub} {
			c.claims.Issuer = issuer
			payload, err := encodeClaims(c.claims, c.own)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.read(payload); (err != nil) != (issuer != nil) {
				t.Errorf("%s with the key %x: %v", name, issuer, fmt.Sprint(err))
			}
		}
	}
}

// A store from before A had the license back learns from a slice that it has it, and what it gave of it since.
func TestASliceTellsAnOlderStoreThatTheLicenseCameBack(t *testing.T) {
	a, b, c := newStation(t, "A", 9), newStation(t, "B", 8), newStation(t, "C", 7)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	active := slices.Clone(a.docs)
	given := a.undo(id, Activated, "")
	b.show(given, Activated, "")
	released := slices.Clone(a.docs)
	a.show(b.undo(id, Activated, ""), Activated, "")
	slice := a.give(c, id, 4, Activated, "")
	for _, docs := range [][]Document{nil, active, released} {
		a.docs = docs
		a.show(slice, Activated, "which its records did not show")
		a.has(6)
		a.show(a.activation(), AlreadyActive, "")
		if _, raw, err := envelope.Unarmor(a.activation()); err != nil {
			t.Error(err)
		} else if own, err := OpenActivation(raw); err != nil || own.Turn != 2 {
			t.Errorf("%+v, %v", own, err)
		}
		a.show(given, AlreadyActive, "already released")
		a.has(6)
	}
}

func TestAReleaseOfAnUnknownIssuerIsRefused(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	release := a.undo(ten(1).ID, Activated, "")
	for _, s := range []*station{a, b} {
		s.ring, s.docs = Keyring{}, nil
		s.show(release, UnknownIssuer, "not known here")
		if len(s.docs) > 0 {
			t.Error("kept")
		}
	}
}

func TestARefusalNamesWhatIsCertainFirst(t *testing.T) {
	a := newStation(t, "A", 9)
	bound := ten(1)
	bound.Subject = idOf(elsewhere)
	a.ring = ringOf(t, nil, [][]byte{revoking(t, 1, map[TokenID]time.Time{bound.ID: issued}, nil)})
	a.show(text(t, bound, rootKey), Revoked, "2026-11-21")

	later := ten(2)
	later.NotBefore = day("2026-11-25")
	a.clock = Clock{Now: day("2026-12-01"), Mark: issued}
	a.show(text(t, later, rootKey), ClockUntrusted, "does not know it for sure")

	a.clock = on("2026-12-01")
	paper := text(t, access(3), rootKey)
	a.show(paper, Activated, "")
	a.clock = on("2027-12-05")
	a.status(Grace, "")
	a.show(paper, Expired, "ended on 2027-12-01")
}

func TestAStatementSaysNoTimeThatIsNotCertain(t *testing.T) {
	a := newStation(t, "A", 9)
	a.clock = Clock{Now: day("2031-01-01"), Mark: day("2026-11-30")}
	a.show(text(t, ten(1), rootKey), Activated, "")
	if at := a.rights().List()[0].Activated; !at.Equal(day("2026-11-30")) {
		t.Error(at)
	}
}

func TestAnOwnCodeMendsADamagedActivation(t *testing.T) {
	a := newStation(t, "A", 9)
	a.show(text(t, ten(1), rootKey), Activated, "")
	code := a.activation()
	a.damage(placeActivation)
	a.has(0)
	a.show(code, Activated, "own activation was restored")
	a.has(10)
}

func TestTheLastOfTwoReleasesCounts(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id, paper := ten(1).ID, text(t, ten(1), rootKey)
	a.show(paper, Activated, "")
	b.show(a.undo(id, Activated, ""), Activated, "")
	older := slices.Clone(a.docs)
	a.show(b.undo(id, Activated, ""), Activated, "")
	a.undo(id, Activated, "")
	for _, docs := range [][]Document{append(slices.Clone(older), a.docs...), append(slices.Clone(a.docs), older...)} {
		a.docs = docs
		a.has(0)
		a.show(paper, UsedElsewhere, "released from this panel")
	}
	// Of the activation that it ended nothing need be left.
	a.docs = slices.DeleteFunc(a.docs, func(d Document) bool { return d.Kind == envelope.Activation })
	a.show(paper, UsedElsewhere, "released from this panel")
	a.has(0)
}

func TestOfTwoSharesTheOneThatCountsIsGivenBack(t *testing.T) {
	for _, seeds := range [][2]byte{{9, 8}, {8, 9}} {
		a, b, c := newStation(t, "A", seeds[0]), newStation(t, "B", seeds[1]), newStation(t, "C", 7)
		id := ten(1).ID
		b.clock = on("2026-12-05")
		a.show(text(t, ten(1), rootKey), Activated, "")
		b.show(text(t, ten(1), rootKey), Activated, "")
		c.show(b.give(c, id, 3, Activated, ""), Activated, "")
		c.show(a.give(c, id, 2, Activated, ""), Activated, "")
		c.has(2)
		c.giveBack(id, 3, PoolExhausted, "2 of 2, 1 too many")
		a.show(c.giveBack(id, 2, Activated, ""), Activated, "2 buttons came back")
		a.has(10)
		c.has(0)
	}
}

func TestTheGiversCodeMendsADamagedShare(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	slice := a.give(b, id, 4, Activated, "")
	b.show(slice, Activated, "")
	b.damage(placeTaken)
	b.has(0)
	b.show(slice, Activated, "4 buttons")
	b.has(4)
}

// A code that was kept since before a share went back must not bring it back: how much went back is not known any more.
func TestADamagedReturnCountsAsEverythingGivenBack(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	old := a.give(b, id, 4, Activated, "")
	b.show(old, Activated, "")
	a.show(b.giveBack(id, 3, Activated, ""), Activated, "9 here")
	b.damage(placeBack)
	b.has(0)
	v := b.show(old, Activated, "all 4 count as given back; show this panel's code to")
	b.has(0)
	a.show(v, Activated, "1 button came back")
	a.has(10)
	b.show(a.give(b, id, 2, Activated, ""), Activated, "")
	b.has(2)
	a.has(8)
}

func TestAShareWhoseTwoRecordsAreDamagedWaitsForABackup(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	old := a.give(b, id, 4, Activated, "")
	b.show(old, Activated, "")
	b.giveBack(id, 3, Activated, "")
	whole := slices.Clone(b.docs)
	b.damage(placeTaken)
	b.damage(placeBack)
	b.show(old, NotPossible, "restore a backup")
	b.show(a.give(b, id, 1, Activated, ""), NotPossible, "restore a backup")
	b.has(0)
	b.docs = whole
	b.has(1)
}

func TestOfTwoLicensesWithOneIDTheOneThatHoldsIsUndone(t *testing.T) {
	for id := range byte(6) {
		a := newStation(t, "A", 9)
		a.ring = ringOf(t, [][]byte{delegated(t, nil)}, nil)
		a.show(text(t, ten(id+1), issuerKey), Activated, "")
		a.ring = ringOf(t, [][]byte{delegated(t, nil)}, [][]byte{revoking(t, 1, nil, map[envelope.KeyID]time.Time{envelope.IDOf(issuerKey.pub): issued})})
		a.show(text(t, ten(id+1), rootKey), Activated, "10 buttons added")
		a.undo(ten(id+1).ID, Activated, "")
		a.has(0)
	}
}

// Whoever lost its own activation, and nothing else, has it back from what it gave itself, even when that tells nothing new otherwise.
func TestAPanelsOwnShareRestoresItsActivation(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	slice := a.give(b, id, 4, Activated, "")
	a.show(slice, AlreadyActive, "known here already")
	a.damage(placeActivation)
	a.has(0)
	a.show(slice, Activated, "own records were restored: 6 here")
	a.has(6)
}
