// Package pools is what a hub hands to its panels of licenses: shares of what it holds itself, whole licenses, and Basic. The hub is
// a holder like a panel, under a key of its own, so that what is given never exceeds what was sold by the rule of package license:
// two numbers for each share that only grow, each under one key.
//
// It keeps nothing but signed documents and what people asked for, durably, before anything is published. What the panels
// below a group may have together the license ledger counts (Tree). It reaches panels through its user.
package pools
