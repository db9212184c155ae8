// Package hub is the loop above a fleet of panels: it takes in what they say, has it stored and acknowledged, lets
// hub/monitor decide who is to be warned, and brings orders and documents to panels.
//
// It keeps nothing by itself that another hub over the same store would need.
package hub
