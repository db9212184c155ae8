package ledger

import (
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// Change is one thing that somebody wants to do. It is one of the types below; each is plain data, also as JSON. Ids of new
// records are drawn by the caller, at random.
type Change interface {
	// What is the kind of the entry that it makes, such as "group.created".
	What() string
	// Subject is the group or user whose rights the asker needs, and who the entry is about.
	Subject() Subject
	decide(d *draft) error
}

// Subject is a group or a user; one of the two is set. A use or a panel is named by where it is found.
type Subject struct {
	Group  string `json:"group,omitempty"`
	User   string `json:"user,omitempty"`
	Use    string `json:"use,omitempty"`
	Device string `json:"device,omitempty"`
}

// CreateGroup makes a group, or with an empty Parent a root. Of Group are taken: ID, Parent, Name, Level, Zone, Limits, Administrators,
// Manager and, for a root, Levels (none = DefaultLevels).
type CreateGroup struct {
	Group Group `json:"group"`
}

// EditGroup changes what is not nil. A new level has to fit those above and below.
type EditGroup struct {
	ID             string    `json:"id"`
	Name           *string   `json:"name,omitempty"`
	Level          *string   `json:"level,omitempty"`
	Zone           *string   `json:"zone,omitempty"`
	Manager        *string   `json:"manager,omitempty"`
	Administrators *[]string `json:"administrators,omitempty"`
}

// SetLevels renames, adds, orders or leaves out levels of a root (T-9). One that has groups cannot be left out.
type SetLevels struct {
	Root   string  `json:"root"`
	Levels []Level `json:"levels"`
}

// MoveGroup hangs a group with all below it under another parent of the same root. Its blocks stay (T-27); what is in use has to
// fit.
type MoveGroup struct {
	ID string `json:"id"`
	To string `json:"to"`
}

// ArchiveGroup ends a group in which and below which nothing is left: no use, user, panel or group. It can be restored.
type ArchiveGroup struct {
	ID string `json:"id"`
}

// RestoreGroup undoes ArchiveGroup.
type RestoreGroup struct {
	ID string `json:"id"`
}

// SaveLicenses sets all license settings of a group at once (B-13). Blocks that came from a package or a Trial stay as they are;
// they may be left out of Limits.Blocks, or be there unchanged but for their Reminder.
type SaveLicenses struct {
	Group  string `json:"group"`
	Limits Limits `json:"limits"`
	// Clip accepts the offer of a refusal: dates and counts beyond the groups above are cut down to them.
	Clip bool `json:"clip,omitempty"`
	// Above tells that whoever asks has the right above the group as well, for a company over the whole hub. Without it the group may be
	// given less, but nothing that it has not: nobody raises his own limit (T-8, T-11, R-11).
	Above bool `json:"above,omitempty"`
}

// AddUser makes a user. Of User are taken: ID, Name, Mail, Groups and Limits.
type AddUser struct {
	User User `json:"user"`
	Clip bool `json:"clip,omitempty"`
}

// EditUser changes what is not nil. His uses go with him into other groups, where they have to fit.
type EditUser struct {
	ID     string    `json:"id"`
	Name   *string   `json:"name,omitempty"`
	Mail   *string   `json:"mail,omitempty"`
	Groups *[]string `json:"groups,omitempty"`
	Limits *Limits   `json:"limits,omitempty"`
	Clip   bool      `json:"clip,omitempty"`
}

// RemoveUser removes a user and gives back all that he held.
type RemoveUser struct {
	ID string `json:"id"`
}

// Consume takes something into use: for a user, or in a group (a concierge's number, a panel's buttons).
type Consume struct {
	ID       string   `json:"id"` // of the use
	Resource Resource `json:"resource"`
	Count    int      `json:"count"`           // 0 = 1
	User     string   `json:"user,omitempty"`  // else Group
	Group    string   `json:"group,omitempty"` // else User
	Panel    string   `json:"panel,omitempty"`
	Label    string   `json:"label,omitempty"`
}

// Resize makes a use of keys or buttons larger or smaller. What a panel has to give up first is resized when it has acknowledged.
type Resize struct {
	Use   string `json:"use"`
	Count int    `json:"count"`
}

// Release gives a use back.
type Release struct {
	Use string `json:"use"`
}

// Pin lets a use be suspended last, or no longer so.
type Pin struct {
	Use string `json:"use"`
	On  bool   `json:"on"`
}

// Relabel says where a use is now: a seat that moved to another telephone.
type Relabel struct {
	Use   string `json:"use"`
	Label string `json:"label"`
}

// RegisterDevice registers a panel in a group: Basic for it (T-3), and 1 of Panels. Doing so twice changes nothing; registering it in
// another group of the same root moves it, with what it holds.
type RegisterDevice struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	// Found says that the panel is there already, whatever the limits say: what does not fit is suspended, and the panel is the newest
	// there.
	Found bool `json:"found,omitempty"`
}

