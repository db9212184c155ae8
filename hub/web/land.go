package web

import (
	"errors"
	"log/slog"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// land is where things are, as one request found it: which group each site hangs below, and what is above the groups. It is for
// one goroutine. What cannot be read is nowhere, so that nobody sees it by mistake.
type land struct {
	groups Groups
	read   func(id string) (fleet.Site, bool, error)
	log    *slog.Logger
	sites  map[string]string // the group of each site that was asked about
	whole  bool              // there are no other sites
	above  map[string][]Place
}

func (s *Server) newLand() *land {
	return &land{groups: s.o.Groups, read: s.o.Sites.Site, log: s.log, sites: map[string]string{}, above: map[string][]Place{}}
}

// learn takes in all sites, so that a list of them does not read each one again.
func (l *land) learn(sites []fleet.Site) {
	l.sites, l.whole = make(map[string]string, len(sites)), true
	for _, site := range sites {
		l.sites[site.ID] = site.Group
	}
}

// site is the path of a site.
func (l *land) site(id string) (roles.Path, bool) {
	group, there := l.sites[id]
	if !there && !l.whole {
		site, known, err := l.read(id)
		if err != nil {
			l.log.Warn("cannot read a site", "site", id, "error", err)
		}
		if there = known && err == nil; there {
			group = site.Group
			l.sites[id] = group
		}
	}
	if !there {
		return nil, false
	}
	return l.below(group, id), true
}

// below is the path of a site below a group. A group that is not there any more still keeps others out.
func (l *land) below(group, site string) roles.Path {
	if group == "" {
		return roles.Path{roles.Site(site)}
	}
	path, there := l.group(group)
	if !there {
		path = roles.Path{group}
	}
	return append(path, roles.Site(site))
}

// group is the path of a group.
func (l *land) group(id string) (roles.Path, bool) {
	var path roles.Path
	for _, place := range l.places(id) {
		path = append(path, place.ID)
	}
	return path, len(path) > 0
}

// places are a group and those above it, the topmost first; none when there is no such group.
func (l *land) places(group string) []Place {
	if found, known := l.above[group]; known {
		return found
	}
	found, err := l.groups.Path(group)
	if err != nil && !errors.Is(err, fleet.ErrUnknown) {
		l.log.Warn("cannot read the path of a group", "group", group, "error", err)
	}
	if err != nil {
		found = nil
	}
	l.above[group] = found
	return found
}

// path is that of a place of an assignment.
func (l *land) path(place string) (roles.Path, bool) {
	if place == roles.Hub {
		return nil, true
	}
	if id, ok := roles.SiteOf(place); ok {
		return l.site(id)
	}
	return l.group(place)
}

// noGroups is the tree of a hub that has none.
type noGroups struct{}

func (noGroups) Path(string) ([]Place, error) { return nil, fleet.ErrUnknown }
