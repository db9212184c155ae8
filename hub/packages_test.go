package hub

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// shop is a counter for packages over a real store.
type shop struct {
	*estate
	*Packages
	vendor *vendor
	now    time.Time
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{estate: newEstate(t), vendor: newVendor(3), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	s.estate.stop()
	s.estate.stop = func() {}
	licenses := newCounter(t, s.vendor)
	book, err := NewLedger(LedgerOptions{Store: s.store, Leases: s.store, Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	s.estate.ledger = book
	if s.Packages, err = NewPackages(licenses.Licenses, s.store, book, nil); err != nil {
		t.Fatal(err)
	}
	s.do(made("first", "", "", ledger.Limits{}), made("second", "", "", ledger.Limits{}))
	return s
}

func (s *shop) pack(t *testing.T, change func(*license.Token)) string {
	return s.vendor.code(t, func(token *license.Token) {
		token.Scope, token.Grants = license.ScopeGroup, []license.Grant{{Feature: "apps", Count: 20}, {Feature: "sip_numbers", Count: 50}}
		token.Label = "Plus 50"
		if change != nil {
			change(token)
		}
	})
}

func (s *shop) enter(t *testing.T, root, text string) PackageAnswer {
	t.Helper()
	answer, err := s.Enter(PackageEntry{Root: root, Text: text, By: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (s *shop) maximum(t *testing.T, root string) int {
	t.Helper()
	var n int
	err := s.estate.ledger.Look(func(book ledger.Book) error {
		state, err := ledger.StateOf(book, s.now, ledger.Subject{Group: root}, ledger.Asker{All: true})
		n = state.Line("sip_numbers").Maximum
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAPackageIsUsedInOneProjectOnce(t *testing.T) {
	s := newShop(t)
	code := s.pack(t, func(token *license.Token) { token.Term = license.Term{Years: 1} })
	answer := s.enter(t, "first", code)
	if answer.Result != license.Activated || answer.Package.Root != "first" || !strings.Contains(answer.Message, "50 SIP numbers") || !strings.Contains(answer.Message, "until 2027-11-22") {
		t.Errorf("%+v", answer)
	}
	if n := s.maximum(t, "first"); n != 50 {
		t.Errorf("%d SIP numbers", n)
	}
	if again := s.enter(t, "first", code); again.Result != license.AlreadyActive || s.maximum(t, "first") != 50 {
		t.Errorf("entered twice: %+v, %d", again.LicenseAnswer, s.maximum(t, "first"))
	}
	var refusal *ledger.Refusal
	if _, err := s.Enter(PackageEntry{Root: "second", Text: code, By: "anna"}); !errors.As(err, &refusal) || refusal.Reason != ledger.Taken {
		t.Errorf("in another project: %v", err)
	}
	// Given back within seven days it may go there.
	s.now = s.now.AddDate(0, 0, 6)
	s.do(ledger.UndoPackage{ID: answer.License})
	if got := s.enter(t, "second", code); got.Result != license.Activated || s.maximum(t, "second") != 50 {
		t.Errorf("after it was given back: %+v", got.LicenseAnswer)
	}
	s.now = s.now.AddDate(0, 0, 8)
	s.refused(ledger.UndoPackage{ID: answer.License}, ledger.TooLate)
}

func TestAShortCodeIsEnoughForAPackageThatIsKnown(t *testing.T) {
	s := newShop(t)
	code := s.pack(t, nil)
	stocked, err := s.Stock(code, "anna")
	if err != nil || stocked.Result.Refused() {
		t.Fatal(stocked, err)
	}
	id, err := license.ParseTokenID(stocked.License)
	if err != nil {
		t.Fatal(err)
	}
	short := id.ShortCode()
	if !strings.Contains(stocked.Message, short.String()) || s.maximum(t, "first") == 50 {
		t.Errorf("%+v", stocked)
	}
	if got := s.enter(t, "first", " "+short.String()+" "); got.Result != license.Activated || s.maximum(t, "first") != 50 {
		t.Errorf("typed: %+v", got.LicenseAnswer)
	}
	unknown := license.TokenID{7}.ShortCode()
	if got := s.enter(t, "first", unknown.String()); !got.Result.Refused() {
		t.Errorf("one that nobody knows: %+v", got.LicenseAnswer)
	}
}

func TestWhatIsNoPackageForThisProjectIsRefused(t *testing.T) {
	s := newShop(t)
	for name, c := range map[string]struct {
		text string
		want license.Result
	}{
		"another project":  {s.pack(t, func(token *license.Token) { token.Subject = []byte("second") }), license.NotPossible},
		"a panel":          {s.pack(t, func(token *license.Token) { token.Scope = license.ScopePanel }), license.NotPossible},
		"another seller":   {newVendor(4).code(t, func(token *license.Token) { token.Scope = license.ScopeGroup }), license.UnknownIssuer},
		"ended":            {s.pack(t, func(token *license.Token) { token.Expires = issuedAt.AddDate(0, 0, 1) }), license.Expired},
		"damaged":          {s.pack(t, nil)[:60], license.Malformed},
		"something else":   {"hello", license.Malformed},
		"a digit mistyped": {"1111 1111 1111 1111 1111", license.Malformed},
	} {
		if got := s.enter(t, "first", c.text); got.Result != c.want || got.Message == "" {
			t.Errorf("%s: %+v", name, got.LicenseAnswer)
		}
		if got, err := s.Stock(c.text, "anna"); err != nil || got.Result.Refused() != (name != "another project") {
			t.Errorf("%s, stocked: %+v, %v", name, got, err)
		}
	}
	if s.maximum(t, "first") == 50 {
		t.Error("something was activated")
	}
	own := s.pack(t, func(token *license.Token) { token.Subject = []byte("first") })
	if got := s.enter(t, "first", own); got.Result != license.Activated {
		t.Errorf("one for this very project: %+v", got.LicenseAnswer)
	}
}

func TestARevokedPackageEndsAndANewerOneStays(t *testing.T) {
	s := newShop(t)
	first, second := s.enter(t, "first", s.pack(t, nil)), s.enter(t, "first", s.pack(t, nil))
	for i := range 60 {
		s.do(ledger.Consume{ID: string(rune('a'+i/26)) + string(rune('a'+i%26)), Group: "first"})
	}
	id, err := license.ParseTokenID(first.License)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := license.Revocation{Number: 1, IssuedAt: issuedAt.AddDate(0, 0, 1), Tokens: map[license.TokenID]time.Time{id: issuedAt.AddDate(0, 0, 1)}}.Sign(s.vendor.public(), s.vendor.sign)
	if err != nil {
		t.Fatal(err)
	}
	list := envelope.Armor(envelope.Revocation, raw)
	if answer, err := s.EnterPaper(list, "anna"); err != nil || answer.Result != license.Activated {
		t.Fatal(answer, err)
	}
	if n := s.maximum(t, "first"); n != 50 {
		t.Errorf("%d SIP numbers are left", n)
	}
	if n := len(s.working("first")); n != 50 {
		t.Errorf("%d of 60 work", n)
	}
	if err := s.Review(); err != nil {
		t.Error(err)
	}
	for id, revoked := range map[string]bool{first.License: true, second.License: false} {
		if p, err := s.stored(id); err != nil || p.Revoked.IsZero() == revoked {
			t.Errorf("%s: %+v, %v", id, p, err)
		}
	}
	if got := s.enter(t, "second", s.pack(t, func(token *license.Token) { token.ID = id })); got.Result != license.Revoked {
		t.Errorf("the revoked one entered anew: %+v", got.LicenseAnswer)
	}
}

// TestPanelsAreRegisteredWhereTheirSiteHangs walks a panel through its life.
func TestPanelsAreRegisteredWhereTheirSiteHangs(t *testing.T) {
	s := newShop(t)
	s.do(made("building", "first", "building", ledger.Limits{}))
	registrar, err := NewRegistrar(s.store, s.estate.ledger, nil)
	if err != nil {
		t.Fatal(err)
	}
	edit := fleet.Edit{From: fleet.AnyEdition}
	site := func(group string) {
		t.Helper()
		if _, err := s.store.PutSite(fleet.Site{ID: "villa", Zone: "Europe/Rome", Group: group}, edit); err != nil {
			t.Fatal(err)
		}
	}
	put := func(p fleet.Panel) {
		t.Helper()
		p.Site = "villa"
		if _, err := s.store.PutPanel(p, edit); err != nil {
			t.Fatal(err)
		}
	}
	id := func(letter string) string { return strings.Repeat(letter, 26) }
	registered := func(want ...string) {
		t.Helper()
		if err := registrar.Review(); err != nil {
			t.Fatal(err)
		}
		var got []string
		err := s.estate.ledger.Look(func(book ledger.Book) error {
			for _, letter := range []string{"a", "b", "c"} {
				if d, known, err := book.Device(id(letter)); err != nil {
					return err
				} else if known && !d.Gone() {
					got = append(got, letter+" in "+d.Group)
				}
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("registered are %q, not %q; %v", got, want, err)
		}
	}
	site("")
	put(fleet.Panel{ID: id("a")})
	registered()
	put(fleet.Panel{ID: id("a"), Serial: "01"})
	registered()
	site("building")
	registered("a in building")
	site("first")
	registered("a in first")
	s.do(ledger.Consume{ID: "held", Group: "first", Panel: id("a"), Resource: ledger.Buttons})
	site("second") // another project: it begins anew there
	registered("a in second")
	if got := s.working("first"); len(got) != 0 {
		t.Errorf("%v went to another project, or stayed behind", got)
	}
	site("building")
	registered("a in building")
	s.do(ledger.Consume{ID: "held", Group: "building", Panel: id("a"), Resource: ledger.Buttons})
	put(fleet.Panel{ID: id("a"), Serial: "01", ReplacedBy: id("b")})
	put(fleet.Panel{ID: id("b"), Serial: "02", Replaces: id("a")})
	registered("b in building")
	if got := s.working("building"); !slices.Equal(got, []string{"held"}) {
		t.Errorf("the panel in the dead one's place holds %v", got)
	}
	// Again within the cool-down: the new one is there, and what the dead one held waits for the distributor.
	put(fleet.Panel{ID: id("b"), Serial: "02", Replaces: id("a"), ReplacedBy: id("c")})
	put(fleet.Panel{ID: id("c"), Serial: "03", Replaces: id("b")})
	registered("b in building", "c in building")
	s.do(ledger.ReplaceDevice{Dead: id("b"), Fresh: id("c"), Approved: true})
	registered("c in building")
	site("")
	registered()
	site("second") // the one that it replaced stays where it is: it is dead
	registered("c in second")
	put(fleet.Panel{ID: id("c"), Serial: "03", Replaces: id("b"), Revoked: s.now})
	registered()
}

// I-3, I-4: a license of an account is entered at a company, and waits there for its user.
func TestALicenseOfAnAccountIsEnteredAtACompany(t *testing.T) {
	s := newShop(t)
	s.do(ledger.AddUser{User: ledger.User{ID: "ada", Groups: []string{"first"}}})
	s.KeepApart(func(string) (bool, error) { return false, nil })
	code := s.vendor.code(t, func(token *license.Token) {
		token.Scope, token.Grants = license.ScopeAccount, []license.Grant{{Feature: license.AppRemote, Count: 1}}
	})
	answer := s.enter(t, "first", code)
	if answer.Result != license.Activated || !answer.Package.Account || !strings.Contains(answer.Message, "waits for an account") {
		t.Fatalf("%+v", answer)
	}
	answer, err := s.Enter(PackageEntry{Root: "first", User: "ada", Text: code, By: "anna"})
	if err != nil || answer.Package.User != "ada" {
		t.Errorf("associated by entering it for somebody: %+v, %v", answer, err)
	}
	var refusal *ledger.Refusal
	if _, err := s.Enter(PackageEntry{Root: "second", Text: code, By: "anna"}); !errors.As(err, &refusal) || refusal.Reason != ledger.Taken {
		t.Errorf("in another company: %v", err)
	}
	if answer, err = s.Enter(PackageEntry{Root: "first", User: "ada", Text: s.pack(t, nil), By: "anna"}); err != nil || !answer.Result.Refused() || !strings.Contains(answer.Message, "not a license of an account") {
		t.Errorf("a company's package for a user: %+v, %v", answer.LicenseAnswer, err)
	}
	s.KeepApart(func(id string) (bool, error) { return true, nil })
	other := s.vendor.code(t, func(token *license.Token) {
		token.ID[0] ^= 1
		token.Scope, token.Grants = license.ScopeAccount, []license.Grant{{Feature: license.AppRemote, Count: 1}}
	})
	if answer = s.enter(t, "first", other); answer.Result != license.UsedElsewhere {
		t.Errorf("one that is on a panel: %+v", answer.LicenseAnswer)
	}
	if err := s.Review(); err != nil {
		t.Fatal(err)
	}
	if p, err := s.stored(answer.License); err != nil || p.ID != "" {
		t.Errorf("it was kept: %+v, %v", p, err)
	}
}
