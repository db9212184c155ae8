package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/login"
	"github.com/doorpanel/doorpanel/telemetry"
)

// The places of the walk. Everything at a place has its word in its names and ids, so that an answer which tells of a place
// is found by that word.
const (
	above   = "paragon"  // company A itself, with a site of its own
	here    = "aurora"   // building A1
	beside  = "amaranto" // building A2 of the same company
	strange = "bordeaux" // building B1 of another company
	nowhere = "nonesuch" // of which there is nothing
)

// walkPlaces are those of which there is something.
func walkPlaces() []string { return []string{above, here, beside, strange} }

// ids are the ids of what there is at a place, by kind. The place that there is not has ids of the same kinds.
type ids map[string]string

// hex32 is an id of 32 hexadecimal digits for a place.
func hex32(place string) string {
	return strings.Repeat(map[string]string{above: "a0", here: "a1", beside: "a2", strange: "b1", nowhere: "ee"}[place], 16)
}

// wordsOf are what an answer that tells of the place has in it.
func wordsOf(place string) []string { return []string{place, hex32(place)[:12]} }

// panelOf is the id of a panel, which is 26 of a-z and 2-7.
func panelOf(place, which string) string {
	return (place + which + strings.Repeat("a", 26))[:26]
}

// walkWorld is a hub with two companies.
type walkWorld struct {
	*hubFake
	pools walkPools
	at    map[string]ids
}

// walkPools are the licenses that the hub holds, one at each site.
type walkPools []fleet.PoolView

func (p walkPools) List(site string) ([]fleet.PoolView, error) {
	return slices.DeleteFunc(slices.Clone(p), func(v fleet.PoolView) bool { return site != "" && v.Site != site }), nil
}

func (p walkPools) Show(license string) (fleet.PoolView, error) {
	for _, v := range p {
		if v.ID == license {
			return v, nil
		}
	}
	return fleet.PoolView{}, fmt.Errorf("cannot find license %s: %w", license, fleet.ErrUnknown)
}

func (walkPools) Enter(_ context.Context, e fleet.PoolEntry) (fleet.PoolAnswer, error) {
	if e.Panel != "" && !strings.HasPrefix(e.Site, e.Panel[:4]) {
		return fleet.PoolAnswer{}, fmt.Errorf("cannot enter a license for panel %s of site %s: %w", e.Panel, e.Site, fleet.ErrUnknown)
	}
	return fleet.PoolAnswer{Result: "activated", License: hex32(nowhere), Message: "80 buttons added"}, nil
}

func (walkPools) Allot(_ context.Context, ask fleet.PoolAsk) (fleet.PoolAllotted, error) {
	return fleet.PoolAllotted{Result: "activated", After: ask.Count}, nil
}

func (walkPools) Papers(panel string) ([]fleet.Paper, error) {
	return []fleet.Paper{{Kind: "grant", ID: "of " + panel, State: fleet.PaperTaken}}, nil
}

// newWalkWorld builds both companies.
func newWalkWorld(t *testing.T) *walkWorld {
	t.Helper()
	w := &walkWorld{hubFake: newHubFake(), at: map[string]ids{}}
	f := w.hubFake
	f.deliveries = nil
	companies := map[string]string{above: "", here: above + "-group", beside: above + "-group", strange: "bordeaux-company"}
	grow(t, f, madeGroup("bordeaux-company", "", levelID(0), "Bordeaux Company", 90, 90))
	for _, place := range walkPlaces() {
		level := levelID(1)
		if companies[place] == "" {
			level = levelID(0)
		}
		w.furnish(t, place, companies[place], level)
	}
	w.at[nowhere] = idsOf(nowhere)
	w.at[nowhere]["incident"] = strings.Repeat("0", len(w.at[here]["incident"]))
	for company, words := range map[string]string{above + "-group": above, "bordeaux-company": strange} {
		pack := ledger.Package{ID: hex32(words), Root: company, Label: "Plus of " + words, Activated: f.time}
		g := f.tree.groups[company]
		g.Blocks = append(slices.Clone(g.Blocks), ledger.Block{ID: "pack-" + words, Source: ledger.FromPackage, Package: pack.ID, Counts: both(5, 5), From: f.time})
		f.tree.groups[company], f.tree.packages[pack.ID] = g, pack
	}
	f.users = append(f.users, fleet.User{Name: "the-vendor", Generation: 1, Hash: hashed(t)})
	f.users = append(f.users, fleet.User{Name: "invited", Generation: 1, Invite: login.HashToken("ABCDEFGHIJKLMNOPQRST"), InviteUntil: f.time.Add(time.Hour)})
	f.give("the-vendor", roles.Administrator)
	f.sessions["hash of a token"] = fleet.Session{User: "the-vendor", Generation: 1, Label: "nightly"}
	return w
}

