// Package store keeps what the hub must not lose: sites and panels, events once each, what the monitor knows, and messages
// that are on their way to people. It decides nothing.
package store
