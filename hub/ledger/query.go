package ledger

import "time"

// EntryQuery says which entries of the ledger somebody wants to read, newest first.
type EntryQuery struct {
	Root   string    // of this company alone; empty = of all
	Group  string    // about this very group; empty = about any
	From   time.Time // not before; zero = from the first on
	Until  time.Time // before; zero = to the newest
	Before uint64    // only entries with a lower number; 0 = from the newest on
	Limit  int       // at most so many; the store may return fewer and say where to go on
}
