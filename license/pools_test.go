package license

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// station is a panel with a store, which does what verdicts ask.
type station struct {
	t     testing.TB
	key   testKey
	name  string
	ring  Keyring
	panel Panel
	clock Clock
	docs  []Document
}

func newStation(t testing.TB, name string, seed byte) *station {
	key := keyOf(seed)
	return &station{t: t, key: key, name: name, ring: ringOf(t, nil, nil), panel: Panel{Key: key.pub, Site: "villa"}, clock: trusted("2026-12-01")}
}

func (s *station) identity() Identity { return Identity{Panel: s.key.pub, Name: s.name, At: issued} }

func (s *station) keep(v Verdict) string {
	s.t.Helper()
	docs, text := slices.Clone(v.Keep), ""
	if v.Sign != nil {
		doc := stated(s.t, v.Sign, s.key)
		docs, text = append(docs, doc), envelope.Armor(doc.Kind, doc.Raw)
	}
	for _, doc := range docs {
		if at, ok := DocumentAt(doc.Key, doc.Raw); !ok || at.Kind != doc.Kind {
			s.t.Errorf("%s %s has no place", doc.Kind, doc.Key)
		}
		s.docs = slices.DeleteFunc(s.docs, func(old Document) bool { return old.Key == doc.Key })
	}
	s.docs = append(s.docs, docs...)
	if v.After != nil && !v.After.Equal(s.rights()) {
		s.t.Errorf("%s: what was announced does not hold:\n%+v\n%+v", v.Message, v.After.List(), s.rights().List())
	}
	return text
}

func (s *station) rights() Entitlements { return Derive(s.ring, s.panel, s.clock, s.docs) }

// licensed is how many buttons licenses give here.
func (s *station) licensed() int { return s.rights().Count(Buttons) }

// show presents a code and keeps what comes of it.
func (s *station) show(text string, want Result, message string) string {
	s.t.Helper()
	return s.did(Examine(text, s.ring, s.panel, s.clock, s.docs, ""), want, message)
}

func (s *station) did(v Verdict, want Result, message string) string {
	s.t.Helper()
	if v.Result != want || !strings.Contains(v.Message, message) || v.Title == "" {
		s.t.Fatalf("%s: %s %q %q instead of %s %q", s.name, v.Result, v.Title, v.Message, want, message)
	}
	return s.keep(v)
}

func (s *station) give(to *station, id TokenID, count int, want Result, message string) string {
	s.t.Helper()
	return s.did(Give(s.ring, s.panel, s.clock, s.docs, GiveOrder{License: id, To: to.identity(), Count: count}), want, message)
}

func (s *station) giveBack(id TokenID, count int, want Result, message string) string {
	s.t.Helper()
	return s.did(GiveBack(s.ring, s.panel, s.clock, s.docs, BackOrder{License: id, Count: count}), want, message)
}

func (s *station) undo(id TokenID, want Result, message string) string {
	s.t.Helper()
	return s.did(Undo(s.ring, s.panel, s.clock, s.docs, id), want, message)
}

func (s *station) assign(id TokenID, account string, want Result, message string) {
	s.t.Helper()
	s.did(Assign(s.ring, s.panel, s.clock, s.docs, id, account), want, message)
}

func (s *station) has(want int) {
	s.t.Helper()
	if got := s.licensed(); got != want {
		s.t.Fatalf("%s has %d licensed buttons instead of %d: %+v", s.name, got, want, s.rights().List())
	}
}

func (s *station) status(want Status, message string) {
	s.t.Helper()
	list := s.rights().List()
	if len(list) == 0 || list[0].Status != want || !strings.Contains(list[0].Message, message) {
		s.t.Fatalf("%s: %+v instead of %s %q", s.name, list, want, message)
	}
}

// introduce lets a know the name of b.
func (s *station) introduce(other *station) {
	s.t.Helper()
	doc := stated(s.t, other.identity(), other.key)
	s.show(envelope.Armor(doc.Kind, doc.Raw), Activated, "recognized")
}

func many(id byte, count int) Token {
	token := ten(id)
	token.Grants = []Grant{{Buttons, count}}
	return token
}

