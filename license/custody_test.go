package license

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// activation is the code of what a station activated.
func (s *station) activation() string {
	s.t.Helper()
	for _, doc := range s.docs {
		if strings.HasPrefix(doc.Key, placeActivation) {
			return envelope.Armor(doc.Kind, doc.Raw)
		}
	}
	s.t.Fatal("nothing is activated at " + s.name)
	return ""
}

func on(date string) Clock { return trusted(date) }

func TestOfTwoClaimsOfOneLicenseExactlyOneStays(t *testing.T) {
	paper := text(t, ten(1), rootKey)
	for _, c := range []struct {
		name           string
		first, second  string
		firstWins      bool
		shownToTheLast bool
	}{
		{name: "the later learns", first: "2026-12-01", second: "2026-12-02", firstWins: true},
		{name: "at one instant the smaller id", first: "2026-12-01", second: "2026-12-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newStation(t, "A", 9), newStation(t, "B", 8)
			a.clock, b.clock = on(c.first), on(c.second)
			a.show(paper, Activated, "10 buttons")
			b.show(paper, Activated, "10 buttons")
			winner, loser := a, b
			if c.first == c.second {
				if bytes.Compare(idOf(b.panel), idOf(a.panel)) < 0 {
					winner, loser = b, a
				}
			}
			winner.show(loser.activation(), UsedElsewhere, "active on this panel since 2026-12-01; the activation on panel "+loser.panel.ID().String())
			winner.has(10)
			loser.has(10)
			loser.show(winner.activation(), UsedElsewhere, "active on panel "+winner.panel.ID().String()+" since 2026-12-01; that goes before what is active on this panel since")
			loser.has(0)
			loser.status(Elsewhere, winner.panel.ID().String())
			loser.show(paper, UsedElsewhere, winner.panel.ID().String())
			loser.show(winner.activation(), UsedElsewhere, "since 2026-12-01")
			winner.has(10)
			loser.undo(ten(1).ID, NotPossible, "not active")
		})
	}
}

func TestASliceSettlesTwoClaims(t *testing.T) {
	paper, id := text(t, ten(1), rootKey), ten(1).ID
	a, b, c := newStation(t, "A", 9), newStation(t, "B", 8), newStation(t, "C", 7)
	b.clock = on("2026-12-05")
	a.show(paper, Activated, "")
	b.show(paper, Activated, "")
	fromB := b.give(c, id, 3, Activated, "")
	fromA := a.give(c, id, 2, Activated, "")
	// The third panel keeps the winner's, in either order.
	for _, order := range [][]string{{fromB, fromA}, {fromA, fromB}} {
		c.docs = nil
		for i, text := range order {
			want := Activated
			if i == 1 && text == fromB {
				want = UsedElsewhere
			}
			c.show(text, want, "")
		}
		c.has(2)
	}
	// The winner refuses the loser's, the loser takes the winner's and loses its own.
	a.show(b.give(a, id, 1, Activated, ""), UsedElsewhere, "does not count")
	a.has(8)
	b.show(a.give(b, id, 4, Activated, ""), UsedElsewhere, ": that counts no more. 4 buttons added")
	b.has(4)
	if a.licensed()+b.licensed()+c.licensed() != 10 {
		t.Error("more or less than was sold")
	}
	// A slice that is meant for somebody else tells as much.
	d := newStation(t, "D", 6)
	d.clock = on("2026-12-09")
	d.show(paper, Activated, "")
	d.show(fromA, UsedElsewhere, "since 2026-12-01")
	d.has(0)
}

func TestAPanelWithAShareDoesNotTakeThePaperToo(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	paper := text(t, ten(1), rootKey)
	a.show(paper, Activated, "")
	b.show(a.give(b, ten(1).ID, 4, Activated, ""), Activated, "")
	b.clock = on("2026-11-30")
	b.show(paper, UsedElsewhere, "active on panel "+a.panel.ID().String())
	b.has(4)
}

