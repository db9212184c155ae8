// Package monitor decides about presence and warnings: which panels are there, since when not and why, and who is to be told.
//
// It is pure: no clock, no wire, no store. It sends nothing; what it decides is delivered by the hub's outbox.
package monitor
