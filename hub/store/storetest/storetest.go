// Package storetest is what every store of the hub must do, whatever it is made of: one suite that each implementation runs.
package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// Store is everything that the parts of the hub ask of a store. The comments on store.Store's methods hold for each of them.
type Store interface {
	Append(batch []fleet.Received) ([]fleet.Outcome, error)
	Head(panel string) (fleet.Head, bool, error)
	Heads() ([]fleet.Head, error)
	Search(ctx context.Context, q fleet.Query) ([]fleet.Received, uint64, error)
	After(serial uint64, limit int) ([]fleet.Received, error)
	Last() (uint64, error)
	Wait(ctx context.Context, serial uint64) error
	Cursor(name string) (uint64, error)
	SetCursor(name string, serial uint64) error
	Cursors() ([]string, error)
	DeleteCursor(name string) error
	Sweep(now time.Time, rules []fleet.Keep) (fleet.Swept, error)
	Erase(ctx context.Context, person string) (int, error)
	AddFault(f fleet.Fault) error
	Faults(panel string, limit int) ([]fleet.Fault, error)
	DeleteFaults(panel string, change fleet.Change) (int, error)

	Sites() ([]fleet.Site, error)
	Site(id string) (fleet.Site, bool, error)
	SiteToEdit(id string) (fleet.Site, fleet.Edition, error)
	PutSite(site fleet.Site, edit fleet.Edit) (fleet.Edition, error)
	Panels() ([]fleet.Panel, error)
	Panel(id string) (fleet.Panel, bool, error)
	PanelToEdit(id string) (fleet.Panel, fleet.Edition, error)
	PutPanel(p fleet.Panel, edit fleet.Edit) (fleet.Edition, error)
	Enrolling(ctx context.Context, panels []string, change func(*fleet.Enrolling) error) error
	Certificates(panel string) ([]fleet.Certificate, error)
	Windows() ([]fleet.Window, error)
	Settings(prefix string) ([]fleet.Setting, error)
	Setting(name string) (fleet.Setting, error)
	PutSetting(name string, value []byte, edit fleet.Edit) (fleet.Edition, error)
	DeleteSetting(name string, edit fleet.Edit) error
	PutDocument(d fleet.Document) error
	Documents(panel string) ([]fleet.Document, error)
	DeleteDocument(panel, kind, id string) error
	PutLicense(l fleet.License, change fleet.Change) error
	Licenses(site string) ([]fleet.License, error)

	Users() ([]fleet.User, error)
	User(name string) (fleet.User, bool, error)
	UserToEdit(name string) (fleet.User, fleet.Edition, error)
	PutUser(u fleet.User, edit fleet.Edit) (fleet.Edition, error)
	DeleteUser(name string, edit fleet.Edit) error
	Roles() ([]roles.Role, error)
	Assignments(user string) ([]roles.Assignment, error)
	HandOvers() ([]roles.HandOver, error)
	Arrange(change func(*roles.Arrangement) error) error
	Session(hash string) (fleet.Session, bool, error)
	PutSession(hash string, session fleet.Session) error
	DeleteSession(hash string) error
	Tokens() (map[string]fleet.Session, error)
	MakeToken(hash string, session fleet.Session, change fleet.Change) error
	EndToken(hash string, change fleet.Change) error
	ForgetSessions(seen, now time.Time) (int, error)
	Note(change fleet.Change) error
	Changes(q fleet.ChangeQuery) ([]fleet.Change, uint64, error)
	VerifyChanges(ctx context.Context) (uint64, error)

	Situation(site string) ([]byte, error)
	Situations() ([]fleet.Situation, error)
	Commit(site string, state []byte, deliveries []fleet.Delivery, withdrawn []string, changes ...fleet.Change) error
	AddDeliveries(deliveries []fleet.Delivery, changes ...fleet.Change) (int, error)
	Due(now time.Time, limit int) ([]fleet.Delivery, time.Time, error)
	Move(from, to fleet.Delivery, more ...fleet.Delivery) error
	MoveByHand(from, to fleet.Delivery, change fleet.Change) error
	Delivery(id string) (fleet.Delivery, error)
	Deliveries(q fleet.DeliveryQuery) (fleet.DeliveryPage, error)
	ForgetDeliveries(made time.Time, limit int) (int, error)

	NextNumber(now time.Time) (uint64, error)
	PutOrder(o fleet.Order) error
	Order(number uint64) (fleet.Order, error)
	Orders(panel string, limit int) ([]fleet.Order, error)
	ForgetOrders(given time.Time, limit int) (int, error)
	Lease(name, holder string, now, until time.Time) (bool, error)
	Release(name, holder string) error

	Decide(r ledger.Request, c ledger.Change) (ledger.Changes, error)
	Look(see func(ledger.Book) error) error
	Entries(q ledger.EntryQuery) ([]ledger.Entry, uint64, error)
	VerifyLedger(ctx context.Context) (uint64, error)
	FindGroups(root, words, after string, limit int) (found []ledger.Group, next string, err error)
	PutVoucher(fleet.Voucher) error
	VoucherByCode(digest string) (fleet.Voucher, bool, error)
	Vouchers(after string, limit int) ([]fleet.Voucher, error)
}

// A Bench gives each test an empty store, and the same one again as after a restart.
type Bench struct {
	// New makes an empty store. It is gone when the test is over.
	New func(t testing.TB) Store
	// Again closes the store and opens it anew.
	Again func(t testing.TB, s Store) Store
}

// Run runs the suite. Its tests have the names of what they hold.
func Run(t *testing.T, b Bench) {
	for _, one := range []struct {
		name string
		test func(*testing.T, Bench)
	}{
		{"events", testEvents}, {"records", testRecords}, {"outbox", testOutbox}, {"people", testPeople}, {"ledger", testLedger}, {"together", testTogether}, {"shown", testShown},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, b) })
	}
}

// day is when the suite begins. Nothing in it looks at a clock.
var day = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	check(t, err)
	return string(text)
}