func TestAClaimThatNobodyHereCaresAboutIsNotKept(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	b.show(a.activation(), NotPossible, "nothing to do here")
	if len(b.docs) > 0 {
		t.Error("kept")
	}
	// Nor one of a license that the claimer cannot use.
	bound := ten(2)
	bound.Subject = idOf(b.panel)
	b.clock = on("2026-12-09")
	b.show(text(t, bound, rootKey), Activated, "")
	false := stated(t, Activation{Panel: a.key.pub, License: signed(t, bound, rootKey), At: issued}, a.key)
	b.show(envelope.Armor(false.Kind, false.Raw), NotPossible, "nothing to do")
	b.has(10)
}

func TestACopiedStoreCountsNothingOnAnotherBoard(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	c := newStation(t, "C", 7)
	c.show(a.give(c, ten(1).ID, 3, Activated, ""), Activated, "")
	b.docs = append(slices.Clone(a.docs), c.docs...)
	b.has(0)
	b.status(Unusable, "Was activated on panel "+a.panel.ID().String()+": this store was copied")
	// Scanning the paper activates anew, and the first contact settles it.
	b.clock = on("2026-12-09")
	b.show(text(t, ten(1), rootKey), Activated, "10 buttons")
	b.has(10)
	b.show(a.activation(), UsedElsewhere, "goes before")
	b.has(0)
}

func TestAReleasedLicenseCountsNoMoreAndGoesToAnotherPanel(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	paper, id := text(t, ten(1), rootKey), ten(1).ID
	a.show(paper, Activated, "")
	slice := a.give(b, id, 4, Activated, "")
	b.show(slice, Activated, "")
	a.undo(id, NotPossible, "4 buttons are given to panel "+b.panel.ID().String()+"; take them back first")
	a.show(b.giveBack(id, 4, Activated, ""), Activated, "")
	a.clock = on("2026-12-08")
	a.undo(id, NotPossible, "could be undone for 7 days")
	a.clock = on("2026-12-07")
	release := a.undo(id, Activated, "another panel takes it over")
	a.has(0)
	a.status(Released, "Released from this panel on 2026-12-07")
	a.show(paper, UsedElsewhere, "released from this panel on 2026-12-07")
	a.show(release, AlreadyActive, "already released")
	a.undo(id, AlreadyActive, "already released")
	a.give(b, id, 1, NotPossible, "Released from this panel")

	b.clock = on("2026-12-20")
	b.show(release, Activated, "10 buttons added")
	b.has(10)
	b.show(release, AlreadyActive, "taken this license over already")
	b.show(paper, AlreadyActive, "already active")
	b.show(slice, UsedElsewhere, "active on this panel")
	// Back again.
	again := b.undo(id, Activated, "")
	a.clock = on("2026-12-21")
	a.show(again, Activated, "10 buttons added")
	a.has(10)
	b.has(0)
	b.show(release, UsedElsewhere, "released from this panel on 2026-12-20")
	a.show(release, AlreadyActive, "already released")
	a.has(10)
	// A stale claim of the other does not take it away.
	if v := Examine(again, b.ring, b.panel, b.clock, b.docs, ""); v.Result != AlreadyActive {
		t.Error(v.Message)
	}
	b.docs = nil
	b.show(paper, Activated, "") // its store was lost
	b.show(a.activation(), UsedElsewhere, "active on panel "+a.panel.ID().String())
	b.has(0)
}

func TestAReleaseThatTheStoreForgotIsLearnedAgain(t *testing.T) {
	a := newStation(t, "A", 9)
	a.show(text(t, ten(1), rootKey), Activated, "")
	before := slices.Clone(a.docs)
	release := a.undo(ten(1).ID, Activated, "")
	a.docs = before
	a.has(10)
	a.show(release, Activated, "which its records did not show: it counts no more")
	a.has(0)
	a.docs = before
	b := newStation(t, "B", 8)
	b.show(release, Activated, "10 buttons")
	a.show(b.activation(), UsedElsewhere, "active on panel "+b.panel.ID().String())
	a.has(0)
}

