// Package panel decides what a door panel does on each event.
//
// It is one deterministic machine: Step(now, event) returns the actions to perform, in order. It does no I/O, reads no
// clock, starts no goroutine and logs nothing; facts are looked up before a step and travel in the event, timers are
// deadlines that the machine reports. That is what lets a test play a year at the door in a second.
package panel