// Allot counts what a panel is to have of a pool's buttons, or still has, as one use in the panel's group. The same panel and
// pool have one use, however often it is said. A panel that is not registered hangs below no limit: nothing changes then.
type Allot struct {
	Pool  string `json:"pool"` // license.TokenID as text
	Panel string `json:"panel"`
	Count int    `json:"count"` // in all; 0 = none any more
	// Found says that the panel has them already: what does not fit is suspended, the newest first.
	Found bool `json:"found,omitempty"`
	// Gives is how many the panel will have in all once this is written, 0 = it is given nothing. It is refused when fewer are active, or
	// when all panels below a group above would then really have more than its limit.
	Gives int `json:"-"`
	// Others are the shares, of this pool and of others, whose panels have more or less than is active at the moment.
	Others []Share `json:"-"`
}

// Share is what a panel really has of a pool's buttons, by signed documents.
type Share struct {
	Pool  string
	Panel string
	Has   int
}

// RemoveDevice takes a panel out of its group. What it held is given back.
type RemoveDevice struct {
	ID string `json:"id"`
}

// ReplaceDevice puts a new panel in the place of a dead one, with all that the dead one held: a forced release. Two a year are free at
// one place, and not within the cool-down; more need the distributor.
type ReplaceDevice struct {
	Dead     string `json:"dead"`
	Fresh    string `json:"fresh"`
	Approved bool   `json:"approved,omitempty"` // by the distributor
}

// AskReplacement asks the distributor to approve ReplaceDevice where it was done too often. The request waits until he does so, declines
// it, or nobody has to approve it any more. The hub asks once for the same pair; a person may ask again for what was declined.
type AskReplacement struct {
	Dead  string `json:"dead"`
	Fresh string `json:"fresh"`
}

// DeclineReplacement says no to an AskReplacement. It stays to be seen.
type DeclineReplacement struct {
	Dead string `json:"dead"`
}

// ActivatePackage turns a Plus package into a block of a root (T-4, T-27). The caller has verified the token.
type ActivatePackage struct {
	Root  string          `json:"root"`
	ID    string          `json:"id"` // license.TokenID as text
	Label string          `json:"label,omitempty"`
	For   string          `json:"for,omitempty"` // the group, or of an account's license the account, that the token names; empty = none
	Grant []license.Grant `json:"grants"`
	From  time.Time       `json:"from,omitzero"`  // the token's not-before; zero = now
	Until time.Time       `json:"until,omitzero"` // the token's end; zero = none
	Term  license.Term    `json:"term,omitzero"`  // starts at activation, or where the package that it renews ends
	Renew string          `json:"renew,omitempty"`
	// Account says that it is a license of an account: it belongs to User, or waits while he is empty.
	Account bool   `json:"account,omitempty"`
	User    string `json:"user,omitempty"`
}

