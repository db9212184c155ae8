// Package orders brings the orders that come from upstream before the panel's core: whose key signed them, whether the panel
// knows what is asked, and the answer. What depends on the panel itself, such as its number, boot, deadline and policy, is decided by
// the core (panel.Order), which writes it down.
package orders
