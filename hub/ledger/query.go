package ledger

import (
	"strings"
	"time"
)

// EntryQuery says which entries of the ledger somebody wants to read, newest first.
type EntryQuery struct {
	Root   string    // of this company alone; empty = of all
	Group  string    // about this very group; empty = about any
	User   string    // about this user of the tree; empty = about any
	Who    string    // who asked for the change; empty = anybody
	What   string    // the kind, or its beginning with a dot at the end: "group."; empty = every kind
	From   time.Time // not before; zero = from the first on
	Until  time.Time // before; zero = to the newest
	Before uint64    // only entries with a lower number; 0 = from the newest on
	Limit  int       // at most so many; the store may return fewer and say where to go on
}

// Fits tells whether an entry is asked for, whatever its number.
func (q EntryQuery) Fits(e Entry) bool {
	kind := q.What == "" || q.What == e.What || strings.HasSuffix(q.What, ".") && strings.HasPrefix(e.What, q.What)
	return kind && (q.Root == "" || q.Root == e.Root) && (q.Group == "" || q.Group == e.Group) && (q.User == "" || q.User == e.User) &&
		(q.Who == "" || q.Who == e.Who) && (q.From.IsZero() || !e.At.Before(q.From)) && (q.Until.IsZero() || e.At.Before(q.Until))
}
