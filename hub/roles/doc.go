// Package roles decides who may see and manage what: rights, roles as sets of rights, and assignments of roles to users at
// groups of the license tree, where they hold for everything below.
//
// It is pure and knows no tree: whoever asks brings the path of the place that he asks about. docs/roles.md has the table.
package roles
