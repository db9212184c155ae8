package license

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// anyHeld draws licenses of all shapes: for everybody, for here, for elsewhere, perpetual, dated, annual, from a root and from a stranger.
func anyHeld(t *testing.T, seed byte) *rapid.Generator[Document] {
	return rapid.Custom(func(r *rapid.T) Document {
		token := Token{
			ID: TokenID{0: seed, 14: rapid.Byte().Draw(r, "id"), 15: 1}, IssuedAt: issued,
			Scope: rapid.SampledFrom([]Scope{ScopePanel, ScopePanel, ScopeSite, ScopeAccount, ScopeGroup}).Draw(r, "scope"),
		}
		counts := rapid.MapOfN(rapid.SampledFrom([]string{Buttons, AccessBasic, AccessAdvanced, SIP, "apps", "teleport"}), rapid.IntRange(1, 50), 1, 3).Draw(r, "grants")
		for _, feature := range slices.Sorted(maps.Keys(counts)) {
			count := 1
			if Describe(feature).Counted {
				count = counts[feature]
			}
			token.Grants = append(token.Grants, Grant{feature, count})
		}
		if token.Scope == ScopePanel && rapid.Bool().Draw(r, "bound") {
			token.Subject = idOf(here)
			if rapid.Bool().Draw(r, "elsewhere") {
				token.Subject = idOf(elsewhere)
			}
		}
		switch rapid.IntRange(0, 3).Draw(r, "time") {
		case 1:
			token.NotBefore = issued.AddDate(0, 0, rapid.IntRange(0, 800).Draw(r, "from"))
		case 2:
			token.Expires = issued.AddDate(0, 0, rapid.IntRange(1, 800).Draw(r, "until"))
		case 3:
			token.Term = Term{Years: rapid.IntRange(0, 1).Draw(r, "years"), Days: rapid.IntRange(1, 40).Draw(r, "days")}
		}
		signer := rapid.SampledFrom([]testKey{rootKey, rootKey, rootKey, strangeKey}).Draw(r, "signer")
		account := rapid.SampledFrom([]string{"", "rossi"}).Draw(r, "account")
		a := Activation{Panel: hereKey.pub, License: signed(t, token, signer), At: issued.AddDate(0, 0, rapid.IntRange(0, 800).Draw(r, "activated")), Account: account}
		if account != "" {
			a.AssignedAt = a.At
		}
		return stated(t, a, hereKey)
	})
}

func anyClock() *rapid.Generator[Clock] {
	return rapid.Custom(func(r *rapid.T) Clock {
		at := func(name string) time.Time { return issued.AddDate(0, 0, rapid.IntRange(0, 1000).Draw(r, name)) }
		return Clock{Now: at("now"), Mark: at("mark"), Trusted: rapid.Bool().Draw(r, "trusted")}
	})
}

// within is the activation that a document holds.
func within(t *testing.T, doc Document) Activation {
	a, err := OpenActivation(doc.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func armored(t *testing.T, doc Document) string {
	return envelope.Armor(envelope.License, within(t, doc).License)
}

func features() []string {
	return []string{Buttons, AccessBasic, AccessAdvanced, SIP, "apps", "teleport", "lift"}
}

func TestEntitlementsNeverExceedWhatWasSigned(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		held := rapid.SliceOfN(anyHeld(t, 1), 0, 8).Draw(r, "held")
		e := Derive(ring, here, anyClock().Draw(r, "clock"), held)
		granted := map[string]int{}
		for _, h := range held {
			token, refused := ring.open(within(t, h).License)
			if refused != nil || token.notFor(here) != "" || token.Scope == ScopeAccount {
				continue
			}
			for _, grant := range token.Grants {
				granted[grant.Feature] += grant.Count
			}
		}
		for _, feature := range features() {
			implied := feature == AccessBasic && granted[AccessAdvanced] > 0
			if e.Count(feature) > granted[feature] && !(implied && e.Count(feature) == 1) {
				r.Fatalf("%s: %d of %d", feature, e.Count(feature), granted[feature])
			}
		}
		if e.Buttons() < 1 {
			r.Fatal("the free button is gone")
		}
	})
}

