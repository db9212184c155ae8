// Package authority is the hub's own certificate authority: it makes certificates for the hub and its panels, and the list
// of those that are revoked. It does not decide who gets one.
package authority
