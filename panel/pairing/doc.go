// Package pairing asks a hub to take a panel in, and makes the connections to it certain: the panel's key of its own for TLS, the
// hub's authority by its fingerprint, and a certificate that is renewed.
//
// It keeps nothing and decides nothing: what a hub answered is its caller's to keep.
package pairing
