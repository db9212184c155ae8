package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	decisionsAtOnce = 256    // in one transaction
	entryWindow     = 20_000 // entries of the ledger that one question looks at
	nameWindow      = 200_000
)

// decision is one change that somebody waits for.
type decision struct {
	request ledger.Request
	change  ledger.Change

	done    bool
	changes ledger.Changes
	err     error
}

// counter is where decisions wait for each other: those that come while a transaction runs share the next one.
type counter struct {
	mu      sync.Mutex
	waiting []*decision

	turn sync.Mutex // held by the one who decides
}

// Decide decides a change of the license ledger and writes what was decided, durably, all or nothing; the reminders that it makes
// are in the outbox then. The error is a *ledger.Refusal, or the store's own; nothing has changed then.
func (s *Store) Decide(r ledger.Request, c ledger.Change) (ledger.Changes, error) {
	d := &decision{request: r, change: c}
	s.counter.enter(d)
	s.counter.turn.Lock()
	defer s.counter.turn.Unlock()
	if d.done {
		return d.changes, d.err
	}
	all := s.counter.take(d)
	if len(all) > 1 && s.decideAll(all) == nil {
		return d.changes, d.err
	}
	// One of them cannot be written: each by itself then, so that only that one is told.
	if err := s.decideAll([]*decision{d}); err != nil {
		return ledger.Changes{}, err
	}
	return d.changes, d.err
}

func (c *counter) enter(d *decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, d)
}

// take is d and who came before or after it, in the order in which they came. What was taken before and could not be written is
// not among them.
func (c *counter) take(d *decision) []*decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.waiting, d) {
		return []*decision{d}
	}
	n := min(len(c.waiting), decisionsAtOnce)
	all := slices.Clone(c.waiting[:n])
	c.waiting = slices.Delete(c.waiting, 0, n)
	if !slices.Contains(all, d) {
		all = append(all, d)
		c.waiting = slices.DeleteFunc(c.waiting, func(other *decision) bool { return other == d })
	}
	return all
}

// decideAll decides one after the other in one transaction. A refused one has written nothing; an error is the store's, and then
// nothing of all of them is written.
func (s *Store) decideAll(all []*decision) error {
	err := s.update(func(tx *storage.Tx) error {
		for _, d := range all {
			if err := s.decideTx(tx, d); err != nil {
				return err
			}
		}
		return nil
	})
	for _, d := range all {
		d.done = err == nil
	}
	return err
}

func (s *Store) decideTx(tx *storage.Tx, d *decision) error {
	b := book{&s.ledger, tx}
	var refusal *ledger.Refusal
	d.changes, d.err = ledger.Decide(b, d.request, d.change)
	switch {
	case errors.As(d.err, &refusal):
		d.changes = ledger.Changes{}
		return nil
	case d.err != nil:
		return d.err
	case d.changes.Empty():
		return nil
	}
	if err := s.writeTx(b, d.changes); err != nil {
		return fmt.Errorf("cannot write %s into the ledger: %w", d.change.What(), err)
	}
	return nil
}

// Look runs a function on one consistent state of the license ledger. It must not call Decide.
func (s *Store) Look(look func(ledger.Book) error) error {
	var own error
	err := s.db.View(func(tx *storage.Tx) error {
		own = look(book{&s.ledger, tx})
		return own
	})
	if own != nil {
		return own
	}
	return err
}

