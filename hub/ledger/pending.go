package ledger

import (
	"errors"
	"iter"
	"time"
)

var errNotYet = errors.New("cannot decide: this change is not built yet")

type draft struct{}

func newDraft(Book, Request) (*draft, error) { return &draft{}, nil }
func (d *draft) pass() error                 { return errNotYet }
func (d *draft) changes() (Changes, error)   { return Changes{}, errNotYet }

// StateOf is how a group or user stands at an instant: all of it, for an asker who may see it. A subject that does not
// exist is a *Refusal with the reason Unknown.
func StateOf(book Book, at time.Time, subject Subject, asker Asker) (State, error) {
	return State{}, errNotYet
}

// WhatIf is StateOf after a change that is decided but not written. A refused change is a *Refusal.
func WhatIf(book Book, r Request, change Change, subject Subject, asker Asker) (State, error) {
	return State{}, errNotYet
}

// Usage yields a row for a group and every group below it, each parent before its children (T-21). It reads page after page; the
// caller may leave at any row.
func Usage(book Book, group string) iter.Seq2[Row, error] { return nil }

// NextChange is when the ledger changes by itself next: a block begins or ends, a reminder is due. Zero = never.
func NextChange(book Book, after time.Time) (time.Time, error) { return time.Time{}, errNotYet }

// Reminders are what would be sent about the blocks of a group in (after, until], for a preview (B-6). Tick is what sends them.
func Reminders(book Book, group string, after, until time.Time) ([]Due, error) { return nil, errNotYet }

// PathOf is the groups from the root to a group, itself included.
func PathOf(book Book, group string) ([]Place, error) { return nil, errNotYet }

func (asker Asker) binds(binds []Bind) []Bind    { return binds }
func (asker Asker) hides(binds []Bind) bool      { return false }
func (asker Asker) sentence(binds []Bind) string { return "" }
func (c CreateGroup) decide(d *draft) error      { return errNotYet }
func (c EditGroup) decide(d *draft) error        { return errNotYet }
func (c SetLevels) decide(d *draft) error        { return errNotYet }
func (c MoveGroup) decide(d *draft) error        { return errNotYet }
func (c ArchiveGroup) decide(d *draft) error     { return errNotYet }
func (c RestoreGroup) decide(d *draft) error     { return errNotYet }
func (c SaveLicenses) decide(d *draft) error     { return errNotYet }
func (c AddUser) decide(d *draft) error          { return errNotYet }
func (c EditUser) decide(d *draft) error         { return errNotYet }
func (c RemoveUser) decide(d *draft) error       { return errNotYet }
func (c Consume) decide(d *draft) error          { return errNotYet }
func (c Resize) decide(d *draft) error           { return errNotYet }
func (c Release) decide(d *draft) error          { return errNotYet }
func (c Pin) decide(d *draft) error              { return errNotYet }
func (c Relabel) decide(d *draft) error          { return errNotYet }
func (c RegisterDevice) decide(d *draft) error   { return errNotYet }
func (c RemoveDevice) decide(d *draft) error     { return errNotYet }
func (c ReplaceDevice) decide(d *draft) error    { return errNotYet }
func (c ActivatePackage) decide(d *draft) error  { return errNotYet }
func (c UndoPackage) decide(d *draft) error      { return errNotYet }
func (c RevokePackage) decide(d *draft) error    { return errNotYet }
func (c StartTrial) decide(d *draft) error       { return errNotYet }
func (c ClaimLicense) decide(d *draft) error     { return errNotYet }
func (c GiveUpClaim) decide(d *draft) error      { return errNotYet }
func (c Tick) decide(d *draft) error             { return errNotYet }
func (c Batch) decide(d *draft) error            { return errNotYet }
