package web

import (
	"context"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// Ledger is the tree of groups with what each may hand out. Both see and decide in one transaction each.
type Ledger interface {
	// Decide decides a change and keeps what follows from it, all or nothing. A *ledger.Refusal says why nothing has changed.
	Decide(r ledger.Request, c ledger.Change) (ledger.Changes, error)
	// Look lets see read what is kept now. The book is good until see returns.
	Look(see func(ledger.Book) error) error
}

// GroupNames finds groups by name.
type GroupNames interface {
	// FindGroups returns groups whose names have a word that begins with each of the words, in the order of names, at most limit.
	// Root is the company to look in; empty is all of them. Archived ones are found too. next is where to go on as after, empty at the
	// end; it is nobody's to see. It must not be called while the ledger is looked at.
	FindGroups(root, words, after string, limit int) (found []ledger.Group, next string, err error)
}

// LedgerLog is the append-only ledger itself: who changed what.
type LedgerLog interface {
	// Entries returns what fits, newest first, at most q.Limit; next is where to go on as q.Before, 0 at the end.
	Entries(q ledger.EntryQuery) (found []ledger.Entry, next uint64, err error)
	// VerifyLedger checks the chain from the first entry to the last and returns how many are whole. An error names the first one
	// that does not fit.
	VerifyLedger(ctx context.Context) (uint64, error)
}

// Packages turns signed licenses into what a company may hand out.
type Packages interface {
	// EnterPackage examines the text DP1:… or a short code and activates the package at the company. A license of an account is for the
	// user, or waits for one while he is empty. ErrInvalid or a *ledger.Refusal
	// says in words why not.
	EnterPackage(ctx context.Context, root, user, text, by string) (ledger.Package, error)
}