func TestOfTwoPanelsThatTakeOneReleaseOverOneStays(t *testing.T) {
	for _, seeds := range [][2]byte{{8, 7}, {7, 8}} {
		a, b, c := newStation(t, "A", 9), newStation(t, "B", seeds[0]), newStation(t, "C", seeds[1])
		a.show(text(t, ten(1), rootKey), Activated, "")
		release := a.undo(ten(1).ID, Activated, "")
		b.clock, c.clock = on("2026-12-02"), on("2026-12-03")
		b.show(release, Activated, "")
		c.show(release, Activated, "")
		b.show(c.activation(), UsedElsewhere, "counts no more")
		b.has(10)
		c.show(b.activation(), UsedElsewhere, "active on panel")
		c.has(0)
		c.show(release, AlreadyActive, "taken this license over already")
		d := newStation(t, "D", 6)
		d.clock = on("2026-12-09")
		d.show(text(t, ten(1), rootKey), Activated, "")
		d.show(b.activation(), UsedElsewhere, "active on panel")
		d.show(release, UsedElsewhere, "active on panel "+b.panel.ID().String())
	}
}

func TestAClaimThatWasGivenUpOrRevokedStandsInNobodysWay(t *testing.T) {
	paper, id := text(t, ten(1), rootKey), ten(1).ID
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(paper, Activated, "")
	a.undo(id, Activated, "")
	b.clock = on("2026-12-02")
	b.show(paper, Activated, "")
	a.show(b.give(a, id, 4, Activated, ""), Activated, "4 buttons added")
	a.has(4)
	// An issuer's key was stolen: the license that was issued anew under its id holds, whoever had activated the old one.
	ring := ringOf(t, [][]byte{delegated(t, nil)}, [][]byte{revoking(t, 1, nil, map[envelope.KeyID]time.Time{envelope.IDOf(issuerKey.pub): issued})})
	c, d := newStation(t, "C", 7), newStation(t, "D", 6)
	c.ring = ringOf(t, [][]byte{delegated(t, nil)}, nil)
	c.show(text(t, ten(2), issuerKey), Activated, "")
	d.ring, d.clock = ring, on("2026-12-09")
	d.show(text(t, ten(2), rootKey), Activated, "")
	d.show(c.activation(), NotPossible, "nothing to do here")
	d.has(10)
	fromC := c.give(d, ten(2).ID, 1, Activated, "")
	d.show(fromC, UsedElsewhere, "active on this panel")
	d.has(10)
}

// Whoever photographed the paper gains nothing by releasing his own claim to a second panel.
func TestAReleaseIsWorthNoMoreThanTheClaimItCameFrom(t *testing.T) {
	a, thief, second := newStation(t, "A", 9), newStation(t, "thief", 8), newStation(t, "second", 7)
	paper := text(t, ten(1), rootKey)
	a.show(paper, Activated, "")
	thief.clock, second.clock = on("2026-12-05"), on("2026-12-06")
	thief.show(paper, Activated, "")
	second.show(thief.undo(ten(1).ID, Activated, ""), Activated, "10 buttons")
	a.show(second.activation(), UsedElsewhere, "active on this panel since 2026-12-01; the activation on")
	a.has(10)
	second.show(a.activation(), UsedElsewhere, "active on panel "+a.panel.ID().String())
	second.has(0)
}