// idsOf are the ids of everything at a place.
func idsOf(place string) ids {
	return ids{
		"group": place + "-group", "flat": place + "-flat", "annex": place + "-annex", "person": place + "-person-0001", "use": place + "-use-00000001", "groupuse": place + "-concierge-use",
		"panel": panelOf(place, "b"), "fresh": panelOf(place, "c"), "site": place + "-site", "recipient": place + "-recipient", "maintenance": place + "-maintenance",
		"delivery": place + "-delivery", "window": place + "-window", "license": hex32(place), "package": hex32(place), "user": place + "-watch", "tech": place + "-tech", "desk": place + "-desk", "new": place + "-new", "given": place + "-given",
		"role": place + "-role", "handover": place + "-handover", "token": place + "-token", "word": place, "cursor": "20261122143000~" + place + "-delivery",
	}
}

// furnish puts one of everything at a place.
func (w *walkWorld) furnish(t *testing.T, place, parent, level string) {
	t.Helper()
	f, id, title := w.hubFake, idsOf(place), strings.ToUpper(place[:1])+place[1:]
	w.at[place] = id
	top := madeGroup(id["group"], parent, level, title+" House", 50, 40)
	top.Group.Manager, top.Group.Administrators = "The manager", []string{place + "@example.org"}
	grow(t, f, top, madeGroup(id["flat"], id["group"], levelID(4), title+" Flat"), madeGroup(id["annex"], id["group"], levelID(4), title+" Annex"),
		ledger.AddUser{User: ledger.User{ID: id["person"], Name: title + " Person", Mail: place + "-person@example.org", Groups: []string{id["flat"]}}},
		ledger.Consume{ID: id["use"], Resource: ledger.Apps, User: id["person"], Label: title + " telephone"},
		ledger.Consume{ID: id["groupuse"], Resource: ledger.SIPNumbers, Group: id["group"], Label: title + " concierge"},
		ledger.RegisterDevice{ID: id["panel"], Group: id["group"]})

	f.mu.Lock()
	defer f.mu.Unlock()
	start := f.time
	defer func() { f.time = start }()
	now := start.Add(-time.Duration(len(f.sites)) * time.Minute) // outages are named by their times
	site := fleet.Site{ID: id["site"], Name: title + " Site", Zone: "Europe/Rome", Language: "en", Address: title + " Street 1", Group: id["group"], Created: now.Add(-time.Hour)}
	f.sites = append(f.sites, site)
	f.watched[site.ID] = monitor.New(site, now.Add(-time.Hour))
	f.time = now.Add(-time.Hour)
	f.step(site.ID, monitor.BrokerBack{})
	f.step(site.ID, monitor.LicenseChanged{From: f.time, Until: now.AddDate(1, 0, 0)})
	f.licenses[site.ID] = MonitoringLicense{ID: "license of " + place, Label: "Monitoring of " + place, Status: "active", Activated: now}
	for _, panel := range []string{id["panel"], id["fresh"]} {
		f.enroll(panel, site.ID, title+" Door")
		f.status(panel, telemetry.Status{Doors: map[string]telemetry.Door{place: {Contact: "closed"}}})
	}
	f.step(site.ID, monitor.RecipientsChanged{Recipients: []monitor.Recipient{{ID: id["recipient"], Name: title + " Ines", Group: monitor.First,
		Ways: []monitor.Way{{Channel: fleet.Email, Address: place + "-ines@example.org"}}}}})
	f.lose(id["panel"])
	f.time = now
	f.step(site.ID, monitor.Tick{})
	if len(f.watched[site.ID].Open) == 0 {
		t.Fatalf("the panel of %s is not missed", place)
	}
	id["incident"] = f.watched[site.ID].Open[0].ID
	f.step(site.ID, monitor.MaintenanceSet{Windows: []monitor.Maintenance{{ID: id["maintenance"], From: now.Add(time.Hour), Until: now.Add(2 * time.Hour), Note: title + " works"}}})
	f.deliveries = append(f.deliveries, fleet.Delivery{ID: id["delivery"], Site: site.ID, Kind: "lost", Recipient: id["recipient"], Channel: fleet.Email, Address: place + "-ines@example.org",
		Made: now, State: fleet.Failed, Last: "550 no " + place})
	for _, e := range []telemetry.Event{{Kind: "access.granted", Door: place, Who: title + " Resident"}, {Kind: "door.held", Door: place, Detail: title + " detail"}} {
		f.happen(id["panel"], e)
	}
	f.faults = append(f.faults, fleet.Fault{Panel: id["panel"], Site: site.ID, At: now.Add(-time.Hour), Kind: fleet.FaultDuress, Detail: title + " fault"})
	f.orders = append(f.orders, fleet.Order{Number: uint64(len(f.orders) + 1), Panel: id["panel"], Site: site.ID, Verb: "open", Object: place, By: place + "-desk", At: now, State: fleet.OrderDone})
	f.windows = append(f.windows, PairingWindow{ID: id["window"], Site: site.ID, By: place + "-tech", Opened: now, Until: now.Add(10 * time.Minute)})
	w.pools = append(w.pools, fleet.PoolView{ID: id["license"], Site: site.ID, Use: fleet.UsePool, Label: "Pool of " + place, Features: []fleet.PoolFeature{}})
	f.roles = append(f.roles, roles.Role{ID: id["role"], Title: title + " Role", Rights: []roles.Right{roles.Monitor}, Group: id["group"]},
		roles.Role{ID: id["given"], Title: title + " Given", Rights: []roles.Right{roles.Monitor}, Group: id["group"]})
	for name, role := range map[string]string{id["user"]: id["given"], id["tech"]: roles.Technician, id["desk"]: roles.Concierge, id["new"]: id["given"]} {
		at := id["group"]
		if role == roles.Concierge {
			at = id["flat"] // so that nobody sees the people of the annex
		}
		f.users = append(f.users, fleet.User{Name: name, Generation: 1, Hash: "-"})
		f.assignments = append(f.assignments, roles.Assignment{User: name, Role: role, Group: at})
	}
	f.tree.asks[id["panel"]] = ledger.Ask{Dead: id["panel"], Fresh: id["fresh"], Root: f.tree.groups[id["group"]].Root, By: place + "-tech", At: now}
	slices.SortFunc(f.users, func(a, b fleet.User) int { return cmp.Compare(a.Name, b.Name) })
	f.handOvers = append(f.handOvers, roles.HandOver{ID: id["handover"], Group: id["group"], From: []string{id["user"]}, To: id["new"], Role: id["given"], Why: "for " + place, State: roles.Asked,
		AskedBy: "the-vendor", Asked: now})
	f.noteWith(fleet.Change{At: now, Who: place + "-desk", Via: "web", What: "site.changed", Object: id["site"], Site: id["site"], Detail: title + " was changed"})
	f.noteWith(fleet.Change{At: now, Who: place + "-desk", Via: "web", What: "roles.given", Object: id["user"], Group: id["group"], Detail: title + " was given"})
}

