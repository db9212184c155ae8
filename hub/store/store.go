package store

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/storage"
)

// Schema is the number of the records' present layout; docs/hub-store.md describes it.
const Schema = 3

const eventsDir = "events" // below the store's own folder

// Options are the settings of a store. Only Dir is required.
type Options struct {
	Dir       string       // holds store.db with its copies, events/ and set-aside/; made when missing
	MaxEvents int64        // bytes that the events may take before the oldest go; 0 = 4 GiB
	Logger    *slog.Logger // nil = silent
	// Restored says that the folder was put there from a backup: serial numbers go on in a new epoch of the log.
	Restored bool
}

// Store keeps what the hub must not lose, in the files of one folder. It is safe for concurrent use. Whoever opens it
// closes it.
type Store struct {
	o      Options
	log    *slog.Logger
	db     *storage.Store
	events *eventLog

	sites        shelf[fleet.Site]
	panels       shelf[fleet.Panel]
	users        shelf[fleet.User]
	settings     shelf[rawJSON]
	sessions     storage.Table[fleet.Session]
	windows      storage.Table[fleet.Window]
	certs        storage.Table[fleet.Certificate]
	documents    storage.Table[fleet.Document]
	licenses     storage.Table[fleet.License]
	orders       storage.Table[fleet.Order]
	byPanel      storage.Raw // panel and number of an order
	states       storage.Raw // of the monitor, by site
	outbox       storage.Table[fleet.Delivery]
	byMade       storage.Raw // when a delivery was made, and its id
	byDue        storage.Raw // when a waiting one is due, and its id
	audit        storage.Raw
	leases       storage.Table[lease]
	counters     storage.Table[uint64]
	vouchers     storage.Table[fleet.Voucher]
	voucherCodes storage.Raw // digest of a short code
	ledger       ledgerTables
	given        deedTables // what panels have of licenses

	roles       storage.Table[roles.Role]
	assignments storage.Table[roles.Assignment]
	handOvers   storage.Table[roles.HandOver]

	counter counter // where decisions of the ledger wait
	closing sync.Once
}

// Open opens the store in o.Dir, or makes it. The notes say, for people, what was damaged and where it was put. An error
// means that there is no store: another process holds it (storage.ErrInUse), or the disk refuses.
func Open(o Options) (*Store, []storage.Note, error) {
	if o.MaxEvents <= 0 {
		o.MaxEvents = 4 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, notes, err := storage.Open(storage.Options{Dir: o.Dir, MaxSize: 1 << 30, Schema: Schema, Migrate: migrations(), Logger: o.Logger})
	if err != nil {
		return nil, notes, fmt.Errorf("cannot open the hub's store: %w", err)
	}
	s := &Store{o: o, log: o.Logger, db: db}
	s.name()
	events, more, err := openEvents(db, o)
	notes = append(notes, more...)
	if err != nil {
		return nil, notes, errors.Join(fmt.Errorf("cannot open the hub's events: %w", err), db.Close())
	}
	s.events = events
	return s, notes, nil
}

// name gives every table its name in the file; docs/hub-store.md lists them.
func (s *Store) name() {
	s.sites = newShelf[fleet.Site](s, "sites", "site")
	s.panels = newShelf[fleet.Panel](s, "panels", "panel")
	s.users = newShelf[fleet.User](s, "users", "user")
	s.settings = newShelf[rawJSON](s, "settings", "setting")
	s.sessions = storage.NewTable[fleet.Session](s.db, "sessions")
	s.roles = storage.NewTable[roles.Role](s.db, "roles")
	s.assignments = storage.NewTable[roles.Assignment](s.db, "assignments")
	s.handOvers = storage.NewTable[roles.HandOver](s.db, "hand_overs")
	s.windows = storage.NewTable[fleet.Window](s.db, "windows")
	s.certs = storage.NewTable[fleet.Certificate](s.db, "certificates")
	s.documents = storage.NewTable[fleet.Document](s.db, "documents")
	s.licenses = storage.NewTable[fleet.License](s.db, "licenses")
	s.orders = storage.NewTable[fleet.Order](s.db, "orders")
	s.given.name(s.db)
	s.byPanel = storage.NewRaw(s.db, "orders_by_panel")
	s.states = storage.NewRaw(s.db, "situations")
	s.outbox = storage.NewTable[fleet.Delivery](s.db, "deliveries")
	s.byMade = storage.NewRaw(s.db, "deliveries_by_made")
	s.byDue = storage.NewRaw(s.db, "deliveries_by_due")
	s.audit = storage.NewRaw(s.db, "audit")
	s.leases = storage.NewTable[lease](s.db, "leases")
	s.counters = storage.NewTable[uint64](s.db, "counters")
	s.vouchers = storage.NewTable[fleet.Voucher](s.db, "vouchers")
	s.voucherCodes = storage.NewRaw(s.db, "vouchers_by_code")
	s.nameLedger()
}

// migrations are the steps from each older schema to the next one. There is none older than 1.
func migrations() []func(*storage.Tx) error {
	return []func(*storage.Tx) error{nil, assignmentsOfSchema1, monthsOfSchema2}
}

// Dir is the folder that holds everything.
func (s *Store) Dir() string { return s.o.Dir }

// ReadOnly reports whether a newer version wrote the store, which then refuses every write.
func (s *Store) ReadOnly() bool { return s.db.ReadOnly() }

// Close writes what waits and gives the files back. A second Close does nothing.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() { err = errors.Join(s.events.close(), s.db.Close()) })
	return err
}

func (o Options) eventsPath() string { return filepath.Join(o.Dir, eventsDir) }
