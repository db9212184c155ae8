package hub

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// vendor signs licenses.
type vendor struct {
	key  ed25519.PrivateKey
	next byte
}

func newVendor(seed byte) *vendor {
	return &vendor{key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

func (v *vendor) public() ed25519.PublicKey           { return v.key.Public().(ed25519.PublicKey) }
func (v *vendor) sign(message []byte) ([]byte, error) { return ed25519.Sign(v.key, message), nil }

var issuedAt = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// code is a license for monitoring, changed as the test wants it.
func (v *vendor) code(t *testing.T, change func(*license.Token)) string {
	t.Helper()
	v.next++
	token := license.Token{
		ID: license.TokenID{15: v.next}, IssuedAt: issuedAt, Scope: license.ScopeSite, Grants: []license.Grant{{Feature: license.Monitoring, Count: 1}},
	}
	if change != nil {
		change(&token)
	}
	raw, err := token.Sign(v.public(), v.sign)
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Armor(envelope.License, raw)
}

// cabinet keeps licenses and papers in memory.
type cabinet struct {
	licenses map[string]fleet.License
	papers   map[string][]byte
	changes  []fleet.Change
	fail     error
}

func (c *cabinet) Licenses(site string) (list []fleet.License, err error) {
	for _, id := range slices.Sorted(maps.Keys(c.licenses)) {
		if l := c.licenses[id]; site == "" || l.Site == site {
			list = append(list, l)
		}
	}
	return list, nil
}

func (c *cabinet) PutLicense(l fleet.License, change fleet.Change) error {
	if c.fail != nil {
		return c.fail
	}
	c.licenses[l.ID] = l
	c.changes = append(c.changes, change)
	return nil
}

func (c *cabinet) Settings(prefix string) (list []fleet.Setting, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.papers)) {
		if strings.HasPrefix(name, prefix) {
			list = append(list, fleet.Setting{Name: name, Value: c.papers[name]})
		}
	}
	return list, nil
}

func (c *cabinet) PutSetting(name string, value []byte, _ fleet.Edit) (fleet.Edition, error) {
	c.papers[name] = value
	return fleet.Edition{}, c.fail
}

// counter is where licenses are handed in.
type counter struct {
	*Licenses
	t       *testing.T
	cabinet *cabinet
	now     time.Time
}

