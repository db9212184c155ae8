package pools

import (
	"errors"
	"fmt"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

// Tree is the license ledger, in the same store: what a panel has of a pool's buttons is a use of it in the panel's group.
type Tree interface {
	// Look runs a function on one consistent state of the ledger.
	Look(func(ledger.Book) error) error
	// KeepCounted keeps a change together with what the ledger counts by it, durably, all or nothing. The error is a *ledger.Refusal, or
	// the store's own.
	KeepCounted(c fleet.DeedChange, r ledger.Request, counts ...ledger.Allot) error
}

// standing is how a panel's share counts in the ledger.
type standing struct {
	registered bool // the panel is in a group; else nothing bounds it
	count      int  // what is counted
	works      int  // of it, what is not suspended
}

// holder names a share of a license.
type holder struct {
	license string
	share
}

// sight is what is decided upon: how much each panel has of each license, and what the ledger says of it.
type sight struct {
	pools *Pools
	scene scene
	has   map[string][]license.Entry // by license
	tree  map[holder]standing
}

// look reads it. Hold p.mu.
func (p *Pools) look(s scene) (*sight, error) {
	seen := &sight{pools: p, scene: s, has: map[string][]license.Entry{}, tree: map[holder]standing{}}
	for _, id := range p.ids() {
		if len(p.pools[id].allotments) > 0 {
			seen.has[id] = p.entries(p.pools[id], s)
		}
	}
	return seen, seen.lookUp(p.ids())
}

// lookUp asks the ledger how every share of some licenses stands.
func (v *sight) lookUp(ids []string) error {
	p := v.pools
	if p.o.Tree == nil {
		return nil
	}
	err := p.o.Tree.Look(func(book ledger.Book) error {
		for _, id := range ids {
			for _, key := range p.pools[id].shares() {
				if key.feature != license.Buttons {
					continue
				}
				device, known, err := book.Device(key.panel)
				if err != nil {
					return err
				}
				u, works, _, err := ledger.ShareOf(book, id, key.panel)
				if err != nil {
					return err
				}
				v.tree[holder{id, key}] = standing{registered: known && !device.Gone(), count: u.Count, works: works}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot read what the license ledger lets panels have: %w", err)
	}
	return nil
}

// left is how much of a share the panel has.
func (v *sight) left(id string, key share) int { return left(v.has[id], key.feature, key.panel) }

// target is how much of a share the panel is to have now: what is asked for, as far as it is not suspended.
func (v *sight) target(id string, key share) int {
	asked := v.pools.pools[id].allotments[key].Asked
	if st := v.tree[holder{id, key}]; st.registered && st.count > 0 {
		return min(asked, st.works)
	}
	return asked
}

// apart are the shares whose panels have more or less than works: what they really have bounds what others are given.
func (v *sight) apart() (list []ledger.Share) {
	for _, id := range v.pools.ids() {
		for _, key := range v.pools.pools[id].shares() {
			if st := v.tree[holder{id, key}]; st.registered && v.left(id, key) != st.works {
				list = append(list, ledger.Share{Pool: id, Panel: key.panel, Has: v.left(id, key)})
			}
		}
	}
	return list
}

// request is who asks the ledger.
func (p *Pools) request(by string) ledger.Request {
	if by == "" {
		by = "hub"
	}
	return ledger.Request{At: p.o.Clock().Now.UTC(), Who: by}
}

// store keeps a change with what the ledger counts by it. Hold p.mu.
func (p *Pools) store(c fleet.DeedChange, by string, counts []ledger.Allot) error {
	if p.o.Tree == nil || len(counts) == 0 {
		return p.o.Store.KeepDeeds(c)
	}
	return p.o.Tree.KeepCounted(c, p.request(by), counts...)
}

// recount has the ledger count what panels have that it does not know of: their site was hung below a group, the hub was restored, or
// they gave back what was suspended. What is there already is never refused; what does not fit is suspended. Hold p.mu.
func (p *Pools) recount(v *sight) error {
	var faults []error
	changed := false
	for _, id := range p.ids() {
		var counts []ledger.Allot
		for _, key := range p.pools[id].shares() {
			st := v.tree[holder{id, key}]
			want := max(p.pools[id].allotments[key].Asked, v.left(id, key))
			if st.registered && st.count != want {
				counts = append(counts, ledger.Allot{Pool: id, Panel: key.panel, Count: want, Found: true})
			}
		}
		if len(counts) > 0 {
			changed = true
			faults = append(faults, p.store(fleet.DeedChange{}, "", counts))
		}
	}
	if changed {
		faults = append(faults, v.lookUp(p.ids()))
	}
	return errors.Join(faults...)
}

// bound asks the ledger how much of an allotment would work; free tells that nothing bounds the panel. The error is a *ledger.Refusal
// when a group above has no room for it; never for what the panel has already. Hold p.mu.
func (p *Pools) bound(ask fleet.PoolAsk, count int, found bool) (works int, free bool, err error) {
	if p.o.Tree == nil || ask.Feature != license.Buttons {
		return count, true, nil
	}
	err = p.o.Tree.Look(func(book ledger.Book) error {
		var counted bool
		works, counted, err = ledger.TryAllot(book, p.request(ask.By), ledger.Allot{Pool: ask.License, Panel: ask.Panel, Count: count, Found: found})
		free = !counted
		return err
	})
	if free {
		works = count
	}
	return works, free, err
}

// refused tells that the ledger said no.
func refused(err error) bool {
	var r *ledger.Refusal
	return errors.As(err, &r)
}
