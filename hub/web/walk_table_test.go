package web

import (
	"maps"

	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
)

type rights = []roles.Right

// line declares of one route who gets an answer. What is not said follows from what the route asks of its caller.
type line struct {
	kind  string // of what the address names; empty: nothing of a place
	sees  rights // with one of which the thing is there for him; nil: with any
	needs rights // one of which it takes besides; nil: none
	// send is the body. here are the ids of what the address names, there those of what only the body names.
	send  func(here, there ids) any
	names bool                        // the body names something of a place
	of    string                      // what kind it is, where that is not of the kind that the address names
	miss  int                         // the answer to a body that names what is not there for the caller; 0: 404
	root  bool                        // there is such a thing at companies alone
	given bool                        // it is set from above: not at the topmost of one's groups, unless that is a company
	makes bool                        // a server administrator makes what is not there so, too
	also  []func(here, there ids) any // further bodies that name something of a place, each to be refused; nil: not this one
	never string
}

// tree are the rights with which a group is there for one.
func treeOnly() rights {
	return rights{roles.SeeLicenses, roles.EditLicenses, roles.SeeUsage, roles.EditGroups, roles.EditUserLicenses, roles.SeePersons, roles.EditPersons}
}

func personsOnly() rights { return rights{roles.SeePersons, roles.EditUserLicenses} }

func devicesOnly() rights {
	return rights{roles.SeeLicenses, roles.SeeUsage, roles.EditLicenses, roles.PairPanels, roles.ForceRelease, roles.ApproveRelease}
}

// one is a line of a thing that is there with any right.
func one(kind string) line { return line{kind: kind} }

func (l line) with(send func(here, there ids) any) line { l.send = send; return l }

// naming is with, for a body that names something of a place.
func (l line) naming(miss int, send func(here, there ids) any) line {
	l.send, l.names, l.miss = send, true, miss
	return l
}

func (l line) and(more ...func(here, there ids) any) line { l.also = append(l.also, more...); return l }

func (l line) about(kind string) line { l.of = kind; return l }

func (l line) fromAbove() line { l.given = true; return l }

func (l line) making() line { l.makes = true; return l }

func (l line) but(why string) line { l.never = why; return l }

func group(needs ...roles.Right) line { return line{kind: "group", sees: treeOnly(), needs: needs} }

func person(needs ...roles.Right) line {
	return line{kind: "person", sees: personsOnly(), needs: needs}
}

func use(needs ...roles.Right) line { return line{kind: "use", sees: personsOnly(), needs: needs} }

func handOver() line {
	return line{kind: "handover", sees: rights{roles.AskHandOver, roles.ConsentHandOver}}
}

func fixed(body any) func(here, there ids) any { return func(ids, ids) any { return body } }

// walkTable has a line for each route.
func walkTable() map[string]line {
	table := map[string]line{}
	for _, part := range []map[string]line{systemLines(), accountLines(), siteLines(), panelLines(), treeLines(), treeAPILines()} {
		maps.Copy(table, part)
	}
	return table
}

// both are the lines of a deed: of the API, and of the form with the same words.
func deedLines(l line, address, form string) map[string]line {
	return map[string]line{address: l, "POST " + form: l}
}