func (s *Store) writeTx(b book, c ledger.Changes) error {
	// The words of reminders are made first, from what their readers know: a use that is suspended now was there before.
	deliveries, err := s.reminders(b, c.Reminders)
	if err != nil {
		return err
	}
	for _, write := range []func() error{
		func() error { return each(c.DropUses, b.dropUse) },
		func() error { return each(c.DropUsers, b.dropUser) },
		func() error { return each(c.DropDevices, b.dropDevice) },
		func() error { return each(c.DropAsks, b.dropAsk) },
		func() error {
			return each(c.DropMonths, func(m ledger.Month) error { return b.months.DeleteTx(b.tx, pair(m.Group, m.Month)) })
		},
		func() error {
			return each(c.DropEdges, func(e ledger.Edge) error { return b.edges.DeleteTx(b.tx, edgeKey(e)) })
		},
		func() error { return each(c.Groups, b.putGroup) },
		func() error { return each(c.Users, b.putUser) },
		func() error { return each(c.Uses, b.putUse) },
		func() error { return each(c.Devices, b.putDevice) },
		func() error { return each(c.Asks, b.putAsk) },
		func() error {
			return each(c.Months, func(m ledger.Month) error { return b.months.PutTx(b.tx, pair(m.Group, m.Month), m) })
		},
		func() error {
			return each(c.Packages, b.putPackage)
		},
		func() error {
			return each(c.Trials, func(t ledger.Trial) error { return b.trials.PutTx(b.tx, t.Registration, t) })
		},
		func() error {
			return each(c.Claims, func(l ledger.Claim) error { return b.claims.PutTx(b.tx, l.License, l) })
		},
		func() error {
			return each(c.Edges, func(e ledger.Edge) error { return b.edges.PutTx(b.tx, edgeKey(e), e) })
		},
		func() error { return each(c.Entries, b.append) },
		func() error { return b.mark.PutTx(b.tx, markKey, c.Mark) },
		func() error { _, err := s.addTx(b.tx, deliveries); return err },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func each[T any](list []T, do func(T) error) error {
	for _, one := range list {
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}

// append writes an entry, never over another one.
func (b book) append(e ledger.Entry) error {
	_, known, err := b.entries.GetTx(b.tx, numberKey(e.Number))
	if known || err != nil {
		return errors.Join(fmt.Errorf("cannot append entry %d: there is one; restore a backup", e.Number), err)
	}
	return b.entries.PutTx(b.tx, numberKey(e.Number), e)
}

// before is the record that is replaced, which says where it can be found now. A damaged one cannot: what is left of it in an
// index is passed over.
func before[T any](b book, table storage.Table[T], id string) T {
	was, _, err := table.GetTx(b.tx, id)
	if err != nil {
		b.log.Error("a damaged record of the license ledger is replaced", "id", id, "cause", err)
	}
	return was
}

// reindex takes names out of an index under which an id is not found any more, and puts in the new ones.
func (b book) reindex(index storage.Raw, id string, was, is []string) error {
	for _, name := range was {
		if !slices.Contains(is, name) {
			if err := index.DeleteTx(b.tx, pair(name, id)); err != nil {
				return err
			}
		}
	}
	for _, name := range is {
		if !slices.Contains(was, name) {
			if err := index.PutTx(b.tx, pair(name, id), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b book) putGroup(g ledger.Group) error {
	was := before(b, b.groups, g.ID)
	if was.ID == "" || was.Parent != g.Parent {
		if was.ID != "" {
			if err := b.children.DeleteTx(b.tx, pair(was.Parent, was.ID)); err != nil {
				return err
			}
		}
		if err := b.children.PutTx(b.tx, pair(g.Parent, g.ID), nil); err != nil {
			return err
		}
	}
	if old, now := nameKey(was), nameKey(g); was.ID == "" || old != now {
		if was.ID != "" {
			if err := b.names.DeleteTx(b.tx, old); err != nil {
				return err
			}
		}
		if err := b.names.PutTx(b.tx, now, nil); err != nil {
			return err
		}
	}
	return b.groups.PutTx(b.tx, g.ID, g)
}

func (b book) putUser(u ledger.User) error {
	was := before(b, b.users, u.ID)
	return errors.Join(b.reindex(b.usersIn, u.ID, was.Groups, u.Groups), b.users.PutTx(b.tx, u.ID, u))
}

func (b book) dropUser(id string) error {
	return errors.Join(b.reindex(b.usersIn, id, before(b, b.users, id).Groups, nil), b.users.DeleteTx(b.tx, id))
}

func only(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

func (b book) indexUse(id string, was, is ledger.Use) error {
	return errors.Join(b.reindex(b.usesIn, id, was.Groups, is.Groups), b.reindex(b.usesOf, id, only(was.User), only(is.User)),
		b.reindex(b.usesOn, id, only(was.Panel), only(is.Panel)))
}

func (b book) putUse(u ledger.Use) error {
	return errors.Join(b.indexUse(u.ID, before(b, b.uses, u.ID), u), b.uses.PutTx(b.tx, u.ID, u))
}

func (b book) dropUse(id string) error {
	return errors.Join(b.indexUse(id, before(b, b.uses, id), ledger.Use{}), b.uses.DeleteTx(b.tx, id))
}

func (b book) putDevice(d ledger.Device) error {
	was := before(b, b.devices, d.ID)
	return errors.Join(b.reindex(b.devicesIn, d.ID, only(was.Group), only(d.Group)), b.devices.PutTx(b.tx, d.ID, d))
}

func (b book) dropDevice(id string) error {
	return errors.Join(b.reindex(b.devicesIn, id, only(before(b, b.devices, id).Group), nil), b.devices.DeleteTx(b.tx, id))
}

func (b book) putPackage(p ledger.Package) error {
	company := func(p ledger.Package) []string {
		if !p.Account {
			return nil
		}
		return only(p.Root)
	}
	return errors.Join(b.reindex(b.accounts, p.ID, company(before(b, b.packages, p.ID)), company(p)), b.packages.PutTx(b.tx, p.ID, p))
}

func (b book) putAsk(a ledger.Ask) error {
	was := before(b, b.asks, a.Dead)
	return errors.Join(b.reindex(b.asksIn, a.Dead, only(was.Root), only(a.Root)), b.asks.PutTx(b.tx, a.Dead, a))
}

func (b book) dropAsk(dead string) error {
	return errors.Join(b.reindex(b.asksIn, dead, only(before(b, b.asks, dead).Root), nil), b.asks.DeleteTx(b.tx, dead))
}

// Entries returns entries of the ledger that fit, newest first; next is where to go on as q.Before, 0 at the end. A page may be
// short, or empty, and still have a next one, because a bounded number of entries is looked at.
func (s *Store) Entries(q ledger.EntryQuery) (found []ledger.Entry, next uint64, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	below := ""
	if q.Before > 0 {
		below = numberKey(q.Before)
	}
	err = s.db.View(func(tx *storage.Tx) error {
		looked := 0
		for _, e := range s.ledger.entries.DownTx(tx, below) {
			if looked++; q.Fits(e) {
				found = append(found, e)
			}
			if (len(found) >= q.Limit || looked >= entryWindow) && e.Number > 1 {
				next = e.Number
				return nil
			}
		}
		return nil
	})
	return found, next, err
}

// EntriesAfter returns entries of the ledger above a number, oldest first, at most limit: for exports and checks.
func (s *Store) EntriesAfter(number uint64, limit int) (found []ledger.Entry, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for _, e := range s.ledger.entries.FromTx(tx, numberKey(number+1)) {
			if len(found) >= limit {
				return nil
			}
			found = append(found, e)
		}
		return nil
	})
	return found, err
}

// VerifyLedger checks the chain of the ledger from its first entry to the mark and returns how many are whole. An error says which
// entry is missing or was changed.
func (s *Store) VerifyLedger(ctx context.Context) (whole uint64, err error) {
	err = s.Look(func(l ledger.Book) error {
		b := l.(book)
		mark, err := b.Mark()
		if err != nil {
			return err
		}
		whole, err = ledger.Verify(func(yield func(ledger.Entry, error) bool) {
			for _, e := range b.entries.AllTx(b.tx) {
				if ctx.Err() != nil || !yield(e, nil) {
					return
				}
			}
		}, mark)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	return whole, err
}

// FindGroups returns groups whose names have a word that begins with each of the words, in any case, by root and name, at most limit;
// root "" means all of them. Archived ones are found too. It looks at 200,000 names at most, and reads only the records that fit. next
// is where to go on as after, empty when all were looked at.
func (s *Store) FindGroups(root, words, after string, limit int) (found []ledger.Group, next string, err error) {
	asked := strings.Fields(strings.ToLower(words))
	prefix := ""
	if root != "" {
		prefix = pair(root, "")
	}
	from := prefix
	if after != "" {
		from = after + "\x00"
	}
	err = s.Look(func(l ledger.Book) error {
		b, looked := l.(book), 0
		for key := range b.ledgerTables.names.FromTx(b.tx, from) {
			if !strings.HasPrefix(key, prefix) {
				break
			}
			if looked++; looked > nameWindow || len(found) >= limit {
				return nil
			}
			next = key
			part := strings.Split(key, "\x00")
			if len(part) != 3 || !hasWords(part[1], asked) {
				continue
			}
			g, known, err := b.groups.GetTx(b.tx, part[2])
			if err == nil && known && nameKey(g) == key {
				found = append(found, g)
			}
		}
		next = ""
		return nil
	})
	return found, next, err
}

// hasWords tells whether a name in lower case has a word that begins with each of those asked for.
func hasWords(name string, asked []string) bool {
	words := strings.Fields(name)
	for _, a := range asked {
		if !slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, a) }) {
			return false
		}
	}
	return true
}
