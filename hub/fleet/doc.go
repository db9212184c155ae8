// Package fleet holds the records that all parts of the hub speak of: sites, panels, what arrived from them, what was asked
// of them and what is to be told to people.
//
// It decides nothing and keeps nothing: who is warned is decided by hub/monitor, what is durable by hub/store.
package fleet