func lines(parts ...map[string]line) map[string]line {
	all := map[string]line{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

func systemLines() map[string]line {
	plain := line{}
	all := map[string]line{}
	for _, route := range []string{
		"GET /api/v1/openapi.json", "GET /api/v1/health", "GET /health", "GET /healthz", "GET /readyz", "GET /api/v1/news", "GET /metrics", "GET /api/v1/setup", "GET /login",
		"GET /account", "GET /api/v1/session", "GET /api/v1/templates", "GET /warnings/templates", "GET /api/v1/settings", "GET /settings", "GET /api/v1/backup", "GET /api/v1/audit", "GET /api/v1/audit/verify",
		"GET /settings/audit", "GET /join", "GET /api/v1/ledger/verify", "GET /api/v1/ledger", "GET /api/v1/ledger/export", "GET /api/v1/overview", "GET /{$}", "GET /api/v1/sites", "GET /archived", "GET /new-site",
		"GET /api/v1/panels", "GET /api/v1/pools", "GET /api/v1/pairing", "GET /pair", "GET /api/v1/events", "GET /api/v1/events/export", "GET /api/v1/events/live", "GET /events", "GET /events/live",
		"GET /api/v1/outages", "GET /api/v1/deliveries", "GET /warnings", "GET /groups", "GET /api/v1/groups", "GET /api/v1/users", "GET /settings/users", "GET /api/v1/tokens", "GET /api/v1/roles", "GET /settings/roles",
		"GET /api/v1/handovers", "GET /settings/handovers",
	} {
		all[route] = plain
	}
	all["GET /setup"] = plain
	all["GET /assets/"] = plain.but("the address is a folder")
	words := object{"subject": "Gone: {panels}", "text": "{panels} is gone."}
	return lines(all,
		map[string]line{
			"GET /ledger": wholeTree(), "GET /ledger.json": wholeTree(), "GET /start": wholeTree(),
			"POST /api/v1/templates/{kind}/{language}/{channel}/preview": plain.with(fixed(words)),
			"POST /warnings/templates/{kind}/{language}/{channel}":       plain.with(fixed(words)),
			"PUT /api/v1/templates/{kind}/{language}/{channel}":          plain.with(fixed(words)),
			"POST /settings/sms":         plain.with(fixed(object{"gateways": []object{}})),
			"POST /settings/hooks":       plain.with(fixed(object{"hooks": []object{}})),
			"POST /settings/keep":        plain.with(fixed(object{"keep": []object{{"kind": "access.", "days": 30}, {"days": 0}}})),
			"PUT /api/v1/settings/sms":   plain.with(fixed(object{"gateways": []object{}})),
			"PUT /api/v1/settings/hooks": plain.with(fixed(object{"hooks": []object{}})),
			"PUT /api/v1/settings/keep":  plain.with(fixed(object{"keep": []object{{"kind": "access.", "days": 30}, {"days": 0}}})),
		},
		deedLines(plain.with(fixed(object{"name": "Our hub"})), "PUT /api/v1/settings/name", "/settings/name"),
		deedLines(plain.with(fixed(object{"server": "mail.example.org", "tls": "tls", "from": "doors@example.org"})), "PUT /api/v1/settings/mail", "/settings/mail"),
		deedLines(plain.with(fixed(object{"channel": "email", "address": "me@example.org"})), "POST /api/v1/settings/test", "/settings/test"),
		deedLines(plain.with(fixed(object{"person": "Nobody At All", "confirm": "Nobody At All"})), "POST /api/v1/events/erase", "/events/erase"),
		deedLines(plain.with(fixed(object{"code": "01234567", "password": password})).but("it has an administrator"), "POST /api/v1/setup", "/setup"),
		deedLines(plain.with(fixed(object{"user": "the-vendor", "password": password})), "POST /api/v1/login", "/login"),
		deedLines(plain.with(fixed(object{"old": password, "new": "four other words are"})), "PUT /api/v1/session/password", "/account/password"),
		deedLines(plain, "POST /api/v1/logout", "/logout"),
	)
}

// wholeTree is of the whole tree: there for a server administrator alone, although whoever is logged in may ask.
func wholeTree() line { return line{kind: "hub", sees: rights{roles.ManageHub}} }

func accountLines() map[string]line {
	name := one("user")
	gift := func(here, there ids) any { return object{"role": here["given"], "group": there["group"]} }
	made := func(here, there ids) any {
		return object{"user": "fresh", "password": "another good sentence", "role": here["given"], "groups": []string{there["group"]}}
	}
	role := func(_, there ids) any {
		return object{"title": "Night desk", "rights": []string{"monitor.see"}, "group": there["group"]}
	}
	ask := func(here, there ids) any {
		return object{"group": here["group"], "from": []string{there["user"]}, "to": there["new"], "role": here["given"]}
	}
	elsewhere := func(here, there ids) any {
		return object{"group": there["group"], "from": []string{here["user"]}, "to": here["new"], "role": here["given"]}
	}
	under := func(here, there ids) any {
		return object{"group": "site:" + here["site"], "from": []string{here["user"]}, "to": here["new"], "role": here["given"], "under": there["group"]}
	}
	otherRole := func(here, there ids) any {
		if there["word"] == above {
			return nil // made for the whole company, it may be given below
		}
		return object{"role": there["given"], "group": here["group"]}
	}
	atSite := func(here, there ids) any { return object{"role": here["given"], "group": "site:" + there["site"]} }
	otherSite := func(here, there ids) any {
		return object{"password": "another good sentence", "role": here["given"], "sites": []string{there["site"]}}
	}
	return lines(
		deedLines(line{}.naming(422, made), "POST /api/v1/users", "/settings/users"),
		deedLines(name.making().with(fixed(object{"password": "another good sentence"})).and(otherSite), "PUT /api/v1/users/{name}", "/settings/users/{name}"),
		deedLines(name.naming(422, gift).and(otherRole, atSite), "POST /api/v1/users/{name}/roles", "/settings/users/{name}/roles"),
		deedLines(name.naming(404, gift), "POST /api/v1/users/{name}/roles/end", "/settings/users/{name}/roles/end"),
		deedLines(name, "DELETE /api/v1/users/{name}", "/settings/users/{name}/remove"),
		deedLines(line{}.naming(422, func(_, there ids) any { return object{"user": "fresh", "group": there["annex"]} }), "POST /api/v1/appointments", "/settings/appointments"),
		deedLines(line{}.with(fixed(object{"user": "invited", "code": "abcde-fghij klmno-PQRST", "password": "another good sentence"})), "POST /api/v1/join", "/join"),
		deedLines(line{}.with(fixed(object{"label": "nightly two"})), "POST /api/v1/tokens", "/settings/tokens"),
		deedLines(one("token"), "DELETE /api/v1/tokens/{id}", "/settings/tokens/{id}/remove"),
		deedLines(line{}.naming(422, role), "POST /api/v1/roles", "/settings/roles"),
		deedLines(one("role").making().with(fixed(object{"title": "Other", "rights": []string{"monitor.see"}})), "PUT /api/v1/roles/{id}", "/settings/roles/{id}"),
		deedLines(one("role"), "DELETE /api/v1/roles/{id}", "/settings/roles/{id}/remove"),
		map[string]line{
			// The form names the group, too.
			"POST /api/v1/handovers":   line{}.naming(422, ask).and(elsewhere, under),
			"POST /settings/handovers": line{}.naming(422, ask).and(elsewhere, under),
		},
		deedLines(handOver().with(fixed(object{"note": "letter of 3 May"})), "POST /api/v1/handovers/{id}/consent", "/settings/handovers/{id}/consent"),
		deedLines(handOver().with(fixed(object{"note": "letter of 3 May"})), "POST /api/v1/handovers/{id}/decline", "/settings/handovers/{id}/decline"),
		deedLines(handOver(), "POST /api/v1/handovers/{id}/withdraw", "/settings/handovers/{id}/withdraw"),
	)
}

func siteLines() map[string]line {
	site := one("site")
	made := func(_, there ids) any {
		return object{"name": "New house", "zone": "Europe/Vienna", "language": "de", "group": there["group"]}
	}
	recipient := object{"name": "Zoe", "ways": []object{{"channel": "email", "address": "zoe@example.org"}}}
	form := fields(policyForm{HoldOff: 120, Grace: 90, Heartbeat: 250, Together: 30, RepeatTimes: 3, FlapOutages: 3, Flap: 60, DailyCap: 20, LicenseAhead: 14, History: 400})
	return lines(
		map[string]line{
			"GET /api/v1/sites/{site}": site, "GET /sites/{site}": site, "GET /api/v1/sites/{site}/availability": site,
			"PUT /api/v1/sites/{site}/policy": site.with(fixed(monitor.DefaultPolicy())),
			"POST /sites/{site}/policy":       site.with(fixed(form)),
		},
		deedLines(line{}.naming(422, made), "POST /api/v1/sites", "/new-site"),
		deedLines(site.with(fixed(object{"name": "Other name", "zone": "Europe/Vienna", "language": "de"})), "PUT /api/v1/sites/{site}", "/sites/{site}"),
		deedLines(site.naming(422, func(_, there ids) any { return object{"group": there["group"]} }), "PUT /api/v1/sites/{site}/group", "/sites/{site}/group"),
		deedLines(site.but("its panels are there"), "POST /api/v1/sites/{site}/archive", "/sites/{site}/archive"),
		deedLines(site, "DELETE /api/v1/sites/{site}/archive", "/sites/{site}/unarchive"),
		deedLines(site.with(fixed(recipient)), "POST /api/v1/sites/{site}/recipients", "/sites/{site}/recipients"),
		deedLines(site.with(fixed(recipient)), "PUT /api/v1/sites/{site}/recipients/{id}", "/sites/{site}/recipients/{id}"),
		deedLines(site, "DELETE /api/v1/sites/{site}/recipients/{id}", "/sites/{site}/recipients/{id}/remove"),
		deedLines(site, "POST /api/v1/sites/{site}/recipients/{id}/test", "/sites/{site}/recipients/{id}/test"),
		deedLines(site.naming(422, func(_, there ids) any { return object{"hours": 2, "panels": []string{there["panel"]}} }), "POST /api/v1/sites/{site}/maintenance", "/sites/{site}/maintenance"),
		deedLines(site, "DELETE /api/v1/sites/{site}/maintenance/{id}", "/sites/{site}/maintenance/{id}/end"),
		deedLines(site.with(fixed(object{"token": "DP1:ABC"})), "POST /api/v1/sites/{site}/license", "/sites/{site}/license"),
		deedLines(site, "POST /api/v1/sites/{site}/outages/{incident}/acknowledge", "/sites/{site}/outages/{incident}/acknowledge"),
	)
}

func panelLines() map[string]line {
	panel, pool, window, delivery := one("panel"), one("license"), line{kind: "window", sees: rights{roles.PairPanels}}, one("delivery")
	allot := pool.naming(404, func(_, there ids) any { return object{"panel": there["panel"], "count": 3} })
	return lines(
		map[string]line{
			"GET /api/v1/panels/{panel}": panel, "GET /panels/{panel}": panel, "GET /api/v1/panels/{panel}/documents": panel, "GET /panels/{panel}/documents": panel, "GET /sites/{site}/licenses": one("site"),
			"POST /pools/{license}/allot": allot,
			"POST /pools": line{}.naming(404, func(_, there ids) any {
				return object{"site": there["site"], "token": "DP1:ABC", "panel": there["panel"]}
			}).about("site"),
			"GET /api/v1/pools/{license}": pool, "POST /api/v1/pools/{license}/allot/preview": allot, "POST /api/v1/pools/{license}/allot": allot,
			"POST /api/v1/pools": line{}.naming(404, func(_, there ids) any {
				return object{"site": there["site"], "token": "DP1:ABC", "panel": there["panel"]}
			}),
			"GET /pair/{id}":              window,
			"GET /api/v1/deliveries/{id}": delivery,
		},
		deedLines(panel.with(fixed(object{"verb": "open", "object": "front"})), "POST /api/v1/panels/{panel}/orders", "/panels/{panel}/orders"),
		deedLines(panel.with(fixed(object{"name": "Other door"})), "PUT /api/v1/panels/{panel}", "/panels/{panel}/name"),
		deedLines(panel, "POST /api/v1/panels/{panel}/revoke", "/panels/{panel}/revoke"),
		deedLines(line{}.naming(422, func(_, there ids) any { return object{"site": there["site"], "replaces": there["panel"]} }).about("site"), "POST /api/v1/pairing", "/pair"),
		deedLines(window, "DELETE /api/v1/pairing/{id}", "/pair/{id}/close"),
		deedLines(delivery, "POST /api/v1/deliveries/{id}/retry", "/deliveries/{id}/retry"),
	)
}

// treeLines are the pages of the license ledger.
func treeLines() map[string]line {
	edit := group(roles.EditGroups)
	words := object{"name": "Other", "level": levelID(1), "zone": "", "administrators": "", "manager": ""}
	below := func(_, there ids) any {
		return object{"parent": there["group"], "name": "New", "level": levelID(4), "zone": "", "administrators": "", "manager": ""}
	}
	to := func(_, there ids) any { return object{"to": there["flat"]} }
	limits := object{"step": "whatif", "limits": object{"restricted": "on", "mode": "shared"}, "whole": "on"}
	someone := object{"step": "save", "name": "Somebody", "mail": "", "limits": object{"mode": "shared"}, "whole": "on"}
	paper := group(roles.EnterPackages)
	undo := paper
	undo.root = true
	company := paper
	return map[string]line{
		"GET /groups/{group}/branch": group(), "GET /groups/{group}/more": group(), "GET /groups/{group}": group(), "GET /groups/{group}/row": group(),
		"POST /groups/{group}/row":                     group(roles.EditGroups, roles.EditLicenses).with(fixed(object{"name": "Other", "whole": "on"})).but("the edition is missing"),
		"GET /groups/{group}/licenses":                 group(roles.SeeLicenses, roles.EditLicenses),
		"POST /groups/{group}/licenses":                group(roles.EditLicenses).with(fixed(limits)).fromAbove(),
		"POST /groups/{group}/packages":                company.with(fixed(object{"text": "DP1:50"})),
		"POST /groups/{group}/packages/{package}/undo": undo, "GET /groups/{group}/packages/{package}/undo": undo,
		"GET /groups/{group}/panels":                          group(devicesOnly()...),
		"POST /groups/{group}/panels/{panel}/replace":         group(roles.ForceRelease).naming(404, func(_, there ids) any { return object{"fresh": there["fresh"]} }),
		"POST /groups/{group}/panels/{panel}/replace/approve": group(roles.ApproveRelease), "POST /groups/{group}/panels/{panel}/replace/decline": group(roles.ApproveRelease),
		"POST /groups/{group}/trial":   group(roles.StartTrial).with(fixed(object{"registration": "R-1"})),
		"GET /groups/new":              wholeTree(),
		"POST /groups":                 group(roles.EditGroups).naming(404, below),
		"GET /groups/{group}/edit":     edit,
		"POST /groups/{group}/edit":    edit.with(fixed(words)),
		"POST /groups/{group}/levels":  edit.with(fixed(object{"levels": []object{{"id": levelID(0), "name": "Company"}, {"id": levelID(1), "name": "Building"}, {"id": levelID(4), "name": "Flat"}}})),
		"GET /groups/{group}/move":     edit,
		"POST /groups/{group}/move":    edit.naming(404, to).but("a building does not go below its own flat"),
		"POST /groups/{group}/archive": edit.but("it is not empty"),
		"POST /groups/{group}/restore": edit,
		"GET /groups/{group}/people":   group(personsOnly()...), "GET /groups/{group}/people/new": group(roles.EditUserLicenses),
		"POST /groups/{group}/people": group(roles.EditUserLicenses).with(fixed(someone)),
		"GET /people/{person}":        person(), "POST /people/{person}": person(roles.EditUserLicenses).with(fixed(someone)).but("the edition is missing"),
		"POST /people/{person}/groups":         person(roles.EditUserLicenses).naming(404, func(_, there ids) any { return object{"group": there["group"]} }),
		"POST /people/{person}/uses":           person(roles.EditUserLicenses).with(fixed(object{"resource": "sip_numbers", "label": "1234"})),
		"POST /people/{person}/uses/{use}/pin": person(roles.EditUserLicenses).with(fixed(object{"on": "on"})), "POST /people/{person}/uses/{use}/release": person(roles.EditUserLicenses),
		"POST /people/{person}/licenses": person(roles.EditUserLicenses).with(func(_, there ids) any { return object{"package": there["package"]} }).but("it is no license of an account"),
		"POST /people/{person}/remove":   person(roles.EditUserLicenses, roles.EditPersons),
		"GET /groups/{group}/usage":      group(roles.SeeUsage), "GET /groups/{group}/usage.csv": group(roles.SeeUsage), "GET /groups/{group}/usage.json": group(roles.SeeUsage),
		"GET /groups/{group}/ledger": group(roles.SeeChanges), "GET /groups/{group}/ledger.json": group(roles.SeeChanges),
		"POST /start/company": wholeTree().with(fixed(object{"name": "New company", "zone": "Europe/Rome"})),
		"POST /start/building": wholeTree().naming(404, func(_, there ids) any {
			return object{"company": there["group"], "name": "New building", "language": "en"}
		}),
		"POST /start/skip": line{}.with(fixed(object{"station": "panel"})),
	}
}

func treeAPILines() map[string]line {
	const g = " /api/v1/groups/{group}"
	edit, users := group(roles.EditGroups), person(roles.EditUserLicenses)
	to := edit.naming(404, func(_, there ids) any { return object{"to": there["flat"]} }).but("a building does not go below its own flat")
	limits := object{"restricted": true, "mode": "shared", "blocks": []object{}}
	taken := func(_, there ids) any {
		return object{"resource": "sip_numbers", "label": "99", "panel": there["panel"]}
	}
	either := rights{roles.EditLicenses, roles.EditUserLicenses}
	states := rights{roles.SeeLicenses, roles.SeeUsage, roles.EditLicenses, roles.EditUserLicenses}
	undo := group(roles.EnterPackages)
	undo.root = true
	return map[string]line{
		"GET" + g: group(), "PUT" + g: edit.with(fixed(object{"name": "Other"})),
		"POST /api/v1/groups": line{}.naming(404, func(_, there ids) any { return object{"parent": there["group"], "name": "New", "level": levelID(4)} }),
		"PUT" + g + "/levels": edit.with(fixed(object{"levels": []object{{"id": levelID(0), "name": "Company"}, {"id": levelID(1), "name": "Building"}, {"id": levelID(4), "name": "Flat"}}})),
		"POST" + g + "/move":  to, "POST" + g + "/move/preview": to,
		"POST" + g + "/archive": edit.but("it is not empty"), "DELETE" + g + "/archive": edit,
		"GET" + g + "/state": group(states...), "GET" + g + "/licenses": group(roles.SeeLicenses, roles.EditLicenses), "GET" + g + "/licenses/presets": group(roles.EditLicenses),
		"PUT" + g + "/licenses": group(roles.EditLicenses).with(fixed(limits)).but("more is in use"), "POST" + g + "/licenses/preview": group(roles.EditLicenses).with(fixed(limits)).but("more is in use"),
		"GET" + g + "/people":         group(personsOnly()...),
		"POST" + g + "/people":        group(roles.EditUserLicenses).naming(404, func(_, there ids) any { return object{"name": "Somebody", "groups": []string{there["flat"]}} }),
		"GET /api/v1/people/{person}": person(), "GET /api/v1/people/{person}/state": person(),
		"PUT /api/v1/people/{person}":          users.naming(404, func(_, there ids) any { return object{"groups": []string{there["group"]}} }),
		"POST /api/v1/people/{person}/preview": users.naming(404, func(_, there ids) any { return object{"groups": []string{there["group"]}} }),
		"DELETE /api/v1/people/{person}":       person(roles.EditUserLicenses, roles.EditPersons),
		"GET" + g + "/uses":                    group(states...), "POST" + g + "/uses": group(either...).naming(404, taken),
		"GET /api/v1/uses/{use}": use(), "PUT /api/v1/uses/{use}": use(roles.EditUserLicenses).with(fixed(object{"label": "other"})), "DELETE /api/v1/uses/{use}": use(roles.EditUserLicenses),
		"POST /api/v1/people/{person}/uses": users.naming(404, taken),
		"GET" + g + "/panels":               group(devicesOnly()...), "GET" + g + "/replacements": group(devicesOnly()...),
		"POST" + g + "/panels/{panel}/replace/approve": group(roles.ApproveRelease), "POST" + g + "/panels/{panel}/replace/decline": group(roles.ApproveRelease),
		"POST" + g + "/panels":                 group(roles.PairPanels).naming(404, func(_, there ids) any { return object{"panel": there["fresh"]} }),
		"DELETE" + g + "/panels/{panel}":       group(roles.PairPanels).but("it is enrolled"),
		"POST" + g + "/panels/{panel}/replace": group(roles.ForceRelease).naming(404, func(_, there ids) any { return object{"fresh": there["fresh"]} }),
		"GET" + g + "/packages":                group(roles.SeeLicenses, roles.EnterPackages), "POST" + g + "/packages": group(roles.EnterPackages).with(fixed(object{"text": "DP1:60"})),
		"DELETE" + g + "/packages/{package}":   undo,
		"POST" + g + "/trial":                  group(roles.StartTrial).with(fixed(object{"registration": "R-2"})),
		"PUT" + g + "/packages/{package}/user": undo.with(fixed(object{"user": ""})).but("it is no license of an account"),
		"GET" + g + "/usage":                   group(roles.SeeUsage), "GET" + g + "/usage.csv": group(roles.SeeUsage),
		"GET" + g + "/reminders": group(roles.SeeLicenses, roles.EditLicenses),
		"GET" + g + "/ledger":    group(roles.SeeChanges), "GET" + g + "/ledger/export": group(roles.SeeChanges),
	}
}
