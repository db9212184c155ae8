package main

import (
	"context"
	"fmt"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/web"
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

// turned tells whoever is bounded by the license ledger that it says something else now.
func (h *house) turned() { h.pools.Kick() }

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
