package store

import (
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/storage"
)

// ledgerTables are the license ledger's records, by their ids, and the ways to find them; docs/hub-store.md lists them.
type ledgerTables struct {
	log   *slog.Logger
	zones sync.Map // *time.Location by name; only those that there are

	groups   storage.Table[ledger.Group]
	users    storage.Table[ledger.User]
	uses     storage.Table[ledger.Use]
	devices  storage.Table[ledger.Device]
	packages storage.Table[ledger.Package]
	trials   storage.Table[ledger.Trial]
	claims   storage.Table[ledger.Claim]
	asks     storage.Table[ledger.Ask]
	months   storage.Table[ledger.Month] // by group and month
	edges    storage.Table[ledger.Edge]
	entries  storage.Table[ledger.Entry]
	mark     storage.Table[ledger.Mark]

	children  storage.Raw // parent and id of a group
	names     storage.Raw // root, name in lower case and id of a group
	usersIn   storage.Raw // group and id of a user
	usesIn    storage.Raw // group and id of a use
	usesOf    storage.Raw // user and id of a use
	usesOn    storage.Raw // panel and id of a use
	devicesIn storage.Raw // group and id of a panel
	accounts  storage.Raw // company and id of a license of an account
	asksIn    storage.Raw // company and dead panel of a request
}

const markKey = "mark"

func (s *Store) nameLedger() {
	t := &s.ledger
	t.log = s.log
	t.groups = storage.NewTable[ledger.Group](s.db, "ledger_groups")
	t.users = storage.NewTable[ledger.User](s.db, "ledger_users")
	t.uses = storage.NewTable[ledger.Use](s.db, "ledger_uses")
	t.devices = storage.NewTable[ledger.Device](s.db, "ledger_devices")
	t.packages = storage.NewTable[ledger.Package](s.db, "ledger_packages")
	t.trials = storage.NewTable[ledger.Trial](s.db, "ledger_trials")
	t.claims = storage.NewTable[ledger.Claim](s.db, "ledger_claims")
	t.asks = storage.NewTable[ledger.Ask](s.db, "ledger_asks")
	t.months = storage.NewTable[ledger.Month](s.db, "ledger_months")
	t.edges = storage.NewTable[ledger.Edge](s.db, "ledger_edges")
	t.entries = storage.NewTable[ledger.Entry](s.db, "ledger_entries")
	t.mark = storage.NewTable[ledger.Mark](s.db, "ledger_mark")
	t.children = storage.NewRaw(s.db, "ledger_groups_by_parent")
	t.names = storage.NewRaw(s.db, "ledger_groups_by_name")
	t.usersIn = storage.NewRaw(s.db, "ledger_users_by_group")
	t.usesIn = storage.NewRaw(s.db, "ledger_uses_by_group")
	t.usesOf = storage.NewRaw(s.db, "ledger_uses_by_user")
	t.usesOn = storage.NewRaw(s.db, "ledger_uses_by_panel")
	t.devicesIn = storage.NewRaw(s.db, "ledger_devices_by_group")
	t.accounts = storage.NewRaw(s.db, "ledger_account_packages")
	t.asksIn = storage.NewRaw(s.db, "ledger_asks_by_company")
}

// book is the ledger as one transaction sees it. A record that cannot be read is an error to whoever asks for it by its id, and
// is left out of lists and said in the log: at the next start it is set aside and named.
type book struct {
	*ledgerTables
	tx *storage.Tx
}

var _ ledger.Book = book{}

func found[T any](b book, table storage.Table[T], what, key string) (T, bool, error) {
	v, ok, err := table.GetTx(b.tx, key)
	if err != nil {
		err = fmt.Errorf("cannot read %s %s of the ledger: %w", what, key, err)
	}
	return v, ok, err
}

// Group implements ledger.Book.
func (b book) Group(id string) (ledger.Group, bool, error) { return found(b, b.groups, "group", id) }

// User implements ledger.Book.
func (b book) User(id string) (ledger.User, bool, error) { return found(b, b.users, "user", id) }

// Use implements ledger.Book.
func (b book) Use(id string) (ledger.Use, bool, error) { return found(b, b.uses, "use", id) }

// Device implements ledger.Book.
func (b book) Device(id string) (ledger.Device, bool, error) {
	return found(b, b.devices, "panel", id)
}

// Package implements ledger.Book.
func (b book) Package(id string) (ledger.Package, bool, error) {
	return found(b, b.packages, "package", id)
}

// Trial implements ledger.Book.
func (b book) Trial(registration string) (ledger.Trial, bool, error) {
	return found(b, b.trials, "trial", registration)
}

// Claim implements ledger.Book.
func (b book) Claim(license string) (ledger.Claim, bool, error) {
	return found(b, b.claims, "claim", license)
}

// Children implements ledger.Book.
func (b book) Children(parent, after string) iter.Seq2[ledger.Group, error] {
	return listed(b, b.children, b.groups, parent, after, func(g ledger.Group) bool { return g.Parent == parent })
}

// UsersIn implements ledger.Book.
func (b book) UsersIn(group, after string) iter.Seq2[ledger.User, error] {
	return listed(b, b.usersIn, b.users, group, after, func(u ledger.User) bool { return slices.Contains(u.Groups, group) })
}

