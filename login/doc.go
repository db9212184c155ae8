// Package login holds what the pages of both daemons ask of whoever wants to come in: passwords and user names that are
// taken, tokens and their cookies, hashing in turn, the guard that slows down who guesses, and the window in which the first
// administrator is made. Who may do what is theirs to say.
package login