func TestATermThatChangedItsPanelIsNotBegunAnew(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	paper := text(t, access(1), rootKey)
	a.clock.Ran = 100 * time.Hour
	a.show(paper, Activated, "until 2027-12-01")
	a.clock, a.clock.Ran = on("2026-12-05"), 196*time.Hour
	release := a.undo(access(1).ID, Activated, "")
	if e := a.rights(); e.Allows(AccessBasic) || e.AccessGrace(day("2026-12-05")) {
		t.Error("a released license leaves a grace")
	}
	b.clock, b.clock.Ran = on("2027-03-01"), 1000*time.Hour
	b.show(release, Activated, "access control on until 2027-12-01")
	for _, doc := range b.docs {
		if next, err := OpenActivation(doc.Raw); err == nil && (next.Ran != 904*time.Hour || next.Turn != 1 || !next.At.Equal(day("2026-12-01"))) {
			t.Errorf("%+v", next)
		}
	}
	c := newStation(t, "C", 7)
	c.clock = on("2027-12-01")
	c.show(release, Expired, "ended on 2027-12-01")
	c.clock = Clock{Mark: issued}
	c.show(release, ClockUntrusted, "for sure")
}

// It was sold for the wrong panel: that panel's own release is what the seller needs to issue it for the right one without a doubt. Nobody
// else can use it, which is said before and after.
func TestALicenseForOnePanelIsReleasedForItsSellerAlone(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	bound := ten(1)
	bound.Subject = idOf(a.panel)
	a.show(text(t, bound, rootKey), Activated, "")
	code := a.undo(bound.ID, Activated, "the seller issues it for another panel")
	a.has(0)
	a.show(text(t, bound, rootKey), UsedElsewhere, "released from this panel")
	b.show(code, OtherPanel, "is for panel "+a.panel.ID().String())
	b.ring = ringOf(t, nil, [][]byte{revoking(t, 1, map[TokenID]time.Time{bound.ID: issued}, nil)})
	b.show(code, Revoked, "2026-11-21")
}

// Panel A enters a paper and its store is set back to nothing; meanwhile B enters the paper and releases it, and both A and C take the
// release over. When all meet, one of them has it, and it is the same one for all.
func TestAnOwnEarlierClaimIsNotForgottenForALaterOne(t *testing.T) {
	anEarlierClaim(t, 9, 7)
	anEarlierClaim(t, 7, 9)
}

func anEarlierClaim(t *testing.T, seedA, seedC byte) {
	a, b, c := newStation(t, "A", seedA), newStation(t, "B", 8), newStation(t, "C", seedC)
	paper := text(t, ten(1), rootKey)
	a.clock, b.clock, c.clock = on("2026-12-01"), on("2026-12-05"), on("2026-12-05")
	a.show(paper, Activated, "")
	first := a.activation()
	a.docs, a.clock = nil, on("2026-12-05")
	b.show(paper, Activated, "")
	release := b.undo(ten(1).ID, Activated, "")
	a.show(release, Activated, "")
	c.show(release, Activated, "")
	second := a.activation()

	c.show(first, UsedElsewhere, "")
	a.show(first, Activated, "earlier claim")
	a.show(first, AlreadyActive, "")
	a.show(c.activation(), UsedElsewhere, "counts no more")
	a.has(10)
	c.has(0)

	// The same in the other order: the later one comes back to a store that has the earlier.
	a.docs = nil
	a.show(first, Activated, "")
	a.show(second, Activated, "")
	a.show(c.activation(), UsedElsewhere, "counts no more")
	a.has(10)

	// Whoever has the earlier claim does not take a later one for it.
	a.docs = nil
	a.show(first, Activated, "")
	a.show(release, AlreadyActive, "already active")
}

