package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/pools"
)

// openPools takes up what panels have of licenses that the hub holds.
func (h *house) openPools(key ed25519.PrivateKey) (err error) {
	var faults []error
	h.pools, faults, err = pools.New(pools.Options{
		Store: h.store, Tree: h.store, Directory: h.store, Way: wayToPanels{h}, Ring: h.licenses.Ring, Key: key.Public().(ed25519.PublicKey), Sign: signer(key),
		Clock: h.licenseClock, AtCompany: h.atCompany, Logger: h.log.With("part", "pools"),
	})
	for _, fault := range faults {
		h.notes = append(h.notes, "a license for panels: "+fault.Error())
		h.log.Error("cannot use a license for panels", "cause", fault)
	}
	return err
}

// onPanels tells that a license was entered for panels.
func (h *house) onPanels(id string) (bool, error) {
	_, err := h.pools.Show(id)
	if errors.Is(err, fleet.ErrUnknown) {
		return false, nil
	}
	return err == nil, err
}

// atCompany tells that a license of an account is used at a company.
func (h *house) atCompany(id string) (used bool, err error) {
	err = h.ledger.Look(func(book ledger.Book) error {
		p, known, err := book.Package(id)
		used = known && p.Undone.IsZero()
		return err
	})
	return used, err
}

// wayToPanels is how the pools reach panels. A hub that does not run publishes when it runs again.
type wayToPanels struct{ h *house }

// PutDocument implements pools.Way.
func (w wayToPanels) PutDocument(ctx context.Context, d fleet.Document) error {
	if !w.h.online {
		return nil
	}
	return w.h.hub.PutDocument(ctx, d)
}

// WithdrawDocument implements pools.Way.
func (w wayToPanels) WithdrawDocument(ctx context.Context, panel, kind, id, by string) error {
	if !w.h.online {
		return nil
	}
	return w.h.hub.WithdrawDocument(ctx, panel, kind, id, by)
}

// Order implements pools.Way.
func (w wayToPanels) Order(ctx context.Context, panel, verb, object, by string) (fleet.Order, error) {
	if !w.h.online {
		return fleet.Order{}, errOffline
	}
	return w.h.hub.Order(ctx, panel, verb, object, by)
}

// Heard implements pools.Way.
func (w wayToPanels) Heard(panel string) (at time.Time, boot string, ok bool) {
	return w.h.hub.Heard(panel)
}

// Warn implements pools.Way.
func (w wayToPanels) Warn(f fleet.Fault) { w.h.hub.Warn(f) }
