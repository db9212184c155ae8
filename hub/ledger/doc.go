// Package ledger distributes licenses down a tree of groups, from the company to the apartment: who may hand out how many SIP
// numbers, application seats, mobile keys, buttons and panels, until when, and what of it is in use (B-1 to B-33, T-1 to T-27).
//
// It is pure: no clock, no store, no wire. A decision reads what it needs through a Book, which is a transaction of the store,
// and returns the Changes that the store writes in the same transaction; or a Refusal, and then nothing has changed. No decision
// about one use of a license reads more than the groups above it, because each group's record carries what is in use below it.
//
// docs/ledger.md says the rules for people.
package ledger