func TestALicenseForASiteIsBoundAsItIsSold(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	// Without a name it is the first panel's.
	bearer := ten(1)
	bearer.Scope = ScopeSite
	a.show(text(t, bearer, rootKey), Activated, "")
	b.clock = on("2026-12-02")
	b.show(text(t, bearer, rootKey), Activated, "")
	b.show(a.activation(), UsedElsewhere, "")
	b.has(0)
	// With a name every panel of the site has what is on or off, and the first what is counted.
	villa := ten(2)
	villa.Scope, villa.Subject, villa.Grants = ScopeSite, []byte("villa"), []Grant{{Buttons, 10}, {SIP, 1}}
	a.docs, b.docs = nil, nil
	a.show(text(t, villa, rootKey), Activated, "")
	b.show(a.give(b, villa.ID, 4, Activated, ""), Activated, "4 buttons")
	b.show(text(t, villa, rootKey), Activated, "")
	b.has(4)
	if !a.rights().Allows(SIP) || !b.rights().Allows(SIP) {
		t.Error("a license for the site does not hold on both panels")
	}
	b.show(text(t, villa, rootKey), AlreadyActive, "")
	// Of shares from two panels that both claimed it, one counts.
	d := newStation(t, "D", 6)
	d.show(b.give(d, villa.ID, 1, NotPossible, "not active"), Malformed, "")
	late := newStation(t, "late", 5)
	late.clock = on("2026-12-09")
	late.show(text(t, villa, rootKey), Activated, "")
	d.show(late.give(d, villa.ID, 3, Activated, ""), Activated, "")
	d.show(a.give(d, villa.ID, 2, Activated, ""), Activated, "")
	d.has(2)
	// A panel of another site gets none of it.
	c := newStation(t, "C", 7)
	c.panel.Site = "hotel"
	c.show(a.give(c, villa.ID, 1, Activated, ""), OtherPanel, `for site "villa"`)
}

func TestAnAccountIsChosenAtOnceOrLaterAndThenFinal(t *testing.T) {
	seat := ten(1)
	seat.Scope, seat.Grants = ScopeAccount, []Grant{{AppRemote, 1}}
	paper := text(t, seat, rootKey)
	a := newStation(t, "A", 9)
	a.did(Examine(paper, a.ring, a.panel, a.clock, nil, "rossi"), Activated, "Remote App on")
	if !a.rights().AllowsAccount("rossi", AppRemote) {
		t.Error("not given to the account that was chosen")
	}
	a.docs = nil
	a.show(paper, Activated, "waiting to be given to an account")
	a.assign(seat.ID, "", AlreadyActive, "")
	a.clock = on("2027-02-01")
	a.did(Examine(paper, a.ring, a.panel, a.clock, a.docs, "rossi"), Activated, "given to rossi")
	a.assign(seat.ID, "rossi", AlreadyActive, "already")
	a.clock = on("2027-02-07")
	a.assign(seat.ID, "bianchi", Activated, "iven to bianchi")
	if e := a.rights(); e.AllowsAccount("rossi", AppRemote) || !e.AllowsAccount("bianchi", AppRemote) || !e.List()[0].Activated.Equal(day("2026-12-01")) {
		t.Errorf("%+v", e.List())
	}
	a.assign(seat.ID, "", Activated, "aiting to be given")
	a.assign(seat.ID, "verdi", Activated, "")
	a.clock = on("2027-02-08")
	a.assign(seat.ID, "rossi", NotPossible, "It was given to verdi on 2027-02-01 and could be changed for 7 days")
	a.assign(seat.ID, "a\nb", NotPossible, "not the name of an account")
	a.show(paper, AlreadyActive, "")
	a.show(text(t, ten(2), rootKey), Activated, "")
	a.assign(ten(2).ID, "rossi", NotPossible, "for the whole panel")
	a.assign(TokenID{9}, "rossi", NotPossible, "not on this panel")
	named := ten(3)
	named.Scope, named.Grants, named.Subject = ScopeAccount, []Grant{{AppRemote, 1}}, []byte("neri")
	a.show(text(t, named, rootKey), Activated, "Remote App on")
	a.assign(named.ID, "rossi", NotPossible, `sold for account "neri"`)
}

