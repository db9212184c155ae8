package monitor

import "time"

// LateLimit is how late a Step may come after Deadline before it means that the hub was not there.
const LateLimit = 30 * time.Second

// Step takes in what happened at now and returns what is known then, and what is to be done. zone is the location of
// site.Zone (nil: UTC): days, quiet hours and maintenance are counted in it. The same site, instant and event always bring
// the same result.
func Step(site Site, zone *time.Location, now time.Time, event Event) (Site, []Action) {
	return site, nil
}
