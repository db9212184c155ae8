package store

import (
	"log/slog"
	"time"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/storage"
)

// monthsOfSchema2 begins to measure what each group uses. It does so from the ledger's mark on: nothing has changed since.
func monthsOfSchema2(tx *storage.Tx) error {
	s := &Store{log: slog.New(slog.DiscardHandler)}
	s.nameLedger()
	b := book{&s.ledger, tx}
	mark, err := b.Mark()
	if err != nil {
		return err
	}
	var ids []string
	for id := range b.groups.AllTx(tx) {
		ids = append(ids, id)
	}
	zones := map[string]*time.Location{}
	for _, id := range ids {
		g, known, err := b.groups.GetTx(tx, id)
		if err != nil {
			return err
		}
		if !known || !g.Month.IsZero() {
			continue
		}
		g.Month = ledger.BeginMonth(g.Count.Used, mark.At, b.zoneAbove(zones, id))
		if err := b.groups.PutTx(tx, id, g); err != nil {
			return err
		}
	}
	return nil
}

// zoneAbove is the zone of a group: its own, or that of the nearest group above that has one.
func (b book) zoneAbove(known map[string]*time.Location, id string) *time.Location {
	if zone := known[id]; zone != nil {
		return zone
	}
	zone := time.UTC
	if g, there, err := b.groups.GetTx(b.tx, id); err == nil && there {
		if own, err := b.Zone(g.Zone); g.Zone != "" && err == nil {
			zone = own
		} else if g.Parent != "" && g.Parent != id {
			zone = b.zoneAbove(known, g.Parent)
		}
	}
	known[id] = zone
	return zone
}