func TestAPanelIsRecognizedByItsIdentity(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "Stairs B", 8)
	code := func(i Identity) string {
		doc := stated(t, i, b.key)
		return envelope.Armor(doc.Kind, doc.Raw)
	}
	v := Examine(code(b.identity()), a.ring, a.panel, a.clock, a.docs, "")
	if v.Peer == nil || v.Peer.ID() != b.panel.ID() || v.Peer.Name != "Stairs B" {
		t.Fatalf("%+v", v)
	}
	a.did(v, Activated, "anel Stairs B ("+b.panel.ID().String()[:6]+"…) recognized: choose on the page how many buttons to give it")
	a.show(code(b.identity()), AlreadyActive, "recognized")
	renamed := b.identity()
	renamed.Name, renamed.At = "Stairs C", issued.Add(time.Hour)
	a.show(code(renamed), Activated, "Stairs C")
	a.show(code(b.identity()), AlreadyActive, "recognized")
	if peers := Peers(a.docs); len(peers) != 1 || peers[0].Name != "Stairs C" {
		t.Errorf("%+v", peers)
	}
	b.show(code(b.identity()), NotPossible, "of this panel itself")
	for i := range maxPeers + 5 {
		other := newStation(t, "", byte(100+i))
		doc := stated(t, other.identity(), other.key)
		if v := Examine(envelope.Armor(doc.Kind, doc.Raw), a.ring, a.panel, a.clock, a.docs, ""); v.Result != Activated || v.Peer == nil {
			t.Fatalf("%+v", v)
		} else {
			a.keep(v)
		}
	}
	if n := len(Peers(a.docs)); n != maxPeers {
		t.Errorf("%d panels are remembered", n)
	}
}

// Whatever byte of a store is changed, and whatever document is cut off, nobody has more than before.
func TestADamagedRecordNeverGivesMore(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	slice := a.give(b, id, 4, Activated, "")
	b.show(slice, Activated, "")
	back := b.giveBack(id, 1, Activated, "")
	loser := newStation(t, "L", 7)
	loser.clock = on("2026-12-09")
	loser.show(text(t, ten(1), rootKey), Activated, "")
	loser.show(a.activation(), UsedElsewhere, "")
	gone := newStation(t, "G", 6)
	gone.show(text(t, ten(2), rootKey), Activated, "")
	release := gone.undo(ten(2).ID, Activated, "")
	for _, s := range []*station{a, b, loser, gone} {
		before, had := slices.Clone(s.docs), s.licensed()
		for i, doc := range before {
			for at := 0; at < len(doc.Raw); at += 1 + at%7 {
				flipped := slices.Clone(doc.Raw)
				flipped[at] ^= 0x10
				s.docs = slices.Clone(before)
				s.docs[i].Raw = flipped
				if s.licensed() > had {
					t.Fatalf("%s: %s with byte %d changed gives %d instead of %d", s.name, doc.Key, at, s.licensed(), had)
				}
			}
			s.docs = slices.Clone(before)
			s.docs[i].Raw = doc.Raw[:len(doc.Raw)/2]
			if s.licensed() > had {
				t.Fatalf("%s: half of %s gives %d instead of %d", s.name, doc.Key, s.licensed(), had)
			}
		}
		s.docs = before
	}
	// What is withheld comes back with the other panel's code.
	damage := func(s *station, place string) {
		t.Helper()
		for i, doc := range s.docs {
			if strings.HasPrefix(doc.Key, place) {
				s.docs[i].Raw = []byte("?")
				return
			}
		}
		t.Fatal("nothing to damage at " + place)
	}
	damage(a, placeGiven)
	a.has(0)
	a.status(Unusable, "record of what was given away is damaged; show the receiving panel's code")
	a.give(b, id, 1, NotPossible, "is damaged")
	a.undo(id, NotPossible, "is damaged")
	a.show(back, Activated, "7 here + 1 free")
	a.has(7)
	damage(a, placeGiven)
	a.show(slice, Activated, "")
	a.has(7)
	damage(b, placeBack)
	b.has(0)
	b.status(Unusable, "what was given back is damaged")
	b.giveBack(id, 1, NotPossible, "is damaged")
	b.show(a.give(b, id, 1, Activated, ""), Activated, "all 4 count as given back")
	b.has(1)
	damage(loser, placeClaim)
	loser.status(Unusable, "another panel's claim is damaged")
	loser.show(text(t, ten(1), rootKey), NotPossible, "is damaged")
	loser.show(a.activation(), UsedElsewhere, "")
	loser.status(Elsewhere, "")
	damage(gone, placeRelease)
	gone.status(Unusable, "release is damaged")
	gone.undo(ten(2).ID, NotPossible, "is damaged")
	gone.show(release, Activated, "counts no more")
	gone.status(Released, "")
	damage(b, placeTaken)
	if list := b.rights().List(); !slices.ContainsFunc(list, func(e Entry) bool { return strings.Contains(e.Message, "record of a share is damaged") }) {
		t.Errorf("%+v", list)
	}
	damage(a, placeActivation)
	a.status(Unusable, "enter the license again")
	a.show(text(t, ten(1), rootKey), Activated, "")
	a.has(6)
}