// AssignPackage associates an account's license with a user (I-4); empty lets it wait again. From the first time on this can be changed
// for the days of undo, then no more: it is not transferable.
type AssignPackage struct {
	ID   string `json:"id"`
	User string `json:"user"`
}

// UndoPackage gives a package back within the days of undo. It may then be activated somewhere else.
type UndoPackage struct {
	ID string `json:"id"`
}

// RevokePackage ends a package because its issuer revoked it. What no longer fits is suspended.
type RevokePackage struct {
	ID string `json:"id"`
}

// StartTrial begins the Trial of a partner's registration at his root: everything, for a time, once (T-2, R-9).
type StartTrial struct {
	Root         string `json:"root"`
	Registration string `json:"registration"`
}

// ClaimLicense enters the claim of a bearer license by a panel.
type ClaimLicense struct {
	License string    `json:"license"` // license.TokenID as text
	Panel   string    `json:"panel"`
	Began   time.Time `json:"began"`             // of the panel's signed activation, not before the license was issued
	Offline bool      `json:"offline,omitempty"` // made while the panel did not reach the hub
}

// GiveUpClaim ends a claim with the panel's signed release, or by force, which counts as a forced release at the panel's place.
type GiveUpClaim struct {
	License  string `json:"license"`
	Panel    string `json:"panel"`
	Forced   bool   `json:"forced,omitempty"`
	Approved bool   `json:"approved,omitempty"`
}

// Tick lets what is due happen: blocks that began or ended since the mark, reminders. Every decision does so first by itself, so that
// it is only needed when nothing else is asked; NextChange says when.
type Tick struct{}

// Batch is many changes decided as one: all of them, or none.
type Batch struct {
	Changes []Change `json:"-"`
}

// What is the kind of the entry.
func (CreateGroup) What() string { return "group.created" }

// What is the kind of the entry.
func (EditGroup) What() string { return "group.changed" }

// What is the kind of the entry.
func (SetLevels) What() string { return "group.levels" }

// What is the kind of the entry.
func (MoveGroup) What() string { return "group.moved" }

// What is the kind of the entry.
func (ArchiveGroup) What() string { return "group.archived" }

// What is the kind of the entry.
func (RestoreGroup) What() string { return "group.restored" }

// What is the kind of the entry.
func (SaveLicenses) What() string { return "licenses.saved" }

// What is the kind of the entry.
func (AddUser) What() string { return "user.added" }

// What is the kind of the entry.
func (EditUser) What() string { return "user.changed" }

// What is the kind of the entry.
func (RemoveUser) What() string { return "user.removed" }

// What is the kind of the entry.
func (Consume) What() string { return "use.began" }

// What is the kind of the entry.
func (Resize) What() string { return "use.resized" }

// What is the kind of the entry.
func (Release) What() string { return "use.ended" }

// What is the kind of the entry.
func (Pin) What() string { return "use.pinned" }

// What is the kind of the entry.
func (Relabel) What() string { return "use.relabeled" }

// What is the kind of the entry.
func (RegisterDevice) What() string { return "device.registered" }

// What is the kind of the entry.
func (Allot) What() string { return "share.counted" }

// What is the kind of the entry.
func (RemoveDevice) What() string { return "device.removed" }

// What is the kind of the entry.
func (ReplaceDevice) What() string { return "device.replaced" }

// What is the kind of the entry.
func (AskReplacement) What() string { return "replacement.asked" }

// What is the kind of the entry.
func (DeclineReplacement) What() string { return "replacement.declined" }

// What is the kind of the entry.
func (ActivatePackage) What() string { return "package.activated" }

// What is the kind of the entry.
func (AssignPackage) What() string { return "package.assigned" }

// What is the kind of the entry.
func (UndoPackage) What() string { return "package.undone" }

// What is the kind of the entry.
func (RevokePackage) What() string { return "package.revoked" }

// What is the kind of the entry.
func (StartTrial) What() string { return "trial.started" }

