package main

import (
	"fmt"
	"strings"
	"time"
)

// place is a site of the fleet.
type place struct {
	id, name string
	zone     *time.Location
	panels   []*core
}

var cities = [...]string{"Roma", "Milano", "Torino", "Napoli", "Bologna", "Firenze", "Genova", "Verona", "Bari", "Trieste", "Padova", "Lecce"}

// siteName is the name of the n-th site, from 0: Roma 1, Milano 1, ... Roma 2, ...
func siteName(n int) string { return fmt.Sprintf("%s %d", cities[n%len(cities)], n/len(cities)+1) }

// slug is a name as it may stand in a topic.
func slug(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

var entrances = [...]string{"main entrance", "courtyard", "garage", "staircase B", "back door", "delivery"}

// panelName is the name of the n-th panel of a site, from 0.
func panelName(n int) string {
	if n < len(entrances) {
		return entrances[n]
	}
	return fmt.Sprintf("entrance %d", n+1)
}