// A panel that released a license, got it back and kept both activations holds it by the later one.
func TestALaterTurnReplacesAnEarlierOne(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	older := slices.Clone(a.docs)
	b.show(a.undo(ten(1).ID, Activated, ""), Activated, "")
	a.clock = on("2026-12-03")
	a.show(b.undo(ten(1).ID, Activated, ""), Activated, "")
	for _, docs := range [][]Document{append(slices.Clone(older), a.docs...), append(slices.Clone(a.docs), older...)} {
		a.docs = docs
		a.has(10)
	}
}

// What another panel signed is nobody's own record, whatever place it stands in.
func TestRecordsOfAnotherPanelAreNotBelieved(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	for _, s := range []*station{a, b} {
		s.show(text(t, ten(1), rootKey), Activated, "")
	}
	forged := stated(t, Release{Panel: b.key.pub, Activation: a.docs[0].Raw, At: issued}, b.key)
	foreign := stated(t, Release{Panel: b.key.pub, Activation: b.docs[0].Raw, At: issued}, b.key)
	a.docs = append(a.docs, foreign)
	a.has(10)
	a.show(text(t, ten(1), rootKey), AlreadyActive, "")
	a.docs = append(a.docs[:1:1], forged)
	a.status(Unusable, "release is damaged")
}

func TestTheNewerOfTwoRecordsOfOnePlaceCounts(t *testing.T) {
	for _, names := range [][2]string{{"rossi", "bianchi"}, {"bianchi", "rossi"}} {
		newerCounts(t, names[0], names[1])
	}
}

func newerCounts(t *testing.T, first, second string) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	seat := ten(2)
	seat.Scope, seat.Grants = ScopeAccount, []Grant{{AppRemote, 1}}
	a.show(text(t, ten(1), rootKey), Activated, "")
	a.show(text(t, seat, rootKey), Activated, "")
	a.give(b, ten(1).ID, 4, Activated, "")
	a.assign(seat.ID, first, Activated, "")
	older := slices.Clone(a.docs)
	a.give(b, ten(1).ID, 2, Activated, "")
	a.assign(seat.ID, second, Activated, "")
	newer := slices.Clone(a.docs)
	for _, docs := range [][]Document{append(slices.Clone(older), newer...), append(slices.Clone(newer), older...)} {
		a.docs = docs
		a.has(4)
		if !a.rights().AllowsAccount(second, AppRemote) || a.rights().AllowsAccount(first, AppRemote) {
			t.Error("the older account counts")
		}
	}
	// A copy that is damaged does no harm while another one is whole.
	a.docs = slices.Clone(newer)
	for _, doc := range newer {
		doc.Raw = []byte("?")
		a.docs = append(a.docs, doc)
	}
	a.has(4)
}