func TestTenAreSixAndFour(t *testing.T) {
	a, b := newStation(t, "Stairs A", 9), newStation(t, "Stairs B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "10 buttons added")
	a.introduce(b)
	slice := a.give(b, ten(1).ID, 4, Activated, "4 buttons given to panel Stairs B ("+b.panel.ID().String()[:6]+"…): 6 stay here + 1 free")
	a.has(6)
	b.has(0)
	b.show(slice, Activated, "4 buttons added, given by panel "+a.panel.ID().String()+": 4 here + 1 free")
	b.has(4)
	b.show(slice, AlreadyActive, "here already")
	a.show(slice, AlreadyActive, "known")
	back := b.giveBack(ten(1).ID, 3, Activated, "3 buttons given back to panel "+a.panel.ID().String()+": 1 here + 1 free")
	b.has(1)
	a.has(6)
	a.show(back, Activated, "3 buttons came back from panel Stairs B")
	a.has(9)
	a.show(back, AlreadyActive, "known")
	b.show(slice, AlreadyActive, "here already")
	b.has(1)
	entry := a.rights().List()[0]
	if !entry.UndoUntil.IsZero() {
		t.Error("what is given away cannot be undone")
	}
	if entry.Sold != 10 || entry.Count != 9 || len(entry.Given) != 1 || entry.Given[0] != (Share{ten(1).ID, Buttons, b.panel.ID().String(), 1}) {
		t.Errorf("%+v", entry)
	}
	share := b.rights().List()[0]
	if share.GivenBy != a.panel.ID().String() || share.Count != 1 || share.Sold != 10 || !share.UndoUntil.IsZero() {
		t.Errorf("%+v", share)
	}
}

func TestEightyAreFiftyAndThirty(t *testing.T) {
	a, b, c := newStation(t, "Stairs A", 9), newStation(t, "Stairs B", 8), newStation(t, "Stairs C", 7)
	id := many(1, 80).ID
	a.show(text(t, many(1, 80), rootKey), Activated, "80 buttons added")
	a.introduce(b)
	b.show(a.give(b, id, 30, Activated, "50 stay here"), Activated, "30 buttons added")
	a.give(c, id, 51, PoolExhausted, "80 of 80, 1 too many: 30 given to panel Stairs B ("+b.panel.ID().String()[:6]+"…), 50 are here, 51 were asked for")
	// A is lowered to 40, and B raised to 40.
	b.show(a.give(b, id, 10, Activated, "10 buttons given"), Activated, "10 buttons added")
	a.has(40)
	b.has(40)
	b.giveBack(id, 41, PoolExhausted, "40 of 40, 1 too many")
	// All of it back again, and to another panel.
	a.show(b.giveBack(id, 40, Activated, "0 here + 1 free"), Activated, "40 buttons came back")
	c.show(a.give(c, id, 80, Activated, "0 stay here"), Activated, "80 buttons added")
	a.has(0)
	b.has(0)
	c.has(80)
	if list := b.rights().List(); len(list) != 0 {
		t.Errorf("what went back is still listed: %+v", list)
	}
}

func TestWhatCannotBeGivenIsRefusedWithTheReason(t *testing.T) {
	a, b, c := newStation(t, "A", 9), newStation(t, "B", 8), newStation(t, "C", 7)
	mixed := ten(1)
	mixed.Grants = []Grant{{AccessBasic, 1}, {Buttons, 10}}
	account := ten(2)
	account.Scope, account.Grants = ScopeAccount, []Grant{{"ukey", 3}}
	later := ten(3)
	later.NotBefore = day("2026-11-25")
	for _, token := range []Token{mixed, account, later} {
		a.show(text(t, token, rootKey), Activated, "")
	}
	b.show(a.give(b, mixed.ID, 4, Activated, ""), Activated, "")
	order := func(o GiveOrder, message string) {
		t.Helper()
		a.did(Give(a.ring, a.panel, a.clock, a.docs, o), NotPossible, message)
	}
	order(GiveOrder{License: mixed.ID, Count: 1}, "identity is missing")
	order(GiveOrder{License: mixed.ID, To: a.identity(), Count: 1}, "of this panel itself")
	order(GiveOrder{License: mixed.ID, To: b.identity(), Count: 0}, "name how many")
	order(GiveOrder{License: mixed.ID, To: b.identity(), Count: -4}, "name how many")
	order(GiveOrder{License: mixed.ID, Feature: AccessBasic, To: b.identity(), Count: 1}, "on or off")
	order(GiveOrder{License: mixed.ID, Feature: "apps", To: b.identity(), Count: 1}, "holds no")
	order(GiveOrder{License: account.ID, Feature: "ukey", To: b.identity(), Count: 1}, "for a panel or a site")
	order(GiveOrder{License: TokenID{9}, To: b.identity(), Count: 1}, "not on this panel")
	b.give(c, mixed.ID, 1, NotPossible, "a share that another panel gave")
	b.undo(mixed.ID, NotPossible, "not on this panel")
	a.giveBack(mixed.ID, 1, NotPossible, "No other panel gave")
	b.giveBack(mixed.ID, 0, NotPossible, "name how many")
	a.clock = Clock{Now: day("2026-11-24"), Mark: issued, Trusted: true}
	a.give(b, later.ID, 1, NotPossible, "Begins on 2026-11-25")
	a.ring = ringOf(t, nil, [][]byte{revoking(t, 1, map[TokenID]time.Time{mixed.ID: issued}, nil)})
	a.give(b, mixed.ID, 1, NotPossible, "Revoked on")
}

func TestALicenseIsSharedOutToSixtyFourPanelsAtMost(t *testing.T) {
	a := newStation(t, "A", 9)
	a.show(text(t, many(1, 100), rootKey), Activated, "")
	for i := range maxReceivers {
		a.give(newStation(t, fmt.Sprint("B", i), byte(100+i)), many(1, 100).ID, 1, Activated, "")
	}
	a.give(newStation(t, "one more", 99), many(1, 100).ID, 1, NotPossible, "64 panels")
	a.give(newStation(t, "known", 100), many(1, 100).ID, 1, Activated, "35 stay here")
}

func TestAShareOfAnUnknownIssuerIsRefused(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	slice := a.give(b, ten(1).ID, 4, Activated, "")
	trusting := b.ring
	b.ring = Keyring{}
	b.show(slice, UnknownIssuer, "not known here")
	b.ring = trusting
	b.show(slice, Activated, "4 buttons")
	b.ring = Keyring{}
	b.has(0)
}

func TestASliceForAnotherPanelIsRefused(t *testing.T) {
	a, b, c := newStation(t, "A", 9), newStation(t, "B", 8), newStation(t, "C", 7)
	a.show(text(t, ten(1), rootKey), Activated, "")
	slice := a.give(b, ten(1).ID, 4, Activated, "")
	c.show(slice, OtherPanel, b.panel.ID().String())
	b.show(slice, Activated, "")
	back := b.giveBack(ten(1).ID, 4, Activated, "")
	c.show(back, OtherPanel, a.panel.ID().String())
	b.show(back, OtherPanel, a.panel.ID().String())
	// Put into its store all the same, it counts nothing.
	_, raw, _ := envelope.Unarmor(slice)
	ref := reference(signed(t, ten(1), rootKey))
	c.docs = append(c.docs, Document{envelope.Slice, place(placeTaken, ref, Buttons, a.panel.ID().String()), raw})
	c.has(0)
}

func TestAShareEndsWithItsLicense(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	annual, dated := many(1, 10), many(2, 10)
	annual.Term, dated.Expires = Term{Years: 1}, day("2027-06-01")
	a.show(text(t, annual, rootKey), Activated, "until 2027-12-01")
	a.show(text(t, dated, rootKey), Activated, "until 2027-06-01")
	a.clock, b.clock = trusted("2027-03-01"), trusted("2027-03-01")
	first, second := a.give(b, annual.ID, 4, Activated, ""), a.give(b, dated.ID, 3, Activated, "")
	b.clock.Trusted = false
	b.show(first, ClockUntrusted, "for sure")
	b.clock.Trusted = true
	b.show(first, Activated, "4 buttons")
	b.show(second, Activated, "3 buttons")
	for _, c := range []struct {
		date string
		want int
	}{{"2027-05-31", 7}, {"2027-06-01", 4}, {"2027-11-30", 4}, {"2027-12-01", 0}} {
		b.clock = trusted(c.date)
		b.has(c.want)
	}
	b.clock = trusted("2027-03-01")
	b.ring = ringOf(t, nil, [][]byte{revoking(t, 1, map[TokenID]time.Time{annual.ID: day("2027-02-01")}, nil)})
	b.has(3)
	c := newStation(t, "C", 7)
	c.ring = b.ring
	late := a.give(c, annual.ID, 1, Activated, "")
	c.show(late, Revoked, "2027-02-01")
	c.ring, c.clock = a.ring, trusted("2027-12-01")
	c.show(late, Expired, "ended on 2027-12-01")
}

func TestLostCodesAreShownAgain(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	a.give(b, ten(1).ID, 4, Activated, "") // nobody saw it
	a.give(b, ten(1).ID, 2, Activated, "4 stay here")
	code := func(s *station, kind envelope.Kind) string {
		t.Helper()
		for _, c := range s.rights().Codes() {
			if c.Kind == kind && c.License == ten(1).ID {
				return envelope.Armor(c.Kind, c.Raw)
			}
		}
		t.Fatalf("%s shows no %s", s.name, kind)
		return ""
	}
	b.show(code(a, envelope.Slice), Activated, "6 buttons added")
	b.giveBack(ten(1).ID, 1, Activated, "")
	b.giveBack(ten(1).ID, 2, Activated, "3 here")
	a.show(code(b, envelope.Return), Activated, "3 buttons came back")
	a.has(7)
	b.has(3)
	b.giveBack(ten(1).ID, 3, Activated, "")
	a.show(code(b, envelope.Return), Activated, "3 buttons came back")
	a.undo(ten(1).ID, Activated, "counts no more")
	if text := code(a, envelope.Release); !strings.HasPrefix(text, "DF1:") {
		t.Error(text)
	}
}

func TestOlderCodesChangeNothing(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	one := a.give(b, ten(1).ID, 4, Activated, "")
	two := a.give(b, ten(1).ID, 2, Activated, "")
	b.show(two, Activated, "6 buttons")
	b.show(one, AlreadyActive, "here already")
	b.has(6)
	back := b.giveBack(ten(1).ID, 1, Activated, "")
	more := b.giveBack(ten(1).ID, 1, Activated, "")
	a.show(more, Activated, "2 buttons came back")
	a.show(back, AlreadyActive, "known")
	b.show(two, AlreadyActive, "here already")
	a.has(6)
	b.has(4)
}

func TestAStoreThatWasSetBackLearnsWhatItGave(t *testing.T) {
	id := ten(1).ID
	for _, c := range []struct {
		name string
		show func(a, b *station, slice string)
	}{
		{"from its own slice", func(a, b *station, slice string) {
			a.show(slice, Activated, "this panel had given 4 buttons to panel")
			a.has(6)
		}},
		{"from a return", func(a, b *station, slice string) {
			a.show(b.giveBack(id, 1, Activated, ""), Activated, "the records here were older")
			a.has(7)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, lost := range []string{"the slice", "all"} {
				a, b := newStation(t, "A", 9), newStation(t, "B", 8)
				a.show(text(t, ten(1), rootKey), Activated, "")
				before := slices.Clone(a.docs)
				slice := a.give(b, id, 4, Activated, "")
				b.show(slice, Activated, "")
				if a.docs = before; lost == "all" {
					a.docs = nil
				}
				c.show(a, b, slice)
				a.show(text(t, ten(1), rootKey), AlreadyActive, "")
			}
		})
	}
}

func TestAReceiverThatWasSetBackLearnsWhatItGaveBack(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	b.show(a.give(b, id, 4, Activated, ""), Activated, "")
	before := slices.Clone(b.docs)
	a.show(b.giveBack(id, 3, Activated, ""), Activated, "")
	b.docs = before
	b.has(4)
	b.show(a.give(b, id, 1, Activated, ""), Activated, "2 buttons went back to panel")
	b.has(2)
	a.has(8)
}

// What B gave back is remembered although the slice that said so is replaced by one from before A's store was set back.
func TestASliceOfAnotherPastDoesNotUndoAReturn(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	before := slices.Clone(a.docs)
	lost := a.give(b, id, 10, Activated, "") // A is set back to before this
	a.docs = before
	b.show(a.give(b, id, 6, Activated, ""), Activated, "")
	back := b.giveBack(id, 6, Activated, "")
	a.show(back, Activated, "")
	b.docs = slices.DeleteFunc(b.docs, func(d Document) bool { return d.Kind == envelope.Return }) // and B to before it gave back
	b.show(a.give(b, id, 1, Activated, ""), Activated, "5 buttons went back")
	b.has(1)
	b.show(lost, Activated, "3 buttons added")
	b.has(4)
	a.show(lost, Activated, "")
	a.has(6)
}

func TestAReturnOfAnOlderSliceForgetsNothing(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	id := ten(1).ID
	a.show(text(t, ten(1), rootKey), Activated, "")
	before := slices.Clone(a.docs)
	b.show(a.give(b, id, 4, Activated, ""), Activated, "")
	newest := a.give(b, id, 2, Activated, "") // B has not seen this one
	a.show(b.giveBack(id, 1, Activated, ""), Activated, "1 button came back")
	a.has(5)
	// Set back to before all of it, A learns from the return and then from its slice, and states both.
	a.docs = before
	a.show(b.giveBack(id, 1, Activated, ""), Activated, "")
	a.show(newest, Activated, "")
	a.has(6)
	for _, doc := range a.docs {
		if slice, err := OpenSlice(doc.Raw); err == nil && (slice.Given != 6 || slice.Returned != 2) {
			t.Errorf("%+v", slice)
		}
	}
}

func TestThreePanelsAgreeInAnyOrderOfDocuments(t *testing.T) {
	a, b := newStation(t, "A", 9), newStation(t, "B", 8)
	a.show(text(t, ten(1), rootKey), Activated, "")
	b.show(a.give(b, ten(1).ID, 4, Activated, ""), Activated, "")
	a.show(b.giveBack(ten(1).ID, 1, Activated, ""), Activated, "")
	for _, s := range []*station{a, b} {
		want := s.rights()
		slices.Reverse(s.docs)
		if !s.rights().Equal(want) {
			t.Error("another order, other rights")
		}
		s.docs = append(s.docs, s.docs...)
		if !s.rights().Equal(want) {
			t.Error("documents that are there twice change rights")
		}
	}
}