func newCounter(t *testing.T, v *vendor) *counter {
	t.Helper()
	c := &counter{t: t, cabinet: &cabinet{licenses: map[string]fleet.License{}, papers: map[string][]byte{}}, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	c.open(v)
	return c
}

// open makes the licenses anew from what is kept, as a start of the hub does.
func (c *counter) open(v *vendor) {
	c.t.Helper()
	own := newVendor(9)
	sites := map[string]fleet.Site{
		"villa": {ID: "villa", Name: "Villa Rossi", Zone: "Europe/Rome"}, "hotel": {ID: "hotel", Name: "Hotel Bellavista", Zone: "Europe/Rome"},
	}
	l, faults, err := NewLicenses(LicenseOptions{
		Roots: []ed25519.PublicKey{v.public()}, Shelf: c.cabinet, Papers: c.cabinet, Key: own.public(), Sign: own.sign,
		Clock: func() license.Clock { return license.Clock{Now: c.now, Mark: c.now, Trusted: true} },
		Site:  func(id string) (fleet.Site, bool) { s, ok := sites[id]; return s, ok },
	})
	if err != nil || len(faults) != 0 {
		c.t.Fatal(faults, err)
	}
	c.Licenses = l
}

func (c *counter) enter(site, code string) LicenseAnswer {
	c.t.Helper()
	a, err := c.Enter(site, code, fleet.Change{Who: "anna", Via: "web"})
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *counter) holds(site string) bool {
	from, until := c.Window(site, c.now)
	return !from.IsZero() && !c.now.Before(from) && (until.IsZero() || c.now.Before(until))
}

func TestOneLicenseIsForOneSite(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	code := v.code(t, nil)
	if c.holds("villa") {
		t.Error("a site without a license may be warned")
	}
	if a := c.enter("villa", code); a.Result != license.Activated || !c.holds("villa") {
		t.Fatalf("%+v", a)
	}
	if a := c.enter("villa", code); a.Result != license.AlreadyActive {
		t.Errorf("a second time at the same site: %+v", a)
	}
	a := c.enter("hotel", code)
	if a.Result != license.UsedElsewhere || !strings.Contains(a.Message, "already used at another site") || strings.Contains(a.Message, "Villa") || c.holds("hotel") {
		t.Errorf("at another site: %+v", a)
	}
	withdrawn := c.cabinet.licenses[a.License]
	withdrawn.Withdrawn = c.now
	c.cabinet.licenses[a.License] = withdrawn
	c.open(v)
	if c.holds("villa") {
		t.Error("a withdrawn license holds")
	}
	if a := c.enter("hotel", code); a.Result != license.UsedElsewhere || c.holds("hotel") {
		t.Errorf("a withdrawn license at another site: %+v", a)
	}
}

func TestALicenseMadeOutToASiteIsForThatOne(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	code := v.code(t, func(token *license.Token) { token.Subject = []byte("villa") })
	if a := c.enter("hotel", code); a.Result != license.OtherPanel || strings.Contains(a.Message, "panel") && !strings.Contains(a.Message, "site") {
		t.Errorf("%+v", a)
	}
	if a := c.enter("villa", code); a.Result != license.Activated || !c.holds("villa") || c.holds("hotel") {
		t.Errorf("%+v", a)
	}
}

func TestALicenseThatIsNoneIsRefusedInTheWordsOfAPanel(t *testing.T) {
	v, stranger := newVendor(1), newVendor(2)
	c := newCounter(t, v)
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	damaged := v.code(t, nil)
	for _, test := range []struct {
		name, code string
		want       license.Result
	}{
		{"nothing", "", license.Malformed},
		{"some other code", "https://example.org", license.Malformed},
		{"cut off", damaged[:len(damaged)-9], license.Malformed},
		{"of a stranger", stranger.code(t, nil), license.UnknownIssuer},
		{"ended", v.code(t, func(token *license.Token) { token.Expires = day(20) }), license.Expired},
		{"not begun", v.code(t, func(token *license.Token) { token.NotBefore = day(25) }), license.NotYetValid},
		{"for a panel", v.code(t, func(token *license.Token) { token.Scope = license.ScopePanel }), license.NotPossible},
		{"of something else", v.code(t, func(token *license.Token) { token.Grants = []license.Grant{{Feature: license.Buttons, Count: 10}} }), license.NotPossible},
		{"for a group", v.code(t, func(token *license.Token) { token.Scope, token.Subject = license.ScopeGroup, []byte("g") }), license.OtherPanel},
	} {
		a := c.enter("villa", test.code)
		if a.Result != test.want || a.Title == "" || a.Message == "" || a.Title != test.want.Title() && test.want != license.Malformed {
			t.Errorf("%s: %+v, want %s", test.name, a, test.want)
		}
		if c.holds("villa") || len(c.cabinet.licenses) != 0 {
			t.Fatalf("%s: kept", test.name)
		}
	}
	if _, err := c.Enter("castle", v.code(t, nil), fleet.Change{Who: "anna", Via: "web"}); err == nil {
		t.Error("a license for a site that is not known")
	}
}

func TestALicenseEndsByItselfAndIsSeenToAfterARestart(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	c.enter("villa", v.code(t, func(token *license.Token) { token.Term = license.Term{Years: 1} }))
	c.open(v)
	from, until := c.Window("villa", c.now)
	if !from.Equal(c.now) || !until.Equal(time.Date(2027, 11, 22, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("from %s until %s", from, until)
	}
	c.now = until.Add(-time.Second)
	if !c.holds("villa") {
		t.Error("it ended early")
	}
	c.now = until
	if c.holds("villa") {
		t.Error("it does not end")
	}
}

func TestARenewalFollowsWithoutAGap(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	year := func(token *license.Token) { token.Term = license.Term{Years: 1} }
	c.enter("villa", v.code(t, year))
	c.now = c.now.AddDate(0, 11, 0)
	c.enter("villa", v.code(t, year))
	if _, until := c.Window("villa", c.now); !until.Equal(time.Date(2028, 11, 22, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("until %s", until)
	}
}

func TestARevokedLicenseEndsWithTheList(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	code := v.code(t, nil)
	id := c.enter("villa", code).License
	other := v.code(t, nil)
	list := license.Revocation{Number: 1, IssuedAt: c.now, Tokens: map[license.TokenID]time.Time{{15: 1}: c.now.Add(-time.Hour), {15: 2}: c.now.Add(-time.Hour)}}
	raw, err := list.Sign(v.public(), v.sign)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.enter("villa", envelope.Armor(envelope.Revocation, raw)); a.Result.Refused() {
		t.Fatalf("%+v", a)
	}
	if c.holds("villa") {
		t.Errorf("license %s holds although it is revoked", id)
	}
	if a := c.enter("villa", other); a.Result != license.Revoked {
		t.Errorf("%+v", a)
	}
	c.open(v)
	if c.holds("villa") {
		t.Error("it holds again after a restart")
	}
}

func TestAnIssuerIsKnownByItsDelegation(t *testing.T) {
	v, dealer := newVendor(1), newVendor(3)
	c := newCounter(t, v)
	code := dealer.code(t, nil)
	d := license.Delegation{Issuer: dealer.public(), Name: "Dealer North", Number: 1, IssuedAt: issuedAt, Ceilings: []license.Grant{{Feature: license.Monitoring, Count: 1}}}
	raw, err := d.Sign(v.public(), v.sign)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.enter("villa", envelope.Armor(envelope.Delegation, raw)); a.Result.Refused() {
		t.Fatalf("%+v", a)
	}
	c.open(v)
	if a := c.enter("villa", code); a.Result != license.Activated || a.Issuer != "Dealer North" || !c.holds("villa") {
		t.Errorf("%+v", a)
	}
}

func TestALicenseThatCannotBeKeptGivesNothing(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	c.cabinet.fail = fmt.Errorf("the disk is full")
	if _, err := c.Enter("villa", v.code(t, nil), fleet.Change{Who: "anna", Via: "web"}); err == nil || c.holds("villa") {
		t.Errorf("%v", err)
	}
}

func TestARecordThatWasTamperedWithGivesNothing(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	c.enter("villa", v.code(t, nil))
	for id, l := range c.cabinet.licenses {
		l.Token = []byte(newVendor(2).code(t, nil))
		c.cabinet.licenses[id] = l
	}
	c.cabinet.papers[papersPrefix+"delegation/x"], _ = json.Marshal([]byte("nonsense"))
	l, faults, err := NewLicenses(c.o)
	if err != nil || len(faults) != 1 {
		t.Errorf("%v %v", faults, err)
	}
	c.Licenses = l
	if c.holds("villa") {
		t.Error("a record that nobody signed holds")
	}
}

func TestALicenseThatPanelsOfAnotherSiteHaveIsNoMonitoringLicense(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	c.cabinet.fail = fmt.Errorf("cannot store license 1 for site villa: it is used at site hotel: %w", fleet.ErrTaken)
	a := c.enter("villa", v.code(t, nil))
	if a.Result != license.UsedElsewhere || strings.Contains(a.Message, "hotel") || c.holds("villa") {
		t.Errorf("%+v", a)
	}
}

func TestWhatTheGroupsAboveGiveWarnsUntilItEndsBesideTheSitesOwn(t *testing.T) {
	v := newVendor(1)
	c := newCounter(t, v)
	began, ends := c.now.Add(-time.Hour), c.now.AddDate(0, 0, 30)
	c.o.Supply = func(group string, _ time.Time) (ledger.Supply, error) {
		if group != "nord" {
			return ledger.Supply{}, nil
		}
		return ledger.Supply{From: began, Until: ends, Source: ledger.FromTrial}, nil
	}
	if c.holds("villa") {
		t.Error("a site below no group is warned")
	}
	c.o.Site = func(id string) (fleet.Site, bool) {
		return fleet.Site{ID: id, Zone: "Europe/Rome", Group: map[string]string{"villa": "nord", "hotel": "süd"}[id]}, true
	}
	if from, until := c.Window("villa", c.now); !from.Equal(began) || !until.Equal(ends) {
		t.Errorf("from %s until %s", from, until)
	}
	if c.holds("hotel") {
		t.Error("another group's site is warned")
	}
	c.enter("villa", v.code(t, func(token *license.Token) { token.Term = license.Term{Years: 1} }))
	if _, until := c.Window("villa", c.now); !until.Equal(c.now.AddDate(1, 0, 0)) {
		t.Errorf("with its own until %s", until)
	}
	c.o.Supply = func(string, time.Time) (ledger.Supply, error) { return ledger.Supply{}, errors.New("the disk is gone") }
	if !c.holds("villa") {
		t.Error("its own license does not hold while nobody can read the tree")
	}
}
