package hub

import (
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

// What the loop asks of the store. Every method that writes is durable when it returns.
type (
	// Directory says which sites and panels there are.
	Directory interface {
		Sites() ([]fleet.Site, error)
		Panels() ([]fleet.Panel, error)
	}
	// Events keeps the panels' journals.
	Events interface {
		// Append stores a batch in one transaction, in its order, and answers for each event what became of it.
		Append(batch []fleet.Received) ([]fleet.Outcome, error)
		// Head is the last event that is stored of a panel; ok is false before the first.
		Head(panel string) (h fleet.Head, ok bool, err error)
		// AddFault keeps a fault that was found outside of Append.
		AddFault(fleet.Fault) error
	}
	// Situations keeps what the monitor knows, and what is to be told.
	Situations interface {
		// Situation is the stored JSON of a site; empty when there is none.
		Situation(site string) ([]byte, error)
		// Commit keeps it together with new deliveries, those taken back and what the audit says of it, all or nothing.
		Commit(site string, state []byte, deliveries []fleet.Delivery, withdrawn []string, changes ...fleet.Change) error
		AddDeliveries(deliveries []fleet.Delivery, changes ...fleet.Change) (added int, err error)
	}
	// Leases let several hubs share the work.
	Leases interface {
		Lease(name, holder string, now, until time.Time) (mine bool, err error)
		Release(name, holder string) error
	}
	// Orders keeps what panels were asked for.
	Orders interface {
		// NextNumber is never given again.
		NextNumber(now time.Time) (uint64, error)
		PutOrder(fleet.Order) error
		// Order is the one with a number, or fleet.ErrUnknown.
		Order(number uint64) (fleet.Order, error)
		// Orders are the newest of a panel, or of all.
		Orders(panel string, limit int) ([]fleet.Order, error)
	}
	// Documents keeps what is published to panels.
	Documents interface {
		PutDocument(fleet.Document) error
		// Documents are those of one panel, or of all when panel is empty.
		Documents(panel string) ([]fleet.Document, error)
	}
	// Audit keeps who did what.
	Audit interface {
		Note(fleet.Change) error
	}
	// Store is all of it.
	Store interface {
		Directory
		Events
		Situations
		Leases
		Orders
		Documents
		Audit
	}
)
