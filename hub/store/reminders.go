package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
)

// ReminderKind is the kind of a delivery that says that a license of the tree ends.
const ReminderKind = "reminder"

// Names of the facts of a reminder, as the templates of hub/notify know them.
const (
	factGroup    = "group"    // the name of the group or user
	factPath     = "path"     // the groups above it, topmost first
	factUntil    = "until"    // RFC 3339 in the group's zone
	factDays     = "days"     // calendar days left
	factLicense  = "license"  // "sip_numbers|10", one for each resource of the block
	factStop     = "stop"     // "apps|3", one for each resource of which some stop
	factStopping = "stopping" // who stops, one for each use
)

// reminders are the mails of reminders: one for each address, always with the same id.
func (s *Store) reminders(b book, dues []ledger.Due) ([]fleet.Delivery, error) {
	if len(dues) == 0 {
		return nil, nil
	}
	sites, err := s.hungSites(b)
	if err != nil {
		return nil, err
	}
	var list []fleet.Delivery
	for _, due := range dues {
		language, err := languageOf(b, sites, groupOf(due))
		if err != nil {
			return nil, err
		}
		facts, err := b.facts(due)
		if err != nil {
			return nil, err
		}
		for _, address := range due.To {
			list = append(list, fleet.Delivery{
				ID: reminderID(due.Key, address), Group: groupOf(due), Kind: ReminderKind, Recipient: address, Channel: fleet.Email, Address: address,
				Language: language, Facts: facts, Made: due.At, Due: due.At, State: fleet.Waiting,
			})
		}
	}
	return list, nil
}

// hungSite is a site below a group: its language, and the groups above it.
type hungSite struct {
	group, language string
	path            []ledger.Place
}

// hungSites are the sites that hang at groups, by id. Their paths are read once for all reminders of a moment.
func (s *Store) hungSites(b book) (sites []hungSite, err error) {
	paths := map[string][]ledger.Place{}
	for _, site := range s.sites.table.AllTx(b.tx) {
		at := site.Value.Group
		if at == "" {
			continue
		}
		if _, known := paths[at]; !known {
			if paths[at], err = ledger.PathOf(b, at); err != nil {
				return nil, err
			}
		}
		sites = append(sites, hungSite{at, site.Value.Language, paths[at]})
	}
	return sites, nil
}

// languageOf is the language of a site that hangs at a group, below it or above it, the first by id; empty when there is none.
func languageOf(b book, sites []hungSite, group string) (string, error) {
	above, err := ledger.PathOf(b, group)
	if err != nil {
		return "", err
	}
	for _, site := range sites {
		if leadsBy(above, site.group) || leadsBy(site.path, group) {
			return site.language, nil
		}
	}
	return "", nil
}

func leadsBy(path []ledger.Place, group string) bool {
	return slices.ContainsFunc(path, func(p ledger.Place) bool { return p.Group == group })
}

func groupOf(due ledger.Due) string {
	if due.Group != "" {
		return due.Group
	}
	return due.Root
}

// reminderID follows from what is told and whom. The address is hashed: it may be long, and ids are shown.
func reminderID(key, address string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + address))
	return "reminder/" + hex.EncodeToString(sum[:16])
}

func (b book) facts(due ledger.Due) ([]fleet.Fact, error) {
	path, err := b.pathOf(due)
	if err != nil {
		return nil, err
	}
	facts := []fleet.Fact{{Name: factGroup, Value: due.Name}, {Name: factPath, Value: path}, {Name: factUntil, Value: b.inZone(due.Until, due.Zone)}, {Name: factDays, Value: strconv.Itoa(due.Days)}}
	for _, r := range ledger.Resources() {
		if n := due.Counts[r]; n > 0 {
			facts = append(facts, fleet.Fact{Name: factLicense, Value: fmt.Sprintf("%s|%d", r, n)})
		}
	}
	for _, r := range ledger.Resources() {
		if n := due.Stops[r]; n > 0 {
			facts = append(facts, fleet.Fact{Name: factStop, Value: fmt.Sprintf("%s|%d", r, n)})
		}
	}
	for _, id := range due.Stopping {
		who, err := b.holder(id)
		if err != nil {
			return nil, err
		}
		facts = append(facts, fleet.Fact{Name: factStopping, Value: who})
	}
	return facts, nil
}

func (b book) pathOf(due ledger.Due) (string, error) {
	places, err := ledger.PathOf(b, groupOf(due))
	if err != nil {
		return "", err
	}
	var names []string
	for _, p := range places {
		if p.Group != due.Group {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, " > "), nil
}

// holder says for people whose use it is: "Anna Rossi|apps|tablet".
func (b book) holder(use string) (string, error) {
	u, known, err := b.Use(use)
	if err != nil || !known {
		return use, err
	}
	who := ""
	switch {
	case u.User != "":
		user, _, err := b.User(u.User)
		if err != nil {
			return "", err
		}
		who = user.Name
	case len(u.Groups) > 0:
		group, _, err := b.Group(u.Groups[0])
		if err != nil {
			return "", err
		}
		who = group.Name
	}
	return strings.Join([]string{strings.ReplaceAll(who, "|", "/"), u.Resource.String(), strings.ReplaceAll(u.Label, "|", "/")}, "|"), nil
}

func (b book) inZone(t time.Time, zone string) string {
	z, err := b.Zone(zone)
	if err != nil {
		z = time.UTC
	}
	return t.In(z).Format(time.RFC3339)
}
