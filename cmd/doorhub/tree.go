package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/web"
	"github.com/doorpanel/doorpanel/license"
)

// openLedger sets up the license ledger: who may hand out what, down the tree of groups.
func (h *house) openLedger() (err error) {
	h.ledger, err = hub.NewLedger(hub.LedgerOptions{
		Name: hubName, Store: h.store, Leases: h.store, Posted: h.deliverer.Wake, Turned: h.turned, Logger: h.log.With("part", "ledger"),
	})
	if err != nil {
		return err
	}
	if h.packages, err = hub.NewPackages(h.licenses, h.store, h.ledger, h.log.With("part", "packages")); err != nil {
		return err
	}
	h.packages.KeepApart(h.onPanels)
	h.registrar, err = hub.NewRegistrar(h.store, h.ledger, h.log.With("part", "registrar"))
	return err
}

// turned tells whoever is bounded by the license ledger that it says something else now. What a user takes and gives back is not
// looked at: it happens often, and bounds nobody who is there already.
func (h *house) turned(entries []ledger.Entry) {
	for _, e := range entries {
		if strings.HasPrefix(e.What, "use.") && len(e.Stopped)+len(e.Resumed) == 0 {
			continue
		}
		h.pools.Kick()
		h.hub.Changed()
		return
	}
}

// monitoring is what a group has of monitoring for the sites below it.
func (h *house) monitoring(group string, at time.Time) (s ledger.Supply, err error) {
	err = h.store.Look(func(book ledger.Book) error {
		s, err = ledger.SupplyOf(book, at, group, license.Monitoring)
		return err
	})
	return s, err
}

// keepLedger lets time pass in the ledger, and brings panels and revoked packages into it.
func (h *house) keepLedger(ctx context.Context) {
	if err := h.packages.Review(); err != nil {
		h.log.Error("cannot look for revoked packages", "cause", err)
	}
	h.ledger.Run(ctx)
}

// changed tells everybody who looks at sites and panels that there are others.
func (h *house) changed() {
	h.hub.Changed()
	h.registrar.Changed()
}

// EnterPackage implements web.Packages.
func (a adapter) EnterPackage(_ context.Context, root, user, text, by string) (ledger.Package, error) {
	answer, err := a.h.packages.Enter(hub.PackageEntry{Root: root, User: user, Text: text, By: by})
	switch {
	case err != nil:
		return answer.Package, told(err)
	case answer.Result.Refused():
		return answer.Package, fmt.Errorf("%w: %s", web.ErrInvalid, answer.Message)
	}
	return answer.Package, nil
}