// UsesIn implements ledger.Book.
func (b book) UsesIn(group, after string) iter.Seq2[ledger.Use, error] {
	return listed(b, b.usesIn, b.uses, group, after, func(u ledger.Use) bool { return slices.Contains(u.Groups, group) })
}

// UsesOf implements ledger.Book.
func (b book) UsesOf(user string) iter.Seq2[ledger.Use, error] {
	return listed(b, b.usesOf, b.uses, user, "", func(u ledger.Use) bool { return u.User == user })
}

// UsesOn implements ledger.Book.
func (b book) UsesOn(panel string) iter.Seq2[ledger.Use, error] {
	return listed(b, b.usesOn, b.uses, panel, "", func(u ledger.Use) bool { return u.Panel == panel })
}

// DevicesIn implements ledger.Book.
func (b book) DevicesIn(group, after string) iter.Seq2[ledger.Device, error] {
	return listed(b, b.devicesIn, b.devices, group, after, func(d ledger.Device) bool { return d.Group == group })
}

// Ask implements ledger.Book.
func (b book) Ask(dead string) (ledger.Ask, bool, error) {
	return found(b, b.asks, "request to replace panel", dead)
}

// Asks implements ledger.Book.
func (b book) Asks(root, after string) iter.Seq2[ledger.Ask, error] {
	return listed(b, b.asksIn, b.asks, root, after, func(a ledger.Ask) bool { return a.Root == root })
}

// Months implements ledger.Book. A group has few; they are read upwards, because a table in which something was deleted cannot be read
// downwards in the same transaction.
func (b book) Months(group, until string) iter.Seq2[ledger.Month, error] {
	return func(yield func(ledger.Month, error) bool) {
		var found []ledger.Month
		prefix := pair(group, "")
		for key, m := range b.months.FromTx(b.tx, prefix) {
			if !strings.HasPrefix(key, prefix) || m.Month > until {
				break
			}
			found = append(found, m)
		}
		for _, m := range slices.Backward(found) {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// AccountPackages implements ledger.Book.
func (b book) AccountPackages(root, after string) iter.Seq2[ledger.Package, error] {
	return listed(b, b.accounts, b.packages, root, after, func(p ledger.Package) bool { return p.Account && p.Root == root })
}

// listed walks an index below one name and gives the records that belong there: after damage an index may name others.
func listed[T any](b book, index storage.Raw, table storage.Table[T], name, after string, belongs func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		prefix := pair(name, "")
		for key := range index.FromTx(b.tx, prefix+after) {
			id, ok := strings.CutPrefix(key, prefix)
			if !ok {
				return
			}
			if id == after {
				continue
			}
			v, known, err := table.GetTx(b.tx, id)
			if err != nil {
				b.log.Error("a record of the license ledger is left out", "id", id, "cause", err)
				continue
			}
			if known && belongs(v) && !yield(v, nil) {
				return
			}
		}
	}
}

// Mark implements ledger.Book. One that was damaged and set aside is made anew from the newest entry: what is due since that is
// then decided once more, which changes nothing.
func (b book) Mark() (ledger.Mark, error) {
	m, known, err := b.mark.GetTx(b.tx, markKey)
	if known && err == nil {
		return m, nil
	}
	if err != nil {
		b.log.Error("the mark of the license ledger is made anew from its newest entry", "cause", err)
	}
	for _, e := range b.entries.DownTx(b.tx, "") {
		return ledger.Mark{At: e.At, Number: e.Number, Hash: e.Hash}, nil
	}
	return ledger.Mark{}, nil
}

// Edges implements ledger.Book.
func (b book) Edges(kind ledger.EdgeKind, after, until time.Time) iter.Seq2[ledger.Edge, error] {
	return func(yield func(ledger.Edge, error) bool) {
		prefix := pair(string(kind), "")
		from := prefix
		if !after.IsZero() {
			from = prefix + instantKey(after) + "\x01" // behind all edges of that instant, whose keys go on with a zero byte
		}
		for key, e := range b.edges.FromTx(b.tx, from) {
			if !strings.HasPrefix(key, prefix) || !until.IsZero() && e.At.After(until) {
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Zone gives a time zone by its IANA name. Zones are remembered: each decision about a date asks for some.
func (b book) Zone(name string) (*time.Location, error) {
	if zone, ok := b.zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("cannot find time zone %.64q: %w", name, err)
	}
	b.zones.Store(name, zone)
	return zone, nil
}

func pair(a, b string) string { return a + "\x00" + b }

// instantKey orders instants of all years that a time.Time can hold, before 1970 too.
func instantKey(t time.Time) string {
	return fmt.Sprintf("%016x%08x", uint64(t.Unix())+1<<63, t.Nanosecond())
}

func edgeKey(e ledger.Edge) string {
	return strings.Join([]string{string(e.Kind), instantKey(e.At), e.Group, e.User, e.Block}, "\x00")
}

func nameKey(g ledger.Group) string {
	return strings.Join([]string{g.Root, strings.ToLower(g.Name), g.ID}, "\x00")
}