// What is the kind of the entry.
func (ClaimLicense) What() string { return "claim.entered" }

// What is the kind of the entry.
func (GiveUpClaim) What() string { return "claim.given_up" }

// What is the kind of the entry.
func (Tick) What() string { return "time.passed" }

// What is the kind of none: each change in the batch makes its own entry.
func (Batch) What() string { return "batch" }

// Subject is the parent, whose manager may make groups below; for a root the group itself.
func (c CreateGroup) Subject() Subject {
	if c.Group.Parent == "" {
		return Subject{Group: c.Group.ID}
	}
	return Subject{Group: c.Group.Parent}
}

// Subject is the group.
func (c EditGroup) Subject() Subject { return Subject{Group: c.ID} }

// Subject is the root.
func (c SetLevels) Subject() Subject { return Subject{Group: c.Root} }

// Subject is the group; the right is needed at its new place, To, as well.
func (c MoveGroup) Subject() Subject { return Subject{Group: c.ID} }

// Subject is the group.
func (c ArchiveGroup) Subject() Subject { return Subject{Group: c.ID} }

// Subject is the group.
func (c RestoreGroup) Subject() Subject { return Subject{Group: c.ID} }

// Subject is the group; what Widens its limits needs the right above it too: see Above.
func (c SaveLicenses) Subject() Subject { return Subject{Group: c.Group} }

// Subject is the user; the right is needed in each of User.Groups.
func (c AddUser) Subject() Subject { return Subject{User: c.User.ID} }

// Subject is the user; the right is needed in each of his groups, the old and the new ones.
func (c EditUser) Subject() Subject { return Subject{User: c.ID} }

// Subject is the user.
func (c RemoveUser) Subject() Subject { return Subject{User: c.ID} }

// Subject is the user or the group.
func (c Consume) Subject() Subject { return Subject{Group: c.Group, User: c.User} }

// Subject is the use.
func (c Resize) Subject() Subject { return Subject{Use: c.Use} }

// Subject is the use.
func (c Release) Subject() Subject { return Subject{Use: c.Use} }

// Subject is the use.
func (c Pin) Subject() Subject { return Subject{Use: c.Use} }

// Subject is the use.
func (c Relabel) Subject() Subject { return Subject{Use: c.Use} }

// Subject is the group.
func (c RegisterDevice) Subject() Subject { return Subject{Group: c.Group} }

// Subject is the panel.
func (c Allot) Subject() Subject { return Subject{Device: c.Panel} }

// Subject is the panel.
func (c RemoveDevice) Subject() Subject { return Subject{Device: c.ID} }

// Subject is the dead panel.
func (c ReplaceDevice) Subject() Subject { return Subject{Device: c.Dead} }

// Subject is the dead panel.
func (c AskReplacement) Subject() Subject { return Subject{Device: c.Dead} }

// Subject is the dead panel.
func (c DeclineReplacement) Subject() Subject { return Subject{Device: c.Dead} }

// Subject is the root.
func (c ActivatePackage) Subject() Subject { return Subject{Group: c.Root} }

// Subject is the user; the right is needed at the package's root as well, which is in its record.
func (c AssignPackage) Subject() Subject { return Subject{User: c.User} }

// Subject is empty: the package's root is in its record.
func (c UndoPackage) Subject() Subject { return Subject{} }

// Subject is empty: the package's root is in its record.
func (c RevokePackage) Subject() Subject { return Subject{} }

// Subject is the root.
func (c StartTrial) Subject() Subject { return Subject{Group: c.Root} }

// Subject is the panel.
func (c ClaimLicense) Subject() Subject { return Subject{Device: c.Panel} }

// Subject is the panel.
func (c GiveUpClaim) Subject() Subject { return Subject{Device: c.Panel} }

// Subject is empty: the hub itself asks.
func (Tick) Subject() Subject { return Subject{} }

// Subject is empty: each change in the batch has its own.
func (Batch) Subject() Subject { return Subject{} }