// keep remembers the world; the function that it returns brings it back.
func (w *walkWorld) keep() (back func()) {
	f := w.hubFake
	was := newHubFake()
	copyWorld(was, f)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		copyWorld(f, was)
	}
}

// copyWorld copies all that requests can change.
func copyWorld(to, from *hubFake) {
	to.sites, to.panels, to.watched, to.said = slices.Clone(from.sites), slices.Clone(from.panels), maps.Clone(from.watched), slices.Clone(from.said)
	to.windows, to.orders, to.deliveries, to.templates = slices.Clone(from.windows), slices.Clone(from.orders), slices.Clone(from.deliveries), slices.Clone(from.templates)
	to.licenses, to.settings, to.users, to.sessions = maps.Clone(from.licenses), from.settings, slices.Clone(from.users), maps.Clone(from.sessions)
	to.roles, to.assignments, to.handOvers, to.changes = slices.Clone(from.roles), slices.Clone(from.assignments), slices.Clone(from.handOvers), slices.Clone(from.changes)
	to.editions, to.erased, to.alone, to.events, to.number = maps.Clone(from.editions), slices.Clone(from.erased), slices.Clone(from.alone), slices.Clone(from.events), from.number
	a, b := to.tree, from.tree
	a.mu.Lock()
	defer a.mu.Unlock()
	a.groups, a.users, a.uses, a.devices = maps.Clone(b.groups), maps.Clone(b.users), maps.Clone(b.uses), maps.Clone(b.devices)
	a.asks = maps.Clone(b.asks)
	a.packages, a.trials, a.claims, a.edges = maps.Clone(b.packages), maps.Clone(b.trials), maps.Clone(b.claims), slices.Clone(b.edges)
	a.mark, a.entries = b.mark, slices.Clone(b.entries)
	a.below = map[string][]string{}
	for parent, list := range b.below {
		a.below[parent] = slices.Clone(list)
	}
}

// stamp is another one after each change, what was only noted for the audit left out.
func (w *walkWorld) stamp() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprint(w.number, len(w.tree.entries), w.tree.mark.Number, len(w.users), len(w.assignments), len(w.windows))
}
