package store

import (
	"sync"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	faultCounter = "faults"
	maxFaults    = 100 // of one panel and kind: somebody has to look at them, and nobody looks at more
)

// faults keeps what is wrong with journals and identities, each once. How many there are of each panel and kind it knows by
// heart, so that a panel which sends nothing but faults costs no writes.
type faults struct {
	db    *storage.Store
	table storage.Table[fleet.Fault]
	known storage.Raw // panel, kind, epoch and entry of a fault that is there

	mu     sync.Mutex
	counts map[faultSort]int
}

type faultSort struct {
	panel string
	kind  fleet.FaultKind
}

func newFaults(db *storage.Store) *faults {
	return &faults{db: db, table: storage.NewTable[fleet.Fault](db, "faults"), known: storage.NewRaw(db, "faults_known")}
}

func faultKey(f *fleet.Fault) string {
	return f.Panel + "\x00" + string(f.Kind) + "\x00" + f.Epoch + "\x00" + numberKey(f.Seq)
}

// add keeps the faults of outcomes, durably.
func (f *faults) add(outcomes []fleet.Outcome) error {
	var list []*fleet.Fault
	for i := range outcomes {
		if outcomes[i].Fault != nil {
			list = append(list, outcomes[i].Fault)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return f.keep(list)
}

func (f *faults) keep(list []*fleet.Fault) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.count(); err != nil {
		return err
	}
	fresh, err := f.fresh(list)
	if err != nil || len(fresh) == 0 {
		return err
	}
	err = f.db.Update(func(tx *storage.Tx) error {
		counters := storage.NewTable[uint64](f.db, "counters")
		n, _, err := counters.GetTx(tx, faultCounter)
		if err != nil {
			return err
		}
		for _, one := range fresh {
			n++
			if err := f.table.PutTx(tx, numberKey(n), *one); err != nil {
				return err
			}
			if err := f.known.PutTx(tx, faultKey(one), []byte(numberKey(n))); err != nil {
				return err
			}
		}
		return counters.PutTx(tx, faultCounter, n)
	})
	if err != nil {
		f.counts = nil
	}
	return err
}

// count looks once how many faults there are.
func (f *faults) count() error {
	if f.counts != nil {
		return nil
	}
	counts := map[faultSort]int{}
	err := f.db.View(func(tx *storage.Tx) error {
		for _, one := range f.table.AllTx(tx) {
			counts[faultSort{one.Panel, one.Kind}]++
		}
		return nil
	})
	if err == nil {
		f.counts = counts
	}
	return err
}

// fresh leaves out the faults that are known, and those of a panel that has so many of this kind that no more are kept.
func (f *faults) fresh(list []*fleet.Fault) (out []*fleet.Fault, err error) {
	seen := map[string]bool{}
	err = f.db.View(func(tx *storage.Tx) error {
		for _, one := range list {
			sort, key := faultSort{one.Panel, one.Kind}, faultKey(one)
			if f.counts[sort] >= maxFaults || seen[key] {
				continue
			}
			if _, known, err := f.known.GetTx(tx, key); err != nil {
				return err
			} else if known {
				continue
			}
			seen[key] = true
			f.counts[sort]++
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// AddFault keeps a fault that did not come with an event, once for each panel, kind, epoch and entry.
func (s *Store) AddFault(f fleet.Fault) error { return s.events.faults.keep([]*fleet.Fault{&f}) }

// Faults are those of one panel, or of all when panel is empty; newest first, at most limit. Of one panel and kind, the first
// hundred are kept until somebody deletes them.
func (s *Store) Faults(panel string, limit int) (out []fleet.Fault, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for _, f := range s.events.faults.table.DownTx(tx, "") {
			if len(out) >= limit {
				break
			}
			if panel == "" || f.Panel == panel {
				out = append(out, f)
			}
		}
		return nil
	})
	return out, err
}

// DeleteFaults deletes the faults of a panel, as somebody decided who has looked at them, and says so in the audit.
func (s *Store) DeleteFaults(panel string, change fleet.Change) (deleted int, err error) {
	f := s.events.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts = nil
	err = s.update(func(tx *storage.Tx) error {
		deleted = 0
		gone := map[string]string{}
		for key, one := range f.table.AllTx(tx) {
			if one.Panel == panel {
				gone[key] = faultKey(&one)
			}
		}
		for key, known := range gone {
			if err := f.table.DeleteTx(tx, key); err != nil {
				return err
			}
			if err := f.known.DeleteTx(tx, known); err != nil {
				return err
			}
			deleted++
		}
		return s.auditTx(tx, change)
	})
	return deleted, err
}
