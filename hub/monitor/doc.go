// Package monitor decides about presence and warnings: which panels of a site are there, since when not and why, and who is
// to be told what.
//
// It is pure: no clock, no wire, no store. It sends nothing; what it decides is delivered by the hub's outbox. Everything it
// knows of a site is one value, Site. Whoever has that value can go on where another one stopped: after each Step the value
// is to be stored together with the deliveries that the Step asked for, in one transaction, whenever its Revision has moved
// (a mere sign of life moves it once a minute at most). Whoever takes a stored value up begins with HubStarted.
//
// docs/monitoring.md says the rules for people.
package monitor
