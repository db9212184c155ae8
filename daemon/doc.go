// Package daemon holds what every one of our daemons does in the same way: goroutines that stop together, systemd's
// protocol, a log that never waits, the socket of this host's administrators, listeners and files that survive a power cut.
// It knows nothing of panels and hubs.
package daemon
