package web

import "strings"

// address is where the page of the ledger is.
func (p ledgerPage) address() string {
	if p.group == nil {
		return "/ledger"
	}
	return at("groups", p.group.ID, "ledger")
}

// exported is where the entries are as a file.
func (p ledgerPage) exported() string {
	if p.group == nil {
		return "/ledger.json"
	}
	return at("groups", p.group.ID, "ledger.json")
}

// yes is how a box that is ticked stands in an address.
func yes(on bool) string {
	if on {
		return "yes"
	}
	return ""
}

func okOrBad(ok bool) string {
	if ok {
		return "good"
	}
	return "bad"
}

// choice is one of a list to choose from.
type choice struct{ value, title string }

func entryKinds() []choice {
	return []choice{
		{"", "everything"}, {"group.", "groups"}, {"licenses.", "licenses"}, {"user.", "users"}, {"use.", "numbers, seats and keys"}, {"device.", "panels"}, {"replacement.", "approvals of replacements"},
		{"package.", "packages"}, {"trial.", "Trials"}, {"claim.", "claims"}, {"time.", "ends and beginnings"},
	}
}

// entryTitle says what an entry of the ledger is about.
func entryTitle(what string) string {
	for _, c := range []choice{
		{"group.created", "Group made"}, {"group.changed", "Group changed"}, {"group.levels", "Levels changed"}, {"group.moved", "Group moved"}, {"group.archived", "Group archived"},
		{"group.restored", "Group taken out of the archive"}, {"licenses.saved", "Licenses saved"}, {"user.added", "User added"}, {"user.changed", "User changed"},
		{"user.removed", "User moved out"}, {"use.began", "Given"}, {"use.resized", "Count changed"}, {"use.ended", "Taken back"}, {"use.pinned", "Pinned or unpinned"},
		{"use.relabeled", "Moved to another telephone"}, {"device.registered", "Panel registered"}, {"device.removed", "Panel removed"}, {"device.replaced", "Panel replaced"},
		{"replacement.asked", "Approval of a replacement asked"}, {"replacement.declined", "Replacement declined"},
		{"package.activated", "Package activated"}, {"package.assigned", "License associated with an account"}, {"package.undone", "Package given back"}, {"package.revoked", "Package revoked"}, {"trial.started", "Trial begun"},
		{"claim.entered", "License claimed"}, {"claim.given_up", "Claim given up"}, {"time.passed", "A license began or ended"},
	} {
		if c.value == what {
			return c.title
		}
	}
	return capital(strings.ReplaceAll(what, ".", " "))
}

// title says what an entry is about, with what was given or taken back.
func (r entryRow) title() string {
	if r.object == "" {
		return entryTitle(r.What)
	}
	return entryTitle(r.What) + ": " + r.object
}
