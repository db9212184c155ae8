package main

import (
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// successor is what takes the place of a license: the same content, to be issued anew. Updates end when they would have ended. With the day since when
// the old one ran, its end is fixed, so that no time is sold twice; without, a term begins with the next activation.
func successor(old license.Token, ran, now time.Time) (license.Token, error) {
	next := old
	next.ID, next.IssuedAt, next.Updates = license.TokenID{}, time.Time{}, old.UpdatesUntil()
	if !ran.IsZero() && !old.Term.IsZero() {
		end := ran.UTC().AddDate(old.Term.Years, 0, old.Term.Days)
		if next.Expires.IsZero() || end.Before(next.Expires) {
			next.Expires = end
		}
		next.Term = license.Term{}
		if ran.After(now) {
			next.NotBefore = ran
		}
	}
	if !next.Expires.IsZero() && !now.Before(next.Expires) {
		return next, fmt.Errorf("cannot replace license %s: it ended on %s, nothing of it is left", old.ID, next.Expires.Format(time.DateOnly))
	}
	return next, nil
}