func TestTheOrderOfStoredLicensesDoesNotMatter(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		held := rapid.SliceOfN(anyHeld(t, 1), 0, 8).Draw(r, "held")
		clock := anyClock().Draw(r, "clock")
		shuffled := rapid.Permutation(held).Draw(r, "shuffled")
		if !Derive(ring, here, clock, held).Equal(Derive(ring, here, clock, shuffled)) {
			r.Fatal("another order, other entitlements")
		}
	})
}

func TestAFurtherLicenseNeverTakesAnythingAway(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		held := rapid.SliceOfN(anyHeld(t, 1), 0, 8).Draw(r, "held")
		more := anyHeld(t, 2).Draw(r, "more")
		for _, h := range held {
			if last := within(t, h).At; within(t, more).At.Before(last) {
				later := within(t, more)
				later.At = last
				more = stated(t, later, hereKey)
			}
		}
		clock := anyClock().Draw(r, "clock")
		before, after := Derive(ring, here, clock, held), Derive(ring, here, clock, append(slices.Clone(held), more))
		for _, feature := range features() {
			if after.Count(feature) < before.Count(feature) || before.Allows(feature) && !after.Allows(feature) ||
				before.AllowsAccount("rossi", feature) && !after.AllowsAccount("rossi", feature) {
				r.Fatalf("%s: %d, then %d", feature, before.Count(feature), after.Count(feature))
			}
		}
		if now := clock.latest(); before.AccessGrace(now) && !after.AccessGrace(now) && !after.Allows(AccessBasic) {
			r.Fatal("the grace is gone")
		}
	})
}

func TestNothingChangesBeforeNextChange(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		held := rapid.SliceOfN(anyHeld(t, 1), 0, 8).Draw(r, "held")
		now := issued.AddDate(0, 0, rapid.IntRange(0, 1000).Draw(r, "now"))
		e := Derive(ring, here, Clock{Now: now}, held)
		later := now.AddDate(10, 0, 0)
		if !e.NextChange().IsZero() {
			if !e.NextChange().After(now) {
				r.Fatal("the next change is not later")
			}
			later = e.NextChange().Add(-1)
		}
		if !e.Equal(Derive(ring, here, Clock{Now: later}, held)) {
			r.Fatalf("%s and %s differ", now, later)
		}
	})
}

func TestWhatEndedByTheMarkStaysEnded(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		held := rapid.SliceOfN(anyHeld(t, 1), 0, 8).Draw(r, "held")
		mark := issued.AddDate(0, 0, rapid.IntRange(0, 1000).Draw(r, "mark"))
		back := mark.AddDate(0, 0, -rapid.IntRange(0, 3000).Draw(r, "back"))
		atMark := Derive(ring, here, Clock{Now: mark, Mark: mark, Trusted: true}, held)
		if !atMark.Equal(Derive(ring, here, Clock{Now: back, Mark: mark, Trusted: true}, held)) {
			r.Fatal("setting the clock back changes rights")
		}
	})
}

func TestExamineAndDeriveAgree(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, nil, nil)
	rapid.Check(t, func(r *rapid.T) {
		held := rapid.SliceOfN(anyHeld(t, 1), 0, 6).Draw(r, "held")
		clock := anyClock().Draw(r, "clock")
		v := Examine(armored(t, anyHeld(t, 2).Draw(r, "presented")), ring, here, clock, held, "")
		if v.Result != Activated {
			return
		}
		with := kept(t, held, v)
		for _, entry := range Derive(ring, here, Clock{Now: clock.certain()}, with).List() {
			if entry.TokenID == v.Token.ID && (entry.Status == Unusable || entry.Status == Ended || entry.Status == Withdrawn) {
				r.Fatalf("activated, but %s: %s", entry.Status, entry.Message)
			}
		}
		if again := Examine(envelope.Armor(envelope.License, v.Sign.(Activation).License), ring, here, clock, with, ""); again.Result != AlreadyActive {
			r.Fatalf("scanned again: %s %s", again.Result, again.Message)
		}
	})
}
